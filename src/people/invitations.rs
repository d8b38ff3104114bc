//! One-time links with which people make their own account.

use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::people::store;
use crate::session::attempt::Attempt;
use crate::session::model::{EMAIL_TAKEN, NO_INVITATION, Role};
use crate::session::password::{NewPassword, hash};
use crate::session::sign_in::{Client, Email, NewSession, enter_as, insert_user, link_refused, somebody};
use crate::session::token::SessionToken;

/// How long a link works.
pub const VALID_FOR: Duration = Duration::days(7);

/// An invitation that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// For withdrawing it.
    pub id: Uuid,
    /// Whose account it will be.
    pub email: String,
    /// The word of the role.
    pub role: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Invites somebody; an earlier invitation of the same address is void. The token is
/// for the link, and nowhere else.
///
/// # Errors
/// `invalid_request` for an address that can't be, `conflict` if it has an account.
pub async fn invite(pool: &PgPool, email: &str, role: Role, by: &Actor, now: DateTime<Utc>) -> Result<SessionToken> {
    let email = Email::parse(email)?;
    if store::id_of(pool, &email.0).await?.is_some() {
        return Err(AppError::new(ErrorCode::Conflict, EMAIL_TAKEN));
    }
    let token = SessionToken::generate();
    let id = Uuid::now_v7();
    let mut transaction = pool.begin().await?;
    let invitation = Invitation {
        id,
        email: email.0,
        role: role.as_str().to_owned(),
        expires_at: now + VALID_FOR,
    };
    store::invite(&mut transaction, &invitation, &token.hash(), by.user_id()).await?;
    let change = Change {
        after: Some(role.as_str()),
        ..Change::of(Action::UserInvited, id, &invitation.email)
    };
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    Ok(token)
}

/// Those that were neither used nor are over.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool, now: DateTime<Utc>) -> Result<Vec<Invitation>> {
    store::invitations(pool, now).await
}

/// Makes a link void; one that is already changes nothing.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn withdraw(pool: &PgPool, id: Uuid, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if let Some(email) = store::withdraw(&mut transaction, id).await? {
        let change = Change::of(Action::InvitationWithdrawn, id, &email);
        log::record(&mut transaction, by, change).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The invitation of a link.
///
/// # Errors
/// `not_found` if there is none, `unavailable`, `internal`.
pub async fn find(pool: &PgPool, token: &str, now: DateTime<Utc>) -> Result<Invitation> {
    let found = match SessionToken::parse(token) {
        Some(token) => store::find_invitation(pool, &token.hash(), now).await?,
        None => None,
    };
    found.ok_or_else(no_invitation)
}

/// Makes the account of a link with a password of the person's own, once, and signs
/// them in. Wrong links are slowed as wrong passwords are.
///
/// # Errors
/// `not_found` for a link that does not work (any more), `invalid_request` for a
/// password that can't be, `conflict` if the address has an account meanwhile,
/// `rate_limited`, `overloaded`, `unavailable`.
pub async fn accept(
    pool: &PgPool,
    token: &str,
    password: SecretString,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    let attempt = Attempt::from_address(pool, client, now).await?;
    if let Err(error) = find(pool, token, now).await {
        if error.code == ErrorCode::NotFound {
            link_refused(pool, client).await?;
        }
        return Err(error);
    }
    attempt.take_back(pool).await?;
    let token = SessionToken::parse(token).ok_or_else(no_invitation)?;
    let password_hash = hash(NewPassword::parse(password)?).await?;
    let mut transaction = pool.begin().await?;
    let invitation = store::take_invitation(&mut transaction, &token.hash(), now).await?;
    let invitation = invitation.ok_or_else(no_invitation)?;
    let role = Role::parse(&invitation.role).ok_or_else(no_invitation)?;
    let email = Email::parse(&invitation.email)?;
    let id = insert_user(&mut transaction, &email, &password_hash, role, &somebody(client)).await?;
    transaction.commit().await?;
    tracing::info!(user.id = %id, client.address = %client.address, "an invitation was used");
    enter_as(pool, &invitation.email, client, now).await
}

fn no_invitation() -> AppError {
    AppError::new(ErrorCode::NotFound, NO_INVITATION)
}
