//! How Guildhall is started: the command line, its settings, and the wiring of the rooms.
//!
//! stdout is data, stderr is talk. Exit status: 0 done, 1 failed, 2 wrong usage.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod machine;
mod supervise;
mod telemetry;

use std::process::ExitCode;

use args::{Command, Guildhall};
use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// The memory of the whole process, SQLite's included: measured against the C library's (decision 8).
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let args = Guildhall::parse();
    let done = match args.command {
        Command::Serve(serve) => commands::serve::run(&args.database, &serve),
        Command::Tenant { command } => commands::tenant::run(&args.database, &command),
        Command::Token { command } => commands::token::run(&args.database, &command),
        Command::Connection { command } => commands::connection::run(&args.database, &command),
        Command::Copy { from, to } => commands::copy::run(&from, &to),
        Command::Openapi => commands::print(&guildhall_http::openapi::document()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            commands::say(&format!("guildhall: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}
