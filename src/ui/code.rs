//! A block of code or JSON, in one color or in syntax colors made on the server.

use leptos::prelude::*;

use crate::ui::copy_button::CopyButton;

/// A block of code with a copy button. `html` holds the same text with syntax
/// colors; it must come from the server's own highlighter, never from input.
#[component]
pub fn CodeBlock(
    /// The plain text that the button copies.
    #[prop(into)]
    text: String,
    /// The same text as trusted HTML.
    #[prop(optional_no_strip)]
    html: Option<String>,
    /// What it is, for people who do not see it.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let body = match html {
        Some(html) => view! { <code inner_html=html></code> }.into_any(),
        None => view! { <code>{text.clone()}</code> }.into_any(),
    };
    view! {
        <div class="code-block">
            <pre tabindex="0" role="region" aria-label=label>{body}</pre>
            <CopyButton text=text />
        </div>
    }
}
