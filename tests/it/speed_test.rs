//! Speed tests: run one at a time, kept whatever comes of them, shown newest first.

use std::time::Duration;

use odoo_bridge::demo_odoo::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::helpers::{Actor, Answer, TestApp, eventually};

/// How long Odoo takes while another request comes in between.
const SLOW: Duration = Duration::from_secs(2);

async fn run(person: &Actor, test_type: &str) -> Answer {
    Answer::of(
        person
            .post_form("/api/run_speed_test", &[("test_type", test_type)])
            .await,
    )
    .await
}

async fn history(person: &Actor, query: Value) -> Value {
    let answer = Answer::of(
        person
            .post_json("/api/list_speed_tests", &json!({ "query": query }))
            .await,
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

fn all() -> Value {
    json!({"test_type": null, "status": null, "page": 1})
}

/// Number `n` (the newest is 0): every third is heavy, every fifth failed.
async fn insert_run(pool: &PgPool, n: i32) {
    let test_type = if n % 3 == 0 { "heavy" } else { "light" };
    let code = (n % 5 == 0).then_some("odoo_unreachable");
    sqlx::query(
        "INSERT INTO speed_tests (id, target, test_type, status, latency_ms, error_code, error, tested_at)
         VALUES (gen_random_uuid(), 'the demo Odoo', $1, $2, $3, $4, $5, now() - make_interval(mins => $6))",
    )
    .bind(test_type)
    .bind(if code.is_some() { "failed" } else { "succeeded" })
    .bind(f64::from(n))
    .bind(code)
    .bind(code.map(|_| "Odoo can't be reached."))
    .bind(n)
    .execute(pool)
    .await
    .expect("a row");
}

fn latencies(page: &Value) -> Vec<i64> {
    let runs = page["runs"].as_array().expect("runs");
    #[expect(clippy::cast_possible_truncation, reason = "the test's own whole numbers")]
    runs.iter()
        .map(|run| run["latency_ms"].as_f64().expect("a number") as i64)
        .collect()
}

#[sqlx::test]
async fn a_light_test_stores_its_latency(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let run = run(&person, "light").await;
    assert_eq!(run.status, 200, "{}", run.text);
    assert!(
        run.json["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0),
        "{}",
        run.text
    );
    assert!(
        run.json["details"]
            .as_str()
            .is_some_and(|text| text.starts_with("Odoo ")),
        "{}",
        run.text
    );
    assert_eq!(
        (&run.json["authenticate_ms"], &run.json["failure"]),
        (&Value::Null, &Value::Null)
    );

    let page = history(&person, all()).await;
    assert_eq!(page["runs"][0], run.json, "what was answered is what is kept");
    assert_eq!(page["light"]["succeeded"], run.json);
    assert_eq!(page["heavy"], json!({"succeeded": null, "failed_since": null}));
}

#[sqlx::test]
async fn a_heavy_test_reads_25_orders_and_times_authenticate_and_query_apart(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let run = run(&app.signed_in().await, "heavy").await;
    assert_eq!(run.status, 200, "{}", run.text);
    assert_eq!(
        (&run.json["model"], &run.json["record_count"]),
        (&json!("sale.order"), &json!(25)),
        "{}",
        run.text
    );
    let ms = |name: &str| run.json[name].as_f64().expect("a number");
    assert!(ms("authenticate_ms") > 0.0 && ms("query_ms") > 0.0, "{}", run.text);
    assert!(
        (ms("authenticate_ms") + ms("query_ms") - ms("latency_ms")).abs() < 0.001,
        "{}",
        run.text
    );
    assert_eq!(run.json["details"], "25 sales orders");

    // What was read is counted, not kept.
    let row: String = sqlx::query_scalar("SELECT speed_tests::text FROM speed_tests")
        .fetch_one(&app.pool)
        .await
        .expect("a row");
    assert!(!row.contains("S000"), "{row}");
}

#[sqlx::test]
async fn a_failed_run_is_kept_and_says_why(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    assert_eq!(run(&person, "light").await.json["failure"], Value::Null);
    app.demo.faults().set(Fault::html(502));
    let failed = run(&person, "light").await;
    assert_eq!(failed.status, 200, "the bridge did its work: {}", failed.text);
    assert_eq!(failed.json["failure"]["code"], "odoo_unreachable");
    assert!(
        failed.json["failure"]["message"]
            .as_str()
            .is_some_and(|why| why.contains("502")),
        "{}",
        failed.text
    );

    let page = history(&person, all()).await;
    assert_eq!((&page["found"], &page["runs"][0]), (&json!(2), &failed.json));
    assert_eq!(page["light"]["failed_since"], failed.json);
    assert_eq!(page["summaries"][0]["failed"], 1);
    let html = person.get("/speed-test").await.text().await.expect("a page");
    assert!(
        html.contains("The last run failed") && html.contains("odoo_unreachable"),
        "the page says so too"
    );
    assert!(html.contains("chart-failed"), "and shows it in the chart");

    app.demo.faults().clear();
    // The next success makes an end of the warning, not of the record.
    run(&person, "light").await;
    let page = history(&person, all()).await;
    assert_eq!(
        (&page["found"], &page["light"]["failed_since"]),
        (&json!(3), &Value::Null)
    );
}

#[sqlx::test]
async fn refused_credentials_are_a_failed_heavy_test_and_no_light_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    app.demo.faults().refuse_credentials(true);
    let heavy = run(&person, "heavy").await;
    assert_eq!(heavy.json["failure"]["code"], "odoo_auth_failed", "{}", heavy.text);
    assert_eq!(
        (&heavy.json["query_ms"], &heavy.json["record_count"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(run(&person, "light").await.json["failure"], Value::Null);
}

#[sqlx::test]
async fn without_sales_the_heavy_test_reads_contacts_and_says_so(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.demo.faults().uninstall_sales(true);
    let run = run(&app.signed_in().await, "heavy").await;
    assert_eq!(
        (&run.json["failure"], &run.json["model"]),
        (&Value::Null, &json!("res.partner")),
        "{}",
        run.text
    );
    let count = run.json["record_count"].as_i64().expect("a count");
    assert!((1..=25).contains(&count), "{count}");
    let says = format!("Sales is not installed in this Odoo: {count} contacts were read instead.");
    assert!(
        run.json["details"].as_str().is_some_and(|text| text.starts_with(&says)),
        "{}",
        run.text
    );
}

#[sqlx::test]
async fn of_two_runs_at_once_the_second_is_refused_on_any_instance(pool: PgPool) {
    let (here, there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool).await);
    let (person, other) = (here.signed_in().await, there.signed_in().await);
    here.demo.faults().set_latency(SLOW);
    let first = tokio::spawn({
        let person = person.clone();
        async move { run(&person, "light").await }
    });
    wait_for_lock(&here.pool).await;
    let second = run(&other, "heavy").await;
    assert_eq!(
        (second.status, &second.json["code"]),
        (409, &json!("conflict")),
        "{}",
        second.text
    );
    assert_eq!(second.json["error"], "A test is running already. Wait for its result.");

    here.demo.faults().set_latency(Duration::ZERO);
    assert_eq!(first.await.expect("it ends").json["failure"], Value::Null);
    assert_eq!(
        history(&person, all()).await["found"],
        1,
        "what was refused did not run"
    );
    assert_eq!(run(&person, "light").await.status, 200, "and now there is room again");
}

#[sqlx::test]
async fn a_run_is_kept_even_if_the_person_goes_away(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    app.demo.faults().set_latency(SLOW);
    let gone = tokio::spawn({
        let person = person.clone();
        async move { run(&person, "light").await }
    });
    wait_for_lock(&app.pool).await;
    gone.abort();
    eventually("the run is kept", || async {
        history(&person, all()).await["found"] == 1
    })
    .await;
}

/// Waits until a test has begun.
async fn wait_for_lock(pool: &PgPool) {
    eventually("a test runs", || async {
        sqlx::query_scalar::<_, bool>(
            // Held in a transaction: the bridge shows with another one that it is alive.
            "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE locktype = 'advisory' AND granted AND state = 'idle in transaction'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        )
        .fetch_one(pool)
        .await
        .expect("an answer")
    })
    .await;
}

#[sqlx::test]
async fn the_history_is_newest_first_paged_and_filtered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for n in 0..45 {
        insert_run(&app.pool, n).await;
    }
    let first = history(&person, all()).await;
    assert_eq!(latencies(&first), (0..20).collect::<Vec<_>>());
    assert_eq!(
        (&first["found"], &first["page"], &first["pages"]),
        (&json!(45), &json!(1), &json!(3))
    );
    let last = history(&person, json!({"test_type": null, "status": null, "page": 3})).await;
    assert_eq!(latencies(&last), (40..45).collect::<Vec<_>>());
    let beyond = history(
        &person,
        json!({"test_type": null, "status": null, "page": 4_000_000_000_u32}),
    )
    .await;
    assert_eq!(
        (&beyond["page"], &beyond["runs"]),
        (&json!(3), &last["runs"]),
        "a page too far is the last one"
    );

    let filtered = history(&person, json!({"test_type": "heavy", "status": "failed", "page": 1})).await;
    assert_eq!(latencies(&filtered), [0, 15, 30]);
    assert_eq!((&filtered["found"], filtered["chart"].is_object()), (&json!(3), true));

    let html = person
        .get("/speed-test?type=heavy&status=failed")
        .await
        .text()
        .await
        .expect("a page");
    assert_eq!(
        html.matches("odoo_unreachable<").count(),
        3,
        "the address holds the filter, without JavaScript too"
    );
    let none = history(&person, json!({"test_type": "light", "status": "failed", "page": 1})).await;
    assert!(none["found"].as_u64().is_some_and(|found| found > 0));
}

#[sqlx::test]
async fn without_javascript_a_form_runs_the_test_and_the_page_comes_back(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let html = person.get("/speed-test").await.text().await.expect("a page");
    assert!(
        html.contains("action=\"/api/run_speed_test\"") && html.contains("-- ms"),
        "{html}"
    );
    assert!(html.contains("No runs yet"), "{html}");
    let submit = |test_type: &'static str| {
        person
            .request(Method::POST, "/api/run_speed_test")
            .header("Accept", "text/html,application/xhtml+xml")
            .header("Referer", format!("{}/speed-test?type=light", person.address))
            .form(&[("test_type", test_type)])
            .send()
    };
    let answer = submit("light").await.expect("an answer");
    assert!(answer.status().is_redirection(), "{}", answer.status());
    assert_eq!(
        answer.headers()["location"],
        format!("{}/speed-test?type=light", person.address)
    );
    let html = person.get("/speed-test").await.text().await.expect("a page");
    assert!(
        !html.contains("No runs yet") && html.contains("<svg class=\"chart chart-wide\""),
        "{html}"
    );

    let refused = submit("medium").await.expect("an answer");
    assert!(
        refused.status().is_redirection(),
        "an error brings the page back as well"
    );
    let back = refused.headers()["location"].to_str().expect("an address").to_owned();
    let path = back.strip_prefix(&person.address).expect("this bridge's own page");
    let html = person.get(path).await.text().await.expect("a page");
    assert!(html.contains("role=\"alert\""), "{html}");
}

#[sqlx::test]
async fn an_unknown_test_type_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for wrong in ["", "medium", "LIGHT"] {
        let answer = run(&person, wrong).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (400, &json!("invalid_request")),
            "{wrong:?}: {}",
            answer.text
        );
    }
    let answer = Answer::of(person.post_form("/api/run_speed_test", &[]).await).await;
    assert!(
        (400..500).contains(&answer.status) || answer.json["code"] == "invalid_request",
        "{}",
        answer.text
    );
    assert_eq!(history(&person, all()).await["found"], 0);
}

#[sqlx::test]
async fn speed_tests_need_a_signed_in_person(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let key = app.key("a script").await;
    for actor in [app.anonymous(), app.with(&key)] {
        assert_eq!(run(&actor, "light").await.status, 401);
        let answer = actor
            .post_json("/api/list_speed_tests", &json!({ "query": all() }))
            .await;
        assert_eq!(answer.status(), 401);
    }
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM speed_tests")
        .fetch_one(&app.pool)
        .await
        .expect("a number");
    assert_eq!(kept, 0);
}
