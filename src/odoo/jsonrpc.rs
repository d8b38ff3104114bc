//! The wire shapes of Odoo's `/jsonrpc` (Odoo 8 to 21) and of its web client
//! (`/web/…`), which is JSON-RPC as well; as measured on Odoo 19.
//!
//! Errors come with HTTP 200 and an `error` object; a method that returns
//! nothing answers neither `result` nor `error`.

use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::call::Call;
use super::error::{OdooError, misread};

/// Path below Odoo's address.
pub(super) const PATH: &str = "/jsonrpc";

/// Path of a web client's login.
pub(super) const WEB_LOGIN_PATH: &str = "/web/session/authenticate";
/// Path of a web client's calls.
pub(super) const WEB_CALL_PATH: &str = "/web/dataset/call_kw";

#[derive(Serialize)]
struct Request<P> {
    jsonrpc: &'static str,
    method: &'static str,
    id: u8,
    params: P,
}

/// More than all names and signs of a body.
const ENVELOPE_BYTES: usize = 192;

#[derive(Serialize)]
struct Params<'a, A> {
    service: &'a str,
    method: &'a str,
    args: A,
}

/// With room for so many bytes of `params`.
fn envelope(params: impl Serialize, room: usize) -> Vec<u8> {
    let request = Request {
        jsonrpc: "2.0",
        method: "call",
        id: 1,
        params,
    };
    let mut body = Vec::with_capacity(ENVELOPE_BYTES + room);
    serde_json::to_writer(&mut body, &request).expect("strings, numbers and checked JSON always serialize");
    body
}

fn request<A: Serialize>(service: &str, method: &str, args: A) -> Vec<u8> {
    envelope(Params { service, method, args }, 0)
}

#[derive(Serialize)]
struct WebLogin<'a> {
    db: &'a str,
    login: &'a str,
    password: &'a str,
}

/// The body of a web client's login.
pub(super) fn web_login(db: &str, login: &str, password: &SecretString) -> Vec<u8> {
    let login = WebLogin {
        db,
        login,
        password: password.expose_secret(),
    };
    envelope(login, 0)
}

#[derive(Serialize)]
struct WebCall<'a> {
    model: &'a str,
    method: &'a str,
    args: &'a RawValue,
    kwargs: &'a RawValue,
}

/// The body of a web client's call. The arguments go in as they came.
pub(super) fn web_call(call: &Call<'_>) -> Vec<u8> {
    let room = call.model.len() + call.method.len() + call.args.get().len() + call.kwargs.get().len();
    let call = WebCall {
        model: call.model,
        method: call.method,
        args: call.args,
        kwargs: call.kwargs,
    };
    envelope(call, room)
}

/// The body of `common.version`.
pub(super) fn version() -> Vec<u8> {
    request("common", "version", [(); 0])
}

/// The body of `common.authenticate`.
pub(super) fn authenticate(db: &str, username: &str, secret: &SecretString) -> Vec<u8> {
    request(
        "common",
        "authenticate",
        (db, username, secret.expose_secret(), serde_json::Map::new()),
    )
}

/// The body of `object.execute_kw`. The arguments go in as they came.
pub(super) fn execute_kw(db: &str, uid: i64, secret: &SecretString, call: &Call<'_>) -> Vec<u8> {
    request(
        "object",
        "execute_kw",
        (
            db,
            uid,
            secret.expose_secret(),
            call.model,
            call.method,
            call.args,
            call.kwargs,
        ),
    )
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Error>,
    /// An answer to somebody else is none to us.
    #[serde(borrow)]
    jsonrpc: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    data: Option<ErrorData>,
}

#[derive(Deserialize)]
struct ErrorData {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

/// Takes the result out of an answer, byte for byte; `null` if there is none.
///
/// # Errors
/// `Raised` and its kin for an `error`; `Unreachable` for what is no JSON-RPC.
pub(super) fn result_of(body: &Bytes, model: &str) -> Result<Bytes, OdooError> {
    let response: Response<'_> = serde_json::from_slice(body).map_err(|error| OdooError::Unreachable {
        message: "What answered at Odoo's address is not Odoo's JSON-RPC.".into(),
        cause: Some(misread(&error)),
        is_silent: false,
    })?;
    if response.jsonrpc != "2.0" {
        return Err(OdooError::unreachable(
            "What answered at Odoo's address is not Odoo's JSON-RPC.",
        ));
    }
    match (response.error, response.result) {
        (Some(error), _) => {
            let data = error.data.unwrap_or(ErrorData {
                name: String::new(),
                message: String::new(),
            });
            Err(OdooError::raised(&data.name, &data.message, model))
        }
        (None, Some(result)) => Ok(body.slice_ref(result.get().as_bytes())),
        (None, None) => Ok(Bytes::from_static(b"null")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(body: &str) -> Result<String, OdooError> {
        result_of(&Bytes::copy_from_slice(body.as_bytes()), "m").map(|data| String::from_utf8_lossy(&data).into_owned())
    }

    #[test]
    fn the_result_is_passed_on_byte_for_byte() {
        let data = r#"[{"a":  1.00, "b": "\u00e4\ud83d", "c": 12345678901234567890123}]"#;
        assert_eq!(
            result(&format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {data}}}"#)).expect("a result"),
            data
        );
    }

    #[test]
    fn a_method_without_a_result_answers_null() {
        assert_eq!(result(r#"{"jsonrpc": "2.0", "id": 7}"#).expect("null"), "null");
        assert_eq!(
            result(r#"{"jsonrpc": "2.0", "id": 7, "result": null}"#).expect("null"),
            "null"
        );
    }

    #[test]
    fn an_error_outweighs_a_result() {
        let body = r#"{"jsonrpc": "2.0", "result": 1, "error": {"data": {"name": "odoo.exceptions.UserError", "message": "no"}}}"#;
        assert!(matches!(result(body), Err(OdooError::Raised { .. })));
    }

    #[test]
    fn what_is_no_json_rpc_is_no_odoo() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"result": 1}"#,
            r#"{"jsonrpc": "1.0", "result": 1}"#,
            r#"{"jsonrpc": "2.0", "result": 1"#,
        ] {
            assert!(matches!(result(body), Err(OdooError::Unreachable { .. })), "{body:?}");
        }
    }

    #[test]
    fn arguments_go_in_as_they_came() {
        let args = RawValue::from_string("[[1.00,  \"\\u00e4\"]]".into()).expect("JSON");
        let kwargs = RawValue::from_string("{\"limit\":5}".into()).expect("JSON");
        let call = Call {
            model: "sale.order",
            method: "read",
            args: &args,
            kwargs: &kwargs,
        };
        let body = String::from_utf8(execute_kw("db", 2, &"s".into(), &call)).expect("UTF-8");
        assert!(
            body.contains(r#""args":["db",2,"s","sale.order","read",[[1.00,  "\u00e4"]],{"limit":5}]"#),
            "{body}"
        );
    }
}
