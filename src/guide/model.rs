//! What the guide shows and what its *Try it* panel sends and receives: plain
//! data and text, no network and no page. A key is only ever a parameter here.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::{AppError, ErrorCode};

/// Answers longer than this, in bytes, are shown as they came, and shortened.
pub const PRETTY_MAX_BYTES: usize = 1_000_000;
/// How much of a longer answer is shown, in bytes.
const SHORTENED_BYTES: usize = 100_000;

/// The page, but for *Try it*: HTML that the server made, trusted as such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// What stands before *Try it*.
    pub before: String,
    /// What stands after it.
    pub after: String,
}

/// A request as it stands in the panel's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// `sale.order`
    pub model: String,
    /// `search_read`
    pub method: String,
    /// JSON, or nothing.
    pub args: String,
    /// JSON, or nothing.
    pub kwargs: String,
}

impl Draft {
    /// The body to send. Numbers and spelling inside `args` and `kwargs` stay as
    /// they were typed.
    ///
    /// # Errors
    /// A sentence that names the field and the place in it.
    pub fn body(&self) -> Result<String, String> {
        let mut body = String::from("{");
        for (name, value) in [
            ("model", required("Model", &self.model, "sale.order")?),
            ("method", required("Method", &self.method, "search_read")?),
            ("args", json("Args", &self.args, '[', "a JSON array, such as [[]]")?),
            (
                "kwargs",
                json("Kwargs", &self.kwargs, '{', "a JSON object, such as {\"limit\": 5}")?,
            ),
        ] {
            if !value.is_empty() {
                let comma = if body.len() > 1 { "," } else { "" };
                body.push_str(&format!("{comma}\"{name}\":{value}"));
            }
        }
        body.push('}');
        Ok(body)
    }
}

/// The text as a JSON string.
fn required(field: &str, text: &str, example: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        Err(format!("{field} is empty. Write one, such as {example}."))
    } else {
        serde_json::to_string(text).map_err(|error| error.to_string())
    }
}

/// The JSON as it was typed; nothing if nothing was.
fn json(field: &str, text: &str, first: char, shape: &str) -> Result<String, String> {
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(String::new());
    }
    // Syntax first: its message has a place, "must be an array" has none.
    serde_json::from_slice::<IgnoredAny>(text.as_bytes()).map_err(|error| {
        let sentence = error.to_string();
        let what = sentence.split(" at line ").next().unwrap_or_default().to_owned();
        format!(
            "{field} is not JSON: line {}, column {}: {what}.",
            error.line(),
            error.column()
        )
    })?;
    let text = text.trim_start();
    if text.starts_with(first) {
        Ok(text.to_owned())
    } else {
        Err(format!("{field} must be {shape}."))
    }
}

/// Takes a key as it was pasted.
///
/// # Errors
/// A sentence if it can't be sent as a header.
pub fn pasted_key(text: &str) -> Result<String, String> {
    let key = text.trim();
    if key.is_empty() {
        return Err("Paste an API key first. You make one on the page API Keys.".into());
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("This is not an API key: it holds blanks or letters that no key has. Copy it again.".into());
    }
    Ok(key.to_owned())
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// 200
    pub status: u16,
    /// From the click to the last byte, in milliseconds.
    pub elapsed_ms: u32,
    /// In the order of the browser.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: String,
}

impl Reply {
    /// The code of the failure, if it is one of this bridge.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        if self.status < 400 {
            return None;
        }
        // The dashboard's own type, which the browser can read already.
        let failure: AppError = serde_json::from_slice(self.body.as_bytes()).ok()?;
        Some(failure.code)
    }

    /// The text to show, and whether something was left out at its end.
    #[must_use]
    pub fn shown(&self) -> (String, bool) {
        if self.body.len() <= PRETTY_MAX_BYTES {
            (pretty(&self.body), false)
        } else {
            let end = (0..=SHORTENED_BYTES)
                .rev()
                .find(|at| self.body.is_char_boundary(*at))
                .unwrap_or(0);
            (self.body[..end].to_owned(), true)
        }
    }
}

/// Breaks JSON into lines. Only blanks between tokens change: numbers, escapes
/// and the order of fields stay as they came, which no parse and print would
/// promise. What is not JSON comes back as it is.
#[must_use]
pub fn pretty(text: &str) -> String {
    if serde_json::from_slice::<IgnoredAny>(text.as_bytes()).is_err() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            out.push(char);
            in_string = escaped || char != '"';
            escaped = !escaped && char == '\\';
            continue;
        }
        match char {
            ' ' | '\t' | '\n' | '\r' => {}
            '[' | '{' => {
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(char);
                if let Some(end) = chars.next_if(|next| matches!(next, ']' | '}')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_string = char == '"';
                out.push(char);
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(args: &str, kwargs: &str) -> Draft {
        Draft {
            model: " res.partner ".into(),
            method: "search_count".into(),
            args: args.into(),
            kwargs: kwargs.into(),
        }
    }

    #[test]
    fn a_body_holds_numbers_as_they_were_typed_and_leaves_out_what_is_empty() {
        assert_eq!(
            draft("", " \n").body().as_deref(),
            Ok(r#"{"model":"res.partner","method":"search_count"}"#)
        );
        assert_eq!(
            draft(" [[12345678901234567890123, 1.50]] ", "{}").body().as_deref(),
            Ok(
                r#"{"model":"res.partner","method":"search_count","args":[[12345678901234567890123, 1.50]],"kwargs":{}}"#
            )
        );
    }

    #[test]
    fn a_slip_in_the_json_is_named_by_its_place() {
        let error = draft("[[\n  1,, 2]]", "").body().expect_err("refused");
        assert!(error.starts_with("Args is not JSON: line 2, column 5: "), "{error}");
        let error = draft("", "{\"limit\": 5").body().expect_err("refused");
        assert!(error.starts_with("Kwargs is not JSON: line 1, column 11: "), "{error}");
    }

    #[test]
    fn json_of_the_wrong_shape_is_refused_with_an_example() {
        assert_eq!(
            draft("{}", "").body(),
            Err("Args must be a JSON array, such as [[]].".into())
        );
        assert_eq!(
            draft("", "[]").body(),
            Err("Kwargs must be a JSON object, such as {\"limit\": 5}.".into())
        );
        let nameless = Draft {
            method: "read".into(),
            ..Draft::default()
        };
        assert_eq!(
            nameless.body(),
            Err("Model is empty. Write one, such as sale.order.".into())
        );
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_refused_before_it_is_sent() {
        assert_eq!(pasted_key(" obk_x \n").as_deref(), Ok("obk_x"));
        for wrong in ["", "  ", "a b", "a\nb", "schlüssel"] {
            assert!(pasted_key(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn formatting_changes_nothing_but_blanks_between_tokens() {
        let text = r#"{"success":true,"data":[{"b":2240.0,"a":12345678901234567890123,"t":"x:{,}\"\\"},[],{ }, [ 1 ]],"z":false}"#;
        let shown = pretty(text);
        assert_eq!(
            shown,
            "{\n  \"success\": true,\n  \"data\": [\n    {\n      \"b\": 2240.0,\n      \"a\": 12345678901234567890123,\n      \"t\": \"x:{,}\\\"\\\\\"\n    },\n    [],\n    {},\n    [\n      1\n    ]\n  ],\n  \"z\": false\n}"
        );
        assert_eq!(pretty(&shown), shown, "formatting twice is formatting once");
        assert_eq!(pretty("<html>"), "<html>");
    }

    #[test]
    fn a_huge_answer_is_shortened_between_characters() {
        let reply = Reply {
            status: 200,
            elapsed_ms: 1,
            headers: vec![],
            body: format!("x{}", "é".repeat(PRETTY_MAX_BYTES)),
        };
        let (shown, shortened) = reply.shown();
        assert!(shortened && shown.len() <= SHORTENED_BYTES && shown.len() + 2 > SHORTENED_BYTES);
    }

    #[test]
    fn a_failure_is_known_by_its_code_and_a_strange_answer_is_not() {
        let reply = |status, body: &str| Reply {
            status,
            elapsed_ms: 1,
            headers: vec![],
            body: body.into(),
        };
        let failure = r#"{"success":false,"error":"No.","code":"unauthenticated","retryable":false,"request_id":"1"}"#;
        assert_eq!(reply(401, failure).code(), Some(ErrorCode::Unauthenticated));
        assert_eq!(reply(200, failure).code(), None);
        assert_eq!(reply(502, "<html>Bad Gateway</html>").code(), None);
    }
}
