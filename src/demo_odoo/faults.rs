//! What tests can make the demo do wrong. Set at run time, by clone: all clones
//! of one demo share their faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// The answer of a method that returns nothing.
    NoneResult,
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
        Self::Raw(format!("{HEADERS}{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [{{\"id\": 1, ").into_bytes())
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

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// Which requests; `None` is all.
    method: Option<String>,
    /// How many more times; `None` is until [`Faults::clear`].
    times: Option<u32>,
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    latency: Duration,
    refuse_credentials: bool,
    without_sales: bool,
    two_factor: bool,
    closed: Vec<String>,
}

/// The demo's faults. None at first.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, fault: Fault, method: Option<&str>, times: Option<u32>) {
        self.state().planned.push(Planned {
            fault,
            method: method.map(str::to_owned),
            times,
        });
    }

    /// Every request goes wrong in this way until [`clear`](Self::clear).
    pub fn set(&self, fault: Fault) {
        self.plan(fault, None, None);
    }

    /// Only requests of this RPC method do, such as `execute_kw` or
    /// `authenticate`, `call_kw` (web session), `json2`, `doc-bearer` (or of this
    /// path, such as `/web/health`).
    pub fn set_on(&self, method: &str, fault: Fault) {
        self.plan(fault, Some(method), None);
    }

    /// Only the next so many requests of this RPC method do.
    pub fn set_times(&self, method: &str, times: u32, fault: Fault) {
        self.plan(fault, Some(method), Some(times));
    }

    /// Every answer comes so much later.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// No credentials are accepted any more.
    pub fn refuse_credentials(&self, refuse: bool) {
        self.state().refuse_credentials = refuse;
    }

    /// The user has two-factor authentication: no session by password alone.
    pub fn require_two_factor(&self, require: bool) {
        self.state().two_factor = require;
    }

    /// Every address that begins like this is not there any more, as in a later
    /// Odoo or behind a proxy that closes it.
    pub fn close_way(&self, prefix: &str) {
        self.state().closed.push(prefix.to_owned());
    }

    /// As if the Sales module was not installed: no `sale.order`.
    pub fn uninstall_sales(&self, uninstall: bool) {
        self.state().without_sales = uninstall;
    }

    /// Everything works again.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    pub(super) fn latency(&self) -> Duration {
        self.state().latency
    }

    pub(super) fn credentials_refused(&self) -> bool {
        self.state().refuse_credentials
    }

    pub(super) fn two_factor(&self) -> bool {
        self.state().two_factor
    }

    pub(super) fn is_closed(&self, path: &str) -> bool {
        self.state()
            .closed
            .iter()
            .any(|prefix| path.starts_with(prefix.as_str()))
    }

    pub(super) fn sales_missing(&self) -> bool {
        self.state().without_sales
    }

    /// The fault that this request is due, counted down.
    pub(super) fn take(&self, method: &str) -> Option<Fault> {
        let mut state = self.state();
        let at = state
            .planned
            .iter()
            .position(|planned| planned.method.as_deref().is_none_or(|wanted| wanted == method))?;
        let planned = &mut state.planned[at];
        let fault = planned.fault.clone();
        if let Some(times) = &mut planned.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                state.planned.remove(at);
            }
        }
        Some(fault)
    }
}
