//! Objects of connectors: written by the greatest sequence number, a set at a time. One statement
//! compares and writes all keys of a request, so that no two writers of a key can both believe to be the
//! last; the caller brings each key once, and keys are locked in one order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::Timestamp;
use guildhall_domain::connector::{EqualSequence, Key, Object, ObjectType};

use crate::connections::{index_key, json, keys};
use crate::driver::{Ask, Row, Rows};
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

/// What an object is written by.
const PUT: &[&str] = &[
    "type",
    "key",
    "id",
    "sequence",
    "name",
    "body",
    "sensitive",
    "digest",
    "readers",
    "parent_type",
    "parent_key",
    "container_type",
    "container_key",
];

/// What hangs on an object: a tag with its content, or a category's key with its id.
const HANGING: &[&str] = &["type", "key", "name", "content"];

/// What hung on objects, by their keys: tags with their contents, or keys of categories with their ids.
type Hung = BTreeMap<String, BTreeMap<String, String>>;

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
    /// newer; of each, whether it was written.
    pub async fn put_objects<'o>(
        &mut self,
        connection: i64,
        objects: &[&'o Object],
        equal: EqualSequence,
        now: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        const SQL: &str = "INSERT INTO object (tenant_id, connection_number, type, id_key, id, sequence, \
             display_name, body, sensitive, digest, readers, parent_type, parent_key, container_type, container_key, \
             kept_back, created_at, updated_at) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'id', CAST(value->>'sequence' AS BIGINT), \
             value->>'name', value->>'body', value->>'sensitive', value->>'digest', value->>'readers', \
             value->>'parent_type', value->>'parent_key', value->>'container_type', value->>'container_key', \
             0, $4, $4 FROM EACH_BOUND($3) WHERE TRUE \
             ON CONFLICT (tenant_id, connection_number, type, id_key) DO UPDATE SET sequence = excluded.sequence, \
             deleted_at = NULL, display_name = excluded.display_name, body = excluded.body, \
             sensitive = excluded.sensitive, digest = excluded.digest, readers = excluded.readers, \
             parent_type = excluded.parent_type, parent_key = excluded.parent_key, \
             container_type = excluded.container_type, container_key = excluded.container_key, \
             created_at = CASE WHEN object.deleted_at IS NULL THEN object.created_at ELSE excluded.created_at END, \
             updated_at = excluded.updated_at \
             WHERE excluded.sequence > object.sequence OR (excluded.sequence = object.sequence \
             AND (object.deleted_at IS NOT NULL OR KNOWN($5) = 1)) RETURNING type, id_key";
        fn key_of(key: &Option<Key>) -> Option<Cow<'_, str>> {
            key.as_ref()?.entity_id.as_deref().map(index_key)
        }
        let keys: Vec<[Option<Cow<'_, str>>; 3]> = objects
            .iter()
            .map(|object| {
                [
                    Some(index_key(&object.id)),
                    key_of(&object.parent),
                    key_of(&object.container),
                ]
            })
            .collect();
        let readers: Vec<String> = objects.iter().map(|object| object.readers.to_text()).collect();
        let mut order: Vec<usize> = (0..objects.len()).collect();
        // Keys are locked in this order, which is the order of deletes too.
        order.sort_unstable_by_key(|at| (objects[*at].object_type.name(), &keys[*at][0]));
        let type_of = |key: &'o Option<Key>| key.as_ref().map(|key| key.object_type.as_str());
        let mut rows = Rows::of(PUT);
        for at in &order {
            let (object, [key, parent, container]) = (objects[*at], &keys[*at]);
            rows.push([
                object.object_type.name().into(),
                key.as_deref().into(),
                (&object.id).into(),
                object.sequence.into(),
                (&object.display_name).into(),
                (&object.body).into(),
                object.sensitive.as_deref().into(),
                (&object.digest).into(),
                (&readers[*at]).into(),
                type_of(&object.parent).into(),
                parent.as_deref().into(),
                type_of(&object.container).into(),
                container.as_deref().into(),
            ]);
        }
        let replace = i64::from(equal == EqualSequence::Replace);
        let params: (&[_], _, &[_]) = (&[connection.into()], &rows, &[now.0.into(), replace.into()]);
        let place = |row: &Row<'_>| {
            let (object_type, key) = (row.text(0)?, row.text(1)?);
            let found = order.binary_search_by_key(&(object_type.as_str(), Some(key.as_str())), |at| {
                (objects[*at].object_type.name(), keys[*at][0].as_deref())
            });
            found.map_err(|_| StoreError::inconsistent(format!("object {object_type} {key}")))
        };
        let places = self.write_each_on(Touched::Nothing, SQL, params, place).await?;
        let mut is_written = vec![false; objects.len()];
        for place in places {
            is_written[order[place]] = true;
        }
        let written = objects.iter().zip(&is_written).filter(|(_, written)| **written);
        let written: Vec<&Object> = written.map(|(object, _)| *object).collect();
        self.hang_on(connection, &written).await?;
        Ok(is_written)
    }

    /// Gives objects that were just written their tags and categories, in place of those that they had. Nearly
    /// always those are the same, and to read them is the cheaper part; nobody else changes them meanwhile.
    async fn hang_on(&mut self, connection: i64, objects: &[&Object]) -> Result<(), StoreError> {
        const TAGS: &str = "INSERT INTO object_tag (tenant_id, connection_number, type, id_key, tag, content) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'name', value->>'content' \
             FROM EACH_BOUND($3) WHERE TRUE";
        const CATEGORIES: &str = "INSERT INTO object_category (tenant_id, connection_number, type, id_key, \
             category_key, category_id) \
             SELECT $1, $2, value->>'type', value->>'key', value->>'name', value->>'content' \
             FROM EACH_BOUND($3) WHERE TRUE ON CONFLICT DO NOTHING";
        let mut by_type: BTreeMap<ObjectType, Vec<(Cow<'_, str>, &Object)>> = BTreeMap::new();
        for object in objects {
            let of_type = by_type.entry(object.object_type).or_default();
            of_type.push((index_key(&object.id), object));
        }
        let hung = self.hung(connection, &by_type).await?;
        let (mut cleared, mut changed) = (Vec::new(), Vec::new());
        for ((object_type, objects), [tags, categories]) in by_type.iter().zip(&hung) {
            for (key, object) in objects {
                let (none, key) = (BTreeMap::new(), key.as_ref());
                let had_tags = tags.get(key).unwrap_or(&none);
                let had_categories = categories.get(key).unwrap_or(&none);
                let are_categories_same = had_categories.len() == object.categories.len()
                    && object
                        .categories
                        .iter()
                        .all(|id| had_categories.contains_key(&*index_key(id)));
                if *had_tags == object.tags && are_categories_same {
                    continue;
                }
                if !had_tags.is_empty() || !had_categories.is_empty() {
                    cleared.push((*object_type, key));
                }
                let categories: Vec<_> = object.categories.iter().map(|id| (index_key(id), id)).collect();
                changed.push((object_type.name(), key, &object.tags, categories));
            }
        }
        self.clear_hanging(connection, cleared.into_iter()).await?;
        let (mut tags, mut categories) = (Rows::of(HANGING), Rows::of(HANGING));
        for (object_type, key, of_tags, of_categories) in &changed {
            let place = || ((*object_type).into(), (*key).into());
            for (tag, content) in *of_tags {
                let (object_type, key) = place();
                tags.push([object_type, key, tag.into(), content.into()]);
            }
            for (category, id) in of_categories {
                let (object_type, key) = place();
                categories.push([object_type, key, category.as_ref().into(), (*id).into()]);
            }
        }
        for (sql, rows) in [(TAGS, tags), (CATEGORIES, categories)] {
            if !rows.is_empty() {
                let params: (&[_], _, &[_]) = (&[connection.into()], &rows, &[]);
                self.write_each_on(Touched::Nothing, sql, params, |_| Ok(0))
                    .await?;
            }
        }
        Ok(())
    }

    /// What hangs on these objects, type by type: their tags, and their categories.
    async fn hung(
        &mut self,
        connection: i64,
        objects: &BTreeMap<ObjectType, Vec<(Cow<'_, str>, &Object)>>,
    ) -> Result<Vec<[Hung; 2]>, StoreError> {
        const TAGS: &str = "SELECT id_key, tag, content FROM object_tag WHERE tenant_id = $1 \
             AND connection_number = $2 AND type = $3 AND id_key IN EACH_TEXT($4)";
        const CATEGORIES: &str = "SELECT id_key, category_key, category_id FROM object_category \
             WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 AND id_key IN EACH_TEXT($4)";
        let mut wanted = Vec::with_capacity(objects.len());
        for (object_type, objects) in objects {
            let keys: Vec<&str> = objects.iter().map(|(key, _)| key.as_ref()).collect();
            wanted.push((object_type.name(), json(&keys)?));
        }
        let mut found: Vec<[Hung; 2]> = wanted.iter().map(|_| Default::default()).collect();
        let mut asks = Vec::with_capacity(2 * wanted.len());
        for ((object_type, keys), hung) in wanted.iter().zip(&mut found) {
            for (sql, hung) in [TAGS, CATEGORIES].into_iter().zip(hung) {
                let params = [connection.into(), (*object_type).into(), keys.into()];
                asks.push(Ask::new(sql, params, |row| {
                    hung.entry(row.text(0)?)
                        .or_default()
                        .insert(row.text(1)?, row.text(2)?);
                    Ok(())
                }));
            }
        }
        self.fetch_all(asks).await?;
        Ok(found)
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
