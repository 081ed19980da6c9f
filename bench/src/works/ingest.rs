//! Ingestion of connector objects in hundreds, half of which are older than what is there, against the bare engine
//! that writes the other half.

use guildhall_testkit::Client;
use serde_json::{Value, json};

use super::{Bench, memory_mb};
use crate::load::{Pace, Span, drive};
use crate::place::{Database, Store};
use crate::report::{Pairs, Row, median};
use crate::rows::{Changes, Snapshot};
use crate::site::{ITEMS, SITE, Site, each_once};
use crate::{Outcome, engine, postgres, problem};

const PATH: &str = "/teamwork-graph/v1/objects/bulk";
const CASE: &str = "hundreds, half stale";
/// Objects that are there, and are sent again.
const OBJECTS: u64 = 10_000;
/// Requests at a time.
const CONNECTIONS: usize = 4;
/// The sequence numbers of what is there, of what is newer, and of what is stale.
const THERE: u64 = 10;
const NEWER: u64 = 20;
const STALE: u64 = 5;

/// Objects that exist, sent again.
pub fn ingest(bench: &Bench) -> Outcome<Vec<Row>> {
    let (mut pairs, mut memory) = (Pairs::default(), Vec::new());
    let Some(changes) = changes(bench)? else {
        return Ok(vec![Row::not_offered("ingest", CASE, bench.store())]);
    };
    for _ in 0..bench.arguments.runs {
        let database = bench.place.database(0)?;
        connect(bench, &database)?;
        let mut server = bench.place.serve(&database)?;
        let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
        send(bench, &site, false)?;
        let (rate, half, most) = send(bench, &site, true)?;
        pairs.ours.push(rate);
        pairs.p50_ms.push(half);
        pairs.p99_ms.push(most);
        memory.push(memory_mb(&server)?);
        server.terminate()?;
        drop(database);
        let database = filled(bench)?;
        pairs.ceiling.push(match &bench.place.store {
            Store::Sqlite => engine::apply(&database.path(), &changes)?,
            Store::Postgres { .. } => postgres::apply(&database.url, &changes)?,
        });
    }
    let row = Row::new("ingest", CASE, bench.store()).pairs(&pairs);
    Ok(vec![row.memory(median(&memory))])
}

/// Gives the tenant the one connection that its objects come by.
fn connect(bench: &Bench, database: &Database) -> Outcome<()> {
    let args = ["connection", "create", "--tenant", SITE, "--name", "crm"];
    bench.place.command(&database.url, &args).map(drop)
}

/// Sends all objects: as they are at first, or the second time, half of them newer. Objects a second, and how long
/// a request took.
fn send(bench: &Bench, site: &Site, again: bool) -> Outcome<(f64, f64, f64)> {
    let numbers: Vec<u64> = (0..OBJECTS).collect();
    let requests = numbers.chunks(ITEMS).map(|numbers| {
        let objects: Vec<Value> = numbers
            .iter()
            .map(|number| object(bench, *number, again))
            .collect();
        site.post(
            PATH,
            &json!({ "objects": objects, "properties": { "source": "crm" } }),
        )
    });
    let clients = each_once(requests.collect(), CONNECTIONS);
    let measured = drive(site.addr, clients, Pace::Closed, Span::to_the_end())?;
    let (half, most) = measured.quantiles_ms(0);
    Ok((measured.rate() * ITEMS as f64, half, most))
}

/// An organization of the world as a connector sends it: about a kilobyte.
fn object(bench: &Bench, number: u64, again: bool) -> Value {
    let organization = bench.place.world.organization(number);
    let sequence = match (again, number % 2) {
        (false, _) => THERE,
        (true, 0) => NEWER,
        (true, _) => STALE,
    };
    let of = |at: usize| organization.details[at].1[0].clone();
    json!({
        "schemaVersion": "1.0",
        "id": format!("crm/{number}"),
        "updateSequenceNumber": sequence,
        "displayName": organization.name,
        "description": of(9),
        "url": of(8),
        "createdAt": "2024-04-16T09:31:32.000Z",
        "lastUpdatedAt": format!("2026-04-16T09:31:{:02}.000Z", sequence),
        "createdBy": { "externalId": format!("user-{}", number % 97) },
        "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
        "atlassian:customer-org": {
            "websiteUrl": of(8), "industry": "Technology", "country": of(0), "accountType": of(1),
            "customerOrgLifeTimeValue": { "value": organization.employees, "currencyCode": "EUR" },
            "contacts": [{ "externalId": format!("user-{}", number % 89), "email": of(6) }],
        },
    })
}

/// What the second sending changes; nothing where objects are not taken.
fn changes(bench: &Bench) -> Outcome<Option<Changes>> {
    let database = bench.place.sqlite_database(0)?;
    connect(bench, &database)?;
    let mut server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    let body = json!({ "objects": [object(bench, 0, false)], "properties": { "source": "crm" } });
    let answer = Client::new(site.addr).send(&site.request("POST", PATH).json(&body))?;
    match answer.status {
        200 => {}
        404 => return Ok(None),
        status => return Err(problem(format!("{PATH}: {status} {}", answer.text()))),
    }
    send(bench, &site, false)?;
    server.terminate()?;
    let before = Snapshot::read(&database.path())?;
    let mut server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    send(bench, &site, true)?;
    server.terminate()?;
    Ok(Some(before.until(Snapshot::read(&database.path())?)))
}

/// A database that has all objects as they are at first.
fn filled(bench: &Bench) -> Outcome<Database> {
    let database = bench.place.database(0)?;
    connect(bench, &database)?;
    let mut server = bench.place.serve(&database)?;
    let site = Site::open(&bench.place, &database.url, server.addr(), SITE)?;
    send(bench, &site, false)?;
    server.terminate()?;
    Ok(database)
}
