//! Speed test runs by a schedule: begun once for each time, by one instance; skipped where
//! the time is over or Odoo is left alone; changed by operators, and written down.

use std::time::Duration;

use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::{Actor, PASSWORD, TestApp, eventually};

/// The fields of a schedule of a light, warm run with one sample, once a day.
pub const DAILY: [(&str, &str); 8] = [
    ("do", "create"),
    ("name", "Nights"),
    ("test", "light"),
    ("start", "warm"),
    ("samples", "1"),
    ("way", "jsonrpc"),
    ("every", "1"),
    ("unit", "days"),
];

/// Sends a form of the page; the page that comes back.
pub async fn send(person: &Actor, form: &[(&str, &str)]) -> String {
    let request = person.request(Method::POST, "/speed-test/schedules");
    let request = request.header("Accept", "text/html").form(form);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{form:?}");
    response.text().await.expect("a page")
}

async fn page(person: &Actor) -> String {
    let response = person.get("/speed-test/schedules").await;
    assert_eq!(response.status(), 200);
    response.text().await.expect("a page")
}

/// How many runs of schedules are over.
pub async fn finished(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM speed_runs WHERE schedule_id IS NOT NULL AND state = 'finished'")
        .fetch_one(pool)
        .await
        .expect("a number")
}

/// The time of all schedules has come.
pub async fn make_due(pool: &PgPool) {
    sqlx::query("UPDATE speed_schedules SET next_at = now()")
        .execute(pool)
        .await
        .expect("a time");
}

async fn schedule_id(pool: &PgPool) -> String {
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM speed_schedules")
        .fetch_one(pool)
        .await
        .expect("a schedule");
    id.to_string()
}

async fn seconds_until_next(pool: &PgPool) -> f64 {
    sqlx::query_scalar("SELECT extract(epoch FROM next_at - now())::float8 FROM speed_schedules")
        .fetch_one(pool)
        .await
        .expect("a time")
}

async fn person(app: &TestApp, email: &str, role: Role) -> Actor {
    sign_in::create_user(&app.pool, email, PASSWORD.to_owned().into(), role)
        .await
        .expect("a person");
    let actor = app.anonymous();
    let form = [("email", email), ("password", PASSWORD), ("next", "")];
    actor.post_form("/api/sign_in", &form).await;
    actor
}

#[sqlx::test]
async fn a_schedule_begins_each_run_once_over_two_instances_and_says_whose_it_is(pool: PgPool) {
    let (here, _there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool.clone()).await);
    let operator = person(&here, "operator@example.com", Role::Operator).await;
    let html = send(&operator, &DAILY).await;
    assert!(
        html.contains("The schedule is made") && html.contains("every day"),
        "{html}"
    );
    eventually("the first run", || async { finished(&pool).await == 1 }).await;
    for number in 2..=4 {
        make_due(&pool).await;
        eventually("another run", || async { finished(&pool).await >= number }).await;
        assert!(seconds_until_next(&pool).await > 80_000.0, "the next is a day away");
    }
    // Whatever the other instance made of those times, there is nothing more.
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM speed_runs")
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert_eq!(all, 4);
    let id = schedule_id(&pool).await;
    let runs = operator.get(&format!("/speed-test/runs?schedule={id}")).await;
    let runs = runs.text().await.expect("a page");
    assert!(
        runs.contains("schedule: Nights") && runs.contains("JSON-RPC: 4 runs"),
        "{runs}"
    );
    let other = format!("/speed-test/runs?schedule={}", uuid::Uuid::nil());
    let none = operator.get(&other).await.text().await.expect("a page");
    assert!(none.contains("No run is like that"), "{none}");
}

#[sqlx::test]
async fn times_that_are_over_are_skipped_and_so_are_those_at_which_odoo_is_left_alone(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let person = app.signed_in().await;
    send(&person, &DAILY).await;
    eventually("the first run", || async { finished(&pool).await == 1 }).await;
    // The bridge was away for two days and an hour: no run, and the next one keeps to the clock.
    let moved = sqlx::query("UPDATE speed_schedules SET next_at = now() - interval '2 days 1 hour'");
    moved.execute(&pool).await.expect("a time");
    eventually("it is moved on", || async { seconds_until_next(&pool).await > 0.0 }).await;
    let next = seconds_until_next(&pool).await;
    assert!((next - 23.0 * 3_600.0).abs() < 30.0, "{next}");

    // Odoo fails, and is left alone.
    let key = app.key("a script").await;
    app.demo.faults().set(Fault::html(502));
    let call = json!({"model": "res.partner", "method": "write", "args": [[1], {}]});
    for _ in 0..6 {
        app.with(&key).call(&call).await;
    }
    let (_, breaker) = app.bridge.state.odoo.line();
    assert!(breaker.open_for.is_some(), "it is left alone");
    make_due(&pool).await;
    eventually("it is left out", || async { seconds_until_next(&pool).await > 0.0 }).await;
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM speed_runs")
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert_eq!(all, 1);
}

#[sqlx::test]
async fn a_schedule_waits_for_the_run_that_is_going_on_and_a_paused_one_for_nobody(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let person = app.signed_in().await;
    app.demo.faults().set_latency(Duration::from_millis(100));
    let plan = [
        ("test", "light"),
        ("start", "warm"),
        ("samples", "15"),
        ("way", "jsonrpc"),
    ];
    person.post_form("/speed-test/runs", &plan).await;
    send(&person, &DAILY).await;
    eventually("its turn comes", || async { finished(&pool).await == 1 }).await;
    let overlap: bool = sqlx::query_scalar(
        "SELECT count(*) > 0 FROM speed_runs a JOIN speed_runs b ON a.id < b.id AND a.ended_at > b.started_at",
    )
    .fetch_one(&pool)
    .await
    .expect("a row");
    assert!(!overlap, "one at a time");

    let id = schedule_id(&pool).await;
    let html = send(&person, &[("do", "pause"), ("schedule", &id)]).await;
    assert!(html.contains(">Paused<"), "{html}");
    make_due(&pool).await;
    // Another schedule is looked at in the meantime, so this one was, too.
    let mut other = DAILY;
    other[1].1 = "Days";
    send(&person, &other).await;
    eventually("the other one", || async { finished(&pool).await == 2 }).await;
    let of_paused: i64 = sqlx::query_scalar("SELECT count(*) FROM speed_runs WHERE schedule_id = $1::text::uuid")
        .bind(&id)
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert_eq!(of_paused, 1);
    send(&person, &[("do", "resume"), ("schedule", &id)]).await;
    eventually("it goes on", || async { finished(&pool).await == 3 }).await;
    // Of another Odoo: this bridge leaves it out.
    sqlx::query("UPDATE speed_schedules SET target = 'http://other.example.com db', next_at = now()")
        .execute(&pool)
        .await
        .expect("a row");
    assert!(page(&person).await.contains("Another Odoo"));
}

#[sqlx::test]
async fn what_is_changed_is_written_down_and_nonsense_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = app.signed_in().await;
    for (index, value, sentence) in [
        (1, "", "Name: 1 to 60 characters."),
        (2, "medium", "The test: choose light or heavy."),
        (4, "1000", "Samples: a whole number from 1 to 100."),
        (5, "web", "Ways in: the settings do not allow Web session"),
        (6, "0", "Every: a whole number of minutes, hours or days"),
        (7, "years", "Every: a whole number of minutes, hours or days"),
        (0, "nothing", "This form does nothing."),
    ] {
        let mut wrong = DAILY;
        wrong[index].1 = value;
        let html = send(&admin, &wrong).await;
        assert!(
            html.contains(sentence) && html.contains("There is no schedule yet"),
            "{value}: {html}"
        );
    }
    send(&admin, &DAILY).await;
    assert!(
        send(&admin, &DAILY)
            .await
            .contains("there is a schedule of this name already")
    );
    let id = schedule_id(&pool).await;
    let mut changed = DAILY.to_vec();
    changed[0].1 = "update";
    changed[6].1 = "7";
    changed.push(("schedule", &id));
    let html = send(&admin, &changed).await;
    assert!(
        html.contains("The schedule is changed") && html.contains("every 7 days"),
        "{html}"
    );
    let rule = [
        ("do", "add_rule"),
        ("schedule", &*id),
        ("last_runs", "3"),
        ("limit", "250"),
        ("above", "ms"),
    ];
    let html = send(&admin, &rule).await;
    assert!(html.contains("p95 of the last 3 runs is above 250.0 ms"), "{html}");
    let mut wrong = rule;
    wrong[3].1 = "-1";
    assert!(send(&admin, &wrong).await.contains("Limit: a number above 0."));
    let rule: uuid::Uuid = sqlx::query_scalar("SELECT id FROM alert_rules")
        .fetch_one(&pool)
        .await
        .expect("a rule");
    send(&admin, &[("do", "remove_rule"), ("rule", &rule.to_string())]).await;
    eventually("its run", || async { finished(&pool).await >= 1 }).await;
    send(&admin, &[("do", "remove"), ("schedule", &id)]).await;
    assert!(
        send(&admin, &[("do", "pause"), ("schedule", &id)])
            .await
            .contains("no such schedule any more")
    );
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM speed_runs WHERE started_by = 'schedule: Nights'")
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert!(kept >= 1, "runs outlive their schedule");
    let told: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_events WHERE subject_name = 'Nights' ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("events");
    assert_eq!(
        told,
        [
            "schedule_made",
            "schedule_changed",
            "alert_rule_made",
            "alert_rule_removed",
            "schedule_removed"
        ]
    );
    // A viewer looks.
    let viewer = person(&app, "viewer@example.com", Role::Viewer).await;
    assert!(!page(&viewer).await.contains("Make the schedule"));
    let refused = viewer.post_form("/speed-test/schedules", &DAILY).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(app.anonymous().get("/speed-test/schedules").await.status(), 303);
}

#[sqlx::test]
async fn runs_and_tests_are_thrown_away_after_the_days_that_are_set(pool: PgPool) {
    for (days, name) in [(9, "old"), (11, "older")] {
        sqlx::query(
            "INSERT INTO speed_runs (id, target, kind, is_cold, ways, samples, state, bridge_version, started_by,
                                     started_at, ended_at)
             VALUES (gen_random_uuid(), 'x', 'light', false, '{web}', 1, 'finished', '0', $1,
                     now() - make_interval(days => $2), now())",
        )
        .bind(name)
        .bind(days)
        .execute(&pool)
        .await
        .expect("a run");
        sqlx::query(
            "INSERT INTO speed_tests (id, target, test_type, status, latency_ms, tested_at)
             VALUES (gen_random_uuid(), 'x', 'light', 'succeeded', 1, now() - make_interval(days => $1))",
        )
        .bind(days)
        .execute(&pool)
        .await
        .expect("a test");
    }
    let _app = TestApp::spawn_with(pool.clone(), &["--speed-runs-days", "10"]).await;
    eventually("the older ones are gone", || async {
        let left: (i64, i64) =
            sqlx::query_as("SELECT (SELECT count(*) FROM speed_runs), (SELECT count(*) FROM speed_tests)")
                .fetch_one(&pool)
                .await
                .expect("numbers");
        left == (1, 1)
    })
    .await;
}
