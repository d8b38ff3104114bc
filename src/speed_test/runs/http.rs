//! `/speed-test/runs`, a run's page, their forms, and both as CSV. Nothing on them needs
//! JavaScript; the page of a run that goes on follows it (`live`), or loads itself again.

use std::time::Duration;

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header;

use crate::audit::log::Actor;
use crate::error::{AppError, ErrorCode, Result};
use crate::printed::http::{read_form, respond};
use crate::printed::parts::{Notice, Printed};
use crate::session::guard;
use crate::session::model::{Role, SignedIn};
use crate::speed_test::run::target;
use crate::speed_test::runs::history::averages;
use crate::speed_test::runs::plan::Draft;
use crate::speed_test::runs::range_page::Range;
use crate::speed_test::runs::run::{self, Starter};
use crate::speed_test::runs::search::{self, Asked, CSV_MAX, PAGE, Understood};
use crate::speed_test::runs::{export, list_page, result_page};
use crate::state::AppState;

type Pairs = Vec<(String, String)>;

/// `/speed-test/runs`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_runs(state: &AppState, user: &SignedIn, query: &str) -> Result<Printed> {
    let pairs: Pairs = serde_urlencoded::from_str(query).unwrap_or_default();
    page(state, user, &pairs, None).await
}

async fn page(state: &AppState, user: &SignedIn, pairs: &Pairs, notice: Option<Notice>) -> Result<Printed> {
    let asked = Asked::parse(pairs);
    let Understood {
        filter,
        threshold_ms,
        wrong,
    } = asked.understand();
    // One more tells whether there is a next page.
    let mut runs = search::search(&state.pool, &filter, PAGE + 1).await?;
    let has_more = runs.len() as i64 > PAGE;
    runs.truncate(PAGE as usize);
    let (points, is_cut) = search::range_points(&state.pool, &filter).await?;
    let range = Range::of(&points, threshold_ms, is_cut)?;
    let open = run::open_ways(&state.odoo);
    let draft = Draft::parse(pairs).unwrap_or_else(|| Draft::first(&open));
    let (expected, notice) = match draft.plan(&open) {
        Ok(plan) => (Some(expected(state, &plan).await?), notice),
        // What the form was answered says more.
        Err(error) => (None, notice.or(Some(Notice::Wrong(error.message.into_owned())))),
    };
    let shown = list_page::Shown {
        may_run: user.role >= Role::Operator,
        next: runs.last().filter(|_| has_more).map(|listed| listed.run.id),
        asked,
        wrong,
        runs,
        range,
        targets: search::targets(&state.pool).await?,
        open,
        draft,
        expected,
        interval: state.odoo.report().rules.interval,
        notice,
    };
    Ok(Printed::of("Speed test runs", || list_page::print(shown)))
}

async fn expected(state: &AppState, plan: &crate::speed_test::runs::plan::Plan) -> Result<Duration> {
    let target = target(&state.odoo, state.is_demo());
    run::expected(&state.pool, &state.odoo, &target, plan).await
}

/// `/speed-test/runs/<id>`
///
/// # Errors
/// `not_found`, `unavailable`, `internal`.
pub async fn print_run(state: &AppState, user: &SignedIn, id: &str) -> Result<Printed> {
    let detailed = search::find(&state.pool, id).await?;
    let may_cancel = user.role >= Role::Operator;
    Ok(Printed::of("Speed test run", || {
        result_page::print(detailed, may_cancel)
    }))
}

/// `POST /speed-test/runs`: starts a run and leads to its page.
pub async fn post_runs(State(state): State<AppState>, request: Request) -> Response {
    let answered = async {
        let (by, user) = actor_of(&request)?;
        let (parts, form) = read_form::<Pairs>(request).await?;
        match start(&state, &by, &form).await {
            Ok(place) => Ok(Redirect::to(&place).into_response()),
            Err(error) if matches!(error.code, ErrorCode::InvalidRequest | ErrorCode::Conflict) => {
                let notice = Notice::Wrong(error.message.into_owned());
                let printed = page(&state, &user, &form, Some(notice)).await?;
                Ok(respond(&state, parts, printed).await)
            }
            Err(error) => Err(error),
        }
    };
    answered.await.unwrap_or_else(|error: AppError| error.into_response())
}

async fn start(state: &AppState, by: &Actor, form: &Pairs) -> Result<String> {
    let empty = || AppError::invalid("The test: choose light or heavy.");
    let plan = Draft::parse(form)
        .ok_or_else(empty)?
        .plan(&run::open_ways(&state.odoo))?;
    let shutdown = state.health.shutdown.clone();
    let id = run::start(
        &state.pool,
        &state.odoo,
        target(&state.odoo, state.is_demo()),
        plan,
        Starter::Person(by),
        move || shutdown.is_raised(),
    )
    .await?;
    Ok(format!("/speed-test/runs/{id}"))
}

/// `POST /speed-test/runs/<id>`: cancels the run and leads back to its page.
pub async fn post_run(State(state): State<AppState>, Path(id): Path<String>, request: Request) -> Response {
    let by = actor_of(&request);
    let answered = async {
        let (by, _) = by?;
        let run = search::find(&state.pool, &id).await?.run;
        match run::cancel(&state.pool, run.id, &by).await {
            // It ended while the form was on its way: its page says so.
            Err(error) if error.code == ErrorCode::Conflict => {}
            other => other?,
        }
        Ok(Redirect::to(&format!("/speed-test/runs/{}", run.id)).into_response())
    };
    answered.await.unwrap_or_else(|error: AppError| error.into_response())
}

fn actor_of(request: &Request) -> Result<(Actor, SignedIn)> {
    let by = request.extensions().get::<Actor>();
    by.and_then(|by| Some((by.clone(), by.user.clone()?)))
        .ok_or_else(guard::not_signed_in)
}

/// `GET /speed-test/runs.csv`, with the filters of the page.
pub async fn get_runs_csv(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let pairs: Pairs = serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap_or_default();
    let told = Asked::parse(&pairs).understand();
    let bytes = async {
        // Nobody would see in a file that a filter is missing.
        if let Some(wrong) = told.wrong.into_iter().next() {
            return Err(AppError::invalid(wrong));
        }
        let runs = search::search(&state.pool, &told.filter, CSV_MAX).await?;
        let (points, _) = search::range_points(&state.pool, &told.filter).await?;
        export::runs(&runs, &averages(&points, told.threshold_ms), told.threshold_ms)
    };
    csv(bytes.await, "speed-runs.csv")
}

/// `GET /speed-test/runs/<id>/samples.csv`
pub async fn get_samples_csv(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let found = search::find(&state.pool, &id).await;
    csv(
        found.and_then(|found| export::samples(&found.run, &found.samples)),
        "speed-samples.csv",
    )
}

fn csv(bytes: Result<Vec<u8>>, name: &str) -> Response {
    match bytes {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}
