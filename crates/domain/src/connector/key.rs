//! The name by which an object points to another one.

/// What `parentKey` or `containerKey` points to, in the same connection. Nothing says that it exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The type; the canonical name for the three that are kept here, as sent for any other.
    pub object_type: String,
    /// The id of the object; always there for the three types that are kept here.
    pub entity_id: Option<String>,
}
