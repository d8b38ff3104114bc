//! So many a second and no more: for what a flood must not multiply.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts within a second that begins with its first use.
pub(super) struct Allowance {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    began: Option<Instant>,
    taken: u32,
    refused: u64,
}

impl Allowance {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            state: Mutex::default(),
        }
    }

    /// Takes one, if there is one left at `now`: then how many were refused since
    /// the last that was taken.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1))
        {
            state.began = Some(now);
            state.taken = 0;
        }
        if state.taken >= self.per_second {
            state.refused += 1;
            return None;
        }
        state.taken += 1;
        Some(std::mem::take(&mut state.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_second_is_counted_and_told_with_the_next() {
        let (allowance, start) = (Allowance::new(2), Instant::now());
        let taken: Vec<_> = (0..5).map(|_| allowance.take(start)).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None, None]);
        let later = start + Duration::from_secs(1);
        assert_eq!(allowance.take(later), Some(3));
        assert_eq!(allowance.take(later), Some(0));
        assert_eq!(allowance.take(later), None);
    }
}
