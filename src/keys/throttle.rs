//! Whether a limited key may call now. Alone an instance holds pace and concurrency by
//! itself and counts days and months from the call records of all (`local`). With a Redis
//! all of it is decided there for all instances (`shared`); while that is gone, each holds
//! its share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use quick_cache::sync::Cache;
use sqlx::PgPool;

use self::local::{Counted, Pace};
use self::shared::{Place, SharePace, Shared};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::instances::Instances;
use crate::keys::limits::Limits;
use crate::keys::verify::AuthedKey;

mod local;
mod shared;

/// How many limited keys are remembered.
const REMEMBERED: usize = 100_000;
/// What three limits take in one of the two headers.
const HEADER_BYTES: usize = 96;
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is remembered of one key.
struct Throttle {
    limits: Arc<Limits>,
    /// The pace, as one instance alone holds it.
    pace: Option<Pace>,
    /// This instance's share of it, while there are several.
    share: SharePace,
    /// This instance's calls at this moment.
    running: AtomicU32,
    counted: Counted,
    /// Calls since the last count.
    since: AtomicU64,
    /// How many calls of the pace were left, and when.
    left: Mutex<Option<(u32, Instant)>>,
}

/// All limited keys.
pub struct Throttles {
    pool: PgPool,
    keys: Cache<ApiKeyId, Arc<Throttle>>,
    shared: Option<Shared>,
}

/// A call that may go on. Gives its place back when it is dropped.
#[derive(Default)]
pub struct Admission(Held);

impl Admission {
    /// Counts a call that goes to Odoo: one that is refused before costs nothing.
    pub fn count(&self) {
        if let Some(throttle) = self.throttle(true) {
            throttle.since.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Takes that back: it came to nothing.
    pub fn discount(&self) {
        if let Some(throttle) = self.throttle(false) {
            let less = |since: u64| Some(since.saturating_sub(1));
            let _ = throttle.since.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        }
    }

    /// Another hold on the same place: it is given back when both are dropped.
    #[must_use]
    pub fn share(&mut self) -> Self {
        if matches!(self.0, Held::Nothing) {
            return Self::default();
        }
        let held = match &self.0 {
            Held::Together(held) => Arc::clone(held),
            _ => Arc::new(std::mem::take(self)),
        };
        self.0 = Held::Together(Arc::clone(&held));
        Self(Held::Together(held))
    }

    /// What counts its calls; whether this one goes to Odoo is noted.
    fn throttle(&self, goes: bool) -> Option<&Throttle> {
        match &self.0 {
            Held::Nothing => None,
            Held::Here(throttle) => Some(throttle),
            Held::Everywhere(place) => Some(place.spend(goes)),
            Held::Together(shared) => shared.throttle(goes),
        }
    }
}

#[derive(Default)]
enum Held {
    /// A key without limits.
    #[default]
    Nothing,
    /// A place among the calls of this instance.
    Here(Arc<Throttle>),
    /// One among those of all instances.
    Everywhere(Box<Place>),
    /// Either, held by several.
    Together(Arc<Admission>),
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Here(throttle) = self {
            throttle.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Throttles {
    /// Remembers nothing yet. Without `instances` each holds its limits by itself.
    #[must_use]
    pub fn new(pool: PgPool, instances: Option<Arc<Instances>>) -> Self {
        Self {
            pool,
            keys: Cache::new(REMEMBERED),
            shared: instances.map(Shared::new),
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
            return Ok(Admission::default());
        }
        let mut state = RateState::default();
        let admission = self.admit_limited(key, address, now, &mut state).await;
        state.tell(told);
        admission
    }

    /// The headers for a call that is refused before it is admitted: it costs nothing.
    pub async fn tell(&self, key: &AuthedKey, now: DateTime<Utc>, told: &mut HeaderMap) {
        if key.limits.is_empty() {
            return;
        }
        let mut state = RateState::default();
        let throttle = self.of(key);
        throttle.tell_pace(&mut state);
        self.tell_periods(key.id, &throttle, now, &mut state).await;
        state.tell(told);
    }

    /// What is left of the month and the day; nothing, if it can't be counted.
    async fn tell_periods(&self, id: ApiKeyId, throttle: &Throttle, now: DateTime<Utc>, state: &mut RateState) {
        let periods = self.periods(id, throttle, now).await.unwrap_or_default();
        for period in periods.into_iter().flatten() {
            state.add_period(&period, period.left());
        }
    }

    async fn admit_limited(
        &self,
        key: &AuthedKey,
        address: IpAddr,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<Admission> {
        let throttle = self.of(key);
        if !key.limits.allows(address) {
            throttle.tell_pace(state);
            self.tell_periods(key.id, &throttle, now, state).await;
            let details = serde_json::json!({ "rule": "addresses", "name": address.to_string() });
            return Err(
                AppError::new(ErrorCode::PolicyDenied, "This key may not be used from this address.")
                    .with_details(details),
            );
        }
        let admission = match &self.shared {
            Some(shared) if key.limits.count_calls() => {
                self.admit_everywhere(shared, key.id, Arc::clone(&throttle), now, state)
                    .await
            }
            _ => self.admit_here(key.id, Arc::clone(&throttle), now, state).await,
        };
        if let Some(left) = state.pace_left {
            *throttle.left.lock().unwrap_or_else(PoisonError::into_inner) = Some((left, Instant::now()));
        }
        admission
    }

    async fn admit_here(
        &self,
        id: ApiKeyId,
        throttle: Arc<Throttle>,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<Admission> {
        self.check_pace(throttle.pace.as_ref(), id, &throttle, now, state)
            .await?;
        self.check_quotas(id, &throttle, now, state).await?;
        let running = throttle.running.fetch_add(1, Ordering::AcqRel);
        let most = throttle.limits.concurrent;
        let admission = Admission(Held::Here(throttle));
        match most {
            Some(most) if running >= most => Err(too_many_at_once(most)),
            _ => Ok(admission),
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

    /// Whether the pace has a call left; a refusal tells of the month and the day as well.
    async fn check_pace(
        &self,
        pace: Option<&Pace>,
        id: ApiKeyId,
        throttle: &Throttle,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<()> {
        let checked = pace.map_or(Ok(()), |pace| pace.check(state));
        if checked.is_err() {
            self.tell_periods(id, throttle, now, state).await;
        }
        checked
    }

    /// Whether the month and the day have calls left, by what this instance knows.
    async fn check_quotas(
        &self,
        id: ApiKeyId,
        throttle: &Throttle,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<()> {
        let mut over = Ok(());
        for period in self.periods(id, throttle, now).await?.into_iter().flatten() {
            let left = period.left();
            // After this call there is one less.
            state.add_period(&period, left.saturating_sub(1));
            if left == 0 && over.is_ok() {
                over = Err(period.is_used_up());
            }
        }
        over
    }

    /// The month and the day, as far as they are limited.
    async fn periods(&self, id: ApiKeyId, throttle: &Throttle, now: DateTime<Utc>) -> Result<[Option<Period>; 2]> {
        let (per_day, per_month) = (throttle.limits.per_day, throttle.limits.per_month);
        if per_day.is_none() && per_month.is_none() {
            return Ok([None, None]);
        }
        let today = now.date_naive();
        let used = throttle.counted.used(&self.pool, id, &throttle.since, today).await?;
        let since = throttle.since.load(Ordering::Acquire);
        let first = today.with_day(1);
        let month = first.and_then(|first| first.checked_add_months(Months::new(1)));
        let day = today.checked_add_days(Days::new(1));
        let periods = [
            ("month", per_month, used.of_month, first, month),
            ("day", per_day, used.of_day, Some(today), day),
        ];
        let midnight = |day: Option<NaiveDate>| day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
        let of = |(name, most, used, begins, ends): (_, Option<u32>, _, _, _)| {
            let (begins, ends) = (midnight(begins).unwrap_or(now), midnight(ends).unwrap_or(now));
            most.map(|most| Period {
                name,
                most: most.into(),
                used: used + since,
                secs: (ends - begins).num_seconds(),
                secs_left: u32::try_from((ends - now).num_seconds().max(1)).unwrap_or(u32::MAX),
            })
        };
        Ok(periods.map(of))
    }
}

impl Throttle {
    fn new(limits: Arc<Limits>) -> Self {
        Self {
            pace: Pace::new(&limits, 1),
            share: SharePace::default(),
            limits,
            running: AtomicU32::new(0),
            counted: Counted::default(),
            since: AtomicU64::new(0),
            left: Mutex::default(),
        }
    }

    /// Tells of the pace without a call: what was left, and what came since.
    fn tell_pace(&self, state: &mut RateState) {
        let Some(per_minute) = self.limits.per_minute else {
            return;
        };
        let burst = self.limits.burst.unwrap_or(per_minute);
        let known = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = known.map_or(burst, |(left, at)| {
            let since = at.elapsed().as_secs_f64() * f64::from(per_minute) / 60.0;
            left.saturating_add(since as u32).min(burst)
        });
        state.add_pace(
            per_minute,
            burst,
            left,
            Duration::from_secs_f64(60.0 / f64::from(per_minute)),
        );
    }
}

/// A month or a day, and how many calls it may have.
struct Period {
    name: &'static str,
    most: u64,
    /// As far as this instance knows.
    used: u64,
    secs: i64,
    secs_left: u32,
}

impl Period {
    const fn left(&self) -> u64 {
        self.most.saturating_sub(self.used)
    }

    fn is_used_up(&self) -> AppError {
        let sentence = format!("This key has used up its calls of the {}.", self.name);
        AppError::new(ErrorCode::QuotaExceeded, sentence).retry_after_secs(self.secs_left)
    }
}

/// What the headers say, by the IETF's draft: of each limit its quota and window, and
/// what is left and for how long. Written as they are sent: this is done for each call.
#[derive(Default)]
struct RateState {
    policies: String,
    left: String,
    /// Calls that are left of the pace, if there is one.
    pace_left: Option<u32>,
}

impl RateState {
    fn add_pace(&mut self, per_minute: u32, burst: u32, left: u32, wait: Duration) {
        self.pace_left = Some(left);
        let window_secs = (i64::from(burst) * 60 + i64::from(per_minute) - 1) / i64::from(per_minute);
        let wait_secs = wait.as_secs_f64().ceil() as u64;
        self.add("pace", burst.into(), window_secs, left.into(), wait_secs);
    }

    fn add_period(&mut self, period: &Period, left: u64) {
        self.add(period.name, period.most, period.secs, left, period.secs_left.into());
    }

    fn add(&mut self, name: &str, quota: u64, window_secs: i64, left: u64, wait_secs: u64) {
        let separator = if self.policies.is_empty() { "\"" } else { ", \"" };
        let number = &mut itoa::Buffer::new();
        let mut put = |text: &mut String, [first, second]: [&str; 2], one: u64, other: u64| {
            text.reserve(HEADER_BYTES.saturating_sub(text.len()));
            text.extend([separator, name, first, number.format(one)]);
            text.extend([second, number.format(other)]);
        };
        let window_secs = u64::try_from(window_secs).unwrap_or_default();
        put(&mut self.policies, ["\";q=", ";w="], quota, window_secs);
        put(&mut self.left, ["\";r=", ";t="], left, wait_secs);
    }

    fn tell(self, headers: &mut HeaderMap) {
        for (name, value) in [(RATE_LIMIT_POLICY, self.policies), (RATE_LIMIT, self.left)] {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}

fn too_often(per_minute: u32, burst: u32, wait: Duration) -> AppError {
    let sentence = format!("This key may make {per_minute} calls a minute, {burst} at once.");
    too_many(sentence, wait)
}

fn too_many_at_once(most: u32) -> AppError {
    let sentence = format!("This key may have {most} calls at the same time, and has them.");
    too_many(sentence, Duration::from_secs(1))
}

fn too_many(sentence: String, wait: Duration) -> AppError {
    let secs = u32::try_from(wait.as_secs_f64().ceil() as u64)
        .unwrap_or(u32::MAX)
        .max(1);
    AppError::new(ErrorCode::RateLimited, sentence).retry_after_secs(secs)
}
