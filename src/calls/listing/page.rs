//! What is on `/calls`, printed by the server. Instants are in UTC.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use leptos::prelude::*;

use crate::calls::listing::csv;
use crate::calls::listing::search::{Asked, FAILED, Found, Place, Side, Understood, all_codes};
use crate::ids::ApiKeyId;
use crate::odoo::error::REASONS;
use crate::printed::form::{field, kind_of};
use crate::printed::parts::{bytes, header};
use crate::speed_test::model::format_ms;
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// All that is on the page.
pub(super) struct Shown {
    pub(super) asked: Asked,
    pub(super) understood: Understood,
    /// `None`: the search took too long.
    pub(super) calls: Option<Vec<Found>>,
    pub(super) names: HashMap<ApiKeyId, String>,
    /// Where the pages beside this one begin.
    pub(super) newer: Option<Place>,
    pub(super) older: Option<Place>,
    /// When the oldest call of all arrived.
    pub(super) since: Option<DateTime<Utc>>,
    /// How many records writers that fell behind have let go, of all instances.
    pub(super) dropped: u64,
    /// Of how many days.
    pub(super) dropped_days: u16,
}

/// `/calls`
pub(super) fn print(shown: Shown) -> impl IntoView {
    let Shown {
        asked,
        understood,
        calls,
        names,
        newer,
        older,
        since,
        dropped,
        dropped_days,
    } = shown;
    let is_filtered = !asked.query(None).is_empty();
    let is_newest = understood.filter.side.is_none();
    let of_page = understood
        .wrong
        .iter()
        .find(|wrong| wrong.field == "page")
        .map(|wrong| wrong.why.clone());
    let is_given_up = calls.is_none();
    let calls = calls.unwrap_or_default();
    let empty = match (is_given_up, is_newest, is_filtered) {
        (true, ..) => None,
        (_, false, _) => Some("There are no more calls on this side."),
        (_, _, true) => Some("No call is like that. Take a filter away."),
        _ => Some("Nothing was called yet. A call shows here a second after it ended."),
    };
    // Ids grow as records are written, so that the greatest one is where a live view goes on.
    let last = calls.iter().map(|call| call.id).max().map(|id| id.to_string());
    let live = format!("/calls/live?{}", asked.query(None));
    let link = |side| format!("/calls?{}", asked.query(side));
    let is_empty = calls.is_empty();
    view! {
        {header("Calls", "What was called with which key, and what came of it. Never arguments or results.")}
        <p class="muted calls-kept">{kept(since)} " " <a href="/use">"How much is called, and how fast it is"</a></p>
        {(dropped > 0).then(|| view! {
            <p class="notice notice-warning" role="status">{format!(
                "{dropped} calls of the last {dropped_days} days have no record: they could not be written down in time."
            )}</p>
        })}
        {of_page.map(|why| view! { <p class="notice notice-bad" role="alert">{why}</p> })}
        {filters(&asked, &understood)}
        {is_given_up.then(|| view! {
            <p class="notice notice-bad" role="alert">
                "This search looks at too many calls and was given up. Give a shorter time, or a key."
            </p>
        })}
        {(is_newest && !is_given_up).then(|| view! {
            <div class="live when-hydrated" data-live=live data-since=last>
                <button type="button" class="button" aria-pressed="false">"Live"</button>
                <p role="status" class="muted">"New calls show at the top as they end."</p>
            </div>
        })}
        {empty.filter(|_| is_empty).map(|text| view! { <p class="card muted" id="no-calls">{text}</p> })}
        {table(&calls, &names)}
        <nav class="pager" aria-label="Pages">
            {(!is_newest).then(|| view! { <a class="button" rel="external" href=link(None)>"Newest"</a> })}
            {newer.map(|place| view! {
                <a class="button" rel="external" href=link(Some(Side::After(place)))>"Newer"</a>
            })}
            {older.map(|place| view! {
                <a class="button" rel="external" href=link(Some(Side::Before(place)))>"Older"</a>
            })}
        </nav>
    }
}

fn kept(since: Option<DateTime<Utc>>) -> AnyView {
    let csv = format!("A CSV has {} calls at most, the newest.", csv::MOST);
    match since {
        Some(at) => view! { "Kept since " <Timestamp at /> ". " {csv} }.into_any(),
        None => csv.into_any(),
    }
}

fn filters(asked: &Asked, understood: &Understood) -> impl IntoView + use<> {
    let csv = format!("/calls.csv?{}", asked.query(None));
    // A key has a name that people know better than its id.
    let key = understood
        .key
        .as_ref()
        .map_or_else(|| asked.key.clone(), |key| key.prefix.clone());
    let named = understood.key.as_ref().map(|key| {
        let href = format!("/keys/{}", key.id);
        let name = key.name.clone();
        view! { <p class="field-hint">"The key " <a href=href>{name}</a></p> }
    });
    let wrong = |field: &'static str| {
        let wrong = understood.wrong.iter().find(|wrong| wrong.field == field);
        wrong.map(|wrong| wrong.why.clone())
    };
    let words = [("", "Anything"), (FAILED, "Everything that failed")].into_iter();
    let codes = words.chain(all_codes().map(|code| (code, code))).collect();
    let any = [("", "Any")].into_iter();
    let reasons = any.chain(REASONS.map(|(reason, _)| (reason, reason))).collect();
    view! {
        <form method="get" action="/calls" class="card filters" aria-label="Filters">
            {field("key", "Key: name, prefix or id", "search", key, wrong("key"), named.into_any())}
            {field("model", "Model", "search", asked.model.clone(), wrong("model"), ().into_any())}
            {field("method", "Method", "search", asked.method.clone(), wrong("method"), ().into_any())}
            {choice("code", "Result", codes, &asked.code, wrong("code"))}
            {choice("reason", "Why it failed", reasons, &asked.reason, wrong("reason"))}
            {field("slower", "Slower than, in ms", "text", asked.slower.clone(), wrong("slower"), ().into_any())}
            {field("from", "From (UTC)", kind_of(&asked.from), asked.from.clone(), wrong("from"), ().into_any())}
            {field("to", "To (UTC)", kind_of(&asked.to), asked.to.clone(), wrong("to"), ().into_any())}
            {field("request", "Request id", "search", asked.request.clone(), None, ().into_any())}
            <div class="form-actions">
                <button type="submit" class="button button-primary">"Show"</button>
                <a class="button" rel="external" href="/calls">"All"</a>
                <a class="button" rel="external" href=csv download="calls.csv">"CSV"</a>
            </div>
        </form>
    }
}

fn choice(
    name: &'static str,
    label: &'static str,
    options: Vec<(&'static str, &'static str)>,
    chosen: &str,
    wrong: Option<String>,
) -> impl IntoView + use<> {
    let error = format!("{name}-error");
    let described = wrong.is_some().then(|| error.clone());
    let invalid = wrong.is_some().then_some("true");
    let options = options.into_iter().map(|(value, label)| {
        let selected = value == chosen;
        view! { <option value=value selected=selected>{label}</option> }
    });
    let options = options.collect_view();
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <select id=name name=name aria-describedby=described aria-invalid=invalid>
                {options}
            </select>
            {wrong.map(|why| view! { <p class="field-error" id=error role="alert">{why}</p> })}
        </div>
    }
}

/// The table; without calls it waits, hidden, for the first one of a live view.
fn table(calls: &[Found], names: &HashMap<ApiKeyId, String>) -> impl IntoView + use<> {
    let rows: Vec<_> = calls.iter().map(|call| row(call, names)).collect();
    let is_empty = rows.is_empty();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Calls" hidden=is_empty>
            <table class="table table-stacked calls-table">
                <thead>
                    <tr>
                        <th scope="col">"Time (UTC)"</th>
                        <th scope="col">"Key"</th>
                        <th scope="col">"Model"</th>
                        <th scope="col">"Method"</th>
                        <th scope="col">"Result"</th>
                        <th scope="col" class="numeric">"Duration"</th>
                        <th scope="col" class="numeric">"Odoo"</th>
                        <th scope="col" class="numeric">"Answer"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Request id"</th>
                    </tr>
                </thead>
                <tbody id="calls">{rows}</tbody>
            </table>
        </div>
    }
}

/// One call as a row, of the page and of a live view.
pub(super) fn row(call: &Found, names: &HashMap<ApiKeyId, String>) -> AnyView {
    let none = || "\u{2013}".to_owned();
    let href = format!("/calls/{}", call.id);
    let key = format!("/keys/{}", call.api_key_id);
    let name = names
        .get(&call.api_key_id)
        .cloned()
        .unwrap_or_else(|| "A key that is gone".to_owned());
    let title = name.clone();
    let odoo = call.odoo_ms.map_or_else(none, |ms| format_ms(ms.into()));
    view! {
        <tr>
            <th scope="row" data-label="Time"><a href=href>{exact(call.called_at)}</a></th>
            <td data-label="Key"><a href=key title=title>{name}</a></td>
            <td data-label="Model"><code>{call.model.clone().unwrap_or_else(none)}</code></td>
            <td data-label="Method"><code>{call.method.clone().unwrap_or_else(none)}</code></td>
            <td data-label="Result">{result(&call.code)}</td>
            <td class="numeric" data-label="Duration">{format_ms(call.duration_ms.into())}</td>
            <td class="numeric" data-label="Odoo">{odoo}</td>
            <td class="numeric" data-label="Answer">{bytes(call.answer_bytes)}</td>
            <td data-label="Address">{call.address.clone().unwrap_or_else(none)}</td>
            <td data-label="Request id"><code class="request-id">{call.request_id.clone()}</code></td>
        </tr>
    }
    .into_any()
}

/// What came of a call, in a word.
pub(super) fn result(code: &str) -> impl IntoView + use<> {
    let tone = if code == "ok" { Tone::Good } else { Tone::Bad };
    view! { <Badge tone label=code.to_owned() /> }
}

/// To the millisecond: calls of one minute are many.
pub(super) fn exact(at: DateTime<Utc>) -> impl IntoView {
    let instant = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let text = at.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    view! { <time class="timestamp" datetime=instant>{text}</time> }
}
