//! How often Odoo is asked: from the begin of one request to the begin of the next there
//! is a time, if its host wants one. Every request keeps to it: calls, logins, probes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// See the module.
pub(super) struct Pace {
    /// Zero: as often as one likes.
    interval: Duration,
    /// How many keep to it together.
    sharers: AtomicU32,
    /// Held by the request that begins next, so that they begin one after the other.
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            sharers: AtomicU32::new(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// From now on so many keep to it together, this one included.
    pub(super) fn share_among(&self, sharers: u32) {
        self.sharers.store(sharers.max(1), Ordering::Relaxed);
    }

    /// Whether there is one at all.
    pub(super) const fn is_kept(&self) -> bool {
        !self.interval.is_zero()
    }

    /// From the begin of one request here to the begin of the next.
    pub(super) fn interval(&self) -> Duration {
        self.interval * self.sharers.load(Ordering::Relaxed)
    }

    /// Waits until the next request may begin. Given up, it costs no time of others.
    pub(super) async fn wait(&self) {
        if !self.is_kept() {
            return;
        }
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        // From now, not from when it was due: a late one must not bring the next closer.
        *next = Instant::now() + self.interval();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_begin_no_closer_than_the_pace_and_one_that_is_given_up_costs_nothing() {
        let pace = Pace::new(Duration::from_secs(1));
        let began = Instant::now();
        pace.wait().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let gave_up = tokio::time::timeout(Duration::from_millis(100), pace.wait()).await;
        assert!(gave_up.is_err());
        for second in 1..5 {
            pace.wait().await;
            assert_eq!(began.elapsed(), Duration::from_secs(second));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_share_it_each_takes_twice_the_time() {
        let pace = Pace::new(Duration::from_secs(1));
        pace.share_among(2);
        let began = Instant::now();
        for _ in 0..3 {
            pace.wait().await;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(4));
    }
}
