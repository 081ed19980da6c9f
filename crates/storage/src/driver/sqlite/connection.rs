//! One SQLite connection: its settings, which are read back and refused when they differ, and
//! statements with their parameters.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use guildhall_domain::TenantId;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags, ToSql, ffi};

use crate::dialect;
use crate::driver::{Param, Rows};
use crate::error::{OpenError, StoreError};
use crate::pending::Keeper;
use crate::versions::Touched;

/// What a connection is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_millis(5_000);
/// How long a command waits for a busy server, looking every millisecond: between two commits of a
/// server under load there is a gap of some microseconds only, and SQLite's own way of waiting looks
/// every tenth of a second.
const BUSY_LOOKS_MAX: i32 = 30_000;
const BUSY_LOOK_EVERY: Duration = Duration::from_millis(1);
/// Statements kept prepared on a connection: more than the storage room has.
const STATEMENTS_CACHED: usize = 256;

/// A connection and the statements in its dialect.
pub(crate) struct Connection {
    inner: rusqlite::Connection,
    /// Translated statements, by address and length of the text they come from: texts are `'static`.
    texts: HashMap<(usize, usize), Box<str>>,
    broken: Option<StoreError>,
    /// Whether it waits as one beside a server must.
    is_beside_a_server: bool,
    /// What was changed since it was last asked for.
    touched: Vec<(TenantId, Touched)>,
    /// Whether it was said what the next statement changes.
    is_touch_said: bool,
    /// Where entries of the index of values are kept back: on the connection of the only server's writer.
    keeper: Option<Keeper>,
    /// Statements run so far.
    #[cfg(test)]
    runs: usize,
}

impl Connection {
    pub(crate) fn open(path: &Path, purpose: Use) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<rusqlite::Connection> {
            let inner = rusqlite::Connection::open_with_flags(path, flags)?;
            inner.busy_timeout(BUSY_TIMEOUT)?;
            inner.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
            inner.pragma_update(None, "journal_mode", "wal")?;
            inner.pragma_update(None, "synchronous", "full")?;
            inner.pragma_update(None, "foreign_keys", true)?;
            inner.pragma_update(None, "trusted_schema", false)?;
            inner.pragma_update(None, "cell_size_check", true)?;
            inner.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
            inner.pragma_update(None, "wal_autocheckpoint", 0)?;
            inner.pragma_update(None, "cache_size", -16_000)?;
            inner.pragma_update(None, "temp_store", "memory")?;
            inner.pragma_update(None, "query_only", purpose == Use::Read)?;
            // Plans do not depend on the values that are bound. Else SQLite prepares a join anew each time that
            // other values are, which was a third of the work of reading a profile.
            inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            Ok(inner)
        };
        let inner = open().map_err(|e| cannot_open(path, &e))?;
        let connection = Self {
            inner,
            texts: HashMap::new(),
            broken: None,
            is_beside_a_server: false,
            touched: Vec::new(),
            is_touch_said: false,
            keeper: None,
            #[cfg(test)]
            runs: 0,
        };
        connection.check_settings(path)?;
        Ok(connection)
    }

    /// Waits for the lock as one beside a server must: longer, and with more looks.
    pub(crate) fn wait_beside_a_server(&mut self) -> rusqlite::Result<()> {
        self.is_beside_a_server = true;
        self.inner.busy_handler(Some(|looks| {
            std::thread::sleep(BUSY_LOOK_EVERY);
            looks < BUSY_LOOKS_MAX
        }))
    }

    /// Does something while locks are waited for no longer than this.
    pub(super) fn with_patience<T>(
        &mut self,
        patience: Duration,
        op: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.busy_timeout(patience).map_err(|e| store_error(&e))?;
        let result = op(self);
        let restored = match self.is_beside_a_server {
            true => self.wait_beside_a_server(),
            false => self.inner.busy_timeout(BUSY_TIMEOUT),
        };
        restored.map_err(|e| store_error(&e))?;
        result
    }

    /// A database that silently refused a setting would break a promise later: refuse it now.
    fn check_settings(&self, path: &Path) -> Result<(), OpenError> {
        const WANTED: [(&str, &str); 7] = [
            ("journal_mode", "wal"),
            ("synchronous", "2"),
            ("foreign_keys", "1"),
            ("trusted_schema", "0"),
            ("cell_size_check", "1"),
            ("journal_size_limit", "67108864"),
            ("wal_autocheckpoint", "0"),
        ];
        for (name, wanted) in WANTED {
            let found = self
                .inner
                .pragma_query_value(None, name, |row| row.get::<_, Value>(0))
                .map_err(|e| cannot_open(path, &e))?;
            let found = match found {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                other => format!("{other:?}"),
            };
            if found != wanted {
                return Err(OpenError(format!(
                    "{}: SQLite keeps {name} = {found}, and Guildhall needs {wanted}. Is the file on a \
                     network or read-only file system?",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn inner(&mut self) -> &mut rusqlite::Connection {
        &mut self.inner
    }

    /// Every statement that was run, as SQLite reads it.
    #[cfg(test)]
    pub(super) fn statements(&self) -> impl Iterator<Item = &str> {
        self.texts.values().map(AsRef::as_ref)
    }

    /// How many statements were run.
    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs
    }

    /// Whether a transaction is open. SQLite itself ends one after some errors.
    pub(crate) fn in_transaction(&self) -> bool {
        !self.inner.is_autocommit()
    }

    /// Rows changed since the connection was opened.
    pub(crate) fn changes_so_far(&self) -> u64 {
        self.inner.total_changes()
    }

    /// The failure of the disk that this connection has met, if it has met one.
    pub(crate) fn broken(&self) -> Option<&StoreError> {
        self.broken.as_ref()
    }

    /// Says what the next statement changes; without this, one that changes anything is refused.
    pub(crate) fn touch(&mut self, tenant: TenantId, touched: Touched) {
        self.is_touch_said = true;
        if touched != Touched::Nothing && self.touched.last() != Some(&(tenant, touched)) {
            self.touched.push((tenant, touched));
        }
    }

    /// From now on entries of the index of values are kept back.
    pub(crate) fn keep_back(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
    }

    /// What keeps entries of the index of values back, if they are.
    pub(crate) fn keeper(&mut self) -> Option<&mut Keeper> {
        self.keeper.as_mut()
    }

    /// What was changed, or was to be changed, since this was last asked.
    pub(super) fn take_touched(&mut self) -> Vec<(TenantId, Touched)> {
        std::mem::take(&mut self.touched)
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::Broken(_)) = &result {
            self.broken = Some(error.clone());
        }
        result
    }

    /// Runs a statement without parameters: the words of transactions.
    pub(crate) fn statement(&mut self, sql: &str) -> Result<(), StoreError> {
        let run = || -> rusqlite::Result<()> {
            self.inner.prepare_cached(sql)?.execute([])?;
            Ok(())
        };
        let result = run().map_err(|e| store_error(&e));
        self.note(result)
    }

    pub(crate) fn fetch<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut run = || {
            let mut statement = self.prepare(sql, params)?;
            let mut rows = statement.raw_query();
            let mut out = Vec::new();
            while let Some(row) = rows.next().map_err(|e| store_error(&e))? {
                out.push(read(row)?);
            }
            Ok(out)
        };
        let result = run();
        self.note(result)
    }

    /// Runs a statement that changes something once for each of these rows of parameters. What stays as it was in the row
    /// before stays bound.
    pub(crate) fn execute_each<'p, const N: usize>(
        &mut self,
        sql: &'static str,
        rows: impl Iterator<Item = [Param<'p>; N]>,
    ) -> Result<(), StoreError> {
        let run = || {
            let mut statement = self.prepare(sql, &[])?;
            let mut last = None;
            for row in rows {
                let last = last.replace(row);
                for (index, param) in row.iter().enumerate() {
                    if last.is_some_and(|last| last[index] == *param) {
                        continue;
                    }
                    statement
                        .raw_bind_parameter(index + 1, param)
                        .map_err(|e| store_error(&e))?;
                }
                statement.raw_execute().map_err(|e| store_error(&e))?;
            }
            Ok(())
        };
        let result = run();
        self.note(result)
    }

    /// Runs a statement over `EACH_BOUND` for each of these rows; the places of those that it wrote.
    pub(crate) fn write_each(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        of: &Rows<'_>,
    ) -> Result<Vec<usize>, StoreError> {
        let mut run = || {
            let mut statement = self.prepare(sql, params)?;
            let members = dialect::members(sql);
            let place = |name: &&str| match members.iter().position(|member| member == name) {
                Some(place) => Ok(dialect::MEMBERS_FROM + place),
                None => Err(StoreError::Failed(format!("no member {name} in: {sql}"))),
            };
            let places = of.names().iter().map(place).collect::<Result<Vec<_>, _>>()?;
            let mut written = Vec::new();
            for (index, row) in of.iter().enumerate() {
                for (place, param) in places.iter().zip(row) {
                    statement
                        .raw_bind_parameter(*place, param)
                        .map_err(|e| store_error(&e))?;
                }
                if statement.raw_execute().map_err(|e| store_error(&e))? > 0 {
                    written.push(index);
                }
            }
            Ok(written)
        };
        let result = run();
        self.note(result)
    }

    pub(crate) fn fetch_optional<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut run = || {
            let mut statement = self.prepare(sql, params)?;
            let mut rows = statement.raw_query();
            match rows.next().map_err(|e| store_error(&e))? {
                Some(row) => read(row).map(Some),
                None => Ok(None),
            }
        };
        let result = run();
        self.note(result)
    }

    pub(crate) fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let mut run = || {
            let mut statement = self.prepare(sql, params)?;
            let changed = statement.raw_execute().map_err(|e| store_error(&e))?;
            Ok(changed as u64)
        };
        let result = run();
        self.note(result)
    }

    fn prepare(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<CachedStatement<'_>, StoreError> {
        let is_touch_said = std::mem::take(&mut self.is_touch_said);
        #[cfg(test)]
        {
            self.runs += 1;
        }
        let Self { inner, texts, .. } = self;
        let text = texts
            .entry((sql.as_ptr() as usize, sql.len()))
            .or_insert_with(|| dialect::sqlite(sql).into());
        let mut statement = inner.prepare_cached(text).map_err(|e| store_error(&e))?;
        if !is_touch_said && !statement.readonly() {
            return Err(StoreError::Failed(format!(
                "nobody said what this statement changes: {sql}"
            )));
        }
        for (index, param) in params.iter().enumerate() {
            statement
                .raw_bind_parameter(index + 1, param)
                .map_err(|e| store_error(&e))?;
        }
        Ok(statement)
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Param::Int(number) | Param::OptInt(Some(number)) => ValueRef::Integer(*number),
            Param::Text(text) | Param::OptText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Param::OptInt(None) | Param::OptText(None) => ValueRef::Null,
        }))
    }
}

pub(crate) fn cannot_open(path: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError(format!("{}: cannot open the database: {error}", path.display()))
}

/// Sorts SQLite's errors into ours. The texts go to the log only.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let Some(code) = error.sqlite_error() else {
        return StoreError::Failed(error.to_string());
    };
    match code.code {
        ErrorCode::DiskFull => StoreError::Full,
        // Growing the shared-memory file is refused this way when the disk is full.
        ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full,
        ErrorCode::SystemIoFailure => StoreError::Broken(error.to_string()),
        ErrorCode::ConstraintViolation => StoreError::Conflict {
            constraint: error.to_string(),
        },
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::OutOfMemory => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}
