//! Tenants: the sites whose data is kept apart.

use guildhall_domain::{Rejection, limits, text};
use guildhall_storage::TenantRow;

use crate::{Error, Service};

impl Service {
    /// Adds a tenant, under the given cloudId or a new one.
    pub async fn create_tenant(&self, name: &str, cloud_id: Option<&str>) -> Result<TenantRow, Error> {
        let name = text::name(name, limits::NAME_CHARS_MAX).map_err(|e| Rejection::invalid("name", e))?;
        let cloud_id = match cloud_id {
            Some(given) => uuid::Uuid::try_parse(given)
                .map_err(|_| {
                    Rejection::invalid(
                        "cloudId",
                        format!("{given:?} is not a UUID such as 0190b2c4-7a3e-7c61-9f0d-3f1f0a7be5d2"),
                    )
                })?
                .to_string(),
            None => self.new_uuid(),
        };
        let now = self.now();
        self.store
            .system_write(async move |tx| {
                if tx.tenant(&cloud_id).await?.is_some() {
                    return Err(
                        Rejection::invalid("cloudId", format!("{cloud_id} is a tenant already")).into(),
                    );
                }
                let id = tx.insert_tenant(&cloud_id, &name, now).await?;
                Ok(TenantRow { id, cloud_id, name })
            })
            .await
    }

    /// All tenants, oldest first.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, Error> {
        self.store.system_read(async |tx| Ok(tx.tenants().await?)).await
    }

    /// The tenant with this cloudId.
    pub async fn tenant(&self, cloud_id: &str) -> Result<TenantRow, Error> {
        let cloud_id = cloud_id.to_ascii_lowercase();
        self.store
            .system_read(async |tx| {
                let tenant = tx.tenant(&cloud_id).await?;
                tenant.ok_or(Error::Rejected(Rejection::TenantNotFound))
            })
            .await
    }
}
