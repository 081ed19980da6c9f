//! Bulk operations, tasks and receipts, tested on the real binary over TCP.
//!
//! | room | what it shows |
//! | --- | --- |
//! | [`world`] | starts servers, makes tenants and tokens, submits, waits |
//! | [`examples`] | the vendor's example requests, exactly as printed, with golden files |
//! | [`refusals`] | what is refused at submit, and that nothing is stored by it |
//! | [`limits`] | how many items, fields and open tasks there may be |
//! | [`keys`] | idempotency keys: one request, one task |
//! | [`tasks`] | reading tasks, lists and receipts |
//! | [`items`] | what items do and what is reported of them |
//! | [`rights`] | roles, scopes and other tenants |
//! | [`turns`] | tenants take turns |
//! | [`life`] | one integration, from its first field to its last count |
//! | [`stops`] | the worker stops at the signal |
//! | [`kills`] | exactly once, however often the server is killed; [`model`] says what must come of it |

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, its helpers too"
)]

mod examples;
mod items;
mod keys;
mod kills;
mod life;
mod limits;
mod model;
mod refusals;
mod rights;
mod stops;
mod tasks;
mod turns;
mod world;
