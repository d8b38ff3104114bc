//! What is on `/connection`, printed by the server: it is as of its loading and
//! never changes in the browser, which so needs no code for it. Instants are in UTC.

use leptos::prelude::*;

use crate::connection::model::{ConnectionStatus, Refusal, WayStatus, WayWord};
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// HTML; what comes from settings or from Odoo is text in it, never markup.
#[must_use]
pub fn print(status: ConnectionStatus) -> String {
    Owner::new().with(|| view! { <Status status /> }.to_html())
}

#[component]
fn Status(status: ConnectionStatus) -> impl IntoView {
    let chosen_by = if status.fixed {
        "ODOO_TRANSPORT"
    } else {
        "The bridge, by what works and what it costs"
    };
    let mut instances = vec![("Limits of keys", status.limits)];
    instances.extend(status.instances.map(|alive| ("Instances now", alive.to_string())));
    instances.extend(
        status
            .times_redis_gone
            .map(|times| ("Times Redis was gone", times.to_string())),
    );
    view! {
        <header class="page-header">
            <div>
                <h1>"Odoo Connection"</h1>
                <p class="lead">"How calls get into Odoo, and what each way costs."</p>
            </div>
            // The browser itself follows it: the alarm above is fresh then too.
            <div class="page-actions"><a class="button" rel="external" href="/connection">"Refresh"</a></div>
        </header>
        <div class="connection">
            {status.refusals.into_iter().map(|refusal| refused(refusal).into_any()).collect_view()}
            {status.left_alone.map(|text| view! { <p class="notice notice-bad">{text}</p> }.into_any())}
            {status.redis_gone.map(|text| view! { <p class="notice notice-bad">{text}</p> }.into_any())}
            {(status.records_dropped > 0).then(|| dropped(status.records_dropped).into_any())}
            <section class="connection-ways" aria-labelledby="ways-title">
                <h2 id="ways-title">"Ways in"</h2>
                <p class="muted">
                    {status.picked}
                </p>
                {ways(status.ways).into_any()}
            </section>
            <div class="connection-cards">
                {facts("Odoo", vec![
                    ("Address", status.url),
                    ("Database", status.db),
                    ("User", status.username),
                    ("Way chosen by", chosen_by.to_owned()),
                ]).into_any()}
                {facts("The line before Odoo", vec![
                    ("Calls now", status.line),
                    ("Bounds", status.bounds),
                    ("Calls sent away since the start", status.sent_away.to_string()),
                    ("Times Odoo was left alone", status.times_left_alone.to_string()),
                ]).into_any()}
                {facts("Instances", instances).into_any()}
                {facts("Since the bridge started", vec![
                    ("Calls sent to Odoo", status.calls.to_string()),
                    ("Connections opened", status.connections_opened.to_string()),
                    ("Requests that reused one", status.reused.unwrap_or_else(|| "\u{2013}".to_owned())),
                    ("Call records kept", status.records_written.to_string()),
                    ("Call records lost", status.records_dropped.to_string()),
                ]).into_any()}
            </div>
        </div>
    }
}

fn refused(refusal: Refusal) -> impl IntoView {
    view! {
        <div class="notice notice-bad refusal">
            <p><strong>{format!("Odoo refuses {}.", refusal.setting)}</strong></p>
            <p>{refusal.remedy}</p>
            <p>
                "Refused last at " <Timestamp at=refusal.refused_at />
                {format!("; tried again {}.", refusal.tried_again)}
            </p>
        </div>
    }
}

fn dropped(records: u64) -> impl IntoView {
    view! {
        <p class="notice notice-warning">
            <strong>{format!("Call records lost: {records}. ")}</strong>
            "They could not be written as fast as calls came, or the database was away. The calls themselves were answered; the recent calls and counts of keys lack these."
        </p>
    }
}

const fn tone(state: WayWord) -> Tone {
    match state {
        WayWord::InUse | WayWord::Works => Tone::Good,
        WayWord::Closed => Tone::Warning,
        WayWord::Refused => Tone::Bad,
        WayWord::NotSet | WayWord::Untried => Tone::Muted,
    }
}

fn ways(ways: Vec<WayStatus>) -> impl IntoView {
    let row = |way: WayStatus| {
        view! {
            <tr>
                <th scope="row" data-label="Way">{way.name}</th>
                <td data-label="State"><Badge tone=tone(way.state) label=way.state.label() /></td>
                <td class="numeric" data-label="Cost a call">{way.cost.unwrap_or_else(|| "\u{2013}".to_owned())}</td>
                <td data-label="Why">{way.reason}</td>
                <td data-label="Since">{way.since.map(|at| view! { <Timestamp at /> })}</td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Ways into Odoo">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Way"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="numeric">"Cost a Call"</th>
                        <th scope="col">"Why"</th>
                        <th scope="col">"Since"</th>
                    </tr>
                </thead>
                <tbody>{ways.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn facts(title: &'static str, facts: Vec<(&'static str, String)>) -> impl IntoView {
    let fact = |(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> };
    view! {
        <section class="card">
            <h2>{title}</h2>
            <dl class="details-list">{facts.into_iter().map(fact).collect_view()}</dl>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> ConnectionStatus {
        ConnectionStatus {
            url: "https://odoo.example.com".into(),
            db: "prod".into(),
            username: "<b>bot</b>".into(),
            picked: "Calls go over JSON-RPC. It works.".into(),
            fixed: false,
            ways: vec![WayStatus {
                name: "JSON-RPC".into(),
                state: WayWord::InUse,
                cost: None,
                reason: "It answers.".into(),
                since: Some("2026-11-24T12:00:00Z".parse().expect("an instant")),
            }],
            refusals: Vec::new(),
            calls: 0,
            connections_opened: 0,
            reused: None,
            bounds: "64 at once".into(),
            line: "0 on their way, 0 wait".into(),
            sent_away: 0,
            left_alone: None,
            times_left_alone: 0,
            limits: "Held by each instance by itself".into(),
            instances: None,
            times_redis_gone: None,
            redis_gone: None,
            records_written: 5,
            records_dropped: 0,
        }
    }

    fn printed(status: ConnectionStatus) -> String {
        print(status)
    }

    #[test]
    fn a_way_says_its_state_why_and_since_when() {
        let html = printed(status());
        for text in [
            "JSON-RPC",
            "In use",
            "It answers.",
            "2026-11-24 12:00 UTC",
            "what works and what it costs",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("notice"), "all is well: {html}");
    }

    #[test]
    fn what_a_setting_holds_is_text_and_never_markup() {
        let html = printed(status());
        assert!(html.contains("&lt;b&gt;bot"), "{html}");
        assert!(!html.contains("<b>"), "{html}");
    }

    #[test]
    fn lost_records_are_a_warning_that_says_what_is_missing() {
        let html = printed(ConnectionStatus {
            records_dropped: 3,
            ..status()
        });
        assert!(html.contains("notice-warning"), "{html}");
        assert!(html.contains("Call records lost: 3."), "{html}");
        assert!(html.contains("The calls themselves were answered"), "{html}");
    }

    #[test]
    fn a_choice_of_the_settings_is_said_to_be_theirs() {
        let html = printed(ConnectionStatus {
            fixed: true,
            ..status()
        });
        assert!(html.contains("ODOO_TRANSPORT"), "{html}");
    }
}
