//! Leaves an Odoo alone that fails: after some failures in a row calls are refused at
//! once, and one a second is let through to find out. The first that gets through
//! ends it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::OdooError;

/// So many failures in a row, and it opens.
const FAILURES: u32 = 5;
/// One call in this time is let through while it is open, so that Odoo's return is
/// noticed soon, also if the one before still waits for an answer.
pub(super) const TRY_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub struct Breaker {
    failures: AtomicU32,
    opened: AtomicU64,
    /// Since when it is open, and when the last call was let through.
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Copy)]
struct Open {
    since: Instant,
    tried: Instant,
}

/// What a breaker is at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerState {
    /// For how long it has been open; `None`: calls pass.
    pub open_for: Option<Duration>,
    /// How often it opened since the start.
    pub opened: u64,
}

impl Breaker {
    /// Lets a call through, or does not; whether it is the one that finds out.
    ///
    /// # Errors
    /// `LeftAlone`
    pub fn pass(&self) -> Result<bool, OdooError> {
        if self.failures.load(Ordering::Relaxed) < FAILURES {
            return Ok(false);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &mut *open {
            None => Ok(false),
            Some(open) if now.duration_since(open.tried) >= TRY_EVERY => {
                open.tried = now;
                Ok(true)
            }
            Some(open) => Err(OdooError::LeftAlone {
                retry_in: TRY_EVERY.saturating_sub(now.duration_since(open.tried)),
            }),
        }
    }

    /// Odoo answered, whatever it said.
    pub fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(open) = open {
            tracing::info!(
                open_ms = open.since.elapsed().as_millis() as u64,
                "Odoo answers again, calls pass"
            );
        }
    }

    /// It did not, or something else did.
    pub fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < FAILURES {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            let now = Instant::now();
            *open = Some(Open { since: now, tried: now });
            self.opened.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(failures, "Odoo failed too often in a row and is left alone");
        }
    }

    /// Whether calls are refused.
    pub(super) fn is_open(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES
    }

    /// What it is at this moment.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        BreakerState {
            open_for: open.map(|open| open.since.elapsed()),
            opened: self.opened.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_some_failures_in_a_row_tries_once_a_second_and_closes_with_an_answer() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES - 1 {
            breaker.failed();
        }
        assert!(breaker.pass().is_ok());
        breaker.answered();
        for _ in 0..FAILURES {
            assert!(breaker.pass().is_ok());
            breaker.failed();
        }
        assert!(matches!(breaker.pass(), Err(OdooError::LeftAlone { retry_in }) if retry_in <= TRY_EVERY));
        tokio::time::sleep(TRY_EVERY).await;
        assert!(breaker.pass().is_ok(), "one finds out");
        assert!(breaker.pass().is_err(), "one only");
        breaker.failed();
        assert_eq!(breaker.state().opened, 1);
        tokio::time::sleep(TRY_EVERY).await;
        assert!(breaker.pass().is_ok());
        breaker.answered();
        assert!(breaker.pass().is_ok() && breaker.pass().is_ok());
        assert_eq!(breaker.state().open_for, None);
    }
}
