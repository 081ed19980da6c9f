//! Idempotency keys: the same request again is the same task, whatever lies between.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use guildhall_testkit::Client;
use serde_json::{Value, json};

use crate::world::{DEFINITIONS, Expect, ORGANIZATIONS, PROFILES, World, item, keyed, task_id};

/// Identical requests that are sent at once, and threads that send them.
const AT_ONCE: usize = 1_000;
const THREADS: usize = 100;

fn upsert(name: &str) -> Value {
    json!({ "organizations": [item("UPSERT", &json!({ "name": name }))] })
}

#[test]
fn the_same_body_is_the_same_task() {
    let world = World::new(&[]);
    let site = world.site();
    let key = "c748a424-1db8-47f9-8288-713cdb0407b5";
    let id = site.submit(
        PROFILES,
        key,
        &json!({ "organizationProfiles": [item("UPSERT", &json!({ "name": "Acme", "details": [] }))] }),
    );
    for same in [
        r#"{"organizationProfiles":[{"operationType":"UPSERT","payload":{"name":"Acme","details":[]}}]}"#,
        r#" { "organizationProfiles" : [ { "payload" : { "details" : [ ] , "name" : "\u0041cme" } , "operationType" : "UPSERT" } ] } "#,
    ] {
        let request = keyed(site.request("POST", PROFILES), key).header("Content-Type", "application/json");
        let replayed = site.send(&request.body(same));
        assert_eq!(replayed.header("Idempotent-Replayed"), Some("true"));
        assert_eq!(task_id(&replayed), id);
    }
    // After the end it still is.
    site.ended(&id);
    let request = keyed(site.request("POST", PROFILES), key);
    let body = json!({ "organizationProfiles": [item("UPSERT", &json!({ "name": "Acme", "details": [] }))] });
    assert_eq!(task_id(&site.send(&request.json(&body))), id);
    assert_eq!(site.tasks().len(), 1);
}

#[test]
fn another_body_is_refused() {
    let world = World::new(&[]);
    let site = world.site();
    let id = site.submit(ORGANIZATIONS, "key", &upsert("Acme"));
    for other in [
        upsert("acme"),
        upsert("Acme "),
        json!({ "organizations": [item("UPSERT", &json!({ "name": "Acme" }))], "ignored": 1 }),
        json!({ "organizations": [item("CREATE", &json!({ "name": "Acme" }))] }),
    ] {
        let message = site.bulk(ORGANIZATIONS, "key", &other).refused(400);
        assert!(
            message.starts_with("Idempotency-Key: ")
                && message.contains("can only be retried with the same request data"),
            "{message}"
        );
    }
    // A body that is wrong in itself is told so, key or not.
    let message = site
        .bulk(ORGANIZATIONS, "key", &json!({ "organizations": [] }))
        .refused(400);
    assert!(message.starts_with("organizations: "), "{message}");
    assert_eq!(task_id(&site.bulk(ORGANIZATIONS, "key", &upsert("Acme"))), id);
    assert_eq!(site.tasks().len(), 1);
}

/// A key belongs to its operation and its tenant; case counts.
#[test]
fn elsewhere_it_is_another_key() {
    let world = World::new(&[]);
    let (one, two) = (world.site(), world.site());
    let profiles = json!({ "organizationProfiles": [item("UPSERT", &json!({ "name": "Acme" }))] });
    let ids = [
        one.submit(ORGANIZATIONS, "key", &upsert("Acme")),
        one.submit(PROFILES, "key", &profiles),
        one.submit(ORGANIZATIONS, "KEY", &upsert("Acme")),
        two.submit(ORGANIZATIONS, "key", &upsert("Acme")),
        two.submit(PROFILES, "key", &profiles),
    ];
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5);
    for id in &ids[..3] {
        one.ended(id);
    }
    for id in &ids[3..] {
        two.ended(id);
    }
    assert_eq!((one.tasks().len(), two.tasks().len()), (3, 2));
}

/// Two tokens of one tenant share its keys.
#[test]
fn whoever_repeats_it() {
    let world = World::new(&[]);
    let cloud_id = world.tenant();
    let tokens = [0, 1].map(|_| crate::world::Site::new(&world, world.token(&cloud_id, "admin", &[])));
    let id = tokens[0].submit(ORGANIZATIONS, "key", &upsert("Acme"));
    let replayed = tokens[1].bulk(ORGANIZATIONS, "key", &upsert("Acme"));
    assert_eq!(replayed.header("Idempotent-Replayed"), Some("true"));
    assert_eq!(task_id(&replayed), id);
}

#[test]
fn a_refusal_does_not_use_it_up() {
    let (_world, site) = World::demo();
    site.bulk(ORGANIZATIONS, "key", &json!({ "organizations": [] }))
        .refused(400);
    site.bulk(ORGANIZATIONS, "key", &upsert(" ")).refused(400);
    site.submit(ORGANIZATIONS, "key", &upsert("Acme"));
    // The same for a refusal that came from data: the body may change until one is accepted.
    let fields = |name: &str| json!({ "detailFields": [{ "name": name, "type": { "name": "TEXT" } }] });
    for _ in 0..2 {
        let message = site.bulk(DEFINITIONS, "key", &fields("REGION")).refused(400);
        assert!(message.starts_with("detailFields[0].name: "), "{message}");
    }
    site.submit(DEFINITIONS, "key", &fields("Segment"));
}

#[test]
fn definitions_again_after_their_effect() {
    let world = World::new(&[]);
    let site = world.site();
    let body =
        json!({ "detailFields": [{ "name": "Tier", "type": { "name": "SELECT", "options": ["A", "B"] } }] });
    let task = site.run(DEFINITIONS, "key", &body);
    assert_eq!(task["failures"], json!([]));
    let replayed = site.bulk(DEFINITIONS, "key", &body);
    assert_eq!(replayed.header("Idempotent-Replayed"), Some("true"));
    assert_eq!(task_id(&replayed), task["id"].as_str().unwrap());
    let message = site.bulk(DEFINITIONS, "another", &body).refused(400);
    assert!(message.starts_with("detailFields[0].name: "), "{message}");
}

/// A thousand identical requests at once make one task, and its effect happens once.
#[test]
fn a_thousand_at_once() {
    let world = World::new(&[]);
    let site = world.site();
    let product = site.post("/product", &json!({ "name": "Widget" })).ok()["id"].clone();
    let body = json!({ "organizationProfiles": [
        item("CREATE", &json!({ "name": "Acme", "associateProducts": { "productIds": [product] } })),
        item("UPSERT", &json!({ "name": "Globex", "associateProducts": { "productIds": [product] } })),
    ] });
    let request = keyed(site.request("POST", PROFILES), "key").json(&body);
    let barrier = Barrier::new(THREADS);
    let answers = thread::scope(|scope| {
        let senders: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let client = Client::new(world.server.addr());
                    // Connected before all are let go.
                    client.send(&site.request("GET", "/guildhall/v1/tasks")).unwrap();
                    barrier.wait();
                    (0..AT_ONCE / THREADS)
                        .map(|_| client.send(&request).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(answers.len(), AT_ONCE);
    let ids: BTreeSet<String> = answers.iter().map(task_id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let first = answers
        .iter()
        .filter(|answer| answer.header("Idempotent-Replayed").is_none())
        .count();
    assert_eq!(first, 1, "one request made it, the others were replays");
    let id = ids.first().unwrap();
    let task = site.ended(id);
    assert_eq!(
        (&task["status"], &task["failures"]),
        (&json!("FINISHED"), &json!([]))
    );
    assert_eq!(site.tasks().len(), 1);
    let receipts = site.receipts(id);
    assert_eq!(crate::world::each(&receipts, "outcome"), ["created", "created"]);
    for receipt in &receipts {
        let profile = site.profile(receipt["entityId"].as_str().unwrap());
        assert_eq!(profile["entitlements"].as_array().unwrap().len(), 1);
    }
    println!(
        "{AT_ONCE} identical requests from {THREADS} threads: 1 task, {} replays",
        AT_ONCE - first
    );
}
