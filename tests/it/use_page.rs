//! What is called how often, how fast and with what failures: counted once whatever happens, and
//! shown to everybody who is signed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, TimeDelta, Timelike as _, Utc};
use odoo_bridge::calls::records::{CallRecord, Keep, Recorder};
use odoo_bridge::ids::ApiKeyId;
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use odoo_bridge::traffic::rollup;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{Actor, PASSWORD, TestApp, client, eventually, make_key, request_id, start};

/// A call that Odoo answered.
fn a_record(key: ApiKeyId, called_at: DateTime<Utc>, model: &str) -> CallRecord {
    let mut record = CallRecord::begin(called_at, key, request_id("a-request"), [192, 0, 2, 7].into());
    record.asks(model, "read");
    record.way = Some("json2".into());
    record.end("ok", Duration::from_millis(20), Some(Duration::from_millis(15)), 1_000);
    record
}

/// One that failed.
fn a_failure(key: ApiKeyId, called_at: DateTime<Utc>, model: &str, code: &'static str) -> CallRecord {
    let mut record = a_record(key, called_at, model);
    record.end(code, Duration::from_millis(700), None, 0);
    record
}

async fn write(pool: &PgPool, records: impl IntoIterator<Item = CallRecord>) {
    let recorder = Recorder::new(10_000);
    for record in records {
        recorder.record(record);
    }
    recorder.flush(pool).await.expect("written");
}

async fn viewer(app: &TestApp) -> Actor {
    sign_in::create_user(&app.pool, "viewer@example.com", PASSWORD.into(), Role::Viewer)
        .await
        .expect("an account");
    let actor = app.anonymous();
    let form = [("email", "viewer@example.com"), ("password", PASSWORD), ("next", "")];
    assert!(!actor.post_form("/api/sign_in", &form).await.status().is_client_error());
    actor
}

async fn page(actor: &Actor, path: &str) -> String {
    let response = actor.get(path).await;
    assert_eq!(response.status().as_u16(), 200, "{path}");
    // What the browser puts its own parts between.
    response.text().await.expect("a page").replace("<!>", "")
}

/// The figures of a page by their names.
fn figure(page: &str, name: &str) -> String {
    let figures = page.split("id=\"figures\"").nth(1).expect("figures");
    let figure = figures
        .split(&format!("<dt>{name}</dt><dd>"))
        .nth(1)
        .unwrap_or_else(|| panic!("{name} in {figures}"));
    figure.split('<').next().expect("its end").to_owned()
}

/// What all rows of a level add up to, by the kind of subject: calls, failures, bytes, and the calls of the
/// codes' counts.
async fn sums(pool: &PgPool) -> Vec<(i16, i16, i64, i64, i64)> {
    sqlx::query_as(
        "SELECT level, scope, sum(calls)::bigint, sum(failures)::bigint, sum(bytes)::bigint
         FROM traffic GROUP BY level, scope ORDER BY level, scope",
    )
    .fetch_all(pool)
    .await
    .expect("sums")
}

/// Every level and every kind of subject has counted each record, and no other.
async fn assert_counted_once(pool: &PgPool) -> i64 {
    let (calls, failures, bytes): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE code <> 'ok'), COALESCE(sum(answer_bytes), 0)::bigint FROM call_records",
    )
    .fetch_one(pool)
    .await
    .expect("counts");
    let expected: Vec<_> = (0..3)
        .flat_map(|level| (0..3).map(move |scope| (level, scope, calls, failures, bytes)))
        .collect();
    assert_eq!(sums(pool).await, expected);
    calls
}

/// A way to the database that carries a commit there and then breaks, so that nobody learns that
/// it came through: so many times.
async fn forgetful(pool: &PgPool, times: u32) -> PgPool {
    let options = (*pool.connect_options()).clone();
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = listener.local_addr().expect("its address").port();
    let left = Arc::new(AtomicU32::new(times));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect((host.as_str(), port)).await.expect("the server");
            tokio::spawn(carry(near, far, Arc::clone(&left)));
        }
    });
    PgPoolOptions::new()
        .max_connections(3)
        .acquire_timeout(Duration::from_secs(3))
        .connect_lazy_with(options.host("127.0.0.1").port(own))
}

async fn carry(mut near: TcpStream, mut far: TcpStream, left: Arc<AtomicU32>) {
    let (mut asked, mut told) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    let asked = &asked[..length];
                    far.write_all(asked).await.expect("sent");
                    let is_commit = asked.windows(6).any(|word| word == b"COMMIT");
                    let breaks = |left: u32| left.checked_sub(1).filter(|_| is_commit);
                    if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, breaks).is_ok() {
                        // Its answer says that it is done.
                        assert!(far.read(&mut told).await.expect("an answer") > 0);
                        return;
                    }
                }
            },
            read = far.read(&mut told) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => near.write_all(&told[..length]).await.expect("sent"),
            },
        }
    }
}

#[sqlx::test]
async fn a_commit_whose_confirmation_is_lost_counts_its_calls_once(pool: PgPool) {
    let key = make_key(&pool, "counted", FULL).await.key.id;
    let forgetful = forgetful(&pool, 2).await;
    let recorder = Recorder::new(1_000);
    for number in 0..300 {
        let at = Utc::now() - TimeDelta::minutes(number % 7);
        recorder.record(a_record(key, at, "res.partner"));
    }
    recorder.flush(&forgetful).await.expect("written in the end");
    assert_eq!(assert_counted_once(&pool).await, 300);
}

#[sqlx::test]
async fn two_instances_that_write_at_the_same_time_count_every_call_once(pool: PgPool) {
    let mut keys = Vec::new();
    for number in 0..5 {
        keys.push(make_key(&pool, &format!("key {number}"), FULL).await.key.id);
    }
    let keys = &keys;
    let write = |instance: usize| {
        let pool = pool.clone();
        async move {
            let recorder = Recorder::new(10_000);
            for round in 0..20 {
                for number in 0..50 {
                    let key = keys[(number + instance) % keys.len()];
                    let at = Utc::now() - TimeDelta::seconds((number as i64) * 31);
                    let model = ["res.partner", "sale.order", "stock.quant"][(number + round) % 3];
                    recorder.record(match number % 10 {
                        9 => a_failure(key, at, model, "odoo_timeout"),
                        _ => a_record(key, at, model),
                    });
                }
                recorder.flush(&pool).await.expect("written");
            }
        }
    };
    futures_util::future::join_all([0, 1, 2].map(write)).await;
    assert_eq!(assert_counted_once(&pool).await, 3_000);
}

#[sqlx::test]
async fn a_journal_that_is_taken_over_counts_what_was_not_written_and_nothing_twice(pool: PgPool) {
    let key = make_key(&pool, "counted", FULL).await.key.id;
    let folder = TempDir::new().expect("a folder");
    let one = || {
        let recorder = Recorder::new(1_000);
        recorder.keep_journal(folder.path()).expect("a journal");
        recorder
    };
    let killed = one();
    for _ in 0..40 {
        killed.record(a_record(key, Utc::now(), "res.partner"));
    }
    // Written, but the process ends before the journal is emptied.
    let journals: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("bytes")))
        .collect();
    killed.flush(&pool).await.expect("written");
    killed.record(a_record(key, Utc::now(), "sale.order"));
    let last: Vec<_> = journals
        .iter()
        .map(|(path, _)| std::fs::read(path).expect("bytes"))
        .collect();
    drop(killed);
    for ((path, before), after) in journals.iter().zip(last) {
        std::fs::write(path, [before.as_slice(), &after].concat()).expect("written");
    }
    assert!(one().take_over(&pool).await.expect("taken over") >= 41);
    assert_eq!(assert_counted_once(&pool).await, 41);
}

#[sqlx::test]
async fn a_day_whose_records_were_dropped_is_not_counted_again(pool: PgPool) {
    let key = make_key(&pool, "counted", FULL).await.key.id;
    let old = Utc::now() - Days::new(5);
    write(&pool, [a_record(key, old, "res.partner")]).await;
    let before = sums(&pool).await;
    let keep = Keep {
        days: 2,
        most_bytes: None,
        rollups: rollup::Keep::DEFAULT,
    };
    let writer = tokio::spawn(Recorder::new(1).run(pool.clone(), keep));
    eventually("the day is dropped", || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM call_records")
            .fetch_one(&pool)
            .await
            .expect("a count")
            == 0
    })
    .await;
    writer.abort();
    assert_eq!(sums(&pool).await, before, "what was counted outlives the records");
    // From a journal that lay there all the time, perhaps.
    write(&pool, [a_record(key, old, "res.partner")]).await;
    assert_eq!(sums(&pool).await, before);
}

#[sqlx::test]
async fn minutes_hours_and_days_are_dropped_each_in_its_time(pool: PgPool) {
    let key = make_key(&pool, "counted", FULL).await.key.id;
    let today = Utc::now();
    let ages = [0, 7, 9, 99, 140, 730, 1_100];
    write(
        &pool,
        ages.map(|days| a_record(key, today - Days::new(days), "res.partner")),
    )
    .await;
    let dropped = rollup::tidy(&pool, rollup::Keep::DEFAULT, today.date_naive())
        .await
        .expect("dropped");
    assert!(dropped > 0);
    let left: Vec<(i16, i64)> =
        sqlx::query_as("SELECT level, sum(calls)::bigint FROM traffic WHERE scope = 0 GROUP BY level ORDER BY level")
            .fetch_all(&pool)
            .await
            .expect("sums");
    assert_eq!(left, [(0, 2), (1, 4), (2, 6)]);
}

#[sqlx::test]
async fn only_models_that_odoo_answered_for_are_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("curious").await;
    let call = |model: &str| json!({"model": model, "method": "search_count", "args": [[]]});
    for number in 0..20 {
        app.with(&key).call(&call(&format!("made.up.{number}"))).await;
    }
    app.with(&key).call(&call("res.partner")).await.data();
    // A failure of a model that is known is the model's.
    let late = a_failure(key.key.id, Utc::now(), "res.partner", "odoo_timeout");
    let unknown = a_failure(key.key.id, Utc::now(), "sale.order", "odoo_timeout");
    eventually("all are written", || async { app.bridge.state.records.written() == 21 }).await;
    write(&app.pool, [late, unknown]).await;
    let models: Vec<(String, i64)> =
        sqlx::query_as("SELECT subject, calls FROM traffic WHERE level = 2 AND scope = 2 ORDER BY subject")
            .fetch_all(&app.pool)
            .await
            .expect("rows");
    assert_eq!(models, [("(other)".to_owned(), 21), ("res.partner".to_owned(), 2)]);
    let text = page(&person, "/use").await;
    assert!(!text.contains("made.up"), "{text}");
    assert_eq!(figure(&text, "Calls"), "23");
}

#[sqlx::test]
async fn the_page_tells_calls_failures_percentiles_and_bytes_of_the_bridge_a_key_and_a_model(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let (one, other) = (app.key("Stock sheet").await, app.key("Web shop").await);
    let now = Utc::now();
    let fast = (0..95).map(|_| a_record(one.key.id, now, "stock.quant"));
    let slow = (0..5).map(|_| a_failure(one.key.id, now, "stock.quant", "odoo_timeout"));
    let of_other = (0..10).map(|_| a_record(other.key.id, now, "res.partner"));
    write(&app.pool, fast.chain(slow).chain(of_other)).await;

    for range in ["hour", "day", "week", "month"] {
        let text = page(&person, &format!("/use?range={range}")).await;
        assert_eq!(figure(&text, "Calls"), "110", "{range}");
        assert_eq!(figure(&text, "Failed"), "5 (4.5 %)");
        assert_eq!(figure(&text, "Results"), "105.0 kB");
        assert_eq!(
            text.matches("<svg class=\"chart chart-").count(),
            6,
            "three, in two widths"
        );
        assert_eq!(text.matches("as a table</summary>").count(), 3);
        for told in [
            ">Stock sheet</a>",
            ">stock.quant</a>",
            ">Web shop</a>",
            "odoo_timeout",
            "/guide/errors/odoo_timeout",
            "110 calls, 5 of them failed.",
            "aria-current=\"true\"",
        ] {
            assert!(text.contains(told), "{range}: {told}: {text}");
        }
    }
    let of_key = page(&person, &format!("/use?range=hour&key={}", one.key.id)).await;
    assert_eq!(figure(&of_key, "Calls"), "100");
    assert!(of_key.contains("Use of the key Stock sheet") && !of_key.contains("Web shop"));
    let ms = |name: &str| -> f64 { figure(&of_key, name).trim_end_matches(" ms").parse().expect("ms") };
    for (name, exact) in [("p50", 20.0), ("p99", 700.0), ("Odoo\u{2019}s p95", 15.0)] {
        assert!((ms(name) / exact - 1.0).abs() < 0.02, "{name}: {}", ms(name));
    }
    assert!(of_key.contains(&format!("/calls?key={}", one.key.id)));
    for path in [
        format!("/use?key={}", other.key.prefix),
        "/use?model=res.partner".into(),
    ] {
        assert_eq!(figure(&page(&person, &path).await, "Calls"), "10", "{path}");
    }
    let key_page = page(&person, &format!("/keys/{}", one.key.id)).await;
    assert!(key_page.contains(&format!("/use?key={}", one.key.id)), "{key_page}");
    let keys = page(&person, "/keys").await;
    assert!(
        keys.contains("aria-label=\"100 calls in 24 hours, at most 100 in one\""),
        "{keys}"
    );
    assert!(page(&person, "/calls").await.contains("href=\"/use\""));
}

#[sqlx::test]
async fn a_time_that_is_over_is_shown_by_its_end(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("past").await.key.id;
    let noon = (Utc::now() - Days::new(3)).with_hour(12).expect("noon");
    write(&app.pool, [a_record(key, noon, "res.partner")]).await;
    let until = (noon + TimeDelta::minutes(30)).format("%Y-%m-%dT%H:%M");
    assert_eq!(
        figure(&page(&person, &format!("/use?range=hour&until={until}")).await, "Calls"),
        "1"
    );
    let before = page(
        &person,
        &format!("/use?range=hour&until={}", noon.format("%Y-%m-%dT%H:00")),
    )
    .await;
    assert!(before.contains("Nothing was called in this time"), "{before}");
    let day = noon.format("%Y-%m-%d");
    assert_eq!(figure(&page(&person, &format!("/use?until={day}")).await, "Calls"), "1");
    let long_ago = page(&person, "/use?range=hour&until=2020-01-01").await;
    assert!(
        long_ago.contains("nothing is kept for a time of this length"),
        "{long_ago}"
    );
}

#[sqlx::test]
async fn nonsense_is_refused_by_name_and_the_rest_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("kept").await.key.id;
    write(&app.pool, [a_record(key, Utc::now(), "res.partner")]).await;
    let text = page(
        &person,
        "/use?range=decade&key=nobody&until=yesterday&model=res.partner",
    )
    .await;
    for field in ["key", "until"] {
        assert!(text.contains(&format!("id=\"{field}-error\"")), "{field}: {text}");
        assert!(text.contains(&format!("aria-describedby=\"{field}-error\"")), "{field}");
    }
    assert!(text.contains("The time is an hour, a day, a week or a month."));
    assert!(
        text.contains("value=\"nobody\"") && text.contains("value=\"yesterday\""),
        "so that it can be mended"
    );
    assert!(
        text.contains("Use of res.partner") && figure(&text, "Calls") == "1",
        "the model still holds"
    );
    let both = page(&person, &format!("/use?key={key}&model=res.partner")).await;
    assert!(
        both.contains("id=\"model-error\"") && both.contains("Use of the key kept"),
        "{both}"
    );
    let shown = page(&person, "/use?model=%3Cscript%3E&key=%00").await;
    assert!(
        shown.contains("id=\"model-error\"") && !shown.contains("<script>\""),
        "{shown}"
    );
    for wrong in ["range=decade", "key=nobody", "until=x", "model=a+b"] {
        let refused = person.get(&format!("/use.csv?{wrong}")).await;
        assert_eq!(refused.status().as_u16(), 400, "{wrong}");
        let text = refused.text().await.expect("text");
        assert!(
            text.contains(wrong.split('=').next().expect("a name")),
            "{wrong}: {text}"
        );
    }
}

#[sqlx::test]
async fn a_viewer_sees_the_use_and_a_stranger_does_not_and_an_empty_bridge_says_so(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (person, stranger) = (viewer(&app).await, app.anonymous());
    let mut keyed = app.anonymous();
    keyed.key = Some(app.key("no way in").await.plaintext);
    for path in ["/use", "/use.csv", "/use?range=week"] {
        for nobody in [&stranger, &keyed] {
            assert_eq!(nobody.get(path).await.status().as_u16(), 303, "{path}");
        }
        assert_eq!(person.get(path).await.status().as_u16(), 200, "{path}");
    }
    let text = page(&person, "/use").await;
    assert!(text.contains("Nothing was called in this time"), "{text}");
    assert!(
        !text.contains("chart-wide") && !text.contains("notice-warning"),
        "{text}"
    );
    assert!(!page(&person, "/keys").await.contains("class=\"spark\""));
}

#[sqlx::test]
async fn a_csv_has_a_line_for_each_step_of_the_charts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("csv").await.key.id;
    let now = Utc::now();
    let failed = a_failure(key, now, "res.partner", "policy_denied");
    write(&app.pool, [a_record(key, now, "res.partner"), failed]).await;
    let response = person.get(&format!("/use.csv?range=month&key={key}")).await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let text = response.text().await.expect("a file");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "from,calls,failures,p50_ms,p95_ms,p99_ms,odoo_p95_ms,answer_bytes,failures_by_code"
    );
    assert_eq!(lines.len(), 31);
    let today = now.format("%Y-%m-%dT00:00:00Z,2,1,").to_string();
    assert!(
        lines[30].starts_with(&today) && lines[30].ends_with(",1000,policy_denied 1"),
        "{}",
        lines[30]
    );
    assert!(lines[1].ends_with(",0,0,,,,,0,"), "{}", lines[1]);
}

#[sqlx::test]
async fn calls_that_no_instance_could_write_down_are_told_on_both_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("too many").await.key.id;
    // Another instance, whose writer falls behind twice; what it tells again is the same.
    let behind = Recorder::new(10);
    for more in [25, 12] {
        for _ in 0..more {
            behind.record(a_record(key, Utc::now(), "res.partner"));
        }
        for _ in 0..2 {
            behind.flush(&app.pool).await.expect("written");
        }
    }
    assert_eq!(behind.dropped(), 17);
    let text = page(&person, "/use?range=hour").await;
    assert!(
        text.contains("17 calls to this bridge are not in these figures"),
        "{text}"
    );
    assert_eq!(figure(&text, "Calls"), "20");
    let calls = page(&person, "/calls").await;
    assert!(calls.contains("17 calls of the last 30 days have no record"), "{calls}");
    let of_key = page(&person, &format!("/use?range=hour&key={key}")).await;
    assert_eq!(figure(&of_key, "Calls"), "20");
}

#[sqlx::test]
async fn the_writer_gets_on_with_batches_of_thousands_of_keys(pool: PgPool) {
    let recorder = Recorder::new(10_000);
    let keep = Keep {
        days: 30,
        most_bytes: None,
        rollups: rollup::Keep::DEFAULT,
    };
    // It gives a batch up that takes longer than five seconds.
    let writer = tokio::spawn(recorder.clone().run(pool.clone(), keep));
    for _ in 0..5_000 {
        let nobody = ApiKeyId(uuid::Uuid::now_v7());
        recorder.record(a_record(nobody, Utc::now(), "res.partner"));
    }
    eventually("all are written", || async { recorder.written() == 5_000 }).await;
    writer.abort();
    assert_eq!(assert_counted_once(&pool).await, 5_000);
}

#[sqlx::test]
async fn two_bridges_on_one_database_show_the_same_counts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let other = start(app.pool.clone(), &["--odoo-transport", "jsonrpc"]).await;
    let key = app.key("shared").await;
    let call = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    let through_other = Actor {
        address: format!("http://{}", other.address),
        client: client(),
        key: Some(key.plaintext.clone()),
    };
    for _ in 0..15 {
        app.with(&key).call(&call).await.data();
        through_other.call(&call).await.data();
    }
    other.stop().await;
    let person = viewer(&app).await;
    eventually("both are counted", || async {
        let text = page(&person, "/use?range=hour").await;
        text.contains("id=\"figures\"") && figure(&text, "Calls") == "30"
    })
    .await;
    assert_eq!(assert_counted_once(&app.pool).await, 30);
}

/// Rows as a month of ten million calls leaves them: a hundred keys and as many models, each with
/// calls in every minute that is kept. They are copies of a few that were counted in earnest.
async fn ten_million_calls(pool: &PgPool, keys: &[ApiKeyId]) {
    let mut numbers = 1_u64;
    let mut random = || {
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (numbers >> 11) as f64 / (1_u64 << 53) as f64
    };
    let hour = (Utc::now() - TimeDelta::hours(1)).with_minute(0).expect("an hour");
    // As many as the bridge has in an hour, and so in each minute.
    let mut records = Vec::new();
    for number in 0..13_900 {
        let at = hour + TimeDelta::milliseconds(number * 3_600_000 / 13_900);
        let mut record = a_record(
            keys[number as usize % keys.len()],
            at,
            &format!("model.{}", number % 100),
        );
        let odoo = 8.0 / (random() + 0.01);
        let code = if number % 50 == 0 { "odoo_rejected" } else { "ok" };
        let ms = |ms: f64| Duration::from_secs_f64(ms / 1_000.0);
        record.end(code, ms(odoo + 2.0), Some(ms(odoo)), 2_000);
        records.push(record);
    }
    let recorder = Recorder::new(20_000);
    for record in records {
        recorder.record(record);
    }
    recorder.flush(pool).await.expect("written");
    let mut connection = pool.acquire().await.expect("a connection");
    for statement in [
        "SET statement_timeout = '10min'",
        "CREATE TEMPORARY TABLE counted AS SELECT * FROM traffic",
        "TRUNCATE traffic",
        "SELECT traffic_make_parts((now() AT TIME ZONE 'utc')::date - day) FROM generate_series(0, 40) AS day",
        "INSERT INTO traffic SELECT level, at.at, scope, subject, calls, failures, bytes, codes, took, odoo
         FROM (SELECT DISTINCT ON (scope, subject) * FROM counted WHERE level = 0 ORDER BY scope, subject, calls DESC) AS counted,
            generate_series(date_trunc('day', now() - interval '8 days', 'utc'), now(), interval '1 minute') AS at",
        "INSERT INTO traffic SELECT level, at.at, scope, subject, calls, failures, bytes, codes, took, odoo
         FROM (SELECT DISTINCT ON (scope, subject) * FROM counted WHERE level = 1 ORDER BY scope, subject, calls DESC) AS counted,
            generate_series(date_trunc('day', now() - interval '30 days', 'utc'), now(), interval '1 hour') AS at",
        "INSERT INTO traffic SELECT level, at.at, scope, subject, calls * 24, failures * 24, bytes * 24, codes, took, odoo
         FROM (SELECT DISTINCT ON (scope, subject) * FROM counted WHERE level = 2 ORDER BY scope, subject, calls DESC) AS counted,
            generate_series(date_trunc('day', now() - interval '30 days', 'utc'), now(), interval '1 day') AS at",
        "ANALYZE traffic",
    ] {
        sqlx::query(statement).execute(&mut *connection).await.expect(statement);
    }
}

#[sqlx::test]
#[expect(clippy::print_stdout, reason = "figures for people, with --nocapture")]
async fn the_page_answers_quickly_with_ten_million_calls(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let mut keys = Vec::new();
    for number in 0..100 {
        keys.push(app.key(&format!("key {number}")).await.key.id);
    }
    ten_million_calls(&app.pool, &keys).await;
    let (rows, calls): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM traffic), sum(calls)::bigint FROM traffic WHERE level = 2 AND scope = 0",
    )
    .fetch_one(&app.pool)
    .await
    .expect("sums");
    println!("{calls} calls in {rows} rows");
    assert!(calls > 9_900_000, "{calls}");
    for range in ["hour", "day", "week", "month"] {
        for of in [String::new(), format!("&key={}", keys[0]), "&model=model.7".into()] {
            let path = format!("/use?range={range}{of}");
            let mut took = Vec::new();
            for _ in 0..7 {
                let began = Instant::now();
                page(&person, &path).await;
                took.push(began.elapsed());
            }
            took.sort();
            let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
            println!(
                "{:7.1} ms (median; {:.1} to {:.1})  {path}",
                ms(took[3]),
                ms(took[0]),
                ms(took[6])
            );
            assert!(took[3] < Duration::from_millis(500), "{path}: {took:?}");
        }
    }
    let began = Instant::now();
    page(&person, "/keys").await;
    println!("{:7.1} ms  /keys", began.elapsed().as_secs_f64() * 1_000.0);
}
