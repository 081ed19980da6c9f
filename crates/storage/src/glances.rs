//! Organizations with all that their answers show, in one statement and so on one snapshot: for databases
//! where a statement costs more than what it reads. Many of them are asked for together.

use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::{Entitlement, Entity, Member, Organization, OrganizationId};

use crate::details::from_text;
use crate::driver::Row;
use crate::error::StoreError;
use crate::tx::ReadTx;

/// An organization as one statement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The stamp of the tenant's definitions at that moment.
    pub definitions_stamp: i64,
    /// The organization, if there is one.
    pub organization: Option<Organization>,
    /// Its entitlements, in the order they were added.
    pub entitlements: Vec<Entitlement>,
    /// Its customers, in the order they were added.
    pub customers: Vec<Member>,
}

/// What is found of an organization: by position what hangs on it.
#[derive(Default)]
struct Found {
    organization: Option<Organization>,
    entitlements: BTreeMap<i64, Entitlement>,
    customers: BTreeMap<i64, Member>,
}

/// What a row is of.
const STAMP: i64 = 0;
const ORGANIZATION: i64 = 1;
const CUSTOMER: i64 = 2;

fn entitlement(id: OrganizationId, row: &Row<'_>) -> Result<Entitlement, StoreError> {
    Ok(Entitlement {
        number: row.int(3)?,
        id: row.text(4)?,
        entity: Entity::Organization(id),
        entity_id: id.to_string(),
        product_id: row.text(5)?,
        product_name: row.text(6)?,
        details: from_text(&row.text(7)?)?,
    })
}

fn organization(id: OrganizationId, row: &Row<'_>) -> Result<Organization, StoreError> {
    Ok(Organization {
        id,
        name: row.text(4)?,
        name_key: row.text(5)?,
        details: from_text(&row.text(6)?)?,
    })
}

impl ReadTx<'_> {
    /// These organizations, those that are not there included, all of one snapshot.
    pub(crate) async fn glances(&mut self, ids: &BTreeSet<i64>) -> Result<BTreeMap<i64, Glance>, StoreError> {
        // What it is of; whose it is, and its place there; its number and texts. Columns of one type in all parts,
        // or PostgreSQL puts each part into a query of its own.
        const SQL: &str = "SELECT CAST(0 AS BIGINT), tenant_id, tenant_id, definitions_stamp, '', '', '', '' FROM tenant WHERE tenant_id = $1 \
             UNION ALL SELECT CAST(1 AS BIGINT), id, id, id, name, name_key, details, '' FROM organization \
             WHERE tenant_id = $1 AND id IN EACH_INT($2) \
             UNION ALL SELECT CAST(2 AS BIGINT), m.organization_id, m.position, c.number, c.id, '', '', '' FROM membership m \
             JOIN customer c ON c.tenant_id = m.tenant_id AND c.number = m.customer_number \
             WHERE m.tenant_id = $1 AND m.organization_id IN EACH_INT($2) \
             UNION ALL SELECT CAST(3 AS BIGINT), e.entity_number, e.position, e.number, e.id, p.id, p.name, e.details FROM entitlement e \
             JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
             WHERE e.tenant_id = $1 AND e.entity_kind = 'ORGANIZATION' AND e.entity_number IN EACH_INT($2)";
        let wanted = serde_json::to_string(ids).map_err(|e| StoreError::Failed(e.to_string()))?;
        let mut stamp = None;
        let mut found: BTreeMap<i64, Found> = ids.iter().map(|id| (*id, Found::default())).collect();
        self.fetch(SQL, &[(&wanted).into()], |row| {
            let (part, id, position) = (row.int(0)?, row.int(1)?, row.int(2)?);
            if part == STAMP {
                stamp = Some(row.int(3)?);
                return Ok(());
            }
            let found = found.entry(id).or_default();
            let id = OrganizationId(id);
            match part {
                ORGANIZATION => found.organization = Some(organization(id, row)?),
                CUSTOMER => {
                    let member = Member {
                        number: row.int(3)?,
                        id: row.text(4)?,
                    };
                    found.customers.insert(position, member);
                }
                _ => {
                    found.entitlements.insert(position, entitlement(id, row)?);
                }
            }
            Ok(())
        })
        .await?;
        let definitions_stamp =
            stamp.ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))?;
        let glance = |found: Found| Glance {
            definitions_stamp,
            organization: found.organization,
            entitlements: found.entitlements.into_values().collect(),
            customers: found.customers.into_values().collect(),
        };
        Ok(found.into_iter().map(|(id, found)| (id, glance(found))).collect())
    }
}
