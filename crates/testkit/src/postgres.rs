//! Throwaway PostgreSQL clusters: started in a temporary folder from the programs that are installed,
//! stopped, killed, paused, followed by a standby that can be promoted, and gone with the test, or with
//! its process, however that ends. Statements go through `psql`: a test that needs a client has its own.
//!
//! Most tests take a fresh database of [`Cluster::shared`]; one that stops its server starts its own.
//! Where PostgreSQL is missing, tests fail with the line that installs it.

mod instance;
mod processes;
mod programs;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::TempFolder;
use instance::Instance;
use programs::{finish, identifier, program_in};

/// The superuser of every cluster, who needs no password.
const USER: &str = "guildhall";
/// How long a start (with recovery after a kill), a stop, a promotion, a reload may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a cluster is set up. By default it is fast: what is written survives the end of any process, a kill
/// too, but not that of the machine.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    durable: bool,
    settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// As PostgreSQL is by default: `fsync` and `full_page_writes` on.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// One more setting of `postgresql.conf`; the last of a name counts.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// All settings, but for the port.
    fn all(&self, folder: &TempFolder) -> Vec<(String, String)> {
        let socket_folder = folder.path().display().to_string();
        let durable = if self.durable { "on" } else { "off" };
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &identifier(&socket_folder)),
            ("fsync", durable),
            ("full_page_writes", durable),
            ("synchronous_commit", "on"),
            ("shared_buffers", "64MB"),
            ("max_connections", "400"),
            // In the folder, so that nothing stays behind elsewhere when it is killed.
            ("dynamic_shared_memory_type", "mmap"),
            // A standby may be away for a while.
            ("wal_keep_size", "256MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ];
        let citus: &[(&str, &str)] = match with_citus() {
            // Few shards, so that a test's tables are made soon.
            true => &[
                ("shared_preload_libraries", "citus"),
                ("citus.shard_count", "4"),
                // Some tests slow a table down by a trigger; on one node they are safe.
                ("citus.enable_unsafe_triggers", "on"),
                // Else the extension makes a certificate, and has the server use it from then on.
                ("citus.node_conninfo", "sslmode=disable"),
            ],
            false => &[],
        };
        fixed
            .iter()
            .chain(citus)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.settings.iter().cloned())
            .collect()
    }
}

/// Whether databases have the extension Citus: with `GUILDHALL_TEST_CITUS=1`, where it is installed.
pub fn with_citus() -> bool {
    std::env::var_os("GUILDHALL_TEST_CITUS").is_some_and(|value| value == "1")
}

/// A cluster. All of it works from any thread, so that a server can be killed under load. When the cluster and
/// all its databases are dropped it is stopped at once, and its folder removed.
#[derive(Debug)]
pub struct Cluster {
    instance: Arc<Instance>,
}

impl Cluster {
    /// Makes a cluster and starts it on a free port of 127.0.0.1, and on a socket in its folder.
    pub fn start(options: &ClusterOptions) -> Self {
        let instance = Instance::new(options);
        // The order of bytes is what pages follow; `database_with` has others.
        let mut initdb = program_in(&instance.folder, "initdb");
        initdb.args([
            "--encoding=UTF8",
            "--locale=C",
            "--auth=trust",
            "--username",
            USER,
        ]);
        // The folder of a machine that dies is not looked at again, whatever the settings.
        initdb.args(["--no-sync", "--no-instructions", "--pgdata"]);
        finish(initdb.arg(instance.data()));
        instance.include_settings();
        instance.launch_on_a_free_port();
        Self {
            instance: Arc::new(instance),
        }
    }

    /// The cluster of this process, for tests that need no more than a database of their own. It is stopped when
    /// the process ends, by whatever means.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&ClusterOptions::default()))
    }

    /// Where it listens on 127.0.0.1. The same again after a stop.
    pub fn port(&self) -> u16 {
        self.instance.port()
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.instance.folder.path()
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        self.instance.url(database)
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Database {
        self.database_from("template0")
    }

    /// A copy of a database to which nobody is connected.
    pub fn database_from(&self, template: &str) -> Database {
        // Several times as fast as by the log, where nothing waits for the disk.
        self.database_with(&format!("TEMPLATE {} STRATEGY file_copy", identifier(template)))
    }

    /// A fresh database by the clauses of `CREATE DATABASE`. With `TEMPLATE template0 LOCALE_PROVIDER icu
    /// ICU_LOCALE 'und'` texts are ordered as users have it, not by their bytes.
    pub fn database_with(&self, clauses: &str) -> Database {
        // Unique among all clusters of this process: a promoted standby has those of its primary.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} {clauses}"));
        if with_citus() {
            self.sql(&name, "CREATE EXTENSION IF NOT EXISTS citus");
        }
        Database {
            cluster: Arc::clone(&self.instance),
            name,
        }
    }

    /// Runs statements in a database, each on its own, and returns the rows of them all: one per line, columns
    /// between `|`. Panics with the first error.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let result = self.try_sql(database, statements);
        result.unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// As [`Cluster::sql`]; the error is what `psql` said.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        self.instance.try_sql(database, statements)
    }

    /// Changes a setting and waits until new connections have it. One that needs a restart counts from the next
    /// [`Cluster::start_again`] on.
    pub fn set(&self, name: &str, value: &str) {
        let mut state = self.instance.state();
        state.settings.push((name.to_owned(), value.to_owned()));
        self.instance.write_settings(&state);
        drop(state);
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded();
        self.sql("postgres", "SELECT pg_reload_conf()");
        self.until(&format!("{name} is {value}"), || loaded() != before);
    }

    /// Kills all its processes, as when the machine dies but for the disk.
    pub fn kill(&self) {
        let mut state = self.instance.running();
        self.instance.kill(&mut state);
    }

    /// Kills one of its processes that serve a client: the others end too, and it recovers by itself, without a start. Returns
    /// when it has.
    pub fn kill_backend(&self, pid: u32) {
        let recoveries = || {
            self.log()
                .matches("all server processes terminated; reinitializing")
                .count()
        };
        let starts = || {
            self.log()
                .matches("database system is ready to accept connections")
                .count()
        };
        let before = (recoveries(), starts());
        processes::signal("KILL", &[pid]);
        self.until("it has recovered", || {
            recoveries() > before.0 && starts() > before.1
        });
    }

    /// Stops it in order, without waiting for its clients: what it answers them is that it is shutting down.
    pub fn stop_fast(&self) {
        let mut state = self.instance.running();
        assert!(!state.paused, "paused: resume it first");
        let ended = self.instance.end(&mut state, "INT", PATIENCE);
        assert!(
            ended.is_some(),
            "not stopped in time; {}",
            self.instance.last_log()
        );
    }

    /// Starts it again on what it had, on its port, after it was stopped or killed.
    pub fn start_again(&self) {
        let mut state = self.instance.state();
        assert!(!state.is_running(), "the cluster runs");
        let result = self.instance.launch(&mut state);
        result.unwrap_or_else(|log| panic!("PostgreSQL does not start again: {log}"));
    }

    /// Halts all its processes: connections stay open, nothing answers.
    pub fn pause(&self) {
        let mut state = self.instance.running();
        self.instance.halt(&mut state);
    }

    /// Lets it go on after [`Cluster::pause`].
    pub fn resume(&self) {
        let mut state = self.instance.running();
        self.instance.go_on(&mut state);
    }

    /// Whether it was started and has not ended. It may be paused.
    pub fn is_running(&self) -> bool {
        self.instance.state().is_running()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.instance.log()
    }

    /// A copy that follows this cluster, by the time this returns, and answers reads. With options of its own: they
    /// are not copied.
    pub fn standby(&self, options: &ClusterOptions) -> Self {
        self.follow(options, &standby_name())
    }

    /// A standby that every commit waits for from now on, and for each such standby. Once one of them is gone,
    /// commits wait for ever; see [`Cluster::forget_standbys`].
    pub fn synchronous_standby(&self, options: &ClusterOptions) -> Self {
        let name = standby_name();
        let standby = self.follow(options, &name);
        let mut state = self.instance.state();
        state.synchronous.push(name.clone());
        let names = state.synchronous.join(", ");
        let value = format!("FIRST {} ({names})", state.synchronous.len());
        drop(state);
        self.set("synchronous_standby_names", &value);
        // Commits wait only once the checkpointer has read the setting, which it does between two checkpoints;
        // nothing shows it. The first of these may have begun before it did.
        self.sql("postgres", "CHECKPOINT; CHECKPOINT");
        self.until_standby(&name, "sync_state = 'sync'");
        standby
    }

    /// Commits wait for no standby any more, those that wait now included.
    pub fn forget_standbys(&self) {
        self.instance.state().synchronous.clear();
        self.set("synchronous_standby_names", "");
    }

    /// Makes a standby a primary: when this returns, it takes writes.
    pub fn promote(&self) {
        let mut promote = program_in(&self.instance.folder, "pg_ctl");
        promote.args(["promote", "--wait", "--timeout", "60", "--pgdata"]);
        finish(promote.arg(self.instance.data()));
        self.until("promoted", || {
            self.sql("postgres", "SELECT pg_is_in_recovery()") == "f"
        });
    }

    fn follow(&self, options: &ClusterOptions, name: &str) -> Self {
        let instance = Instance::new(options);
        let mut backup = program_in(&instance.folder, "pg_basebackup");
        let primary = format!(
            "host=127.0.0.1 port={} user={USER} application_name={name}",
            self.port()
        );
        backup.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--dbname",
        ]);
        backup.arg(primary).arg("--pgdata");
        finish(backup.arg(instance.data()));
        instance.launch_on_a_free_port();
        self.until_standby(name, "state = 'streaming'");
        Self {
            instance: Arc::new(instance),
        }
    }

    fn until_standby(&self, name: &str, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{name}' AND {condition}"
        );
        self.until(&format!("{name}: {condition}"), || {
            self.sql("postgres", &sql) == "1"
        });
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            let waiting = start.elapsed() < PATIENCE;
            assert!(waiting, "waited in vain: {what}; {}", self.instance.last_log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A fresh copy of a database of [`Cluster::shared`] that `fill` is given the URL of, once in this process. It must
/// leave no connection open.
pub fn filled_database(fill: impl FnOnce(&str)) -> Database {
    if with_citus() {
        // Its own process keeps a connection to each of its databases, which thus cannot be copied.
        let database = Cluster::shared().database();
        fill(&database.url());
        return database;
    }
    static FILLED: OnceLock<Database> = OnceLock::new();
    let template = FILLED.get_or_init(|| {
        let database = Cluster::shared().database();
        fill(&database.url());
        database
    });
    Cluster::shared().database_from(template.name())
}

/// A database of one test's own, dropped with its connections when this is dropped.
#[derive(Debug)]
pub struct Database {
    cluster: Arc<Instance>,
    name: String,
}

impl Database {
    /// Its name, unique in this process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// As [`Cluster::sql`].
    pub fn sql(&self, statements: &str) -> String {
        let result = self.try_sql(statements);
        result.unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// As [`Cluster::try_sql`].
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        self.cluster.try_sql(&self.name, statements)
    }
}

impl Drop for Database {
    #[expect(clippy::print_stderr, reason = "a panic here could end the process")]
    fn drop(&mut self) {
        let mut state = self.cluster.state();
        // The last one: the cluster goes with it.
        let answers = state.is_running() && !state.paused && Arc::strong_count(&self.cluster) > 1;
        drop(state);
        if answers {
            // A standby that is gone shall not hold it up.
            let drop = format!(
                "SET synchronous_commit = local; DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.name
            );
            if let Err(error) = self.cluster.try_sql("postgres", &drop) {
                eprintln!("cannot drop the database {}: {error}", self.name);
            }
        }
    }
}

fn standby_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("standby_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
