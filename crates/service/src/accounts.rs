//! Customers and their accounts.

use std::sync::Arc;

use guildhall_domain::field::{Definitions, EntityKind, Values};
use guildhall_domain::subject::default_display_name;
use guildhall_domain::{
    Caller, Customer, Excerpt, OrganizationId, Rejection, SubjectKind, Thing, limits, text,
};
use guildhall_storage::Counter;

use crate::values::{find_customer, lock_customer};
use crate::{Authenticated, Error, Service};

/// A customer with its values and its organizations.
#[derive(Clone, Debug)]
pub struct CustomerDetails {
    /// The customer.
    pub customer: Customer,
    /// The definitions of customers' fields.
    pub definitions: Arc<Definitions>,
    /// The organizations it belongs to: id and name.
    pub organizations: Vec<(OrganizationId, String)>,
}

/// What a new account shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The email; unique within the tenant, compared without case.
    pub email: String,
    /// The name shown; the local part of the email when absent.
    pub display_name: Option<String>,
}

pub(crate) fn no_customer(id: &str) -> Error {
    Rejection::not_found(Thing::Customer, id).into()
}

/// An email, as it will be stored.
pub(crate) fn email_address(raw: &str) -> Result<String, Rejection> {
    SubjectKind::Customer.check_handle(raw).map_err(|problem| {
        let problem = format!("{:?}: {problem}", Excerpt(raw.trim()));
        Rejection::invalid("email", problem)
    })
}

/// The id of a new customer.
pub(crate) fn customer_id(cloud_id: &str, uuid: &str) -> String {
    format!("qm:{cloud_id}:{uuid}")
}

/// The refusal of an email that another customer has, with its id.
pub(crate) fn email_taken(email: &str, by: &str) -> Rejection {
    Rejection::invalid("email", SubjectKind::Customer.handle_taken(email, by))
}

impl NewAccount {
    /// A customer without number and id, if the form is right.
    pub(crate) fn check(&self) -> Result<Customer, Rejection> {
        let email = email_address(&self.email)?;
        let shown = self.display_name.as_deref().map(display_name).transpose()?;
        Ok(Customer {
            number: 0,
            id: String::new(),
            email_key: text::key(&email),
            display_name: shown.unwrap_or_else(|| default_display_name(&email)),
            email,
            details: Values::default(),
        })
    }
}

pub(crate) fn display_name(raw: &str) -> Result<String, Rejection> {
    text::name(raw, limits::NAME_CHARS_MAX).map_err(|problem| {
        Rejection::invalid("displayName", format!("the name {:?} {problem}", Excerpt(raw)))
    })
}

impl Service {
    /// A customer with all its values.
    pub async fn customer(&self, caller: &Caller, id: &str) -> Result<CustomerDetails, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let customer = find_customer(tx, id).await?.ok_or_else(|| no_customer(id))?;
                Ok(CustomerDetails {
                    definitions: self.definitions.get(tx, EntityKind::Customer).await?,
                    organizations: tx.organizations_of(customer.number).await?,
                    customer,
                })
            })
            .await
    }

    /// The account of a customer.
    pub async fn account(&self, caller: &Caller, id: &str) -> Result<Customer, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                find_customer(tx, id).await?.ok_or_else(|| no_customer(id))
            })
            .await
    }

    /// Adds a customer account. Its email must be new.
    pub async fn create_account(&self, by: &Authenticated, new: NewAccount) -> Result<Customer, Error> {
        let mut customer = new.check()?;
        customer.number = self.numbers.take(by.caller.tenant, Counter::Customer, 1).await?;
        customer.id = customer_id(&by.cloud_id, &self.new_uuid());
        let now = self.now();
        self.store
            .write(by.caller.tenant, async move |tx| {
                if let Some(other) = tx.customer_by_key(&customer.email_key).await? {
                    return Err(email_taken(&customer.email, &other.id).into());
                }
                tx.insert_customer(&customer, &Definitions::default(), now)
                    .await?;
                Ok(customer)
            })
            .await
    }

    /// Changes the name shown, the only thing of an account that can change.
    pub async fn rename_account(&self, caller: &Caller, id: &str, name: &str) -> Result<Customer, Error> {
        let (name, id, now) = (display_name(name)?, id.to_owned(), self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let customer = lock_customer(tx, &id).await?.ok_or_else(|| no_customer(&id))?;
                if customer.display_name != name {
                    tx.rename_customer(customer.number, &name, now).await?;
                }
                Ok(Customer {
                    display_name: name,
                    ..customer
                })
            })
            .await
    }

    /// Removes a customer with its values, memberships and entitlements.
    pub async fn delete_account(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let (id, definitions) = (id.to_owned(), self.definitions.clone());
        self.store
            .write(caller.tenant, async move |tx| {
                let customer = lock_customer(tx, &id).await?.ok_or_else(|| no_customer(&id))?;
                let definitions = definitions.get(tx, EntityKind::Customer).await?;
                Ok(tx.delete_customer(&customer, &definitions).await?)
            })
            .await
    }
}
