//! What decisions on a chunk of items rest on, and the changes they come to. Facts are loaded once
//! for a chunk and kept up to date by the decisions themselves, so that an item sees what the items
//! before it did.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::entity::Organization;
use crate::field::{Definitions, PhoneFormat, Values};
use crate::id::OrganizationId;
use crate::task::Receipt;
use crate::text;

use super::{Item, Manage};

/// What must be loaded before the items of a chunk can be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Organizations by id; also whether these ids are taken or spent.
    pub organization_ids: BTreeSet<i64>,
    /// Organizations by compared name.
    pub organization_keys: BTreeSet<String>,
    /// Customers by public id.
    pub customer_ids: BTreeSet<String>,
    /// Products by public id, in lower case.
    pub product_ids: BTreeSet<String>,
    /// Organizations that may be created.
    pub creations: usize,
    /// Ids that they wish for.
    pub wishes: BTreeSet<i64>,
    /// Entitlements that may be created.
    pub entitlements: usize,
}

impl Need {
    /// What these items need.
    pub fn of(items: &[Item]) -> Self {
        let mut need = Self::default();
        for item in items {
            match item {
                Item::Manage(item) => {
                    need.organization_ids
                        .extend(item.id.as_deref().and_then(parse_id));
                    need.organization_keys.extend(item.name.as_deref().map(text::key));
                    need.customer_ids.extend(item.customer_ids.iter().cloned());
                    need.product_ids
                        .extend(item.product_ids.iter().map(|id| id.to_ascii_lowercase()));
                    if item.operation != Manage::Update {
                        need.creations += 1;
                        need.wishes.extend(item.id.as_deref().and_then(parse_id));
                    }
                    need.entitlements += item.product_ids.len();
                }
                Item::Details(item) => need.organization_ids.extend(parse_id(&item.id)),
                Item::Definition(_) => {}
            }
        }
        need
    }
}

fn parse_id(text: &str) -> Option<i64> {
    OrganizationId::parse(text).map(|id| id.0)
}

/// A change to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new organization, with its values.
    Create(Organization),
    /// An organization got an id that was not taken from the counter, which must give greater ones
    /// from now on.
    SpendId(OrganizationId),
    /// A new name.
    Rename {
        /// The organization.
        id: OrganizationId,
        /// The name as given.
        name: String,
        /// The name as compared.
        key: String,
    },
    /// New values.
    PutDetails {
        /// The organization.
        id: OrganizationId,
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
    /// An organization is entitled to a product.
    AddEntitlement {
        /// The organization.
        organization: OrganizationId,
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

/// What is known for a chunk.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The definitions of organizations' fields.
    pub definitions: Arc<Definitions>,
    /// Which phone numbers are taken.
    pub phone: PhoneFormat,
    /// Numbers of customers by public id.
    pub customers: HashMap<String, i64>,
    /// Numbers of products by public id, in lower case.
    pub products: HashMap<String, i64>,
    /// Links that exist: organization, customer's number.
    pub members: HashSet<(OrganizationId, i64)>,
    /// Entitlements that exist: organization, product's number.
    pub entitled: HashSet<(OrganizationId, i64)>,
    /// Ids that organizations had.
    pub spent: HashSet<OrganizationId>,
    /// Free ids that were taken for new organizations, in order.
    pub free_ids: VecDeque<OrganizationId>,
    /// The id from which on none was ever used or taken: where ids come from when `free_ids` is empty.
    pub next_id: i64,
    pub(super) organizations: HashMap<OrganizationId, Organization>,
    pub(super) by_key: HashMap<String, OrganizationId>,
}

impl Facts {
    /// Makes an organization known.
    pub fn know(&mut self, organization: Organization) {
        self.by_key.insert(organization.name_key.clone(), organization.id);
        self.organizations.insert(organization.id, organization);
    }

    /// The ids of the organizations that are known.
    pub fn organization_ids(&self) -> impl Iterator<Item = OrganizationId> {
        self.organizations.keys().copied()
    }

    /// Whether an organization has or had this id, as far as is known.
    pub fn id_used(&self, id: OrganizationId) -> bool {
        self.organizations.contains_key(&id) || self.spent.contains(&id)
    }
}
