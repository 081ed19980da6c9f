//! Overload: requests arrive twice as often as they can be done, whether or not there was an answer. What is shed
//! must be shed with 503 and `Retry-After`, and what is admitted must stay quick.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::reads::{IDS, MILLION};
use super::{Bench, memory_mb};
use crate::Outcome;
use crate::load::{CONNECTIONS, Next, Pace, Span, drive};
use crate::report::Row;
use crate::site::{SITE, Site, profile};
use crate::works::mixed;

/// Connections of all who are impatient: fewer than the server takes.
const CROWD: usize = 4_000;

/// Reads and creates, each at twice the rate that the server has reached with patient clients.
pub fn overload(bench: &Bench) -> Outcome<Vec<Row>> {
    let database = bench.place.database(bench.arguments.organizations)?;
    let ids = Arc::new(database.numbers(IDS)?);
    let server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let span = Span::of(bench.arguments.lasts);
    let numbers = Arc::new(AtomicU64::new(50 * MILLION));
    let creators = |count: usize| -> Vec<Next> {
        let one = |_| -> Next {
            let (site, world, numbers) = (site.clone(), bench.place.world, Arc::clone(&numbers));
            Box::new(move |request| {
                let body = profile(&world, numbers.fetch_add(1, Ordering::Relaxed));
                request.extend_from_slice(&site.post("/api/v1/organization/profile", &body));
                Some(0)
            })
        };
        (0..count).map(one).collect()
    };
    let mut rows = Vec::new();
    for case in ["reads", "creates"] {
        let clients = |count: usize| match case {
            "reads" => site.getters("/api/v1/organization/profile/", &ids, count),
            _ => creators(count),
        };
        let capacity = drive(site.addr, clients(CONNECTIONS), Pace::Closed, span)?.rate();
        let measured = drive(site.addr, clients(CROWD), Pace::Open(2.0 * capacity), span)?;
        let shed: u64 = measured.kinds.iter().map(|kind| kind.shed).sum();
        let (half, most) = measured.quantiles_ms(0);
        let row = Row::new("overload", case, bench.store()).at_most(&[measured.rate()]);
        rows.push(
            row.latencies(half, most)
                .memory(memory_mb(&server)?)
                .note(format!(
                    "capacity {capacity:.0}/s, offered twice that; {shed} answered 503 with Retry-After"
                )),
        );
    }
    // Afterwards it must be as quick as before.
    let clients = mixed::clients(bench, &site, &ids, 100 * MILLION);
    let after = drive(site.addr, clients, Pace::Closed, span)?;
    let (half, most) = after.quantiles_ms(0);
    let row = Row::new("overload", "mixed, afterwards", bench.store()).at_most(&[after.rate()]);
    rows.push(row.latencies(half, most));
    Ok(rows)
}
