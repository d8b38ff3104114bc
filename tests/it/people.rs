//! Roles, invitations, the second factor, sessions, and the audit log, seen from outside.

use chrono::Utc;
use odoo_bridge::audit::chain::{self, Head};
use odoo_bridge::sealing::SealingKey;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::rights;
use odoo_bridge::session::sign_in;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use totp_rs::{Algorithm, Secret, TOTP};

use crate::helpers::{Actor, EMAIL, PASSWORD, TestApp, eventually, make_key, post_policy};

pub async fn person(app: &TestApp, email: &str, role: Role) -> Actor {
    sign_in::create_user(&app.pool, email, PASSWORD.into(), role)
        .await
        .expect("an account");
    let actor = app.anonymous();
    let (status, _) = send(
        &actor,
        "/api/sign_in",
        &[("email", email), ("password", PASSWORD), ("next", "")],
    )
    .await;
    assert!(status == 303 || status == 302, "{status}");
    actor
}

/// Sends a form as a browser does; the status and the page that comes back.
pub async fn send(actor: &Actor, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let request = actor.request(Method::POST, path).header("Accept", "text/html");
    let response = request.form(form).send().await.expect("an answer");
    let status = response.status().as_u16();
    let place = response
        .headers()
        .get("location")
        .map(|place| place.to_str().expect("text").to_owned());
    (status, place.unwrap_or(response.text().await.expect("a page")))
}

pub async fn page(actor: &Actor, path: &str) -> (u16, String) {
    let response = actor.get(path).await;
    (response.status().as_u16(), response.text().await.expect("a page"))
}

pub async fn actions(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT action FROM audit_events ORDER BY id")
        .fetch_all(pool)
        .await
        .expect("events")
}

/// What stands between `<tag id="…">` and the next tag.
pub fn text_of<'p>(page: &'p str, id: &str) -> &'p str {
    let at = page
        .find(&format!("id=\"{id}\""))
        .unwrap_or_else(|| panic!("no {id} in {page}"));
    let text = &page[at..];
    let text = &text[text.find('>').expect("a tag") + 1..];
    &text[..text.find('<').expect("its end")]
}

pub async fn id_of(pool: &PgPool, email: &str) -> String {
    sqlx::query_scalar("SELECT id::text FROM users WHERE email = $1")
        .bind(email)
        .fetch_one(pool)
        .await
        .expect("an id")
}

/// Makes the password of this person's sessions an hour old.
pub async fn grow_stale(pool: &PgPool) {
    sqlx::query("UPDATE sessions SET confirmed_at = now() - interval '1 hour'")
        .execute(pool)
        .await
        .expect("updated");
}

// ---- roles ----

#[sqlx::test]
async fn every_server_function_has_a_role_and_what_nobody_listed_is_the_admins(pool: PgPool) {
    let _app = TestApp::spawn(pool).await;
    let mut unlisted: Vec<&str> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, _)| path)
        .filter(|path| rights::needed(&Method::POST, path) == Role::Admin)
        .collect();
    unlisted.sort_unstable();
    assert!(
        unlisted.is_empty(),
        "decide who may do this, in session/rights.rs: {unlisted:?}"
    );
    assert_eq!(rights::needed(&Method::POST, "/api/of_tomorrow"), Role::Admin);
    assert_eq!(rights::needed(&Method::DELETE, "/keys"), Role::Admin);
}

#[sqlx::test]
async fn a_viewer_sees_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let viewer = person(&app, "viewer@example.com", Role::Viewer).await;
    let key = make_key(&app.pool, "watched", odoo_bridge::keys::policy::READ_ONLY).await;
    for path in [
        "/keys",
        "/guide",
        "/speed-test",
        "/connection",
        "/account",
        "/account/security",
    ] {
        let (status, text) = page(&viewer, path).await;
        assert_eq!(status, 200, "{path}: {text}");
    }
    let created = viewer
        .post_json(
            "/api/create_key",
            &json!({"name": "mine", "expiry": "never", "date": ""}),
        )
        .await;
    assert_eq!(created.status(), 403);
    let text = created.text().await.expect("a body");
    assert!(text.contains("\"forbidden\""), "{text}");
    let policy = format!("/keys/{}/policy", key.key.id);
    for (path, form) in [
        ("/api/revoke_key", vec![("id", key.key.id.to_string())]),
        (&*policy, vec![("do", "disable".to_owned())]),
        ("/api/run_speed_test", vec![("test_type", "light".to_owned())]),
        ("/people", vec![("do", "invite".to_owned())]),
    ] {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        let (status, text) = send(&viewer, path, &form).await;
        assert_eq!(status, 403, "{path}: {text}");
    }
    for path in ["/people", "/audit", "/audit.csv"] {
        assert_eq!(page(&viewer, path).await.0, 403, "{path}");
    }
    for path in [
        "/people",
        "people",
        "/people/",
        "//people",
        "/people//",
        "people/",
        "/audit",
        "//audit",
        "audit/",
    ] {
        let printed = viewer
            .post_json("/api/print_page", &json!({"path": path, "search": ""}))
            .await;
        let (status, text) = (printed.status(), printed.text().await.expect("a body"));
        assert!(
            status == 403 && !text.contains("@example.com"),
            "nor through the function that prints pages: {path}: {text}"
        );
    }
    for path in [
        "/people/x",
        "/%70eople",
        "/./people",
        "/people?x",
        "/People",
        "/audit.csv",
    ] {
        let printed = viewer
            .post_json("/api/print_page", &json!({"path": path, "search": ""}))
            .await;
        assert!(!printed.status().is_success(), "{path}");
    }
    let keys: i64 =
        sqlx::query_scalar("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND disabled_at IS NULL")
            .fetch_one(&app.pool)
            .await
            .expect("a count");
    assert_eq!(keys, 1, "nothing changed");
}

#[sqlx::test]
async fn an_operator_works_with_keys_and_not_with_people(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let operator = person(&app, "operator2@example.com", Role::Operator).await;
    let created = operator
        .post_json(
            "/api/create_key",
            &json!({"name": "mine", "expiry": "never", "date": ""}),
        )
        .await;
    assert_eq!(created.status(), 200);
    for path in ["/people", "/audit"] {
        assert_eq!(page(&operator, path).await.0, 403, "{path}");
    }
    assert_eq!(send(&operator, "/people", &[("do", "invite")]).await.0, 403);
}

#[sqlx::test]
async fn a_role_that_is_taken_binds_at_the_next_request_and_an_admin_is_always_left(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let other = person(&app, "other@example.com", Role::Admin).await;
    let id = |email: &'static str| {
        let pool = app.pool.clone();
        async move {
            sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM users WHERE email = $1")
                .bind(email)
                .fetch_one(&pool)
                .await
                .expect("an id")
                .to_string()
        }
    };
    let (own, others) = (id(EMAIL).await, id("other@example.com").await);
    let (status, text) = send(
        &admin,
        "/people",
        &[("do", "role"), ("user", &others), ("role", "viewer")],
    )
    .await;
    assert!(status == 200 && text.contains("The role is changed."), "{text}");
    assert_eq!(
        page(&other, "/people").await.0,
        403,
        "at once, in the session that is open"
    );
    for form in [
        vec![("do", "role"), ("user", &*own), ("role", "operator")],
        vec![("do", "remove"), ("user", &*own)],
    ] {
        let (_, text) = send(&admin, "/people", &form).await;
        assert!(text.contains("This is the last admin."), "{text}");
    }
    assert_eq!(page(&admin, "/people").await.0, 200);
    let (_, text) = send(&admin, "/people", &[("do", "remove"), ("user", &others)]).await;
    assert!(text.contains("other@example.com is removed"), "{text}");
    assert_eq!(page(&other, "/keys").await.0, 303, "signed out");
    assert!(
        actions(&app.pool)
            .await
            .ends_with(&["role_changed".into(), "user_removed".into()])
    );
}

#[sqlx::test]
async fn whoever_is_removed_may_take_their_keys_along(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let operator = person(&app, "leaves@example.com", Role::Operator).await;
    let created = operator
        .post_json(
            "/api/create_key",
            &json!({"name": "left behind", "expiry": "never", "date": ""}),
        )
        .await;
    let created: serde_json::Value = created.json().await.expect("a key");
    let id: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email = 'leaves@example.com'")
        .fetch_one(&app.pool)
        .await
        .expect("an id");
    let (_, text) = send(
        &admin,
        "/people",
        &[("do", "remove"), ("user", &id), ("revoke_keys", "yes")],
    )
    .await;
    assert!(text.contains("Keys revoked: 1."), "{text}");
    let client = Actor {
        key: created["plaintext"].as_str().map(str::to_owned),
        ..app.anonymous()
    };
    eventually("the key is refused", || async {
        client
            .call(&json!({"model": "res.partner", "method": "search_count", "args": [[]]}))
            .await
            .status
            == 401
    })
    .await;
}

// ---- the password once more ----

#[sqlx::test]
async fn what_is_dangerous_needs_a_fresh_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    grow_stale(&app.pool).await;
    let full = json!({"name": "all", "expiry": "never", "date": "", "access": "full"});
    assert_eq!(admin.post_json("/api/create_key", &full).await.status(), 403);
    let small = json!({"name": "little", "expiry": "never", "date": ""});
    assert_eq!(
        admin.post_json("/api/create_key", &small).await.status(),
        200,
        "this is not dangerous"
    );
    for (path, action) in [
        ("/people", "invite"),
        ("/account/security", "set_up"),
        ("/account/security", "turn_off"),
    ] {
        let (_, text) = send(
            &admin,
            path,
            &[("do", action), ("email", "a@example.com"), ("role", "viewer")],
        )
        .await;
        assert!(
            text.contains("needs your password once more"),
            "{path} {action}: {text}"
        );
    }
    assert!(page(&admin, "/people").await.1.contains("/confirm?next=/people"));

    let (_, text) = send(
        &admin,
        "/confirm",
        &[("password", "wrong horse battery"), ("next", "/people")],
    )
    .await;
    assert!(text.contains("The present password is wrong"), "{text}");
    let confirmed = send(
        &admin,
        "/confirm",
        &[("password", PASSWORD), ("next", "https://evil.example")],
    )
    .await;
    assert_eq!(confirmed, (303, "/keys".to_owned()), "nobody is led elsewhere");
    assert_eq!(admin.post_json("/api/create_key", &full).await.status(), 200);
    assert!(page(&admin, "/people").await.1.contains("Make the link"));
}

#[sqlx::test]
async fn no_way_to_full_access_leads_around_the_fresh_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let small = make_key(&app.pool, "to widen", odoo_bridge::keys::policy::READ_ONLY).await;
    let full = make_key(&app.pool, "all", odoo_bridge::keys::policy::FULL).await;
    let follower = make_key(&app.pool, "follows", odoo_bridge::keys::policy::FULL).await;
    let off = make_key(&app.pool, "off", odoo_bridge::keys::policy::FULL).await;
    let all = "{\"access\":\"full\"}";
    let share = [("do", "share"), ("shared_name", "Everything"), ("document", all)];
    assert!(
        post_policy(&admin, follower.key.id, &share)
            .await
            .1
            .contains("The policy is shared")
    );
    post_policy(&admin, off.key.id, &[("do", "disable")]).await;
    let shared = odoo_bridge::keys::shared_policies::list(&app.pool)
        .await
        .expect("a list")[0]
        .id
        .to_string();
    let rows = async || {
        let rows: Vec<String> = sqlx::query_scalar("SELECT api_keys::text FROM api_keys ORDER BY id")
            .fetch_all(&app.pool)
            .await
            .expect("rows");
        rows
    };
    grow_stale(&app.pool).await;
    let before = rows().await;
    for (key, form) in [
        (&small, vec![("do", "save"), ("document", all)]),
        (
            &small,
            vec![("do", "share"), ("shared_name", "Mine"), ("document", all)],
        ),
        (&small, vec![("do", "follow"), ("shared", &shared)]),
        (&follower, vec![("do", "save_shared"), ("document", all)]),
        (&full, vec![("do", "roll"), ("grace", "3600")]),
        (&follower, vec![("do", "roll"), ("grace", "3600")]),
        (&full, vec![("do", "limits"), ("limits", "{}")]),
        (&off, vec![("do", "enable")]),
    ] {
        let (status, text) = post_policy(&admin, key.key.id, &form).await;
        assert!(
            status == 200 && text.contains("needs your password once more"),
            "{form:?}: {text}"
        );
    }
    assert_eq!(rows().await, before, "nothing changed");
    // Taking away is never held up.
    let (_, text) = post_policy(&admin, full.key.id, &[("do", "disable")]).await;
    assert!(text.contains("The key is disabled now"), "{text}");
    send(&admin, "/confirm", &[("password", PASSWORD), ("next", "")]).await;
    let (_, text) = post_policy(&admin, follower.key.id, &[("do", "roll"), ("grace", "3600")]).await;
    assert!(text.contains("obk_"), "{text}");
}

// ---- invitations ----

#[sqlx::test]
async fn whoever_is_no_admin_any_more_has_no_invitations_out(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    for (email, change) in [
        ("demoted@example.com", vec![("do", "role"), ("role", "operator")]),
        ("removed@example.com", vec![("do", "remove")]),
    ] {
        let other = person(&app, email, Role::Admin).await;
        let back = format!("back-{email}");
        let form = [("do", "invite"), ("email", &*back), ("role", "admin")];
        let (_, text) = send(&other, "/people", &form).await;
        let link = text_of(&text, "invitation-link").replace(&app.address, "");
        let id = id_of(&app.pool, email).await;
        send(&admin, "/people", &[&change[..], &[("user", &*id)]].concat()).await;
        assert_eq!(
            send(&app.anonymous(), &link, &[("password", PASSWORD)]).await.0,
            404,
            "{email} does not come back as an admin"
        );
        assert!(actions(&app.pool).await.contains(&"invitation_withdrawn".into()));
    }
}

#[sqlx::test]
async fn an_invitation_makes_one_account_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let (_, text) = send(
        &admin,
        "/people",
        &[("do", "invite"), ("email", "New@example.com"), ("role", "operator")],
    )
    .await;
    let link = text_of(&text, "invitation-link").to_owned();
    let path = link.strip_prefix(&app.address).expect("our own origin");
    assert!(!page(&admin, "/people").await.1.contains(path), "it is shown once");

    let guest = app.anonymous();
    let (status, text) = page(&guest, path).await;
    assert!(
        status == 200 && text.contains("new@example.com") && text.contains("as operator"),
        "{text}"
    );
    let (_, text) = send(&guest, path, &[("password", "short")]).await;
    assert!(text.contains("too short"), "{text}");
    let joined = send(&guest, path, &[("password", "another good password")]).await;
    assert_eq!(joined, (303, "/keys".to_owned()));
    assert_eq!(page(&guest, "/keys").await.0, 200, "signed in");
    assert_eq!(page(&guest, "/people").await.0, 403, "as what was said");

    let second = app.anonymous();
    assert!(
        page(&second, path)
            .await
            .1
            .contains("This invitation is over or was used")
    );
    assert_eq!(
        send(&second, path, &[("password", "another good password")]).await.0,
        404
    );
    let (_, text) = send(
        &admin,
        "/people",
        &[("do", "invite"), ("email", "new@example.com"), ("role", "admin")],
    )
    .await;
    assert!(text.contains("There is an account with this email already"), "{text}");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM invitations")
        .fetch_one(&app.pool)
        .await
        .expect("a count");
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn an_invitation_ends_is_replaced_and_is_withdrawn(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let invite = async || {
        let (_, text) = send(
            &admin,
            "/people",
            &[("do", "invite"), ("email", "x@example.com"), ("role", "viewer")],
        )
        .await;
        text_of(&text, "invitation-link").replace(&app.address, "")
    };
    let (first, second) = (invite().await, invite().await);
    assert!(
        page(&app.anonymous(), &first).await.1.contains("is over or was used"),
        "replaced"
    );
    assert!(page(&app.anonymous(), &second).await.1.contains("x@example.com"));
    sqlx::query("UPDATE invitations SET expires_at = now()")
        .execute(&app.pool)
        .await
        .expect("updated");
    assert_eq!(
        send(&app.anonymous(), &second, &[("password", PASSWORD)]).await.0,
        404,
        "over"
    );
    let third = invite().await;
    let id: String = sqlx::query_scalar("SELECT id::text FROM invitations")
        .fetch_one(&app.pool)
        .await
        .expect("an id");
    send(&admin, "/people", &[("do", "withdraw"), ("invitation", &id)]).await;
    assert_eq!(
        send(&app.anonymous(), &third, &[("password", PASSWORD)]).await.0,
        404,
        "withdrawn"
    );
    let guesser = app.anonymous();
    for _ in 0..25 {
        let token = "A".repeat(43);
        send(&guesser, &format!("/join/{token}"), &[("password", PASSWORD)]).await;
    }
    let failures: i32 = sqlx::query_scalar("SELECT max(failures) FROM sign_in_failures")
        .fetch_one(&app.pool)
        .await
        .expect("a count");
    assert!(failures >= 20, "guesses are slowed: {failures}");
}

// ---- the second factor ----

pub fn codes_of(secret: &str) -> TOTP {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().expect("base32");
    TOTP::new(Algorithm::SHA1, 6, 1, 30, bytes, None, String::new()).expect("a secret")
}

/// The code of this many steps from now.
pub fn code_at(totp: &TOTP, steps: i64) -> String {
    totp.generate(u64::try_from(Utc::now().timestamp() + 30 * steps).expect("after 1970"))
}

#[sqlx::test]
async fn with_a_second_factor_the_password_alone_opens_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let elsewhere = app.signed_in().await;
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    assert!(text.contains("<svg"), "for the camera");
    let (_, text) = send(&admin, "/account/security", &[("do", "turn_on"), ("code", "000000")]).await;
    assert!(text.contains("The code is wrong"), "{text}");
    let (_, text) = send(
        &admin,
        "/account/security",
        &[("do", "turn_on"), ("code", &code_at(&totp, -1))],
    )
    .await;
    assert!(text.contains("The second factor is on."), "{text}");
    let codes: Vec<String> = text
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest[..rest.find('<').expect("an end")].to_owned())
        .collect();
    assert_eq!(codes.len(), 10, "{text}");
    assert_eq!(page(&elsewhere, "/keys").await.0, 303, "other sessions are ended");
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT totp_secret FROM users WHERE email = $1")
        .bind(EMAIL)
        .fetch_one(&app.pool)
        .await
        .expect("a secret");
    let secret = Secret::Encoded(totp.get_secret_base32()).to_bytes().expect("base32");
    assert!(
        !sealed.windows(secret.len()).any(|part| part == secret),
        "a copy of the database does not tell it"
    );

    let enter = async || {
        let actor = app.anonymous();
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/guide")];
        let led = send(&actor, "/api/sign_in", &form).await;
        assert_eq!(led, (303, "/login/code?next=%2Fguide".to_owned()));
        assert_eq!(page(&actor, "/keys").await.0, 303, "not signed in");
        assert_eq!(
            actor.post_json("/api/list_keys", &json!({"query": {}})).await.status(),
            401
        );
        actor
    };
    let give =
        async |actor: &Actor, code: &str| send(actor, "/login/code", &[("code", code), ("next", "/guide")]).await;

    let actor = enter().await;
    assert!(
        page(&actor, "/login/code?next=%2Fguide")
            .await
            .1
            .contains("authenticator app")
    );
    let (status, text) = give(&actor, "123").await;
    assert!(status == 200 && text.contains("The code is wrong"), "{text}");
    assert!(
        give(&actor, &code_at(&totp, -1)).await.1.contains("was used before"),
        "it was taken at set-up"
    );
    let code = code_at(&totp, 0);
    assert_eq!(give(&actor, &code).await, (303, "/guide".to_owned()));
    assert_eq!(page(&actor, "/keys").await.0, 200);

    let again = enter().await;
    assert!(
        give(&again, &code).await.1.contains("was used before"),
        "a code opens once"
    );
    let lower = codes[0].to_lowercase();
    assert_eq!(
        give(&again, &lower).await,
        (303, "/guide".to_owned()),
        "a recovery code"
    );
    let third = enter().await;
    assert_eq!(give(&third, &codes[0]).await.0, 200, "once");
    assert!(
        page(&again, "/account/security")
            .await
            .1
            .contains("Recovery codes left: 9")
    );
    assert_eq!(
        give(&app.anonymous(), &code_at(&totp, 1)).await.0,
        200,
        "the code alone opens nothing"
    );

    let events = actions(&app.pool).await;
    for action in ["second_factor_on", "sign_in_refused", "signed_in"] {
        assert!(events.iter().any(|event| event == action), "{action}: {events:?}");
    }
}

#[sqlx::test]
async fn wrong_codes_lock_as_wrong_passwords_do(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let (_, text) = send(&admin, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    send(
        &admin,
        "/account/security",
        &[("do", "turn_on"), ("code", &code_at(&totp, -1))],
    )
    .await;
    let actor = app.anonymous();
    for _ in 0..5 {
        // The right password, given anew, does not make the guesses forgotten.
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
        send(&actor, "/api/sign_in", &form).await;
        let (_, text) = send(&actor, "/login/code", &[("code", "abcdef")]).await;
        assert!(text.contains("The code is wrong"), "{text}");
    }
    let (_, text) = send(&actor, "/login/code", &[("code", &code_at(&totp, 0))]).await;
    assert!(text.contains("Too many attempts"), "even the right one: {text}");
}

#[sqlx::test]
async fn an_admin_turns_the_factor_of_somebody_off_who_lost_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    let lost = person(&app, "lost@example.com", Role::Viewer).await;
    let (_, text) = send(&lost, "/account/security", &[("do", "set_up")]).await;
    let totp = codes_of(text_of(&text, "totp-secret"));
    send(
        &lost,
        "/account/security",
        &[("do", "turn_on"), ("code", &code_at(&totp, 0))],
    )
    .await;
    let id: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email = 'lost@example.com'")
        .fetch_one(&app.pool)
        .await
        .expect("an id");
    let (_, text) = send(&admin, "/people", &[("do", "reset_factor"), ("user", &id)]).await;
    assert!(
        text.contains("The second factor is off, and passkeys are removed."),
        "{text}"
    );
    let again = app.anonymous();
    let form = [("email", "lost@example.com"), ("password", PASSWORD), ("next", "")];
    assert_eq!(send(&again, "/api/sign_in", &form).await, (303, "/keys".to_owned()));
}

// ---- sessions ----

#[sqlx::test]
async fn a_person_sees_where_they_are_signed_in_and_ends_it_there(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let here = person(&app, EMAIL, Role::Admin).await;
    let there = app.signed_in().await;
    let other = person(&app, "other@example.com", Role::Viewer).await;
    let (_, text) = page(&here, "/account/security").await;
    assert_eq!(
        text.matches("name=\"session\"").count(),
        1,
        "one other, and none of other people: {text}"
    );
    let id = text.split("name=\"session\" value=\"").nth(1).expect("an id");
    let id = &id[..id.find('"').expect("its end")];
    let (_, text) = send(&other, "/account/security", &[("do", "end"), ("session", id)]).await;
    assert!(text.contains("Sign-in and sessions"));
    assert_eq!(page(&there, "/keys").await.0, 200, "nobody ends another's");
    send(&here, "/account/security", &[("do", "end"), ("session", id)]).await;
    assert_eq!(page(&there, "/keys").await.0, 303);
    let (once, twice) = (app.signed_in().await, app.signed_in().await);
    let (_, text) = send(&here, "/account/security", &[("do", "end_others")]).await;
    assert!(text.contains("Other sessions ended: 2."), "{text}");
    for actor in [&once, &twice] {
        assert_eq!(page(actor, "/keys").await.0, 303);
    }
    assert_eq!(page(&here, "/keys").await.0, 200);
}

// ---- the audit log ----

fn key() -> SealingKey {
    use clap::Parser as _;
    let args = ["odoo-bridge", "--secret-key", crate::helpers::SECRET_KEY];
    let settings = odoo_bridge::config::Cli::try_parse_from(args)
        .expect("arguments")
        .settings;
    SealingKey::open(&settings).expect("a key")
}

#[sqlx::test]
async fn the_chain_tells_of_every_way_to_change_the_past(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    for number in 0..5 {
        make_key(&pool, &format!("key {number}"), odoo_bridge::keys::policy::READ_ONLY).await;
    }
    eventually("all is sealed", || async {
        let unsealed: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events WHERE sealed_no IS NULL")
            .fetch_one(&pool)
            .await
            .expect("a count");
        unsealed == 0
    })
    .await;
    app.bridge.stop().await;
    let whole = chain::verify(&pool, &key(), None).await.expect("looked at");
    assert_eq!((whole.head.number, &whole.broken, whole.unsealed), (5, &None, 0));

    let refused = sqlx::query("UPDATE audit_events SET subject_name = 'x'")
        .execute(&pool)
        .await;
    assert!(refused.is_err(), "the bridge's own SQL can't");
    let refused = sqlx::query("DELETE FROM audit_events").execute(&pool).await;
    assert!(refused.is_err());

    // Whoever owns the database can, and then it shows. Each in a copy.
    let forge = async |sql: &'static str| {
        let mut transaction = pool.begin().await.expect("begun");
        for sql in [
            "CREATE TABLE kept AS TABLE audit_events",
            "ALTER TABLE audit_events DISABLE TRIGGER USER",
            sql,
        ] {
            sqlx::query(sql).execute(&mut *transaction).await.expect(sql);
        }
        transaction.commit().await.expect("forged");
        let verified = chain::verify(&pool, &key(), Some(&whole.head))
            .await
            .expect("looked at");
        let mut transaction = pool.begin().await.expect("begun");
        for sql in [
            "DELETE FROM audit_events",
            "INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM kept",
            "DROP TABLE kept",
        ] {
            sqlx::query(sql).execute(&mut *transaction).await.expect(sql);
        }
        transaction.commit().await.expect("mended");
        verified.broken.map(|broken| broken.number)
    };
    for (sql, at) in [
        ("UPDATE audit_events SET subject_name = 'x' WHERE sealed_no = 2", 2),
        (
            "UPDATE audit_events SET happened_at = happened_at + interval '1 microsecond' WHERE sealed_no = 3",
            3,
        ),
        ("UPDATE audit_events SET after = NULL WHERE sealed_no = 1", 1),
        (
            "UPDATE audit_events SET user_email = 'x@example.com' WHERE sealed_no = 4",
            4,
        ),
        ("DELETE FROM audit_events WHERE sealed_no = 2", 2),
        ("DELETE FROM audit_events WHERE sealed_no = 5", 5),
        (
            "UPDATE audit_events SET seal = decode(repeat('00', 32), 'hex') WHERE sealed_no = 5",
            5,
        ),
        (
            "UPDATE audit_events SET sealed_no = NULL, seal = NULL, seal_key = NULL WHERE sealed_no = 1",
            1,
        ),
        (
            "UPDATE audit_events SET sealed_no = CASE sealed_no WHEN 2 THEN -3 ELSE -2 END WHERE sealed_no IN (2, 3)",
            2,
        ),
        ("UPDATE audit_events SET seal_key = 'other' WHERE sealed_no = 1", 1),
    ] {
        assert_eq!(forge(sql).await, Some(at), "{sql}");
    }
    assert_eq!(forge("SELECT 1").await, None, "the test itself changes nothing");
    let noted = Head {
        number: 3,
        seal: vec![0; 32],
    };
    let verified = chain::verify(&pool, &key(), Some(&noted)).await.expect("looked at");
    assert_eq!(verified.broken.map(|broken| broken.number), Some(3));
}

#[sqlx::test]
async fn two_bridges_seal_one_chain(pool: PgPool) {
    let (one, other) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool.clone()).await);
    let makers = (0..40).map(|number| {
        let pool = pool.clone();
        tokio::spawn(
            async move { make_key(&pool, &format!("key {number}"), odoo_bridge::keys::policy::READ_ONLY).await },
        )
    });
    let sealers = (0..20).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { chain::seal(&pool, &key()).await.expect("sealed") })
    });
    let (makers, sealers): (Vec<_>, Vec<_>) = (makers.collect(), sealers.collect());
    for maker in makers {
        maker.await.expect("made");
    }
    for sealer in sealers {
        sealer.await.expect("sealed");
    }
    one.bridge.stop().await;
    other.bridge.stop().await;
    let verified = chain::verify(&pool, &key(), None).await.expect("looked at");
    assert_eq!(
        (verified.head.number, verified.unsealed, verified.broken),
        (40, 0, None)
    );
}

#[sqlx::test]
async fn sign_ins_are_written_down_without_what_was_typed(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    for (email, password) in [(EMAIL, "a wrong password"), ("hunter2-typed-here@example.com", "x")] {
        let form = [("email", email), ("password", password), ("next", "")];
        send(&app.anonymous(), "/api/sign_in", &form).await;
    }
    send(&admin, "/api/sign_out", &[]).await;
    let events: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT action, subject_name, host(address) FROM audit_events ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("events");
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|(action, subject, _)| (&**action, &**subject))
        .collect();
    assert_eq!(
        told,
        [
            ("user_created", EMAIL),
            ("signed_in", EMAIL),
            ("sign_in_refused", EMAIL),
            ("sign_in_refused", "an unknown account"),
            ("signed_out", EMAIL),
        ]
    );
    assert!(
        events[1..]
            .iter()
            .all(|(.., address)| address.as_deref() == Some("127.0.0.1")),
        "{events:?}"
    );
    let all: Vec<String> = sqlx::query_scalar("SELECT audit_events::text FROM audit_events")
        .fetch_all(&pool)
        .await
        .expect("rows");
    assert!(
        !all.iter()
            .any(|row| row.contains("hunter2") || row.contains("wrong password")),
        "{all:?}"
    );
}

#[sqlx::test]
async fn the_audit_page_filters_pages_and_gives_csv(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = person(&app, EMAIL, Role::Admin).await;
    for number in 0..60 {
        make_key(&pool, &format!("=key {number}"), odoo_bridge::keys::policy::READ_ONLY).await;
    }
    let (status, text) = page(&admin, "/audit").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("=key 59") && !text.contains("=key 5<"),
        "the newest fifty"
    );
    let older = text
        .split("href=\"/audit?")
        .skip(1)
        .find(|link| link.starts_with("before="))
        .expect("a next page");
    let (_, text) = page(
        &admin,
        &format!("/audit?{}", &older[..older.find('"').expect("its end")]),
    )
    .await;
    assert!(text.contains("=key 5<") && !text.contains("=key 59"), "{text}");
    let (_, text) = page(&admin, "/audit?action=signed_in&subject=OPERATOR&from=2020-01-01").await;
    assert!(text.contains("signed in") && !text.contains("=key"), "{text}");
    let (_, text) = page(&admin, "/audit?action=nonsense&by=nobody%40example.com").await;
    assert!(
        text.contains("there is no such action") && text.contains("Take a filter away"),
        "{text}"
    );
    let (_, text) = page(&admin, "/audit?verify=yes").await;
    assert!(text.contains("The chain is whole"), "{text}");
    let csv = admin.get("/audit.csv?action=key_created").await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.text().await.expect("a file");
    assert_eq!(csv.lines().count(), 61, "{csv}");
    assert!(csv.contains(",'=key 59,"), "no formula: {csv}");
    assert_eq!(
        page(&app.anonymous(), "/audit.csv").await.0,
        303,
        "not without a session"
    );
}
