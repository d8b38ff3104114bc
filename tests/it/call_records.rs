//! Call records: what was called is kept, what was said is not, and keeping it
//! never holds a call up.

use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use odoo_bridge::calls::records::{CallRecord, Recorder};
use odoo_bridge::ids::ApiKeyId;
use odoo_bridge::keys::issue;
use odoo_bridge::keys::policy::FULL;
use serde_json::json;
use sqlx::PgPool;

use crate::database::Wire;
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, request_id, start};

fn a_record(key: ApiKeyId, called_at: DateTime<Utc>) -> CallRecord {
    let mut record = CallRecord::begin(called_at, key, request_id("a-request"), [127, 0, 0, 1].into());
    record.asks("res.partner", "read");
    record.end("ok", Duration::from_millis(5), Some(Duration::from_millis(3)), 17);
    record
}

async fn some_key(pool: &PgPool) -> odoo_bridge::keys::model::CreatedKey {
    make_key(pool, "recorded", FULL).await
}

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM call_records")
        .fetch_one(pool)
        .await
        .expect("a count")
}

#[sqlx::test]
async fn a_call_leaves_a_record_without_its_arguments_and_result(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (key, person) = (app.key("recorded").await, app.signed_in().await);
    let call = json!({"model": "res.partner", "method": "search_read",
        "args": [[["name", "ilike", "demo trad"]]], "kwargs": {"fields": ["name"], "limit": 7777}});
    let answer = app.with(&key).call(&call).await;
    assert!(answer.data().to_string().contains("Demo Trading"));
    let failed = app
        .with(&key)
        .call(&json!({"model": "no.such.model", "method": "read", "args": [[1]]}))
        .await;
    let not_a_call = app.with(&key).call(&json!({"model": "res.partner"})).await;
    eventually("all three are written", || async { count(&app.pool).await == 3 }).await;

    let response = person.post_json("/api/key_calls", &json!({"id": key.key.id})).await;
    let calls = Answer::of(response).await.json;
    assert_eq!((&calls["calls_24h"], &calls["failures_24h"]), (&json!(3), &json!(2)));
    let recent = calls["recent"].as_array().expect("calls");
    let codes: Vec<_> = recent
        .iter()
        .map(|call| call["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, [not_a_call.code(), failed.code(), "ok"], "newest first");
    assert!(recent[0]["model"].is_null() && recent[0]["way"].is_null());
    let ways: Vec<_> = recent[1..].iter().map(|call| call["way"].as_str()).collect();
    assert_eq!(ways, [Some("jsonrpc"); 2], "one that failed has its way as well");
    let first = &recent[2];
    assert_eq!(
        (&first["model"], &first["method"]),
        (&json!("res.partner"), &json!("search_read"))
    );
    assert_eq!(first["request_id"], answer.json["request_id"]);
    let envelope = format!(
        r#"{{"success":true,"data":,"request_id":{}}}"#,
        answer.json["request_id"]
    );
    assert_eq!(first["answer_bytes"], answer.text.len() - envelope.len());
    assert_eq!(first["address"], "127.0.0.1");
    let (total, odoo) = (first["duration_ms"].as_f64(), first["odoo_ms"].as_f64());
    assert!(odoo > Some(0.0) && total >= odoo, "{total:?} {odoo:?}");

    let rows: Vec<String> = sqlx::query_scalar("SELECT call_records::text FROM call_records")
        .fetch_all(&app.pool)
        .await
        .expect("rows");
    for secret in ["Demo Trading", "demo trad", "7777", "ilike", &key.plaintext] {
        assert!(rows.iter().all(|row| !row.contains(secret)), "{secret} in {rows:?}");
    }
}

#[sqlx::test]
async fn a_refused_key_leaves_no_record(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut stranger = app.anonymous();
    stranger.key = Some(odoo_bridge::keys::secret::PlainKey::generate().reveal());
    let call = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    assert_eq!(stranger.call(&call).await.status, 401);
    let pool = app.pool.clone();
    app.bridge.stop().await;
    assert_eq!(count(&pool).await, 0);
}

#[sqlx::test]
async fn a_stopped_bridge_has_written_everything(pool: PgPool) {
    let bridge = start(pool.clone(), &[]).await;
    let key = some_key(&pool).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    let call = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    for _ in 0..40 {
        actor.call(&call).await.data();
    }
    bridge.stop().await;
    assert_eq!(count(&pool).await, 40);
    let key = issue::find(&pool, key.key.id).await.expect("the key");
    assert!(key.last_used_at.is_some());
}

#[sqlx::test]
async fn what_finds_no_room_is_counted_and_nobody_waits(pool: PgPool) {
    let (recorder, key) = (Recorder::new(10), some_key(&pool).await.key.id);
    for _ in 0..25 {
        recorder.record(a_record(key, Utc::now()));
    }
    assert_eq!((recorder.dropped(), recorder.written()), (15, 0));
    recorder.flush(&pool).await.expect("written");
    assert_eq!((recorder.written(), count(&pool).await), (10, 10));
    recorder.record(a_record(key, Utc::now()));
    assert_eq!(recorder.dropped(), 15, "there is room again");
}

#[sqlx::test]
async fn many_records_are_written_in_batches(pool: PgPool) {
    let (recorder, key) = (Recorder::new(12_000), some_key(&pool).await.key.id);
    for _ in 0..12_000 {
        recorder.record(a_record(key, Utc::now()));
    }
    recorder.flush(&pool).await.expect("written");
    assert_eq!((count(&pool).await, recorder.dropped()), (12_000, 0));
}

#[sqlx::test]
async fn a_database_that_comes_back_gets_what_was_kept_once(pool: PgPool) {
    let wire = Wire::to_database_of(&pool).await;
    let (recorder, key) = (Recorder::new(100), some_key(&pool).await.key.id);
    let writer = tokio::spawn(recorder.clone().run(wire.pool(&pool), 30));
    recorder.record(a_record(key, Utc::now()));
    eventually("the first is written", || async { recorder.written() == 1 }).await;

    wire.cut();
    for _ in 0..90 {
        recorder.record(a_record(key, Utc::now()));
    }
    assert!(recorder.flush(&wire.pool(&pool)).await.is_err(), "it is away");
    assert_eq!((recorder.written(), recorder.dropped()), (1, 0));
    wire.mend();
    eventually("the rest is written", || async { recorder.written() == 91 }).await;
    assert_eq!(count(&pool).await, 91);
    writer.abort();
}

#[sqlx::test]
async fn records_of_any_day_are_kept_and_old_days_go_whole(pool: PgPool) {
    let (recorder, key) = (Recorder::new(100), some_key(&pool).await.key.id);
    for days in 0..5 {
        recorder.record(a_record(key, Utc::now() - Days::new(days)));
    }
    recorder.flush(&pool).await.expect("a day without a partition gets one");
    assert_eq!(count(&pool).await, 5);

    let writers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(Recorder::new(1).run(pool.clone(), 2)))
        .collect();
    eventually("only today and two days before are left", || async {
        count(&pool).await == 3
    })
    .await;
    let days = || async {
        sqlx::query_scalar::<_, String>(
            "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname",
        )
        .fetch_all(&pool)
        .await
        .expect("names")
    };
    let expected: Vec<_> = (0..5)
        .map(|day| {
            let day = Utc::now() - Days::new(2) + Days::new(day);
            day.format("call_records_%Y%m%d").to_string()
        })
        .collect();
    eventually("and two days are made ahead", || async { days().await == expected }).await;
    for writer in writers {
        writer.abort();
    }
}
