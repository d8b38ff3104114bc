//! Around a sign-in: browsers that are known, sessions that end with it, what is written down,
//! and what an admin sees and ends.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use odoo_bridge::error::ErrorCode;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in::{self, Client, Entered};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::{Actor, EMAIL, PASSWORD, TestApp, client, eventually};
use crate::people::{actions, code_at, codes_of, grow_stale, id_of, page, person, send, text_of};

const WRONG: &str = "wrong horse battery staple";

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().expect("an instant")
}

fn from(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Signs in at `now`; the client as the next request of this browser shows it.
async fn enter(pool: &PgPool, client: &Client, password: &str, now: DateTime<Utc>) -> Result<Client, ErrorCode> {
    match sign_in::sign_in(pool, EMAIL, password.into(), client, now).await {
        Ok(Entered::Session(session)) => Ok(Client {
            device: session.device.map(|device| device.hash()).or(client.device),
            ..client.clone()
        }),
        Ok(Entered::CodeOwed(_)) => panic!("a code is owed"),
        Err(error) => Err(error.code),
    }
}

async fn user(pool: &PgPool) {
    sign_in::create_user(pool, EMAIL, PASSWORD.into(), Role::Admin)
        .await
        .expect("a user");
}

/// How many wrong passwords; RELIABILITY_SIGN_INS=10000 for the figure of docs/reliability.md.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
fn guesses() -> u16 {
    let guesses = std::env::var("RELIABILITY_SIGN_INS").ok();
    guesses.and_then(|guesses| guesses.parse().ok()).unwrap_or(300)
}

#[sqlx::test]
async fn a_flood_of_wrong_passwords_over_http_from_many_addresses_is_five_guesses_and_one_for_each_lock(pool: PgPool) {
    user(&pool).await;
    let app = TestApp::spawn_with(pool, &["--trusted-proxies", "127.0.0.1"]).await;
    let stranger = app.anonymous();
    let (began, mut checked) = (std::time::Instant::now(), 0);
    for guess in 0..guesses() {
        let request = stranger
            .request(Method::POST, "/api/sign_in")
            .header("X-Forwarded-For", format!("2001:db8:0:{guess:x}::1"));
        let form = [("email", EMAIL), ("password", WRONG), ("next", "")];
        let response = request.form(&form).send().await.expect("an answer");
        match response.status().as_u16() {
            401 => checked += 1,
            429 => assert!(response.headers().contains_key("retry-after")),
            other => panic!("guess {guess}: {other}"),
        }
    }
    // The first lock takes 30 s, each further one longer.
    let most = 5 + began.elapsed().as_secs() / 30;
    assert!((5..=most).contains(&checked), "{checked} were checked, {most} at most");
}

// ---- browsers that are known ----

#[sqlx::test]
async fn while_others_keep_an_account_locked_its_owner_gets_in_with_a_known_browser(pool: PgPool) {
    user(&pool).await;
    let known = enter(&pool, &from(1).into(), PASSWORD, now()).await.expect("in");
    let mut clock = now();
    for guess in 0..20 {
        let _ = enter(&pool, &from(10 + guess).into(), WRONG, clock).await;
        clock += Duration::minutes(15);
    }
    clock -= Duration::minutes(14);
    let stranger = enter(&pool, &from(2).into(), PASSWORD, clock).await;
    assert_eq!(stranger.expect_err("locked"), ErrorCode::RateLimited);
    enter(&pool, &known, PASSWORD, clock).await.expect("the owner is in");
    let stranger = enter(&pool, &from(2).into(), PASSWORD, clock).await;
    assert_eq!(
        stranger.expect_err("still locked"),
        ErrorCode::RateLimited,
        "the owner's sign-in gives nobody else new guesses"
    );
}

#[sqlx::test]
async fn a_known_browser_is_locked_for_itself_and_known_for_its_own_account_only(pool: PgPool) {
    user(&pool).await;
    let known = enter(&pool, &from(1).into(), PASSWORD, now()).await.expect("in");
    for _ in 0..5 {
        assert_eq!(
            enter(&pool, &known, WRONG, now()).await.expect_err("wrong"),
            ErrorCode::Unauthenticated
        );
    }
    assert_eq!(
        enter(&pool, &known, PASSWORD, now()).await.expect_err("locked"),
        ErrorCode::RateLimited,
        "who took the browser guesses no better"
    );
    enter(&pool, &from(2).into(), PASSWORD, now())
        .await
        .expect("elsewhere nothing is locked");
    let other = "other@example.com";
    sign_in::create_user(&pool, other, PASSWORD.into(), Role::Viewer)
        .await
        .expect("a user");
    for _ in 0..6 {
        let _ = sign_in::sign_in(&pool, other, WRONG.into(), &from(3).into(), now()).await;
    }
    let elsewhere = Client {
        device: known.device,
        ..from(4).into()
    };
    let refused = sign_in::sign_in(&pool, other, PASSWORD.into(), &elsewhere, now()).await;
    assert_eq!(
        refused.err().map(|error| error.code),
        Some(ErrorCode::RateLimited),
        "to another account it is a stranger"
    );
}

#[sqlx::test]
async fn a_browser_is_known_by_a_cookie_that_opens_nothing_and_forgotten_with_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let here = person(&app, EMAIL, Role::Admin).await;
    let there = app.signed_in().await;
    let devices = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM known_devices")
            .fetch_one(&pool)
            .await
            .expect("a count")
    };
    assert_eq!(devices().await, 2);
    send(&there, "/api/sign_out", &[]).await;
    let response = there.get("/keys").await;
    assert_eq!(response.status(), 303, "the cookie that is left opens nothing");
    send(
        &there,
        "/api/sign_in",
        &[("email", EMAIL), ("password", PASSWORD), ("next", "")],
    )
    .await;
    assert_eq!(devices().await, 2, "it is the same browser");
    let new = "another good password";
    send(
        &here,
        "/api/change_password",
        &[("old_password", PASSWORD), ("new_password", new)],
    )
    .await;
    assert_eq!(devices().await, 1, "the others are strangers now");
}

// ---- sessions that end with a sign-in ----

#[sqlx::test]
async fn a_session_that_was_planted_is_not_the_one_of_whoever_signs_in(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let attacker = person(&app, "attacker@example.com", Role::Viewer).await;
    sign_in::create_user(&pool, EMAIL, PASSWORD.into(), Role::Admin)
        .await
        .expect("an account");
    // The victim's browser holds the attacker's cookies: as if they had been planted there.
    let victim = attacker.clone();
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
    let planted: Vec<u8> = sqlx::query_scalar("SELECT token_hash FROM sessions")
        .fetch_one(&pool)
        .await
        .expect("a session");
    send(&victim, "/api/sign_in", &form).await;
    assert_eq!(page(&victim, "/people").await.0, 200, "signed in as the victim");
    let sessions: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM sessions")
        .fetch_all(&pool)
        .await
        .expect("sessions");
    assert_eq!(sessions.len(), 1, "the planted one is over");
    assert_ne!(sessions[0], planted, "and not taken over");
}

#[sqlx::test]
async fn whoever_joins_or_owes_a_code_over_an_open_session_has_left_that_one(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let open = async |email: &str| -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = $1")
            .bind(email)
            .fetch_one(&pool)
            .await
            .expect("a count")
    };
    let viewer = person(&app, "viewer@example.com", Role::Viewer).await;
    let form = [("do", "invite"), ("email", "new@example.com"), ("role", "viewer")];
    let (_, text) = send(&admin, "/people", &form).await;
    let link = text_of(&text, "invitation-link").replace(&app.address, "");
    let joined = send(&viewer, &link, &[("password", "another good password")]).await;
    assert_eq!(joined, (303, "/keys".to_owned()));
    assert_eq!(
        (open("viewer@example.com").await, open("new@example.com").await),
        (0, 1)
    );

    // The admin has a second factor, and signs in in the browser of the new one.
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    let form = [("do", "turn_on"), ("code", &*code_at(&totp, -1))];
    send(&admin, "/account/security", &form).await;
    let browser = viewer;
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/guide")];
    assert_eq!(
        send(&browser, "/api/sign_in", &form).await.1,
        "/login/code?next=%2Fguide"
    );
    assert_eq!(open("new@example.com").await, 0, "nobody is signed in there now");
    assert_eq!(page(&browser, "/keys").await.0, 303);
    let form = [("code", &*code_at(&totp, 0)), ("next", "/guide")];
    assert_eq!(
        send(&browser, "/login/code", &form).await,
        (303, "/guide".to_owned()),
        "and the code is asked for and taken"
    );
    assert_eq!(page(&browser, "/people").await.0, 200);
}

#[sqlx::test]
async fn a_sign_in_without_a_code_does_not_overtake_the_second_factor(pool: PgPool) {
    user(&pool).await;
    // It is being turned on, and not committed yet.
    let mut turning_on = pool.begin().await.expect("begun");
    sqlx::query("UPDATE users SET totp_secret = 'sealed', totp_since = now()")
        .execute(&mut *turning_on)
        .await
        .expect("updated");
    let overtaking = tokio::spawn({
        let pool = pool.clone();
        async move { enter(&pool, &from(1).into(), PASSWORD, Utc::now()).await.map(drop) }
    });
    eventually("the sign-in waits for it", || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO sessions%'",
        )
        .fetch_one(&pool)
        .await
        .expect("a count");
        waiting == 1
    })
    .await;
    turning_on.commit().await.expect("committed");
    assert_eq!(
        overtaking.await.expect("no panic"),
        Err(ErrorCode::Unauthenticated),
        "it has to begin again, and then owes a code"
    );
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(sessions, 0);
}

#[sqlx::test]
async fn what_is_owed_after_the_password_ends_in_five_minutes_and_with_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    let form = [("do", "turn_on"), ("code", &*code_at(&totp, -1))];
    send(&admin, "/account/security", &form).await;
    let owing = async || {
        let actor = app.anonymous();
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
        send(&actor, "/api/sign_in", &form).await;
        actor
    };
    let late = owing().await;
    let ends: DateTime<Utc> = sqlx::query_scalar("SELECT expires_at FROM pending_sign_ins")
        .fetch_one(&pool)
        .await
        .expect("an end");
    assert!(ends <= Utc::now() + sign_in::CODE_WITHIN, "{ends}");
    sqlx::query("UPDATE pending_sign_ins SET expires_at = now()")
        .execute(&pool)
        .await
        .expect("updated");
    let code = code_at(&totp, 0);
    let (_, text) = send(&late, "/login/code", &[("code", &code)]).await;
    assert!(text.contains("That took too long"), "{text}");
    let overtaken = owing().await;
    let form = [("old_password", PASSWORD), ("new_password", "another good password")];
    send(&admin, "/api/change_password", &form).await;
    let (_, text) = send(&overtaken, "/login/code", &[("code", &code)]).await;
    assert!(
        text.contains("That took too long"),
        "with the password of before: {text}"
    );
}

// ---- what is written down ----

#[sqlx::test]
async fn every_refusal_around_a_sign_in_is_written_down_and_a_lock_once(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let form = [("token", "wrong"), ("email", EMAIL), ("password", PASSWORD)];
    send(&app.anonymous(), "/api/set_up", &form).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    send(
        &app.anonymous(),
        &format!("/join/{}", "A".repeat(43)),
        &[("password", PASSWORD)],
    )
    .await;
    send(&admin, "/confirm", &[("password", WRONG), ("next", "")]).await;
    send(&admin, "/confirm", &[("password", PASSWORD), ("next", "")]).await;
    let form = [("old_password", WRONG), ("new_password", "another good password")];
    send(&admin, "/api/change_password", &form).await;
    let stranger = app.anonymous();
    for _ in 0..9 {
        let form = [("email", EMAIL), ("password", WRONG), ("next", "")];
        send(&stranger, "/api/sign_in", &form).await;
    }
    let refused = ["sign_in_refused"; 5];
    let expected = [
        &[
            "set_up_refused",
            "user_created",
            "signed_in",
            "invitation_refused",
            "password_refused",
            "password_confirmed",
            "password_refused",
        ][..],
        &refused,
        &["sign_in_locked"],
    ]
    .concat();
    assert_eq!(actions(&pool).await, expected, "a flood against a lock is one line");
    let subjects: Vec<(Option<String>, String)> = sqlx::query_as(
        "SELECT user_email, subject_name FROM audit_events WHERE action IN ('sign_in_locked', 'password_refused') ORDER BY id",
    )
    .fetch_all(&pool)
    .await
    .expect("rows");
    let by = |email: Option<&str>| (email.map(str::to_owned), EMAIL.to_owned());
    assert_eq!(subjects, [by(Some(EMAIL)), by(Some(EMAIL)), by(None)]);
}

#[sqlx::test]
async fn a_speed_run_is_written_down_with_who_started_and_who_cancelled_it(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let operator = person(&app, "runs@example.com", Role::Operator).await;
    app.demo.faults().set_latency(std::time::Duration::from_secs(5));
    let form = [
        ("test", "light"),
        ("start", "warm"),
        ("samples", "10"),
        ("way", "jsonrpc"),
    ];
    let (status, place) = send(&operator, "/speed-test/runs", &form).await;
    assert_eq!(status, 303, "{place}");
    assert_eq!(send(&operator, &place, &[("do", "cancel")]).await.0, 303);
    let events: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT action, user_email FROM audit_events WHERE action LIKE 'speed%' ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("events");
    let by = Some("runs@example.com".to_owned());
    assert_eq!(
        events,
        [
            ("speed_run_started".to_owned(), by.clone()),
            ("speed_run_cancelled".to_owned(), by)
        ]
    );
}

// ---- sessions of others ----

#[sqlx::test]
async fn an_admin_sees_where_others_are_signed_in_and_ends_it_there(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let email = "lost-laptop@example.com";
    let other = person(&app, email, Role::Operator).await;
    let again = async || {
        let actor = app.anonymous();
        let form = [("email", email), ("password", PASSWORD), ("next", "")];
        send(&actor, "/api/sign_in", &form).await;
        actor
    };
    let (second, third) = (again().await, again().await);
    let id = id_of(&pool, email).await;
    let path = format!("/people?sessions={id}");
    assert_eq!(page(&other, &path).await.0, 403, "for admins only");
    let (_, text) = page(&admin, &path).await;
    assert!(text.contains(&format!("Where {email} is signed in")), "{text}");
    assert_eq!(text.matches("name=\"session\"").count(), 3, "{text}");
    let session: String =
        sqlx::query_scalar("SELECT id::text FROM sessions WHERE user_id = $1::uuid ORDER BY created_at")
            .bind(&id)
            .fetch_one(&pool)
            .await
            .expect("an id");

    grow_stale(&pool).await;
    let end = [("do", "end"), ("user", &*id), ("session", &*session)];
    let (_, text) = send(&admin, "/people", &end).await;
    assert!(text.contains("needs your password once more"), "{text}");
    assert_eq!(page(&other, "/keys").await.0, 200);
    send(&admin, "/confirm", &[("password", PASSWORD), ("next", "")]).await;
    let (_, text) = send(&admin, "/people", &end).await;
    assert!(text.contains("The session is ended."), "{text}");
    assert_eq!(page(&other, "/keys").await.0, 303);
    assert_eq!(page(&second, "/keys").await.0, 200);
    let (_, text) = send(&admin, "/people", &[("do", "end_others"), ("user", &id)]).await;
    assert!(text.contains(&format!("Sessions of {email} ended: 2.")), "{text}");
    for actor in [&second, &third] {
        assert_eq!(page(actor, "/keys").await.0, 303);
    }
    assert_eq!(page(&admin, "/people").await.0, 200, "the admin's own goes on");
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit_events WHERE action = 'session_ended' AND user_email = $1 AND subject_name = $2",
    )
    .bind(EMAIL)
    .bind(email)
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(ended, 3);
}

#[sqlx::test]
async fn a_live_view_ends_with_the_session_that_opened_it(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let other = person(&app, "watches@example.com", Role::Viewer).await;
    let mut live = watch(&other).await;
    let id = id_of(&pool, "watches@example.com").await;
    send(&admin, "/people", &[("do", "end_others"), ("user", &id)]).await;
    let ended = async { while let Ok(Some(_)) = live.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended)
        .await
        .expect("it ends");
}

async fn watch(actor: &Actor) -> reqwest::Response {
    let response = actor.get("/calls/live").await;
    assert_eq!(response.status(), 200);
    response
}

#[sqlx::test]
async fn no_role_gets_more_through_the_function_that_prints_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let viewer = person(&app, "viewer@example.com", Role::Viewer).await;
    let operator = person(&app, "operator2@example.com", Role::Operator).await;
    for path in odoo_bridge::printed::pages::PATHS {
        let path = path.replace("{id}", "x").replace("{code}", "x");
        for actor in [&viewer, &operator, &admin] {
            let by_page = page(actor, &path).await.0;
            let asked = json!({"path": path, "search": ""});
            let request = actor.request(Method::POST, "/api/print_page").json(&asked);
            let printed = request.send().await.expect("an answer").status();
            assert_eq!(
                by_page == 403,
                printed == 403,
                "{path}: {by_page} as a page, {printed} by the function"
            );
        }
    }
}

/// A browser that has the bridge open under a name, which its own machine's is.
async fn by_name(app: &TestApp, is_signed_in: bool) -> Actor {
    let address = app.anonymous().address.replace("127.0.0.1", "localhost");
    let actor = Actor {
        address,
        client: client(),
        key: None,
    };
    if is_signed_in {
        user(&app.pool).await;
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
        let response = actor.post_form("/api/sign_in", &form).await;
        assert!(response.status().as_u16() < 400, "{}", response.status());
    }
    actor
}

#[sqlx::test]
async fn a_passkey_is_asked_for_under_a_name_only_and_added_with_a_fresh_password_only(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let (person, stranger) = (by_name(&app, true).await, by_name(&app, false).await);
    let asked = stranger.post_json("/api/ask_for_passkey", &json!({})).await;
    assert_eq!(asked.status(), 200);
    let asked: serde_json::Value = asked.json().await.expect("a question");
    assert_eq!(asked["options"]["rpId"], "localhost");
    assert_eq!(asked["options"]["userVerification"], "required");
    assert_eq!(
        asked["options"]["allowCredentials"],
        json!([]),
        "it tells of nobody's passkeys"
    );

    let new = person.post_json("/api/ask_for_new_passkey", &json!({})).await;
    let new: serde_json::Value = new.json().await.expect("a question");
    assert_eq!(new["options"]["user"]["name"], EMAIL);
    assert_eq!(new["options"]["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(new["options"]["authenticatorSelection"]["userVerification"], "required");
    for path in ["/api/ask_for_new_passkey", "/api/add_passkey"] {
        assert_eq!(stranger.post_json(path, &json!({})).await.status(), 401, "{path}");
    }
    grow_stale(&pool).await;
    for path in ["/api/ask_for_new_passkey", "/api/add_passkey"] {
        assert_eq!(person.post_json(path, &json!({})).await.status(), 403, "{path}");
    }

    let asked = app.anonymous().post_json("/api/ask_for_passkey", &json!({})).await;
    assert_eq!(asked.status(), 400);
    let asked: serde_json::Value = asked.json().await.expect("a refusal");
    assert_eq!(asked["code"], "invalid_request");
}

#[sqlx::test]
async fn what_is_no_answer_to_a_question_of_ours_opens_nothing_and_locks_its_address(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let (person, stranger) = (by_name(&app, true).await, by_name(&app, false).await);
    let new = person.post_json("/api/ask_for_new_passkey", &json!({})).await;
    let for_something_else = new.json::<serde_json::Value>().await.expect("a question")["ceremony"].clone();
    let answer = json!({
        "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {},
        "response": {"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA", "userHandle": "AAAA"},
    });
    for (ceremony, status) in [(json!("AAAA"), 401), (for_something_else, 401), (json!(5), 400)] {
        let body = json!({"ceremony": ceremony, "credential": answer});
        let refused = stranger.post_json("/api/sign_in_with_passkey", &body).await;
        assert_eq!(refused.status(), status, "{ceremony}");
        assert!(refused.headers().get("set-cookie").is_none());
    }
    assert_eq!(
        actions(&pool)
            .await
            .iter()
            .filter(|action| *action == "sign_in_refused")
            .count(),
        2
    );
    let body = json!({"ceremony": "AAAA", "credential": answer});
    for _ in 0..18 {
        assert_eq!(
            stranger.post_json("/api/sign_in_with_passkey", &body).await.status(),
            401
        );
    }
    assert_eq!(
        stranger.post_json("/api/sign_in_with_passkey", &body).await.status(),
        429
    );
}
