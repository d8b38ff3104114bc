//! The demo Odoo's web session, JSON-2 and documentation, and what can go wrong
//! with them, over real HTTP. The words were captured from an Odoo 19.0.

use odoo_bridge::demo_odoo::{API_KEY, DB, Fault, Framing, PASSWORD, USERNAME};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::demo_odoo::Demo;

const LOGIN: &str = "/web/session/authenticate";
const CALL: &str = "/web/dataset/call_kw";
const FRAMINGS: [Framing; 3] = [Framing::Length, Framing::Chunked, Framing::UntilClose];

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON: {}", self.text))
    }

    fn cookies(&self) -> Vec<&str> {
        let cookies = self.headers.get_all("set-cookie").iter();
        cookies.map(|cookie| cookie.to_str().expect("text")).collect()
    }

    /// `error.code` and `data.name` of JSON-RPC, and the message.
    fn error(&self) -> (i64, String, String) {
        assert_eq!(self.status, 200, "{}", self.text);
        let error = &self.json()["error"];
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let data = &error["data"];
        (
            error["code"].as_i64().expect("a code"),
            text(&data["name"]),
            text(&data["message"]),
        )
    }

    /// Status, `name` and `message` of JSON-2, whose body must have all of Odoo's keys.
    fn refusal(&self) -> (u16, String, String) {
        let body = self.json();
        for key in ["name", "message", "arguments", "context", "debug"] {
            assert!(body.get(key).is_some(), "{key}: {}", self.text);
        }
        let text = |key: &str| body[key].as_str().expect("a text").to_owned();
        (self.status, text("name"), text("message"))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a body"),
    }
}

impl Demo {
    fn rpc(&self, path: &str, params: &Value) -> reqwest::RequestBuilder {
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": 7, "params": params});
        self.client.post(format!("{}{path}", self.address)).json(&body)
    }

    async fn log_in(&self, login: &str, password: &str) -> Answer {
        answer(self.rpc(LOGIN, &json!({"db": DB, "login": login, "password": password}))).await
    }

    async fn call_kw(&self, model: &str, method: &str, args: Value, kwargs: Value) -> Answer {
        let params = json!({"model": model, "method": method, "args": args, "kwargs": kwargs});
        answer(self.rpc(CALL, &params)).await
    }

    async fn count_orders(&self) -> Answer {
        self.call_kw("sale.order", "search_count", json!([[]]), json!({})).await
    }

    fn json2_request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/json/2/{path}", self.address))
            .bearer_auth(API_KEY)
            .json(body)
    }

    async fn json2(&self, path: &str, body: Value) -> Answer {
        answer(self.json2_request(path, &body)).await
    }

    fn documentation(&self, model: &str) -> reqwest::RequestBuilder {
        self.client
            .get(format!("{}/doc-bearer/{model}.json", self.address))
            .bearer_auth(API_KEY)
    }
}

fn expired() -> (i64, String, String) {
    (
        100,
        "odoo.http.SessionExpiredException".into(),
        "Session expired".into(),
    )
}

fn denied() -> (i64, String, String) {
    (0, "odoo.exceptions.AccessDenied".into(), "Access Denied".into())
}

#[tokio::test]
async fn a_login_opens_a_session_that_carries_calls() {
    let odoo = Demo::start().await;
    let login = odoo.log_in(USERNAME, PASSWORD).await;
    let start = r#"{"jsonrpc": "2.0", "id": 7, "result": {"uid": 2, "is_system": true, "is_admin": true, "is_public": false, "is_internal_user": true, "user_context": {"lang": "en_US", "tz": "Europe/Brussels", "uid": 2}, "db": "demo", "server_version": "19.0", "#;
    assert!(login.text.starts_with(start), "{}", login.text);
    assert_eq!(login.json()["result"]["username"], "admin");
    for cookie in login.cookies() {
        let (id, rest) = cookie.split_once("; ").expect("attributes");
        assert!(id.len() == "session_id=".len() + 84, "{cookie}");
        assert!(
            rest.starts_with("Expires=") && rest.ends_with(" GMT; Max-Age=604800; HttpOnly; Path=/"),
            "{cookie}"
        );
    }
    assert_eq!(login.cookies().len(), 2, "Odoo sends it twice");
    let count = odoo.count_orders().await;
    assert_eq!(count.text, r#"{"jsonrpc": "2.0", "id": 7, "result": 48}"#);
    assert!(count.cookies().is_empty());
    let named = json!({"model": "sale.order", "method": "search", "args": [[]], "kwargs": {"limit": 1}});
    let by_path = answer(odoo.rpc(&format!("{CALL}/sale.order.search"), &named)).await;
    assert_eq!(by_path.text, r#"{"jsonrpc": "2.0", "id": 7, "result": [48]}"#);
    let nothing = odoo
        .call_kw("sale.order", "check_access_rights", json!(["read"]), json!({}))
        .await;
    assert_eq!(nothing.text, r#"{"jsonrpc": "2.0", "id": 7}"#);
    assert_eq!((odoo.demo.counts().of(LOGIN), odoo.demo.counts().of("call_kw")), (1, 3));
    let demo = Demo::start().await;
    assert_eq!(demo.log_in("demo", "demo").await.json()["result"]["is_admin"], false);
}

#[tokio::test]
async fn a_login_is_refused_in_odoos_words() {
    let odoo = Demo::start().await;
    let wrong = odoo.log_in(USERNAME, "wrong").await;
    assert_eq!(
        wrong.text,
        r#"{"jsonrpc": "2.0", "id": 7, "error": {"code": 0, "message": "Odoo Server Error", "data": {"name": "odoo.exceptions.AccessDenied", "message": "Access Denied", "arguments": ["Access Denied"], "context": {}, "debug": "odoo.exceptions.AccessDenied: Access Denied\n"}}}"#
    );
    assert_eq!(
        odoo.log_in(USERNAME, API_KEY).await.error(),
        denied(),
        "a key opens no session"
    );
    let elsewhere = json!({"db": "nope", "login": USERNAME, "password": PASSWORD});
    let (code, name, message) = answer(odoo.rpc(LOGIN, &elsewhere)).await.error();
    assert_eq!(
        (code, &*name, &*message),
        (0, "odoo.exceptions.AccessError", "Database not found.")
    );
    let (_, name, message) = answer(odoo.rpc(LOGIN, &json!({"login": USERNAME}))).await.error();
    assert_eq!(name, "builtins.TypeError");
    assert_eq!(
        message,
        "Session.authenticate() missing 2 required positional arguments: 'db' and 'password'"
    );
    assert_eq!(odoo.count_orders().await.error(), expired(), "no session came of it");
}

#[tokio::test]
async fn a_user_with_two_factors_has_only_the_key() {
    let odoo = Demo::start().await;
    odoo.demo.faults().require_two_factor(true);
    let login = odoo.log_in(USERNAME, PASSWORD).await;
    assert_eq!(login.text, r#"{"jsonrpc": "2.0", "id": 7, "result": {"uid": null}}"#);
    assert_eq!(login.cookies().len(), 1, "a session that is nobody's yet");
    assert_eq!(odoo.count_orders().await.error(), expired());
    assert_eq!(odoo.log_in(USERNAME, "wrong").await.error(), denied());
    let over_rpc = |secret: &str| odoo.send("common", "authenticate", json!([DB, USERNAME, secret, {}]));
    assert_eq!(
        over_rpc(PASSWORD).await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": false}"#
    );
    assert_eq!(over_rpc(API_KEY).await, r#"{"jsonrpc": "2.0", "id": 1, "result": 2}"#);
}

#[tokio::test]
async fn sessions_end_and_get_new_ids_on_command() {
    let odoo = Demo::start().await;
    odoo.log_in(USERNAME, PASSWORD).await;
    odoo.demo.rotate_sessions();
    let old = odoo.log_in("demo", "demo").await;
    let old_id = old.cookies()[0].split_once("; ").expect("attributes").0.to_owned();
    odoo.demo.rotate_sessions();
    let rotated = odoo.count_orders().await;
    assert_eq!((rotated.status, rotated.cookies().len()), (200, 1), "{}", rotated.text);
    assert!(!rotated.cookies()[0].starts_with(&old_id));
    assert!(odoo.count_orders().await.cookies().is_empty(), "once is once");
    let params = json!({"model": "sale.order", "method": "search_count", "args": [[]], "kwargs": {}});
    let with_old = crate::helpers::client()
        .post(format!("{}{CALL}", odoo.address))
        .header("Cookie", old_id)
        .json(&json!({"id": 7, "params": params}));
    assert_eq!(answer(with_old).await.error(), expired(), "the old id is no good");

    odoo.demo.expire_sessions();
    let ended = odoo.count_orders().await;
    assert_eq!(ended.error(), expired());
    assert!(
        ended.text.starts_with(
            r#"{"jsonrpc": "2.0", "id": null, "error": {"code": 100, "message": "Odoo Session Expired", "data": {"#
        ),
        "{}",
        ended.text
    );
    odoo.log_in(USERNAME, PASSWORD).await;
    assert_eq!(odoo.count_orders().await.json()["result"], 48);
    let left = answer(odoo.rpc("/web/session/destroy", &json!({}))).await;
    assert_eq!(left.text, r#"{"jsonrpc": "2.0", "id": 7}"#);
    assert_eq!(odoo.count_orders().await.error(), expired());
}

#[tokio::test]
async fn calls_of_a_session_fail_in_odoos_words() {
    let odoo = Demo::start().await;
    odoo.log_in(USERNAME, PASSWORD).await;
    let missing = odoo.call_kw("no.model", "read", json!([]), json!({})).await;
    let (code, name, message) = missing.error();
    assert_eq!((code, &*name), (404, "werkzeug.exceptions.NotFound"));
    assert!(
        message.starts_with("404 Not Found: The requested URL was not found on the server."),
        "{message}"
    );
    assert_eq!(missing.json()["id"], Value::Null);
    assert_eq!(missing.json()["error"]["message"], "404: Not Found");
    assert_eq!(missing.json()["error"]["data"]["arguments"], json!([]));
    let no_method = odoo.call_kw("sale.order", "no_method", json!([]), json!({})).await;
    assert_eq!(no_method.error().1, "builtins.AttributeError");
    assert_eq!(no_method.json()["id"], 7);
    let private = odoo.call_kw("sale.order", "_x", json!([]), json!({})).await;
    assert_eq!(private.error().1, "odoo.exceptions.AccessError");
    let unnamed = json!({"model": "sale.order", "method": "search", "args": []});
    assert_eq!(
        answer(odoo.rpc(CALL, &unnamed)).await.error().2,
        "DataSet.call_kw() missing 1 required positional argument: 'kwargs'"
    );
    let post = |body: &'static str, content_type: &str| {
        let request = odoo.client.post(format!("{}{CALL}", odoo.address));
        answer(request.header("Content-Type", content_type).body(body))
    };
    assert_eq!(
        post("{", "application/json").await.error().1,
        "json.decoder.JSONDecodeError"
    );
    assert_eq!(post("[]", "application/json").await.error().1, "builtins.TypeError");
    let typed = post("{}", "text/plain").await;
    assert_eq!(typed.status, 415);
    assert!(
        typed
            .text
            .contains("&#39;/web/dataset/call_kw&#39; is type=&#39;jsonrpc&#39;"),
        "{}",
        typed.text
    );
}

#[tokio::test]
async fn a_key_and_named_arguments_get_the_bare_result() {
    let odoo = Demo::start().await;
    let orders = json!({"domain": [["state", "=", "sale"]], "fields": ["name"], "limit": 1, "order": "id"});
    assert_eq!(
        odoo.json2("sale.order/search_read", orders).await.text,
        r#"[{"id": 1, "name": "S00001"}]"#
    );
    for (path, body, result) in [
        ("sale.order/search_count", json!({"domain": []}), "48"),
        (
            "sale.order/read",
            json!({"ids": [1], "fields": ["name"], "context": {"lang": "en_US"}}),
            r#"[{"id": 1, "name": "S00001"}]"#,
        ),
        (
            "sale.order/read",
            json!({"ids": 1, "fields": ["name"]}),
            r#"[{"id": 1, "name": "S00001"}]"#,
        ),
        ("sale.order/read", json!({"ids": [999_999], "fields": ["name"]}), "[]"),
        ("res.partner/check_access_rights", json!({"operation": "read"}), "null"),
    ] {
        let answered = odoo.json2(path, body).await;
        assert_eq!((answered.status, answered.text.as_str()), (200, result), "{path}");
    }
    let one = odoo
        .json2("res.partner/create", json!({"vals_list": {"name": "One"}}))
        .await;
    let two = json!({"vals_list": [{"name": "Two"}, {"name": "Three"}]});
    let two = odoo.json2("res.partner/create", two).await;
    assert_eq!(one.json().as_array().map(Vec::len), Some(1), "a list for one");
    assert_eq!(two.json().as_array().map(Vec::len), Some(2));
    assert_eq!(odoo.demo.counts().of("json2"), 8);
}

#[tokio::test]
async fn every_refusal_of_json_2_has_odoos_status_and_words() {
    let odoo = Demo::start().await;
    let unprocessable = "werkzeug.exceptions.UnprocessableEntity";
    for (path, body, status, name, message) in [
        (
            "no.model/read",
            json!({}),
            404,
            "werkzeug.exceptions.NotFound",
            "the model 'no.model' does not exist",
        ),
        (
            "sale.order/no_method",
            json!({}),
            404,
            "werkzeug.exceptions.NotFound",
            "The method 'sale.order.no_method' does not exist",
        ),
        (
            "sale.order/_x",
            json!({}),
            403,
            "odoo.exceptions.AccessError",
            "Private methods (such as 'sale.order._x') cannot be called remotely.",
        ),
        (
            "sale.order/search_count",
            json!({"domain": [], "ids": [1]}),
            422,
            unprocessable,
            "cannot call sale.order.search_count with ids",
        ),
        (
            "sale.order/search_count",
            json!([]),
            422,
            unprocessable,
            "missing a required argument: 'domain'",
        ),
        (
            "sale.order/search_count",
            json!({"domain": [], "bogus": 1}),
            422,
            unprocessable,
            "got an unexpected keyword argument 'bogus'",
        ),
        (
            "sale.order/write",
            json!({"ids": [1], "bogus": 1}),
            422,
            unprocessable,
            "missing a required argument: 'vals'",
        ),
        (
            "sale.order/search_read",
            json!({"domain": [], "bogus": 1}),
            500,
            "builtins.TypeError",
            "BaseModel._read_format() got an unexpected keyword argument 'bogus'",
        ),
        (
            "sale.order/search",
            json!({"domain": [], "context": 3}),
            500,
            "builtins.TypeError",
            "'int' object is not iterable",
        ),
        (
            "sale.order/search_count",
            json!({"domain": [["nofield", "=", 1]]}),
            500,
            "builtins.ValueError",
            "Invalid field sale.order.nofield in condition ('nofield', '=', 1)",
        ),
        (
            "sale.order/write",
            json!({"ids": [999_999], "vals": {"note": "x"}}),
            404,
            "odoo.exceptions.MissingError",
            "Record does not exist or has been deleted.\n(Record: sale.order(999999,), User: 2)",
        ),
        (
            "sale.order",
            json!({}),
            404,
            "werkzeug.exceptions.NotFound",
            "Did you mean POST /json/2/<model>/<method>?",
        ),
    ] {
        let refused = odoo.json2(path, body.clone()).await;
        assert_eq!(
            refused.refusal(),
            (status, name.into(), message.into()),
            "{path} {body}"
        );
        let arguments = if name.starts_with("werkzeug") {
            json!([message, status])
        } else {
            json!([message])
        };
        assert_eq!(refused.json()["arguments"], arguments, "{path}");
        assert_eq!(
            refused.headers["content-type"], "application/json; charset=utf-8",
            "{path}"
        );
    }
    let invalid = odoo
        .json2("sale.order/create", json!({"vals_list": [{}]}))
        .await
        .refusal();
    assert_eq!(
        (invalid.0, invalid.1.as_str()),
        (422, "odoo.exceptions.ValidationError")
    );
    let address = format!("{}/json/2/sale.order/search", odoo.address);
    let get = answer(odoo.client.get(&address).bearer_auth(API_KEY)).await.refusal();
    assert_eq!((get.0, get.1.as_str()), (404, "werkzeug.exceptions.NotFound"));
    let typed = |body: &'static str, content_type: &str| {
        let request = odoo.client.post(&address).bearer_auth(API_KEY).body(body);
        answer(request.header("Content-Type", content_type))
    };
    let broken = typed("{", "application/json").await.refusal();
    assert_eq!((broken.0, broken.1.as_str()), (400, "werkzeug.exceptions.BadRequest"));
    assert_eq!(typed("{}", "text/plain").await.status, 415);
    assert_eq!(typed("", "text/plain").await.status, 422, "an empty body needs no type");
}

#[tokio::test]
async fn json_2_takes_no_password_and_no_other_database() {
    let odoo = Demo::start().await;
    let body = json!({"domain": []});
    let count = |authorization: &str| {
        let request = odoo
            .client
            .post(format!("{}/json/2/sale.order/search_count", odoo.address));
        answer(request.header("Authorization", authorization).json(&body))
    };
    let invalid = (
        401,
        "werkzeug.exceptions.Unauthorized".to_owned(),
        "Invalid apikey".to_owned(),
    );
    let refused = count(&format!("bearer {PASSWORD}")).await;
    assert_eq!(refused.refusal(), invalid);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    for scheme in ["", "Basic YWRtaW46YWRtaW4="] {
        assert_eq!(
            count(scheme).await.refusal().2,
            "User not authenticated, use an API Key with a Bearer Authorization header."
        );
    }
    assert_eq!(count(&format!("BEARER {API_KEY}")).await.text, "48");
    let in_database = |db: &'static str| {
        odoo.json2_request("sale.order/search_count", &body)
            .header("X-Odoo-Database", db)
    };
    assert_eq!(answer(in_database(DB)).await.text, "48");
    let unknown = answer(in_database("nope")).await;
    assert_eq!(
        (unknown.status, &unknown.headers["content-type"]),
        (404, &"text/html; charset=utf-8".parse().expect("a value"))
    );
    assert!(unknown.text.contains("No database is selected"), "{}", unknown.text);
}

#[tokio::test]
async fn the_documentation_tells_parameters_in_order_and_has_a_tag() {
    let odoo = Demo::start().await;
    let told = answer(odoo.documentation("sale.order")).await;
    let keys = r#"{"model": "sale.order", "name": "Sales Order", "doc": null, "fields": {"id": {"#;
    assert!(told.text.starts_with(keys), "{}", &told.text[..200]);
    let search = r#""search": {"signature": "(domain, offset=0, limit=None, order=None) -> list[int]", "parameters": {"domain": {"annotation": "DomainType"}, "offset": {"default": 0, "annotation": "int"}, "limit": {"default": null, "annotation": "int | None"}, "order": {"default": null, "annotation": "str | None"}}, "return": {"annotation": "list[int]"}, "api": ["model", "readonly"], "model": "core", "module": "core"}"#;
    assert!(told.text.contains(search));
    let methods = &told.json()["methods"];
    assert!(methods["write"].get("api").is_none() && methods["action_confirm"].is_object());
    assert!(
        methods.get("read_group").is_none(),
        "Odoo leaves deprecated methods out"
    );
    let partner = answer(odoo.documentation("res.partner")).await.json();
    assert!(partner["methods"].get("action_confirm").is_none());
    let tag = told.headers["etag"].clone();
    let again = answer(odoo.documentation("sale.order").header("If-None-Match", tag)).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let other = answer(odoo.documentation("sale.order").header("If-None-Match", "other")).await;
    assert_eq!(other.status, 200);
    assert_eq!(answer(odoo.documentation("no.model")).await.refusal().0, 404);
    let keyless = odoo.client.get(format!("{}/doc-bearer/sale.order.json", odoo.address));
    assert_eq!(answer(keyless).await.refusal().0, 401);
    odoo.demo.faults().forbid_documentation(true);
    let forbidden = answer(odoo.documentation("sale.order")).await.refusal();
    assert_eq!(
        (forbidden.0, forbidden.1.as_str()),
        (403, "odoo.exceptions.AccessError")
    );
    odoo.demo.faults().close_way("/doc-bearer");
    let absent = answer(odoo.documentation("sale.order")).await;
    assert_eq!(
        (absent.status, &absent.headers["content-type"]),
        (404, &"text/html; charset=utf-8".parse().expect("a value"))
    );
    assert_eq!(odoo.demo.counts().of("doc-bearer"), 7);
}

#[tokio::test]
async fn passwords_and_keys_are_refused_apart() {
    let odoo = Demo::start().await;
    let faults = odoo.demo.faults();
    let by_rpc = |secret: &'static str| {
        odoo.send(
            "object",
            "execute_kw",
            json!([DB, 2, secret, "sale.order", "search_count", [[]]]),
        )
    };
    let is_refused = |text: String| text.contains("odoo.exceptions.AccessDenied");
    assert!(
        by_rpc(API_KEY).await.ends_with("\"result\": 48}"),
        "a key is as good as a password"
    );
    odoo.log_in(USERNAME, PASSWORD).await;
    faults.refuse_password(true);
    assert!(is_refused(by_rpc(PASSWORD).await) && !is_refused(by_rpc(API_KEY).await));
    assert_eq!(odoo.log_in(USERNAME, PASSWORD).await.error(), denied());
    assert_eq!(
        odoo.count_orders().await.json()["result"],
        48,
        "a session that is open goes on"
    );
    faults.refuse_password(false);
    faults.refuse_api_key(true);
    assert!(is_refused(by_rpc(API_KEY).await) && !is_refused(by_rpc(PASSWORD).await));
    let count = || odoo.json2("sale.order/search_count", json!({"domain": []}));
    assert_eq!(count().await.refusal().0, 401);
    assert_eq!(answer(odoo.documentation("sale.order")).await.refusal().0, 401);
    faults.clear();
    assert_eq!(count().await.text, "48");
    faults.refuse_credentials(true);
    assert!(is_refused(by_rpc(API_KEY).await) && is_refused(by_rpc(PASSWORD).await));
    assert_eq!(count().await.refusal().0, 401);
}

#[tokio::test]
async fn a_way_that_is_closed_leaves_the_others_open() {
    let odoo = Demo::start().await;
    let paths = [
        "/jsonrpc",
        LOGIN,
        "/web/health",
        "/json/2/sale.order/search_count",
        "/json/version",
    ];
    for (closed, gone) in [
        ("/jsonrpc", &paths[..1]),
        ("/web", &paths[1..3]),
        ("/json/2", &paths[3..4]),
    ] {
        odoo.demo.faults().clear();
        odoo.demo.faults().close_way(closed);
        for path in paths {
            let page = answer(odoo.client.post(format!("{}{path}", odoo.address)).json(&json!({}))).await;
            let is_page = page
                .headers
                .get("content-type")
                .is_some_and(|typed| typed == "text/html; charset=utf-8");
            assert_eq!(
                (page.status, is_page) == (404, true),
                gone.contains(&path),
                "{path} with {closed} closed"
            );
        }
    }
}

#[tokio::test]
async fn planned_faults_fit_the_wire() {
    let odoo = Demo::start().await;
    odoo.log_in(USERNAME, PASSWORD).await;
    let faults = odoo.demo.faults();
    let count = || odoo.json2("sale.order/search_count", json!({"domain": []}));
    faults.set_on("call_kw", Fault::Huge { bytes: 200_000 });
    let framed = odoo.count_orders().await.json();
    assert_eq!(framed["result"].as_str().map(str::len), Some(200_000));
    assert_eq!(count().await.text, "48", "another wire is well");
    faults.clear();
    faults.set_on("json2", Fault::Huge { bytes: 200_000 });
    assert_eq!(count().await.json().as_str().map(str::len), Some(200_000));
    assert_eq!(odoo.count_orders().await.json()["result"], 48);
    faults.clear();
    faults.set(Fault::NoneResult);
    assert_eq!(count().await.text, "null");
    assert_eq!(odoo.count_orders().await.text, r#"{"jsonrpc": "2.0", "id": 1}"#);
}

/// The bytes of a body until it ends, and whether it ended well.
async fn drained(request: reqwest::RequestBuilder) -> (Vec<u8>, bool) {
    let mut response = request.send().await.expect("headers");
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk),
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}

#[tokio::test]
async fn a_large_result_is_cut_where_it_was_asked() {
    let odoo = Demo::start().await;
    odoo.log_in(USERNAME, PASSWORD).await;
    let params = json!({"model": "sale.order", "method": "search", "args": [[]], "kwargs": {}});
    for after in [50, 100_000, 3 * 16 * 1024] {
        for framing in FRAMINGS {
            odoo.demo.faults().clear();
            odoo.demo.faults().set(Fault::cut_after_in(framing, after));
            let requests = [
                (
                    odoo.rpc(CALL, &params),
                    &br#"{"jsonrpc": "2.0", "id": 1, "result": "xx"#[..],
                ),
                (
                    odoo.json2_request("sale.order/search", &json!({"domain": []})),
                    &br#""xxxx"#[..],
                ),
            ];
            for (request, start) in requests {
                let (bytes, ended_well) = drained(request).await;
                assert_eq!(bytes.len(), after, "{framing:?}");
                assert!(bytes.starts_with(start), "{framing:?}");
                assert_eq!(ended_well, framing == Framing::UntilClose, "{framing:?}");
                assert!(
                    serde_json::from_slice::<Value>(&bytes).is_err(),
                    "it can't pass for whole"
                );
            }
        }
    }
    assert_eq!(Fault::cut_after(9), Fault::cut_after_in(Framing::Length, 9));
}

#[tokio::test]
async fn connections_are_counted_and_kept_only_on_command() {
    let odoo = Demo::start().await;
    let connections = || odoo.demo.counts().of("connections");
    let count = || odoo.json2("sale.order/search_count", json!({"domain": []}));
    for _ in 0..3 {
        assert_eq!(count().await.headers["connection"], "close");
    }
    assert_eq!((connections(), odoo.demo.counts().total()), (3, 3));
    odoo.demo.faults().keep_alive(true);
    for _ in 0..3 {
        assert!(count().await.headers.get("connection").is_none());
    }
    assert_eq!((connections(), odoo.demo.counts().total()), (4, 6));
    odoo.demo.faults().set_times("json2", 1, Fault::cut_after(60));
    assert!(
        !drained(odoo.json2_request("sale.order/search_count", &json!({"domain": []})))
            .await
            .1
    );
    assert_eq!(
        (count().await.text.as_str(), connections()),
        ("48", 5),
        "after a cut there is a new one"
    );
}
