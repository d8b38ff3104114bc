//! The demo's addresses, and the place where faults are put in.

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request as HttpRequest, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, SET_COOKIE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};

use super::DemoOdoo;
use super::fault::Fault;
use super::jsonrpc::{Reply, Request};
use super::listener::Wire;
use super::spoil::{Frame, spoiled};
use super::{documentation, json2, web};

/// Odoo takes large bodies; the demo stays below what a test machine minds.
const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;

const JSON: [&str; 1] = ["application/json"];
const JSON_RPC: [&str; 2] = ["application/json", "application/json-rpc"];
pub(super) const JSON_UTF8: &str = "application/json; charset=utf-8";

const NO_DATABASE: &str = "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n\
    <p>No database is selected and the requested URL was not found in the server-wide controllers.</p>\n\
    <p>Please verify the hostname, <a href=/web/login>login</a> and try again.</p>\n\n\
    <!-- Alternatively, use the X-Odoo-Database header. -->\n";

pub(super) fn router(demo: &DemoOdoo) -> Router {
    Router::new()
        .route("/jsonrpc", any(jsonrpc))
        .route("/web/session/authenticate", any(web))
        .route("/web/session/destroy", any(web))
        .route("/web/dataset/call_kw", any(web))
        .route("/web/dataset/call_kw/{*path}", any(web))
        .route("/json/2/{model}/{method}", post(json2_call).fallback(json2_elsewhere))
        .route("/doc-bearer/{file}", any(doc_bearer))
        .route("/web/health", get(health))
        .route("/json/version", get(version))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(from_fn_with_state(demo.clone(), close))
        .with_state(demo.clone())
}

/// Odoo's own server ends the connection after each answer.
async fn close(
    State(demo): State<DemoOdoo>,
    wire: Option<Extension<ConnectInfo<Wire>>>,
    request: HttpRequest,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = if demo.faults().is_closed(&path) {
        demo.count("closed");
        not_found().await
    } else if path == "/jsonrpc" {
        next.run(request).await
    } else {
        let name = name_of(&path);
        demo.count(name);
        let fault = demo.faults().take(name);
        let answer = next.run(request).await;
        let wire = wire.map(|Extension(ConnectInfo(wire))| wire);
        spoiled(&demo, wire, Frame::of(&path), fault, answer).await
    };
    if !demo.faults().keeps_alive() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What a request is called in counts and faults.
fn name_of(path: &str) -> &str {
    match path {
        _ if path.starts_with("/web/dataset/call_kw") => "call_kw",
        _ if path.starts_with("/json/2/") => "json2",
        _ if path.starts_with("/doc-bearer/") => "doc-bearer",
        other => other,
    }
}

async fn web(State(demo): State<DemoOdoo>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if !declares(&headers, &JSON_RPC) {
        return unsupported(uri.path(), "jsonrpc", &JSON_RPC, &body);
    }
    let answer = match uri.path() {
        "/web/session/authenticate" => web::log_in(&demo, &body),
        "/web/session/destroy" => web::log_out(&demo, &headers, &body),
        _ => web::call(&demo, &headers, &body),
    };
    let mut response = respond(answer.reply);
    for cookie in answer.cookies {
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

async fn json2_call(
    State(demo): State<DemoOdoo>,
    Path((model, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !body.is_empty() && !declares(&headers, &JSON) {
        return unsupported("/json/2/<__model__>/<__method__>", "json2", &JSON, &body);
    }
    told(json2::call(&demo, &headers, &json2::Target { model, method }, &body))
}

async fn json2_elsewhere() -> Response {
    told(json2::elsewhere())
}

async fn elsewhere(uri: Uri) -> Response {
    if name_of(uri.path()) == "json2" {
        json2_elsewhere().await
    } else {
        not_found().await
    }
}

async fn doc_bearer(State(demo): State<DemoOdoo>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    match file.strip_suffix(".json") {
        Some(model) => told(documentation::read(&demo, &headers, model)),
        None => not_found().await,
    }
}

fn told(reply: json2::Reply) -> Response {
    match reply {
        json2::Reply::Result(body) => json(JSON_UTF8, body),
        json2::Reply::Documentation { body, etag } => {
            let headers = [
                (ETAG, etag),
                (CACHE_CONTROL, "no-cache, private"),
                (CONTENT_LANGUAGE, "en-US"),
            ];
            (headers, json(JSON_UTF8, body)).into_response()
        }
        json2::Reply::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        json2::Reply::NoDatabase => html(StatusCode::NOT_FOUND, NO_DATABASE),
        json2::Reply::Failed { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, json(JSON_UTF8, body)).into_response();
            if status == StatusCode::UNAUTHORIZED {
                let bearer = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            }
            response
        }
    }
}

async fn jsonrpc(
    State(demo): State<DemoOdoo>,
    wire: Option<Extension<ConnectInfo<Wire>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_json = declares(&headers, &JSON_RPC);
    let request = if is_json {
        Request::parse(&body)
    } else {
        Err(Reply::Refused(""))
    };
    let method = request.as_ref().map(Request::method).unwrap_or_default().to_owned();
    demo.count(if method.is_empty() { "/jsonrpc" } else { &method });
    let mut fault = demo.faults().take(&method);
    let answer = match request {
        _ if !is_json => unsupported("/jsonrpc", "jsonrpc", &JSON_RPC, &body),
        // Here the caller's own id is known.
        Ok(request) if fault.take_if(|fault| *fault == Fault::NoneResult).is_some() => {
            respond(request.answer(Ok(super::value::Value::None)))
        }
        Ok(request) => respond(request.answer(request.run(&demo))),
        Err(reply) => respond(reply),
    };
    let wire = wire.map(|Extension(ConnectInfo(wire))| wire);
    spoiled(&demo, wire, Frame::JsonRpc, fault, answer).await
}

fn declares(headers: &HeaderMap, types: &[&str]) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    types.iter().any(|json| declared.eq_ignore_ascii_case(json))
}

fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Json(body) => json(JSON_UTF8, body),
        Reply::Refused(text) => html(StatusCode::BAD_REQUEST, text),
    }
}

pub(super) fn json(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, content_type)], body.into()).into_response()
}

fn html(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body.into()).into_response()
}

/// The declared type fits another kind of address than this one, which is `routing`.
fn unsupported(path: &str, routing: &str, accepted: &[&str], body: &[u8]) -> Response {
    // JSON-2 takes an empty body without a type.
    let fits = if body.is_empty() {
        "&#39;http&#39;, &#39;json2&#39;"
    } else {
        "&#39;http&#39;"
    };
    let path = path.replace('<', "&lt;").replace('>', "&gt;");
    let page = format!(
        "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n\
         <p>Request inferred type is compatible with [{fits}] but &#39;{path}&#39; is \
         type=&#39;{routing}&#39;.<br><br>Please verify the Content-Type request header and try again.</p>\n"
    );
    let mut response = html(StatusCode::UNSUPPORTED_MEDIA_TYPE, page);
    if let Ok(accepted) = HeaderValue::try_from(accepted.join(", ")) {
        response.headers_mut().insert(ACCEPT, accepted);
    }
    response
}

async fn health(uri: Uri) -> Response {
    let asked = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair.starts_with("db_server_status="));
    json(
        "application/json",
        if asked {
            "{\"status\": \"pass\", \"db_server_status\": true}"
        } else {
            "{\"status\": \"pass\"}"
        },
    )
}

async fn version() -> Response {
    let body = "{\"version_info\": [19, 0, 0, \"final\", 0, \"\"], \"version\": \"19.0\"}";
    json(JSON_UTF8, body)
}

async fn not_found() -> Response {
    html(
        StatusCode::NOT_FOUND,
        "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found \
         on the server. If you entered the URL manually please check your spelling and try again.</p>\n",
    )
}
