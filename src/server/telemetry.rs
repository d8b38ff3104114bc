//! What the bridge tells its operator: a log on stderr, and numbers for
//! Prometheus on a listener of their own. Neither ever holds a secret, an
//! argument or a record's value: only names, codes and times.

pub mod calls;
pub mod serve;

use std::io;
use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tracing_subscriber::EnvFilter;

use crate::calls::answer::ABORTED;
use crate::config::{ConfigError, LogFormat, Settings};
use crate::error::ErrorCode;
use crate::server::telemetry::calls::{Calls, Counted};

/// Calls answered, by `code` (`ok`, or the error's code) and `model`.
pub const CALLS_TOTAL: &str = "bridge_calls_total";
/// Seconds from a call's first byte to its answer, by `model`.
pub const CALL_DURATION_SECONDS: &str = "bridge_call_duration_seconds";
/// Seconds of it that Odoo took, by `model`.
pub const ODOO_DURATION_SECONDS: &str = "bridge_odoo_duration_seconds";
/// Keys that were not accepted, by `reason`.
pub const KEYS_REJECTED_TOTAL: &str = "bridge_keys_rejected_total";

/// Times that the database was asked for a key.
pub const KEY_LOOKUPS_TOTAL: &str = "bridge_key_lookups_total";
/// Call records that are in the database.
pub const CALL_RECORDS_WRITTEN_TOTAL: &str = "bridge_call_records_written_total";
/// Call records that found no room.
pub const CALL_RECORDS_DROPPED_TOTAL: &str = "bridge_call_records_dropped_total";

/// Calls that are on their way to Odoo.
pub const ODOO_CALLS_RUNNING: &str = "bridge_odoo_calls_running";
/// Calls that wait for their turn.
pub const ODOO_CALLS_WAITING: &str = "bridge_odoo_calls_waiting";
/// Calls that were sent away, because too many waited.
pub const ODOO_CALLS_SENT_AWAY_TOTAL: &str = "bridge_odoo_calls_sent_away_total";
/// 1 while Odoo is left alone because it failed too often, else 0.
pub const ODOO_LEFT_ALONE: &str = "bridge_odoo_left_alone";

/// Keys in force that end within so many `days` and were not rolled.
pub const KEYS_ENDING: &str = "bridge_keys_ending";

/// 1 while limits are shared through Redis, 0 while it is gone; absent without `REDIS_URL`.
pub const REDIS_UP: &str = "bridge_redis_up";
/// Times that Redis went away.
pub const REDIS_GONE_TOTAL: &str = "bridge_redis_gone_total";
/// Instances that are alive; while Redis is gone, as they were last.
pub const INSTANCES: &str = "bridge_instances";

/// Libraries that say more than an operator wants; the setting can name them to
/// hear them.
const QUIET: &str =
    "hyper=warn,hyper_util=warn,h2=warn,reqwest=warn,rustls=warn,sqlx=warn,tower=warn,leptos_router=warn";

/// Starts the log.
///
/// # Errors
/// When the filter is not one.
pub fn init(settings: &Settings) -> Result<(), ConfigError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ConfigError(format!(
            "RUST_LOG (--log) is not a filter for the log ({error}); write a level such as info, or target=level pairs."
        ))
    };
    // What comes later wins, so the setting can overrule the list.
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{}", settings.log.trim()))
        .map_err(|error| wrong(&error))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match settings.log_format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&io::stderr()))
            .with_target(false)
            .try_init(),
    };
    // A second start in one process (tests) keeps the first log.
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    Ok(())
}

/// What is counted from the begin of the process on.
struct Metrics {
    calls: Arc<Calls>,
    keys_rejected: Family<[(&'static str, &'static str); 1], Counter>,
    key_lookups: Counter,
    records_written: Counter,
    records_dropped: Counter,
}

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// A counter as the library wants it called: it adds the rest itself.
const fn counter_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [.., b'_', b't', b'o', b't', b'a', b'l'] => name.split_at(name.len() - "_total".len()).0,
        _ => name,
    }
}

/// Begins to count. Without this call the counting functions cost next to nothing.
pub fn install_metrics() {
    METRICS.get_or_init(|| {
        let codes = ErrorCode::OF_CALL.into_iter().map(ErrorCode::as_str);
        Metrics {
            calls: Arc::new(Calls::new(["ok"].into_iter().chain(codes).chain([ABORTED]))),
            keys_rejected: Family::default(),
            key_lookups: Counter::default(),
            records_written: Counter::default(),
            records_dropped: Counter::default(),
        }
    });
}

/// Gives models series of their own, the first ones first, as far as there are places.
pub fn admit_models<'m>(models: impl IntoIterator<Item = &'m str>) {
    if let Some(metrics) = METRICS.get() {
        models.into_iter().for_each(|model| metrics.calls.admit(model));
    }
}

/// Counts one answered call.
pub fn record_call(call: Counted<'_>) {
    if let Some(metrics) = METRICS.get() {
        metrics.calls.count(call);
    }
}

/// Counts a key that was not accepted: `malformed`, `unknown`, `expired`, …
pub fn record_rejected_key(reason: &'static str) {
    if let Some(metrics) = METRICS.get() {
        metrics.keys_rejected.get_or_create(&[("reason", reason)]).inc();
    }
}

/// Counts a question to the database about one key.
pub fn record_key_lookup() {
    if let Some(metrics) = METRICS.get() {
        metrics.key_lookups.inc();
    }
}

/// Counts call records that are stored.
pub fn record_records_written(count: u64) {
    if let Some(metrics) = METRICS.get() {
        metrics.records_written.inc_by(count);
    }
}

/// Counts call records that are lost.
pub fn record_records_dropped(count: u64) {
    if let Some(metrics) = METRICS.get() {
        metrics.records_dropped.inc_by(count);
    }
}
