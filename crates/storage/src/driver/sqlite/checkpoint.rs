//! Moves what was committed from the write-ahead file into the database, on a thread of its own, so
//! that no commit waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::connection::{Connection, Use, store_error};
use crate::OnFatal;
use crate::error::{OpenError, StoreError};

/// Bytes of write-ahead file from which a checkpoint runs beside the writer.
const PASSIVE_FROM: u64 = 4 * 1024 * 1024;
/// Bytes from which the writer itself checkpoints: a steady stream of commits never lets the thread
/// catch up entirely, and only a complete checkpoint lets the file start again from its beginning.
const INLINE_FROM: u64 = 64 * 1024 * 1024;
/// Commits between two looks at the size of the file.
const LOOK_EVERY: u32 = 16;

pub(super) struct Checkpointer {
    wal: PathBuf,
    wake: Option<SyncSender<()>>,
    commits: u32,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Checkpointer {
    /// Waits for the thread, so that the last connection closes when the store does: SQLite then
    /// moves what is left into the database and removes the write-ahead file.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was logged where it happened.
            let _ended = thread.join();
        }
    }
}

impl Checkpointer {
    pub(super) fn start(path: &Path, broken: Arc<AtomicBool>, on_fatal: OnFatal) -> Result<Self, OpenError> {
        let connection = Connection::open(path, Use::Write)?;
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(connection, &woken, &broken, &on_fatal))
            .map_err(|e| OpenError(format!("cannot start the checkpoint thread: {e}")))?;
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Ok(Self {
            wal: wal.into(),
            wake: Some(wake),
            commits: 0,
            thread: Some(thread),
        })
    }

    /// Called by the writer after each commit.
    pub(super) fn committed(&mut self, writer: &mut Connection) {
        self.commits += 1;
        if self.commits < LOOK_EVERY {
            return;
        }
        self.commits = 0;
        let bytes = std::fs::metadata(&self.wal).map_or(0, |m| m.len());
        if bytes >= PASSIVE_FROM
            && let Some(wake) = &self.wake
        {
            // A full channel means that the thread is already awake.
            let _already_awake = wake.try_send(());
        }
        if bytes >= INLINE_FROM
            && let Err(error) = checkpoint(writer)
        {
            tracing::warn!(%error, "a checkpoint failed; the next one tries again");
        }
    }
}

fn run(mut connection: Connection, woken: &Receiver<()>, broken: &AtomicBool, on_fatal: &OnFatal) {
    while woken.recv().is_ok() {
        if broken.load(Ordering::Acquire) {
            break;
        }
        match checkpoint(&mut connection) {
            Ok(()) => {}
            Err(StoreError::Broken(why)) => {
                broken.store(true, Ordering::Release);
                on_fatal(&why);
                break;
            }
            Err(error) => tracing::warn!(%error, "a checkpoint failed; the next one tries again"),
        }
    }
    if broken.load(Ordering::Acquire) {
        // Closing in order would sync again.
        std::mem::forget(connection);
    }
}

fn checkpoint(connection: &mut Connection) -> Result<(), StoreError> {
    connection
        .inner()
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .map_err(|e| store_error(&e))
}
