//! When keys were last used: collected in memory, written about once a second,
//! only ever forward. Losing the last second to a crash is accepted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::ids::ApiKeyId;
use crate::keys::store;

/// How often it is written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The collection; holds at most one instant per key.
#[derive(Clone, Default)]
pub struct LastUsed(Arc<Mutex<HashMap<ApiKeyId, DateTime<Utc>>>>);

impl LastUsed {
    /// Notes that a key was accepted.
    pub fn record(&self, id: ApiKeyId, at: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, at);
    }

    /// Writes what was collected. It is forgotten only once it is written, so that
    /// neither a failure nor a cancellation in the middle loses it.
    ///
    /// # Errors
    /// The database's.
    pub async fn flush(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let collected = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if collected.is_empty() {
            return Ok(());
        }
        let (ids, instants): (Vec<_>, Vec<_>) = collected.iter().map(|(id, at)| (id.0, *at)).unzip();
        store::touch_last_used(pool, &ids, &instants).await?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, at| collected.get(id) != Some(at));
        Ok(())
    }

    /// Writes about once a second until it is cancelled.
    pub async fn run(self, pool: PgPool) {
        let mut ticks = tokio::time::interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.flush(&pool).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "last use of keys not written yet"
                );
            }
        }
    }
}
