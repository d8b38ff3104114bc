//! Calls without a record: what a writer that fell behind let go of, told to all instances.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::error::Result;
use crate::traffic::store;
use crate::traffic::window::Level;

/// What one writer lost, by the minute in which it noticed. It tells how many there are of a
/// minute, not how many there are more, so that telling it twice changes nothing.
pub struct Losses {
    writer: Uuid,
    /// How many of its losses it has put to a minute.
    noticed: u64,
    /// Those that the database may not know.
    untold: BTreeMap<DateTime<Utc>, i64>,
    /// The newest minute, which may lose more.
    newest: Option<(DateTime<Utc>, i64)>,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            writer: Uuid::now_v7(),
            noticed: 0,
            untold: BTreeMap::new(),
            newest: None,
        }
    }
}

impl Losses {
    /// Takes note of what was lost since the start.
    pub fn notice(&mut self, all: u64, now: DateTime<Utc>) {
        let more = i64::try_from(all.saturating_sub(self.noticed)).unwrap_or(0);
        if more == 0 {
            return;
        }
        self.noticed = all;
        let minute = Level::Minute.begin(now);
        let before = self.newest.filter(|(newest, _)| *newest == minute);
        let lost = before.map_or(0, |(_, lost)| lost) + more;
        self.newest = Some((minute, lost));
        self.untold.insert(minute, lost);
    }

    /// Tells it.
    pub async fn tell(&mut self, pool: &PgPool) -> Result<(), sqlx::Error> {
        if !self.untold.is_empty() {
            store::lose(pool, self.writer, &self.untold).await?;
            self.untold.clear();
        }
        Ok(())
    }
}

/// How many calls of so many days, all instances taken together, have no record.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn of_days(pool: &PgPool, days: u16, now: DateTime<Utc>) -> Result<u64> {
    let from = now - TimeDelta::days(days.into());
    let lost = store::lost(pool, from, now + TimeDelta::minutes(1)).await?;
    Ok(u64::try_from(lost).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_in_one_minute_is_told_as_one_number() {
        let mut losses = Losses::default();
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        losses.notice(0, at("2026-11-28T10:00:01Z"));
        assert!(losses.untold.is_empty());
        losses.notice(5, at("2026-11-28T10:00:02Z"));
        losses.notice(7, at("2026-11-28T10:00:59Z"));
        losses.notice(7, at("2026-11-28T10:01:59Z"));
        losses.untold.clear();
        losses.notice(8, at("2026-11-28T10:00:59Z"));
        assert_eq!(losses.untold, BTreeMap::from([(at("2026-11-28T10:00:00Z"), 8)]));
        losses.notice(10, at("2026-11-28T10:02:00Z"));
        assert_eq!(losses.untold[&at("2026-11-28T10:02:00Z")], 2);
    }
}
