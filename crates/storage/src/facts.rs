//! Loading what a chunk of bulk items rests on: one statement a table, never one an item, and those that
//! do not rest on each other in one round trip.
//!
//! Rows are locked in the order of their numbers. A bare `ORDER BY number` would have SQLite walk through
//! all that the tenant has, in that order: with a plus it finds the rows first, and sorts them.

use std::collections::{BTreeSet, HashMap};

use guildhall_domain::OrganizationId;
use guildhall_domain::bulk::{Facts, Need};
use serde::Serialize;

use crate::driver::{Ask, Row};
use crate::error::StoreError;
use crate::organizations;
use crate::tx::{ReadTx, WriteTx};

/// Texts as a JSON array. One with U+0000 is left out: no id or name has it, and PostgreSQL's JSON takes
/// none.
fn texts(set: &BTreeSet<String>) -> Result<String, StoreError> {
    json(&set.iter().filter(|text| !text.contains('\0')).collect::<Vec<_>>())
}

fn json(set: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(set).map_err(|e| StoreError::Failed(e.to_string()))
}

const BY_IDS: &str = "SELECT id, name, name_key, details FROM organization \
     WHERE tenant_id = $1 AND id IN EACH_INT($2) ORDER BY id FOR_UPDATE";
const BY_KEYS: &str = "SELECT id, name, name_key, details FROM organization \
     WHERE tenant_id = $1 AND name_key IN EACH_TEXT($2) ORDER BY +id FOR_UPDATE";
const SPENT: &str = "SELECT id FROM organization_spent WHERE tenant_id = $1 AND id IN EACH_INT($2)";
const CUSTOMERS: &str = "SELECT id, number FROM customer WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
     ORDER BY +number FOR_SHARE";
const PRODUCTS: &str = "SELECT id, number FROM product WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
     ORDER BY +number FOR_SHARE";

/// A question about a set, and none about an empty one.
fn ask<'a, T>(
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
    /// Loads what is needed, except definitions and free ids, and locks it until the transaction ends.
    pub async fn load_facts(&mut self, need: &Need) -> Result<Facts, StoreError> {
        let (ids, keys) = (json(&need.organization_ids)?, texts(&need.organization_keys)?);
        let (customer_ids, product_ids) = (texts(&need.customer_ids)?, texts(&need.product_ids)?);
        let (mut by_ids, mut by_keys, mut spent) = (Vec::new(), Vec::new(), Vec::new());
        let (mut customers, mut products) = (HashMap::new(), HashMap::new());
        let mut asks = Vec::new();
        ask(&mut asks, BY_IDS, &need.organization_ids, &ids, |row| {
            by_ids.push(organizations::row(row)?);
            Ok(())
        });
        ask(&mut asks, BY_KEYS, &need.organization_keys, &keys, |row| {
            by_keys.push(organizations::row(row)?);
            Ok(())
        });
        ask(&mut asks, SPENT, &need.organization_ids, &ids, |row| {
            spent.push(OrganizationId(row.int(0)?));
            Ok(())
        });
        ask(&mut asks, CUSTOMERS, &need.customer_ids, &customer_ids, |row| {
            customers.insert(row.text(0)?, row.int(1)?);
            Ok(())
        });
        ask(&mut asks, PRODUCTS, &need.product_ids, &product_ids, |row| {
            products.insert(row.text(0)?, row.int(1)?);
            Ok(())
        });
        self.fetch_all(asks).await?;
        let mut facts = Facts::default();
        by_ids
            .into_iter()
            .chain(by_keys)
            .for_each(|organization| facts.know(organization));
        facts.spent = spent.into_iter().collect();
        (facts.customers, facts.products) = (customers, products);
        self.load_links(&mut facts).await?;
        Ok(facts)
    }

    /// Loads which of the customers belong to the organizations, and to which products these are entitled.
    async fn load_links(&mut self, facts: &mut Facts) -> Result<(), StoreError> {
        const MEMBERS: &str = "SELECT organization_id, customer_number FROM membership WHERE tenant_id = $1 \
             AND customer_number IN EACH_INT($2) AND organization_id IN EACH_INT($3)";
        const ENTITLED: &str = "SELECT entity_number, product_number FROM entitlement WHERE tenant_id = $1 \
             AND entity_kind = 'ORGANIZATION' AND entity_number IN EACH_INT($2) \
             AND product_number IN EACH_INT($3)";
        let organizations: BTreeSet<i64> = facts.organization_ids().map(|id| id.0).collect();
        let customers: BTreeSet<i64> = facts.customers.values().copied().collect();
        let products: BTreeSet<i64> = facts.products.values().copied().collect();
        let (of, customer, product) = (json(&organizations)?, json(&customers)?, json(&products)?);
        let (mut members, mut entitled) = (Vec::new(), Vec::new());
        let mut asks = Vec::new();
        if !organizations.is_empty() && !customers.is_empty() {
            asks.push(Ask::new(MEMBERS, [(&customer).into(), (&of).into()], |row| {
                members.push((OrganizationId(row.int(0)?), row.int(1)?));
                Ok(())
            }));
        }
        if !organizations.is_empty() && !products.is_empty() {
            asks.push(Ask::new(ENTITLED, [(&of).into(), (&product).into()], |row| {
                entitled.push((OrganizationId(row.int(0)?), row.int(1)?));
                Ok(())
            }));
        }
        self.fetch_all(asks).await?;
        facts.members = members.into_iter().collect();
        facts.entitled = entitled.into_iter().collect();
        Ok(())
    }

    /// The numbers of the customers and of the products with these public ids (products' in lower case),
    /// which nobody removes until the transaction ends; unknown ones are left out.
    pub async fn customer_and_product_numbers(
        &mut self,
        customer_ids: &BTreeSet<String>,
        product_ids: &BTreeSet<String>,
    ) -> Result<(HashMap<String, i64>, HashMap<String, i64>), StoreError> {
        let need = Need {
            customer_ids: customer_ids.clone(),
            product_ids: product_ids.clone(),
            ..Need::default()
        };
        let facts = self.load_facts(&need).await?;
        Ok((facts.customers, facts.products))
    }

    /// The numbers of the customers with these public ids; see [`Self::customer_and_product_numbers`].
    pub async fn customer_numbers(
        &mut self,
        ids: &BTreeSet<String>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        Ok(self.customer_and_product_numbers(ids, &BTreeSet::new()).await?.0)
    }

    /// The numbers of the products with these public ids; see [`Self::customer_and_product_numbers`].
    pub async fn product_numbers(
        &mut self,
        ids: &BTreeSet<String>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        Ok(self.customer_and_product_numbers(&BTreeSet::new(), ids).await?.1)
    }
}

impl ReadTx<'_> {
    /// Of these ids, those that organizations have or had.
    pub async fn used_ids(&mut self, ids: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
        const USED: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2)";
        let set = json(ids)?;
        let (mut used, mut spent) = (Vec::new(), Vec::new());
        let mut asks = Vec::new();
        ask(&mut asks, USED, ids, &set, |row| {
            used.push(row.int(0)?);
            Ok(())
        });
        ask(&mut asks, SPENT, ids, &set, |row| {
            spent.push(row.int(0)?);
            Ok(())
        });
        self.fetch_all(asks).await?;
        Ok(used.into_iter().chain(spent).collect())
    }
}
