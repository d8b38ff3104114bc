//! What can go wrong on the way to Odoo, classified. Odoo's own words are passed
//! on only where they are meant for people: never `debug`, never a traceback,
//! never what psycopg2 says (it names hosts and ports).

use std::time::Duration;

use serde_json::json;

use super::renames::{self, Successor};
use crate::error::{AppError, ErrorCode};

/// The bridge's own credentials are refused.
const CREDENTIALS: &str = "credentials";
/// Odoo runs, but its database does not, or the configured one does not exist.
const DATABASE: &str = "database";
/// This Odoo has no such interface.
const VERSION: &str = "version";

/// Everything that `details.reason` can be, each with what it means.
pub const REASONS: [(&str, &str); 11] = [
    (
        Reason::AccessRight.as_str(),
        "The groups of the user behind the bridge have no right on the model.",
    ),
    (
        Reason::RecordRule.as_str(),
        "A record rule keeps the user behind the bridge from this record.",
    ),
    (
        Reason::PrivateMethod.as_str(),
        "Odoo takes this method from nobody outside.",
    ),
    (
        Reason::MissingRecord.as_str(),
        "There is no record with this id any more.",
    ),
    (Reason::UnknownModel.as_str(), "Odoo knows no model of this name."),
    (Reason::UnknownMethod.as_str(), "The model has no method of this name."),
    (Reason::RejectedData.as_str(), "Odoo refused the data."),
    (Reason::Failed.as_str(), "Odoo, or a module of it, failed."),
    (CREDENTIALS, "Odoo refuses the bridge's own credentials."),
    (
        DATABASE,
        "Odoo can't reach its database, or the configured one does not exist.",
    ),
    (VERSION, "This Odoo has no such interface, or it is switched off."),
];

/// The longest text of Odoo's that is passed on, in characters.
const MESSAGE_MAX_CHARS: usize = 2_000;

/// Odoo's database is down, or the configured one does not exist.
pub(super) const NO_DATABASE: &str = "Odoo can't reach its database, or the configured database does not exist.";

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
        /// Whether not one byte of an answer came.
        is_silent: bool,
    },
    /// Too many calls wait already, or this one waited too long. Not sent.
    #[error("too many calls wait for Odoo")]
    Overloaded {
        /// After which time there is room, as far as can be told.
        retry_in: Duration,
    },
    /// Odoo failed too often in a row and is left alone for a moment. Not sent.
    #[error("Odoo failed too often in a row and is left alone")]
    LeftAlone {
        /// After which time the next call is let through.
        retry_in: Duration,
    },
    /// Odoo, or a proxy before it, takes no more requests for the moment (HTTP 429). Not done.
    #[error("Odoo, or a proxy before it, takes no more requests for the moment")]
    Busy {
        /// After which time it does, as it says.
        retry_in: Duration,
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
    /// Whether Odoo itself, or the way to it, is in trouble.
    pub(crate) const fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::OutcomeUnknown { .. }
        )
    }

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

    /// The same of a call that may write and was answered with it: an answer that is no
    /// result and no exception says nothing of what became of the call.
    pub(super) fn of_an_answered_write(self) -> Self {
        match self {
            Self::Unreachable { message, cause, .. } => Self::OutcomeUnknown {
                cause: Some(cause.unwrap_or_else(|| message.into())),
            },
            other => other,
        }
    }

    /// The same for somebody else who waited for it. The log has the cause once, and it is
    /// no reason for each of them to try again.
    pub(super) fn for_another(&self) -> Self {
        match self {
            Self::Overloaded { retry_in } => Self::Overloaded { retry_in: *retry_in },
            Self::LeftAlone { retry_in } => Self::LeftAlone { retry_in: *retry_in },
            Self::Busy { retry_in } => Self::Busy { retry_in: *retry_in },
            Self::AuthFailed { retry_in } => Self::AuthFailed { retry_in: *retry_in },
            Self::Timeout { waited } => Self::Timeout { waited: *waited },
            Self::WayClosed { message } => Self::WayClosed {
                message: message.clone(),
            },
            Self::Raised { kind, name, message } => Self::Raised {
                kind: *kind,
                name: name.clone(),
                message: message.clone(),
            },
            other => Self::unreachable(other.to_string()),
        }
    }

    /// An answer or connection that is no Odoo's.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::Unreachable {
            message: message.into(),
            cause: None,
            is_silent: false,
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
            return Self::unreachable(NO_DATABASE);
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

/// Odoo's text without control characters, without a traceback, not too long.
fn presentable(message: &str) -> String {
    let mut text: String = message
        .chars()
        .filter(|char| !char.is_control() || *char == '\n')
        .collect();
    // Afterwards, so that no control character hides one.
    if let Some(begin) = text.find("Traceback (most recent call last)") {
        text.truncate(begin);
    }
    text = text.chars().take(MESSAGE_MAX_CHARS + 1).collect();
    if text.chars().count() > MESSAGE_MAX_CHARS {
        text.pop();
        text.push('\u{2026}');
    }
    text.trim().to_owned()
}

/// What was wrong with JSON, for the log: the kind and the place. serde's own text
/// repeats values.
pub(super) fn misread(error: &serde_json::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let (line, column) = (error.line(), error.column());
    format!(
        "JSON that is not as expected ({:?}, line {line}, column {column})",
        error.classify()
    )
    .into()
}

/// Rounded up, and at least one.
fn secs_of(duration: Duration) -> u32 {
    let secs = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(secs.max(1)).unwrap_or(u32::MAX)
}

/// Why Odoo raised an exception, for a program: `details.reason` of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The user behind the bridge has no right on the model (`ir.model.access`).
    AccessRight,
    /// It has, but not on this record (`ir.rule`).
    RecordRule,
    /// The method's name begins with `_`, or it is not for calls from outside.
    PrivateMethod,
    /// No record with this id, or it was deleted.
    MissingRecord,
    UnknownModel,
    UnknownMethod,
    RejectedData,
    /// Odoo itself, or a module, failed.
    Failed,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessRight => "access_right",
            Self::RecordRule => "record_rule",
            Self::PrivateMethod => "private_method",
            Self::MissingRecord => "missing_record",
            Self::UnknownModel => "unknown_model",
            Self::UnknownMethod => "unknown_method",
            Self::RejectedData => "rejected_data",
            Self::Failed => "failed",
        }
    }

    /// By Odoo's texts in English, where the class does not tell: a user whose language is
    /// another has `access_right` for both kinds.
    fn of(kind: Raised, name: &str, text: &str) -> Self {
        match kind {
            Raised::AccessDenied if text.starts_with("Private methods") => Self::PrivateMethod,
            // Odoo 19, and those before it.
            Raised::AccessDenied if text.contains("top-secret records") || text.contains("security restrictions") => {
                Self::RecordRule
            }
            Raised::AccessDenied => Self::AccessRight,
            Raised::NotFound if name == "odoo.exceptions.MissingError" => Self::MissingRecord,
            Raised::NotFound if text.starts_with("The method '") => Self::UnknownMethod,
            Raised::NotFound => Self::UnknownModel,
            Raised::Rejected => Self::RejectedData,
            Raised::Failed => Self::Failed,
        }
    }
}

/// What is called otherwise now, if the text is of something that was renamed.
fn successor(reason: Reason, text: &str) -> Option<Successor> {
    match reason {
        Reason::UnknownModel => renames::of_model(text.strip_prefix("Object ")?.strip_suffix(" doesn't exist")?),
        Reason::UnknownMethod => {
            let (path, _) = text.strip_prefix("The method '")?.split_once('\'')?;
            renames::of_method(path.rsplit('.').next()?)
        }
        _ => None,
    }
}

impl From<OdooError> for AppError {
    fn from(error: OdooError) -> Self {
        match error {
            OdooError::Overloaded { retry_in } => Self::new(
                ErrorCode::Overloaded,
                "Too many calls wait for Odoo already. This one was not sent.",
            )
            .retry_after_secs(secs_of(retry_in)),
            OdooError::Busy { retry_in } => Self::new(
                ErrorCode::Overloaded,
                "Odoo, or a proxy before it, takes no more calls for the moment (HTTP 429). This one was not done.",
            )
            .retry_after_secs(secs_of(retry_in)),
            OdooError::LeftAlone { retry_in } => Self::new(
                ErrorCode::OdooUnavailable,
                "Odoo failed too often in a row and is left alone for a moment. This call was not sent.",
            )
            .retry_after_secs(secs_of(retry_in)),
            OdooError::Unreachable { message, cause, .. } => {
                let error = Self::new(ErrorCode::OdooUnreachable, message);
                let error = if error.message == NO_DATABASE {
                    error.with_details(json!({ "reason": DATABASE }))
                } else {
                    error
                };
                match cause {
                    Some(cause) => error.caused_by(cause),
                    None => error,
                }
            }
            OdooError::AuthFailed { retry_in } => {
                Self::new(
                    ErrorCode::OdooAuthFailed,
                    "Odoo refuses the bridge's own credentials. Its operator has to check the Odoo user and its API key or password.",
                )
                .retry_after_secs(secs_of(retry_in))
                .with_details(json!({ "reason": CREDENTIALS }))
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
            OdooError::WayClosed { message } => Self::new(ErrorCode::OdooUnreachable, message)
                .with_details(json!({ "reason": VERSION })),
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
                let reason = Reason::of(kind, &name, &text);
                let mut details = json!({ "exception": name, "reason": reason.as_str() });
                let text = match successor(reason, &text) {
                    Some(Successor { name, since }) => {
                        details["now_called"] = name.into();
                        format!("{}. Since Odoo {since} it is {name}.", text.trim_end_matches('.'))
                    }
                    None => text,
                };
                Self::new(code, text).with_details(details)
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
    fn why_odoo_raised_is_told_and_what_is_called_otherwise_now() {
        let told = |name: &str, message: &str, model: &str| {
            let error = AppError::from(OdooError::raised(name, message, model));
            let details = error.details.clone().expect("details");
            (
                details["reason"].as_str().expect("a reason").to_owned(),
                details["now_called"].as_str().map(str::to_owned),
                error.message.into_owned(),
            )
        };
        let access = "odoo.exceptions.AccessError";
        let rule = "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, ...";
        assert_eq!(told(access, rule, "res.users").0, "record_rule");
        let right = "You are not allowed to access 'System Parameter' (ir.config_parameter) records.";
        assert_eq!(told(access, right, "ir.config_parameter").0, "access_right");
        let missing = "Record does not exist or has been deleted.";
        assert_eq!(told("odoo.exceptions.MissingError", missing, "a").0, "missing_record");
        let old = "account.invoice";
        let (reason, now, text) = told("odoo.exceptions.UserError", "Object account.invoice doesn't exist", old);
        assert_eq!((&*reason, now.as_deref()), ("unknown_model", Some("account.move")));
        assert_eq!(
            text,
            "Object account.invoice doesn't exist. Since Odoo 13 it is account.move."
        );
        let method = "The method 'account.move.action_invoice_open' does not exist";
        let (reason, now, _) = told("builtins.AttributeError", method, "account.move");
        assert_eq!((&*reason, now.as_deref()), ("unknown_method", Some("action_post")));
        let unknown = told("odoo.exceptions.UserError", "Object no.model doesn't exist", "no.model");
        assert_eq!((&*unknown.0, unknown.1), ("unknown_model", None));
    }

    #[test]
    fn no_traceback_and_no_database_host_is_passed_on() {
        let text = "Oops\nTraceback (most recent call last):\n  File \"/usr/lib/odoo/x.py\"";
        let error = AppError::from(OdooError::raised("builtins.ValueError", text, "a"));
        assert_eq!(error.message, "Odoo failed while it worked on this call: Oops");
        let hidden = "Oops\nTrace\u{0}back (most recent call last):\n  File \"/usr/lib/odoo/x.py\"";
        let error = AppError::from(OdooError::raised("odoo.exceptions.UserError", hidden, "a"));
        assert_eq!(error.message, "Oops");
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
