//! What domains find, and that none makes the evaluation panic.

use chrono::NaiveDate;
use proptest::prelude::*;

use super::super::database::Database;
use super::super::exception::Exception;
use super::super::seed::seeded;
use super::super::value::Value;
use super::parse::parse;

fn database() -> Database {
    let now = NaiveDate::from_ymd_opt(2026, 6, 15)
        .and_then(|day| day.and_hms_opt(9, 0, 0))
        .expect("a moment");
    seeded(now).expect("records")
}

fn count_in(database: &Database, model: &str, domain: &Value) -> Result<usize, Exception> {
    let table = database.table(model)?;
    let domain = parse(database, table.model, domain)?;
    Ok(table
        .rows
        .values()
        .filter(|row| domain.holds(database, table.model, row))
        .count())
}

fn value(json: &str) -> Value {
    serde_json::from_str::<serde_json::Value>(json).expect("JSON").into()
}

fn count(model: &str, domain: &str) -> usize {
    count_in(&database(), model, &value(domain)).unwrap_or_else(|error| panic!("{domain}: {error:?}"))
}

fn raised(domain: &str) -> String {
    let error = count_in(&database(), "sale.order", &value(domain)).expect_err("it raises");
    format!("{}: {}", error.name, error.message)
}

const ALL: usize = 48;

#[test]
fn an_empty_domain_and_the_true_leaf_hold_for_all() {
    assert_eq!(count("sale.order", "[]"), ALL);
    assert_eq!(count("sale.order", "[[1, \"=\", 1]]"), ALL);
    assert_eq!(count("sale.order", "[[0, \"=\", 1]]"), 0);
}

#[test]
fn operators_take_the_operands_that_follow_them() {
    assert_eq!(count("sale.order", r#"["|", ["id", "=", 1], ["id", "=", 2]]"#), 2);
    assert_eq!(
        count(
            "sale.order",
            r#"["|", ["id", "=", 1], "&", ["id", ">", 2], ["id", "<", 5]]"#
        ),
        3
    );
    assert_eq!(
        count("sale.order", r#"["!", ["id", "=", 1], ["id", "<", 4]]"#),
        2,
        "! takes one, the rest is and-ed"
    );
}

#[test]
fn a_path_follows_records() {
    assert_eq!(
        count("sale.order", r#"[["partner_id.name", "=", "Lumafeld Solar"]]"#),
        4
    );
    assert_eq!(count("sale.order", r#"[["partner_id.country_id.code", "=", "AT"]]"#), 4);
    assert_eq!(
        count("sale.order", r#"[["partner_id", "any", [["city", "=", "Linz"]]]]"#),
        4
    );
    assert!(count("sale.order", r#"[["order_line.product_id.name", "ilike", "desk"]]"#) > 0);
}

#[test]
fn records_are_found_by_id_by_name_and_by_emptiness() {
    assert_eq!(count("res.partner", r#"[["parent_id", "=", "Corvane Logistics"]]"#), 2);
    assert_eq!(count("res.partner", r#"[["parent_id", "in", [8, 9]]]"#), 4);
    assert_eq!(
        count(
            "res.partner",
            r#"[["parent_id", "=", false], ["is_company", "=", true]]"#
        ),
        13
    );
    assert_eq!(count("res.partner", r#"[["id", "child_of", 8]]"#), 3);
}

#[test]
fn texts_match_patterns() {
    assert_eq!(count("sale.order", r#"[["name", "=like", "S0000_"]]"#), 9);
    assert_eq!(count("sale.order", r#"[["name", "like", "s0000"]]"#), 0);
    assert_eq!(count("sale.order", r#"[["name", "ilike", "s0000"]]"#), 9);
    assert_eq!(count("sale.order", r#"[["name", "=ilike", "s%1"]]"#), 5);
    assert_eq!(
        count("sale.order", r#"[["note", "not ilike", "x"]]"#),
        ALL,
        "an empty text is not like anything"
    );
}

#[test]
fn a_bare_date_means_the_whole_day() {
    let before = count("sale.order", r#"[["date_order", "<", "2026-06-15"]]"#);
    let until = count("sale.order", r#"[["date_order", "<=", "2026-06-15"]]"#);
    assert_eq!(until, ALL);
    assert!(before < until, "there are orders of the last day");
    assert_eq!(count("sale.order", r#"[["date_order", ">", "2026-06-15"]]"#), 0);
}

#[test]
fn orders_reach_back_beyond_may() {
    let since = count("sale.order", r#"[["date_order", ">=", "2026-05-01 00:00:00"]]"#);
    assert!((10..ALL).contains(&since), "{since}");
}

#[test]
fn what_makes_no_sense_raises_what_odoo_raises() {
    for (domain, expected) in [
        (
            r#"[["no_field", "=", 1]]"#,
            "builtins.ValueError: Invalid field sale.order.no_field in condition ('no_field', '=', 1)",
        ),
        (
            r#"[["partner_id.nope", "ilike", "x"]]"#,
            "builtins.ValueError: Invalid field res.partner.nope in condition ('nope', 'ilike', 'x')",
        ),
        (
            r#"[["name.nope", "=", "x"]]"#,
            "builtins.ValueError: Invalid field property 'nope' on sale.order.name",
        ),
        (
            r#"[["name", "~", 1]]"#,
            "builtins.ValueError: Invalid operator in condition ('name', '~', 1)",
        ),
        (
            r#"["name"]"#,
            "builtins.ValueError: Domain() invalid item in domain: 'name'",
        ),
        (
            r#"[["name", 1]]"#,
            "builtins.ValueError: Domain() invalid item in domain: ['name', 1]",
        ),
        (r#"["!"]"#, "builtins.ValueError: Domain() malformed domain ['!']"),
        (
            r#"["&", ["name", "=", "x"]]"#,
            "builtins.ValueError: Domain() malformed domain ['&', ['name', '=', 'x']]",
        ),
        (
            r#""name""#,
            "builtins.TypeError: Domain() invalid argument type for domain: 'name'",
        ),
        (
            "null",
            "builtins.TypeError: Domain() invalid argument type for domain: None",
        ),
        (
            "[[2, \"=\", 2]]",
            "builtins.TypeError: Domain() invalid arguments: (2, '=', 2)",
        ),
        (
            r#"[["name", 1, 2]]"#,
            "builtins.AttributeError: 'int' object has no attribute 'lower'",
        ),
        (
            r#"[["amount_total", ">", "x"]]"#,
            "builtins.ValueError: could not convert string to float: 'x'",
        ),
        (
            r#"[["date_order", ">=", "xx"]]"#,
            "builtins.ValueError: Invalid term 'xx' in expression date: 'xx'",
        ),
        (
            r#"[["date_order", ">", 5]]"#,
            "builtins.ValueError: Failed to cast 5 into a datetime",
        ),
    ] {
        assert_eq!(raised(domain), expected, "{domain}");
    }
}

#[test]
fn deep_nesting_is_refused_and_long_chains_are_not() {
    let leaf = value(r#"["id", "=", 1]"#);
    let nots = vec![Value::from("!"); 4000]
        .into_iter()
        .chain([leaf.clone()])
        .collect::<Vec<_>>();
    assert_eq!(
        count_in(&database(), "sale.order", &nots.into()).expect("an even number of nots"),
        1
    );
    let ors = vec![Value::from("|"); 4000]
        .into_iter()
        .chain(vec![leaf.clone(); 4001])
        .collect::<Vec<_>>();
    assert_eq!(count_in(&database(), "sale.order", &ors.into()).expect("a chain"), 1);
    let mut mixed: Vec<Value> = (0..4000)
        .map(|index| if index % 2 == 0 { "&" } else { "|" }.into())
        .collect();
    mixed.extend(vec![leaf; 4001]);
    let error = count_in(&database(), "sale.order", &mixed.into()).expect_err("too deep");
    assert_eq!(error.name, "builtins.RecursionError");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (0..60_i64).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "[a-zA-Z%_\\\\ 0-9.:-]{0,12}".prop_map(Value::Str),
        Just(Value::from("2026-05-01")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::List)
    })
}

fn any_leaf() -> impl Strategy<Value = Value> {
    let fields = prop::sample::select(vec![
        "id",
        "name",
        "state",
        "partner_id",
        "partner_id.name",
        "order_line",
        "order_line.product_id",
        "date_order",
        "amount_total",
        "locked",
        "validity_date",
        "user_id.company_id.name",
        "display_name",
        "nope",
        "name.x",
        "",
    ]);
    let operators = prop::sample::select(vec![
        "=",
        "!=",
        ">",
        ">=",
        "<",
        "<=",
        "in",
        "not in",
        "like",
        "not like",
        "ilike",
        "not ilike",
        "=like",
        "=ilike",
        "child_of",
        "parent_of",
        "any",
        "not any",
        "<>",
        "==",
        "~",
    ]);
    (fields, operators, any_value())
        .prop_map(|(field, operator, value)| vec![field.into(), operator.into(), value].into())
}

/// One operand: a condition, or an operator before its operands.
fn any_term() -> impl Strategy<Value = Vec<Value>> {
    any_leaf()
        .prop_map(|leaf| vec![leaf])
        .prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|term| [vec!["!".into()], term].concat()),
                (prop::sample::select(vec!["&", "|"]), inner.clone(), inner).prop_map(|(sign, first, second)| [
                    vec![sign.into()],
                    first,
                    second
                ]
                .concat()),
            ]
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_domain_makes_it_panic(items in prop::collection::vec(prop_oneof![any_value(), any_leaf(), Just("&".into()), Just("!".into())], 0..8)) {
        let _ = count_in(&database(), "sale.order", &items.into());
    }

    #[test]
    fn not_inverts(term in any_term()) {
        let database = database();
        if let Ok(count) = count_in(&database, "sale.order", &term.clone().into()) {
            let inverse = [vec!["!".into()], term].concat();
            prop_assert_eq!(count_in(&database, "sale.order", &inverse.into()).expect("as good"), ALL - count);
        }
    }

    #[test]
    fn and_is_what_both_hold_for(first in any_term(), second in any_term()) {
        let database = database();
        let count = |items: Vec<Value>| count_in(&database, "sale.order", &items.into());
        if let (Ok(one), Ok(two)) = (count(first.clone()), count(second.clone())) {
            let both = count([first.clone(), second.clone()].concat()).expect("as good");
            let either = count([vec!["|".into()], first, second].concat()).expect("as good");
            prop_assert_eq!(both + either, one + two);
        }
    }
}
