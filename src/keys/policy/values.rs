//! Every place in an argument where a field's name can stand, and what stands
//! behind it: dotted paths are reading on the other model, commands are operations
//! on it, to any depth.

use super::arguments::shown;
use super::attachments;
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
/// What makes one value of a group's values.
const SUMS: [&str; 9] = [
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "count_distinct",
    "max",
    "min",
    "sum",
    "sum_currency",
];
/// What gives all of them.
const GATHERINGS: [&str; 3] = ["array_agg", "array_agg_distinct", "recordset"];
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

pub(super) fn odd<T>(name: &str, what: &str) -> Result<T, Stop> {
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
        if attachments::is_no_field_of_a_record(model, left, operator, right) {
            return Ok(());
        }
        self.path(model, left)?;
        let operator = operator.to_ascii_lowercase();
        if !OPERATORS.contains(&operator.as_str()) && operator != "parent_of" {
            return odd(&operator, "operator of the domain");
        }
        if operator != "any" && operator != "not any" {
            if !is_plain(right) {
                return odd(left, "value in the domain");
            }
            return if operator.ends_with("_of") {
                // Who belongs to whom is told by a field that nobody named.
                self.all_of(self.leads_to(model, left)?.unwrap_or(model), left)
            } else if operator.ends_with("like") || has_text(right) {
                // Odoo looks for a text in whatever a record is known by.
                self.by_name(model, left)
            } else {
                Ok(())
            };
        }
        match self.leads_to(model, left)? {
            Some(other) => {
                self.may(other, Operation::Read)?;
                self.domain(other, right)
            }
            None => odd(left, "domain"),
        }
    }

    /// The model and the field at the end of a way that was looked at before.
    fn end_of<'w>(&self, model: &'w str, path: &'w str) -> Result<(&'w str, &'w str), Stop>
    where
        Self: 'w,
    {
        let (mut at, mut field) = (model, path);
        while let Some((first, rest)) = field.split_once('.') {
            match self.kind_of(at, first)? {
                // A part of a date.
                FieldKind::Date => return Ok((at, first)),
                kind => match kind.model() {
                    Some(other) => (at, field) = (other, rest),
                    None => return odd(path, "path"),
                },
            }
        }
        Ok((at, field))
    }

    /// The model that the field at the end of a way leads to.
    fn leads_to<'w>(&'w self, model: &'w str, path: &'w str) -> Result<Option<&'w str>, Stop> {
        let (at, field) = self.end_of(model, path)?;
        match field {
            "id" => Ok(None),
            _ => Ok(self.kind_of(at, field)?.model()),
        }
    }

    /// A field whose records Odoo finds or sorts by what they are known by: for a
    /// relation, and for `display_name`, that is fields which nobody named.
    pub(super) fn by_name(&self, model: &str, path: &str) -> Result<(), Stop> {
        let (at, field) = self.end_of(model, path)?;
        match field {
            "id" => Ok(()),
            "display_name" => self.all_of(at, path),
            _ => match self.kind_of(at, field)?.model() {
                Some(other) => self.all_of(other, path),
                None => Ok(()),
            },
        }
    }

    /// A field that is shown with the names of the records it leads to: of those that
    /// nobody may reach not even that.
    fn shown(&self, model: &str, path: &str) -> Result<(), Stop> {
        match self.leads_to(model, path)? {
            Some(other) => self.reach(other, Operation::Read),
            None => Ok(()),
        }
    }

    /// All fields of a model may be read.
    fn all_of(&self, model: &str, path: &str) -> Result<(), Stop> {
        self.may(model, Operation::Read)?;
        if self.has_all_fields(model, Operation::Read) {
            return Ok(());
        }
        refuse(
            "read_fields",
            path,
            format!(
                "For \"{}\" Odoo looks at fields of {model} that are not named, and this key may read only some of them.",
                shown(path)
            ),
        )
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
            self.by_name(model, path.split_once(':').map_or(path, |(path, _)| path))?;
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
                Some(term) => {
                    self.with_granularity(model, term, "groupby")?;
                    self.shown(model, term.split_once(':').map_or(term, |(path, _)| path))?;
                }
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
            Some((path, function)) => {
                self.path(model, path)?;
                self.function(function, aggregate)
            }
            None => odd(aggregate, "aggregate"),
        }
    }

    /// What is done to the values of a group. Some functions give all of them, which no
    /// limit on groups holds back.
    fn function(&self, function: &str, aggregate: &str) -> Result<(), Stop> {
        match function {
            _ if SUMS.contains(&function) => Ok(()),
            _ if !GATHERINGS.contains(&function) => odd(aggregate, "aggregate"),
            _ => match self.document.max_limit {
                None => Ok(()),
                Some(_) => refuse(
                    "max_limit",
                    aggregate,
                    format!("{function} gives the values of all records, and this key may ask for some at once."),
                ),
            },
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
                    Some((function, inner)) if is_name(alias) => {
                        self.path(model, inner)?;
                        self.function(function, field)?;
                    }
                    None => {
                        self.path(model, alias)?;
                        self.function(function, field)?;
                    }
                    Some(_) => return odd(field, "aggregate"),
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
            let kind = self.kind_of(model, name)?;
            let Some(other) = kind.model() else {
                return odd(name, "specification");
            };
            self.may(other, Operation::Read)?;
            let mut limit = None;
            for (part, value) in parts {
                match &**part {
                    "limit" if value.is_scalar() => limit = Some(value),
                    _ if value.is_falsy() => {}
                    "fields" => self.specification(other, value)?,
                    "order" => self.order(other, value)?,
                    "context" => self.inner_context(other, value)?,
                    "offset" if value.is_scalar() => {}
                    _ => return odd(part, "specification"),
                }
            }
            if kind.is_many() {
                self.limit(limit, None)?;
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
        let Some(rest) = rest else {
            return self.shown(model, first);
        };
        let kind = self.kind_of(model, first)?;
        let Some(other) = kind.model() else {
            return odd(path, "path");
        };
        if kind.is_many() && self.document.max_limit.is_some() {
            return refuse(
                "max_limit",
                path,
                "This key may ask for so many records at once, and an export takes all that belong to one.".into(),
            );
        }
        self.may(other, Operation::Read)?;
        self.export_path(other, rest)
    }

    pub(super) fn values_of_many(&self, model: &str, values: &Json<'_>) -> Result<(), Stop> {
        let one = std::slice::from_ref(values);
        for values in values.as_list().unwrap_or(one) {
            self.values((model, &[]), Operation::Create, values)?;
        }
        Ok(())
    }

    /// The values of new records, or of those with `ids`.
    pub(super) fn values(
        &self,
        (model, ids): (&str, &[i64]),
        operation: Operation,
        values: &Json<'_>,
    ) -> Result<(), Stop> {
        let Json::Object(members) = values else {
            return odd("values", "set of values");
        };
        self.changes(model, ids, members.iter().map(|(name, _)| &**name));
        for (name, value) in members {
            self.field(model, operation, name)?;
            // No other scalar is more than a value: not even of a relation, where it is an id.
            let empties = value.is_scalar() && value.is_falsy();
            if value.is_scalar() && !empties {
                continue;
            }
            match self.kind_of(model, name)? {
                // Odoo takes "nothing" for the command 5: all of them go.
                FieldKind::OneToMany { model, inverse } if empties => self.unlinked(model, Some(inverse.as_deref()))?,
                FieldKind::ManyToMany { model } if empties => self.unlinked(model, None)?,
                _ if empties => {}
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
                    self.makes(model)?;
                    self.values((model, &[]), Operation::Create, values)?;
                }
                Some([Json::Integer(1), Json::Integer(id @ 1..), values]) => {
                    self.may(model, Operation::Write)?;
                    self.values((model, &[*id]), Operation::Write, values)?;
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
    pub(super) fn linked(&self, model: &str, inverse: Option<Option<&str>>) -> Result<(), Stop> {
        match inverse {
            None => self.may(model, Operation::Read).map(drop),
            Some(inverse) => {
                self.may(model, Operation::Write)?;
                self.field(model, Operation::Write, inverse.unwrap_or("?"))
            }
        }
    }

    /// A record over there ceases to: Odoo may remove it for that.
    pub(super) fn unlinked(&self, model: &str, inverse: Option<Option<&str>>) -> Result<(), Stop> {
        match inverse {
            None => self.may(model, Operation::Read).map(drop),
            Some(_) => {
                self.linked(model, inverse)?;
                self.may(model, Operation::Delete).map(drop)
            }
        }
    }
}

/// A text, or a list with one in it.
fn has_text(value: &Json<'_>) -> bool {
    let is_text = |value: &Json<'_>| value.as_text().is_some();
    is_text(value) || value.as_list().is_some_and(|items| items.iter().any(is_text))
}

/// A scalar, or a list of scalars.
fn is_plain(value: &Json<'_>) -> bool {
    value.is_scalar() || value.as_list().is_some_and(|items| items.iter().all(Json::is_scalar))
}
