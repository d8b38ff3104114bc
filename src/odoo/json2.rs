//! The wire shapes of Odoo's JSON-2 (`/json/2/<model>/<method>`, Odoo 19 and
//! later): named arguments in, the bare result or a status with an error out. The
//! answer that leaves here is what `execute_kw` would have said.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::call::Call;
use super::error::{OdooError, misread};
use super::signatures::Signature;

/// Whether the arguments need names that the caller did not give.
pub(super) fn has_positional(call: &Call<'_>) -> bool {
    call.args.get().bytes().any(|byte| !matches!(byte, b'[' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
        // `[[]]` has an argument, `[]` has none.
        || call.args.get().bytes().filter(|byte| *byte == b'[').count() > 1
}

/// A request's body, and whether its answer is to be taken out of a list of one
/// (`create` with one dict).
pub(super) struct Named {
    pub(super) body: Vec<u8>,
    pub(super) only_one: bool,
}

/// Puts names to the positional arguments.
///
/// # Errors
/// `Unmapped` for what has no name, or is given twice.
pub(super) fn name_arguments(call: &Call<'_>, signature: Option<&Signature>) -> Result<Named, OdooError> {
    let positional: Vec<&RawValue> = serde_json::from_str(call.args.get()).map_err(|_| unmapped(call, "args"))?;
    let named: Members<'_> = serde_json::from_str(call.kwargs.get()).map_err(|_| unmapped(call, "kwargs"))?;
    let mut members: Vec<(&str, &RawValue)> = Vec::with_capacity(positional.len() + named.0.len());
    if !positional.is_empty() {
        let signature = signature.ok_or_else(|| unmapped(call, "args[0]"))?;
        let ids = signature.on_records.then_some("ids");
        let mut names = ids.into_iter().chain(signature.params.iter().map(|name| &**name));
        for (index, value) in positional.into_iter().enumerate() {
            let name = names.next().ok_or_else(|| unmapped(call, &format!("args[{index}]")))?;
            members.push((name, value));
        }
    }
    for (name, value) in &named.0 {
        if members.iter().any(|(given, _)| given == name) {
            // It may be anything.
            let shown: String = name.chars().filter(|char| !char.is_control()).take(60).collect();
            return Err(OdooError::Unmapped {
                message: format!(
                    "The argument \"{shown}\" of {}.{} is given twice.",
                    call.model, call.method
                ),
            });
        }
        members.push((name, value));
    }
    Ok(write_members(call, &members))
}

fn write_members(call: &Call<'_>, members: &[(&str, &RawValue)]) -> Named {
    let length: usize = members
        .iter()
        .map(|(name, value)| name.len() + value.get().len() + 8)
        .sum();
    let mut body = Vec::with_capacity(length + 2);
    let mut only_one = false;
    body.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let text = value.get();
        // execute_kw takes one id and one dict where JSON-2 wants lists.
        let one_dict = call.method == "create" && text.starts_with('{') && *name != "context";
        let one_id = *name == "ids" && text.starts_with(|first: char| first.is_ascii_digit());
        only_one |= one_dict;
        body.extend_from_slice(serde_json::to_string(name).expect("a string").as_bytes());
        body.push(b':');
        if one_dict || one_id {
            body.push(b'[');
        }
        body.extend_from_slice(text.as_bytes());
        if one_dict || one_id {
            body.push(b']');
        }
    }
    body.push(b'}');
    Named { body, only_one }
}

fn unmapped(call: &Call<'_>, place: &str) -> OdooError {
    OdooError::Unmapped {
        message: format!(
            "{place} of {}.{} has no name: this Odoo takes named arguments only, and does not tell the method's parameters. Give it in kwargs.",
            call.model, call.method
        ),
    }
}

/// The members of an object, in order, values as they are.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reader).map(Members)
    }
}

/// The id out of `[43]`.
///
/// # Errors
/// `Unreachable` if it is not a list of one.
pub(super) fn only_of(body: &Bytes) -> Result<Bytes, OdooError> {
    let list: [&RawValue; 1] = serde_json::from_slice(body).map_err(|error| OdooError::Unreachable {
        message: "What answered at Odoo's address is not Odoo's JSON-2.".into(),
        cause: Some(misread(&error)),
        is_silent: false,
    })?;
    Ok(body.slice_ref(list[0].get().as_bytes()))
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

/// What an answer that is no 200 means. A 404 is Odoo's own only if it is JSON.
pub(super) fn error_of(status: StatusCode, body: &[u8], model: &str) -> Option<OdooError> {
    let body: ErrorBody = serde_json::from_slice(body).ok()?;
    if body.name.is_empty() {
        return None;
    }
    if status.as_u16() == 401 {
        return Some(OdooError::AuthFailed {
            retry_in: std::time::Duration::ZERO,
        });
    }
    Some(match OdooError::raised(&body.name, &body.message, model) {
        // Raised by the method: the key itself was accepted.
        OdooError::AuthFailed { .. } => OdooError::raised("odoo.exceptions.AccessError", &body.message, model),
        error => error,
    })
}

#[cfg(test)]
mod tests {
    use super::super::signatures;
    use super::*;

    fn named(method: &str, args: &str, kwargs: &str) -> Result<(String, bool), String> {
        let args = RawValue::from_string(args.into()).expect("JSON");
        let kwargs = RawValue::from_string(kwargs.into()).expect("JSON");
        let call = Call {
            model: "sale.order",
            method,
            args: &args,
            kwargs: &kwargs,
        };
        let signature = signatures::known(method).map(|(signature, _)| signature);
        let named = name_arguments(&call, signature.as_ref()).map_err(|error| error.to_string())?;
        Ok((String::from_utf8(named.body).expect("UTF-8"), named.only_one))
    }

    #[test]
    fn positions_become_names_and_bytes_stay() {
        let (body, _) = named("search_read", r#"[[["a",">=",1.00]], ["name"], 0]"#, r#"{"limit":5}"#).expect("named");
        assert_eq!(
            body,
            r#"{"domain":[["a",">=",1.00]],"fields":["name"],"offset":0,"limit":5}"#
        );
        let (body, _) = named("write", r#"[7, {"note": "\u00e4"}]"#, "{}").expect("named");
        assert_eq!(body, r#"{"ids":[7],"vals":{"note": "\u00e4"}}"#);
        assert_eq!(
            named("action_confirm", "[]", r#"{"ids":[1]}"#).expect("named").0,
            r#"{"ids":[1]}"#
        );
    }

    #[test]
    fn one_dict_is_created_as_a_list_of_one() {
        assert_eq!(
            named("create", r#"[{"a":1}]"#, "{}"),
            Ok((r#"{"vals_list":[{"a":1}]}"#.into(), true))
        );
        assert_eq!(
            named("create", r#"[[{"a":1}]]"#, r#"{"context":{}}"#),
            Ok((r#"{"vals_list":[{"a":1}],"context":{}}"#.into(), false))
        );
        assert_eq!(only_of(&Bytes::from_static(b"[43]")).expect("one"), "43");
        assert!(only_of(&Bytes::from_static(b"[43,44]")).is_err());
    }

    #[test]
    fn what_has_no_name_or_two_values_is_refused_by_name() {
        assert!(
            named("action_confirm", "[[1]]", "{}")
                .expect_err("refused")
                .starts_with("args[0] of sale.order.action_confirm")
        );
        assert!(
            named("search_count", "[[], 1, 2]", "{}")
                .expect_err("refused")
                .starts_with("args[2] of")
        );
        assert!(
            named("search", "[[]]", r#"{"domain":[]}"#)
                .expect_err("refused")
                .contains("\"domain\"")
        );
    }

    /// Found by `make fuzz`.
    #[test]
    fn a_name_that_is_none_is_not_repeated_as_it_came() {
        let member = format!(r#""a\u0007\n{}":1"#, "x".repeat(5_000));
        let odd = format!("{{{member},{member}}}");
        let refused = named("search", "[]", &odd).expect_err("it is there twice");
        assert!(
            refused.len() < 200 && !refused.chars().any(char::is_control),
            "{refused:?}"
        );
    }

    #[test]
    fn an_empty_list_of_arguments_needs_no_names() {
        let kwargs = RawValue::from_string("{}".into()).expect("JSON");
        for (args, expected) in [("[]", false), ("[ ]", false), ("[[]]", true), ("[1]", true)] {
            let args = RawValue::from_string(args.into()).expect("JSON");
            let call = Call {
                model: "m",
                method: "x",
                args: &args,
                kwargs: &kwargs,
            };
            assert_eq!(has_positional(&call), expected, "{args}");
        }
    }

    #[test]
    fn only_json_is_odoos_own_error() {
        let html = error_of(StatusCode::NOT_FOUND, b"<html>", "m");
        assert!(html.is_none());
        let own = error_of(
            StatusCode::NOT_FOUND,
            br#"{"name": "werkzeug.exceptions.NotFound", "message": "the model 'm' does not exist"}"#,
            "m",
        );
        assert!(matches!(own, Some(OdooError::Raised { .. })), "{own:?}");
    }
}
