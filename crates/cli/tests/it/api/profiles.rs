//! Organization profiles: created wholly or not at all.

use serde_json::{Value, json};

use crate::world::{Expect, Site, each};

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_profile_is_created_wholly_or_not_at_all() {
    let site = Site::shared();
    let field = json!({ "name": "Region", "type": { "name": "SELECT", "options": ["EU", "US"] } });
    site.post("/organization/details", &field).ok();
    site.post(
        "/organization/details",
        &json!({ "name": "Note", "type": { "name": "TEXT" } }),
    )
    .ok();
    let customer = id_of(
        &site
            .post("/customer", &json!({ "email": "ann@example.com" }))
            .ok(),
    );
    let product = id_of(&site.post("/product", &json!({ "name": "Widget" })).ok());
    let good = json!({
        "name": "Acme",
        "details": [{ "name": "region", "values": ["EU"] }, { "name": "Note", "values": [] }],
        "associateCustomers": { "customerIds": [customer] },
        "associateProducts": { "productIds": [product] },
    });
    for (at, wrong, place) in [
        ("/name", json!(" "), "name"),
        ("/name", json!(7), "name"),
        ("/details", json!({}), "details"),
        ("/details/1", json!("Note"), "details[1]"),
        ("/details/1/name", json!("Notes"), "details[1].name"),
        ("/details/1/name", json!("REGION"), "details[1].name"),
        ("/details/1/values", json!(["a", "b"]), "details[1].values"),
        ("/details/1/values", json!(null), "details[1].values"),
        ("/details/0/values", json!(["eu"]), "details[0].values"),
        ("/associateCustomers", json!([customer]), "associateCustomers"),
        (
            "/associateCustomers/customerIds/0",
            json!("nobody"),
            "associateCustomers.customerIds[0]",
        ),
        (
            "/associateCustomers/customerIds/0",
            json!(7),
            "associateCustomers.customerIds[0]",
        ),
        (
            "/associateProducts/productIds/0",
            json!("none"),
            "associateProducts.productIds[0]",
        ),
        (
            "/associateProducts/productIds",
            json!(product),
            "associateProducts.productIds",
        ),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(at).unwrap() = wrong;
        let message = site.post("/organization/profile", &body).refused(400);
        assert!(message.starts_with(&format!("{place}: ")), "{at}: {message}");
    }
    let mut body = good.clone();
    body["details"][1].as_object_mut().unwrap().remove("values");
    assert!(
        site.post("/organization/profile", &body)
            .refused(400)
            .starts_with("details[1].values: ")
    );
    // Nothing is left of any of them.
    assert_eq!(
        site.post("/organization/fetch", &json!({ "organizationNames": ["Acme"] }))
            .ok(),
        json!({ "organizations": [] })
    );
    assert_eq!(
        site.get(&format!("/customer/{customer}")).ok()["organizations"],
        json!([])
    );
    assert_eq!(
        site.get(&format!("/customer/{customer}/entitlement")).ok(),
        json!([])
    );

    let made = site.post("/organization/profile", &good).ok();
    let id = id_of(&made);
    assert_eq!(
        made["details"],
        json!([{ "name": "Region", "value": { "type": "SELECT", "text": ["EU"] } }])
    );
    assert_eq!(made["customers"], json!([{ "id": customer }]));
    assert_eq!(
        made["entitlements"][0]["product"],
        json!({ "id": product, "name": "Widget" })
    );
    assert_eq!(
        made["entitlements"][0]["entitledEntity"],
        json!({ "id": id, "type": "ORGANIZATION" })
    );
    // Every read says the same.
    assert_eq!(site.get(&format!("/organization/profile/{id}")).ok(), made);
    let fetched = site
        .post(
            "/organization/profile/fetch",
            &json!({ "organizationIds": [id], "organizationNames": ["ACME"] }),
        )
        .ok();
    assert_eq!(fetched, json!({ "profiles": [made] }));
    assert_eq!(
        site.get(&format!("/organization/{id}")).ok()["details"][0]["values"],
        json!(["EU"])
    );
    assert_eq!(
        site.get(&format!("/customer/{customer}")).ok()["organizations"],
        json!([{ "id": id, "name": "Acme" }])
    );
}

#[test]
fn what_is_named_twice_is_added_once_in_the_order_given() {
    let site = Site::shared();
    let customers = ["c", "a", "b"].map(|name| {
        id_of(
            &site
                .post("/customer", &json!({ "email": format!("{name}@example.com") }))
                .ok(),
        )
    });
    let products = ["p", "o"].map(|name| id_of(&site.post("/product", &json!({ "name": name })).ok()));
    let body = json!({
        "name": "Acme",
        "associateCustomers": { "customerIds": [customers[2], customers[0], customers[2], customers[1]] },
        "associateProducts": { "productIds": [products[1], products[0], products[1].to_ascii_uppercase()] },
    });
    let made = site.post("/organization/profile", &body).ok();
    assert_eq!(
        each(&made["customers"], "id"),
        [&customers[2], &customers[0], &customers[1]].map(String::as_str)
    );
    let entitled: Vec<_> = made["entitlements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["product"]["name"])
        .collect();
    assert_eq!(entitled, ["o", "p"]);
}

#[test]
fn empty_parts_mean_nothing_to_do() {
    let site = Site::shared();
    for (at, body) in [
        json!({ "details": [], "associateCustomers": { "customerIds": [] }, "associateProducts": { "productIds": [] } }),
        json!({ "details": null, "associateCustomers": null, "associateProducts": null }),
        json!({ "associateCustomers": {}, "associateProducts": { "unknown": [7] } }),
        json!({ "associateCustomers": { "customerIds": null } }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = body;
        body["name"] = format!("Acme {at}").into();
        let made = site.post("/organization/profile", &body).ok();
        assert_eq!((&made["details"], &made["customers"], &made["entitlements"]), (&json!([]), &json!([]), &json!([])));
    }
}
