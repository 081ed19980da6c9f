//! Organizations: names, ids, fetching many, and what goes when one goes.

use std::thread;

use guildhall_testkit::Request;
use serde_json::{Value, json};

use crate::world::{Expect, Site, World, each};

fn create(site: &Site, name: &str) -> String {
    let made = site.post("/organization", &json!({ "name": name })).ok();
    made["id"].as_str().unwrap().to_owned()
}

fn fetch(site: &Site, ids: impl Into<Value>, names: impl Into<Value>) -> Value {
    let body = json!({ "organizationIds": ids.into(), "organizationNames": names.into() });
    site.post("/organization/fetch", &body).ok()["organizations"].clone()
}

#[test]
fn names_are_trimmed_composed_and_unique() {
    let site = Site::shared();
    let made = site
        .post("/organization", &json!({ "name": "\u{a0}Cafe\u{301} Straße " }))
        .ok();
    assert_eq!(made["name"], "Café Straße");
    let id = made["id"].as_str().unwrap();
    for same in ["CAFÉ STRASSE", "cafe\u{301} straße"] {
        let message = site.post("/organization", &json!({ "name": same })).refused(400);
        assert!(message.starts_with("name: ") && message.contains(id), "{message}");
        site.post("/organization/profile", &json!({ "name": same }))
            .refused(400);
        assert_eq!(fetch(&site, json!([]), json!([same])), json!([made]));
    }
    create(&site, &"é".repeat(200));
    // A refusal shows the value, or the beginning of a long one.
    let message = site
        .post("/organization", &json!({ "name": "a\tb" }))
        .refused(400);
    assert!(message.starts_with("name: the name \"a\\tb\" "), "{message}");
    let message = site
        .post("/organization", &json!({ "name": "é".repeat(5_000) }))
        .refused(400);
    assert!(message.len() < 300, "{message}");
    for bad in ["", " ", &"é".repeat(201), "a\tb", "a\u{0}b", "a\u{9b}b"] {
        for path in ["/organization", "/organization/profile"] {
            site.post(path, &json!({ "name": bad })).refused(400);
        }
        site.put(&format!("/organization/{id}"), &json!({ "name": bad }))
            .refused(400);
    }
    // Another's name is refused, its own in another case is not.
    let other = create(&site, "Other");
    let path = format!("/organization/{other}");
    site.put(&path, &json!({ "name": "CAFÉ STRASSE" })).refused(400);
    let renamed = site.put(&path, &json!({ "name": " OTHER " })).ok();
    assert_eq!(renamed, json!({ "id": other, "name": "OTHER" }));
    assert_eq!(site.put(&path, &json!({ "name": "Third" })).ok()["name"], "Third");
    // What it was called before is free.
    create(&site, "other");
    assert_eq!(site.get(&path).ok()["name"], "Third");
}

#[test]
fn ids_grow_and_are_never_used_again() {
    let site = Site::shared();
    let mut last = 0;
    for round in 0..20 {
        let id = create(&site, "the same name");
        assert!(
            !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit()),
            "{id}"
        );
        let number: i64 = id.parse().unwrap();
        assert!(number > last, "{number} after {last} in round {round}");
        last = number;
        site.delete(&format!("/organization/{id}")).gone();
        site.get(&format!("/organization/{id}")).refused(404);
        site.delete(&format!("/organization/{id}")).refused(404);
    }
}

#[test]
fn ids_are_never_used_again_after_a_restart() {
    let mut world = World::new(&[]);
    let site = world.site();
    let before = create(&site, "one");
    site.delete(&format!("/organization/{before}")).gone();
    let token = site.token.clone();
    assert!(world.server.terminate().unwrap().status.success());
    world.server = guildhall_testkit::Server::start(crate::world::binary(), &world.options).unwrap();
    let site = Site::new(&world, site.cloud_id, token);
    let after = create(&site, "one");
    assert!(
        after.parse::<i64>().unwrap() > before.parse::<i64>().unwrap(),
        "{after} after {before}"
    );
}

#[test]
fn ids_of_the_wrong_form_are_not_found() {
    let site = Site::shared();
    let id = create(&site, "Acme");
    for wrong in [
        format!("0{id}"),
        format!("+{id}"),
        format!("-{id}"),
        format!("{id}.0"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%00"),
        "9".repeat(18),
        "9".repeat(19),
        "9".repeat(400),
        "0".into(),
        "x".into(),
        "%D9%A1".into(),
        "*".into(),
    ] {
        for path in [
            format!("/organization/{wrong}"),
            format!("/organization/profile/{wrong}"),
            format!("/organization/{wrong}/entitlement"),
        ] {
            site.get(&path).refused(404);
        }
        site.put(&format!("/organization/{wrong}"), &json!({ "name": "x" }))
            .refused(404);
        site.delete(&format!("/organization/{wrong}")).refused(404);
    }
    assert_eq!(site.get(&format!("/organization/{id}")).ok()["name"], "Acme");
}

#[test]
fn fetch_finds_each_once_ids_first() {
    let site = Site::shared();
    let ids: Vec<String> = (0..4)
        .map(|number| create(&site, &format!("Org {number}")))
        .collect();
    let found = fetch(
        &site,
        json!([ids[2], ids[0], ids[2]]),
        json!(["ORG 3", "org 0", " Org 1 ", "org 1"]),
    );
    assert_eq!(
        each(&found, "id"),
        [&ids[2], &ids[0], &ids[3], &ids[1]].map(String::as_str)
    );
    assert_eq!(each(&found, "name"), ["Org 2", "Org 0", "Org 3", "Org 1"]);
    // What cannot exist is not found.
    let strange = json!([ids[1], "x", "", "-1", "01", "9".repeat(30), "qm:1", "a\tb"]);
    let names = json!(["", " ", "nobody", "x".repeat(5_000), "a\u{1}b"]);
    assert_eq!(each(&fetch(&site, strange, names), "id"), [ids[1].as_str()]);
    assert_eq!(fetch(&site, json!(["77"]), json!(null)), json!([]));
    // Ids are strings.
    let refused = site.post("/organization/fetch", &json!({ "organizationIds": [ids[1], 7] }));
    assert_eq!(
        refused.refused(400),
        "organizationIds[1]: must be a string, not the number 7"
    );
    // Only one of the two, and members that nobody knows.
    let body = json!({ "organizationNames": ["Org 1"], "organizations": 7, "x": { "y": [null] } });
    assert_eq!(
        each(
            &site.post("/organization/fetch?expand=all", &body).ok()["organizations"],
            "name"
        ),
        ["Org 1"]
    );
}

#[test]
fn fetch_has_limits() {
    let site = Site::shared();
    let id = create(&site, "Acme");
    for (path, max, list) in [
        ("/organization/fetch", 50, "organizations"),
        ("/organization/profile/fetch", 25, "profiles"),
    ] {
        let ids = |count: usize| -> Vec<String> {
            (0..count)
                .map(|n| {
                    if n == 0 {
                        id.clone()
                    } else {
                        format!("{}", 1_000_000 + n)
                    }
                })
                .collect()
        };
        let found = site.post(path, &json!({ "organizationIds": ids(max) })).ok();
        assert_eq!(each(&found[list], "id"), [id.as_str()]);
        let found = site
            .post(
                path,
                &json!({ "organizationIds": ids(max - 1), "organizationNames": ["acme"] }),
            )
            .ok();
        assert_eq!(each(&found[list], "id"), [id.as_str()]);
        for body in [
            json!({ "organizationIds": ids(max + 1) }),
            json!({ "organizationIds": ids(max), "organizationNames": ["acme"] }),
            json!({ "organizationNames": vec!["acme"; max + 1] }),
        ] {
            let message = site.post(path, &body).refused(400);
            assert!(message.contains(&max.to_string()), "{message}");
        }
        for nothing in [
            json!({}),
            json!({ "organizationIds": [] }),
            json!({ "organizationIds": [], "organizationNames": null }),
            json!({ "ids": ["1"] }),
        ] {
            site.post(path, &nothing).refused(400);
        }
        for wrong in [
            json!({ "organizationIds": "1" }),
            json!({ "organizationIds": [null] }),
            json!({ "organizationIds": [["1"]] }),
            json!({ "organizationNames": [1] }),
            json!({ "organizationNames": { "a": 1 } }),
            json!(["1"]),
        ] {
            site.post(path, &wrong).refused(400);
        }
    }
}

#[test]
fn what_nobody_knows_is_ignored() {
    let site = Site::shared();
    let body = json!({ "name": "Acme", "id": "7", "details": "x", "extra": { "deep": [1, null, {}] } });
    let made = site.post("/organization?dryRun=true&name=x&name=y", &body).ok();
    assert_ne!(made["id"], "7");
    assert_eq!(
        site.get("/organization/details?position=1&&=").ok(),
        json!({ "results": [] })
    );
    // But members that stand twice are refused, ignored ones too.
    let twice = r#"{"name": "Globex", "extra": {"a": 1, "a": 1}}"#;
    let request = site
        .request("POST", "/organization")
        .header("Content-Type", "application/json");
    site.send(&request.body(twice)).refused(400);
}

#[test]
fn two_that_create_one_name_at_once_make_one() {
    let world = World::shared();
    let site = world.site();
    for round in 0..10 {
        let paths = ["/organization", "/organization/profile"];
        let requests: Vec<Request> = (0..4)
            .map(|at| {
                site.request("POST", paths[at % 2])
                    .json(&json!({ "name": format!("{}{round}", ["ss", "SS", "ß", "ẞ"][at]) }))
            })
            .collect();
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let running: Vec<_> = requests
                .iter()
                .map(|request| {
                    let client = world.server.client();
                    scope.spawn(move || client.send(request).unwrap().status)
                })
                .collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400, 400]);
    }
}

/// Deleting an organization takes its values, memberships and entitlements out of every read.
#[test]
fn deleting_takes_everything_along() {
    let site = Site::shared();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    site.post(
        "/organization/details",
        &json!({ "name": "Note", "type": { "name": "TEXT" } }),
    )
    .ok();
    let customer = text(
        &site
            .post("/customer", &json!({ "email": "ann@example.com" }))
            .ok()["id"],
    );
    let product = text(&site.post("/product", &json!({ "name": "Widget" })).ok()["id"]);
    let body = json!({
        "name": "Acme", "details": [{ "name": "Note", "values": ["x"] }],
        "associateCustomers": { "customerIds": [customer] }, "associateProducts": { "productIds": [product] },
    });
    let profile = site.post("/organization/profile", &body).ok();
    let id = text(&profile["id"]);
    let entitlement = text(&profile["entitlements"][0]["id"]);
    let kept = create(&site, "Globex");
    let customers_own = site
        .post(
            &format!("/customer/{customer}/entitlement"),
            &json!({ "productId": product }),
        )
        .ok();
    assert_eq!(
        site.get(&format!("/customer/{customer}")).ok()["organizations"],
        json!([{ "id": id, "name": "Acme" }])
    );
    assert_eq!(
        site.get(&format!("/customer/{customer}/entitlement"))
            .ok()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    site.delete(&format!("/organization/{id}")).gone();
    for path in [
        format!("/organization/{id}"),
        format!("/organization/profile/{id}"),
        format!("/organization/{id}/entitlement"),
        format!("/entitlement/{entitlement}"),
    ] {
        site.get(&path).refused(404);
    }
    site.put(&format!("/organization/{id}"), &json!({ "name": "x" }))
        .refused(404);
    site.put(
        &format!("/organization/{id}/details?fieldName=Note"),
        &json!({ "values": ["x"] }),
    )
    .refused(404);
    site.post(
        &format!("/organization/{id}/entitlement"),
        &json!({ "productId": product }),
    )
    .refused(404);
    site.delete(&format!("/entitlement/{entitlement}")).refused(404);
    assert_eq!(
        each(&fetch(&site, json!([id, kept]), json!(["Acme"])), "id"),
        [kept.as_str()]
    );
    let profiles = site
        .post(
            "/organization/profile/fetch",
            &json!({ "organizationIds": [id], "organizationNames": ["acme"] }),
        )
        .ok();
    assert_eq!(profiles, json!({ "profiles": [] }));
    // The customer stays, with what is its own.
    let read = site.get(&format!("/customer/{customer}")).ok();
    assert_eq!(read["organizations"], json!([]));
    assert_eq!(
        site.get(&format!("/customer/{customer}/entitlement")).ok(),
        json!([customers_own])
    );
    // The same name is another organization, with nothing of the first.
    let again = site
        .post("/organization/profile", &json!({ "name": "Acme" }))
        .ok();
    assert_ne!(again["id"], json!(id));
    assert_eq!(
        (&again["details"], &again["entitlements"], &again["customers"]),
        (&json!([]), &json!([]), &json!([]))
    );
}

/// A dry run is ours: where the vendor's delete would just ignore the word, it is refused.
#[test]
fn the_vendors_deletes_take_no_dry_run() {
    let site = Site::shared();
    let id = site.post("/organization", &json!({ "name": "Acme" })).ok()["id"].clone();
    let path = format!("/organization/{}", id.as_str().unwrap());
    for query in ["?dryRun=true", "?dryRun=false", "?dryRun"] {
        let message = site.delete(&format!("{path}{query}")).refused(400);
        assert!(
            message.contains("dryRun") && message.contains("/guildhall/v1"),
            "{message}"
        );
    }
    site.get(&path).ok();
    site.delete(&path).gone();
}
