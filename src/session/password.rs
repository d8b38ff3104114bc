//! Passwords: what a new one must be, its hash (argon2id), and the check. Never
//! printed, and never more of them in the works than the memory bears.

use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::error::{AppError, ErrorCode, Result};
use crate::session::model::{BUSY, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, PASSWORD_TOO_LONG, PASSWORD_TOO_SHORT};

/// OWASP's parameters: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// At most so many hashes at once, 19 MiB each: a flood of sign-ins waits, it
/// does not eat the memory.
static WORKERS: Semaphore = Semaphore::const_new(2);
/// Who waited this long for a worker is sent away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checked in place of the hash of an account that does not exist, so that its
/// absence takes as long. Nobody knows a password for it, and none would help.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$tTBGPAqjXSn1Nr7wbm8pLw$Dx1ZQxC7wS0pQ0m1pQm0lq3o5Xx6oU1m0mJr4c2hJ9E";

/// A password that may be set: 12 to 128 characters of any kind, blanks and all.
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Takes what a person typed, as it is.
    ///
    /// # Errors
    /// `invalid_request` with a sentence for that person.
    pub fn parse(text: SecretString) -> Result<Self> {
        match text.expose_secret().chars().take(PASSWORD_MAX_CHARS + 1).count() {
            0..PASSWORD_MIN_CHARS => Err(AppError::invalid(PASSWORD_TOO_SHORT)),
            PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS => Ok(Self(text)),
            _ => Err(AppError::invalid(PASSWORD_TOO_LONG)),
        }
    }
}

/// A PHC string. Not the password, but nothing to show around either.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// As the database holds it.
    pub(super) fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    /// For the database.
    pub(super) fn as_stored(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Hashes a new password with a salt of its own. Takes some 30 ms of a core.
///
/// # Errors
/// `overloaded` if too many others wait.
pub async fn hash(password: NewPassword) -> Result<PasswordHash> {
    in_turn(move || {
        let hash = hasher()?
            .hash_password(password.0.expose_secret().as_bytes())
            .map_err(AppError::internal)?;
        Ok(PasswordHash(hash.to_string().into()))
    })
    .await
}

/// Whether `password` is the one behind `hash`. Without a hash the answer is no,
/// after the same work.
///
/// # Errors
/// `overloaded` if too many others wait; `internal` if the stored hash is none.
pub async fn verify(password: SecretString, hash: Option<PasswordHash>) -> Result<bool> {
    in_turn(move || {
        let stored = hash.as_ref().map_or(NOBODY, PasswordHash::as_stored);
        let stored = argon2::PasswordHash::new(stored).map_err(AppError::internal)?;
        let fits = hasher()?
            .verify_password(password.expose_secret().as_bytes(), &stored)
            .is_ok();
        Ok(fits && hash.is_some())
    })
    .await
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(AppError::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Runs `work` on a thread that may block, once it is its turn.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let turn = tokio::time::timeout(PATIENCE, WORKERS.acquire())
        .await
        .map_err(|_| AppError::new(ErrorCode::Overloaded, BUSY).retry_after_secs(5))?
        .map_err(AppError::internal)?;
    // The permit goes along: a caller who hangs up does not free the memory
    // while the hash is still being made.
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    })
    .await
    .map_err(AppError::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Result<NewPassword> {
        NewPassword::parse(text.into())
    }

    #[test]
    fn only_the_length_of_a_password_counts() {
        for fine in ["aaaaaaaaaaaa", "            ", "ääääääääääää", &"x".repeat(128)] {
            assert!(new(fine).is_ok(), "{fine:?}");
        }
        for wrong in [
            "",
            "aaaaaaaaaaa",
            "äääääääääää",
            &"x".repeat(129),
            &"x".repeat(1_000_000),
        ] {
            assert!(new(wrong).is_err(), "{} bytes", wrong.len());
        }
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only_blanks_and_all() {
        let stored = hash(new("correct horse battery ").expect("fine"))
            .await
            .expect("hashed");
        assert!(
            stored.as_stored().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            stored.as_stored()
        );
        assert!(
            verify("correct horse battery ".into(), Some(stored.clone()))
                .await
                .expect("checked")
        );
        assert!(
            !verify("correct horse battery".into(), Some(stored))
                .await
                .expect("checked")
        );
    }

    #[tokio::test]
    async fn one_password_has_two_hashes() {
        let one = hash(new("correct horse battery").expect("fine")).await.expect("hashed");
        let other = hash(new("correct horse battery").expect("fine")).await.expect("hashed");
        assert_ne!(one.as_stored(), other.as_stored());
    }

    #[tokio::test]
    async fn nobody_is_never_right_and_costs_the_same_parameters() {
        assert!(!verify("correct horse battery".into(), None).await.expect("checked"));
        let stored = hash(new("correct horse battery").expect("fine")).await.expect("hashed");
        let head = |phc: &str| phc.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(head(NOBODY), head(stored.as_stored()));
        assert_eq!(NOBODY.len(), stored.as_stored().len());
    }
}
