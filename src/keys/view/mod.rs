//! The pages `/keys` and `/keys/<id>`.

mod address;
mod create;
mod detail;
mod list;
mod policy;
mod recent;
mod revoke;
mod sharing;
mod table;
mod toolbar;

pub use detail::KeyPage;
pub use list::KeysPage;
pub use policy::KeyPolicyPage;
