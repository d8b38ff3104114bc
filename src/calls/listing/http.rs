//! `/calls`, `/calls/<id>`, `/calls.csv` and `/calls/live`, for everybody who is signed in.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use leptos::prelude::{Owner, RenderHtml as _};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::calls::listing::live::{LOOK_EVERY, Watch};
use crate::calls::listing::page::{self, Shown};
use crate::calls::listing::search::{Asked, Filter, Found, PAGE, Side, find, names, oldest, search};
use crate::calls::listing::{csv, one};
use crate::error::{AppError, ErrorCode, Result};
use crate::printed::parts::Printed;
use crate::session::sign_in;
use crate::session::token::TokenHash;
use crate::state::AppState;
use crate::traffic::losses;

/// How often a live view is sent something, so that what is between does not take it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `/calls`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_calls(state: &AppState, query: &str) -> Result<Printed> {
    let _place = state.lookers.enter().await?;
    let asked = Asked::parse(query);
    let understood = asked.understand(&state.pool).await?;
    // One more tells whether there is a next page.
    let mut calls = search(&state.pool, &understood.filter, PAGE + 1).await?;
    let (mut newer, mut older) = (None, None);
    if let Some(calls) = &mut calls {
        let has_more = calls.len() as i64 > PAGE;
        calls.truncate(PAGE as usize);
        let side = understood.filter.side;
        if matches!(side, Some(Side::After(_))) {
            calls.reverse();
        }
        let (first, last) = (calls.first().map(Found::place), calls.last().map(Found::place));
        (newer, older) = match side {
            None => (None, last.filter(|_| has_more)),
            Some(Side::Before(_)) => (first, last.filter(|_| has_more)),
            Some(Side::After(_)) => (first.filter(|_| has_more), last),
        };
    }
    let shown = Shown {
        names: names(&state.pool, calls.as_deref().unwrap_or_default()).await?,
        since: match calls {
            Some(_) => oldest(&state.pool).await?,
            // Nor would this be quick.
            None => None,
        },
        dropped: losses::of_days(&state.pool, state.settings.call_records_days, Utc::now()).await?,
        dropped_days: state.settings.call_records_days,
        asked,
        understood,
        calls,
        newer,
        older,
    };
    Ok(Printed::of("Calls", || page::print(shown)))
}

/// `/calls/<id>`, by the record's id or the request's.
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn print_call(state: &AppState, id: &str) -> Result<Printed> {
    let (call, has_more) = find(&state.pool, id).await?.ok_or_else(|| {
        AppError::new(
            ErrorCode::NotFound,
            "There is no record of such a call. Records are kept for some days only, and are written a second after the call.",
        )
    })?;
    let key = names(&state.pool, std::slice::from_ref(&call))
        .await?
        .remove(&call.api_key_id);
    Ok(Printed::of("Call", || one::print(&call, key, has_more)))
}

/// What an address asks for, refused if a part of it can't be: nobody would see that it is
/// missing.
async fn strictly(state: &AppState, query: &str) -> Result<Filter> {
    let understood = Asked::parse(query).understand(&state.pool).await?;
    match understood.wrong.into_iter().next() {
        Some(wrong) => Err(AppError::invalid(format!("{}: {}", wrong.field, wrong.why))),
        None => Ok(understood.filter),
    }
}

/// `GET /calls.csv`, with the filters of the page.
pub async fn get_csv(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let body = async {
        let filter = strictly(&state, &query.unwrap_or_default()).await?;
        csv::body(state.pool.clone(), state.lookers.clone(), filter).await
    };
    match body.await {
        Ok(body) => (
            [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"calls.csv\""),
            ],
            body,
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}

/// `GET /calls/live`: the new calls that the page's filters find, as rows of its table, until
/// the session or the bridge ends.
pub async fn get_live(
    State(state): State<AppState>,
    Extension(token): Extension<TokenHash>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let begun = async {
        let place = state.watchers.enter()?;
        let filter = strictly(&state, &query).await?;
        let watch = Watch::new(state.pool.clone(), filter, since(&query, &headers), Utc::now());
        Ok::<_, AppError>(Looker {
            state: state.clone(),
            token,
            watch,
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
    let events = futures_util::StreamExt::flatten(events);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    // For nginx: it would collect the rows until they fill a buffer.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// The record after which a live view goes on: the last that a browser got which comes back,
/// or the newest of its page.
fn since(query: &str, headers: &HeaderMap) -> Option<Uuid> {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    last.or_else(|| {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
        pairs.into_iter().find(|(name, _)| name == "since")?.1.parse().ok()
    })
}

/// An open live view.
struct Looker {
    state: AppState,
    token: TokenHash,
    watch: Watch,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Looker {
    /// The next events, when there are any; `None`: it is over. A browser comes back by
    /// itself unless it is told that there is nothing to come back for.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
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
                    self.is_over = true;
                    return Some(vec![Event::default().event("over").data(&*error.message)]);
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<Event>> {
        let now = Utc::now();
        if !sign_in::is_open(&self.state.pool, &self.token, now).await? {
            self.is_over = true;
            return Ok(vec![Event::default().event("over").data("Your session is over.")]);
        }
        let place = self.state.lookers.enter().await?;
        let news = self.watch.look(now).await?;
        drop(place);
        let names = names(&self.state.pool, &news.calls).await?;
        let row = |call: &Found| {
            let html = Owner::new().with(|| page::row(call, &names).to_html());
            Event::default().event("call").id(call.id.to_string()).data(html)
        };
        let cut = news.is_cut.then(|| {
            Event::default()
                .event("cut")
                .data("There are more calls than are shown.")
        });
        Ok(cut.into_iter().chain(news.calls.iter().map(row)).collect())
    }
}
