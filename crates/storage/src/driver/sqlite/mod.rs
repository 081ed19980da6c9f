//! SQLite: one file, one writer thread that commits waiting units of work together, readers on
//! snapshots beside it, checkpoints on a thread of their own.

mod checkpoint;
mod connection;
mod lock;
mod queue;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub(crate) use connection::Connection;
pub(crate) use lock::create_private;
pub(crate) use queue::Weight;
pub(crate) use writer::{Unit, Writer};

use crate::error::{OpenError, StoreError};
use crate::pending::{Keeper, Pending};
use crate::versions::Versions;
use crate::{Settings, migrate};

/// An open SQLite database.
pub(crate) struct Sqlite {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    pub(crate) writer: Writer,
    pub(crate) versions: Arc<Versions>,
    /// What is still to be brought into the index of values, where this process keeps that back.
    pub(crate) pending: Option<Arc<Pending>>,
    lock: Option<lock::ServeLock>,
}

impl Sqlite {
    /// Opens or creates the file, migrates it, and starts the writer. With `serve`, at most one
    /// process can hold the database open this way.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, OpenError> {
        // SQLite reads a name such as `file:x` as more than a name; an absolute path is only a path. And
        // where the path is a link, all of the database's files stand beside the file itself.
        let path = &std::path::absolute(path)
            .map(|path| path.canonicalize().unwrap_or(path))
            .map_err(|e| OpenError(format!("{}: {e}", path.display())))?;
        if !settings.create && !path.exists() {
            return Err(OpenError(format!(
                "{}: there is no such database; guildhall serve or guildhall tenant create makes one",
                path.display()
            )));
        }
        create_private(path)?;
        let lock = settings.serve.then(|| lock::ServeLock::take(path)).transpose()?;
        let mut connection = Connection::open(path, connection::Use::Write)?;
        if !settings.serve {
            connection
                .wait_beside_a_server()
                .map_err(|e| connection::cannot_open(path, &e))?;
        }
        // A server of an older version would go on writing as before, and not into what the migration has made.
        let meanwhile = match settings.serve || !migrate::is_behind(&mut connection, path)? {
            true => None,
            false => Some(lock::ServeLock::take(path).map_err(|e| {
                OpenError(format!(
                    "the database is of an older version, and has to be migrated while nobody serves it: {}",
                    e.0
                ))
            })?),
        };
        migrate::sqlite(&mut connection, path, settings.now_ms)?;
        drop(meanwhile);
        let mut pending = None;
        if settings.serve {
            let keeper = Keeper::read(&mut connection, settings.pending_entries)
                .map_err(|e| OpenError(format!("{}: {e}", path.display())))?;
            pending = Some(keeper.shared());
            connection.keep_back(keeper);
        }
        let versions = Arc::new(Versions::default());
        let writer = Writer::start(connection, path, settings.on_fatal.clone(), Arc::clone(&versions))?;
        Ok(Self {
            path: path.to_owned(),
            readers: Mutex::new(Vec::new()),
            writer,
            versions,
            pending,
            lock,
        })
    }

    /// Whether nobody but this process changes what is kept of entities.
    pub(crate) fn is_the_only_server(&self) -> bool {
        self.lock.is_some()
    }

    /// A connection on a snapshot of its own. It goes back to the pool when dropped.
    pub(crate) fn reader(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let mut reader = self.reader_of_one()?;
        if let Err(error) = reader.connection()?.statement("BEGIN") {
            // It does not go back to the others.
            reader.connection = None;
            return Err(error);
        }
        Ok(reader)
    }

    /// A connection for one statement, which is on a snapshot of its own. It goes back to the pool when dropped.
    pub(crate) fn reader_of_one(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let pooled = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => Connection::open(&self.path, connection::Use::Read)
                .map_err(|e| StoreError::Unavailable(e.0))?,
        };
        Ok(Reader {
            connection: Some(connection),
            pool: Arc::clone(self),
        })
    }
}

/// Long reads at a time: more than there are processors end no sooner.
pub(crate) fn long_reads() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).max(2)
}

/// A reading connection, and its transaction if it has one.
pub(crate) struct Reader {
    connection: Option<Connection>,
    pool: Arc<Sqlite>,
}

impl Reader {
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::Failed("reader used after its end".into()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && (!connection.in_transaction() || connection.statement("ROLLBACK").is_ok())
        {
            self.pool
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}
