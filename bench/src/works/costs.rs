//! What single things cost: an index entry, a sync, a round trip, an organization's bytes. Only when named: they are
//! what docs/performance.md reckons with, and nothing that could be better or worse.

use std::fs;

use super::{Bench, bulk};
use crate::ceiling::sync_rate;
use crate::load::{Pace, Span, drive};
use crate::place::Store;
use crate::report::Row;
use crate::rows::{Action, Changes};
use crate::site::{ITEMS, PROFILES_BULK, Pool, SITE, Site, upserts};
use crate::works::reads::IDS;
use crate::{Outcome, engine, postgres};

/// Organizations of which the bytes of one are reckoned.
const ORGANIZATIONS: u64 = 10_000;

/// Small figures.
pub fn costs(bench: &Bench) -> Outcome<Vec<Row>> {
    let changes = bulk::changes(bench, 0, PROFILES_BULK, &|_, _| {
        let numbers: Vec<u64> = (0..bench.place.store.bulk_run()).collect();
        let bodies = numbers
            .chunks(ITEMS)
            .map(|numbers| upserts(&bench.place.world, &Pool::default(), numbers));
        Ok(bodies.collect())
    })?;
    let (mut entries, mut rows) = (Vec::new(), Vec::new());
    let (mut syncs, mut trips, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.arguments.runs {
        let all = seconds(bench, &changes)?;
        let (rest, index_rows) = without_index(&changes);
        let plain = seconds(bench, &rest)?;
        entries.push((all - plain) / index_rows as f64 * 1e6);
        rows.push(plain / changes.items.len() as f64 * 1e6);
        syncs.push(1e6 / sync_rate(&bench.place.root, &[])?);
        if let Store::Postgres { admin, .. } = &bench.place.store {
            trips.push(postgres::round_trip(admin)?.as_secs_f64() * 1e6);
        }
        requests.push(request(bench)? * 1e3);
    }
    let row = |case: &str, figures: &[f64]| Row::new("costs", case, bench.store()).at_most(figures);
    let mut found = vec![
        row("index entry of a value, bare, µs", &entries),
        row("organization without its values' index, bare, µs", &rows),
        row("append and sync, µs", &syncs),
        row("profile GET alone, whole, µs", &requests),
        row("bytes of a whole profile", &[bytes(bench)?]),
    ];
    if !trips.is_empty() {
        found.push(row("round trip to PostgreSQL, µs", &trips));
    }
    Ok(found)
}

/// How long the bare engine takes.
fn seconds(bench: &Bench, changes: &Changes) -> Outcome<f64> {
    let database = bench.place.database(0)?;
    let rate = match &bench.place.store {
        Store::Sqlite => engine::apply(&database.path(), changes)?,
        Store::Postgres { .. } => postgres::apply(&database.url, changes)?,
    };
    Ok(changes.items.len() as f64 / rate)
}

/// The changes without the index of values, and how many rows that leaves out.
fn without_index(changes: &Changes) -> (Changes, usize) {
    let (mut rest, mut left_out) = (changes.clone(), 0);
    for item in &mut rest.items {
        item.retain(|change| {
            let index = changes.tables[change.table].name == "detail_index";
            left_out += usize::from(index && change.action == Action::Insert);
            !index
        });
    }
    (rest, left_out)
}

/// Milliseconds of a request that is alone.
fn request(bench: &Bench) -> Outcome<f64> {
    let database = bench.place.database(ORGANIZATIONS)?;
    let ids = std::sync::Arc::new(database.numbers(IDS)?);
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let clients = site.getters("/api/v1/organization/profile/", &ids, 1);
    let measured = drive(site.addr, clients, Pace::Closed, Span::of(bench.arguments.lasts))?;
    Ok(measured.quantiles_ms(0).0)
}

/// Bytes on disk that an organization with all that belongs to it takes.
fn bytes(bench: &Bench) -> Outcome<f64> {
    let size = |organizations: u64| -> Outcome<i64> {
        let database = bench.place.database(organizations)?;
        match &bench.place.store {
            Store::Sqlite => Ok(i64::try_from(fs::metadata(database.path())?.len())?),
            Store::Postgres { .. } => {
                let sizes = database.numbers("SELECT pg_database_size(current_database())")?;
                Ok(sizes.first().copied().unwrap_or_default())
            }
        }
    };
    Ok((size(ORGANIZATIONS)? - size(0)?) as f64 / ORGANIZATIONS as f64)
}
