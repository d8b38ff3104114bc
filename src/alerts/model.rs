//! What a channel is, and how a delivery stands. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{AppError, Result};
use crate::ids::AlertChannelId;
use crate::odoo::destination;

/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 60;
/// The longest address, in bytes.
const ADDRESS_MAX: usize = 2_000;
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// How a channel is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A POST with JSON, signed.
    Webhook,
    /// A letter.
    Email,
}

impl ChannelKind {
    /// The word in the database and the form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }

    /// The word on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Webhook => "Webhook",
            Self::Email => "E-mail",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Webhook, Self::Email]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// Where a channel leads. It may hold a secret: stored sealed, never logged.
#[derive(Clone)]
pub enum Target {
    /// An address, and the key by which what is sent there is signed.
    Webhook {
        /// Where it is sent to.
        url: SecretString,
        /// In base64.
        key: SecretString,
    },
    /// Whose mailbox.
    Email {
        /// As it was typed.
        to: SecretString,
    },
}

impl Target {
    /// How it is reached.
    #[must_use]
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook { .. } => ChannelKind::Webhook,
            Self::Email { .. } => ChannelKind::Email,
        }
    }

    /// As much of it as an admin is shown: of a webhook only where it is, because the rest
    /// of its address may be a password.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook { url, .. } => {
                let url = reqwest::Url::parse(url.expose_secret()).ok();
                let place = url.map(|url| url.origin().ascii_serialization());
                place.map_or_else(String::new, |place| format!("{place}/\u{2026}"))
            }
            Self::Email { to } => to.expose_secret().to_owned(),
        }
    }

    /// What is sealed: the word of its kind and its parts, a line each. No part has a line end.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        match self {
            Self::Webhook { url, key } => format!("webhook\n{}\n{}", url.expose_secret(), key.expose_secret()),
            Self::Email { to } => format!("email\n{}", to.expose_secret()),
        }
        .into()
    }

    /// See [`Target::to_text`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let target = match lines.next()? {
            "webhook" => Self::Webhook {
                url: lines.next()?.into(),
                key: lines.next()?.into(),
            },
            "email" => Self::Email {
                to: lines.next()?.into(),
            },
            _ => return None,
        };
        lines.next().is_none().then_some(target)
    }
}

/// A name of a channel, or of what it is told about.
///
/// # Errors
/// `invalid_request`
pub fn parse_name(text: &str) -> Result<String> {
    let is_fine = !text.is_empty() && text.chars().count() <= NAME_MAX_CHARS && !text.chars().any(char::is_control);
    if is_fine {
        return Ok(text.to_owned());
    }
    Err(AppError::invalid(format!("Name: 1 to {NAME_MAX_CHARS} characters.")))
}

/// An address to which a webhook may lead.
///
/// # Errors
/// `invalid_request` that does not repeat it.
pub fn parse_url(text: &str) -> Result<SecretString> {
    let text = text.trim();
    let wrong = |why: String| AppError::invalid(format!("Address: {why}."));
    if text.len() > ADDRESS_MAX || text.chars().any(char::is_control) {
        return Err(wrong("it is too long, or has characters that no address has".into()));
    }
    let url = reqwest::Url::parse(text).map_err(|_| wrong("it looks like https://hooks.example.com/bridge".into()))?;
    destination::check(&url).map_err(|why| wrong(format!("it {why}")))?;
    Ok(url.as_str().into())
}

/// A mailbox that a letter may go to.
///
/// # Errors
/// `invalid_request` that does not repeat it.
pub fn parse_mailbox(text: &str) -> Result<SecretString> {
    let mailbox: Option<Mailbox> = text.trim().parse().ok();
    let mailbox = mailbox.filter(|_| text.len() <= ADDRESS_MAX && !text.chars().any(char::is_control));
    let mailbox = mailbox.ok_or_else(|| AppError::invalid("Address: it looks like ann@example.com."))?;
    Ok(mailbox.to_string().into())
}

/// A channel in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: AlertChannelId,
    /// What people call it.
    pub name: String,
    /// How it is reached.
    pub kind: ChannelKind,
    /// See [`Target::shown`]; `None`: another bridge's key sealed it.
    pub shown: Option<String>,
    /// Who added it: an email address.
    pub created_by: String,
}

/// A delivery in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When the change was.
    pub created_at: DateTime<Utc>,
    /// The channel's name.
    pub channel: String,
    /// The schedule's name.
    pub schedule: String,
    /// `firing` or `resolved`.
    pub event: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it arrived.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub given_up_at: Option<DateTime<Utc>>,
    /// Why it did not arrive.
    pub error: Option<String>,
}

/// How long is waited after so many tries that failed: 1 s, 4 s, 16 s and so on, an hour at
/// most.
#[must_use]
pub fn pause(attempts: i32) -> Duration {
    let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(6);
    Duration::from_secs(4_u64.pow(doubled)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_bridge_never_connects_to_is_none_and_is_not_repeated() {
        for wrong in [
            "",
            "hooks.example.com/hunter2",
            "ftp://hooks.example.com/hunter2",
            "http://169.254.169.254/hunter2",
            "http://[fd00:ec2::254]/hunter2",
            "https://hooks.example.com/\u{7}hunter2",
        ] {
            let error = parse_url(wrong).expect_err(wrong);
            assert!(error.message.starts_with("Address: "), "{error}");
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        for wrong in ["", "ann", "ann@example.com\r\nBcc: all@example.com", "<>"] {
            assert!(parse_mailbox(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse_url("http://127.0.0.1:8080/x").is_ok() && parse_mailbox("Ann <ann@example.com>").is_ok());
    }

    #[test]
    fn a_target_survives_the_way_through_the_seal_and_shows_no_secret() {
        let hook = Target::Webhook {
            url: parse_url("https://hooks.example.com/T0/hunter2?token=hunter2").expect("an address"),
            key: "a key".to_owned().into(),
        };
        assert_eq!(hook.shown(), "https://hooks.example.com/\u{2026}");
        let again = Target::from_text(hook.to_text().expose_secret()).expect("a target");
        assert_eq!(again.to_text().expose_secret(), hook.to_text().expose_secret());
        for broken in ["", "email", "webhook\nx", "email\na\nb", "fax\n1"] {
            assert!(Target::from_text(broken).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        let secs: Vec<u64> = (1..=9).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(secs, [1, 4, 16, 64, 256, 1_024, 3_600, 3_600, 3_600]);
    }
}
