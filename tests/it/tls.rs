//! Servers behind TLS whose certificate expires, and is renewed: Odoo, PostgreSQL, Redis.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{DB, PASSWORD, USERNAME};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use sqlx::{ConnectOptions as _, PgPool};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::demo_odoo::Demo;
use crate::helpers::{EMAIL, PASSWORD as OWN_PASSWORD, eventually, make_key};
use crate::instances::{Redis, limited};
use crate::line::fault_time;
use crate::processes::Instance;

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What has to be trusted, as a file.
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let text = base64::engine::general_purpose::STANDARD.encode(own.der());
        writeln!(file, "-----BEGIN CERTIFICATE-----").expect("written");
        for line in text.as_bytes().chunks(64) {
            writeln!(file, "{}", String::from_utf8_lossy(line)).expect("written");
        }
        writeln!(file, "-----END CERTIFICATE-----").expect("written");
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// A server with a certificate for `localhost` until the end of a year.
    fn server(&self, until: i32) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["localhost".into()]).expect("parameters");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into());
        Arc::new(config.expect("a server"))
    }
}

/// How a client begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hello {
    /// With TLS.
    Tls,
    /// As PostgreSQL's do: with the question whether there is TLS.
    Postgres,
}

/// TLS in front of a server on this machine. A new certificate closes what is open.
async fn in_front_of(port: u16, hello: Hello, certificate: watch::Receiver<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut certificate = certificate.clone();
            tokio::spawn(async move {
                if hello == Hello::Postgres {
                    // SSLRequest: its length, and a number that is no version.
                    let mut question = [0; 8];
                    let asked = near.read_exact(&mut question).await.is_ok();
                    if !asked || question != *b"\0\0\0\x08\x04\xd2\x16\x2f" || near.write_all(b"S").await.is_err() {
                        return;
                    }
                }
                let acceptor = TlsAcceptor::from(Arc::clone(&certificate.borrow_and_update()));
                let Ok(mut near) = acceptor.accept(near).await else {
                    return;
                };
                let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
                    return;
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = certificate.changed() => {}
                }
            });
        }
    });
    own
}

#[sqlx::test]
async fn an_expired_certificate_of_odoos_is_told_in_time_under_load_and_a_renewed_one_is_taken_at_once(pool: PgPool) {
    let odoo = Demo::start().await;
    let port = odoo.address.rsplit(':').next().and_then(|port| port.parse().ok());
    let authority = Authority::new();
    let (renew, certificate) = watch::channel(authority.server(2099));
    let port = in_front_of(port.expect("a port"), Hello::Tls, certificate).await;
    let url = format!("https://localhost:{port}");
    let args = [
        "--odoo-url",
        &url,
        "--odoo-db",
        DB,
        "--odoo-username",
        USERNAME,
        "--odoo-password",
        PASSWORD,
    ];
    let trusted = authority.file.path().to_str().expect("a path");
    let bridge = Instance::start_with(&pool, &args, &[("SSL_CERT_FILE", trusted)]).await;
    let key = make_key(&pool, "tls", FULL).await;
    let actor = bridge.actor(Some(&key.plaintext));
    let body = json!({"model": "sale.order", "method": "search_count", "args": [[]]});
    actor.call(&body).await.data();

    renew.send_replace(authority.server(2021));
    let write = json!({"model": "res.partner", "method": "write", "args": [[1], {"comment": "x"}]});
    // Connections that are open meanwhile end; a call on one may be cut.
    actor.call(&body).await;
    let until = Instant::now() + fault_time();
    let load = (0..8).map(|number| {
        let (actor, body) = (actor.clone(), if number % 2 == 0 { &body } else { &write });
        async move {
            let mut answers = 0;
            while Instant::now() < until {
                let began = Instant::now();
                let refused = actor.call(body).await;
                let took = began.elapsed();
                assert!(took < Duration::from_secs(2), "{took:?}");
                // A write that was not sent is not unknown.
                let known = ["odoo_unreachable", "odoo_unavailable"];
                assert!(known.contains(&refused.code()), "{}", refused.text);
                assert_eq!(refused.json["retryable"], true, "{}", refused.text);
                answers += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answers
        }
    });
    let answers: u32 = join_all(load).await.into_iter().sum();
    assert!(answers > 50, "there was a load: {answers}");

    renew.send_replace(authority.server(2099));
    let renewed = Instant::now();
    eventually("it is taken", || async { actor.call(&body).await.status == 200 }).await;
    assert!(renewed.elapsed() < Duration::from_secs(2), "{:?}", renewed.elapsed());
}

#[sqlx::test]
async fn an_expired_certificate_of_the_database_is_told_in_time_and_no_record_of_a_call_is_lost(pool: PgPool) {
    let authority = Authority::new();
    let (renew, certificate) = watch::channel(authority.server(2099));
    let port = in_front_of(pool.connect_options().get_port(), Hello::Postgres, certificate).await;
    let trusted = authority.file.path().to_str().expect("a path");
    let mut url = pool.connect_options().to_url_lossy();
    url.set_host(Some("localhost")).expect("a name");
    url.set_port(Some(port)).expect("a port");
    url.set_query(Some(&format!("sslmode=verify-full&sslrootcert={trusted}")));
    let bridge = Instance::start_with(&pool, &[], &[("DATABASE_URL", url.as_str())]).await;
    let key = make_key(&pool, "tls", FULL).await;
    let actor = bridge.actor(Some(&key.plaintext));
    let body = json!({"model": "sale.order", "method": "search_count", "args": [[]]});
    eventually("it works at first", || async { actor.call(&body).await.status == 200 }).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    actor.call(&body).await.data();

    renew.send_replace(authority.server(2021));
    let until = Instant::now() + fault_time();
    let load = (0..8).map(|_| async {
        let mut codes = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            let answer = actor.call(&body).await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(5), "{took:?}");
            codes.push(if answer.status == 200 {
                "ok".to_owned()
            } else {
                answer.code().to_owned()
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        codes
    });
    let codes: Vec<_> = join_all(load).await.into_iter().flatten().collect();
    assert!(
        codes.iter().all(|code| ["ok", "unavailable"].contains(&&**code)),
        "{codes:?}"
    );
    assert!(codes.iter().any(|code| code == "unavailable"), "it was felt");

    renew.send_replace(authority.server(2099));
    let renewed = Instant::now();
    eventually("it is taken", || async { actor.call(&body).await.status == 200 }).await;
    assert!(renewed.elapsed() < Duration::from_secs(2), "{:?}", renewed.elapsed());
    let answered = codes.iter().filter(|code| *code == "ok").count();
    eventually("every answered call has its record", || async {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM call_records WHERE code = 'ok'")
            .fetch_one(&pool)
            .await
            .expect("a count");
        usize::try_from(count).expect("a number") >= answered + 3
    })
    .await;
}

#[sqlx::test]
async fn while_redis_has_an_expired_certificate_calls_go_on_with_the_instances_own_share(pool: PgPool) {
    let redis = Redis::start().await;
    let authority = Authority::new();
    let (renew, certificate) = watch::channel(authority.server(2099));
    let port = in_front_of(redis.port, Hello::Tls, certificate).await;
    let trusted = authority.file.path().to_str().expect("a path");
    let url = format!("rediss://localhost:{port}");
    sign_in::create_user(&pool, EMAIL, OWN_PASSWORD.into(), Role::Admin)
        .await
        .expect("a person");
    let env = [("SSL_CERT_FILE", trusted), ("REDIS_URL", &*url)];
    let bridge = Instance::start_with(&pool, &[], &env).await;
    let person = bridge.signed_in().await;
    let is_gone = async || {
        let page = person.get("/connection").await.text().await.expect("a page");
        let (shared, gone) = (page.contains("Shared by all instances"), page.contains("Redis is gone"));
        assert!(shared || gone, "{page}");
        gone
    };
    assert!(!is_gone().await);
    let actor = bridge.actor(Some(&limited(&pool, r#"{"per_minute":1000000}"#).await.plaintext));
    let body = json!({"model": "res.partner", "method": "search_count", "args": [[]]});
    actor.call(&body).await.data();

    renew.send_replace(authority.server(2021));
    let until = Instant::now() + fault_time();
    while Instant::now() < until {
        let began = Instant::now();
        actor.call(&body).await.data();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_gone().await, "it is told");

    renew.send_replace(authority.server(2099));
    let renewed = Instant::now();
    eventually("it is shared again", || async { !is_gone().await }).await;
    assert!(renewed.elapsed() < Duration::from_secs(2), "{:?}", renewed.elapsed());
}
