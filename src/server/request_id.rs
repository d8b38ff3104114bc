//! Every request has an id: the caller's own if it is a sane one, else a new one.
//! It is in the answer's `x-request-id`, in every error's body and in the log.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;
use uuid::Uuid;

/// The header, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task works on; empty outside of one.
#[must_use]
pub fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The layer: outermost, so that every answer has the header.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let own = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_sane(id));
    let id = own.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    // Sane ids and UUIDs are valid header values.
    let value = HeaderValue::from_str(&id).ok();
    if let Some(value) = &value {
        request.headers_mut().insert(X_REQUEST_ID, value.clone());
    }
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = CURRENT.scope(id, next.run(request)).instrument(span).await;
    if let Some(value) = value {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// 1 to 128 characters that need no escaping in a log, a header or JSON.
fn is_sane(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_sane;

    #[test]
    fn an_id_that_could_forge_a_log_line_is_not_kept() {
        assert!(is_sane("3f0c-ABC_1.2:3"));
        for wrong in ["", "a b", "a\nb", "\"", "ä", &"x".repeat(129)] {
            assert!(!is_sane(wrong), "{wrong:?}");
        }
    }
}
