//! The SQL of finding calls. A query has only the conditions that were asked for, and is planned
//! for its values: so that each filter takes its own index, in the order of the page.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::calls::listing::search::{Codes, Filter, Found, Side};
use crate::error::Result;

const SELECT: &str = "SELECT called_at, id, api_key_id, model, method, code, way, duration_ms, queue_ms, policy_ms, odoo_ms, \
     stream_ms, answer_bytes, request_id, host(address) AS address, reason, now_called, fields_ms FROM ";
const RECORDS: &str = "call_records WHERE true";

/// So few slow calls are taken together before anything else is asked of them.
const FEW: i64 = 2_000;

/// PostgreSQL's name for a query that was given up because of its time.
const GIVEN_UP: &str = "57014";

/// Calls that a filter finds, from its place on; `None`: it took too long.
pub(super) async fn search(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Option<Vec<Found>>> {
    let mut query = QueryBuilder::new(SELECT);
    // The planner can't know how many are slow, and would look through all of them in
    // the order of the page for a few that are not there.
    let few = match filter.slower {
        Some(slower) => {
            let Some(are_few) = are_few(pool, filter, slower).await? else {
                return Ok(None);
            };
            are_few.then_some(slower)
        }
        None => None,
    };
    match few {
        Some(slower) => {
            query.push("(SELECT * FROM ");
            slowest(&mut query, filter, slower);
            query.push(") AS slow WHERE true");
        }
        None => {
            query.push(RECORDS);
        }
    }
    conditions(&mut query, filter);
    on_side(&mut query, filter);
    query.push(match filter.side {
        Some(Side::After(_)) => " ORDER BY called_at, id LIMIT ",
        _ => " ORDER BY called_at DESC, id DESC LIMIT ",
    });
    query.push_bind(limit);
    in_time(pool, query).await
}

/// Whether less than [`FEW`] calls of this time were slower; `None`: it took too long.
async fn are_few(pool: &PgPool, filter: &Filter, slower: f32) -> Result<Option<bool>> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM ");
    slowest(&mut query, filter, slower);
    query.push(") AS slow");
    let counts: Option<Vec<(i64,)>> = in_time(pool, query).await?;
    Ok(counts.map(|counts| counts.iter().all(|(count,)| *count < FEW)))
}

/// The slowest first: by their own index, however many there are.
fn slowest(query: &mut QueryBuilder<Postgres>, filter: &Filter, slower: f32) {
    query.push(RECORDS);
    query.push(" AND duration_ms > ").push_bind(slower);
    in_days(query, filter);
    on_side(query, filter);
    query.push(" ORDER BY duration_ms DESC LIMIT ").push_bind(FEW);
}

fn on_side(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let (place, at, than) = match filter.side {
        None => return,
        Some(Side::Before(place)) => (place, "<=", "<"),
        Some(Side::After(place)) => (place, ">=", ">"),
    };
    // The first one is for the days that can't have any, the second one is exact.
    query
        .push(format_args!(" AND called_at {at} "))
        .push_bind(place.called_at);
    query
        .push(format_args!(" AND (called_at, id) {than} ("))
        .push_bind(place.called_at);
    query.push(", ").push_bind(place.id).push(")");
}

/// Calls whose records were written after the one of that id, the newest first, of those that
/// arrived from `from` on.
pub(super) async fn written_after(
    pool: &PgPool,
    filter: &Filter,
    (id, from): (Uuid, DateTime<Utc>),
    limit: i64,
) -> Result<Option<Vec<Found>>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push(RECORDS);
    conditions(&mut query, filter);
    query.push(" AND id > ").push_bind(id);
    query.push(" AND called_at >= ").push_bind(from);
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    in_time(pool, query).await
}

/// The call of a record.
pub(super) async fn by_id(pool: &PgPool, id: Uuid) -> Result<Option<Found>> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(RECORDS).push(" AND id = ").push_bind(id);
    Ok(query.build_query_as().persistent(false).fetch_optional(pool).await?)
}

/// The two newest calls that were told that request id.
pub(super) async fn by_request_id(pool: &PgPool, request_id: &str) -> Result<Vec<Found>> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(RECORDS).push(" AND request_id = ").push_bind(request_id);
    query.push(" ORDER BY called_at DESC, id DESC LIMIT 2");
    Ok(query.build_query_as().persistent(false).fetch_all(pool).await?)
}

/// When the oldest call arrived.
pub(super) async fn oldest(pool: &PgPool) -> Result<Option<DateTime<Utc>>> {
    let oldest = sqlx::query_scalar!("SELECT called_at FROM call_records ORDER BY called_at LIMIT 1")
        .fetch_optional(pool)
        .await?;
    Ok(oldest)
}

fn conditions(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(key) = filter.key {
        query.push(" AND api_key_id = ").push_bind(key);
    }
    if let Some(model) = &filter.model {
        query.push(" AND model = ").push_bind(model.clone());
    }
    if let Some(method) = &filter.method {
        query.push(" AND method = ").push_bind(method.clone());
    }
    match filter.codes {
        None => {}
        // As in the condition of the indexes.
        Some(Codes::Failed) => {
            query.push(" AND code <> 'ok'");
        }
        Some(Codes::Only("ok")) => {
            query.push(" AND code = 'ok'");
        }
        Some(Codes::Only(code)) => {
            query.push(" AND code <> 'ok' AND code = ").push_bind(code);
        }
    }
    if let Some(reason) = filter.reason {
        query.push(" AND reason = ").push_bind(reason);
    }
    if let Some(slower) = filter.slower {
        query.push(" AND duration_ms > ").push_bind(slower);
    }
    in_days(query, filter);
    if let Some(request) = &filter.request {
        query.push(" AND request_id = ").push_bind(request.clone());
    }
}

fn in_days(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(from) = filter.from {
        query.push(" AND called_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" AND called_at < ").push_bind(until);
    }
}

/// Asks for three seconds at most.
async fn in_time<T>(pool: &PgPool, mut query: QueryBuilder<Postgres>) -> Result<Option<Vec<T>>>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let mut transaction = pool.begin().await?;
    sqlx::query!("SELECT set_config('statement_timeout', '3s', true)")
        .fetch_one(&mut *transaction)
        .await?;
    let found = query
        .build_query_as()
        .persistent(false)
        .fetch_all(&mut *transaction)
        .await;
    match found {
        Ok(found) => {
            transaction.commit().await?;
            Ok(Some(found))
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(GIVEN_UP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
