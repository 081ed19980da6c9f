//! Reading tasks: their status, the list, and the receipts of their items.

use serde_json::{Value, json};

use crate::world::{DEFINITIONS, Expect, ORGANIZATIONS, PROFILES, Site, World, each, item, pages};

/// Fields, 49 of them, and a task that takes a while: 50 values for each of 100 organizations.
pub fn long_task(site: &Site) -> Value {
    let fields: Vec<Value> = (0..49)
        .map(|n| json!({ "name": format!("Field {n}"), "type": { "name": "TEXT" } }))
        .collect();
    site.run(DEFINITIONS, "fields", &json!({ "detailFields": fields }));
    let details: Vec<Value> = (0..49)
        .map(|n| json!({ "name": format!("Field {n}"), "values": ["x"] }))
        .chain([json!({ "name": "No such field", "values": ["x"] })])
        .collect();
    let items: Vec<Value> = (0..100)
        .map(|n| {
            item(
                "UPSERT",
                &json!({ "name": format!("Organization {n}"), "details": details }),
            )
        })
        .collect();
    json!({ "organizationProfiles": items })
}

#[test]
fn ids_that_are_nobodys() {
    let world = World::new(&[]);
    let (site, other) = (world.site(), world.site());
    let body = json!({ "organizations": [item("UPSERT", &json!({ "name": "Acme" }))] });
    let task = site.run(ORGANIZATIONS, "key", &body);
    let id = task["id"].as_str().unwrap();
    let foreign = other.run(ORGANIZATIONS, "key", &body)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let unknown = "01a20158-31c7-76e0-a24e-df618bbe93ff";
    for path in [
        |id: &str| format!("/tasks/{id}"),
        |id: &str| format!("/guildhall/v1/tasks/{id}/items"),
    ] {
        // Alike but for the id that was asked for.
        let words = |id: &str| site.get(&path(id)).refused(404).replace(id, "ID");
        let wanted = words(unknown);
        for nobodys in [foreign.as_str(), "1", "x", "01a20158", &"f".repeat(36)] {
            assert_eq!(words(nobodys), wanted, "{nobodys}");
        }
        for odd in ["%00", "%E2%98%83", "%20", &"x".repeat(5_000)] {
            site.get(&path(odd)).refused(404);
        }
        // A UUID is compared without case.
        site.get(&path(&id.to_ascii_uppercase())).ok();
    }
    assert_eq!(each(&site.tasks(), "id"), [id]);
}

/// Failures are told when the task has ended, not before; receipts of what is done, at once.
#[test]
fn failures_come_with_the_end() {
    let world = World::new(&[]);
    let site = world.site();
    let body = long_task(&site);
    let id = site.submit(PROFILES, "long", &body);
    let (mut seen_open, mut seen_receipts) = (0, 0);
    let ended = loop {
        // First the receipts: those that were there while the task was open.
        let receipts = site.get(&format!("/guildhall/v1/tasks/{id}/items?limit=1")).ok();
        let task = site.get(&format!("/tasks/{id}")).ok();
        if task["status"] == "FINISHED" {
            break task;
        }
        assert!(
            ["NOT_STARTED", "IN_PROGRESS"].contains(&task["status"].as_str().unwrap()),
            "{task}"
        );
        assert_eq!(task["failures"], json!([]));
        seen_open += 1;
        seen_receipts += usize::from(receipts["items"] != json!([]));
    };
    println!("seen open {seen_open} times, with receipts {seen_receipts} times");
    assert!(seen_open > 0, "the task was too short to be seen open");
    let failures = ended["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 100);
    let receipts = site.receipts(&id);
    for ((failure, receipt), number) in failures.iter().zip(&receipts).zip(0..) {
        assert_eq!(
            *receipt,
            json!({
                "index": number,
                "at": format!("organizationProfiles[{number}]"),
                "outcome": "created",
                "entityId": receipt["entityId"],
                "failures": [failure],
            })
        );
        assert_eq!(
            *failure,
            json!({
                "entity": "ORGANIZATION",
                "entityId": receipt["entityId"],
                "operation": "UPSERT",
                "operatedOn": "DETAIL_FIELD",
                "operatedOnIds": ["No such field"],
                "error": failure["error"],
            })
        );
        let error = failure["error"].as_str().unwrap();
        assert!(error.starts_with("Invalid detail field: "), "{error}");
    }
}

/// A request of 100 items that come to everything an item can come to.
fn mixed() -> Value {
    let items: Vec<Value> = (0..100)
        .map(|n| match n % 5 {
            // 0: created; 1: the same again, unchanged; 2: created with a failed part;
            // 3: nothing there to update; 4: updated, with a failed part.
            0 => item("CREATE", &json!({ "name": format!("A {n}") })),
            1 => item("UPSERT", &json!({ "name": format!("A {}", n - 1) })),
            2 => item(
                "UPSERT",
                &json!({ "name": format!("B {n}"), "associateCustomers": { "customerIds": ["qm:nobody"] } }),
            ),
            3 => item("UPDATE", &json!({ "name": format!("C {n}") })),
            _ => item(
                "UPDATE",
                &json!({ "name": format!("A {}", n - 4), "details": [
                    { "name": "Region", "values": ["EU"] }, { "name": "Region 2", "values": ["EU"] }] }),
            ),
        })
        .collect();
    json!({ "organizationProfiles": items })
}

#[test]
fn receipts_are_filtered_and_paged() {
    let (_world, site) = World::demo();
    let task = site.run(PROFILES, "mixed", &mixed());
    let id = task["id"].as_str().unwrap();
    assert_eq!(task["failures"].as_array().unwrap().len(), 60);
    let path = format!("/guildhall/v1/tasks/{id}/items?");
    let all = site.get(&path).ok();
    assert_eq!(all.get("nextCursor"), None);
    let all = all["items"].as_array().unwrap().clone();
    assert_eq!(all.len(), 100);
    let outcomes = ["created", "unchanged", "created", "failed", "updated"];
    for (n, receipt) in all.iter().enumerate() {
        assert_eq!(receipt["index"], n);
        assert_eq!(receipt["at"], format!("organizationProfiles[{n}]"));
        assert_eq!(receipt["outcome"], outcomes[n % 5], "{receipt}");
        let failed = receipt["failures"].as_array().unwrap().len();
        assert_eq!(failed, [0, 0, 1, 1, 1][n % 5], "{receipt}");
    }
    // What failed as a whole has no id: it is named by its name, and no part is named.
    assert_eq!(all[3]["entityId"], "C 3");
    assert_eq!(all[3]["failures"][0]["operatedOn"], "ORGANIZATION_PROFILE");
    assert_eq!(all[3]["failures"][0]["operatedOnIds"], json!([]));
    assert_eq!(all[2]["failures"][0]["operatedOn"], "MEMBERSHIP");
    assert_eq!(all[2]["failures"][0]["operatedOnIds"], json!(["qm:nobody"]));
    assert_eq!(all[4]["failures"][0]["operatedOnIds"], json!(["Region 2"]));

    let wanted = |keep: &dyn Fn(usize) -> bool| -> Vec<Value> {
        let kept = all.iter().enumerate().filter(|(n, _)| keep(*n));
        kept.map(|(_, receipt)| receipt.clone()).collect()
    };
    for (filter, keep) in [
        ("", &(|_| true) as &dyn Fn(usize) -> bool),
        ("&hasFailures=false", &|_| true),
        ("&hasFailures=true", &|n| n % 5 >= 2),
        ("&outcome=created", &|n| n % 5 == 0 || n % 5 == 2),
        ("&outcome=updated", &|n| n % 5 == 4),
        ("&outcome=unchanged", &|n| n % 5 == 1),
        ("&outcome=failed", &|n| n % 5 == 3),
        ("&outcome=created&hasFailures=true", &|n| n % 5 == 2),
        ("&outcome=unchanged&hasFailures=true", &|_| false),
    ] {
        for limit in ["", "&limit=7", "&limit=1", "&limit=20", "&limit=100"] {
            assert_eq!(
                pages(&site, &format!("{path}{filter}{limit}"), "items"),
                wanted(keep),
                "{filter}{limit}"
            );
        }
    }
    // The first page of seven, and how many pages there are.
    let first = site.get(&format!("{path}limit=7")).ok();
    assert_eq!(first["items"].as_array().unwrap()[..], all[..7]);
    assert!(first["nextCursor"].is_string(), "{first}");
    // Out of range is the nearest that is in it, as elsewhere; no number is refused.
    assert_eq!(
        site.get(&format!("{path}limit=1000")).ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    for bad in [
        "outcome=create",
        "outcome=",
        "outcome=CREATED",
        "outcome=created&outcome=failed",
        "hasFailures=yes",
        "hasFailures=",
        "hasFailures=true&hasFailures=true",
        "limit=seven",
        "limit=",
        "limit=7&limit=7",
        "cursor=x",
        "cursor=-1",
        "cursor=",
        "cursor=99999999999999999999",
    ] {
        let message = site.get(&format!("{path}{bad}")).refused(400);
        assert!(message.starts_with(bad.split('=').next().unwrap()), "{message}");
    }
}

#[test]
fn lists_are_filtered_and_paged() {
    let world = World::new(&[]);
    let site = world.site();
    assert_eq!(site.get("/guildhall/v1/tasks").ok(), json!({ "tasks": [] }));
    let mut ids = Vec::new();
    for n in 0..23 {
        let body = json!({ "organizations": [
            item("UPSERT", &json!({ "name": format!("Organization {}", n / 2) })),
            item("UPDATE", &json!({ "id": "9999" })),
        ] });
        let task = site.run(ORGANIZATIONS, &format!("key-{n}"), &body);
        ids.insert(0, task["id"].as_str().unwrap().to_owned());
    }
    let all = site.tasks();
    assert_eq!(each(&all, "id"), ids);
    for (n, task) in all.iter().rev().enumerate() {
        let (created, unchanged) = if n % 2 == 0 { (1, 0) } else { (0, 1) };
        assert_eq!(
            *task,
            json!({
                "id": task["id"],
                "type": "BULK_ORGANIZATION_CREATE_UPDATE",
                "status": "FINISHED",
                "items": 2,
                "outcomes": { "created": created, "updated": 0, "unchanged": unchanged, "failed": 1 },
                "createdAt": task["createdAt"],
                "updatedAt": task["updatedAt"],
            })
        );
    }
    for limit in [1, 7, 22, 23, 24] {
        let path = format!("/guildhall/v1/tasks?limit={limit}");
        assert_eq!(pages(&site, &path, "tasks"), all, "{limit}");
        assert_eq!(pages(&site, &format!("{path}&status=FINISHED"), "tasks"), all);
        let first = site.get(&path).ok();
        assert_eq!(first["tasks"].as_array().unwrap().len(), limit.min(23));
        assert_eq!(first["nextCursor"].is_string(), limit < 23, "{limit}");
    }
    for status in ["NOT_STARTED", "IN_PROGRESS", "FAILED"] {
        let path = format!("/guildhall/v1/tasks?status={status}");
        assert_eq!(site.get(&path).ok(), json!({ "tasks": [] }));
    }
    for bad in [
        "status=DONE",
        "status=finished",
        "status=",
        "limit=x",
        "cursor=x",
        "cursor=1",
        "status=FAILED&status=FAILED",
    ] {
        let message = site.get(&format!("/guildhall/v1/tasks?{bad}")).refused(400);
        assert!(message.starts_with(bad.split('=').next().unwrap()), "{message}");
    }
    let message = site.get("/guildhall/v1/tasks?status=FINISHD").refused(400);
    assert!(message.contains("Did you mean \"FINISHED\"?"), "{message}");
}

/// While a task is open the list says so, and how far it has come.
#[test]
fn open_tasks_are_listed() {
    let world = World::new(&[]);
    let site = world.site();
    let body = long_task(&site);
    let id = site.submit(PROFILES, "long", &body);
    let open = ["NOT_STARTED", "IN_PROGRESS"]
        .map(|status| site.get(&format!("/guildhall/v1/tasks?status={status}")).ok()["tasks"].clone());
    let listed: Vec<&Value> = open.iter().flat_map(|tasks| tasks.as_array().unwrap()).collect();
    assert!(
        listed
            .iter()
            .any(|task| task["id"] == id.as_str() && task["items"] == 100),
        "{listed:?}"
    );
    site.ended(&id);
}
