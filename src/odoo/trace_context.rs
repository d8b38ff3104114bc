//! The trace that a call to Odoo belongs to, if it belongs to one: every request that is
//! sent for it carries it as W3C `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header, both ways.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the systems before have to say of the same trace, both ways.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What goes on to Odoo.
#[derive(Clone, Debug)]
pub struct TraceContext {
    /// The trace, and the part of it that is Odoo's.
    pub parent: HeaderValue,
    /// As the caller sent it.
    pub state: Option<HeaderValue>,
}

impl TraceContext {
    /// Tells whoever gets a request with these headers.
    pub fn tell(self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent);
        if let Some(state) = self.state {
            headers.insert(TRACESTATE, state);
        }
    }
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Runs `work` as a part of a trace. The task that it spawns is not.
pub async fn scope<F: Future>(trace: Option<TraceContext>, work: F) -> F::Output {
    match trace {
        Some(trace) => CURRENT.scope(trace, work).await,
        None => work.await,
    }
}

/// The trace of whoever asks.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok()
}
