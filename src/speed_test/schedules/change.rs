//! Making, changing, pausing and removing schedules and their alert rules. Each is written
//! down in its own transaction.

use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::log::{Action, Actor, Change, record};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{AlertRuleId, SpeedScheduleId};
use crate::speed_test::schedules::model::{Above, NewSchedule, Rule, Schedule, in_words, rule_in_words};
use crate::speed_test::schedules::store;

/// The most schedules, and the most rules of one.
const MOST: i64 = 100;

fn nothing() -> AppError {
    AppError::new(ErrorCode::Conflict, "There is no such schedule any more.")
}

fn too_many() -> AppError {
    AppError::new(
        ErrorCode::Conflict,
        format!("There are {MOST} already, the most that there can be."),
    )
}

/// All schedules by name, each with its rules.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn list(pool: &PgPool) -> Result<Vec<(Schedule, Vec<Rule>)>> {
    let mut rules = store::rules(pool).await?;
    let schedules = store::list(pool).await?.into_iter().map(|schedule| {
        let own = rules.extract_if(.., |rule| rule.schedule == schedule.id).collect();
        (schedule, own)
    });
    Ok(schedules.collect())
}

/// Makes a schedule whose first run begins within a second.
///
/// # Errors
/// `conflict` if the name is taken or there are too many; `unavailable`, `internal`.
pub async fn create(pool: &PgPool, new: NewSchedule, target: String, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if store::count(&mut transaction).await? >= MOST {
        return Err(too_many());
    }
    let id = SpeedScheduleId(Uuid::now_v7());
    let email = by.user.as_ref().map_or("the command line", |user| &*user.email);
    store::insert(&mut transaction, id, &new, &target, email).await?;
    let told = in_words(&new.plan, new.every_secs);
    let change = Change {
        after: Some(&told),
        ..Change::of(Action::ScheduleMade, id.0, &new.name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Changes what a schedule does. Its next run begins one pause from now at the latest.
///
/// # Errors
/// `conflict` if it is gone or the name is taken; `unavailable`, `internal`.
pub async fn update(pool: &PgPool, id: SpeedScheduleId, new: NewSchedule, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let before = store::find(&mut transaction, id).await?.ok_or_else(nothing)?;
    store::update(&mut transaction, id, &new).await?;
    let (was, is) = (before.in_words(), in_words(&new.plan, new.every_secs));
    let change = Change {
        before: Some(&was),
        after: Some(&is),
        ..Change::of(Action::ScheduleChanged, id.0, &new.name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Pauses a schedule, or lets it go on: then its next run begins within a second.
///
/// # Errors
/// `conflict` if it is gone; `unavailable`, `internal`.
pub async fn set_paused(pool: &PgPool, id: SpeedScheduleId, is_paused: bool, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let schedule = store::find(&mut transaction, id).await?.ok_or_else(nothing)?;
    if schedule.is_paused == is_paused {
        return Ok(());
    }
    store::set_paused(&mut transaction, id, is_paused).await?;
    let action = if is_paused {
        Action::SchedulePaused
    } else {
        Action::ScheduleResumed
    };
    record(&mut transaction, by, Change::of(action, id.0, &schedule.name)).await?;
    Ok(transaction.commit().await?)
}

/// Removes a schedule and its rules. Its runs stay.
///
/// # Errors
/// `conflict` if it is gone; `unavailable`, `internal`.
pub async fn remove(pool: &PgPool, id: SpeedScheduleId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let schedule = store::find(&mut transaction, id).await?.ok_or_else(nothing)?;
    store::remove(&mut transaction, id).await?;
    let was = schedule.in_words();
    let change = Change {
        before: Some(&was),
        ..Change::of(Action::ScheduleRemoved, id.0, &schedule.name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Adds an alert rule to a schedule.
///
/// # Errors
/// `conflict` if the schedule is gone or has too many; `unavailable`, `internal`.
pub async fn add_rule(pool: &PgPool, id: SpeedScheduleId, last_runs: u8, above: Above, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let schedule = store::find(&mut transaction, id).await?.ok_or_else(nothing)?;
    if store::count_rules(&mut transaction, id).await? >= MOST {
        return Err(too_many());
    }
    let email = by.user.as_ref().map_or("the command line", |user| &*user.email);
    store::insert_rule(&mut transaction, id, last_runs, above, email).await?;
    let told = rule_in_words(last_runs, above);
    let change = Change {
        after: Some(&told),
        ..Change::of(Action::AlertRuleMade, id.0, &schedule.name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}

/// Removes an alert rule; if it fires, nobody is told that it is over.
///
/// # Errors
/// `conflict` if it is gone; `unavailable`, `internal`.
pub async fn remove_rule(pool: &PgPool, rule: AlertRuleId, by: &Actor) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let removed = store::remove_rule(&mut transaction, rule).await?.ok_or_else(nothing)?;
    let schedule = store::find(&mut transaction, removed.schedule)
        .await?
        .ok_or_else(nothing)?;
    let was = rule_in_words(removed.last_runs, removed.above);
    let change = Change {
        before: Some(&was),
        ..Change::of(Action::AlertRuleRemoved, schedule.id.0, &schedule.name)
    };
    record(&mut transaction, by, change).await?;
    Ok(transaction.commit().await?)
}
