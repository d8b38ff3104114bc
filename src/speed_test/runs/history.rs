//! How runs changed over time: what each came to, the averages of a range, and how many were
//! above a threshold. Pure. Only what can be compared is put together: the same Odoo, test,
//! start and way.

use chrono::{DateTime, Utc};

use crate::ids::SpeedRunId;
use crate::odoo::Way;
use crate::speed_test::model::{TestType, format_ms};

/// What is measured alike: a cheap question over a kept connection is never held against
/// records over a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Which Odoo.
    pub target: String,
    /// Which test.
    pub test: TestType,
    /// Whether each sample began cold.
    pub is_cold: bool,
}

impl Kind {
    /// For a heading: `Light, warm`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}, {}", self.test.label(), if self.is_cold { "cold" } else { "warm" })
    }
}

/// What one way of one run came to. Milliseconds, without the waiting.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The run.
    pub run: SpeedRunId,
    /// When it began.
    pub at: DateTime<Utc>,
    /// What was measured.
    pub kind: Kind,
    /// By which way.
    pub way: Way,
    /// Half of its samples were at most this.
    pub p50: f64,
    /// 19 of 20 were.
    pub p95: f64,
}

/// The runs of a range that can be compared, by one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// What was measured.
    pub kind: Kind,
    /// By which way.
    pub way: Way,
    /// How many runs.
    pub runs: usize,
    /// The mean of their p50.
    pub p50: f64,
    /// The mean of their p95.
    pub p95: f64,
    /// Runs whose p95 is above the threshold; `None` without one.
    pub above: Option<usize>,
}

impl Average {
    /// Which share of the runs is above the threshold: `25 % (3 of 12)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a thousand or so")]
    pub fn share_above(&self) -> Option<String> {
        let above = self.above?;
        let percent = above as f64 / self.runs as f64 * 100.0;
        Some(format!("{percent:.0} % ({above} of {})", self.runs))
    }
}

/// The averages of a range: a line for each kind and way, in the order in which they came.
#[must_use]
pub fn averages(points: &[Point], threshold_ms: Option<f64>) -> Vec<Average> {
    let mut averages: Vec<Average> = Vec::new();
    for point in points {
        let is_above = threshold_ms.map(|threshold| usize::from(point.p95 > threshold));
        match averages
            .iter_mut()
            .find(|average| average.way == point.way && average.kind == point.kind)
        {
            Some(average) => {
                average.runs += 1;
                // Sums, until all are there.
                average.p50 += point.p50;
                average.p95 += point.p95;
                average.above = average.above.zip(is_above).map(|(sum, one)| sum + one);
            }
            None => averages.push(Average {
                kind: point.kind.clone(),
                way: point.way,
                runs: 1,
                p50: point.p50,
                p95: point.p95,
                above: is_above,
            }),
        }
    }
    for average in &mut averages {
        #[expect(clippy::cast_precision_loss, reason = "a thousand or so")]
        let runs = average.runs as f64;
        average.p50 /= runs;
        average.p95 /= runs;
    }
    averages
}

/// The average that is for this kind and way.
#[must_use]
pub fn average_of<'a>(averages: &'a [Average], kind: &Kind, way: Way) -> Option<&'a Average> {
    averages
        .iter()
        .find(|average| average.way == way && average.kind == *kind)
}

/// The newest kind of a range and its points: what one picture can show.
#[must_use]
pub fn newest_kind(points: &[Point]) -> Option<(Kind, Vec<Point>)> {
    let kind = points.last()?.kind.clone();
    let alike = points.iter().filter(|point| point.kind == kind).cloned().collect();
    Some((kind, alike))
}

/// A picture in words: `Light, warm. Web session: 12 runs, average p95 9.1 ms, p50 4.0 ms,
/// last p95 8.8 ms.`
#[must_use]
pub fn describe(kind: &Kind, points: &[Point], averages: &[Average], threshold_ms: Option<f64>) -> String {
    let mut text = format!("p95 and p50 over time. {}.", kind.label());
    for way in Way::ALL {
        let Some(average) = average_of(averages, kind, way) else {
            continue;
        };
        let last = points.iter().rev().find(|point| point.way == way);
        let [p50, p95] = [average.p50, average.p95].map(format_ms);
        let noun = if average.runs == 1 { "run" } else { "runs" };
        text += &format!(
            " {}: {} {noun}, average p95 {p95}, average p50 {p50}",
            way.label(),
            average.runs
        );
        if let Some(last) = last {
            text += &format!(", last p95 {}", format_ms(last.p95));
        }
        if let Some(share) = average.share_above() {
            text += &format!(", above the threshold {share}");
        }
        text += ".";
    }
    if let Some(threshold) = threshold_ms {
        text += &format!(" Threshold: {}.", format_ms(threshold));
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::speed_test::runs) fn point(way: Way, secs: i64, p50: f64, p95: f64) -> Point {
        Point {
            run: SpeedRunId(uuid::Uuid::nil()),
            at: DateTime::from_timestamp(1_790_000_000 + secs, 0).expect("an instant"),
            kind: Kind {
                target: "http://odoo.example.com db".into(),
                test: TestType::Light,
                is_cold: false,
            },
            way,
            p50,
            p95,
        }
    }

    #[test]
    fn an_average_is_of_what_can_be_compared_and_the_threshold_itself_is_not_above() {
        let mut cold = point(Way::Web, 30, 100.0, 200.0);
        cold.kind.is_cold = true;
        let points = [
            point(Way::Web, 0, 2.0, 10.0),
            point(Way::Json2, 0, 1.0, 3.0),
            point(Way::Web, 10, 4.0, 20.0),
            cold.clone(),
        ];
        let averages = averages(&points, Some(10.0));
        assert_eq!(averages.len(), 3, "{averages:?}");
        let web = average_of(&averages, &points[0].kind, Way::Web).expect("an average");
        assert_eq!((web.runs, web.p50, web.p95), (2, 3.0, 15.0));
        assert_eq!(web.share_above().as_deref(), Some("50 % (1 of 2)"));
        assert_eq!(
            average_of(&averages, &cold.kind, Way::Web).map(|it| it.p95),
            Some(200.0)
        );
        let (kind, alike) = newest_kind(&points).expect("a kind");
        assert_eq!((kind.label().as_str(), alike.len()), ("Light, cold", 1));
        assert_eq!(newest_kind(&[]), None);
    }

    #[test]
    fn a_picture_is_told_in_words() {
        let points = [point(Way::Web, 0, 2.0, 10.0), point(Way::Web, 10, 4.0, 20.0)];
        let averages = averages(&points, Some(12.0));
        assert_eq!(
            describe(&points[0].kind, &points, &averages, Some(12.0)),
            "p95 and p50 over time. Light, warm. Web session: 2 runs, average p95 15.0 ms, average p50 3.0 ms, \
             last p95 20.0 ms, above the threshold 50 % (1 of 2). Threshold: 12.0 ms."
        );
    }
}
