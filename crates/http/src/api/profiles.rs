//! Organization profiles (docs/api.md, "Organization profiles"), and what those of customers share with them.

use guildhall_domain::bulk::FieldValues;
use guildhall_domain::field::FieldTexts;
use guildhall_domain::json::{At, Canonical, Node, Stream};
use guildhall_domain::{Rejection, SubjectKind};
use guildhall_service::{Links, NewProfile, NewSubject, Profile, Seen};
use serde_json::Value;

use super::details::{self, ProfileDetailOut, ShownValues};
use super::entitlements::{
    EntitledEntityOut, ORGANIZATION, ProductReferenceOut, entitled_entity, product_reference,
};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::kept::Shown;
use crate::wire::{In, Schema, Schemas, answer, body};

/// What a profile takes, about.
const PROFILE_BYTES: usize = 2_048;

body! {
    /// Values for one detail field.
    ProfileDetailFieldValueRequest {
        /// The field's name.
        "name" name: String,
        /// Its values, an array of strings for every type.
        "values" values: FieldTexts,
    }
}

impl From<ProfileDetailFieldValueRequest> for FieldValues {
    fn from(ProfileDetailFieldValueRequest { name, values }: ProfileDetailFieldValueRequest) -> Self {
        Self { name, values }
    }
}

impl Schema for FieldValues {
    fn schema(all: &mut Schemas) -> Value {
        ProfileDetailFieldValueRequest::schema(all)
    }
}

impl In for FieldValues {
    const EXPECTED: &'static str = ProfileDetailFieldValueRequest::EXPECTED;

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        ProfileDetailFieldValueRequest::read(node, at).map(Self::from)
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        ProfileDetailFieldValueRequest::take(stream).map(Self::from)
    }
}

body! {
    /// Customers to add.
    AssociateCustomers {
        /// Ids of customers.
        "customerIds" ids: Option<Vec<String>>,
    }
}

body! {
    /// Products to be entitled to.
    AssociateProducts {
        /// Ids of products.
        "productIds" ids: Option<Vec<String>>,
    }
}

body! {
    /// A profile to create: all of it, or nothing.
    CreateOrganizationProfileRequest {
        /// The organization's name: 1 to 200 characters; unique, compared without case.
        "name" name: String,
        /// Its values.
        "details" details: Option<Vec<FieldValues>>,
        /// Its customers.
        "associateCustomers" customers: Option<AssociateCustomers>,
        /// Products it is entitled to.
        "associateProducts" products: Option<AssociateProducts>,
    }
}

body! {
    /// The profiles to fetch: at most 25, by id, by name, or both.
    FetchOrganizationProfilesRequest {
        /// Ids of organizations.
        "organizationIds" ids: Option<Vec<String>>,
        /// Names of organizations, compared without case.
        "organizationNames" names: Option<Vec<String>>,
    }
}

answer! {
    /// An entitlement in a profile.
    ProfileEntitlementOut<'a> {
        /// The entitlement's id.
        "id" id: &'a str,
        /// The product.
        "product" product: ProductReferenceOut<'a>,
        /// Whose it is.
        "entitledEntity" entity: EntitledEntityOut<'a>,
        /// Its fields that have a value.
        "details" details: Vec<ProfileDetailOut<'a>>,
    }
}

answer! {
    /// A customer in a profile.
    CustomerReferenceOut<'a> {
        /// The customer's id.
        "id" id: &'a str,
    }
}

answer! {
    /// An organization with its values, entitlements and customers.
    OrganizationProfileOut<'a> {
        /// The organization's id.
        "id" id: String,
        /// Its name.
        "name" name: &'a str,
        /// Its fields that have a value, by position.
        "details" details: Vec<ProfileDetailOut<'a>>,
        /// Its own entitlements, in the order they were added.
        "entitlements" entitlements: Vec<ProfileEntitlementOut<'a>>,
        /// Its customers, in the order they were added.
        "customers" customers: Vec<CustomerReferenceOut<'a>>,
    }
}

answer! {
    /// The profiles that were found.
    FetchOrganizationProfilesResponseOut<'a> {
        /// Each once: those asked for by id, in that order, then those by name.
        "profiles" profiles: Vec<OrganizationProfileOut<'a>>,
    }
}

/// The entitlements of a profile.
pub fn entitlements(profile: &Profile) -> Vec<ProfileEntitlementOut<'_>> {
    let out = profile
        .entitlements
        .iter()
        .map(|entitlement| ProfileEntitlementOut {
            id: &entitlement.id,
            product: product_reference(entitlement),
            entity: entitled_entity(entitlement),
            details: details::of_profile(
                &profile.entitlement_definitions,
                &ShownValues::Read(&entitlement.details),
            ),
        });
    out.collect()
}

impl<'a> From<&'a Profile> for OrganizationProfileOut<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            id: profile.subject.id(),
            name: profile.subject.name(),
            details: details::of_profile(
                &profile.definitions,
                &ShownValues::Read(profile.subject.details()),
            ),
            entitlements: entitlements(profile),
            customers: profile
                .customers
                .iter()
                .map(|member| CustomerReferenceOut { id: &member.id })
                .collect(),
        }
    }
}

/// An organization as it was seen, shown as one that was read.
fn of_seen(seen: &Seen) -> Result<OrganizationProfileOut<'_>, ApiError> {
    let (organization, definitions) = (&seen.organization, &seen.definitions);
    let links = &organization.links;
    let mut out = OrganizationProfileOut {
        name: &organization.name,
        details: details::of_profile(definitions, &ShownValues::kept(&organization.details)?),
        entitlements: Vec::with_capacity(links.entitlements.len()),
        customers: links
            .customer_ids
            .iter()
            .map(|id| CustomerReferenceOut { id })
            .collect(),
        id: organization.id.clone(),
    };
    for entitlement in &links.entitlements {
        out.entitlements.push(ProfileEntitlementOut {
            id: &entitlement.id,
            product: ProductReferenceOut {
                id: &entitlement.product_id,
                name: &entitlement.product_name,
            },
            entity: EntitledEntityOut {
                id: &organization.id,
                type_name: ORGANIZATION,
            },
            details: details::of_profile(
                &seen.entitlement_definitions,
                &ShownValues::kept(&entitlement.details)?,
            ),
        });
    }
    Ok(out)
}

/// `GET /organization/profile/{organizationId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    call.kept(Shown::OrganizationProfile, async |call| {
        let (kind, id) = (SubjectKind::Organization, call.path("organizationId"));
        let seen = call
            .service
            .seen_organization(call.caller(), id, Links::Wanted)
            .await?;
        if let Some(seen) = seen {
            return Reply::json_of(PROFILE_BYTES, &of_seen(&seen)?);
        }
        let profile = call.service.profile(call.caller(), kind, id).await?;
        Reply::json_of(PROFILE_BYTES, &OrganizationProfileOut::from(&profile))
    })
    .await
}

/// `POST /organization/profile`
pub async fn create(call: Call) -> Result<Reply, ApiError> {
    let body: CreateOrganizationProfileRequest = call.body()?;
    let new = NewProfile {
        subject: NewSubject::Organization(body.name),
        details: body.details.unwrap_or_default(),
        associated_ids: body.customers.and_then(|of| of.ids).unwrap_or_default(),
        product_ids: body.products.and_then(|of| of.ids).unwrap_or_default(),
    };
    let profile = call.service.create_profile(call.caller(), new).await?;
    Reply::json_of(PROFILE_BYTES, &OrganizationProfileOut::from(&profile))
}

/// `POST /organization/profile/fetch`
pub async fn fetch(call: Call) -> Result<Reply, ApiError> {
    let body: FetchOrganizationProfilesRequest = call.body()?;
    let (ids, names) = (body.ids.unwrap_or_default(), body.names.unwrap_or_default());
    let kind = SubjectKind::Organization;
    let found = call
        .service
        .fetch_profiles(call.caller(), kind, &ids, &names)
        .await?;
    let profiles = found.iter().map(OrganizationProfileOut::from).collect();
    Reply::json(&FetchOrganizationProfilesResponseOut { profiles })
}
