//! HTTP with Odoo: deadlines on the connection, the first byte and the whole; a
//! bound on the answer; no redirects. A *call* goes over the connections that are
//! kept for calls, and the beginning of its answer is looked at before the rest is
//! read, so that a result can pass through. A *question* (a login, the version, the
//! documentation) is rare and small: it has a connection of its own and is read whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::answer::{Frame, Scanner};
use super::connections::{CallRequest, Connections, Exchange, Failed};
use super::destination::{self, Forbidden, Resolver};
use super::error::OdooError;
use super::measure::{Part, timed};
use super::pace::Pace;
use super::trip::Trip;
use super::turns::Rules;
use crate::config::{ConfigError, Settings};

/// An answer up to this size is read whole and checked before it is passed on;
/// a larger one streams, and no more than this of it is kept.
pub(super) const WINDOW_BYTES: usize = 32 * 1024;
/// An answer that has to be read whole although it is large: an error with its
/// traceback, or members in an order that Odoo does not use.
const WHOLE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// How long and how much is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// Until the head of the answer.
    pub first_byte: Duration,
    /// For the whole call.
    pub overall: Duration,
    /// The largest answer, in bytes.
    pub max_answer_bytes: u64,
    /// How many calls, how often, and how many may wait.
    pub turns: Rules,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            connect: Duration::from_secs(settings.odoo_connect_timeout_secs),
            first_byte: Duration::from_secs(settings.odoo_first_byte_timeout_secs),
            overall: Duration::from_secs(settings.odoo_timeout_secs),
            max_answer_bytes: settings.odoo_max_answer_bytes,
            turns: settings.turns(),
        }
    }
}

/// The way to one Odoo.
pub(super) struct Wire {
    limits: Limits,
    connections: Arc<Connections>,
    calls: AtomicU64,
    pace: Pace,
    /// Made ahead, because reading the certificates takes longer than asking Odoo.
    questions: reqwest::Client,
}

impl Wire {
    /// Opens no connection.
    ///
    /// # Errors
    /// When the address is none that the bridge connects to.
    pub(super) fn new(url: &str, limits: Limits, resolver: Resolver) -> Result<Self, ConfigError> {
        // A host that is an address is never looked up, so it is judged here.
        destination::check(&address(url, "")?).map_err(|reason| ConfigError(format!("ODOO_URL: {reason}.")))?;
        let questions = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            // A redirect would carry the credentials to an address nobody set.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(resolver.clone())
            // Odoo's own server has a worker for each connection that is open.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| ConfigError(format!("the way to Odoo can't be prepared: {error}")))?;
        Ok(Self {
            limits,
            connections: Connections::new(url, limits.connect, resolver)?,
            calls: AtomicU64::new(0),
            pace: Pace::new(limits.turns.interval),
            questions,
        })
    }

    /// From now on so many keep to the pace together.
    pub(super) fn share_among(&self, sharers: u32) {
        self.pace.share_among(sharers);
    }

    /// Calls sent, and connections opened for them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.connections.opened())
    }

    /// A call: JSON to a path below Odoo's address.
    ///
    /// # Errors
    /// `Unreachable` if that is no path.
    pub(super) fn call(&self, path: &str, body: Vec<u8>) -> Result<CallRequest, OdooError> {
        self.connections
            .post(path, body)
            .ok_or_else(|| OdooError::unreachable("Odoo's address can't be used."))
    }

    /// Until when all that is done for a call that begins now has to be over.
    pub(super) fn ends_by(&self, now: Instant) -> Instant {
        now + self.limits.overall
    }

    /// Waits until a request may begin. One that gets too late meanwhile was not sent.
    async fn keep_pace(&self, by: Instant) -> Result<(), OdooError> {
        if !self.pace.is_kept() {
            return Ok(());
        }
        let waited = timed(Part::Queue, timeout_at(by, self.pace.wait())).await;
        waited.map_err(|_| OdooError::Overloaded {
            retry_in: self.pace.interval(),
        })
    }

    /// Sends a call, and reads the beginning of the answer.
    pub(super) async fn send(&self, request: CallRequest, trip: &mut Trip<'_>) -> Result<Reply, OdooError> {
        self.keep_pace(trip.begins_by).await?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let patience = Patience::new(&self.limits, trip);
        trip.leaves(patience.started);
        // All calls that can go on at this moment are sent one right after the other: each wakes
        // Odoo, or the proxy before it, less often (ADR 33). It is counted already, so that a quota
        // is not passed meanwhile.
        tokio::task::yield_now().await;
        let sent = self.connections.send(request, trip.is_sent_mut());
        let Ok(answered) = timeout_at(patience.head_by, timed(Part::Sent, sent)).await else {
            return Err(patience.unheard(trip.unheard(self.limits.first_byte)));
        };
        trip.heard();
        let exchange = answered.map_err(|failed| match failed {
            Failed::Connect { in_time, cause } => unconnected(in_time, cause),
            Failed::Broken { error, came } => patience.cut_before_the_head(error, came),
        })?;
        let announced = exchange.announced();
        let mut reply = Reply {
            window: BytesMut::new(),
            is_whole: false,
            exchange,
            limit: self.limits.max_answer_bytes,
            patience,
        };
        if announced.is_some_and(|length| length > reply.limit) {
            return Err(reply.patience.too_large(reply.limit));
        }
        let length = usize::try_from(announced.unwrap_or(1024)).unwrap_or(WINDOW_BYTES);
        reply.window.reserve(length.min(WINDOW_BYTES));
        reply.fill(WINDOW_BYTES as u64).await?;
        reply.patience.deadline = trip.ends_by;
        Ok(reply)
    }

    /// A question by POST.
    pub(super) fn post(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.questions.post(url)
    }

    /// A question by GET.
    pub(super) fn get(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.questions.get(url)
    }

    /// Asks a question, which changes nothing in Odoo, and reads all of the answer.
    pub(super) async fn ask(
        &self,
        question: reqwest::RequestBuilder,
        trip: &mut Trip<'_>,
    ) -> Result<Response<Bytes>, OdooError> {
        self.keep_pace(trip.begins_by).await?;
        // What is asked before a call that is measured is its login.
        timed(Part::Authenticate, self.ask_now(question, trip)).await
    }

    async fn ask_now(
        &self,
        question: reqwest::RequestBuilder,
        trip: &mut Trip<'_>,
    ) -> Result<Response<Bytes>, OdooError> {
        let patience = Patience::of_a_question(&self.limits, trip);
        trip.leaves(patience.started);
        let limit = WHOLE_MAX_BYTES.min(self.limits.max_answer_bytes);
        let Ok(answered) = timeout_at(patience.head_by, question.send()).await else {
            return Err(patience.unheard(trip.unheard(self.limits.first_byte)));
        };
        trip.heard();
        let mut response = answered.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                // The address may be in it and is none of the client's business.
                return unconnected(!error.is_timeout(), error.without_url().into());
            }
            patience.cut(error.without_url())
        })?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let rest = async {
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| patience.cut(error.without_url()))?
            {
                body.extend_from_slice(&chunk);
                if body.len() as u64 > limit {
                    return Err(patience.too_large(limit));
                }
            }
            Ok(())
        };
        timeout_at(patience.deadline, rest)
            .await
            .map_err(|_| patience.late())??;
        let mut answer = Response::new(body.freeze());
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }
}

/// Nothing was sent.
fn unconnected(in_time: bool, cause: Box<dyn std::error::Error + Send + Sync>) -> OdooError {
    let message = if Forbidden::is_behind(&*cause) {
        "Odoo can't be reached: ODOO_URL leads to a link-local or cloud metadata address, to which the bridge never connects."
    } else if in_time {
        "Odoo can't be reached: no connection (address, DNS or TLS)."
    } else {
        "Odoo can't be reached: no connection in time."
    };
    OdooError::Unreachable {
        message: message.into(),
        cause: Some(cause),
        is_silent: true,
    }
}

/// How long is waited for an answer, and what it means if none comes.
#[derive(Clone, Copy)]
struct Patience {
    started: Instant,
    head_by: Instant,
    deadline: Instant,
    may_write: bool,
}

impl Patience {
    /// Until the answer has begun.
    fn new(limits: &Limits, trip: &Trip<'_>) -> Self {
        let started = Instant::now();
        Self {
            started,
            head_by: trip.begins_by.min(started + limits.first_byte),
            deadline: trip.begins_by,
            may_write: trip.may_write,
        }
    }

    fn of_a_question(limits: &Limits, trip: &Trip<'_>) -> Self {
        Self {
            may_write: false,
            ..Self::new(limits, trip)
        }
    }

    fn late(&self) -> OdooError {
        self.unheard(true)
    }

    /// Late with a request that Odoo may have got, or not.
    fn unheard(&self, is_sent: bool) -> OdooError {
        if self.may_write && is_sent {
            OdooError::OutcomeUnknown { cause: None }
        } else {
            OdooError::Timeout {
                waited: self.started.elapsed(),
            }
        }
    }

    fn too_large(&self, limit: u64) -> OdooError {
        let error = OdooError::AnswerTooLarge { limit };
        if self.may_write {
            return OdooError::OutcomeUnknown {
                cause: Some(error.into()),
            };
        }
        error
    }

    /// The answer is not whole.
    fn cut(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OdooError {
        if self.may_write {
            return OdooError::OutcomeUnknown {
                cause: Some(cause.into()),
            };
        }
        OdooError::Unreachable {
            message: "The connection to Odoo broke before its answer was whole.".into(),
            cause: Some(cause.into()),
            is_silent: false,
        }
    }

    /// There is no whole head of an answer, and perhaps not one byte of it.
    fn cut_before_the_head(&self, error: hyper::Error, came: bool) -> OdooError {
        match self.cut(error) {
            OdooError::Unreachable { message, cause, .. } => OdooError::Unreachable {
                message,
                cause,
                is_silent: !came,
            },
            other => other,
        }
    }
}

/// What comes before the body of an answer.
pub(super) type Head = (StatusCode, HeaderMap);

/// An answer to a call whose beginning is there.
pub(super) struct Reply {
    window: BytesMut,
    /// Whether all of it is in the window.
    is_whole: bool,
    exchange: Exchange,
    limit: u64,
    patience: Patience,
}

impl Reply {
    fn status(&self) -> StatusCode {
        self.exchange.head.status
    }

    /// Whether it is a 200.
    pub(super) fn is_ok(&self) -> bool {
        self.status().as_u16() == 200
    }

    /// Status and headers, for when the body is read.
    pub(super) fn head(&self) -> Head {
        (self.status(), self.headers().clone())
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.exchange.head.headers
    }

    /// The beginning, and whether it is the whole.
    pub(super) fn window(&self) -> (&[u8], bool) {
        (&self.window, self.is_whole)
    }

    /// The whole of it; for what is not a result in its usual frame.
    pub(super) async fn whole(mut self) -> Result<Bytes, OdooError> {
        let limit = self.limit.min(WHOLE_MAX_BYTES);
        self.fill(limit).await?;
        if !self.is_whole {
            return Err(self.patience.too_large(limit));
        }
        Ok(self.window.freeze())
    }

    /// The result in it, from this byte of the window on, as it comes.
    pub(super) fn stream(mut self, begin: usize, frame: Frame) -> ResultStream {
        let read = self.window.len() as u64;
        ResultStream {
            first: Some(self.window.split_off(begin).freeze()),
            exchange: self.exchange,
            scanner: Scanner::new(frame),
            left: self.limit.saturating_sub(read),
            limit: self.limit,
            patience: self.patience,
        }
    }

    /// Reads until there is more than `enough`, or all.
    async fn fill(&mut self, enough: u64) -> Result<(), OdooError> {
        while !self.is_whole && self.window.len() as u64 <= enough {
            match next_chunk(&mut self.exchange, &self.patience).await? {
                None => self.is_whole = true,
                Some(chunk) => self.window.extend_from_slice(&chunk),
            }
            if self.window.len() as u64 > self.limit {
                return Err(self.patience.too_large(self.limit));
            }
        }
        Ok(())
    }
}

async fn next_chunk(exchange: &mut Exchange, patience: &Patience) -> Result<Option<Bytes>, OdooError> {
    timeout_at(patience.deadline, exchange.chunk())
        .await
        .map_err(|_| patience.late())?
        .map_err(|error| patience.cut(error))
}

/// The bytes of one result while they come. An error after the first bytes means
/// that what was passed on is not the whole.
pub struct ResultStream {
    first: Option<Bytes>,
    exchange: Exchange,
    scanner: Scanner,
    left: u64,
    limit: u64,
    patience: Patience,
}

impl ResultStream {
    /// Breaks off after so many bytes of the answer, if that is less than before.
    pub fn limit_to(&mut self, bytes: u64) {
        let read = self.first.as_ref().map_or(0, |first| first.len() as u64);
        self.left = self.left.min(bytes.saturating_sub(read));
        self.limit = self.limit.min(bytes);
    }

    /// The next bytes; `None` once the result is whole.
    ///
    /// # Errors
    /// The transfer broke, took too long, or is not one whole result.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OdooError> {
        loop {
            let mut chunk = match self.first.take() {
                Some(first) => first,
                None => {
                    let Some(chunk) = next_chunk(&mut self.exchange, &self.patience).await? else {
                        let whole = self.scanner.finish().map(|()| None);
                        return whole.map_err(|error| self.patience.cut(error));
                    };
                    self.left = self
                        .left
                        .checked_sub(chunk.len() as u64)
                        .ok_or_else(|| self.patience.too_large(self.limit))?;
                    chunk
                }
            };
            let taken = self.scanner.feed(&chunk).map_err(|error| self.patience.cut(error))?;
            chunk.truncate(taken);
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }
}

/// An address below Odoo's.
pub(super) fn address(base: &str, path: &str) -> Result<reqwest::Url, ConfigError> {
    format!("{base}{path}")
        .parse()
        .map_err(|error| ConfigError(format!("ODOO_URL: {error}")))
}
