//! The API description (OpenAPI 3.1) of everything a client may use without
//! signing in. The error codes come from `ErrorCode`, so the description can't
//! promise others than are answered.

use std::collections::BTreeMap;

use axum::Json;
use serde_json::{Map, Value, json};

use crate::error::ErrorCode;

/// `GET /openapi.json`
pub async fn get_openapi() -> Json<Value> {
    Json(document())
}

/// The whole description.
#[must_use]
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Odoo Bridge",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "API keys for an Odoo, and one call.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        // Relative to where this document was read: whatever address the bridge is reached by.
        "servers": [{ "url": "/" }],
        "paths": {
            "/call": { "post": call() },
            "/healthz": { "get": health("get_healthz", "Whether the bridge is alive", &[("200", "It is.")]) },
            "/readyz": { "get": health("get_readyz", "Whether the bridge takes traffic", &[
                ("200", "It does. The body says how Odoo is; Odoo's state does not change the status."),
                ("503", "It does not: its database is away, not migrated, or it is stopping."),
            ]) },
            "/openapi.json": { "get": health("get_openapi", "This description", &[("200", "OpenAPI 3.1, as JSON.")]) },
        },
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "X-API-KEY",
                    "description": "A key made in the dashboard. It looks like obk_AbCd1234_ and 38 more letters and digits.",
                },
                "bearer": { "type": "http", "scheme": "bearer", "description": "The same key, as Authorization: Bearer." },
            },
            "schemas": { "CallRequest": call_request(), "Success": success(), "Failure": failure() },
            "headers": headers(),
        },
    })
}

fn call() -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json!({
            "description": "Odoo's result, byte for byte.",
            "headers": { "x-request-id": { "$ref": "#/components/headers/RequestId" } },
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Success" } } },
        }),
    );
    let mut by_status = BTreeMap::<u16, Vec<ErrorCode>>::new();
    for code in ErrorCode::OF_CALL {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), failures(status, &codes));
    }
    json!({
        "operationId": "call",
        "summary": "Call a method of an Odoo model",
        "description": "Maps the body to Odoo's execute_kw. The call runs with the access rights of the Odoo user behind the bridge.",
        "security": [{ "apiKey": [] }, { "bearer": [] }],
        "parameters": [{
            "name": "x-request-id", "in": "header", "required": false,
            "description": "An id of your own for this request: 1 to 128 letters, digits, and - _ . : . It comes back in the answer and is in the bridge's log.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]+$" },
        }, {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes the call safe to repeat: for 24 hours the same body under the same key gets the same answer and is not sent again; another body is idempotency_conflict.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }, {
            "name": "Idempotency-Mode", "in": "header", "required": false,
            "description": "With an Idempotency-Key, for the method create: the records are made under external ids in Odoo, so that a repeat after outcome_unknown finds them, or makes them if they are not there.",
            "schema": { "type": "string", "enum": ["external-id"] },
        }],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/CallRequest" } } },
        },
        "responses": responses,
    })
}

/// The answer for all codes of one status.
fn failures(status: u16, codes: &[ErrorCode]) -> Value {
    let description: Vec<_> = codes
        .iter()
        .map(|code| format!("{code}: {}", code.explanation()))
        .collect();
    let mut headers = json!({ "x-request-id": { "$ref": "#/components/headers/RequestId" } });
    match status {
        401 => headers["WWW-Authenticate"] = json!({ "$ref": "#/components/headers/WwwAuthenticate" }),
        429 | 502 | 503 => headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" }),
        _ => {}
    }
    json!({
        "description": description.join("\n"),
        "headers": headers,
        "content": { "application/json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Failure" },
            { "properties": { "code": { "enum": codes } } },
        ] } } },
    })
}

fn health(id: &str, summary: &str, answers: &[(&str, &str)]) -> Value {
    let responses: Map<_, _> = answers
        .iter()
        .map(|(status, words)| ((*status).to_owned(), json!({ "description": words })))
        .collect();
    json!({ "operationId": id, "summary": summary, "security": [], "responses": responses })
}

fn call_request() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["model", "method"],
        "properties": {
            "model": { "type": "string", "maxLength": 128, "pattern": "^[a-z0-9_]+([.][a-z0-9_]+)*$", "description": "The Odoo model, such as sale.order." },
            "method": { "type": "string", "maxLength": 128, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "A public method of the model, such as search_read." },
            "args": { "type": "array", "default": [], "description": "The positional arguments of execute_kw. For search_read, the first one is the domain." },
            "kwargs": { "type": "object", "default": {}, "description": "The named arguments of execute_kw, such as fields, limit and order." },
        },
        "examples": [{
            "model": "sale.order",
            "method": "search_read",
            "args": [[["date_order", ">=", "2026-05-01 00:00:00"]]],
            "kwargs": { "limit": 5, "fields": ["name", "state"] },
        }],
    })
}

fn success() -> Value {
    json!({
        "type": "object",
        "required": ["success", "data", "request_id"],
        "properties": {
            "success": { "const": true },
            "data": { "description": "What Odoo answered: any JSON. null if the method returns nothing." },
            "request_id": { "type": "string" },
        },
    })
}

fn failure() -> Value {
    json!({
        "type": "object",
        "required": ["success", "error", "code", "retryable", "request_id"],
        "properties": {
            "success": { "const": false },
            "error": { "type": "string", "description": "A sentence for a person. It may change; decide by code." },
            "code": { "type": "string", "enum": ErrorCode::OF_CALL, "description": "Stable. New codes may be added." },
            "retryable": { "type": "boolean", "description": "Whether the very same request may succeed a little later." },
            "request_id": { "type": "string", "description": "By this the operator finds the request in the log." },
            "details": { "description": "More for a program, where it helps." },
        },
    })
}

fn headers() -> Value {
    json!({
        "RequestId": { "description": "The id of this request: yours, if you sent a usable one.", "schema": { "type": "string" } },
        "RetryAfter": { "description": "Seconds after which another try makes sense.", "schema": { "type": "integer" } },
        "WwwAuthenticate": { "description": "Names the way to authenticate.", "schema": { "type": "string" } },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = target.strip_prefix('#').expect("a reference inside the document");
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    members.values().for_each(|member| check(document, member));
                }
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }

    #[test]
    fn each_code_is_described_once_and_under_its_own_status() {
        let document = document();
        let responses = document["paths"]["/call"]["post"]["responses"]
            .as_object()
            .expect("responses");
        let mut seen = BTreeSet::new();
        for (status, response) in responses.iter().filter(|(status, _)| *status != "200") {
            let codes = &response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"];
            for code in codes.as_array().expect("codes") {
                let code: ErrorCode = serde_json::from_value(code.clone()).expect("a code of the enum");
                assert_eq!(status, &code.status().to_string(), "{code}");
                assert!(seen.insert(code.as_str()), "{code} is described twice");
            }
        }
        assert_eq!(seen, ErrorCode::OF_CALL.map(ErrorCode::as_str).into());
    }
}
