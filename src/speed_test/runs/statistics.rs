//! Many samples in a few numbers. Pure. What failed is counted; how long that took moves
//! no percentile.

use crate::odoo::Way;
use crate::speed_test::runs::sample::{Parts, Sample};

/// The samples of one way, in numbers. Milliseconds, without the waiting for turn and pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Which way.
    pub way: Way,
    /// Samples that were answered.
    pub succeeded: usize,
    /// Samples that were not.
    pub failed: usize,
    /// Of those that were answered; `None` if none was.
    pub figures: Option<Figures>,
}

/// The numbers themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The fastest.
    pub min: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// Nine of ten are.
    pub p90: f64,
    /// 19 of 20 are.
    pub p95: f64,
    /// The slowest.
    pub max: f64,
    /// See [`jitter`]; `None` for a single sample.
    pub jitter: Option<f64>,
    /// The mean of each part.
    pub mean: Parts,
}

/// A percentile by the nearest rank: the smallest of `sorted` that at least `percent` of a
/// hundred are at most. It is always one of the values; of few values the high ones are the
/// largest. `None` of no values.
#[must_use]
pub fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// How unsteady it is: the mean absolute difference of consecutive values, in their order.
/// `None` of fewer than two.
#[must_use]
pub fn jitter(values: &[f64]) -> Option<f64> {
    mean(values.windows(2).map(|pair| (pair[1] - pair[0]).abs()))
}

/// How much `now` differs from `before`, in percent of it; `None` if that is nothing.
#[must_use]
pub fn change_percent(before: f64, now: f64) -> Option<f64> {
    (before > 0.0).then(|| (now - before) / before * 100.0)
}

impl Statistics {
    /// Of the samples of `way` among `samples`, in the order in which they were taken.
    #[must_use]
    pub fn of(way: Way, samples: &[Sample]) -> Self {
        let of_way = || samples.iter().filter(|sample| sample.way == way);
        let parts: Vec<Parts> = of_way()
            .filter(|sample| sample.failure.is_none())
            .map(|sample| sample.parts)
            .collect();
        Self {
            way,
            succeeded: parts.len(),
            failed: of_way().count() - parts.len(),
            figures: Figures::of(&parts),
        }
    }
}

impl Figures {
    /// `None` of no samples.
    #[must_use]
    pub fn of(parts: &[Parts]) -> Option<Self> {
        let latencies: Vec<f64> = parts.iter().map(Parts::latency).collect();
        let mut sorted = latencies.clone();
        sorted.sort_by(f64::total_cmp);
        let of = |part: fn(&Parts) -> f64| mean(parts.iter().map(part));
        Some(Self {
            min: *sorted.first()?,
            p50: percentile(&sorted, 50)?,
            p90: percentile(&sorted, 90)?,
            p95: percentile(&sorted, 95)?,
            max: *sorted.last()?,
            jitter: jitter(&latencies),
            mean: Parts {
                connect: of(|parts| parts.connect)?,
                authenticate: of(|parts| parts.authenticate)?,
                queue: of(|parts| parts.queue)?,
                odoo: of(|parts| parts.odoo)?,
                transfer: of(|parts| parts.transfer)?,
                total: of(|parts| parts.total)?,
            },
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::ids::SpeedRunId;
    use crate::speed_test::model::Failure;

    #[test]
    fn a_percentile_is_one_of_the_values_by_the_nearest_rank() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        for (percent, expected) in [(50, 5.0), (90, 9.0), (95, 10.0), (100, 10.0), (0, 1.0)] {
            assert_eq!(percentile(&values, percent), Some(expected), "p{percent}");
        }
        assert_eq!(percentile(&[7.0], 95), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn jitter_is_the_mean_step_from_one_to_the_next() {
        assert_eq!(jitter(&[1.0, 4.0, 2.0]), Some(2.5));
        assert_eq!(jitter(&[5.0; 4]), Some(0.0));
        assert_eq!(jitter(&[5.0]), None);
    }

    #[test]
    fn a_change_is_told_against_what_was_before() {
        assert_eq!(change_percent(10.0, 15.0), Some(50.0));
        assert_eq!(change_percent(10.0, 5.0), Some(-50.0));
        assert_eq!(change_percent(0.0, 5.0), None);
    }

    #[test]
    fn failures_and_waiting_are_told_and_move_no_percentile() {
        let sample = |number: u16, total: f64, failed: bool| Sample {
            run: SpeedRunId(uuid::Uuid::nil()),
            way: Way::Web,
            number,
            parts: Parts {
                queue: 1_000.0,
                odoo: total,
                total: total + 1_000.0,
                ..Parts::default()
            },
            records: None,
            bytes: None,
            failure: failed.then(|| Failure {
                code: ErrorCode::OdooTimeout,
                message: String::new(),
            }),
        };
        let samples = [sample(1, 4.0, false), sample(2, 90_000.0, true), sample(3, 6.0, false)];
        let told = Statistics::of(Way::Web, &samples);
        assert_eq!((told.succeeded, told.failed), (2, 1));
        let figures = told.figures.expect("figures");
        assert_eq!((figures.min, figures.p50, figures.max), (4.0, 4.0, 6.0));
        assert_eq!((figures.jitter, figures.mean.queue), (Some(2.0), 1_000.0));
        let none = Statistics::of(Way::Json2, &samples);
        assert_eq!((none.succeeded, none.failed, none.figures), (0, 0, None));
    }
}
