//! The mixed load: 90 reads and 9 writes of a hundred requests, and one bulk task at a time beside them. For five
//! minutes (`mixed --seconds 300`) it also says whether memory is flat and the write-ahead file bounded.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use guildhall_testkit::Server;

use super::bulk::quantile;
use super::reads::{IDS, MILLION};
use super::{Bench, memory_mb};
use crate::load::{CONNECTIONS, Kind, Measured, Next, Pace, Span, drive};
use crate::place::Database;
use crate::report::{Row, median};
use crate::site::{Dice, Fed, ITEMS, PROFILES_BULK, Pool, SITE, Site, profile, upserts};
use crate::{Outcome, problem, say};

/// Of a hundred requests.
const READS: usize = 91;
/// Longest a run lasts in which reads alone are measured.
const ALONE: Duration = Duration::from_secs(10);
/// How long everything is read before: the first reads of a run are those that nobody asked for yet, and slower.
const WARM_UP: Duration = Duration::from_secs(3);

/// What a run of mixed load found.
struct Mixed {
    measured: Measured,
    fed: Fed,
    watched: Watched,
}

/// What was seen of the server while it worked.
#[derive(Default)]
struct Watched {
    memory_mb: Vec<f64>,
    log_mb: f64,
}

/// Reads alone and mixed load in turn: each run of mixed load stands beside the reads before it and those after it.
pub fn mixed(bench: &Bench) -> Outcome<Vec<Row>> {
    let database = bench.place.database(bench.arguments.organizations)?;
    let ids = Arc::new(database.numbers(IDS)?);
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let pool = site.pool(&database)?;
    let numbers = AtomicU64::new(10 * MILLION);
    let lasts = bench.arguments.lasts;
    // The long run is one.
    let runs = if lasts > ALONE { 1 } else { bench.arguments.runs };
    let (mut times, mut kinds) = (Vec::new(), [const { Vec::new() }; 3]);
    let mut watched = Watched::default();
    let alone = |lasts: Duration| {
        let clients = site.getters("/api/v1/organization/profile/", &ids, CONNECTIONS);
        drive(site.addr, clients, Pace::Closed, Span::of(lasts.min(ALONE)))
    };
    alone(WARM_UP)?;
    let mut before = alone(lasts)?.quantiles_ms(0).1;
    for _ in 0..runs {
        let run = run(bench, &server, &database, &site, &ids, &pool, &numbers)?;
        let after = alone(lasts)?.quantiles_ms(0).1;
        let of = |kind: usize| {
            let (half, most) = run.measured.quantiles_ms(kind);
            let rate = run.measured.kinds.get(kind).map_or(0, Kind::count) as f64;
            (rate / run.measured.seconds, half, most)
        };
        say(&format!(
            "mixed: p99 of reads {:.2} ms; alone {before:.2} before and {after:.2} after",
            of(0).2
        ));
        times.extend([before, after].map(|alone| of(0).2 / alone));
        before = after;
        kinds[0].push(of(0));
        kinds[1].push(of(1));
        let tasks = &run.fed.task_ms;
        let rate = (tasks.len() * ITEMS) as f64 / run.fed.seconds;
        kinds[2].push((rate, quantile(tasks, 0.5), quantile(tasks, 0.99)));
        watched.memory_mb.extend(run.watched.memory_mb);
        watched.log_mb = watched.log_mb.max(run.watched.log_mb);
    }
    let store = bench.store();
    let mut rows = vec![Row::new("mixed", "reads, p99 to reads alone", store).at_most(&times)];
    for (case, figures) in ["reads", "writes", "bulk items"].into_iter().zip(kinds) {
        let middle = |of: fn(&(f64, f64, f64)) -> f64| median(&figures.iter().map(of).collect::<Vec<_>>());
        let row = Row::new("mixed", case, store).latencies(middle(|f| f.1), middle(|f| f.2));
        rows.push(row.at_most(&figures.iter().map(|f| f.0).collect::<Vec<_>>()));
    }
    let middle = watched.memory_mb.len() / 2;
    let (before, after) = watched.memory_mb.split_at(middle);
    let words = format!(
        "memory {:.0} MB in the first half, {:.0} MB in the second; write-ahead file at most {:.0} MB; no error",
        median(before),
        median(after),
        watched.log_mb
    );
    let row = Row::new("mixed", "memory, MB", store).at_most(&watched.memory_mb);
    rows.push(row.memory(memory_mb(&server)?).note(words));
    Ok(rows)
}

/// One run of mixed load: any answer but 200 ends it with an error.
fn run(
    bench: &Bench,
    server: &Server,
    database: &Database,
    site: &Site,
    ids: &Arc<Vec<i64>>,
    pool: &Pool,
    numbers: &AtomicU64,
) -> Outcome<Mixed> {
    let done = AtomicBool::new(false);
    let from = numbers.fetch_add(100 * MILLION, Ordering::Relaxed);
    let clients = clients(bench, site, ids, from);
    thread::scope(|scope| {
        let mut next = from + 90 * MILLION;
        let done = &done;
        let bodies = std::iter::from_fn(move || {
            next += ITEMS as u64;
            let numbers: Vec<u64> = (next..next + ITEMS as u64).collect();
            (!done.load(Ordering::Acquire)).then(|| upserts(&bench.place.world, pool, &numbers))
        });
        let feeder = scope.spawn(move || site.feed(PROFILES_BULK, bodies, 1));
        let watcher = scope.spawn(|| watch(server, database, done));
        let measured = drive(site.addr, clients, Pace::Closed, Span::of(bench.arguments.lasts));
        done.store(true, Ordering::Release);
        let fed = feeder.join().map_err(|_| problem("the feeder panicked"))??;
        let watched = watcher.join().map_err(|_| problem("the watcher panicked"))??;
        Ok(Mixed {
            measured: measured?,
            fed,
            watched,
        })
    })
}

/// Clients that read and write by chance; what they write begins with this number.
pub fn clients(bench: &Bench, site: &Site, ids: &Arc<Vec<i64>>, from: u64) -> Vec<Next> {
    let readers = site.getters("/api/v1/organization/profile/", ids, CONNECTIONS);
    let mixed = |(index, mut read): (usize, Next)| -> Next {
        let (site, world) = (site.clone(), bench.place.world);
        let mut chance = Dice::new(index as u64 + 77);
        let mut number = from + MILLION * index as u64;
        Box::new(move |request| {
            if chance.below(100) < READS {
                return read(request);
            }
            number += 1;
            let body = profile(&world, number);
            request.extend_from_slice(&site.post("/api/v1/organization/profile", &body));
            Some(1)
        })
    };
    readers.into_iter().enumerate().map(mixed).collect()
}

fn watch(server: &Server, database: &Database, done: &AtomicBool) -> Outcome<Watched> {
    let mut log = database.path().into_os_string();
    log.push("-wal");
    let mut watched = Watched::default();
    while !done.load(Ordering::Acquire) {
        watched.memory_mb.push(memory_mb(server)?);
        let bytes = fs::metadata(&log).map_or(0, |meta| meta.len());
        watched.log_mb = watched.log_mb.max(bytes as f64 / 1_048_576.0);
        thread::sleep(Duration::from_millis(100));
    }
    Ok(watched)
}
