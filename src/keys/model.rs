//! What an API key is, as the dashboard, the command line and the gateway see
//! it. Nothing here holds a key's secret, but for `CreatedKey`, once.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{AppError, Result};
use crate::ids::ApiKeyId;

/// Keys shown on one page of the table.
pub const KEYS_PER_PAGE: u32 = 25;
/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 100;
/// The longest life of a key with an end, in days: a hundred years.
const LIFE_MAX_DAYS: i64 = 36_500;

/// A key as it is listed. Instants travel as microseconds: a parser of dates
/// would be 9 kB of WASM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id in the dashboard and the log.
    pub id: ApiKeyId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// The part of the key that may be shown: `obk_AbCd1234`.
    pub prefix: String,
    /// When it was made.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub created_at: DateTime<Utc>,
    /// From when on it is refused; `None`: never.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last accepted, to within a few seconds.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused for good.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Whether identical reads in flight may share one call to Odoo.
    pub share_reads: bool,
    /// How much its policy gives: `full`, `read_only` or `rules`.
    pub access: String,
    /// The key that took its place.
    pub replaced_by: Option<ApiKeyId>,
    /// What holds at the moment of reading.
    pub status: KeyStatus,
    /// A picture of its calls in the last 24 hours, as SVG of the server's; empty where nobody asked for it, and of
    /// a key without calls.
    pub spark: String,
}

/// What can end a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is refused for good.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Since when it is switched off.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It is accepted.
    Active,
    /// It is switched off, until somebody enables it.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl KeyStatus {
    /// All of them, in the order of the filter.
    pub const ALL: [Self; 4] = [Self::Active, Self::Disabled, Self::Expired, Self::Revoked];

    /// The word in the URL and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// The word in the table.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }

    /// The status at `now`. What is for good outweighs what is not.
    #[must_use]
    pub fn at(now: DateTime<Utc>, ends: Ends) -> Self {
        if ends.revoked_at.is_some() {
            Self::Revoked
        } else if ends.expires_at.is_some_and(|end| end <= now) {
            Self::Expired
        } else if ends.disabled_at.is_some() {
            Self::Disabled
        } else {
            Self::Active
        }
    }
}

/// A key just made: the only time its plaintext exists.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// What its holder needs. Shown once, never stored, never logged.
    pub plaintext: String,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// By what the table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySort {
    /// When it was made.
    #[default]
    CreatedAt,
    /// Its name, without regard to case.
    Name,
    /// When it ends; those that never end come last.
    ExpiresAt,
    /// When it was last used; those never used come last.
    LastUsedAt,
}

impl KeySort {
    /// The word in the URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created",
            Self::Name => "name",
            Self::ExpiresAt => "expires",
            Self::LastUsedAt => "used",
        }
    }
}

/// Which keys the table shows; lives in the URL's query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyQuery {
    /// Part of a name or of a prefix, without regard to case; empty: all.
    pub search: String,
    /// Only those of this status.
    pub status: Option<KeyStatus>,
    /// The order.
    pub sort: KeySort,
    /// Whether the order is reversed (newest, latest, Z first).
    pub descending: bool,
    /// From 1.
    pub page: u32,
}

impl Default for KeyQuery {
    /// All keys, newest first.
    fn default() -> Self {
        Self {
            search: String::new(),
            status: None,
            sort: KeySort::CreatedAt,
            descending: true,
            page: 1,
        }
    }
}

impl KeyQuery {
    /// Reads it from the URL: `q`, `status`, `sort`, `dir`, `page`. What is
    /// unknown there is as if absent: a link never breaks the page.
    pub fn from_params(get: impl Fn(&str) -> Option<String>) -> Self {
        let sort = match get("sort").as_deref() {
            Some("name") => KeySort::Name,
            Some("expires") => KeySort::ExpiresAt,
            Some("used") => KeySort::LastUsedAt,
            _ => KeySort::CreatedAt,
        };
        let descending = match get("dir").as_deref() {
            Some("asc") => false,
            Some("desc") => true,
            _ => sort == KeySort::CreatedAt || sort == KeySort::LastUsedAt,
        };
        Self {
            search: get("q")
                .unwrap_or_default()
                .trim()
                .chars()
                .take(NAME_MAX_CHARS)
                .collect(),
            status: get("status").and_then(|word| KeyStatus::ALL.into_iter().find(|status| status.as_str() == word)),
            sort,
            descending,
            page: get("page")
                .and_then(|page| page.parse().ok())
                .filter(|page| *page > 0)
                .unwrap_or(1),
        }
    }
}

/// One page of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// At most [`KEYS_PER_PAGE`].
    pub keys: Vec<ApiKey>,
    /// How many the query finds on all pages.
    pub found: u64,
    /// How many there are without any filter: none at all means a fresh start.
    pub total: u64,
    /// This page, from 1; the last one if the query asked for more.
    pub page: u32,
    /// How many pages there are, at least 1.
    pub pages: u32,
    /// What somebody should look at, among all keys, in a sentence; empty: nothing.
    pub reminder: String,
    /// What a new key may be made to do: the printed options of a `<select>`.
    pub accesses: String,
}

/// From this many days on a key counts as unused.
pub const UNUSED_DAYS: i64 = 90;
/// A key that ends before so many days is reminded of.
pub const ENDS_SOON_DAYS: i64 = 14;

/// How much a key may, in words: from the word in [`ApiKey::access`].
#[must_use]
pub fn access_label(access: &str) -> &'static str {
    match access {
        "full" => "Full access",
        "read_only" => "Read only",
        "rules" => "By rules",
        _ => "Nothing",
    }
}

/// A key's name: 1 to 100 characters, none of them a control character, no
/// blanks around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Takes what a person typed.
    ///
    /// # Errors
    /// `invalid_request` with a sentence for that person.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.trim();
        if name.is_empty() {
            return Err(AppError::invalid(
                "Give the key a name, so that you know later what it is for.",
            ));
        }
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(AppError::invalid("The name is too long: 100 characters at most."));
        }
        if name.chars().any(char::is_control) {
            return Err(AppError::invalid(
                "The name holds a line break or another control character. Leave it out.",
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When a new key ends, as the form says it: `never`, a number of days (`30`),
/// or `date` with a day (`2027-01-31`), through to the end of that day in UTC.
///
/// # Errors
/// `invalid_request` if it is none of these, or not after `now`.
pub fn parse_expiry(choice: &str, date: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    match choice {
        "never" => Ok(None),
        "date" => {
            let day = parse_day(date.trim())
                .ok_or_else(|| AppError::invalid("Choose the day on which the key ends, such as 2027-01-31."))?;
            let end = day
                .succ_opt()
                .and_then(|next| next.and_hms_opt(0, 0, 0))
                .map(|end| end.and_utc())
                .filter(|end| *end <= now + Duration::days(LIFE_MAX_DAYS))
                .ok_or_else(|| AppError::invalid("That day is too far away. Choose \u{201c}Never\u{201d} instead."))?;
            if end <= now {
                return Err(AppError::invalid("That day is over. Choose one that is not."));
            }
            Ok(Some(end))
        }
        days => {
            let days: i64 = days
                .parse()
                .ok()
                .filter(|days| (1..=LIFE_MAX_DAYS).contains(days))
                .ok_or_else(|| AppError::invalid("Choose when the key ends: never, after some days, or on a date."))?;
            Ok(Some(now + Duration::days(days)))
        }
    }
}

/// `2027-01-31`, as a date field sends it. Not by chrono's own parser, which would
/// be most of chrono in the WASM.
fn parse_day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = [(year, 4), (month, 2), (day, 2)]
        .iter()
        .all(|(part, length)| part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits || parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_key_ends_at_the_end_of_the_chosen_day() {
        let end = parse_expiry("date", "2026-11-24", now()).expect("today is not over yet");
        assert_eq!(end, Some("2026-11-25T00:00:00Z".parse().expect("an instant")));
        assert_eq!(parse_expiry("never", "", now()).expect("fine"), None);
        assert_eq!(
            parse_expiry("30", "", now()).expect("fine"),
            Some(now() + Duration::days(30))
        );
    }

    #[test]
    fn an_expiry_that_makes_no_sense_is_refused() {
        for (choice, date) in [
            ("date", "2026-11-23"),
            ("date", ""),
            ("date", "31.01.2027"),
            ("date", "+262142-12-31"),
            ("0", ""),
            ("-3", ""),
            ("99999999999999999999", ""),
            ("", ""),
        ] {
            assert!(parse_expiry(choice, date, now()).is_err(), "{choice:?} {date:?}");
        }
    }

    #[test]
    fn what_is_for_good_outweighs_what_is_not() {
        let past = Some(now() - Duration::days(1));
        let at = |expires_at, revoked_at, disabled_at| {
            let ends = Ends {
                expires_at,
                revoked_at,
                disabled_at,
            };
            KeyStatus::at(now(), ends)
        };
        assert_eq!(at(past, past, past), KeyStatus::Revoked);
        assert_eq!(at(past, None, past), KeyStatus::Expired);
        assert_eq!(
            at(Some(now()), None, None),
            KeyStatus::Expired,
            "the end itself is over"
        );
        assert_eq!(at(None, None, past), KeyStatus::Disabled);
        assert_eq!(at(None, None, None), KeyStatus::Active);
    }

    #[test]
    fn a_broken_link_shows_the_first_page_of_all_keys() {
        let query = KeyQuery::from_params(|name| Some(format!("{name}-nonsense")).filter(|_| name != "q"));
        assert_eq!(query, KeyQuery::default());
    }

    #[test]
    fn a_created_key_does_not_print_its_secret() {
        let key = ApiKey {
            id: ApiKeyId(uuid::Uuid::nil()),
            name: "test".into(),
            prefix: "obk_AbCd1234".into(),
            created_at: now(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            share_reads: false,
            access: "read_only".into(),
            replaced_by: None,
            status: KeyStatus::Active,
            spark: String::new(),
        };
        let created = CreatedKey {
            key,
            plaintext: "the-secret".into(),
        };
        assert!(!format!("{created:?}").contains("the-secret"));
    }
}
