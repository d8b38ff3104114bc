//! Making, finding and revoking keys.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, PolicyId, UserId};
use crate::keys::limits::Limits;
use crate::keys::model::{ApiKey, CreatedKey, KeyName, KeyPage, KeyQuery};
use crate::keys::policy::{self, Policy};
use crate::keys::secret::{MARK, PlainKey, PublicId};
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
    /// What it may do: a document that was checked.
    pub policy: &'a str,
    /// The shared policy that stands in the place of its own.
    pub policy_id: Option<PolicyId>,
    /// Its limits: a document that was checked.
    pub limits: &'a str,
}

impl<'a> NewKey<'a> {
    /// Never ends, made by nobody, shares nothing, may read only.
    #[must_use]
    pub fn named(name: &'a KeyName) -> Self {
        Self {
            name,
            expires_at: None,
            created_by: None,
            share_reads: false,
            policy: policy::READ_ONLY,
            policy_id: None,
            limits: "{}",
        }
    }
}

/// Makes a key. Its plaintext is in the answer and nowhere else.
///
/// # Errors
/// `invalid_request` if policy and limits are none, or do not go together;
/// `unavailable`, `internal`.
pub async fn create(pool: &PgPool, new: NewKey<'_>) -> Result<CreatedKey> {
    check_public(&Policy::parse(new.policy)?, &Limits::parse(new.limits)?)?;
    loop {
        let plain = PlainKey::generate();
        let mut connection = pool.acquire().await?;
        match store::insert(&mut connection, new, plain.public_id(), &plain.hash()).await {
            Ok(id) => {
                drop(connection);
                let key = find(pool, id).await?;
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

/// Switches a key off or on: here at once, on every other instance within a second.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn set_disabled(
    pool: &PgPool,
    keys: &KeyVerifier,
    id: ApiKeyId,
    disabled: bool,
    by: UserId,
) -> Result<ApiKey> {
    let key = store::set_disabled(pool, id, disabled).await?.ok_or_else(no_such_key)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, disabled, user.id = %by, "key switched");
    Ok(key)
}

/// The document that decides what a key may do.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn policy_of(pool: &PgPool, id: ApiKeyId) -> Result<String> {
    store::policy_of(pool, id).await?.ok_or_else(no_such_key)
}

/// The same by the key's prefix: `obk_AbCd1234`.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn policy_of_prefix(pool: &PgPool, prefix: &str) -> Result<String> {
    let public_id = prefix
        .strip_prefix(MARK)
        .and_then(PublicId::parse)
        .ok_or_else(no_such_key)?;
    let key = store::find_verifiable(pool, public_id).await?.ok_or_else(no_such_key)?;
    Ok(key.policy)
}

/// Gives a key a policy of its own: here at once, on every other instance within a
/// second.
///
/// # Errors
/// `invalid_request` if it is no policy; `not_found`, `unavailable`, `internal`.
pub async fn set_policy(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, document: &str, by: UserId) -> Result<ApiKey> {
    let policy = Policy::parse(document)?;
    check_public(&policy, &Limits::parse(&limits_of(pool, id).await?)?)?;
    let key = store::set_policy(pool, id, document).await?.ok_or_else(no_such_key)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, access = policy.word(), user.id = %by, "policy set");
    Ok(key)
}

/// The limits of a key.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn limits_of(pool: &PgPool, id: ApiKeyId) -> Result<String> {
    store::limits_of(pool, id).await?.ok_or_else(no_such_key)
}

/// Sets the limits of a key: here at once, on every other instance within a second.
///
/// # Errors
/// `invalid_request` if they are none; `not_found`, `unavailable`, `internal`.
pub async fn set_limits(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, limits: &str, by: UserId) -> Result<ApiKey> {
    let limits = Limits::parse(limits)?;
    check_public(&Policy::load(&policy_of(pool, id).await?), &limits)?;
    let key = store::set_limits(pool, id, &limits.to_json())
        .await?
        .ok_or_else(no_such_key)?;
    keys.forget(&key.prefix);
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, user.id = %by, "limits set");
    Ok(key)
}

/// What people want to remember of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// In their words.
    pub note: String,
    /// Who made it; `None` on the command line.
    pub made_by: Option<String>,
}

/// The longest note, in characters.
pub const NOTE_MAX_CHARS: usize = 1_000;

/// What is remembered of a key.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn about(pool: &PgPool, id: ApiKeyId) -> Result<About> {
    store::about(pool, id).await?.ok_or_else(no_such_key)
}

/// Sets the note of a key.
///
/// # Errors
/// `invalid_request` if it is too long; `not_found`, `unavailable`, `internal`.
pub async fn set_note(pool: &PgPool, id: ApiKeyId, note: &str) -> Result<()> {
    let note = note.trim().replace("\r\n", "\n");
    if note.chars().count() > NOTE_MAX_CHARS {
        return Err(AppError::invalid(format!(
            "The note is too long: {NOTE_MAX_CHARS} characters at most."
        )));
    }
    if store::set_note(pool, id, &note).await? {
        Ok(())
    } else {
        Err(no_such_key())
    }
}

/// Revokes all keys that a person made: on every instance within a second. How many.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn revoke_all_of(pool: &PgPool, email: &str) -> Result<usize> {
    let revoked = store::revoke_all_of(pool, email.trim()).await?;
    tracing::info!(keys = revoked.len(), "keys of a person revoked");
    Ok(revoked.len())
}

/// Makes a key that takes another's place, with all that the old one has; the old one
/// ends after `grace_secs`, or when it would have ended anyway.
///
/// # Errors
/// `conflict` if the old one is not accepted any more, or was rolled before;
/// `unavailable`, `internal`.
pub async fn roll(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, grace_secs: i32, by: UserId) -> Result<CreatedKey> {
    let plain = PlainKey::generate();
    let mut transaction = pool.begin().await?;
    let old = store::lock_for_roll(&mut transaction, id).await?.ok_or_else(|| {
        AppError::new(
            ErrorCode::Conflict,
            "Only a key that is active and was not rolled before can be rolled.",
        )
    })?;
    let name = KeyName::parse(&old.name)?;
    let new = NewKey {
        expires_at: old.expires_at,
        created_by: Some(by),
        share_reads: old.share_reads,
        policy: &old.policy,
        policy_id: old.policy_id,
        limits: &old.limits,
        ..NewKey::named(&name)
    };
    let new_id = store::insert(&mut transaction, new, plain.public_id(), &plain.hash()).await?;
    store::replace(&mut transaction, id, new_id, grace_secs).await?;
    transaction.commit().await?;
    let (old, key) = (find(pool, id).await?, find(pool, new_id).await?);
    keys.forget(&old.prefix);
    keys.forget(&key.prefix);
    tracing::info!(key.id = %old.id, key.prefix = %old.prefix, new.id = %key.id, grace_secs, user.id = %by, "key rolled");
    Ok(CreatedKey {
        key,
        plaintext: plain.reveal(),
    })
}

/// Everyone who opens a page can read the key in it.
pub(super) fn check_public(policy: &Policy, limits: &Limits) -> Result<()> {
    if limits.origins.is_empty() || policy.only_reads() {
        return Ok(());
    }
    Err(AppError::invalid(
        "A key with origins is public by nature: everyone who opens the page can read it. It may only read.",
    ))
}

fn no_such_key() -> AppError {
    AppError::new(
        ErrorCode::NotFound,
        "There is no such key. It may have been removed; go back to the list.",
    )
}
