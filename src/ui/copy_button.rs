//! A button that copies a text and says so. It writes its outcome into the page
//! by itself, so that it works the same where a component made it and in HTML
//! that the server has printed.

use std::time::Duration;

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys::Element;

use crate::ui::icon::{Icon, Shape};
use crate::ui::platform;
use crate::ui::target::closest;

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
    let click = move |event: MouseEvent| {
        if let Some(button) = closest(&event, ".copy-button") {
            copy(button, text.clone());
        }
    };
    view! { <span class="copy" on:click=click><Face label=label /></span> }
}

/// The same for HTML that the server prints: the text is in the page, and
/// whatever holds the HTML gives its clicks to [`copy_printed`].
#[component]
pub fn PrintedCopyButton(
    /// What is copied.
    #[prop(into)]
    text: String,
    /// The button's words.
    #[prop(optional, into)]
    label: Option<String>,
) -> impl IntoView {
    view! { <span class="copy"><Face label=label text=Some(text) /></span> }
}

/// Copies the text of the printed button that was clicked, if it was one.
pub fn copy_printed(event: &MouseEvent) {
    if let Some(button) = closest(event, "[data-copy]")
        && let Some(text) = button.get_attribute("data-copy")
    {
        copy(button, text);
    }
}

/// The button and, behind it, the place where its outcome is told.
#[component]
fn Face(label: Option<String>, #[prop(optional_no_strip)] text: Option<String>) -> impl IntoView {
    let label = label.unwrap_or_else(|| "Copy".to_owned());
    let words = label.clone();
    view! {
        <button type="button" class="button button-small copy-button" data-label=label data-copy=text>
            <Icon shape=Shape::Copy />
            <span>{words}</span>
        </button>
        <span class="visually-hidden" role="status"></span>
    }
}

fn copy(button: Element, text: String) {
    spawn_local(async move {
        let copied = platform::copy(&text).await;
        tell(&button, if copied { Outcome::Copied } else { Outcome::Failed });
        set_timeout(move || tell(&button, Outcome::None), TOLD_FOR);
    });
}

/// Says it in the button, in its icon and behind it. It does no harm to a button
/// that is gone by now.
fn tell(button: &Element, outcome: Outcome) {
    let label = button.get_attribute("data-label").unwrap_or_default();
    let (words, told, shape) = match outcome {
        Outcome::None => (label.as_str(), "", Shape::Copy),
        Outcome::Copied => ("Copied", "Copied to the clipboard.", Shape::Check),
        Outcome::Failed => (
            "Select it and copy",
            "The browser did not allow it. Select the text and copy it.",
            Shape::Copy,
        ),
    };
    // An attribute is refused for a malformed name only.
    let _ = match outcome {
        Outcome::Copied => button.set_attribute("data-copied", "true"),
        Outcome::None | Outcome::Failed => button.remove_attribute("data-copied"),
    };
    if let Ok(Some(path)) = button.query_selector("path") {
        let _ = path.set_attribute("d", shape.path());
    }
    if let Ok(Some(place)) = button.query_selector("span") {
        place.set_text_content(Some(words));
    }
    if let Some(place) = button.next_element_sibling() {
        place.set_text_content(Some(told));
    }
}
