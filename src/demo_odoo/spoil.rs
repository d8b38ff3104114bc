//! What a fault makes of an answer, in the words of the protocol it came by.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::DemoOdoo;
use super::fault::{Fault, Framing};
use super::http::{JSON_UTF8, json};
use super::listener::Wire;

/// What stands around a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `{"jsonrpc": "2.0", "id": 1, "result": …}`
    JsonRpc,
    /// Nothing: JSON-2, and pages of JSON.
    Bare,
}

impl Frame {
    /// That of an address.
    pub(super) fn of(path: &str) -> Self {
        if path == "/jsonrpc" || path.starts_with("/web/session/") || path.starts_with("/web/dataset/") {
            Self::JsonRpc
        } else {
            Self::Bare
        }
    }

    /// What comes before and after a result that is a text.
    const fn around_text(self) -> (&'static str, &'static str) {
        match self {
            Self::JsonRpc => ("{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"", "\"}"),
            Self::Bare => ("\"", "\""),
        }
    }

    /// The answer of a method that returns nothing.
    const fn none(self) -> &'static str {
        match self {
            Self::JsonRpc => "{\"jsonrpc\": \"2.0\", \"id\": 1}",
            Self::Bare => "null",
        }
    }
}

/// Makes of a true answer what the fault wants.
///
/// A fault of the connection needs one: without `wire` the answer stays as it is.
pub(super) async fn spoiled(
    demo: &DemoOdoo,
    wire: Option<Wire>,
    frame: Frame,
    fault: Option<Fault>,
    answer: Response,
) -> Response {
    let latency = demo.faults().latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fault {
        None => answer,
        Some(Fault::NoneResult) => json(JSON_UTF8, frame.none()),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Raw(bytes)) => replaced(wire, bytes, answer),
        Some(Fault::Cut { after, framing }) => replaced(wire, cut(frame, framing, after), answer),
        Some(Fault::Slow { bytes, every }) => slowly(answer, bytes.max(1), every).await,
        Some(Fault::Answer {
            status,
            content_type,
            headers,
            body,
        }) => verbatim(status, &content_type, headers, body),
        Some(Fault::Huge { bytes }) => huge(frame, bytes),
    }
}

fn replaced(wire: Option<Wire>, bytes: Vec<u8>, answer: Response) -> Response {
    if let Some(wire) = wire {
        wire.replace_answer(bytes);
    }
    answer
}

fn verbatim(status: u16, content_type: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    let typed = (!content_type.is_empty()).then(|| ("content-type".to_owned(), content_type.to_owned()));
    for (name, value) in headers.into_iter().chain(typed) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn slowly(answer: Response, bytes: usize, every: std::time::Duration) -> Response {
    let (parts, body) = answer.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let pieces = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let piece = rest.split_to(bytes.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(piece), rest))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Made while it is sent, so that it takes no memory.
fn huge(frame: Frame, bytes: usize) -> Response {
    static FILL: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let (start, end) = frame.around_text();
    let fill = (0..bytes.div_ceil(FILL.len())).map(move |index| {
        let left = bytes - index * FILL.len();
        Bytes::from_static(&FILL[..left.min(FILL.len())])
    });
    let pieces = std::iter::once(Bytes::from_static(start.as_bytes()))
        .chain(fill)
        .chain(std::iter::once(Bytes::from_static(end.as_bytes())));
    let pieces = stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
    json(JSON_UTF8, Body::from_stream(pieces))
}

/// An answer whose body ends too early: so many bytes of it, and what came before.
fn cut(frame: Frame, framing: Framing, after: usize) -> Vec<u8> {
    const CHUNK: usize = 16 * 1024;
    let (start, _) = frame.around_text();
    let mut body = start.as_bytes().to_vec();
    body.resize(after.max(body.len()), b'x');
    body.truncate(after);
    let (version, length) = match framing {
        Framing::Length => ("1.1", format!("Content-Length: {}\r\n", 2 * after + 1000)),
        Framing::Chunked => ("1.1", "Transfer-Encoding: chunked\r\n".to_owned()),
        Framing::UntilClose => ("1.0", String::new()),
    };
    let head = format!("HTTP/{version} 200 OK\r\nContent-Type: {JSON_UTF8}\r\n{length}Connection: close\r\n\r\n");
    let mut answer = head.into_bytes();
    if framing != Framing::Chunked {
        answer.extend(body);
        return answer;
    }
    // All chunks announce the same length: the last one is not whole, or the end
    // of them is missing.
    for chunk in body.chunks(CHUNK) {
        answer.extend(format!("{CHUNK:x}\r\n").as_bytes());
        answer.extend(chunk);
        if chunk.len() == CHUNK {
            answer.extend(b"\r\n");
        }
    }
    answer
}
