//! Every route. What is not listed here does not exist.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use http::{HeaderValue, StatusCode, header};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes as _, generate_route_list};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::app::App;
use crate::calls::cors::Preflights;
use crate::calls::gateway::Gateway;
use crate::calls::http::post_call;
use crate::calls::model::PATH as CALL_PATH;
use crate::calls::sharing::Flights;
use crate::error::{AppError, ErrorCode};
use crate::keys::http::post_policy;
use crate::keys::throttle::Throttles;
use crate::server::shell::shell;
use crate::server::{health, layers, openapi, request_id, site};
use crate::session::guard;
use crate::state::AppState;

/// The most that a form or server function takes, in bytes.
const FORM_MAX_BYTES: usize = 64 * 1024;

/// The whole service.
pub fn router(state: AppState) -> Router {
    let is_https = state
        .settings
        .public_url
        .as_deref()
        .is_some_and(|url| url.starts_with("https://"));
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::get_openapi))
        .merge(dashboard(&state))
        .fallback(fallback)
        .layer(CatchPanicLayer::custom(layers::on_panic))
        .layer(from_fn_with_state(is_https, layers::security_headers))
        .layer(from_fn(layers::log))
        .layer(from_fn(request_id::layer))
        .merge(gateway(&state))
        .with_state(state)
}

/// The product. Its state is its own, because all of the bridge's is dear to clone.
fn gateway(state: &AppState) -> Router<AppState> {
    let gateway = Gateway {
        keys: state.keys.clone(),
        odoo: Arc::clone(&state.odoo),
        models: Arc::clone(&state.models),
        records: state.records.clone(),
        flights: Flights::default(),
        throttles: Throttles::new(state.pool.clone()),
        preflights: Preflights::new(state.pool.clone()),
        settings: Arc::clone(&state.settings),
    };
    Router::new()
        .route(CALL_PATH, any(post_call).layer(compression()))
        .with_state(Arc::new(gateway))
}

/// For clients that ask. Below 8 kB an answer fits into the first packets of a
/// connection anyway, and a client near by would wait longer for gzip than for the
/// bytes (docs/performance.md).
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(8 * 1024))
}

/// Pages and server functions: the guard is around all of them.
fn dashboard(state: &AppState) -> Router<AppState> {
    let options = state.leptos_options.clone();
    Router::new()
        .leptos_routes(state, generate_route_list(App), move || shell(options.clone()))
        .route("/keys/{id}/policy", post(post_policy))
        .layer(from_fn_with_state(state.clone(), guard::layer))
        .layer(compression())
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
