//! Connections: what a connector's data belongs to.

use guildhall_domain::{Caller, Rejection, TenantId, Thing, limits, text};
use guildhall_storage::{ConnectionRow, Counter, ReadTx};

use crate::{Error, Service};

/// The connection that a request means: the one that it names, or the only one that there is.
pub(crate) async fn meant(tx: &mut ReadTx<'_>, id: Option<&str>) -> Result<ConnectionRow, Error> {
    let Some(id) = id else {
        let mut all = tx.connections().await?;
        return match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(Rejection::invalid("connectionId", "is required").into()),
        };
    };
    if id.is_empty() {
        let problem = "must not be empty; it may be left out where the tenant has just one connection";
        return Err(Rejection::invalid("connectionId", problem).into());
    }
    let found = match id.contains('\0') {
        true => None,
        false => tx.connection(&id.to_ascii_lowercase()).await?,
    };
    found.ok_or_else(|| Rejection::NotThere(Thing::Connection).into())
}

impl Service {
    /// Adds a connection.
    pub async fn create_connection(&self, tenant: TenantId, name: &str) -> Result<ConnectionRow, Error> {
        let name = text::name(name, limits::NAME_CHARS_MAX)
            .map_err(|problem| Rejection::invalid("name", format!("the name {problem}")))?;
        let connection = ConnectionRow {
            number: self.numbers.take(tenant, Counter::Connection, 1).await?,
            id: self.new_uuid(),
            name,
            created_at: self.now(),
        };
        self.store
            .write(tenant, async move |tx| {
                tx.lock_tenant().await?;
                if tx.connections().await?.len() >= limits::CONNECTIONS_MAX {
                    let problem = format!(
                        "there are {} connections, the most there may be",
                        limits::CONNECTIONS_MAX
                    );
                    return Err(Error::from(Rejection::invalid("", problem)));
                }
                tx.insert_connection(&connection).await?;
                Ok(connection)
            })
            .await
    }

    /// The tenant's connections, oldest first.
    pub async fn connections(&self, tenant: TenantId) -> Result<Vec<ConnectionRow>, Error> {
        self.store
            .read(tenant, async |tx| Ok(tx.connections().await?))
            .await
    }

    /// Removes a connection, and all that its connector pushed is out of sight at once.
    pub async fn delete_connection(&self, tenant: TenantId, id: &str) -> Result<(), Error> {
        let id = id.to_ascii_lowercase();
        self.store
            .write(tenant, async move |tx| {
                let gone = !id.contains('\0') && tx.delete_connection(&id).await?;
                match gone {
                    true => Ok(()),
                    false => Err(Error::from(Rejection::NotThere(Thing::Connection))),
                }
            })
            .await
    }

    /// The connection that a request means.
    pub(crate) async fn connection_meant(
        &self,
        caller: &Caller,
        id: Option<&str>,
    ) -> Result<ConnectionRow, Error> {
        self.store
            .read(caller.tenant, async |tx| meant(tx, id).await)
            .await
    }
}
