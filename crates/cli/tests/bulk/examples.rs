//! The example requests that the vendor's documentation prints, byte for byte, each on a demo world
//! of its own: what is answered, what becomes of the task, and its effects. Golden files hold the
//! exchanges. To add one: add it to `EXAMPLES`, run with `GUILDHALL_BLESS=1`, replace what differs
//! from run to run by redactions, and read the file.

use std::path::{Path, PathBuf};

use guildhall_testkit::{Golden, Request, Response};
use serde_json::{Value, json};

use crate::world::{DEFINITIONS, DETAILS, Expect, ORGANIZATIONS, PROFILES, Site, World, task_id};

/// The key that the documentation prints.
const KEY: &str = "c748a424-1db8-47f9-8288-713cdb0407b5";

const PROFILES_EXAMPLE: &str = r#"{ "organizationProfiles": [ { "operationType": "UPSERT", "payload": { "name": "Atlassian", "details": [ { "name": "Region", "values": [ "EMEA" ] }, { "name": "Phone Number", "values": [ "0422333111" ] } ], "associateCustomers": { "customerIds": [ "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053", "qm:10c2e972-eef6-4e0e-aa81-9a9e7a4ba9a7:3468699a-b2f0-4ae9-ab2d-155a5f5a8db4" ] }, "associateProducts": { "productIds": [ "3858a61a-d337-42e6-993e-e13e1c366d4f" ] } } } ] }"#;
const ORGANIZATIONS_EXAMPLE: &str = r#"{ "organizations": [ { "operationType": "CREATE", "payload": { "id": "1", "name": "Atlassian" } } ] }"#;
const DETAILS_EXAMPLE: &str = r#"{ "organizations": [ { "id": "1", "operations": [ { "operationType": "UPDATE", "payload": { "name": "Region", "values": [ "Asia" ] } } ] } ] }"#;
const DEFINITIONS_EXAMPLE: &str = r#"{ "detailFields": [ { "name": "Account Manager", "type": { "name": "TEXT" } },
  { "name": "Customer Tier", "type": { "name": "SELECT", "options": ["Free","Standard","Premium","Enterprise"] } },
  { "name": "Renewal Date", "type": { "name": "DATE" } },
  { "name": "Support Email", "type": { "name": "EMAIL" } },
  { "name": "Preferred Contact Channels", "type": { "name": "MULTISELECT", "options": ["Email","Phone","Slack","In-app"] } },
  { "name": "Primary Contact Phone", "type": { "name": "PHONE" } } ] }"#;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/bulk/golden/{name}.json"))
}

/// Sends an example as it is printed, and compares the answer with its golden file.
fn send(site: &Site, name: &str, path: &str, body: &str) -> Response {
    let operation = path;
    let path = format!("/api/v1{path}");
    let request = Request::post(&path)
        .bearer(&site.token)
        .header("Accept", "application/json")
        .header("Idempotency-Key", KEY)
        .header("X-ExperimentalApi", "opt-in")
        .header("Content-Type", "application/json")
        .body(body);
    let response = site.send(&request);
    let shown = json!({
        "method": "POST",
        "path": path,
        "headers": {
            "Authorization": "Bearer <access_token>",
            "Accept": "application/json",
            "Idempotency-Key": KEY,
            "X-ExperimentalApi": "opt-in",
            "Content-Type": "application/json",
        },
        "body": serde_json::from_str::<Value>(body).unwrap(),
    });
    check(name, &format!("POST {operation}"), &shown, &response);
    response
}

/// Reads a path and compares the answer with its golden file.
fn read(site: &Site, name: &str, path: &str, operation: &str) -> Value {
    let response = site.get(path);
    let shown = json!({
        "method": "GET",
        "path": operation,
        "headers": { "Authorization": "Bearer <access_token>", "X-ExperimentalApi": "opt-in" },
    });
    check(name, &format!("GET {operation}"), &shown, &response);
    response.ok()
}

fn check(name: &str, operation: &str, request: &Value, response: &Response) {
    let shown = json!({ "status": response.status, "body": response.json() });
    Golden::check(
        golden(name),
        &json!({ "operation": operation, "request": request, "response": shown }),
    );
}

/// Submits an example and waits for its end; compares task and receipts with their golden files.
/// Returns the task's failures.
fn run(site: &Site, name: &str, path: &str, body: &str) -> Value {
    let id = task_id(&send(site, &format!("{name}/submit"), path, body));
    site.ended(&id);
    let task = read(
        site,
        &format!("{name}/task"),
        &format!("/tasks/{id}"),
        "/tasks/{taskId}",
    );
    read(
        site,
        &format!("{name}/receipts"),
        &format!("/guildhall/v1/tasks/{id}/items"),
        "/guildhall/v1/tasks/{taskId}/items",
    );
    assert_eq!(task["status"], "FINISHED");
    assert_eq!(task["id"], id);
    task["failures"].clone()
}

#[test]
fn profiles() {
    let (_world, site) = World::demo();
    assert_eq!(run(&site, "profiles", PROFILES, PROFILES_EXAMPLE), json!([]));
    // Found by its name: values replaced, customers added, the product not a second time.
    let profile = site.profile("123");
    assert_eq!(profile["name"], "Atlassian");
    assert_eq!(
        profile["details"],
        json!([
            { "name": "Region", "value": { "type": "SELECT", "text": ["EMEA"] } },
            { "name": "Phone Number", "value": { "type": "PHONE", "text": ["0422333111"] } },
            { "name": "Renewal Date", "value": { "type": "DATE", "text": ["2027-03-01"] } },
        ])
    );
    assert_eq!(
        profile["customers"],
        json!([
            { "id": "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053" },
            { "id": "qm:10c2e972-eef6-4e0e-aa81-9a9e7a4ba9a7:3468699a-b2f0-4ae9-ab2d-155a5f5a8db4" },
        ])
    );
    let entitlements = profile["entitlements"].as_array().unwrap();
    assert_eq!(entitlements.len(), 1);
    assert_eq!(
        entitlements[0]["product"]["id"],
        "3858a61a-d337-42e6-993e-e13e1c366d4f"
    );
}

#[test]
fn organizations() {
    let (_world, site) = World::demo();
    let before = (site.profile("1"), site.profile("123"));
    let failures = run(&site, "organizations", ORGANIZATIONS, ORGANIZATIONS_EXAMPLE);
    // The demo holds the name already.
    assert_eq!(failures.as_array().unwrap().len(), 1);
    assert!(
        failures[0]["error"]
            .as_str()
            .unwrap()
            .contains("names are unique"),
        "{failures}"
    );
    assert_eq!((site.profile("1"), site.profile("123")), before);
}

#[test]
fn details() {
    let (_world, site) = World::demo();
    assert_eq!(run(&site, "details", DETAILS, DETAILS_EXAMPLE), json!([]));
    assert_eq!(
        site.profile("1")["details"],
        json!([
            { "name": "Region", "value": { "type": "SELECT", "text": ["Asia"] } },
            { "name": "Phone Number", "value": { "type": "PHONE", "text": ["0422333111"] } },
        ])
    );
}

/// Run one after the other on one world, as somebody would who reads the page from top to bottom.
#[test]
fn all_three_in_a_row() {
    let (_world, site) = World::demo();
    let failures = [
        (PROFILES, PROFILES_EXAMPLE),
        (ORGANIZATIONS, ORGANIZATIONS_EXAMPLE),
        (DETAILS, DETAILS_EXAMPLE),
    ]
    .map(|(path, body)| {
        // The documentation prints one key for all three: a key belongs to its operation.
        let task = site.run(path, KEY, &serde_json::from_str(body).unwrap());
        task["failures"].as_array().unwrap().len()
    });
    assert_eq!(failures, [0, 1, 0]);
    assert_eq!(site.tasks().len(), 3);
}

/// The demo has a `Renewal Date` of its own: there the example is refused as a whole.
#[test]
fn definitions_that_clash() {
    let (_world, site) = World::demo();
    let before = site.get("/organization/details").ok();
    let refused = send(
        &site,
        "definitions-clash/submit",
        DEFINITIONS,
        DEFINITIONS_EXAMPLE,
    );
    let message = refused.refused(400);
    assert!(message.starts_with("detailFields[2].name: "), "{message}");
    assert_eq!(site.get("/organization/details").ok(), before);
    assert_eq!(site.tasks(), Vec::<Value>::new());
}

#[test]
fn definitions() {
    let world = World::new(&[]);
    let site = world.site();
    assert_eq!(
        run(&site, "definitions", DEFINITIONS, DEFINITIONS_EXAMPLE),
        json!([])
    );
    let fields = site.get("/organization/details").ok();
    let wanted: Value = serde_json::from_str(DEFINITIONS_EXAMPLE).unwrap();
    let wanted = wanted["detailFields"].as_array().unwrap();
    let fields = fields["results"].as_array().unwrap();
    assert_eq!(fields.len(), wanted.len());
    for ((field, wanted), position) in fields.iter().zip(wanted).zip(1..) {
        let configuration = json!({ "position": position });
        assert_eq!(
            *field,
            json!({ "name": wanted["name"], "type": wanted["type"], "configuration": configuration })
        );
    }
}
