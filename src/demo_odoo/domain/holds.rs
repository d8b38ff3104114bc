//! Whether a domain holds for a record.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::database::{Database, Row};
use super::super::schema::{Field, Kind, Model};
use super::super::value::Value;
use super::{Condition, Domain, Operand, Operator, compare};

impl Domain {
    /// Whether the record is one of those that the domain describes.
    #[must_use]
    pub fn holds(&self, database: &Database, model: &Model, row: &Row) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Not(inner) => !inner.holds(database, model, row),
            Self::All(items) => items.iter().all(|item| item.holds(database, model, row)),
            Self::Any(items) => items.iter().any(|item| item.holds(database, model, row)),
            Self::Condition(condition) => condition.holds(database, model, row),
        }
    }

    /// Whether it says anything of this field.
    #[must_use]
    pub fn mentions(&self, field: &str) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Not(inner) => inner.mentions(field),
            Self::All(items) | Self::Any(items) => items.iter().any(|item| item.mentions(field)),
            Self::Condition(condition) => condition.path.first().is_some_and(|first| first.name == field),
        }
    }
}

impl Condition {
    /// Over a dotted path, one fitting record at its end is enough.
    fn holds(&self, database: &Database, model: &Model, row: &Row) -> bool {
        let Some((last, steps)) = self.path.split_last() else {
            return false;
        };
        let mut owner = model;
        let mut rows = vec![row];
        for field in steps {
            let Some(table) = field.kind.relation().and_then(|name| database.table(name).ok()) else {
                return false;
            };
            let ids: BTreeSet<i64> = rows
                .iter()
                .flat_map(|row| ids_of(&database.get(owner, row, field)))
                .collect();
            rows = ids.iter().filter_map(|id| table.rows.get(id)).collect();
            owner = table.model;
        }
        rows.iter()
            .any(|row| self.fits(database, owner, row, last) != self.negated)
    }

    fn fits(&self, database: &Database, model: &Model, row: &Row, field: &Field) -> bool {
        let stored = database.get(model, row, field);
        match (&self.operand, self.operator) {
            (Operand::Domain(domain), _) => ids_of(&stored).iter().any(|id| {
                field
                    .kind
                    .relation()
                    .and_then(|name| Some((database.table(name).ok()?.model, database.row(name, *id)?)))
                    .is_some_and(|(target, row)| domain.holds(database, target, row))
            }),
            (Operand::Plain(wanted), Operator::ChildOf | Operator::ParentOf) => {
                in_family(database, model, row, field, &stored, wanted, self.operator)
            }
            (Operand::Plain(wanted), Operator::Like { anywhere, any_case }) => {
                is_like(database, field, &stored, wanted, anywhere, any_case)
            }
            (Operand::Plain(wanted), Operator::Equal | Operator::In) => match wanted {
                Value::List(options) => options.iter().any(|option| equals(database, field, &stored, option)),
                option => equals(database, field, &stored, option),
            },
            (Operand::Plain(wanted), operator) => {
                let Some(order) = compare::order(field.kind, &stored, wanted) else {
                    return false;
                };
                match operator {
                    Operator::Greater => order == Ordering::Greater,
                    Operator::GreaterOrEqual => order != Ordering::Less,
                    Operator::Less => order == Ordering::Less,
                    _ => order != Ordering::Greater,
                }
            }
        }
    }
}

fn ids_of(value: &Value) -> Vec<i64> {
    match value {
        Value::Int(id) => vec![*id],
        Value::List(ids) => ids.iter().filter_map(Value::as_int).collect(),
        _ => Vec::new(),
    }
}

/// Records equal their id, and their name if it is a text that is wanted.
fn equals(database: &Database, field: &Field, stored: &Value, wanted: &Value) -> bool {
    let Some(relation) = field.kind.relation() else {
        return compare::equal(field.kind, stored, wanted);
    };
    let ids = ids_of(stored);
    match wanted {
        Value::Int(id) => ids.contains(id),
        Value::Str(name) if !name.is_empty() => ids.iter().any(|id| name_of(database, relation, *id) == *name),
        Value::List(_) | Value::Dict(_) | Value::Float(_) | Value::Bool(true) => false,
        _ => ids.is_empty(),
    }
}

fn name_of(database: &Database, model: &str, id: i64) -> String {
    match (database.table(model), database.row(model, id)) {
        (Ok(table), Some(row)) => database.name_of(table.model, row),
        _ => String::new(),
    }
}

fn is_like(database: &Database, field: &Field, stored: &Value, wanted: &Value, anywhere: bool, any_case: bool) -> bool {
    let pattern = match wanted {
        Value::Str(pattern) => pattern.clone(),
        Value::None | Value::Bool(false) => String::new(),
        other => other.repr(),
    };
    if anywhere && pattern.is_empty() {
        return true;
    }
    let fits = |text: &str| compare::like(text, &pattern, anywhere, any_case);
    match (field.kind, stored) {
        (kind, _) if kind.relation().is_some() => {
            let relation = kind.relation().unwrap_or_default();
            ids_of(stored).iter().any(|id| fits(&name_of(database, relation, *id)))
        }
        (_, Value::Str(text)) => fits(text),
        (Kind::Integer | Kind::Float | Kind::Monetary, number) => fits(&number.repr()),
        _ => false,
    }
}

/// `child_of` climbs from the record to the wanted ones, `parent_of` from the
/// wanted ones to the record. Round trips end where they began.
fn in_family(
    database: &Database,
    model: &Model,
    row: &Row,
    field: &Field,
    stored: &Value,
    wanted: &Value,
    operator: Operator,
) -> bool {
    // Odoo reads `parent_id child_of x` as "x and all below it".
    let (relation, own) = match field.kind.relation() {
        Some(relation) if field.name != "parent_id" => (relation, ids_of(stored)),
        _ => (model.name, row.get("id").map(ids_of).unwrap_or_default()),
    };
    let wanted: BTreeSet<i64> = match wanted {
        Value::Str(name) => match database.table(relation) {
            Ok(table) => table
                .rows
                .iter()
                .filter(|(_, row)| compare::like(&database.name_of(table.model, row), name, true, true))
                .map(|(id, _)| *id)
                .collect(),
            Err(_) => BTreeSet::new(),
        },
        other => ids_of(other).into_iter().collect(),
    };
    let lineage = |id: i64| {
        let mut seen = BTreeSet::new();
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| seen.insert(*id)) {
            next = database
                .row(relation, id)
                .and_then(|row| row.get("parent_id"))
                .and_then(Value::as_int);
        }
        seen
    };
    match operator {
        Operator::ChildOf => own.iter().any(|id| !lineage(*id).is_disjoint(&wanted)),
        _ => wanted.iter().any(|id| lineage(*id).iter().any(|id| own.contains(id))),
    }
}
