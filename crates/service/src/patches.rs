//! Partial changes, whole or not at all: what the vendor's API does with one request a part. The rules
//! are those of the single operations.

use std::sync::Arc;

use guildhall_domain::bulk::{self, FieldValues};
use guildhall_domain::field::{Definitions, EntityKind, PhoneFormat, Values};
use guildhall_domain::list::Listed;
use guildhall_domain::{Caller, Customer, Entitlement, Organization, Product, Rejection, text};
use guildhall_storage::ReadTx;

use crate::accounts::{display_name, email_address, email_taken, no_customer};
use crate::entitlements::no_entitlement;
use crate::lists::Load;
use crate::organizations::{lock_organization, name_taken, no_organization, organization_name};
use crate::products::{no_product, product_name};
use crate::values::lock_customer;
use crate::{Error, Service};

/// A thing as it is after a change, with what its values mean.
#[derive(Clone, Debug)]
pub struct Patched<T> {
    /// The thing.
    pub row: Listed<T>,
    /// The definitions of its fields.
    pub definitions: Arc<Definitions>,
}

/// Changes to an organization; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationPatch {
    /// The new name.
    pub name: Option<String>,
    /// New values of some fields; none clear the field.
    pub details: Option<Vec<FieldValues>>,
}

/// Changes to a customer; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerPatch {
    /// The new name shown.
    pub display_name: Option<String>,
    /// The new email.
    pub email: Option<String>,
    /// New values of some fields; none clear the field.
    pub details: Option<Vec<FieldValues>>,
}

fn nothing_to_change(members: &str) -> Rejection {
    Rejection::invalid("", format!("there is nothing to change: send {members}"))
}

/// The form of the values of a patch.
fn check_form(details: Option<&[FieldValues]>) -> Result<(), Rejection> {
    bulk::check_details(details.unwrap_or_default())
}

/// The values of an entity after a patch.
fn patched(
    definitions: &Definitions,
    old: &Values,
    details: &[FieldValues],
    phone: PhoneFormat,
) -> Result<Values, Rejection> {
    let checked = bulk::check_values(definitions, details, phone)?;
    let mut new = old.clone();
    for detail in details {
        if let Some(definition) = definitions.find(&detail.name) {
            new.set(definition.id, checked.get(definition.id));
        }
    }
    Ok(new)
}

/// The row as it now is.
async fn row<T: Load>(tx: &mut ReadTx<'_>, number: i64, missing: Error) -> Result<Listed<T>, Error> {
    T::load(tx, &[number]).await?.pop().ok_or(missing)
}

impl Service {
    /// Changes an organization's name, some of its values, or both.
    pub async fn patch_organization(
        &self,
        caller: &Caller,
        id: &str,
        patch: OrganizationPatch,
    ) -> Result<Patched<Organization>, Error> {
        if patch == OrganizationPatch::default() {
            return Err(nothing_to_change("name, details, or both").into());
        }
        let name = patch.name.as_deref().map(organization_name).transpose()?;
        check_form(patch.details.as_deref())?;
        let (id, now, phone) = (id.to_owned(), self.now(), self.settings.phone_format);
        let definitions = self.definitions.clone();
        self.store
            .write(caller.tenant, async move |tx| {
                tx.share_tenant().await?;
                let old = lock_organization(tx, &id)
                    .await?
                    .ok_or_else(|| no_organization(&id))?;
                let definitions = definitions.get(tx, EntityKind::Organization).await?;
                if let Some(name) = name.filter(|name| *name != old.name) {
                    let key = text::key(&name);
                    if let Some(other) = tx.organization_by_key(&key).await?
                        && other.id != old.id
                    {
                        return Err(name_taken(&name, &other.id.to_string()).into());
                    }
                    tx.rename_organization(old.id, &name, &key, now).await?;
                }
                let details = patch.details.unwrap_or_default();
                let new = patched(&definitions, &old.details, &details, phone)?;
                if new != old.details {
                    tx.put_organization_details(old.id, &old.details, &new, &definitions, now)
                        .await?;
                }
                Ok(Patched {
                    row: row(tx, old.id.0, no_organization(&id)).await?,
                    definitions,
                })
            })
            .await
    }

    /// Changes what is shown of a customer, its email, some of its values, or all of them.
    pub async fn patch_customer(
        &self,
        caller: &Caller,
        id: &str,
        patch: CustomerPatch,
    ) -> Result<Patched<Customer>, Error> {
        if patch == CustomerPatch::default() {
            return Err(nothing_to_change("displayName, email, details, or several of them").into());
        }
        let name = patch.display_name.as_deref().map(display_name).transpose()?;
        let email = patch.email.as_deref().map(email_address).transpose()?;
        check_form(patch.details.as_deref())?;
        let (id, now, phone) = (id.to_owned(), self.now(), self.settings.phone_format);
        let definitions = self.definitions.clone();
        self.store
            .write(caller.tenant, async move |tx| {
                tx.share_tenant().await?;
                let old = lock_customer(tx, &id).await?.ok_or_else(|| no_customer(&id))?;
                let definitions = definitions.get(tx, EntityKind::Customer).await?;
                if let Some(name) = name.filter(|name| *name != old.display_name) {
                    tx.rename_customer(old.number, &name, now).await?;
                }
                if let Some(email) = email.filter(|email| *email != old.email) {
                    let key = text::key(&email);
                    if key != old.email_key
                        && let Some(other) = tx.customer_by_key(&key).await?
                    {
                        return Err(email_taken(&email, &other.id).into());
                    }
                    tx.change_customer_email(old.number, &email, &key, now).await?;
                }
                let details = patch.details.unwrap_or_default();
                let new = patched(&definitions, &old.details, &details, phone)?;
                if new != old.details {
                    tx.put_customer_details(old.number, &old.details, &new, &definitions, now)
                        .await?;
                }
                Ok(Patched {
                    row: row(tx, old.number, no_customer(&id)).await?,
                    definitions,
                })
            })
            .await
    }

    /// Changes a product's name.
    pub async fn patch_product(
        &self,
        caller: &Caller,
        id: &str,
        name: Option<&str>,
    ) -> Result<Listed<Product>, Error> {
        let name = product_name(name.ok_or_else(|| nothing_to_change("name"))?)?;
        let (id, now) = (id.to_owned(), self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let old = tx
                    .lock_product(&id.to_ascii_lowercase())
                    .await?
                    .ok_or_else(|| no_product(&id))?;
                if name != old.name {
                    tx.rename_product(old.number, &name, &text::key(&name), now)
                        .await?;
                }
                row(tx, old.number, no_product(&id)).await
            })
            .await
    }

    /// Changes some values of an entitlement.
    pub async fn patch_entitlement(
        &self,
        caller: &Caller,
        id: &str,
        details: Option<Vec<FieldValues>>,
    ) -> Result<Patched<Entitlement>, Error> {
        let details = details.ok_or_else(|| nothing_to_change("details"))?;
        check_form(Some(&details))?;
        let (id, now, phone) = (id.to_owned(), self.now(), self.settings.phone_format);
        let definitions = self.definitions.clone();
        self.store
            .write(caller.tenant, async move |tx| {
                let wanted = id.to_ascii_lowercase();
                tx.share_tenant().await?;
                tx.lock_entitlement(&wanted).await?;
                let old = tx
                    .entitlement(&wanted)
                    .await?
                    .ok_or_else(|| no_entitlement(&id))?;
                let definitions = definitions.get(tx, EntityKind::Entitlement).await?;
                let new = patched(&definitions, &old.details, &details, phone)?;
                if new != old.details {
                    tx.put_entitlement_details(old.number, &old.details, &new, &definitions, now)
                        .await?;
                }
                Ok(Patched {
                    row: row(tx, old.number, no_entitlement(&id)).await?,
                    definitions,
                })
            })
            .await
    }
}
