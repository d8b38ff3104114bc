//! Several instances that share limits through a Redis, and what becomes of them when it is
//! gone, or the way to it.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::config;
use odoo_bridge::demo_odoo::{DB, PASSWORD, USERNAME};
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::{CreatedKey, KeyName};
use odoo_bridge::keys::policy::{FULL, READ_ONLY};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::demo_odoo::Demo;
use crate::faults::{Fault, Faulty};
use crate::helpers::{Actor, Answer, TestApp, eventually, keep_binary_log, make_key, post_policy};
use crate::line::fault_time;

/// A Redis or Valkey of a test's own, which ends with it.
pub struct Redis {
    server: Child,
    pub port: u16,
    folder: TempDir,
}

impl Redis {
    pub async fn start() -> Self {
        let mut folder = TempDir::new().expect("a folder");
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let port = free.local_addr().expect("its address").port();
            drop(free);
            let server = Self::serve(port, &folder);
            let mut redis = Self { server, port, folder };
            // Another test may have taken the port meanwhile: then it ends at once.
            while redis.server.try_wait().expect("a state").is_none() {
                if redis.ask::<String>("PING", &[]).await.is_some() {
                    return redis;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            folder = redis.folder;
        }
        panic!("Redis does not start");
    }

    fn serve(port: u16, folder: &TempDir) -> Child {
        let programs = config::search_path()
            .into_iter()
            .flat_map(|path| ["valkey-server", "redis-server"].map(|name| path.join(name)));
        let program = programs.into_iter().find(|program| program.is_file());
        let program = program.expect("valkey-server or redis-server is needed: run scripts/setup.sh redis");
        let port = port.to_string();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--dir"]);
        command.arg(folder.path()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("it starts")
    }

    async fn stop(&mut self) {
        self.server.kill().await.expect("it ends");
    }

    /// On its old port, and empty.
    fn start_again(&mut self) {
        self.server = Self::serve(self.port, &self.folder);
    }

    fn url(&self) -> String {
        url(self.port)
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &str, args: &[&str]) -> Option<T> {
        let client = redis::Client::open(self.url()).expect("an address");
        let answer = async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd(command).arg(args).query_async(&mut connection).await.ok()
        };
        // What listens there may be another test's, and say nothing.
        tokio::time::timeout(Duration::from_secs(2), answer)
            .await
            .ok()
            .flatten()
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

async fn spawn(pool: &PgPool, redis: &str) -> TestApp {
    TestApp::spawn_with(pool.clone(), &["--redis-url", redis]).await
}

/// Two instances on one database and one Redis, which know of each other.
async fn two(pool: &PgPool, redis: &str) -> [TestApp; 2] {
    let apps = [spawn(pool, redis).await, spawn(pool, redis).await];
    eventually("they know of each other", || async {
        apps.iter().all(|app| alive(app) == 2)
    })
    .await;
    apps
}

fn alive(app: &TestApp) -> u32 {
    app.bridge.state.instances.as_ref().expect("REDIS_URL is set").alive()
}

fn is_gone(app: &TestApp) -> bool {
    let instances = app.bridge.state.instances.as_ref().expect("REDIS_URL is set");
    instances.report().gone.is_some()
}

pub async fn limited(pool: &PgPool, limits: &str) -> CreatedKey {
    let name = KeyName::parse("limited").expect("a name");
    let new = NewKey {
        limits,
        policy: READ_ONLY,
        ..NewKey::named(&name)
    };
    issue::create(pool, new).await.expect("a key")
}

fn count() -> Value {
    json!({"model": "res.partner", "method": "search_count", "args": [[]]})
}

/// So many calls with one key, at all of `actors` in turn, ten at a time.
async fn calls(actors: &[Actor], calls: usize) -> Vec<(Answer, Duration)> {
    let (mut answers, body) = (Vec::new(), count());
    let numbers: Vec<usize> = (0..calls).collect();
    for some in numbers.chunks(10) {
        let some = some.iter().map(|number| {
            let (actor, body) = (&actors[number % actors.len()], &body);
            async move {
                let began = Instant::now();
                (actor.call(body).await, began.elapsed())
            }
        });
        answers.extend(join_all(some).await);
    }
    answers
}

/// How many got through; each of the others was refused with this code.
#[track_caller]
fn passed(answers: &[(Answer, Duration)], code: &str) -> usize {
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
    for (answer, _) in refused {
        assert_eq!((answer.status, answer.code()), (429, code), "{}", answer.text);
    }
    done.len()
}

#[sqlx::test]
async fn a_pace_of_100_a_minute_over_two_instances_lets_100_through(pool: PgPool) {
    let redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let key = limited(&pool, r#"{"per_minute":100}"#).await;
    let actors = apps.each_ref().map(|app| app.with(&key));
    let began = Instant::now();
    let answers = calls(&actors, 160).await;
    let passed = passed(&answers, "rate_limited");
    // The pace itself lets more through while the test takes its time.
    let most = 100.0 + began.elapsed().as_secs_f64() * 100.0 / 60.0;
    assert!(
        (98..=most as usize + 2).contains(&passed),
        "{passed} of at most {most:.1}"
    );
    let refused = &answers.iter().find(|(answer, _)| answer.status == 429).expect("one").0;
    assert!(refused.headers["retry-after"] == "1", "{:?}", refused.headers);
    assert_eq!(refused.headers["ratelimit-policy"], "\"pace\";q=100;w=60");
}

#[sqlx::test]
async fn a_quota_of_two_instances_is_exact_and_what_is_refused_costs_nothing(pool: PgPool) {
    let redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let key = limited(&pool, r#"{"per_day":20,"per_month":1000}"#).await;
    let actors = apps.each_ref().map(|app| app.with(&key));
    let create = json!({"model": "res.partner", "method": "create", "args": [{"name": "x"}]});
    for actor in &actors {
        for _ in 0..5 {
            assert_eq!(actor.call(&create).await.code(), "policy_denied");
        }
    }
    // What they took is given back a moment after they were answered.
    let day = format!(
        "odoo-bridge:day:{}:{}",
        key.key.id,
        chrono::Utc::now().format("%Y-%m-%d")
    );
    eventually("all of it is given back", || async {
        redis.ask::<u32>("GET", &[&day]).await == Some(0)
    })
    .await;
    let answers = calls(&actors, 30).await;
    assert_eq!(passed(&answers, "quota_exceeded"), 20);
    let told = answers[0].0.headers["ratelimit"].to_str().expect("text");
    assert!(
        told.starts_with("\"month\";r=") && told.contains("\"day\";r="),
        "{told}"
    );
}

#[sqlx::test]
async fn a_redis_that_forgot_everything_gives_no_quota_twice(pool: PgPool) {
    let redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let key = limited(&pool, r#"{"per_day":10}"#).await;
    let actors = apps.each_ref().map(|app| app.with(&key));
    assert_eq!(passed(&calls(&actors, 8).await, ""), 8);
    // The records of calls are in the database by then, and counted anew.
    tokio::time::sleep(Duration::from_millis(5_300)).await;
    redis.ask::<()>("FLUSHALL", &[]).await.expect("it is empty");
    let mut again = Vec::new();
    for actor in [&actors[0], &actors[1], &actors[0], &actors[1]] {
        again.extend(calls(std::slice::from_ref(actor), 1).await);
    }
    assert_eq!(passed(&again, "quota_exceeded"), 2);
}

#[sqlx::test]
async fn calls_at_the_same_time_are_counted_over_two_instances(pool: PgPool) {
    let redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let key = limited(&pool, r#"{"concurrent":3}"#).await;
    let actors = apps.each_ref().map(|app| app.with(&key));
    assert_eq!(passed(&calls(&actors[..1], 1).await, ""), 1);
    assert_eq!(passed(&calls(&actors[1..], 1).await, ""), 1);
    for app in &apps {
        app.demo.faults().set_latency(Duration::from_millis(1_500));
    }
    assert_eq!(passed(&calls(&actors, 8).await, "rate_limited"), 3);
    for app in &apps {
        app.demo.faults().clear();
    }
    for actor in &actors {
        eventually("the places are free again", || async {
            actor.call(&count()).await.status == 200
        })
        .await;
    }
}

/// The binary, as an instance that can be killed.
async fn instance(pool: &PgPool, redis: &str, odoo: &str, folder: &TempDir) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_odoo-bridge"));
    command.args(["serve", "--site-addr", "127.0.0.1:0", "--odoo-transport", "jsonrpc"]);
    command.args(["--odoo-url", odoo, "--odoo-db", DB, "--odoo-username", USERNAME]);
    command.args(["--odoo-password", PASSWORD, "--redis-url", redis]);
    command.args(["--database-url", pool.connect_options().to_url_lossy().as_str()]);
    command.env_clear().env("BRIDGE_DATA_DIR", folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let mut begun = Vec::new();
    let address = loop {
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let line = line
            .expect("in time")
            .expect("its log")
            .expect("it is ready before it ends");
        let address = line.strip_prefix("Odoo Bridge is ready: ").map(str::to_owned);
        begun.push(line);
        if let Some(address) = address {
            break address;
        }
    };
    keep_binary_log(child.id().expect("it runs"), &begun, lines);
    (child, address)
}

#[sqlx::test]
async fn an_instance_that_is_killed_gives_its_places_back(pool: PgPool) {
    let (redis, odoo) = (Redis::start().await, Demo::start().await);
    let app = spawn(&pool, &redis.url()).await;
    let folder = TempDir::new().expect("a folder");
    let (mut killed, address) = instance(&pool, &redis.url(), &odoo.address, &folder).await;
    eventually("they know of each other", || async { alive(&app) == 2 }).await;
    let key = limited(&pool, r#"{"concurrent":1}"#).await;
    let here = app.with(&key);
    let there = Actor {
        address,
        ..here.clone()
    };
    there.call(&count()).await.data();
    odoo.demo.faults().set_latency(Duration::from_secs(60));
    let running = tokio::spawn(async move {
        there
            .client
            .post(format!("{}/call", there.address))
            .header("X-API-KEY", there.key.expect("a key"))
            .json(&count())
            .send()
            .await
    });
    eventually("its place is taken", || async {
        here.call(&count()).await.status == 429
    })
    .await;
    killed.kill().await.expect("it is killed");
    let began = Instant::now();
    assert_eq!(here.call(&count()).await.code(), "rate_limited", "nobody knows yet");
    eventually("its place is free", || async {
        here.call(&count()).await.status == 200
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(running.await.expect("no panic").is_err(), "its caller was cut off");
    eventually("it is not counted any more", || async { alive(&app) == 1 }).await;
}

#[sqlx::test]
async fn instances_share_what_odoo_is_asked_and_one_that_ends_leaves_its_part(pool: PgPool) {
    let redis = Redis::start().await;
    let [first, second] = two(&pool, &redis.url()).await;
    let concurrent = |app: &TestApp| app.bridge.state.odoo.report().rules.concurrent;
    eventually("each has half", || async {
        concurrent(&first) == 32 && concurrent(&second) == 32
    })
    .await;
    second.bridge.stop().await;
    let began = Instant::now();
    eventually("the one that is left has all", || async { concurrent(&first) == 64 }).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[sqlx::test]
async fn without_redis_each_instance_holds_its_share_says_so_and_shares_again_when_it_is_back(pool: PgPool) {
    let mut redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let limits = r#"{"per_minute":100,"concurrent":40,"per_day":1000}"#;
    let (before, without, after) = (
        limited(&pool, limits).await,
        limited(&pool, limits).await,
        limited(&pool, limits).await,
    );
    let person = apps[0].signed_in().await;
    let page = async |path: &str| person.get(path).await.text().await.expect("a page");
    assert!(
        page("/connection")
            .await
            .contains("Shared by all instances, through Redis at 127.0.0.1")
    );
    assert!(!page("/keys").await.contains("Redis is gone"));
    let actors = apps.each_ref().map(|app| app.with(&before));
    assert_eq!(passed(&calls(&actors, 20).await, ""), 20);

    redis.stop().await;
    let began = Instant::now();
    for app in &apps {
        let answers = calls(&[app.with(&without)], 80).await;
        let passed = passed(&answers, "rate_limited");
        let most = 50.0 + began.elapsed().as_secs_f64() * 50.0 / 60.0;
        assert!(
            (50..=most as usize + 1).contains(&passed),
            "{passed} of at most {most:.1}"
        );
        let slowest = answers.iter().map(|answer| answer.1).max().expect("answers");
        assert!(slowest < Duration::from_secs(1), "{slowest:?}");
        let policy = answers[0].0.headers["ratelimit-policy"].to_str().expect("text");
        assert!(policy.starts_with("\"pace\";q=50;"), "{policy}");
    }
    assert!(apps.iter().all(is_gone));
    assert!(
        page("/keys")
            .await
            .contains("Redis is gone: each instance holds its share"),
        "every page tells"
    );
    let connection = page("/connection").await;
    assert!(
        connection.contains("this instance holds one part in 2 of each limit"),
        "{connection}"
    );

    redis.start_again();
    let back = Instant::now();
    eventually("they share again", || async { !apps.iter().any(is_gone) }).await;
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    assert!(!page("/keys").await.contains("Redis is gone"));
    eventually("they know of each other", || async {
        apps.iter().all(|app| alive(app) == 2)
    })
    .await;
    let began = Instant::now();
    let answers = calls(&apps.each_ref().map(|app| app.with(&after)), 140).await;
    let most = 100.0 + began.elapsed().as_secs_f64() * 100.0 / 60.0;
    let passed = passed(&answers, "rate_limited");
    assert!(
        (98..=most as usize + 2).contains(&passed),
        "{passed} of at most {most:.1}"
    );
}

#[sqlx::test]
async fn a_share_that_binds_when_redis_goes_away_is_not_given_a_second_time(pool: PgPool) {
    let mut redis = Redis::start().await;
    let apps = two(&pool, &redis.url()).await;
    let key = limited(&pool, r#"{"per_minute":60}"#).await;
    let actors = [apps[0].with(&key)];
    assert_eq!(passed(&calls(&actors, 40).await, ""), 40);
    redis.stop().await;
    let began = Instant::now();
    let passed = passed(&calls(&actors, 20).await, "rate_limited");
    // Its share is 30 a minute, all of which it had already.
    assert!(passed as f64 <= 3.0 + began.elapsed().as_secs_f64(), "{passed}");
}

#[sqlx::test]
async fn whatever_happens_to_the_way_to_redis_every_call_is_answered_in_time_and_limits_are_shared_again(pool: PgPool) {
    let redis = Redis::start().await;
    let way = Faulty::to(redis.port).await;
    let [app, other] = two(&pool, &url(way.port())).await;
    let limits = r#"{"per_minute":1000000,"concurrent":100,"per_day":1000000}"#;
    let actor = app.with(&limited(&pool, limits).await);
    actor.call(&count()).await.data();
    let mut told = BTreeMap::new();
    for fault in Fault::ALL {
        way.set(fault);
        let until = Instant::now() + fault_time();
        let load = (0..4).map(|_| async {
            let mut took = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                actor.call(&count()).await.data();
                took.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took
        });
        let mut took: Vec<_> = join_all(load).await.into_iter().flatten().collect();
        assert!(is_gone(&app), "{fault:?} was felt");
        let ended = Instant::now();
        way.set(Fault::None);
        while is_gone(&app) || is_gone(&other) {
            assert!(
                ended.elapsed() < Duration::from_secs(2),
                "{fault:?}: not shared again in time"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        took.sort_unstable();
        let (slowest, late) = (
            took[took.len() - 1],
            took.iter().filter(|took| **took > Duration::from_millis(90)).count(),
        );
        // The wait for Redis once, and a loaded machine.
        assert!(slowest < Duration::from_secs(1), "{fault:?}: {slowest:?}");
        assert!(late * 2 < took.len(), "{fault:?}: {late} of {} waited", took.len());
        told.insert(format!("{fault:?}"), (took.len(), slowest, late, ended.elapsed()));
    }
    for (fault, (answers, slowest, late, back)) in told {
        #[expect(
            clippy::print_stdout,
            reason = "the figures of docs/reliability.md, with --nocapture"
        )]
        {
            println!(
                "{fault}: {answers} answers, slowest {slowest:.2?}, {late} over 90 ms, shared again after {back:.2?}"
            );
        }
    }
}

#[sqlx::test]
async fn a_key_without_limits_is_none_of_redis_business(pool: PgPool) {
    let redis = Redis::start().await;
    let app = spawn(&pool, &redis.url()).await;
    let free = make_key(&pool, "free", FULL).await;
    let bound = limited(&pool, r#"{"addresses":["127.0.0.0/8"],"max_answer_bytes":100000}"#).await;
    let paced = limited(&pool, r#"{"per_minute":100}"#).await;
    let asked = async || {
        let stats: String = redis.ask("INFO", &["commandstats"]).await.expect("its figures");
        stats
            .lines()
            .any(|line| line.starts_with("cmdstat_get:") || line.starts_with("cmdstat_hgetall:"))
    };
    for key in [&free, &bound] {
        app.with(key).call(&count()).await.data();
    }
    assert!(!asked().await, "nothing was asked of it");
    app.with(&paced).call(&count()).await.data();
    assert!(asked().await, "now it was");
}

#[sqlx::test]
async fn it_is_said_where_limits_are_changed_whether_they_are_shared(pool: PgPool) {
    let redis = Redis::start().await;
    let (alone, shared) = (TestApp::spawn(pool.clone()).await, spawn(&pool, &redis.url()).await);
    let key = make_key(&pool, "page", FULL).await;
    for (app, words, connection) in [
        (
            &alone,
            "holds the pace and the calls at the same time by itself",
            "Held by each instance by itself",
        ),
        (
            &shared,
            "hold over all instances of the bridge",
            "Shared by all instances",
        ),
    ] {
        let person = app.signed_in().await;
        let limits = [("do", "limits"), ("limits", r#"{"per_minute":100}"#)];
        let page = post_policy(&person, key.key.id, &limits).await.1;
        assert!(page.contains(words), "{page}");
        let page = person.get("/connection").await.text().await.expect("a page");
        assert!(page.contains(connection), "{page}");
    }
}

#[tokio::test]
async fn check_tries_redis_and_says_how_to_mend_it() {
    let mut redis = Redis::start().await;
    let folder = TempDir::new().expect("a folder");
    let check = async |redis: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odoo-bridge"));
        command.args([
            "check",
            "--redis-url",
            redis,
            "--database-url",
            "postgres://127.0.0.1:1/none",
        ]);
        command.env_clear().env("BRIDGE_DATA_DIR", folder.path().join("data"));
        let output = command.kill_on_drop(true).output().await.expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .find(|line| line.contains("Redis"))
            .expect("a line")
            .to_owned()
    };
    let line = check(&redis.url()).await;
    assert!(line.starts_with("OK    Redis: answers at 127.0.0.1"), "{line}");
    redis.stop().await;
    let line = check(&format!("redis://:hunter2@127.0.0.1:{}", redis.port)).await;
    assert!(
        line.starts_with("FAIL  Redis: ") && line.contains("Check REDIS_URL"),
        "{line}"
    );
    assert!(!line.contains("hunter2"), "{line}");
}
