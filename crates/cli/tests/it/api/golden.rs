//! Golden exchanges on the demo world: `golden/<resource>/<case>.json` holds a request and its whole
//! answer. The completeness test of `openapi.rs` reads the same folder.
//!
//! To add one: add a line here, run with `GUILDHALL_BLESS=1`, replace what differs from run to run by
//! redactions, and read the file. Long, because it is the list of all of them.

mod connectors;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use guildhall_http::routes::{Route, Space, routes};
use guildhall_testkit::{Golden, Request, Response};
use serde_json::{Map, Value, json};

use crate::api::golden_lists;
use crate::world::{Expect, KEY, Site, World, each, error_message};

/// Where the files are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

/// File, operation, path, body (empty for none), and in what the request is special. Operations and
/// paths of our own are spelled out; the vendor's follow `/api/v1`.
pub type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const PRODUCT: &str = r#"{"productId": "3858a61a-d337-42e6-993e-e13e1c366d4f"}"#;

/// Requests that change something, each on a demo world of its own.
const WRITES: &[Case] = &[
    (
        "organization-field/create",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": " Segment ", "type": {"name": "MULTISELECT", "options": ["Retail", "Industry"]}}"#,
        "",
    ),
    (
        "organization-field/create-without-options",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "organization-field/edit",
        "PUT /organization/details/{fieldName}",
        "/organization/details/region",
        r#"{"name": "Area", "options": ["US", "EU"]}"#,
        "",
    ),
    (
        "organization-field/edit-name-only",
        "PUT /organization/details/{fieldName}",
        "/organization/details/Phone%20Number",
        r#"{"name": "Telephone"}"#,
        "",
    ),
    (
        "organization-field/delete",
        "DELETE /organization/details/{fieldName}",
        "/organization/details/Region",
        "",
        "",
    ),
    (
        "organization/create",
        "POST /organization",
        "/organization",
        r#"{"name": "Initech"}"#,
        "",
    ),
    (
        "organization/rename",
        "PUT /organization/{organizationId}",
        "/organization/1",
        r#"{"name": "ACME"}"#,
        "",
    ),
    (
        "organization/delete",
        "DELETE /organization/{organizationId}",
        "/organization/123",
        "",
        "",
    ),
    (
        "organization/set-value",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Region",
        r#"{"values": ["AU"]}"#,
        "",
    ),
    (
        "organization/clear-value",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=region",
        r#"{"values": []}"#,
        "",
    ),
    (
        "organization/entitle",
        "POST /organization/{organizationId}/entitlement",
        "/organization/2/entitlement",
        PRODUCT,
        "",
    ),
    (
        "organization-profile/create",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "details": [{"name": "region", "values": ["US"]}, {"name": "Phone Number", "values": ["+1 555 0100"]}], "associateCustomers": {"customerIds": ["qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053"]}, "associateProducts": {"productIds": ["4858a61a-d337-42e6-993e-e13e1c366d4f"]}}"#,
        "",
    ),
    (
        "organization-profile/create-bare",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech"}"#,
        "",
    ),
    (
        "customer-field/create",
        "POST /customer/details",
        "/customer/details",
        r#"{"name": "Born", "type": {"name": "DATE"}}"#,
        "",
    ),
    (
        "customer-field/edit",
        "PUT /customer/details/{fieldName}",
        "/customer/details/Phone",
        r#"{"name": "Mobile"}"#,
        "",
    ),
    (
        "customer-field/delete",
        "DELETE /customer/details/{fieldName}",
        "/customer/details/Phone",
        "",
        "",
    ),
    (
        "customer/set-value",
        "PUT /customer/{customerId}/details",
        "/customer/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053/details?fieldName=Phone",
        r#"{"values": ["0422333111"]}"#,
        "",
    ),
    (
        "customer/entitle",
        "POST /customer/{customerId}/entitlement",
        "/customer/qm%3A9edf598a-85d4-4db9-bf2e-7245922b4ea8%3A0000e9d8-a22e-4220-ac63-412ff9eec053/entitlement",
        PRODUCT,
        "",
    ),
    (
        "customer-account/create",
        "POST /customer",
        "/customer",
        r#"{"email": "Ann@Example.com", "displayName": "Ann"}"#,
        "",
    ),
    (
        "customer-account/create-without-name",
        "POST /customer",
        "/customer",
        r#"{"email": "ann.lee@example.com"}"#,
        "",
    ),
    (
        "customer-account/rename",
        "PUT /customer/account/{customerId}",
        "/customer/account/qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1",
        r#"{"displayName": "Someone Else"}"#,
        "",
    ),
    (
        "customer-account/delete",
        "DELETE /customer/account/{customerId}",
        "/customer/account/qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1",
        "",
        "",
    ),
    (
        "customer-profile/create",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "Ann.Lee@example.com", "displayName": "Ann Lee", "details": [{"name": "region", "values": ["US"]}, {"name": "Phone", "values": ["+1 555 0100"]}], "associateOrganizations": {"organizationIds": ["123", 2]}, "associateProducts": {"productIds": ["4858a61a-d337-42e6-993e-e13e1c366d4f"]}}"#,
        "",
    ),
    (
        "customer-profile/create-bare",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "ann.lee@example.com"}"#,
        "",
    ),
    (
        "product/create",
        "POST /product",
        "/product",
        r#"{"name": "Acme Widget"}"#,
        "",
    ),
    (
        "product/rename",
        "PUT /product/{productId}",
        "/product/3858a61a-d337-42e6-993e-e13e1c366d4f",
        r#"{"name": "Acme Widget 2"}"#,
        "",
    ),
    (
        "product/delete",
        "DELETE /product/{productId}",
        "/product/3858A61A-d337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
    (
        "entitlement-field/create",
        "POST /entitlement/details",
        "/entitlement/details",
        r#"{"name": "Seats", "type": {"name": "NUMBER", "options": []}}"#,
        "",
    ),
    (
        "entitlement-field/edit",
        "PUT /entitlement/details/{fieldName}",
        "/entitlement/details/Tier",
        r#"{"name": "Tier", "options": ["Premium", "Ultimate"]}"#,
        "",
    ),
    (
        "entitlement-field/delete",
        "DELETE /entitlement/details/{fieldName}",
        "/entitlement/details/tier",
        "",
        "",
    ),
    (
        "entitlement/set-value",
        "PUT /entitlement/{entitlementId}/details",
        "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f/details?fieldName=Tier",
        r#"{"values": ["Premium"]}"#,
        "",
    ),
    (
        "entitlement/delete",
        "DELETE /entitlement/{entitlementId}",
        "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
];

/// Requests that read.
const READS: &[Case] = &[
    (
        "organization-field/list",
        "GET /organization/details",
        "/organization/details",
        "",
        "",
    ),
    (
        "organization/get",
        "GET /organization/{organizationId}",
        "/organization/123",
        "",
        "",
    ),
    (
        "organization/entitlements",
        "GET /organization/{organizationId}/entitlement",
        "/organization/123/entitlement",
        "",
        "",
    ),
    (
        "organization/entitlements-of-product",
        "GET /organization/{organizationId}/entitlement",
        "/organization/123/entitlement?product=4858a61a-d337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
    (
        "organization/fetch",
        "POST /organization/fetch",
        "/organization/fetch",
        r#"{"organizationIds": ["2", "77", "1", "2"], "organizationNames": ["ATLASSIAN", "Globex", "Nobody"]}"#,
        "",
    ),
    (
        "organization-profile/get",
        "GET /organization/profile/{organizationId}",
        "/organization/profile/123",
        "",
        "",
    ),
    (
        "organization-profile/fetch",
        "POST /organization/profile/fetch",
        "/organization/profile/fetch",
        r#"{"organizationNames": ["atlassian"], "organizationIds": ["2"], "unknown": ["x"]}"#,
        "",
    ),
    (
        "customer-field/list",
        "GET /customer/details",
        "/customer/details",
        "",
        "",
    ),
    (
        "customer/get",
        "GET /customer/{customerId}",
        "/customer/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "",
        "",
    ),
    (
        "customer/entitlements",
        "GET /customer/{customerId}/entitlement",
        "/customer/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053/entitlement",
        "",
        "",
    ),
    (
        "customer-account/get",
        "GET /customer/account/{customerId}",
        "/customer/account/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "",
        "",
    ),
    (
        "customer-profile/get",
        "GET /customer/profile/{customerId}",
        "/customer/profile/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053?expand=accessibleCustomerExperiences",
        "",
        "",
    ),
    (
        "customer-profile/fetch",
        "POST /customer/profile/fetch",
        "/customer/profile/fetch",
        r#"{"emails": ["JOHN.doe@example.com", "jane.doe@example.com", "nobody"], "customerIds": ["qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1", "qm:nobody", "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053"]}"#,
        "",
    ),
    (
        "entitlement/list-of-customer",
        "GET /entitlements",
        "/entitlements?entityType=CUSTOMER&entityId=qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "",
        "",
    ),
    (
        "entitlement/list-of-organization",
        "GET /entitlements",
        "/entitlements?entityType=ORGANIZATION&entityId=123&productId=3858A61A-d337-42e6-993e-e13e1c366d4f&start=0&limit=100",
        "",
        "",
    ),
    (
        "entitlement/list-past-the-end",
        "GET /entitlements",
        "/entitlements?entityType=ORGANIZATION&entityId=123&start=1&limit=1",
        "",
        "",
    ),
    ("product/list", "GET /product", "/product", "", ""),
    ("product/list-first", "GET /product", "/product?limit=1", "", ""),
    (
        "product/list-last",
        "GET /product",
        "/product?limit=1&cursor=p1",
        "",
        "",
    ),
    (
        "product/get",
        "GET /product/{productId}",
        "/product/4858A61A-D337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
    (
        "entitlement-field/list",
        "GET /entitlement/details",
        "/entitlement/details",
        "",
        "",
    ),
    (
        "entitlement/get",
        "GET /entitlement/{entitlementId}",
        "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f",
        "",
        "",
    ),
    (
        "task/list-none",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks",
        "",
        "",
    ),
];

const PROFILES: &str = r#"{"organizationProfiles": [{"operationType": "CREATE", "payload": {"name": "Initech", "details": [{"name": "region", "values": ["US"]}], "associateCustomers": {"customerIds": ["qm:10c2e972-eef6-4e0e-aa81-9a9e7a4ba9a7:3468699a-b2f0-4ae9-ab2d-155a5f5a8db4"]}, "associateProducts": {"productIds": ["4858a61a-d337-42e6-993e-e13e1c366d4f"]}}}, {"operationType": "UPSERT", "payload": {"id": "123", "name": "Globex", "details": [{"name": "Region", "values": ["EMEA"]}, {"name": "Regio", "values": ["EU"]}, {"name": "Renewal Date", "values": ["soon"]}], "associateCustomers": {"customerIds": ["qm:nobody"]}, "associateProducts": {"productIds": ["none"]}}}, {"operationType": "UPDATE", "payload": {"name": "Nobody"}}, {"operationType": "UPDATE", "payload": {"id": "1", "name": "Acme"}}]}"#;
const ORGANIZATIONS: &str = r#"{"organizations": [{"operationType": "UPDATE", "payload": {"id": "2", "name": "Globex Corporation"}}, {"operationType": "UPSERT", "payload": {"name": "Hooli"}}]}"#;
const DETAILS: &str = r#"{"organizations": [{"id": "2", "operations": [{"operationType": "UPDATE", "payload": {"name": "Region", "values": ["EU"]}}, {"operationType": "DELETE", "payload": {"name": "Website"}}, {"operationType": "PATCH", "payload": {"name": "Region", "values": ["Europe"]}}]}, {"id": "77", "operations": [{"operationType": "UPDATE", "payload": {"name": "Region", "values": ["EU"]}}]}]}"#;
const DEFINITIONS: &str = r#"{"detailFields": [{"name": "Segment", "type": {"name": "MULTISELECT", "options": ["Retail", "Industry"]}}, {"name": "Notes", "type": {"name": "TEXT"}}]}"#;

/// Bulk requests, one after the other in one world; each is finished before what follows.
const SUBMITS: &[Case] = &[
    (
        "organization-bulk/profiles",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        PROFILES,
        "",
    ),
    (
        "organization-bulk/organizations",
        "POST /organization/bulk",
        "/organization/bulk",
        ORGANIZATIONS,
        "",
    ),
    (
        "organization-bulk/details",
        "POST /organization/details/bulk",
        "/organization/details/bulk",
        DETAILS,
        "",
    ),
    (
        "organization-bulk/definitions",
        "POST /organization/details/definitions/bulk",
        "/organization/details/definitions/bulk",
        DEFINITIONS,
        "",
    ),
];

/// What is answered after all of them. `<0>` stands for the id of the first task.
const AFTER_SUBMITS: &[Case] = &[
    (
        "organization-bulk/profiles-again",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        PROFILES,
        "",
    ),
    (
        "organization-bulk/profiles-refused-key-reused",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        r#"{"organizationProfiles": [{"operationType": "CREATE", "payload": {"name": "Pied Piper"}}]}"#,
        "",
    ),
    ("task/get-profiles", "GET /tasks/{taskId}", "/tasks/<0>", "", ""),
    (
        "task/get-organizations",
        "GET /tasks/{taskId}",
        "/tasks/<1>",
        "",
        "",
    ),
    ("task/get-details", "GET /tasks/{taskId}", "/tasks/<2>", "", ""),
    (
        "task/get-definitions",
        "GET /tasks/{taskId}",
        "/tasks/<3>",
        "",
        "",
    ),
    (
        "task/list",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks",
        "",
        "",
    ),
    (
        "task/list-first",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?limit=2",
        "",
        "",
    ),
    (
        "task/list-last",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?limit=2&cursor=<2>",
        "",
        "",
    ),
    (
        "task/list-failed",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?status=FAILED",
        "",
        "",
    ),
    (
        "task/items",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<0>/items",
        "",
        "",
    ),
    (
        "task/items-of-definitions",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<3>/items",
        "",
        "",
    ),
    (
        "task/items-failed",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<0>/items?outcome=failed",
        "",
        "",
    ),
    (
        "task/items-with-failures-first",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<2>/items?hasFailures=true&limit=1",
        "",
        "",
    ),
    (
        "task/items-with-failures-last",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<2>/items?hasFailures=true&limit=1&cursor=0",
        "",
        "",
    ),
    (
        "task/items-refused-bad-cursor",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<0>/items?cursor=-1",
        "",
        "",
    ),
];

const CUSTOMER_PROFILES: &str = r#"{"customerProfiles": [{"operationType": "CREATE", "payload": {"email": "Ann.Lee@example.com", "displayName": "Ann Lee", "details": [{"name": "region", "values": ["US"]}, {"name": "Phone", "values": ["+1 555 0100"]}], "associateOrganizations": {"organizationIds": ["2", 123]}, "associateProducts": {"productIds": ["4858a61a-d337-42e6-993e-e13e1c366d4f"]}}}, {"operationType": "UPSERT", "payload": {"customerId": "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053", "email": "other@example.com", "displayName": "Johnny", "details": [{"name": "Region", "values": ["EMEA"]}, {"name": "Regio", "values": ["EU"]}, {"name": "Phone", "values": ["soon"]}], "associateOrganizations": {"organizationIds": ["77"]}, "associateProducts": {"productIds": ["none"]}}}, {"operationType": "UPDATE", "payload": {"email": "nobody@example.com"}}, {"operationType": "UPDATE", "payload": {"email": "JANE.DOE@example.com"}}]}"#;
const CUSTOMERS: &str = r#"{"customers": [{"operationType": "UPDATE", "payload": {"customerId": "qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1", "displayName": "Someone Else"}}, {"operationType": "CREATE", "payload": {"email": "JOHN.doe@example.com"}}]}"#;
const CUSTOMER_DETAILS: &str = r#"{"customers": [{"customerId": "qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1", "operations": [{"operationType": "UPDATE", "payload": {"name": "Region", "values": ["US"]}}, {"operationType": "DELETE", "payload": {"name": "Phone"}}, {"operationType": "PATCH", "payload": {"name": "Region", "values": ["Europe"]}}]}, {"customerId": "qm:nobody", "operations": [{"operationType": "UPDATE", "payload": {"name": "Region", "values": ["EU"]}}]}]}"#;
const CUSTOMER_DEFINITIONS: &str = r#"{"detailFields": [{"name": "Segment", "type": {"name": "MULTISELECT", "options": ["Retail", "Industry"]}}, {"name": "Notes", "type": {"name": "TEXT"}}]}"#;

/// The same for customers, in a world of their own.
const CUSTOMER_SUBMITS: &[Case] = &[
    (
        "customer-bulk/profiles",
        "POST /customer/profile/bulk",
        "/customer/profile/bulk",
        CUSTOMER_PROFILES,
        "",
    ),
    (
        "customer-bulk/accounts",
        "POST /customer/bulk",
        "/customer/bulk",
        CUSTOMERS,
        "",
    ),
    (
        "customer-bulk/details",
        "POST /customer/details/bulk",
        "/customer/details/bulk",
        CUSTOMER_DETAILS,
        "",
    ),
    (
        "customer-bulk/definitions",
        "POST /customer/details/definitions/bulk",
        "/customer/details/definitions/bulk",
        CUSTOMER_DEFINITIONS,
        "",
    ),
];

/// What is answered after all of them.
const AFTER_CUSTOMER_SUBMITS: &[Case] = &[
    (
        "customer-bulk/profiles-again",
        "POST /customer/profile/bulk",
        "/customer/profile/bulk",
        CUSTOMER_PROFILES,
        "",
    ),
    (
        "task/get-customer-profiles",
        "GET /tasks/{taskId}",
        "/tasks/<0>",
        "",
        "",
    ),
    (
        "task/get-customer-accounts",
        "GET /tasks/{taskId}",
        "/tasks/<1>",
        "",
        "",
    ),
    (
        "task/get-customer-details",
        "GET /tasks/{taskId}",
        "/tasks/<2>",
        "",
        "",
    ),
    (
        "task/get-customer-definitions",
        "GET /tasks/{taskId}",
        "/tasks/<3>",
        "",
        "",
    ),
    (
        "task/items-of-customers",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/<0>/items",
        "",
        "",
    ),
    (
        "customer/search",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field",
        r#"{"detailFields": [{"name": "region", "value": "us"}]}"#,
        "",
    ),
    (
        "customer/search-by-two",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field",
        r#"{"detailFields": [{"name": "Region", "value": "US"}, {"name": "Phone", "value": "+1 555 0100"}]}"#,
        "",
    ),
    (
        "customer/search-second-page",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field?page=1&maxResults=1",
        r#"{"detailFields": [{"name": "Region", "value": "US"}]}"#,
        "",
    ),
];

/// In what a request may be special: no token.
pub const NO_TOKEN: &str = "token";
const NO_OPT_IN: &str = "opt-in";
const NO_TYPE: &str = "json";
const AS_TEXT: &str = "text";
const NO_KEY: &str = "key";
const BAD_KEY: &str = "bad key";

/// Requests that are refused.
const REFUSALS: &[Case] = &[
    (
        "organization-field/list-refused-without-token",
        "GET /organization/details",
        "/organization/details",
        "",
        NO_TOKEN,
    ),
    (
        "organization-field/create-refused-taken-name",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": " REGION ", "type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "organization-field/create-refused-without-type",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "Type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "organization-field/create-refused-unknown-type",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "MULTI_SELECT"}}"#,
        "",
    ),
    (
        "organization-field/create-refused-assets",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "ASSETS_OBJECT"}}"#,
        "",
    ),
    (
        "organization-field/create-refused-no-options",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "SELECT", "options": []}}"#,
        "",
    ),
    (
        "organization-field/create-refused-options-alike",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "SELECT", "options": ["a", "b", " A"]}}"#,
        "",
    ),
    (
        "organization-field/create-refused-options-of-text",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "TEXT", "options": ["a"]}}"#,
        "",
    ),
    (
        "organization-field/create-refused-blank-name",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": " \t", "type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "organization-field/create-refused-wrong-shape",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": "TEXT"}"#,
        "",
    ),
    (
        "organization-field/create-refused-number-as-option",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "Notes", "type": {"name": "SELECT", "options": ["a", 1]}}"#,
        "",
    ),
    (
        "organization-field/create-refused-no-json",
        "POST /organization/details",
        "/organization/details",
        "{\"name\": \"Notes\",\n \"type\": }",
        "",
    ),
    (
        "organization-field/create-refused-member-twice",
        "POST /organization/details",
        "/organization/details",
        r#"{"name": "a", "type": {"name": "TEXT"}, "name": "b"}"#,
        AS_TEXT,
    ),
    (
        "organization-field/create-refused-no-content-type",
        "POST /organization/details",
        "/organization/details",
        "name=Notes",
        NO_TYPE,
    ),
    (
        "organization-field/edit-refused-unknown",
        "PUT /organization/details/{fieldName}",
        "/organization/details/Regoin",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "organization-field/edit-refused-taken-name",
        "PUT /organization/details/{fieldName}",
        "/organization/details/Region",
        r#"{"name": "website"}"#,
        "",
    ),
    (
        "organization-field/edit-refused-without-name",
        "PUT /organization/details/{fieldName}",
        "/organization/details/Region",
        r#"{"options": ["a"]}"#,
        "",
    ),
    (
        "organization-field/edit-refused-options-of-url",
        "PUT /organization/details/{fieldName}",
        "/organization/details/Website",
        r#"{"name": "Website", "options": ["a"]}"#,
        "",
    ),
    (
        "organization-field/delete-refused-unknown",
        "DELETE /organization/details/{fieldName}",
        "/organization/details/Web%20site",
        "",
        "",
    ),
    (
        "organization/get-refused-unknown",
        "GET /organization/{organizationId}",
        "/organization/77",
        "",
        "",
    ),
    (
        "organization/get-refused-malformed-id",
        "GET /organization/{organizationId}",
        "/organization/0123",
        "",
        "",
    ),
    (
        "organization/rename-refused-without-opt-in",
        "PUT /organization/{organizationId}",
        "/organization/1",
        r#"{"name": "x"}"#,
        NO_OPT_IN,
    ),
    (
        "organization/rename-refused-taken-name",
        "PUT /organization/{organizationId}",
        "/organization/1",
        r#"{"name": "GLOBEX"}"#,
        "",
    ),
    (
        "organization/rename-refused-unknown",
        "PUT /organization/{organizationId}",
        "/organization/77",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "organization/delete-refused-unknown",
        "DELETE /organization/{organizationId}",
        "/organization/77",
        "",
        "",
    ),
    (
        "organization/set-value-refused-without-field",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details",
        r#"{"values": ["EU"]}"#,
        "",
    ),
    (
        "organization/set-value-refused-without-values",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Region",
        r#"{"value": ["EU"]}"#,
        "",
    ),
    (
        "organization/set-value-refused-unknown-field",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Regin",
        r#"{"values": ["EU"]}"#,
        "",
    ),
    (
        "organization/set-value-refused-unknown-option",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Region",
        r#"{"values": ["eu"]}"#,
        "",
    ),
    (
        "organization/set-value-refused-two-values",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Region",
        r#"{"values": ["EU", "US"]}"#,
        "",
    ),
    (
        "organization/set-value-refused-number",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Region",
        r#"{"values": [7]}"#,
        "",
    ),
    (
        "organization/set-value-refused-bad-date",
        "PUT /organization/{organizationId}/details",
        "/organization/123/details?fieldName=Renewal%20Date",
        r#"{"values": ["2027-02-29"]}"#,
        "",
    ),
    (
        "organization/entitlements-refused-unknown",
        "GET /organization/{organizationId}/entitlement",
        "/organization/77/entitlement",
        "",
        "",
    ),
    (
        "organization/entitlements-refused-filter-twice",
        "GET /organization/{organizationId}/entitlement",
        "/organization/1/entitlement?product=a&product=b",
        "",
        "",
    ),
    (
        "organization/entitle-refused-unknown-product",
        "POST /organization/{organizationId}/entitlement",
        "/organization/2/entitlement",
        r#"{"productId": "3858a61a-d337-42e6-993e-e13e1c366d40"}"#,
        "",
    ),
    (
        "organization/entitle-refused-misspelt-member",
        "POST /organization/{organizationId}/entitlement",
        "/organization/2/entitlement",
        r#"{"productID": "3858a61a-d337-42e6-993e-e13e1c366d4f"}"#,
        "",
    ),
    (
        "organization/create-refused-taken-name",
        "POST /organization",
        "/organization",
        r#"{"name": " atlassian "}"#,
        "",
    ),
    (
        "organization/create-refused-without-opt-in",
        "POST /organization",
        "/organization",
        r#"{"name": "Initech"}"#,
        NO_OPT_IN,
    ),
    (
        "organization/create-refused-no-object",
        "POST /organization",
        "/organization",
        r#"["Initech"]"#,
        "",
    ),
    (
        "organization/create-refused-null-name",
        "POST /organization",
        "/organization",
        r#"{"name": null}"#,
        "",
    ),
    (
        "organization/fetch-refused-nothing-asked",
        "POST /organization/fetch",
        "/organization/fetch",
        r#"{"organizationIds": []}"#,
        "",
    ),
    (
        "organization/fetch-refused-wrong-type",
        "POST /organization/fetch",
        "/organization/fetch",
        r#"{"organizationIds": ["1", true]}"#,
        "",
    ),
    (
        "organization-profile/get-refused-unknown",
        "GET /organization/profile/{organizationId}",
        "/organization/profile/77",
        "",
        "",
    ),
    (
        "organization-profile/get-refused-without-opt-in",
        "GET /organization/profile/{organizationId}",
        "/organization/profile/123",
        "",
        NO_OPT_IN,
    ),
    (
        "organization-profile/create-refused-unknown-field",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "details": [{"name": "Website", "values": ["https://initech.example"]}, {"name": "Regio", "values": ["EU"]}]}"#,
        "",
    ),
    (
        "organization-profile/create-refused-bad-value",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "details": [{"name": "Region", "values": ["Europe"]}]}"#,
        "",
    ),
    (
        "organization-profile/create-refused-field-twice",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "details": [{"name": "Region", "values": ["EU"]}, {"name": "region", "values": ["EU"]}]}"#,
        "",
    ),
    (
        "organization-profile/create-refused-unknown-customer",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "associateCustomers": {"customerIds": ["qm:nobody"]}}"#,
        "",
    ),
    (
        "organization-profile/create-refused-unknown-product",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Initech", "associateProducts": {"productIds": ["4858a61a-d337-42e6-993e-e13e1c366d4f", "none"]}}"#,
        "",
    ),
    (
        "organization-profile/create-refused-taken-name",
        "POST /organization/profile",
        "/organization/profile",
        r#"{"name": "Atlassian"}"#,
        "",
    ),
    (
        "organization-profile/fetch-refused-nothing-asked",
        "POST /organization/profile/fetch",
        "/organization/profile/fetch",
        "{}",
        "",
    ),
    (
        "customer-field/list-refused-without-token",
        "GET /customer/details",
        "/customer/details",
        "",
        NO_TOKEN,
    ),
    (
        "customer-field/create-refused-taken-name",
        "POST /customer/details",
        "/customer/details",
        r#"{"name": "phone", "type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "customer-field/edit-refused-unknown",
        "PUT /customer/details/{fieldName}",
        "/customer/details/Phones",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "customer-field/delete-refused-unknown",
        "DELETE /customer/details/{fieldName}",
        "/customer/details/Nothing%20like%20it",
        "",
        "",
    ),
    (
        "customer/get-refused-unknown",
        "GET /customer/{customerId}",
        "/customer/qm:nobody",
        "",
        "",
    ),
    (
        "customer/set-value-refused-bad-phone",
        "PUT /customer/{customerId}/details",
        "/customer/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053/details?fieldName=Phone",
        r#"{"values": ["call me"]}"#,
        "",
    ),
    (
        "customer/entitlements-refused-unknown",
        "GET /customer/{customerId}/entitlement",
        "/customer/nobody/entitlement",
        "",
        "",
    ),
    (
        "customer/entitle-refused-unknown-customer",
        "POST /customer/{customerId}/entitlement",
        "/customer/nobody/entitlement",
        PRODUCT,
        "",
    ),
    (
        "customer-account/create-refused-taken-email",
        "POST /customer",
        "/customer",
        r#"{"email": "JOHN.DOE@example.com"}"#,
        "",
    ),
    (
        "customer-account/create-refused-bad-email",
        "POST /customer",
        "/customer",
        r#"{"email": "john at example.com"}"#,
        "",
    ),
    (
        "customer-account/create-refused-without-email",
        "POST /customer",
        "/customer",
        r#"{"eMail": "a@example.com"}"#,
        "",
    ),
    (
        "customer-account/get-refused-unknown",
        "GET /customer/account/{customerId}",
        "/customer/account/5b10ac8d82e05b22cc7d4ef5",
        "",
        "",
    ),
    (
        "customer-account/rename-refused-blank",
        "PUT /customer/account/{customerId}",
        "/customer/account/qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        r#"{"displayName": ""}"#,
        "",
    ),
    (
        "customer-account/delete-refused-unknown",
        "DELETE /customer/account/{customerId}",
        "/customer/account/nobody",
        "",
        "",
    ),
    (
        "product/list-refused-bad-limit",
        "GET /product",
        "/product?limit=many",
        "",
        "",
    ),
    (
        "product/list-refused-bad-cursor",
        "GET /product",
        "/product?cursor=next",
        "",
        "",
    ),
    (
        "product/create-refused-without-name",
        "POST /product",
        "/product",
        r#"{"names": "x"}"#,
        "",
    ),
    (
        "product/get-refused-unknown",
        "GET /product/{productId}",
        "/product/widget",
        "",
        "",
    ),
    (
        "product/rename-refused-unknown",
        "PUT /product/{productId}",
        "/product/3858a61a-d337-42e6-993e-e13e1c366d40",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "product/rename-refused-wrong-type",
        "PUT /product/{productId}",
        "/product/3858a61a-d337-42e6-993e-e13e1c366d4f",
        r#"{"name": 7}"#,
        "",
    ),
    (
        "product/delete-refused-unknown",
        "DELETE /product/{productId}",
        "/product/3858a61a-d337-42e6-993e-e13e1c366d40",
        "",
        "",
    ),
    (
        "entitlement-field/list-refused-without-token",
        "GET /entitlement/details",
        "/entitlement/details",
        "",
        NO_TOKEN,
    ),
    (
        "entitlement-field/create-refused-taken-name",
        "POST /entitlement/details",
        "/entitlement/details",
        r#"{"name": "tier", "type": {"name": "TEXT"}}"#,
        "",
    ),
    (
        "entitlement-field/edit-refused-no-options",
        "PUT /entitlement/details/{fieldName}",
        "/entitlement/details/Tier",
        r#"{"name": "Tier", "options": []}"#,
        "",
    ),
    (
        "entitlement-field/delete-refused-unknown",
        "DELETE /entitlement/details/{fieldName}",
        "/entitlement/details/Tears",
        "",
        "",
    ),
    (
        "entitlement/get-refused-unknown",
        "GET /entitlement/{entitlementId}",
        "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d40",
        "",
        "",
    ),
    (
        "entitlement/set-value-refused-unknown-option",
        "PUT /entitlement/{entitlementId}/details",
        "/entitlement/3858a61a-d337-42e6-993e-e13e1c366d4f/details?fieldName=Tier",
        r#"{"values": ["Premier"]}"#,
        "",
    ),
    (
        "entitlement/delete-refused-unknown",
        "DELETE /entitlement/{entitlementId}",
        "/entitlement/nothing",
        "",
        "",
    ),
    (
        "organization-bulk/profiles-refused-without-key",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        PROFILES,
        NO_KEY,
    ),
    (
        "organization-bulk/profiles-refused-bad-key",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        PROFILES,
        BAD_KEY,
    ),
    (
        "organization-bulk/profiles-refused-without-opt-in",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        PROFILES,
        NO_OPT_IN,
    ),
    (
        "organization-bulk/profiles-refused-field-twice",
        "POST /organization/profile/bulk",
        "/organization/profile/bulk",
        r#"{"organizationProfiles": [{"operationType": "UPSERT", "payload": {"id": "1"}}, {"operationType": "UPSERT", "payload": {"name": "Initech", "details": [{"name": "Region", "values": ["EU"]}, {"name": " region", "values": ["EU"]}]}}]}"#,
        "",
    ),
    (
        "organization-bulk/organizations-refused-none",
        "POST /organization/bulk",
        "/organization/bulk",
        r#"{"organizations": []}"#,
        "",
    ),
    (
        "organization-bulk/organizations-refused-unknown-operation",
        "POST /organization/bulk",
        "/organization/bulk",
        r#"{"organizations": [{"operationType": "UPDATE", "payload": {"id": "1"}}, {"operationType": "UPSRT", "payload": {"id": "2"}}]}"#,
        "",
    ),
    (
        "organization-bulk/organizations-refused-nameless",
        "POST /organization/bulk",
        "/organization/bulk",
        r#"{"organizations": [{"operationType": "UPDATE", "payload": {}}]}"#,
        "",
    ),
    (
        "organization-bulk/details-refused-misspelt-member",
        "POST /organization/details/bulk",
        "/organization/details/bulk",
        r#"{"organizations": [{"id": "1", "operation": []}]}"#,
        "",
    ),
    (
        "organization-bulk/details-refused-unknown-operation",
        "POST /organization/details/bulk",
        "/organization/details/bulk",
        r#"{"organizations": [{"id": "1", "operations": [{"operationType": "UPSERT", "payload": {"name": "Region", "values": ["EU"]}}]}]}"#,
        "",
    ),
    (
        "organization-bulk/definitions-refused-taken-name",
        "POST /organization/details/definitions/bulk",
        "/organization/details/definitions/bulk",
        r#"{"detailFields": [{"name": "Notes", "type": {"name": "TEXT"}}, {"name": "REGION", "type": {"name": "TEXT"}}]}"#,
        "",
    ),
    (
        "organization-bulk/definitions-refused-name-twice",
        "POST /organization/details/definitions/bulk",
        "/organization/details/definitions/bulk",
        r#"{"detailFields": [{"name": "Notes", "type": {"name": "TEXT"}}, {"name": " notes", "type": {"name": "TEXT"}}]}"#,
        "",
    ),
    (
        "customer-profile/get-refused-unknown",
        "GET /customer/profile/{customerId}",
        "/customer/profile/qm:nobody",
        "",
        "",
    ),
    (
        "customer-profile/create-refused-bad-email",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "ann"}"#,
        "",
    ),
    (
        "customer-profile/create-refused-taken-email",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "JOHN.DOE@example.com"}"#,
        "",
    ),
    (
        "customer-profile/create-refused-unknown-organization",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "ann.lee@example.com", "associateOrganizations": {"organizationIds": ["1", "77"]}}"#,
        "",
    ),
    (
        "customer-profile/create-refused-wrong-type",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "ann.lee@example.com", "associateOrganizations": {"organizationIds": [true]}}"#,
        "",
    ),
    (
        "customer-profile/create-refused-unknown-field",
        "POST /customer/profile",
        "/customer/profile",
        r#"{"email": "ann.lee@example.com", "details": [{"name": "Website", "values": ["EU"]}]}"#,
        "",
    ),
    (
        "customer-profile/fetch-refused-nothing-asked",
        "POST /customer/profile/fetch",
        "/customer/profile/fetch",
        r#"{"organizationIds": ["1"]}"#,
        "",
    ),
    (
        "customer/search-refused-unknown-field",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field",
        r#"{"detailFields": [{"name": "Region", "value": "EU"}, {"name": "Fone", "value": "1"}]}"#,
        "",
    ),
    (
        "customer/search-refused-none",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field",
        r#"{"detailFields": []}"#,
        "",
    ),
    (
        "customer/search-refused-bad-page",
        "POST /customer/search-by-detail-field",
        "/customer/search-by-detail-field?page=first",
        r#"{"detailFields": [{"name": "Region", "value": "EU"}]}"#,
        "",
    ),
    (
        "entitlement/list-refused-without-type",
        "GET /entitlements",
        "/entitlements?entityId=123",
        "",
        "",
    ),
    (
        "entitlement/list-refused-without-id",
        "GET /entitlements",
        "/entitlements?entityType=CUSTOMER",
        "",
        "",
    ),
    (
        "entitlement/list-refused-unknown-type",
        "GET /entitlements",
        "/entitlements?entityType=ORGANISATION&entityId=123",
        "",
        "",
    ),
    (
        "entitlement/list-refused-unknown-entity",
        "GET /entitlements",
        "/entitlements?entityType=ORGANIZATION&entityId=77",
        "",
        "",
    ),
    (
        "entitlement/list-refused-bad-start",
        "GET /entitlements",
        "/entitlements?entityType=ORGANIZATION&entityId=123&start=one",
        "",
        "",
    ),
    (
        "entitlement/list-refused-without-opt-in",
        "GET /entitlements",
        "/entitlements?entityType=ORGANIZATION&entityId=123",
        "",
        NO_OPT_IN,
    ),
    (
        "customer-bulk/profiles-refused-nameless",
        "POST /customer/profile/bulk",
        "/customer/profile/bulk",
        r#"{"customerProfiles": [{"operationType": "UPSERT", "payload": {"email": "a@example.com"}}, {"operationType": "UPSERT", "payload": {"displayName": "Ann"}}]}"#,
        "",
    ),
    (
        "customer-bulk/profiles-refused-bad-email",
        "POST /customer/profile/bulk",
        "/customer/profile/bulk",
        r#"{"customerProfiles": [{"operationType": "UPSERT", "payload": {"email": "Ann"}}]}"#,
        "",
    ),
    (
        "customer-bulk/accounts-refused-without-key",
        "POST /customer/bulk",
        "/customer/bulk",
        r#"{"customers": [{"operationType": "UPSERT", "payload": {"email": "a@example.com"}}]}"#,
        NO_KEY,
    ),
    (
        "customer-bulk/accounts-refused-create-without-email",
        "POST /customer/bulk",
        "/customer/bulk",
        r#"{"customers": [{"operationType": "CREATE", "payload": {"customerId": "qm:a", "displayName": "Ann"}}]}"#,
        "",
    ),
    (
        "customer-bulk/details-refused-id",
        "POST /customer/details/bulk",
        "/customer/details/bulk",
        r#"{"customers": [{"id": "qm:a", "operations": [{"operationType": "DELETE", "payload": {"name": "Region"}}]}]}"#,
        "",
    ),
    (
        "customer-bulk/details-refused-blank-id",
        "POST /customer/details/bulk",
        "/customer/details/bulk",
        r#"{"customers": [{"customerId": " ", "operations": [{"operationType": "DELETE", "payload": {"name": "Region"}}]}]}"#,
        "",
    ),
    (
        "customer-bulk/definitions-refused-taken-name",
        "POST /customer/details/definitions/bulk",
        "/customer/details/definitions/bulk",
        r#"{"detailFields": [{"name": "Website", "type": {"name": "URL"}}, {"name": "PHONE", "type": {"name": "TEXT"}}]}"#,
        "",
    ),
    (
        "task/get-refused-unknown",
        "GET /tasks/{taskId}",
        "/tasks/01900000-0000-7000-8000-000000000000",
        "",
        "",
    ),
    (
        "task/get-refused-malformed-id",
        "GET /tasks/{taskId}",
        "/tasks/latest",
        "",
        "",
    ),
    (
        "task/list-refused-without-token",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks",
        "",
        NO_TOKEN,
    ),
    (
        "task/list-refused-unknown-status",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?status=FINISHD",
        "",
        "",
    ),
    (
        "task/list-refused-bad-limit",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?limit=ten",
        "",
        "",
    ),
    (
        "task/list-refused-bad-cursor",
        "GET /guildhall/v1/tasks",
        "/guildhall/v1/tasks?cursor=p1",
        "",
        "",
    ),
    (
        "task/items-refused-unknown",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/01900000-0000-7000-8000-000000000000/items",
        "",
        "",
    ),
    (
        "task/items-refused-unknown-outcome",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/01900000-0000-7000-8000-000000000000/items?outcome=ok",
        "",
        "",
    ),
    (
        "task/items-refused-has-failures-maybe",
        "GET /guildhall/v1/tasks/{taskId}/items",
        "/guildhall/v1/tasks/01900000-0000-7000-8000-000000000000/items?hasFailures=yes",
        "",
        "",
    ),
];

/// The name that the document and the files have for an operation.
pub fn operation(route: &Route) -> String {
    let prefix = match route.space {
        Space::Vendor => "",
        Space::Own => "/guildhall/v1",
        Space::Connector => "/teamwork-graph/v1",
    };
    format!("{} {prefix}{}", route.method, route.path)
}

fn send(site: &Site, path: &str, (_, operation, _, body, special): &Case) -> (Value, Response) {
    let method = operation.split(' ').next().unwrap_or_default();
    let routes = routes();
    let route = routes
        .iter()
        .find(|route| self::operation(route) == *operation)
        .unwrap_or_else(|| panic!("there is no {operation}"));
    let prefix = match route.space {
        Space::Vendor => "/api/v1",
        Space::Own | Space::Connector => "",
    };
    let mut request = Request::new(method, format!("{prefix}{path}"));
    let mut headers = Map::new();
    if *special != NO_TOKEN {
        request = request.bearer(&site.token);
        headers.insert("Authorization".into(), "Bearer <access_token>".into());
    }
    if *special != NO_OPT_IN {
        request = request.header("X-ExperimentalApi", "opt-in");
        headers.insert("X-ExperimentalApi".into(), "opt-in".into());
    }
    if route.keyed && *special != NO_KEY {
        let key = match *special {
            BAD_KEY => "two words",
            _ => "golden",
        };
        request = request.header(KEY, key);
        headers.insert(KEY.into(), key.into());
    }
    let mut shown = json!({ "method": method, "path": path });
    if !body.is_empty() {
        let content_type = match *special {
            NO_TYPE => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        request = request.header("Content-Type", content_type).body(*body);
        headers.insert("Content-Type".into(), content_type.into());
        // As JSON for the eyes of a reader, where it loses nothing by that.
        shown["body"] = match serde_json::from_str::<Value>(body) {
            Ok(value) if *special != AS_TEXT => value,
            _ => (*body).into(),
        };
    }
    shown["headers"] = headers.into();
    (shown, site.send(&request))
}

/// Sends the request of a case and compares the exchange with its file.
pub fn check(site: &Site, case: &Case) -> Response {
    check_at(site, case.2, case)
}

/// The same with a path that names things of this run.
fn check_at(site: &Site, path: &str, case: &Case) -> Response {
    let (request, response) = send(site, path, case);
    let mut shown = json!({ "status": response.status });
    if !response.body.is_empty() {
        shown["body"] = response.json();
    }
    for name in ["WWW-Authenticate", "Allow", "Idempotent-Replayed"] {
        if let Some(value) = response.header(name) {
            shown[name] = value.into();
        }
    }
    let exchange = json!({ "operation": case.1, "request": request, "response": shown });
    Golden::check(folder().join(format!("{}.json", case.0)), &exchange);
    response
}

#[test]
fn reads() {
    let (_world, site) = World::demo();
    for case in READS {
        check(&site, case).ok();
    }
}

#[test]
fn refusals() {
    let (_world, site) = World::demo();
    for case in REFUSALS {
        let response = check(&site, case);
        assert!((400..500).contains(&response.status), "{}", case.0);
        error_message(&response);
    }
    // None of them changed anything.
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

/// Submits, one after the other has ended, and asks what is said of it then. Returns the tasks' ids.
fn submit_and_ask(site: &Site, submits: &[Case], asked: &[Case]) -> Vec<String> {
    let mut ids = Vec::new();
    for case in submits {
        let submitted = check(site, case).ok();
        let id = submitted["id"].as_str().unwrap().to_owned();
        let url = submitted["statusUrl"].as_str().unwrap();
        assert_eq!(url, format!("/api/v1/tasks/{id}"));
        site.finished(&id);
        ids.push(id);
    }
    for case in asked {
        let path = ids.iter().enumerate().fold(case.2.to_owned(), |path, (at, id)| {
            path.replace(&format!("<{at}>"), id)
        });
        let response = check_at(site, &path, case);
        if response.status >= 400 {
            error_message(&response);
        }
    }
    ids
}

#[test]
fn tasks_of_customers() {
    let (_world, site) = World::demo();
    submit_and_ask(&site, CUSTOMER_SUBMITS, AFTER_CUSTOMER_SUBMITS);
}

/// Bulk requests, what comes of them, and what is said of it, once they are done.
#[test]
fn tasks() {
    let (_world, site) = World::demo();
    let mut ids = submit_and_ask(&site, SUBMITS, AFTER_SUBMITS);
    // A cursor is an id, however it is spelled.
    for spelled in [
        ids[2].clone(),
        ids[2].to_ascii_uppercase(),
        format!("{{{}}}", ids[2]),
        ids[2].replace('-', ""),
    ] {
        let page = site.own(&format!("/tasks?cursor={spelled}")).ok();
        assert_eq!(each(&page["tasks"], "id"), [&ids[1], &ids[0]], "{spelled}");
    }
    // The list is newest first, and a repeated request made no other task.
    let listed = site.own("/tasks").ok();
    ids.reverse();
    assert_eq!(each(&listed["tasks"], "id"), ids);
}

/// What connectors call, in one world.
#[test]
fn connectors() {
    let (world, site) = World::demo();
    let account = world.token_of(&site.cloud_id, "user", &[], "account-1");
    let account = Site::new(&world, site.cloud_id.clone(), account);
    let connections = site.own("/connections").ok();
    let connection = connections["connections"][0]["id"].as_str().unwrap();
    for case in connectors::SCRIPT {
        let site = if case.4 == connectors::AS_ACCOUNT {
            &account
        } else {
            &site
        };
        let response = check_at(site, &case.2.replace("<0>", connection), case);
        if response.status >= 400 {
            error_message(&response);
        }
    }
}

#[test]
fn every_file_is_checked_once() {
    let mut cases = BTreeSet::new();
    let lists = [golden_lists::READS, golden_lists::WRITES, golden_lists::REFUSALS].concat();
    let all = [
        READS,
        WRITES,
        REFUSALS,
        SUBMITS,
        AFTER_SUBMITS,
        CUSTOMER_SUBMITS,
        AFTER_CUSTOMER_SUBMITS,
        connectors::SCRIPT,
    ];
    for case in [all.concat(), lists].concat() {
        assert!(cases.insert(case.0.to_owned()), "{} is there twice", case.0);
    }
    let files: BTreeSet<String> = files()
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(folder()).unwrap().with_extension("");
            name.to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(files, cases);
}

/// All golden files.
pub fn files() -> Vec<PathBuf> {
    let list = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let exchanges = list(&folder()).into_iter().filter(|path| path.is_dir());
    exchanges
        .filter(|path| !path.ends_with("cli"))
        .flat_map(|path| list(&path))
        .collect()
}
