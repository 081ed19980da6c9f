//! What can go wrong with PostgreSQL, in our words.

use tokio_postgres::error::SqlState;

use crate::error::StoreError;

/// What the server answers, or that it does not. The second value of an error says whether running the
/// unit again may go better.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, (StoreError, bool)>>,
) -> Result<T, (StoreError, bool)> {
    match tokio::time::timeout(super::ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err((StoreError::Unavailable("no answer in time".into()), false)),
    }
}

/// Sorts PostgreSQL's errors into ours, and says whether running the unit again may go better.
pub(super) fn sort(error: &tokio_postgres::Error) -> (StoreError, bool) {
    let words = super::words(error);
    let Some(answer) = error.as_db_error() else {
        // No answer: the connection is lost.
        return (StoreError::Unavailable(words), false);
    };
    match answer.code() {
        code if *code == SqlState::UNIQUE_VIOLATION => {
            let constraint = answer.constraint().unwrap_or_default().to_owned();
            (StoreError::Conflict { constraint }, true)
        }
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
            (StoreError::Unavailable(words), true)
        }
        code if *code == SqlState::DISK_FULL => (StoreError::Full, false),
        // Insufficient resources, operator intervention, system errors, connection errors; a standby.
        code if ["53", "57", "58", "08"].contains(&&code.code()[..2])
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || *code == SqlState::LOCK_NOT_AVAILABLE
            || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT =>
        {
            (StoreError::Unavailable(words), false)
        }
        _ => (StoreError::Failed(words), false),
    }
}
