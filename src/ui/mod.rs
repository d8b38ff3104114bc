//! Components without data of their own: what pages are made of. They know no
//! feature and ask no server.

pub mod badge;
pub mod code;
pub mod copy_button;
pub mod dialog;
pub mod empty_state;
pub mod error_view;
pub mod field;
pub mod hydrated;
pub mod icon;
pub mod page_header;
pub mod pagination;
pub mod resource;
pub mod skeleton;
pub mod target;
pub mod timestamp;

#[cfg(feature = "hydrate")]
#[path = "platform_browser.rs"]
pub mod platform;
#[cfg(feature = "ssr")]
#[path = "platform_server.rs"]
pub mod platform;
