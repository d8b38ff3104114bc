//! Limits that hold over all instances: what a call asks is decided in Redis by one script,
//! in one round trip. While Redis is gone, this instance holds its share by itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::Script;

use super::local::Pace;
use super::{Admission, Held, Period, RateState, Throttle, Throttles, too_many_at_once, too_often};
use crate::error::{AppError, Result};
use crate::ids::ApiKeyId;
use crate::instances::{self, Instances, Link};

/// A count is kept for so long after its day or month: a clock may be late.
const KEPT_SECS: u32 = 3_600;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    instances: Arc<Instances>,
    admit: Script,
    release: Script,
    /// What this instance says of its running calls is numbered: only the newest counts.
    messages: AtomicU64,
    /// Held while a count and its number are taken, so that they belong together.
    order: Mutex<()>,
}

/// What the script answers: see admit.lua.
type Decision = (String, u32, u64, u64, u64);

/// This instance's share of a pace, made for so many instances.
#[derive(Default)]
pub(super) struct SharePace(Mutex<Option<(u32, Arc<Pace>)>>);

impl SharePace {
    fn of(&self, throttle: &Throttle, instances: u32) -> Option<Arc<Pace>> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some((known, pace)) if *known == instances => Some(Arc::clone(pace)),
            _ => {
                let pace = Arc::new(Pace::new(&throttle.limits, instances)?);
                *made = Some((instances, Arc::clone(&pace)));
                Some(pace)
            }
        }
    }
}

/// A running call, among those of all instances. Dropped, it gives its place back, and
/// what it took of the month and the day if it never went to Odoo.
pub(super) struct Place {
    shared: Shared,
    throttle: Arc<Throttle>,
    keys: Keys,
    /// Whether it took a call of the month and the day.
    took: bool,
    spent: AtomicBool,
}

impl Place {
    /// Notes whether the call goes to Odoo.
    pub(super) fn spend(&self, goes: bool) -> &Throttle {
        self.spent.store(goes, Ordering::Release);
        &self.throttle
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (calls, message) = self.shared.leave(&self.throttle);
        let gives_back = self.took && !*self.spent.get_mut();
        if self.throttle.limits.concurrent.is_none() && !gives_back {
            return;
        }
        let (Some(link), Ok(runtime)) = (self.shared.0.instances.link(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (shared, keys) = (self.shared.clone(), std::mem::take(&mut self.keys));
        // Nobody waits for it.
        runtime.spawn(async move { shared.release(&link, &keys, (calls, message), gives_back).await });
    }
}

/// Where the state of an API key is.
#[derive(Default)]
struct Keys {
    pace: String,
    running: String,
    month: String,
    day: String,
}

impl Keys {
    fn new(id: ApiKeyId, now: DateTime<Utc>) -> Self {
        Self {
            pace: format!("odoo-bridge:pace:{id}"),
            running: format!("odoo-bridge:running:{id}"),
            month: format!("odoo-bridge:month:{id}:{}", now.format("%Y-%m")),
            day: format!("odoo-bridge:day:{id}:{}", now.format("%Y-%m-%d")),
        }
    }
}

impl Shared {
    pub(super) fn new(instances: Arc<Instances>) -> Self {
        Self(Arc::new(Inner {
            instances,
            admit: Script::new(include_str!("admit.lua")),
            release: Script::new(include_str!("release.lua")),
            messages: AtomicU64::new(1),
            order: Mutex::new(()),
        }))
    }

    /// One more call of a key here: how many there are, and the number of that message.
    fn enter(&self, throttle: &Throttle) -> (u32, u64) {
        let _order = self.0.order.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = throttle.running.fetch_add(1, Ordering::AcqRel) + 1;
        (calls, self.0.messages.fetch_add(1, Ordering::AcqRel))
    }

    /// One less.
    fn leave(&self, throttle: &Throttle) -> (u32, u64) {
        let _order = self.0.order.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = throttle.running.fetch_sub(1, Ordering::AcqRel) - 1;
        (calls, self.0.messages.fetch_add(1, Ordering::AcqRel))
    }

    async fn decide(
        &self,
        place: &Place,
        (calls, message): (u32, u64),
        periods: &[Option<Period>],
    ) -> Option<Decision> {
        let link = self.0.instances.link()?;
        let (limits, keys) = (&place.throttle.limits, &place.keys);
        let per_minute = limits.per_minute.unwrap_or(0);
        let interval_us = 60_000_000_u32.checked_div(per_minute).map_or(0, |us| us.max(1));
        let mut script = self.0.admit.prepare_invoke();
        script.key(&keys.pace).key(&keys.running).key(instances::ALIVE);
        script.key(&keys.month).key(&keys.day);
        script.arg(&*link.name).arg(message).arg(calls);
        script.arg(limits.concurrent.unwrap_or(0));
        script.arg(interval_us).arg(limits.burst.unwrap_or(per_minute));
        for name in ["month", "day"] {
            let period = periods.iter().flatten().find(|period| period.name == name);
            let (most, used, kept) = period.map_or((0, 0, 0), |period| {
                (period.most, period.used, period.secs_left.saturating_add(KEPT_SECS))
            });
            script.arg(most).arg(used).arg(kept);
        }
        self.0.instances.ask(&link, &script).await
    }

    async fn release(&self, link: &Link, keys: &Keys, (calls, message): (u32, u64), gives_back: bool) {
        let mut script = self.0.release.prepare_invoke();
        script.key(&keys.running).key(&keys.month).key(&keys.day);
        script.arg(&*link.name).arg(message).arg(calls);
        script.arg(u8::from(gives_back));
        // If it gets lost, so does the link, and with it all that was said on it.
        let _: Option<u8> = self.0.instances.ask(link, &script).await;
    }
}

impl Throttles {
    pub(super) async fn admit_everywhere(
        &self,
        shared: &Shared,
        id: ApiKeyId,
        throttle: Arc<Throttle>,
        now: DateTime<Utc>,
        state: &mut RateState,
    ) -> Result<Admission> {
        let periods = self.periods(id, &throttle, now).await?;
        let running = shared.enter(&throttle);
        let mut place = Box::new(Place {
            shared: shared.clone(),
            throttle: Arc::clone(&throttle),
            keys: Keys::new(id, now),
            took: false,
            spent: AtomicBool::new(false),
        });
        let instances = shared.0.instances.alive();
        let share = throttle.share.of(&throttle, instances);
        match shared.decide(&place, running, &periods).await {
            Some(decision) => {
                told(decision, &throttle, &periods, state)?;
                // So that a share that binds from now on is not one that nobody used.
                if let Some(pace) = share {
                    pace.count();
                }
                place.took = periods.iter().any(Option::is_some);
            }
            None => {
                self.check_pace(share.as_deref(), id, &throttle, now, state).await?;
                self.check_quotas(id, &throttle, now, state).await?;
                if let Some(most) = throttle.limits.concurrent {
                    let most = (most / instances.max(1)).max(1);
                    if running.0 > most {
                        return Err(too_many_at_once(most));
                    }
                }
            }
        }
        Ok(Admission(Held::Everywhere(place)))
    }
}

/// What was decided, as headers and as an error.
fn told(decision: Decision, throttle: &Throttle, periods: &[Option<Period>], state: &mut RateState) -> Result<()> {
    let (refused, left, wait_us, month_left, day_left) = decision;
    if let Some(per_minute) = throttle.limits.per_minute {
        let burst = throttle.limits.burst.unwrap_or(per_minute);
        let wait = Duration::from_micros(wait_us);
        state.add_pace(per_minute, burst, left, wait);
        if refused == "pace" {
            // The script did not look at them.
            for period in periods.iter().flatten() {
                state.add_period(period, period.left());
            }
            return Err(too_often(per_minute, burst, wait));
        }
    }
    for period in periods.iter().flatten() {
        let left = if period.name == "month" { month_left } else { day_left };
        state.add_period(period, left);
    }
    match (&*refused, throttle.limits.concurrent) {
        ("", _) => Ok(()),
        ("concurrent", Some(most)) => Err(too_many_at_once(most)),
        (name, _) => Err(periods
            .iter()
            .flatten()
            .find(|period| period.name == name)
            .map_or_else(|| AppError::internal("Redis refused for no reason"), Period::is_used_up)),
    }
}
