//! The law of bulk, without I/O: a chunk of items leaves the same state and the same receipts as its
//! items sent one by one. The facts of each side are loaded from a small model of the state by
//! exactly what [`Need`] asks for, so a fact that is not asked for is missed here too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::facts::{Change, Facts, Need};
use super::{Checked, Decision, DetailEdit, DetailsItem, Edit, FieldValues, Item, Manage, ManageItem};
use crate::entity::Entity;
use crate::field::{Definition, Definitions, FieldType, PhoneFormat};
use crate::id::{FieldId, OrganizationId};
use crate::subject::{Subject, SubjectKind};
use crate::task::{Receipt, TaskType};
use crate::text;

const KINDS: [SubjectKind; 2] = [SubjectKind::Organization, SubjectKind::Customer];
const PRODUCTS: [&str; 2] = ["p-1", "p-2"];

/// What exists to be associated with a kind.
fn associated(kind: SubjectKind) -> [(&'static str, i64); 2] {
    match kind {
        SubjectKind::Organization => [("qm:a", 0), ("qm:b", 1)],
        SubjectKind::Customer => [("71", 71), ("72", 72)],
    }
}

/// The state, as a store would keep it: subjects of one kind, by their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    kind: SubjectKind,
    pub(super) subjects: BTreeMap<i64, Subject>,
    pub(super) spent: BTreeSet<i64>,
    pub(super) members: Vec<(OrganizationId, i64)>,
    pub(super) entitled: Vec<(Entity, i64)>,
    pub(super) next_id: i64,
}

fn number(entity: Entity) -> i64 {
    match entity {
        Entity::Organization(id) => id.0,
        Entity::Customer(number) => number,
    }
}

impl World {
    pub(super) fn new(kind: SubjectKind, next_id: i64) -> Self {
        Self {
            kind,
            next_id,
            ..Self::default()
        }
    }

    fn facts(&self, need: &Need) -> Facts {
        assert_eq!(need.kind, self.kind);
        let mut facts = Facts {
            definitions: definitions(),
            phone: PhoneFormat::Lenient,
            ..Facts::default()
        };
        for subject in self.subjects.values() {
            if need.ids.contains(&subject.id()) || need.keys.contains(subject.key()) {
                facts.know(subject.clone());
            }
        }
        facts.spent = self
            .spent
            .iter()
            .filter(|id| need.ids.contains(&id.to_string()))
            .map(|id| OrganizationId(*id))
            .collect();
        for (id, number) in associated(self.kind) {
            if need.associated_ids.contains(id) {
                facts.associated.insert(id.to_owned(), number);
            }
        }
        for (index, id) in PRODUCTS.iter().enumerate() {
            if need.product_ids.contains(*id) {
                facts.products.insert((*id).to_owned(), index as i64);
            }
        }
        let known: Vec<Entity> = facts.entities().collect();
        let is_known = |organization: OrganizationId, customer: i64| {
            known.contains(&Entity::Organization(organization)) || known.contains(&Entity::Customer(customer))
        };
        facts.members = self
            .members
            .iter()
            .copied()
            .filter(|(o, c)| is_known(*o, *c))
            .collect();
        facts.entitled = self
            .entitled
            .iter()
            .filter(|(entity, _)| known.contains(entity))
            .copied()
            .collect();
        let used = |id: &i64| self.subjects.contains_key(id) || self.spent.contains(id);
        let free = (self.next_id..).filter(|id| !used(id)).take(need.creations);
        match self.kind {
            SubjectKind::Organization => {
                facts.free_ids = free.map(OrganizationId).collect();
                facts.next_id = facts.free_ids.back().map_or(self.next_id, |id| id.0 + 1);
            }
            SubjectKind::Customer => {
                facts.new_customers = free.map(|number| (number, format!("qm:{number}"))).collect();
            }
        }
        facts
    }

    fn store(&mut self, change: &Change) {
        match change {
            Change::Create(subject) => {
                assert_eq!(subject.kind(), self.kind);
                assert!(
                    self.by_key(subject.key()).is_none(),
                    "the unique index of handles"
                );
                let number = number(subject.entity());
                assert!(!self.spent.contains(&number), "an id is never used twice");
                let before = self.subjects.insert(number, subject.clone());
                assert!(before.is_none(), "the unique index of ids");
                self.next_id = self.next_id.max(number + 1);
            }
            Change::SpendId(id) => self.next_id = self.next_id.max(id.0 + 1),
            Change::Rename { entity, name } => {
                let subject = self.subjects.get_mut(&number(*entity)).expect("it exists");
                subject.rename(name);
                let key = subject.key().to_owned();
                let holders = self.subjects.values().filter(|subject| subject.key() == key);
                assert_eq!(holders.count(), 1, "the unique index of handles");
            }
            Change::PutDetails { entity, old, new } => {
                let subject = self.subjects.get_mut(&number(*entity)).expect("it exists");
                assert_eq!(subject.details(), old);
                *subject.details_mut() = new.clone();
            }
            Change::AddMember {
                organization,
                customer,
            } => self.members.push((*organization, *customer)),
            Change::AddEntitlement { entity, product } => self.entitled.push((*entity, *product)),
        }
    }

    fn by_key(&self, key: &str) -> Option<&Subject> {
        self.subjects.values().find(|subject| subject.key() == key)
    }

    /// Runs items in chunks of this size. What can be is checked before, but for items that are alone.
    pub(super) fn run(&mut self, items: &[Item], chunk: usize) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for items in items.chunks(chunk) {
            let decisions = self.decide(items, chunk > 1);
            self.store_all(&decisions);
            receipts.extend(decisions.into_iter().map(|decision| decision.receipt));
        }
        receipts
    }

    /// What a chunk comes to.
    fn decide(&self, items: &[Item], checked_before: bool) -> Vec<Decision> {
        let mut facts = self.facts(&Need::of(self.kind, items));
        let task_type = match self.kind {
            SubjectKind::Organization => TaskType::OrganizationProfiles,
            SubjectKind::Customer => TaskType::CustomerProfiles,
        };
        let checked = |item: &Item| match checked_before {
            false => Checked::default(),
            true => Checked::of(item, &facts.definitions, facts.phone),
        };
        let checked: Vec<Checked> = items.iter().map(checked).collect();
        let each = items.iter().zip(&checked);
        each.map(|(item, checked)| facts.decide(task_type, item, checked))
            .collect()
    }

    fn store_all(&mut self, decisions: &[Decision]) {
        for change in decisions.iter().flat_map(|decision| &decision.changes) {
            self.store(change);
        }
    }

    /// The subjects that a chunk finds, and holds until it is stored.
    fn found(&self, need: &Need) -> BTreeSet<i64> {
        self.facts(need).entities().map(number).collect()
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
        define(2, "Tags", FieldType::MultiSelect, &["x", "y", "z", "é"]),
        define(3, "Note", FieldType::Text, &[]),
    ]))
}

fn handles(kind: SubjectKind) -> impl Strategy<Value = String> {
    let all = match kind {
        SubjectKind::Organization => vec!["Acme", "ACME ", "Globex", "Initech", "Straße", "STRASSE"],
        SubjectKind::Customer => vec![
            "ann@a.example",
            " ANN@a.example",
            "bob@a.example",
            "eve@a.example",
            "straße@a.example",
            "STRASSE@a.example",
        ],
    };
    prop::sample::select(all).prop_map(Into::into)
}

fn ids(kind: SubjectKind) -> impl Strategy<Value = String> {
    let all = match kind {
        SubjectKind::Organization => vec!["1", "2", "3", "5", "7", "9", "x", "007"],
        SubjectKind::Customer => vec!["qm:1", "qm:2", "qm:3", "qm:5", "qm:9", "QM:1", "1"],
    };
    prop::sample::select(all).prop_map(Into::into)
}

fn values() -> impl Strategy<Value = Vec<String>> {
    let value = prop::sample::select(vec!["EU", "US", "eu", "x", "y", "z", ""]).prop_map(str::to_owned);
    prop::collection::vec(value, 0..3)
}

fn field_names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["Region", "tags", "Note", "Nothing"]).prop_map(Into::into)
}

fn manage(kind: SubjectKind) -> impl Strategy<Value = Item> {
    let operation = prop::sample::select(vec![
        Manage::Create,
        Manage::Update,
        Manage::Upsert,
        Manage::Upsert,
    ]);
    let details = prop::collection::vec((field_names(), values()), 0..3);
    let shown = match kind {
        SubjectKind::Organization => Vec::new(),
        SubjectKind::Customer => vec!["Ann", "ann", "Bob"],
    };
    let shown = match shown.is_empty() {
        true => Just(None).boxed(),
        false => prop::option::of(prop::sample::select(shown)).boxed(),
    };
    let [(one, _), (two, _)] = associated(kind);
    let links = prop::collection::vec(prop::sample::select(vec![one, two, "no"]), 0..3);
    let products = prop::collection::vec(prop::sample::select(vec!["p-1", "P-2", "p-no"]), 0..3);
    let parts = (
        operation,
        prop::option::of(ids(kind)),
        prop::option::of(handles(kind)),
        shown,
        details,
        links,
        products,
    );
    parts.prop_filter_map(
        "the form is checked before",
        move |(operation, id, handle, shown, details, links, products)| {
            let details = details
                .into_iter()
                .map(|(name, values)| FieldValues {
                    name,
                    values: values.into(),
                })
                .collect();
            let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
            let item = ManageItem {
                operation,
                id,
                handle,
                display_name: shown.map(str::to_owned),
                details,
                associated_ids: owned(links),
                product_ids: owned(products),
            };
            item.check(kind).ok().map(Item::Manage)
        },
    )
}

fn details(kind: SubjectKind) -> impl Strategy<Value = Item> {
    let operation = prop::sample::select(vec![Edit::Update, Edit::Patch, Edit::Delete]);
    let edit = (operation, field_names(), prop::option::of(values()));
    let edits = prop::collection::vec(edit, 1..4);
    (ids(kind), edits).prop_filter_map("the form is checked before", move |(id, edits)| {
        let edit = |(operation, name, values)| DetailEdit {
            operation,
            name,
            values,
        };
        let item = DetailsItem {
            id,
            operations: edits.into_iter().map(edit).collect(),
        };
        item.check(kind).ok().map(Item::Details)
    })
}

fn items(kind: SubjectKind, max: usize) -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(prop_oneof![3 => manage(kind), 1 => details(kind)], 1..max)
}

/// A kind, what comes before, and two chunks, most of them of the kinds that may be independent: nobody is named by an id,
/// or nobody is created.
fn pairs() -> impl Strategy<Value = (SubjectKind, Vec<Item>, Vec<Item>, Vec<Item>)> {
    let of_kind = |kind| {
        let named = || {
            manage(kind).prop_filter(
                "no ids",
                |item| matches!(item, Item::Manage(item) if item.id.is_none()),
            )
        };
        let there = || {
            prop_oneof![manage(kind), details(kind)].prop_filter("no creations", |item| match item {
                Item::Manage(item) => item.operation == Manage::Update,
                Item::Details(_) | Item::Definition(_) => true,
            })
        };
        let chunk = || prop::collection::vec(named(), 1..4);
        let other = || prop::collection::vec(there(), 1..4);
        let pair = prop_oneof![
            4 => (chunk(), chunk()),
            4 => (other(), other()),
            1 => (items(kind, 4), items(kind, 4)),
        ];
        (Just(kind), items(kind, 8), pair)
    };
    prop::sample::select(KINDS.to_vec())
        .prop_flat_map(of_kind)
        .prop_map(|(kind, before, (first, second))| (kind, before, first, second))
}

/// A kind, and two requests about it.
fn requests(max: usize) -> impl Strategy<Value = (SubjectKind, Vec<Item>, Vec<Item>)> {
    prop::sample::select(KINDS.to_vec())
        .prop_flat_map(move |kind| (Just(kind), items(kind, 8), items(kind, max)))
}

proptest! {
    // Forms are filtered, some ten of them a case, and there may be more cases.
    #![proptest_config(ProptestConfig {
        max_local_rejects: 10_000_000,
        ..ProptestConfig::with_cases(4_000)
    })]

    #[test]
    fn bulk_is_its_items_one_by_one((kind, before, batch) in requests(16), spent in 1..4_i64, chunk in 2..16_usize) {
        // An id that an organization had is below the counter, always.
        let mut world = World::new(kind, spent + 1);
        world.spent.insert(spent);
        world.run(&before, 1);
        let (mut singles, mut chunks) = (world.clone(), world);
        let expected = singles.run(&batch, 1);
        let found = chunks.run(&batch, chunk);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(chunks, singles);
    }

    /// A chunk that is independent of the one before it may be decided before that one is stored, if what both find is
    /// waited for.
    #[test]
    fn what_is_independent_is_decided_the_same_before((kind, before, first, second) in pairs(), spent in 1..4_i64) {
        let mut world = World::new(kind, spent + 1);
        world.spent.insert(spent);
        world.run(&before, 1);
        let (need, next) = (Need::of(kind, &first), Need::of(kind, &second));
        if next.is_independent_of(&need) && world.found(&need).is_disjoint(&world.found(&next)) {
            // Each has numbers of its own.
            let mut unstored = world.clone();
            unstored.next_id += need.creations as i64;
            let early = unstored.decide(&second, true);
            let mut stored = world;
            let later_ids = unstored.next_id;
            let decisions = stored.decide(&first, true);
            stored.store_all(&decisions);
            stored.next_id = stored.next_id.max(later_ids);
            prop_assert_eq!(&early, &stored.decide(&second, true));
            // Nor does it take what the other one made unique.
            stored.store_all(&early);
        }
    }

    /// Sending everything again changes nothing that the first time did not leave open.
    #[test]
    fn upserts_converge((kind, _, batch) in requests(10)) {
        let upserts: Vec<Item> = batch
            .into_iter()
            .filter(|item| matches!(item, Item::Manage(ManageItem { operation: Manage::Upsert, id: None, .. })))
            .collect();
        let mut world = World::new(kind, 1);
        world.run(&upserts, 4);
        let once = world.subjects.keys().copied().collect::<Vec<_>>();
        world.run(&upserts, 4);
        prop_assert_eq!(world.subjects.keys().copied().collect::<Vec<_>>(), once);
    }
}
