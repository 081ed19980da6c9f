//! Products.

use guildhall_domain::{Caller, Excerpt, Product, Rejection, Thing, limits, text};
use guildhall_storage::Counter;

use crate::{Error, Service};

/// One page of products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductPage {
    /// The products, in the order they were added.
    pub products: Vec<Product>,
    /// What to ask with for the next page, if there is one.
    pub next: Option<String>,
}

pub(crate) fn product_name(raw: &str) -> Result<String, Rejection> {
    text::name(raw, limits::NAME_CHARS_MAX)
        .map_err(|problem| Rejection::invalid("name", format!("the name {:?} {problem}", Excerpt(raw))))
}

pub(crate) fn no_product(id: &str) -> Error {
    Rejection::not_found(Thing::Product, id).into()
}

impl Service {
    /// Products after the cursor, at most `limit` (1 to 100; anything else is 100).
    pub async fn products(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ProductPage, Error> {
        let max = limits::PRODUCTS_PAGE_MAX as i64;
        let limit = limit.filter(|limit| (1..=max).contains(limit)).unwrap_or(max);
        let after = cursor.map_or(Ok(0), read_cursor)?;
        let mut products = self
            .store
            .read(caller.tenant, async |tx| {
                tx.products_after(after, limit + 1).await
            })
            .await?;
        let more = products.len() as i64 > limit;
        if more {
            products.pop();
        }
        let next = products
            .last()
            .filter(|_| more)
            .map(|last| format!("p{:x}", last.number));
        Ok(ProductPage { products, next })
    }

    /// One product.
    pub async fn product(&self, caller: &Caller, id: &str) -> Result<Product, Error> {
        let wanted = id.to_ascii_lowercase();
        self.store
            .read(caller.tenant, async |tx| {
                tx.product(&wanted).await?.ok_or_else(|| no_product(id))
            })
            .await
    }

    /// Adds a product. Names may repeat.
    pub async fn create_product(&self, caller: &Caller, name: &str) -> Result<Product, Error> {
        let name = product_name(name)?;
        let product = Product {
            number: self.numbers.take(caller.tenant, Counter::Product, 1).await?,
            id: self.new_uuid(),
            name_key: text::key(&name),
            name,
        };
        let now = self.now();
        self.store
            .write(caller.tenant, async move |tx| {
                tx.insert_product(&product, now).await?;
                Ok(product)
            })
            .await
    }

    /// Renames a product.
    pub async fn rename_product(&self, caller: &Caller, id: &str, name: &str) -> Result<Product, Error> {
        let (name, id, now) = (product_name(name)?, id.to_owned(), self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let product = tx
                    .lock_product(&id.to_ascii_lowercase())
                    .await?
                    .ok_or_else(|| no_product(&id))?;
                let name_key = text::key(&name);
                tx.rename_product(product.number, &name, &name_key, now).await?;
                Ok(Product {
                    name,
                    name_key,
                    ..product
                })
            })
            .await
    }

    /// Removes a product and all entitlements to it.
    pub async fn delete_product(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let id = id.to_owned();
        self.store
            .write(caller.tenant, async move |tx| {
                let product = tx
                    .lock_product(&id.to_ascii_lowercase())
                    .await?
                    .ok_or_else(|| no_product(&id))?;
                Ok(tx.delete_product(product.number).await?)
            })
            .await
    }
}

fn read_cursor(cursor: &str) -> Result<i64, Rejection> {
    cursor
        .strip_prefix('p')
        .and_then(|number| i64::from_str_radix(number, 16).ok())
        .filter(|number| *number >= 0)
        .ok_or_else(|| {
            Rejection::invalid(
                "cursor",
                format!(
                    "{:?} is no cursor; use the nextPageCursor of the page before",
                    Excerpt(cursor)
                ),
            )
        })
}
