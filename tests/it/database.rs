//! A database that goes away and comes back: said in words, survived, recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use odoo_bridge::server::database;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::faults::{Fault, Faulty};
use crate::helpers::{Actor, Answer, client, eventually, make_key, start};

/// A way to the database that can be cut.
pub struct Wire {
    port: u16,
    open: Arc<AtomicBool>,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Wire {
    /// To the database behind `pool`.
    pub async fn to_database_of(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        Self::to(options.get_host().to_owned(), options.get_port()).await
    }

    /// The same database, through this wire.
    pub fn pool(&self, direct: &PgPool) -> PgPool {
        let options = (*direct.connect_options()).clone();
        PgPoolOptions::new()
            .max_connections(5)
            .acquire_timeout(std::time::Duration::from_secs(1))
            .connect_lazy_with(options.host("127.0.0.1").port(self.port))
    }

    /// To any server.
    pub async fn to(host: String, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("its address").port();
        let open = Arc::new(AtomicBool::new(true));
        let (cut, _) = tokio::sync::watch::channel(0);
        let (is_open, cuts) = (Arc::clone(&open), cut.clone());
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let (host, mut cut) = (host.clone(), cuts.subscribe());
                connections.spawn(async move {
                    let mut far = TcpStream::connect((host.as_str(), port)).await.expect("the server");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port: own, open, cut }
    }

    /// Where it begins, as a base address for HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn cut(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.cut.send_modify(|count| *count += 1);
    }

    pub fn mend(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

#[sqlx::test]
async fn a_database_that_is_down_is_told_and_the_bridge_recovers_by_itself(pool: PgPool) {
    let wire = Wire::to_database_of(&pool).await;
    let bridge = start(wire.pool(&pool), &[]).await;
    let key = make_key(&pool, "survivor", odoo_bridge::keys::policy::FULL).await;
    let anonymous = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: None,
    };
    let actor = Actor {
        key: Some(key.plaintext),
        ..anonymous.clone()
    };
    let body = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    actor.call(&body).await.data();
    assert_eq!(anonymous.get("/readyz").await.status(), 200);

    wire.cut();
    assert_eq!(anonymous.get("/healthz").await.status(), 200, "it lives");
    assert_eq!(anonymous.get("/readyz").await.status(), 503, "but wants no traffic");
    eventually("no key is accepted on hope", || async {
        actor.call(&body).await.status == 503
    })
    .await;
    let refused = actor.call(&body).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, "unavailable"),
        "{}",
        refused.text
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.json["retryable"], true);
    let page = anonymous.get("/login").await;
    assert_eq!(page.status(), 503);
    assert!(
        page.text().await.expect("a page").contains("database"),
        "a sentence for the person"
    );

    wire.mend();
    eventually("it is ready again", || async {
        anonymous.get("/readyz").await.status() == 200
    })
    .await;
    eventually("keys are accepted again", || async {
        actor.call(&body).await.status == 200
    })
    .await;
}

/// How long each fault lasts; RELIABILITY_SECS=60 for the figures of docs/reliability.md.
#[expect(clippy::disallowed_methods, reason = "a setting of the test, not of the bridge")]
fn fault_time() -> Duration {
    let secs = std::env::var("RELIABILITY_SECS")
        .ok()
        .and_then(|secs| secs.parse().ok());
    Duration::from_secs(secs.unwrap_or(3))
}

#[sqlx::test]
async fn whatever_happens_to_the_way_to_the_database_every_call_is_answered_in_time(pool: PgPool) {
    let way = Faulty::to(pool.connect_options().get_port()).await;
    let options = (*pool.connect_options()).clone();
    // As the binary opens it.
    let bridged = database::pool(options.host("127.0.0.1").port(way.port()));
    let bridge = start(bridged, &["--odoo-transport", "jsonrpc"]).await;
    let key = make_key(&pool, "load", odoo_bridge::keys::policy::FULL).await;
    let actor = Actor {
        address: format!("http://{}", bridge.address),
        client: client(),
        key: Some(key.plaintext),
    };
    let body = json!({"model": "sale.order", "method": "search_count", "args": [[]]});
    let writes = json!({"model": "res.partner", "method": "write", "args": [[1], {"comment": "x"}]});
    eventually("it works at first", || async { actor.call(&body).await.status == 200 }).await;
    let mut told = Vec::new();
    // The first, those before each fault, and those that found that it is back.
    let mut ok = 1 + 8 + 8;
    for fault in [
        Fault::NoListener,
        Fault::Refused,
        Fault::Reset,
        Fault::BlackHole,
        Fault::SlowBytes,
        Fault::HalfAnswer,
        Fault::Garbage,
        Fault::HtmlPage,
    ] {
        // Until it listens again, and trusts what it remembers.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        actor.call(&body).await.data();
        way.set(fault);
        let until = Instant::now() + fault_time();
        let load = (0..8).map(|number| {
            let (actor, body, writes) = (actor.clone(), &body, &writes);
            async move {
                let mut answers = Vec::new();
                while Instant::now() < until {
                    let began = Instant::now();
                    // Some have to be written down before they are sent.
                    let answer = if number < 6 {
                        actor.call(body).await
                    } else {
                        let request = actor.request(reqwest::Method::POST, "/call");
                        let request = request.header("Idempotency-Key", uuid::Uuid::now_v7().to_string());
                        Answer::of(request.json(writes).send().await.expect("an answer")).await
                    };
                    let code = if answer.status == 200 { "ok" } else { answer.code() };
                    answers.push((code.to_owned(), began.elapsed()));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answers
            }
        });
        let answers: Vec<_> = join_all(load).await.into_iter().flatten().collect();
        let ended = Instant::now();
        way.set(Fault::None);
        while actor.call(&body).await.status != 200 {
            assert!(ended.elapsed() < Duration::from_secs(2), "{fault:?}: not back in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let back = ended.elapsed();
        let slowest = answers.iter().map(|answer| answer.1).max().expect("answers");
        // Twice as long as the database is waited for: the key, and the writing down.
        assert!(slowest < Duration::from_secs(9), "{fault:?}: {slowest:?}");
        let right = answers.iter().all(|(code, _)| ["ok", "unavailable"].contains(&&**code));
        assert!(right, "{fault:?}: {answers:?}");
        let refused = answers.iter().filter(|(code, _)| code != "ok").count();
        assert!(refused > 0, "{fault:?} was felt");
        // A connection that ends is noticed at once; silence after a second.
        if fault == Fault::BlackHole {
            assert!(refused < answers.len(), "what is remembered is trusted for a second");
        }
        ok += answers.len() - refused;
        told.push(format!(
            "{fault:?}: {} answers, {refused} of them unavailable, slowest {slowest:.2?}, back after {back:.2?}",
            answers.len()
        ));
    }
    eventually(
        "every call has its record, also those of the time without a database",
        || async {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM call_records WHERE code = 'ok'")
                .fetch_one(&pool)
                .await
                .expect("a count");
            count == i64::try_from(ok).expect("a number")
        },
    )
    .await;
    assert_eq!(bridge.state.records.dropped(), 0);
    #[expect(
        clippy::print_stdout,
        reason = "the figures of docs/reliability.md, with --nocapture"
    )]
    {
        println!("{}", told.join("\n"));
    }
    bridge.stop().await;
}

#[sqlx::test]
async fn a_revocation_binds_within_a_second_when_the_listening_connection_ends_right_before(pool: PgPool) {
    let bridge = start(pool.clone(), &["--odoo-transport", "jsonrpc"]).await;
    let body = json!({"model": "sale.order", "method": "search_count", "args": [[]]});
    for round in 0..5 {
        let key = make_key(&pool, "revoked", odoo_bridge::keys::policy::FULL).await;
        let actor = Actor {
            address: format!("http://{}", bridge.address),
            client: client(),
            key: Some(key.plaintext),
        };
        actor.call(&body).await.data();
        let ended: bool = sqlx::query_scalar(
            "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
             WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
        )
        .fetch_one(&pool)
        .await
        .expect("told");
        assert!(ended, "{round}: nobody listened");
        sqlx::query("UPDATE api_keys SET revoked_at = now()")
            .execute(&pool)
            .await
            .expect("revoked");
        let revoked = Instant::now();
        eventually("the key is refused", || async { actor.call(&body).await.status == 401 }).await;
        assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
        eventually("it listens again", || async {
            let listening: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
            )
            .fetch_one(&pool)
            .await
            .expect("a count");
            listening > 0
        })
        .await;
    }
}
