//! Products: names that may repeat, pages, and what goes when one goes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{Expect, Site, each};

fn create(site: &Site, name: &str) -> String {
    let made = site.post("/product", &json!({ "name": name })).ok();
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn names_may_repeat() {
    let site = Site::shared();
    let (one, two) = (create(&site, " Widge\u{301}t "), create(&site, "Widgét"));
    assert_ne!(one, two);
    assert_eq!(
        site.get(&format!("/product/{one}")).ok(),
        json!({ "id": one, "name": "Widgét" })
    );
    assert_eq!(
        site.put(
            &format!("/product/{}", two.to_ascii_uppercase()),
            &json!({ "name": "Widgét" })
        )
        .ok()["id"],
        json!(two)
    );
    for bad in [
        json!({}),
        json!({ "name": " " }),
        json!({ "name": "x".repeat(256) }),
        json!({ "name": "a\rb" }),
        json!({ "name": null }),
    ] {
        site.post("/product", &bad).refused(400);
        site.put(&format!("/product/{one}"), &bad).refused(400);
        // Shape comes before the thing.
        site.put("/product/none", &bad).refused(400);
    }
    create(&site, &"x".repeat(255));
    for wrong in [
        "none",
        &one[1..],
        &format!("{{{one}}}"),
        &one.replace('-', ""),
        "%F0%9F%8F%9B",
    ] {
        site.get(&format!("/product/{wrong}")).refused(404);
        site.put(&format!("/product/{wrong}"), &json!({ "name": "x" }))
            .refused(404);
        site.delete(&format!("/product/{wrong}")).refused(404);
    }
}

/// All products by pages of this many.
fn walk(site: &Site, limit: usize) -> Vec<String> {
    let (mut ids, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = site.get(&format!("/product?limit={limit}{cursor}")).ok();
        let found = each(&page["results"], "id");
        assert!(found.len() <= limit, "{page}");
        ids.extend(found.into_iter().map(str::to_owned));
        pages += 1;
        assert!(pages < 1_000, "the pages never end");
        match page["nextPageCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                assert_eq!(
                    page.as_object().unwrap().len(),
                    1,
                    "the last page has no cursor: {page}"
                );
                return ids;
            }
        }
    }
}

#[test]
fn pages_cover_each_once() {
    let site = Site::shared();
    assert_eq!(site.get("/product").ok(), json!({ "results": [] }));
    let ids: Vec<String> = (0..105)
        .map(|number| create(&site, &format!("product {number}")))
        .collect();
    for limit in [1, 7, 50, 99, 100] {
        assert_eq!(walk(&site, limit), ids, "pages of {limit}");
    }
    // Exactly full pages have no empty one after them.
    for id in &ids[100..] {
        site.delete(&format!("/product/{id}")).gone();
    }
    let whole = site.get("/product").ok();
    assert_eq!(
        (each(&whole["results"], "id"), whole.get("nextPageCursor")),
        (ids[..100].iter().map(String::as_str).collect(), None)
    );
    assert_eq!(walk(&site, 50), ids[..100]);
    create(&site, "one more");
    for limit in [
        "0",
        "-1",
        "101",
        "100",
        "9223372036854775808",
        "-99999999999999999999999",
    ] {
        let page = site.get(&format!("/product?limit={limit}")).ok();
        assert_eq!(each(&page["results"], "id").len(), 100, "limit={limit}");
        assert!(page["nextPageCursor"].is_string());
    }
    for bad in [
        "limit=",
        "limit=ten",
        "limit=1.5",
        "limit=1e2",
        "limit=5&limit=5",
        "limit=0x10",
        "cursor=",
        "cursor=x",
        "cursor=p",
        "cursor=p-1",
        "cursor=pg",
        "cursor=pffffffffffffffffff",
        "cursor=%00",
        "cursor=p1&cursor=p1",
    ] {
        site.get(&format!("/product?{bad}")).refused(400);
    }
}

/// Products that come and go between two pages move nothing else: no page repeats or skips.
#[test]
fn pages_stand_still_while_products_come_and_go() {
    let site = Site::shared();
    let ids: Vec<String> = (0..6)
        .map(|number| create(&site, &format!("product {number}")))
        .collect();
    let page = site.get("/product?limit=3").ok();
    assert_eq!(each(&page["results"], "id"), ids[..3]);
    for gone in [0, 2, 4] {
        site.delete(&format!("/product/{}", ids[gone])).gone();
    }
    let new = create(&site, "new");
    let next = site
        .get(&format!(
            "/product?limit=3&cursor={}",
            page["nextPageCursor"].as_str().unwrap()
        ))
        .ok();
    assert_eq!(
        each(&next["results"], "id"),
        [&ids[3], &ids[5], &new].map(String::as_str)
    );
}

/// Deleting a product takes all entitlements to it out of every read.
#[test]
fn deleting_takes_the_entitlements_along() {
    let site = Site::shared();
    let (gone, kept) = (create(&site, "gone"), create(&site, "kept"));
    let customer = site
        .post("/customer", &json!({ "email": "ann@example.com" }))
        .ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({ "name": "Acme", "associateCustomers": { "customerIds": [customer] }, "associateProducts": { "productIds": [gone, kept] } });
    let profile = site.post("/organization/profile", &body).ok();
    let organization = profile["id"].as_str().unwrap();
    let mut entitlements: Vec<Value> = Vec::new();
    for product in [&gone, &kept] {
        entitlements.push(
            site.post(
                &format!("/customer/{customer}/entitlement"),
                &json!({ "productId": product }),
            )
            .ok(),
        );
    }
    site.delete(&format!("/product/{gone}")).gone();
    site.get(&format!("/product/{gone}")).refused(404);
    site.delete(&format!("/product/{gone}")).refused(404);
    for lost in [&entitlements[0]["id"], &profile["entitlements"][0]["id"]] {
        let path = format!("/entitlement/{}", lost.as_str().unwrap());
        site.get(&path).refused(404);
        site.delete(&path).refused(404);
        site.put(
            &format!("{path}/details?fieldName=x"),
            &json!({ "values": ["x"] }),
        )
        .refused(404);
    }
    for path in [
        format!("/customer/{customer}/entitlement"),
        format!("/organization/{organization}/entitlement"),
    ] {
        let left = site.get(&path).ok();
        let products: BTreeSet<&str> = left
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["product"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(products, BTreeSet::from([kept.as_str()]), "{path}");
        assert_eq!(site.get(&format!("{path}?product={gone}")).ok(), json!([]));
        site.post(&path, &json!({ "productId": gone })).refused(404);
    }
    let read = site.get(&format!("/organization/profile/{organization}")).ok();
    assert_eq!(read["entitlements"].as_array().unwrap().len(), 1);
    assert_eq!(each(&site.get("/product").ok()["results"], "id"), [kept.as_str()]);
}
