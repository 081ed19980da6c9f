//! Detail values: one JSON text in the entity's row, keyed by field id, and one index row a value.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use guildhall_domain::field::FieldTexts;
use guildhall_domain::{Definition, Definitions, EntityKind, FieldId, Values, value_key};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::error::StoreError;
use crate::pending::{Change, Entry};
use crate::tx::WriteTx;
use crate::versions::Touched;

const NO_VALUES: &str = "{}";

/// The values as the row keeps them: `{"12":["EU"]}`.
pub(crate) fn to_text(values: &Values) -> Result<String, StoreError> {
    let mut text = Vec::with_capacity(64 * values.len() + NO_VALUES.len());
    serde_json::Serializer::new(&mut text)
        .collect_map(values.iter().map(|(id, values)| (id.0, values)))
        .map_err(|e| StoreError::Failed(e.to_string()))?;
    String::from_utf8(text).map_err(|e| StoreError::Failed(e.to_string()))
}

/// The values of a row.
pub(crate) fn from_text(text: &str) -> Result<Values, StoreError> {
    fields::<FieldTexts>(text).map(Values::from_iter)
}

/// The fields that a text has values of, and their values.
fn fields<'t, V: Deserialize<'t>>(text: &'t str) -> Result<Vec<(FieldId, V)>, StoreError> {
    struct Fields<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Fields<V> {
        type Value = Vec<(FieldId, V)>;

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
    if text == NO_VALUES {
        return Ok(Vec::new());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let all = json.deserialize_map(Fields(PhantomData));
    // What follows is no part of it: such a row is damaged, and must not be written again as if it were whole.
    let all = all.and_then(|all| json.end().map(|()| all));
    all.map_err(|e| unreadable(&e))
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
        fields(&self.0)
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

/// Adds an entry of the index, if it is not there.
pub(crate) const INSERT_ENTRY: &str = "INSERT INTO detail_index (tenant_id, field_id, value_key, entity_number) \
     SELECT $1, r.field_id, r.value_key, r.entity_number \
     FROM EACH_ROW(field_id $2, value_key $3, entity_number $4) ON CONFLICT DO NOTHING";
/// Removes an entry of the index, if it is there.
pub(crate) const DELETE_ENTRY: &str = "DELETE FROM detail_index \
     USING EACH_ROW(field_id $2, value_key $3, entity_number $4) \
     WHERE detail_index.tenant_id = $1 AND detail_index.field_id = r.field_id \
     AND detail_index.value_key = r.value_key AND detail_index.entity_number = r.entity_number";

/// The keys of a field's values, each once.
fn keys(definition: &Definition, values: &[String]) -> BTreeSet<String> {
    let keys = values.iter().map(|value| value_key(definition.field_type, value));
    keys.collect()
}

/// The values of a new entity as they are kept: the text of its row, and the keys of its entries.
#[derive(Clone, Debug)]
pub(crate) struct NewValues {
    pub(crate) text: String,
    keys: Vec<(FieldId, SmolStr)>,
}

impl NewValues {
    pub(crate) fn of(values: &Values, definitions: &Definitions) -> Result<Self, StoreError> {
        let mut all = Vec::with_capacity(values.len());
        for definition in definitions.iter() {
            match values.get(definition.id) {
                [] => {}
                [value] => all.push((definition.id, value_key(definition.field_type, value).into())),
                many => all.extend(
                    keys(definition, many)
                        .into_iter()
                        .map(|key| (definition.id, key.into())),
                ),
            }
        }
        Ok(Self {
            text: to_text(values)?,
            keys: all,
        })
    }
}

/// Values that a new entity will probably have, as they will be kept: made before the transaction, since on SQLite it is the
/// writer for whom all wait.
#[derive(Clone, Debug)]
pub struct ValuesAhead {
    values: Values,
    definitions: Arc<Definitions>,
    kept: NewValues,
}

impl ValuesAhead {
    /// These, by these definitions.
    pub fn of(values: Values, definitions: Arc<Definitions>) -> Result<Self, StoreError> {
        Ok(Self {
            kept: NewValues::of(&values, &definitions)?,
            values,
            definitions,
        })
    }

    /// The values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Whether they were made by these definitions, of which there is one copy in memory.
    pub fn are_by(&self, definitions: &Definitions) -> bool {
        ptr::eq(Arc::as_ptr(&self.definitions), definitions)
    }

    /// What is kept, if it is of just these values.
    pub(crate) fn kept(&self, values: &Values, definitions: &Definitions) -> Option<&NewValues> {
        (self.are_by(definitions) && self.values == *values).then_some(&self.kept)
    }
}

impl WriteTx<'_> {
    /// Adds the entries of a new entity, whose own row is written beside. Its number is new, so there are none
    /// yet: PostgreSQL takes a third less time for an entry that it need not look for first.
    pub(crate) async fn index_new_values(
        &mut self,
        entity_number: i64,
        values: &NewValues,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO detail_index (tenant_id, field_id, value_key, entity_number) \
             SELECT $1, r.field_id, r.value_key, r.entity_number \
             FROM EACH_ROW(field_id $2, value_key $3, entity_number $4)";
        for (field, key) in &values.keys {
            self.index(INSERT, entity_number, *field, key, true).await?;
        }
        Ok(())
    }

    /// Brings the entries of an entity, whose own row is written beside, from its old values to its new ones. Fields that
    /// are not defined any more are left to the sweep.
    pub(crate) async fn index_values(
        &mut self,
        entity_number: i64,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for definition in definitions.iter() {
            let (old, new) = (old.get(definition.id), new.get(definition.id));
            if old == new {
                continue;
            }
            let (old, new) = (keys(definition, old), keys(definition, new));
            gone.extend(old.difference(&new).map(|key| (definition.id, key.clone())));
            come.extend(new.difference(&old).map(|key| (definition.id, key.clone())));
        }
        for (field, key) in gone {
            self.index(DELETE_ENTRY, entity_number, field, &key.into(), false)
                .await?;
        }
        for (field, key) in come {
            self.index(INSERT_ENTRY, entity_number, field, &key.into(), true)
                .await?;
        }
        Ok(())
    }

    /// Changes an entry: notes it where entries are kept back, else by this statement.
    async fn index(
        &mut self,
        sql: &'static str,
        number: i64,
        field: FieldId,
        key: &SmolStr,
        is_there: bool,
    ) -> Result<(), StoreError> {
        let tenant = self.tenant();
        let change = || Change {
            entry: Entry {
                tenant,
                field,
                key: key.clone(),
                number,
            },
            is_there,
        };
        if self.note_entry(change) {
            return Ok(());
        }
        let params = [field.0.into(), (&**key).into(), number.into()];
        self.execute_any_on(Touched::Nothing, sql, &params).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        let values: Values = [(12, "EU"), (3, "x \"y\" é")]
            .map(|(field, value)| (FieldId(field), vec![value.to_owned()]))
            .into_iter()
            .collect();
        let text = to_text(&values).unwrap();
        assert_eq!(text, r#"{"3":["x \"y\" é"],"12":["EU"]}"#);
        assert_eq!(from_text(&text).unwrap(), values);
        assert_eq!(to_text(&Values::default()).unwrap(), NO_VALUES);
        assert_eq!(from_text(NO_VALUES).unwrap(), Values::default());
    }

    #[test]
    fn damaged_values_are_not_read_in_part() {
        for damaged in [
            r#"{"12":["EU"]}xyz"#,
            r#"{"12":["EU"]}{"13":["US"]}"#,
            r#"{"12":["EU"]"#,
            "{}x",
            "[]",
            "",
        ] {
            assert!(from_text(damaged).is_err(), "{damaged}");
            assert!(
                StoredValues::of(damaged.to_owned()).fields().is_err(),
                "{damaged}"
            );
        }
    }
}
