//! Pages that the server prints whole, forms and all: in the browser they are text,
//! and need no code there.

pub mod server_fns;
pub mod view;

#[cfg(feature = "ssr")]
pub mod csv;
#[cfg(feature = "ssr")]
pub mod form;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod parts;
