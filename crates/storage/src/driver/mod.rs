//! Below the statements: connecting, beginning, executing, fetching, committing. The only `match`
//! on the database stands here. SQLite never pends, so its futures are ready at their first poll.

mod lines;
pub(crate) mod postgres;
pub(crate) mod sqlite;
pub(crate) mod turns;

use guildhall_domain::{FieldId, TenantId};
use serde::{Serialize, Serializer};

use crate::error::StoreError;
use crate::pending::{Change, Entry, Hold, Place};
use crate::versions::Touched;

/// A parameter of a statement. `$1` is always the tenant in a tenant's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param<'a> {
    Int(i64),
    OptInt(Option<i64>),
    Text(&'a str),
    OptText(Option<&'a str>),
}

impl From<i64> for Param<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Option<i64>> for Param<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::OptInt(value)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<Option<&'a str>> for Param<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::OptText(value)
    }
}

/// Rows that a statement takes by `EACH_BOUND`.
pub(crate) struct Rows<'a> {
    names: &'static [&'static str],
    values: Vec<Param<'a>>,
}

impl<'a> Rows<'a> {
    /// None yet; each will have these members.
    pub(crate) fn of(names: &'static [&'static str]) -> Self {
        Self {
            names,
            values: Vec::new(),
        }
    }

    /// One more, with its members in the order of their names.
    pub(crate) fn push<const N: usize>(&mut self, row: [Param<'a>; N]) {
        debug_assert_eq!(N, self.names.len());
        self.values.extend(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn names(&self) -> &'static [&'static str] {
        self.names
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Param<'a>]> {
        self.values.chunks(self.names.len().max(1))
    }

    /// As one parameter: a JSON array of objects.
    fn to_json(&self) -> Result<String, StoreError> {
        struct Members<'r, 'a>(&'r [&'static str], &'r [Param<'a>]);

        impl Serialize for Members<'_, '_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().zip(self.1))
            }
        }

        let rows: Vec<_> = self.iter().map(|row| Members(self.names, row)).collect();
        serde_json::to_string(&rows).map_err(|e| StoreError::Failed(e.to_string()))
    }
}

impl Serialize for Param<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Param::Int(number) => number.serialize(serializer),
            Param::OptInt(number) => number.serialize(serializer),
            Param::Text(text) => text.serialize(serializer),
            Param::OptText(text) => text.serialize(serializer),
        }
    }
}

/// One row of an answer. Columns count from 0, in the order of the statement.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|e| unreadable(column, &e)),
            Row::Postgres(row) => row.try_get(column).map_err(|e| unreadable(column, &e)),
        }
    }

    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|e| unreadable(column, &e)),
            Row::Postgres(row) => row.try_get(column).map_err(|e| unreadable(column, &e)),
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|e| unreadable(column, &e)),
            Row::Postgres(row) => row.try_get(column).map_err(|e| unreadable(column, &e)),
        }
    }

    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(|e| unreadable(column, &e)),
            Row::Postgres(row) => row.try_get(column).map_err(|e| unreadable(column, &e)),
        }
    }
}

fn unreadable(column: usize, error: &dyn std::error::Error) -> StoreError {
    StoreError::inconsistent(format!("column {column}: {error}"))
}

/// What of a tenant is locked apart from the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A connector's connection, by its number.
    Connection(i64),
    /// The tasks that are submitted.
    Tasks,
    /// A chunk of a task, by a number that is less than 0.
    Chunk(i64),
}

impl Part {
    fn number(self) -> i64 {
        match self {
            // Connections count from 1.
            Self::Tasks => 0,
            Self::Connection(number) | Self::Chunk(number) => number,
        }
    }
}

/// How a tenant is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Against everybody else who locks it.
    Alone,
    /// Against those who lock it alone.
    Shared,
}

/// A question, and what becomes of each row of its answer.
pub(crate) struct Ask<'a> {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Param<'a>>,
    pub(crate) read: Read<'a>,
}

/// What becomes of a row.
type Read<'a> = Box<dyn FnMut(&Row<'_>) -> Result<(), StoreError> + Send + 'a>;

impl<'a> Ask<'a> {
    pub(crate) fn new<const N: usize>(
        sql: &'static str,
        params: [Param<'a>; N],
        read: impl FnMut(&Row<'_>) -> Result<(), StoreError> + Send + 'a,
    ) -> Self {
        Self {
            sql,
            params: params.into(),
            read: Box::new(read),
        }
    }
}

/// A connection inside a transaction.
pub(crate) enum Session<'c> {
    Sqlite(&'c mut sqlite::Connection),
    Postgres(&'c mut postgres::Connection),
}

impl Session<'_> {
    /// Whether nobody else can change what this transaction reads, from its first statement on.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Session::Sqlite(_))
    }

    /// The same session, lent once more.
    pub(crate) fn again(&mut self) -> Session<'_> {
        match self {
            Session::Sqlite(connection) => Session::Sqlite(connection),
            Session::Postgres(connection) => Session::Postgres(connection),
        }
    }

    /// Notes what the transaction is about to change.
    pub(crate) fn touch(&mut self, tenant: TenantId, touched: Touched) {
        match self {
            Session::Sqlite(connection) => connection.touch(tenant, touched),
            Session::Postgres(connection) => connection.touch(tenant, touched),
        }
    }

    /// Notes a change of an entry of the index of values, where entries are kept back; `false` where they are to be
    /// written at once.
    pub(crate) fn note_entry(&mut self, change: impl FnOnce() -> Change) -> bool {
        let keeper = match self {
            Session::Sqlite(connection) => connection.keeper(),
            Session::Postgres(_) => None,
        };
        keeper.map(|keeper| keeper.note(change())).is_some()
    }

    /// Whether entries of a field are pending; if so, much of what is pending is brought in with this transaction.
    pub(crate) fn hurry_entries_of(&mut self, tenant: TenantId, field: FieldId) -> bool {
        match self {
            Session::Sqlite(connection) => connection.hurry_entries_of(tenant, field),
            Session::Postgres(_) => false,
        }
    }

    /// Whether names of organizations have an index of their own.
    pub(crate) fn has_name_index(&self) -> bool {
        matches!(self, Session::Sqlite(_))
    }

    /// What is pending for the writer itself: what was decided before this transaction, and in it.
    pub(crate) fn own_pending(&mut self, place: Place) -> Option<(Hold, impl Iterator<Item = &Entry>)> {
        match self {
            Session::Sqlite(connection) => {
                let keeper = connection.keeper()?;
                Some((keeper.shared().hold(), keeper.noted_of(place)))
            }
            Session::Postgres(_) => None,
        }
    }

    /// Every row of the answer, read one by one.
    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Session::Sqlite(connection) => connection.fetch(sql, params, |row| read(&Row::Sqlite(row))),
            Session::Postgres(connection) => connection
                .fetch(sql, params)
                .await?
                .iter()
                .map(|row| read(&Row::Postgres(row)))
                .collect(),
        }
    }

    /// Runs a statement over `EACH_BOUND`, whose rows stand between its other parameters; the places of those
    /// that it wrote. `place` says which one it is of a row that the statement returns: PostgreSQL does.
    pub(crate) async fn write_each(
        &mut self,
        sql: &'static str,
        (before, rows, after): (&[Param<'_>], &Rows<'_>, &[Param<'_>]),
        place: impl FnMut(&Row<'_>) -> Result<usize, StoreError>,
    ) -> Result<Vec<usize>, StoreError> {
        let json = match self {
            Session::Sqlite(_) => String::new(),
            Session::Postgres(_) => rows.to_json()?,
        };
        let params = [before, &[Param::Text(&json)], after].concat();
        match self {
            Session::Sqlite(connection) => connection.write_each(sql, &params, rows),
            Session::Postgres(_) => self.fetch(sql, &params, place).await,
        }
    }

    /// The first row of the answer, if there is one.
    pub(crate) async fn fetch_optional<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Session::Sqlite(connection) => {
                connection.fetch_optional(sql, params, |row| read(&Row::Sqlite(row)))
            }
            Session::Postgres(connection) => {
                let rows = connection.fetch(sql, params).await?;
                rows.first().map(|row| read(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// Several questions, independent of each other: on PostgreSQL in one round trip.
    pub(crate) async fn fetch_all(&mut self, asks: &mut [Ask<'_>]) -> Result<(), StoreError> {
        match self {
            Session::Sqlite(connection) => {
                for ask in asks {
                    connection.fetch(ask.sql, &ask.params, |row| (ask.read)(&Row::Sqlite(row)))?;
                }
            }
            Session::Postgres(connection) => {
                let sent: Vec<_> = asks.iter().map(|ask| (ask.sql, &*ask.params)).collect();
                let answers = connection.fetch_all(&sent).await?;
                for (ask, rows) in asks.iter_mut().zip(answers) {
                    for row in &rows {
                        (ask.read)(&Row::Postgres(row))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A write whose answer is not waited for: on PostgreSQL it is sent with what follows, and fails there.
    /// With `one` it must change one row.
    pub(crate) async fn execute_later(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        one: bool,
    ) -> Result<(), StoreError> {
        match self {
            Session::Sqlite(connection) => match connection.execute(sql, params)? {
                rows if one && rows != 1 => Err(StoreError::inconsistent(format!(
                    "{rows} rows changed instead of one by: {sql}"
                ))),
                _ => Ok(()),
            },
            Session::Postgres(connection) => connection.execute_later(sql, params, one).await,
        }
    }

    /// Locks a tenant until the end of the transaction. SQLite has one writer, which is alone.
    pub(crate) async fn lock(&mut self, tenant: i64, lock: Lock) -> Result<(), StoreError> {
        match self {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(connection) => connection.lock(tenant, lock).await,
        }
    }

    /// Locks a part of a tenant, likewise.
    pub(crate) async fn lock_part(&mut self, tenant: i64, part: Part, lock: Lock) -> Result<(), StoreError> {
        match self {
            Session::Sqlite(_) => Ok(()),
            Session::Postgres(connection) => connection.lock_part(tenant, part, lock).await,
        }
    }

    /// How many rows the statement changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        match self {
            Session::Sqlite(connection) => connection.execute(sql, params),
            Session::Postgres(connection) => connection.execute(sql, params).await,
        }
    }
}
