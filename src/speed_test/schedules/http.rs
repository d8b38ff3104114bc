//! `/speed-test/schedules` and its forms. Viewers look; operators change.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};

use crate::alerts::channels;
use crate::audit::log::Actor;
use crate::error::{AppError, Result};
use crate::ids::{AlertRuleId, SpeedScheduleId};
use crate::printed::http::{field, read_form, respond};
use crate::printed::parts::{Notice, Printed};
use crate::session::guard;
use crate::session::http::told;
use crate::session::model::{Role, SignedIn};
use crate::speed_test::run::target;
use crate::speed_test::runs::run::open_ways;
use crate::speed_test::schedules::change;
use crate::speed_test::schedules::model::{NewSchedule, parse_rule};
use crate::speed_test::schedules::page::{self, Shown};
use crate::state::AppState;

type Pairs = Vec<(String, String)>;

/// `/speed-test/schedules`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_schedules(state: &AppState, user: &SignedIn) -> Result<Printed> {
    page(state, user, None, None).await
}

async fn page(state: &AppState, user: &SignedIn, notice: Option<Notice>, draft: Option<Pairs>) -> Result<Printed> {
    let shown = Shown {
        may_change: user.role >= Role::Operator,
        is_admin: user.role >= Role::Admin,
        schedules: change::list(&state.pool).await?,
        channels: channels::count(&state.pool).await?,
        target: target(&state.odoo, state.is_demo()),
        open: open_ways(&state.odoo),
        draft,
        notice,
    };
    Ok(Printed::of("Speed test schedules", || page::print(&shown)))
}

/// `POST /speed-test/schedules`
pub async fn post_schedules(State(state): State<AppState>, request: Request) -> Response {
    let answered = async {
        let by = request.extensions().get::<Actor>().cloned();
        let by = by.ok_or_else(guard::not_signed_in)?;
        let user = by.user.clone().ok_or_else(guard::not_signed_in)?;
        let (parts, form) = read_form::<Pairs>(request).await?;
        let (notice, draft) = match change_schedules(&state, &by, &form).await {
            Ok(done) => (Notice::Done(done.into()), None),
            // What was typed is not lost over a mistake.
            Err(error) => (told(error)?, Some(form)),
        };
        let printed = page(&state, &user, Some(notice), draft).await?;
        Ok(respond(&state, parts, printed).await)
    };
    answered.await.unwrap_or_else(|error: AppError| error.into_response())
}

async fn change_schedules(state: &AppState, by: &Actor, form: &Pairs) -> Result<&'static str> {
    let pool = &state.pool;
    let id = || {
        let id = field(form, "schedule").parse::<SpeedScheduleId>();
        id.map_err(|_| AppError::invalid("Choose a schedule."))
    };
    let new = || NewSchedule::parse(form, &open_ways(&state.odoo));
    match field(form, "do") {
        "create" => {
            change::create(pool, new()?, target(&state.odoo, state.is_demo()), by).await?;
            Ok("The schedule is made. Its first run begins now.")
        }
        "update" => {
            change::update(pool, id()?, new()?, by).await?;
            Ok("The schedule is changed.")
        }
        "pause" => {
            change::set_paused(pool, id()?, true, by).await?;
            Ok("The schedule is paused.")
        }
        "resume" => {
            change::set_paused(pool, id()?, false, by).await?;
            Ok("The schedule goes on. Its next run begins now.")
        }
        "remove" => {
            change::remove(pool, id()?, by).await?;
            Ok("The schedule is removed. Its runs stay.")
        }
        "add_rule" => {
            let (last_runs, above) = parse_rule(form)?;
            change::add_rule(pool, id()?, last_runs, above, by).await?;
            Ok("The alert rule is made. It is looked at after each run.")
        }
        "remove_rule" => {
            let rule = field(form, "rule").parse::<AlertRuleId>();
            let rule = rule.map_err(|_| AppError::invalid("Choose a rule."))?;
            change::remove_rule(pool, rule, by).await?;
            Ok("The alert rule is removed.")
        }
        _ => Err(AppError::invalid("This form does nothing.")),
    }
}
