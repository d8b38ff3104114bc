//! What is on `/calls/<id>`: one call and its phases, printed by the server.

use leptos::prelude::*;

use crate::calls::answer::ABORTED;
use crate::calls::listing::page::{exact, result};
use crate::calls::listing::search::Found;
use crate::connection::model::way_name;
use crate::error::ErrorCode;
use crate::odoo::error::REASONS;
use crate::printed::parts::bytes;
use crate::printed::parts::header;
use crate::speed_test::model::format_ms;

/// One part of a call, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Phase {
    name: &'static str,
    what: &'static str,
    class: &'static str,
    /// Milliseconds; `None`: it did not come to that, or was not measured.
    ms: Option<f64>,
}

/// `/calls/<id>`
pub(super) fn print(call: &Found, key: Option<String>, has_more: bool) -> impl IntoView + use<> {
    let none = || "\u{2013}".to_owned();
    let key_href = format!("/keys/{}", call.api_key_id);
    let of_key = format!("/calls?key={}", call.api_key_id);
    let same = format!(
        "/calls?{}",
        serde_urlencoded::to_string([("request", &call.request_id)]).unwrap_or_default()
    );
    let key = key.unwrap_or_else(|| "A key that is gone".to_owned());
    let way = call
        .way
        .as_deref()
        .map_or_else(|| "Odoo was not asked".to_owned(), |way| way_name(way).to_owned());
    let page = error_page(&call.code);
    view! {
        <a class="back-link" href="/calls">"All calls"</a>
        {header("Call", "What is kept of one call. Never its arguments or its result.")}
        {has_more.then(|| view! {
            <p class="notice" role="status">
                "More than one call was told this request id; this is the newest. "
                <a href=same>"All of them"</a>
            </p>
        })}
        <section class="card call-card" aria-labelledby="call-title">
            <h2 id="call-title">
                <code class="wrap">{call.model.clone().unwrap_or_else(|| "No call".to_owned())}</code>
                " "
                <code class="wrap">{call.method.clone().unwrap_or_default()}</code>
            </h2>
            <dl class="details-list">
                <dt>"Result"</dt>
                <dd>
                    {result(&call.code)}
                    {page.map(|href| view! { " " <a href=href>"What it means and what to do"</a> })}
                </dd>
                {call.reason.clone().map(why)}
                {call.now_called.clone().map(|name| view! {
                    <dt>"Called now"</dt>
                    <dd><code class="wrap">{name}</code></dd>
                })}
                <dt>"Time (UTC)"</dt>
                <dd>{exact(call.called_at)}</dd>
                <dt>"Key"</dt>
                <dd><a href=key_href>{key}</a> " \u{00b7} " <a href=of_key>"All calls of this key"</a></dd>
                <dt>"Way into Odoo"</dt>
                <dd>{way}</dd>
                <dt>"Duration"</dt>
                <dd>{format_ms(call.duration_ms.into())}</dd>
                <dt>"Size of the result"</dt>
                <dd>{bytes(call.answer_bytes)}</dd>
                <dt>"Request id"</dt>
                <dd><code class="wrap">{call.request_id.clone()}</code></dd>
                <dt>"Address"</dt>
                <dd>{call.address.clone().unwrap_or_else(none)}</dd>
                <dt>"Record"</dt>
                <dd><code class="wrap">{call.id.to_string()}</code></dd>
            </dl>
        </section>
        {timeline(call)}
    }
}

/// Why it failed, in a word for the filter and a sentence for people; of a later version only
/// the word is known.
fn why(reason: String) -> impl IntoView {
    let of_reason = format!(
        "/calls?{}",
        serde_urlencoded::to_string([("reason", &reason)]).unwrap_or_default()
    );
    let sentence = REASONS.into_iter().find(|(known, _)| *known == reason);
    let of_reason = sentence.map(|_| view! { " \u{00b7} " <a href=of_reason>"All calls like that"</a> });
    view! {
        <dt>"Why"</dt>
        <dd>
            <code>{reason}</code>
            {sentence.map(|(_, sentence)| format!(" {sentence}"))}
            {of_reason}
        </dd>
    }
}

/// The page that explains a code; `ok` has none.
fn error_page(code: &str) -> Option<String> {
    let is_known = code == ABORTED || ErrorCode::OF_CALL.iter().any(|known| known.as_str() == code);
    is_known.then(|| format!("/guide/errors/{code}"))
}

/// The phases of a call, that what is left is the bridge's own.
fn phases(call: &Found) -> [Phase; 6] {
    let ms = |ms: Option<f32>| ms.map(f64::from);
    let (policy, fields, queue, odoo, stream) = (
        ms(call.policy_ms),
        ms(call.fields_ms),
        ms(call.queue_ms),
        ms(call.odoo_ms),
        ms(call.stream_ms),
    );
    let told: f64 = [policy, fields, queue, odoo, stream].into_iter().flatten().sum();
    let own = (f64::from(call.duration_ms) - told).max(0.0);
    let phase = |name, what, class, ms| Phase { name, what, class, ms };
    [
        phase(
            "Bridge",
            "Checks the key, reads the body, answers; all that is in no other phase",
            "phase-own",
            Some(own),
        ),
        phase("Policy", "Decides whether the key may do this", "phase-policy", policy),
        phase(
            "Fields",
            "Asks Odoo which fields a model has, line included; the answer is kept for a while",
            "phase-fields",
            fields,
        ),
        phase("Line", "Waits for its turn at Odoo", "phase-queue", queue),
        phase("Odoo", "Until the result is there, or has begun", "phase-odoo", odoo),
        phase(
            "Transfer",
            "The rest of a large result passes through",
            "phase-stream",
            stream,
        ),
    ]
}

/// A table with a bar in each row, at its place in the whole.
fn timeline(call: &Found) -> impl IntoView + use<> {
    let total = f64::from(call.duration_ms).max(0.001);
    let mut begin = 0.0;
    let rows: Vec<_> = phases(call)
        .into_iter()
        .map(|phase| {
            let (at, ms) = (begin, phase.ms.unwrap_or_default());
            begin += ms;
            let of_thousand = |ms: f64| (ms / total * 1_000.0).clamp(0.0, 1_000.0);
            let x = of_thousand(at).min(997.0);
            // A phase that took any time is seen.
            let width = of_thousand(ms).clamp(3.0, 1_000.0 - x);
            let told = phase.ms.map_or_else(|| "\u{2013}".to_owned(), |ms| format!("{ms:.2} ms"));
            let share = phase.ms.map_or_else(String::new, |ms| format!("{:.0} %", of_thousand(ms) / 10.0));
            view! {
                <tr>
                    <th scope="row" data-label="Phase">
                        <span>{phase.name}<span class="phase-what">{phase.what}</span></span>
                    </th>
                    <td class="numeric" data-label="Duration">{told}</td>
                    <td class="numeric" data-label="Share">{share}</td>
                    <td class="phase-bar">
                        <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" class=phase.class>
                            <rect class="phase-whole" x="0" y="7" width="1000" height="2" />
                            {phase.ms.map(|_| view! { <rect x=format!("{x:.1}") y="0" width=format!("{width:.1}") height="16" /> })}
                        </svg>
                    </td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="stack timeline" aria-labelledby="timeline-title">
            <h2 id="timeline-title">"Where the time went"</h2>
            <p class="muted">
                "In the order in which the phases happen; what the bridge takes between them is summed up in the first row. \
                 A dash: the call did not come to it, or it was not measured."
            </p>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Phases">
                <table class="table table-stacked phases">
                    <thead>
                        <tr>
                            <th scope="col">"Phase"</th>
                            <th scope="col" class="numeric">"Duration"</th>
                            <th scope="col" class="numeric">"Share"</th>
                            <th scope="col">"In the whole"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(code: &str) -> Found {
        Found {
            called_at: "2026-11-24T12:00:00Z".parse().expect("an instant"),
            id: uuid::Uuid::nil(),
            api_key_id: crate::ids::ApiKeyId(uuid::Uuid::nil()),
            model: Some("res.partner".into()),
            method: Some("<script>".into()),
            code: code.into(),
            reason: None,
            now_called: None,
            way: Some("jsonrpc".into()),
            duration_ms: 10.0,
            queue_ms: Some(2.0),
            policy_ms: None,
            fields_ms: None,
            odoo_ms: Some(6.0),
            stream_ms: None,
            answer_bytes: 1_234,
            request_id: "a".into(),
            address: None,
        }
    }

    #[test]
    fn what_is_in_no_phase_is_the_bridges_own() {
        let ms: Vec<_> = phases(&call("ok")).iter().map(|phase| phase.ms).collect();
        assert_eq!(ms, [Some(2.0), None, None, Some(2.0), Some(6.0), None]);
        let longer = Found {
            odoo_ms: Some(100.0),
            ..call("ok")
        };
        assert_eq!(phases(&longer)[0].ms, Some(0.0), "never less than nothing");
    }

    #[test]
    fn a_failure_leads_to_its_page_and_all_of_it_is_text_only() {
        let html = |code| Owner::new().with(|| print(&call(code), Some("a key".into()), false).to_html());
        let failed = html("odoo_timeout");
        assert!(failed.contains("href=\"/guide/errors/odoo_timeout\""), "{failed}");
        assert!(!failed.contains("<script>"), "{failed}");
        assert!(failed.contains("60 %") && failed.contains("1.2 kB"), "{failed}");
        assert!(html("aborted").contains("href=\"/guide/errors/aborted\""));
        assert!(!html("ok").contains("/guide/errors/"));
        let later = html("a_code_of_a_later_version");
        assert!(!later.contains("/guide/errors/") && later.contains("a_code_of_a_later_version"));
    }

    #[test]
    fn why_it_failed_is_told_in_a_word_and_a_sentence() {
        let html = |reason: &str, now: Option<&str>| {
            let call = Found {
                reason: Some(reason.into()),
                now_called: now.map(Into::into),
                ..call("odoo_not_found")
            };
            Owner::new().with(|| print(&call, None, false).to_html())
        };
        let renamed = html("unknown_model", Some("account.move"));
        assert!(renamed.contains("Odoo knows no model of this name."), "{renamed}");
        assert!(renamed.contains("account.move") && renamed.contains("href=\"/calls?reason=unknown_model\""));
        let later = html("<b>later</b>", None);
        assert!(
            later.contains("&lt;b&gt;later") && !later.contains("?reason="),
            "{later}"
        );
    }
}
