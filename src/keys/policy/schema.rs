//! The schema in docs/ says what the parser says, tried on documents of both kinds. Read by
//! as much of JSON Schema as it uses; a word that is not known here fails the test.

use serde_json::Value;

use super::Policy;
use super::document::is_name;

/// Whether a value is what a schema says.
fn holds(schema: &Value, root: &Value, value: &Value) -> bool {
    let words = match schema {
        Value::Bool(all) => return *all,
        Value::Object(words) => words,
        _ => panic!("no schema: {schema}"),
    };
    let holds_in = |schema: &Value| holds(schema, root, value);
    let list = |word: &Value| word.as_array().expect("a list").clone();
    words.iter().all(|(word, of)| match &**word {
        "$schema" | "title" | "$defs" | "then" | "else" => true,
        "$ref" => holds_in(
            root.pointer(of.as_str().expect("a pointer").trim_start_matches('#'))
                .expect("there"),
        ),
        "type" => match of.as_str().expect("a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "boolean" => value.is_boolean(),
            other => panic!("type {other}"),
        },
        "const" => value == of,
        "enum" => list(of).contains(value),
        "minimum" => value
            .as_i64()
            .is_none_or(|number| number >= of.as_i64().expect("a number")),
        "maximum" => value
            .as_i64()
            .is_none_or(|number| number <= of.as_i64().expect("a number")),
        "pattern" => value
            .as_str()
            .is_none_or(|text| fits(of.as_str().expect("a pattern"), text)),
        "minItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 >= of.as_u64().expect("a number")),
        "uniqueItems" => value
            .as_array()
            .is_none_or(|items| items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| holds(of, root, item))),
        "required" => value.as_object().is_none_or(|members| {
            list(of)
                .iter()
                .all(|name| members.contains_key(name.as_str().expect("a name")))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            let known = |name: &str| of.get(name);
            members
                .iter()
                .all(|(name, member)| known(name).is_none_or(|schema| holds(schema, root, member)))
        }),
        "additionalProperties" => value
            .as_object()
            .is_none_or(|members| members.keys().all(|name| schema["properties"].get(name).is_some())),
        "anyOf" => list(of).iter().any(holds_in),
        "allOf" => list(of).iter().all(holds_in),
        "if" => schema
            .get(if holds_in(of) { "then" } else { "else" })
            .is_none_or(holds_in),
        other => panic!("{other} is not known here"),
    })
}

/// The two patterns of the schema.
fn fits(pattern: &str, text: &str) -> bool {
    let is_part = |part: &str| is_name(part) && !part.contains(|char: char| char.is_ascii_uppercase());
    match pattern {
        "^[A-Za-z_][A-Za-z0-9_]{0,127}$" => is_name(text),
        r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*(\.\*)?$" => {
            text.strip_suffix(".*").unwrap_or(text).split('.').all(is_part)
        }
        other => panic!("{other} is not known here"),
    }
}

#[test]
fn what_the_schema_says_of_a_document_the_parser_says() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/policy.schema.json")).expect("JSON");
    let with = |rule: &str| format!(r#"{{"access":"rules","rules":[{rule}]}}"#);
    let rules = [
        r#"{"model":"a","operations":["read"]}"#,
        r#"{"model":"a.b_c.*","operations":["read","create","write","delete"],"methods":["m"],"read_fields":[],"write_fields":["f"]}"#,
        r#"{"model":"a","operations":[],"methods":["m"]}"#,
        r#"{"model":"a","operations":["read"],"methods":[]}"#,
        r#"{"model":"a","operations":[]}"#,
        r#"{"model":"a","methods":[]}"#,
        r#"{"model":"a","operations":[],"methods":[]}"#,
        r#"{"model":"a"}"#,
        r#"{"operations":["read"]}"#,
        r#"{"model":"*","operations":["read"]}"#,
        r#"{"model":"A","operations":["read"]}"#,
        r#"{"model":"a.","operations":["read"]}"#,
        r#"{"model":"a","operations":["rread"]}"#,
        r#"{"model":"a","operations":"read"}"#,
        r#"{"model":"a","operations":["read"],"fields":[]}"#,
        r#"{"model":"a","operations":["read"],"read_fields":["x.y"]}"#,
        r#"{"model":"a","operations":["read"],"read_fields":[5]}"#,
        r#"{"model":"a","methods":["9"]}"#,
        r#"{"model":5,"methods":["m"]}"#,
    ];
    let documents = [
        r#"{"access":"full"}"#,
        r#"{"access":"read_only"}"#,
        r#"{"access":"read_only","max_limit":5,"context":["lang"],"readonly_methods":true,"version":1}"#,
        r#"{"access":"root"}"#,
        r#"{}"#,
        r#"[]"#,
        r#"{"version":2,"access":"full"}"#,
        r#"{"access":"full","max_limit":5}"#,
        r#"{"access":"full","context":[]}"#,
        r#"{"access":"full","readonly_methods":true}"#,
        r#"{"access":"full","readonly_methods":false}"#,
        r#"{"access":"read_only","max_limit":0}"#,
        r#"{"access":"read_only","max_limit":-1}"#,
        r#"{"access":"read_only","max_limit":4294967296}"#,
        r#"{"access":"read_only","max_limit":"5"}"#,
        r#"{"access":"read_only","context":["a b"]}"#,
        r#"{"access":"read_only","rules":[{"model":"a","operations":["read"]}]}"#,
        r#"{"access":"rules"}"#,
        r#"{"access":"rules","rules":[]}"#,
        r#"{"access":"read_only","word":1}"#,
    ];
    let presets = super::presets::PRESETS.iter().map(|preset| preset.document.to_owned());
    let all = documents
        .iter()
        .map(|text| (*text).to_owned())
        .chain(rules.iter().map(|rule| with(rule)));
    for text in all.chain(presets) {
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let (said, parsed) = (holds(&schema, &schema, &document), Policy::parse(&text));
        assert_eq!(said, parsed.is_ok(), "{text}: {parsed:?}");
    }
}
