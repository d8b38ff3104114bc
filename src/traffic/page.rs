//! What is on `/use`, printed by the server. Instants are in UTC. Behind each chart is a table
//! that says the same.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::printed::form::{field, kind_of};
use crate::printed::parts::{bytes, count, header};
use crate::traffic::chart::{Charts, Drawn, LINES};
use crate::traffic::read::{Counted, Times, Top};
use crate::traffic::search::{Asked, Understood};
use crate::traffic::tables::{failures, minute, most, ms, share, table};
use crate::traffic::tally::{OTHER, Subject};
use crate::traffic::window::Range;

/// All that is on the page.
pub(super) struct Shown {
    pub(super) asked: Asked,
    pub(super) understood: Understood,
    pub(super) counted: Counted,
    /// `None`: there are no calls.
    pub(super) charts: Option<Charts>,
    /// `None`: it is not about all of the bridge.
    pub(super) others: Option<Others>,
    /// How many calls of all have no record.
    pub(super) lost: i64,
    /// Since when calls are counted, if there were some before.
    pub(super) begun: Option<DateTime<Utc>>,
    /// From when on its rows are kept.
    pub(super) kept_from: DateTime<Utc>,
}

/// The keys and models with the most calls.
pub(super) struct Others {
    pub(super) keys: Vec<Top>,
    pub(super) models: Vec<Top>,
    /// What keys are called, by their id.
    pub(super) names: HashMap<String, String>,
}

impl Shown {
    /// Of whom it is.
    pub(super) fn title(&self) -> String {
        match (&self.understood.subject, &self.understood.key) {
            (Subject::Bridge, _) => "Use".to_owned(),
            (Subject::Key(_), Some(key)) => format!("Use of the key {}", key.name),
            (Subject::Key(_), None) => "Use of a key that is gone".to_owned(),
            (Subject::Model(model), _) => format!("Use of {model}"),
        }
    }
}

/// `/use`
pub(super) fn print(shown: Shown) -> impl IntoView {
    let title = shown.title();
    let lead = "How much is called, how fast it is, and what fails. Percentiles are of all calls, failures included.";
    let Shown {
        asked,
        understood,
        counted,
        charts,
        others,
        lost,
        begun,
        kept_from,
    } = shown;
    let is_empty = counted.total.calls == 0;
    view! {
        {header(&title, lead)}
        {ways_on(&understood)}
        {notices(&counted, lost, begun, kept_from)}
        {ranges(&asked, understood.window.range)}
        {filters(&asked, &understood)}
        {is_empty.then(|| view! {
            <p class="card muted" id="no-calls">
                "Nothing was called in this time. A call is counted about a second after it ended."
            </p>
        })}
        {(!is_empty).then(|| figures(&counted))}
        {charts.map(|charts| drawn(&charts, &counted))}
        {failures(&counted, &understood)}
        {others.map(|others| view! {
            {most("Keys", &others.keys, &asked, |top| (
                others.names.get(&top.subject).cloned().unwrap_or_else(|| "A key that is gone".to_owned()),
                Some(("key", top.subject.clone())),
            ))}
            {most("Models", &others.models, &asked, |top| (
                top.subject.clone(),
                (top.subject != OTHER).then(|| ("model", top.subject.clone())),
            ))}
        })}
    }
}

/// Where the calls themselves are.
fn ways_on(understood: &Understood) -> AnyView {
    match &understood.subject {
        Subject::Bridge => view! { <p><a href="/calls">"All calls"</a></p> }.into_any(),
        Subject::Key(id) => {
            let (key, calls) = (format!("/keys/{id}"), format!("/calls?key={id}"));
            view! {
                <p>
                    <a href=key>"The key"</a> " \u{b7} " <a href=calls>"Its calls"</a> " \u{b7} "
                    <a rel="external" href="/use">"Use of the whole bridge"</a>
                </p>
            }
            .into_any()
        }
        Subject::Model(model) => {
            let calls = (model != OTHER).then(|| {
                let href = format!("/calls?model={model}");
                view! { <a href=href>"Its calls"</a> " \u{b7} " }
            });
            view! { <p>{calls} <a rel="external" href="/use">"Use of the whole bridge"</a></p> }.into_any()
        }
    }
}

/// What is not in the figures.
fn notices(
    counted: &Counted,
    lost: i64,
    begun: Option<DateTime<Utc>>,
    kept_from: DateTime<Utc>,
) -> impl IntoView + use<> {
    let from = counted.window.from;
    let warn = |text: String| view! { <p class="notice notice-warning" role="status">{text}</p> };
    let begun = begun.filter(|begun| *begun > from);
    view! {
        {(lost > 0).then(|| warn(format!(
            "{lost} calls to this bridge are not in these figures: they could not be written down in time."
        )))}
        {begun.map(|begun| warn(format!(
            "Calls are counted since {}. Those before are in the list of calls only.",
            minute(begun)
        )))}
        {(from < kept_from).then(|| warn(format!(
            "Before {} nothing is kept for a time of this length. Choose a longer one.",
            minute(kept_from)
        )))}
    }
}

/// Links, so that a page can be kept and sent.
fn ranges(asked: &Asked, shown: Range) -> impl IntoView + use<> {
    let links = Range::ALL.map(|range| {
        let asked = Asked {
            range: range.word().to_owned(),
            ..asked.clone()
        };
        let href = format!("/use?{}", asked.query());
        let current = (range == shown).then_some("true");
        view! { <a rel="external" href=href aria-current=current>{range.label()}</a> }
    });
    view! { <nav class="segmented use-ranges" aria-label="Time">{links.into_iter().collect_view()}</nav> }
}

fn filters(asked: &Asked, understood: &Understood) -> impl IntoView + use<> {
    let wrong = |field: &'static str| {
        let wrong = understood.wrong.iter().find(|wrong| wrong.field == field);
        wrong.map(|wrong| wrong.why.clone())
    };
    // A key has a name that people know better than its id.
    let key = understood
        .key
        .as_ref()
        .map_or_else(|| asked.key.clone(), |key| key.prefix.clone());
    let csv = format!("/use.csv?{}", asked.query());
    let range = understood.window.range.word();
    view! {
        {wrong("range").map(|why| view! { <p class="notice notice-bad" role="alert">"range: " {why}</p> })}
        <form method="get" action="/use" class="card filters" aria-label="Filters">
            <input type="hidden" name="range" value=range />
            {field("key", "Key: name, prefix or id", "search", key, wrong("key"), ().into_any())}
            {field("model", "Model", "search", asked.model.clone(), wrong("model"), ().into_any())}
            {field("until", "Until (UTC)", kind_of(&asked.until), asked.until.clone(), wrong("until"), ().into_any())}
            <div class="form-actions">
                <button type="submit" class="button button-primary">"Show"</button>
                <a class="button" rel="external" href=format!("/use?range={range}")>"All"</a>
                <a class="button" rel="external" href=csv download="use.csv">"CSV"</a>
            </div>
        </form>
    }
}

/// The whole time in a few numbers.
fn figures(counted: &Counted) -> impl IntoView + use<> {
    let (total, times) = (&counted.total, Times::of(&counted.total));
    let failed = format!("{} ({})", count(total.failures()), share(total.failures(), total.calls));
    let figures = [
        ("Calls", count(total.calls)),
        ("Failed", failed),
        ("p50", ms(times.p50)),
        ("p95", ms(times.p95)),
        ("p99", ms(times.p99)),
        ("Odoo\u{2019}s p95", ms(times.odoo_p95)),
        ("Results", bytes(total.bytes)),
    ];
    view! {
        <dl class="card use-figures" id="figures">
            {figures.map(|(name, figure)| view! { <div><dt>{name}</dt><dd>{figure}</dd></div> }).collect_view()}
        </dl>
    }
}

fn drawn(charts: &Charts, counted: &Counted) -> impl IntoView + use<> {
    let dash = |class: &'static str| {
        view! {
            <svg class=format!("use-key {class}") viewBox="0 0 40 8" aria-hidden="true">
                <path class=class d="M0 4h40" stroke="currentColor" stroke-width="2" fill="none" />
            </svg>
        }
    };
    let bar = |class: &'static str, inset: u32| {
        let d = format!("M{inset} 0h{}v8h-{}z", 16 - 2 * inset, 16 - 2 * inset);
        view! {
            <svg class="use-key use-key-bar" viewBox="0 0 16 8" aria-hidden="true">
                <path class=class d=d fill="currentColor" />
            </svg>
        }
    };
    let calls = view! {
        <li>{bar("use-calls", 1)} "Calls"</li>
        <li>{bar("use-failed", 5)} "Failed, of them"</li>
    };
    let times =
        LINES.map(|line| view! { <li>{dash(line.class)} <span aria-hidden="true">{line.mark}</span> {line.name}</li> });
    let through = view! { <li>{bar("use-calls", 1)} "Results of Odoo"</li> };
    view! {
        {figure("Calls", &charts.calls, calls.into_any(), table(counted, &["Calls", "Failed"], |tally, _| {
            vec![count(tally.calls), count(tally.failures())]
        }))}
        {figure("How long they took", &charts.times, times.into_iter().collect_view().into_any(), table(
            counted,
            &["p50", "p95", "p99", "Odoo\u{2019}s p95"],
            |_, times| vec![ms(times.p50), ms(times.p95), ms(times.p99), ms(times.odoo_p95)],
        ))}
        {figure("How much went through", &charts.bytes, through.into_any(), table(counted, &["Results"], |tally, _| {
            vec![bytes(tally.bytes)]
        }))}
    }
}

/// A chart in both widths, of which the style sheet shows one, and its table.
fn figure(
    title: &'static str,
    chart: &Drawn,
    legend: AnyView,
    (rows, heads): (AnyView, AnyView),
) -> impl IntoView + use<> {
    let (wide, narrow) = (chart.wide.clone(), chart.narrow.clone());
    let summary = format!("{title}, as a table");
    let label = summary.clone();
    view! {
        <section class="card use-chart">
            <h2>{title}</h2>
            <ul class="chart-legend">{legend}</ul>
            <div class="chart-wide-box" inner_html=wide></div>
            <div class="chart-narrow-box" inner_html=narrow></div>
            <details>
                <summary>{summary}</summary>
                <div class="table-wrap" tabindex="0" role="region" aria-label=label>
                    <table class="table">
                        <thead>{heads}</thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </details>
        </section>
    }
}
