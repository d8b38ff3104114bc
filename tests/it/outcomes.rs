//! What a call that may write is told of its outcome: never "not done" if it may have
//! been, and sent by another way only if it is sure that it did not run.

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{DB, Fault, PASSWORD, USERNAME};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::odoo::{Way, WayState};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::demo_odoo::Demo;
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, start};

/// Each way, and what its calls are called in the demo.
const WAYS: [(&str, &str); 3] = [("web", "call_kw"), ("jsonrpc", "execute_kw"), ("json2", "json2")];

fn create(name: &str) -> Value {
    json!({"model": "res.partner", "method": "create", "args": [{"name": name}]})
}

fn count_orders() -> Value {
    json!({"model": "sale.order", "method": "search_count", "args": [[]]})
}

async fn named(actor: &Actor, name: &str) -> i64 {
    let count = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=", name]]]});
    actor.call(&count).await.data().as_i64().expect("a number")
}

#[sqlx::test]
async fn a_write_that_may_have_happened_is_never_told_as_not_done(pool: PgPool) {
    for (way, calls) in WAYS {
        let app = TestApp::spawn_with(pool.clone(), &["--odoo-transport", way]).await;
        let actor = app.with(&app.key(way).await);
        actor.call(&create("Warm")).await.data();
        // Whatever answers instead of Odoo, the call ran.
        let mut faults = Vec::new();
        for status in [
            201, 204, 302, 403, 404, 405, 408, 410, 499, 500, 502, 503, 504, 520, 524,
        ] {
            faults.push((format!("HTTP {status}"), Fault::html(status)));
        }
        let json = |status, body: &str| Fault::answer(status, "application/json", body);
        let error = r#"{"name": "psycopg2.OperationalError", "message": "server closed the connection"}"#;
        if way == "json2" {
            faults.push(("a database that went away".into(), json(500, error)));
            faults.push(("two ids for one record".into(), json(200, "[1, 2]")));
            faults.push(("an object".into(), json(200, "{}")));
        } else {
            let error = format!(r#"{{"jsonrpc": "2.0", "id": 1, "error": {{"data": {error}}}}}"#);
            faults.push(("a database that went away".into(), json(200, &error)));
            faults.push((
                "another JSON-RPC".into(),
                json(200, r#"{"jsonrpc": "1.0", "result": 7}"#),
            ));
        }
        for (what, fault) in faults {
            let name = format!("{way}, {what}");
            // Odoo answers in between, or it would be left alone.
            actor.call(&count_orders()).await.data();
            app.demo.faults().set_times(calls, 1, fault);
            let request = actor
                .request(Method::POST, "/call")
                .header("Idempotency-Key", uuid(&name));
            let answer = Answer::of(request.json(&create(&name)).send().await.expect("an answer")).await;
            assert_eq!(answer.code(), "outcome_unknown", "{name}: {}", answer.text);
            assert_eq!(answer.json["retryable"], false, "{name}");
            let request = actor
                .request(Method::POST, "/call")
                .header("Idempotency-Key", uuid(&name));
            let again = Answer::of(request.json(&create(&name)).send().await.expect("an answer")).await;
            assert_eq!(again.code(), "outcome_unknown", "{name}: {}", again.text);
            assert_eq!(named(&actor, &name).await, 1, "{name}");
        }
    }
}

/// An Idempotency-Key of its own for each.
fn uuid(name: &str) -> String {
    name.replace([' ', ','], "-")
}

#[sqlx::test]
async fn a_write_that_is_sure_not_to_have_run_may_be_sent_again(pool: PgPool) {
    for (way, calls) in WAYS {
        let app = TestApp::spawn_with(pool.clone(), &["--odoo-transport", way]).await;
        let actor = app.with(&app.key(way).await);
        actor.call(&create("Warm")).await.data();
        for status in [307, 308, 401, 413, 414, 415, 431] {
            actor.call(&count_orders()).await.data();
            app.demo.faults().set_times(calls, 1, Fault::html(status));
            let answer = actor.call(&create("Refused")).await;
            assert_eq!(
                answer.code(),
                "odoo_unreachable",
                "{way}, HTTP {status}: {}",
                answer.text
            );
            assert_eq!(answer.json["retryable"], true, "{way}, HTTP {status}");
        }
    }
}

#[sqlx::test]
async fn a_write_whose_answer_is_held_back_is_not_sent_by_another_way(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "auto"]).await;
    let actor = app.with(&app.key("firewall").await);
    eventually("all ways were tried", || async {
        let report = app.bridge.state.odoo.report();
        report.ways.iter().all(|way| way.cost_ms.is_some())
    })
    .await;
    for (_, calls) in WAYS {
        app.demo.faults().set_times(calls, 1, Fault::html(403));
    }
    let answer = actor.call(&create("Once")).await;
    assert_eq!(answer.code(), "outcome_unknown", "{}", answer.text);
    app.demo.faults().clear();
    assert_eq!(named(&actor, "Once").await, 1);
    let report = app.bridge.state.odoo.report();
    let closed = report.ways.iter().filter(|way| way.state == WayState::Closed).count();
    assert_eq!(closed, 1, "the calls after it take another way: {report:?}");
}

#[sqlx::test]
async fn a_write_takes_the_next_way_if_the_first_was_closed_from_the_start(pool: PgPool) {
    let odoo = Demo::start().await;
    odoo.demo.faults().close_way("/web");
    odoo.demo.faults().close_way("/jsonrpc");
    let settings = [
        ["--odoo-url", &odoo.address],
        ["--odoo-db", DB],
        ["--odoo-username", USERNAME],
        ["--odoo-password", PASSWORD],
        ["--odoo-api-key", odoo_bridge::demo_odoo::API_KEY],
    ];
    let bridge = start(pool.clone(), &settings.concat()).await;
    let key = make_key(&pool, "first", FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    let bodies = [create("Next way"), create("Next way")];
    for answer in join_all(bodies.iter().map(|body| actor.call(body))).await {
        answer.data();
    }
    assert_eq!(named(&actor, "Next way").await, 2);
    let picked = bridge.state.odoo.report().ways.into_iter().find(|way| way.picked);
    assert_eq!(picked.map(|way| way.way), Some(Way::Json2));
}

#[sqlx::test]
async fn a_read_is_asked_again_only_if_not_one_byte_of_an_answer_came(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("half a head").await);
    actor.call(&count_orders()).await.data();
    let asked = || app.demo.counts().of("execute_kw");
    for half in [
        "HTTP/1.1 200 OK\r\nContent-Ty",
        "H",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n",
    ] {
        let before = asked();
        app.demo.faults().set_times("execute_kw", 1, Fault::Raw(half.into()));
        let answer = actor.call(&count_orders()).await;
        assert_eq!(answer.code(), "odoo_unreachable", "{half:?}: {}", answer.text);
        assert_eq!(asked() - before, 1, "{half:?}");
        actor.call(&count_orders()).await.data();
    }
    let before = asked();
    app.demo
        .faults()
        .set_times("execute_kw", 1, Fault::cut_before_headers());
    actor.call(&count_orders()).await.data();
    assert_eq!(asked() - before, 2, "of nothing it is sure that it is no answer");
}
