//! The operations over HTTP, one file a resource: wire types and handlers. A handler is one
//! sentence: who, what, do it, answer.

pub mod bulk;
pub mod connections;
pub mod connector;
pub mod customers;
pub mod details;
pub mod entitlements;
pub mod fields;
pub mod organizations;
pub mod products;
pub mod profiles;
pub mod tasks;
