//! What is called how often, how fast and with what failures: of the bridge, of a key and of a
//! model. Counted in the transaction that writes the call records, so that each of them is in it
//! once; kept longer than they are; shown on `/use` and in the table of keys.

mod chart;
mod csv;
pub mod histogram;
pub mod http;
pub mod losses;
mod page;
mod read;
pub mod rollup;
mod search;
pub mod spark;
mod store;
mod tables;
mod tally;
pub mod window;
