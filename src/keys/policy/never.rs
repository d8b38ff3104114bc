//! Models that hold code, secrets or rights. Below full access nobody reaches them,
//! by whatever path: who can change one of these can do anything.

use super::document::Operation;

/// By their whole names.
const MODELS: [&str; 45] = [
    "account_edi_proxy_client.user",
    "base.automation",
    "base.document.layout",
    "base.enable.profiling.wizard",
    "base.import.module",
    "base_import.import",
    "calendar.provider.config",
    "fetchmail.server",
    "gamification.goal.definition",
    "google.service",
    "iap.account",
    "ir.asset",
    "ir.autovacuum",
    "ir.config_parameter",
    "ir.cron",
    "ir.cron.progress",
    "ir.cron.trigger",
    "ir.default",
    "ir.demo",
    "ir.embedded.actions",
    "ir.filters",
    "ir.http",
    "ir.logging",
    "ir.mail_server",
    "ir.profile",
    "ir.qweb",
    "ir.rule",
    "l10n_eg_edi.thumb.drive",
    "mail.alias",
    "mail.alias.domain",
    "mail.compose.message",
    "mail.guest",
    "mail.ice.server",
    "mail.mail",
    "mail.scheduled.message",
    "microsoft.service",
    "payment.provider",
    "payment.token",
    "pos.payment.method",
    "res.company.ldap",
    "reset.view.arch.wizard",
    "server.action.history.wizard",
    "sms.composer",
    "sms.twilio.account.manage",
    "wizard.ir.model.menu.create",
];

/// By the beginnings of their names.
const KINDS: [&str; 22] = [
    "auth.",
    "auth_oauth.",
    "auth_passkey.",
    "auth_totp.",
    "base.language.",
    "base.module.",
    "base.partner.merge.",
    "certificate.",
    "change.password.",
    "ir.actions",
    "ir.model",
    "ir.module",
    "ir.ui.",
    "mail.template",
    "portal.wizard",
    "privacy.lookup.",
    "res.config",
    "res.device",
    "sms.template",
    "theme.",
    "website.controller.page",
    "website.page",
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

/// What is in the names of fields that hold secrets.
const SECRETS: [&str; 8] = [
    "api_key",
    "apikey",
    "credential",
    "passwd",
    "password",
    "private_key",
    "_secret",
    "secret_",
];

/// Whether nothing below full access may do this with a field, on whatever model: it holds
/// a secret, or is kept in a model that holds code or rights (a view, an alias for mail).
pub(super) fn is_never_field(name: &str, operation: Operation) -> bool {
    let holds_secret = name == "secret" || name.ends_with("token") || SECRETS.iter().any(|part| name.contains(part));
    let is_kept_elsewhere = name == "arch" || ["arch_", "alias_"].iter().any(|kind| name.starts_with(kind));
    holds_secret || (is_kept_elsewhere && operation != Operation::Read)
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
            "website.page",
            "mail.mail",
            "base.import.module",
            "mail.template.preview",
            "portal.wizard.user",
            "certificate.key",
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

    #[test]
    fn a_field_that_holds_a_secret_is_told_by_its_name() {
        for name in [
            "access_token",
            "google_calendar_rtoken",
            "l10n_xx_password",
            "totp_secret",
            "tenor_api_key",
            "smtp_ssl_private_key",
        ] {
            assert!(is_never_field(name, Operation::Read), "{name}");
        }
        for name in [
            "name",
            "payment_token_id",
            "discount_allocation_key",
            "archived",
            "tokenize",
        ] {
            assert!(!is_never_field(name, Operation::Write), "{name}");
        }
        assert!(is_never_field("alias_name", Operation::Write) && !is_never_field("alias_name", Operation::Read));
        assert!(is_never_field("arch_db", Operation::Create) && is_never_field("arch", Operation::Write));
    }
}
