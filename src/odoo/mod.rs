//! The way to Odoo: bytes in, bytes or a classified error out. Knows no keys and
//! no users of the bridge.
//!
//! One [`Odoo`] is one database and one identity. It speaks JSON-RPC, logs in
//! once and remembers the user's id, and remembers as well when its credentials
//! are refused: each check of a password costs Odoo about 0.3 s of CPU.

mod client;
mod credentials;
pub mod error;
mod jsonrpc;
pub mod methods;

pub use client::{Answer, Call, Limits, Odoo, Version};
pub use error::OdooError;
