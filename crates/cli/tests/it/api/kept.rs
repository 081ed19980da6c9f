//! Answers that are kept are as good as new ones: after whatever changes an organization's profile, the
//! kept answer is the one that a fetch makes anew, and no reader sees an older one than was acknowledged.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::Request;
use serde_json::{Value, json};

use crate::world::{Expect, Site, World, fresh_key};

/// A site with an organization that has a value, a customer and an entitlement with a value.
struct Stage {
    site: Site,
    organization: String,
    customer: String,
    product: String,
    entitlement: String,
}

impl Stage {
    fn new() -> Self {
        let site = Site::shared();
        let field = json!({"name": "Region", "type": {"name": "SELECT", "options": ["EU", "US"]}});
        site.post("/organization/details", &field).ok();
        let field = json!({"name": "Seats", "type": {"name": "NUMBER"}});
        site.post("/entitlement/details", &field).ok();
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let customer = text(&site.post("/customer", &json!({"email": "ann@example.com"})).ok());
        let product = text(&site.post("/product", &json!({"name": "Widget"})).ok());
        let profile = site.post(
            "/organization/profile",
            &json!({
                "name": "Acme",
                "details": [{"name": "Region", "values": ["EU"]}],
                "associateCustomers": {"customerIds": [customer]},
                "associateProducts": {"productIds": [product]},
            }),
        );
        let profile = profile.ok();
        Self {
            organization: text(&profile),
            entitlement: text(&profile["entitlements"][0]),
            site,
            customer,
            product,
        }
    }

    /// The profile, which is kept from the second time on, must be the one that a fetch makes anew, and
    /// the organization must say the same of its name and values.
    #[track_caller]
    fn check(&self, what: &str) -> Value {
        let path = format!("/organization/profile/{}", self.organization);
        let body = json!({"organizationIds": [self.organization]});
        let anew = self.site.post("/organization/profile/fetch", &body).ok()["profiles"][0].clone();
        for time in ["first", "second", "third"] {
            assert_eq!(self.site.get(&path).ok(), anew, "{what}, {time} time");
        }
        let path = format!("/organization/{}", self.organization);
        let first = self.site.get(&path).ok();
        assert_eq!(self.site.get(&path).ok(), first, "{what}");
        assert_eq!(first["name"], anew["name"], "{what}");
        for time in ["first", "second"] {
            let listed = &self.site.own("/organizations?limit=5").ok()["organizations"][0];
            for member in ["id", "name", "details"] {
                assert_eq!(
                    listed[member], anew[member],
                    "{member} in a list, {what}, {time} time"
                );
            }
        }
        anew
    }

    fn bulk_profile(&self, payload: &Value) {
        self.bulk_profile_of(&self.organization, payload);
    }

    fn bulk_profile_of(&self, organization: &str, payload: &Value) {
        let mut payload = payload.clone();
        payload["id"] = json!(organization);
        let item = json!({"operationType": "UPDATE", "payload": payload});
        let id = self.site.bulk(
            "/organization/profile/bulk",
            &json!({"organizationProfiles": [item]}),
        );
        assert_eq!(self.site.finished(&id)["failures"], json!([]));
    }
}

#[test]
fn every_change_of_a_profile_is_seen_at_once() {
    let stage = Stage::new();
    let (site, id) = (&stage.site, stage.organization.as_str());
    let mut seen = vec![stage.check("as made")];
    let mut changed = |what: &str| {
        let profile = stage.check(what);
        assert_ne!(Some(&profile), seen.last(), "{what} changes the profile");
        seen.push(profile);
    };
    site.put(&format!("/organization/{id}"), &json!({"name": "Acme 2"}))
        .ok();
    changed("a new name");
    let path = format!("/organization/{id}/details?fieldName=Region");
    site.put(&path, &json!({"values": ["US"]})).ok();
    changed("a value");
    site.put("/organization/details/Region", &json!({"name": "Area"}))
        .ok();
    changed("a renamed field");
    let path = format!("/entitlement/{}/details?fieldName=Seats", stage.entitlement);
    site.put(&path, &json!({"values": ["12"]})).ok();
    changed("a value of an entitlement");
    site.put("/entitlement/details/Seats", &json!({"name": "Chairs"}))
        .ok();
    changed("a renamed field of entitlements");
    site.put(&format!("/product/{}", stage.product), &json!({"name": "Gadget"}))
        .ok();
    changed("a renamed product");
    let added = site
        .post(
            &format!("/organization/{id}/entitlement"),
            &json!({"productId": stage.product}),
        )
        .ok();
    changed("an entitlement");
    site.delete(&format!("/entitlement/{}", added["id"].as_str().unwrap()))
        .gone();
    changed("an entitlement less");
    stage.bulk_profile(&json!({"name": "Acme 3", "details": [{"name": "Area", "values": ["EU"]}]}));
    changed("a name and a value in bulk");
    let bob = site.post("/customer", &json!({"email": "bob@example.com"})).ok();
    stage.bulk_profile(&json!({"associateCustomers": {"customerIds": [bob["id"]]}}));
    changed("a customer in bulk");
    let operations = json!([{"operationType": "DELETE", "payload": {"name": "Area"}}]);
    site.bulk(
        "/organization/details/bulk",
        &json!({"organizations": [{"id": id, "operations": operations}]}),
    );
    changed("a value less, in bulk");
    site.delete(&format!("/customer/account/{}", stage.customer))
        .gone();
    changed("a customer less");
    site.delete("/entitlement/details/Chairs").gone();
    changed("a field of entitlements less");
    site.delete(&format!("/product/{}", stage.product)).gone();
    changed("a product less");
    site.delete(&format!("/organization/{id}")).gone();
    site.get(&format!("/organization/profile/{id}")).refused(404);
    site.get(&format!("/organization/{id}")).refused(404);
    // The id under which it was kept may be wished for, but it stays spent.
    let wish =
        json!({"organizations": [{"operationType": "CREATE", "payload": {"id": id, "name": "Again"}}]});
    site.submit("/organization/bulk", &fresh_key(), &wish).ok();
    site.get(&format!("/organization/{id}")).refused(404);
}

/// From the third on, the like of a request on its connection may be answered before it is parsed: with the same head.
#[test]
fn an_answer_that_is_given_again_is_the_same_to_the_last_header() {
    let stage = Stage::new();
    let (site, world) = (&stage.site, World::shared());
    let other = site.post("/organization", &json!({"name": "Other"})).ok();
    let other = other["id"].as_str().unwrap();
    for operation in ["organization", "organization/profile"] {
        for prefix in [
            "/api/v1".to_owned(),
            format!("/jsm/csm/cloudid/{}/api/v1", site.cloud_id),
        ] {
            let client = world.server.client();
            let get = |id: &str| {
                let request = Request::get(format!("{prefix}/{operation}/{id}")).bearer(&site.token);
                client
                    .send(&request.header("X-ExperimentalApi", "opt-in"))
                    .unwrap()
            };
            let mut request_ids = BTreeSet::new();
            // All of an answer that is the same each time.
            let mut of_one = |id: &str| {
                let mut answer = get(id);
                for (name, value) in &mut answer.headers {
                    match name.as_str() {
                        "x-request-id" => assert!(request_ids.insert(std::mem::take(value))),
                        "date" => {
                            assert!(value.len() == 29 && value.ends_with(" GMT"), "{value}");
                            value.clear();
                        }
                        _ => {}
                    }
                }
                answer
            };
            let ids = [stage.organization.as_str(), other];
            let first = ids.map(&mut of_one);
            assert_ne!(first[0], first[1]);
            for _ in 0..5 {
                assert_eq!(ids.map(&mut of_one), first);
            }
            // What is like it, and is not to be had.
            get("0").refused(404);
            get("4711471147114711").refused(404);
            let wrong =
                Request::get(format!("{prefix}/{operation}/{other}")).bearer(&(site.token.clone() + "x"));
            client.send(&wrong).unwrap().refused(401);
            assert_eq!(of_one(other), first[1]);
        }
    }
}

/// The like of a request is answered as long as its token is good, which is asked every half a second.
#[test]
fn an_answer_is_not_given_again_to_a_token_that_was_revoked() {
    let stage = Stage::new();
    let site = &stage.site;
    let world = World::shared();
    let token = world.token(&site.cloud_id, "user", &[]);
    let tokens = world.data(&["token", "list", "--tenant", &site.cloud_id, "--json"]);
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    let id = tokens.as_array().unwrap().last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let client = world.server.client();
    let request = Request::get(format!("/api/v1/organization/profile/{}", stage.organization))
        .bearer(&token)
        .header("X-ExperimentalApi", "opt-in");
    let get = || client.send(&request).unwrap();
    for _ in 0..5 {
        get().ok();
    }
    world.data(&["token", "revoke", "--tenant", &site.cloud_id, &id]);
    let revoked = Instant::now();
    while get().status == 200 {
        assert!(
            revoked.elapsed() < Duration::from_secs(10),
            "it is still answered"
        );
    }
    for _ in 0..5 {
        get().refused(401);
    }
}

#[test]
fn another_tenants_organization_with_the_same_id_is_another_answer() {
    let world = World::shared();
    let (a, b) = (world.site(), world.site());
    let made =
        |site: &Site, name: &str| site.post("/organization", &json!({"name": name})).ok()["id"].clone();
    assert_eq!(made(&a, "Of A"), made(&b, "Of B"));
    for _ in 0..2 {
        assert_eq!(a.get("/organization/1").ok()["name"], "Of A");
        assert_eq!(b.get("/organization/1").ok()["name"], "Of B");
    }
    a.delete("/organization/1").gone();
    a.get("/organization/1").refused(404);
    b.get("/organization/1").ok();
}

#[test]
fn every_change_of_a_customer_is_seen_in_lists_at_once() {
    let stage = Stage::new();
    let (site, id) = (&stage.site, stage.customer.as_str());
    let field = json!({"name": "Tier", "type": {"name": "SELECT", "options": ["A", "B"]}});
    site.post("/customer/details", &field).ok();
    let listed = || {
        let first = site.own("/customers").ok();
        assert_eq!(site.own("/customers").ok(), first);
        first["customers"][0].clone()
    };
    let mut seen = vec![listed()];
    let mut changed = |what: &str, member: &str, wanted: &Value| {
        let row = listed();
        assert_eq!(&row[member], wanted, "{what}");
        assert_ne!(Some(&row), seen.last(), "{what} changes the row");
        seen.push(row);
    };
    let tier =
        |field: &str, value: &str| json!([{"name": field, "value": {"type": "SELECT", "text": [value]}}]);
    let path = |field: &str| format!("/customer/{id}/details?fieldName={field}");
    site.put(&path("Tier"), &json!({"values": ["A"]})).ok();
    changed("a value", "details", &tier("Tier", "A"));
    site.put("/customer/details/Tier", &json!({"name": "Level"})).ok();
    changed("a renamed field", "details", &tier("Level", "A"));
    site.put(&path("Level"), &json!({"values": ["B"]})).ok();
    changed("another value", "details", &tier("Level", "B"));
    site.patch(&format!("/customers/{id}"), &json!({"displayName": "Ann B"}))
        .ok();
    changed("a name", "displayName", &json!("Ann B"));
    site.patch(
        &format!("/customers/{id}"),
        &json!({"email": "ann.b@example.com"}),
    )
    .ok();
    changed("an email", "email", &json!("ann.b@example.com"));
    let operations = json!([{"operationType": "DELETE", "payload": {"name": "Level"}}]);
    site.bulk(
        "/customer/details/bulk",
        &json!({"customers": [{"customerId": id, "operations": operations}]}),
    );
    changed("a value less, in bulk", "details", &json!([]));
    site.delete(&format!("/customer/account/{id}")).gone();
    assert_eq!(listed(), Value::Null);
}

/// Pages are kept as long as nothing of the tenant changes; after each change every list is the one that is made anew.
#[test]
fn every_change_is_seen_in_all_lists_at_once() {
    let stage = Stage::new();
    let (site, product) = (&stage.site, stage.product.as_str());
    let (id, customer) = (stage.organization.as_str(), stage.customer.as_str());
    let lists = [
        "/organizations?".to_owned(),
        "/organizations?namePrefix=ac&count=true&".to_owned(),
        "/organizations?sort=-updatedAt&".to_owned(),
        "/organizations?detail.Region.eq=EU&".to_owned(),
        format!("/organizations?customer={customer}&"),
        format!("/organizations?product={product}&"),
        "/customers?sort=name&".to_owned(),
        "/customers?emailPrefix=ann&count=true&".to_owned(),
        format!("/customers?organization={id}&"),
        format!("/customers?product={product}&"),
    ];
    let mut limit = 50;
    let mut all = || {
        // A page with this limit was never asked for, so it is not kept.
        limit += 1;
        lists.each_ref().map(|list| {
            let anew = site.own(&format!("{list}limit={limit}")).ok();
            for time in ["first", "second"] {
                assert_eq!(
                    site.own(&format!("{list}limit=50")).ok(),
                    anew,
                    "{list}, {time} time"
                );
            }
            anew
        })
    };
    let mut before = all();
    let mut changed = |what: &str, wanted: &[usize]| {
        let after = all();
        let differ = |at: &usize| before[*at] != after[*at];
        let changed: Vec<usize> = (0..lists.len()).filter(differ).collect();
        assert_eq!(changed, wanted, "the lists that {what} changes");
        before = after;
    };
    let made = site.post("/organization", &json!({"name": "Acme B"})).ok();
    changed("an organization more", &[0, 1, 2]);
    let other = made["id"].as_str().unwrap();
    let path = format!("/organization/{other}/details?fieldName=Region");
    site.put(&path, &json!({"values": ["EU"]})).ok();
    changed("a value", &[0, 1, 2, 3]);
    stage.bulk_profile_of(other, &json!({"associateCustomers": {"customerIds": [customer]}}));
    changed("a customer of an organization", &[4]);
    let entitled = json!({"productId": product});
    site.post(&format!("/organization/{other}/entitlement"), &entitled)
        .ok();
    changed("an entitlement of an organization", &[5]);
    site.post(&format!("/customer/{customer}/entitlement"), &entitled)
        .ok();
    changed("an entitlement of a customer", &[9]);
    let bob = site
        .post("/customer", &json!({"email": "ann.b@example.com"}))
        .ok();
    changed("a customer more", &[6, 7]);
    stage.bulk_profile(&json!({"associateCustomers": {"customerIds": [bob["id"]]}}));
    changed("a customer of another organization", &[8]);
    site.put(&format!("/organization/{id}"), &json!({"name": "Zeta"}))
        .ok();
    changed("another name", &[0, 1, 2, 3, 4, 5]);
    site.delete(&format!("/organization/{other}")).gone();
    changed("an organization less", &[0, 1, 2, 3, 4, 5]);
    site.delete(&format!("/customer/account/{customer}")).gone();
    changed("a customer less", &[4, 6, 7, 8, 9]);
    site.delete("/organization/details/Region").gone();
    for list in lists.iter().filter(|list| list.contains("Region")) {
        site.own(&format!("{list}limit=50")).refused(400);
    }
    assert_eq!(
        site.own("/organizations?limit=50").ok()["organizations"][0]["details"],
        json!([])
    );
}

/// One moves an organization to and fro between two values; whoever lists those with a value sees it with
/// that value or not at all: the row, kept or not, is of the snapshot that the index was read in.
#[test]
fn a_listed_row_is_of_the_lists_own_snapshot() {
    let stage = Stage::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for region in ["EU", "US", "EU", "US"] {
            let (stage, done) = (&stage, &done);
            scope.spawn(move || {
                let path = format!("/organizations?detail.Region.eq={region}");
                while !done.load(Ordering::Acquire) {
                    for row in stage.site.own(&path).ok()["organizations"].as_array().unwrap() {
                        assert_eq!(row["details"][0]["value"]["text"], json!([region]));
                    }
                }
            });
        }
        let path = format!("/organization/{}/details?fieldName=Region", stage.organization);
        for round in 0..300 {
            let region = ["US", "EU"][round % 2];
            stage.site.put(&path, &json!({"values": [region]})).ok();
        }
        done.store(true, Ordering::Release);
    });
}

/// While one renames an organization again and again, others read it: what was acknowledged before a read
/// began is the least that it sees, and nobody ever sees the name go back.
#[test]
fn readers_never_see_less_than_was_acknowledged() {
    let stage = Stage::new();
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let number = |profile: &Value| -> u64 {
        let name = profile["name"].as_str().unwrap();
        name.strip_prefix("Acme ")
            .map_or(0, |number| number.parse().unwrap())
    };
    thread::scope(|scope| {
        let get = |path: &str| format!("{path}{}", stage.organization);
        for (path, member) in [
            (get("/api/v1/organization/profile/"), ""),
            (get("/api/v1/organization/"), ""),
            (get("/api/v1/organization/profile/"), ""),
            ("/guildhall/v1/organizations".to_owned(), "/organizations/0"),
            ("/guildhall/v1/organizations".to_owned(), "/organizations/0"),
        ] {
            let (stage, acknowledged, done) = (&stage, &acknowledged, &done);
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let least = acknowledged.load(Ordering::Acquire).max(last);
                    last = number(stage.site.at(&path).ok().pointer(member).unwrap());
                    assert!(last >= least, "{last} was seen after {least}");
                }
            });
        }
        let path = format!("/organization/{}", stage.organization);
        for number in 1..=300 {
            stage
                .site
                .put(&path, &json!({"name": format!("Acme {number}")}))
                .ok();
            acknowledged.store(number, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
}
