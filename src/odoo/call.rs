//! What is asked of Odoo, by whichever way it goes.

use serde_json::value::RawValue;

/// One call, as `execute_kw` takes it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Such as `sale.order`.
    pub model: &'a str,
    /// Such as `search_read`.
    pub method: &'a str,
    /// A JSON array.
    pub args: &'a RawValue,
    /// A JSON object.
    pub kwargs: &'a RawValue,
}
