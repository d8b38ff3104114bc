//! The methods that change records. They work on a snapshot, which is thrown
//! away if they raise.

use chrono::{NaiveDate, NaiveDateTime};

use super::arguments::Arguments;
use super::database::{Database, Row};
use super::engine::Caller;
use super::exception::Exception;
use super::schema::{Field, Kind, Model};
use super::seed::datetime;
use super::value::{EMPTY, Value};

/// `create(vals_list)`: an id for a dict, ids for a list
pub fn create(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    match arguments.or_none("vals_list") {
        Value::List(items) => {
            let ids = items
                .iter()
                .map(|values| create_one(db, caller, model, values).map(Value::Int));
            ids.collect::<Result<Vec<_>, _>>().map(Value::List)
        }
        values => create_one(db, caller, model, values).map(Value::Int),
    }
}

pub(super) fn create_one(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    values: &Value,
) -> Result<i64, Exception> {
    let values = dict(values)?;
    let mut row: Row = model
        .fields
        .iter()
        .filter_map(|field| Some((field.name, default(caller, model, field)?)))
        .collect();
    let lines = take_values(db, caller, model, values, &mut row)?;
    row.insert("create_date", datetime(caller.now));
    row.insert("write_date", datetime(caller.now));
    complete(db, model, &mut row)?;
    check_required(model, &row)?;
    let id = db.table_mut(model.name)?.insert(row);
    for (field, commands) in lines {
        apply_commands(db, caller, field, id, &commands)?;
    }
    recompute(db, model, id);
    Ok(id)
}

/// `write(vals)`: `True`
pub fn write(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let values = dict(arguments.or_none("vals"))?.to_vec();
    for id in &arguments.ids {
        let id = existing(db, caller, model, id)?;
        write_one(db, caller, model, id, &values)?;
    }
    Ok(true.into())
}

fn write_one(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    id: i64,
    values: &[(String, Value)],
) -> Result<(), Exception> {
    let mut row = db.row(model.name, id).cloned().unwrap_or_default();
    let lines = take_values(db, caller, model, values, &mut row)?;
    row.insert("write_date", datetime(caller.now));
    check_required(model, &row)?;
    db.table_mut(model.name)?.rows.insert(id, row);
    for (field, commands) in lines {
        apply_commands(db, caller, field, id, &commands)?;
    }
    recompute(db, model, id);
    Ok(())
}

/// `unlink()`: `True`
pub fn unlink(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    for id in &arguments.ids {
        let id = existing(db, caller, model, id)?;
        unlink_one(db, model, id)?;
    }
    Ok(true.into())
}

fn unlink_one(db: &mut Database, model: &Model, id: i64) -> Result<(), Exception> {
    let state = |name: &str| {
        db.row(name, id)
            .and_then(|row| row.get("state"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let points_here = |name: &str, field: &str| {
        db.table(name)
            .is_ok_and(|table| table.rows.values().any(|row| row.get(field) == Some(&Value::Int(id))))
    };
    let refusal = match model.name {
        "sale.order" if matches!(state("sale.order").as_deref(), Some("sent" | "sale")) => {
            Some("You can not delete a sent quotation or a confirmed sales order. You must first cancel it.")
        }
        "res.partner" if points_here("sale.order", "partner_id") || points_here("res.users", "partner_id") => {
            Some("The partner cannot be deleted because it is used in Accounting")
        }
        _ => None,
    };
    if let Some(refusal) = refusal {
        return Err(Exception::user(refusal));
    }
    let order = db
        .row(model.name, id)
        .and_then(|row| row.get("order_id"))
        .and_then(Value::as_int);
    db.table_mut(model.name)?.rows.remove(&id);
    if model.name == "sale.order" {
        db.table_mut("sale.order.line")?
            .rows
            .retain(|_, line| line.get("order_id") != Some(&Value::Int(id)));
    }
    if let Some(order) = order {
        db.recompute_order(order);
    }
    Ok(())
}

/// `action_confirm()` and `action_cancel()` of orders
pub fn set_state(db: &mut Database, caller: &Caller, arguments: &Arguments, state: &str) -> Result<Value, Exception> {
    let model = db.table("sale.order")?.model;
    for id in &arguments.ids {
        let id = existing(db, caller, model, id)?;
        write_one(db, caller, model, id, &[("state".into(), state.into())])?;
    }
    Ok(true.into())
}

/// `default_get(fields)`
pub fn default_get(caller: &Caller, model: &Model, arguments: &Arguments) -> Value {
    let wanted = arguments.or_none("fields").as_list().unwrap_or_default();
    let fields = wanted.iter().filter_map(|name| model.field(name.as_str()?));
    Value::Dict(
        fields
            .filter_map(|field| Some((field.name.to_owned(), default(caller, model, field)?)))
            .collect(),
    )
}

fn default(caller: &Caller, model: &Model, field: &Field) -> Option<Value> {
    Some(match (model.name, field.name) {
        (_, "active" | "sale_ok") => true.into(),
        ("sale.order", "state") => "draft".into(),
        ("sale.order", "date_order") => datetime(caller.now),
        ("sale.order", "user_id") => caller.uid.into(),
        ("sale.order" | "res.users", "company_id") | (_, "uom_id") => 1.into(),
        ("sale.order" | "res.company", "currency_id") => 1.into(),
        ("res.partner", "type") => "contact".into(),
        ("product.product" | "product.template", "type") => "consu".into(),
        ("sale.order.line", "sequence") => 10.into(),
        ("sale.order.line", "product_uom_qty") => 1.0.into(),
        ("sale.order.line", "price_unit" | "discount") => 0.0.into(),
        _ => return None,
    })
}

/// What Odoo computes from other fields while a record is made.
fn complete(db: &Database, model: &Model, row: &mut Row) -> Result<(), Exception> {
    match model.name {
        "sale.order" => {
            let next = db.table("sale.order")?.rows.keys().last().map_or(1, |last| last + 1);
            row.entry("name").or_insert_with(|| format!("S{next:05}").into());
            for field in ["partner_invoice_id", "partner_shipping_id"] {
                let partner = row.get("partner_id").cloned();
                if let Some(partner) = partner {
                    row.entry(field).or_insert(partner);
                }
            }
        }
        "sale.order.line" => {
            let product = row.get("product_id").and_then(Value::as_int);
            if let Some(product) = product.and_then(|id| db.row("product.product", id)) {
                let name = db.name_of(db.table("product.product")?.model, product);
                row.entry("name").or_insert_with(|| name.into());
                if row.get("price_unit").is_none_or(Value::is_falsy) {
                    row.insert(
                        "price_unit",
                        product.get("lst_price").cloned().unwrap_or(Value::Float(0.0)),
                    );
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_required(model: &Model, row: &Row) -> Result<(), Exception> {
    let empty = |field: &Field| match row.get(field.name) {
        None | Some(Value::None | Value::Bool(false)) => true,
        Some(value) => value.as_str() == Some(""),
    };
    if model.name == "res.partner" && row.get("name").is_none_or(Value::is_falsy) {
        return Err(Exception::validation(
            "The operation cannot be completed: Contacts require a name",
        ));
    }
    match model.fields.iter().find(|field| field.required && empty(field)) {
        None => Ok(()),
        Some(field) => Err(Exception::validation(format!(
            "The operation cannot be completed: Missing required value for the field '{}' ({}).\nModel: '{}' ({})\n\
             - create/update: a mandatory field is not set\n\
             - delete: another model requires the record being deleted, you can archive it instead\n",
            field.label, field.name, model.label, model.name
        ))),
    }
}

fn dict(values: &Value) -> Result<&[(String, Value)], Exception> {
    match values {
        Value::Dict(values) => Ok(values),
        other => Err(Exception::attribute(format!(
            "'{}' object has no attribute 'get'",
            other.class()
        ))),
    }
}

fn existing(db: &Database, caller: &Caller, model: &Model, id: &Value) -> Result<i64, Exception> {
    id.as_int()
        .filter(|id| db.row(model.name, *id).is_some())
        .ok_or_else(|| Exception::missing(model.name, id, caller.uid))
}

type Commands = Vec<(&'static Field, Vec<Value>)>;

/// Puts values into a row; commands for lines come back, to be run once there is an id.
fn take_values(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    values: &[(String, Value)],
    row: &mut Row,
) -> Result<Commands, Exception> {
    let mut commands = Vec::new();
    for (name, value) in values {
        let field = model
            .field(name)
            .ok_or_else(|| Exception::value(format!("Invalid field '{name}' in '{}'", model.name)))?;
        match (field.kind, field.name) {
            (_, "id" | "display_name" | "complete_name") => {}
            (Kind::One2many(..), _) => commands.push((field, value.as_list().unwrap_or_default().to_vec())),
            _ => {
                row.insert(field.name, fitting(db, caller, model, field, value)?);
            }
        }
    }
    Ok(commands)
}

fn fitting(db: &Database, caller: &Caller, model: &Model, field: &Field, value: &Value) -> Result<Value, Exception> {
    let number = |text: &str| {
        text.trim().parse::<f64>().map_err(|_| {
            Exception::value(format!(
                "could not convert string to float: {}",
                Value::from(text).repr()
            ))
        })
    };
    Ok(match (field.kind, value) {
        (Kind::Boolean, value) => (!value.is_falsy()).into(),
        (Kind::Float | Kind::Monetary, Value::Str(text)) => number(text)?.into(),
        (Kind::Float | Kind::Monetary, value) => value.as_number().unwrap_or(0.0).into(),
        (Kind::Integer, value) => value.as_int().unwrap_or(0).into(),
        (_, value) if value.is_falsy() => EMPTY,
        (Kind::Many2one(target), value) => existing(db, caller, db.table(target)?.model, value)?.into(),
        (Kind::Selection(options), value) => {
            let known = options.iter().any(|(key, _)| value.as_str() == Some(*key));
            if !known {
                let text = format!("Wrong value for {}.{}: {}", model.name, field.name, value.repr());
                return Err(Exception::value(text));
            }
            value.clone()
        }
        (kind @ (Kind::Date | Kind::Datetime), Value::Str(text)) => moment(kind, text)
            .ok_or_else(|| Exception::value(format!("time data {} does not match format '%Y'", value.repr())))?
            .into(),
        (_, Value::Str(_)) => value.clone(),
        (_, value) => value.repr().into(),
    })
}

fn moment(kind: Kind, text: &str) -> Option<String> {
    let whole = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
    let whole = whole.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(match kind {
        Kind::Date => whole.date().to_string(),
        _ => whole.format("%Y-%m-%d %H:%M:%S").to_string(),
    })
}

/// `(0, 0, values)` makes a line, `(1, id, values)` changes one, `(2, id)` deletes it.
fn apply_commands(
    db: &mut Database,
    caller: &Caller,
    field: &Field,
    owner: i64,
    commands: &[Value],
) -> Result<(), Exception> {
    let Kind::One2many(target, inverse) = field.kind else {
        return Ok(());
    };
    let model = db.table(target)?.model;
    for command in commands {
        let parts = command.as_list().unwrap_or_default();
        match (parts.first().and_then(Value::as_int), parts.get(1), parts.get(2)) {
            (Some(0), _, Some(Value::Dict(values))) => {
                let mut values = values.clone();
                values.push((inverse.to_owned(), owner.into()));
                create_one(db, caller, model, &Value::Dict(values))?;
            }
            (Some(1), Some(id), Some(Value::Dict(values))) => {
                let id = existing(db, caller, model, id)?;
                write_one(db, caller, model, id, values)?;
            }
            (Some(2 | 3), Some(id), _) => {
                let id = existing(db, caller, model, id)?;
                unlink_one(db, model, id)?;
            }
            _ => {
                return Err(Exception::value(format!(
                    "Wrong value for {}: {}",
                    field.name,
                    command.repr()
                )));
            }
        }
    }
    Ok(())
}

fn recompute(db: &mut Database, model: &Model, id: i64) {
    match model.name {
        "sale.order" => db.recompute_order(id),
        "sale.order.line" => {
            let order = db
                .row("sale.order.line", id)
                .and_then(|row| row.get("order_id"))
                .and_then(Value::as_int);
            if let Some(order) = order {
                db.recompute_order(order);
            }
        }
        _ => {}
    }
}
