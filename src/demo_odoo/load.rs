//! `load`: records out of a table of texts, each under an external id. As much of it as
//! the bridge asks for: a record that is there under its id is found and not written to.

use super::arguments::Arguments;
use super::database::Database;
use super::engine::Caller;
use super::exception::Exception;
use super::schema::{Kind, Model};
use super::value::{EMPTY, Value};
use super::write::create_one;

/// The values of a record, and the id that it gets.
type Record = (String, Vec<(String, Value)>);

/// `load(fields, data)`: ids, or `False` and what is wrong. All records or none.
pub fn load(db: &mut Database, caller: &Caller, model: &'static Model, arguments: &Arguments) -> Value {
    let mut draft = db.clone();
    let (ids, messages) = match load_all(&mut draft, caller, model, arguments) {
        Ok(ids) => {
            *db = draft;
            (Value::List(ids), Vec::new())
        }
        Err(exception) => {
            let said = [
                ("type", Value::from("error")),
                ("message", exception.message.as_str().into()),
            ];
            (
                EMPTY,
                vec![Value::Dict(said.map(|(name, value)| (name.into(), value)).into())],
            )
        }
    };
    Value::Dict(vec![
        ("ids".into(), ids),
        ("messages".into(), Value::List(messages)),
        ("nextrow".into(), Value::Int(0)),
    ])
}

fn load_all(
    db: &mut Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Vec<Value>, Exception> {
    let list = |name| arguments.or_none(name).as_list().unwrap_or_default();
    let columns: Vec<&str> = list("fields").iter().filter_map(Value::as_str).collect();
    let mut records: Vec<Record> = Vec::new();
    for row in list("data") {
        let cells = columns.iter().copied().zip(row.as_list().unwrap_or_default());
        read_row(db, model, cells, &mut records)?;
    }
    let mut ids = Vec::new();
    for (name, values) in records {
        let id = match db.external_id(model.name, &name) {
            Some(id) => id,
            None => create_one(db, caller, model, &Value::Dict(values))?,
        };
        db.set_external_id(model.name, name, id);
        ids.push(Value::Int(id));
    }
    Ok(ids)
}

/// A row with an id begins a record; in each may be a line of its own records.
fn read_row<'a>(
    db: &Database,
    model: &Model,
    cells: impl Iterator<Item = (&'a str, &'a Value)>,
    records: &mut Vec<Record>,
) -> Result<(), Exception> {
    let (mut own, mut lines): (Record, Vec<Record>) = Default::default();
    for (column, cell) in cells {
        let (name, rest) = column.split_once('/').unwrap_or((column, ""));
        match model.field(name).map(|field| field.kind) {
            _ if name == "id" => own.0 = cell.as_str().unwrap_or_default().to_owned(),
            Some(Kind::One2many(of, _)) => {
                let part = rest.trim_end_matches("/.id");
                let value = (part.to_owned(), read_cell(db.table(of)?.model, part, cell));
                match lines.iter_mut().find(|(field, _)| field == name) {
                    Some((_, values)) => values.push(value),
                    None => lines.push((name.to_owned(), vec![value])),
                }
            }
            _ => own.1.push((name.to_owned(), read_cell(model, name, cell))),
        }
    }
    if !own.0.is_empty() {
        records.push(own);
    }
    let Some((_, values)) = records.last_mut() else {
        return Err(Exception::value("the first row has no id"));
    };
    for (field, line) in lines
        .into_iter()
        .filter(|(_, line)| line.iter().any(|(_, value)| *value != EMPTY))
    {
        let command = Value::List(vec![Value::Int(0), Value::Int(0), Value::Dict(line)]);
        match values.iter_mut().find(|(name, _)| *name == field) {
            Some((_, Value::List(commands))) => commands.push(command),
            _ => values.push((field, Value::List(vec![command]))),
        }
    }
    Ok(())
}

/// A text, as the field holds it.
fn read_cell(model: &Model, name: &str, cell: &Value) -> Value {
    let text = cell.as_str().unwrap_or_default();
    match model.field(name).map(|field| field.kind) {
        _ if text.is_empty() => EMPTY,
        Some(Kind::Boolean) => (text == "1").into(),
        Some(Kind::Integer | Kind::Many2one(_)) => text.parse().map_or(EMPTY, Value::Int),
        _ => text.into(),
    }
}
