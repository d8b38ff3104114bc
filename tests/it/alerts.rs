//! Alerts on scheduled speed runs: told when something changes and only then, once, by webhook
//! and by mail, over several instances and a kill; where they go to is known to nobody else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use reqwest::Method;
use ring::hmac;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::helpers::{Actor, EMAIL, PASSWORD, TestApp, eventually};
use crate::processes::Instance;
use crate::schedules::{DAILY, finished, make_due, send};

/// A webhook that came.
#[derive(Clone)]
struct Came {
    delivery: String,
    signature: String,
    text: String,
    body: Value,
}

/// Something that takes webhooks and answers as it is told to.
#[derive(Clone, Default)]
struct Hook {
    came: Arc<Mutex<Vec<Came>>>,
    /// The status of the next answers; 0: never.
    status: Arc<Mutex<u16>>,
}

impl Hook {
    fn answers(&self, status: u16) {
        *self.status.lock().expect("no panic") = status;
    }

    fn all(&self) -> Vec<Came> {
        self.came.lock().expect("no panic").clone()
    }

    fn events(&self) -> Vec<String> {
        let event = |came: &Came| came.body["event"].as_str().expect("an event").to_owned();
        self.all().iter().map(event).collect()
    }
}

/// It, and its address, which holds what nobody may log.
async fn hook() -> (Hook, String) {
    async fn take(State(hook): State<Hook>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers[name].to_str().expect("text").to_owned();
        let text = to_bytes(body, 1 << 20).await.expect("a body");
        let text = String::from_utf8(text.to_vec()).expect("text");
        hook.came.lock().expect("no panic").push(Came {
            delivery: header("x-bridge-delivery"),
            signature: header("x-bridge-signature"),
            body: serde_json::from_str(&text).expect("JSON"),
            text,
        });
        let status = *hook.status.lock().expect("no panic");
        if status == 0 {
            std::future::pending::<()>().await;
        }
        Response::builder()
            .status(status)
            // Whoever follows it comes here again.
            .header("location", "/elsewhere")
            .body(Body::empty())
            .expect("an answer")
    }
    let hook = Hook::default();
    hook.answers(200);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/canary-hook-8c1f", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(take).with_state(hook.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (hook, url)
}

/// Sends a form of the channels' page; the page that comes back.
async fn channels(person: &Actor, form: &[(&str, &str)]) -> String {
    let request = person.request(Method::POST, "/speed-test/channels");
    let request = request.header("Accept", "text/html").form(form);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{form:?}");
    response.text().await.expect("a page")
}

/// Adds a webhook; the key of its signatures.
async fn add_hook(admin: &Actor, url: &str) -> String {
    let form = [("do", "add"), ("name", "Team"), ("kind", "webhook"), ("address", url)];
    let html = channels(admin, &form).await;
    assert!(!html.contains("canary"), "what may be a password is not shown: {html}");
    let after = html.split("id=\"webhook-key\"").nth(1).expect("the key, once");
    let key = after.split('>').nth(1).and_then(|rest| rest.split('<').next());
    key.expect("the key").to_owned()
}

/// A daily schedule with a rule about its last run.
async fn make_rule(pool: &PgPool, person: &Actor, limit: &str, above: &str) {
    send(person, &DAILY).await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM speed_schedules")
        .fetch_one(pool)
        .await
        .expect("a schedule");
    let id = id.to_string();
    let rule = [
        ("do", "add_rule"),
        ("schedule", &*id),
        ("last_runs", "1"),
        ("limit", limit),
        ("above", above),
    ];
    assert!(send(person, &rule).await.contains("The alert rule is made"));
}

/// Lets the schedule run once more, to its end.
async fn run_again(pool: &PgPool) {
    let before = finished(pool).await;
    make_due(pool).await;
    eventually("a run", || async { finished(pool).await > before }).await;
}

async fn deliveries(pool: &PgPool, only: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM alert_deliveries WHERE {only}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(pool)
        .await
        .expect("a number")
}

const SLOW: Duration = Duration::from_millis(1_200);

#[sqlx::test]
async fn a_rule_fires_is_silent_is_over_and_fires_again_and_each_is_told_once_and_signed(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = app.signed_in().await;
    let (hook, url) = hook().await;
    let key = add_hook(&admin, &url).await;
    make_rule(&pool, &admin, "800", "ms").await;
    eventually("the first run", || async { finished(&pool).await == 1 }).await;
    for (latency, told) in [
        (Duration::ZERO, 0),
        (SLOW, 1),
        (SLOW, 1),
        (Duration::ZERO, 2),
        (Duration::ZERO, 2),
        (SLOW, 3),
    ] {
        app.demo.faults().set_latency(latency);
        run_again(&pool).await;
        // Written with the end of the run, so all of it is there by now.
        assert_eq!(deliveries(&pool, "true").await, told, "after a run with {latency:?}");
    }
    eventually("all is told", || async {
        deliveries(&pool, "sent_at IS NULL").await == 0
    })
    .await;
    assert_eq!(hook.events(), ["firing", "resolved", "firing"]);
    let first = &hook.all()[0];
    assert_eq!(first.body["schedule"], "Nights");
    assert_eq!(first.body["id"], *first.delivery);
    assert_eq!(first.body["ways"][0]["way"], "jsonrpc");
    assert_eq!(first.body["ways"][0]["limit_ms"], 800.0);
    assert!(
        first.body["ways"][0]["p95_ms"].as_f64() >= Some(1_200.0),
        "{}",
        first.text
    );
    let page = first.body["url"].as_str().expect("a link");
    assert!(page.starts_with("/speed-test/runs/"), "{page}");
    assert_eq!(admin.get(page).await.status(), 200);
    for came in hook.all() {
        let (at, tag) = came
            .signature
            .strip_prefix("t=")
            .and_then(|rest| rest.split_once(",v1="))
            .expect("both");
        let tag: Vec<u8> = (0..tag.len() / 2)
            .map(|index| u8::from_str_radix(&tag[2 * index..2 * index + 2], 16).expect("hex"))
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let signed = format!("{at}.{}", came.text);
        hmac::verify(&key, signed.as_bytes(), &tag).expect("the signature of this body");
    }
    let html = admin.get("/speed-test/schedules").await.text().await.expect("a page");
    assert!(html.contains(">Fires<"), "{html}");
    let html = admin.get("/speed-test/channels").await.text().await.expect("a page");
    assert_eq!(html.matches(">Told<").count(), 3, "{html}");
}

#[sqlx::test]
async fn a_rule_about_the_runs_before_keeps_its_limit_until_it_is_over(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = app.signed_in().await;
    let (hook, url) = hook().await;
    add_hook(&admin, &url).await;
    app.demo.faults().set_latency(Duration::from_millis(150));
    make_rule(&pool, &admin, "300", "percent").await;
    eventually("the first run", || async { finished(&pool).await == 1 }).await;
    run_again(&pool).await;
    app.demo.faults().set_latency(Duration::from_millis(1_500));
    run_again(&pool).await;
    assert_eq!(deliveries(&pool, "event = 'firing'").await, 1);
    // The runs before are slow themselves by now, and still it is not over.
    run_again(&pool).await;
    assert_eq!(deliveries(&pool, "true").await, 1);
    app.demo.faults().set_latency(Duration::from_millis(150));
    run_again(&pool).await;
    eventually("it is told", || async { hook.events() == ["firing", "resolved"] }).await;
}

#[sqlx::test]
async fn two_instances_tell_once_and_what_does_not_arrive_is_tried_again(pool: PgPool) {
    let (here, _there) = (TestApp::spawn(pool.clone()).await, TestApp::spawn(pool.clone()).await);
    let admin = here.signed_in().await;
    let (hook, url) = hook().await;
    add_hook(&admin, &url).await;
    // Wherever it leads: it is not followed.
    hook.answers(302);
    make_rule(&pool, &admin, "0.001", "ms").await;
    run_again(&pool).await;
    eventually("it is tried", || async {
        deliveries(&pool, "error LIKE 'it answered 302%'").await == 1
    })
    .await;
    hook.answers(500);
    eventually("it is tried again", || async {
        deliveries(&pool, "error = 'it answered 500'").await == 1
    })
    .await;
    let html = admin.get("/speed-test/channels").await.text().await.expect("a page");
    assert!(
        html.contains(">On its way<") && html.contains("it answered 500"),
        "{html}"
    );
    hook.answers(204);
    sqlx::query("UPDATE alert_deliveries SET next_at = now()")
        .execute(&pool)
        .await
        .expect("a time");
    eventually("it is told", || async {
        deliveries(&pool, "sent_at IS NOT NULL").await == 1
    })
    .await;
    let tries = hook.all();
    assert!(tries.len() >= 3, "{}", tries.len());
    assert!(
        tries.iter().all(|came| came.delivery == tries[0].delivery),
        "one delivery"
    );
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM alert_deliveries")
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert_eq!(
        attempts as usize,
        tries.len(),
        "no instance sends what the other one took"
    );
    // Both look each second: whatever one would tell again had its time.
    run_again(&pool).await;
    assert_eq!(hook.all().len(), tries.len(), "told once");
}

#[sqlx::test]
async fn an_alert_that_was_written_and_not_told_is_told_after_a_kill(pool: PgPool) {
    sign_in::create_user(&pool, EMAIL, PASSWORD.to_owned().into(), Role::Admin)
        .await
        .expect("a person");
    let mut instance = Instance::start(&pool, &[]).await;
    let admin = instance.actor(None);
    let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
    admin.post_form("/api/sign_in", &form).await;
    let (hook, url) = hook().await;
    add_hook(&admin, &url).await;
    // It takes the request, and never answers.
    hook.answers(0);
    make_rule(&pool, &admin, "0.001", "ms").await;
    make_due(&pool).await;
    eventually("it is on its way", || async { hook.all().len() == 1 }).await;
    let id = instance
        .child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .expect("it runs");
    kill_process(Pid::from_raw(id).expect("a number"), Signal::KILL).expect("killed");
    instance.child.wait().await.expect("it is gone");
    assert_eq!(deliveries(&pool, "sent_at IS NULL").await, 1);

    hook.answers(200);
    let _again = Instance::start(&pool, &[]).await;
    // Not before who took it has had its time; that is not waited for here.
    sqlx::query("UPDATE alert_deliveries SET next_at = now()")
        .execute(&pool)
        .await
        .expect("a time");
    eventually("it is told", || async {
        deliveries(&pool, "sent_at IS NOT NULL").await == 1
    })
    .await;
    let came = hook.all();
    assert_eq!((came.len(), came[0].delivery == came[1].delivery), (2, true));
}

#[sqlx::test]
async fn a_test_says_whether_it_arrived_and_why_not(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = app.signed_in().await;
    let (hook, url) = hook().await;
    add_hook(&admin, &url).await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM alert_channels")
        .fetch_one(&pool)
        .await
        .expect("a channel");
    let id = id.to_string();
    let test = [("do", "test"), ("channel", &*id)];
    assert!(channels(&admin, &test).await.contains("The test arrived."));
    assert_eq!(hook.events(), ["test"]);
    hook.answers(404);
    assert!(
        channels(&admin, &test)
            .await
            .contains("The test did not arrive: it answered 404.")
    );
    // Without a mail server a letter goes nowhere, and says so.
    let form = [
        ("do", "add"),
        ("name", "Ann"),
        ("kind", "email"),
        ("address", "ann@example.com"),
    ];
    assert!(channels(&admin, &form).await.contains("The channel is added"));
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM alert_channels WHERE kind = 'email'")
        .fetch_one(&pool)
        .await
        .expect("a channel");
    let html = channels(&admin, &[("do", "test"), ("channel", &id.to_string())]).await;
    assert!(html.contains("no mail server is set (BRIDGE_SMTP_URL)"), "{html}");
}

#[sqlx::test]
async fn a_channel_is_sealed_is_the_admins_and_leads_nowhere_forbidden(pool: PgPool) {
    let app = TestApp::spawn(pool.clone()).await;
    let admin = app.signed_in().await;
    let (_hook, url) = hook().await;
    add_hook(&admin, &url).await;
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM alert_channels")
        .fetch_one(&pool)
        .await
        .expect("a channel");
    assert!(
        !sealed.windows(6).any(|part| part == b"canary"),
        "a copy of the database tells nothing"
    );
    let told: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT action, after FROM audit_events WHERE subject_name = 'Team'")
            .fetch_all(&pool)
            .await
            .expect("events");
    assert_eq!(told, [("alert_channel_added".to_owned(), Some("Webhook".to_owned()))]);
    for (kind, address, sentence) in [
        (
            "webhook",
            "http://169.254.169.254/latest",
            "Address: it must not be a link-local",
        ),
        ("webhook", "ftp://hooks.example.com", "Address: it must begin with http"),
        ("webhook", "hooks.example.com", "Address: it looks like https://"),
        ("email", "nobody", "Address: it looks like ann@example.com."),
        ("fax", "1", "Kind: choose webhook or e-mail."),
    ] {
        let form = [("do", "add"), ("name", "New"), ("kind", kind), ("address", address)];
        let html = channels(&admin, &form).await;
        assert!(html.contains(sentence), "{address}: {html}");
    }
    let form = [("do", "add"), ("name", "Team"), ("kind", "webhook"), ("address", &*url)];
    assert!(
        channels(&admin, &form)
            .await
            .contains("there is a channel of this name already")
    );
    // Operators make rules; where it leads to is the admins'.
    sign_in::create_user(&app.pool, "op@example.com", PASSWORD.to_owned().into(), Role::Operator)
        .await
        .expect("a person");
    let operator = app.anonymous();
    let form = [("email", "op@example.com"), ("password", PASSWORD), ("next", "")];
    operator.post_form("/api/sign_in", &form).await;
    let refused = operator.get("/speed-test/channels").await.text().await.expect("a page");
    assert!(refused.contains("Only an admin may do this."), "{refused}");
    let form = [("do", "add"), ("name", "Mine"), ("kind", "webhook"), ("address", &*url)];
    assert_eq!(operator.post_form("/speed-test/channels", &form).await.status(), 403);
    let html = operator
        .get("/speed-test/schedules")
        .await
        .text()
        .await
        .expect("a page");
    assert!(html.contains("One channel is told."), "{html}");
    // Removed: nobody is told.
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM alert_channels")
        .fetch_one(&pool)
        .await
        .expect("a channel");
    let html = channels(&admin, &[("do", "remove"), ("channel", &id.to_string())]).await;
    assert!(html.contains("nobody is told of anything"), "{html}");
}

/// A mail server that takes every letter, or refuses every mailbox.
async fn mail_server(refuses: bool) -> (Arc<Mutex<Vec<String>>>, String) {
    async fn serve(stream: TcpStream, refuses: bool, letters: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 mail.example.com\r\n").await?;
        let mut letter: Option<String> = None;
        while let Some(line) = lines.next_line().await? {
            let answer = match (&mut letter, &*line) {
                (Some(text), ".") => {
                    letters.lock().expect("no panic").push(std::mem::take(text));
                    letter = None;
                    "250 taken"
                }
                (Some(text), line) => {
                    text.push_str(line);
                    text.push('\n');
                    continue;
                }
                (None, "DATA") => {
                    letter = Some(String::new());
                    "354 go on"
                }
                (None, "QUIT") => "221 bye",
                (None, line) if refuses && line.starts_with("RCPT") => "550 no such mailbox",
                (None, _) => "250 fine",
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
    let letters = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    let kept = Arc::clone(&letters);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, refuses, Arc::clone(&kept)));
        }
    });
    (letters, url)
}

#[sqlx::test]
async fn a_letter_says_what_fires_and_one_that_is_refused_is_told_without_the_address(pool: PgPool) {
    let (letters, url) = mail_server(false).await;
    let mail = ["--smtp-url", &*url, "--mail-from", "Odoo Bridge <bridge@example.com>"];
    let app = TestApp::spawn_with(pool.clone(), &mail).await;
    let admin = app.signed_in().await;
    let form = [
        ("do", "add"),
        ("name", "Ann"),
        ("kind", "email"),
        ("address", "ann@example.com"),
    ];
    let html = channels(&admin, &form).await;
    assert!(
        html.contains("ann@example.com") && !html.contains("webhook-key"),
        "{html}"
    );
    make_rule(&pool, &admin, "0.001", "ms").await;
    run_again(&pool).await;
    eventually("the letter", || async { !letters.lock().expect("no panic").is_empty() }).await;
    let letter = letters.lock().expect("no panic")[0].clone();
    for part in [
        "<bridge@example.com>",
        "To: ann@example.com",
        "Subject: [Odoo Bridge] firing: Nights",
        "Rule: p95 of the last run is above 0.0 ms",
        "jsonrpc: p95 ",
        "/speed-test/runs/",
    ] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    app.bridge.stop().await;

    let (_, url) = mail_server(true).await;
    let mail = ["--smtp-url", &*url, "--mail-from", "bridge@example.com"];
    let app = TestApp::spawn_with(pool.clone(), &mail).await;
    let admin = app.signed_in().await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM alert_channels")
        .fetch_one(&pool)
        .await
        .expect("a channel");
    let html = channels(&admin, &[("do", "test"), ("channel", &id.to_string())]).await;
    assert!(
        html.contains("The test did not arrive: the mail server refuses it (550)."),
        "{html}"
    );
}
