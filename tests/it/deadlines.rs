//! One deadline for all that is waited for on a call's behalf, and what the bridge does with
//! an Odoo that says nothing: nobody waits for the sum of what others waited for.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{DB, Fault, PASSWORD, USERNAME};
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::KeyName;
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::odoo::BreakerState;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::demo_odoo::Demo;
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, start};

fn count_orders() -> Value {
    json!({"model": "sale.order", "method": "search_count", "args": [[]]})
}

fn write_nothing() -> Value {
    json!({"model": "res.partner", "method": "write", "args": [[1], {"comment": "x"}]})
}

/// A key whose calls Odoo has to begin to answer within a second.
async fn hasty(app: &TestApp) -> Actor {
    let name = KeyName::parse("hasty").expect("a name");
    let new = NewKey {
        limits: r#"{"max_runtime_secs":1}"#,
        policy: FULL,
        ..NewKey::named(&name)
    };
    app.with(&issue::create(&app.pool, new).await.expect("a key"))
}

fn breaker(app: &TestApp) -> BreakerState {
    app.bridge.state.odoo.report().breaker
}

async fn timed(call: impl Future<Output = Answer>) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = call.await;
    (answer, began.elapsed())
}

#[sqlx::test]
async fn a_login_that_hangs_holds_each_call_no_longer_than_its_own_deadline(pool: PgPool) {
    for (way, login) in [("web", "/web/session/authenticate"), ("jsonrpc", "authenticate")] {
        let odoo = Demo::start().await;
        odoo.demo.faults().set_on(login, Fault::Hang);
        let settings = [
            ["--odoo-url", &odoo.address],
            ["--odoo-db", DB],
            ["--odoo-username", USERNAME],
            ["--odoo-password", PASSWORD],
            ["--odoo-transport", way],
            ["--odoo-first-byte-timeout-secs", "1"],
            ["--odoo-timeout-secs", "2"],
            ["--odoo-queue-wait-secs", "1"],
            ["--odoo-concurrent-calls", "8"],
        ];
        let bridge = start(pool.clone(), &settings.concat()).await;
        let key = make_key(&pool, way, FULL).await;
        let actor = Actor {
            address: format!("http://{}", bridge.address),
            client: client(),
            key: Some(key.plaintext),
        };
        let (read, write) = (count_orders(), write_nothing());
        let calls = (0..16).map(|number| timed(actor.call(if number % 2 == 0 { &read } else { &write })));
        for (answer, took) in join_all(calls).await {
            let code = answer.code();
            let known = ["odoo_timeout", "overloaded", "odoo_unavailable"];
            assert!(
                known.contains(&code),
                "{way}: a call that was not sent: {}",
                answer.text
            );
            // The wait for a turn, a login, and a loaded machine.
            assert!(took < Duration::from_secs(4), "{way}: {code} after {took:?}");
        }
        let logins = odoo.demo.counts().of(login);
        assert!(logins <= 4, "{way}: one login for all who wait: {logins}");
        odoo.demo.faults().clear();
        let began = Instant::now();
        eventually("service is back", || async {
            actor.call(&count_orders()).await.status == 200
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(2), "{way}: {:?}", began.elapsed());
    }
}

#[sqlx::test]
async fn a_keys_own_runtime_counts_from_its_calls_arrival_also_in_the_line(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc", "--odoo-concurrent-calls", "1"]).await;
    let (other, hasty) = (app.with(&app.key("slow").await), hasty(&app).await);
    other.call(&count_orders()).await.data();
    app.demo.faults().set_latency(Duration::from_secs(3));
    let slow = {
        let other = other.clone();
        tokio::spawn(async move { other.call(&count_orders()).await })
    };
    eventually("it has the turn", || async {
        app.bridge.state.odoo.report().load.running == 1
    })
    .await;
    let (refused, took) = timed(hasty.call(&write_nothing())).await;
    assert_eq!(refused.code(), "overloaded", "it was not sent: {}", refused.text);
    assert!(took < Duration::from_millis(1_800), "{took:?}");
    slow.await.expect("no panic").data();
}

#[sqlx::test]
async fn a_keys_own_runtime_binds_once_also_if_the_call_is_tried_twice(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc"]).await;
    let hasty = hasty(&app).await;
    hasty.call(&count_orders()).await.data();
    // The first breaks before a byte of an answer, late; the second would take as long.
    app.demo.faults().set_latency(Duration::from_millis(700));
    app.demo
        .faults()
        .set_times("execute_kw", 1, Fault::cut_before_headers());
    let (answer, took) = timed(hasty.call(&count_orders())).await;
    assert_ne!(answer.status, 200, "{}", answer.text);
    assert!(took < Duration::from_millis(1_400), "{took:?}");
}

#[sqlx::test]
async fn a_write_that_the_pace_held_back_too_long_was_not_sent(pool: PgPool) {
    let args = ["--odoo-transport", "jsonrpc", "--odoo-calls-per-second", "1"];
    let app = TestApp::spawn_with(pool, &args).await;
    let (hasty, patient) = (hasty(&app).await, app.with(&app.key("patient").await));
    patient.call(&count_orders()).await.data();
    let before: Vec<_> = (0..3)
        .map(|_| {
            let patient = patient.clone();
            tokio::spawn(async move { patient.call(&count_orders()).await })
        })
        .collect();
    eventually("they wait for the pace, with their turns", || async {
        app.bridge.state.odoo.report().load.running >= 2
    })
    .await;
    let (refused, took) = timed(hasty.call(&write_nothing())).await;
    assert_eq!(refused.code(), "overloaded", "{}", refused.text);
    assert_eq!(refused.json["retryable"], true);
    assert!(took < Duration::from_millis(1_800), "{took:?}");
    for call in before {
        call.await.expect("no panic").data();
    }
    assert_eq!(app.demo.counts().of("execute_kw"), 4, "it never reached Odoo");
}

#[sqlx::test]
async fn calls_that_their_clients_gave_up_make_an_odoo_that_hangs_left_alone(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc"]).await;
    let actor = app.with(&app.key("gone").await);
    actor.call(&count_orders()).await.data();
    app.demo.faults().set(Fault::Hang);
    let orders = count_orders();
    // Impatient ones say nothing of Odoo.
    let gone = (0..6).map(|_| tokio::time::timeout(Duration::from_millis(300), actor.call(&orders)));
    assert!(join_all(gone).await.iter().all(Result::is_err));
    eventually("their turns are over", || async {
        app.bridge.state.odoo.report().load.running == 0
    })
    .await;
    assert_eq!(breaker(&app).open_for, None);
    let gone = (0..6).map(|_| tokio::time::timeout(Duration::from_millis(5_300), actor.call(&orders)));
    assert!(join_all(gone).await.iter().all(Result::is_err));
    eventually("it is left alone", || async { breaker(&app).open_for.is_some() }).await;
}

#[sqlx::test]
async fn a_write_does_not_find_out_whether_odoo_is_back_by_getting_lost(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc"]).await;
    let actor = app.with(&app.key("writes only").await);
    actor.call(&count_orders()).await.data();
    app.demo.faults().set(Fault::html(503));
    eventually("it is left alone", || async {
        actor.call(&count_orders()).await.code() == "odoo_unavailable"
    })
    .await;
    let (calls, versions) = (app.demo.counts().of("execute_kw"), app.demo.counts().of("version"));
    let until = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < until {
        let refused = actor.call(&write_nothing()).await;
        assert_eq!(refused.code(), "odoo_unavailable", "{}", refused.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(app.demo.counts().of("execute_kw"), calls, "no write was tried");
    let asked = app.demo.counts().of("version") - versions;
    assert!((1..=4).contains(&asked), "the version was asked for: {asked}");
    app.demo.faults().clear();
    let began = Instant::now();
    eventually("writes pass again", || async {
        actor.call(&write_nothing()).await.status == 200
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[sqlx::test]
async fn an_odoo_that_says_it_is_busy_is_passed_on_with_its_own_time_and_not_left_alone(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc"]).await;
    let actor = app.with(&app.key("busy").await);
    actor.call(&count_orders()).await.data();
    app.demo.faults().set_on(
        "execute_kw",
        Fault::Answer {
            status: 429,
            content_type: "text/html".into(),
            headers: vec![("retry-after".into(), "17".into())],
            body: b"slow down".to_vec(),
        },
    );
    let bodies = [count_orders(), write_nothing()];
    for body in bodies.iter().cycle().take(12) {
        let refused = actor.call(body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (503, "overloaded"),
            "{}",
            refused.text
        );
        assert_eq!(refused.headers["retry-after"], "17");
    }
    assert_eq!(breaker(&app).opened, 0);
}
