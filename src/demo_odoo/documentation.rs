//! `/doc-bearer/<model>.json`: what a model's fields and methods are, with the
//! parameters of each method in order. As Odoo 19 tells it, without its prose.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

use super::exception::Exception;
use super::json2::{Reply, failed, refusal};
use super::schema::Model;
use super::value::Value;
use super::{DemoOdoo, engine};

/// In Odoo one for all models, and another after each change of the modules.
const ETAG: &str = "1f5c0b7e2a9d48360c71e4b8f3a6d5927b0e8c14f6a3d2955e7c1b08a4f9d36e";

/// Method and description, by name. Odoo leaves out what it calls deprecated
/// (`read_group`, `check_access_rights`), though it can be called, and describes an
/// override by the method that it overrides.
const METHODS: [(&str, &str); 16] = [
    (
        "action_cancel",
        r#"{"signature": "()", "parameters": {}, "model": "sale.order", "module": "sale"}"#,
    ),
    (
        "action_confirm",
        r#"{"signature": "() -> bool", "parameters": {}, "return": {"annotation": "bool"}, "model": "sale.order", "module": "sale"}"#,
    ),
    (
        "context_get",
        r#"{"signature": "()", "parameters": {}, "api": ["model"], "model": "res.users", "module": "base"}"#,
    ),
    (
        "create",
        r#"{"signature": "(vals_list) -> list[int]", "parameters": {"vals_list": {"annotation": "list[ValuesType]"}}, "return": {"annotation": "list[int]"}, "api": ["model"], "model": "core", "module": "core"}"#,
    ),
    (
        "default_get",
        r#"{"signature": "(fields) -> ValuesType", "parameters": {"fields": {"annotation": "Sequence[str]"}}, "return": {"annotation": "ValuesType"}, "api": ["model"], "model": "core", "module": "core"}"#,
    ),
    (
        "fields_get",
        r#"{"signature": "(allfields=None, attributes=None) -> dict[str, ValuesType]", "parameters": {"allfields": {"default": null, "annotation": "Collection[str] | None"}, "attributes": {"default": null, "annotation": "Collection[str] | None"}}, "return": {"annotation": "dict[str, ValuesType]"}, "api": ["model"], "model": "core", "module": "core"}"#,
    ),
    (
        "formatted_read_group",
        r#"{"signature": "(domain, groupby=(), aggregates=(), having=(), offset=0, limit=None, order=None) -> list[dict]", "parameters": {"domain": {"annotation": "DomainType"}, "groupby": {"default": [], "annotation": "Sequence[str]"}, "aggregates": {"default": [], "annotation": "Sequence[str]"}, "having": {"default": [], "annotation": "DomainType"}, "offset": {"default": 0, "annotation": "int"}, "limit": {"default": null, "annotation": "int | None"}, "order": {"default": null, "annotation": "str | None"}}, "return": {"annotation": "list[dict]"}, "api": ["model", "readonly"], "model": "base", "module": "web"}"#,
    ),
    (
        "has_access",
        r#"{"signature": "(operation) -> bool", "parameters": {"operation": {"annotation": "str"}}, "return": {"annotation": "bool"}, "model": "core", "module": "core"}"#,
    ),
    (
        "name_search",
        r#"{"signature": "(name='', domain=None, operator='ilike', limit=100) -> list[tuple[int, str]]", "parameters": {"name": {"default": "", "annotation": "str"}, "domain": {"default": null, "annotation": "DomainType | None"}, "operator": {"default": "ilike", "annotation": "str"}, "limit": {"default": 100, "annotation": "int"}}, "return": {"annotation": "list[tuple[int, str]]"}, "api": ["model", "readonly"], "model": "core", "module": "core"}"#,
    ),
    (
        "read",
        r#"{"signature": "(fields=None, load='_classic_read') -> list[ValuesType]", "parameters": {"fields": {"default": null, "annotation": "Sequence[str] | None"}, "load": {"default": "_classic_read", "annotation": "str"}}, "return": {"annotation": "list[ValuesType]"}, "api": ["readonly"], "model": "core", "module": "core"}"#,
    ),
    (
        "search",
        r#"{"signature": "(domain, offset=0, limit=None, order=None) -> list[int]", "parameters": {"domain": {"annotation": "DomainType"}, "offset": {"default": 0, "annotation": "int"}, "limit": {"default": null, "annotation": "int | None"}, "order": {"default": null, "annotation": "str | None"}}, "return": {"annotation": "list[int]"}, "api": ["model", "readonly"], "model": "core", "module": "core"}"#,
    ),
    (
        "search_count",
        r#"{"signature": "(domain, limit=None) -> int", "parameters": {"domain": {"annotation": "DomainType"}, "limit": {"default": null, "annotation": "int | None"}}, "return": {"annotation": "int"}, "api": ["model", "readonly"], "model": "core", "module": "core"}"#,
    ),
    (
        "search_read",
        r#"{"signature": "(domain=None, fields=None, offset=0, limit=None, order=None, read_kwargs) -> list[ValuesType]", "parameters": {"domain": {"default": null, "annotation": "DomainType | None"}, "fields": {"default": null, "annotation": "Sequence[str] | None"}, "offset": {"default": 0, "annotation": "int"}, "limit": {"default": null, "annotation": "int | None"}, "order": {"default": null, "annotation": "str | None"}, "read_kwargs": {"kind": "VAR_KEYWORD"}}, "return": {"annotation": "list[ValuesType]"}, "api": ["model", "readonly"], "model": "core", "module": "core"}"#,
    ),
    (
        "unlink",
        r#"{"signature": "() -> typing.Literal[True]", "parameters": {}, "return": {"annotation": "typing.Literal[True]"}, "model": "core", "module": "core"}"#,
    ),
    (
        "web_search_read",
        r#"{"signature": "(domain, specification, offset=0, limit=None, order=None, count_limit=None)", "parameters": {"domain": {}, "specification": {}, "offset": {"default": 0}, "limit": {"default": null}, "order": {"default": null}, "count_limit": {"default": null}}, "api": ["model", "readonly"], "model": "base", "module": "web"}"#,
    ),
    (
        "write",
        r#"{"signature": "(vals) -> typing.Literal[True]", "parameters": {"vals": {"annotation": "ValuesType"}}, "return": {"annotation": "typing.Literal[True]"}, "model": "core", "module": "core"}"#,
    ),
];

/// `GET /doc-bearer/<model>.json`
pub(super) fn read(demo: &DemoOdoo, headers: &HeaderMap, model: &str) -> Reply {
    if let Some(refusal) = refusal(demo, headers) {
        return refusal;
    }
    if demo.faults().documentation_forbidden() {
        return failed(&Exception::access(
            "This page is only accessible to Technical Documentation users.",
        ));
    }
    let Some(model) = demo.model(model) else {
        return failed(&Exception::not_found(
            "The requested URL was not found on the server. If you entered the URL manually please check your spelling and \
             try again.",
        ));
    };
    let known = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    if known.is_some_and(|tag| tag.trim_matches('"') == ETAG) {
        return Reply::NotModified;
    }
    Reply::Documentation {
        body: describe(model),
        etag: ETAG,
    }
}

fn describe(model: &Model) -> String {
    let methods: Vec<String> = METHODS
        .iter()
        .filter(|(name, _)| engine::method_of(model, name).is_ok())
        .map(|(name, description)| format!("\"{name}\": {description}"))
        .collect();
    format!(
        "{{\"model\": {}, \"name\": {}, \"doc\": null, \"fields\": {}, \"methods\": {{{}}}}}",
        Value::from(model.name).dump(),
        Value::from(model.label).dump(),
        fields(model).dump(),
        methods.join(", ")
    )
}

fn fields(model: &Model) -> Value {
    let module = match model.name.split('.').next() {
        Some("sale") => "sale",
        Some("product") => "product",
        _ => "base",
    };
    let described = model.fields.iter().map(|field| {
        let mut about = match field.describe(None) {
            Value::Dict(about) => about,
            _ => Vec::new(),
        };
        // Fields that every model has belong to no module.
        let own = !matches!(
            field.name,
            "id" | "display_name" | "create_date" | "create_uid" | "write_date" | "write_uid"
        );
        about.push(("module".into(), if own { module.into() } else { Value::None }));
        (field.name.to_owned(), Value::Dict(about))
    });
    Value::Dict(described.collect())
}
