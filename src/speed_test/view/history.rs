//! What became of all runs: filters, the chart, the table and its pages.

use leptos::prelude::*;

use crate::error::AppError;
use crate::speed_test::model::{Chart, Failure, HistoryPage, HistoryQuery, RunStatus, SpeedTest, TestType, format_ms};
use crate::speed_test::summary::{Summary, describe};
use crate::ui::badge::{Badge, Tone};
use crate::ui::empty_state::EmptyState;
use crate::ui::error_view::ErrorView;
use crate::ui::pagination::Pagination;
use crate::ui::resource::Loaded;
use crate::ui::skeleton::SkeletonRows;
use crate::ui::timestamp::Timestamp;

/// The history that `query` asks for.
#[component]
pub(super) fn History(query: Memo<HistoryQuery>, page: Loaded<Result<HistoryPage, AppError>>) -> impl IntoView {
    let found = move || {
        Suspend::new(async move {
            match page.await {
                Ok(page) => view! { <Found query=query.get_untracked() page=page /> }.into_any(),
                Err(error) => view! { <ErrorView error=error /> }.into_any(),
            }
        })
    };
    view! {
        <section class="speed-history" aria-labelledby="history-title">
            <div class="speed-history-head">
                <h2 id="history-title">"Benchmark History"</h2>
                <Filters query=query />
            </div>
            <Transition fallback=|| view! { <SkeletonRows rows=6 /> }>{found}</Transition>
        </section>
    }
}

/// Links, so that a filtered history can be kept and sent, and works before and
/// without WASM.
#[component]
fn Filters(query: Memo<HistoryQuery>) -> impl IntoView {
    let by_type = move |test_type: Option<TestType>, label: &'static str| {
        let to = move || HistoryQuery {
            test_type,
            page: 1,
            ..query.get()
        };
        filter_link(
            label,
            Signal::derive(move || to().href()),
            Signal::derive(move || query.get().test_type == test_type),
        )
    };
    let by_status = move |status: Option<RunStatus>, label: &'static str| {
        let to = move || HistoryQuery {
            status,
            page: 1,
            ..query.get()
        };
        filter_link(
            label,
            Signal::derive(move || to().href()),
            Signal::derive(move || query.get().status == status),
        )
    };
    view! {
        <nav class="segmented" aria-label="Filter by test type">
            {by_type(None, "All tests")}
            {TestType::ALL.map(|test_type| by_type(Some(test_type), test_type.label())).collect_view()}
        </nav>
        <nav class="segmented" aria-label="Filter by status">
            {by_status(None, "Any status")}
            {RunStatus::ALL.map(|status| by_status(Some(status), status.label())).collect_view()}
        </nav>
    }
}

fn filter_link(label: &'static str, href: Signal<String>, current: Signal<bool>) -> impl IntoView {
    view! {
        <a href=href data-noscroll="" aria-current=move || current.get().then_some("true")>
            {label}
        </a>
    }
}

#[component]
fn Found(query: HistoryQuery, page: HistoryPage) -> impl IntoView {
    let wrong = page.wrong.clone();
    let wrong = (!wrong.is_empty()).then(|| view! { <p class="notice notice-bad" role="alert">{wrong}</p> });
    let runs = if page.runs.is_empty() {
        view! { <Nothing filtered=query.is_filtered() /> }.into_any()
    } else {
        view! { <Runs query=query page=page /> }.into_any()
    };
    (wrong, runs).into_any()
}

#[component]
fn Runs(query: HistoryQuery, page: HistoryPage) -> impl IntoView {
    let csv = query.csv_href();
    let HistoryPage {
        runs,
        found,
        page,
        pages,
        target,
        chart,
        summaries,
        ..
    } = page;
    let href = Callback::new(move |page| HistoryQuery { page, ..query.clone() }.href());
    let noun = if found == 1 { "run" } else { "runs" };
    view! {
        {chart.map(|chart| view! { <LatencyChart chart=chart summaries=summaries /> })}
        <div class="table-wrap" tabindex="0" role="region" aria-label="Runs">
            <table class="table speed-table">
                <thead>
                    <tr>
                        <th scope="col">"Test Type"</th>
                        <th scope="col" class="numeric">"Latency"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col">"Tested At"</th>
                        <th scope="col">"Details / Errors"</th>
                    </tr>
                </thead>
                <tbody>{runs.into_iter().map(|run| view! { <Run run=run target=target.clone() /> }).collect_view()}</tbody>
            </table>
        </div>
        <p class="speed-count">{format!("{found} {noun}, newest first. ")} <a rel="external" href=csv download="speed-tests.csv">"CSV"</a></p>
        <Pagination page=page pages=pages href=href />
    }
    .into_any()
}

#[component]
fn Nothing(filtered: bool) -> impl IntoView {
    if filtered {
        view! {
            <EmptyState title="No such run">
                <p>"No run so far is of this type and status."</p>
                <p><a href=HistoryQuery::default().href() data-noscroll="">"Show all runs"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <EmptyState title="No runs yet">
                <p>"Run the light test above: it takes less than a second. Every run is kept here, and the chart grows with them."</p>
            </EmptyState>
        }
        .into_any()
    }
}

#[component]
fn Run(run: SpeedTest, target: String) -> impl IntoView {
    let status = run.status();
    let tone = match status {
        RunStatus::Succeeded => Tone::Good,
        RunStatus::Failed => Tone::Bad,
    };
    let latency_class = match status {
        RunStatus::Succeeded => "numeric",
        RunStatus::Failed => "numeric speed-muted",
    };
    let elsewhere = (run.target != target).then(|| {
        let text = format!("At another Odoo: {}", run.target);
        view! { <p class="speed-muted">{text}</p> }
    });
    let parts = run.parts();
    let details = match run.failure {
        None => {
            let text: Vec<String> = run.details.into_iter().chain(parts).collect();
            view! { <p>{text.join(" \u{b7} ")}</p> }.into_any()
        }
        Some(failure) => view! { <WhyFailed failure=failure parts=parts /> }.into_any(),
    };
    view! {
        <tr>
            <td>{run.test_type.label()}</td>
            <td class=latency_class>{format_ms(run.latency_ms)}</td>
            <td><Badge tone=tone label=status.label() /></td>
            <td class="speed-nowrap"><Timestamp at=run.tested_at /></td>
            <td class="speed-details">{details}{elsewhere}</td>
        </tr>
    }
}

#[component]
fn WhyFailed(failure: Failure, #[prop(optional_no_strip)] parts: Option<String>) -> impl IntoView {
    view! {
        <p>{failure.message} " " <code>{failure.code.as_str()}</code></p>
        {parts.map(|parts| view! { <p class="speed-muted">{format!("Timed until then: {parts}.")}</p> })}
    }
}

/// The chart twice, of which the style sheet shows one; and the same in words.
#[component]
fn LatencyChart(chart: Chart, summaries: Vec<Summary>) -> impl IntoView {
    let has = |test_type| {
        summaries
            .iter()
            .any(|summary| summary.test_type == test_type && summary.succeeded > 0)
    };
    let light = has(TestType::Light).then(|| key("chart-light", "\u{25cf}", "Light"));
    let heavy = has(TestType::Heavy).then(|| key("chart-heavy", "\u{25b2}", "Heavy"));
    let failed = summaries
        .iter()
        .any(|summary| summary.failed > 0)
        .then(|| key("chart-failed", "\u{2715}", "Failed, at the time it took to fail"));
    view! {
        <figure class="card speed-chart">
            <div class="chart-wide-box" inner_html=chart.wide_svg></div>
            <div class="chart-narrow-box" inner_html=chart.narrow_svg></div>
            <figcaption>
                <ul class="chart-legend">{light}{heavy}{failed}</ul>
                <p>{describe(&summaries)}</p>
            </figcaption>
        </figure>
    }
}

fn key(class: &'static str, mark: &'static str, label: &'static str) -> impl IntoView {
    view! { <li><span class=class aria-hidden="true">{mark}</span> {label}</li> }
}
