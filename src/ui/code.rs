//! A block of code or JSON, in one color or in syntax colors made on the server.

use leptos::prelude::*;

use crate::ui::copy_button::{CopyButton, PrintedCopyButton};

/// A block of code with a copy button.
#[component]
pub fn CodeBlock(
    /// What is shown and copied.
    #[prop(into)]
    text: String,
    /// What it is, for people who do not see it.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    view! {
        <div class="code-block">
            <pre tabindex="0" role="region" aria-label=label><code>{text.clone()}</code></pre>
            <CopyButton text=text />
        </div>
    }
}

/// The same for HTML that the server prints, with syntax colors if it has them.
#[component]
pub fn PrintedCode(
    /// What is copied.
    #[prop(into)]
    text: String,
    /// What is shown, as trusted HTML: from the server's own highlighter, never
    /// from input. Without it, the text.
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
            <PrintedCopyButton text=text />
        </div>
    }
}
