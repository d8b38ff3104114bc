//! The answer to a call around Odoo's own bytes:
//! `{"success":true,"data":<Odoo's bytes>,"request_id":"…"}`. A result that is
//! there goes out with its length; one that is still coming passes through. If it
//! breaks, so does the transfer: a client never gets a short answer for a whole.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::StreamBody;
use hyper::body::Frame;

use crate::calls::gateway::Outcome;
use crate::calls::idempotency::IDEMPOTENCY_REPLAYED;
use crate::calls::records::{CallRecord, Recorder};
use crate::calls::traces::Trace;
use crate::error::{AppError, ErrorCode};
use crate::keys::throttle::Admission;
use crate::odoo::{Data, ResultStream, Turn};
use crate::server::request_id::RequestId;
use crate::server::telemetry::{self, calls::Counted};

/// How long the phases of a call took.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const BEFORE: &[u8] = br#"{"success":true,"data":"#;

/// A call that was accepted and has not ended. Leaves its record however it ends:
/// a client that goes away is `aborted`, a panic is what its client is told of it.
pub struct Ending {
    record: Option<CallRecord>,
    records: Recorder,
    began: Instant,
    /// How long it had taken when a result began to pass through.
    streams_since: Option<Duration>,
    /// Its place among the calls that its key may have at the same time.
    admission: Admission,
    trace: Option<Trace>,
}

/// The code in the record of a call whose client went away.
pub const ABORTED: &str = "aborted";

impl Ending {
    /// Begins with the acceptance of the key.
    #[must_use]
    pub fn new(record: CallRecord, records: Recorder, began: Instant) -> Self {
        Self {
            record: Some(record),
            records,
            began,
            streams_since: None,
            admission: Admission::default(),
            trace: None,
        }
    }

    /// Is a part of a trace.
    pub fn traced(&mut self, trace: Option<Trace>) {
        self.trace = trace;
    }

    /// Holds a place until the call has ended.
    pub fn holds(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// What it holds, and for what is learnt of the call on the way.
    pub fn parts(&mut self) -> Option<(&mut Admission, &mut CallRecord)> {
        self.record.as_mut().map(|record| (&mut self.admission, record))
    }

    /// Odoo's answer began. Gives what it took until now.
    fn answered(&mut self, outcome: &Outcome) -> Duration {
        let total = self.began.elapsed();
        self.streams_since = (!outcome.is_whole()).then_some(total);
        total
    }

    /// Ends without a result, after so many bytes of one; the header that says how long its
    /// phases took.
    pub fn fail(&mut self, error: &AppError, bytes: u64) -> Option<HeaderValue> {
        let record = self.record.as_mut()?;
        record.fails(error);
        let timing = server_timing(self.began.elapsed(), record);
        self.end(error.code.as_str(), bytes);
        timing
    }

    /// A result has passed through, of so many bytes; how long its phases took.
    fn end_of_stream(&mut self, bytes: u64) -> Option<HeaderValue> {
        let record = self.record.as_mut()?;
        let total = self.began.elapsed();
        record.stream = self.streams_since.map(|since| total.saturating_sub(since));
        let timing = server_timing(total, record);
        self.end("ok", bytes);
        timing
    }

    /// It ended, with this code and so many bytes of Odoo's result. Its record is kept once
    /// [`Recorder::keep_together`] is over.
    pub fn end(&mut self, code: &'static str, bytes: u64) {
        let Some(mut record) = self.record.take() else { return };
        let total = self.began.elapsed();
        let odoo = record.odoo;
        record.stream = self.streams_since.map(|since| total.saturating_sub(since));
        record.end(code, total, odoo, bytes);
        telemetry::record_call(Counted {
            code,
            model: record.model.as_deref(),
            request_id: &record.request_id,
            total,
            odoo,
        });
        self.admission = Admission::default();
        if let Some(trace) = self.trace.take() {
            trace.end(&record);
        }
        self.records.take(record);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let code = if std::thread::panicking() {
            ErrorCode::Internal.as_str()
        } else {
            ABORTED
        };
        if self.record.is_some() {
            self.end(code, 0);
            self.records.keep();
        }
    }
}

/// The HTTP answer.
pub fn success(outcome: Outcome, mut ending: Ending, request_id: &RequestId, takes_trailers: bool) -> Response {
    let total = ending.answered(&outcome);
    let timing = ending.record.as_ref().and_then(|record| server_timing(total, record));
    let (turn, is_repeated) = (outcome.turn, outcome.way.is_none());
    let mut has_trailer = false;
    let body = match outcome.data {
        Data::Whole(data) => {
            drop(turn);
            let body = frame(&data, request_id);
            ending.end("ok", data.len() as u64);
            Body::from(body)
        }
        Data::Stream(result) => {
            has_trailer = takes_trailers;
            passing_through(*result, turn, ending, request_id, takes_trailers)
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if has_trailer {
        headers.insert(header::TRAILER, HeaderValue::from_static("server-timing"));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if is_repeated {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(timing) = timing {
        headers.insert(SERVER_TIMING, timing);
    }
    response
}

/// `total;dur=3.21, queue;dur=0.00, policy;dur=0.01, odoo;dur=3.07`, in milliseconds, as far
/// as the call came. What a large result takes after its beginning is known at its end only:
/// then it is in a trailer, for those who take one.
fn server_timing(total: Duration, record: &CallRecord) -> Option<HeaderValue> {
    let mut text = String::with_capacity(128);
    put_timing(&mut text, "total", total);
    let phases = [
        ("queue", record.queue),
        ("policy", record.policy),
        ("fields", record.fields),
        ("odoo", record.odoo),
        ("stream", record.stream),
    ];
    for (name, duration) in phases {
        if let Some(duration) = duration {
            text.push_str(", ");
            put_timing(&mut text, name, duration);
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// The header of a request that was not accepted as a call.
#[must_use]
pub fn only_total(total: Duration) -> Option<HeaderValue> {
    let mut text = String::with_capacity(24);
    put_timing(&mut text, "total", total);
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// Cut to hundredths, so that the parts are never more than the whole.
fn put_timing(text: &mut String, name: &str, duration: Duration) {
    let hundredths = u64::try_from(duration.as_micros() / 10).unwrap_or(u64::MAX);
    text.extend([name, ";dur=", itoa::Buffer::new().format(hundredths / 100), "."]);
    text.push(char::from(b'0' + (hundredths / 10 % 10) as u8));
    text.push(char::from(b'0' + (hundredths % 10) as u8));
}

/// A whole answer in one piece: copying a few kilobytes is cheaper than a second
/// write to the socket.
#[must_use]
pub fn frame(data: &[u8], request_id: &str) -> Bytes {
    let mut body = BytesMut::with_capacity(BEFORE.len() + data.len() + request_id.len() + 20);
    body.put_slice(BEFORE);
    body.put_slice(data);
    put_end(&mut body, request_id);
    body.freeze()
}

fn put_end(body: &mut BytesMut, request_id: &str) {
    body.put_slice(br#","request_id":""#);
    body.put_slice(request_id.as_bytes());
    body.put_slice(br#""}"#);
}

enum Part {
    Begin,
    Result,
    /// With the phases of the call, if its client takes them here.
    Over(Option<HeaderValue>),
}

struct Passing {
    part: Part,
    result: ResultStream,
    /// Odoo is at it until the last byte.
    _turn: Option<Turn>,
    ending: Ending,
    bytes: u64,
    request_id: RequestId,
    takes_trailers: bool,
}

fn passing_through(
    result: ResultStream,
    turn: Option<Turn>,
    ending: Ending,
    request_id: &RequestId,
    takes_trailers: bool,
) -> Body {
    let passing = Passing {
        part: Part::Begin,
        result,
        _turn: turn,
        ending,
        bytes: 0,
        request_id: request_id.clone(),
        takes_trailers,
    };
    Body::new(StreamBody::new(stream::try_unfold(passing, next_piece)))
}

async fn next_piece(mut passing: Passing) -> Result<Option<(Frame<Bytes>, Passing)>, AppError> {
    match passing.part {
        Part::Begin => {
            passing.part = Part::Result;
            Ok(Some((Frame::data(Bytes::from_static(BEFORE)), passing)))
        }
        Part::Result => match passing.result.next().await {
            Ok(Some(piece)) => {
                passing.bytes += piece.len() as u64;
                Ok(Some((Frame::data(piece), passing)))
            }
            Ok(None) => {
                let timing = passing.ending.end_of_stream(passing.bytes);
                passing.ending.records.keep_together().await;
                passing.part = Part::Over(timing.filter(|_| passing.takes_trailers));
                let mut end = BytesMut::with_capacity(passing.request_id.len() + 20);
                put_end(&mut end, &passing.request_id);
                Ok(Some((Frame::data(end.freeze()), passing)))
            }
            Err(error) => {
                let error = AppError::from(error);
                passing.request_id.span().in_scope(|| error.log());
                passing.ending.fail(&error, passing.bytes);
                // First goes out what came before, while this waits: the head has the request's id.
                passing.ending.records.keep_together().await;
                Err(error)
            }
        },
        Part::Over(ref mut timing) => {
            let trailers = timing
                .take()
                .map(|timing| HeaderMap::from_iter([(SERVER_TIMING, timing)]));
            Ok(trailers.map(|trailers| (Frame::trailers(trailers), passing)))
        }
    }
}
