//! One call on its way. There is one instant until which its answer has to have begun and
//! one until which it has to have ended, for all that is waited for meanwhile: the pace,
//! somebody's login, a connection, Odoo, a second try. It knows whether Odoo may have got
//! it, and tells who asked as soon as something is sent for it.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::error::OdooError;
use super::way::Way;

/// A call that was given up counts as a failure of Odoo's if Odoo had it for so long and
/// said nothing. An impatient caller says nothing of Odoo.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// Who is told by which way something is sent for a call.
pub type Tell<'a> = &'a mut (dyn FnMut(Way) + Send);

/// See the module.
pub(super) struct Trip<'a> {
    pub(super) may_write: bool,
    /// Its answer has to have begun by then: its caller's own limit, or `ends_by`.
    pub(super) begins_by: Instant,
    /// It has to have ended by then.
    pub(super) ends_by: Instant,
    /// Whether it may be sent now, although Odoo is left alone.
    finds_out: bool,
    breaker: &'a Breaker,
    tell: Option<Tell<'a>>,
    /// What was told.
    told: Option<Way>,
    way: Way,
    /// Whether something was asked by this way.
    has_asked: bool,
    /// Whether Odoo may have got the call itself.
    is_sent: bool,
    /// Since when Odoo has been asked and has said nothing.
    silent_since: Option<Instant>,
    /// It was given up sooner than says something of Odoo.
    is_hasty: bool,
}

impl<'a> Trip<'a> {
    /// Of the bridge itself: nobody has to be told, and nothing is written.
    pub(super) fn own(breaker: &'a Breaker, ends_by: Instant) -> Self {
        Self {
            may_write: false,
            begins_by: ends_by,
            ends_by,
            finds_out: true,
            breaker,
            tell: None,
            told: None,
            way: Way::Web,
            has_asked: false,
            is_sent: false,
            silent_since: None,
            is_hasty: false,
        }
    }

    /// Of a caller, whose answer has to have begun by `begins_by`.
    pub(super) fn of_a_caller(self, may_write: bool, begins_by: Option<Instant>, tell: Tell<'a>) -> Self {
        let begins_by = begins_by.map_or(self.ends_by, |by| by.min(self.ends_by));
        Self {
            may_write,
            begins_by,
            finds_out: false,
            tell: Some(tell),
            ..self
        }
    }

    /// Takes this way from here on; what it did by another came to nothing.
    pub(super) const fn take(&mut self, way: Way) {
        self.way = way;
        self.has_asked = false;
        self.is_sent = false;
        self.is_hasty = false;
    }

    /// Something leaves for Odoo: the call, or a question that comes before it.
    pub(super) fn leaves(&mut self, now: Instant) {
        self.is_sent = false;
        self.has_asked = true;
        self.silent_since = Some(now);
        if self.told != Some(self.way) {
            self.told = Some(self.way);
            if let Some(tell) = &mut self.tell {
                tell(self.way);
            }
        }
    }

    /// Where it is noted that Odoo may have got the call.
    pub(super) const fn is_sent_mut(&mut self) -> &mut bool {
        &mut self.is_sent
    }

    /// Odoo, or something in its place, said something, or the connection ended.
    pub(super) const fn heard(&mut self) {
        self.silent_since = None;
    }

    /// Nothing came in time, of which Odoo's own is `usual`. Whether it may have got the call.
    pub(super) fn unheard(&mut self, usual: Duration) -> bool {
        let silent = self.silent_since.take().map(|since| since.elapsed());
        self.is_hasty = silent.is_some_and(|silent| silent < usual.min(SILENT_FOR));
        self.is_sent
    }

    /// Whether what became of it by this way says something of Odoo.
    pub(super) const fn says_something(&self) -> bool {
        self.has_asked && !self.is_hasty
    }

    /// By which way something was sent for it; `None`: nothing was.
    pub(super) const fn sent_by(&self) -> Option<Way> {
        self.told
    }

    /// How it waits for others.
    pub(super) const fn waits(&self) -> Waits<'a> {
        Waits {
            by: self.begins_by,
            finds_out: self.finds_out,
            breaker: self.breaker,
        }
    }

    /// It is let through to find out whether Odoo is back.
    pub(super) const fn finds_out(&mut self, finds_out: bool) {
        self.finds_out = finds_out;
    }
}

impl Drop for Trip<'_> {
    /// Nobody waits for it any more.
    fn drop(&mut self) {
        if self.silent_since.is_some_and(|since| since.elapsed() >= SILENT_FOR) {
            self.breaker.failed();
        }
    }
}

/// How a call waits for what another does.
#[derive(Clone, Copy)]
pub(super) struct Waits<'a> {
    by: Instant,
    finds_out: bool,
    breaker: &'a Breaker,
}

impl Waits<'_> {
    /// Waits for `work` as long as the call may.
    ///
    /// # Errors
    /// `Timeout`; `LeftAlone` if Odoo is left alone by then.
    pub(super) async fn for_another<T>(&self, work: impl Future<Output = T>) -> Result<T, OdooError> {
        let began = Instant::now();
        let done = tokio::time::timeout_at(self.by, work).await;
        let done = done.map_err(|_| OdooError::Timeout {
            waited: began.elapsed(),
        })?;
        if !self.finds_out {
            self.breaker.pass()?;
        }
        Ok(done)
    }

    /// Whether there is no time left.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.by
    }
}
