//! Finding calls. A filter that can't be is refused by name, at its field, and the others
//! stay. A search that would take too long is given up and says so.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::calls::answer::ABORTED;
use crate::calls::listing::store;
use crate::calls::request::{is_method_name, is_model_name};
use crate::error::{ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::keys::issue::{self, Label};
use crate::odoo::error::REASONS;

/// How many calls are on a page.
pub const PAGE: i64 = 50;
/// The word that stands for every code but `ok`.
pub const FAILED: &str = "failed";

/// Which codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// All but `ok`.
    Failed,
    /// This one.
    Only(&'static str),
}

/// Which calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of this key.
    pub key: Option<ApiKeyId>,
    /// Exactly.
    pub model: Option<String>,
    /// Exactly.
    pub method: Option<String>,
    /// What came of them.
    pub codes: Option<Codes>,
    /// Why they failed.
    pub reason: Option<&'static str>,
    /// They took longer, in milliseconds.
    pub slower: Option<f32>,
    /// They arrived from then on.
    pub from: Option<DateTime<Utc>>,
    /// They arrived before.
    pub until: Option<DateTime<Utc>>,
    /// The id that the client was told.
    pub request: Option<String>,
    /// One side of a place in the list.
    pub side: Option<Side>,
}

/// Which side of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Older ones, the newest first.
    Before(Place),
    /// Newer ones, the oldest first.
    After(Place),
}

/// Where a call is in the list; in an address `1764028800000000-<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it arrived.
    pub called_at: DateTime<Utc>,
    /// Its record's id.
    pub id: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.called_at.timestamp_micros(), self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('-').ok_or(())?;
        let called_at = DateTime::from_timestamp_micros(micros.parse().map_err(|_| ())?);
        Ok(Self {
            called_at: called_at.filter(|at| is_storable(at.year())).ok_or(())?,
            id: id.parse().map_err(|_| ())?,
        })
    }
}

/// What the database can hold.
fn is_storable(year: i32) -> bool {
    (1970..=9999).contains(&year)
}

/// A call that was found.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Found {
    /// When it arrived.
    pub called_at: DateTime<Utc>,
    /// Its record's id, which grows as records are written.
    pub id: Uuid,
    /// Whose key.
    pub api_key_id: ApiKeyId,
    /// `None` if the body was no call.
    pub model: Option<String>,
    /// See `model`.
    pub method: Option<String>,
    /// `ok`, the error's code, or `aborted`.
    pub code: String,
    /// Why it failed, where Odoo's answer told it.
    pub reason: Option<String>,
    /// What the model or method that it asked for is called now.
    pub now_called: Option<String>,
    /// Which of Odoo's interfaces it took.
    pub way: Option<String>,
    /// Milliseconds of the whole call.
    pub duration_ms: f32,
    /// Of them the wait for a turn.
    pub queue_ms: Option<f32>,
    /// Of them the policy's decision.
    pub policy_ms: Option<f32>,
    /// Of them the time for which Odoo was asked for fields that had to be known.
    pub fields_ms: Option<f32>,
    /// Of them Odoo's part.
    pub odoo_ms: Option<f32>,
    /// Of them the rest of a large result.
    pub stream_ms: Option<f32>,
    /// The length of Odoo's result.
    pub answer_bytes: i64,
    /// The id that the client was told.
    pub request_id: String,
    /// The client.
    pub address: Option<String>,
}

impl Found {
    /// Where it is in the list.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place {
            called_at: self.called_at,
            id: self.id,
        }
    }
}

/// The fields of an address, as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// A key's id, prefix or name.
    pub key: String,
    /// See [`Filter::model`].
    pub model: String,
    /// See [`Filter::method`].
    pub method: String,
    /// A code, or [`FAILED`].
    pub code: String,
    /// See [`Filter::reason`].
    pub reason: String,
    /// Milliseconds.
    pub slower: String,
    /// A day or an instant in UTC: `2026-11-24`, `2026-11-24T13:05`.
    pub from: String,
    /// The same; a day is included.
    pub to: String,
    /// See [`Filter::request`].
    pub request: String,
    /// A place.
    pub before: String,
    /// A place.
    pub after: String,
}

/// Why a field of the address is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field's name.
    pub field: &'static str,
    /// A sentence.
    pub why: String,
}

/// What an address asks for, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Understood {
    /// What can be filtered by.
    pub filter: Filter,
    /// What can't.
    pub wrong: Vec<Wrong>,
    /// The key of the filter, if it is still there.
    pub key: Option<Label>,
}

impl Asked {
    /// What an address asks for.
    #[must_use]
    pub fn parse(search: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(search).unwrap_or_default();
        let mut asked = Self::default();
        for (name, value) in pairs {
            if let Some((_, place)) = asked.fields_mut().into_iter().find(|(field, _)| *field == name) {
                // A NUL is in no text of the database.
                *place = value.trim().replace('\0', "");
            }
        }
        asked
    }

    const fn fields_mut(&mut self) -> [(&'static str, &mut String); 11] {
        [
            ("key", &mut self.key),
            ("model", &mut self.model),
            ("method", &mut self.method),
            ("code", &mut self.code),
            ("reason", &mut self.reason),
            ("slower", &mut self.slower),
            ("from", &mut self.from),
            ("to", &mut self.to),
            ("request", &mut self.request),
            ("before", &mut self.before),
            ("after", &mut self.after),
        ]
    }

    /// The same address, from another place on.
    #[must_use]
    pub fn query(&self, side: Option<Side>) -> String {
        let mut asked = self.clone();
        (asked.before, asked.after) = match side {
            Some(Side::Before(place)) => (place.to_string(), String::new()),
            Some(Side::After(place)) => (String::new(), place.to_string()),
            None => Default::default(),
        };
        let set: Vec<_> = asked
            .fields_mut()
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        serde_urlencoded::to_string(set).unwrap_or_default()
    }

    /// Understands all of it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn understand(&self, pool: &PgPool) -> Result<Understood> {
        let (mut filter, mut wrong) = self.filter();
        let mut key = None;
        if let Ok(id) = self.key.parse::<ApiKeyId>() {
            // Calls outlive their key: an id is good without one.
            filter.key = Some(id);
            key = issue::labels(pool, &[id]).await?.pop();
        } else if !self.key.is_empty() {
            let mut called = issue::called(pool, &self.key).await?;
            let why = match called.len() {
                0 => Some("There is no key of this name, prefix or id."),
                1 => None,
                _ => Some("Several keys have this name. Give the prefix, such as obk_AbCd1234."),
            };
            match why {
                Some(why) => wrong.push(Wrong {
                    field: "key",
                    why: why.to_owned(),
                }),
                None => key = called.pop(),
            }
            filter.key = key.as_ref().map(|key| key.id);
        }
        Ok(Understood { filter, wrong, key })
    }

    /// All but the key, which only the database knows.
    fn filter(&self) -> (Filter, Vec<Wrong>) {
        let mut wrong = Vec::new();
        let mut refuse = |field, why: &str| {
            wrong.push(Wrong {
                field,
                why: why.to_owned(),
            });
            None
        };
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let model = text(&self.model).and_then(|model| {
            is_model_name(&model)
                .then_some(model)
                .or_else(|| refuse("model", "That is no model's name; one is sale.order."))
        });
        let method = text(&self.method).and_then(|method| {
            is_method_name(&method)
                .then_some(method)
                .or_else(|| refuse("method", "That is no method's name; one is search_read."))
        });
        let codes = text(&self.code).and_then(|word| {
            codes_of(&word).or_else(|| {
                refuse("code", "There is no such code.");
                None
            })
        });
        let reason = text(&self.reason).and_then(|word| {
            let reason = REASONS.into_iter().find(|(reason, _)| *reason == word);
            if reason.is_none() {
                refuse("reason", "There is no such reason.");
            }
            reason.map(|(reason, _)| reason)
        });
        let slower = text(&self.slower).and_then(|text| {
            let ms = text.parse::<f32>().ok().filter(|ms| ms.is_finite() && *ms >= 0.0);
            if ms.is_none() {
                refuse("slower", "Write milliseconds, such as 500.");
            }
            ms
        });
        let mut instant = |field, text: &str, later: u64| {
            let at = (!text.is_empty()).then(|| instant(text, later));
            if at == Some(None) {
                refuse(
                    field,
                    "Write a day as 2026-11-24, or an instant as 2026-11-24T13:05, in UTC.",
                );
            }
            at.flatten()
        };
        let (from, until) = (instant("from", &self.from, 0), instant("to", &self.to, 1));
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            refuse("to", "This is not after the beginning.");
        }
        let place = |text: &str| (!text.is_empty()).then(|| text.parse::<Place>().ok());
        let side = match (place(&self.before), place(&self.after)) {
            (None, None) => None,
            (Some(Some(place)), None) => Some(Side::Before(place)),
            (None, Some(Some(place))) => Some(Side::After(place)),
            _ => {
                refuse("page", "There is no such page. These are the newest calls.");
                None
            }
        };
        let filter = Filter {
            key: None,
            model,
            method,
            codes,
            reason,
            slower,
            from,
            until,
            request: text(&self.request),
            side,
        };
        (filter, wrong)
    }
}

/// The codes that a word stands for.
fn codes_of(word: &str) -> Option<Codes> {
    if word == FAILED {
        return Some(Codes::Failed);
    }
    all_codes().find(|code| *code == word).map(Codes::Only)
}

/// Every code that a record may have, `ok` first.
pub(super) fn all_codes() -> impl Iterator<Item = &'static str> {
    // These are answered to those who hold no accepted key: they leave no record.
    let without = [
        ErrorCode::Unauthenticated,
        ErrorCode::MethodNotAllowed,
        ErrorCode::NotFound,
    ];
    let failures = ErrorCode::OF_CALL
        .into_iter()
        .filter(move |code| !without.contains(code));
    ["ok"]
        .into_iter()
        .chain(failures.map(ErrorCode::as_str))
        .chain([ABORTED])
}

/// The instant that a text names, a day (`2026-11-24`) or an instant in UTC
/// (`2026-11-24T13:05`): of a day its begin, so many days later.
#[must_use]
pub fn instant(text: &str, later: u64) -> Option<DateTime<Utc>> {
    let of_day = || {
        text.parse::<NaiveDate>()
            .ok()?
            .checked_add_days(Days::new(later))?
            .and_hms_opt(0, 0, 0)
    };
    let exact = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let at = exact.or_else(of_day)?;
    is_storable(at.year()).then(|| at.and_utc())
}

/// Calls that a filter finds, `limit` at most, from its place on; `None`: it took too long.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn search(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Option<Vec<Found>>> {
    store::search(pool, filter, limit).await
}

/// What the keys of these calls are called.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn names(pool: &PgPool, calls: &[Found]) -> Result<HashMap<ApiKeyId, String>> {
    let mut ids: Vec<_> = calls.iter().map(|call| call.api_key_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let labels = issue::labels(pool, &ids).await?;
    Ok(labels.into_iter().map(|label| (label.id, label.name)).collect())
}

/// Since when there are records; `None`: there are none.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn oldest(pool: &PgPool) -> Result<Option<DateTime<Utc>>> {
    store::oldest(pool).await
}

/// The call of that record, or the newest that was told that request id; and whether there
/// are more of it.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn find(pool: &PgPool, id: &str) -> Result<Option<(Found, bool)>> {
    if let Ok(record) = id.parse()
        && let Some(found) = store::by_id(pool, record).await?
    {
        return Ok(Some((found, false)));
    }
    let mut calls = store::by_request_id(pool, id).await?.into_iter();
    Ok(calls.next().map(|newest| (newest, calls.next().is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_can_not_be_is_refused_at_its_field_and_the_others_stay() {
        let asked = Asked::parse(
            "model=sale%20order&method=search_read&code=nonsense&reason=none&slower=quick&from=2026-13-01&to=2026-11-24&before=x&else=1",
        );
        let (filter, wrong) = asked.filter();
        let fields: Vec<_> = wrong.iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, ["model", "code", "reason", "slower", "from", "page"]);
        assert_eq!(filter.method.as_deref(), Some("search_read"));
        assert_eq!(
            filter.until.map(|at| at.to_rfc3339()).as_deref(),
            Some("2026-11-25T00:00:00+00:00"),
            "the day itself is in it"
        );
        let (_, wrong) = Asked::parse("from=2026-11-24T13:05&to=2026-11-24T13:05").filter();
        assert_eq!(wrong[0].field, "to");
        for nonsense in ["-1", "NaN", "inf", "1e99"] {
            assert_eq!(
                Asked::parse(&format!("slower={nonsense}")).filter().1.len(),
                1,
                "{nonsense}"
            );
        }
    }

    #[test]
    fn an_address_keeps_its_filters_from_page_to_page() {
        let place = Place {
            called_at: "2026-11-24T12:00:00.000007Z".parse().expect("an instant"),
            id: Uuid::nil(),
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        let asked = Asked::parse("code=failed&model=res.partner&after=x");
        assert_eq!(
            asked.query(Some(Side::Before(place))),
            "model=res.partner&code=failed&before=1795521600000007-00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(asked.query(None), "model=res.partner&code=failed");
    }
}
