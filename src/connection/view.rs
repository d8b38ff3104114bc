//! The page `/connection`. Nothing on it needs JavaScript; it is as of its loading,
//! and "Refresh" loads it again.

use leptos::prelude::*;

use crate::connection::model::{ConnectionStatus, Refusal, WayStatus, WayWord};
use crate::connection::server_fns::get_connection;
use crate::ui::badge::{Badge, Tone};
use crate::ui::error_view::ErrorView;
use crate::ui::page_header::PageHeader;
use crate::ui::resource::load;
use crate::ui::skeleton::SkeletonRows;
use crate::ui::timestamp::Timestamp;

/// `/connection`
#[component]
pub fn ConnectionPage() -> impl IntoView {
    let status = load(String::new, |_| get_connection());
    view! {
        <PageHeader title="Odoo Connection" lead="How calls get into Odoo, and what each way costs.">
            // The browser itself follows it: the banner above is fresh then too.
            <a class="button" rel="external" href="/connection">"Refresh"</a>
        </PageHeader>
        <Transition fallback=|| view! { <SkeletonRows rows=6 /> }>
            {move || Suspend::new(async move {
                match status.await {
                    Ok(status) => view! { <Status status /> }.into_any(),
                    Err(error) => view! { <ErrorView error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Status(status: ConnectionStatus) -> impl IntoView {
    let chosen_by = if status.fixed {
        "ODOO_TRANSPORT"
    } else {
        "The bridge, by what works and what it costs"
    };
    view! {
        <div class="connection">
            {status.refusals.into_iter().map(|refusal| refused(refusal).into_any()).collect_view()}
            {(status.records_dropped > 0).then(|| dropped(status.records_dropped).into_any())}
            <section class="connection-ways" aria-labelledby="ways-title">
                <h2 id="ways-title">"Ways in"</h2>
                <p class="muted">
                    {status.picked.map(|way| format!("Calls go over {way}. "))}{status.picked_because}
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
                {facts("Since the bridge started", vec![
                    ("Requests to Odoo", status.requests.to_string()),
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
                <th scope="row">{way.name}</th>
                <td><Badge tone=tone(way.state) label=way.state.label() /></td>
                <td class="numeric">{way.cost.unwrap_or_else(|| "\u{2013}".to_owned())}</td>
                <td class="reason">{way.reason}</td>
                <td>{way.since.map(|at| view! { <Timestamp at /> })}</td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Ways into Odoo">
            <table class="table">
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
