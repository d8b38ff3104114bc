//! The page `/guide`.

use leptos::prelude::*;

/// `/guide`
#[component]
pub fn GuidePage() -> impl IntoView {
    view! { <h1>"API Integration Guide"</h1> }
}
