//! The bridge as its users see it: a real PostgreSQL, real HTTP, the production
//! router; the demo Odoo stands in where faults are injected.

mod helpers;
mod hostile_answers;

mod call;
mod call_records;
mod commands;
mod database;
mod demo_odoo;
mod demo_odoo_ways;
mod embedded_postgres;
mod guide;
mod keys;
mod limits;
mod policies;
mod session;
mod site;
mod speed_test;
mod ways;
