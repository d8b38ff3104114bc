//! Gray rows in the place and size of what is being fetched.

use leptos::prelude::*;

/// `rows` lines of a table to come.
#[component]
pub fn SkeletonRows(
    /// How many.
    rows: usize,
) -> impl IntoView {
    view! {
        <p class="visually-hidden" role="status">
            "Loading"
        </p>
        <div class="skeleton" aria-hidden="true">
            {(0..rows).map(|_| view! { <div class="skeleton-row"></div> }).collect_view()}
        </div>
    }
}
