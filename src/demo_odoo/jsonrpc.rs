//! Odoo's JSON-RPC: from a body to a call and back, with the bytes that Odoo 19
//! sends. Knows no HTTP server: a request's body in, a status and a body out.

use super::arguments::missing_arguments;
use super::engine::Call;
use super::exception::Exception;
use super::value::Value;
use super::{DB, DemoOdoo};

/// What goes back.
pub(super) enum Reply {
    /// HTTP 200 with JSON.
    Json(String),
    /// HTTP 400 with a word, as HTML.
    Refused(&'static str),
}

/// A request that is JSON-RPC.
pub(super) struct Request {
    id: Value,
    params: Vec<(String, Value)>,
}

impl Request {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Reply> {
        let body: serde_json::Value = serde_json::from_slice(body).map_err(|_| Reply::Refused("Invalid JSON data"))?;
        let Value::Dict(fields) = Value::from(body) else {
            return Err(Reply::Refused("Invalid JSON-RPC data"));
        };
        let mut request = Self {
            id: Value::None,
            params: Vec::new(),
        };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("id", id) => request.id = id,
                ("params", Value::Dict(params)) => request.params = params,
                _ => {}
            }
        }
        Ok(request)
    }

    /// A parameter.
    pub(super) fn param(&self, name: &str) -> Option<&Value> {
        self.params
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    /// The RPC method, such as `execute_kw`; empty if there is none.
    pub(super) fn method(&self) -> &str {
        self.param("method").and_then(Value::as_str).unwrap_or_default()
    }

    /// The answer to a result or an exception; `None` results are left out.
    pub(super) fn answer(&self, outcome: Result<Value, Exception>) -> Reply {
        let mut answer = vec![("jsonrpc".to_owned(), "2.0".into()), ("id".to_owned(), self.id.clone())];
        match outcome {
            Ok(Value::None) => {}
            Ok(result) => answer.push(("result".into(), result)),
            Err(exception) => answer.push(("error".into(), exception.to_json_rpc())),
        }
        Reply::Json(Value::Dict(answer).dump())
    }

    /// The parameters of these names that are not there.
    pub(super) fn missing<'name>(&self, names: &[&'name str]) -> Vec<&'name str> {
        let names = names.iter().copied();
        names.filter(|name| self.param(name).is_none()).collect()
    }

    /// Does what the request asks for.
    pub(super) fn run(&self, demo: &DemoOdoo) -> Result<Value, Exception> {
        let missing = self.missing(&["service", "method", "args"]);
        if !missing.is_empty() {
            return Err(Exception::type_(format!(
                "JSONRPC.jsonrpc() {}",
                missing_arguments(&missing)
            )));
        }
        let service = self.param("service").and_then(Value::as_str).unwrap_or_default();
        let args = self.param("args").and_then(Value::as_list).unwrap_or_default();
        match service {
            "common" => common(demo, self.method(), args),
            "object" => object(demo, self.method(), args),
            other => Err(Exception::key(other)),
        }
    }
}

fn common(demo: &DemoOdoo, method: &str, args: &[Value]) -> Result<Value, Exception> {
    match method {
        "version" if args.is_empty() => Ok(version()),
        "version" => {
            let were = if args.len() == 1 {
                "1 was".to_owned()
            } else {
                format!("{} were", args.len())
            };
            Err(Exception::type_(format!(
                "exp_version() takes 0 positional arguments but {were} given"
            )))
        }
        "authenticate" | "login" => {
            let names = ["db", "login", "password", "user_agent_env"];
            let names = if method == "login" { &names[..3] } else { &names[..] };
            if args.len() < names.len() {
                return Err(Exception::type_(format!(
                    "exp_{method}() {}",
                    missing_arguments(&names[args.len()..])
                )));
            }
            check_database(&args[0])?;
            let (login, password) = (
                args[1].as_str().unwrap_or_default(),
                args[2].as_str().unwrap_or_default(),
            );
            Ok(demo.sign_in_rpc(login, password).map_or(Value::Bool(false), Value::Int))
        }
        other => Err(Exception::other(format!("Method not found: {other}"))),
    }
}

/// What `common.version` answers.
fn version() -> Value {
    let info = vec![19.into(), 0.into(), 0.into(), "final".into(), 0.into(), "".into()];
    Value::Dict(vec![
        ("server_version".into(), "19.0".into()),
        ("server_version_info".into(), info.into()),
        ("server_serie".into(), "19.0".into()),
        ("protocol_version".into(), 1.into()),
    ])
}

fn object(demo: &DemoOdoo, method: &str, args: &[Value]) -> Result<Value, Exception> {
    if !matches!(method, "execute_kw" | "execute") {
        return Err(Exception::name_error(format!("Method not available {method}")));
    }
    let [db, uid, password, model, name, rest @ ..] = args else {
        let given = args.len();
        return Err(Exception::value(format!(
            "not enough values to unpack (expected at least 5, got {given})"
        )));
    };
    check_database(db)?;
    let uid = demo.check(uid, password.as_str().unwrap_or_default())?;
    let (args, kwargs) = match (method, rest) {
        ("execute", args) => (args.to_vec(), Vec::new()),
        (_, []) => return Err(Exception::value("not enough values to unpack (expected 2, got 0)")),
        (_, [args, rest @ ..]) => {
            let kwargs = match rest {
                [Value::Dict(kwargs)] => kwargs.clone(),
                _ => Vec::new(),
            };
            (args.as_list().unwrap_or_default().to_vec(), kwargs)
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.repr(), str::to_owned);
    demo.execute(
        uid,
        Call {
            model: text(model),
            method: text(name),
            args,
            kwargs,
        },
    )
}

fn check_database(db: &Value) -> Result<(), Exception> {
    match db.as_str() {
        Some(DB) => Ok(()),
        name => Err(Exception::database(format!(
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  database \"{}\" does not exist\n",
            name.unwrap_or_default()
        ))),
    }
}
