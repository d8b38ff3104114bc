//! What `execute_kw` does: finds the method, checks access, runs it. Knows
//! nothing of the wire that the call came by.

use chrono::NaiveDateTime;

use super::arguments::{Arguments, Class, Signature};
use super::database::Database;
use super::exception::Exception;
use super::schema::Model;
use super::seed;
use super::value::Value;
use super::{group, load, read, write};

/// Who calls, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The user's id.
    pub uid: i64,
    /// The moment that the call is made, UTC.
    pub now: NaiveDateTime,
    /// Whether records that were put aside (`active = False`) are left out.
    pub active_only: bool,
}

/// One call, as the wire took it apart.
#[derive(Debug)]
pub struct Call {
    /// The model's name.
    pub model: String,
    /// The method's name.
    pub method: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Named arguments.
    pub kwargs: Vec<(String, Value)>,
}

const BASE: Class = Class::Of("BaseModel");
const WEB: Class = Class::Of("Base");

const fn on_model(name: &'static str, class: Class, params: &'static [&'static str]) -> Signature {
    Signature {
        name,
        params,
        on_records: false,
        class,
    }
}

const fn on_records(name: &'static str, class: Class, params: &'static [&'static str]) -> Signature {
    Signature {
        name,
        params,
        on_records: true,
        class,
    }
}

static METHODS: [Signature; 19] = [
    on_model("search", BASE, &["domain!", "offset", "limit", "order"]),
    on_model(
        "search_read",
        BASE,
        &["domain", "fields", "offset", "limit", "order", "load"],
    ),
    on_model("search_count", BASE, &["domain!", "limit"]),
    on_records("read", BASE, &["fields", "load"]),
    on_model("fields_get", BASE, &["allfields", "attributes"]),
    on_model("name_search", BASE, &["name", "domain", "operator", "limit"]),
    on_model(
        "read_group",
        BASE,
        &["domain!", "fields!", "groupby!", "offset", "limit", "orderby", "lazy"],
    ),
    on_model(
        "formatted_read_group",
        WEB,
        &["domain!", "groupby", "aggregates", "having", "offset", "limit", "order"],
    ),
    on_model(
        "web_search_read",
        WEB,
        &["domain!", "specification!", "offset", "limit", "order", "count_limit"],
    ),
    on_model("default_get", BASE, &["fields!"]),
    on_model("create", Class::Own, &["vals_list!"]),
    on_model("load", BASE, &["fields!", "data!"]),
    on_records("write", Class::Own, &["vals!"]),
    on_records("unlink", Class::Of("MailThread"), &[]),
    on_records("has_access", BASE, &["operation!"]),
    on_model("check_access_rights", BASE, &["operation!", "raise_exception"]),
    on_model("context_get", Class::Own, &[]),
    on_records("action_confirm", Class::Own, &[]),
    on_records("action_cancel", Class::Own, &[]),
];

/// Runs a call. What it changes is changed as a whole or not at all.
///
/// # Errors
/// The exception that Odoo would raise.
pub fn execute(database: &mut Database, caller: &Caller, call: Call) -> Result<Value, Exception> {
    let model = database.table(&call.model)?.model;
    let method = method_of(model, &call.method)?;
    let mut call = call;
    let mut caller = *caller;
    take_context(&mut call.kwargs, &mut caller);
    let arguments = method.bind(model.class, &call.args, call.kwargs)?;
    match method.name {
        "create" | "load" | "write" | "unlink" | "action_confirm" | "action_cancel" => {
            let mut draft = database.clone();
            let result = change(&mut draft, &caller, model, method.name, &arguments)?;
            *database = draft;
            Ok(result)
        }
        _ => look(database, &caller, model, method.name, &arguments),
    }
}

/// The method of this name.
///
/// # Errors
/// Odoo's `AccessError` for a private one, `AttributeError` for none.
pub fn method_of(model: &Model, name: &str) -> Result<&'static Signature, Exception> {
    if name.starts_with('_') || matches!(name, "exists" | "browse" | "sudo" | "with_context" | "with_user") {
        let name = format!("{}.{name}", model.name);
        return Err(Exception::access(format!(
            "Private methods (such as '{name}') cannot be called remotely."
        )));
    }
    let here = match name {
        "context_get" => model.name == "res.users",
        "action_confirm" | "action_cancel" => model.name == "sale.order",
        _ => true,
    };
    METHODS
        .iter()
        .find(|method| here && method.name == name)
        .ok_or_else(|| Exception::attribute(format!("The method '{}.{name}' does not exist", model.name)))
}

fn take_context(kwargs: &mut Vec<(String, Value)>, caller: &mut Caller) {
    let Some(at) = kwargs.iter().position(|(name, _)| name == "context") else {
        return;
    };
    if let (_, Value::Dict(context)) = kwargs.remove(at) {
        let active_test = context.iter().find(|(name, _)| name == "active_test");
        caller.active_only = active_test.is_none_or(|(_, value)| !value.is_falsy());
    }
}

fn look(
    database: &Database,
    caller: &Caller,
    model: &'static Model,
    method: &str,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    match method {
        "fields_get" => return Ok(read::fields_get(model, arguments)),
        "default_get" => return Ok(write::default_get(caller, model, arguments)),
        "has_access" => {
            let operation = arguments.or_none("operation").as_str().unwrap_or("read");
            return Ok(check_access(caller, model, operation).is_ok().into());
        }
        _ => check_access(caller, model, "read")?,
    }
    match method {
        "search" => read::search(database, caller, model, arguments),
        "search_read" => read::search_read(database, caller, model, arguments),
        "search_count" => read::search_count(database, caller, model, arguments),
        "read" => read::read(database, model, arguments),
        "name_search" => read::name_search(database, caller, model, arguments),
        "web_search_read" => read::web_search_read(database, caller, model, arguments),
        "read_group" => group::read_group(database, caller, model, arguments),
        "formatted_read_group" => group::formatted_read_group(database, caller, model, arguments),
        "context_get" => Ok(Value::Dict(vec![
            ("lang".into(), "en_US".into()),
            ("tz".into(), "Europe/Brussels".into()),
            ("uid".into(), caller.uid.into()),
        ])),
        // Seen on Odoo 19: it answers nothing when all is well.
        _ => Ok(Value::None),
    }
}

fn change(
    database: &mut Database,
    caller: &Caller,
    model: &'static Model,
    method: &str,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let operation = match method {
        "create" | "unlink" => method,
        "load" => "create",
        _ => "write",
    };
    check_access(caller, model, operation)?;
    match method {
        "create" => write::create(database, caller, model, arguments),
        "load" => Ok(load::load(database, caller, model, arguments)),
        "write" => write::write(database, caller, model, arguments),
        "unlink" => write::unlink(database, caller, model, arguments),
        "action_confirm" => write::set_state(database, caller, arguments, "sale"),
        _ => write::set_state(database, caller, arguments, "cancel"),
    }
}

/// What the user without administration rights may not do.
fn check_access(caller: &Caller, model: &Model, operation: &str) -> Result<(), Exception> {
    if caller.uid == seed::ADMIN {
        return Ok(());
    }
    let (group, hidden) = match model.name {
        "ir.config_parameter" => ("Role / Administrator", true),
        "ir.model" => ("Access Rights", true),
        "ir.module.module" => ("Role / Administrator", false),
        "res.country" => ("Role / Administrator", false),
        "res.company" | "res.users" | "res.currency" => ("Access Rights", false),
        _ => return Ok(()),
    };
    // Odoo looks whether records may be read before it looks at anything else.
    let verb = match operation {
        "read" if !hidden => return Ok(()),
        "create" => "create",
        _ if hidden => "access",
        "unlink" => "delete",
        _ => "modify",
    };
    Err(Exception::access(format!(
        "You are not allowed to {verb} '{}' ({}) records.\n\nThis operation is allowed for the following groups:\n\t- {group}\n\n\
         Contact your administrator to request access if necessary.",
        model.label, model.name
    )))
}
