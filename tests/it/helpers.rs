//! The bridge under test, and the actors that use it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use clap::Parser as _;
use odoo_bridge::config::Cli;
use odoo_bridge::demo_odoo::DemoOdoo;
use odoo_bridge::keys::issue::{self, NewKey};
use odoo_bridge::keys::model::{CreatedKey, KeyName};
use odoo_bridge::keys::policy::FULL;
use odoo_bridge::server::request_id::{RequestId, X_REQUEST_ID};
use odoo_bridge::server::serve::Bridge;
use odoo_bridge::session::model::Role;
use odoo_bridge::session::sign_in;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sqlx::PgPool;
use tokio::io::{AsyncRead, BufReader, Lines};
use tokio::net::TcpListener;

/// The one person of the tests.
pub const EMAIL: &str = "operator@example.com";
/// Their password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The bridge's own key, of every bridge under test.
pub const SECRET_KEY: &str = "b2Rvby1icmlkZ2UgdGVzdHMsIG9ubHkgZm9yIHRlc3Q=";

/// A running bridge on a port of its own, with a database of its own.
pub struct TestApp {
    pub bridge: Bridge,
    pub pool: PgPool,
    /// `http://127.0.0.1:<port>`
    pub address: String,
    /// The Odoo behind it, for injected faults.
    pub demo: DemoOdoo,
}

impl TestApp {
    /// The production start, with the demo Odoo over JSON-RPC: without a choice
    /// there are no probes, so that a test counts its own requests only.
    pub async fn spawn(pool: PgPool) -> Self {
        Self::spawn_with(pool, &[]).await
    }

    /// The same with settings on top, as on the command line.
    pub async fn spawn_with(pool: PgPool, args: &[&str]) -> Self {
        let way: &[&str] = if args.contains(&"--odoo-transport") {
            &[]
        } else {
            &["--odoo-transport", "jsonrpc"]
        };
        let bridge = start(pool.clone(), &[args, way].concat()).await;
        Self {
            address: format!("http://{}", bridge.address),
            demo: bridge.demo.clone().expect("without ODOO_URL there is a demo Odoo"),
            bridge,
            pool,
        }
    }

    /// Somebody without a key or a session.
    pub fn anonymous(&self) -> Actor {
        Actor {
            address: self.address.clone(),
            client: client(),
            key: None,
        }
    }

    /// A client that holds a key.
    pub fn with(&self, key: &CreatedKey) -> Actor {
        Actor {
            key: Some(key.plaintext.clone()),
            ..self.anonymous()
        }
    }

    /// A person who signed in through the form.
    pub async fn signed_in(&self) -> Actor {
        // A second sign-in of the same person finds the account there.
        let _ = sign_in::create_user(&self.pool, EMAIL, PASSWORD.to_owned().into(), Role::Admin).await;
        let actor = self.anonymous();
        let response = actor
            .request(Method::POST, "/api/sign_in")
            .form(&[("email", EMAIL), ("password", PASSWORD), ("next", "")])
            .send()
            .await
            .expect("the bridge answers");
        assert!(
            response.status().is_success() || response.status().is_redirection(),
            "{}",
            response.status()
        );
        actor
    }

    /// A key that never ends.
    pub async fn key(&self, name: &str) -> CreatedKey {
        make_key(&self.pool, name, FULL).await
    }
}

/// A key that may do what `policy` says, and never ends.
pub async fn make_key(pool: &PgPool, name: &str, policy: &str) -> CreatedKey {
    let name = KeyName::parse(name).expect("a name");
    let new = NewKey {
        policy,
        ..NewKey::named(&name)
    };
    issue::create(pool, new).await.expect("a key")
}

/// Sends a form of a key's policy page; gives the status and the page that comes back.
pub async fn post_policy(person: &Actor, id: impl std::fmt::Display, form: &[(&str, &str)]) -> (u16, String) {
    let request = person.request(Method::POST, &format!("/keys/{id}/policy"));
    let request = request.header("Accept", "text/html").form(form);
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a page"))
}

/// What is logged where everything is to be seen; by name what the bridge keeps quiet otherwise.
pub const EVERYTHING: &str = "debug,odoo_bridge=trace,hyper=debug,hyper_util=debug,h2=debug,reqwest=debug,rustls=debug,sqlx=debug,tower=debug,leptos_router=debug";

/// Where the logs of bridges under test are kept, for scripts/leaks.sh; usually nowhere.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the bridge")]
pub fn logs_folder() -> Option<PathBuf> {
    std::env::var_os("BRIDGE_TEST_LOGS").map(PathBuf::from)
}

/// Everything that the bridges in this process log goes to a file, if logs are kept.
fn keep_log() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let Some(folder) = logs_folder() else { return };
        let file = folder.join(format!("tests-{}.log", std::process::id()));
        let file = std::fs::File::create(file).expect("a file for the log");
        tracing_subscriber::fmt()
            .with_env_filter(EVERYTHING)
            .with_ansi(false)
            .with_writer(Arc::new(file))
            .init();
    });
}

/// Reads a binary's log to its end, so that it never waits for room, and keeps it if logs
/// are kept. `begun` is what was read of it already.
pub fn keep_binary_log<R: AsyncRead + Unpin + Send + 'static>(id: u32, begun: &[String], mut log: Lines<BufReader<R>>) {
    let file = logs_folder()
        .map(|folder| std::fs::File::create(folder.join(format!("binary-{id}.log"))).expect("a file for the log"));
    let keep = move |line: &str| {
        if let Some(mut file) = file.as_ref() {
            writeln!(file, "{line}").expect("the log is kept");
        }
    };
    for line in begun {
        keep(line);
    }
    tokio::spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            keep(&line);
        }
    });
}

/// A bridge as `serve` starts it.
pub async fn start(pool: PgPool, args: &[&str]) -> Bridge {
    keep_log();
    // Not one in a file: a test leaves nothing behind.
    let key: &[&str] = if args.contains(&"--secret-key") {
        &[]
    } else {
        &["--secret-key", SECRET_KEY]
    };
    // What a bridge leaves on disk is no other's.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(uuid::Uuid::now_v7().to_string());
    let folder = folder.to_str().expect("a path");
    let data: &[&str] = if args.contains(&"--data-dir") {
        &[]
    } else {
        &["--data-dir", folder]
    };
    let args = [&["odoo-bridge"], args, key, data].concat();
    let settings = Cli::try_parse_from(args).expect("the arguments parse").settings;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Bridge::start(Arc::new(settings), pool, listener)
        .await
        .expect("the bridge starts")
}

/// An HTTP client that keeps cookies and follows nothing.
pub fn client() -> reqwest::Client {
    // Another test of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .cookie_store(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // An answer that never comes fails its test, instead of holding up all of them.
        .timeout(Duration::from_secs(120))
        .build()
        .expect("a client")
}

/// Who sends requests.
#[derive(Clone)]
pub struct Actor {
    pub address: String,
    pub client: reqwest::Client,
    pub key: Option<String>,
}

impl Actor {
    /// A request with what this actor always sends: its key, its cookies, and,
    /// like a browser, the origin of the page.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let reads = method == Method::GET;
        let request = self.client.request(method, format!("{}{path}", self.address));
        let request = if reads {
            request
        } else {
            request.header("Origin", &self.address)
        };
        match &self.key {
            Some(key) => request.header("X-API-KEY", key),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path)
            .header("Accept", "text/html")
            .send()
            .await
            .expect("the bridge answers")
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path)
            .json(body)
            .send()
            .await
            .expect("the bridge answers")
    }

    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.request(Method::POST, path)
            .form(form)
            .send()
            .await
            .expect("the bridge answers")
    }

    /// `POST /call`
    pub async fn call(&self, body: &Value) -> Answer {
        Answer::of(self.post_json("/call", body).await).await
    }

    /// `POST /call` with bytes of any kind.
    pub async fn call_raw(&self, body: impl Into<reqwest::Body>) -> Answer {
        let request = self
            .request(Method::POST, "/call")
            .header("Content-Type", "application/json")
            .body(body);
        Answer::of(request.send().await.expect("the bridge answers")).await
    }
}

/// An answer of `POST /call`.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    /// `Null` if the body is no JSON.
    pub json: Value,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.expect("a whole body");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    /// The data of a success; anything else fails the test.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(
            (self.status, &self.json["success"]),
            (200, &Value::Bool(true)),
            "{}",
            self.text
        );
        &self.json["data"]
    }

    /// The code of a failure in the contract's shape; anything else fails the test.
    #[track_caller]
    pub fn code(&self) -> &str {
        assert_eq!(self.json["success"], false, "{}", self.text);
        assert!(
            self.json["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{}",
            self.text
        );
        assert!(self.json["retryable"].is_boolean(), "{}", self.text);
        let id = self.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        assert_eq!(self.json["request_id"].as_str(), id, "{}", self.text);
        self.json["code"].as_str().expect("a code")
    }
}

/// Tries until `check` holds; fails the test after ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The id of a request whose caller chose it.
pub fn request_id(own: &'static str) -> RequestId {
    RequestId::of(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(own))]))
}
