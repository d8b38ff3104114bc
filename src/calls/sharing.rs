//! Identical reads in flight share one upstream call, for keys that chose it. An
//! answer goes to those who asked while it was on its way and to nobody after:
//! nothing is kept once it is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use crate::calls::gateway::{Failed, Outcome};
use crate::ids::ApiKeyId;

/// What all who share a call get. A streamed result can go to one of them only:
/// the first takes it.
pub type SharedOutcome = Arc<Mutex<Option<Result<Outcome, Failed>>>>;

type Flight = Shared<BoxFuture<'static, SharedOutcome>>;

/// Whose call, and its very bytes.
type Question = (ApiKeyId, Bytes);

#[derive(Default)]
struct Inner {
    /// With a number, so that a flight removes only itself.
    flights: HashMap<Question, (u64, WeakShared<BoxFuture<'static, SharedOutcome>>)>,
    next: u64,
}

/// The reads that are on their way. Cheap to clone.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<Inner>>);

impl Flights {
    /// What `ask` answers, or what the same question answers that is on its way.
    /// `None` if that answer is too large to be shared: ask on your own.
    pub async fn join(
        &self,
        key: ApiKeyId,
        body: Bytes,
        ask: impl FnOnce() -> BoxFuture<'static, Result<Outcome, Failed>>,
    ) -> Option<Result<Outcome, Failed>> {
        let outcome = self.flight((key, body), ask).await;
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match &*outcome {
            Some(Ok(whole)) if whole.is_whole() => Some(Ok(whole.copy()?)),
            Some(Err(error)) => Some(Err(error.clone())),
            _ => outcome.take(),
        }
    }

    /// A call of this key that may write has ended: what was asked before it is
    /// no answer to what is asked after it.
    pub fn forget(&self, key: ApiKeyId) {
        self.lock().flights.retain(|(owner, _), _| *owner != key);
    }

    fn flight(&self, question: Question, ask: impl FnOnce() -> BoxFuture<'static, Result<Outcome, Failed>>) -> Flight {
        let mut inner = self.lock();
        if let Some(flight) = inner.flights.get(&question).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        inner.next += 1;
        let number = inner.next;
        let landing = Landing {
            flights: self.clone(),
            question: question.clone(),
            number,
        };
        let asked = ask();
        let flight = async move {
            let outcome = asked.await;
            // Before anybody sees the answer: who comes now asks anew.
            drop(landing);
            Arc::new(Mutex::new(Some(outcome)))
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            inner.flights.insert(question, (number, weak));
        }
        flight
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a flight when it ends, and when all who waited for it are gone.
struct Landing {
    flights: Flights,
    question: Question,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut inner = self.flights.lock();
        if inner
            .flights
            .get(&self.question)
            .is_some_and(|(number, _)| *number == self.number)
        {
            inner.flights.remove(&self.question);
        }
    }
}
