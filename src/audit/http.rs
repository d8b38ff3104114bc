//! `/audit` and `/audit.csv`, for admins.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header;

use crate::audit::chain;
use crate::audit::page::{self, Shown};
use crate::audit::search::{Asked, PAGE, csv, search};
use crate::error::{AppError, Result};
use crate::printed::parts::Printed;
use crate::state::AppState;

/// `/audit`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_audit(state: &AppState, query: &str) -> Result<Printed> {
    let asked = Asked::parse(query);
    let (filter, wrong) = asked.filter();
    let _place = state.lookers.enter().await?;
    // One more tells whether there is a next page.
    let mut events = search(&state.pool, &filter, PAGE + 1).await?;
    let has_more = events.len() as i64 > PAGE;
    events.truncate(PAGE as usize);
    let verified = match query.split('&').any(|pair| pair == "verify=yes") {
        true => Some(chain::verify(&state.pool, &state.sealing, None).await?),
        false => None,
    };
    let shown = Shown {
        next: events.last().filter(|_| has_more).map(|event| event.id),
        asked,
        wrong,
        events,
        verified,
    };
    Ok(Printed::of("Audit log", || page::print(shown)))
}

/// `GET /audit.csv`, with the filters of the page.
pub async fn get_csv(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let (filter, wrong) = Asked::parse(&query.unwrap_or_default()).filter();
    // Nobody would see in a file that a filter is missing.
    if let Some(wrong) = wrong.into_iter().next() {
        return AppError::invalid(wrong).into_response();
    }
    let file = async {
        let _place = state.lookers.enter().await?;
        csv(&state.pool, &filter).await
    };
    match file.await {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}
