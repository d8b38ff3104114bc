//! What is claimed about Odoo, proven on a real Odoo 19 with demo data. Needs
//! `TEST_ODOO_URL`, `TEST_ODOO_DB`, `TEST_ODOO_USERNAME`, `TEST_ODOO_PASSWORD` and
//! `TEST_ODOO_API_KEY` (scripts/odoo.sh env) beside `DATABASE_URL`.

#[path = "odoo/attacks.rs"]
mod attacks;
#[path = "it/faults.rs"]
#[expect(dead_code, reason = "shared with tests/it, which uses more of it")]
mod faults;
#[path = "it/helpers.rs"]
#[expect(dead_code, reason = "shared with tests/it, which uses more of it")]
mod helpers;
#[path = "odoo/refusals.rs"]
mod refusals;
#[path = "odoo/repeats.rs"]
mod repeats;
#[path = "odoo/speed_runs.rs"]
mod speed_runs;

use std::sync::Arc;

use helpers::{Actor, Answer, client, make_key};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::server::serve::Bridge;
use odoo_bridge::session::model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

#[expect(clippy::disallowed_methods, reason = "these settings are the tests' own")]
fn env(name: &str) -> String {
    std::env::var(format!("TEST_ODOO_{name}")).unwrap_or_else(|_| {
        panic!("TEST_ODOO_{name} is not set: start a real Odoo with scripts/odoo.sh start, or run make test")
    })
}

/// The tests share one Odoo: who compares its records and who changes them take turns.
static RECORDS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct RealApp {
    bridge: Arc<Bridge>,
    pool: PgPool,
}

impl RealApp {
    /// A bridge with both of Odoo's credentials, which takes the cheapest way.
    async fn spawn(pool: PgPool) -> Self {
        Self::spawn_by(pool, "auto").await
    }

    /// A bridge that takes one way in particular.
    async fn spawn_by(pool: PgPool, way: &str) -> Self {
        let (key, password) = (env("API_KEY"), env("PASSWORD"));
        let args = ["--odoo-password", &password, "--odoo-transport", way];
        Self::spawn_with(pool, &env("DB"), &env("USERNAME"), &key, &args).await
    }

    /// A bridge that works as somebody in particular.
    async fn spawn_as(pool: PgPool, username: &str, secret: &str) -> Self {
        Self::spawn_with(pool, &env("DB"), username, secret, &[]).await
    }

    async fn spawn_with(pool: PgPool, db: &str, username: &str, api_key: &str, more: &[&str]) -> Self {
        let url = env("URL");
        let args = [
            "--odoo-url",
            &url,
            "--odoo-db",
            db,
            "--odoo-username",
            username,
            "--odoo-api-key",
            api_key,
        ];
        let bridge = Arc::new(helpers::start(pool.clone(), &[&args, more].concat()).await);
        Self { bridge, pool }
    }

    async fn actor(&self) -> Actor {
        let key = make_key(&self.pool, "real", FULL).await;
        Actor {
            address: format!("http://{}", self.bridge.address),
            client: client(),
            key: Some(key.plaintext),
        }
    }
}

/// What Odoo itself says to the same call, as the text of `result`.
async fn direct(uid: i64, secret: &str, model: &str, method: &str, args: &Value, kwargs: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw",
        "args": [env("DB"), uid, secret, model, method, args, kwargs]}});
    let response = client()
        .post(format!("{}/jsonrpc", env("URL")))
        .json(&body)
        .send()
        .await
        .expect("Odoo answers");
    response.json().await.expect("JSON")
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn call(model: &str, method: &str, args: Value, kwargs: Value) -> Value {
    json!({"model": model, "method": method, "args": args, "kwargs": kwargs})
}

#[sqlx::test]
async fn the_seeds_own_request_reads_five_orders(pool: PgPool) {
    let app = RealApp::spawn(pool).await;
    let actor = app.actor().await;
    let answer = actor
        .call_raw(
            r#"{"model": "sale.order", "method": "search_read",
                "args": [[["date_order", ">=", "2026-05-01 00:00:00"]]],
                "kwargs": {"limit": 5, "fields": ["name", "state"]}}"#,
        )
        .await;
    let orders = answer.data().as_array().expect("orders");
    assert_eq!(orders.len(), 5);
    assert!(
        orders
            .iter()
            .all(|order| order["name"].is_string() && order["state"].is_string()),
        "{}",
        answer.text
    );
}

#[sqlx::test]
async fn a_password_works_as_well_as_an_api_key(pool: PgPool) {
    let app = RealApp::spawn_as(pool, &env("USERNAME"), &env("PASSWORD")).await;
    let actor = app.actor().await;
    let answer = actor
        .call(&call("sale.order", "search_count", json!([[]]), json!({})))
        .await;
    assert!(
        answer.data().as_u64().is_some_and(|count| count >= 40),
        "{}",
        answer.text
    );
}

const WAYS: [&str; 3] = ["web", "jsonrpc", "json2"];

#[sqlx::test]
async fn every_error_of_odoo_gets_its_own_code_by_every_way(pool: PgPool) {
    for way in WAYS {
        errors_by(RealApp::spawn_by(pool.clone(), way).await, way).await;
    }
}

async fn errors_by(app: RealApp, way: &str) {
    let actor = app.actor().await;
    let sent = actor
        .call(&call(
            "sale.order",
            "search",
            json!([[["state", "=", "sale"]]]),
            json!({"limit": 1}),
        ))
        .await;
    let sent = sent.data()[0].as_i64().expect("a confirmed order");
    let rows = [
        (
            "unknown model",
            call("no.model", "search", json!([[]]), json!({})),
            404,
            "odoo_not_found",
        ),
        (
            "unknown method",
            call("sale.order", "no_method", json!([[]]), json!({})),
            404,
            "odoo_not_found",
        ),
        (
            "private method",
            call("sale.order", "_compute_amounts", json!([[1]]), json!({})),
            403,
            "policy_denied",
        ),
        (
            "UserError",
            call("sale.order", "unlink", json!([[sent]]), json!({})),
            422,
            "odoo_rejected",
        ),
        (
            "ValidationError",
            call("sale.order", "create", json!([{}]), json!({})),
            422,
            "odoo_rejected",
        ),
        (
            "write on a missing record",
            call("sale.order", "write", json!([[999_999], {"note": "x"}]), json!({})),
            404,
            "odoo_not_found",
        ),
        (
            "domain with an unknown field",
            call("sale.order", "search", json!([[["no_field", "=", 1]]]), json!({})),
            502,
            "odoo_error",
        ),
        (
            "domain of a wrong shape",
            call("sale.order", "search", json!([["name"]]), json!({})),
            502,
            "odoo_error",
        ),
        (
            "domain with a wrong operator",
            call("sale.order", "search", json!([[["name", "~~", 1]]]), json!({})),
            502,
            "odoo_error",
        ),
        (
            "unknown keyword argument",
            call("sale.order", "search", json!([[]]), json!({"bogus": 1})),
            502,
            "odoo_error",
        ),
        (
            "execute_kw without the ids",
            call("sale.order", "write", json!([]), json!({})),
            502,
            "odoo_error",
        ),
    ];
    for (name, body, status, code) in rows {
        let answer = actor.call(&body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{way}, {name}: {}",
            answer.text
        );
        assert!(
            !answer.text.contains("Traceback") && !answer.text.contains("site-packages"),
            "{way}, {name}: {}",
            answer.text
        );
    }
    let missing = actor
        .call(&call(
            "sale.order",
            "read",
            json!([[999_999]]),
            json!({"fields": ["name"]}),
        ))
        .await;
    assert_eq!(missing.data(), &json!([]), "to read a missing record is no error");
}

#[sqlx::test]
async fn access_rights_are_those_of_the_user_behind_the_bridge(pool: PgPool) {
    let app = RealApp::spawn_as(pool, "demo", "demo").await;
    let actor = app.actor().await;
    let answer = actor
        .call(&call("ir.config_parameter", "search_read", json!([[]]), json!({})))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "odoo_access_denied"),
        "{}",
        answer.text
    );
}

#[sqlx::test]
async fn refused_credentials_are_told_apart_and_not_tried_again_at_once(pool: PgPool) {
    let app = RealApp::spawn_as(pool, "admin", "wrong").await;
    let actor = app.actor().await;
    let body = call("sale.order", "search_count", json!([[]]), json!({}));
    let first = actor.call(&body).await;
    assert_eq!(
        (first.status, first.code()),
        (502, "odoo_auth_failed"),
        "{}",
        first.text
    );
    // Odoo takes 300 ms for each refusal: fifty of them in less than that were not asked.
    let started = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(actor.call(&body).await.code(), "odoo_auth_failed");
    }
    assert!(
        started.elapsed() < std::time::Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[sqlx::test]
async fn a_database_that_is_not_there_is_unreachable_and_names_no_host(pool: PgPool) {
    let app = RealApp::spawn_with(pool, "no_such_db", "admin", "admin", &[]).await;
    let answer = app
        .actor()
        .await
        .call(&call("sale.order", "search", json!([[]]), json!({})))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (502, "odoo_unreachable"),
        "{}",
        answer.text
    );
    assert!(
        !answer.text.contains("127.0.0.1") && !answer.text.contains("port"),
        "{}",
        answer.text
    );
}

async fn write_by(app: RealApp) {
    let actor = app.actor().await;
    let created = actor
        .call(&call(
            "res.partner",
            "create",
            json!([{"name": "Bridge test"}]),
            json!({}),
        ))
        .await;
    let id = created.data().as_i64().expect("one dict, one id");
    let written = actor
        .call(&call(
            "res.partner",
            "write",
            json!([[id], {"city": "Br\u{fc}gge \u{1f309}"}]),
            json!({}),
        ))
        .await;
    assert_eq!(written.data(), &json!(true));
    let read = actor
        .call(&call(
            "res.partner",
            "read",
            json!([[id], ["city", "email"]]),
            json!({}),
        ))
        .await;
    assert_eq!(
        read.data(),
        &json!([{"id": id, "city": "Br\u{fc}gge \u{1f309}", "email": false}])
    );
    let removed = actor
        .call(&call("res.partner", "unlink", json!([[id]]), json!({})))
        .await;
    assert_eq!(removed.data(), &json!(true));
}

/// Sixty calls of every kind a client makes: reads by position and by name,
/// groups, counts, metadata, contexts, odd domains, empty results.
fn sixty_calls() -> Vec<(String, String, Value, Value)> {
    let mut calls = Vec::new();
    let mut add = |model: &str, method: &str, args: Value, kwargs: Value| {
        calls.push((model.to_owned(), method.to_owned(), args, kwargs));
    };
    let models = [
        ("sale.order", "date_order desc, id"),
        ("sale.order.line", "id"),
        ("res.partner", "name, id"),
        ("product.product", "id desc"),
        ("res.users", "id"),
        ("res.currency", "name, id"),
    ];
    for (model, order) in models {
        add(model, "search", json!([[]]), json!({"order": order, "limit": 20}));
        add(model, "search", json!([[], 1, 3, order]), json!({}));
        add(model, "search_count", json!([[["id", ">", 2]]]), json!({}));
        add(
            model,
            "search_read",
            json!([[], ["display_name"], 0, 5, order]),
            json!({}),
        );
        add(
            model,
            "search_read",
            json!([]),
            json!({"domain": [["id", "<", 30]], "fields": ["id", "create_date", "write_uid"], "order": order, "limit": 7}),
        );
        add(model, "read", json!([[1, 2, 999_999], ["display_name"]]), json!({}));
        add(
            model,
            "fields_get",
            json!([["id", "create_date", "display_name"], ["type", "string", "readonly"]]),
            json!({}),
        );
        add(model, "name_search", json!(["a"]), json!({"limit": 4}));
    }
    add(
        "sale.order",
        "search_read",
        json!([["|", ["state", "=", "draft"], "!", ["amount_total", ">", 1000]]]),
        json!({"fields": ["name", "amount_total", "note", "partner_id", "order_line", "tag_ids"], "order": "id"}),
    );
    add(
        "sale.order",
        "search_read",
        json!([[["partner_id.country_id.code", "in", ["US", "BE"]]]]),
        json!({"fields": ["name"], "order": "id"}),
    );
    add(
        "sale.order",
        "search_read",
        json!([[["name", "ilike", "S000"]]]),
        json!({"fields": ["name", "date_order"], "limit": 2, "order": "id", "context": {"tz": "Europe/Brussels", "lang": "en_US"}}),
    );
    add(
        "sale.order",
        "formatted_read_group",
        json!([[], ["state"], ["amount_total:sum", "__count"]]),
        json!({}),
    );
    add(
        "sale.order",
        "formatted_read_group",
        json!([]),
        json!({"domain": [], "groupby": ["date_order:month"], "aggregates": ["amount_total:sum"]}),
    );
    add("sale.order", "has_access", json!([[1], "write"]), json!({}));
    add("sale.order", "default_get", json!([["state", "company_id"]]), json!({}));
    add(
        "res.partner",
        "search_read",
        json!([[["is_company", "=", true], ["email", "!=", false]]]),
        json!({"fields": ["name", "email", "phone", "child_ids"], "order": "id"}),
    );
    add(
        "res.partner",
        "search",
        json!([[["name", "=", "no such partner \u{2603}"]]]),
        json!({}),
    );
    add(
        "res.partner",
        "read",
        json!([[1]]),
        json!({"fields": ["name", "parent_id", "vat", "credit_limit"], "load": ""}),
    );
    add(
        "product.product",
        "search_read",
        json!([[["list_price", ">=", 1.5], ["sale_ok", "=", true]]]),
        json!({"fields": ["list_price", "default_code"], "order": "list_price desc, id", "limit": 10}),
    );
    add("ir.model", "search_count", json!([[]]), json!({}));
    calls
}

#[sqlx::test]
async fn sixty_calls_answer_what_execute_kw_answers_by_every_way(pool: PgPool) {
    let _nobody_writes = RECORDS.lock().await;
    let calls = sixty_calls();
    assert_eq!(calls.len(), 60);
    let mut expected = Vec::new();
    for (model, method, args, kwargs) in &calls {
        let odoo = direct(2, &env("API_KEY"), model, method, args, kwargs).await;
        assert!(
            odoo.get("error").is_none(),
            "the comparison has a call that fails: {model}.{method} {args} {kwargs}: {odoo}"
        );
        expected.push(odoo["result"].clone());
    }
    for way in WAYS {
        let app = RealApp::spawn_by(pool.clone(), way).await;
        let actor = app.actor().await;
        for ((model, method, args, kwargs), expected) in calls.iter().zip(&expected) {
            let answer = actor.call(&call(model, method, args.clone(), kwargs.clone())).await;
            assert_eq!(answer.data(), expected, "{way}: {model}.{method} {args} {kwargs}");
        }
        app.bridge.state.records.flush(&pool).await.expect("written");
    }
    let ways: Vec<(Option<String>, i64)> =
        sqlx::query_as("SELECT way, count(*) FROM call_records WHERE code = 'ok' GROUP BY way ORDER BY way")
            .fetch_all(&pool)
            .await
            .expect("records");
    let expected = ["json2", "jsonrpc", "web"].map(|way| (Some(way.to_owned()), 60));
    assert_eq!(ways, expected, "each call went by the way that was set");
}

#[sqlx::test]
async fn records_are_created_written_and_removed_by_every_way(pool: PgPool) {
    let _nobody_compares = RECORDS.lock().await;
    for way in WAYS {
        write_by(RealApp::spawn_by(pool.clone(), way).await).await;
    }
}

#[sqlx::test]
async fn the_cheapest_way_is_picked_and_says_why(pool: PgPool) {
    let _alone = RECORDS.lock().await;
    let app = RealApp::spawn(pool).await;
    // What else Odoo has to do at the moment is in what a try costs: some are made, as in the background.
    for _ in 0..5 {
        app.bridge.state.odoo.probe().await;
        let report = app.bridge.state.odoo.report();
        if report
            .ways
            .iter()
            .any(|way| way.picked && way.way == odoo_bridge::odoo::Way::Web)
        {
            break;
        }
    }
    let report = app.bridge.state.odoo.report();
    let picked: Vec<_> = report.ways.iter().filter(|way| way.picked).collect();
    assert_eq!(picked.len(), 1, "{report:?}");
    assert_eq!(picked[0].way, odoo_bridge::odoo::Way::Web, "{report:?}");
    assert!(report.ways.iter().all(|way| way.cost_ms.is_some()), "{report:?}");
    assert_eq!(report.picked_because, "It costs least of those that work.");
}

#[sqlx::test]
async fn an_api_key_is_no_password_for_a_session_and_a_password_is_no_api_key(pool: PgPool) {
    // The web session refuses it, JSON-2 as well; JSON-RPC takes either.
    let more = ["--odoo-password", "wrong"];
    let app = RealApp::spawn_with(pool, &env("DB"), &env("USERNAME"), &env("PASSWORD"), &more).await;
    let answer = app
        .actor()
        .await
        .call(&call("sale.order", "search_count", json!([[]]), json!({})))
        .await;
    assert!(answer.data().is_number(), "{}", answer.text);
    app.bridge.state.odoo.probe().await;
    let report = app.bridge.state.odoo.report();
    let refused: Vec<_> = report.refused.iter().map(|refused| refused.setting).collect();
    assert_eq!(refused, ["ODOO_PASSWORD", "ODOO_API_KEY"], "{report:?}");
    let picked = report.ways.iter().find(|way| way.picked).expect("one");
    assert_eq!(
        (picked.way, picked.state),
        (odoo_bridge::odoo::Way::JsonRpc, odoo_bridge::odoo::WayState::Works),
        "{report:?}"
    );
}

#[sqlx::test]
async fn data_are_odoos_own_bytes_by_every_way(pool: PgPool) {
    for way in WAYS {
        bytes_by(RealApp::spawn_by(pool.clone(), way).await).await;
    }
}

async fn bytes_by(app: RealApp) {
    let actor = app.actor().await;
    let (args, kwargs) = (
        json!([[], ["name", "amount_total", "partner_id"], 0, 10, "id"]),
        json!({}),
    );
    let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw",
        "args": [env("DB"), 2, env("API_KEY"), "sale.order", "search_read", args, kwargs]}});
    let odoo = client()
        .post(format!("{}/jsonrpc", env("URL")))
        .json(&body)
        .send()
        .await
        .expect("Odoo answers")
        .text()
        .await
        .expect("text");
    let result = odoo
        .split_once("\"result\": ")
        .expect("a result")
        .1
        .strip_suffix('}')
        .expect("its end");
    let answer = actor.call(&call("sale.order", "search_read", args, kwargs)).await;
    assert!(
        answer
            .text
            .starts_with(&format!("{{\"success\":true,\"data\":{result},\"request_id\":")),
        "{}",
        answer.text
    );
}

#[sqlx::test]
async fn a_heavy_speed_test_stores_a_row_with_25_orders(pool: PgPool) {
    let app = RealApp::spawn(pool).await;
    let mut person = app.actor().await;
    person.key = None;
    odoo_bridge::session::sign_in::create_user(
        &app.pool,
        helpers::EMAIL,
        helpers::PASSWORD.to_owned().into(),
        Role::Admin,
    )
    .await
    .expect("a person");
    let form = [("email", helpers::EMAIL), ("password", helpers::PASSWORD), ("next", "")];
    let signed_in = person.post_form("/api/sign_in", &form).await;
    assert!(signed_in.status().as_u16() < 400, "{}", signed_in.status());
    for test_type in ["light", "heavy"] {
        let run = person
            .request(Method::POST, "/api/run_speed_test")
            .form(&[("test_type", test_type)])
            .send()
            .await;
        let run = Answer::of(run.expect("an answer")).await;
        assert_eq!(run.status, 200, "{}", run.text);
    }
    let row: (String, String, Option<i32>, Option<f64>, Option<f64>, f64) = sqlx::query_as(
        "SELECT status, model, record_count, authenticate_ms, query_ms, latency_ms FROM speed_tests WHERE test_type = 'heavy'",
    )
    .fetch_one(&app.pool)
    .await
    .expect("the row");
    assert_eq!(
        (row.0.as_str(), row.1.as_str(), row.2),
        ("succeeded", "sale.order", Some(25))
    );
    let (authenticate, query) = (row.3.expect("timed"), row.4.expect("timed"));
    assert!(
        authenticate > 0.0 && query > 0.0 && row.5 >= authenticate + query - 1.0,
        "{row:?}"
    );
}

#[sqlx::test]
async fn a_session_that_odoo_ended_is_renewed_and_a_changed_password_is_told(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let admins = RealApp::spawn(pool.clone()).await;
    let admin = admins.actor().await;
    let users = |method: &str, args: Value| json!({"model": "res.users", "method": method, "args": args});
    let (login, password) = (format!("bridge-{}", uuid::Uuid::now_v7()), "a first password");
    let made = users(
        "create",
        json!([{"name": "Bridge test", "login": login, "password": password}]),
    );
    let user = admin.call(&made).await.data().clone();
    let (url, db) = (env("URL"), env("DB"));
    let settings = [
        ["--odoo-url", &url],
        ["--odoo-db", &db],
        ["--odoo-username", &login],
        ["--odoo-password", password],
        ["--odoo-transport", "web"],
    ];
    let app = RealApp {
        bridge: Arc::new(helpers::start(pool.clone(), &settings.concat()).await),
        pool,
    };
    let actor = app.actor().await;
    let whoami = users("context_get", json!([]));
    assert_eq!(actor.call(&whoami).await.data()["uid"], user);

    let set_password = |password: &str| users("write", json!([[user.clone()], {"password": password}]));
    // The same once more has another hash, which ends the user's sessions.
    admin.call(&set_password(password)).await.data();
    assert_eq!(actor.call(&whoami).await.data()["uid"], user, "logged in anew");
    admin.call(&set_password("another password")).await.data();
    let refused = actor.call(&whoami).await;
    assert_eq!(
        (refused.status, refused.code()),
        (502, "odoo_auth_failed"),
        "{}",
        refused.text
    );
    let report = app.bridge.state.odoo.report();
    assert_eq!(report.refused.len(), 1, "and the dashboard is red");

    let archive = users("write", json!([[user], {"active": false}]));
    admin.call(&archive).await.data();
}
