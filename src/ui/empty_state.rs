//! What a list says when there is nothing in it: what to do.

use leptos::prelude::*;

/// A heading, a sentence and perhaps a button.
#[component]
pub fn EmptyState(
    /// Its heading.
    #[prop(into)]
    title: String,
    /// What to do.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty-state">
            <h2>{title}</h2>
            {children()}
        </div>
    }
}
