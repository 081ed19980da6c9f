//! The server of a cluster: its folder, its settings, its processes from the start to the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{iter, thread};

use super::processes::{Guard, children, signal, wait_for_end};
use super::programs::{give, program, program_in, quoted};
use super::{ClusterOptions, PATIENCE, USER};
use crate::TempFolder;

/// How long a server that was told to quit at once may take until it is killed.
const QUIT_PATIENCE: Duration = Duration::from_secs(10);
/// Ports below those that the system gives to whoever asks for any: a stopped cluster finds its port free
/// again, and no client that knocks meanwhile is answered by itself.
const PORTS: (u32, u32) = (10_000, 20_000);
/// The settings of a cluster, read after the `postgresql.conf` that `initdb` made.
const SETTINGS: &str = "guildhall.conf";

#[derive(Debug)]
pub(super) struct Instance {
    port: AtomicU16,
    state: Mutex<State>,
    guard: Guard,
    // The last to go.
    pub(super) folder: TempFolder,
}

#[derive(Debug)]
pub(super) struct State {
    postmaster: Option<Child>,
    pub(super) paused: bool,
    pub(super) settings: Vec<(String, String)>,
    /// Names of the standbys that a commit waits for.
    pub(super) synchronous: Vec<String>,
}

impl State {
    pub(super) fn is_running(&mut self) -> bool {
        let child = self.postmaster.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The ids of the postmaster and its children, the postmaster first.
    fn ids(&self) -> Vec<u32> {
        let postmaster = self.postmaster.as_ref().map(Child::id);
        let children = postmaster.into_iter().flat_map(children);
        postmaster.into_iter().chain(children).collect()
    }
}

impl Instance {
    pub(super) fn new(options: &ClusterOptions) -> Self {
        let folder = TempFolder::new();
        give(&folder, folder.path());
        Self {
            port: AtomicU16::new(0),
            state: Mutex::new(State {
                postmaster: None,
                paused: false,
                settings: options.all(&folder),
                synchronous: Vec::new(),
            }),
            guard: Guard::of(folder.path()),
            folder,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        assert!(
            state.is_running(),
            "the cluster does not run; {}",
            self.last_log()
        );
        state
    }

    pub(super) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port())
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn id_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    pub(super) fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn last_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "its log ends:\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }

    pub(super) fn include_settings(&self) {
        let path = self.data().join("postgresql.conf");
        let mut file = File::options().append(true).open(&path).expect("initdb made it");
        writeln!(file, "include '{SETTINGS}'").expect("the folder is ours");
    }

    pub(super) fn write_settings(&self, state: &State) {
        let port = ("port".to_owned(), self.port().to_string());
        let lines: String = iter::once(&port)
            .chain(&state.settings)
            .map(|(name, value)| format!("{name} = {}\n", quoted(value)))
            .collect();
        let path = self.data().join(SETTINGS);
        fs::write(&path, lines).expect("the folder is ours");
        give(&self.folder, &path);
    }

    pub(super) fn launch_on_a_free_port(&self) {
        let mut state = self.state();
        for _ in 0..10 {
            self.port.store(free_port(), Ordering::Relaxed);
            match self.launch(&mut state) {
                Ok(()) => return,
                // Another process was quicker.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("PostgreSQL does not start: {log}"),
            }
        }
        panic!("PostgreSQL found no free port; {}", self.last_log());
    }

    /// Starts the server and waits until it accepts connections. The error is what it logged.
    pub(super) fn launch(&self, state: &mut State) -> Result<(), String> {
        self.write_settings(state);
        let path = self.folder.join("log");
        let before = self.log().len();
        let log = File::options().create(true).append(true).open(path);
        let log = log.expect("the folder is ours");
        let mut command = program_in(&self.folder, "postgres");
        // Its own group: what the terminal sends to the tests is not for it.
        command
            .arg("-D")
            .arg(self.data())
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn();
        let id = state
            .postmaster
            .insert(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
            .id();
        state.paused = false;
        let start = Instant::now();
        while !self.is_ready(id) {
            if !state.is_running() || start.elapsed() > PATIENCE {
                return Err(self.log()[before..].to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What the postmaster says of itself: its id in the first line, its state in the last.
    fn is_ready(&self, id: u32) -> bool {
        let text = fs::read_to_string(self.id_file()).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(id.to_string().as_str()) && lines.nth(6) == Some("ready")
    }

    pub(super) fn halt(&self, state: &mut State) {
        // Of the postmaster first: then there will be no further children.
        if let Some(postmaster) = &state.postmaster {
            signal("STOP", &[postmaster.id()]);
        }
        signal("STOP", &state.ids());
        state.paused = true;
    }

    pub(super) fn go_on(&self, state: &mut State) {
        signal("CONT", &state.ids());
        state.paused = false;
    }

    pub(super) fn kill(&self, state: &mut State) {
        self.halt(state);
        let ids = state.ids();
        signal("KILL", &ids);
        if let Some(mut postmaster) = state.postmaster.take() {
            let _ = postmaster.wait();
        }
        state.paused = false;
        let result = wait_for_end(&ids, PATIENCE);
        result.unwrap_or_else(|error| panic!("killed, but {error}"));
        self.tidy();
    }

    /// What a killed postmaster leaves, and a machine that dies does not: its mark in shared memory, of which a
    /// system has a few thousand, and its id, which may soon be another's.
    fn tidy(&self) {
        let text = fs::read_to_string(self.id_file()).unwrap_or_default();
        let memory = text
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        if let Some(memory) = memory {
            let mut remove = process::Command::new("ipcrm");
            // Where there is no such program, it stays.
            let _ = remove.args(["-m", memory]).stderr(Stdio::null()).status();
        }
        let _ = fs::remove_file(self.id_file());
    }

    /// Sends the postmaster a signal that ends it, and waits. None if it did not end in time.
    pub(super) fn end(&self, state: &mut State, name: &str, patience: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        let child = state.postmaster.as_mut()?;
        signal(name, &[child.id()]);
        while start.elapsed() < patience {
            if let Ok(Some(status)) = child.try_wait() {
                state.postmaster = None;
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    pub(super) fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let mut command = program("psql");
        command.args(["-AtXq", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d"]);
        command
            .arg(self.url(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut psql = command.spawn().expect("psql is there");
        let mut stdin = psql.stdin.take().expect("stdin is a pipe");
        let output = thread::scope(|scope| {
            // At the same time, so that neither waits for the other. It does not read on after an error.
            scope.spawn(move || {
                let _: io::Result<()> = stdin.write_all(statements.as_bytes());
            });
            psql.wait_with_output()
        });
        let output = output.expect("psql runs to its end");
        if output.status.success() {
            let rows = String::from_utf8(output.stdout).expect("the encoding is UTF-8");
            Ok(rows.strip_suffix('\n').unwrap_or(&rows).to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let mut state = self.state();
        if state.is_running() {
            if state.paused {
                self.go_on(&mut state);
            }
            if self.end(&mut state, "QUIT", QUIT_PATIENCE).is_none() {
                self.kill(&mut state);
            }
        }
        drop(state);
        self.guard.release();
    }
}

/// A port that nobody listens on, and none that this process was given before.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (first, count) = PORTS;
    // Processes that run at the same time begin apart.
    let offset = process::id().wrapping_mul(97);
    for _ in 0..count {
        let number = offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(first + number % count).expect("all ports are below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {first} on is free");
}
