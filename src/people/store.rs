//! The accounts' and invitations' SQL.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::Result;
use crate::ids::UserId;
use crate::people::accounts::Account;
use crate::people::invitations::Invitation;
use crate::session::model::Role;
use crate::session::token::TokenHash;

pub(super) async fn accounts(pool: &PgPool) -> Result<Vec<Account>> {
    let accounts = sqlx::query_as!(
        Account,
        r#"SELECT id AS "id: UserId", email, role, totp_since IS NOT NULL AS "has_factor!",
                  (SELECT count(*) FROM passkeys WHERE user_id = users.id) AS "passkeys!",
                  (SELECT max(last_seen_at) FROM sessions WHERE user_id = users.id) AS last_seen_at,
                  (SELECT count(*) FROM api_keys WHERE created_by = users.id AND revoked_at IS NULL) AS "keys!"
           FROM users ORDER BY email LIMIT 1000"#
    )
    .fetch_all(pool)
    .await?;
    Ok(accounts)
}

/// Whoever changes accounts does it alone, so that of two admins who remove each other
/// one stays.
pub(super) async fn lock_admins(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("SELECT id FROM users WHERE role = 'admin' ORDER BY id FOR UPDATE")
        .fetch_all(connection)
        .await?;
    Ok(())
}

pub(super) async fn lock(connection: &mut PgConnection, id: UserId) -> Result<Option<(String, String)>> {
    let row = sqlx::query!("SELECT email, role FROM users WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| (row.email, row.role)))
}

pub(super) async fn admins(connection: &mut PgConnection) -> Result<i64> {
    let admins = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE role = 'admin'"#)
        .fetch_one(connection)
        .await?;
    Ok(admins)
}

pub(super) async fn set_role(connection: &mut PgConnection, id: UserId, role: Role) -> Result<()> {
    sqlx::query!("UPDATE users SET role = $2 WHERE id = $1", id.0, role.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, id: UserId) -> Result<()> {
    sqlx::query!("DELETE FROM users WHERE id = $1", id.0)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn email_of(pool: &PgPool, id: UserId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!("SELECT email FROM users WHERE id = $1", id.0)
        .fetch_optional(pool)
        .await?)
}

pub(super) async fn id_of(pool: &PgPool, email: &str) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!(r#"SELECT id AS "id: UserId" FROM users WHERE email = $1"#, email)
        .fetch_optional(pool)
        .await?;
    Ok(id)
}

pub(super) async fn invite(
    connection: &mut PgConnection,
    invitation: &Invitation,
    token: &TokenHash,
    by: Option<UserId>,
) -> Result<()> {
    sqlx::query!("DELETE FROM invitations WHERE email = $1", invitation.email)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "INSERT INTO invitations (id, token_hash, email, role, invited_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        invitation.id,
        token.as_bytes(),
        invitation.email,
        invitation.role,
        by.map(|id| id.0),
        invitation.expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn invitations(pool: &PgPool, now: DateTime<Utc>) -> Result<Vec<Invitation>> {
    let invitations = sqlx::query_as!(
        Invitation,
        "SELECT id, email, role, expires_at FROM invitations WHERE expires_at > $1 ORDER BY email LIMIT 1000",
        now
    )
    .fetch_all(pool)
    .await?;
    Ok(invitations)
}

pub(super) async fn withdraw(connection: &mut PgConnection, id: Uuid) -> Result<Option<String>> {
    let email = sqlx::query_scalar!("DELETE FROM invitations WHERE id = $1 RETURNING email", id)
        .fetch_optional(connection)
        .await?;
    Ok(email)
}

/// Makes void what a person invited; which they were.
pub(super) async fn withdraw_all_of(connection: &mut PgConnection, by: UserId) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "DELETE FROM invitations WHERE invited_by = $1 RETURNING id, email",
        by.0
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}

pub(super) async fn find_invitation(
    pool: &PgPool,
    token: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Invitation>> {
    let invitation = sqlx::query_as!(
        Invitation,
        "SELECT id, email, role, expires_at FROM invitations WHERE token_hash = $1 AND expires_at > $2",
        token.as_bytes(),
        now,
    )
    .fetch_optional(pool)
    .await?;
    Ok(invitation)
}

/// The same, and it is gone.
pub(super) async fn take_invitation(
    connection: &mut PgConnection,
    token: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Invitation>> {
    let invitation = sqlx::query_as!(
        Invitation,
        "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 RETURNING id, email, role, expires_at",
        token.as_bytes(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(invitation)
}
