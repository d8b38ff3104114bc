//! What a key may do. Deny by default: a call is refused unless something in the
//! policy allows each of its parts, and what the code does not understand is
//! refused, never interpreted.
//!
//! Pure: [`decide()`] is a total function of a policy, a call, and what is known of
//! the models. It asks nobody; where it lacks knowledge it says what it has to know,
//! and the caller asks Odoo and decides again.

mod arguments;
mod attachments;
mod copies;
mod decide;
mod document;
mod fields;
mod generic;
mod grants;
mod imports;
mod json;
mod methods;
mod named;
mod never;
pub mod presets;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod schema;
mod shape;
pub mod usage;
mod users;
mod values;
mod words;

pub use arguments::Asked;
pub use decide::{Allowed, Refusal, Verdict, decide};
pub use document::{Access, Document, FULL, Operation, Policy, PolicyError, READ_ONLY, Rule};
pub use fields::{FieldKind, Knowledge, ModelFields, ModelMethods, Unknown};
pub use shape::{Shape, shape};
pub use words::in_words;

impl From<PolicyError> for crate::error::AppError {
    fn from(error: PolicyError) -> Self {
        Self::invalid(error.0)
    }
}

impl From<Refusal> for crate::error::AppError {
    fn from(refusal: Refusal) -> Self {
        let details = serde_json::json!({ "rule": refusal.rule, "name": refusal.name });
        Self::new(crate::error::ErrorCode::PolicyDenied, refusal.sentence).with_details(details)
    }
}
