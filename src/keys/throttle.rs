//! Whether a limited key may call now. Kept in this process: with several instances
//! each holds its own pace and concurrency; days and months are counted from the call
//! records of all.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;
use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::limits::Limits;
use crate::keys::store;
use crate::keys::verify::AuthedKey;

/// How many limited keys are remembered.
const REMEMBERED: usize = 100_000;
/// How long a count from the database is trusted.
const COUNTED_FOR: Duration = Duration::from_secs(5);
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Pace = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>;

/// What is remembered of one key.
struct Throttle {
    limits: Arc<Limits>,
    pace: Option<Pace>,
    running: AtomicU32,
    used: Mutex<Used>,
    /// Calls since the last count.
    since: AtomicU64,
}

/// Calls of the present day and month.
#[derive(Clone, Copy, Default)]
struct Used {
    day: Option<NaiveDate>,
    of_day: u64,
    of_month: u64,
    counted_at: Option<Instant>,
}

/// All limited keys.
pub struct Throttles {
    pool: PgPool,
    keys: Cache<ApiKeyId, Arc<Throttle>>,
}

/// A call that may go on. Gives its place back when it is dropped.
#[derive(Default)]
pub struct Admission(Option<Arc<Throttle>>);

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(throttle) = &self.0 {
            throttle.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Throttles {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            keys: Cache::new(REMEMBERED),
        }
    }

    /// Admits a call or says what it has to wait for. `told` gets the headers that
    /// every answer of a key with a pace or a quota has.
    ///
    /// # Errors
    /// `policy_denied` from a wrong address, `rate_limited`, `quota_exceeded`; those of
    /// the database, if calls have to be counted.
    pub async fn admit(
        &self,
        key: &AuthedKey,
        address: IpAddr,
        now: DateTime<Utc>,
        told: &mut HeaderMap,
    ) -> Result<Admission> {
        if key.limits.is_empty() {
            return Ok(Admission(None));
        }
        let mut state = RateState::default();
        let admission = self.admit_limited(key, address, now, &mut state).await;
        state.tell(told);
        admission
    }

    async fn admit_limited(
        &self,
        key: &AuthedKey,
        address: IpAddr,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<Admission> {
        if !key.limits.allows(address) {
            let details = serde_json::json!({ "rule": "addresses", "name": address.to_string() });
            return Err(
                AppError::new(ErrorCode::PolicyDenied, "This key may not be used from this address.")
                    .with_details(details),
            );
        }
        let throttle = self.of(key);
        throttle.check_pace(state)?;
        self.check_quota(key, &throttle, now, state).await?;
        let running = throttle.running.fetch_add(1, Ordering::AcqRel);
        let admission = Admission(Some(throttle));
        match key.limits.concurrent {
            Some(most) if running >= most => Err(too_many(
                format!("This key may have {most} calls at the same time, and has them."),
                Duration::from_secs(1),
            )),
            _ => Ok(admission),
        }
    }

    /// Counts a call that goes to Odoo: one that is refused costs nothing.
    pub fn count(&self, admission: &Admission) {
        if let Some(throttle) = &admission.0 {
            throttle.since.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn of(&self, key: &AuthedKey) -> Arc<Throttle> {
        match self.keys.get(&key.id) {
            Some(throttle) if throttle.limits == key.limits => throttle,
            _ => {
                let throttle = Arc::new(Throttle::new(Arc::clone(&key.limits)));
                self.keys.insert(key.id, Arc::clone(&throttle));
                throttle
            }
        }
    }

    async fn check_quota(
        &self,
        key: &AuthedKey,
        throttle: &Throttle,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<()> {
        let (per_day, per_month) = (key.limits.per_day, key.limits.per_month);
        if per_day.is_none() && per_month.is_none() {
            return Ok(());
        }
        let today = now.date_naive();
        let used = self.used(key.id, throttle, today).await?;
        let since = throttle.since.load(Ordering::Acquire);
        let quotas = [
            (
                "month",
                per_month,
                used.of_month,
                today.with_day(1),
                first_of_next_month(today),
            ),
            (
                "day",
                per_day,
                used.of_day,
                Some(today),
                today.checked_add_days(Days::new(1)),
            ),
        ];
        let mut over = Ok(());
        for (name, most, used, begins, ends) in quotas {
            let Some(most) = most else { continue };
            let midnight = |day: Option<NaiveDate>| day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
            let (begins, ends) = (midnight(begins).unwrap_or(now), midnight(ends).unwrap_or(now));
            let left = u64::from(most).saturating_sub(used + since);
            let wait_secs = u32::try_from((ends - now).num_seconds().max(1)).unwrap_or(u32::MAX);
            // After this call there is one less.
            state.add(
                name,
                most.into(),
                (ends - begins).num_seconds(),
                left.saturating_sub(1),
                wait_secs.into(),
            );
            if left == 0 && over.is_ok() {
                let sentence = format!("This key has used up its calls of the {name}.");
                over = Err(AppError::new(ErrorCode::QuotaExceeded, sentence).retry_after_secs(wait_secs));
            }
        }
        over
    }

    /// How often the key was used today and this month, without the calls in `since`.
    async fn used(&self, id: ApiKeyId, throttle: &Throttle, today: NaiveDate) -> Result<Used> {
        let used = throttle.used();
        if used.day == Some(today) && used.counted_at.is_some_and(|at| at.elapsed() < COUNTED_FOR) {
            return Ok(used);
        }
        let own = throttle.since.load(Ordering::Acquire);
        let (of_day, of_month) = store::calls_of_day_and_month(&self.pool, id, today).await?;
        // What is on its way into the database is in neither for a moment; so that
        // nothing is forgotten, the larger of the two counts.
        let before = if used.day == Some(today) { used } else { Used::default() };
        let used = Used {
            day: Some(today),
            of_day: of_day.max(before.of_day + own),
            of_month: of_month.max(before.of_month + own),
            counted_at: Some(Instant::now()),
        };
        *throttle.used.lock().unwrap_or_else(PoisonError::into_inner) = used;
        throttle.since.fetch_sub(own, Ordering::AcqRel);
        Ok(used)
    }
}

/// What the headers say, by the IETF's draft: of each limit its quota and window, and
/// what is left and for how long.
#[derive(Default)]
struct RateState {
    policies: Vec<String>,
    left: Vec<String>,
}

impl RateState {
    fn add(&mut self, name: &str, quota: u64, window_secs: i64, left: u64, wait_secs: u64) {
        self.policies.push(format!("\"{name}\";q={quota};w={window_secs}"));
        self.left.push(format!("\"{name}\";r={left};t={wait_secs}"));
    }

    fn tell(self, headers: &mut HeaderMap) {
        for (name, values) in [(RATE_LIMIT_POLICY, self.policies), (RATE_LIMIT, self.left)] {
            if let (false, Ok(value)) = (values.is_empty(), HeaderValue::from_str(&values.join(", "))) {
                headers.insert(name, value);
            }
        }
    }
}

fn first_of_next_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(Months::new(1))
}

fn too_many(sentence: String, wait: Duration) -> AppError {
    let secs = u32::try_from(wait.as_secs_f64().ceil() as u64)
        .unwrap_or(u32::MAX)
        .max(1);
    AppError::new(ErrorCode::RateLimited, sentence).retry_after_secs(secs)
}

impl Throttle {
    fn new(limits: Arc<Limits>) -> Self {
        let pace = limits.per_minute.and_then(std::num::NonZeroU32::new).map(|per_minute| {
            let burst = limits.burst.and_then(std::num::NonZeroU32::new).unwrap_or(per_minute);
            RateLimiter::direct_with_clock(Quota::per_minute(per_minute).allow_burst(burst), MonotonicClock)
                .with_middleware::<StateInformationMiddleware>()
        });
        Self {
            limits,
            pace,
            running: AtomicU32::new(0),
            used: Mutex::default(),
            since: AtomicU64::new(0),
        }
    }

    fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_pace(&self, state: &mut RateState) -> Result<()> {
        let (Some(pace), Some(per_minute)) = (&self.pace, self.limits.per_minute) else {
            return Ok(());
        };
        let burst = self.limits.burst.unwrap_or(per_minute);
        let checked = pace.check().map(|state| state.remaining_burst_capacity());
        let (left, wait) = match &checked {
            Ok(left) => (*left, Duration::from_secs_f64(60.0 / f64::from(per_minute))),
            Err(not_until) => (0, not_until.wait_time_from(MonotonicClock.now())),
        };
        let window_secs = (i64::from(burst) * 60 + i64::from(per_minute) - 1) / i64::from(per_minute);
        let wait_secs = wait.as_secs_f64().ceil() as u64;
        state.add("pace", burst.into(), window_secs, left.into(), wait_secs);
        match checked {
            Ok(_) => Ok(()),
            Err(_) => Err(too_many(
                format!("This key may make {per_minute} calls a minute, {burst} at once."),
                wait,
            )),
        }
    }
}
