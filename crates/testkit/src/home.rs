//! Where a test's server keeps its data: an SQLite file in a folder of its own or, where the environment says
//! `GUILDHALL_TEST_STORE=postgres`, a fresh database of the process's shared cluster. So one test speaks of both.

use std::env;
use std::path::Path;

use crate::postgres::filled_database;
use crate::server::run;
use crate::{Database, ServerOptions, TempFolder};

/// The variable that says on which database tests run.
const STORE: &str = "GUILDHALL_TEST_STORE";

/// A database without a tenant, gone when this is dropped. End its servers first.
#[derive(Debug)]
pub struct Home {
    database: Option<Database>,
    /// The database is here when it is SQLite's; else it is empty.
    pub folder: TempFolder,
}

impl Home {
    /// A new one, of the kind that the environment asks for. PostgreSQL's is a copy of one that `binary` has
    /// migrated, since that is much quicker than migrating each.
    pub fn new(binary: &Path) -> Self {
        let database = on_postgres().then(|| {
            filled_database(|url| {
                let output = run(binary, &["tenant", "list", "--database", url], &[]);
                assert!(output.status.success(), "cannot migrate: {output:?}");
            })
        });
        Self {
            database,
            folder: TempFolder::new(),
        }
    }

    /// A server on it.
    pub fn options(&self) -> ServerOptions {
        let options = ServerOptions::new(&self.folder);
        match &self.database {
            Some(database) => options.database(database.url()),
            None => options,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.options().database_url().to_owned()
    }

    /// PostgreSQL's database, where it is that.
    pub fn postgres(&self) -> Option<&Database> {
        self.database.as_ref()
    }
}

/// Whether tests run on PostgreSQL. Panics when the environment asks for what there is not.
pub fn on_postgres() -> bool {
    match env::var(STORE).as_deref() {
        Ok("postgres") => true,
        Ok("sqlite" | "") | Err(env::VarError::NotPresent) => false,
        other => panic!("{STORE} is sqlite or postgres, not {other:?}"),
    }
}

/// Whether a test has nothing to ask of the database at hand, for it is about SQLite alone, for this reason.
#[expect(clippy::print_stdout, reason = "nothing is left out silently")]
pub fn about_sqlite(reason: &str) -> bool {
    if on_postgres() {
        println!("left out on PostgreSQL: {reason}");
    }
    on_postgres()
}
