//! Organizations with all that their answers show, in one statement and so on one snapshot, as texts that are shown
//! as they are kept: what is only shown is not read. On PostgreSQL many are asked for together.

use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::OrganizationId;

use crate::details::StoredValues;
use crate::driver::{Param, Row};
use crate::error::StoreError;
use crate::tx::ReadTx;

/// An organization as one statement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The stamp of the tenant's definitions at that moment.
    pub definitions_stamp: i64,
    /// The organization, if there is one.
    pub organization: Option<SeenOrganization>,
}

/// An organization, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOrganization {
    /// Its id, as it is shown.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its values.
    pub details: StoredValues,
    /// What hangs on it, where that was asked for.
    pub links: SeenLinks,
}

/// What hangs on an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenLinks {
    /// Its own entitlements, in the order they were added.
    pub entitlements: Vec<SeenEntitlement>,
    /// The ids of its customers, in the order they were added.
    pub customer_ids: Vec<String>,
}

/// An entitlement, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenEntitlement {
    /// Its id.
    pub id: String,
    /// The id of its product.
    pub product_id: String,
    /// The name of its product.
    pub product_name: String,
    /// Its values.
    pub details: StoredValues,
}

/// What is found of an organization: by position what hangs on it.
#[derive(Default)]
struct Found {
    organization: Option<(String, StoredValues)>,
    entitlements: Vec<(i64, SeenEntitlement)>,
    customers: Vec<(i64, String)>,
}

impl Found {
    /// Notes what a row says.
    fn note(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        match row.int(0)? {
            ORGANIZATION => self.organization = Some((row.text(3)?, StoredValues::of(row.text(4)?))),
            CUSTOMER => self.customers.push((row.int(2)?, row.text(3)?)),
            _ => {
                let entitlement = SeenEntitlement {
                    id: row.text(3)?,
                    details: StoredValues::of(row.text(4)?),
                    product_id: row.text(5)?,
                    product_name: row.text(6)?,
                };
                self.entitlements.push((row.int(2)?, entitlement));
            }
        }
        Ok(())
    }

    fn seen(mut self, id: i64) -> Option<SeenOrganization> {
        let (name, details) = self.organization?;
        self.entitlements.sort_unstable_by_key(|(position, _)| *position);
        self.customers.sort_unstable_by_key(|(position, _)| *position);
        let links = SeenLinks {
            entitlements: self.entitlements.into_iter().map(|(_, one)| one).collect(),
            customer_ids: self.customers.into_iter().map(|(_, id)| id).collect(),
        };
        Some(SeenOrganization {
            id: OrganizationId(id).to_string(),
            name,
            details,
            links,
        })
    }
}

/// What a row is of.
const STAMP: i64 = 0;
const ORGANIZATION: i64 = 1;
const CUSTOMER: i64 = 2;

// A row says what it is of; whose it is, and its place there; its texts. Columns are of one type in all parts, or
// PostgreSQL puts each part into a query of its own.

const MANY: &str = "SELECT CAST(0 AS BIGINT), tenant_id, definitions_stamp, '', '', '', '' FROM tenant WHERE tenant_id = $1 \
     UNION ALL SELECT CAST(1 AS BIGINT), id, id, name, details, '', '' FROM organization \
     WHERE tenant_id = $1 AND id IN EACH_INT($2) \
     UNION ALL SELECT CAST(2 AS BIGINT), m.organization_id, m.position, c.id, '', '', '' FROM membership m \
     JOIN customer c ON c.tenant_id = m.tenant_id AND c.number = m.customer_number \
     WHERE m.tenant_id = $1 AND m.organization_id IN EACH_INT($2) \
     UNION ALL SELECT CAST(3 AS BIGINT), e.entity_number, e.position, e.id, e.details, p.id, p.name FROM entitlement e \
     JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
     WHERE e.tenant_id = $1 AND e.entity_kind = 'ORGANIZATION' AND e.entity_number IN EACH_INT($2)";

const ONE: &str = "SELECT CAST(0 AS BIGINT), tenant_id, definitions_stamp, '', '', '', '' FROM tenant WHERE tenant_id = $1 \
     UNION ALL SELECT CAST(1 AS BIGINT), id, id, name, details, '', '' FROM organization \
     WHERE tenant_id = $1 AND id = $2 \
     UNION ALL SELECT CAST(2 AS BIGINT), m.organization_id, m.position, c.id, '', '', '' FROM membership m \
     JOIN customer c ON c.tenant_id = m.tenant_id AND c.number = m.customer_number \
     WHERE m.tenant_id = $1 AND m.organization_id = $2 \
     UNION ALL SELECT CAST(3 AS BIGINT), e.entity_number, e.position, e.id, e.details, p.id, p.name FROM entitlement e \
     JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
     WHERE e.tenant_id = $1 AND e.entity_kind = 'ORGANIZATION' AND e.entity_number = $2";

const ONE_ALONE: &str = "SELECT CAST(0 AS BIGINT), tenant_id, definitions_stamp, '', '', '', '' FROM tenant WHERE tenant_id = $1 \
     UNION ALL SELECT CAST(1 AS BIGINT), id, id, name, details, '', '' FROM organization \
     WHERE tenant_id = $1 AND id = $2";

/// What else of an organization is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Its entitlements and its customers.
    Wanted,
    /// Nothing.
    Unwanted,
}

impl ReadTx<'_> {
    /// These organizations, those that are not there included, all of one snapshot.
    pub(crate) async fn glances(&mut self, ids: &BTreeSet<i64>) -> Result<BTreeMap<i64, Glance>, StoreError> {
        let wanted = serde_json::to_string(ids).map_err(|e| StoreError::Failed(e.to_string()))?;
        let mut found: BTreeMap<i64, Found> = ids.iter().map(|id| (*id, Found::default())).collect();
        let definitions_stamp = self
            .look(MANY, (&wanted).into(), |row| {
                found.entry(row.int(1)?).or_default().note(row)
            })
            .await?;
        let glance = |id, found: Found| Glance {
            definitions_stamp,
            organization: found.seen(id),
        };
        Ok(found
            .into_iter()
            .map(|(id, found)| (id, glance(id, found)))
            .collect())
    }

    /// This organization.
    pub(crate) async fn glance(&mut self, id: OrganizationId, links: Links) -> Result<Glance, StoreError> {
        let sql = match links {
            Links::Wanted => ONE,
            Links::Unwanted => ONE_ALONE,
        };
        let mut found = Found::default();
        let definitions_stamp = self.look(sql, id.0.into(), |row| found.note(row)).await?;
        Ok(Glance {
            definitions_stamp,
            organization: found.seen(id.0),
        })
    }

    /// Runs one of the statements; the stamp of the definitions.
    async fn look(
        &mut self,
        sql: &'static str,
        whose: Param<'_>,
        mut note: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<i64, StoreError> {
        let mut stamp = None;
        self.fetch(sql, &[whose], |row| {
            if row.int(0)? != STAMP {
                return note(row);
            }
            stamp = Some(row.int(2)?);
            Ok(())
        })
        .await?;
        stamp.ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))
    }
}
