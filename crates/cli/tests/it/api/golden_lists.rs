//! Golden exchanges of the lists, the partial changes and the deletes of our own. How files are made is
//! said in `golden.rs`, which also sees that each is checked.

use crate::api::golden::{Case, NO_TOKEN, check};
use crate::world::{Expect, World, error_message};

const LIST_ORGANIZATIONS: &str = "GET /guildhall/v1/organizations";
const LIST_CUSTOMERS: &str = "GET /guildhall/v1/customers";
const LIST_PRODUCTS: &str = "GET /guildhall/v1/products";
const LIST_ENTITLEMENTS: &str = "GET /guildhall/v1/entitlements";
const ADMIN: &str =
    "/guildhall/v1/customers/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053";
const MEMBER: &str = "/guildhall/v1/organizations/123/customers/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053";
const PRODUCT: &str = "/guildhall/v1/products/3858a61a-d337-42e6-993e-e13e1c366d4f";
const ENTITLEMENT: &str = "/guildhall/v1/entitlements/3858a61a-d337-42e6-993e-e13e1c366d4f";
const PATCH_ORGANIZATION: &str = "PATCH /guildhall/v1/organizations/{organizationId}";
const DELETE_ORGANIZATION: &str = "DELETE /guildhall/v1/organizations/{organizationId}";
const DELETE_MEMBER: &str = "DELETE /guildhall/v1/organizations/{organizationId}/customers/{customerId}";
const PATCH_CUSTOMER: &str = "PATCH /guildhall/v1/customers/{customerId}";
const DELETE_CUSTOMER: &str = "DELETE /guildhall/v1/customers/{customerId}";
const PATCH_PRODUCT: &str = "PATCH /guildhall/v1/products/{productId}";
const DELETE_PRODUCT: &str = "DELETE /guildhall/v1/products/{productId}";
const PATCH_ENTITLEMENT: &str = "PATCH /guildhall/v1/entitlements/{entitlementId}";
const DELETE_ENTITLEMENT: &str = "DELETE /guildhall/v1/entitlements/{entitlementId}";

/// Requests that read, deletes that only ask among them.
pub const READS: &[Case] = &[
    (
        "list/organizations",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations",
        "",
        "",
    ),
    (
        "list/organizations-first",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?sort=-name&limit=2&count=true",
        "",
        "",
    ),
    (
        "list/organizations-by-prefix",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?namePrefix=ATL",
        "",
        "",
    ),
    (
        "list/organizations-in-regions",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Region.in=%5B%22EU%22,%22US%22%5D&count=true",
        "",
        "",
    ),
    (
        "list/organizations-to-renew",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Renewal%20Date.gte=2027-01-01&detail.Renewal%20Date.lt=2028-01-01",
        "",
        "",
    ),
    (
        "list/organizations-of-customer",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?customer=qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "",
        "",
    ),
    (
        "list/organizations-of-nobody",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?customer=none&count=true",
        "",
        "",
    ),
    (
        "list/customers",
        LIST_CUSTOMERS,
        "/guildhall/v1/customers?sort=email",
        "",
        "",
    ),
    (
        "list/customers-of-organization",
        LIST_CUSTOMERS,
        "/guildhall/v1/customers?organization=123&count=true",
        "",
        "",
    ),
    (
        "list/products",
        LIST_PRODUCTS,
        "/guildhall/v1/products?sort=name",
        "",
        "",
    ),
    (
        "list/entitlements",
        LIST_ENTITLEMENTS,
        "/guildhall/v1/entitlements?product=3858a61a-d337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
    (
        "list/entitlements-of-organization",
        LIST_ENTITLEMENTS,
        "/guildhall/v1/entitlements?organization=123",
        "",
        "",
    ),
    (
        "removal/organization-asked",
        DELETE_ORGANIZATION,
        "/guildhall/v1/organizations/123?dryRun=true",
        "",
        "",
    ),
    (
        "removal/product-asked",
        DELETE_PRODUCT,
        "/guildhall/v1/products/4858a61a-d337-42e6-993e-e13e1c366d4f?dryRun=true",
        "",
        "",
    ),
    (
        "removal/entitlement-asked",
        DELETE_ENTITLEMENT,
        "/guildhall/v1/entitlements/3858a61a-d337-42e6-993e-e13e1c366d4f?dryRun=true",
        "",
        "",
    ),
];

/// Requests that change something, each on a demo world of its own.
pub const WRITES: &[Case] = &[
    (
        "patch/organization",
        PATCH_ORGANIZATION,
        "/guildhall/v1/organizations/2",
        r#"{"name": "Globex Corporation", "details": [{"name": "region", "values": ["EU"]}, {"name": "Website", "values": []}]}"#,
        "",
    ),
    (
        "patch/customer",
        PATCH_CUSTOMER,
        ADMIN,
        r#"{"displayName": "Someone", "email": "someone@example.com", "details": [{"name": "Region", "values": ["AU"]}]}"#,
        "",
    ),
    (
        "patch/product",
        PATCH_PRODUCT,
        PRODUCT,
        r#"{"name": "Widget"}"#,
        "",
    ),
    (
        "patch/entitlement",
        PATCH_ENTITLEMENT,
        ENTITLEMENT,
        r#"{"details": [{"name": "Tier", "values": ["Premium"]}]}"#,
        "",
    ),
    (
        "removal/organization",
        DELETE_ORGANIZATION,
        "/guildhall/v1/organizations/123?dryRun=false",
        "",
        "",
    ),
    ("removal/member", DELETE_MEMBER, MEMBER, "", ""),
    ("removal/customer", DELETE_CUSTOMER, ADMIN, "", ""),
    ("removal/product", DELETE_PRODUCT, PRODUCT, "", ""),
    ("removal/entitlement", DELETE_ENTITLEMENT, ENTITLEMENT, "", ""),
];

/// Requests that are refused.
pub const REFUSALS: &[Case] = &[
    (
        "list/organizations-refused-without-token",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations",
        "",
        NO_TOKEN,
    ),
    (
        "list/organizations-refused-unknown-parameter",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?nameprefix=a",
        "",
        "",
    ),
    (
        "list/organizations-refused-unknown-field",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Regoin.eq=EU",
        "",
        "",
    ),
    (
        "list/organizations-refused-no-operator",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Region=EU",
        "",
        "",
    ),
    (
        "list/organizations-refused-unknown-operator",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Region.is=EU",
        "",
        "",
    ),
    (
        "list/organizations-refused-operator-of-other-type",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Region.gte=EU",
        "",
        "",
    ),
    (
        "list/organizations-refused-bad-date",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Renewal%20Date.gte=2027-02-30",
        "",
        "",
    ),
    (
        "list/organizations-refused-unknown-option",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?detail.Region.eq=eu",
        "",
        "",
    ),
    (
        "list/organizations-refused-bad-sort",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?sort=updated",
        "",
        "",
    ),
    (
        "list/organizations-refused-bad-limit",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?limit=all",
        "",
        "",
    ),
    (
        "list/organizations-refused-bad-cursor",
        LIST_ORGANIZATIONS,
        "/guildhall/v1/organizations?cursor=p1",
        "",
        "",
    ),
    (
        "list/customers-refused-blank-prefix",
        LIST_CUSTOMERS,
        "/guildhall/v1/customers?emailPrefix=",
        "",
        "",
    ),
    (
        "list/customers-refused-sort-twice",
        LIST_CUSTOMERS,
        "/guildhall/v1/customers?sort=id&sort=name",
        "",
        "",
    ),
    (
        "list/products-refused-detail",
        LIST_PRODUCTS,
        "/guildhall/v1/products?detail.Region.eq=EU",
        "",
        "",
    ),
    (
        "list/entitlements-refused-sort-by-name",
        LIST_ENTITLEMENTS,
        "/guildhall/v1/entitlements?sort=name",
        "",
        "",
    ),
    (
        "patch/organization-refused-nothing",
        PATCH_ORGANIZATION,
        "/guildhall/v1/organizations/2",
        "{}",
        "",
    ),
    (
        "patch/organization-refused-taken-name",
        PATCH_ORGANIZATION,
        "/guildhall/v1/organizations/2",
        r#"{"name": "acme", "details": [{"name": "Region", "values": ["EU"]}]}"#,
        "",
    ),
    (
        "patch/organization-refused-bad-value",
        PATCH_ORGANIZATION,
        "/guildhall/v1/organizations/2",
        r#"{"name": "Globex Corporation", "details": [{"name": "Region", "values": ["Azia"]}]}"#,
        "",
    ),
    (
        "patch/organization-refused-unknown",
        PATCH_ORGANIZATION,
        "/guildhall/v1/organizations/77",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "patch/customer-refused-bad-email",
        PATCH_CUSTOMER,
        ADMIN,
        r#"{"email": "not an email"}"#,
        "",
    ),
    (
        "patch/product-refused-nothing",
        PATCH_PRODUCT,
        PRODUCT,
        r#"{"Name": "Widget"}"#,
        "",
    ),
    (
        "patch/entitlement-refused-unknown-field",
        PATCH_ENTITLEMENT,
        ENTITLEMENT,
        r#"{"details": [{"name": "Tear", "values": ["Premium"]}]}"#,
        "",
    ),
    (
        "removal/organization-refused-misspelt",
        DELETE_ORGANIZATION,
        "/guildhall/v1/organizations/123?dryrun=true",
        "",
        "",
    ),
    (
        "removal/organization-refused-maybe",
        DELETE_ORGANIZATION,
        "/guildhall/v1/organizations/123?dryRun=yes",
        "",
        "",
    ),
    (
        "removal/organization-refused-unknown",
        DELETE_ORGANIZATION,
        "/guildhall/v1/organizations/77?dryRun=true",
        "",
        "",
    ),
    (
        "removal/member-refused-no-member",
        DELETE_MEMBER,
        "/guildhall/v1/organizations/2/customers/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "",
        "",
    ),
    (
        "removal/customer-refused-unknown",
        DELETE_CUSTOMER,
        "/guildhall/v1/customers/nobody",
        "",
        "",
    ),
    (
        "removal/product-refused-unknown",
        DELETE_PRODUCT,
        "/guildhall/v1/products/3858a61a-d337-42e6-993e-e13e1c366d40",
        "",
        "",
    ),
    (
        "removal/entitlement-refused-unknown",
        DELETE_ENTITLEMENT,
        "/guildhall/v1/entitlements/nothing",
        "",
        "",
    ),
];

#[test]
fn reads_and_refusals() {
    let (_world, site) = World::demo();
    for case in READS {
        check(&site, case).ok();
    }
    for case in REFUSALS {
        let response = check(&site, case);
        assert!((400..500).contains(&response.status), "{}", case.0);
        error_message(&response);
    }
    // Neither they nor deletes that only ask changed anything.
    for case in READS {
        check(&site, case).ok();
    }
}

#[test]
fn writes() {
    for case in WRITES {
        let (_world, site) = World::demo();
        let response = check(&site, case);
        let wanted = if case.1.starts_with("DELETE ") { 204 } else { 200 };
        assert_eq!(response.status, wanted, "{}", case.0);
    }
}
