//! Models that hold code, secrets or rights. Below full access nobody reaches them,
//! by whatever path: who can change one of these can do anything.

use super::document::Operation;

/// By their whole names.
const MODELS: [&str; 24] = [
    "base.automation",
    "base.language.import",
    "base_import.import",
    "fetchmail.server",
    "google.service",
    "iap.account",
    "ir.asset",
    "ir.config_parameter",
    "ir.cron",
    "ir.cron.progress",
    "ir.cron.trigger",
    "ir.default",
    "ir.filters",
    "ir.http",
    "ir.logging",
    "ir.mail_server",
    "ir.qweb",
    "ir.rule",
    "mail.alias",
    "mail.template",
    "microsoft.service",
    "payment.provider",
    "payment.token",
    "sms.template",
];

/// By the beginnings of their names.
const KINDS: [&str; 13] = [
    "auth.",
    "auth_oauth.",
    "auth_passkey.",
    "auth_totp.",
    "base.module.",
    "certificate.",
    "change.password.",
    "ir.actions",
    "ir.model",
    "ir.module",
    "ir.ui.",
    "res.config",
    "res.device",
];

/// The same for all that gives rights; users themselves may be read.
const RIGHTS: [&str; 2] = ["res.groups", "res.users"];

/// Whether nothing below full access may do this; `None`: anything at all.
pub(super) fn is_never(model: &str, operation: Option<Operation>) -> bool {
    let changes = operation.is_some_and(|operation| operation != Operation::Read);
    MODELS.binary_search(&model).is_ok()
        || KINDS.iter().any(|kind| model.starts_with(kind))
        || (RIGHTS.iter().any(|kind| model.starts_with(kind)) && (changes || model != "res.users"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(MODELS.is_sorted());
    }

    #[test]
    fn code_secrets_and_rights_are_on_it_and_business_is_not() {
        for model in [
            "ir.actions.server",
            "ir.cron",
            "ir.config_parameter",
            "ir.model",
            "ir.model.access",
            "ir.model.fields",
            "ir.rule",
            "ir.ui.view",
            "ir.module.module",
            "res.users.apikeys",
            "res.groups",
            "ir.mail_server",
            "fetchmail.server",
        ] {
            assert!(is_never(model, None), "{model}");
        }
        for model in [
            "sale.order",
            "res.partner",
            "ir.attachment",
            "ir.sequence",
            "product.product",
        ] {
            assert!(!is_never(model, Some(Operation::Write)), "{model}");
        }
        assert!(!is_never("res.users", Some(Operation::Read)));
        assert!(is_never("res.users", Some(Operation::Write)));
    }
}
