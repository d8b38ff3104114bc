//! The bridge as its users see it: a real PostgreSQL, real HTTP, the production
//! router; the demo Odoo stands in where faults are injected.

mod helpers;
mod hostile_answers;

mod alerts;
mod call;
mod call_records;
mod calls_page;
mod commands;
mod database;
mod deadlines;
mod demo_odoo;
mod demo_odoo_ways;
mod deploy;
mod embedded_postgres;
mod faults;
mod guide;
mod headers;
mod idempotency;
mod instances;
mod keys;
mod limits;
mod line;
mod lookers;
mod metrics;
mod outcomes;
mod people;
mod people_commands;
mod policies;
mod processes;
mod rolling;
mod schedules;
mod secrets;
mod session;
mod sign_ins;
mod site;
mod soak;
mod speed_history;
mod speed_runs;
mod speed_test;
mod tls;
mod traces;
mod use_page;
mod ways;
