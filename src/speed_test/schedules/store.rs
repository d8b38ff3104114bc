//! Keeps schedules and alert rules. The only SQL of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{AlertRuleId, SpeedRunId, SpeedScheduleId};
use crate::odoo::Way;
use crate::speed_test::model::TestType;
use crate::speed_test::runs::plan::Plan;
use crate::speed_test::schedules::model::{Above, NewSchedule, Rule, Schedule};

/// Runs that a rule takes for its baseline.
const BASELINE_RUNS: i64 = 10;

struct Row {
    id: SpeedScheduleId,
    name: String,
    target: String,
    kind: String,
    is_cold: bool,
    ways: Vec<String>,
    samples: i32,
    every_secs: i64,
    next_at: DateTime<Utc>,
    is_paused: bool,
    created_by: String,
}

fn way_of(word: &str) -> Result<Way> {
    let way = Way::ALL.into_iter().find(|way| way.as_str() == word);
    way.ok_or_else(|| AppError::internal("a way of an unknown name is stored"))
}

impl TryFrom<Row> for Schedule {
    type Error = AppError;

    fn try_from(row: Row) -> Result<Self> {
        let unknown = || AppError::internal("a speed schedule of an unknown kind is stored");
        Ok(Self {
            id: row.id,
            name: row.name,
            target: row.target,
            plan: Plan {
                kind: TestType::from_word(&row.kind).ok_or_else(unknown)?,
                is_cold: row.is_cold,
                ways: row.ways.iter().map(|word| way_of(word)).collect::<Result<_>>()?,
                samples: u16::try_from(row.samples).unwrap_or(u16::MAX),
            },
            every_secs: row.every_secs,
            next_at: row.next_at,
            is_paused: row.is_paused,
            created_by: row.created_by,
        })
    }
}

fn words(plan: &Plan) -> Vec<String> {
    plan.ways.iter().map(|way| way.as_str().to_owned()).collect()
}

/// A name is somebody else's, told in words.
fn taken(error: sqlx::Error) -> AppError {
    let is_taken = |error: &dyn sqlx::error::DatabaseError| error.constraint() == Some("speed_schedules_name_key");
    if error.as_database_error().is_some_and(is_taken) {
        return AppError::new(ErrorCode::Conflict, "Name: there is a schedule of this name already.");
    }
    error.into()
}

/// All, by name.
pub(super) async fn list(pool: &PgPool) -> Result<Vec<Schedule>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id: SpeedScheduleId", name, target, kind, is_cold, ways, samples, every_secs, next_at,
                  is_paused, created_by
           FROM speed_schedules ORDER BY name"#
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Schedule::try_from).collect()
}

/// How many there are.
pub(super) async fn count(connection: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM speed_schedules"#)
        .fetch_one(connection)
        .await?;
    Ok(count)
}

/// One, locked until the transaction ends.
pub(super) async fn find(connection: &mut PgConnection, id: SpeedScheduleId) -> Result<Option<Schedule>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id: SpeedScheduleId", name, target, kind, is_cold, ways, samples, every_secs, next_at,
                  is_paused, created_by
           FROM speed_schedules WHERE id = $1 FOR UPDATE"#,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    row.map(Schedule::try_from).transpose()
}

/// Keeps a new one, whose first run is due.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: SpeedScheduleId,
    new: &NewSchedule,
    target: &str,
    by: &str,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO speed_schedules (id, name, target, kind, is_cold, ways, samples, every_secs, next_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9)",
        id.0,
        new.name,
        target,
        new.plan.kind.as_str(),
        new.plan.is_cold,
        &words(&new.plan),
        i32::from(new.plan.samples),
        new.every_secs,
        by,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Changes all of it; the next run is no further away than the new pause.
pub(super) async fn update(connection: &mut PgConnection, id: SpeedScheduleId, new: &NewSchedule) -> Result<()> {
    sqlx::query!(
        "UPDATE speed_schedules
         SET name = $2, kind = $3, is_cold = $4, ways = $5, samples = $6, every_secs = $7,
             next_at = least(next_at, now() + make_interval(secs => $7::bigint))
         WHERE id = $1",
        id.0,
        new.name,
        new.plan.kind.as_str(),
        new.plan.is_cold,
        &words(&new.plan),
        i32::from(new.plan.samples),
        new.every_secs,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

pub(super) async fn set_paused(connection: &mut PgConnection, id: SpeedScheduleId, is_paused: bool) -> Result<()> {
    sqlx::query!(
        "UPDATE speed_schedules SET is_paused = $2, next_at = CASE WHEN $2 THEN next_at ELSE now() END WHERE id = $1",
        id.0,
        is_paused
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, id: SpeedScheduleId) -> Result<()> {
    sqlx::query!("DELETE FROM speed_schedules WHERE id = $1", id.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// A schedule whose time has come, for this instance alone.
pub(super) struct Due {
    pub(super) schedule: Schedule,
    /// The time that has come; the schedule itself has the next one already.
    pub(super) at: DateTime<Utc>,
    /// How late it is, in seconds, by the database's clock.
    pub(super) late_secs: f64,
}

/// Takes the schedule at `target` whose time came first, if there is one, and moves it on to
/// the next time that is not over: those between are skipped.
pub(super) async fn claim(pool: &PgPool, target: &str) -> Result<Option<Due>> {
    let row = sqlx::query!(
        r#"WITH due AS (
               SELECT id, next_at, extract(epoch FROM now() - next_at)::float8 AS late_secs
               FROM speed_schedules
               WHERE target = $1 AND NOT is_paused AND next_at <= now()
               ORDER BY next_at FOR UPDATE SKIP LOCKED LIMIT 1)
           UPDATE speed_schedules AS schedule
           SET next_at = due.next_at + make_interval(secs =>
                   schedule.every_secs * (floor(due.late_secs / schedule.every_secs) + 1))
           FROM due WHERE schedule.id = due.id
           RETURNING schedule.id AS "id: SpeedScheduleId", name, target, kind, is_cold, ways, samples, every_secs,
                     schedule.next_at, is_paused, created_by, due.next_at AS "due_at!", due.late_secs AS "late_secs!""#,
        target
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let schedule = Row {
        id: row.id,
        name: row.name,
        target: row.target,
        kind: row.kind,
        is_cold: row.is_cold,
        ways: row.ways,
        samples: row.samples,
        every_secs: row.every_secs,
        next_at: row.next_at,
        is_paused: row.is_paused,
        created_by: row.created_by,
    };
    Ok(Some(Due {
        schedule: schedule.try_into()?,
        at: row.due_at,
        late_secs: row.late_secs,
    }))
}

/// Gives a time back that could not be used, unless somebody changed the schedule meanwhile.
pub(super) async fn give_back(pool: &PgPool, due: &Due) -> Result<()> {
    sqlx::query!(
        "UPDATE speed_schedules SET next_at = $2 WHERE id = $1 AND next_at = $3",
        due.schedule.id.0,
        due.at,
        due.schedule.next_at
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Throws runs and tests away that began more than so many days ago.
pub(super) async fn tidy(pool: &PgPool, days: u16) -> Result<u64> {
    let days = i32::from(days);
    let runs = sqlx::query!(
        "DELETE FROM speed_runs WHERE started_at < now() - make_interval(days => $1) AND state <> 'running'",
        days
    )
    .execute(pool)
    .await?;
    let tests = sqlx::query!(
        "DELETE FROM speed_tests WHERE tested_at < now() - make_interval(days => $1)",
        days
    )
    .execute(pool)
    .await?;
    Ok(runs.rows_affected() + tests.rows_affected())
}

fn above_of(over_ms: Option<f64>, over_percent: Option<f64>) -> Result<Above> {
    match (over_ms, over_percent) {
        (Some(ms), None) => Ok(Above::Threshold(ms)),
        (None, Some(percent)) => Ok(Above::Baseline(percent)),
        _ => Err(AppError::internal("an alert rule without its limit is stored")),
    }
}

/// All rules, the oldest first.
pub(super) async fn rules(pool: &PgPool) -> Result<Vec<Rule>> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: AlertRuleId", schedule_id AS "schedule_id: SpeedScheduleId", last_runs, over_ms,
                  over_percent, firing_since
           FROM alert_rules ORDER BY id"#
    )
    .fetch_all(pool)
    .await?;
    let rule = rows.into_iter().map(|row| {
        Ok(Rule {
            id: row.id,
            schedule: row.schedule_id,
            last_runs: u8::try_from(row.last_runs).unwrap_or(u8::MAX),
            above: above_of(row.over_ms, row.over_percent)?,
            firing_since: row.firing_since,
        })
    });
    rule.collect()
}

pub(super) async fn count_rules(connection: &mut PgConnection, schedule: SpeedScheduleId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM alert_rules WHERE schedule_id = $1"#,
        schedule.0
    )
    .fetch_one(connection)
    .await?;
    Ok(count)
}

pub(super) async fn insert_rule(
    connection: &mut PgConnection,
    schedule: SpeedScheduleId,
    last_runs: u8,
    above: Above,
    by: &str,
) -> Result<()> {
    let (over_ms, over_percent) = match above {
        Above::Threshold(ms) => (Some(ms), None),
        Above::Baseline(percent) => (None, Some(percent)),
    };
    sqlx::query!(
        "INSERT INTO alert_rules (id, schedule_id, last_runs, over_ms, over_percent, created_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        schedule.0,
        i32::from(last_runs),
        over_ms,
        over_percent,
        by
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a rule; what it was.
pub(super) async fn remove_rule(connection: &mut PgConnection, id: AlertRuleId) -> Result<Option<Rule>> {
    let row = sqlx::query!(
        r#"DELETE FROM alert_rules WHERE id = $1
           RETURNING schedule_id AS "schedule_id: SpeedScheduleId", last_runs, over_ms, over_percent, firing_since"#,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    let rule = row.map(|row| {
        Ok(Rule {
            id,
            schedule: row.schedule_id,
            last_runs: u8::try_from(row.last_runs).unwrap_or(u8::MAX),
            above: above_of(row.over_ms, row.over_percent)?,
            firing_since: row.firing_since,
        })
    });
    rule.transpose()
}

/// What a rule holds the ways against since it fires: milliseconds by the word of the way.
pub(super) type Limits = HashMap<String, f64>;

/// The rules of a schedule, locked until the transaction ends, each with its limits while it
/// fires.
pub(super) async fn rules_to_judge(
    connection: &mut PgConnection,
    schedule: SpeedScheduleId,
) -> Result<Vec<(Rule, Option<Limits>)>> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: AlertRuleId", last_runs, over_ms, over_percent, firing_since,
                  limits AS "limits: Json<Limits>"
           FROM alert_rules WHERE schedule_id = $1 ORDER BY id FOR UPDATE"#,
        schedule.0
    )
    .fetch_all(connection)
    .await?;
    let rule = rows.into_iter().map(|row| {
        let rule = Rule {
            id: row.id,
            schedule,
            last_runs: u8::try_from(row.last_runs).unwrap_or(u8::MAX),
            above: above_of(row.over_ms, row.over_percent)?,
            firing_since: row.firing_since,
        };
        Ok((rule, row.limits.map(|limits| limits.0)))
    });
    rule.collect()
}

/// The finished runs of a schedule that measured what its run `as_run` did, that one and
/// those before it, the newest first.
pub(super) async fn finished_runs(connection: &mut PgConnection, as_run: SpeedRunId, most: u8) -> Result<Vec<Uuid>> {
    let runs = sqlx::query_scalar!(
        "SELECT earlier.id FROM speed_runs AS run JOIN speed_runs AS earlier
             ON earlier.schedule_id = run.schedule_id AND earlier.target = run.target
                AND earlier.kind = run.kind AND earlier.is_cold = run.is_cold AND earlier.id <= run.id
         WHERE run.id = $1 AND earlier.state = 'finished'
         ORDER BY earlier.id DESC LIMIT $2",
        as_run.0,
        i64::from(most) + BASELINE_RUNS
    )
    .fetch_all(connection)
    .await?;
    Ok(runs)
}

/// p95 of each way over the samples of these runs together, without the waiting.
pub(super) async fn p95(connection: &mut PgConnection, runs: &[Uuid]) -> Result<Vec<(Way, f64)>> {
    let rows = sqlx::query!(
        r#"SELECT way, percentile_disc(0.95) WITHIN GROUP (ORDER BY greatest(total_ms - queue_ms, 0)) AS "p95!"
           FROM speed_samples WHERE error_code IS NULL AND run_id = ANY($1) GROUP BY way ORDER BY way"#,
        runs
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((way_of(&row.way)?, row.p95))).collect()
}

/// A rule fires from now on (with the limits that it has to come back to), or does not.
/// Since when.
pub(super) async fn set_firing(
    connection: &mut PgConnection,
    id: AlertRuleId,
    limits: Option<Limits>,
) -> Result<DateTime<Utc>> {
    let limits = limits.map(Json);
    let now = sqlx::query_scalar!(
        r#"UPDATE alert_rules
           SET limits = $2, firing_since = CASE WHEN $2::jsonb IS NULL THEN NULL ELSE clock_timestamp() END
           WHERE id = $1 RETURNING clock_timestamp() AS "now!""#,
        id.0,
        limits as Option<Json<Limits>>
    )
    .fetch_one(connection)
    .await?;
    Ok(now)
}
