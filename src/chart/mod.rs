//! Charts, drawn on the server as SVG: in two widths, with few ticks at round values. What is in
//! them differs by form and not by color alone; colors are left to the style sheet, so that a
//! chart follows the theme.

pub mod axes;
pub mod picture;
