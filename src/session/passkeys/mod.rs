//! Passkeys (WebAuthn): a key on a person's device, which the device uses only at this
//! bridge's own name and only after it has made sure of the person. So it stands for the
//! password and the second factor at once. What is kept of it is public; the reading and
//! checking is webauthn-rs's (docs/adr/0031-passkeys-by-webauthn-rs.md).
//!
//! Between question and answer the bridge keeps nothing: the state goes with the question,
//! sealed, and comes back with the answer, once.

pub mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::sealing::SealingKey;
use crate::session::attempt::Attempt;
use crate::session::model::{SIGN_IN_AGAIN, SignedIn};
use crate::session::sign_in::{self, Client, NewSession};

pub use store::delete_stale;

/// The most that a person has.
const MOST: usize = 20;
/// The most characters of a name.
pub const NAME_MAX_CHARS: usize = 60;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::minutes(5);
/// What devices call the bridge.
const NAME: &str = "Odoo Bridge";
/// Whatever is wrong with an answer: the log has the cause.
const REFUSED: &str = "This passkey is not accepted here. Sign in with your password.";
/// What a sign-in with a passkey is called in the audit log.
const BY_PASSKEY: &str = "with a passkey";

/// A passkey in its owner's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id here.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When somebody last signed in with it.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What a browser is asked, and what it sends back beside its answer.
#[derive(Debug, Serialize)]
pub struct Question {
    /// WebAuthn's options, in the form that `PublicKeyCredential.parse…OptionsFromJSON` takes.
    pub options: Value,
    /// The sealed state.
    pub ceremony: String,
}

#[derive(Serialize, Deserialize)]
struct Ceremony<S> {
    until: DateTime<Utc>,
    state: S,
}

/// The passkeys of a person, the oldest first.
///
/// # Errors
/// `unavailable`.
pub async fn list(pool: &PgPool, user: UserId) -> Result<Vec<Listed>> {
    store::list(pool, user).await
}

/// Asks for any passkey that is for this bridge. Nothing is kept, so anybody may ask.
///
/// # Errors
/// `invalid_request` where passkeys can't work; `internal`.
pub fn ask_to_sign_in(key: &SealingKey, origin: &str, now: DateTime<Utc>) -> Result<Question> {
    let (challenge, state) = relying_party(origin)?
        .start_discoverable_authentication()
        .map_err(AppError::internal)?;
    let mut options = serde_json::to_value(challenge).map_err(AppError::internal)?;
    Ok(Question {
        options: options["publicKey"].take(),
        ceremony: seal(key, SIGN_IN, state, now)?,
    })
}

/// Opens a session for whoever has the passkey that `answer` shows.
///
/// # Errors
/// `unauthenticated` for what is not accepted, `rate_limited`, `unavailable`, `internal`.
pub async fn sign_in(
    pool: &PgPool,
    key: &SealingKey,
    (origin, ceremony, answer): (&str, &str, &PublicKeyCredential),
    client: &Client,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    let rp = relying_party(origin)?;
    let attempt = Attempt::from_address(pool, client, now).await?;
    let mut transaction = pool.begin().await?;
    let refused = match check(&mut transaction, &rp, key, (ceremony, answer), now).await {
        Err(error) => {
            drop(transaction);
            // Nothing was checked, so nothing was wrong.
            attempt.take_back(pool).await?;
            return Err(error);
        }
        Ok(Ok(user)) => {
            let session = sign_in::enter_with(&mut transaction, &user, client, Some(BY_PASSKEY), now).await?;
            transaction.commit().await?;
            attempt.take_back(pool).await?;
            return Ok(session);
        }
        Ok(Err(refused)) => refused,
    };
    drop(transaction);
    tracing::warn!(
        user.id = refused.user.as_ref().map(|user| user.id.to_string()),
        client.address = %client.address,
        reason = %refused.reason,
        "sign-in refused: passkey"
    );
    let by = sign_in::somebody(client);
    sign_in::write_down(pool, &by, Action::SignInRefused, refused.user.as_ref()).await?;
    Err(AppError::new(ErrorCode::Unauthenticated, refused.told))
}

struct Refused {
    /// Whose the passkey is, if it is one of ours.
    user: Option<super::store::User>,
    /// For the log.
    reason: String,
    /// For the person.
    told: &'static str,
}

/// Whose passkey it is, if the answer is right and comes for the first time.
async fn check(
    connection: &mut PgConnection,
    rp: &Webauthn,
    key: &SealingKey,
    (ceremony, answer): (&str, &PublicKeyCredential),
    now: DateTime<Utc>,
) -> Result<Result<super::store::User, Refused>> {
    let refused = |user, reason: String, told| Ok(Err(Refused { user, reason, told }));
    let Some(state) = open::<DiscoverableAuthentication>(key, SIGN_IN, ceremony, now) else {
        return refused(None, "the question is over or not ours".into(), SIGN_IN_AGAIN);
    };
    let Ok((user, credential)) = rp.identify_discoverable_authentication(answer) else {
        return refused(None, "it does not say whose it is".into(), REFUSED);
    };
    let Some((stored, user)) = store::lock(connection, UserId(user), credential).await? else {
        return refused(None, "there is no such passkey".into(), REFUSED);
    };
    let mut passkey = stored.passkey;
    let result = match rp.finish_discoverable_authentication_v2(answer, state, &passkey) {
        Ok(result) => result,
        Err(error) => return refused(Some(user), error.to_string(), REFUSED),
    };
    if !store::answer_once(connection, &hash_of(ceremony), now + ANSWER_WITHIN).await? {
        return refused(Some(user), "the question was answered before".into(), SIGN_IN_AGAIN);
    }
    passkey.update_credential(&result);
    store::used(connection, stored.id, &passkey, now).await?;
    Ok(Ok(user))
}

/// Asks for a new passkey of `user`.
///
/// # Errors
/// `invalid_request` where passkeys can't work, `conflict` if there are too many;
/// `unavailable`, `internal`.
pub async fn ask_for_new(
    pool: &PgPool,
    key: &SealingKey,
    origin: &str,
    user: &SignedIn,
    now: DateTime<Utc>,
) -> Result<Question> {
    let rp = relying_party(origin)?;
    let known = store::credential_ids(pool, user.id).await?;
    if known.len() >= MOST {
        return Err(too_many());
    }
    let (challenge, state) = rp
        .start_passkey_registration(user.id.0, &user.email, &user.email, Some(known))
        .map_err(AppError::internal)?;
    let mut options = serde_json::to_value(challenge).map_err(AppError::internal)?;
    let mut options = options["publicKey"].take();
    // The sign-in asks for no address, so the device has to find it by itself.
    options["authenticatorSelection"]["residentKey"] = json!("required");
    options["authenticatorSelection"]["requireResidentKey"] = json!(true);
    Ok(Question {
        options,
        ceremony: seal(key, &new_for(user.id), state, now)?,
    })
}

/// Keeps the new passkey that `answer` has.
///
/// # Errors
/// `invalid_request` for a name that can't be, or an answer that is not accepted;
/// `conflict` if there are too many, or it is there already; `unavailable`, `internal`.
pub async fn add(
    pool: &PgPool,
    key: &SealingKey,
    (origin, ceremony, answer): (&str, &str, &RegisterPublicKeyCredential),
    name: &str,
    (user, by): (&SignedIn, &Actor),
    now: DateTime<Utc>,
) -> Result<()> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        return Err(AppError::invalid(format!(
            "Give it a name of {NAME_MAX_CHARS} characters at most, such as the device's."
        )));
    }
    let rp = relying_party(origin)?;
    let state: PasskeyRegistration = open(key, &new_for(user.id), ceremony, now)
        .ok_or_else(|| AppError::invalid("That took too long. Begin again."))?;
    let passkey = rp.finish_passkey_registration(answer, &state).map_err(|error| {
        tracing::warn!(user.id = %user.id, reason = %error, "passkey not accepted");
        AppError::invalid("The browser's answer is not accepted. Nothing was added.")
    })?;
    let mut transaction = pool.begin().await?;
    if !store::answer_once(&mut transaction, &hash_of(ceremony), now + ANSWER_WITHIN).await? {
        return Err(AppError::new(ErrorCode::Conflict, "This passkey was added already."));
    }
    if store::count_locked(&mut transaction, user.id).await? >= MOST {
        return Err(too_many());
    }
    store::insert(&mut transaction, user.id, &rp_id(origin)?, name, &passkey, now).await?;
    let change = Change {
        after: Some(name),
        ..Change::of(Action::PasskeyAdded, user.id.0, &user.email)
    };
    log::record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Takes a passkey of `user` away.
///
/// # Errors
/// `not_found`, `unavailable`.
pub async fn remove(pool: &PgPool, (user, email): (UserId, &str), id: Uuid, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let name = store::remove(&mut transaction, user, id).await?;
    let name = name.ok_or_else(|| AppError::new(ErrorCode::NotFound, "There is no such passkey any more."))?;
    removed(&mut transaction, (user, email), &name, by).await?;
    Ok(transaction.commit().await?)
}

/// Takes all passkeys of `user` away.
///
/// # Errors
/// `unavailable`.
pub async fn remove_all(connection: &mut PgConnection, (user, email): (UserId, &str), by: &Actor) -> Result<()> {
    for name in store::remove_all(connection, user).await? {
        removed(connection, (user, email), &name, by).await?;
    }
    Ok(())
}

async fn removed(
    connection: &mut PgConnection,
    (user, email): (UserId, &str),
    name: &str,
    by: &Actor,
) -> Result<(), sqlx::Error> {
    let change = Change {
        before: Some(name),
        ..Change::of(Action::PasskeyRemoved, user.0, email)
    };
    log::record(connection, by, change).await
}

fn too_many() -> AppError {
    AppError::new(
        ErrorCode::Conflict,
        format!("There are {MOST} passkeys already. Remove one that you no longer use."),
    )
}

/// Whether a passkey can be for this address: the standard knows names only.
#[must_use]
pub fn possible_at(origin: &str) -> bool {
    relying_party(origin).is_ok()
}

fn relying_party(origin: &str) -> Result<Webauthn> {
    let id = rp_id(origin)?;
    let build = |id: &str| -> Result<Webauthn, WebauthnError> {
        let url = Url::parse(origin).map_err(|_| WebauthnError::Configuration)?;
        WebauthnBuilder::new(id, &url)?.rp_name(NAME).build()
    };
    build(&id).map_err(AppError::internal)
}

fn rp_id(origin: &str) -> Result<String> {
    let url = Url::parse(origin).ok();
    let name = url.as_ref().and_then(Url::domain);
    name.map(str::to_owned).ok_or_else(|| {
        AppError::invalid(
            "Passkeys need the bridge to have a name, not only an address: open it under its name, over https \
             (or as localhost).",
        )
    })
}

const SIGN_IN: &str = "sign-in with a passkey";

fn new_for(user: UserId) -> String {
    format!("new passkey of {user}")
}

fn hash_of(ceremony: &str) -> [u8; 32] {
    Sha256::digest(ceremony.as_bytes()).into()
}

fn seal<S: Serialize>(key: &SealingKey, context: &str, state: S, now: DateTime<Utc>) -> Result<String> {
    let until = now + ANSWER_WITHIN;
    let plain = serde_json::to_vec(&Ceremony { until, state }).map_err(AppError::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(key.seal(context, &plain)))
}

/// `None` for what is not ours, is for something else, or is over.
fn open<S: DeserializeOwned>(key: &SealingKey, context: &str, ceremony: &str, now: DateTime<Utc>) -> Option<S> {
    let sealed = URL_SAFE_NO_PAD.decode(ceremony).ok()?;
    let plain = key.unseal(context, &sealed)?;
    let opened: Ceremony<S> = serde_json::from_slice(plain.expose_secret()).ok()?;
    (now < opened.until).then_some(opened.state)
}
