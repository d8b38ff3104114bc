//! Keeps the runs of speed tests. The only SQL of this feature.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::error::{AppError, ErrorCode, Result};
use crate::ids::SpeedTestId;
use crate::speed_test::model::{Failure, HistoryQuery, LastRuns, RUNS_PER_PAGE, SpeedTest, TestType};

/// A row as the database has it.
struct Row {
    id: SpeedTestId,
    target: String,
    test_type: String,
    latency_ms: f64,
    authenticate_ms: Option<f64>,
    query_ms: Option<f64>,
    model: Option<String>,
    record_count: Option<i32>,
    error_code: Option<String>,
    error: Option<String>,
    details: Option<String>,
    tested_at: DateTime<Utc>,
}

impl TryFrom<Row> for SpeedTest {
    type Error = AppError;

    fn try_from(row: Row) -> Result<Self> {
        let test_type = TestType::from_word(&row.test_type)
            .ok_or_else(|| AppError::internal("a speed test of an unknown type is stored"))?;
        let failure = row.error_code.map(|word| Failure {
            // A code that a later version stored must not hide the history.
            code: serde_json::from_value(serde_json::Value::String(word)).unwrap_or(ErrorCode::OdooError),
            message: row.error.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id,
            target: row.target,
            test_type,
            latency_ms: row.latency_ms,
            authenticate_ms: row.authenticate_ms,
            query_ms: row.query_ms,
            model: row.model,
            record_count: row.record_count,
            failure,
            details: row.details,
            tested_at: row.tested_at,
        })
    }
}

/// Takes the right to test `target` until the transaction of `connection` ends,
/// on whatever instance. `false`: another run has it.
pub(super) async fn try_lock(connection: &mut PgConnection, target: &str) -> Result<bool> {
    // The prefix keeps it apart from other advisory locks in this database.
    let name = format!("speed_tests {target}");
    let locked = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "locked!""#,
        name
    )
    .fetch_one(connection)
    .await?;
    Ok(locked)
}

/// Keeps a run.
pub(super) async fn insert(connection: &mut PgConnection, run: &SpeedTest) -> Result<()> {
    sqlx::query!(
        "INSERT INTO speed_tests (id, target, test_type, status, latency_ms, authenticate_ms, query_ms,
                                  model, record_count, error_code, error, details, tested_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        run.id.0,
        run.target,
        run.test_type.as_str(),
        run.status().as_str(),
        run.latency_ms,
        run.authenticate_ms,
        run.query_ms,
        run.model,
        run.record_count,
        run.failure.as_ref().map(|failure| failure.code.as_str()),
        run.failure.as_ref().map(|failure| failure.message.as_str()),
        run.details,
        run.tested_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many runs `query` finds on all pages.
pub(super) async fn count(pool: &PgPool, query: &HistoryQuery) -> Result<u64> {
    let found = sqlx::query_scalar!(
        r#"SELECT count(*) AS "found!" FROM speed_tests
           WHERE ($1::text IS NULL OR test_type = $1) AND ($2::text IS NULL OR status = $2)"#,
        query.test_type.map(TestType::as_str),
        query.status.map(|status| status.as_str()),
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(found).unwrap_or(0))
}

/// The runs of page `page` (from 1) of `query`, newest first.
pub(super) async fn list(pool: &PgPool, query: &HistoryQuery, page: u32) -> Result<Vec<SpeedTest>> {
    let offset = i64::from(page.saturating_sub(1)) * i64::from(RUNS_PER_PAGE);
    select(pool, query, RUNS_PER_PAGE, offset).await
}

/// The newest `limit` runs that `query` finds on all pages, newest first.
pub(super) async fn newest(pool: &PgPool, query: &HistoryQuery, limit: u32) -> Result<Vec<SpeedTest>> {
    select(pool, query, limit, 0).await
}

async fn select(pool: &PgPool, query: &HistoryQuery, limit: u32, offset: i64) -> Result<Vec<SpeedTest>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id AS "id: SpeedTestId", target, test_type, latency_ms, authenticate_ms, query_ms, model,
                  record_count, error_code, error, details, tested_at
           FROM speed_tests
           WHERE ($1::text IS NULL OR test_type = $1) AND ($2::text IS NULL OR status = $2)
           ORDER BY tested_at DESC, id DESC
           LIMIT $3 OFFSET $4"#,
        query.test_type.map(TestType::as_str),
        query.status.map(|status| status.as_str()),
        i64::from(limit),
        offset,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(SpeedTest::try_from).collect()
}

/// The last runs of `test_type` at `target`.
pub(super) async fn last(pool: &PgPool, target: &str, test_type: TestType) -> Result<LastRuns> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT DISTINCT ON (status) id AS "id: SpeedTestId", target, test_type, latency_ms, authenticate_ms,
                  query_ms, model, record_count, error_code, error, details, tested_at
           FROM speed_tests
           WHERE target = $1 AND test_type = $2
           ORDER BY status, tested_at DESC, id DESC"#,
        target,
        test_type.as_str(),
    )
    .fetch_all(pool)
    .await?;
    let mut last = LastRuns::default();
    for row in rows {
        let run = SpeedTest::try_from(row)?;
        if run.failure.is_none() {
            last.succeeded = Some(run);
        } else {
            last.failed_since = Some(run);
        }
    }
    let succeeded_at = last.succeeded.as_ref().map(|run| run.tested_at);
    last.failed_since = last
        .failed_since
        .filter(|run| succeeded_at.is_none_or(|at| run.tested_at > at));
    Ok(last)
}
