//! Where the browser begins: takes over the page that the server rendered.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::app::App;

/// Called by the page once the WASM is there.
#[wasm_bindgen]
pub fn hydrate() {
    // In a release nobody reads the trace, and everybody would download what prints it.
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    leptos::mount::hydrate_body(App);
    mark_hydrated();
}

/// Tells style sheets and tests that the page reacts from here on.
fn mark_hydrated() {
    let root = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.document_element());
    if let Some(root) = root {
        // Setting an attribute fails only for malformed names.
        let _ = root.set_attribute("data-hydrated", "true");
    }
}
