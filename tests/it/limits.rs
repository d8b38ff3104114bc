//! Limits of a key: its pace, its quotas, how many calls at the same time, from where,
//! and how large an answer.

use std::time::Duration;

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::KeyName;
use odoo_bridge::keys::policy::{FULL, READ_ONLY};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::helpers::{Actor, Answer, TestApp, eventually, make_key, post_policy};

async fn limited(app: &TestApp, limits: &str) -> Actor {
    let name = KeyName::parse("limited").expect("a name");
    let new = NewKey {
        limits,
        policy: READ_ONLY,
        ..NewKey::named(&name)
    };
    app.with(&issue::create(&app.pool, new).await.expect("a key"))
}

fn count() -> Value {
    json!({"model": "res.partner", "method": "search_count", "args": [[]]})
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn retry_after(answer: &Answer) -> u64 {
    header(answer, "retry-after").parse().expect("seconds")
}

#[sqlx::test]
async fn a_pace_lets_a_burst_through_and_tells_every_answer_what_is_left(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"per_minute":6,"burst":3}"#).await;
    for left in [2, 1, 0] {
        let answer = actor.call(&count()).await;
        answer.data();
        assert!(
            header(&answer, "ratelimit").starts_with(&format!("\"pace\";r={left};")),
            "{:?}",
            answer.headers
        );
        assert_eq!(header(&answer, "ratelimit-policy"), "\"pace\";q=3;w=30");
    }
    let asked = app.demo.counts().of("execute_kw");
    let refused = actor.call(&count()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (429, "rate_limited"),
        "{}",
        refused.text
    );
    assert!(refused.json["retryable"] == true && (1..=10).contains(&retry_after(&refused)));
    assert!(header(&refused, "ratelimit").starts_with("\"pace\";r=0;"));
    assert_eq!(app.demo.counts().of("execute_kw"), asked, "Odoo was not asked");
    let free = limited(&app, "{}").await.call(&count()).await;
    assert!(
        free.headers.get("ratelimit").is_none(),
        "a key without limits says nothing of them"
    );
}

#[sqlx::test]
async fn a_quota_counts_what_went_to_odoo_and_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"per_day":3}"#).await;
    let create = json!({"model": "res.partner", "method": "create", "args": [{"name": "x"}]});
    for _ in 0..5 {
        assert_eq!(actor.call(&create).await.code(), "policy_denied", "costs nothing");
    }
    for _ in 0..3 {
        actor.call(&count()).await.data();
    }
    let refused = actor.call(&count()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (429, "quota_exceeded"),
        "{}",
        refused.text
    );
    assert_eq!(refused.json["retryable"], false);
    assert!((1..=86_400).contains(&retry_after(&refused)));
}

#[sqlx::test]
async fn a_quota_outlives_a_restart_and_is_shared_by_instances(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let actor = limited(&app, r#"{"per_month":2}"#).await;
    actor.call(&count()).await.data();
    actor.call(&count()).await.data();
    app.bridge.stop().await;
    let other = TestApp::spawn(pool).await;
    let again = Actor {
        address: other.address.clone(),
        ..actor
    };
    let refused = again.call(&count()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (429, "quota_exceeded"),
        "{}",
        refused.text
    );
}

#[sqlx::test]
async fn only_so_many_calls_run_at_the_same_time(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"concurrent":2}"#).await;
    actor.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_millis(400));
    let call = count();
    let answers = join_all((0..6).map(|_| actor.call(&call))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(
        done,
        2,
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status != 200)
            .all(|answer| answer.code() == "rate_limited")
    );
    app.demo.faults().clear();
    actor.call(&count()).await.data();
}

#[sqlx::test]
async fn a_client_that_goes_away_gives_its_place_back(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"concurrent":1}"#).await;
    actor.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(20));
    let call = count();
    let gone = tokio::time::timeout(Duration::from_millis(300), actor.call(&call)).await;
    assert!(gone.is_err(), "the client left");
    app.demo.faults().clear();
    eventually("its place is free", || async { actor.call(&call).await.status == 200 }).await;
}

#[sqlx::test]
async fn a_key_is_bound_to_its_addresses(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--trusted-proxies", "127.0.0.1"]).await;
    let actor = limited(&app, r#"{"addresses":["192.0.2.0/24"]}"#).await;
    let from = async |address: &str| {
        let request = actor
            .request(Method::POST, "/call")
            .header("X-Forwarded-For", address)
            .json(&count());
        Answer::of(request.send().await.expect("an answer")).await
    };
    from("192.0.2.7").await.data();
    let refused = from("198.51.100.7").await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "policy_denied"),
        "{}",
        refused.text
    );
    assert_eq!(
        refused.json["details"],
        json!({"rule": "addresses", "name": "198.51.100.7"})
    );
    assert_eq!(
        actor.call(&count()).await.code(),
        "policy_denied",
        "the proxy itself is not among them"
    );
}

#[sqlx::test]
async fn every_answer_of_a_limited_key_tells_what_is_left_whatever_it_is(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--trusted-proxies", "127.0.0.1"]).await;
    let shop = "https://shop.example.com";
    let limits = json!({"per_minute": 1, "burst": 3, "per_day": 50, "per_month": 500, "addresses": ["192.0.2.0/24"], "origins": [shop]});
    let actor = limited(&app, &limits.to_string()).await;
    let send = async |address: &str, origin: &str, body: Value| {
        let request = actor.client.post(format!("{}/call", app.address)).json(&body);
        let request = request.header("X-API-KEY", actor.key.as_deref().unwrap_or_default());
        let request = request.header("X-Forwarded-For", address).header("Origin", origin);
        Answer::of(request.send().await.expect("an answer")).await
    };
    let told = |answer: &Answer, code: &str, pace: u32, day: u32| {
        assert_eq!(answer.json["code"].as_str().unwrap_or("ok"), code, "{}", answer.text);
        let told = header(answer, "ratelimit");
        for part in [
            format!("\"pace\";r={pace};"),
            format!("\"month\";r={};", day + 450),
            format!("\"day\";r={day};"),
        ] {
            assert!(told.contains(&part), "{code}: {told} has no {part}");
        }
        assert_eq!(
            header(answer, "ratelimit-policy").matches(";q=").count(),
            3,
            "{:?}",
            answer.headers
        );
    };
    told(&send("198.51.100.7", shop, count()).await, "policy_denied", 3, 50);
    told(
        &send("192.0.2.7", "https://elsewhere.example.com", count()).await,
        "policy_denied",
        3,
        50,
    );
    let create = json!({"model": "res.partner", "method": "create", "args": [{"name": "x"}]});
    told(&send("192.0.2.7", shop, create).await, "policy_denied", 2, 49);
    app.demo.faults().set_latency(Duration::from_millis(1));
    told(
        &send("192.0.2.7", shop, json!({"model": 5})).await,
        "invalid_request",
        1,
        49,
    );
    told(&send("192.0.2.7", shop, count()).await, "ok", 0, 49);
    told(&send("192.0.2.7", shop, count()).await, "rate_limited", 0, 49);
}

#[sqlx::test]
async fn a_write_that_takes_too_long_or_answers_too_much_has_an_unknown_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let writer = async |limits: &str| {
        let name = KeyName::parse("writer").expect("a name");
        let new = NewKey {
            policy: FULL,
            limits,
            ..NewKey::named(&name)
        };
        app.with(&issue::create(&app.pool, new).await.expect("a key"))
    };
    let create = json!({"model": "res.partner", "method": "create", "args": [[{"name": "x"}, {"name": "y"}]]});
    let small = writer(r#"{"max_answer_bytes":2}"#).await;
    let refused = small.call(&create).await;
    assert_eq!(
        (refused.status, refused.code()),
        (504, "outcome_unknown"),
        "{}",
        refused.text
    );
    let quick = writer(r#"{"max_runtime_secs":1}"#).await;
    app.demo.faults().set_latency(Duration::from_secs(20));
    let refused = quick.call(&create).await;
    assert_eq!(
        (refused.status, refused.code()),
        (504, "outcome_unknown"),
        "{}",
        refused.text
    );
    assert_eq!(refused.json["retryable"], false, "{}", refused.text);
}

#[sqlx::test]
async fn an_answer_that_is_too_large_for_its_key_is_not_passed_on(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"max_answer_bytes":2000}"#).await;
    actor.call(&count()).await.data();
    let all = json!({"model": "res.partner", "method": "search_read", "args": [[]]});
    let refused = actor.call(&all).await;
    assert_eq!(
        (refused.status, refused.code()),
        (502, "odoo_error"),
        "{}",
        refused.text
    );
    assert_eq!(refused.json["details"]["limit_bytes"], 2000);
    app.demo
        .faults()
        .set_times("execute_kw", 1, Fault::Huge { bytes: 200_000 });
    let response = actor.post_json("/call", &all).await;
    assert!(response.bytes().await.is_err(), "one that streams is broken off");
}

#[sqlx::test]
async fn limits_are_set_on_the_page_and_nonsense_is_refused_by_its_word(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let key = make_key(&app.pool, "page", FULL).await;
    let actor = app.with(&key);
    actor.call(&count()).await.data();
    let save = async |limits: &str| {
        post_policy(&person, key.key.id, &[("do", "limits"), ("limits", limits)])
            .await
            .1
    };
    assert!(save(r#"{"per_minut":1}"#).await.contains("per_minut"));
    assert_eq!(issue::limits_of(&app.pool, key.key.id).await.expect("limits"), "{}");
    assert!(save(r#"{"per_minute":1}"#).await.contains("At most 1 calls a minute"));
    actor.call(&count()).await.data();
    assert_eq!(actor.call(&count()).await.code(), "rate_limited");
}

#[sqlx::test]
async fn a_web_page_may_use_a_key_that_names_it_and_is_asked_without_a_key(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let shop = "https://shop.example.com";
    let actor = limited(&app, &format!(r#"{{"origins":["{shop}"]}}"#)).await;
    let asks = async |origin: &str| {
        let request = app
            .anonymous()
            .client
            .request(Method::OPTIONS, format!("{}/call", app.address));
        let request = request
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST");
        request.send().await.expect("an answer")
    };
    let preflight = asks(shop).await;
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-origin"], shop);
    assert!(
        preflight.headers()["access-control-allow-headers"]
            .to_str()
            .is_ok_and(|names| names.contains("x-api-key"))
    );
    assert_eq!(preflight.headers()["vary"], "origin");
    assert!(
        preflight.headers()["server-timing"]
            .to_str()
            .is_ok_and(|timing| timing.starts_with("total;dur="))
    );
    let foreign = asks("https://elsewhere.example.com").await;
    assert_eq!(foreign.status(), 405);
    assert!(
        foreign
            .headers()
            .keys()
            .all(|name| !name.as_str().starts_with("access-control")),
        "{:?}",
        foreign.headers()
    );

    let from = async |actor: &Actor, origin: Option<&str>| {
        let mut request = actor.client.post(format!("{}/call", app.address)).json(&count());
        request = request.header("X-API-KEY", actor.key.as_deref().unwrap_or_default());
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        Answer::of(request.send().await.expect("an answer")).await
    };
    let answer = from(&actor, Some(shop)).await;
    answer.data();
    assert_eq!(header(&answer, "access-control-allow-origin"), shop);
    for other in [Some("https://elsewhere.example.com"), Some("null"), None] {
        let refused = from(&actor, other).await;
        assert_eq!((refused.status, refused.code()), (403, "policy_denied"), "{other:?}");
        assert!(refused.headers.get("access-control-allow-origin").is_none());
    }
    let plain = limited(&app, "{}").await;
    let answer = from(&plain, Some(shop)).await;
    answer.data();
    assert!(
        answer.headers.get("access-control-allow-origin").is_none(),
        "a key without origins has no CORS at all"
    );
}

#[sqlx::test]
async fn a_key_that_a_page_holds_may_only_read(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let key = make_key(&app.pool, "public", READ_ONLY).await;
    let send = async |form: &[(&str, &str)]| post_policy(&person, key.key.id, form).await.1;
    let origins = [
        ("do", "limits"),
        ("limits", r#"{"origins":["https://shop.example.com"]}"#),
    ];
    assert!(send(&origins).await.contains("public by nature"));
    let page = send(&[("do", "save"), ("document", FULL)]).await;
    assert!(page.contains("It may only read."), "{page}");
    assert_eq!(
        issue::policy_of(&app.pool, key.key.id).await.expect("a policy"),
        READ_ONLY
    );
}

#[sqlx::test]
async fn a_call_that_takes_longer_than_its_key_may_is_given_up(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"max_runtime_secs":1}"#).await;
    actor.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(20));
    let began = std::time::Instant::now();
    let refused = actor.call(&count()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (504, "odoo_timeout"),
        "{}",
        refused.text
    );
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[sqlx::test]
async fn many_calls_at_the_moment_when_a_quota_is_counted_anew_are_counted_once_each(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"per_day":1000}"#).await;
    let body = count();
    let left = |answer: &Answer| {
        let told = header(answer, "ratelimit").to_owned();
        let left = told
            .split("r=")
            .nth(1)
            .and_then(|rest| rest.split(';').next().map(str::to_owned));
        left.and_then(|left| left.parse::<u64>().ok()).expect("what is left")
    };
    for round in 1..=2 {
        for answer in join_all((0..30).map(|_| actor.call(&body))).await {
            answer.data();
        }
        // A count is good for five seconds; the records of calls are in the database by then.
        tokio::time::sleep(Duration::from_millis(5_300)).await;
        let next: Vec<_> = join_all((0..20).map(|_| actor.call(&body))).await;
        let lowest = next.iter().map(left).min().expect("answers");
        assert!(next.iter().all(|answer| answer.status == 200), "{}", next[0].text);
        assert_eq!(lowest, 1_000 - 50 * round, "round {round}");
    }
}

async fn spawn_small(pool: PgPool) -> TestApp {
    let line = ["--odoo-queue-length", "1", "--odoo-queue-wait-secs", "1"];
    let args = [
        &["--odoo-transport", "jsonrpc", "--odoo-concurrent-calls", "1"],
        &line[..],
    ];
    TestApp::spawn_with(pool, &args.concat()).await
}

#[sqlx::test]
async fn a_call_that_was_not_sent_takes_nothing_of_a_quota(pool: PgPool) {
    let app = spawn_small(pool).await;
    let (other, actor) = (
        app.with(&app.key("other").await),
        limited(&app, r#"{"per_day":2}"#).await,
    );
    other.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(3));
    let slow = {
        let other = other.clone();
        tokio::spawn(async move { other.call(&count()).await })
    };
    eventually("it has the turn", || async {
        app.bridge.state.odoo.report().load.running == 1
    })
    .await;
    let body = count();
    for refused in join_all((0..3).map(|_| actor.call(&body))).await {
        assert_eq!(refused.code(), "overloaded", "{}", refused.text);
    }
    app.demo.faults().clear();
    slow.await.expect("no panic").data();
    for _ in 0..2 {
        actor.call(&body).await.data();
    }
    assert_eq!(actor.call(&body).await.code(), "quota_exceeded");
}

#[sqlx::test]
async fn a_call_that_was_sent_counts_for_good_also_if_nobody_waited_for_its_answer(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let name = KeyName::parse("gone").expect("a name");
    let new = NewKey {
        limits: r#"{"per_day":3,"max_runtime_secs":1}"#,
        policy: READ_ONLY,
        ..NewKey::named(&name)
    };
    let key = issue::create(&pool, new).await.expect("a key");
    let actor = app.with(&key);
    actor.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(20));
    let body = count();
    let leaving = {
        let (actor, body) = (actor.clone(), body.clone());
        tokio::spawn(async move { actor.call(&body).await })
    };
    eventually("Odoo has it", || async { app.demo.counts().of("execute_kw") == 2 }).await;
    leaving.abort();
    assert_eq!(actor.call(&body).await.code(), "odoo_timeout");
    eventually("all three are recorded", || async {
        app.bridge.state.records.flush(&pool).await.expect("written");
        let recorded = "SELECT count(*) FROM call_records WHERE way = 'jsonrpc'";
        let recorded: i64 = sqlx::query_scalar(recorded).fetch_one(&pool).await.expect("a count");
        recorded == 3
    })
    .await;
    // Another instance knows of them by the records only.
    let other = TestApp::spawn(pool).await;
    assert_eq!(other.with(&key).call(&body).await.code(), "quota_exceeded");
}

#[sqlx::test]
async fn a_call_with_an_idempotency_key_keeps_its_place_when_its_client_goes_away(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = limited(&app, r#"{"concurrent":1}"#).await;
    actor.call(&count()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(4));
    let request = actor.request(Method::POST, "/call").header("Idempotency-Key", "gone");
    let leaving = tokio::spawn(request.json(&count()).send());
    eventually("Odoo has it", || async { app.demo.counts().of("execute_kw") == 2 }).await;
    leaving.abort();
    let body = count();
    assert_eq!(actor.call(&body).await.code(), "rate_limited", "its call still runs");
    app.demo.faults().clear();
    eventually("its place is free", || async { actor.call(&body).await.status == 200 }).await;
}
