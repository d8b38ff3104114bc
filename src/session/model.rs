//! Who is signed in, and the sentences that a person may be told on the way there.

use chrono::{DateTime, Duration, Utc};

use crate::error::{AppError, ErrorCode};
use crate::ids::UserId;

/// The fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 12;
/// The most characters of a password.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// Where a person lands who asked for nothing else.
pub const HOME: &str = "/keys";

/// The email or the password is wrong; which of them is not told.
pub const WRONG_EMAIL_OR_PASSWORD: &str = "The email or the password is wrong. Check both and try again.";
/// Locked for a while.
pub const TOO_MANY_ATTEMPTS: &str = "Too many attempts failed. Wait a little before the next one.";
/// What was given as the present password is not it.
pub const WRONG_OLD_PASSWORD: &str = "The present password is wrong. Nothing was changed.";
/// The set-up token does not match.
pub const WRONG_SETUP_TOKEN: &str = "The set-up token is wrong. Copy it from the terminal in which the bridge was started; a new start makes a new one.";
/// Somebody was faster.
pub const ALREADY_SET_UP: &str = "This bridge is set up already. Sign in with the account that was made.";
/// An address that can't be one.
pub const NOT_AN_EMAIL: &str = "This is not an email address. It looks like name@example.com.";
/// There is an account of this address.
pub const EMAIL_TAKEN: &str = "There is an account with this email already.";
/// Fewer characters than [`PASSWORD_MIN_CHARS`].
pub const PASSWORD_TOO_SHORT: &str =
    "The password is too short: 12 characters at least. Several words make a good one.";
/// More characters than [`PASSWORD_MAX_CHARS`].
pub const PASSWORD_TOO_LONG: &str = "The password is too long: 128 characters at most.";
/// The new password is the old one.
pub const PASSWORD_UNCHANGED: &str = "The new password is the same as the present one. Choose another.";
/// Too many passwords are being checked at once.
pub const BUSY: &str = "Too many people are signing in at this moment. Try again in a few seconds.";
/// The code of the second factor is wrong, or was used before.
pub const WRONG_CODE: &str = "The code is wrong, or was used before. Wait for the next one and try again.";
/// The password was given, but too long ago, or with another browser.
pub const SIGN_IN_AGAIN: &str = "That took too long. Sign in again.";
/// What is dangerous needs the password once more.
pub const NOT_FRESH: &str =
    "This needs your password once more. Give it at /confirm, then do this again within 15 minutes.";
/// An invitation that is not there, was used, was withdrawn or is over.
pub const NO_INVITATION: &str = "This invitation is over or was used. Ask for a new one.";
/// No session, or one that is over.
pub const NOT_SIGNED_IN: &str = "Sign in to do this.";
/// A write from another site's page.
pub const FOREIGN_ORIGIN: &str =
    "The request did not come from the dashboard's own page. Open the dashboard at its own address and try again.";

/// Every sentence above: what an error in a URL may say in its own words.
const SENTENCES: [&str; 13] = [
    WRONG_EMAIL_OR_PASSWORD,
    TOO_MANY_ATTEMPTS,
    WRONG_OLD_PASSWORD,
    WRONG_SETUP_TOKEN,
    ALREADY_SET_UP,
    NOT_AN_EMAIL,
    EMAIL_TAKEN,
    PASSWORD_TOO_SHORT,
    PASSWORD_TOO_LONG,
    PASSWORD_UNCHANGED,
    BUSY,
    NOT_SIGNED_IN,
    FOREIGN_ORIGIN,
];

/// What a person may do in the dashboard. Each may what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks at everything but people and what they did; changes nothing.
    Viewer,
    /// Makes, changes and revokes keys, and runs speed tests.
    Operator,
    /// Decides who may do what, and sees what everybody did.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word in the database, in forms and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// For so long after the password was given, what is dangerous may be done.
pub const FRESH_FOR_MINUTES: i64 = 15;

/// The person behind a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Their id.
    pub id: UserId,
    /// The address they sign in with.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// When they last gave their password in this session.
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl SignedIn {
    /// Whether the password was given a short while ago.
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.confirmed_at
            .is_some_and(|at| now - at < Duration::minutes(FRESH_FOR_MINUTES))
    }
}

/// An error that came in the page's URL (that is how a form learns of it). Anybody can write a link, so its words are shown only if they
/// are our own; others are replaced.
#[must_use]
pub fn error_from_url(error: &AppError) -> AppError {
    let own = SENTENCES.into_iter().find(|sentence| *sentence == error.message);
    let sentence = own.unwrap_or(match error.code {
        ErrorCode::Unavailable => "The bridge's own database can't be reached at the moment. Try again shortly.",
        ErrorCode::InvalidRequest => "A field of this form is missing or malformed.",
        _ => "That did not work. Try again.",
    });
    let mut safe = AppError::new(error.code, sentence);
    safe.retry_after_secs = error.retry_after_secs;
    safe
}

/// How long to wait, in words: `30 seconds`, `15 minutes`.
#[must_use]
pub fn wait_in_words(secs: u32) -> String {
    match secs {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{secs} seconds"),
        _ => format!("{} minutes", secs.div_ceil(60)),
    }
}

/// Where to go after signing in: `next` if it is a page of this dashboard, else
/// [`HOME`]. An address of another site, however disguised, is never followed.
#[must_use]
pub fn local_path(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let own = next.starts_with('/') && !next.starts_with("//");
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let page = !["/login", "/setup", "/"].contains(&path) && !path.starts_with("/api/");
    if plain && own && page && next.len() <= 2_000 {
        next
    } else {
        HOME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for wrong in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "",
            "keys",
            "/ä",
            "/a\r\nSet-Cookie: x=y",
            "/login?next=/keys",
            "/setup",
            "/api/sign_out",
            "/",
        ] {
            assert_eq!(local_path(wrong), HOME, "{wrong:?}");
        }
    }

    #[test]
    fn a_page_of_the_dashboard_is_followed_with_its_query() {
        for page in ["/guide", "/keys?status=active&q=a%20b", "/keys/0197", "/loginx"] {
            assert_eq!(local_path(page), page);
        }
    }

    #[test]
    fn a_link_can_not_put_words_into_our_mouth() {
        let forged = AppError::new(ErrorCode::Unauthenticated, "Call 555-0100 to unlock your account.");
        assert!(!error_from_url(&forged).message.contains("555"));
        let own = AppError::new(ErrorCode::Unauthenticated, WRONG_EMAIL_OR_PASSWORD);
        assert_eq!(error_from_url(&own).message, WRONG_EMAIL_OR_PASSWORD);
    }

    #[test]
    fn a_wait_is_said_in_whole_words() {
        assert_eq!(wait_in_words(1), "a second");
        assert_eq!(wait_in_words(30), "30 seconds");
        assert_eq!(wait_in_words(841), "15 minutes");
    }
}
