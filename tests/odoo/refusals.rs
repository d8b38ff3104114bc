//! Why the real Odoo refuses a call is told apart, whatever way it takes.

use super::*;

#[sqlx::test]
async fn a_refusal_says_whether_it_was_a_right_a_rule_or_a_name(pool: PgPool) {
    let _turn = RECORDS.lock().await;
    let app = RealApp::spawn_as(pool, "demo", "demo").await;
    let actor = app.actor().await;
    let filter =
        json!([{"name": "of the admin", "model_id": "res.partner", "user_ids": [[6, 0, [2]]], "domain": "[]"}]);
    let filter = direct(2, &env("PASSWORD"), "ir.filters", "create", &filter, &json!({})).await["result"].clone();
    let filter = filter.get(0).unwrap_or(&filter).clone();
    for (model, method, args, code, reason, now_called) in [
        (
            "ir.config_parameter",
            "search_read",
            json!([]),
            "odoo_access_denied",
            "access_right",
            None,
        ),
        (
            "ir.filters",
            "read",
            json!([[filter]]),
            "odoo_access_denied",
            "record_rule",
            None,
        ),
        (
            "res.partner",
            "write",
            json!([[999_999], {"name": "x"}]),
            "odoo_not_found",
            "missing_record",
            None,
        ),
        (
            "no.model",
            "search_count",
            json!([[]]),
            "odoo_not_found",
            "unknown_model",
            None,
        ),
        (
            "account.invoice",
            "search_count",
            json!([[]]),
            "odoo_not_found",
            "unknown_model",
            Some("account.move"),
        ),
        (
            "res.partner",
            "no_method",
            json!([]),
            "odoo_not_found",
            "unknown_method",
            None,
        ),
        (
            "res.partner",
            "fields_view_get",
            json!([]),
            "odoo_not_found",
            "unknown_method",
            Some("get_view"),
        ),
        (
            "sale.order",
            "create",
            json!([{}]),
            "odoo_rejected",
            "rejected_data",
            None,
        ),
        (
            "res.partner",
            "search",
            json!([[["no_field", "=", 1]]]),
            "odoo_error",
            "failed",
            None,
        ),
    ] {
        let answer = actor.call(&call(model, method, args, json!({}))).await;
        let details = &answer.json["details"];
        let told = (
            answer.code(),
            details["reason"].as_str(),
            details["now_called"].as_str(),
        );
        assert_eq!(
            told,
            (code, Some(reason), now_called),
            "{model}.{method}: {}",
            answer.text
        );
    }
    let gone = direct(
        2,
        &env("PASSWORD"),
        "ir.filters",
        "unlink",
        &json!([[filter]]),
        &json!({}),
    )
    .await;
    assert_eq!(gone["result"], true, "{gone}");
}
