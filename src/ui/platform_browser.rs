//! What a component needs of the machine it runs on, in the browser: its clock and
//! zone, its clipboard. `platform_server.rs` has the same functions.

use chrono::{DateTime, Utc};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// This moment, by the reader's clock.
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds since 1970 fit for the next 200 million years"
    )]
    let millis = js_sys::Date::now() as i64;
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// The instant as the reader's clock shows it: `2026-11-24 07:29`.
#[must_use]
pub fn local_time(at: DateTime<Utc>) -> String {
    // Milliseconds since 1970 are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "exact for the next 200,000 years")]
    let date = js_sys::Date::new(&JsValue::from_f64(at.timestamp_millis() as f64));
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}",
        date.get_full_year(),
        date.get_month() + 1,
        date.get_date(),
        date.get_hours(),
        date.get_minutes()
    )
}

/// Puts `text` on the clipboard. On a plain http address the browser has no
/// clipboard to offer; a selected text field beside the focus does it there.
pub async fn copy(text: &str) -> bool {
    let clipboard = js_sys::Reflect::get(&window().navigator(), &JsValue::from_str("clipboard"))
        .ok()
        .and_then(|value| value.dyn_into::<web_sys::Clipboard>().ok());
    if let Some(clipboard) = clipboard
        && JsFuture::from(clipboard.write_text(text)).await.is_ok()
    {
        return true;
    }
    copy_by_selection(text).unwrap_or(false)
}

fn copy_by_selection(text: &str) -> Option<bool> {
    let document = document();
    let focused = document.active_element()?;
    // Beside the button: outside of an open dialog nothing can be selected.
    let place = focused.parent_element()?;
    let area = document
        .create_element("textarea")
        .ok()?
        .dyn_into::<web_sys::HtmlTextAreaElement>()
        .ok()?;
    area.set_value(text);
    area.set_class_name("visually-hidden");
    place.append_child(&area).ok()?;
    area.select();
    let copied = js_sys::Reflect::get(&document, &JsValue::from_str("execCommand"))
        .ok()
        .and_then(|function| function.dyn_into::<js_sys::Function>().ok())
        .and_then(|function| function.call1(&document, &JsValue::from_str("copy")).ok())
        .is_some_and(|done| done.is_truthy());
    area.remove();
    if let Some(focused) = focused.dyn_ref::<web_sys::HtmlElement>() {
        // Focus can't be refused by an element that just had it.
        let _ = focused.focus();
    }
    Some(copied)
}

/// Gives the document the theme at once, `None` leaves it to the system, and keeps
/// the choice in `cookie`.
pub fn set_theme(theme: Option<&str>, cookie: &str) {
    let document = document();
    // Nothing of this fails but for malformed names; a browser that takes no cookies
    // forgets the choice, silently.
    let _ = js_sys::Reflect::set(&document, &JsValue::from_str("cookie"), &JsValue::from_str(cookie));
    let Some(root) = document.document_element() else {
        return;
    };
    let _ = match theme {
        Some(theme) => root.set_attribute("data-theme", theme),
        None => root.remove_attribute("data-theme"),
    };
}

/// Takes parameters out of the page's address, without loading anything: a reload
/// does not say again what they said.
pub fn forget_in_address(names: &[&str]) {
    let window = window();
    let (Ok(href), Ok(history)) = (window.location().href(), window.history()) else {
        return;
    };
    let Ok(url) = web_sys::Url::new(&href) else { return };
    let params = url.search_params();
    names.iter().for_each(|name| params.delete(name));
    let state = history.state().unwrap_or(JsValue::NULL);
    // Refused only to a page that does so all the time.
    let _ = history.replace_state_with_url(&state, "", Some(&url.href()));
}

/// Only the server answers with a status.
pub fn answer_not_found() {}
