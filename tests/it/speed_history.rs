//! The speed test over time: a range of runs, its averages and its picture, files with the
//! same filters, and a run that is followed while it goes on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, Response};
use sqlx::PgPool;
use uuid::{NoContext, Timestamp, Uuid};

use crate::helpers::{Actor, TestApp};

/// A run that began then and whose only sample of the web session took so long.
async fn keep(pool: &PgPool, at: &str, target: &str, ms: f64) -> Uuid {
    let at: DateTime<Utc> = at.parse().expect("an instant");
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, at.timestamp() as u64, 0));
    sqlx::query(
        "INSERT INTO speed_runs (id, target, kind, is_cold, ways, samples, state, bridge_version, started_by,
                                 started_at, ended_at)
         VALUES ($1, $2, 'light', false, '{web}', 1, 'finished', '0', 'ann@example.com', $3, $3)",
    )
    .bind(id)
    .bind(target)
    .bind(at)
    .execute(pool)
    .await
    .expect("a run");
    sqlx::query(
        "INSERT INTO speed_samples (run_id, way, number, connect_ms, authenticate_ms, queue_ms, odoo_ms, transfer_ms,
                                    total_ms)
         VALUES ($1, 'web', 1, 0, 0, 100, $2, 0, $2 + 100)",
    )
    .bind(id)
    .bind(ms)
    .execute(pool)
    .await
    .expect("a sample");
    id
}

async fn text(person: &Actor, path: &str) -> String {
    let response = person.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.expect("a page")
}

/// A file's lines, by the names of its columns.
async fn file(person: &Actor, path: &str) -> Vec<std::collections::HashMap<String, String>> {
    let csv = text(person, path).await;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|line| line.expect("fields")).collect()
}

#[sqlx::test]
async fn a_range_has_averages_a_share_above_the_threshold_and_a_picture(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let empty = text(&person, "/speed-test/runs?over=12").await;
    assert!(!empty.contains("Over time"), "nothing was measured: {empty}");
    keep(&app.pool, "2026-11-01T12:00:00Z", "http://odoo.example.com db", 1_000.0).await;
    keep(&app.pool, "2026-11-20T12:00:00Z", "http://odoo.example.com db", 10.0).await;
    let slow = keep(&app.pool, "2026-11-21T12:00:00Z", "http://odoo.example.com db", 20.0).await;
    keep(&app.pool, "2026-11-21T13:00:00Z", "http://other.example.com db", 77.0).await;

    let query = "from=2026-11-20&to=2026-11-21&over=12&odoo=http%3A%2F%2Fodoo.example.com+db";
    let html = text(&person, &format!("/speed-test/runs?{query}")).await;
    for shown in [
        "Light, warm, at http://odoo.example.com db",
        "Web session: 2 runs, average p95 15.0 ms, average p50 15.0 ms, last p95 20.0 ms, above the threshold 50 % (1 of 2).",
        "50 % (1 of 2)",
        "+33 %",
        "-33 %",
        "Threshold, 12.0 ms",
        "chart-threshold",
        "The chart as a table",
        "not above",
        &format!("/speed-test/runs/{slow}"),
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    for absent in ["1000.0 ms", "77.0 ms"] {
        assert!(!html.contains(absent), "{absent}: it is not in the range: {html}");
    }
    // The link to the file keeps all of it, and the file says the same.
    let csv = html.split("href=\"").find_map(|rest| {
        rest.split_once('"')
            .filter(|(href, _)| href.starts_with("/speed-test/runs.csv"))
    });
    let (href, _) = csv.expect("a link to the file");
    let lines = file(&person, &href.replace("&amp;", "&")).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let newest = &lines[0];
    assert_eq!(newest["run"], slow.to_string());
    assert_eq!(
        (
            &*newest["p95_ms"],
            &*newest["p95_to_average_percent"],
            &*newest["p95_above_threshold"]
        ),
        ("20.000", "33.3", "true")
    );
    assert_eq!(&*lines[1]["p95_above_threshold"], "false");
}

#[sqlx::test]
async fn a_field_that_can_not_be_is_named_on_the_page_and_refused_for_a_file(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    person.post_form("/api/run_speed_test", &[("test_type", "light")]).await;
    keep(&app.pool, "2026-11-20T12:00:00Z", "http://odoo.example.com db", 10.0).await;
    for (page, file, query, sentence) in [
        (
            "/speed-test/runs",
            "/speed-test/runs.csv",
            "over=much",
            "Threshold: write milliseconds",
        ),
        (
            "/speed-test/runs",
            "/speed-test/runs.csv",
            "from=2026-02-31",
            "From: write a day as",
        ),
        (
            "/speed-test/runs",
            "/speed-test/runs.csv",
            "to=now&over=5",
            "To: write a day as",
        ),
        (
            "/speed-test",
            "/speed-test.csv",
            "type=medium",
            "Test: there is none like that",
        ),
        (
            "/speed-test",
            "/speed-test.csv",
            "status=odd",
            "Status: there is none like that",
        ),
        ("/audit", "/audit.csv", "from=soon", "From: write a day as"),
    ] {
        let html = text(&person, &format!("{page}?{query}")).await;
        assert!(
            html.contains(sentence) && html.contains("role=\"alert\""),
            "{query}: {html}"
        );
        let refused = person.get(&format!("{file}?{query}")).await;
        assert_eq!(refused.status(), 400, "{file}?{query}");
        let told = refused.text().await.expect("a body");
        assert!(told.contains(sentence), "{told}");
    }
    // And a NUL, which no text of the database holds, finds what the rest of the text finds.
    for path in ["/speed-test/runs?by=ann%00@example.com", "/audit?by=%00&subject=%00"] {
        text(&person, path).await;
    }
    let lines = file(&person, "/speed-test/runs.csv?by=ann%00@example.com").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    text(&person, "/audit.csv?by=%00").await;
}

#[sqlx::test]
async fn the_two_buttons_runs_are_a_file_with_the_filters_of_the_page(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for test in ["light", "heavy"] {
        let run = person.post_form("/api/run_speed_test", &[("test_type", test)]).await;
        assert!(
            run.status().is_success() || run.status().is_redirection(),
            "{}",
            run.status()
        );
    }
    let html = text(&person, "/speed-test?type=heavy&page=1").await;
    assert!(html.contains("href=\"/speed-test.csv?type=heavy\""), "{html}");
    let lines = file(&person, "/speed-test.csv?type=heavy").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (
            &*lines[0]["test"],
            &*lines[0]["status"],
            &*lines[0]["records"],
            &*lines[0]["model"]
        ),
        ("heavy", "succeeded", "25", "sale.order")
    );
    assert_eq!(file(&person, "/speed-test.csv").await.len(), 2);
    let key = app.key("a script").await;
    assert_eq!(
        app.with(&key).get("/speed-test.csv").await.status(),
        303,
        "no session, no file"
    );
}

/// Reads what streams in until `done` holds, or until it ends.
async fn read(response: &mut Response, done: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let read = async {
        while !done(&text) {
            match response.chunk().await.expect("bytes") {
                Some(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                None => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), read)
        .await
        .expect("something comes");
    text
}

#[sqlx::test]
async fn a_run_streams_how_far_it_is_and_is_cancelled_meanwhile(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    app.demo.faults().set_latency(Duration::from_millis(100));
    let plan = [
        ("test", "light"),
        ("start", "warm"),
        ("samples", "100"),
        ("way", "jsonrpc"),
    ];
    let begun = person.post_form("/speed-test/runs", &plan).await;
    let page = begun.headers()["location"].to_str().expect("an address").to_owned();
    let html = text(&person, &page).await;
    let live = format!("{page}/live");
    assert!(html.contains(&format!("data-progress=\"{live}\"")), "{html}");
    assert!(
        html.contains("<noscript><meta http-equiv=\"refresh\" content=\"1\""),
        "{html}"
    );

    let mut response = person.get(&live).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let told = read(&mut response, |told| {
        told.matches("event: progress").count() >= 3 && told.contains("event: numbers")
    })
    .await;
    assert!(told.contains(" of 100") && told.contains("JSON-RPC"), "{told}");
    // Cancelled while it streams: then it is over, and so is the stream.
    let cancelled = person.post_form(&page, &[("do", "cancel")]).await;
    assert_eq!(cancelled.status(), 303);
    let told = read(&mut response, |_| false).await;
    assert!(told.trim_end().ends_with("event: over\ndata: over"), "{told}");
    let html = text(&person, &page).await;
    assert!(html.contains("Cancelled") && !html.contains("data-progress"), "{html}");

    // Of no run there is nothing to follow, and without a session nothing at all.
    let nothing = person.get(&format!("/speed-test/runs/{}/live", Uuid::nil())).await;
    assert_eq!(nothing.status(), 404);
    let stranger = app
        .anonymous()
        .request(Method::GET, &live)
        .send()
        .await
        .expect("an answer");
    assert!(
        [401, 303].contains(&stranger.status().as_u16()),
        "{}",
        stranger.status()
    );
}

#[sqlx::test]
async fn who_is_signed_out_follows_nothing_any_more(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    app.demo.faults().set_latency(Duration::from_millis(100));
    let plan = [
        ("test", "light"),
        ("start", "warm"),
        ("samples", "100"),
        ("way", "jsonrpc"),
    ];
    let begun = person.post_form("/speed-test/runs", &plan).await;
    let page = begun.headers()["location"].to_str().expect("an address").to_owned();
    let mut live = person.get(&format!("{page}/live")).await;
    read(&mut live, |told| told.contains("event: progress")).await;
    person.post_form("/api/sign_out", &[]).await;
    let told = read(&mut live, |_| false).await;
    assert!(told.trim_end().ends_with("event: over\ndata: over"), "{told}");
}
