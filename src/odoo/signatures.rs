//! The names of a method's parameters, for JSON-2, which takes named arguments
//! only. A fixed table for the methods that every Odoo has; for all others, and
//! for those that models like to override, Odoo's own `/doc-bearer`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

/// How a method is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// Whether the first positional argument is the ids of the records.
    pub(super) on_records: bool,
    /// What positional arguments are called, in order.
    pub(super) params: Cow<'static, [Cow<'static, str>]>,
}

/// A method, as Odoo tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodTold {
    /// Such as `action_confirm`.
    pub name: String,
    /// What arguments are called that can be given by position.
    pub parameters: Vec<String>,
    /// Whether Odoo marks it as reading only.
    pub is_readonly: bool,
    /// Whether it is called on no records.
    pub is_of_model: bool,
}

/// Name, whether it is called on records, whether models override it with other
/// parameter names, parameters. As `/doc-bearer` of Odoo 19 lists them.
type Row = (&'static str, bool, bool, &'static [&'static str]);

static TABLE: [Row; 22] = [
    ("check_access_rights", false, false, &["operation", "raise_exception"]),
    ("copy", true, true, &["default"]),
    ("create", false, true, &["vals_list"]),
    ("default_get", false, false, &["fields"]),
    ("export_data", true, false, &["fields_to_export"]),
    ("fields_get", false, false, &["allfields", "attributes"]),
    (
        "formatted_read_group",
        false,
        false,
        &["domain", "groupby", "aggregates", "having", "offset", "limit", "order"],
    ),
    ("get_metadata", true, false, &[]),
    ("has_access", true, false, &["operation"]),
    ("load", false, false, &["fields", "data"]),
    ("name_create", false, false, &["name"]),
    ("name_search", false, false, &["name", "domain", "operator", "limit"]),
    ("read", true, false, &["fields", "load"]),
    (
        "read_group",
        false,
        false,
        &["domain", "fields", "groupby", "offset", "limit", "orderby", "lazy"],
    ),
    ("search", false, false, &["domain", "offset", "limit", "order"]),
    ("search_count", false, false, &["domain", "limit"]),
    (
        "search_read",
        false,
        false,
        &["domain", "fields", "offset", "limit", "order"],
    ),
    ("unlink", true, false, &[]),
    ("web_read", true, false, &["specification"]),
    (
        "web_search_read",
        false,
        false,
        &["domain", "specification", "offset", "limit", "order", "count_limit"],
    ),
    ("context_get", false, false, &[]),
    ("write", true, true, &["vals"]),
];

/// The method as every model has it, and whether a model may call its parameters
/// otherwise.
pub(super) fn known(method: &str) -> Option<(Signature, bool)> {
    let (_, on_records, overridden, params) = TABLE.iter().find(|(name, ..)| *name == method)?;
    let params = params.iter().map(|name| Cow::Borrowed(*name)).collect();
    Some((
        Signature {
            on_records: *on_records,
            params,
        },
        *overridden,
    ))
}

/// What `/doc-bearer/<model>.json` tells of a model's methods.
#[derive(Debug, Deserialize)]
pub(super) struct Documentation {
    methods: HashMap<String, Method>,
}

impl Documentation {
    /// Reads the file.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// All methods.
    pub(super) fn methods(&self) -> impl Iterator<Item = MethodTold> {
        self.methods.iter().map(|(name, method)| {
            let is_marked = |mark: &str| method.api.iter().any(|own| own == mark);
            MethodTold {
                name: name.clone(),
                parameters: method.parameters.0.clone(),
                is_readonly: is_marked("readonly"),
                is_of_model: is_marked("model"),
            }
        })
    }

    /// A method of the model.
    pub(super) fn signature(&self, method: &str) -> Option<Signature> {
        let method = self.methods.get(method)?;
        Some(Signature {
            on_records: !method.api.iter().any(|mark| mark == "model"),
            params: method.parameters.0.iter().cloned().map(Cow::Owned).collect(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Method {
    #[serde(default)]
    api: Vec<String>,
    #[serde(default)]
    parameters: Positional,
}

/// The names that can be given by position, in the order of the file.
#[derive(Debug, Default)]
struct Positional(Vec<String>);

#[derive(Deserialize)]
struct Parameter {
    #[serde(default)]
    kind: Option<String>,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

impl<'de> Deserialize<'de> for Positional {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Positional;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Positional, A::Error> {
                let mut names = Vec::new();
                while let Some((name, parameter)) = map.next_entry::<String, Parameter>()? {
                    // KEYWORD_ONLY, VAR_KEYWORD and VAR_POSITIONAL have no place in the order.
                    if parameter.kind.is_none_or(|kind| kind.starts_with("POSITIONAL")) {
                        // Of two values under one name one would be lost.
                        if names.contains(&name) {
                            return Err(A::Error::custom("a parameter is listed twice"));
                        }
                        names.push(name);
                    }
                }
                Ok(Positional(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_own_documentation_gives_names_in_order() {
        let file = br#"{"model": "x", "methods": {
            "create": {"parameters": {"list_vals": {"annotation": "list"}}, "api": ["model"]},
            "post": {"parameters": {"b": {"default": null}, "a": {}, "c": {"kind": "KEYWORD_ONLY"}, "kwargs": {"kind": "VAR_KEYWORD"}}, "api": []}}}"#;
        let documentation = Documentation::parse(file).expect("a file");
        let create = documentation.signature("create").expect("there");
        assert_eq!(
            (create.on_records, &*create.params),
            (false, &[Cow::Borrowed("list_vals")][..])
        );
        let post = documentation.signature("post").expect("there");
        assert!(post.on_records);
        assert_eq!(&*post.params, ["b", "a"].map(Cow::Borrowed));
        assert_eq!(documentation.signature("nothing"), None);
        assert!(Documentation::parse(b"<html>").is_none());
    }

    /// Found by fuzzing.
    #[test]
    fn a_parameter_that_is_listed_twice_makes_no_documentation() {
        let file = br#"{"methods": {"post": {"parameters": {"b": {}, "b": {}}, "api": []}}}"#;
        assert!(Documentation::parse(file).is_none());
    }
}
