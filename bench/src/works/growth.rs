//! What becomes of reads and bulk as data grows: the same work on ten thousand organizations and on many more, in turn.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::Server;

use super::Bench;
use super::reads::{IDS, MILLION, TENANT};
use crate::load::{CONNECTIONS, Pace, Span, drive};
use crate::place::{Database, Store};
use crate::report::{Pairs, Row};
use crate::rows::Changes;
use crate::site::{Pool, SITE, Site};
use crate::{Outcome, engine, problem};

/// Where growth begins.
const SMALL: u64 = 10_000;
/// On SQLite the server brings in all entries that are pending when nothing was written for so long (of that name in its writer).
const IDLE_AFTER: Duration = Duration::from_millis(500);

/// A data set with its server. The server ends before the database goes.
struct World {
    server: Server,
    database: Database,
    site: Site,
    ids: Arc<Vec<i64>>,
    pool: Pool,
}

/// Reads and bulk on ten thousand and on many.
pub fn growth(bench: &Bench) -> Outcome<Vec<Row>> {
    let organizations = if bench.arguments.full {
        MILLION
    } else {
        bench.arguments.organizations
    };
    let small = open(bench, SMALL)?;
    let large = open(bench, organizations)?;
    // As on servers that have run for a while: everything was asked for before.
    for world in [&small, &large] {
        let clients = world
            .site
            .walkers("/api/v1/organization/profile/", &world.ids, CONNECTIONS);
        drive(world.site.addr, clients, Pace::Closed, Span::to_the_end())?;
    }
    // All runs add to the same databases, so the small one must not become several times as large.
    let added = bench.place.store.bulk_run() / 2;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let (mut gets, mut bulk) = (Pairs::default(), Pairs::default());
    for run in 0..bench.arguments.runs as u64 {
        let get = |world: &World| -> Outcome<(f64, f64, f64)> {
            let clients = world
                .site
                .getters("/api/v1/organization/profile/", &world.ids, CONNECTIONS);
            let measured = drive(
                world.site.addr,
                clients,
                Pace::Closed,
                Span::of(bench.arguments.lasts),
            )?;
            let (half, most) = measured.quantiles_ms(0);
            Ok((measured.rate(), half, most))
        };
        let (before, after) = (get(&small)?, get(&large)?);
        gets.ceiling.push(before.0);
        gets.ours.push(after.0);
        gets.p50_ms.push(after.1);
        gets.p99_ms.push(after.2);
        p50.push(after.1 / before.1);
        p99.push(after.2 / before.2);
        // Numbers that nobody has.
        let from = 2 * MILLION + run * added;
        let add = |world: &World| -> Outcome<f64> {
            let fed = world
                .site
                .load(&bench.place.world, &world.pool, from..from + added)?;
            // What a run leaves pending is its own, and not that of the pause behind it.
            let ends = Instant::now();
            while !world
                .database
                .numbers("SELECT number FROM detail_pending LIMIT 1")?
                .is_empty()
            {
                thread::sleep(IDLE_AFTER / 100);
            }
            let left = ends.elapsed().saturating_sub(IDLE_AFTER);
            Ok(added as f64 / (fed.seconds + left.as_secs_f64()))
        };
        bulk.ceiling.push(add(&small)?);
        bulk.ours.push(add(&large)?);
    }
    let words = format!("from {} to {} organizations", SMALL, large.ids.len());
    let store = bench.store();
    let mut rows = vec![
        Row::new("growth", "get p50, times", store)
            .at_most(&p50)
            .note(&words),
        Row::new("growth", "get p99, times", store)
            .at_most(&p99)
            .note(&words),
        Row::new("growth", "get rate", store).pairs(&gets).note(&words),
        Row::new("growth", "bulk rate", store).pairs(&bulk).note(&words),
    ];
    if matches!(bench.place.store, Store::Sqlite) {
        let small = Engine::after(bench, small, SMALL)?;
        let large = Engine::after(bench, large, organizations)?;
        let mut engine = Pairs::default();
        for run in 0..bench.arguments.runs {
            engine.ceiling.push(small.add(run, added)?);
            engine.ours.push(large.add(run, added)?);
        }
        let row = Row::new("growth", "the bare engine's bulk rate", store);
        rows.push(row.pairs(&engine).note(&words));
    }
    Ok(rows)
}

/// The bare engine on a fresh copy of a data set, and what the server added to another.
struct Engine {
    database: Database,
    changes: Changes,
}

impl Engine {
    /// Ends the server.
    fn after(bench: &Bench, mut world: World, organizations: u64) -> Outcome<Self> {
        world.server.terminate()?;
        let tenants = world.database.numbers(TENANT)?;
        let (Some(tenant), Some(last)) = (tenants.first(), world.ids.iter().max()) else {
            return Err(problem("the data set is empty"));
        };
        let changes = Changes::of_new(&world.database.path(), *tenant, *last)?;
        drop(world);
        let database = bench.place.database(organizations)?;
        Ok(Self { database, changes })
    }

    /// Adds what a run added.
    fn add(&self, run: usize, added: u64) -> Outcome<f64> {
        let items = self.changes.items.chunks(added as usize).nth(run);
        let changes = Changes {
            tables: self.changes.tables.clone(),
            items: items.unwrap_or_default().to_vec(),
        };
        engine::apply(&self.database.path(), &changes)
    }
}

fn open(bench: &Bench, organizations: u64) -> Outcome<World> {
    let database = bench.place.database(organizations)?;
    let ids = Arc::new(database.numbers(IDS)?);
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let pool = site.pool(&database)?;
    Ok(World {
        server,
        database,
        site,
        ids,
        pool,
    })
}
