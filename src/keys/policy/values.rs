//! Every place in an argument where a field's name can stand, and what stands
//! behind it: dotted paths are reading on the other model, commands are operations
//! on it, to any depth.

use super::arguments::shown;
use super::decide::{Checker, Stop, refuse};
use super::document::{Operation, is_name};
use super::fields::FieldKind;
use super::json::Json;

/// What Odoo 19's domains compare by. `any!` looks past record rules and is no
/// operator for outsiders.
const OPERATORS: [&str; 22] = [
    "!=",
    "<",
    "<=",
    "<>",
    "=",
    "==",
    "=?",
    ">",
    ">=",
    "=ilike",
    "=like",
    "any",
    "child_of",
    "ilike",
    "in",
    "like",
    "not =ilike",
    "not =like",
    "not any",
    "not ilike",
    "not in",
    "not like",
];
/// Parts of a date that a domain may compare.
const DATE_PARTS: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "hour_number",
    "iso_week_number",
    "minute_number",
    "month_number",
    "quarter_number",
    "second_number",
    "year_number",
    "week_number",
];

fn odd<T>(name: &str, what: &str) -> Result<T, Stop> {
    refuse(
        "arguments",
        name,
        format!("The {what} is not understood, and so not let through."),
    )
}

impl Checker<'_> {
    /// A field, or a way through relations to one, that is looked at.
    pub(super) fn path(&self, model: &str, path: &str) -> Result<(), Stop> {
        let (first, rest) = path
            .split_once('.')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        self.field(model, Operation::Read, first)?;
        let Some(rest) = rest else { return Ok(()) };
        match self.kind_of(model, first)? {
            FieldKind::Date if DATE_PARTS.contains(&rest) => Ok(()),
            kind => match kind.model() {
                Some(other) => {
                    self.may(other, Operation::Read)?;
                    self.path(other, rest)
                }
                None => odd(path, "path"),
            },
        }
    }

    pub(super) fn names(&self, model: &str, fields: &Json<'_>) -> Result<(), Stop> {
        let Some(fields) = fields.as_list() else {
            return odd("fields", "list of fields");
        };
        for field in fields {
            match field.as_text() {
                Some(name) => self.field(model, Operation::Read, name)?,
                None => return odd("fields", "list of fields"),
            }
        }
        Ok(())
    }

    pub(super) fn domain(&self, model: &str, domain: &Json<'_>) -> Result<(), Stop> {
        self.terms(domain, &|left, operator, right| {
            self.comparison(model, left, operator, right)
        })
    }

    pub(super) fn having(&self, model: &str, domain: &Json<'_>) -> Result<(), Stop> {
        self.terms(domain, &|left, operator, right| {
            if !is_plain(right) || !OPERATORS.contains(&operator) || operator.contains("any") {
                return odd("having", "domain");
            }
            self.aggregate(model, left)
        })
    }

    /// Walks through a domain; `check` looks at each comparison.
    fn terms(&self, domain: &Json<'_>, check: &dyn Fn(&str, &str, &Json<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        let Some(terms) = domain.as_list() else {
            return odd("domain", "domain");
        };
        for term in terms {
            match term {
                Json::Text(text) if matches!(&**text, "&" | "|" | "!") => {}
                Json::List(parts) => match parts.as_slice() {
                    // Always true, always false.
                    [Json::Integer(0 | 1), Json::Text(operator), Json::Integer(1)] if operator == "=" => {}
                    [Json::Text(left), Json::Text(operator), right] => check(left, operator, right)?,
                    _ => return odd("domain", "domain"),
                },
                _ => return odd("domain", "domain"),
            }
        }
        Ok(())
    }

    fn comparison(&self, model: &str, left: &str, operator: &str, right: &Json<'_>) -> Result<(), Stop> {
        self.path(model, left)?;
        let operator = operator.to_ascii_lowercase();
        if !OPERATORS.contains(&operator.as_str()) && operator != "parent_of" {
            return odd(&operator, "operator of the domain");
        }
        if operator != "any" && operator != "not any" {
            return if is_plain(right) {
                Ok(())
            } else {
                odd(left, "value in the domain")
            };
        }
        let (mut at, mut field) = (model.to_owned(), left);
        while let Some((first, rest)) = field.split_once('.') {
            match self.kind_of(&at, first)?.model() {
                Some(other) => (at, field) = (other.to_owned(), rest),
                None => return odd(left, "path"),
            }
        }
        match self.kind_of(&at, field)?.model() {
            Some(other) => {
                self.may(other, Operation::Read)?;
                self.domain(other, right)
            }
            None => odd(left, "domain"),
        }
    }

    /// `name desc, partner_id.name asc nulls last`
    pub(super) fn order(&self, model: &str, order: &Json<'_>) -> Result<(), Stop> {
        let Some(order) = order.as_text() else {
            return odd("order", "order");
        };
        for term in order.split(',') {
            let mut words = term.split_ascii_whitespace();
            let Some(path) = words.next() else {
                return odd("order", "order");
            };
            let direction = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ");
            let directions = ["", "asc", "desc", "nulls first", "nulls last"];
            let known = directions.contains(&&*direction)
                || ["asc ", "desc "].iter().any(|begin| {
                    let rest = direction.strip_prefix(begin);
                    rest.is_some_and(|rest| directions[3..].contains(&rest))
                });
            if !known {
                return odd("order", "order");
            }
            self.with_granularity(model, path, "order")?;
        }
        Ok(())
    }

    /// `date_order:month`
    fn with_granularity(&self, model: &str, term: &str, place: &str) -> Result<(), Stop> {
        let (path, granularity) = term.split_once(':').unwrap_or((term, "day"));
        if !is_name(granularity) {
            return odd(place, place);
        }
        self.path(model, path)
    }

    pub(super) fn group_by(&self, model: &str, group_by: &Json<'_>) -> Result<(), Stop> {
        let one = std::slice::from_ref(group_by);
        for term in group_by.as_list().unwrap_or(one) {
            match term.as_text() {
                Some(term) => self.with_granularity(model, term, "groupby")?,
                None => return odd("groupby", "grouping"),
            }
        }
        Ok(())
    }

    pub(super) fn aggregates(&self, model: &str, aggregates: &Json<'_>) -> Result<(), Stop> {
        let Some(aggregates) = aggregates.as_list() else {
            return odd("aggregates", "list of aggregates");
        };
        for aggregate in aggregates {
            match aggregate.as_text() {
                Some(aggregate) => self.aggregate(model, aggregate)?,
                None => return odd("aggregates", "list of aggregates"),
            }
        }
        Ok(())
    }

    /// `amount_total:sum`
    fn aggregate(&self, model: &str, aggregate: &str) -> Result<(), Stop> {
        match aggregate.split_once(':') {
            None if aggregate == "__count" => Ok(()),
            Some((path, function)) if is_name(function) => self.path(model, path),
            _ => odd(aggregate, "aggregate"),
        }
    }

    /// `amount_total`, `amount_total:sum`, `largest:max(amount_total)`
    pub(super) fn read_group_fields(&self, model: &str, fields: &Json<'_>) -> Result<(), Stop> {
        let Some(fields) = fields.as_list() else {
            return odd("fields", "list of fields");
        };
        for field in fields {
            let Some(field) = field.as_text() else {
                return odd("fields", "list of fields");
            };
            match field.split_once(':') {
                None if field == "__count" => {}
                None => self.path(model, field)?,
                Some((alias, function)) => match function.strip_suffix(')').and_then(|call| call.split_once('(')) {
                    Some((function, inner)) if is_name(alias) && is_name(function) => self.path(model, inner)?,
                    None if is_name(function) => self.path(model, alias)?,
                    _ => return odd(field, "aggregate"),
                },
            }
        }
        Ok(())
    }

    /// `{"name": {}, "partner_id": {"fields": {"email": {}}}}`
    pub(super) fn specification(&self, model: &str, specification: &Json<'_>) -> Result<(), Stop> {
        let Json::Object(members) = specification else {
            return odd("specification", "specification");
        };
        for (name, inner) in members {
            self.field(model, Operation::Read, name)?;
            if inner.is_falsy() {
                continue;
            }
            let Json::Object(parts) = inner else {
                return odd(name, "specification");
            };
            let Some(other) = self.kind_of(model, name)?.model() else {
                return odd(name, "specification");
            };
            self.may(other, Operation::Read)?;
            for (part, value) in parts {
                match &**part {
                    _ if value.is_falsy() => {}
                    "fields" => self.specification(other, value)?,
                    "order" => self.order(other, value)?,
                    "context" => self.inner_context(other, value)?,
                    "limit" | "offset" if value.is_scalar() => {}
                    _ => return odd(part, "specification"),
                }
            }
        }
        Ok(())
    }

    /// `["name", "partner_id/name"]`
    pub(super) fn export_paths(&self, model: &str, paths: &Json<'_>) -> Result<(), Stop> {
        let Some(paths) = paths.as_list() else {
            return odd("fields_to_export", "list of paths");
        };
        for path in paths {
            match path.as_text() {
                Some(path) => self.export_path(model, path)?,
                None => return odd("fields_to_export", "list of paths"),
            }
        }
        Ok(())
    }

    fn export_path(&self, model: &str, path: &str) -> Result<(), Stop> {
        if path == ".id" {
            return Ok(());
        }
        if path == "id" {
            return refuse(
                "operation",
                "id",
                "To export external ids makes Odoo write those that are missing.".into(),
            );
        }
        let (first, rest) = path
            .split_once('/')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        self.field(model, Operation::Read, first)?;
        let Some(rest) = rest else { return Ok(()) };
        match self.kind_of(model, first)?.model() {
            Some(other) => {
                self.may(other, Operation::Read)?;
                self.export_path(other, rest)
            }
            None => odd(path, "path"),
        }
    }

    pub(super) fn import_fields(&self, model: &str, fields: &Json<'_>) -> Result<(), Stop> {
        let Some(fields) = fields.as_list() else {
            return odd("fields", "list of columns");
        };
        for field in fields {
            match field.as_text() {
                // Which record a row is of.
                Some("id" | ".id") => {}
                Some(path) => self.import_path(model, path)?,
                None => return odd("fields", "list of columns"),
            }
        }
        Ok(())
    }

    fn import_path(&self, model: &str, path: &str) -> Result<(), Stop> {
        let (first, rest) = path
            .split_once('/')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        self.field(model, Operation::Create, first)?;
        self.field(model, Operation::Write, first)?;
        match rest {
            // Which record it leads to.
            None | Some("id" | ".id") => Ok(()),
            Some(rest) => match self.kind_of(model, first)?.model() {
                Some(other) => {
                    self.may(other, Operation::Create)?;
                    self.may(other, Operation::Write)?;
                    self.import_path(other, rest)
                }
                None => odd(path, "column"),
            },
        }
    }

    pub(super) fn import_rows(rows: &Json<'_>) -> Result<(), Stop> {
        let is_row = |row: &Json<'_>| row.as_list().is_some_and(|cells| cells.iter().all(Json::is_scalar));
        match rows.as_list() {
            Some(rows) if rows.iter().all(is_row) => Ok(()),
            _ => odd("data", "table of rows"),
        }
    }

    pub(super) fn values_of_many(&self, model: &str, values: &Json<'_>) -> Result<(), Stop> {
        let one = std::slice::from_ref(values);
        for values in values.as_list().unwrap_or(one) {
            self.values(model, Operation::Create, values)?;
        }
        Ok(())
    }

    pub(super) fn values(&self, model: &str, operation: Operation, values: &Json<'_>) -> Result<(), Stop> {
        let Json::Object(members) = values else {
            return odd("values", "set of values");
        };
        for (name, value) in members {
            self.field(model, operation, name)?;
            // No scalar is more than a value: not even of a relation, where it is an id.
            if value.is_scalar() {
                continue;
            }
            match self.kind_of(model, name)? {
                FieldKind::OneToMany { model, inverse } => self.commands(model, Some(inverse.as_deref()), value)?,
                FieldKind::ManyToMany { model } => self.commands(model, None, value)?,
                _ => return odd(name, "value"),
            }
        }
        Ok(())
    }

    /// `[[0, 0, {…}], [1, 7, {…}], [6, 0, [7, 8]]]`. `inverse` is the field over there
    /// that changes with the link, where records belong to this one.
    fn commands(&self, model: &str, inverse: Option<Option<&str>>, commands: &Json<'_>) -> Result<(), Stop> {
        let Some(commands) = commands.as_list() else {
            return odd(model, "value");
        };
        let is_id = |id: &Json<'_>| matches!(id, Json::Integer(1..));
        for command in commands {
            match command.as_list() {
                Some([Json::Integer(0), at, values]) if at.is_falsy() || at.as_text().is_some() => {
                    self.may(model, Operation::Create)?;
                    self.values(model, Operation::Create, values)?;
                }
                Some([Json::Integer(1), id, values]) if is_id(id) => {
                    self.may(model, Operation::Write)?;
                    self.values(model, Operation::Write, values)?;
                }
                Some([Json::Integer(2), id, ..]) if is_id(id) => {
                    self.may(model, Operation::Delete)?;
                }
                Some([Json::Integer(3), id, ..]) if is_id(id) => self.unlinked(model, inverse)?,
                Some([Json::Integer(4), id, ..]) if is_id(id) => self.linked(model, inverse)?,
                Some([Json::Integer(5), ..]) => self.unlinked(model, inverse)?,
                Some([Json::Integer(6), _, Json::List(ids)]) if ids.iter().all(is_id) => {
                    self.unlinked(model, inverse)?;
                    self.linked(model, inverse)?;
                }
                _ => {
                    return refuse(
                        "arguments",
                        model,
                        format!("A command for {} is not understood.", shown(model)),
                    );
                }
            }
        }
        Ok(())
    }

    /// A record over there comes to belong to this one.
    fn linked(&self, model: &str, inverse: Option<Option<&str>>) -> Result<(), Stop> {
        match inverse {
            None => self.may(model, Operation::Read).map(drop),
            Some(inverse) => {
                self.may(model, Operation::Write)?;
                self.field(model, Operation::Write, inverse.unwrap_or("?"))
            }
        }
    }

    /// A record over there ceases to: Odoo may remove it for that.
    fn unlinked(&self, model: &str, inverse: Option<Option<&str>>) -> Result<(), Stop> {
        match inverse {
            None => self.may(model, Operation::Read).map(drop),
            Some(_) => {
                self.linked(model, inverse)?;
                self.may(model, Operation::Delete).map(drop)
            }
        }
    }
}

/// A scalar, or a list of scalars.
fn is_plain(value: &Json<'_>) -> bool {
    value.is_scalar() || value.as_list().is_some_and(|items| items.iter().all(Json::is_scalar))
}
