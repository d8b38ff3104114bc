//! The axes of charts: few ticks, at round values, around every value.

use chrono::{DateTime, Utc};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

const DAY_SECS: i64 = 86_400;

/// The latency axis: from one round number to another around all values, with
/// at most about six ticks.
pub fn latency_axis(latencies: impl Iterator<Item = f64>) -> (std::ops::Range<f64>, Vec<f64>) {
    let (min, max) = bounds(latencies);
    // No mark on the very edge.
    let (min, max) = (min / 1.1, max * 1.1);
    // 1, 2, 5, 10, … from a tenth of a millisecond to a thousand seconds.
    let round: Vec<f64> = (-1..=6)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|step| format!("{step}e{exponent}")))
        .filter_map(|text| text.parse().ok())
        .collect();
    let start = round.iter().rposition(|value| *value <= min).unwrap_or(0);
    let end = round.iter().position(|value| *value >= max).unwrap_or(round.len() - 1);
    // A single value stands between two ticks, not on the edge.
    let (start, end) = if end - start < 2 {
        (start.saturating_sub(1), (end + 1).min(round.len() - 1))
    } else {
        (start, end)
    };
    let inside = &round[start..=end];
    let ticks = if inside.len() <= 6 {
        inside.to_vec()
    } else {
        round
            .iter()
            .step_by(3)
            .filter(|value| inside.contains(value))
            .copied()
            .collect()
    };
    (inside[0]..inside[inside.len() - 1], ticks)
}

/// An axis of amounts: from zero to a round number above all of them, with at most five ticks.
#[derive(Clone)]
pub struct AmountAxis {
    end: f64,
    ticks: Vec<f64>,
}

impl AmountAxis {
    /// For amounts up to this.
    #[must_use]
    pub fn to(most: f64) -> Self {
        let most = most.max(1.0);
        let power = 10_f64.powf((most / 4.0).log10().floor()).max(1.0);
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|step| step * power)
            .find(|step| step * 4.0 >= most)
            .unwrap_or(power * 10.0);
        let ends = (1..=4).map(|tick| f64::from(tick) * step).find(|tick| *tick >= most);
        let end = ends.unwrap_or(step * 4.0);
        let ticks = (0..=4).map(|tick| f64::from(tick) * step);
        Self {
            end,
            ticks: ticks.filter(|tick| *tick <= end).collect(),
        }
    }
}

impl Ranged for AmountAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels are few")]
    fn map(&self, amount: &f64, (low, high): (i32, i32)) -> i32 {
        low + (amount / self.end * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..self.end
    }
}

/// The time axis, in UTC.
#[derive(Clone)]
pub struct TimeAxis {
    start: f64,
    end: f64,
    step_secs: i64,
    ticks: Vec<f64>,
}

impl TimeAxis {
    /// Distances of ticks that read well.
    const STEPS_SECS: [i64; 22] = [
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1_800,
        3_600,
        7_200,
        10_800,
        21_600,
        43_200,
        DAY_SECS,
        2 * DAY_SECS,
        7 * DAY_SECS,
        28 * DAY_SECS,
        91 * DAY_SECS,
    ];

    /// Around all of these instants, in seconds since 1970.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "seconds of this era fit both ways"
    )]
    #[must_use]
    pub fn of(instants: impl Iterator<Item = f64>, max_ticks: i64) -> Self {
        let (first, last) = bounds(instants);
        // Room at both ends; for a single run as well.
        let room = if last > first {
            ((last - first) * 0.04).max(0.5)
        } else {
            30.0
        };
        let (start, end) = (first - room, last + room);
        let span_secs = (end - start).ceil() as i64;
        let step_secs = Self::STEPS_SECS
            .into_iter()
            .find(|step| span_secs / step < max_ticks)
            .unwrap_or_else(|| span_secs / (max_ticks - 1).max(1) + 1);
        let first_tick = (start / step_secs as f64).ceil() as i64;
        let last_tick = (end / step_secs as f64).floor() as i64;
        let ticks = (first_tick..=last_tick).map(|tick| (tick * step_secs) as f64).collect();
        Self {
            start,
            end,
            step_secs,
            ticks,
        }
    }

    /// Whether all of it is one day, so that the title can name that day.
    fn is_one_day(&self) -> bool {
        instant(self.start).date_naive() == instant(self.end).date_naive()
    }

    /// What stands below it.
    #[must_use]
    pub fn title(&self) -> String {
        if self.is_one_day() {
            format!("{} (UTC)", instant(self.start).format("%Y-%m-%d"))
        } else {
            "Time (UTC)".to_owned()
        }
    }

    /// What stands at a tick.
    #[must_use]
    pub fn label(&self, at: f64) -> String {
        let format = match self.step_secs {
            ..60 => "%H:%M:%S",
            60..DAY_SECS if self.is_one_day() => "%H:%M",
            60..DAY_SECS => "%m-%d %H:%M",
            _ => "%Y-%m-%d",
        };
        instant(at).format(format).to_string()
    }
}

impl Ranged for TimeAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "pixels are few")]
    fn map(&self, at: &f64, (left, right): (i32, i32)) -> i32 {
        let share = (at - self.start) / (self.end - self.start);
        left + (share * f64::from(right - left)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.start..self.end
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole seconds of this era")]
fn instant(at: f64) -> DateTime<Utc> {
    DateTime::from_timestamp(at.floor() as i64, 0).unwrap_or_default()
}

/// The smallest and the largest.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| {
        (min.min(value), max.max(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_log_in_leaves_the_pings_apart_from_the_axis() {
        let (range, ticks) = latency_axis([2.5, 90_000.0].into_iter());
        assert_eq!(range, 2.0..100_000.0);
        assert_eq!(ticks, [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]);
        let (range, ticks) = latency_axis([2.5, 2.5].into_iter());
        assert_eq!((range, ticks), (1.0..10.0, vec![1.0, 2.0, 5.0, 10.0]));
    }

    #[test]
    fn an_axis_of_amounts_has_room_for_all_and_few_ticks() {
        for most in [0.0, 1.0, 3.0, 4.0, 17.0, 99.0, 100.0, 101.0, 54_321.0, 9e12] {
            let AmountAxis { end, ticks } = AmountAxis::to(most);
            assert!(end >= most, "{most}: {end}");
            assert!((2..=5).contains(&ticks.len()), "{most}: {ticks:?}");
            assert!(most < 4.0 || end <= most * 2.0, "{most}: {end}");
        }
        assert_eq!(AmountAxis::to(17.0).ticks, [0.0, 5.0, 10.0, 15.0, 20.0]);
    }

    #[test]
    fn the_time_axis_has_a_few_ticks_over_seconds_and_over_years() {
        for span_secs in [0.0, 1.0, 59.0, 3_600.0, 90_000.0, 2_600_000.0, 90_000_000.0, 9e9] {
            for max_ticks in [3, 6] {
                let axis = TimeAxis::of([1.79e9, 1.79e9 + span_secs].into_iter(), max_ticks);
                assert!(!axis.ticks.is_empty(), "{span_secs}");
                assert!(axis.ticks.len() <= max_ticks as usize, "{span_secs}: {:?}", axis.ticks);
            }
        }
        let axis = TimeAxis::of([1_790_000_000.0, 1_790_000_600.0].into_iter(), 6);
        assert_eq!(
            (axis.title().as_str(), axis.label(1_790_000_040.0).as_str()),
            ("2026-09-21 (UTC)", "14:14")
        );
    }
}
