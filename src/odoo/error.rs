//! What can go wrong on the way to Odoo, classified. Odoo's own words are passed
//! on only where they are meant for people: never `debug`, never a traceback,
//! never what psycopg2 says (it names hosts and ports).

use std::time::Duration;

use serde_json::json;

use crate::error::{AppError, ErrorCode};

/// The longest text of Odoo's that is passed on, in characters.
const MESSAGE_MAX_CHARS: usize = 2_000;

/// A call to Odoo that has no result.
#[derive(Debug, thiserror::Error)]
pub enum OdooError {
    /// No connection, or an answer that no Odoo gives. Says what in words.
    #[error("{message}")]
    Unreachable {
        /// For people: what was seen.
        message: String,
        /// For the log.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Odoo refuses the bridge's own credentials.
    #[error("Odoo refuses the bridge's own credentials")]
    AuthFailed {
        /// After which time they are tried again.
        retry_in: Duration,
    },
    /// The deadline passed.
    #[error("Odoo did not answer within {waited:?}")]
    Timeout {
        /// How long was waited.
        waited: Duration,
    },
    /// The request was sent, may have changed something, and has no answer.
    #[error("the answer to a call that may write was lost")]
    OutcomeUnknown {
        /// For the log.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The answer is larger than the bridge takes.
    #[error("Odoo's answer is larger than {limit} bytes")]
    AnswerTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// JSON-2 takes named arguments only, and these have no names. Not sent.
    #[error("{message}")]
    Unmapped {
        /// For people: which argument, and what to do.
        message: String,
    },
    /// JSON-2's documentation does not list the method, so that the call was not sent.
    /// Another way may have it all the same (Odoo leaves out what it calls deprecated).
    #[error("{0}")]
    NotListed(
        /// What Odoo says to a method that there is not.
        Box<OdooError>,
    ),
    /// The bridge's session at Odoo is over: the call did not run.
    #[error("the session at Odoo is over")]
    SessionExpired,
    /// This way into Odoo is switched off, or not for this user: the call did
    /// not run.
    #[error("{message}")]
    WayClosed {
        /// For people: what was seen.
        message: String,
    },
    /// Odoo answered with an exception.
    #[error("Odoo raised {name}")]
    Raised {
        /// What kind it is.
        kind: Raised,
        /// The exception's class, such as `odoo.exceptions.UserError`.
        name: String,
        /// Its text, fit for people; empty if there is none that may be shown.
        message: String,
    },
}

/// The kinds of exceptions that a caller is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// The identity behind the bridge may not do it.
    AccessDenied,
    /// Unknown model, method or record.
    NotFound,
    /// The caller's data was refused.
    Rejected,
    /// Everything else: Odoo failed inside.
    Failed,
}

impl OdooError {
    /// Whether it says something of the way in and not of the call, which did
    /// not run.
    pub(crate) const fn is_of_the_way(&self) -> bool {
        matches!(
            self,
            Self::AuthFailed { .. }
                | Self::WayClosed { .. }
                | Self::SessionExpired
                | Self::Unmapped { .. }
                | Self::NotListed(_)
        )
    }

    /// An answer or connection that is no Odoo's.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::Unreachable {
            message: message.into(),
            cause: None,
        }
    }

    /// Classifies an exception by its class and text, as JSON-RPC names them
    /// (measured on Odoo 19). `model` is the one that was called.
    #[must_use]
    pub(crate) fn raised(name: &str, message: &str, model: &str) -> Self {
        if name == "odoo.exceptions.AccessDenied" {
            return Self::AuthFailed {
                retry_in: Duration::ZERO,
            };
        }
        if name == "odoo.http.SessionExpiredException" {
            return Self::SessionExpired;
        }
        if name == "psycopg2.OperationalError" || name == "psycopg2.InterfaceError" {
            // Odoo's database is down, or the configured one does not exist.
            return Self::unreachable("Odoo can't reach its database, or the configured database does not exist.");
        }
        let kind = match name {
            "odoo.exceptions.AccessError" => Raised::AccessDenied,
            "odoo.exceptions.MissingError" => Raised::NotFound,
            "odoo.exceptions.UserError" if message == format!("Object {model} doesn't exist") => Raised::NotFound,
            // The web client's way and JSON-2 say it like this.
            "werkzeug.exceptions.NotFound" => Raised::NotFound,
            "builtins.AttributeError"
                if message.starts_with("The method '") && message.ends_with("' does not exist") =>
            {
                Raised::NotFound
            }
            // UserError, ValidationError, RedirectWarning, LockError and whatever
            // comes later in that module: texts that Odoo wrote for people.
            name if name.starts_with("odoo.exceptions.") => Raised::Rejected,
            _ => Raised::Failed,
        };
        let name = if is_class_name(name) {
            name.to_owned()
        } else {
            "unknown".to_owned()
        };
        let message = if name.starts_with("psycopg2.") {
            String::new()
        } else if kind == Raised::NotFound && !message.contains("method '") && name != "odoo.exceptions.MissingError" {
            // Each way in has words of its own for it.
            format!("Object {model} doesn't exist")
        } else {
            presentable(message)
        };
        Self::Raised { kind, name, message }
    }
}

/// A dotted Python name of a sane length: nothing else is repeated to a client.
fn is_class_name(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// Odoo's text without a traceback, without control characters, not too long.
fn presentable(message: &str) -> String {
    let end = message
        .find("Traceback (most recent call last)")
        .unwrap_or(message.len());
    let mut text: String = message[..end]
        .chars()
        .filter(|char| !char.is_control() || *char == '\n')
        .take(MESSAGE_MAX_CHARS + 1)
        .collect();
    if text.chars().count() > MESSAGE_MAX_CHARS {
        text.pop();
        text.push('\u{2026}');
    }
    text.trim().to_owned()
}

impl From<OdooError> for AppError {
    fn from(error: OdooError) -> Self {
        match error {
            OdooError::Unreachable { message, cause } => {
                let error = Self::new(ErrorCode::OdooUnreachable, message);
                match cause {
                    Some(cause) => error.caused_by(cause),
                    None => error,
                }
            }
            OdooError::AuthFailed { retry_in } => {
                let secs = u32::try_from(retry_in.as_secs().max(1)).unwrap_or(u32::MAX);
                Self::new(
                    ErrorCode::OdooAuthFailed,
                    "Odoo refuses the bridge's own credentials. Its operator has to check the Odoo user and its API key or password.",
                )
                .retry_after_secs(secs)
            }
            OdooError::Timeout { waited } => Self::new(
                ErrorCode::OdooTimeout,
                format!("Odoo did not answer within {} seconds.", waited.as_secs_f32().ceil()),
            ),
            OdooError::OutcomeUnknown { cause } => {
                let error = Self::new(
                    ErrorCode::OutcomeUnknown,
                    "The call was sent to Odoo, but its answer was lost. It may have happened: look in Odoo before you send it again.",
                );
                match cause {
                    Some(cause) => error.caused_by(cause),
                    None => error,
                }
            }
            OdooError::Unmapped { message } => Self::invalid(message),
            OdooError::NotListed(said) => (*said).into(),
            OdooError::SessionExpired => {
                Self::new(ErrorCode::OdooUnreachable, "Odoo ended the bridge's session again and again.")
            }
            OdooError::WayClosed { message } => Self::new(ErrorCode::OdooUnreachable, message),
            OdooError::AnswerTooLarge { limit } => Self::new(
                ErrorCode::OdooError,
                format!("Odoo's answer is larger than this bridge passes on ({limit} bytes). Ask for fewer records or fields."),
            )
            .with_details(json!({ "limit_bytes": limit })),
            OdooError::Raised { kind, name, message } => {
                let (code, otherwise) = match kind {
                    Raised::AccessDenied => (ErrorCode::OdooAccessDenied, "Odoo does not allow this to the user behind the bridge."),
                    Raised::NotFound => (ErrorCode::OdooNotFound, "Odoo knows no such model, method or record."),
                    Raised::Rejected => (ErrorCode::OdooRejected, "Odoo refused the data without saying why."),
                    Raised::Failed => (ErrorCode::OdooError, "Odoo failed while it worked on this call."),
                };
                let text = match kind {
                    _ if message.is_empty() => otherwise.to_owned(),
                    Raised::Failed => format!("Odoo failed while it worked on this call: {message}"),
                    _ => message,
                };
                Self::new(code, text).with_details(json!({ "exception": name }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str, message: &str) -> ErrorCode {
        AppError::from(OdooError::raised(name, message, "no.model")).code
    }

    #[test]
    fn exceptions_are_told_apart_by_class_and_by_odoos_fixed_texts() {
        assert_eq!(code("odoo.exceptions.AccessError", "x"), ErrorCode::OdooAccessDenied);
        assert_eq!(
            code("odoo.exceptions.UserError", "Object no.model doesn't exist"),
            ErrorCode::OdooNotFound
        );
        assert_eq!(
            code("odoo.exceptions.UserError", "Object other.model doesn't exist"),
            ErrorCode::OdooRejected
        );
        assert_eq!(
            code("builtins.AttributeError", "The method 'a.b' does not exist"),
            ErrorCode::OdooNotFound
        );
        assert_eq!(
            code("builtins.AttributeError", "'bool' object has no attribute 'x'"),
            ErrorCode::OdooError
        );
        assert_eq!(
            code("odoo.exceptions.AccessDenied", "Access Denied"),
            ErrorCode::OdooAuthFailed
        );
    }

    #[test]
    fn no_traceback_and_no_database_host_is_passed_on() {
        let text = "Oops\nTraceback (most recent call last):\n  File \"/usr/lib/odoo/x.py\"";
        let error = AppError::from(OdooError::raised("builtins.ValueError", text, "a"));
        assert_eq!(error.message, "Odoo failed while it worked on this call: Oops");
        let error = AppError::from(OdooError::raised(
            "psycopg2.errors.UniqueViolation",
            "host db.internal port 5432",
            "a",
        ));
        assert!(!error.message.contains("db.internal"), "{error}");
        let error = AppError::from(OdooError::raised(
            "psycopg2.OperationalError",
            "host db.internal port 5432",
            "a",
        ));
        assert!(!error.message.contains("db.internal"), "{error}");
        assert_eq!(error.code, ErrorCode::OdooUnreachable);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let error = OdooError::raised("odoo.exceptions.UserError", &"ä".repeat(5_000), "a");
        let OdooError::Raised { message, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(message.chars().count(), MESSAGE_MAX_CHARS + 1);
        assert!(message.ends_with('\u{2026}'));
    }

    #[test]
    fn a_class_name_that_is_none_is_not_repeated() {
        let OdooError::Raised { name, .. } = OdooError::raised("<script>", "x", "a") else {
            panic!("raised")
        };
        assert_eq!(name, "unknown");
    }
}
