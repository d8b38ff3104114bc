//! What the charts show, as CSV: a line for each step, with a line of names first.

use chrono::SecondsFormat;

use crate::error::{AppError, Result};
use crate::printed::csv::plain;
use crate::traffic::read::{Counted, Times};

const NAMES: [&str; 9] = [
    "from",
    "calls",
    "failures",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "odoo_p95_ms",
    "answer_bytes",
    "failures_by_code",
];

/// The file.
///
/// # Errors
/// `internal`
pub(super) fn file(counted: &Counted) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| AppError::internal(error);
    writer.write_record(NAMES).map_err(failed)?;
    for (step, tally) in counted.steps.iter().enumerate() {
        let times = Times::of(tally);
        let ms = |ms: Option<f64>| ms.map(|ms| format!("{ms:.3}")).unwrap_or_default();
        let codes: Vec<String> = tally
            .codes
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        let line = [
            counted.window.begin_of(step).to_rfc3339_opts(SecondsFormat::Secs, true),
            tally.calls.to_string(),
            tally.failures().to_string(),
            ms(times.p50),
            ms(times.p95),
            ms(times.p99),
            ms(times.odoo_p95),
            tally.bytes.to_string(),
            plain(codes.join("; ")),
        ];
        writer.write_record(line).map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| AppError::internal(error.to_string()))
}
