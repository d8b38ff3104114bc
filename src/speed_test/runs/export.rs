//! Runs as CSV: a line for each run and way with its numbers, or for each sample of a run.
//! Times are milliseconds.

use chrono::SecondsFormat;

use crate::error::{AppError, Result};
use crate::odoo::Way;
use crate::printed::csv::plain;
use crate::speed_test::runs::history::{Average, average_of};
use crate::speed_test::runs::sample::{Run, Sample};
use crate::speed_test::runs::search::Listed;
use crate::speed_test::runs::statistics::{Statistics, change_percent};

const RUN: [&str; 10] = [
    "run",
    "started_at",
    "state",
    "test",
    "start",
    "odoo",
    "odoo_version",
    "bridge_version",
    "started_by",
    "way",
];

/// The numbers of many runs, held against the averages of their range and a threshold.
///
/// # Errors
/// `internal`
pub fn runs(runs: &[Listed], averages: &[Average], threshold_ms: Option<f64>) -> Result<Vec<u8>> {
    let figures = [
        "samples_asked",
        "succeeded",
        "failed",
        "min_ms",
        "p50_ms",
        "p90_ms",
        "p95_ms",
        "max_ms",
        "jitter_ms",
        "mean_connect_ms",
        "mean_authenticate_ms",
        "mean_queue_ms",
        "mean_odoo_ms",
        "mean_transfer_ms",
        "p95_to_average_percent",
        "p95_above_threshold",
    ];
    let mut lines = vec![RUN.iter().chain(&figures).map(|name| (*name).to_owned()).collect()];
    for listed in runs {
        for statistics in &listed.statistics {
            let mut line = about(&listed.run, statistics.way);
            line.extend(numbers(&listed.run, statistics));
            let p95 = statistics.figures.map(|figures| figures.p95);
            let average = average_of(averages, &listed.run.kind_measured(), statistics.way);
            let change = p95
                .zip(average)
                .and_then(|(p95, average)| change_percent(average.p95, p95));
            line.push(change.map(|percent| format!("{percent:.1}")).unwrap_or_default());
            let is_above = p95.zip(threshold_ms).map(|(p95, threshold)| p95 > threshold);
            line.push(is_above.map(|is_above| is_above.to_string()).unwrap_or_default());
            lines.push(line);
        }
    }
    written(lines)
}

/// All samples of one run.
///
/// # Errors
/// `internal`
pub fn samples(run: &Run, samples: &[Sample]) -> Result<Vec<u8>> {
    let parts = [
        "number",
        "connect_ms",
        "authenticate_ms",
        "queue_ms",
        "odoo_ms",
        "transfer_ms",
        "total_ms",
        "model",
        "records",
        "bytes",
        "error_code",
    ];
    let mut lines = vec![RUN.iter().chain(&parts).map(|name| (*name).to_owned()).collect()];
    for sample in samples {
        let mut line = about(run, sample.way);
        line.push(sample.number.to_string());
        line.extend(sample.parts.named().map(|(_, ms)| exact(ms)));
        line.push(exact(sample.parts.total));
        line.push(run.model.clone().unwrap_or_default());
        line.push(sample.records.map(|records| records.to_string()).unwrap_or_default());
        line.push(sample.bytes.map(|bytes| bytes.to_string()).unwrap_or_default());
        line.push(
            sample
                .failure
                .as_ref()
                .map_or("", |failure| failure.code.as_str())
                .to_owned(),
        );
        lines.push(line);
    }
    written(lines)
}

fn about(run: &Run, way: Way) -> Vec<String> {
    vec![
        run.id.to_string(),
        run.started_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        run.state.as_str().to_owned(),
        run.kind.as_str().to_owned(),
        run.start().to_owned(),
        plain(run.target.clone()),
        plain(run.odoo_version.clone().unwrap_or_default()),
        run.bridge_version.clone(),
        plain(run.started_by.clone()),
        way.as_str().to_owned(),
    ]
}

fn numbers(run: &Run, statistics: &Statistics) -> Vec<String> {
    let mut numbers = vec![
        run.samples.to_string(),
        statistics.succeeded.to_string(),
        statistics.failed.to_string(),
    ];
    let Some(figures) = statistics.figures else {
        numbers.resize(14, String::new());
        return numbers;
    };
    numbers.extend([figures.min, figures.p50, figures.p90, figures.p95, figures.max].map(exact));
    numbers.push(figures.jitter.map(exact).unwrap_or_default());
    numbers.extend(figures.mean.named().map(|(_, ms)| exact(ms)));
    numbers
}

/// To a microsecond.
fn exact(ms: f64) -> String {
    format!("{ms:.3}")
}

fn written(lines: Vec<Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(AppError::internal)?;
    }
    writer
        .into_inner()
        .map_err(|error| AppError::internal(error.to_string()))
}
