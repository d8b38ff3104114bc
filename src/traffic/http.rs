//! `/use` and `/use.csv`, for everybody who is signed in.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::header;

use crate::error::{AppError, Result};
use crate::ids::ApiKeyId;
use crate::keys::issue;
use crate::printed::parts::Printed;
use crate::state::AppState;
use crate::traffic::chart::Charts;
use crate::traffic::page::{self, Others, Shown};
use crate::traffic::read::{counted, missing, most};
use crate::traffic::search::Asked;
use crate::traffic::tally::{Scope, Subject};
use crate::traffic::window::Window;
use crate::traffic::{csv, rollup};

/// `/use`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_use(state: &AppState, query: &str) -> Result<Printed> {
    let (asked, now) = (Asked::parse(query), Utc::now());
    let understood = asked.understand(&state.pool, now).await?;
    let window = understood.window;
    let counted = counted(&state.pool, &understood.subject, window).await?;
    let others = match understood.subject {
        Subject::Bridge => Some(others(state, &counted.window).await?),
        _ => None,
    };
    let (lost, begun) = missing(&state.pool, &window).await?;
    let shown = Shown {
        charts: (counted.total.calls > 0).then(|| Charts::draw(&counted)).transpose()?,
        kept_from: rollup::kept_from(state.settings.keep().rollups, window.level, now),
        asked,
        understood,
        counted,
        others,
        lost,
        begun,
    };
    let title = shown.title();
    Ok(Printed::of(title, || page::print(shown)))
}

/// The keys and models with the most calls.
async fn others(state: &AppState, window: &Window) -> Result<Others> {
    let keys = most(&state.pool, Scope::Key, window).await?;
    let models = most(&state.pool, Scope::Model, window).await?;
    let ids: Vec<ApiKeyId> = keys.iter().filter_map(|key| key.subject.parse().ok()).collect();
    let labels = issue::labels(&state.pool, &ids).await?;
    let names = labels.into_iter().map(|label| (label.id.to_string(), label.name));
    Ok(Others {
        keys,
        models,
        names: names.collect(),
    })
}

/// `GET /use.csv`, of the time and the key or model of the page. A part of the address that
/// can't be is refused: nobody would see that it is missing.
pub async fn get_csv(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let file = async {
        let asked = Asked::parse(&query.unwrap_or_default());
        let understood = asked.understand(&state.pool, Utc::now()).await?;
        if let Some(wrong) = understood.wrong.first() {
            return Err(AppError::invalid(format!("{}: {}", wrong.field, wrong.why)));
        }
        csv::file(&counted(&state.pool, &understood.subject, understood.window).await?)
    };
    match file.await {
        Ok(file) => (
            [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"use.csv\""),
            ],
            file,
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}
