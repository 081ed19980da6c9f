//! The life of an integration, from its first field to its last count: somebody defines fields, loads a
//! hundred organizations and a thousand customers in bulk, associates and entitles them, searches, corrects
//! what was wrong, deletes, and compares what the API says with what the integration believes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::world::{
    CUSTOMER_DEFINITIONS, CUSTOMER_DETAILS, CUSTOMER_PROFILES, CUSTOMERS, DEFINITIONS, Expect, PROFILES,
    Site, World, each, item,
};

const ORGANIZATIONS: usize = 100;
const PEOPLE: usize = 1_000;
const TIERS: [&str; 4] = ["Bronze", "Silver", "Gold", "Platinum"];

/// A customer as the integration knows it.
#[derive(Clone, Debug, PartialEq)]
struct Person {
    id: String,
    email: String,
    name: String,
    tier: &'static str,
    /// Numbers of organizations.
    organizations: BTreeSet<usize>,
    /// Names of products of its own.
    products: BTreeSet<&'static str>,
}

/// What the integration believes.
struct Life {
    site: Site,
    /// By the number that the integration gave them.
    organizations: BTreeMap<usize, String>,
    people: BTreeMap<usize, Person>,
    /// Names of products, and ids.
    products: BTreeMap<&'static str, String>,
}

fn external(number: usize) -> String {
    format!("C-{number:04}")
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no string: {value}"))
        .to_owned()
}

fn texts(list: &Value, member: &str) -> BTreeSet<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no array: {list}"));
    let texts: BTreeSet<String> = list.iter().map(|item| text(&item[member])).collect();
    assert_eq!(texts.len(), list.len(), "each once: {list:?}");
    texts
}

impl Life {
    fn begin(world: &World) -> Self {
        let site = world.site();
        let options = |names: &[&str]| json!({ "name": "SELECT", "options": names });
        let fields = json!({ "detailFields": [
            { "name": "External ID", "type": { "name": "TEXT" } },
            { "name": "Tier", "type": options(&TIERS) },
            { "name": "Seats", "type": { "name": "NUMBER" } },
        ] });
        for path in [DEFINITIONS, CUSTOMER_DEFINITIONS] {
            assert_eq!(site.run(path, "fields", &fields)["failures"], json!([]));
        }
        let products = ["Widget", "Gadget"].map(|name| {
            (
                name,
                text(&site.post("/product", &json!({ "name": name })).ok()["id"]),
            )
        });
        Self {
            site,
            organizations: BTreeMap::new(),
            people: BTreeMap::new(),
            products: products.into(),
        }
    }

    /// The receipts of a task that ended without a failure.
    fn done(&self, task: &str) -> Vec<Value> {
        let ended = self.site.ended(task);
        assert_eq!(
            (&ended["status"], &ended["failures"]),
            (&json!("FINISHED"), &json!([]))
        );
        self.site.receipts(task)
    }

    /// A hundred organizations, the even ones with a product.
    fn load_organizations(&mut self) {
        let items: Vec<Value> = (0..ORGANIZATIONS)
            .map(|number| {
                let widget: Vec<&String> = self.products.get("Widget").into_iter().collect();
                item(
                    "UPSERT",
                    &json!({
                        "name": format!("Organization {number}"),
                        "details": [{ "name": "External ID", "values": [format!("O-{number}")] }],
                        "associateProducts": { "productIds": if number % 2 == 0 { widget } else { vec![] } },
                    }),
                )
            })
            .collect();
        let body = json!({ "organizationProfiles": items });
        let task = self.site.submit(PROFILES, "organizations", &body);
        // Whoever was not answered asks again, and nothing is loaded twice.
        let again = self.site.bulk(PROFILES, "organizations", &body);
        assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
        for (number, receipt) in self.done(&task).iter().enumerate() {
            assert_eq!(receipt["outcome"], "created", "{receipt}");
            self.organizations.insert(number, text(&receipt["entityId"]));
        }
        assert_eq!(self.organizations.len(), ORGANIZATIONS);
    }

    /// A thousand customers in ten requests that wait beside each other, each in an organization.
    fn load_people(&mut self) {
        let person = |number: usize| Person {
            id: String::new(),
            email: format!("Person.{number}@example.com"),
            name: format!("Person {number}"),
            tier: TIERS[number % TIERS.len()],
            organizations: BTreeSet::from([number % ORGANIZATIONS]),
            products: BTreeSet::new(),
        };
        let people: Vec<Person> = (0..PEOPLE).map(person).collect();
        let numbered: Vec<(usize, &Person)> = people.iter().enumerate().collect();
        let tasks: Vec<(String, &[(usize, &Person)])> = numbered
            .chunks(100)
            .map(|chunk| {
                let items: Vec<Value> = chunk
                    .iter()
                    .map(|(number, person)| {
                        let home = &self.organizations[&(number % ORGANIZATIONS)];
                        item(
                            "CREATE",
                            &json!({
                                "email": person.email,
                                "displayName": person.name,
                                "details": [
                                    { "name": "External ID", "values": [external(*number)] },
                                    { "name": "Tier", "values": [person.tier] },
                                ],
                                "associateOrganizations": { "organizationIds": [home] },
                            }),
                        )
                    })
                    .collect();
                let key = format!("people from {}", chunk[0].0);
                let body = json!({ "customerProfiles": items });
                (
                    self.site.submit(CUSTOMER_PROFILES, &key.replace(' ', "-"), &body),
                    chunk,
                )
            })
            .collect();
        for (task, chunk) in tasks {
            for (receipt, (number, person)) in self.done(&task).iter().zip(chunk) {
                assert_eq!(receipt["outcome"], "created", "{receipt}");
                let id = text(&receipt["entityId"]);
                self.people.insert(
                    *number,
                    Person {
                        id,
                        ..(*person).clone()
                    },
                );
            }
        }
        assert_eq!(self.people.len(), PEOPLE);
    }

    /// Some belong to a second organization, told from the organization's side, and some are entitled to a
    /// product themselves.
    fn associate_and_entitle(&mut self) {
        let wanted: Vec<usize> = (0..PEOPLE).step_by(20).collect();
        let ids: Vec<&String> = wanted.iter().map(|number| &self.people[number].id).collect();
        let body = json!({ "organizationProfiles": [item("UPDATE", &json!({
            "id": self.organizations[&1],
            "associateCustomers": { "customerIds": ids },
        }))] });
        let task = self.site.submit(PROFILES, "associate", &body);
        assert_eq!(each(&self.done(&task), "outcome"), ["updated"]);
        let gadgets: Vec<usize> = (0..PEOPLE).step_by(50).collect();
        let items: Vec<Value> = gadgets
            .iter()
            .map(|number| {
                let products = json!({ "productIds": [self.products["Gadget"]] });
                let email = self.people[number].email.to_uppercase();
                item(
                    "UPSERT",
                    &json!({ "email": email, "associateProducts": products }),
                )
            })
            .collect();
        let body = json!({ "customerProfiles": items });
        let task = self.site.submit(CUSTOMER_PROFILES, "entitle", &body);
        assert_eq!(each(&self.done(&task), "outcome"), vec!["updated"; gadgets.len()]);
        // The same once more changes nothing.
        let task = self.site.submit(CUSTOMER_PROFILES, "entitle-again", &body);
        assert_eq!(
            each(&self.done(&task), "outcome"),
            vec!["unchanged"; gadgets.len()]
        );
        for number in wanted {
            self.people.get_mut(&number).unwrap().organizations.insert(1);
        }
        for number in gadgets {
            self.people.get_mut(&number).unwrap().products.insert("Gadget");
        }
    }

    /// The ids of those who have all these values, page by page.
    fn search(&self, wanted: &[(&str, &str)]) -> Vec<String> {
        let fields: Vec<Value> = wanted
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let mut found = Vec::new();
        for page in 0.. {
            let path = format!("/customer/search-by-detail-field?maxResults=100&page={page}");
            let page = self.site.post(&path, &json!({ "detailFields": fields })).ok();
            let customers = page["customers"].as_array().unwrap();
            found.extend(customers.iter().map(|customer| text(&customer["id"])));
            if customers.len() < 100 {
                return found;
            }
        }
        unreachable!()
    }

    /// What a search must find: all of a tier, in the order that they were added.
    fn check_searches(&self) {
        for tier in TIERS {
            let wanted: Vec<&String> = self
                .people
                .values()
                .filter(|person| person.tier == tier)
                .map(|person| &person.id)
                .collect();
            let mut found = self.search(&[("tier", &tier.to_uppercase())]);
            let mut in_order: Vec<String> = wanted.into_iter().cloned().collect();
            // Tasks may run in any order; what they added is in the order of neither.
            found.sort();
            in_order.sort();
            assert_eq!(found, in_order, "{tier}");
        }
        for (number, person) in self.people.iter().step_by(97) {
            let (by_id, tier) = (external(*number).to_lowercase(), ("Tier", person.tier));
            assert_eq!(self.search(&[("External ID", &by_id)]), [person.id.as_str()]);
            assert_eq!(
                self.search(&[("External ID", &by_id), tier]),
                [person.id.as_str()]
            );
            let other = TIERS.iter().find(|tier| **tier != person.tier).unwrap();
            assert_eq!(self.search(&[("External ID", &by_id), ("Tier", other)]), [""; 0]);
        }
    }

    /// A wrong tier and wrong names are set right, each by the operation made for it.
    fn correct(&mut self) {
        let wrong: Vec<usize> = (0..PEOPLE).step_by(10).collect();
        let customers: Vec<Value> = wrong
            .iter()
            .map(|number| {
                let operations = [
                    item("UPDATE", &json!({ "name": "Tier", "values": ["Gold"] })),
                    item(
                        "PATCH",
                        &json!({ "name": "Seats", "values": [number.to_string()] }),
                    ),
                ];
                json!({ "customerId": self.people[number].id, "operations": operations })
            })
            .collect();
        let body = json!({ "customers": customers });
        let task = self.site.submit(CUSTOMER_DETAILS, "correct", &body);
        assert_eq!(each(&self.done(&task), "outcome"), vec!["updated"; wrong.len()]);
        let renamed: Vec<Value> = wrong[..50]
            .iter()
            .map(|number| {
                let payload = json!({ "customerId": self.people[number].id, "displayName": format!("Number {number}") });
                item("UPDATE", &payload)
            })
            .collect();
        let task = self
            .site
            .submit(CUSTOMERS, "rename", &json!({ "customers": renamed }));
        assert_eq!(each(&self.done(&task), "outcome"), ["updated"; 50]);
        for number in &wrong {
            self.people.get_mut(number).unwrap().tier = "Gold";
        }
        for number in &wrong[..50] {
            self.people.get_mut(number).unwrap().name = format!("Number {number}");
        }
    }

    /// Customers, an organization, a product and a field go, and all that hung on them.
    fn delete(&mut self) {
        let delete = |path: &str| {
            let gone = self.site.send(&self.site.request("DELETE", path));
            assert_eq!(gone.status, 204, "{path}: {}", gone.text());
            let again = self.site.send(&self.site.request("DELETE", path));
            again.refused(404);
        };
        for number in [0, 1, 2, 500] {
            delete(&format!("/customer/account/{}", self.people[&number].id));
        }
        delete(&format!("/organization/{}", self.organizations[&1]));
        delete(&format!("/product/{}", self.products["Gadget"]));
        delete("/customer/details/Seats");
        for number in [0, 1, 2, 500] {
            self.people.remove(&number);
        }
        self.organizations.remove(&1);
        self.products.remove("Gadget");
        for person in self.people.values_mut() {
            person.organizations.remove(&1);
            person.products.remove("Gadget");
        }
    }

    /// Compares all that the API says with all that the integration believes, from both sides of each link.
    fn reconcile(&self) {
        let people: Vec<(&usize, &Person)> = self.people.iter().collect();
        for page in people.chunks(25) {
            let ids: Vec<&String> = page.iter().map(|(_, person)| &person.id).collect();
            let asked = json!({ "customerIds": ids });
            let told = self.site.post("/customer/profile/fetch", &asked).ok();
            let profiles = told["profiles"].as_array().unwrap();
            assert_eq!(profiles.len(), page.len());
            for (profile, (number, person)) in profiles.iter().zip(page) {
                self.reconcile_person(profile, **number, person);
            }
        }
        for (number, id) in &self.organizations {
            let members = self.people.values();
            let wanted: BTreeSet<String> = members
                .filter(|person| person.organizations.contains(number))
                .map(|person| person.id.clone())
                .collect();
            let profile = self.site.profile(id);
            assert_eq!(texts(&profile["customers"], "id"), wanted, "{profile}");
            let listed = self.entitlements("ORGANIZATION", id);
            assert_eq!(listed, if number % 2 == 0 { vec!["Widget"] } else { vec![] });
        }
    }

    fn reconcile_person(&self, profile: &Value, number: usize, person: &Person) {
        assert_eq!(
            [&profile["id"], &profile["email"], &profile["displayName"]],
            [&person.id, &person.email, &person.name]
        );
        let details: BTreeMap<String, Value> = profile["details"]
            .as_array()
            .unwrap()
            .iter()
            .map(|detail| (text(&detail["name"]), detail["value"]["text"].clone()))
            .collect();
        assert_eq!(details["External ID"], json!([external(number)]));
        assert_eq!(details["Tier"], json!([person.tier]));
        let seats = self.has_seats() && number.is_multiple_of(10);
        assert_eq!(details.contains_key("Seats"), seats, "{profile}");
        let homes: BTreeSet<String> = person
            .organizations
            .iter()
            .map(|number| self.organizations[number].clone())
            .collect();
        assert_eq!(texts(&profile["organizations"], "id"), homes, "{profile}");
        // Its own, and one for each organization that is entitled.
        let inherited = person.organizations.iter().filter(|number| **number % 2 == 0);
        let mut wanted: Vec<&str> = person.products.iter().copied().collect();
        wanted.extend(inherited.map(|_| "Widget"));
        let told: Vec<String> = profile["entitlements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entitlement| text(&entitlement["product"]["name"]))
            .collect();
        assert_eq!(told, wanted, "{profile}");
        if number.is_multiple_of(100) {
            assert_eq!(self.entitlements("CUSTOMER", &person.id), wanted);
        }
    }

    /// Whether the field is still there.
    fn has_seats(&self) -> bool {
        let fields = self.site.get("/customer/details").ok();
        each(fields["results"].as_array().unwrap(), "name").contains(&"Seats")
    }

    /// The products of an entity's entitlements, read one by one.
    fn entitlements(&self, kind: &str, id: &str) -> Vec<String> {
        let mut products = Vec::new();
        loop {
            let path = format!(
                "/entitlements?entityType={kind}&entityId={id}&limit=1&start={}",
                products.len()
            );
            let page = self.site.get(&path).ok();
            let results = page["results"].as_array().unwrap();
            products.extend(
                results
                    .iter()
                    .map(|entitlement| text(&entitlement["product"]["name"])),
            );
            if page["isLast"] == true {
                return products;
            }
        }
    }
}

#[test]
fn from_the_first_field_to_the_last_count() {
    let world = World::new(&[]);
    let mut life = Life::begin(&world);
    life.load_organizations();
    life.load_people();
    life.associate_and_entitle();
    life.check_searches();
    life.correct();
    life.check_searches();
    life.reconcile();
    life.delete();
    life.check_searches();
    life.reconcile();
    // What is gone is found by nobody, and an email that was freed can be used again.
    let gone = json!({ "emails": ["person.0@example.com", "person.1@example.com"] });
    assert_eq!(
        life.site.post("/customer/profile/fetch", &gone).ok(),
        json!({ "profiles": [] })
    );
    life.site
        .post("/customer", &json!({ "email": "person.0@example.com" }))
        .ok();
    let failed = life
        .site
        .tasks()
        .iter()
        .filter(|task| task["outcomes"]["failed"] != json!(0))
        .count();
    assert_eq!(failed, 0);
}
