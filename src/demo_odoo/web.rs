//! Odoo's web session: a login that gives a cookie, and calls that carry it. The
//! bodies are JSON-RPC; a session that is over is error 100 with HTTP 200.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use chrono::{Duration, Utc};
use rand::RngExt as _;
use rand::distr::Alphanumeric;

use super::arguments::missing_arguments;
use super::engine::Call;
use super::exception::Exception;
use super::jsonrpc::{Reply, Request};
use super::value::{EMPTY, Value};
use super::{DB, DemoOdoo, locked, seed};

/// What goes back, and the `Set-Cookie` headers with it.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) cookies: Vec<String>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let cookies = Vec::new();
        Self { reply, cookies }
    }
}

/// Session ids and their users; `true`: the next answer gives a new id.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, (i64, bool)>>>);

impl Sessions {
    pub(super) fn clear(&self) {
        locked(&self.0).clear();
    }

    pub(super) fn rotate(&self) {
        for (_, rotate) in locked(&self.0).values_mut() {
            *rotate = true;
        }
    }

    fn open(&self, uid: i64) -> String {
        let id = new_id();
        locked(&self.0).insert(id.clone(), (uid, false));
        id
    }

    fn end(&self, id: &str) -> bool {
        locked(&self.0).remove(id).is_some()
    }

    /// Whose session it is, and its new id if it gets one.
    fn find(&self, id: &str) -> Option<(i64, Option<String>)> {
        let mut sessions = locked(&self.0);
        let (uid, rotate) = *sessions.get(id)?;
        if !rotate {
            return Some((uid, None));
        }
        let fresh = new_id();
        sessions.remove(id);
        sessions.insert(fresh.clone(), (uid, false));
        Some((uid, Some(fresh)))
    }
}

/// As long as Odoo's.
fn new_id() -> String {
    rand::rng().sample_iter(Alphanumeric).take(84).map(char::from).collect()
}

fn cookie(id: &str) -> String {
    let expires = (Utc::now() + Duration::days(365)).format("%a, %d %b %Y %H:%M:%S GMT");
    format!("session_id={id}; Expires={expires}; Max-Age=604800; HttpOnly; Path=/")
}

/// `POST /web/session/authenticate`
pub(super) fn log_in(demo: &DemoOdoo, body: &[u8]) -> Answer {
    let request = match Request::parse(body) {
        Ok(request) => request,
        Err(refused) => return refused.into(),
    };
    let missing = request.missing(&["db", "login", "password"]);
    if !missing.is_empty() {
        let words = format!("Session.authenticate() {}", missing_arguments(&missing));
        return request.answer(Err(Exception::type_(words))).into();
    }
    let text = |name: &str| request.param(name).and_then(Value::as_str).unwrap_or_default();
    if text("db") != DB {
        return request.answer(Err(Exception::access("Database not found."))).into();
    }
    let login = text("login");
    let Some(uid) = demo.sign_in(login, text("password")) else {
        return request.answer(Err(Exception::access_denied())).into();
    };
    if demo.faults().two_factor() {
        // A session it is, but nobody's: the second factor is still to come.
        return Answer {
            reply: request.answer(Ok(Value::Dict(vec![("uid".into(), Value::None)]))),
            cookies: vec![cookie(&new_id())],
        };
    }
    let cookie = cookie(&demo.sessions.open(uid));
    Answer {
        reply: request.answer(Ok(session_info(demo, uid, login))),
        // Seen on Odoo 19: twice the same.
        cookies: vec![cookie.clone(), cookie],
    }
}

/// What a client learns of its session: the part of Odoo's that says who and where.
fn session_info(demo: &DemoOdoo, uid: i64, login: &str) -> Value {
    let user = locked(&demo.database)
        .row("res.users", uid)
        .cloned()
        .unwrap_or_default();
    let of_user = |name: &str| user.get(name).cloned().unwrap_or(EMPTY);
    let is_admin = Value::Bool(uid == seed::ADMIN);
    let user_context = vec![
        ("lang".to_owned(), of_user("lang")),
        ("tz".to_owned(), of_user("tz")),
        ("uid".to_owned(), uid.into()),
    ];
    let version = vec![19.into(), 0.into(), 0.into(), "final".into(), 0.into(), "".into()];
    let info: Vec<(&str, Value)> = vec![
        ("uid", uid.into()),
        ("is_system", is_admin.clone()),
        ("is_admin", is_admin),
        ("is_public", false.into()),
        ("is_internal_user", true.into()),
        ("user_context", Value::Dict(user_context)),
        ("db", DB.into()),
        ("server_version", "19.0".into()),
        ("server_version_info", version.into()),
        ("support_url", "https://www.odoo.com/buy".into()),
        ("name", of_user("name")),
        ("username", login.into()),
        ("partner_id", of_user("partner_id")),
        ("active_ids_limit", 20_000.into()),
        ("max_file_upload_size", 134_217_728.into()),
        ("home_action_id", false.into()),
        ("test_mode", false.into()),
    ];
    Value::Dict(info.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `POST /web/dataset/call_kw`
pub(super) fn call(demo: &DemoOdoo, headers: &HeaderMap, body: &[u8]) -> Answer {
    let request = match Request::parse(body) {
        Ok(request) => request,
        Err(refused) => return unreadable(&refused).into(),
    };
    let text = |name: &str| request.param(name).and_then(Value::as_str).unwrap_or_default();
    // Odoo looks for the model before it looks who asks.
    if demo.model(text("model")).is_none() {
        return no_such_model().into();
    }
    let Some((uid, new_id)) = session_id(headers).and_then(|id| demo.sessions.find(id)) else {
        return expired().into();
    };
    let missing = request.missing(&["model", "method", "args", "kwargs"]);
    let outcome = if missing.is_empty() {
        let kwargs = match request.param("kwargs") {
            Some(Value::Dict(kwargs)) => kwargs.clone(),
            _ => Vec::new(),
        };
        let args = request.param("args").and_then(Value::as_list).unwrap_or_default();
        let call = Call {
            model: text("model").to_owned(),
            method: text("method").to_owned(),
            args: args.to_vec(),
            kwargs,
        };
        demo.execute(uid, call)
    } else {
        let words = format!("DataSet.call_kw() {}", missing_arguments(&missing));
        Err(Exception::type_(words))
    };
    Answer {
        reply: request.answer(outcome),
        cookies: new_id.iter().map(|id| cookie(id)).collect(),
    }
}

/// `POST /web/session/destroy`
pub(super) fn log_out(demo: &DemoOdoo, headers: &HeaderMap, body: &[u8]) -> Answer {
    let request = match Request::parse(body) {
        Ok(request) => request,
        Err(refused) => return refused.into(),
    };
    if !session_id(headers).is_some_and(|id| demo.sessions.end(id)) {
        return expired().into();
    }
    Answer {
        reply: request.answer(Ok(Value::None)),
        cookies: vec![cookie(&new_id())],
    }
}

fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies
        .split(';')
        .find_map(|pair| pair.trim_start().strip_prefix("session_id="))
}

fn expired() -> Reply {
    let exception = Exception::session_expired("Session expired");
    before_the_call(100, "Odoo Session Expired", exception.to_data())
}

fn no_such_model() -> Reply {
    let exception = Exception::not_found(
        "404 Not Found: The requested URL was not found on the server. If you entered the URL manually please check your \
         spelling and try again.",
    );
    before_the_call(404, "404: Not Found", exception.told(Vec::new()))
}

/// Here a body that can't be read is an exception like others.
fn unreadable(refused: &Reply) -> Reply {
    let exception = match refused {
        Reply::Refused("Invalid JSON data") => Exception::json("Expecting value: line 1 column 1 (char 0)"),
        _ => Exception::type_("list indices must be integers or slices, not str"),
    };
    before_the_call(0, "Odoo Server Error", exception.to_data())
}

/// An error from where Odoo has not read the request's id yet.
fn before_the_call(code: i64, message: &str, data: Value) -> Reply {
    let error = Value::Dict(vec![
        ("code".into(), code.into()),
        ("message".into(), message.into()),
        ("data".into(), data),
    ]);
    let answer = vec![
        ("jsonrpc".into(), "2.0".into()),
        ("id".into(), Value::None),
        ("error".into(), error),
    ];
    Reply::Json(Value::Dict(answer).dump())
}
