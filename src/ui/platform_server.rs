//! What a component needs of the machine it runs on, while the server renders
//! it. `platform_browser.rs` has the same functions.

use chrono::{DateTime, Utc};

/// This moment.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The reader's zone is unknown here: UTC.
#[must_use]
pub fn local_time(at: DateTime<Utc>) -> String {
    super::timestamp::in_utc(at)
}

/// There is no clipboard here.
#[expect(clippy::unused_async, reason = "the browser's clipboard is asynchronous")]
pub async fn copy(_text: &str) -> bool {
    false
}

/// The document gets its theme from the cookie.
pub fn set_theme(_theme: Option<&str>, _cookie: &str) {}

/// The address is the browser's.
pub fn forget_in_address(_names: &[&str]) {}

/// The page that is being rendered answers with status 404.
pub fn answer_not_found() {
    if let Some(options) = leptos::prelude::use_context::<leptos_axum::ResponseOptions>() {
        options.set_status(http::StatusCode::NOT_FOUND);
    }
}
