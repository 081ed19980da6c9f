//! Bulk tasks over a real store, with a clock that the tests move and a worker that they step:
//! exactly once, whatever dies; fair; bounded; forgotten in time.
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

#[path = "suite.rs"]
mod on_postgres;
#[path = "suite.rs"]
mod on_sqlite;
