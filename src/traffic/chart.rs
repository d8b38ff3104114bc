//! The three charts of `/use`: calls with their failures, how long they took, how much went
//! through. Bars of failures are narrower and darker; lines differ by their dashes, which
//! style/use.css has, and what stands alone by its mark.

use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::chart::axes::{AmountAxis, TimeAxis, latency_axis};
use crate::chart::picture::{AXIS, DrawingError, FONT_SIZE, Frame, GRID, NARROW, Paint, TEXT, WIDE, svg};
use crate::error::Result;
use crate::printed::parts::bytes;
use crate::speed_test::model::format_ms;
use crate::traffic::read::{Counted, Times};
use crate::traffic::tally::Tally;

/// A time below this is drawn here: a logarithm has no zero.
const FLOOR_MS: f64 = 0.1;
/// What is left and right of the bars, in pixels.
const SIDES: f64 = 112.0;

const CALLS: RGBColor = RGBColor(1, 0, 1);
const FAILED: RGBColor = RGBColor(1, 0, 2);
const P50: RGBColor = RGBColor(1, 0, 3);
const P95: RGBColor = RGBColor(1, 0, 7);
const P99: RGBColor = RGBColor(1, 0, 8);
const ODOO: RGBColor = RGBColor(1, 0, 9);
const PAINTS: [Paint; 6] = [
    (CALLS, "use-calls"),
    (FAILED, "use-failed"),
    (P50, "use-p50"),
    (P95, "use-p95"),
    (P99, "use-p99"),
    (ODOO, "use-odoo"),
];

/// A line of the second chart.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    /// What a step between two without a call has.
    pub(super) mark: &'static str,
    of: fn(&Times) -> Option<f64>,
}

/// All of them, in the order of their colors and marks.
pub(super) const LINES: [Line; 4] = [
    Line {
        name: "p50",
        class: "use-p50",
        mark: "\u{25cf}",
        of: |times| times.p50,
    },
    Line {
        name: "p95",
        class: "use-p95",
        mark: "\u{25b2}",
        of: |times| times.p95,
    },
    Line {
        name: "p99",
        class: "use-p99",
        mark: "\u{2715}",
        of: |times| times.p99,
    },
    Line {
        name: "p95 of Odoo\u{2019}s part",
        class: "use-odoo",
        mark: "\u{25a0}",
        of: |times| times.odoo_p95,
    },
];

/// One chart in two widths.
pub(super) struct Drawn {
    pub(super) wide: String,
    pub(super) narrow: String,
}

/// All of them.
pub(super) struct Charts {
    pub(super) calls: Drawn,
    pub(super) times: Drawn,
    pub(super) bytes: Drawn,
}

impl Charts {
    /// Draws what was counted.
    ///
    /// # Errors
    /// `internal` if the drawing library fails.
    pub(super) fn draw(counted: &Counted) -> Result<Self> {
        let column =
            |of: &dyn Fn(&Tally) -> i64| -> Vec<f64> { counted.steps.iter().map(|tally| of(tally) as f64).collect() };
        let (calls, failed) = (column(&|tally| tally.calls), column(&|tally| tally.failures()));
        let amounts = Amounts {
            counted,
            title: "Calls",
            label: |amount| short(*amount),
            bars: vec![(CALLS, calls), (FAILED, failed)],
        };
        let through = Amounts {
            counted,
            title: "Bytes",
            label: |amount| bytes(*amount as i64),
            bars: vec![(CALLS, column(&|tally| tally.bytes))],
        };
        let times: Vec<Times> = counted.steps.iter().map(Times::of).collect();
        Ok(Self {
            calls: both(&calls_in_words(counted), |frame, drawing| {
                amounts.render(frame, drawing)
            })?,
            times: both(&times_in_words(counted), |frame, drawing| {
                render_times(counted, &times, frame, drawing)
            })?,
            bytes: both(&bytes_in_words(counted), |frame, drawing| {
                through.render(frame, drawing)
            })?,
        })
    }
}

fn both(label: &str, render: impl Fn(&Frame, &mut String) -> std::result::Result<(), DrawingError>) -> Result<Drawn> {
    Ok(Drawn {
        wide: svg(&WIDE, label, &PAINTS, |drawing| render(&WIDE, drawing))?,
        narrow: svg(&NARROW, label, &PAINTS, |drawing| render(&NARROW, drawing))?,
    })
}

fn calls_in_words(counted: &Counted) -> String {
    let most = counted.steps.iter().map(|tally| tally.calls).max().unwrap_or(0);
    format!(
        "{} calls, {} of them failed. At most {most} calls in one {}.",
        counted.total.calls,
        counted.total.failures(),
        counted.window.range.step_label()
    )
}

fn times_in_words(counted: &Counted) -> String {
    let slowest = counted
        .steps
        .iter()
        .filter_map(|tally| tally.took.quantile(0.95))
        .fold(0.0, f64::max);
    let of_all = counted.total.took.quantile(0.95).unwrap_or(0.0);
    format!(
        "95 of a hundred calls took at most {}; in the slowest {} it was {}.",
        format_ms(of_all),
        counted.window.range.step_label(),
        format_ms(slowest)
    )
}

fn bytes_in_words(counted: &Counted) -> String {
    let most = counted.steps.iter().map(|tally| tally.bytes).max().unwrap_or(0);
    format!(
        "{} of results, at most {} in one {}.",
        bytes(counted.total.bytes),
        bytes(most),
        counted.window.range.step_label()
    )
}

/// `950`, `1.2k`, `3M`
fn short(amount: f64) -> String {
    let with = |divisor: f64, unit: &str| {
        let text = format!("{:.1}", amount / divisor);
        format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
    };
    match amount {
        ..1e3 => format!("{amount:.0}"),
        1e3..1e6 => with(1e3, "k"),
        1e6..1e9 => with(1e6, "M"),
        _ => with(1e9, "G"),
    }
}

/// Where a step is: seconds since 1970.
fn seconds(counted: &Counted, step: usize) -> f64 {
    counted.window.begin_of(step).timestamp() as f64
}

fn time_axis(counted: &Counted, frame: &Frame) -> TimeAxis {
    let window = counted.window;
    let ends = [window.from.timestamp() as f64, window.until.timestamp() as f64];
    TimeAxis::of(ends.into_iter(), frame.time_ticks)
}

/// The axes of a chart, and a grid.
fn mesh<'a, Y>(
    root: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    time: &TimeAxis,
    amounts: Y,
    title: &str,
    label: &dyn Fn(&f64) -> String,
) -> std::result::Result<ChartContext<'a, SVGBackend<'a>, Cartesian2d<TimeAxis, Y>>, DrawingError>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(root)
        .margin_top(10)
        .margin_right(36)
        .margin_bottom(2)
        .x_label_area_size(42)
        .y_label_area_size(76)
        .build_cartesian_2d(time.clone(), amounts)?;
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
        .y_desc(title)
        .x_label_formatter(&|at| time.label(*at))
        .y_label_formatter(label)
        .draw()?;
    Ok(chart)
}

/// A chart of bars, the later before the earlier and narrower.
struct Amounts<'a> {
    counted: &'a Counted,
    title: &'a str,
    label: fn(&f64) -> String,
    bars: Vec<(RGBColor, Vec<f64>)>,
}

impl Amounts<'_> {
    fn render(&self, frame: &Frame, drawing: &mut String) -> std::result::Result<(), DrawingError> {
        let time = time_axis(self.counted, frame);
        let most = self.bars.iter().flat_map(|(_, bars)| bars).copied().fold(0.0, f64::max);
        let root = SVGBackend::with_string(drawing, (frame.width, frame.height)).into_drawing_area();
        let mut chart = mesh(&root, &time, AmountAxis::to(most), self.title, &self.label)?;
        let step = self.counted.window.step().num_seconds() as f64;
        let pixels = (f64::from(frame.width) - SIDES) / self.counted.steps.len().max(1) as f64;
        for (number, (color, bars)) in self.bars.iter().enumerate() {
            let share = if number == 0 { 0.8 } else { 0.4 };
            // A line, where a bar would be too thin to be sure to be seen.
            let width = ((pixels * share) as u32).max(1);
            let style = color.stroke_width(width);
            let bars = bars.iter().enumerate().filter(|(_, amount)| **amount > 0.0);
            chart.draw_series(bars.map(|(number, amount)| {
                let middle = seconds(self.counted, number) + step / 2.0;
                PathElement::new(vec![(middle, 0.0), (middle, *amount)], style)
            }))?;
        }
        root.present()
    }
}

fn render_times(
    counted: &Counted,
    times: &[Times],
    frame: &Frame,
    drawing: &mut String,
) -> std::result::Result<(), DrawingError> {
    let step = counted.window.step().num_seconds() as f64;
    let colors = [P50, P95, P99, ODOO];
    let points = |of: fn(&Times) -> Option<f64>| -> Vec<Option<(f64, f64)>> {
        let place = |(number, times): (usize, &Times)| {
            let ms = of(times)?.max(FLOOR_MS);
            Some((seconds(counted, number) + step / 2.0, ms))
        };
        times.iter().enumerate().map(place).collect()
    };
    let lines: Vec<_> = LINES.iter().map(|line| points(line.of)).collect();
    let (range, ticks) = latency_axis(lines.iter().flatten().flatten().map(|(_, ms)| *ms));
    let time = time_axis(counted, frame);
    let root = SVGBackend::with_string(drawing, (frame.width, frame.height)).into_drawing_area();
    let amounts = range.log_scale().with_key_points(ticks);
    let title = "Time in ms (logarithmic)";
    let mut chart = mesh(&root, &time, amounts, title, &|ms| ms.to_string())?;
    for (number, (line, color)) in lines.iter().zip(colors).enumerate() {
        // A step without a call is a gap.
        for part in line.split(Option::is_none) {
            let part: Vec<_> = part.iter().flatten().copied().collect();
            match part[..] {
                [] => {}
                [alone] => {
                    let (full, thin) = (color.filled(), color.stroke_width(2));
                    match number {
                        0 => chart.draw_series([Circle::new(alone, 4, full)])?,
                        1 => chart.draw_series([TriangleMarker::new(alone, 6, full)])?,
                        2 => chart.draw_series([Cross::new(alone, 4, thin)])?,
                        _ => {
                            let square = Rectangle::new([(-4, -4), (4, 4)], full);
                            chart.draw_series([EmptyElement::at(alone) + square])?
                        }
                    };
                }
                _ => {
                    chart.draw_series(LineSeries::new(part, color.stroke_width(2)))?;
                }
            }
        }
    }
    root.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::window::{Range, Window};

    fn counted(range: Range, tally: impl Fn(usize) -> Tally) -> Counted {
        let window = Window::of(range, "2026-11-28T10:41:30Z".parse().expect("an instant"));
        let steps: Vec<Tally> = (0..window.steps()).map(tally).collect();
        let mut total = Tally::default();
        for step in &steps {
            total.merge(step);
        }
        Counted { window, steps, total }
    }

    fn a_tally(calls: i64, failures: i64, ms: f64) -> Tally {
        let mut tally = Tally {
            calls,
            bytes: calls * 1_000,
            ..Tally::default()
        };
        if failures > 0 {
            tally.codes.insert("odoo_timeout".into(), failures);
        }
        for _ in 0..calls {
            tally.took.add(ms);
        }
        tally
    }

    /// How many elements of a tag are painted so.
    fn count(svg: &str, tag: &str, class: &str) -> usize {
        svg.lines()
            .filter(|line| line.starts_with(&format!("<{tag} ")) && line.contains(&format!("class=\"{class}\"")))
            .count()
    }

    #[test]
    fn each_step_with_calls_has_its_bar_and_failures_have_their_own() {
        for range in Range::ALL {
            let counted = counted(range, |step| match step {
                3 => Tally::default(),
                7 => a_tally(20, 5, 40.0),
                _ => a_tally(10, 0, 4.0),
            });
            let charts = Charts::draw(&counted).expect("drawn");
            for svg in [&charts.calls.wide, &charts.calls.narrow] {
                assert_eq!(
                    count(svg, "polyline", "use-calls"),
                    counted.steps.len() - 1,
                    "{range:?}"
                );
                assert_eq!(count(svg, "polyline", "use-failed"), 1);
                assert!(svg.contains("5 of them failed. At most 20 calls in one"), "{svg}");
                assert!(!svg.contains("\"#"), "colors are the style sheet's: {svg}");
            }
            for svg in [&charts.times.wide, &charts.times.narrow] {
                for class in ["use-p50", "use-p95", "use-p99"] {
                    assert_eq!(count(svg, "polyline", class), 2, "with a gap: {svg}");
                }
                assert_eq!(count(svg, "polyline", "use-odoo"), 0, "Odoo was not asked");
            }
            assert!(charts.bytes.wide.contains("kB in one"), "{}", charts.bytes.wide);
        }
    }

    #[test]
    fn what_stands_alone_is_told_apart_by_its_mark() {
        let counted = counted(Range::Hour, |step| {
            let mut tally = a_tally(i64::from(step == 5), 0, 4.0);
            if step == 5 {
                tally.odoo.add(3.0);
            }
            tally
        });
        let charts = Charts::draw(&counted).expect("drawn");
        for svg in [&charts.times.wide, &charts.times.narrow] {
            for (tag, class) in [
                ("circle", "use-p50"),
                ("polygon", "use-p95"),
                ("line", "use-p99"),
                ("rect", "use-odoo"),
            ] {
                assert!(count(svg, tag, class) > 0, "{tag} {class}: {svg}");
            }
        }
    }

    #[test]
    fn no_figures_break_a_drawing() {
        for (calls, ms) in [(1, 0.0), (1, f64::MAX), (i64::MAX / 4_000, 5.0)] {
            let counted = counted(Range::Hour, |step| {
                let mut tally = a_tally(i64::from(step == 5), 0, ms);
                tally.calls = if step == 5 { calls } else { 0 };
                tally
            });
            let charts = Charts::draw(&counted).expect("drawn");
            for drawn in [charts.calls, charts.times, charts.bytes] {
                for svg in [drawn.wide, drawn.narrow] {
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{calls} {ms}: {svg}");
                }
            }
        }
        assert_eq!([0.0, 950.0, 1_200.0, 3e6].map(short), ["0", "950", "1.2k", "3M"]);
    }
}
