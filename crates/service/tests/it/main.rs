//! What can be done, and what is refused: every operation on a fresh store, with a clock that the
//! tests move and chance that repeats.
//! Every test runs on each store, from one source.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "what a test opens is said by the name of the module that it is in"
)]

#[path = "suites.rs"]
mod on_postgres;
#[path = "suites.rs"]
mod on_sqlite;
mod statements;
