//! Many runs in a few numbers and a sentence. Failed runs are counted, but how
//! long they took says nothing of how fast Odoo is.

use serde::{Deserialize, Serialize};

use crate::speed_test::model::{SpeedTest, TestType, format_ms};

/// The latencies of one test among the runs of the chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Which test.
    pub test_type: TestType,
    /// Runs that succeeded.
    pub succeeded: u32,
    /// Runs that failed.
    pub failed: u32,
    /// Of those that succeeded; `None` if none did.
    pub spread: Option<Spread>,
}

/// How latencies are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of them are at most this.
    pub p50_ms: f64,
    /// The fastest.
    pub min_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Spread {
    /// `None` of no values.
    #[must_use]
    pub fn of(mut latencies_ms: Vec<f64>) -> Option<Self> {
        latencies_ms.sort_by(f64::total_cmp);
        let p50_ms = *latencies_ms.get(latencies_ms.len().div_ceil(2).saturating_sub(1))?;
        Some(Self {
            p50_ms,
            min_ms: *latencies_ms.first()?,
            max_ms: *latencies_ms.last()?,
        })
    }
}

/// The summaries of the tests that `runs` holds, light first.
#[must_use]
pub fn summarize(runs: &[SpeedTest]) -> Vec<Summary> {
    TestType::ALL
        .into_iter()
        .filter_map(|test_type| {
            let (succeeded, failed): (Vec<_>, Vec<_>) = runs
                .iter()
                .filter(|run| run.test_type == test_type)
                .partition(|run| run.failure.is_none());
            if succeeded.is_empty() && failed.is_empty() {
                return None;
            }
            Some(Summary {
                test_type,
                succeeded: u32::try_from(succeeded.len()).unwrap_or(u32::MAX),
                failed: u32::try_from(failed.len()).unwrap_or(u32::MAX),
                spread: Spread::of(
                    succeeded
                        .iter()
                        .map(|run| run.latency_ms)
                        .filter(|ms| ms.is_finite())
                        .collect(),
                ),
            })
        })
        .collect()
}

/// What the chart shows, in words: "Light: 12 runs, median 4.1 ms (from 2.9 ms to
/// 11.0 ms), 1 failed."
#[must_use]
pub fn describe(summaries: &[Summary]) -> String {
    let tests: Vec<String> = summaries
        .iter()
        .map(|summary| {
            let runs = summary.succeeded + summary.failed;
            let noun = if runs == 1 { "run" } else { "runs" };
            let mut text = format!("{}: {runs} {noun}", summary.test_type.label());
            if let Some(spread) = summary.spread {
                let [p50, min, max] = [spread.p50_ms, spread.min_ms, spread.max_ms].map(format_ms);
                text += &format!(", median {p50} (from {min} to {max})");
            }
            if summary.failed > 0 {
                text += &format!(", {} failed", summary.failed);
            }
            text + "."
        })
        .collect();
    tests.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed_test::model::tests::run_at;

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(
            Spread::of(vec![7.0]),
            Some(Spread {
                p50_ms: 7.0,
                min_ms: 7.0,
                max_ms: 7.0
            })
        );
        assert_eq!(
            Spread::of(vec![9.0, 1.0, 5.0, 3.0]),
            Some(Spread {
                p50_ms: 3.0,
                min_ms: 1.0,
                max_ms: 9.0
            })
        );
        assert_eq!(Spread::of(vec![9.0, 1.0, 5.0]).map(|spread| spread.p50_ms), Some(5.0));
    }

    #[test]
    fn failed_runs_are_counted_but_do_not_move_the_median() {
        let runs = [
            run_at(TestType::Light, 4.0, 0, false),
            run_at(TestType::Light, 90_000.0, 1, true),
            run_at(TestType::Light, 6.0, 2, false),
        ];
        let summaries = summarize(&runs);
        assert_eq!(summaries.len(), 1, "no heavy run, no heavy summary");
        assert_eq!((summaries[0].succeeded, summaries[0].failed), (2, 1));
        assert_eq!(summaries[0].spread.map(|spread| spread.max_ms), Some(6.0));
    }
}
