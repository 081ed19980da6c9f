//! What hung on deleted things: out of sight since the delete, removed here in batches, so that no
//! delete is a long transaction.

use guildhall_domain::{Definitions, Entity, EntityKind, FieldId, OrganizationId, TenantId, Values};

use crate::details::{from_text, to_text};
use crate::entitlements::entity_key;
use crate::error::StoreError;
use crate::tx::{SystemTx, WriteTx};
use crate::versions::Touched;

/// Rows that one batch removes at most.
pub const SWEEP_ROWS_MAX: i64 = 500;

/// A deleted thing whose remains are still to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// An organization: its memberships and entitlements.
    Organization(OrganizationId),
    /// A customer, by number: its memberships and entitlements.
    Customer(i64),
    /// A product, by number: the entitlements to it.
    Product(i64),
    /// A detail field: its values.
    Field(FieldId),
    /// A connection, by number: all that its connector pushed.
    Connection(i64),
}

impl Sweep {
    fn key(self) -> (&'static str, i64) {
        match self {
            Self::Organization(id) => ("ORGANIZATION", id.0),
            Self::Customer(number) => ("CUSTOMER", number),
            Self::Product(number) => ("PRODUCT", number),
            Self::Field(id) => ("FIELD", id.0),
            Self::Connection(number) => ("CONNECTION", number),
        }
    }

    fn from_key(what: &str, target: i64) -> Result<Self, StoreError> {
        Ok(match what {
            "ORGANIZATION" => Self::Organization(OrganizationId(target)),
            "CUSTOMER" => Self::Customer(target),
            "PRODUCT" => Self::Product(target),
            "FIELD" => Self::Field(FieldId(target)),
            "CONNECTION" => Self::Connection(target),
            other => return Err(StoreError::inconsistent(format!("sweep.what {other}"))),
        })
    }
}

/// How far a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// There may be more.
    More,
    /// Nothing is left of it.
    Finished,
}

impl SystemTx<'_> {
    /// Some sweeps that wait, of any tenant.
    pub async fn waiting_sweeps(&mut self, limit: i64) -> Result<Vec<(TenantId, Sweep)>, StoreError> {
        const SQL: &str =
            "SELECT tenant_id, what, target FROM sweep ORDER BY tenant_id, what, target LIMIT $1";
        self.fetch(SQL, &[limit.into()], |row| {
            Ok((
                TenantId(row.int(0)?),
                Sweep::from_key(&row.text(1)?, row.int(2)?)?,
            ))
        })
        .await
    }
}

impl WriteTx<'_> {
    pub(crate) async fn plan_sweep(&mut self, sweep: Sweep) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO sweep (tenant_id, what, target) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING";
        let (what, target) = sweep.key();
        self.execute_any_on(Touched::Nothing, SQL, &[what.into(), target.into()])
            .await
    }

    /// Whether a sweep still waits. Servers that sweep the same take turns, a batch each: else one that
    /// finds the rows of its batch gone would take that for the end.
    async fn lock_sweep(&mut self, what: &'static str, target: i64) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT target FROM sweep \
             WHERE tenant_id = $1 AND what = $2 AND target = $3 FOR_UPDATE";
        let found = self
            .fetch_optional(SQL, &[what.into(), target.into()], |_| Ok(()))
            .await?;
        Ok(found.is_some())
    }

    /// Removes one batch, or makes it possible: whoever is told that there is more commits first. `entitlement_fields` are the
    /// definitions of entitlements.
    pub async fn sweep(
        &mut self,
        sweep: Sweep,
        entitlement_fields: &Definitions,
    ) -> Result<Swept, StoreError> {
        const FORGET: &str = "DELETE FROM sweep WHERE tenant_id = $1 AND what = $2 AND target = $3";
        let (what, target) = sweep.key();
        if !self.lock_sweep(what, target).await? {
            return Ok(Swept::Finished);
        }
        let removed = match sweep {
            Sweep::Organization(id) => {
                const SQL: &str = "DELETE FROM membership WHERE tenant_id = $1 AND organization_id = $2 \
                     AND position IN (SELECT position FROM membership \
                         WHERE tenant_id = $1 AND organization_id = $2 LIMIT $3)";
                let members = self
                    .execute_on(Touched::Nothing, SQL, &[id.0.into(), SWEEP_ROWS_MAX.into()])
                    .await?;
                members
                    + self
                        .sweep_entity(Entity::Organization(id), entitlement_fields)
                        .await?
            }
            Sweep::Customer(number) => {
                const SQL: &str = "DELETE FROM membership WHERE tenant_id = $1 AND customer_number = $2 \
                     AND organization_id IN (SELECT organization_id FROM membership \
                         WHERE tenant_id = $1 AND customer_number = $2 LIMIT $3)";
                let members = self
                    .execute_on(Touched::Nothing, SQL, &[number.into(), SWEEP_ROWS_MAX.into()])
                    .await?;
                members
                    + self
                        .sweep_entity(Entity::Customer(number), entitlement_fields)
                        .await?
            }
            Sweep::Product(number) => self.sweep_product(number, entitlement_fields).await?,
            // Its holders are found by the index, and must not come into it behind the sweep. No new ones come.
            Sweep::Field(id) if self.waits_for_entries_of(id) => return Ok(Swept::More),
            Sweep::Field(id) => self.sweep_field(id).await?,
            Sweep::Connection(number) => self.sweep_connection(number, SWEEP_ROWS_MAX).await?,
        };
        if removed > 0 {
            return Ok(Swept::More);
        }
        self.execute_any_on(Touched::Nothing, FORGET, &[what.into(), target.into()])
            .await?;
        Ok(Swept::Finished)
    }

    async fn sweep_entity(&mut self, entity: Entity, fields: &Definitions) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT number, details FROM entitlement \
             WHERE tenant_id = $1 AND entity_kind = $2 AND entity_number = $3 ORDER BY position LIMIT $4 FOR_UPDATE";
        let (kind, number) = entity_key(entity);
        let params = [kind.into(), number.into(), SWEEP_ROWS_MAX.into()];
        let rows = self
            .fetch(SQL, &params, |row| Ok((row.int(0)?, row.text(1)?)))
            .await?;
        self.remove_entitlements(rows, fields).await
    }

    async fn sweep_product(&mut self, number: i64, fields: &Definitions) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT number, details FROM entitlement \
             WHERE tenant_id = $1 AND product_number = $2 ORDER BY number LIMIT $3 FOR_UPDATE";
        let params = [number.into(), SWEEP_ROWS_MAX.into()];
        let rows = self
            .fetch(SQL, &params, |row| Ok((row.int(0)?, row.text(1)?)))
            .await?;
        self.remove_entitlements(rows, fields).await
    }

    async fn remove_entitlements(
        &mut self,
        rows: Vec<(i64, String)>,
        fields: &Definitions,
    ) -> Result<u64, StoreError> {
        let removed = rows.len() as u64;
        for (number, details) in rows {
            self.delete_entitlement(number, &from_text(&details)?, fields)
                .await?;
        }
        Ok(removed)
    }

    /// Takes a deleted field's values out of the rows of their holders, which the index names.
    async fn sweep_field(&mut self, field: FieldId) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM detail_index WHERE tenant_id = $1 AND field_id = $2 \
             AND value_key = $3 AND entity_number = $4";
        const SQL: &str = "SELECT value_key, entity_number FROM detail_index \
             WHERE tenant_id = $1 AND field_id = $2 LIMIT $3";
        let mut holders = self
            .fetch(SQL, &[field.0.into(), SWEEP_ROWS_MAX.into()], |row| {
                Ok((row.text(0)?, row.int(1)?))
            })
            .await?;
        // In the order in which everybody locks them.
        holders.sort_unstable_by_key(|(_, number)| *number);
        // Of which kind the field was is not known any more; what another kind has under such a number holds nothing of it.
        for kind in [
            EntityKind::Organization,
            EntityKind::Customer,
            EntityKind::Entitlement,
        ] {
            for (_, number) in &holders {
                self.forget_value(kind, *number, field).await?;
            }
        }
        for (key, number) in &holders {
            let params = [field.0.into(), key.into(), (*number).into()];
            self.execute_any_on(Touched::Nothing, FORGET, &params).await?;
        }
        Ok(holders.len() as u64)
    }

    async fn forget_value(
        &mut self,
        kind: EntityKind,
        number: i64,
        field: FieldId,
    ) -> Result<(), StoreError> {
        let (read, write) = match kind {
            EntityKind::Organization => (
                "SELECT details FROM organization WHERE tenant_id = $1 AND id = $2 FOR_UPDATE",
                "UPDATE organization SET details = $3 WHERE tenant_id = $1 AND id = $2",
            ),
            EntityKind::Customer => (
                "SELECT details FROM customer WHERE tenant_id = $1 AND number = $2 FOR_UPDATE",
                "UPDATE customer SET details = $3 WHERE tenant_id = $1 AND number = $2",
            ),
            EntityKind::Entitlement => (
                "SELECT details FROM entitlement WHERE tenant_id = $1 AND number = $2 FOR_UPDATE",
                "UPDATE entitlement SET details = $3 WHERE tenant_id = $1 AND number = $2",
            ),
        };
        let Some(text) = self
            .fetch_optional(read, &[number.into()], |row| row.text(0))
            .await?
        else {
            return Ok(());
        };
        let mut values: Values = from_text(&text)?;
        if !values.get(field).is_empty() {
            values.set(field, Vec::new());
            let text = to_text(&values)?;
            self.execute_one_on(Touched::Nothing, write, &[number.into(), (&text).into()])
                .await?;
        }
        Ok(())
    }
}
