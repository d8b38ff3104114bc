//! The one error type at the edge: a sentence for the person, a stable code for
//! the program, the cause for the log. Only this file decides an HTTP status.
//!
//! The codes are the contract of `POST /call` (docs/api.md); the dashboard's
//! server functions answer with the same type.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

/// What can go wrong, as a program sees it. Names and meanings never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, an unknown or repeated field, a wrong type, a bad name.
    InvalidRequest,
    /// No key, or one that is not accepted; in the dashboard: not signed in.
    Unauthenticated,
    /// The key's own policy refuses.
    PolicyDenied,
    /// Odoo refuses what the identity behind the key may not do.
    OdooAccessDenied,
    /// In the dashboard: the person's role, or a password too long ago.
    Forbidden,
    /// A cookie request came from another site's page.
    ForbiddenOrigin,
    /// Nothing is at this address of the bridge.
    NotFound,
    /// Unknown model, method or record in Odoo.
    OdooNotFound,
    /// The address exists, but not for this HTTP method.
    MethodNotAllowed,
    /// It clashes with what is there, or with what is running.
    Conflict,
    /// The same Idempotency-Key with another body, or its first call still runs.
    IdempotencyConflict,
    /// The request's body is too large.
    PayloadTooLarge,
    /// The request's body is not declared as JSON.
    UnsupportedMediaType,
    /// Odoo refused the caller's data.
    OdooRejected,
    /// Too many requests in too short a time.
    RateLimited,
    /// The key's quota is used up.
    QuotaExceeded,
    /// Our fault; the cause is in the log only.
    Internal,
    /// Odoo failed inside.
    OdooError,
    /// Odoo did not answer, or something that is not Odoo did.
    OdooUnreachable,
    /// Odoo refuses the bridge's own credentials.
    OdooAuthFailed,
    /// Too much is waiting already.
    Overloaded,
    /// The bridge can't work now: its database is away, or it is stopping.
    Unavailable,
    /// Odoo failed too often lately and is left alone for a moment.
    OdooUnavailable,
    /// The deadline passed before Odoo answered.
    OdooTimeout,
    /// The answer to a call that may write was lost: it may have happened.
    OutcomeUnknown,
}

impl ErrorCode {
    /// Every code that `POST /call` can answer so far, in the order of the
    /// documentation.
    pub const OF_CALL: [Self; 22] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::PolicyDenied,
        Self::OdooAccessDenied,
        Self::OdooNotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyConflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::OdooRejected,
        Self::RateLimited,
        Self::QuotaExceeded,
        Self::Internal,
        Self::OdooError,
        Self::OdooUnreachable,
        Self::OdooAuthFailed,
        Self::Overloaded,
        Self::Unavailable,
        Self::OdooUnavailable,
        Self::OdooTimeout,
        Self::OutcomeUnknown,
        Self::NotFound,
    ];

    /// The stable name, as in an answer's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::PolicyDenied => "policy_denied",
            Self::OdooAccessDenied => "odoo_access_denied",
            Self::Forbidden => "forbidden",
            Self::ForbiddenOrigin => "forbidden_origin",
            Self::NotFound => "not_found",
            Self::OdooNotFound => "odoo_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::OdooRejected => "odoo_rejected",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Internal => "internal",
            Self::OdooError => "odoo_error",
            Self::OdooUnreachable => "odoo_unreachable",
            Self::OdooAuthFailed => "odoo_auth_failed",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::OdooUnavailable => "odoo_unavailable",
            Self::OdooTimeout => "odoo_timeout",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::PolicyDenied | Self::OdooAccessDenied | Self::Forbidden | Self::ForbiddenOrigin => 403,
            Self::NotFound | Self::OdooNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict | Self::IdempotencyConflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::OdooRejected => 422,
            Self::RateLimited | Self::QuotaExceeded => 429,
            Self::Internal => 500,
            Self::OdooError | Self::OdooUnreachable | Self::OdooAuthFailed => 502,
            Self::Overloaded | Self::Unavailable | Self::OdooUnavailable => 503,
            Self::OdooTimeout | Self::OutcomeUnknown => 504,
        }
    }

    /// When it is answered and what to do, in one sentence each.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "The body is not what this endpoint takes. The sentence names the field; mend it and send again."
            }
            Self::Unauthenticated => {
                "No key, or one that is malformed, unknown, expired or revoked. Check the X-API-KEY header, or ask for a new key."
            }
            Self::PolicyDenied => "The key's own policy does not allow this. The details name the rule.",
            Self::OdooAccessDenied => "The Odoo user behind the bridge may not do this. Its rights are set in Odoo.",
            Self::Forbidden => "Your role does not allow this, or it needs your password once more.",
            Self::ForbiddenOrigin => "The request came from a page of another site. Use the dashboard's own address.",
            Self::NotFound => "Nothing is at this address of the bridge.",
            Self::OdooNotFound => "Odoo knows no such model, method or record.",
            Self::MethodNotAllowed => "This address takes another HTTP method. The Allow header names it.",
            Self::Conflict => "It clashes with something that is there or is running already.",
            Self::IdempotencyConflict => {
                "The Idempotency-Key was used with another body, or its first call is still running."
            }
            Self::PayloadTooLarge => "The body is larger than this bridge takes. Send less at a time.",
            Self::UnsupportedMediaType => "Send the body as JSON, with Content-Type: application/json.",
            Self::OdooRejected => "Odoo refused the data: a rule or a required field. Its own words say which.",
            Self::RateLimited => "Too many requests. Wait as long as Retry-After says.",
            Self::QuotaExceeded => "The key's quota is used up. Retry-After says when it begins anew.",
            Self::Internal => "The bridge failed. Its operator finds the cause in the log, by the request id.",
            Self::OdooError => {
                "Odoo failed while it worked on the call, for example over a field that does not exist. The details name the exception."
            }
            Self::OdooUnreachable => {
                "Odoo did not answer, or something that is not Odoo did. Try again; if it stays, tell the operator."
            }
            Self::OdooAuthFailed => "Odoo refuses the bridge's own credentials. Only the operator can mend that.",
            Self::Overloaded => "Too much is waiting already. Wait as long as Retry-After says.",
            Self::Unavailable => "The bridge can't work at this moment. Wait as long as Retry-After says.",
            Self::OdooUnavailable => {
                "Odoo failed too often lately and is left alone for a moment. Wait as long as Retry-After says."
            }
            Self::OdooTimeout => "Odoo did not answer in time. Ask for less, or try again.",
            Self::OutcomeUnknown => {
                "The answer to a call that may write was lost: it may have happened. Look in Odoo before you send it again."
            }
        }
    }

    /// Whether the very same request may succeed a little later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::OdooUnreachable
                | Self::Overloaded
                | Self::Unavailable
                | Self::OdooUnavailable
                | Self::OdooTimeout
        )
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person and a program are told of a failure, and what the log is.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// For the program.
    pub code: ErrorCode,
    /// For the person: one sentence, without secrets, safe to show anybody.
    #[serde(rename = "error")]
    pub message: Cow<'static, str>,
    /// Seconds after which another try makes sense (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u32>,
    /// More for the program, where it helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// For the log; never leaves the server.
    #[serde(skip)]
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The crate's result.
pub type Result<T, E = AppError> = std::result::Result<T, E>;

impl AppError {
    /// An error with a sentence of its own.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_secs: None,
            details: None,
            cause: None,
        }
    }

    /// The caller sent something that can't be taken.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// Our fault: a fixed text for the person, the cause for the log.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorCode::Internal,
            "The bridge failed to do this. The cause is in its log, under the request id.",
        )
        .caused_by(cause)
    }

    /// Keeps what went wrong for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Says when another try makes sense.
    #[must_use]
    pub fn retry_after_secs(mut self, secs: u32) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// Adds what a program can use.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// What went wrong, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    /// Leptos' own failures: in the browser the bridge was not reached or
    /// answered nonsense; on the server the arguments did not parse.
    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let error = match error {
            ServerFnErrorErr::Request(_) => Self::new(
                ErrorCode::Unavailable,
                "The bridge can't be reached. Check your connection and try again.",
            ),
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) => {
                Self::invalid("A field of this form is missing or malformed.")
            }
            // On the server it is the request that can't be read.
            ServerFnErrorErr::Deserialization(_) if cfg!(feature = "ssr") => {
                Self::invalid("A field of this form is missing or malformed.")
            }
            other => Self::internal(other.to_string()),
        };
        // No server function ran that could have said its status.
        #[cfg(feature = "ssr")]
        error.set_status();
        error
    }
}

#[cfg(feature = "ssr")]
pub use server::answer;

#[cfg(feature = "ssr")]
mod server {
    use axum::response::{IntoResponse, Response};
    use http::{HeaderValue, StatusCode, header};
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;
    use serde::Serialize;

    use super::{AppError, ErrorCode, Result};
    use crate::server::request_id::RequestId;

    /// The database's words are for the log; a person learns whether to wait.
    impl From<sqlx::Error> for AppError {
        fn from(error: sqlx::Error) -> Self {
            let away = match &error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed => true,
                // Class 57 (operator intervention), 53 (resources) and 08
                // (connection): the server is stopping, starting or full.
                sqlx::Error::Database(db) => db
                    .code()
                    .is_some_and(|code| ["57", "53", "08"].iter().any(|class| code.starts_with(class))),
                _ => false,
            };
            if away {
                Self::new(
                    ErrorCode::Unavailable,
                    "The bridge's own database can't be reached at the moment. Try again shortly.",
                )
                .retry_after_secs(5)
                .caused_by(error)
            } else {
                Self::internal(error)
            }
        }
    }

    /// The body of a failure, as the contract has it.
    #[derive(Serialize)]
    struct Failure<'a> {
        success: bool,
        error: &'a str,
        code: ErrorCode,
        retryable: bool,
        request_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<&'a serde_json::Value>,
    }

    impl AppError {
        /// Writes the cause to the log. Called once, where the error is answered.
        pub(crate) fn log(&self) {
            let Some(cause) = self.cause() else { return };
            // A call has no span while nothing is to be told of it: one for each call
            // would cost more than its record.
            let span = tracing::Span::current();
            let span = if span.is_none() {
                RequestId::current().span()
            } else {
                span
            };
            let _told_in = span.enter();
            if self.code == ErrorCode::Internal {
                tracing::error!(code = self.code.as_str(), cause, "request failed");
            } else {
                tracing::warn!(code = self.code.as_str(), cause, "request failed");
            }
        }

        fn http_status(&self) -> StatusCode {
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }

    impl IntoResponse for AppError {
        fn into_response(self) -> Response {
            self.log();
            let request_id = RequestId::current();
            let body = Failure {
                success: false,
                error: &self.message,
                code: self.code,
                retryable: self.code.retryable(),
                request_id: &request_id,
                details: self.details.as_ref(),
            };
            let mut response = (self.http_status(), axum::Json(body)).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if self.code == ErrorCode::Unauthenticated {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"odoo-bridge\""),
                );
            }
            if let Some(secs) = self.retry_after_secs {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
            }
            response
        }
    }

    /// Whether a form without JavaScript is answered: Leptos sends it back to
    /// its page by a redirect, which a status of ours would undo.
    fn is_plain_form() -> bool {
        use_context::<http::request::Parts>().is_some_and(|parts| {
            let accept = parts
                .headers
                .get(header::ACCEPT)
                .and_then(|accept| accept.to_str().ok());
            parts.method == http::Method::POST && accept.is_some_and(|accept| accept.contains("text/html"))
        })
    }

    impl AppError {
        /// Gives the server function's answer its true status (Leptos would say
        /// 500 for every error).
        pub(super) fn set_status(&self) {
            let Some(options) = use_context::<ResponseOptions>() else {
                return;
            };
            options.set_status(self.http_status());
            if let Some(secs) = self.retry_after_secs {
                options.insert_header(header::RETRY_AFTER, HeaderValue::from(secs));
            }
        }
    }

    /// Ends a server function: the error is logged once, and the answer gets
    /// its true status.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn answer<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
        let result = work.await;
        if let Err(error) = &result {
            error.log();
            if let Some(options) = use_context::<ResponseOptions>() {
                if !is_plain_form() {
                    options.set_status(error.http_status());
                }
                if let Some(secs) = error.retry_after_secs {
                    options.insert_header(header::RETRY_AFTER, HeaderValue::from(secs));
                }
            }
        }
        result
    }
}
