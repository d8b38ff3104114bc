//! Making, finding and revoking keys.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, UserId};
use crate::keys::model::{ApiKey, CreatedKey, KeyName, KeyPage, KeyQuery};
use crate::keys::secret::PlainKey;
use crate::keys::store;
use crate::keys::verify::KeyVerifier;

/// What a key to be made is like.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// What it is for.
    pub name: &'a KeyName,
    /// From when on it is refused; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who makes it; `None` on the command line.
    pub created_by: Option<UserId>,
    /// Whether identical reads in flight may share one call to Odoo.
    pub share_reads: bool,
}

impl<'a> NewKey<'a> {
    /// Never ends, made by nobody, shares nothing.
    #[must_use]
    pub fn named(name: &'a KeyName) -> Self {
        Self {
            name,
            expires_at: None,
            created_by: None,
            share_reads: false,
        }
    }
}

/// Makes a key. Its plaintext is in the answer and nowhere else.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn create(pool: &PgPool, new: NewKey<'_>) -> Result<CreatedKey> {
    loop {
        let plain = PlainKey::generate();
        match store::insert(pool, new, plain.public_id(), &plain.hash()).await {
            Ok(key) => {
                tracing::info!(key.id = %key.id, key.prefix = %key.prefix, user.id = new.created_by.map(|id| id.to_string()), "key created");
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

/// Sets whether identical reads of a key that are in flight may share one call to
/// Odoo: here at once, on every other instance within a second.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn set_share_reads(
    pool: &PgPool,
    keys: &KeyVerifier,
    id: ApiKeyId,
    share_reads: bool,
    by: UserId,
) -> Result<ApiKey> {
    let key = store::set_share_reads(pool, id, share_reads)
        .await?
        .ok_or_else(no_such_key)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, share_reads, user.id = %by, "sharing of reads set");
    Ok(key)
}

fn no_such_key() -> AppError {
    AppError::new(
        ErrorCode::NotFound,
        "There is no such key. It may have been removed; go back to the list.",
    )
}
