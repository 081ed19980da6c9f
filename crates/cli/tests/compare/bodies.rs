//! Bodies of requests, by the path of their route; some with something wrong in them.

use guildhall_http::routes::{Route, Space};
use guildhall_testkit::SeededRandom;
use serde_json::{Value, json};

use crate::requests::{Requests, method};
use crate::texts;

/// How bodies name organizations, or customers.
struct Subjects {
    /// The parameter that takes their ids.
    parameter: &'static str,
    /// The member for an id.
    id: &'static str,
    /// The member for what no other has.
    handle: &'static str,
    handles: fn(&SeededRandom) -> String,
    /// The list of their fields.
    fields: &'static str,
    /// What profiles associate: the member, the list in it, and the parameter that takes the ids.
    associates: (&'static str, &'static str, &'static str),
}

const ORGANIZATIONS: Subjects = Subjects {
    parameter: "organizationId",
    id: "id",
    handle: "name",
    handles: texts::name,
    fields: "/organization/details",
    associates: ("associateCustomers", "customerIds", "customerId"),
};

const CUSTOMERS: Subjects = Subjects {
    parameter: "customerId",
    id: "customerId",
    handle: "email",
    handles: texts::email,
    fields: "/customer/details",
    associates: ("associateOrganizations", "organizationIds", "organizationId"),
};

impl Requests {
    /// A body for the route.
    pub fn body(&mut self, route: &Route) -> Value {
        let random = self.random.clone();
        // A delete by ids takes the same body under either of its two names.
        let path = match (route.space, method(route), route.path) {
            (Space::Connector, "DELETE", "/objects/bulk") => return self.connector_body("/objects/delete"),
            (Space::Connector, _, path) => return self.connector_body(path),
            (_, _, path) => path,
        };
        let name = || texts::name(&random);
        match path {
            "/organization/details" | "/customer/details" | "/entitlement/details" => definition(&random),
            path if path.ends_with("details/{fieldName}") => {
                let mut body = json!({ "name": texts::field(&random) });
                if random.chance(0.5) {
                    body["options"] = json!(texts::options(&random));
                }
                body
            }
            path if path.ends_with("Id}/details") => json!({ "values": self.chosen.1 }),
            path if path.ends_with("Id}/entitlement") => json!({ "productId": self.id("productId") }),
            "/organization" | "/organization/{organizationId}" | "/product" | "/product/{productId}" => {
                json!({ "name": name() })
            }
            "/organization/fetch" | "/organization/profile/fetch" => {
                let most = *random.pick(&[2, 2, 2, 2, 2, 2, 2, 60]);
                let names: Vec<String> = (0..random.below(3)).map(|_| name()).collect();
                json!({ "organizationIds": self.ids("organizationId", most), "organizationNames": names })
            }
            "/organization/profile" => self.profile(&ORGANIZATIONS),
            "/customer/profile" => self.profile(&CUSTOMERS),
            "/customer/profile/fetch" => {
                let most = *random.pick(&[2, 2, 2, 2, 2, 2, 2, 60]);
                let emails: Vec<String> = (0..random.below(3)).map(|_| texts::email(&random)).collect();
                json!({ "customerIds": self.ids("customerId", most), "emails": emails })
            }
            "/customer/search-by-detail-field" => {
                let count = *random.pick(&[0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 51]);
                let field = |_| {
                    let (name, values) = self.value("/customer/details");
                    json!({ "name": name, "value": values.into_iter().next().unwrap_or_default() })
                };
                json!({ "detailFields": (0..count).map(field).collect::<Vec<_>>() })
            }
            "/organizations/{organizationId}" => {
                let mut patch = self.details_patch("/organization/details");
                if random.chance(0.4) {
                    patch["name"] = json!(name());
                }
                patch
            }
            "/customers/{customerId}" => {
                let mut patch = self.details_patch("/customer/details");
                if random.chance(0.3) {
                    patch["displayName"] = json!(name());
                }
                if random.chance(0.3) {
                    patch["email"] = json!(texts::email(&random));
                }
                patch
            }
            "/products/{productId}" if random.chance(0.1) => json!({}),
            "/products/{productId}" | "/connections" => json!({ "name": name() }),
            "/entitlements/{entitlementId}" => self.details_patch("/entitlement/details"),
            "/customer" => match random.chance(0.5) {
                true => json!({ "email": texts::email(&random) }),
                false => json!({ "email": texts::email(&random), "displayName": name() }),
            },
            "/customer/account/{customerId}" => json!({ "displayName": name() }),
            "/organization/details/definitions/bulk" | "/customer/details/definitions/bulk" => {
                let count = match random.below(40) {
                    0 => 0,
                    1 => 51,
                    _ => 1 + random.below(3),
                };
                let fields: Vec<Value> = (0..count).map(|_| definition(&random)).collect();
                json!({ "detailFields": fields })
            }
            "/organization/profile/bulk" => {
                let items = self.items(100, &ORGANIZATIONS, |requests| requests.profile(&ORGANIZATIONS));
                json!({ "organizationProfiles": items })
            }
            "/customer/profile/bulk" => {
                let items = self.items(100, &CUSTOMERS, |requests| requests.profile(&CUSTOMERS));
                json!({ "customerProfiles": items })
            }
            "/organization/bulk" => {
                let items = self.items(50, &ORGANIZATIONS, |requests| requests.account(&ORGANIZATIONS));
                json!({ "organizations": items })
            }
            "/customer/bulk" => {
                let items = self.items(50, &CUSTOMERS, |requests| requests.account(&CUSTOMERS));
                json!({ "customers": items })
            }
            "/organization/details/bulk" => {
                let edits: Vec<Value> = (0..random.below(8)).map(|_| self.edits(&ORGANIZATIONS)).collect();
                json!({ "organizations": edits })
            }
            "/customer/details/bulk" => {
                let edits: Vec<Value> = (0..random.below(8)).map(|_| self.edits(&CUSTOMERS)).collect();
                json!({ "customers": edits })
            }
            other => panic!("bodies.rs must say what a body for {other} is"),
        }
    }

    /// A name or an email, and what is shown.
    fn account(&self, of: &Subjects) -> Value {
        let random = &self.random;
        let mut account = json!({ of.handle: (of.handles)(random) });
        if of.handle == "email" && random.chance(0.5) {
            account["displayName"] = json!(texts::name(random));
        }
        account
    }

    /// Values of some fields, each named once, mostly.
    fn details(&self, list: &str) -> Vec<Value> {
        let mut details: Vec<Value> = Vec::new();
        for _ in 0..self.random.below(4) {
            let (name, values) = self.value(list);
            let is_named = details.iter().any(|detail| detail["name"] == name.as_str());
            if !is_named || self.random.chance(0.1) {
                details.push(json!({ "name": name, "values": values }));
            }
        }
        details
    }

    fn details_patch(&self, list: &str) -> Value {
        match self.random.chance(0.8) {
            true => json!({ "details": self.details(list) }),
            false => json!({}),
        }
    }

    fn profile(&self, of: &Subjects) -> Value {
        let random = &self.random;
        let mut profile = self.account(of);
        profile["details"] = json!(self.details(of.fields));
        if random.chance(0.6) {
            let (member, list, parameter) = of.associates;
            let ids = self.ids(parameter, 4).into_iter();
            let id = |id: String| match id.parse::<u64>() {
                // As some clients send the ids of organizations.
                Ok(number) if random.chance(0.1) => json!(number),
                _ => json!(id),
            };
            profile[member] = json!({ list: ids.map(id).collect::<Vec<_>>() });
        }
        if random.chance(0.6) {
            profile["associateProducts"] = json!({ "productIds": self.ids("productId", 4) });
        }
        profile
    }

    /// Items of a bulk request: mostly a few, seldom as many as there may be, or one more.
    fn items(&self, most: u64, of: &Subjects, payload: impl Fn(&Self) -> Value) -> Vec<Value> {
        let count = match self.random.below(60) {
            0 => most,
            1 => most + 1,
            2 => 0,
            _ => 1 + self.random.below(5),
        };
        let mut items = Vec::new();
        for _ in 0..count {
            let mut payload = payload(self);
            if self.random.chance(0.4) {
                payload[of.id] = json!(self.id(of.parameter));
            }
            if self.random.chance(0.1) {
                payload[of.id] = json!((1 + self.random.below(3_000)).to_string());
            }
            if self.random.chance(0.2) {
                payload.as_object_mut().unwrap().remove(of.handle);
            }
            let operation = *self
                .random
                .pick(&["CREATE", "UPDATE", "UPSERT", "UPSERT", "UPSERT"]);
            items.push(json!({ "operationType": operation, "payload": payload }));
        }
        items
    }

    fn edits(&self, of: &Subjects) -> Value {
        let edit = |_| {
            let operation = *self.random.pick(&["UPDATE", "PATCH", "DELETE"]);
            let (name, values) = self.value(of.fields);
            let mut payload = json!({ "name": name });
            if self.random.chance(0.95) {
                payload["values"] = json!(values);
            }
            json!({ "operationType": operation, "payload": payload })
        };
        let count = match self.random.below(40) {
            0 => 0,
            _ => 1 + self.random.below(5),
        };
        let operations: Vec<Value> = (0..count).map(edit).collect();
        json!({ of.id: self.id(of.parameter), "operations": operations })
    }

    /// The bytes of a body: sometimes with something wrong in it, seldom no JSON at all.
    pub fn written(&self, mut body: Value) -> Vec<u8> {
        if self.random.chance(0.06) {
            self.spoil(&mut body);
        }
        let text = body.to_string();
        match self.random.below(400) {
            0 => Vec::new(),
            1 => text.as_bytes()[..text.len() / 2].to_vec(),
            2 => [b"\xff", text.as_bytes()].concat(),
            3 => format!("{}{}", "[".repeat(70), "]".repeat(70)).into_bytes(),
            // The first member twice.
            4 if text.len() > 2 => format!("{},{}", &text[..text.len() - 1], &text[1..]).into_bytes(),
            5 => text.replace('"', "\\ud800\"").into_bytes(),
            _ => text.into_bytes(),
        }
    }

    /// Replaces something inside by something else, or takes it away.
    fn spoil(&self, value: &mut Value) {
        let deeper = self.random.chance(0.8);
        match value {
            Value::Object(members) if deeper && !members.is_empty() => {
                let names: Vec<String> = members.keys().cloned().collect();
                let name = self.random.pick(&names);
                match self.random.below(4) {
                    0 => drop(members.remove(name)),
                    1 => drop(members.insert("unknown".to_owned(), json!([{ "deep": null }]))),
                    _ => self.spoil(&mut members[name]),
                }
            }
            Value::Array(items) if deeper && !items.is_empty() => {
                let index = self.random.below(items.len() as u64) as usize;
                self.spoil(&mut items[index]);
            }
            other => {
                *other = match self.random.below(8) {
                    0 => Value::Null,
                    1 => json!(true),
                    2 => json!(17),
                    3 => json!([]),
                    4 => json!({}),
                    5 => json!([[1.5e300]]),
                    _ => json!(texts::odd(&self.random)),
                }
            }
        }
    }
}

fn definition(random: &SeededRandom) -> Value {
    let field_type = texts::field_type(random);
    let mut definition = json!({ "name": texts::field(random), "type": { "name": field_type } });
    if field_type.contains("SELECT") || random.chance(0.05) {
        definition["type"]["options"] = json!(texts::options(random));
    }
    definition
}
