//! The SQL of calls with an Idempotency-Key.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::error::{AppError, Result};
use crate::ids::ApiKeyId;

/// A call that was written down.
pub(super) struct Kept {
    pub(super) body_hash: Vec<u8>,
    pub(super) begun_at: DateTime<Utc>,
    pub(super) instance: uuid::Uuid,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) data: Option<Vec<u8>>,
    pub(super) error: Option<String>,
}

/// Writes a call down, unless one with its key is there that is not older than `oldest`.
/// Whether it did.
pub(super) async fn begin(
    pool: &PgPool,
    api_key_id: ApiKeyId,
    key: &str,
    body_hash: &[u8],
    instance: uuid::Uuid,
    oldest: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO idempotent_calls (api_key_id, key, body_hash, instance) VALUES ($1, $2, $3, $4)
         ON CONFLICT (api_key_id, key) DO UPDATE
         SET body_hash = EXCLUDED.body_hash, instance = EXCLUDED.instance, begun_at = now(),
             ended_at = NULL, data = NULL, error = NULL
         WHERE idempotent_calls.begun_at < $5",
        api_key_id.0,
        key,
        body_hash,
        instance,
        oldest,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How much is kept of an API key.
pub(super) struct Counted {
    pub(super) calls: i64,
    pub(super) bytes: i64,
    pub(super) oldest: Option<DateTime<Utc>>,
}

/// What is kept of an API key and not older than `oldest`.
pub(super) async fn count(pool: &PgPool, api_key_id: ApiKeyId, oldest: DateTime<Utc>) -> Result<Counted> {
    let counted = sqlx::query_as!(
        Counted,
        r#"SELECT count(*) AS "calls!", COALESCE(sum(octet_length(data)), 0)::bigint AS "bytes!",
                  min(begun_at) AS oldest
           FROM idempotent_calls WHERE api_key_id = $1 AND begun_at >= $2"#,
        api_key_id.0,
        oldest,
    )
    .fetch_one(pool)
    .await?;
    Ok(counted)
}

pub(super) async fn find(pool: &PgPool, api_key_id: ApiKeyId, key: &str) -> Result<Option<Kept>> {
    let kept = sqlx::query_as!(
        Kept,
        "SELECT body_hash, begun_at, instance, ended_at, data, error FROM idempotent_calls WHERE api_key_id = $1 AND key = $2",
        api_key_id.0,
        key,
    )
    .fetch_optional(pool)
    .await?;
    Ok(kept)
}

pub(super) async fn end(
    pool: &PgPool,
    api_key_id: ApiKeyId,
    key: &str,
    data: Option<&[u8]>,
    error: Option<&AppError>,
) -> Result<()> {
    let error = error
        .map(serde_json::to_string)
        .transpose()
        .map_err(AppError::internal)?;
    sqlx::query!(
        "UPDATE idempotent_calls SET ended_at = now(), data = $3, error = $4 WHERE api_key_id = $1 AND key = $2",
        api_key_id.0,
        key,
        data,
        error,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes over a call that nobody learnt the outcome of, as it was seen. Whether no other
/// one did.
pub(super) async fn take_over(
    pool: &PgPool,
    api_key_id: ApiKeyId,
    key: &str,
    seen: &Kept,
    instance: uuid::Uuid,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE idempotent_calls SET instance = $5, begun_at = now(), ended_at = NULL, error = NULL
         WHERE api_key_id = $1 AND key = $2 AND begun_at = $3 AND instance = $4 AND data IS NULL
            AND ended_at IS NOT DISTINCT FROM $6",
        api_key_id.0,
        key,
        seen.begun_at,
        seen.instance,
        instance,
        seen.ended_at,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Shows that an instance is alive, for as long as the connection is.
pub(super) async fn show_alive(connection: &mut PgConnection, instance: uuid::Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_lock($1)", lock_of(instance))
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether an instance shows that it is alive.
pub(super) async fn is_alive(pool: &PgPool, instance: uuid::Uuid) -> Result<bool> {
    // Shared, so that those who look do not take each other for it.
    let is_free = sqlx::query_scalar!("SELECT pg_try_advisory_xact_lock_shared($1)", lock_of(instance))
        .fetch_one(pool)
        .await?;
    Ok(is_free != Some(true))
}

/// The random part of its id.
fn lock_of(instance: uuid::Uuid) -> i64 {
    i64::from_be_bytes(instance.as_u64_pair().1.to_be_bytes())
}

pub(super) async fn forget(pool: &PgPool, api_key_id: ApiKeyId, key: &str) -> Result<()> {
    sqlx::query!(
        "DELETE FROM idempotent_calls WHERE api_key_id = $1 AND key = $2",
        api_key_id.0,
        key,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn remove_before(pool: &PgPool, oldest: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM idempotent_calls WHERE begun_at < $1", oldest)
        .execute(pool)
        .await?;
    Ok(())
}
