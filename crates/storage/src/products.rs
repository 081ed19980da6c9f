//! Products.

use guildhall_domain::{Product, Timestamp};

use crate::driver::Row;
use crate::error::StoreError;
use crate::sweep::Sweep;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

pub(crate) fn row(row: &Row<'_>) -> Result<Product, StoreError> {
    Ok(Product {
        number: row.int(0)?,
        id: row.text(1)?,
        name: row.text(2)?,
        name_key: row.text(3)?,
    })
}

impl ReadTx<'_> {
    /// The product with this public id.
    pub async fn product(&mut self, id: &str) -> Result<Option<Product>, StoreError> {
        const SQL: &str = "SELECT number, id, name, name_key FROM product WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.into()], row).await
    }

    /// Products with a greater number than `after`, by number.
    pub async fn products_after(&mut self, after: i64, limit: i64) -> Result<Vec<Product>, StoreError> {
        const SQL: &str = "SELECT number, id, name, name_key FROM product \
             WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3";
        self.fetch(SQL, &[after.into(), limit.into()], row).await
    }
}

impl WriteTx<'_> {
    /// The product with this public id, which nobody else changes until the transaction ends.
    pub async fn lock_product(&mut self, id: &str) -> Result<Option<Product>, StoreError> {
        const SQL: &str =
            "SELECT number, id, name, name_key FROM product WHERE tenant_id = $1 AND id = $2 FOR_UPDATE";
        self.fetch_optional(SQL, &[id.into()], row).await
    }

    /// The product with this public id, which nobody removes until the transaction ends.
    pub async fn share_product(&mut self, id: &str) -> Result<Option<Product>, StoreError> {
        const SQL: &str =
            "SELECT number, id, name, name_key FROM product WHERE tenant_id = $1 AND id = $2 FOR_SHARE";
        self.fetch_optional(SQL, &[id.into()], row).await
    }

    /// Adds a product.
    pub async fn insert_product(&mut self, product: &Product, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO product (tenant_id, number, id, name, name_key, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6)";
        self.execute_one_on(
            Touched::Nothing,
            SQL,
            &[
                product.number.into(),
                (&product.id).into(),
                (&product.name).into(),
                (&product.name_key).into(),
                now.0.into(),
            ],
        )
        .await
    }

    /// Changes a product's name.
    pub async fn rename_product(
        &mut self,
        number: i64,
        name: &str,
        name_key: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE product SET name = $3, name_key = $4, updated_at = $5 \
             WHERE tenant_id = $1 AND number = $2";
        self.execute_one(SQL, &[number.into(), name.into(), name_key.into(), now.0.into()])
            .await
    }

    /// Removes a product and hides all entitlements to it.
    pub async fn delete_product(&mut self, number: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM product WHERE tenant_id = $1 AND number = $2";
        self.execute_one(SQL, &[number.into()]).await?;
        self.plan_sweep(Sweep::Product(number)).await
    }
}
