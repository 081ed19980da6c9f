//! Which customers belong to which organizations. A link whose one end is deleted is out of sight,
//! since every statement joins the other end.

use guildhall_domain::{Member, OrganizationId};

use crate::driver::Row;
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

pub(crate) const MEMBERS: &str = "SELECT c.number, c.id FROM membership m \
     JOIN customer c ON c.tenant_id = m.tenant_id AND c.number = m.customer_number \
     WHERE m.tenant_id = $1 AND m.organization_id = $2 ORDER BY m.position";

pub(crate) fn member(row: &Row<'_>) -> Result<Member, StoreError> {
    Ok(Member {
        number: row.int(0)?,
        id: row.text(1)?,
    })
}

impl ReadTx<'_> {
    /// The customers of an organization, in the order they were added.
    pub async fn members(&mut self, organization: OrganizationId) -> Result<Vec<Member>, StoreError> {
        self.fetch(MEMBERS, &[organization.0.into()], member).await
    }

    /// The organizations of a customer: id and name, by id.
    pub async fn organizations_of(
        &mut self,
        customer_number: i64,
    ) -> Result<Vec<(OrganizationId, String)>, StoreError> {
        const SQL: &str = "SELECT o.id, o.name FROM membership m \
             JOIN organization o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id \
             WHERE m.tenant_id = $1 AND m.customer_number = $2 ORDER BY m.organization_id";
        self.fetch(SQL, &[customer_number.into()], |row| {
            Ok((OrganizationId(row.int(0)?), row.text(1)?))
        })
        .await
    }
}

impl WriteTx<'_> {
    /// Adds a customer to an organization, if it is not a member yet. Two that are added at once may meet
    /// at one position: that is a conflict, never a link that is there.
    pub async fn add_member(
        &mut self,
        organization: OrganizationId,
        customer_number: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO membership (tenant_id, organization_id, customer_number, position) \
             SELECT $1, r.organization_id, r.customer_number, PLACE_IN(r.organization_id) + COALESCE((SELECT \
                 MAX(position) FROM membership WHERE tenant_id = $1 AND organization_id = r.organization_id), 0) \
             FROM EACH_ROW(organization_id $2, customer_number $3) \
             ON CONFLICT (tenant_id, customer_number, organization_id) DO NOTHING";
        self.execute_any_on(
            Touched::Organization(organization.0),
            SQL,
            &[organization.0.into(), customer_number.into()],
        )
        .await
    }

    /// Adds a customer to an organization that this transaction has made, as the one at this position, from 1: nobody can be there.
    pub async fn add_member_of_new(
        &mut self,
        organization: OrganizationId,
        customer_number: i64,
        position: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO membership (tenant_id, organization_id, customer_number, position) \
             SELECT $1, r.organization_id, r.customer_number, r.position \
             FROM EACH_ROW(organization_id $2, customer_number $3, position $4)";
        self.execute_one_on(
            Touched::Organization(organization.0),
            SQL,
            &[organization.0.into(), customer_number.into(), position.into()],
        )
        .await
    }

    /// Removes a customer from an organization; whether it was a member.
    pub async fn remove_member(
        &mut self,
        organization: OrganizationId,
        customer_number: i64,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM membership \
             WHERE tenant_id = $1 AND customer_number = $2 AND organization_id = $3";
        Ok(self
            .execute_on(
                Touched::Organization(organization.0),
                SQL,
                &[customer_number.into(), organization.0.into()],
            )
            .await?
            == 1)
    }
}
