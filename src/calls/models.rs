//! What Odoo says of its models' fields, as far as a policy has to know it: asked for
//! when a call needs it, and kept for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{AppError, Result};
use crate::keys::policy::{FieldKind, ModelFields};
use crate::odoo::{Call, Odoo, OdooError};

/// How many models are kept.
const KEPT: usize = 512;
/// After this, Odoo is asked anew: fields come and go with modules.
const TRUSTED_FOR: Duration = Duration::from_secs(10 * 60);

/// See the module.
pub struct Models {
    odoo: Arc<Odoo>,
    kept: Cache<String, (Instant, Arc<ModelFields>)>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    relation: Option<&'a str>,
    #[serde(default)]
    relation_field: Option<&'a str>,
}

impl Models {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(odoo: Arc<Odoo>) -> Self {
        Self {
            odoo,
            kept: Cache::new(KEPT),
        }
    }

    /// The fields of a model; none if Odoo tells none, so that nothing can be judged
    /// by them.
    ///
    /// # Errors
    /// Those of an Odoo that can't be asked.
    pub async fn fields(&self, model: &str) -> Result<Arc<ModelFields>> {
        if let Some((at, fields)) = self.kept.get(model)
            && at.elapsed() < TRUSTED_FOR
        {
            return Ok(fields);
        }
        let raw = |json: &'static str| serde_json::from_str::<&RawValue>(json).map_err(AppError::internal);
        let answer = self.odoo.execute(Call {
            model,
            method: "fields_get",
            args: raw("[]")?,
            kwargs: raw(r#"{"attributes": ["type", "relation", "relation_field"]}"#)?,
        });
        let fields = match answer.await {
            Ok(answer) => parse(&answer.into_bytes().await?),
            // No such model, or none of the user's business.
            Err(unanswered) if matches!(unanswered.error, OdooError::Raised { .. }) => ModelFields::new(),
            Err(unanswered) => return Err(unanswered.into()),
        };
        let fields = Arc::new(fields);
        self.kept
            .insert(model.to_owned(), (Instant::now(), Arc::clone(&fields)));
        Ok(fields)
    }
}

/// What can't be read is not known.
fn parse(bytes: &[u8]) -> ModelFields {
    let told: HashMap<String, &RawValue> = serde_json::from_slice(bytes).unwrap_or_default();
    let fields = told.into_iter().filter_map(|(name, told)| {
        let told: Told<'_> = serde_json::from_str(told.get()).ok()?;
        Some((name, FieldKind::of(told.kind, told.relation, told.relation_field)))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_odoo_tells_of_a_model_is_read() {
        let fields = parse(
            br#"{"name": {"type": "char"}, "partner_id": {"type": "many2one", "relation": "res.partner"},
                "order_line": {"type": "one2many", "relation": "sale.order.line", "relation_field": "order_id"},
                "odd": {"type": 5}, "props": {"type": "properties"}}"#,
        );
        assert_eq!(fields["name"], FieldKind::Value);
        assert_eq!(fields["props"], FieldKind::Opaque);
        assert_eq!(fields["order_line"].model(), Some("sale.order.line"));
        assert!(!fields.contains_key("odd"));
        assert!(parse(b"[]").is_empty());
    }
}
