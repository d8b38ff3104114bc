//! What has to be known of a model's fields: which of them lead to other models. It
//! comes from Odoo (`fields_get`) and is passed in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::document::Operation;
use super::never::is_never_field;

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

    /// Whether it leads to many records.
    #[must_use]
    pub const fn is_many(&self) -> bool {
        matches!(self, Self::OneToMany { .. } | Self::ManyToMany { .. })
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
#[derive(Clone, Debug)]
pub struct ModelFields {
    kinds: HashMap<String, FieldKind>,
    /// All names as JSON, if some may never be read: what then stands for "all fields".
    without_secrets: Option<Box<str>>,
}

impl ModelFields {
    /// What a field is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldKind> {
        self.kinds.get(name)
    }

    /// What stands for "all fields" where none are named, if that is not nothing.
    #[must_use]
    pub(super) fn without_secrets(&self) -> Option<&str> {
        self.without_secrets.as_deref()
    }

    /// The models of records that belong to those of this one.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.kinds.values().filter_map(|kind| match kind {
            FieldKind::OneToMany { model, .. } => Some(&**model),
            _ => None,
        })
    }

    /// All names, in their order.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.kinds.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl FromIterator<(String, FieldKind)> for ModelFields {
    fn from_iter<I: IntoIterator<Item = (String, FieldKind)>>(fields: I) -> Self {
        let mut model = Self {
            kinds: fields.into_iter().collect(),
            without_secrets: None,
        };
        let mut names = model.names();
        let all = names.len();
        names.retain(|name| !is_never_field(name, Operation::Read));
        // Of a model of which nothing is known there is only the id.
        if names.len() < all || all == 0 {
            let names = if names.is_empty() { vec!["id"] } else { names };
            model.without_secrets = serde_json::to_string(&names).ok().map(Into::into);
        }
        model
    }
}

/// What Odoo tells of a model's methods; nothing, if it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelMethods {
    /// Those that it marks as reading only.
    pub readonly: HashSet<String>,
    /// Those that are called on no records.
    pub of_model: HashSet<String>,
    /// What arguments are called that can be given by position.
    pub parameters: HashMap<String, Vec<String>>,
}

/// What is known of the models.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Their fields.
    pub fields: HashMap<String, Arc<ModelFields>>,
    /// The models of the lines that `copy` makes along with a record of this model.
    pub copied: HashMap<String, Arc<[String]>>,
    /// Whether one of these partners has a user.
    pub users_behind: HashMap<Vec<i64>, bool>,
    /// Their methods.
    pub methods: HashMap<String, Arc<ModelMethods>>,
}

/// What has to be known first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The fields of this model.
    FieldsOf(String),
    /// Which lines `copy` makes along with a record of this model.
    CopiedWith(String),
    /// Whether one of these partners has a user.
    UsersBehind(Vec<i64>),
    /// The methods of this model.
    MethodsOf(String),
}
