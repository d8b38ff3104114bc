//! Whether the page reacts yet.

use leptos::prelude::*;

/// `false` on the server and until the browser has taken over; for buttons that
/// must wait for that.
#[must_use]
pub fn use_hydrated() -> ReadSignal<bool> {
    let (hydrated, set_hydrated) = signal(false);
    Effect::new(move || set_hydrated.set(true));
    hydrated
}
