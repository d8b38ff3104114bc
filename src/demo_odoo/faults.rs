//! What tests can make the demo do wrong. Set at run time, by clone: all clones
//! of one demo share their faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fault::Fault;

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// Which requests; `None` is all.
    method: Option<String>,
    /// How many more times; `None` is until [`Faults::clear`].
    times: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    all: bool,
    passwords: bool,
    api_keys: bool,
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    latency: Duration,
    refused: Refused,
    without_sales: bool,
    two_factor: bool,
    keep_alive: bool,
    documentation_forbidden: bool,
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
        self.state().refused.all = refuse;
    }

    /// No password is accepted any more. Sessions that were opened go on.
    pub fn refuse_password(&self, refuse: bool) {
        self.state().refused.passwords = refuse;
    }

    /// No API key is accepted any more.
    pub fn refuse_api_key(&self, refuse: bool) {
        self.state().refused.api_keys = refuse;
    }

    /// Connections are kept open after an answer, as a proxy does. Odoo's own
    /// server closes them.
    pub fn keep_alive(&self, keep: bool) {
        self.state().keep_alive = keep;
    }

    /// The user may not read `/doc-bearer`. To take it away altogether, close it
    /// as a way.
    pub fn forbid_documentation(&self, forbid: bool) {
        self.state().documentation_forbidden = forbid;
    }

    /// The user has two-factor authentication: no session by password alone, and
    /// no password over JSON-RPC.
    pub fn require_two_factor(&self, require: bool) {
        self.state().two_factor = require;
    }

    /// This path (`/jsonrpc`, `/web`, `/json/2`, …) and all below are not there any
    /// more, as in a later Odoo or behind a proxy that closes them.
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

    pub(super) fn passwords_refused(&self) -> bool {
        let refused = self.state().refused;
        refused.all || refused.passwords
    }

    pub(super) fn api_keys_refused(&self) -> bool {
        let refused = self.state().refused;
        refused.all || refused.api_keys
    }

    pub(super) fn keeps_alive(&self) -> bool {
        self.state().keep_alive
    }

    pub(super) fn documentation_forbidden(&self) -> bool {
        self.state().documentation_forbidden
    }

    pub(super) fn two_factor(&self) -> bool {
        self.state().two_factor
    }

    pub(super) fn is_closed(&self, path: &str) -> bool {
        self.state()
            .closed
            .iter()
            .filter_map(|closed| path.strip_prefix(closed.as_str()))
            .any(|below| below.is_empty() || below.starts_with('/'))
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
