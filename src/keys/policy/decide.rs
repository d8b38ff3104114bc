//! The decision: which rule allows a call, or what in it is refused.

use serde_json::value::RawValue;

use super::arguments::{Arguments, Asked, shown};
use super::document::{Document, Operation, Policy, is_name};
use super::fields::{FieldKind, Knowledge};
use super::grants::{Fields, Grants, is_out_of_reach};
use super::json::Json;
use super::methods::{self, Kind, Method};

/// What a policy says to a call.
#[derive(Debug)]
pub enum Verdict {
    /// It may go to Odoo.
    Allowed(Allowed),
    /// It may not, in any form.
    Refused(Refusal),
    /// It can't be said without the fields of this model.
    NeedsFields(String),
}

/// A call that may go to Odoo.
#[derive(Debug, Default)]
pub struct Allowed {
    /// The number of the rule that allows it, from 1; 0: the whole policy does.
    pub rule: usize,
    /// `args` and `kwargs` as they go to Odoo, if something had to be put in.
    pub rewritten: Option<(Box<RawValue>, Box<RawValue>)>,
}

/// Why a call may not go to Odoo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What refuses: `policy`, `private`, `never`, `model`, `operation`, `method`,
    /// `arguments`, `ids`, `read_fields`, `write_fields`, `context`, `max_limit`.
    pub rule: &'static str,
    /// What is refused: a model, a method, a field, an argument.
    pub name: String,
    /// For the person.
    pub sentence: String,
}

/// Why the decision ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Box<Refusal>),
    NeedsFields(String),
}

pub(super) fn refuse<T>(rule: &'static str, name: &str, sentence: String) -> Result<T, Stop> {
    Err(Stop::Refused(Box::new(Refusal {
        rule,
        name: shown(name),
        sentence,
    })))
}

/// Decides. Total: there is an answer to everything, and it is "refused" for
/// whatever is not understood.
#[must_use]
pub fn decide(policy: &Policy, asked: &Asked<'_>, knowledge: &dyn Knowledge) -> Verdict {
    let document = match policy {
        Policy::Full => return Verdict::Allowed(Allowed::default()),
        Policy::Nothing => {
            let sentence =
                "This key's policy can't be read, so that it allows nothing. Its operator has to set it anew.";
            return Verdict::Refused(Refusal {
                rule: "policy",
                name: "policy".into(),
                sentence: sentence.into(),
            });
        }
        Policy::Limited(document) => document,
    };
    let checker = Checker { document, knowledge };
    match checker.call(asked) {
        Ok(allowed) => Verdict::Allowed(allowed),
        Err(Stop::Refused(refusal)) => Verdict::Refused(*refusal),
        Err(Stop::NeedsFields(model)) => Verdict::NeedsFields(model),
    }
}

/// A document, and what is known of the models.
pub(super) struct Checker<'p> {
    pub(super) document: &'p Document,
    knowledge: &'p dyn Knowledge,
}

impl<'p> Checker<'p> {
    fn call(&self, asked: &Asked<'_>) -> Result<Allowed, Stop> {
        if asked.method.starts_with('_') {
            return refuse("private", asked.method, format!("{} is private to Odoo.", asked.method));
        }
        let mut arguments = Arguments::of(asked)?;
        let rule = match methods::find(asked.model, asked.method) {
            Some(method) => self.known(asked.model, method, &mut arguments)?,
            None => self.named(asked, &arguments)?,
        };
        if let Some(context) = arguments.context()? {
            self.context(asked.model, &context)?;
        }
        Ok(Allowed {
            rule,
            rewritten: arguments.rewritten(),
        })
    }

    /// A method that nobody understands, but that a rule names.
    fn named(&self, asked: &Asked<'_>, arguments: &Arguments<'_>) -> Result<usize, Stop> {
        self.reach(asked.model, Operation::Write)?;
        let grants = Grants::of(self.document, asked.model);
        let Some((rule, is_free)) = grants.rule_for_method(asked.method) else {
            return refuse(
                "method",
                asked.method,
                format!(
                    "No rule of this key names the method {} of {}.",
                    asked.method, asked.model
                ),
            );
        };
        if is_free {
            return Ok(rule);
        }
        // Only records: nothing in such a call can name a field.
        if arguments.positional() > 1 || arguments.names().any(|name| name != "context") {
            return refuse(
                "arguments",
                asked.method,
                format!(
                    "The arguments of {} are not understood, and this key is limited to some fields of {}: it may be called with ids only.",
                    asked.method, asked.model
                ),
            );
        }
        self.ids(&arguments.ids()?)?;
        Ok(rule)
    }

    /// A method whose arguments are understood.
    fn known(&self, model: &str, method: &Method, arguments: &mut Arguments<'_>) -> Result<usize, Stop> {
        let mut operation = method.operation;
        if method.name == "web_save" && arguments.ids()?.is_falsy() {
            operation = Operation::Create;
        }
        let rule = self.may(model, operation)?;
        arguments.fit(method)?;
        if method.takes_ids {
            let ids = arguments.ids()?;
            let count = self.ids(&ids)?;
            if operation == Operation::Read {
                self.within_limit(count)?;
            }
        }
        for index in 0..method.parameters.len() {
            let value = arguments.value(method, index)?;
            if let Some(json) = self.argument(model, operation, method, index, value.as_ref())? {
                drop(value);
                arguments.set(method, index, json);
            }
        }
        match method.name {
            // An import finds records as well as it makes them.
            "load" => self.may(model, Operation::Write).map(drop)?,
            "web_save" => self.may(model, Operation::Read).map(drop)?,
            "action_archive" | "action_unarchive" | "toggle_active" => self.field(model, operation, "active")?,
            // Which field the name goes to, only Odoo knows.
            "name_create" if !matches!(Grants::of(self.document, model).fields(operation), Fields::All) => {
                return refuse(
                    "write_fields",
                    method.name,
                    format!("name_create sets a field that is not named, and this key is limited to some of {model}."),
                );
            }
            _ => {}
        }
        Ok(rule)
    }

    /// Checks one argument; gives what is to be put in its place.
    fn argument(
        &self,
        model: &str,
        operation: Operation,
        method: &Method,
        index: usize,
        value: Option<&Json<'_>>,
    ) -> Result<Option<String>, Stop> {
        let given = value.filter(|value| !value.is_falsy());
        match method.parameters[index].kind {
            Kind::Plain => match given {
                Some(value) if !value.is_scalar() && method.parameters[index].names[0] != "attributes" => refuse(
                    "arguments",
                    method.parameters[index].names[0],
                    format!(
                        "The argument \"{}\" is not understood.",
                        method.parameters[index].names[0]
                    ),
                ),
                _ => Ok(None),
            },
            Kind::Limit => self.limit(value, method.default_limit).map(|()| None),
            Kind::FieldsOrAll => match given {
                Some(fields) => self.names(model, fields).map(|()| None),
                None => Ok(self.all_fields(model)),
            },
            Kind::Values => {
                let operation = if method.name == "copy" {
                    Operation::Create
                } else {
                    operation
                };
                given
                    .map_or(Ok(()), |values| self.values(model, operation, values))
                    .map(|()| None)
            }
            kind => given
                .map_or_else(|| self.left_out(model, kind), |value| self.kind(model, kind, value))
                .map(|()| None),
        }
    }

    fn kind(&self, model: &str, kind: Kind, value: &Json<'_>) -> Result<(), Stop> {
        match kind {
            Kind::Domain => self.domain(model, value),
            Kind::Having => self.having(model, value),
            Kind::Fields => self.names(model, value),
            Kind::Specification => self.specification(model, value),
            Kind::Order => self.order(model, value),
            Kind::GroupBy => self.group_by(model, value),
            Kind::Aggregates => self.aggregates(model, value),
            Kind::ReadGroupFields => self.read_group_fields(model, value),
            Kind::ValuesOfMany => self.values_of_many(model, value),
            Kind::ImportFields => self.import_fields(model, value),
            Kind::ImportRows => Self::import_rows(value),
            Kind::ExportPaths => self.export_paths(model, value),
            Kind::Plain | Kind::Limit | Kind::FieldsOrAll | Kind::Values => Ok(()),
        }
    }

    /// An argument that is not given, or empty.
    fn left_out(&self, model: &str, kind: Kind) -> Result<(), Stop> {
        let is_limited = || !matches!(Grants::of(self.document, model).fields(Operation::Read), Fields::All);
        match kind {
            Kind::ReadGroupFields if is_limited() => refuse(
                "read_fields",
                "fields",
                format!("Without fields read_group takes all of {model}; this key has to name them."),
            ),
            _ => Ok(()),
        }
    }

    /// What stands for "all fields" if only some may be read.
    fn all_fields(&self, model: &str) -> Option<String> {
        match Grants::of(self.document, model).fields(Operation::Read) {
            Fields::All => None,
            Fields::Only(names) if names.is_empty() => Some("[\"id\"]".into()),
            Fields::Only(names) => serde_json::to_string(&names).ok(),
        }
    }

    fn limit(&self, value: Option<&Json<'_>>, default: Option<u32>) -> Result<(), Stop> {
        let Some(most) = self.document.max_limit else {
            return match value {
                Some(value) if !value.is_scalar() => refuse("arguments", "limit", "limit must be a number.".into()),
                _ => Ok(()),
            };
        };
        let asked = match value {
            Some(Json::Integer(limit)) => u64::try_from(*limit).ok(),
            Some(Json::Null | Json::Bool(false)) => None,
            None => default.map(u64::from),
            Some(_) => return refuse("arguments", "limit", "limit must be a whole number.".into()),
        };
        // For Odoo 0 and less are no limit.
        match asked.filter(|limit| *limit > 0) {
            Some(limit) if limit <= u64::from(most) => Ok(()),
            Some(_) => refuse(
                "max_limit",
                "limit",
                format!("This key may ask for {most} records at once."),
            ),
            None => refuse(
                "max_limit",
                "limit",
                format!("This key may ask for {most} records at once: send a limit."),
            ),
        }
    }

    fn within_limit(&self, count: usize) -> Result<(), Stop> {
        match self.document.max_limit {
            Some(most) if count as u64 > u64::from(most) => refuse(
                "max_limit",
                "ids",
                format!("This key may ask for {most} records at once."),
            ),
            _ => Ok(()),
        }
    }

    /// How many there are.
    fn ids(&self, ids: &Json<'_>) -> Result<usize, Stop> {
        let is_id = |id: &Json<'_>| matches!(id, Json::Integer(1..));
        match ids {
            id if is_id(id) => Ok(1),
            Json::List(ids) if ids.iter().all(is_id) => Ok(ids.len()),
            _ => refuse("ids", "ids", "Ids are positive whole numbers.".into()),
        }
    }

    fn reach(&self, model: &str, operation: Operation) -> Result<(), Stop> {
        if is_out_of_reach(model, operation) {
            return refuse(
                "never",
                model,
                format!("{model} holds code, secrets or rights: only a key with full access may do this."),
            );
        }
        Ok(())
    }

    /// Whether an operation is allowed on a model: the number of the rule.
    pub(super) fn may(&self, model: &str, operation: Operation) -> Result<usize, Stop> {
        self.reach(model, operation)?;
        let grants = Grants::of(self.document, model);
        if grants.is_empty() {
            return refuse("model", model, format!("No rule of this key speaks of {model}."));
        }
        grants.rule_for(operation).map_or_else(
            || {
                refuse(
                    "operation",
                    operation.as_str(),
                    format!("This key may not {} {model}.", operation.as_str()),
                )
            },
            Ok,
        )
    }

    /// Whether an operation may touch a field.
    pub(super) fn field(&self, model: &str, operation: Operation, name: &str) -> Result<(), Stop> {
        let (rule, verb) = if operation == Operation::Read {
            ("read_fields", "read")
        } else {
            ("write_fields", "set")
        };
        let is_allowed = is_name(name)
            && match (operation, name) {
                (Operation::Read, "id") => true,
                (_, "id") => false,
                _ => Grants::of(self.document, model).fields(operation).contains(name),
            };
        if is_allowed {
            return Ok(());
        }
        refuse(
            rule,
            name,
            format!("This key may not {verb} the field \"{}\" of {model}.", shown(name)),
        )
    }

    /// What a field is.
    pub(super) fn kind_of(&self, model: &str, name: &str) -> Result<&'p FieldKind, Stop> {
        let Some(fields) = self.knowledge.fields_of(model) else {
            return Err(Stop::NeedsFields(model.to_owned()));
        };
        match fields.get(name) {
            Some(kind) => Ok(kind),
            None => refuse(
                "arguments",
                name,
                format!(
                    "{model} has no field \"{}\" that is known, and what is behind it can't be judged.",
                    shown(name)
                ),
            ),
        }
    }

    fn context(&self, model: &str, context: &Json<'_>) -> Result<(), Stop> {
        if context.is_falsy() {
            return Ok(());
        }
        let Json::Object(members) = context else {
            return refuse("context", "context", "The context must be an object.".into());
        };
        for (name, _) in members {
            if !self.document.allows_context(name) {
                return refuse(
                    "context",
                    name,
                    format!("This key may not send the context key \"{}\".", shown(name)),
                );
            }
            if let Some(field) = name.strip_prefix("default_") {
                self.field(model, Operation::Create, field)?;
            }
        }
        Ok(())
    }

    /// For a nested context: the same rules.
    pub(super) fn inner_context(&self, model: &str, context: &Json<'_>) -> Result<(), Stop> {
        self.context(model, context)
    }
}
