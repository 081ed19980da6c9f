//! Every test, on the store of the module that this file is loaded as.

mod connectors;
mod definitions;
#[path = "../fresh/mod.rs"]
mod fresh;
mod ids;
mod lists;
mod model;
mod operations;
mod races;
mod together;
mod tokens;
mod world;
