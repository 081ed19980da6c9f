//! Bulk operations from submit to the end of the last task and of the server, against the bare engine that does the same changes.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Bench, memory_mb};
use crate::place::{Database, Store};
use crate::report::{Pairs, Row, median};
use crate::rows::{Changes, Snapshot};
use crate::site::{DETAILS_BULK, Fed, ITEMS, OPEN_TASKS, PROFILES_BULK, Pool, SITE, Site, profile, upserts};
use crate::works::reads::{IDS, MILLION};
use crate::{Outcome, engine, postgres};

/// Details that are changed of each.
const DETAILS: usize = 5;

/// Profiles that do not exist yet.
pub fn upsert(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for case in ["ten details", "whole profiles"] {
        let whole = case == "whole profiles";
        let bodies = |_: &Database, pool: &Pool| -> Outcome<Vec<Vec<u8>>> {
            let numbers: Vec<u64> = (0..bench.place.store.bulk_run()).collect();
            let pool = if whole { pool } else { &Pool::default() };
            Ok(numbers
                .chunks(ITEMS)
                .map(|numbers| upserts(&bench.place.world, pool, numbers))
                .collect())
        };
        rows.push(bulk(bench, "bulk-upsert", case, 0, PROFILES_BULK, bodies)?);
    }
    Ok(rows)
}

/// Values of organizations that exist.
pub fn details(bench: &Bench) -> Outcome<Vec<Row>> {
    // All that there are in the data set are changed.
    let organizations = bench.place.store.bulk_run();
    let bodies = |database: &Database, _: &Pool| -> Outcome<Vec<Vec<u8>>> {
        let ids = database.numbers(IDS)?;
        let changed = |(at, id): (usize, &i64)| -> Value {
            // The values of another organization, so that most of them change.
            let other = profile(&bench.place.world, at as u64 + MILLION);
            let details = other["details"].as_array().cloned().unwrap_or_default();
            let operation = |detail: &Value| json!({ "operationType": "UPDATE", "payload": detail });
            let operations: Vec<Value> = details.iter().skip(10 - DETAILS).map(operation).collect();
            json!({ "id": id.to_string(), "operations": operations })
        };
        let all: Vec<Value> = ids.iter().enumerate().map(changed).collect();
        // At most a thousand operations a request.
        let requests = all.chunks(1_000 / DETAILS);
        Ok(requests
            .map(|items| json!({ "organizations": items }).to_string().into_bytes())
            .collect())
    };
    Ok(vec![bulk(
        bench,
        "bulk-details",
        "five of each",
        organizations,
        DETAILS_BULK,
        bodies,
    )?])
}

/// Runs of a bulk operation, each on a fresh copy, in turn with the bare engine doing what the first one did.
fn bulk(
    bench: &Bench,
    work: &'static str,
    case: &str,
    organizations: u64,
    path: &str,
    bodies: impl Fn(&Database, &Pool) -> Outcome<Vec<Vec<u8>>>,
) -> Outcome<Row> {
    let changes = changes(bench, organizations, path, &bodies)?;
    let (mut pairs, mut memory) = (Pairs::default(), Vec::new());
    for _ in 0..bench.arguments.runs {
        let database = bench.place.database(organizations)?;
        let fed = once(bench, &database, path, &bodies, |server_mb| {
            memory.push(server_mb);
        })?;
        pairs.ours.push(changes.items.len() as f64 / fed.seconds);
        pairs.p50_ms.push(quantile(&fed.task_ms, 0.5));
        pairs.p99_ms.push(quantile(&fed.task_ms, 0.99));
        drop(database);
        let database = bench.place.database(organizations)?;
        pairs.ceiling.push(match &bench.place.store {
            Store::Sqlite => engine::apply(&database.path(), &changes)?,
            Store::Postgres { .. } => postgres::apply(&database.url, &changes)?,
        });
    }
    Ok(Row::new(work, case, bench.store())
        .pairs(&pairs)
        .memory(median(&memory)))
}

/// One run on a database; tells how much memory the server took.
fn once(
    bench: &Bench,
    database: &Database,
    path: &str,
    bodies: &impl Fn(&Database, &Pool) -> Outcome<Vec<Vec<u8>>>,
    mut note_memory: impl FnMut(f64),
) -> Outcome<Fed> {
    let mut server = bench.place.serve(database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let pool = site.pool(database)?;
    let mut fed = site.feed(path, bodies(database, &pool)?.into_iter(), OPEN_TASKS)?;
    note_memory(memory_mb(&server)?);
    // Entries of the index of values that wait are brought in before the end, and the engine is asked for them too.
    let ends = Instant::now();
    server.terminate()?;
    fed.seconds += ends.elapsed().as_secs_f64();
    Ok(fed)
}

/// What one run changes, row by row.
pub fn changes(
    bench: &Bench,
    organizations: u64,
    path: &str,
    bodies: &impl Fn(&Database, &Pool) -> Outcome<Vec<Vec<u8>>>,
) -> Outcome<Changes> {
    let database = bench.place.sqlite_database(organizations)?;
    let before = Snapshot::read(&database.path())?;
    once(bench, &database, path, bodies, |_| {})?;
    Ok(before.until(Snapshot::read(&database.path())?))
}

/// Of figures in order.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
