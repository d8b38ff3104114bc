//! A stand-in for Odoo, to try the bridge without one and to test it with
//! faults. It speaks Odoo 19's JSON-RPC, web session and JSON-2 with the same
//! bytes; its data are made up and live in memory. It is never a proof of what Odoo does.
//!
//! Two halves that know little of each other: the engine (`schema`, `models`,
//! `database`, `domain`, `arguments`, `engine`, `read`, `group`, `spans`, `write`, `seed`)
//! takes a call and gives a value or an exception; the wire (`jsonrpc`, `web`,
//! `json2`, `http`, `listener`, `faults`) is what a socket sees of it. Another protocol is another
//! wire on the same engine.
//!
//! Unlike Odoo it has no record rules: the user `demo` sees every order.

mod arguments;
mod catalog;
mod database;
mod domain;
mod engine;
mod exception;
mod faults;
mod group;
mod http;
mod json2;
mod jsonrpc;
mod listener;
mod models;
mod read;
mod schema;
mod seed;
mod spans;
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

pub use faults::{Fault, Faults};

/// The name of the demo's database.
pub const DB: &str = "demo";
/// The administrator's login. The other user is `demo`, with the password `demo`.
pub const USERNAME: &str = "admin";
/// The administrator's password.
pub const PASSWORD: &str = "admin";

/// The administrator's API key.
pub const API_KEY: &str = "demo-api-key";

const USERS: [(&str, &str, i64); 2] = [(USERNAME, PASSWORD, seed::ADMIN), ("demo", "demo", seed::DEMO)];

/// How many requests came, by RPC method (`authenticate`, `execute_kw`, …) or,
/// for other requests, by path.
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
        self.0.values().sum()
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

    /// The user's id, if the credentials are right.
    fn sign_in(&self, login: &str, password: &str) -> Option<i64> {
        let known = USERS.iter().find(|(name, secret, _)| {
            *name == login && (*secret == password || (*name == USERNAME && password == API_KEY))
        });
        known
            .filter(|_| !self.faults.credentials_refused())
            .map(|(_, _, uid)| *uid)
    }

    fn check(&self, uid: &Value, password: &str) -> Result<i64, Exception> {
        let Some((_, secret, known)) = USERS.iter().find(|(_, _, known)| uid.as_int() == Some(*known)) else {
            return Err(match uid.as_int() {
                Some(id) => Exception::missing("res.users", uid, id),
                None => Exception::access_denied(),
            });
        };
        let is_key = *known == seed::ADMIN && password == API_KEY;
        if (*secret != password && !is_key) || self.faults.credentials_refused() {
            return Err(Exception::access_denied());
        }
        Ok(*known)
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
    axum::serve(listener::FaultyListener(listener), service)
        .with_graceful_shutdown(shutdown)
        .await
}
