//! What is on a run's page: how it stands, its numbers, where the time went, its samples.

use leptos::prelude::*;

use crate::odoo::Way;
use crate::printed::parts::header;
use crate::speed_test::model::format_ms;
use crate::speed_test::runs::sample::{Parts, Run, RunState, Sample};
use crate::speed_test::runs::search::Detailed;
use crate::speed_test::runs::statistics::{Figures, Statistics, change_percent};
use crate::ui::badge::Badge;
use crate::ui::timestamp::Timestamp;

/// How wide a bar is drawn, in its own units.
const BAR_WIDTH: f64 = 1_000.0;
/// One of the figures of a way.
type Figure = fn(&Figures) -> Option<f64>;

const NOTHING: &str = "\u{2013}";

/// `/speed-test/runs/<id>`
pub(super) fn print(detailed: Detailed, may_cancel: bool) -> impl IntoView {
    let Detailed {
        run,
        samples,
        statistics,
        baseline,
    } = detailed;
    let lead = "Times are without the waiting for turn and pace, which is told apart.";
    let title = format!("{} test, {}", run.kind.label(), run.start());
    let csv = format!("/speed-test/runs/{}/samples.csv", run.id);
    view! {
        {header(&title, lead)}
        <p class="page-links"><a rel="external" href="/speed-test/runs">"All runs"</a></p>
        {progress(&run, samples.len(), may_cancel)}
        <h2>"Ways side by side"</h2>
        <div id="speed-numbers">{numbers(&statistics, &baseline)}</div>
        <h2>"Where the time went"</h2>
        {bars(&statistics)}
        {split(&statistics)}
        <details class="speed-samples">
            <summary>{format!("All {} samples", samples.len())}</summary>
            {raw(samples)}
        </details>
        <p><a class="button" rel="external" href=csv download="speed-samples.csv">"Samples as CSV"</a></p>
        {facts(run)}
    }
}

fn progress(run: &Run, taken: usize, may_cancel: bool) -> AnyView {
    let wanted = run.wanted();
    if run.state != RunState::Running {
        let by = run.cancelled_by.as_ref().filter(|_| run.state == RunState::Cancelled);
        let by = by.map(|by| format!(" By {by}.")).unwrap_or_default();
        let text = format!("{taken} of {wanted} samples.{by}");
        return view! {
            <p class="speed-state"><Badge tone=run.state.tone() label=run.state.label() /> " " {text}</p>
        }
        .into_any();
    }
    let action = format!("/speed-test/runs/{}", run.id);
    let live = format!("{action}/live");
    view! {
        <section class="card speed-running" aria-label="Progress" data-progress=live>
            // What streams in; the button beside it stays.
            <div class="speed-how-far" role="status">{how_far(run, taken)}</div>
            <noscript>
                <meta http-equiv="refresh" content="1" />
                <p class="muted">"This page loads itself again until the run is over."</p>
            </noscript>
            {may_cancel.then(|| view! {
                <form method="post" action=action>
                    <button type="submit" class="button" name="do" value="cancel">"Cancel"</button>
                </form>
            })}
        </section>
    }
    .into_any()
}

/// How far a run is that goes on.
pub(super) fn how_far(run: &Run, taken: usize) -> AnyView {
    let wanted = run.wanted();
    let text = match (taken, &run.cancelled_by) {
        (_, Some(_)) => "It is being cancelled.".to_owned(),
        (0, None) => format!("0 of {wanted}: it warms up."),
        _ => format!("{taken} of {wanted}"),
    };
    view! {
        <p>{text}</p>
        <progress value=taken max=wanted aria-label="Samples taken"></progress>
    }
    .into_any()
}

/// A part of a call that is shorter than a millisecond is not nothing: `0.04 ms`.
fn fine(ms: f64) -> String {
    if ms < 1.0 { format!("{ms:.2} ms") } else { format_ms(ms) }
}

fn ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| NOTHING.to_owned(), fine)
}

/// Rounded, with its sign: `+12 %`.
fn change(statistics: &Statistics, baseline: &[(Way, f64)]) -> Option<String> {
    let (_, before) = baseline.iter().find(|(way, _)| *way == statistics.way)?;
    let percent = change_percent(*before, statistics.figures?.p50)?;
    Some(format!("{percent:+.0} % ({})", fine(*before)))
}

/// The numbers of each way, beside those of earlier runs.
pub(super) fn numbers(statistics: &[Statistics], baseline: &[(Way, f64)]) -> AnyView {
    let columns: [(&str, Figure); 6] = [
        ("Min", |figures| Some(figures.min)),
        ("p50", |figures| Some(figures.p50)),
        ("p90", |figures| Some(figures.p90)),
        ("p95", |figures| Some(figures.p95)),
        ("Max", |figures| Some(figures.max)),
        ("Jitter", |figures| figures.jitter),
    ];
    let rows = statistics.iter().map(|of_way| {
        let cells = columns.map(|(name, of)| {
            view! { <td class="numeric" data-label=name>{ms(of_way.figures.as_ref().and_then(of))}</td> }.into_any()
        });
        let change = change(of_way, baseline).unwrap_or_else(|| NOTHING.to_owned());
        view! {
            <tr>
                <th scope="row" data-label="Way">{of_way.way.label()}</th>
                {cells.collect_view()}
                <td class="numeric" data-label="Failures">{format!("{} of {}", of_way.failed, of_way.failed + of_way.succeeded)}</td>
                <td class="numeric" data-label="Vs. earlier">{change}</td>
            </tr>
        }
    });
    let heads = columns.map(|(name, _)| view! { <th scope="col" class="numeric">{name}</th> });
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Statistics">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Way"</th>
                        {heads.collect_view()}
                        <th scope="col" class="numeric">"Failures"</th>
                        <th scope="col" class="numeric">"Vs. earlier"</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
        <p class="muted">
            "Percentiles are by the nearest rank; jitter is the mean difference of one sample to the next. Vs. earlier: the p50 against the median of the ten runs of this kind before."
        </p>
    }
    .into_any()
}

/// The parts that are drawn: the waiting would hide them.
fn drawn(mean: &Parts) -> impl Iterator<Item = (usize, f64)> {
    let parts = mean.named().into_iter().enumerate();
    parts
        .filter(|(_, (name, _))| *name != "Queue")
        .map(|(index, (_, ms))| (index, ms))
}

fn bars(statistics: &[Statistics]) -> AnyView {
    let means: Vec<(Way, Parts)> = statistics
        .iter()
        .filter_map(|of_way| Some((of_way.way, of_way.figures?.mean)))
        .collect();
    let longest = means.iter().map(|(_, mean)| mean.latency()).fold(0.0, f64::max);
    if longest <= 0.0 {
        return view! { <p class="muted">"Nothing was answered yet."</p> }.into_any();
    }
    let legend = Parts::default()
        .named()
        .into_iter()
        .enumerate()
        .filter(|(_, (name, _))| *name != "Queue");
    let legend = legend.map(|(index, (name, _))| {
        view! {
            <li>
                <svg class="speed-swatch" viewBox="0 0 10 10" aria-hidden="true">
                    <rect class=format!("speed-part-{index}") width="10" height="10" />
                </svg>
                {name}
            </li>
        }
    });
    let bars = means.iter().map(|(way, mean)| {
        let mut at = 0.0;
        let rects = drawn(mean).map(|(index, ms)| {
            let (x, width) = (at, ms / longest * BAR_WIDTH);
            at += width;
            view! {
                <rect class=format!("speed-part-{index}") x=format!("{x:.1}") width=format!("{width:.1}") height="24" />
            }
        });
        let rects = rects.collect_view();
        let parts: Vec<String> = mean
            .named()
            .iter()
            .map(|(name, ms)| format!("{name} {}", fine(*ms)))
            .collect();
        let label = format!("{}, on average: {}", way.label(), parts.join(", "));
        view! {
            <div class="speed-bar">
                <span>{way.label()}</span>
                <svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label=label>{rects}</svg>
                <span class="numeric">{fine(mean.latency())}</span>
            </div>
        }
    });
    view! {
        <ul class="speed-legend">{legend.collect_view()}</ul>
        <div class="speed-bars">{bars.collect_view()}</div>
    }
    .into_any()
}

fn part_heads() -> AnyView {
    let names = Parts::default().named().map(|(name, _)| name);
    names
        .map(|name| view! { <th scope="col" class="numeric">{name}</th> })
        .collect_view()
        .into_any()
}

fn part_cells(parts: Option<Parts>) -> AnyView {
    let names = Parts::default().named().map(|(name, _)| name);
    let values = parts.map(|parts| parts.named().map(|(_, ms)| ms));
    let cells = names.into_iter().enumerate().map(|(index, name)| {
        view! { <td class="numeric" data-label=name>{ms(values.map(|values| values[index]))}</td> }
    });
    view! {
        {cells.collect_view()}
        <td class="numeric" data-label="Total">{ms(parts.map(|parts| parts.total))}</td>
    }
    .into_any()
}

fn split(statistics: &[Statistics]) -> AnyView {
    let rows = statistics.iter().map(|of_way| {
        view! {
            <tr>
                <th scope="row" data-label="Way">{of_way.way.label()}</th>
                {part_cells(of_way.figures.map(|figures| figures.mean))}
            </tr>
        }
    });
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="The split">
            <table class="table table-stacked">
                <caption class="visually-hidden">"The mean of each part."</caption>
                <thead><tr><th scope="col">"Way"</th> {part_heads()} <th scope="col" class="numeric">"Total"</th></tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn raw(samples: Vec<Sample>) -> AnyView {
    let row = |sample: Sample| {
        let answer = match (&sample.failure, sample.records, sample.bytes) {
            (Some(failure), ..) => format!("{}: {}", failure.code.as_str(), failure.message),
            (None, Some(records), Some(bytes)) => format!("{records} records, {bytes} bytes"),
            (None, _, bytes) => format!("{} bytes", bytes.unwrap_or_default()),
        };
        view! {
            <tr>
                <th scope="row" data-label="Sample">{sample.number}</th>
                <td data-label="Way">{sample.way.label()}</td>
                {part_cells(Some(sample.parts))}
                <td data-label="Answer">{answer}</td>
            </tr>
        }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Samples">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Sample"</th>
                        <th scope="col">"Way"</th>
                        {part_heads()}
                        <th scope="col" class="numeric">"Total"</th>
                        <th scope="col">"Answer"</th>
                    </tr>
                </thead>
                <tbody>{samples.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn facts(run: Run) -> AnyView {
    let unknown = || "Not known".to_owned();
    let facts = [
        ("Odoo", run.target),
        ("Odoo's version", run.odoo_version.unwrap_or_else(unknown)),
        ("Bridge's version", run.bridge_version),
        (
            "Asked for",
            run.model
                .unwrap_or_else(|| "A cheap question (res.users.fields_get)".to_owned()),
        ),
        ("Started by", run.started_by),
    ];
    let (started_at, ended_at) = (run.started_at, run.ended_at);
    view! {
        <section class="card speed-facts" aria-labelledby="facts-title">
            <h2 id="facts-title">"The run"</h2>
            <dl class="details-list">
                {facts.map(|(name, value)| view! { <dt>{name}</dt> <dd>{value}</dd> }).collect_view()}
                <dt>"Began"</dt>
                <dd><Timestamp at=started_at /></dd>
                {ended_at.map(|at| view! { <dt>"Ended"</dt> <dd><Timestamp at /></dd> })}
            </dl>
        </section>
    }
    .into_any()
}
