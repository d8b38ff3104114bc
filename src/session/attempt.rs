//! Counting guesses: each attempt is a failure until it proves right, for the address it comes
//! from and for what it guesses at. How long they lock: `throttle`.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::audit::log::Action;
use crate::error::{AppError, ErrorCode, Result};
use crate::session::model::TOO_MANY_ATTEMPTS;
use crate::session::sign_in::{Client, DEVICE_KNOWN, Email, somebody, write_down};
use crate::session::store::{self, Admission};
use crate::session::throttle::Subject;

/// An attempt that was counted as a failure until it proves right.
pub(crate) struct Attempt {
    /// The address first, then perhaps the account.
    subjects: Vec<Subject>,
    locks: Vec<Option<DateTime<Utc>>>,
}

impl Attempt {
    /// `email` is the account's, if it is one's that is tried.
    pub(super) async fn begin(
        pool: &PgPool,
        subjects: Vec<Subject>,
        (client, email): (&Client, Option<&str>),
        now: DateTime<Utc>,
    ) -> Result<Self> {
        match store::admit(pool, &subjects, now).await? {
            Admission::Admitted(locks) => Ok(Self { subjects, locks }),
            Admission::Locked { until, is_first } => {
                if is_first {
                    let user = match email.map(Email::parse) {
                        Some(Ok(email)) => store::find_user_by_email(pool, &email.0).await?,
                        _ => None,
                    };
                    write_down(pool, &somebody(client), Action::SignInLocked, user.as_ref()).await?;
                }
                let millis = (until - now).num_milliseconds().max(0);
                let secs = u32::try_from(millis / 1_000 + 1).unwrap_or(u32::MAX);
                Err(AppError::new(ErrorCode::RateLimited, TOO_MANY_ATTEMPTS).retry_after_secs(secs))
            }
        }
    }

    /// The account's count is forgotten. The address keeps what others failed
    /// from there: an attacker's own account does not wipe the slate.
    pub(super) async fn succeeded(&self, pool: &PgPool) -> Result<()> {
        for (index, (subject, lock)) in self.subjects.iter().zip(&self.locks).enumerate() {
            if index == 0 {
                store::take_back(pool, subject, *lock).await?;
            } else {
                store::forget_failures(pool, subject).await?;
            }
        }
        Ok(())
    }

    /// Counts a guess at something else than an account's password.
    pub(crate) async fn from_address(pool: &PgPool, client: &Client, now: DateTime<Utc>) -> Result<Self> {
        Self::begin(pool, vec![Subject::address(client.address)], (client, None), now).await
    }

    /// Counts a guess at an account's password: for the account, or for the browser if its
    /// owner signed in with it before.
    pub(super) async fn at_password(pool: &PgPool, email: &str, client: &Client, now: DateTime<Utc>) -> Result<Self> {
        let account = match (client.device, Email::parse(email)) {
            (Some(device), Ok(email))
                if store::is_known_device(pool, &device, &email.0, now - DEVICE_KNOWN).await? =>
            {
                Subject::device(&device)
            }
            _ => Subject::account(email),
        };
        let subjects = vec![Subject::address(client.address), account];
        Self::begin(pool, subjects, (client, Some(email)), now).await
    }

    /// It was right, or nothing was checked.
    pub(crate) async fn take_back(&self, pool: &PgPool) -> Result<()> {
        for (subject, lock) in self.subjects.iter().zip(&self.locks) {
            store::take_back(pool, subject, *lock).await?;
        }
        Ok(())
    }
}
