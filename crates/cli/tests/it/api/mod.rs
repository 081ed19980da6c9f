//! What the server answers, one file a subject.

mod fields;
pub mod golden;
mod privileges;
mod seed;
mod values;
