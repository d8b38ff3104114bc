//! Making, finding and revoking keys.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, UserId};
use crate::keys::model::{ApiKey, CreatedKey, KeyName, KeyPage, KeyQuery};
use crate::keys::secret::PlainKey;
use crate::keys::store;
use crate::keys::verify::KeyVerifier;

/// Makes a key. Its plaintext is in the answer and nowhere else.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn create(
    pool: &PgPool,
    name: &KeyName,
    expires_at: Option<DateTime<Utc>>,
    created_by: Option<UserId>,
) -> Result<CreatedKey> {
    loop {
        let plain = PlainKey::generate();
        match store::insert(pool, name, plain.public_id(), &plain.hash(), expires_at, created_by).await {
            Ok(key) => {
                tracing::info!(key.id = %key.id, key.prefix = %key.prefix, user.id = created_by.map(|id| id.to_string()), "key created");
                return Ok(CreatedKey {
                    key,
                    plaintext: plain.reveal(),
                });
            }
            // Another key has this public id: one in 2 * 10^14. Draw again.
            Err(sqlx::Error::Database(error)) if error.constraint() == Some("api_keys_public_id_key") => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One page of the keys that `query` finds.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool, query: &KeyQuery) -> Result<KeyPage> {
    store::list(pool, query).await
}

/// One key.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn find(pool: &PgPool, id: ApiKeyId) -> Result<ApiKey> {
    store::find(pool, id).await?.ok_or_else(no_such_key)
}

/// Revokes a key for good: here from the moment this returns, on every other
/// instance within a second. To revoke it again changes nothing.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn revoke(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, by: UserId) -> Result<ApiKey> {
    let key = store::revoke(pool, id).await?.ok_or_else(no_such_key)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, user.id = %by, "key revoked");
    Ok(key)
}

fn no_such_key() -> AppError {
    AppError::new(
        ErrorCode::NotFound,
        "There is no such key. It may have been removed; go back to the list.",
    )
}
