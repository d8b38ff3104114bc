//! Ways around a policy, as data in `tests/attacks.json`. Each is tried twice on the
//! real Odoo: past a key with full access, to show that it would do harm, and past a
//! limited key, to show that it is refused and that nothing changed.

use odoo_bridge::keys::policy::FULL;
use serde::Deserialize;

use super::*;

const MARKER: &str = "s3cret-marker";

#[derive(Deserialize)]
struct Attack {
    class: String,
    /// Whose policy: see `POLICIES`.
    key: String,
    /// Which rule refuses it.
    rule: String,
    /// Model, method, arguments.
    call: (String, String, Value, Value),
    /// What the answer holds if it succeeds.
    #[serde(default)]
    shows: Option<String>,
    /// Or a call whose answer is another afterwards.
    #[serde(default)]
    probe: Option<(String, String, Value, Value)>,
    /// Odoo itself refuses it as well, so that it does no harm with full access.
    #[serde(default)]
    odoo_refuses: bool,
}

const POLICIES: [(&str, &str); 9] = [
    ("read_only", r#"{"access":"read_only"}"#),
    (
        "contacts",
        r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create","write"],
            "read_fields":["name","email","child_ids"],"write_fields":["email"]}],"max_limit":50}"#,
    ),
    (
        "orders",
        r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read","create","write"]}]}"#,
    ),
    (
        "partners",
        r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","create","write","delete"]}]}"#,
    ),
    (
        "everything",
        r#"{"access":"rules","rules":[{"model":"res.*","operations":["read","create","write","delete"]},
            {"model":"ir.*","operations":["read","create","write","delete"],"methods":["set_param"]},
            {"model":"mail.*","operations":["read","create","write","delete"]}]}"#,
    ),
    (
        "order_lines",
        r#"{"access":"rules","rules":[{"model":"sale.order","operations":["read","create","write"]},
            {"model":"sale.order.line","operations":["create"],"write_fields":["name","order_id","product_id"]}],
            "context":["default_price_unit"]}"#,
    ),
    (
        "confirms",
        r#"{"access":"rules","rules":[{"model":"sale.order","methods":["action_cancel","action_confirm"]}]}"#,
    ),
    (
        "journals",
        r#"{"access":"rules","rules":[{"model":"account.journal","operations":["read","write"]}]}"#,
    ),
    (
        "lines_by_kind",
        r#"{"access":"rules","rules":[{"model":"sale.*","operations":["read","write"]}]}"#,
    ),
];

/// Puts ids in the places of `$partner` and its like.
fn filled(value: &Value, names: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => names[name].clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, names)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => value.clone(),
    }
}

fn body((model, method, args, kwargs): &(String, String, Value, Value), names: &Value) -> Value {
    json!({"model": model, "method": method, "args": filled(args, names), "kwargs": filled(kwargs, names)})
}

/// Fresh records, so that one attack does not spoil the next; `common` are there for all.
async fn fresh(admin: &Actor, common: &Value, index: usize) -> Value {
    let make = async |model: &str, values: Value| {
        let call = json!({"model": model, "method": "create", "args": [values]});
        admin.call(&call).await.data().clone()
    };
    let name = format!("attack-{index}-{}", uuid::Uuid::now_v7().simple());
    let partner = make(
        "res.partner",
        json!({"name": format!("Target {index}"), "email": "before@example.com", "comment": MARKER,
            "category_id": [[0, 0, {"name": name}]],
            "child_ids": [[0, 0, {"name": format!("Child {index}"), "comment": MARKER, "ref": name}]]}),
    )
    .await;
    let line = json!([0, 0, {"product_id": common["product"], "product_uom_qty": 2}]);
    let order = json!({"partner_id": partner, "note": MARKER, "client_order_ref": name, "order_line": [line]});
    let tag = make("crm.tag", json!({"name": name})).await;
    let (order, other) = (make("sale.order", order.clone()).await, make("sale.order", order).await);
    let line_of = async |order: &Value| {
        let lines = json!({"model": "sale.order.line", "method": "search", "args": [[["order_id", "=", order]]]});
        admin.call(&lines).await.data()[0].clone()
    };
    let (line, other_line) = (line_of(&order).await, line_of(&other).await);
    let mut names = json!({"partner": partner, "order": order, "line": line, "other_line": other_line, "tag": tag});
    let float = |id: &Value| json!(id.as_f64());
    let ids = names
        .as_object()
        .expect("names")
        .clone()
        .into_iter()
        .chain(common.as_object().expect("names").clone());
    for (what, id) in ids {
        names[format!("{what}_text")] = id.to_string().into();
        names[format!("{what}_float")] = float(&id);
        names[what] = id;
    }
    names["name"] = name.into();
    names
}

#[sqlx::test]
async fn every_attack_does_harm_with_full_access_and_none_past_a_policy(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let attacks: Vec<Attack> = serde_json::from_str(include_str!("../attacks.json")).expect("the table");
    assert!(attacks.len() >= 60, "{}", attacks.len());
    let app = RealApp::spawn(pool.clone()).await;
    let actor = async |policy: &str| {
        let key = make_key(&pool, "attack", policy).await;
        Actor {
            address: format!("http://{}", app.bridge.address),
            client: client(),
            key: Some(key.plaintext),
        }
    };
    let admin = actor(FULL).await;
    let mut limited = std::collections::HashMap::new();
    for (name, policy) in POLICIES {
        odoo_bridge::keys::policy::Policy::parse(policy).expect(name);
        limited.insert(name, actor(policy).await);
    }
    let first = async |model: &str, domain: Value| {
        let call = json!({"model": model, "method": "search", "args": [domain], "kwargs": {"limit": 1}});
        admin.call(&call).await.data()[0].clone()
    };
    let product = first("product.product", json!([["sale_ok", "=", true]])).await;
    let model = first("ir.model", json!([["model", "=", "res.partner"]])).await;
    let user = first("res.users", json!([["login", "=", "demo"]])).await;
    let journal = first("account.journal", json!([["type", "=", "purchase"]])).await;
    let file = first(
        "ir.attachment",
        json!([["res_model", "=", "ir.ui.menu"], ["res_field", "!=", false]]),
    )
    .await;
    let login = format!("attacked-{}", uuid::Uuid::now_v7().simple());
    let values = json!({"name": login, "login": login, "email": "known@example.com"});
    let call = json!({"model": "res.users", "method": "create", "args": [values], "kwargs": {"context": {"no_reset_password": true}}});
    let known_user = admin.call(&call).await.data().clone();
    let call = json!({"model": "res.users", "method": "read", "args": [[known_user], ["partner_id"]]});
    let known_partner = admin.call(&call).await.data()[0]["partner_id"][0].clone();
    let common = json!({"product": product, "model": model, "user": user, "journal": journal, "file": file,
        "known_user": known_user, "known_partner": known_partner});

    let mut wrong = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        let names = fresh(&admin, &common, index).await;
        let call = body(&attack.call, &names);
        let probe = async || match &attack.probe {
            Some(probe) => admin.call(&body(probe, &names)).await.text,
            None => String::new(),
        };
        // The request's id differs from answer to answer.
        let data = |text: &str| text.split(",\"request_id\"").next().unwrap_or_default().to_owned();
        let what = format!("{} {}: {} {}", index, attack.class, attack.key, call);

        let before = data(&probe().await);
        let refused = limited[&*attack.key].call(&call).await;
        let is_refused = (refused.status, refused.code()) == (403, "policy_denied");
        if !is_refused || refused.json["details"]["rule"] != *attack.rule {
            wrong.push(format!("not refused by \"{}\": {what}: {}", attack.rule, refused.text));
        }
        if data(&probe().await) != before {
            wrong.push(format!("refused, and yet something changed: {what}"));
        }

        let done = admin.call(&call).await;
        if attack.odoo_refuses {
            if done.status == 200 || data(&probe().await) != before {
                wrong.push(format!("not refused by Odoo: {what}: {}", done.text));
            }
            continue;
        }
        let shown = attack.shows.as_ref().map(|text| match filled(&json!(text), &names) {
            Value::String(text) => text,
            other => other.to_string(),
        });
        let harm = match shown {
            Some(text) => done.text.contains(&text),
            None => data(&probe().await) != before,
        };
        if attack.class == "never" && attack.call.1 == "create" {
            let undo = json!({"model": attack.call.0, "method": "unlink", "args": [[done.json["data"]]]});
            admin.call(&undo).await.data();
        }
        if done.status != 200 || !harm {
            wrong.push(format!("no harm with full access: {what}: {}", done.text));
        }
    }
    let archive = json!({"model": "res.users", "method": "write", "args": [[common["known_user"]], {"active": false}]});
    admin.call(&archive).await.data();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        attacks.len(),
        wrong.join("\n")
    );
}

#[sqlx::test]
async fn a_method_that_odoo_marks_as_reading_is_allowed_to_a_key_that_trusts_the_mark_and_to_no_other(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn(pool.clone()).await;
    let actor = async |policy: &str| Actor {
        address: format!("http://{}", app.bridge.address),
        client: client(),
        key: Some(make_key(&pool, "marks", policy).await.plaintext),
    };
    let trusting = actor(r#"{"access":"read_only","readonly_methods":true}"#).await;
    let search = json!({"model": "sale.order", "method": "search", "args": [[]], "kwargs": {"limit": 1}});
    let order = trusting.call(&search).await.data()[0].clone();
    let call = |method: &str| json!({"model": "sale.order", "method": method, "args": [[order]]});
    let view = trusting.call(&call("action_view_invoice")).await;
    assert!(view.data()["type"].is_string(), "{}", view.text);
    let confirm = trusting.call(&call("action_confirm")).await;
    assert_eq!(
        (confirm.status, confirm.code()),
        (403, "policy_denied"),
        "{}",
        confirm.text
    );
    let read_only = actor(r#"{"access":"read_only"}"#).await;
    let refused = read_only.call(&call("action_view_invoice")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "policy_denied"),
        "{}",
        refused.text
    );
}
