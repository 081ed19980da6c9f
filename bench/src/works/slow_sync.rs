//! A disk whose every sync takes two milliseconds more: how many creates share one.

use std::cell::Cell;
use std::time::Duration;

use guildhall_testkit::{Fault, Faults, ServerOptions};

use super::{Bench, create, memory_mb, settle};
use crate::Outcome;
use crate::ceiling::sync_rate;
use crate::place::Store;
use crate::report::Row;
use crate::site::{SITE, Site};

const MORE: Duration = Duration::from_millis(2);
const MANY: usize = 128;

/// Creates on a slow disk, against how often that disk can sync.
pub fn slow_sync(bench: &Bench) -> Outcome<Vec<Row>> {
    if matches!(bench.place.store, Store::Postgres { .. }) {
        let row = Row::new("slow-sync", "create to syncs", bench.store());
        return Ok(vec![
            row.note("only of SQLite: a cluster's disk is not slowed down"),
        ]);
    }
    let database = bench.place.database(0)?;
    let faults = Faults::new(&database.folder);
    let options = ServerOptions::new(&database.folder).faults(&faults);
    let server = bench.place.serve_with(&options)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    faults.set(Fault::SlowSync(MORE));
    let next = Cell::new(0);
    let before = faults.sync_count();
    let ours = || create::burst(bench, &site, &next, MANY);
    let syncs_alone = || {
        settle(&server)?;
        sync_rate(database.folder.path(), &faults.env())
    };
    let pairs = bench.alternate(ours, syncs_alone)?;
    let syncs = faults.sync_count() - before;
    let row = Row::new("slow-sync", "create to syncs", bench.store()).pairs(&pairs);
    Ok(vec![
        row.memory(memory_mb(&server)?)
            .note(format!("{syncs} syncs of both")),
    ])
}
