//! Durable creates, one a request, against the static server, the disk, and PostgreSQL itself.

use std::cell::Cell;

use super::{Bench, memory_mb, settle};
use crate::ceiling::sync_rate;
use crate::load::{CONNECTIONS, Measured, Pace, Span, drive};
use crate::place::Store;
use crate::report::{Pairs, Row};
use crate::rows::{Changes, Snapshot};
use crate::site::{NEIGHBOUR, SITE, Site, each_once, profile};
use crate::{Outcome, postgres};

/// Creates prepared for each second of a run: more than can be done.
const PER_SECOND: f64 = 60_000.0;

/// Profiles with ten details, created one a request.
pub fn create(bench: &Bench) -> Outcome<Vec<Row>> {
    let database = bench.place.database(0)?;
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let next = Cell::new(0);
    let ours = || burst(bench, &site, &next, CONNECTIONS);
    let to_static = bench.alternate(ours, || bench.static_rate(CONNECTIONS))?;
    let store = bench.store();
    let mut rows = vec![
        Row::new("create", "to static", store)
            .pairs(&to_static)
            .memory(memory_mb(&server)?),
        Row::new("create", "p99 ms", store).at_most(&to_static.p99_ms),
    ];
    match &bench.place.store {
        Store::Sqlite => {
            let syncs = || {
                settle(&server)?;
                sync_rate(database.folder.path(), &[])
            };
            let pairs = bench.alternate(|| burst(bench, &site, &next, CONNECTIONS), syncs)?;
            rows.push(Row::new("create", "to syncs", store).pairs(&pairs));
        }
        Store::Postgres { .. } => {
            let changes = created(bench)?;
            let bare = || {
                let database = bench.place.database(0)?;
                postgres::apply_singly(&database.url, &changes, CONNECTIONS, bench.arguments.lasts)
            };
            let pairs: Pairs = bench.alternate(|| burst(bench, &site, &next, CONNECTIONS), bare)?;
            rows.push(Row::new("create", "to a statement each", store).pairs(&pairs));
        }
    }
    Ok(rows)
}

/// A run of creates of organizations that nobody created before.
pub fn burst(bench: &Bench, site: &Site, next: &Cell<u64>, connections: usize) -> Outcome<Measured> {
    let count = (bench.arguments.lasts.as_secs_f64() * PER_SECOND) as u64;
    let world = &bench.place.world;
    let from = next.get();
    next.set(from + count);
    // The load generator shall have nothing to do but send.
    let requests = (from..from + count)
        .map(|number| site.post("/api/v1/organization/profile", &profile(world, number)))
        .collect();
    drive(
        site.addr,
        each_once(requests, connections),
        Pace::Closed,
        Span::of(bench.arguments.lasts),
    )
}

/// The rows that creates leave.
fn created(bench: &Bench) -> Outcome<Changes> {
    let database = bench.place.sqlite_database(0)?;
    let before = Snapshot::read(&database.path())?;
    let mut server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), NEIGHBOUR)?;
    burst(bench, &site, &Cell::new(10_000_000), CONNECTIONS)?;
    server.terminate()?;
    Ok(before.until(Snapshot::read(&database.path())?))
}
