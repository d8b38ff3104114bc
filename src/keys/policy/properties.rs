//! What holds for every policy and every call, tried on random ones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::decide::tests::shop;
use super::{Access, Asked, Document, Operation, Policy, Rule, Verdict, decide};

const MODELS: [&str; 5] = ["sale.order", "sale.order.line", "res.partner", "res.users", "crm.tag"];
const FIELDS: [&str; 10] = [
    "name",
    "note",
    "date_order",
    "partner_id",
    "order_line",
    "tag_ids",
    "email",
    "comment",
    "parent_id",
    "order_id",
];

/// Calls in which `field` stands at one place each, and nowhere else but there.
fn places(field: &str) -> Vec<(&'static str, Value, Value)> {
    let own = json!([["id", "=", 1]]);
    let limit = json!({"limit": 1});
    let with = |name: &str, value: Value| json!({"limit": 1, name: value});
    vec![
        ("search_read", json!([own, [field]]), limit.clone()),
        ("search_read", json!([own]), with("fields", json!(["id", field]))),
        ("search", json!([[[field, "=", "x"]]]), limit.clone()),
        (
            "search",
            json!([["!", "|", ["id", "=", 1], [field, "in", ["x", "y"]]]]),
            limit.clone(),
        ),
        ("search_count", json!([[[field, "!=", false]]]), json!({})),
        (
            "search",
            json!([own]),
            with("order", json!(format!("id, {field} desc nulls last"))),
        ),
        ("read", json!([[1], [field]]), json!({})),
        ("read", json!([[1]]), json!({"fields": [field]})),
        (
            "read_group",
            json!([own, [format!("{field}:max")], ["id"]]),
            limit.clone(),
        ),
        (
            "read_group",
            json!([own, [format!("x:max({field})")], ["id"]]),
            limit.clone(),
        ),
        (
            "read_group",
            json!([own, ["id"], [format!("{field}:month")]]),
            limit.clone(),
        ),
        ("formatted_read_group", json!([own, [field]]), limit.clone()),
        (
            "formatted_read_group",
            json!([own, ["id"], [format!("{field}:max")]]),
            limit.clone(),
        ),
        (
            "formatted_read_group",
            json!([own, ["id"], [], [[format!("{field}:max"), ">", 1]]]),
            limit.clone(),
        ),
        ("web_read", json!([[1], {field: {}}]), json!({})),
        ("web_search_read", json!([own, {field: {}}]), limit.clone()),
        ("name_search", json!(["x", [[field, "=", 1]]]), limit),
        ("export_data", json!([[1], [field]]), json!({})),
        ("fields_get", json!([[field]]), json!({})),
        ("default_get", json!([[field]]), json!({})),
        ("create", json!([{field: "x"}]), json!({})),
        ("create", json!([[{}, {field: "x"}]]), json!({})),
        ("write", json!([[1], {field: "x"}]), json!({})),
        ("copy", json!([[1], {field: "x"}]), json!({})),
        ("load", json!([[field], [["x"]]]), json!({})),
        ("web_save", json!([[1], {field: "x"}, {}]), json!({})),
        (
            "create",
            json!([{}]),
            json!({"context": {format!("default_{field}"): "x"}}),
        ),
    ]
}

/// Calls of orders in which a field of another model stands at one place each: `read` is one
/// of the customer's, `set` one of a line's.
fn places_behind(read: &str, set: &str) -> Vec<(&'static str, Value, Value)> {
    let own = json!([["id", "=", 1]]);
    let path = format!("partner_id.{read}");
    let deep = format!("order_line.order_id.partner_id.{read}");
    let line = json!([[0, 0, {set: 1}]]);
    let limit = json!({"limit": 1});
    let customer = |inner: Value| json!([[1], {"partner_id": inner}]);
    vec![
        ("search", json!([[[path, "=", 1]]]), limit.clone()),
        ("search", json!([[[deep, "=", 1]]]), limit.clone()),
        ("search_count", json!([["!", [path, "!=", false]]]), json!({})),
        (
            "search",
            json!([[["partner_id", "any", [[read, "=", 1]]]]]),
            limit.clone(),
        ),
        (
            "search",
            json!([[[
                "order_line",
                "not any",
                [["order_id", "any", [["partner_id", "any", [[read, "=", 1]]]]]]
            ]]]),
            limit.clone(),
        ),
        (
            "search",
            json!([own]),
            json!({"limit": 1, "order": format!("id, {path} desc")}),
        ),
        (
            "read_group",
            json!([own, [format!("{path}:max")], ["id"]]),
            limit.clone(),
        ),
        ("read_group", json!([own, ["id"], [path]]), limit.clone()),
        (
            "formatted_read_group",
            json!([own, [format!("{path}:month")]]),
            limit.clone(),
        ),
        (
            "formatted_read_group",
            json!([own, ["id"], [format!("{path}:max")]]),
            limit.clone(),
        ),
        (
            "formatted_read_group",
            json!([own, ["id"], [], [[format!("{path}:max"), ">", 1]]]),
            limit.clone(),
        ),
        ("web_read", customer(json!({"fields": {read: {}}})), json!({})),
        (
            "web_read",
            customer(json!({"fields": {"id": {}}, "order": read})),
            json!({}),
        ),
        (
            "web_search_read",
            json!([own, {"order_line": {"limit": 1, "fields": {"order_id": {"fields": {"partner_id": {"fields": {read: {}}}}}}}}]),
            limit,
        ),
        ("export_data", json!([[1], [format!("partner_id/{read}")]]), json!({})),
        ("create", json!([{"order_line": line}]), json!({})),
        ("create", json!([[{}, {"order_line": line}]]), json!({})),
        ("write", json!([[1], {"order_line": line}]), json!({})),
        ("write", json!([[1], {"order_line": [[1, 7, {set: 1}]]}]), json!({})),
        ("web_save", json!([[1], {"order_line": line}, {}]), json!({})),
        (
            "web_save",
            json!([[1], {}, {"partner_id": {"fields": {read: {}}}}]),
            json!({}),
        ),
        (
            "write",
            json!([[1], {"order_line": [[0, 0, {}]]}]),
            json!({"context": {format!("default_{set}"): 1}}),
        ),
        ("load", json!([[format!("order_line/{set}")], [["x"]]]), json!({})),
        (
            "load",
            json!([["name", format!("order_line/{set}")], [["x", "y"]]]),
            json!({}),
        ),
    ]
}

/// Everything about orders, and of customers and lines what these fields are.
fn about_orders(read: &BTreeSet<String>, set: &BTreeSet<String>, context: &str) -> Document {
    let everything = [Operation::Read, Operation::Create, Operation::Write, Operation::Delete];
    let rule = |model: &str, read: Option<&BTreeSet<String>>, set: Option<&BTreeSet<String>>| Rule {
        model: model.into(),
        operations: everything.into(),
        methods: BTreeSet::new(),
        read_fields: read.cloned(),
        write_fields: set.cloned(),
    };
    Document {
        rules: vec![
            rule("sale.order", None, None),
            rule("res.partner", Some(read), Some(set)),
            rule("sale.order.line", None, Some(set)),
        ],
        context: Some(BTreeSet::from([context.to_owned()])),
        ..Document::of(Access::Rules)
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("JSON")
}

/// The verdict, and all that would go to Odoo.
fn asked(document: &Document, model: &str, call: &(&str, Value, Value)) -> (Verdict, String) {
    let (args, kwargs) = (raw(&call.1), raw(&call.2));
    let asked = Asked {
        model,
        method: call.0,
        args: &args,
        kwargs: &kwargs,
    };
    let verdict = decide(&Policy::Limited(document.clone()), &asked, &shop());
    let sent = match &verdict {
        Verdict::Allowed(allowed) => match &allowed.rewritten {
            Some((args, kwargs)) => format!("{args}{kwargs}"),
            None => format!("{args}{kwargs}"),
        },
        _ => String::new(),
    };
    (verdict, sent)
}

fn fields() -> impl Strategy<Value = Option<BTreeSet<String>>> {
    let names = proptest::sample::subsequence(FIELDS.to_vec(), 0..=FIELDS.len());
    proptest::option::of(names.prop_map(|names| names.into_iter().map(str::to_owned).collect()))
}

fn rule() -> impl Strategy<Value = Rule> {
    let operations = [Operation::Read, Operation::Create, Operation::Write, Operation::Delete];
    let model = proptest::sample::select(vec![
        "sale.order",
        "sale.*",
        "res.partner",
        "res.*",
        "crm.tag",
        "sale.order.line",
    ]);
    (
        model,
        proptest::sample::subsequence(operations.to_vec(), 0..=4),
        fields(),
        fields(),
    )
        .prop_map(|(model, operations, read_fields, write_fields)| Rule {
            model: model.into(),
            operations: operations.into_iter().collect(),
            methods: BTreeSet::from(["action_confirm".to_owned()]),
            read_fields,
            write_fields,
        })
}

fn document() -> impl Strategy<Value = Document> {
    let context = FIELDS.map(|field| format!("default_{field}"));
    let parts = (
        proptest::collection::vec(rule(), 1..5),
        proptest::option::of(1_u32..3),
        any::<bool>(),
    );
    parts.prop_map(move |(rules, max_limit, readonly_methods)| Document {
        readonly_methods,
        rules,
        max_limit,
        context: Some(context.iter().cloned().collect()),
        ..Document::of(Access::Rules)
    })
}

/// The document with one right less; which one, `choice` says.
fn reduced(mut document: Document, choice: usize) -> Document {
    let index = choice % document.rules.len();
    match choice % 7 {
        0 => drop(document.rules.remove(index)),
        1 => drop(document.rules[index].operations.pop_first()),
        2 => document.rules[index].methods.clear(),
        3 => drop(document.rules[index].read_fields.get_or_insert_default().pop_last()),
        4 => drop(document.rules[index].write_fields.get_or_insert_default().pop_last()),
        5 => (document.max_limit, document.readonly_methods) = (Some(1), false),
        _ => document.context = Some(BTreeSet::new()),
    }
    document
}

/// Calls of all kinds, also through relations.
fn any_call() -> impl Strategy<Value = (&'static str, (&'static str, Value, Value))> {
    let model = proptest::sample::select(MODELS.to_vec());
    (
        model,
        proptest::sample::select(FIELDS.to_vec()),
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(model, field, index)| {
            let mut calls = places(field);
            calls.extend(places_behind(field, field));
            calls.extend([
                ("write", json!([[1], {"order_line": false, "tag_ids": null}]), json!({})),
                (
                    "load",
                    json!([[".id", "order_line/.id", "tag_ids/id"], [["1", "2", "x"]]]),
                    json!({}),
                ),
                ("copy", json!([[1]]), json!({})),
                ("read", json!([[1]]), json!({})),
                ("unlink", json!([[1]]), json!({})),
                ("action_confirm", json!([[1]]), json!({})),
                ("action_view_invoice", json!([[1]]), json!({})),
                ("action_confirm", json!([[1], field]), json!({})),
                (
                    "search",
                    json!([[[format!("partner_id.{field}"), "=", 1]]]),
                    json!({"limit": 1}),
                ),
                (
                    "search",
                    json!([[["order_line", "any", [[field, "=", 1]]]]]),
                    json!({"limit": 2}),
                ),
                ("write", json!([[1], {"order_line": [[0, 0, {field: 1}]]}]), json!({})),
                (
                    "write",
                    json!([[1], {"order_line": [[1, 7, {field: 1}], [2, 8, 0]]}]),
                    json!({}),
                ),
                (
                    "write",
                    json!([[1], {"order_line": [[6, 0, [1]]], "tag_ids": [[4, 1, 0]]}]),
                    json!({}),
                ),
            ]);
            (model, calls.swap_remove(index.index(calls.len())))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_field_that_a_policy_lacks_never_goes_to_odoo(own in fields(), model in proptest::sample::select(MODELS.to_vec())) {
        let own = own.unwrap_or_default();
        let everything = [Operation::Read, Operation::Create, Operation::Write, Operation::Delete];
        let document = Document {
            rules: vec![Rule {
                model: model.into(),
                operations: everything.into(),
                methods: BTreeSet::new(),
                read_fields: Some(own.clone()),
                write_fields: Some(own),
            }],
            context: Some(BTreeSet::from(["default_zz_secret".to_owned()])),
            ..Document::of(Access::Rules)
        };
        for call in places("zz_secret") {
            let (verdict, sent) = asked(&document, model, &call);
            prop_assert!(!sent.contains("zz_secret"), "{call:?}: {verdict:?}");
            prop_assert!(matches!(verdict, Verdict::Refused(_)), "{call:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_field_of_another_model_that_a_policy_lacks_never_goes_to_odoo(read in fields(), set in fields()) {
        let document = about_orders(&read.unwrap_or_default(), &set.unwrap_or_default(), "default_zz_secret");
        for call in places_behind("zz_secret", "zz_secret") {
            let (verdict, sent) = asked(&document, "sale.order", &call);
            prop_assert!(!sent.contains("zz_secret"), "{call:?}: {verdict:?}");
            prop_assert!(matches!(verdict, Verdict::Refused(_)), "{call:?}: {verdict:?}");
        }
    }

    #[test]
    fn taking_a_right_away_never_turns_a_refusal_into_an_answer(
        document in document(),
        choices in proptest::collection::vec(any::<usize>(), 1..4),
        (model, call) in any_call(),
    ) {
        let mut less = document.clone();
        for choice in choices {
            if !less.rules.is_empty() {
                less = reduced(less, choice);
            }
        }
        let (before, after) = (asked(&document, model, &call).0, asked(&less, model, &call).0);
        prop_assert!(
            !matches!((&before, &after), (Verdict::Refused(_), Verdict::Allowed(_))),
            "{call:?} on {model}\n{document:?}\n{less:?}\n{before:?}\n{after:?}"
        );
    }

    #[test]
    fn what_is_allowed_for_all_fields_is_allowed_for_its_own_field(index in any::<proptest::sample::Index>()) {
        // The other way round: so that the first property does not hold by refusing all.
        let document = Document {
            rules: vec![Rule {
                model: "res.partner".into(),
                operations: [Operation::Read, Operation::Create, Operation::Write].into(),
                methods: BTreeSet::new(),
                read_fields: Some(BTreeSet::from(["email".to_owned()])),
                write_fields: Some(BTreeSet::from(["email".to_owned()])),
            }],
            context: Some(BTreeSet::from(["default_email".to_owned()])),
            ..Document::of(Access::Rules)
        };
        // name_search and copy touch fields that nobody named, so that no limited key has them.
        let calls: Vec<_> = places("email").into_iter().filter(|call| !["name_search", "copy"].contains(&call.0)).collect();
        let call = &calls[index.index(calls.len())];
        let (verdict, _) = asked(&document, "res.partner", call);
        prop_assert!(matches!(verdict, Verdict::Allowed(_)), "{call:?}: {verdict:?}");
    }

    #[test]
    fn what_is_allowed_behind_a_relation_is_allowed_for_its_own_field(index in any::<proptest::sample::Index>()) {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let document = about_orders(&own(&["email"]), &own(&["name", "order_id"]), "default_name");
        let calls = places_behind("email", "name");
        let call = &calls[index.index(calls.len())];
        let (verdict, _) = asked(&document, "sale.order", call);
        prop_assert!(matches!(verdict, Verdict::Allowed(_)), "{call:?}: {verdict:?}");
    }

    #[test]
    fn no_document_and_no_arguments_make_it_panic(text in ".{0,80}", args in "\\[[\\[\\]{}\",:0-9a-z ]{0,60}\\]") {
        let policy = Policy::load(&text);
        if let Ok(args) = RawValue::from_string(args) {
            let kwargs = raw(&json!({}));
            let asked = Asked { model: "res.partner", method: "search_read", args: &args, kwargs: &kwargs };
            let _ = decide(&policy, &asked, &shop());
            let _ = decide(&Policy::read_only(), &asked, &shop());
        }
    }
}
