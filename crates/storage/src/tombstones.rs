//! Tombstones: what deleted objects, users, groups and mappings leave behind for a while, so that an older
//! write that comes late does not bring them back.

use guildhall_domain::{TenantId, Timestamp};

use crate::connections::json;
use crate::error::StoreError;
use crate::tx::{SystemTx, WriteTx};
use crate::versions::Touched;

/// What a tombstone is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TombstoneOf {
    /// An object of this type.
    Object(String),
    /// A user.
    User,
    /// A group.
    Group,
    /// A mapping.
    Mapping,
}

/// Tombstones that lie together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Graves {
    /// The tenant.
    pub tenant: TenantId,
    /// The connection's number.
    pub connection: i64,
    /// What they are of.
    pub of: TombstoneOf,
}

impl SystemTx<'_> {
    /// Some tombstones from before this, of any tenant: where each lies, and its key.
    pub async fn tombstones_before(
        &mut self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<(Graves, String)>, StoreError> {
        const OBJECTS: &str = "SELECT tenant_id, connection_number, id_key, type FROM object \
             WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2";
        const USERS: &str = "SELECT tenant_id, connection_number, id_key FROM connector_user \
             WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2";
        const GROUPS: &str = "SELECT tenant_id, connection_number, id_key FROM connector_group \
             WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2";
        const MAPPINGS: &str = "SELECT tenant_id, connection_number, user_key FROM connector_mapping \
             WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2";
        let mut found = Vec::new();
        for (sql, of) in [
            (OBJECTS, None),
            (USERS, Some(TombstoneOf::User)),
            (GROUPS, Some(TombstoneOf::Group)),
            (MAPPINGS, Some(TombstoneOf::Mapping)),
        ] {
            let rows = self
                .fetch(sql, &[before.0.into(), limit.into()], |row| {
                    let graves = Graves {
                        tenant: TenantId(row.int(0)?),
                        connection: row.int(1)?,
                        of: match &of {
                            Some(of) => of.clone(),
                            None => TombstoneOf::Object(row.text(3)?),
                        },
                    };
                    Ok((graves, row.text(2)?))
                })
                .await?;
            found.extend(rows);
        }
        Ok(found)
    }
}

impl WriteTx<'_> {
    /// Removes tombstones with these keys that are still from before this, and what is remembered of them.
    pub async fn purge_tombstones(
        &mut self,
        connection: i64,
        of: &TombstoneOf,
        keys: &[String],
        before: Timestamp,
    ) -> Result<(), StoreError> {
        const OBJECTS: &str = "DELETE FROM object WHERE tenant_id = $1 AND connection_number = $2 \
             AND id_key IN EACH_TEXT($3) AND deleted_at < $4 AND type = $5 RETURNING id_key";
        const WRITES: &str = "DELETE FROM object_write WHERE tenant_id = $1 AND connection_number = $2 \
             AND type = $3 AND id_key IN EACH_TEXT($4)";
        const USERS: &str = "DELETE FROM connector_user WHERE tenant_id = $1 AND connection_number = $2 \
             AND id_key IN EACH_TEXT($3) AND deleted_at < $4";
        const GROUPS: &str = "DELETE FROM connector_group WHERE tenant_id = $1 AND connection_number = $2 \
             AND id_key IN EACH_TEXT($3) AND deleted_at < $4";
        const MAPPINGS: &str = "DELETE FROM connector_mapping WHERE tenant_id = $1 AND connection_number = $2 \
             AND user_key IN EACH_TEXT($3) AND deleted_at < $4";
        let keys = json(&keys)?;
        let sql = match of {
            TombstoneOf::Object(object_type) => {
                let params = [
                    connection.into(),
                    (&keys).into(),
                    before.0.into(),
                    object_type.into(),
                ];
                let gone = self
                    .fetch_on(Touched::Nothing, OBJECTS, &params, |row| row.text(0))
                    .await?;
                let gone = json(&gone)?;
                let params = [connection.into(), object_type.into(), (&gone).into()];
                return self.execute_on(Touched::Nothing, WRITES, &params).await.map(drop);
            }
            TombstoneOf::User => USERS,
            TombstoneOf::Group => GROUPS,
            TombstoneOf::Mapping => MAPPINGS,
        };
        let params = [connection.into(), (&keys).into(), before.0.into()];
        self.execute_on(Touched::Nothing, sql, &params).await.map(drop)
    }
}
