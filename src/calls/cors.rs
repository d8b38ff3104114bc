//! Calls from web pages of other origins. Only a key that names origins may be used
//! there, and only from those. A browser asks before it sends the key, so that the
//! question is answered by the origin alone; an origin that no key names gets no CORS
//! header at all.

use std::time::{Duration, Instant};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use quick_cache::sync::Cache;
use sqlx::PgPool;

use crate::error::{AppError, ErrorCode, Result};
use crate::keys::origins;
use crate::keys::verify::AuthedKey;
use crate::server::database;

/// How many origins are remembered.
const REMEMBERED: usize = 1_000;
/// How long: a change of a key's origins shows after this at the latest.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
/// The longest origin that is looked for.
const ORIGIN_MAX_LEN: usize = 300;

/// Answers what browsers ask before a call.
pub struct Preflights {
    pool: PgPool,
    known: Cache<String, (Instant, bool)>,
}

impl Preflights {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            known: Cache::new(REMEMBERED),
        }
    }

    /// The answer to a browser's question before a call; `None` if it is none, or if no
    /// key names its origin. No key is looked at.
    pub async fn answer(&self, headers: &HeaderMap) -> Option<Response> {
        let origin = headers.get(header::ORIGIN)?;
        headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        match database::in_time(self.is_known(origin)).await {
            Ok(false) => return None,
            Ok(true) => {}
            Err(error) => return Some(error.into_response()),
        }
        let mut response = ().into_response();
        let headers = response.headers_mut();
        allow(headers, origin);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "content-type, x-api-key, authorization, x-request-id, idempotency-key, idempotency-mode",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    async fn is_known(&self, origin: &HeaderValue) -> Result<bool> {
        let Some(origin) = origin.to_str().ok().filter(|origin| origin.len() <= ORIGIN_MAX_LEN) else {
            return Ok(false);
        };
        if let Some((at, known)) = self.known.get(origin)
            && at.elapsed() < REMEMBERED_FOR
        {
            return Ok(known);
        }
        let known = origins::is_of_any(&self.pool, origin).await?;
        self.known.insert(origin.to_owned(), (Instant::now(), known));
        Ok(known)
    }
}

/// Whether a key may be used from where the request comes, and what the browser is told.
///
/// # Errors
/// `policy_denied` if the key has origins and this is none of them.
pub fn check(key: &AuthedKey, headers: &HeaderMap, told: &mut HeaderMap) -> Result<()> {
    let allowed = &key.limits.origins;
    if allowed.is_empty() {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN);
    let named = origin.and_then(|origin| origin.to_str().ok()).unwrap_or("none");
    match origin {
        Some(origin) if allowed.iter().any(|allowed| allowed == named) => {
            allow(told, origin);
            told.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "x-request-id, retry-after, ratelimit, ratelimit-policy, server-timing, idempotency-replayed",
                ),
            );
            Ok(())
        }
        _ => {
            let name: String = named.chars().take(80).collect();
            let details = serde_json::json!({ "rule": "origins", "name": name });
            Err(AppError::new(
                ErrorCode::PolicyDenied,
                "This key may be used from its own web pages only.",
            )
            .with_details(details))
        }
    }
}

fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}
