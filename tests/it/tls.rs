//! An Odoo behind TLS whose certificate expires, and is renewed.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::future::join_all;
use odoo_bridge::demo_odoo::{DB, PASSWORD, USERNAME};
use odoo_bridge::keys::policy::FULL;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use sqlx::PgPool;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::demo_odoo::Demo;
use crate::helpers::{eventually, make_key};
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

/// TLS in front of a server on this machine. A new certificate closes what is open.
async fn in_front_of(port: u16, certificate: watch::Receiver<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let own = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let mut certificate = certificate.clone();
            tokio::spawn(async move {
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
    let port = in_front_of(port.expect("a port"), certificate).await;
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
