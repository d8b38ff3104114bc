//! Odoo's JSON-2: an API key, named arguments, the bare result or a status with
//! the exception. Knows no HTTP server: headers and a body in, a reply out.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::arguments::Signature;
use super::engine::{self, Call};
use super::exception::Exception;
use super::schema::Model;
use super::value::Value;
use super::{API_KEY, DB, DemoOdoo, seed};

/// What goes back.
pub(super) enum Reply {
    /// HTTP 200 with JSON.
    Result(String),
    /// HTTP 200 with JSON that can be asked for again by its tag.
    Documentation { body: String, etag: &'static str },
    /// HTTP 304.
    NotModified,
    /// HTTP 404 with a page.
    NoDatabase,
    /// An exception.
    Failed { status: u16, body: String },
}

/// What is called.
pub(super) struct Target {
    pub(super) model: String,
    pub(super) method: String,
}

type Named = Vec<(String, Value)>;

/// `POST /json/2/<model>/<method>`
pub(super) fn call(demo: &DemoOdoo, headers: &HeaderMap, target: &Target, body: &[u8]) -> Reply {
    if let Some(refusal) = refusal(demo, headers) {
        return refusal;
    }
    run(demo, target, body).unwrap_or_else(|exception| failed(&exception))
}

/// Any other address below `/json/2`.
pub(super) fn elsewhere() -> Reply {
    failed(&Exception::not_found("Did you mean POST /json/2/<model>/<method>?"))
}

fn run(demo: &DemoOdoo, target: &Target, body: &[u8]) -> Result<Reply, Exception> {
    let mut kwargs = named(body)?;
    let ids = taken(&mut kwargs, "ids");
    let unknown = || Exception::not_found(format!("the model '{}' does not exist", target.model));
    let model = demo.model(&target.model).ok_or_else(unknown)?;
    if let Some((_, context)) = kwargs.iter().find(|(name, _)| name == "context")
        && !matches!(context, Value::Dict(_) | Value::None)
    {
        let class = context.class();
        return Err(Exception::type_(format!("'{class}' object is not iterable")));
    }
    let signature = public(model, &target.method)?;
    let has_ids = ids.as_ref().is_some_and(|ids| !ids.is_falsy());
    if has_ids && !signature.on_records {
        let called = format!("{}.{}", target.model, target.method);
        return Err(Exception::unprocessable(format!("cannot call {called} with ids")));
    }
    fits(signature, &kwargs)?;
    let args = if signature.on_records {
        vec![ids.unwrap_or(Value::List(Vec::new()))]
    } else {
        Vec::new()
    };
    let call = Call {
        model: target.model.clone(),
        method: target.method.clone(),
        args,
        kwargs,
    };
    Ok(Reply::Result(match demo.execute(seed::ADMIN, call)? {
        // Records are answered as a list of their ids, one or many.
        id @ Value::Int(_) if signature.name == "create" => Value::List(vec![id]).dump(),
        result => result.dump(),
    }))
}

/// What is no object is no arguments, as in Odoo.
fn named(body: &[u8]) -> Result<Named, Exception> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    match serde_json::from_slice::<serde_json::Value>(body).map(Value::from) {
        Ok(Value::Dict(named)) => Ok(named),
        Ok(_) => Ok(Vec::new()),
        Err(_) => Err(Exception::bad_request(
            "could not parse the body as json: Expecting value: line 1 column 1 (char 0)",
        )),
    }
}

fn taken(kwargs: &mut Named, name: &str) -> Option<Value> {
    let at = kwargs.iter().position(|(given, _)| given == name)?;
    Some(kwargs.remove(at).1)
}

fn public(model: &Model, method: &str) -> Result<&'static Signature, Exception> {
    engine::method_of(model, method).map_err(|exception| match exception.name {
        "builtins.AttributeError" => Exception::not_found(exception.message),
        _ => exception,
    })
}

/// Python's `inspect.Signature.bind`, which Odoo asks before it calls.
fn fits(signature: &Signature, kwargs: &Named) -> Result<(), Exception> {
    let is_given = |param: &str| kwargs.iter().any(|(name, _)| name == param);
    if let Some(missing) = signature.required().find(|param| !is_given(param)) {
        let words = format!("missing a required argument: '{missing}'");
        return Err(Exception::unprocessable(words));
    }
    let unknown = kwargs
        .iter()
        .map(|(name, _)| name.as_str())
        .find(|name| *name != "context" && !signature.names().any(|param| param == *name));
    match unknown {
        // It takes any keyword, and fails later.
        Some(name) if signature.name != "search_read" => Err(Exception::unprocessable(format!(
            "got an unexpected keyword argument '{name}'"
        ))),
        _ => Ok(()),
    }
}

/// Without the key there is no answer; without the database not even an error.
pub(super) fn refusal(demo: &DemoOdoo, headers: &HeaderMap) -> Option<Reply> {
    let database = headers.get("x-odoo-database");
    if database.is_some_and(|database| database != DB) {
        return Some(Reply::NoDatabase);
    }
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let key = match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        _ => "",
    };
    match key {
        "" => Some(failed(&Exception::unauthorized(
            "User not authenticated, use an API Key with a Bearer Authorization header.",
        ))),
        API_KEY if !demo.faults().api_keys_refused() => None,
        _ => Some(failed(&Exception::unauthorized("Invalid apikey"))),
    }
}

/// An exception with its status.
pub(super) fn failed(exception: &Exception) -> Reply {
    let status = status_of(exception.name);
    let mut arguments = vec![exception.message.as_str().into()];
    if exception.name.starts_with("werkzeug.") {
        arguments.push(i64::from(status).into());
    }
    Reply::Failed {
        status,
        body: exception.told(arguments).dump(),
    }
}

fn status_of(name: &str) -> u16 {
    match name {
        "werkzeug.exceptions.BadRequest" => 400,
        "werkzeug.exceptions.Unauthorized" => 401,
        "odoo.exceptions.AccessDenied" | "odoo.exceptions.AccessError" => 403,
        "odoo.exceptions.MissingError" | "werkzeug.exceptions.NotFound" => 404,
        "werkzeug.exceptions.UnprocessableEntity" => 422,
        name if name.starts_with("odoo.exceptions.") => 422,
        _ => 500,
    }
}
