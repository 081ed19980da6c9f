//! One transaction on a pooled connection. It begins with its first statement, in the same round
//! trip; a read ends without waiting; a connection whose transaction was left open is closed, never
//! given to the next.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{PoisonError, RwLock};
use std::task::Poll;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::dialect;
use crate::driver::Param;
use crate::error::StoreError;

/// How a transaction ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was committed.
    Committed,
    /// It was rolled back, and running the unit of work again may go better.
    Again(StoreError),
}

/// A connection, and where its transaction stands.
pub(crate) struct Connection {
    client: Option<Client>,
    /// What begins the transaction, until the first statement has taken it along.
    begin: Option<&'static str>,
    /// A transaction may be open.
    open: bool,
    /// A statement has failed: the transaction can only be rolled back.
    failed: Option<StoreError>,
    /// Running the unit again may go better.
    again: bool,
}

impl Connection {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client: Some(client),
            begin: None,
            open: false,
            failed: None,
            again: false,
        }
    }

    /// The next statement begins a transaction that only reads, on one snapshot.
    pub(crate) fn begin_read(&mut self) {
        self.begin = Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }

    /// The next statement begins a transaction that writes.
    pub(crate) fn begin_write(&mut self) {
        self.begin = Some("BEGIN");
    }

    pub(crate) async fn fetch(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let result = in_time(self.query(sql, params)).await;
        self.note(result)
    }

    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        let result = in_time(self.run(sql, params)).await;
        self.note(result)
    }

    fn client(&self) -> Result<&Client, StoreError> {
        self.client
            .as_ref()
            .ok_or_else(|| StoreError::Failed("connection used after its end".into()))
    }

    async fn query(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let begin = self.take_begin();
        let Some(client) = self.client.as_ref() else {
            return Ok(Vec::new());
        };
        let types: Vec<Type> = params.iter().map(Param::postgres_type).collect();
        let statement = client.prepare_typed_cached(&text(sql), &types).await?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        match begin {
            None => client.query(&statement, &params).await,
            Some(begin) => {
                let (begun, rows) =
                    tokio::join!(client.batch_execute(begin), client.query(&statement, &params));
                begun?;
                rows
            }
        }
    }

    async fn run(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, tokio_postgres::Error> {
        let begin = self.take_begin();
        let Some(client) = self.client.as_ref() else {
            return Ok(0);
        };
        let types: Vec<Type> = params.iter().map(Param::postgres_type).collect();
        let statement = client.prepare_typed_cached(&text(sql), &types).await?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        match begin {
            None => client.execute(&statement, &params).await,
            Some(begin) => {
                let (begun, count) =
                    tokio::join!(client.batch_execute(begin), client.execute(&statement, &params));
                begun?;
                count
            }
        }
    }

    fn take_begin(&mut self) -> Option<&'static str> {
        let begin = self.begin.take();
        self.open |= begin.is_some();
        begin
    }

    fn note<T>(&mut self, result: Result<T, (StoreError, bool)>) -> Result<T, StoreError> {
        result.map_err(|(error, again)| {
            self.again |= again;
            // What follows the first error is only that the transaction has failed.
            self.failed.get_or_insert_with(|| error.clone());
            error
        })
    }

    /// Ends a read: nobody waits for the answer, and the connection's next user comes after it.
    pub(crate) async fn end_read(mut self) -> Result<(), StoreError> {
        if !self.open || self.failed.is_some() {
            return Ok(());
        }
        {
            let client = self.client()?;
            let mut commit = pin!(client.batch_execute("COMMIT"));
            // The first poll puts it on its way.
            poll_fn(|context| {
                let _on_its_way = commit.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        }
        self.open = false;
        Ok(())
    }

    /// Commits, or says why not.
    pub(crate) async fn commit(mut self) -> Result<Ended, StoreError> {
        if let Some(error) = self.failed.clone() {
            // An operation went on after a failed statement; a COMMIT would silently roll back.
            let again = self.again;
            self.roll_back().await;
            return if again {
                Ok(Ended::Again(error))
            } else {
                Err(error)
            };
        }
        if !self.open {
            return Ok(Ended::Committed);
        }
        match in_time(self.client()?.batch_execute("COMMIT")).await {
            Ok(()) => {
                self.open = false;
                Ok(Ended::Committed)
            }
            Err((error, true)) => Ok(Ended::Again(error)),
            // The server answered that it did not commit.
            Err((error, false)) if !matches!(error, StoreError::Unavailable(_)) => Err(error),
            Err((error, false)) => Err(StoreError::Unknown(error.to_string())),
        }
    }

    /// Rolls back; whether running the unit again may go better, and what went wrong.
    pub(crate) async fn abandon(mut self) -> Option<StoreError> {
        let again = self.failed.clone().filter(|_| self.again);
        self.roll_back().await;
        again
    }

    /// Whether the connection can no longer be trusted.
    fn is_lost(&self) -> bool {
        matches!(self.failed, Some(StoreError::Unavailable(_))) && !self.again
    }

    async fn roll_back(&mut self) {
        if self.open
            && !self.is_lost()
            && let Some(client) = &self.client
            && in_time(client.batch_execute("ROLLBACK")).await.is_ok()
        {
            self.open = false;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let lost = self.open || self.is_lost();
        if let Some(client) = self.client.take()
            && lost
        {
            // Its transaction may be open, or its server no longer takes writes: it is closed.
            drop(Client::take(client));
        }
    }
}

/// What the server answers, or that it does not. The second value of an error says whether running the
/// unit again may go better.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, (StoreError, bool)> {
    match tokio::time::timeout(super::ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| sort(&error)),
        Err(_) => Err((StoreError::Unavailable("no answer in time".into()), false)),
    }
}

/// The statement in PostgreSQL's dialect.
fn text(sql: &'static str) -> Cow<'static, str> {
    type Texts = std::collections::HashMap<(usize, usize), &'static str>;
    static TEXTS: RwLock<Option<Texts>> = RwLock::new(None);
    if !dialect::differs(sql) {
        return Cow::Borrowed(sql);
    }
    let key = (sql.as_ptr() as usize, sql.len());
    if let Some(texts) = &*TEXTS.read().unwrap_or_else(PoisonError::into_inner)
        && let Some(text) = texts.get(&key)
    {
        return Cow::Borrowed(text);
    }
    // There are as many as there are statements in this crate: a closed list.
    let text: &'static str = Box::leak(dialect::postgres(sql).into_boxed_str());
    let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
    texts.get_or_insert_default().insert(key, text);
    Cow::Borrowed(text)
}

impl Param<'_> {
    fn postgres_type(&self) -> Type {
        match self {
            Param::Int(_) | Param::OptInt(_) => Type::INT8,
            Param::Text(_) | Param::OptText(_) => Type::TEXT,
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Param::Int(number) | Param::OptInt(Some(number)) => out.put_i64(*number),
            Param::Text(text) | Param::OptText(Some(text)) => match text.contains('\0') {
                false => out.put_slice(text.as_bytes()),
                // Nothing that is stored holds a control character, so this finds nothing, as it should;
                // PostgreSQL itself would refuse U+0000.
                true => out.put_slice(text.replace('\0', "\u{1}").as_bytes()),
            },
            Param::OptInt(None) | Param::OptText(None) => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::INT8 || *kind == Type::TEXT
    }

    to_sql_checked!();
}

/// Sorts PostgreSQL's errors into ours, and says whether running the unit again may go better.
fn sort(error: &tokio_postgres::Error) -> (StoreError, bool) {
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
