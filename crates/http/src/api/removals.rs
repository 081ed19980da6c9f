//! Deletes of our own (docs/api.md, "Deletes of our own"): the vendor's, with `?dryRun=true`, and the
//! removal of a customer from an organization.

use guildhall_domain::list::{parse_flag, refuse_unknown};
use guildhall_service::Removal;

use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::answer;

/// The parameter that asks what a delete would do.
pub const DRY_RUN: &str = "dryRun";

answer! {
    /// What would go, each up to 10,000.
    WouldDeleteOut {
        /// Organizations.
        "organizations" organizations: i64,
        /// Customers.
        "customers" customers: i64,
        /// Products.
        "products" products: i64,
        /// Entitlements.
        "entitlements" entitlements: i64,
        /// Memberships of customers in organizations.
        "memberships" memberships: i64,
    }
}

answer! {
    /// What a delete would take along. Nothing was deleted.
    DryRunOut {
        /// Always true.
        "dryRun" dry_run: bool,
        /// What would go; the values of what goes go too.
        "wouldDelete" would_delete: WouldDeleteOut,
        /// False where a count stopped at 10,000.
        "exact" exact: bool,
    }
}

/// Whether it is only asked. A misspelt parameter must not delete: all others are refused.
fn is_dry_run(call: &Call) -> Result<bool, ApiError> {
    let names = call.query.iter().map(|(name, _)| name.as_str());
    refuse_unknown(names, &[DRY_RUN], false)?;
    match call.query(DRY_RUN)? {
        Some(value) => Ok(parse_flag(DRY_RUN, value)?),
        None => Ok(false),
    }
}

fn told(removal: Removal) -> Result<Reply, ApiError> {
    Reply::json(&DryRunOut {
        dry_run: true,
        would_delete: WouldDeleteOut {
            organizations: removal.organizations,
            customers: removal.customers,
            products: removal.products,
            entitlements: removal.entitlements,
            memberships: removal.memberships,
        },
        exact: !removal.is_more,
    })
}

/// `DELETE /guildhall/v1/organizations/{organizationId}`
pub async fn organization(call: Call) -> Result<Reply, ApiError> {
    let id = call.path("organizationId");
    if is_dry_run(&call)? {
        return told(call.service.organization_removal(call.caller(), id).await?);
    }
    call.service.delete_organization(call.caller(), id).await?;
    Ok(Reply::no_content())
}

/// `DELETE /guildhall/v1/customers/{customerId}`
pub async fn customer(call: Call) -> Result<Reply, ApiError> {
    let id = call.path("customerId");
    if is_dry_run(&call)? {
        return told(call.service.customer_removal(call.caller(), id).await?);
    }
    call.service.delete_account(call.caller(), id).await?;
    Ok(Reply::no_content())
}

/// `DELETE /guildhall/v1/products/{productId}`
pub async fn product(call: Call) -> Result<Reply, ApiError> {
    let id = call.path("productId");
    if is_dry_run(&call)? {
        return told(call.service.product_removal(call.caller(), id).await?);
    }
    call.service.delete_product(call.caller(), id).await?;
    Ok(Reply::no_content())
}

/// `DELETE /guildhall/v1/entitlements/{entitlementId}`
pub async fn entitlement(call: Call) -> Result<Reply, ApiError> {
    let id = call.path("entitlementId");
    if is_dry_run(&call)? {
        return told(call.service.entitlement_removal(call.caller(), id).await?);
    }
    call.service.delete_entitlement(call.caller(), id).await?;
    Ok(Reply::no_content())
}

/// `DELETE /guildhall/v1/organizations/{organizationId}/customers/{customerId}`
pub async fn member(call: Call) -> Result<Reply, ApiError> {
    let (organization, customer) = (call.path("organizationId"), call.path("customerId"));
    if is_dry_run(&call)? {
        let service = &call.service;
        return told(
            service
                .member_removal(call.caller(), organization, customer)
                .await?,
        );
    }
    call.service
        .remove_member(call.caller(), organization, customer)
        .await?;
    Ok(Reply::no_content())
}
