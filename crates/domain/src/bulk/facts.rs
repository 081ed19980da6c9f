//! What decisions on a chunk of items rest on, and the changes they come to. Facts are loaded once
//! for a chunk and kept up to date by the decisions themselves, so that an item sees what the items
//! before it did.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::entity::Entity;
use crate::field::{Definitions, PhoneFormat, Values};
use crate::id::OrganizationId;
use crate::subject::{Subject, SubjectKind};
use crate::task::Receipt;
use crate::text;

use super::Item;

/// What must be loaded before the items of a chunk can be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// What the items manage.
    pub kind: SubjectKind,
    /// Subjects by public id; of organizations also whether these ids are taken or spent.
    pub ids: BTreeSet<String>,
    /// Subjects by compared handle.
    pub keys: BTreeSet<String>,
    /// What is associated with them, by public id.
    pub associated_ids: BTreeSet<String>,
    /// Products by public id, in lower case.
    pub product_ids: BTreeSet<String>,
    /// Subjects that may be created.
    pub creations: usize,
    /// Ids that they wish for, of organizations.
    pub wishes: BTreeSet<i64>,
    /// Entitlements that may be created.
    pub entitlements: usize,
}

impl Need {
    /// What these items need.
    pub fn of(kind: SubjectKind, items: &[Item]) -> Self {
        let mut need = Self {
            kind,
            ..Self::default()
        };
        for item in items {
            match item {
                Item::Manage(item) => {
                    need.ids.extend(item.id.clone());
                    need.keys.extend(item.handle.as_deref().map(text::key));
                    need.associated_ids.extend(item.associated_ids.iter().cloned());
                    need.product_ids
                        .extend(item.product_ids.iter().map(|id| id.to_ascii_lowercase()));
                    if item.may_create() {
                        need.creations += 1;
                        if kind == SubjectKind::Organization {
                            need.wishes.extend(item.id.as_deref().and_then(number_of));
                        }
                    }
                    need.entitlements += item.product_ids.len();
                }
                Item::Details(item) => drop(need.ids.insert(item.id.clone())),
                Item::Definition(_) => {}
            }
        }
        need
    }

    /// Whether what these items come to does not depend on what the items of `before` do, which have found what they
    /// need and hold it, but have not been stored yet: then both can be worked on at the same time.
    ///
    /// What exists and both need is locked by `before`. What does not exist is not: so the same handle must not be in both,
    /// nor an id where something is created, which may be the id of what is created.
    pub fn is_independent_of(&self, before: &Self) -> bool {
        let creates = self.creations + before.creations > 0;
        let names_ids = !(self.ids.is_empty() && before.ids.is_empty());
        !(creates && names_ids) && self.ids.is_disjoint(&before.ids) && self.keys.is_disjoint(&before.keys)
    }
}

/// Of these public ids of organizations, the numbers of those that can be ids at all.
pub fn organization_numbers(ids: &BTreeSet<String>) -> BTreeSet<i64> {
    ids.iter().filter_map(|id| number_of(id)).collect()
}

fn number_of(id: &str) -> Option<i64> {
    OrganizationId::parse(id).map(|id| id.0)
}

/// A change to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new organization or customer, with its values.
    Create(Subject),
    /// An organization got an id that was not taken from the counter, which must give greater ones
    /// from now on.
    SpendId(OrganizationId),
    /// Another name to be shown; of an organization it is the handle too.
    Rename {
        /// Whose.
        entity: Entity,
        /// The name as given.
        name: String,
    },
    /// New values.
    PutDetails {
        /// Whose.
        entity: Entity,
        /// The values before.
        old: Values,
        /// The values after.
        new: Values,
    },
    /// A customer becomes a member.
    AddMember {
        /// The organization.
        organization: OrganizationId,
        /// The customer's number.
        customer: i64,
    },
    /// An organization or a customer is entitled to a product.
    AddEntitlement {
        /// Whose entitlement it is.
        entity: Entity,
        /// The product's number.
        product: i64,
    },
}

/// What an item comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to store.
    pub changes: Vec<Change>,
    /// What to report.
    pub receipt: Receipt,
}

/// What is known for a chunk, whose items all manage the same kind.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The definitions of the kind's fields.
    pub definitions: Arc<Definitions>,
    /// Which phone numbers are taken.
    pub phone: PhoneFormat,
    /// Numbers of what items associate, by public id: customers with organizations, or the other way.
    pub associated: HashMap<String, i64>,
    /// Numbers of products by public id, in lower case.
    pub products: HashMap<String, i64>,
    /// Links that exist: organization, customer's number.
    pub members: HashSet<(OrganizationId, i64)>,
    /// Entitlements that exist: whose, product's number.
    pub entitled: HashSet<(Entity, i64)>,
    /// Ids that organizations had.
    pub spent: HashSet<OrganizationId>,
    /// Free ids that were taken for new organizations, in order.
    pub free_ids: VecDeque<OrganizationId>,
    /// The id from which on none was ever used or taken: where ids come from when `free_ids` is empty.
    pub next_id: i64,
    /// Numbers and ids that were taken for new customers, in order: one for each that may be created.
    pub new_customers: VecDeque<(i64, String)>,
    pub(super) subjects: HashMap<Entity, Subject>,
    pub(super) by_id: HashMap<String, Entity>,
    pub(super) by_key: HashMap<String, Entity>,
}

impl Facts {
    /// Makes an organization or a customer known.
    pub fn know(&mut self, subject: Subject) {
        let entity = subject.entity();
        self.by_id.insert(subject.id(), entity);
        self.by_key.insert(subject.key().to_owned(), entity);
        self.subjects.insert(entity, subject);
    }

    /// The organizations and customers that are known.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        self.subjects.keys().copied()
    }

    /// Whether an organization has or had this id, as far as is known.
    pub fn id_used(&self, id: OrganizationId) -> bool {
        self.subjects.contains_key(&Entity::Organization(id)) || self.spent.contains(&id)
    }
}
