//! From a list to a [`Domain`], or to the exception that Odoo raises.

use super::super::database::Database;
use super::super::exception::Exception;
use super::super::schema::{Field, Kind, Model};
use super::super::value::Value;
use super::{Condition, Domain, Operand, Operator};

/// Deeper than people nest and shallow enough for any stack.
const MAX_DEPTH: usize = 200;

/// Checks a domain for a model.
///
/// # Errors
/// Odoo's own: `TypeError` for what is no list, `ValueError` for items,
/// fields and operators that make no sense.
pub fn parse(database: &Database, model: &'static Model, domain: &Value) -> Result<Domain, Exception> {
    let items = match domain {
        Value::List(items) => items,
        Value::Bool(all) => return Ok(Domain::Constant(*all)),
        other => {
            return Err(Exception::type_(format!(
                "Domain() invalid argument type for domain: {}",
                other.repr()
            )));
        }
    };
    let malformed = || Exception::value(format!("Domain() malformed domain {}", domain.repr()));
    // From the end, so that an operator finds its operands on the stack.
    let mut stack: Vec<(Domain, usize)> = Vec::new();
    for item in items.iter().rev() {
        let next = match item.as_str() {
            Some("!") => {
                let (inner, depth) = stack.pop().ok_or_else(malformed)?;
                negate(inner, depth)
            }
            Some(sign @ ("&" | "|")) => {
                let (Some(first), Some(second)) = (stack.pop(), stack.pop()) else {
                    return Err(malformed());
                };
                combine(sign == "&", first, second)
            }
            _ => condition(database, model, item).map(|domain| (domain, 1))?,
        };
        if next.1 > MAX_DEPTH {
            return Err(Exception {
                name: "builtins.RecursionError",
                message: "maximum recursion depth exceeded".into(),
            });
        }
        stack.push(next);
    }
    Ok(Domain::All(stack.into_iter().rev().map(|(domain, _)| domain).collect()))
}

fn negate(inner: Domain, depth: usize) -> (Domain, usize) {
    match inner {
        Domain::Not(twice) => (*twice, depth - 1),
        Domain::Constant(value) => (Domain::Constant(!value), depth),
        other => (Domain::Not(Box::new(other)), depth + 1),
    }
}

/// Chains of the same sign become one list, so that they do not nest.
fn combine(all: bool, first: (Domain, usize), second: (Domain, usize)) -> (Domain, usize) {
    let mut items = Vec::new();
    let mut depth = 0;
    for (operand, operand_depth) in [first, second] {
        let (mut same, above) = match (all, operand) {
            (true, Domain::All(same)) | (false, Domain::Any(same)) => (same, 0),
            (_, other) => (vec![other], 1),
        };
        depth = depth.max(operand_depth + above);
        // The longer list is kept, so that a chain costs no copies.
        if items.len() < same.len() {
            std::mem::swap(&mut items, &mut same);
        }
        items.extend(same);
    }
    (if all { Domain::All(items) } else { Domain::Any(items) }, depth)
}

fn condition(database: &Database, model: &'static Model, item: &Value) -> Result<Domain, Exception> {
    let invalid = || Exception::value(format!("Domain() invalid item in domain: {}", item.repr()));
    let Some([left, operator, value]) = item.as_list() else {
        return Err(invalid());
    };
    let shown = || format!("({}, {}, {})", left.repr(), operator.repr(), value.repr());
    if let Some(number) = left.as_int() {
        return match (number, operator.as_str(), value.as_int()) {
            (0 | 1, Some("="), Some(1)) => Ok(Domain::Constant(number == 1)),
            _ => Err(Exception::type_(format!("Domain() invalid arguments: {}", shown()))),
        };
    }
    let path = match left.as_str() {
        Some("") => return Err(Exception::type_(format!("Empty field name in condition {}", shown()))),
        Some(path) => path,
        None => return Err(Exception::type_(format!("Domain() invalid arguments: {}", shown()))),
    };
    let Some(name) = operator.as_str() else {
        return Err(Exception::attribute(format!(
            "'{}' object has no attribute 'lower'",
            operator.class()
        )));
    };
    let (operator, negated) = known_operator(&name.to_lowercase())
        .ok_or_else(|| Exception::value(format!("Invalid operator in condition {}", shown())))?;
    let (path, owner) = walk(database, model, path, name, value)?;
    let field = *path.last().ok_or_else(invalid)?;
    let operand = operand(database, owner, field, operator, value, &shown)?;
    Ok(Domain::Condition(Condition {
        path,
        operator,
        negated,
        operand,
    }))
}

fn known_operator(name: &str) -> Option<(Operator, bool)> {
    let (name, negated) = match name {
        "!=" | "<>" => ("=", true),
        _ => name.strip_prefix("not ").map_or((name, false), |name| (name, true)),
    };
    let operator = match name {
        "=" | "==" => Operator::Equal,
        "in" => Operator::In,
        "like" => Operator::Like {
            anywhere: true,
            any_case: false,
        },
        "ilike" => Operator::Like {
            anywhere: true,
            any_case: true,
        },
        "=like" => Operator::Like {
            anywhere: false,
            any_case: false,
        },
        "=ilike" => Operator::Like {
            anywhere: false,
            any_case: true,
        },
        "any" => Operator::Matching,
        _ if negated => return None,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "child_of" => Operator::ChildOf,
        "parent_of" => Operator::ParentOf,
        _ => return None,
    };
    Some((operator, negated))
}

/// The fields of a dotted path, and the model of the last one.
fn walk(
    database: &Database,
    model: &'static Model,
    path: &str,
    operator: &str,
    value: &Value,
) -> Result<(Vec<&'static Field>, &'static Model), Exception> {
    let mut owner = model;
    let mut fields: Vec<&'static Field> = Vec::new();
    for (index, name) in path.split('.').enumerate() {
        if let Some(before) = fields.last() {
            let Some(relation) = before.kind.relation() else {
                let text = format!("Invalid field property '{name}' on {}.{}", owner.name, before.name);
                return Err(Exception::value(text));
            };
            owner = database.table(relation)?.model;
        }
        fields.push(owner.field(name).ok_or_else(|| {
            let rest: Vec<&str> = path.split('.').skip(index).collect();
            let rest = Value::from(rest.join("."));
            let condition = format!("({}, '{operator}', {})", rest.repr(), value.repr());
            Exception::value(format!("Invalid field {}.{name} in condition {condition}", owner.name))
        })?);
    }
    Ok((fields, owner))
}

fn operand(
    database: &Database,
    owner: &Model,
    field: &'static Field,
    operator: Operator,
    value: &Value,
    shown: &dyn Fn() -> String,
) -> Result<Operand, Exception> {
    match operator {
        Operator::Matching => {
            let Some(relation) = field.kind.relation() else {
                return Err(Exception::value(format!(
                    "Cannot use 'any' with non-relational fields in condition {}",
                    shown()
                )));
            };
            let target = database.table(relation)?.model;
            Ok(Operand::Domain(Box::new(parse(database, target, value)?)))
        }
        Operator::ChildOf | Operator::ParentOf if field.kind.relation().is_none() && field.name != "id" => {
            let name = if operator == Operator::ChildOf {
                "child_of"
            } else {
                "parent_of"
            };
            Err(Exception::value(format!(
                "Cannot execute {name} for {}.{}, works only for relational fields in condition {}",
                owner.name,
                field.name,
                shown()
            )))
        }
        Operator::Like { anywhere: false, .. } if value.as_str().is_none() && !value.is_falsy() => {
            let text = format!("The pattern to match must be a string in condition {}", shown());
            Err(Exception::type_(text))
        }
        Operator::Like { .. } | Operator::ChildOf | Operator::ParentOf => Ok(Operand::Plain(value.clone())),
        _ => fitting(field, operator, value).map(Operand::Plain),
    }
}

/// Makes a value fit its field: texts become numbers, dates get a time.
fn fitting(field: &Field, operator: Operator, value: &Value) -> Result<Value, Exception> {
    if let Value::List(items) = value {
        return items
            .iter()
            .map(|item| fitting(field, operator, item))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::List);
    }
    match (field.kind, value) {
        (Kind::Integer, Value::Str(text)) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| Exception::text(format!("invalid input syntax for type integer: \"{text}\"\n"))),
        (Kind::Float | Kind::Monetary, Value::Str(text)) => text.trim().parse().map(Value::Float).map_err(|_| {
            Exception::value(format!(
                "could not convert string to float: {}",
                Value::from(text.as_str()).repr()
            ))
        }),
        (Kind::Date | Kind::Datetime, Value::Str(text)) => super::compare::moment(field.kind, operator, text)
            .map(Value::Str)
            .ok_or_else(|| {
                let text = Value::from(text.as_str()).repr();
                Exception::value(format!("Invalid term {text} in expression date: {text}"))
            }),
        (Kind::Date | Kind::Datetime, Value::Int(_) | Value::Float(_)) => Err(Exception::value(format!(
            "Failed to cast {} into a {}",
            value.repr(),
            field.kind.name()
        ))),
        _ => Ok(value.clone()),
    }
}
