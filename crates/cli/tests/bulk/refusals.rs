//! What is refused when it is submitted: each with the whole path of what is wrong, and nothing of
//! it is stored.

use guildhall_testkit::Request;
use serde_json::{Value, json};

use crate::world::{
    DEFINITIONS, DETAILS, Expect, ORGANIZATIONS, PROFILES, Site, World, item, keyed, task_id,
};

/// A body that each operation takes.
fn good(path: &str) -> Value {
    match path {
        DEFINITIONS => json!({ "detailFields": [{ "name": "New", "type": { "name": "TEXT" } }] }),
        PROFILES => json!({ "organizationProfiles": [item("UPSERT", &json!({ "name": "Acme" }))] }),
        ORGANIZATIONS => json!({ "organizations": [item("UPSERT", &json!({ "name": "Acme" }))] }),
        DETAILS => json!({ "organizations": [{ "id": "1", "operations": [
            { "operationType": "DELETE", "payload": { "name": "Region" } }] }] }),
        other => panic!("{other}"),
    }
}

const ALL: [&str; 4] = [DEFINITIONS, PROFILES, ORGANIZATIONS, DETAILS];

/// One item of a profiles request.
fn profile(operation: &str, payload: &Value) -> Value {
    json!({ "organizationProfiles": [item(operation, payload)] })
}

/// One operation of a details request.
fn edit(operation: &str, payload: &Value) -> Value {
    json!({ "organizations": [{ "id": "1", "operations": [item(operation, payload)] }] })
}

/// What differs between before and after would have been stored by a refused request.
fn state(site: &Site) -> Value {
    json!([
        site.tasks(),
        site.get("/organization/details").ok(),
        site.profile("1"),
        site.profile("2"),
        site.profile("123"),
    ])
}

#[test]
fn keys() {
    let (_world, site) = World::demo();
    let before = state(&site);
    for path in ALL {
        let plain = || site.request("POST", path).json(&good(path));
        let send = |request: &Request, word: &str| {
            let message = site.send(request).refused(400);
            assert!(message.starts_with("Idempotency-Key: "), "{message}");
            assert!(message.contains(word), "{word}: {message}");
        };
        send(&plain(), "required");
        send(&keyed(plain(), ""), "required");
        send(&keyed(plain(), "   "), "required");
        send(&keyed(plain(), "\"\""), "0 characters");
        send(&keyed(plain(), &"k".repeat(256)), "256 characters");
        send(
            &keyed(plain(), &format!("\"{}\"", "k".repeat(256))),
            "256 characters",
        );
        send(&keyed(plain(), "schlüssel"), "visible ASCII");
        send(&keyed(plain(), "two words"), "visible ASCII");
        send(&keyed(keyed(plain(), "one"), "two"), "twice");
        send(&keyed(keyed(plain(), "one"), "one"), "twice");
    }
    assert_eq!(state(&site), before);
}

#[test]
fn longest_key_and_quotes() {
    let world = World::new(&[]);
    let site = world.site();
    let key = "k".repeat(255);
    let id = site.submit(ORGANIZATIONS, &key, &good(ORGANIZATIONS));
    // Quotes are not part of it, nor is the case of the header's name.
    let quoted = site
        .request("POST", ORGANIZATIONS)
        .header("idempotency-KEY", format!(" \"{key}\" "))
        .json(&good(ORGANIZATIONS));
    let replayed = site.send(&quoted);
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(task_id(&replayed), id);
}

#[test]
fn experimental_header() {
    let (_world, site) = World::demo();
    let before = state(&site);
    for path in [PROFILES, ORGANIZATIONS, DETAILS] {
        for value in [None, Some("opt-out"), Some("")] {
            // What is wrong with the body is not said before the header is there.
            for body in [good(path), json!({})] {
                let request = Request::post(format!("/api/v1{path}")).bearer(&site.token);
                let request = keyed(request, "key").json(&body);
                let request = match value {
                    Some(value) => request.header("X-ExperimentalApi", value),
                    None => request,
                };
                site.send(&request).refused(412);
            }
        }
    }
    assert_eq!(state(&site), before);
    // The others do not ask for it.
    let request = Request::post(format!("/api/v1{DEFINITIONS}")).bearer(&site.token);
    let id = task_id(&site.send(&keyed(request, "key").json(&good(DEFINITIONS))));
    site.ended(&id);
    let read = Request::get(format!("/api/v1/tasks/{id}")).bearer(&site.token);
    assert_eq!(site.send(&read).ok()["status"], "FINISHED");
}

/// Operation, body, and how the message begins or what it must hold.
#[test]
fn shapes() {
    let (_world, site) = World::demo();
    let before = state(&site);
    let named = |name: &str| json!({ "name": name });
    let first = "organizationProfiles[0]";
    let thousands = |count: usize| {
        let ids = vec!["qm:a:b"; count];
        let payload = json!({ "name": "a", "associateCustomers": { "customerIds": ids } });
        profile("UPSERT", &payload)["organizationProfiles"][0].clone()
    };
    let cases: Vec<(&str, Value, String, &str)> = vec![
        // Each id may come back in a failure: their number is bounded over all items.
        (
            PROFILES,
            json!({ "organizationProfiles": [thousands(5_000), thousands(5_001)] }),
            String::new(),
            "associate 10001 ids in all; at most 10000",
        ),
        // Operation types.
        (
            PROFILES,
            profile("UPSURT", &named("a")),
            format!("{first}.operationType: "),
            "Did you mean \"UPSERT\"?",
        ),
        (
            PROFILES,
            profile("DELETE", &named("a")),
            format!("{first}.operationType: "),
            "CREATE, UPDATE, UPSERT",
        ),
        (
            PROFILES,
            profile("upsert", &named("a")),
            format!("{first}.operationType: "),
            "Did you mean \"UPSERT\"?",
        ),
        (
            DETAILS,
            edit("PUT", &json!({ "name": "Region", "values": [] })),
            "organizations[0].operations[0].operationType: ".into(),
            "UPDATE, PATCH, DELETE",
        ),
        (
            DETAILS,
            edit("UPSERT", &json!({ "name": "Region", "values": [] })),
            "organizations[0].operations[0].operationType: ".into(),
            "UPDATE, PATCH, DELETE",
        ),
        (
            PROFILES,
            json!({ "organizationProfiles": [{ "payload": named("a") }] }),
            format!("{first}.operationType: "),
            "required",
        ),
        (
            PROFILES,
            json!({ "organizationProfiles": [{ "operationType": null, "payload": named("a") }] }),
            format!("{first}.operationType"),
            "",
        ),
        // Payload and identification.
        (
            PROFILES,
            json!({ "organizationProfiles": [{ "operationType": "CREATE" }] }),
            format!("{first}.payload: "),
            "required",
        ),
        (
            ORGANIZATIONS,
            json!({ "organizations": [item("UPSERT", &json!({ "name": "a" })), { "operationType": "CREATE", "payload": null }] }),
            "organizations[1].payload".into(),
            "",
        ),
        (
            PROFILES,
            profile("UPSERT", &json!({})),
            format!("{first}.payload: "),
            "id",
        ),
        (
            PROFILES,
            profile("UPDATE", &json!({ "details": [] })),
            format!("{first}.payload: "),
            "name",
        ),
        (
            PROFILES,
            profile("UPSERT", &json!({ "id": null, "name": null })),
            format!("{first}.payload: "),
            "id",
        ),
        (
            PROFILES,
            profile("CREATE", &json!({ "id": "7" })),
            format!("{first}.payload.name: "),
            "CREATE",
        ),
        (
            ORGANIZATIONS,
            json!({ "organizations": [item("CREATE", &json!({ "id": "7" }))] }),
            "organizations[0].payload.name: ".into(),
            "CREATE",
        ),
        (
            DETAILS,
            json!({ "organizations": [{ "operations": [] }] }),
            "organizations[0].id: ".into(),
            "required",
        ),
        (
            DETAILS,
            json!({ "organizations": [{ "id": " ", "operations": [item("DELETE", &named("Region"))] }] }),
            "organizations[0].id: ".into(),
            "blank",
        ),
        (
            DETAILS,
            json!({ "organizations": [{ "id": "1" }] }),
            "organizations[0].operations: ".into(),
            "required",
        ),
        (
            DETAILS,
            json!({ "organizations": [{ "id": "1", "operations": [] }] }),
            "organizations[0].operations: ".into(),
            "at least one",
        ),
        // Names.
        (
            PROFILES,
            profile("CREATE", &named("")),
            format!("{first}.payload.name: "),
            "",
        ),
        (
            PROFILES,
            profile("UPSERT", &named(" \u{2003}")),
            format!("{first}.payload.name: "),
            "",
        ),
        (
            PROFILES,
            profile("UPDATE", &named("  ")),
            format!("{first}.payload.name: "),
            "",
        ),
        (
            PROFILES,
            profile("UPSERT", &named(&"x".repeat(201))),
            format!("{first}.payload.name: "),
            "200",
        ),
        (
            ORGANIZATIONS,
            json!({ "organizations": [item("CREATE", &named("a\u{7}b"))] }),
            "organizations[0].payload.name: ".into(),
            "",
        ),
        // Details.
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "details": [{ "name": "Region", "values": [] }, { "name": " region", "values": [] }] }),
            ),
            format!("{first}.payload.details[1].name: "),
            "second time",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "details": [{ "name": " ", "values": [] }] }),
            ),
            format!("{first}.payload.details[0].name: "),
            "blank",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "details": [{ "name": "Region" }] }),
            ),
            format!("{first}.payload.details[0].values: "),
            "required",
        ),
        (
            DETAILS,
            edit("UPDATE", &named("Region")),
            "organizations[0].operations[0].payload.values: ".into(),
            "required for UPDATE",
        ),
        (
            DETAILS,
            edit("PATCH", &json!({ "name": "Region", "values": null })),
            "organizations[0].operations[0].payload.values: ".into(),
            "required for PATCH",
        ),
        (
            DETAILS,
            edit("DELETE", &named(" ")),
            "organizations[0].operations[0].payload.name: ".into(),
            "blank",
        ),
        (
            DETAILS,
            edit("UPDATE", &json!({ "values": [] })),
            "organizations[0].operations[0].payload.name: ".into(),
            "required",
        ),
        // Wrong types, with the whole path.
        (PROFILES, json!([]), "the body must be an object".into(), ""),
        (
            PROFILES,
            json!({ "organizationProfiles": {} }),
            "organizationProfiles: ".into(),
            "array",
        ),
        (
            PROFILES,
            json!({ "organizationProfiles": ["x"] }),
            format!("{first}: "),
            "object",
        ),
        (
            PROFILES,
            json!({ "organizationProfiles": [item("UPSERT", &named("a")), { "operationType": 7, "payload": named("a") }] }),
            "organizationProfiles[1].operationType: ".into(),
            "string",
        ),
        (
            PROFILES,
            profile("UPSERT", &json!({ "name": 7 })),
            format!("{first}.payload.name: "),
            "string",
        ),
        (
            PROFILES,
            profile("UPSERT", &json!({ "id": true })),
            format!("{first}.payload.id: "),
            "string",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "details": [{ "name": "Region", "values": "EMEA" }] }),
            ),
            format!("{first}.payload.details[0].values: "),
            "array",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "details": [{ "name": "Region", "values": ["EU", 7] }] }),
            ),
            format!("{first}.payload.details[0].values[1]: "),
            "string",
        ),
        (
            PROFILES,
            profile("UPSERT", &json!({ "name": "a", "associateCustomers": [] })),
            format!("{first}.payload.associateCustomers: "),
            "object",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "associateCustomers": { "customerIds": "qm:a:b" } }),
            ),
            format!("{first}.payload.associateCustomers.customerIds: "),
            "array",
        ),
        (
            PROFILES,
            profile(
                "UPSERT",
                &json!({ "name": "a", "associateProducts": { "productIds": [1] } }),
            ),
            format!("{first}.payload.associateProducts.productIds[0]: "),
            "string",
        ),
        (
            DETAILS,
            json!({ "organizations": [{ "id": "1", "operations": [item("DELETE", &named("Region")), { "operationType": "UPDATE", "payload": { "name": "Region", "values": [null] } }] }] }),
            "organizations[0].operations[1].payload.values[0]: ".into(),
            "string",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "x", "type": "TEXT" }] }),
            "detailFields[0].type: ".into(),
            "object",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "x", "type": { "name": "SELECT", "options": [1] } }] }),
            "detailFields[0].type.options[0]: ".into(),
            "string",
        ),
        // Definitions.
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "x", "type": { "name": "TEXT" } }, { "name": "y", "type": { "name": "TXT" } }] }),
            "detailFields[1].type.name: ".into(),
            "Did you mean \"TEXT\"?",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "x", "type": { "name": "SELECT" } }] }),
            "detailFields[0].type.options: ".into(),
            "",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": " ", "type": { "name": "TEXT" } }] }),
            "detailFields[0].name: ".into(),
            "",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "Straße", "type": { "name": "TEXT" } }, { "name": " STRASSE ", "type": { "name": "DATE" } }] }),
            "detailFields[1].name: ".into(),
            "second time",
        ),
        (
            DEFINITIONS,
            json!({ "detailFields": [{ "name": "New", "type": { "name": "TEXT" } }, { "name": " region ", "type": { "name": "TEXT" } }] }),
            "detailFields[1].name: ".into(),
            "Region",
        ),
    ];
    for (path, body, start, word) in cases {
        let message = site.bulk(path, "key", &body).refused(400);
        assert!(
            message.starts_with(&start) && message.contains(word),
            "{body}\nwanted {start:?} … {word:?}\ngot {message}"
        );
    }
    for broken in [
        "",
        "{",
        "{\"organizationProfiles\": []} x",
        "{\"a\": 1, \"a\": 2}",
    ] {
        let request = keyed(site.request("POST", PROFILES), "key").header("Content-Type", "application/json");
        let message = site.send(&request.body(broken)).refused(400);
        assert!(message.starts_with("The body is not valid JSON"), "{message}");
    }
    assert_eq!(state(&site), before);
}
