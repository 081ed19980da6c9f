//! Profiles of organizations and of customers: who it is, with values, entitlements, and the customers or
//! organizations on the other side. What is the same for both is written once.

use std::collections::HashSet;
use std::sync::Arc;

use guildhall_domain::bulk::{FieldValues, check_parts, check_values};
use guildhall_domain::field::{Definitions, EntityKind, Values};
use guildhall_domain::{
    Caller, Customer, Entitlement, Entity, Member, Organization, OrganizationId, Rejection, Subject,
    SubjectKind, limits, text,
};
use guildhall_storage::{Counter, ReadTx, StoreError, ValuesAhead};

use crate::accounts::{NewAccount, no_customer};
use crate::creates::Draft;
use crate::definitions::DefinitionsCache;
use crate::entitlements::entitlements_of;
use crate::organizations::{
    check_fetch, find_organization, find_organizations, no_organization, organization_name,
};
use crate::values::find_customer;
use crate::{Error, Service};

/// A profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The organization or the customer, with its values.
    pub subject: Subject,
    /// The definitions of its fields.
    pub definitions: Arc<Definitions>,
    /// Its entitlements, in the order they were added; a customer's are followed by those inherited.
    pub entitlements: Vec<Entitlement>,
    /// The definitions of entitlements' fields.
    pub entitlement_definitions: Arc<Definitions>,
    /// Its customers, in the order they were added; a customer has none.
    pub customers: Vec<Member>,
    /// Its organizations by id; an organization has none.
    pub organizations: Vec<(OrganizationId, String)>,
}

/// Who a new profile is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewSubject {
    /// An organization of this name.
    Organization(String),
    /// A customer with this account.
    Customer(NewAccount),
}

/// What a new profile shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProfile {
    /// Who it is of.
    pub subject: NewSubject,
    /// Its values.
    pub details: Vec<FieldValues>,
    /// An organization's customers, or a customer's organizations, by public id.
    pub associated_ids: Vec<String>,
    /// Products it is entitled to, by public id.
    pub product_ids: Vec<String>,
}

impl NewProfile {
    /// A profile without values, associations and entitlements.
    pub fn bare(subject: NewSubject) -> Self {
        Self {
            subject,
            details: Vec::new(),
            associated_ids: Vec::new(),
            product_ids: Vec::new(),
        }
    }
}

impl NewSubject {
    /// The subject without its number and id, if the form is right.
    fn check(&self) -> Result<Subject, Rejection> {
        match self {
            Self::Organization(name) => {
                let name = organization_name(name)?;
                Ok(Subject::Organization(Organization {
                    id: OrganizationId(0),
                    name_key: text::key(&name),
                    name,
                    details: Values::default(),
                }))
            }
            Self::Customer(account) => account.check().map(Subject::Customer),
        }
    }
}

impl Service {
    /// One profile.
    pub async fn profile(&self, caller: &Caller, kind: SubjectKind, id: &str) -> Result<Profile, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let subject = match kind {
                    SubjectKind::Organization => Subject::Organization(
                        find_organization(tx, id)
                            .await?
                            .ok_or_else(|| no_organization(id))?,
                    ),
                    SubjectKind::Customer => {
                        Subject::Customer(find_customer(tx, id).await?.ok_or_else(|| no_customer(id))?)
                    }
                };
                Ok(profile_of(tx, &self.definitions, subject).await?)
            })
            .await
    }

    /// The profiles with these ids, then those with these names or emails; each once, unknown ones left out.
    pub async fn fetch_profiles(
        &self,
        caller: &Caller,
        kind: SubjectKind,
        ids: &[String],
        handles: &[String],
    ) -> Result<Vec<Profile>, Error> {
        check_fetch(kind, ids, handles, limits::FETCH_PROFILES_MAX)?;
        self.store
            .read(caller.tenant, async |tx| {
                let found: Vec<Subject> = match kind {
                    SubjectKind::Organization => {
                        let found = find_organizations(tx, ids, handles).await?;
                        found.into_iter().map(Subject::Organization).collect()
                    }
                    SubjectKind::Customer => {
                        let found = find_customers(tx, ids, handles).await?;
                        found.into_iter().map(Subject::Customer).collect()
                    }
                };
                let mut profiles = Vec::with_capacity(found.len());
                for subject in found {
                    profiles.push(profile_of(tx, &self.definitions, subject).await?);
                }
                Ok(profiles)
            })
            .await
    }

    /// Adds an organization or a customer with its values, associations and entitlements: all of it, or
    /// nothing.
    pub async fn create_profile(&self, caller: &Caller, new: NewProfile) -> Result<Profile, Error> {
        let draft = self.draft(caller, new).await?;
        self.create(caller, draft).await
    }

    /// Adds what the draft says.
    pub(crate) async fn create(&self, caller: &Caller, draft: Draft) -> Result<Profile, Error> {
        let first = OrganizationId(draft.number);
        let created = self.creates.create(caller.tenant, draft).await?;
        if let Subject::Organization(organization) = &created.subject {
            self.note_organization_id(caller.tenant, first, organization.id)
                .await;
        }
        Ok(created)
    }

    /// Checks the form, and takes numbers and ids.
    async fn draft(&self, caller: &Caller, new: NewProfile) -> Result<Draft, Error> {
        let subject = new.subject.check()?;
        check_parts(
            subject.kind(),
            &new.details,
            &new.associated_ids,
            &new.product_ids,
        )?;
        let counter = match subject.kind() {
            SubjectKind::Organization => Counter::Organization,
            SubjectKind::Customer => Counter::Customer,
        };
        let mut seen = HashSet::new();
        let products = new
            .product_ids
            .iter()
            .filter(|id| seen.insert(id.to_ascii_lowercase()));
        let count = i64::try_from(products.count()).unwrap_or(i64::MAX);
        let entitlement = match count {
            0 => 0,
            count => {
                self.numbers
                    .take(caller.tenant, Counter::Entitlement, count)
                    .await?
            }
        };
        // What can be done before the transaction is.
        let last = self.definitions.last(caller.tenant, subject.kind().fields());
        let phone = self.settings.phone_format;
        let checked = last.and_then(|last| {
            let values = check_values(&last, &new.details, phone).ok()?;
            ValuesAhead::of(values, last).ok()
        });
        Ok(Draft {
            number: self.numbers.take(caller.tenant, counter, 1).await?,
            uuid: self.new_uuid(),
            entitlement,
            entitlement_ids: (0..count).map(|_| self.new_uuid()).collect(),
            subject,
            details: new.details,
            checked,
            associated_ids: new.associated_ids,
            product_ids: new.product_ids,
            now: self.now(),
            is_name_only: false,
        })
    }
}

async fn find_customers(
    tx: &mut ReadTx<'_>,
    ids: &[String],
    emails: &[String],
) -> Result<Vec<Customer>, StoreError> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for id in ids {
        let customer = find_customer(tx, id).await?;
        found.extend(customer.filter(|customer| seen.insert(customer.number)));
    }
    for email in emails {
        let customer = match SubjectKind::Customer.check_handle(email) {
            Ok(email) => tx.customer_by_key(&text::key(&email)).await?,
            Err(_) => None,
        };
        found.extend(customer.filter(|customer| seen.insert(customer.number)));
    }
    Ok(found)
}

/// The profile of one that nothing is linked to.
pub(crate) async fn bare_profile(
    tx: &mut ReadTx<'_>,
    definitions: &DefinitionsCache,
    subject: Subject,
) -> Result<Profile, StoreError> {
    Ok(Profile {
        definitions: definitions.get(tx, subject.kind().fields()).await?,
        entitlements: Vec::new(),
        entitlement_definitions: definitions.get(tx, EntityKind::Entitlement).await?,
        customers: Vec::new(),
        organizations: Vec::new(),
        subject,
    })
}

pub(crate) async fn profile_of(
    tx: &mut ReadTx<'_>,
    definitions: &DefinitionsCache,
    subject: Subject,
) -> Result<Profile, StoreError> {
    let (entitlements, customers, organizations) = match subject.entity() {
        Entity::Organization(id) => {
            let (entitlements, customers) = tx.entitlements_and_members(id).await?;
            (entitlements, customers, Vec::new())
        }
        entity @ Entity::Customer(number) => (
            entitlements_of(tx, entity).await?,
            Vec::new(),
            tx.organizations_of(number).await?,
        ),
    };
    Ok(Profile {
        entitlements,
        customers,
        organizations,
        ..bare_profile(tx, definitions, subject).await?
    })
}
