//! The policy document: what a person writes, an operator's tool saves and the
//! database keeps. Read strictly: an unknown word is refused by its name, so that a
//! misspelt restriction never turns into a right.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::generic::is_generic;
use super::{methods, never};

/// The version of the document that this code reads and writes.
pub const VERSION: u32 = 1;
/// The document of full access.
pub const FULL: &str = r#"{"access":"full"}"#;
/// The document of a new key, unless somebody decides otherwise.
pub const READ_ONLY: &str = r#"{"access":"read_only"}"#;
/// The largest document, in bytes.
pub const DOCUMENT_MAX_BYTES: usize = 64 * 1024;
/// Context keys that any limited key may send, if its policy names none: they change
/// how values are shown or which companies and archived records are seen, never rights.
const HARMLESS_CONTEXT: [&str; 5] = ["active_test", "allowed_company_ids", "bin_size", "lang", "tz"];

/// A sentence that says what is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

/// How much a policy gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everything that the Odoo user behind the bridge may do.
    Full,
    /// All that is known to change nothing, on all models but the dangerous ones.
    ReadOnly,
    /// What the rules allow.
    Rules,
}

/// What is done to a model's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Read, search, count, group, export.
    Read,
    /// Make new records.
    Create,
    /// Change records, archive them.
    Write,
    /// Remove records.
    Delete,
}

impl Operation {
    /// The word in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// What is allowed on some models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `sale.order`, or `sale.*` for all whose names begin so.
    pub model: String,
    /// What may be done to their records.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub operations: BTreeSet<Operation>,
    /// Further methods, by their names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// The only fields that may be read; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_fields: Option<BTreeSet<String>>,
    /// The only fields that may be set; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_fields: Option<BTreeSet<String>>,
}

impl Rule {
    /// Whether it speaks of this model.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        match self.model.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => self.model == model,
        }
    }
}

const fn first_version() -> u32 {
    VERSION
}

/// A policy as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Of the document's shape; 1 if it is left out.
    #[serde(default = "first_version")]
    pub version: u32,
    /// How much it gives.
    pub access: Access,
    /// For `rules` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// The most records that one call may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_limit: Option<u32>,
    /// The context keys that a call may send; `None`: a few harmless ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeSet<String>>,
    /// Whether methods that Odoo itself marks as reading only count as reading, where
    /// all fields may be read. The mark is a promise of whoever wrote the method.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readonly_methods: bool,
}

/// A policy that can be decided by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It could not be loaded, so that it allows nothing.
    Nothing,
    /// See [`Access::Full`].
    Full,
    /// Read only, or rules: a document that was checked.
    Limited(Document),
}

impl Policy {
    /// Read only: what a new key gets unless somebody decides otherwise.
    #[must_use]
    pub fn read_only() -> Self {
        Self::Limited(Document::of(Access::ReadOnly))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// A sentence that names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Document::parse(text).map(Self::from)
    }

    /// Whether nothing can be changed by it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Full => false,
            // The mark of a method is only a promise.
            Self::Limited(document) => {
                !document.readonly_methods
                    && document.rules.iter().all(|rule| {
                        rule.methods.is_empty() && rule.operations.iter().all(|operation| *operation == Operation::Read)
                    })
            }
        }
    }

    /// How much it gives, in a word: `nothing`, `full`, `read_only` or `rules`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Full => "full",
            Self::Limited(document) => match document.access {
                Access::ReadOnly => "read_only",
                Access::Full | Access::Rules => "rules",
            },
        }
    }

    /// Reads what is stored; whatever is wrong with it, the result allows nothing.
    #[must_use]
    pub fn load(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Nothing)
    }
}

impl From<Document> for Policy {
    fn from(document: Document) -> Self {
        match document.access {
            Access::Full => Self::Full,
            Access::ReadOnly | Access::Rules => Self::Limited(document),
        }
    }
}

impl Document {
    /// Without rules or bounds.
    #[must_use]
    pub const fn of(access: Access) -> Self {
        Self {
            version: VERSION,
            access,
            rules: Vec::new(),
            max_limit: None,
            context: None,
            readonly_methods: false,
        }
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    /// A sentence that names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > DOCUMENT_MAX_BYTES {
            return Err(PolicyError(format!(
                "The policy is larger than {DOCUMENT_MAX_BYTES} bytes."
            )));
        }
        let document: Self =
            serde_json::from_str(text).map_err(|error| PolicyError(format!("The policy can't be read: {error}.")))?;
        document.check()?;
        Ok(document)
    }

    /// As it is stored and shown.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether a limited key may send this context key.
    #[must_use]
    pub fn allows_context(&self, name: &str) -> bool {
        match &self.context {
            Some(allowed) => allowed.contains(name),
            None => HARMLESS_CONTEXT.contains(&name),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        let wrong = |text: String| Err(PolicyError(text));
        if self.version != VERSION {
            return wrong(format!(
                "The policy has version {}; this bridge reads version {VERSION}.",
                self.version
            ));
        }
        if self.access != Access::Rules && !self.rules.is_empty() {
            return wrong("Rules count only with \"access\": \"rules\".".into());
        }
        if self.access == Access::Rules && self.rules.is_empty() {
            return wrong("A policy by rules needs a rule; without one it would allow nothing.".into());
        }
        if self.access == Access::Full && (self.max_limit.is_some() || self.context.is_some() || self.readonly_methods)
        {
            return wrong("Full access has no max_limit, context or readonly_methods: nothing is looked at.".into());
        }
        if self.max_limit == Some(0) {
            return wrong("max_limit must be at least 1.".into());
        }
        if let Some(name) = self.context.iter().flatten().find(|name| !is_name(name)) {
            return wrong(format!("\"{name}\" is not the name of a context key."));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if self.rules[..index].iter().any(|other| other.model == rule.model) {
                return wrong(format!("There are two rules for {}. Make one of them.", rule.model));
            }
            rule.check()?;
        }
        self.check_methods()
    }

    /// A method takes any arguments where its rule limits no fields. That can't be said of
    /// a model whose fields another rule limits.
    fn check_methods(&self) -> Result<(), PolicyError> {
        let limits = |rule: &&Rule| rule.read_fields.is_some() || rule.write_fields.is_some();
        for free in self
            .rules
            .iter()
            .filter(|rule| !rule.methods.is_empty() && !limits(rule))
        {
            if let Some(limited) = self.rules.iter().filter(limits).find(|rule| rule.overlaps(free)) {
                return Err(PolicyError(format!(
                    "The rule for {} names methods without limits to fields, and the rule for {} limits fields of the same models: name the methods in the latter, or limit the fields in both.",
                    free.model, limited.model
                )));
            }
        }
        Ok(())
    }
}

impl Rule {
    /// Whether there may be a model that both speak of.
    fn overlaps(&self, other: &Self) -> bool {
        let stem = |rule: &Self| rule.model.strip_suffix('*').map(str::to_owned);
        match (stem(self), stem(other)) {
            (Some(one), Some(two)) => one.starts_with(&two) || two.starts_with(&one),
            _ => self.matches(&other.model) || other.matches(&self.model),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        let of = &self.model;
        let wrong = |text: String| Err(PolicyError(text));
        let stem = of.strip_suffix(".*").unwrap_or(of);
        if stem.is_empty() || !stem.split('.').all(is_name) || stem.contains(|char: char| char.is_ascii_uppercase()) {
            return wrong(format!(
                "\"{of}\" is no model; write one such as sale.order, or sale.* for all of its kind."
            ));
        }
        if !of.ends_with('*') && never::is_never(of, None) {
            return wrong(format!(
                "{of} holds code, secrets or rights: no rule can give it away. Only full access reaches it."
            ));
        }
        let changes = self
            .operations
            .iter()
            .copied()
            .find(|operation| *operation != Operation::Read);
        let gives = changes.or((!self.methods.is_empty()).then_some(Operation::Write));
        if let Some(operation) = gives
            && !of.ends_with('*')
            && never::is_never(of, Some(operation))
        {
            return wrong(format!(
                "{of} may be read, and changed by full access only: no rule can give it {}.",
                changes.map_or("methods", Operation::as_str)
            ));
        }
        if self.operations.is_empty() && self.methods.is_empty() {
            return wrong(format!(
                "The rule for {of} allows nothing. Give it operations or methods."
            ));
        }
        let (reads, sets) = (
            self.operations.contains(&Operation::Read),
            self.operations.contains(&Operation::Create) || self.operations.contains(&Operation::Write),
        );
        if self.read_fields.is_some() && !reads {
            return wrong(format!(
                "The rule for {of} has read_fields, but not the operation read."
            ));
        }
        if self.write_fields.is_some() && !sets {
            return wrong(format!(
                "The rule for {of} has write_fields, but neither of the operations create and write."
            ));
        }
        let fields = self.read_fields.iter().chain(&self.write_fields).flatten();
        if let Some(name) = fields.into_iter().find(|name| !is_name(name)) {
            return wrong(format!(
                "\"{name}\" is no field. A field of another model is allowed by a rule for that model."
            ));
        }
        let set = self.write_fields.iter().flatten().map(|name| (name, Operation::Write));
        let read = self.read_fields.iter().flatten().map(|name| (name, Operation::Read));
        if let Some((name, _)) = set
            .chain(read)
            .find(|(name, operation)| never::is_never_field(name, *operation))
        {
            return wrong(format!(
                "The field {name} of {of} holds a secret, or what only full access may set: no rule can give it away."
            ));
        }
        for method in &self.methods {
            if !is_name(method) || method.starts_with('_') {
                return wrong(format!("\"{method}\" is no method that can be called from outside."));
            }
            if is_generic(method) {
                return wrong(format!(
                    "{method} is a method of every model, with arguments that reach any field and record: no rule can give it away."
                ));
            }
            if let Some(known) = methods::find(of, method) {
                return wrong(format!(
                    "{method} belongs to the operation {}. Name that, not the method.",
                    known.operation.as_str()
                ));
            }
        }
        Ok(())
    }
}

/// A name as Python and Odoo have them.
pub(super) fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Document::parse(text).expect_err(text).0
    }

    #[test]
    fn the_document_of_the_manual_is_read() {
        let text = r#"{"access":"rules","rules":[{"model":"res.partner","operations":["read","write"],
            "methods":["message_post"],"read_fields":["name","email"],"write_fields":["email"]}],
            "max_limit":500,"context":["lang","tz"]}"#;
        let document = Document::parse(text).expect("a document");
        assert_eq!((document.rules.len(), document.max_limit), (1, Some(500)));
        assert_eq!(Document::parse(&document.to_json()), Ok(document));
        assert_eq!(Policy::parse(r#"{"access":"full"}"#), Ok(Policy::Full));
        assert_eq!(Policy::parse(r#"{"access":"read_only"}"#), Ok(Policy::read_only()));
    }

    #[test]
    fn an_unknown_word_is_refused_by_its_name() {
        assert!(refused(r#"{"access":"read_only","max_limits":5}"#).contains("max_limits"));
        assert!(refused(r#"{"access":"root"}"#).contains("root"));
        let rule = |rule: &str| refused(&format!(r#"{{"access":"rules","rules":[{rule}]}}"#));
        assert!(rule(r#"{"model":"a","operations":["rread"]}"#).contains("rread"));
        assert!(rule(r#"{"model":"a","operations":["read"],"readfields":[]}"#).contains("readfields"));
        assert!(rule(r#"{"model":"A b","operations":["read"]}"#).contains("A b"));
        assert!(rule(r#"{"model":"*","operations":["read"]}"#).contains('*'));
        assert!(rule(r#"{"model":"a"}"#).contains("allows nothing"));
        assert!(rule(r#"{"model":"a","operations":["write"],"read_fields":["x"]}"#).contains("read_fields"));
        assert!(rule(r#"{"model":"a","operations":["read"],"read_fields":["x.y"]}"#).contains("x.y"));
        assert!(rule(r#"{"model":"a","methods":["unlink"]}"#).contains("operation delete"));
        assert!(rule(r#"{"model":"a","methods":["_x"]}"#).contains("_x"));
        assert!(rule(r#"{"model":"ir.config_parameter","operations":["read"]}"#).contains("secrets"));
        assert!(refused(r#"{"version":2,"access":"read_only"}"#).contains("version 2"));
        assert!(refused(r#"{"access":"full","max_limit":5}"#).contains("max_limit"));
        assert!(refused(r#"{"access":"rules"}"#).contains("needs a rule"));
        assert!(refused(r#"{"access":"read_only","access":"full"}"#).contains("duplicate"));
    }

    #[test]
    fn the_schema_has_the_same_words() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/policy.schema.json")).expect("JSON");
        let text = r#"{"access":"rules","rules":[{"model":"a","operations":["read","create","write","delete"],"methods":["m"],
            "read_fields":["f"],"write_fields":["f"]}],"max_limit":5,"context":["lang"],"readonly_methods":true}"#;
        let document = serde_json::to_value(Document::parse(text).expect("a document")).expect("JSON");
        let words = |value: &serde_json::Value| {
            value
                .as_object()
                .map(|members| members.keys().cloned().collect::<Vec<_>>())
        };
        assert_eq!(words(&schema["properties"]), words(&document));
        let rule = &schema["$defs"]["rule"]["properties"];
        assert_eq!(words(rule), words(&document["rules"][0]));
        assert_eq!(rule["operations"]["items"]["enum"], document["rules"][0]["operations"]);
        let all = [Access::Full, Access::ReadOnly, Access::Rules];
        assert_eq!(
            schema["properties"]["access"]["enum"],
            serde_json::to_value(all).expect("JSON")
        );
    }

    #[test]
    fn what_can_not_be_loaded_allows_nothing() {
        for text in [
            "",
            "{",
            "null",
            r#"{"access":"full","x":1}"#,
            r#"{"version":9,"access":"full"}"#,
        ] {
            assert_eq!(Policy::load(text), Policy::Nothing, "{text}");
        }
    }
}
