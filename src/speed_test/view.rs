//! The page `/speed-test`.

use leptos::prelude::*;

/// `/speed-test`
#[component]
pub fn SpeedTestPage() -> impl IntoView {
    view! { <h1>"Odoo Bridge Speed Test"</h1> }
}
