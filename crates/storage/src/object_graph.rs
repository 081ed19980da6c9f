//! How objects hang together, a level at a time: children, contents, categories and their names; and who
//! may read them. All of one connection.

use std::collections::BTreeMap;

use guildhall_domain::connector::{Key, ObjectType, Readers};
use serde::Serialize;

use crate::connections::{index_key, json};
use crate::driver::Row;
use crate::error::StoreError;
use crate::objects::{ObjectId, object_id};
use crate::tx::ReadTx;

/// An object as trees and lists name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    /// Which it is.
    pub id: ObjectId,
    /// What it is called.
    pub display_name: String,
}

/// A child, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The child.
    pub object: NamedObject,
    /// Its parent.
    pub parent: ObjectId,
}

/// Who may see an object. Keys are as indexes hold them, which is as good as ids for telling objects
/// apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableRow {
    /// The object.
    pub key: Key,
    /// Who may see it; nothing where it was deleted.
    pub readers: Option<Readers>,
    /// Its container.
    pub container: Option<Key>,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(rename = "type")]
    object_type: &'a str,
    key: &'a str,
}

fn named(row: &Row<'_>) -> Result<NamedObject, StoreError> {
    Ok(NamedObject {
        id: object_id(row)?,
        display_name: row.text(2)?,
    })
}

/// Columns: type, id_key, whether it lives, readers, container_type, container_key.
fn readable(row: &Row<'_>) -> Result<ReadableRow, StoreError> {
    let key = |object_type: String, id: Option<String>| Key {
        object_type,
        entity_id: id,
    };
    let object = key(row.text(0)?, Some(row.text(1)?));
    let readers = match row.opt_int(2)? {
        Some(_deleted) => None,
        None => Some(Readers::from_text(&row.text(3)?).ok_or_else(|| {
            StoreError::inconsistent(format!("object.readers of a {}", object.object_type))
        })?),
    };
    let container_id = row.opt_text(5)?;
    Ok(ReadableRow {
        key: object,
        readers,
        container: row.opt_text(4)?.map(|object_type| key(object_type, container_id)),
    })
}

/// Keys of objects as a parameter; ids are turned into what indexes hold.
fn ids(objects: &[ObjectId]) -> Result<String, StoreError> {
    let keys: Vec<_> = objects.iter().map(|(_, id)| index_key(id)).collect();
    let rows: Vec<Named<'_>> = objects
        .iter()
        .zip(&keys)
        .filter(|((_, id), _)| !id.contains('\0'))
        .map(|((object_type, _), key)| Named {
            object_type: object_type.name(),
            key,
        })
        .collect();
    json(&rows)
}

impl ReadTx<'_> {
    /// Those of these objects that exist, with their names.
    pub async fn named_objects(
        &mut self,
        connection: i64,
        objects: &[ObjectId],
    ) -> Result<Vec<NamedObject>, StoreError> {
        const SQL: &str = "SELECT type, id, display_name FROM object \
             WHERE tenant_id = $1 AND connection_number = $2 AND deleted_at IS NULL \
             AND (type, id_key) IN (SELECT value->>'type', value->>'key' FROM EACH_OBJECT($3))";
        self.fetch(SQL, &[connection.into(), (&ids(objects)?).into()], named)
            .await
    }

    /// The children of these objects, parent by parent; at most so many for each type of parent.
    pub async fn children(
        &mut self,
        connection: i64,
        parents: &[ObjectId],
        limit: i64,
    ) -> Result<Vec<Child>, StoreError> {
        const SQL: &str = "SELECT type, id, display_name, parent_key FROM object \
             WHERE tenant_id = $1 AND connection_number = $2 AND parent_key IS NOT NULL AND parent_type = $3 \
             AND parent_key IN EACH_TEXT($4) ORDER BY parent_key, type, id_key LIMIT $5";
        let mut found = Vec::new();
        for parent_type in ObjectType::ALL {
            let parents: BTreeMap<_, _> = parents
                .iter()
                .filter(|(object_type, _)| *object_type == parent_type)
                .map(|parent| (index_key(&parent.1), parent))
                .collect();
            if parents.is_empty() {
                continue;
            }
            let keys = json(&parents.keys().collect::<Vec<_>>())?;
            let params = [
                connection.into(),
                parent_type.name().into(),
                (&keys).into(),
                limit.into(),
            ];
            let rows = self
                .fetch(SQL, &params, |row| Ok((named(row)?, row.text(3)?)))
                .await?;
            found.extend(rows.into_iter().filter_map(|(object, key)| {
                let parent = (*parents.get(key.as_str())?).clone();
                Some(Child { object, parent })
            }));
        }
        Ok(found)
    }

    /// The objects whose container this is.
    pub async fn contents(
        &mut self,
        connection: i64,
        (container_type, id): &ObjectId,
        limit: i64,
    ) -> Result<Vec<NamedObject>, StoreError> {
        const SQL: &str = "SELECT type, id, display_name FROM object \
             WHERE tenant_id = $1 AND connection_number = $2 AND container_key IS NOT NULL AND container_type = $3 \
             AND container_key = $4 ORDER BY type, id_key LIMIT $5";
        let key = index_key(id);
        let params = [
            connection.into(),
            container_type.name().into(),
            key.as_ref().into(),
            limit.into(),
        ];
        self.fetch(SQL, &params, named).await
    }

    /// The ids of the categories that an object is in; nothing says that they exist.
    pub async fn categories(
        &mut self,
        connection: i64,
        (object_type, id): &ObjectId,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT category_id FROM object_category WHERE tenant_id = $1 \
             AND connection_number = $2 AND type = $3 AND id_key = $4 ORDER BY category_key";
        let key = index_key(id);
        let params = [connection.into(), object_type.name().into(), key.as_ref().into()];
        self.fetch(SQL, &params, |row| row.text(0)).await
    }

    /// The objects that are in a category.
    pub async fn objects_in_category(
        &mut self,
        connection: i64,
        category: &str,
        limit: i64,
    ) -> Result<Vec<NamedObject>, StoreError> {
        const SQL: &str = "SELECT o.type, o.id, o.display_name FROM object_category c \
             JOIN object o ON o.tenant_id = c.tenant_id AND o.connection_number = c.connection_number \
             AND o.type = c.type AND o.id_key = c.id_key \
             WHERE c.tenant_id = $1 AND c.connection_number = $2 AND c.category_key = $3 \
             ORDER BY c.type, c.id_key LIMIT $4";
        let key = index_key(category);
        self.fetch(
            SQL,
            &[connection.into(), key.as_ref().into(), limit.into()],
            named,
        )
        .await
    }

    /// Who may see the objects of a type, after a key, in the order of keys. Tombstones are among them.
    pub async fn readable_after(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ReadableRow>, StoreError> {
        const SQL: &str = "SELECT type, id_key, deleted_at, readers, container_type, container_key FROM object \
             WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 AND id_key > $4 \
             ORDER BY id_key LIMIT $5";
        let params = [
            connection.into(),
            object_type.name().into(),
            after.into(),
            limit.into(),
        ];
        self.fetch(SQL, &params, readable).await
    }

    /// Who may see each of these, by their keys; those that do not exist are left out.
    pub async fn readable(&mut self, connection: i64, keys: &[Key]) -> Result<Vec<ReadableRow>, StoreError> {
        const SQL: &str = "SELECT type, id_key, deleted_at, readers, container_type, container_key FROM object \
             WHERE tenant_id = $1 AND connection_number = $2 AND deleted_at IS NULL \
             AND (type, id_key) IN (SELECT value->>'type', value->>'key' FROM EACH_OBJECT($3))";
        let rows: Vec<Named<'_>> = keys
            .iter()
            .filter_map(|key| {
                Some(Named {
                    object_type: &key.object_type,
                    key: key.entity_id.as_deref()?,
                })
            })
            .collect();
        self.fetch(SQL, &[connection.into(), (&json(&rows)?).into()], readable)
            .await
    }

    /// The canonical texts of live objects, without sensitive data, by their keys, in the order of these.
    pub async fn object_bodies(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        keys: &[&str],
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT body FROM object WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 \
             AND id_key IN EACH_TEXT($4) AND deleted_at IS NULL \
             ORDER BY tenant_id, connection_number, type, id_key";
        let keys = json(&keys)?;
        let params = [connection.into(), object_type.name().into(), (&keys).into()];
        self.fetch(SQL, &params, |row| row.text(0)).await
    }
}
