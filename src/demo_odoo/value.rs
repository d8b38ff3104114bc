//! Values as Python has them: kept in the order they came, written as
//! `json.dumps` writes them and shown as `repr` shows them, because both end up
//! in Odoo's answers byte for byte.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// A Python value that JSON can carry.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`; `False` is also what an empty field reads as.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, even if that is zero.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    List(Vec<Value>),
    /// A dict, in insertion order.
    Dict(Vec<(String, Value)>),
}

/// What an empty field reads as.
pub const EMPTY: Value = Value::Bool(false);

impl Value {
    /// Whether Python's `not value` holds.
    #[must_use]
    pub fn is_falsy(&self) -> bool {
        match self {
            Self::None => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Str(value) => value.is_empty(),
            Self::List(value) => value.is_empty(),
            Self::Dict(value) => value.is_empty(),
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Any number, booleans included, as Python counts them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the demo's numbers are small")]
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(if *value { 1.0 } else { 0.0 }),
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(value) => Some(value),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(value) => Some(value),
            _ => None,
        }
    }

    /// The name of its class in Python.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
        }
    }

    /// As `json.dumps(value, ensure_ascii=False)` writes it.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut out = String::new();
        self.dump_into(&mut out);
        out
    }

    /// Appends [`Self::dump`] to `out`.
    pub fn dump_into(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Float(value) => out.push_str(&float(*value)),
            Self::Str(value) => dump_str(value, out),
            Self::List(items) => wrapped(out, '[', ']', items, |out, item| item.dump_into(out)),
            Self::Dict(items) => wrapped(out, '{', '}', items, |out, (key, value)| {
                dump_str(key, out);
                out.push_str(": ");
                value.dump_into(out);
            }),
        }
    }

    /// As `repr(value)` shows it.
    #[must_use]
    pub fn repr(&self) -> String {
        let mut out = String::new();
        self.repr_into(&mut out);
        out
    }

    fn repr_into(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
            Self::Int(_) | Self::Float(_) => self.dump_into(out),
            Self::Str(value) => repr_str(value, out),
            Self::List(items) => wrapped(out, '[', ']', items, |out, item| item.repr_into(out)),
            Self::Dict(items) => wrapped(out, '{', '}', items, |out, (key, value)| {
                repr_str(key, out);
                out.push_str(": ");
                value.repr_into(out);
            }),
        }
    }

    /// An order for sorting: empty values last, texts without regard to case.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b)),
            (Self::Str(_), _) => Ordering::Less,
            (_, Self::Str(_)) => Ordering::Greater,
            (Self::List(a), Self::List(b)) => a.len().cmp(&b.len()),
            _ => match (self.as_number(), other.as_number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
        }
    }
}

fn wrapped<T>(out: &mut String, open: char, close: char, items: &[T], each: impl Fn(&mut String, &T)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        each(out, item);
    }
    out.push(close);
}

fn dump_str(value: &str, out: &mut String) {
    out.push('"');
    for char in value.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            char if u32::from(char) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

fn repr_str(value: &str, out: &mut String) {
    let quote = if value.contains('\'') && !value.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char == quote => {
                out.push('\\');
                out.push(char);
            }
            char if u32::from(char) < 0x20 || u32::from(char) == 0x7f => {
                let _ = write!(out, "\\x{:02x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push(quote);
}

/// Python's shortest form: `1e16` is `1e+16` there, and `1e-5` is `1e-05`.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::None,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => value
                .as_i64()
                .map_or_else(|| Self::Float(value.as_f64().unwrap_or(f64::MAX)), Self::Int),
            serde_json::Value::String(value) => Self::Str(value),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(items) => {
                Self::Dict(items.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => $value:ident $make:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $make
            }
        })*
    };
}

from! {
    bool => value Self::Bool(value);
    i64 => value Self::Int(value);
    f64 => value Self::Float(value);
    &str => value Self::Str(value.to_owned());
    String => value Self::Str(value);
    Vec<Value> => value Self::List(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_with_pythons_spaces_and_numbers() {
        let value = Value::Dict(vec![
            (
                "b".into(),
                Value::from(vec![Value::from(1), Value::from(2240.0), Value::None]),
            ),
            ("a".into(), Value::from("\u{e4}\n\u{1}\"")),
        ]);
        assert_eq!(
            value.dump(),
            "{\"b\": [1, 2240.0, null], \"a\": \"\u{e4}\\n\\u0001\\\"\"}"
        );
        assert_eq!(Value::from(1e16).dump(), "1e+16");
        assert_eq!(Value::from(0.00001).dump(), "1e-05");
    }

    #[test]
    fn repr_is_pythons() {
        let value = Value::from(vec![
            1.into(),
            2.0.into(),
            "a'b".into(),
            true.into(),
            Value::None,
            "a'\"".into(),
        ]);
        assert_eq!(value.repr(), r#"[1, 2.0, "a'b", True, None, 'a\'"']"#);
    }
}
