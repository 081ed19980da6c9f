//! Fresh stores, and the same store again.

use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use guildhall_storage::{Location, OnFatal, OpenError, Settings, Store};
use guildhall_testkit::{Database, TempFolder, filled_database};
use tokio::runtime::{Builder, Runtime};

use crate::sample::NOW;

/// Opens what a case works on; twice, after a drop, is the same data.
pub type Open<'f> = &'f dyn Fn() -> Pin<Box<dyn Future<Output = Store>>>;

/// Runs a case on a fresh SQLite file.
pub fn sqlite(case: impl AsyncFnOnce(Open<'_>)) {
    let folder = TempFolder::new();
    run(&Location::Sqlite(folder.join("guildhall.db")), case);
}

/// Runs a case on a fresh PostgreSQL database.
pub fn postgres(case: impl AsyncFnOnce(Open<'_>)) {
    let database = postgres_database();
    run(&Location::Postgres(database.url()), case);
}

/// A migrated PostgreSQL database.
pub fn postgres_database() -> Database {
    filled_database(|url| {
        let location = Location::Postgres(url.to_owned());
        let open = || drop(runtime().block_on(open_at(&location, true)).unwrap());
        // On a thread of its own: the caller may be inside a runtime.
        std::thread::scope(|scope| scope.spawn(open).join()).unwrap();
    })
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn run(location: &Location, case: impl AsyncFnOnce(Open<'_>)) {
    let location = location.clone();
    runtime().block_on(case(&move || {
        let location = location.clone();
        Box::pin(async move { open_at(&location, true).await.unwrap() })
    }));
}

/// Opens a store, which brings entries of the index of values in when some have gathered.
pub async fn open_at(location: &Location, serve: bool) -> Result<Store, OpenError> {
    open_gathering(location, serve, 5).await
}

async fn open_gathering(
    location: &Location,
    serve: bool,
    pending_entries: usize,
) -> Result<Store, OpenError> {
    let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
    let settings = Settings {
        location: location.clone(),
        create: true,
        serve,
        now_ms: NOW.0,
        on_fatal,
        pending_entries,
    };
    Store::open(&settings).await
}

/// Opens an SQLite file.
pub fn open(path: &Path, serve: bool) -> Result<Store, OpenError> {
    open_with(path, serve, 5)
}

/// Opens an SQLite file, where so many entries of the index of values gather before they are brought in.
pub fn open_with(path: &Path, serve: bool, pending_entries: usize) -> Result<Store, OpenError> {
    let location = Location::Sqlite(path.to_owned());
    // SQLite opens without waiting, so the future is ready at its first poll.
    match pin!(open_gathering(&location, serve, pending_entries))
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(opened) => opened,
        Poll::Pending => panic!("SQLite waited for something"),
    }
}
