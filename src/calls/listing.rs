//! What was called, for people: a list with filters that stays quick on millions of records,
//! one call with its phases, CSV, and new calls as they come. Never arguments or results,
//! because no record has any.

mod csv;
pub mod http;
pub mod live;
mod one;
mod page;
pub mod search;
mod store;
