//! Loading what a chunk of bulk items rests on: one statement a table, never one an item, and those that
//! do not rest on each other in one round trip.
//!
//! Rows are locked in the order of their numbers. A bare `ORDER BY number` would have SQLite walk through
//! all that the tenant has, in that order: with a plus it finds the rows first, and sorts them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use guildhall_domain::bulk::{Facts, Need, organization_numbers};
use guildhall_domain::{Entity, OrganizationId, Subject, SubjectKind};
use serde::Serialize;

use crate::driver::{Ask, Row};
use crate::entitlements::entity_key;
use crate::error::StoreError;
use crate::tenants::{Counter, NEXT_NUMBER};
use crate::tx::WriteTx;
use crate::{customers, organizations};

/// Texts as a JSON array. One with U+0000 is left out: no id or name has it, and PostgreSQL's JSON takes
/// none.
pub(crate) fn texts(set: &BTreeSet<String>) -> Result<String, StoreError> {
    json(&set.iter().filter(|text| !text.contains('\0')).collect::<Vec<_>>())
}

pub(crate) fn json(set: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(set).map_err(|e| StoreError::Failed(e.to_string()))
}

const ORGANIZATIONS_BY_IDS: &str = "SELECT id, name, name_key, details FROM organization \
     WHERE tenant_id = $1 AND id IN EACH_INT($2) ORDER BY id FOR_UPDATE";
const ORGANIZATIONS_BY_KEYS: &str = "SELECT id, name, name_key, details FROM organization \
     WHERE tenant_id = $1 AND name_key IN EACH_TEXT($2) ORDER BY +id FOR_UPDATE";
const USED: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2)";
const SPENT: &str = "SELECT id FROM organization_spent WHERE tenant_id = $1 AND id IN EACH_INT($2)";
const CUSTOMERS_BY_IDS: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
     WHERE tenant_id = $1 AND id IN EACH_TEXT($2) ORDER BY +number FOR_UPDATE";
const CUSTOMERS_BY_KEYS: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
     WHERE tenant_id = $1 AND email_key IN EACH_TEXT($2) ORDER BY +number FOR_UPDATE";
/// Nobody else adds customers to these until the transaction ends, since customers have an order.
pub(crate) const OTHER_ORGANIZATIONS: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2) \
     ORDER BY id FOR_UPDATE";
pub(crate) const OTHER_CUSTOMERS: &str = "SELECT id, number FROM customer WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
     ORDER BY +number FOR_SHARE";
pub(crate) const PRODUCTS: &str = "SELECT id, number, name FROM product WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
     ORDER BY +number FOR_SHARE";

/// A question about a set, and none about an empty one.
pub(crate) fn ask<'a, T>(
    asks: &mut Vec<Ask<'a>>,
    sql: &'static str,
    set: &BTreeSet<T>,
    json: &'a str,
    read: impl FnMut(&Row<'_>) -> Result<(), StoreError> + Send + 'a,
) {
    if !set.is_empty() {
        asks.push(Ask::new(sql, [json.into()], read));
    }
}

impl WriteTx<'_> {
    /// Loads what is needed, except definitions and what new customers are called, and locks it until the
    /// transaction ends. Lock order everywhere: organizations, customers, products. Of the numbers `taken` for organizations
    /// that may be created, those are free that none has or had.
    pub async fn load_facts(&mut self, need: &Need, taken: Range<i64>) -> Result<Facts, StoreError> {
        let mut facts = match need.kind {
            SubjectKind::Organization => self.load_organizations(need, taken).await?,
            SubjectKind::Customer => self.load_customers(need).await?,
        };
        self.load_links(&mut facts, need.kind).await?;
        Ok(facts)
    }

    /// Organizations, and the customers and products that shall be linked to them.
    async fn load_organizations(&mut self, need: &Need, taken: Range<i64>) -> Result<Facts, StoreError> {
        let taken: BTreeSet<i64> = taken.collect();
        let taken_json = json(&taken)?;
        let numbers = organization_numbers(&need.ids);
        let (ids, keys) = (json(&numbers)?, texts(&need.keys)?);
        let has_name_index = self.has_name_index();
        let named = match has_name_index {
            true => {
                self.named_or_free(&need.keys.iter().map(String::as_str).collect())
                    .await?
            }
            false => BTreeMap::new(),
        };
        let wanted: BTreeSet<i64> = numbers.iter().chain(named.values()).copied().collect();
        let wanted_json = json(&wanted)?;
        let (others, product_ids) = (texts(&need.associated_ids)?, texts(&need.product_ids)?);
        let (mut found, mut spent) = (Vec::new(), Vec::new());
        let mut by_keys = Vec::new();
        let (mut customers, mut products) = (HashMap::new(), HashMap::new());
        let (mut used, mut used_before, mut next) = (BTreeSet::new(), BTreeSet::new(), None);
        let mut asks = Vec::new();
        ask(&mut asks, ORGANIZATIONS_BY_IDS, &wanted, &wanted_json, |row| {
            found.push(organizations::row(row)?);
            Ok(())
        });
        if !has_name_index {
            ask(&mut asks, ORGANIZATIONS_BY_KEYS, &need.keys, &keys, |row| {
                by_keys.push(organizations::row(row)?);
                Ok(())
            });
        }
        ask(&mut asks, SPENT, &numbers, &ids, |row| {
            spent.push(OrganizationId(row.int(0)?));
            Ok(())
        });
        ask(&mut asks, OTHER_CUSTOMERS, &need.associated_ids, &others, |row| {
            customers.insert(row.text(0)?, row.int(1)?);
            Ok(())
        });
        ask(&mut asks, PRODUCTS, &need.product_ids, &product_ids, |row| {
            products.insert(row.text(0)?, row.int(1)?);
            Ok(())
        });
        ask(&mut asks, USED, &taken, &taken_json, |row| {
            used.insert(row.int(0)?);
            Ok(())
        });
        ask(&mut asks, SPENT, &taken, &taken_json, |row| {
            used_before.insert(row.int(0)?);
            Ok(())
        });
        asks.push(Ask::new(
            NEXT_NUMBER,
            [Counter::Organization.name().into()],
            |row| {
                next = Some(row.int(0)?);
                Ok(())
            },
        ));
        self.fetch_all(asks).await?;
        let mut facts = Facts::default();
        let is_free = |id: &i64| !used.contains(id) && !used_before.contains(id);
        facts.free_ids = taken.into_iter().filter(is_free).map(OrganizationId).collect();
        facts.next_id = next.unwrap_or(1);
        facts.spent = spent.into_iter().collect();
        (facts.associated, facts.products) = (customers, products);
        for organization in found.into_iter().chain(by_keys) {
            facts.know(Subject::Organization(organization));
        }
        Ok(facts)
    }

    /// Customers, and the organizations and products that shall be linked to them.
    async fn load_customers(&mut self, need: &Need) -> Result<Facts, StoreError> {
        let numbers = organization_numbers(&need.associated_ids);
        let (ids, keys) = (texts(&need.ids)?, texts(&need.keys)?);
        let (others, product_ids) = (json(&numbers)?, texts(&need.product_ids)?);
        let (mut found, mut by_keys) = (Vec::new(), Vec::new());
        let (mut organizations, mut products) = (HashMap::new(), HashMap::new());
        let mut asks = Vec::new();
        ask(&mut asks, OTHER_ORGANIZATIONS, &numbers, &others, |row| {
            let id = row.int(0)?;
            organizations.insert(id.to_string(), id);
            Ok(())
        });
        ask(&mut asks, CUSTOMERS_BY_IDS, &need.ids, &ids, |row| {
            found.push(customers::row(row)?);
            Ok(())
        });
        ask(&mut asks, CUSTOMERS_BY_KEYS, &need.keys, &keys, |row| {
            by_keys.push(customers::row(row)?);
            Ok(())
        });
        ask(&mut asks, PRODUCTS, &need.product_ids, &product_ids, |row| {
            products.insert(row.text(0)?, row.int(1)?);
            Ok(())
        });
        self.fetch_all(asks).await?;
        let mut facts = Facts::default();
        (facts.associated, facts.products) = (organizations, products);
        for customer in found.into_iter().chain(by_keys) {
            facts.know(Subject::Customer(customer));
        }
        Ok(facts)
    }

    /// The links between what is known and what shall be linked to it.
    async fn load_links(&mut self, facts: &mut Facts, kind: SubjectKind) -> Result<(), StoreError> {
        const MEMBERS: &str = "SELECT organization_id, customer_number FROM membership WHERE tenant_id = $1 \
             AND customer_number IN EACH_INT($2) AND organization_id IN EACH_INT($3)";
        const ENTITLED: &str = "SELECT entity_number, product_number FROM entitlement WHERE tenant_id = $1 \
             AND entity_kind = $2 AND entity_number IN EACH_INT($3) AND product_number IN EACH_INT($4)";
        let own: BTreeSet<i64> = facts.entities().map(|entity| entity_key(entity).1).collect();
        let others: BTreeSet<i64> = facts.associated.values().copied().collect();
        let products: BTreeSet<i64> = facts.products.values().copied().collect();
        let (organizations, customers) = match kind {
            SubjectKind::Organization => (&own, &others),
            SubjectKind::Customer => (&others, &own),
        };
        let entity = |number| match kind {
            SubjectKind::Organization => Entity::Organization(OrganizationId(number)),
            SubjectKind::Customer => Entity::Customer(number),
        };
        let (of, customer) = (json(organizations)?, json(customers)?);
        let (entities, product) = (json(&own)?, json(&products)?);
        let (mut members, mut entitled) = (Vec::new(), Vec::new());
        let mut asks = Vec::new();
        if !organizations.is_empty() && !customers.is_empty() {
            asks.push(Ask::new(MEMBERS, [(&customer).into(), (&of).into()], |row| {
                members.push((OrganizationId(row.int(0)?), row.int(1)?));
                Ok(())
            }));
        }
        if !own.is_empty() && !products.is_empty() {
            let params = [
                entity_key(entity(0)).0.into(),
                (&entities).into(),
                (&product).into(),
            ];
            asks.push(Ask::new(ENTITLED, params, |row| {
                entitled.push((entity(row.int(0)?), row.int(1)?));
                Ok(())
            }));
        }
        self.fetch_all(asks).await?;
        facts.members = members.into_iter().collect();
        facts.entitled = entitled.into_iter().collect();
        Ok(())
    }
}
