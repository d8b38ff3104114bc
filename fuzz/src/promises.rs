//! What holds for every answer that comes from Odoo's address.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use super::answer::{Broken, Frame, Scanner, result_begins, result_in};
use super::call::Call;
use super::error::OdooError;
use super::{json2 as wire2, jsonrpc as wire, signatures};
use crate::error::AppError;

/// A failure is told without a traceback, in a bounded text.
fn told(error: OdooError) {
    let error = AppError::from(error);
    assert!(!error.message.is_empty());
    assert!(
        error.message.chars().count() < 2_500,
        "{} characters",
        error.message.chars().count()
    );
    assert!(!error.message.contains("Traceback (most recent call last)"), "{error}");
    assert!(
        !error.message.chars().any(|char| char.is_control() && char != '\n'),
        "{:?}",
        error.message
    );
}

/// The result as the stream reads it, in pieces of so many bytes.
fn scanned(body: &[u8], begin: usize, frame: Frame, piece: usize) -> Result<Vec<u8>, Broken> {
    let (mut scanner, mut result) = (Scanner::new(frame), Vec::new());
    for chunk in body[begin..].chunks(piece) {
        let taken = scanner.feed(chunk)?;
        result.extend_from_slice(&chunk[..taken]);
    }
    scanner.finish().map(|()| result)
}

/// Read whole or as a stream, in whatever pieces it comes: one and the same result.
pub fn jsonrpc(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let whole = wire::result_of(&body, "res.partner");
    if let Some(begin) = result_begins(bytes) {
        let streamed = scanned(bytes, begin, Frame::Rpc, bytes.len().max(1));
        for piece in [1, 2, 3, 7] {
            assert_eq!(scanned(bytes, begin, Frame::Rpc, piece), streamed);
        }
        if let (Ok(whole), Ok(streamed)) = (&whole, &streamed) {
            assert_eq!(whole, streamed);
        }
        let raised = whole
            .as_ref()
            .is_err_and(|error| !matches!(error, OdooError::Unreachable { .. }));
        assert!(!raised || streamed.is_err(), "an error passes as a result");
    }
    // What is found without a parser is what a parser finds, and never an error.
    if let Some(found) = result_in(bytes) {
        match &whole {
            Ok(whole) => assert_eq!(whole, &bytes[found]),
            Err(error) => assert!(
                matches!(error, OdooError::Unreachable { .. }),
                "an error passes as a result"
            ),
        }
    }
    match whole {
        Ok(result) => drop(serde_json::from_slice::<&RawValue>(&result).expect("one JSON value")),
        Err(error) => told(error),
    }
}

/// The first two bytes choose status and method, the first line is the arguments, and
/// the rest is what Odoo answers.
pub fn json2(bytes: &[u8]) {
    const METHODS: [&str; 8] = [
        "create",
        "write",
        "read",
        "search_read",
        "search",
        "unlink",
        "post",
        "copy",
    ];
    let [status, method, rest @ ..] = bytes else {
        return;
    };
    let status = StatusCode::from_u16(300 + u16::from(*status)).unwrap_or(StatusCode::BAD_GATEWAY);
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (args, answer) = (&rest[..end], &rest[(end + 1).min(rest.len())..]);
    if let Some(error) = wire2::error_of(status, answer, "res.partner") {
        told(error);
    }
    let body = Bytes::copy_from_slice(answer);
    match wire2::only_of(&body) {
        Ok(one) => drop(serde_json::from_slice::<&RawValue>(&one).expect("one JSON value")),
        Err(error) => told(error),
    }
    let streamed = scanned(answer, 0, Frame::Bare, answer.len().max(1));
    for piece in [1, 2, 5] {
        assert_eq!(scanned(answer, 0, Frame::Bare, piece), streamed);
    }
    if let Ok(value) = serde_json::from_slice::<&RawValue>(answer) {
        let streamed = streamed.expect("one JSON value is a whole answer");
        assert_eq!(streamed.trim_ascii(), value.get().as_bytes());
    }
    names(args, method, signatures::Documentation::parse(answer).as_ref());
}

/// Every argument goes out once, under one name, as the bytes that came.
fn names(args: &[u8], method: &str, documentation: Option<&signatures::Documentation>) {
    // `[args, kwargs]`, as they stand in a call.
    let both: Result<(&RawValue, &RawValue), _> = serde_json::from_slice(args);
    let Ok((args, kwargs)) = both else { return };
    let (Ok(positional), Ok(named)) = (
        serde_json::from_str::<Vec<&RawValue>>(args.get()),
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(kwargs.get()),
    ) else {
        return;
    };
    let call = Call {
        model: "res.partner",
        method,
        args,
        kwargs,
    };
    let signature = documentation
        .and_then(|documentation| documentation.signature(method))
        .or_else(|| signatures::known(method).map(|(signature, _)| signature));
    match wire2::name_arguments(&call, signature.as_ref()) {
        Ok(named_call) => {
            let body: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(&named_call.body) {
                Ok(body) => body,
                // JSON all the same, which Python may read and Rust does not.
                Err(error) => {
                    let error = error.to_string();
                    let odd = [
                        "number out of range",
                        "recursion limit",
                        "lone leading surrogate",
                        "unexpected end of hex",
                    ];
                    assert!(odd.iter().any(|odd| error.starts_with(odd)), "{error}");
                    return;
                }
            };
            assert_eq!(body.len(), positional.len() + named.len(), "one is lost");
            for name in named.keys() {
                assert!(body.contains_key(name), "{name:?} is lost");
            }
        }
        Err(error) => told(error),
    }
}
