//! New calls as they are written, of all instances: a look into the database each second, for
//! what was written since. A call never waits for those who look on, and of many calls they
//! are told only the newest.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::calls::listing::search::{Filter, Found};
use crate::calls::listing::store;
use crate::error::{AppError, ErrorCode, Result};

/// How often is looked.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many may look on at once, at this instance.
pub const MOST_WATCHERS: usize = 32;
/// How many calls are told at once; also what a page keeps.
pub const MOST: i64 = 200;
/// Records of several instances come into the database in another order than that of their
/// ids, by as much as a transaction takes and clocks differ: so far is looked back.
const LOOK_BACK: TimeDelta = TimeDelta::seconds(6);
/// Who comes back after a longer time than that begins anew.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::minutes(10);
/// Calls that arrived before are not told: no partitions are looked into but the newest.
const ARRIVED_WITHIN: TimeDelta = TimeDelta::days(1);

/// Places for those who look on. Cheap to clone.
#[derive(Clone)]
pub struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_WATCHERS)))
    }
}

impl Watchers {
    /// A place, until it is dropped.
    ///
    /// # Errors
    /// `overloaded` if all are taken.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            AppError::new(
                ErrorCode::Overloaded,
                format!("{MOST_WATCHERS} live views are open already, the most that this bridge takes."),
            )
            .retry_after_secs(30)
        })
    }
}

/// What a look found.
#[derive(Debug, Default)]
pub struct News {
    /// The oldest first.
    pub calls: Vec<Found>,
    /// Whether there were more than are told.
    pub is_cut: bool,
}

/// One who looks on.
pub struct Watch {
    pool: PgPool,
    filter: Filter,
    /// Nothing that was written before this record is told.
    begin: Uuid,
    looked_at: DateTime<Utc>,
    told: HashSet<Uuid>,
}

impl Watch {
    /// Begins after the record `since`, or now.
    #[must_use]
    pub fn new(pool: PgPool, filter: Filter, since: Option<Uuid>, now: DateTime<Utc>) -> Self {
        let earliest = first_id_of(now - FORGOTTEN_AFTER);
        let since = since.filter(|since| *since >= earliest);
        Self {
            pool,
            filter: Filter { side: None, ..filter },
            begin: since.unwrap_or_else(|| first_id_of(now)),
            looked_at: now
                - if since.is_some() {
                    FORGOTTEN_AFTER
                } else {
                    TimeDelta::zero()
                },
            told: HashSet::new(),
        }
    }

    /// What was written since the last look.
    ///
    /// # Errors
    /// `invalid_request` if it takes too long with this filter, `unavailable`, `internal`.
    pub async fn look(&mut self, now: DateTime<Utc>) -> Result<News> {
        let floor = first_id_of(self.looked_at - LOOK_BACK).max(self.begin);
        let found = store::written_after(&self.pool, &self.filter, (floor, now - ARRIVED_WITHIN), MOST).await?;
        let mut calls = found.ok_or_else(|| {
            AppError::new(
                ErrorCode::InvalidRequest,
                "Looking for calls like these takes too long. Take a filter away.",
            )
        })?;
        let is_full = calls.len() as i64 == MOST;
        let ids: HashSet<Uuid> = calls.iter().map(|call| call.id).collect();
        calls.retain(|call| !self.told.contains(&call.id));
        calls.reverse();
        let is_cut = is_full && calls.len() == ids.len();
        self.told = ids;
        self.looked_at = now;
        Ok(News { calls, is_cut })
    }
}

/// The least id of a record that is written from then on: ids begin with their millisecond.
fn first_id_of(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_after_the_first_one_of_their_time_and_before_that_of_a_later_one() {
        let now = Utc::now();
        let id = Uuid::now_v7();
        assert!(first_id_of(now - TimeDelta::milliseconds(1)) < id);
        assert!(id < first_id_of(now + TimeDelta::seconds(60)));
    }

    #[test]
    fn so_many_look_on_and_no_more() {
        let watchers = Watchers::default();
        let mut places: Vec<_> = (0..MOST_WATCHERS).map(|_| watchers.enter().expect("a place")).collect();
        let full = watchers.enter().map(drop).expect_err("no place is left");
        assert_eq!(full.code, ErrorCode::Overloaded);
        places.pop();
        assert!(watchers.enter().is_ok());
    }
}
