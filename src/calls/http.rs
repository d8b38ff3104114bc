//! `POST /call` over HTTP: the key out of the headers, the body within its
//! bounds, the answer around Odoo's bytes without copying them.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chrono::Utc;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::calls::gateway::{self, Outcome};
use crate::calls::model::KEY_HEADER;
use crate::calls::records::CallRecord;
use crate::error::{AppError, ErrorCode, Result};
use crate::keys::verify::{AuthedKey, Rejection};
use crate::server::{origin, request_id, telemetry};
use crate::state::AppState;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The handler.
pub async fn post_call(State(state): State<AppState>, request: Request) -> Response {
    let started = Instant::now();
    let result = answer(&state, request).await;
    let total = started.elapsed();
    match result {
        Ok(outcome) => {
            telemetry::record_call("ok", total, Some(outcome.odoo_duration));
            success(outcome, total)
        }
        Err(error) => {
            telemetry::record_call(error.code.as_str(), total, None);
            let wrong_method = error.code == ErrorCode::MethodNotAllowed;
            let mut response = error.into_response();
            if wrong_method {
                response
                    .headers_mut()
                    .insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            response
        }
    }
}

async fn answer(state: &AppState, request: Request) -> Result<Outcome> {
    if request.method() != Method::POST {
        return Err(AppError::new(ErrorCode::MethodNotAllowed, "Use POST to make a call."));
    }
    let (parts, body) = request.into_parts();
    let (began, now) = (Instant::now(), Utc::now());
    let key = gateway::authenticate(&state.keys, presented_key(&parts.headers), now).await?;
    let address = origin::client_address(&parts.headers, &parts.extensions, &state.settings);
    let mut record = CallRecord::begin(now, key.id, request_id::current().into(), address);
    let result = accepted(state, &key, &parts.headers, body, &mut record).await;
    match &result {
        Ok(outcome) => record.end("ok", began.elapsed(), Some(outcome.odoo_duration), outcome.data.len()),
        Err(error) => record.end(error.code.as_str(), began.elapsed(), None, 0),
    }
    state.records.record(record);
    result
}

async fn accepted(
    state: &AppState,
    key: &AuthedKey,
    headers: &HeaderMap,
    body: Body,
    record: &mut CallRecord,
) -> Result<Outcome> {
    if !is_json(headers) {
        return Err(AppError::new(
            ErrorCode::UnsupportedMediaType,
            "The body must be JSON, declared with Content-Type: application/json.",
        ));
    }
    let body = read_body(body, state.settings.max_request_bytes).await?;
    gateway::call(&state.odoo, key, &body, record).await
}

/// The one key in the headers: `X-API-KEY`, or `Authorization: Bearer`.
fn presented_key(headers: &HeaderMap) -> Result<&[u8], Rejection> {
    let own = headers.get_all(KEY_HEADER).iter().map(HeaderValue::as_bytes);
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
    });
    let mut keys = own.chain(bearer);
    let key = keys.next().ok_or(Rejection::Missing)?;
    // Two keys that differ: nobody can say which one was meant.
    if keys.all(|other| other == key) {
        Ok(key)
    } else {
        Err(Rejection::Malformed)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

async fn read_body(body: Body, limit: u64) -> Result<Bytes> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, limit));
    match read.await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_large(&error) => Err(AppError::new(
            ErrorCode::PayloadTooLarge,
            format!("The body is larger than {limit} bytes, the most that this bridge takes."),
        )),
        Ok(Err(_)) => Err(AppError::invalid("The body did not arrive whole.")),
        Err(_) => Err(AppError::invalid("The body did not arrive in time.")),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// `{"success":true,"data":<Odoo's bytes>,"request_id":"…"}`
fn success(outcome: Outcome, total: Duration) -> Response {
    let before = Bytes::from_static(br#"{"success":true,"data":"#);
    // A request id needs no escaping: see request_id.
    let after = Bytes::from(format!(r#","request_id":"{}"}}"#, request_id::current()));
    let length = before.len() + outcome.data.len() + after.len();
    let odoo_ms = outcome.odoo_duration.as_secs_f64() * 1_000.0;
    let total_ms = total.as_secs_f64() * 1_000.0;
    let parts = [before, outcome.data, after].map(Ok::<_, std::convert::Infallible>);
    let mut response = Body::from_stream(stream::iter(parts)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(timing) = HeaderValue::from_str(&format!("total;dur={total_ms:.2}, odoo;dur={odoo_ms:.2}")) {
        headers.insert("server-timing", timing);
    }
    response
}
