//! Files for their owner alone, and the lock that keeps a second `serve` off a database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
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
    let mode = file.metadata().map_or(0o600, |m| m.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        tracing::warn!(
            mode = format!("{mode:03o}"),
            "the database file can be read by others than its owner: chmod 600 it"
        );
    }
    Ok(())
}

/// Held while a `serve` runs. The operating system lets go of it when the process ends, however it ends.
pub(super) struct ServeLock {
    _file: File,
}

impl ServeLock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let cannot = |e: std::io::Error| OpenError(format!("{}: cannot lock: {e}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unknown_is_fine = file.read_to_string(&mut holder);
                return Err(OpenError(format!(
                    "{}: another guildhall serve (process {}) has this database open. One server runs on \
                     an SQLite file at a time; stop that one first.",
                    database.display(),
                    holder.trim()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        let write = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(cannot)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
