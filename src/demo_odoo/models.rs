//! The models of the demo, each with the fields that people ask for.

use super::schema::{Field, Kind, Model};

const fn id() -> Field {
    Field::new("id", "ID", Kind::Integer).readonly()
}

const fn display_name() -> Field {
    Field::new("display_name", "Display Name", Kind::Char).readonly()
}

const fn char(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Char)
}

const fn flag(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Boolean)
}

const fn money(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Monetary).readonly()
}

const fn float(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Float)
}

const fn when(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Datetime)
}

const fn to(name: &'static str, label: &'static str, model: &'static str) -> Field {
    Field::new(name, label, Kind::Many2one(model))
}

const fn create_date() -> Field {
    when("create_date", "Created on").readonly()
}

const fn write_date() -> Field {
    when("write_date", "Last Updated on").readonly()
}

/// The states of an order.
pub const STATES: &[(&str, &str)] = &[
    ("draft", "Quotation"),
    ("sent", "Quotation Sent"),
    ("sale", "Sales Order"),
    ("cancel", "Cancelled"),
];

const INVOICE_STATUS: &[(&str, &str)] = &[
    ("upselling", "Upselling Opportunity"),
    ("invoiced", "Fully Invoiced"),
    ("to invoice", "To Invoice"),
    ("no", "Nothing to Invoice"),
];

const PRODUCT_TYPES: &[(&str, &str)] = &[("consu", "Goods"), ("service", "Service"), ("combo", "Combo")];

const MODULE_STATES: &[(&str, &str)] = &[
    ("uninstallable", "Uninstallable"),
    ("uninstalled", "Not Installed"),
    ("installed", "Installed"),
    ("to upgrade", "To be upgraded"),
    ("to remove", "To be removed"),
    ("to install", "To be installed"),
];

const MODEL_STATES: &[(&str, &str)] = &[("manual", "Custom Object"), ("base", "Base Object")];

const PARTNER_TYPES: &[(&str, &str)] = &[
    ("contact", "Contact"),
    ("invoice", "Invoice"),
    ("delivery", "Delivery"),
    ("other", "Other"),
];

static USER: [Field; 12] = [
    id(),
    display_name(),
    to("partner_id", "Related Partner", "res.partner").required(),
    char("login", "Login").required().help("Used to log into the system"),
    flag("active", "Active"),
    flag("share", "Share User").readonly(),
    to("company_id", "Company", "res.company").required(),
    char("name", "Name").required(),
    char("email", "Email"),
    char("lang", "Language"),
    char("tz", "Timezone"),
    create_date(),
];

static COMPANY: [Field; 9] = [
    id(),
    display_name(),
    char("name", "Company Name").required(),
    flag("active", "Active"),
    to("parent_id", "Parent Company", "res.company"),
    to("partner_id", "Partner", "res.partner").required(),
    to("currency_id", "Currency", "res.currency").required(),
    char("email", "Email"),
    create_date(),
];

static PARTNER: [Field; 22] = [
    id(),
    display_name(),
    char("name", "Name"),
    char("complete_name", "Complete Name").readonly(),
    to("parent_id", "Related Company", "res.partner"),
    Field::new("child_ids", "Contact", Kind::One2many("res.partner", "parent_id")),
    char("ref", "Reference"),
    char("vat", "Tax ID"),
    char("website", "Website Link"),
    Field::new("comment", "Notes", Kind::Html),
    flag("active", "Active"),
    char("function", "Job Position"),
    Field::new("type", "Address Type", Kind::Selection(PARTNER_TYPES)),
    char("street", "Street"),
    char("zip", "Zip"),
    char("city", "City"),
    to("country_id", "Country", "res.country"),
    char("email", "Email"),
    char("phone", "Phone"),
    flag("is_company", "Is a Company"),
    create_date(),
    write_date(),
];

static CURRENCY: [Field; 5] = [
    id(),
    display_name(),
    char("name", "Currency").required(),
    char("symbol", "Symbol").required(),
    flag("active", "Active"),
];

static COUNTRY: [Field; 4] = [
    id(),
    display_name(),
    char("name", "Country Name").required(),
    char("code", "Country Code").required(),
];

static UOM: [Field; 3] = [id(), display_name(), char("name", "Unit Name").required()];

static PRODUCT: [Field; 14] = [
    id(),
    display_name(),
    float("lst_price", "Sales\u{a0}Price"),
    char("default_code", "Internal Reference"),
    flag("active", "Active"),
    to("product_tmpl_id", "Product Template", "product.template"),
    char("barcode", "Barcode"),
    float("standard_price", "Cost"),
    write_date(),
    create_date(),
    char("name", "Name").required(),
    Field::new("type", "Product Type", Kind::Selection(PRODUCT_TYPES)).required(),
    to("uom_id", "Unit", "uom.uom").required(),
    flag("sale_ok", "Sales"),
];

static TEMPLATE: [Field; 11] = [
    id(),
    display_name(),
    char("name", "Name").required(),
    Field::new("type", "Product Type", Kind::Selection(PRODUCT_TYPES)).required(),
    float("list_price", "Sales Price"),
    to("uom_id", "Unit", "uom.uom").required(),
    flag("sale_ok", "Sales"),
    flag("active", "Active"),
    Field::new(
        "product_variant_ids",
        "Products",
        Kind::One2many("product.product", "product_tmpl_id"),
    ),
    char("default_code", "Internal Reference"),
    create_date(),
];

static ORDER: [Field; 24] = [
    id(),
    display_name(),
    char("name", "Order Reference").required(),
    to("company_id", "Company", "res.company").required(),
    to("partner_id", "Customer", "res.partner").required(),
    Field::new("state", "Status", Kind::Selection(STATES)).readonly(),
    flag("locked", "Locked"),
    char("client_order_ref", "Customer Reference"),
    when("create_date", "Creation Date").readonly(),
    when("commitment_date", "Delivery Date"),
    when("date_order", "Order Date")
        .required()
        .help("Creation date of draft/sent orders,\nConfirmation date of confirmed orders."),
    char("origin", "Source Document"),
    Field::new("validity_date", "Expiration", Kind::Date),
    Field::new("note", "Terms and conditions", Kind::Html),
    to("partner_invoice_id", "Invoice Address", "res.partner").required(),
    to("partner_shipping_id", "Delivery Address", "res.partner").required(),
    to("currency_id", "Currency", "res.currency").readonly(),
    to("user_id", "Salesperson", "res.users"),
    Field::new(
        "order_line",
        "Order Lines",
        Kind::One2many("sale.order.line", "order_id"),
    ),
    money("amount_untaxed", "Untaxed Amount"),
    money("amount_tax", "Taxes"),
    money("amount_total", "Total"),
    Field::new("invoice_status", "Invoice Status", Kind::Selection(INVOICE_STATUS)).readonly(),
    write_date(),
];

static LINE: [Field; 16] = [
    id(),
    display_name(),
    to("order_id", "Order Reference", "sale.order").required(),
    Field::new("sequence", "Sequence", Kind::Integer),
    to("company_id", "Company", "res.company").readonly(),
    to("currency_id", "Currency", "res.currency").readonly(),
    to("order_partner_id", "Customer", "res.partner").readonly(),
    Field::new("state", "Order Status", Kind::Selection(STATES)).readonly(),
    to("product_id", "Product", "product.product"),
    Field::new("name", "Description", Kind::Text).required(),
    float("product_uom_qty", "Quantity").required(),
    float("price_unit", "Unit Price").required(),
    float("discount", "Discount (%)"),
    money("price_subtotal", "Subtotal"),
    money("price_total", "Total"),
    create_date(),
];

static MODEL: [Field; 7] = [
    id(),
    display_name(),
    char("name", "Model Description").required(),
    char("model", "Model").required(),
    char("order", "Order").required(),
    Field::new("state", "Type", Kind::Selection(MODEL_STATES)).readonly(),
    flag("transient", "Transient Model"),
];

static MODULE: [Field; 9] = [
    id(),
    display_name(),
    char("name", "Technical Name").required().readonly(),
    char("shortdesc", "Module Name").readonly(),
    char("author", "Author").readonly(),
    char("installed_version", "Latest Version").readonly(),
    char("latest_version", "Installed Version").readonly(),
    Field::new("state", "Status", Kind::Selection(MODULE_STATES)).readonly(),
    flag("application", "Application").readonly(),
];

static PARAMETER: [Field; 6] = [
    id(),
    display_name(),
    char("key", "Key").required(),
    Field::new("value", "Value", Kind::Text).required(),
    create_date(),
    write_date(),
];

const fn model(
    name: &'static str,
    label: &'static str,
    class: &'static str,
    order: &'static str,
    named_by: &'static str,
    fields: &'static [Field],
) -> Model {
    Model {
        name,
        label,
        class,
        order,
        named_by,
        fields,
    }
}

/// Every model of the demo.
pub static MODELS: [Model; 13] = [
    model("res.users", "User", "ResUsers", "name, login", "name", &USER),
    model("res.company", "Companies", "ResCompany", "name", "name", &COMPANY),
    model(
        "res.partner",
        "Contact",
        "ResPartner",
        "complete_name ASC, id DESC",
        "name",
        &PARTNER,
    ),
    model(
        "res.currency",
        "Currency",
        "ResCurrency",
        "active desc, name",
        "name",
        &CURRENCY,
    ),
    model("res.country", "Country", "ResCountry", "name, id", "name", &COUNTRY),
    model("uom.uom", "Product Unit of Measure", "UomUom", "id", "name", &UOM),
    model(
        "product.product",
        "Product Variant",
        "ProductProduct",
        "default_code, name, id",
        "name",
        &PRODUCT,
    ),
    model(
        "product.template",
        "Product",
        "ProductTemplate",
        "name",
        "name",
        &TEMPLATE,
    ),
    model(
        "sale.order",
        "Sales Order",
        "SaleOrder",
        "date_order desc, id desc",
        "name",
        &ORDER,
    ),
    model(
        "sale.order.line",
        "Sales Order Line",
        "SaleOrderLine",
        "order_id, sequence, id",
        "name",
        &LINE,
    ),
    model("ir.model", "Models", "IrModel", "name ASC", "name", &MODEL),
    model(
        "ir.module.module",
        "Module",
        "IrModuleModule",
        "application desc,name",
        "shortdesc",
        &MODULE,
    ),
    model(
        "ir.config_parameter",
        "System Parameter",
        "IrConfigParameter",
        "key",
        "key",
        &PARAMETER,
    ),
];
