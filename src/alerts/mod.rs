//! Telling people and programs that something changed: by webhook and by e-mail, once for
//! each change, whatever becomes of the instance that saw it (ADR 27).

pub mod channels;
pub mod http;
pub mod model;
pub mod outbox;
mod page;
pub mod send;
mod store;
