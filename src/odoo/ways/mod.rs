//! The three ways in. Each knows its login and its wire shape; all give the same:
//! a result's bytes as they are, or a classified error.

mod json2;
mod jsonrpc;
mod web;

pub(super) use json2::Json2;
pub(super) use jsonrpc::JsonRpc;
pub(super) use web::Web;
