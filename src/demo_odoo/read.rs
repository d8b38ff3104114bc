//! The methods that look: `search` and its kin.

use std::cmp::Ordering;

use super::arguments::Arguments;
use super::database::{Database, Row};
use super::domain::{Domain, parse::parse};
use super::engine::Caller;
use super::exception::Exception;
use super::schema::{Field, Kind, Model};
use super::value::Value;

type Found<'a> = Vec<(i64, &'a Row)>;

/// `search(domain, offset, limit, order)`: ids
pub fn search(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let found = page(db, caller, model, arguments.or_none("domain"), arguments)?;
    Ok(Value::List(found.into_iter().map(|(id, _)| Value::Int(id)).collect()))
}

/// `search_read(domain, fields, offset, limit, order)`: records
pub fn search_read(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let everything = Value::List(Vec::new());
    let domain = match arguments.or_none("domain") {
        domain if domain.is_falsy() && *domain != Value::Bool(false) => &everything,
        domain => domain,
    };
    let fields = chosen_fields(model, arguments.or_none("fields"))?;
    let found = page(db, caller, model, domain, arguments)?;
    Ok(show(db, model, &found, &fields, is_classic(arguments)))
}

/// `search_count(domain, limit)`: a number
pub fn search_count(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let domain = parse(db, model, arguments.or_none("domain"))?;
    let count = matching(db, caller, model, &domain)?.len();
    let limit = window(arguments.or_none("limit"), Exception::limit, "LIMIT")?.unwrap_or(usize::MAX);
    Ok(Value::Int(i64::try_from(count.min(limit)).unwrap_or(i64::MAX)))
}

/// `read(fields, load)`: the records that are there, in the order of the ids
pub fn read(db: &Database, model: &'static Model, arguments: &Arguments) -> Result<Value, Exception> {
    let fields = chosen_fields(model, arguments.or_none("fields"))?;
    if let Some(id) = arguments.ids.iter().find_map(Value::as_str) {
        return Err(Exception::text(format!(
            "invalid input syntax for type integer: \"{id}\"\n"
        )));
    }
    let table = db.table(model.name)?;
    let ids = arguments.ids.iter().filter_map(Value::as_int);
    let found: Found<'_> = ids.filter_map(|id| Some((id, table.rows.get(&id)?))).collect();
    Ok(show(db, model, &found, &fields, is_classic(arguments)))
}

/// `name_search(name, domain, operator, limit)`: pairs of id and name
pub fn name_search(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let mut items = match arguments.or_none("domain") {
        Value::List(items) => items.clone(),
        _ => Vec::new(),
    };
    let name = arguments.or_none("name");
    if !name.is_falsy() {
        let operator = arguments.get("operator").cloned().unwrap_or_else(|| "ilike".into());
        items.push(vec!["display_name".into(), operator, name.clone()].into());
    }
    let domain = parse(db, model, &items.into())?;
    let mut found = matching(db, caller, model, &domain)?;
    sort(db, model, &mut found, model.order)?;
    let limit = match arguments.get("limit") {
        None => 100,
        Some(limit) => window(limit, Exception::limit, "LIMIT")?.unwrap_or(usize::MAX),
    };
    Ok(Value::List(
        found
            .into_iter()
            .take(limit)
            .map(|(id, _)| db.id_and_name(model.name, id))
            .collect(),
    ))
}

/// `web_search_read(domain, specification, …)`: a page and the number of all
pub fn web_search_read(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let Value::Dict(specification) = arguments.or_none("specification") else {
        return Err(Exception::attribute("'list' object has no attribute 'items'"));
    };
    let names = specification
        .iter()
        .map(|(name, _)| Value::from(name.as_str()))
        .collect::<Vec<_>>();
    let fields = if names.is_empty() {
        Vec::new()
    } else {
        chosen_fields(model, &names.into())?
    };
    let found = page(db, caller, model, arguments.or_none("domain"), arguments)?;
    let domain = parse(db, model, arguments.or_none("domain"))?;
    let length = i64::try_from(matching(db, caller, model, &domain)?.len()).unwrap_or(i64::MAX);
    let records = found.iter().map(|(id, row)| {
        let mut record = vec![("id".to_owned(), Value::Int(*id))];
        for field in fields.iter().filter(|field| field.name != "id") {
            let wanted = specification
                .iter()
                .find(|(name, _)| name == field.name)
                .map(|(_, wanted)| wanted);
            record.push((field.name.to_owned(), web_value(db, model, row, field, wanted)));
        }
        Value::Dict(record)
    });
    Ok(Value::Dict(vec![
        ("length".into(), length.into()),
        ("records".into(), Value::List(records.collect())),
    ]))
}

/// A many2one is its id, or a dict where the specification asks for fields of it.
fn web_value(db: &Database, model: &Model, row: &Row, field: &Field, wanted: Option<&Value>) -> Value {
    let value = db.get(model, row, field);
    let (Kind::Many2one(target), Value::Int(id), Some(Value::Dict(wanted))) = (field.kind, &value, wanted) else {
        return value;
    };
    let Some((_, Value::Dict(inner))) = wanted.iter().find(|(name, _)| name == "fields") else {
        return value;
    };
    let (Ok(table), Some(row)) = (db.table(target), db.row(target, *id)) else {
        return value;
    };
    let mut record = vec![("id".to_owned(), Value::Int(*id))];
    for field in inner
        .iter()
        .filter_map(|(name, _)| table.model.field(name))
        .filter(|field| field.name != "id")
    {
        record.push((field.name.to_owned(), db.get(table.model, row, field)));
    }
    Value::Dict(record)
}

/// `fields_get(allfields, attributes)`
pub fn fields_get(model: &Model, arguments: &Arguments) -> Value {
    let names = arguments
        .or_none("allfields")
        .as_list()
        .filter(|names| !names.is_empty());
    let attributes = arguments
        .or_none("attributes")
        .as_list()
        .filter(|names| !names.is_empty());
    let chosen = model
        .fields
        .iter()
        .filter(|field| names.is_none_or(|names| names.iter().any(|name| name.as_str() == Some(field.name))));
    Value::Dict(
        chosen
            .map(|field| (field.name.to_owned(), field.describe(attributes)))
            .collect(),
    )
}

/// Every record that the domain holds for, by id.
pub fn matching<'a>(db: &'a Database, caller: &Caller, model: &Model, domain: &Domain) -> Result<Found<'a>, Exception> {
    let active_only = caller.active_only && model.field("active").is_some() && !domain.mentions("active");
    let rows = db.table(model.name)?.rows.iter().map(|(id, row)| (*id, row));
    Ok(rows
        .filter(|(_, row)| !active_only || row.get("active").is_none_or(|active| !active.is_falsy()))
        .filter(|(_, row)| domain.holds(db, model, row))
        .collect())
}

fn page<'a>(
    db: &'a Database,
    caller: &Caller,
    model: &'static Model,
    domain: &Value,
    arguments: &Arguments,
) -> Result<Found<'a>, Exception> {
    let domain = parse(db, model, domain)?;
    let order = match arguments.or_none("order") {
        Value::Str(order) if !order.trim().is_empty() => order,
        order if order.is_falsy() || order.as_str().is_some() => model.order,
        other => {
            let text = format!("expected string or bytes-like object, got '{}'", other.class());
            return Err(Exception::type_(text));
        }
    };
    let offset = window(arguments.or_none("offset"), Exception::offset, "OFFSET")?.unwrap_or(0);
    let limit = window(arguments.or_none("limit"), Exception::limit, "LIMIT")?.unwrap_or(usize::MAX);
    let mut found = matching(db, caller, model, &domain)?;
    sort(db, model, &mut found, order)?;
    Ok(found.into_iter().skip(offset).take(limit).collect())
}

/// A limit or an offset; `None` for what Python counts as false, 0 included.
pub fn window(value: &Value, negative: fn(String) -> Exception, word: &str) -> Result<Option<usize>, Exception> {
    match value {
        value if value.is_falsy() => Ok(None),
        Value::Bool(_) => Ok(Some(1)),
        Value::Str(text) => Err(Exception::text(format!(
            "invalid input syntax for type bigint: \"{text}\"\n"
        ))),
        value => match value.as_number() {
            Some(number) if number < 0.0 => Err(negative(format!("{word} must not be negative\n"))),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it saturates, and is not negative"
            )]
            Some(number) => Ok(Some(number as usize)),
            None => Err(Exception::text("argument of LIMIT must be type bigint\n")),
        },
    }
}

/// Sorts by `field [asc|desc] [nulls first|last], …`.
fn sort(db: &Database, model: &Model, found: &mut Found<'_>, order: &str) -> Result<(), Exception> {
    let terms = order_terms(model, order)?;
    let mut keyed: Vec<(Vec<Value>, (i64, &Row))> = std::mem::take(found)
        .into_iter()
        .map(|(id, row)| {
            (
                terms.iter().map(|(field, _)| sort_key(db, model, row, field)).collect(),
                (id, row),
            )
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let each = terms.iter().zip(a.iter().zip(b)).map(|((_, descending), (a, b))| {
            let order = a.compare(b);
            if *descending { order.reverse() } else { order }
        });
        each.fold(Ordering::Equal, Ordering::then)
    });
    *found = keyed.into_iter().map(|(_, found)| found).collect();
    Ok(())
}

/// Records sort by their names; what is empty comes last, or first if descending.
fn sort_key(db: &Database, model: &Model, row: &Row, field: &Field) -> Value {
    let value = db.get(model, row, field);
    match (field.kind, &value) {
        (Kind::Boolean, _) => value,
        (_, Value::Bool(false)) => Value::None,
        (Kind::Many2one(target), Value::Int(id)) => match (db.table(target), db.row(target, *id)) {
            (Ok(table), Some(row)) => db.name_of(table.model, row).into(),
            _ => Value::None,
        },
        _ => value,
    }
}

fn order_terms(model: &Model, order: &str) -> Result<Vec<(&'static Field, bool)>, Exception> {
    let malformed = || {
        Exception::user(format!(
            "Invalid \"order\" specified ({order}). A valid \"order\" specification is a comma-separated list of valid \
             field names (optionally followed by asc/desc for the direction)"
        ))
    };
    let mut terms = Vec::new();
    for term in order.split(',') {
        let lowered = term.to_lowercase();
        let words: Vec<&str> = lowered.split_whitespace().collect();
        let (name, descending) = match words.as_slice() {
            [name] | [name, "asc"] | [name, "nulls", "first" | "last"] | [name, "asc", "nulls", "first" | "last"] => {
                (*name, false)
            }
            [name, "desc"] | [name, "desc", "nulls", "first" | "last"] => (*name, true),
            _ => return Err(malformed()),
        };
        if !name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.'))
        {
            return Err(malformed());
        }
        let field = model
            .field(name)
            .ok_or_else(|| Exception::value(format!("Invalid field '{name}' on model '{}'", model.name)))?;
        terms.push((field, descending));
    }
    Ok(terms)
}

/// The fields that were asked for, each once; all if none.
fn chosen_fields(model: &'static Model, wanted: &Value) -> Result<Vec<&'static Field>, Exception> {
    let names: Vec<String> = match wanted {
        wanted if wanted.is_falsy() => return Ok(model.fields.iter().collect()),
        // Python takes a text for a list of its letters.
        Value::Str(text) => text.chars().map(String::from).collect(),
        Value::List(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.repr(), str::to_owned))
            .collect(),
        other => return Err(Exception::type_(format!("'{}' object is not iterable", other.class()))),
    };
    let mut fields: Vec<&'static Field> = Vec::new();
    for name in names {
        let field = model
            .field(&name)
            .ok_or_else(|| Exception::value(format!("Invalid field '{name}' on '{}'", model.name)))?;
        if !fields.iter().any(|other| other.name == field.name) {
            fields.push(field);
        }
    }
    Ok(fields)
}

fn is_classic(arguments: &Arguments) -> bool {
    arguments
        .get("load")
        .is_none_or(|load| load.as_str() == Some("_classic_read"))
}

fn show(db: &Database, model: &Model, found: &Found<'_>, fields: &[&Field], classic: bool) -> Value {
    let records = found.iter().map(|(id, row)| {
        let mut record = vec![("id".to_owned(), Value::Int(*id))];
        let others = fields.iter().filter(|field| field.name != "id");
        record.extend(others.map(|field| (field.name.to_owned(), db.show(model, row, field, classic))));
        Value::Dict(record)
    });
    Value::List(records.collect())
}
