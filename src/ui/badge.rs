//! A word with a tone: the status of a key or of a run.

use leptos::prelude::*;

/// What a status feels like; never shown by color alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Over, or of no weight.
    Muted,
    /// Wrong, or taken away.
    Bad,
    /// Worth a look.
    Warning,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "badge badge-good",
            Self::Muted => "badge badge-muted",
            Self::Bad => "badge badge-bad",
            Self::Warning => "badge badge-warning",
        }
    }
}

/// The badge.
#[component]
pub fn Badge(
    /// What it feels like.
    tone: Tone,
    /// The word.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    view! { <span class=tone.class()>{label}</span> }
}
