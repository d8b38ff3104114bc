//! A stand-in for Odoo, to try the bridge without one and to test it with
//! faults. It speaks Odoo 19's JSON-RPC, web session and JSON-2 with the same
//! bytes; its data are made up and live in memory. It is never a proof of what Odoo does.
//!
//! Two halves that know little of each other: the engine (`schema`, `models`,
//! `database`, `domain`, `arguments`, `engine`, `read`, `group`, `spans`, `write`, `seed`)
//! takes a call and gives a value or an exception; the wire (`jsonrpc`, `web`,
//! `json2`, `documentation`, `http`, `spoil`, `listener`, `fault`, `faults`) is
//! what a socket sees of it. Another protocol is another wire on the same engine.
//!
//! Unlike Odoo it has no record rules: the user `demo` sees every order.

mod arguments;
mod catalog;
mod database;
mod documentation;
mod domain;
mod engine;
mod exception;
mod fault;
mod faults;
mod group;
mod http;
mod json2;
mod jsonrpc;
mod listener;
mod load;
mod models;
mod read;
mod schema;
mod seed;
mod spans;
mod spoil;
mod value;
mod web;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{NaiveDateTime, Utc};

use database::Database;
use engine::{Call, Caller};
use exception::Exception;
use value::Value;

pub use fault::{Fault, Framing};
pub use faults::Faults;

/// The name of the demo's database.
pub const DB: &str = "demo";
/// The administrator's login. The other user is `demo`, with the password `demo`.
pub const USERNAME: &str = "admin";
/// The administrator's password.
pub const PASSWORD: &str = "admin";

/// The administrator's API key: a bearer for JSON-2, and as good as the password
/// over JSON-RPC. It opens no web session.
pub const API_KEY: &str = "demo-api-key";

const USERS: [(&str, &str, i64); 2] = [(USERNAME, PASSWORD, seed::ADMIN), ("demo", "demo", seed::DEMO)];

const CONNECTIONS: &str = "connections";

/// How many requests came, by RPC method (`authenticate`, `execute_kw`, …), by the
/// names of [`Faults::set_on`] or, for other requests, by path; and how many
/// `connections`, over [`serve`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Requests of this method or path.
    #[must_use]
    pub fn of(&self, method: &str) -> u64 {
        self.0.get(method).copied().unwrap_or(0)
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        let requests = self.0.iter().filter(|(name, _)| *name != CONNECTIONS);
        requests.map(|(_, times)| times).sum()
    }
}

/// The demo. Clones share everything.
#[derive(Clone, Debug)]
pub struct DemoOdoo {
    database: Arc<Mutex<Database>>,
    counts: Arc<Mutex<Counts>>,
    faults: Faults,
    sessions: web::Sessions,
}

impl Default for DemoOdoo {
    fn default() -> Self {
        Self::new()
    }
}

impl DemoOdoo {
    /// A demo whose orders reach up to this moment.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Utc::now().naive_utc())
    }

    /// A demo whose orders reach up to `now` (UTC): always the same records for
    /// the same moment.
    #[must_use]
    pub fn at(now: NaiveDateTime) -> Self {
        let database = seed::seeded(now).expect("the seed only fills models that are there");
        Self {
            database: Arc::new(Mutex::new(database)),
            counts: Arc::default(),
            faults: Faults::default(),
            sessions: web::Sessions::default(),
        }
    }

    /// All sessions end at once, as after a restart or a change of the password.
    pub fn expire_sessions(&self) {
        self.sessions.clear();
    }

    /// The next answer to each session carries a new id; the old one is no good
    /// any more.
    pub fn rotate_sessions(&self) {
        self.sessions.rotate();
    }

    /// Its addresses: `/jsonrpc`, `/web/session/authenticate`,
    /// `/web/dataset/call_kw`, `/json/2/…`, `/doc-bearer/…`, `/web/health`,
    /// `/json/version`.
    pub fn router(&self) -> axum::Router {
        http::router(self)
    }

    /// What goes wrong.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        locked(&self.counts).clone()
    }

    fn count(&self, method: &str) {
        // What clients send must not fill the memory.
        let method = method.get(..64).unwrap_or(method);
        let mut counts = locked(&self.counts);
        if counts.0.len() < 100 || counts.0.contains_key(method) {
            *counts.0.entry(method.to_owned()).or_default() += 1;
        }
    }

    /// The user's id, if login and password are right.
    fn sign_in(&self, login: &str, password: &str) -> Option<i64> {
        let (.., uid) = USERS
            .iter()
            .find(|(name, secret, _)| *name == login && *secret == password)?;
        (!self.faults.passwords_refused()).then_some(*uid)
    }

    /// The same over RPC, where an API key is as good as a password, and where a
    /// user with two factors has only the key.
    fn sign_in_rpc(&self, login: &str, secret: &str) -> Option<i64> {
        if login == USERNAME && secret == API_KEY {
            return (!self.faults.api_keys_refused()).then_some(seed::ADMIN);
        }
        self.sign_in(login, secret).filter(|_| !self.faults.two_factor())
    }

    fn check(&self, uid: &Value, secret: &str) -> Result<i64, Exception> {
        let Some((login, ..)) = USERS.iter().find(|(.., known)| uid.as_int() == Some(*known)) else {
            return Err(match uid.as_int() {
                Some(id) => Exception::missing("res.users", uid, id),
                None => Exception::access_denied(),
            });
        };
        self.sign_in_rpc(login, secret).ok_or_else(Exception::access_denied)
    }

    /// The model of this name, if it is installed.
    fn model(&self, name: &str) -> Option<&'static schema::Model> {
        if self.faults.sales_missing() && seed::SALES.contains(&name) {
            return None;
        }
        locked(&self.database).table(name).ok().map(|table| table.model)
    }

    fn execute(&self, uid: i64, call: Call) -> Result<Value, Exception> {
        let caller = Caller {
            uid,
            now: Utc::now().naive_utc(),
            active_only: true,
        };
        let mut database = locked(&self.database);
        if self.faults.sales_missing() {
            let mut without = database.clone();
            seed::uninstall_sales(&mut without)?;
            return engine::execute(&mut without, &caller, call);
        }
        engine::execute(&mut database, &caller, call)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Changes are made on snapshots, so what a panic leaves behind is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a demo until `shutdown`.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: tokio::net::TcpListener,
    demo: DemoOdoo,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = demo.router().into_make_service_with_connect_info::<listener::Wire>();
    let listener = listener::FaultyListener { listener, demo };
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}
