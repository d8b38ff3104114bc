//! Connections, within bounds: so many at once, so long for a header, so much of it. One
//! that dawdles is closed and takes nothing from the others; when the bridge stops, each
//! may end the request that it is at.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::server::router::Service;

/// How long a new connection may take to send the header of its first request.
const FIRST_HEADER_WITHIN: Duration = Duration::from_secs(15);
/// How long one may do nothing, or take for a further header. Longer than what reverse
/// proxies keep idle connections for, so that none of them sends into one that closes.
const NEXT_HEADER_WITHIN: Duration = Duration::from_secs(180);
/// The largest header, with the line of the request, in bytes.
const HEADER_MAX_BYTES: usize = 32 * 1024;
/// The most fields of a header.
const HEADER_MAX_FIELDS: usize = 100;
/// How long is waited when the process has no room for one more connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// Files and connections of the bridge's own: the database, Odoo, the log.
const OWN_FILES: u64 = 512;

/// Serves until `stop` says so and every connection has ended what it was at. Dropped, it
/// closes all of them.
pub async fn serve(listener: TcpListener, service: Service, most: u32, stop: watch::Receiver<bool>) {
    let most = room_for(most);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEADER_WITHIN)
        .max_headers(HEADER_MAX_FIELDS)
        .max_header_size(HEADER_MAX_BYTES);
    let builder = Arc::new(builder);
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopping(stop.clone()));
    let mut is_full = false;
    loop {
        if connections.len() >= most && !is_full {
            tracing::warn!(connections = most, "no more connections are taken until one ends");
        }
        is_full = connections.len() >= most;
        tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if !is_full => match accepted {
                Ok((stream, remote)) => {
                    let (builder, service, stop) = (Arc::clone(&builder), service.clone(), stop.clone());
                    connections.spawn(async move { serve_one(stream, remote, &builder, &service, stop).await });
                }
                // Of that connection only.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a connection is not accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_one(
    stream: TcpStream,
    remote: SocketAddr,
    builder: &http1::Builder,
    service: &Service,
    stop: watch::Receiver<bool>,
) {
    // Without it the last piece of a large answer waits 40 ms for the client's
    // acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "TCP_NODELAY is not set");
    }
    let has_asked = AtomicBool::new(false);
    let answer = service_fn(|request: http::Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(remote));
        async move { Ok::<Response, Infallible>(service.answer(request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    let mut late = pin!(async {
        tokio::time::sleep(FIRST_HEADER_WITHIN).await;
        if has_asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    });
    let mut stopped = pin!(stopping(stop));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                }
                return;
            }
            () = &mut late => {
                tracing::debug!("a connection sent no request in time");
                return;
            }
            () = &mut stopped, if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Ends when the bridge begins to stop, or is gone.
pub async fn stopping(mut stop: watch::Receiver<bool>) {
    // An error means that the bridge is gone: as good as a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How many connections there is room for: takes all the files that the process may
/// open, and says so if they do not do for `most`.
fn room_for(most: u32) -> usize {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    };
    // `None`: as many as it likes.
    let Some(allowed) = allowed else { return most as usize };
    let room = usize::try_from(allowed.saturating_sub(OWN_FILES).max(1)).unwrap_or(usize::MAX);
    if room < most as usize {
        tracing::warn!(
            files = allowed,
            connections = room,
            "the process may open too few files for BRIDGE_MAX_CONNECTIONS; raise its limit (ulimit -n)"
        );
    }
    room.min(most as usize)
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
