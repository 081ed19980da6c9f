//! Organization profiles: an organization with its values, its entitlements and its customers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use guildhall_domain::bulk::{FieldValues, check_associations, check_fields_named_once, check_value_count};
use guildhall_domain::field::{Definitions, EntityKind, PhoneFormat, Values};
use guildhall_domain::{
    Caller, Entitlement, Entity, Excerpt, Member, Organization, OrganizationId, Rejection, Thing, limits,
    text,
};
use guildhall_storage::{Counter, ReadTx, StoreError};

use crate::definitions::DefinitionsCache;
use crate::organizations::{
    check_fetch, find_organization, find_organizations, free_organization_id, name_taken, no_organization,
    organization_name,
};
use crate::{Error, Service};

/// An organization's profile.
#[derive(Clone, Debug)]
pub struct OrganizationProfile {
    /// The organization with its values.
    pub organization: Organization,
    /// The definitions of organizations' fields.
    pub definitions: Arc<Definitions>,
    /// Its own entitlements, in the order they were added.
    pub entitlements: Vec<Entitlement>,
    /// The definitions of entitlements' fields.
    pub entitlement_definitions: Arc<Definitions>,
    /// Its customers, in the order they were added.
    pub customers: Vec<Member>,
}

/// What a new profile shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewProfile {
    /// The organization's name.
    pub name: String,
    /// Its values.
    pub details: Vec<FieldValues>,
    /// Its customers, by public id.
    pub customer_ids: Vec<String>,
    /// Products it is entitled to, by public id.
    pub product_ids: Vec<String>,
}

impl Service {
    /// One profile.
    pub async fn profile(&self, caller: &Caller, id: &str) -> Result<OrganizationProfile, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let organization = find_organization(tx, id)
                    .await?
                    .ok_or_else(|| no_organization(id))?;
                Ok(profile_of(tx, &self.definitions, organization).await?)
            })
            .await
    }

    /// The profiles with these ids, then those with these names; each once, unknown ones left out.
    pub async fn fetch_profiles(
        &self,
        caller: &Caller,
        ids: &[String],
        names: &[String],
    ) -> Result<Vec<OrganizationProfile>, Error> {
        check_fetch(ids, names, limits::FETCH_PROFILES_MAX)?;
        self.store
            .read(caller.tenant, async |tx| {
                let mut profiles = Vec::new();
                for organization in find_organizations(tx, ids, names).await? {
                    profiles.push(profile_of(tx, &self.definitions, organization).await?);
                }
                Ok(profiles)
            })
            .await
    }

    /// Adds an organization with its values, customers and entitlements: all of it, or nothing.
    pub async fn create_profile(
        &self,
        caller: &Caller,
        new: NewProfile,
    ) -> Result<OrganizationProfile, Error> {
        let name = organization_name(&new.name)?;
        check_fields_named_once(&new.details)?;
        check_value_count(new.details.iter().map(|detail| detail.values.len()))
            .map_err(|e| e.inside("details"))?;
        check_associations(&new.customer_ids, &new.product_ids)?;
        let name_key = text::key(&name);
        let tenant = caller.tenant;
        let first = OrganizationId(self.numbers.take(tenant, Counter::Organization, 1).await?);
        let mut product_ids = new.product_ids.clone();
        let mut seen = HashSet::new();
        product_ids.retain(|id| seen.insert(id.to_ascii_lowercase()));
        let count = i64::try_from(product_ids.len()).unwrap_or(i64::MAX);
        let number = match count {
            0 => 0,
            count => self.numbers.take(tenant, Counter::Entitlement, count).await?,
        };
        let entitlement_ids: Vec<String> = product_ids.iter().map(|_| self.new_uuid()).collect();
        let (definitions, now, phone) = (self.definitions.clone(), self.now(), self.settings.phone_format);
        let created: OrganizationProfile = self
            .store
            .write(tenant, async move |tx| {
                tx.share_tenant().await?;
                let fields = definitions.get(tx, EntityKind::Organization).await?;
                if let Some(other) = tx.organization_by_key(&name_key).await? {
                    return Err(Error::from(name_taken(&name, other.id)));
                }
                let details = check_details(&fields, &new.details, phone)?;
                let wanted = new.customer_ids.iter().cloned().collect();
                let place = (Thing::Customer, "associateCustomers.customerIds");
                let customers = known(
                    &new.customer_ids,
                    &tx.customer_numbers(&wanted).await?,
                    str::to_owned,
                    place,
                )?;
                let wanted = new.product_ids.iter().map(|id| id.to_ascii_lowercase()).collect();
                let place = (Thing::Product, "associateProducts.productIds");
                let products = known(
                    &new.product_ids,
                    &tx.product_numbers(&wanted).await?,
                    str::to_ascii_lowercase,
                    place,
                )?;
                let id = free_organization_id(tx, first).await?;
                let organization = Organization {
                    id,
                    name,
                    name_key,
                    details,
                };
                tx.insert_organization(&organization, &fields, now).await?;
                for customer in customers {
                    tx.add_member(id, customer).await?;
                }
                let entity = Entity::Organization(id);
                for ((product, entitlement), number) in products.iter().zip(&entitlement_ids).zip(number..) {
                    tx.insert_entitlement(number, entitlement, entity, *product, now)
                        .await?;
                }
                Ok::<_, Error>(profile_of(tx, &definitions, organization).await?)
            })
            .await?;
        self.note_organization_id(tenant, first, created.organization.id)
            .await;
        Ok(created)
    }
}

async fn profile_of(
    tx: &mut ReadTx<'_>,
    definitions: &DefinitionsCache,
    organization: Organization,
) -> Result<OrganizationProfile, StoreError> {
    Ok(OrganizationProfile {
        definitions: definitions.get(tx, EntityKind::Organization).await?,
        entitlements: tx.organization_entitlements(organization.id).await?,
        entitlement_definitions: definitions.get(tx, EntityKind::Entitlement).await?,
        customers: tx.members(organization.id).await?,
        organization,
    })
}

/// The values of a payload in their stored form.
pub(crate) fn check_details(
    definitions: &Definitions,
    details: &[FieldValues],
    phone: PhoneFormat,
) -> Result<Values, Rejection> {
    let mut values = Values::default();
    for (index, detail) in details.iter().enumerate() {
        let at = format!("details[{index}]");
        // A field that a body names is a value of that body: 400, not 404.
        let definition = definitions.require(&detail.name).map_err(|missing| {
            Rejection::invalid(format!("{at}.name"), format!("Invalid detail field: {missing}"))
        })?;
        let checked = definition
            .check(&detail.values, phone)
            .map_err(|e| e.inside(&at))?;
        values.set(definition.id, checked);
    }
    Ok(values)
}

/// The numbers of things that a payload names, each once, in its order.
fn known(
    ids: &[String],
    numbers: &HashMap<String, i64>,
    spelled: fn(&str) -> String,
    (thing, at): (Thing, &str),
) -> Result<Vec<i64>, Rejection> {
    let mut seen = HashSet::new();
    let mut found = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let number = numbers.get(&spelled(id)).ok_or_else(|| {
            let problem = format!("there is no {} {:?}", thing.name(), Excerpt(id));
            Rejection::invalid(format!("{at}[{index}]"), problem)
        })?;
        if seen.insert(*number) {
            found.push(*number);
        }
    }
    Ok(found)
}
