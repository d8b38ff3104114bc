//! A range of runs on `/speed-test/runs`: its averages, and how its newest kind changed over
//! time, as a picture with a table behind it.

use leptos::prelude::*;

use crate::error::{AppError, Result};
use crate::odoo::Way;
use crate::speed_test::model::{Chart, format_ms};
use crate::speed_test::runs::history::{Average, Kind, Point, average_of, averages, describe, newest_kind};
use crate::speed_test::runs::history_chart::{draw, mark};
use crate::speed_test::runs::search::RANGE_MAX;
use crate::speed_test::runs::statistics::change_percent;
use crate::ui::timestamp::Timestamp;

/// What a range came to.
pub(super) struct Range {
    /// Of all kinds in it.
    pub(super) averages: Vec<Average>,
    pub(super) threshold_ms: Option<f64>,
    /// Whether older runs of the range are left out.
    is_cut: bool,
    /// Of the newest kind; `None` without a run that was answered.
    picture: Option<Picture>,
}

struct Picture {
    kind: Kind,
    points: Vec<Point>,
    chart: Chart,
    in_words: String,
}

impl Range {
    /// Of these points, oldest first.
    ///
    /// # Errors
    /// `internal` if the drawing library fails.
    pub(super) fn of(points: &[Point], threshold_ms: Option<f64>, is_cut: bool) -> Result<Self> {
        let averages = averages(points, threshold_ms);
        let picture = newest_kind(points).map(|(kind, points)| {
            let of_kind: Vec<&Average> = averages.iter().filter(|average| average.kind == kind).collect();
            let in_words = describe(&kind, &points, &averages, threshold_ms);
            Ok::<_, AppError>(Picture {
                chart: draw(&points, &of_kind, threshold_ms, &in_words)?,
                kind,
                points,
                in_words,
            })
        });
        Ok(Self {
            picture: picture.transpose()?,
            averages,
            threshold_ms,
            is_cut,
        })
    }

    /// How much a p95 differs from the average of its kind and way, rounded: `+12 %`.
    pub(super) fn change(&self, kind: &Kind, way: Way, p95: f64) -> Option<String> {
        let average = average_of(&self.averages, kind, way)?;
        change_percent(average.p95, p95).map(|percent| format!("{percent:+.0} %"))
    }
}

/// Nothing for a range in which nothing was answered.
pub(super) fn print(range: &Range) -> AnyView {
    let Some(picture) = &range.picture else {
        return ().into_any();
    };
    let cut = range.is_cut.then(|| {
        let text = format!("These are the newest {RANGE_MAX} runs of the range: choose a shorter one for the rest.");
        view! { <p class="notice">{text}</p> }
    });
    view! {
        <h2>"Over time"</h2>
        {cut}
        {figure(range, picture)}
        {averages_table(range)}
    }
    .into_any()
}

fn figure(range: &Range, picture: &Picture) -> AnyView {
    let title = format!("{}, at {}", picture.kind.label(), picture.kind.target);
    let has = |way: &Way| average_of(&range.averages, &picture.kind, *way).is_some();
    let ways = Way::ALL.into_iter().filter(has).map(|way| {
        let (class, mark) = mark(way);
        key(class, mark, way.label())
    });
    let threshold = range.threshold_ms.map(|ms| {
        key(
            "chart-threshold",
            "\u{00b7}\u{00b7}\u{00b7}",
            &format!("Threshold, {}", format_ms(ms)),
        )
    });
    let in_words = picture.in_words.clone();
    let points = table_of_points(range, picture);
    view! {
        <figure class="card speed-chart">
            <h3>{title}</h3>
            <div class="chart-wide-box" inner_html=picture.chart.wide_svg.clone()></div>
            <div class="chart-narrow-box" inner_html=picture.chart.narrow_svg.clone()></div>
            <figcaption>
                <ul class="chart-legend">
                    {ways.collect_view()}
                    {key("chart-text", "\u{25cf}", "filled: p95")}
                    {key("chart-text", "\u{25cb}", "hollow: p50")}
                    {key("chart-text", "\u{2012} \u{2012}", "the average of p95 in this range")}
                    {threshold}
                </ul>
                <p>{in_words}</p>
            </figcaption>
            <details class="speed-samples">
                <summary>"The same as a table"</summary>
                {points}
            </details>
        </figure>
    }
    .into_any()
}

fn key(class: &'static str, mark: &'static str, label: &str) -> AnyView {
    let label = label.to_owned();
    view! { <li><span class=class aria-hidden="true">{mark}</span> {label}</li> }.into_any()
}

fn table_of_points(range: &Range, picture: &Picture) -> AnyView {
    let rows = picture.points.iter().rev().map(|point| {
        let at = point.at;
        let href = format!("/speed-test/runs/{}", point.run);
        let change = range.change(&point.kind, point.way, point.p95);
        let above = range.threshold_ms.map(|threshold| {
            let text = if point.p95 > threshold { "above" } else { "not above" };
            view! { <td data-label="Threshold">{text}</td> }
        });
        view! {
            <tr>
                <th scope="row" data-label="When"><a rel="external" href=href><Timestamp at /></a></th>
                <td data-label="Way">{point.way.label()}</td>
                <td class="numeric" data-label="p50">{format_ms(point.p50)}</td>
                <td class="numeric" data-label="p95">{format_ms(point.p95)}</td>
                <td class="numeric" data-label="Vs. average">{change.unwrap_or_default()}</td>
                {above}
            </tr>
        }
    });
    let rows = rows.collect_view();
    let above = range.threshold_ms.map(|_| view! { <th scope="col">"Threshold"</th> });
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="The chart as a table">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Way"</th>
                        <th scope="col" class="numeric">"p50"</th>
                        <th scope="col" class="numeric">"p95"</th>
                        <th scope="col" class="numeric">"Vs. average"</th>
                        {above}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn averages_table(range: &Range) -> AnyView {
    let rows = range.averages.iter().map(|average| {
        let share = average
            .share_above()
            .map(|share| view! { <td class="numeric" data-label="Above the threshold">{share}</td> });
        view! {
            <tr>
                <th scope="row" data-label="Test">{average.kind.label()}</th>
                <td data-label="Odoo">{average.kind.target.clone()}</td>
                <td data-label="Way">{average.way.label()}</td>
                <td class="numeric" data-label="Runs">{average.runs}</td>
                <td class="numeric" data-label="Average p50">{format_ms(average.p50)}</td>
                <td class="numeric" data-label="Average p95">{format_ms(average.p95)}</td>
                {share}
            </tr>
        }
    });
    let rows = rows.collect_view();
    let share = range
        .threshold_ms
        .map(|_| view! { <th scope="col" class="numeric">"Above the threshold"</th> });
    view! {
        <h2>"Averages of this range"</h2>
        <div class="table-wrap" tabindex="0" role="region" aria-label="Averages">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"Test"</th>
                        <th scope="col">"Odoo"</th>
                        <th scope="col">"Way"</th>
                        <th scope="col" class="numeric">"Runs"</th>
                        <th scope="col" class="numeric">"Average p50"</th>
                        <th scope="col" class="numeric">"Average p95"</th>
                        {share}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}
