//! Two processes of the binary on one PostgreSQL, under load: one is killed, the other is
//! stopped, and nothing that was acknowledged is lost. docs/reliability.md has the figures.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::config;
use odoo_bridge::demo_odoo::{self, DB, USERNAME};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::demo_odoo::Demo;
use crate::helpers::{Actor, Answer, EMAIL, PASSWORD, SECRET_KEY, client, eventually, keep_binary_log, make_key};

/// The binary under test: BRIDGE_BIN where figures are made, which are those of a release build.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
fn binary() -> std::ffi::OsString {
    std::env::var_os("BRIDGE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_odoo-bridge").into())
}

/// A running `serve`; killed when the test ends.
pub struct Instance {
    pub child: Child,
    pub url: String,
    data_dir: Arc<TempDir>,
}

impl Instance {
    pub async fn start(pool: &PgPool, args: &[&str]) -> Self {
        Self::start_with(pool, args, &[]).await
    }

    pub async fn start_with(pool: &PgPool, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_on(pool, args, env, Arc::new(TempDir::new().expect("a folder"))).await
    }

    /// As it is started again by an operator: on the same data directory.
    async fn start_again(self, pool: &PgPool, args: &[&str]) -> Self {
        Self::start_on(pool, args, &[], Arc::clone(&self.data_dir)).await
    }

    async fn start_on(pool: &PgPool, args: &[&str], env: &[(&str, &str)], data_dir: Arc<TempDir>) -> Self {
        let database = pool.connect_options().to_url_lossy();
        let mut child = Command::new(binary())
            .args(["serve", "--site-addr", "127.0.0.1:0", "--odoo-transport", "jsonrpc"])
            .args(args)
            .env_clear()
            .env("DATABASE_URL", database.as_str())
            .env("BRIDGE_DATA_DIR", data_dir.path())
            .env("BRIDGE_SECRET_KEY", SECRET_KEY)
            .env("PATH", std::env::join_paths(config::search_path()).expect("a path"))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (mut url, mut begun) = (None, Vec::new());
        while url.is_none() {
            let line = tokio::time::timeout(Duration::from_secs(60), log.next_line())
                .await
                .expect("in time");
            let line = line.expect("text").expect("it says that it is ready");
            url = line.strip_prefix("Odoo Bridge is ready: ").map(str::to_owned);
            begun.push(line);
        }
        keep_binary_log(child.id().expect("it runs"), &begun, log);
        Self {
            child,
            url: url.expect("an address"),
            data_dir,
        }
    }

    fn tell(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).expect("it runs");
        kill_process(Pid::from_raw(id).expect("a number"), signal).expect("told");
    }

    pub fn actor(&self, key: Option<&str>) -> Actor {
        Actor {
            address: self.url.clone(),
            client: client(),
            key: key.map(str::to_owned),
        }
    }

    pub async fn signed_in(&self) -> Actor {
        let actor = self.actor(None);
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
        let response = actor.post_form("/api/sign_in", &form).await;
        assert!(response.status().as_u16() < 400, "{}", response.status());
        actor
    }
}

fn count_orders() -> Value {
    json!({"model": "sale.order", "method": "search_count", "args": [[]]})
}

/// What was acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<String>>>);

impl Acknowledged {
    fn note(&self, id: &str) {
        self.0.lock().expect("no panic").push(id.to_owned());
    }

    fn all(&self) -> Vec<String> {
        let all = self.0.lock().expect("no panic");
        all.clone()
    }
}

/// Calls until it is told to end, or nobody takes them any more. Gives how many calls got
/// another answer than a success.
async fn call_on(actor: Actor, done: Arc<AtomicBool>, acknowledged: Acknowledged) -> Vec<String> {
    let mut refused = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let id = uuid::Uuid::now_v7().to_string();
        // A connection each: one that is kept may be closed in the moment that it is used.
        let request = actor.request(Method::POST, "/call").header("connection", "close");
        match request.header("x-request-id", &id).json(&count_orders()).send().await {
            Ok(response) if response.status() == 200 => {
                if response.bytes().await.is_ok() {
                    acknowledged.note(&id);
                }
            }
            Ok(response) => refused.push(Answer::of(response).await.text),
            Err(_) => break,
        }
    }
    refused
}

/// Makes keys and revokes them, until nobody answers any more.
async fn manage_on(person: Actor, done: Arc<AtomicBool>, made: Acknowledged, revoked: Acknowledged) {
    let new = json!({"name": "Made under load", "expiry": "never", "date": ""});
    while !done.load(Ordering::Relaxed) {
        let Ok(response) = person.request(Method::POST, "/api/create_key").json(&new).send().await else {
            return;
        };
        let Ok(created) = response.json::<Value>().await else {
            return;
        };
        let id = created["key"]["id"].as_str().expect("an id").to_owned();
        made.note(&id);
        let request = person.request(Method::POST, "/api/revoke_key").form(&[("id", &id)]);
        match request.send().await {
            Ok(response) if response.status() == 200 => revoked.note(&id),
            Ok(response) => panic!("{}", response.status()),
            Err(_) => return,
        }
    }
}

/// How many of the ids a question finds, and how many there are.
async fn found(pool: &PgPool, sql: &'static str, ids: &[String]) -> (i64, i64) {
    let count: i64 = sqlx::query_scalar(sql)
        .bind(ids)
        .fetch_one(pool)
        .await
        .expect("a count");
    (count, i64::try_from(ids.len()).expect("a number"))
}

#[sqlx::test]
async fn nothing_that_was_acknowledged_is_lost_when_one_is_killed_and_the_other_is_stopped(pool: PgPool) {
    sign_in::create_user(&pool, EMAIL, PASSWORD.to_owned().into(), Role::Admin)
        .await
        .expect("a person");
    let (mut killed, mut stopped) = (Instance::start(&pool, &[]).await, Instance::start(&pool, &[]).await);
    let key = make_key(&pool, "load", FULL).await;
    let (made, revoked) = (Acknowledged::default(), Acknowledged::default());
    let (calls_there, calls_here) = (Acknowledged::default(), Acknowledged::default());
    let done = Arc::new(AtomicBool::new(false));
    let mut managers = Vec::new();
    let mut callers = Vec::new();
    for (instance, calls) in [(&killed, &calls_there), (&stopped, &calls_here)] {
        let person = instance.signed_in().await;
        managers.push(tokio::spawn(manage_on(
            person,
            Arc::clone(&done),
            made.clone(),
            revoked.clone(),
        )));
        for _ in 0..4 {
            let actor = instance.actor(Some(&key.plaintext));
            callers.push(tokio::spawn(call_on(actor, Arc::clone(&done), calls.clone())));
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // A key that is revoked where the process is killed right after.
    let last = make_key(&pool, "revoked last", FULL).await;
    let survivor = stopped.actor(Some(&last.plaintext));
    survivor.call(&count_orders()).await.data();
    let person = killed.signed_in().await;
    let id = last.key.id.to_string();
    assert_eq!(person.post_form("/api/revoke_key", &[("id", &id)]).await.status(), 200);
    revoked.note(&id);
    made.note(&id);
    killed.tell(Signal::KILL);
    let killed_at = Instant::now();
    killed.child.wait().await.expect("ended");
    eventually("the revocation binds on the other", || async {
        survivor.call(&count_orders()).await.status == 401
    })
    .await;
    let bound_after = killed_at.elapsed();
    assert!(bound_after < Duration::from_secs(1), "{bound_after:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;

    stopped.tell(Signal::TERM);
    let told_at = Instant::now();
    let code = stopped.child.wait().await.expect("ended").code();
    assert_eq!(code, Some(0));
    let stopped_after = told_at.elapsed();
    done.store(true, Ordering::Relaxed);
    for refused in join_all(callers).await {
        let refused = refused.expect("no panic");
        assert!(refused.is_empty(), "a call that was taken got its answer: {refused:?}");
    }
    for manager in join_all(managers).await {
        manager.expect("no panic");
    }

    let keys = found(
        &pool,
        "SELECT count(*) FROM api_keys WHERE id::text = ANY($1)",
        &made.all(),
    )
    .await;
    assert_eq!(keys.0, keys.1, "keys");
    let sql = "SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL AND id::text = ANY($1)";
    let revocations = found(&pool, sql, &revoked.all()).await;
    assert_eq!(revocations.0, revocations.1, "revocations");
    let sql = "SELECT count(DISTINCT subject_id) FROM audit_events WHERE action = 'key_revoked' AND subject_id::text = ANY($1)";
    let written = found(&pool, sql, &revoked.all()).await;
    assert_eq!(written.0, written.1, "what was changed is written down");
    let sql = "SELECT count(DISTINCT request_id) FROM call_records WHERE request_id = ANY($1)";
    let here = found(&pool, sql, &calls_here.all()).await;
    assert_eq!(here.0, here.1, "a stop writes every record");
    let all = calls_there.all();
    let late = found(&pool, sql, &all).await;
    // Who is started again writes what the killed process had not written.
    let again = killed.start_again(&pool, &[]).await;
    eventually("every call that was answered has its record", || async {
        let there = found(&pool, sql, &all).await;
        there.0 == there.1
    })
    .await;
    drop(again);
    assert!(here.1 > 100 && keys.1 > 10, "there was a load: {here:?} {keys:?}");
    #[expect(
        clippy::print_stdout,
        reason = "the figures of docs/reliability.md, with --nocapture"
    )]
    {
        println!(
            "{} keys, {} revocations, {} calls here, {} calls there; not written when killed: {} records; \
             the revocation bound after {bound_after:.2?}, the stop took {stopped_after:.2?}",
            keys.1,
            revocations.1,
            here.1,
            late.1,
            late.1 - late.0
        );
    }
}

#[sqlx::test]
async fn a_stop_is_told_by_readyz_before_connections_are_refused_and_what_runs_is_ended(pool: PgPool) {
    let mut instance = Instance::start(&pool, &["--stop-delay-secs", "1"]).await;
    let key = make_key(&pool, "last", FULL).await;
    let actor = instance.actor(Some(&key.plaintext));
    actor.call(&count_orders()).await.data();
    assert_eq!(actor.get("/readyz").await.status(), 200);
    // Its body is not there yet when the bridge is told to stop.
    let (body, rest) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let slow = actor
        .request(Method::POST, "/call")
        .header("Content-Type", "application/json")
        .body(reqwest::Body::wrap_stream(futures_util::stream::unfold(
            rest,
            |mut rest| async { rest.recv().await.map(|piece| (piece, rest)) },
        )))
        .send();
    let slow = tokio::spawn(slow);
    let text = count_orders().to_string().into_bytes();
    body.send(Ok(text[..10].to_vec())).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(200)).await;

    instance.tell(Signal::TERM);
    let told_at = Instant::now();
    let anonymous = instance.actor(None);
    eventually("readyz tells", || async {
        anonymous.get("/readyz").await.status() == 503
    })
    .await;
    actor.call(&count_orders()).await.data();
    assert!(told_at.elapsed() < Duration::from_secs(1), "{:?}", told_at.elapsed());
    eventually("no more connections are taken", || async {
        let request = instance.actor(None).request(Method::GET, "/healthz");
        request.send().await.is_err()
    })
    .await;
    assert!(
        instance.child.try_wait().expect("its state").is_none(),
        "one still runs"
    );
    body.send(Ok(text[10..].to_vec())).await.expect("sent");
    drop(body);
    let answer = Answer::of(slow.await.expect("no panic").expect("an answer")).await;
    answer.data();
    assert_eq!(instance.child.wait().await.expect("ended").code(), Some(0));
    assert!(told_at.elapsed() < Duration::from_secs(10), "{:?}", told_at.elapsed());
}

/// Settings for the Odoo of a test.
fn with(odoo: &Demo) -> [&str; 8] {
    let user = ["--odoo-username", USERNAME, "--odoo-password", demo_odoo::PASSWORD];
    let [a, b, c, d] = user;
    ["--odoo-url", &odoo.address, "--odoo-db", DB, a, b, c, d]
}

fn create(name: &str) -> Value {
    json!({"model": "res.partner", "method": "create", "args": [{"name": name}]})
}

async fn create_once(actor: &Actor, key: &str, mode: Option<&str>) -> Result<Answer, reqwest::Error> {
    let mut request = actor.request(Method::POST, "/call").header("Idempotency-Key", key);
    if let Some(mode) = mode {
        request = request.header("Idempotency-Mode", mode);
    }
    Ok(Answer::of(request.json(&create(key)).send().await?).await)
}

#[sqlx::test]
async fn a_write_that_was_on_its_way_at_a_kill_is_told_as_unknown_after_the_restart_and_not_sent_again(pool: PgPool) {
    let odoo = Demo::start().await;
    let mut killed = Instance::start(&pool, &with(&odoo)).await;
    let key = make_key(&pool, "killed", FULL).await;
    let actor = killed.actor(Some(&key.plaintext));
    for (key, mode) in [("warm", None), ("warm by id", Some("external-id"))] {
        create_once(&actor, &key.replace(' ', "-"), mode)
            .await
            .expect("an answer")
            .data();
    }
    let asked = || odoo.demo.counts().of("execute_kw");
    let before = asked();
    odoo.demo.faults().set_latency(Duration::from_secs(30));
    let calls = [("plain", None), ("by-id", Some("external-id"))].map(|(key, mode)| {
        let actor = actor.clone();
        tokio::spawn(async move { create_once(&actor, key, mode).await })
    });
    eventually("Odoo has both", || async { asked() == before + 2 }).await;
    killed.tell(Signal::KILL);
    killed.child.wait().await.expect("ended");
    for call in calls {
        assert!(call.await.expect("no panic").is_err(), "nobody answered");
    }
    odoo.demo.faults().clear();

    let again = killed.start_again(&pool, &with(&odoo)).await;
    let actor = again.actor(Some(&key.plaintext));
    let restarted = Instant::now();
    eventually("its repeat is told", || async {
        let answer = create_once(&actor, "plain", None).await.expect("an answer");
        assert!(
            ["idempotency_conflict", "outcome_unknown"].contains(&answer.code()),
            "{}",
            answer.text
        );
        answer.code() == "outcome_unknown"
    })
    .await;
    assert!(
        restarted.elapsed() < Duration::from_secs(2),
        "{:?}",
        restarted.elapsed()
    );
    assert_eq!(asked(), before + 2, "it is not sent again");
    let found = create_once(&actor, "by-id", Some("external-id"))
        .await
        .expect("an answer");
    found.data();
    for name in ["plain", "by-id"] {
        let count = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "=", name]]]});
        assert_eq!(actor.call(&count).await.data(), &json!(1), "{name}");
    }
}

/// Creates contacts that are named by their request's id, until nobody takes calls any
/// more. Gives the ids that were answered, and those that were not.
async fn create_on(actor: Actor, done: Arc<AtomicBool>) -> (Vec<String>, Vec<String>) {
    let (mut answered, mut lost) = (Vec::new(), Vec::new());
    while !done.load(Ordering::Relaxed) {
        let id = uuid::Uuid::now_v7().to_string();
        let request = actor.request(Method::POST, "/call").header("connection", "close");
        match request.header("x-request-id", &id).json(&create(&id)).send().await {
            Ok(response) => {
                Answer::of(response).await.data();
                answered.push(id);
            }
            // Nobody listens any more: it was not even sent.
            Err(error) if error.is_connect() => break,
            Err(_) => lost.push(id),
        }
    }
    (answered, lost)
}

#[sqlx::test]
async fn a_stop_under_load_loses_no_call_that_it_took(pool: PgPool) {
    let odoo = Demo::start().await;
    odoo.demo.faults().set_latency(Duration::from_millis(10));
    let mut stopped = Instance::start(&pool, &with(&odoo)).await;
    let key = make_key(&pool, "load", FULL).await;
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(create_on(stopped.actor(Some(&key.plaintext)), Arc::clone(&done))))
        .collect();
    let asked = || odoo.demo.counts().of("execute_kw");
    eventually("there is a load", || async { asked() > 40 }).await;
    stopped.tell(Signal::TERM);
    assert_eq!(stopped.child.wait().await.expect("ended").code(), Some(0));
    done.store(true, Ordering::Relaxed);
    let (mut answered, mut lost) = (Vec::new(), Vec::new());
    for caller in callers {
        let (yes, no) = caller.await.expect("no panic");
        answered.extend(yes);
        lost.extend(no);
    }
    odoo.demo.faults().clear();
    let bridge = Instance::start(&pool, &with(&odoo)).await;
    let made = async |ids: &[String]| {
        let count = json!({"model": "res.partner", "method": "search_count", "args": [[["name", "in", ids]]]});
        bridge.actor(Some(&key.plaintext)).call(&count).await.data().as_u64()
    };
    assert_eq!(
        made(&answered).await,
        Some(answered.len() as u64),
        "each that was answered was done once"
    );
    assert_eq!(made(&lost).await, Some(0), "none was done and not answered: {lost:?}");
    let sql = "SELECT count(DISTINCT request_id) FROM call_records WHERE request_id = ANY($1)";
    let records = found(&pool, sql, &answered).await;
    assert_eq!(records.0, records.1, "each has its record");
    assert_eq!(found(&pool, sql, &lost).await.0, 0, "none was taken and not answered");
    assert!(answered.len() >= 40, "there was a load: {}", answered.len());
}
