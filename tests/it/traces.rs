//! Calls as traces: the caller's trace goes on to Odoo, and a collector gets what a call
//! was made of. Names and times, never values.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::helpers::{Actor, client, eventually, make_key, start};
use odoo_bridge::keys::policy::FULL;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A `traceparent` and its `tracestate`, and a body.
type Came = (String, Vec<u8>);

/// What came.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Came>>>);

impl Seen {
    fn all(&self) -> Vec<Came> {
        self.0.lock().expect("no panic").clone()
    }

    fn bytes(&self) -> Vec<u8> {
        self.all().into_iter().flat_map(|(_, body)| body).collect()
    }
}

/// Something that takes everything and answers as an Odoo does, to a call with a number.
async fn server() -> (Seen, String) {
    async fn take(State(seen): State<Seen>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let header = |name| {
            let value = parts.headers.get(name);
            value.map_or("", |value| value.to_str().expect("text"))
        };
        let trace = [header("traceparent"), header("tracestate")].join(" ");
        let trace = trace.trim().to_owned();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        seen.0.lock().expect("no panic").push((trace, body.to_vec()));
        Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(r#"{"jsonrpc": "2.0", "id": 1, "result": 7}"#))
            .expect("an answer")
    }
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(take).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (seen, url)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hex"))
        .collect()
}

/// A bridge between such an Odoo and, perhaps, such a collector; a call with headers of its own.
async fn call(pool: &PgPool, odoo: &str, collector: Option<&str>, headers: &[(&str, &str)]) {
    let mut args = vec!["--odoo-url", odoo, "--odoo-db", "db", "--odoo-username", "ann"];
    args.extend([
        "--odoo-password",
        "correct horse battery staple",
        "--odoo-transport",
        "jsonrpc",
    ]);
    if let Some(collector) = collector {
        args.extend(["--otlp-endpoint", collector]);
    }
    let bridge = start(pool.clone(), &args).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(make_key(pool, "traced", FULL).await.plaintext),
    };
    let body =
        json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=", "canary-value-8c1f"]]]});
    let mut request = actor.request(Method::POST, "/call").json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    // Sends what is not sent yet.
    bridge.stop().await;
}

#[sqlx::test]
async fn the_callers_trace_goes_on_to_odoo_and_the_collector_gets_the_spans(pool: PgPool) {
    let ((odoo, odoo_url), (collector, collector_url)) = (server().await, server().await);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    call(&pool, &odoo_url, Some(&collector_url), &[("traceparent", &parent)]).await;

    let (told, _) = odoo.all().pop().expect("the call");
    let parts: Vec<_> = told.split('-').collect();
    assert_eq!((parts[1], parts[3]), (TRACE, "01"), "{told}");
    assert_ne!(parts[2], PARENT, "Odoo's part has a span of its own");
    eventually("the spans come", || async { !collector.all().is_empty() }).await;
    let spans = collector.bytes();
    for part in [&hex(TRACE), &hex(PARENT), &hex(parts[2])] {
        assert!(holds(&spans, part));
    }
    for name in ["odoo-bridge", "res.partner.search_count", "policy", "bridge.request_id"] {
        assert!(holds(&spans, name.as_bytes()), "{name}");
    }
    assert!(!holds(&spans, b"canary-value-8c1f"), "no value of a call");
}

#[sqlx::test]
async fn what_the_systems_before_say_of_a_trace_goes_on_to_odoo(pool: PgPool) {
    let ((odoo, odoo_url), (_, collector_url)) = (server().await, server().await);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let told = async |headers: &[(&str, &str)]| {
        call(&pool, &odoo_url, Some(&collector_url), headers).await;
        odoo.all().pop().expect("the call").0
    };
    let both = told(&[
        ("traceparent", &parent),
        ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
    ])
    .await;
    assert!(both.starts_with(&format!("00-{TRACE}-")), "{both}");
    assert!(both.ends_with(" congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"), "{both}");
    let lines = told(&[("traceparent", &parent), ("tracestate", "a=1"), ("tracestate", "b=2")]).await;
    assert!(lines.ends_with(" a=1,b=2"), "{lines}");
    let alone = told(&[("tracestate", "a=1")]).await;
    assert!(!alone.contains("a=1"), "without a trace it says nothing: {alone}");
    let nonsense = told(&[("traceparent", &parent), ("tracestate", "no such state")]).await;
    assert!(
        nonsense.starts_with(&format!("00-{TRACE}-")) && !nonsense.contains("such"),
        "{nonsense}"
    );
}

#[sqlx::test]
async fn a_call_without_a_trace_begins_one(pool: PgPool) {
    let ((odoo, odoo_url), (collector, collector_url)) = (server().await, server().await);
    call(
        &pool,
        &odoo_url,
        Some(&collector_url),
        &[("traceparent", "no such trace")],
    )
    .await;
    let (told, _) = odoo.all().pop().expect("the call");
    let trace = told.split('-').nth(1).expect("a trace");
    eventually("the spans come", || async { !collector.all().is_empty() }).await;
    assert!(trace.len() == 32 && holds(&collector.bytes(), &hex(trace)), "{told}");
}

#[sqlx::test]
async fn a_trace_that_its_caller_does_not_keep_is_not_kept_here_and_goes_on_all_the_same(pool: PgPool) {
    let ((odoo, odoo_url), (collector, collector_url)) = (server().await, server().await);
    let parent = format!("00-{TRACE}-{PARENT}-00");
    call(&pool, &odoo_url, Some(&collector_url), &[("traceparent", &parent)]).await;
    let (told, _) = odoo.all().pop().expect("the call");
    assert!(
        told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-00"),
        "{told}"
    );
    assert!(collector.all().is_empty());
}

#[sqlx::test]
async fn without_a_collector_nothing_is_added_to_what_odoo_gets(pool: PgPool) {
    let (odoo, odoo_url) = server().await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    call(&pool, &odoo_url, None, &[("traceparent", &parent)]).await;
    assert!(odoo.all().iter().all(|(told, _)| told.is_empty()));
}

#[sqlx::test]
async fn a_collector_that_is_gone_costs_no_call(pool: PgPool) {
    let (odoo, odoo_url) = server().await;
    call(&pool, &odoo_url, Some("http://127.0.0.1:9"), &[]).await;
    assert!(!odoo.all().is_empty());
}
