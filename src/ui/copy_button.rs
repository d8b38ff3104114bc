//! A button that copies a text and says so.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::ui::icon::{Icon, Shape};
use crate::ui::platform;

/// How long it says that it has copied.
const TOLD_FOR: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    None,
    Copied,
    Failed,
}

/// Copies `text` to the clipboard. Shown once the page reacts.
#[component]
pub fn CopyButton(
    /// What is copied.
    #[prop(into)]
    text: String,
    /// The button's words.
    #[prop(optional, into)]
    label: Option<String>,
) -> impl IntoView {
    let outcome = RwSignal::new(Outcome::None);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            let copied = platform::copy(&text).await;
            // The button may be gone by now.
            let _ = outcome.try_set(if copied { Outcome::Copied } else { Outcome::Failed });
            set_timeout(
                move || {
                    let _ = outcome.try_set(Outcome::None);
                },
                TOLD_FOR,
            );
        });
    };
    let label = label.unwrap_or_else(|| "Copy".to_owned());
    let words = move || match outcome.get() {
        Outcome::None => label.clone(),
        Outcome::Copied => "Copied".to_owned(),
        Outcome::Failed => "Select it and copy".to_owned(),
    };
    let told = move || match outcome.get() {
        Outcome::None => "",
        Outcome::Copied => "Copied to the clipboard.",
        Outcome::Failed => "The browser did not allow it. Select the text and copy it.",
    };
    let shape = move || {
        if outcome.get() == Outcome::Copied {
            Shape::Check
        } else {
            Shape::Copy
        }
    };
    view! {
        <span class="copy">
            <button
                type="button"
                class="button button-small copy-button"
                data-copied=move || (outcome.get() == Outcome::Copied).then_some("true")
                on:click=copy
            >
                {move || view! { <Icon shape=shape() /> }}
                <span>{words}</span>
            </button>
            <span class="visually-hidden" role="status">
                {told}
            </span>
        </span>
    }
}
