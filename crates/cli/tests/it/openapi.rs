//! The OpenAPI document: committed, printed and served are the same bytes; it is sound; and every
//! operation in it has a golden success and a golden refusal.
//!
//! To update the committed file: run with `GUILDHALL_BLESS=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use guildhall_http::router::PUBLIC;
use guildhall_http::routes::{CONNECTOR_PREFIXES, Experimental, OWN_PREFIX, Space, routes};
use guildhall_testkit::{Request, server};
use serde_json::Value;

use crate::api::golden;
use crate::world::{Expect, Site, World, binary};

fn printed() -> String {
    let output = server::run(binary(), &["openapi"], &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn document() -> Value {
    serde_json::from_str(&printed()).unwrap()
}

/// `GET /organization/{organizationId}` and its operation, for all but the server's own paths.
fn operations(document: &Value) -> BTreeMap<String, Value> {
    let own: Vec<&str> = PUBLIC.iter().map(|(path, _)| *path).collect();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if own.contains(&path.as_str()) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            if method == "servers" {
                continue;
            }
            let name = format!("{} {path}", method.to_ascii_uppercase());
            operations.insert(name, operation.clone());
        }
    }
    operations
}

#[test]
fn committed_printed_and_served_are_the_same() {
    let printed = printed();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    if set("GUILDHALL_BLESS") {
        assert!(!set("CI"), "GUILDHALL_BLESS is refused where CI is set");
        fs::write(&path, &printed).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == printed,
        "openapi.json is not what `guildhall openapi` prints; run this test with GUILDHALL_BLESS=1 and read the diff"
    );
    let world = World::shared();
    let served = world
        .server
        .client()
        .send(&Request::get("/openapi.json"))
        .unwrap();
    served.ok();
    assert!(
        served.text() == printed,
        "GET /openapi.json is not what `guildhall openapi` prints"
    );
}

#[test]
fn it_is_sound() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "{name}: its operationId is there twice");
        let path = name.split_once(' ').unwrap().1;
        let wanted: BTreeSet<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array().unwrap();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let told: BTreeSet<&str> = in_path
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(told, wanted, "{name}: parameters of the path");
        assert!(
            operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .any(|status| status.starts_with('2')),
            "{name}"
        );
        assert!(
            !operation["x-scopes"].as_array().unwrap().is_empty(),
            "{name}: scopes"
        );
    }
    references(&document, &mut |reference| {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} is elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    });
    // And nothing is described that nobody uses.
    let mut used = BTreeSet::new();
    references(&document, &mut |reference| {
        used.insert(reference.to_owned());
    });
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            used.contains(&format!("#/components/schemas/{name}")),
            "nobody uses the schema {name}"
        );
    }
}

fn references(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                seen(reference);
            }
            members.values().for_each(|value| references(value, seen));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, seen)),
        _ => {}
    }
}

#[test]
fn it_holds_what_is_offered_and_nothing_else() {
    let offered: BTreeSet<String> = routes()
        .iter()
        .filter(|route| route.offered())
        .map(golden::operation)
        .collect();
    let told: BTreeSet<String> = operations(&document()).into_keys().collect();
    assert_eq!(told, offered);
    // Both spaces, and what is not offered, are in the table, so that this says something.
    for name in [
        "POST /organization/profile/bulk",
        "GET /tasks/{taskId}",
        "GET /guildhall/v1/tasks",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "POST /teamwork-graph/v1/objects/bulk",
        "DELETE /teamwork-graph/v1/objects/bulk",
    ] {
        assert!(told.contains(name), "{name}");
    }
    for name in [
        "POST /customer/bulk",
        "GET /tasks",
        "GET /tasks/{taskId}/items",
        "GET /guildhall/v1/tasks/{taskId}",
    ] {
        assert!(!told.contains(name), "{name}");
    }
}

/// Our own paths, and the public ones, are whole; the vendor's follow one of the document's servers.
#[test]
fn every_path_has_its_servers() {
    let document = document();
    let urls = |item: &Value| -> Vec<String> {
        let servers = item["servers"].as_array().into_iter().flatten();
        servers
            .map(|server| server["url"].as_str().unwrap().to_owned())
            .collect()
    };
    let vendor = ["/jsm/csm/cloudid/{cloudId}/api/v1", "/jsm/csm/api/v1", "/api/v1"];
    assert_eq!(urls(&document), vendor);
    let site = Site::shared();
    for (path, item) in document["paths"].as_object().unwrap() {
        let whole = path.starts_with(OWN_PREFIX)
            || path.starts_with(CONNECTOR_PREFIXES[0])
            || PUBLIC.iter().any(|(public, _)| path == public);
        assert_eq!(urls(item), if whole { vec!["/"] } else { vec![] }, "{path}");
        // A client that puts server and path together meets the operation: without a token, that is 401.
        for server in if whole { &[""][..] } else { &vendor } {
            let url = format!("{server}{path}").replace(['{', '}'], "");
            for method in item.as_object().unwrap().keys().filter(|key| *key != "servers") {
                let response = site.send(&Request::new(method.to_ascii_uppercase(), &url));
                let public = !item[method]["security"].is_null();
                assert_eq!(response.status, if public { 200 } else { 401 }, "{method} {url}");
            }
        }
    }
}

/// The headers that an operation asks for are told, as required, and no others.
#[test]
fn headers_are_told_where_they_are_asked_for() {
    let operations = operations(&document());
    for route in routes().iter().filter(|route| route.offered()) {
        let name = golden::operation(route);
        let parameters = operations[&name]["parameters"].as_array().unwrap();
        let headers = parameters.iter().filter(|parameter| parameter["in"] == "header");
        let told: BTreeSet<&str> = headers
            .map(|header| {
                assert_eq!(header["required"], true, "{name}: {header}");
                header["name"].as_str().unwrap()
            })
            .collect();
        let mut wanted = BTreeSet::new();
        if route.keyed {
            wanted.insert("Idempotency-Key");
        }
        if matches!(route.experimental, Experimental::Seed | Experimental::Newest) {
            wanted.insert("X-ExperimentalApi");
        }
        assert_eq!(told, wanted, "{name}");
        let tagged = |tag: &str| operations[&name]["tags"] == serde_json::json!([tag]);
        assert_eq!(tagged("guildhall"), route.space == Space::Own, "{name}");
        assert_eq!(tagged("connector"), route.space == Space::Connector, "{name}");
    }
}

/// What is tested is what the document tells: answers have just the members of their schemas.
#[test]
fn golden_answers_are_as_described() {
    let document = document();
    let operations = operations(&document);
    for path in golden::files() {
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let name = exchange["operation"].as_str().unwrap();
        let Some(operation) = operations.get(name) else {
            panic!("{}: {name} is not in the document", path.display())
        };
        let status = exchange["response"]["status"].to_string();
        let mut answer = &operation["responses"][&status];
        assert!(
            !answer.is_null(),
            "{}: {name} does not tell of {status}",
            path.display()
        );
        if let Some(reference) = answer["$ref"].as_str() {
            answer = document.pointer(&reference[1..]).unwrap();
        }
        let schema = &answer["content"]["application/json"]["schema"];
        let body = &exchange["response"]["body"];
        match schema.is_null() {
            true => assert!(body.is_null(), "{}", path.display()),
            false => conforms(&document, schema, body, &path.display().to_string()),
        }
    }
}

fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return conforms(document, document.pointer(&reference[1..]).unwrap(), value, at);
    }
    if schema["type"] == serde_json::json!(["string", "null"]) {
        assert!(value.is_string() || value.is_null(), "{at}: {value}");
        return;
    }
    match schema["type"].as_str() {
        // An object of a connector, kept as it was sent.
        Some("object") if schema["additionalProperties"] == true => {
            assert!(value.is_object(), "{at}: {value}");
        }
        Some("object") => {
            let members = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: no object: {value}"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    members.contains_key(required.as_str().unwrap()),
                    "{at}: {required} is missing"
                );
            }
            for (name, member) in members {
                let schema = &schema["properties"][name];
                assert!(!schema.is_null(), "{at}: {name} is not described");
                conforms(document, schema, member, &format!("{at}: {name}"));
            }
        }
        Some("array") => {
            let items = value
                .as_array()
                .unwrap_or_else(|| panic!("{at}: no array: {value}"));
            for item in items {
                conforms(document, &schema["items"], item, at);
            }
        }
        Some("string") => assert!(value.is_string(), "{at}: no string: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: no boolean: {value}"),
        Some("integer") => assert!(value.is_i64(), "{at}: no integer: {value}"),
        other => panic!("{at}: a schema of the type {other:?}"),
    }
}

#[test]
fn every_operation_has_a_golden_success_and_a_golden_refusal() {
    let mut seen: BTreeSet<(String, char)> = BTreeSet::new();
    for path in golden::files() {
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let status = exchange["response"]["status"].to_string();
        let class = status.chars().next().unwrap();
        let told = path.file_name().unwrap().to_str().unwrap().contains("-refused-");
        assert_eq!(
            told,
            class == '4',
            "{}: the name tells of the answer",
            path.display()
        );
        seen.insert((exchange["operation"].as_str().unwrap().to_owned(), class));
    }
    for operation in operations(&document()).into_keys() {
        for (class, what) in [('2', "success"), ('4', "refusal")] {
            assert!(
                seen.contains(&(operation.clone(), class)),
                "{operation} has no golden {what}: add one to api/golden.rs"
            );
        }
    }
}
