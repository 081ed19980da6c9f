//! What is true in Guildhall: its words, its limits and its rules. Nothing here does I/O, waits,
//! or knows the time.

#![forbid(unsafe_code)]

pub mod limits;
pub mod rejection;

pub use rejection::{Excerpt, Rejection, Thing};
