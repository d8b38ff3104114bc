//! Fills the database: the same records for the same moment, with orders spread
//! over the eight months before it.

use chrono::{Duration, NaiveDateTime};

use super::catalog::{COMPANIES, COUNTRIES, MODULES, PRODUCTS};
use super::database::{Database, Row};
use super::exception::Exception;
use super::models::MODELS;
use super::value::Value;

/// The administrator's id, as in every Odoo.
pub const ADMIN: i64 = 2;
/// The id of the user without administration rights.
pub const DEMO: i64 = 5;

/// The models of the Sales module.
pub const SALES: [&str; 2] = ["sale.order", "sale.order.line"];

const ORDERS: i64 = 48;
const OWN_COMPANY: i64 = 1;
const FIRST_CUSTOMER: i64 = 8;

/// How Odoo writes a moment.
#[must_use]
pub fn datetime(moment: NaiveDateTime) -> Value {
    moment.format("%Y-%m-%d %H:%M:%S").to_string().into()
}

fn row(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Row {
    fields.into_iter().collect()
}

/// The demo's records, as of `now` (UTC).
///
/// # Errors
/// None in practice: every model that is filled is there.
pub fn seeded(now: NaiveDateTime) -> Result<Database, Exception> {
    let mut database = Database::default();
    let born = datetime(now - Duration::days(300));
    base(&mut database, &born)?;
    customers(&mut database, &born)?;
    products(&mut database, &born)?;
    catalogs(&mut database, &born)?;
    for number in 1..=ORDERS {
        order(&mut database, number, now)?;
    }
    Ok(database)
}

fn base(database: &mut Database, born: &Value) -> Result<(), Exception> {
    let currencies = database.table_mut("res.currency")?;
    for (name, symbol) in [("EUR", "\u{20ac}"), ("USD", "$")] {
        currencies.insert(row([
            ("name", name.into()),
            ("symbol", symbol.into()),
            ("active", true.into()),
        ]));
    }
    let countries = database.table_mut("res.country")?;
    for (code, name) in COUNTRIES.into_iter().chain([("US", "United States")]) {
        countries.insert(row([("name", name.into()), ("code", code.into())]));
    }
    database.table_mut("uom.uom")?.insert(row([("name", "Units".into())]));
    let partners = database.table_mut("res.partner")?;
    let own: [(i64, &str, Value); 3] = [
        (1, "Demo Trading", false.into()),
        (3, "Administrator", 1.into()),
        (6, "Sales Desk", 1.into()),
    ];
    for (id, name, parent) in own {
        let company = parent == Value::Bool(false);
        partners.insert_at(id, partner(name, parent, company, born));
    }
    database.table_mut("res.company")?.insert_at(
        OWN_COMPANY,
        row([
            ("name", "Demo Trading".into()),
            ("active", true.into()),
            ("partner_id", 1.into()),
            ("currency_id", 1.into()),
            ("email", "info@demo-trading.example".into()),
            ("create_date", born.clone()),
        ]),
    );
    let users = database.table_mut("res.users")?;
    for (id, partner, login, name) in [(ADMIN, 3, "admin", "Administrator"), (DEMO, 6, "demo", "Sales Desk")] {
        users.insert_at(
            id,
            row([
                ("partner_id", Value::Int(partner)),
                ("login", login.into()),
                ("name", name.into()),
                ("active", true.into()),
                ("company_id", OWN_COMPANY.into()),
                ("email", format!("{login}@demo-trading.example").into()),
                ("lang", "en_US".into()),
                ("tz", "Europe/Brussels".into()),
                ("create_date", born.clone()),
            ]),
        );
    }
    Ok(())
}

fn partner(name: &str, parent: Value, is_company: bool, born: &Value) -> Row {
    row([
        ("name", name.into()),
        ("parent_id", parent),
        ("active", true.into()),
        ("type", "contact".into()),
        ("is_company", is_company.into()),
        ("create_date", born.clone()),
        ("write_date", born.clone()),
    ])
}

fn customers(database: &mut Database, born: &Value) -> Result<(), Exception> {
    let countries = database.table("res.country")?.clone();
    let country = |code: &str| {
        let found = countries
            .rows
            .iter()
            .find(|(_, row)| row.get("code").and_then(Value::as_str) == Some(code));
        found.map_or(Value::Bool(false), |(id, _)| Value::Int(*id))
    };
    let partners = database.table_mut("res.partner")?;
    // Companies first, so that their ids are without gaps.
    for (id, (name, street, zip, city, code, _)) in (FIRST_CUSTOMER..).zip(COMPANIES) {
        let mut fields = partner(name, Value::Bool(false), true, born);
        let domain: String = name
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        fields.extend(row([
            ("street", street.into()),
            ("zip", zip.into()),
            ("city", city.into()),
            ("country_id", country(code)),
            ("email", format!("orders@{domain}.example").into()),
            ("website", format!("https://{domain}.example").into()),
            ("ref", format!("C{id:04}").into()),
        ]));
        partners.insert_at(id, fields);
    }
    for (company, (_, _, _, city, code, roles)) in (FIRST_CUSTOMER..).zip(COMPANIES) {
        for role in roles {
            let mut fields = partner(role, company.into(), false, born);
            fields.extend(row([
                ("function", (*role).into()),
                ("city", city.into()),
                ("country_id", country(code)),
            ]));
            partners.insert(fields);
        }
    }
    Ok(())
}

fn products(database: &mut Database, born: &Value) -> Result<(), Exception> {
    for (code, name, price, kind) in PRODUCTS {
        let common = [
            ("name", Value::from(name)),
            ("default_code", code.into()),
            ("type", kind.into()),
            ("uom_id", 1.into()),
            ("sale_ok", true.into()),
            ("active", true.into()),
            ("create_date", born.clone()),
        ];
        let mut template = row(common.clone());
        template.insert("list_price", price.into());
        let template = database.table_mut("product.template")?.insert(template);
        let mut variant = row(common);
        variant.extend(row([
            ("product_tmpl_id", template.into()),
            ("lst_price", price.into()),
            ("standard_price", ((price * 60.0).round() / 100.0).into()),
            ("write_date", born.clone()),
        ]));
        database.table_mut("product.product")?.insert(variant);
    }
    Ok(())
}

fn catalogs(database: &mut Database, born: &Value) -> Result<(), Exception> {
    for (name, title, application, installed) in MODULES {
        let version = |installed: bool| {
            if installed {
                Value::from("19.0.1.0")
            } else {
                Value::Bool(false)
            }
        };
        database.table_mut("ir.module.module")?.insert(row([
            ("name", name.into()),
            ("shortdesc", title.into()),
            ("author", "Odoo S.A.".into()),
            ("installed_version", "19.0.1.0".into()),
            ("latest_version", version(installed)),
            ("state", if installed { "installed" } else { "uninstalled" }.into()),
            ("application", application.into()),
        ]));
    }
    for model in &MODELS {
        database.table_mut("ir.model")?.insert(row([
            ("name", model.label.into()),
            ("model", model.name.into()),
            ("order", model.order.into()),
            ("state", "base".into()),
            ("transient", false.into()),
        ]));
    }
    for (key, value) in [
        ("web.base.url", "http://localhost:8069"),
        ("sale.default_confirmation_template", "1"),
    ] {
        database.table_mut("ir.config_parameter")?.insert(row([
            ("key", key.into()),
            ("value", value.into()),
            ("create_date", born.clone()),
            ("write_date", born.clone()),
        ]));
    }
    Ok(())
}

/// The older an order, the further it is from the next one; the newest is of today.
fn moment_of(number: i64, now: NaiveDateTime) -> NaiveDateTime {
    let steps = ORDERS - number;
    now - Duration::days(steps * steps / 9) - Duration::minutes(5 + number * 37 % 540 * i64::from(steps > 0))
}

fn state_of(number: i64) -> &'static str {
    match (number % 9, ORDERS - number) {
        (4, _) => "cancel",
        (_, 0..=3) | (7, _) => "draft",
        (2, _) | (_, 4..=8) => "sent",
        _ => "sale",
    }
}

fn order(database: &mut Database, number: i64, now: NaiveDateTime) -> Result<(), Exception> {
    let count = i64::try_from(COMPANIES.len()).unwrap_or(1);
    let customer = FIRST_CUSTOMER + number * 5 % count;
    let moment = moment_of(number, now);
    let salesperson = if number % 3 == 0 { ADMIN } else { DEMO };
    let mut fields = row([
        ("name", format!("S{number:05}").into()),
        ("company_id", OWN_COMPANY.into()),
        ("partner_id", customer.into()),
        ("partner_invoice_id", customer.into()),
        ("partner_shipping_id", customer.into()),
        ("state", state_of(number).into()),
        ("create_date", datetime(moment)),
        ("write_date", datetime(moment)),
        ("date_order", datetime(moment)),
        ("validity_date", (moment + Duration::days(30)).date().to_string().into()),
        ("currency_id", 1.into()),
        ("user_id", salesperson.into()),
    ]);
    if number % 4 == 0 {
        fields.insert("client_order_ref", format!("PO-{}", 7000 + number * 13).into());
    }
    let order = database.table_mut("sale.order")?.insert(fields);
    for line in 0..=(number * 7 % 4) {
        add_line(database, order, number, line, &datetime(moment))?;
    }
    database.recompute_order(order);
    Ok(())
}

fn add_line(database: &mut Database, order: i64, number: i64, line: i64, moment: &Value) -> Result<(), Exception> {
    let index = usize::try_from((number * 11 + line * 3) % 20).unwrap_or(0) % PRODUCTS.len();
    let (code, name, price, _) = PRODUCTS[index];
    let product = i64::try_from(index).unwrap_or(0) + 1;
    #[expect(clippy::cast_precision_loss, reason = "between 1 and 8")]
    let quantity = (1 + (number + line * 2) % 8) as f64;
    database.table_mut("sale.order.line")?.insert(row([
        ("order_id", order.into()),
        ("sequence", Value::Int(10 + line)),
        ("product_id", product.into()),
        ("name", format!("[{code}] {name}").into()),
        ("product_uom_qty", quantity.into()),
        ("price_unit", price.into()),
        ("discount", if number % 10 == 0 { 5.0 } else { 0.0 }.into()),
        ("create_date", moment.clone()),
    ]));
    Ok(())
}

/// Makes a database look as if the Sales module was never installed.
///
/// # Errors
/// None in practice.
pub fn uninstall_sales(database: &mut Database) -> Result<(), Exception> {
    for model in SALES {
        database.remove_model(model);
        database
            .table_mut("ir.model")?
            .rows
            .retain(|_, row| row.get("model").and_then(Value::as_str) != Some(model));
    }
    for module in database.table_mut("ir.module.module")?.rows.values_mut() {
        let name = module.get("name").and_then(Value::as_str).unwrap_or_default();
        if matches!(name, "sale" | "sale_management") {
            module.insert("state", "uninstalled".into());
            module.insert("latest_version", Value::Bool(false));
        }
    }
    Ok(())
}
