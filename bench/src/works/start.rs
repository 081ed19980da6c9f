//! How long a start takes, and how much memory there is before and after work.

use std::time::{Duration, Instant};
use std::{fs, thread};

use guildhall_testkit::{Request, Server};

use super::{Bench, memory_mb};
use crate::load::{CONNECTIONS, Next, Pace, Span, drive};
use crate::place::{Database, Store};
use crate::report::Row;
use crate::site::{Pool, SITE, Site, profile};
use crate::works::reads::MILLION;
use crate::{Outcome, problem};

/// How long it works before it is killed.
const LOAD: Duration = Duration::from_millis(700);

/// From the start of the process until it says that it is ready: after an end in order, and after SIGKILL under load.
pub fn start(bench: &Bench) -> Outcome<Vec<Row>> {
    let organizations = if bench.arguments.full {
        MILLION
    } else {
        bench.arguments.organizations
    };
    let database = bench.place.database(organizations)?;
    let (mut orderly, mut killed) = (Vec::new(), Vec::new());
    for run in 0..bench.arguments.runs as u64 {
        let (mut server, seconds) = ready(bench, &database)?;
        orderly.push(seconds);
        kill_under_load(bench, &database, &mut server, run)?;
        let (mut server, seconds) = ready(bench, &database)?;
        killed.push(seconds);
        server.terminate()?;
    }
    let words = format!("{organizations} organizations");
    Ok(vec![
        Row::new("start", "ready, s", bench.store())
            .at_most(&orderly)
            .note(&words),
        Row::new("start", "ready after SIGKILL, s", bench.store())
            .at_most(&killed)
            .note(&words),
    ])
}

/// A server, and after how long it was ready.
fn ready(bench: &Bench, database: &Database) -> Outcome<(Server, f64)> {
    let start = Instant::now();
    let server = bench.place.serve(database)?;
    let client = server.client();
    while client.send(&Request::get("/readyz"))?.status != 200 {
        if start.elapsed() > Duration::from_secs(30) {
            return Err(problem("not ready after 30 s"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok((server, start.elapsed().as_secs_f64()))
}

fn kill_under_load(bench: &Bench, database: &Database, server: &mut Server, run: u64) -> Outcome<()> {
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let world = bench.place.world;
    let client = |index: usize| -> Next {
        let site = site.clone();
        let mut number = (3 + run) * MILLION + (index as u64) * 10_000;
        Box::new(move |request| {
            number += 1;
            let body = profile(&world, number);
            request.extend_from_slice(&site.post("/api/v1/organization/profile", &body));
            Some(0)
        })
    };
    let clients = (0..CONNECTIONS).map(client).collect();
    thread::scope(|scope| {
        let load = scope.spawn(|| drive(site.addr, clients, Pace::Closed, Span::to_the_end()));
        thread::sleep(LOAD);
        let early = load.is_finished();
        server.kill()?;
        // Its connections break: that is what is wanted.
        match (early, load.join()) {
            (false, Ok(Err(_))) => Ok(()),
            (_, Ok(Err(error))) => Err(error),
            _ => Err(problem("the load ended before the server")),
        }
    })
}

/// Memory of a server that has done nothing on a data set, and of one that loaded so many; and the program's size.
pub fn memory(bench: &Bench) -> Outcome<Vec<Row>> {
    let store = bench.store();
    // One that loads for minutes would measure nothing more.
    let organizations = match bench.place.store {
        Store::Sqlite => bench.arguments.organizations,
        Store::Postgres { .. } => bench.arguments.organizations.min(10_000),
    };
    let database = bench.place.database(organizations)?;
    let server = bench.place.serve(&database)?;
    let idle = memory_mb(&server)?;
    drop((server, database));
    let database = bench.place.database(0)?;
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    site.load(&bench.place.world, &Pool::default(), 0..organizations)?;
    let loaded = memory_mb(&server)?;
    let binary = fs::metadata(&bench.place.binary)?.len() as f64 / 1_048_576.0;
    let words = format!("{organizations} organizations");
    Ok(vec![
        Row::new("memory", "idle, MB", store)
            .at_most(&[idle])
            .memory(idle),
        Row::new("memory", "after loading, MB", store)
            .at_most(&[loaded])
            .memory(loaded)
            .note(words),
        Row::new("memory", "binary, MB", store).at_most(&[binary]),
    ])
}
