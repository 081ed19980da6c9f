//! One tenant never sees another's data: nothing that tenant A can get holds a byte string that only
//! tenant B wrote. Long, because it has a request for each route of the table.

use guildhall_http::routes::{CONNECTOR_PREFIXES, OWN_PREFIX, Space, routes};
use guildhall_testkit::{Request, Response};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Expect, KEY, Site, World, each, error_message, fresh_key, segment};

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
    tasks: Vec<Submitted>,
    connection: String,
    /// The id of an object, a user and a group.
    pushed: String,
}

/// A bulk request, and the task that it became.
struct Submitted {
    path: &'static str,
    key: String,
    body: Value,
    id: String,
}

/// A task of each kind, with canaries in what is made, in what fails, and in the keys.
fn their_tasks(site: &Site, organization: &str, customer: &str, canaries: &mut Canaries) -> Vec<Submitted> {
    let mut word = |kind: &str| canaries.make(kind);
    let value = |name: &str, value: String| json!([{ "name": name, "values": [value] }]);
    let made = json!({
        "name": word("bulkorganization"),
        "details": value("organization note", word("bulkvalue")),
    });
    let partly = json!({
        "id": organization,
        "details": value(&word("nofield"), word("hidden")),
        "associateCustomers": { "customerIds": [word("nocustomer")] },
        "associateProducts": { "productIds": [word("noproduct")] },
    });
    let edit =
        |name: String| json!({ "operationType": "PATCH", "payload": { "name": name, "values": ["x"] } });
    let bodies = [
        (
            "/organization/profile/bulk",
            json!({ "organizationProfiles": [
                { "operationType": "CREATE", "payload": made },
                { "operationType": "UPDATE", "payload": partly },
            ] }),
        ),
        (
            "/organization/bulk",
            json!({ "organizations": [
                { "operationType": "UPSERT", "payload": { "name": word("bulkname") } },
                { "operationType": "UPDATE", "payload": { "name": word("nobody") } },
            ] }),
        ),
        (
            "/organization/details/bulk",
            json!({ "organizations": [
                { "id": organization, "operations": [edit(word("nodetail"))] },
                { "id": word("noid"), "operations": [edit("organization note".into())] },
            ] }),
        ),
        (
            "/organization/details/definitions/bulk",
            json!({ "detailFields": [{ "name": word("bulkfield"), "type": { "name": "TEXT" } }] }),
        ),
    ];
    let partly = json!({
        "customerId": customer,
        "email": format!("{}@example.com", word("otheremail")),
        "details": value(&word("nofield"), word("hidden")),
        "associateOrganizations": { "organizationIds": [word("noorganization")] },
    });
    let made = json!({
        "email": format!("{}@example.com", word("bulkemail")),
        "displayName": word("bulkdisplay"),
        "details": value("customer note", word("bulkvalue")),
    });
    let of_customers = [
        (
            "/customer/profile/bulk",
            json!({ "customerProfiles": [
                { "operationType": "CREATE", "payload": made },
                { "operationType": "UPDATE", "payload": partly },
            ] }),
        ),
        (
            "/customer/bulk",
            json!({ "customers": [
                { "operationType": "UPDATE", "payload": { "customerId": word("nobody") } },
            ] }),
        ),
        (
            "/customer/details/bulk",
            json!({ "customers": [{ "customerId": customer, "operations": [edit(word("nodetail"))] }] }),
        ),
        (
            "/customer/details/definitions/bulk",
            json!({ "detailFields": [{ "name": word("bulkfield"), "type": { "name": "TEXT" } }] }),
        ),
    ];
    let tasks = bodies.into_iter().chain(of_customers).map(|(path, body)| {
        let key = word("key");
        let submitted = site.submit(path, &key, &body).ok();
        let id = submitted["id"].as_str().unwrap().to_owned();
        site.finished(&id);
        Submitted { path, key, body, id }
    });
    tasks.collect()
}

/// An object, a user and a group of a connection, of which all that is text is B's.
fn their_objects(site: &Site, canaries: &mut Canaries) -> (String, String) {
    let connection = site.connect(&canaries.make("connection"));
    let id = canaries.make("pushed");
    let mut object = pushed_object(&id, 2, &canaries.make("pushedname"));
    object["description"] = canaries.make("pushedtext").into();
    object["crmOnly"] = canaries.make("pushedunknown").into();
    let tags = json!({ canaries.make("hiddentag"): canaries.make("hiddencontent") });
    let body = json!({ "objects": [object], "properties": tags, "connectionId": connection });
    site.push("/objects/bulk", &body).ok();
    object["updateSequenceNumber"] = json!(1);
    site.push("/objects/bulk", &json!({ "objects": [object] })).ok();
    let user = json!({ "externalId": id, "displayName": canaries.make("username") });
    site.push("/users/bulk", &json!({ "users": [user] })).ok();
    let member = json!({ "externalId": id, "displayName": canaries.make("membername") });
    let group = json!({ "externalId": id, "displayName": canaries.make("groupname"), "members": [member] });
    site.push("/groups/bulk", &json!({ "groups": [group] })).ok();
    let mapping =
        json!({ "externalId": id, "accountId": ACCOUNT, "updateSequenceNumber": 1, "updatedAt": 0 });
    site.push("/users/map", &json!({ "directMappings": [mapping] }))
        .ok();
    (connection, id)
}

fn pushed_object(id: &str, sequence: i64, name: &str) -> Value {
    let readers = json!([{ "type": "USER", "id": id }, { "type": "GROUP", "id": id }]);
    json!({
        "id": id, "updateSequenceNumber": sequence, "displayName": name, "url": "https://example.com",
        "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
        "permissions": [{ "accessControls": [{ "principals": readers }] }], "atlassian:customer-org": {},
    })
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
    let tasks = their_tasks(&site, &organization, &customer, canaries);
    let (connection, pushed) = their_objects(&site, canaries);
    Theirs {
        connection,
        pushed,
        tasks,
        site,
        organization,
        customer,
        product,
        entitlement,
        fields,
    }
}

/// Every request of every route of a space with these in the path, and with these in the body. Bulk
/// requests have keys of their own.
fn requests(space: Space, prefix: &str, theirs: &Theirs, ours: [&str; 2]) -> Vec<Request> {
    let mut all = Vec::new();
    let [our_organization, our_task] = ours;
    let mut ids = vec![
        theirs.organization.as_str(),
        &theirs.customer,
        &theirs.product,
        &theirs.entitlement,
        our_organization,
        our_task,
    ];
    ids.extend(theirs.tasks.iter().map(|task| task.id.as_str()));
    ids.push(&theirs.connection);
    let their_task = &theirs.tasks[0].id;
    let bulk = bulk_bodies(theirs, our_organization);
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
        json!({ "detailFields": [{ "name": "customer note", "value": "x" }] }),
        json!({ "email": "made-by-a@example.com", "associateOrganizations": { "organizationIds": [theirs.organization] } }),
    ];
    let pushed = pushed_bodies(theirs);
    let asked = format!("?objectType=atlassian:customer-org&externalId={}", theirs.pushed);
    for route in routes().iter().filter(|route| route.space == space) {
        for id in &ids {
            let filled: Vec<String> = route
                .path
                .split('/')
                .map(|part| match part.strip_prefix('{') {
                    Some("fieldName}") => segment("organization note"),
                    Some(_) => (*id).to_owned(),
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
                    format!("?entityType=CUSTOMER&entityId={id}"),
                    format!("?entityType=ORGANIZATION&entityId={id}"),
                    format!("?cursor={their_task}"),
                    "?status=FINISHED".into(),
                    "?outcome=failed".into(),
                    "?hasFailures=true&limit=1".into(),
                    format!("?organization={}&count=true", theirs.organization),
                    format!("?customer={}&sort=-updatedAt", theirs.customer),
                    "?namePrefix=zq&count=true".into(),
                    "?detail.organization%20note.prefix=zq".into(),
                    asked.clone(),
                    format!("{asked}&connectionId={}", theirs.connection),
                    format!("?connectionId={}", theirs.connection),
                ],
                "DELETE" if space == Space::Own => vec!["?dryRun=true".into(), String::new()],
                "PUT" if route.path.ends_with("/details") => vec![field],
                _ => vec![String::new()],
            };
            for query in queries {
                let path = format!("{prefix}{}{query}", filled.join("/"));
                let request = Request::new(route.method.as_str(), path).header("X-ExperimentalApi", "opt-in");
                match route.method.as_str() {
                    _ if space == Space::Connector && route.body.is_some() => {
                        all.extend(pushed.iter().map(|body| request.clone().json(body)));
                    }
                    "GET" | "DELETE" => all.push(request),
                    _ if route.keyed => all.extend(bodies.iter().chain(&bulk).map(|body| {
                        let request = request.clone().header(KEY, fresh_key());
                        request.json(body)
                    })),
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

/// What a connector of A sends about what is B's: to B's connection, and to none in particular. Only the
/// ids are B's words, and come back where they were sent.
fn pushed_bodies(theirs: &Theirs) -> [Value; 2] {
    let id = "made by A";
    let body = json!({
        "objects": [pushed_object(id, 99, "made by A")],
        "users": [{ "externalId": id, "emails": [{ "value": ACCOUNT }] }],
        "groups": [{ "externalId": id, "members": [] }],
        "directMappings": [{ "externalId": id, "accountId": ACCOUNT, "updateSequenceNumber": 99, "updatedAt": 1 }],
        "externalIds": [id],
        "objectType": "atlassian:customer-org",
    });
    let mut to_theirs = body.clone();
    to_theirs["connectionId"] = theirs.connection.clone().into();
    [body, to_theirs]
}

/// Bulk requests of A about what is B's. Each names members of every kind of request, so that each
/// route takes what is its own.
fn bulk_bodies(theirs: &Theirs, our_organization: &str) -> [Value; 6] {
    let field = json!({ "name": "made by A in bulk", "type": { "name": "TEXT" } });
    let links = json!({
        "id": our_organization,
        "details": [{ "name": "organization note", "values": ["x"] }],
        "associateCustomers": { "customerIds": [theirs.customer] },
        "associateProducts": { "productIds": [theirs.product] },
    });
    let edit =
        json!({ "operationType": "UPDATE", "payload": { "name": "organization note", "values": ["x"] } });
    let items = |operation: &str, payload: Value| json!([{ "operationType": operation, "payload": payload }]);
    let rename = items(
        "UPDATE",
        json!({ "id": theirs.organization, "name": "taken by A" }),
    );
    let of_customer = items(
        "UPDATE",
        json!({
            "customerId": theirs.customer,
            "displayName": "taken by A",
            "associateOrganizations": { "organizationIds": [theirs.organization] },
        }),
    );
    let wish = items(
        "UPSERT",
        json!({ "id": theirs.organization, "name": "made by A as B's" }),
    );
    [
        json!({ "organizations": rename, "organizationProfiles": rename }),
        json!({ "organizationProfiles": items("UPDATE", links), "detailFields": [field] }),
        json!({ "organizations": [{ "id": theirs.organization, "operations": [edit] }] }),
        json!({ "organizations": wish, "organizationProfiles": wish }),
        json!({ "customers": of_customer, "customerProfiles": of_customer }),
        json!({ "customers": [{ "customerId": theirs.customer, "operations": [edit] }] }),
    ]
}

/// All of B's reads, to see whether A changed anything.
fn dump(theirs: &Theirs) -> Vec<Value> {
    let Theirs {
        site,
        organization,
        customer,
        product,
        entitlement,
        tasks,
        ..
    } = theirs;
    let mut all: Vec<Value> = [
        "/organization/details".to_owned(),
        "/customer/details".to_owned(),
        "/entitlement/details".to_owned(),
        "/product".to_owned(),
        format!("/organization/{organization}"),
        format!("/organization/profile/{organization}"),
        format!("/organization/{organization}/entitlement"),
        format!("/customer/{customer}"),
        format!("/customer/account/{customer}"),
        format!("/customer/profile/{customer}"),
        format!("/entitlements?entityType=CUSTOMER&entityId={customer}"),
        format!("/customer/{customer}/entitlement"),
        format!("/product/{product}"),
        format!("/entitlement/{entitlement}"),
    ]
    .iter()
    .map(|path| site.get(path).ok())
    .collect();
    // What bulk requests made is read by its name.
    let names: Vec<&Value> = tasks
        .iter()
        .flat_map(|task| ["organizations", "organizationProfiles"].map(|member| &task.body[member]))
        .filter_map(Value::as_array)
        .flatten()
        .map(|item| &item["payload"]["name"])
        .filter(|name| name.is_string())
        .collect();
    let made = json!({ "organizationNames": names });
    all.push(site.post("/organization/profile/fetch", &made).ok());
    let emails: Vec<&Value> = tasks
        .iter()
        .filter_map(|task| task.body["customerProfiles"].as_array())
        .flatten()
        .map(|item| &item["payload"]["email"])
        .collect();
    let made = json!({ "emails": emails });
    all.push(site.post("/customer/profile/fetch", &made).ok());
    all.push(site.own("/tasks").ok());
    for task in tasks {
        all.push(site.get(&format!("/tasks/{}", task.id)).ok());
        all.push(site.own(&format!("/tasks/{}/items", task.id)).ok());
    }
    let named = format!("externalId={}", theirs.pushed);
    let object = format!("objectType=atlassian:customer-org&{named}");
    for path in [
        format!("/objects?{object}"),
        "/objects/visible".to_owned(),
        format!("/users?{named}"),
        format!("/groups?{named}"),
    ] {
        all.push(site.pull(&path).ok());
    }
    for path in [
        "/connections".to_owned(),
        format!("/objects/tree?{object}"),
        format!("/objects/writes?{object}"),
    ] {
        all.push(site.own(&path).ok());
    }
    all
}

/// B's keys, as B is told of them.
fn told_of_keys(theirs: &Theirs) -> String {
    let told = theirs.tasks.iter().map(|task| {
        let mut other = task.body.clone();
        other["another"] = "body".into();
        theirs.site.submit(task.path, &task.key, &other).refused(400)
    });
    told.collect()
}

#[test]
fn nothing_of_another_tenant_comes_out() {
    let world = World::new(&["--log", "error"]);
    let mut canaries = Canaries::default();
    let theirs = theirs(&world, &mut canaries);
    let before = dump(&theirs);
    // They are there, for those that may see them.
    let seen = format!("{before:?}{}", told_of_keys(&theirs));
    // A value for a field that does not exist is kept nowhere that B can read.
    for canary in canaries.0.iter().filter(|canary| !canary.contains("hidden")) {
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
    let item = json!({ "operationType": "UPDATE", "payload": { "id": id } });
    let task = ours.bulk("/organization/bulk", &json!({ "organizations": [item] }));
    let known = [id.as_str(), task.as_str()];
    let vendor_prefix = format!("/jsm/csm/cloudid/{}/api/v1", ours.cloud_id);
    let mut submitted = 0;
    for (space, prefix) in [
        (Space::Vendor, "/api/v1"),
        (Space::Vendor, &vendor_prefix),
        (Space::Own, OWN_PREFIX),
        (Space::Connector, CONNECTOR_PREFIXES[0]),
    ] {
        for request in requests(space, prefix, &theirs, known) {
            let request = request.bearer(&ours.token);
            let response = ours.send(&request);
            canaries.check(&response, &request);
            if response.status != 200 || !contains(&response.body, b"\"statusUrl\"") {
                continue;
            }
            // What came of it holds nothing of B's either.
            submitted += 1;
            let id = response.json()["id"].as_str().unwrap().to_owned();
            ours.finished(&id);
            for read in [
                ours.request("GET", &format!("/tasks/{id}")),
                Request::get(format!("{OWN_PREFIX}/tasks/{id}/items")).bearer(&ours.token),
            ] {
                canaries.check(&ours.send(&read), &read);
            }
        }
    }
    assert!(submitted >= 12, "only {submitted} bulk requests were taken");
    let listed = ours.own("/tasks").text();
    for theirs in &theirs.tasks {
        assert!(!listed.contains(&theirs.id), "{} is in A's list", theirs.id);
    }
    // Under B's cloudId A is told what everybody is told.
    let foreign = format!("/jsm/csm/cloudid/{}/api/v1", theirs.site.cloud_id);
    let of_connectors = format!("/teamwork-graph/v1/cloud/{}", theirs.site.cloud_id);
    for (space, prefix) in [(Space::Vendor, foreign), (Space::Connector, of_connectors)] {
        for request in requests(space, &prefix, &theirs, known) {
            let request = request.bearer(&ours.token);
            let response = ours.send(&request);
            assert_eq!(response.refused(404), "There is no such tenant", "{request:?}");
            canaries.check(&response, &request);
        }
    }
    // Without a token nothing, and on the public pages nothing.
    for (space, prefix) in [
        (Space::Vendor, "/api/v1"),
        (Space::Own, OWN_PREFIX),
        (Space::Connector, CONNECTOR_PREFIXES[0]),
    ] {
        for request in requests(space, prefix, &theirs, known) {
            ours.send(&request).refused(401);
        }
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

/// B's tasks and keys are nothing to A: its task ids are not found, in the words for any other id, and
/// a key that B used is a new key.
#[test]
fn tasks_and_keys_of_another_tenant_mean_nothing() {
    let world = World::new(&["--log", "error"]);
    let mut canaries = Canaries::default();
    let theirs = theirs(&world, &mut canaries);
    let before = dump(&theirs);
    let ours = world.site();
    let nowhere = "01900000-0000-7000-8000-000000000000";
    for task in &theirs.tasks {
        for id in [task.id.clone(), task.id.to_ascii_uppercase()] {
            for read in [
                |site: &Site, id: &str| site.get(&format!("/tasks/{id}")),
                |site: &Site, id: &str| site.own(&format!("/tasks/{id}/items")),
            ] {
                let wanted = read(&ours, nowhere).refused(404).replace(nowhere, &id);
                assert_eq!(read(&ours, &id).refused(404), wanted);
            }
        }
        assert_eq!(
            ours.own(&format!("/tasks?cursor={}", task.id)).ok(),
            json!({ "tasks": [] })
        );
    }
    let mut made = Vec::new();
    for task in &theirs.tasks {
        // The same body, and then another: neither meets B's.
        let mine = ours.submit(task.path, &task.key, &task.body);
        assert!(mine.header("idempotent-replayed").is_none());
        let id = mine.ok()["id"].as_str().unwrap().to_owned();
        assert_ne!(id, task.id);
        ours.finished(&id);
        let again = ours.submit(task.path, &task.key, &task.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.ok()["id"], id);
        made.push(id);
    }
    let third = world.site();
    for task in &theirs.tasks {
        let other: Value = serde_json::from_str(&task.body.to_string().replace("zq", "other")).unwrap();
        let mine = third.submit(task.path, &task.key, &other);
        assert!(mine.header("idempotent-replayed").is_none());
        let request = third.request("POST", task.path);
        canaries.check(&mine, &request);
        let id = mine.ok()["id"].as_str().unwrap().to_owned();
        let told = third.finished(&id);
        // Ids of B that A sent itself may come back; words of B may not.
        assert!(!told.to_string().contains("zq"), "{told}");
    }
    let listed = ours.own("/tasks").ok();
    let mut listed = each(&listed["tasks"], "id");
    listed.reverse();
    assert_eq!(listed, made);
    assert_eq!(dump(&theirs), before, "A changed what is B's");
}
