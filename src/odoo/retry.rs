//! How many calls may be sent again: one in ten, so that an Odoo which is in trouble is
//! not asked twice as often for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a call adds, and what a retry takes.
const ADDED: u32 = 1;
const TAKEN: u32 = 10;
/// The most that is saved up: ten retries.
const SAVED_MAX: u32 = 10 * TAKEN;

/// How long is waited before a call is sent again, at least and at most.
const PAUSE_MS: (u64, u64) = (20, 80);

/// See the module.
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    /// There is enough for the first trouble.
    fn default() -> Self {
        Self(AtomicU32::new(SAVED_MAX))
    }
}

impl RetryBudget {
    /// A call is made.
    pub(super) fn add(&self) {
        let saved = self.0.load(Ordering::Relaxed);
        if saved < SAVED_MAX {
            self.0.store(saved + ADDED, Ordering::Relaxed);
        }
    }

    /// Whether one may be sent again.
    pub(super) fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(TAKEN))
            .is_ok()
    }
}

/// How long to wait before: never the same, so that not all come back at once.
pub(super) fn pause() -> Duration {
    Duration::from_millis(rand::random_range(PAUSE_MS.0..=PAUSE_MS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_calls_that_fail_a_tenth_is_sent_again() {
        let budget = RetryBudget::default();
        let retries = (0..1_000)
            .filter(|_| {
                budget.add();
                budget.take()
            })
            .count();
        assert!((100..=110).contains(&retries), "{retries}");
    }
}
