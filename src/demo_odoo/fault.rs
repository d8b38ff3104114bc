//! One wrong answer: what it can be, and the common ones by name.

use std::time::Duration;

/// One way to answer wrongly, instead of the true answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The request is taken and never answered.
    Hang,
    /// These bytes go onto the socket instead of an HTTP answer, then it is
    /// closed. The call has run. Only over [`serve`](super::serve).
    Raw(Vec<u8>),
    /// The true answer, so many bytes at a time.
    Slow {
        /// How many bytes at a time; at least 1.
        bytes: usize,
        /// The pause before each piece.
        every: Duration,
    },
    /// This answer, whatever was asked.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`; empty for none.
        content_type: String,
        /// More headers.
        headers: Vec<(String, String)>,
        /// The body, as it is.
        body: Vec<u8>,
    },
    /// A well-formed answer whose result is a text of so many bytes.
    Huge {
        /// The length of the result, in bytes.
        bytes: usize,
    },
    /// A well-formed answer like that of [`Self::Huge`], of which only the first
    /// bytes come. Only over [`serve`](super::serve).
    Cut {
        /// How many bytes of the body come before the connection ends.
        after: usize,
        /// How the answer announces its length.
        framing: Framing,
    },
    /// The answer of a method that returns nothing.
    NoneResult,
}

/// How an answer tells where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By `Content-Length`.
    Length,
    /// By chunks, as a proxy sends them.
    Chunked,
    /// By the end of the connection, as HTTP/1.0 may: only the body itself shows
    /// that something is missing.
    UntilClose,
}

impl Fault {
    /// The connection ends before anything is answered.
    #[must_use]
    pub fn cut_before_headers() -> Self {
        Self::Raw(Vec::new())
    }

    /// The connection ends after the headers of a good answer.
    #[must_use]
    pub fn cut_after_headers() -> Self {
        Self::Raw(HEADERS.into())
    }

    /// The connection ends in the middle of a good answer's body.
    #[must_use]
    pub fn cut_in_body() -> Self {
        Self::cut_after(50)
    }

    /// The connection ends after so many bytes of a good answer's body, which
    /// announces more.
    #[must_use]
    pub const fn cut_after(bytes: usize) -> Self {
        Self::cut_after_in(Framing::Length, bytes)
    }

    /// The same with another announcement.
    #[must_use]
    pub const fn cut_after_in(framing: Framing, bytes: usize) -> Self {
        Self::Cut { after: bytes, framing }
    }

    /// What is no HTTP at all.
    #[must_use]
    pub fn garbage() -> Self {
        Self::Raw(b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n\x00\xff\xfe".to_vec())
    }

    /// An HTML page with this status, as a proxy in front of Odoo answers.
    #[must_use]
    pub fn html(status: u16) -> Self {
        let body = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        Self::answer(status, "text/html", body)
    }

    /// A redirect to another address.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::Answer {
            status: 302,
            content_type: "text/html".into(),
            headers: vec![("location".into(), location.into())],
            body: Vec::new(),
        }
    }

    /// Any status, type and body.
    #[must_use]
    pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status,
            content_type: content_type.into(),
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

const HEADERS: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n";
