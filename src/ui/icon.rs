//! The few icons there are, as inline SVG in the color of the text. They say
//! nothing that words beside them (or a label) do not say.

use leptos::prelude::*;

/// Which icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Make something new.
    Plus,
    /// Look for something.
    Search,
    /// Two sheets: copy.
    Copy,
    /// Done.
    Check,
    /// Ascending order.
    ArrowUp,
    /// Descending order.
    ArrowDown,
    /// The page before.
    ArrowLeft,
    /// The page after.
    ArrowRight,
    /// The theme of the system.
    Screen,
    /// The light theme.
    Sun,
    /// The dark theme.
    Moon,
    /// An account.
    Person,
    /// Leave.
    Door,
}

impl Shape {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Plus => "M8 3v10M3 8h10",
            Self::Search => "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.4 10.4 13.5 13.5",
            Self::Copy => {
                "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1Z"
            }
            Self::Check => "M3 8.5 6.5 12 13 4.5",
            Self::ArrowUp => "M8 13V3.5M4 7l4-4 4 4",
            Self::ArrowDown => "M8 3v9.5M4 9l4 4 4-4",
            Self::ArrowLeft => "M13 8H3.5M7 4 3 8l4 4",
            Self::ArrowRight => "M3 8h9.5M9 4l4 4-4 4",
            Self::Screen => "M2.5 3h11v7.5h-11ZM5.5 13.5h5M8 10.5v3",
            Self::Sun => {
                "M8 10.75a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7"
            }
            Self::Moon => "M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7Z",
            Self::Person => {
                "M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8ZM2.75 13.5c.5-2.3 2.6-3.5 5.25-3.5s4.75 1.2 5.25 3.5"
            }
            Self::Door => "M6.5 2.5h-3v11h3M10.5 11l3-3-3-3M13.5 8H6.5",
        }
    }
}

/// The icon, hidden from those who do not see.
#[component]
pub fn Icon(
    /// Which.
    shape: Shape,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=shape.path()></path>
        </svg>
    }
}

/// The product's mark.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
            <rect width="32" height="32" rx="8" fill="#2b55d4"></rect>
            <path
                d="M5 21.5h22M8 21.5v-3.2a8 8 0 0 1 16 0v3.2M12.5 21.5v-8M19.5 21.5v-8"
                fill="none"
                stroke="#fff"
                stroke-width="2.4"
                stroke-linecap="round"
            ></path>
        </svg>
    }
}
