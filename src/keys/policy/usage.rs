//! What a key has really called, held against a policy: what it never used, what a
//! draft would refuse, and the least policy that covers it. By model and method, which
//! is what a call record holds; of fields and values it knows nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Access, Document, Operation, Policy, Rule};
use super::grants::{Grants, is_out_of_reach};
use super::{methods, never};

/// How often a key called a method of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Such as `sale.order`.
    pub model: String,
    /// Such as `search_read`.
    pub method: String,
    /// How often.
    pub calls: u64,
}

/// What `policy` allows and the key never used, in words. Only rules say what a key is
/// for; of read only and full access there is nothing to say.
#[must_use]
pub fn never_used(policy: &Policy, used: &[Used]) -> Vec<String> {
    let Policy::Limited(document) = policy else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for rule in &document.rules {
        let of_rule = || used.iter().filter(|used| rule.matches(&used.model));
        for operation in &rule.operations {
            let is_used = of_rule().any(|used| {
                methods::find(&used.model, &used.method).is_some_and(|method| method.operation == *operation)
            });
            if !is_used {
                lines.push(format!("{} on {}", operation.as_str(), rule.model));
            }
        }
        for method in &rule.methods {
            if !of_rule().any(|used| used.method == *method) {
                lines.push(format!("{method} on {}", rule.model));
            }
        }
    }
    lines
}

/// Those of the calls that `policy` would refuse for their model or method, whatever
/// their arguments.
#[must_use]
pub fn would_refuse<'u>(policy: &Policy, used: &'u [Used]) -> Vec<&'u Used> {
    used.iter().filter(|used| !could_allow(policy, used)).collect()
}

fn could_allow(policy: &Policy, used: &Used) -> bool {
    let document = match policy {
        Policy::Full => return true,
        Policy::Nothing => return false,
        Policy::Limited(document) => document,
    };
    let grants = Grants::of(document, &used.model);
    match methods::find(&used.model, &used.method) {
        Some(method) => !is_out_of_reach(&used.model, method.operation) && grants.rule_for(method.operation).is_some(),
        None => {
            !is_out_of_reach(&used.model, Operation::Write)
                && !used.method.starts_with('_')
                && grants.rule_for_method(&used.method).is_some()
        }
    }
}

/// The least policy that covers what was called, but for what no policy may give;
/// `None` if nothing is left.
#[must_use]
pub fn learn(used: &[Used]) -> Option<Document> {
    let mut rules: BTreeMap<&str, (BTreeSet<Operation>, BTreeSet<String>)> = BTreeMap::new();
    for used in used {
        let known = methods::find(&used.model, &used.method);
        let operation = known.map_or(Operation::Write, |method| method.operation);
        if never::is_never(&used.model, Some(operation)) || used.method.starts_with('_') {
            continue;
        }
        let (operations, methods) = rules.entry(&used.model).or_default();
        match known {
            Some(method) => {
                operations.insert(method.operation);
                // An import finds records as well as it makes them.
                if method.name == "load" {
                    operations.insert(Operation::Write);
                }
            }
            None => drop(methods.insert(used.method.clone())),
        }
    }
    let rules: Vec<_> = rules
        .into_iter()
        .map(|(model, (operations, methods))| Rule {
            model: model.to_owned(),
            operations,
            methods,
            read_fields: None,
            write_fields: None,
        })
        .collect();
    (!rules.is_empty()).then(|| Document {
        rules,
        ..Document::of(Access::Rules)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: &str, method: &str) -> Used {
        Used {
            model: model.into(),
            method: method.into(),
            calls: 2,
        }
    }

    #[test]
    fn what_is_learnt_is_a_policy_that_covers_all_calls_and_leaves_nothing_unused() {
        let calls = [
            used("sale.order", "search_read"),
            used("sale.order", "action_confirm"),
            used("res.partner", "write"),
            used("res.partner", "load"),
        ];
        let learnt = learn(&calls).expect("a policy");
        let policy = Policy::parse(&learnt.to_json()).expect("it can be saved");
        assert_eq!(would_refuse(&policy, &calls), Vec::<&Used>::new());
        assert_eq!(never_used(&policy, &calls), Vec::<String>::new());
        assert_eq!(never_used(&policy, &calls[1..2]).len(), 3);
    }

    #[test]
    fn what_nobody_may_have_is_not_learnt() {
        let calls = [
            used("ir.cron", "search_read"),
            used("res.users", "write"),
            used("sale.order", "_private"),
        ];
        assert_eq!(learn(&calls), None);
        assert_eq!(would_refuse(&Policy::read_only(), &calls).len(), 3);
        assert!(would_refuse(&Policy::Full, &calls).is_empty());
    }
}
