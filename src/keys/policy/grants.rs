//! What a policy gives on one model: the union of the rules that speak of it. A
//! union, so that taking a rule away never gives more.

use super::document::{Access, Document, Operation, Rule};
use super::never;

/// Which fields.
#[derive(Debug)]
pub(super) enum Fields<'p> {
    All,
    Only(Vec<&'p str>),
}

impl Fields<'_> {
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// The rules of a document that speak of a model.
pub(super) struct Grants<'p> {
    document: &'p Document,
    rules: Vec<(usize, &'p Rule)>,
}

impl<'p> Grants<'p> {
    pub(super) fn of(document: &'p Document, model: &str) -> Self {
        let rules = document.rules.iter().enumerate();
        Self {
            document,
            rules: rules.filter(|(_, rule)| rule.matches(model)).collect(),
        }
    }

    /// Whether any rule speaks of the model.
    pub(super) fn is_empty(&self) -> bool {
        self.document.access == Access::Rules && self.rules.is_empty()
    }

    /// The number of the first rule that allows an operation, from 1; 0 stands for
    /// "read only". `None`: it is refused.
    pub(super) fn rule_for(&self, operation: Operation) -> Option<usize> {
        if self.document.access == Access::ReadOnly {
            return (operation == Operation::Read).then_some(0);
        }
        self.granting(operation).next().map(|(index, _)| index + 1)
    }

    /// The number of the first rule that names a method, and whether it may be called
    /// with arguments that nobody understands: not where fields are limited.
    pub(super) fn rule_for_method(&self, method: &str) -> Option<(usize, bool)> {
        let mut naming = self.rules.iter().filter(|(_, rule)| rule.methods.contains(method));
        let first = naming.clone().next()?.0;
        let is_free = naming.any(|(_, rule)| rule.read_fields.is_none() && rule.write_fields.is_none());
        Some((first + 1, is_free))
    }

    /// The fields that an operation may touch.
    pub(super) fn fields(&self, operation: Operation) -> Fields<'p> {
        if self.document.access == Access::ReadOnly {
            return Fields::All;
        }
        let mut names = Vec::new();
        for (_, rule) in self.granting(operation) {
            let fields = if operation == Operation::Read {
                &rule.read_fields
            } else {
                &rule.write_fields
            };
            match fields {
                None => return Fields::All,
                Some(fields) => names.extend(fields.iter().map(String::as_str)),
            }
        }
        names.sort_unstable();
        names.dedup();
        Fields::Only(names)
    }

    fn granting(&self, operation: Operation) -> impl Iterator<Item = (usize, &'p Rule)> {
        let rules = self.rules.iter().copied();
        rules.filter(move |(_, rule)| rule.operations.contains(&operation))
    }
}

/// Whether a model is out of reach, whatever the rules say.
pub(super) fn is_out_of_reach(model: &str, operation: Operation) -> bool {
    never::is_never(model, Some(operation))
}
