//! What a key called lately, printed by the server: it never changes in the browser,
//! which so needs no code for it. Instants are in UTC.

use leptos::prelude::*;

use crate::calls::model::{CALLS_COUNTED, KeyCalls, RecentCall};
use crate::connection::model::way_name;
use crate::ids::ApiKeyId;
use crate::keys::policy::presets::PRESETS;
use crate::keys::shared_policies::SHARED;
use crate::speed_test::model::format_ms;
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// HTML; what a client sent is text in it, never markup.
#[must_use]
pub fn recent_calls(id: ApiKeyId, calls: KeyCalls) -> String {
    let all = (!calls.recent.is_empty()).then(|| {
        let href = format!("/calls?key={id}");
        let counted = format!("/use?key={id}");
        view! { <p><a href=href>"All calls of this key"</a> " \u{b7} " <a href=counted>"How much it is used"</a></p> }
    });
    view! { <h2 id="recent-title">"Recent calls"</h2> {found(calls)} {all} }.to_html()
}

/// The choices of what a new key may do: presets, shared policies by their names, and everything.
#[must_use]
pub fn accesses(shared: Vec<String>) -> String {
    let presets = PRESETS.map(|preset| view! { <option value=preset.id>{preset.name}</option> });
    let shared = (!shared.is_empty()).then(|| {
        let options = shared.into_iter().map(|name| {
            let value = format!("{SHARED}{name}");
            view! { <option value=value>{name}</option> }
        });
        view! { <optgroup label="Shared policies">{options.collect_view()}</optgroup> }
    });
    view! { {presets.into_iter().collect_view()} {shared} <option value="full">"Full access"</option> }.to_html()
}

fn found(calls: KeyCalls) -> AnyView {
    if calls.recent.is_empty() {
        return view! {
            <p class="card muted">"This key has made no calls yet. They show here a second after they are made."</p>
        }
        .into_any();
    }
    view! {
        <p class="muted">{counts(&calls)}</p>
        <div class="table-wrap" tabindex="0" role="region" aria-label="Newest calls">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Model"</th>
                        <th scope="col">"Method"</th>
                        <th scope="col">"Result"</th>
                        <th scope="col" class="numeric">"Duration"</th>
                        <th scope="col">"Way"</th>
                    </tr>
                </thead>
                <tbody>{calls.recent.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(call: RecentCall) -> impl IntoView {
    let none = || "\u{2013}".to_owned();
    let tone = if call.code == "ok" { Tone::Good } else { Tone::Bad };
    let way = call.way.as_deref().map_or_else(none, |way| way_name(way).to_owned());
    view! {
        <tr>
            <td data-label="Time"><Timestamp at=call.called_at /></td>
            <td data-label="Model"><code>{call.model.unwrap_or_else(none)}</code></td>
            <td data-label="Method"><code>{call.method.unwrap_or_else(none)}</code></td>
            <td data-label="Result"><Badge tone label=call.code /></td>
            <td class="numeric" data-label="Duration">{format_ms(f64::from(call.duration_ms))}</td>
            <td data-label="Way">{way}</td>
        </tr>
    }
}

/// `3 calls in the last 24 hours, 1 of them failed. The newest 20:`
fn counts(calls: &KeyCalls) -> String {
    let more = if calls.calls_24h >= u64::from(CALLS_COUNTED) {
        " or more"
    } else {
        ""
    };
    let noun = if calls.calls_24h == 1 { "call" } else { "calls" };
    format!(
        "{}{more} {noun} in the last 24 hours, {} of them failed. The newest {}:",
        calls.calls_24h,
        calls.failures_24h,
        calls.recent.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(code: &str) -> RecentCall {
        RecentCall {
            called_at: "2026-11-24T12:00:00Z".parse().expect("an instant"),
            model: Some("res.partner".into()),
            method: Some("search_read".into()),
            code: code.into(),
            way: Some("jsonrpc".into()),
            duration_ms: 12.34,
            odoo_ms: None,
            answer_bytes: 0,
            request_id: "a".into(),
            address: None,
        }
    }

    fn html(recent: Vec<RecentCall>, calls_24h: u64) -> String {
        let calls = KeyCalls {
            recent,
            calls_24h,
            failures_24h: 1,
        };
        Owner::new().with(|| recent_calls(ApiKeyId(uuid::Uuid::nil()), calls))
    }

    #[test]
    fn a_call_shows_what_it_asked_what_came_how_long_it_took_and_its_way() {
        let html = html(vec![call("odoo_timeout")], 1);
        for text in [
            "res.partner",
            "search_read",
            "odoo_timeout",
            "12.3 ms",
            "JSON-RPC",
            "badge-bad",
            "/calls?key=00000000-0000-0000-0000-000000000000",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(
            html.contains("1 call in the last 24 hours, 1 of them failed."),
            "{html}"
        );
    }

    #[test]
    fn a_body_that_was_no_call_has_no_model_and_is_text_only() {
        let refused = RecentCall {
            model: None,
            method: Some("<script>".into()),
            way: None,
            ..call("invalid_request")
        };
        let html = html(vec![refused], 10_000);
        assert!(html.contains("\u{2013}"), "{html}");
        assert!(!html.contains("<script>"), "{html}");
        assert!(
            html.contains("10000 or more calls"),
            "a count that was cut off says so: {html}"
        );
    }

    #[test]
    fn a_key_without_calls_says_so() {
        assert!(html(Vec::new(), 0).contains("no calls yet"));
    }
}
