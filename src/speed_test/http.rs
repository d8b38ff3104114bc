//! `/speed-test.csv`: the runs of the page's two tests, with its filters.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use chrono::SecondsFormat;
use http::header;

use crate::error::{AppError, Result};
use crate::printed::csv::plain;
use crate::speed_test::model::{HistoryQuery, SpeedTest};
use crate::speed_test::run::{newest, refusal};
use crate::state::AppState;

/// The most lines.
const CSV_MAX: u32 = 10_000;

/// `GET /speed-test.csv`
pub async fn get_csv(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let bytes = async {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap_or_default();
        let asked = HistoryQuery::from_params(|name| {
            let pair = pairs.iter().find(|(known, _)| known == name);
            pair.map(|(_, value)| value.clone())
        });
        // Nobody would see in a file that a filter is missing.
        if let Some(field) = asked.wrong.split_whitespace().next() {
            return Err(AppError::invalid(refusal(field)));
        }
        written(newest(&state.pool, &asked, CSV_MAX).await?)
    };
    match bytes.await {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"speed-tests.csv\""),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}

fn written(runs: Vec<SpeedTest>) -> Result<Vec<u8>> {
    let names = [
        "tested_at",
        "test",
        "status",
        "latency_ms",
        "authenticate_ms",
        "query_ms",
        "model",
        "records",
        "odoo",
        "error_code",
        "error",
        "details",
    ];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).map_err(AppError::internal)?;
    let ms = |ms: Option<f64>| ms.map(|ms| format!("{ms:.3}")).unwrap_or_default();
    for run in runs {
        let status = run.status().as_str();
        let (code, error) = run
            .failure
            .map(|failure| (failure.code.as_str().to_owned(), failure.message))
            .unwrap_or_default();
        let line = [
            run.tested_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            run.test_type.as_str().to_owned(),
            status.to_owned(),
            ms(Some(run.latency_ms)),
            ms(run.authenticate_ms),
            ms(run.query_ms),
            plain(run.model.unwrap_or_default()),
            run.record_count.map(|count| count.to_string()).unwrap_or_default(),
            plain(run.target),
            code,
            plain(error),
            plain(run.details.unwrap_or_default()),
        ];
        writer.write_record(line).map_err(AppError::internal)?;
    }
    writer
        .into_inner()
        .map_err(|error| AppError::internal(error.to_string()))
}
