//! The call records' SQL.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;

use crate::calls::model::{CALLS_COUNTED, KeyCalls, RECENT_CALLS, RecentCall};
use crate::calls::records::{CallRecord, Numbered};
use crate::calls::usage;
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::last_used;
use crate::traffic::rollup;

/// Makes the partitions of a day, unless they are there.
pub(super) async fn make_day(pool: &PgPool, day: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT call_records_make_day($1)", day)
        .execute(pool)
        .await?;
    rollup::make_parts(pool, day).await
}

/// Drops the partitions of the days before `first_kept`; how many.
pub(super) async fn drop_days_before(pool: &PgPool, first_kept: NaiveDate) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT call_records_drop_before($1) AS "dropped!""#, first_kept)
        .fetch_one(pool)
        .await
}

/// Drops the oldest days, but not `today`, until all are no larger than `most_bytes`; how many.
pub(super) async fn drop_days_above(pool: &PgPool, most_bytes: i64, today: NaiveDate) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT call_records_drop_above($1, $2) AS "dropped!""#,
        most_bytes,
        today
    )
    .fetch_one(pool)
    .await
}

/// Writes a batch, how often its keys were used and what for, their last use, and what the page of
/// use counts, all or nothing. Records that are there already change nothing. Only calls that went to Odoo
/// are uses.
pub(super) async fn write(pool: &PgPool, batch: &[Numbered]) -> Result<(), sqlx::Error> {
    let columns = Columns::of(batch);
    let mut transaction = pool.begin().await?;
    // Nearly always all of them: then their ids need not come back.
    let inserted = sqlx::query!(
        r#"WITH inserted AS (
         INSERT INTO call_records (called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms,
                answer_bytes, request_id, address, queue_ms, policy_ms, stream_ms, reason, now_called, fields_ms)
         SELECT called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms, answer_bytes, request_id,
                address::inet, queue_ms, policy_ms, stream_ms, reason, now_called, fields_ms
         FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::real[], $9::real[], $10::bigint[], $11::text[], $12::text[], $13::real[], $14::real[], $15::real[],
                $16::text[], $17::text[], $18::real[])
            AS batch (called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms, answer_bytes,
                request_id, address, queue_ms, policy_ms, stream_ms, reason, now_called, fields_ms)
         ON CONFLICT DO NOTHING
         RETURNING id, api_key_id, called_at, way),
         used AS (
         INSERT INTO key_uses (api_key_id, day, calls)
         SELECT api_key_id, (called_at AT TIME ZONE 'utc')::date, count(*) FROM inserted
         WHERE way IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
         ON CONFLICT (api_key_id, day) DO UPDATE SET calls = key_uses.calls + EXCLUDED.calls)
         SELECT CASE WHEN (SELECT count(*) FROM inserted) < cardinality($2::uuid[])
                     THEN ARRAY(SELECT id FROM inserted) END AS some"#,
        &columns.called_at,
        &columns.id,
        &columns.api_key_id,
        &columns.model as &[Option<&str>],
        &columns.method as &[Option<&str>],
        &columns.code as &[&str],
        &columns.way as &[Option<&str>],
        &columns.duration_ms,
        &columns.odoo_ms as &[Option<f32>],
        &columns.answer_bytes,
        &columns.request_id as &[&str],
        &columns.address as &[Option<String>],
        &columns.queue_ms as &[Option<f32>],
        &columns.policy_ms as &[Option<f32>],
        &columns.stream_ms as &[Option<f32>],
        &columns.reason as &[Option<&str>],
        &columns.now_called as &[Option<&str>],
        &columns.fields_ms as &[Option<f32>],
    )
    .fetch_one(&mut *transaction)
    .await?;
    let some: Option<HashSet<uuid::Uuid>> = inserted.some.map(|some| some.into_iter().collect());
    let new: Vec<&CallRecord> = batch
        .iter()
        .filter(|of| some.as_ref().is_none_or(|some| some.contains(&of.id)))
        .map(|of| &of.record)
        .collect();
    usage::store::add(&mut transaction, &new).await?;
    last_used::touch(&mut transaction, &uses(batch)).await?;
    // The last one: its rows are locked by every batch of every instance.
    rollup::add(&mut transaction, &new).await?;
    transaction.commit().await
}

/// The last use of each key in a batch.
fn uses(batch: &[Numbered]) -> Vec<(ApiKeyId, DateTime<Utc>)> {
    let mut uses: HashMap<ApiKeyId, DateTime<Utc>> = HashMap::new();
    for record in batch.iter().map(|of| &of.record).filter(|record| record.is_use) {
        let at = uses.entry(record.api_key_id).or_insert(record.called_at);
        *at = (*at).max(record.called_at);
    }
    uses.into_iter().collect()
}

/// A batch, turned: one array for each column.
struct Columns<'a> {
    called_at: Vec<DateTime<Utc>>,
    id: Vec<uuid::Uuid>,
    api_key_id: Vec<uuid::Uuid>,
    model: Vec<Option<&'a str>>,
    method: Vec<Option<&'a str>>,
    code: Vec<&'a str>,
    way: Vec<Option<&'a str>>,
    duration_ms: Vec<f32>,
    odoo_ms: Vec<Option<f32>>,
    answer_bytes: Vec<i64>,
    request_id: Vec<&'a str>,
    address: Vec<Option<String>>,
    queue_ms: Vec<Option<f32>>,
    policy_ms: Vec<Option<f32>>,
    stream_ms: Vec<Option<f32>>,
    reason: Vec<Option<&'a str>>,
    now_called: Vec<Option<&'a str>>,
    fields_ms: Vec<Option<f32>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Numbered]) -> Self {
        let records = || batch.iter().map(|of| &of.record);
        let ms = |duration: std::time::Duration| duration.as_secs_f32() * 1_000.0;
        Self {
            called_at: records().map(|record| record.called_at).collect(),
            id: batch.iter().map(|of| of.id).collect(),
            api_key_id: records().map(|record| record.api_key_id.0).collect(),
            model: records().map(|record| record.model.as_deref()).collect(),
            method: records().map(|record| record.method.as_deref()).collect(),
            code: records().map(|record| &*record.code).collect(),
            way: records().map(|record| record.way.as_deref()).collect(),
            duration_ms: records().map(|record| ms(record.duration)).collect(),
            odoo_ms: records().map(|record| record.odoo.map(ms)).collect(),
            answer_bytes: records()
                .map(|record| i64::try_from(record.answer_bytes).unwrap_or(i64::MAX))
                .collect(),
            request_id: records().map(|record| &*record.request_id).collect(),
            address: records()
                .map(|record| record.address.map(|address| address.to_string()))
                .collect(),
            queue_ms: records().map(|record| record.queue.map(ms)).collect(),
            policy_ms: records().map(|record| record.policy.map(ms)).collect(),
            stream_ms: records().map(|record| record.stream.map(ms)).collect(),
            reason: records().map(|record| record.reason.as_deref()).collect(),
            now_called: records().map(|record| record.now_called.as_deref()).collect(),
            fields_ms: records().map(|record| record.fields.map(ms)).collect(),
        }
    }
}

/// The newest calls of a key, and how many there were in the last 24 hours.
pub(super) async fn of_key(pool: &PgPool, id: ApiKeyId) -> Result<KeyCalls> {
    let rows = sqlx::query!(
        "SELECT called_at, model, method, code, way, duration_ms, odoo_ms, answer_bytes, request_id,
                host(address) AS address
         FROM call_records WHERE api_key_id = $1 ORDER BY called_at DESC, id DESC LIMIT $2",
        id.0,
        i64::from(RECENT_CALLS),
    )
    .fetch_all(pool)
    .await?;
    let counts = sqlx::query!(
        r#"SELECT count(*) AS "calls!", count(*) FILTER (WHERE code <> 'ok') AS "failures!"
           FROM (
               SELECT code FROM call_records
               WHERE api_key_id = $1 AND called_at > now() - interval '24 hours'
               ORDER BY called_at DESC LIMIT $2
           ) AS newest"#,
        id.0,
        i64::from(CALLS_COUNTED),
    )
    .fetch_one(pool)
    .await?;
    let recent = rows.into_iter().map(|row| RecentCall {
        called_at: row.called_at,
        model: row.model,
        method: row.method,
        code: row.code,
        way: row.way,
        duration_ms: row.duration_ms,
        odoo_ms: row.odoo_ms,
        answer_bytes: u64::try_from(row.answer_bytes).unwrap_or(0),
        request_id: row.request_id,
        address: row.address,
    });
    Ok(KeyCalls {
        recent: recent.collect(),
        calls_24h: u64::try_from(counts.calls).unwrap_or(0),
        failures_24h: u64::try_from(counts.failures).unwrap_or(0),
    })
}
