//! The demo's addresses, and the place where faults are put in.

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request as HttpRequest, State};
use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, ETAG, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use futures_util::stream;

use super::DemoOdoo;
use super::faults::Fault;
use super::jsonrpc::{Reply, Request};
use super::listener::Wire;
use super::{json2, web};

/// Odoo takes large bodies; the demo stays below what a test machine minds.
const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;

pub(super) fn router(demo: &DemoOdoo) -> Router {
    Router::new()
        .route("/jsonrpc", any(jsonrpc))
        .route("/web/session/authenticate", any(web_login))
        .route("/web/dataset/call_kw", any(web_call))
        .route("/web/dataset/call_kw/{path}", any(web_call))
        .route("/json/2/{model}/{method}", any(json2_call))
        .route("/doc-bearer/{file}", get(doc_bearer))
        .route("/web/health", get(health))
        .route("/json/version", get(version))
        .fallback(not_found)
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
        not_found(Method::POST).await
    } else if path == "/jsonrpc" {
        next.run(request).await
    } else {
        let name = name_of(&path);
        demo.count(name);
        let fault = demo.faults().take(name);
        let answer = next.run(request).await;
        spoiled(&demo, wire.map(|Extension(ConnectInfo(wire))| wire), fault, answer).await
    };
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
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

async fn web_login(State(demo): State<DemoOdoo>, body: Bytes) -> Response {
    match Request::parse(&body) {
        Ok(request) => {
            let (reply, cookie) = web::log_in(&demo, &request);
            with_cookie(respond(reply), cookie)
        }
        Err(reply) => respond(reply),
    }
}

async fn web_call(State(demo): State<DemoOdoo>, headers: HeaderMap, body: Bytes) -> Response {
    match Request::parse(&body) {
        Ok(request) => {
            let (reply, cookie) = web::call(&demo, &headers, request);
            with_cookie(respond(reply), cookie)
        }
        Err(reply) => respond(reply),
    }
}

fn with_cookie(mut response: Response, id: Option<String>) -> Response {
    let cookie =
        id.and_then(|id| HeaderValue::from_str(&format!("session_id={id}; Max-Age=604800; HttpOnly; Path=/")).ok());
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

async fn json2_call(
    State(demo): State<DemoOdoo>,
    Path((model, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    json2_reply(json2::call(&demo, &headers, &model, &method, &body))
}

async fn doc_bearer(State(demo): State<DemoOdoo>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let mut response = json2_reply(json2::documentation(&demo, &headers, &file));
    response
        .headers_mut()
        .insert(ETAG, HeaderValue::from_static(json2::ETAG));
    response
}

fn json2_reply((status, body): json2::Reply) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        Some(body) => (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response(),
        None if status == StatusCode::NOT_MODIFIED => status.into_response(),
        None => html(
            status,
            "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n",
        ),
    }
}

async fn jsonrpc(
    State(demo): State<DemoOdoo>,
    wire: Option<Extension<ConnectInfo<Wire>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_json = declares_json(&headers);
    let request = if is_json {
        Request::parse(&body)
    } else {
        Err(Reply::Refused(""))
    };
    let method = request.as_ref().map(Request::method).unwrap_or_default().to_owned();
    demo.count(if method.is_empty() { "/jsonrpc" } else { &method });
    let fault = demo.faults().take(&method);
    let answer = match request {
        _ if !is_json => unsupported(),
        Ok(request) if fault == Some(Fault::NoneResult) => respond(request.answer(Ok(super::value::Value::None))),
        Ok(request) => respond(request.answer(request.run(&demo))),
        Err(reply) => respond(reply),
    };
    spoiled(&demo, wire.map(|Extension(ConnectInfo(wire))| wire), fault, answer).await
}

fn declares_json(headers: &HeaderMap) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/json-rpc"]
        .iter()
        .any(|json| declared.eq_ignore_ascii_case(json))
}

fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Json(body) => json("application/json; charset=utf-8", body),
        Reply::Refused(text) => html(StatusCode::BAD_REQUEST, text),
    }
}

fn json(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, content_type)], body.into()).into_response()
}

fn html(status: StatusCode, body: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

fn unsupported() -> Response {
    let body = "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n\
                <p>Request inferred type is compatible with [&#39;http&#39;] but &#39;/jsonrpc&#39; is \
                type=&#39;jsonrpc&#39;.<br><br>Please verify the Content-Type request header and try again.</p>\n";
    let mut response = html(StatusCode::UNSUPPORTED_MEDIA_TYPE, body);
    response.headers_mut().insert(
        ACCEPT,
        HeaderValue::from_static("application/json, application/json-rpc"),
    );
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
    json("application/json; charset=utf-8", body)
}

async fn not_found(_: Method) -> Response {
    html(
        StatusCode::NOT_FOUND,
        "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found \
         on the server. If you entered the URL manually please check your spelling and try again.</p>\n",
    )
}

/// Makes of a true answer what the fault wants.
async fn spoiled(demo: &DemoOdoo, wire: Option<Wire>, fault: Option<Fault>, answer: Response) -> Response {
    let latency = demo.faults().latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fault {
        None | Some(Fault::NoneResult) => answer,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Raw(bytes)) => {
            if let Some(wire) = wire {
                wire.replace_answer(bytes);
            }
            answer
        }
        Some(Fault::Slow { bytes, every }) => slowly(answer, bytes.max(1), every).await,
        Some(Fault::Answer {
            status,
            content_type,
            headers,
            body,
        }) => verbatim(status, &content_type, headers, body),
        Some(Fault::Huge { bytes }) => huge(bytes),
    }
}

fn verbatim(status: u16, content_type: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    let typed = (!content_type.is_empty()).then(|| ("content-type".to_owned(), content_type.to_owned()));
    for (name, value) in headers.into_iter().chain(typed) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn slowly(answer: Response, bytes: usize, every: std::time::Duration) -> Response {
    let (parts, body) = answer.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let pieces = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let piece = rest.split_to(bytes.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(piece), rest))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Made while it is sent, so that it takes no memory.
fn huge(bytes: usize) -> Response {
    static FILL: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let start = Bytes::from_static(b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"");
    let fill = (0..bytes.div_ceil(FILL.len())).map(move |index| {
        let left = bytes - index * FILL.len();
        Bytes::from_static(&FILL[..left.min(FILL.len())])
    });
    let pieces = std::iter::once(start)
        .chain(fill)
        .chain(std::iter::once(Bytes::from_static(b"\"}")));
    let pieces = stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
    json("application/json; charset=utf-8", Body::from_stream(pieces))
}
