//! What a model and a field are, and which models there are. The shape of
//! `fields_get` follows from it.

use super::value::Value;

/// A model, such as `sale.order`.
#[derive(Debug)]
pub struct Model {
    /// Its technical name.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// The Python class that its `create` and `write` are found in.
    pub class: &'static str,
    /// Its order where none is asked for.
    pub order: &'static str,
    /// The field that a record is called by.
    pub named_by: &'static str,
    /// Its fields, in Odoo's order.
    pub fields: &'static [Field],
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// An amount of the record's currency.
    Monetary,
    /// One line of text.
    Char,
    /// Lines of text.
    Text,
    /// HTML.
    Html,
    /// Yes or no.
    Boolean,
    /// `YYYY-MM-DD`
    Date,
    /// `YYYY-MM-DD HH:MM:SS`, UTC
    Datetime,
    /// One of these values, each with its name for people.
    Selection(&'static [(&'static str, &'static str)]),
    /// A record of this model.
    Many2one(&'static str),
    /// The records of this model that point here by this field.
    One2many(&'static str, &'static str),
}

impl Kind {
    /// Odoo's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Monetary => "monetary",
            Self::Char => "char",
            Self::Text => "text",
            Self::Html => "html",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Selection(_) => "selection",
            Self::Many2one(_) => "many2one",
            Self::One2many(..) => "one2many",
        }
    }

    /// The model that it points to.
    #[must_use]
    pub const fn relation(self) -> Option<&'static str> {
        match self {
            Self::Many2one(model) | Self::One2many(model, _) => Some(model),
            _ => None,
        }
    }

    /// Whether it holds several records.
    #[must_use]
    pub const fn is_many(self) -> bool {
        matches!(self, Self::One2many(..))
    }

    /// Whether it holds a number.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Monetary)
    }
}

/// A field of a model.
#[derive(Debug)]
pub struct Field {
    /// Its technical name.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a record needs it.
    pub required: bool,
    /// Whether people can't change it.
    pub readonly: bool,
    /// More for people; empty if there is none.
    pub help: &'static str,
}

impl Field {
    /// A plain field.
    #[must_use]
    pub const fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self {
            name,
            label,
            kind,
            required: false,
            readonly: false,
            help: "",
        }
    }

    /// A record needs it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// People can't change it.
    #[must_use]
    pub const fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// Says more.
    #[must_use]
    pub const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// What `fields_get` says of it, keys sorted as Odoo sorts them.
    #[must_use]
    pub fn describe(&self, attributes: Option<&[Value]>) -> Value {
        let computed = self.name == "display_name";
        let mut all: Vec<(&str, Value)> = vec![
            ("change_default", false.into()),
            ("company_dependent", false.into()),
            ("default_export_compatible", false.into()),
            ("depends", Value::List(Vec::new())),
            ("exportable", true.into()),
            (
                "groupable",
                (!computed && !matches!(self.kind, Kind::One2many(..))).into(),
            ),
            ("manual", false.into()),
            ("name", self.name.into()),
            ("readonly", self.readonly.into()),
            ("required", self.required.into()),
            ("searchable", true.into()),
            ("sortable", (!computed && !self.kind.is_many()).into()),
            ("store", (!computed).into()),
            ("string", self.label.into()),
            ("type", self.kind.name().into()),
        ];
        if !self.help.is_empty() {
            all.push(("help", self.help.into()));
        }
        self.describe_kind(&mut all);
        all.sort_by_key(|(key, _)| *key);
        all.retain(|(key, _)| attributes.is_none_or(|names| names.iter().any(|name| name.as_str() == Some(*key))));
        Value::Dict(all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn describe_kind(&self, all: &mut Vec<(&str, Value)>) {
        if let Some(relation) = self.kind.relation() {
            let hierarchy = matches!(relation, "res.partner" | "res.company" | "sale.order.line");
            all.push(("allow_hierachy_operators", hierarchy.into()));
            all.push(("context", Value::Dict(Vec::new())));
            all.push(("domain", Value::List(Vec::new())));
            all.push(("relation", relation.into()));
        }
        match self.kind {
            Kind::One2many(_, inverse) => all.push(("relation_field", inverse.into())),
            Kind::Char => all.extend([("translate", false.into()), ("trim", true.into())]),
            Kind::Text | Kind::Html => all.push(("translate", false.into())),
            Kind::Float => all.push(("aggregator", "sum".into())),
            Kind::Monetary => all.extend([("aggregator", "sum".into()), ("currency_field", "currency_id".into())]),
            Kind::Selection(options) => {
                let options = options
                    .iter()
                    .map(|(key, label)| vec![(*key).into(), (*label).into()].into());
                all.push(("selection", Value::List(options.collect())));
            }
            _ => {}
        }
    }
}

impl Model {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
