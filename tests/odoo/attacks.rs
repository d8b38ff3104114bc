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
    /// Model, method, arguments.
    call: (String, String, Value, Value),
    /// What the answer holds if it succeeds.
    #[serde(default)]
    shows: Option<String>,
    /// Or a call whose answer is another afterwards.
    #[serde(default)]
    probe: Option<(String, String, Value, Value)>,
}

const POLICIES: [(&str, &str); 6] = [
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

/// Fresh records, so that one attack does not spoil the next.
async fn fresh(admin: &Actor, product: &Value, user: &Value, model: &Value, index: usize) -> Value {
    let make = async |model: &str, values: Value| {
        let call = json!({"model": model, "method": "create", "args": [values]});
        admin.call(&call).await.data().clone()
    };
    let name = format!("attack-{index}-{}", uuid::Uuid::now_v7().simple());
    let partner = make(
        "res.partner",
        json!({"name": format!("Target {index}"), "email": "before@example.com", "comment": MARKER,
            "child_ids": [[0, 0, {"name": format!("Child {index}"), "comment": MARKER}]]}),
    )
    .await;
    let order = make(
        "sale.order",
        json!({"partner_id": partner, "note": MARKER, "order_line": [[0, 0, {"product_id": product, "product_uom_qty": 2}]]}),
    )
    .await;
    let lines = json!({"model": "sale.order.line", "method": "search", "args": [[["order_id", "=", order]]]});
    let line = admin.call(&lines).await.data()[0].clone();
    json!({"partner": partner, "partner_text": partner.to_string(), "order": order, "line": line, "product": product,
        "user": user, "model": model, "name": name})
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

    let mut wrong = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        let names = fresh(&admin, &product, &user, &model, index).await;
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
        if (refused.status, refused.code()) != (403, "policy_denied") || refused.json["details"]["rule"].is_null() {
            wrong.push(format!("not refused: {what}: {}", refused.text));
        }
        if data(&probe().await) != before {
            wrong.push(format!("refused, and yet something changed: {what}"));
        }

        let done = admin.call(&call).await;
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
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        attacks.len(),
        wrong.join("\n")
    );
}
