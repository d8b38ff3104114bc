//! Finding what was written down. A filter that can't be is refused by name, and the
//! others stay.

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgPool;

use crate::audit::log::Action;
use crate::audit::store;
use crate::error::Result;
use crate::printed::csv::plain;

/// How many events are on a page.
pub const PAGE: i64 = 50;
/// How many lines a CSV has at most.
pub const CSV_MAX: i64 = 100_000;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose: the address they sign in with.
    pub by: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// A part of the name of what it was done to.
    pub subject: Option<String>,
    /// From then on.
    pub from: Option<DateTime<Utc>>,
    /// Until then, not included.
    pub until: Option<DateTime<Utc>>,
    /// Older than the event of this id: the next page.
    pub before: Option<i64>,
}

/// An event in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// For the next page.
    pub id: i64,
    /// When.
    pub happened_at: DateTime<Utc>,
    /// By whom; see [`crate::audit::log::Event::user_email`].
    pub user_email: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// What was done: see [`Action::as_str`].
    pub action: String,
    /// To what.
    pub subject_name: String,
    /// What it was.
    pub before: Option<String>,
    /// What it became.
    pub after: Option<String>,
    /// Whether it is in the chain already.
    pub is_sealed: bool,
}

/// What was asked for in an address, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// See [`Filter::by`].
    pub by: String,
    /// The word of an action.
    pub action: String,
    /// See [`Filter::subject`].
    pub subject: String,
    /// A day: `2026-11-24`.
    pub from: String,
    /// A day, included.
    pub to: String,
    /// An event's id.
    pub before: String,
}

impl Asked {
    /// What an address asks for.
    #[must_use]
    pub fn parse(search: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(search).unwrap_or_default();
        let mut asked = Self::default();
        for (name, value) in pairs {
            let place = match &*name {
                "by" => &mut asked.by,
                "action" => &mut asked.action,
                "subject" => &mut asked.subject,
                "from" => &mut asked.from,
                "to" => &mut asked.to,
                "before" => &mut asked.before,
                _ => continue,
            };
            // A NUL is in no text of the database.
            *place = value.trim().replace('\0', "");
        }
        asked
    }

    /// The same address, for the page from `before` on.
    #[must_use]
    pub fn query(&self, before: Option<i64>) -> String {
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let pairs = [
            ("by", &self.by),
            ("action", &self.action),
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
            ("before", &before),
        ];
        let set: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        serde_urlencoded::to_string(set).unwrap_or_default()
    }

    /// What can be filtered by, and a sentence for each that can't.
    #[must_use]
    pub fn filter(&self) -> (Filter, Vec<String>) {
        let mut wrong = Vec::new();
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let action = text(&self.action).and_then(|word| {
            let action = Action::ALL.iter().copied().find(|action| action.as_str() == word);
            if action.is_none() {
                wrong.push("What was done: there is no such action.".to_owned());
            }
            action
        });
        let mut day = |label: &str, text: &str, later: u64| {
            if text.is_empty() {
                return None;
            }
            let day = text.parse::<NaiveDate>().ok();
            let at = day
                .and_then(|day| day.checked_add_days(Days::new(later)))
                .and_then(|day| day.and_hms_opt(0, 0, 0))
                // What the database can hold, too.
                .filter(|at| (1970..=9999).contains(&chrono::Datelike::year(at)));
            if at.is_none() {
                wrong.push(format!("{label}: write a day as 2026-11-24."));
            }
            at.map(|at| at.and_utc())
        };
        let (from, until) = (day("From", &self.from, 0), day("To", &self.to, 1));
        let before = self.before.parse().ok();
        if !self.before.is_empty() && before.is_none() {
            wrong.push("The page: there is none like that.".into());
        }
        let filter = Filter {
            by: text(&self.by).map(|email| email.to_ascii_lowercase()),
            action,
            subject: text(&self.subject),
            from,
            until,
            before,
        };
        (filter, wrong)
    }
}

/// The newest events that a filter finds, `limit` at most.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn search(pool: &PgPool, filter: &Filter, limit: i64) -> Result<Vec<Listed>> {
    store::search(pool, filter, limit).await
}

/// The same as CSV: a line for each event, with a line of names first.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn csv(pool: &PgPool, filter: &Filter) -> Result<Vec<u8>> {
    let events = search(pool, filter, CSV_MAX).await?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = ["happened_at", "user", "address", "action", "subject", "before", "after"];
    let failed = |error: csv::Error| crate::error::AppError::internal(error);
    writer.write_record(names).map_err(failed)?;
    for event in events {
        let text = |text: Option<String>| plain(text.unwrap_or_default());
        writer
            .write_record([
                event.happened_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                text(event.user_email),
                text(event.address),
                plain(event.action),
                plain(event.subject_name),
                text(event.before),
                text(event.after),
            ])
            .map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| crate::error::AppError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_can_not_be_is_refused_by_name_and_the_others_stay() {
        let asked = Asked::parse("by=Ann%40example.com&action=nonsense&from=2026-13-01&to=2026-11-24&before=x&else=1");
        let (filter, wrong) = asked.filter();
        assert_eq!(filter.by.as_deref(), Some("ann@example.com"));
        assert_eq!((filter.action, filter.from, filter.before), (None, None, None));
        assert_eq!(
            filter.until.map(|at| at.to_rfc3339()).as_deref(),
            Some("2026-11-25T00:00:00+00:00"),
            "the day itself is in it"
        );
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[1].starts_with("From:"), "{wrong:?}");
        let (_, wrong) = Asked::parse("from=99999-01-01").filter();
        assert_eq!(wrong.len(), 1);
    }

    #[test]
    fn an_address_keeps_its_filters_from_page_to_page() {
        let asked = Asked::parse("subject=a%26b&action=key_revoked&before=7");
        assert_eq!(asked.query(Some(3)), "action=key_revoked&subject=a%26b&before=3");
        assert_eq!(asked.query(None), "action=key_revoked&subject=a%26b");
    }
}
