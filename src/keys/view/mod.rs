//! The pages `/keys` and `/keys/<id>`.

mod address;
mod create;
mod detail;
mod list;
mod recent;
mod revoke;
mod sharing;
mod table;
mod toolbar;

pub use detail::KeyPage;
pub use list::KeysPage;
