//! Fields of forms that the server prints, each with what is wrong about it.

use chrono::NaiveDateTime;
use leptos::prelude::*;

/// A field for instants shows nothing of what is none, so that nobody could mend it.
#[must_use]
pub fn kind_of(value: &str) -> &'static str {
    if value.is_empty() || NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M").is_ok() {
        "datetime-local"
    } else {
        "text"
    }
}

/// A line to write into; `hint` stands between it and what is wrong.
pub fn field(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    wrong: Option<String>,
    hint: AnyView,
) -> impl IntoView {
    let error = format!("{name}-error");
    let described = wrong.is_some().then(|| error.clone());
    let invalid = wrong.is_some().then_some("true");
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type=kind
                value=value
                autocomplete="off"
                spellcheck="false"
                maxlength="254"
                aria-describedby=described
                aria-invalid=invalid
            />
            {hint}
            {wrong.map(|why| view! { <p class="field-error" id=error role="alert">{why}</p> })}
        </div>
    }
}
