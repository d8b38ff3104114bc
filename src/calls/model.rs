//! What a call is, for those who describe it, and what is shown of calls made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The address of the gateway below the bridge's own.
pub const PATH: &str = "/call";

/// The header that carries the key.
pub const KEY_HEADER: &str = "X-API-KEY";

/// How many of a key's calls are shown beside it.
pub const RECENT_CALLS: u32 = 20;

/// How far a key's calls are counted: so many are to be read as "or more". Keeps
/// the page of a busy key as quick as any other.
pub const CALLS_COUNTED: u32 = 10_000;

/// A call that was made. Instants travel as microseconds (see the keys' model).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentCall {
    /// When it arrived.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub called_at: DateTime<Utc>,
    /// `None` if the body was no call.
    pub model: Option<String>,
    /// `None` if the body was no call.
    pub method: Option<String>,
    /// `ok` or the error's code.
    pub code: String,
    /// Which of Odoo's interfaces it took; `None` if Odoo was not asked.
    pub way: Option<String>,
    /// Milliseconds of the whole call.
    pub duration_ms: f32,
    /// Milliseconds of it that Odoo took.
    pub odoo_ms: Option<f32>,
    /// The length of Odoo's result.
    pub answer_bytes: u64,
    /// The id in the answer and the log.
    pub request_id: String,
    /// The client.
    pub address: Option<String>,
}

/// What a key called lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyCalls {
    /// Newest first, at most [`RECENT_CALLS`].
    pub recent: Vec<RecentCall>,
    /// How many in the last 24 hours, at most [`CALLS_COUNTED`].
    pub calls_24h: u64,
    /// How many of those failed.
    pub failures_24h: u64,
}
