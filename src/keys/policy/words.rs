//! A policy in words that a manager understands.

use std::collections::BTreeSet;

use super::document::{Access, Document, Operation, Policy, Rule};

/// One sentence for each thing that the policy gives or withholds.
#[must_use]
pub fn in_words(policy: &Policy) -> Vec<String> {
    match policy {
        Policy::Nothing => vec!["Nothing: the policy can't be read, so every call is refused.".into()],
        Policy::Full => vec![
            "Everything that the Odoo user behind the bridge may do, on every model: read, change, delete, run code, change rights. Whoever holds this key is that user."
                .into(),
        ],
        Policy::Limited(document) => limited(document),
    }
}

fn limited(document: &Document) -> Vec<String> {
    let mut lines = match document.access {
        Access::ReadOnly => vec![
            "May read all business records that the Odoo user behind the bridge may read. May change nothing."
                .to_owned(),
        ],
        Access::Rules | Access::Full => document.rules.iter().map(rule).collect(),
    };
    if document.readonly_methods {
        lines.push("May call methods that Odoo itself marks as reading only, where all fields may be read: whoever wrote a method promises so.".into());
    }
    if document.access == Access::Rules {
        lines.push("Nothing else.".into());
    }
    if let Some(most) = document.max_limit {
        lines.push(format!("Asks for at most {most} records at once."));
    }
    if let Some(names) = &document.context {
        lines.push(match names.is_empty() {
            true => "Sends no context.".into(),
            false => format!("Sends only this context: {}.", list(names)),
        });
    }
    lines.push("Never models that hold code, secrets or rights.".into());
    lines
}

fn rule(rule: &Rule) -> String {
    let verbs: Vec<_> = rule
        .operations
        .iter()
        .map(|operation| match operation {
            Operation::Read => "read",
            Operation::Create => "make",
            Operation::Write => "change",
            Operation::Delete => "delete",
        })
        .collect();
    let records = match rule.model.strip_suffix(".*") {
        Some(stem) => format!("the records of all models of {stem}"),
        None => format!("the records of {}", rule.model),
    };
    let mut parts = Vec::new();
    if !verbs.is_empty() {
        parts.push(format!("May {} {records}", joined(&verbs)));
    }
    if !rule.methods.is_empty() {
        let calls = format!("call {}", list(&rule.methods));
        parts.push(if verbs.is_empty() {
            format!("May {calls} on {records}")
        } else {
            format!("may {calls} on them")
        });
    }
    if let Some(fields) = &rule.read_fields {
        parts.push(format!("reads of them only {}", list(fields)));
    }
    if let Some(fields) = &rule.write_fields {
        parts.push(format!("sets in them only {}", list(fields)));
    }
    format!("{}.", parts.join("; "))
}

fn list(names: &BTreeSet<String>) -> String {
    match names.is_empty() {
        true => "nothing".into(),
        false => joined(&names.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// `a, b and c`
fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        in_words(&Policy::load(text))
    }

    #[test]
    fn a_manager_can_read_it() {
        let text = r#"{"access":"rules","max_limit":500,"rules":[
            {"model":"res.partner","operations":["read","write"],"methods":["message_post"],"read_fields":["name","email"],"write_fields":["email"]},
            {"model":"stock.*","operations":["read"]}]}"#;
        assert_eq!(
            words(text),
            [
                "May read and change the records of res.partner; may call message_post on them; reads of them only email and name; sets in them only email.",
                "May read the records of all models of stock.",
                "Nothing else.",
                "Asks for at most 500 records at once.",
                "Never models that hold code, secrets or rights.",
            ]
        );
        assert!(words(r#"{"access":"read_only","readonly_methods":true}"#)[1].contains("promises"));
        assert!(words(r#"{"access":"full"}"#)[0].contains("is that user"));
        assert!(words("{")[0].contains("every call is refused"));
    }
}
