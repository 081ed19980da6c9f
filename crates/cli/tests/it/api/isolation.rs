//! One tenant never sees another's data: nothing that tenant A can get holds a byte string that only
//! tenant B wrote.

use guildhall_http::routes::routes;
use guildhall_testkit::{Request, Response};
use serde_json::{Value, json};

use crate::world::{Expect, Site, World, error_message, segment};

/// Texts that only tenant B wrote, and ids that only it was given.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    /// A text that stands nowhere else.
    fn make(&mut self, kind: &str) -> String {
        // Letters and digits that no id and no word of the server is made of.
        let text = format!("zq{kind}{}qz", 7_919 * (self.0.len() + 1_009));
        self.0.push(text.clone());
        text
    }

    #[track_caller]
    fn check(&self, response: &Response, request: &Request) {
        let head = format!("{:?}", response.headers);
        for canary in &self.0 {
            assert!(
                !head.contains(canary) && !contains(&response.body, canary.as_bytes()),
                "{canary} came with {request:?}: {}",
                response.text()
            );
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// What tenant B has.
struct Theirs {
    site: Site,
    organization: String,
    customer: String,
    product: String,
    entitlement: String,
    /// Ids that a test may tell A without B's words in them.
    fields: Vec<String>,
}

fn theirs(world: &World, canaries: &mut Canaries) -> Theirs {
    let site = world.site();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // Some of B's ids are larger than all of A's, so that A cannot have the same by itself.
    for number in 0..5 {
        let made = site
            .post("/organization", &json!({ "name": format!("filler {number}") }))
            .ok();
        site.delete(&format!("/organization/{}", text(&made["id"])))
            .gone();
    }
    let mut fields = Vec::new();
    for kind in ["organization", "customer", "entitlement"] {
        let (name, option) = (canaries.make("field"), canaries.make("option"));
        let body = json!({ "name": name, "type": { "name": "SELECT", "options": [option] } });
        site.post(&format!("/{kind}/details"), &body).ok();
        fields.push(name);
        let note = json!({ "name": format!("{kind} note"), "type": { "name": "TEXT" } });
        site.post(&format!("/{kind}/details"), &note).ok();
    }
    let body = json!({ "email": format!("{}@example.com", canaries.make("email")), "displayName": canaries.make("display") });
    let customer = text(&site.post("/customer", &body).ok()["id"]);
    let product = text(
        &site
            .post("/product", &json!({ "name": canaries.make("product") }))
            .ok()["id"],
    );
    let body = json!({
        "name": canaries.make("organization"),
        "details": [{ "name": "organization note", "values": [canaries.make("value")] }],
        "associateCustomers": { "customerIds": [customer] },
        "associateProducts": { "productIds": [product] },
    });
    let made = site.post("/organization/profile", &body).ok();
    let organization = text(&made["id"]);
    let entitlement = text(&made["entitlements"][0]["id"]);
    for (entity, kind) in [
        (format!("/customer/{customer}"), "customer"),
        (format!("/entitlement/{entitlement}"), "entitlement"),
    ] {
        let path = format!("{entity}/details?fieldName={kind}%20note");
        site.put(&path, &json!({ "values": [canaries.make("value")] }))
            .ok();
    }
    Theirs {
        site,
        organization,
        customer,
        product,
        entitlement,
        fields,
    }
}

/// Every request of every route with these in the path, and with these in the body.
fn requests(prefix: &str, theirs: &Theirs, ours: &str) -> Vec<Request> {
    let mut all = Vec::new();
    let ids = [
        &theirs.organization,
        &theirs.customer,
        &theirs.product,
        &theirs.entitlement,
        ours,
    ];
    let bodies = [
        json!({}),
        json!({ "name": "made by A" }),
        json!({ "name": "made by A", "type": { "name": "TEXT" } }),
        json!({ "values": ["x"] }),
        json!({ "organizationIds": ids, "customerIds": ids, "organizationNames": ["acme"] }),
        json!({ "productId": theirs.product }),
        json!({ "name": "made by A too", "associateCustomers": { "customerIds": [theirs.customer] } }),
        json!({ "name": "made by A too", "associateProducts": { "productIds": [theirs.product] } }),
        json!({ "name": "made by A too", "details": [{ "name": "organization note", "values": ["x"] }] }),
        json!({ "displayName": "made by A" }),
    ];
    for route in routes() {
        for id in ids {
            let filled: Vec<String> = route
                .path
                .split('/')
                .map(|part| match part.strip_prefix('{') {
                    Some("fieldName}") => segment("organization note"),
                    Some(_) => id.to_owned(),
                    None => part.to_owned(),
                })
                .collect();
            let field = "?fieldName=organization%20note".to_owned();
            let queries = match route.method.as_str() {
                "GET" => vec![
                    String::new(),
                    "?limit=100".into(),
                    "?cursor=p1".into(),
                    format!("?product={}", theirs.product),
                ],
                "PUT" if route.path.ends_with("/details") => vec![field],
                _ => vec![String::new()],
            };
            for query in queries {
                let path = format!("{prefix}{}{query}", filled.join("/"));
                let request = Request::new(route.method.as_str(), path).header("X-ExperimentalApi", "opt-in");
                match route.method.as_str() {
                    "GET" | "DELETE" => all.push(request),
                    _ => all.extend(bodies.iter().map(|body| request.clone().json(body))),
                }
            }
            if !route.path.contains('{') {
                break;
            }
        }
    }
    all
}

/// All of B's reads, to see whether A changed anything.
fn dump(theirs: &Theirs) -> Vec<Value> {
    let Theirs {
        site,
        organization,
        customer,
        product,
        entitlement,
        ..
    } = theirs;
    [
        "/organization/details".to_owned(),
        "/customer/details".to_owned(),
        "/entitlement/details".to_owned(),
        "/product".to_owned(),
        format!("/organization/{organization}"),
        format!("/organization/profile/{organization}"),
        format!("/organization/{organization}/entitlement"),
        format!("/customer/{customer}"),
        format!("/customer/account/{customer}"),
        format!("/customer/{customer}/entitlement"),
        format!("/product/{product}"),
        format!("/entitlement/{entitlement}"),
    ]
    .iter()
    .map(|path| site.get(path).ok())
    .collect()
}

#[test]
fn nothing_of_another_tenant_comes_out() {
    let world = World::new(&["--log", "error"]);
    let mut canaries = Canaries::default();
    let theirs = theirs(&world, &mut canaries);
    let before = dump(&theirs);
    // They are there, for those that may see them.
    let seen = format!("{before:?}");
    for canary in &canaries.0 {
        assert!(seen.contains(canary), "{canary} is nowhere");
    }
    let ours = world.site();
    let made = ours.post("/organization", &json!({ "name": "Acme" })).ok();
    let id = made["id"].as_str().unwrap().to_owned();
    ours.post(
        "/organization/details",
        &json!({ "name": "organization note", "type": { "name": "TEXT" } }),
    )
    .ok();
    let own_prefix = format!("/jsm/csm/cloudid/{}/api/v1", ours.cloud_id);
    for prefix in ["/api/v1", &own_prefix] {
        for request in requests(prefix, &theirs, &id) {
            let request = request.bearer(&ours.token);
            canaries.check(&ours.send(&request), &request);
        }
    }
    // Under B's cloudId A is told what everybody is told.
    let foreign = format!("/jsm/csm/cloudid/{}/api/v1", theirs.site.cloud_id);
    for request in requests(&foreign, &theirs, &id) {
        let request = request.bearer(&ours.token);
        let response = ours.send(&request);
        assert_eq!(response.refused(404), "There is no such tenant", "{request:?}");
        canaries.check(&response, &request);
    }
    // Without a token nothing, and on the public pages nothing.
    for request in requests("/api/v1", &theirs, &id) {
        ours.send(&request).refused(401);
    }
    for path in ["/openapi.json", "/docs", "/docs/style.css", "/healthz", "/readyz"] {
        let request = Request::get(path).bearer(&ours.token);
        canaries.check(&ours.send(&request), &request);
    }
    assert_eq!(dump(&theirs), before, "A changed what is B's");
}

/// What A says with B's words is answered as if B did not exist: no hint, no clash, nothing found.
#[test]
fn words_of_another_tenant_mean_nothing() {
    let world = World::new(&["--log", "error"]);
    let mut canaries = Canaries::default();
    let theirs = theirs(&world, &mut canaries);
    let read = theirs
        .site
        .get(&format!("/organization/{}", theirs.organization))
        .ok();
    let name = read["name"].as_str().unwrap();
    let account = theirs
        .site
        .get(&format!("/customer/account/{}", theirs.customer))
        .ok();
    let ours = world.site();
    // Misspelt by a letter, so that a hint would give B's spelling away.
    let near = |text: &str| format!("{}x", &text[..text.len() - 1]);
    for field in &theirs.fields {
        for kind in ["organization", "customer", "entitlement"] {
            for text in [field.clone(), near(field)] {
                let path = format!("/{kind}/details/{text}");
                let message = ours.put(&path, &json!({ "name": "x" })).refused(404);
                assert!(!message.contains("Did you mean"), "{message}");
                ours.delete(&path).refused(404);
            }
        }
    }
    for text in [name, &near(name)] {
        let body = json!({ "organizationNames": [text] });
        assert_eq!(
            ours.post("/organization/fetch", &body).ok(),
            json!({ "organizations": [] })
        );
        assert_eq!(
            ours.post("/organization/profile/fetch", &body).ok(),
            json!({ "profiles": [] })
        );
    }
    let ids = json!({ "organizationIds": [theirs.organization] });
    assert_eq!(
        ours.post("/organization/fetch", &ids).ok(),
        json!({ "organizations": [] })
    );
    for body in [
        json!({ "associateCustomers": { "customerIds": [theirs.customer] } }),
        json!({ "associateProducts": { "productIds": [theirs.product] } }),
    ] {
        let mut body = body;
        body["name"] = "mine".into();
        // The same words as for what exists nowhere.
        let refused = ours.post("/organization/profile", &body).refused(400);
        let nowhere = |id: &str| format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { 1 } else { 0 });
        let other = [&theirs.customer, &theirs.product]
            .into_iter()
            .fold(body.to_string(), |body, id| body.replace(id, &nowhere(id)));
        let request = ours
            .request("POST", "/organization/profile")
            .header("Content-Type", "application/json");
        let wanted = error_message(&ours.send(&request.body(other)));
        assert_eq!(
            refused.replace(&theirs.product, &nowhere(&theirs.product)),
            wanted
        );
    }
    // B's names and emails are free for A.
    ours.post("/organization", &json!({ "name": name })).ok();
    ours.post("/customer", &json!({ "email": account["email"] })).ok();
    for (kind, field) in ["organization", "customer", "entitlement"]
        .iter()
        .zip(&theirs.fields)
    {
        ours.post(
            &format!("/{kind}/details"),
            &json!({ "name": field, "type": { "name": "TEXT" } }),
        )
        .ok();
    }
    // And A's own under the same names are apart from B's.
    let found = ours
        .post("/organization/fetch", &json!({ "organizationNames": [name] }))
        .ok();
    let id = found["organizations"][0]["id"].as_str().unwrap();
    ours.delete(&format!("/organization/{id}")).gone();
    assert_eq!(
        theirs
            .site
            .get(&format!("/organization/{}", theirs.organization))
            .ok(),
        read
    );
}
