//! The processes of a cluster: signals, who is whose child, and the guard that ends a cluster whose
//! test process is no more.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Waits for the end of its standard input, which comes when the test process ends by whatever means; then
/// stops the cluster in the folder `$1` and removes the folder. The word `released` says that nothing is left
/// to do. A cluster may be paused: it goes on first. The id in the file is trusted only while that process has the folder among its arguments. A
/// postmaster that is told to quit kills within 5 s what does not follow.
const GUARD: &str = r#"
trap '' INT TERM HUP QUIT
read -r word && [ "$word" = released ] && exit 0
pid=
[ -r "$1/data/postmaster.pid" ] && read -r pid <"$1/data/postmaster.pid"
ours() { case $(ps -ww -o stat= -o args= -p "$pid") in Z*) false ;; *"$1/data"*) ;; *) false ;; esac; }
if [ -n "$pid" ] && ours "$1"; then
    kill -s QUIT "$pid"
    kill -s CONT "$pid" $(ps -A -o ppid= -o pid= | while read -r parent id; do
        [ "$parent" = "$pid" ] && echo "$id"
    done)
    tries=0
    while ours "$1" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    ours "$1" && kill -s KILL "$pid"
fi
[ -n "${GUILDHALL_KEEP+set}" ] && exit 0
tries=0
until rm -rf "$1" || [ $tries -ge 20 ]; do sleep 0.1; tries=$((tries + 1)); done
"#;

/// The guard of one cluster.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
}

impl Guard {
    pub(super) fn of(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(folder);
        // Its own group: what the terminal sends to the tests does not end their guard. And it holds no
        // pipe open that somebody reads to the end.
        command
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("sh: {error}"));
        Self { child }
    }

    /// The cluster is stopped, and its folder is somebody else's to remove.
    pub(super) fn release(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // An error means that it is gone.
            let _ = stdin.write_all(b"released\n");
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to processes. One that has ended meanwhile is no error.
pub(super) fn signal(name: &str, ids: &[u32]) {
    let mut command = Command::new("kill");
    command.args(["-s", name]).args(ids.iter().map(u32::to_string));
    // "No such process" is not for the reader of a test's output.
    let result = command.stderr(Stdio::null()).status();
    result.unwrap_or_else(|error| panic!("kill: {error}"));
}

/// The processes whose parent this is and which have not ended.
pub(super) fn children(parent: u32) -> Vec<u32> {
    living()
        .into_iter()
        .filter(|process| process.parent == parent)
        .map(|process| process.id)
        .collect()
}

/// Waits until none of the processes is left.
pub(super) fn wait_for_end(ids: &[u32], patience: Duration) -> io::Result<()> {
    let start = Instant::now();
    while living().iter().any(|process| ids.contains(&process.id)) {
        if start.elapsed() > patience {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("still there after {patience:?}: {ids:?}"),
            ));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

struct Running {
    id: u32,
    parent: u32,
}

/// All processes but those that have ended and wait for their parent to notice: an adopted one may wait long.
fn living() -> Vec<Running> {
    let mut ps = Command::new("ps");
    ps.args(["-A", "-o", "pid=", "-o", "ppid=", "-o", "stat="]);
    let output = ps.output().unwrap_or_else(|error| panic!("ps: {error}"));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let ended = words.next()?.starts_with('Z');
            (!ended).then_some(Running { id, parent })
        })
        .collect()
}
