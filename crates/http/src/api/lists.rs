//! Lists of our own, which the vendor's API lacks (docs/api.md, "Lists"). Details have the vendor's shape
//! for profiles: a list is read for what is set, and a row of every unset field would be most of it.

use guildhall_domain::list::{ListKind, ListQuery, Listed};
use guildhall_domain::{Customer, Definitions, Entitlement, Organization, Product};
use guildhall_service::Total;

use super::details::{self, ProfileDetailOut, ShownValues};
use super::entitlements::{EntitledEntityOut, ProductReferenceOut, entitled_entity, product_reference};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{Written, answer};

/// What a page takes beside its rows, about.
const PAGE_BYTES: usize = 256;

answer! {
    /// How many a list has.
    ListTotalOut {
        /// So many where exact is true, else at least so many.
        "count" count: i64,
        /// Whether it is just so many: false where more than 10,000 would have to be looked at.
        "exact" exact: bool,
    }
}

answer! {
    /// An organization in a list.
    ListedOrganizationOut<'a> {
        /// The organization's id.
        "id" id: String,
        /// Its name.
        "name" name: &'a str,
        /// Its fields that have a value, by position.
        "details" details: Vec<ProfileDetailOut<'a>>,
        /// When it was created: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When its name or its values last changed: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// One page of organizations.
    OrganizationListOut<'a> {
        /// The organizations, in the order asked for.
        "organizations" organizations: Vec<Written<'a, ListedOrganizationOut<'a>>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
        /// How many the whole list has, where count=true asked for it.
        "total" total: Option<ListTotalOut>,
    }
}

answer! {
    /// A customer in a list.
    ListedCustomerOut<'a> {
        /// The customer's id.
        "id" id: &'a str,
        /// The email as given.
        "email" email: &'a str,
        /// The name shown.
        "displayName" display_name: &'a str,
        /// Its fields that have a value, by position.
        "details" details: Vec<ProfileDetailOut<'a>>,
        /// When it was created: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When its name, its email or its values last changed: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// One page of customers.
    CustomerListOut<'a> {
        /// The customers, in the order asked for.
        "customers" customers: Vec<Written<'a, ListedCustomerOut<'a>>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
        /// How many the whole list has, where count=true asked for it.
        "total" total: Option<ListTotalOut>,
    }
}

answer! {
    /// A product in a list.
    ListedProductOut<'a> {
        /// The product's id, a UUID.
        "id" id: &'a str,
        /// Its name.
        "name" name: &'a str,
        /// When it was created: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When its name last changed: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// One page of products.
    ProductListOut<'a> {
        /// The products, in the order asked for.
        "products" products: Vec<ListedProductOut<'a>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
        /// How many the whole list has, where count=true asked for it.
        "total" total: Option<ListTotalOut>,
    }
}

answer! {
    /// An entitlement in a list.
    ListedEntitlementOut<'a> {
        /// The entitlement's id, a UUID.
        "id" id: &'a str,
        /// The product.
        "product" product: ProductReferenceOut<'a>,
        /// Whose it is.
        "entitledEntity" entity: EntitledEntityOut<'a>,
        /// Its fields that have a value, by position.
        "details" details: Vec<ProfileDetailOut<'a>>,
        /// When it was created: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When its values last changed: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// One page of entitlements.
    EntitlementListOut<'a> {
        /// The entitlements, in the order asked for.
        "entitlements" entitlements: Vec<ListedEntitlementOut<'a>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
        /// How many the whole list has, where count=true asked for it.
        "total" total: Option<ListTotalOut>,
    }
}

/// An organization as lists show it.
pub fn organization<'a>(
    row: &'a Listed<Organization>,
    definitions: &'a Definitions,
) -> ListedOrganizationOut<'a> {
    ListedOrganizationOut {
        id: row.thing.id.to_string(),
        name: &row.thing.name,
        details: details::of_profile(definitions, &ShownValues::Read(&row.thing.details)),
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

/// A customer as lists show it.
pub fn customer<'a>(row: &'a Listed<Customer>, definitions: &'a Definitions) -> ListedCustomerOut<'a> {
    ListedCustomerOut {
        id: &row.thing.id,
        email: &row.thing.email,
        display_name: &row.thing.display_name,
        details: details::of_profile(definitions, &ShownValues::Read(&row.thing.details)),
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

/// A product as lists show it.
pub fn product(row: &Listed<Product>) -> ListedProductOut<'_> {
    ListedProductOut {
        id: &row.thing.id,
        name: &row.thing.name,
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

/// An entitlement as lists show it.
pub fn entitlement<'a>(
    row: &'a Listed<Entitlement>,
    definitions: &'a Definitions,
) -> ListedEntitlementOut<'a> {
    ListedEntitlementOut {
        id: &row.thing.id,
        product: product_reference(&row.thing),
        entity: entitled_entity(&row.thing),
        details: details::of_profile(definitions, &ShownValues::Read(&row.thing.details)),
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

/// What a page of these rows takes, about: so much room is made beforehand.
fn room<T: serde::Serialize>(rows: &[Written<'_, T>]) -> usize {
    PAGE_BYTES + rows.iter().map(|row| row.bytes() + 1).sum::<usize>()
}

fn total(total: Option<Total>) -> Option<ListTotalOut> {
    total.map(|Total { count, exact }| ListTotalOut { count, exact })
}

/// `GET /guildhall/v1/organizations`
pub async fn organizations(call: Call) -> Result<Reply, ApiError> {
    call.kept_page(ListKind::Organizations, async |call| {
        let query = ListQuery::parse(ListKind::Organizations, &call.query)?;
        let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
        let page = call
            .service
            .list_organizations(call.caller(), &query, cursor, limit)
            .await?;
        let rows = page.rows.iter().map(|row| {
            let text = row.shown(|row| Written::text(&organization(row, &page.definitions)))?;
            Ok(Written::again(text))
        });
        let organizations = rows.collect::<Result<Vec<_>, ApiError>>()?;
        let reply = Reply::json_of(
            room(&organizations),
            &OrganizationListOut {
                organizations,
                next_cursor: page.next.as_deref(),
                total: total(page.total),
            },
        )?;
        Ok((reply, !page.is_cut))
    })
    .await
}

/// `GET /guildhall/v1/customers`
pub async fn customers(call: Call) -> Result<Reply, ApiError> {
    call.kept_page(ListKind::Customers, async |call| {
        let query = ListQuery::parse(ListKind::Customers, &call.query)?;
        let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
        let page = call
            .service
            .list_customers(call.caller(), &query, cursor, limit)
            .await?;
        let rows = page.rows.iter().map(|row| {
            let text = row.shown(|row| Written::text(&customer(row, &page.definitions)))?;
            Ok(Written::again(text))
        });
        let customers = rows.collect::<Result<Vec<_>, ApiError>>()?;
        let reply = Reply::json_of(
            room(&customers),
            &CustomerListOut {
                customers,
                next_cursor: page.next.as_deref(),
                total: total(page.total),
            },
        )?;
        Ok((reply, !page.is_cut))
    })
    .await
}

/// `GET /guildhall/v1/products`
pub async fn products(call: Call) -> Result<Reply, ApiError> {
    let query = ListQuery::parse(ListKind::Products, &call.query)?;
    let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
    let page = call
        .service
        .list_products(call.caller(), &query, cursor, limit)
        .await?;
    Reply::json(&ProductListOut {
        products: page.rows.iter().map(|row| product(row)).collect(),
        next_cursor: page.next.as_deref(),
        total: total(page.total),
    })
}

/// `GET /guildhall/v1/entitlements`
pub async fn entitlements(call: Call) -> Result<Reply, ApiError> {
    let query = ListQuery::parse(ListKind::Entitlements, &call.query)?;
    let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
    let page = call
        .service
        .list_entitlements(call.caller(), &query, cursor, limit)
        .await?;
    let rows = page.rows.iter().map(|row| entitlement(row, &page.definitions));
    Reply::json(&EntitlementListOut {
        entitlements: rows.collect(),
        next_cursor: page.next.as_deref(),
        total: total(page.total),
    })
}
