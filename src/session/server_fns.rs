//! What the pages of signing in ask of the server: sent by plain forms, answered
//! with a redirect. Nothing in the browser calls them by code, so that no code for
//! that is in the WASM.

use leptos::prelude::*;

use crate::error::Result;

/// Opens a session and goes to `next` if that is a page of the dashboard.
///
/// # Errors
/// `unauthenticated`, `rate_limited`, `overloaded`, `unavailable`.
#[server(prefix = "/api", endpoint = "sign_in")]
pub async fn sign_in(
    /// Of the account.
    email: String,
    /// Of the account.
    password: String,
    /// Where the person wanted to go; empty: nowhere in particular.
    next: String,
) -> Result<()> {
    use crate::error::answer;
    use crate::session::http::code_page;
    use crate::session::model::local_path;
    use crate::session::sign_in::Entered;

    answer(async {
        let (state, parts, now) = server::context()?;
        let client = server::client(&state, &parts);
        let next = local_path(&next);
        match crate::session::sign_in::sign_in(&state.pool, &email, password.into(), &client, now).await? {
            Entered::Session(session) => {
                server::keep(&state, &parts, session).await?;
                server::lead_form_to(&parts, next)
            }
            Entered::CodeOwed(token) => {
                server::owe(&state, &parts, &token).await?;
                server::lead_to(&code_page(next))
            }
        }
    })
    .await
}

/// Makes the first account, signs in, and goes to the keys.
///
/// # Errors
/// `unauthenticated` for a wrong token, `conflict` once there is an account,
/// `invalid_request`, `rate_limited`, `overloaded`, `unavailable`.
#[server(prefix = "/api", endpoint = "set_up")]
pub async fn set_up(
    /// The one on the terminal.
    token: String,
    /// Of the account to be.
    email: String,
    /// Of the account to be.
    password: String,
) -> Result<()> {
    use crate::error::answer;
    use crate::session::model::HOME;

    answer(async {
        let (state, parts, now) = server::context()?;
        let client = server::client(&state, &parts);
        let session = crate::session::sign_in::set_up(
            &state.pool,
            &state.setup_token,
            &token,
            &email,
            password.into(),
            &client,
            now,
        )
        .await?;
        server::keep(&state, &parts, session).await?;
        server::lead_form_to(&parts, HOME)
    })
    .await
}

/// Ends the session and goes to the login page.
///
/// # Errors
/// `unauthenticated`, `unavailable`.
#[server(prefix = "/api", endpoint = "sign_out")]
pub async fn sign_out() -> Result<()> {
    use crate::error::answer;
    use crate::session::guard::{actor, current_session};

    answer(async {
        let (state, parts, _) = server::context()?;
        crate::session::sign_in::sign_out(&state.pool, &current_session()?, &actor()?).await?;
        server::forget(&state, &parts)?;
        server::lead_form_to(&parts, "/login")
    })
    .await
}

/// Sets a new password and ends the other sessions.
///
/// # Errors
/// `invalid_request` for a wrong present password or a new one that can't be,
/// `unauthenticated`, `rate_limited`, `overloaded`, `unavailable`.
#[server(prefix = "/api", endpoint = "change_password")]
pub async fn change_password(
    /// The present one.
    old_password: String,
    /// The one to be.
    new_password: String,
) -> Result<()> {
    use crate::error::answer;
    use crate::session::guard::{current_session, signed_in};

    answer(async {
        let (user, session) = (signed_in()?, current_session()?);
        let (state, parts, now) = server::context()?;
        let client = server::client(&state, &parts);
        crate::session::sign_in::change_password(
            &state.pool,
            (&user, &session),
            old_password.into(),
            new_password.into(),
            &client,
            now,
        )
        .await?;
        server::lead_form_to(&parts, "/account?changed=yes")
    })
    .await
}

#[cfg(feature = "ssr")]
mod server {
    use chrono::{DateTime, Utc};
    use http::request::Parts;
    use http::{HeaderValue, header};
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;

    use crate::error::{AppError, Result};
    use crate::server::origin::is_https;
    use crate::session::http::client_of;
    use crate::session::sign_in::{Client, NewSession};
    use crate::session::token::{Cookie, SessionToken};
    use crate::state::{AppState, state};

    /// The state, the request and the time.
    pub(super) fn context() -> Result<(AppState, Parts, DateTime<Utc>)> {
        let parts = use_context::<Parts>().ok_or_else(|| AppError::internal("no request in the context"))?;
        Ok((state()?, parts, Utc::now()))
    }

    pub(super) fn client(state: &AppState, parts: &Parts) -> Client {
        client_of(parts, &state.settings)
    }

    /// Gives the browser its cookies; a session that it had before is over.
    pub(super) async fn keep(state: &AppState, parts: &Parts, session: NewSession) -> Result<()> {
        let cookies = crate::session::http::keep(state, parts, &session).await?;
        cookies.into_iter().try_for_each(set_cookie)
    }

    /// Gives the browser the cookie with which it owes the code.
    pub(super) async fn owe(state: &AppState, parts: &Parts, token: &SessionToken) -> Result<()> {
        let cookies = crate::session::http::owe(state, parts, token).await?;
        cookies.into_iter().try_for_each(set_cookie)
    }

    /// Takes the browser's cookie away.
    pub(super) fn forget(state: &AppState, parts: &Parts) -> Result<()> {
        set_cookie(Cookie::Session.forget(is_https(&parts.headers, &state.settings))?)
    }

    fn set_cookie(cookie: HeaderValue) -> Result<()> {
        options()?.append_header(header::SET_COOKIE, cookie);
        Ok(())
    }

    fn options() -> Result<ResponseOptions> {
        use_context::<ResponseOptions>().ok_or_else(|| AppError::internal("no response in the context"))
    }

    /// Where a form goes next. A program that does not read pages is not led.
    pub(super) fn lead_form_to(parts: &Parts, page: &str) -> Result<()> {
        let form = parts
            .headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"));
        if form { lead_to(page) } else { Ok(()) }
    }

    /// Where whoever asked goes next: a program learns of it from the header.
    pub(super) fn lead_to(page: &str) -> Result<()> {
        let place = HeaderValue::from_str(page).map_err(AppError::internal)?;
        options()?.insert_header(header::LOCATION, place);
        Ok(())
    }
}
