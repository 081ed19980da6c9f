//! Test support for Guildhall. Dev only: no product crate depends on it outside its tests, and it
//! names no product crate but `guildhall_domain`, for the traits that its doubles stand in for.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`folder`] | a folder of one test's own, gone when the test is |
//! | [`doubles`] | a clock that the test moves, chance that repeats |
//! | [`http`] | a strict, blocking HTTP/1.1 client, and raw bytes for what no client would send |
//! | [`server`] | the real binary as a child process: start, stop, kill, read what it said |
//! | [`golden`] | committed JSON documents, with redactions that check what they hide |
//! | [`faults`] | a disk that is full, that fails, whose fsync lies or is slow |
//! | [`postgres`] | a PostgreSQL cluster of one's own: databases, kill, pause, standby, promote |
//! | [`home`] | a database for a server, of the kind that the environment asks for |
//! | [`world`] | organizations that look real, as many as wanted, the same for the same seed |
//!
//! A test kit may panic: a panic with a clear text is how it reports.

#![forbid(unsafe_code)]
#![expect(clippy::panic, reason = "a test kit reports by panicking")]

pub mod doubles;
pub mod faults;
pub mod folder;
pub mod golden;
pub mod home;
pub mod http;
pub mod postgres;
pub mod server;
pub mod world;

pub use doubles::{ManualClock, SeededRandom};
pub use faults::{Fault, Faults};
pub use folder::TempFolder;
pub use golden::Golden;
pub use home::Home;
pub use http::{Client, Request, Response};
pub use postgres::{Cluster, ClusterOptions, Database, filled_database};
pub use server::{Server, ServerOptions};
