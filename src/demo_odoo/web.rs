//! Odoo's web session: a login that gives a cookie, and calls that carry it. The
//! bodies are JSON-RPC; a session that is over is error 100 with HTTP 200.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use rand::RngExt as _;
use rand::distr::Alphanumeric;

use super::engine::Call;
use super::exception::Exception;
use super::jsonrpc::{Reply, Request};
use super::value::Value;
use super::{DB, DemoOdoo, locked};

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
        let id: String = rand::rng().sample_iter(Alphanumeric).take(42).map(char::from).collect();
        locked(&self.0).insert(id.clone(), (uid, false));
        id
    }

    /// Whose session it is, and its new id if it gets one.
    fn find(&self, id: &str) -> Option<(i64, Option<String>)> {
        let (uid, rotate) = *locked(&self.0).get(id)?;
        if !rotate {
            return Some((uid, None));
        }
        locked(&self.0).remove(id);
        Some((uid, Some(self.open(uid))))
    }
}

/// `/web/session/authenticate`: the answer, and the id of the new session.
pub(super) fn log_in(demo: &DemoOdoo, request: &Request) -> (Reply, Option<String>) {
    let text = |name: &str| request.param(name).and_then(Value::as_str).unwrap_or_default();
    if text("db") != DB {
        return (request.answer(Err(Exception::access("Database not found."))), None);
    }
    // An API key opens no session.
    let password = text("password");
    let uid = (password != super::API_KEY)
        .then(|| demo.sign_in(text("login"), password))
        .flatten();
    let Some(uid) = uid else {
        return (request.answer(Err(Exception::access_denied())), None);
    };
    if demo.faults().two_factor() {
        return (request.answer(Ok(Value::Dict(vec![("uid".into(), Value::None)]))), None);
    }
    let info = Value::Dict(vec![
        ("uid".into(), uid.into()),
        ("db".into(), DB.into()),
        ("username".into(), text("login").into()),
        ("server_version".into(), "19.0".into()),
    ]);
    (request.answer(Ok(info)), Some(demo.sessions.open(uid)))
}

/// `/web/dataset/call_kw`: the answer, and the session's new id if it has one.
pub(super) fn call(demo: &DemoOdoo, headers: &HeaderMap, request: Request) -> (Reply, Option<String>) {
    let id = headers
        .get(COOKIE)
        .and_then(|cookie| cookie.to_str().ok())
        .and_then(|cookie| cookie.split("; ").find_map(|pair| pair.strip_prefix("session_id=")));
    let Some((uid, new_id)) = id.and_then(|id| demo.sessions.find(id)) else {
        let expired = Exception::session_expired("Session expired");
        return (request.anonymous().failure(&expired, 100, "Odoo Session Expired"), None);
    };
    let text = |name: &str| {
        request
            .param(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let kwargs = match request.param("kwargs") {
        Some(Value::Dict(kwargs)) => kwargs.clone(),
        _ => Vec::new(),
    };
    let call = Call {
        model: text("model"),
        method: text("method"),
        args: request
            .param("args")
            .and_then(Value::as_list)
            .unwrap_or_default()
            .to_vec(),
        kwargs,
    };
    let model = call.model.clone();
    let reply = match demo.execute(uid, call) {
        Err(exception) if exception.message == format!("Object {model} doesn't exist") => {
            let missing = Exception::not_found(
                "404 Not Found: The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.",
            );
            request.anonymous().failure(&missing, 404, "404: Not Found")
        }
        outcome => request.answer(outcome),
    };
    (reply, new_id)
}
