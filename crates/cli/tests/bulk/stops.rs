//! What a stop does to running tasks: the worker gives them back at the signal, while requests that are
//! under way are still waited for.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::kills::number;
use crate::world::{PROFILES, World, item, poll};

/// Has PostgreSQL take so long for each receipt that ten tasks are not done while they are submitted.
const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON task_item FOR EACH ROW EXECUTE FUNCTION slow()";

#[test]
fn the_worker_stops_at_the_signal() {
    let mut world = World::new(&[]);
    let site = world.site();
    if let Some(database) = world.home.postgres() {
        database.sql(SLOW);
    }
    let items = |task: usize| -> Vec<_> {
        (0..100)
            .map(|n| item("UPSERT", &json!({ "name": format!("Organization {task} {n}") })))
            .collect()
    };
    // A request whose body comes slowly holds the stop up.
    let body = r#"{"name": "Slow"}"#;
    let mut slow = TcpStream::connect(world.server.addr()).unwrap();
    let head = format!(
        "POST /api/v1/product HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        site.token,
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&body.as_bytes()[..5]).unwrap();
    for task in 0..10 {
        site.submit(
            PROFILES,
            &format!("task-{task}"),
            &json!({ "organizationProfiles": items(task) }),
        );
    }
    world.server.signal("TERM").unwrap();
    let open = "SELECT COUNT(*) FROM task_open";
    // Between two tasks nobody holds one either: only what stays so says that the worker has stopped.
    let seen = Cell::new(0);
    poll("tasks to be given back", || {
        let held = number(
            &world.home,
            "SELECT COUNT(*) FROM task_open WHERE lease_owner IS NOT NULL",
        );
        seen.set(if held == 0 { seen.get() + 1 } else { 0 });
        (seen.get() == 100).then_some(())
    });
    assert!(world.server.is_running(), "the slow request is not waited for");
    let left = (
        number(&world.home, open),
        number(&world.home, "SELECT COUNT(*) FROM task_item"),
    );
    assert!(
        left.0 > 0,
        "all was done before the signal: the test shows nothing"
    );
    slow.write_all(&body.as_bytes()[5..]).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(world.server.wait().unwrap().status.code(), Some(0));
    let in_the_end = (
        number(&world.home, open),
        number(&world.home, "SELECT COUNT(*) FROM task_item"),
    );
    assert_eq!(in_the_end, left, "the worker went on");
}
