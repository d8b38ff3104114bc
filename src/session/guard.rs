//! Lets nobody reach a page or a server function without a session, but for the
//! few that are public. Deny by default: a new address is closed. Only the
//! session's cookie counts; an API key opens nothing here. Every write must come
//! from one of our own pages.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use leptos::prelude::use_context;
use leptos::server_fn::error::ServerFnUrlError;

use crate::audit::log::Actor;
use crate::error::{AppError, ErrorCode, Result};
use crate::server::origin::{client_address, drop_untrusted, is_https, is_own_page};
use crate::session::model::{FOREIGN_ORIGIN, HOME, NOT_FRESH, NOT_SIGNED_IN, SignedIn};
use crate::session::rights;
use crate::session::sign_in::{find_session, has_users};
use crate::session::token::{Cookie, SessionToken, TokenHash};
use crate::state::AppState;

const API: &str = "/api/";
const LOGIN: &str = "/login";
const SETUP: &str = "/setup";
/// Where whoever gave the password gives the code.
pub const CODE: &str = "/login/code";
/// Where an invitation leads: `/join/<token>`.
pub const JOIN: &str = "/join/";
/// The server functions that need no session.
const PUBLIC_API: [&str; 6] = [
    "/api/ask_for_passkey",
    "/api/get_frame",
    "/api/set_theme",
    "/api/set_up",
    "/api/sign_in",
    "/api/sign_in_with_passkey",
];

/// The person behind the current request, put there by the layer.
///
/// # Errors
/// `unauthenticated` if there is none.
pub fn signed_in() -> Result<SignedIn> {
    from_request::<SignedIn>().ok_or_else(not_signed_in)
}

/// The same, with where they are, for what is written down.
///
/// # Errors
/// `unauthenticated` if there is none.
pub fn actor() -> Result<Actor> {
    from_request::<Actor>().ok_or_else(not_signed_in)
}

/// The same, if they gave their password a short while ago: for what is dangerous.
///
/// # Errors
/// `unauthenticated` if there is none, `forbidden` if it was too long ago.
pub fn fresh_actor() -> Result<Actor> {
    let by = actor()?;
    require_fresh(&by)?;
    Ok(by)
}

/// Lets whoever gave their password a short while ago go on.
///
/// # Errors
/// `forbidden` if it was too long ago.
pub fn require_fresh(by: &Actor) -> Result<()> {
    match &by.user {
        Some(user) if user.is_fresh(Utc::now()) => Ok(()),
        _ => Err(AppError::new(ErrorCode::Forbidden, NOT_FRESH)),
    }
}

/// The session of the current request, for those who end it or spare it.
///
/// # Errors
/// `unauthenticated` if there is none.
pub fn current_session() -> Result<TokenHash> {
    from_request::<TokenHash>().ok_or_else(not_signed_in)
}

fn from_request<T: Clone + Send + Sync + 'static>() -> Option<T> {
    use_context::<Parts>()?.extensions.get::<T>().cloned()
}

/// The error of those who are not.
pub fn not_signed_in() -> AppError {
    AppError::new(ErrorCode::Unauthenticated, NOT_SIGNED_IN)
}

/// The layer around every page and `/api/`.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    drop_untrusted(&mut parts.headers, &parts.extensions, &state.settings);
    forget_past_error(&mut parts.headers);
    let admitted = admit(&state, &mut parts).await;
    let asked = Asked::of(&parts);
    let mut response = match admitted {
        Ok(None) => {
            request = Request::from_parts(parts, body);
            asked.finish(next.run(request).await)
        }
        Ok(Some(elsewhere)) => Redirect::to(&elsewhere).into_response(),
        Err(error) => asked.refuse(error),
    };
    // What is shown to one person is not kept for the next, nor for "back".
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets a request through (`None`), or says where to go instead. Whoever is
/// signed in is put into its extensions.
async fn admit(state: &AppState, parts: &mut Parts) -> Result<Option<String>> {
    // Nothing but the layer says who is signed in.
    parts.extensions.remove::<SignedIn>();
    parts.extensions.remove::<Actor>();
    parts.extensions.remove::<TokenHash>();
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !reads && !is_own_page(&parts.headers, &state.settings) {
        return Err(AppError::new(ErrorCode::ForbiddenOrigin, FOREIGN_ORIGIN));
    }
    let path = parts.uri.path();
    let public_api = PUBLIC_API.contains(&path);
    let session = match find(state, &parts.headers).await {
        // A public function answers for itself, also while the database is away.
        Err(error) if public_api => {
            error.log();
            None
        }
        other => other?,
    };
    let elsewhere = match (&session, path) {
        (Some(_), LOGIN | SETUP | CODE) => Some(HOME.to_owned()),
        (Some((user, _)), path) => {
            if !path.starts_with(JOIN) {
                rights::check(user.role, &parts.method, path)?;
            }
            None
        }
        _ if public_api => None,
        (None, path) if path.starts_with(API) => return Err(not_signed_in()),
        (None, path) => match (has_users(&state.pool).await?, path) {
            (true, LOGIN | CODE) | (false, SETUP) => None,
            (true, path) if path.starts_with(JOIN) => None,
            (false, _) => Some(SETUP.to_owned()),
            (true, SETUP) => Some(LOGIN.to_owned()),
            (true, _) => Some(login_for(
                reads.then(|| parts.uri.path_and_query().map_or(path, |page| page.as_str())),
            )),
        },
    };
    if let Some((user, token)) = session {
        parts.extensions.insert(Actor {
            user: Some(user.clone()),
            address: Some(client_address(&parts.headers, &parts.extensions, &state.settings)),
        });
        parts.extensions.insert(user);
        parts.extensions.insert(token);
    }
    Ok(elsewhere)
}

/// A form leads back to where it came from, with the error in the address. Where it
/// came from may have one of the last time in its own.
fn forget_past_error(headers: &mut HeaderMap) {
    let Some(referer) = headers.get_mut(header::REFERER) else {
        return;
    };
    let Ok(text) = referer.to_str() else { return };
    let mut text = text.to_owned();
    ServerFnUrlError::<AppError>::strip_error_info(&mut text);
    if let Ok(clean) = HeaderValue::from_str(text.trim_end_matches('?')) {
        *referer = clean;
    }
}

async fn find(state: &AppState, headers: &HeaderMap) -> Result<Option<(SignedIn, TokenHash)>> {
    let Some(token) = SessionToken::from_headers(headers, Cookie::Session, is_https(headers, &state.settings)) else {
        return Ok(None);
    };
    let token = token.hash();
    Ok(find_session(&state.pool, &token, Utc::now())
        .await?
        .map(|user| (user, token)))
}

/// The address of the login page that leads back to `page`.
fn login_for(page: Option<&str>) -> String {
    let Some(page) = page.filter(|page| !["/", HOME].contains(page)) else {
        return LOGIN.to_owned();
    };
    let mut query = reqwest::Url::parse("http://bridge").ok();
    if let Some(url) = &mut query {
        url.query_pairs_mut().append_pair("next", page);
    }
    let query = query.as_ref().and_then(reqwest::Url::query).unwrap_or_default();
    format!("{LOGIN}?{query}")
}

/// What the caller can read: a browser that shows the answer, or a program.
struct Asked {
    api: bool,
    html: bool,
    came_from: Option<String>,
}

impl Asked {
    fn of(parts: &Parts) -> Self {
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let came_from = text(header::REFERER).and_then(|referer| reqwest::Url::parse(referer).ok());
        Self {
            api: parts.uri.path().starts_with(API),
            html: text(header::ACCEPT).is_some_and(|accept| accept.contains("text/html")),
            came_from: came_from.map(|url| match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            }),
        }
    }

    /// A form is led on, or back to its page with the error in
    /// the URL, always by a 303; the error's own status would stop the browser.
    fn finish(&self, response: Response) -> Response {
        let form = self.api && self.html;
        let Some(place) = response.headers().get(header::LOCATION).filter(|_| form) else {
            return response;
        };
        let Ok(place) = place.to_str() else { return response };
        let mut redirect = Redirect::to(place).into_response();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            redirect.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        redirect
    }

    fn refuse(&self, error: AppError) -> Response {
        if self.api && !self.html {
            return error.into_response();
        }
        if error.code == ErrorCode::Unauthenticated {
            // A form that was sent after the session had ended.
            return Redirect::to(&login_for(self.came_from.as_deref())).into_response();
        }
        let page = sorry(&error);
        let mut response = error.into_response();
        let html = Html(page).into_response();
        if let Some(kind) = html.headers().get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = html.into_body();
        response
    }
}

/// A page that needs nothing but itself.
fn sorry(error: &AppError) -> String {
    let sentence = error.message.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Odoo Bridge</title></head><body><main><h1>That did not work</h1><p>{sentence}</p>\
         <p><a href=\"/\">Back to the dashboard</a></p></main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::model::local_path;

    #[test]
    fn the_login_page_leads_back_to_where_one_wanted_to_go() {
        assert_eq!(
            login_for(Some("/keys?status=active&q=a b")),
            "/login?next=%2Fkeys%3Fstatus%3Dactive%26q%3Da+b"
        );
        assert_eq!(login_for(Some("/keys")), "/login");
        assert_eq!(login_for(None), "/login");
        assert_eq!(local_path("/guide"), "/guide");
    }

    #[test]
    fn a_sentence_can_not_become_markup() {
        assert!(!sorry(&AppError::invalid("<script>&")).contains("<script>"));
    }
}
