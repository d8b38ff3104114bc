//! What one instance holds by itself: the pace of a key, and its calls of the present day
//! and month, counted from the records of all instances.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use sqlx::PgPool;

use super::{RateState, too_often};
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::limits::Limits;
use crate::keys::store;

/// How long a count from the database is trusted.
const COUNTED_FOR: Duration = Duration::from_secs(5);

/// A steady pace (GCRA), or one instance's share of it.
pub(super) struct Pace {
    per_minute: u32,
    burst: u32,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

impl Pace {
    /// The share of one of so many instances, which is never nothing; `None`: there is no pace.
    pub(super) fn new(limits: &Limits, instances: u32) -> Option<Self> {
        let share = |calls: u32| NonZeroU32::new((calls / instances.max(1)).max(1));
        let per_minute = limits.per_minute?;
        let (per_minute, burst) = (share(per_minute)?, share(limits.burst.unwrap_or(per_minute))?);
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        Some(Self {
            per_minute: per_minute.get(),
            burst: burst.get(),
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock)
                .with_middleware::<StateInformationMiddleware>(),
        })
    }

    /// Counts a call, or says how long it has to wait.
    ///
    /// # Errors
    /// `rate_limited`
    pub(super) fn check(&self, state: &mut RateState) -> Result<()> {
        let (per_minute, burst) = (self.per_minute, self.burst);
        let checked = self.limiter.check().map(|state| state.remaining_burst_capacity());
        let (left, wait) = match &checked {
            Ok(left) => (*left, Duration::from_secs_f64(60.0 / f64::from(per_minute))),
            Err(not_until) => (0, not_until.wait_time_from(MonotonicClock.now())),
        };
        state.add_pace(per_minute, burst, left, wait);
        match checked {
            Ok(_) => Ok(()),
            Err(_) => Err(too_often(per_minute, burst, wait)),
        }
    }

    /// Counts a call that another has decided about.
    pub(super) fn count(&self) {
        // One beyond the pace has nothing to take.
        let _ = self.limiter.check();
    }
}

/// What the database said of a key's calls, and when.
#[derive(Default)]
pub(super) struct Counted {
    used: Mutex<Used>,
    /// Held by whoever counts anew.
    counting: tokio::sync::Mutex<()>,
}

/// Calls of the present day and month.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    day: Option<NaiveDate>,
    pub(super) of_day: u64,
    pub(super) of_month: u64,
    counted_at: Option<Instant>,
}

impl Counted {
    /// How often the key was used today and this month, without the calls in `since`.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn used(&self, pool: &PgPool, id: ApiKeyId, since: &AtomicU64, today: NaiveDate) -> Result<Used> {
        let is_fresh = |used: Used| used.counted_at.is_some_and(|at| at.elapsed() < COUNTED_FOR);
        let used = self.known();
        if used.day == Some(today) && is_fresh(used) {
            return Ok(used);
        }
        // One counts for all, because what was added since is taken off once. Meanwhile
        // the others go by what was counted before; at a day's begin they wait.
        let _counts = match self.counting.try_lock() {
            Ok(counts) => counts,
            Err(_) if used.day == Some(today) => return Ok(used),
            Err(_) => self.counting.lock().await,
        };
        let used = self.known();
        if used.day == Some(today) && is_fresh(used) {
            return Ok(used);
        }
        let own = since.load(Ordering::Acquire);
        let (of_day, of_month) = store::calls_of_day_and_month(pool, id, today).await?;
        // What is on its way into the database is in neither for a moment; so that
        // nothing is forgotten, the larger of the two counts.
        let before = if used.day == Some(today) { used } else { Used::default() };
        let used = Used {
            day: Some(today),
            of_day: of_day.max(before.of_day + own),
            of_month: of_month.max(before.of_month + own),
            counted_at: Some(Instant::now()),
        };
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = used;
        since.fetch_sub(own, Ordering::AcqRel);
        Ok(used)
    }

    fn known(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
