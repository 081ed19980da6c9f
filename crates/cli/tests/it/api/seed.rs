//! Every example request of the vendor's page on organizations, sent as it is printed there: path,
//! headers, body; only the cloudId and the token are filled in. The demo world holds what they name.

use guildhall_testkit::{Request, Response};
use serde_json::{Value, json};

use crate::world::{Expect, Site, World};

const OPT_IN: (&str, &str) = ("X-ExperimentalApi", "opt-in");

const REGION: &str = "{\n\"name\": \"Region\",\n\"type\": {\n\"name\": \"SELECT\",\n\"options\": [\n\"AU\",\n\"EU\",\n\"US\"\n]\n}\n}";
const EDIT: &str = "{\n\"name\": \"Region\",\n\"options\": [\n\"AU\",\n\"EU\",\n\"US\"\n]\n}";
const NAME: &str = "{\n\"name\": \"Atlassian\"\n}";
const VALUES: &str = "{\n\"values\": [\n\"EU\"\n]\n}";
const PRODUCT: &str = "{\n\"productId\": \"3858a61a-d337-42e6-993e-e13e1c366d4f\"\n}";
const FETCH: &str =
    "{\n\"organizationIds\": [\n\"1\",\n\"2\"\n],\n\"organizationNames\": [\n\"Atlassian\"\n]\n}";
const PROFILE: &str = r#"{
"name": "Atlassian",
"details": [
{
"name": "Region",
"values": [
"EU"
]
}
],
"associateCustomers": {
"customerIds": [
"qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
"qm:10c2e972-eef6-4e0e-aa81-9a9e7a4ba9a7:3468699a-b2f0-4ae9-ab2d-155a5f5a8db4"
]
},
"associateProducts": {
"productIds": [
"3858a61a-d337-42e6-993e-e13e1c366d4f",
"4858a61a-d337-42e6-993e-e13e1c366d4f"
]
}
}"#;

/// The demo world, spoken to under one of the prefixes.
struct Demo {
    _world: World,
    site: Site,
    prefix: String,
}

impl Demo {
    /// One for each prefix.
    fn all() -> impl Iterator<Item = Self> {
        ["/jsm/csm/cloudid/{cloudId}/api/v1", "/jsm/csm/api/v1", "/api/v1"]
            .into_iter()
            .map(|prefix| {
                let (world, site) = World::demo();
                let prefix = prefix.replace("{cloudId}", &site.cloud_id);
                Self {
                    _world: world,
                    site,
                    prefix,
                }
            })
    }

    fn request(&self, method: &str, path: &str, experimental: bool) -> Request {
        let mut request = Request::new(method, format!("{}{path}", self.prefix)).bearer(&self.site.token);
        if method != "DELETE" {
            request = request.header("Accept", "application/json");
        }
        if experimental {
            request = request.header(OPT_IN.0, OPT_IN.1);
        }
        request
    }

    fn plain(&self, method: &str, path: &str, body: &str) -> Response {
        self.with_body(self.request(method, path, false), body)
    }

    fn experimental(&self, method: &str, path: &str, body: &str) -> Response {
        self.with_body(self.request(method, path, true), body)
    }

    fn with_body(&self, request: Request, body: &str) -> Response {
        match body {
            "" => self.site.send(&request),
            body => self
                .site
                .send(&request.header("Content-Type", "application/json").body(body)),
        }
    }
}

/// The shape of a value: members and types, not values; of a list the shape of its first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(items) => Value::Array(items.iter().take(1).map(shape).collect()),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => Value::Null,
    }
}

#[track_caller]
fn has_shape_of(answer: &Value, seed: &Value) {
    assert_eq!(shape(answer), shape(seed), "{answer:#}");
}

fn field_type() -> Value {
    json!({ "name": "SELECT", "options": ["AU", "EU", "US"] })
}

fn detail_field() -> Value {
    json!({ "id": "321", "name": "Region", "type": field_type(), "values": ["EU"], "configuration": { "position": 1 } })
}

fn profile() -> Value {
    let details = json!([{ "name": "Region", "value": { "type": "SELECT", "text": ["EU"] } }]);
    json!({
        "id": "1", "name": "Atlassian", "details": details,
        "entitlements": [{
            "id": "3858a61a-d337-42e6-993e-e13e1c366d4f",
            "product": { "id": "3858a61a-d337-42e6-993e-e13e1c366d4f", "name": "Acme Widget" },
            "entitledEntity": { "id": "123", "type": "CUSTOMER" },
            "details": details,
        }],
        "customers": [{ "id": "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053" }],
    })
}

#[test]
fn fields() {
    for demo in Demo::all() {
        let list = demo.plain("GET", "/organization/details", "").ok();
        let results = &list["results"];
        let seed = json!({ "name": "Region", "type": field_type(), "configuration": { "position": 1 } });
        has_shape_of(&results[0], &seed);
        assert_eq!(
            (&results[0]["name"], &results[0]["configuration"]["position"]),
            (&json!("Region"), &json!(1))
        );

        let message = demo.plain("POST", "/organization/details", REGION).refused(400);
        assert!(message.contains("is taken"), "{message}");
        let edited = demo.plain("PUT", "/organization/details/Region", EDIT).ok();
        assert_eq!(edited, json!({ "name": "Region", "type": field_type() }));
        demo.plain("DELETE", "/organization/details/Region", "").gone();
        let created = demo.plain("POST", "/organization/details", REGION).ok();
        assert_eq!(created, json!({ "name": "Region", "type": field_type() }));
    }
}

#[test]
fn organizations() {
    for demo in Demo::all() {
        let got = demo.plain("GET", "/organization/123", "").ok();
        assert_eq!((&got["id"], &got["name"]), (&json!("123"), &json!("Atlassian")));
        has_shape_of(&got["details"][0], &detail_field());
        assert_eq!(
            (&got["details"][0]["id"], &got["details"][0]["values"]),
            (&json!("321"), &json!(["EU"]))
        );

        let renamed = demo.experimental("PUT", "/organization/123", NAME).ok();
        assert_eq!(renamed, json!({ "id": "123", "name": "Atlassian" }));

        let set = demo
            .plain("PUT", "/organization/123/details?fieldName=Region", VALUES)
            .ok();
        let mut seed = detail_field();
        seed.as_object_mut().unwrap().remove("configuration");
        has_shape_of(&set, &seed);
        assert_eq!((&set["id"], &set["values"]), (&json!("321"), &json!(["EU"])));

        let list = demo.plain("GET", "/organization/123/entitlement", "").ok();
        let entitlement = json!({
            "id": "3858a61a-d337-42e6-993e-e13e1c366d4f",
            "product": { "id": "3858a61a-d337-42e6-993e-e13e1c366d4f", "name": "Acme Widget" },
            "entitledEntity": { "id": "123", "type": "ORGANIZATION" },
        });
        for member in ["id", "product", "entitledEntity"] {
            assert_eq!(list[0][member], entitlement[member], "{list:#}");
        }
        let with_value = demo.plain(
            "PUT",
            "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f/details?fieldName=Region",
            VALUES,
        );
        with_value.ok();
        let list = demo.plain("GET", "/organization/123/entitlement", "").ok();
        has_shape_of(&list[0]["details"][0], &detail_field());

        let created = demo.plain("POST", "/organization/123/entitlement", PRODUCT).ok();
        assert_eq!(
            (&created["product"], &created["entitledEntity"]),
            (&entitlement["product"], &entitlement["entitledEntity"])
        );
        let mut unset = detail_field();
        unset["values"] = json!([]);
        has_shape_of(&created["details"][0], &unset);

        let message = demo.experimental("POST", "/organization", NAME).refused(400);
        assert!(message.contains("names are unique"), "{message}");
        let found = demo.experimental("POST", "/organization/fetch", FETCH).ok();
        assert_eq!(
            found,
            json!({ "organizations": [
                { "id": "1", "name": "Acme" }, { "id": "2", "name": "Globex" }, { "id": "123", "name": "Atlassian" },
            ] })
        );
        demo.plain("DELETE", "/organization/123", "").gone();
        let created = demo.experimental("POST", "/organization", NAME).ok();
        assert_eq!(created, json!({ "id": created["id"], "name": "Atlassian" }));
        assert_ne!(created["id"], "123");
    }
}

#[test]
fn profiles() {
    for demo in Demo::all() {
        // The example shows a value of the entitlement too.
        let path = "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f/details?fieldName=Region";
        demo.plain("PUT", path, VALUES).ok();
        let got = demo.experimental("GET", "/organization/profile/123", "").ok();
        has_shape_of(&got, &profile());
        for member in ["name", "customers"] {
            assert_eq!(got[member], profile()[member]);
        }
        assert_eq!(got["details"][0], profile()["details"][0]);
        assert_eq!(
            got["entitlements"][0]["details"],
            profile()["entitlements"][0]["details"]
        );

        let fetched = demo
            .experimental("POST", "/organization/profile/fetch", FETCH)
            .ok();
        assert_eq!(fetched["profiles"].as_array().map(Vec::len), Some(3));
        assert_eq!(fetched["profiles"][2], got);

        let message = demo
            .experimental("POST", "/organization/profile", PROFILE)
            .refused(400);
        assert!(message.contains("names are unique"), "{message}");
        demo.plain("DELETE", "/organization/123", "").gone();
        let created = demo.experimental("POST", "/organization/profile", PROFILE).ok();
        assert_eq!(
            (&created["name"], &created["details"]),
            (&json!("Atlassian"), &profile()["details"])
        );
        let products: Vec<_> = created["entitlements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["product"]["name"])
            .collect();
        assert_eq!(products, ["Acme Widget", "Acme Gadget"]);
        assert_eq!(
            created["entitlements"][0]["entitledEntity"],
            json!({ "id": created["id"], "type": "ORGANIZATION" })
        );
        assert_eq!(created["customers"].as_array().map(Vec::len), Some(2));
    }
}

/// The examples that ask for the header are refused without it; the others never ask for it.
#[test]
fn the_header_is_required_where_the_examples_show_it() {
    let demo = Demo::all().next().unwrap();
    for (method, path, body) in [
        ("PUT", "/organization/123", NAME),
        ("POST", "/organization", NAME),
        ("POST", "/organization/fetch", FETCH),
        ("GET", "/organization/profile/123", ""),
        ("POST", "/organization/profile", PROFILE),
        ("POST", "/organization/profile/fetch", FETCH),
    ] {
        let message = demo.plain(method, path, body).refused(412);
        assert!(message.contains("X-ExperimentalApi"), "{message}");
        for value in ["opt-out", ""] {
            let request = demo.request(method, path, false).header(OPT_IN.0, value);
            demo.with_body(request, body).refused(412);
        }
    }
    let request = demo.request("GET", "/organization/profile/123", false);
    demo.site
        .send(&request.header("x-experimentalapi", "OPT-IN"))
        .ok();
}
