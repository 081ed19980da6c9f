//! Partial changes of our own (docs/api.md, "Changes in part"): what is absent stays, and all that is sent
//! is applied, or nothing. The answer is the row that lists show.

use guildhall_domain::bulk::FieldValues;
use guildhall_service::{CustomerPatch, OrganizationPatch};

use super::lists;
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::body;

body! {
    /// Changes to an organization: at least one member.
    PatchOrganizationRequest {
        /// The new name: 1 to 200 characters; unique, compared without case.
        "name" name: Option<String>,
        /// New values of these fields; other fields stay, and an empty array clears.
        "details" details: Option<Vec<FieldValues>>,
    }
}

body! {
    /// Changes to a customer: at least one member.
    PatchCustomerRequest {
        /// The new name shown: 1 to 255 characters.
        "displayName" display_name: Option<String>,
        /// The new email; unique, compared without case.
        "email" email: Option<String>,
        /// New values of these fields; other fields stay, and an empty array clears.
        "details" details: Option<Vec<FieldValues>>,
    }
}

body! {
    /// Changes to a product: at least one member.
    PatchProductRequest {
        /// The new name: 1 to 255 characters.
        "name" name: Option<String>,
    }
}

body! {
    /// Changes to an entitlement: at least one member.
    PatchEntitlementRequest {
        /// New values of these fields; other fields stay, and an empty array clears.
        "details" details: Option<Vec<FieldValues>>,
    }
}

/// `PATCH /guildhall/v1/organizations/{organizationId}`
pub async fn organization(call: Call) -> Result<Reply, ApiError> {
    let body: PatchOrganizationRequest = call.body()?;
    let patch = OrganizationPatch {
        name: body.name,
        details: body.details,
    };
    let id = call.path("organizationId");
    let patched = call.service.patch_organization(call.caller(), id, patch).await?;
    Reply::json(&lists::organization(&patched.row, &patched.definitions))
}

/// `PATCH /guildhall/v1/customers/{customerId}`
pub async fn customer(call: Call) -> Result<Reply, ApiError> {
    let body: PatchCustomerRequest = call.body()?;
    let patch = CustomerPatch {
        display_name: body.display_name,
        email: body.email,
        details: body.details,
    };
    let id = call.path("customerId");
    let patched = call.service.patch_customer(call.caller(), id, patch).await?;
    Reply::json(&lists::customer(&patched.row, &patched.definitions))
}

/// `PATCH /guildhall/v1/products/{productId}`
pub async fn product(call: Call) -> Result<Reply, ApiError> {
    let body: PatchProductRequest = call.body()?;
    let id = call.path("productId");
    let row = call
        .service
        .patch_product(call.caller(), id, body.name.as_deref())
        .await?;
    Reply::json(&lists::product(&row))
}

/// `PATCH /guildhall/v1/entitlements/{entitlementId}`
pub async fn entitlement(call: Call) -> Result<Reply, ApiError> {
    let body: PatchEntitlementRequest = call.body()?;
    let id = call.path("entitlementId");
    let patched = call
        .service
        .patch_entitlement(call.caller(), id, body.details)
        .await?;
    Reply::json(&lists::entitlement(&patched.row, &patched.definitions))
}
