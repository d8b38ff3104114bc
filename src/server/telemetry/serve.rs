//! `/metrics`, on a listener of its own: what was counted, and what is so at this moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{HeaderMap, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::error::AppError;
use crate::instances::Instances;
use crate::keys::reminders;
use crate::odoo::Odoo;
use crate::server::telemetry::{
    CALL_RECORDS_DROPPED_TOTAL, CALL_RECORDS_WRITTEN_TOTAL, INSTANCES, KEY_LOOKUPS_TOTAL, KEYS_ENDING,
    KEYS_REJECTED_TOTAL, METRICS, ODOO_CALLS_RUNNING, ODOO_CALLS_SENT_AWAY_TOTAL, ODOO_CALLS_WAITING, ODOO_LEFT_ALONE,
    REDIS_GONE_TOTAL, REDIS_UP, counter_name,
};

/// The format that has exemplars.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The days, and the labels for them.
const ENDING_DAYS: [(u16, &str); 2] = [(3, "3"), (14, "14")];
/// It needs a look at every key.
const KEYS_COUNTED_EVERY: Duration = Duration::from_secs(60);

/// How many keys end soon, by `days`.
type KeysEnding = Family<[(&'static str, &'static str); 1], Gauge>;

/// What is so at the moment of the question: the line before Odoo, the other instances.
struct Now {
    odoo: Arc<Odoo>,
    instances: Option<Arc<Instances>>,
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").finish_non_exhaustive()
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &'static str, help, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let (load, breaker) = self.odoo.line();
        let is_left_alone = u64::from(breaker.open_for.is_some());
        gauge(
            ODOO_CALLS_RUNNING,
            "Calls that are on their way to Odoo",
            load.running as u64,
        )?;
        gauge(
            ODOO_CALLS_WAITING,
            "Calls that wait for their turn",
            load.waiting as u64,
        )?;
        gauge(
            ODOO_LEFT_ALONE,
            "1 while Odoo is left alone because it failed too often",
            is_left_alone,
        )?;
        let report = self.instances.as_ref().map(|instances| instances.report());
        if let Some(report) = &report {
            let is_up = u64::from(report.gone.is_none());
            gauge(
                REDIS_UP,
                "1 while limits are shared through Redis, 0 while it is gone",
                is_up,
            )?;
            gauge(
                INSTANCES,
                "Instances that are alive, as far as this one knows",
                report.alive.into(),
            )?;
        }
        let mut counter = |name: &'static str, help, value: u64| {
            let metric = encoder.encode_descriptor(counter_name(name), help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)
        };
        counter(
            ODOO_CALLS_SENT_AWAY_TOTAL,
            "Calls sent away because too many waited",
            load.sent_away,
        )?;
        if let Some(report) = &report {
            counter(REDIS_GONE_TOTAL, "Times that Redis went away", report.times_gone)?;
        }
        Ok(())
    }
}

/// All that there is, to be asked for.
fn registry(odoo: Arc<Odoo>, instances: Option<Arc<Instances>>, keys_ending: KeysEnding) -> Registry {
    let mut registry = Registry::default();
    if let Some(metrics) = METRICS.get() {
        registry.register_collector(Box::new(Arc::clone(&metrics.calls)));
        for (name, help, counter) in [
            (
                KEY_LOOKUPS_TOTAL,
                "Times that the database was asked for a key",
                &metrics.key_lookups,
            ),
            (
                CALL_RECORDS_WRITTEN_TOTAL,
                "Call records written",
                &metrics.records_written,
            ),
            (
                CALL_RECORDS_DROPPED_TOTAL,
                "Call records lost for want of room",
                &metrics.records_dropped,
            ),
        ] {
            registry.register(counter_name(name), help, counter.clone());
        }
        let rejected = metrics.keys_rejected.clone();
        registry.register(
            counter_name(KEYS_REJECTED_TOTAL),
            "API keys that were not accepted, by reason",
            rejected,
        );
    }
    registry.register(
        KEYS_ENDING,
        "Keys that are accepted, were not rolled, and end within so many days",
        keys_ending,
    );
    registry.register_collector(Box::new(Now { odoo, instances }));
    registry
}

/// Serves `/metrics` and nothing else until `shutdown` ends.
///
/// # Errors
/// When the address can't be listened on.
pub async fn serve_metrics(
    addr: SocketAddr,
    odoo: Arc<Odoo>,
    instances: Option<Arc<Instances>>,
    pool: PgPool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /metrics");
    let keys_ending = KeysEnding::default();
    let counting = tokio::spawn(count_keys(pool, keys_ending.clone()));
    let served = axum::serve(listener, metrics_router(odoo, instances, keys_ending))
        .with_graceful_shutdown(shutdown)
        .await;
    counting.abort();
    served
}

/// Counts the keys that end soon, as far as the database answers, until it is cancelled.
async fn count_keys(pool: PgPool, keys_ending: KeysEnding) {
    let mut ticks = tokio::time::interval(KEYS_COUNTED_EVERY);
    loop {
        ticks.tick().await;
        for (days, label) in ENDING_DAYS {
            if let Ok(ending) = reminders::ending_within(&pool, days).await {
                keys_ending.get_or_create(&[("days", label)]).set(ending);
            }
        }
    }
}

fn metrics_router(odoo: Arc<Odoo>, instances: Option<Arc<Instances>>, keys_ending: KeysEnding) -> Router {
    let registry = Arc::new(registry(odoo, instances, keys_ending));
    let render = move |headers: HeaderMap| async move {
        // Only this format has exemplars; Prometheus asks for it.
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let mut body = String::new();
        let (kind, written) = if accepts.is_some_and(|accepts| accepts.contains("application/openmetrics-text")) {
            (OPEN_METRICS, text::encode(&mut body, &registry))
        } else {
            (
                prometheus_text::CONTENT_TYPE,
                prometheus_text::encode(&mut body, &registry),
            )
        };
        match written {
            Ok(()) => ([(header::CONTENT_TYPE, kind)], body).into_response(),
            Err(error) => AppError::internal(error).into_response(),
        }
    };
    Router::new().route("/metrics", get(render))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use clap::Parser as _;
    use http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::{Cli, OdooSettings};
    use crate::odoo::Limits;
    use crate::server::request_id::RequestId;
    use crate::server::telemetry::calls::Counted;
    use crate::server::telemetry::{install_metrics, record_call, record_rejected_key};

    #[tokio::test]
    async fn what_was_counted_is_read_at_metrics_and_nothing_else_is_there() {
        install_metrics();
        let id = RequestId::from("a-request".to_owned());
        let call = Counted {
            code: "ok",
            model: Some("res.partner"),
            request_id: &id,
            total: Duration::from_millis(7),
            odoo: Some(Duration::from_millis(6)),
        };
        record_call(call);
        record_call(Counted {
            code: "odoo_timeout",
            model: Some("not.answered"),
            total: Duration::from_secs(61),
            odoo: None,
            ..call
        });
        record_rejected_key("expired");

        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = OdooSettings {
            url: "http://127.0.0.1:9".into(),
            db: "db".into(),
            username: "user".into(),
            password: Some("secret".into()),
            api_key: None,
            way: None,
        };
        let limits = Limits::from(&Cli::parse_from(["odoo-bridge"]).settings);
        let odoo = Odoo::new(settings, limits).expect("a way to Odoo");
        let redis = Cli::parse_from(["odoo-bridge", "--redis-url", "redis://127.0.0.1:9"]).settings;
        let redis = redis.redis().expect("an address").expect("is set");
        let instances = Instances::new(redis).expect("an address");
        instances.connect("").await;
        let router = metrics_router(Arc::new(odoo), Some(Arc::new(instances)), KeysEnding::default());
        let get = |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request)
        };
        let response = get("/metrics").await.expect("an answer");
        let text = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8(text.to_vec()).expect("text");
        for line in [
            "bridge_calls_total{code=\"ok\",model=\"res.partner\"} 1",
            "bridge_calls_total{code=\"odoo_timeout\",model=\"other\"} 1",
            "bridge_keys_rejected_total{reason=\"expired\"} 1",
            "bridge_call_duration_seconds_bucket{model=\"res.partner\",le=\"0.005\"} 0",
            "bridge_call_duration_seconds_bucket{model=\"res.partner\",le=\"0.01\"} 1",
            "bridge_call_duration_seconds_count{model=\"other\"} 1",
            "bridge_odoo_duration_seconds_count{model=\"other\"} 0",
            "bridge_odoo_calls_waiting 0",
            "bridge_odoo_left_alone 0",
            "bridge_redis_up 0",
            "bridge_redis_gone_total 1",
            "bridge_instances 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(get("/").await.expect("an answer").status(), StatusCode::NOT_FOUND);
    }
}
