//! A chart's two drawings, and how one becomes SVG with a name and without colors.

use plotters::prelude::{DrawingAreaErrorKind, RGBColor};

use crate::error::{AppError, Result};

/// The size of a chart's text.
pub const FONT_SIZE: f64 = 15.0;

/// A stand-in for a color, and the class that it becomes: `color` is set by the style sheet.
pub type Paint = (RGBColor, &'static str);

/// What every chart has.
pub const AXIS: RGBColor = RGBColor(1, 0, 4);
/// See [`AXIS`].
pub const GRID: RGBColor = RGBColor(1, 0, 5);
/// See [`AXIS`].
pub const TEXT: RGBColor = RGBColor(1, 0, 6);
const COMMON: [Paint; 3] = [(AXIS, "chart-axis"), (GRID, "chart-grid"), (TEXT, "chart-text")];

/// One of the two drawings.
pub struct Frame {
    class: &'static str,
    /// In pixels, as long as it is not scaled.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// At most so many ticks on the time axis.
    pub time_ticks: i64,
}

/// For a window of some width.
pub const WIDE: Frame = Frame {
    class: "chart chart-wide",
    width: 760,
    height: 280,
    time_ticks: 6,
};
/// For a phone.
pub const NARROW: Frame = Frame {
    class: "chart chart-narrow",
    width: 300,
    height: 240,
    time_ticks: 3,
};

/// Why a chart was not drawn.
pub type DrawingError = DrawingAreaErrorKind<std::io::Error>;

/// What `render` draws into its string, as an image that `label` describes.
///
/// # Errors
/// `internal` if the drawing library fails.
pub fn svg(
    frame: &Frame,
    label: &str,
    paints: &[Paint],
    render: impl FnOnce(&mut String) -> std::result::Result<(), DrawingError>,
) -> Result<String> {
    let mut drawing = String::new();
    render(&mut drawing).map_err(|error| AppError::internal(error.to_string()))?;
    // The library's own root element has a fixed size and no name.
    let (_, inside) = drawing
        .split_once('>')
        .ok_or_else(|| AppError::internal("the chart has no root element"))?;
    let mut svg = format!(
        r#"<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">{inside}"#,
        frame.class,
        frame.width,
        frame.height,
        label.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;"),
    );
    for (RGBColor(red, green, blue), class) in paints.iter().chain(&COMMON) {
        let paint = format!("=\"#{red:02X}{green:02X}{blue:02X}\"");
        svg = svg.replace(&paint, &format!("=\"currentColor\" class=\"{class}\""));
    }
    Ok(svg)
}
