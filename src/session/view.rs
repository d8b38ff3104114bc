//! The pages `/login`, `/setup` and `/account`.

use leptos::prelude::*;

/// `/login`
#[component]
pub fn LoginPage() -> impl IntoView {
    view! { <h1>"Sign in"</h1> }
}

/// `/setup`
#[component]
pub fn SetupPage() -> impl IntoView {
    view! { <h1>"Set up"</h1> }
}

/// `/account`: change the password.
#[component]
pub fn AccountPage() -> impl IntoView {
    view! { <h1>"Account"</h1> }
}
