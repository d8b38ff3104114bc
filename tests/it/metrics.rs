//! What Prometheus reads, as a running bridge tells it.

use std::net::TcpListener as StdListener;
use std::time::Duration;

use odoo_bridge::demo_odoo::{self, DemoOdoo, Fault};
use odoo_bridge::keys::policy::FULL;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::helpers::{Actor, client, eventually, make_key, start};
use crate::processes::Instance;

/// A bridge of its own process, because what is counted is of a whole process; an Odoo that
/// can go wrong behind it.
struct Counted {
    actor: Actor,
    demo: DemoOdoo,
    metrics: String,
    _bridge: Instance,
}

impl Counted {
    async fn start(pool: &PgPool) -> Self {
        let demo = DemoOdoo::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let odoo = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(demo_odoo::serve(listener, demo.clone(), std::future::pending()));
        // Free now, and of all ports the one that is given out again last.
        let free = StdListener::bind("127.0.0.1:0").expect("a port");
        let metrics = free.local_addr().expect("its address").to_string();
        drop(free);
        let args = [
            ("--metrics-addr", &*metrics),
            ("--odoo-url", &*odoo),
            ("--odoo-db", demo_odoo::DB),
            ("--odoo-username", demo_odoo::USERNAME),
            ("--odoo-password", demo_odoo::PASSWORD),
            ("--odoo-first-byte-timeout-secs", "1"),
        ];
        let args: Vec<_> = args.into_iter().flat_map(|(name, value)| [name, value]).collect();
        let bridge = Instance::start(pool, &args).await;
        let key = make_key(pool, "counted", FULL).await;
        Self {
            actor: bridge.actor(Some(&key.plaintext)),
            demo,
            metrics: format!("http://{metrics}/metrics"),
            _bridge: bridge,
        }
    }

    /// All of it, as plain text or as a scraper wants it.
    async fn read(&self, accept: &str) -> (String, String) {
        let request = client().get(&self.metrics).header("Accept", accept);
        let response = request.send().await.expect("an answer");
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        (kind, response.text().await.expect("text"))
    }

    /// The sum of a metric's series that have this label (all, if it is empty).
    async fn sum(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.read("text/plain").await;
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        lines
            .map(|line| {
                let value = line.rsplit(' ').next().expect("a value");
                value.parse::<f64>().expect("a number")
            })
            .sum()
    }
}

fn count(model: &str) -> Value {
    json!({"model": model, "method": "search_count", "args": [[]]})
}

#[sqlx::test]
async fn a_call_that_odoo_does_not_answer_is_in_odoos_time(pool: PgPool) {
    let bridge = Counted::start(&pool).await;
    bridge.actor.call(&count("res.partner")).await.data();
    bridge.demo.faults().set_on("execute_kw", Fault::Hang);
    assert_eq!(bridge.actor.call(&count("res.partner")).await.code(), "odoo_timeout");
    assert!((bridge.sum("bridge_calls_total", "").await - 2.0).abs() < 1e-9);
    assert!((bridge.sum("bridge_odoo_duration_seconds_count", "").await - 2.0).abs() < 1e-9);
    assert!(
        bridge.sum("bridge_odoo_duration_seconds_sum", "").await >= 1.0,
        "the second that Odoo was waited for"
    );
}

#[sqlx::test]
async fn only_models_that_odoo_answered_are_labels_and_no_more_than_fifty(pool: PgPool) {
    let bridge = Counted::start(&pool).await;
    for number in 0..60 {
        let made_up = bridge.actor.call(&count(&format!("made.up{number}"))).await;
        assert_eq!(made_up.code(), "odoo_not_found");
    }
    bridge.actor.call(&count("res.partner")).await.data();
    let failed = json!({"model": "res.partner", "method": "no_such_method", "args": [[]]});
    assert_eq!(bridge.actor.call(&failed).await.code(), "odoo_not_found");
    let (kind, text) = bridge.read("text/plain").await;
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert!(!text.contains("made.up"), "{text}");
    for (label, calls) in [
        ("code=\"ok\",model=\"res.partner\"", 1.0),
        ("code=\"odoo_not_found\",model=\"res.partner\"", 1.0),
        ("code=\"odoo_not_found\",model=\"other\"", 60.0),
    ] {
        assert!(
            (bridge.sum("bridge_calls_total", label).await - calls).abs() < 1e-9,
            "{text}"
        );
    }
    assert!(
        !text.contains(" # {"),
        "no exemplars where nobody understands them: {text}"
    );
}

#[sqlx::test]
async fn a_scraper_that_understands_exemplars_gets_the_request_of_a_slow_call(pool: PgPool) {
    let bridge = Counted::start(&pool).await;
    bridge.demo.faults().set_latency(Duration::from_millis(300));
    let answer = bridge.actor.call(&count("res.partner")).await;
    answer.data();
    let id = answer.json["request_id"].as_str().expect("an id");
    // As Prometheus asks.
    let (kind, text) = bridge
        .read("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")
        .await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for name in [
        "bridge_call_duration_seconds_bucket",
        "bridge_odoo_duration_seconds_bucket",
    ] {
        let slow = text
            .lines()
            .find(|line| line.starts_with(name) && line.contains("model=\"res.partner\"") && line.contains(" # {"));
        let slow = slow.unwrap_or_else(|| panic!("no exemplar of {name} in\n{text}"));
        assert!(slow.contains("le=\"0.5\"") || slow.contains("le=\"1.0\""), "{slow}");
        assert!(slow.contains(&format!(" # {{request_id=\"{id}\"}} 0.")), "{slow}");
    }
}

#[sqlx::test]
async fn the_models_that_were_called_most_have_their_series_after_a_restart(pool: PgPool) {
    let bridge = start(pool.clone(), &[]).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(make_key(&pool, "before", FULL).await.plaintext),
    };
    actor.call(&count("sale.order")).await.data();
    bridge.stop().await;
    let bridge = Counted::start(&pool).await;
    eventually("its series is there before its first call", || async {
        let (_, text) = bridge.read("text/plain").await;
        text.contains("bridge_calls_total{code=\"ok\",model=\"sale.order\"} 0")
    })
    .await;
}
