//! The rules of connector objects by example and by property.

mod seeds;

use super::*;
use crate::json;

/// Reads the body of a request that must be right as a whole.
fn set(body: &str) -> SetObjects {
    let node = json::parse(body.as_bytes()).unwrap();
    SetObjects::read(&node).unwrap()
}

/// The first object of a request, which must be right.
fn first(body: &str) -> Object {
    set(body).objects.remove(0).unwrap()
}
