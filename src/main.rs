//! The command line: reads it, and calls what does the work.

use std::process::ExitCode;

use odoo_bridge::server::commands::{self, Failure};

/// A call makes some dozens of small allocations; the system's allocator took a
/// seventh of its time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start() -> Result<(), Failure> {
    let cli = commands::parse()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(commands::run(cli))
}
