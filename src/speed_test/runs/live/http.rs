//! `/speed-test/runs/<id>/live`: how far a run is, on whatever instance it goes on, until it is
//! over or the session or this bridge ends. A browser without JavaScript loads the page again.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue};
use leptos::prelude::{IntoView, Owner};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{AppError, Result};
use crate::session::sign_in;
use crate::session::token::TokenHash;
use crate::speed_test::runs::sample::RunState;
use crate::speed_test::runs::{result_page, search};
use crate::state::AppState;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often something is sent, so that what is between does not take it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `GET /speed-test/runs/<id>/live`
pub async fn get_run_live(
    State(state): State<AppState>,
    Extension(token): Extension<TokenHash>,
    Path(id): Path<String>,
) -> Response {
    let begun = async {
        let place = state.watchers.enter()?;
        search::find(&state.pool, &id).await?;
        Ok::<_, AppError>(Looker {
            state: state.clone(),
            token,
            id,
            told: None,
            is_over: false,
            _place: place,
        })
    };
    let looker = match begun.await {
        Ok(looker) => looker,
        Err(error) => return error.into_response(),
    };
    let events = stream::unfold(looker, |mut looker| async move {
        let events = looker.next().await?;
        Some((stream::iter(events.into_iter().map(Ok::<_, Infallible>)), looker))
    });
    let mut response = Sse::new(events.flatten())
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    // For nginx: it would collect the events until they fill a buffer.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

struct Looker {
    state: AppState,
    token: TokenHash,
    id: String,
    /// Samples, and whether it is being cancelled, as they were told last.
    told: Option<(usize, bool)>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Looker {
    /// The next events, when there are any; `None`: it is over. A browser comes back by
    /// itself unless it is told that there is nothing to come back for.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if self.is_over || self.state.health.shutdown.is_raised() {
                return None;
            }
            match self.look().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some(events),
                // It comes back when the database does.
                Err(error) if error.code.retryable() => return None,
                Err(error) => {
                    error.log();
                    return Some(vec![self.over()]);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The page is loaded again: it says what became of the run, or asks to sign in.
    fn over(&mut self) -> Event {
        self.is_over = true;
        Event::default().event("over").data("over")
    }

    async fn look(&mut self) -> Result<Vec<Event>> {
        if !sign_in::is_open(&self.state.pool, &self.token, Utc::now()).await? {
            return Ok(vec![self.over()]);
        }
        let found = search::find(&self.state.pool, &self.id).await?;
        if found.run.state != RunState::Running {
            return Ok(vec![self.over()]);
        }
        let now = (found.samples.len(), found.run.cancelled_by.is_some());
        if self.told == Some(now) {
            return Ok(Vec::new());
        }
        self.told = Some(now);
        let event = |name, html: String| Event::default().event(name).data(html);
        Ok(vec![
            event("progress", html(|| result_page::how_far(&found.run, now.0))),
            event(
                "numbers",
                html(|| result_page::numbers(&found.statistics, &found.baseline)),
            ),
        ])
    }
}

fn html<V: IntoView>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().to_html())
}
