//! Faults of the disk: full, failing, an fsync that fails or is slow, for the files of one folder
//! and the processes that get [`Faults::env`]. A C library (`faults/faults.c`) is compiled once and
//! preloaded; the process under test knows nothing of it. Linux with glibc only.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
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
    control: PathBuf,
    counts: PathBuf,
}

impl Faults {
    /// Faults for all files in `folder`; none yet. Its two files stand there too: `faults.control`
    /// and `faults.counts`.
    pub fn new(folder: &TempFolder) -> Self {
        let faults = Self {
            prefix: folder.path().to_owned(),
            control: folder.join("faults.control"),
            counts: folder.join("faults.counts"),
        };
        fs::write(&faults.counts, [0; 24]).expect("the folder is ours");
        faults.set(Fault::None);
        faults
    }

    /// The environment for a process whose disk this is. Faults set before or after its start count.
    pub fn env(&self) -> Vec<(String, String)> {
        let pair = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        vec![
            pair("LD_PRELOAD", &fault_library()),
            // With the separator: another folder may begin with the same name.
            pair("FAULTS_PREFIX", &self.prefix.join("")),
            pair("FAULTS_CONTROL", &self.control),
            pair("FAULTS_COUNTS", &self.counts),
        ]
    }

    /// From now on the disk is so. Takes effect at the next call of each process.
    pub fn set(&self, fault: Fault) {
        let words = match fault {
            Fault::None => "none".to_owned(),
            Fault::Full => "full".to_owned(),
            Fault::SyncFails => "sync-fails".to_owned(),
            Fault::SlowSync(by) => format!("slow-sync {}", by.as_millis()),
            Fault::IoFails => "io-fails".to_owned(),
        };
        // Renamed into place, so that nobody reads half a word.
        let new = self.control.with_extension("new");
        fs::write(&new, words).expect("the folder is ours");
        fs::rename(&new, &self.control).expect("the folder is ours");
    }

    /// Successful fsyncs and fdatasyncs so far, over all processes and restarts.
    pub fn sync_count(&self) -> u64 {
        self.count(0)
    }

    /// Failed fsyncs and fdatasyncs so far.
    pub fn failed_sync_count(&self) -> u64 {
        self.count(1)
    }

    /// Writes refused so far.
    pub fn failed_write_count(&self) -> u64 {
        self.count(2)
    }

    fn count(&self, index: usize) -> u64 {
        let bytes = fs::read(&self.counts).expect("faults.counts is there as long as the folder");
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
        // `echo` of the shell writes by itself; `mv` puts the new word in place as `set` does.
        let script = "echo one > f && echo two >> f || exit 9
            printf full > c && mv c faults.control
            echo three >> f && exit 8
            printf none > ../$0.c && mv ../$0.c faults.control
            echo four >> f || exit 7";
        let name = folder.path().file_name().unwrap();
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(name)
            .current_dir(&folder)
            .envs(faults.env())
            .output();
        let output = output.unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
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
