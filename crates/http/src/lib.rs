//! How Guildhall is spoken to: routes, wire types, errors and the OpenAPI document.

#![forbid(unsafe_code)]

pub mod error;
pub mod shell;
