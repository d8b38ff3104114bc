//! The bridge's own credentials, and the logins made with them. A refusal is
//! remembered and tried again slowly, one trial at a time: each costs Odoo about
//! 0.3 s of CPU, and Odoo itself remembers none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::time::Instant;

use super::error::OdooError;
use super::trip::Waits;
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a login gave: a user's id, a session. Made once for all who wait for it; one that
/// fails, fails for all of them.
pub(super) struct Login<T> {
    known: Mutex<Option<T>>,
    failures: Mutex<Failures>,
}

/// How many logins failed, and what the last one said.
#[derive(Default)]
struct Failures {
    count: u64,
    last: Option<OdooError>,
}

impl<T: Clone + PartialEq> Login<T> {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(None),
            failures: Mutex::default(),
        }
    }

    /// What is known; logs in by `log_in` if nothing is. `log_in` answers `None`
    /// for a refusal.
    ///
    /// # Errors
    /// `AuthFailed` while a refusal is remembered; those of `log_in`, also of another's
    /// that this one waited for.
    pub(super) async fn get<F>(
        &self,
        credential: &Credential,
        waits: Waits<'_>,
        log_in: impl FnOnce() -> F,
    ) -> Result<T, OdooError>
    where
        F: Future<Output = Result<Option<T>, OdooError>>,
    {
        if let Some(known) = self.known(credential) {
            return known;
        }
        let _only_one = self.trial(credential, waits).await?;
        // Another caller may have logged in while this one waited.
        if let Some(known) = self.known(credential) {
            return known;
        }
        self.learn(credential, waits, log_in().await)
    }

    /// The same, but `stale` is not good any more (`None`: whatever is known).
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn renew<F>(
        &self,
        credential: &Credential,
        waits: Waits<'_>,
        stale: Option<&T>,
        log_in: impl FnOnce() -> F,
    ) -> Result<T, OdooError>
    where
        F: Future<Output = Result<Option<T>, OdooError>>,
    {
        let _only_one = self.trial(credential, waits).await?;
        if let Some(refused) = credential.refused() {
            return Err(refused);
        }
        if let Some(known) = self.peek()
            && stale.is_some_and(|stale| *stale != known)
        {
            return Ok(known);
        }
        self.learn(credential, waits, log_in().await)
    }

    /// Waits until nobody else logs in. Whoever waited for a login that failed does not
    /// try it in turn: an Odoo that hangs would keep the last one for the sum of them all.
    async fn trial<'c>(
        &self,
        credential: &'c Credential,
        waits: Waits<'_>,
    ) -> Result<tokio::sync::MutexGuard<'c, ()>, OdooError> {
        if let Ok(first) = credential.trial.try_lock() {
            return Ok(first);
        }
        let before = self.failures().count;
        let next = waits.for_another(credential.trial.lock()).await?;
        let failures = self.failures();
        match &failures.last {
            Some(error) if failures.count > before => Err(error.for_another()),
            _ => Ok(next),
        }
    }

    /// Puts `new` in the place of `old`, if nobody else did.
    pub(super) fn replace(&self, old: &T, new: T) {
        let mut known = self.lock();
        if known.as_ref() == Some(old) {
            *known = Some(new);
        }
    }

    fn learn(
        &self,
        credential: &Credential,
        waits: Waits<'_>,
        login: Result<Option<T>, OdooError>,
    ) -> Result<T, OdooError> {
        let found = match login {
            Ok(found) => found,
            Err(error) => {
                // Of one that had no more time itself, the others learn nothing.
                if !waits.is_over() {
                    let mut failures = self.failures();
                    failures.count += 1;
                    failures.last = Some(error.for_another());
                }
                return Err(error);
            }
        };
        self.lock().clone_from(&found);
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
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::breaker::Breaker;
    use super::super::trip::Trip;
    use super::*;

    fn credential() -> Arc<Credential> {
        Credential::new("ODOO_PASSWORD", "x".into())
    }

    /// Somebody with a minute.
    fn patient(breaker: &Breaker) -> Waits<'_> {
        Trip::own(breaker, Instant::now() + Duration::from_secs(60)).waits()
    }

    #[tokio::test]
    async fn many_callers_log_in_once() {
        let breaker = Breaker::default();
        let waits = patient(&breaker);
        let (credential, login, logins) = (credential(), Login::new(), AtomicU32::new(0));
        let log_in = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Some(7))
        };
        let uids = futures_util::future::join_all((0..50).map(|_| login.get(&credential, waits, log_in))).await;
        assert!(uids.into_iter().all(|uid| uid.is_ok_and(|uid| uid == 7)));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        // All of them find the same login stale: one renews it.
        let uids =
            futures_util::future::join_all((0..50).map(|_| login.renew(&credential, waits, Some(&6), log_in))).await;
        assert!(uids.into_iter().all(|uid| uid.is_ok()));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_and_tried_again_slowly() {
        let breaker = Breaker::default();
        let (credential, login, logins) = (credential(), Login::<i64>::new(), AtomicU32::new(0));
        let refused = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        };
        for _ in 0..100 {
            assert!(matches!(
                login.get(&credential, patient(&breaker), refused).await,
                Err(OdooError::AuthFailed { .. })
            ));
        }
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        tokio::time::advance(FIRST_PAUSE).await;
        for _ in 0..100 {
            assert!(login.get(&credential, patient(&breaker), refused).await.is_err());
        }
        assert_eq!(logins.load(Ordering::Relaxed), 2);
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(login.get(&credential, patient(&breaker), refused).await.is_err());
        assert_eq!(logins.load(Ordering::Relaxed), 2, "the second pause is longer");
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(
            login
                .get(&credential, patient(&breaker), || async { Ok(Some(2)) })
                .await
                .is_ok()
        );
        assert!(credential.report().is_none());
    }

    #[tokio::test]
    async fn an_odoo_that_is_away_is_no_refusal() {
        let breaker = Breaker::default();
        let (credential, login) = (credential(), Login::new());
        let away = login
            .get(&credential, patient(&breaker), || async {
                Err(OdooError::unreachable("away"))
            })
            .await;
        assert!(away.is_err());
        assert!(
            login
                .get(&credential, patient(&breaker), || async { Ok(Some(2)) })
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_fails_fails_for_all_who_waited_for_it_and_the_next_one_tries() {
        let (breaker, credential) = (Breaker::default(), credential());
        let (login, logins) = (Login::<i64>::new(), AtomicU32::new(0));
        let fails = || async {
            logins.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(50)).await;
            Err(OdooError::unreachable("away"))
        };
        let began = Instant::now();
        let all = (0..20).map(|_| login.get(&credential, patient(&breaker), fails));
        let all = futures_util::future::join_all(all).await;
        assert!(
            all.iter()
                .all(|failed| failed.as_ref().is_err_and(|error| error.to_string() == "away"))
        );
        assert_eq!(began.elapsed(), Duration::from_secs(50));
        assert_eq!(logins.load(Ordering::Relaxed), 1);
        assert!(
            login
                .get(&credential, patient(&breaker), || async { Ok(Some(2)) })
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_login_longer_than_its_call_may_take() {
        let (breaker, credential) = (Breaker::default(), credential());
        let login = Login::<i64>::new();
        let hangs = || async {
            std::future::pending::<()>().await;
            Ok(None)
        };
        let hasty = Trip::own(&breaker, Instant::now() + Duration::from_secs(2)).waits();
        let first = tokio::time::timeout(
            Duration::from_secs(60),
            login.get(&credential, patient(&breaker), hangs),
        );
        let (first, second) = tokio::join!(first, async {
            let began = Instant::now();
            (login.get(&credential, hasty, hangs).await, began.elapsed())
        });
        assert!(first.is_err(), "it hangs");
        assert!(matches!(second, (Err(OdooError::Timeout { .. }), took) if took == Duration::from_secs(2)));
    }
}
