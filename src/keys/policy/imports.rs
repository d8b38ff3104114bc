//! The columns of an import (`load`): each makes records or changes them, of the model
//! itself and of those that a column leads to.

use super::decide::{Checker, Stop, refuse};
use super::document::Operation;
use super::fields::FieldKind;
use super::json::Json;
use super::users::is_known_by;
use super::values::odd;

impl Checker<'_> {
    pub(super) fn import_fields(&self, model: &str, fields: &Json<'_>) -> Result<(), Stop> {
        let Some(fields) = fields.as_list() else {
            return odd("fields", "list of columns");
        };
        let columns: Vec<_> = fields.iter().filter_map(Json::as_text).collect();
        for field in fields {
            match field.as_text() {
                // Which record a row is of.
                Some(".id") => {}
                // An external id that is not there yet is made, and so is a record of ir.model.data.
                Some("id") => {
                    return refuse(
                        "never",
                        "id",
                        "To import under external ids makes Odoo write those: only a key with full access may do this."
                            .into(),
                    );
                }
                Some(path) => self.import_path(model, ("", path), &columns)?,
                None => return odd("fields", "list of columns"),
            }
        }
        Ok(())
    }

    /// `before` led to the model.
    fn import_path(&self, model: &str, (before, path): (&str, &str), columns: &[&str]) -> Result<(), Stop> {
        let (first, rest) = path
            .split_once('/')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        let finds = |end: &str| columns.iter().any(|column| column.strip_prefix(before) == Some(end));
        if !before.is_empty() && is_known_by(model, first) && (finds("") || finds("/id") || finds("/.id")) {
            return refuse(
                "never",
                first,
                format!("A contact that is found by \"{before}\" may have an Odoo user, who is known by its {first}."),
            );
        }
        self.field(model, Operation::Create, first)?;
        self.field(model, Operation::Write, first)?;
        // By the name of a record, by its id, or by fields of its own.
        if rest.is_none() {
            self.by_name(model, first)?;
        }
        let is_link = matches!(rest, None | Some("id" | ".id"));
        match self.kind_of(model, first)? {
            // A line that is found is linked and written to, and one that is not is made.
            FieldKind::OneToMany { model, inverse } => {
                self.makes(model)?;
                self.linked(model, Some(inverse.as_deref()))?;
            }
            // Those that are not in the row are unlinked.
            FieldKind::ManyToMany { model } if is_link => {
                self.unlinked(model, None)?;
                self.linked(model, None)?;
            }
            FieldKind::ToOne { .. } if is_link => {}
            // A text with an inner life of its own.
            FieldKind::Opaque => return odd(path, "column"),
            kind => match kind.model() {
                Some(other) => {
                    self.makes(other)?;
                    self.may(other, Operation::Write)?;
                }
                None if rest.is_none() => {}
                None => return odd(path, "column"),
            },
        }
        match (self.kind_of(model, first)?.model(), rest) {
            (Some(other), Some(rest)) if !is_link => {
                let before = match before {
                    "" => first.to_owned(),
                    before => format!("{before}/{first}"),
                };
                self.import_path(other, (&before, rest), columns)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn import_rows(rows: &Json<'_>) -> Result<(), Stop> {
        let is_row = |row: &Json<'_>| row.as_list().is_some_and(|cells| cells.iter().all(Json::is_scalar));
        match rows.as_list() {
            Some(rows) if rows.iter().all(is_row) => Ok(()),
            _ => odd("data", "table of rows"),
        }
    }
}
