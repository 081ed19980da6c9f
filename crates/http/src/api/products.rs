//! Products (docs/api.md, "Products").

use guildhall_domain::Product;

use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

body! {
    /// The name of a product.
    ProductNameRequest {
        /// 1 to 255 characters; names may repeat.
        "name" name: String,
    }
}

answer! {
    /// A product.
    ProductOut<'a> {
        /// The product's id, a UUID.
        "id" id: &'a str,
        /// Its name.
        "name" name: &'a str,
    }
}

answer! {
    /// One page of products.
    PaginatedProductsOut<'a> {
        /// The products, in the order they were added.
        "results" results: Vec<ProductOut<'a>>,
        /// The cursor of the next page; absent on the last.
        "nextPageCursor" next_page_cursor: Option<&'a str>,
    }
}

impl<'a> From<&'a Product> for ProductOut<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            id: &product.id,
            name: &product.name,
        }
    }
}

/// `GET /product`
pub async fn list(call: Call) -> Result<Reply, ApiError> {
    let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
    let page = call.service.products(call.caller(), cursor, limit).await?;
    Reply::json(&PaginatedProductsOut {
        results: page.products.iter().map(ProductOut::from).collect(),
        next_page_cursor: page.next.as_deref(),
    })
}

/// `POST /product`
pub async fn create(call: Call) -> Result<Reply, ApiError> {
    let body: ProductNameRequest = call.body()?;
    let product = call.service.create_product(call.caller(), &body.name).await?;
    Reply::json(&ProductOut::from(&product))
}

/// `GET /product/{productId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    let product = call
        .service
        .product(call.caller(), call.path("productId"))
        .await?;
    Reply::json(&ProductOut::from(&product))
}

/// `PUT /product/{productId}`
pub async fn rename(call: Call) -> Result<Reply, ApiError> {
    let body: ProductNameRequest = call.body()?;
    let product = call
        .service
        .rename_product(call.caller(), call.path("productId"), &body.name)
        .await?;
    Reply::json(&ProductOut::from(&product))
}

/// `DELETE /product/{productId}`
pub async fn delete(call: Call) -> Result<Reply, ApiError> {
    call.service
        .delete_product(call.caller(), call.path("productId"))
        .await?;
    Ok(Reply::no_content())
}
