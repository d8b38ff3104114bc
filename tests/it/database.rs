//! A database that goes away and comes back: said in words, survived, recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::helpers::{Actor, client, eventually, make_key, start};

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
