//! `POST /call`: the product. A key, a model, a method and its arguments in;
//! Odoo's result, byte for byte, or a classified error out.

pub mod model;

#[cfg(feature = "ssr")]
pub mod answer;
#[cfg(feature = "ssr")]
pub mod cors;
#[cfg(feature = "ssr")]
pub mod external_id;
#[cfg(feature = "ssr")]
pub mod gateway;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod idempotency;
#[cfg(feature = "ssr")]
mod journal;
#[cfg(feature = "ssr")]
pub mod listing;
#[cfg(feature = "ssr")]
mod losses;
#[cfg(feature = "ssr")]
pub mod models;
#[cfg(feature = "ssr")]
pub mod records;
#[cfg(feature = "ssr")]
pub mod request;
#[cfg(feature = "ssr")]
pub mod sharing;
#[cfg(feature = "ssr")]
mod store;
#[cfg(feature = "ssr")]
pub mod traces;
#[cfg(feature = "ssr")]
pub mod usage;
