//! The state of the way to Odoo, as the dashboard shows it. Without secrets. Only
//! the server reads it: the page gets it printed.

use chrono::{DateTime, Utc};

/// Everything that `/connection` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Odoo's address.
    pub url: String,
    /// Its database.
    pub db: String,
    /// The user that the bridge works as.
    pub username: String,
    /// The way that calls take and why, in words.
    pub picked: String,
    /// Whether `ODOO_TRANSPORT` leaves no choice.
    pub fixed: bool,
    /// All ways in, cheapest first.
    pub ways: Vec<WayStatus>,
    /// What to say of each credential that Odoo refuses, its remedy included.
    pub refusals: Vec<Refusal>,
    /// Calls sent to Odoo, without logins and the like.
    pub calls: u64,
    /// TCP connections opened for them.
    pub connections_opened: u64,
    /// The share of calls that needed no new connection: `97 %`; `None` before the first.
    pub reused: Option<String>,
    /// How many calls may be made at once, at which pace, and how many may wait.
    pub bounds: String,
    /// How many are on their way, and wait.
    pub line: String,
    /// Calls that were sent away since the start, because too many waited.
    pub sent_away: u64,
    /// Since when Odoo is left alone because it failed, in words; `None`: it is not.
    pub left_alone: Option<String>,
    /// How often it was, since the start.
    pub times_left_alone: u64,
    /// How limits are held by several instances, in words.
    pub limits: String,
    /// Instances that are alive; `None`: nobody knows without a Redis.
    pub instances: Option<u32>,
    /// How often Redis went away since the start.
    pub times_redis_gone: Option<u64>,
    /// Since when Redis is gone and why, in words; `None`: it is not.
    pub redis_gone: Option<String>,
    /// Call records kept.
    pub records_written: u64,
    /// Call records lost.
    pub records_dropped: u64,
}

/// One way into Odoo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayStatus {
    /// Its name, for people.
    pub name: String,
    /// What is known of it.
    pub state: WayWord,
    /// What the last probe's call took: `4.2 ms`; `None` if it was not measured.
    pub cost: Option<String>,
    /// Why it is in this state, in a sentence.
    pub reason: String,
    /// Since when it is, if it was ever tried.
    pub since: Option<DateTime<Utc>>,
}

/// What is known of a way, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayWord {
    /// Calls take it.
    InUse,
    /// It would do.
    Works,
    /// It is switched off, or not for this user.
    Closed,
    /// Odoo refuses its credentials.
    Refused,
    /// The settings don't allow it.
    NotSet,
    /// Nobody knows yet.
    Untried,
}

impl WayWord {
    /// The word in the table.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::InUse => "In use",
            Self::Works => "Works",
            Self::Closed => "Not available",
            Self::Refused => "Refused",
            Self::NotSet => "Not set up",
            Self::Untried => "Not tried yet",
        }
    }
}

/// A credential that Odoo refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The setting that holds it.
    pub setting: String,
    /// What to do.
    pub remedy: String,
    /// When the bridge tries it again, as the end of a sentence: `in 42 seconds`.
    pub tried_again: String,
    /// When it was refused last.
    pub refused_at: DateTime<Utc>,
}

/// The name of a way for people, from the word in a call's record.
#[must_use]
pub fn way_name(word: &str) -> &str {
    match word {
        "web" => "Web session",
        "jsonrpc" => "JSON-RPC",
        "json2" => "JSON-2",
        other => other,
    }
}
