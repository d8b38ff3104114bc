//! The ways into an Odoo, and what is told of them. The order of [`Way`] is the
//! order of what a call costs, as measured on Odoo 19 (docs/performance.md).

use super::breaker::BreakerState;
use super::turns::{Load, Rules};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// One of Odoo's own interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `/web/dataset/call_kw` with a session, as the browser has it. Needs the
    /// password; no password is checked after the login.
    Web,
    /// `/jsonrpc`, Odoo 8 to 21. A password or an API key, hashed anew whenever
    /// Odoo's cache was cleared (330 ms).
    JsonRpc,
    /// `/json/2`, Odoo 19 and later. An API key, hashed on each call (3 ms).
    Json2,
}

impl Way {
    /// All of them, cheapest first.
    pub const ALL: [Self; 3] = [Self::Web, Self::JsonRpc, Self::Json2];

    /// For people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Web => "Web session",
            Self::JsonRpc => "JSON-RPC",
            Self::Json2 => "JSON-2",
        }
    }

    /// The word in settings, records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::JsonRpc => "jsonrpc",
            Self::Json2 => "json2",
        }
    }

    /// Milliseconds a call costs on average beyond what a probe sees: JSON-RPC
    /// pays 330 ms after each clearing of Odoo's cache; one call in a hundred
    /// is a guess on the low side.
    pub(super) const fn unseen_cost_ms(self) -> f64 {
        match self {
            Self::JsonRpc => 3.3,
            Self::Web | Self::Json2 => 0.0,
        }
    }
}

/// What is known of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayState {
    /// Nobody has tried it yet.
    Untried,
    /// The last call over it got an answer.
    Works,
    /// It is switched off, or not for this user.
    Closed,
    /// Odoo refuses its credentials.
    Refused,
    /// The settings have no credentials for it, or choose another.
    NotConfigured,
}

/// One way, for the dashboard and `check`.
#[derive(Clone, Debug)]
pub struct WayReport {
    /// Which one.
    pub way: Way,
    /// What is known of it.
    pub state: WayState,
    /// Whether calls take it now.
    pub picked: bool,
    /// Milliseconds that the last probe's call took.
    pub cost_ms: Option<f64>,
    /// Why it is in this state, in a sentence.
    pub reason: String,
    /// Since when it is in this state; `None` if it was never tried.
    pub since: Option<DateTime<Utc>>,
}

/// Credentials that Odoo refuses.
#[derive(Clone, Debug)]
pub struct RefusedCredential {
    /// The setting that holds them, such as `ODOO_PASSWORD`.
    pub setting: &'static str,
    /// When they are tried again.
    pub retry_in: Duration,
    /// When they were refused last.
    pub refused_at: DateTime<Utc>,
}

/// How the bridge gets into Odoo at this moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Odoo's address.
    pub url: String,
    /// Its database.
    pub db: String,
    /// The user that the bridge works as.
    pub username: String,
    /// Whether `ODOO_TRANSPORT` leaves no choice.
    pub fixed: bool,
    /// All ways, cheapest first.
    pub ways: Vec<WayReport>,
    /// Which credentials are refused.
    pub refused: Vec<RefusedCredential>,
    /// Why calls take the way they take.
    pub picked_because: String,
    /// HTTP calls sent to Odoo.
    pub calls: u64,
    /// TCP connections opened for them; the rest were reused.
    pub connections_opened: u64,
    /// How many calls, how often, and how many may wait.
    pub rules: Rules,
    /// How many do.
    pub load: Load,
    /// Whether Odoo is left alone.
    pub breaker: BreakerState,
}
