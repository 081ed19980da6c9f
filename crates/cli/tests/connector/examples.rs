//! The vendor's example payloads, byte for byte: what is answered, and what is read back. Golden files
//! hold both.

use std::path::{Path, PathBuf};

use guildhall_testkit::{Golden, Request};
use serde_json::json;

use crate::world::{BASE, Expect, World, customer_org};

/// Each with the type and the id of its object.
const EXAMPLES: [(&str, &str, &str, &str); 3] = [
    (
        "customer-org-category",
        include_str!("../../../domain/src/connector/tests/seeds/customer-org-category.json"),
        "atlassian:customer-org-category",
        "customer-org-category-example-1",
    ),
    (
        "customer-org",
        include_str!("../../../domain/src/connector/tests/seeds/customer-org.json"),
        "atlassian:customer-org",
        "customer-org-1",
    ),
    (
        "organisation",
        include_str!("../../../domain/src/connector/tests/seeds/organisation.json"),
        "atlassian:organisation",
        "org-1",
    ),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/connector/golden/{name}.json"))
}

#[test]
fn examples_come_back_in_canonical_form() {
    let world = World::new(&[]);
    let connector = world.tenant().connector();
    for (name, body, object_type, id) in EXAMPLES {
        let request = Request::post(format!("{BASE}/objects/bulk"))
            .header("Content-Type", "application/json")
            .body(body);
        let set = connector.send(request).ok();
        let read = connector.object(object_type, id);
        let exchange = json!({ "set": set, "read": read.ok() });
        Golden::check(golden(name), &exchange);
        // Beside what comparing values can show: the double is printed as one.
        assert_eq!(
            read.text().contains(r#""value":1000000.0,"#),
            name == "customer-org"
        );
    }
}

/// What was read back can be sent again, and is then the same.
#[test]
fn what_is_read_back_can_be_sent() {
    let world = World::new(&["--equal-sequence", "replace"]);
    let connector = world.tenant().connector();
    for (_, body, object_type, id) in EXAMPLES {
        let body = serde_json::from_str(body).unwrap();
        connector.does("/objects/bulk", &body);
        let read = connector.object(object_type, id);
        connector.set(&[read.ok()["object"].clone()]);
        assert_eq!(connector.object(object_type, id).text(), read.text());
    }
}

#[test]
fn every_prefix_leads_to_the_same_objects() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let cloud = format!("/cloud/{}", tenant.cloud_id);
    for (number, prefix) in ["", "/connected-data"].iter().enumerate() {
        for (index, middle) in ["", cloud.as_str()].iter().enumerate() {
            let base = format!("{prefix}{BASE}{middle}");
            let id = format!("a/b c {number}{index}");
            let body = json!({ "objects": [customer_org(&id, 1)] });
            connector
                .send(Request::post(format!("{base}/objects/bulk")).json(&body))
                .ok();
            let query = format!(
                "objectType=atlassian%3Acustomer-organization&externalId=a%2Fb%20c%20{number}{index}"
            );
            let read = connector
                .send(Request::get(format!("{base}/objects?{query}")))
                .ok();
            assert_eq!(read["object"]["id"], id.as_str());
            assert_eq!(connector.object("atlassian:customer-org", &id).ok(), read);
            let delete = json!({ "objectType": "atlassian:customer-org", "externalIds": [id] });
            let deleted = connector
                .send(Request::delete(format!("{base}/objects/bulk")).json(&delete))
                .ok();
            assert_eq!(deleted["results"][0]["statusCode"], 200, "{deleted}");
            assert_eq!(
                connector.object("atlassian:customer-org", &id).refused(404),
                "Object not found"
            );
        }
    }
}

/// The same id under two types and in two connections is so many objects.
#[test]
fn keys_are_connection_type_and_id() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let mut other_type = customer_org("x", 5);
    let block = other_type
        .as_object_mut()
        .unwrap()
        .remove("atlassian:customer-org")
        .unwrap();
    other_type["atlassian:organisation"] = block;
    connector.set(&[customer_org("x", 1), other_type]);
    let second = tenant.connection();
    let body = json!({ "objects": [customer_org("x", 9)] });
    let told = connector.post("/objects/bulk", &body).refused(400);
    assert!(told.contains("connectionId is required"), "{told}");
    let body = json!({ "objects": [customer_org("x", 9)], "connectionId": second });
    connector.does("/objects/bulk", &body);
    for (object_type, connection, sequence) in [
        ("atlassian:customer-org", &tenant.connection_id, 1),
        ("atlassian:organisation", &tenant.connection_id, 5),
        ("atlassian:customer-org", &second, 9),
    ] {
        let path = format!("/objects?objectType={object_type}&externalId=x&connectionId={connection}");
        let read = connector.get(&path).ok();
        assert_eq!(read["object"]["updateSequenceNumber"], sequence);
    }
}
