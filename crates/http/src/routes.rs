//! The one route table. The router, the permission checks, the OpenAPI document, the page at
//! `/docs` and the tests of privileges and tenants all come from it.
//!
//! Rows follow the index of operations in `docs/api.md` and carry its numbers.
//! Long, because it is one table.

mod connectors;

use guildhall_domain::access::Scope::{self, *};
use guildhall_domain::list::{ListKind, SortBy};
use guildhall_domain::task::TaskType;
use guildhall_domain::{EntityKind, Role, limits};
use http::Method;
use serde_json::Value;

use crate::api::{
    bulk, customer_bulk, customer_profiles, customers, details, entitlements, fields, lists, organizations,
    patches, products, profiles, removals, tasks,
};
use crate::call::{Call, Handled};
use crate::wire::{Schema, Schemas};

/// Whether an operation asks for `X-ExperimentalApi: opt-in` (`docs/api.md`, "Experimental header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experimental {
    /// Never.
    No,
    /// The seed documents ask for it, the newest ones do not.
    Seed,
    /// The newest documents ask for it.
    Newest,
    /// An older version asked for it, and no seed covers it: never asked for here.
    Older,
}

/// Whom an operation serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// At least this role.
    Role(Role),
    /// A user, or an admin where the setting `organization_management` says so.
    OrganizationManager,
}

/// A parameter of the query, for the document.
#[derive(Clone, Copy, Debug)]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub doc: &'static str,
}

/// How an operation is called, and what it does with the call.
type Handler = fn(Call) -> Handled;
type SchemaOf = fn(&mut Schemas) -> Value;

/// Whose API an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The vendor's, under its three prefixes.
    Vendor,
    /// Our own, under `/guildhall/v1`.
    Own,
    /// What connectors call, under the prefixes of the Teamwork Graph.
    Connector,
}

/// The prefixes of the vendor's API; in the first the path names the tenant.
pub const VENDOR_PREFIXES: [&str; 3] = ["/jsm/csm/cloudid/{cloudId}/api/v1", "/jsm/csm/api/v1", "/api/v1"];
/// The prefix of our own.
pub const OWN_PREFIX: &str = "/guildhall/v1";
/// The prefixes of what connectors call. The vendor's own paths are not public: one that becomes known is
/// one more line here.
pub const CONNECTOR_PREFIXES: [&str; 4] = [
    "/teamwork-graph/v1",
    "/teamwork-graph/v1/cloud/{cloudId}",
    "/connected-data/teamwork-graph/v1",
    "/connected-data/teamwork-graph/v1/cloud/{cloudId}",
];

impl Space {
    /// The prefixes of its paths.
    pub fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Vendor => &VENDOR_PREFIXES,
            Self::Own => &[OWN_PREFIX],
            Self::Connector => &CONNECTOR_PREFIXES,
        }
    }

    /// Whose path this is, known or not: it decides how errors are worded.
    pub fn of_path(path: &str) -> Self {
        let is_inside = |prefix: &&str| {
            let rest = path.strip_prefix(*prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match CONNECTOR_PREFIXES.iter().any(is_inside) {
            true => Self::Connector,
            false if path.starts_with(OWN_PREFIX) => Self::Own,
            false => Self::Vendor,
        }
    }

    /// Bytes of a body that are taken at most.
    pub fn body_bytes_max(self) -> usize {
        match self {
            Self::Vendor | Self::Own => limits::BODY_BYTES_MAX,
            Self::Connector => limits::OBJECTS_BODY_BYTES_MAX,
        }
    }
}

/// One operation.
#[derive(Clone)]
pub struct Route {
    /// Whose API it belongs to.
    pub space: Space,
    /// Its number in the vendor's index; 0 in the other spaces.
    pub row: u8,
    /// Its method.
    pub method: Method,
    /// Its path after the prefix.
    pub path: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// The role it needs.
    pub needs: Needs,
    /// The scopes it needs, all of them.
    pub scopes: &'static [Scope],
    /// Whether it asks for the experimental header.
    pub experimental: Experimental,
    /// Whether it asks for the header `Idempotency-Key`.
    pub keyed: bool,
    /// The parameters of its query.
    pub query: Vec<QueryParameter>,
    /// The schema of its body, where it takes one.
    pub body: Option<SchemaOf>,
    /// The schema of its answer; `None` is 204.
    pub answer: Option<SchemaOf>,
    /// Whether it is a delete that can be asked what it would do.
    pub dry_run: bool,
    /// What does it; `None` where Guildhall does not offer it (yet).
    pub handler: Option<Handler>,
}

impl Route {
    fn new(row: u8, method: Method, path: &'static str, summary: &'static str) -> Self {
        Self {
            space: Space::Vendor,
            row,
            method,
            path,
            summary,
            needs: Needs::Role(Role::Admin),
            scopes: &[],
            experimental: Experimental::No,
            keyed: false,
            query: Vec::new(),
            body: None,
            answer: None,
            dry_run: false,
            handler: None,
        }
    }

    fn needs(mut self, role: Role, scopes: &'static [Scope]) -> Self {
        (self.needs, self.scopes) = (Needs::Role(role), scopes);
        self
    }

    fn manages(mut self, scopes: &'static [Scope]) -> Self {
        (self.needs, self.scopes) = (Needs::OrganizationManager, scopes);
        self
    }

    fn experimental(mut self, experimental: Experimental) -> Self {
        self.experimental = experimental;
        self
    }

    fn query(mut self, name: &'static str, required: bool, doc: &'static str) -> Self {
        self.query.push(QueryParameter { name, required, doc });
        self
    }

    fn takes<T: Schema>(mut self) -> Self {
        self.body = Some(T::schema);
        self
    }

    fn answers<T: Schema>(mut self) -> Self {
        self.answer = Some(T::schema);
        self
    }

    fn own(mut self) -> Self {
        self.space = Space::Own;
        self
    }

    /// A delete of our own: `?dryRun=true` asks what it would do.
    fn removes(self) -> Self {
        const DOC: &str = "true: answers 200 with what would be deleted, and changes nothing.";
        let mut route = self.own().query(removals::DRY_RUN, false, DOC);
        route.dry_run = true;
        route
    }

    /// A list of our own.
    fn lists<T: Schema>(mut self, kind: ListKind) -> Self {
        for (name, doc) in list_parameters(kind) {
            self = self.query(name, false, doc);
        }
        self.own().answers::<T>()
    }

    /// A bulk request: it has a key, and is answered with a task.
    fn submits<T: Schema>(self) -> Self {
        let mut route = self.takes::<T>().answers::<bulk::TaskSubmitResponseOut<'_>>();
        route.keyed = true;
        route
    }

    fn by(mut self, handler: Handler) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Whether Guildhall offers it.
    pub fn offered(&self) -> bool {
        self.handler.is_some()
    }
}

fn get(row: u8, path: &'static str, summary: &'static str) -> Route {
    Route::new(row, Method::GET, path, summary)
}

fn post(row: u8, path: &'static str, summary: &'static str) -> Route {
    Route::new(row, Method::POST, path, summary)
}

fn put(row: u8, path: &'static str, summary: &'static str) -> Route {
    Route::new(row, Method::PUT, path, summary)
}

fn patch(path: &'static str, summary: &'static str) -> Route {
    Route::new(0, Method::PATCH, path, summary).own()
}

fn delete(row: u8, path: &'static str, summary: &'static str) -> Route {
    Route::new(row, Method::DELETE, path, summary)
}

const FIELD_NAME: &str = "The name of the detail field, compared without case.";
const PRODUCT: &str = "Only entitlements to the product with this id.";

/// All operations, the vendor's first.
pub fn routes() -> Vec<Route> {
    [
        organization_routes(),
        organization_bulk_routes(),
        customer_routes(),
        customer_account_routes(),
        customer_profile_routes(),
        customer_bulk_routes(),
        product_routes(),
        entitlement_routes(),
        other_routes(),
        own_routes(),
        list_routes(),
        change_routes(),
        connectors::own_routes(),
        connectors::routes(),
    ]
    .concat()
}

fn organization_routes() -> Vec<Route> {
    use Experimental::Seed;
    use Role::{Admin, Agent, User};
    use organizations as o;
    vec![
        get(1, "/organization/details", "Get organization detail fields")
            .needs(Admin, &[ReadOrganizationDetailField])
            .answers::<fields::DetailFieldsWithConfigurationOut<'_>>()
            .by(|call| Box::pin(fields::list(call, EntityKind::Organization))),
        post(2, "/organization/details", "Create organization detail field")
            .needs(Admin, &[WriteOrganizationDetailField])
            .takes::<fields::CreateDetailFieldRequest>()
            .answers::<fields::DetailFieldDefinitionOut<'_>>()
            .by(|call| Box::pin(fields::create(call, EntityKind::Organization))),
        put(
            3,
            "/organization/details/{fieldName}",
            "Edit organization detail field",
        )
        .needs(Admin, &[WriteOrganizationDetailField])
        .takes::<fields::EditDetailFieldRequest>()
        .answers::<fields::DetailFieldDefinitionOut<'_>>()
        .by(|call| Box::pin(fields::edit(call, EntityKind::Organization))),
        delete(
            4,
            "/organization/details/{fieldName}",
            "Delete organization detail field",
        )
        .needs(Admin, &[DeleteOrganizationDetailField])
        .by(|call| Box::pin(fields::delete(call, EntityKind::Organization))),
        get(5, "/organization/{organizationId}", "Get organization")
            .needs(Agent, &[ReadOrganization, ReadOrganizationDetail])
            .answers::<o::OrganizationOut<'_>>()
            .by(|call| Box::pin(o::get(call))),
        put(6, "/organization/{organizationId}", "Update organization")
            .manages(&[WriteOrganization])
            .experimental(Seed)
            .takes::<o::OrganizationNameRequest>()
            .answers::<o::OrganizationReferenceOut<'_>>()
            .by(|call| Box::pin(o::rename(call))),
        delete(7, "/organization/{organizationId}", "Delete organization")
            .needs(Admin, &[DeleteOrganization])
            .by(|call| Box::pin(o::delete(call))),
        put(
            8,
            "/organization/{organizationId}/details",
            "Set organization detail value",
        )
        .needs(Agent, &[WriteOrganizationDetail])
        .query("fieldName", true, FIELD_NAME)
        .takes::<details::SetDetailValueRequest>()
        .answers::<details::UpdateDetailFieldResponseOut<'_>>()
        .by(|call| {
            let target = o::target(&call);
            Box::pin(details::set(call, target))
        }),
        get(
            9,
            "/organization/{organizationId}/entitlement",
            "Get organization entitlements",
        )
        .needs(Agent, &[ReadOrganizationEntitlement])
        .query("product", false, PRODUCT)
        .answers::<Vec<entitlements::EntitlementOut<'_>>>()
        .by(|call| {
            let target = o::target(&call);
            Box::pin(entitlements::list(call, target))
        }),
        post(
            10,
            "/organization/{organizationId}/entitlement",
            "Create organization entitlement",
        )
        .needs(Agent, &[WriteOrganizationEntitlement])
        .takes::<entitlements::CreateEntitlementRequest>()
        .answers::<entitlements::EntitlementOut<'_>>()
        .by(|call| {
            let target = o::target(&call);
            Box::pin(entitlements::create(call, target))
        }),
        post(11, "/organization", "Create organization")
            .manages(&[WriteOrganization])
            .experimental(Seed)
            .takes::<o::OrganizationNameRequest>()
            .answers::<o::OrganizationReferenceOut<'_>>()
            .by(|call| Box::pin(o::create(call))),
        post(12, "/organization/fetch", "Fetch organizations")
            .needs(User, &[ReadOrganization])
            .experimental(Seed)
            .takes::<o::FetchOrganizationsRequest>()
            .answers::<o::FetchOrganizationsResponseOut<'_>>()
            .by(|call| Box::pin(o::fetch(call))),
        get(
            13,
            "/organization/profile/{organizationId}",
            "Get organization profile",
        )
        .needs(User, &[ReadOrganizationProfile])
        .experimental(Seed)
        .answers::<profiles::OrganizationProfileOut<'_>>()
        .by(|call| Box::pin(profiles::get(call))),
        post(14, "/organization/profile", "Create organization profile")
            .manages(&[WriteOrganizationProfile])
            .experimental(Seed)
            .takes::<profiles::CreateOrganizationProfileRequest>()
            .answers::<profiles::OrganizationProfileOut<'_>>()
            .by(|call| Box::pin(profiles::create(call))),
        post(15, "/organization/profile/fetch", "Fetch organization profiles")
            .needs(User, &[ReadOrganizationProfile])
            .experimental(Seed)
            .takes::<profiles::FetchOrganizationProfilesRequest>()
            .answers::<profiles::FetchOrganizationProfilesResponseOut<'_>>()
            .by(|call| Box::pin(profiles::fetch(call))),
    ]
}

fn organization_bulk_routes() -> Vec<Route> {
    use Experimental::Seed;
    use Role::{Admin, User};
    vec![
        post(
            16,
            "/organization/details/definitions/bulk",
            "Create organization detail fields in bulk",
        )
        .needs(Admin, &[WriteOrganizationDetailField])
        .submits::<bulk::BulkDetailFieldDefinitionsRequest>()
        .by(|call| Box::pin(bulk::definitions(call, TaskType::OrganizationDefinitions))),
        post(
            17,
            "/organization/profile/bulk",
            "Bulk manage organization profiles",
        )
        .manages(&[WriteOrganizationProfile])
        .experimental(Seed)
        .submits::<bulk::BulkOrganizationProfilesRequest>()
        .by(|call| Box::pin(bulk::profiles(call))),
        post(18, "/organization/bulk", "Bulk manage organizations")
            .manages(&[WriteOrganization])
            .experimental(Seed)
            .submits::<bulk::BulkOrganizationsRequest>()
            .by(|call| Box::pin(bulk::organizations(call))),
        post(
            19,
            "/organization/details/bulk",
            "Bulk manage organization detail values",
        )
        .needs(User, &[WriteOrganizationDetail])
        .experimental(Seed)
        .submits::<bulk::BulkOrganizationDetailsRequest>()
        .by(|call| Box::pin(bulk::details(call))),
    ]
}

fn customer_routes() -> Vec<Route> {
    use Experimental::Newest;
    use Role::{Admin, Agent};
    use customers as c;
    vec![
        get(20, "/customer/details", "Get customer detail fields")
            .needs(Admin, &[ReadCustomerDetailField])
            .answers::<fields::DetailFieldsWithConfigurationOut<'_>>()
            .by(|call| Box::pin(fields::list(call, EntityKind::Customer))),
        post(21, "/customer/details", "Create customer detail field")
            .needs(Admin, &[WriteCustomerDetailField])
            .takes::<fields::CreateDetailFieldRequest>()
            .answers::<fields::DetailFieldDefinitionOut<'_>>()
            .by(|call| Box::pin(fields::create(call, EntityKind::Customer))),
        put(22, "/customer/details/{fieldName}", "Edit customer detail field")
            .needs(Admin, &[WriteCustomerDetailField])
            .takes::<fields::EditDetailFieldRequest>()
            .answers::<fields::DetailFieldDefinitionOut<'_>>()
            .by(|call| Box::pin(fields::edit(call, EntityKind::Customer))),
        delete(
            23,
            "/customer/details/{fieldName}",
            "Delete customer detail field",
        )
        .needs(Admin, &[DeleteCustomerDetailField])
        .by(|call| Box::pin(fields::delete(call, EntityKind::Customer))),
        get(24, "/customer/{customerId}", "Get customer")
            .needs(Agent, &[ReadCustomer, ReadCustomerDetail])
            .answers::<c::CustomerOut<'_>>()
            .by(|call| Box::pin(c::get(call))),
        get(
            25,
            "/customer/{customerId}/customer-experiences",
            "Get accessible customer experiences",
        )
        .needs(Agent, &[ReadCustomer])
        .experimental(Newest),
        post(
            26,
            "/customer/search-by-detail-field",
            "Search customers by detail field",
        )
        .needs(Agent, &[ReadCustomer])
        .query("page", false, "The page, from 0.")
        .query("maxResults", false, "Customers a page: 1 to 100; 50 when absent.")
        .takes::<c::SearchCustomersRequest>()
        .answers::<c::SearchCustomersResponseOut<'_>>()
        .by(|call| Box::pin(c::search(call))),
        put(27, "/customer/{customerId}/details", "Set customer detail value")
            .needs(Agent, &[WriteCustomerDetail])
            .query("fieldName", true, FIELD_NAME)
            .takes::<details::SetDetailValueRequest>()
            .answers::<details::UpdateDetailFieldResponseOut<'_>>()
            .by(|call| {
                let target = c::target(&call);
                Box::pin(details::set(call, target))
            }),
        get(
            28,
            "/customer/{customerId}/entitlement",
            "Get customer entitlements, inherited ones included",
        )
        .needs(Agent, &[ReadCustomerEntitlement])
        .query("product", false, PRODUCT)
        .answers::<Vec<entitlements::EntitlementOut<'_>>>()
        .by(|call| {
            let target = c::target(&call);
            Box::pin(entitlements::list(call, target))
        }),
        post(
            29,
            "/customer/{customerId}/entitlement",
            "Create customer entitlement",
        )
        .needs(Agent, &[WriteCustomerEntitlement])
        .takes::<entitlements::CreateEntitlementRequest>()
        .answers::<entitlements::EntitlementOut<'_>>()
        .by(|call| {
            let target = c::target(&call);
            Box::pin(entitlements::create(call, target))
        }),
    ]
}

fn customer_account_routes() -> Vec<Route> {
    use Experimental::Older;
    use Role::{Admin, User};
    use customers as c;
    vec![
        post(30, "/customer", "Create customer account")
            .needs(Admin, &[WriteCustomer])
            .experimental(Older)
            .takes::<c::CreateCustomerAccountRequest>()
            .answers::<c::CustomerAccountOut<'_>>()
            .by(|call| Box::pin(c::create_account(call))),
        get(31, "/customer/account/{customerId}", "Get customer account")
            .needs(User, &[ReadCustomer])
            .experimental(Older)
            .answers::<c::CustomerAccountOut<'_>>()
            .by(|call| Box::pin(c::get_account(call))),
        put(32, "/customer/account/{customerId}", "Update customer account")
            .needs(Admin, &[WriteCustomer])
            .experimental(Older)
            .takes::<c::UpdateCustomerAccountRequest>()
            .answers::<c::CustomerAccountOut<'_>>()
            .by(|call| Box::pin(c::update_account(call))),
        delete(33, "/customer/account/{customerId}", "Delete customer account")
            .needs(Admin, &[DeleteCustomer])
            .experimental(Older)
            .by(|call| Box::pin(c::delete_account(call))),
    ]
}

fn customer_profile_routes() -> Vec<Route> {
    use Experimental::Older;
    use Role::{Admin, User};
    use customer_profiles as p;
    const EXPAND: &str = "accessibleCustomerExperiences is accepted and adds nothing: there are none here.";
    vec![
        get(34, "/customer/profile/{customerId}", "Get customer profile")
            .needs(User, &[ReadCustomerProfile])
            .experimental(Older)
            .query("expand", false, EXPAND)
            .answers::<p::CustomerProfileOut<'_>>()
            .by(|call| Box::pin(p::get(call))),
        post(35, "/customer/profile", "Create customer profile")
            .needs(Admin, &[WriteCustomerProfile])
            .experimental(Older)
            .takes::<p::CreateCustomerProfileRequest>()
            .answers::<p::CustomerProfileOut<'_>>()
            .by(|call| Box::pin(p::create(call))),
        post(36, "/customer/profile/fetch", "Fetch customer profiles")
            .needs(User, &[ReadCustomerProfile])
            .experimental(Older)
            .takes::<p::FetchCustomerProfilesRequest>()
            .answers::<p::FetchCustomerProfilesResponseOut<'_>>()
            .by(|call| Box::pin(p::fetch(call))),
    ]
}

fn customer_bulk_routes() -> Vec<Route> {
    use Experimental::Older;
    use Role::{Admin, User};
    use customer_bulk as b;
    vec![
        post(
            37,
            "/customer/details/definitions/bulk",
            "Create customer detail fields in bulk",
        )
        .needs(Admin, &[WriteCustomerDetailField])
        .submits::<bulk::BulkDetailFieldDefinitionsRequest>()
        .by(|call| Box::pin(bulk::definitions(call, TaskType::CustomerDefinitions))),
        post(38, "/customer/details/bulk", "Bulk manage customer detail values")
            .needs(User, &[WriteCustomerDetail])
            .experimental(Older)
            .submits::<b::BulkCustomerDetailsRequest>()
            .by(|call| Box::pin(b::details(call))),
        post(39, "/customer/bulk", "Bulk manage customer accounts")
            .needs(Admin, &[WriteCustomer])
            .experimental(Older)
            .submits::<b::BulkCustomersRequest>()
            .by(|call| Box::pin(b::customers(call))),
        post(40, "/customer/profile/bulk", "Bulk manage customer profiles")
            .needs(Admin, &[WriteCustomerProfile])
            .experimental(Older)
            .submits::<b::BulkCustomerProfilesRequest>()
            .by(|call| Box::pin(b::profiles(call))),
    ]
}

fn product_routes() -> Vec<Route> {
    use Role::{Admin, Agent};
    use products as p;
    vec![
        get(41, "/product", "List products")
            .needs(Agent, &[ReadProduct])
            .query(
                "limit",
                false,
                "Products a page: 1 to 100; 100 when absent or out of range.",
            )
            .query("cursor", false, "The nextPageCursor of the page before.")
            .answers::<p::PaginatedProductsOut<'_>>()
            .by(|call| Box::pin(p::list(call))),
        post(42, "/product", "Create product")
            .needs(Agent, &[WriteProduct])
            .takes::<p::ProductNameRequest>()
            .answers::<p::ProductOut<'_>>()
            .by(|call| Box::pin(p::create(call))),
        get(43, "/product/{productId}", "Get product")
            .needs(Agent, &[ReadProduct])
            .answers::<p::ProductOut<'_>>()
            .by(|call| Box::pin(p::get(call))),
        put(44, "/product/{productId}", "Rename product")
            .needs(Agent, &[WriteProduct])
            .takes::<p::ProductNameRequest>()
            .answers::<p::ProductOut<'_>>()
            .by(|call| Box::pin(p::rename(call))),
        delete(
            45,
            "/product/{productId}",
            "Delete product and all entitlements to it",
        )
        .needs(Admin, &[DeleteProduct])
        .by(|call| Box::pin(p::delete(call))),
    ]
}

fn entitlement_routes() -> Vec<Route> {
    use Role::{Admin, Agent};
    use entitlements as e;
    vec![
        get(46, "/entitlement/details", "Get entitlement detail fields")
            .needs(Admin, &[ReadEntitlementDetailField])
            .answers::<fields::DetailFieldsWithConfigurationOut<'_>>()
            .by(|call| Box::pin(fields::list(call, EntityKind::Entitlement))),
        post(47, "/entitlement/details", "Create entitlement detail field")
            .needs(Admin, &[WriteEntitlementDetailField])
            .takes::<fields::CreateDetailFieldRequest>()
            .answers::<fields::DetailFieldDefinitionOut<'_>>()
            .by(|call| Box::pin(fields::create(call, EntityKind::Entitlement))),
        put(
            48,
            "/entitlement/details/{fieldName}",
            "Edit entitlement detail field",
        )
        .needs(Admin, &[WriteEntitlementDetailField])
        .takes::<fields::EditDetailFieldRequest>()
        .answers::<fields::DetailFieldDefinitionOut<'_>>()
        .by(|call| Box::pin(fields::edit(call, EntityKind::Entitlement))),
        delete(
            49,
            "/entitlement/details/{fieldName}",
            "Delete entitlement detail field",
        )
        .needs(Admin, &[DeleteEntitlementDetailField])
        .by(|call| Box::pin(fields::delete(call, EntityKind::Entitlement))),
        get(50, "/entitlement/{entitlementId}", "Get entitlement")
            .needs(Agent, &[ReadEntitlement])
            .answers::<e::EntitlementOut<'_>>()
            .by(|call| Box::pin(e::get(call))),
        delete(51, "/entitlement/{entitlementId}", "Delete entitlement")
            .needs(Admin, &[DeleteEntitlement])
            .by(|call| Box::pin(e::delete(call))),
        put(
            52,
            "/entitlement/{entitlementId}/details",
            "Set entitlement detail value",
        )
        .needs(Agent, &[WriteEntitlementDetail])
        .query("fieldName", true, FIELD_NAME)
        .takes::<details::SetDetailValueRequest>()
        .answers::<details::UpdateDetailFieldResponseOut<'_>>()
        .by(|call| {
            let target = e::target(&call);
            Box::pin(details::set(call, target))
        }),
        get(53, "/entitlements", "List entitlements of an entity")
            .needs(Agent, &[ReadEntitlement])
            .experimental(Experimental::Newest)
            .query("entityType", true, "CUSTOMER or ORGANIZATION.")
            .query("entityId", true, "The id of the customer or the organization.")
            .query("productId", false, PRODUCT)
            .query("start", false, "The place of the first, from 0; 0 when absent.")
            .query("limit", false, "Entitlements a page: 1 to 25; 25 when absent.")
            .answers::<e::PaginatedEntitlementsOut<'_>>()
            .by(|call| Box::pin(e::page(call))),
    ]
}

fn other_routes() -> Vec<Route> {
    use Experimental::{Newest, Older};
    use Role::{Agent, User};
    const ACCESS: &str = "/helpcenter/{helpCenterId}/access/organization";
    const COMMENT: &str = "/request/form/helpcenter/{helpCenterId}/issue/{issueIdOrKey}/comment";
    vec![
        post(
            54,
            "/request/form/external",
            "Create request from external intake",
        )
        .needs(Agent, &[WriteCsmRequest]),
        post(55, COMMENT, "Comment on a request").needs(Agent, &[WriteCsmRequest]),
        get(56, "/tasks/{taskId}", "Get task status")
            .needs(User, &[ReadTask])
            .experimental(Older)
            .answers::<tasks::TaskStatusResponseOut<'_>>()
            .by(|call| Box::pin(tasks::get(call))),
        get(57, ACCESS, "Get organizations with access")
            .needs(Agent, &[ReadOrganization])
            .experimental(Newest),
        post(58, ACCESS, "Grant access to organizations")
            .needs(Agent, &[WriteOrganization])
            .experimental(Newest),
        delete(
            59,
            "/helpcenter/{helpCenterId}/access/organization/{organizationId}",
            "Remove access",
        )
        .needs(Agent, &[WriteOrganization])
        .experimental(Newest),
        post(
            60,
            "/helpcenter/{helpCenterId}/issue/{issueIdOrKey}/raise",
            "Raise issue on the help center",
        )
        .needs(Agent, &[WriteCsmRequest])
        .experimental(Newest),
    ]
}

const LIMIT: &str = "At most so many on a page: 1 to 100; 100 when absent.";
const CURSOR: &str = "The nextCursor of the page before.";

fn own_routes() -> Vec<Route> {
    vec![
        get(0, "/tasks", "List tasks, newest first")
            .own()
            .needs(Role::User, &[ReadTask])
            .query("status", false, "Only tasks with this status.")
            .query("limit", false, LIMIT)
            .query("cursor", false, CURSOR)
            .answers::<tasks::TaskListOut<'_>>()
            .by(|call| Box::pin(tasks::list(call))),
        get(
            0,
            "/tasks/{taskId}/items",
            "Get what became of each item of a task",
        )
        .own()
        .needs(Role::User, &[ReadTask])
        .query(
            "outcome",
            false,
            "Only items with this outcome: created, updated, unchanged or failed.",
        )
        .query(
            "hasFailures",
            false,
            "true: only items of which something failed.",
        )
        .query("limit", false, LIMIT)
        .query("cursor", false, CURSOR)
        .answers::<tasks::TaskItemListOut<'_>>()
        .by(|call| Box::pin(tasks::items(call))),
    ]
}

/// The parameters that a list takes.
fn list_parameters(kind: ListKind) -> Vec<(&'static str, &'static str)> {
    let has = |order: SortBy| kind.orders().contains(&order);
    let mut all = Vec::new();
    if has(SortBy::Name) {
        all.push((
            "namePrefix",
            "Only those whose name begins so, compared as names are.",
        ));
    }
    if has(SortBy::Email) {
        all.push((
            "emailPrefix",
            "Only those whose email begins so, compared without case.",
        ));
    }
    for link in kind.links() {
        let doc = match *link {
            "organization" => "Only those linked to the organization with this id.",
            "customer" => "Only those linked to the customer with this id.",
            _ => "Only those linked to the product with this id.",
        };
        all.push((*link, doc));
    }
    if kind.fields().is_some() {
        all.push((
            "detail.{fieldName}.{operator}",
            "Only those whose detail field compares so; may come several times. The operators are eq, ne, lt, lte, gt, \
             gte, prefix, in (a JSON array of strings), has, and set (true or false), as they fit the field's type.",
        ));
    }
    let sort = match kind {
        ListKind::Organizations | ListKind::Products => "id, name or updatedAt",
        ListKind::Customers => "id, name, email or updatedAt",
        ListKind::Entitlements => "id or updatedAt",
    };
    all.extend([
        ("sort", sort),
        ("limit", LIMIT),
        ("cursor", CURSOR),
        ("count", "true: also how many the whole list has."),
    ]);
    all
}

fn list_routes() -> Vec<Route> {
    use Role::Agent;
    vec![
        get(0, "/organizations", "List organizations")
            .needs(Agent, &[ReadOrganization, ReadOrganizationDetail])
            .lists::<lists::OrganizationListOut<'_>>(ListKind::Organizations)
            .by(|call| Box::pin(lists::organizations(call))),
        get(0, "/customers", "List customers")
            .needs(Agent, &[ReadCustomer, ReadCustomerDetail])
            .lists::<lists::CustomerListOut<'_>>(ListKind::Customers)
            .by(|call| Box::pin(lists::customers(call))),
        get(0, "/products", "List products with filters")
            .needs(Agent, &[ReadProduct])
            .lists::<lists::ProductListOut<'_>>(ListKind::Products)
            .by(|call| Box::pin(lists::products(call))),
        get(0, "/entitlements", "List entitlements")
            .needs(Agent, &[ReadEntitlement])
            .lists::<lists::EntitlementListOut<'_>>(ListKind::Entitlements)
            .by(|call| Box::pin(lists::entitlements(call))),
    ]
}

/// Changes to what lists show. Each needs what the vendor's operations that do the same need.
fn change_routes() -> Vec<Route> {
    use Role::{Admin, Agent};
    const ORGANIZATION: &str = "/organizations/{organizationId}";
    const CUSTOMER: &str = "/customers/{customerId}";
    const PRODUCT: &str = "/products/{productId}";
    const ENTITLEMENT: &str = "/entitlements/{entitlementId}";
    vec![
        patch(ORGANIZATION, "Change an organization in part")
            .manages(&[WriteOrganization, WriteOrganizationDetail])
            .takes::<patches::PatchOrganizationRequest>()
            .answers::<lists::ListedOrganizationOut<'_>>()
            .by(|call| Box::pin(patches::organization(call))),
        delete(0, ORGANIZATION, "Delete organization, or ask what would go")
            .needs(Admin, &[DeleteOrganization])
            .removes()
            .by(|call| Box::pin(removals::organization(call))),
        delete(
            0,
            "/organizations/{organizationId}/customers/{customerId}",
            "Remove a customer from an organization",
        )
        .manages(&[WriteOrganizationProfile])
        .removes()
        .by(|call| Box::pin(removals::member(call))),
        patch(CUSTOMER, "Change a customer in part")
            .needs(Admin, &[WriteCustomer, WriteCustomerDetail])
            .takes::<patches::PatchCustomerRequest>()
            .answers::<lists::ListedCustomerOut<'_>>()
            .by(|call| Box::pin(patches::customer(call))),
        delete(0, CUSTOMER, "Delete customer, or ask what would go")
            .needs(Admin, &[DeleteCustomer])
            .removes()
            .by(|call| Box::pin(removals::customer(call))),
        patch(PRODUCT, "Change a product in part")
            .needs(Agent, &[WriteProduct])
            .takes::<patches::PatchProductRequest>()
            .answers::<lists::ListedProductOut<'_>>()
            .by(|call| Box::pin(patches::product(call))),
        delete(0, PRODUCT, "Delete product, or ask what would go")
            .needs(Admin, &[DeleteProduct])
            .removes()
            .by(|call| Box::pin(removals::product(call))),
        patch(ENTITLEMENT, "Change an entitlement in part")
            .needs(Agent, &[WriteEntitlementDetail])
            .takes::<patches::PatchEntitlementRequest>()
            .answers::<lists::ListedEntitlementOut<'_>>()
            .by(|call| Box::pin(patches::entitlement(call))),
        delete(0, ENTITLEMENT, "Delete entitlement, or ask what would go")
            .needs(Admin, &[DeleteEntitlement])
            .removes()
            .by(|call| Box::pin(removals::entitlement(call))),
    ]
}
