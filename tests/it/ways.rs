//! The ways into Odoo: what is picked, what happens when one ends, and that a
//! result passes through whole or visibly broken.

use std::time::Duration;

use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{self, Fault};
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::{CreatedKey, KeyName};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::odoo::{Way, WayState};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::Wire;
use crate::demo_odoo::Demo;
use crate::helpers::{Actor, TestApp, client, eventually, make_key, start};

const LOGIN: &str = "/web/session/authenticate";

async fn by(pool: PgPool, way: &str) -> (TestApp, Actor) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", way]).await;
    let actor = app.with(&app.key(way).await);
    (app, actor)
}

fn count_orders() -> Value {
    json!({"model": "sale.order", "method": "search_count", "args": [[]]})
}

fn state_of(app: &TestApp, way: Way) -> (WayState, String) {
    let report = app.bridge.state.odoo.report();
    let found = report
        .ways
        .into_iter()
        .find(|report| report.way == way)
        .expect("listed");
    (found.state, found.reason)
}

#[sqlx::test]
async fn a_session_that_ended_is_renewed_once_for_all_who_wait(pool: PgPool) {
    let (app, actor) = by(pool, "web").await;
    actor.call(&count_orders()).await.data();
    assert_eq!(app.demo.counts().of(LOGIN), 1);
    app.demo.expire_sessions();
    let orders = count_orders();
    for answer in join_all((0..20).map(|_| actor.call(&orders))).await {
        answer.data();
    }
    assert_eq!(app.demo.counts().of(LOGIN), 2, "one login for all twenty");
}

#[sqlx::test]
async fn a_session_that_gets_a_new_id_goes_on_without_a_login(pool: PgPool) {
    let (app, actor) = by(pool, "web").await;
    for _ in 0..3 {
        app.demo.rotate_sessions();
        actor.call(&count_orders()).await.data();
    }
    assert_eq!(app.demo.counts().of(LOGIN), 1);
}

#[sqlx::test]
async fn a_user_with_two_factors_falls_back_and_the_reason_is_told(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "auto"]).await;
    app.demo.expire_sessions();
    app.demo.faults().require_two_factor(true);
    let actor = app.with(&app.key("two factors").await);
    eventually("the session is given up", || async {
        app.demo.expire_sessions();
        actor.call(&count_orders()).await.data();
        state_of(&app, Way::Web).0 == WayState::Closed
    })
    .await;
    assert!(state_of(&app, Way::Web).1.contains("two-factor"));
    actor.call(&count_orders()).await.data();
    assert!(app.demo.counts().of("execute_kw") > 0);
}

#[sqlx::test]
async fn a_way_that_is_switched_off_is_left_for_the_next(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "auto"]).await;
    let actor = app.with(&app.key("switched off").await);
    app.bridge.state.odoo.probe().await;
    for (closed, way, next) in [("/web", Way::Web, Way::JsonRpc), ("/jsonrpc", Way::JsonRpc, Way::Json2)] {
        app.demo.faults().close_way(closed);
        actor.call(&count_orders()).await.data();
        app.bridge.state.odoo.probe().await;
        assert_eq!(state_of(&app, way).0, WayState::Closed);
        let report = app.bridge.state.odoo.report();
        let picked = report.ways.iter().find(|report| report.picked).expect("one");
        assert!(picked.way >= next || picked.way == Way::Json2, "{report:?}");
    }
    // What its documentation does not list is unknown where there is no other way.
    let unlisted = json!({"model": "res.partner", "method": "get_external_id", "args": [[1]]});
    let said = actor.call(&unlisted).await;
    assert_eq!((said.status, said.code()), (404, "odoo_not_found"), "{}", said.text);
    // A write, too, is sent once more: it did not run.
    let created = actor
        .call(&json!({"model": "res.partner", "method": "create", "args": [{"name": "Way"}]}))
        .await;
    assert!(created.data().is_i64(), "{}", created.text);
    app.demo.faults().clear();
    // Which of the two comes first is a matter of what they cost at the moment.
    let by_others = || app.demo.counts().of("call_kw") + app.demo.counts().of("execute_kw");
    let before = by_others();
    assert_eq!(actor.call(&unlisted).await.code(), "odoo_not_found");
    assert!(by_others() > before, "a way that may have it was asked");
    app.bridge.state.odoo.probe().await;
    assert_eq!(state_of(&app, Way::Web).0, WayState::Works, "it is taken again");
}

#[sqlx::test]
async fn a_thousand_clients_with_broken_credentials_cost_one_trial_each(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "web"]).await;
    app.demo.faults().refuse_credentials(true);
    let actor = app.with(&app.key("crowd").await);
    // The key is remembered, and Odoo not asked: what comes is not about the bridge's own database.
    assert_eq!(actor.call(&json!({"model": 1})).await.code(), "invalid_request");
    let orders = count_orders();
    let answers = join_all((0..1_000).map(|_| actor.call(&orders))).await;
    for answer in answers {
        assert_eq!(answer.code(), "odoo_auth_failed", "{}", answer.text);
    }
    assert_eq!(app.demo.counts().of(LOGIN), 1);
    let report = app.bridge.state.odoo.report();
    assert_eq!(state_of(&app, Way::Web).0, WayState::Refused, "{report:?}");
    assert_eq!(report.refused[0].setting, "ODOO_PASSWORD");
    assert!(report.refused[0].retry_in > Duration::from_secs(50));
}

#[sqlx::test]
async fn json2_says_what_execute_kw_would_have_said(pool: PgPool) {
    let (app, actor) = by(pool, "json2").await;
    let one = actor
        .call(&json!({"model": "res.partner", "method": "create", "args": [{"name": "One"}]}))
        .await;
    assert!(one.data().is_i64(), "one dict, one id: {}", one.text);
    let many = actor
        .call(&json!({"model": "res.partner", "method": "create", "args": [[{"name": "A"}, {"name": "B"}]]}))
        .await;
    assert_eq!(many.data().as_array().map(Vec::len), Some(2));
    assert_eq!(app.demo.counts().of("doc-bearer"), 1, "asked once for the model");
    let none = actor
        .call(&json!({"model": "res.partner", "method": "check_access_rights", "args": ["read"]}))
        .await;
    assert_eq!(none.data(), &Value::Null);
    let unmapped = actor
        .call(&json!({"model": "res.partner", "method": "search_count", "args": [[], 1, 2]}))
        .await;
    assert_eq!((unmapped.status, unmapped.code()), (400, "invalid_request"));
    assert!(
        unmapped.json["error"]
            .as_str()
            .is_some_and(|text| text.starts_with("args[2] of res.partner.search_count"))
    );
    // HTML is not Odoo's own 404.
    app.demo.faults().set(Fault::html(404));
    assert_eq!(actor.call(&count_orders()).await.code(), "odoo_unreachable");
}

#[sqlx::test]
async fn a_large_result_passes_through_byte_for_byte(pool: PgPool) {
    for way in ["web", "jsonrpc", "json2"] {
        let (app, actor) = by(pool.clone(), way).await;
        actor.call(&count_orders()).await.data();
        let result = serde_json::to_string(&vec![json!({"id": 1, "name": "a \"b\" \\ \u{e4}"}); 20_000]).expect("JSON");
        let body = match way {
            "json2" => result.clone(),
            _ => format!("{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {result}}}"),
        };
        app.demo.faults().set(Fault::answer(200, "application/json", body));
        let answer = actor.call(&count_orders()).await;
        assert!(answer.text.starts_with("{\"success\":true,\"data\":["), "{way}");
        assert!(answer.text.contains(&result), "{way}: the bytes are Odoo's");
        assert!(answer.json["request_id"].is_string(), "{way}");
    }
}

#[sqlx::test]
async fn a_cut_in_a_large_result_is_a_broken_transfer_and_recorded_as_failed(pool: PgPool) {
    let (app, actor) = by(pool.clone(), "jsonrpc").await;
    actor.call(&count_orders()).await.data();
    let begin = format!(
        "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [{}",
        "{\"id\": 1}, ".repeat(20_000)
    );
    for headers in ["Content-Length: 900000\r\n", ""] {
        // Without a length the end of the connection is the end of the answer.
        let raw = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n{begin}");
        app.demo
            .faults()
            .set_times("execute_kw", 1, Fault::Raw(raw.into_bytes()));
        let response = actor.post_json("/call", &count_orders()).await;
        assert_eq!(response.status().as_u16(), 200, "the result had begun");
        assert!(response.bytes().await.is_err(), "never a short valid answer");
    }
    app.bridge.state.records.flush(&pool).await.expect("written");
    let failed: i64 = sqlx::query_scalar("SELECT count(*) FROM call_records WHERE code = 'odoo_unreachable'")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(failed, 2);
}

async fn sharing_key(app: &TestApp) -> CreatedKey {
    let name = KeyName::parse("sharing").expect("a name");
    let new = NewKey {
        share_reads: true,
        policy: FULL,
        ..NewKey::named(&name)
    };
    issue::create(&app.pool, new).await.expect("a key")
}

#[sqlx::test]
async fn identical_reads_in_flight_share_a_call_only_for_a_key_that_chose_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (sharing, plain) = (app.with(&sharing_key(&app).await), app.with(&app.key("plain").await));
    sharing.call(&count_orders()).await.data();
    app.demo.faults().set_latency(Duration::from_millis(300));
    let asked = |before: u64| app.demo.counts().of("execute_kw") - before;
    let orders = count_orders();

    let before = app.demo.counts().of("execute_kw");
    for answer in join_all((0..20).map(|_| sharing.call(&orders))).await {
        answer.data();
    }
    assert_eq!(asked(before), 1, "one call for all twenty");
    sharing.call(&orders).await.data();
    assert_eq!(asked(before), 2, "an answer that is there is not kept");

    let before = app.demo.counts().of("execute_kw");
    join_all((0..5).map(|_| plain.call(&orders))).await;
    assert_eq!(asked(before), 5, "not shared unless chosen");

    let before = app.demo.counts().of("execute_kw");
    let write = json!({"model": "res.partner", "method": "create", "args": [{"name": "Twice"}]});
    join_all((0..3).map(|_| sharing.call(&write))).await;
    assert_eq!(asked(before), 3, "a write is never shared");
}

#[sqlx::test]
async fn an_answer_is_compressed_for_clients_that_ask_and_only_if_it_is_large(pool: PgPool) {
    let (app, actor) = by(pool, "jsonrpc").await;
    let ask = |encoding: &'static str| {
        actor
            .request(reqwest::Method::POST, "/call")
            .header("Accept-Encoding", encoding)
            .json(&count_orders())
            .send()
    };
    let small = ask("gzip").await.expect("an answer");
    assert!(small.headers().get("content-encoding").is_none());
    let result = format!(
        "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [{}1]}}",
        "1, ".repeat(8_000)
    );
    app.demo.faults().set(Fault::answer(200, "application/json", result));
    let large = ask("gzip").await.expect("an answer");
    assert_eq!(large.headers()["content-encoding"], "gzip");
    let plain = ask("identity").await.expect("an answer");
    assert!(plain.headers().get("content-encoding").is_none());
}

#[sqlx::test]
async fn connections_are_counted_and_none_is_opened_ahead_of_need(pool: PgPool) {
    let (app, actor) = by(pool, "web").await;
    assert_eq!(app.bridge.state.odoo.report().connections_opened, 0);
    for _ in 0..3 {
        actor.call(&count_orders()).await.data();
    }
    let report = app.bridge.state.odoo.report();
    // The demo closes after each answer, as Odoo's own server does.
    assert_eq!((report.calls, report.connections_opened), (3, 3));
}

#[sqlx::test]
async fn connections_that_odoo_keeps_are_used_again(pool: PgPool) {
    let (app, actor) = by(pool, "web").await;
    app.demo.faults().keep_alive(true);
    let opened = || app.bridge.state.odoo.report().connections_opened;
    for _ in 0..5 {
        actor.call(&count_orders()).await.data();
    }
    assert_eq!(opened(), 1, "one after the other goes over one");
    let orders = count_orders();
    join_all((0..8).map(|_| actor.call(&orders))).await;
    let together = opened();
    assert!(together <= 8, "{together} for eight at the same time");
    // A large result that streams gives its connection back as well.
    app.demo
        .faults()
        .set_times("call_kw", 1, Fault::Huge { bytes: 100_000 });
    let partners = json!({"model": "res.partner", "method": "search_read", "args": [[]]});
    assert!(actor.call(&partners).await.text.len() > 100_000);
    actor.call(&count_orders()).await.data();
    assert_eq!(opened(), together);
}

#[sqlx::test]
async fn a_connection_that_was_closed_while_nobody_used_it_costs_no_call(pool: PgPool) {
    let odoo = Demo::start().await;
    odoo.demo.faults().keep_alive(true);
    let port = odoo.address.rsplit(':').next().and_then(|port| port.parse().ok());
    let wire = Wire::to("127.0.0.1".into(), port.expect("a port")).await;
    let url = wire.url();
    let (db, user, password) = (demo_odoo::DB, demo_odoo::USERNAME, demo_odoo::PASSWORD);
    let settings = [
        ["--odoo-url", &url],
        ["--odoo-db", db],
        ["--odoo-username", user],
        ["--odoo-password", password],
        ["--odoo-transport", "web"],
    ];
    let bridge = start(pool.clone(), &settings.concat()).await;
    let key = make_key(&pool, "kept", FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    // One that writes must not be sent twice: that nothing was sent must be certain.
    let create = json!({"model": "res.partner", "method": "create", "args": [[{"name": "Once"}]]});
    for _ in 0..5 {
        let orders = count_orders();
        for answer in join_all((0..4).map(|_| actor.call(&orders))).await {
            answer.data();
        }
        wire.cut();
        wire.mend();
        tokio::time::sleep(Duration::from_millis(50)).await;
        actor.call(&create).await.data();
    }
    let named = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=", "Once"]]]});
    assert_eq!(actor.call(&named).await.data(), &json!(5));
}

#[sqlx::test]
async fn the_version_is_told_without_json_rpc_and_a_bad_moment_does_not_change_how(pool: PgPool) {
    let (app, _) = by(pool, "web").await;
    let odoo = &app.bridge.state.odoo;
    let asked = || app.demo.counts().of("version");
    app.demo.faults().set_times("version", 1, Fault::html(502));
    assert!(odoo.version().await.is_err(), "a proxy's 502 is an Odoo that is away");
    assert!(odoo.version().await.is_ok());
    assert_eq!(asked(), 2, "JSON-RPC is still asked");
    app.demo.faults().close_way("/jsonrpc");
    for _ in 0..2 {
        assert_eq!(odoo.version().await.expect("told").server_version, "19.0");
    }
    assert_eq!(app.demo.counts().of("closed"), 1, "asked once, then no more");
}
