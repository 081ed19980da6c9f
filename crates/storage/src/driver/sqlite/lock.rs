//! Files for their owner alone, and the lock that keeps a second `serve` off a database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// Creates the database file with mode 0600 when it is missing, before SQLite would create it with
/// whatever the umask says; SQLite gives its other files the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| OpenError(format!("{}: cannot open the database: {e}", path.display())))?;
    let metadata = file
        .metadata()
        .map_err(|e| OpenError(format!("{}: cannot open the database: {e}", path.display())))?;
    if metadata.nlink() > 1 {
        return Err(OpenError(format!(
            "{}: the file has another name (a hard link), under which SQLite would keep a write-ahead file of its \
             own, and writes would be lost. Remove the other name.",
            path.display()
        )));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            mode = format!("{mode:03o}"),
            "the database file can be read by others than its owner: chmod 600 it"
        );
    }
    Ok(())
}

/// Held while a `serve` runs: a lock on the database file itself, so that no other name of the file
/// leads around it. The operating system lets go of it when the process ends, however it ends. SQLite's
/// own locks are of another kind and do not meet it.
pub(super) struct ServeLock {
    file: File,
}

impl Drop for ServeLock {
    /// Lets go of the lock itself, not only of our descriptor: a child that this process is just starting
    /// has a copy of it until it becomes its program, and with it the lock.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "cannot let go of the database's lock before its file is closed");
        }
    }
}

impl ServeLock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let cannot = |e: std::io::Error| OpenError(format!("{}: cannot lock: {e}", database.display()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(database)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let noted = std::fs::read_to_string(holder_path(database)).unwrap_or_default();
                let holder = match noted.trim() {
                    "" => "unknown",
                    holder => holder,
                };
                return Err(OpenError(format!(
                    "{}: another guildhall serve (process {}) has this database open. One server runs on \
                     an SQLite file at a time; stop that one first.",
                    database.display(),
                    holder
                )));
            }
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        // The lock is what counts: on a full disk a server starts without the note, and serves reads.
        if let Err(error) = tell_holder(database) {
            tracing::warn!(%error, "cannot note beside the database which process serves it");
        }
        Ok(Self { file })
    }
}

/// Writes who serves the database beside it: for people, and for the refusal of a second server.
fn tell_holder(database: &Path) -> std::io::Result<()> {
    let path = holder_path(database);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    write!(file, "{}", std::process::id())
}

fn holder_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use guildhall_testkit::TempFolder;

    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let folder = TempFolder::new();
        let database = folder.join("guildhall.db");
        create_private(&database).unwrap();
        let lock = ServeLock::take(&database).unwrap();
        assert!(ServeLock::take(&database).is_err(), "held");
        let _copy = lock.file.try_clone().unwrap();
        drop(lock);
        assert!(ServeLock::take(&database).is_ok(), "let go, whoever has a copy");
    }
}
