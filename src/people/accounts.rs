//! The accounts there are, what each may do, and taking one away. There is always an
//! admin.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::people::store;
use crate::session::model::Role;
use crate::session::open_sessions::end_all;
use crate::session::{passkeys, second_factor};

/// An account, for admins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub id: UserId,
    /// The address they sign in with.
    pub email: String,
    /// The word of their role; perhaps one of a newer version.
    pub role: String,
    /// When any of their sessions that are not over was last used.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Whether a code is asked for at sign-in.
    pub has_factor: bool,
    /// How many passkeys they sign in with.
    pub passkeys: i64,
    /// How many keys they made that are not revoked.
    pub keys: i64,
}

/// All accounts, by address; 1,000 at most.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool) -> Result<Vec<Account>> {
    store::accounts(pool).await
}

/// Gives a person another role. It holds from their next request on; of whoever is no
/// admin any more, invitations that are not used are void.
///
/// # Errors
/// `not_found`; `conflict` if no admin would be left; `unavailable`, `internal`.
pub async fn set_role(pool: &PgPool, id: UserId, role: Role, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let (email, before) = lock(&mut transaction, id).await?;
    if before == role.as_str() {
        return Ok(());
    }
    store::set_role(&mut transaction, id, role).await?;
    keep_an_admin(&mut transaction).await?;
    if role != Role::Admin {
        withdraw_invitations(&mut transaction, id, by).await?;
    }
    let change = Change {
        before: Some(&before),
        after: Some(role.as_str()),
        ..Change::of(Action::RoleChanged, id.0, &email)
    };
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    tracing::info!(user.id = %id, role = role.as_str(), "role changed");
    Ok(())
}

/// Takes an account away, with all its sessions and the invitations it made. The keys
/// that it made stay.
///
/// # Errors
/// `not_found`; `conflict` if no admin would be left; `unavailable`, `internal`.
pub async fn remove(pool: &PgPool, id: UserId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let (email, before) = lock(&mut transaction, id).await?;
    end_all(&mut transaction, id).await?;
    withdraw_invitations(&mut transaction, id, by).await?;
    store::remove(&mut transaction, id).await?;
    keep_an_admin(&mut transaction).await?;
    let change = Change {
        before: Some(&before),
        ..Change::of(Action::UserRemoved, id.0, &email)
    };
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    tracing::info!(user.id = %id, "user removed");
    Ok(())
}

/// Turns the second factor off for somebody who lost it, and takes their passkeys away:
/// they may be on what was lost.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn reset_factor(pool: &PgPool, id: UserId, by: &Actor) -> Result<()> {
    let email = email_of(pool, id).await?;
    let mut transaction = pool.begin().await?;
    passkeys::remove_all(&mut transaction, (id, &email), by).await?;
    second_factor::turn_off_in(&mut transaction, (id, &email), by).await?;
    Ok(transaction.commit().await?)
}

/// The address that a person signs in with.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn email_of(pool: &PgPool, id: UserId) -> Result<String> {
    store::email_of(pool, id).await?.ok_or_else(no_such_person)
}

/// Who signs in with this address.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn find(pool: &PgPool, email: &str) -> Result<UserId> {
    let email = email.trim().to_ascii_lowercase();
    store::id_of(pool, &email).await?.ok_or_else(no_such_person)
}

/// Whoever may invite nobody any more has no link out by which they come back.
async fn withdraw_invitations(connection: &mut PgConnection, of: UserId, by: &Actor) -> Result<()> {
    for (id, email) in store::withdraw_all_of(connection, of).await? {
        log::record(connection, by, Change::of(Action::InvitationWithdrawn, id, &email)).await?;
    }
    Ok(())
}

/// Address and role; whoever else wants to change accounts waits.
async fn lock(connection: &mut PgConnection, id: UserId) -> Result<(String, String)> {
    store::lock_admins(connection).await?;
    store::lock(connection, id).await?.ok_or_else(no_such_person)
}

async fn keep_an_admin(connection: &mut PgConnection) -> Result<()> {
    if store::admins(connection).await? > 0 {
        return Ok(());
    }
    Err(AppError::new(
        ErrorCode::Conflict,
        "This is the last admin. Make somebody else an admin first.",
    ))
}

fn no_such_person() -> AppError {
    AppError::new(ErrorCode::NotFound, "There is no such person.")
}
