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
        // Records, and what can't name a field of theirs.
        let harmless = methods::harmless_arguments(asked.method);
        let is_understood = |name: &str| name == "context" || (harmless.contains(&name) && arguments.is_scalar(name));
        if arguments.positional() > 1 || !arguments.names().all(is_understood) {
            return refuse(
                "arguments",
                asked.method,
                format!(
                    "The arguments of {} are not understood, and this key is limited to some fields of {}: it may be called with ids and plain values that are known to name none.",
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
            // Which fields a name is looked for in, or goes to, only Odoo knows.
            "name_search" | "name_create"
                if !matches!(Grants::of(self.document, model).fields(operation), Fields::All) =>
            {
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

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::super::fields::ModelFields;
    use super::*;

    /// Three models that lead to each other.
    pub(in super::super) fn shop() -> HashMap<String, Arc<ModelFields>> {
        let one = |model: &str| FieldKind::of("many2one", Some(model), None);
        let value = || FieldKind::Value;
        let model = |fields: &[(&str, FieldKind)]| {
            Arc::new(
                fields
                    .iter()
                    .map(|(name, kind)| ((*name).to_owned(), kind.clone()))
                    .collect(),
            )
        };
        HashMap::from([
            (
                "sale.order".to_owned(),
                model(&[
                    ("name", value()),
                    ("note", value()),
                    ("date_order", FieldKind::Date),
                    ("partner_id", one("res.partner")),
                    ("user_id", one("res.users")),
                    (
                        "order_line",
                        FieldKind::of("one2many", Some("sale.order.line"), Some("order_id")),
                    ),
                    ("tag_ids", FieldKind::of("many2many", Some("crm.tag"), None)),
                    ("props", FieldKind::Opaque),
                ]),
            ),
            (
                "sale.order.line".to_owned(),
                model(&[
                    ("name", value()),
                    ("order_id", one("sale.order")),
                    ("price_unit", value()),
                ]),
            ),
            (
                "res.partner".to_owned(),
                model(&[
                    ("name", value()),
                    ("email", value()),
                    ("comment", value()),
                    ("parent_id", one("res.partner")),
                ]),
            ),
            (
                "res.users".to_owned(),
                model(&[
                    ("name", value()),
                    ("groups_id", FieldKind::of("many2many", Some("res.groups"), None)),
                ]),
            ),
            ("crm.tag".to_owned(), model(&[("name", value())])),
        ])
    }

    /// `model.method args kwargs` decided by a document.
    fn ask(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> Verdict {
        let policy = Policy::parse(policy).expect("a policy");
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (args, kwargs) = (raw(args), raw(kwargs));
        let asked = Asked {
            model,
            method,
            args: &args,
            kwargs: &kwargs,
        };
        decide(&policy, &asked, &shop())
    }

    fn refused(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> String {
        match ask(policy, model, method, args, kwargs) {
            Verdict::Refused(refusal) => format!("{}: {}", refusal.rule, refusal.name),
            other => panic!("{model}.{method} {args} {kwargs}: {other:?}"),
        }
    }

    fn allowed(policy: &str, model: &str, method: &str, args: &str, kwargs: &str) -> Option<(String, String)> {
        match ask(policy, model, method, args, kwargs) {
            Verdict::Allowed(allowed) => allowed
                .rewritten
                .map(|(args, kwargs)| (args.get().to_owned(), kwargs.get().to_owned())),
            other => panic!("{model}.{method} {args} {kwargs}: {other:?}"),
        }
    }

    const READ_ONLY: &str = r#"{"access":"read_only"}"#;
    const PARTNERS: &str = r#"{"access":"rules","rules":[
        {"model":"res.partner","operations":["read","create","write"],"read_fields":["name","email"],"write_fields":["email"],"methods":["message_post"]},
        {"model":"sale.order","operations":["read","create","write"]}],"max_limit":50}"#;

    #[test]
    fn read_only_reads_and_does_nothing_else() {
        allowed(READ_ONLY, "sale.order", "search_read", "[[]]", r#"{"fields":["name"]}"#);
        allowed(READ_ONLY, "sale.order", "read", "[[1,2]]", "{}");
        allowed(READ_ONLY, "res.users", "context_get", "[]", "{}");
        for (method, args) in [
            ("create", r#"[{"name":"x"}]"#),
            ("write", r#"[[1],{"name":"x"}]"#),
            ("unlink", "[[1]]"),
            ("copy", "[[1]]"),
        ] {
            assert!(
                refused(READ_ONLY, "sale.order", method, args, "{}").starts_with("operation"),
                "{method}"
            );
        }
        assert_eq!(
            refused(READ_ONLY, "sale.order", "action_confirm", "[[1]]", "{}"),
            "method: action_confirm"
        );
        assert_eq!(
            refused(READ_ONLY, "sale.order", "get_everything", "[[1]]", "{}"),
            "method: get_everything"
        );
        assert_eq!(
            refused(READ_ONLY, "sale.order", "_read", "[[1]]", "{}"),
            "private: _read"
        );
        assert_eq!(
            refused(READ_ONLY, "ir.config_parameter", "search_read", "[[]]", "{}"),
            "never: ir.config_parameter"
        );
    }

    #[test]
    fn no_path_leads_to_what_is_never_allowed() {
        for (args, kwargs) in [
            (r#"[[["user_id.groups_id.name","=","x"]]]"#, "{}"),
            (
                r#"[[["user_id","any",[["groups_id","any",[["name","=","x"]]]]]]]"#,
                "{}",
            ),
            ("[[]]", r#"{"order":"user_id.groups_id.name desc"}"#),
        ] {
            assert_eq!(
                refused(READ_ONLY, "sale.order", "search", args, kwargs),
                "never: res.groups",
                "{args} {kwargs}"
            );
        }
        let specification = r#"{"specification":{"user_id":{"fields":{"groups_id":{"fields":{"name":{}}}}}}}"#;
        assert_eq!(
            refused(READ_ONLY, "sale.order", "web_search_read", "[[]]", specification),
            "never: res.groups"
        );
        assert_eq!(
            refused(
                READ_ONLY,
                "sale.order",
                "export_data",
                r#"[[1],["user_id/groups_id/name"]]"#,
                "{}"
            ),
            "never: res.groups"
        );
    }

    #[test]
    fn fields_are_put_in_where_none_are_given() {
        let (args, kwargs) =
            allowed(PARTNERS, "res.partner", "search_read", "[[]]", r#"{"limit":5}"#).expect("rewritten");
        assert_eq!(
            (args.as_str(), kwargs.as_str()),
            ("[[]]", r#"{"limit":5,"fields":["email","name"]}"#)
        );
        let (args, _) = allowed(PARTNERS, "res.partner", "read", "[[7],false]", "{}").expect("rewritten");
        assert_eq!(args, r#"[[7],["email","name"]]"#);
        assert_eq!(
            allowed(PARTNERS, "res.partner", "read", r#"[[7],["name"]]"#, "{}"),
            None
        );
        let (_, kwargs) = allowed(PARTNERS, "res.partner", "fields_get", "[]", "{}").expect("rewritten");
        assert_eq!(kwargs, r#"{"allfields":["email","name"]}"#);
    }

    #[test]
    fn a_field_that_is_not_allowed_is_found_wherever_it_stands() {
        let limit = r#"{"limit":5}"#;
        for (method, args, kwargs) in [
            ("search_read", r#"[[["comment","=","x"]]]"#, limit),
            ("search_read", r#"[["|",["name","=","x"],["comment","=","x"]]]"#, limit),
            ("search_read", r#"[[["parent_id.comment","=","x"]]]"#, limit),
            ("search_read", r#"[[],["name","comment"]]"#, limit),
            ("search_read", r#"[[],["name"],0,5,"comment desc"]"#, "{}"),
            ("search", "[[]]", r#"{"limit":5,"order":"name, comment nulls last"}"#),
            ("read_group", r#"[[],["comment:count"],["name"]]"#, limit),
            ("read_group", r#"[[],["n:count(comment)"],["name"]]"#, limit),
            ("read_group", r#"[[],["name"],["comment"]]"#, limit),
            ("formatted_read_group", "[[]]", r#"{"limit":5,"groupby":["comment"]}"#),
            (
                "formatted_read_group",
                "[[]]",
                r#"{"limit":5,"aggregates":["comment:max"]}"#,
            ),
            (
                "formatted_read_group",
                "[[]]",
                r#"{"limit":5,"having":[["comment:max",">",1]]}"#,
            ),
            ("web_read", r#"[[1],{"comment":{}}]"#, "{}"),
            ("export_data", r#"[[1],["comment"]]"#, "{}"),
            ("fields_get", r#"[["comment"]]"#, "{}"),
            ("default_get", r#"[["comment"]]"#, "{}"),
        ] {
            let said = refused(PARTNERS, "res.partner", method, args, kwargs);
            assert!(
                said == "read_fields: comment" || said == "read_fields: parent_id",
                "{method} {args}: {said}"
            );
        }
        for (method, args, kwargs) in [
            ("create", r#"[{"comment":"x"}]"#, "{}"),
            ("create", r#"[[{"email":"x"},{"comment":"x"}]]"#, "{}"),
            ("write", r#"[[1],{"comment":"x"}]"#, "{}"),
            ("copy", r#"[[1],{"comment":"x"}]"#, "{}"),
            ("load", r#"[["email","comment"],[["a","b"]]]"#, "{}"),
            ("web_save", r#"[[1],{"comment":"x"},{}]"#, "{}"),
        ] {
            assert_eq!(
                refused(PARTNERS, "res.partner", method, args, kwargs),
                "write_fields: comment",
                "{method} {args}"
            );
        }
        let document = PARTNERS.replace(
            "\"max_limit\":50",
            "\"context\":[\"default_comment\",\"default_email\"]",
        );
        let with = |field: &str| format!(r#"{{"context":{{"default_{field}":"x"}}}}"#);
        allowed(&document, "res.partner", "create", r#"[{"email":"x"}]"#, &with("email"));
        assert_eq!(
            refused(
                &document,
                "res.partner",
                "create",
                r#"[{"email":"x"}]"#,
                &with("comment")
            ),
            "write_fields: comment"
        );
        assert_eq!(
            refused(PARTNERS, "res.partner", "create", r#"[{"email":"x"}]"#, &with("email")),
            "context: default_email"
        );
    }

    #[test]
    fn each_command_is_an_operation_on_the_other_model() {
        let lines = |operations: &str| {
            format!(
                r#"{{"access":"rules","rules":[{{"model":"sale.order","operations":["write"]}},
                {{"model":"sale.order.line","operations":[{operations}],"write_fields":["name","order_id"]}}]}}"#
            )
        };
        let write = |policy: &str, commands: &str| {
            let args = format!(r#"[[1],{{"order_line":{commands}}}]"#);
            match ask(policy, "sale.order", "write", &args, "{}") {
                Verdict::Allowed(_) => "allowed".to_owned(),
                Verdict::Refused(refusal) => format!("{}: {}", refusal.rule, refusal.name),
                Verdict::NeedsFields(model) => model,
            }
        };
        let (creates, writes) = (lines("\"create\""), lines("\"write\""));
        assert_eq!(write(&creates, r#"[[0,0,{"name":"x"}]]"#), "allowed");
        assert_eq!(
            write(&creates, r#"[[0,0,{"price_unit":1}]]"#),
            "write_fields: price_unit"
        );
        assert_eq!(write(&creates, r#"[[1,5,{"name":"x"}]]"#), "operation: write");
        assert_eq!(write(&writes, r#"[[1,5,{"name":"x"}]]"#), "allowed");
        assert_eq!(write(&writes, r#"[[0,0,{"name":"x"}]]"#), "operation: create");
        assert_eq!(write(&writes, "[[2,5,0]]"), "operation: delete");
        assert_eq!(write(&writes, "[[4,5,0]]"), "allowed");
        for unlinking in ["[[3,5,0]]", "[[5,0,0]]", "[[6,0,[5]]]"] {
            assert_eq!(write(&writes, unlinking), "operation: delete", "{unlinking}");
        }
        for odd in [
            "[[7,0,0]]",
            "[[1,\"5\",{}]]",
            "[5]",
            "[{}]",
            "{}x",
            "[[0,0,[]]]",
            "[[6,0,[true]]]",
            "[[\"0\",0,{}]]",
        ] {
            if let Ok(value) = serde_json::from_str::<&RawValue>(odd) {
                assert!(
                    write(&lines(r#""create","write","delete""#), value.get()).starts_with("arguments"),
                    "{odd}"
                );
            }
        }
        // To any depth.
        let deep = r#"[[0,0,{"name":"x","order_id":{"note":"y"}}]]"#;
        assert!(write(&creates, deep).starts_with("arguments"));
        assert_eq!(
            refused(
                PARTNERS,
                "sale.order",
                "create",
                r#"[{"order_line":[[0,0,{"name":"x"}]]}]"#,
                "{}"
            ),
            "model: sale.order.line"
        );
        assert_eq!(
            refused(PARTNERS, "sale.order", "create", r#"[{"tag_ids":[[4,7,0]]}]"#, "{}"),
            "model: crm.tag"
        );
        assert_eq!(
            refused(PARTNERS, "sale.order", "create", r#"[{"props":[{"x":1}]}]"#, "{}"),
            "arguments: props"
        );
    }

    #[test]
    fn what_is_ambiguous_is_refused_and_not_interpreted() {
        let read = |args: &str, kwargs: &str| refused(PARTNERS, "res.partner", "search_read", args, kwargs);
        assert_eq!(read("[[]]", r#"{"domain":[],"limit":5}"#), "arguments: domain");
        assert_eq!(
            read("[[],[\"name\"]]", r#"{"fields":["name"],"limit":5}"#),
            "arguments: fields"
        );
        assert_eq!(read("[[]]", r#"{"limit":5,"limit":5}"#), "arguments: kwargs");
        assert_eq!(read("[[]]", r#"{"limit":5,"l\u0069mit":5}"#), "arguments: kwargs");
        assert_eq!(read("[[]]", r#"{"limit":5,"fieldz":["comment"]}"#), "arguments: fieldz");
        assert_eq!(read("[[],[],0,5,\"name\",\"x\",\"y\"]", "{}"), "arguments: search_read");
        for ids in [
            "[0]", "[-1]", "[1.0]", "[\"1\"]", "[true]", "{}", "\"1\"", "null", "[[1]]", "0",
        ] {
            assert_eq!(
                refused(PARTNERS, "res.partner", "read", &format!("[{ids}]"), "{}"),
                "ids: ids",
                "{ids}"
            );
        }
        assert_eq!(refused(PARTNERS, "res.partner", "read", "[]", "{}"), "ids: ids");
        for domain in [
            r#"[["name","=",{"a":1}]]"#,
            r#"[["name","=",[[1]]]]"#,
            r#"[["name","="]]"#,
            r#"["x"]"#,
            r#""x""#,
            r#"[["name","any!",[]]]"#,
        ] {
            assert!(
                read(&format!("[{domain}]"), r#"{"limit":5}"#).starts_with("arguments"),
                "{domain}"
            );
        }
    }

    #[test]
    fn a_cap_on_records_can_not_be_walked_around() {
        for kwargs in [
            "{}",
            r#"{"limit":0}"#,
            r#"{"limit":-1}"#,
            r#"{"limit":null}"#,
            r#"{"limit":false}"#,
            r#"{"limit":51}"#,
        ] {
            assert_eq!(
                refused(PARTNERS, "res.partner", "search", "[[]]", kwargs),
                "max_limit: limit",
                "{kwargs}"
            );
        }
        assert_eq!(
            refused(PARTNERS, "res.partner", "search", "[[]]", r#"{"limit":"5"}"#),
            "arguments: limit"
        );
        let many = format!("[{:?}]", (1..=51).collect::<Vec<_>>());
        assert_eq!(refused(PARTNERS, "res.partner", "read", &many, "{}"), "max_limit: ids");
        allowed(PARTNERS, "res.partner", "search", "[[],0,50]", "{}");
    }

    #[test]
    fn a_method_that_is_named_takes_ids_and_harmless_values_only_where_fields_are_limited() {
        allowed(PARTNERS, "res.partner", "message_post", "[[1]]", "{}");
        allowed(
            PARTNERS,
            "res.partner",
            "message_post",
            "[[1]]",
            r#"{"body":"x","subject":"y"}"#,
        );
        for kwargs in [
            r#"{"comment":"x"}"#,
            r#"{"body":{"comment":"x"}}"#,
            r#"{"partner_ids":[7]}"#,
        ] {
            assert_eq!(
                refused(PARTNERS, "res.partner", "message_post", "[[1]]", kwargs),
                "arguments: message_post",
                "{kwargs}"
            );
        }
        assert_eq!(
            refused(PARTNERS, "res.partner", "message_post", r#"[[1],"x"]"#, "{}"),
            "arguments: message_post"
        );
        let free = r#"{"access":"rules","rules":[{"model":"res.partner","methods":["message_post"]}]}"#;
        allowed(free, "res.partner", "message_post", "[[1]]", r#"{"body":"x"}"#);
        assert_eq!(
            refused(free, "res.partner", "message_post", "[[1]]", r#"{"context":{"x":1}}"#),
            "context: x"
        );
    }

    #[test]
    fn a_name_that_is_looked_for_in_fields_nobody_named_is_refused_where_fields_are_limited() {
        let search = |policy: &str| {
            ask(
                policy,
                "res.partner",
                "name_search",
                r#"["x@example.com"]"#,
                r#"{"limit":5}"#,
            )
        };
        assert!(matches!(search(PARTNERS), Verdict::Refused(refusal) if refusal.rule == "read_fields"));
        assert!(matches!(search(READ_ONLY), Verdict::Allowed(_)));
    }

    #[test]
    fn without_the_fields_of_a_model_nothing_behind_it_is_judged() {
        let policy = Policy::parse(READ_ONLY).expect("a policy");
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (args, kwargs) = (raw(r#"[[["a.b","=",1]]]"#), raw("{}"));
        let asked = Asked {
            model: "x.y",
            method: "search",
            args: &args,
            kwargs: &kwargs,
        };
        assert!(matches!(decide(&policy, &asked, &HashMap::new()), Verdict::NeedsFields(model) if model == "x.y"));
        assert!(matches!(
            decide(&Policy::Nothing, &asked, &HashMap::new()),
            Verdict::Refused(_)
        ));
        assert!(matches!(
            decide(&Policy::Full, &asked, &HashMap::new()),
            Verdict::Allowed(_)
        ));
    }
}
