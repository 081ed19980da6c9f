//! Lists of twenty organizations, by the beginning of a name and by a value, against the static server.

use std::fmt::Write;

use guildhall_testkit::{Client, Server, ServerOptions};

use super::{Bench, memory_mb};
use crate::load::{CONNECTIONS, Next, Pace, Span, drive};
use crate::place::{Database, Store};
use crate::report::Row;
use crate::site::{Dice, SITE, Site};
use crate::works::reads::MILLION;
use crate::{Outcome, problem};

const LIST: &str = "/guildhall/v1/organizations";
/// Names that are looked for, as they begin.
const PREFIXES: [&str; 8] = [
    "Acme F",
    "Cedar",
    "Müller S",
    "Ρόδος",
    "Север",
    "النيل",
    "東京",
    "长江",
];
const REGIONS: [&str; 4] = ["Asia", "Europe", "Oceania", "North America"];

/// By the beginning of the name.
pub fn list(bench: &Bench) -> Outcome<Vec<Row>> {
    let queries = PREFIXES.map(|prefix| format!("{LIST}?namePrefix={}&limit=20", encoded(prefix)));
    work(bench, "list", "by name prefix", &queries)
}

/// By a detail value.
pub fn filter(bench: &Bench) -> Outcome<Vec<Row>> {
    let queries = REGIONS.map(|region| format!("{LIST}?detail.Region.eq={}&limit=20", encoded(region)));
    work(bench, "filter", "by a value", &queries)
}

fn work(bench: &Bench, work: &'static str, case: &str, queries: &[String]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let (store, lasts) = (bench.store(), Span::of(bench.arguments.lasts));
    // With all answers that are kept, and with none: as where somebody writes all the time.
    let cases = match bench.place.store {
        Store::Sqlite => vec![
            (format!("{case}, each made anew"), true),
            (case.to_owned(), false),
        ],
        Store::Postgres { .. } => vec![(case.to_owned(), false)],
    };
    for (case, is_anew) in cases {
        let database = bench.place.database(bench.arguments.organizations)?;
        let (server, site) = open(bench, &database, is_anew)?;
        let answer = Client::new(site.addr).send(&site.request("GET", &queries[0]))?;
        match answer.status {
            200 => {}
            404 => return Ok(vec![Row::not_offered(work, &case, store)]),
            status => return Err(problem(format!("{}: {status} {}", queries[0], answer.text()))),
        }
        let ours = || {
            drive(
                site.addr,
                clients(&site, queries, CONNECTIONS),
                Pace::Closed,
                lasts,
            )
        };
        let pairs = bench.alternate(ours, || bench.static_rate(CONNECTIONS))?;
        let row = Row::new(work, case, store).pairs(&pairs);
        rows.push(row.memory(memory_mb(&server)?));
    }
    if bench.arguments.full {
        let database = bench.place.database(MILLION)?;
        let (_server, site) = open(bench, &database, true)?;
        let alone = || drive(site.addr, clients(&site, queries, 1), Pace::Closed, lasts);
        let alone = (0..bench.arguments.runs).map(|_| Ok(alone()?.quantiles_ms(0).1));
        let alone = alone.collect::<Outcome<Vec<f64>>>()?;
        rows.push(Row::new(work, "p99 ms at a million", store).at_most(&alone));
    }
    Ok(rows)
}

/// A server, and its site; one that keeps no answers where each is to be made anew.
pub fn open(bench: &Bench, database: &Database, is_anew: bool) -> Outcome<(Server, Site)> {
    let options = ServerOptions::new(&database.folder).database(&database.url);
    let options = match is_anew {
        true => options.arg("--answer-cache").arg("0"),
        false => options,
    };
    let server = bench.place.serve_with(&options)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    Ok((server, site))
}

/// Queries that look at the thousands of rows that have the one value for those that have the other too.
pub fn two_values() -> impl Iterator<Item = String> {
    REGIONS.iter().map(|region| {
        format!(
            "{LIST}?detail.Region.eq={}&detail.Tier.eq=Enterprise&limit=20",
            encoded(region)
        )
    })
}

/// Clients that ask these queries at chance.
pub fn clients(site: &Site, queries: &[String], count: usize) -> Vec<Next> {
    let requests: Vec<Vec<u8>> = queries.iter().map(|query| site.get(query)).collect();
    let client = |index: usize| -> Next {
        let (requests, mut chance) = (requests.clone(), Dice::new(index as u64));
        Box::new(move |request| {
            request.extend_from_slice(&requests[chance.below(requests.len())]);
            Some(0)
        })
    };
    (0..count).map(client).collect()
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte.is_ascii_alphanumeric() {
            true => encoded.push(char::from(byte)),
            false => {
                // Writing to a string cannot fail.
                let _written = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_ascii() {
        assert_eq!(encoded("Acme Fü"), "Acme%20F%C3%BC");
    }
}
