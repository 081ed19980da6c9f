//! Tenants take turns: one tenant's hundred tasks do not make another's one wait.

use std::thread;

use serde_json::{Value, json};

use crate::world::{PROFILES, Site, World, item};

const TASKS: usize = 100;
const ITEMS: usize = 100;

fn body(task: usize) -> Value {
    let items: Vec<Value> = (0..ITEMS)
        .map(|n| item("UPSERT", &json!({ "name": format!("Organization {task} {n}") })))
        .collect();
    json!({ "organizationProfiles": items })
}

/// Tasks of this site with the status.
fn with_status(site: &Site, status: &str) -> usize {
    crate::world::pages(site, &format!("/guildhall/v1/tasks?status={status}"), "tasks").len()
}

#[test]
fn one_among_a_hundred() {
    let world = World::new(&["--max-active-tasks", "200"]);
    let (many, one) = (world.site(), world.site());
    thread::scope(|scope| {
        for thread in 0..4 {
            let (world, many) = (&world, &many);
            scope.spawn(move || {
                let site = Site::new(world, many.token.clone());
                for task in (thread..TASKS).step_by(4) {
                    site.submit(PROFILES, &format!("key-{task}"), &body(task));
                }
            });
        }
    });
    let before = with_status(&many, "FINISHED");
    let task = one.run(PROFILES, "key", &body(0));
    let open = with_status(&many, "NOT_STARTED") + with_status(&many, "IN_PROGRESS");
    let after = with_status(&many, "FINISHED");
    assert_eq!(task["status"], "FINISHED");
    println!(
        "{before} of {TASKS} tasks were finished before the other tenant's one was submitted, {after} when it was seen finished, {open} were open"
    );
    assert!(open > 0, "the other's one was finished only after all of them");
    // None is lost by that.
    for task in many.tasks() {
        let ended = many.ended(task["id"].as_str().unwrap());
        assert_eq!(
            (&ended["status"], &ended["failures"]),
            (&json!("FINISHED"), &json!([]))
        );
    }
    for task in many.tasks() {
        assert_eq!(task["outcomes"]["created"], ITEMS);
    }
}
