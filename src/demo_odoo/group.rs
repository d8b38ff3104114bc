//! `read_group` and `formatted_read_group`: sums, counts and averages by fields.

use chrono::NaiveDateTime;

use super::arguments::Arguments;
use super::database::{Database, Row};
use super::domain::parse::parse;
use super::engine::Caller;
use super::exception::Exception;
use super::read::{matching, window};
use super::schema::{Field, Kind, Model};
use super::spans::{Granularity, span};
use super::value::{EMPTY, Value};

/// A field to group by, with the granularity of a date.
struct By {
    spec: String,
    field: &'static Field,
    granularity: Option<Granularity>,
}

/// What to compute: the key in the answer, the function, the field.
struct Aggregate {
    key: String,
    function: String,
    field: Option<&'static Field>,
}

/// One group: the value of each [`By`], and its records.
struct Group<'a> {
    keys: Vec<Key>,
    rows: Vec<&'a Row>,
}

/// The value that a group shares.
struct Key {
    /// As shown: a value, `[id, name]`, or the name of a span.
    shown: Value,
    sort: Value,
    /// The leaves that describe it, and the span's ends.
    domain: Vec<Value>,
    span: Option<(String, String)>,
}

/// `read_group(domain, fields, groupby, offset, limit, orderby, lazy)`
pub fn read_group(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let specs = texts(arguments.or_none("groupby"));
    let lazy = arguments.get("lazy").is_none_or(|lazy| !lazy.is_falsy()) && !specs.is_empty();
    let used = if lazy { 1 } else { specs.len() };
    let by = specs
        .iter()
        .take(used)
        .map(|spec| by(model, spec))
        .collect::<Result<Vec<_>, _>>()?;
    let aggregates = texts(arguments.or_none("fields"))
        .iter()
        .map(|spec| old_aggregate(model, spec))
        .collect::<Result<Vec<_>, _>>()?;
    let groups = groups(db, caller, model, arguments, &by, "orderby")?;
    let count = if lazy {
        format!("{}_count", by[0].field.name)
    } else {
        "__count".to_owned()
    };
    let all = arguments.or_none("domain");
    let answer = groups.iter().map(|group| {
        let mut entry: Vec<(String, Value)> = Vec::new();
        let mut spans: Vec<(String, Value)> = Vec::new();
        for (by, key) in by.iter().zip(&group.keys) {
            entry.push((by.spec.clone(), key.shown.clone()));
            if let Some((from, to)) = &key.span {
                let span = vec![("from".into(), from.as_str().into()), ("to".into(), to.as_str().into())];
                spans.push((by.spec.clone(), Value::Dict(span)));
            }
        }
        entry.push((count.clone(), count_of(group)));
        for aggregate in aggregates
            .iter()
            .flatten()
            .filter(|aggregate| !by.iter().any(|by| by.spec == aggregate.key))
        {
            entry.push((aggregate.key.clone(), compute(db, model, group, aggregate)));
        }
        entry.push(("__domain".into(), domain_of(Some(all), group)));
        if !spans.is_empty() {
            entry.push(("__range".into(), Value::Dict(spans)));
        }
        if lazy && specs.len() > 1 {
            let rest = Value::List(specs[1..].iter().map(|spec| spec.as_str().into()).collect());
            entry.push(("__context".into(), Value::Dict(vec![("group_by".into(), rest)])));
        }
        Value::Dict(entry)
    });
    Ok(Value::List(answer.collect()))
}

/// `formatted_read_group(domain, groupby, aggregates, having, offset, limit, order)`
pub fn formatted_read_group(
    db: &Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
) -> Result<Value, Exception> {
    let by = texts(arguments.or_none("groupby"))
        .iter()
        .map(|spec| by(model, spec))
        .collect::<Result<Vec<_>, _>>()?;
    let aggregates = texts(arguments.or_none("aggregates"))
        .iter()
        .map(|spec| aggregate(model, spec, spec))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(by) = by.iter().find(|by| by.granularity.is_some() && !by.spec.contains(':')) {
        let text = format!("Granularity not set on a date(time) field: '{}'", by.spec);
        return Err(Exception::value(text));
    }
    let groups = groups(db, caller, model, arguments, &by, "order")?;
    let answer = groups.iter().map(|group| {
        let mut entry: Vec<(String, Value)> = Vec::new();
        for (by, key) in by.iter().zip(&group.keys) {
            let shown = match &key.span {
                Some((from, _)) => vec![from.as_str().into(), key.shown.clone()].into(),
                None => key.shown.clone(),
            };
            entry.push((by.spec.clone(), shown));
        }
        entry.push(("__extra_domain".into(), domain_of(None, group)));
        for aggregate in &aggregates {
            entry.push((aggregate.key.clone(), compute(db, model, group, aggregate)));
        }
        Value::Dict(entry)
    });
    Ok(Value::List(answer.collect()))
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Str(text) => text
            .split(',')
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect(),
        Value::List(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn unknown_field(model: &Model, name: &str) -> Exception {
    Exception::value(format!("Invalid field '{name}' on model '{}'", model.name))
}

fn by(model: &'static Model, spec: &str) -> Result<By, Exception> {
    let (name, granularity) = spec
        .split_once(':')
        .map_or((spec, None), |(name, rest)| (name, Some(rest)));
    let field = model.field(name).ok_or_else(|| unknown_field(model, name))?;
    let dated = matches!(field.kind, Kind::Date | Kind::Datetime);
    let granularity = match granularity {
        None if dated => Some(Granularity::Month),
        None => None,
        Some(name) => Some(
            Granularity::named(name)
                .ok_or_else(|| Exception::value(format!("Granularity specification isn't correct: '{name}'")))?,
        ),
    };
    Ok(By {
        spec: spec.to_owned(),
        field,
        granularity: granularity.filter(|_| dated),
    })
}

/// `field`, `field:sum` or `name:sum(field)`; only numbers are computed without a function.
fn old_aggregate(model: &'static Model, spec: &str) -> Result<Option<Aggregate>, Exception> {
    let (key, rest) = spec.split_once(':').map_or((spec, ""), |(key, rest)| (key, rest));
    if let Some((function, field)) = rest.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        return aggregate(model, &format!("{field}:{function}"), key).map(Some);
    }
    let field = model.field(key).ok_or_else(|| unknown_field(model, key))?;
    match (rest, field.kind) {
        ("", Kind::Float | Kind::Monetary) => aggregate(model, &format!("{key}:sum"), key).map(Some),
        ("", _) => Ok(None),
        _ => aggregate(model, spec, key).map(Some),
    }
}

fn aggregate(model: &'static Model, spec: &str, key: &str) -> Result<Aggregate, Exception> {
    if spec == "__count" {
        return Ok(Aggregate {
            key: key.to_owned(),
            function: "count".into(),
            field: None,
        });
    }
    let (name, function) = spec.split_once(':').unwrap_or((spec, ""));
    let field = model.field(name).ok_or_else(|| unknown_field(model, name))?;
    let known = ["sum", "avg", "min", "max", "count", "count_distinct", "array_agg"];
    if !known.contains(&function) {
        return Err(Exception::value(format!(
            "Invalid aggregate method '{function}' for '{spec}'."
        )));
    }
    Ok(Aggregate {
        key: key.to_owned(),
        function: function.to_owned(),
        field: Some(field),
    })
}

fn groups<'a>(
    db: &'a Database,
    caller: &Caller,
    model: &'static Model,
    arguments: &Arguments,
    by: &[By],
    order: &str,
) -> Result<Vec<Group<'a>>, Exception> {
    let domain = parse(db, model, arguments.or_none("domain"))?;
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (_, row) in matching(db, caller, model, &domain)? {
        let keys: Vec<Key> = by.iter().map(|by| key(db, model, row, by)).collect();
        let same = |group: &&mut Group<'_>| group.keys.iter().zip(&keys).all(|(a, b)| a.domain == b.domain);
        match groups.iter_mut().find(same) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { keys, rows: vec![row] }),
        }
    }
    if by.is_empty() && groups.is_empty() {
        groups.push(Group {
            keys: Vec::new(),
            rows: Vec::new(),
        });
    }
    sort(db, model, &mut groups, by, arguments.or_none(order));
    let offset = window(arguments.or_none("offset"), Exception::offset, "OFFSET")?.unwrap_or(0);
    let limit = window(arguments.or_none("limit"), Exception::limit, "LIMIT")?.unwrap_or(usize::MAX);
    Ok(groups.into_iter().skip(offset).take(limit).collect())
}

/// By the groups' values; by one of them or an aggregate if that is asked for.
fn sort(db: &Database, model: &'static Model, groups: &mut [Group<'_>], by: &[By], order: &Value) {
    groups.sort_by(|a, b| {
        let each = a.keys.iter().zip(&b.keys).map(|(a, b)| a.sort.compare(&b.sort));
        each.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    for term in texts(order).iter().rev() {
        let (spec, descending) = term
            .split_once(' ')
            .map_or((term.as_str(), false), |(spec, direction)| {
                (spec, direction.trim().eq_ignore_ascii_case("desc"))
            });
        let position = by.iter().position(|by| by.spec == spec || by.field.name == spec);
        let computed = aggregate(model, spec, spec)
            .or_else(|_| aggregate(model, &format!("{spec}:sum"), spec))
            .ok();
        groups.sort_by(|a, b| {
            let ordering = match (position, &computed) {
                (Some(at), _) => a.keys[at].sort.compare(&b.keys[at].sort),
                (None, Some(aggregate)) => compute(db, model, a, aggregate).compare(&compute(db, model, b, aggregate)),
                (None, None) => std::cmp::Ordering::Equal,
            };
            if descending { ordering.reverse() } else { ordering }
        });
    }
}

fn key(db: &Database, model: &Model, row: &Row, by: &By) -> Key {
    let value = db.get(model, row, by.field);
    let name = by.field.name;
    let leaf = |operator: &str, value: Value| Value::List(vec![name.into(), operator.into(), value]);
    if let Some((from, to, shown)) = by
        .granularity
        .zip(value.as_str())
        .and_then(|(granularity, text)| span(granularity, text))
    {
        let write = |moment: NaiveDateTime| match by.field.kind {
            Kind::Date => moment.date().to_string(),
            _ => moment.format("%Y-%m-%d %H:%M:%S").to_string(),
        };
        let (from, to) = (write(from), write(to));
        let domain = vec![
            "&".into(),
            leaf(">=", from.as_str().into()),
            leaf("<", to.as_str().into()),
        ];
        return Key {
            shown: shown.into(),
            sort: from.as_str().into(),
            domain,
            span: Some((from, to)),
        };
    }
    let shown = db.show(model, row, by.field, true);
    let sort = match (&shown, by.field.kind) {
        (Value::List(pair), Kind::Many2one(_)) => pair.last().cloned().unwrap_or(EMPTY),
        (Value::Bool(false), kind) if kind != Kind::Boolean => Value::None,
        _ => value.clone(),
    };
    Key {
        shown,
        sort,
        domain: vec![leaf("=", value)],
        span: None,
    }
}

fn count_of(group: &Group<'_>) -> Value {
    Value::Int(i64::try_from(group.rows.len()).unwrap_or(i64::MAX))
}

/// The leaves of the groups, after those of the whole domain if it is given.
fn domain_of(all: Option<&Value>, group: &Group<'_>) -> Value {
    let mut terms: Vec<&[Value]> = group.keys.iter().map(|key| key.domain.as_slice()).collect();
    let whole = all.and_then(Value::as_list).unwrap_or_default();
    let mut leading;
    if !whole.is_empty() {
        // A list of conditions means "and": written out, as Odoo does.
        let plain = whole.iter().all(|item| item.as_list().is_some());
        leading = vec![Value::from("&"); if plain { whole.len() - 1 } else { 0 }];
        leading.extend_from_slice(whole);
        terms.insert(0, &leading);
    }
    if terms.is_empty() {
        return vec![vec![1.into(), "=".into(), 1.into()].into()].into();
    }
    let mut domain = vec![Value::from("&"); terms.len() - 1];
    domain.extend(terms.concat());
    domain.into()
}

fn compute(db: &Database, model: &Model, group: &Group<'_>, aggregate: &Aggregate) -> Value {
    let Some(field) = aggregate.field else {
        return count_of(group);
    };
    let values: Vec<Value> = group
        .rows
        .iter()
        .map(|row| db.get(model, row, field))
        .filter(|value| !matches!(value, Value::Bool(false) | Value::None))
        .collect();
    let count = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let total: f64 = values.iter().filter_map(Value::as_number).sum();
    match aggregate.function.as_str() {
        "count" => count(values.len()),
        "count_distinct" => {
            let mut distinct: Vec<Value> = values;
            distinct.sort_by(Value::compare);
            distinct.dedup();
            count(distinct.len())
        }
        "array_agg" => values.into(),
        _ if values.is_empty() => EMPTY,
        "min" => values.into_iter().min_by(Value::compare).unwrap_or(EMPTY),
        "max" => values.into_iter().max_by(Value::compare).unwrap_or(EMPTY),
        #[expect(clippy::cast_precision_loss, reason = "the demo has a few hundred records")]
        "avg" => (total / values.len() as f64).into(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "sums of the demo's whole numbers are small"
        )]
        _ if field.kind == Kind::Integer => Value::Int(total as i64),
        // Amounts are whole cents: binary fractions stay out of sight.
        _ => ((total * 100.0).round() / 100.0).into(),
    }
}
