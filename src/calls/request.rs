//! The body of a call, strictly: four fields, each at most once, each of its
//! type. A misspelt `kwarg` must never turn into "all rows". The arguments
//! themselves stay the bytes that the client sent.

use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{AppError, Result};

/// How deep arguments may be nested. Odoo's own reader gives up near 1,000.
const DEPTH_MAX: usize = 128;
/// The longest name of a model or method, in bytes.
const NAME_MAX_LEN: usize = 128;

/// A call as its client sent it, checked.
#[derive(Debug)]
pub struct CallRequest<'a> {
    /// Such as `sale.order`.
    pub model: String,
    /// Such as `search_read`.
    pub method: String,
    /// A JSON array; `[]` if the client sent none.
    pub args: &'a RawValue,
    /// A JSON object; `{}` if the client sent none.
    pub kwargs: &'a RawValue,
}

impl<'a> CallRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// `invalid_request` with a sentence that names the field or the place.
    pub fn parse(body: &'a [u8]) -> Result<Self> {
        if body.is_empty() {
            return Err(AppError::invalid(
                "The body is empty. Send a JSON object with model, method, args and kwargs.",
            ));
        }
        check_depth(body)?;
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let fields = deserializer
            .deserialize_any(FieldsVisitor)
            .and_then(|fields| deserializer.end().map(|()| fields))
            .map_err(|error| explain(&error))?;

        let model = fields.model.ok_or_else(|| missing("model"))?;
        let method = fields.method.ok_or_else(|| missing("method"))?;
        let model = string(model, "model")?;
        let method = string(method, "method")?;
        if !is_model_name(&model) {
            return Err(AppError::invalid(
                "$.model is not the name of an Odoo model, such as sale.order.",
            ));
        }
        if !is_method_name(&method) {
            return Err(AppError::invalid(
                "$.method is not the name of an Odoo method, such as search_read.",
            ));
        }
        Ok(Self {
            model,
            method,
            args: of_kind(fields.args, '[', "[]", "$.args must be an array.")?,
            kwargs: of_kind(fields.kwargs, '{', "{}", "$.kwargs must be an object.")?,
        })
    }
}

#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    args: Option<&'a RawValue>,
    kwargs: Option<&'a RawValue>,
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with model, method, args and kwargs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let field = match &*name {
                "model" => &mut fields.model,
                "method" => &mut fields.method,
                "args" => &mut fields.args,
                "kwargs" => &mut fields.kwargs,
                unknown => {
                    map.next_value::<IgnoredAny>()?;
                    let shown: String = unknown.chars().filter(|char| !char.is_control()).take(60).collect();
                    return Err(de::Error::custom(format_args!(
                        "{OURS}The field \"{shown}\" is unknown. A call has model, method, args and kwargs only."
                    )));
                }
            };
            if field.replace(map.next_value()?).is_some() {
                return Err(de::Error::custom(format_args!(
                    "{OURS}The field \"{name}\" is there twice."
                )));
            }
        }
        Ok(fields)
    }
}

/// Marks the messages that are sentences of ours already.
const OURS: &str = "\u{1}";

/// A sentence for what serde found.
fn explain(error: &serde_json::Error) -> AppError {
    let text = error.to_string();
    if let Some(ours) = text.strip_prefix(OURS) {
        // serde_json appends the place.
        let end = ours.rfind(" at line ").unwrap_or(ours.len());
        return AppError::invalid(ours[..end].to_owned());
    }
    if error.is_data() {
        return AppError::invalid("The body must be a JSON object with model, method, args and kwargs.");
    }
    AppError::invalid(format!(
        "The body is not valid JSON (line {}, column {}).",
        error.line(),
        error.column()
    ))
}

fn missing(field: &str) -> AppError {
    AppError::invalid(format!("The field \"{field}\" is missing."))
}

fn string(value: &RawValue, field: &str) -> Result<String> {
    serde_json::from_str(value.get()).map_err(|_| AppError::invalid(format!("$.{field} must be a string.")))
}

/// The value if it begins like its kind; `default` if it is absent.
fn of_kind<'a>(
    value: Option<&'a RawValue>,
    opening: char,
    default: &'static str,
    otherwise: &'static str,
) -> Result<&'a RawValue> {
    match value {
        Some(value) if value.get().starts_with(opening) => Ok(value),
        Some(_) => Err(AppError::invalid(otherwise)),
        None => Ok(serde_json::from_str(default).expect("the default is JSON")),
    }
}

/// Such as `sale.order`.
pub fn is_model_name(name: &str) -> bool {
    (1..=NAME_MAX_LEN).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.')
        && name.split('.').all(|part| !part.is_empty())
}

/// A Python name. Private ones (`_x`) go on to Odoo, which refuses them.
pub fn is_method_name(name: &str) -> bool {
    (1..=NAME_MAX_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

/// Refuses what is nested too deep, before anything walks into it.
fn check_depth(body: &[u8]) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(AppError::invalid(format!(
                        "The body is nested deeper than {DEPTH_MAX} levels."
                    )));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(body: &str) -> String {
        CallRequest::parse(body.as_bytes())
            .expect_err(body)
            .message
            .into_owned()
    }

    #[test]
    fn the_seeds_request_is_taken_as_it_came() {
        let body = br#"{"model": "sale.order", "method": "search_read",
            "args": [[["date_order", ">=", "2026-05-01 00:00:00"]]],
            "kwargs": {"limit": 5, "fields": ["name", "state"]}}"#;
        let call = CallRequest::parse(body).expect("the seed's request");
        assert_eq!(
            (call.model.as_str(), call.method.as_str()),
            ("sale.order", "search_read")
        );
        assert_eq!(call.args.get(), r#"[[["date_order", ">=", "2026-05-01 00:00:00"]]]"#);
        assert_eq!(call.kwargs.get(), r#"{"limit": 5, "fields": ["name", "state"]}"#);
    }

    #[test]
    fn arguments_may_be_left_out() {
        let call = CallRequest::parse(br#"{"model":"res.partner","method":"search"}"#).expect("a call");
        assert_eq!((call.args.get(), call.kwargs.get()), ("[]", "{}"));
    }

    #[test]
    fn a_misspelt_or_repeated_field_is_refused_by_its_name() {
        assert!(refusal(r#"{"model":"a","method":"b","kwarg":{}}"#).starts_with("The field \"kwarg\" is unknown."));
        assert_eq!(
            refusal(r#"{"model":"a","method":"b","args":[],"args":[]}"#),
            "The field \"args\" is there twice."
        );
        assert_eq!(refusal(r#"{"model":"a"}"#), "The field \"method\" is missing.");
        let forged = refusal("{\"a\\u0001b\\nc\":1}");
        assert!(!forged.contains('\n'), "{forged:?}");
    }

    #[test]
    fn a_wrong_type_is_refused_by_its_path() {
        assert_eq!(refusal(r#"{"model":1,"method":"b"}"#), "$.model must be a string.");
        assert_eq!(refusal(r#"{"model":null,"method":"b"}"#), "$.model must be a string.");
        assert_eq!(
            refusal(r#"{"model":"a","method":"b","args":{}}"#),
            "$.args must be an array."
        );
        assert_eq!(
            refusal(r#"{"model":"a","method":"b","args":null}"#),
            "$.args must be an array."
        );
        assert_eq!(
            refusal(r#"{"model":"a","method":"b","kwargs":[]}"#),
            "$.kwargs must be an object."
        );
    }

    #[test]
    fn names_that_odoo_can_not_have_are_refused() {
        for model in ["", "Sale.Order", "sale..order", ".a", "a.", "a b", "a/b", "ä", "a\u{0}"] {
            assert!(!is_model_name(model), "{model:?}");
        }
        for method in ["", "1a", "a.b", "a-b", "a b", "ä"] {
            assert!(!is_method_name(method), "{method:?}");
        }
        assert!(is_method_name("_private"), "Odoo itself says what is private");
    }

    #[test]
    fn what_is_no_json_object_is_refused_in_words() {
        assert!(refusal("").starts_with("The body is empty"));
        assert!(refusal("[]").starts_with("The body must be a JSON object"));
        assert_eq!(refusal("{\"model\":"), "The body is not valid JSON (line 1, column 9).");
        assert_eq!(
            refusal("{\"model\":\"a\",\"method\":\"b\"} x"),
            "The body is not valid JSON (line 1, column 28)."
        );
        assert!(
            refusal(&format!(
                "{{\"model\":\"a\",\"method\":\"b\",\"args\":{}",
                "[".repeat(100_000)
            ))
            .contains("nested deeper")
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = CallRequest::parse(&body);
        }

        #[test]
        fn brackets_inside_strings_do_not_count(text in "[\\[{\"\\\\]{0,300}") {
            let body = serde_json::json!({ "model": "a", "method": "b", "args": [text] }).to_string();
            prop_assert!(CallRequest::parse(body.as_bytes()).is_ok());
        }
    }
}
