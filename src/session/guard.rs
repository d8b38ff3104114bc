//! Lets nobody reach a page or a server function without a session, but for the
//! few that are public. Deny by default: a new address is closed.

use http::request::Parts;
use leptos::prelude::use_context;

use crate::error::{AppError, ErrorCode, Result};
use crate::session::model::SignedIn;

/// The person behind the current request, put there by the layer.
///
/// # Errors
/// `unauthenticated` if there is none.
pub fn signed_in() -> Result<SignedIn> {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<SignedIn>().cloned())
        .ok_or_else(|| AppError::new(ErrorCode::Unauthenticated, "Sign in to do this."))
}
