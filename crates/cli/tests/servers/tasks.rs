//! A server is killed in the middle of its tasks, and the other finishes them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{PROFILES, World, alone, ok, poll, upsert};

const ITEMS: usize = 100;
/// A lease of 9 s, a scan every 2 s, and the work itself.
const FINISHED_WITHIN: Duration = Duration::from_secs(15);

/// Makes every receipt take this long, so that a kill finds tasks under way.
const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON task_item FOR EACH ROW EXECUTE FUNCTION slow()";

#[test]
fn a_task_of_a_killed_server_is_finished_by_the_other() {
    let _alone = alone();
    let mut world = World::new();
    for round in 0..2 {
        let (killed, lives) = (round % 2, 1 - round % 2);
        world.database.sql(SLOW);
        let tasks: Vec<String> = (0..3)
            .map(|task| {
                let name = |item: usize| format!("Organization {round} {task} {item}");
                let items: Vec<Value> = (0..ITEMS).map(|item| upsert(&name(item))).collect();
                let key = format!("round {round} task {task}");
                let body = json!({ "organizationProfiles": items });
                let client = world.servers[killed].client();
                world.admin.submit(&client, PROFILES, &key, &body)
            })
            .collect();
        // A task of a hundred items is one chunk.
        poll(
            "some tasks done and others under way",
            Duration::from_secs(20),
            || {
                let under_way = "SELECT COUNT(*) FROM task_open WHERE lease_owner IS NOT NULL";
                let done = world.number("SELECT COUNT(*) FROM task_item") > 3 * ITEMS * round;
                (done && world.number(under_way) > 0).then_some(())
            },
        );
        world.servers[killed].kill().unwrap();
        let start = Instant::now();
        let left = world.number("SELECT COUNT(*) FROM task_open");
        assert!(left > 0, "nothing was left to finish");
        world.database.sql("DROP FUNCTION slow() CASCADE");
        let client = world.servers[lives].client();
        for task in &tasks {
            let patience = FINISHED_WITHIN.saturating_sub(start.elapsed());
            let ended = world.admin.ended(&client, task, patience);
            assert_eq!(
                (&ended["status"], &ended["failures"]),
                (&json!("FINISHED"), &json!([])),
            );
        }
        println!(
            "{left} tasks of the killed server were finished by the other after {:?}",
            start.elapsed()
        );
        for (number, task) in tasks.iter().enumerate() {
            let receipts = world.admin.receipts(&client, task);
            assert_eq!(receipts.len(), ITEMS);
            for (item, receipt) in receipts.iter().enumerate() {
                assert_eq!(receipt["outcome"], "created", "{receipt}");
                let path = format!("/api/v1/organization/{}", receipt["entityId"].as_str().unwrap());
                let organization = ok(&world.admin.get(&client, &path));
                let name = format!("Organization {round} {number} {item}");
                assert_eq!(organization["name"], name.as_str());
            }
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM task_open"), 0);
        let all = 3 * ITEMS * (round + 1);
        assert_eq!(world.number("SELECT COUNT(*) FROM task_item"), all);
        assert_eq!(world.number("SELECT COUNT(*) FROM organization"), all);
        world.start_again(killed);
    }
}
