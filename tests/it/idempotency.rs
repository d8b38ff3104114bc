//! Calls that are safe to repeat: `Idempotency-Key`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{DB, Fault as DemoFault, Framing, PASSWORD, USERNAME};
use odoo_bridge::keys::policy::FULL;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::demo_odoo::Demo;
use crate::faults::{Fault, Faulty};
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, start};

fn create(name: &str) -> Value {
    json!({"model": "res.partner", "method": "create", "args": [{"name": name}]})
}

async fn call(actor: &Actor, key: &str, body: &Value) -> Answer {
    let request = actor.request(Method::POST, "/call").header("Idempotency-Key", key);
    Answer::of(request.json(body).send().await.expect("the bridge answers")).await
}

async fn named(app: &TestApp, name: &str) -> i64 {
    let count = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=", name]]]});
    let key = app.key("counter").await;
    app.with(&key).call(&count).await.data().as_i64().expect("a number")
}

#[sqlx::test]
async fn a_repeat_gets_the_same_answer_and_is_not_done_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (actor, other) = (app.with(&app.key("writer").await), app.with(&app.key("other").await));
    let first = call(&actor, "order-7", &create("Once")).await;
    let id = first.data().clone();
    assert!(!first.headers.contains_key("idempotency-replayed"));
    for _ in 0..3 {
        let again = call(&actor, "order-7", &create("Once")).await;
        assert_eq!(again.data(), &id);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_ne!(again.json["request_id"], first.json["request_id"]);
    }
    assert_eq!(named(&app, "Once").await, 1);
    call(&other, "order-7", &create("Once")).await.data();
    assert_eq!(named(&app, "Once").await, 2, "another API key has keys of its own");

    let conflict = call(&actor, "order-7", &create("Twice")).await;
    assert_eq!(
        (conflict.status, conflict.code()),
        (409, "idempotency_conflict"),
        "{}",
        conflict.text
    );
    assert_eq!(named(&app, "Twice").await, 0);
    for wrong in ["", "with blanks"] {
        let refused = call(&actor, wrong, &create("Never")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_request"),
            "{}",
            refused.text
        );
    }
}

#[sqlx::test]
async fn what_odoo_refused_is_refused_again_without_being_asked_and_what_was_not_sent_is_forgotten(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    let wrong = json!({"model": "res.partner", "method": "create", "args": [{"no_such_field": 1}]});
    let refused = call(&actor, "wrong", &wrong).await;
    assert_ne!(refused.status, 200);
    let asked = app.demo.counts().of("execute_kw");
    let again = call(&actor, "wrong", &wrong).await;
    assert_eq!((again.status, again.code()), (refused.status, refused.code()));
    assert_eq!(again.json["error"], refused.json["error"]);
    assert_eq!(app.demo.counts().of("execute_kw"), asked);

    let limited = app.with(&make_key(&app.pool, "reader", r#"{"access":"read_only"}"#).await);
    assert_eq!(
        call(&limited, "denied", &create("Denied")).await.code(),
        "policy_denied"
    );
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotent_calls WHERE key = 'denied'")
        .fetch_one(&app.pool)
        .await
        .expect("a count");
    assert_eq!(kept, 0);
}

#[sqlx::test]
async fn while_the_first_still_runs_a_repeat_is_told_so_and_is_not_sent(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    call(&actor, "warm", &create("Warm")).await.data();
    app.demo.faults().set_latency(Duration::from_millis(400));
    let body = create("Parallel");
    let answers = join_all((0..5).map(|_| call(&actor, "parallel", &body))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (refused.status, refused.code()),
            (409, "idempotency_conflict"),
            "{}",
            refused.text
        );
        assert_eq!(refused.headers["retry-after"], "1");
    }
    app.demo.faults().clear();
    app.demo.faults().set_latency(Duration::ZERO);
    call(&actor, "parallel", &body).await.data();
    assert_eq!(named(&app, "Parallel").await, 1);
}

#[sqlx::test]
async fn a_call_whose_client_went_away_is_done_and_its_repeat_gets_the_answer(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    call(&actor, "warm", &create("Warm")).await.data();
    app.demo.faults().set_latency(Duration::from_millis(400));
    let body = create("Gone");
    let gone = tokio::time::timeout(Duration::from_millis(150), call(&actor, "gone", &body)).await;
    assert!(gone.is_err(), "the client went away");
    eventually("its repeat gets the answer", || async {
        let again = call(&actor, "gone", &body).await;
        again.status == 200 && again.headers.contains_key("idempotency-replayed")
    })
    .await;
    app.demo.faults().set_latency(Duration::ZERO);
    assert_eq!(named(&app, "Gone").await, 1);
}

#[sqlx::test]
async fn a_stop_waits_for_a_call_whose_client_went_away(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let actor = app.with(&app.key("writer").await);
    call(&actor, "warm", &create("Warm")).await.data();
    let asked = || app.demo.counts().of("execute_kw");
    let before = asked();
    app.demo.faults().set_latency(Duration::from_millis(400));
    let leaving = tokio::spawn(async move { call(&actor, "gone", &create("Gone")).await });
    eventually("Odoo has it", || async { asked() > before }).await;
    leaving.abort();
    app.bridge.stop().await;
    let kept: bool = sqlx::query_scalar("SELECT data IS NOT NULL FROM idempotent_calls WHERE key = 'gone'")
        .fetch_one(&pool)
        .await
        .expect("it was written down");
    assert!(kept, "its repeat gets the answer");
}

#[sqlx::test]
async fn a_call_whose_answer_was_lost_is_never_sent_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    call(&actor, "warm", &create("Warm")).await.data();
    app.demo.faults().set_times(
        "execute_kw",
        1,
        DemoFault::Cut {
            after: 10,
            framing: Framing::Length,
        },
    );
    let body = create("Lost");
    let lost = call(&actor, "lost", &body).await;
    assert_eq!((lost.status, lost.code()), (504, "outcome_unknown"), "{}", lost.text);
    let asked = app.demo.counts().of("execute_kw");
    for _ in 0..3 {
        let again = call(&actor, "lost", &body).await;
        assert_eq!((again.status, again.code()), (504, "outcome_unknown"), "{}", again.text);
    }
    assert_eq!(app.demo.counts().of("execute_kw"), asked);
    assert_eq!(named(&app, "Lost").await, 1, "it did happen");
}

#[sqlx::test]
async fn a_call_of_an_instance_that_is_gone_is_never_sent_again_and_its_repeat_is_told_at_once(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool.clone()).await);
    let key = here.key("writer").await;
    let body = create("Killed");
    call(&there.with(&key), "killed", &body).await.data();
    // As it is while that instance waits for Odoo.
    let set = |change: &'static str| {
        let pool = pool.clone();
        async move { sqlx::query(change).execute(&pool).await.expect("set") }
    };
    set("UPDATE idempotent_calls SET ended_at = NULL, data = NULL").await;
    let actor = here.with(&key);
    let asked = here.demo.counts().of("execute_kw");
    eventually("while it is alive, it may be at it", || async {
        call(&actor, "killed", &body).await.code() == "idempotency_conflict"
    })
    .await;
    set("UPDATE idempotent_calls SET begun_at = now() - interval '600 s'").await;
    let late = call(&actor, "killed", &body).await;
    assert_eq!(
        (late.status, late.code()),
        (504, "outcome_unknown"),
        "no call takes that long"
    );
    set("UPDATE idempotent_calls SET begun_at = now()").await;
    assert_eq!(call(&actor, "killed", &body).await.code(), "idempotency_conflict");

    // Whether stopped or killed: its connections to the database end.
    there.bridge.stop().await;
    let gone = Instant::now();
    eventually("its repeat is told", || async {
        call(&actor, "killed", &body).await.code() == "outcome_unknown"
    })
    .await;
    assert!(gone.elapsed() < Duration::from_secs(2), "{:?}", gone.elapsed());
    assert_eq!(here.demo.counts().of("execute_kw"), asked);
    set("UPDATE idempotent_calls SET begun_at = now() - interval '25 h'").await;
    call(&actor, "killed", &body).await.data();
    assert_eq!(named(&here, "Killed").await, 1, "after a day the key is free again");
}

#[sqlx::test]
async fn without_the_database_nothing_is_sent(pool: PgPool) {
    let wire = crate::database::Wire::to_database_of(&pool).await;
    let bridge = start(wire.pool(&pool), &["--odoo-transport", "jsonrpc"]).await;
    let key = make_key(&pool, "writer", FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    call(&actor, "first", &create("First")).await.data();
    let demo = bridge.demo.clone().expect("the demo");
    let asked = demo.counts().of("execute_kw");
    wire.cut();
    let refused = call(&actor, "second", &create("Second")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "unavailable"),
        "{}",
        refused.text
    );
    assert_eq!(demo.counts().of("execute_kw"), asked);
    wire.mend();
}

#[sqlx::test]
async fn writes_over_a_line_that_is_cut_at_random_are_done_once_each(pool: PgPool) {
    const WRITES: usize = 100;
    let odoo = Demo::start().await;
    let args = [
        "--odoo-url",
        &odoo.address,
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
    let key = make_key(&pool, "writer", FULL).await;
    // Between client and bridge.
    let way = Faulty::to(bridge.address.port()).await;
    let actor = Actor {
        address: way.url(),
        client: client(),
        key: Some(key.plaintext),
    };
    let mut cuts = 0;
    for number in 0..WRITES {
        let (name, key) = (format!("Write {number}"), format!("write-{number}"));
        let mut attempt = 0;
        loop {
            // Before the bridge has it, while it works, or within the answer.
            way.set(match (number + attempt) % 4 {
                0 => Fault::CutRequest(1 + number * 3),
                1 => Fault::CutAnswer(1 + number * 3),
                2 => Fault::Refused,
                _ => Fault::None,
            });
            attempt += 1;
            let request = actor.request(Method::POST, "/call").header("Idempotency-Key", &key);
            match request.json(&create(&name)).send().await {
                Ok(response) if response.status() == 200 => match response.bytes().await {
                    Ok(_) => break,
                    Err(_) => cuts += 1,
                },
                Ok(response) => assert_eq!(response.status(), 409, "it may still run"),
                Err(_) => cuts += 1,
            }
        }
    }
    assert!(cuts > WRITES, "{cuts}");
    let count = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=like", "Write %"]]]});
    way.set(Fault::None);
    assert_eq!(actor.call(&count).await.data(), &json!(WRITES));
}

async fn call_by_external_id(actor: &Actor, key: &str, body: &Value) -> Answer {
    let request = actor.request(Method::POST, "/call").header("Idempotency-Key", key);
    let request = request.header("Idempotency-Mode", "external-id");
    Answer::of(request.json(body).send().await.expect("the bridge answers")).await
}

#[sqlx::test]
async fn a_create_under_an_external_id_is_found_by_its_repeat_after_a_lost_answer_or_a_kill(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    call_by_external_id(&actor, "warm", &create("Warm")).await.data();
    let cut = DemoFault::Cut {
        after: 10,
        framing: Framing::Length,
    };
    app.demo.faults().set_times("execute_kw", 1, cut);
    let body = create("Found");
    let lost = call_by_external_id(&actor, "found", &body).await;
    assert_eq!((lost.status, lost.code()), (504, "outcome_unknown"), "{}", lost.text);
    // Five at once: one is sent, the others wait for it or get its answer.
    let repeats = join_all((0..5).map(|_| call_by_external_id(&actor, "found", &body))).await;
    assert!(repeats.iter().any(|answer| answer.status == 200));
    for answer in repeats.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.code(), "idempotency_conflict", "{}", answer.text);
    }
    let again = call_by_external_id(&actor, "found", &body).await;
    let id = again.data().clone();
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(id.is_i64(), "as create answers it: {id}");
    assert_eq!(named(&app, "Found").await, 1);

    // As it is when an instance was killed while it waited for Odoo.
    sqlx::query(
        "UPDATE idempotent_calls SET ended_at = NULL, data = NULL, instance = gen_random_uuid() WHERE key = 'found'",
    )
    .execute(&app.pool)
    .await
    .expect("set");
    assert_eq!(call_by_external_id(&actor, "found", &body).await.data(), &id);
    assert_eq!(named(&app, "Found").await, 1);
}

#[sqlx::test]
async fn what_can_not_be_made_under_an_external_id_is_refused_and_not_sent(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&app.key("writer").await);
    call_by_external_id(&actor, "warm", &create("Warm")).await.data();
    let asked = app.demo.counts().of("execute_kw");
    let values = json!({"name": "Never", "child_ids": [[4, 1]]});
    let linked = json!({"model": "res.partner", "method": "create", "args": [values]});
    let write = json!({"model": "res.partner", "method": "write", "args": [[1], {"name": "Never"}]});
    for body in [&linked, &write] {
        let refused = call_by_external_id(&actor, "refused", body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_request"),
            "{}",
            refused.text
        );
    }
    for (name, value) in [("Idempotency-Mode", "external-id"), ("Idempotency-Mode", "other")] {
        let request = actor.request(Method::POST, "/call").header(name, value);
        let refused = Answer::of(request.json(&create("Never")).send().await.expect("an answer")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_request"),
            "{}",
            refused.text
        );
    }
    assert_eq!(app.demo.counts().of("execute_kw"), asked);
    assert_eq!(named(&app, "Never").await, 0);
}

#[sqlx::test]
async fn what_is_kept_of_one_key_is_bounded_and_its_repeats_are_still_answered(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let (full, other) = (app.key("full").await, app.key("other").await);
    let actor = app.with(&full);
    let first = call(&actor, "first", &create("First")).await.data().clone();
    sqlx::query(
        "INSERT INTO idempotent_calls (api_key_id, key, body_hash, instance, begun_at, ended_at)
         SELECT $1, 'old-' || number, decode(repeat('00', 32), 'hex'), $1, now() - interval '23 h', now()
         FROM generate_series(1, 250000) AS number",
    )
    .bind(full.key.id.0)
    .execute(&pool)
    .await
    .expect("written");
    // Another start counts anew.
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&full);
    let refused = call(&actor, "one-more", &create("Never")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "overloaded"),
        "{}",
        refused.text
    );
    let secs: u32 = refused.headers["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!(
        (3_000..=3_600).contains(&secs),
        "when the first of them is a day old: {secs}"
    );
    assert_eq!(named(&app, "Never").await, 0);
    let again = call(&actor, "first", &create("First")).await;
    assert_eq!(again.data(), &first);
    actor.call(&create("Without a key")).await.data();
    call(&app.with(&other), "one-more", &create("Other")).await.data();
}
