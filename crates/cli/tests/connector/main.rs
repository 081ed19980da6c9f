//! What connectors do, tested on the real binary over TCP.
//!
//! | room | what it shows |
//! | --- | --- |
//! | [`world`] | starts servers, makes tenants, connections and tokens, speaks as a connector or as a person |
//! | [`examples`] | the vendor's example payloads, exactly as printed, and what is read back |
//! | [`forge`] | the vendor's own client library against the server |
//! | [`histories`] | writes and deletes in any order, side by side, against the model; [`model`] is that |
//! | [`permissions`] | who sees which objects: a table of cases, and what changes it |

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, its helpers too"
)]

mod examples;
mod forge;
mod histories;
mod model;
mod permissions;
mod world;
