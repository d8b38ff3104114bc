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
    use crate::session::model::local_path;

    answer(async {
        let (state, parts, now) = server::context()?;
        let address = server::address(&state, &parts);
        let session = crate::session::sign_in::sign_in(&state.pool, &email, password.into(), address, now).await?;
        server::keep(&state, &parts, session).await?;
        server::lead_form_to(&parts, local_path(&next))
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
        let address = server::address(&state, &parts);
        let session = crate::session::sign_in::set_up(
            &state.pool,
            &state.setup_token,
            &token,
            &email,
            password.into(),
            address,
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
    use crate::session::guard::current_session;

    answer(async {
        let (state, parts, _) = server::context()?;
        crate::session::sign_in::sign_out(&state.pool, &current_session()?).await?;
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
        let address = server::address(&state, &parts);
        crate::session::sign_in::change_password(
            &state.pool,
            (&user, &session),
            old_password.into(),
            new_password.into(),
            address,
            now,
        )
        .await?;
        server::lead_form_to(&parts, "/account?changed=yes")
    })
    .await
}

#[cfg(feature = "ssr")]
mod server {
    use std::net::IpAddr;

    use chrono::{DateTime, Utc};
    use http::request::Parts;
    use http::{HeaderValue, header};
    use leptos::prelude::use_context;
    use leptos_axum::ResponseOptions;

    use crate::error::{AppError, Result};
    use crate::server::origin::{client_address, is_https};
    use crate::session::guard::current_session;
    use crate::session::sign_in::{self, ABSOLUTE, NewSession};
    use crate::session::token::forget_cookie;
    use crate::state::{AppState, state};

    /// The state, the request and the time.
    pub(super) fn context() -> Result<(AppState, Parts, DateTime<Utc>)> {
        let parts = use_context::<Parts>().ok_or_else(|| AppError::internal("no request in the context"))?;
        Ok((state()?, parts, Utc::now()))
    }

    pub(super) fn address(state: &AppState, parts: &Parts) -> IpAddr {
        client_address(&parts.headers, &parts.extensions, &state.settings)
    }

    /// Gives the browser its cookie; a session that it had before is over.
    pub(super) async fn keep(state: &AppState, parts: &Parts, session: NewSession) -> Result<()> {
        if let Ok(before) = current_session() {
            sign_in::sign_out(&state.pool, &before).await?;
        }
        let https = is_https(&parts.headers, &state.settings);
        set_cookie(session.token.to_cookie(https, ABSOLUTE.num_seconds())?)
    }

    /// Takes the browser's cookie away.
    pub(super) fn forget(state: &AppState, parts: &Parts) -> Result<()> {
        set_cookie(forget_cookie(is_https(&parts.headers, &state.settings))?)
    }

    fn set_cookie(cookie: HeaderValue) -> Result<()> {
        let options =
            use_context::<ResponseOptions>().ok_or_else(|| AppError::internal("no response in the context"))?;
        options.append_header(header::SET_COOKIE, cookie);
        Ok(())
    }

    /// Where a form goes next. A program that does not read pages is not led.
    pub(super) fn lead_form_to(parts: &Parts, page: &str) -> Result<()> {
        let form = parts
            .headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"));
        if form {
            let options =
                use_context::<ResponseOptions>().ok_or_else(|| AppError::internal("no response in the context"))?;
            options.insert_header(
                header::LOCATION,
                HeaderValue::from_str(page).map_err(AppError::internal)?,
            );
        }
        Ok(())
    }
}
