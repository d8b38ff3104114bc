//! What has to be known of a model's fields: which of them lead to other models. It
//! comes from Odoo (`fields_get`) and is passed in.

use std::collections::HashMap;

/// What a field is, as far as a policy cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A value of its own.
    Value,
    /// A date or an instant: a domain may ask for a part of it (`date.month_number`).
    Date,
    /// One record of another model.
    ToOne {
        /// That model.
        model: String,
    },
    /// Many records of another model, which belong to this one.
    OneToMany {
        /// That model.
        model: String,
        /// The field over there that names this record, if Odoo told.
        inverse: Option<String>,
    },
    /// Many records of another model, linked.
    ManyToMany {
        /// That model.
        model: String,
    },
    /// Something with an inner life: properties, JSON.
    Opaque,
}

impl FieldKind {
    /// The model that it leads to.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::ToOne { model } | Self::OneToMany { model, .. } | Self::ManyToMany { model } => Some(model),
            Self::Value | Self::Date | Self::Opaque => None,
        }
    }

    /// From what `fields_get` says of a field.
    #[must_use]
    pub fn of(kind: &str, relation: Option<&str>, inverse: Option<&str>) -> Self {
        let model = relation.map(str::to_owned);
        match (kind, model) {
            ("many2one", Some(model)) => Self::ToOne { model },
            ("one2many", Some(model)) => Self::OneToMany {
                model,
                inverse: inverse.map(str::to_owned),
            },
            ("many2many", Some(model)) => Self::ManyToMany { model },
            ("date" | "datetime", _) => Self::Date,
            (
                "binary" | "boolean" | "char" | "float" | "html" | "integer" | "many2one_reference" | "monetary"
                | "reference" | "selection" | "text",
                _,
            ) => Self::Value,
            _ => Self::Opaque,
        }
    }
}

/// A model's fields by name.
pub type ModelFields = HashMap<String, FieldKind>;

/// What is known of the models.
pub trait Knowledge {
    /// A model's fields; `None`: not known yet.
    fn fields_of(&self, model: &str) -> Option<&ModelFields>;
}

impl Knowledge for HashMap<String, std::sync::Arc<ModelFields>> {
    fn fields_of(&self, model: &str) -> Option<&ModelFields> {
        self.get(model).map(std::sync::Arc::as_ref)
    }
}
