//! What printed pages share.

use leptos::prelude::*;

/// A page that was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// For the window.
    pub title: String,
    /// Everything inside the frame.
    pub html: String,
}

impl Printed {
    /// Prints a view, outside of any page.
    pub fn of<V: IntoView>(title: impl Into<String>, view: impl FnOnce() -> V) -> Self {
        Self {
            title: title.into(),
            html: Owner::new().with(|| view().to_html()),
        }
    }
}

/// What a form came to, for the top of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is done.
    Done(String),
    /// It is not.
    Wrong(String),
}

/// Read out as soon as the page is there; the focus is on it.
pub fn noticed(notice: Notice) -> AnyView {
    match notice {
        Notice::Done(text) => {
            view! { <p class="notice notice-good" role="status" tabindex="-1" autofocus>{text}</p> }.into_any()
        }
        Notice::Wrong(text) => {
            view! { <p class="notice notice-bad" role="alert" tabindex="-1" autofocus>{text}</p> }.into_any()
        }
    }
}

/// The page's one `<h1>`, with a sentence on what the page is for.
pub fn header(title: &str, lead: &str) -> AnyView {
    view! {
        <header class="page-header">
            <div>
                <h1>{title.to_owned()}</h1>
                <p class="lead">{lead.to_owned()}</p>
            </div>
        </header>
    }
    .into_any()
}

/// `17 B`, `12.3 kB`, `4.5 MB`, `6.7 GB`
#[must_use]
pub fn bytes(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
