//! Fresh stores, and the same store again.

use std::path::Path;
use std::sync::Arc;

use guildhall_storage::{Location, OnFatal, OpenError, Settings, Store};
use guildhall_testkit::TempFolder;

use crate::sample::NOW;

/// Opens what a case works on; twice, after a drop, is the same data.
pub type Open<'f> = &'f dyn Fn() -> Store;

/// Runs a case on a fresh SQLite file.
pub fn sqlite(case: impl AsyncFnOnce(Open<'_>)) {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(case(&|| open(&path, true).unwrap()));
}

/// Opens an SQLite file.
pub fn open(path: &Path, serve: bool) -> Result<Store, OpenError> {
    let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
    Store::open(&Settings {
        location: Location::Sqlite(path.to_owned()),
        create: true,
        serve,
        now_ms: NOW.0,
        on_fatal,
    })
}
