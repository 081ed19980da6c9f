//! The real binary under torture: killed, on a full or failing disk, among hostile clients, stopped
//! under load. Each test runs alone, since each is a load of its own; where real time is the subject
//! an upper bound only ever says "it did end".

#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]
#![expect(
    clippy::print_stdout,
    reason = "what was tried is worth a line: cargo test -- --nocapture"
)]

mod clients;
mod disk;
mod kill;
mod ledger;
mod load;
mod world;
