//! Where a run takes place: the program that is measured, the store it is measured on, and the data sets. A data
//! set is loaded once through the API's bulk operations; every work that writes gets a copy of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use guildhall_testkit::world::World;
use guildhall_testkit::{Cluster, ClusterOptions, Server, ServerOptions, TempFolder, server};

use crate::postgres;
use crate::site::{NEIGHBOUR, SITE, Site};
use crate::{Outcome, problem, say};

/// Rises when data sets on the disk are of no more use, as after each migration: they are named by it.
const DATA_VERSION: u32 = 5;
/// Organizations of the second tenant.
const NEIGHBOUR_ORGANIZATIONS: u64 = 1_000;
/// The seed of the world.
const SEED: u64 = 20_261_122;

/// The stores.
#[derive(Debug)]
pub enum Store {
    /// Files under the target folder.
    Sqlite,
    /// Databases of a server, by the URL of one that may make more.
    Postgres {
        /// That URL.
        admin: String,
        /// The server, where it is a throwaway one.
        cluster: Option<Cluster>,
    },
}

impl Store {
    /// As the option has it: nothing or `sqlite`, `postgres` for a throwaway cluster, or a URL.
    pub fn parse(text: Option<&str>) -> Outcome<Self> {
        match text {
            None | Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres") => {
                let options = ClusterOptions::default()
                    .durable()
                    .set("shared_buffers", "1GB")
                    .set("max_wal_size", "4GB");
                let cluster = Cluster::start(&options);
                Ok(Self::Postgres {
                    admin: cluster.url("postgres"),
                    cluster: Some(cluster),
                })
            }
            Some(url) if url.starts_with("postgres") => Ok(Self::Postgres {
                admin: url.to_owned(),
                cluster: None,
            }),
            Some(other) => Err(problem(format!(
                "--database is sqlite, postgres or postgres://…, not {other:?}"
            ))),
        }
    }

    /// Organizations of one run of bulk: about as many as take two seconds. What ends a run, the last checkpoint and the closing of
    /// the database, is a tenth of a second, and the bare engine is not charged for it.
    pub fn bulk_run(&self) -> u64 {
        match self {
            Self::Sqlite => 10_000,
            Self::Postgres { .. } => 8_000,
        }
    }

    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }
}

/// A database, gone when this is dropped.
#[derive(Debug)]
pub struct Database {
    /// Its URL.
    pub url: String,
    /// Its folder, of which it is the only file; on PostgreSQL an empty one.
    pub folder: TempFolder,
    /// Where it is to be dropped, and its name there.
    dropped: Option<(String, String)>,
}

impl Database {
    fn sqlite(folder: TempFolder) -> Self {
        Self {
            url: format!("sqlite:{}", folder.join("guildhall.db").display()),
            folder,
            dropped: None,
        }
    }

    /// SQLite's file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("guildhall.db")
    }

    /// The first column of a query that gives numbers.
    pub fn numbers(&self, sql: &str) -> Outcome<Vec<i64>> {
        if self.dropped.is_some() {
            return postgres::column(&self.url, sql);
        }
        let connection = rusqlite::Connection::open(self.path())?;
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The first column of a query that gives texts.
    pub fn texts(&self, sql: &str) -> Outcome<Vec<String>> {
        if self.dropped.is_some() {
            return postgres::column(&self.url, sql);
        }
        let connection = rusqlite::Connection::open(self.path())?;
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((admin, name)) = &self.dropped
            && let Err(error) = postgres::execute(admin, &format!("DROP DATABASE {name} WITH (FORCE)"))
        {
            say(&format!("cannot drop {name}: {error}"));
        }
    }
}

/// Where a run takes place.
#[derive(Debug)]
pub struct Place {
    /// The program that is measured.
    pub binary: PathBuf,
    /// Where files go: under the target folder, so on a disk and not in memory.
    pub root: PathBuf,
    /// What is measured.
    pub store: Store,
    /// What organizations look like.
    pub world: World,
}

impl Place {
    /// Builds the program unless one is named, and finds the folder for the data.
    pub fn find(binary: Option<PathBuf>, store: Store) -> Outcome<Self> {
        let own = env::current_exe()?;
        let release = own.parent().ok_or_else(|| problem("no folder of programs"))?;
        let binary = match binary {
            Some(binary) => binary,
            None => build(release)?,
        };
        let root = release.parent().unwrap_or(release).join("bench");
        fs::create_dir_all(&root)?;
        Ok(Self {
            binary,
            root: root.canonicalize()?,
            store,
            world: World::new(SEED),
        })
    }

    /// A database with two tenants, their fields, customers and products, and so many organizations in the first.
    pub fn database(&self, organizations: u64) -> Outcome<Database> {
        let file = self.data_set(organizations)?;
        match &self.store {
            Store::Sqlite => self.sqlite_database(organizations),
            Store::Postgres { admin, .. } => self.postgres_database(admin, &file, organizations),
        }
    }

    /// A copy on SQLite, whatever the store.
    pub fn sqlite_database(&self, organizations: u64) -> Outcome<Database> {
        let file = self.data_set(organizations)?;
        let database = Database::sqlite(TempFolder::inside(&self.root));
        copy(&file, &database.path())?;
        Ok(database)
    }

    /// Starts a server on a database.
    pub fn serve(&self, database: &Database) -> Outcome<Server> {
        self.serve_with(&ServerOptions::new(&database.folder).database(&database.url))
    }

    /// Starts a server with options.
    pub fn serve_with(&self, options: &ServerOptions) -> Outcome<Server> {
        Ok(Server::start(&self.binary, options)?)
    }

    /// What a command of the program prints.
    pub fn command(&self, database: &str, args: &[&str]) -> Outcome<String> {
        let output = server::run(&self.binary, &[args, &["--database", database]].concat(), &[]);
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
            false => Err(problem(format!("guildhall {args:?}: {output:?}"))),
        }
    }

    /// The file of a data set on SQLite, loaded when it is not there yet.
    fn data_set(&self, organizations: u64) -> Outcome<PathBuf> {
        let data = self.root.join("data");
        fs::create_dir_all(&data)?;
        let file = data.join(format!("v{DATA_VERSION}-{organizations}.db"));
        if file.exists() {
            return Ok(file);
        }
        say(&format!("loading {organizations} organizations, once"));
        let database = Database::sqlite(TempFolder::inside(&self.root));
        for (cloud_id, name) in [(SITE, "Site"), (NEIGHBOUR, "Neighbour")] {
            let create = ["tenant", "create", "--name", name, "--cloud-id", cloud_id];
            self.command(&database.url, &create)?;
        }
        let mut server = self.serve(&database)?;
        for (cloud_id, count) in [(SITE, organizations), (NEIGHBOUR, NEIGHBOUR_ORGANIZATIONS)] {
            let site = Site::open(self, &database.url, server.addr(), cloud_id)?;
            site.furnish(&self.world)?;
            site.load(&self.world, &site.pool(&database)?, 0..count)?;
        }
        // In order: the write-ahead file is moved into the database.
        let ended = server.terminate()?;
        if !ended.status.success() {
            return Err(problem(format!("the server ended with {}", ended.status)));
        }
        fs::rename(database.path(), &file)?;
        Ok(file)
    }

    /// A copy of a data set in PostgreSQL: moved there once by `guildhall copy`, then by its template.
    fn postgres_database(&self, admin: &str, file: &Path, organizations: u64) -> Outcome<Database> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let template = format!("guildhall_bench_{}_{organizations}", std::process::id());
        let exists = format!("SELECT datname::text FROM pg_database WHERE datname = '{template}'");
        if postgres::column::<String>(admin, &exists)?.is_empty() {
            postgres::execute(admin, &format!("CREATE DATABASE {template} TEMPLATE template0"))?;
            let source = Database::sqlite(TempFolder::inside(&self.root));
            copy(file, &source.path())?;
            let to = postgres::other_database(admin, &template)?;
            self.command(&source.url, &["copy", "--from", &source.url, "--to", &to])?;
            postgres::execute(&to, "VACUUM ANALYZE")?;
        }
        let name = format!("{template}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        postgres::execute(admin, &format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
        Ok(Database {
            url: postgres::other_database(admin, &name)?,
            folder: TempFolder::inside(&self.root),
            dropped: Some((admin.to_owned(), name)),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A throwaway cluster takes its databases with it; elsewhere the templates must go.
        let Store::Postgres { admin, cluster: None } = &self.store else {
            return;
        };
        let ours = format!(
            "SELECT datname::text FROM pg_database WHERE datname LIKE 'guildhall\\_bench\\_{}\\_%'",
            std::process::id()
        );
        for name in postgres::column::<String>(admin, &ours).unwrap_or_default() {
            if let Err(error) = postgres::execute(admin, &format!("DROP DATABASE {name} WITH (FORCE)")) {
                say(&format!("cannot drop {name}: {error}"));
            }
        }
    }
}

/// Builds the program in release, into the folder that this one is in.
fn build(release: &Path) -> Outcome<PathBuf> {
    if release.file_name().is_none_or(|name| name != "release") {
        return Err(problem(
            "only release builds are worth measuring: cargo run --release -p guildhall-bench",
        ));
    }
    say("building guildhall in release");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "guildhall", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(release.parent().unwrap_or(release))
        .status()?;
    match status.success() {
        true => Ok(release.join("guildhall")),
        false => Err(problem("guildhall cannot be built")),
    }
}

/// Copies a file and syncs it, so that nobody measured later pays for it.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()?;
    Ok(())
}
