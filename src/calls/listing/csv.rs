//! The calls of a filter as CSV: a line for each, with a line of names first, written as they
//! are found and so in little memory.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use sqlx::PgPool;

use crate::calls::listing::search::{Filter, Found, Side, names, search};
use crate::error::{AppError, ErrorCode, Result};
use crate::printed::csv::plain;
use crate::server::lookers::Lookers;

/// How many calls a file has at most.
pub(super) const MOST: i64 = 100_000;
/// How many of them are asked for at once.
const CHUNK: i64 = 5_000;

const NAMES: [&str; 18] = [
    "called_at",
    "key_id",
    "key",
    "model",
    "method",
    "code",
    "way",
    "duration_ms",
    "queue_ms",
    "policy_ms",
    "odoo_ms",
    "stream_ms",
    "answer_bytes",
    "request_id",
    "address",
    // Later ones come last, so that what takes columns by their number goes on.
    "reason",
    "now_called",
    "fields_ms",
];

/// The file's body. The first calls are looked for before it begins, so that what can't be
/// found is refused and no file.
///
/// # Errors
/// `invalid_request` if the search takes too long, `unavailable`, `internal`.
pub(super) async fn body(pool: PgPool, lookers: Lookers, filter: Filter) -> Result<Body> {
    let place = lookers.enter().await?;
    let (first, rest) = chunk(&pool, filter, MOST, true).await?;
    drop(place);
    let begun = (Some(first), rest);
    let chunks = stream::try_unfold(begun, move |(ready, rest)| {
        let (pool, lookers) = (pool.clone(), lookers.clone());
        async move {
            match (ready, rest) {
                (Some(bytes), rest) => Ok(Some((bytes, (None, rest)))),
                (None, Some((filter, left))) => {
                    // For each piece anew: how quickly they are read is the client's business.
                    let _place = lookers.enter().await?;
                    let (bytes, rest) = chunk(&pool, filter, left, false).await?;
                    Ok::<_, AppError>(Some((bytes, (None, rest))))
                }
                (None, None) => Ok(None),
            }
        }
    });
    Ok(Body::from_stream(chunks))
}

/// Some lines, and where the next begin with how many are left.
async fn chunk(pool: &PgPool, mut filter: Filter, left: i64, is_first: bool) -> Result<(Bytes, Option<(Filter, i64)>)> {
    let limit = left.min(CHUNK);
    let calls = search(pool, &filter, limit).await?.ok_or_else(|| {
        AppError::new(
            ErrorCode::InvalidRequest,
            "This search takes too long. Give a shorter time, or a key.",
        )
    })?;
    let names = names(pool, &calls).await?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| AppError::internal(error);
    if is_first {
        writer.write_record(NAMES).map_err(failed)?;
    }
    for call in &calls {
        let name = names.get(&call.api_key_id).cloned().unwrap_or_default();
        writer.write_record(line(call, name)).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| AppError::internal(error.to_string()))?;
    let count = calls.len() as i64;
    let last = calls.last().filter(|_| count == limit && left > limit);
    let rest = last.map(|call| {
        filter.side = Some(Side::Before(call.place()));
        (filter, left - limit)
    });
    Ok((Bytes::from(bytes), rest))
}

fn line(call: &Found, name: String) -> [String; 18] {
    let ms = |ms: Option<f32>| ms.map(|ms| format!("{ms:.3}")).unwrap_or_default();
    let text = |text: &Option<String>| plain(text.clone().unwrap_or_default());
    [
        call.called_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        call.api_key_id.to_string(),
        plain(name),
        text(&call.model),
        text(&call.method),
        plain(call.code.clone()),
        text(&call.way),
        ms(Some(call.duration_ms)),
        ms(call.queue_ms),
        ms(call.policy_ms),
        ms(call.odoo_ms),
        ms(call.stream_ms),
        call.answer_bytes.to_string(),
        plain(call.request_id.clone()),
        text(&call.address),
        text(&call.reason),
        text(&call.now_called),
        ms(call.fields_ms),
    ]
}
