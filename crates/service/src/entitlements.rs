//! Entitlements of customers and organizations to products.

use std::sync::Arc;

use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_domain::{Caller, Entitlement, Entity, Rejection, Thing, limits};
use guildhall_storage::{Counter, ReadTx, StoreError, WriteTx};

use crate::accounts::no_customer;
use crate::organizations::{find_organization, lock_organization, no_organization};
use crate::values::{Target, find_customer, lock_customer};
use crate::{Error, Service};

/// An entitlement with what its values mean.
#[derive(Clone, Debug)]
pub struct EntitlementDetails {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// The definitions of entitlements' fields.
    pub definitions: Arc<Definitions>,
}

/// Entitlements with what their values mean.
#[derive(Clone, Debug)]
pub struct EntitlementsDetails {
    /// The entitlements.
    pub entitlements: Vec<Entitlement>,
    /// The definitions of entitlements' fields.
    pub definitions: Arc<Definitions>,
}

/// One page of entitlements.
#[derive(Clone, Debug)]
pub struct EntitlementPage {
    /// The entitlements of the page.
    pub page: EntitlementsDetails,
    /// The place of the first in the list, from 0.
    pub start: i64,
    /// How many a page may hold.
    pub limit: i64,
    /// Whether none come after.
    pub is_last: bool,
}

pub(crate) fn no_entitlement(id: &str) -> Error {
    Rejection::not_found(Thing::Entitlement, id).into()
}

impl Service {
    /// The entitlements of an organization or a customer, the inherited ones last; with `product`
    /// only those to that product.
    pub async fn entitlements(
        &self,
        caller: &Caller,
        of: &Target,
        product: Option<&str>,
    ) -> Result<EntitlementsDetails, Error> {
        let product = product.map(str::to_ascii_lowercase);
        self.store
            .read(caller.tenant, async |tx| {
                let entity = entity_of(tx, of).await?;
                let mut entitlements = entitlements_of(tx, entity).await?;
                if let Some(product) = product {
                    entitlements.retain(|entitlement| entitlement.product_id == product);
                }
                let definitions = self.definitions.get(tx, EntityKind::Entitlement).await?;
                Ok(EntitlementsDetails {
                    entitlements,
                    definitions,
                })
            })
            .await
    }

    /// Of the same list, `limit` (at most, and without it, 25) from place `start` on.
    pub async fn entitlement_page(
        &self,
        caller: &Caller,
        of: &Target,
        product: Option<&str>,
        start: Option<i64>,
        limit: Option<i64>,
    ) -> Result<EntitlementPage, Error> {
        let max = limits::ENTITLEMENTS_PAGE_MAX;
        let (start, limit) = (start.unwrap_or(0).max(0), limit.unwrap_or(max).clamp(1, max));
        let mut page = self.entitlements(caller, of, product).await?;
        let before = usize::try_from(start)
            .unwrap_or(usize::MAX)
            .min(page.entitlements.len());
        page.entitlements.drain(..before);
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_last = page.entitlements.len() <= size;
        page.entitlements.truncate(size);
        Ok(EntitlementPage {
            page,
            start,
            limit,
            is_last,
        })
    }

    /// One entitlement.
    pub async fn entitlement(&self, caller: &Caller, id: &str) -> Result<EntitlementDetails, Error> {
        let wanted = id.to_ascii_lowercase();
        self.store
            .read(caller.tenant, async |tx| {
                let entitlement = tx.entitlement(&wanted).await?.ok_or_else(|| no_entitlement(id))?;
                let definitions = self.definitions.get(tx, EntityKind::Entitlement).await?;
                Ok(EntitlementDetails {
                    entitlement,
                    definitions,
                })
            })
            .await
    }

    /// Entitles an organization or a customer to a product. A second time is a second entitlement.
    pub async fn create_entitlement(
        &self,
        caller: &Caller,
        of: Target,
        product_id: String,
    ) -> Result<EntitlementDetails, Error> {
        let number = self.numbers.take(caller.tenant, Counter::Entitlement, 1).await?;
        let (id, now, definitions) = (self.new_uuid(), self.now(), self.definitions.clone());
        self.store
            .write(caller.tenant, async move |tx| {
                let entity = lock_entity(tx, &of).await?;
                let wanted = product_id.to_ascii_lowercase();
                let product = tx
                    .share_product(&wanted)
                    .await?
                    .ok_or_else(|| Error::from(Rejection::not_found(Thing::Product, product_id)))?;
                tx.insert_entitlement(number, &id, entity, product.number, now)
                    .await?;
                let entitlement = tx.entitlement(&id).await?.ok_or_else(|| no_entitlement(&id))?;
                let definitions = definitions.get(tx, EntityKind::Entitlement).await?;
                Ok(EntitlementDetails {
                    entitlement,
                    definitions,
                })
            })
            .await
    }

    /// Removes an entitlement with its values.
    pub async fn delete_entitlement(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let (id, definitions) = (id.to_owned(), self.definitions.clone());
        self.store
            .write(caller.tenant, async move |tx| {
                let wanted = id.to_ascii_lowercase();
                let entitlement = tx
                    .lock_entitlement(&wanted)
                    .await?
                    .ok_or_else(|| no_entitlement(&id))?;
                let definitions = definitions.get(tx, EntityKind::Entitlement).await?;
                Ok(tx
                    .delete_entitlement(entitlement.number, &entitlement.details, &definitions)
                    .await?)
            })
            .await
    }
}

/// The entity that a target names.
async fn entity_of(tx: &mut ReadTx<'_>, of: &Target) -> Result<Entity, Error> {
    match of {
        Target::Organization(id) => {
            let organization = find_organization(tx, id)
                .await?
                .ok_or_else(|| no_organization(id))?;
            Ok(Entity::Organization(organization.id))
        }
        Target::Customer(id) => {
            let customer = find_customer(tx, id).await?.ok_or_else(|| no_customer(id))?;
            Ok(Entity::Customer(customer.number))
        }
        // Nothing is entitled to an entitlement.
        Target::Entitlement(id) => Err(no_entitlement(id)),
    }
}

/// The same, and nobody else entitles it meanwhile: entitlements have an order.
async fn lock_entity(tx: &mut WriteTx<'_>, of: &Target) -> Result<Entity, Error> {
    match of {
        Target::Organization(id) => {
            let organization = lock_organization(tx, id)
                .await?
                .ok_or_else(|| no_organization(id))?;
            Ok(Entity::Organization(organization.id))
        }
        Target::Customer(id) => {
            let customer = lock_customer(tx, id).await?.ok_or_else(|| no_customer(id))?;
            Ok(Entity::Customer(customer.number))
        }
        Target::Entitlement(id) => Err(no_entitlement(id)),
    }
}

/// The entitlements of an organization or a customer; a customer's are followed by those inherited.
pub(crate) async fn entitlements_of(
    tx: &mut ReadTx<'_>,
    entity: Entity,
) -> Result<Vec<Entitlement>, StoreError> {
    Ok(match entity {
        Entity::Organization(id) => tx.organization_entitlements(id).await?,
        Entity::Customer(number) => {
            let mut own = tx.customer_entitlements(number).await?;
            own.extend(tx.inherited_entitlements(number).await?);
            own
        }
    })
}
