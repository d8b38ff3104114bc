//! Which page is printed by what.

use chrono::Utc;
use http::Method;
use leptos::prelude::*;

use crate::alerts;
use crate::audit;
use crate::calls;
use crate::connection;
use crate::error::{AppError, ErrorCode, Result};
use crate::guide::errors_page;
use crate::keys;
use crate::people;
use crate::printed::parts::Printed;
use crate::session;
use crate::session::guard::{actor, current_session, signed_in};
use crate::session::rights;
use crate::speed_test;
use crate::state::state;
use crate::traffic;

/// Where they are inside the frame, for the server's router.
pub const PATHS: [&str; 16] = [
    "/account/security",
    "/audit",
    "/calls",
    "/calls/{id}",
    "/confirm",
    "/connection",
    "/guide/errors",
    "/guide/errors/{code}",
    "/keys/{id}/policy",
    "/people",
    "/policies",
    "/speed-test/channels",
    "/speed-test/runs",
    "/speed-test/runs/{id}",
    "/speed-test/schedules",
    "/use",
];

/// The page at `path`, for whoever is signed in; a few are for everybody.
///
/// # Errors
/// `unauthenticated`, `forbidden`, `not_found`, and those of the page.
pub async fn print(path: &str, search: &str) -> Result<Printed> {
    // A form was just answered.
    if let Some(printed) = use_context::<Printed>() {
        return Ok(printed);
    }
    let state = state()?;
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments[..] {
        ["login", "code"] => return Ok(session::http::print_code(search)),
        ["join", token] => return people::http::print_join(&state, token).await,
        _ => {}
    }
    let user = signed_in()?;
    // What is checked is what is printed: a slash more or less must not be another page to one
    // of the two.
    rights::check(user.role, &Method::GET, &format!("/{}", segments.join("/")))?;
    match segments[..] {
        ["guide", "errors"] => Ok(errors_page::print_list()),
        ["guide", "errors", code] => errors_page::print_code(code),
        ["connection"] => Ok(connection::http::print_connection(&state)),
        ["keys", id, "policy"] => keys::http::print_policy(&state, id).await,
        ["policies"] => keys::shared_policies::http::print_policies(&state).await,
        ["account", "security"] => session::http::print_security(&state, &user, &current_session()?).await,
        ["confirm"] => Ok(session::http::print_confirm(search)),
        ["people"] => people::http::print_people(&state, (&actor()?, &current_session()?), search, Utc::now()).await,
        ["calls"] => calls::listing::http::print_calls(&state, search).await,
        ["calls", id] => calls::listing::http::print_call(&state, id).await,
        ["speed-test", "runs"] => speed_test::runs::http::print_runs(&state, &user, search).await,
        ["speed-test", "runs", id] => speed_test::runs::http::print_run(&state, &user, id).await,
        ["use"] => traffic::http::print_use(&state, search).await,
        ["speed-test", "schedules"] => speed_test::schedules::http::print_schedules(&state, &user).await,
        ["speed-test", "channels"] => alerts::http::print_channels(&state, &actor()?).await,
        ["audit"] => audit::http::print_audit(&state, search).await,
        _ => Err(AppError::new(ErrorCode::NotFound, "There is no page at this address.")),
    }
}

/// What stands at an address without a page.
#[must_use]
pub fn print_not_found() -> Printed {
    Printed::of("Not found", || {
        view! {
            <h1>"Nothing is here"</h1>
            <p class="muted">"There is no page at this address. The link may be old, or a letter may be wrong."</p>
            <a class="button button-primary" href="/keys">
                "Go to the API keys"
            </a>
        }
    })
}
