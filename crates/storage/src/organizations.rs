//! Organizations.

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::{Organization, OrganizationId, Timestamp};

use crate::details::{NewValues, from_text, to_text};
use crate::driver::Row;
use crate::error::StoreError;
use crate::sweep::Sweep;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

pub(crate) fn row(row: &Row<'_>) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: OrganizationId(row.int(0)?),
        name: row.text(1)?,
        name_key: row.text(2)?,
        details: from_text(&row.text(3)?)?,
    })
}

pub(crate) const ID_USED: &str = "SELECT 1 WHERE EXISTS (SELECT 1 FROM organization WHERE tenant_id = $1 AND id = $2) \
     OR EXISTS (SELECT 1 FROM organization_spent WHERE tenant_id = $1 AND id = $2)";

impl ReadTx<'_> {
    /// The organization with this id.
    pub async fn organization(&mut self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        const SQL: &str =
            "SELECT id, name, name_key, details FROM organization WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.0.into()], row).await
    }

    /// Whether an organization has or had this id.
    pub async fn organization_id_used(&mut self, id: OrganizationId) -> Result<bool, StoreError> {
        Ok(self
            .fetch_optional(ID_USED, &[id.0.into()], |_| Ok(()))
            .await?
            .is_some())
    }
}

impl WriteTx<'_> {
    /// The organization with this id, which nobody else changes until the transaction ends.
    pub async fn lock_organization(
        &mut self,
        id: OrganizationId,
    ) -> Result<Option<Organization>, StoreError> {
        const SQL: &str = "SELECT id, name, name_key, details FROM organization WHERE tenant_id = $1 AND id = $2 FOR_UPDATE";
        self.fetch_optional(SQL, &[id.0.into()], row).await
    }

    /// Adds an organization with its values. No other one has its name.
    pub async fn insert_organization(
        &mut self,
        organization: &Organization,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = NewValues::of(&organization.details, definitions)?;
        self.insert_organization_with(organization, &values, now).await
    }

    /// Adds an organization; its values are these.
    pub(crate) async fn insert_organization_with(
        &mut self,
        organization: &Organization,
        values: &NewValues,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO organization (tenant_id, id, name, name_key, details, created_at, \
             updated_at) SELECT $1, r.id, r.name, r.name_key, r.details, r.now, r.now \
             FROM EACH_ROW(id $2, name $3, name_key $4, details $5, now $6)";
        self.index_name(organization.id, &organization.name_key, true)
            .await?;
        self.execute_one_on(
            Touched::NewOrganization(organization.id.0),
            SQL,
            &[
                organization.id.0.into(),
                (&organization.name).into(),
                (&organization.name_key).into(),
                (&values.text).into(),
                now.0.into(),
            ],
        )
        .await?;
        self.index_new_values(organization.id.0, values).await
    }

    /// Changes an organization's name, which no other one has.
    pub async fn rename_organization(
        &mut self,
        id: OrganizationId,
        name: &str,
        name_key: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE organization SET name = $3, name_key = $4, updated_at = $5 \
             WHERE tenant_id = $1 AND id = $2";
        self.reindex_name(id, name_key).await?;
        self.execute_one_on(
            Touched::Organization(id.0),
            SQL,
            &[id.0.into(), name.into(), name_key.into(), now.0.into()],
        )
        .await
    }

    /// Replaces an organization's values.
    pub async fn put_organization_details(
        &mut self,
        id: OrganizationId,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE organization SET details = r.details, updated_at = r.now \
             FROM EACH_ROW(id $2, details $3, now $4) WHERE organization.tenant_id = $1 AND organization.id = r.id";
        let details = to_text(new)?;
        self.execute_one_on(
            Touched::Organization(id.0),
            SQL,
            &[id.0.into(), (&details).into(), now.0.into()],
        )
        .await?;
        self.index_values(id.0, old, new, definitions).await
    }

    /// Removes an organization and hides all that hangs on it. Its id stays spent.
    pub async fn delete_organization(
        &mut self,
        organization: &Organization,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM organization WHERE tenant_id = $1 AND id = $2";
        const SPEND: &str = "INSERT INTO organization_spent (tenant_id, id) VALUES ($1, $2)";
        let id = organization.id.0;
        self.execute_one_on(Touched::Organization(id), DELETE, &[id.into()])
            .await?;
        self.execute_one_on(Touched::Nothing, SPEND, &[id.into()]).await?;
        self.index_name(organization.id, &organization.name_key, false)
            .await?;
        self.index_values(id, &organization.details, &Values::default(), definitions)
            .await?;
        self.plan_sweep(Sweep::Organization(organization.id)).await
    }
}
