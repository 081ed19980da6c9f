//! Reads of one thing, against the static server.

use std::sync::Arc;

use guildhall_testkit::ServerOptions;

use super::{Bench, memory_mb};
use crate::Outcome;
use crate::load::{CONNECTIONS, Pace, Span, drive};
use crate::place::Store;
use crate::report::Row;
use crate::site::{Dice, SITE, Site};

/// Organizations that are asked for again and again.
const HOT: usize = 10_000;
/// The greatest data set.
pub const MILLION: u64 = 1_000_000;

/// The ids of the site's organizations, in their order.
pub const IDS: &str = "SELECT o.id FROM organization o JOIN tenant t ON t.tenant_id = o.tenant_id \
    WHERE t.name = 'Site' ORDER BY o.id";

/// The number of their tenant.
pub const TENANT: &str = "SELECT tenant_id FROM tenant WHERE name = 'Site'";

/// Profiles: any of them, and some that are hot.
pub fn profile_get(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = get(
        bench,
        "profile-get",
        "/api/v1/organization/profile/",
        bench.arguments.organizations,
        &[("uniform", usize::MAX), ("hot 10,000", HOT)],
    )?;
    if bench.arguments.full {
        let cases = [("uniform, a million", usize::MAX)];
        let (work, path) = ("profile-get", "/api/v1/organization/profile/");
        rows.extend(get(bench, work, path, MILLION, &cases)?);
        if matches!(bench.place.store, Store::Sqlite) {
            let cases = [("uniform, a million, --answer-cache 64", usize::MAX)];
            rows.extend(get_with(
                bench,
                work,
                path,
                MILLION,
                &cases,
                &["--answer-cache", "64"],
            )?);
        }
    }
    Ok(rows)
}

/// Gets each once that nobody has asked for before: a part of them in each run, in an order of chance. Afterwards all
/// that memory has room for is there, as on a server that has run for a while.
fn first_time(
    bench: &Bench,
    site: &Site,
    work: &'static str,
    path: &str,
    (case, ids): (&str, &[i64]),
) -> Outcome<Row> {
    let mut ids = ids.to_vec();
    let mut chance = Dice::new(ids.len() as u64);
    for last in (1..ids.len()).rev() {
        ids.swap(last, chance.below(last + 1));
    }
    let mut parts = ids.chunks(ids.len().div_ceil(bench.arguments.runs).max(1));
    let ours = || {
        let part = parts.next().unwrap_or_default();
        let clients = site.walkers(path, part, CONNECTIONS);
        drive(site.addr, clients, Pace::Closed, Span::to_the_end())
    };
    let pairs = bench.alternate(ours, || bench.static_rate(CONNECTIONS))?;
    let case = format!("{case}, each for the first time");
    Ok(Row::new(work, case, bench.store()).pairs(&pairs))
}

/// Organizations with their values.
pub fn organization_get(bench: &Bench) -> Outcome<Vec<Row>> {
    let cases = [("uniform", usize::MAX)];
    get(
        bench,
        "organization-get",
        "/api/v1/organization/",
        bench.arguments.organizations,
        &cases,
    )
}

/// Gets `path` with an id of the first so many, for each case.
fn get(
    bench: &Bench,
    work: &'static str,
    path: &str,
    organizations: u64,
    cases: &[(&str, usize)],
) -> Outcome<Vec<Row>> {
    get_with(bench, work, path, organizations, cases, &[])
}

/// The same of a server with these options.
fn get_with(
    bench: &Bench,
    work: &'static str,
    path: &str,
    organizations: u64,
    cases: &[(&str, usize)],
    options: &[&str],
) -> Outcome<Vec<Row>> {
    let database = bench.place.database(organizations)?;
    let all = database.numbers(IDS)?;
    let server = ServerOptions::new(&database.folder).database(&database.url);
    let server = bench
        .place
        .serve_with(&options.iter().fold(server, |server, option| server.arg(*option)))?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let mut rows = Vec::new();
    if let [(first, _), ..] = cases {
        rows.push(first_time(bench, &site, work, path, (first, &all))?.memory(memory_mb(&server)?));
    }
    for (case, count) in cases {
        let ids = Arc::new(all[..all.len().min(*count)].to_vec());
        let ours = || {
            let clients = site.getters(path, &ids, CONNECTIONS);
            drive(site.addr, clients, Pace::Closed, Span::of(bench.arguments.lasts))
        };
        let pairs = bench.alternate(ours, || bench.static_rate(CONNECTIONS))?;
        rows.push(
            Row::new(work, *case, bench.store())
                .pairs(&pairs)
                .memory(memory_mb(&server)?),
        );
    }
    Ok(rows)
}
