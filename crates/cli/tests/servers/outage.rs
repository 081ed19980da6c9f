//! The database goes away under load and comes back: 503 with `Retry-After` meanwhile, never a wrong answer, and
//! all that was acknowledged is there.

use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::{Client, Cluster, ClusterOptions, Request};

use crate::load::{Ledger, Stage, back, under_load};
use crate::world::{World, alone, poll, send};

/// How soon servers work again after the database answers.
const BACK_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn the_database_is_stopped_and_started_again_under_load() {
    let _alone = alone();
    outage("stopped", Cluster::stop_fast);
}

#[test]
fn the_database_is_killed_and_started_again_under_load() {
    let _alone = alone();
    outage("killed", Cluster::kill);
}

fn outage(how: &str, end: fn(&Cluster)) {
    const ROUNDS: usize = 2;
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.database();
    let url = database.url();
    let mut world = World::on(database, &url);
    let stage = Stage::new(&world);
    let mut all = Ledger::default();
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let name = format!("round {round}");
        let (took, ledger) = under_load(&world, &stage, &name, || {
            thread::sleep(Duration::from_millis(700));
            end(&cluster);
            for client in world.clients() {
                turned_away(&world, &client);
            }
            thread::sleep(Duration::from_millis(300));
            cluster.start_again();
            let took = back(&world, &format!("{how} {round}"));
            // And some of the load after it.
            thread::sleep(Duration::from_millis(500));
            took
        });
        slowest = slowest.max(took);
        assert!(!ledger.turned_away.is_empty(), "nobody met the outage");
        all.join(ledger);
        all.check(&world, &stage, &world.servers[round % 2].client());
    }
    for (at, server) in world.servers.iter_mut().enumerate() {
        assert!(server.is_running(), "server {at} ended");
        assert!(server.terminate().unwrap().status.success());
    }
    println!(
        "{how} {ROUNDS} times; back after at most {slowest:?}; {}",
        all.summary()
    );
    assert!(slowest < BACK_WITHIN, "{slowest:?}");
}

/// While the database is away: reads, writes and readiness are 503, soon; the process is healthy.
fn turned_away(world: &World, client: &Client) {
    let start = Instant::now();
    let product = Request::post("/api/v1/product").bearer(&world.admin.token);
    for request in [
        world.admin.request("GET", "/api/v1/product"),
        product.json(&serde_json::json!({ "name": "x" })),
    ] {
        let answer = send(client, &request);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
    // What the last probe found serves for a second.
    poll("not ready", Duration::from_secs(5), || {
        let answer = send(client, &Request::get("/readyz"));
        (answer.status == 503).then(|| assert_eq!(answer.header("Retry-After"), Some("1")))
    });
    assert_eq!(send(client, &Request::get("/healthz")).status, 200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
