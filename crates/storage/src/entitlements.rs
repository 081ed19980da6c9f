//! Entitlements of customers and organizations to products. One whose product or entity is deleted
//! is out of sight, since every statement joins both.

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::{Entitlement, Entity, Member, OrganizationId, Timestamp};

use crate::details::{from_text, to_text};
use crate::driver::{Ask, Row};
use crate::error::StoreError;
use crate::memberships;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

const CUSTOMER: &str = "CUSTOMER";
const ORGANIZATION: &str = "ORGANIZATION";

/// An entity as rows name it: its kind and its number.
pub(crate) fn entity_key(entity: Entity) -> (&'static str, i64) {
    match entity {
        Entity::Customer(number) => (CUSTOMER, number),
        Entity::Organization(id) => (ORGANIZATION, id.0),
    }
}

/// What a change of an entity's entitlements touches.
fn touched(entity: Entity) -> Touched {
    match entity {
        Entity::Organization(id) => Touched::Organization(id.0),
        Entity::Customer(number) => Touched::Customer(number),
    }
}

pub(crate) fn row(row: &Row<'_>) -> Result<Entitlement, StoreError> {
    let (kind, number) = (row.text(2)?, row.int(3)?);
    let (entity, entity_id) = match (kind.as_str(), row.opt_text(4)?) {
        (ORGANIZATION, _) => (Entity::Organization(OrganizationId(number)), number.to_string()),
        (CUSTOMER, Some(id)) => (Entity::Customer(number), id),
        _ => {
            return Err(StoreError::inconsistent(format!(
                "entitlement.entity_kind {kind}"
            )));
        }
    };
    Ok(Entitlement {
        number: row.int(0)?,
        id: row.text(1)?,
        entity,
        entity_id,
        product_id: row.text(5)?,
        product_name: row.text(6)?,
        details: from_text(&row.text(7)?)?,
    })
}

const ENTITLEMENT: &str = "SELECT e.number, e.id, e.entity_kind, e.entity_number, c.id, p.id, p.name, e.details \
     FROM entitlement e \
     JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
     LEFT JOIN customer c ON e.entity_kind = 'CUSTOMER' AND c.tenant_id = e.tenant_id \
         AND c.number = e.entity_number \
     LEFT JOIN organization o ON e.entity_kind = 'ORGANIZATION' AND o.tenant_id = e.tenant_id \
         AND o.id = e.entity_number \
     WHERE e.tenant_id = $1 AND e.id = $2 AND (c.number IS NOT NULL OR o.id IS NOT NULL)";

const OF_ORGANIZATION: &str = "SELECT e.number, e.id, e.entity_kind, e.entity_number, NULL, p.id, p.name, \
     e.details FROM entitlement e \
     JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
     WHERE e.tenant_id = $1 AND e.entity_kind = 'ORGANIZATION' AND e.entity_number = $2 \
     ORDER BY e.position";

impl ReadTx<'_> {
    /// The entitlement with this public id.
    pub async fn entitlement(&mut self, id: &str) -> Result<Option<Entitlement>, StoreError> {
        self.fetch_optional(ENTITLEMENT, &[id.into()], row).await
    }

    /// The entitlements of an organization, in the order they were added.
    pub async fn organization_entitlements(
        &mut self,
        id: OrganizationId,
    ) -> Result<Vec<Entitlement>, StoreError> {
        self.fetch(OF_ORGANIZATION, &[id.0.into()], row).await
    }

    /// The entitlements of an organization and its customers, both in the order they were added.
    pub async fn entitlements_and_members(
        &mut self,
        id: OrganizationId,
    ) -> Result<(Vec<Entitlement>, Vec<Member>), StoreError> {
        let (mut entitlements, mut customers) = (Vec::new(), Vec::new());
        let entitled = Ask::new(OF_ORGANIZATION, [id.0.into()], |each| {
            entitlements.push(row(each)?);
            Ok(())
        });
        let belonging = Ask::new(memberships::MEMBERS, [id.0.into()], |each| {
            customers.push(memberships::member(each)?);
            Ok(())
        });
        self.fetch_all(vec![entitled, belonging]).await?;
        Ok((entitlements, customers))
    }

    /// The entitlements of a customer alone, in the order they were added.
    pub async fn customer_entitlements(
        &mut self,
        customer_number: i64,
    ) -> Result<Vec<Entitlement>, StoreError> {
        const SQL: &str = "SELECT e.number, e.id, e.entity_kind, e.entity_number, c.id, p.id, p.name, e.details \
             FROM entitlement e \
             JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
             JOIN customer c ON c.tenant_id = e.tenant_id AND c.number = e.entity_number \
             WHERE e.tenant_id = $1 AND e.entity_kind = 'CUSTOMER' AND e.entity_number = $2 \
             ORDER BY e.position";
        self.fetch(SQL, &[customer_number.into()], row).await
    }

    /// The entitlements that a customer inherits from its organizations, by organization.
    pub async fn inherited_entitlements(
        &mut self,
        customer_number: i64,
    ) -> Result<Vec<Entitlement>, StoreError> {
        const SQL: &str = "SELECT e.number, e.id, e.entity_kind, e.entity_number, NULL, p.id, p.name, e.details \
             FROM membership m \
             JOIN organization o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id \
             JOIN entitlement e ON e.tenant_id = m.tenant_id AND e.entity_kind = 'ORGANIZATION' \
                 AND e.entity_number = m.organization_id \
             JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
             WHERE m.tenant_id = $1 AND m.customer_number = $2 ORDER BY m.organization_id, e.position";
        self.fetch(SQL, &[customer_number.into()], row).await
    }
}

impl WriteTx<'_> {
    /// The entitlement with this public id, which nobody else changes or removes until the transaction
    /// ends.
    pub async fn lock_entitlement(&mut self, id: &str) -> Result<Option<Entitlement>, StoreError> {
        // Its own row alone: what it is joined with is others'. The second answer is of after the lock.
        const LOCK: &str = "SELECT number FROM entitlement WHERE tenant_id = $1 AND id = $2 FOR_UPDATE";
        let mut found = None;
        let lock = Ask::new(LOCK, [id.into()], |_| Ok(()));
        let read = Ask::new(ENTITLEMENT, [id.into()], |each| {
            found = Some(row(each)?);
            Ok(())
        });
        self.fetch_all(vec![lock, read]).await?;
        Ok(found)
    }

    /// Adds an entitlement without values.
    pub async fn insert_entitlement(
        &mut self,
        number: i64,
        id: &str,
        entity: Entity,
        product_number: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO entitlement (tenant_id, number, id, entity_kind, entity_number, position, \
             product_number, details, created_at, updated_at) \
             SELECT $1, r.number, r.id, r.kind, r.entity, PLACE_IN(r.kind, r.entity) + COALESCE((SELECT MAX(position) \
                 FROM entitlement WHERE tenant_id = $1 AND entity_kind = r.kind AND entity_number = r.entity), 0), \
                 r.product, '{}', r.now, r.now \
             FROM EACH_ROW(entity $2, kind $3, number $4, id $5, product $6, now $7)";
        let (kind, entity_number) = entity_key(entity);
        self.execute_one_on(
            touched(entity),
            SQL,
            &[
                entity_number.into(),
                kind.into(),
                number.into(),
                id.into(),
                product_number.into(),
                now.0.into(),
            ],
        )
        .await
    }

    /// The same of an entity that this transaction has made, as the one at this position, from 1: nothing can be there.
    pub async fn insert_entitlement_of_new(
        &mut self,
        (number, id): (i64, &str),
        entity: Entity,
        position: i64,
        product_number: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO entitlement (tenant_id, number, id, entity_kind, entity_number, position, \
             product_number, details, created_at, updated_at) \
             SELECT $1, r.number, r.id, r.kind, r.entity, r.position, r.product, '{}', r.now, r.now \
             FROM EACH_ROW(entity $2, kind $3, number $4, id $5, position $6, product $7, now $8)";
        let (kind, entity_number) = entity_key(entity);
        self.execute_one_on(
            touched(entity),
            SQL,
            &[
                entity_number.into(),
                kind.into(),
                number.into(),
                id.into(),
                position.into(),
                product_number.into(),
                now.0.into(),
            ],
        )
        .await
    }

    /// Replaces an entitlement's values.
    pub async fn put_entitlement_details(
        &mut self,
        number: i64,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE entitlement SET details = $3, updated_at = $4 WHERE tenant_id = $1 AND number = $2";
        let details = to_text(new)?;
        self.execute_one(SQL, &[number.into(), (&details).into(), now.0.into()])
            .await?;
        self.index_values(number, old, new, definitions).await
    }

    /// Removes an entitlement with its values.
    pub async fn delete_entitlement(
        &mut self,
        number: i64,
        details: &Values,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM entitlement WHERE tenant_id = $1 AND number = $2";
        self.execute_one(SQL, &[number.into()]).await?;
        self.index_values(number, details, &Values::default(), definitions)
            .await
    }
}
