//! `POST /call` over HTTP: the key out of the headers, the body within its
//! bounds, the answer around Odoo's bytes without copying them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chrono::Utc;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::calls::answer::{Ending, SERVER_TIMING, only_total, success};
use crate::calls::cors;
use crate::calls::gateway::{Gateway, Outcome};
use crate::calls::idempotency::IdempotencyKey;
use crate::calls::model::KEY_HEADER;
use crate::calls::records::CallRecord;
use crate::calls::traces::Trace;
use crate::error::{AppError, ErrorCode, Result};
use crate::keys::verify::{AuthedKey, Rejection};
use crate::odoo::trace_context;
use crate::server::request_id::RequestId;
use crate::server::telemetry::calls::Counted;
use crate::server::{database, layers, origin, telemetry};

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The handler, and all that is around it: a call is too short for the layers of
/// pages, so that what they promise is kept here.
pub async fn post_call(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let id = RequestId::of(request.headers());
    let began = Instant::now();
    // In a box, because it is several kilobytes that each wrapper would move.
    let answer = Box::pin(answer(&gateway, request, &id, began));
    let answered = id.scope(AssertUnwindSafe(answer).catch_unwind()).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(panic) => {
            let response = id.scope(async { layers::on_panic(panic) }).await;
            timed(response, only_total(began.elapsed()))
        }
    };
    let headers = response.headers_mut();
    id.tell(headers);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(gateway: &Gateway, request: Request, id: &RequestId, began: Instant) -> Response {
    if request.method() == Method::OPTIONS
        && let Some(preflight) = gateway.preflights.answer(request.headers()).await
    {
        return timed(preflight, only_total(began.elapsed()));
    }
    if request.method() != Method::POST {
        let mut response = AppError::new(ErrorCode::MethodNotAllowed, "Use POST to make a call.").into_response();
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        count_refused(ErrorCode::MethodNotAllowed, id, began);
        return timed(response, only_total(began.elapsed()));
    }
    let (parts, body) = request.into_parts();
    let now = Utc::now();
    let authenticated = gateway.authenticate(presented_key(&parts.headers), now);
    let key = match database::in_time(authenticated).await {
        Ok(key) => key,
        Err(error) => {
            count_refused(error.code, id, began);
            return timed(error.into_response(), only_total(began.elapsed()));
        }
    };
    let address = origin::client_address(&parts.headers, &parts.extensions, &gateway.settings);
    let record = CallRecord::begin(now, key.id, id.clone(), address);
    let mut ending = Ending::new(record, gateway.records.clone(), began);
    let trace = gateway.traces.as_ref().map(|traces| traces.begin(&parts.headers));
    let for_odoo = trace.as_ref().and_then(Trace::for_odoo);
    ending.traced(trace);
    let mut told = HeaderMap::new();
    let admitted = match cors::check(&key, &parts.headers, &mut told) {
        Ok(()) => database::in_time(gateway.throttles.admit(&key, address, now, &mut told)).await,
        Err(error) => {
            let tell = async {
                gateway.throttles.tell(&key, now, &mut told).await;
                Ok(())
            };
            Err(database::in_time(tell).await.err().unwrap_or(error))
        }
    };
    let answered = match admitted {
        Ok(admission) => {
            ending.holds(admission);
            // In a box, because it would be moved twice.
            let accepted = Box::pin(accepted(gateway, &key, &parts.headers, body, &mut ending));
            trace_context::scope(for_odoo, accepted).await
        }
        Err(error) => Err(error),
    };
    let mut response = match answered {
        Ok(outcome) => success(outcome, ending, id, takes_trailers(&parts.headers)),
        Err(error) => {
            let timing = ending.fail(&error, 0);
            timed(error.into_response(), timing)
        }
    };
    response.headers_mut().extend(told);
    gateway.records.keep_together().await;
    response
}

/// Counts what was not accepted as a call.
fn count_refused(code: ErrorCode, request_id: &RequestId, began: Instant) {
    telemetry::record_call(Counted {
        code: code.as_str(),
        model: None,
        request_id,
        total: began.elapsed(),
        odoo: None,
    });
}

fn timed(mut response: Response, timing: Option<HeaderValue>) -> Response {
    if let Some(timing) = timing {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    response
}

async fn accepted(
    gateway: &Gateway,
    key: &AuthedKey,
    headers: &HeaderMap,
    body: Body,
    ending: &mut Ending,
) -> Result<Outcome> {
    if !is_json(headers) {
        return Err(AppError::new(
            ErrorCode::UnsupportedMediaType,
            "The body must be JSON, declared with Content-Type: application/json.",
        ));
    }
    let idempotency_key = IdempotencyKey::of(headers)?;
    let body = read_body(body, gateway.settings.max_request_bytes).await?;
    let (admission, record) = ending.parts().ok_or_else(|| AppError::internal("the call has ended"))?;
    gateway
        .call(key, admission, (&body, idempotency_key.as_ref()), record)
        .await
}

/// Whether a client says that it reads what comes after a body (`TE: trailers`).
fn takes_trailers(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(header::TE).iter().filter_map(|te| te.to_str().ok());
    offers
        .flat_map(|te| te.split(','))
        .any(|offer| offer.trim().eq_ignore_ascii_case("trailers"))
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
