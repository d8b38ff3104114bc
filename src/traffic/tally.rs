//! Calls, counted: how many, with what failures, of what size, how fast.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::calls::records::CallRecord;
use crate::ids::ApiKeyId;
use crate::traffic::histogram::Histogram;
use crate::traffic::window::Level;

/// Stands for every model that Odoo never answered for, and for calls that name none.
pub const OTHER: &str = "(other)";

/// How often each code of a failure came.
pub type Codes = BTreeMap<String, i64>;

/// Adds the counts of other codes.
pub fn add_codes(codes: &mut Codes, others: &Codes) {
    for (code, count) in others {
        *codes.entry(code.clone()).or_default() += count;
    }
}

/// What is counted. Its order is the one in which rows are locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All calls.
    Bridge,
    /// Those of a key.
    Key(ApiKeyId),
    /// Those of a model, or of [`OTHER`].
    Model(String),
}

/// What kind of subject. In the table a number, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The bridge.
    Bridge,
    /// Keys.
    Key,
    /// Models.
    Model,
}

impl Scope {
    /// Its number in the table.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl Subject {
    /// Its kind.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Bridge => Scope::Bridge,
            Self::Key(_) => Scope::Key,
            Self::Model(_) => Scope::Model,
        }
    }

    /// Its name in the table.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Bridge => String::new(),
            Self::Key(id) => id.to_string(),
            Self::Model(model) => model.clone(),
        }
    }
}

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How long its time is.
    pub level: Level,
    /// Of what.
    pub subject: Subject,
    /// When it begins.
    pub at: DateTime<Utc>,
}

/// Some calls.
#[derive(Clone, Default)]
pub struct Tally {
    /// How many, failures included.
    pub calls: i64,
    /// The size of Odoo's results.
    pub bytes: i64,
    /// The failures.
    pub codes: Codes,
    /// How long they took, failures included.
    pub took: Histogram,
    /// Odoo's part of those that it was asked for.
    pub odoo: Histogram,
}

impl Tally {
    /// Counts a call.
    pub fn count(&mut self, record: &CallRecord) {
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1_000.0;
        self.calls += 1;
        self.bytes = self
            .bytes
            .saturating_add(i64::try_from(record.answer_bytes).unwrap_or(i64::MAX));
        if record.code != "ok" {
            *self.codes.entry(record.code.clone().into_owned()).or_default() += 1;
        }
        self.took.add(ms(record.duration));
        if let Some(odoo) = record.odoo {
            self.odoo.add(ms(odoo));
        }
    }

    /// Counts all calls of another.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.bytes = self.bytes.saturating_add(other.bytes);
        add_codes(&mut self.codes, &other.codes);
        self.took.merge(&other.took);
        self.odoo.merge(&other.odoo);
    }

    /// How many failed.
    #[must_use]
    pub fn failures(&self) -> i64 {
        self.codes.values().sum()
    }
}
