//! Killed at any moment: what was acknowledged is there, and nothing is half done.

use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::SeededRandom;
use rusqlite::{Connection, OpenFlags};

use crate::ledger::Ledger;
use crate::world::{World, alone, setting};

const WRITERS: usize = 8;
/// A start after a kill takes milliseconds; more than this would mean that it is not quick.
const START_MAX: Duration = Duration::from_secs(5);

/// Rows that only a torn write could leave: organizations without all that came with them in one
/// request, and links to an organization that is neither there nor waiting to be swept.
///
/// An entry of the index of values, or of that of names, which is of field 0 among those that wait, is what was decided of it last,
/// whether it has been brought in or still waits.
const HALF_DONE: &str = "
    WITH change AS (
        SELECT p.tenant_id AS tenant, k.value->>0 AS field, k.value->>1 AS key, c.value->>'number' AS number,
            c.value->>'is_there' AS is_there, p.number * 1000000 + c.key AS place
        FROM detail_pending p, json_each(p.changes) c, json_each(c.value->'keys') k),
    last AS MATERIALIZED (
        SELECT tenant, field, key, number, is_there, MAX(place) FROM change
        GROUP BY tenant, field, key, number),
    indexed AS (
        SELECT tenant_id, field_id, value_key, entity_number FROM detail_index
        UNION ALL SELECT tenant_id, 0, name_key, organization_id FROM name_index),
    entry AS MATERIALIZED (
        SELECT tenant, field, key, number FROM last WHERE is_there
        UNION SELECT tenant_id, field_id, value_key, entity_number FROM indexed d WHERE NOT EXISTS (
            SELECT 1 FROM last l WHERE l.tenant = d.tenant_id AND l.field = d.field_id
                AND l.key = d.value_key AND l.number = d.entity_number AND NOT l.is_there))
    SELECT (SELECT COUNT(*) FROM organization o WHERE
                (SELECT COUNT(*) FROM membership m
                  WHERE m.tenant_id = o.tenant_id AND m.organization_id = o.id) <> 2
             OR (SELECT COUNT(*) FROM entitlement e WHERE e.tenant_id = o.tenant_id
                  AND e.entity_kind = 'ORGANIZATION' AND e.entity_number = o.id) <> 1
             OR (SELECT COUNT(*) FROM entry e WHERE e.tenant = o.tenant_id AND e.number = o.id) <> 2
             OR NOT EXISTS (SELECT 1 FROM entry e WHERE e.tenant = o.tenant_id AND e.field = 0
                  AND e.key = o.name_key AND e.number = o.id)
             OR o.details = '{}')
         + (SELECT COUNT(*) FROM membership m WHERE NOT EXISTS
                (SELECT 1 FROM organization o WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id)
             AND NOT EXISTS (SELECT 1 FROM sweep s WHERE s.tenant_id = m.tenant_id
                  AND s.what = 'ORGANIZATION' AND s.target = m.organization_id))
         + (SELECT COUNT(*) FROM entry e WHERE NOT EXISTS
                (SELECT 1 FROM organization o WHERE o.tenant_id = e.tenant AND o.id = e.number))
         + (SELECT COUNT(*) FROM organization o JOIN organization_spent s
                ON s.tenant_id = o.tenant_id AND s.id = o.id)";

fn look_inside(world: &World) {
    let path = world.folder.join("guildhall.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens");
    database
        .busy_timeout(Duration::from_secs(5))
        .expect("is a setting");
    let check: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("checks");
    assert_eq!(check, "ok");
    let torn: i64 = database
        .query_row(HALF_DONE, [], |row| row.get(0))
        .expect("counts");
    assert_eq!(torn, 0, "rows that are half done");
}

#[test]
fn killed_at_any_moment() {
    let _alone = alone();
    let rounds = setting("GUILDHALL_KILL_ROUNDS", 50);
    let random = SeededRandom::new(setting("GUILDHALL_SEED", 1));
    let world = World::new();
    let mut all = Ledger::default();
    let (mut slowest, mut found) = (Duration::ZERO, 0);
    let mut server = world.serve();
    for round in 0..rounds {
        let pause = Duration::from_millis(random.below(250));
        let addr = server.addr();
        let (killed, ledger) = world.under_load(addr, &format!("round {round}"), WRITERS, false, || {
            thread::sleep(pause);
            server.kill()
        });
        assert!(!killed.expect("dies").status.success());
        let again = Instant::now();
        server = world.serve();
        slowest = slowest.max(again.elapsed());
        found += ledger.check(&world, &server.client());
        look_inside(&world);
        all.join(ledger);
    }
    let total = all.check(&world, &server.client());
    println!(
        "{rounds} rounds, {} writes acknowledged, {found} organizations found right after their round, \
         {total} at the end; slowest start {slowest:?}; not answered: {:?}",
        all.acknowledged, all.statuses
    );
    assert!(slowest < START_MAX, "a start took {slowest:?}");
    assert!(all.acknowledged > 0, "nothing was written, so nothing was tried");
    assert!(server.terminate().expect("ends").status.success());
}
