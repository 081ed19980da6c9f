//! Both databases give the same answers: seeded random requests of all kinds, the refused ones too, go
//! to the API over SQLite and to the API over PostgreSQL, in process. Both have the same chance and the
//! same clock, so every answer must be equal to the byte, ids and times included; at the end every row
//! must be.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`side`] | one of the two: a fresh database, two servers on it, a worker |
//! | [`requests`] | which request comes next; made from the route table, so that a new operation is asked for by itself |
//! | [`known`] | ids and fields that are there, as answers showed them |
//! | [`bodies`] | the body of a request, sometimes with something wrong in it |
//! | [`connectors`] | what connectors send: objects, users, groups |
//! | [`texts`] | names, values and what no name and no value may be |
//!
//! `GUILDHALL_COMPARE_OPERATIONS` says how many (20,000 when absent; the long run is a million), and
//! `GUILDHALL_COMPARE_SEED` where to begin, as a failure prints it.

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, its helpers too"
)]
#![expect(
    clippy::print_stdout,
    reason = "what was compared is worth a line: cargo test -- --nocapture"
)]

mod bodies;
mod connectors;
mod known;
mod requests;
mod side;
mod texts;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use guildhall_http::routes::routes;
use guildhall_testkit::{Cluster, ManualClock, SeededRandom, TempFolder};

use guildhall_storage::Location;
use requests::{Asked, Operation, Requests, Who};
use side::{START, Side};

/// Pairs of databases that are compared at the same time, each with its share of the operations.
const PAIRS: u64 = 2;
/// Rows are compared after so many operations, so that a difference is found near its cause.
const ROWS_EVERY: u64 = 10_000;

/// How often each operation was answered with success and with a refusal.
type Seen = BTreeMap<Operation, [u64; 2]>;

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(given) => given
            .parse()
            .unwrap_or_else(|_| panic!("{name}={given} is no number")),
        Err(_) => otherwise,
    }
}

#[test]
fn both_databases_give_the_same_answers() {
    let operations = number("GUILDHALL_COMPARE_OPERATIONS", 20_000);
    let first_seed = number("GUILDHALL_COMPARE_SEED", 1);
    let pairs: Vec<_> = (first_seed..first_seed + PAIRS)
        .map(|seed| thread::spawn(move || compare(seed, operations.div_ceil(PAIRS))))
        .collect();
    let mut seen = Seen::new();
    for pair in pairs {
        let theirs = pair
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        for (operation, [done, refused]) in theirs {
            let ours = seen.entry(operation).or_default();
            *ours = [ours[0] + done, ours[1] + refused];
        }
    }
    for (operation, counts) in &seen {
        println!("{operation:?}: done and refused {counts:?}");
    }
    if operations < 20_000 {
        return;
    }
    let offered = routes()
        .into_iter()
        .filter(guildhall_http::routes::Route::offered);
    for route in offered {
        let found = seen.get(&requests::operation(&route));
        assert!(
            found.is_some_and(|counts| counts.iter().all(|count| *count > 0)),
            "{} {} ({:?}) was done and refused {found:?} times: requests.rs, known.rs, bodies.rs or connectors.rs has nothing good for it",
            route.method,
            route.path,
            route.space
        );
    }
}

/// Applies so many operations to two fresh databases.
fn compare(seed: u64, operations: u64) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let folder = TempFolder::new();
        let database = Cluster::shared().database();
        let clock = ManualClock::new(START);
        let sqlite = Location::Sqlite(folder.join("guildhall.db"));
        let mut one = Side::open(sqlite, &clock, seed).await;
        let mut two = Side::open(Location::Postgres(database.url()), &clock, seed).await;
        let tokens = one.begin().await;
        assert_eq!(
            tokens,
            two.begin().await,
            "seed {seed}: the first tenants and tokens"
        );
        let random = SeededRandom::new(seed ^ 0x00c0_ffee);
        let mut requests = Requests::new(random.clone(), tokens);
        let mut seen = Seen::new();
        for operation in 0..operations {
            let at = format!("GUILDHALL_COMPARE_SEED={seed}, operation {operation}");
            if random.chance(0.12) {
                hands(&random, &clock, &mut one, &mut two, &mut requests, &at).await;
            } else {
                let asked = requests.next();
                ask(&asked, &one, &two, &mut requests, &mut seen, &at).await;
            }
            if operation % ROWS_EVERY == ROWS_EVERY - 1 {
                assert_eq!(one.rows().await, two.rows().await, "{at}: rows");
            }
        }
        one.tidy().await;
        two.tidy().await;
        let rows = one.rows().await;
        assert_eq!(rows, two.rows().await, "seed {seed}: rows at the end");
        let counts: Vec<_> = rows.iter().map(|(table, rows, _)| (table, rows)).collect();
        println!("seed {seed}: {operations} operations, rows in the end: {counts:?}");
        seen
    })
}

/// One request to both.
async fn ask(asked: &Asked, one: &Side, two: &Side, requests: &mut Requests, seen: &mut Seen, at: &str) {
    let (here, there) = tokio::join!(one.answer(asked), two.answer(asked));
    assert_eq!(
        here, there,
        "{at}: SQLite's answer and PostgreSQL's to {asked:#?}"
    );
    assert!(here.status < 500, "{at}: {here:#?} to {asked:#?}");
    if let Some(operation) = asked.operation {
        let counts = seen.entry(operation).or_default();
        counts[usize::from(here.status >= 400)] += 1;
    }
    requests.learn(asked, &here);
}

/// What no request does: the worker, the sweeps, the clock, the commands for tokens and tenants.
async fn hands(
    random: &SeededRandom,
    clock: &ManualClock,
    one: &mut Side,
    two: &mut Side,
    requests: &mut Requests,
    at: &str,
) {
    match random.below(100) {
        0..50 => {
            let steps = 1 + random.below(12);
            let (here, there) = tokio::join!(one.work(steps), two.work(steps));
            assert_eq!(here, there, "{at}: the worker's steps");
        }
        50..62 => {
            let (here, there) = tokio::join!(one.sweep(), two.sweep());
            assert_eq!(here, there, "{at}: a sweep");
        }
        62..66 => {
            let (here, there) = tokio::join!(one.purge(), two.purge());
            assert_eq!(here, there, "{at}: a purge");
        }
        66..68 => {
            let (here, there) = tokio::join!(one.purge_tombstones(), two.purge_tombstones());
            assert_eq!(here, there, "{at}: a purge of tombstones");
        }
        68..70 => {
            tokio::join!(one.record_token_use(), two.record_token_use());
        }
        70..95 => clock.advance(Duration::from_millis(random.below(3_000))),
        95..97 => clock.advance(Duration::from_secs(31 * 60)),
        97 => {
            clock.advance(Duration::from_secs(73 * 60 * 60));
            // Their tokens would be too old after thirty of these.
            let customers = requests.known.get("customerId");
            let customer = customers.and_then(|ids| ids.last().cloned());
            let tokens = one.tokens(customer.as_deref()).await;
            assert_eq!(tokens, two.tokens(customer.as_deref()).await, "{at}: new tokens");
            requests.tokens = tokens;
        }
        _ => {
            let id = requests.leaver();
            let (here, there) = tokio::join!(one.administer(&id), two.administer(&id));
            assert_eq!(here, there, "{at}: the commands");
            // A worker that stops gives its tasks back.
            tokio::join!(one.restart_worker(), two.restart_worker());
        }
    }
}

/// A token that requests come with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    who: Who,
    id: String,
    secret: String,
}
