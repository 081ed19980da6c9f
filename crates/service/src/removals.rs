//! What a delete would take along, said without deleting; and removing a customer from an organization.

use guildhall_domain::{Caller, Customer, Entity, Organization, Rejection, Thing, limits};
use guildhall_storage::{Linked, ReadTx, StoreError};

use crate::accounts::no_customer;
use crate::organizations::{find_organization, lock_organization, no_organization};
use crate::products::no_product;
use crate::values::find_customer;
use crate::{Error, Service};

/// What a delete would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Organizations.
    pub organizations: i64,
    /// Customers.
    pub customers: i64,
    /// Products.
    pub products: i64,
    /// Entitlements.
    pub entitlements: i64,
    /// Memberships of customers in organizations.
    pub memberships: i64,
    /// Whether a count stopped at 10,000.
    pub is_more: bool,
}

const MAX: i64 = limits::LIST_ROWS_MAX as i64;

impl Removal {
    /// Cuts counts that were asked for with one more than the most.
    fn bounded(self) -> Self {
        Self {
            entitlements: self.entitlements.min(MAX),
            memberships: self.memberships.min(MAX),
            is_more: self.entitlements > MAX || self.memberships > MAX,
            ..self
        }
    }
}

fn no_member(customer_id: &str) -> Error {
    Rejection::not_found(Thing::Member, customer_id).into()
}

async fn hangs_on(tx: &mut ReadTx<'_>, entity: Entity) -> Result<Removal, StoreError> {
    Ok(Removal {
        memberships: tx.count_memberships(entity, MAX + 1).await?,
        entitlements: tx.count_entitlements_of(entity, MAX + 1).await?,
        ..Removal::default()
    }
    .bounded())
}

/// The two ends of a membership that a path names.
async fn ends(
    tx: &mut ReadTx<'_>,
    organization_id: &str,
    customer_id: &str,
) -> Result<(Organization, Customer), Error> {
    let organization = find_organization(tx, organization_id)
        .await?
        .ok_or_else(|| no_organization(organization_id))?;
    let customer = find_customer(tx, customer_id)
        .await?
        .ok_or_else(|| no_customer(customer_id))?;
    Ok((organization, customer))
}

impl Service {
    /// What deleting an organization would remove.
    pub async fn organization_removal(&self, caller: &Caller, id: &str) -> Result<Removal, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let found = find_organization(tx, id)
                    .await?
                    .ok_or_else(|| no_organization(id))?;
                Ok(Removal {
                    organizations: 1,
                    ..hangs_on(tx, Entity::Organization(found.id)).await?
                })
            })
            .await
    }

    /// What deleting a customer would remove.
    pub async fn customer_removal(&self, caller: &Caller, id: &str) -> Result<Removal, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let found = find_customer(tx, id).await?.ok_or_else(|| no_customer(id))?;
                Ok(Removal {
                    customers: 1,
                    ..hangs_on(tx, Entity::Customer(found.number)).await?
                })
            })
            .await
    }

    /// What deleting a product would remove.
    pub async fn product_removal(&self, caller: &Caller, id: &str) -> Result<Removal, Error> {
        let wanted = id.to_ascii_lowercase();
        self.store
            .read(caller.tenant, async |tx| {
                let found = tx.product(&wanted).await?.ok_or_else(|| no_product(id))?;
                Ok(Removal {
                    products: 1,
                    entitlements: tx.count_entitlements_to(found.number, MAX + 1).await?,
                    ..Removal::default()
                }
                .bounded())
            })
            .await
    }

    /// What deleting an entitlement would remove.
    pub async fn entitlement_removal(&self, caller: &Caller, id: &str) -> Result<Removal, Error> {
        self.entitlement(caller, id).await?;
        Ok(Removal {
            entitlements: 1,
            ..Removal::default()
        })
    }

    /// What removing a customer from an organization would remove.
    pub async fn member_removal(
        &self,
        caller: &Caller,
        organization_id: &str,
        customer_id: &str,
    ) -> Result<Removal, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let (organization, customer) = ends(tx, organization_id, customer_id).await?;
                let linked = Linked::ToCustomer(customer.number);
                let is_member = tx.list_linked(linked, &[organization.id.0]).await?;
                match is_member.is_empty() {
                    true => Err(no_member(customer_id)),
                    false => Ok(Removal {
                        memberships: 1,
                        ..Removal::default()
                    }),
                }
            })
            .await
    }

    /// Removes a customer from an organization. Both stay, and so do their entitlements.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        organization_id: &str,
        customer_id: &str,
    ) -> Result<(), Error> {
        let (organization_id, customer_id) = (organization_id.to_owned(), customer_id.to_owned());
        self.store
            .write(caller.tenant, async move |tx| {
                lock_organization(tx, &organization_id).await?;
                let (organization, customer) = ends(tx, &organization_id, &customer_id).await?;
                match tx.remove_member(organization.id, customer.number).await? {
                    true => Ok(()),
                    false => Err(no_member(&customer_id)),
                }
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_to_ten_thousand() {
        let of = |entitlements, memberships| {
            let removal = Removal {
                entitlements,
                memberships,
                ..Removal::default()
            };
            let bounded = removal.bounded();
            (bounded.entitlements, bounded.memberships, bounded.is_more)
        };
        assert_eq!(of(10_000, 3), (10_000, 3, false));
        assert_eq!(of(10_001, 3), (10_000, 3, true));
        assert_eq!(of(0, 10_001), (0, 10_000, true));
    }
}
