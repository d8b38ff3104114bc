//! The connections that calls go over: kept where Odoo, or the proxy before it,
//! keeps them alive; never opened ahead of need.
//!
//! A connection is driven by the task whose call is on it, and by nobody else: a
//! call wakes no other task, and so no other core. While it is idle, nobody
//! drives it; whether it still stands is seen when it is wanted again.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::zeroize::Zeroizing;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::{Service as _, ServiceExt as _};

use super::destination::Resolver;
use super::measure::{Part, is_cold, timed};
use super::trace_context;
use crate::config::ConfigError;

/// How long a connection is kept that no call needs.
const KEPT_FOR: Duration = Duration::from_secs(20);
/// The most that is read ahead of a client that takes its answer slowly, and the
/// size of the pieces that a large answer comes in. Larger ones gain nothing
/// (docs/performance.md).
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A call on its way: a path below Odoo's address, and a body.
pub(super) type CallRequest = Request<Full<Bytes>>;
/// What was not sent comes back with the error.
type Unsent = hyper::client::conn::TrySendError<CallRequest>;
type Io = MaybeHttpsStream<TokioIo<TcpStream>>;
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
pub(super) enum Failed {
    /// There was no connection, so nothing was sent.
    Connect { in_time: bool, cause: Cause },
    /// It broke; Odoo may have got the request. Whether a byte of an answer came.
    Broken { error: hyper::Error, came: bool },
}

/// All connections to one Odoo.
pub(super) struct Connections {
    connector: HttpsConnector<HttpConnector<Resolver>>,
    connect_timeout: Duration,
    /// Scheme, host and port.
    target: Uri,
    host: HeaderValue,
    /// The path of Odoo's address, without a slash at the end.
    prefix: String,
    kept: Mutex<Kept>,
    opened: AtomicU64,
    me: Weak<Self>,
}

#[derive(Default)]
struct Kept {
    /// The one used last is at the end, and is used first.
    idle: Vec<Idle>,
    /// Whether somebody closes what nobody needs.
    is_watched: bool,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Connections {
    /// Opens none.
    ///
    /// # Errors
    /// When the address or this machine's certificates can't be used.
    pub(super) fn new(url: &str, connect_timeout: Duration, resolver: Resolver) -> Result<Arc<Self>, ConfigError> {
        let wrong = |error: &dyn std::fmt::Display| ConfigError(format!("ODOO_URL: {error}"));
        let address = reqwest::Url::parse(url).map_err(|error| wrong(&error))?;
        let authority = match (address.host_str(), address.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(wrong(&"it has no host")),
        };
        let target = format!("{}://{authority}/", address.scheme())
            .parse()
            .map_err(|error| wrong(&error))?;
        let tls = rustls::ClientConfig::builder()
            .with_platform_verifier()
            .map_err(|error| ConfigError(format!("this machine's certificates can't be read: {error}")))?
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        Ok(Arc::new_cyclic(|me| Self {
            connector: HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_or_http()
                .enable_http1()
                .wrap_connector(http),
            connect_timeout,
            target,
            host: HeaderValue::from_str(&authority).unwrap_or_else(|_| HeaderValue::from_static("")),
            prefix: address.path().trim_end_matches('/').to_owned(),
            kept: Mutex::default(),
            opened: AtomicU64::new(0),
            me: Weak::clone(me),
        }))
    }

    /// How many were opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// A POST of JSON to a path below Odoo's address; `None` if it is no path.
    pub(super) fn post(&self, path: &str, body: Vec<u8>) -> Option<CallRequest> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const US: HeaderValue = HeaderValue::from_static(concat!("odoo-bridge/", env!("CARGO_PKG_VERSION")));
        let uri = Uri::from_maybe_shared(Bytes::from([&*self.prefix, path].concat())).ok()?;
        // A body may have a password in it: it is wiped once it is sent.
        let mut request = Request::new(Full::new(Bytes::from_owner(Zeroizing::new(body))));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::USER_AGENT, US);
        if let Some(trace) = trace_context::current() {
            trace.tell(headers);
        }
        Some(request)
    }

    /// Sends a request, and gives the head of its answer. Notes in `is_sent` whether the
    /// other side may have got something of it.
    pub(super) async fn send(&self, mut request: CallRequest, is_sent: &mut bool) -> Result<Exchange, Failed> {
        loop {
            let kept = if is_cold() { None } else { self.take_kept().await };
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Box::pin(timed(Part::Connect, self.open())).await?,
            };
            *is_sent = true;
            match connection.send(request).await {
                Ok(response) => return Ok(Exchange::new(response, connection, Weak::clone(&self.me))),
                Err(mut error) => match error.take_message() {
                    // It was closed while it was idle, and not a byte was sent.
                    Some(unsent) if was_kept => {
                        *is_sent = false;
                        request = unsent;
                    }
                    // So was one that is new.
                    Some(_) => {
                        let (in_time, cause) = (true, error.into_error().into());
                        return Err(Failed::Connect { in_time, cause });
                    }
                    None => {
                        let came = connection.has_left_over();
                        return Err(Failed::Broken {
                            error: error.into_error(),
                            came,
                        });
                    }
                },
            }
        }
    }

    /// One that is kept and still stands.
    async fn take_kept(&self) -> Option<Box<Connection>> {
        loop {
            let Idle { mut connection, since } = self.kept().idle.pop()?;
            if since.elapsed() < KEPT_FOR && connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    async fn open(&self) -> Result<Box<Connection>, Failed> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (in_time, cause) = match tokio::time::timeout(self.connect_timeout, self.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(cause)) => (true, cause),
            Err(late) => (false, late.into()),
        };
        Err(Failed::Connect { in_time, cause })
    }

    async fn connect(&self) -> Result<Box<Connection>, Cause> {
        let mut connector = self.connector.clone();
        let io = connector.ready().await?.call(self.target.clone()).await?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_BYTES)
            .handshake(io)
            .await?;
        Ok(Box::new(Connection {
            sender,
            driver: Some(driver),
            left_over: false,
        }))
    }

    /// Keeps one whose answer is whole, if the other side does as well.
    fn keep(&self, mut connection: Box<Connection>) {
        connection.drive(&mut Context::from_waker(Waker::noop()));
        if connection.driver.is_none() {
            return;
        }
        let mut kept = self.kept();
        kept.idle.push(Idle {
            connection,
            since: Instant::now(),
        });
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(close_unused(Weak::clone(&self.me)));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody needs, until there are none.
async fn close_unused(connections: Weak<Connections>) {
    loop {
        tokio::time::sleep(KEPT_FOR).await;
        let Some(connections) = connections.upgrade() else {
            return;
        };
        let mut kept = connections.kept();
        kept.idle.retain(|idle| idle.since.elapsed() < KEPT_FOR);
        if kept.idle.is_empty() {
            kept.is_watched = false;
            return;
        }
    }
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it is over: dropped at once, so that whoever waits on the sender
    /// learns of it.
    driver: Option<http1::Connection<Io, Full<Bytes>>>,
    /// Whether it ended with bytes that are no whole head of an answer.
    left_over: bool,
}

impl Connection {
    /// Reads and writes what can be.
    fn drive(&mut self, context: &mut Context<'_>) {
        // An error reaches whoever waits for the answer or its body.
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.left_over = !driver.into_parts().read_buf.is_empty();
        }
    }

    /// Whether bytes came that are no whole head of an answer. Ends it.
    fn has_left_over(&mut self) -> bool {
        self.end();
        self.left_over
    }

    /// Whether it takes another request now.
    async fn is_ready(&mut self) -> bool {
        std::future::poll_fn(|context| {
            self.drive(context);
            Poll::Ready(self.driver.is_some() && matches!(self.sender.poll_ready(context), Poll::Ready(Ok(()))))
        })
        .await
    }

    async fn send(&mut self, request: CallRequest) -> Result<Response<Incoming>, Unsent> {
        let mut answered = std::pin::pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| {
            self.drive(context);
            answered.as_mut().poll(context)
        })
        .await
    }

    /// The next bytes of the answer's body.
    async fn chunk(&mut self, body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            let frame = std::future::poll_fn(|context| {
                if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
                    return Poll::Ready(frame);
                }
                self.drive(context);
                Pin::new(&mut *body).poll_frame(context)
            });
            match frame.await? {
                Ok(frame) => {
                    // Trailers tell nothing.
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// An answer that is coming. Dropped before its end, its connection is closed.
pub(super) struct Exchange {
    /// Status and headers; the body is taken out of it by and by.
    pub(super) head: http::response::Parts,
    body: Incoming,
    connection: Option<Box<Connection>>,
    connections: Weak<Connections>,
}

impl Exchange {
    fn new(response: Response<Incoming>, connection: Box<Connection>, connections: Weak<Connections>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body,
            connection: Some(connection),
            connections,
        }
    }

    /// The length that the answer announces.
    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes; `None` once it is whole.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let Some(connection) = &mut self.connection else {
            return Ok(None);
        };
        let chunk = if self.body.is_end_stream() {
            None
        } else {
            connection.chunk(&mut self.body).await.transpose()?
        };
        if chunk.is_none() {
            self.finish();
        }
        Ok(chunk)
    }

    /// The answer is whole.
    fn finish(&mut self) {
        let (Some(connection), Some(connections)) = (self.connection.take(), self.connections.upgrade()) else {
            return;
        };
        let ends = self.head.version == Version::HTTP_10
            || self
                .head
                .headers
                .get(header::CONNECTION)
                .is_some_and(|said| said == "close")
            || is_cold();
        if ends {
            // To close it takes a while, and the client waits: afterwards, by the same thread.
            tokio::spawn(async move { drop(connection) });
        } else {
            connections.keep(connection);
        }
    }
}
