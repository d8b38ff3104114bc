//! The demo Odoo over real HTTP. What it is held to was captured with curl from
//! an Odoo 19.0: where the data do not differ, the bytes are the same.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use odoo_bridge::demo_odoo::{DB, DemoOdoo, Fault, PASSWORD, USERNAME, serve};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::helpers::client;

/// A demo of its own, on a port of its own.
pub struct Demo {
    pub demo: DemoOdoo,
    pub address: String,
    pub client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

impl Demo {
    pub async fn start() -> Self {
        let now = NaiveDate::from_ymd_opt(2026, 6, 15)
            .and_then(|day| day.and_hms_opt(9, 0, 0))
            .expect("a moment");
        let demo = DemoOdoo::at(now);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, demo.clone(), async {
            let _ = stopped.await;
        }));
        Self {
            demo,
            address,
            client: client(),
            _stop: stop,
        }
    }

    fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/jsonrpc", self.address))
            .header("Content-Type", content_type)
            .body(body)
    }

    pub async fn send(&self, service: &str, method: &str, args: Value) -> String {
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": service, "method": method, "args": args}});
        let response = self
            .post("application/json", body.to_string())
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        response.text().await.expect("a body")
    }

    async fn as_user(&self, uid: i64, password: &str, call: [Value; 2], args: Value, kwargs: Value) -> String {
        let [model, method] = call;
        self.send(
            "object",
            "execute_kw",
            json!([DB, uid, password, model, method, args, kwargs]),
        )
        .await
    }

    pub async fn call(&self, model: &str, method: &str, args: Value, kwargs: Value) -> String {
        self.as_user(2, PASSWORD, [model.into(), method.into()], args, kwargs)
            .await
    }

    async fn result(&self, model: &str, method: &str, args: Value, kwargs: Value) -> Value {
        let text = self.call(model, method, args, kwargs).await;
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        assert!(answer.get("error").is_none(), "{text}");
        answer["result"].take()
    }

    /// The body with an empty `debug`, which must have been as Odoo's.
    async fn error(&self, model: &str, method: &str, args: Value, kwargs: Value) -> String {
        without_debug(&self.call(model, method, args, kwargs).await)
    }
}

fn without_debug(text: &str) -> String {
    let answer: Value = serde_json::from_str(text).expect("JSON");
    let debug = answer["error"]["data"]["debug"]
        .as_str()
        .unwrap_or_else(|| panic!("an error: {text}"));
    // Odoo takes the traceback from this one.
    let is_bare = debug == "odoo.exceptions.AccessDenied: Access Denied\n";
    assert!(
        is_bare || debug.starts_with("Traceback (most recent call last):\n  File \"/usr/lib/"),
        "{debug}"
    );
    let (before, _) = text.split_once("\"debug\": \"").expect("debug");
    format!("{before}\"debug\": \"\"}}}}}}")
}

/// An error as the real Odoo words it, with an empty `debug`.
fn real_error(class: &str, message: &str) -> String {
    let message = serde_json::to_string(message).expect("a string");
    format!(
        "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"error\": {{\"code\": 0, \"message\": \"Odoo Server Error\", \"data\": {{\"name\": \
         \"{class}\", \"message\": {message}, \"arguments\": [{message}], \"context\": {{}}, \"debug\": \"\"}}}}}}"
    )
}

#[tokio::test]
async fn version_and_credentials_answer_the_bytes_of_a_real_odoo() {
    let odoo = Demo::start().await;
    assert_eq!(
        odoo.send("common", "version", json!([])).await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": {"server_version": "19.0", "server_version_info": [19, 0, 0, "final", 0, ""], "server_serie": "19.0", "protocol_version": 1}}"#
    );
    let sign_in = |login: &str, password: &str| odoo.send("common", "authenticate", json!([DB, login, password, {}]));
    assert_eq!(
        sign_in(USERNAME, PASSWORD).await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": 2}"#
    );
    assert_eq!(
        sign_in("demo", "demo").await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": 5}"#
    );
    assert_eq!(
        sign_in("admin", "wrong").await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": false}"#
    );
    assert_eq!(odoo.demo.counts().of("authenticate"), 3);
}

#[tokio::test]
async fn what_is_no_json_rpc_is_refused_as_odoo_refuses_it() {
    let odoo = Demo::start().await;
    for (content_type, body, status, text) in [
        ("application/json", "{", 400, "Invalid JSON data"),
        ("application/json", "", 400, "Invalid JSON data"),
        ("application/json", "[]", 400, "Invalid JSON-RPC data"),
        ("application/json", "\"x\"", 400, "Invalid JSON-RPC data"),
        (
            "text/plain",
            "{}",
            415,
            "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>",
        ),
    ] {
        let response = odoo.post(content_type, body).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{content_type} {body}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let answer = response.text().await.expect("a body");
        assert!(answer.starts_with(text), "{body}: {answer}");
    }
    let unnamed = odoo.post(
        "application/json",
        r#"{"id": "\u00e9", "params": {"service": "common", "method": "version", "args": []}}"#,
    );
    let text = unnamed.send().await.expect("an answer").text().await.expect("a body");
    assert!(
        text.starts_with("{\"jsonrpc\": \"2.0\", \"id\": \"\u{e9}\", \"result\": {"),
        "{text}"
    );
}

#[tokio::test]
async fn health_and_version_pages_answer_the_bytes_of_a_real_odoo() {
    let odoo = Demo::start().await;
    for (path, content_type, body) in [
        ("/web/health", "application/json", r#"{"status": "pass"}"#),
        (
            "/web/health?db_server_status=1",
            "application/json",
            r#"{"status": "pass", "db_server_status": true}"#,
        ),
        (
            "/json/version",
            "application/json; charset=utf-8",
            r#"{"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}"#,
        ),
    ] {
        let response = odoo
            .client
            .get(format!("{}{path}", odoo.address))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.headers()["connection"], "close");
        assert_eq!(response.text().await.expect("a body"), body);
    }
    let response = odoo
        .client
        .get(format!("{}/nope", odoo.address))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn orders_read_as_odoo_writes_them() {
    let odoo = Demo::start().await;
    let fields = json!([
        "name",
        "partner_id",
        "amount_total",
        "date_order",
        "note",
        "order_line",
        "state"
    ]);
    // The real one: [{"id": 4, "name": "S00004", "partner_id": [10, "Gemini Furniture"],
    // "amount_total": 2240.0, "date_order": "2026-11-24 06:25:09", "note": false}]
    let kwargs = json!({"fields": fields, "limit": 1, "order": "id"});
    assert_eq!(
        odoo.call("sale.order", "search_read", json!([[["state", "=", "sale"]]]), kwargs)
            .await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": [{"id": 1, "name": "S00001", "partner_id": [13, "Pendrell & Marsh Legal"], "amount_total": 6552.47, "date_order": "2025-10-13 08:18:00", "note": false, "order_line": [1, 2, 3, 4], "state": "sale"}]}"#
    );
    let read = odoo
        .result(
            "sale.order",
            "read",
            json!([[1, 999_999], ["partner_id"]]),
            json!({"load": null}),
        )
        .await;
    assert_eq!(
        read,
        json!([{"id": 1, "partner_id": 13}]),
        "a record that is missing is left out"
    );
}

#[tokio::test]
async fn arguments_may_be_positional_or_named() {
    let odoo = Demo::start().await;
    let positional = odoo
        .call(
            "sale.order",
            "search_read",
            json!([[], ["name"], 2, 3, "id desc"]),
            json!({}),
        )
        .await;
    let kwargs = json!({"domain": [], "fields": ["name"], "offset": 2, "limit": 3, "order": "id desc", "context": {"lang": "en_US"}});
    assert_eq!(
        odoo.call("sale.order", "search_read", json!([]), kwargs).await,
        positional
    );
    assert!(positional.contains("S00046"), "{positional}");
    let plain = odoo
        .send(
            "object",
            "execute",
            json!([DB, 2, PASSWORD, "sale.order", "search", [], 2, 3, "id desc"]),
        )
        .await;
    assert_eq!(plain, r#"{"jsonrpc": "2.0", "id": 1, "result": [46, 45, 44]}"#);
}

#[tokio::test]
async fn there_is_enough_to_try_everything() {
    let odoo = Demo::start().await;
    for (model, least) in [
        ("sale.order", 30),
        ("res.partner", 20),
        ("product.product", 15),
        ("sale.order.line", 60),
        ("res.users", 2),
    ] {
        let count = odoo.result(model, "search_count", json!([[]]), json!({})).await;
        assert!(count.as_u64().is_some_and(|count| count >= least), "{model}: {count}");
    }
    let states = odoo
        .result(
            "sale.order",
            "read_group",
            json!([[], ["amount_total"], ["state"]]),
            json!({}),
        )
        .await;
    let names: Vec<&str> = states
        .as_array()
        .expect("groups")
        .iter()
        .filter_map(|group| group["state"].as_str())
        .collect();
    assert_eq!(names, ["cancel", "draft", "sale", "sent"]);
    let sale = odoo
        .result(
            "ir.module.module",
            "search_read",
            json!([[["name", "=", "sale"]], ["state"]]),
            json!({}),
        )
        .await;
    assert_eq!(sale[0]["state"], "installed");
}

#[tokio::test]
async fn groups_have_odoos_shape() {
    let odoo = Demo::start().await;
    let groups = odoo
        .call(
            "sale.order",
            "read_group",
            json!([[["state", "=", "sale"]], ["amount_total"], ["partner_id"]]),
            json!({"limit": 1}),
        )
        .await;
    // {"partner_id": [10, "Gemini Furniture"], "partner_id_count": 13, "amount_total": 13973.0,
    //  "__domain": ["&", ["state", "=", "sale"], ["partner_id", "=", 10]]}
    assert!(groups.starts_with(r#"{"jsonrpc": "2.0", "id": 1, "result": [{"partner_id": [19, "Ashgrove Primary School"], "partner_id_count": "#), "{groups}");
    assert!(
        groups.ends_with(r#""__domain": ["&", ["state", "=", "sale"], ["partner_id", "=", 19]]}]}"#),
        "{groups}"
    );
    let months = odoo
        .result(
            "sale.order",
            "formatted_read_group",
            json!([[], ["date_order:month"], ["__count"]]),
            json!({"order": "date_order:month desc"}),
        )
        .await;
    assert_eq!(
        months[0]["date_order:month"],
        json!(["2026-06-01 00:00:00", "June 2026"])
    );
    let span = json!([
        "&",
        ["date_order", ">=", "2026-06-01 00:00:00"],
        ["date_order", "<", "2026-07-01 00:00:00"]
    ]);
    assert_eq!(months[0]["__extra_domain"], span);
}

#[tokio::test]
async fn fields_are_described_byte_for_byte() {
    let odoo = Demo::start().await;
    let attributes = json!({"attributes": ["string", "type", "required", "readonly", "relation", "selection", "help"]});
    let names = json!([[
        "name",
        "company_id",
        "partner_id",
        "state",
        "date_order",
        "user_id",
        "order_line",
        "amount_total"
    ]]);
    assert_eq!(
        odoo.call("sale.order", "fields_get", names, attributes).await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": {"name": {"readonly": false, "required": true, "string": "Order Reference", "type": "char"}, "company_id": {"readonly": false, "relation": "res.company", "required": true, "string": "Company", "type": "many2one"}, "partner_id": {"readonly": false, "relation": "res.partner", "required": true, "string": "Customer", "type": "many2one"}, "state": {"readonly": true, "required": false, "selection": [["draft", "Quotation"], ["sent", "Quotation Sent"], ["sale", "Sales Order"], ["cancel", "Cancelled"]], "string": "Status", "type": "selection"}, "date_order": {"help": "Creation date of draft/sent orders,\nConfirmation date of confirmed orders.", "readonly": false, "required": true, "string": "Order Date", "type": "datetime"}, "user_id": {"readonly": false, "relation": "res.users", "required": false, "string": "Salesperson", "type": "many2one"}, "order_line": {"readonly": false, "relation": "sale.order.line", "required": false, "string": "Order Lines", "type": "one2many"}, "amount_total": {"readonly": true, "required": false, "string": "Total", "type": "monetary"}}}"#
    );
    assert_eq!(
        odoo.call("sale.order", "fields_get", json!([["name"]]), json!({}))
            .await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": {"name": {"change_default": false, "company_dependent": false, "default_export_compatible": false, "depends": [], "exportable": true, "groupable": true, "manual": false, "name": "name", "readonly": false, "required": true, "searchable": true, "sortable": true, "store": true, "string": "Order Reference", "translate": false, "trim": true, "type": "char"}}}"#
    );
}

#[tokio::test]
async fn every_row_of_the_error_table_has_odoos_words() {
    let odoo = Demo::start().await;
    let none = || json!({});
    let required = "The operation cannot be completed: Missing required value for the field 'Customer' (partner_id).\nModel: 'Sales Order' (sale.order)\n- create/update: a mandatory field is not set\n- delete: another model requires the record being deleted, you can archive it instead\n";
    for (model, method, args, kwargs, class, message) in [
        (
            "no.model",
            "search",
            json!([[]]),
            none(),
            "odoo.exceptions.UserError",
            "Object no.model doesn't exist",
        ),
        (
            "sale.order",
            "no_method",
            json!([[]]),
            none(),
            "builtins.AttributeError",
            "The method 'sale.order.no_method' does not exist",
        ),
        (
            "sale.order",
            "_x",
            json!([[]]),
            none(),
            "odoo.exceptions.AccessError",
            "Private methods (such as 'sale.order._x') cannot be called remotely.",
        ),
        (
            "sale.order",
            "unlink",
            json!([[1]]),
            none(),
            "odoo.exceptions.UserError",
            "You can not delete a sent quotation or a confirmed sales order. You must first cancel it.",
        ),
        (
            "sale.order",
            "create",
            json!([{}]),
            none(),
            "odoo.exceptions.ValidationError",
            required,
        ),
        (
            "res.partner",
            "create",
            json!([{}]),
            none(),
            "odoo.exceptions.ValidationError",
            "The operation cannot be completed: Contacts require a name",
        ),
        (
            "sale.order",
            "write",
            json!([[999_999], {"note": "x"}]),
            none(),
            "odoo.exceptions.MissingError",
            "Record does not exist or has been deleted.\n(Record: sale.order(999999,), User: 2)",
        ),
        (
            "sale.order",
            "write",
            json!([[1], {"nofield": 1}]),
            none(),
            "builtins.ValueError",
            "Invalid field 'nofield' in 'sale.order'",
        ),
        (
            "sale.order",
            "write",
            json!([[1], {"state": "nope"}]),
            none(),
            "builtins.ValueError",
            "Wrong value for sale.order.state: 'nope'",
        ),
        (
            "sale.order",
            "read",
            json!([[1], ["nofield"]]),
            none(),
            "builtins.ValueError",
            "Invalid field 'nofield' on 'sale.order'",
        ),
        (
            "sale.order",
            "search",
            json!([[["no_field", "=", 1]]]),
            none(),
            "builtins.ValueError",
            "Invalid field sale.order.no_field in condition ('no_field', '=', 1)",
        ),
        (
            "sale.order",
            "search",
            json!([["name"]]),
            none(),
            "builtins.ValueError",
            "Domain() invalid item in domain: 'name'",
        ),
        (
            "sale.order",
            "search",
            json!([[["name", "~", 1]]]),
            none(),
            "builtins.ValueError",
            "Invalid operator in condition ('name', '~', 1)",
        ),
        (
            "sale.order",
            "search",
            json!([[]]),
            json!({"bogus": 1}),
            "builtins.TypeError",
            "BaseModel.search() got an unexpected keyword argument 'bogus'",
        ),
        (
            "sale.order",
            "search_read",
            json!([[]]),
            json!({"bogus": 1}),
            "builtins.TypeError",
            "BaseModel._read_format() got an unexpected keyword argument 'bogus'",
        ),
        (
            "sale.order",
            "search",
            json!([]),
            none(),
            "builtins.TypeError",
            "BaseModel.search() missing 1 required positional argument: 'domain'",
        ),
        (
            "sale.order",
            "search",
            json!([[], 0, 1, "id", 5]),
            none(),
            "builtins.TypeError",
            "BaseModel.search() takes from 2 to 5 positional arguments but 6 were given",
        ),
        (
            "res.partner",
            "write",
            json!([[1], {}, 1]),
            none(),
            "builtins.TypeError",
            "ResPartner.write() takes 2 positional arguments but 3 were given",
        ),
        (
            "sale.order",
            "read_group",
            json!([[]]),
            none(),
            "builtins.TypeError",
            "BaseModel.read_group() missing 2 required positional arguments: 'fields' and 'groupby'",
        ),
        (
            "sale.order",
            "read",
            json!([]),
            none(),
            "builtins.IndexError",
            "list index out of range",
        ),
        (
            "sale.order",
            "search",
            json!([[]]),
            json!({"limit": -1}),
            "psycopg2.errors.InvalidRowCountInLimitClause",
            "LIMIT must not be negative\n",
        ),
        (
            "sale.order",
            "search",
            json!([[]]),
            json!({"order": "nofield"}),
            "builtins.ValueError",
            "Invalid field 'nofield' on model 'sale.order'",
        ),
    ] {
        assert_eq!(
            odoo.error(model, method, args.clone(), kwargs).await,
            real_error(class, message),
            "{model}.{method}({args})"
        );
    }
    assert_eq!(
        odoo.call("sale.order", "read", json!([[999_999]]), json!({})).await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": []}"#
    );
    let nothing = odoo
        .call("res.partner", "check_access_rights", json!(["read"]), json!({}))
        .await;
    assert_eq!(
        nothing, r#"{"jsonrpc": "2.0", "id": 1}"#,
        "None is neither a result nor an error"
    );
}

#[tokio::test]
async fn credentials_and_rights_are_checked_as_odoo_checks_them() {
    let odoo = Demo::start().await;
    let search = || [json!("sale.order"), json!("search_count")];
    let denied = odoo.as_user(2, "wrong", search(), json!([[]]), json!({})).await;
    assert_eq!(
        without_debug(&denied),
        real_error("odoo.exceptions.AccessDenied", "Access Denied")
    );
    let refused = odoo
        .as_user(
            5,
            "demo",
            [json!("ir.config_parameter"), json!("search_read")],
            json!([[]]),
            json!({}),
        )
        .await;
    assert_eq!(
        without_debug(&refused),
        real_error(
            "odoo.exceptions.AccessError",
            "You are not allowed to access 'System Parameter' (ir.config_parameter) records.\n\nThis operation is allowed for the following groups:\n\t- Role / Administrator\n\nContact your administrator to request access if necessary."
        )
    );
    let company = odoo
        .as_user(
            5,
            "demo",
            [json!("res.company"), json!("write")],
            json!([[1], {"name": "x"}]),
            json!({}),
        )
        .await;
    assert!(
        company.contains("You are not allowed to modify 'Companies' (res.company) records."),
        "{company}"
    );
    let elsewhere = odoo
        .send(
            "object",
            "execute_kw",
            json!(["nodb", 2, "admin", "sale.order", "search", [[]]]),
        )
        .await;
    assert!(
        elsewhere.contains("\"name\": \"psycopg2.OperationalError\""),
        "{elsewhere}"
    );
}

#[tokio::test]
async fn a_newcomer_makes_changes_and_deletes() {
    let odoo = Demo::start().await;
    assert!(
        odoo.result("res.partner", "create", json!([{"name": "New"}]), json!({}))
            .await
            .is_i64(),
        "a dict gives an id"
    );
    let two = odoo
        .result(
            "res.partner",
            "create",
            json!([[{"name": "A"}, {"name": "B"}]]),
            json!({}),
        )
        .await;
    let ids: Vec<i64> = serde_json::from_value(two).expect("a list gives a list");
    assert_eq!(
        odoo.result("res.partner", "write", json!([ids, {"city": "Ghent"}]), json!({}))
            .await,
        true
    );
    let named = odoo
        .result(
            "res.partner",
            "name_search",
            json!([]),
            json!({"name": "B", "domain": [["city", "=", "Ghent"]]}),
        )
        .await;
    assert_eq!(named, json!([[ids[1], "B"]]));
    let order = json!({"partner_id": 8, "order_line": [[0, 0, {"product_id": 1, "product_uom_qty": 2}]]});
    let id = odoo.result("sale.order", "create", json!([order]), json!({})).await;
    let made = odoo
        .result(
            "sale.order",
            "read",
            json!([[id], ["state", "amount_untaxed", "amount_total"]]),
            json!({}),
        )
        .await;
    assert_eq!(
        made,
        json!([{"id": id, "state": "draft", "amount_untaxed": 978.0, "amount_total": 1124.7}])
    );
    assert_eq!(
        odoo.result("sale.order", "unlink", json!([[id]]), json!({})).await,
        true
    );
    assert_eq!(
        odoo.result(
            "sale.order.line",
            "search_count",
            json!([[["order_id", "=", id]]]),
            json!({})
        )
        .await,
        0
    );
}

#[tokio::test]
async fn a_change_that_fails_changes_nothing() {
    let odoo = Demo::start().await;
    let before = odoo.call("res.partner", "search_read", json!([[]]), json!({})).await;
    for (method, args) in [
        ("create", json!([[{"name": "A"}, {}]])),
        ("write", json!([[8, 999_999], {"city": "x"}])),
    ] {
        odoo.error("res.partner", method, args, json!({})).await;
    }
    assert_eq!(
        odoo.call("res.partner", "search_read", json!([[]]), json!({})).await,
        before
    );
}

#[tokio::test]
async fn connections_break_where_a_fault_breaks_them() {
    let odoo = Demo::start().await;
    let version = || {
        odoo.post(
            "application/json",
            r#"{"params": {"service": "common", "method": "version", "args": []}}"#,
        )
        .send()
    };
    for fault in [Fault::cut_before_headers(), Fault::garbage()] {
        odoo.demo.faults().set(fault.clone());
        assert!(version().await.is_err(), "{fault:?}");
        odoo.demo.faults().clear();
    }
    for fault in [Fault::cut_after_headers(), Fault::cut_in_body()] {
        odoo.demo.faults().set(fault.clone());
        let response = version().await.expect("headers");
        assert_eq!(response.status(), StatusCode::OK, "{fault:?}");
        assert!(response.bytes().await.is_err(), "{fault:?}");
        odoo.demo.faults().clear();
    }
    odoo.demo.faults().set(Fault::Hang);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), version())
            .await
            .is_err(),
        "it hangs"
    );
    odoo.demo.faults().clear();
    assert_eq!(version().await.expect("it is well again").status(), StatusCode::OK);
}

#[tokio::test]
async fn answers_come_late_slowly_huge_or_quite_different() {
    let odoo = Demo::start().await;
    let faults = odoo.demo.faults();
    faults.set_latency(Duration::from_millis(60));
    let started = Instant::now();
    let whole = odoo.send("common", "version", json!([])).await;
    assert!(started.elapsed() >= Duration::from_millis(60));
    faults.clear();

    faults.set(Fault::Slow {
        bytes: 40,
        every: Duration::from_millis(10),
    });
    let started = Instant::now();
    assert_eq!(odoo.send("common", "version", json!([])).await, whole);
    assert!(
        started.elapsed() >= Duration::from_millis(40),
        "{:?}",
        started.elapsed()
    );
    faults.clear();

    faults.set(Fault::Huge { bytes: 3_000_000 });
    let huge: Value = serde_json::from_str(&odoo.send("common", "version", json!([])).await).expect("JSON");
    assert_eq!(huge["result"].as_str().map(str::len), Some(3_000_000));
    faults.clear();

    faults.set_times("version", 1, Fault::redirect("/elsewhere"));
    let response = odoo.post(
        "application/json",
        r#"{"params": {"service": "common", "method": "version", "args": []}}"#,
    );
    let response = response.send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (302, &"/elsewhere".parse().expect("a value"))
    );
    assert_eq!(odoo.send("common", "version", json!([])).await, whole, "once is once");

    faults.set_on("execute_kw", Fault::NoneResult);
    assert_eq!(
        odoo.call("sale.order", "search", json!([[]]), json!({})).await,
        r#"{"jsonrpc": "2.0", "id": 1}"#
    );
    assert_eq!(
        odoo.send("common", "version", json!([])).await,
        whole,
        "other methods are well"
    );
}

#[tokio::test]
async fn sales_can_be_missing_and_credentials_can_be_refused() {
    let odoo = Demo::start().await;
    odoo.demo.faults().uninstall_sales(true);
    let error = odoo.error("sale.order", "search", json!([[]]), json!({})).await;
    assert_eq!(
        error,
        real_error("odoo.exceptions.UserError", "Object sale.order doesn't exist")
    );
    let sale = odoo
        .result(
            "ir.module.module",
            "search_read",
            json!([[["name", "=", "sale"]], ["state"]]),
            json!({}),
        )
        .await;
    assert_eq!(sale[0]["state"], "uninstalled");
    odoo.demo.faults().clear();
    odoo.result("sale.order", "search_count", json!([[]]), json!({})).await;
    odoo.demo.faults().refuse_credentials(true);
    assert_eq!(
        odoo.send("common", "authenticate", json!([DB, USERNAME, PASSWORD, {}]))
            .await,
        r#"{"jsonrpc": "2.0", "id": 1, "result": false}"#
    );
    assert!(
        odoo.call("sale.order", "search", json!([[]]), json!({}))
            .await
            .contains("odoo.exceptions.AccessDenied")
    );
}

#[tokio::test]
async fn a_hostile_answer_arrives_as_it_is() {
    let odoo = Demo::start().await;
    for odd in crate::hostile_answers::hostile_answers() {
        odoo.demo.faults().clear();
        odoo.demo.faults().set(odd.fault());
        let response = odoo.post("application/json", "{}").send().await.expect("an answer");
        assert_eq!(response.status(), odd.status, "{}", odd.name);
        let content_type = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().expect("text"));
        assert_eq!(content_type.unwrap_or_default(), odd.content_type, "{}", odd.name);
        for (name, value) in &odd.headers {
            assert_eq!(response.headers()[*name], *value, "{}", odd.name);
        }
        assert!(response.bytes().await.expect("a body") == odd.body, "{}", odd.name);
    }
}

#[test]
fn each_hostile_answer_has_a_name_of_its_own_and_there_are_enough() {
    let all = crate::hostile_answers::hostile_answers();
    assert!(all.len() >= 40, "{}", all.len());
    for (index, odd) in all.iter().enumerate() {
        assert!(!odd.expected.is_empty(), "{}", odd.name);
        assert!(
            !all[..index].iter().any(|other| other.name == odd.name),
            "twice: {}",
            odd.name
        );
        if let Some(data) = &odd.data {
            assert!(
                odd.body.windows(data.len()).any(|window| window == data) || data == b"null",
                "{}",
                odd.name
            );
        }
    }
}
