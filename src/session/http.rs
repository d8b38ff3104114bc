//! The printed pages of signing in: the code of a second factor, the password once
//! more, and a person's own sessions and second factor. Each form answers with its own
//! page, or leads on.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderValue, header};
use leptos::prelude::use_context;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::audit::log::Actor;
use crate::config::Settings;
use crate::error::{AppError, ErrorCode, Result};
use crate::printed::http::{read_form, respond, secret};
use crate::printed::parts::{Notice, Printed};
use crate::server::origin::{client_address, is_https, own_origin};
use crate::session::guard;
use crate::session::model::{NOT_FRESH, SIGN_IN_AGAIN, SignedIn, local_path, wait_in_words};
use crate::session::pages::{self, Security, Setting};
use crate::session::sign_in::{self, ABSOLUTE, CODE_WITHIN, Client, DEVICE_KNOWN, NewSession};
use crate::session::token::{Cookie, SessionToken, TokenHash};
use crate::session::{open_sessions, passkeys, second_factor};
use crate::state::AppState;

/// Who sent a request, as far as it is written down.
#[must_use]
pub fn client_of(parts: &Parts, settings: &Settings) -> Client {
    let agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let device = SessionToken::from_headers(&parts.headers, Cookie::Device, is_https(&parts.headers, settings));
    Client {
        device: device.map(|token| token.hash()),
        ..Client::new(client_address(&parts.headers, &parts.extensions, settings), agent)
    }
}

/// The cookies of whoever is signed in from now on: theirs, and none that owes a code. A
/// session that the browser had before is over.
///
/// # Errors
/// `unavailable`.
pub async fn keep(state: &AppState, parts: &Parts, session: &NewSession) -> Result<Vec<HeaderValue>> {
    end_present(state, parts).await?;
    let https = is_https(&parts.headers, &state.settings);
    let mut cookies = vec![
        session
            .token
            .to_cookie(Cookie::Session, https, ABSOLUTE.num_seconds())?,
        Cookie::Pending.forget(https)?,
    ];
    if let Some(device) = &session.device {
        cookies.push(device.to_cookie(Cookie::Device, https, DEVICE_KNOWN.num_seconds())?);
    }
    Ok(cookies)
}

/// The cookies of whoever owes the code. Until they give it they are nobody: a session
/// that the browser had before is over.
///
/// # Errors
/// `unavailable`.
pub async fn owe(state: &AppState, parts: &Parts, token: &SessionToken) -> Result<[HeaderValue; 2]> {
    end_present(state, parts).await?;
    let https = is_https(&parts.headers, &state.settings);
    Ok([
        token.to_cookie(Cookie::Pending, https, CODE_WITHIN.num_seconds())?,
        Cookie::Session.forget(https)?,
    ])
}

/// Ends the session that a request came in, if any.
async fn end_present(state: &AppState, parts: &Parts) -> Result<()> {
    match (parts.extensions.get::<TokenHash>(), parts.extensions.get::<Actor>()) {
        (Some(session), Some(by)) => sign_in::sign_out(&state.pool, session, by).await,
        _ => Ok(()),
    }
}

/// The address of the page that asks for the code and leads on to `next`.
#[must_use]
pub fn code_page(next: &str) -> String {
    with_next(guard::CODE, next)
}

fn with_next(page: &str, next: &str) -> String {
    let query = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
    format!("{page}?{query}")
}

fn next_of(search: &str) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(search).unwrap_or_default();
    let next = pairs.into_iter().find(|(name, _)| name == "next");
    local_path(&next.map(|(_, value)| value).unwrap_or_default()).to_owned()
}

/// What a person is told; anything else is for the log, and no page of this.
pub(crate) fn told(error: AppError) -> Result<Notice> {
    use ErrorCode::{Conflict, Forbidden, InvalidRequest, NotFound, Overloaded, RateLimited, Unauthenticated};
    match error.code {
        InvalidRequest | Conflict | Forbidden | NotFound | Unauthenticated | RateLimited | Overloaded => {
            let wait = error.retry_after_secs.map(wait_in_words);
            let wait = wait.map(|wait| format!(" Try again in {wait}.")).unwrap_or_default();
            Ok(Notice::Wrong(format!("{}{wait}", error.message)))
        }
        _ => Err(error),
    }
}

// ---- the code ----

/// `/login/code`
#[must_use]
pub fn print_code(search: &str) -> Printed {
    Printed::of("Sign in", || pages::code(next_of(search), None))
}

#[derive(Deserialize)]
struct CodeForm {
    #[serde(deserialize_with = "secret")]
    code: SecretString,
    #[serde(default)]
    next: String,
}

/// `POST /login/code`
pub async fn post_code(State(state): State<AppState>, request: Request) -> Response {
    match give_code(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn give_code(state: &AppState, request: Request) -> Result<Response> {
    let (parts, form) = read_form::<CodeForm>(request).await?;
    let next = local_path(&form.next).to_owned();
    let client = client_of(&parts, &state.settings);
    let token = SessionToken::from_headers(
        &parts.headers,
        Cookie::Pending,
        is_https(&parts.headers, &state.settings),
    );
    let session = match token {
        Some(token) => {
            sign_in::give_code(
                &state.pool,
                &state.sealing,
                &token.hash(),
                form.code.expose_secret(),
                &client,
                Utc::now(),
            )
            .await
        }
        None => Err(AppError::new(ErrorCode::Unauthenticated, SIGN_IN_AGAIN)),
    };
    match session {
        Ok(session) => {
            let mut response = Redirect::to(&next).into_response();
            for cookie in keep(state, &parts, &session).await? {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Err(error) => {
            let notice = told(error)?;
            let page = Printed::of("Sign in", || pages::code(next, Some(notice)));
            Ok(respond(state, parts, page).await)
        }
    }
}

// ---- the password once more ----

/// `/confirm`
#[must_use]
pub fn print_confirm(search: &str) -> Printed {
    Printed::of("Confirm your password", || pages::confirm(next_of(search), None))
}

#[derive(Deserialize)]
struct ConfirmForm {
    #[serde(deserialize_with = "secret")]
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// `POST /confirm`
pub async fn post_confirm(State(state): State<AppState>, request: Request) -> Response {
    match confirm(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn confirm(state: &AppState, request: Request) -> Result<Response> {
    let (parts, form) = read_form::<ConfirmForm>(request).await?;
    let (user, session) = of_request(&parts)?;
    let next = local_path(&form.next).to_owned();
    let client = client_of(&parts, &state.settings);
    let confirmed = sign_in::confirm(&state.pool, (&user, &session), form.password, &client, Utc::now());
    match confirmed.await {
        Ok(()) => Ok(Redirect::to(&next).into_response()),
        Err(error) => {
            let notice = told(error)?;
            let page = Printed::of("Confirm your password", || pages::confirm(next, Some(notice)));
            Ok(respond(state, parts, page).await)
        }
    }
}

/// Who is signed in, in which session.
fn of_request(parts: &Parts) -> Result<(SignedIn, TokenHash)> {
    let user = parts.extensions.get::<SignedIn>().cloned();
    let session = parts.extensions.get::<TokenHash>().copied();
    user.zip(session).ok_or_else(guard::not_signed_in)
}

// ---- sessions and the second factor ----

/// `/account/security`
///
/// # Errors
/// `unavailable`, `internal`.
pub async fn print_security(state: &AppState, user: &SignedIn, session: &TokenHash) -> Result<Printed> {
    let origin = use_context::<Parts>().map(|parts| own_origin(&parts.headers, &state.settings));
    let security = security(state, user, session, &origin.unwrap_or_default()).await?;
    Ok(Printed::of("Sign-in and sessions", || pages::security(security)))
}

async fn security(state: &AppState, user: &SignedIn, session: &TokenHash, origin: &str) -> Result<Security> {
    let now = Utc::now();
    Ok(Security {
        email: user.email.clone(),
        is_fresh: user.is_fresh(now),
        factor: second_factor::state_of(&state.pool, user.id).await?,
        setting: None,
        passkeys: passkeys::list(&state.pool, user.id).await?,
        passkeys_possible: passkeys::possible_at(origin),
        sessions: open_sessions::list(&state.pool, user.id, session, now).await?,
        notice: None,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecurityForm {
    /// `set_up`, `turn_on`, `turn_off`, `renew_codes`, `remove_passkey`, `end` or `end_others`.
    r#do: String,
    passkey: String,
    #[serde(deserialize_with = "secret")]
    code: SecretString,
    session: String,
}

/// `POST /account/security`
pub async fn post_security(State(state): State<AppState>, request: Request) -> Response {
    match change_security(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn change_security(state: &AppState, request: Request) -> Result<Response> {
    let by = request.extensions().get::<Actor>().cloned();
    let by = by.ok_or_else(guard::not_signed_in)?;
    let (parts, form) = read_form::<SecurityForm>(request).await?;
    let (user, session) = of_request(&parts)?;
    let (notice, setting) = match do_security(state, (&user, &session, &by), &form).await {
        Ok((notice, setting)) => (Some(notice).filter(|text| !text.is_empty()).map(Notice::Done), setting),
        Err(error) => {
            let notice = told(error)?;
            // A wrong code does not end the set-up.
            let again = match &*form.r#do {
                "turn_on" => second_factor::begin(&state.pool, &state.sealing, &user).await.ok(),
                _ => None,
            };
            (Some(notice), again.map(Setting::Enrolment))
        }
    };
    let origin = own_origin(&parts.headers, &state.settings);
    let shown = Security {
        notice,
        setting,
        ..security(state, &user, &session, &origin).await?
    };
    let page = Printed::of("Sign-in and sessions", || pages::security(shown));
    Ok(respond(state, parts, page).await)
}

async fn do_security(
    state: &AppState,
    (user, session, by): (&SignedIn, &TokenHash, &Actor),
    form: &SecurityForm,
) -> Result<(String, Option<Setting>)> {
    let now = Utc::now();
    let (pool, key) = (&state.pool, &state.sealing);
    let fresh = || guard::require_fresh(by).map_err(|_| AppError::new(ErrorCode::Forbidden, NOT_FRESH));
    Ok(match &*form.r#do {
        "set_up" => {
            fresh()?;
            let enrolment = second_factor::begin(pool, key, user).await?;
            (String::new(), Some(Setting::Enrolment(enrolment)))
        }
        "turn_on" => {
            fresh()?;
            let codes = second_factor::turn_on(pool, key, (user, by, session), form.code.expose_secret(), now).await?;
            (
                "The second factor is on. Your other sessions are ended.".into(),
                Some(Setting::RecoveryCodes(codes)),
            )
        }
        "turn_off" => {
            fresh()?;
            second_factor::turn_off(pool, (user.id, &user.email), by).await?;
            ("The second factor is off.".into(), None)
        }
        "renew_codes" => {
            fresh()?;
            let codes = second_factor::renew_codes(pool, user, by).await?;
            (
                "These are new; the ones from before work no more.".into(),
                Some(Setting::RecoveryCodes(codes)),
            )
        }
        "remove_passkey" => {
            let id = form
                .passkey
                .parse()
                .map_err(|_| AppError::invalid("Choose a passkey."))?;
            passkeys::remove(pool, (user.id, &user.email), id, by).await?;
            ("The passkey is removed. Delete it on the device, too.".into(), None)
        }
        "end" => {
            let id = form
                .session
                .parse()
                .map_err(|_| AppError::invalid("Choose a session."))?;
            open_sessions::end(pool, (user.id, &user.email), id, by).await?;
            ("The session is ended.".into(), None)
        }
        "end_others" => {
            let ended = open_sessions::end_others(pool, (user.id, &user.email), session, by).await?;
            (format!("Other sessions ended: {ended}."), None)
        }
        _ => return Err(AppError::invalid("This form does nothing.")),
    })
}
