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
    assert_eq!(asked, 3, "the fields of two models, and the call");
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
    let all_follow = async {
        for key in [&first, &second] {
            app.with(key).call(&create()).await.data();
            eventually("there too", || async { there(key).call(&create()).await.status == 200 }).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), all_follow)
        .await
        .expect("all keys follow everywhere within a second");
    post_policy(&person, first.key.id, &[("do", "save"), ("document", READ_ONLY)]).await;
    assert_eq!(
        app.with(&first).call(&create()).await.code(),
        "policy_denied",
        "it has one of its own again"
    );
    app.with(&second).call(&create()).await.data();

    let rename = [("do", "rename_shared"), ("shared_name", "Machines")];
    let (_, page) = post_policy(&person, second.key.id, &rename).await;
    assert!(page.contains("has another name") && page.contains("Machines"), "{page}");
    let (_, page) = post_policy(&person, first.key.id, &rename).await;
    assert!(page.contains("follows no shared policy"), "{page}");
    let id = listed[0].id.to_string();
    let remove = [("do", "remove_shared"), ("shared", &*id)];
    let (_, page) = post_policy(&person, first.key.id, &remove).await;
    assert!(page.contains("Give them other policies first."), "{page}");
    person
        .post_form("/api/revoke_key", &[("id", &second.key.id.to_string())])
        .await;
    let (_, page) = post_policy(&person, first.key.id, &remove).await;
    assert!(page.contains("The shared policy is removed."), "{page}");
    assert_eq!(
        issue::policy_of(&app.pool, second.key.id).await.expect("a policy"),
        FULL,
        "a revoked key keeps what it had"
    );
}

#[sqlx::test]
async fn every_change_of_a_key_is_in_its_history_with_who_made_it_and_what_it_was(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let key = key(&app, READ_ONLY).await;
    let id = key.key.id;
    for form in [
        &[("do", "save"), ("document", FULL)][..],
        &[("do", "limits"), ("limits", r#"{"per_minute":60}"#)],
        &[("do", "note"), ("note", "Ask <Ann>")],
        &[("do", "note"), ("note", "Ask <Ann>")],
        &[("do", "share"), ("shared_name", "Robots"), ("document", READ_ONLY)],
        &[("do", "disable")],
        &[("do", "disable")],
        &[("do", "enable")],
        &[("do", "roll"), ("grace", "3600")],
    ] {
        assert_eq!(post_policy(&person, id, form).await.0, 200, "{form:?}");
    }
    let wrong = [("do", "save"), ("document", "{}")];
    post_policy(&person, id, &wrong).await;
    for path in ["/api/revoke_key", "/api/revoke_key"] {
        person.post_form(path, &[("id", &id.to_string())]).await;
    }
    type Row = (String, Option<String>, Option<String>, Option<String>, bool);
    let events: Vec<Row> = sqlx::query_as(
        "SELECT action, user_email, before, after, address IS NOT NULL FROM audit_events WHERE subject_id = $1 ORDER BY id",
    )
    .bind(id.0)
    .fetch_all(&app.pool)
    .await
    .expect("events");
    let actions: Vec<_> = events.iter().map(|event| event.0.as_str()).collect();
    assert_eq!(
        actions,
        [
            "key_created",
            "key_policy_set",
            "key_limits_set",
            "key_note_set",
            "key_follows_policy",
            "key_disabled",
            "key_enabled",
            "key_rolled",
            "key_revoked"
        ],
        "what changes nothing and what is refused is no change"
    );
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        events[0],
        (
            text("key_created").unwrap_or_default(),
            None,
            None,
            text(READ_ONLY),
            false
        )
    );
    let by = text(crate::helpers::EMAIL);
    assert!(events[1..].iter().all(|event| event.1 == by && event.4), "{events:?}");
    assert_eq!((&events[1].2, &events[1].3), (&text(READ_ONLY), &text(FULL)));
    assert_eq!((&events[4].2, &events[4].3), (&text(FULL), &text("Robots")));
    let all: Vec<String> = sqlx::query_scalar("SELECT COALESCE(before, '') || COALESCE(after, '') FROM audit_events")
        .fetch_all(&app.pool)
        .await
        .expect("events");
    assert!(all.iter().all(|text| !text.contains(&key.plaintext)));

    let page = person.get(&format!("/keys/{id}")).await.text().await.expect("a page");
    for text in [
        "History",
        "changed what the key may do.",
        "Ask &lt;Ann",
        "The command line",
        "revoked the key.",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[sqlx::test]
async fn the_list_tells_what_each_key_may_and_which_keys_somebody_should_look_at(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let (ending, unused) = (key(&app, FULL).await, key(&app, READ_ONLY).await);
    for (sql, id) in [
        (
            "UPDATE api_keys SET expires_at = now() + interval '13 days' WHERE id = $1",
            ending.key.id,
        ),
        (
            "UPDATE api_keys SET created_at = now() - interval '91 days' WHERE id = $1",
            unused.key.id,
        ),
    ] {
        sqlx::query(sql).bind(id.0).execute(&app.pool).await.expect("set");
    }
    let page = person.get("/keys").await.text().await.expect("a page");
    assert!(page.contains("Full access") && page.contains("Read only"), "{page}");
    assert!(
        page.contains("1 key ends within 14 days. 1 key was not used for 90 days."),
        "{page}"
    );
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

/// A key's plaintext on the page that shows it.
fn new_key_on(page: &str) -> String {
    let start = page.find("obk_").expect("a new key on the page");
    let is_part = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
    page[start..].chars().take_while(is_part).collect()
}

#[sqlx::test]
async fn a_rolled_key_keeps_owner_note_limits_and_what_it_used_of_its_quota(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let old = key(&app, READ_ONLY).await;
    let page = async |id, form: &[(&str, &str)]| post_policy(&person, id, form).await.1;
    let about = [("do", "note"), ("owner", "Ann"), ("note", "the robot")];
    assert!(page(old.key.id, &about).await.contains("The note is saved."));
    let limits = [("do", "limits"), ("limits", r#"{"per_day":3}"#)];
    assert!(page(old.key.id, &limits).await.contains("The limits are saved."));
    let count = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    for _ in 0..2 {
        app.with(&old).call(&count).await.data();
    }
    let rolled = page(old.key.id, &[("do", "roll"), ("grace", "604800")]).await;
    let new = Actor {
        key: Some(new_key_on(&rolled)),
        ..app.anonymous()
    };
    let id = issue::find(&app.pool, old.key.id)
        .await
        .expect("a key")
        .replaced_by
        .expect("another");
    let about = issue::about(&app.pool, id).await.expect("about it");
    assert_eq!((&*about.owner, &*about.note), ("Ann", "the robot"));
    assert_eq!(
        issue::limits_of(&app.pool, id).await.expect("limits"),
        r#"{"per_day":3}"#
    );
    // What was used is in the database a moment later.
    eventually("the uses of the old key are written", || async {
        let uses = sqlx::query_scalar::<_, i64>("SELECT COALESCE(sum(calls), 0)::bigint FROM key_uses");
        uses.fetch_one(&app.pool).await.expect("a number") == 2
    })
    .await;
    new.call(&count).await.data();
    assert_eq!(
        new.call(&count).await.code(),
        "quota_exceeded",
        "the quota goes on where it was"
    );
}

#[sqlx::test]
async fn the_old_key_goes_on_for_the_grace_that_was_chosen_and_then_ends(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    for grace in [3_600, 86_400, 604_800_i64] {
        let old = key(&app, READ_ONLY).await;
        let form = [("do", "roll"), ("grace", &*grace.to_string())];
        let (_, page) = post_policy(&person, old.key.id, &form).await;
        assert!(page.contains("obk_"), "{page}");
        let found = issue::find(&app.pool, old.key.id).await.expect("the old one");
        let left = found.expires_at.expect("an end") - found.created_at;
        assert!((grace - 10..=grace + 10).contains(&left.num_seconds()), "{left}");
        app.with(&old).call(&read(&json!(["name"]))).await.data();
        // Time flies.
        sqlx::query("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1")
            .bind(old.key.id.0)
            .execute(&app.pool)
            .await
            .expect("set");
        eventually("the old one is refused", || async {
            app.with(&old).call(&read(&json!(["name"]))).await.status == 401
        })
        .await;
    }
    let odd = key(&app, READ_ONLY).await;
    let (_, page) = post_policy(&person, odd.key.id, &[("do", "roll"), ("grace", "60")]).await;
    assert!(page.contains("Choose when the old key ends."), "{page}");
}

/// What the page of shared policies says to a form.
async fn post_policies(person: &Actor, form: &[(&str, &str)]) -> String {
    let request = person
        .request(Method::POST, "/policies")
        .header("Accept", "text/html")
        .form(form);
    request.send().await.expect("an answer").text().await.expect("a page")
}

#[sqlx::test]
async fn a_new_key_can_follow_a_shared_policy_from_the_start(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let send = async |form: &[(&str, &str)]| post_policies(&person, form).await;
    let page = send(&[("do", "create"), ("name", "Robots & <more>"), ("document", READ_ONLY)]).await;
    assert!(page.contains("The policy is made."), "{page}");
    let query = json!({"query": {"search": "", "status": null, "sort": "name", "descending": false, "page": 1}});
    let listed = Answer::of(person.post_json("/api/list_keys", &query).await).await;
    let accesses = listed.json["accesses"].as_str().expect("what may be chosen");
    let robots = "<optgroup label=\"Shared policies\"><option value=\"shared:Robots &amp; &lt;more&gt;\">Robots &amp; &lt;more&gt;";
    for choice in [
        r#"value="read_only""#,
        r#"value="stock_sync""#,
        robots,
        r#"value="full""#,
    ] {
        assert!(accesses.contains(choice), "{accesses}");
    }

    let make = async |access: &str| {
        let new = json!({"name": "robot", "expiry": "never", "date": "", "access": access});
        Answer::of(person.post_json("/api/create_key", &new).await).await
    };
    let made = make("shared:Robots & <more>").await;
    assert_eq!(made.status, 200, "{}", made.text);
    let robot = Actor {
        key: made.json["plaintext"].as_str().map(str::to_owned),
        ..app.anonymous()
    };
    robot.call(&read(&json!(["name"]))).await.data();
    assert_eq!(robot.call(&create()).await.code(), "policy_denied");

    // It follows: what is changed there binds here.
    let (id, _) = odoo_bridge::keys::shared_policies::called(&app.pool, "Robots & <more>")
        .await
        .expect("it is there");
    let orders = r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read"]}]}"#;
    let id = id.to_string();
    let change = [("do", "change"), ("policy", &*id), ("name", ""), ("document", orders)];
    let page = send(&change).await;
    assert!(page.contains("The policy is saved."), "{page}");
    assert_eq!(robot.call(&read(&json!(["name"]))).await.code(), "policy_denied");

    let missing = make("shared:Nobody's").await;
    assert_eq!(
        missing.json["code"], "not_found",
        "and no key is made: {}",
        missing.text
    );
    let keys = Answer::of(person.post_json("/api/list_keys", &query).await).await;
    assert_eq!(keys.json["total"], 1);
}

#[sqlx::test]
async fn shared_policies_have_a_page_of_their_own_also_those_that_no_key_follows(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let send = async |form: &[(&str, &str)]| post_policies(&person, form).await;
    let page = send(&[("do", "create"), ("name", "Robots"), ("document", READ_ONLY)]).await;
    assert!(
        page.contains("The policy is made.") && page.contains("No key follows it."),
        "{page}"
    );
    let page = send(&[("do", "create"), ("name", "Odd"), ("document", r#"{"access":"most"}"#)]).await;
    assert!(
        page.contains("most") && page.contains("unknown variant"),
        "the draft stays: {page}"
    );
    let (id, _) = odoo_bridge::keys::shared_policies::called(&app.pool, "Robots")
        .await
        .expect("it is there");
    let id = id.to_string();
    let of = |what: &'static str, name: &'static str, document: &'static str| {
        [("do", what), ("policy", ""), ("name", name), ("document", document)]
    };
    let sent = async |what, name, document| {
        let mut form = of(what, name, document).to_vec();
        form[1].1 = &id;
        send(&form).await
    };
    assert!(
        sent("rename", "Machines", "")
            .await
            .contains("The policy has another name.")
    );
    let changed = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read"]}]}"#;
    let page = sent("change", "Machines", changed).await;
    assert!(
        page.contains("The policy is saved.") && page.contains("May read the records of res.partner."),
        "{page}"
    );

    let follows = key(&app, FULL).await;
    post_policy(&person, follows.key.id, &[("do", "follow"), ("shared", &id)]).await;
    assert!(sent("remove", "", "").await.contains("Give them other policies first."));
    // Its history has what was done to the policy since.
    sent("change", "Machines", READ_ONLY).await;
    let asked = person
        .post_json("/api/print_key_calls", &json!({"id": follows.key.id}))
        .await;
    let history = asked.text().await.expect("HTML");
    assert!(history.contains("changed the shared policy"), "{history}");
    assert_eq!(
        history.matches("changed the shared policy").count(),
        1,
        "only since it follows: {history}"
    );
    post_policy(&person, follows.key.id, &[("do", "save"), ("document", READ_ONLY)]).await;
    assert!(sent("remove", "", "").await.contains("The policy is removed."));
    let page = person.get("/policies").await.text().await.expect("a page");
    assert!(page.contains("There is none yet."), "{page}");
    let stranger = app.anonymous().get("/policies").await;
    assert!(!stranger.status().is_success(), "{}", stranger.status());
}

#[sqlx::test]
async fn a_key_that_a_page_holds_follows_no_shared_policy_that_changes_things(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let (public, other) = (key(&app, READ_ONLY).await, key(&app, READ_ONLY).await);
    let page = async |id, form: &[(&str, &str)]| post_policy(&person, id, form).await.1;
    let origins = [
        ("do", "limits"),
        ("limits", r#"{"origins":["https://shop.example.com"]}"#),
    ];
    assert!(page(public.key.id, &origins).await.contains("The limits are saved."));
    let writes = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["write"]}]}"#;
    let share =
        |name: &'static str, document: &'static str| [("do", "share"), ("shared_name", name), ("document", document)];
    page(other.key.id, &share("Writes", writes)).await;
    let id = async |name| {
        let (id, _) = odoo_bridge::keys::shared_policies::called(&app.pool, name)
            .await
            .expect("it is there");
        id.to_string()
    };
    let follow = async |name| page(public.key.id, &[("do", "follow"), ("shared", &*id(name).await)]).await;
    assert!(follow("Writes").await.contains("public by nature"));
    page(other.key.id, &share("Reads", READ_ONLY)).await;
    assert!(follow("Reads").await.contains("follows the shared policy from now on"));
    let save = [("do", "save_shared"), ("document", writes)];
    assert!(
        page(other.key.id, &save).await.contains("public by nature"),
        "not by way of another key"
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
        page.contains("Odoo did 3 calls of this key in the last 30 days. This document would refuse 1 call:")
            && page.contains("res.partner.create<!></code> \u{2013} This key may not create"),
        "{page}"
    );
    let names =
        r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create"],"read_fields":["name"]}]}"#;
    let draft = [("do", "why"), ("document", names), ("model", "a"), ("method", "read")];
    let (_, page) = post_policy(&person, learnt.key.id, &draft).await;
    assert!(
        page.contains("would refuse 1 call:") && page.contains("may not read the field &quot;email&quot;")
            || page.contains("may not read the field \"email\""),
        "{page}"
    );
    let (_, page) = post_policy(&person, learnt.key.id, &[("do", "learn")]).await;
    assert!(
        page.contains("The least that covers what it has called is in the editor")
            && page.contains("would refuse none")
            && page.contains("\"read_fields\": [\n        \"email\",\n        \"name\"\n      ]"),
        "{page}"
    );
    let wide = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create","delete"],
        "methods":["message_post"],"read_fields":["name","email","vat"]}]}"#;
    let (_, page) = post_policy(&person, learnt.key.id, &[("do", "save"), ("document", wide)]).await;
    assert!(
        page.contains(
            "It has never used: delete on res.partner; message_post on res.partner; reading vat of res.partner."
        ),
        "{page}"
    );
    let kept: Vec<String> = sqlx::query_scalar("SELECT args || kwargs FROM call_shapes")
        .fetch_all(&pool)
        .await
        .expect("shapes");
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|shape| !shape.contains("Made")), "{kept:?}");
}

#[sqlx::test]
async fn a_draft_of_a_shared_policy_is_held_against_the_calls_of_all_its_keys(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let (one, other) = (key(&app, READ_ONLY).await, key(&app, READ_ONLY).await);
    let (_, page) = post_policy(
        &person,
        one.key.id,
        &[("do", "share"), ("document", READ_ONLY), ("shared_name", "Readers")],
    )
    .await;
    let id = page
        .split("<option value=\"")
        .find_map(|part| part.split_once('"').map(|(id, _)| id).filter(|id| id.len() == 36))
        .expect("the shared policy")
        .to_owned();
    post_policy(&person, other.key.id, &[("do", "follow"), ("shared", &id)]).await;
    for (made, calls) in [(&one, 1), (&other, 2)] {
        for _ in 0..calls {
            app.with(made).call(&read(&json!(["email"]))).await.data();
        }
    }
    let pool = app.pool.clone();
    app.bridge.state.records.flush(&pool).await.expect("written");
    let names = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;
    let draft = [("do", "why"), ("document", names), ("model", "a"), ("method", "read")];
    let (_, page) = post_policy(&person, one.key.id, &draft).await;
    assert!(
        page.contains("Odoo did 1 call of this key") && page.contains("it would refuse 3 calls of 2 keys."),
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
        issue::revoke_all_of(
            &app.pool,
            crate::helpers::EMAIL,
            &odoo_bridge::audit::log::Actor::COMMAND_LINE
        )
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

#[sqlx::test]
async fn all_keys_of_a_person_are_revoked_while_the_person_stays(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let (owned, other) = (key(&app, READ_ONLY).await, key(&app, READ_ONLY).await);
    let owner = [("do", "note"), ("owner", crate::helpers::EMAIL), ("note", "")];
    post_policy(&person, owned.key.id, &owner).await;
    let user = sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM users");
    let user = user.fetch_one(&app.pool).await.expect("one person").to_string();
    let request = person.request(Method::POST, "/people").header("Accept", "text/html");
    let request = request.form(&[("do", "revoke_keys"), ("user", &*user)]);
    let page = request.send().await.expect("an answer").text().await.expect("a page");
    assert!(
        page.contains("The account stays. Keys of") && page.contains("revoked: 1."),
        "{page}"
    );
    eventually("it is refused", || async {
        app.with(&owned).call(&read(&json!(["name"]))).await.status == 401
    })
    .await;
    app.with(&other).call(&read(&json!(["name"]))).await.data();
}

/// May search orders by the name of their partner, which needs the fields of both.
const ORDERS: &str = r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read"]},
    {"model":"res.partner","operations":["read"],"read_fields":["name"]}]}"#;

#[sqlx::test]
async fn what_many_calls_have_to_know_at_once_is_asked_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let actor = app.with(&key(&app, ORDERS).await);
    app.demo.faults().set_latency(Duration::from_millis(200));
    let search = json!({"model": "sale.order", "method": "search_count", "args": [[["partner_id.name", "!=", "x"]]]});
    let answers = futures_util::future::join_all((0..20).map(|_| actor.call(&search))).await;
    for answer in answers {
        answer.data();
    }
    assert_eq!(
        app.demo.counts().of("execute_kw"),
        22,
        "the fields of two models, and the calls"
    );
}

#[sqlx::test]
async fn a_flood_of_calls_whose_models_nobody_knows_yet_delays_no_other_key(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &["--odoo-transport", "jsonrpc", "--odoo-concurrent-calls", "1"]).await;
    let rules: Vec<_> = (0..40)
        .map(|number| json!({"model": format!("x.model{number}"), "operations": ["read"]}))
        .collect();
    let flooding = app.with(&key(&app, &json!({"access": "rules", "rules": rules}).to_string()).await);
    let single = app.with(&key(&app, ORDERS).await);
    single
        .call(&json!({"model": "sale.order", "method": "search_count", "args": [[]]}))
        .await
        .data();
    app.demo.faults().set_latency(Duration::from_millis(50));
    let flood: Vec<_> = (0..40)
        .map(|number| {
            let flooding = flooding.clone();
            tokio::spawn(async move {
                let domain = json!([[["other_id.name", "=", "x"]]]);
                let body = json!({"model": format!("x.model{number}"), "method": "search_count", "args": domain});
                flooding.call(&body).await
            })
        })
        .collect();
    eventually("the flood waits", || async {
        app.bridge.state.odoo.report().load.waiting > 20
    })
    .await;
    let search = json!({"model": "sale.order", "method": "search_count", "args": [[["partner_id.name", "!=", "x"]]]});
    let began = std::time::Instant::now();
    single.call(&search).await.data();
    let took = began.elapsed();
    let waiting = app.bridge.state.odoo.report().load.waiting;
    assert!(waiting > 5, "the flood still waits: {waiting} after {took:?}");
    for call in flood {
        call.await.expect("no panic");
    }
}

#[sqlx::test]
async fn what_odoo_marks_as_reading_is_asked_for_in_turn(pool: PgPool) {
    let args = ["--odoo-transport", "json2", "--odoo-concurrent-calls", "1"];
    let app = TestApp::spawn_with(pool, &args).await;
    let other = app.with(&app.key("other").await);
    let trusting = app.with(&key(&app, r#"{"access":"read_only","readonly_methods":true}"#).await);
    other.call(&read(&json!(["name"]))).await.data();
    app.demo.faults().set_latency(Duration::from_millis(600));
    let slow = {
        let other = other.clone();
        tokio::spawn(async move { other.call(&read(&json!(["name"]))).await })
    };
    eventually("it has the turn", || async {
        app.bridge.state.odoo.report().load.running == 1
    })
    .await;
    let asked = || app.demo.counts().of("doc-bearer");
    let before = asked();
    let marked = json!({"model": "sale.order", "method": "action_view_invoice", "args": [[1]]});
    let waits = {
        let trusting = trusting.clone();
        tokio::spawn(async move { trusting.call(&marked).await })
    };
    eventually("it waits for its turn", || async {
        app.bridge.state.odoo.report().load.waiting == 1
    })
    .await;
    assert_eq!(asked(), before, "not beside another call");
    slow.await.expect("no panic").data();
    waits.await.expect("no panic");
    assert!(asked() > before);
    // Nor while Odoo is left alone.
    app.demo.faults().clear();
    app.demo.faults().set(Fault::html(503));
    eventually("it is left alone", || async {
        other.call(&read(&json!(["name"]))).await.code() == "odoo_unavailable"
    })
    .await;
    let before = asked();
    let refused = json!({"model": "res.country", "method": "action_of_some_kind", "args": [[1]]});
    let refused = trusting.call(&refused).await;
    assert_eq!(refused.code(), "odoo_unavailable", "{}", refused.text);
    assert_eq!(asked(), before);
}
