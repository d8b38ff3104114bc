//! Making, finding and revoking keys.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction};

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::limits::Limits;
use crate::keys::model::{ApiKey, CreatedKey, KeyName, KeyPage, KeyQuery};
use crate::keys::policy::{self, Policy};
use crate::keys::secret::{MARK, PlainKey, PublicId};
use crate::keys::store::{self, Locked};
use crate::keys::verify::KeyVerifier;
use crate::session::model::NOT_FRESH;

/// What a key to be made is like.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// What it is for.
    pub name: &'a KeyName,
    /// From when on it is refused; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who makes it.
    pub by: &'a Actor,
    /// Whether identical reads in flight may share one call to Odoo.
    pub share_reads: bool,
    /// What it may do: a document that was checked.
    pub policy: &'a str,
    /// The shared policy that stands in the place of its own.
    pub policy_id: Option<PolicyId>,
    /// Its limits: a document that was checked.
    pub limits: &'a str,
    /// Whom to ask about it; empty: whoever makes it.
    pub owner: &'a str,
}

impl<'a> NewKey<'a> {
    /// Never ends, made by nobody, shares nothing, may read only.
    #[must_use]
    pub fn named(name: &'a KeyName) -> Self {
        Self {
            name,
            expires_at: None,
            by: &Actor::COMMAND_LINE,
            share_reads: false,
            policy: policy::READ_ONLY,
            policy_id: None,
            limits: "{}",
            owner: "",
        }
    }
}

/// Makes a key. Its plaintext is in the answer and nowhere else.
///
/// # Errors
/// `invalid_request` if policy and limits are none, or do not go together; `forbidden`
/// for full access without a fresh password; `unavailable`, `internal`.
pub async fn create(pool: &PgPool, new: NewKey<'_>) -> Result<CreatedKey> {
    let policy = Policy::parse(new.policy)?;
    check_public(&policy, &Limits::parse(new.limits)?)?;
    check_owner(new.owner)?;
    check_fresh(&policy, new.by)?;
    loop {
        let plain = PlainKey::generate();
        let mut transaction = pool.begin().await?;
        match store::insert(&mut transaction, new, plain.public_id(), &plain.hash()).await {
            Ok(id) => {
                let change = Change {
                    after: Some(new.policy),
                    ..Change::of(Action::KeyCreated, id.0, new.name.as_str())
                };
                log::record(&mut transaction, new.by, change).await?;
                transaction.commit().await?;
                let key = find(pool, id).await?;
                told(Action::KeyCreated, &key, new.by);
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

/// What a key is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its id in the dashboard.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// `obk_AbCd1234`
    pub prefix: String,
}

impl Label {
    pub(super) fn new(id: uuid::Uuid, name: String, public_id: &str) -> Self {
        Self {
            id: ApiKeyId(id),
            name,
            prefix: format!("obk_{public_id}"),
        }
    }
}

/// The labels of those keys that are there, in no order.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn labels(pool: &PgPool, ids: &[ApiKeyId]) -> Result<Vec<Label>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    store::labels(pool, &ids).await
}

/// The keys of exactly that name or prefix, two at most: names may be given twice.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn called(pool: &PgPool, text: &str) -> Result<Vec<Label>> {
    store::called(pool, text, text.strip_prefix("obk_").unwrap_or_default()).await
}

/// Revokes a key for good: here from the moment this returns, on every other
/// instance within a second. To revoke it again changes nothing.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn revoke(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, by: &Actor) -> Result<ApiKey> {
    let (mut transaction, key) = begin(pool, id).await?;
    if key.is_revoked {
        drop(transaction);
        return find(pool, id).await;
    }
    store::revoke(&mut transaction, id).await?;
    finish(
        (pool, keys),
        transaction,
        by,
        Change::of(Action::KeyRevoked, id.0, &key.name),
    )
    .await
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
    by: &Actor,
) -> Result<ApiKey> {
    let word = |share_reads| Some(if share_reads { "true" } else { "false" });
    let (mut transaction, key) = begin(pool, id).await?;
    if key.share_reads == share_reads {
        drop(transaction);
        return find(pool, id).await;
    }
    store::set_share_reads(&mut transaction, id, share_reads).await?;
    let change = Change {
        before: word(key.share_reads),
        after: word(share_reads),
        ..Change::of(Action::KeySharesReads, id.0, &key.name)
    };
    finish((pool, keys), transaction, by, change).await
}

/// Switches a key off or on: here at once, on every other instance within a second.
///
/// # Errors
/// `forbidden` for full access without a fresh password; `not_found`, `unavailable`, `internal`.
pub async fn set_disabled(
    pool: &PgPool,
    keys: &KeyVerifier,
    id: ApiKeyId,
    disabled: bool,
    by: &Actor,
) -> Result<ApiKey> {
    let action = if disabled {
        Action::KeyDisabled
    } else {
        Action::KeyEnabled
    };
    let (mut transaction, key) = begin(pool, id).await?;
    if key.is_disabled == disabled {
        drop(transaction);
        return find(pool, id).await;
    }
    if !disabled {
        check_fresh(&Policy::load(&key.policy), by)?;
    }
    store::set_disabled(&mut transaction, id, disabled).await?;
    finish((pool, keys), transaction, by, Change::of(action, id.0, &key.name)).await
}

/// Begins a change of a key.
async fn begin(pool: &PgPool, id: ApiKeyId) -> Result<(Transaction<'static, Postgres>, Locked)> {
    let mut transaction = pool.begin().await?;
    let key = store::lock(&mut transaction, id).await?.ok_or_else(no_such_key)?;
    Ok((transaction, key))
}

/// Ends it: the change and what is written down of it, both or neither.
async fn finish(
    (pool, keys): (&PgPool, &KeyVerifier),
    mut transaction: Transaction<'static, Postgres>,
    by: &Actor,
    change: Change<'_>,
) -> Result<ApiKey> {
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    let key = find(pool, ApiKeyId(change.subject_id)).await?;
    keys.forget(&key.prefix);
    told(change.action, &key, by);
    Ok(key)
}

/// One line in the log for each change.
fn told(action: Action, key: &ApiKey, by: &Actor) {
    let user = by.user_id().map(|id| id.to_string());
    tracing::info!(key.id = %key.id, key.prefix = %key.prefix, action = action.as_str(), user.id = user, "key changed");
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
/// `invalid_request` if it is no policy; `forbidden` for full access without a fresh
/// password; `not_found`, `unavailable`, `internal`.
pub async fn set_policy(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, document: &str, by: &Actor) -> Result<ApiKey> {
    let policy = Policy::parse(document)?;
    let (mut transaction, key) = begin(pool, id).await?;
    check_public(&policy, &Limits::parse(&key.limits)?)?;
    check_fresh(&policy, by)?;
    store::set_policy(&mut transaction, id, document).await?;
    let change = Change {
        before: Some(&key.policy),
        after: Some(document),
        ..Change::of(Action::KeyPolicySet, id.0, &key.name)
    };
    finish((pool, keys), transaction, by, change).await
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
/// `invalid_request` if they are none; `forbidden` for full access without a fresh
/// password; `not_found`, `unavailable`, `internal`.
pub async fn set_limits(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, limits: &str, by: &Actor) -> Result<ApiKey> {
    let limits = Limits::parse(limits)?;
    let document = limits.to_json();
    let (mut transaction, key) = begin(pool, id).await?;
    let policy = Policy::load(&key.policy);
    check_public(&policy, &limits)?;
    // Without its addresses, it may be used by others.
    check_fresh(&policy, by)?;
    store::set_limits(&mut transaction, id, &document).await?;
    let change = Change {
        before: Some(&key.limits),
        after: Some(&document),
        ..Change::of(Action::KeyLimitsSet, id.0, &key.name)
    };
    finish((pool, keys), transaction, by, change).await
}

/// What people want to remember of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// In their words.
    pub note: String,
    /// Whom to ask; empty: nobody is known.
    pub owner: String,
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
pub async fn set_note(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, note: &str, by: &Actor) -> Result<ApiKey> {
    let note = note.trim().replace("\r\n", "\n");
    if note.chars().count() > NOTE_MAX_CHARS {
        return Err(AppError::invalid(format!(
            "The note is too long: {NOTE_MAX_CHARS} characters at most."
        )));
    }
    let (mut transaction, key) = begin(pool, id).await?;
    if key.note == note {
        drop(transaction);
        return find(pool, id).await;
    }
    store::set_note(&mut transaction, id, &note).await?;
    let change = Change {
        before: Some(&key.note),
        after: Some(&note),
        ..Change::of(Action::KeyNoteSet, id.0, &key.name)
    };
    finish((pool, keys), transaction, by, change).await
}

/// The longest name or address of an owner, in characters.
pub const OWNER_MAX_CHARS: usize = 200;

/// Sets whom to ask about a key.
///
/// # Errors
/// `invalid_request` if it is too long; `not_found`, `unavailable`, `internal`.
pub async fn set_owner(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, owner: &str, by: &Actor) -> Result<ApiKey> {
    let owner = owner.trim();
    check_owner(owner)?;
    let (mut transaction, key) = begin(pool, id).await?;
    if key.owner == owner {
        drop(transaction);
        return find(pool, id).await;
    }
    store::set_owner(&mut transaction, id, owner).await?;
    let change = Change {
        before: Some(&key.owner),
        after: Some(owner),
        ..Change::of(Action::KeyOwnerSet, id.0, &key.name)
    };
    finish((pool, keys), transaction, by, change).await
}

fn check_owner(owner: &str) -> Result<()> {
    if owner.chars().count() > OWNER_MAX_CHARS || owner.chars().any(char::is_control) {
        return Err(AppError::invalid(format!(
            "The owner is one line of {OWNER_MAX_CHARS} characters at most."
        )));
    }
    Ok(())
}

/// Revokes all keys that a person made or owns: on every instance within a second. How many.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn revoke_all_of(pool: &PgPool, email: &str, by: &Actor) -> Result<usize> {
    let ids = store::of_person(pool, email.trim()).await?;
    let mut transaction = pool.begin().await?;
    for id in &ids {
        if let Some(key) = store::lock(&mut transaction, *id).await?
            && !key.is_revoked
        {
            store::revoke(&mut transaction, *id).await?;
            log::record(&mut transaction, by, Change::of(Action::KeyRevoked, id.0, &key.name)).await?;
        }
    }
    transaction.commit().await?;
    tracing::info!(keys = ids.len(), "keys of a person revoked");
    Ok(ids.len())
}

/// Makes a key that takes another's place, with all that the old one has; the old one
/// ends after `grace_secs`, or when it would have ended anyway.
///
/// # Errors
/// `conflict` if the old one is not accepted any more, or was rolled before; `forbidden`
/// for full access without a fresh password; `unavailable`, `internal`.
pub async fn roll(pool: &PgPool, keys: &KeyVerifier, id: ApiKeyId, grace_secs: i32, by: &Actor) -> Result<CreatedKey> {
    let plain = PlainKey::generate();
    let (mut transaction, key) = begin(pool, id).await?;
    // What is shown is as good as a new key.
    check_fresh(&Policy::load(&key.policy), by)?;
    let old = store::lock_for_roll(&mut transaction, id).await?.ok_or_else(|| {
        AppError::new(
            ErrorCode::Conflict,
            "Only a key that is active and was not rolled before can be rolled.",
        )
    })?;
    let name = KeyName::parse(&old.name)?;
    let new = NewKey {
        expires_at: old.expires_at,
        by,
        share_reads: old.share_reads,
        policy: &old.policy,
        policy_id: old.policy_id,
        limits: &old.limits,
        ..NewKey::named(&name)
    };
    let new_id = store::insert(&mut transaction, new, plain.public_id(), &plain.hash()).await?;
    store::inherit(&mut transaction, new_id, id).await?;
    store::replace(&mut transaction, id, new_id, grace_secs).await?;
    let successor = plain.public_id().prefix();
    let rolled = Change {
        after: Some(&successor),
        ..Change::of(Action::KeyRolled, id.0, &old.name)
    };
    log::record(&mut transaction, by, rolled).await?;
    let created = Change {
        after: Some(&old.policy),
        ..Change::of(Action::KeyCreated, new_id.0, &old.name)
    };
    log::record(&mut transaction, by, created).await?;
    transaction.commit().await?;
    let (old, key) = (find(pool, id).await?, find(pool, new_id).await?);
    keys.forget(&old.prefix);
    keys.forget(&key.prefix);
    told(Action::KeyRolled, &old, by);
    told(Action::KeyCreated, &key, by);
    Ok(CreatedKey {
        key,
        plaintext: plain.reveal(),
    })
}

/// Everything in Odoo is given away, or given again: not by whoever finds an open browser.
pub(super) fn check_fresh(policy: &Policy, by: &Actor) -> Result<()> {
    match &by.user {
        Some(user) if *policy == Policy::Full && !user.is_fresh(Utc::now()) => {
            Err(AppError::new(ErrorCode::Forbidden, NOT_FRESH))
        }
        _ => Ok(()),
    }
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
