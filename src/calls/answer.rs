//! The answer to a call around Odoo's own bytes:
//! `{"success":true,"data":<Odoo's bytes>,"request_id":"…"}`. A result that is
//! there goes out with its length; one that is still coming passes through. If it
//! breaks, so does the transfer: a client never gets a short answer for a whole.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};

use crate::calls::gateway::Outcome;
use crate::calls::records::{CallRecord, Recorder};
use crate::error::AppError;
use crate::keys::throttle::Admission;
use crate::odoo::{Data, ResultStream};
use crate::server::request_id::RequestId;
use crate::server::telemetry;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const BEFORE: &[u8] = br#"{"success":true,"data":"#;

/// A call that was accepted and has not ended. Leaves its record however it ends:
/// a client that goes away is `aborted`.
pub struct Ending {
    record: Option<CallRecord>,
    records: Recorder,
    began: Instant,
    odoo: Option<Duration>,
    /// Its place among the calls that its key may have at the same time.
    admission: Admission,
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
            odoo: None,
            admission: Admission::default(),
        }
    }

    /// Holds a place until the call has ended.
    pub fn holds(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// What it holds, and for what is learnt of the call on the way.
    pub fn parts(&mut self) -> Option<(&Admission, &mut CallRecord)> {
        self.record.as_mut().map(|record| (&self.admission, record))
    }

    /// Odoo's answer began.
    fn answered(&mut self, outcome: &Outcome) {
        self.odoo = Some(outcome.odoo_duration);
        if let Some(record) = &mut self.record {
            record.way = Some(outcome.way.as_str());
        }
    }

    /// It ended, with this code and so many bytes of Odoo's result.
    pub fn end(&mut self, code: &'static str, bytes: u64) {
        let Some(mut record) = self.record.take() else { return };
        let total = self.began.elapsed();
        record.end(code, total, self.odoo, bytes);
        self.admission = Admission::default();
        self.records.record(record);
        telemetry::record_call(code, total, self.odoo);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(ABORTED, 0);
    }
}

/// The HTTP answer.
pub fn success(outcome: Outcome, mut ending: Ending, request_id: &RequestId) -> Response {
    ending.answered(&outcome);
    let timing = server_timing(ending.began.elapsed(), outcome.odoo_duration);
    let body = match outcome.data {
        Data::Whole(data) => {
            let body = frame(&data, request_id);
            ending.end("ok", data.len() as u64);
            Body::from(body)
        }
        Data::Stream(result) => passing_through(*result, ending, request_id),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(timing) = HeaderValue::from_maybe_shared(Bytes::from(timing)) {
        headers.insert(SERVER_TIMING, timing);
    }
    response
}

/// `total;dur=3.21, odoo;dur=3.07`, in milliseconds.
fn server_timing(total: Duration, odoo: Duration) -> String {
    let parts = |duration: Duration| {
        let hundredths = duration.as_micros() / 10;
        (hundredths / 100, hundredths % 100)
    };
    let ((total_ms, total_rest), (odoo_ms, odoo_rest)) = (parts(total), parts(odoo));
    format!("total;dur={total_ms}.{total_rest:02}, odoo;dur={odoo_ms}.{odoo_rest:02}")
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
    Over,
}

struct Passing {
    part: Part,
    result: ResultStream,
    ending: Ending,
    bytes: u64,
    request_id: RequestId,
}

fn passing_through(result: ResultStream, ending: Ending, request_id: &RequestId) -> Body {
    let passing = Passing {
        part: Part::Begin,
        result,
        ending,
        bytes: 0,
        request_id: request_id.clone(),
    };
    Body::from_stream(stream::try_unfold(passing, next_piece))
}

async fn next_piece(mut passing: Passing) -> Result<Option<(Bytes, Passing)>, AppError> {
    match passing.part {
        Part::Begin => {
            passing.part = Part::Result;
            Ok(Some((Bytes::from_static(BEFORE), passing)))
        }
        Part::Result => match passing.result.next().await {
            Ok(Some(piece)) => {
                passing.bytes += piece.len() as u64;
                Ok(Some((piece, passing)))
            }
            Ok(None) => {
                passing.part = Part::Over;
                passing.ending.end("ok", passing.bytes);
                let mut end = BytesMut::with_capacity(passing.request_id.len() + 20);
                put_end(&mut end, &passing.request_id);
                Ok(Some((end.freeze(), passing)))
            }
            Err(error) => {
                let error = AppError::from(error);
                passing.request_id.span().in_scope(|| error.log());
                passing.ending.end(error.code.as_str(), passing.bytes);
                // First goes out what came before: the head has the request's id.
                tokio::task::yield_now().await;
                Err(error)
            }
        },
        Part::Over => Ok(None),
    }
}
