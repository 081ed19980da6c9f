//! Entitlements (docs/api.md, "Entitlements").

use guildhall_domain::{Definitions, Entitlement, Entity};
use guildhall_service::Target;

use super::details::{self, DetailFieldOut, ShownValues};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

body! {
    /// The product to be entitled to.
    CreateEntitlementRequest {
        /// The product's id, a UUID.
        "productId" product_id: String,
    }
}

/// The kind of entities that are customers.
const CUSTOMER: &str = "CUSTOMER";
/// The kind of entities that are organizations.
pub const ORGANIZATION: &str = "ORGANIZATION";

answer! {
    /// The product of an entitlement.
    ProductReferenceOut<'a> {
        /// The product's id, a UUID.
        "id" id: &'a str,
        /// Its name.
        "name" name: &'a str,
    }
}

answer! {
    /// Whose an entitlement is.
    EntitledEntityOut<'a> {
        /// The id of the customer or the organization.
        "id" id: &'a str,
        /// CUSTOMER or ORGANIZATION.
        "type" type_name: &'a str,
    }
}

answer! {
    /// An entitlement with all its detail fields.
    EntitlementOut<'a> {
        /// The entitlement's id, a UUID.
        "id" id: &'a str,
        /// The product.
        "product" product: ProductReferenceOut<'a>,
        /// Whose it is.
        "entitledEntity" entity: EntitledEntityOut<'a>,
        /// Every detail field of entitlements, by position.
        "details" details: Vec<DetailFieldOut<'a>>,
    }
}

answer! {
    /// One page of entitlements.
    PaginatedEntitlementsOut<'a> {
        /// The entitlements, in the order they were added; those that a customer inherits come last.
        "results" results: Vec<EntitlementOut<'a>>,
        /// The place of the first in the list, from 0.
        "start" start: i64,
        /// How many a page may hold.
        "limit" limit: i64,
        /// Whether none come after.
        "isLast" is_last: bool,
    }
}

/// The product of an entitlement.
pub fn product_reference(entitlement: &Entitlement) -> ProductReferenceOut<'_> {
    ProductReferenceOut {
        id: &entitlement.product_id,
        name: &entitlement.product_name,
    }
}

/// Whose an entitlement is.
pub fn entitled_entity(entitlement: &Entitlement) -> EntitledEntityOut<'_> {
    let type_name = match entitlement.entity {
        Entity::Customer(_) => CUSTOMER,
        Entity::Organization(_) => ORGANIZATION,
    };
    EntitledEntityOut {
        id: &entitlement.entity_id,
        type_name,
    }
}

fn out<'a>(entitlement: &'a Entitlement, definitions: &'a Definitions) -> EntitlementOut<'a> {
    EntitlementOut {
        id: &entitlement.id,
        product: product_reference(entitlement),
        entity: entitled_entity(entitlement),
        details: details::all(definitions, &ShownValues::Read(&entitlement.details)),
    }
}

/// `GET …/{id}/entitlement?product=`: a bare array. `productId` is another name of the filter, since
/// the documentation lost the first.
pub async fn list(call: Call, of: Target) -> Result<Reply, ApiError> {
    let product = match call.query("product")? {
        Some(product) => Some(product),
        None => call.query("productId")?,
    };
    let found = call.service.entitlements(call.caller(), &of, product).await?;
    let entitlements: Vec<_> = found
        .entitlements
        .iter()
        .map(|e| out(e, &found.definitions))
        .collect();
    Reply::json(&entitlements)
}

/// `GET /entitlements`: the same list for either kind of entity, page by page.
pub async fn page(call: Call) -> Result<Reply, ApiError> {
    let parse = |word: &str| match word {
        CUSTOMER => Some(Target::Customer as fn(String) -> Target),
        ORGANIZATION => Some(Target::Organization as fn(String) -> Target),
        _ => None,
    };
    let required =
        |name: &str, example: &str| ApiError::invalid(name, format!("is required in the query: {example}"));
    let target = call
        .query_word("entityType", parse, [CUSTOMER, ORGANIZATION])?
        .ok_or_else(|| required("entityType", "CUSTOMER or ORGANIZATION"))?;
    let id = call
        .query("entityId")?
        .ok_or_else(|| required("entityId", "the id of the customer or the organization"))?;
    let found = call
        .service
        .entitlement_page(
            call.caller(),
            &target(id.to_owned()),
            call.query("productId")?,
            call.query_number("start")?,
            call.query_number("limit")?,
        )
        .await?;
    let entitlements = found.page.entitlements.iter();
    Reply::json(&PaginatedEntitlementsOut {
        results: entitlements.map(|e| out(e, &found.page.definitions)).collect(),
        start: found.start,
        limit: found.limit,
        is_last: found.is_last,
    })
}

/// `POST …/{id}/entitlement`
pub async fn create(call: Call, of: Target) -> Result<Reply, ApiError> {
    let body: CreateEntitlementRequest = call.body()?;
    let created = call
        .service
        .create_entitlement(call.caller(), of, body.product_id)
        .await?;
    Reply::json(&out(&created.entitlement, &created.definitions))
}

/// `GET /entitlement/{entitlementId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    let found = call
        .service
        .entitlement(call.caller(), call.path("entitlementId"))
        .await?;
    Reply::json(&out(&found.entitlement, &found.definitions))
}

/// `DELETE /entitlement/{entitlementId}`
pub async fn delete(call: Call) -> Result<Reply, ApiError> {
    call.service
        .delete_entitlement(call.caller(), call.path("entitlementId"))
        .await?;
    Ok(Reply::no_content())
}

/// The entitlement that the path names.
pub fn target(call: &Call) -> Target {
    Target::Entitlement(call.path("entitlementId").to_ascii_lowercase())
}
