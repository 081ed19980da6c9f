//! Customers and their accounts.

use serde_json::{Value, json};

use crate::world::{Expect, Site, each, segment};

fn create(site: &Site, email: &str) -> String {
    let made = site.post("/customer", &json!({ "email": email })).ok();
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_email_is_kept_as_written_and_compared_without_case() {
    let site = Site::shared();
    let made = site
        .post(
            "/customer",
            &json!({ "email": " Ann.Lee@Example.COM ", "displayName": " Ann  Lee " }),
        )
        .ok();
    assert_eq!(
        (&made["email"], &made["displayName"]),
        (&json!("Ann.Lee@Example.COM"), &json!("Ann  Lee"))
    );
    assert!(
        made["id"]
            .as_str()
            .unwrap()
            .starts_with(&format!("qm:{}:", site.cloud_id))
    );
    for same in ["ann.lee@example.com", "ANN.LEE@EXAMPLE.COM"] {
        assert!(
            site.post("/customer", &json!({ "email": same }))
                .refused(400)
                .starts_with("email: ")
        );
    }
    for bad in [
        "",
        " ",
        "ann",
        "ann@example",
        "a b@example.com",
        "a@b@example.com",
        "ann@example.com, bob@example.com",
        "a\u{0}@example.com",
    ] {
        site.post("/customer", &json!({ "email": bad })).refused(400);
    }
    for body in [
        json!({}),
        json!({ "email": null }),
        json!({ "email": ["a@b.de"] }),
        json!({ "email": "a@b.de", "displayName": 7 }),
        json!({ "email": "a@b.de", "displayName": " " }),
    ] {
        site.post("/customer", &body).refused(400);
    }
    let absent = site
        .post(
            "/customer",
            &json!({ "email": "a@b.de", "displayName": null, "password": "x" }),
        )
        .ok();
    assert_eq!(absent["displayName"], "a");
}

#[test]
fn only_the_name_shown_changes() {
    let site = Site::shared();
    let id = create(&site, "ann@example.com");
    let path = format!("/customer/account/{id}");
    let body = json!({ "displayName": "Ann Lee", "email": "other@example.com", "id": "x" });
    let wanted = json!({ "id": id, "email": "ann@example.com", "displayName": "Ann Lee" });
    assert_eq!(site.put(&path, &body).ok(), wanted);
    assert_eq!(site.get(&path).ok(), wanted);
    assert_eq!(
        site.get(&format!("/customer/account/{}", segment(&id))).ok(),
        wanted
    );
    assert_eq!(site.get(&format!("/customer/{id}")).ok()["name"], "Ann Lee");
    for bad in [
        json!({}),
        json!({ "displayName": "" }),
        json!({ "displayName": "x".repeat(256) }),
        json!({ "displayName": "a\nb" }),
    ] {
        site.put(&path, &bad).refused(400);
    }
    assert_eq!(site.get(&path).ok(), wanted);
    site.put("/customer/account/nobody", &body).refused(404);
}

#[test]
fn ids_that_cannot_exist_are_not_found() {
    let site = Site::shared();
    let id = create(&site, "ann@example.com");
    for wrong in [
        format!("{id}x"),
        id.replace("qm:", "QM:"),
        "x".repeat(255),
        "x".repeat(6_000),
        "%00".into(),
        "%E2%98%83".into(),
        "5b10ac8d82e05b22cc7d4ef5".into(),
    ] {
        for path in [
            format!("/customer/{wrong}"),
            format!("/customer/account/{wrong}"),
            format!("/customer/{wrong}/entitlement"),
        ] {
            site.get(&path).refused(404);
        }
        site.delete(&format!("/customer/account/{wrong}")).refused(404);
    }
}

/// Deleting a customer takes its values, memberships and entitlements out of every read.
#[test]
fn deleting_takes_everything_along() {
    let site = Site::shared();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    site.post(
        "/customer/details",
        &json!({ "name": "Note", "type": { "name": "TEXT" } }),
    )
    .ok();
    let (id, kept) = (create(&site, "ann@example.com"), create(&site, "bob@example.com"));
    let product = text(&site.post("/product", &json!({ "name": "Widget" })).ok()["id"]);
    let body = json!({ "name": "Acme", "associateCustomers": { "customerIds": [id, kept] }, "associateProducts": { "productIds": [product] } });
    let organization = text(&site.post("/organization/profile", &body).ok()["id"]);
    let profile = format!("/organization/profile/{organization}");
    assert_eq!(
        each(&site.get(&profile).ok()["customers"], "id"),
        [&id, &kept].map(String::as_str)
    );
    site.put(
        &format!("/customer/{id}/details?fieldName=Note"),
        &json!({ "values": ["x"] }),
    )
    .ok();
    let own = text(
        &site
            .post(
                &format!("/customer/{id}/entitlement"),
                &json!({ "productId": product }),
            )
            .ok()["id"],
    );
    let inherited = text(&site.get(&format!("/customer/{id}/entitlement")).ok()[1]["id"]);

    site.delete(&format!("/customer/account/{id}")).gone();
    for path in [
        format!("/customer/{id}"),
        format!("/customer/account/{id}"),
        format!("/customer/{id}/entitlement"),
        format!("/entitlement/{own}"),
    ] {
        site.get(&path).refused(404);
    }
    site.delete(&format!("/customer/account/{id}")).refused(404);
    site.put(
        &format!("/customer/{id}/details?fieldName=Note"),
        &json!({ "values": ["x"] }),
    )
    .refused(404);
    site.post(
        &format!("/customer/{id}/entitlement"),
        &json!({ "productId": product }),
    )
    .refused(404);
    assert_eq!(each(&site.get(&profile).ok()["customers"], "id"), [kept.as_str()]);
    // The organization and what it is entitled to stay.
    site.get(&format!("/entitlement/{inherited}")).ok();
    let body = json!({ "name": "Globex", "associateCustomers": { "customerIds": [id] } });
    site.post("/organization/profile", &body).refused(400);
    // The same email is another customer, with nothing of the first.
    let again = create(&site, "ANN@example.com");
    assert_ne!(again, id);
    let read = site.get(&format!("/customer/{again}")).ok();
    assert_eq!(
        (&read["details"][0]["values"], &read["organizations"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(
        site.get(&format!("/customer/{again}/entitlement")).ok(),
        json!([])
    );
}
