//! What can be done, and what is refused: every operation on a fresh store, with a clock that the
//! tests move and chance that repeats.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod definitions;
mod ids;
mod model;
mod operations;
mod races;
mod tokens;
mod world;
