//! The way to Odoo: bytes in, bytes or a classified error out. Knows no keys and
//! no users of the bridge.
//!
//! One [`Odoo`] is one database and one identity. It has up to three [`Way`]s in
//! (web session, JSON-RPC, JSON-2), takes the cheapest that works, logs in once
//! for all who wait, and remembers when its credentials are refused: each check
//! of a password costs Odoo about 0.3 s of CPU.

pub mod answer;
mod breaker;
mod call;
mod choice;
mod client;
mod connections;
mod credentials;
pub mod destination;
pub mod error;
mod json2;
mod jsonrpc;
mod measure;
pub mod methods;
mod pace;
mod renames;
mod retry;
mod signatures;
pub mod trace_context;
mod trip;
pub mod turns;
mod way;
mod ways;
mod wire;

pub use breaker::BreakerState;
pub use call::Call;
pub use client::{Answer, Data, Odoo, Unanswered, Version};
pub use error::OdooError;
pub use measure::{Measured, Split};
pub use signatures::MethodTold;
pub use trip::Tell;
pub use turns::{Load, Party, Rules, Turn};
pub use way::{RefusedCredential, Report, Way, WayReport, WayState};
pub use wire::{Limits, ResultStream};
