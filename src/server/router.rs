//! Every route. What is not listed here does not exist.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use http::{HeaderValue, StatusCode, header};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes as _, generate_route_list};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::calls::http::post_call;
use crate::calls::model::PATH as CALL_PATH;
use crate::error::{AppError, ErrorCode};
use crate::server::shell::shell;
use crate::server::{health, layers, openapi, request_id, site};
use crate::session::guard;
use crate::state::AppState;

/// The most that a form or server function takes, in bytes.
const FORM_MAX_BYTES: usize = 64 * 1024;

/// The whole service.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route(CALL_PATH, any(post_call))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::get_openapi))
        .merge(dashboard(&state))
        .fallback(fallback)
        .layer(CatchPanicLayer::custom(layers::on_panic))
        .layer(from_fn_with_state(state.clone(), layers::security_headers))
        .layer(from_fn(layers::log))
        .layer(from_fn(request_id::layer))
        .with_state(state)
}

/// Pages and server functions: the guard is around all of them.
fn dashboard(state: &AppState) -> Router<AppState> {
    let options = state.leptos_options.clone();
    Router::new()
        .leptos_routes(state, generate_route_list(App), move || shell(options.clone()))
        .layer(from_fn_with_state(state.clone(), guard::layer))
        .layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
        .layer(tower_http::limit::RequestBodyLimitLayer::new(FORM_MAX_BYTES))
}

/// Files of the site; for everything else a page that says so, or JSON where a
/// program asks.
async fn fallback(State(state): State<AppState>, request: Request) -> Response {
    if let Some(file) = site::response_for(request.method(), request.uri(), request.headers()) {
        return file;
    }
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    if !wants_page || request.uri().path().starts_with("/api/") {
        return AppError::new(ErrorCode::NotFound, "Nothing is at this address of the bridge.").into_response();
    }
    not_found_page(state, request).await
}

async fn not_found_page(state: AppState, request: Request<Body>) -> Response {
    let options = state.leptos_options.clone();
    let render = leptos_axum::render_app_async_with_context(
        move || provide_context(state.clone()),
        move || shell(options.clone()),
    );
    let mut response = render(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
