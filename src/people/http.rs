//! `/people`, for admins, and `/join/<token>`, for whoever has the link.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, Utc};
use http::header;
use secrecy::SecretString;
use serde::Deserialize;

use crate::audit::log::Actor;
use crate::error::{AppError, Result};
use crate::ids::UserId;
use crate::keys::issue;
use crate::people::page::{self, Sessions, Shown};
use crate::people::{accounts, invitations};
use crate::printed::http::{read_form, respond, secret};
use crate::printed::parts::{Notice, Printed};
use crate::server::origin::own_origin;
use crate::session::guard;
use crate::session::http::{client_of, keep, told};
use crate::session::model::{HOME, Role};
use crate::session::open_sessions;
use crate::session::token::TokenHash;
use crate::state::AppState;

/// `/people`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_people(
    state: &AppState,
    (by, present): (&Actor, &TokenHash),
    search: &str,
    now: DateTime<Utc>,
) -> Result<Printed> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(search).unwrap_or_default();
    let whose = pairs.iter().find(|(name, _)| name == "sessions");
    let whose = whose.and_then(|(_, id)| id.parse().ok());
    let shown = shown(state, (by, present), whose, now).await?;
    Ok(Printed::of("People", || page::people(shown)))
}

async fn shown(
    state: &AppState,
    (by, present): (&Actor, &TokenHash),
    whose: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<Shown> {
    let accounts = accounts::list(&state.pool).await?;
    let whose = accounts.iter().find(|account| Some(account.id) == whose);
    let sessions = match whose {
        Some(account) => Some(Sessions {
            user: account.id,
            email: account.email.clone(),
            open: open_sessions::list(&state.pool, account.id, present, now).await?,
        }),
        None => None,
    };
    Ok(Shown {
        own: by.user_id(),
        is_fresh: by.user.as_ref().is_some_and(|user| user.is_fresh(now)),
        accounts,
        sessions,
        invitations: invitations::list(&state.pool, now).await?,
        link: None,
        notice: None,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PeopleForm {
    /// `invite`, `withdraw`, `role`, `reset_factor`, `revoke_keys`, `end`, `end_others` or `remove`.
    r#do: String,
    email: String,
    role: String,
    user: String,
    invitation: String,
    session: String,
    /// `yes`: the keys that the person made, too.
    revoke_keys: String,
}

/// `POST /people`
pub async fn post_people(State(state): State<AppState>, request: Request) -> Response {
    match change_people(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn change_people(state: &AppState, request: Request) -> Result<Response> {
    let by = request.extensions().get::<Actor>().cloned();
    let by = by.ok_or_else(guard::not_signed_in)?;
    let present = request.extensions().get::<TokenHash>().copied();
    let present = present.ok_or_else(guard::not_signed_in)?;
    let (parts, form) = read_form::<PeopleForm>(request).await?;
    let now = Utc::now();
    let (notice, token) = match do_people(state, (&by, &present), &form, now).await {
        Ok((notice, token)) => (Notice::Done(notice), token),
        Err(error) => (told(error)?, None),
    };
    let origin = own_origin(&parts.headers, &state.settings);
    let is_of_sessions = matches!(&*form.r#do, "end" | "end_others");
    let whose = form.user.parse().ok().filter(|_| is_of_sessions);
    let shown = Shown {
        notice: Some(notice),
        link: token.map(|token| format!("{origin}{}{}", guard::JOIN, token.reveal())),
        ..shown(state, (&by, &present), whose, now).await?
    };
    let printed = Printed::of("People", || page::people(shown));
    Ok(respond(state, parts, printed).await)
}

async fn do_people(
    state: &AppState,
    (by, present): (&Actor, &TokenHash),
    form: &PeopleForm,
    now: DateTime<Utc>,
) -> Result<(String, Option<crate::session::token::SessionToken>)> {
    guard::require_fresh(by)?;
    let pool = &state.pool;
    let role = || Role::parse(&form.role).ok_or_else(|| AppError::invalid("Choose a role."));
    let person = || {
        form.user
            .parse::<UserId>()
            .map_err(|_| AppError::invalid("Choose a person."))
    };
    let done = match &*form.r#do {
        "invite" => {
            let token = invitations::invite(pool, &form.email, role()?, by, now).await?;
            let sentence = "The invitation is made. Send its link to the person; it works once, for seven days.";
            return Ok((sentence.into(), Some(token)));
        }
        "withdraw" => {
            let id = form.invitation.parse();
            let id = id.map_err(|_| AppError::invalid("Choose an invitation."))?;
            invitations::withdraw(pool, id, by).await?;
            "The invitation is withdrawn.".to_owned()
        }
        "role" => {
            accounts::set_role(pool, person()?, role()?, by).await?;
            "The role is changed. It holds from now on.".into()
        }
        "reset_factor" => {
            accounts::reset_factor(pool, person()?, by).await?;
            "The second factor is off, and passkeys are removed. The person can set both up anew.".into()
        }
        "revoke_keys" => {
            let email = accounts::email_of(pool, person()?).await?;
            let revoked = issue::revoke_all_of(pool, &email, by).await?;
            format!("The account stays. Keys of {email} revoked: {revoked}.")
        }
        "end" => {
            let id = person()?;
            let session = form.session.parse();
            let session = session.map_err(|_| AppError::invalid("Choose a session."))?;
            let email = accounts::email_of(pool, id).await?;
            open_sessions::end(pool, (id, &email), session, by).await?;
            "The session is ended.".into()
        }
        "end_others" => {
            let id = person()?;
            let email = accounts::email_of(pool, id).await?;
            let ended = open_sessions::end_others(pool, (id, &email), present, by).await?;
            format!("Sessions of {email} ended: {ended}.")
        }
        "remove" => {
            let id = person()?;
            let email = accounts::email_of(pool, id).await?;
            // The keys first: if the account can't be removed, they are safe at least.
            let revoked = if form.revoke_keys == "yes" {
                issue::revoke_all_of(pool, &email, by).await?
            } else {
                0
            };
            accounts::remove(pool, id, by).await?;
            format!("{email} is removed, signed out everywhere. Keys revoked: {revoked}.")
        }
        _ => return Err(AppError::invalid("This form does nothing.")),
    };
    Ok((done, None))
}

/// `/join/<token>`
///
/// # Errors
/// `not_found` if the link does not work (any more), `unavailable`, `internal`.
pub async fn print_join(state: &AppState, token: &str) -> Result<Printed> {
    let invitation = invitations::find(&state.pool, token, Utc::now()).await?;
    Ok(Printed::of("Join", || page::join(token, invitation, None)))
}

#[derive(Deserialize)]
struct JoinForm {
    #[serde(deserialize_with = "secret")]
    password: SecretString,
}

/// `POST /join/<token>`
pub async fn post_join(State(state): State<AppState>, Path(token): Path<String>, request: Request) -> Response {
    match join(&state, &token, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn join(state: &AppState, token: &str, request: Request) -> Result<Response> {
    let (parts, form) = read_form::<JoinForm>(request).await?;
    let client = client_of(&parts, &state.settings);
    let now = Utc::now();
    match invitations::accept(&state.pool, token, form.password, &client, now).await {
        Ok(session) => {
            let mut response = Redirect::to(HOME).into_response();
            for cookie in keep(state, &parts, &session).await? {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(error) => {
            let invitation = invitations::find(&state.pool, token, now).await?;
            let notice = told(error)?;
            let printed = Printed::of("Join", || page::join(token, invitation, Some(notice)));
            Ok(respond(state, parts, printed).await)
        }
    }
}
