//! A fresh database of the kind that the name of the module around says.

use std::sync::Arc;
use std::thread;

use guildhall_storage::{Location, OnFatal, OpenError, Settings, Store};
use guildhall_testkit::{Database, TempFolder, filled_database};

/// A database of one test's own, gone when this is dropped.
pub enum Fresh {
    Sqlite(TempFolder),
    Postgres(Database),
}

/// Whether these tests are those on PostgreSQL.
pub fn is_on_postgres() -> bool {
    module_path!().contains("on_postgres")
}

impl Fresh {
    pub fn new() -> Self {
        match is_on_postgres() {
            true => Self::Postgres(filled_database(migrate)),
            false => Self::Sqlite(TempFolder::new()),
        }
    }

    /// Opens the database: on PostgreSQL once more each time, as each server does.
    pub async fn open(&self) -> Store {
        open(self.location()).await.unwrap()
    }

    pub fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(folder.join("guildhall.db")),
            Self::Postgres(database) => Location::Postgres(database.url()),
        }
    }
}

async fn open(location: Location) -> Result<Store, OpenError> {
    let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
    let settings = Settings {
        location,
        create: true,
        serve: true,
        now_ms: 0,
        on_fatal,
        pending_entries: 40,
    };
    Store::open(&settings).await
}

fn migrate(url: &str) {
    let location = Location::Postgres(url.to_owned());
    // On a thread of its own: the test's thread runs its runtime already.
    let opened = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(open(location)).map(drop)
    });
    opened.join().unwrap().unwrap();
}
