//! The records, and how they read. Knows models and fields; no methods, no
//! users, no wire.

use std::collections::BTreeMap;

use super::exception::Exception;
use super::models::MODELS;
use super::schema::{Field, Kind, Model};
use super::value::{EMPTY, Value};

/// The stored fields of a record. What is not there is empty.
pub type Row = BTreeMap<&'static str, Value>;

/// The records of one model.
#[derive(Clone, Debug)]
pub struct Table {
    /// Whose records they are.
    pub model: &'static Model,
    /// By id.
    pub rows: BTreeMap<i64, Row>,
    last_id: i64,
}

/// Everything that the demo knows. A clone is a snapshot.
#[derive(Clone, Debug)]
pub struct Database {
    tables: Vec<Table>,
    /// The records of a model that have names.
    external_ids: BTreeMap<(&'static str, String), i64>,
}

impl Default for Database {
    /// Every model, no records.
    fn default() -> Self {
        let tables = MODELS
            .iter()
            .map(|model| Table {
                model,
                rows: BTreeMap::new(),
                last_id: 0,
            })
            .collect();
        Self {
            tables,
            external_ids: BTreeMap::new(),
        }
    }
}

impl Table {
    /// Adds a record under the next id.
    pub fn insert(&mut self, row: Row) -> i64 {
        self.insert_at(self.last_id + 1, row)
    }

    /// Adds a record under an id of one's own.
    pub fn insert_at(&mut self, id: i64, mut row: Row) -> i64 {
        row.insert("id", id.into());
        self.rows.insert(id, row);
        self.last_id = self.last_id.max(id);
        id
    }
}

impl Database {
    /// The record that is there under an external id.
    #[must_use]
    pub fn external_id(&self, model: &'static str, name: &str) -> Option<i64> {
        let id = *self.external_ids.get(&(model, name.to_owned()))?;
        self.row(model, id).map(|_| id)
    }

    /// Gives a record an external id.
    pub fn set_external_id(&mut self, model: &'static str, name: String, id: i64) {
        self.external_ids.insert((model, name), id);
    }

    /// The records of a model.
    ///
    /// # Errors
    /// Odoo's `UserError` if there is no such model.
    pub fn table(&self, model: &str) -> Result<&Table, Exception> {
        self.tables
            .iter()
            .find(|table| table.model.name == model)
            .ok_or_else(|| unknown_model(model))
    }

    /// The same, to change them.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn table_mut(&mut self, model: &str) -> Result<&mut Table, Exception> {
        self.tables
            .iter_mut()
            .find(|table| table.model.name == model)
            .ok_or_else(|| unknown_model(model))
    }

    /// One record.
    #[must_use]
    pub fn row(&self, model: &str, id: i64) -> Option<&Row> {
        self.table(model).ok()?.rows.get(&id)
    }

    /// Takes a model and everything in it away, as an uninstalled module does.
    pub fn remove_model(&mut self, model: &str) {
        self.tables.retain(|table| table.model.name != model);
    }

    /// What a field of a record holds: ids for relations, empty as `False`.
    #[must_use]
    pub fn get(&self, model: &Model, row: &Row, field: &Field) -> Value {
        match (field.kind, field.name) {
            (Kind::One2many(target, inverse), _) => self.pointing_here(target, inverse, row),
            (_, "display_name" | "complete_name") => self.name_of(model, row).into(),
            (kind, name) if kind.is_number() => row.get(name).cloned().unwrap_or(match kind {
                Kind::Integer => Value::Int(0),
                _ => Value::Float(0.0),
            }),
            (_, name) => row.get(name).cloned().unwrap_or(EMPTY),
        }
    }

    fn pointing_here(&self, target: &str, inverse: &str, row: &Row) -> Value {
        let here = row.get("id");
        let Ok(table) = self.table(target) else {
            return Value::List(Vec::new());
        };
        let pointing = table.rows.values().filter(|other| other.get(inverse) == here);
        Value::List(pointing.filter_map(|other| other.get("id").cloned()).collect())
    }

    /// What a record is called (`display_name`).
    #[must_use]
    pub fn name_of(&self, model: &Model, row: &Row) -> String {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = text(model.named_by);
        match model.name {
            "res.partner" => match self.pointed(row, "parent_id", "res.partner") {
                Some(parent) => {
                    let parent = parent.get("name").and_then(Value::as_str).unwrap_or_default();
                    format!("{parent}, {own}")
                }
                None => own,
            },
            "product.product" if !text("default_code").is_empty() => format!("[{}] {own}", text("default_code")),
            "sale.order.line" => {
                let order = self.pointed(row, "order_id", "sale.order");
                let order = order
                    .and_then(|order| order.get("name"))
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                format!("{order} - {}", own.lines().next().unwrap_or_default())
            }
            _ => own,
        }
    }

    fn pointed(&self, row: &Row, field: &str, model: &str) -> Option<&Row> {
        self.row(model, row.get(field)?.as_int()?)
    }

    /// A field as `read` shows it: many2one as `[id, name]` if `classic`.
    #[must_use]
    pub fn show(&self, model: &Model, row: &Row, field: &Field, classic: bool) -> Value {
        let value = self.get(model, row, field);
        match (field.kind, &value) {
            (Kind::Many2one(target), Value::Int(id)) if classic => self.id_and_name(target, *id),
            _ => value,
        }
    }

    /// `[id, name]`, or `False` if the record is gone.
    #[must_use]
    pub fn id_and_name(&self, model: &str, id: i64) -> Value {
        let Ok(table) = self.table(model) else { return EMPTY };
        match table.rows.get(&id) {
            Some(row) => vec![Value::Int(id), self.name_of(table.model, row).into()].into(),
            None => EMPTY,
        }
    }

    /// Brings an order's lines and amounts up to date with each other.
    pub fn recompute_order(&mut self, order_id: i64) {
        let Some(order) = self.row("sale.order", order_id).cloned() else {
            return;
        };
        let Ok(lines) = self.table_mut("sale.order.line") else {
            return;
        };
        let mut untaxed = 0.0;
        for line in lines
            .rows
            .values_mut()
            .filter(|line| line.get("order_id") == Some(&Value::Int(order_id)))
        {
            let number = |name: &str| line.get(name).and_then(Value::as_number).unwrap_or(0.0);
            let subtotal = cents(number("product_uom_qty") * number("price_unit") * (1.0 - number("discount") / 100.0));
            untaxed += subtotal;
            line.insert("price_subtotal", subtotal.into());
            line.insert("price_total", cents(subtotal * (1.0 + TAX_RATE)).into());
            for (own, orders) in [
                ("state", "state"),
                ("order_partner_id", "partner_id"),
                ("company_id", "company_id"),
                ("currency_id", "currency_id"),
            ] {
                line.insert(own, order.get(orders).cloned().unwrap_or(EMPTY));
            }
        }
        let tax = cents(untaxed * TAX_RATE);
        let confirmed = order.get("state").and_then(Value::as_str) == Some("sale");
        let Some(order) = self
            .table_mut("sale.order")
            .ok()
            .and_then(|table| table.rows.get_mut(&order_id))
        else {
            return;
        };
        order.insert("amount_untaxed", cents(untaxed).into());
        order.insert("amount_tax", tax.into());
        order.insert("amount_total", cents(untaxed + tax).into());
        order.insert("invoice_status", if confirmed { "to invoice" } else { "no" }.into());
    }
}

/// What the demo's company adds to each line.
const TAX_RATE: f64 = 0.15;

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn unknown_model(model: &str) -> Exception {
    Exception::user(format!("Object {model} doesn't exist"))
}
