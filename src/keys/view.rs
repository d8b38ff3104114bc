//! The pages `/keys` and `/keys/<id>`.

use leptos::prelude::*;

/// `/keys`
#[component]
pub fn KeysPage() -> impl IntoView {
    view! { <h1>"API Access Keys"</h1> }
}

/// `/keys/<id>`
#[component]
pub fn KeyPage() -> impl IntoView {
    view! { <h1>"API Access Key"</h1> }
}
