//! Where a result begins and ends in the bytes of an answer, without a tree and
//! without keeping the bytes. Says `Broken` for whatever is not exactly one
//! result in its frame: a cut answer is never taken for a short one.

use std::ops::Range;

/// What is around a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `{"jsonrpc": "2.0", "id": 1, "result": …}`
    Rpc,
    /// Nothing: the body is the result (JSON-2).
    Bare,
}

/// The answer is not one whole result in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not one whole JSON-RPC result")]
pub struct Broken;

/// Finds where the result of a JSON-RPC answer begins. `None` if the members
/// before it are not the ones Odoo sends, or if it is no result: such an answer
/// has to be read whole.
#[must_use]
pub fn result_begins(bytes: &[u8]) -> Option<usize> {
    let mut at = skip_blanks(bytes, 0);
    let mut is_version_2 = false;
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = skip_blanks(bytes, at + 1);
        let (name, after) = plain_string(bytes, at)?;
        at = skip_blanks(bytes, after);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = skip_blanks(bytes, at + 1);
        match name {
            b"result" => return (is_version_2 && at < bytes.len()).then_some(at),
            b"jsonrpc" => {
                let (version, after) = plain_string(bytes, at)?;
                is_version_2 = version == b"2.0";
                at = after;
            }
            b"id" => {
                while bytes
                    .get(at)
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
                {
                    at += 1;
                }
            }
            _ => return None,
        }
        at = skip_blanks(bytes, at);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
    }
}

/// Where the result of a whole JSON-RPC answer stands, if the answer is one as Odoo sends it: in
/// ASCII, closed, and of nothing but what JSON is made of. `None` for any other: it has to be read
/// closely. Takes a quarter of what a JSON parser does.
#[must_use]
pub fn result_in(body: &[u8]) -> Option<Range<usize>> {
    let begin = result_begins(body).filter(|_| body.is_ascii())?;
    let end = body.trim_ascii_end().strip_suffix(b"}")?.trim_ascii_end().len();
    is_one_value(body.get(begin..end)?).then_some(begin..end)
}

/// Whether it is one value: texts and brackets are closed, and between them is nothing but
/// what JSON is made of.
fn is_one_value(value: &[u8]) -> bool {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = value.get(at) {
        at += 1;
        let is_over = match KINDS[usize::from(*byte)] {
            Kind::Blank | Kind::Between | Kind::Scalar if depth > 0 => false,
            // A number or a word alone.
            Kind::Scalar => return value.iter().all(|byte| KINDS[usize::from(*byte)] == Kind::Scalar),
            Kind::Quote => loop {
                match value.get(at) {
                    Some(b'"') => {
                        at += 1;
                        break depth == 0;
                    }
                    Some(b'\\') => at += 2,
                    Some(b' '..) => at += 1,
                    // A control character, or the end.
                    Some(_) | None => return false,
                }
            },
            Kind::Opens => {
                depth += 1;
                false
            }
            Kind::Closes if depth > 0 => {
                depth -= 1;
                depth == 0
            }
            Kind::Blank | Kind::Between | Kind::Closes | Kind::Odd => return false,
        };
        if is_over {
            return at == value.len();
        }
    }
    false
}

/// What a byte outside of texts is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Quote,
    Opens,
    Closes,
    /// A comma or colon.
    Between,
    /// What numbers, `true`, `false` and `null` are made of.
    Scalar,
    /// What JSON has nowhere, such as the `N` of Python's own `NaN`.
    Odd,
}

/// A look-up for each byte is quicker than comparisons.
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Odd; 256];
    let mut byte = 0_u8;
    loop {
        kinds[byte as usize] = match byte {
            b' ' | b'\n' | b'\r' | b'\t' => Kind::Blank,
            b'"' => Kind::Quote,
            b'[' | b'{' => Kind::Opens,
            b']' | b'}' => Kind::Closes,
            b',' | b':' => Kind::Between,
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' => Kind::Scalar,
            b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u' => Kind::Scalar,
            _ => Kind::Odd,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    kinds
};

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// A string without escapes, and where it ends.
fn plain_string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    (rest[end] == b'"').then(|| (&rest[..end], at + end + 2))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the result's first byte, or between its tokens.
    Value,
    /// In a string; `true` after a backslash.
    Text(bool),
    /// In a number or a word that is the whole result.
    Scalar,
    /// The result is over.
    After,
    /// So is the frame.
    End,
}

/// Follows the bytes of a result from its first one on.
#[derive(Debug)]
pub struct Scanner {
    frame: Frame,
    place: Place,
    depth: u32,
}

impl Scanner {
    /// At the result's first byte.
    #[must_use]
    pub const fn new(frame: Frame) -> Self {
        Self {
            frame,
            place: Place::Value,
            depth: 0,
        }
    }

    /// Takes the next bytes; says how many of them, from the first on, belong to
    /// the result.
    ///
    /// # Errors
    /// [`Broken`] for what can't be.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut at = 0;
        while at < bytes.len() {
            match self.place {
                Place::Text(escaped) => at = self.text(bytes, at, escaped),
                Place::Value => {
                    self.value(bytes[at])?;
                    at += 1;
                }
                Place::Scalar => {
                    if bytes[at].is_ascii_alphanumeric() || b"+-.".contains(&bytes[at]) {
                        at += 1;
                    } else {
                        self.place = Place::After;
                    }
                }
                Place::After | Place::End => {
                    self.after(&bytes[at..])?;
                    return Ok(at);
                }
            }
        }
        Ok(at)
    }

    /// Whether the bytes so far are a whole answer.
    ///
    /// # Errors
    /// [`Broken`] if not.
    pub fn finish(&self) -> Result<(), Broken> {
        match (self.frame, self.place) {
            (_, Place::End) | (Frame::Bare, Place::After | Place::Scalar) => Ok(()),
            _ => Err(Broken),
        }
    }

    fn text(&mut self, bytes: &[u8], at: usize, escaped: bool) -> usize {
        if escaped {
            self.place = Place::Text(false);
            return at + 1;
        }
        match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            None => bytes.len(),
            Some(found) => {
                self.place = match bytes[at + found] {
                    b'\\' => Place::Text(true),
                    _ if self.depth == 0 => Place::After,
                    _ => Place::Value,
                };
                at + found + 1
            }
        }
    }

    fn value(&mut self, byte: u8) -> Result<(), Broken> {
        match byte {
            b'"' => self.place = Place::Text(false),
            b'[' | b'{' => self.depth = self.depth.checked_add(1).ok_or(Broken)?,
            b']' | b'}' => {
                self.depth = self.depth.checked_sub(1).ok_or(Broken)?;
                if self.depth == 0 {
                    self.place = Place::After;
                }
            }
            byte if self.depth == 0 && !byte.is_ascii_whitespace() => self.place = Place::Scalar,
            _ => {}
        }
        Ok(())
    }

    /// After the result only the frame's end and blanks may come.
    fn after(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        for byte in bytes {
            match (self.frame, self.place, byte) {
                (_, _, byte) if byte.is_ascii_whitespace() => {}
                (Frame::Rpc, Place::After, b'}') => self.place = Place::End,
                _ => return Err(Broken),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of an answer that comes in pieces of so many bytes.
    fn scan(body: &[u8], frame: Frame, piece: usize) -> Result<Vec<u8>, Broken> {
        let begin = match frame {
            Frame::Rpc => result_begins(body).ok_or(Broken)?,
            Frame::Bare => 0,
        };
        let (mut scanner, mut result) = (Scanner::new(frame), Vec::new());
        for chunk in body[begin..].chunks(piece) {
            let taken = scanner.feed(chunk)?;
            result.extend_from_slice(&chunk[..taken]);
        }
        scanner.finish().map(|()| result)
    }

    #[test]
    fn a_whole_answer_as_odoo_sends_it_needs_no_parser_and_any_other_does() {
        let result = |body: &str| result_in(body.as_bytes()).map(|range| body[range].to_owned());
        for value in [
            r#"[{"a": -1.5e+3, "b": "x\"]}\\", "c": [true, false, null]}, "\u00e4 and a text that is longer than others"]"#,
            "12",
            "null",
            r#""NaN""#,
            "{}",
        ] {
            let body = format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {value}}}"#);
            assert_eq!(result(&body).as_deref(), Some(value));
            for end in 0..body.len() {
                assert_eq!(result(&body[..end]), None, "{}", &body[..end]);
            }
        }
        for odd in [
            r#"{"jsonrpc": "2.0", "id": 1, "result": [NaN]}"#,
            r#"{"jsonrpc": "2.0", "id": 1, "result": Infinity}"#,
            r#"{"jsonrpc": "2.0", "id": 1, "result": [1], "error": {}}"#,
            r#"{"jsonrpc": "2.0", "id": 1, "error": {"data": {}}}"#,
            r#"{"jsonrpc": "2.0", "id": 1}"#,
            r#"{"result": 1, "jsonrpc": "2.0"}"#,
            "<html>",
            "",
        ] {
            assert_eq!(result(odd), None, "{odd}");
        }
    }

    #[test]
    fn every_cut_is_seen() {
        let result = br#"[{"a": "x\"]}\\", "b": [1, {"c": null}]}, "\u00e4", 1.5e3]"#;
        let body = [br#"{"jsonrpc": "2.0", "id": 1, "result": "#.as_slice(), result, b"}"].concat();
        for piece in [1, 2, 7, 1_000] {
            assert_eq!(scan(&body, Frame::Rpc, piece).as_deref(), Ok(result.as_slice()));
            assert_eq!(scan(result, Frame::Bare, piece).as_deref(), Ok(result.as_slice()));
            for cut in 0..body.len() {
                assert_eq!(scan(&body[..cut], Frame::Rpc, piece), Err(Broken), "cut at {cut}");
            }
            for cut in 1..result.len() {
                assert_eq!(scan(&result[..cut], Frame::Bare, piece), Err(Broken), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_comes_after_the_result_breaks_it() {
        let body = |tail: &str| format!(r#"{{"jsonrpc":"2.0","id":null,"result":[1]{tail}"#);
        assert!(scan(body("} \n").as_bytes(), Frame::Rpc, 3).is_ok());
        for tail in [r#","error":{}}"#, "}}", "}x", "]}", ""] {
            assert_eq!(scan(body(tail).as_bytes(), Frame::Rpc, 3), Err(Broken), "{tail}");
            // A number or a word has no end of its own. Found by fuzzing.
            for scalar in ["1", "true", "-1.5e3"] {
                let body = body(tail).replace("[1]", scalar);
                assert_eq!(scan(body.as_bytes(), Frame::Rpc, 3), Err(Broken), "{body}");
            }
        }
    }

    #[test]
    fn an_error_or_an_odd_frame_is_not_streamed() {
        for body in [
            r#"{"jsonrpc": "2.0", "id": 1, "error": {}}"#,
            r#"{"result": 1}"#,
            r#"{"jsonrpc": "1.0", "result": 1}"#,
            "[1]",
            "",
            "<html>",
            r#"{"jsonrpc": "2.0", "id": 1, "result": "#,
        ] {
            assert_eq!(result_begins(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_through_byte_for_byte(text: String, piece in 1_usize..9) {
            let result = serde_json::json!([text, {"k": text}]).to_string();
            let body = format!("{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {result}}}");
            prop_assert_eq!(scan(body.as_bytes(), Frame::Rpc, piece), Ok(result.into_bytes()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, piece in 1_usize..9) {
            let _ = scan(&bytes, Frame::Rpc, piece);
            let _ = scan(&bytes, Frame::Bare, piece);
        }
    }
}
