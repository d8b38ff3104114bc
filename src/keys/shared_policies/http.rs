//! `/policies` and its forms.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::page::{self, Shown};
use crate::audit::log::Actor;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::PolicyId;
use crate::keys::policy::Policy;
use crate::keys::shared_policies;
use crate::printed::http::{read_form, respond};
use crate::printed::parts::{Notice, Printed};
use crate::session::guard;
use crate::session::model::NOT_FRESH;
use crate::state::AppState;

/// `/policies`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_policies(state: &AppState) -> Result<Printed> {
    printed(state, None, None).await
}

async fn printed(
    state: &AppState,
    notice: Option<Notice>,
    draft: Option<(Option<PolicyId>, String, String)>,
) -> Result<Printed> {
    let shown = Shown {
        policies: shared_policies::list(&state.pool).await?,
        notice,
        draft,
    };
    Ok(Printed::of("Shared policies", || page::print(shown)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoliciesForm {
    /// `create`, `change`, `rename` or `remove`.
    r#do: String,
    policy: String,
    name: String,
    document: String,
}

/// `POST /policies`
pub async fn post_policies(State(state): State<AppState>, request: Request) -> Response {
    match answer(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answer(state: &AppState, request: Request) -> Result<Response> {
    let by = request.extensions().get::<Actor>().cloned();
    let by = by.ok_or_else(guard::not_signed_in)?;
    let (parts, form) = read_form::<PoliciesForm>(request).await?;
    let printed = match act(state, &by, &form).await {
        Ok(done) => printed(state, Some(Notice::Done(done.into())), None).await?,
        Err(error)
            if matches!(
                error.code,
                ErrorCode::InvalidRequest | ErrorCode::Conflict | ErrorCode::NotFound
            ) =>
        {
            let draft = (form.policy.parse().ok(), form.name, form.document);
            printed(state, Some(Notice::Wrong(error.message.into_owned())), Some(draft)).await?
        }
        Err(error) => return Err(error),
    };
    Ok(respond(state, parts, printed).await)
}

async fn act(state: &AppState, by: &Actor, form: &PoliciesForm) -> Result<&'static str> {
    let (pool, keys) = (&state.pool, &state.keys);
    let id = || {
        let id = form.policy.parse::<PolicyId>();
        id.map_err(|_| AppError::invalid("Choose a shared policy."))
    };
    // Everything in Odoo is given away: not by whoever finds an open browser.
    let gives_all = matches!(&*form.r#do, "create" | "change")
        && Policy::parse(&form.document).is_ok_and(|policy| policy == Policy::Full);
    if gives_all && guard::require_fresh(by).is_err() {
        return Err(AppError::invalid(NOT_FRESH));
    }
    match &*form.r#do {
        "create" => {
            shared_policies::create(pool, &form.name, &form.document, by).await?;
            Ok("The policy is made. Keys can follow it on their pages.")
        }
        "change" => {
            shared_policies::change(pool, keys, id()?, &form.document, by).await?;
            Ok("The policy is saved. All its keys follow, everywhere within a second.")
        }
        "rename" => {
            shared_policies::rename(pool, id()?, &form.name, by).await?;
            Ok("The policy has another name.")
        }
        "remove" => {
            shared_policies::remove(pool, id()?, by).await?;
            Ok("The policy is removed.")
        }
        _ => Err(AppError::invalid("This form does nothing.")),
    }
}
