//! Days, weeks, months: the spans of time that records are grouped by.

use chrono::{Datelike as _, Duration, Months, NaiveDate, NaiveDateTime};

/// How long a span is.
#[derive(Clone, Copy)]
pub enum Granularity {
    /// From midnight UTC.
    Day,
    /// From Sunday.
    Week,
    /// From its first day.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl Granularity {
    /// By Odoo's name for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }
}

/// The first moment of the span, that of the next one, and what it is called.
#[must_use]
pub fn span(granularity: Granularity, text: &str) -> Option<(NaiveDateTime, NaiveDateTime, String)> {
    let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
    let month = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1);
    let quarter = date.month0() / 3;
    let (from, to, shown) = match granularity {
        Granularity::Day => (date, date + Duration::days(1), date.format("%d %b %Y").to_string()),
        Granularity::Week => {
            // Weeks begin on Sunday in the demo's language.
            let from = date - Duration::days(i64::from(date.weekday().num_days_from_sunday()));
            let week = (from + Duration::days(1)).iso_week();
            (
                from,
                from + Duration::days(7),
                format!("W{} {}", week.week(), week.year()),
            )
        }
        Granularity::Month => {
            let from = month(date.month())?;
            (
                from,
                from.checked_add_months(Months::new(1))?,
                date.format("%B %Y").to_string(),
            )
        }
        Granularity::Quarter => {
            let from = month(quarter * 3 + 1)?;
            (
                from,
                from.checked_add_months(Months::new(3))?,
                format!("Q{} {}", quarter + 1, date.year()),
            )
        }
        Granularity::Year => {
            let from = month(1)?;
            (from, from.checked_add_months(Months::new(12))?, date.year().to_string())
        }
    };
    Some((from.and_hms_opt(0, 0, 0)?, to.and_hms_opt(0, 0, 0)?, shown))
}
