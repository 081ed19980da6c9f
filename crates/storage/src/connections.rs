//! Connections of connectors. What hangs on one carries its internal number, which is never used
//! twice: without the row here it is out of sight, and the sweep removes it.

use std::borrow::Cow;

use guildhall_domain::Timestamp;
use guildhall_domain::digest::{hex, sha256};
use serde::Serialize;

use crate::driver::{Lock, Part, Row};
use crate::error::StoreError;
use crate::sweep::Sweep;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

/// A connection as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// The internal number, which leads the keys of all that hangs on it.
    pub number: i64,
    /// The public id, a UUID in lower case.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

fn row(row: &Row<'_>) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        number: row.int(0)?,
        id: row.text(1)?,
        name: row.text(2)?,
        created_at: Timestamp(row.int(3)?),
    })
}

/// Bytes of an id that indexes hold in full. PostgreSQL's take rows of 2,704 bytes, and an id may have
/// 1,024 characters of four bytes.
const KEY_BYTES_MAX: usize = 200;
/// Bytes of a longer one that they hold beside its digest, so that it sorts near its like. With the
/// digest it is longer than any id that is held in full, so the two are never mistaken.
const KEY_BYTES_OF_LONG: usize = 180;

/// An id as indexes hold it: in full where it is short, else its beginning and its digest.
pub(crate) fn index_key(id: &str) -> Cow<'_, str> {
    if id.len() <= KEY_BYTES_MAX {
        return Cow::Borrowed(id);
    }
    let beginning = &id[..id.floor_char_boundary(KEY_BYTES_OF_LONG)];
    Cow::Owned(format!("{beginning}\u{1}{}", hex(&sha256(&[id.as_bytes()]))))
}

/// A set as one parameter.
pub(crate) fn json(set: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(set).map_err(|e| StoreError::Failed(e.to_string()))
}

/// Ids as a parameter of keys. One with U+0000 is left out: none is kept, and PostgreSQL's JSON takes none.
pub(crate) fn keys(ids: &[String]) -> Result<String, StoreError> {
    json(
        &ids.iter()
            .filter(|id| !id.contains('\0'))
            .map(|id| index_key(id))
            .collect::<Vec<_>>(),
    )
}

impl ReadTx<'_> {
    /// The tenant's connections, oldest first.
    pub async fn connections(&mut self) -> Result<Vec<ConnectionRow>, StoreError> {
        const SQL: &str =
            "SELECT number, id, name, created_at FROM connection WHERE tenant_id = $1 ORDER BY number";
        self.fetch(SQL, &[], row).await
    }

    /// The connection with this id.
    pub async fn connection(&mut self, id: &str) -> Result<Option<ConnectionRow>, StoreError> {
        const SQL: &str =
            "SELECT number, id, name, created_at FROM connection WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.into()], row).await
    }
}

impl WriteTx<'_> {
    /// Adds a connection.
    pub async fn insert_connection(&mut self, connection: &ConnectionRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO connection (tenant_id, number, id, name, created_at) \
             VALUES ($1, $2, $3, $4, $5)";
        let params = [
            connection.number.into(),
            (&connection.id).into(),
            (&connection.name).into(),
            connection.created_at.0.into(),
        ];
        self.execute_one_on(Touched::Nothing, SQL, &params).await
    }

    /// Keeps a connection from being deleted until the transaction ends; whether it is there. Who wants to delete it
    /// stands in one line with those who share it: locks of its row alone would let them pass it for ever.
    pub async fn share_connection(&mut self, number: i64) -> Result<bool, StoreError> {
        self.take_part(Part::Connection(number), Lock::Shared).await?;
        const SQL: &str = "SELECT number FROM connection WHERE tenant_id = $1 AND number = $2 FOR_SHARE";
        let found = self.fetch_optional(SQL, &[number.into()], |_| Ok(())).await?;
        Ok(found.is_some())
    }

    /// Removes a connection, and with it from sight all that hangs on it; whether there was one.
    pub async fn delete_connection(&mut self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM connection WHERE tenant_id = $1 AND number = $2";
        let Some(ConnectionRow { number, .. }) = self.connection(id).await? else {
            return Ok(false);
        };
        self.take_part(Part::Connection(number), Lock::Alone).await?;
        // Another may have deleted it meanwhile.
        if self.execute_on(Touched::Nothing, SQL, &[number.into()]).await? == 0 {
            return Ok(false);
        }
        self.plan_sweep(Sweep::Connection(number)).await?;
        Ok(true)
    }

    /// Removes one batch of what hung on a deleted connection; how many rows.
    pub(crate) async fn sweep_connection(&mut self, number: i64, batch: i64) -> Result<u64, StoreError> {
        const EACH: [&str; 9] = [
            "DELETE FROM object WHERE tenant_id = $1 AND connection_number = $2 AND (type, id_key) IN \
             (SELECT type, id_key FROM object WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM object_tag WHERE tenant_id = $1 AND connection_number = $2 AND (type, id_key, tag) IN \
             (SELECT type, id_key, tag FROM object_tag WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM object_category WHERE tenant_id = $1 AND connection_number = $2 \
             AND (type, id_key, category_key) IN (SELECT type, id_key, category_key FROM object_category \
             WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM object_write WHERE tenant_id = $1 AND connection_number = $2 AND (type, id_key, slot) IN \
             (SELECT type, id_key, slot FROM object_write WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM connector_user WHERE tenant_id = $1 AND connection_number = $2 AND id_key IN \
             (SELECT id_key FROM connector_user WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM connector_user_email WHERE tenant_id = $1 AND connection_number = $2 \
             AND (user_key, email_key) IN (SELECT user_key, email_key FROM connector_user_email \
             WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM connector_mapping WHERE tenant_id = $1 AND connection_number = $2 AND user_key IN \
             (SELECT user_key FROM connector_mapping WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM connector_group WHERE tenant_id = $1 AND connection_number = $2 AND id_key IN \
             (SELECT id_key FROM connector_group WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
            "DELETE FROM connector_member WHERE tenant_id = $1 AND connection_number = $2 \
             AND (group_key, member_type, member_key) IN \
             (SELECT group_key, member_type, member_key FROM connector_member \
             WHERE tenant_id = $1 AND connection_number = $2 LIMIT $3)",
        ];
        let mut removed = 0;
        for sql in EACH {
            removed += self
                .execute_on(Touched::Nothing, sql, &[number.into(), batch.into()])
                .await?;
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::index_key;

    #[test]
    fn keys_are_short_and_no_two_ids_share_one() {
        let long = "ä".repeat(1_024);
        let ids = [
            "",
            "a",
            &"a".repeat(200),
            &"a".repeat(201),
            &"a".repeat(202),
            &long,
            &long[2..],
        ];
        let keys: std::collections::BTreeSet<_> = ids.iter().map(|id| index_key(id)).collect();
        assert_eq!(keys.len(), ids.len());
        assert!(keys.iter().all(|key| key.len() <= 245));
        assert_eq!(index_key("a/b c"), "a/b c");
        // What looks like the key of a long id is itself too long to be held in full.
        assert_ne!(index_key(&index_key(&long)), index_key(&long));
    }
}
