//! What was called, as people see it: filters, pages, CSV, one call, the live view; and how
//! much of it is kept.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, TimeDelta, Utc};
use http_body_util::BodyExt as _;
use odoo_bridge::calls::records::{CallRecord, Keep, Recorder};
use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::ids::ApiKeyId;
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use odoo_bridge::traffic::rollup;
use reqwest::Response;
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::{Actor, PASSWORD, TestApp, client, eventually, make_key, request_id};

/// A record like no other in what it asked, came to and took.
fn a_record(key: ApiKeyId, called_at: DateTime<Utc>, model: &str, method: &str) -> CallRecord {
    let mut record = CallRecord::begin(called_at, key, request_id("a-request"), [192, 0, 2, 7].into());
    record.asks(model, method);
    record.end("ok", Duration::from_millis(5), Some(Duration::from_millis(3)), 17);
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
    response.text().await.expect("a page")
}

/// The rows of the table, each as its HTML.
fn rows(page: &str) -> Vec<&str> {
    let body = page.split("<tbody id=\"calls\">").nth(1).expect("a table");
    let body = body.split("</tbody>").next().expect("its end");
    body.split("<tr>").skip(1).collect()
}

/// The ids of the records on a page, in its order.
fn ids(page: &str) -> Vec<String> {
    rows(page)
        .iter()
        .map(|row| {
            let link = row.split("href=\"/calls/").nth(1).expect("a link");
            link.split('"').next().expect("its end").to_owned()
        })
        .collect()
}

/// Where a link with this text leads.
fn link(page: &str, text: &str) -> Option<String> {
    let pager = page.split("aria-label=\"Pages\"").nth(1)?;
    let at = pager.find(&format!(">{text}<"))?;
    let href = pager[..at].rsplit("href=\"").next()?;
    Some(href.split('"').next()?.replace("&amp;", "&"))
}

#[sqlx::test]
async fn each_filter_finds_its_calls_and_no_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let (one, other) = (app.key("Stock sheet").await, app.key("Web shop").await);
    let noon: DateTime<Utc> = (Utc::now() - Days::new(1))
        .date_naive()
        .and_hms_opt(12, 0, 0)
        .expect("noon")
        .and_utc();
    let at = |minutes| noon + TimeDelta::minutes(minutes);
    let mut slow = a_record(one.key.id, at(1), "stock.quant", "read");
    slow.end("odoo_timeout", Duration::from_millis(900), None, 0);
    let mut refused = a_record(other.key.id, at(2), "res.partner", "unlink");
    refused.request_id = request_id("the-refused");
    refused.end("policy_denied", Duration::from_millis(1), None, 0);
    let fine = a_record(one.key.id, at(3), "res.partner", "read");
    write(&app.pool, [slow, refused, fine]).await;

    let day = noon.format("%Y-%m-%d");
    for (query, expected) in [
        (String::new(), "partner.read partner.unlink quant.read"),
        (format!("key={}", one.key.id), "partner.read quant.read"),
        (format!("key={}", other.key.prefix), "partner.unlink"),
        ("key=Web+shop".into(), "partner.unlink"),
        ("model=res.partner".into(), "partner.read partner.unlink"),
        ("method=read".into(), "partner.read quant.read"),
        ("code=failed".into(), "partner.unlink quant.read"),
        ("code=ok".into(), "partner.read"),
        ("code=odoo_timeout".into(), "quant.read"),
        ("slower=100".into(), "quant.read"),
        (format!("from={day}T12:02"), "partner.read partner.unlink"),
        (format!("to={day}T12:02"), "quant.read"),
        (format!("from={day}&to={day}"), "partner.read partner.unlink quant.read"),
        (format!("to={}", (noon - Days::new(1)).format("%Y-%m-%d")), ""),
        ("request=the-refused".into(), "partner.unlink"),
        (
            format!("model=res.partner&key={}&slower=2&code=ok&from={day}", one.key.id),
            "partner.read",
        ),
        ("model=no.such.model".into(), ""),
    ] {
        let page = page(&person, &format!("/calls?{query}")).await;
        let found: Vec<_> = rows(&page)
            .iter()
            .map(|row| {
                let cell = |label: &str| {
                    let cell = row
                        .split(&format!("data-label=\"{label}\"><code>"))
                        .nth(1)
                        .expect(label);
                    cell.split('<')
                        .next()
                        .expect("its end")
                        .rsplit('.')
                        .next()
                        .expect("a word")
                        .to_owned()
                };
                format!("{}.{}", cell("Model"), cell("Method"))
            })
            .collect();
        assert_eq!(found.join(" "), expected, "{query}");
        let is_empty_told = page.contains("No call is like that");
        assert_eq!(is_empty_told, expected.is_empty(), "{query}");
    }
    let all = page(&person, "/calls").await;
    for text in [
        "192.0.2.7",
        "900.0 ms",
        "3.0 ms",
        "17 B",
        "the-refused",
        "Kept since",
        ">Web shop<",
    ] {
        assert!(all.contains(text), "{text}: {all}");
    }
    let key_page = page(&person, &format!("/keys/{}", one.key.id)).await;
    assert!(key_page.contains(&format!("/calls?key={}", one.key.id)), "{key_page}");
}

#[sqlx::test]
async fn nonsense_is_refused_at_its_field_and_the_rest_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("one").await;
    for _ in 0..2 {
        app.key("twice").await;
    }
    let records = ["read", "write"].map(|method| a_record(key.key.id, Utc::now(), "res.partner", method));
    write(&app.pool, records).await;
    let text = page(
        &person,
        "/calls?key=nobody&model=a+b&method=write&code=nonsense&slower=quick&from=yesterday&to=2026-13-01&before=x",
    )
    .await;
    for field in ["key", "model", "code", "slower", "from", "to"] {
        assert!(text.contains(&format!("id=\"{field}-error\"")), "{field}: {text}");
        assert!(text.contains(&format!("aria-describedby=\"{field}-error\"")), "{field}");
    }
    assert!(!text.contains("id=\"method-error\"") && text.contains("There is no such page"));
    assert_eq!(rows(&text).len(), 1, "the method still holds");
    for kept in [
        "value=\"nobody\"",
        "value=\"a b\"",
        "value=\"yesterday\"",
        "value=\"quick\"",
    ] {
        assert!(text.contains(kept), "{kept}: so that it can be mended");
    }
    assert!(
        page(&person, "/calls?key=twice")
            .await
            .contains("Several keys have this name")
    );
    for path in ["/calls.csv?code=nonsense&method=write", "/calls/live?from=x"] {
        let refused = person.get(path).await;
        assert_eq!(
            refused.status().as_u16(),
            400,
            "{path}: nobody would see that a filter is missing"
        );
    }
}

#[sqlx::test]
async fn pages_have_no_gaps_or_repeats_while_new_calls_arrive(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("busy").await.key.id;
    let now = Utc::now();
    // Several in each microsecond, over three days.
    let old = (0..230).map(|number| a_record(key, now - TimeDelta::hours(number / 4), "res.partner", "read"));
    write(&app.pool, old).await;
    let (mut seen, mut path) = (Vec::new(), "/calls?method=read".to_owned());
    let (mut newer, mut pages) = (None, Vec::new());
    loop {
        let text = page(&person, &path).await;
        seen.extend(ids(&text));
        pages.push(ids(&text));
        newer = link(&text, "Newer").or(newer);
        write(
            &app.pool,
            (0..3).map(|_| a_record(key, Utc::now(), "res.partner", "read")),
        )
        .await;
        match link(&text, "Older") {
            Some(older) => path = older,
            None => break,
        }
    }
    assert_eq!(seen.len(), 230, "what came meanwhile is before the first page");
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 230, "none twice");
    let back = page(&person, &newer.expect("a way back")).await;
    assert_eq!(ids(&back), pages[pages.len() - 2], "the way back is the same");
    assert!(link(&back, "Newest").is_some());
}

#[sqlx::test]
async fn a_csv_has_the_calls_of_the_filters_and_no_formulas(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = make_key(&app.pool, "=cmd|' /C calc'!A0", FULL).await.key.id;
    let mut strange = a_record(key, Utc::now(), "res.partner", "read");
    strange.request_id = request_id("-2-3");
    let many = (0..6_000).map(|_| a_record(key, Utc::now(), "res.partner", "read"));
    write(
        &app.pool,
        many.chain([strange, a_record(key, Utc::now(), "res.partner", "write")]),
    )
    .await;
    let response = person.get("/calls.csv?method=read").await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let text = response.text().await.expect("a whole file");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("called_at,key_id,key,model,method,code,way,duration_ms,queue_ms"));
    assert_eq!(lines.len(), 6_002, "over several searches");
    assert!(
        lines[1..].iter().all(|line| line.contains(",'=cmd|' /C calc'!A0,")),
        "no formula: {}",
        lines[1]
    );
    assert!(text.contains(",'-2-3,"));
    assert!(!text.contains(",write,"));
}

#[sqlx::test]
async fn a_call_has_a_page_with_its_phases_by_either_id_and_no_arguments(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("seen").await;
    let call = json!({"model": "res.partner", "method": "search_read",
        "args": [[["name", "ilike", "demo trad"]]], "kwargs": {"fields": ["name"], "limit": 7777}});
    let answer = app.with(&key).call(&call).await;
    let failed = app
        .with(&key)
        .call(&json!({"model": "no.such.model", "method": "read", "args": [[1]]}))
        .await;
    eventually("both are written", || async { app.bridge.state.records.written() == 2 }).await;
    let list = page(&person, "/calls").await;
    let id = ids(&list).pop().expect("the first call");
    let request = answer.json["request_id"].as_str().expect("an id");
    let (by_id, by_request) = (
        page(&person, &format!("/calls/{id}")).await,
        page(&person, &format!("/calls/{request}")).await,
    );
    let csv = page(&person, "/calls.csv").await;
    for text in [&by_id, &by_request] {
        for told in [
            "search_read",
            request,
            "JSON-RPC",
            "Where the time went",
            "Policy",
            "Line",
            "127.0.0.1",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!text.contains("/guide/errors/"));
    }
    for text in [&list, &by_id, &csv] {
        for secret in ["Demo Trading", "demo trad", "7777", "ilike", &key.plaintext] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let text = page(
        &person,
        &format!("/calls/{}", failed.json["request_id"].as_str().expect("an id")),
    )
    .await;
    assert!(
        text.contains(&format!("href=\"/guide/errors/{}\"", failed.code())),
        "{text}"
    );
    let gone = person
        .get("/calls/nothing-like-this")
        .await
        .text()
        .await
        .expect("a page");
    assert!(gone.contains("no record of such a call"), "{gone}");
    write(
        &app.pool,
        (0..2).map(|_| a_record(key.key.id, Utc::now(), "res.partner", "read")),
    )
    .await;
    assert!(
        page(&person, "/calls/a-request")
            .await
            .contains("More than one call was told this request id")
    );
    assert!(page(&person, "/calls?request=a-request").await.contains("a-request"));
}

/// The phases of a `Server-Timing` header in milliseconds.
fn timing(headers: &reqwest::header::HeaderMap) -> Vec<(String, f64)> {
    let text = headers["server-timing"].to_str().expect("text");
    text.split(", ")
        .map(|part| {
            let (name, ms) = part.split_once(";dur=").expect("a duration");
            (name.to_owned(), ms.parse().expect("a number"))
        })
        .collect()
}

#[sqlx::test]
async fn the_parts_of_server_timing_are_no_more_than_the_whole_and_are_kept(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-concurrent-calls", "1"]).await;
    let key = app.key("timed").await;
    let call = json!({"model": "res.partner", "method": "search_read", "args": [[]], "kwargs": {"limit": 3}});
    app.with(&key).call(&call).await.data();
    app.demo.faults().set(Fault::Slow {
        bytes: 1 << 20,
        every: Duration::from_millis(150),
    });
    // Made before: a new client takes a while.
    let (one, other) = (app.with(&key), app.with(&key));
    let (first, second) = tokio::join!(one.call(&call), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.call(&call).await
    });
    app.demo.faults().clear();
    let mut longest = (0.0_f64, 0.0_f64);
    for answer in [first, second] {
        answer.data();
        let parts = timing(&answer.headers);
        let names: Vec<_> = parts.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["total", "queue", "policy", "odoo"]);
        let sum: f64 = parts[1..].iter().map(|(_, ms)| ms).sum();
        assert!(sum <= parts[0].1 + 0.001, "{parts:?}");
        longest = (longest.0.max(parts[1].1), longest.1.max(parts[3].1));
    }
    assert!(
        longest.0 >= 50.0 && longest.1 >= 140.0,
        "one waited for the other: {longest:?}"
    );
    let failed = app
        .with(&key)
        .call(&json!({"model": "no.such.model", "method": "read", "args": [[1]]}))
        .await;
    assert_eq!(failed.code(), "odoo_not_found");
    let parts = timing(&failed.headers);
    assert!(parts.iter().any(|(name, _)| name == "odoo"), "{parts:?}");
    let refused = app.anonymous().call(&call).await;
    assert_eq!(timing(&refused.headers).len(), 1, "only the whole");
    eventually("all are written", || async { app.bridge.state.records.written() == 4 }).await;
    // Null, and so no row, if a part is missing.
    let within: Vec<bool> = sqlx::query_scalar(
        "SELECT queue_ms + policy_ms + odoo_ms <= duration_ms + 0.01 AND stream_ms IS NULL FROM call_records",
    )
    .fetch_all(&app.pool)
    .await
    .expect("all parts of each");
    assert_eq!(within, [true; 4]);
}

#[sqlx::test]
async fn how_long_a_large_result_streams_is_kept(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("large").await;
    let call = json!({"model": "sale.order", "method": "search_read", "args": [[]], "kwargs": {"limit": 2}});
    app.with(&key).call(&call).await.data();
    app.demo.faults().set(Fault::Huge { bytes: 3_000_000 });
    app.with(&key).call(&call).await.data();
    let pool = app.pool.clone();
    app.bridge.stop().await;
    let kept: Vec<(i64, f32, Option<f32>)> =
        sqlx::query_as("SELECT answer_bytes, duration_ms, stream_ms FROM call_records ORDER BY answer_bytes")
            .fetch_all(&pool)
            .await
            .expect("rows");
    assert_eq!(kept[0].2, None, "{kept:?}");
    let (bytes, total, stream) = kept[1];
    assert!(bytes >= 3_000_000, "{kept:?}");
    assert!(stream.is_some_and(|stream| stream > 0.0 && stream <= total), "{kept:?}");
}

/// The trailers of an answer to a call that is sent with these headers.
async fn trailers(
    app: &TestApp,
    key: &str,
    call: &serde_json::Value,
    te: Option<&str>,
) -> Option<reqwest::header::HeaderMap> {
    let mut request = client()
        .post(format!("{}/call", app.address))
        .json(call)
        .header("X-API-KEY", key);
    if let Some(te) = te {
        request = request.header("TE", te);
    }
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers().contains_key("trailer"), te.is_some());
    let answer: http::Response<reqwest::Body> = answer.into();
    let body = answer.into_body().collect().await.expect("a whole body");
    body.trailers().cloned()
}

#[sqlx::test]
async fn how_long_a_large_result_streamed_is_in_a_trailer_for_those_who_take_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("large").await.plaintext;
    let call = json!({"model": "sale.order", "method": "search_read", "args": [[]], "kwargs": {"limit": 2}});
    app.demo.faults().set_on("execute_kw", Fault::Huge { bytes: 3_000_000 });
    let told = trailers(&app, &key, &call, Some("trailers")).await.expect("trailers");
    let parts = timing(&told);
    let names: Vec<_> = parts.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["total", "queue", "policy", "odoo", "stream"]);
    let sum: f64 = parts[1..].iter().map(|(_, ms)| ms).sum();
    assert!(sum <= parts[0].1 + 0.001 && parts[4].1 > 0.0, "{parts:?}");
    assert_eq!(trailers(&app, &key, &call, None).await, None);
}

#[sqlx::test]
async fn why_a_call_failed_is_on_its_page_in_the_csv_and_a_filter(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (person, actor) = (viewer(&app).await, app.with(&app.key("asking").await));
    let renamed = actor
        .call(&json!({"model": "account.invoice", "method": "read", "args": [[1]]}))
        .await;
    assert_eq!(
        renamed.json["details"]["now_called"], "account.move",
        "{}",
        renamed.text
    );
    let missing = json!({"model": "res.partner", "method": "write", "args": [[999_999], {"name": "Nobody"}]});
    assert_eq!(actor.call(&missing).await.json["details"]["reason"], "missing_record");
    actor
        .call(&json!({"model": "res.partner", "method": "search_count", "args": [[]]}))
        .await
        .data();
    eventually("all are written", || async { app.bridge.state.records.written() == 3 }).await;

    let request = renamed.json["request_id"].as_str().expect("an id");
    let text = page(&person, &format!("/calls/{request}")).await;
    for told in ["unknown_model", "Odoo knows no model of this name.", "account.move"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let found = page(&person, "/calls?reason=unknown_model").await;
    assert_eq!(rows(&found).len(), 1, "{found}");
    assert!(found.contains(request) && found.contains("selected"), "{found}");
    assert_eq!(
        rows(&page(&person, "/calls?reason=missing_record&code=failed").await).len(),
        1
    );
    let csv = page(&person, "/calls.csv?reason=unknown_model").await;
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].ends_with(",address,reason,now_called,fields_ms"), "{csv}");
    assert!(
        lines.len() == 2 && lines[1].contains(",unknown_model,account.move,"),
        "{csv}"
    );
    let wrong = page(&person, "/calls?reason=%22nonsense%22").await;
    assert!(
        wrong.contains("There is no such reason.") && rows(&wrong).len() == 3,
        "{wrong}"
    );
    assert_eq!(person.get("/calls.csv?reason=nonsense").await.status().as_u16(), 400);
}

#[sqlx::test]
async fn a_viewer_sees_the_calls_and_a_stranger_does_not(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (person, stranger) = (viewer(&app).await, app.anonymous());
    let mut keyed = app.anonymous();
    keyed.key = Some(app.key("no way in").await.plaintext);
    for path in ["/calls", "/calls/x", "/calls.csv", "/calls/live"] {
        for nobody in [&stranger, &keyed] {
            assert_eq!(nobody.get(path).await.status().as_u16(), 303, "{path}");
        }
        let expected = if path == "/calls/x" { 404 } else { 200 };
        assert_eq!(person.get(path).await.status().as_u16(), expected, "{path}");
    }
    let text = page(&person, "/calls").await;
    assert!(text.contains("Nothing was called yet"), "{text}");
    assert!(text.contains("data-live=\"/calls/live?\""), "{text}");
}

/// Reads a live view until `done` holds, or until it ends.
async fn read(response: &mut Response, mut done: impl FnMut(&str) -> bool) -> String {
    let mut text = String::new();
    let read = async {
        while !done(&text) {
            match response.chunk().await.expect("bytes") {
                Some(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                None => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("something comes");
    text
}

#[sqlx::test]
async fn a_live_view_tells_new_calls_of_its_filters_and_ends_with_the_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let key = app.key("live").await;
    let call = |method: &str| json!({"model": "res.partner", "method": method, "args": [[]]});
    app.with(&key).call(&call("search_count")).await;
    eventually("it is written", || async { app.bridge.state.records.written() == 1 }).await;
    let shown = page(&person, "/calls").await;
    let since = shown
        .split("data-since=\"")
        .nth(1)
        .and_then(|text| text.split('"').next())
        .expect("a place");
    let mut live = person
        .get(&format!("/calls/live?method=search_count&since={since}"))
        .await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    assert!(!live.headers().contains_key("content-encoding"));
    app.with(&key).call(&call("search_read")).await;
    let answer = app.with(&key).call(&call("search_count")).await;
    let text = read(&mut live, |text| text.contains("</tr>\n\n")).await;
    assert_eq!(text.matches("event: call").count(), 1, "{text}");
    let id = answer.json["request_id"].as_str().expect("an id");
    assert!(
        text.contains(id) && text.contains("data: <tr>") && text.contains("id: "),
        "{text}"
    );
    // Another instance writes as well.
    let mut late = a_record(
        key.key.id,
        Utc::now() - TimeDelta::minutes(2),
        "res.partner",
        "search_count",
    );
    late.request_id = request_id("it-took-two-minutes");
    write(&app.pool, [late]).await;
    let text = read(&mut live, |text| text.contains("it-took-two-minutes")).await;
    assert!(!text.contains(id), "none is told twice: {text}");

    assert!(!person.post_form("/api/sign_out", &[]).await.status().is_client_error());
    let text = read(&mut live, |_| false).await;
    assert!(text.contains("event: over"), "{text}");
}

#[sqlx::test]
async fn a_live_view_ends_when_the_bridge_stops(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let mut live = person.get("/calls/live").await;
    let began = Instant::now();
    app.bridge.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(
        !read(&mut live, |_| false).await.contains("over"),
        "a browser comes back by itself"
    );
}

#[sqlx::test]
async fn records_that_take_too_much_room_lose_their_oldest_day_whole(pool: PgPool) {
    let key = make_key(&pool, "large", FULL).await.key.id;
    let days =
        (0..4).flat_map(|day| (0..400).map(move |_| a_record(key, Utc::now() - Days::new(day), "res.partner", "read")));
    write(&pool, days).await;
    let size: i64 = sqlx::query_scalar(
        "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits WHERE inhparent = 'call_records'::regclass",
    )
    .fetch_one(&pool)
    .await
    .expect("a size");
    let left = |most_bytes| {
        let pool = pool.clone();
        async move {
            let keep = Keep {
                days: 30,
                most_bytes: Some(most_bytes),
                rollups: rollup::Keep::DEFAULT,
            };
            let writer = tokio::spawn(Recorder::new(1).run(pool.clone(), keep));
            tokio::time::sleep(Duration::from_millis(700)).await;
            writer.abort();
            sqlx::query_as::<_, (String, i64)>(
                "SELECT (called_at AT TIME ZONE 'utc')::date::text, count(*) FROM call_records GROUP BY 1 ORDER BY 1",
            )
            .fetch_all(&pool)
            .await
            .expect("days")
        }
    };
    assert_eq!(left(size * 2).await.len(), 4, "there is room");
    // Two days are made ahead meanwhile: empty, but not of no size.
    let kept = left(size).await;
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|(_, count)| *count == 400), "days go whole: {kept:?}");
    let kept = left(1).await;
    assert_eq!(
        kept,
        [(Utc::now().format("%Y-%m-%d").to_string(), 400)],
        "today's stays"
    );
}

#[sqlx::test]
#[ignore = "writes a million records: about a minute; run with --ignored --nocapture for the figures"]
#[expect(clippy::print_stdout, reason = "figures for people")]
async fn each_filter_answers_quickly_on_a_million_records(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = viewer(&app).await;
    let keys = [app.key("first").await.key.id, app.key("rare").await.key.id];
    for day in 0..10 {
        sqlx::query("SELECT call_records_make_day((now() AT TIME ZONE 'utc')::date - $1::integer)")
            .bind(day)
            .execute(&app.pool)
            .await
            .expect("a day");
    }
    let mut connection = app.pool.acquire().await.expect("a connection");
    sqlx::query("SET statement_timeout = '10min'")
        .execute(&mut *connection)
        .await
        .expect("set");
    let began = Instant::now();
    sqlx::query(
        "INSERT INTO call_records (called_at, id, api_key_id, model, method, code, way, duration_ms, odoo_ms, answer_bytes,
                request_id, address)
         SELECT now() - n * interval '0.75 s', gen_random_uuid(),
                CASE WHEN n % 100000 = 99999 THEN $2 ELSE $1 END,
                CASE WHEN n % 100000 = 50000 THEN 'rare.model' WHEN n % 3 = 0 THEN 'sale.order' ELSE 'res.partner' END,
                CASE WHEN n % 100000 = 60000 THEN 'rare_method' ELSE 'search_read' END,
                CASE WHEN n % 200000 = 70000 THEN 'odoo_timeout' WHEN n % 500 = 0 THEN 'policy_denied' ELSE 'ok' END,
                'jsonrpc', CASE WHEN n % 250000 = 80000 THEN 9000 ELSE random() * 20 END, 3, 100, 'request-' || n, '192.0.2.7'
         FROM generate_series(1, 1000000) AS n",
    )
    .bind(keys[0])
    .bind(keys[1])
    .execute(&mut *connection)
    .await
    .expect("written");
    println!("written in {:.1} s", began.elapsed().as_secs_f64());
    sqlx::query("ANALYZE call_records")
        .execute(&mut *connection)
        .await
        .expect("analyzed");
    drop(connection);
    let old = (Utc::now() - Days::new(8)).format("%Y-%m-%d");
    let deep = format!(
        "before={}-{}",
        (Utc::now() - Days::new(7)).timestamp_micros(),
        uuid_of_nobody()
    );
    for (query, expected) in [
        (String::new(), 50),
        (deep, 50),
        (format!("key={}", keys[0]), 50),
        (format!("key={}", keys[1]), 10),
        ("model=sale.order".into(), 50),
        ("model=rare.model".into(), 10),
        ("model=no.such.model".into(), 0),
        ("method=search_read".into(), 50),
        ("method=rare_method".into(), 10),
        ("code=ok".into(), 50),
        ("code=failed".into(), 50),
        ("code=odoo_timeout".into(), 5),
        ("code=overloaded".into(), 0),
        ("slower=10".into(), 50),
        ("slower=5000".into(), 4),
        ("slower=10000".into(), 0),
        (format!("to={old}"), 50),
        (format!("from={old}&to={old}&code=failed"), 50),
        (format!("key={}&model=rare.model&code=failed", keys[0]), 10),
        (format!("key={}&slower=5000", keys[0]), 4),
        ("model=res.partner&slower=19".into(), 50),
        ("request=request-999999".into(), 1),
    ] {
        let began = Instant::now();
        let text = page(&person, &format!("/calls?{query}")).await;
        let took = began.elapsed();
        println!(
            "{:7.1} ms  {} calls  /calls?{query}",
            took.as_secs_f64() * 1_000.0,
            rows(&text).len()
        );
        assert_eq!(rows(&text).len(), expected, "{query}");
        assert!(took < Duration::from_secs(1), "{query}: {took:?}");
    }
    let began = Instant::now();
    let csv = page(&person, "/calls.csv").await;
    println!(
        "{:7.1} ms  {} lines  /calls.csv",
        began.elapsed().as_secs_f64() * 1_000.0,
        csv.lines().count()
    );
    assert_eq!(csv.lines().count(), 100_001, "the bound");
}

/// The least of all ids.
fn uuid_of_nobody() -> &'static str {
    "00000000-0000-0000-0000-000000000000"
}
