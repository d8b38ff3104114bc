//! A TCP listener whose connections can be made to answer with raw bytes and
//! close: what no HTTP library would send.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::{CONNECTIONS, DemoOdoo};

/// Handed to the handlers of a connection: bytes put in here replace its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<Option<Vec<u8>>>>);

impl Wire {
    pub(super) fn replace_answer(&self, bytes: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Connected<IncomingStream<'_, FaultyListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, FaultyListener>) -> Self {
        stream.io().wire.clone()
    }
}

/// Counts the connections that it accepts.
pub(super) struct FaultyListener {
    pub(super) listener: TcpListener,
    pub(super) demo: DemoOdoo,
}

impl Listener for FaultyListener {
    type Io = FaultyStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // axum's own listener retries what can be retried.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.demo.count(CONNECTIONS);
        // Pieces of an answer are to arrive as they are sent.
        let _ = stream.set_nodelay(true);
        (
            FaultyStream {
                stream,
                wire: Wire::default(),
                raw: None,
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

pub(super) struct FaultyStream {
    stream: TcpStream,
    wire: Wire,
    /// What is left to send instead of the answer, and then the end.
    raw: Option<Vec<u8>>,
}

impl FaultyStream {
    fn poll_raw(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(raw) = self.raw.as_mut().filter(|raw| !raw.is_empty()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, raw))?;
            raw.drain(..written);
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    /// Whether the answer is replaced; looks once a write begins.
    fn is_replaced(&mut self) -> bool {
        if self.raw.is_none() {
            self.raw = self.wire.take();
        }
        self.raw.is_some()
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_replaced() {
            return self.poll_raw(context);
        }
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
