//! Turns the API description into what the page's reference shows: the same
//! document that `/openapi.json` answers, so the two can't say different things.

use serde_json::Value;

/// A field of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceRow {
    /// Its name.
    pub name: String,
    /// What it holds: `string`, `array`.
    pub kind: String,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What it means.
    pub explanation: String,
}

/// One address of the bridge, as the API description has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `POST`
    pub method: String,
    /// `/call`
    pub path: String,
    /// What it is for.
    pub summary: String,
    /// The body's fields.
    pub rows: Vec<ReferenceRow>,
    /// Status and meaning of each answer.
    pub answers: Vec<(String, String)>,
}

/// Every operation of the description, in its order.
#[must_use]
pub fn endpoints(document: &Value) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            endpoints.push(Endpoint {
                method: method.to_uppercase(),
                path: path.clone(),
                summary: text(&operation["summary"]),
                rows: rows(document, operation),
                answers: members(&operation["responses"])
                    .map(|(status, answer)| (status.clone(), text(&resolved(document, answer)["description"])))
                    .collect(),
            });
        }
    }
    endpoints
}

/// The body's fields. A JSON object has no order of its own, so the required
/// ones come first, as the list of them has them.
fn rows(document: &Value, operation: &Value) -> Vec<ReferenceRow> {
    let schema = resolved(
        document,
        &operation["requestBody"]["content"]["application/json"]["schema"],
    );
    let place = |name: &str| {
        schema["required"]
            .as_array()
            .and_then(|names| names.iter().position(|it| it == name))
    };
    let mut rows: Vec<_> = members(&schema["properties"])
        .map(|(name, field)| ReferenceRow {
            name: name.clone(),
            kind: text(&field["type"]),
            required: place(name).is_some(),
            explanation: text(&field["description"]),
        })
        .collect();
    rows.sort_by_key(|row| place(&row.name).unwrap_or(usize::MAX));
    rows
}

/// What a `$ref` inside the document points to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_field_of_a_call_and_whether_it_is_optional() {
        let endpoints = endpoints(&crate::server::openapi::document());
        let call = endpoints
            .iter()
            .find(|endpoint| endpoint.path == "/call")
            .expect("/call is described");
        assert_eq!(call.method, "POST");
        let rows: Vec<_> = call
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.kind.as_str(), row.required))
            .collect();
        assert_eq!(
            rows,
            [
                ("model", "string", true),
                ("method", "string", true),
                ("args", "array", false),
                ("kwargs", "object", false)
            ]
        );
        assert!(
            call.answers
                .iter()
                .any(|(status, words)| status == "401" && !words.is_empty())
        );
    }
}
