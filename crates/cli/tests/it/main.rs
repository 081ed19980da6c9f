//! The API and the command line, tested on the real binary: over TCP, and as a child process.
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`world`] | starts servers, makes tenants and tokens, speaks for a tenant |
//! | [`api`] | what the server answers |
//! | [`cli`] | what the commands print, and how they end |
//! | [`openapi`] | the document, and that every operation in it is tested |

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, its helpers too"
)]

mod api;
mod cli;
mod openapi;
mod world;
