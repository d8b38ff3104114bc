//! What models and methods are called now that old programs call by another name: the
//! answer to "Object account.invoice doesn't exist". Each new name was looked up in the
//! source of Odoo 19, and no old one is in it (but product.uom, which is another model
//! there); the versions are those that brought the new name.

/// Old name, new name, since which major version of Odoo.
type Renamed = (&'static str, &'static str, u8);

static MODELS: [Renamed; 31] = [
    ("account.analytic.group", "account.analytic.plan", 16),
    ("account.invoice", "account.move", 13),
    ("account.invoice.line", "account.move.line", 13),
    ("hr.contract", "hr.version", 19),
    ("hr.holidays", "hr.leave", 12),
    ("hr.holidays.status", "hr.leave.type", 12),
    ("ir.actions.report.xml", "ir.actions.report", 11),
    ("mail.channel", "discuss.channel", 17),
    ("mail.channel.member", "discuss.channel.member", 17),
    ("mail.channel.partner", "discuss.channel.member", 17),
    ("mail.mass_mailing", "mailing.mailing", 13),
    ("mail.mass_mailing.contact", "mailing.contact", 13),
    ("mail.mass_mailing.list", "mailing.list", 13),
    ("payment.acquirer", "payment.provider", 16),
    ("payment.icon", "payment.method", 17),
    ("procurement.rule", "stock.rule", 12),
    ("product.attribute.line", "product.template.attribute.line", 12),
    ("product.uom", "uom.uom", 12),
    ("stock.production.lot", "stock.lot", 16),
    ("stock.quant.package", "stock.package", 19),
    ("survey.user_input_line", "survey.user_input.line", 14),
    ("website.redirect", "website.rewrite", 13),
    // No model any more: where its data are now.
    ("account.account.type", "account.account (its field account_type)", 16),
    ("account.invoice.tax", "account.move.line", 13),
    ("procurement.group", "stock.reference", 19),
    ("product.packaging", "uom.uom", 19),
    ("sale.order.option", "sale.order.line (its field is_optional)", 19),
    ("stock.inventory", "stock.quant", 15),
    ("stock.inventory.line", "stock.quant", 15),
    ("stock.pack.operation", "stock.move.line", 11),
    ("uom.category", "uom.uom (its field relative_uom_id)", 19),
];

static METHODS: [Renamed; 8] = [
    ("action_invoice_cancel", "button_cancel", 13),
    ("action_invoice_draft", "button_draft", 13),
    ("action_invoice_open", "action_post", 13),
    ("do_new_transfer", "button_validate", 11),
    ("fields_view_get", "get_view", 16),
    ("load_views", "get_views", 16),
    ("message_post_with_template", "message_post_with_source", 17),
    ("name_get", "read, with the field display_name", 17),
];

/// What is told with an error: the new name, and since when.
pub(super) struct Successor {
    /// A name, sometimes with a word on where to look.
    pub(super) name: &'static str,
    /// The major version of Odoo that brought it.
    pub(super) since: u8,
}

/// What a model that is not there is called now.
pub(super) fn of_model(name: &str) -> Option<Successor> {
    find(&MODELS, name)
}

/// What a method that is not there is called now.
pub(super) fn of_method(name: &str) -> Option<Successor> {
    find(&METHODS, name)
}

fn find(table: &'static [Renamed], name: &str) -> Option<Successor> {
    let (_, name, since) = table.iter().find(|(old, ..)| *old == name)?;
    Some(Successor { name, since: *since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_renamed_to_what_is_renamed_again() {
        for table in [&MODELS[..], &METHODS[..]] {
            for (old, new, since) in table {
                assert!(find(table, old).is_some_and(|found| found.since == *since));
                assert!(find(table, new).is_none(), "{old}");
            }
        }
    }
}
