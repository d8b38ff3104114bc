//! The integration guide: how a client calls the bridge.

pub mod model;
pub mod server_fns;
pub mod try_it;
pub mod view;

mod tabs;

#[cfg(feature = "ssr")]
pub mod errors;
#[cfg(feature = "ssr")]
pub mod errors_page;
#[cfg(feature = "ssr")]
mod printed;
#[cfg(feature = "ssr")]
mod reference;
#[cfg(feature = "ssr")]
pub mod snippets;

#[cfg(feature = "hydrate")]
mod send;
#[cfg(not(feature = "hydrate"))]
#[path = "send_nowhere.rs"]
mod send;
