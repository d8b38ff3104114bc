//! Every request has an id: the caller's own if it is a sane one, else a new one.
//! It is in the answer's `x-request-id`, in every error's body and in the log.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};
use tracing::Instrument as _;
use uuid::Uuid;

/// The header, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: RequestId;
}

/// See the module. Needs no escaping in a log, a header or JSON. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct RequestId(Arc<str>);

impl From<String> for RequestId {
    /// What [`RequestId::of`] made once.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl RequestId {
    /// The id of a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let own = headers
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_sane(id));
        let mut buffer = Uuid::encode_buffer();
        Self(Arc::from(own.unwrap_or_else(|| {
            Uuid::now_v7().hyphenated().encode_lower(&mut buffer)
        })))
    }

    /// The id of the request that this task works on; empty outside of one.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_else(|_| Self(Arc::from("")))
    }

    /// Runs `work` as a part of this request.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }

    /// What log lines of this request are in.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("request", request_id = &**self)
    }

    /// Tells the client.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(self) {
            headers.insert(X_REQUEST_ID, value);
        }
    }
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The layer: outermost, so that every answer has the header.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    id.tell(request.headers_mut());
    let mut response = id.scope(next.run(request)).instrument(id.span()).await;
    id.tell(response.headers_mut());
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
