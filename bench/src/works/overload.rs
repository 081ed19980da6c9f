//! Overload: one tenant's requests arrive twice as often as they can be done, whether or not there was an answer. What
//! is shed must be shed with 503 and `Retry-After`, what is admitted must stay quick, and another tenant, which asks
//! for little, must hardly notice.
//!
//! Three kinds of requests: creates, filters that look at some thousand rows each, and the smallest reads. Of the last
//! the capacity with as many connections is told too, and that of the static server: with thousands of connections the
//! kernel's work is most of a small answer and of a refusal alike.
//!
//! Latencies count from the moment when a request was due, so what a client could not even send because its
//! connection still waited counts too. The load generator has its share of the machine, and takes more of it when it
//! sends twice as much: where refusing a request and sending it cost more than half of what doing it does, no server
//! could answer in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::reads::{IDS, MILLION};
use super::{Bench, lists, memory_mb, neighbour};
use crate::load::{CONNECTIONS, Measured, Next, Pace, Span, drive};
use crate::place::{Database, Store};
use crate::report::Row;
use crate::site::{NEIGHBOUR, Site, profile};
use crate::works::mixed;
use crate::{Outcome, problem};

/// Connections of all who are impatient: fewer than the server takes.
const CROWD: usize = 4_000;
/// Connections of the other tenant: so many that none has to wait for its own answers.
const FEW: usize = 25;
/// What the other tenant asks for in a second: far less than its share.
const LITTLE: f64 = 100.0;
/// What is sent before the clock starts: the server finds out that it has too much to do.
const WARM_UP: Duration = Duration::from_secs(1);

const PROFILES: &str = "/api/v1/organization/profile/";

/// Reads, filters and creates, each at twice the rate that the server has reached with patient clients.
pub fn overload(bench: &Bench) -> Outcome<Vec<Row>> {
    let database = bench.place.database(bench.arguments.organizations)?;
    let numbers = Arc::new(AtomicU64::new(50 * MILLION));
    let mut rows = Vec::new();
    for case in ["reads", "filters", "creates"] {
        rows.extend(flood(bench, &database, case, &numbers)?);
        // The mixed clients behind it have created some, up to forty million further.
        numbers.store(
            (numbers.load(Ordering::Relaxed) / MILLION + 100) * MILLION,
            Ordering::Relaxed,
        );
    }
    Ok(rows)
}

/// One case, with a server of its own: for filters one that keeps no answers, since there are but a few of them.
fn flood(bench: &Bench, database: &Database, case: &str, numbers: &Arc<AtomicU64>) -> Outcome<Vec<Row>> {
    let ids = Arc::new(database.numbers(IDS)?);
    let few_ids = neighbour::neighbours(database)?;
    let (server, site) = lists::open(bench, database, case == "filters")?;
    let other = Site::open(&bench.place, &database.url, server.addr(), NEIGHBOUR)?;
    let span = Span::of(bench.arguments.lasts);
    let long = Span::after(WARM_UP, bench.arguments.lasts);
    let queries: Vec<String> = lists::two_values().collect();
    let clients = |count: usize| match case {
        "reads" => site.getters(PROFILES, &ids, count),
        "filters" => lists::clients(&site, &queries, count),
        _ => creators(bench, &site, numbers, count),
    };
    let asks_little = || {
        let clients = match case {
            "creates" => creators(bench, &other, numbers, FEW),
            _ => other.getters(PROFILES, &few_ids, FEW),
        };
        drive(other.addr, clients, Pace::Open(LITTLE), long)
    };
    let mut rows = Vec::new();
    let capacity = drive(site.addr, clients(CONNECTIONS), Pace::Closed, span)?.rate();
    // On PostgreSQL so many wait so long that most are refused.
    if case == "reads" && matches!(bench.place.store, Store::Sqlite) {
        let crowd = drive(site.addr, clients(CROWD), Pace::Crowd, span)?;
        rows.push(
            Row::new("overload", "reads, as many patient connections", bench.store())
                .against(crowd.rate(), bench.static_rate(CROWD)?)
                .latencies(crowd.first().quantile_ms(0.5), crowd.first().quantile_ms(0.99))
                .note(format!("{} with 503", crowd.first().shed())),
        );
    }
    let quiet = asks_little()?;
    let (flood, little) = thread::scope(|scope| {
        let little = scope.spawn(asks_little);
        let flood = drive(site.addr, clients(CROWD), Pace::Open(2.0 * capacity), long);
        let little = little.join().map_err(|_| problem("the other tenant panicked"))?;
        Ok::<_, crate::Problem>((flood?, little?))
    })?;
    rows.extend(told(bench, case, capacity, &flood));
    rows.push(beside(bench, format!("{case}, other tenant alone"), &quiet));
    rows.push(beside(bench, format!("{case}, other tenant meanwhile"), &little).memory(memory_mb(&server)?));
    // Afterwards it must be as quick as before.
    let from = numbers.load(Ordering::Relaxed) + 10 * MILLION;
    let mixed = mixed::clients(bench, &site, &ids, from);
    let after = drive(site.addr, mixed, Pace::Closed, span)?;
    rows.push(beside(bench, format!("{case}, mixed afterwards"), &after));
    Ok(rows)
}

/// Clients that create organizations that nobody else creates.
fn creators(bench: &Bench, site: &Site, numbers: &Arc<AtomicU64>, count: usize) -> Vec<Next> {
    let one = |_| -> Next {
        let (site, world, numbers) = (site.clone(), bench.place.world, Arc::clone(numbers));
        Box::new(move |request| {
            let body = profile(&world, numbers.fetch_add(1, Ordering::Relaxed));
            request.extend_from_slice(&site.post("/api/v1/organization/profile", &body));
            Some(0)
        })
    };
    (0..count).map(one).collect()
}

/// What became of the flood, beside its capacity.
fn told(bench: &Bench, case: &str, capacity: f64, flood: &Measured) -> [Row; 2] {
    let kind = flood.first();
    let admitted = Row::new("overload", format!("{case}, admitted"), bench.store())
        .against(flood.rate(), capacity)
        .latencies(kind.quantile_ms(0.5), kind.quantile_ms(0.99));
    let shed = kind.shed() as f64 / flood.seconds;
    let refused = Row::new("overload", format!("{case}, refused"), bench.store())
        .at_most(&[shed])
        .latencies(kind.shed_quantile_ms(0.5), kind.shed_quantile_ms(0.99));
    let answered = flood.rate() + shed;
    let words = format!(
        "capacity {capacity:.0}/s, offered {:.0}/s, answered {answered:.0}/s, {} with 503",
        2.0 * capacity,
        kind.shed()
    );
    [admitted.note(words), refused]
}

/// Requests that should not notice.
fn beside(bench: &Bench, case: String, measured: &Measured) -> Row {
    let (half, most) = measured.quantiles_ms(0);
    let shed: u64 = measured.kinds.iter().map(crate::load::Kind::shed).sum();
    Row::new("overload", case, bench.store())
        .at_most(&[measured.rate()])
        .latencies(half, most)
        .note(format!("{shed} with 503"))
}
