//! An instant: in the reader's own zone once the page reacts, in UTC before, the
//! exact instant on hover.

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _, Utc};
use leptos::prelude::*;

use crate::ui::platform;

/// The instant. Its place is as wide in both forms, so that nothing moves.
#[component]
pub fn Timestamp(
    /// When.
    at: DateTime<Utc>,
) -> impl IntoView {
    let exact = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    // The browser begins with the server's words, else hydration would not fit.
    let text = RwSignal::new(in_utc(at));
    Effect::new(move |_| text.set(platform::local_time(at)));
    view! { <time class="timestamp" datetime=exact.clone() title=exact>{move || text.get()}</time> }
}

/// `2026-11-24 06:29 UTC`. Not by chrono's own formatter, which would be most of
/// chrono in the WASM.
pub(super) fn in_utc(at: DateTime<Utc>) -> String {
    let (year, month, day) = (at.year(), at.month(), at.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_browser_an_instant_is_in_utc_and_exact_on_hover() {
        let at = "2026-11-24T06:29:30.125+01:00".parse().expect("an instant");
        let html = Owner::new().with(|| view! { <Timestamp at /> }.to_html());
        assert!(html.contains("2026-11-24 05:29 UTC"), "{html}");
        assert!(html.contains(r#"title="2026-11-24T05:29:30.125Z""#), "{html}");
    }
}
