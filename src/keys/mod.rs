//! API keys: made once, shown once, verified on every call, revoked at once.

pub mod model;
pub mod server_fns;
pub mod view;

#[cfg(feature = "ssr")]
mod allowance;
#[cfg(feature = "ssr")]
mod history;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod issue;
#[cfg(feature = "ssr")]
mod known_ids;
#[cfg(feature = "ssr")]
pub mod last_used;
#[cfg(feature = "ssr")]
pub mod limits;
#[cfg(feature = "ssr")]
pub mod origins;
#[cfg(feature = "ssr")]
pub mod policy;
#[cfg(feature = "ssr")]
pub mod policy_page;
#[cfg(feature = "ssr")]
mod printed;
#[cfg(feature = "ssr")]
pub mod reminders;
#[cfg(feature = "ssr")]
pub mod secret;
#[cfg(feature = "ssr")]
pub mod shared_policies;
#[cfg(feature = "ssr")]
mod store;
#[cfg(feature = "ssr")]
pub mod throttle;
#[cfg(feature = "ssr")]
pub mod verify;
