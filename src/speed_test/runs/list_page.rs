//! What is on `/speed-test/runs`: a form for a run, filters, and what was measured.

use std::time::Duration;

use leptos::prelude::*;

use crate::ids::SpeedRunId;
use crate::odoo::Way;
use crate::printed::parts::{Notice, header, noticed};
use crate::session::model::wait_in_words;
use crate::speed_test::model::{TestType, format_ms};
use crate::speed_test::runs::plan::{Draft, SAMPLES_MAX};
use crate::speed_test::runs::range_page::{self, Range};
use crate::speed_test::runs::sample::{Run, RunState};
use crate::speed_test::runs::search::{Asked, Listed};
use crate::speed_test::runs::statistics::Statistics;
use crate::ui::badge::Badge;
use crate::ui::timestamp::Timestamp;

/// All that is on the page.
pub(super) struct Shown {
    pub(super) may_run: bool,
    pub(super) asked: Asked,
    /// What of it can't be.
    pub(super) wrong: Vec<String>,
    pub(super) runs: Vec<Listed>,
    /// What the whole range came to.
    pub(super) range: Range,
    /// Every Odoo that was measured.
    pub(super) targets: Vec<String>,
    /// Where the next page begins.
    pub(super) next: Option<SpeedRunId>,
    /// The ways that the settings allow.
    pub(super) open: Vec<Way>,
    pub(super) draft: Draft,
    /// How long the draft would take; `None` if it can't be.
    pub(super) expected: Option<Duration>,
    /// The pace.
    pub(super) interval: Duration,
    pub(super) notice: Option<Notice>,
}

/// `/speed-test/runs`
pub(super) fn print(shown: Shown) -> impl IntoView {
    let lead = "Each way into Odoo beside the others: many samples, percentiles, and where the time goes.";
    let is_filtered = !shown.asked.query(None).is_empty();
    let pages = pages(&shown.asked, shown.next).into_any();
    let filters = filters(&shown.asked, &shown.targets).into_any();
    let (wrong, notice) = (shown.wrong.clone(), shown.notice.clone());
    let range = range_page::print(&shown.range);
    let rows = rows(&shown.runs, &shown.range);
    view! {
        {header("Speed test runs", lead)}
        {notice.map(noticed)}
        {wrong.into_iter().map(|text| view! { <p class="notice notice-bad" role="alert">{text}</p> }).collect_view()}
        <p class="page-links">
            <a rel="external" href="/speed-test">"The light and the heavy test"</a>
            " "
            <a rel="external" href="/speed-test/schedules">"Schedules and alerts"</a>
        </p>
        {form(shown).into_any()}
        <h2>"Runs"</h2>
        {filters}
        {if rows.is_empty() {
            let text = if is_filtered { "No run is like that. Take a filter away." } else { "Nothing was measured yet." };
            view! { <p class="card muted">{text}</p> }.into_any()
        } else {
            table(rows).into_any()
        }}
        {pages}
        {range}
    }
}

fn form(shown: Shown) -> impl IntoView {
    if !shown.may_run {
        let text = "You may look at all runs. An operator or admin can start one.";
        return view! { <p class="card muted">{text}</p> }.into_any();
    }
    let Shown {
        draft,
        open,
        expected,
        interval,
        ..
    } = shown;
    let tests = [
        ("light", "Light: a cheap question"),
        ("heavy", "Heavy: 25 sales orders"),
    ];
    let starts = [("warm", "Warm: logged in before"), ("cold", "Cold: logs in each time")];
    let ways = Way::ALL.into_iter().filter(|way| open.contains(way)).map(|way| {
        let checked = draft.ways.iter().any(|word| word == way.as_str());
        view! {
            <label class="check">
                <input type="checkbox" name="way" value=way.as_str() checked=checked />
                {way.label()}
            </label>
        }
    });
    view! {
        <form method="post" action="/speed-test/runs" class="card filters speed-plan" aria-labelledby="plan-title">
            <h2 id="plan-title">"New run"</h2>
            {select("test", "Test", &tests, &draft.kind)}
            {select("start", "Start", &starts, &draft.start)}
            <div class="field">
                <label for="samples">"Samples of each way"</label>
                <input id="samples" name="samples" type="number" min="1" max=SAMPLES_MAX required value=draft.samples.clone() />
            </div>
            <fieldset class="field">
                <legend>"Ways in"</legend>
                {ways.collect_view()}
            </fieldset>
            <p class="speed-expected" id="expected">{expected.map(|expected| told(expected, interval))}</p>
            <div class="form-actions">
                <button type="submit" class="button button-primary">"Start the run"</button>
                <button type="submit" class="button" formmethod="get">"How long would it take?"</button>
            </div>
        </form>
    }
    .into_any()
}

/// How long it takes, before it begins.
fn told(expected: Duration, interval: Duration) -> String {
    let secs = u32::try_from(expected.as_secs()).unwrap_or(u32::MAX);
    let pace = if interval.is_zero() {
        "there is no pace to keep to".to_owned()
    } else {
        format!("Odoo is asked once in {}", format_ms(interval.as_secs_f64() * 1_000.0))
    };
    format!(
        "This takes about {}: {pace}, and before the samples there is a warm-up of each way, which is not counted.",
        wait_in_words(secs)
    )
}

fn select(name: &'static str, label: &'static str, options: &[(&'static str, &'static str)], chosen: &str) -> AnyView {
    let option = |(word, text): &(&'static str, &'static str)| {
        let (word, text) = (*word, *text);
        view! { <option value=word selected=word == chosen>{text}</option> }
    };
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <select id=name name=name>{options.iter().map(option).collect_view()}</select>
        </div>
    }
    .into_any()
}

fn filters(asked: &Asked, targets: &[String]) -> impl IntoView + use<> {
    let csv = format!("/speed-test/runs.csv?{}", asked.query(None));
    let any = ("", "Any");
    let kinds: Vec<_> = std::iter::once(any)
        .chain(TestType::ALL.map(|kind| (kind.as_str(), kind.label())))
        .collect();
    let ways: Vec<_> = std::iter::once(any)
        .chain(Way::ALL.map(|way| (way.as_str(), way.label())))
        .collect();
    let states: Vec<_> = std::iter::once(any)
        .chain(RunState::ALL.map(|state| (state.as_str(), state.label())))
        .collect();
    let by = asked.by.clone();
    // What was asked for stays, also if nothing was measured there.
    let other = Some(&asked.odoo).filter(|odoo| !odoo.is_empty() && !targets.contains(odoo));
    let odoos = targets.iter().chain(other).map(|target| {
        view! { <option value=target.clone() selected=*target == asked.odoo>{target.clone()}</option> }
    });
    let odoos = odoos.collect_view();
    let schedule = (!asked.schedule.is_empty())
        .then(|| view! { <input type="hidden" name="schedule" value=asked.schedule.clone() /> });
    view! {
        <form method="get" action="/speed-test/runs" class="card filters" aria-label="Filters">
            {select("kind", "Test", &kinds, &asked.kind)}
            {select("begin", "Start", &[any, ("warm", "Warm"), ("cold", "Cold")], &asked.begin)}
            {select("via", "Way in", &ways, &asked.via)}
            {select("state", "State", &states, &asked.state)}
            <div class="field">
                <label for="by">"By whom"</label>
                <input id="by" name="by" type="search" value=by autocomplete="off" spellcheck="false" maxlength="254" />
            </div>
            <div class="field">
                <label for="odoo">"Odoo"</label>
                <select id="odoo" name="odoo"><option value="">"Any"</option> {odoos}</select>
            </div>
            {field("from", "From (UTC)", kind_of(&asked.from), &asked.from)}
            {field("to", "To (UTC)", kind_of(&asked.to), &asked.to)}
            {field("over", "p95 above, in ms", "text", &asked.over)}
            {schedule}
            <div class="form-actions">
                <button type="submit" class="button button-primary">"Show"</button>
                <a class="button" rel="external" href="/speed-test/runs">"All"</a>
                <a class="button" rel="external" href=csv download="speed-runs.csv">"CSV"</a>
            </div>
        </form>
    }
}

/// A day has a field of its own; what is more exact is text.
fn kind_of(value: &str) -> &'static str {
    if value.is_empty() || value.parse::<chrono::NaiveDate>().is_ok() {
        "date"
    } else {
        "text"
    }
}

fn field(name: &'static str, label: &'static str, kind: &'static str, value: &str) -> AnyView {
    let value = value.to_owned();
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input id=name name=name type=kind value=value autocomplete="off" maxlength="64" />
        </div>
    }
    .into_any()
}

fn pages(asked: &Asked, next: Option<SpeedRunId>) -> impl IntoView + use<> {
    let newest = (!asked.before.is_empty()).then(|| format!("/speed-test/runs?{}", asked.query(None)));
    let older = next.map(|id| format!("/speed-test/runs?{}", asked.query(Some(id))));
    view! {
        <nav class="pager" aria-label="Pages">
            {newest.map(|href| view! { <a class="button" rel="external" href=href>"Newest"</a> })}
            {older.map(|href| view! { <a class="button" rel="external" href=href>"Older"</a> })}
        </nav>
    }
}

fn rows(runs: &[Listed], range: &Range) -> Vec<AnyView> {
    let of_run = |listed: &Listed| -> Vec<AnyView> {
        let statistics = listed.statistics.iter();
        statistics.map(|of_way| row(&listed.run, *of_way, range)).collect()
    };
    runs.iter().flat_map(of_run).collect()
}

fn table(rows: Vec<AnyView>) -> impl IntoView {
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Runs">
            <table class="table table-stacked">
                <caption class="visually-hidden">"Latencies are without the waiting for turn and pace. Vs. average: p95 against the average p95 of the range."</caption>
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Test"</th>
                        <th scope="col">"Way"</th>
                        <th scope="col" class="numeric">"p50"</th>
                        <th scope="col" class="numeric">"p95"</th>
                        <th scope="col" class="numeric">"Vs. average"</th>
                        <th scope="col" class="numeric">"Jitter"</th>
                        <th scope="col" class="numeric">"Failed"</th>
                        <th scope="col">"State"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn row(run: &Run, of_way: Statistics, range: &Range) -> AnyView {
    let href = format!("/speed-test/runs/{}", run.id);
    let ms = |ms: Option<f64>| ms.map_or_else(|| "\u{2013}".to_owned(), format_ms);
    let figures = of_way.figures;
    let (at, state, by) = (run.started_at, run.state, run.started_by.clone());
    let change = figures.and_then(|figures| range.change(&run.kind_measured(), of_way.way, figures.p95));
    let change = change.unwrap_or_else(|| "\u{2013}".to_owned());
    let target = run.target.clone();
    let test = format!("{}, {}", run.kind.label(), run.start());
    view! {
        <tr>
            <th scope="row" data-label="When"><span><a rel="external" href=href><Timestamp at /></a> <span class="run-under">"by " {by}</span></span></th>
            <td data-label="Test"><span>{test} <span class="run-under">"at " {target}</span></span></td>
            <td data-label="Way">{of_way.way.label()}</td>
            <td class="numeric" data-label="p50">{ms(figures.map(|figures| figures.p50))}</td>
            <td class="numeric" data-label="p95">{ms(figures.map(|figures| figures.p95))}</td>
            <td class="numeric" data-label="Vs. average">{change}</td>
            <td class="numeric" data-label="Jitter">{ms(figures.and_then(|figures| figures.jitter))}</td>
            <td class="numeric" data-label="Failed">{of_way.failed}</td>
            <td data-label="State"><Badge tone=state.tone() label=state.label() /></td>
        </tr>
    }
    .into_any()
}
