//! Under write load: groups of commits, commands beside the server, and the stop in order.

use std::time::{Duration, Instant};

use guildhall_testkit::{Fault, Faults, ServerOptions, TempFolder};
use serde_json::{Value, json};

use crate::world::{World, alone, command, poll};

#[test]
fn many_writers_share_a_sync() {
    const WRITERS: usize = 64;
    const WRITES: usize = 2_000;
    let _alone = alone();
    let folder = TempFolder::new();
    let faults = Faults::new(&folder);
    let options = ServerOptions::new(&folder).faults(&faults);
    let world = World::with(folder, options);
    let mut server = world.serve();
    faults.set(Fault::SlowSync(Duration::from_millis(5)));
    let before = faults.sync_count();
    let client = server.client();
    let (syncs, ledger) = world.under_load(server.addr(), "group", WRITERS, false, || {
        let syncs_enough = (WRITES / 16) as u64;
        poll("the load runs", Duration::from_secs(60), || {
            (faults.sync_count() - before > syncs_enough).then_some(())
        });
        faults.sync_count() - before
    });
    let after = faults.sync_count() - before;
    println!(
        "{} acknowledged writes in {after} syncs ({syncs} when told to stop)",
        ledger.acknowledged
    );
    assert!(
        ledger.statuses.is_empty(),
        "{:?} {:?}",
        ledger.statuses,
        ledger.bodies
    );
    assert!(
        ledger.acknowledged as u64 > 8 * after,
        "{} writes took {after} syncs",
        ledger.acknowledged
    );
    assert!(ledger.check(&world, &client) > 0);
    assert!(server.terminate().expect("ends").status.success());
}

#[test]
fn commands_work_beside_a_busy_server() {
    const COMMANDS: usize = 10;
    let _alone = alone();
    let folder = TempFolder::new();
    let faults = Faults::new(&folder);
    // A slow disk: the writer holds the lock for nearly all of the time.
    let options = ServerOptions::new(&folder).faults(&faults);
    let world = World::with(folder, options);
    let mut server = world.serve();
    faults.set(Fault::SlowSync(Duration::from_millis(20)));
    let client = server.client();
    let database = world.options.database_url();
    let (slowest, ledger) = world.under_load(server.addr(), "beside", 32, false, || {
        let mut slowest = Duration::ZERO;
        for index in 0..COMMANDS {
            let (name, start) = (format!("tenant {index}"), Instant::now());
            let created = command(&["tenant", "create", "--database", database, "--name", &name]);
            let listed = command(&["tenant", "list", "--database", database]);
            assert!(listed.contains(created.trim()), "{listed}");
            slowest = slowest.max(start.elapsed());

            let tenant = ["--database", database, "--tenant", &world.cloud_id];
            let create = ["token", "create", "--name", &name, "--role", "admin"];
            let token = command(&[&create[..], &tenant[..]].concat());
            let request =
                guildhall_testkit::Request::get("/api/v1/organization/details").bearer(token.trim());
            let seen = client.send(&request).expect("answers");
            assert_eq!(seen.status, 200, "a new token works at once: {}", seen.text());
            let listed = command(&[&["token", "list", "--json"], &tenant[..]].concat());
            let listed: Value = serde_json::from_str(&listed).expect("a JSON array");
            let id = listed
                .as_array()
                .and_then(|tokens| tokens.iter().find(|token| token["name"] == json!(name)))
                .and_then(|token| token["id"].as_str())
                .expect("the new token is listed");
            command(&[&["token", "revoke", id], &tenant[..]].concat());
            poll("a revoked token is refused", Duration::from_secs(3), || {
                let response = client.send(&request).expect("answers");
                assert!(matches!(response.status, 200 | 401), "{}", response.text());
                (response.status == 401).then_some(())
            });
        }
        slowest
    });
    println!(
        "{COMMANDS} tenants and tokens made beside {} acknowledged writes; slowest create and list {slowest:?}",
        ledger.acknowledged
    );
    assert!(
        ledger.statuses.is_empty(),
        "{:?} {:?}",
        ledger.statuses,
        ledger.bodies
    );
    assert!(ledger.check(&world, &client) > 0);
    assert!(server.terminate().expect("ends").status.success());
}

#[test]
fn a_stop_under_load_is_orderly() {
    const STOPS: usize = 5;
    let _alone = alone();
    let world = World::new();
    for round in 0..STOPS {
        let mut server = world.serve();
        let start = Instant::now();
        let (ended, mut ledger) =
            world.under_load(server.addr(), &format!("stop {round}"), 32, false, || {
                let client = server.client();
                poll("the load runs", Duration::from_secs(10), || {
                    drop(client.send(&world.get("/organization/details")).expect("answers"));
                    (start.elapsed() > Duration::from_millis(300)).then_some(())
                });
                server.terminate().expect("ends")
            });
        println!(
            "stop {round}: {} acknowledged, ended after {:?}; {:?}",
            ledger.acknowledged, ended.took, ledger.bodies
        );
        assert_eq!(ended.status.code(), Some(0), "{}", server.stderr_so_far());
        assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
        assert!(!ledger.statuses.contains_key(&503), "{:?}", ledger.bodies);
        for left in ["guildhall.db-wal", "guildhall.db-shm"] {
            assert!(!world.folder.join(left).exists(), "{left} is left");
        }
        ledger.unanswered_is_undone();
        let mut server = world.serve();
        assert!(ledger.check(&world, &server.client()) > 0);
        assert!(server.terminate().expect("ends").status.success());
    }
}
