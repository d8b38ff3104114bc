//! What a key may do: by default next to nothing, and never more than its policy says,
//! on any instance, from one second to the next.

use std::time::Duration;

use odoo_bridge::demo_odoo::Fault;
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::{CreatedKey, KeyName};
use odoo_bridge::keys::policy::{FULL, READ_ONLY};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::helpers::{Actor, Answer, TestApp, client, eventually, make_key, post_policy, start};

const PARTNERS: &str =
    r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;

async fn key(app: &TestApp, policy: &str) -> CreatedKey {
    make_key(&app.pool, "policy", policy).await
}

fn create() -> Value {
    json!({"model": "res.partner", "method": "create", "args": [{"name": "New"}]})
}

fn read(fields: &Value) -> Value {
    json!({"model": "res.partner", "method": "search_read", "args": [[]], "kwargs": {"limit": 1, "fields": fields}})
}

#[sqlx::test]
async fn a_new_key_reads_and_a_refused_call_reaches_odoo_in_no_form(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = KeyName::parse("new").expect("a name");
    let new = issue::create(&app.pool, NewKey::named(&name)).await.expect("a key");
    let actor = app.with(&new);
    actor.call(&read(&json!(["name", "email"]))).await.data();
    let before = app.demo.counts().total();
    let refused = actor.call(&create()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "policy_denied"),
        "{}",
        refused.text
    );
    assert_eq!(refused.json["details"], json!({"rule": "operation", "name": "create"}));
    assert_eq!(refused.json["retryable"], false);
    assert_eq!(app.demo.counts().total(), before, "Odoo was not asked");
}

#[sqlx::test]
async fn fields_that_are_not_given_are_put_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&key(&app, PARTNERS).await);
    for fields in [Value::Null, json!([]), json!(false), json!(["name"])] {
        let answer = actor.call(&read(&fields)).await;
        let record = answer.data()[0].as_object().expect("a record").clone();
        assert_eq!(record.keys().collect::<Vec<_>>(), ["id", "name"], "{fields}");
    }
    let refused = actor.call(&read(&json!(["email"]))).await;
    assert_eq!(refused.json["details"], json!({"rule": "read_fields", "name": "email"}));
}

#[sqlx::test]
async fn what_is_behind_a_relation_is_judged_by_odoos_own_fields(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let orders = r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read"]},
        {"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;
    let actor = app.with(&key(&app, orders).await);
    let search = |path: &str| json!({"model": "sale.order", "method": "search_count", "args": [[[path, "!=", "x"]]]});
    actor.call(&search("partner_id.name")).await.data();
    let asked = app.demo.counts().of("execute_kw");
    assert_eq!(asked, 2, "the fields, and the call");
    let refused = actor.call(&search("partner_id.email")).await;
    assert_eq!(refused.json["details"]["name"], "email", "{}", refused.text);
    let refused = actor.call(&search("no_such.email")).await;
    assert_eq!(refused.code(), "policy_denied");
    assert_eq!(
        app.demo.counts().of("execute_kw"),
        asked,
        "what is known is not asked again"
    );
}

#[sqlx::test]
async fn an_odoo_that_can_not_tell_its_fields_lets_nothing_through(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&key(&app, READ_ONLY).await);
    let deep = json!({"model": "sale.order", "method": "search_count", "args": [[["partner_id.name", "!=", "x"]]]});
    app.demo.faults().set_times("execute_kw", 1, Fault::html(502));
    assert_eq!(actor.call(&deep).await.code(), "odoo_unreachable");
    actor.call(&deep).await.data();
}

#[sqlx::test]
async fn a_policy_that_can_not_be_loaded_denies(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let broken = key(&app, FULL).await;
    let actor = app.with(&broken);
    actor.call(&create()).await.data();
    sqlx::query("UPDATE api_keys SET policy = '{\"access\":\"full\",\"new_word\":1}' WHERE id = $1")
        .bind(broken.key.id.0)
        .execute(&app.pool)
        .await
        .expect("an update");
    eventually("it is refused", || async {
        actor.call(&create()).await.json["code"] == "policy_denied"
    })
    .await;
    let refused = actor.call(&read(&json!(["name"]))).await;
    assert_eq!(refused.json["details"]["rule"], "policy", "{}", refused.text);
}

#[sqlx::test]
async fn a_change_binds_here_at_once_and_on_another_instance_within_a_second(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let other = start(pool, &["--odoo-transport", "jsonrpc"]).await;
    let person = app.signed_in().await;
    let changed = key(&app, FULL).await;
    let here = app.with(&changed);
    let there = Actor {
        address: format!("http://{}", other.address),
        client: client(),
        key: Some(changed.plaintext.clone()),
    };
    here.call(&create()).await.data();
    there.call(&create()).await.data();
    let (status, page) = post_policy(&person, changed.key.id, &[("do", "save"), ("document", READ_ONLY)]).await;
    assert!(status == 200 && page.contains("The policy is saved"), "{status} {page}");
    assert_eq!(here.call(&create()).await.code(), "policy_denied");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(there.call(&create()).await.code(), "policy_denied");
}

#[sqlx::test]
async fn a_shared_policy_is_edited_once_and_all_its_keys_follow(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let other = start(pool, &["--odoo-transport", "jsonrpc"]).await;
    let person = app.signed_in().await;
    let (first, second) = (key(&app, FULL).await, key(&app, FULL).await);
    let share = [("do", "share"), ("shared_name", "Robots"), ("document", READ_ONLY)];
    let (_, page) = post_policy(&person, first.key.id, &share).await;
    assert!(
        page.contains("The policy is shared.") && page.contains("Robots"),
        "{page}"
    );
    let (_, page) = post_policy(&person, second.key.id, &share).await;
    assert!(
        page.contains("There is a shared policy"),
        "a name is taken once: {page}"
    );
    let listed = odoo_bridge::keys::shared_policies::list(&app.pool)
        .await
        .expect("a list");
    let (_, page) = post_policy(
        &person,
        second.key.id,
        &[("do", "follow"), ("shared", &listed[0].id.to_string())],
    )
    .await;
    assert!(page.contains("as 2 keys do in all"), "{page}");

    let there = |key: &CreatedKey| Actor {
        address: format!("http://{}", other.address),
        client: client(),
        key: Some(key.plaintext.clone()),
    };
    for key in [&first, &second] {
        assert_eq!(app.with(key).call(&create()).await.code(), "policy_denied");
        eventually("there too", || async {
            there(key).call(&create()).await.json["code"] == "policy_denied"
        })
        .await;
    }
    post_policy(&person, first.key.id, &[("do", "save_shared"), ("document", FULL)]).await;
    for key in [&first, &second] {
        app.with(key).call(&create()).await.data();
        eventually("there too", || async { there(key).call(&create()).await.status == 200 }).await;
    }
    post_policy(&person, first.key.id, &[("do", "save"), ("document", READ_ONLY)]).await;
    assert_eq!(
        app.with(&first).call(&create()).await.code(),
        "policy_denied",
        "it has one of its own again"
    );
    app.with(&second).call(&create()).await.data();
}

#[sqlx::test]
async fn a_wrong_document_is_refused_by_its_word_and_the_draft_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let kept = key(&app, READ_ONLY).await;
    let draft = r#"{"access":"read_only","max_limits":5}"#;
    let (status, page) = post_policy(&person, kept.key.id, &[("do", "save"), ("document", draft)]).await;
    assert_eq!(status, 200);
    assert!(page.contains("unknown field `max_limits`"), "{page}");
    assert!(
        page.contains("max_limits&quot;:5") || page.contains("\"max_limits\":5"),
        "the draft is still there: {page}"
    );
    assert_eq!(
        issue::policy_of(&app.pool, kept.key.id).await.expect("a policy"),
        READ_ONLY
    );
}

#[sqlx::test]
async fn why_answers_without_a_call_and_without_saving(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let asked = key(&app, READ_ONLY).await;
    let ask = async |model: &str, method: &str, args: &str| {
        let form = [
            ("do", "why"),
            ("document", PARTNERS),
            ("model", model),
            ("method", method),
            ("args", args),
            ("kwargs", ""),
        ];
        post_policy(&person, asked.key.id, &form).await.1
    };
    let page = ask("res.partner", "search_read", "[[]]").await;
    assert!(
        page.contains("Allowed") && page.contains("By rule 1.") && page.contains("Odoo would get"),
        "{page}"
    );
    let page = ask("res.users", "search_read", "[[]]").await;
    assert!(
        page.contains("Refused") && page.contains("No rule of this key speaks of res.users."),
        "{page}"
    );
    let page = ask("res.partner", "search_read", "nonsense").await;
    assert!(page.contains("args and kwargs must be JSON."), "{page}");
    assert_eq!(app.demo.counts().of("execute_kw"), 0);
    assert_eq!(
        issue::policy_of(&app.pool, asked.key.id).await.expect("a policy"),
        READ_ONLY
    );
}

#[sqlx::test]
async fn a_key_is_switched_off_and_on(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let switched = key(&app, READ_ONLY).await;
    let actor = app.with(&switched);
    let unknown = {
        let mut actor = app.anonymous();
        actor.key = Some(odoo_bridge::keys::secret::PlainKey::generate().reveal());
        actor
    };
    actor.call(&read(&json!(["name"]))).await.data();
    let (_, page) = post_policy(&person, switched.key.id, &[("do", "disable")]).await;
    assert!(page.contains("The key is disabled now."), "{page}");
    let (refused, stranger) = (actor.call(&create()).await, unknown.call(&create()).await);
    assert_eq!((refused.status, refused.code()), (401, "unauthenticated"));
    assert_eq!(
        refused.json["error"], stranger.json["error"],
        "the same words as for a key that never was"
    );
    post_policy(&person, switched.key.id, &[("do", "enable")]).await;
    actor.call(&read(&json!(["name"]))).await.data();
}

#[sqlx::test]
async fn a_rolled_key_keeps_everything_and_the_old_one_ends(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let old = key(&app, PARTNERS).await;
    let (_, page) = post_policy(&person, old.key.id, &[("do", "roll"), ("grace", "900")]).await;
    let start = page.find("obk_").expect("a new key on the page");
    let plaintext: String = page[start..]
        .chars()
        .take_while(|char| char.is_ascii_alphanumeric() || *char == '_')
        .collect();
    let new = Actor {
        key: Some(plaintext),
        ..app.anonymous()
    };
    for actor in [&app.with(&old), &new] {
        actor.call(&read(&json!(["name"]))).await.data();
        assert_eq!(
            actor.call(&create()).await.code(),
            "policy_denied",
            "the policy is the same"
        );
    }
    let found = issue::find(&app.pool, old.key.id).await.expect("the old one");
    assert!(found.replaced_by.is_some());
    let left = found.expires_at.expect("an end") - found.created_at;
    assert!((890..=910).contains(&left.num_seconds()), "{left}");

    let (_, page) = post_policy(&person, old.key.id, &[("do", "roll"), ("grace", "0")]).await;
    assert!(page.contains("was not rolled before"), "{page}");
    let (_, page) = post_policy(
        &person,
        found.replaced_by.expect("the new one"),
        &[("do", "roll"), ("grace", "0")],
    )
    .await;
    assert!(page.contains("obk_"), "{page}");
    assert_eq!(
        new.call(&read(&json!(["name"]))).await.status,
        401,
        "without grace it ends at once"
    );
}

#[sqlx::test]
async fn the_policy_page_is_for_signed_in_people_and_own_pages_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let kept = key(&app, READ_ONLY).await;
    let path = format!("/keys/{}/policy", kept.key.id);
    let form = [("do", "save"), ("document", FULL)];
    let stranger = app
        .anonymous()
        .request(Method::POST, &path)
        .form(&form)
        .send()
        .await
        .expect("an answer");
    assert!(stranger.status().as_u16() != 200 || !stranger.text().await.expect("a page").contains("saved"));
    let person = app.signed_in().await;
    let foreign = person
        .client
        .post(format!("{}{path}", app.address))
        .header("Origin", "https://elsewhere.example.com")
        .form(&form)
        .send()
        .await
        .expect("an answer");
    assert_eq!(foreign.status(), 403);
    assert_eq!(
        issue::policy_of(&app.pool, kept.key.id).await.expect("a policy"),
        READ_ONLY
    );
    let page = person.get(&path).await;
    assert_eq!(page.status(), 200);
    assert!(
        page.text()
            .await
            .expect("a page")
            .contains("May read all business records")
    );
    assert_eq!(person.get("/keys/nonsense/policy").await.status(), 404);
}

#[sqlx::test]
async fn the_least_policy_is_learnt_from_calls_and_a_draft_is_held_against_them(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let learnt = key(&app, FULL).await;
    let actor = app.with(&learnt);
    for call in [read(&json!(["name"])), read(&json!(["email"])), create()] {
        actor.call(&call).await.data();
    }
    let pool = app.pool.clone();
    app.bridge.state.records.flush(&pool).await.expect("written");
    let (_, page) = post_policy(
        &person,
        learnt.key.id,
        &[
            ("do", "why"),
            ("document", READ_ONLY),
            ("model", "a"),
            ("method", "read"),
        ],
    )
    .await;
    assert!(
        page.contains("would refuse 1 of them for their model or method: res.partner.create"),
        "{page}"
    );
    let (_, page) = post_policy(&person, learnt.key.id, &[("do", "learn")]).await;
    assert!(
        page.contains("What it has called is in the editor") && page.contains("would refuse none"),
        "{page}"
    );
    let wide = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create","delete"],"methods":["message_post"]}]}"#;
    let (_, page) = post_policy(&person, learnt.key.id, &[("do", "save"), ("document", wide)]).await;
    assert!(
        page.contains("It has never used: delete on res.partner; message_post on res.partner."),
        "{page}"
    );
}

#[sqlx::test]
async fn a_note_is_kept_and_all_keys_of_a_person_are_revoked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let made = Answer::of(
        person
            .post_json(
                "/api/create_key",
                &json!({"name": "mine", "expiry": "never", "date": "", "share_reads": false, "access": "contacts"}),
            )
            .await,
    )
    .await;
    let (id, plaintext) = (
        made.json["key"]["id"].as_str().expect("an id"),
        made.json["plaintext"].as_str().expect("a key"),
    );
    assert_eq!(made.json["key"]["access"], "rules");
    let (_, page) = post_policy(&person, id, &[("do", "note"), ("note", "Ask <Ann>\r\nin the shop")]).await;
    assert!(
        page.contains("The note is saved.") && page.contains("Ask &lt;Ann>\nin the shop"),
        "{page}"
    );
    assert!(page.contains(&format!("Made by {}.", crate::helpers::EMAIL)), "{page}");
    let (_, page) = post_policy(&person, id, &[("do", "note"), ("note", &"x".repeat(1_001))]).await;
    assert!(page.contains("The note is too long"), "{page}");

    let stays = app.with(&key(&app, READ_ONLY).await);
    let mine = Actor {
        key: Some(plaintext.to_owned()),
        ..app.anonymous()
    };
    mine.call(&read(&json!(["name"]))).await.data();
    assert_eq!(
        issue::revoke_all_of(&app.pool, crate::helpers::EMAIL)
            .await
            .expect("revoked"),
        1
    );
    eventually("it is refused", || async {
        mine.call(&read(&json!(["name"]))).await.status == 401
    })
    .await;
    stays.call(&read(&json!(["name"]))).await.data();
}
