//! What clients ask for while servers die, and a model of what must become of it. The model knows
//! nothing of the server's code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{CUSTOMER_PROFILES, DETAILS, ORGANIZATIONS, PROFILES, item};

/// The options of the field `Tags`.
pub const TAGS: [&str; 4] = ["a", "b", "c", "d"];

/// What all clients share.
pub struct Common {
    pub product: String,
    pub customer: String,
    pub organization: String,
}

/// Chance that repeats (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn tags(&mut self) -> Vec<String> {
        let (first, count) = (self.below(TAGS.len()), 1 + self.below(3));
        (0..count)
            .map(|n| TAGS[(first + n) % TAGS.len()].to_owned())
            .collect()
    }
}

/// An organization as it must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organization {
    /// Known once the task that created it has ended.
    pub id: Option<String>,
    pub name: String,
    pub note: Option<String>,
    pub tags: Vec<String>,
    pub member: bool,
    pub entitled: bool,
}

/// A customer as it must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Customer {
    /// Known once the task that created it has ended.
    pub id: Option<String>,
    pub email: String,
    pub name: String,
    pub note: Option<String>,
    pub member: bool,
    pub entitled: bool,
}

/// What an item's receipt must say.
#[derive(Debug)]
pub struct Expected {
    outcome: &'static str,
    failures: usize,
    entity: Named,
}

impl Expected {
    /// An item that finds nothing, or something in its way.
    fn failed(words: String) -> Self {
        Self {
            outcome: "failed",
            failures: 1,
            entity: Named::Words(words),
        }
    }
}

#[derive(Debug)]
pub enum Named {
    /// By the id of this organization of the model.
    Organization(usize),
    /// By the id of this customer of the model.
    Customer(usize),
    /// By these words.
    Words(String),
}

/// What one client made. No other touches it.
#[derive(Default)]
pub struct Model {
    pub organizations: Vec<Organization>,
    pub customers: Vec<Customer>,
    by_name: BTreeMap<String, usize>,
}

impl Model {
    /// Some organization that exists; none when there is none yet.
    fn any(&self, dice: &mut Dice) -> Option<usize> {
        (!self.organizations.is_empty()).then(|| dice.below(self.organizations.len()))
    }

    fn add(&mut self, name: &str) -> usize {
        let organization = Organization {
            name: name.to_owned(),
            ..Organization::default()
        };
        self.organizations.push(organization);
        self.by_name.insert(name.to_owned(), self.organizations.len() - 1);
        self.organizations.len() - 1
    }

    /// An item that manages a profile (or an organization: then it has no details) and what must
    /// become of it. `new` is a name that nobody has.
    fn manage(&mut self, dice: &mut Dice, common: &Common, new: &str, bare: bool) -> (Value, Expected) {
        let operation = ["CREATE", "UPSERT", "UPDATE"][dice.below(3)];
        let old = self.any(dice).filter(|_| dice.below(3) > 0);
        let mut payload = json!({});
        let mut expected = Expected {
            outcome: "unchanged",
            failures: 0,
            entity: Named::Words(String::new()),
        };
        let mut changed = false;
        let target = match old {
            // By its id, with a new name: a rename.
            Some(old)
                if operation != "CREATE" && dice.below(3) == 0 && self.organizations[old].id.is_some() =>
            {
                payload["id"] = self.organizations[old].id.clone().into();
                payload["name"] = new.into();
                let name = std::mem::replace(&mut self.organizations[old].name, new.to_owned());
                self.by_name.remove(&name);
                self.by_name.insert(new.to_owned(), old);
                changed = true;
                old
            }
            Some(old) => {
                payload["name"] = self.organizations[old].name.to_uppercase().into();
                if operation == "CREATE" {
                    expected.entity = Named::Words(self.organizations[old].name.to_uppercase());
                    (expected.outcome, expected.failures) = ("failed", 1);
                    return (item(operation, &payload), expected);
                }
                old
            }
            None => {
                payload["name"] = new.into();
                if operation == "UPDATE" {
                    expected.entity = Named::Words(new.to_owned());
                    (expected.outcome, expected.failures) = ("failed", 1);
                    return (item(operation, &payload), expected);
                }
                expected.outcome = "created";
                self.add(new)
            }
        };
        expected.entity = Named::Organization(target);
        if !bare {
            changed |= self.furnish(dice, common, target, &mut payload, new);
            if dice.below(6) == 0 {
                let details = payload["details"].as_array().cloned().unwrap_or_default();
                let bad = json!({ "name": "Nowhere", "values": ["x"] });
                payload["details"] = [vec![bad], details].concat().into();
                expected.failures = 1;
            }
        }
        if expected.outcome != "created" {
            expected.outcome = match (changed, expected.failures) {
                (true, _) => "updated",
                (false, 0) => "unchanged",
                (false, _) => "failed",
            };
        }
        (item(operation, &payload), expected)
    }

    /// Values, a customer and a product for a profile; whether that changes anything.
    fn furnish(
        &mut self,
        dice: &mut Dice,
        common: &Common,
        target: usize,
        payload: &mut Value,
        mark: &str,
    ) -> bool {
        let organization = &mut self.organizations[target];
        let before = organization.clone();
        let mut details = Vec::new();
        if dice.below(3) > 0 {
            details.push(json!({ "name": "Note", "values": [mark] }));
            organization.note = Some(mark.to_owned());
        }
        if dice.below(3) == 0 {
            organization.tags = dice.tags();
            details.push(json!({ "name": "Tags", "values": organization.tags }));
        }
        if !details.is_empty() {
            payload["details"] = details.into();
        }
        if dice.below(4) == 0 {
            payload["associateProducts"] = json!({ "productIds": [common.product] });
            organization.entitled = true;
        }
        if dice.below(4) == 0 {
            payload["associateCustomers"] = json!({ "customerIds": [common.customer] });
            organization.member = true;
        }
        *organization != before
    }

    /// An item that changes values of an organization, by id.
    fn edit(&mut self, dice: &mut Dice, mark: &str) -> Option<(Value, Expected)> {
        let target = self.any(dice)?;
        let organization = &mut self.organizations[target];
        let id = organization.id.clone()?;
        let (before, mut failures) = (organization.clone(), 0);
        let mut operations = Vec::new();
        for number in 0..=dice.below(4) {
            let operation = ["UPDATE", "PATCH", "DELETE"][dice.below(3)];
            let payload = match dice.below(5) {
                0 => {
                    failures += 1;
                    json!({ "name": "Nowhere", "values": ["x"] })
                }
                1 | 2 => {
                    let note = format!("{mark} {number}");
                    organization.note = (operation != "DELETE").then(|| note.clone());
                    json!({ "name": "Note", "values": [note] })
                }
                _ => {
                    let tags = dice.tags();
                    let present = &mut organization.tags;
                    match operation {
                        "UPDATE" => present.clone_from(&tags),
                        "PATCH" => {
                            for tag in &tags {
                                if !present.contains(tag) {
                                    present.push(tag.clone());
                                }
                            }
                        }
                        _ => present.retain(|tag| !tags.contains(tag)),
                    }
                    json!({ "name": "Tags", "values": tags })
                }
            };
            operations.push(item(operation, &payload));
        }
        let outcome = match (*organization != before, failures) {
            (true, _) => "updated",
            (false, 0) => "unchanged",
            (false, _) => "failed",
        };
        let expected = Expected {
            outcome,
            failures,
            entity: Named::Organization(target),
        };
        Some((json!({ "id": id, "operations": operations }), expected))
    }

    /// An item that manages a customer's profile. `new` is a mark that nobody has.
    fn manage_customer(&mut self, dice: &mut Dice, common: &Common, new: &str) -> (Value, Expected) {
        let operation = ["CREATE", "UPSERT", "UPDATE"][dice.below(3)];
        let old = (!self.customers.is_empty() && dice.below(3) > 0).then(|| dice.below(self.customers.len()));
        let email = format!("{}@example.com", new.replace(' ', "-"));
        let mut payload = json!({});
        let (target, created) = match old {
            Some(old) if operation == "CREATE" => {
                let taken = self.customers[old].email.to_uppercase();
                payload["email"] = taken.clone().into();
                return (item(operation, &payload), Expected::failed(taken));
            }
            Some(old) => {
                match (&self.customers[old].id, dice.below(2)) {
                    (Some(id), 0) => payload["customerId"] = id.clone().into(),
                    _ => payload["email"] = self.customers[old].email.to_uppercase().into(),
                }
                (old, false)
            }
            None => {
                payload["email"] = email.clone().into();
                if operation == "UPDATE" {
                    return (item(operation, &payload), Expected::failed(email));
                }
                let name = email.trim_end_matches("@example.com").to_owned();
                self.customers.push(Customer {
                    email,
                    name,
                    ..Customer::default()
                });
                (self.customers.len() - 1, true)
            }
        };
        let customer = &mut self.customers[target];
        let before = customer.clone();
        if dice.below(3) == 0 {
            payload["displayName"] = new.into();
            customer.name = new.to_owned();
        }
        if dice.below(2) == 0 {
            payload["details"] = json!([{ "name": "Note", "values": [new] }]);
            customer.note = Some(new.to_owned());
        }
        if dice.below(4) == 0 {
            payload["associateProducts"] = json!({ "productIds": [common.product] });
            customer.entitled = true;
        }
        if dice.below(4) == 0 {
            payload["associateOrganizations"] = json!({ "organizationIds": [common.organization] });
            customer.member = true;
        }
        let outcome = match (created, *customer != before) {
            (true, _) => "created",
            (false, true) => "updated",
            (false, false) => "unchanged",
        };
        let expected = Expected {
            outcome,
            failures: 0,
            entity: Named::Customer(target),
        };
        (item(operation, &payload), expected)
    }

    /// A task, and what must become of each of its items.
    pub fn task(
        &mut self,
        dice: &mut Dice,
        common: &Common,
        key: &str,
    ) -> (&'static str, Value, Vec<Expected>) {
        // Many small ones, some as large as they may be.
        let count = |dice: &mut Dice, max: usize| match dice.below(3) {
            0 => 1 + dice.below(3),
            1 => 1 + dice.below(max),
            _ => max,
        };
        let kind = dice.below(4);
        if kind == 3 {
            let items =
                (0..count(dice, 100)).map(|n| self.manage_customer(dice, common, &format!("{key} {n}")));
            let (items, expected): (Vec<Value>, Vec<Expected>) = items.unzip();
            return (CUSTOMER_PROFILES, json!({ "customerProfiles": items }), expected);
        }
        let edits: Vec<_> = match kind {
            0 => (0..count(dice, 60))
                .filter_map(|n| self.edit(dice, &format!("{key} {n}")))
                .collect(),
            _ => Vec::new(),
        };
        let (path, member, items) = if edits.is_empty() {
            let (path, member, max, bare) = match kind {
                1 => (ORGANIZATIONS, "organizations", 50, true),
                _ => (PROFILES, "organizationProfiles", 100, false),
            };
            let items = (0..count(dice, max))
                .map(|n| self.manage(dice, common, &format!("{key} {n}"), bare))
                .collect();
            (path, member, items)
        } else {
            (DETAILS, "organizations", edits)
        };
        let (items, expected): (Vec<Value>, Vec<Expected>) = items.into_iter().unzip();
        (path, json!({ member: items }), expected)
    }

    /// Compares the receipts with what was expected, and learns the ids of what was created.
    pub fn settle(&mut self, task: &Value, receipts: &[Value], expected: &[Expected]) {
        assert_eq!(receipts.len(), expected.len(), "{task}");
        let mut failures = Vec::new();
        for ((receipt, expected), index) in receipts.iter().zip(expected).zip(0..) {
            let failed = receipt["failures"].as_array().unwrap();
            let said = (&receipt["index"], &receipt["outcome"], failed.len());
            let wanted = (&json!(index), &json!(expected.outcome), expected.failures);
            assert_eq!(said, wanted, "{receipt}\n{expected:?}\n{task}");
            let entity = receipt["entityId"].as_str().unwrap();
            match &expected.entity {
                Named::Words(words) => assert_eq!(entity, words),
                Named::Organization(target) => {
                    learn(&mut self.organizations[*target].id, entity, receipt);
                }
                Named::Customer(target) => learn(&mut self.customers[*target].id, entity, receipt),
            }
            for failure in failed {
                let error = failure["error"].as_str().unwrap();
                assert!(
                    !["POISON", "INTERNAL", "TIMED_OUT"]
                        .iter()
                        .any(|word| error.contains(word)),
                    "{receipt}"
                );
                failures.push(failure.clone());
            }
        }
        assert_eq!(task["failures"], json!(failures));
    }
}

/// An id stays what it was when it was first told.
fn learn(known: &mut Option<String>, entity: &str, receipt: &Value) {
    let known = known.get_or_insert_with(|| entity.to_owned());
    assert_eq!(entity, known, "{receipt}");
}
