//! Every change that a person makes is kept, in the transaction of the change itself:
//! who, when, from where, what it was before and after. Never a secret.

#[cfg(feature = "ssr")]
pub mod chain;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod log;
#[cfg(feature = "ssr")]
mod page;
#[cfg(feature = "ssr")]
pub mod printed;
#[cfg(feature = "ssr")]
pub mod search;
#[cfg(feature = "ssr")]
mod store;
