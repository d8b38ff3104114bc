//! What is kept of a call so that it can be held against another policy: which fields,
//! operators and context keys it names, and not one value. Every text, number and id is
//! replaced by a stand-in of its kind; only a limit stays what it is, and nothing stays
//! nothing. A shape is a call
//! itself, so that it is judged by the very code that judges calls.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::arguments::{Arguments, Asked};
use super::document::is_name;
use super::json::Json;
use super::methods::{self, Kind};

/// Calls with larger arguments, in bytes, are not looked into.
const ARGUMENTS_MAX_BYTES: usize = 16 * 1024;
/// The largest shape, in bytes.
const SHAPE_MAX_BYTES: usize = 4 * 1024;

/// Arguments without their values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// A JSON array: `[]`, or `[[1]]` for a method that is called on records.
    pub args: String,
    /// A JSON object.
    pub kwargs: String,
}

/// The shape of a call; `None` if it is large, or its arguments are not understood.
#[must_use]
pub fn shape(asked: &Asked<'_>) -> Option<Shape> {
    if asked.args.get().len() + asked.kwargs.get().len() > ARGUMENTS_MAX_BYTES {
        return None;
    }
    let arguments = Arguments::of(asked).ok()?;
    let mut named = Writer::new();
    let args = match methods::find(asked.model, asked.method) {
        Some(method) => {
            arguments.fit(method).ok()?;
            let ids = if method.takes_ids {
                arguments.ids().ok()?
            } else {
                Json::Null
            };
            for (index, parameter) in method.parameters.iter().enumerate() {
                if let Some(value) = arguments.value(method, index).ok()? {
                    named.member(parameter.names[0]);
                    named.argument(parameter.kind, &value)?;
                }
            }
            match (method.takes_ids, ids.is_falsy()) {
                (false, _) => "[]",
                (true, true) => "[[]]",
                (true, false) => "[[1]]",
            }
        }
        // Nobody understands them, and a policy only asks whether there are any.
        None => {
            let names: BTreeSet<&str> = arguments.names().filter(|name| *name != "context").collect();
            for name in names {
                is_name(name).then_some(())?;
                named.member(name);
                named.raw(if arguments.is_scalar(name) { "\"x\"" } else { "[]" });
            }
            match arguments.positional() {
                0 => "[]",
                1 if is_ids(&arguments.ids().ok()?) => "[[1]]",
                1 => "[null]",
                _ => "[null,null]",
            }
        }
    };
    if let Some(context) = arguments.context().ok()? {
        named.member("context");
        named.names_of(&context)?;
    }
    let kwargs = named.object();
    (kwargs.len() <= SHAPE_MAX_BYTES).then(|| Shape {
        args: args.to_owned(),
        kwargs,
    })
}

fn is_ids(ids: &Json<'_>) -> bool {
    let is_id = |id: &Json<'_>| matches!(id, Json::Integer(1..));
    is_id(ids) || ids.as_list().is_some_and(|ids| ids.iter().all(is_id))
}

/// Writes JSON. A `None` from its methods: that is not understood.
struct Writer(String);

impl Writer {
    fn new() -> Self {
        let mut text = String::with_capacity(128);
        text.push('{');
        Self(text)
    }

    fn object(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn raw(&mut self, json: &str) {
        self.0.push_str(json);
    }

    /// A comma, unless something begins here.
    fn next(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    /// The name of a member; names have no characters that JSON escapes.
    fn member(&mut self, name: &str) {
        self.next();
        self.0.extend(["\"", name, "\":"]);
    }

    /// A field's name, a path, an order, an aggregate: what is made of such characters
    /// holds no value of a record.
    fn name(&mut self, name: &Json<'_>) -> Option<()> {
        let name = name.as_text()?;
        let is_harmless = name.len() <= 200
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:,()/ ".contains(&byte));
        is_harmless.then_some(())?;
        self.0.extend(["\"", name, "\""]);
        Some(())
    }

    fn argument(&mut self, kind: Kind, value: &Json<'_>) -> Option<()> {
        match kind {
            Kind::Limit => match value {
                Json::Integer(limit) => self.raw(&limit.to_string()),
                Json::Null | Json::Bool(false) => self.raw("null"),
                _ => return None,
            },
            Kind::Plain => self.raw("null"),
            Kind::ImportRows => self.raw("[]"),
            _ if value.is_falsy() => self.raw("null"),
            Kind::Domain => self.domain(value)?,
            Kind::Having => self.domain(value)?,
            Kind::Fields
            | Kind::FieldsOrAll
            | Kind::GroupBy
            | Kind::Aggregates
            | Kind::ReadGroupFields
            | Kind::ImportFields
            | Kind::ExportPaths => self.names(value)?,
            Kind::Order => self.name(value)?,
            Kind::Specification => self.specification(value)?,
            Kind::Values => self.values(value)?,
            Kind::ValuesOfMany => match value {
                Json::List(items) => self.different(items, Self::values)?,
                _ => self.values(value)?,
            },
        }
        Some(())
    }

    fn list<'j>(&mut self, items: &[Json<'j>], write: impl Fn(&mut Self, &Json<'j>) -> Option<()>) -> Option<()> {
        self.0.push('[');
        for item in items {
            self.next();
            write(self, item)?;
        }
        self.0.push(']');
        Some(())
    }

    /// A list in which each shape is there once.
    fn different<'j>(&mut self, items: &[Json<'j>], write: impl Fn(&mut Self, &Json<'j>) -> Option<()>) -> Option<()> {
        let mut shapes = BTreeSet::new();
        for item in items {
            let mut one = Self(String::new());
            write(&mut one, item)?;
            shapes.insert(one.0);
        }
        self.0.push('[');
        for shape in shapes {
            self.next();
            self.raw(&shape);
        }
        self.0.push(']');
        Some(())
    }

    fn names(&mut self, names: &Json<'_>) -> Option<()> {
        match names {
            Json::List(names) => self.list(names, Self::name),
            _ => self.name(names),
        }
    }

    /// The names in an object; their values are gone.
    fn names_of(&mut self, object: &Json<'_>) -> Option<()> {
        let Json::Object(members) = object else {
            return object.is_falsy().then(|| self.raw("null"));
        };
        self.0.push('{');
        for (name, _) in members {
            is_name(name).then_some(())?;
            self.member(name);
            self.raw("null");
        }
        self.0.push('}');
        Some(())
    }

    fn domain(&mut self, domain: &Json<'_>) -> Option<()> {
        self.list(domain.as_list()?, |writer, term| match term {
            Json::Text(operator) if matches!(&**operator, "&" | "|" | "!") => {
                writer.0.extend(["\"", operator, "\""]);
                Some(())
            }
            Json::List(parts) => writer.comparison(parts),
            _ => None,
        })
    }

    fn comparison(&mut self, parts: &[Json<'_>]) -> Option<()> {
        match parts {
            [Json::Integer(0 | 1), _, _] => self.raw("[1,\"=\",1]"),
            [left, Json::Text(operator), right] => {
                let is_operator = operator.len() <= 12
                    && operator
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || b"=!<>_ ?".contains(&byte));
                is_operator.then_some(())?;
                self.0.push('[');
                self.name(left)?;
                self.0.extend([",\"", operator, "\","]);
                if matches!(&**operator, "any" | "not any") {
                    self.domain(right)?;
                } else {
                    self.stand_in(right)?;
                }
                self.0.push(']');
            }
            _ => return None,
        }
        Some(())
    }

    /// What is compared with, as far as it matters: a text, a number, several.
    fn stand_in(&mut self, value: &Json<'_>) -> Option<()> {
        match value {
            Json::Text(_) => self.raw("\"x\""),
            Json::Integer(_) | Json::Number => self.raw("1"),
            Json::Null | Json::Bool(_) => self.raw("false"),
            Json::List(items) => self.different(items, |writer, item| {
                item.is_scalar().then_some(())?;
                writer.stand_in(item)
            })?,
            Json::Object(_) => return None,
        }
        Some(())
    }

    fn specification(&mut self, specification: &Json<'_>) -> Option<()> {
        let Json::Object(members) = specification else {
            return None;
        };
        self.0.push('{');
        for (name, inner) in members {
            is_name(name).then_some(())?;
            self.member(name);
            let Json::Object(parts) = inner else {
                inner.is_falsy().then_some(())?;
                self.raw("{}");
                continue;
            };
            self.0.push('{');
            for (part, value) in parts {
                is_name(part).then_some(())?;
                self.member(part);
                match &**part {
                    _ if value.is_falsy() => self.raw("null"),
                    "limit" => self.argument(Kind::Limit, value)?,
                    "fields" => self.specification(value)?,
                    "order" => self.name(value)?,
                    "context" => self.names_of(value)?,
                    "offset" => self.raw("1"),
                    _ => return None,
                }
            }
            self.0.push('}');
        }
        self.0.push('}');
        Some(())
    }

    fn values(&mut self, values: &Json<'_>) -> Option<()> {
        let Json::Object(members) = values else {
            return None;
        };
        let mut members: Vec<(&Cow<'_, str>, &Json<'_>)> = members.iter().map(|(name, value)| (name, value)).collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        self.0.push('{');
        for (name, value) in members {
            is_name(name).then_some(())?;
            self.member(name);
            match value {
                Json::List(commands) => self.different(commands, Self::command)?,
                Json::Object(_) => return None,
                // For a relation "nothing" says something else than a value.
                _ if value.is_falsy() => self.raw("null"),
                _ => self.raw("1"),
            }
        }
        self.0.push('}');
        Some(())
    }

    fn command(&mut self, command: &Json<'_>) -> Option<()> {
        match command.as_list()? {
            [Json::Integer(0), _, values] => {
                self.raw("[0,0,");
                self.values(values)?;
                self.0.push(']');
            }
            [Json::Integer(1), _, values] => {
                self.raw("[1,1,");
                self.values(values)?;
                self.0.push(']');
            }
            [Json::Integer(code @ 2..=5), ..] => self.raw(&format!("[{code},1,0]")),
            [Json::Integer(6), ..] => self.raw("[6,0,[1]]"),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn of(model: &str, method: &str, args: &str, kwargs: &str) -> Option<(String, String)> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (args, kwargs) = (raw(args), raw(kwargs));
        let asked = Asked {
            model,
            method,
            args: &args,
            kwargs: &kwargs,
        };
        shape(&asked).map(|shape| (shape.args, shape.kwargs))
    }

    #[test]
    fn names_stay_and_values_go() {
        for (method, args, kwargs, expected) in [
            (
                "search_read",
                r#"[["|",["email","=","a@example.com"],["partner_id.vat","in",["BE1",7,8]]],["name"]]"#,
                r#"{"limit":5,"offset":40,"order":"name desc","context":{"lang":"nl_BE"}}"#,
                r#"[] {"domain":["|",["email","=","x"],["partner_id.vat","in",["x",1]]],"fields":["name"],"offset":null,"limit":5,"order":"name desc","context":{"lang":null}}"#,
            ),
            (
                "write",
                r#"[[7,8],{"name":"Secret","line_ids":[[0,0,{"price":9}],[0,0,{"price":8}],[1,4,{"name":"x"}],[6,0,[1,2,3]]]}]"#,
                "{}",
                r#"[[1]] {"vals":{"line_ids":[[0,0,{"price":1}],[1,1,{"name":1}],[6,0,[1]]],"name":1}}"#,
            ),
            (
                "write",
                r#"[[7],{"name":"","line_ids":false,"x":true}]"#,
                "{}",
                r#"[[1]] {"vals":{"line_ids":null,"name":null,"x":1}}"#,
            ),
            (
                "create",
                r#"[[{"name":"A"},{"name":"B"},{"email":"C"}]]"#,
                "{}",
                r#"[] {"vals_list":[{"email":1},{"name":1}]}"#,
            ),
            (
                "web_read",
                r#"[[1],{"partner_id":{"fields":{"name":{}},"limit":80}}]"#,
                "{}",
                r#"[[1]] {"specification":{"partner_id":{"fields":{"name":{}},"limit":80}}}"#,
            ),
            (
                "load",
                r#"[["name","partner_id/id"],[["Secret","x.y"]]]"#,
                "{}",
                r#"[] {"fields":["name","partner_id/id"],"data":[]}"#,
            ),
            (
                "message_post",
                "[[4]]",
                r#"{"body":"Secret","partner_ids":[4]}"#,
                r#"[[1]] {"body":"x","partner_ids":[]}"#,
            ),
            (
                "search_count",
                r#"[[["x","any",[["y","=",false]]]]]"#,
                "{}",
                r#"[] {"domain":[["x","any",[["y","=",false]]]]}"#,
            ),
        ] {
            let (args, kwargs) = of("sale.order", method, args, kwargs).expect(method);
            assert_eq!(format!("{args} {kwargs}"), expected, "{method}");
        }
    }

    #[test]
    fn what_could_hold_a_value_in_the_place_of_a_name_has_no_shape() {
        for (method, args) in [
            ("search", r#"[[["a@example.com","=",1]]]"#),
            ("search", r#"[[["name","Secret! of somebody","x"]]]"#),
            ("search_read", r#"[[],["a@example.com"]]"#),
            ("create", r#"[{"a@example.com":1}]"#),
            ("create", r#"[{"name":{"en_US":"x"}}]"#),
            ("write", r#"[[1],{"x":[[9,1]]}]"#),
            ("search", r#"[[["name","=",{"a":1}]]]"#),
        ] {
            assert_eq!(of("sale.order", method, args, "{}"), None, "{method} {args}");
        }
        let large = format!(r#"[[["id","in",[{}1]]]]"#, "1,".repeat(ARGUMENTS_MAX_BYTES));
        assert_eq!(of("sale.order", "search", &large, "{}"), None);
    }
}
