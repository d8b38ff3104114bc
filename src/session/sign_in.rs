//! The use cases of signing in: set-up, sign-in, the code of a second factor, the
//! password once more, sign-out, a new password. Each is written down, with what it
//! came to. The clock and the caller are passed in.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::audit::log::{self, Action, Actor, Change};
use crate::config::Settings;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::sealing::SealingKey;
use crate::session::attempt::Attempt;
use crate::session::model::{
    ALREADY_SET_UP, NOT_AN_EMAIL, PASSWORD_UNCHANGED, Role, SIGN_IN_AGAIN, SignedIn, WRONG_CODE,
    WRONG_EMAIL_OR_PASSWORD, WRONG_OLD_PASSWORD, WRONG_SETUP_TOKEN,
};
use crate::session::passkeys;
use crate::session::password::{NewPassword, PasswordHash, hash, verify};
use crate::session::second_factor;
use crate::session::store::{self, NewUser, User};
use crate::session::throttle::Subject;
pub use crate::session::token::SetupToken;
use crate::session::token::{SessionToken, TokenHash};

/// A session ends after so long without a request.
pub const IDLE: Duration = Duration::hours(12);
/// A session ends after so long in any case.
pub const ABSOLUTE: Duration = Duration::days(30);
/// When a session was last seen is written at most this often.
const TOUCH_EVERY: Duration = Duration::minutes(1);

/// For how long after its last sign-in a browser is known.
pub const DEVICE_KNOWN: Duration = Duration::days(180);

/// How long the code of the second factor may be owed.
pub const CODE_WITHIN: Duration = Duration::minutes(5);
/// The most that is kept of what a browser says it is, in characters.
const USER_AGENT_MAX_CHARS: usize = 300;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// From where.
    pub address: IpAddr,
    /// What the browser says it is.
    pub user_agent: Option<String>,
    /// By which it may be known, from a sign-in before.
    pub device: Option<TokenHash>,
}

impl Client {
    /// With as much of what the browser says as is kept.
    #[must_use]
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        Self {
            address,
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_MAX_CHARS).collect()),
            device: None,
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self::new(address, None)
    }
}

/// What a right password comes to.
pub enum Entered {
    /// The session is open.
    Session(NewSession),
    /// The code of the second factor is owed, by whoever has this token.
    CodeOwed(SessionToken),
}

/// A session just opened.
pub struct NewSession {
    /// For the cookie.
    pub token: SessionToken,
    /// By which the browser is known from now on, if it was not yet.
    pub device: Option<SessionToken>,
    /// Whose it is.
    pub user: SignedIn,
}

/// An email address that could be one, in lower case.
pub(crate) struct Email(pub(crate) String);

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let email = text.trim().to_ascii_lowercase();
        let sane = email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        });
        if sane && email.len() <= 254 && email.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(email))
        } else {
            Err(AppError::invalid(NOT_AN_EMAIL))
        }
    }
}

/// Whether anybody may sign in yet.
///
/// # Errors
/// `unavailable`.
pub async fn has_users(pool: &PgPool) -> Result<bool> {
    store::has_users(pool).await
}

/// Makes a user.
///
/// # Errors
/// `invalid_request` for an email or a password that can't be, `conflict` if
/// the email is taken.
pub async fn create_user(pool: &PgPool, email: &str, password: SecretString, role: Role) -> Result<UserId> {
    let email = Email::parse(email)?;
    let password_hash = hash(NewPassword::parse(password)?).await?;
    let mut transaction = pool.begin().await?;
    let id = insert_user(&mut transaction, &email, &password_hash, role, &Actor::COMMAND_LINE).await?;
    transaction.commit().await?;
    tracing::info!(user.id = %id, "user created");
    Ok(id)
}

/// Makes an account in a transaction, and writes it down.
///
/// # Errors
/// `conflict` if the email is taken; `unavailable`, `internal`.
pub(crate) async fn insert_user(
    connection: &mut PgConnection,
    email: &Email,
    password_hash: &PasswordHash,
    role: Role,
    by: &Actor,
) -> Result<UserId> {
    let user = new_user(email, password_hash, role);
    store::insert_user(connection, &user).await?;
    created(connection, &user, by).await?;
    Ok(user.id)
}

async fn created(connection: &mut PgConnection, user: &NewUser<'_>, by: &Actor) -> Result<()> {
    let change = Change {
        after: Some(user.role.as_str()),
        ..Change::of(Action::UserCreated, user.id.0, user.email)
    };
    log::record(connection, by, change).await?;
    Ok(())
}

fn new_user<'a>(email: &'a Email, password_hash: &'a PasswordHash, role: Role) -> NewUser<'a> {
    NewUser {
        id: UserId(Uuid::now_v7()),
        email: &email.0,
        password_hash,
        role,
    }
}

/// Makes the first user from the settings, if they name one and nobody is there
/// yet. Whether it did.
///
/// # Errors
/// `invalid_request` for an email or a password that can't be.
pub async fn ensure_first_user(pool: &PgPool, settings: &Settings) -> Result<bool> {
    let (Some(email), Some(password)) = (&settings.admin_email, &settings.admin_password) else {
        return Ok(false);
    };
    if store::has_users(pool).await? {
        return Ok(false);
    }
    let email = Email::parse(email)?;
    let password = NewPassword::parse(password.clone())?;
    Ok(create_first_user(pool, &email, password, None).await?.is_some())
}

/// Makes the first user and signs them in. `token` is what the person typed;
/// wrong ones are slowed as wrong passwords are.
///
/// # Errors
/// `unauthenticated` for a wrong token, `conflict` once a user is there,
/// `invalid_request`, `rate_limited`.
pub async fn set_up(
    pool: &PgPool,
    setup_token: &SetupToken,
    token: &str,
    email: &str,
    password: SecretString,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    if store::has_users(pool).await? {
        return Err(AppError::new(ErrorCode::Conflict, ALREADY_SET_UP));
    }
    let address = client.address;
    let attempt = Attempt::from_address(pool, client, now).await?;
    if !setup_token.matches(token) {
        tracing::warn!(client.address = %address, "set-up refused: wrong token");
        write_down(pool, &somebody(client), Action::SetUpRefused, None).await?;
        return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_SETUP_TOKEN));
    }
    attempt.take_back(pool).await?;
    let email = Email::parse(email)?;
    let user = create_first_user(pool, &email, NewPassword::parse(password)?, Some(client))
        .await?
        .ok_or_else(|| AppError::new(ErrorCode::Conflict, ALREADY_SET_UP))?;
    tracing::info!(user.id = %user.id, client.address = %address, "set up: the first user was made");
    enter(pool, &user, client, now).await
}

async fn create_first_user(
    pool: &PgPool,
    email: &Email,
    password: NewPassword,
    client: Option<&Client>,
) -> Result<Option<User>> {
    let password_hash = hash(password).await?;
    let user = new_user(email, &password_hash, Role::Admin);
    let mut transaction = pool.begin().await?;
    if !store::create_first_user(&mut transaction, &user).await? {
        return Ok(None);
    }
    created(&mut transaction, &user, &client.map_or(Actor::COMMAND_LINE, somebody)).await?;
    transaction.commit().await?;
    Ok(Some(User {
        id: user.id,
        email: email.0.clone(),
        role: user.role,
        has_factor: false,
        password_hash,
    }))
}

/// Opens a session for whoever knows the password, or, if there is a second factor,
/// lets them give its code. Of an account that does not exist one learns nothing: same
/// words, same work, same lock.
///
/// # Errors
/// `unauthenticated`, `rate_limited`, `overloaded`, `unavailable`.
pub async fn sign_in(
    pool: &PgPool,
    email: &str,
    password: SecretString,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Entered> {
    let address = client.address;
    let attempt = Attempt::at_password(pool, email, client, now).await?;
    let user = match Email::parse(email) {
        Ok(email) => store::find_user_by_email(pool, &email.0).await?,
        Err(_) => None,
    };
    let user = match check_password(pool, &attempt, user, password).await? {
        Ok(user) => user,
        Err(user) => {
            tracing::warn!(user.id = user.as_ref().map(|user| user.id.to_string()), client.address = %address, "sign-in refused");
            write_down(pool, &somebody(client), Action::SignInRefused, user.as_ref()).await?;
            return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD));
        }
    };
    store::delete_stale(pool, now, now - IDLE).await?;
    if user.has_factor {
        let token = SessionToken::generate();
        if !store::create_pending(pool, &token.hash(), &user, now + CODE_WITHIN).await? {
            return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD));
        }
        return Ok(Entered::CodeOwed(token));
    }
    enter(pool, &user, client, now).await.map(Entered::Session)
}

/// Opens the session of whoever gave the password a moment ago, and now the code.
/// Wrong codes are slowed as wrong passwords are.
///
/// # Errors
/// `unauthenticated`, `rate_limited`, `unavailable`; `internal` if the secret of the
/// second factor does not open.
pub async fn give_code(
    pool: &PgPool,
    key: &SealingKey,
    token: &TokenHash,
    code: &str,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    let owing = store::find_pending(pool, token, now).await?;
    let user = owing.ok_or_else(|| AppError::new(ErrorCode::Unauthenticated, SIGN_IN_AGAIN))?;
    let subjects = vec![Subject::address(client.address), Subject::codes(&user.email)];
    let attempt = Attempt::begin(pool, subjects, (client, Some(&user.email)), now).await?;
    let mut transaction = pool.begin().await?;
    if !second_factor::take(&mut transaction, key, user.id, code, now).await? {
        drop(transaction);
        tracing::warn!(user.id = %user.id, client.address = %client.address, "sign-in refused: wrong code");
        write_down(pool, &somebody(client), Action::SignInRefused, Some(&user)).await?;
        return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_CODE));
    }
    if !store::delete_pending(&mut transaction, token).await? {
        return Err(AppError::new(ErrorCode::Unauthenticated, SIGN_IN_AGAIN));
    }
    transaction.commit().await?;
    attempt.succeeded(pool).await?;
    enter(pool, &user, client, now).await
}

/// Takes the password once more, before something dangerous.
///
/// # Errors
/// `invalid_request` if it is wrong; `rate_limited`, `overloaded`, `unavailable`.
pub async fn confirm(
    pool: &PgPool,
    (user, session): (&SignedIn, &TokenHash),
    password: SecretString,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<()> {
    let attempt = Attempt::at_password(pool, &user.email, client, now).await?;
    let found = store::find_user_by_email(pool, &user.email).await?;
    let by = as_actor(user, client);
    if let Err(found) = check_password(pool, &attempt, found, password).await? {
        write_down(pool, &by, Action::PasswordRefused, found.as_ref()).await?;
        return Err(AppError::invalid(WRONG_OLD_PASSWORD));
    }
    let mut transaction = pool.begin().await?;
    store::confirm_session(&mut transaction, session, now).await?;
    let change = Change::of(Action::PasswordConfirmed, user.id.0, &user.email);
    log::record(&mut transaction, &by, change).await?;
    Ok(transaction.commit().await?)
}

/// Sets a new password, for whoever knows the present one, and ends the user's
/// other sessions.
///
/// # Errors
/// `unauthenticated` if the present password is wrong, `invalid_request` for a
/// new one that can't be, `rate_limited`, `overloaded`, `unavailable`.
pub async fn change_password(
    pool: &PgPool,
    (user, session): (&SignedIn, &TokenHash),
    old: SecretString,
    new: SecretString,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<()> {
    let address = client.address;
    let unchanged = old.expose_secret() == new.expose_secret();
    let new = NewPassword::parse(new)?;
    let attempt = Attempt::at_password(pool, &user.email, client, now).await?;
    let found = store::find_user_by_email(pool, &user.email).await?;
    let found = match check_password(pool, &attempt, found, old).await? {
        Ok(found) => found,
        Err(found) => {
            tracing::warn!(user.id = %user.id, client.address = %address, "change of password refused");
            write_down(pool, &as_actor(user, client), Action::PasswordRefused, found.as_ref()).await?;
            // Not `unauthenticated`: the session is fine, and the page must not ask
            // to sign in again.
            return Err(AppError::invalid(WRONG_OLD_PASSWORD));
        }
    };
    if unchanged {
        return Err(AppError::invalid(PASSWORD_UNCHANGED));
    }
    let hash = hash(new).await?;
    let mut transaction = pool.begin().await?;
    if !store::change_password(&mut transaction, &found, &hash, session, now).await? {
        return Err(AppError::invalid(WRONG_OLD_PASSWORD));
    }
    store::forget_devices(&mut transaction, user.id, client.device.as_ref()).await?;
    let change = Change::of(Action::PasswordChanged, user.id.0, &user.email);
    log::record(&mut transaction, &as_actor(user, client), change).await?;
    transaction.commit().await?;
    tracing::info!(user.id = %user.id, client.address = %address, "password changed, other sessions ended");
    Ok(())
}

/// Ends a session. `by` is who is behind it.
///
/// # Errors
/// `unavailable`.
pub async fn sign_out(pool: &PgPool, session: &TokenHash, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if store::delete_session(&mut transaction, session).await?
        && let Some(user) = &by.user
    {
        let change = Change::of(Action::SignedOut, user.id.0, &user.email);
        log::record(&mut transaction, by, change).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Who is behind a token, if its session is not over.
///
/// # Errors
/// `unavailable`.
pub async fn find_session(pool: &PgPool, token: &TokenHash, now: DateTime<Utc>) -> Result<Option<SignedIn>> {
    let Some(found) = store::find_session(pool, token, now, now - IDLE).await? else {
        return Ok(None);
    };
    if now - found.last_seen_at >= TOUCH_EVERY {
        store::touch_session(pool, token, now).await?;
    }
    Ok(Some(found.user))
}

/// Whether the session of a token is open. Unlike [`find_session`] it is no use of it, so
/// that a page that is left open does not keep it.
///
/// # Errors
/// `unavailable`.
pub async fn is_open(pool: &PgPool, token: &TokenHash, now: DateTime<Utc>) -> Result<bool> {
    Ok(store::find_session(pool, token, now, now - IDLE).await?.is_some())
}

/// Deletes what is over: sessions, and failures that no longer count. To be
/// called now and then; a sign-in does it too.
///
/// # Errors
/// `unavailable`.
pub async fn clean_up(pool: &PgPool, now: DateTime<Utc>) -> Result<()> {
    passkeys::delete_stale(pool, now).await?;
    store::delete_stale(pool, now, now - IDLE).await
}

/// Opens a session and writes it down.
async fn enter(pool: &PgPool, user: &User, client: &Client, now: DateTime<Utc>) -> Result<NewSession> {
    let mut transaction = pool.begin().await?;
    let session = enter_with(&mut transaction, user, client, None, now).await?;
    transaction.commit().await?;
    Ok(session)
}

/// The same in a transaction of the caller's; `how`, if not by a password.
pub(super) async fn enter_with(
    connection: &mut PgConnection,
    user: &User,
    client: &Client,
    how: Option<&str>,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    let token = SessionToken::generate();
    if !store::create_session(connection, &token.hash(), user, client, now, now + ABSOLUTE).await? {
        return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD));
    }
    let device = know_device(connection, client, user.id, now).await?;
    let user = SignedIn {
        id: user.id,
        email: user.email.clone(),
        role: user.role,
        confirmed_at: Some(now),
    };
    let change = Change {
        after: how,
        ..Change::of(Action::SignedIn, user.id.0, &user.email)
    };
    log::record(connection, &as_actor(&user, client), change).await?;
    tracing::info!(user.id = %user.id, client.address = %client.address, how, "signed in");
    Ok(NewSession { token, device, user })
}

/// Knows a browser from now on; the token for it, if it has none of this person yet.
async fn know_device(
    connection: &mut PgConnection,
    client: &Client,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Option<SessionToken>> {
    if let Some(device) = &client.device
        && store::use_device(connection, device, user, now).await?
    {
        return Ok(None);
    }
    let token = SessionToken::generate();
    store::insert_device(connection, &token.hash(), user, now).await?;
    Ok(Some(token))
}

/// Writes down what was refused. What was typed is not kept unless it is an account's
/// address: people type passwords into the wrong field.
pub(super) async fn write_down(pool: &PgPool, by: &Actor, action: Action, user: Option<&User>) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let (id, name) = user.map_or((Uuid::nil(), "an unknown account"), |user| (user.id.0, &*user.email));
    log::record(&mut connection, by, Change::of(action, id, name)).await?;
    Ok(())
}

/// Nobody who is signed in.
pub(crate) fn somebody(client: &Client) -> Actor {
    Actor {
        user: None,
        address: Some(client.address),
    }
}

fn as_actor(user: &SignedIn, client: &Client) -> Actor {
    Actor {
        user: Some(user.clone()),
        address: Some(client.address),
    }
}

/// Opens a session for whoever just made their account by an invitation.
pub(crate) async fn enter_as(pool: &PgPool, email: &str, client: &Client, now: DateTime<Utc>) -> Result<NewSession> {
    let user = store::find_user_by_email(pool, email).await?;
    let user = user.ok_or_else(|| AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD))?;
    enter(pool, &user, client, now).await
}

/// The user, if the password is theirs: then the attempt is forgiven and the
/// account's count forgotten. Else the inner error holds the user there is.
async fn check_password(
    pool: &PgPool,
    attempt: &Attempt,
    user: Option<User>,
    password: SecretString,
) -> Result<Result<User, Option<User>>> {
    match (
        verify(password, user.as_ref().map(|user| user.password_hash.clone())).await,
        user,
    ) {
        (Ok(true), Some(user)) => {
            attempt.succeeded(pool).await?;
            Ok(Ok(user))
        }
        (Ok(_), user) => Ok(Err(user)),
        (Err(error), _) => {
            // Nothing was checked, so nothing was wrong.
            attempt.take_back(pool).await?;
            Err(error)
        }
    }
}

/// Writes down that a link was tried that does not work.
pub(crate) async fn link_refused(pool: &PgPool, client: &Client) -> Result<()> {
    write_down(pool, &somebody(client), Action::InvitationRefused, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_taken_as_typed_but_for_case_and_blanks_around() {
        assert_eq!(
            Email::parse(" Operator@Example.COM ")
                .map(|email| email.0)
                .expect("fine"),
            "operator@example.com"
        );
        assert!(Email::parse("root@localhost").is_ok());
    }

    #[test]
    fn what_is_no_email_is_refused() {
        let long = format!("a@{}.com", "x".repeat(260));
        for wrong in [
            "", "@", "a@", "@b.c", "a b@c.d", "a@b@c", "a@.c", "a@c.", "a@b\u{0}", "ä@b.c", "a@b\r\nc", &long,
        ] {
            assert!(Email::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
