//! What happens to every request and answer, whatever its route.

use std::any::Any;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::AppError;

/// One line for each request, without query, headers or bodies. (A call leaves a
/// record, which is its line.)
pub async fn log(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let started = Instant::now();
    let method = request.method().clone();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(http.method = %method, http.route = route, http.status = status, duration_ms, "answered");
    response
}

/// A panic is our fault: the client gets the contract's shape, the log the text.
#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub fn on_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".into());
    AppError::internal(text).into_response()
}

/// What browsers are told about every answer. The rules for scripts are in the
/// page itself, because they carry its nonce; there, who may frame it has no say.
pub async fn security_headers(request: Request, next: Next) -> Response {
    const FIXED: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Tells whoever came over https never to come without it again.
pub fn insist_on_https(headers: &mut HeaderMap) {
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use http::Request;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_in_a_fixed_sentence_and_ends_nothing_else() {
        let panics = get(async || -> &'static str { panic!("row 7 of the secret table") });
        let router = Router::new()
            .route("/panics", panics)
            .route("/fine", get(async || "fine"))
            .layer(CatchPanicLayer::custom(on_panic));
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request)
        };
        let response = ask("/panics").await.expect("an answer");
        assert_eq!(response.status().as_u16(), 500);
        let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(
            text.contains(r#""code":"internal""#) && !text.contains("secret table"),
            "{text}"
        );
        assert_eq!(ask("/fine").await.expect("an answer").status().as_u16(), 200);
    }
}
