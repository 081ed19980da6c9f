//! Why an operation did not happen.

use std::fmt;

use guildhall_domain::Rejection;
use guildhall_storage::StoreError;

/// An operation was refused, or the store failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request is refused; its words are fit for a stranger.
    Rejected(Rejection),
    /// The store failed; its words are for the log.
    Store(StoreError),
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
