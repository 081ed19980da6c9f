//! Loading what a chunk of bulk items rests on: one statement a table, never one an item.
//!
//! Rows are locked in the order of their numbers. A bare `ORDER BY number` would have SQLite walk through
//! all that the tenant has, in that order: with a plus it finds the rows first, and sorts them.

use std::collections::{BTreeSet, HashMap};

use guildhall_domain::bulk::{Facts, Need, organization_numbers};
use guildhall_domain::{Customer, Entity, Organization, OrganizationId, Subject, SubjectKind};
use serde::Serialize;

use crate::entitlements::entity_key;
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};
use crate::{customers, organizations};

/// Texts as a JSON array. One with U+0000 is left out: no id or name has it, and PostgreSQL's JSON takes
/// none.
fn texts(set: &BTreeSet<String>) -> Result<String, StoreError> {
    json(&set.iter().filter(|text| !text.contains('\0')).collect::<Vec<_>>())
}

fn json(set: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(set).map_err(|e| StoreError::Failed(e.to_string()))
}

impl WriteTx<'_> {
    /// Loads what is needed, except definitions and what new subjects are called, and locks it until the
    /// transaction ends. Lock order everywhere: organizations, customers, products.
    pub async fn load_facts(&mut self, need: &Need) -> Result<Facts, StoreError> {
        let mut facts = Facts::default();
        match need.kind {
            SubjectKind::Organization => {
                self.load_organizations(&mut facts, need).await?;
                facts.associated = self.customer_numbers(&need.associated_ids).await?;
            }
            SubjectKind::Customer => {
                facts.associated = self.lock_organizations(&need.associated_ids).await?;
                self.load_customers(&mut facts, need).await?;
            }
        }
        facts.products = self.product_numbers(&need.product_ids).await?;
        self.load_links(&mut facts, need.kind).await?;
        Ok(facts)
    }

    async fn load_organizations(&mut self, facts: &mut Facts, need: &Need) -> Result<(), StoreError> {
        let ids = organization_numbers(&need.ids);
        for organization in self.organizations_by_ids(&ids).await? {
            facts.know(Subject::Organization(organization));
        }
        for organization in self.organizations_by_keys(&need.keys).await? {
            facts.know(Subject::Organization(organization));
        }
        facts.spent = self.spent_ids(&ids).await?.into_iter().collect();
        Ok(())
    }

    async fn load_customers(&mut self, facts: &mut Facts, need: &Need) -> Result<(), StoreError> {
        for customer in self.customers_by_ids(&need.ids).await? {
            facts.know(Subject::Customer(customer));
        }
        for customer in self.customers_by_keys(&need.keys).await? {
            facts.know(Subject::Customer(customer));
        }
        Ok(())
    }

    /// The links between what is known and what shall be linked to it.
    async fn load_links(&mut self, facts: &mut Facts, kind: SubjectKind) -> Result<(), StoreError> {
        let own: BTreeSet<i64> = facts.entities().map(|entity| entity_key(entity).1).collect();
        let others: BTreeSet<i64> = facts.associated.values().copied().collect();
        let products: BTreeSet<i64> = facts.products.values().copied().collect();
        let (organizations, customers) = match kind {
            SubjectKind::Organization => (&own, &others),
            SubjectKind::Customer => (&others, &own),
        };
        let members = self.members_among(organizations, customers).await?;
        facts.members = members.into_iter().collect();
        let entitled = self.entitled_among(kind, &own, &products).await?;
        facts.entitled = entitled.into_iter().collect();
        Ok(())
    }

    async fn customers_by_ids(&mut self, ids: &BTreeSet<String>) -> Result<Vec<Customer>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
             WHERE tenant_id = $1 AND id IN EACH_TEXT($2) ORDER BY +number FOR_UPDATE";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(SQL, &[(&texts(ids)?).into()], customers::row).await
    }

    async fn customers_by_keys(&mut self, keys: &BTreeSet<String>) -> Result<Vec<Customer>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
             WHERE tenant_id = $1 AND email_key IN EACH_TEXT($2) ORDER BY +number FOR_UPDATE";
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(SQL, &[(&texts(keys)?).into()], customers::row).await
    }

    /// The numbers of the organizations with these public ids, to which nobody else adds customers until
    /// the transaction ends, since customers have an order; unknown ones are left out.
    pub async fn lock_organizations(
        &mut self,
        ids: &BTreeSet<String>,
    ) -> Result<HashMap<String, i64>, StoreError> {
        const SQL: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2) \
             ORDER BY id FOR_UPDATE";
        let ids = organization_numbers(ids);
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self
            .fetch(SQL, &[(&json(&ids)?).into()], |row| row.int(0))
            .await?;
        Ok(found.into_iter().map(|id| (id.to_string(), id)).collect())
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
        kind: SubjectKind,
        entities: &BTreeSet<i64>,
        products: &BTreeSet<i64>,
    ) -> Result<Vec<(Entity, i64)>, StoreError> {
        const SQL: &str = "SELECT entity_number, product_number FROM entitlement WHERE tenant_id = $1 \
             AND entity_kind = $2 AND entity_number IN EACH_INT($3) AND product_number IN EACH_INT($4)";
        if entities.is_empty() || products.is_empty() {
            return Ok(Vec::new());
        }
        let entity = |number| match kind {
            SubjectKind::Organization => Entity::Organization(OrganizationId(number)),
            SubjectKind::Customer => Entity::Customer(number),
        };
        let (entities, products) = (json(entities)?, json(products)?);
        let kind = entity_key(entity(0)).0;
        self.fetch(
            SQL,
            &[kind.into(), (&entities).into(), (&products).into()],
            |row| Ok((entity(row.int(0)?), row.int(1)?)),
        )
        .await
    }
}
