//! The real binary as a child process: start it on a free port, talk to it, stop it or kill it, and
//! read what it said. The caller names the binary: `Path::new(env!("CARGO_BIN_EXE_guildhall"))`.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::{Client, Faults};

/// What `serve` prints when it accepts connections; the address follows.
const LISTENING: &str = "guildhall listening on http://";
/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long an end may take. A stop takes 10 s at most (docs/operations.md): tests assert on the time
/// that they get.
const END_PATIENCE: Duration = Duration::from_secs(30);
/// How long a command may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(120);

/// How a server is started: where its database is, and what is added to its arguments and environment.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    database: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl ServerOptions {
    /// The SQLite database `guildhall.db` in `folder`. The folder is the caller's, so that a server can be
    /// started again on what an earlier one left.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        let database = format!("sqlite:{}", folder.as_ref().join("guildhall.db").display());
        Self {
            database,
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Another database, for example `postgres://...`.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = url.into();
        self
    }

    /// One more argument of `serve`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// One more variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With faults of the disk.
    #[must_use]
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.env.extend(faults.env());
        self
    }

    /// The database's URL, for commands beside the server.
    pub fn database_url(&self) -> &str {
        &self.database
    }
}

/// How a server ended, and how long that took from the signal on.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// From the signal (or the call of `wait`) to the end.
    pub took: Duration,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: Process,
    addr: SocketAddr,
}

impl Server {
    /// Starts `guildhall serve` on a free port and waits until it accepts connections. The error of a
    /// server that does not get there holds all that it said.
    pub fn start(binary: &Path, options: &ServerOptions) -> io::Result<Self> {
        let mut command = clean_command(binary);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            &options.database,
        ]);
        command
            .args(&options.args)
            .envs(options.env.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(&mut command)?;
        let found = process.stderr.wait_for(START_PATIENCE, |text| {
            text.split_inclusive('\n')
                .find_map(|line| line.strip_suffix('\n')?.strip_prefix(LISTENING))
                .map(str::to_owned)
        });
        let Some(addr) = found else {
            let end = match process.wait(Duration::from_secs(1)) {
                Ok(status) => format!("ended ({status})"),
                Err(_) => "did not listen in time".to_owned(),
            };
            process.kill()?;
            return Err(io::Error::other(format!("the server {end}; {}", process.said())));
        };
        let addr = addr.trim_end().parse();
        let addr = addr.map_err(|_| io::Error::other(format!("no address in: {}", process.said())))?;
        Ok(Self { process, addr })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::new(self.addr)
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// What it printed on stderr up to now.
    pub fn stderr_so_far(&self) -> String {
        self.process.stderr.text()
    }

    /// What it printed on stdout up to now.
    pub fn stdout_so_far(&self) -> String {
        self.process.stdout.text()
    }

    /// Sends a signal by name, such as `INT`, `STOP` or `CONT`, and does not wait.
    pub fn signal(&mut self, name: &str) -> io::Result<()> {
        self.process.signal(name)
    }

    /// SIGTERM, then waits for the end. When 30 s were not enough the server is killed, and the error holds
    /// what it said.
    pub fn terminate(&mut self) -> io::Result<Ended> {
        let start = Instant::now();
        self.signal("TERM")?;
        self.ended(start)
    }

    /// SIGKILL, as when the machine dies but for the disk, then waits for the end.
    pub fn kill(&mut self) -> io::Result<Ended> {
        let start = Instant::now();
        self.process.kill()?;
        self.ended(start)
    }

    /// Waits until the server ends by itself, at most 30 s; then as [`Server::terminate`].
    pub fn wait(&mut self) -> io::Result<Ended> {
        self.ended(Instant::now())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.child.try_wait(), Ok(None))
    }

    fn ended(&mut self, start: Instant) -> io::Result<Ended> {
        match self.process.wait(END_PATIENCE) {
            Ok(status) => Ok(Ended {
                status,
                took: start.elapsed(),
            }),
            Err(error) => {
                self.process.kill()?;
                Err(error)
            }
        }
    }
}

/// Runs a command of the binary to its end. Variables that begin with `GUILDHALL_` are not inherited.
/// Panics when it cannot be started or takes more than two minutes.
pub fn run<A: AsRef<OsStr>>(binary: &Path, args: &[A], env: &[(&str, &str)]) -> Output {
    let mut command = clean_command(binary);
    command.args(args).envs(env.iter().copied());
    finish(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn finish(command: &mut Command) -> io::Result<Output> {
    let mut process = Process::spawn(command)?;
    let status = process.wait(COMMAND_PATIENCE)?;
    Ok(Output {
        status,
        stdout: process.stdout.bytes(),
        stderr: process.stderr.bytes(),
    })
}

fn clean_command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GUILDHALL_") {
            command.env_remove(name);
        }
    }
    command
}

/// A child and the two threads that read what it says. Dropping it kills it.
#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Collector,
    stderr: Collector,
}

impl Process {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{}: {error}", command.get_program().display()),
            )
        })?;
        let stdout = Collector::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Collector::of(child.stderr.take().expect("stderr is a pipe"));
        Ok(Self {
            child,
            stdout,
            stderr,
        })
    }

    /// Waits for the end and for the last words.
    fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                // Not for ever: a grandchild may hold the pipe open.
                self.stdout.wait_for_end(Duration::from_secs(2));
                self.stderr.wait_for_end(Duration::from_secs(2));
                return Ok(status);
            }
            if start.elapsed() > patience {
                let why = format!("still running after {patience:?}; {}", self.said());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&mut self, name: &str) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Err(io::Error::other(format!(
                "the server is not running; {}",
                self.said()
            )));
        }
        // Not reaped yet, so the id is still this child's.
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill -s {name} failed")))
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn said(&self) -> String {
        format!("stderr:\n{}\nstdout:\n{}", self.stderr.text(), self.stdout.text())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads a pipe in a thread, and keeps all of it.
#[derive(Clone, Debug)]
struct Collector {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collector {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let collector = Self {
            shared: Arc::default(),
        };
        let writer = collector.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            loop {
                let read = pipe.read(&mut buffer);
                let mut collected = writer.lock();
                match read {
                    Ok(n) if n > 0 => collected.bytes.extend_from_slice(&buffer[..n]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(_) | Err(_) => collected.ended = true,
                }
                writer.shared.1.notify_all();
                if collected.ended {
                    return;
                }
            }
        });
        collector
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Waits until `find` finds something in the text, the pipe ends, or the time is over.
    fn wait_for<T>(&self, patience: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        let mut collected = self.lock();
        loop {
            if let Some(found) = find(&String::from_utf8_lossy(&collected.bytes)) {
                return Some(found);
            }
            let left = patience
                .checked_sub(start.elapsed())
                .filter(|_| !collected.ended)?;
            (collected, _) = self
                .shared
                .1
                .wait_timeout(collected, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_end(&self, patience: Duration) {
        self.wait_for(patience, |_| None::<()>);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::TempFolder;

    /// A stand-in for the binary: a shell script.
    fn script(folder: &TempFolder, text: &str) -> PathBuf {
        let path = folder.join("guildhall");
        // Renamed into place: a file that this process holds open for writing cannot be executed, and
        // another test's child may have inherited it.
        fs::write(folder.join("script"), format!("#!/bin/sh\n{text}\n")).unwrap();
        let mut copy = Command::new("cp");
        assert!(
            copy.arg(folder.join("script"))
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    const POLITE: &str = "trap 'echo bye; exit 3' TERM
        echo \"$@\"; echo early >&2; echo guildhall listening on http://127.0.0.1:4567 >&2; echo late >&2
        while :; do sleep 0.05; done";

    #[test]
    fn starts_reads_and_terminates() {
        let folder = TempFolder::new();
        let options = ServerOptions::new(&folder).arg("--demo").env("A", "b");
        let mut server = Server::start(&script(&folder, POLITE), &options).unwrap();
        assert_eq!(server.addr(), "127.0.0.1:4567".parse().unwrap());
        assert!(server.is_running());
        while !server.stderr_so_far().contains("late") {
            thread::sleep(Duration::from_millis(1));
        }
        let ended = server.terminate().unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert!(ended.took < Duration::from_secs(10));
        assert_eq!(
            server.stderr_so_far(),
            "early\nguildhall listening on http://127.0.0.1:4567\nlate\n"
        );
        let expected = format!(
            "serve --listen 127.0.0.1:0 --database {} --demo\nbye\n",
            options.database_url()
        );
        assert_eq!(server.stdout_so_far(), expected);
        assert!(
            server.signal("TERM").is_err(),
            "an id that may be another's by now gets no signal"
        );
    }

    #[test]
    fn kills_and_waits() {
        let folder = TempFolder::new();
        let mut server = Server::start(&script(&folder, POLITE), &ServerOptions::new(&folder)).unwrap();
        assert!(!server.kill().unwrap().status.success());
        assert!(!server.is_running());
        assert_eq!(server.wait().unwrap().status.code(), None);
    }

    #[test]
    fn a_failed_start_tells_why() {
        let folder = TempFolder::new();
        let binary = script(&folder, "echo the disk is on fire >&2; exit 1");
        let error = Server::start(&binary, &ServerOptions::new(&folder))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the disk is on fire") && error.contains("exit status: 1"),
            "{error}"
        );
    }

    #[test]
    fn runs_commands() {
        let folder = TempFolder::new();
        let output = run(
            &script(&folder, "echo $1 $X; echo talk >&2; exit 2"),
            &["data"],
            &[("X", "y")],
        );
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            (output.stdout, output.stderr),
            (b"data y\n".to_vec(), b"talk\n".to_vec())
        );
    }
}
