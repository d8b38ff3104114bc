//! The second factor: time-based codes of an authenticator app (RFC 6238: SHA-1, six
//! digits, 30 seconds), and recovery codes for whoever has lost it. A code is taken
//! once, and one step early or late.

use chrono::{DateTime, Utc};
use rand::RngExt as _;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};
use subtle::ConstantTimeEq as _;
use totp_rs::{Algorithm, TOTP};

use crate::audit::log::{self, Action, Actor, Change};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::UserId;
use crate::sealing::SealingKey;
use crate::session::model::{SignedIn, WRONG_CODE};
use crate::session::store;
use crate::session::token::TokenHash;

/// What authenticator apps call it.
const ISSUER: &str = "Odoo Bridge";
const DIGITS: usize = 6;
const STEP_SECS: u64 = 30;
/// Clocks differ: so many steps early or late are taken.
const SKEW_STEPS: u64 = 1;
const SECRET_BYTES: usize = 20;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// Characters of one, of 32 kinds: 80 bits.
const RECOVERY_CHARS: usize = 16;
/// Without those that look alike.
const RECOVERY_ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Where a person stands with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not asked for.
    Off,
    /// Asked for at each sign-in.
    On {
        /// Since when.
        since: DateTime<Utc>,
        /// Recovery codes that are left.
        recovery_codes: i64,
    },
}

/// What an authenticator app needs.
pub struct Enrolment {
    /// For the camera: an SVG.
    pub qr: SecretString,
    /// For the keyboard: base32.
    pub secret: SecretString,
}

/// Where a person stands.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn state_of(pool: &PgPool, user: UserId) -> Result<State> {
    store::factor_state(pool, user).await
}

/// Makes a new secret for a person without a second factor, or gives the one that was
/// made and not confirmed yet.
///
/// # Errors
/// `conflict` if the second factor is on; `unavailable`, `internal`.
pub async fn begin(pool: &PgPool, key: &SealingKey, user: &SignedIn) -> Result<Enrolment> {
    let secret: [u8; SECRET_BYTES] = rand::random();
    let sealed = key.seal(&context(user.id), &secret);
    let sealed = store::begin_factor(pool, user.id, &sealed)
        .await?
        .ok_or_else(|| AppError::new(ErrorCode::Conflict, "The second factor is on already."))?;
    let secret = open(key, user.id, &sealed)?;
    let totp = totp(secret.expose_secret(), &user.email)?;
    let url = Zeroizing::new(totp.get_url());
    let code = qrcode::QrCode::new(&*url).map_err(AppError::internal)?;
    let svg = code
        .render::<qrcode::render::svg::Color>()
        .min_dimensions(200, 200)
        .build();
    let svg = Zeroizing::new(svg);
    Ok(Enrolment {
        // What stands before the element is for files.
        qr: svg.find("<svg").map_or("", |at| &svg[at..]).into(),
        secret: totp.get_secret_base32().into(),
    })
}

/// Turns the second factor on, for whoever shows a code of the new secret, and ends
/// their other sessions. The recovery codes are in the answer and nowhere else.
///
/// # Errors
/// `invalid_request` for a wrong code; `conflict`, `unavailable`, `internal`.
pub async fn turn_on(
    pool: &PgPool,
    key: &SealingKey,
    (user, by, keep): (&SignedIn, &Actor, &TokenHash),
    code: &str,
    now: DateTime<Utc>,
) -> Result<Vec<SecretString>> {
    let mut transaction = pool.begin().await?;
    let Some(factor) = store::lock_factor(&mut transaction, user.id).await? else {
        return Err(AppError::new(ErrorCode::Conflict, "Begin to set it up first."));
    };
    if factor.since.is_some() {
        return Err(AppError::new(ErrorCode::Conflict, "The second factor is on already."));
    }
    let secret = open(key, user.id, &factor.sealed)?;
    let step =
        step_of(secret.expose_secret(), code, factor.last_step, now)?.ok_or_else(|| AppError::invalid(WRONG_CODE))?;
    store::turn_factor_on(&mut transaction, user.id, step, now).await?;
    let codes = new_codes(&mut transaction, user.id).await?;
    store::end_sessions(&mut transaction, user.id, Some(keep)).await?;
    let change = Change::of(Action::SecondFactorOn, user.id.0, &user.email);
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    Ok(codes)
}

/// Turns the second factor of `user` off: their own, or that of somebody who lost it.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn turn_off(pool: &PgPool, (user, email): (UserId, &str), by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    turn_off_in(&mut transaction, (user, email), by).await?;
    Ok(transaction.commit().await?)
}

/// The same in a transaction of the caller's.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn turn_off_in(connection: &mut PgConnection, (user, email): (UserId, &str), by: &Actor) -> Result<()> {
    if store::turn_factor_off(connection, user).await? {
        let change = Change::of(Action::SecondFactorOff, user.0, email);
        log::record(connection, by, change).await?;
    }
    Ok(())
}

/// Gives new recovery codes in the place of those before.
///
/// # Errors
/// `conflict` if the second factor is off; `unavailable`, `internal`.
pub async fn renew_codes(pool: &PgPool, user: &SignedIn, by: &Actor) -> Result<Vec<SecretString>> {
    let mut transaction = pool.begin().await?;
    let factor = store::lock_factor(&mut transaction, user.id).await?;
    if factor.is_none_or(|factor| factor.since.is_none()) {
        return Err(AppError::new(ErrorCode::Conflict, "The second factor is off."));
    }
    let codes = new_codes(&mut transaction, user.id).await?;
    let change = Change::of(Action::RecoveryCodesMade, user.id.0, &user.email);
    log::record(&mut transaction, by, change).await?;
    transaction.commit().await?;
    Ok(codes)
}

/// Takes a code at sign-in, of either kind, so that it is not taken again. Whether it
/// was right.
///
/// # Errors
/// `unavailable`; `internal` if the stored secret does not open.
pub(super) async fn take(
    connection: &mut PgConnection,
    key: &SealingKey,
    user: UserId,
    code: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(factor) = store::lock_factor(connection, user).await? else {
        return Ok(false);
    };
    if let Some(hash) = recovery_hash(code) {
        return store::use_recovery_code(connection, user, &hash).await;
    }
    let secret = open(key, user, &factor.sealed)?;
    let Some(step) = step_of(secret.expose_secret(), code, factor.last_step, now)? else {
        return Ok(false);
    };
    store::use_step(connection, user, step).await?;
    Ok(true)
}

async fn new_codes(connection: &mut PgConnection, user: UserId) -> Result<Vec<SecretString>> {
    let codes: Vec<SecretString> = (0..RECOVERY_CODES).map(|_| recovery_code().into()).collect();
    let hashes: Vec<Vec<u8>> = codes
        .iter()
        .filter_map(|code| recovery_hash(code.expose_secret()))
        .collect();
    store::replace_recovery_codes(connection, user, &hashes).await?;
    Ok(codes)
}

/// `ABCD-EFGH-JKLM-NPQR`
fn recovery_code() -> String {
    let mut rng = rand::rng();
    let mut code = String::with_capacity(RECOVERY_CHARS + 3);
    for index in 0..RECOVERY_CHARS {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(
            RECOVERY_ALPHABET[rng.random_range(0..RECOVERY_ALPHABET.len())],
        ));
    }
    code
}

/// What is kept of a recovery code; `None` for what is none, such as six digits.
fn recovery_hash(text: &str) -> Option<Vec<u8>> {
    let code: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|char| !char.is_whitespace() && *char != '-')
            .map(|char| char.to_ascii_uppercase())
            .collect(),
    );
    let is_one = code.len() == RECOVERY_CHARS && code.bytes().all(|byte| RECOVERY_ALPHABET.contains(&byte));
    is_one.then(|| Sha256::digest(code.as_bytes()).to_vec())
}

/// The time step of which `code` is, if it is one of those taken now and later than
/// `last`.
fn step_of(secret: &[u8], code: &str, last: Option<i64>, now: DateTime<Utc>) -> Result<Option<i64>> {
    let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
    let totp = totp(secret, "")?;
    let present = u64::try_from(now.timestamp()).unwrap_or_default() / STEP_SECS;
    let mut found = None;
    for step in present.saturating_sub(SKEW_STEPS)..=present + SKEW_STEPS {
        let is_it: bool = totp.generate(step * STEP_SECS).as_bytes().ct_eq(code.as_bytes()).into();
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        if is_it && last.is_none_or(|last| step > last) {
            found = Some(step);
        }
    }
    Ok(found)
}

fn totp(secret: &[u8], account: &str) -> Result<TOTP> {
    TOTP::new(
        Algorithm::SHA1,
        DIGITS,
        1,
        STEP_SECS,
        secret.to_vec(),
        Some(ISSUER.to_owned()),
        // The address is the account's name, and a colon ends it.
        account.replace(':', ""),
    )
    .map_err(|error| AppError::internal(error.to_string()))
}

fn context(user: UserId) -> String {
    format!("second factor of {user}")
}

fn open(key: &SealingKey, user: UserId, sealed: &[u8]) -> Result<SecretSlice<u8>> {
    key.unseal(&context(user), sealed).ok_or_else(|| {
        AppError::internal(
            "the secret of a second factor was sealed with another key: set the BRIDGE_SECRET_KEY of before, \
             or turn it off with: odoo-bridge reset-second-factor",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(secs, 0).expect("an instant")
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (secs, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let step = step_of(SECRET, code, None, at(secs)).expect("checked");
            assert_eq!(step, Some(secs / 30), "{secs}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_one_step_early_or_late() {
        let taken = |secs, last| step_of(SECRET, "28 7082", last, at(secs)).expect("checked");
        assert_eq!(taken(59, Some(1)), None, "it was taken");
        assert_eq!(taken(59, Some(0)), Some(1));
        assert_eq!(taken(29, None), Some(1), "a clock that is behind");
        assert_eq!(taken(89, None), Some(1), "a clock that is ahead");
        assert_eq!(taken(90, None), None);
        for wrong in ["", "287083", "28708", "2870822", "abcdef", "\u{662}87082"] {
            assert_eq!(step_of(SECRET, wrong, None, at(59)).expect("checked"), None, "{wrong}");
        }
    }

    #[test]
    fn a_recovery_code_is_read_as_people_type_it() {
        let code = recovery_code();
        assert_eq!(code.len(), RECOVERY_CHARS + 3);
        let hash = recovery_hash(&code).expect("one");
        assert_eq!(recovery_hash(&code.to_lowercase().replace('-', " ")), Some(hash));
        for wrong in ["", "123456", "ABCD-EFGH-JKLM-NPQ0", "ABCD-EFGH-JKLM"] {
            assert_eq!(recovery_hash(wrong), None, "{wrong}");
        }
    }
}
