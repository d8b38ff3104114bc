//! How the bridge gets into Odoo, shown to its operator: the ways in, the one that
//! calls take and why, credentials that Odoo refuses, and what the bridge counts.

pub mod model;

#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
mod page;
#[cfg(feature = "ssr")]
pub mod report;
