//! What an address of `/use` asks for. A field that can't be is refused by name, and the others
//! stay.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::calls::listing::search::{Wrong, instant};
use crate::calls::request::is_model_name;
use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::issue::{self, Label};
use crate::traffic::tally::{OTHER, Subject};
use crate::traffic::window::{Range, Window};

/// The fields of an address, as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// A key's id, prefix or name.
    pub key: String,
    /// A model.
    pub model: String,
    /// A range's word; empty: a day.
    pub range: String,
    /// A day or an instant in UTC; empty: now.
    pub until: String,
}

/// What an address asks for, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// Of what.
    pub subject: Subject,
    /// Of which time.
    pub window: Window,
    /// What can't be.
    pub wrong: Vec<Wrong>,
    /// The key, if it is still there.
    pub key: Option<Label>,
}

impl Asked {
    /// What an address asks for.
    #[must_use]
    pub fn parse(search: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(search).unwrap_or_default();
        let mut asked = Self::default();
        for (name, value) in pairs {
            let place = match &*name {
                "key" => &mut asked.key,
                "model" => &mut asked.model,
                "range" => &mut asked.range,
                "until" => &mut asked.until,
                _ => continue,
            };
            // A NUL is in no text of the database.
            *place = value.trim().replace('\0', "");
        }
        asked
    }

    /// The address without a `?`.
    #[must_use]
    pub fn query(&self) -> String {
        let fields = [
            ("key", &self.key),
            ("model", &self.model),
            ("range", &self.range),
            ("until", &self.until),
        ];
        let set: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        serde_urlencoded::to_string(set).unwrap_or_default()
    }

    /// Understands all of it.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn understand(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<Understood> {
        let (window, mut wrong) = self.window(now);
        let mut refuse = |field, why: &str| {
            wrong.push(Wrong {
                field,
                why: why.to_owned(),
            });
        };
        let (mut subject, mut key) = (Subject::Bridge, None);
        if let Ok(id) = self.key.parse::<ApiKeyId>() {
            // What it called outlives a key: an id is good without one.
            subject = Subject::Key(id);
            key = issue::labels(pool, &[id]).await?.pop();
        } else if !self.key.is_empty() {
            let mut called = issue::called(pool, &self.key).await?;
            match called.len() {
                0 => refuse("key", "There is no key of this name, prefix or id."),
                1 => key = called.pop(),
                _ => refuse(
                    "key",
                    "Several keys have this name. Give the prefix, such as obk_AbCd1234.",
                ),
            }
            if let Some(key) = &key {
                subject = Subject::Key(key.id);
            }
        }
        if !self.model.is_empty() {
            if subject != Subject::Bridge {
                refuse(
                    "model",
                    "Calls are counted by key or by model, not by both. This is the key's.",
                );
            } else if is_model_name(&self.model) || self.model == OTHER {
                subject = Subject::Model(self.model.clone());
            } else {
                refuse("model", "That is no model's name; one is sale.order.");
            }
        }
        Ok(Understood {
            subject,
            window,
            wrong,
            key,
        })
    }

    /// Which time.
    fn window(&self, now: DateTime<Utc>) -> (Window, Vec<Wrong>) {
        let mut wrong = Vec::new();
        let mut refuse = |field, why: &str| {
            wrong.push(Wrong {
                field,
                why: why.to_owned(),
            });
        };
        let mut range = Range::default();
        if !self.range.is_empty() {
            match Range::parse(&self.range) {
                Some(known) => range = known,
                None => refuse("range", "The time is an hour, a day, a week or a month."),
            }
        }
        let mut last = now;
        if !self.until.is_empty() {
            match instant(&self.until, 1) {
                // The time ends there.
                Some(until) => last = until - TimeDelta::seconds(1),
                None => refuse(
                    "until",
                    "Write a day as 2026-11-24, or an instant as 2026-11-24T13:05, in UTC.",
                ),
            }
        }
        (Window::of(range, last), wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_refused_by_name_and_the_other_field_stays() {
        let now = "2026-11-28T10:41:30Z".parse().expect("an instant");
        let (window, wrong) = Asked::parse("range=decade&until=2026-11-24").window(now);
        assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["range"]);
        assert_eq!(window.until.to_rfc3339(), "2026-11-25T00:00:00+00:00");
        let (window, wrong) = Asked::parse("range=hour&until=yesterday&else=1").window(now);
        assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["until"]);
        assert_eq!(window, Window::of(Range::Hour, now));
    }

    #[test]
    fn an_address_keeps_what_it_asks_for() {
        let asked = Asked::parse("model=res.partner&range=week&until=%00&before=x");
        assert_eq!(asked.query(), "model=res.partner&range=week");
        assert_eq!(Asked::parse(&asked.query()), asked);
    }
}
