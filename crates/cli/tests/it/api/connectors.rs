//! Connectors: the seeds' own payloads, the aliases of the paths, the error body on every refusal, and
//! what never comes out.

use std::thread;

use guildhall_testkit::{Request, Response, http};
use serde_json::{Value, json};

use crate::world::{Expect, Site, World};

const SEEDS: [(&str, &str, &str); 3] = [
    (
        "atlassian:customer-org-category",
        "customer-org-category-example-1",
        include_str!("../../../../domain/src/connector/tests/seeds/customer-org-category.json"),
    ),
    (
        "atlassian:customer-org",
        "customer-org-1",
        include_str!("../../../../domain/src/connector/tests/seeds/customer-org.json"),
    ),
    (
        "atlassian:organisation",
        "org-1",
        include_str!("../../../../domain/src/connector/tests/seeds/organisation.json"),
    ),
];

fn object(id: &str, sequence: i64) -> Value {
    json!({
        "id": id, "updateSequenceNumber": sequence, "displayName": id, "url": "https://example.com",
        "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
        "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
        "atlassian:organisation": {},
    })
}

fn prefixes(site: &Site) -> [String; 4] {
    let cloud = format!("/cloud/{}", site.cloud_id);
    let b = "/teamwork-graph/v1";
    [
        b.into(),
        format!("{b}{cloud}"),
        format!("/connected-data{b}"),
        format!("/connected-data{b}{cloud}"),
    ]
}

fn send(site: &Site, request: Request) -> Response {
    site.send(&request.bearer(&site.token))
}

/// As printed, under every alias of the path; read back in the canonical form.
#[test]
fn the_seeds_payloads_are_taken_unchanged() {
    let site = Site::shared();
    site.connect("CRM");
    for (object_type, id, payload) in SEEDS {
        for prefix in prefixes(&site) {
            let request = Request::post(format!("{prefix}/objects/bulk"));
            let set = send(
                &site,
                request.header("Content-Type", "application/json").body(payload),
            )
            .ok();
            assert_eq!(set["success"], true);
            assert_eq!(
                set["results"]["accepted"],
                json!([{ "entityType": object_type, "entityId": id, "index": 0 }])
            );
            let path = format!(
                "{prefix}/objects?externalId={id}&objectType={}",
                object_type.replace(':', "%3A")
            );
            let read = send(&site, Request::get(path)).ok();
            let sent: Value = serde_json::from_str(payload).unwrap();
            let (sent, read) = (&sent["objects"][0], &read["object"]);
            for member in [
                "id",
                "updateSequenceNumber",
                "displayName",
                "url",
                "permissions",
                "parentKey",
            ] {
                assert_eq!(read[member], sent[member], "{id}: {member}");
            }
            assert!(read[object_type].is_object() && read["lastUpdatedAt"].is_string());
            assert!(read["lastUpdated"].is_null() && read["schemaVersion"].is_string());
        }
    }
    let read = site
        .pull("/objects?externalId=customer-org-1&objectType=atlassian:customer-org")
        .ok();
    let block = &read["object"]["atlassian:customer-org"];
    assert_eq!(
        block["customerOrgLifeTimeValue"],
        json!({ "value": 1_000_000.0, "currencyCode": "USD" })
    );
    assert_eq!(
        block["customerOrgLastActivity"]["lastActivityAt"],
        "2023-05-01T05:00:45.000Z"
    );
}

/// Ids hold what paths cannot: they stand in queries and bodies.
#[test]
fn any_id_can_be_asked_for() {
    let site = Site::shared();
    site.connect("CRM");
    for (id, encoded) in [
        ("pipelines/123/builds/456", "pipelines%2F123%2Fbuilds%2F456"),
        ("auth0|abc def+g&h=i", "auth0%7Cabc%20def%2Bg%26h%3Di"),
        ("ä\u{1}", "%C3%A4%01"),
    ] {
        site.push("/objects/bulk", &json!({ "objects": [object(id, 1)] }))
            .ok();
        let path = format!("/objects?objectType=atlassian:organisation&externalId={encoded}");
        assert_eq!(site.pull(&path).ok()["object"]["id"], id);
    }
    for nothing in ["ä%00", "%C3%A4%00", "x%FF"] {
        let path = format!("/objects?objectType=atlassian:organisation&externalId={nothing}");
        assert_eq!(site.pull(&path).refused(404), "Object not found");
    }
}

/// A connection of another tenant is the same bytes as one that does not exist, wherever it is named.
#[test]
fn foreign_connections_are_unknown_ones() {
    let (ours, theirs) = (Site::shared(), Site::shared());
    let (foreign, nobody) = (theirs.connect("CRM"), "01900000-0000-7000-8000-000000000000");
    ours.connect("CRM");
    let bodies = |id: &str| {
        let of = "atlassian:organisation";
        [
            (
                "POST",
                "/objects/bulk",
                json!({ "objects": [object("a", 1)], "connectionId": id }),
            ),
            (
                "POST",
                "/objects/bulk",
                json!({ "objects": [{}], "connectionId": id }),
            ),
            (
                "POST",
                "/objects/delete",
                json!({ "objectType": of, "externalIds": ["a"], "connectionId": id }),
            ),
            (
                "DELETE",
                "/objects/by-properties",
                json!({ "objectType": of, "properties": { "a": "b" }, "connectionId": id }),
            ),
            (
                "POST",
                "/users/bulk",
                json!({ "users": [{ "externalId": "u" }], "connectionId": id }),
            ),
            (
                "POST",
                "/users/delete",
                json!({ "externalIds": ["u"], "connectionId": id }),
            ),
            (
                "POST",
                "/groups/bulk",
                json!({ "groups": [{}], "connectionId": id }),
            ),
        ]
    };
    for (one, other) in bodies(&foreign).into_iter().zip(bodies(nobody)) {
        let answer = |(method, path, body): (&str, &str, Value)| {
            send(
                &ours,
                Request::new(method, format!("/teamwork-graph/v1{path}")).json(&body),
            )
        };
        let (one, other) = (answer(one), answer(other));
        assert_eq!(one.refused(404), "connection not found");
        assert_eq!(one.body, other.body);
    }
    for path in [
        "/teamwork-graph/v1/objects?objectType=atlassian:organisation&externalId=a&connectionId=",
        "/teamwork-graph/v1/objects/visible?connectionId=",
        "/guildhall/v1/objects/tree?objectType=atlassian:organisation&externalId=a&connectionId=",
    ] {
        let read = |id: &str| send(&ours, Request::get(format!("{path}{id}")));
        assert_eq!(read(&foreign).refused(404), "connection not found");
        assert_eq!(read(&foreign).body, read(nobody).body);
    }
    let gone = |id: &str| send(&ours, Request::delete(format!("/guildhall/v1/connections/{id}")));
    gone(&foreign).refused(404);
    assert_eq!(gone(&foreign).body, gone(nobody).body);
}

/// Every refusal under the paths of connectors has their error body, the framework's too.
#[test]
fn every_refusal_has_the_body_of_connectors() {
    let site = Site::shared();
    let connectors = |response: &Response, status: u16| {
        response.refused(status);
        assert_eq!(response.json()["success"], false, "{}", response.text());
    };
    for prefix in prefixes(&site) {
        let bulk = format!("{prefix}/objects/bulk");
        let post = || Request::post(bulk.as_str());
        connectors(&send(&site, Request::get(format!("{prefix}/nothing"))), 404);
        connectors(&send(&site, Request::get(prefix.as_str())), 404);
        let wrong = send(&site, Request::put(bulk.as_str()));
        connectors(&wrong, 405);
        assert_eq!(wrong.header("allow"), Some("DELETE, POST"));
        connectors(&site.send(&post()), 401);
        connectors(&site.send(&Request::post(format!("{bulk}?access_token=x"))), 400);
        connectors(
            &send(&site, post().header("Content-Type", "text/plain").body("{}")),
            415,
        );
        connectors(
            &send(&site, post().header("Content-Encoding", "gzip").body("{}")),
            415,
        );
        connectors(&send(&site, post().body("{")), 400);
        connectors(&send(&site, post().body(vec![b' '; 16 * 1024 * 1024 + 1])), 413);
        // No connection yet.
        let refused = send(&site, post().json(&json!({ "objects": [object("a", 1)] })));
        assert_eq!(refused.refused(400), "connectionId is required");
    }
    // The shell's own, where it knows the path.
    for (path, is_of_connectors) in [("/teamwork-graph/v1/objects", true), ("/api/v1/product", false)] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(http::raw(World::shared().server.addr(), head.as_bytes())).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(answer.contains("\"success\":false"), is_of_connectors, "{answer}");
        assert_eq!(answer.contains("\"errorMessage\""), !is_of_connectors, "{answer}");
    }
    // An empty name of a connection is none.
    site.connect("CRM");
    let named = "objectType=atlassian:organisation&externalId=x&connectionId=";
    let refused = site.pull(&format!("/objects?{named}"));
    assert!(refused.refused(400).starts_with("connectionId must not be empty"));
    let refused = site.push(
        "/users/delete",
        &json!({ "externalIds": ["a"], "connectionId": "" }),
    );
    assert!(
        refused
            .refused(400)
            .starts_with("connectionId must be a non-empty string")
    );
    let foreign = "/teamwork-graph/v1/cloud/00000000-0000-4000-8000-000000000000/objects/bulk";
    connectors(&send(&site, Request::post(foreign)), 404);
    // Elsewhere the body is the house's.
    assert!(send(&site, Request::get("/teamwork-graphs/v1/x")).json()["success"].is_null());
}

/// More than other requests may hold, and less than these may.
#[test]
fn large_requests_are_taken() {
    let site = Site::shared();
    site.connect("CRM");
    let objects: Vec<_> = (0..100)
        .map(|n| {
            let mut object = object(&format!("o{n}"), 1);
            object["notes"] = "x".repeat(100_000).into();
            object
        })
        .collect();
    let set = site.push("/objects/bulk", &json!({ "objects": objects })).ok();
    assert_eq!(set["results"]["accepted"].as_array().unwrap().len(), 100);
    assert_eq!(set["results"]["rejected"], json!([]));
}

/// Sensitive data comes out of the read of one object, and from nowhere else.
#[test]
fn sensitive_data_stays_in() {
    const SECRET: &str = "zqsecretqz";
    let world = World::new(&["--log", "debug"]);
    let site = world.site();
    site.connect("CRM");
    let sensitive = |id: &str, value: Value| {
        let mut object = object(id, 1);
        object["atlassian:organisation"] = json!({ "customAndSensitiveData": value });
        object
    };
    let long = SECRET.repeat(10_000);
    let objects = [
        sensitive("a", SECRET.into()),
        sensitive("b", long.into()),
        sensitive("c", json!({ "nested": SECRET })),
        sensitive("d", json!([SECRET])),
    ];
    let mut answers = vec![site.push("/objects/bulk", &json!({ "objects": objects }))];
    assert_eq!(
        answers[0].ok()["results"]["accepted"].as_array().unwrap().len(),
        1
    );
    let named = "objectType=atlassian:organisation&externalId=a";
    answers.push(site.pull("/objects/visible"));
    answers.push(site.own(&format!("/objects/tree?{named}")));
    answers.push(site.own(&format!("/objects/writes?{named}")));
    let broken = json!({ "objects": objects }).to_string();
    let broken = &broken[..broken.len() - 1];
    answers.push(send(
        &site,
        Request::post("/teamwork-graph/v1/objects/bulk").body(broken),
    ));
    for answer in &answers {
        assert!(!answer.text().contains(SECRET), "{}", answer.text());
    }
    assert!(answers[1].text().contains("\"a\""));
    let read = site.pull(&format!("/objects?{named}")).ok();
    assert_eq!(
        read["object"]["atlassian:organisation"]["customAndSensitiveData"],
        SECRET
    );
    assert!(!world.server.stderr_so_far().contains(SECRET));
}

/// The setting for equal numbers reaches the store.
#[test]
fn equal_numbers_replace_where_the_setting_says_so() {
    for (setting, wanted) in [("keep", "a"), ("replace", "b")] {
        let world = World::new(&["--equal-sequence", setting, "--log", "error"]);
        let site = world.site();
        site.connect("CRM");
        for name in ["a", "b"] {
            let mut object = object("x", 1);
            object["displayName"] = name.into();
            site.push("/objects/bulk", &json!({ "objects": [object] })).ok();
        }
        let read = site
            .pull("/objects?objectType=atlassian:organisation&externalId=x")
            .ok();
        assert_eq!(read["object"]["displayName"], wanted);
    }
}

/// Limits are off unless a setting says so; then what is more is refused, and told when it works.
#[test]
fn a_minute_has_limits_where_the_setting_says_so() {
    let world = World::new(&[
        "--connector-limits",
        "vendor,getObjectByExternalId=1",
        "--log",
        "error",
    ]);
    let site = world.site();
    site.connect("CRM");
    let get = || site.pull("/objects?objectType=atlassian:organisation&externalId=x");
    assert_eq!(get().status, 404);
    let refused = get();
    assert_eq!(refused.status, 429, "{}", refused.text());
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        refused.json(),
        json!({
            "success": false,
            "error": "getObjectByExternalId: more than 1 in a minute; nothing was done",
            "errors": [],
        })
    );
    site.push("/objects/bulk", &json!({ "objects": [object("x", 1)] }))
        .ok();
}

/// Writers at once, over HTTP, end at the greatest number.
#[test]
fn writers_at_once_end_at_the_greatest_number() {
    let site = Site::shared();
    site.connect("CRM");
    thread::scope(|scope| {
        for writer in 0..8_i64 {
            let site = &site;
            scope.spawn(move || {
                for round in 0..10_i64 {
                    let objects: Vec<_> = (0..10)
                        .map(|n| object(&format!("o{n}"), (writer * 31 + round * 17 + n) % 83))
                        .collect();
                    site.push("/objects/bulk", &json!({ "objects": objects })).ok();
                }
            });
        }
    });
    for n in 0..10 {
        let all = (0..8).flat_map(|writer| (0..10).map(move |round| (writer * 31 + round * 17 + n) % 83));
        let path = format!("/objects?objectType=atlassian:organisation&externalId=o{n}");
        let read = site.pull(&path).ok();
        assert_eq!(read["object"]["updateSequenceNumber"].as_i64(), all.max());
    }
}
