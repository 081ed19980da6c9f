//! Organizations (docs/api.md, "Organizations").

use guildhall_domain::{OrganizationId, SubjectKind};
use guildhall_service::{Links, OrganizationName, Seen, Target};

use super::details::{self, DetailFieldOut, ShownValues};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::kept::Shown;
use crate::wire::{answer, body};

body! {
    /// The name of an organization.
    OrganizationNameRequest {
        /// 1 to 200 characters; unique, compared without case.
        "name" name: String,
    }
}

body! {
    /// The organizations to fetch: at most 50, by id, by name, or both.
    FetchOrganizationsRequest {
        /// Ids of organizations.
        "organizationIds" ids: Option<Vec<String>>,
        /// Names of organizations, compared without case.
        "organizationNames" names: Option<Vec<String>>,
    }
}

answer! {
    /// The id and the name of an organization.
    OrganizationReferenceOut<'a> {
        /// The organization's id.
        "id" id: String,
        /// Its name.
        "name" name: &'a str,
    }
}

answer! {
    /// The organizations that were found.
    FetchOrganizationsResponseOut<'a> {
        /// Each once: those asked for by id, in that order, then those by name.
        "organizations" organizations: Vec<OrganizationReferenceOut<'a>>,
    }
}

answer! {
    /// An organization with all its detail fields.
    OrganizationOut<'a> {
        /// The organization's id.
        "id" id: String,
        /// Its name.
        "name" name: &'a str,
        /// Every detail field of organizations, by position.
        "details" details: Vec<DetailFieldOut<'a>>,
    }
}

impl<'a> From<&'a (OrganizationId, String)> for OrganizationReferenceOut<'a> {
    fn from((id, name): &'a (OrganizationId, String)) -> Self {
        Self {
            id: id.to_string(),
            name,
        }
    }
}

impl<'a> From<&'a OrganizationName> for OrganizationReferenceOut<'a> {
    fn from(organization: &'a OrganizationName) -> Self {
        Self {
            id: organization.id.to_string(),
            name: &organization.name,
        }
    }
}

/// `POST /organization`
pub async fn create(call: Call) -> Result<Reply, ApiError> {
    let body: OrganizationNameRequest = call.body()?;
    let organization = call
        .service
        .create_organization(call.caller(), &body.name)
        .await?;
    Reply::json(&OrganizationReferenceOut::from(&organization))
}

/// `GET /organization/{organizationId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    call.kept(Shown::Organization, async |call| {
        let (kind, id) = (SubjectKind::Organization, call.path("organizationId"));
        let seen = call
            .service
            .seen_organization(call.caller(), id, Links::Unwanted)
            .await?;
        if let Some(Seen {
            organization,
            definitions,
            ..
        }) = seen
        {
            let details = details::all(&definitions, &ShownValues::kept(&organization.details)?);
            return Reply::json(&OrganizationOut {
                id: organization.id,
                name: &organization.name,
                details,
            });
        }
        let profile = call.service.profile(call.caller(), kind, id).await?;
        Reply::json(&OrganizationOut {
            id: profile.subject.id(),
            name: profile.subject.name(),
            details: details::all(
                &profile.definitions,
                &ShownValues::Read(profile.subject.details()),
            ),
        })
    })
    .await
}

/// `POST /organization/fetch`
pub async fn fetch(call: Call) -> Result<Reply, ApiError> {
    let body: FetchOrganizationsRequest = call.body()?;
    let (ids, names) = (body.ids.unwrap_or_default(), body.names.unwrap_or_default());
    let found = call
        .service
        .fetch_organizations(call.caller(), &ids, &names)
        .await?;
    let organizations = found.iter().map(OrganizationReferenceOut::from).collect();
    Reply::json(&FetchOrganizationsResponseOut { organizations })
}

/// `PUT /organization/{organizationId}`
pub async fn rename(call: Call) -> Result<Reply, ApiError> {
    let body: OrganizationNameRequest = call.body()?;
    let id = call.path("organizationId");
    let organization = call
        .service
        .rename_organization(call.caller(), id, &body.name)
        .await?;
    Reply::json(&OrganizationReferenceOut::from(&organization))
}

/// `DELETE /organization/{organizationId}`
pub async fn delete(call: Call) -> Result<Reply, ApiError> {
    call.service
        .delete_organization(call.caller(), call.path("organizationId"))
        .await?;
    Ok(Reply::no_content())
}

/// The organization that the path names.
pub fn target(call: &Call) -> Target {
    Target::Organization(call.path("organizationId").to_owned())
}
