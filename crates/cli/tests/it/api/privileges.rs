//! Who may call what: every route of the table, with every role, with the scopes it needs and
//! without them, with good and bad credentials, for its own tenant, another's and none; against a
//! model of the contract that knows nothing of the server's code. What is refused changes nothing.
//! Long, because it has a body for each route of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guildhall_domain::Scope;
use guildhall_domain::access::{looks_like_token, token_from};
use guildhall_http::router::{Found, Router};
use guildhall_http::routes::{Route, routes};
use guildhall_testkit::{Client, Request, Response};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Expect, KEY, Site, World, each, error_message, fresh_key, poll, segment};

/// The index of the vendor's operations (csm-api 7): number, method, path, whether the experimental
/// header is required (S and E: yes), who may (A admin, G agent, U user, M user, or admin where
/// organization_management says so), scopes without their ending. Number 0: our own;
/// C: what connectors call.
const INDEX: &str = "\
1 GET /organization/details - A read:organization.detail-field
2 POST /organization/details - A write:organization.detail-field
3 PUT /organization/details/{fieldName} - A write:organization.detail-field
4 DELETE /organization/details/{fieldName} - A delete:organization.detail-field
5 GET /organization/{organizationId} - G read:organization+read:organization.detail
6 PUT /organization/{organizationId} S M write:organization
7 DELETE /organization/{organizationId} - A delete:organization
8 PUT /organization/{organizationId}/details - G write:organization.detail
9 GET /organization/{organizationId}/entitlement - G read:organization:entitlement
10 POST /organization/{organizationId}/entitlement - G write:organization:entitlement
11 POST /organization S M write:organization
12 POST /organization/fetch S U read:organization
13 GET /organization/profile/{organizationId} S U read:organization.profile
14 POST /organization/profile S M write:organization.profile
15 POST /organization/profile/fetch S U read:organization.profile
16 POST /organization/details/definitions/bulk - A write:organization.detail-field
17 POST /organization/profile/bulk S M write:organization.profile
18 POST /organization/bulk S M write:organization
19 POST /organization/details/bulk S U write:organization.detail
20 GET /customer/details - A read:customer.detail-field
21 POST /customer/details - A write:customer.detail-field
22 PUT /customer/details/{fieldName} - A write:customer.detail-field
23 DELETE /customer/details/{fieldName} - A delete:customer.detail-field
24 GET /customer/{customerId} - G read:customer+read:customer.detail
25 GET /customer/{customerId}/customer-experiences E G read:customer
26 POST /customer/search-by-detail-field - G read:customer
27 PUT /customer/{customerId}/details - G write:customer.detail
28 GET /customer/{customerId}/entitlement - G read:customer:entitlement
29 POST /customer/{customerId}/entitlement - G write:customer:entitlement
30 POST /customer O A write:customer
31 GET /customer/account/{customerId} O U read:customer
32 PUT /customer/account/{customerId} O A write:customer
33 DELETE /customer/account/{customerId} O A delete:customer
34 GET /customer/profile/{customerId} O U read:customer.profile
35 POST /customer/profile O A write:customer.profile
36 POST /customer/profile/fetch O U read:customer.profile
37 POST /customer/details/definitions/bulk - A write:customer.detail-field
38 POST /customer/details/bulk O U write:customer.detail
39 POST /customer/bulk O A write:customer
40 POST /customer/profile/bulk O A write:customer.profile
41 GET /product - G read:product
42 POST /product - G write:product
43 GET /product/{productId} - G read:product
44 PUT /product/{productId} - G write:product
45 DELETE /product/{productId} - A delete:product
46 GET /entitlement/details - A read:entitlement.detail-field
47 POST /entitlement/details - A write:entitlement.detail-field
48 PUT /entitlement/details/{fieldName} - A write:entitlement.detail-field
49 DELETE /entitlement/details/{fieldName} - A delete:entitlement.detail-field
50 GET /entitlement/{entitlementId} - G read:entitlement
51 DELETE /entitlement/{entitlementId} - A delete:entitlement
52 PUT /entitlement/{entitlementId}/details - G write:entitlement.detail
53 GET /entitlements E G read:entitlement
54 POST /request/form/external - G write:csm-request
55 POST /request/form/helpcenter/{helpCenterId}/issue/{issueIdOrKey}/comment - G write:csm-request
56 GET /tasks/{taskId} O U read:task
57 GET /helpcenter/{helpCenterId}/access/organization E G read:organization
58 POST /helpcenter/{helpCenterId}/access/organization E G write:organization
59 DELETE /helpcenter/{helpCenterId}/access/organization/{organizationId} E G write:organization
60 POST /helpcenter/{helpCenterId}/issue/{issueIdOrKey}/raise E G write:csm-request
0 GET /tasks - U read:task
0 GET /tasks/{taskId}/items - U read:task
0 GET /organizations - G read:organization+read:organization.detail
0 GET /customers - G read:customer+read:customer.detail
0 GET /products - G read:product
0 GET /entitlements - G read:entitlement
0 PATCH /organizations/{organizationId} - M write:organization+write:organization.detail
0 DELETE /organizations/{organizationId} - A delete:organization
0 DELETE /organizations/{organizationId}/customers/{customerId} - M write:organization.profile
0 PATCH /customers/{customerId} - A write:customer+write:customer.detail
0 DELETE /customers/{customerId} - A delete:customer
0 PATCH /products/{productId} - G write:product
0 DELETE /products/{productId} - A delete:product
0 PATCH /entitlements/{entitlementId} - G write:entitlement.detail
0 DELETE /entitlements/{entitlementId} - A delete:entitlement
0 POST /connections - A write:object
0 GET /connections - A read:object
0 DELETE /connections/{connectionId} - A delete:object
0 GET /objects/tree - G read:object
0 GET /objects/writes - G read:object
C POST /objects/bulk - A write:object
C GET /objects - G read:object
C POST /objects/delete - A delete:object
C DELETE /objects/bulk - A delete:object
C POST /objects/delete-by-properties - A delete:object
C DELETE /objects/by-properties - A delete:object
C GET /objects/visible - U read:object
C POST /users/bulk - A write:object
C GET /users - A read:object
C POST /users/delete - A delete:object
C POST /users/map - A write:object
C POST /groups/bulk - A write:object
C GET /groups - A read:object
C POST /groups/delete - A delete:object
";

/// Rows that ask for a key: the bulk requests that are offered.
const KEYED: [u8; 8] = [16, 17, 18, 19, 37, 38, 39, 40];
const VENDOR: [&str; 3] = ["/jsm/csm/cloudid/{cloudId}/api/v1", "/jsm/csm/api/v1", "/api/v1"];
const OWN: [&str; 1] = ["/guildhall/v1"];
const CONNECTOR: [&str; 4] = [
    "/teamwork-graph/v1/cloud/{cloudId}",
    "/connected-data/teamwork-graph/v1",
    "/connected-data/teamwork-graph/v1/cloud/{cloudId}",
    "/teamwork-graph/v1",
];

const ROLES: [&str; 3] = ["user", "agent", "admin"];
/// A scope that no row of the index needs.
const OTHER_SCOPE: &str = "write:task:jira-service-management";

/// One row of the index.
struct Row {
    number: u8,
    method: &'static str,
    path: &'static str,
    experimental: bool,
    who: &'static str,
    scopes: Vec<String>,
    keyed: bool,
    connector: bool,
}

impl Row {
    /// The prefixes of its paths.
    fn prefixes(&self) -> &'static [&'static str] {
        match self.number {
            _ if self.connector => &CONNECTOR,
            0 => &OWN,
            _ => &VENDOR,
        }
    }

    /// The prefixes with this tenant in those that name one.
    fn prefixes_of(&self, cloud_id: &str) -> Vec<String> {
        let prefixes = self.prefixes().iter();
        prefixes
            .map(|prefix| prefix.replace("{cloudId}", cloud_id))
            .collect()
    }

    /// Where the path names the tenant: the prefix for another one than the token's.
    fn prefix_naming(&self, cloud_id: &str) -> Option<String> {
        let prefix = self.prefixes().iter().find(|prefix| prefix.contains("{cloudId}"));
        prefix.map(|prefix| prefix.replace("{cloudId}", cloud_id))
    }

    fn least_role(&self, admins_manage: bool) -> &'static str {
        match self.who {
            "U" => "user",
            "G" => "agent",
            "A" => "admin",
            "M" if admins_manage => "admin",
            "M" => "user",
            other => panic!("nobody is called {other}"),
        }
    }
}

fn index() -> Vec<Row> {
    let rows = INDEX.lines().map(|line| {
        let [number, method, path, experimental, who, scopes] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let scopes = scopes.split('+').map(|scope| match scope.ends_with(":object") {
            true => format!("{scope}:jira"),
            false => format!("{scope}:jira-service-management"),
        });
        let connector = number == "C";
        let number = if connector { 0 } else { number.parse().unwrap() };
        Row {
            number,
            connector,
            keyed: KEYED.contains(&number),
            method,
            path,
            experimental: ["S", "E"].contains(&experimental),
            who,
            scopes: scopes.collect(),
        }
    });
    rows.collect()
}

/// The route table is the index: a route that is added without permissions, or with others than
/// the index says, is found here.
#[test]
fn the_route_table_is_the_index() {
    let routes = routes();
    assert_eq!(routes.len(), index().len());
    for (route, row) in routes.iter().zip(index()) {
        assert_eq!(
            (route.row, route.method.as_str(), route.path),
            (row.number, row.method, row.path)
        );
        let sorted = |prefixes: &[&'static str]| prefixes.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(
            (sorted(route.space.prefixes()), route.keyed),
            (sorted(row.prefixes()), row.keyed),
            "{} {}",
            row.method,
            row.path
        );
        assert!(
            !route.scopes.is_empty(),
            "{} {} needs no scope",
            route.method,
            route.path
        );
        let scopes: BTreeSet<_> = route.scopes.iter().map(|scope| scope.name().to_owned()).collect();
        assert_eq!(
            scopes,
            row.scopes.iter().cloned().collect(),
            "scopes of row {}",
            row.number
        );
    }
}

/// An operation is under the prefixes of its own space, and under no other.
#[test]
fn the_three_spaces_are_apart() {
    let routes = routes();
    let router = Router::new(&routes).unwrap();
    let rows = index();
    let fill = |path: &str| path.replace(['{', '}'], "");
    for row in &rows {
        for prefix in VENDOR.iter().chain(&OWN).chain(&CONNECTOR) {
            let path = format!("{}{}", fill(prefix), fill(row.path));
            let found = match router.find(&row.method.parse().unwrap(), &path) {
                Found::Operation(index, _) => Some(index),
                _ => None,
            };
            // Both spaces may have a path that is spelled the same.
            let wanted = rows.iter().position(|other| {
                (other.method, other.path) == (row.method, row.path) && other.prefixes().contains(prefix)
            });
            assert_eq!(found, wanted, "{} {path}", row.method);
        }
    }
}

/// What the model says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unauthorized,
    NoTenant,
    Role,
    Scope,
    Experimental,
    LetThrough,
}

/// Tokens of a tenant by role and scopes, made when they are asked for.
struct Mint<'w> {
    world: &'w World,
    cloud_id: String,
    made: Mutex<BTreeMap<(String, Vec<String>), String>>,
}

impl<'w> Mint<'w> {
    /// Makes all tokens of the walk, several at a time: each is a process.
    fn new(world: &'w World, cloud_id: &str, wanted: Vec<(String, Vec<String>)>) -> Self {
        let mint = Self {
            world,
            cloud_id: cloud_id.to_owned(),
            made: Mutex::default(),
        };
        let wanted = Mutex::new(wanted);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let next = wanted.lock().unwrap().pop();
                        let Some((role, scopes)) = next else { return };
                        mint.token(&role, &scopes);
                    }
                });
            }
        });
        mint
    }

    fn token(&self, role: &str, scopes: &[String]) -> String {
        let key = (role.to_owned(), scopes.to_vec());
        if let Some(token) = self.made.lock().unwrap().get(&key) {
            return token.clone();
        }
        let names: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let token = self.world.token(&self.cloud_id, role, &names);
        self.made.lock().unwrap().insert(key, token.clone());
        token
    }
}

fn all_scopes() -> Vec<String> {
    Scope::ALL.iter().map(|scope| scope.name().to_owned()).collect()
}

/// The sets that the walk tries for a row: just what is needed, all, none of it, and for each that
/// is needed all but that one.
fn scope_sets(row: &Row) -> Vec<Vec<String>> {
    let mut sets = vec![row.scopes.clone(), all_scopes(), vec![OTHER_SCOPE.to_owned()]];
    for scope in &row.scopes {
        let others = all_scopes().into_iter().filter(|other| other != scope);
        sets.push(others.collect());
    }
    sets
}

/// The things of a tenant that one route is tried on.
struct Things {
    organization: String,
    customer: String,
    product: String,
    entitlement: String,
    field: String,
    task: String,
    connection: String,
}

impl Things {
    fn new(site: &Site, number: usize) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = format!("thing {number}");
        let field = json!({ "name": name, "type": { "name": "TEXT" } });
        for kind in ["organization", "customer", "entitlement"] {
            site.post(&format!("/{kind}/details"), &field).ok();
        }
        let email = format!("thing{number}@example.com");
        let customer = text(&site.post("/customer", &json!({ "email": email })).ok()["id"]);
        let profile = json!({ "name": name, "associateCustomers": { "customerIds": [customer] } });
        let organization = text(&site.post("/organization/profile", &profile).ok()["id"]);
        let product = text(&site.post("/product", &json!({ "name": name })).ok()["id"]);
        let path = format!("/organization/{organization}/entitlement");
        let entitlement = text(&site.post(&path, &json!({ "productId": product })).ok()["id"]);
        // A task that changes nothing.
        let item = json!({ "operationType": "UPDATE", "payload": { "id": organization, "name": name } });
        let task = site.bulk("/organization/bulk", &json!({ "organizations": [item] }));
        let connection = site.connect(&name);
        let object = pushed_object("thing", 1);
        let tags = json!({ "run": "1" });
        let body = json!({ "objects": [object], "properties": tags, "connectionId": connection });
        site.push("/objects/bulk", &body).ok();
        let user = json!({ "externalId": "u", "displayName": "thing" });
        site.push(
            "/users/bulk",
            &json!({ "users": [user], "connectionId": connection }),
        )
        .ok();
        let group = json!({ "externalId": "g", "displayName": "thing" });
        site.push(
            "/groups/bulk",
            &json!({ "groups": [group], "connectionId": connection }),
        )
        .ok();
        Self {
            connection,
            organization,
            customer,
            product,
            entitlement,
            field: name,
            task,
        }
    }

    /// Leaves room for the fields of the next route: there are 50 at most.
    fn remove_fields(&self, site: &Site) {
        for kind in ["organization", "customer", "entitlement"] {
            site.delete(&format!("/{kind}/details/{}", self.field.replace(' ', "%20")));
        }
    }

    /// All that reads say of them, and of the tenant's tasks.
    fn dump(&self, site: &Site) -> Vec<Value> {
        let mut all = self.data(site);
        all.push(site.get(&format!("/tasks/{}", self.task)).ok());
        all.push(site.own(&format!("/tasks/{}/items", self.task)).ok());
        let mut cursor = String::new();
        loop {
            let page = site.own(&format!("/tasks?limit=100{cursor}")).ok();
            let next = page["nextCursor"].as_str().map(segment);
            all.push(page);
            match next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// All that reads say of them, but for tasks.
    fn data(&self, site: &Site) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            "/organization/details".to_owned(),
            "/customer/details".to_owned(),
            "/entitlement/details".to_owned(),
            format!("/organization/{}", self.organization),
            format!("/organization/profile/{}", self.organization),
            format!("/organization/{}/entitlement", self.organization),
            format!("/customer/{}", self.customer),
            format!("/customer/account/{}", self.customer),
            format!("/customer/{}/entitlement", self.customer),
            format!("/product/{}", self.product),
            format!("/entitlement/{}", self.entitlement),
        ] {
            let answer = site.get(&path);
            all.push(json!([answer.status, answer.json()]));
        }
        let names = json!({ "organizationNames": ["made by a route", self.field] });
        all.push(site.post("/organization/fetch", &names).ok());
        let emails = json!({ "emails": ["profile@example.com"], "customerIds": [self.customer] });
        all.push(site.post("/customer/profile/fetch", &emails).ok());
        all.push(site.get("/product").ok());
        all.push(site.own("/connections").ok());
        let connection = format!("connectionId={}", self.connection);
        for path in [
            format!("/objects?{THING}&{connection}"),
            format!("/objects/visible?{connection}"),
            format!("/users?externalId=u&{connection}"),
            format!("/groups?externalId=g&{connection}"),
        ] {
            let answer = site.pull(&path);
            all.push(json!([answer.status, answer.json()]));
        }
        for path in ["tree", "writes"] {
            let answer = site.own(&format!("/objects/{path}?{THING}&{connection}"));
            all.push(json!([answer.status, answer.json()]));
        }
        all
    }

    fn fill(&self, row: &Row) -> String {
        let field = self.field.replace(' ', "%20");
        let mut path = row
            .path
            .replace("{organizationId}", &self.organization)
            .replace("{customerId}", &self.customer)
            .replace("{productId}", &self.product)
            .replace("{entitlementId}", &self.entitlement)
            .replace("{taskId}", &self.task)
            .replace("{fieldName}", &field)
            .replace("{connectionId}", &self.connection);
        match path.as_str() {
            "/objects" | "/objects/tree" | "/objects/writes" => {
                path.push_str(&format!("?{THING}&connectionId={}", self.connection));
            }
            "/objects/visible" => path.push_str(&format!("?connectionId={}", self.connection)),
            "/users" => path.push_str(&format!("?externalId=u&connectionId={}", self.connection)),
            "/groups" => path.push_str(&format!("?externalId=g&connectionId={}", self.connection)),
            _ => {}
        }
        if path.ends_with(&format!("{}/details", self.organization))
            || path.ends_with(&format!("{}/details", self.customer))
            || path.ends_with(&format!("{}/details", self.entitlement))
        {
            path.push_str(&format!("?fieldName={field}"));
        }
        if path == "/entitlements" && row.number == 53 {
            path.push_str(&format!("?entityType=CUSTOMER&entityId={}", self.customer));
        }
        path.replace(['{', '}'], "")
    }

    /// A body with which the route does something.
    fn body(&self, row: &Row) -> Option<Value> {
        if row.connector {
            return self.connector_body(row);
        }
        let name = json!({ "name": "made by a route" });
        let upsert = json!([{ "operationType": "UPSERT", "payload": name }]);
        let renamed = json!({ "customerId": self.customer, "displayName": "made by a route" });
        let renamed = json!([{ "operationType": "UPDATE", "payload": renamed }]);
        Some(match (row.method, row.path) {
            ("GET" | "DELETE", _) => return None,
            (_, "/organization/details/definitions/bulk" | "/customer/details/definitions/bulk") => {
                json!({ "detailFields": [{ "name": "made by a route", "type": { "name": "TEXT" } }] })
            }
            (_, "/organization/profile/bulk") => json!({ "organizationProfiles": upsert }),
            (_, "/organization/bulk") => json!({ "organizations": upsert }),
            (_, "/organization/details/bulk") => {
                let edit = json!({ "name": self.field, "values": ["set by a route"] });
                let operations = json!([{ "operationType": "UPDATE", "payload": edit }]);
                json!({ "organizations": [{ "id": self.organization, "operations": operations }] })
            }
            (_, "/customer/profile/bulk") => json!({ "customerProfiles": renamed }),
            (_, "/customer/bulk") => json!({ "customers": renamed }),
            (_, "/customer/details/bulk") => {
                let edit = json!({ "name": self.field, "values": ["set by a route"] });
                let operations = json!([{ "operationType": "UPDATE", "payload": edit }]);
                json!({ "customers": [{ "customerId": self.customer, "operations": operations }] })
            }
            (_, "/customer/search-by-detail-field") => {
                json!({ "detailFields": [{ "name": self.field, "value": "x" }] })
            }
            (_, "/customer/profile/fetch") => json!({ "customerIds": [self.customer] }),
            (_, "/customer/profile") => json!({ "email": "profile@example.com" }),
            ("PUT", path) if path.ends_with("}/details") => json!({ "values": ["set by a route"] }),
            ("POST", path) if path.ends_with("/entitlement") => json!({ "productId": self.product }),
            ("POST", path) if path.ends_with("/details") => {
                json!({ "name": "made by a route", "type": { "name": "TEXT" } })
            }
            ("POST", path) if path.ends_with("/fetch") => json!({ "organizationIds": [self.organization] }),
            ("POST", "/customer") => json!({ "email": "made@example.com" }),
            ("PUT", "/customer/account/{customerId}") | ("PATCH", "/customers/{customerId}") => {
                json!({ "displayName": "made by a route" })
            }
            ("PATCH", "/entitlements/{entitlementId}") => {
                json!({ "details": [{ "name": self.field, "values": ["set by a route"] }] })
            }
            _ => name,
        })
    }
}

/// The query that names the object of a connector.
const THING: &str = "objectType=atlassian:customer-org&externalId=thing";

/// An object that the user u may see.
fn pushed_object(name: &str, sequence: i64) -> Value {
    let principals = json!([{ "type": "USER", "id": "u" }]);
    json!({
        "id": "thing", "updateSequenceNumber": sequence, "displayName": name, "url": "https://example.com",
        "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
        "permissions": [{ "accessControls": [{ "principals": principals }] }], "atlassian:customer-org": {},
    })
}

impl Things {
    /// A body with which a route of connectors does something.
    fn connector_body(&self, row: &Row) -> Option<Value> {
        let of = "atlassian:customer-org";
        let mut body = match (row.method, row.path) {
            ("GET", _) => return None,
            ("POST", "/objects/bulk") => json!({ "objects": [pushed_object("made by a route", 2)] }),
            ("POST", "/users/bulk") => {
                json!({ "users": [{ "externalId": "u", "displayName": "made by a route" }] })
            }
            ("POST", "/groups/bulk") => {
                json!({ "groups": [{ "externalId": "g", "members": [{ "externalId": "u" }] }] })
            }
            ("POST", "/users/map") => json!({ "directMappings": [{ "externalId": "u", "accountId": ACCOUNT,
                "updateSequenceNumber": 1, "updatedAt": 0 }] }),
            (_, "/users/delete") => json!({ "externalIds": ["u"] }),
            (_, "/groups/delete") => json!({ "externalIds": ["g"] }),
            (_, path) if path.contains("by-properties") => {
                json!({ "objectType": of, "properties": { "run": "1" } })
            }
            _ => json!({ "objectType": of, "externalIds": ["thing"] }),
        };
        body["connectionId"] = json!(self.connection);
        Some(body)
    }
}

/// A request that would do something, if it were let through.
fn effective(row: &Row, things: &Things, prefix: &str, experimental: bool) -> Request {
    let request = effective_but_for_the_key(row, things, prefix, experimental);
    match row.keyed {
        true => request.header(KEY, fresh_key()),
        false => request,
    }
}

fn effective_but_for_the_key(row: &Row, things: &Things, prefix: &str, experimental: bool) -> Request {
    let mut request = Request::new(row.method, format!("{prefix}{}", things.fill(row)));
    if experimental {
        request = request.header("X-ExperimentalApi", "opt-in");
    }
    match things.body(row) {
        Some(body) => request.json(&body),
        None => request,
    }
}

/// A request that is let through as far and then does nothing: an empty body, or things that do not exist.
fn harmless(row: &Row, prefix: &str, experimental: bool) -> Request {
    let nothing = |path: &str| {
        let segments = path.split('/').map(|segment| match segment.starts_with('{') {
            true => "none",
            false => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    };
    let mut request = Request::new(row.method, format!("{prefix}{}", nothing(row.path)));
    if experimental {
        request = request.header("X-ExperimentalApi", "opt-in");
    }
    if row.keyed {
        request = request.header(KEY, fresh_key());
    }
    match row.method {
        "GET" | "DELETE" => request,
        _ => request.json(&json!({})),
    }
}

fn send(client: &Client, request: &Request) -> Response {
    client
        .send(request)
        .unwrap_or_else(|error| panic!("{request:?}: {error}"))
}

/// Checks an answer against the model's verdict.
#[track_caller]
fn check(row: &Row, verdict: Verdict, response: &Response, what: &str) {
    let status = response.status;
    if status >= 400 {
        let is_connectors = !response.json()["success"].is_null();
        assert_eq!(is_connectors, row.connector, "{what}: {}", response.text());
    }
    let challenge = response.header("www-authenticate").unwrap_or_default();
    let message = match status {
        200..=299 => String::new(),
        _ => error_message(response),
    };
    let as_expected = match verdict {
        Verdict::Unauthorized => status == 401 && challenge.starts_with("Bearer"),
        Verdict::NoTenant => status == 404 && message == "There is no such tenant",
        Verdict::Role => status == 403 && message.contains("role") && challenge.is_empty(),
        Verdict::Scope => {
            status == 403
                && challenge.contains("error=\"insufficient_scope\"")
                && challenge.contains("scope=\"")
        }
        Verdict::Experimental => status == 412,
        Verdict::LetThrough => {
            [200, 204, 400, 404].contains(&status)
                && message != "There is no such tenant"
                && challenge.is_empty()
        }
    };
    assert!(
        as_expected,
        "{what}: the model says {verdict:?}, the server {status} {challenge} {message}"
    );
}

/// The whole walk on one server.
fn walk(admins_manage: bool) {
    let setting = if admins_manage { "admins" } else { "users" };
    let world = World::new(&["--organization-management", setting, "--log", "error"]);
    let site = world.site();
    let other = world.site();
    let rows = index();
    let mut wanted = BTreeSet::new();
    for (row, role) in rows.iter().flat_map(|row| ROLES.map(|role| (row, role))) {
        // With the other setting only the rows that it governs differ.
        if !admins_manage || row.who == "M" {
            wanted.extend(
                scope_sets(row)
                    .into_iter()
                    .map(|scopes| (role.to_owned(), scopes)),
            );
        }
    }
    let mint = Mint::new(&world, &site.cloud_id, wanted.into_iter().collect());
    let foreign = [
        other.cloud_id.as_str(),
        "00000000-0000-4000-8000-000000000000",
        "none",
    ];
    for (at, (row, route)) in rows.iter().zip(routes()).enumerate() {
        if admins_manage && row.who != "M" {
            continue;
        }
        let things = Things::new(&site, at);
        let before = things.dump(&site);
        let least = ROLES
            .iter()
            .position(|role| *role == row.least_role(admins_manage));
        for (role_at, role) in ROLES.iter().enumerate() {
            for scopes in scope_sets(row) {
                let token = mint.token(role, &scopes);
                let may = if Some(role_at) < least {
                    Verdict::Role
                } else if row.scopes.iter().all(|scope| scopes.contains(scope)) {
                    Verdict::LetThrough
                } else {
                    Verdict::Scope
                };
                for experimental in [true, false] {
                    let verdict = match may {
                        Verdict::LetThrough if row.experimental && !experimental => Verdict::Experimental,
                        other => other,
                    };
                    for prefix in &row.prefixes_of(&site.cloud_id) {
                        let request = match verdict {
                            Verdict::LetThrough => harmless(row, prefix, experimental),
                            _ => effective(row, &things, prefix, experimental),
                        };
                        let what = format!("{} {} as {role} with {scopes:?}", row.method, row.path);
                        check(row, verdict, &send(&site.client, &request.bearer(&token)), &what);
                        if row.keyed {
                            // That the key is missing is said last, and only to those who may.
                            let request = effective_but_for_the_key(row, &things, prefix, experimental);
                            let response = send(&site.client, &request.bearer(&token));
                            match verdict {
                                Verdict::LetThrough => {
                                    let message = response.refused(400);
                                    assert!(message.starts_with("Idempotency-Key: "), "{what}: {message}");
                                }
                                _ => check(row, verdict, &response, &what),
                            }
                        }
                    }
                    for prefix in foreign.iter().filter_map(|cloud_id| row.prefix_naming(cloud_id)) {
                        for make in [effective, effective_but_for_the_key] {
                            let request = make(row, &things, &prefix, experimental).bearer(&token);
                            let response = send(&site.client, &request);
                            let what = format!("{} {prefix}{}", row.method, row.path);
                            check(row, Verdict::NoTenant, &response, &what);
                            if !row.keyed {
                                break;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(
            things.dump(&site),
            before,
            "{} {}: a refused call changed something",
            row.method,
            row.path
        );
        takes_effect(row, &route, &things, &site, &mint, &before);
        things.remove_fields(&site);
        site.delete("/organization/details/made%20by%20a%20route");
        site.delete("/customer/details/made%20by%20a%20route");
        site.delete("/entitlement/details/made%20by%20a%20route");
    }
}

/// The same request with just what is needed works, so that the refusals before meant something.
fn takes_effect(row: &Row, route: &Route, things: &Things, site: &Site, mint: &Mint<'_>, before: &[Value]) {
    let token = mint.token(row.least_role(false), &row.scopes);
    let token = match row.who {
        "M" => mint.token("admin", &row.scopes),
        _ => token,
    };
    let prefix = row.prefixes().last().unwrap();
    let request = effective(row, things, prefix, row.experimental).bearer(&token);
    let data = things.data(site);
    let response = send(&site.client, &request);
    if !route.offered() {
        let message = response.refused(404);
        assert!(message.contains("is not offered by this server"), "{message}");
        return;
    }
    assert!(
        response.status < 300,
        "{} {}: {}",
        row.method,
        row.path,
        response.text()
    );
    if row.keyed {
        let submitted = response.json();
        let id = submitted["id"].as_str().unwrap();
        let tasks = site.own("/tasks").ok();
        assert!(
            each(&tasks["tasks"], "id").contains(&id),
            "{} made no task",
            row.path
        );
        let task = site.finished(id);
        assert_eq!(task["failures"], json!([]), "{}", row.path);
        assert_ne!(things.data(site), data, "the task of {} did nothing", row.path);
    }
    if row.path.starts_with("/tasks") {
        let told = match row.path {
            "/tasks/{taskId}/items" => &things.organization,
            _ => &things.task,
        };
        assert!(
            response.text().contains(&format!("\"{told}\"")),
            "{}",
            response.text()
        );
    }
    let reads = row.method == "GET"
        || ["/fetch", "/search-by-detail-field"]
            .iter()
            .any(|end| row.path.ends_with(end));
    if !reads && row.path != "/customer" {
        assert_ne!(
            things.dump(site),
            before,
            "{} {} did nothing",
            row.method,
            row.path
        );
    }
    // The name is free for the next route.
    if ["/organization", "/organization/profile"].contains(&row.path) {
        site.delete(&format!(
            "/organization/{}",
            response.json()["id"].as_str().unwrap()
        ))
        .gone();
    }
    if ["/organization/bulk", "/organization/profile/bulk"].contains(&row.path) {
        let made = site.post(
            "/organization/fetch",
            &json!({ "organizationNames": ["made by a route"] }),
        );
        let id = made.ok()["organizations"][0]["id"].as_str().unwrap().to_owned();
        site.delete(&format!("/organization/{id}")).gone();
    }
    let renames = [
        "/organization/{organizationId}",
        "/organizations/{organizationId}",
    ]
    .contains(&row.path);
    if renames && ["PUT", "PATCH"].contains(&row.method) {
        site.delete(&format!("/organization/{}", things.organization))
            .gone();
    }
}

#[test]
fn roles_scopes_and_tenants() {
    walk(false);
}

#[test]
fn organization_management_by_admins() {
    walk(true);
}

/// Bad credentials are refused on every route, whatever tenant the path names, in the same words as
/// each other where a stranger must not tell them apart.
#[test]
fn credentials() {
    let world = World::new(&["--log", "error"]);
    let site = world.site();
    let other = world.site();
    let things = Things::new(&site, 0);
    let before = things.dump(&site);
    let short = [
        "token",
        "create",
        "--tenant",
        &site.cloud_id,
        "--name",
        "short",
        "--role",
        "admin",
        "--expires",
        "1s",
    ];
    let expired = world.data(&short).trim_end().to_owned();
    let revoked = world.token(&site.cloud_id, "admin", &[]);
    let tokens = world.data(&["token", "list", "--tenant", &site.cloud_id, "--json"]);
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    let newest = tokens.as_array().unwrap().last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let probe = |token: &str| send(&site.client, &Request::get("/api/v1/product").bearer(token)).status;
    assert_eq!(probe(&revoked), 200);
    world.data(&["token", "revoke", "--tenant", &site.cloud_id, &newest]);
    poll("the token's expiry", || (probe(&expired) == 401).then_some(()));
    poll("the revocation", || (probe(&revoked) == 401).then_some(()));

    let unknown = token_from([7; 32]);
    assert!(looks_like_token(&unknown));
    let mut mistyped = site.token.clone();
    let last = if mistyped.pop() == Some('x') { 'y' } else { 'x' };
    mistyped.push(last);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let bad = [
        None,
        Some("Bearer garbage".to_owned()),
        Some("Bearer".to_owned()),
        Some(format!("Bearer {mistyped}")),
        Some(format!("Bearer {unknown}")),
        Some(format!("Bearer {expired}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Bearer {} {}", site.token, site.token)),
        Some(site.token.clone()),
        Some(format!("Digest {}", site.token)),
        Some("Basic !".to_owned()),
        Some(basic(&site.token)),
        Some(basic(&format!("ann@example.com:{unknown}"))),
        Some(basic(&format!("{}:", site.token))),
    ];
    let mut words = BTreeSet::new();
    for row in index() {
        for cloud_id in [&site.cloud_id, &other.cloud_id, "none"] {
            // Our own paths name no tenant: there is one prefix.
            let prefix = row.prefixes_of(cloud_id).swap_remove(0);
            for authorization in &bad {
                let mut request = effective(&row, &things, &prefix, true);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization.as_str());
                }
                let response = send(&site.client, &request);
                check(
                    &row,
                    Verdict::Unauthorized,
                    &response,
                    &format!("{} {} with {authorization:?}", row.method, row.path),
                );
                let wanted = match authorization {
                    None => "Bearer",
                    Some(_) => "Bearer error=\"invalid_token\"",
                };
                assert_eq!(response.header("www-authenticate"), Some(wanted));
                if bad[3..7].contains(authorization) {
                    words.insert((row.connector, response.text()));
                }
            }
        }
    }
    // Connectors are refused in a body of their own.
    assert_eq!(
        words.len(),
        2,
        "mistyped, unknown, expired and revoked look alike"
    );
    assert_eq!(things.dump(&site), before);

    for good in [
        format!("Bearer {}", site.token),
        format!("bearer  {}", site.token),
        basic(&format!("ann@example.com:{}", site.token)),
        basic(&format!(":{}", site.token)),
    ] {
        let request = Request::get("/api/v1/product").header("Authorization", good.as_str());
        assert_eq!(send(&site.client, &request).status, 200, "{good}");
    }
    let twice = Request::get("/api/v1/product")
        .bearer(&site.token)
        .bearer(&site.token);
    send(&site.client, &twice).refused(401);
}
