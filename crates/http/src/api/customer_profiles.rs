//! Customer profiles (docs/api.md, "Customer profiles").

use guildhall_domain::bulk::FieldValues;
use guildhall_domain::json::{At, Canonical, Node, Stream};
use guildhall_domain::{Rejection, SubjectKind};
use guildhall_service::{NewAccount, NewProfile, NewSubject, Profile};
use serde_json::{Value, json};

use super::details::{self, ProfileDetailOut, ShownValues};
use super::organizations::OrganizationReferenceOut;
use super::profiles::{self, AssociateProducts, ProfileEntitlementOut};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{In, Schema, Schemas, answer, body, wrong_type};

/// The id of an organization: a string, or a number, as some clients of the vendor's API send it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationIdText(pub String);

impl Schema for OrganizationIdText {
    fn schema(_all: &mut Schemas) -> Value {
        json!({ "type": ["string", "integer"] })
    }
}

impl In for OrganizationIdText {
    const EXPECTED: &'static str = "a string or a number";

    fn read(node: &Node<'_>, at: &At<'_>) -> Result<Self, Rejection> {
        match node {
            Node::Text(text) => Ok(Self(text.to_string())),
            Node::Number(number) => Ok(Self(number.to_string())),
            other => Err(wrong_type(Self::EXPECTED, other, at)),
        }
    }

    fn take<C: Canonical>(stream: &mut Stream<'_, C>) -> Option<Self> {
        stream.text_or_number().map(|id| Self(id.into_owned()))
    }
}

body! {
    /// Organizations to be added to.
    AssociateOrganizations {
        /// Ids of organizations.
        "organizationIds" ids: Option<Vec<OrganizationIdText>>,
    }
}

impl AssociateOrganizations {
    /// The ids.
    pub fn ids(self) -> Vec<String> {
        let ids = self.ids.unwrap_or_default().into_iter();
        ids.map(|id| id.0).collect()
    }
}

body! {
    /// A profile to create: all of it, or nothing.
    CreateCustomerProfileRequest {
        /// The email; unique, compared without case.
        "email" email: String,
        /// 1 to 255 characters; the part of the email before the @ when absent.
        "displayName" display_name: Option<String>,
        /// The customer's values.
        "details" details: Option<Vec<FieldValues>>,
        /// Organizations that the customer belongs to.
        "associateOrganizations" organizations: Option<AssociateOrganizations>,
        /// Products the customer is entitled to.
        "associateProducts" products: Option<AssociateProducts>,
    }
}

body! {
    /// The profiles to fetch: at most 25, by id, by email, or both.
    FetchCustomerProfilesRequest {
        /// Ids of customers.
        "customerIds" ids: Option<Vec<String>>,
        /// Emails of customers, compared without case.
        "emails" emails: Option<Vec<String>>,
    }
}

answer! {
    /// A customer with its values, organizations and entitlements.
    CustomerProfileOut<'a> {
        /// The customer's id.
        "id" id: String,
        /// The name shown.
        "displayName" display_name: &'a str,
        /// The email as given.
        "email" email: &'a str,
        /// The fields that have a value, by position.
        "details" details: Vec<ProfileDetailOut<'a>>,
        /// The organizations the customer belongs to, by id.
        "organizations" organizations: Vec<OrganizationReferenceOut<'a>>,
        /// The customer's own entitlements, in the order they were added, and then those of the organizations.
        "entitlements" entitlements: Vec<ProfileEntitlementOut<'a>>,
    }
}

answer! {
    /// The profiles that were found.
    FetchCustomerProfilesResponseOut<'a> {
        /// Each once: those asked for by id, in that order, then those by email.
        "profiles" profiles: Vec<CustomerProfileOut<'a>>,
    }
}

impl<'a> From<&'a Profile> for CustomerProfileOut<'a> {
    fn from(profile: &'a Profile) -> Self {
        let organizations = profile.organizations.iter();
        Self {
            id: profile.subject.id(),
            display_name: profile.subject.name(),
            email: profile.subject.handle(),
            details: details::of_profile(
                &profile.definitions,
                &ShownValues::Read(profile.subject.details()),
            ),
            organizations: organizations.map(OrganizationReferenceOut::from).collect(),
            entitlements: profiles::entitlements(profile),
        }
    }
}

/// `GET /customer/profile/{customerId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    let (kind, id) = (SubjectKind::Customer, call.path("customerId"));
    let profile = call.service.profile(call.caller(), kind, id).await?;
    Reply::json(&CustomerProfileOut::from(&profile))
}

/// `POST /customer/profile`
pub async fn create(call: Call) -> Result<Reply, ApiError> {
    let body: CreateCustomerProfileRequest = call.body()?;
    let new = NewProfile {
        subject: NewSubject::Customer(NewAccount {
            email: body.email,
            display_name: body.display_name,
        }),
        details: body.details.unwrap_or_default(),
        associated_ids: body
            .organizations
            .map(AssociateOrganizations::ids)
            .unwrap_or_default(),
        product_ids: body.products.and_then(|of| of.ids).unwrap_or_default(),
    };
    let profile = call.service.create_profile(call.caller(), new).await?;
    Reply::json(&CustomerProfileOut::from(&profile))
}

/// `POST /customer/profile/fetch`
pub async fn fetch(call: Call) -> Result<Reply, ApiError> {
    let body: FetchCustomerProfilesRequest = call.body()?;
    let (ids, emails) = (body.ids.unwrap_or_default(), body.emails.unwrap_or_default());
    let kind = SubjectKind::Customer;
    let found = call
        .service
        .fetch_profiles(call.caller(), kind, &ids, &emails)
        .await?;
    let profiles = found.iter().map(CustomerProfileOut::from).collect();
    Reply::json(&FetchCustomerProfilesResponseOut { profiles })
}
