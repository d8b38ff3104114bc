//! Draws the latencies of runs over time, as SVG, on the server.
//!
//! The two tests differ by mark as well as by color (circle, triangle), failed
//! runs are crosses at the time they took to fail. The latency axis is
//! logarithmic: a log-in takes a hundred times as long as a ping, and both must
//! be readable in one picture. Colors are not in the picture but in
//! style/speed_test.css, so that it follows the theme.

use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _};
use plotters::prelude::*;

use crate::chart::axes::{TimeAxis, latency_axis};
use crate::chart::picture::{AXIS, DrawingError, FONT_SIZE, Frame, GRID, NARROW, Paint, TEXT, WIDE, svg};
use crate::error::Result;
use crate::speed_test::model::{Chart, SpeedTest, TestType};
use crate::speed_test::summary::{Summary, describe};

/// A latency below this is drawn here: a logarithm has no zero.
pub(super) const FLOOR_MS: f64 = 0.1;

const PAINTS: [Paint; 3] = [(LIGHT, "chart-light"), (HEAVY, "chart-heavy"), (FAILED, "chart-failed")];
const LIGHT: RGBColor = RGBColor(1, 0, 1);
const HEAVY: RGBColor = RGBColor(1, 0, 2);
const FAILED: RGBColor = RGBColor(1, 0, 3);

/// A mark's place: seconds since 1970, milliseconds.
pub(super) type Point = (f64, f64);

/// Draws `runs` (in any order); `None` if there are none.
///
/// # Errors
/// `internal` if the drawing library fails.
pub fn draw(runs: &[SpeedTest], summaries: &[Summary]) -> Result<Option<Chart>> {
    if runs.is_empty() {
        return Ok(None);
    }
    let label = describe(summaries);
    let plot = Plot::of(runs);
    Ok(Some(Chart {
        wide_svg: svg(&WIDE, &label, &PAINTS, |drawing| render(&plot, &WIDE, drawing))?,
        narrow_svg: svg(&NARROW, &label, &PAINTS, |drawing| render(&plot, &NARROW, drawing))?,
    }))
}

/// What is drawn, oldest first.
struct Plot {
    light: Vec<Point>,
    heavy: Vec<Point>,
    failed: Vec<Point>,
}

impl Plot {
    fn of(runs: &[SpeedTest]) -> Self {
        let mut runs: Vec<&SpeedTest> = runs.iter().collect();
        runs.sort_by_key(|run| run.tested_at);
        let points = |wanted: &dyn Fn(&SpeedTest) -> bool| -> Vec<Point> {
            runs.iter().filter(|run| wanted(run)).map(|run| point(run)).collect()
        };
        Self {
            light: points(&|run| run.failure.is_none() && run.test_type == TestType::Light),
            heavy: points(&|run| run.failure.is_none() && run.test_type == TestType::Heavy),
            failed: points(&|run| run.failure.is_some()),
        }
    }

    fn all(&self) -> impl Iterator<Item = Point> + '_ {
        self.light.iter().chain(&self.heavy).chain(&self.failed).copied()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era fit a double exactly"
)]
fn point(run: &SpeedTest) -> Point {
    let latency_ms = if run.latency_ms.is_finite() {
        run.latency_ms.max(FLOOR_MS)
    } else {
        FLOOR_MS
    };
    (run.tested_at.timestamp_millis() as f64 / 1_000.0, latency_ms)
}

fn render(plot: &Plot, frame: &Frame, drawing: &mut String) -> std::result::Result<(), DrawingError> {
    let time = TimeAxis::of(plot.all().map(|(at, _)| at), frame.time_ticks);
    let (latency, latency_ticks) = latency_axis(plot.all().map(|(_, latency)| latency));
    let root = SVGBackend::with_string(drawing, (frame.width, frame.height)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(10)
        .margin_right(36)
        .margin_bottom(2)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(time.clone(), latency.log_scale().with_key_points(latency_ticks))?;
    let text = ("sans-serif", FONT_SIZE).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_desc(time.title())
        .y_desc("Latency in ms (logarithmic)")
        .x_label_formatter(&|at| time.label(*at))
        .y_label_formatter(&|latency| latency.to_string())
        .draw()?;
    for (points, color) in [(&plot.light, LIGHT), (&plot.heavy, HEAVY)] {
        chart.draw_series(LineSeries::new(points.iter().copied(), color.mix(0.5).stroke_width(1)))?;
    }
    chart.draw_series(plot.light.iter().map(|at| Circle::new(*at, 4, LIGHT.filled())))?;
    chart.draw_series(plot.heavy.iter().map(|at| TriangleMarker::new(*at, 6, HEAVY.filled())))?;
    chart.draw_series(plot.failed.iter().map(|at| Cross::new(*at, 5, FAILED.stroke_width(2))))?;
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed_test::model::tests::run_at;
    use crate::speed_test::summary::summarize;

    fn drawn(runs: &[SpeedTest]) -> Chart {
        draw(runs, &summarize(runs)).expect("drawn").expect("a chart")
    }

    /// How many elements of a tag are painted so.
    fn count(svg: &str, tag: &str, class: &str) -> usize {
        svg.lines()
            .filter(|line| line.starts_with(&format!("<{tag} ")) && line.contains(&format!("class=\"{class}\"")))
            .count()
    }

    #[test]
    fn without_runs_there_is_no_chart() {
        assert_eq!(draw(&[], &[]).expect("fine"), None);
    }

    #[test]
    fn every_run_has_its_mark_in_both_drawings() {
        let mut runs = Vec::new();
        for minute in 0..30 {
            runs.push(run_at(TestType::Light, 2.5, minute * 60, minute % 10 == 0));
            runs.push(run_at(TestType::Heavy, 330.0, minute * 60 + 5, false));
        }
        let chart = drawn(&runs);
        for svg in [&chart.wide_svg, &chart.narrow_svg] {
            assert_eq!(count(svg, "circle", "chart-light"), 27);
            assert_eq!(count(svg, "polygon", "chart-heavy"), 30);
            assert_eq!(count(svg, "line", "chart-failed"), 3 * 2, "a cross is two lines");
            assert!(svg.contains("role=\"img\"") && svg.contains("3 failed"), "{svg}");
        }
    }

    #[test]
    fn the_colors_are_left_to_the_style_sheet() {
        let chart = drawn(&[
            run_at(TestType::Light, 3.0, 0, false),
            run_at(TestType::Heavy, 300.0, 9, true),
        ]);
        assert!(!chart.wide_svg.contains("\"#"), "{}", chart.wide_svg);
    }

    #[test]
    fn no_value_breaks_the_drawing() {
        let odd = [0.0, f64::MIN_POSITIVE, 1e300, f64::NAN, f64::INFINITY, 100.0];
        for latency_ms in odd {
            let chart = drawn(&[run_at(TestType::Light, latency_ms, 0, false)]);
            for svg in [chart.wide_svg, chart.narrow_svg] {
                assert_eq!(count(&svg, "circle", "chart-light"), 1, "{latency_ms}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{latency_ms}: {svg}");
            }
        }
        let equal: Vec<_> = (0..5).map(|_| run_at(TestType::Heavy, 7.0, 0, false)).collect();
        assert_eq!(count(&drawn(&equal).wide_svg, "polygon", "chart-heavy"), 5);
    }
}
