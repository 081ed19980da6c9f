//! Detail values: one JSON text in the entity's row, keyed by field id, and one index row a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use guildhall_domain::{Definition, Definitions, EntityKind, FieldId, Values, value_key};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::StoreError;
use crate::tx::WriteTx;
use crate::versions::Touched;

const NO_VALUES: &str = "{}";

/// The values as the row keeps them: `{"12":["EU"]}`.
pub(crate) fn to_text(values: &Values) -> Result<String, StoreError> {
    let plain: BTreeMap<i64, &Vec<String>> = values.0.iter().map(|(id, values)| (id.0, values)).collect();
    serde_json::to_string(&plain).map_err(|e| StoreError::Failed(e.to_string()))
}

/// The values of a row.
pub(crate) fn from_text(text: &str) -> Result<Values, StoreError> {
    if text == NO_VALUES {
        return Ok(Values::default());
    }
    let plain: BTreeMap<i64, Vec<String>> = serde_json::from_str(text).map_err(|e| unreadable(&e))?;
    Ok(Values(
        plain
            .into_iter()
            .map(|(id, values)| (FieldId(id), values))
            .collect(),
    ))
}

/// The values of an entity as its row keeps them, for answers that only show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValues(String);

impl StoredValues {
    pub(crate) fn of(text: String) -> Self {
        Self(text)
    }

    /// The fields that have values, and their values: JSON arrays of strings, as they are kept.
    pub fn fields(&self) -> Result<Vec<(FieldId, &RawValue)>, StoreError> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(FieldId, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by field")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::with_capacity(16);
                while let Some((id, values)) = map.next_entry()? {
                    all.push((FieldId(id), values));
                }
                Ok(all)
            }
        }
        if self.0 == NO_VALUES {
            return Ok(Vec::new());
        }
        serde_json::Deserializer::from_str(&self.0)
            .deserialize_map(Fields)
            .map_err(|e| unreadable(&e))
    }
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::inconsistent(format!("details: {error}"))
}

/// How rows name what they belong to.
pub(crate) fn kind_text(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "ORGANIZATION",
        EntityKind::Customer => "CUSTOMER",
        EntityKind::Entitlement => "ENTITLEMENT",
    }
}

/// The keys of a field's values, each once.
fn keys(definition: &Definition, values: &[String]) -> BTreeSet<String> {
    let keys = values.iter().map(|value| value_key(definition.field_type, value));
    keys.collect()
}

impl WriteTx<'_> {
    /// Adds the index rows of a new entity, whose own row is written beside. Its number is new, so there are none
    /// yet: PostgreSQL takes a third less time for an entry that it need not look for first.
    pub(crate) async fn index_new_values(
        &mut self,
        kind: EntityKind,
        entity_number: i64,
        values: &Values,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO detail_index (tenant_id, kind, field_id, value_key, entity_number) \
             SELECT $1, r.kind, r.field_id, r.value_key, r.entity_number \
             FROM EACH_ROW(kind $2, field_id $3, value_key $4, entity_number $5)";
        let kind = kind_text(kind);
        for definition in definitions.iter() {
            for key in &keys(definition, values.get(definition.id)) {
                let field = definition.id.0;
                self.execute_one_on(
                    Touched::Nothing,
                    INSERT,
                    &[kind.into(), field.into(), key.into(), entity_number.into()],
                )
                .await?;
            }
        }
        Ok(())
    }

    /// Brings the index rows of an entity, whose own row is written beside, from its old values to its new ones. Fields that are not
    /// defined any more are left to the sweep.
    pub(crate) async fn index_values(
        &mut self,
        kind: EntityKind,
        entity_number: i64,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM detail_index \
             USING EACH_ROW(kind $2, field_id $3, value_key $4, entity_number $5) \
             WHERE detail_index.tenant_id = $1 AND detail_index.kind = r.kind AND detail_index.field_id = r.field_id \
             AND detail_index.value_key = r.value_key AND detail_index.entity_number = r.entity_number";
        const INSERT: &str = "INSERT INTO detail_index (tenant_id, kind, field_id, value_key, entity_number) \
             SELECT $1, r.kind, r.field_id, r.value_key, r.entity_number \
             FROM EACH_ROW(kind $2, field_id $3, value_key $4, entity_number $5) ON CONFLICT DO NOTHING";
        let kind = kind_text(kind);
        for definition in definitions.iter() {
            let (old, new) = (old.get(definition.id), new.get(definition.id));
            if old == new {
                continue;
            }
            let (old, new) = (keys(definition, old), keys(definition, new));
            for key in old.difference(&new) {
                let field = definition.id.0;
                self.execute_any_on(
                    Touched::Nothing,
                    DELETE,
                    &[kind.into(), field.into(), key.into(), entity_number.into()],
                )
                .await?;
            }
            for key in new.difference(&old) {
                let field = definition.id.0;
                self.execute_any_on(
                    Touched::Nothing,
                    INSERT,
                    &[kind.into(), field.into(), key.into(), entity_number.into()],
                )
                .await?;
            }
        }
        Ok(())
    }
}
