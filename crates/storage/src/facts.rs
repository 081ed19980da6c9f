//! Loading what a chunk of bulk items rests on: one statement a table, never one an item.
//!
//! Rows are locked in the order of their numbers. A bare `ORDER BY number` would have SQLite walk through
//! all that the tenant has, in that order: with a plus it finds the rows first, and sorts them.

use std::collections::{BTreeSet, HashMap};

use guildhall_domain::bulk::{Facts, Need};
use guildhall_domain::{Organization, OrganizationId};
use serde::Serialize;

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

impl WriteTx<'_> {
    /// Loads what is needed, except definitions and free ids, and locks it until the transaction ends.
    pub async fn load_facts(&mut self, need: &Need) -> Result<Facts, StoreError> {
        let mut facts = Facts::default();
        for organization in self.organizations_by_ids(&need.organization_ids).await? {
            facts.know(organization);
        }
        for organization in self.organizations_by_keys(&need.organization_keys).await? {
            facts.know(organization);
        }
        facts.spent = self
            .spent_ids(&need.organization_ids)
            .await?
            .into_iter()
            .collect();
        facts.customers = self.customer_numbers(&need.customer_ids).await?;
        facts.products = self.product_numbers(&need.product_ids).await?;
        let organizations: BTreeSet<i64> = facts.organization_ids().map(|id| id.0).collect();
        let customers: BTreeSet<i64> = facts.customers.values().copied().collect();
        let products: BTreeSet<i64> = facts.products.values().copied().collect();
        facts.members = self
            .members_among(&organizations, &customers)
            .await?
            .into_iter()
            .collect();
        facts.entitled = self
            .entitled_among(&organizations, &products)
            .await?
            .into_iter()
            .collect();
        Ok(facts)
    }

    async fn organizations_by_ids(&mut self, ids: &BTreeSet<i64>) -> Result<Vec<Organization>, StoreError> {
        const SQL: &str = "SELECT id, name, name_key, details FROM organization \
             WHERE tenant_id = $1 AND id IN EACH_INT($2) ORDER BY id FOR_UPDATE";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(SQL, &[(&json(ids)?).into()], organizations::row).await
    }

    async fn organizations_by_keys(
        &mut self,
        keys: &BTreeSet<String>,
    ) -> Result<Vec<Organization>, StoreError> {
        const SQL: &str = "SELECT id, name, name_key, details FROM organization \
             WHERE tenant_id = $1 AND name_key IN EACH_TEXT($2) ORDER BY +id FOR_UPDATE";
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(SQL, &[(&texts(keys)?).into()], organizations::row)
            .await
    }

    /// The numbers of the customers with these public ids, whom nobody removes until the transaction
    /// ends; unknown ones are left out.
    pub async fn customer_numbers(
        &mut self,
        ids: &BTreeSet<String>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        const SQL: &str = "SELECT id, number FROM customer WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
             ORDER BY +number FOR_SHARE";
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self
            .fetch(SQL, &[(&texts(ids)?).into()], |row| {
                Ok((row.text(0)?, row.int(1)?))
            })
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// The numbers of the products with these public ids in lower case, which nobody removes until the
    /// transaction ends; unknown ones are left out.
    pub async fn product_numbers(
        &mut self,
        ids: &BTreeSet<String>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        const SQL: &str = "SELECT id, number FROM product WHERE tenant_id = $1 AND id IN EACH_TEXT($2) \
             ORDER BY +number FOR_SHARE";
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self
            .fetch(SQL, &[(&texts(ids)?).into()], |row| {
                Ok((row.text(0)?, row.int(1)?))
            })
            .await?;
        Ok(rows.into_iter().collect())
    }
}

impl ReadTx<'_> {
    /// Of these ids, those that organizations have or had.
    pub async fn used_ids(&mut self, ids: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
        const SQL: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2)";
        let mut used: BTreeSet<i64> = self
            .fetch(SQL, &[(&json(ids)?).into()], |row| row.int(0))
            .await?
            .into_iter()
            .collect();
        used.extend(self.spent_ids(ids).await?.into_iter().map(|id| id.0));
        Ok(used)
    }

    async fn spent_ids(&mut self, ids: &BTreeSet<i64>) -> Result<Vec<OrganizationId>, StoreError> {
        const SQL: &str = "SELECT id FROM organization_spent WHERE tenant_id = $1 AND id IN EACH_INT($2)";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(SQL, &[(&json(ids)?).into()], |row| row.int(0).map(OrganizationId))
            .await
    }

    async fn members_among(
        &mut self,
        organizations: &BTreeSet<i64>,
        customers: &BTreeSet<i64>,
    ) -> Result<Vec<(OrganizationId, i64)>, StoreError> {
        const SQL: &str = "SELECT organization_id, customer_number FROM membership WHERE tenant_id = $1 \
             AND customer_number IN EACH_INT($2) AND organization_id IN EACH_INT($3)";
        if organizations.is_empty() || customers.is_empty() {
            return Ok(Vec::new());
        }
        let (customers, organizations) = (json(customers)?, json(organizations)?);
        self.fetch(SQL, &[(&customers).into(), (&organizations).into()], |row| {
            Ok((OrganizationId(row.int(0)?), row.int(1)?))
        })
        .await
    }

    async fn entitled_among(
        &mut self,
        organizations: &BTreeSet<i64>,
        products: &BTreeSet<i64>,
    ) -> Result<Vec<(OrganizationId, i64)>, StoreError> {
        const SQL: &str = "SELECT entity_number, product_number FROM entitlement WHERE tenant_id = $1 \
             AND entity_kind = 'ORGANIZATION' AND entity_number IN EACH_INT($2) \
             AND product_number IN EACH_INT($3)";
        if organizations.is_empty() || products.is_empty() {
            return Ok(Vec::new());
        }
        let (organizations, products) = (json(organizations)?, json(products)?);
        self.fetch(SQL, &[(&organizations).into(), (&products).into()], |row| {
            Ok((OrganizationId(row.int(0)?), row.int(1)?))
        })
        .await
    }
}
