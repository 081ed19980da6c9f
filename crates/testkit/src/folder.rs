//! A folder of one test's own, removed when the test ends. When the test panics and the environment
//! has `GUILDHALL_KEEP`, the folder stays and its path is printed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process, thread};

/// A unique folder, under the system's temporary folder unless told otherwise.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
}

impl TempFolder {
    /// Makes the folder. Its name holds the name of the thread, which is the name of the test.
    #[expect(
        clippy::new_without_default,
        reason = "making a folder is an act, not a default value"
    )]
    pub fn new() -> Self {
        Self::inside(&env::temp_dir())
    }

    /// Makes it in a folder that exists, for what must not stand where temporary files are kept in memory.
    pub fn inside(root: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The path of an open file as the kernel tells it has no symbolic links; neither has ours.
        let root = root.to_owned();
        let root = root.canonicalize().unwrap_or(root);
        let test = thread::current()
            .name()
            .unwrap_or("thread")
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let test = &test[test.len().saturating_sub(40)..];
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = root.join(format!("guildhall-{}-{number}-{test}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Self { path },
                // Left over from an earlier process with the same id.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make the folder {}: {error}", path.display()),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside the folder.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl AsRef<Path> for TempFolder {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFolder {
    #[expect(clippy::print_stderr, reason = "the way to say where the kept folder is")]
    fn drop(&mut self) {
        if thread::panicking() && env::var_os("GUILDHALL_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
            return;
        }
        // A process that was just killed may still be writing its last file.
        for _ in 0..20 {
            match fs::remove_dir_all(&self.path) {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(_) => thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
        eprintln!("cannot remove {}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_differ_and_go_away() {
        let (one, two) = (TempFolder::new(), TempFolder::new());
        assert_ne!(one.path(), two.path());
        fs::write(one.join("file"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        assert!(two.path().exists());
    }
}
