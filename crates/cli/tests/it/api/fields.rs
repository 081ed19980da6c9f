//! Detail field definitions: names, limits, positions, edits, deletes.

use std::thread;

use serde_json::{Value, json};

use crate::world::{Expect, Site, World, each, segment, texts};

const KINDS: [&str; 3] = ["organization", "customer", "entitlement"];

fn text(name: &str) -> Value {
    json!({ "name": name, "type": { "name": "TEXT" } })
}

fn select(name: &str, options: &[&str]) -> Value {
    json!({ "name": name, "type": { "name": "SELECT", "options": options } })
}

/// Name and position of each field.
fn positions(site: &Site, kind: &str) -> Vec<(String, i64)> {
    let list = site.get(&format!("/{kind}/details")).ok();
    let field = |field: &Value| {
        let name = field["name"].as_str().unwrap().to_owned();
        (name, field["configuration"]["position"].as_i64().unwrap())
    };
    list["results"].as_array().unwrap().iter().map(field).collect()
}

fn organization(site: &Site, name: &str) -> String {
    let made = site.post("/organization", &json!({ "name": name })).ok();
    format!("/organization/{}", made["id"].as_str().unwrap())
}

/// The detail of this name in a read.
fn detail(site: &Site, path: &str, name: &str) -> Value {
    let read = site.get(path).ok();
    let details = read["details"].as_array().unwrap();
    let found = details.iter().find(|detail| detail["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {read}")).clone()
}

#[test]
fn names_are_trimmed_composed_and_folded() {
    let site = Site::shared();
    let made = site
        .post(
            "/organization/details",
            &text("\u{a0} Cafe\u{301}  Straße\u{3000}"),
        )
        .ok();
    assert_eq!(made["name"], "Café  Straße");
    for same in ["café  strasse", "CAFÉ  STRASSE", " CAFE\u{301}  STRAẞE "] {
        let message = site.post("/organization/details", &text(same)).refused(400);
        assert!(message.starts_with("name: "), "{message}");
    }
    for other in ["Cafe  Straße", "Café Straße"] {
        site.post("/organization/details", &text(other)).ok();
    }
    // The other kinds have names of their own.
    for kind in ["customer", "entitlement"] {
        site.post(&format!("/{kind}/details"), &text("Café  Straße")).ok();
    }
    site.post("/organization/details", &text(&"ß".repeat(255))).ok();
    for bad in [
        "",
        " ",
        "\u{2003}",
        &"x".repeat(256),
        "a\u{7f}",
        "a\nb",
        "a\u{85}b",
    ] {
        let message = site.post("/organization/details", &text(bad)).refused(400);
        assert!(message.starts_with("name: "), "{message}");
    }
}

#[test]
fn fifty_of_each_kind_and_no_more() {
    let site = Site::shared();
    for kind in KINDS {
        let path = format!("/{kind}/details");
        for number in 1..=50 {
            site.post(&path, &text(&format!("field {number}"))).ok();
        }
        let message = site.post(&path, &text("one more")).refused(400);
        assert!(message.contains("50"), "{message}");
        let last = site.delete(&format!("{path}/field%2017"));
        last.gone();
        site.post(&path, &text("one more")).ok();
        site.post(&path, &text("and another")).refused(400);
        assert_eq!(positions(&site, kind).len(), 50);
        assert_eq!(positions(&site, kind).last(), Some(&("one more".to_owned(), 51)));
    }
}

#[test]
fn two_thousand_options_and_no_more() {
    let site = Site::shared();
    let mut options: Vec<String> = (0..2_000).map(|number| format!("option {number}")).collect();
    let body =
        |options: &[String]| json!({ "name": "Many", "type": { "name": "MULTISELECT", "options": options } });
    let made = site.post("/organization/details", &body(&options)).ok();
    assert_eq!(texts(&made["type"]["options"]), options);
    options.push("one more".into());
    let refused = site.post(
        "/organization/details",
        &json!({ "name": "More", "type": body(&options)["type"] }),
    );
    assert!(refused.refused(400).starts_with("type.options"));
    let edit = json!({ "name": "Many", "options": options });
    assert!(
        site.put("/organization/details/Many", &edit)
            .refused(400)
            .starts_with("options")
    );
    assert_eq!(
        site.get("/organization/details").ok()["results"][0]["type"]["options"]
            .as_array()
            .unwrap()
            .len(),
        2_000
    );
}

#[test]
fn options_are_names_that_differ() {
    let site = Site::shared();
    let made = site
        .post(
            "/organization/details",
            &select("Area", &[" EU ", "Cafe\u{301}", "US"]),
        )
        .ok();
    assert_eq!(made["type"]["options"], json!(["EU", "Café", "US"]));
    for bad in [
        &["a", "A "][..],
        &["ß", "SS"],
        &[""],
        &["x\ty"],
        &[&"x".repeat(256)],
    ] {
        let message = site
            .post("/organization/details", &select("Other", bad))
            .refused(400);
        assert!(message.starts_with("type.options["), "{message}");
        let message = site
            .put(
                "/organization/details/Area",
                &json!({ "name": "Area", "options": bad }),
            )
            .refused(400);
        assert!(message.starts_with("options["), "{message}");
    }
    for name in ["text", "Text", " TEXT", "ASSETS_OBJECT", "JSON", ""] {
        let body = json!({ "name": "Other", "type": { "name": name } });
        let message = site.post("/organization/details", &body).refused(400);
        assert!(message.starts_with("type.name: "), "{message}");
    }
    assert_eq!(positions(&site, "organization"), [("Area".to_owned(), 1)]);
}

#[test]
fn a_new_field_goes_last_and_gaps_stay() {
    let site = Site::shared();
    for kind in KINDS {
        let path = format!("/{kind}/details");
        for name in ["b", "a", "c"] {
            site.post(&path, &text(name)).ok();
        }
        site.delete(&format!("{path}/a")).gone();
        site.post(&path, &text("d")).ok();
        let wanted = [("b", 1), ("c", 3), ("d", 4)].map(|(name, position)| (name.to_owned(), position));
        assert_eq!(positions(&site, kind), wanted);
        // An edit moves nothing.
        site.put(&format!("{path}/B"), &json!({ "name": "z" })).ok();
        assert_eq!(positions(&site, kind)[0], ("z".to_owned(), 1));
        site.delete(&format!("{path}/b")).refused(404);
    }
}

#[test]
fn a_rename_keeps_id_position_and_values() {
    let site = Site::shared();
    site.post("/organization/details", &text("First")).ok();
    site.post("/organization/details", &select("Region", &["EU", "US"]))
        .ok();
    let path = organization(&site, "Acme");
    site.put(
        &format!("{path}/details?fieldName=%20REGION"),
        &json!({ "values": ["EU"] }),
    )
    .ok();
    let before = detail(&site, &path, "Region");
    assert_eq!(before["values"], json!(["EU"]));
    // Only the letter case, then another name.
    for (from, to) in [("region", "REGION"), ("Region", "Area"), ("AREA", " Zone ")] {
        let edited = site
            .put(&format!("/organization/details/{from}"), &json!({ "name": to }))
            .ok();
        assert_eq!(
            edited,
            json!({ "name": to.trim(), "type": { "name": "SELECT", "options": ["EU", "US"] } })
        );
        let mut wanted = before.clone();
        wanted["name"] = to.trim().into();
        assert_eq!(detail(&site, &path, to.trim()), wanted);
    }
    let message = site
        .put("/organization/details/Zone", &json!({ "name": "FIRST" }))
        .refused(400);
    assert!(message.starts_with("name: "), "{message}");
    // The old name is free.
    site.post("/organization/details", &text("Region")).ok();
    assert_eq!(detail(&site, &path, "Region")["values"], json!([]));
}

#[test]
fn a_removed_option_is_readable_but_not_written_any_more() {
    let site = Site::shared();
    site.post("/organization/details", &select("Region", &["EU", "US"]))
        .ok();
    let many = json!({ "name": "Areas", "type": { "name": "MULTISELECT", "options": ["a", "b", "c"] } });
    site.post("/organization/details", &many).ok();
    let path = organization(&site, "Acme");
    let region = format!("{path}/details?fieldName=Region");
    let areas = format!("{path}/details?fieldName=Areas");
    site.put(&region, &json!({ "values": ["EU"] })).ok();
    site.put(&areas, &json!({ "values": ["c", "a"] })).ok();
    site.put(
        "/organization/details/Region",
        &json!({ "name": "Region", "options": ["US", "Asia"] }),
    )
    .ok();
    site.put(
        "/organization/details/Areas",
        &json!({ "name": "Areas", "options": ["c", "d"] }),
    )
    .ok();
    let read = detail(&site, &path, "Region");
    assert_eq!(
        (&read["values"], &read["type"]["options"]),
        (&json!(["EU"]), &json!(["US", "Asia"]))
    );
    assert_eq!(detail(&site, &path, "Areas")["values"], json!(["c", "a"]));
    let profile = site
        .get(&path.replace("/organization/", "/organization/profile/"))
        .ok();
    assert_eq!(profile["details"][0]["value"]["text"], json!(["EU"]));
    site.put(&region, &json!({ "values": ["EU"] })).refused(400);
    let message = site.put(&areas, &json!({ "values": ["c", "a"] })).refused(400);
    assert!(message.starts_with("values[1]: "), "{message}");
    assert_eq!(detail(&site, &path, "Region")["values"], json!(["EU"]));
    site.put(&region, &json!({ "values": ["Asia"] })).ok();
    assert_eq!(detail(&site, &path, "Region")["values"], json!(["Asia"]));
    // Without options in the edit they stay.
    let edited = site
        .put("/organization/details/Region", &json!({ "name": "Region" }))
        .ok();
    assert_eq!(edited["type"]["options"], json!(["US", "Asia"]));
    let edited = site
        .put(
            "/organization/details/Region",
            &json!({ "name": "Region", "options": null }),
        )
        .ok();
    assert_eq!(edited["type"]["options"], json!(["US", "Asia"]));
}

/// One entity of each kind: its path, and where its values are set.
fn entities(site: &Site) -> Vec<(&'static str, String)> {
    let organization = organization(site, "Acme");
    let made = site
        .post("/customer", &json!({ "email": "ann@example.com" }))
        .ok();
    let customer = format!("/customer/{}", made["id"].as_str().unwrap());
    let product = site.post("/product", &json!({ "name": "Widget" })).ok();
    let made = site
        .post(
            &format!("{organization}/entitlement"),
            &json!({ "productId": product["id"] }),
        )
        .ok();
    let entitlement = format!("/entitlement/{}", made["id"].as_str().unwrap());
    vec![
        ("organization", organization),
        ("customer", customer),
        ("entitlement", entitlement),
    ]
}

#[test]
fn deleting_a_field_removes_its_values_from_every_read() {
    let site = Site::shared();
    for kind in KINDS {
        site.post(&format!("/{kind}/details"), &text("Note")).ok();
    }
    let entities = entities(&site);
    for (kind, path) in &entities {
        site.put(
            &format!("{path}/details?fieldName=note"),
            &json!({ "values": [format!("of the {kind}")] }),
        )
        .ok();
    }
    let profile = format!(
        "/organization/profile/{}",
        entities[0].1.rsplit('/').next().unwrap()
    );
    let read = site.get(&profile).ok();
    assert_eq!(
        read["details"][0]["value"],
        json!({ "type": "TEXT", "text": ["of the organization"] })
    );
    assert_eq!(
        read["entitlements"][0]["details"][0]["value"]["text"],
        json!(["of the entitlement"])
    );
    for (kind, path) in &entities {
        let old = detail(&site, path, "Note");
        assert_eq!(old["values"], json!([format!("of the {kind}")]));
        site.delete(&format!("/{kind}/details/NOTE")).gone();
        assert_eq!(site.get(path).ok()["details"], json!([]));
        assert_eq!(site.get(&format!("/{kind}/details")).ok()["results"], json!([]));
        site.put(
            &format!("{path}/details?fieldName=Note"),
            &json!({ "values": ["x"] }),
        )
        .refused(404);
        site.delete(&format!("/{kind}/details/Note")).refused(404);
        // The name again is another field.
        site.post(&format!("/{kind}/details"), &text("Note")).ok();
        let new = detail(&site, path, "Note");
        assert_eq!(new["values"], json!([]));
        let id = |detail: &Value| detail["id"].as_str().unwrap().parse::<i64>().unwrap();
        assert!(id(&new) > id(&old), "ids are never used again");
    }
    let read = site.get(&profile).ok();
    assert_eq!(
        (&read["details"], &read["entitlements"][0]["details"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn any_name_can_stand_in_a_path() {
    let site = Site::shared();
    let names = [
        "bulk",
        "definitions",
        "details",
        "fetch",
        "A/B",
        "100%",
        "%2F",
        "two words",
        "a+b",
        "a?b=c&d#e",
        "Größe",
        "名前",
        "🏛",
        "a;b,c:d@e",
        "\"quoted\"",
        "back\\slash",
        "{fieldName}",
        "..",
        "%",
    ];
    for kind in KINDS {
        for name in names {
            site.post(&format!("/{kind}/details"), &text(name)).ok();
        }
        for (at, name) in names.iter().enumerate() {
            let path = format!("/{kind}/details/{}", segment(name));
            let edited = site.put(&path, &json!({ "name": format!("{name} {at}") })).ok();
            assert_eq!(edited["name"], format!("{name} {at}"));
            site.put(&path, &json!({ "name": "x" })).refused(404);
            site.put(&format!("{path}%20{at}"), &json!({ "name": name })).ok();
        }
    }
    for (kind, entity) in entities(&site) {
        for name in names {
            let path = format!("{entity}/details?fieldName={}", segment(name));
            let set = site.put(&path, &json!({ "values": [name] })).ok();
            assert_eq!((&set["name"], &set["values"]), (&json!(name), &json!([name])));
            site.delete(&format!("/{kind}/details/{}", segment(name))).gone();
        }
        assert_eq!(site.get(&entity).ok()["details"], json!([]));
    }
    // A plus in a query is a space, as forms have it.
    site.post("/organization/details", &text("two words")).ok();
    let path = organization(&site, "Globex");
    site.put(
        &format!("{path}/details?fieldName=two+words"),
        &json!({ "values": ["x"] }),
    )
    .ok();
}

#[test]
fn two_that_create_one_name_at_once_make_one() {
    let world = World::shared();
    let site = world.site();
    for round in 0..10 {
        let create = |name: String| {
            let request = site.request("POST", "/organization/details").json(&text(&name));
            let client = world.server.client();
            move || client.send(&request).unwrap().status
        };
        let (one, two) = (create(format!("Field {round}")), create(format!("FIELD {round}")));
        let mut statuses = thread::scope(|scope| {
            let (one, two) = (scope.spawn(one), scope.spawn(two));
            [one.join().unwrap(), two.join().unwrap()]
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400]);
    }
    assert_eq!(positions(&site, "organization").len(), 10);
}

#[test]
fn the_seeds_definition_shapes_have_no_more_members() {
    let site = Site::shared();
    site.post("/organization/details", &select("Region", &["EU"]))
        .ok();
    let list = site.get("/organization/details").ok();
    assert_eq!(
        list,
        json!({ "results": [{ "name": "Region", "type": { "name": "SELECT", "options": ["EU"] }, "configuration": { "position": 1 } }] })
    );
    assert_eq!(each(&list["results"], "name"), ["Region"]);
}
