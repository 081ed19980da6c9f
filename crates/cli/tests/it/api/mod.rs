//! What the server answers, one file a subject.

mod connectors;
mod customers;
mod entitlements;
mod fields;
pub mod golden;
mod golden_lists;
mod isolation;
mod kept;
mod organizations;
mod overload;
mod privileges;
mod products;
mod profiles;
mod seed;
mod shell;
mod values;
