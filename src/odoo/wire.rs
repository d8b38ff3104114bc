//! One HTTP exchange with Odoo: deadlines on the connection, the first byte and
//! the whole; a bound on the answer; no redirects. The beginning of an answer is
//! looked at before the rest is read, so that a result can pass through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::answer::{Frame, Scanner};
use super::error::OdooError;
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
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            connect: Duration::from_secs(settings.odoo_connect_timeout_secs),
            first_byte: Duration::from_secs(settings.odoo_first_byte_timeout_secs),
            overall: Duration::from_secs(settings.odoo_timeout_secs),
            max_answer_bytes: settings.odoo_max_answer_bytes,
        }
    }
}

/// The connections to one Odoo.
pub(super) struct Wire {
    pub(super) limits: Limits,
    kept: reqwest::Client,
    /// Keeps no connection: each request opens its own. Made ahead, because
    /// reading the certificates takes longer than asking Odoo.
    fresh: reqwest::Client,
    requests: AtomicU64,
    opened: Arc<AtomicU64>,
}

impl Wire {
    /// Opens no connection.
    pub(super) fn new(limits: Limits) -> Result<Self, ConfigError> {
        let opened = Arc::new(AtomicU64::new(0));
        let built = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| ConfigError(format!("the way to Odoo can't be prepared: {error}")))
        };
        Ok(Self {
            limits,
            // Odoo's own server closes after each answer; a proxy in front of
            // it keeps alive, and there a spare connection blocks no worker.
            kept: built(builder(limits, &opened).pool_idle_timeout(Duration::from_secs(20)))?,
            fresh: built(builder(limits, &opened).pool_max_idle_per_host(0))?,
            requests: AtomicU64::new(0),
            opened,
        })
    }

    /// Requests sent, and connections opened for them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (
            self.requests.load(Ordering::Relaxed),
            self.opened.load(Ordering::Relaxed),
        )
    }

    /// A request over a kept connection, if there is one.
    pub(super) fn post(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.kept.post(url)
    }

    /// A request over a kept connection, if there is one.
    pub(super) fn get(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.kept.get(url)
    }

    /// A request over a connection of its own.
    pub(super) fn post_fresh(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.fresh.post(url)
    }

    /// A request over a connection of its own.
    pub(super) fn get_fresh(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.fresh.get(url)
    }

    /// Sends, and reads the beginning of the answer.
    pub(super) async fn send(&self, request: reqwest::RequestBuilder, may_write: bool) -> Result<Reply, OdooError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let patience = Patience {
            started,
            deadline: started + self.limits.overall,
            may_write,
        };
        let head_by = (started + self.limits.first_byte).min(patience.deadline);
        let response = timeout_at(head_by, request.send())
            .await
            .map_err(|_| patience.late())?
            .map_err(|error| patience.broken(error))?;
        let announced = response.content_length();
        let mut reply = Reply {
            status: response.status(),
            headers: response.headers().clone(),
            window: BytesMut::with_capacity(
                usize::try_from(announced.unwrap_or(1024)).map_or(WINDOW_BYTES, |length| length.min(WINDOW_BYTES)),
            ),
            rest: Some(response),
            limit: self.limits.max_answer_bytes,
            patience,
        };
        if announced.is_some_and(|length| length > reply.limit) {
            return Err(reply.patience.too_large(reply.limit));
        }
        reply.fill(WINDOW_BYTES as u64).await?;
        Ok(reply)
    }
}

fn builder(limits: Limits, opened: &Arc<AtomicU64>) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(limits.connect)
        .connector_layer(CountOpened(Arc::clone(opened)))
        // A redirect would carry the credentials to an address nobody set.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
}

/// Counts the connections that are opened.
#[derive(Clone)]
struct CountOpened(Arc<AtomicU64>);

#[derive(Clone)]
struct Counting<S> {
    inner: S,
    opened: Arc<AtomicU64>,
}

impl<S> Layer<S> for CountOpened {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counting {
            inner,
            opened: Arc::clone(&self.0),
        }
    }
}

impl<S: Service<R>, R> Service<R> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}

/// How long is waited for an answer, and what it means if none comes.
#[derive(Clone, Copy)]
struct Patience {
    started: Instant,
    deadline: Instant,
    may_write: bool,
}

impl Patience {
    fn late(&self) -> OdooError {
        if self.may_write {
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

    /// A failure below HTTP.
    fn broken(&self, error: reqwest::Error) -> OdooError {
        // The address may be in it and is none of the client's business.
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            let message = if error.is_timeout() {
                "Odoo can't be reached: no connection in time."
            } else {
                "Odoo can't be reached: no connection (address, DNS or TLS)."
            };
            return OdooError::Unreachable {
                message: message.into(),
                cause: Some(error.into()),
            };
        }
        self.cut(error)
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
        }
    }
}

/// An answer whose beginning is there.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    window: BytesMut,
    /// `None` once all of it is in the window.
    rest: Option<reqwest::Response>,
    limit: u64,
    patience: Patience,
}

impl Reply {
    /// Whether it is a 200.
    pub(super) fn is_ok(&self) -> bool {
        self.status.as_u16() == 200
    }

    /// The beginning, and whether it is the whole.
    pub(super) fn window(&self) -> (&[u8], bool) {
        (&self.window, self.rest.is_none())
    }

    /// The whole of it; for what is not a result in its usual frame.
    pub(super) async fn whole(mut self) -> Result<Bytes, OdooError> {
        self.fill(self.limit.min(WHOLE_MAX_BYTES)).await?;
        if self.rest.is_some() {
            return Err(self.patience.too_large(self.limit.min(WHOLE_MAX_BYTES)));
        }
        Ok(self.window.freeze())
    }

    /// The result in it, from this byte of the window on, as it comes.
    pub(super) fn stream(mut self, begin: usize, frame: Frame) -> ResultStream {
        let read = self.window.len() as u64;
        ResultStream {
            first: Some(self.window.split_off(begin).freeze()),
            rest: self.rest,
            scanner: Scanner::new(frame),
            left: self.limit.saturating_sub(read),
            limit: self.limit,
            patience: self.patience,
        }
    }

    /// Reads until there is more than `enough`, or all.
    async fn fill(&mut self, enough: u64) -> Result<(), OdooError> {
        while let Some(rest) = &mut self.rest {
            let chunk = timeout_at(self.patience.deadline, rest.chunk())
                .await
                .map_err(|_| self.patience.late())?
                .map_err(|error| self.patience.broken(error))?;
            match chunk {
                None => self.rest = None,
                Some(chunk) => self.window.extend_from_slice(&chunk),
            }
            if self.window.len() as u64 > self.limit {
                return Err(self.patience.too_large(self.limit));
            }
            if self.window.len() as u64 > enough {
                break;
            }
        }
        Ok(())
    }
}

/// The bytes of one result while they come. An error after the first bytes means
/// that what was passed on is not the whole.
pub struct ResultStream {
    first: Option<Bytes>,
    rest: Option<reqwest::Response>,
    scanner: Scanner,
    left: u64,
    limit: u64,
    patience: Patience,
}

impl ResultStream {
    /// The next bytes; `None` once the result is whole.
    ///
    /// # Errors
    /// The transfer broke, took too long, or is not one whole result.
    pub async fn next(&mut self) -> Result<Option<Bytes>, OdooError> {
        loop {
            let mut chunk = match (self.first.take(), &mut self.rest) {
                (Some(first), _) => first,
                (None, None) => {
                    return self
                        .scanner
                        .finish()
                        .map(|()| None)
                        .map_err(|error| self.patience.cut(error));
                }
                (None, Some(rest)) => {
                    let chunk = timeout_at(self.patience.deadline, rest.chunk())
                        .await
                        .map_err(|_| self.patience.late())?
                        .map_err(|error| self.patience.broken(error))?;
                    let Some(chunk) = chunk else {
                        self.rest = None;
                        continue;
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
