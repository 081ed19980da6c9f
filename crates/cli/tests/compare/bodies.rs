//! Bodies of requests, by the path of their route; some with something wrong in them.

use guildhall_testkit::SeededRandom;
use serde_json::{Value, json};

use crate::requests::Requests;
use crate::texts;

impl Requests {
    /// A body for the route with this path.
    pub fn body(&mut self, path: &'static str) -> Value {
        let random = self.random.clone();
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
            path if path.ends_with("Id}/details") => {
                let list = format!("/{}/details", path.split('/').nth(1).unwrap_or_default());
                json!({ "values": self.value(&list).1 })
            }
            path if path.ends_with("Id}/entitlement") => json!({ "productId": self.id("productId") }),
            "/organization" | "/organization/{organizationId}" | "/product" | "/product/{productId}" => {
                json!({ "name": name() })
            }
            "/organization/fetch" | "/organization/profile/fetch" => {
                let most = *random.pick(&[2, 2, 2, 2, 2, 2, 2, 60]);
                let names: Vec<String> = (0..random.below(3)).map(|_| name()).collect();
                json!({ "organizationIds": self.ids("organizationId", most), "organizationNames": names })
            }
            "/organization/profile" => self.profile(),
            "/customer" => match random.chance(0.5) {
                true => json!({ "email": texts::email(&random) }),
                false => json!({ "email": texts::email(&random), "displayName": name() }),
            },
            "/customer/account/{customerId}" => json!({ "displayName": name() }),
            "/organization/details/definitions/bulk" => {
                let count = *random.pick(&[0, 1, 1, 2, 3, 3, 51]);
                let fields: Vec<Value> = (0..count).map(|_| definition(&random)).collect();
                json!({ "detailFields": fields })
            }
            "/organization/profile/bulk" => {
                let items = self.items(100, Self::profile);
                json!({ "organizationProfiles": items })
            }
            "/organization/bulk" => {
                let items = self.items(50, |requests| json!({ "name": texts::name(&requests.random) }));
                json!({ "organizations": items })
            }
            "/organization/details/bulk" => {
                let edits: Vec<Value> = (0..random.below(5)).map(|_| self.edits()).collect();
                json!({ "organizations": edits })
            }
            other => panic!("bodies.rs must say what a body for {other} is"),
        }
    }

    fn profile(&mut self) -> Value {
        let random = &self.random;
        let detail = |_| {
            let (name, values) = self.value("/organization/details");
            json!({ "name": name, "values": values })
        };
        let details: Vec<Value> = (0..random.below(3)).map(detail).collect();
        let mut profile = json!({ "name": texts::name(random), "details": details });
        if random.chance(0.6) {
            profile["associateCustomers"] = json!({ "customerIds": self.ids("customerId", 4) });
        }
        if random.chance(0.6) {
            profile["associateProducts"] = json!({ "productIds": self.ids("productId", 4) });
        }
        profile
    }

    /// Items of a bulk request: mostly a few, seldom as many as there may be, or one more.
    fn items(&mut self, most: u64, payload: impl Fn(&mut Self) -> Value) -> Vec<Value> {
        let count = match self.random.below(60) {
            0 => most,
            1 => most + 1,
            _ => self.random.below(6),
        };
        let mut items = Vec::new();
        for _ in 0..count {
            let mut payload = payload(self);
            if self.random.chance(0.4) {
                payload["id"] = json!(self.id("organizationId"));
            }
            if self.random.chance(0.1) {
                payload["id"] = json!((1 + self.random.below(3_000)).to_string());
            }
            if self.random.chance(0.2) {
                payload.as_object_mut().unwrap().remove("name");
            }
            let operation = *self
                .random
                .pick(&["CREATE", "UPDATE", "UPSERT", "UPSERT", "UPSERT"]);
            items.push(json!({ "operationType": operation, "payload": payload }));
        }
        items
    }

    fn edits(&self) -> Value {
        let edit = |_| {
            let operation = *self.random.pick(&["UPDATE", "PATCH", "DELETE"]);
            let (name, values) = self.value("/organization/details");
            let mut payload = json!({ "name": name });
            if self.random.chance(0.95) {
                payload["values"] = json!(values);
            }
            json!({ "operationType": operation, "payload": payload })
        };
        let count = *self.random.pick(&[0, 1, 1, 2, 2, 3, 4, 5]);
        let operations: Vec<Value> = (0..count).map(edit).collect();
        json!({ "id": self.id("organizationId"), "operations": operations })
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
