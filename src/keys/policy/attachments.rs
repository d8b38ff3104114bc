//! Attachments hold what belongs to records of all models, also the files in their fields:
//! a certificate's key is one. Below full access their contents are read by a search only,
//! into which the bridge puts that no field's file is meant.

use super::arguments::{Arguments, shown};
use super::decide::{Checker, Stop, refuse};
use super::document::Operation;
use super::json::Json;
use super::methods::{Kind, Method};
use super::never::is_never_field;

const MODEL: &str = "ir.attachment";
/// What holds the contents, or part of them.
const CONTENTS: [&str; 4] = ["datas", "db_datas", "index_content", "raw"];
/// What would put a file into a record's field, or serve it at an address of Odoo's.
const PLACES: [&str; 3] = ["public", "res_field", "url"];
/// The domain that is put in.
const NO_FIELD: &str = r#"["res_field","=",false]"#;

/// Whether what is read of a model depends on how.
pub(super) fn is_bounded(model: &str) -> bool {
    model == MODEL
}

/// Whether contents may be read by a method.
fn searches(model: &str, method: &Method) -> bool {
    model == MODEL && matches!(method.name, "search_read" | "web_search_read")
}

/// `["res_field", "=", false]`, the one thing that may be said of it.
pub(super) fn is_no_field_of_a_record(model: &str, left: &str, operator: &str, right: &Json<'_>) -> bool {
    model == MODEL && left == "res_field" && operator == "=" && *right == Json::Bool(false)
}

/// Whether a field of an attachment is out of reach for an operation.
pub(super) fn is_out_of_reach(model: &str, operation: Operation, name: &str) -> bool {
    model == MODEL
        && match operation {
            Operation::Read => CONTENTS.contains(&name) || name == "res_field",
            Operation::Create => PLACES.contains(&name),
            Operation::Write | Operation::Delete => CONTENTS.contains(&name) || PLACES.contains(&name),
        }
}

impl Checker<'_> {
    /// Checks what a search for attachments reads, contents included; `false`: that it is
    /// none, and nothing was checked.
    pub(super) fn contents(&self, model: &str, method: &Method, index: usize, value: &Json<'_>) -> Result<bool, Stop> {
        if !searches(model, method) {
            return Ok(false);
        }
        let is_content = |name: &str| CONTENTS.contains(&name);
        match (method.parameters[index].kind, value) {
            (Kind::FieldsOrAll, Json::List(fields)) => {
                for field in fields {
                    match field.as_text() {
                        Some(name) if is_content(name) => self.granted(model, Operation::Read, name)?,
                        _ => self.names(model, &Json::List(vec![field.clone()]))?,
                    }
                }
            }
            (Kind::Specification, Json::Object(members)) => {
                for (name, inner) in members {
                    match &**name {
                        name if is_content(name) && inner.is_falsy() => self.granted(model, Operation::Read, name)?,
                        _ => self.specification(model, &Json::Object(vec![(name.clone(), inner.clone())]))?,
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Puts into a search for attachments that no field's file is meant.
    pub(super) fn bound_search(model: &str, method: &Method, arguments: &mut Arguments<'_>) {
        if !searches(model, method) {
            return;
        }
        let domain = arguments.text(method, 0).map(str::trim_start);
        let rest = domain.and_then(|text| text.strip_prefix('[')).map(str::trim_start);
        let bounded = match rest {
            // An empty one, or none: `null`, `false`.
            None => format!("[{NO_FIELD}]"),
            Some(rest) if rest.starts_with(']') => format!("[{NO_FIELD}]"),
            Some(rest) => format!("[{NO_FIELD},{rest}"),
        };
        arguments.set(method, 0, bounded);
    }

    /// What stands for all fields of a model.
    pub(super) fn names_of_all(&self, model: &str, method: &Method, names: &[&str]) -> Option<String> {
        let may_be_read = |name: &&str| {
            let is_content = searches(model, method) && CONTENTS.contains(name);
            !is_never_field(name, Operation::Read) && (is_content || !is_out_of_reach(model, Operation::Read, name))
        };
        let names: Vec<_> = names.iter().copied().filter(may_be_read).collect();
        match names.is_empty() {
            true => Some("[\"id\"]".into()),
            false => serde_json::to_string(&names).ok(),
        }
    }
}

/// Why a field of an attachment is refused.
pub(super) fn refuse_field(name: &str) -> Result<(), Stop> {
    refuse(
        "never",
        name,
        format!(
            "The field \"{}\" of attachments leads to files that belong to fields of any record: contents are read by search_read only, and set when an attachment is made.",
            shown(name)
        ),
    )
}
