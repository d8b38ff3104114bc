//! The tables of `/use`: step by step behind a chart, what failed, and of whom most.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::error::ErrorCode;
use crate::printed::parts::{bytes, count as number};
use crate::speed_test::model::format_ms;
use crate::traffic::read::{Counted, Times, Top};
use crate::traffic::search::{Asked, Understood};
use crate::traffic::tally::{OTHER, Subject, Tally};

/// The rows and the heads of a table with a row for each step.
pub(super) fn table(
    counted: &Counted,
    heads: &[&'static str],
    cells: impl Fn(&Tally, &Times) -> Vec<String>,
) -> (AnyView, AnyView) {
    let rows: Vec<_> = counted
        .steps
        .iter()
        .enumerate()
        .map(|(step, tally)| {
            let cells = cells(tally, &Times::of(tally));
            let at = counted.window.begin_of(step);
            view! {
                <tr>
                    <th scope="row">{minute(at)}</th>
                    {cells.into_iter().map(|cell| view! { <td class="numeric">{cell}</td> }).collect_view()}
                </tr>
            }
        })
        .collect();
    let from = format!("From (UTC), each {}", counted.window.range.step_label());
    let heads: Vec<_> = heads
        .iter()
        .map(|head| view! { <th scope="col" class="numeric">{*head}</th> })
        .collect();
    let heads = view! { <tr><th scope="col">{from}</th>{heads}</tr> };
    (rows.into_any(), heads.into_any())
}

/// What failed why, with the way to the calls and to what the code means.
pub(super) fn failures(counted: &Counted, understood: &Understood) -> Option<impl IntoView + use<>> {
    let total = &counted.total;
    if total.codes.is_empty() {
        return None;
    }
    let mut codes: Vec<_> = total.codes.iter().collect();
    codes.sort_by(|(one, one_count), (other, other_count)| (other_count, one).cmp(&(one_count, other)));
    let rows: Vec<_> = codes
        .into_iter()
        .map(|(code, count)| {
            let means = ErrorCode::OF_CALL.iter().any(|known| known.as_str() == code).then(|| {
                let href = format!("/guide/errors/{code}");
                view! { " \u{b7} " <a href=href>"What it means"</a> }
            });
            let calls = calls_of(code, counted, &understood.subject);
            view! {
                <tr>
                    <th scope="row" data-label="Result"><code>{code.clone()}</code></th>
                    <td class="numeric" data-label="Calls">{number(*count)}</td>
                    <td class="numeric" data-label="Share">{share(*count, total.calls)}</td>
                    <td data-label="More"><span><a href=calls>"These calls"</a> {means}</span></td>
                </tr>
            }
        })
        .collect();
    Some(view! {
        <section>
            <h2 id="failures">"What failed"</h2>
            <div class="table-wrap" tabindex="0" role="region" aria-label="What failed">
                <table class="table table-stacked">
                    <thead>
                        <tr>
                            <th scope="col">"Result"</th>
                            <th scope="col" class="numeric">"Calls"</th>
                            <th scope="col" class="numeric">"Share"</th>
                            <th scope="col">"More"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    })
}

/// The list of calls of a code in the time that is shown.
fn calls_of(code: &str, counted: &Counted, subject: &Subject) -> String {
    let instant = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M").to_string();
    let mut query = vec![
        ("code", code.to_owned()),
        ("from", instant(counted.window.from)),
        ("to", instant(counted.window.until)),
    ];
    match subject {
        Subject::Bridge => {}
        // All models that have no name here: no filter finds them.
        Subject::Model(model) if model == OTHER => {}
        Subject::Key(id) => query.push(("key", id.to_string())),
        Subject::Model(model) => query.push(("model", model.clone())),
    }
    format!("/calls?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// The keys or models with the most calls, each a link to its own page.
pub(super) fn most(
    title: &'static str,
    tops: &[Top],
    asked: &Asked,
    named: impl Fn(&Top) -> (String, Option<(&'static str, String)>),
) -> Option<AnyView> {
    if tops.is_empty() {
        return None;
    }
    let rows: Vec<_> = tops
        .iter()
        .map(|top| {
            let (name, link) = named(top);
            let name = match link {
                None => name.into_any(),
                Some((field, value)) => {
                    let mut asked = asked.clone();
                    (asked.key, asked.model) = match field {
                        "key" => (value, String::new()),
                        _ => (String::new(), value),
                    };
                    let href = format!("/use?{}", asked.query());
                    view! { <a rel="external" href=href>{name}</a> }.into_any()
                }
            };
            view! {
                <tr>
                    <th scope="row" data-label="Name">{name}</th>
                    <td class="numeric" data-label="Calls">{number(top.calls)}</td>
                    <td class="numeric" data-label="Failed">{share(top.failures, top.calls)}</td>
                    <td class="numeric" data-label="p95">{ms(top.p95)}</td>
                    <td class="numeric" data-label="Odoo\u{2019}s p95">{ms(top.odoo_p95)}</td>
                    <td class="numeric" data-label="Results">{bytes(top.bytes)}</td>
                </tr>
            }
        })
        .collect();
    let label = format!("{title} with the most calls");
    let head = label.clone();
    let section = view! {
        <section>
            <h2>{head}</h2>
            <div class="table-wrap" tabindex="0" role="region" aria-label=label>
                <table class="table table-stacked">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col" class="numeric">"Calls"</th>
                            <th scope="col" class="numeric">"Failed"</th>
                            <th scope="col" class="numeric">"p95"</th>
                            <th scope="col" class="numeric">"Odoo\u{2019}s p95"</th>
                            <th scope="col" class="numeric">"Results"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    };
    Some(section.into_any())
}

/// Milliseconds, if there are any.
pub(super) fn ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| "\u{2013}".to_owned(), format_ms)
}

/// A part of a whole in percent.
pub(super) fn share(part: i64, whole: i64) -> String {
    format!("{:.1} %", part as f64 / whole.max(1) as f64 * 100.0)
}

/// An instant to the minute.
pub(super) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
