//! Detail values: what each of the ten types takes, keeps and refuses, over HTTP.

use guildhall_testkit::Request;
use serde_json::{Value, json};

use crate::world::{Expect, Site, World};

/// Type, values as sent, values as kept.
fn good() -> Vec<(&'static str, Value, Value)> {
    let long = "é".repeat(5_000);
    let same = |kind, values: Value| (kind, values.clone(), values);
    vec![
        same("TEXT", json!(["one\ttwo\r\nthree"])),
        same("TEXT", json!([""])),
        same("TEXT", json!(["  kept as typed  "])),
        same("TEXT", json!([long])),
        same("TEXT", json!(["e\u{301}"])),
        same("TEXT", json!(["null"])),
        same("NUMBER", json!(["12.5"])),
        same("NUMBER", json!(["-0"])),
        same("NUMBER", json!(["+007.50"])),
        same("NUMBER", json!(["9".repeat(128)])),
        ("NUMBER", json!([" 7 "]), json!(["7"])),
        ("BOOLEAN", json!(["TRUE"]), json!(["true"])),
        ("BOOLEAN", json!(["Yes"]), json!(["true"])),
        ("BOOLEAN", json!(["nO"]), json!(["false"])),
        ("BOOLEAN", json!([" false "]), json!(["false"])),
        same("DATE", json!(["2026-03-01"])),
        same("DATE", json!(["2024-02-29"])),
        ("DATE", json!(["\n2026-12-31 "]), json!(["2026-12-31"])),
        same("EMAIL", json!(["Ann.Lee+x@Example.co.uk"])),
        ("EMAIL", json!([" ann@example.com"]), json!(["ann@example.com"])),
        same("PHONE", json!(["0422333111"])),
        same("PHONE", json!(["+61 (0)422-333.111"])),
        ("PHONE", json!([" 112 "]), json!(["112"])),
        same("URL", json!(["https://example.com:8443/a?b=c#d"])),
        (
            "URL",
            json!([" HTTP://EXAMPLE.COM "]),
            json!(["HTTP://EXAMPLE.COM"]),
        ),
        same("SELECT", json!(["EU"])),
        ("SELECT", json!([" Cafe\u{301} "]), json!(["Café"])),
        same("MULTISELECT", json!(["US", "EU"])),
        (
            "MULTISELECT",
            json!(["US", "EU", "US", " EU"]),
            json!(["US", "EU"]),
        ),
        same("USER", json!(["557058:f58131cb-b67d-43c7-b30d-6b58d40bd077"])),
        ("USER", json!([" 5b10ac8d "]), json!(["5b10ac8d"])),
    ]
}

fn bad() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (kind, values) in [
        (
            "TEXT",
            vec![
                "x".repeat(5_001),
                "a\u{1}b".into(),
                "a\u{7f}".into(),
                "a\u{9f}".into(),
            ],
        ),
        (
            "NUMBER",
            [
                "1e5", "abc", "1,5", ".5", "5.", "--1", "0x10", "١٢", "Infinity", "1 000",
            ]
            .map(String::from)
            .into(),
        ),
        ("NUMBER", vec!["9".repeat(129)]),
        ("BOOLEAN", ["1", "0", "t", "on", "wahr"].map(String::from).into()),
        (
            "DATE",
            [
                "2026-02-29",
                "2026-3-1",
                "20260301",
                "2026-03-01T00:00:00Z",
                "0000-00-00",
                "2026-13-01",
                "01.03.2026",
                "+2026-03-1",
            ]
            .map(String::from)
            .into(),
        ),
        (
            "EMAIL",
            [
                "ann",
                "ann@example",
                "a b@c.de",
                "@c.de",
                "a@@b.de",
                "a@b..de",
                "a@.de",
                "Ann <a@b.de>",
            ]
            .map(String::from)
            .into(),
        ),
        (
            "PHONE",
            [
                "12",
                "123456789012345678901",
                "call me",
                "++123",
                "12+3456",
                "+1 555 0100 ext. 7",
            ]
            .map(String::from)
            .into(),
        ),
        (
            "URL",
            [
                "example.com",
                "ftp://example.com",
                "javascript:alert(1)",
                "http://",
                "https://exa mple.com",
                "//example.com",
                "mailto:a@b.de",
                "/path",
            ]
            .map(String::from)
            .into(),
        ),
        ("URL", vec![format!("https://example.com/{}", "x".repeat(2_048))]),
        ("SELECT", ["eu", "XX", "EU,US"].map(String::from).into()),
        ("MULTISELECT", ["us", "XX"].map(String::from).into()),
        ("USER", vec!["x".repeat(256), "a\u{0b}b".into()]),
    ] {
        all.extend(values.into_iter().map(|value| (kind, json!([value]))));
    }
    for (kind, _, _) in good() {
        if kind != "TEXT" {
            all.push((kind, json!([""])));
            all.push((kind, json!([" \t "])));
        }
        if kind != "MULTISELECT" {
            all.push((kind, json!(["true", "true"])));
        }
        all.push((kind, json!(["EU", 7])));
        all.push((kind, json!([true])));
        all.push((kind, json!([null])));
        all.push((kind, json!([["EU"]])));
        all.push((kind, json!("EU")));
        all.push((kind, json!(null)));
        all.push((kind, json!({ "0": "EU" })));
    }
    all.push(("MULTISELECT", json!(["EU", "XX"])));
    all
}

const TYPES: [&str; 10] = [
    "TEXT",
    "NUMBER",
    "BOOLEAN",
    "DATE",
    "EMAIL",
    "PHONE",
    "URL",
    "SELECT",
    "MULTISELECT",
    "USER",
];

/// A field of each type, called as its type, for this kind of entity.
fn fields(site: &Site, kind: &str) {
    for name in TYPES {
        let mut body = json!({ "name": name, "type": { "name": name } });
        if name.ends_with("SELECT") {
            body["type"]["options"] = json!(["EU", "US", "Café"]);
        }
        site.post(&format!("/{kind}/details"), &body).ok();
    }
}

fn values_of(site: &Site, entity: &str, field: &str) -> Value {
    let read = site.get(entity).ok();
    let found = read["details"]
        .as_array()
        .unwrap()
        .iter()
        .find(|detail| detail["name"] == field);
    found.unwrap()["values"].clone()
}

fn entities(site: &Site) -> [(&'static str, String); 3] {
    let made = site.post("/organization", &json!({ "name": "Acme" })).ok();
    let organization = format!("/organization/{}", made["id"].as_str().unwrap());
    let made = site
        .post("/customer", &json!({ "email": "ann@example.com" }))
        .ok();
    let customer = format!("/customer/{}", made["id"].as_str().unwrap());
    let product = site.post("/product", &json!({ "name": "Widget" })).ok();
    let made = site
        .post(
            &format!("{customer}/entitlement"),
            &json!({ "productId": product["id"] }),
        )
        .ok();
    let entitlement = format!("/entitlement/{}", made["id"].as_str().unwrap());
    [
        ("organization", organization),
        ("customer", customer),
        ("entitlement", entitlement),
    ]
}

#[test]
fn good_values_are_kept_in_their_form() {
    let site = Site::shared();
    for (kind, entity) in entities(&site) {
        fields(&site, kind);
        for (field, sent, kept) in good() {
            let path = format!("{entity}/details?fieldName={field}");
            let set = site.put(&path, &json!({ "values": sent })).ok();
            assert_eq!((&set["name"], &set["values"]), (&json!(field), &kept));
            let mut members: Vec<&String> = set.as_object().unwrap().keys().collect();
            members.sort();
            assert_eq!(members, ["id", "name", "type", "values"]);
            assert_eq!(values_of(&site, &entity, field), kept);
        }
        // Each field still has its last value; and an empty list clears.
        for field in TYPES {
            assert_ne!(values_of(&site, &entity, field), json!([]));
            let path = format!("{entity}/details?fieldName={field}");
            assert_eq!(
                site.put(&path, &json!({ "values": [] })).ok()["values"],
                json!([])
            );
            assert_eq!(values_of(&site, &entity, field), json!([]));
        }
    }
}

#[test]
fn bad_values_are_refused_and_change_nothing() {
    let site = Site::shared();
    let [(kind, entity), ..] = entities(&site);
    fields(&site, kind);
    for (field, sent, _) in good() {
        site.put(
            &format!("{entity}/details?fieldName={field}"),
            &json!({ "values": sent }),
        )
        .ok();
    }
    let before = site.get(&entity).ok();
    for (field, sent) in bad() {
        let response = site.put(
            &format!("{entity}/details?fieldName={field}"),
            &json!({ "values": sent }),
        );
        assert_eq!(response.status, 400, "{field} {sent}: {}", response.text());
        let message = response.refused(400);
        assert!(message.starts_with("values"), "{field} {sent}: {message}");
        let all_texts = sent
            .as_array()
            .is_some_and(|values| values.iter().all(Value::is_string));
        if all_texts {
            assert!(message.contains("Invalid detail field value"), "{message}");
        }
        assert!(message.len() < 600, "{message}");
    }
    for body in [
        json!({}),
        json!({ "value": ["x"] }),
        json!([]),
        json!("EU"),
        json!(null),
    ] {
        site.put(&format!("{entity}/details?fieldName=TEXT"), &body)
            .refused(400);
    }
    assert_eq!(site.get(&entity).ok(), before);
}

/// Profiles show the fields that have a value, by position, with the strings of the other reads.
#[test]
fn profiles_show_every_type_as_text() {
    let site = Site::shared();
    let [(kind, entity), ..] = entities(&site);
    fields(&site, kind);
    let profile = entity.replace("/organization/", "/organization/profile/");
    assert_eq!(site.get(&profile).ok()["details"], json!([]));
    for (field, sent, _) in good().into_iter().rev() {
        site.put(
            &format!("{entity}/details?fieldName={field}"),
            &json!({ "values": sent }),
        )
        .ok();
    }
    let shown = site.get(&profile).ok()["details"].clone();
    let wanted: Vec<Value> = TYPES
        .iter()
        .map(|field| json!({ "name": field, "value": { "type": field, "text": values_of(&site, &entity, field) } }))
        .collect();
    assert_eq!(shown, json!(wanted));
}

#[test]
fn values_through_a_profile_are_checked_alike() {
    let site = Site::shared();
    fields(&site, "organization");
    for (at, (field, sent, kept)) in good().into_iter().enumerate() {
        let body = json!({ "name": format!("good {at}"), "details": [{ "name": field, "values": sent }] });
        let made = site.post("/organization/profile", &body).ok();
        assert_eq!(
            made["details"],
            json!([{ "name": field, "value": { "type": field, "text": kept } }])
        );
    }
    for (at, (field, sent)) in bad().into_iter().enumerate() {
        let body = json!({ "name": format!("bad {at}"), "details": [{ "name": field, "values": sent }] });
        let message = site.post("/organization/profile", &body).refused(400);
        assert!(
            message.starts_with("details[0].values"),
            "{field} {sent}: {message}"
        );
    }
    let names: Vec<String> = (0..50).map(|at| format!("bad {at}")).collect();
    let found = site
        .post("/organization/fetch", &json!({ "organizationNames": names }))
        .ok();
    assert_eq!(found, json!({ "organizations": [] }));
}

#[test]
fn the_strict_phone_format() {
    let world = World::new(&["--phone-format", "e164"]);
    let site = world.site();
    let [(kind, entity), ..] = entities(&site);
    fields(&site, kind);
    let path = format!("{entity}/details?fieldName=PHONE");
    for bad in [
        "0422333111",
        "+61 422 333 111",
        "+0123456",
        "+1234567890123456",
        "61422333111",
    ] {
        site.put(&path, &json!({ "values": [bad] })).refused(400);
    }
    site.put(&path, &json!({ "values": ["+61422333111"] })).ok();
}

#[test]
fn the_field_is_named_by_the_query() {
    let site = Site::shared();
    let [(kind, entity), ..] = entities(&site);
    fields(&site, kind);
    let body = json!({ "values": ["EU"] });
    for (query, status) in [
        ("", 400),
        ("?fieldname=TEXT", 400),
        ("?fieldName=TEXT&fieldName=TEXT", 400),
        ("?fieldName=", 404),
        ("?fieldName=nothing", 404),
        ("?fieldName=text&other=x&other=y", 200),
        ("?field%4eame=%54ext", 200),
        ("?fieldName=%C3%28", 404),
    ] {
        let response = site.put(&format!("{entity}/details{query}"), &body);
        assert_eq!(response.status, status, "{query}: {}", response.text());
    }
    // 404 for the thing comes before 400 for what depends on data, and after 400 for shape.
    let nobody = "/organization/77/details?fieldName=SELECT";
    site.put(nobody, &json!({ "values": ["XX"] })).refused(404);
    site.put(nobody, &json!({ "values": "XX" })).refused(400);
    let request = Request::put(format!("/api/v1{nobody}"))
        .bearer(&site.token)
        .body("{");
    site.send(&request.header("Content-Type", "application/json"))
        .refused(400);
}
