//! The speed test: how fast this bridge's Odoo answers, and how that changes.

pub mod model;
pub mod server_fns;
pub mod summary;
pub mod view;

#[cfg(feature = "ssr")]
pub mod chart;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod run;
#[cfg(feature = "ssr")]
pub mod runs;
#[cfg(feature = "ssr")]
pub mod schedules;
#[cfg(feature = "ssr")]
mod store;
