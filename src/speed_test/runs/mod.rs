//! Speed tests with many samples: each way into Odoo beside the others, cold or warm, with
//! percentiles and with where the time went. Printed by the server.

mod export;
pub mod history;
mod history_chart;
pub mod http;
mod list_page;
pub mod live;
pub mod plan;
mod range_page;
mod result_page;
pub mod run;
pub mod sample;
pub mod search;
pub mod statistics;
mod store;
