//! The law of bulk, without I/O: a chunk of items leaves the same state and the same receipts as its
//! items sent one by one. The facts of each side are loaded from a small model of the state by
//! exactly what [`Need`] asks for, so a fact that is not asked for is missed here too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::facts::{Change, Facts, Need};
use super::{DetailEdit, DetailsItem, Edit, FieldValues, Item, Manage, ManageItem};
use crate::entity::Organization;
use crate::field::{Definition, Definitions, FieldType, PhoneFormat, Values};
use crate::id::{FieldId, OrganizationId};
use crate::task::{Receipt, TaskType};
use crate::text;

const CUSTOMERS: [&str; 2] = ["qm:a", "qm:b"];
const PRODUCTS: [&str; 2] = ["p-1", "p-2"];

/// The state, as a store would keep it.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    organizations: BTreeMap<i64, Organization>,
    spent: BTreeSet<i64>,
    members: Vec<(OrganizationId, i64)>,
    entitled: Vec<(OrganizationId, i64)>,
    next_id: i64,
}

impl World {
    fn facts(&self, need: &Need) -> Facts {
        let mut facts = Facts {
            definitions: definitions(),
            phone: PhoneFormat::Lenient,
            ..Facts::default()
        };
        for organization in self.organizations.values() {
            if need.organization_ids.contains(&organization.id.0)
                || need.organization_keys.contains(&organization.name_key)
            {
                facts.know(organization.clone());
            }
        }
        let asked = |id: &&i64| need.organization_ids.contains(id);
        facts.spent = self
            .spent
            .iter()
            .filter(asked)
            .map(|id| OrganizationId(*id))
            .collect();
        for (index, id) in CUSTOMERS
            .iter()
            .enumerate()
            .filter(|(_, id)| need.customer_ids.contains(**id))
        {
            facts.customers.insert((*id).to_owned(), index as i64);
        }
        for (index, id) in PRODUCTS
            .iter()
            .enumerate()
            .filter(|(_, id)| need.product_ids.contains(**id))
        {
            facts.products.insert((*id).to_owned(), index as i64);
        }
        let known: BTreeSet<OrganizationId> = facts.organization_ids().collect();
        facts.members = self
            .members
            .iter()
            .filter(|(id, _)| known.contains(id))
            .copied()
            .collect();
        facts.entitled = self
            .entitled
            .iter()
            .filter(|(id, _)| known.contains(id))
            .copied()
            .collect();
        let used = |id: &i64| self.organizations.contains_key(id) || self.spent.contains(id);
        facts.free_ids = (self.next_id..)
            .filter(|id| !used(id))
            .take(need.creations)
            .map(OrganizationId)
            .collect();
        facts.next_id = facts.free_ids.back().map_or(self.next_id, |id| id.0 + 1);
        facts
    }

    fn store(&mut self, change: &Change) {
        match change {
            Change::Create(organization) => {
                assert!(
                    self.by_key(&organization.name_key).is_none(),
                    "the unique index of names"
                );
                assert!(
                    !self.spent.contains(&organization.id.0),
                    "an id is never used twice"
                );
                let before = self.organizations.insert(organization.id.0, organization.clone());
                assert!(before.is_none(), "the unique index of ids");
            }
            Change::SpendId(id) => self.next_id = self.next_id.max(id.0 + 1),
            Change::Rename { id, name, key } => {
                assert!(
                    self.by_key(key).is_none_or(|other| other == *id),
                    "the unique index of names"
                );
                let organization = self.organizations.get_mut(&id.0).expect("it exists");
                (organization.name, organization.name_key) = (name.clone(), key.clone());
            }
            Change::PutDetails { id, old, new } => {
                let organization = self.organizations.get_mut(&id.0).expect("it exists");
                assert_eq!(&organization.details, old);
                organization.details = new.clone();
            }
            Change::AddMember {
                organization,
                customer,
            } => self.members.push((*organization, *customer)),
            Change::AddEntitlement {
                organization,
                product,
            } => self.entitled.push((*organization, *product)),
        }
    }

    fn by_key(&self, key: &str) -> Option<OrganizationId> {
        self.organizations
            .values()
            .find(|o| o.name_key == key)
            .map(|o| o.id)
    }

    /// Runs items in chunks of this size.
    fn run(&mut self, items: &[Item], chunk: usize) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for items in items.chunks(chunk) {
            let mut facts = self.facts(&Need::of(items));
            let decisions: Vec<_> = items
                .iter()
                .map(|item| facts.decide(TaskType::OrganizationProfiles, item))
                .collect();
            for change in decisions.iter().flat_map(|decision| &decision.changes) {
                self.store(change);
                if let Change::Create(organization) = change {
                    self.next_id = self.next_id.max(organization.id.0 + 1);
                }
            }
            receipts.extend(decisions.into_iter().map(|decision| decision.receipt));
        }
        receipts
    }
}

fn definitions() -> Arc<Definitions> {
    let define = |id, name: &str, field_type, options: &[&str]| Definition {
        id: FieldId(id),
        name: name.to_owned(),
        key: text::key(name),
        field_type,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        position: id,
    };
    Arc::new(Definitions::new(vec![
        define(1, "Region", FieldType::Select, &["EU", "US"]),
        define(2, "Tags", FieldType::MultiSelect, &["x", "y", "z"]),
        define(3, "Note", FieldType::Text, &[]),
    ]))
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["Acme", "ACME ", "Globex", "Initech", "Straße", "STRASSE"]).prop_map(Into::into)
}

fn ids() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["1", "2", "3", "5", "7", "9", "x", "007"]).prop_map(Into::into)
}

fn values() -> impl Strategy<Value = Vec<String>> {
    let value = prop::sample::select(vec!["EU", "US", "eu", "x", "y", "z", ""]).prop_map(str::to_owned);
    prop::collection::vec(value, 0..3)
}

fn field_names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["Region", "tags", "Note", "Nothing"]).prop_map(Into::into)
}

fn manage() -> impl Strategy<Value = Item> {
    let operation = prop::sample::select(vec![
        Manage::Create,
        Manage::Update,
        Manage::Upsert,
        Manage::Upsert,
    ]);
    let details = prop::collection::vec((field_names(), values()), 0..3);
    let customers = prop::collection::vec(prop::sample::select(vec!["qm:a", "qm:b", "qm:no"]), 0..3);
    let products = prop::collection::vec(prop::sample::select(vec!["p-1", "P-2", "p-no"]), 0..3);
    let parts = (
        operation,
        prop::option::of(ids()),
        prop::option::of(names()),
        details,
        customers,
        products,
    );
    parts.prop_filter_map(
        "the form is checked before",
        |(operation, id, name, details, customers, products)| {
            let details = details
                .into_iter()
                .map(|(name, values)| FieldValues { name, values })
                .collect();
            let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
            let (customer_ids, product_ids) = (owned(customers), owned(products));
            let item = ManageItem {
                operation,
                id,
                name,
                details,
                customer_ids,
                product_ids,
            };
            item.check().ok().map(Item::Manage)
        },
    )
}

fn details() -> impl Strategy<Value = Item> {
    let operation = prop::sample::select(vec![Edit::Update, Edit::Patch, Edit::Delete]);
    let edit = (operation, field_names(), prop::option::of(values()));
    let edits = prop::collection::vec(edit, 1..4);
    (ids(), edits).prop_filter_map("the form is checked before", |(id, edits)| {
        let edit = |(operation, name, values)| DetailEdit {
            operation,
            name,
            values,
        };
        let item = DetailsItem {
            id,
            operations: edits.into_iter().map(edit).collect(),
        };
        item.check().ok().map(Item::Details)
    })
}

fn items(max: usize) -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(prop_oneof![3 => manage(), 1 => details()], 1..max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn bulk_is_its_items_one_by_one(before in items(8), spent in 1..4_i64, batch in items(16), chunk in 2..16_usize) {
        // An id that an organization had is below the counter, always.
        let mut world = World { next_id: spent + 1, ..World::default() };
        world.spent.insert(spent);
        world.run(&before, 1);
        let (mut singles, mut chunks) = (world.clone(), world);
        let expected = singles.run(&batch, 1);
        let found = chunks.run(&batch, chunk);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(chunks, singles);
    }

    /// Sending everything again changes nothing that the first time did not leave open.
    #[test]
    fn upserts_converge(batch in items(10)) {
        let upserts: Vec<Item> = batch
            .into_iter()
            .filter(|item| matches!(item, Item::Manage(ManageItem { operation: Manage::Upsert, id: None, .. })))
            .collect();
        let mut world = World { next_id: 1, ..World::default() };
        world.run(&upserts, 4);
        let once = world.organizations.keys().copied().collect::<Vec<_>>();
        world.run(&upserts, 4);
        prop_assert_eq!(world.organizations.keys().copied().collect::<Vec<_>>(), once);
    }
}

fn item(operation: Manage, id: Option<&str>, name: Option<&str>) -> ManageItem {
    ManageItem {
        operation,
        id: id.map(Into::into),
        name: name.map(Into::into),
        details: Vec::new(),
        customer_ids: Vec::new(),
        product_ids: Vec::new(),
    }
}

/// `id/name -> outcome` of each item, over a state with organizations 1 Acme and 2 Globex, and 3 spent.
fn outcomes(items: Vec<ManageItem>) -> Vec<String> {
    let mut world = World {
        next_id: 1,
        ..World::default()
    };
    let start = ["Acme", "Globex"].map(|name| Item::Manage(item(Manage::Create, None, Some(name))));
    world.run(&start, 2);
    world.spent.insert(3);
    world.next_id = 4;
    let items: Vec<Item> = items.into_iter().map(Item::Manage).collect();
    let show = |receipt: Receipt| {
        let failed = receipt.failures.len();
        format!("{} {} {failed}", receipt.entity_id, receipt.outcome.name())
    };
    world.run(&items, 100).into_iter().map(show).collect()
}

#[test]
fn ids_that_are_wished_for() {
    use Manage::{Create, Upsert};
    let found = outcomes(vec![
        item(Create, Some("9"), Some("A")),
        item(Create, Some("9"), Some("B")),
        item(Create, Some("3"), Some("C")),
        item(Create, Some("007"), Some("D")),
        item(Upsert, Some("8"), Some("E")),
        item(Upsert, Some("8"), None),
        item(Upsert, Some("77"), None),
    ]);
    // 9 is free; then it is taken; 3 was another's once; 007 is no id; 8 is free and then known.
    assert_eq!(
        found,
        [
            "9 created 0",
            "10 created 0",
            "11 created 0",
            "12 created 0",
            "8 created 0",
            "8 unchanged 0",
            "77 failed 1"
        ]
    );
}

#[test]
fn names_that_are_taken() {
    use Manage::{Create, Update, Upsert};
    let found = outcomes(vec![
        item(Create, None, Some("acme")),
        item(Update, Some("1"), Some("Globex")),
        item(Update, Some("1"), Some("ACME")),
        item(Upsert, Some("50"), Some("Globex")),
        item(Update, None, Some("Nobody")),
        item(Update, Some("1"), Some("Initech")),
        item(Create, None, Some("Acme")),
    ]);
    assert_eq!(
        found,
        [
            "acme failed 1",
            "1 failed 1",
            "1 updated 0",
            "Globex failed 1",
            "Nobody failed 1",
            "1 updated 0",
            "4 created 0",
        ]
    );
}

#[test]
fn the_parts_of_an_item_fail_alone() {
    let mut upsert = item(Manage::Upsert, None, Some("New"));
    upsert.details = vec![
        FieldValues {
            name: "Region".into(),
            values: vec!["EU".into()],
        },
        FieldValues {
            name: "Nothing".into(),
            values: vec!["EU".into()],
        },
    ];
    upsert.customer_ids = vec!["qm:a".into(), "qm:no".into(), "qm:a".into()];
    upsert.product_ids = vec!["p-1".into(), "p-no".into()];
    let mut world = World {
        next_id: 1,
        ..World::default()
    };
    let receipts = world.run(&[Item::Manage(upsert)], 1);
    let failures: Vec<_> = receipts[0]
        .failures
        .iter()
        .map(|f| (f.operated_on.name(), f.operated_on_ids.join(",")))
        .collect();
    assert_eq!(
        failures,
        [
            ("DETAIL_FIELD", "Nothing".into()),
            ("MEMBERSHIP", "qm:no".into()),
            ("ENTITLEMENT", "p-no".to_owned()),
        ]
    );
    assert_eq!(receipts[0].outcome.name(), "created");
    assert_eq!((world.members.len(), world.entitled.len()), (1, 1));
}

#[test]
fn edits_of_several_values() {
    let edit = |operation, name: &str, values: Option<&[&str]>| DetailEdit {
        operation,
        name: name.into(),
        values: values.map(|values| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let mut world = World {
        next_id: 1,
        ..World::default()
    };
    world.run(&[Item::Manage(item(Manage::Create, None, Some("Acme")))], 1);
    let mut run = |edits: Vec<DetailEdit>| {
        let receipts = world.run(
            &[Item::Details(DetailsItem {
                id: "1".into(),
                operations: edits,
            })],
            1,
        );
        let values: Values = world.organizations[&1].details.clone();
        (
            receipts[0].outcome.name(),
            values.get(FieldId(2)).join(","),
            receipts[0].failures.len(),
        )
    };
    assert_eq!(
        run(vec![edit(Edit::Update, "Tags", Some(&["y", "x"]))]),
        ("updated", "y,x".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Patch, "Tags", Some(&["z", "x"]))]),
        ("updated", "y,x,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Patch, "Tags", Some(&[]))]),
        ("unchanged", "y,x,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Delete, "Tags", Some(&["x", "no"]))]),
        ("updated", "y,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Update, "Tags", Some(&["no"]))]),
        ("failed", "y,z".into(), 1)
    );
    assert_eq!(
        run(vec![edit(Edit::Delete, "Tags", None)]),
        ("updated", String::new(), 0)
    );
    // One goes wrong between two that go well.
    let found = run(vec![
        edit(Edit::Update, "Tags", Some(&["x"])),
        edit(Edit::Update, "Nothing", Some(&["x"])),
        edit(Edit::Patch, "Tags", Some(&["y"])),
    ]);
    assert_eq!(found, ("updated", "x,y".into(), 1));
}
