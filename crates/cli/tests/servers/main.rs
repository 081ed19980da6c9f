//! Several servers on one PostgreSQL, and what they do when it goes away, on the real binary over TCP.
//!
//! | room | what it shows |
//! | --- | --- |
//! | [`world`] | a database, two servers on it, a tenant and its admin |
//! | [`together`] | what two servers share: keys, names, ids, tokens, definitions; reads see writes |
//! | [`tasks`] | a server is killed in the middle of a task, and the other finishes it |
//! | [`outage`] | the database is stopped or killed under load, and comes back |
//! | [`failover`] | the primary is killed under load, and its synchronous standby promoted |
//! | [`load`] | writers and readers that note what was acknowledged, and the comparison with what is there |

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, its helpers too"
)]
#![expect(
    clippy::print_stdout,
    reason = "what was tried is worth a line: cargo test -- --nocapture"
)]

mod failover;
mod load;
mod outage;
mod tasks;
mod together;
mod world;
