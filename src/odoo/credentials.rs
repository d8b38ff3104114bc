//! The bridge's own credentials, and the logins made with them. A refusal is
//! remembered and tried again slowly, one trial at a time: each costs Odoo about
//! 0.3 s of CPU, and Odoo itself remembers none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::time::Instant;

use super::error::OdooError;
use super::way::RefusedCredential;

/// How long the first refusal is believed; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// After a login that went well, so long a call's own "Access Denied" is taken
/// for the called method's, not for the credentials'.
const CONFIRMED_FOR: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
struct Refusal {
    until: Instant,
    times: u32,
    at: DateTime<Utc>,
}

#[derive(Clone, Copy, Default)]
struct State {
    refusal: Option<Refusal>,
    accepted_at: Option<Instant>,
}

/// One password or API key, shared by the ways that use it.
pub(super) struct Credential {
    /// The setting it comes from.
    setting: &'static str,
    pub(super) secret: SecretString,
    state: Mutex<State>,
    /// Held by the one caller that tries it; the others wait for what comes of it.
    trial: tokio::sync::Mutex<()>,
}

impl Credential {
    pub(super) fn new(setting: &'static str, secret: SecretString) -> Arc<Self> {
        Arc::new(Self {
            setting,
            secret,
            state: Mutex::default(),
            trial: tokio::sync::Mutex::new(()),
        })
    }

    /// The remembered refusal, while it holds.
    pub(super) fn refused(&self) -> Option<OdooError> {
        let refusal = self.state().refusal?;
        let retry_in = refusal.until.saturating_duration_since(Instant::now());
        (!retry_in.is_zero()).then_some(OdooError::AuthFailed { retry_in })
    }

    /// For the dashboard: also when the pause is over and nobody has tried again.
    pub(super) fn report(&self) -> Option<RefusedCredential> {
        self.state().refusal.map(|refusal| RefusedCredential {
            setting: self.setting,
            retry_in: refusal.until.saturating_duration_since(Instant::now()),
            refused_at: refusal.at,
        })
    }

    /// Odoo refused it.
    pub(super) fn refuse(&self) -> OdooError {
        let mut state = self.lock();
        let times = state.refusal.map_or(1, |refusal| refusal.times.saturating_add(1));
        let pause = FIRST_PAUSE
            .saturating_mul(1 << times.saturating_sub(1).min(10))
            .min(LONGEST_PAUSE);
        state.accepted_at = None;
        state.refusal = Some(Refusal {
            until: Instant::now() + pause,
            times,
            at: Utc::now(),
        });
        drop(state);
        tracing::warn!(
            setting = self.setting,
            retry_in_secs = pause.as_secs(),
            "Odoo refuses the bridge's credentials"
        );
        OdooError::AuthFailed { retry_in: pause }
    }

    /// Odoo accepted it.
    pub(super) fn accept(&self) {
        *self.lock() = State {
            refusal: None,
            accepted_at: Some(Instant::now()),
        };
    }

    /// Whether a login went well so lately that it need not be tried again.
    pub(super) fn is_confirmed(&self) -> bool {
        self.state().accepted_at.is_some_and(|at| at.elapsed() < CONFIRMED_FOR)
    }

    fn state(&self) -> State {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a login gave: a user's id, a session. Made once for all who wait for it.
pub(super) struct Login<T>(Mutex<Option<T>>);

impl<T: Clone + PartialEq> Login<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What is known; logs in by `log_in` if nothing is. `log_in` answers `None`
    /// for a refusal.
    ///
    /// # Errors
    /// `AuthFailed` while a refusal is remembered; those of `log_in`.
    pub(super) async fn get<F>(&self, credential: &Credential, log_in: impl FnOnce() -> F) -> Result<T, OdooError>
    where
        F: Future<Output = Result<Option<T>, OdooError>>,
    {
        if let Some(known) = self.known(credential) {
            return known;
        }
        let _only_one = credential.trial.lock().await;
        // Another caller may have logged in while this one waited.
        if let Some(known) = self.known(credential) {
            return known;
        }
        self.learn(credential, log_in().await)
    }

    /// The same, but `stale` is not good any more (`None`: whatever is known).
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn renew<F>(
        &self,
        credential: &Credential,
        stale: Option<&T>,
        log_in: impl FnOnce() -> F,
    ) -> Result<T, OdooError>
    where
        F: Future<Output = Result<Option<T>, OdooError>>,
    {
        let _only_one = credential.trial.lock().await;
        if let Some(refused) = credential.refused() {
            return Err(refused);
        }
        if let Some(known) = self.peek()
            && stale.is_some_and(|stale| *stale != known)
        {
            return Ok(known);
        }
        self.learn(credential, log_in().await)
    }

    /// Puts `new` in the place of `old`, if nobody else did.
    pub(super) fn replace(&self, old: &T, new: T) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(old) {
            *known = Some(new);
        }
    }

    fn learn(&self, credential: &Credential, login: Result<Option<T>, OdooError>) -> Result<T, OdooError> {
        let found = login?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&found);
        match found {
            Some(login) => {
                credential.accept();
                Ok(login)
            }
            None => Err(credential.refuse()),
        }
    }

    /// What can be said without asking Odoo.
    fn known(&self, credential: &Credential) -> Option<Result<T, OdooError>> {
        if let Some(refused) = credential.refused() {
            return Some(Err(refused));
        }
        self.peek().map(Ok)
    }

    fn peek(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn credential() -> Arc<Credential> {
        Credential::new("ODOO_PASSWORD", "x".into())
    }

    #[tokio::test]
    async fn many_callers_log_in_once() {
        let (credential, login, logins) = (credential(), Login::new(), AtomicU32::new(0));
        let log_in = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Some(7))
        };
        let uids = futures_util::future::join_all((0..50).map(|_| login.get(&credential, log_in))).await;
        assert!(uids.into_iter().all(|uid| uid.is_ok_and(|uid| uid == 7)));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        // All of them find the same login stale: one renews it.
        let uids = futures_util::future::join_all((0..50).map(|_| login.renew(&credential, Some(&6), log_in))).await;
        assert!(uids.into_iter().all(|uid| uid.is_ok()));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_and_tried_again_slowly() {
        let (credential, login, logins) = (credential(), Login::<i64>::new(), AtomicU32::new(0));
        let refused = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        };
        for _ in 0..100 {
            assert!(matches!(
                login.get(&credential, refused).await,
                Err(OdooError::AuthFailed { .. })
            ));
        }
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        tokio::time::advance(FIRST_PAUSE).await;
        for _ in 0..100 {
            assert!(login.get(&credential, refused).await.is_err());
        }
        assert_eq!(logins.load(Ordering::Relaxed), 2);
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(login.get(&credential, refused).await.is_err());
        assert_eq!(logins.load(Ordering::Relaxed), 2, "the second pause is longer");
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(login.get(&credential, || async { Ok(Some(2)) }).await.is_ok());
        assert!(credential.report().is_none());
    }

    #[tokio::test]
    async fn an_odoo_that_is_away_is_no_refusal() {
        let (credential, login) = (credential(), Login::new());
        let away = login
            .get(&credential, || async { Err(OdooError::unreachable("away")) })
            .await;
        assert!(away.is_err());
        assert!(login.get(&credential, || async { Ok(Some(2)) }).await.is_ok());
    }
}
