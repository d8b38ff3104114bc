//! Keeps runs and their samples. The only SQL of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::{SpeedRunId, SpeedScheduleId};
use crate::odoo::Way;
use crate::speed_test::model::{Failure, TestType};
use crate::speed_test::runs::history::Point;
use crate::speed_test::runs::sample::{Parts, Run, RunState, Sample};
use crate::speed_test::runs::search::Filter;
use crate::speed_test::store::try_lock;

/// Earlier runs that a new one is held against.
const BASELINE_RUNS: i64 = 10;

struct Row {
    id: SpeedRunId,
    target: String,
    kind: String,
    is_cold: bool,
    ways: Vec<String>,
    samples: i32,
    state: String,
    model: Option<String>,
    odoo_version: Option<String>,
    bridge_version: String,
    started_by: String,
    schedule_id: Option<SpeedScheduleId>,
    cancelled_by: Option<String>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

fn way_of(word: &str) -> Result<Way> {
    let way = Way::ALL.into_iter().find(|way| way.as_str() == word);
    way.ok_or_else(|| AppError::internal("a way of an unknown name is stored"))
}

impl TryFrom<Row> for Run {
    type Error = AppError;

    fn try_from(row: Row) -> Result<Self> {
        let unknown = || AppError::internal("a speed run of an unknown kind is stored");
        Ok(Self {
            id: row.id,
            target: row.target,
            kind: TestType::from_word(&row.kind).ok_or_else(unknown)?,
            is_cold: row.is_cold,
            ways: row.ways.iter().map(|word| way_of(word)).collect::<Result<_>>()?,
            samples: u16::try_from(row.samples).unwrap_or(u16::MAX),
            state: RunState::from_word(&row.state).ok_or_else(unknown)?,
            model: row.model,
            odoo_version: row.odoo_version,
            bridge_version: row.bridge_version,
            started_by: row.started_by,
            schedule: row.schedule_id,
            cancelled_by: row.cancelled_by,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

/// Keeps a run that begins now, whose target is locked: what is said to run there does not.
pub(super) async fn begin(connection: &mut PgConnection, run: &Run) -> Result<()> {
    interrupt(connection, &run.target).await?;
    let ways: Vec<String> = run.ways.iter().map(|way| way.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO speed_runs (id, target, kind, is_cold, ways, samples, state, bridge_version, started_by, started_at,
                                 schedule_id)
         VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, (SELECT id FROM speed_schedules WHERE id = $10))",
        run.id.0,
        run.target,
        run.kind.as_str(),
        run.is_cold,
        &ways,
        i32::from(run.samples),
        run.bridge_version,
        run.started_by,
        run.started_at,
        run.schedule.map(|id| id.0),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn interrupt(connection: &mut PgConnection, target: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE speed_runs SET state = 'interrupted', ended_at = now() WHERE target = $1 AND state = 'running'",
        target
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Runs that are said to go on and whose lock nobody holds were cut: says so.
pub(super) async fn settle(pool: &PgPool) -> Result<()> {
    let targets = sqlx::query_scalar!("SELECT DISTINCT target FROM speed_runs WHERE state = 'running'")
        .fetch_all(pool)
        .await?;
    for target in targets {
        let mut transaction = pool.begin().await?;
        if try_lock(&mut transaction, &target).await? {
            interrupt(&mut transaction, &target).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}

/// Whether a run is to go on. Asked over the connection of its lock, which so stays open.
pub(super) async fn goes_on(connection: &mut PgConnection, id: SpeedRunId) -> Result<bool> {
    let goes_on = sqlx::query_scalar!(
        r#"SELECT state = 'running' AND cancelled_by IS NULL AS "goes_on!" FROM speed_runs WHERE id = $1"#,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(goes_on.unwrap_or(false))
}

/// Tells a run to end; whether there was one that went on.
pub(super) async fn cancel(connection: &mut PgConnection, id: SpeedRunId, by: &str) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE speed_runs SET cancelled_by = coalesce(cancelled_by, $2) WHERE id = $1 AND state = 'running'",
        id.0,
        by
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What a run learnt before its first sample.
pub(super) async fn describe(pool: &PgPool, id: SpeedRunId, version: Option<&str>, model: Option<&str>) -> Result<()> {
    sqlx::query!(
        "UPDATE speed_runs SET odoo_version = $2, model = $3 WHERE id = $1",
        id.0,
        version,
        model
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends a run; whether it went on. By the clock: the transaction may be as old as the run.
pub(super) async fn end(connection: &mut PgConnection, id: SpeedRunId, state: RunState) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE speed_runs SET state = $2, ended_at = clock_timestamp() WHERE id = $1 AND state = 'running'",
        id.0,
        state.as_str()
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps a sample.
pub(super) async fn insert_sample(pool: &PgPool, sample: &Sample) -> Result<()> {
    let parts = &sample.parts;
    sqlx::query!(
        "INSERT INTO speed_samples (run_id, way, number, connect_ms, authenticate_ms, queue_ms, odoo_ms, transfer_ms,
                                    total_ms, records, bytes, error_code, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        sample.run.0,
        sample.way.as_str(),
        i32::from(sample.number),
        parts.connect,
        parts.authenticate,
        parts.queue,
        parts.odoo,
        parts.transfer,
        parts.total,
        sample.records,
        sample.bytes,
        sample.failure.as_ref().map(|failure| failure.code.as_str()),
        sample.failure.as_ref().map(|failure| failure.message.as_str()),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A run.
pub(super) async fn find(pool: &PgPool, id: SpeedRunId) -> Result<Option<Run>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id: SpeedRunId", target, kind, is_cold, ways, samples, state, model, odoo_version,
                  bridge_version, started_by, schedule_id AS "schedule_id: SpeedScheduleId", cancelled_by,
                  started_at, ended_at
           FROM speed_runs WHERE id = $1"#,
        id.0
    )
    .fetch_optional(pool)
    .await?;
    row.map(Run::try_from).transpose()
}

/// Runs that a filter finds, the newest first.
pub(super) async fn list(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<Run>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id: SpeedRunId", target, kind, is_cold, ways, samples, state, model, odoo_version,
                  bridge_version, started_by, schedule_id AS "schedule_id: SpeedScheduleId", cancelled_by,
                  started_at, ended_at
           FROM speed_runs
           WHERE ($1::text IS NULL OR kind = $1)
             AND ($2::boolean IS NULL OR is_cold = $2)
             AND ($3::text IS NULL OR $3 = ANY(ways))
             AND ($4::text IS NULL OR state = $4)
             AND ($5::text IS NULL OR started_by = $5)
             AND ($6::text IS NULL OR target = $6)
             AND ($7::uuid IS NULL OR schedule_id = $7)
             AND ($8::timestamptz IS NULL OR started_at >= $8)
             AND ($9::timestamptz IS NULL OR started_at < $9)
             AND ($10::uuid IS NULL OR id < $10)
           ORDER BY id DESC LIMIT $11"#,
        filter.kind.map(TestType::as_str),
        filter.is_cold,
        filter.way.map(Way::as_str),
        filter.state.map(RunState::as_str),
        filter.by,
        filter.odoo,
        filter.schedule.map(|id| id.0),
        filter.from,
        filter.until,
        filter.before.map(|id| id.0),
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Run::try_from).collect()
}

/// What these runs (the newest first) came to by each of their ways, oldest first; of a way
/// that nothing answered, nothing.
pub(super) async fn points(pool: &PgPool, runs: Vec<Run>) -> Result<Vec<Point>> {
    let ids: Vec<uuid::Uuid> = runs.iter().map(|run| run.id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT run_id AS "run_id: SpeedRunId", way,
                  percentile_disc(0.5) WITHIN GROUP (ORDER BY greatest(total_ms - queue_ms, 0)) AS "p50!",
                  percentile_disc(0.95) WITHIN GROUP (ORDER BY greatest(total_ms - queue_ms, 0)) AS "p95!"
           FROM speed_samples WHERE error_code IS NULL AND run_id = ANY($1)
           GROUP BY run_id, way ORDER BY run_id, way"#,
        &ids
    )
    .fetch_all(pool)
    .await?;
    let runs: HashMap<SpeedRunId, Run> = runs.into_iter().map(|run| (run.id, run)).collect();
    let points = rows.into_iter().filter_map(|row| {
        let run = runs.get(&row.run_id)?;
        let point = way_of(&row.way).map(|way| Point {
            run: run.id,
            at: run.started_at,
            kind: run.kind_measured(),
            way,
            p50: row.p50,
            p95: row.p95,
        });
        Some(point)
    });
    points.collect()
}

/// Every Odoo that was measured.
pub(super) async fn targets(pool: &PgPool) -> Result<Vec<String>> {
    let targets = sqlx::query_scalar!("SELECT DISTINCT target FROM speed_runs ORDER BY target")
        .fetch_all(pool)
        .await?;
    Ok(targets)
}

/// All samples of these runs, in the order in which they were taken.
pub(super) async fn samples(pool: &PgPool, runs: &[SpeedRunId]) -> Result<Vec<Sample>> {
    let ids: Vec<uuid::Uuid> = runs.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT run_id AS "run_id: SpeedRunId", way, number, connect_ms, authenticate_ms, queue_ms, odoo_ms,
                  transfer_ms, total_ms, records, bytes, error_code, error
           FROM speed_samples WHERE run_id = ANY($1) ORDER BY run_id, number, way"#,
        &ids
    )
    .fetch_all(pool)
    .await?;
    let sample = rows.into_iter().map(|row| {
        Ok(Sample {
            run: row.run_id,
            way: way_of(&row.way)?,
            number: u16::try_from(row.number).unwrap_or(u16::MAX),
            parts: Parts {
                connect: row.connect_ms,
                authenticate: row.authenticate_ms,
                queue: row.queue_ms,
                odoo: row.odoo_ms,
                transfer: row.transfer_ms,
                total: row.total_ms,
            },
            records: row.records,
            bytes: row.bytes,
            failure: row.error_code.map(|word| Failure {
                // A code that a later version stored must not hide the run.
                code: serde_json::from_value(serde_json::Value::String(word)).unwrap_or(ErrorCode::OdooError),
                message: row.error.unwrap_or_default(),
            }),
        })
    });
    sample.collect()
}

/// The median of each way over the samples of the last runs that finished before `before`
/// (`None`: all), at the same Odoo and of the same kind. Milliseconds, without the waiting.
pub(super) async fn baseline(
    pool: &PgPool,
    target: &str,
    kind: TestType,
    is_cold: bool,
    before: Option<SpeedRunId>,
) -> Result<Vec<(Way, f64)>> {
    let rows = sqlx::query!(
        r#"SELECT way, percentile_disc(0.5) WITHIN GROUP (ORDER BY total_ms - queue_ms) AS "p50!"
           FROM speed_samples
           WHERE error_code IS NULL AND run_id IN (
               SELECT id FROM speed_runs
               WHERE target = $1 AND kind = $2 AND is_cold = $3 AND state = 'finished' AND ($4::uuid IS NULL OR id < $4)
               ORDER BY id DESC LIMIT $5)
           GROUP BY way"#,
        target,
        kind.as_str(),
        is_cold,
        before.map(|id| id.0),
        BASELINE_RUNS,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| Ok((way_of(&row.way)?, row.p50))).collect()
}
