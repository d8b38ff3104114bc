//! `create` under an external id: Odoo's `load` makes records and their external ids in
//! one transaction, and finds the records again when it is asked once more, without
//! writing to them. What `load` can't be told as `create` can is refused by name, before
//! anything is sent.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::calls::idempotency::IdempotencyKey;
use crate::calls::models::{FieldType, FieldTypes};
use crate::calls::request::CallRequest;
use crate::error::{AppError, ErrorCode, Result};
use crate::ids::ApiKeyId;
use crate::odoo::OdooError;

/// The external ids' module: none that Odoo could install, upgrade or remove.
const MODULE: &str = "__odoo_bridge__";
/// What `load` takes out of the context for itself, so that a client can't say it.
const OWN_CONTEXT: [&str; 8] = [
    "foreign_record_to_create",
    "install_module",
    "mode",
    "module",
    "name_create_enabled_fields",
    "noupdate",
    "parent_fields_hierarchy",
    "update_many2many",
];

/// A `create`, as its client sent it.
pub struct Values<'a> {
    records: Vec<Members<'a>>,
    is_list: bool,
    context: Members<'a>,
}

/// The same as a call of `load`.
pub struct Load {
    /// Such as `[["id", "name"], [["__odoo_bridge__.1f…_0", "Ada"]]]`.
    pub args: Box<RawValue>,
    /// The context.
    pub kwargs: Box<RawValue>,
    records: usize,
    is_list: bool,
}

/// The members of an object, in order, each there once.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut seen) = (Vec::new(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom("a member is there twice"));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reader).map(Members)
    }
}

impl Members<'_> {
    fn names(&self) -> HashSet<&str> {
        self.0.iter().map(|(name, _)| &**name).collect()
    }
}

impl<'a> Values<'a> {
    /// Takes a `create` apart.
    ///
    /// # Errors
    /// `invalid_request` if it is no `create`, or its arguments are none of its.
    pub fn of(request: &CallRequest<'a>) -> Result<Self> {
        if request.method != "create" {
            return Err(AppError::invalid(
                "Idempotency-Mode: external-id is for the method create only.",
            ));
        }
        let wrong = |_| refuse("the arguments", "anything but values, once each, and a context");
        let args: Vec<&RawValue> = serde_json::from_str(request.args.get()).map_err(wrong)?;
        let kwargs: Members<'_> = serde_json::from_str(request.kwargs.get()).map_err(wrong)?;
        let (mut given, mut context) = (args, Members(Vec::new()));
        for (name, value) in kwargs.0 {
            match &*name {
                "context" => context = serde_json::from_str(value.get()).map_err(wrong)?,
                "vals_list" => given.push(value),
                other => return Err(refuse("kwargs", &format!("given \"{other}\""))),
            }
        }
        let [values] = given[..] else {
            return Err(refuse("args", "anything but one object, or one list of objects"));
        };
        let is_list = values.get().starts_with('[');
        let records: Vec<Members<'_>> = if is_list {
            serde_json::from_str(values.get()).map_err(wrong)?
        } else {
            vec![serde_json::from_str(values.get()).map_err(wrong)?]
        };
        if records.is_empty() {
            return Err(refuse("args[0]", "an empty list"));
        }
        Ok(Self {
            records,
            is_list,
            context,
        })
    }

    /// The models whose records it makes along with its own.
    pub fn models_of_lines<'f>(&self, fields: &'f FieldTypes) -> Vec<&'f str> {
        let names = self.records.iter().flat_map(|record| &record.0);
        let fields = names.filter_map(|(name, _)| fields.get(name));
        fields.filter_map(|field| field.lines()).collect()
    }

    /// Says the same as a call of `load`. `known` has the fields of its own model and of
    /// [`Self::models_of_lines`].
    ///
    /// # Errors
    /// `invalid_request` that names what can't be said.
    pub fn load(&self, model: &str, id: &str, known: &HashMap<String, Arc<FieldTypes>>) -> Result<Load> {
        let mut table = Table::default();
        for (index, record) in self.records.iter().enumerate() {
            if record.names() != self.records[0].names() {
                return Err(refuse(
                    &format!("record {index}"),
                    "of other fields than the first: leave none out",
                ));
            }
            table.add(record, &format!("{MODULE}.{id}_{index}"), model, known)?;
        }
        let kwargs = format!("{{\"context\":{}}}", self.context(table.has_instants)?);
        Ok(Load {
            args: raw(table.into_json()?)?,
            kwargs: raw(kwargs)?,
            records: self.records.len(),
            is_list: self.is_list,
        })
    }

    /// The client's own context, and what makes `load` create or find, and not write.
    fn context(&self, has_instants: bool) -> Result<String> {
        let mut text = String::from("{");
        for (name, value) in &self.context.0 {
            let is_zone = name == "tz";
            if OWN_CONTEXT.contains(&&**name)
                || name.trim_start_matches('_').starts_with("import_")
                || is_zone && has_instants && value.get() != "\"UTC\""
            {
                return Err(refuse("the context", &format!("given \"{name}\"")));
            }
            if !(is_zone && has_instants) {
                let _ = write!(text, "{}:{},", json(name)?, value.get());
            }
        }
        if has_instants {
            // `load` takes times to be those of the user's zone, `create` to be UTC.
            text.push_str(r#""tz":"UTC","#);
        }
        let _ = write!(text, r#""module":"{MODULE}","mode":"update","noupdate":true}}"#);
        Ok(text)
    }
}

/// What `load` takes: names of columns, and rows of texts. The first row of a record has
/// its values, each further one a line of its own records.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    /// Cells are JSON texts.
    rows: Vec<Vec<String>>,
    has_instants: bool,
}

const EMPTY: &str = "\"\"";

impl Table {
    fn add(
        &mut self,
        record: &Members<'_>,
        id: &str,
        model: &str,
        known: &HashMap<String, Arc<FieldTypes>>,
    ) -> Result<()> {
        let fields = known.get(model).ok_or_else(|| unknown_model(model))?;
        let (mut columns, mut first) = (vec!["id".to_owned()], vec![json(id)?]);
        let mut lines: Vec<Vec<String>> = Vec::new();
        let mut members: Vec<_> = record.0.iter().collect();
        // The same order in each record, and lines last.
        let is_lines = |name: &str| fields.get(name).is_some_and(|field| field.lines().is_some());
        members.sort_by_key(|(name, _)| (is_lines(name), name));
        for (name, value) in members {
            let field = field(fields, name)?;
            if let Some(of) = field.lines() {
                let of = known.get(of).ok_or_else(|| unknown_model(of))?;
                let (names, more) = self.lines(name, value, of)?;
                for (row, line) in more.into_iter().enumerate() {
                    if lines.len() <= row {
                        lines.push(Vec::new());
                    }
                    lines[row].resize(columns.len() - first.len(), EMPTY.into());
                    lines[row].extend(line);
                }
                columns.extend(names);
            } else {
                let (column, cell) = self.cell(name, name, field, value)?;
                columns.push(column);
                first.push(cell);
            }
        }
        if self.columns.is_empty() {
            self.columns = columns;
        } else if self.columns != columns {
            return Err(refuse("a line", "of other fields than the first: leave none out"));
        }
        let own = first.len();
        let mut row = first;
        for line in lines {
            row.extend(line);
            row.resize(self.columns.len(), EMPTY.into());
            self.rows.push(std::mem::replace(&mut row, vec![EMPTY.into(); own]));
        }
        if row[0] != EMPTY {
            row.resize(self.columns.len(), EMPTY.into());
            self.rows.push(row);
        }
        Ok(())
    }

    /// The columns and rows of the records that are made along with one: `[[0, 0, {…}], …]`.
    fn lines(&mut self, name: &str, value: &RawValue, fields: &FieldTypes) -> Result<(Vec<String>, Vec<Vec<String>>)> {
        let wrong = |_| refuse(name, "anything but new records, [[0, 0, {…}], …]");
        let commands: Vec<(i64, &RawValue, Members<'_>)> = serde_json::from_str(value.get()).map_err(wrong)?;
        if commands.is_empty() {
            return Err(refuse(name, "an empty list: leave it out"));
        }
        let mut names: Option<Vec<String>> = None;
        let mut rows = Vec::new();
        for (command, _, mut line) in commands {
            if command != 0 {
                return Err(refuse(name, "anything but new records, [[0, 0, {…}], …]"));
            }
            line.0.sort_by(|one, other| one.0.cmp(&other.0));
            let (mut columns, mut row) = (Vec::new(), Vec::new());
            for (part, value) in &line.0 {
                let path = format!("{name}/{part}");
                let (column, cell) = self.cell(&path, &path, field(fields, part)?, value)?;
                columns.push(column);
                row.push(cell);
            }
            if row.iter().all(|cell| cell == EMPTY) {
                return Err(refuse(name, "a record without a value"));
            }
            if names.get_or_insert_with(|| columns.clone()) != &columns {
                return Err(refuse(name, "of other fields than its first record: leave none out"));
            }
            rows.push(row);
        }
        Ok((names.unwrap_or_default(), rows))
    }

    /// The column of a field, and a value in it.
    fn cell(&mut self, column: &str, place: &str, field: &FieldType, value: &RawValue) -> Result<(String, String)> {
        let text = value.get();
        let is_empty = ["false", "null"].contains(&text);
        let is_text = text.starts_with('"');
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let quoted = || format!("\"{text}\"");
        let by_id = || format!("{column}/.id");
        Ok(match &*field.kind {
            "boolean" if text == "true" => (column.into(), "\"1\"".into()),
            "boolean" if is_empty => (column.into(), "\"0\"".into()),
            "many2one" if is_empty => (by_id(), EMPTY.into()),
            "many2one" if is_id(text) => (by_id(), quoted()),
            "many2one" => return Err(refuse(place, "anything but the id of a record")),
            "many2many" => {
                let ids = linked(value).ok_or_else(|| refuse(place, "anything but a list of ids, or [[6, 0, ids]]"))?;
                (by_id(), format!("\"{}\"", ids.join(",")))
            }
            "integer" | "float" | "monetary" | "many2one_reference" | "char" | "text" | "html" | "selection"
            | "reference" | "binary"
                if is_text || is_number || is_empty =>
            {
                let cell = match (is_number, is_empty) {
                    (true, _) => quoted(),
                    (_, true) => EMPTY.into(),
                    _ => text.into(),
                };
                (column.into(), cell)
            }
            kind @ ("date" | "datetime") if is_text || is_empty => {
                self.has_instants |= kind == "datetime" && is_text;
                (column.into(), if is_empty { EMPTY.into() } else { text.into() })
            }
            "boolean" | "integer" | "float" | "monetary" | "many2one_reference" | "char" | "text" | "html"
            | "selection" | "reference" | "binary" | "date" | "datetime" => {
                return Err(refuse(
                    place,
                    &format!("{text:.40} for a field of the type {}", field.kind),
                ));
            }
            other => return Err(refuse(place, &format!("a field of the type {other}"))),
        })
    }

    fn into_json(self) -> Result<String> {
        let mut text = format!("[{},[", json(&self.columns)?);
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let _ = write!(text, "[{}]", row.join(","));
        }
        text.push_str("]]");
        Ok(text)
    }
}

fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

/// The ids in `[1, 2]`, `[[6, 0, [1, 2]]]` or `[[4, 1], [4, 2]]`, as texts.
fn linked(value: &RawValue) -> Option<Vec<String>> {
    let items: Vec<&RawValue> = match value.get() {
        "false" | "null" => return Some(Vec::new()),
        text => serde_json::from_str(text).ok()?,
    };
    let id = |item: &&RawValue| is_id(item.get()).then(|| item.get().to_owned());
    if !items.iter().any(|item| item.get().starts_with('[')) {
        return items.iter().map(id).collect();
    }
    let mut ids = Vec::new();
    for item in &items {
        let command: Vec<&RawValue> = serde_json::from_str(item.get()).ok()?;
        match (command.first()?.get(), &command[1..]) {
            ("4", [linked] | [linked, _]) => ids.push(id(linked)?),
            ("6", [_, all]) if items.len() == 1 => {
                let all: Vec<&RawValue> = serde_json::from_str(all.get()).ok()?;
                ids = all.iter().map(id).collect::<Option<_>>()?;
            }
            _ => return None,
        }
    }
    Some(ids)
}

fn field<'f>(fields: &'f FieldTypes, name: &str) -> Result<&'f FieldType> {
    match fields.get(name) {
        Some(field) if name != "id" => Ok(field),
        _ => Err(refuse(name, "set: Odoo tells of no such field that can be")),
    }
}

impl Load {
    /// The ids out of what `load` answered, as `create` answers them.
    ///
    /// # Errors
    /// What Odoo refused it for; `OutcomeUnknown` if that is no answer of `load`.
    pub fn ids(&self, answer: &[u8], model: &str) -> Result<Bytes, OdooError> {
        #[derive(Deserialize)]
        struct Answer {
            ids: serde_json::Value,
            #[serde(default)]
            messages: Vec<Message>,
        }
        #[derive(Deserialize)]
        struct Message {
            #[serde(rename = "type")]
            kind: String,
            message: String,
        }
        let unknown = |cause: String| OdooError::OutcomeUnknown {
            cause: Some(cause.into()),
        };
        let answer: Answer = serde_json::from_slice(answer).map_err(|error| unknown(error.to_string()))?;
        let ids: Option<Vec<i64>> = serde_json::from_value(answer.ids.clone()).ok();
        match ids.as_deref() {
            Some([id]) if !self.is_list => Ok(id.to_string().into()),
            Some(ids) if self.is_list && ids.len() == self.records => Ok(format!("{ids:?}").into()),
            // Everything was undone.
            None if answer.ids == serde_json::Value::Bool(false) => {
                let said = answer.messages.into_iter().find(|message| message.kind == "error");
                let said = said.map(|message| message.message).unwrap_or_default();
                Err(OdooError::raised(class_of(&said), &said, model))
            }
            _ => Err(unknown(format!(
                "load answered {} for {} records",
                answer.ids, self.records
            ))),
        }
    }
}

/// `load` tells the text of an exception without its class, but for those that it did
/// not expect.
fn class_of(said: &str) -> &'static str {
    if said.contains("psycopg2") {
        "psycopg2.Error"
    } else if said.starts_with("Unknown ") {
        "unknown"
    } else {
        "odoo.exceptions.UserError"
    }
}

/// The name of the external ids of a call. The body is part of it: another call under the
/// same key, a day later, never finds the records of this one.
#[must_use]
pub fn name_of(id: ApiKeyId, key: &IdempotencyKey, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(id.0.as_bytes());
    hash.update(Sha256::digest(key.as_str()));
    hash.update(Sha256::digest(body));
    let mut name = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Odoo tells no field of it.
pub fn unknown_model(model: &str) -> AppError {
    AppError::new(ErrorCode::OdooNotFound, format!("Object {model} doesn't exist"))
}

fn refuse(place: &str, what: &str) -> AppError {
    AppError::invalid(format!("With Idempotency-Mode: external-id, {place} can't be {what}."))
        .with_details(serde_json::json!({ "name": place }))
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(AppError::internal)
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(AppError::internal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn known() -> HashMap<String, Arc<FieldTypes>> {
        let fields = |fields: &[(&str, &str, Option<&str>)]| {
            let field = |(name, kind, relation): &(&str, &str, Option<&str>)| {
                let field = FieldType {
                    kind: (*kind).into(),
                    relation: relation.map(Into::into),
                };
                ((*name).to_owned(), field)
            };
            Arc::new(fields.iter().map(field).collect())
        };
        let orders = fields(&[
            ("id", "integer", None),
            ("name", "char", None),
            ("active", "boolean", None),
            ("amount", "float", None),
            ("at", "datetime", None),
            ("partner_id", "many2one", Some("res.partner")),
            ("tag_ids", "many2many", Some("tag")),
            ("line_ids", "one2many", Some("line")),
            ("note_ids", "one2many", Some("line")),
            ("props", "properties", None),
        ]);
        let lines = fields(&[("product_id", "many2one", Some("product")), ("qty", "float", None)]);
        [("order".to_owned(), orders), ("line".to_owned(), lines)].into()
    }

    fn load(args: &str, kwargs: &str) -> Result<(String, String)> {
        let request = CallRequest {
            model: "order".into(),
            method: "create".into(),
            args: serde_json::from_str(args).expect("JSON"),
            kwargs: serde_json::from_str(kwargs).expect("JSON"),
        };
        let load = Values::of(&request)?.load("order", "x", &known())?;
        Ok((load.args.get().to_owned(), load.kwargs.get().to_owned()))
    }

    #[test]
    fn values_of_every_kind_are_said_as_load_takes_them() {
        let (args, kwargs) = load(
            r#"[{"name": "a \"b\"", "active": true, "amount": 1.50, "partner_id": 7, "tag_ids": [[6, 0, [1, 2]]]}]"#,
            r#"{"context": {"lang": "fr_FR"}}"#,
        )
        .expect("it can be said");
        assert_eq!(
            args,
            r#"[["id","active","amount","name","partner_id/.id","tag_ids/.id"],[["__odoo_bridge__.x_0","1","1.50","a \"b\"","7","1,2"]]]"#
        );
        assert_eq!(
            kwargs,
            r#"{"context":{"lang":"fr_FR","module":"__odoo_bridge__","mode":"update","noupdate":true}}"#
        );
        let (args, kwargs) = load(
            r#"[[{"active": false, "partner_id": false, "tag_ids": [], "at": "2026-01-01 10:00:00"}]]"#,
            "{}",
        )
        .expect("it can be said");
        assert_eq!(
            args,
            r#"[["id","active","at","partner_id/.id","tag_ids/.id"],[["__odoo_bridge__.x_0","0","2026-01-01 10:00:00","",""]]]"#
        );
        assert!(kwargs.contains(r#""tz":"UTC""#), "{kwargs}");
    }

    #[test]
    fn lines_are_rows_of_their_own_after_their_record() {
        let (args, _) = load(
            r#"[[{"line_ids": [[0, 0, {"product_id": 1, "qty": 2}], [0, "v", {"qty": 0, "product_id": 3}]], "name": "a",
                 "note_ids": [[0, 0, {"qty": 9}]]},
                {"name": "b", "line_ids": [[0, 0, {"product_id": 4, "qty": 5}]], "note_ids": [[0, 0, {"qty": 8}], [0, 0, {"qty": 7}]]}]]"#,
            "{}",
        )
        .expect("it can be said");
        assert_eq!(
            args,
            concat!(
                r#"[["id","name","line_ids/product_id/.id","line_ids/qty","note_ids/qty"],["#,
                r#"["__odoo_bridge__.x_0","a","1","2","9"],["","","3","0",""],"#,
                r#"["__odoo_bridge__.x_1","b","4","5","8"],["","","","","7"]]]"#
            )
        );
    }

    #[test]
    fn what_load_can_not_be_told_is_refused_by_name() {
        for (args, kwargs, name) in [
            (r#"[{"props": {}}]"#, "{}", "props"),
            (r#"[{"nothing": 1}]"#, "{}", "nothing"),
            (r#"[{"id": 1}]"#, "{}", "id"),
            (r#"[{"name": true}]"#, "{}", "name"),
            (r#"[{"name": ["a"]}]"#, "{}", "name"),
            (r#"[{"active": "no"}]"#, "{}", "active"),
            (r#"[{"partner_id": "Ada"}]"#, "{}", "partner_id"),
            (r#"[{"partner_id": -1}]"#, "{}", "partner_id"),
            (r#"[{"tag_ids": [[0, 0, {"name": "x"}]]}]"#, "{}", "tag_ids"),
            (r#"[{"tag_ids": [[6, 0, [1]], [4, 2]]}]"#, "{}", "tag_ids"),
            (r#"[{"line_ids": [[4, 1]]}]"#, "{}", "line_ids"),
            (r#"[{"line_ids": [[6, 0, {"qty": 1}]]}]"#, "{}", "line_ids"),
            (r#"[{"line_ids": []}]"#, "{}", "line_ids"),
            (r#"[{"line_ids": [[0, 0, {}]]}]"#, "{}", "line_ids"),
            (
                r#"[{"line_ids": [[0, 0, {"qty": 1}], [0, 0, {"qty": 1, "product_id": 2}]]}]"#,
                "{}",
                "line_ids",
            ),
            (r#"[[{"name": "a"}, {"name": "b", "amount": 1}]]"#, "{}", "record 1"),
            (r#"[[]]"#, "{}", "args[0]"),
            (r#"[]"#, "{}", "args"),
            (r#"[{"name": "a"}, {}]"#, "{}", "args"),
            (r#"[{"name": "a", "name": "b"}]"#, "{}", "the arguments"),
            (r#"[{"name": "a"}]"#, r#"{"bogus": 1}"#, "kwargs"),
            (
                r#"[{"name": "a"}]"#,
                r#"{"context": {"noupdate": false}}"#,
                "the context",
            ),
            (
                r#"[{"name": "a"}]"#,
                r#"{"context": {"import_file": true}}"#,
                "the context",
            ),
            (
                r#"[{"name": "a"}]"#,
                r#"{"context": {"_import_limit": 1}}"#,
                "the context",
            ),
            (
                r#"[{"at": "2026-01-01"}]"#,
                r#"{"context": {"tz": "Asia/Tokyo"}}"#,
                "the context",
            ),
        ] {
            let error = load(args, kwargs).expect_err(args);
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{args}");
            assert_eq!(
                error.details.expect("details")["name"],
                name,
                "{args}: {}",
                error.message
            );
        }
        load(r#"[{"at": "2026-01-01"}]"#, r#"{"context": {"tz": "UTC"}}"#).expect("the zone that it means");
    }

    fn some_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            (-3..9_i64).prop_map(|value| json!(value)),
            any::<f64>().prop_map(|value| json!(value)),
            ".{0,6}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = prop_oneof![Just("qty".to_owned()), Just("product_id".to_owned()), ".{0,3}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|value| json!(value)),
                prop::collection::hash_map(name, inner.clone(), 0..3).prop_map(|value| json!(value)),
                inner.prop_map(|value| json!([[0, 0, {"qty": 1, "product_id": value}]])),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_refused_or_becomes_a_whole_table(
            records in prop::collection::vec(
                prop::collection::hash_map(
                    prop::sample::select(vec!["name", "active", "at", "partner_id", "tag_ids", "line_ids", "note_ids", "props", "nothing"]),
                    some_json(), 1..4),
                1..3),
        ) {
            match load(&json!([records]).to_string(), "{}") {
                Err(error) => prop_assert_eq!(error.code, ErrorCode::InvalidRequest),
                Ok((args, _)) => {
                    let (columns, rows): (Vec<String>, Vec<Vec<String>>) = serde_json::from_str(&args).expect("two lists of texts");
                    prop_assert!(rows.iter().all(|row| row.len() == columns.len()), "{}", args);
                    let ids = rows.iter().filter(|row| row[0].starts_with("__odoo_bridge__.x_")).count();
                    prop_assert_eq!(ids, records.len(), "{}", args);
                }
            }
        }
    }

    #[test]
    fn the_answer_is_that_of_create_and_a_refusal_is_in_odoos_words() {
        let load = |records, is_list| Load {
            args: raw("[]".into()).expect("JSON"),
            kwargs: raw("{}".into()).expect("JSON"),
            records,
            is_list,
        };
        let ids = |load: Load, answer: &str| {
            load.ids(answer.as_bytes(), "order")
                .map_err(|error| AppError::from(error).code)
        };
        assert_eq!(
            ids(load(1, false), r#"{"ids": [7], "messages": [], "nextrow": 0}"#),
            Ok("7".into())
        );
        assert_eq!(
            ids(load(2, true), r#"{"ids": [7, 8], "messages": []}"#),
            Ok("[7, 8]".into())
        );
        assert_eq!(ids(load(1, true), r#"{"ids": [7], "messages": []}"#), Ok("[7]".into()));
        for (answer, code) in [
            (
                r#"{"ids": false, "messages": [{"type": "error", "message": "Missing required value"}]}"#,
                ErrorCode::OdooRejected,
            ),
            (
                r#"{"ids": false, "messages": [{"type": "error", "message": "Unknown error during import: <class 'KeyError'>: x"}]}"#,
                ErrorCode::OdooError,
            ),
            (r#"{"ids": [7], "messages": []}"#, ErrorCode::OutcomeUnknown),
            (r#"[7, 8]"#, ErrorCode::OutcomeUnknown),
        ] {
            assert_eq!(ids(load(2, true), answer), Err(code), "{answer}");
        }
    }

    #[test]
    fn another_key_or_body_has_another_external_id() {
        let (one, other) = (ApiKeyId(uuid::Uuid::from_u128(1)), ApiKeyId(uuid::Uuid::from_u128(2)));
        let key = |text: &str| {
            let headers = [(
                crate::calls::idempotency::IDEMPOTENCY_KEY,
                text.parse().expect("a value"),
            )];
            let key = IdempotencyKey::of(&headers.into_iter().collect()).expect("a key");
            key.expect("there")
        };
        let name = name_of(one, &key("a"), b"{}");
        assert_eq!(name, name_of(one, &key("a"), b"{}"));
        assert_eq!(name.len(), 64);
        for different in [
            name_of(other, &key("a"), b"{}"),
            name_of(one, &key("b"), b"{}"),
            name_of(one, &key("a"), b"[]"),
        ] {
            assert_ne!(name, different);
        }
    }
}
