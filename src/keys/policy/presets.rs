//! Policies to begin with. Each is a document that is read like any other.

use super::document::{FULL, PolicyError};

/// A policy that is ready to be chosen.
pub struct Preset {
    /// The word in forms and on the command line.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The document.
    pub document: &'static str,
}

/// All of them; the first one is the default of a new key.
pub const PRESETS: [Preset; 5] = [
    Preset {
        id: "read_only",
        name: "Read only",
        purpose: "Reports, sheets and dashboards: sees business records, changes nothing.",
        document: r#"{"access":"read_only"}"#,
    },
    Preset {
        id: "sales_app",
        name: "Sales app",
        purpose: "Makes and confirms quotations; reads customers and products.",
        document: include_str!("presets/sales_app.json"),
    },
    Preset {
        id: "stock_sync",
        name: "Stock sync",
        purpose: "Reads products and stock, and sets counted quantities.",
        document: include_str!("presets/stock_sync.json"),
    },
    Preset {
        id: "contacts",
        name: "Contacts",
        purpose: "Keeps an address book in step: names, addresses, e-mail, telephone.",
        document: include_str!("presets/contacts.json"),
    },
    Preset {
        id: "website_form",
        name: "Website form",
        purpose: "Leaves new leads, and reads nothing.",
        document: include_str!("presets/website_form.json"),
    },
];

/// The preset of this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// The document of a preset; `full` is one, and nothing is the first.
///
/// # Errors
/// A sentence, if there is no such preset.
pub fn document(id: &str) -> Result<&'static str, PolicyError> {
    match id {
        "" => Ok(PRESETS[0].document),
        "full" => Ok(FULL),
        _ => find(id).map(|preset| preset.document).ok_or_else(|| {
            PolicyError(format!(
                "There is no preset \"{}\".",
                id.chars().take(40).collect::<String>()
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::policy::Policy;

    #[test]
    fn every_preset_is_a_policy_and_none_gives_everything() {
        for preset in &PRESETS {
            let policy = Policy::parse(preset.document).expect(preset.id);
            assert!(matches!(policy, Policy::Limited(_)), "{}", preset.id);
        }
        assert_eq!(Policy::load(PRESETS[0].document), Policy::read_only());
    }
}
