//! A key's last 24 hours as a row of bars, small enough for the table of keys. Made whole by the
//! server: the browser has no code for it.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::error::Result;
use crate::ids::ApiKeyId;
use crate::keys::model::ApiKey;
use crate::traffic::store;
use crate::traffic::window::Level;

const HOURS: usize = 24;
/// How high the highest bar is.
const HEIGHT: i64 = 16;

/// Adds its picture to each key that was used.
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn add(pool: &PgPool, keys: &mut [ApiKey], now: DateTime<Utc>) -> Result<()> {
    let from = Level::Hour.begin(now) - TimeDelta::hours(HOURS as i64 - 1);
    let ids: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
    let mut hours: HashMap<ApiKeyId, [i64; HOURS]> = HashMap::new();
    for (subject, at, calls) in store::hours(pool, &ids, from).await? {
        let hour = usize::try_from((at - from).num_hours())
            .ok()
            .filter(|hour| *hour < HOURS);
        if let (Ok(id), Some(hour)) = (subject.parse(), hour) {
            hours.entry(id).or_default()[hour] += calls;
        }
    }
    for key in keys {
        if let Some(hours) = hours.get(&key.id) {
            key.spark = draw(hours);
        }
    }
    Ok(())
}

fn draw(hours: &[i64; HOURS]) -> String {
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    let total: i64 = hours.iter().sum();
    let mut path = String::new();
    for (hour, calls) in hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
        // Any call at all is seen.
        let high = (calls.saturating_mul(HEIGHT) / most).max(1);
        let _ = write!(path, "M{} {HEIGHT}v-{high}", hour * 3 + 1);
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 72 {HEIGHT}\" role=\"img\" aria-label=\"{total} calls in 24 hours, at most {most} in one\"><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_each_hour_with_calls_and_all_of_it_in_words() {
        let mut hours = [0; HOURS];
        (hours[0], hours[23]) = (1, 1_000);
        let svg = draw(&hours);
        assert!(svg.contains("M1 16v-1M70 16v-16\""), "{svg}");
        assert!(svg.contains("1001 calls in 24 hours, at most 1000 in one"), "{svg}");
        assert!(svg.len() < 400, "a page has 25 of them");
    }
}
