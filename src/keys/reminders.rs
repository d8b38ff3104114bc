//! What somebody should look at, among all keys: those that end soon, and those that
//! nobody uses. It needs a look at every key, so that it is found out once a minute at
//! most, however often the list is opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::error::Result;
use crate::keys::model::{ENDS_SOON_DAYS, UNUSED_DAYS};
use crate::keys::store;

/// For how long it is told again what was found.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub struct Reminders(Arc<Mutex<Option<(Instant, String)>>>);

impl Reminders {
    /// In a sentence or two; empty if there is nothing to look at.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn tell(&self, pool: &PgPool) -> Result<String> {
        let mut told = self.0.lock().await;
        if let Some((at, text)) = &*told
            && at.elapsed() < TOLD_FOR
        {
            return Ok(text.clone());
        }
        let (ending, unused) = store::ending_and_unused(pool).await?;
        let text = in_words(ending, unused);
        *told = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

/// How many keys that are accepted, and that were not rolled, end within so many days.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn ending_within(pool: &PgPool, days: u16) -> Result<i64> {
    store::ending_within(pool, days.into()).await
}

fn in_words(ending: i64, unused: i64) -> String {
    let ending = match ending {
        0 => None,
        1 => Some(format!("1 key ends within {ENDS_SOON_DAYS} days.")),
        many => Some(format!("{many} keys end within {ENDS_SOON_DAYS} days.")),
    };
    let unused = match unused {
        0 => None,
        1 => Some(format!("1 key was not used for {UNUSED_DAYS} days.")),
        many => Some(format!("{many} keys were not used for {UNUSED_DAYS} days.")),
    };
    ending.into_iter().chain(unused).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nothing_is_not_said() {
        assert_eq!(in_words(0, 0), "");
        assert_eq!(in_words(2, 0), "2 keys end within 14 days.");
        assert_eq!(
            in_words(1, 3),
            "1 key ends within 14 days. 3 keys were not used for 90 days."
        );
    }
}
