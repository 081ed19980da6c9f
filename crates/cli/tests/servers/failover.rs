//! The primary is killed under load and its synchronous standby promoted. Servers have both hosts in their URL.
//!
//! `GUILDHALL_FAILOVER_ROUNDS` says how often (3; the long run is 20).

use std::thread;
use std::time::Duration;

use guildhall_testkit::{Cluster, ClusterOptions};

use crate::load::{Ledger, Stage, back, under_load};
use crate::world::{World, alone, options, setting, start};

/// How soon servers work again after the standby takes writes.
const BACK_WITHIN: Duration = Duration::from_secs(5);

fn url(hosts: [&Cluster; 2], database: &str) -> String {
    let [one, two] = hosts.map(Cluster::port);
    format!("postgres://guildhall@127.0.0.1:{one},127.0.0.1:{two}/{database}?target_session_attrs=read-write")
}

#[test]
fn the_primary_is_killed_and_its_standby_promoted_under_load() {
    let _alone = alone();
    let rounds = setting("GUILDHALL_FAILOVER_ROUNDS", 3);
    let settings = ClusterOptions::default();
    let mut primary = Cluster::start(&settings);
    let mut standby = primary.synchronous_standby(&settings);
    let database = primary.database();
    let name = database.name().to_owned();
    let mut world = World::on(database, &url([&primary, &standby], &name));
    let stage = Stage::new(&world);
    let mut all = Ledger::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let (took, ledger) = under_load(&world, &stage, &format!("round {round}"), || {
            thread::sleep(Duration::from_millis(500 + 150 * (round as u64 % 5)));
            primary.kill();
            standby.promote();
            let took = back(&world, &format!("promoted {round}"));
            thread::sleep(Duration::from_millis(300));
            took
        });
        slowest = slowest.max(took);
        assert!(!ledger.created.is_empty(), "nothing was written");
        all.join(ledger);
        // On the servers that went through it; then the next pair of hosts, whose ports are new.
        all.check(&world, &stage, &world.servers[round % 2].client());
        for server in &mut world.servers {
            assert!(server.is_running());
            assert!(server.terminate().unwrap().status.success());
        }
        primary = standby;
        standby = primary.synchronous_standby(&settings);
        // By turns the primary is the first and the second host.
        let hosts = match round % 2 {
            0 => [&standby, &primary],
            _ => [&primary, &standby],
        };
        world.options = options(&url(hosts, &name));
        world.servers = start(&world.options);
    }
    println!(
        "{rounds} primaries were killed; back after at most {slowest:?}; {}",
        all.summary()
    );
    assert!(slowest < BACK_WITHIN, "{slowest:?}");
}
