//! Odoo's JSON-2: an API key, named arguments, the bare result or a status with
//! the exception; and `/doc-bearer`, which tells the names.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, IF_NONE_MATCH};

use super::engine::{self, Call};
use super::exception::Exception;
use super::value::Value;
use super::{API_KEY, DB, DemoOdoo, seed};

/// A status and a body; `None` is a page of HTML, or nothing for 304.
pub(super) type Reply = (u16, Option<String>);

/// The documentation never changes while the demo runs.
pub(super) const ETAG: &str = "6f0d1c";

/// `POST /json/2/<model>/<method>`
pub(super) fn call(demo: &DemoOdoo, headers: &HeaderMap, model: &str, method: &str, body: &[u8]) -> Reply {
    if let Some(refusal) = refusal(demo, headers) {
        return refusal;
    }
    let Ok(Value::Dict(mut kwargs)) = serde_json::from_slice::<serde_json::Value>(body).map(Value::from) else {
        return failed(400, &Exception::other("could not parse the body as json"));
    };
    let ids = kwargs
        .iter()
        .position(|(name, _)| name == "ids")
        .map(|at| kwargs.remove(at).1);
    let signature = engine::methods().iter().find(|known| known.name == method);
    let args = match signature {
        Some(signature) if signature.on_records => vec![ids.unwrap_or(Value::List(Vec::new()))],
        _ => Vec::new(),
    };
    let is_create = method == "create";
    let unknown = format!("Object {model} doesn't exist");
    let call = Call {
        model: model.to_owned(),
        method: method.to_owned(),
        args,
        kwargs,
    };
    match demo.execute(seed::ADMIN, call) {
        Ok(id @ Value::Int(_)) if is_create => (200, Some(Value::List(vec![id]).dump())),
        Ok(Value::None) => (200, Some("null".into())),
        Ok(result) => (200, Some(result.dump())),
        Err(exception) if exception.message == unknown => failed(
            404,
            &Exception::not_found(format!("the model '{model}' does not exist")),
        ),
        Err(exception) if exception.name == "builtins.AttributeError" => {
            failed(404, &Exception::not_found(exception.message))
        }
        Err(exception) => failed(status_of(exception.name), &exception),
    }
}

/// `GET /doc-bearer/<model>.json`
pub(super) fn documentation(demo: &DemoOdoo, headers: &HeaderMap, file: &str) -> Reply {
    if let Some(refusal) = refusal(demo, headers) {
        return refusal;
    }
    if headers.get(IF_NONE_MATCH).is_some_and(|etag| etag == ETAG) {
        return (304, None);
    }
    let methods = engine::methods().iter().map(|signature| {
        let parameters = signature.params.iter().map(|name| {
            let name = name.trim_end_matches('!').to_owned();
            (name, Value::Dict(Vec::new()))
        });
        let mut method = vec![("parameters".into(), Value::Dict(parameters.collect()))];
        if !signature.on_records {
            method.push(("api".into(), Value::List(vec!["model".into()])));
        }
        (signature.name.to_owned(), Value::Dict(method))
    });
    let model = file.trim_end_matches(".json");
    let documentation = Value::Dict(vec![
        ("model".into(), model.into()),
        ("methods".into(), Value::Dict(methods.collect())),
    ]);
    (200, Some(documentation.dump()))
}

/// Without the key there is no answer; without the database not even an error.
fn refusal(demo: &DemoOdoo, headers: &HeaderMap) -> Option<Reply> {
    let database = headers.get("x-odoo-database").and_then(|db| db.to_str().ok());
    if database.is_some_and(|database| database != DB) {
        return Some((404, None));
    }
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bearer ").or_else(|| value.strip_prefix("Bearer ")));
    match key {
        Some(API_KEY) if !demo.faults().credentials_refused() => None,
        Some(_) => Some(failed(401, &Exception::unauthorized("Invalid apikey"))),
        None => Some(failed(
            401,
            &Exception::unauthorized("User not authenticated, use an API Key with a Bearer Authorization header"),
        )),
    }
}

fn failed(status: u16, exception: &Exception) -> Reply {
    (status, Some(exception.to_data().dump()))
}

fn status_of(name: &str) -> u16 {
    match name {
        "odoo.exceptions.AccessError" => 403,
        "odoo.exceptions.MissingError" => 404,
        "builtins.TypeError" => 422,
        name if name.starts_with("odoo.exceptions.") => 422,
        _ => 500,
    }
}
