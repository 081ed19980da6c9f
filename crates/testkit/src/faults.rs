//! Faults of the disk: full, failing, an fsync that fails or is slow, for the files of one folder
//! and the processes that get [`Faults::env`]. A C library (`faults/faults.c`) is compiled once and
//! preloaded; the process under test knows nothing of it. Linux with glibc only.

use std::collections::hash_map::DefaultHasher;
use std::fs::OpenOptions;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use crate::TempFolder;

const SOURCE: &str = include_str!("../faults/faults.c");
const FLAGS: [&str; 6] = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-U_FORTIFY_SOURCE"];

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Writes fail: no space left. Files may still become shorter.
    Full,
    /// fsync and fdatasync fail with an I/O error.
    SyncFails,
    /// Each fsync and fdatasync takes so much longer.
    SlowSync(Duration),
    /// Writes fail with an I/O error.
    IoFails,
}

/// Control over the faults of one folder.
#[derive(Debug)]
pub struct Faults {
    prefix: PathBuf,
    state: PathBuf,
}

impl Faults {
    /// Faults for all files in `folder`; none yet. Its file stands there too: `faults.state`.
    pub fn new(folder: &TempFolder) -> Self {
        let faults = Self {
            prefix: folder.path().to_owned(),
            state: folder.join("faults.state"),
        };
        fs::write(&faults.state, [0; 32]).expect("the folder is ours");
        faults
    }

    /// The environment for a process whose disk this is. Faults set before or after its start count.
    pub fn env(&self) -> Vec<(String, String)> {
        let pair = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        vec![
            pair("LD_PRELOAD", &fault_library()),
            // With the separator: another folder may begin with the same name.
            pair("FAULTS_PREFIX", &self.prefix.join("")),
            pair("FAULTS_STATE", &self.state),
        ]
    }

    /// From now on the disk is so. Takes effect at the next call of each process.
    pub fn set(&self, fault: Fault) {
        let number = match fault {
            Fault::None => 0,
            Fault::Full => 1,
            Fault::IoFails => 2,
            Fault::SyncFails => 3,
            Fault::SlowSync(by) => {
                let milliseconds = u64::try_from(by.as_millis()).expect("nobody waits so long");
                (milliseconds << 8) | 4
            }
        };
        // In place, since it is mapped, and at once, so that nobody reads a half.
        let state = OpenOptions::new().write(true).open(&self.state);
        let written = state.and_then(|state| state.write_all_at(&number.to_ne_bytes(), 0));
        written.expect("the folder is ours");
    }

    /// Successful fsyncs and fdatasyncs so far, over all processes and restarts.
    pub fn sync_count(&self) -> u64 {
        self.count(1)
    }

    /// Failed fsyncs and fdatasyncs so far.
    pub fn failed_sync_count(&self) -> u64 {
        self.count(2)
    }

    /// Writes refused so far.
    pub fn failed_write_count(&self) -> u64 {
        self.count(3)
    }

    fn count(&self, index: usize) -> u64 {
        let bytes = fs::read(&self.state).expect("faults.state is there as long as the folder");
        let (numbers, _) = bytes.as_chunks::<8>();
        u64::from_ne_bytes(numbers[index])
    }
}

/// The compiled library, beside the test's own executable (a place only this user writes to), named
/// by its content: compiled once, and again when the source changes.
pub fn fault_library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(compile).clone()
}

fn compile() -> PathBuf {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        panic!("disk faults need Linux with glibc");
    }
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut hasher = DefaultHasher::new();
    (SOURCE, FLAGS, env::consts::ARCH, &compiler).hash(&mut hasher);
    let executable = env::current_exe().expect("a test has an executable");
    let folder = executable.parent().expect("an executable is in a folder");
    let library = folder.join(format!("libguildhall-faults-{:016x}.so", hasher.finish()));
    if library.exists() {
        return library;
    }
    // Other test processes may be doing the same: each its own file, and the last rename wins.
    let source = library.with_extension(format!("{}.c", process::id()));
    let unfinished = library.with_extension(format!("{}.so", process::id()));
    fs::write(&source, SOURCE).expect("the folder of the test's executable can be written to");
    let output = Command::new(&compiler)
        .args(FLAGS)
        .arg("-o")
        .args([&unfinished, &source])
        .arg("-ldl")
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run {compiler} ({error}); install a C compiler: apt-get install gcc libc6-dev")
        });
    assert!(
        output.status.success(),
        "{compiler} cannot compile faults.c; install a C compiler: apt-get install gcc libc6-dev\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let _ = fs::remove_file(source);
    fs::rename(&unfinished, &library).expect("both are in the same folder");
    library
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    use std::time::Instant;

    use super::*;

    /// Writes a kilobyte to `name` in the folder and fsyncs it.
    fn write_and_sync(folder: &TempFolder, faults: &Faults, name: &str) -> process::Output {
        Command::new("dd")
            .args(["if=/dev/zero", "bs=1024", "count=1", "conv=fsync"])
            .arg(format!("of={}", folder.join(name).display()))
            .env("LC_ALL", "C")
            .envs(faults.env())
            .output()
            .unwrap()
    }

    fn failures(faults: &Faults) -> [u64; 2] {
        [faults.failed_sync_count(), faults.failed_write_count()]
    }

    #[test]
    fn each_fault_is_felt_and_counted() {
        let folder = TempFolder::new();
        let faults = Faults::new(&folder);
        assert!(write_and_sync(&folder, &faults, "a").status.success());
        assert_eq!((faults.sync_count(), failures(&faults)), (1, [0, 0]));
        assert_eq!(fs::metadata(folder.join("a")).unwrap().len(), 1_024);

        for (fault, words, expected) in [
            (Fault::Full, "No space left on device", [0, 1]),
            (Fault::IoFails, "Input/output error", [0, 2]),
            (Fault::SyncFails, "Input/output error", [1, 2]),
        ] {
            faults.set(fault);
            let output = write_and_sync(&folder, &faults, "b");
            assert!(!output.status.success(), "{fault:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(words), "{fault:?}: {said}");
            assert_eq!(failures(&faults), expected, "{fault:?}");
        }

        faults.set(Fault::SlowSync(Duration::from_millis(300)));
        let (start, before) = (Instant::now(), faults.sync_count());
        assert!(write_and_sync(&folder, &faults, "b").status.success());
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!((faults.sync_count(), failures(&faults)), (before + 1, [1, 2]));
    }

    #[test]
    fn a_running_process_feels_the_change() {
        let folder = TempFolder::new();
        let faults = Faults::new(&folder);
        // `echo` of the shell writes by itself. After each write the shell says how it went, and waits for us.
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "while read word; do echo $word >> f && echo yes || echo no; done",
            ])
            .current_dir(&folder)
            .envs(faults.env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to_do = shell.stdin.take().unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap()).lines();
        let mut write = |word: &str| {
            writeln!(to_do, "{word}").unwrap();
            said.next().unwrap().unwrap()
        };
        assert_eq!([write("one"), write("two")], ["yes", "yes"]);
        faults.set(Fault::Full);
        assert_eq!(write("three"), "no");
        faults.set(Fault::None);
        assert_eq!(write("four"), "yes");
        drop(to_do);
        assert!(shell.wait().unwrap().success());
        assert_eq!(fs::read_to_string(folder.join("f")).unwrap(), "one\ntwo\nfour\n");
        assert_eq!(faults.failed_write_count(), 1);
    }

    #[test]
    fn a_full_disk_lets_files_shrink_and_other_folders_be() {
        let (folder, other) = (TempFolder::new(), TempFolder::new());
        let faults = Faults::new(&folder);
        fs::write(folder.join("f"), "0123456789").unwrap();
        faults.set(Fault::Full);
        let truncate = |size: &str, path: PathBuf| {
            Command::new("truncate")
                .args(["-s", size])
                .arg(path)
                .envs(faults.env())
                .output()
                .unwrap()
                .status
                .success()
        };
        assert!(truncate("4", folder.join("f")));
        assert!(!truncate("20", folder.join("f")));
        assert!(truncate("20", other.join("f")));
        assert_eq!(fs::metadata(folder.join("f")).unwrap().len(), 4);
    }
}
