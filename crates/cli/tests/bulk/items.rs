//! What items do, and what is reported of them: edits of values, and which organization an item
//! finds or makes.

use serde_json::{Value, json};

use crate::tasks::long_task;
use crate::world::{DEFINITIONS, DETAILS, Expect, ORGANIZATIONS, PROFILES, World, each, item};

/// The operations on values, in the order given, and what is reported of them.
#[test]
fn edits_of_values() {
    let world = World::new(&[]);
    let site = world.site();
    let fields = json!({ "detailFields": [
        { "name": "Channels", "type": { "name": "MULTISELECT", "options": ["Email", "Phone", "Slack"] } },
        { "name": "Note", "type": { "name": "TEXT" } },
        { "name": "Since", "type": { "name": "DATE" } },
    ] });
    site.run(DEFINITIONS, "fields", &fields);
    let id = site.post("/organization", &json!({ "name": "Acme" })).ok()["id"].clone();
    let values = |name: &str| {
        let read = site.get(&format!("/organization/{}", id.as_str().unwrap())).ok();
        let details = read["details"].as_array().unwrap();
        details.iter().find(|detail| detail["name"] == name).unwrap()["values"].clone()
    };
    let edit = |operation: &str, name: &str, values: &Value| {
        let mut payload = json!({ "name": name });
        if !values.is_null() {
            payload["values"] = values.clone();
        }
        item(operation, &payload)
    };
    let steps = [
        (
            "UPDATE",
            "Channels",
            json!(["Slack", "Email"]),
            json!(["Slack", "Email"]),
            "updated",
        ),
        (
            "UPDATE",
            "channels",
            json!(["Slack", "Email"]),
            json!(["Slack", "Email"]),
            "unchanged",
        ),
        (
            "PATCH",
            "Channels",
            json!(["Phone", "Slack"]),
            json!(["Slack", "Email", "Phone"]),
            "updated",
        ),
        (
            "DELETE",
            "Channels",
            json!(["Email", "Fax"]),
            json!(["Slack", "Phone"]),
            "updated",
        ),
        (
            "DELETE",
            "Channels",
            json!(["Email"]),
            json!(["Slack", "Phone"]),
            "unchanged",
        ),
        ("DELETE", "Channels", json!([]), json!([]), "updated"),
        ("PATCH", "Channels", json!(["Phone"]), json!(["Phone"]), "updated"),
        ("DELETE", "Channels", Value::Null, json!([]), "updated"),
        ("UPDATE", "Note", json!(["a"]), json!(["a"]), "updated"),
        ("PATCH", "Note", json!(["b"]), json!(["b"]), "updated"),
        ("DELETE", "Note", json!(["something else"]), json!([]), "updated"),
        (
            "UPDATE",
            "Since",
            json!(["2026-02-28"]),
            json!(["2026-02-28"]),
            "updated",
        ),
        (
            "UPDATE",
            "Since",
            json!(["2026-02-30"]),
            json!(["2026-02-28"]),
            "failed",
        ),
        (
            "PATCH",
            "Since",
            json!(["2026-02-27", "2026-02-26"]),
            json!(["2026-02-28"]),
            "failed",
        ),
        ("UPDATE", "Since", json!([]), json!([]), "updated"),
    ];
    for (number, (operation, name, given, wanted, outcome)) in steps.into_iter().enumerate() {
        let body = json!({ "organizations": [{ "id": id, "operations": [edit(operation, name, &given)] }] });
        let task = site.run(DETAILS, &format!("step-{number}"), &body);
        let stored = if name == "channels" { "Channels" } else { name };
        assert_eq!(values(stored), wanted, "{operation} {given}");
        let receipts = site.receipts(task["id"].as_str().unwrap());
        assert_eq!(receipts[0]["outcome"], outcome, "{operation} {given}");
        assert_eq!(receipts[0]["entityId"], id);
        let failures = task["failures"].as_array().unwrap();
        assert_eq!(failures.len(), usize::from(outcome == "failed"));
        for failure in failures {
            assert_eq!(failure["operatedOn"], "DETAIL_FIELD");
            assert_eq!(failure["operatedOnIds"], json!([name]));
            assert_eq!(failure["operation"], operation);
            let error = failure["error"].as_str().unwrap();
            assert!(error.starts_with("Invalid detail field value"), "{error}");
        }
    }
    // In order within one item; the part that fails does not stop the others; the same field twice.
    let body = json!({ "organizations": [
        { "id": id, "operations": [
            edit("UPDATE", "Channels", &json!(["Email"])),
            edit("UPDATE", "Nothing", &json!(["x"])),
            edit("PATCH", "Channels", &json!(["Slack"])),
            edit("DELETE", "Channels", &json!(["Email"])),
            edit("UPDATE", "Note", &json!(["kept"])),
        ] },
        { "id": "4711", "operations": [edit("DELETE", "Note", &Value::Null)] },
        { "id": "no id", "operations": [edit("DELETE", "Note", &Value::Null)] },
        { "id": id, "operations": [edit("PATCH", "Channels", &json!(["Phone"]))] },
    ] });
    let task = site.run(DETAILS, "order", &body);
    assert_eq!(values("Channels"), json!(["Slack", "Phone"]));
    assert_eq!(values("Note"), json!(["kept"]));
    let receipts = site.receipts(task["id"].as_str().unwrap());
    assert_eq!(
        each(&receipts, "outcome"),
        ["updated", "failed", "failed", "updated"]
    );
    assert_eq!(task["type"], "BULK_ORGANIZATION_DETAIL_FIELD_UPDATE");
    let failures = task["failures"].as_array().unwrap();
    assert_eq!(
        each(failures, "operatedOn"),
        ["DETAIL_FIELD", "ORGANIZATION", "ORGANIZATION"]
    );
    assert_eq!(failures[1]["operatedOnIds"], json!([]));
    assert_eq!(failures[1]["entityId"], "4711");
}

/// Which organization an item finds, and which id a new one gets.
#[test]
fn identification() {
    let (_world, site) = World::demo();
    let body = json!({ "organizations": [
        // By id: the name is the new name. By name, whatever its case: it only finds.
        item("UPDATE", &json!({ "id": "1", "name": "Acme Inc" })),
        item("UPSERT", &json!({ "name": "ACME INC" })),
        // Another's name: a failed part.
        item("UPDATE", &json!({ "id": "1", "name": "Globex" })),
        // The id wished for.
        item("CREATE", &json!({ "id": "5000", "name": "Wish" })),
        item("UPSERT", &json!({ "id": "4999", "name": "Lower wish" })),
        // No id that could be used: the server gives one.
        item("CREATE", &json!({ "id": "007", "name": "Agent" })),
        item("CREATE", &json!({ "id": "5000", "name": "Second wish" })),
        // The name is free again since the first item.
        item("CREATE", &json!({ "name": "Acme" })),
        item("CREATE", &json!({ "name": " aCME " })),
        // Not there.
        item("UPSERT", &json!({ "id": "77777" })),
        item("UPDATE", &json!({ "name": "Nobody" })),
        item("UPDATE", &json!({ "id": "77777", "name": "Nobody" })),
        item("UPDATE", &json!({ "name": "x".repeat(300) })),
        item("UPDATE", &json!({ "id": "2", "name": "Globex Corporation" })),
    ] });
    let task = site.run(ORGANIZATIONS, "key", &body);
    assert_eq!(task["type"], "BULK_ORGANIZATION_CREATE_UPDATE");
    let receipts = site.receipts(task["id"].as_str().unwrap());
    assert_eq!(
        each(&receipts, "outcome"),
        [
            "updated",
            "unchanged",
            "failed",
            "created",
            "created",
            "created",
            "created",
            "created",
            "failed",
            "failed",
            "failed",
            "failed",
            "failed",
            "updated"
        ]
    );
    let ids = each(&receipts, "entityId");
    assert_eq!(ids[..5], ["1", "1", "1", "5000", "4999"]);
    let given: Vec<i64> = ids[5..8].iter().map(|id| id.parse().unwrap()).collect();
    assert!(
        given[0] > 5_000 && given[1] > given[0] && given[2] > given[1],
        "an id above the counter moves the counter to it: {given:?}"
    );
    for (name, id) in [
        ("Acme Inc", "1"),
        ("Wish", "5000"),
        ("Lower wish", "4999"),
        ("Agent", ids[5]),
        ("Second wish", ids[6]),
        ("Acme", ids[7]),
        ("Globex Corporation", "2"),
    ] {
        assert_eq!(site.find(name).as_deref(), Some(id), "{name}");
        assert_eq!(site.profile(id)["name"], name);
    }
    assert_eq!(site.find("Nobody"), None);
    // Later creates go on above.
    let next = site.post("/organization", &json!({ "name": "Next" })).ok();
    assert!(
        next["id"].as_str().unwrap().parse::<i64>().unwrap() > given[2],
        "{next}"
    );
    // A deleted organization's id stays spent.
    let gone = site.send(&site.request("DELETE", "/organization/4999"));
    assert_eq!(gone.status, 204);
    let task = site.run(
        ORGANIZATIONS,
        "again",
        &json!({ "organizations": [item("CREATE", &json!({ "id": "4999", "name": "Back" }))] }),
    );
    let receipts = site.receipts(task["id"].as_str().unwrap());
    assert_eq!(receipts[0]["outcome"], "created");
    assert_ne!(receipts[0]["entityId"], "4999");
}

/// A name that was free when it was submitted and is taken when it is run is a failure of that item.
#[test]
fn definitions_that_come_too_late() {
    let world = World::new(&[]);
    let site = world.site();
    let long = site.submit(PROFILES, "long", &long_task(&site));
    // Both wait behind the long one.
    let field = |name: &str| json!({ "detailFields": [{ "name": name, "type": { "name": "TEXT" } }] });
    let ids = ["Segment", "segment"].map(|name| site.submit(DEFINITIONS, name, &field(name)));
    site.ended(&long);
    let [first, second] = ids.map(|id| (site.ended(&id), site.receipts(&id)));
    assert_eq!(
        (&first.0["failures"], &first.1[0]["outcome"]),
        (&json!([]), &json!("created"))
    );
    assert_eq!(second.0["status"], "FINISHED");
    let failures = second.0["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0]["operatedOn"], "DETAIL_FIELD");
    assert_eq!(failures[0]["operatedOnIds"], json!(["segment"]));
    assert_eq!(failures[0]["operation"], "CREATE");
    assert_eq!(second.1[0]["outcome"], "failed");
    let fields = site.get("/organization/details").ok();
    let names = each(fields["results"].as_array().unwrap(), "name");
    assert_eq!((names.len(), names.last()), (50, Some(&"Segment")));
}
