//! Puts the parts together: routes, layers, health, telemetry, the embedded
//! database and site, and the start and end of it all.

pub mod commands;
pub mod database;
pub mod embedded_postgres;
pub mod health;
pub mod layers;
pub mod listen;
pub mod lookers;
pub mod openapi;
pub mod origin;
pub mod request_id;
pub mod router;
pub mod serve;
pub mod shell;
pub mod site;
pub mod telemetry;
