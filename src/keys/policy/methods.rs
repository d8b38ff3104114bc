//! The methods of Odoo's ORM that this code understands: what they do, and what
//! each argument is, in the order and under the names that Odoo 19 has. A method
//! that is not here is understood by nobody and needs to be named in a rule.

use super::document::Operation;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names nothing: a switch, an offset, an operator.
    Plain,
    /// A search domain.
    Domain,
    /// Field names, of which none means all that may be read.
    FieldsOrAll,
    /// Field names.
    Fields,
    /// What `web_read` reads: a field, and what of the records behind it.
    Specification,
    /// `name desc, id`.
    Order,
    /// `["partner_id", "date_order:month"]`
    GroupBy,
    /// `["amount_total:sum", "__count"]`
    Aggregates,
    /// `["amount_total:sum", "largest:max(amount_total)"]`
    ReadGroupFields,
    /// A domain over aggregates.
    Having,
    /// How many records at most.
    Limit,
    /// Values of one record.
    Values,
    /// Values of one record or of several.
    ValuesOfMany,
    /// The columns of an import.
    ImportFields,
    /// The rows of an import.
    ImportRows,
    /// Paths such as `partner_id/name`.
    ExportPaths,
}

/// A parameter: its names (the first one is Odoo 19's), and what it is.
pub(super) struct Parameter {
    pub(super) names: &'static [&'static str],
    pub(super) kind: Kind,
}

/// A method.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// The only model that has it; `None`: all have it.
    pub(super) model: Option<&'static str>,
    pub(super) operation: Operation,
    /// Whether the first positional argument is the ids of records.
    pub(super) takes_ids: bool,
    pub(super) parameters: &'static [Parameter],
    /// How many records it gives if nothing is said.
    pub(super) default_limit: Option<u32>,
}

/// What is known of a method of this model.
pub(super) fn find(model: &str, name: &str) -> Option<&'static Method> {
    METHODS
        .iter()
        .find(|method| method.name == name && method.model.is_none_or(|only| only == model))
}

/// Named arguments of methods that a rule names, which hold a value of their own and no
/// field of the record: a key that is limited to some fields may send these as well.
pub(super) fn harmless_arguments(method: &str) -> &'static [&'static str] {
    match method {
        "message_post" => &["body", "message_type", "subject", "subtype_xmlid"],
        _ => &[],
    }
}

macro_rules! parameters {
    ($($kind:ident: $($name:literal)|+),*) => {
        &[$(Parameter { names: &[$($name),+], kind: Kind::$kind }),*]
    };
}

const fn method(name: &'static str, operation: Operation, takes_ids: bool, parameters: &'static [Parameter]) -> Method {
    Method {
        name,
        model: None,
        operation,
        takes_ids,
        parameters,
        default_limit: None,
    }
}

use Operation::{Create, Delete, Read, Write};

const METHODS: &[Method] = &[
    method(
        "search_read",
        Read,
        false,
        parameters![Domain: "domain", FieldsOrAll: "fields", Plain: "offset", Limit: "limit", Order: "order", Plain: "load"],
    ),
    method("read", Read, true, parameters![FieldsOrAll: "fields", Plain: "load"]),
    method(
        "search",
        Read,
        false,
        parameters![Domain: "domain", Plain: "offset", Limit: "limit", Order: "order"],
    ),
    method(
        "search_count",
        Read,
        false,
        parameters![Domain: "domain", Plain: "limit"],
    ),
    method("create", Create, false, parameters![ValuesOfMany: "vals_list"]),
    method("write", Write, true, parameters![Values: "vals"]),
    method("unlink", Delete, true, parameters![]),
    method("copy", Create, true, parameters![Values: "default"]),
    method(
        "fields_get",
        Read,
        false,
        parameters![FieldsOrAll: "allfields", Plain: "attributes"],
    ),
    Method {
        default_limit: Some(100),
        ..method(
            "name_search",
            Read,
            false,
            parameters![Plain: "name", Domain: "domain" | "args", Plain: "operator", Limit: "limit"],
        )
    },
    method(
        "read_group",
        Read,
        false,
        parameters![Domain: "domain", ReadGroupFields: "fields", GroupBy: "groupby", Plain: "offset", Limit: "limit", Order: "orderby", Plain: "lazy"],
    ),
    method(
        "formatted_read_group",
        Read,
        false,
        parameters![Domain: "domain", GroupBy: "groupby", Aggregates: "aggregates", Having: "having", Plain: "offset", Limit: "limit", Order: "order"],
    ),
    method("web_read", Read, true, parameters![Specification: "specification"]),
    method(
        "web_search_read",
        Read,
        false,
        parameters![Domain: "domain", Specification: "specification", Plain: "offset", Limit: "limit", Order: "order", Plain: "count_limit"],
    ),
    method(
        "default_get",
        Read,
        false,
        parameters![Fields: "fields" | "fields_list"],
    ),
    method("export_data", Read, true, parameters![ExportPaths: "fields_to_export"]),
    method("has_access", Read, true, parameters![Plain: "operation"]),
    method(
        "check_access_rights",
        Read,
        false,
        parameters![Plain: "operation", Plain: "raise_exception"],
    ),
    Method {
        model: Some("res.users"),
        ..method("context_get", Read, false, parameters![])
    },
    method(
        "load",
        Create,
        false,
        parameters![ImportFields: "fields", ImportRows: "data"],
    ),
    method("action_archive", Write, true, parameters![]),
    method("action_unarchive", Write, true, parameters![]),
    method("toggle_active", Write, true, parameters![]),
    method(
        "web_save",
        Write,
        true,
        parameters![Values: "vals", Specification: "specification", Plain: "next_id"],
    ),
    method("name_create", Create, false, parameters![Plain: "name"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_there_once_and_each_name_of_an_argument_too() {
        for (index, method) in METHODS.iter().enumerate() {
            assert!(
                METHODS[..index].iter().all(|other| other.name != method.name),
                "{}",
                method.name
            );
            let names: Vec<_> = method.parameters.iter().flat_map(|parameter| parameter.names).collect();
            assert!(
                names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)),
                "{}",
                method.name
            );
        }
    }

    #[test]
    fn reading_here_is_known_to_change_nothing_there() {
        for method in METHODS.iter().filter(|method| method.operation == Read) {
            assert!(
                crate::odoo::methods::only_reads(method.name) || method.name == "context_get",
                "{}",
                method.name
            );
        }
    }

    #[test]
    fn a_name_that_sounds_like_reading_is_not_enough() {
        for name in [
            "get_everything",
            "read_all",
            "search_and_delete",
            "onchange",
            "web_read_group",
        ] {
            assert!(find("sale.order", name).is_none(), "{name}");
        }
        assert!(find("res.users", "context_get").is_some() && find("sale.order", "context_get").is_none());
    }
}
