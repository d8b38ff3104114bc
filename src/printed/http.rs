//! Answers a form with the page itself, so that a draft is not lost over a mistake and
//! what is shown once is shown where it was asked for.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, header};
use leptos::prelude::provide_context;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Deserializer};

use crate::error::{AppError, Result};
use crate::printed::parts::Printed;
use crate::server::shell::shell;
use crate::state::AppState;

/// The most that a form or server function takes, in bytes.
pub const FORM_MAX_BYTES: usize = 64 * 1024;

/// Takes a form apart.
///
/// # Errors
/// `invalid_request` if it is none.
pub async fn read_form<F: DeserializeOwned>(request: Request) -> Result<(Parts, F)> {
    let (parts, body) = request.into_parts();
    let malformed = || AppError::invalid("A field of this form is missing or malformed.");
    let is_form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.split(';').next() == Some("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(malformed());
    }
    // A form may have a password in it: what was collected is wiped.
    let mut body = body.into_data_stream();
    let mut bytes = Zeroizing::new(Vec::with_capacity(FORM_MAX_BYTES));
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| malformed())?;
        if bytes.len() + piece.len() > FORM_MAX_BYTES {
            return Err(malformed());
        }
        bytes.extend_from_slice(&piece);
    }
    let form = serde_urlencoded::from_bytes(&bytes).map_err(|_| malformed())?;
    Ok((parts, form))
}

/// A field of a form that nothing prints, wiped when it is let go.
///
/// # Errors
/// If it is no text.
pub fn secret<'de, D: Deserializer<'de>>(field: D) -> std::result::Result<SecretString, D::Error> {
    String::deserialize(field).map(SecretString::from)
}

/// A field of a form, the last of that name; empty if there is none.
#[must_use]
pub fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    let found = form.iter().rfind(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// The whole document with `printed` in it, for the request of `parts`.
pub async fn respond(state: &AppState, mut parts: Parts, printed: Printed) -> Response {
    parts.method = Method::GET;
    parts.headers.remove(header::CONTENT_LENGTH);
    let (options, state) = (state.leptos_options.clone(), state.clone());
    let render = leptos_axum::render_app_async_with_context(
        move || {
            provide_context(state.clone());
            provide_context(printed.clone());
        },
        move || shell(options.clone()),
    );
    let mut response = render(Request::from_parts(parts, Body::empty())).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
