//! How long calls took, as a histogram that is small, can be added to another, and gives any
//! percentile within one percent (ADR 26).
//!
//! Stored it is one byte for the version of this form, 1, and then the binary form of DDSketch as
//! Datadog's libraries write it: counts of values by the whole part of their logarithm to the base
//! 1.01 / 0.99.

use sketches_ddsketch::{Config, DDSketch};

/// How far a percentile may be from the exact one, as a share of it.
const ACCURACY: f64 = 0.01;
/// The most cells. Those between the two bounds below are fewer, so that none are ever put together.
const CELLS: u32 = 2_048;
/// What is taken for zero: a billionth of a millisecond. Stored histograms are read with it.
const ZERO_MS: f64 = 1e-9;
/// The least and the most that is told apart: a nanosecond, and more than a day.
const LEAST_MS: f64 = 1e-6;
const MOST_MS: f64 = 1e8;
/// The stored form's first byte.
const VERSION: u8 = 1;

/// Milliseconds of many calls.
#[derive(Clone)]
pub struct Histogram(DDSketch);

impl Default for Histogram {
    fn default() -> Self {
        Self(DDSketch::new(Config::new(ACCURACY, CELLS, ZERO_MS)))
    }
}

impl Histogram {
    /// Counts one call.
    pub fn add(&mut self, ms: f64) {
        let ms = if ms.is_nan() { LEAST_MS } else { ms };
        self.0.add(ms.clamp(LEAST_MS, MOST_MS));
    }

    /// Counts all calls of another.
    pub fn merge(&mut self, other: &Self) {
        // It fails for another accuracy only, which `from_bytes` does not let in.
        let _ = self.0.merge(&other.0);
    }

    /// How many calls it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// So many milliseconds, within one percent, is what a share of the calls took at most;
    /// `None`: there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.0.quantile(share).ok().flatten()
    }

    /// As it is stored; `None`: it is empty.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.count() == 0 {
            return None;
        }
        let mut bytes = vec![VERSION];
        bytes.extend(self.0.to_java_bytes());
        Some(bytes)
    }

    /// What was stored; `None` if a later version of the bridge wrote it, or nobody did.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, form) = bytes.split_first()?;
        let read = (*version == VERSION).then(|| DDSketch::from_java_bytes(form).ok())??;
        // With another accuracy it could not be added to.
        let mut own = Self::default();
        own.0.merge(&read).ok()?;
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        /// Between 0 and 1, neither of them.
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (-2.0 * self.next().ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
        }
    }

    /// Adds a million values as it is done in earnest: a few at a time, stored and read again
    /// between; by minutes that are put together.
    fn rolled_up(values: &[f64]) -> Histogram {
        let mut whole = Histogram::default();
        for minute in values.chunks(10_000) {
            let mut stored: Option<Vec<u8>> = None;
            for batch in minute.chunks(500) {
                let mut row = stored
                    .as_deref()
                    .map_or_else(Histogram::default, |bytes| Histogram::from_bytes(bytes).expect("read"));
                let mut new = Histogram::default();
                for ms in batch {
                    new.add(*ms);
                }
                row.merge(&new);
                stored = row.to_bytes();
            }
            whole.merge(&Histogram::from_bytes(&stored.expect("stored")).expect("read"));
        }
        whole
    }

    #[test]
    fn percentiles_of_a_million_calls_in_minutes_are_within_two_percent_of_the_exact_ones() {
        let mut numbers = Numbers(7);
        let log_normal: Vec<f64> = (0..1_000_000).map(|_| (2.5 + 1.2 * numbers.normal()).exp()).collect();
        // Most are answered from a cache, some wait for a slow report.
        let two_humps: Vec<f64> = (0..1_000_000)
            .map(|_| {
                let hump = if numbers.next() < 0.97 { 3.0 } else { 4_000.0 };
                (hump * (1.0 + 0.15 * numbers.normal())).max(0.01)
            })
            .collect();
        for mut values in [log_normal, two_humps] {
            let histogram = rolled_up(&values);
            assert_eq!(histogram.count(), values.len());
            values.sort_by(f64::total_cmp);
            for share in [0.5, 0.95, 0.99] {
                let exact = values[(share * (values.len() - 1) as f64) as usize];
                let told = histogram.quantile(share).expect("some");
                let off = (told / exact - 1.0).abs();
                assert!(off < 0.02, "{share}: {told} instead of {exact}");
            }
        }
    }

    #[test]
    fn no_value_breaks_a_histogram() {
        let mut histogram = Histogram::default();
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300, 5.0];
        for ms in odd {
            histogram.add(ms);
        }
        let stored = histogram.to_bytes().expect("some");
        let read = Histogram::from_bytes(&stored).expect("read");
        assert_eq!(read.count(), odd.len());
        assert!(read.quantile(1.0).is_some_and(f64::is_finite));
        assert!(Histogram::default().to_bytes().is_none());
    }

    #[test]
    fn what_another_version_stored_is_not_guessed_at() {
        let mut other = DDSketch::new(Config::new(0.05, CELLS, ZERO_MS));
        other.add(1.0);
        let mut coarse = vec![VERSION];
        coarse.extend(other.to_java_bytes());
        for bytes in [&[][..], &[VERSION], &[2, 1, 2, 3], b"nonsense", &coarse] {
            assert!(Histogram::from_bytes(bytes).is_none(), "{bytes:?}");
        }
    }
}
