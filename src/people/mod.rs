//! Who may use the dashboard, and as what: accounts, their roles, and invitations.

#[cfg(feature = "ssr")]
pub mod accounts;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod invitations;
#[cfg(feature = "ssr")]
mod page;
#[cfg(feature = "ssr")]
mod store;
