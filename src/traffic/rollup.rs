//! Counts the calls of records that are being written, in the same transaction: a record that is
//! there already, whether of a commit whose confirmation was lost or of a journal that was left
//! behind, is not among them, and so nothing is counted twice.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use crate::calls::records::CallRecord;
use crate::error::ErrorCode;
use crate::ids::ApiKeyId;
use crate::traffic::store;
use crate::traffic::tally::{OTHER, Place, Subject, Tally};
use crate::traffic::window::Level;

/// What only an Odoo that knows the model answers.
const ANSWERED: [&str; 3] = [
    "ok",
    ErrorCode::OdooAccessDenied.as_str(),
    ErrorCode::OdooRejected.as_str(),
];

/// For how many days rows are kept, besides today.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Those of minutes.
    pub minutes_days: u16,
    /// Those of hours.
    pub hours_days: u16,
    /// Those of days.
    pub days: u16,
}

impl Keep {
    /// What the settings say if they say nothing.
    pub const DEFAULT: Self = Self {
        minutes_days: 8,
        hours_days: 100,
        days: 731,
    };
}

/// Adds the calls of new records. Those of days that are gone are left out: they may have been
/// counted before.
pub async fn add(connection: &mut PgConnection, records: &[&CallRecord]) -> Result<(), sqlx::Error> {
    let days: BTreeSet<NaiveDate> = records.iter().map(|record| record.called_at.date_naive()).collect();
    let gone = store::gone(connection, &days.into_iter().collect::<Vec<_>>()).await?;
    let records: Vec<_> = records
        .iter()
        .filter(|record| !gone.contains(&record.called_at.date_naive()))
        .collect();
    if records.is_empty() {
        return Ok(());
    }
    let named = named(connection, &records).await?;
    // Each record once, and then what was counted into all of its rows: a batch has thousands of
    // records of a few keys and models.
    let mut counted: BTreeMap<(DateTime<Utc>, ApiKeyId, Option<&str>), Tally> = BTreeMap::new();
    for record in records {
        let of = (
            Level::Minute.begin(record.called_at),
            record.api_key_id,
            record.model.as_deref(),
        );
        counted.entry(of).or_default().count(record);
    }
    let mut rows: BTreeMap<Place, Tally> = BTreeMap::new();
    for ((minute, key, model), tally) in &counted {
        let model = model.filter(|model| named.contains(*model)).unwrap_or(OTHER);
        let subjects = [Subject::Bridge, Subject::Key(*key), Subject::Model(model.to_owned())];
        for (subject, level) in subjects
            .iter()
            .flat_map(|subject| Level::ALL.map(|level| (subject, level)))
        {
            let place = Place {
                level,
                subject: subject.clone(),
                at: level.begin(*minute),
            };
            rows.entry(place).or_default().merge(tally);
        }
    }
    store::add(connection, &rows).await
}

/// The models of records that are counted by their name.
async fn named(connection: &mut PgConnection, records: &[&&CallRecord]) -> Result<HashSet<String>, sqlx::Error> {
    let models = |only_answered: bool| -> BTreeSet<&str> {
        records
            .iter()
            .filter(|record| !only_answered || record.way.is_some() && ANSWERED.contains(&&*record.code))
            .filter_map(|record| record.model.as_deref())
            .collect()
    };
    let mut named = store::named(connection, &models(false).into_iter().collect::<Vec<_>>()).await?;
    // In their order, so that two instances do not wait for each other.
    let new: Vec<&str> = models(true)
        .into_iter()
        .filter(|model| !named.contains(*model))
        .collect();
    if !new.is_empty() {
        store::name(connection, &new).await?;
        named.extend(store::named(connection, &new).await?);
    }
    Ok(named)
}

/// Drops what is older than `keep` says; how many partitions.
pub async fn tidy(pool: &PgPool, keep: Keep, today: NaiveDate) -> Result<i32, sqlx::Error> {
    let first_kept = |days: u16| today.checked_sub_days(Days::new(days.into())).unwrap_or(today);
    let kept = [keep.minutes_days, keep.hours_days, keep.days].map(first_kept);
    store::drop_before(pool, kept).await
}

/// Since when the rows of a level are kept.
#[must_use]
pub fn kept_from(keep: Keep, level: Level, now: DateTime<Utc>) -> DateTime<Utc> {
    let days = match level {
        Level::Minute => keep.minutes_days,
        Level::Hour => keep.hours_days,
        Level::Day => keep.days,
    };
    Level::Day.begin(now) - TimeDelta::days(days.into())
}

/// Makes room for the rows of a day.
pub async fn make_parts(pool: &PgPool, day: NaiveDate) -> Result<(), sqlx::Error> {
    store::make_parts(pool, day).await
}
