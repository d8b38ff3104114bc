//! Speed test runs: many samples by each way, in the background, one at a time; kept
//! whatever becomes of them.

use std::time::{Duration, Instant};

use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use reqwest::Method;
use sqlx::{FromRow, PgPool};

use crate::helpers::{Actor, EMAIL, PASSWORD, TestApp, eventually};

/// A plan's fields, light and warm by all ways, with those of `more` instead.
fn plan<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let all = [("test", "light"), ("start", "warm"), ("samples", "10")];
    let mut form: Vec<_> = all
        .into_iter()
        .filter(|(name, _)| more.iter().all(|(other, _)| other != name))
        .collect();
    if more.iter().all(|(name, _)| *name != "way") {
        form.extend([("way", "web"), ("way", "jsonrpc"), ("way", "json2")]);
    }
    form.extend(more);
    form
}

/// Starts a run; its page.
async fn start(person: &Actor, more: &[(&str, &str)]) -> String {
    let response = send(person, "/speed-test/runs", &plan(more)).await;
    assert_eq!(response.status(), 303, "{}", response.text().await.expect("a body"));
    response.headers()["location"].to_str().expect("an address").to_owned()
}

async fn send(person: &Actor, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
    let request = person
        .request(Method::POST, path)
        .header("Accept", "text/html")
        .form(form);
    request.send().await.expect("an answer")
}

async fn text(person: &Actor, path: &str) -> String {
    let response = person.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.expect("a page")
}

async fn state(pool: &PgPool) -> String {
    sqlx::query_scalar("SELECT state FROM speed_runs ORDER BY id DESC LIMIT 1")
        .fetch_one(pool)
        .await
        .expect("a run")
}

async fn until(pool: &PgPool, wanted: &str) {
    eventually(wanted, || async { state(pool).await == wanted }).await;
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(pool)
        .await
        .expect("a number")
}

#[derive(Debug, FromRow)]
struct Sample {
    way: String,
    number: i32,
    connect_ms: f64,
    authenticate_ms: f64,
    queue_ms: f64,
    odoo_ms: f64,
    transfer_ms: f64,
    total_ms: f64,
    records: Option<i32>,
    bytes: Option<i64>,
    error_code: Option<String>,
}

impl Sample {
    /// The parts make up the whole, which has a clock of its own.
    fn assert_adds_up(&self) {
        let sum = self.connect_ms + self.authenticate_ms + self.queue_ms + self.odoo_ms + self.transfer_ms;
        assert!((sum - self.total_ms).abs() <= self.total_ms * 0.05, "{self:?}");
    }
}

async fn samples(pool: &PgPool) -> Vec<Sample> {
    sqlx::query_as("SELECT * FROM speed_samples ORDER BY number, way")
        .fetch_all(pool)
        .await
        .expect("samples")
}

#[sqlx::test]
async fn a_run_gives_its_samples_of_each_way_and_the_warm_up_is_not_among_them(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "auto"]).await;
    app.demo.faults().keep_alive(true);
    let person = app.signed_in().await;
    let page = start(&person, &[]).await;
    until(&app.pool, "finished").await;
    let taken = samples(&app.pool).await;
    assert_eq!(taken.len(), 30);
    for way in ["web", "jsonrpc", "json2"] {
        let of_way: Vec<_> = taken.iter().filter(|sample| sample.way == way).collect();
        let numbers: Vec<_> = of_way.iter().map(|sample| sample.number).collect();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>(), "{way}");
        for sample in of_way {
            sample.assert_adds_up();
            assert_eq!(
                (sample.connect_ms, sample.authenticate_ms),
                (0.0, 0.0),
                "warm: {sample:?}"
            );
            assert!(
                sample.odoo_ms > 0.0 && sample.bytes.is_some_and(|bytes| bytes > 0),
                "{sample:?}"
            );
            assert_eq!((&sample.error_code, sample.records), (&None, None));
        }
    }
    let html = text(&person, &page).await;
    for shown in [
        "30 of 30",
        "Finished",
        "p95",
        "Jitter",
        "0 of 10",
        "Web session, on average: Connect",
        EMAIL,
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    let html = text(&person, "/speed-test/runs").await;
    let (list, over_time) = html.split_once(">Over time<").expect("both");
    for part in [list, over_time] {
        let rows = part.matches(&format!("href=\"{page}\"")).count();
        assert_eq!(rows, 3, "a row for each way: {part}");
    }
    // What was measured is kept with it.
    let kept: (String, bool, i32, String, Option<String>, String) =
        sqlx::query_as("SELECT kind, is_cold, samples, started_by, odoo_version, bridge_version FROM speed_runs")
            .fetch_one(&app.pool)
            .await
            .expect("a run");
    assert_eq!((&*kept.0, kept.1, kept.2, &*kept.3), ("light", false, 10, EMAIL));
    assert!(
        kept.4.is_some_and(|version| version.starts_with("19")),
        "Odoo's version"
    );
    assert_eq!(kept.5, env!("CARGO_PKG_VERSION"));
    // A second one is held against it.
    let page = start(&person, &[("samples", "1")]).await;
    until(&app.pool, "finished").await;
    assert!(text(&person, &page).await.contains(" % ("), "the change since before");
}

#[sqlx::test]
async fn a_cold_heavy_run_shows_connection_login_and_records(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "auto"]).await;
    app.demo.faults().keep_alive(true);
    let late = Duration::from_millis(40);
    app.demo.faults().set_latency(late);
    let person = app.signed_in().await;
    start(&person, &[("test", "heavy"), ("start", "cold"), ("samples", "3")]).await;
    until(&app.pool, "finished").await;
    let taken = samples(&app.pool).await;
    assert_eq!(taken.len(), 9);
    for sample in taken {
        sample.assert_adds_up();
        assert!(sample.connect_ms > 0.0, "a new connection each time: {sample:?}");
        let has_login = sample.way != "json2";
        assert_eq!(sample.authenticate_ms > 40.0, has_login, "{sample:?}");
        assert!(sample.odoo_ms >= 40.0, "Odoo's own time is Odoo's: {sample:?}");
        assert!(sample.transfer_ms < sample.odoo_ms, "{sample:?}");
        assert_eq!(sample.records, Some(25), "{sample:?}");
    }
    let model: Option<String> = sqlx::query_scalar("SELECT model FROM speed_runs")
        .fetch_one(&app.pool)
        .await
        .expect("a run");
    assert_eq!(model.as_deref(), Some("sale.order"));
}

#[sqlx::test]
async fn cancelling_ends_a_run_on_any_instance_and_keeps_what_was_measured(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool).await);
    let (person, other) = (here.signed_in().await, there.signed_in().await);
    here.demo.faults().set_latency(Duration::from_millis(100));
    let page = start(&person, &[("way", "jsonrpc"), ("samples", "100")]).await;
    eventually("some samples", || async {
        count(&here.pool, "speed_samples").await >= 2
    })
    .await;
    let html = text(&person, &page).await;
    assert!(html.contains("http-equiv=\"refresh\""), "it loads itself again");
    assert!(html.contains(" of 100") && html.contains("value=\"cancel\""), "{html}");

    // One at a time, on whatever instance; the page's own two tests too.
    let second = send(&other, "/speed-test/runs", &plan(&[("way", "jsonrpc")])).await;
    let refused = second.text().await.expect("a page");
    assert!(refused.contains("A test is running already"), "{refused}");
    let button = other.post_form("/api/run_speed_test", &[("test_type", "light")]).await;
    assert_eq!(button.status(), 409);
    assert_eq!(count(&here.pool, "speed_runs").await, 1);

    assert_eq!(send(&other, &page, &[("do", "cancel")]).await.status(), 303);
    until(&here.pool, "cancelled").await;
    let kept = count(&here.pool, "speed_samples").await;
    assert!((2..100).contains(&kept), "{kept}");
    let html = text(&person, &page).await;
    assert!(!html.contains("http-equiv=\"refresh\""), "it is over");
    assert!(
        html.contains("Cancelled") && html.contains(&format!("{kept} of 100")),
        "{html}"
    );
    assert_eq!(count(&here.pool, "speed_samples").await, kept, "nothing goes on");
    // And there is room again.
    here.demo.faults().clear();
    start(&person, &[("way", "jsonrpc"), ("samples", "1")]).await;
    until(&here.pool, "finished").await;
}

#[sqlx::test]
async fn failures_are_counted_and_move_no_percentile(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    // The warm-up and the login are over when these come.
    let page = start(&person, &[("way", "jsonrpc"), ("samples", "40")]).await;
    eventually("the first sample", || async {
        count(&app.pool, "speed_samples").await >= 1
    })
    .await;
    app.demo.faults().set_times("execute_kw", 3, Fault::html(502));
    until(&app.pool, "finished").await;
    let failed = samples(&app.pool)
        .await
        .iter()
        .filter(|sample| sample.error_code.is_some())
        .count();
    assert_eq!(failed, 3);
    let html = text(&person, &page).await;
    assert!(html.contains("3 of 40") && html.contains("odoo_unreachable"), "{html}");
    let csv = text(&person, "/speed-test/runs.csv").await;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().expect("names").clone();
    let line = reader.records().next().expect("a line").expect("fields");
    let field = |wanted: &str| {
        let index = names.iter().position(|name| name == wanted).expect("such a column");
        line.get(index).expect("a field").to_owned()
    };
    assert_eq!(
        (&*field("succeeded"), &*field("failed"), &*field("way")),
        ("37", "3", "jsonrpc")
    );
    let of_good: f64 = sqlx::query_scalar(
        "SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY total_ms - queue_ms) FROM speed_samples WHERE error_code IS NULL",
    )
    .fetch_one(&app.pool)
    .await
    .expect("a number");
    assert_eq!(field("p95_ms"), format!("{of_good:.3}"), "the database counts the same");
    let csv = text(&person, &format!("{page}/samples.csv")).await;
    assert_eq!(csv.lines().count(), 41, "{csv}");
}

#[sqlx::test]
async fn the_pace_is_kept_and_the_duration_is_told_before(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-calls-per-second", "5"]).await;
    let person = app.signed_in().await;
    let form = "test=light&start=cold&way=jsonrpc&samples=4";
    let html = text(&person, &format!("/speed-test/runs?{form}")).await;
    // Five rounds of two requests each.
    assert!(
        html.contains("This takes about 2 seconds: Odoo is asked once in 200.0 ms"),
        "{html}"
    );
    assert_eq!(count(&app.pool, "speed_runs").await, 0, "to ask is not to start");
    let began = Instant::now();
    start(&person, &[("way", "jsonrpc"), ("start", "cold"), ("samples", "4")]).await;
    until(&app.pool, "finished").await;
    assert!(began.elapsed() >= Duration::from_millis(1_800), "{:?}", began.elapsed());
    for sample in samples(&app.pool).await {
        sample.assert_adds_up();
        assert!(sample.queue_ms > 300.0, "two requests waited: {sample:?}");
        assert!(sample.odoo_ms < 150.0 && sample.authenticate_ms < 150.0, "{sample:?}");
    }
}

#[sqlx::test]
async fn a_run_that_was_cut_is_shown_as_interrupted(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let person = app.signed_in().await;
    app.demo.faults().set_latency(Duration::from_millis(100));
    start(&person, &[("way", "jsonrpc"), ("samples", "100")]).await;
    eventually("a sample", || async { count(&pool, "speed_samples").await >= 1 }).await;
    // A stop ends it by itself.
    app.bridge.stop().await;
    until(&pool, "interrupted").await;

    // A kill leaves the row as it was, and nobody holds the lock.
    sqlx::query("UPDATE speed_runs SET state = 'running', ended_at = NULL")
        .execute(&pool)
        .await
        .expect("a row");
    let again = TestApp::spawn(pool).await;
    let person = again.signed_in().await;
    let html = text(&person, "/speed-test/runs").await;
    assert!(html.contains(">Interrupted<"), "{html}");
    assert_eq!(state(&again.pool).await, "interrupted");
    start(&person, &[("way", "jsonrpc"), ("samples", "1")]).await;
    until(&again.pool, "finished").await;
}

#[sqlx::test]
async fn a_viewer_looks_and_starts_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = app.signed_in().await;
    let page = start(&admin, &[("way", "jsonrpc"), ("samples", "1")]).await;
    until(&app.pool, "finished").await;
    let viewer = app.anonymous();
    sign_in::create_user(
        &app.pool,
        "viewer@example.com",
        PASSWORD.to_owned().into(),
        Role::Viewer,
    )
    .await
    .expect("a person");
    let form = [("email", "viewer@example.com"), ("password", PASSWORD), ("next", "")];
    viewer.post_form("/api/sign_in", &form).await;
    for path in ["/speed-test/runs", &page, "/speed-test/runs.csv"] {
        text(&viewer, path).await;
    }
    assert!(!text(&viewer, "/speed-test/runs").await.contains("Start the run"));
    let refused = send(&viewer, "/speed-test/runs", &plan(&[("way", "jsonrpc")])).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(send(&viewer, &page, &[("do", "cancel")]).await.status(), 403);
    assert_eq!(count(&app.pool, "speed_runs").await, 1);
    // Nobody without a session sees anything.
    let key = app.key("a script").await;
    for path in ["/speed-test/runs", "/speed-test/runs.csv"] {
        assert_eq!(app.with(&key).get(path).await.status(), 303, "{path}");
    }
}

#[sqlx::test]
async fn nonsense_is_refused_by_name_and_nothing_changes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let nonsense: [(&[(&str, &str)], &str); 7] = [
        (
            &[("test", "medium"), ("way", "jsonrpc")],
            "The test: choose light or heavy.",
        ),
        (
            &[("start", "hot"), ("way", "jsonrpc")],
            "The start: choose cold or warm.",
        ),
        (
            &[("samples", "0"), ("way", "jsonrpc")],
            "Samples: a whole number from 1 to 100.",
        ),
        (
            &[("samples", "101"), ("way", "jsonrpc")],
            "Samples: a whole number from 1 to 100.",
        ),
        (
            &[("samples", "<b>"), ("way", "jsonrpc")],
            "Samples: a whole number from 1 to 100.",
        ),
        (&[("way", "soap")], "Ways in: there is no such way."),
        (&[("way", "web")], "Ways in: the settings do not allow Web session"),
    ];
    for (more, sentence) in nonsense {
        let html = send(&person, "/speed-test/runs", &plan(more))
            .await
            .text()
            .await
            .expect("a page");
        assert!(
            html.contains(sentence) && html.contains("role=\"alert\""),
            "{more:?}: {html}"
        );
        assert!(!html.contains("<b>"), "{html}");
    }
    let empty = send(&person, "/speed-test/runs", &[])
        .await
        .text()
        .await
        .expect("a page");
    assert!(empty.contains("The test: choose"), "{empty}");
    let html = text(
        &person,
        "/speed-test/runs?kind=odd&state=finished&via=x&before=y&begin=z",
    )
    .await;
    for sentence in [
        "Test: there is none",
        "Way in: there is none",
        "The page: there is none",
        "Start: it is cold",
    ] {
        assert!(html.contains(sentence), "{sentence}: {html}");
    }
    assert!(
        html.contains("runs.csv?kind=odd&amp;begin=z"),
        "the link keeps what was asked: {html}"
    );
    for path in [
        "/speed-test/runs/x",
        "/speed-test/runs/00000000-0000-0000-0000-000000000000",
    ] {
        let html = person.get(path).await.text().await.expect("a page");
        assert!(html.contains("There is no such run."), "{path}: {html}");
    }
    assert_eq!(count(&app.pool, "speed_runs").await, 0);
}
