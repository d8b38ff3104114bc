//! What the log says of call records that are lost or late: enough to act on, never
//! a line for each.

use std::time::{Duration, Instant};

use crate::calls::records::LeftBehindError;

/// How often the log says the same thing.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Says in the log what went wrong, at most once a minute each.
#[derive(Default)]
pub(super) struct Losses {
    failure_told: Option<Instant>,
    untidy_told: Option<Instant>,
    left_behind_told: Option<Instant>,
    dropped_told: Option<Instant>,
    dropped: u64,
}

impl Losses {
    pub(super) fn tell_failure(&mut self, error: &sqlx::Error) {
        if is_due(&mut self.failure_told) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "call records can't be written; they are kept and tried again"
            );
        }
    }

    pub(super) fn tell_untidy(&mut self, error: &sqlx::Error) {
        if is_due(&mut self.untidy_told) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "old call records can't be dropped yet; it is tried again in a minute"
            );
        }
    }

    pub(super) fn tell_left_behind(&mut self, error: &LeftBehindError) {
        if is_due(&mut self.left_behind_told) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "call records of a process that is gone can't be written; they are kept and tried again"
            );
        }
    }

    pub(super) fn tell_dropped(&mut self, dropped: u64) {
        if dropped > self.dropped && is_due(&mut self.dropped_told) {
            tracing::warn!(
                dropped = dropped - self.dropped,
                "call records dropped: no room for them"
            );
            self.dropped = dropped;
        }
    }
}

fn is_due(told: &mut Option<Instant>) -> bool {
    let due = told.is_none_or(|at| at.elapsed() >= TELL_EVERY);
    if due {
        *told = Some(Instant::now());
    }
    due
}
