//! The SQL of what keys called, without the values.

use std::collections::HashMap;

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};

use crate::calls::records::CallRecord;
use crate::error::Result;
use crate::ids::{ApiKeyId, PolicyId};
use crate::keys::policy::Shape;
use crate::keys::policy::usage::Used;

/// The most shapes that are kept of one key and day: what a program does is far fewer,
/// and what somebody tries out must not fill the table.
const SHAPES_OF_DAY_MAX: i64 = 200;
/// The most shapes that are read at once.
pub(super) const READ_MAX: i64 = 2_000;
/// Calls of so many days are looked at, today included.
pub(super) const USAGE_DAYS: i32 = 30;

/// What one row is of.
#[derive(PartialEq, Eq, Hash)]
struct Row<'a> {
    api_key_id: ApiKeyId,
    day: NaiveDate,
    model: &'a str,
    method: &'a str,
    shape: Option<&'a Shape>,
}

impl<'a> Row<'a> {
    /// `None` if Odoo did not do it: then it shows nothing of what a key needs.
    fn of(record: &'a CallRecord) -> Option<Self> {
        (record.way.is_some() && record.code == "ok").then_some(())?;
        Some(Self {
            api_key_id: record.api_key_id,
            day: record.called_at.date_naive(),
            model: record.model.as_deref()?,
            method: record.method.as_deref()?,
            shape: record.shape.as_deref(),
        })
    }

    fn hash(&self) -> Vec<u8> {
        let (args, kwargs) = self.shape.map_or(("", ""), |shape| (&shape.args, &shape.kwargs));
        let parts = [self.model, self.method, args, kwargs];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().to_vec()
    }
}

/// Adds what records called.
pub(in crate::calls) async fn add(connection: &mut PgConnection, records: &[&CallRecord]) -> Result<(), sqlx::Error> {
    let mut counts: HashMap<Row<'_>, i64> = HashMap::new();
    for row in records.iter().filter_map(|record| Row::of(record)) {
        *counts.entry(row).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<_> = counts.iter().map(|(row, calls)| (row, row.hash(), *calls)).collect();
    // In one order, so that two instances do not wait for each other.
    rows.sort_unstable_by(|(one, one_hash, _), (other, other_hash, _)| {
        (one.api_key_id.0, one.day, one_hash).cmp(&(other.api_key_id.0, other.day, other_hash))
    });
    let keys: Vec<_> = rows.iter().map(|(row, ..)| row.api_key_id.0).collect();
    let days: Vec<_> = rows.iter().map(|(row, ..)| row.day).collect();
    let hashes: Vec<_> = rows.iter().map(|(_, hash, _)| hash.clone()).collect();
    let models: Vec<_> = rows.iter().map(|(row, ..)| row.model).collect();
    let methods: Vec<_> = rows.iter().map(|(row, ..)| row.method).collect();
    let args: Vec<_> = rows
        .iter()
        .map(|(row, ..)| row.shape.map(|shape| &*shape.args))
        .collect();
    let kwargs: Vec<_> = rows
        .iter()
        .map(|(row, ..)| row.shape.map(|shape| &*shape.kwargs))
        .collect();
    let calls: Vec<_> = rows.iter().map(|(_, _, calls)| *calls).collect();
    sqlx::query!(
        "INSERT INTO call_shapes (api_key_id, day, hash, model, method, args, kwargs, calls)
         SELECT api_key_id, day, hash, model, method, args, kwargs, calls
         FROM (
            SELECT *, row_number() OVER (PARTITION BY api_key_id, day) AS number
            FROM unnest($1::uuid[], $2::date[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
                AS batch (api_key_id, day, hash, model, method, args, kwargs, calls)
         ) AS batch
         WHERE EXISTS (
                SELECT FROM call_shapes AS kept
                WHERE kept.api_key_id = batch.api_key_id AND kept.day = batch.day AND kept.hash = batch.hash
            )
            OR number + (
                SELECT count(*) FROM call_shapes AS kept
                WHERE kept.api_key_id = batch.api_key_id AND kept.day = batch.day
            ) <= $9
         ORDER BY api_key_id, day, hash
         ON CONFLICT (api_key_id, day, hash) DO UPDATE SET calls = call_shapes.calls + EXCLUDED.calls",
        &keys,
        &days,
        &hashes,
        &models as &[&str],
        &methods as &[&str],
        &args as &[Option<&str>],
        &kwargs as &[Option<&str>],
        &calls,
        SHAPES_OF_DAY_MAX,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Drops what was called before a day.
pub(in crate::calls) async fn drop_days_before(pool: &PgPool, first_kept: NaiveDate) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM call_shapes WHERE day < $1", first_kept)
        .execute(pool)
        .await?;
    Ok(())
}

/// What a key, and those whose place it took, called in the last [`USAGE_DAYS`] days, most
/// frequent first.
pub(super) async fn of_key(pool: &PgPool, id: ApiKeyId) -> Result<Vec<Used>> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE chain (id) AS (
               SELECT $1::uuid
               UNION
               SELECT api_keys.id FROM chain JOIN api_keys ON api_keys.replaced_by = chain.id
           )
           SELECT model, method, args, kwargs, sum(calls)::bigint AS "calls!" FROM call_shapes
           WHERE api_key_id IN (SELECT id FROM chain) AND day > (now() AT TIME ZONE 'utc')::date - $2::int
           GROUP BY hash, model, method, args, kwargs ORDER BY sum(calls) DESC, hash LIMIT $3"#,
        id.0,
        USAGE_DAYS,
        READ_MAX,
    )
    .fetch_all(pool)
    .await?;
    let used = rows
        .into_iter()
        .map(|row| used(row.model, row.method, row.args.zip(row.kwargs), row.calls));
    Ok(used.collect())
}

/// The models that all keys called most in the last [`USAGE_DAYS`] days, `most` at most.
pub(super) async fn most_called(pool: &PgPool, most: i64) -> Result<Vec<String>> {
    let models = sqlx::query_scalar!(
        "SELECT model FROM call_shapes WHERE day > (now() AT TIME ZONE 'utc')::date - $1::int
         GROUP BY model ORDER BY sum(calls) DESC, model LIMIT $2",
        USAGE_DAYS,
        most,
    )
    .fetch_all(pool)
    .await?;
    Ok(models)
}

/// What each key that follows a shared policy called, in the same days.
pub(super) async fn of_followers(pool: &PgPool, id: PolicyId) -> Result<HashMap<ApiKeyId, Vec<Used>>> {
    let rows = sqlx::query!(
        r#"SELECT api_key_id AS "key: ApiKeyId", model, method, args, kwargs, sum(calls)::bigint AS "calls!"
           FROM call_shapes JOIN api_keys ON api_keys.id = api_key_id
           WHERE policy_id = $1 AND revoked_at IS NULL AND day > (now() AT TIME ZONE 'utc')::date - $2::int
           GROUP BY api_key_id, call_shapes.hash, model, method, args, kwargs
           ORDER BY sum(calls) DESC, call_shapes.hash LIMIT $3"#,
        id.0,
        USAGE_DAYS,
        READ_MAX,
    )
    .fetch_all(pool)
    .await?;
    let mut of: HashMap<ApiKeyId, Vec<Used>> = HashMap::new();
    for row in rows {
        let used = used(row.model, row.method, row.args.zip(row.kwargs), row.calls);
        of.entry(row.key).or_default().push(used);
    }
    Ok(of)
}

fn used(model: String, method: String, shape: Option<(String, String)>, calls: i64) -> Used {
    Used {
        model,
        method,
        shape: shape.map(|(args, kwargs)| Shape { args, kwargs }),
        calls: u64::try_from(calls).unwrap_or(0),
    }
}
