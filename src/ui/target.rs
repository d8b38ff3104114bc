//! Where in the page an event happened: for one handler that serves many
//! elements, among them those that the server has printed.

use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::{Element, Event};

/// The innermost element around the event that fits the CSS `selector`.
#[must_use]
pub fn closest(event: &Event, selector: &str) -> Option<Element> {
    let element = event.target()?.dyn_into::<Element>().ok()?;
    element.closest(selector).ok().flatten()
}
