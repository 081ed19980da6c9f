//! Objects of connectors: written by the greatest sequence number, a set at a time. One statement
//! compares and writes all keys of a request, so that no two writers of a key can both believe to be the
//! last; the caller brings each key once, and keys are locked in one order.

use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::Timestamp;
use guildhall_domain::connector::{EqualSequence, Key, Object, ObjectType};
use serde::Serialize;

use crate::connections::{index_key, json, keys};
use crate::driver::Row;
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

/// An object as statements take it.
#[derive(Serialize)]
struct Put<'a> {
    #[serde(rename = "type")]
    object_type: &'a str,
    key: &'a str,
    id: &'a str,
    sequence: i64,
    name: &'a str,
    body: &'a str,
    sensitive: Option<&'a str>,
    digest: &'a str,
    readers: String,
    parent_type: Option<&'a str>,
    parent_key: Option<&'a str>,
    container_type: Option<&'a str>,
    container_key: Option<&'a str>,
}

/// A row that hangs on an object: a tag with its content, or a category with its id.
#[derive(Serialize)]
struct Hanging<'a> {
    #[serde(rename = "type")]
    object_type: &'a str,
    key: &'a str,
    name: &'a str,
    content: &'a str,
}

/// The name of an object within its connection.
pub type ObjectId = (ObjectType, String);

/// An object as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// What it is called.
    pub display_name: String,
    /// The canonical JSON text, without the sensitive data.
    pub body: String,
    /// The sensitive data.
    pub sensitive: Option<String>,
}

pub(crate) fn object_type(name: &str) -> Result<ObjectType, StoreError> {
    ObjectType::parse(name).ok_or_else(|| StoreError::inconsistent(format!("object.type {name}")))
}

pub(crate) fn object_id(row: &Row<'_>) -> Result<ObjectId, StoreError> {
    Ok((object_type(&row.text(0)?)?, row.text(1)?))
}

impl WriteTx<'_> {
    /// Writes each of these objects, of different keys, unless what stands under its key is
    /// newer; those that were written.
    pub async fn put_objects(
        &mut self,
        connection: i64,
        objects: &[(&Object, &str)],
        equal: EqualSequence,
        now: Timestamp,
    ) -> Result<BTreeSet<ObjectId>, StoreError> {
        const SQL: &str = "INSERT INTO object (tenant_id, connection_number, type, id_key, id, sequence, \
             display_name, body, sensitive, digest, readers, parent_type, parent_key, container_type, container_key, \
             kept_back, created_at, updated_at) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'id', CAST(value->>'sequence' AS BIGINT), \
             value->>'name', value->>'body', value->>'sensitive', value->>'digest', value->>'readers', \
             value->>'parent_type', value->>'parent_key', value->>'container_type', value->>'container_key', \
             0, $4, $4 FROM EACH_OBJECT($3) WHERE TRUE \
             ON CONFLICT (tenant_id, connection_number, type, id_key) DO UPDATE SET sequence = excluded.sequence, \
             deleted_at = NULL, display_name = excluded.display_name, body = excluded.body, \
             sensitive = excluded.sensitive, digest = excluded.digest, readers = excluded.readers, \
             parent_type = excluded.parent_type, parent_key = excluded.parent_key, \
             container_type = excluded.container_type, container_key = excluded.container_key, \
             created_at = CASE WHEN object.deleted_at IS NULL THEN object.created_at ELSE excluded.created_at END, \
             updated_at = excluded.updated_at \
             WHERE excluded.sequence > object.sequence OR (excluded.sequence = object.sequence \
             AND (object.deleted_at IS NOT NULL OR KNOWN($5) = 1)) RETURNING type, id";
        let id_keys: Vec<[Option<_>; 3]> = objects
            .iter()
            .map(|(object, _)| {
                let id_of = |key: &Option<Key>| {
                    let id = key.as_ref()?.entity_id.as_deref()?;
                    Some(index_key(id).into_owned())
                };
                [
                    Some(index_key(&object.id).into_owned()),
                    id_of(&object.parent),
                    id_of(&object.container),
                ]
            })
            .collect();
        let mut rows: Vec<Put<'_>> = objects
            .iter()
            .zip(&id_keys)
            .map(|((object, name), [key, parent, container])| Put {
                object_type: object.object_type.name(),
                key: key.as_deref().unwrap_or_default(),
                id: &object.id,
                sequence: object.sequence,
                name,
                body: &object.body,
                sensitive: object.sensitive.as_deref(),
                digest: &object.digest,
                readers: object.readers.to_text(),
                parent_type: object.parent.as_ref().map(|key| key.object_type.as_str()),
                parent_key: parent.as_deref(),
                container_type: object.container.as_ref().map(|key| key.object_type.as_str()),
                container_key: container.as_deref(),
            })
            .collect();
        // Keys are locked in this order, which is the order of deletes too.
        rows.sort_unstable_by_key(|row| (row.object_type, row.key));
        let replace = i64::from(equal == EqualSequence::Replace);
        let rows = json(&rows)?;
        let params = [connection.into(), (&rows).into(), now.0.into(), replace.into()];
        let written: BTreeSet<ObjectId> = self
            .fetch_on(Touched::Nothing, SQL, &params, object_id)
            .await?
            .into_iter()
            .collect();
        let objects: Vec<&Object> = objects
            .iter()
            .map(|(object, _)| *object)
            .filter(|object| written.contains(&(object.object_type, object.id.clone())))
            .collect();
        self.hang_on(connection, &objects).await?;
        Ok(written)
    }

    /// Gives objects that were just written their tags and categories, in place of those that they had.
    async fn hang_on(&mut self, connection: i64, objects: &[&Object]) -> Result<(), StoreError> {
        const TAGS: &str = "INSERT INTO object_tag (tenant_id, connection_number, type, id_key, tag, content) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'name', value->>'content' \
             FROM EACH_OBJECT($3) WHERE TRUE";
        const CATEGORIES: &str = "INSERT INTO object_category (tenant_id, connection_number, type, id_key, \
             category_key, category_id) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'name', value->>'content' \
             FROM EACH_OBJECT($3) WHERE TRUE ON CONFLICT DO NOTHING";
        if objects.is_empty() {
            return Ok(());
        }
        let id_keys: Vec<_> = objects.iter().map(|object| index_key(&object.id)).collect();
        let ids = objects
            .iter()
            .zip(&id_keys)
            .map(|(object, key)| (object.object_type, key.as_ref()));
        self.clear_hanging(connection, ids).await?;
        let (mut tags, mut categories) = (Vec::new(), Vec::new());
        for (object, key) in objects.iter().zip(&id_keys) {
            let hanging = |name, content| Hanging {
                object_type: object.object_type.name(),
                key,
                name,
                content,
            };
            tags.extend(
                object
                    .tags
                    .iter()
                    .map(|(tag, content)| hanging(tag.as_str(), content.as_str())),
            );
            categories.extend(
                object
                    .categories
                    .iter()
                    .map(|id| (index_key(id), id, hanging("", ""))),
            );
        }
        let categories: Vec<Hanging<'_>> = categories
            .iter()
            .map(|(key, id, row)| Hanging {
                name: key,
                content: id,
                ..*row
            })
            .collect();
        for (sql, rows) in [(TAGS, tags), (CATEGORIES, categories)] {
            if !rows.is_empty() {
                self.execute_on(
                    Touched::Nothing,
                    sql,
                    &[connection.into(), (&json(&rows)?).into()],
                )
                .await?;
            }
        }
        Ok(())
    }

    async fn clear_hanging<'k>(
        &mut self,
        connection: i64,
        objects: impl Iterator<Item = (ObjectType, &'k str)>,
    ) -> Result<(), StoreError> {
        const TAGS: &str = "DELETE FROM object_tag WHERE tenant_id = $1 AND connection_number = $2 \
             AND type = $3 AND id_key IN EACH_TEXT($4)";
        const CATEGORIES: &str = "DELETE FROM object_category WHERE tenant_id = $1 AND connection_number = $2 \
             AND type = $3 AND id_key IN EACH_TEXT($4)";
        let mut by_type: BTreeMap<ObjectType, Vec<&str>> = BTreeMap::new();
        for (object_type, key) in objects {
            by_type.entry(object_type).or_default().push(key);
        }
        for (object_type, keys) in by_type {
            let keys = json(&keys)?;
            for sql in [TAGS, CATEGORIES] {
                self.execute_on(
                    Touched::Nothing,
                    sql,
                    &[connection.into(), object_type.name().into(), (&keys).into()],
                )
                .await?;
            }
        }
        Ok(())
    }

    /// Locks these objects until the transaction ends, in the order in which everybody locks them.
    async fn lock_objects(&mut self, connection: i64, of: ObjectType, keys: &str) -> Result<(), StoreError> {
        const LOCK: &str = "SELECT id_key FROM object WHERE tenant_id = $1 AND connection_number = $2 \
             AND type = $3 AND id_key IN EACH_TEXT($4) ORDER BY tenant_id, connection_number, type, id_key FOR_UPDATE";
        let params = [connection.into(), of.name().into(), keys.into()];
        self.fetch(LOCK, &params, |_| Ok(())).await.map(drop)
    }

    /// Those of these objects that have a tag still, now that nobody else changes them any more.
    pub async fn lock_tagged_objects(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        (tag, content): (&str, &str),
        ids: &[String],
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT o.id FROM object_tag t JOIN object o ON o.tenant_id = t.tenant_id \
             AND o.connection_number = t.connection_number AND o.type = t.type AND o.id_key = t.id_key \
             WHERE t.tenant_id = $1 AND t.connection_number = $2 AND t.type = $3 AND t.tag = $4 \
             AND t.content = $5 AND t.id_key IN EACH_TEXT($6)";
        let wanted = keys(ids)?;
        self.lock_objects(connection, object_type, &wanted).await?;
        let params = [
            connection.into(),
            object_type.name().into(),
            tag.into(),
            content.into(),
            (&wanted).into(),
        ];
        self.fetch(SQL, &params, |row| row.text(0)).await
    }

    /// Deletes the live ones of these objects, those only whose number is at most `sequence` where that
    /// is given: each becomes a tombstone. The ids of those that were deleted.
    pub async fn delete_objects(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        ids: &[String],
        sequence: Option<i64>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        const SQL: &str = "UPDATE object SET sequence = COALESCE($5, sequence), deleted_at = $6, display_name = '', \
             body = '', sensitive = NULL, digest = '', readers = '', parent_type = NULL, parent_key = NULL, \
             container_type = NULL, container_key = NULL, updated_at = $6 \
             WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 AND id_key IN EACH_TEXT($4) \
             AND deleted_at IS NULL AND sequence <= COALESCE($5, sequence) RETURNING id_key, id";
        let name = object_type.name();
        let wanted = keys(ids)?;
        self.lock_objects(connection, object_type, &wanted).await?;
        let params = [
            connection.into(),
            name.into(),
            (&wanted).into(),
            sequence.into(),
            now.0.into(),
        ];
        let deleted = self
            .fetch_on(Touched::Nothing, SQL, &params, |row| {
                Ok((row.text(0)?, row.text(1)?))
            })
            .await?;
        if !deleted.is_empty() {
            let keys = deleted.iter().map(|(key, _)| (object_type, key.as_str()));
            self.clear_hanging(connection, keys).await?;
        }
        Ok(deleted.into_iter().map(|(_, id)| id).collect())
    }
}

impl ReadTx<'_> {
    /// An object, unless it was deleted.
    pub async fn object(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        id: &str,
    ) -> Result<Option<ObjectRow>, StoreError> {
        const SQL: &str = "SELECT display_name, body, sensitive FROM object WHERE tenant_id = $1 \
             AND connection_number = $2 AND type = $3 AND id_key = $4 AND deleted_at IS NULL";
        let key = index_key(id);
        let params = [connection.into(), object_type.name().into(), key.as_ref().into()];
        self.fetch_optional(SQL, &params, |row| {
            Ok(ObjectRow {
                display_name: row.text(0)?,
                body: row.text(1)?,
                sensitive: row.opt_text(2)?,
            })
        })
        .await
    }

    /// The ids of some live objects with this tag, in the order of their keys: those after one object, up to
    /// another.
    pub async fn tagged_objects(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        (tag, content): (&str, &str),
        (after, last): (&str, &str),
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT o.id FROM object_tag t JOIN object o ON o.tenant_id = t.tenant_id \
             AND o.connection_number = t.connection_number AND o.type = t.type AND o.id_key = t.id_key \
             WHERE t.tenant_id = $1 AND t.connection_number = $2 AND t.type = $3 AND t.tag = $4 AND t.content = $5 \
             AND t.id_key > $6 AND t.id_key <= $7 ORDER BY t.id_key LIMIT $8";
        let (after, last) = (index_key(after), index_key(last));
        let params = [
            connection.into(),
            object_type.name().into(),
            tag.into(),
            content.into(),
            after.as_ref().into(),
            last.as_ref().into(),
            limit.into(),
        ];
        self.fetch(SQL, &params, |row| row.text(0)).await
    }

    /// The id of the last live object with this tag, in the order of their keys.
    pub async fn last_tagged_object(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        (tag, content): (&str, &str),
    ) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT o.id FROM object_tag t JOIN object o ON o.tenant_id = t.tenant_id \
             AND o.connection_number = t.connection_number AND o.type = t.type AND o.id_key = t.id_key \
             WHERE t.tenant_id = $1 AND t.connection_number = $2 AND t.type = $3 AND t.tag = $4 AND t.content = $5 \
             ORDER BY t.id_key DESC LIMIT 1";
        let params = [
            connection.into(),
            object_type.name().into(),
            tag.into(),
            content.into(),
        ];
        self.fetch_optional(SQL, &params, |row| row.text(0)).await
    }
}
