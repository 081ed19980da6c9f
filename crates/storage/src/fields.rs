//! Detail field definitions.

use guildhall_domain::{Definition, EntityKind, FieldId, FieldType};

use crate::details::kind_text;
use crate::error::StoreError;
use crate::sweep::Sweep;
use crate::tx::{ReadTx, WriteTx};

fn options_text(definition: &Definition) -> Result<String, StoreError> {
    serde_json::to_string(&definition.options).map_err(|e| StoreError::Failed(e.to_string()))
}

impl ReadTx<'_> {
    /// The definitions of one kind of entity, by position.
    pub async fn fields(&mut self, kind: EntityKind) -> Result<Vec<Definition>, StoreError> {
        const SQL: &str = "SELECT id, name, name_key, type, options, position FROM field \
             WHERE tenant_id = $1 AND kind = $2 ORDER BY position, id";
        self.fetch(SQL, &[kind_text(kind).into()], |row| {
            let type_name = row.text(3)?;
            Ok(Definition {
                id: FieldId(row.int(0)?),
                name: row.text(1)?,
                key: row.text(2)?,
                field_type: FieldType::parse(&type_name)
                    .ok_or_else(|| StoreError::inconsistent(format!("field.type {type_name}")))?,
                options: serde_json::from_str(&row.text(4)?)
                    .map_err(|e| StoreError::inconsistent(format!("field.options: {e}")))?,
                position: row.int(5)?,
            })
        })
        .await
    }
}

impl WriteTx<'_> {
    /// Adds a definition. `stamp` is a fresh random number: see [`ReadTx::definitions_stamp`].
    pub async fn insert_field(
        &mut self,
        kind: EntityKind,
        field: &Definition,
        stamp: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO field (tenant_id, id, kind, name, name_key, type, options, position) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let options = options_text(field)?;
        self.execute_one(
            SQL,
            &[
                field.id.0.into(),
                kind_text(kind).into(),
                (&field.name).into(),
                (&field.key).into(),
                field.field_type.name().into(),
                (&options).into(),
                field.position.into(),
            ],
        )
        .await?;
        self.stamp_definitions(stamp).await
    }

    /// Changes a definition's name and options.
    pub async fn update_field(&mut self, field: &Definition, stamp: i64) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE field SET name = $3, name_key = $4, options = $5 WHERE tenant_id = $1 AND id = $2";
        let options = options_text(field)?;
        self.execute_one(
            SQL,
            &[
                field.id.0.into(),
                (&field.name).into(),
                (&field.key).into(),
                (&options).into(),
            ],
        )
        .await?;
        self.stamp_definitions(stamp).await
    }

    /// Removes a definition. Its values are out of sight at once, since ids are never used again,
    /// and are swept later.
    pub async fn delete_field(&mut self, id: FieldId, stamp: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM field WHERE tenant_id = $1 AND id = $2";
        self.execute_one(SQL, &[id.0.into()]).await?;
        self.plan_sweep(Sweep::Field(id)).await?;
        self.stamp_definitions(stamp).await
    }
}
