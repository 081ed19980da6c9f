//! Setting one detail value of an organization, a customer or an entitlement: written once.

use guildhall_domain::field::{Definition, EntityKind, FieldTexts, Values};
use guildhall_domain::{Caller, OrganizationId, Rejection, Thing, limits};
use guildhall_storage::{ReadTx, StoreError, WriteTx};

use crate::organizations::lock_organization;

use crate::{Error, Service};

/// Whose value is set, by public id.
#[derive(Clone, Debug)]
pub enum Target {
    /// An organization.
    Organization(String),
    /// A customer.
    Customer(String),
    /// An entitlement.
    Entitlement(String),
}

/// A value as it is now, with its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueOf {
    /// The field.
    pub definition: Definition,
    /// Its values, in their stored form.
    pub values: FieldTexts,
}

impl Target {
    fn kind(&self) -> EntityKind {
        match self {
            Self::Organization(_) => EntityKind::Organization,
            Self::Customer(_) => EntityKind::Customer,
            Self::Entitlement(_) => EntityKind::Entitlement,
        }
    }

    /// The entity's internal number and its values.
    async fn lock(&self, tx: &mut WriteTx<'_>) -> Result<(i64, Values), Error> {
        let found = match self {
            Self::Organization(id) => lock_organization(tx, id).await?.map(|o| (o.id.0, o.details)),
            Self::Customer(id) => lock_customer(tx, id).await?.map(|c| (c.number, c.details)),
            Self::Entitlement(id) => tx.lock_entitlement(id).await?.map(|e| (e.number, e.details)),
        };
        found.ok_or_else(|| match self {
            Self::Organization(id) => Rejection::not_found(Thing::Organization, id).into(),
            Self::Customer(id) => Rejection::not_found(Thing::Customer, id).into(),
            Self::Entitlement(id) => Rejection::not_found(Thing::Entitlement, id).into(),
        })
    }
}

/// The customer with this id, if it can exist at all.
pub(crate) async fn find_customer(
    tx: &mut ReadTx<'_>,
    id: &str,
) -> Result<Option<guildhall_domain::Customer>, StoreError> {
    if id.chars().count() > limits::CUSTOMER_ID_CHARS_MAX {
        return Ok(None);
    }
    tx.customer(id).await
}

/// The customer with this id, if it can exist at all, whom nobody else changes meanwhile.
pub(crate) async fn lock_customer(
    tx: &mut WriteTx<'_>,
    id: &str,
) -> Result<Option<guildhall_domain::Customer>, StoreError> {
    if id.chars().count() > limits::CUSTOMER_ID_CHARS_MAX {
        return Ok(None);
    }
    tx.lock_customer(id).await
}

impl Service {
    /// Replaces the whole value of one field; no values clear it.
    pub async fn set_value(
        &self,
        caller: &Caller,
        target: Target,
        field_name: String,
        values: Vec<String>,
    ) -> Result<ValueOf, Error> {
        let (definitions, now, phone) = (self.definitions.clone(), self.now(), self.settings.phone_format);
        self.store
            .write(caller.tenant, async move |tx| {
                tx.share_tenant().await?;
                let (number, old) = target.lock(tx).await?;
                let definitions = definitions.get(tx, target.kind()).await?;
                let definition = definitions.require(&field_name)?;
                let values = definition.check(&values, phone)?;
                let mut new = old.clone();
                new.set(definition.id, values.clone());
                if new != old {
                    match target {
                        Target::Organization(_) => {
                            let id = OrganizationId(number);
                            tx.put_organization_details(id, &old, &new, &definitions, now)
                                .await?;
                        }
                        Target::Customer(_) => {
                            tx.put_customer_details(number, &old, &new, &definitions, now)
                                .await?;
                        }
                        Target::Entitlement(_) => {
                            tx.put_entitlement_details(number, &old, &new, &definitions, now)
                                .await?;
                        }
                    }
                }
                Ok(ValueOf {
                    definition: definition.clone(),
                    values,
                })
            })
            .await
    }
}
