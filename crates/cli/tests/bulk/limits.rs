//! Limits: how many items a request may have, how many fields there may be, how many tasks a tenant
//! may have open.

use serde_json::{Value, json};

use crate::world::{
    CUSTOMER_DEFINITIONS, CUSTOMER_DETAILS, CUSTOMER_PROFILES, CUSTOMERS, DEFINITIONS, DETAILS, Expect,
    ORGANIZATIONS, PROFILES, Site, World, item, task_id,
};

fn good() -> Value {
    json!({ "organizations": [item("UPSERT", &json!({ "name": "Acme" }))] })
}

fn fields_and_tasks(site: &Site) -> Value {
    json!([site.get("/organization/details").ok(), site.tasks()])
}

/// How many items are too many, and how many are just taken.
#[test]
fn counts() {
    let world = World::new(&[]);
    let site = world.site();
    let many = |count: usize, make: &dyn Fn(usize) -> Value| (0..count).map(make).collect::<Vec<_>>();
    let upsert = |n: usize| item("UPSERT", &json!({ "name": format!("Organization {n}") }));
    let field = |n: usize| json!({ "name": format!("Field {n}"), "type": { "name": "TEXT" } });
    let operation = |n: usize| item("UPDATE", &json!({ "name": format!("Field {n}"), "values": [] }));
    let each_one = |n: usize| json!({ "id": n.to_string(), "operations": [operation(n)] });
    let customer = |n: usize| item("UPSERT", &json!({ "email": format!("customer{n}@example.com") }));
    let each_customer = |n: usize| json!({ "customerId": n.to_string(), "operations": [operation(n)] });
    let cases = [
        (CUSTOMER_PROFILES, "customerProfiles", many(101, &customer), 100),
        (CUSTOMERS, "customers", many(51, &customer), 50),
        (CUSTOMER_DEFINITIONS, "detailFields", many(51, &field), 50),
        (CUSTOMER_DETAILS, "customers", many(1_001, &each_customer), 1_000),
        (PROFILES, "organizationProfiles", many(101, &upsert), 100),
        (ORGANIZATIONS, "organizations", many(51, &upsert), 50),
        (DEFINITIONS, "detailFields", many(51, &field), 50),
        (DETAILS, "organizations", many(1_001, &each_one), 1_000),
    ];
    for (path, member, items, max) in &cases {
        for nothing in [json!({ *member: [] }), json!({}), json!({ *member: null })] {
            let message = site.bulk(path, "key", &nothing).refused(400);
            assert!(message.starts_with(member), "{message}");
        }
        let message = site.bulk(path, "key", &json!({ *member: items })).refused(400);
        let count = items.len().to_string();
        assert!(
            message.starts_with(member) && message.contains(&count) && message.contains(&max.to_string()),
            "{message}"
        );
    }
    // 1,000 operations count over all organizations, however they are spread.
    let spread = |counts: [usize; 2]| {
        let organization = |(id, count): (usize, usize)| json!({ "id": id.to_string(), "operations": many(count, &operation) });
        json!({ "organizations": counts.into_iter().enumerate().map(|(n, count)| organization((n + 1, count))).collect::<Vec<_>>() })
    };
    let message = site.bulk(DETAILS, "key", &spread([500, 501])).refused(400);
    assert!(
        message.contains("1001 operations") && message.contains("1000"),
        "{message}"
    );
    assert_eq!(site.tasks(), Vec::<Value>::new());

    for (path, member, items, max) in &cases {
        let task = site.run(path, "key", &json!({ *member: items[..*max] }));
        assert_eq!(task["status"], "FINISHED");
        assert_eq!(site.receipts(task["id"].as_str().unwrap()).len(), *max);
    }
    let task = site.run(DETAILS, "spread", &spread([500, 500]));
    assert_eq!(task["status"], "FINISHED");
}

/// Fifty fields in all: those that exist count, and one too many refuses the whole request.
#[test]
fn fifty_definitions_in_all() {
    let (_world, site) = World::demo();
    let fields = |count: usize| {
        let field = |n: usize| json!({ "name": format!("Field {n}"), "type": { "name": "TEXT" } });
        json!({ "detailFields": (0..count).map(field).collect::<Vec<_>>() })
    };
    let before = fields_and_tasks(&site);
    // The demo has four.
    let message = site.bulk(DEFINITIONS, "key", &fields(47)).refused(400);
    assert!(
        message.starts_with("detailFields[46]") && message.contains("50"),
        "{message}"
    );
    assert_eq!(fields_and_tasks(&site), before);
    let task = site.run(DEFINITIONS, "key", &fields(46));
    assert_eq!(task["failures"], json!([]));
    let all = site.get("/organization/details").ok();
    assert_eq!(all["results"].as_array().unwrap().len(), 50);
    // A retry of what was accepted meets neither the names nor the limit that it filled.
    let replayed = site.bulk(DEFINITIONS, "key", &fields(46));
    assert_eq!(replayed.header("Idempotent-Replayed"), Some("true"));
    assert_eq!(task_id(&replayed), task["id"].as_str().unwrap());
    site.bulk(
        DEFINITIONS,
        "another",
        &json!({ "detailFields": [{ "name": "x", "type": { "name": "TEXT" } }] }),
    )
    .refused(400);
}

/// One more than a tenant may have open is refused, until there is room.
#[test]
fn the_limit_of_open_tasks() {
    let world = World::new(&["--max-active-tasks", "1"]);
    let site = world.site();
    // A long task keeps the place taken while the next is tried.
    let field = |n: usize| json!({ "name": format!("Field {n}"), "type": { "name": "TEXT" } });
    let fields: Vec<Value> = (0..50).map(field).collect();
    site.run(DEFINITIONS, "fields", &json!({ "detailFields": fields }));
    let details: Vec<Value> = (0..50)
        .map(|n| json!({ "name": format!("Field {n}"), "values": ["x"] }))
        .collect();
    let long: Vec<Value> = (0..100)
        .map(|n| {
            item(
                "UPSERT",
                &json!({ "name": format!("Organization {n}"), "details": details }),
            )
        })
        .collect();
    let long = json!({ "organizationProfiles": long });
    let id = site.submit(PROFILES, "long", &long);
    let refused = site.bulk(ORGANIZATIONS, "key", &good());
    assert_eq!(refused.refused(400), "Maximum number of tasks reached");
    // The retry of what fills the limit is no new task.
    let replayed = site.bulk(PROFILES, "long", &long);
    assert_eq!(task_id(&replayed), id);
    assert_eq!(site.ended(&id)["failures"], json!([]));
    assert_eq!(site.tasks().len(), 2);
    // There is room again, and the key was not used up.
    assert_eq!(site.run(ORGANIZATIONS, "key", &good())["status"], "FINISHED");
}

/// What one payload may associate is bounded, since it is written in one transaction.
#[test]
fn associations() {
    let world = World::new(&[]);
    let site = world.site();
    for (member, ids) in [
        ("associateCustomers", "customerIds"),
        ("associateProducts", "productIds"),
    ] {
        let body = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let payload = json!({ "name": "Acme", member: { ids: all } });
            json!({ "organizationProfiles": [item("UPSERT", &payload)] })
        };
        let message = site.bulk(PROFILES, "key", &body(10_001)).refused(400);
        let start = format!("organizationProfiles[0].payload.{member}.{ids}: ");
        assert!(
            message.starts_with(&start) && message.contains("10001") && message.contains("10000"),
            "{message}"
        );
        assert_eq!(site.tasks(), Vec::<Value>::new());
    }
}
