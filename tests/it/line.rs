//! What stands between calls and an Odoo that is slow, small or in trouble: a line that
//! is bounded and fair, a pace, a breaker, retries that are few. docs/reliability.md
//! has the promises and the figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{API_KEY, DB, DemoOdoo, Fault as DemoFault, PASSWORD, USERNAME};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::server::serve::Bridge;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::faults::{Fault, Faulty};
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, start};

fn count_orders() -> Value {
    json!({"model": "sale.order", "method": "search_count", "args": [[]]})
}

fn write_nothing() -> Value {
    json!({"model": "res.partner", "method": "write", "args": [[1], {"comment": "x"}]})
}

/// How long each fault lasts; RELIABILITY_SECS=60 for the figures of docs/reliability.md.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
pub fn fault_time() -> Duration {
    let secs = std::env::var("RELIABILITY_SECS")
        .ok()
        .and_then(|secs| secs.parse().ok());
    Duration::from_secs(secs.unwrap_or(3))
}

#[sqlx::test]
async fn a_flood_of_one_key_does_not_delay_a_single_call_of_another(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc", "--odoo-concurrent-calls", "1"]).await;
    let (flooding, single) = (app.with(&app.key("flood").await), app.with(&app.key("single").await));
    single.call(&count_orders()).await.data();
    app.demo.faults().set_latency(Duration::from_millis(50));
    let flood: Vec<_> = (0..40)
        .map(|_| {
            let flooding = flooding.clone();
            tokio::spawn(async move { flooding.call(&count_orders()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    single.call(&count_orders()).await.data();
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(400),
        "one turn of the other, and its own: {took:?}"
    );
    let not_done = flood.iter().filter(|task| !task.is_finished()).count();
    assert!(not_done > 20, "the flood still waits: {not_done}");
    for answer in join_all(flood).await {
        answer.expect("no panic").data();
    }
}

#[sqlx::test]
async fn a_full_line_is_told_with_when_to_come_back(pool: PgPool) {
    let args = [
        "--odoo-transport",
        "jsonrpc",
        "--odoo-concurrent-calls",
        "1",
        "--odoo-queue-length",
        "2",
        "--odoo-queue-wait-secs",
        "1",
    ];
    let app = TestApp::spawn_with(pool, &args).await;
    let actor = app.with(&app.key("many").await);
    actor.call(&count_orders()).await.data();
    let before = app.demo.counts().of("execute_kw");
    app.demo.faults().set_latency(Duration::from_millis(1_500));
    let answers: Vec<Answer> = join_all((0..6).map(|_| async { actor.call(&count_orders()).await })).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() >= 4, "{}", refused.len());
    for answer in refused {
        assert_eq!((answer.status, answer.code()), (503, "overloaded"), "{}", answer.text);
        let secs: u64 = answer.headers["retry-after"]
            .to_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert!((1..=300).contains(&secs), "{secs}");
    }
    let asked = app.demo.counts().of("execute_kw") - before;
    assert!(asked <= 2, "those that were sent away never reached Odoo: {asked}");
}

#[sqlx::test]
async fn a_call_that_nobody_waits_for_any_more_is_not_sent(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc", "--odoo-concurrent-calls", "1"]).await;
    let actor = app.with(&app.key("gone").await);
    actor.call(&count_orders()).await.data();
    app.demo.faults().set_latency(Duration::from_millis(500));
    let first = {
        let actor = actor.clone();
        tokio::spawn(async move { actor.call(&count_orders()).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = app.demo.counts().of("execute_kw");
    let orders = count_orders();
    let gone = tokio::time::timeout(Duration::from_millis(100), actor.call(&orders)).await;
    assert!(gone.is_err(), "its client went away");
    first.await.expect("no panic").data();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.demo.counts().of("execute_kw"), before);
}

/// A server that notes when each request began and ended, in front of a demo Odoo.
struct Watched {
    url: String,
    /// Begin and end of each.
    seen: Arc<Mutex<Vec<(Instant, Instant)>>>,
}

async fn watched(demo: DemoOdoo) -> Watched {
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let router = demo.router().layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let noted = Arc::clone(&noted);
            async move {
                let began = Instant::now();
                tokio::time::sleep(Duration::from_millis(100)).await;
                let response = next.run(request).await;
                noted.lock().expect("no panic").push((began, Instant::now()));
                response
            }
        },
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Watched { url, seen }
}

#[sqlx::test]
async fn on_odoo_online_no_two_calls_overlap_and_none_are_closer_than_a_second(pool: PgPool) {
    // RELIABILITY_SECS=60: fifty clients, as docs/reliability.md tells.
    let clients: u32 = if fault_time() >= Duration::from_secs(60) { 50 } else { 6 };
    let odoo = watched(DemoOdoo::new()).await;
    let args = [
        "--odoo-url",
        &odoo.url,
        "--odoo-db",
        DB,
        "--odoo-username",
        USERNAME,
        "--odoo-password",
        PASSWORD,
    ];
    let args = [
        &args[..],
        &[
            "--odoo-transport",
            "jsonrpc",
            "--odoo-preset",
            "online",
            "--odoo-queue-wait-secs",
            "120",
        ],
    ]
    .concat();
    let bridge = start(pool.clone(), &args).await;
    let mut actors = Vec::new();
    for number in 0..clients {
        let key = make_key(&pool, &format!("client {number}"), FULL).await;
        actors.push(Actor {
            address: format!("http://{}", bridge.address),
            client: client(),
            key: Some(key.plaintext),
        });
    }
    let began = Instant::now();
    let orders = count_orders();
    let one = async |actor: &Actor| {
        actor.call(&orders).await.data();
        began.elapsed()
    };
    // The first client wants more than the others.
    let flood = join_all((0..4).map(|_| one(&actors[0])));
    let singles = join_all(actors[1..].iter().map(&one));
    let (mut flood, singles) = tokio::join!(flood, singles);
    flood.sort();
    let last = singles.iter().max().expect("calls");
    assert!(
        *last < flood[2],
        "none waits for more than two calls of another: {last:?}, {flood:?}"
    );
    let waited = [flood, singles].concat();
    let mut seen = odoo.seen.lock().expect("no panic").clone();
    seen.sort();
    assert!(seen.len() >= clients as usize, "{}", seen.len());
    for two in seen.windows(2) {
        assert!(two[0].1 <= two[1].0, "they overlap");
        let apart = two[1].0 - two[0].0;
        assert!(apart >= Duration::from_secs(1), "{apart:?}");
    }
    let longest = waited.iter().max().expect("calls");
    // A little more than a second each, the login, and what the bridge asks for itself.
    assert!(
        *longest <= Duration::from_millis(u64::from(clients + 3) * 1_050 + 6_000),
        "{longest:?}"
    );
}

/// What a call may be told, whatever else happens: Odoo is left alone while it fails.
const LEFT_ALONE: &str = "odoo_unavailable";

/// The codes that are right for a fault, for a call that only reads or that may write. A
/// cold one has to log in before it is sent.
const fn right(fault: Fault, reads: bool, is_cold: bool) -> &'static [&'static str] {
    match fault {
        // A turn is held for long, so that some wait for theirs in vain.
        Fault::BlackHole | Fault::SlowBytes if reads || is_cold => &["odoo_timeout", LEFT_ALONE, "overloaded"],
        Fault::BlackHole | Fault::SlowBytes => &["outcome_unknown", LEFT_ALONE, "overloaded"],
        // Nothing was sent.
        Fault::NoListener => &["odoo_unreachable", LEFT_ALONE],
        _ if reads || is_cold => &["odoo_unreachable", LEFT_ALONE],
        // It may be closed before the request leaves, or after.
        Fault::Refused => &["outcome_unknown", "odoo_unreachable", LEFT_ALONE],
        _ => &["outcome_unknown", LEFT_ALONE],
    }
}

/// The deadlines of the bridges under faults, in seconds: for a turn, for the first byte,
/// and for all that is done for a call then.
const QUEUE_WAIT: &str = "2";
const FIRST_BYTE: &str = "1";
const OVERALL: &str = "2";
/// Their sum, and what a loaded machine takes on top.
const ANSWERED_IN: Duration = Duration::from_millis(4_000 + 1_500);

struct UnderFaults {
    way: Faulty,
    args: Vec<String>,
    _demo: DemoOdoo,
}

impl UnderFaults {
    async fn by(transport: &str) -> Self {
        let demo = DemoOdoo::new();
        let odoo = watched(demo.clone()).await;
        let port = odoo.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let way = Faulty::to(port.expect("a port")).await;
        let url = way.url();
        let args = [
            ["--odoo-url", &url],
            ["--odoo-db", DB],
            ["--odoo-username", USERNAME],
            ["--odoo-password", PASSWORD],
            ["--odoo-api-key", API_KEY],
            ["--odoo-transport", transport],
            ["--odoo-first-byte-timeout-secs", FIRST_BYTE],
            ["--odoo-timeout-secs", OVERALL],
            ["--odoo-connect-timeout-secs", "1"],
            ["--odoo-queue-wait-secs", QUEUE_WAIT],
        ];
        let args = args.concat().into_iter().map(str::to_owned).collect();
        Self { way, args, _demo: demo }
    }

    async fn bridge(&self, pool: &PgPool) -> (Bridge, Actor) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let bridge = start(pool.clone(), &args).await;
        let key = make_key(pool, "load", FULL).await;
        let actor = Actor {
            address: format!("http://{}", bridge.address),
            client: client(),
            key: Some(key.plaintext),
        };
        (bridge, actor)
    }

    /// Eight clients for a while, half of them writing: every answer comes in time and has a
    /// code that is right, none is a success, and service is back within 2 s.
    async fn holds(&self, fault: Fault, actor: &Actor, is_cold: bool, time: Duration) -> String {
        let until = Instant::now() + time;
        let load = (0..8).map(|number| {
            let actor = actor.clone();
            async move {
                let reads = number % 2 == 0;
                let body = if reads { count_orders() } else { write_nothing() };
                let mut answers = Vec::new();
                while Instant::now() < until {
                    let began = Instant::now();
                    let answer = actor.call(&body).await;
                    let took = began.elapsed();
                    assert_ne!(answer.status, 200, "{fault:?} was felt");
                    let code = answer.code().to_owned();
                    assert!(
                        right(fault, reads, is_cold).contains(&&*code),
                        "{fault:?}: {code}, reads: {reads}, cold: {is_cold}: {}",
                        answer.text
                    );
                    assert!(took < ANSWERED_IN, "{fault:?}: {code} after {took:?}");
                    answers.push((code, took));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answers
            }
        });
        let answers: Vec<_> = join_all(load).await.into_iter().flatten().collect();
        let ended = Instant::now();
        self.way.set(Fault::None);
        while actor.call(&count_orders()).await.status != 200 {
            assert!(ended.elapsed() < Duration::from_secs(2), "{fault:?}: not back in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let back = ended.elapsed();
        let slowest = answers.iter().map(|answer| answer.1).max().expect("answers");
        let mut codes = BTreeMap::new();
        for (code, _) in &answers {
            *codes.entry(code.clone()).or_insert(0) += 1;
        }
        format!(
            "{fault:?}: {} answers, slowest {slowest:.2?}, back after {back:.2?}, {codes:?}",
            answers.len()
        )
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of docs/reliability.md, with --nocapture"
)]
fn tell(what: &str, told: &[String]) {
    println!("{what}\n{}", told.join("\n"));
}

/// Each fault under a load by one way, whose login is known.
async fn warm_under_every_fault(pool: &PgPool, transport: &str) {
    let odoo = UnderFaults::by(transport).await;
    let (bridge, actor) = odoo.bridge(pool).await;
    let mut told = Vec::new();
    for fault in Fault::ALL {
        for body in [count_orders(), write_nothing()] {
            eventually("it works", || async { actor.call(&body).await.status == 200 }).await;
        }
        odoo.way.set(fault);
        told.push(odoo.holds(fault, &actor, false, fault_time()).await);
    }
    assert!(
        bridge.state.odoo.report().breaker.opened > 0,
        "it left Odoo alone meanwhile"
    );
    tell(&format!("{transport}, warm"), &told);
}

/// The same for a bridge that never logged in.
async fn cold_under_every_fault(pool: &PgPool, transport: &str) {
    let odoo = UnderFaults::by(transport).await;
    let mut told = Vec::new();
    for fault in Fault::ALL {
        odoo.way.set(fault);
        let (bridge, actor) = odoo.bridge(pool).await;
        told.push(odoo.holds(fault, &actor, true, fault_time()).await);
        bridge.stop().await;
    }
    tell(&format!("{transport}, cold"), &told);
}

#[sqlx::test]
async fn whatever_happens_to_the_way_to_odoo_every_call_is_answered_in_time_and_service_comes_back(pool: PgPool) {
    warm_under_every_fault(&pool, "jsonrpc").await;
}

#[sqlx::test]
async fn so_it_is_by_a_web_session(pool: PgPool) {
    warm_under_every_fault(&pool, "web").await;
}

#[sqlx::test]
async fn so_it_is_by_json2(pool: PgPool) {
    warm_under_every_fault(&pool, "json2").await;
}

#[sqlx::test]
async fn so_it_is_before_the_first_login_over_json_rpc_and_nothing_is_told_as_unknown(pool: PgPool) {
    cold_under_every_fault(&pool, "jsonrpc").await;
}

#[sqlx::test]
async fn so_it_is_before_the_first_login_of_a_web_session_and_nothing_is_told_as_unknown(pool: PgPool) {
    cold_under_every_fault(&pool, "web").await;
}

#[sqlx::test]
async fn an_odoo_that_fails_is_left_alone_and_taken_again_as_soon_as_it_answers(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc"]).await;
    let (actor, person) = (app.with(&app.key("patient").await), app.signed_in().await);
    actor.call(&count_orders()).await.data();
    app.demo.faults().set_on(
        "execute_kw",
        DemoFault::Answer {
            status: 503,
            content_type: "text/plain".into(),
            headers: Vec::new(),
            body: "busy".into(),
        },
    );
    eventually("it is left alone", || async {
        actor.call(&count_orders()).await.code() == "odoo_unavailable"
    })
    .await;
    let refused = actor.call(&count_orders()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "odoo_unavailable"),
        "{}",
        refused.text
    );
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.json["retryable"], true);
    let before = app.demo.counts().of("execute_kw");
    for _ in 0..50 {
        actor.call(&count_orders()).await;
    }
    let tried = app.demo.counts().of("execute_kw") - before;
    assert!(tried <= 2, "one a second finds out: {tried}");
    let page = person.get("/connection").await.text().await.expect("a page");
    assert!(
        page.contains("is left alone, since") && page.contains("The line before Odoo"),
        "the page tells"
    );
    app.demo.faults().clear();
    let began = Instant::now();
    eventually("it is back", || async {
        actor.call(&count_orders()).await.status == 200
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let page = person.get("/connection").await.text().await.expect("a page");
    assert!(!page.contains("is left alone, since"), "and tells that it is over");
}

#[sqlx::test]
async fn a_read_whose_connection_broke_before_a_byte_is_sent_again_and_a_write_is_not(pool: PgPool) {
    let demo = DemoOdoo::new();
    let odoo = watched(demo.clone()).await;
    let port = odoo
        .url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let way = Faulty::to(port).await;
    let url = way.url();
    let args = [
        "--odoo-url",
        &url,
        "--odoo-db",
        DB,
        "--odoo-username",
        USERNAME,
        "--odoo-password",
        PASSWORD,
        "--odoo-transport",
        "jsonrpc",
    ];
    let bridge = start(pool.clone(), &args).await;
    let key = make_key(&pool, "retried", FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    eventually("it works", || async { actor.call(&count_orders()).await.status == 200 }).await;
    for (body, status) in [(count_orders(), 200), (write_nothing(), 0)] {
        way.set(Fault::ResetOnce);
        let answer = actor.call(&body).await;
        if status == 200 {
            answer.data();
        } else {
            assert!(
                ["outcome_unknown", "odoo_unreachable"].contains(&answer.code()),
                "{}",
                answer.text
            );
        }
    }
}
