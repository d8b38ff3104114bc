//! What the decision says to single calls.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::fields::ModelMethods;
use super::*;

/// Three models that lead to each other.
pub(in super::super) fn shop() -> Knowledge {
    let one = |model: &str| FieldKind::of("many2one", Some(model), None);
    let value = || FieldKind::Value;
    let model = |fields: &[(&str, FieldKind)]| {
        Arc::new(
            fields
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), kind.clone()))
                .collect(),
        )
    };
    let fields = HashMap::from([
        (
            "sale.order".to_owned(),
            model(&[
                ("name", value()),
                ("note", value()),
                ("date_order", FieldKind::Date),
                ("partner_id", one("res.partner")),
                ("user_id", one("res.users")),
                (
                    "order_line",
                    FieldKind::of("one2many", Some("sale.order.line"), Some("order_id")),
                ),
                ("tag_ids", FieldKind::of("many2many", Some("crm.tag"), None)),
                ("props", FieldKind::Opaque),
            ]),
        ),
        (
            "sale.order.line".to_owned(),
            model(&[
                ("name", value()),
                ("order_id", one("sale.order")),
                ("price_unit", value()),
            ]),
        ),
        (
            "res.partner".to_owned(),
            model(&[
                ("name", value()),
                ("email", value()),
                ("comment", value()),
                ("parent_id", one("res.partner")),
                ("category_id", FieldKind::of("many2many", Some("crm.tag"), None)),
                (
                    "child_ids",
                    FieldKind::of("one2many", Some("res.partner"), Some("parent_id")),
                ),
            ]),
        ),
        (
            "ir.attachment".to_owned(),
            model(&[
                ("name", value()),
                ("datas", value()),
                ("res_field", value()),
                ("access_token", value()),
                ("original_id", one("ir.attachment")),
            ]),
        ),
        (
            "res.users".to_owned(),
            model(&[
                ("name", value()),
                ("totp_secret", value()),
                ("groups_id", FieldKind::of("many2many", Some("res.groups"), None)),
            ]),
        ),
        ("crm.tag".to_owned(), model(&[("name", value())])),
    ]);
    let readonly = Arc::new(ModelMethods {
        readonly: HashSet::from(["action_view_invoice".to_owned()]),
        of_model: HashSet::from(["find_by_barcode".to_owned()]),
        parameters: HashMap::from([("search_read".to_owned(), vec!["domain".to_owned(), "fields".to_owned()])]),
    });
    let models = [
        "sale.order",
        "res.users",
        "res.partner",
        "sale.order.line",
        "ir.attachment",
    ];
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let copied = HashMap::from([
        ("sale.order".to_owned(), lines(&["sale.order.line"])),
        ("sale.order.line".to_owned(), lines(&[])),
        ("res.partner".to_owned(), lines(&[])),
    ]);
    Knowledge {
        fields,
        copied,
        users_behind: HashMap::from([(vec![1], false), (vec![7], false), (vec![3], true), (vec![3, 7], true)]),
        methods: models
            .map(|model| (model.to_owned(), Arc::clone(&readonly)))
            .into_iter()
            .chain(["crm.tag"].map(|model| (model.to_owned(), Arc::default())))
            .collect(),
    }
}

/// `model.method args kwargs` decided by a document.
fn ask(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> Verdict {
    let policy = Policy::parse(policy).expect("a policy");
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (args, kwargs) = (raw(args), raw(kwargs));
    let asked = Asked {
        model,
        method,
        args: &args,
        kwargs: &kwargs,
    };
    decide(&policy, &asked, &shop())
}

fn refused(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> String {
    match ask(policy, model, method, args, kwargs) {
        Verdict::Refused(refusal) => format!("{}: {}", refusal.rule, refusal.name),
        other => panic!("{model}.{method} {args} {kwargs}: {other:?}"),
    }
}

fn allowed(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> Option<(String, String)> {
    match ask(policy, model, method, args, kwargs) {
        Verdict::Allowed(allowed) => allowed
            .rewritten
            .map(|(args, kwargs)| (args.get().to_owned(), kwargs.get().to_owned())),
        other => panic!("{model}.{method} {args} {kwargs}: {other:?}"),
    }
}

const READ_ONLY: &str = r#"{"access":"read_only"}"#;
const PARTNERS: &str = r#"{"access":"rules","rules":[
    {"model":"res.partner","operations":["read","create","write"],"read_fields":["name","email"],"write_fields":["email"],"methods":["message_post"]},
    {"model":"sale.order","operations":["read","create","write"]}],"max_limit":50}"#;

#[test]
fn read_only_reads_and_does_nothing_else() {
    allowed(READ_ONLY, "sale.order", "search_read", "[[]]", r#"{"fields":["name"]}"#);
    allowed(READ_ONLY, "sale.order", "read", "[[1,2]]", "{}");
    allowed(READ_ONLY, "res.users", "context_get", "[]", "{}");
    for (method, args) in [
        ("create", r#"[{"name":"x"}]"#),
        ("write", r#"[[1],{"name":"x"}]"#),
        ("unlink", "[[1]]"),
        ("copy", "[[1]]"),
    ] {
        assert!(
            refused(READ_ONLY, "sale.order", method, args, "{}").starts_with("operation"),
            "{method}"
        );
    }
    assert_eq!(
        refused(READ_ONLY, "sale.order", "action_confirm", "[[1]]", "{}"),
        "method: action_confirm"
    );
    assert_eq!(
        refused(READ_ONLY, "sale.order", "get_everything", "[[1]]", "{}"),
        "method: get_everything"
    );
    assert_eq!(
        refused(READ_ONLY, "sale.order", "_read", "[[1]]", "{}"),
        "private: _read"
    );
    assert_eq!(
        refused(READ_ONLY, "ir.config_parameter", "search_read", "[[]]", "{}"),
        "never: ir.config_parameter"
    );
}

#[test]
fn no_path_leads_to_what_is_never_allowed() {
    for (args, kwargs) in [
        (r#"[[["user_id.groups_id.name","=","x"]]]"#, "{}"),
        (
            r#"[[["user_id","any",[["groups_id","any",[["name","=","x"]]]]]]]"#,
            "{}",
        ),
        ("[[]]", r#"{"order":"user_id.groups_id.name desc"}"#),
    ] {
        assert_eq!(
            refused(READ_ONLY, "sale.order", "search", args, kwargs),
            "never: res.groups",
            "{args} {kwargs}"
        );
    }
    let specification = r#"{"specification":{"user_id":{"fields":{"groups_id":{"fields":{"name":{}}}}}}}"#;
    assert_eq!(
        refused(READ_ONLY, "sale.order", "web_search_read", "[[]]", specification),
        "never: res.groups"
    );
    assert_eq!(
        refused(
            READ_ONLY,
            "sale.order",
            "export_data",
            r#"[[1],["user_id/groups_id/name"]]"#,
            "{}"
        ),
        "never: res.groups"
    );
}

#[test]
fn fields_are_put_in_where_none_are_given() {
    let (args, kwargs) = allowed(PARTNERS, "res.partner", "search_read", "[[]]", r#"{"limit":5}"#).expect("rewritten");
    assert_eq!(
        (args.as_str(), kwargs.as_str()),
        ("[[]]", r#"{"limit":5,"fields":["email","name"]}"#)
    );
    let (args, _) = allowed(PARTNERS, "res.partner", "read", "[[7],false]", "{}").expect("rewritten");
    assert_eq!(args, r#"[[7],["email","name"]]"#);
    assert_eq!(
        allowed(PARTNERS, "res.partner", "read", r#"[[7],["name"]]"#, "{}"),
        None
    );
    let (_, kwargs) = allowed(PARTNERS, "res.partner", "fields_get", "[]", "{}").expect("rewritten");
    assert_eq!(kwargs, r#"{"allfields":["email","name"]}"#);
}

#[test]
fn a_field_that_is_not_allowed_is_found_wherever_it_stands() {
    let limit = r#"{"limit":5}"#;
    for (method, args, kwargs) in [
        ("search_read", r#"[[["comment","=","x"]]]"#, limit),
        ("search_read", r#"[["|",["name","=","x"],["comment","=","x"]]]"#, limit),
        ("search_read", r#"[[["parent_id.comment","=","x"]]]"#, limit),
        ("search_read", r#"[[],["name","comment"]]"#, limit),
        ("search_read", r#"[[],["name"],0,5,"comment desc"]"#, "{}"),
        ("search", "[[]]", r#"{"limit":5,"order":"name, comment nulls last"}"#),
        ("read_group", r#"[[],["comment:count"],["name"]]"#, limit),
        ("read_group", r#"[[],["n:count(comment)"],["name"]]"#, limit),
        ("read_group", r#"[[],["name"],["comment"]]"#, limit),
        ("formatted_read_group", "[[]]", r#"{"limit":5,"groupby":["comment"]}"#),
        (
            "formatted_read_group",
            "[[]]",
            r#"{"limit":5,"aggregates":["comment:max"]}"#,
        ),
        (
            "formatted_read_group",
            "[[]]",
            r#"{"limit":5,"having":[["comment:max",">",1]]}"#,
        ),
        ("web_read", r#"[[1],{"comment":{}}]"#, "{}"),
        ("export_data", r#"[[1],["comment"]]"#, "{}"),
        ("fields_get", r#"[["comment"]]"#, "{}"),
        ("default_get", r#"[["comment"]]"#, "{}"),
    ] {
        let said = refused(PARTNERS, "res.partner", method, args, kwargs);
        assert!(
            said == "read_fields: comment" || said == "read_fields: parent_id",
            "{method} {args}: {said}"
        );
    }
    for (method, args, kwargs) in [
        ("create", r#"[{"comment":"x"}]"#, "{}"),
        ("create", r#"[[{"email":"x"},{"comment":"x"}]]"#, "{}"),
        ("write", r#"[[1],{"comment":"x"}]"#, "{}"),
        ("copy", r#"[[1],{"comment":"x"}]"#, "{}"),
        ("load", r#"[["email","comment"],[["a","b"]]]"#, "{}"),
        ("web_save", r#"[[1],{"comment":"x"},{}]"#, "{}"),
    ] {
        assert_eq!(
            refused(PARTNERS, "res.partner", method, args, kwargs),
            "write_fields: comment",
            "{method} {args}"
        );
    }
    let document = PARTNERS.replace(
        "\"max_limit\":50",
        "\"context\":[\"default_comment\",\"default_email\"]",
    );
    let with = |field: &str| format!(r#"{{"context":{{"default_{field}":"x"}}}}"#);
    allowed(&document, "res.partner", "create", r#"[{"email":"x"}]"#, &with("email"));
    assert_eq!(
        refused(
            &document,
            "res.partner",
            "create",
            r#"[{"email":"x"}]"#,
            &with("comment")
        ),
        "write_fields: comment"
    );
    assert_eq!(
        refused(PARTNERS, "res.partner", "create", r#"[{"email":"x"}]"#, &with("email")),
        "context: default_email"
    );
}

#[test]
fn each_command_is_an_operation_on_the_other_model() {
    let lines = |operations: &str| {
        format!(
            r#"{{"access":"rules","rules":[{{"model":"sale.order","operations":["write"]}},
            {{"model":"sale.order.line","operations":[{operations}],"write_fields":["name","order_id"]}}]}}"#
        )
    };
    let write = |policy: &str, commands: &str| {
        let args = format!(r#"[[1],{{"order_line":{commands}}}]"#);
        match ask(policy, "sale.order", "write", &args, "{}") {
            Verdict::Allowed(_) => "allowed".to_owned(),
            Verdict::Refused(refusal) => format!("{}: {}", refusal.rule, refusal.name),
            Verdict::Needs(unknown) => format!("{unknown:?}"),
        }
    };
    let (creates, writes) = (lines("\"create\""), lines("\"write\""));
    assert_eq!(write(&creates, r#"[[0,0,{"name":"x"}]]"#), "allowed");
    assert_eq!(
        write(&creates, r#"[[0,0,{"price_unit":1}]]"#),
        "write_fields: price_unit"
    );
    assert_eq!(write(&creates, r#"[[1,5,{"name":"x"}]]"#), "operation: write");
    assert_eq!(write(&writes, r#"[[1,5,{"name":"x"}]]"#), "allowed");
    assert_eq!(write(&writes, r#"[[0,0,{"name":"x"}]]"#), "operation: create");
    assert_eq!(write(&writes, "[[2,5,0]]"), "operation: delete");
    assert_eq!(write(&writes, "[[4,5,0]]"), "allowed");
    for unlinking in ["[[3,5,0]]", "[[5,0,0]]", "[[6,0,[5]]]"] {
        assert_eq!(write(&writes, unlinking), "operation: delete", "{unlinking}");
    }
    for odd in [
        "[[7,0,0]]",
        "[[1,\"5\",{}]]",
        "[5]",
        "[{}]",
        "{}x",
        "[[0,0,[]]]",
        "[[6,0,[true]]]",
        "[[\"0\",0,{}]]",
    ] {
        if let Ok(value) = serde_json::from_str::<&RawValue>(odd) {
            assert!(
                write(&lines(r#""create","write","delete""#), value.get()).starts_with("arguments"),
                "{odd}"
            );
        }
    }
    // To any depth.
    let deep = r#"[[0,0,{"name":"x","order_id":{"note":"y"}}]]"#;
    assert!(write(&creates, deep).starts_with("arguments"));
    assert_eq!(
        refused(
            PARTNERS,
            "sale.order",
            "create",
            r#"[{"order_line":[[0,0,{"name":"x"}]]}]"#,
            "{}"
        ),
        "model: sale.order.line"
    );
    assert_eq!(
        refused(PARTNERS, "sale.order", "create", r#"[{"tag_ids":[[4,7,0]]}]"#, "{}"),
        "model: crm.tag"
    );
    assert_eq!(
        refused(PARTNERS, "sale.order", "create", r#"[{"props":[{"x":1}]}]"#, "{}"),
        "arguments: props"
    );
}

#[test]
fn what_is_ambiguous_is_refused_and_not_interpreted() {
    let read = |args: &str, kwargs: &str| refused(PARTNERS, "res.partner", "search_read", args, kwargs);
    assert_eq!(read("[[]]", r#"{"domain":[],"limit":5}"#), "arguments: domain");
    assert_eq!(
        read("[[],[\"name\"]]", r#"{"fields":["name"],"limit":5}"#),
        "arguments: fields"
    );
    assert_eq!(read("[[]]", r#"{"limit":5,"limit":5}"#), "arguments: kwargs");
    assert_eq!(read("[[]]", r#"{"limit":5,"l\u0069mit":5}"#), "arguments: kwargs");
    assert_eq!(read("[[]]", r#"{"limit":5,"fieldz":["comment"]}"#), "arguments: fieldz");
    assert_eq!(read("[[],[],0,5,\"name\",\"x\",\"y\"]", "{}"), "arguments: search_read");
    for ids in [
        "[0]", "[-1]", "[1.0]", "[\"1\"]", "[true]", "{}", "\"1\"", "null", "[[1]]", "0",
    ] {
        assert_eq!(
            refused(PARTNERS, "res.partner", "read", &format!("[{ids}]"), "{}"),
            "ids: ids",
            "{ids}"
        );
    }
    assert_eq!(refused(PARTNERS, "res.partner", "read", "[]", "{}"), "ids: ids");
    for domain in [
        r#"[["name","=",{"a":1}]]"#,
        r#"[["name","=",[[1]]]]"#,
        r#"[["name","="]]"#,
        r#"["x"]"#,
        r#""x""#,
        r#"[["name","any!",[]]]"#,
    ] {
        assert!(
            read(&format!("[{domain}]"), r#"{"limit":5}"#).starts_with("arguments"),
            "{domain}"
        );
    }
}

#[test]
fn a_cap_on_records_can_not_be_walked_around() {
    for kwargs in [
        "{}",
        r#"{"limit":0}"#,
        r#"{"limit":-1}"#,
        r#"{"limit":null}"#,
        r#"{"limit":false}"#,
        r#"{"limit":51}"#,
    ] {
        assert_eq!(
            refused(PARTNERS, "res.partner", "search", "[[]]", kwargs),
            "max_limit: limit",
            "{kwargs}"
        );
    }
    assert_eq!(
        refused(PARTNERS, "res.partner", "search", "[[]]", r#"{"limit":"5"}"#),
        "arguments: limit"
    );
    let many = format!("[{:?}]", (1..=51).collect::<Vec<_>>());
    assert_eq!(refused(PARTNERS, "res.partner", "read", &many, "{}"), "max_limit: ids");
    allowed(PARTNERS, "res.partner", "search", "[[],0,50]", "{}");
}

#[test]
fn a_method_that_is_named_takes_ids_and_harmless_values_only_where_fields_are_limited() {
    allowed(PARTNERS, "res.partner", "message_post", "[[1]]", "{}");
    allowed(
        PARTNERS,
        "res.partner",
        "message_post",
        "[[1]]",
        r#"{"body":"x","subject":"y"}"#,
    );
    for kwargs in [
        r#"{"comment":"x"}"#,
        r#"{"body":{"comment":"x"}}"#,
        r#"{"partner_ids":[7]}"#,
    ] {
        assert_eq!(
            refused(PARTNERS, "res.partner", "message_post", "[[1]]", kwargs),
            "arguments: message_post",
            "{kwargs}"
        );
    }
    assert_eq!(
        refused(PARTNERS, "res.partner", "message_post", r#"[[1],"x"]"#, "{}"),
        "arguments: message_post"
    );
    let free = r#"{"access":"rules","rules":[{"model":"res.partner","methods":["message_post"]}]}"#;
    allowed(free, "res.partner", "message_post", "[[1]]", r#"{"body":"x"}"#);
    assert_eq!(
        refused(free, "res.partner", "message_post", "[[1]]", r#"{"context":{"x":1}}"#),
        "context: x"
    );
}

#[test]
fn what_odoo_finds_or_sorts_by_the_name_of_a_record_needs_all_fields_of_that_record() {
    let policy = |partner: &str| {
        format!(
            r#"{{"access":"rules","rules":[{{"model":"sale.*","operations":["read","create","write"]}}{partner}]}}"#
        )
    };
    let (none, some, all) = (
        policy(""),
        policy(r#",{"model":"res.partner","operations":["read"],"read_fields":["name","parent_id","display_name"]}"#),
        policy(r#",{"model":"res.partner","operations":["read"]}"#),
    );
    for (method, args) in [
        ("search", r#"[[["partner_id","ilike","x"]]]"#),
        ("search", r#"[[["partner_id","=like",5]]]"#),
        ("search", r#"[[["partner_id","=","x"]]]"#),
        ("search", r#"[[["partner_id","not in",[7,"x"]]]]"#),
        ("search", r#"[[["partner_id","child_of",7]]]"#),
        ("search", r#"[[["partner_id.parent_id","ilike","x"]]]"#),
        ("search", r#"[[["order_line.order_id.partner_id","parent_of",[7]]]]"#),
        ("search_read", r#"[[],["name"],0,5,"name, partner_id desc"]"#),
        (
            "formatted_read_group",
            r#"[[],["partner_id"],["__count"],[],0,5,"partner_id"]"#,
        ),
        ("load", r#"[["name","partner_id"],[["a","b"]]]"#),
    ] {
        allowed(&all, "sale.order", method, args, "{}");
        assert_eq!(
            refused(&none, "sale.order", method, args, "{}"),
            "model: res.partner",
            "{args}"
        );
        assert!(
            refused(&some, "sale.order", method, args, "{}").starts_with("read_fields: "),
            "{args}"
        );
    }
    // Of the model's own, too.
    for args in [
        r#"[[["display_name","ilike","x"]]]"#,
        r#"[[["id","child_of",7]]]"#,
        r#"[[["parent_id","parent_of",7]]]"#,
        r#"[[],0,5,"display_name"]"#,
    ] {
        assert!(
            refused(&some, "res.partner", "search", args, "{}").starts_with("read_fields: "),
            "{args}"
        );
        allowed(&all, "res.partner", "search", args, "{}");
    }
    // What names a record by its id tells nothing else, nor does a text of the record's own.
    for args in [
        r#"[[["partner_id","=",7],["partner_id","in",[7,8]],["partner_id","!=",false]]]"#,
        r#"[[["name","ilike","x"],["date_order",">=","2026-01-01"],["date_order.month_number","=","1"]]]"#,
        r#"[[["id","in",["7"]]],0,5,"date_order desc, id"]"#,
    ] {
        allowed(&none, "sale.order", "search", args, "{}");
    }
    let by_id = r#"[[],0,5,"partner_id.id desc"]"#;
    allowed(&some, "sale.order", "search", by_id, "{}");
    allowed(
        &none,
        "sale.order",
        "load",
        r#"[["name","partner_id/.id"],[["a","7"]]]"#,
        "{}",
    );
    allowed(
        READ_ONLY,
        "sale.order",
        "search",
        r#"[[["partner_id","ilike","x"]],0,5,"partner_id"]"#,
        "{}",
    );
}

#[test]
fn a_name_that_is_looked_for_in_fields_nobody_named_is_refused_where_fields_are_limited() {
    let search = |policy: &str| {
        ask(
            policy,
            "res.partner",
            "name_search",
            r#"["x@example.com"]"#,
            r#"{"limit":5}"#,
        )
    };
    assert!(matches!(search(PARTNERS), Verdict::Refused(refusal) if refusal.rule == "read_fields"));
    assert!(matches!(search(READ_ONLY), Verdict::Allowed(_)));
}

#[test]
fn without_the_fields_of_a_model_nothing_behind_it_is_judged() {
    let policy = Policy::parse(READ_ONLY).expect("a policy");
    let mut nothing = Knowledge::default();
    nothing.methods.insert("x.y".into(), Arc::default());
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (args, kwargs) = (raw(r#"[[["a.b","=",1]]]"#), raw("{}"));
    let asked = Asked {
        model: "x.y",
        method: "search",
        args: &args,
        kwargs: &kwargs,
    };
    assert!(matches!(decide(&policy, &asked, &nothing), Verdict::Needs(Unknown::FieldsOf(model)) if model == "x.y"));
    assert!(matches!(
        decide(&Policy::Nothing, &asked, &nothing),
        Verdict::Refused(_)
    ));
    assert!(matches!(decide(&Policy::Full, &asked, &nothing), Verdict::Allowed(_)));
}

#[test]
fn what_odoo_marks_as_reading_counts_only_where_a_policy_trusts_the_mark() {
    let trusting = r#"{"access":"read_only","readonly_methods":true}"#;
    let by_rule =
        r#"{"access":"rules","readonly_methods":true,"rules":[{"model":"sale.order","operations":["read"]}]}"#;
    for policy in [trusting, by_rule] {
        let view = |model: &str, method: &str, args: &str, kwargs: &str| refused(policy, model, method, args, kwargs);
        allowed(
            policy,
            "sale.order",
            "action_view_invoice",
            "[[7]]",
            r#"{"month":3,"title":"x","context":{"lang":"x"}}"#,
        );
        assert_eq!(
            view("sale.order", "action_confirm", "[[7]]", "{}"),
            "method: action_confirm"
        );
        for (args, kwargs) in [
            (r#"[[["user_id.groups_id","=",1]]]"#, "{}"),
            ("[[7]]", r#"{"order":"user_id.groups_id.name"}"#),
            ("[[7]]", r#"{"specification":{"user_id":{}}}"#),
            ("[[7]]", r#"{"fields":["name"]}"#),
        ] {
            let said = view("sale.order", "action_view_invoice", args, kwargs);
            assert_eq!(said, "arguments: action_view_invoice", "{args} {kwargs}");
        }
        assert_eq!(
            view("sale.order", "action_view_invoice", "[[7]]", r#"{"context":{"x":1}}"#),
            "context: x"
        );
        assert_eq!(
            view("res.users", "action_view_invoice", "[[7]]", "{}"),
            "never: res.users"
        );
    }
    assert_eq!(
        refused(READ_ONLY, "sale.order", "action_view_invoice", "[[7]]", "{}"),
        "method: action_view_invoice"
    );
    let some = by_rule.replace(r#"["read"]"#, r#"["read"],"read_fields":["name"]"#);
    assert_eq!(
        refused(&some, "sale.order", "action_view_invoice", "[[7]]", "{}"),
        "read_fields: action_view_invoice"
    );
    let writes = by_rule.replace(r#"["read"]"#, r#"["write"]"#);
    assert_eq!(
        refused(&writes, "sale.order", "action_view_invoice", "[[7]]", "{}"),
        "operation: read"
    );
    let full = Policy::parse(r#"{"access":"full","readonly_methods":true}"#);
    assert!(full.is_err_and(|error| error.0.contains("readonly_methods")));
    let unknown = ask(trusting, "crm.stage", "action_view_invoice", "[[7]]", "{}");
    assert!(matches!(unknown, Verdict::Needs(Unknown::MethodsOf(model)) if model == "crm.stage"));
}

/// The verdict in a word or two.
fn said(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> String {
    match ask(policy, model, method, args, kwargs) {
        Verdict::Allowed(_) => "allowed".to_owned(),
        Verdict::Refused(refusal) => format!("{}: {}", refusal.rule, refusal.name),
        Verdict::Needs(unknown) => format!("{unknown:?}"),
    }
}

/// A policy by these rules.
fn rules(rules: &str) -> String {
    format!(r#"{{"access":"rules","rules":[{rules}]}}"#)
}

#[test]
fn nothing_in_the_place_of_lines_is_the_command_that_removes_them() {
    let orders = rules(r#"{"model":"sale.order","operations":["read","create","write"]}"#);
    let lines = |operations: &str| {
        rules(&format!(
            r#"{{"model":"sale.order","operations":["read","create","write"]}},{{"model":"sale.order.line","operations":[{operations}]}}"#
        ))
    };
    for nothing in ["false", "null", "0", "\"\""] {
        let values = format!(r#"[[1],{{"order_line":{nothing}}}]"#);
        assert_eq!(
            said(&orders, "sale.order", "write", &values, "{}"),
            "model: sale.order.line"
        );
        assert_eq!(
            said(&orders, "sale.order", "web_save", &values, "{}"),
            "model: sale.order.line"
        );
        let (writes, all) = (lines(r#""write""#), lines(r#""write","delete""#));
        assert_eq!(said(&writes, "sale.order", "write", &values, "{}"), "operation: delete");
        assert_eq!(said(&all, "sale.order", "write", &values, "{}"), "allowed");
        let deep = format!(r#"[[1],{{"order_line":[[1,5,{{"name":{nothing}}}]]}}]"#);
        assert_eq!(said(&writes, "sale.order", "write", &deep, "{}"), "allowed");
    }
    let tags = r#"[[1],{"tag_ids":null}]"#;
    assert_eq!(said(&orders, "sale.order", "write", tags, "{}"), "model: crm.tag");
    for value in [r#"{"note":false}"#, r#"{"partner_id":false}"#, r#"{"order_line":[]}"#] {
        assert_eq!(
            said(&orders, "sale.order", "write", &format!("[[1],{value}]"), "{}"),
            "allowed"
        );
    }
}

#[test]
fn a_column_of_an_import_is_an_operation_on_the_records_it_leads_to() {
    let with = |other: &str| {
        rules(&format!(
            r#"{{"model":"sale.order","operations":["read","create","write"]}}{other}"#
        ))
    };
    let load = |policy: &str, column: &str| {
        let args = format!(r#"[[".id","{column}"],[["1","2"]]]"#);
        said(policy, "sale.order", "load", &args, "{}")
    };
    for column in ["order_line", "order_line/.id", "order_line/id", "order_line/name"] {
        assert_eq!(load(&with(""), column), "model: sale.order.line", "{column}");
        let reads = with(r#",{"model":"sale.order.line","operations":["read"]}"#);
        assert_eq!(load(&reads, column), "operation: create", "{column}");
        let names =
            with(r#",{"model":"sale.order.line","operations":["read","create","write"],"write_fields":["name"]}"#);
        assert_eq!(load(&names, column), "write_fields: order_id", "{column}");
        let all = with(r#",{"model":"sale.order.line","operations":["read","create","write"]}"#);
        assert_eq!(load(&all, column), "allowed", "{column}");
    }
    for column in ["tag_ids", "tag_ids/.id", "tag_ids/id"] {
        assert_eq!(load(&with(""), column), "model: crm.tag", "{column}");
        let reads = with(r#",{"model":"crm.tag","operations":["read"]}"#);
        assert_eq!(load(&reads, column), "allowed", "{column}");
    }
    assert_eq!(load(&with(""), "props"), "arguments: props");
    assert_eq!(load(&with(""), "id"), "never: id", "an external id is written");
    assert_eq!(load(&with(""), "partner_id/id"), "allowed");
}

#[test]
fn a_copy_is_refused_where_fields_are_limited_or_its_lines_may_not_be_made() {
    assert_eq!(
        said(PARTNERS, "res.partner", "copy", r#"[[1],{"email":"x"}]"#, "{}"),
        "write_fields: copy"
    );
    assert_eq!(
        said(PARTNERS, "sale.order", "copy", "[[1]]", "{}"),
        "model: sale.order.line"
    );
    let order = r#"{"model":"sale.order","operations":["create"]}"#;
    let lines = |line: &str| rules(&format!(r#"{order},{{"model":"sale.order.line",{line}}}"#));
    assert_eq!(
        said(
            &lines(r#""operations":["create"]"#),
            "sale.order",
            "copy",
            "[[1]]",
            "{}"
        ),
        "allowed"
    );
    assert_eq!(
        said(&lines(r#""operations":["write"]"#), "sale.order", "copy", "[[1]]", "{}"),
        "operation: create"
    );
    let some = lines(r#""operations":["create"],"write_fields":["name"]"#);
    assert_eq!(said(&some, "sale.order", "copy", "[[1]]", "{}"), "write_fields: copy");
    let tags = rules(r#"{"model":"crm.tag","operations":["create"]}"#);
    assert!(said(&tags, "crm.tag", "copy", "[[1]]", "{}").contains("CopiedWith"));
    // Lines of lines, and those that nobody may make.
    let mut known = shop();
    known.copied.insert("crm.tag".into(), ["sale.order".to_owned()].into());
    known
        .copied
        .insert("sale.order.line".into(), ["ir.rule".to_owned()].into());
    let all = rules(r#"{"model":"crm.*","operations":["create"]},{"model":"sale.*","operations":["create"]}"#);
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let (args, kwargs) = (raw("[[1]]"), raw("{}"));
    let asked = Asked {
        model: "crm.tag",
        method: "copy",
        args: &args,
        kwargs: &kwargs,
    };
    let verdict = decide(&Policy::parse(&all).expect("a policy"), &asked, &known);
    assert!(matches!(verdict, Verdict::Refused(refusal) if refusal.rule == "never" && refusal.name == "ir.rule"));
}

#[test]
fn methods_of_every_model_are_given_by_no_rule() {
    for method in [
        "onchange",
        "web_save_multi",
        "web_read_group",
        "copy_data",
        "message_post_with_source",
    ] {
        let text = rules(&format!(r#"{{"model":"sale.order","methods":["{method}"]}}"#));
        let refused = Policy::parse(&text).expect_err(method);
        assert!(refused.0.contains("no rule can give it away"), "{refused}");
        // Nor by a document that was not checked.
        let mut document = Document::of(Access::Rules);
        let rule = r#"{"model":"sale.order","operations":["read"],"methods":["METHOD"]}"#.replace("METHOD", method);
        document.rules = vec![serde_json::from_str(&rule).expect("a rule")];
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (args, kwargs) = (raw("[[1]]"), raw("{}"));
        let asked = Asked {
            model: "sale.order",
            method,
            args: &args,
            kwargs: &kwargs,
        };
        let verdict = decide(&Policy::from(document), &asked, &shop());
        assert!(
            matches!(verdict, Verdict::Refused(refusal) if refusal.rule == "method"),
            "{method}"
        );
    }
}

#[test]
fn a_cap_on_records_holds_for_groups_lines_and_what_is_saved() {
    let capped = rules(
        r#"{"model":"res.partner","operations":["read","write","create"]},{"model":"crm.tag","operations":["read"]}"#,
    )
    .replace("]}]}", r#"]}],"max_limit":50}"#);
    let free = capped.replace(r#","max_limit":50"#, "");
    for (method, args, kwargs, name) in [
        (
            "formatted_read_group",
            r#"[[],[],["email:array_agg"]]"#,
            r#"{"limit":1}"#,
            "email:array_agg",
        ),
        (
            "formatted_read_group",
            r#"[[],[],["id:recordset"]]"#,
            r#"{"limit":1}"#,
            "id:recordset",
        ),
        (
            "read_group",
            r#"[[],["x:array_agg(email)"],[]]"#,
            r#"{"limit":1}"#,
            "x:array_agg(email)",
        ),
        (
            "read_group",
            r#"[[],["email:array_agg"],[]]"#,
            r#"{"limit":1}"#,
            "email:array_agg",
        ),
        (
            "web_read",
            r#"[[1],{"child_ids":{"fields":{"name":{}}}}]"#,
            "{}",
            "limit",
        ),
        (
            "web_read",
            r#"[[1],{"category_id":{"fields":{"name":{}},"limit":51}}]"#,
            "{}",
            "limit",
        ),
        (
            "web_read",
            r#"[[1],{"child_ids":{"fields":{"name":{}},"limit":0}}]"#,
            "{}",
            "limit",
        ),
        ("export_data", r#"[[1],["child_ids/name"]]"#, "{}", "child_ids/name"),
    ] {
        assert_eq!(
            said(&capped, "res.partner", method, args, kwargs),
            format!("max_limit: {name}"),
            "{args}"
        );
        assert_eq!(said(&free, "res.partner", method, args, kwargs), "allowed", "{args}");
    }
    let specification = r#"[[1],{"child_ids":{"fields":{"name":{}},"limit":50},"parent_id":{"fields":{"name":{}}}}]"#;
    assert_eq!(said(&capped, "res.partner", "web_read", specification, "{}"), "allowed");
    let sums = r#"[[],[],["email:count_distinct","__count"]]"#;
    assert_eq!(
        said(&capped, "res.partner", "formatted_read_group", sums, r#"{"limit":1}"#),
        "allowed"
    );
    let odd = r#"[[],[],["email:anything"]]"#;
    assert_eq!(
        said(&free, "res.partner", "formatted_read_group", odd, "{}"),
        "arguments: email:anything"
    );
    let many = format!(r#"[{:?},{{"comment":"x"}},{{}}]"#, (1..=51).collect::<Vec<_>>());
    assert_eq!(said(&capped, "res.partner", "web_save", &many, "{}"), "max_limit: ids");
}

#[test]
fn fields_that_hold_secrets_are_read_by_full_access_only() {
    let users = r#"[[2],["totp_secret"]]"#;
    assert_eq!(said(READ_ONLY, "res.users", "read", users, "{}"), "never: totp_secret");
    let oracle = r#"[[["user_id.totp_secret","!=",false]]]"#;
    assert_eq!(
        said(READ_ONLY, "sale.order", "search", oracle, "{}"),
        "never: totp_secret"
    );
    // Where none are named, those that may be read are put in.
    let (args, kwargs) = allowed(READ_ONLY, "res.users", "read", "[[2]]", "{}").expect("rewritten");
    assert_eq!(
        (args.as_str(), kwargs.as_str()),
        ("[[2]]", r#"{"fields":["groups_id","name"]}"#)
    );
    assert_eq!(allowed(READ_ONLY, "sale.order", "read", "[[2]]", "{}"), None);
    let order = rules(r#"{"model":"sale.order","operations":["read","write"]}"#);
    let alias = r#"[[1],{"alias_name":"x"}]"#;
    assert_eq!(said(&order, "sale.order", "write", alias, "{}"), "never: alias_name");
    let listed = rules(r#"{"model":"sale.order","operations":["read"],"read_fields":["access_token"]}"#);
    assert!(Policy::parse(&listed).is_err_and(|error| error.0.contains("access_token")));
}

#[test]
fn the_contents_of_attachments_are_read_by_a_search_that_leaves_out_files_of_fields() {
    let said = |method: &str, args: &str, kwargs: &str| said(READ_ONLY, "ir.attachment", method, args, kwargs);
    for (method, args, name) in [
        ("read", r#"[[1],["datas"]]"#, "datas"),
        ("web_read", r#"[[1],{"datas":{}}]"#, "datas"),
        (
            "web_search_read",
            r#"[[],{"original_id":{"fields":{"datas":{}}}}]"#,
            "datas",
        ),
        ("export_data", r#"[[1],["datas"]]"#, "datas"),
        ("search_read", r#"[[["datas","=","x"]],["name"]]"#, "datas"),
        ("search_read", r#"[[["res_field","!=",false]],["datas"]]"#, "res_field"),
        ("search_read", r#"[[["res_field","=","x"]],["datas"]]"#, "res_field"),
        ("search_read", r#"[[],["access_token"]]"#, "access_token"),
        ("formatted_read_group", r#"[[],["datas"]]"#, "datas"),
    ] {
        assert_eq!(said(method, args, "{}"), format!("never: {name}"), "{method} {args}");
    }
    let sent =
        |args: &str, kwargs: &str| allowed(READ_ONLY, "ir.attachment", "search_read", args, kwargs).expect("rewritten");
    assert_eq!(
        sent(r#"[[["id",">",0]],["datas"]]"#, "{}").0,
        r#"[[["res_field","=",false],["id",">",0]],["datas"]]"#
    );
    assert_eq!(
        sent("[]", r#"{"domain": [ ["id",">",0]],"fields":["name"]}"#).1,
        r#"{"domain":[["res_field","=",false],["id",">",0]],"fields":["name"]}"#
    );
    assert_eq!(
        sent(r#"[false,["name"]]"#, "{}").0,
        r#"[[["res_field","=",false]],["name"]]"#
    );
    assert_eq!(sent("[[]]", "{}").1, r#"{"fields":["datas","name","original_id"]}"#);
    let (_, kwargs) = allowed(READ_ONLY, "ir.attachment", "read", "[[1]]", "{}").expect("rewritten");
    assert_eq!(kwargs, r#"{"fields":["name","original_id"]}"#);
    let writes = rules(r#"{"model":"ir.attachment","operations":["read","create","write"]}"#);
    for (method, args, verdict) in [
        ("create", r#"[{"name":"x","datas":"eA=="}]"#, "allowed"),
        ("create", r#"[{"name":"x","url":"/x.js"}]"#, "never: url"),
        ("create", r#"[{"name":"x","public":true}]"#, "never: public"),
        ("create", r#"[{"name":"x","res_field":"x"}]"#, "never: res_field"),
        ("write", r#"[[1],{"datas":"eA=="}]"#, "never: datas"),
        ("write", r#"[[1],{"name":"x"}]"#, "allowed"),
    ] {
        let verdict_here = super::tests::said(&writes, "ir.attachment", method, args, "{}");
        assert_eq!(verdict_here, verdict, "{method} {args}");
    }
}

#[test]
fn names_of_what_nobody_may_reach_are_not_told_to_read_only_either() {
    for (method, args) in [
        ("search", r#"[[["groups_id","ilike","Settings"]]]"#),
        ("search", r#"[[["groups_id","child_of",1]]]"#),
        ("search", r#"[[],0,1,"groups_id"]"#),
        ("formatted_read_group", r#"[[],["groups_id"]]"#),
        ("read_group", r#"[[],[],["groups_id"]]"#),
        ("export_data", r#"[[2],["groups_id"]]"#),
    ] {
        assert_eq!(
            said(READ_ONLY, "res.users", method, args, "{}"),
            "never: res.groups",
            "{method} {args}"
        );
    }
}

#[test]
fn a_default_in_the_context_is_judged_on_every_model_of_which_records_are_made() {
    let policy = rules(
        r#"{"model":"sale.order","operations":["create","write"]},
        {"model":"sale.order.line","operations":["create","write"],"write_fields":["name","order_id"]}"#,
    )
    .replace("]}]}", r#"]}],"context":["default_price_unit","default_name"]}"#);
    let context = |field: &str| format!(r#"{{"context":{{"default_{field}":1}}}}"#);
    let line = r#"[[1],{"order_line":[[0,0,{"name":"x"}]]}]"#;
    let say = |args: &str, field: &str| said(&policy, "sale.order", "write", args, &context(field));
    assert_eq!(say(line, "price_unit"), "write_fields: price_unit");
    assert_eq!(say(line, "name"), "allowed");
    assert_eq!(
        say(r#"[[1],{"order_line":[[1,5,{"name":"x"}]]}]"#, "price_unit"),
        "allowed"
    );
    let load = r#"[["order_line/name"],[["x"]]]"#;
    assert_eq!(
        said(&policy, "sale.order", "load", load, &context("price_unit")),
        "write_fields: price_unit"
    );
}

#[test]
fn what_a_user_is_known_by_is_changed_by_full_access_only() {
    let partners = rules(r#"{"model":"res.partner","operations":["read","create","write"]}"#);
    let say = |method: &str, args: &str| said(&partners, "res.partner", method, args, "{}");
    for (method, args) in [
        ("write", r#"[[3],{"email":"x"}]"#),
        ("write", r#"[[7,3],{"name":"x"}]"#),
        ("write", r#"[3,{"email":false}]"#),
        ("web_save", r#"[[3],{"email":"x"},{}]"#),
        ("write", r#"[[9],{"child_ids":[[1,3,{"email":"x"}]]}]"#),
        ("create", r#"[{"child_ids":[[1,3,{"email":"x"}]]}]"#),
        ("load", r#"[[".id","email"],[["3","x"]]]"#),
        ("load", r#"[[".id","email"],[[7,"x"],["3","y"]]]"#),
    ] {
        assert_eq!(say(method, args), "never: res.users", "{method} {args}");
    }
    for (method, args) in [
        ("write", r#"[[3],{"comment":"x"}]"#),
        ("write", r#"[[7],{"email":"x"}]"#),
        ("create", r#"[{"email":"x","child_ids":[[0,0,{"email":"x"}]]}]"#),
        ("load", r#"[["email"],[["x"]]]"#),
        ("load", r#"[[".id","comment"],[["3","x"]]]"#),
        ("load", r#"[["name","child_ids/email"],[["x","y"]]]"#),
    ] {
        assert_eq!(say(method, args), "allowed", "{method} {args}");
    }
    for columns in [
        r#""child_ids/.id","child_ids/email""#,
        r#""child_ids","child_ids/email""#,
    ] {
        let args = format!(r#"[[{columns}],[["3","x"]]]"#);
        assert_eq!(say("load", &args), "never: email", "{columns}");
    }
    assert_eq!(say("load", r#"[[".id","email"],[["x","y"]]]"#), "ids: .id");
    assert!(say("write", r#"[[55],{"email":"x"}]"#).contains("UsersBehind([55])"));
}

#[test]
fn a_method_that_takes_any_arguments_takes_no_odd_ids_and_no_name_twice() {
    let orders = rules(r#"{"model":"sale.order","methods":["action_confirm","find_by_barcode"]}"#);
    let say = |method: &str, args: &str, kwargs: &str| said(&orders, "sale.order", method, args, kwargs);
    for args in [r#"["7"]"#, "[[true]]", "[[0]]", "[-1]", r#"[{"id":7}]"#, r#"[["7"]]"#] {
        assert_eq!(say("action_confirm", args, "{}"), "ids: ids", "{args}");
        assert_eq!(say("find_by_barcode", args, "{}"), "allowed", "{args}");
    }
    assert_eq!(say("action_confirm", "[]", r#"{"x":[{"a":1}]}"#), "allowed");
    assert_eq!(say("action_confirm", "[[7],{}]", "{}"), "allowed");
    assert_eq!(say("action_confirm", r#"[[7],{"a":1,"a":2}]"#, "{}"), "arguments: args");
    assert_eq!(
        say("action_confirm", "[[7]]", r#"{"x":[{"a":1,"\u0061":2}]}"#),
        "arguments: x"
    );
}

#[test]
fn a_private_method_is_refused_to_full_access_too() {
    assert_eq!(
        said(r#"{"access":"full"}"#, "sale.order", "_compute", "[[1]]", "{}"),
        "private: _compute"
    );
    assert_eq!(
        said(r#"{"access":"full"}"#, "sale.order", "compute", "[[1]]", "{}"),
        "allowed"
    );
}

#[test]
fn a_method_whose_arguments_a_model_calls_otherwise_is_not_understood() {
    let mut known = shop();
    let other = ModelMethods {
        parameters: HashMap::from([
            ("search_read".to_owned(), vec!["fields".to_owned(), "domain".to_owned()]),
            // One argument has no other place.
            ("write".to_owned(), vec!["values".to_owned()]),
        ]),
        ..ModelMethods::default()
    };
    known.methods.insert("sale.order".into(), Arc::new(other));
    let policy = Policy::parse(&rules(r#"{"model":"sale.order","operations":["read","write"]}"#)).expect("a policy");
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let ask = |method: &str, args: &str| {
        let (args, kwargs) = (raw(args), raw("{}"));
        let asked = Asked {
            model: "sale.order",
            method,
            args: &args,
            kwargs: &kwargs,
        };
        decide(&policy, &asked, &known)
    };
    let refused = ask("search_read", r#"[[],["name"]]"#);
    assert!(matches!(refused, Verdict::Refused(refusal) if refusal.rule == "arguments" && refusal.name == "fields"));
    assert!(matches!(ask("write", r#"[[1],{"note":"x"}]"#), Verdict::Allowed(_)));
    assert!(matches!(ask("search", "[[]]"), Verdict::Allowed(_)));
    // By its name an argument is what it is.
    assert!(matches!(ask("search_read", "[]"), Verdict::Allowed(_)));
}

#[test]
fn what_no_call_could_use_is_refused_when_it_is_saved() {
    let refused = |rule: &str| Policy::parse(&rules(rule)).expect_err(rule).0;
    assert!(refused(r#"{"model":"res.users","operations":["write"]}"#).contains("full access"));
    assert!(refused(r#"{"model":"res.users","methods":["reset_password"]}"#).contains("methods"));
    Policy::parse(&rules(r#"{"model":"res.users","operations":["read"]}"#)).expect("reading users");
    // A method takes anything, so that no other rule may limit fields of the same model.
    let limited = r#"{"model":"res.partner","operations":["read"],"read_fields":["name"]}"#;
    for free in ["res.*", "res.partner.*"] {
        let both = format!(r#"{limited},{{"model":"{free}","methods":["message_post"]}}"#);
        let is_refused = Policy::parse(&rules(&both)).is_err_and(|error| error.0.contains("names methods"));
        assert_eq!(is_refused, free == "res.*", "{free}");
    }
    assert!(
        refused(
            r#"{"model":"res.partner","methods":["message_post"]},{"model":"res.*","operations":["read"],"read_fields":["name"]}"#
        )
        .contains("names methods")
    );
}
