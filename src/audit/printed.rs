//! The history of a thing, printed by the server. Instants are in UTC.

use leptos::prelude::*;

use crate::audit::log::{Action, EVENTS_SHOWN, Event};
use crate::ui::timestamp::Timestamp;

/// HTML; what a person wrote is text in it, never markup.
#[must_use]
pub fn history(events: Vec<Event>) -> String {
    let is_cut = events.len() as i64 >= EVENTS_SHOWN;
    view! {
        <section class="card key-card stack" aria-labelledby="history-title">
            <h2 id="history-title">"History"</h2>
            {if events.is_empty() {
                view! { <p class="muted">"Nothing was changed since changes are written down."</p> }.into_any()
            } else {
                view! { <ol class="history">{events.into_iter().map(event).collect_view()}</ol> }.into_any()
            }}
            {is_cut.then(|| view! { <p class="muted">{format!("The newest {EVENTS_SHOWN} changes.")}</p> })}
        </section>
    }
    .to_html()
}

fn event(event: Event) -> impl IntoView {
    let action = Action::ALL.iter().find(|action| action.as_str() == event.action);
    let done = action.map_or(event.action, |action| action.sentence().to_owned());
    let who = who(event.user_email, event.address.as_deref());
    let from = event.address.map(|address| format!(" (from {address})"));
    view! {
        <li>
            <p>
                <Timestamp at=event.happened_at />
                " \u{2013} "
                <strong>{who}</strong>
                {from}
                {format!(" {done}.")}
            </p>
            {changed(event.before, event.after)}
        </li>
    }
}

/// What it was and what it became, if that was kept.
pub(super) fn changed(before: Option<String>, after: Option<String>) -> impl IntoView {
    let is_told = before.is_some() || after.is_some();
    is_told.then(|| {
        view! {
            <details>
                <summary>"What changed"</summary>
                <dl class="history-change">
                    {before.map(|text| view! { <dt>"Before"</dt> <dd><pre>{told(text)}</pre></dd> })}
                    {after.map(|text| view! { <dt>"After"</dt> <dd><pre>{told(text)}</pre></dd> })}
                </dl>
            </details>
        }
    })
}

/// Who did something; without an account and from somewhere: nobody knows who.
pub(super) fn who(email: Option<String>, address: Option<&str>) -> String {
    let nobody = if address.is_some() {
        "Somebody"
    } else {
        "The command line"
    };
    email.unwrap_or_else(|| nobody.to_owned())
}

fn told(text: String) -> String {
    if text.is_empty() { "Nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_who_did_what_and_is_text_only() {
        let event = Event {
            happened_at: "2026-11-24T12:00:00Z".parse().expect("an instant"),
            user_email: Some("ann@example.com".into()),
            address: Some("192.0.2.7".into()),
            action: "key_note_set".into(),
            before: Some(String::new()),
            after: Some("<script>".into()),
        };
        let by_command = Event {
            user_email: None,
            address: None,
            action: "of_a_newer_bridge".into(),
            before: None,
            after: None,
            ..event.clone()
        };
        let html = Owner::new().with(|| history(vec![by_command, event]));
        for text in [
            "ann@example.com",
            "from 192.0.2.7",
            "changed the note.",
            "Nothing",
            "The command line",
            "of_a_newer_bridge",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("<script>"), "{html}");
        assert!(
            Owner::new()
                .with(|| history(Vec::new()))
                .contains("Nothing was changed")
        );
    }

    #[test]
    fn every_action_has_a_word_of_its_own() {
        for (index, action) in Action::ALL.iter().enumerate() {
            assert!(
                Action::ALL[..index]
                    .iter()
                    .all(|other| other.as_str() != action.as_str())
            );
        }
    }
}
