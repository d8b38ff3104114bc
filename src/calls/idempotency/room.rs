//! How much is kept of one API key: so many calls, and so many bytes of answers. Counted
//! in the database once a minute and added to in between, so that a key which floods is
//! stopped soon after its bound, and no call waits for a count each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use sqlx::PgPool;

use super::{KEPT_FOR, store};
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;

/// The most calls of one API key that are kept.
const CALLS_MAX: u64 = 250_000;
/// The most bytes of their answers.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a count is trusted.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// How many API keys are remembered.
const REMEMBERED: usize = 10_000;

/// What is kept of one API key.
struct Kept {
    calls: AtomicU64,
    bytes: AtomicU64,
    /// When the first of them is no longer kept.
    room_at: Option<DateTime<Utc>>,
    counted_at: Instant,
}

/// See the module.
pub(super) struct Room(Cache<ApiKeyId, Arc<Kept>>);

impl Room {
    /// Knows nothing yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// Whether one more call of this key may be written down; why not.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn refuses(&self, pool: &PgPool, id: ApiKeyId) -> Result<Option<AppError>> {
        let kept = match self.0.get(&id) {
            Some(kept) if kept.counted_at.elapsed() < COUNTED_FOR => kept,
            _ => {
                let counted = store::count(pool, id, Utc::now() - KEPT_FOR).await?;
                let kept = Arc::new(Kept {
                    calls: AtomicU64::new(u64::try_from(counted.calls).unwrap_or(0)),
                    bytes: AtomicU64::new(u64::try_from(counted.bytes).unwrap_or(0)),
                    room_at: counted.oldest.map(|oldest| oldest + KEPT_FOR),
                    counted_at: Instant::now(),
                });
                self.0.insert(id, Arc::clone(&kept));
                kept
            }
        };
        let is_full =
            kept.calls.load(Ordering::Relaxed) >= CALLS_MAX || kept.bytes.load(Ordering::Relaxed) >= BYTES_MAX;
        Ok(is_full.then(|| full(kept.room_at)))
    }

    /// One more call was written down.
    pub(super) fn add_call(&self, id: ApiKeyId) {
        if let Some(kept) = self.0.get(&id) {
            kept.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many bytes of an answer were.
    pub(super) fn add_bytes(&self, id: ApiKeyId, bytes: usize) {
        if let Some(kept) = self.0.get(&id) {
            kept.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

fn full(room_at: Option<DateTime<Utc>>) -> AppError {
    let left = room_at.map_or(0, |at| (at - Utc::now()).num_seconds());
    let sentence = format!(
        "This API key has had {CALLS_MAX} calls with an Idempotency-Key within 24 hours, or answers of {} MiB. This one was not sent.",
        BYTES_MAX / (1024 * 1024)
    );
    AppError::new(ErrorCode::Overloaded, sentence).retry_after_secs(u32::try_from(left).unwrap_or(0).max(1))
}
