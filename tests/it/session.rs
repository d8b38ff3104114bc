//! Signing in, seen from outside: who gets in, who does not, and what a session
//! is worth.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use odoo_bridge::error::ErrorCode;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in::{self, Entered, SetupToken, ensure_first_user, has_users};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::helpers::{Actor, EMAIL, PASSWORD, TestApp};

const WRONG: &str = "wrong horse battery staple";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn here() -> IpAddr {
    address("192.0.2.1")
}

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().expect("an instant")
}

async fn user(pool: &PgPool) {
    sign_in::create_user(pool, EMAIL, PASSWORD.into(), Role::Admin)
        .await
        .expect("a user");
}

/// Without a second factor the password is enough.
fn opened(entered: Entered) -> sign_in::NewSession {
    match entered {
        Entered::Session(session) => session,
        Entered::CodeOwed(_) => panic!("a code is owed"),
    }
}

/// What a sign-in at `now` from `address` comes to.
async fn try_from(
    pool: &PgPool,
    email: &str,
    password: &str,
    address: IpAddr,
    now: DateTime<Utc>,
) -> Result<(), (ErrorCode, String, Option<u32>)> {
    let result = sign_in::sign_in(pool, email, password.into(), &address.into(), now).await;
    result
        .map(drop)
        .map_err(|error| (error.code, error.message.into_owned(), error.retry_after_secs))
}

async fn try_at(pool: &PgPool, email: &str, password: &str, now: DateTime<Utc>) -> Result<(), ErrorCode> {
    try_from(pool, email, password, here(), now)
        .await
        .map_err(|(code, ..)| code)
}

// ---- wrong passwords ----

#[sqlx::test]
async fn a_wrong_password_is_answered_the_same_as_an_unknown_account(pool: PgPool) {
    user(&pool).await;
    let from = |last: u8| IpAddr::from([192, 0, 2, last]);
    for attempt in 0..8 {
        let wrong = try_from(&pool, EMAIL, WRONG, from(1), now()).await;
        let unknown = try_from(&pool, "nobody@example.com", WRONG, from(2), now()).await;
        assert!(wrong.is_err());
        assert_eq!(
            wrong, unknown,
            "attempt {attempt}: the words, the lock and its end are the same"
        );
    }
}

#[sqlx::test]
async fn five_wrong_passwords_lock_the_account_even_for_the_right_one(pool: PgPool) {
    user(&pool).await;
    for _ in 0..5 {
        assert_eq!(
            try_at(&pool, EMAIL, WRONG, now()).await,
            Err(ErrorCode::Unauthenticated)
        );
    }
    let locked = try_from(&pool, EMAIL, PASSWORD, address("198.51.100.9"), now())
        .await
        .expect_err("locked, from anywhere");
    assert_eq!((locked.0, locked.2), (ErrorCode::RateLimited, Some(31)));
    assert_eq!(
        try_at(&pool, EMAIL, PASSWORD, now() + Duration::seconds(29)).await,
        Err(ErrorCode::RateLimited)
    );
    assert_eq!(
        try_at(&pool, EMAIL, PASSWORD, now() + Duration::seconds(30)).await,
        Ok(())
    );
}

#[sqlx::test]
async fn the_lock_grows_with_each_failure_and_a_success_forgets_them(pool: PgPool) {
    user(&pool).await;
    let mut clock = now();
    for _ in 0..5 {
        assert!(try_at(&pool, EMAIL, WRONG, clock).await.is_err());
    }
    clock += Duration::seconds(30);
    assert_eq!(
        try_at(&pool, EMAIL, WRONG, clock).await,
        Err(ErrorCode::Unauthenticated)
    );
    assert_eq!(
        try_at(&pool, EMAIL, PASSWORD, clock + Duration::seconds(59)).await,
        Err(ErrorCode::RateLimited)
    );
    clock += Duration::seconds(60);
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, clock).await, Ok(()));
    for _ in 0..4 {
        assert_eq!(
            try_at(&pool, EMAIL, WRONG, clock).await,
            Err(ErrorCode::Unauthenticated)
        );
    }
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, clock).await, Ok(()), "four are not five");
}

#[sqlx::test]
async fn attempts_during_the_lock_do_not_prolong_it(pool: PgPool) {
    user(&pool).await;
    for second in 0..20 {
        let _ = try_at(&pool, EMAIL, WRONG, now() + Duration::seconds(second)).await;
    }
    assert_eq!(
        try_at(&pool, EMAIL, PASSWORD, now() + Duration::seconds(34)).await,
        Ok(())
    );
}

#[sqlx::test]
async fn guesses_at_the_same_instant_are_counted_each(pool: PgPool) {
    user(&pool).await;
    let guesses = (0..16).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { try_at(&pool, EMAIL, WRONG, now()).await })
    });
    let mut checked = 0;
    for guess in guesses.collect::<Vec<_>>() {
        checked += usize::from(guess.await.expect("ran") == Err(ErrorCode::Unauthenticated));
    }
    assert_eq!(checked, 5, "the others were refused unseen");
}

#[sqlx::test]
async fn twenty_failures_lock_an_address_for_every_account(pool: PgPool) {
    user(&pool).await;
    for number in 0..20 {
        let email = format!("guess-{number}@example.com");
        assert_eq!(
            try_at(&pool, &email, WRONG, now()).await,
            Err(ErrorCode::Unauthenticated)
        );
    }
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, now()).await, Err(ErrorCode::RateLimited));
    assert!(
        try_from(&pool, EMAIL, PASSWORD, address("198.51.100.9"), now())
            .await
            .is_ok(),
        "others are not hit"
    );
}

#[sqlx::test]
async fn an_own_account_does_not_wipe_an_addresss_failures(pool: PgPool) {
    user(&pool).await;
    for number in 0..20 {
        let _ = try_at(&pool, &format!("guess-{number}@example.com"), WRONG, now()).await;
        let _ = try_at(&pool, EMAIL, PASSWORD, now()).await;
    }
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, now()).await, Err(ErrorCode::RateLimited));
}

#[sqlx::test]
async fn the_lock_survives_a_restart(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    user(&pool).await;
    for _ in 0..5 {
        assert_eq!(log_in(&app.anonymous(), PASSWORD_FORM_WRONG).await.status(), 401);
    }
    let again = TestApp::spawn(pool).await;
    let refused = log_in(&again.anonymous(), PASSWORD_FORM).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
}

#[sqlx::test]
async fn a_flood_of_wrong_passwords_leaves_no_email_in_the_table(pool: PgPool) {
    let _ = try_at(&pool, "nobody@example.com", WRONG, now()).await;
    let rows: Vec<String> = sqlx::query_scalar("SELECT subject FROM sign_in_failures")
        .fetch_all(&pool)
        .await
        .expect("rows");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| !row.contains("nobody")), "{rows:?}");
}

/// How many wrong passwords; RELIABILITY_SIGN_INS=10000 for the figure of docs/reliability.md.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
fn guesses() -> u32 {
    let guesses = std::env::var("RELIABILITY_SIGN_INS")
        .ok()
        .and_then(|guesses| guesses.parse().ok());
    guesses.unwrap_or(1_000)
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of docs/reliability.md, with --nocapture"
)]
#[sqlx::test]
async fn a_day_of_wrong_passwords_from_one_or_many_addresses_is_a_hundred_guesses(pool: PgPool) {
    user(&pool).await;
    let guesses = guesses();
    let pause = Duration::days(1) / i32::try_from(guesses).expect("not so many");
    for (round, from_many) in [(0, false), (2, true)] {
        let (mut clock, mut checked) = (now() + Duration::days(round), 0);
        for guess in 0..guesses {
            let from = if from_many {
                IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(guess) << 64).to_be_bytes())
            } else {
                here()
            };
            match try_from(&pool, EMAIL, WRONG, from, clock).await {
                Err((ErrorCode::Unauthenticated, ..)) => checked += 1,
                Err((ErrorCode::RateLimited, ..)) => {}
                other => panic!("{other:?}"),
            }
            clock += pause;
        }
        println!("{guesses} in a day, from many addresses: {from_many}: {checked} were checked");
        assert!((5..=110).contains(&checked), "{checked} of {guesses} were checked");
        let later = clock + Duration::minutes(15);
        assert_eq!(try_at(&pool, EMAIL, PASSWORD, later).await, Ok(()), "its owner gets in");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of docs/reliability.md, with --nocapture"
)]
#[sqlx::test]
async fn how_long_a_refusal_takes_does_not_tell_whether_an_account_exists(pool: PgPool) {
    user(&pool).await;
    let mut took = [Vec::new(), Vec::new()];
    for number in 0..60 {
        // A day later nothing is counted any more.
        let at = now() + Duration::days(2 * number);
        let mut pair = [(0, EMAIL), (1, "nobody@example.com")];
        // Neither is always the first after the other's pause.
        if number % 2 == 1 {
            pair.reverse();
        }
        for (kind, email) in pair {
            let started = std::time::Instant::now();
            assert_eq!(try_at(&pool, email, WRONG, at).await, Err(ErrorCode::Unauthenticated));
            took[kind].push(started.elapsed());
        }
    }
    // How often the one is slower than the other: half the time, if they are alike (0.05 either way).
    let [known, unknown] = &took;
    let slower = known
        .iter()
        .flat_map(|one| unknown.iter().map(move |other| one > other));
    let share = slower.clone().filter(|slower| *slower).count() as f64 / slower.count() as f64;
    println!("a known account is slower to refuse than an unknown one in {share:.2} of pairs");
    assert!((0.3..=0.7).contains(&share), "{share}");
}

// ---- the first user ----

async fn set_up(pool: &PgPool, expected: &SetupToken, token: &str, email: &str) -> Result<(), ErrorCode> {
    let result = sign_in::set_up(pool, expected, token, email, PASSWORD.into(), &here().into(), now()).await;
    result.map(drop).map_err(|error| error.code)
}

#[sqlx::test]
async fn the_setup_token_works_once(pool: PgPool) {
    let token = SetupToken::generate();
    assert_eq!(
        set_up(&pool, &token, "not it", EMAIL).await,
        Err(ErrorCode::Unauthenticated)
    );
    assert!(!has_users(&pool).await.expect("an answer"));
    assert_eq!(set_up(&pool, &token, token.reveal(), EMAIL).await, Ok(()));
    assert_eq!(
        set_up(&pool, &token, token.reveal(), "second@example.com").await,
        Err(ErrorCode::Conflict)
    );
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, now()).await, Ok(()));
}

#[sqlx::test]
async fn of_two_set_ups_at_the_same_instant_one_succeeds(pool: PgPool) {
    let token = SetupToken::generate();
    let both = (0..4).map(|number| {
        let (pool, token) = (pool.clone(), token.clone());
        tokio::spawn(async move { set_up(&pool, &token, token.reveal(), &format!("user-{number}@example.com")).await })
    });
    let mut results = Vec::new();
    for one in both.collect::<Vec<_>>() {
        results.push(one.await.expect("ran"));
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(users, 1);
}

#[sqlx::test]
async fn wrong_setup_tokens_are_slowed(pool: PgPool) {
    let token = SetupToken::generate();
    for _ in 0..20 {
        assert_eq!(
            set_up(&pool, &token, "guess", EMAIL).await,
            Err(ErrorCode::Unauthenticated)
        );
    }
    assert_eq!(
        set_up(&pool, &token, token.reveal(), EMAIL).await,
        Err(ErrorCode::RateLimited)
    );
}

#[sqlx::test]
async fn a_bad_email_or_password_makes_no_user_and_leaves_the_token_good(pool: PgPool) {
    let token = SetupToken::generate();
    assert_eq!(
        set_up(&pool, &token, token.reveal(), "not an email").await,
        Err(ErrorCode::InvalidRequest)
    );
    let short = sign_in::set_up(
        &pool,
        &token,
        token.reveal(),
        EMAIL,
        "short".into(),
        &here().into(),
        now(),
    )
    .await;
    assert_eq!(
        short.map(drop).map_err(|error| error.code),
        Err(ErrorCode::InvalidRequest)
    );
    assert_eq!(set_up(&pool, &token, token.reveal(), EMAIL).await, Ok(()));
}

#[sqlx::test]
async fn the_first_user_of_the_settings_is_made_only_while_there_is_none(pool: PgPool) {
    use clap::Parser as _;
    let args = [
        "odoo-bridge",
        "--admin-email",
        "Boss@example.com",
        "--admin-password",
        PASSWORD,
    ];
    let settings = odoo_bridge::config::Cli::try_parse_from(args)
        .expect("the arguments parse")
        .settings;
    assert!(ensure_first_user(&pool, &settings).await.expect("made"));
    assert!(!ensure_first_user(&pool, &settings).await.expect("left alone"));
    assert_eq!(try_at(&pool, "boss@EXAMPLE.com", PASSWORD, now()).await, Ok(()));
}

#[sqlx::test]
async fn one_email_is_one_account(pool: PgPool) {
    user(&pool).await;
    let again = sign_in::create_user(&pool, &EMAIL.to_uppercase(), PASSWORD.into(), Role::Admin).await;
    assert_eq!(again.map_err(|error| error.code), Err(ErrorCode::Conflict));
}

#[sqlx::test]
async fn a_fresh_bridge_leads_to_set_up_and_from_there_to_the_keys(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.anonymous();
    assert_eq!(place(&person.get("/keys").await), "/setup");
    assert_eq!(place(&person.get("/login").await), "/setup");
    let page = person.get("/setup").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.expect("a page");
    assert!(
        html.contains(r#"action="/api/set_up""#) && html.contains("new-password"),
        "{html}"
    );

    let token = app.bridge.state.setup_token.reveal().to_owned();
    let form = [("token", token.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let done = browser_form(&person, "/api/set_up", "/setup", &form).await;
    assert_eq!((done.status().as_u16(), place(&done).as_str()), (303, "/keys"));
    assert_eq!(person.get("/keys").await.status(), 200);
    assert_eq!(place(&app.anonymous().get("/setup").await), "/login");
}

// ---- sessions ----

const PASSWORD_FORM: &[(&str, &str)] = &[("email", EMAIL), ("password", PASSWORD), ("next", "")];
const PASSWORD_FORM_WRONG: &[(&str, &str)] = &[("email", EMAIL), ("password", WRONG), ("next", "")];

async fn log_in(actor: &Actor, form: &[(&str, &str)]) -> Response {
    actor.post_form("/api/sign_in", form).await
}

/// A form as a browser sends it from `page`.
async fn browser_form(actor: &Actor, path: &str, page: &str, form: &[(&str, &str)]) -> Response {
    actor
        .request(Method::POST, path)
        .header("Accept", "text/html,application/xhtml+xml")
        .header("Referer", format!("{}{page}", actor.address))
        .form(form)
        .send()
        .await
        .expect("the bridge answers")
}

fn place(response: &Response) -> String {
    let place = response.headers().get("location").and_then(|value| value.to_str().ok());
    place
        .unwrap_or_else(|| panic!("no redirect but {}", response.status()))
        .to_owned()
}

async fn code(response: Response) -> String {
    let body: Value = response.json().await.expect("JSON");
    body["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {body}"))
        .to_owned()
}

/// What a session is needed for.
fn all_keys() -> Value {
    json!({"query": {"search": "", "status": null, "sort": "name", "descending": false, "page": 1}})
}

async fn ask(actor: &Actor) -> Response {
    actor.post_json("/api/list_keys", &all_keys()).await
}

async fn count_keys(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM api_keys")
        .fetch_one(&app.pool)
        .await
        .expect("a count")
}

#[sqlx::test]
async fn without_a_session_no_page_and_no_function_answers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let stranger = app.anonymous();
    for page in ["/keys?status=active", "/guide", "/speed-test", "/account"] {
        let there = place(&stranger.get(page).await);
        let next = page.replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
        let expected = format!("/login?next={next}");
        assert_eq!(there, expected);
    }
    for function in [
        "list_keys",
        "create_key",
        "revoke_key",
        "run_speed_test",
        "change_password",
        "sign_out",
    ] {
        let refused = stranger.post_json(&format!("/api/{function}"), &json!({})).await;
        assert_eq!(
            (refused.status().as_u16(), code(refused).await.as_str()),
            (401, "unauthenticated"),
            "{function}"
        );
    }
    assert_eq!(count_keys(&app).await, 0);
}

#[sqlx::test]
async fn an_api_key_can_not_call_a_server_function(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let key = app.key("a key").await;
    let holder = app.with(&key);
    let body = json!({"name": "more", "expiry": "never", "date": ""});
    let refused = holder.post_json("/api/create_key", &body).await;
    assert_eq!(
        (refused.status().as_u16(), code(refused).await.as_str()),
        (401, "unauthenticated")
    );
    let bearer = holder
        .request(Method::POST, "/api/create_key")
        .bearer_auth(&key.plaintext)
        .json(&body);
    assert_eq!(bearer.send().await.expect("the bridge answers").status(), 401);
    assert!(place(&holder.get("/keys").await).starts_with("/login"));
    assert_eq!(count_keys(&app).await, 1);
}

#[sqlx::test]
async fn a_cookie_request_from_another_origin_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let body = json!({"name": "forged", "expiry": "never", "date": ""});
    let url = format!("{}/api/create_key", app.address);
    let own = app.address.as_str();
    let foreign: [&[(&str, &str)]; 6] = [
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[],
        &[("Referer", "https://evil.example/page")],
        &[("Origin", "https://evil.example"), ("Referer", own)],
        &[("Sec-Fetch-Site", "cross-site")],
    ];
    for headers in foreign {
        let mut request = person.client.post(&url).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refused = request.send().await.expect("the bridge answers");
        assert_eq!(
            (refused.status().as_u16(), code(refused).await.as_str()),
            (403, "forbidden_origin"),
            "{headers:?}"
        );
    }
    assert_eq!(count_keys(&app).await, 0);
    let fine = person
        .client
        .post(&url)
        .header("Sec-Fetch-Site", "same-origin")
        .json(&body)
        .send()
        .await;
    assert_eq!(fine.expect("the bridge answers").status(), 200);
}

#[sqlx::test]
async fn nobody_is_signed_in_from_another_site(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    let request = person
        .client
        .post(format!("{}/api/sign_in", app.address))
        .header("Origin", "https://evil.example");
    let refused = request.form(PASSWORD_FORM).send().await.expect("the bridge answers");
    assert_eq!(refused.status(), 403);
    assert!(refused.headers().get("set-cookie").is_none());
}

#[sqlx::test]
async fn signing_out_makes_the_cookie_useless(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    let cookie = session_cookie(&log_in(&person, PASSWORD_FORM).await);
    assert_eq!(ask(&person).await.status(), 200);
    let out = browser_form(&person, "/api/sign_out", "/keys", &[]).await;
    assert_eq!(place(&out), "/login");
    assert!(session_cookie(&out).contains("Max-Age=0"));
    let thief = app.anonymous();
    let pair = cookie.split(';').next().expect("a pair");
    let stolen = thief
        .request(Method::POST, "/api/list_keys")
        .header("Cookie", pair)
        .json(&all_keys());
    assert_eq!(stolen.send().await.expect("the bridge answers").status(), 401);
}

#[sqlx::test]
async fn a_sign_in_over_an_open_session_ends_that_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    let first = session_cookie(&log_in(&person, PASSWORD_FORM).await);
    let second = session_cookie(&log_in(&person, PASSWORD_FORM).await);
    for (cookie, status) in [(first, 401), (second, 200)] {
        let pair = cookie.split(';').next().expect("a pair").to_owned();
        let asked = app
            .anonymous()
            .request(Method::POST, "/api/list_keys")
            .header("Cookie", pair)
            .json(&all_keys());
        assert_eq!(asked.send().await.expect("the bridge answers").status(), status);
    }
}

fn session_cookie(response: &Response) -> String {
    let cookie = response
        .headers()
        .get("set-cookie")
        .unwrap_or_else(|| panic!("no cookie in {}", response.status()));
    cookie.to_str().expect("text").to_owned()
}

#[sqlx::test]
async fn the_cookie_is_secure_on_https(pool: PgPool) {
    let app = TestApp::spawn_with(pool.clone(), &["--public-url", "https://bridge.example.com"]).await;
    user(&pool).await;
    let request = app
        .anonymous()
        .client
        .post(format!("{}/api/sign_in", app.address))
        .header("Origin", "https://bridge.example.com");
    let cookie = session_cookie(&request.form(PASSWORD_FORM).send().await.expect("the bridge answers"));
    assert!(cookie.starts_with("__Host-bridge_session="), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");

    let plain = TestApp::spawn(pool).await;
    let forged = plain
        .anonymous()
        .request(Method::POST, "/api/sign_in")
        .header("X-Forwarded-Proto", "https");
    let cookie = session_cookie(&forged.form(PASSWORD_FORM).send().await.expect("the bridge answers"));
    assert!(
        cookie.starts_with("bridge_session=") && !cookie.contains("Secure"),
        "who is no proxy is not believed: {cookie}"
    );
}

#[sqlx::test]
async fn a_copy_of_the_sessions_table_signs_nobody_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let cookie = session_cookie(&log_in(&app.anonymous(), PASSWORD_FORM).await);
    let token = cookie.split(['=', ';']).nth(1).expect("a value");
    let rows: Vec<String> = sqlx::query_scalar("SELECT sessions::text FROM sessions")
        .fetch_all(&app.pool)
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].contains(token));
}

#[sqlx::test]
async fn an_idle_session_ends_and_a_used_one_ends_too_in_time(pool: PgPool) {
    user(&pool).await;
    let session = sign_in::sign_in(&pool, EMAIL, PASSWORD.into(), &here().into(), now())
        .await
        .map(opened)
        .expect("signed in");
    let token = session.token.hash();
    let alive = |at: Duration| {
        let pool = pool.clone();
        async move {
            sign_in::find_session(&pool, &token, now() + at)
                .await
                .expect("an answer")
                .is_some()
        }
    };
    assert!(alive(Duration::hours(11)).await);
    assert!(alive(Duration::hours(22)).await, "counted from the last request");
    assert!(!alive(Duration::hours(34)).await);

    let mut at = Duration::hours(22);
    while at < Duration::days(30) {
        assert!(alive(at).await, "{at}");
        at += Duration::hours(11);
    }
    assert!(!alive(Duration::days(30)).await, "the absolute end");
}

#[sqlx::test]
async fn when_a_session_was_seen_is_written_once_a_minute_at_most(pool: PgPool) {
    user(&pool).await;
    let session = sign_in::sign_in(&pool, EMAIL, PASSWORD.into(), &here().into(), now())
        .await
        .map(opened)
        .expect("signed in");
    let token = session.token.hash();
    let mut written = Vec::new();
    for secs in [0, 30, 59, 60, 119, 120] {
        sign_in::find_session(&pool, &token, now() + Duration::seconds(secs))
            .await
            .expect("an answer")
            .expect("alive");
        let seen: DateTime<Utc> = sqlx::query_scalar("SELECT last_seen_at FROM sessions")
            .fetch_one(&pool)
            .await
            .expect("a row");
        written.push((seen - now()).num_seconds());
    }
    assert_eq!(written, [0, 0, 0, 60, 60, 120]);
}

#[sqlx::test]
async fn what_is_over_is_cleaned_away(pool: PgPool) {
    user(&pool).await;
    assert_eq!(try_at(&pool, EMAIL, PASSWORD, now()).await, Ok(()));
    let _ = try_at(&pool, EMAIL, WRONG, now()).await;
    sign_in::clean_up(&pool, now() + Duration::hours(11))
        .await
        .expect("cleaned");
    let count = "SELECT (SELECT count(*) FROM sessions) * 10 + (SELECT count(*) FROM sign_in_failures)";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&pool)
            .await
            .expect("a count"),
        12,
        "nothing is over yet"
    );
    sign_in::clean_up(&pool, now() + Duration::hours(25))
        .await
        .expect("cleaned");
    assert_eq!(
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&pool)
            .await
            .expect("a count"),
        0
    );
}

#[sqlx::test]
async fn changing_the_password_ends_the_other_sessions(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (here, there) = (app.signed_in().await, app.signed_in().await);
    assert_eq!(ask(&there).await.status(), 200);
    let wrong = here
        .post_form(
            "/api/change_password",
            &[("old_password", WRONG), ("new_password", "a new password of mine")],
        )
        .await;
    assert_eq!(wrong.status(), 400);
    let short = here
        .post_form(
            "/api/change_password",
            &[("old_password", PASSWORD), ("new_password", "short")],
        )
        .await;
    assert_eq!(short.status(), 400);
    assert_eq!(ask(&there).await.status(), 200, "nothing changed so far");

    let form = [("old_password", PASSWORD), ("new_password", "a new password of mine")];
    assert_eq!(here.post_form("/api/change_password", &form).await.status(), 200);
    assert_eq!(ask(&here).await.status(), 200);
    assert_eq!(ask(&there).await.status(), 401);
    assert_eq!(
        log_in(&app.anonymous(), PASSWORD_FORM).await.status(),
        401,
        "the old one is over"
    );
    let new = [("email", EMAIL), ("password", "a new password of mine"), ("next", "")];
    assert_eq!(log_in(&app.anonymous(), &new).await.status(), 200);
}

#[sqlx::test]
async fn guessing_the_present_password_of_an_open_session_is_slowed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let form = [("old_password", WRONG), ("new_password", "a new password of mine")];
    for _ in 0..5 {
        assert_eq!(person.post_form("/api/change_password", &form).await.status(), 400);
    }
    let right = [("old_password", PASSWORD), ("new_password", "a new password of mine")];
    assert_eq!(person.post_form("/api/change_password", &right).await.status(), 429);
}

// ---- forms ----

#[sqlx::test]
async fn the_login_form_leads_to_the_page_that_was_wanted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    let page = person.get("/login?next=%2Fguide").await.text().await.expect("a page");
    assert!(
        page.contains(r#"action="/api/sign_in""#) && page.contains(r#"value="/guide""#),
        "{page}"
    );

    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/guide")];
    let done = browser_form(&person, "/api/sign_in", "/login?next=%2Fguide", &form).await;
    assert_eq!((done.status().as_u16(), place(&done).as_str()), (303, "/guide"));
    let guide = person.get("/guide").await;
    assert_eq!(guide.status(), 200);
    assert_eq!(guide.headers()["cache-control"], "no-store");
    assert_eq!(
        place(&person.get("/login").await),
        "/keys",
        "who is signed in needs no login page"
    );
}

#[sqlx::test]
async fn a_wrong_password_leads_back_to_the_form_with_the_error_and_not_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    let back = browser_form(&person, "/api/sign_in", "/login", PASSWORD_FORM_WRONG).await;
    assert_eq!(back.status(), 303);
    let there = place(&back);
    assert!(!there.contains("horse"), "{there}");
    let path = there
        .strip_prefix(&app.address)
        .unwrap_or_else(|| panic!("not our own page: {there}"));
    assert!(path.starts_with("/login?"), "{path}");
    let page = person.get(path).await.text().await.expect("a page");
    assert!(page.contains("The email or the password is wrong."), "{page}");
    assert!(
        page.contains(r#"aria-describedby="problem""#) && page.contains(r#"role="alert""#),
        "{page}"
    );

    let again = browser_form(&person, "/api/sign_in", path, PASSWORD_FORM_WRONG).await;
    assert_eq!(place(&again), there, "an address does not grow with each attempt");
}

#[sqlx::test]
async fn an_error_of_one_form_is_not_shown_by_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let back = browser_form(&app.anonymous(), "/api/sign_in", "/login", PASSWORD_FORM_WRONG).await;
    let there = place(&back).replace("sign_in", "set_up");
    let path = there.strip_prefix(&app.address).expect("our own page");
    let page = app.anonymous().get(path).await.text().await.expect("a page");
    assert!(
        page.contains(r#"name="password""#) && !page.contains(r#"role="alert""#),
        "{page}"
    );
}

#[sqlx::test]
async fn a_changed_password_is_said_and_a_failure_after_it_is_not_a_success(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let person = app.signed_in().await;
    let form = [("old_password", PASSWORD), ("new_password", "a new password of mine")];
    let done = browser_form(&person, "/api/change_password", "/account", &form).await;
    let page = place(&done);
    assert!(body(&person, &page).await.contains("The password is changed."));
    let wrong = browser_form(&person, "/api/change_password", &page, &form).await;
    let there = place(&wrong);
    let html = body(&person, there.strip_prefix(&app.address).expect("our own page")).await;
    assert!(
        html.contains("The present password is wrong.") && !html.contains("The password is changed."),
        "{html}"
    );
}

async fn body(actor: &Actor, path: &str) -> String {
    actor.get(path).await.text().await.expect("a page")
}

#[sqlx::test]
async fn a_forged_next_leads_nowhere_else(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", next)];
        let done = browser_form(&app.anonymous(), "/api/sign_in", "/login", &form).await;
        assert_eq!(place(&done), "/keys", "{next}");
    }
}

#[sqlx::test]
async fn a_hostile_form_or_cookie_is_an_error_in_words(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    user(&app.pool).await;
    let person = app.anonymous();
    for body in [
        "",
        "email=a",
        "email=a&password",
        "%ff%fe=%00",
        "email[]=a&password[x]=b&next=c",
        "{\"email\":1}",
    ] {
        let request = person
            .request(Method::POST, "/api/sign_in")
            .header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(body).send().await.expect("the bridge answers");
        assert!(
            !answer.status().is_success() && answer.headers().get("set-cookie").is_none(),
            "{body:?}"
        );
    }
    let form = [
        ("email", "a'; DROP TABLE users; --\u{0}"),
        ("password", "\u{0}"),
        ("next", "\u{0}"),
    ];
    assert_eq!(log_in(&person, &form).await.status(), 401);
    let cookie = person
        .request(Method::GET, "/keys")
        .header("Cookie", "bridge_session=%00..; =; bridge_session=AAAA");
    assert!(place(&cookie.send().await.expect("the bridge answers")).starts_with("/login"));
    assert!(has_users(&app.pool).await.expect("an answer"));
}

#[sqlx::test]
async fn while_the_database_is_away_a_page_says_so_in_a_sentence(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // Nobody listens on port 1.
    let away = sqlx::postgres::PgPoolOptions::new()
        .acquire_timeout(std::time::Duration::from_millis(200))
        .connect_lazy("postgres://postgres@127.0.0.1:1/away")
        .expect("an address");
    let state = odoo_bridge::state::AppState {
        pool: away,
        ..app.bridge.state.clone()
    };
    let service = odoo_bridge::server::router::Service::new(state);
    let ask = |method: &'static str, path: &'static str, accept: &'static str| {
        let service = service.clone();
        async move {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("Host", "bridge.example.com")
                .header("Origin", "http://bridge.example.com")
                .header("Accept", accept)
                .header("Cookie", format!("bridge_session={}", "A".repeat(43)))
                .body(axum::body::Body::empty())
                .expect("a request");
            let response = service.answer(request).await;
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 100_000).await.expect("a body");
            (parts, String::from_utf8(body.to_vec()).expect("text"))
        }
    };
    for page in ["/keys", "/login"] {
        let (parts, body) = ask("GET", page, "text/html").await;
        assert_eq!(
            (
                parts.status.as_u16(),
                &parts.headers["content-type"].to_str().expect("text")[..9]
            ),
            (503, "text/html")
        );
        assert!(
            body.contains("database can&#39;t be reached") || body.contains("database can't be reached"),
            "{body}"
        );
        assert!(parts.headers.contains_key("retry-after"));
    }
    let (parts, body) = ask("POST", "/api/list_keys", "application/json").await;
    assert_eq!(parts.status.as_u16(), 503);
    assert!(body.contains(r#""code":"unavailable""#), "{body}");
}

#[sqlx::test]
async fn no_page_can_be_framed_by_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let response = app.anonymous().get("/login").await;
    assert_eq!(response.headers()["content-security-policy"], "frame-ancestors 'none'");
    assert_eq!(response.headers()["x-frame-options"], "DENY");
}
