//! Policies that have a name and are shared by many keys: edited once, followed by all,
//! here at once and on every other instance within a second.

pub mod http;
mod page;
mod store;

use sqlx::{PgConnection, PgPool};

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::issue::{check_fresh, check_public};
use crate::keys::limits::Limits;
use crate::keys::model::KeyName;
use crate::keys::policy::{Policy, presets};
use crate::keys::store as keys_store;
use crate::keys::verify::KeyVerifier;

/// What stands before the name of a shared policy where a preset's id may stand as well.
pub const SHARED: &str = "shared:";

/// A shared policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPolicy {
    /// Its id.
    pub id: PolicyId,
    /// What people call it.
    pub name: String,
    /// What its keys may do.
    pub document: String,
    /// How many keys follow it.
    pub keys: u64,
}

/// All of them, by name.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool) -> Result<Vec<SharedPolicy>> {
    store::list(pool).await
}

/// Their names, in order.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn names(pool: &PgPool) -> Result<Vec<String>> {
    store::names(pool).await
}

/// The one of this name: its id and its document.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn called(pool: &PgPool, name: &str) -> Result<(PolicyId, String)> {
    store::called(pool, name.trim()).await?.ok_or_else(no_such_policy)
}

/// What is chosen for a new key: the document of a preset, or with `shared:` before its name that of a
/// shared policy, which the key then follows.
///
/// # Errors
/// `invalid_request` if there is no such preset; as [`called`].
pub async fn chosen(pool: &PgPool, access: &str) -> Result<(String, Option<PolicyId>)> {
    match access.strip_prefix(SHARED) {
        Some(name) => called(pool, name).await.map(|(id, document)| (document, Some(id))),
        None => Ok((presets::document(access)?.to_owned(), None)),
    }
}

/// Makes one that no key follows yet.
///
/// # Errors
/// `invalid_request` if it is no policy or no name; `conflict` if the name is taken;
/// `unavailable`, `internal`.
pub async fn create(pool: &PgPool, name: &str, document: &str, by: &Actor) -> Result<()> {
    let name = KeyName::parse(name)?;
    Policy::parse(document)?;
    let mut transaction = pool.begin().await?;
    let id = insert(&mut transaction, &name, document, by).await?;
    transaction.commit().await?;
    told(Action::PolicyShared, id, by);
    Ok(())
}

async fn insert(connection: &mut PgConnection, name: &KeyName, document: &str, by: &Actor) -> Result<PolicyId> {
    let id = store::insert(connection, name.as_str(), document)
        .await
        .map_err(|error| taken(error, name))?;
    let shared = Change {
        after: Some(document),
        ..Change::of(Action::PolicyShared, id.0, name.as_str())
    };
    log::record(connection, by, shared).await?;
    Ok(id)
}

/// The one that a key follows.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn followed_by(pool: &PgPool, key: ApiKeyId) -> Result<Option<PolicyId>> {
    store::followed_by(pool, key).await
}

/// Makes one, and lets the key follow it: both or neither.
///
/// # Errors
/// `invalid_request` if it is no policy or no name; `conflict` if the name is taken;
/// `forbidden` for full access without a fresh password; `not_found`, `unavailable`, `internal`.
pub async fn share(
    pool: &PgPool,
    keys: &KeyVerifier,
    key: ApiKeyId,
    name: &str,
    document: &str,
    by: &Actor,
) -> Result<()> {
    let name = KeyName::parse(name)?;
    Policy::parse(document)?;
    let mut transaction = pool.begin().await?;
    let id = insert(&mut transaction, &name, document, by).await?;
    let prefix = let_follow(&mut transaction, key, id, by).await?;
    transaction.commit().await?;
    keys.forget(&prefix);
    told(Action::PolicyShared, id, by);
    Ok(())
}

/// Lets a key follow a shared policy.
///
/// # Errors
/// `not_found`; `invalid_request` if the key is public and the policy changes things;
/// `forbidden` for full access without a fresh password; `unavailable`, `internal`.
pub async fn follow(pool: &PgPool, keys: &KeyVerifier, key: ApiKeyId, id: PolicyId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let prefix = let_follow(&mut transaction, key, id, by).await?;
    transaction.commit().await?;
    keys.forget(&prefix);
    told(Action::KeyFollowsPolicy, id, by);
    Ok(())
}

/// Gives the prefix of the key.
async fn let_follow(connection: &mut PgConnection, key: ApiKeyId, id: PolicyId, by: &Actor) -> Result<String> {
    let policy = store::lock(connection, id).await?.ok_or_else(no_such_policy)?;
    let locked = keys_store::lock(connection, key).await?.ok_or_else(no_such_policy)?;
    let given = Policy::load(&policy.document);
    check_public(&given, &Limits::parse(&locked.limits)?)?;
    check_fresh(&given, by)?;
    let prefix = store::follow(connection, key, id).await?;
    let followed = Change {
        before: Some(&locked.policy),
        after: Some(&policy.name),
        ..Change::of(Action::KeyFollowsPolicy, key.0, &locked.name)
    };
    log::record(connection, by, followed).await?;
    Ok(prefix)
}

/// Changes one for all its keys.
///
/// # Errors
/// `invalid_request` if it is no policy, or if a public key follows it and it changes
/// things; `forbidden` for full access without a fresh password; `not_found`,
/// `unavailable`, `internal`.
pub async fn change(pool: &PgPool, keys: &KeyVerifier, id: PolicyId, document: &str, by: &Actor) -> Result<()> {
    let policy = Policy::parse(document)?;
    check_fresh(&policy, by)?;
    let mut transaction = pool.begin().await?;
    let old = store::lock(&mut transaction, id).await?.ok_or_else(no_such_policy)?;
    for limits in store::limits_of_followers(&mut transaction, id).await? {
        check_public(&policy, &Limits::parse(&limits)?)?;
    }
    let prefixes = store::change(&mut transaction, id, document).await?;
    let changed = Change {
        before: Some(&old.document),
        after: Some(document),
        ..Change::of(Action::PolicyChanged, id.0, &old.name)
    };
    log::record(&mut transaction, by, changed).await?;
    transaction.commit().await?;
    for prefix in prefixes {
        keys.forget(&prefix);
    }
    told(Action::PolicyChanged, id, by);
    Ok(())
}

/// Calls one otherwise; its keys go on to follow it.
///
/// # Errors
/// `invalid_request` if that is no name; `conflict` if it is taken; `not_found`,
/// `unavailable`, `internal`.
pub async fn rename(pool: &PgPool, id: PolicyId, name: &str, by: &Actor) -> Result<()> {
    let name = KeyName::parse(name)?;
    let mut transaction = pool.begin().await?;
    let old = store::lock(&mut transaction, id).await?.ok_or_else(no_such_policy)?;
    store::rename(&mut transaction, id, name.as_str())
        .await
        .map_err(|error| taken(error, &name))?;
    let renamed = Change {
        before: Some(&old.name),
        after: Some(name.as_str()),
        ..Change::of(Action::PolicyRenamed, id.0, name.as_str())
    };
    log::record(&mut transaction, by, renamed).await?;
    transaction.commit().await?;
    told(Action::PolicyRenamed, id, by);
    Ok(())
}

/// Removes one that no key follows any more, but for revoked ones.
///
/// # Errors
/// `conflict` if a key follows it; `not_found`, `unavailable`, `internal`.
pub async fn remove(pool: &PgPool, id: PolicyId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let old = store::lock(&mut transaction, id).await?.ok_or_else(no_such_policy)?;
    if !store::remove(&mut transaction, id).await? {
        return Err(AppError::new(
            ErrorCode::Conflict,
            format!(
                "Keys follow \u{201c}{}\u{201d}. Give them other policies first.",
                old.name
            ),
        ));
    }
    let removed = Change {
        before: Some(&old.document),
        ..Change::of(Action::PolicyRemoved, id.0, &old.name)
    };
    log::record(&mut transaction, by, removed).await?;
    transaction.commit().await?;
    told(Action::PolicyRemoved, id, by);
    Ok(())
}

fn told(action: Action, id: PolicyId, by: &Actor) {
    let user = by.user_id().map(|id| id.to_string());
    tracing::info!(policy.id = %id, action = action.as_str(), user.id = user, "shared policy");
}

fn taken(error: sqlx::Error, name: &KeyName) -> AppError {
    match error {
        sqlx::Error::Database(error) if error.constraint() == Some("policies_name_key") => AppError::new(
            ErrorCode::Conflict,
            format!("There is a shared policy \u{201c}{}\u{201d} already.", name.as_str()),
        ),
        other => other.into(),
    }
}

fn no_such_policy() -> AppError {
    AppError::new(ErrorCode::NotFound, "There is no such policy.")
}
