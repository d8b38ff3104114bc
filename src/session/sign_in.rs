//! The use cases of signing in: set-up, sign-in, sign-out, a new password. The
//! clock and the caller's address are passed in.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;
use uuid::Uuid;

use crate::config::Settings;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::session::model::{
    ALREADY_SET_UP, NOT_AN_EMAIL, PASSWORD_UNCHANGED, SignedIn, TOO_MANY_ATTEMPTS, WRONG_EMAIL_OR_PASSWORD,
    WRONG_OLD_PASSWORD, WRONG_SETUP_TOKEN,
};
use crate::session::password::{NewPassword, hash, verify};
use crate::session::store::{self, Admission, NewUser, User};
use crate::session::throttle::Subject;
pub use crate::session::token::SetupToken;
use crate::session::token::{SessionToken, TokenHash};

/// A session ends after so long without a request.
pub const IDLE: Duration = Duration::hours(12);
/// A session ends after so long in any case.
pub const ABSOLUTE: Duration = Duration::days(30);
/// When a session was last seen is written at most this often.
const TOUCH_EVERY: Duration = Duration::minutes(1);

/// A session just opened.
pub struct NewSession {
    /// For the cookie.
    pub token: SessionToken,
    /// Whose it is.
    pub user: SignedIn,
}

/// An email address that could be one, in lower case.
struct Email(String);

impl Email {
    fn parse(text: &str) -> Result<Self> {
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
pub async fn create_user(pool: &PgPool, email: &str, password: SecretString) -> Result<UserId> {
    let email = Email::parse(email)?;
    let password_hash = hash(NewPassword::parse(password)?).await?;
    let id = UserId(Uuid::now_v7());
    store::create_user(
        pool,
        &NewUser {
            id,
            email: &email.0,
            password_hash: &password_hash,
        },
    )
    .await?;
    tracing::info!(user.id = %id, "user created");
    Ok(id)
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
    Ok(create_first_user(pool, &email, NewPassword::parse(password.clone())?)
        .await?
        .is_some())
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
    address: IpAddr,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    if store::has_users(pool).await? {
        return Err(AppError::new(ErrorCode::Conflict, ALREADY_SET_UP));
    }
    let attempt = Attempt::begin(pool, vec![Subject::address(address)], now).await?;
    if !setup_token.matches(token) {
        tracing::warn!(client.address = %address, "set-up refused: wrong token");
        return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_SETUP_TOKEN));
    }
    attempt.take_back(pool).await?;
    let email = Email::parse(email)?;
    let user = create_first_user(pool, &email, NewPassword::parse(password)?)
        .await?
        .ok_or_else(|| AppError::new(ErrorCode::Conflict, ALREADY_SET_UP))?;
    tracing::info!(user.id = %user.id, client.address = %address, "set up: the first user was made");
    open_session(pool, &user, now).await
}

async fn create_first_user(pool: &PgPool, email: &Email, password: NewPassword) -> Result<Option<User>> {
    let password_hash = hash(password).await?;
    let id = UserId(Uuid::now_v7());
    let made = store::create_first_user(
        pool,
        &NewUser {
            id,
            email: &email.0,
            password_hash: &password_hash,
        },
    )
    .await?;
    Ok(made.then(|| User {
        id,
        email: email.0.clone(),
        password_hash,
    }))
}

/// Opens a session for whoever knows the password. Of an account that does not
/// exist one learns nothing: same words, same work, same lock.
///
/// # Errors
/// `unauthenticated`, `rate_limited`, `overloaded`, `unavailable`.
pub async fn sign_in(
    pool: &PgPool,
    email: &str,
    password: SecretString,
    address: IpAddr,
    now: DateTime<Utc>,
) -> Result<NewSession> {
    let attempt = Attempt::begin(pool, vec![Subject::address(address), Subject::account(email)], now).await?;
    let user = match Email::parse(email) {
        Ok(email) => store::find_user_by_email(pool, &email.0).await?,
        Err(_) => None,
    };
    let user = match check_password(pool, &attempt, user, password).await? {
        Ok(user) => user,
        Err(user) => {
            tracing::warn!(user.id = user.map(|user| user.id.to_string()), client.address = %address, "sign-in refused");
            return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD));
        }
    };
    store::delete_stale(pool, now, now - IDLE).await?;
    let session = open_session(pool, &user, now).await?;
    tracing::info!(user.id = %user.id, client.address = %address, "signed in");
    Ok(session)
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
    address: IpAddr,
    now: DateTime<Utc>,
) -> Result<()> {
    let unchanged = old.expose_secret() == new.expose_secret();
    let new = NewPassword::parse(new)?;
    let attempt = Attempt::begin(
        pool,
        vec![Subject::address(address), Subject::account(&user.email)],
        now,
    )
    .await?;
    let found = store::find_user_by_email(pool, &user.email).await?;
    let Ok(found) = check_password(pool, &attempt, found, old).await? else {
        tracing::warn!(user.id = %user.id, client.address = %address, "change of password refused");
        // Not `unauthenticated`: the session is fine, and the page must not ask
        // to sign in again.
        return Err(AppError::invalid(WRONG_OLD_PASSWORD));
    };
    if unchanged {
        return Err(AppError::invalid(PASSWORD_UNCHANGED));
    }
    let hash = hash(new).await?;
    if !store::change_password(pool, &found, &hash, session, now).await? {
        return Err(AppError::invalid(WRONG_OLD_PASSWORD));
    }
    tracing::info!(user.id = %user.id, client.address = %address, "password changed, other sessions ended");
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// `unavailable`.
pub async fn sign_out(pool: &PgPool, session: &TokenHash) -> Result<()> {
    store::delete_session(pool, session).await
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

/// Deletes what is over: sessions, and failures that no longer count. To be
/// called now and then; a sign-in does it too.
///
/// # Errors
/// `unavailable`.
pub async fn clean_up(pool: &PgPool, now: DateTime<Utc>) -> Result<()> {
    store::delete_stale(pool, now, now - IDLE).await
}

async fn open_session(pool: &PgPool, user: &User, now: DateTime<Utc>) -> Result<NewSession> {
    let token = SessionToken::generate();
    if !store::create_session(pool, &token.hash(), user, now, now + ABSOLUTE).await? {
        return Err(AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD));
    }
    Ok(NewSession {
        token,
        user: SignedIn {
            id: user.id,
            email: user.email.clone(),
        },
    })
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

/// An attempt that was counted as a failure until it proves right.
struct Attempt {
    /// The address first, then perhaps the account.
    subjects: Vec<Subject>,
    locks: Vec<Option<DateTime<Utc>>>,
}

impl Attempt {
    async fn begin(pool: &PgPool, subjects: Vec<Subject>, now: DateTime<Utc>) -> Result<Self> {
        match store::admit(pool, &subjects, now).await? {
            Admission::Admitted(locks) => Ok(Self { subjects, locks }),
            Admission::Locked(until) => {
                let millis = (until - now).num_milliseconds().max(0);
                let secs = u32::try_from(millis / 1_000 + 1).unwrap_or(u32::MAX);
                Err(AppError::new(ErrorCode::RateLimited, TOO_MANY_ATTEMPTS).retry_after_secs(secs))
            }
        }
    }

    /// The account's count is forgotten. The address keeps what others failed
    /// from there: an attacker's own account does not wipe the slate.
    async fn succeeded(&self, pool: &PgPool) -> Result<()> {
        for (index, (subject, lock)) in self.subjects.iter().zip(&self.locks).enumerate() {
            if index == 0 {
                store::take_back(pool, subject, *lock).await?;
            } else {
                store::forget_failures(pool, subject).await?;
            }
        }
        Ok(())
    }

    async fn take_back(&self, pool: &PgPool) -> Result<()> {
        for (subject, lock) in self.subjects.iter().zip(&self.locks) {
            store::take_back(pool, subject, *lock).await?;
        }
        Ok(())
    }
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
