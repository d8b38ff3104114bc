//! Odoo Bridge: API keys for an Odoo, one `POST /call`, and a dashboard.
//!
//! The crate is built twice: with `ssr` it is the server, with `hydrate` it is
//! what the browser runs. Modules without a `cfg` are in both. ARCHITECTURE.md
//! says how they stand to each other.

#![recursion_limit = "512"]

pub mod error;
pub mod ids;

pub mod audit;
pub mod calls;
pub mod connection;
pub mod guide;
pub mod keys;
pub mod people;
pub mod printed;
pub mod session;
pub mod speed_test;
#[cfg(feature = "ssr")]
pub mod traffic;

#[cfg(feature = "ssr")]
pub mod chart;

#[cfg(feature = "ssr")]
pub mod alerts;
#[cfg(feature = "ssr")]
pub mod instances;
#[cfg(feature = "ssr")]
pub mod odoo;

#[cfg(feature = "ssr")]
pub mod demo_odoo;

pub mod app;
pub mod frame;
pub mod ui;

#[cfg(feature = "ssr")]
pub mod config;
#[cfg(feature = "ssr")]
pub mod sealing;
#[cfg(feature = "ssr")]
pub mod server;
#[cfg(feature = "ssr")]
pub mod state;

#[cfg(feature = "hydrate")]
mod hydrate;
