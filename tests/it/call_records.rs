//! Call records: what was called is kept, what was said is not, and keeping it
//! never holds a call up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use chrono::{DateTime, Days, Utc};
use futures_util::stream;
use http::Request;
use odoo_bridge::calls::records::{CallRecord, Keep, Recorder};
use odoo_bridge::ids::ApiKeyId;
use odoo_bridge::keys::issue;
use odoo_bridge::keys::policy::{FULL, READ_ONLY};
use odoo_bridge::server::router::Service;
use odoo_bridge::traffic::rollup;
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::database::Wire;
use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, request_id, start};

fn a_record(key: ApiKeyId, called_at: DateTime<Utc>) -> CallRecord {
    let mut record = CallRecord::begin(called_at, key, request_id("a-request"), [127, 0, 0, 1].into());
    record.asks("res.partner", "read");
    record.end("ok", Duration::from_millis(5), Some(Duration::from_millis(3)), 17);
    record
}

const fn keep(days: u16) -> Keep {
    Keep {
        days,
        most_bytes: None,
        rollups: rollup::Keep::DEFAULT,
    }
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
    let writer = tokio::spawn(recorder.clone().run(wire.pool(&pool), keep(30)));
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
        .map(|_| tokio::spawn(Recorder::new(1).run(pool.clone(), keep(2))))
        .collect();
    eventually("only today and two days before are left", || async {
        count(&pool).await == 3
    })
    .await;
    let days = || async {
        sqlx::query_scalar::<_, String>(
            "SELECT relname::text FROM pg_class WHERE relname LIKE 'call_records_%' AND relispartition AND relkind = 'r' ORDER BY relname",
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

/// The files of a folder of journals, as they are now.
fn journals(folder: &Path) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    files
        .map(|path| (path.clone(), fs::read_to_string(path).expect("text")))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

#[sqlx::test]
async fn what_a_killed_process_had_not_written_is_written_once_by_the_next(pool: PgPool) {
    let (folder, key) = (TempDir::new().expect("a folder"), some_key(&pool).await.key.id);
    let one = || {
        let recorder = Recorder::new(100);
        recorder.keep_journal(folder.path()).expect("a journal");
        recorder
    };
    let killed = one();
    for _ in 0..3 {
        killed.record(a_record(key, Utc::now()));
    }
    assert_eq!(
        one().take_over(&pool).await.expect("looked"),
        0,
        "while it lives it is its own"
    );
    assert_eq!(count(&pool).await, 0);
    drop(killed);
    // The last line is not whole: it was killed while it wrote.
    let [(path, text)] = &journals(folder.path())[..] else {
        panic!("one journal");
    };
    fs::write(path, format!("{text}{}", &text[..40])).expect("written");
    let next = one();
    assert_eq!(next.take_over(&pool).await.expect("written"), 3);
    assert_eq!((count(&pool).await, journals(folder.path()).len()), (3, 0));
    assert_eq!(next.take_over(&pool).await.expect("looked"), 0);
}

#[sqlx::test]
async fn what_calls_took_together_is_in_the_journal_when_they_go_on(pool: PgPool) {
    let (folder, key) = (TempDir::new().expect("a folder"), some_key(&pool).await.key.id);
    let recorder = Recorder::new(100);
    recorder.keep_journal(folder.path()).expect("a journal");
    let lines = || -> usize {
        journals(folder.path())
            .iter()
            .map(|(_, text)| text.lines().count())
            .sum()
    };
    let calls = (0..8).map(|_| async {
        recorder.take(a_record(key, Utc::now()));
        recorder.keep_together().await;
        lines()
    });
    let seen = futures_util::future::join_all(calls).await;
    assert_eq!(seen, [8; 8], "the first to go on writes those of all");

    // Its client went away before it could go on, and then the database did.
    recorder.take(a_record(key, Utc::now()));
    assert_eq!(lines(), 8);
    let wire = Wire::to_database_of(&pool).await;
    wire.cut();
    assert!(recorder.flush(&wire.pool(&pool)).await.is_err(), "it is away");
    assert_eq!(lines(), 9, "kept when the journal takes its turn");
    drop(recorder);
    let next = Recorder::new(100);
    next.keep_journal(folder.path()).expect("a journal");
    assert_eq!(next.take_over(&pool).await.expect("written"), 9);
}

#[sqlx::test]
async fn a_journal_of_the_version_before_is_taken_over_too(pool: PgPool) {
    let (folder, key) = (TempDir::new().expect("a folder"), some_key(&pool).await.key.id);
    let recorder = || {
        let recorder = Recorder::new(100);
        recorder.keep_journal(folder.path()).expect("a journal");
        recorder
    };
    let before = recorder();
    let mut failed = a_record(key, Utc::now());
    failed.reason = Some("unknown_model".into());
    failed.now_called = Some("account.move".into());
    failed.fields = Some(Duration::from_millis(1));
    before.record(failed);
    drop(before);
    let [(path, text)] = &journals(folder.path())[..] else {
        panic!("one journal");
    };
    let mut line: serde_json::Value = serde_json::from_str(text).expect("a line");
    let record = line["record"].as_object_mut().expect("a record");
    for later in ["reason", "now_called", "fields"] {
        record.remove(later).expect("what came later");
    }
    fs::write(path, format!("{line}\n")).expect("written");
    assert_eq!(recorder().take_over(&pool).await.expect("written"), 1);
    assert_eq!(count(&pool).await, 1);
}

#[sqlx::test]
async fn a_record_that_was_written_before_the_kill_is_not_counted_again(pool: PgPool) {
    let (folder, key) = (TempDir::new().expect("a folder"), some_key(&pool).await.key.id);
    let recorder = Recorder::new(100);
    recorder.keep_journal(folder.path()).expect("a journal");
    let mut asked = a_record(key, Utc::now());
    asked.way = Some("json2".into());
    recorder.record(asked.clone());
    let before = journals(folder.path());
    recorder.flush(&pool).await.expect("written");
    assert!(journals(folder.path()).is_empty(), "what is written is let go of");
    recorder.record(asked);
    let after = journals(folder.path());
    drop(recorder);
    // As it is if the process ends between the commit and the emptying.
    fs::write(&after[0].0, format!("{}{}", before[0].1, after[0].1)).expect("written");

    let next = Recorder::new(100);
    next.keep_journal(folder.path()).expect("a journal");
    next.take_over(&pool).await.expect("written");
    let uses: i64 = sqlx::query_scalar("SELECT sum(calls)::bigint FROM key_uses")
        .fetch_one(&pool)
        .await
        .expect("a sum");
    let shapes: i64 = sqlx::query_scalar("SELECT sum(calls)::bigint FROM call_shapes")
        .fetch_one(&pool)
        .await
        .expect("a sum");
    assert_eq!((count(&pool).await, uses, shapes), (2, 2, 2));
}

#[sqlx::test]
async fn records_that_come_while_others_are_written_are_in_the_other_file(pool: PgPool) {
    let wire = Wire::to_database_of(&pool).await;
    let (folder, key) = (TempDir::new().expect("a folder"), some_key(&pool).await.key.id);
    let recorder = Recorder::new(100);
    recorder.keep_journal(folder.path()).expect("a journal");
    wire.cut();
    recorder.record(a_record(key, Utc::now()));
    assert!(recorder.flush(&wire.pool(&pool)).await.is_err(), "it is away");
    recorder.record(a_record(key, Utc::now()));
    assert_eq!(journals(folder.path()).len(), 2);
    recorder.flush(&pool).await.expect("written");
    assert_eq!((count(&pool).await, journals(folder.path()).len()), (2, 0));
}

#[sqlx::test]
async fn a_panic_in_a_call_is_recorded_as_what_its_client_was_told(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("unlucky").await;
    // Nothing that comes over a connection can do that: it stands for a fault of the bridge's own.
    let is_unlucky = true;
    let body = Body::from_stream(stream::once(async move {
        assert!(!is_unlucky, "a panic of a test");
        Ok::<_, std::io::Error>(Bytes::new())
    }));
    let request = Request::post("/call")
        .header("X-API-KEY", &key.plaintext)
        .header("Content-Type", "application/json")
        .body(body)
        .expect("a request");
    let response = Service::new(app.bridge.state.clone()).answer(request).await;
    assert_eq!(response.status(), 500);
    assert!(
        response.headers()["server-timing"]
            .to_str()
            .expect("text")
            .starts_with("total;dur="),
        "{response:?}"
    );
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    let told: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(told["code"], "internal");
    let pool = app.pool.clone();
    app.bridge.stop().await;
    let kept: Vec<String> = sqlx::query_scalar("SELECT code FROM call_records")
        .fetch_all(&pool)
        .await
        .expect("rows");
    assert_eq!(kept, ["internal"]);
}

#[sqlx::test]
async fn what_odoo_is_asked_for_a_policys_sake_is_no_time_of_the_policys(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&make_key(&app.pool, "narrow", READ_ONLY).await);
    app.demo.faults().set_latency(Duration::from_millis(150));
    let deep = json!({"model": "sale.order", "method": "search_count", "args": [[["partner_id.name", "!=", "x"]]]});
    let (first, second) = (actor.call(&deep).await, actor.call(&deep).await);
    first.data();
    second.data();
    app.demo.faults().set_latency(Duration::ZERO);
    let timing = |answer: &Answer| answer.headers["server-timing"].to_str().expect("text").to_owned();
    assert!(timing(&first).contains("fields;dur="), "{}", timing(&first));
    assert!(
        !timing(&second).contains("fields;dur="),
        "they are known now: {}",
        timing(&second)
    );
    let pool = app.pool.clone();
    app.bridge.stop().await;
    let kept: Vec<(f32, Option<f32>)> =
        sqlx::query_as("SELECT policy_ms, fields_ms FROM call_records ORDER BY called_at")
            .fetch_all(&pool)
            .await
            .expect("rows");
    let [(policy, Some(fields)), (_, None)] = kept[..] else {
        panic!("{kept:?}")
    };
    assert!(policy < 100.0 && fields >= 140.0, "{kept:?}");
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[sqlx::test]
async fn an_old_day_that_can_not_go_yet_is_told_as_that_and_tried_again_later(pool: PgPool) {
    let (recorder, key) = (Recorder::new(100), some_key(&pool).await.key.id);
    let old = Utc::now() - Days::new(5);
    recorder.record(a_record(key, old));
    recorder.flush(&pool).await.expect("written");
    let mut reader = pool.begin().await.expect("a reader of the old day");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "LOCK TABLE {} IN ACCESS SHARE MODE",
        old.format("call_records_%Y%m%d")
    )))
    .execute(&mut *reader)
    .await
    .expect("locked");

    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    // All of this test is on one thread.
    let _logged = tracing::subscriber::set_default(subscriber);
    let writer = tokio::spawn(recorder.clone().run(pool.clone(), keep(2)));
    recorder.record(a_record(key, Utc::now()));
    eventually("the new one is written", || async { recorder.written() == 2 }).await;
    let told = log.text();
    assert!(told.contains("old call records can't be dropped yet"), "{told}");
    assert!(!told.contains("can't be written"), "{told}");

    reader.rollback().await.expect("the reader ends");
    for written in 3..6 {
        recorder.record(a_record(key, Utc::now()));
        eventually("it is written", || async { recorder.written() == written }).await;
    }
    assert_eq!(count(&pool).await, 5, "the old day is not tried again with each write");
    writer.abort();
}
