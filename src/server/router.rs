//! Every route. What is not listed here does not exist.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes as _, generate_route_list_with_exclusions};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::alerts::http::post_channels;
use crate::app::App;
use crate::audit::http::get_csv;
use crate::calls::cors::Preflights;
use crate::calls::gateway::Gateway;
use crate::calls::http::post_call;
use crate::calls::listing;
use crate::calls::model::PATH as CALL_PATH;
use crate::calls::sharing::Flights;
use crate::config::Settings;
use crate::error::{AppError, ErrorCode};
use crate::keys::http::post_policy;
use crate::keys::shared_policies::http::post_policies;
use crate::keys::throttle::Throttles;
use crate::people::http::{post_join, post_people};
use crate::printed::http::FORM_MAX_BYTES;
use crate::printed::pages::{PATHS, print_not_found};
use crate::server::origin::is_https_from;
use crate::server::shell::shell;
use crate::server::{health, layers, openapi, request_id, site};
use crate::session::guard;
use crate::session::http::{post_code, post_confirm, post_security};
use crate::session::passkeys::http::{
    post_add_passkey, post_ask_for_new_passkey, post_ask_for_passkey, post_sign_in_with_passkey,
};
use crate::speed_test;
use crate::speed_test::runs::http::{get_runs_csv, get_samples_csv, post_run, post_runs};
use crate::speed_test::runs::live::http::get_run_live;
use crate::speed_test::schedules::http::post_schedules;
use crate::state::AppState;
use crate::traffic;

/// What `app.rs` lets the browser show of printed pages, in axum's words.
const PRINTED_ROUTE: &str = "/{*printed}";

/// The whole service. `/call` is looked for first, without the router's layers: what a page
/// does not feel is a twentieth of a call (docs/performance.md).
#[derive(Clone)]
pub struct Service {
    gateway: Arc<Gateway>,
    pages: Router,
    settings: Arc<Settings>,
    /// Without a public URL and without proxies nobody can come over https: a call is spared
    /// the question.
    may_be_https: bool,
}

impl Service {
    /// All that there is on this state.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self {
            gateway: Arc::new(gateway(&state)),
            settings: Arc::clone(&state.settings),
            may_be_https: state.settings.public_url.is_some() || !state.settings.trusted_proxies.is_empty(),
            pages: pages(state),
        }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        let https = self.may_be_https && is_https_from(request.headers(), request.extensions(), &self.settings);
        let mut response = if request.uri().path() == CALL_PATH {
            self.call(request).await
        } else {
            // In a box, because it is large and a call does without it.
            Box::pin(self.pages.clone().oneshot(request))
                .await
                .unwrap_or_else(|never| match never {})
        };
        if https {
            layers::insist_on_https(response.headers_mut());
        }
        response
    }

    async fn call(&self, request: Request) -> Response {
        let gateway = State(Arc::clone(&self.gateway));
        if !request.headers().contains_key(header::ACCEPT_ENCODING) {
            return post_call(gateway, request).await;
        }
        let answer =
            service_fn(async |request: Request| Ok::<_, Infallible>(post_call(gateway.clone(), request).await));
        let compressed = Box::pin(compression().layer(answer).oneshot(request)).await;
        compressed.unwrap_or_else(|never| match never {}).map(Body::new)
    }
}

/// Everything but `/call`.
fn pages(state: AppState) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::get_openapi))
        .merge(dashboard(&state))
        .fallback(fallback)
        .layer(CatchPanicLayer::custom(layers::on_panic))
        .layer(from_fn(layers::security_headers))
        .layer(from_fn(layers::log))
        .layer(from_fn(request_id::layer))
        .with_state(state)
}

/// The product. Its state is its own, because all of the bridge's is dear to clone.
fn gateway(state: &AppState) -> Gateway {
    Gateway {
        keys: state.keys.clone(),
        odoo: Arc::clone(&state.odoo),
        models: Arc::clone(&state.models),
        records: state.records.clone(),
        flights: Flights::default(),
        throttles: Throttles::new(state.pool.clone(), state.instances.clone()),
        preflights: Preflights::new(state.pool.clone()),
        idempotency: state.idempotency.clone(),
        traces: state.traces.clone(),
        settings: Arc::clone(&state.settings),
    }
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
    // The printed pages' own list says which of them there are: all others go to the fallback.
    let routes = generate_route_list_with_exclusions(App, Some(vec![PRINTED_ROUTE.to_owned()]));
    let printed = PATHS
        .iter()
        .fold(Router::new(), |router, path| router.route(path, get(print_page)));
    Router::new()
        .leptos_routes(state, routes, move || shell(options.clone()))
        .merge(printed)
        .route("/keys/{id}/policy", post(post_policy))
        .route("/policies", post(post_policies))
        .route("/login/code", post(post_code))
        .route("/confirm", post(post_confirm))
        .route("/account/security", post(post_security))
        .route("/api/ask_for_passkey", post(post_ask_for_passkey))
        .route("/api/sign_in_with_passkey", post(post_sign_in_with_passkey))
        .route("/api/ask_for_new_passkey", post(post_ask_for_new_passkey))
        .route("/api/add_passkey", post(post_add_passkey))
        .route("/people", post(post_people))
        .route("/join/{token}", post(post_join))
        .route("/audit.csv", get(get_csv))
        .route("/calls.csv", get(listing::http::get_csv))
        .route("/use.csv", get(traffic::http::get_csv))
        .route("/speed-test.csv", get(speed_test::http::get_csv))
        .route("/speed-test/runs", post(post_runs))
        .route("/speed-test/runs/{id}", post(post_run))
        .route("/speed-test/schedules", post(post_schedules))
        .route("/speed-test/channels", post(post_channels))
        .route("/speed-test/runs.csv", get(get_runs_csv))
        .route("/speed-test/runs/{id}/samples.csv", get(get_samples_csv))
        .layer(from_fn_with_state(state.clone(), guard::layer))
        .layer(compression())
        .layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
        .layer(tower_http::limit::RequestBodyLimitLayer::new(FORM_MAX_BYTES))
        .merge(live(state))
}

/// Not compressed: a row would wait for more of them.
fn live(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/calls/live", get(listing::http::get_live))
        .route("/speed-test/runs/{id}/live", get(get_run_live))
        .layer(from_fn_with_state(state.clone(), guard::layer))
}

async fn print_page(State(state): State<AppState>, request: Request) -> Response {
    render(state, request, || ()).await
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
    let mut response = render(state, request, || provide_context(print_not_found())).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page at the request's address, whole.
async fn render(state: AppState, request: Request, context: impl Fn() + Clone + Send + Sync + 'static) -> Response {
    let options = state.leptos_options.clone();
    let render = leptos_axum::render_app_async_with_context(
        move || {
            provide_context(state.clone());
            context();
        },
        move || shell(options.clone()),
    );
    render(request).await
}
