//! One tenant floods bulk: what another one feels, which asks for profiles and creates some.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Bench, create, memory_mb};
use crate::load::{Pace, Span, drive};
use crate::place::Database;
use crate::report::{Row, median};
use crate::site::{Fed, ITEMS, NEIGHBOUR, OPEN_TASKS, PROFILES_BULK, Pool, SITE, Site, upserts};
use crate::works::reads::MILLION;
use crate::{Outcome, problem};

/// Connections of the one who is disturbed.
const FEW: usize = 4;

/// Whole profiles in a chunk of the server's on SQLite, of which a group commit of the flood has two, or one where others write: 26 of
/// the 1,000 parts each that one may have. Of PostgreSQL the same is asked, where a chunk has a hundred.
const GROUP: usize = 38;

/// Bodies of bulk requests that are ready for each second: about as many as are done.
const BODIES_A_SECOND: f64 = 100.0;

/// The neighbour's reads and creates, quiet and flooded in turn.
pub fn neighbour(bench: &Bench) -> Outcome<Vec<Row>> {
    let database = bench.place.database(bench.arguments.organizations.min(10_000))?;
    let ids = neighbours(&database)?;
    let server = bench.place.serve(&database)?;
    let flooding = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), NEIGHBOUR)?;
    let pool = flooding.pool(&database)?;
    let created = Cell::new(5 * MILLION);
    let get = || {
        let clients = site.getters("/api/v1/organization/profile/", &ids, FEW);
        drive(site.addr, clients, Pace::Closed, Span::of(bench.arguments.lasts))
    };
    let (mut gets, mut creates) = (Vec::new(), Vec::new());
    let (mut get_ms, mut create_ms) = (Vec::new(), Vec::new());
    for run in 0..bench.arguments.runs as u64 {
        let (_, quiet) = get()?.quantiles_ms(0);
        let from = (20 + run) * MILLION;
        let ((got, made), fed) = flooded(bench, &flooding, &pool, from, || {
            Ok((get()?, create::burst(bench, &site, &created, FEW)?))
        })?;
        get_ms.push(got.quantiles_ms(0));
        create_ms.push(made.quantiles_ms(0));
        gets.push(got.quantiles_ms(0).1 / quiet);
        let rate = (fed.task_ms.len() * ITEMS) as f64 / fed.seconds;
        let group_ms = GROUP as f64 / rate * 1_000.0;
        creates.push(made.quantiles_ms(0).1 / group_ms);
    }
    let middle =
        |of: &[(f64, f64)], at: fn(&(f64, f64)) -> f64| median(&of.iter().map(at).collect::<Vec<_>>());
    let memory = memory_mb(&server)?;
    Ok(vec![
        Row::new("neighbour", "get p99 to its quiet p99", bench.store())
            .at_most(&gets)
            .latencies(middle(&get_ms, |ms| ms.0), middle(&get_ms, |ms| ms.1))
            .memory(memory),
        Row::new("neighbour", "create p99 to a group commit", bench.store())
            .at_most(&creates)
            .latencies(middle(&create_ms, |ms| ms.0), middle(&create_ms, |ms| ms.1))
            .memory(memory),
    ])
}

/// Does something while a site floods bulk.
fn flooded<T>(
    bench: &Bench,
    site: &Site,
    pool: &Pool,
    from: u64,
    work: impl FnOnce() -> Outcome<T>,
) -> Outcome<(T, Fed)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (done, mut next) = (&done, from);
        let mut body = move || {
            next += ITEMS as u64;
            let numbers: Vec<u64> = (next..next + ITEMS as u64).collect();
            upserts(&bench.place.world, pool, &numbers)
        };
        // Made beforehand: whoever makes them takes a processor from those who are measured.
        let seconds = 2.0 * bench.arguments.lasts.as_secs_f64();
        let mut ready: Vec<Vec<u8>> = (0..(seconds * BODIES_A_SECOND) as usize)
            .map(|_| body())
            .collect();
        let bodies = std::iter::from_fn(move || {
            let is_done = done.load(Ordering::Acquire);
            (!is_done).then(|| ready.pop().unwrap_or_else(&mut body))
        });
        let feeder = scope.spawn(move || site.feed(PROFILES_BULK, bodies, OPEN_TASKS));
        let result = work();
        done.store(true, Ordering::Release);
        let fed = feeder.join().map_err(|_| problem("the feeder panicked"))??;
        Ok((result?, fed))
    })
}

/// Its organizations.
pub(super) fn neighbours(database: &Database) -> Outcome<Arc<Vec<i64>>> {
    let sql = "SELECT o.id FROM organization o JOIN tenant t ON t.tenant_id = o.tenant_id \
        WHERE t.name = 'Neighbour' ORDER BY o.id";
    Ok(Arc::new(database.numbers(sql)?))
}
