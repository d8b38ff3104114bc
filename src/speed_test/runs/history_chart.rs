//! Draws what runs came to over time, as SVG, on the server: p95 as filled marks on a line, p50
//! as hollow ones, the average of p95 as a dashed line, the threshold as a dotted one. Ways
//! differ by mark as well as by color; colors are in style/speed_test.css.

use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _};
use plotters::coord::ranged1d::Ranged;
use plotters::element::{DashedPathElement, DottedPathElement};
use plotters::prelude::*;

use crate::chart::axes::{TimeAxis, latency_axis};
use crate::chart::picture::{AXIS, DrawingError, FONT_SIZE, Frame, GRID, NARROW, Paint, TEXT, WIDE, svg};
use crate::error::Result;
use crate::odoo::Way;
use crate::speed_test::chart::{FLOOR_MS, Point as Place};
use crate::speed_test::model::Chart;
use crate::speed_test::runs::history::{Average, Point};

/// Stand-ins that become classes.
const PAINTS: [Paint; 4] = [
    (WEB, "chart-web"),
    (JSON_RPC, "chart-jsonrpc"),
    (JSON_2, "chart-json2"),
    (THRESHOLD, "chart-threshold"),
];
const WEB: RGBColor = RGBColor(2, 0, 1);
const JSON_RPC: RGBColor = RGBColor(2, 0, 2);
const JSON_2: RGBColor = RGBColor(2, 0, 3);
const THRESHOLD: RGBColor = RGBColor(2, 0, 4);

type Drawn = std::result::Result<(), DrawingError>;

/// One way's mark, in words for the legend.
#[must_use]
pub const fn mark(way: Way) -> (&'static str, &'static str) {
    match way {
        Way::Web => ("chart-web", "\u{25cf}"),
        Way::JsonRpc => ("chart-jsonrpc", "\u{25b2}"),
        Way::Json2 => ("chart-json2", "\u{25a0}"),
    }
}

/// Draws points of one kind, oldest first; `label` says in words what is seen.
///
/// # Errors
/// `internal` if the drawing library fails.
pub fn draw(points: &[Point], averages: &[&Average], threshold_ms: Option<f64>, label: &str) -> Result<Chart> {
    let plot = Plot {
        points,
        averages,
        threshold_ms: threshold_ms.map(|ms| ms.max(FLOOR_MS)),
    };
    let svg = |frame: &Frame| svg(frame, label, &PAINTS, |drawing| render(&plot, frame, drawing));
    Ok(Chart {
        wide_svg: svg(&WIDE)?,
        narrow_svg: svg(&NARROW)?,
    })
}

struct Plot<'a> {
    points: &'a [Point],
    averages: &'a [&'a Average],
    threshold_ms: Option<f64>,
}

impl Plot<'_> {
    /// All that has a height.
    fn heights(&self) -> impl Iterator<Item = f64> + '_ {
        let of_points = self.points.iter().flat_map(|point| [point.p50, point.p95]);
        of_points.map(|ms| ms.max(FLOOR_MS)).chain(self.threshold_ms)
    }

    fn places(&self, way: Way, of: impl Fn(&Point) -> f64) -> Vec<Place> {
        let of_way = self.points.iter().filter(|point| point.way == way);
        of_way.map(|point| (at(point), of(point).max(FLOOR_MS))).collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era fit a double exactly"
)]
fn at(point: &Point) -> f64 {
    point.at.timestamp_millis() as f64 / 1_000.0
}

fn render(plot: &Plot<'_>, frame: &Frame, drawing: &mut String) -> Drawn {
    let time = TimeAxis::of(plot.points.iter().map(at), frame.time_ticks);
    let (latency, latency_ticks) = latency_axis(plot.heights());
    let (first, last) = (time.range().start, time.range().end);
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
    if let Some(ms) = plot.threshold_ms {
        let line = [(first, ms), (last, ms)];
        let dot = |at: (i32, i32)| Circle::new(at, 1, THRESHOLD.filled());
        chart.draw_series(std::iter::once(DottedPathElement::new(line, 0, 6, dot)))?;
    }
    for (way, color) in [(Way::Web, WEB), (Way::JsonRpc, JSON_RPC), (Way::Json2, JSON_2)] {
        let p95 = plot.places(way, |point| point.p95);
        chart.draw_series(LineSeries::new(p95.iter().copied(), color.stroke_width(1)))?;
        marks(&mut chart, way, &p95, 4, color, true)?;
        let p50 = plot.places(way, |point| point.p50);
        marks(&mut chart, way, &p50, 3, color, false)?;
        if let Some(average) = plot.averages.iter().find(|average| average.way == way) {
            let ms = average.p95.max(FLOOR_MS);
            let line = [(first, ms), (last, ms)];
            let dashes = DashedPathElement::new(line, 8, 6, color.stroke_width(1));
            chart.draw_series(std::iter::once(dashes))?;
            // At the line's end the mark of its way, so that it is told without color.
            marks(&mut chart, way, &[(last, ms)], 3, color, true)?;
        }
    }
    root.present()
}

/// A way's own marks, so many pixels around their places.
fn marks<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    way: Way,
    places: &[Place],
    size: i32,
    color: RGBColor,
    is_filled: bool,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let style = if is_filled {
        color.filled()
    } else {
        color.stroke_width(1)
    };
    let triangle = vec![(0, -size - 1), (size + 1, size), (-size - 1, size), (0, -size - 1)];
    let at = |place: &Place| EmptyElement::at(*place);
    let places = places.iter();
    match way {
        Way::Web => {
            chart.draw_series(places.map(|place| at(place) + Circle::new((0, 0), size, style)))?;
        }
        Way::JsonRpc if is_filled => {
            chart.draw_series(places.map(|place| at(place) + Polygon::new(triangle.clone(), style)))?;
        }
        // The library has no hollow triangle.
        Way::JsonRpc => {
            chart.draw_series(places.map(|place| at(place) + PathElement::new(triangle.clone(), style)))?;
        }
        Way::Json2 => {
            let corners = [(-size, -size), (size, size)];
            chart.draw_series(places.map(|place| at(place) + Rectangle::new(corners, style)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed_test::runs::history::averages;
    use crate::speed_test::runs::history::tests::point;

    fn drawn(points: &[Point], threshold_ms: Option<f64>) -> String {
        let averages = averages(points, threshold_ms);
        let chart = draw(
            points,
            &averages.iter().collect::<Vec<_>>(),
            threshold_ms,
            "said \"so\"",
        );
        let chart = chart.expect("a chart");
        assert_ne!(chart.wide_svg, chart.narrow_svg);
        chart.wide_svg
    }

    fn count(svg: &str, tag: &str, class: &str) -> usize {
        let class = format!("class=\"{class}\"");
        let lines = svg.lines().filter(|line| line.starts_with(&format!("<{tag} ")));
        lines.filter(|line| line.contains(&class)).count()
    }

    #[test]
    fn each_way_has_its_own_marks_an_average_and_the_threshold_a_line() {
        let points = [
            point(Way::Web, 0, 2.0, 10.0),
            point(Way::Json2, 0, 1.0, 3.0),
            point(Way::Web, 60, 4.0, 20.0),
            point(Way::JsonRpc, 60, 4.0, 20.0),
        ];
        let svg = drawn(&points, Some(12.0));
        // p95 and p50 of two runs, and the end of the average's line.
        assert_eq!(count(&svg, "circle", "chart-web"), 5, "{svg}");
        assert_eq!(count(&svg, "rect", "chart-json2"), 3, "{svg}");
        assert_eq!(count(&svg, "polygon", "chart-jsonrpc"), 2, "{svg}");
        assert!(count(&svg, "circle", "chart-threshold") > 10, "dots");
        assert!(count(&svg, "polyline", "chart-web") > 10, "dashes");
        assert!(
            svg.contains("aria-label=\"said &quot;so&quot;\"") && !svg.contains("\"#"),
            "{svg}"
        );
        assert_eq!(count(&drawn(&points, None), "circle", "chart-threshold"), 0);
    }

    #[test]
    fn no_value_breaks_the_drawing() {
        for ms in [0.0, f64::MIN_POSITIVE, 1e300] {
            let svg = drawn(&[point(Way::Web, 0, ms, ms)], Some(1e-9));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{ms}: {svg}");
        }
    }
}
