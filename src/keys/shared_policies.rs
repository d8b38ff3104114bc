//! Policies that have a name and are shared by many keys: edited once, followed by all,
//! here at once and on every other instance within a second.

use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, PolicyId, UserId};
use crate::keys::issue::check_public;
use crate::keys::limits::Limits;
use crate::keys::model::KeyName;
use crate::keys::policy::Policy;
use crate::keys::store;
use crate::keys::verify::KeyVerifier;

/// A shared policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPolicy {
    /// Its id.
    pub id: PolicyId,
    /// What people call it.
    pub name: String,
    /// How many keys follow it.
    pub keys: u64,
}

/// All of them, by name.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool) -> Result<Vec<SharedPolicy>> {
    store::shared_policies(pool).await
}

/// The one that a key follows.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_key(pool: &PgPool, key: ApiKeyId) -> Result<Option<PolicyId>> {
    store::shared_policy_of(pool, key).await
}

/// Makes one, and lets the key follow it.
///
/// # Errors
/// `invalid_request` if it is no policy or no name; `conflict` if the name is taken;
/// `unavailable`, `internal`.
pub async fn share(
    pool: &PgPool,
    keys: &KeyVerifier,
    key: ApiKeyId,
    name: &str,
    document: &str,
    by: UserId,
) -> Result<()> {
    let name = KeyName::parse(name)?;
    check_public(&Policy::parse(document)?, &limits_of(pool, key).await?)?;
    let id = match store::insert_shared_policy(pool, name.as_str(), document).await {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("policies_name_key") => {
            return Err(AppError::new(
                ErrorCode::Conflict,
                format!("There is a shared policy \u{201c}{}\u{201d} already.", name.as_str()),
            ));
        }
        other => other?,
    };
    tracing::info!(policy.id = %id, user.id = %by, "policy shared");
    follow(pool, keys, key, id, by).await
}

/// Lets a key follow a shared policy.
///
/// # Errors
/// `not_found`; `invalid_request` if the key is public and the policy changes things;
/// `unavailable`, `internal`.
pub async fn follow(pool: &PgPool, keys: &KeyVerifier, key: ApiKeyId, id: PolicyId, by: UserId) -> Result<()> {
    let document = store::shared_document(pool, id).await?.ok_or_else(no_such_policy)?;
    check_public(&Policy::load(&document), &limits_of(pool, key).await?)?;
    let key = store::follow_shared_policy(pool, key, id)
        .await?
        .ok_or_else(no_such_policy)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, policy.id = %id, user.id = %by, "key follows a shared policy");
    Ok(())
}

/// Changes one for all its keys.
///
/// # Errors
/// `invalid_request` if it is no policy, or if a public key follows it and it changes
/// things; `not_found`, `unavailable`, `internal`.
pub async fn change(pool: &PgPool, keys: &KeyVerifier, id: PolicyId, document: &str, by: UserId) -> Result<()> {
    let policy = Policy::parse(document)?;
    for limits in store::limits_of_followers(pool, id).await? {
        check_public(&policy, &Limits::parse(&limits)?)?;
    }
    for prefix in store::change_shared_policy(pool, id, document).await? {
        keys.forget(&prefix);
    }
    tracing::info!(policy.id = %id, user.id = %by, "shared policy changed");
    Ok(())
}

async fn limits_of(pool: &PgPool, key: ApiKeyId) -> Result<Limits> {
    Limits::parse(&store::limits_of(pool, key).await?.ok_or_else(no_such_policy)?)
}

fn no_such_policy() -> AppError {
    AppError::new(ErrorCode::NotFound, "There is no such policy.")
}
