//! The tables `passkeys` and `answered_challenges`.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use webauthn_rs::prelude::Passkey;

use super::Listed;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::session::password::PasswordHash;
use crate::session::store::{User, role};

/// A passkey as it is kept.
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) passkey: Passkey,
}

pub(super) async fn list(pool: &PgPool, user: UserId) -> Result<Vec<Listed>> {
    let rows = sqlx::query_as!(
        Listed,
        "SELECT id, name, created_at, last_used_at FROM passkeys WHERE user_id = $1 ORDER BY created_at, id",
        user.0
    );
    Ok(rows.fetch_all(pool).await?)
}

pub(super) async fn credential_ids(pool: &PgPool, user: UserId) -> Result<Vec<Vec<u8>>> {
    let ids = sqlx::query_scalar!("SELECT credential_id FROM passkeys WHERE user_id = $1", user.0);
    Ok(ids.fetch_all(pool).await?)
}

/// The passkey and its owner. Whoever else uses or removes it, or changes the account, waits.
pub(super) async fn lock(
    connection: &mut PgConnection,
    user: UserId,
    credential_id: &[u8],
) -> Result<Option<(Stored, User)>> {
    let row = sqlx::query!(
        r#"SELECT passkeys.id, credential AS "credential: Json<Passkey>", users.email, password_hash, role
           FROM passkeys JOIN users ON users.id = user_id
           WHERE user_id = $1 AND credential_id = $2 FOR UPDATE OF passkeys"#,
        user.0,
        credential_id
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        let stored = Stored {
            id: row.id,
            passkey: row.credential.0,
        };
        let owner = User {
            id: user,
            email: row.email,
            password_hash: PasswordHash::from_stored(row.password_hash),
            role: role(&row.role)?,
            // It stands for the second factor too: no code is owed.
            has_factor: true,
        };
        Ok((stored, owner))
    })
    .transpose()
}

/// How many a person has; whoever else adds one waits.
pub(super) async fn count_locked(connection: &mut PgConnection, user: UserId) -> Result<usize> {
    sqlx::query!("SELECT id FROM users WHERE id = $1 FOR UPDATE", user.0)
        .fetch_optional(&mut *connection)
        .await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM passkeys WHERE user_id = $1"#,
        user.0
    )
    .fetch_one(connection)
    .await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    user: UserId,
    rp_id: &str,
    name: &str,
    passkey: &Passkey,
    now: DateTime<Utc>,
) -> Result<()> {
    let credential_id: &[u8] = passkey.cred_id().as_ref();
    let inserted = sqlx::query!(
        "INSERT INTO passkeys (id, user_id, credential_id, rp_id, credential, name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        user.0,
        credential_id,
        rp_id,
        Json(passkey) as _,
        name,
        now,
    )
    .execute(connection)
    .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("passkeys_credential_id_key") => {
            Err(AppError::new(ErrorCode::Conflict, "This passkey was added already."))
        }
        other => Ok(other.map(drop)?),
    }
}

/// Keeps the passkey's new counter, and when it was used.
pub(super) async fn used(connection: &mut PgConnection, id: Uuid, passkey: &Passkey, now: DateTime<Utc>) -> Result<()> {
    let update = sqlx::query!(
        "UPDATE passkeys SET credential = $2, last_used_at = $3 WHERE id = $1",
        id,
        Json(passkey) as _,
        now,
    );
    Ok(update.execute(connection).await.map(drop)?)
}

/// The name of the passkey that was removed.
pub(super) async fn remove(connection: &mut PgConnection, user: UserId, id: Uuid) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        "DELETE FROM passkeys WHERE user_id = $1 AND id = $2 RETURNING name",
        user.0,
        id
    );
    Ok(name.fetch_optional(connection).await?)
}

/// The names of those that were removed.
pub(super) async fn remove_all(connection: &mut PgConnection, user: UserId) -> Result<Vec<String>> {
    let names = sqlx::query_scalar!("DELETE FROM passkeys WHERE user_id = $1 RETURNING name", user.0);
    Ok(names.fetch_all(connection).await?)
}

/// Whether it is the first answer to this challenge.
pub(super) async fn answer_once(
    connection: &mut PgConnection,
    challenge_hash: &[u8; 32],
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO answered_challenges (challenge_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        challenge_hash,
        expires_at
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets challenges that are over anyway.
///
/// # Errors
/// `unavailable`.
pub async fn delete_stale(pool: &PgPool, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!("DELETE FROM answered_challenges WHERE expires_at <= $1", now)
        .execute(pool)
        .await?;
    Ok(())
}
