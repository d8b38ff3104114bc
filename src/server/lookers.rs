//! Places for those who search through what was written down: a few at a time, so that
//! searches which take long never hold all of the pool's connections, which calls need too
//! (a key that nobody asked for yet, a quota, a record).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{AppError, ErrorCode, Result};

/// How many search at once, of the ten connections that an instance has.
const PLACES: usize = 4;
/// How long one waits for a place: a little longer than a search may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Lookers(Arc<Semaphore>);

impl Default for Lookers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Lookers {
    /// A place, until it is dropped; whoever came first gets it first.
    ///
    /// # Errors
    /// `overloaded` if none gets free in time.
    pub async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        // Nobody closes the semaphore.
        place.ok().and_then(Result::ok).ok_or_else(|| {
            AppError::new(
                ErrorCode::Overloaded,
                "Too many searches run at the moment. Try again shortly.",
            )
            .retry_after_secs(5)
        })
    }
}
