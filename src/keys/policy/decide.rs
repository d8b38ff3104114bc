//! The decision: which rule allows a call, or what in it is refused.

use std::cell::RefCell;

use serde_json::value::RawValue;

use super::arguments::{Arguments, Asked, shown};
use super::attachments;
use super::document::{Access, Document, Operation, Policy, is_name};
use super::fields::{FieldKind, Knowledge, Unknown};
use super::grants::{Fields, Grants, is_out_of_reach};
use super::json::Json;
use super::methods::{self, Kind, Method};
use super::never::is_never_field;
use super::usage::Needs;
use super::users;

/// What a policy says to a call.
#[derive(Debug)]
pub enum Verdict {
    /// It may go to Odoo.
    Allowed(Allowed),
    /// It may not, in any form.
    Refused(Refusal),
    /// It can't be said before this is known.
    Needs(Unknown),
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
    Needs(Unknown),
}

pub(super) fn refuse<T>(rule: &'static str, name: &str, sentence: String) -> Result<T, Stop> {
    Err(Stop::Refused(Box::new(Refusal {
        rule,
        name: shown(name),
        sentence,
    })))
}

/// Whether a method is none of the outside's business, whatever the policy.
fn is_private(method: &str) -> bool {
    method.starts_with('_')
}

fn private(method: &str) -> Refusal {
    Refusal {
        rule: "private",
        name: shown(method),
        sentence: format!("{} is private to Odoo.", shown(method)),
    }
}

/// Decides. Total: there is an answer to everything, and it is "refused" for
/// whatever is not understood.
#[must_use]
pub fn decide(policy: &Policy, asked: &Asked<'_>, knowledge: &Knowledge) -> Verdict {
    let document = match policy {
        Policy::Full if is_private(asked.method) => return Verdict::Refused(private(asked.method)),
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
    let checker = Checker::of(document, knowledge, None);
    match checker.call(asked) {
        Ok(allowed) => Verdict::Allowed(allowed),
        Err(Stop::Refused(refusal)) => Verdict::Refused(*refusal),
        Err(Stop::Needs(unknown)) => Verdict::Needs(unknown),
    }
}

/// Notes what a call needs of a policy: by the same checks, which here refuse only what
/// no policy below full access gives.
pub(super) fn note_needs(asked: &Asked<'_>, knowledge: &Knowledge, needs: &RefCell<Needs>) -> Result<(), Stop> {
    let document = &Document::of(Access::Rules);
    Checker::of(document, knowledge, Some(needs)).call(asked).map(drop)
}

/// A document, and what is known of the models.
pub(super) struct Checker<'p> {
    pub(super) document: &'p Document,
    pub(super) knowledge: &'p Knowledge,
    /// Where what is asked for is noted, instead of being judged by the document.
    pub(super) needs: Option<&'p RefCell<Needs>>,
    /// The models of records that are made along with those that are asked for.
    made: RefCell<Vec<String>>,
    /// The contacts by whose fields a user may be known, and that are changed.
    pub(super) known_by: RefCell<Vec<i64>>,
}

impl<'p> Checker<'p> {
    const fn of(document: &'p Document, knowledge: &'p Knowledge, needs: Option<&'p RefCell<Needs>>) -> Self {
        Self {
            document,
            knowledge,
            needs,
            made: RefCell::new(Vec::new()),
            known_by: RefCell::new(Vec::new()),
        }
    }

    /// Whether what is asked for is noted, and not judged.
    pub(super) const fn is_noting(&self) -> bool {
        self.needs.is_some()
    }

    fn call(&self, asked: &Asked<'_>) -> Result<Allowed, Stop> {
        if is_private(asked.method) {
            return Err(Stop::Refused(Box::new(private(asked.method))));
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

    /// A method whose arguments are understood.
    fn known(&self, model: &str, method: &Method, arguments: &mut Arguments<'_>) -> Result<usize, Stop> {
        let mut operation = method.operation;
        if method.name == "web_save" && arguments.ids()?.is_falsy() {
            operation = Operation::Create;
        }
        let rule = self.may(model, operation)?;
        arguments.fit(method)?;
        self.is_called_so(model, method, arguments)?;
        let mut ids = Vec::new();
        if method.takes_ids {
            let given = arguments.ids()?;
            let count = self.ids(&given)?;
            ids = users::ids_of_partners(model, &given);
            // What is saved is read back.
            if operation == Operation::Read || method.name == "web_save" {
                self.within_limit(count)?;
            }
        }
        for index in 0..method.parameters.len() {
            let value = arguments.value(method, index)?;
            if let Some(json) = self.argument((model, &ids), operation, method, index, value.as_ref())? {
                drop(value);
                arguments.set(method, index, json);
            }
        }
        Self::bound_search(model, method, arguments);
        match method.name {
            // An import finds records as well as it makes them.
            "load" => {
                self.may(model, Operation::Write)?;
                self.imported_partners(model, method, arguments)?;
            }
            "web_save" => self.may(model, Operation::Read).map(drop)?,
            "copy" => self.copies(model)?,
            "action_archive" | "action_unarchive" | "toggle_active" => self.field(model, operation, "active")?,
            // Which fields a name is looked for in, or goes to, only Odoo knows.
            "name_search" | "name_create" if !self.has_all_fields(model, operation) => {
                let fields = if operation == Operation::Read {
                    "read_fields"
                } else {
                    "write_fields"
                };
                return refuse(
                    fields,
                    method.name,
                    format!(
                        "{} touches fields that are not named, and this key is limited to some of {model}.",
                        method.name
                    ),
                );
            }
            _ => {}
        }
        self.spare_users()?;
        Ok(rule)
    }

    /// Checks one argument; gives what is to be put in its place.
    fn argument(
        &self,
        (model, ids): (&str, &[i64]),
        operation: Operation,
        method: &Method,
        index: usize,
        value: Option<&Json<'_>>,
    ) -> Result<Option<String>, Stop> {
        let given = value.filter(|value| !value.is_falsy());
        if let Some(value) = given
            && self.contents(model, method, index, value)?
        {
            return Ok(None);
        }
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
                None => self.all_fields(model, method),
            },
            Kind::Values => {
                let ids = if operation == Operation::Write { ids } else { &[] };
                given
                    .map_or(Ok(()), |values| self.values((model, ids), operation, values))
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
        match kind {
            Kind::ReadGroupFields if !self.has_all_fields(model, Operation::Read) => refuse(
                "read_fields",
                "fields",
                format!("Without fields read_group takes all of {model}; this key has to name them."),
            ),
            _ => Ok(()),
        }
    }

    /// What stands for "all fields" if only some may be read.
    fn all_fields(&self, model: &str, method: &Method) -> Result<Option<String>, Stop> {
        if !self.has_all_fields(model, Operation::Read)
            && let Fields::Only(names) = Grants::of(self.document, model).fields(Operation::Read)
        {
            return Ok(self.names_of_all(model, method, &names));
        }
        let Some(fields) = self.knowledge.fields.get(model) else {
            return Err(Stop::Needs(Unknown::FieldsOf(model.to_owned())));
        };
        if attachments::is_bounded(model) {
            return Ok(self.names_of_all(model, method, &fields.names()));
        }
        Ok(fields.without_secrets().map(str::to_owned))
    }

    /// Whether all fields of a model are allowed.
    pub(super) fn has_all_fields(&self, model: &str, operation: Operation) -> bool {
        if let Some(needs) = self.needs {
            needs.borrow_mut().all_fields(model, operation);
            return true;
        }
        matches!(Grants::of(self.document, model).fields(operation), Fields::All)
    }

    pub(super) fn limit(&self, value: Option<&Json<'_>>, default: Option<u32>) -> Result<(), Stop> {
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
    pub(super) fn ids(&self, ids: &Json<'_>) -> Result<usize, Stop> {
        let is_id = |id: &Json<'_>| matches!(id, Json::Integer(1..));
        match ids {
            id if is_id(id) => Ok(1),
            Json::List(ids) if ids.iter().all(is_id) => Ok(ids.len()),
            _ => refuse("ids", "ids", "Ids are positive whole numbers.".into()),
        }
    }

    pub(super) fn reach(&self, model: &str, operation: Operation) -> Result<(), Stop> {
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
        if let Some(needs) = self.needs {
            needs.borrow_mut().operation(model, operation);
            return Ok(0);
        }
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

    /// Whether records of a model may be made along with others.
    pub(super) fn makes(&self, model: &str) -> Result<(), Stop> {
        self.may(model, Operation::Create)?;
        self.made.borrow_mut().push(model.to_owned());
        Ok(())
    }

    /// Whether an operation may touch a field.
    pub(super) fn field(&self, model: &str, operation: Operation, name: &str) -> Result<(), Stop> {
        if is_never_field(name, operation) {
            return refuse(
                "never",
                name,
                format!(
                    "The field \"{}\" holds a secret, or what only full access may set.",
                    shown(name)
                ),
            );
        }
        if attachments::is_out_of_reach(model, operation, name) {
            return attachments::refuse_field(name);
        }
        self.granted(model, operation, name)
    }

    /// Whether the policy gives a field for an operation.
    pub(super) fn granted(&self, model: &str, operation: Operation, name: &str) -> Result<(), Stop> {
        let (rule, verb) = if operation == Operation::Read {
            ("read_fields", "read")
        } else {
            ("write_fields", "set")
        };
        let is_allowed = is_name(name)
            && match (operation, name) {
                (Operation::Read, "id") => true,
                (_, "id") => false,
                _ => match self.needs {
                    Some(needs) => needs.borrow_mut().field(model, operation, name),
                    None => Grants::of(self.document, model).fields(operation).contains(name),
                },
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
        let Some(fields) = self.knowledge.fields.get(model) else {
            return Err(Stop::Needs(Unknown::FieldsOf(model.to_owned())));
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
            if let Some(needs) = self.needs {
                needs.borrow_mut().context(name);
            } else if !self.document.allows_context(name) {
                return refuse(
                    "context",
                    name,
                    format!("This key may not send the context key \"{}\".", shown(name)),
                );
            }
            if let Some(field) = name.strip_prefix("default_") {
                self.field(model, Operation::Create, field)?;
                // It counts for whatever is made.
                for made in &*self.made.borrow() {
                    self.field(made, Operation::Create, field)?;
                }
            }
        }
        Ok(())
    }

    /// For a nested context: the same rules.
    pub(super) fn inner_context(&self, model: &str, context: &Json<'_>) -> Result<(), Stop> {
        self.context(model, context)
    }
}

#[cfg(test)]
pub(super) mod tests;
