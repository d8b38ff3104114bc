//! Speed test runs by a schedule: made and changed by operators, begun by one instance each
//! time, and what they come to is held against alert rules.

pub mod change;
pub mod http;
pub mod judge;
pub mod keep;
pub mod model;
mod page;
mod store;
