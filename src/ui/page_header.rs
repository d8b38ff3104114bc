//! The head of a page: its title and what it is for.

use leptos::prelude::*;
use leptos_meta::Title;

/// Sets the window's title as well.
#[component]
pub fn PageHeader(
    /// The page's one `<h1>`.
    #[prop(into)]
    title: String,
    /// A sentence.
    #[prop(into)]
    lead: String,
    /// Buttons at the right.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <Title text=title.clone() />
        <header class="page-header">
            <div>
                <h1>{title}</h1>
                <p class="lead">{lead}</p>
            </div>
            {children.map(|children| view! { <div class="page-actions">{children()}</div> })}
        </header>
    }
}
