//! How single values compare: patterns, moments, orders.

use std::cmp::Ordering;

use chrono::{NaiveDate, NaiveDateTime};

use super::super::schema::Kind;
use super::super::value::Value;
use super::Operator;

/// A moment as it is stored. A bare date means its first second, but its last
/// one after `>` and `<=`, so that the day itself is not half in.
pub(super) fn moment(kind: Kind, operator: Operator, text: &str) -> Option<String> {
    let text = text.trim();
    let parsed = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    if let Some(parsed) = parsed {
        let format = if kind == Kind::Date {
            "%Y-%m-%d"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        return Some(parsed.format(format).to_string());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    if kind == Kind::Date {
        return Some(date.to_string());
    }
    let end = matches!(operator, Operator::Greater | Operator::LessOrEqual);
    Some(format!("{date} {}", if end { "23:59:59" } else { "00:00:00" }))
}

/// Whether the two are the same to Odoo: every empty value equals every other.
pub(super) fn equal(kind: Kind, stored: &Value, wanted: &Value) -> bool {
    if kind == Kind::Boolean {
        return stored.is_falsy() == wanted.is_falsy();
    }
    let empty = |value: &Value| matches!(value, Value::None | Value::Bool(false)) || value.as_str() == Some("");
    if empty(wanted) {
        return empty(stored);
    }
    match (stored.as_number(), wanted.as_number()) {
        (Some(a), Some(b)) => !matches!(stored, Value::Bool(_)) && a.total_cmp(&b) == Ordering::Equal,
        _ => stored == wanted,
    }
}

/// How the stored value stands to the wanted one; `None` if there is nothing to compare.
pub(super) fn order(kind: Kind, stored: &Value, wanted: &Value) -> Option<Ordering> {
    if kind.is_number() || matches!(kind, Kind::Boolean) {
        return stored.as_number()?.partial_cmp(&wanted.as_number()?);
    }
    match (stored, wanted) {
        (Value::Str(_), Value::Str(_)) | (Value::Int(_), Value::Int(_)) => Some(stored.compare(wanted)),
        _ => None,
    }
}

/// SQL's `LIKE`: `%` is any text, `_` any character, `\` takes their meaning away.
pub(super) fn like(text: &str, pattern: &str, anywhere: bool, any_case: bool) -> bool {
    let fold = |text: &str| if any_case { text.to_lowercase() } else { text.to_owned() };
    let text: Vec<char> = fold(text).chars().collect();
    let mut tokens = pattern_of(&fold(pattern));
    if anywhere {
        tokens.insert(0, Token::Any);
        tokens.push(Token::Any);
    }
    matches(&text, &tokens)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Is(char),
}

fn pattern_of(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '%' => Token::Any,
            '_' => Token::One,
            '\\' => Token::Is(chars.next().unwrap_or('\\')),
            char => Token::Is(char),
        });
    }
    tokens
}

/// Goes back to the last `%` only, so that no pattern takes exponential time.
fn matches(text: &[char], tokens: &[Token]) -> bool {
    let (mut at, mut token) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Any) => {
                retry = Some((at, token));
                token += 1;
            }
            Some(Token::One) => (at, token) = (at + 1, token + 1),
            Some(Token::Is(char)) if *char == text[at] => (at, token) = (at + 1, token + 1),
            _ => {
                let Some((from, any)) = retry else { return false };
                retry = Some((from + 1, any));
                (at, token) = (from + 1, any + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Any)
}
