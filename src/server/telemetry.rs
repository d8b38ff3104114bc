//! What the bridge tells its operator: a log on stderr, and numbers for
//! Prometheus on a listener of their own. Neither ever holds a secret, an
//! argument or a record's value: only names, codes and times.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::header;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogFormat, Settings};

/// Calls answered, by `code` (`ok`, or the error's code).
pub const CALLS_TOTAL: &str = "bridge_calls_total";
/// Seconds from a call's first byte to its answer.
pub const CALL_DURATION_SECONDS: &str = "bridge_call_duration_seconds";
/// Seconds of it that Odoo took.
pub const ODOO_DURATION_SECONDS: &str = "bridge_odoo_duration_seconds";
/// Keys that were not accepted, by `reason`.
pub const KEYS_REJECTED_TOTAL: &str = "bridge_keys_rejected_total";

/// Times that the database was asked for a key.
pub const KEY_LOOKUPS_TOTAL: &str = "bridge_key_lookups_total";
/// Call records that are in the database.
pub const CALL_RECORDS_WRITTEN_TOTAL: &str = "bridge_call_records_written_total";
/// Call records that found no room.
pub const CALL_RECORDS_DROPPED_TOTAL: &str = "bridge_call_records_dropped_total";

/// Upper bounds in seconds: from what the bridge itself takes to Odoo's timeout.
const BUCKETS_SECS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

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

/// Begins to count. Without this call the counting functions cost next to nothing.
///
/// # Errors
/// When it was begun before.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for name in [CALL_DURATION_SECONDS, ODOO_DURATION_SECONDS] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS_SECS)?;
    }
    let handle = builder.install_recorder()?;
    describe_counter!(CALLS_TOTAL, "Calls answered, by code (ok or the error's code)");
    describe_counter!(KEYS_REJECTED_TOTAL, "API keys that were not accepted, by reason");
    describe_counter!(KEY_LOOKUPS_TOTAL, "Times that the database was asked for a key");
    describe_counter!(CALL_RECORDS_WRITTEN_TOTAL, "Call records written");
    describe_counter!(CALL_RECORDS_DROPPED_TOTAL, "Call records lost for want of room");
    describe_histogram!(CALL_DURATION_SECONDS, Unit::Seconds, "Time from a call to its answer");
    describe_histogram!(ODOO_DURATION_SECONDS, Unit::Seconds, "Time that Odoo took of a call");
    Ok(handle)
}

/// Counts one answered call. `code` is `ok` or the error's code; `odoo` is the
/// time Odoo took, if it was asked.
pub fn record_call(code: &'static str, total: Duration, odoo: Option<Duration>) {
    counter!(CALLS_TOTAL, "code" => code).increment(1);
    histogram!(CALL_DURATION_SECONDS).record(total);
    if let Some(odoo) = odoo {
        histogram!(ODOO_DURATION_SECONDS).record(odoo);
    }
}

/// Counts a key that was not accepted: `malformed`, `unknown`, `expired`, …
pub fn record_rejected_key(reason: &'static str) {
    counter!(KEYS_REJECTED_TOTAL, "reason" => reason).increment(1);
}

/// Counts a question to the database about one key.
pub fn record_key_lookup() {
    counter!(KEY_LOOKUPS_TOTAL).increment(1);
}

/// Counts call records that are stored.
pub fn record_records_written(count: u64) {
    counter!(CALL_RECORDS_WRITTEN_TOTAL).increment(count);
}

/// Counts call records that are lost.
pub fn record_records_dropped(count: u64) {
    counter!(CALL_RECORDS_DROPPED_TOTAL).increment(count);
}

/// Serves `/metrics` and nothing else until `shutdown` ends.
///
/// # Errors
/// When the address can't be listened on.
pub async fn serve_metrics(
    addr: SocketAddr,
    handle: PrometheusHandle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /metrics");
    let upkeep = tokio::spawn({
        let handle = handle.clone();
        async move {
            // Moves what was measured into the buckets, so that it takes no
            // memory while nobody asks.
            let mut ticks = tokio::time::interval(Duration::from_secs(5));
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        }
    });
    let result = axum::serve(listener, metrics_router(handle))
        .with_graceful_shutdown(shutdown)
        .await;
    upkeep.abort();
    result
}

fn metrics_router(handle: PrometheusHandle) -> Router {
    let render = move || {
        let handle = handle.clone();
        async move {
            (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                handle.render(),
            )
        }
    };
    Router::new().route("/metrics", get(render))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_counted_is_read_at_metrics_and_nothing_else_is_there() {
        let handle = install_metrics().expect("the first recorder of this process");
        record_call("ok", Duration::from_millis(7), Some(Duration::from_millis(6)));
        record_call("odoo_timeout", Duration::from_secs(61), None);
        record_rejected_key("expired");

        let router = metrics_router(handle);
        let get = |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request)
        };
        let response = get("/metrics").await.expect("an answer");
        let text = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8(text.to_vec()).expect("text");
        for line in [
            "bridge_calls_total{code=\"ok\"} 1",
            "bridge_calls_total{code=\"odoo_timeout\"} 1",
            "bridge_keys_rejected_total{reason=\"expired\"} 1",
            "bridge_call_duration_seconds_bucket{le=\"0.005\"} 0",
            "bridge_call_duration_seconds_bucket{le=\"0.01\"} 1",
            "bridge_call_duration_seconds_count 2",
            "bridge_odoo_duration_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(get("/").await.expect("an answer").status(), StatusCode::NOT_FOUND);
    }
}
