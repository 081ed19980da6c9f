//! Profiles of organizations and of customers: who it is, with values, entitlements, and the customers or
//! organizations on the other side. What is the same for both is written once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use guildhall_domain::bulk::{FieldValues, check_parts};
use guildhall_domain::field::{Definitions, EntityKind, PhoneFormat, Values};
use guildhall_domain::{
    Caller, Customer, Entitlement, Entity, Excerpt, Member, Organization, OrganizationId, Rejection, Subject,
    SubjectKind, Thing, limits, text,
};
use guildhall_storage::{Counter, ReadTx, StoreError};

use crate::accounts::{NewAccount, customer_id, email_taken, no_customer};
use crate::definitions::DefinitionsCache;
use crate::entitlements::entitlements_of;
use crate::organizations::{
    check_fetch, find_organization, find_organizations, free_organization_id, name_taken, no_organization,
    organization_name,
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

/// A new profile whose form was checked, with the numbers and ids that were taken for it.
#[derive(Clone)]
struct Draft {
    subject: Subject,
    details: Vec<FieldValues>,
    associated_ids: Vec<String>,
    product_ids: Vec<String>,
    /// The number of the subject, and a UUID for where its id is made of one.
    number: i64,
    uuid: String,
    /// The number of the first entitlement, and the ids of all.
    entitlement: i64,
    entitlement_ids: Vec<String>,
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
        let (definitions, now, phone) = (self.definitions.clone(), self.now(), self.settings.phone_format);
        let first = draft.number;
        // The writer is one thread, so what can be done before is.
        let checked = definitions
            .last(caller.tenant, draft.subject.kind().fields())
            .and_then(|last| Some((check_details(&last, &draft.details, phone).ok()?, last)));
        let created: Profile = self
            .store
            .write(caller.tenant, async move |tx| {
                let kind = draft.subject.kind();
                tx.share_tenant().await?;
                let fields = definitions.get(tx, kind.fields()).await?;
                let is_id_taken = check_free(tx, &draft).await?;
                let mut subject = draft.subject;
                *subject.details_mut() = match checked {
                    Some((details, last)) if Arc::ptr_eq(&last, &fields) => details,
                    _ => check_details(&fields, &draft.details, phone)?,
                };
                let wanted: BTreeSet<String> = draft.associated_ids.iter().cloned().collect();
                let products: BTreeSet<String> = draft
                    .product_ids
                    .iter()
                    .map(|id| id.to_ascii_lowercase())
                    .collect();
                let (associated, products) = match wanted.is_empty() && products.is_empty() {
                    true => Default::default(),
                    false => tx.associated_and_products(kind, &wanted, &products).await?,
                };
                let place = (kind.other().thing(), kind.associations_member());
                let associated = known(&draft.associated_ids, &associated, str::to_owned, place)?;
                let place = (Thing::Product, "associateProducts.productIds");
                let products = known(&draft.product_ids, &products, str::to_ascii_lowercase, place)?;
                match &mut subject {
                    Subject::Organization(organization) => {
                        let first = OrganizationId(draft.number);
                        organization.id = free_organization_id(tx, first, is_id_taken).await?;
                    }
                    Subject::Customer(customer) => {
                        customer.number = draft.number;
                        customer.id = customer_id(&tx.cloud_id().await?, &draft.uuid);
                    }
                }
                tx.insert_subject(&subject, &fields, now).await?;
                if associated.is_empty() && products.is_empty() {
                    return Ok(bare_profile(tx, &definitions, subject).await?);
                }
                let entity = subject.entity();
                for other in associated {
                    match entity {
                        Entity::Organization(id) => tx.add_member(id, other).await?,
                        Entity::Customer(number) => tx.add_member(OrganizationId(other), number).await?,
                    };
                }
                let ids = draft.entitlement_ids.iter();
                for ((product, id), number) in products.iter().zip(ids).zip(draft.entitlement..) {
                    tx.insert_entitlement(number, id, entity, *product, now).await?;
                }
                Ok::<_, Error>(profile_of(tx, &definitions, subject).await?)
            })
            .await?;
        if let Subject::Organization(organization) = &created.subject {
            self.note_organization_id(caller.tenant, OrganizationId(first), organization.id)
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
        Ok(Draft {
            number: self.numbers.take(caller.tenant, counter, 1).await?,
            uuid: self.new_uuid(),
            entitlement,
            entitlement_ids: (0..count).map(|_| self.new_uuid()).collect(),
            subject,
            details: new.details,
            associated_ids: new.associated_ids,
            product_ids: new.product_ids,
        })
    }
}

/// Refuses a name or an email that is taken; whether the organization's id is.
async fn check_free(tx: &mut ReadTx<'_>, draft: &Draft) -> Result<bool, Error> {
    match &draft.subject {
        Subject::Organization(new) => {
            let taken = tx.taken(&new.name_key, OrganizationId(draft.number)).await?;
            match taken.name {
                Some(other) => Err(name_taken(&new.name, other).into()),
                None => Ok(taken.id),
            }
        }
        Subject::Customer(new) => match tx.customer_by_key(&new.email_key).await? {
            Some(other) => Err(email_taken(&new.email, &other).into()),
            None => Ok(false),
        },
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
async fn bare_profile(
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

async fn profile_of(
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
