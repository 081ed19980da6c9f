//! Entitlements: of organizations and customers, inherited, filtered, with values.

use serde_json::{Value, json};

use crate::world::{Expect, Site, each};

struct Setting {
    site: Site,
    customer: String,
    products: [String; 2],
    organizations: [String; 2],
}

/// A customer in two organizations, each entitled to both products.
fn setting() -> Setting {
    let site = Site::shared();
    let text = |value: Value| value["id"].as_str().unwrap().to_owned();
    let customer = text(
        site.post("/customer", &json!({ "email": "ann@example.com" }))
            .ok(),
    );
    let products =
        ["Widget", "Gadget"].map(|name| text(site.post("/product", &json!({ "name": name })).ok()));
    let organizations = ["Acme", "Globex"].map(|name| {
        let body = json!({ "name": name, "associateCustomers": { "customerIds": [customer] }, "associateProducts": { "productIds": products } });
        text(site.post("/organization/profile", &body).ok())
    });
    Setting {
        site,
        customer,
        products,
        organizations,
    }
}

/// Type and id of whose each is, and its product.
fn whose(list: &Value) -> Vec<[&str; 3]> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|e| {
            [
                &e["entitledEntity"]["type"],
                &e["entitledEntity"]["id"],
                &e["product"]["name"],
            ]
            .map(|value| value.as_str().unwrap())
        })
        .collect()
}

#[test]
fn a_customer_inherits_from_every_organization() {
    let Setting {
        site,
        customer,
        products,
        organizations,
    } = setting();
    let [acme, globex] = organizations.each_ref().map(String::as_str);
    let path = format!("/customer/{customer}/entitlement");
    let own = site.post(&path, &json!({ "productId": products[1] })).ok();
    assert_eq!(
        own["entitledEntity"],
        json!({ "id": customer, "type": "CUSTOMER" })
    );
    let list = site.get(&path).ok();
    assert_eq!(
        whose(&list),
        [
            ["CUSTOMER", &customer, "Gadget"],
            ["ORGANIZATION", acme, "Widget"],
            ["ORGANIZATION", acme, "Gadget"],
            ["ORGANIZATION", globex, "Widget"],
            ["ORGANIZATION", globex, "Gadget"],
        ]
    );
    // What an organization is entitled to is not its customers'.
    let of_acme = site.get(&format!("/organization/{acme}/entitlement")).ok();
    assert_eq!(
        whose(&of_acme),
        [["ORGANIZATION", acme, "Widget"], ["ORGANIZATION", acme, "Gadget"]]
    );
    assert_eq!(of_acme.as_array().unwrap()[..], list.as_array().unwrap()[1..3]);
    for filter in ["product", "productId"] {
        for id in [products[0].clone(), products[0].to_ascii_uppercase()] {
            let found = site.get(&format!("{path}?{filter}={id}")).ok();
            assert_eq!(
                whose(&found),
                [
                    ["ORGANIZATION", acme, "Widget"],
                    ["ORGANIZATION", globex, "Widget"]
                ]
            );
            let found = site
                .get(&format!("/organization/{acme}/entitlement?{filter}={id}"))
                .ok();
            assert_eq!(whose(&found), [["ORGANIZATION", acme, "Widget"]]);
        }
        for nothing in ["", "x", "%00", &"x".repeat(5_000)] {
            assert_eq!(
                site.get(&format!("{path}?{filter}={nothing}")).ok(),
                json!([]),
                "{filter}={nothing}"
            );
        }
    }
    // A renamed product is renamed everywhere.
    site.put(
        &format!("/product/{}", products[0]),
        &json!({ "name": "Widget 2" }),
    )
    .ok();
    assert_eq!(
        whose(&site.get(&path).ok())[1],
        ["ORGANIZATION", acme, "Widget 2"]
    );
    // A deleted one of an organization is nobody's.
    let lost = of_acme[0]["id"].as_str().unwrap();
    site.delete(&format!("/entitlement/{lost}")).gone();
    assert_eq!(site.get(&path).ok().as_array().unwrap().len(), 4);
    site.get(&format!("/entitlement/{lost}")).refused(404);
}

#[test]
fn a_second_entitlement_to_a_product_is_another() {
    let Setting {
        site,
        customer,
        products,
        organizations,
    } = setting();
    for entity in [
        format!("/customer/{customer}"),
        format!("/organization/{}", organizations[0]),
    ] {
        let before = site
            .get(&format!("{entity}/entitlement"))
            .ok()
            .as_array()
            .unwrap()
            .len();
        let body = json!({ "productId": products[0].to_ascii_uppercase() });
        let two = [0, 1].map(|_| site.post(&format!("{entity}/entitlement"), &body).ok()["id"].clone());
        assert_ne!(two[0], two[1]);
        assert_eq!(
            site.get(&format!("{entity}/entitlement"))
                .ok()
                .as_array()
                .unwrap()
                .len(),
            before + 2
        );
        for (wrong, status) in [
            (json!({}), 400),
            (json!({ "productId": 7 }), 400),
            (json!({ "productId": null }), 400),
            (json!({ "productId": "" }), 404),
            (json!({ "productId": "x" }), 404),
        ] {
            site.post(&format!("{entity}/entitlement"), &wrong)
                .refused(status);
        }
        site.delete(&format!(
            "/entitlement/{}",
            two[0].as_str().unwrap().to_ascii_uppercase()
        ))
        .gone();
        site.get(&format!("/entitlement/{}", two[1].as_str().unwrap()))
            .ok();
    }
}

#[test]
fn values_show_in_every_read() {
    let Setting {
        site,
        customer,
        organizations,
        ..
    } = setting();
    let field = json!({ "name": "Tier", "type": { "name": "SELECT", "options": ["Free", "Paid"] } });
    site.post("/entitlement/details", &field).ok();
    let path = format!("/organization/{}/entitlement", organizations[0]);
    let list = site.get(&path).ok();
    let id = each(&list, "id")[0];
    let set = site
        .put(
            &format!("/entitlement/{}/details?fieldName=tier", id.to_ascii_uppercase()),
            &json!({ "values": ["Paid"] }),
        )
        .ok();
    let mut wanted = set.clone();
    wanted["configuration"] = json!({ "position": 1 });
    assert_eq!(
        site.get(&format!("/entitlement/{id}")).ok()["details"],
        json!([wanted])
    );
    assert_eq!(site.get(&path).ok()[0]["details"], json!([wanted]));
    assert_eq!(site.get(&path).ok()[1]["details"][0]["values"], json!([]));
    assert_eq!(
        site.get(&format!("/customer/{customer}/entitlement")).ok()[0]["details"],
        json!([wanted])
    );
    let profile = site
        .get(&format!("/organization/profile/{}", organizations[0]))
        .ok();
    assert_eq!(
        profile["entitlements"][0]["details"],
        json!([{ "name": "Tier", "value": { "type": "SELECT", "text": ["Paid"] } }])
    );
    assert_eq!(profile["entitlements"][1]["details"], json!([]));
}
