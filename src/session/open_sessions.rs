//! Where a person is signed in, and ending it there: by themselves, or by an admin.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::Result;
use crate::ids::UserId;
use crate::session::sign_in::IDLE;
use crate::session::store;
use crate::session::token::TokenHash;

/// A session, without what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// For ending it.
    pub id: Uuid,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to a minute.
    pub last_seen_at: DateTime<Utc>,
    /// From where it was opened; `None` in sessions of an older version.
    pub address: Option<String>,
    /// What the browser said it is.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_present: bool,
}

/// The sessions of a person, the last used first; 100 at most.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool, user: UserId, present: &TokenHash, now: DateTime<Utc>) -> Result<Vec<OpenSession>> {
    store::sessions_of(pool, user, present, now, now - IDLE).await
}

/// Ends one of a person's sessions; one that is over already changes nothing.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn end(pool: &PgPool, (user, email): (UserId, &str), id: Uuid, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if store::end_session(&mut transaction, user, id).await? {
        let change = Change::of(Action::SessionEnded, user.0, email);
        log::record(&mut transaction, by, change).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Ends all sessions of a person whose account goes.
pub(crate) async fn end_all(connection: &mut PgConnection, user: UserId) -> Result<()> {
    store::end_sessions(connection, user, None).await.map(drop)
}

/// Ends all of a person's sessions but the present one, which may be another person's; how
/// many.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn end_others(pool: &PgPool, (user, email): (UserId, &str), present: &TokenHash, by: &Actor) -> Result<u64> {
    let mut transaction = pool.begin().await?;
    let ended = store::end_sessions(&mut transaction, user, Some(present)).await?;
    for _ in 0..ended {
        let change = Change::of(Action::SessionEnded, user.0, email);
        log::record(&mut transaction, by, change).await?;
    }
    transaction.commit().await?;
    Ok(ended)
}
