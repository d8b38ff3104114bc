//! From which web pages keys may be used.

use sqlx::PgPool;

use crate::error::Result;
use crate::keys::store;

/// Whether a key that was not revoked names this origin.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn is_of_any(pool: &PgPool, origin: &str) -> Result<bool> {
    store::is_origin_of_any(pool, origin).await
}
