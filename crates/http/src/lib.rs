//! How Guildhall is spoken to: routes, wire types, errors and the OpenAPI document.
//!
//! A request passes the [`shell`] (sockets, clocks, malformed heads), then [`Api`] (the order of
//! checks), then one handler of [`api`], which calls one operation of `guildhall_service`.

#![forbid(unsafe_code)]

mod answer;
pub mod api;
pub mod call;
mod docs;
pub mod error;
pub mod governor;
mod health;
pub mod kept;
pub mod openapi;
mod packed;
mod repeat;
pub mod router;
pub mod routes;
pub mod shell;
pub mod wire;

pub use answer::{Api, ApiSettings, ExperimentalHeader, OrganizationManagement};
