//! What can go wrong with the store, in the few kinds that callers treat differently.

use std::fmt;

/// A read or a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full: nothing was written; reads go on, and writes work again when there is room.
    Full,
    /// More waits than the store takes: nothing was done; trying again later is right.
    Overloaded,
    /// The database does not answer, or not in time. The text is for the log, never for a stranger.
    Unavailable(String),
    /// The connection was lost while the database committed: whether it did is unknown.
    Unknown(String),
    /// The operating system failed to keep what it was told to keep (an I/O error, a failed fsync):
    /// after this the process ends, and recovery decides what is there.
    Broken(String),
    /// A unique index refused a row that the decision before it had allowed.
    Conflict {
        /// The index or its columns, as the database names them.
        constraint: String,
    },
    /// A stored row is not what this program writes.
    Inconsistent {
        /// What was read, and why it cannot be.
        what: String,
    },
    /// A statement failed for a reason that is a defect of this program.
    Failed(String),
}

impl StoreError {
    pub(crate) fn inconsistent(what: impl Into<String>) -> Self {
        Self::Inconsistent { what: what.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Overloaded => f.write_str("too many requests are waiting for the database"),
            Self::Unavailable(why) => write!(f, "the database is not available: {why}"),
            Self::Unknown(why) => write!(f, "the commit's outcome is unknown: {why}"),
            Self::Broken(why) => write!(f, "the disk failed: {why}"),
            Self::Conflict { constraint } => write!(f, "unique constraint {constraint} refused a row"),
            Self::Inconsistent { what } => write!(f, "the database holds something impossible: {what}"),
            Self::Failed(why) => write!(f, "a statement failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The database could not be opened. Shown to the operator who started the program, so it may name
/// files and versions.
#[derive(Debug)]
pub struct OpenError(pub String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}
