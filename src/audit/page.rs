//! What is on `/audit`, printed by the server. Instants are in UTC.

use chrono::NaiveDate;
use leptos::prelude::*;

use crate::audit::chain::Verified;
use crate::audit::log::Action;
use crate::audit::printed::{changed, who};
use crate::audit::search::{Asked, Listed};
use crate::printed::parts::header;
use crate::ui::badge::{Badge, Tone};
use crate::ui::timestamp::Timestamp;

/// All that is on the page.
pub(super) struct Shown {
    pub(super) asked: Asked,
    /// What of it can't be.
    pub(super) wrong: Vec<String>,
    pub(super) events: Vec<Listed>,
    /// Where the next page begins.
    pub(super) next: Option<i64>,
    /// What a look at the chain found, if it was asked for.
    pub(super) verified: Option<Verified>,
}

/// `/audit`
pub(super) fn print(shown: Shown) -> impl IntoView {
    let Shown {
        asked,
        wrong,
        events,
        next,
        verified,
    } = shown;
    let is_filtered = !asked.query(None).is_empty();
    view! {
        {header("Audit log", "Who did what, when and from where: every change, and every sign-in.")}
        {verified.map(told)}
        {wrong.into_iter().map(|text| view! { <p class="notice notice-bad" role="alert">{text}</p> }).collect_view()}
        {filters(&asked)}
        {if events.is_empty() {
            let text = if is_filtered { "Nothing is like that. Take a filter away." } else { "Nothing was written down yet." };
            view! { <p class="card muted">{text}</p> }.into_any()
        } else {
            table(events).into_any()
        }}
        <nav class="pager" aria-label="Pages">
            {(!asked.before.is_empty()).then(|| view! {
                <a class="button" rel="external" href=format!("/audit?{}", asked.query(None))>"Newest"</a>
            })}
            {next.map(|id| view! {
                <a class="button" rel="external" href=format!("/audit?{}", asked.query(Some(id)))>"Older"</a>
            })}
        </nav>
    }
}

fn told(verified: Verified) -> impl IntoView {
    let head = view! {
        <p>
            "The newest seal, to note elsewhere and compare with later (" <code>"odoo-bridge verify-audit --head"</code> "): "
            <code class="wrap" id="chain-head">{verified.head.to_string()}</code>
        </p>
    };
    match verified.broken {
        Some(broken) => view! {
            <div class="notice notice-bad stack" role="alert">
                <p><strong>"The chain is broken. "</strong> {broken.why}</p>
                {head}
            </div>
        }
        .into_any(),
        None => view! {
            <div class="notice notice-good stack" role="status">
                <p>{format!(
                    "The chain is whole: {} events are as they were written. {} are not sealed yet.",
                    verified.head.number, verified.unsealed
                )}</p>
                {head}
            </div>
        }
        .into_any(),
    }
}

fn filters(asked: &Asked) -> impl IntoView + use<> {
    let asked = asked.clone();
    let csv = format!("/audit.csv?{}", asked.query(None));
    view! {
        <form method="get" action="/audit" class="card filters" aria-label="Filters">
            {text("by", "Who", "search", asked.by)}
            <div class="field">
                <label for="action">"What was done"</label>
                <select id="action" name="action">
                    <option value="">"Anything"</option>
                    {Action::ALL.iter().map(|action| view! {
                        <option value=action.as_str() selected=action.as_str() == asked.action>{action.sentence()}</option>
                    }).collect_view()}
                </select>
            </div>
            {text("subject", "To what", "search", asked.subject)}
            {text("from", "From", day_field(&asked.from), asked.from)}
            {text("to", "To", day_field(&asked.to), asked.to)}
            <div class="form-actions">
                <button type="submit" class="button button-primary">"Show"</button>
                <a class="button" rel="external" href="/audit">"All"</a>
                <a class="button" rel="external" href=csv download="audit.csv">"CSV"</a>
                <button type="submit" class="button" name="verify" value="yes">"Check the chain"</button>
            </div>
        </form>
    }
}

/// A field for days shows nothing of what is no day, so that nobody could mend it.
fn day_field(value: &str) -> &'static str {
    if value.is_empty() || value.parse::<NaiveDate>().is_ok() {
        "date"
    } else {
        "text"
    }
}

fn text(name: &'static str, label: &'static str, kind: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input id=name name=name type=kind value=value autocomplete="off" spellcheck="false" maxlength="254" />
        </div>
    }
}

fn table(events: Vec<Listed>) -> impl IntoView {
    let row = |event: Listed| {
        let action = Action::ALL.iter().find(|action| action.as_str() == event.action);
        let done = action.map_or(event.action, |action| action.sentence().to_owned());
        let tone = if event.is_sealed { Tone::Good } else { Tone::Muted };
        view! {
            <tr>
                <td data-label="When"><Timestamp at=event.happened_at /></td>
                <th scope="row" data-label="Who">{who(event.user_email, event.address.as_deref())}</th>
                <td data-label="From">{event.address.unwrap_or_else(|| "\u{2013}".to_owned())}</td>
                <td data-label="What">
                    {done}
                    {changed(event.before, event.after)}
                </td>
                <td data-label="To what">{event.subject_name}</td>
                <td data-label="Seal"><Badge tone label=if event.is_sealed { "Sealed" } else { "Not yet" } /></td>
            </tr>
        }
        .into_any()
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Events">
            <table class="table table-stacked">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col">"From"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"To what"</th>
                        <th scope="col">"Seal"</th>
                    </tr>
                </thead>
                <tbody>{events.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}
