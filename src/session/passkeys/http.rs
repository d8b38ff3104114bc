//! What `public/passkeys.js` asks: questions for the browser's devices, and their answers.
//! All are JSON, since no form can hold them.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use http::header;
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::{Question, add, ask_for_new, ask_to_sign_in, sign_in};
use crate::audit::log::Actor;
use crate::error::{AppError, Result};
use crate::server::origin::own_origin;
use crate::session::guard;
use crate::session::http::{client_of, keep};
use crate::session::model::{SignedIn, local_path};
use crate::state::AppState;

/// `POST /api/ask_for_passkey`: for everybody.
///
/// # Errors
/// `invalid_request` where passkeys can't work; `internal`.
pub async fn post_ask_for_passkey(State(state): State<AppState>, parts: Parts) -> Result<Json<Question>> {
    let origin = own_origin(&parts.headers, &state.settings);
    ask_to_sign_in(&state.sealing, &origin, Utc::now()).map(Json)
}

/// What signs in.
#[derive(Deserialize)]
pub struct SignIn {
    ceremony: String,
    credential: PublicKeyCredential,
    #[serde(default)]
    next: String,
}

/// `POST /api/sign_in_with_passkey`: answers where to go, with the cookies.
///
/// # Errors
/// See [`sign_in()`].
pub async fn post_sign_in_with_passkey(
    State(state): State<AppState>,
    parts: Parts,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response> {
    let body = read(body)?;
    let client = client_of(&parts, &state.settings);
    let origin = own_origin(&parts.headers, &state.settings);
    let shown = (&*origin, &*body.ceremony, &body.credential);
    let session = sign_in(&state.pool, &state.sealing, shown, &client, Utc::now()).await?;
    let mut response = Json(json!({"next": local_path(&body.next)})).into_response();
    for cookie in keep(&state, &parts, &session).await? {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /api/ask_for_new_passkey`: for whoever is signed in and gave their password a
/// short while ago.
///
/// # Errors
/// See [`ask_for_new`]; `forbidden`.
pub async fn post_ask_for_new_passkey(State(state): State<AppState>, parts: Parts) -> Result<Json<Question>> {
    let (user, _) = fresh(&parts)?;
    let origin = own_origin(&parts.headers, &state.settings);
    let question = ask_for_new(&state.pool, &state.sealing, &origin, &user, Utc::now());
    question.await.map(Json)
}

/// What is added.
#[derive(Deserialize)]
pub struct Add {
    ceremony: String,
    credential: RegisterPublicKeyCredential,
    name: String,
}

/// `POST /api/add_passkey`: the same.
///
/// # Errors
/// See [`add`]; `forbidden`.
pub async fn post_add_passkey(
    State(state): State<AppState>,
    parts: Parts,
    body: Result<Json<Add>, JsonRejection>,
) -> Result<Response> {
    let (user, by) = fresh(&parts)?;
    let body = read(body)?;
    let origin = own_origin(&parts.headers, &state.settings);
    let shown = (&*origin, &*body.ceremony, &body.credential);
    add(&state.pool, &state.sealing, shown, &body.name, (&user, &by), Utc::now()).await?;
    Ok(Json(json!({})).into_response())
}

fn fresh(parts: &Parts) -> Result<(SignedIn, Actor)> {
    let by = parts.extensions.get::<Actor>().cloned();
    let by = by.ok_or_else(guard::not_signed_in)?;
    guard::require_fresh(&by)?;
    let user = by.user.clone().ok_or_else(guard::not_signed_in)?;
    Ok((user, by))
}

fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T> {
    let Json(body) = body.map_err(|_| AppError::invalid("The browser's answer can't be read."))?;
    Ok(body)
}
