//! What is known of the bridge's own login: the user's id, or that it is
//! refused. A refusal is remembered and tried again slowly, one trial at a time:
//! each costs Odoo about 0.3 s of CPU, and Odoo itself remembers none.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::OdooError;

/// How long the first refusal is believed; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

#[derive(Clone, Copy)]
enum State {
    Unknown,
    Known { uid: i64 },
    Refused { until: Instant, times: u32 },
}

/// See the module.
pub(super) struct Credentials {
    state: Mutex<State>,
    /// Held by the one caller that logs in; the others wait for its result.
    login: tokio::sync::Mutex<()>,
}

impl Credentials {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::Unknown),
            login: tokio::sync::Mutex::new(()),
        }
    }

    /// The user's id; logs in by `login` if nothing is known yet.
    ///
    /// # Errors
    /// `AuthFailed` while a refusal is remembered; those of `login`.
    pub(super) async fn uid<F>(&self, login: impl FnOnce() -> F) -> Result<i64, OdooError>
    where
        F: Future<Output = Result<Option<i64>, OdooError>>,
    {
        if let Some(known) = self.known() {
            return known;
        }
        let _only_one = self.login.lock().await;
        // Another caller may have logged in while this one waited.
        if let Some(known) = self.known() {
            return known;
        }
        self.learn(login().await)
    }

    /// Logs in although the id may be known already, for a speed test or a check.
    ///
    /// # Errors
    /// As [`Self::uid`].
    pub(super) async fn renew<F>(&self, login: impl FnOnce() -> F) -> Result<i64, OdooError>
    where
        F: Future<Output = Result<Option<i64>, OdooError>>,
    {
        let _only_one = self.login.lock().await;
        if let State::Refused { .. } = self.state()
            && let Some(Err(refused)) = self.known()
        {
            return Err(refused);
        }
        self.learn(login().await)
    }

    /// Odoo refused the login or a call made with it.
    pub(super) fn refuse(&self) -> OdooError {
        let times = match self.state() {
            State::Refused { times, .. } => times.saturating_add(1),
            State::Unknown | State::Known { .. } => 1,
        };
        let pause = FIRST_PAUSE
            .saturating_mul(1 << times.saturating_sub(1).min(10))
            .min(LONGEST_PAUSE);
        self.set(State::Refused {
            until: Instant::now() + pause,
            times,
        });
        OdooError::AuthFailed { retry_in: pause }
    }

    fn learn(&self, login: Result<Option<i64>, OdooError>) -> Result<i64, OdooError> {
        match login? {
            Some(uid) => {
                self.set(State::Known { uid });
                Ok(uid)
            }
            None => Err(self.refuse()),
        }
    }

    /// What can be said without asking Odoo.
    fn known(&self) -> Option<Result<i64, OdooError>> {
        match self.state() {
            State::Known { uid } => Some(Ok(uid)),
            State::Refused { until, .. } => {
                let retry_in = until.saturating_duration_since(Instant::now());
                (!retry_in.is_zero()).then_some(Err(OdooError::AuthFailed { retry_in }))
            }
            State::Unknown => None,
        }
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_callers_log_in_once() {
        let credentials = Credentials::new();
        let logins = AtomicU32::new(0);
        let login = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Some(7))
        };
        let uids = futures_util::future::join_all((0..50).map(|_| credentials.uid(login))).await;
        assert!(uids.into_iter().all(|uid| uid.is_ok_and(|uid| uid == 7)));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_and_tried_again_slowly() {
        let credentials = Credentials::new();
        let logins = AtomicU32::new(0);
        let refused = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        };
        for _ in 0..100 {
            assert!(matches!(
                credentials.uid(refused).await,
                Err(OdooError::AuthFailed { .. })
            ));
        }
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        tokio::time::advance(FIRST_PAUSE).await;
        for _ in 0..100 {
            assert!(credentials.uid(refused).await.is_err());
        }
        assert_eq!(logins.load(Ordering::Relaxed), 2);
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(credentials.uid(refused).await.is_err());
        assert_eq!(logins.load(Ordering::Relaxed), 2, "the second pause is longer");
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(
            credentials
                .uid(|| async { Ok(Some(2)) })
                .await
                .is_ok_and(|uid| uid == 2)
        );
    }

    #[tokio::test]
    async fn an_odoo_that_is_away_is_no_refusal() {
        let credentials = Credentials::new();
        assert!(
            credentials
                .uid(|| async { Err(OdooError::unreachable("away")) })
                .await
                .is_err()
        );
        assert!(credentials.uid(|| async { Ok(Some(2)) }).await.is_ok());
    }
}
