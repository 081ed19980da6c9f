//! One transaction on a pooled connection, in as few round trips as can be. It begins with its first
//! statement; writes whose answers nobody waits for travel with the next statement that is waited for,
//! or with the commit; a read ends without waiting. A connection whose transaction was left open is
//! closed, never given to the next.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{PoisonError, RwLock};
use std::task::Poll;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::Client;
use guildhall_domain::TenantId;
use tokio_postgres::Statement;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::fault::{in_time, sort};
use super::later::{Answer, Later, Sent, in_order};
use super::touches::Noted;
use crate::dialect;
use crate::driver::{Lock, Param, Part};
use crate::error::StoreError;
use crate::versions::Touched;

/// How a transaction ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was committed.
    Committed,
    /// It was rolled back, and running the unit of work again may go better.
    Again(StoreError),
}

/// A statement that is waited for.
enum Ask<'q> {
    Rows(&'static str, &'q [Param<'q>]),
    Count(&'static str, &'q [Param<'q>]),
}

impl Ask<'_> {
    fn text(&self) -> (Cow<'static, str>, Vec<Type>) {
        let (Self::Rows(sql, params) | Self::Count(sql, params)) = self;
        let known = |place: usize| params.get(place).and_then(Param::known);
        (
            text(sql, known),
            params.iter().map(Param::postgres_type).collect(),
        )
    }

    async fn send(&self, client: &Client, statement: &Statement) -> Result<Answer, tokio_postgres::Error> {
        let (Self::Rows(_, params) | Self::Count(_, params)) = self;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        match self {
            Self::Rows(..) => client.query(statement, &params).await.map(Answer::Rows),
            Self::Count(..) => client.execute(statement, &params).await.map(Answer::Count),
        }
    }
}

/// A statement without parameters or an answer.
fn plain<'a>(client: &'a Client, sql: &'a str) -> Sent<'a> {
    Box::pin(async move { client.batch_execute(sql).await.map(|()| Answer::Count(0)) })
}

/// Whether the server answered that it did not do it.
fn is_refused(answer: &Result<Answer, tokio_postgres::Error>) -> bool {
    answer.as_ref().is_err_and(|error| error.as_db_error().is_some())
}

/// A connection, and where its transaction stands.
pub(crate) struct Connection {
    client: Option<Client>,
    /// What begins the transaction, until the first statement has taken it along.
    begin: Option<&'static str>,
    /// Writes that wait for the next statement.
    later: Later,
    /// A transaction may be open.
    open: bool,
    /// A statement has failed: the transaction can only be rolled back.
    failed: Option<StoreError>,
    /// Running the unit again may go better.
    again: bool,
    /// The server refused a statement that was sent together with the commit.
    refused: bool,
    /// What the transaction touches, where other servers are to know it.
    touched: Option<Noted>,
}

impl Connection {
    /// A connection, before its transaction has begun; whether others are to know what that touches.
    pub(crate) fn new(client: Client, tells: bool) -> Self {
        Self {
            client: Some(client),
            begin: None,
            later: Later::default(),
            open: false,
            failed: None,
            again: false,
            refused: false,
            touched: tells.then(Noted::default),
        }
    }

    /// Notes what the transaction is about to change.
    pub(crate) fn touch(&mut self, tenant: TenantId, touched: Touched) {
        if let Some(noted) = &mut self.touched {
            noted.note(tenant, touched);
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
        match self.talk(&[Ask::Rows(sql, params)]).await?.pop() {
            Some(Answer::Rows(rows)) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    /// Several questions in one round trip; the server answers them in their order.
    pub(crate) async fn fetch_all(
        &mut self,
        asks: &[(&'static str, &[Param<'_>])],
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, StoreError> {
        let asks: Vec<Ask<'_>> = asks.iter().map(|(sql, params)| Ask::Rows(sql, params)).collect();
        let rows = |answer| match answer {
            Answer::Rows(rows) => rows,
            Answer::Count(_) => Vec::new(),
        };
        Ok(self.talk(&asks).await?.into_iter().map(rows).collect())
    }

    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        match self.talk(&[Ask::Count(sql, params)]).await?.pop() {
            Some(Answer::Count(count)) => Ok(count),
            _ => Ok(0),
        }
    }

    /// A write that is sent with the next statement, or with the commit; what goes wrong with it is said
    /// there. With `one` it must change one row.
    pub(crate) async fn execute_later(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        one: bool,
    ) -> Result<(), StoreError> {
        self.later.add(sql, params, one);
        match self.later.is_full() {
            true => self.talk(&[]).await.map(drop),
            false => Ok(()),
        }
    }

    /// Locks a tenant, from the next statement on. Not by its row: of row locks those that are shared go
    /// past one that waits to be alone, for as long as some of them overlap; these stand in one line.
    pub(crate) async fn lock(&mut self, tenant: i64, lock: Lock) -> Result<(), StoreError> {
        let sql = match lock {
            Lock::Alone => "SELECT pg_advisory_xact_lock($1)",
            Lock::Shared => "SELECT pg_advisory_xact_lock_shared($1)",
        };
        self.execute_later(sql, &[Param::Int(tenant)], false).await
    }

    /// Locks a part of a tenant, likewise.
    pub(crate) async fn lock_part(&mut self, tenant: i64, part: Part, lock: Lock) -> Result<(), StoreError> {
        // Keys of two numbers are others than those of one. Where two parts meet in one, they wait for each other: a
        // transaction locks one part at most, and the tenant before it; but for chunks, which lock their own first and
        // that of the one before them last.
        let sql = match lock {
            Lock::Alone => "SELECT pg_advisory_xact_lock(hashint8($1), hashint8($2))",
            Lock::Shared => "SELECT pg_advisory_xact_lock_shared(hashint8($1), hashint8($2))",
        };
        self.execute_later(sql, &[Param::Int(tenant), Param::Int(part.number())], false)
            .await
    }

    async fn talk(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Answer>, StoreError> {
        let result = in_time(self.send(asks, false)).await;
        self.note(result)
    }

    fn client(&self) -> Result<&Client, StoreError> {
        self.client
            .as_ref()
            .ok_or_else(|| StoreError::Failed("connection used after its end".into()))
    }

    /// Sends the beginning, what waited, the questions and, with `commit`, the end, all before the first
    /// answer; and returns the answers to the questions.
    async fn send(&mut self, asks: &[Ask<'_>], commit: bool) -> Result<Vec<Answer>, (StoreError, bool)> {
        let (begin, writes) = (self.take_begin(), self.later.take());
        let client = self.client().map_err(|error| (error, false))?;
        let mut statements = Vec::with_capacity(writes.len() + asks.len());
        let written = writes
            .iter()
            .map(|write| (text(write.sql(), |place| write.known(place)), write.types()));
        for (sql, types) in written.chain(asks.iter().map(Ask::text)) {
            let prepared = client.prepare_typed_cached(&sql, &types).await;
            statements.push(prepared.map_err(|error| sort(&error))?);
        }
        let (of_writes, of_asks) = statements.split_at(writes.len());
        let mut sent: Vec<Sent<'_>> = Vec::with_capacity(statements.len() + 2);
        sent.extend(begin.map(|begin| plain(client, begin)));
        for (write, statement) in writes.iter().zip(of_writes) {
            sent.push(Box::pin(write.send(client, statement)));
        }
        for (ask, statement) in asks.iter().zip(of_asks) {
            sent.push(Box::pin(ask.send(client, statement)));
        }
        sent.extend(commit.then(|| plain(client, "COMMIT")));
        let answers = in_order(sent).await;
        if commit && answers.last().is_some_and(Result::is_ok) {
            // Also after a statement that was refused: then it ended the transaction without effect.
            self.open = false;
        }
        let statements = answers.len() - usize::from(commit);
        self.refused = answers.iter().take(statements).any(is_refused);
        // The first that failed says why; what follows it, only that the transaction has failed.
        let mut answers = answers
            .into_iter()
            .map(|answer| answer.map_err(|error| sort(&error)));
        if begin.is_some() {
            answers.next().transpose()?;
        }
        for write in &writes {
            if let Some(Answer::Count(count)) = answers.next().transpose()? {
                write.check(count).map_err(|error| (error, false))?;
            }
        }
        answers.collect()
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
        if let (None, Some(noted)) = (&self.failed, self.touched.take()) {
            // What is wrong is in `failed`.
            let _told = self.tell(noted).await;
        }
        // Writes go with the commit, but for those that must be counted first, and the first words on a
        // connection: one that has died unseen is found before there is anything to be unsure of.
        let first = !self.open && !self.later.is_empty();
        if self.failed.is_none() && (first || self.later.must_be_checked()) {
            // What is wrong is in `failed`.
            let _checked = self.talk(&[]).await;
        }
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
        match in_time(self.send(&[], true)).await {
            Ok(_) => Ok(Ended::Committed),
            Err((error, true)) => Ok(Ended::Again(error)),
            // The server answered that it did not commit, or refused what was to be committed.
            Err((error, false)) if self.refused || !matches!(error, StoreError::Unavailable(_)) => Err(error),
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
            && in_time(async {
                client
                    .batch_execute("ROLLBACK")
                    .await
                    .map_err(|error| sort(&error))
            })
            .await
            .is_ok()
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

/// The statement in PostgreSQL's dialect. What is known of its parameters, counted from 0, is part of it.
fn text(sql: &'static str, known: impl Fn(usize) -> Option<i64>) -> Cow<'static, str> {
    let text = dialect_of(sql);
    if !dialect::has_known(text) {
        return Cow::Borrowed(text);
    }
    let value = |param: usize| known(param.wrapping_sub(1)).map(|value| value.to_string());
    // What is none stays a word that the server refuses.
    Cow::Owned(dialect::with_known(text, |param| {
        value(param).unwrap_or_else(|| format!("KNOWN(${param})"))
    }))
}

fn dialect_of(sql: &'static str) -> &'static str {
    type Texts = std::collections::HashMap<(usize, usize), &'static str>;
    static TEXTS: RwLock<Option<Texts>> = RwLock::new(None);
    if !dialect::differs(sql) {
        return sql;
    }
    let key = (sql.as_ptr() as usize, sql.len());
    if let Some(texts) = &*TEXTS.read().unwrap_or_else(PoisonError::into_inner)
        && let Some(text) = texts.get(&key)
    {
        return text;
    }
    // There are as many as there are statements in this crate: a closed list.
    let text: &'static str = Box::leak(dialect::postgres(sql).into_boxed_str());
    let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
    texts.get_or_insert_default().insert(key, text);
    text
}

impl Param<'_> {
    fn known(&self) -> Option<i64> {
        match self {
            Param::Int(number) => Some(*number),
            Param::OptInt(number) => *number,
            Param::Text(_) | Param::OptText(_) => None,
        }
    }

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
            Param::Text(text) | Param::OptText(Some(text)) => out.put_slice(without_zero(text).as_bytes()),
            Param::OptInt(None) | Param::OptText(None) => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::INT8 || *kind == Type::TEXT
    }

    to_sql_checked!();
}

/// The text as PostgreSQL takes it, which refuses U+0000. Nothing that is stored holds a control character,
/// so what this makes of it finds nothing, as it should.
pub(super) fn without_zero(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.replace('\0', "\u{1}")),
    }
}
