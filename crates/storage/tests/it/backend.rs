//! Fresh stores, and the same store again.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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
    let settings = Settings {
        location: Location::Sqlite(path.to_owned()),
        create: true,
        serve,
        now_ms: NOW.0,
        on_fatal,
    };
    // SQLite opens without waiting, so the future is ready at its first poll.
    match pin!(Store::open(&settings)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => opened,
        Poll::Pending => panic!("SQLite waited for something"),
    }
}
