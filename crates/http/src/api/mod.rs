//! The operations over HTTP, one file a resource: wire types and handlers. A handler is one
//! sentence: who, what, do it, answer.

pub mod bulk;
pub mod connections;
pub mod connector;
pub mod customer_bulk;
pub mod customer_profiles;
pub mod customers;
pub mod details;
pub mod entitlements;
pub mod fields;
pub mod lists;
pub mod organizations;
pub mod patches;
pub mod products;
pub mod profiles;
pub mod removals;
pub mod tasks;
