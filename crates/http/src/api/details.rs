//! Detail values in their two shapes (docs/api.md, "Shapes"), and setting one ("Values").

use guildhall_domain::FieldId;
use guildhall_domain::field::{Definition, Definitions, Values};
use guildhall_service::{StoredValues, Target, ValueOf};
use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::{ConfigurationOut, DetailFieldTypeOut};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{Schema, Schemas, answer, body};

body! {
    /// The new values of a field.
    SetDetailValueRequest {
        /// Always an array of strings. It replaces the whole value; an empty array clears it.
        "values" values: Vec<String>,
    }
}

answer! {
    /// A detail field with its values.
    DetailFieldOut<'a> {
        /// The field's id.
        "id" id: String,
        /// The field's name.
        "name" name: &'a str,
        /// The field's type.
        "type" field_type: DetailFieldTypeOut<'a>,
        /// Its values: strings for every type, none when it is not set.
        "values" values: Texts<'a>,
        /// Where the field stands.
        "configuration" configuration: ConfigurationOut,
    }
}

answer! {
    /// A detail field as it was set.
    UpdateDetailFieldResponseOut<'a> {
        /// The field's id.
        "id" id: String,
        /// The field's name.
        "name" name: &'a str,
        /// The field's type.
        "type" field_type: DetailFieldTypeOut<'a>,
        /// Its values: strings for every type, none when it is not set.
        "values" values: &'a [String],
    }
}

answer! {
    /// A value in a profile.
    ProfileDetailValueOut<'a> {
        /// The name of the field's type.
        "type" type_name: &'a str,
        /// The values: strings for every type.
        "text" text: Texts<'a>,
    }
}

answer! {
    /// A detail field with its values, in a profile.
    ProfileDetailOut<'a> {
        /// The field's name.
        "name" name: &'a str,
        /// Its value.
        "value" value: ProfileDetailValueOut<'a>,
    }
}

/// The values of a field.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Texts<'a> {
    /// That were read.
    Read(&'a [String]),
    /// As they are kept: a JSON array that is not empty.
    Kept(&'a RawValue),
}

impl Schema for Texts<'_> {
    fn schema(all: &mut Schemas) -> Value {
        <&[String]>::schema(all)
    }
}

/// Values to be shown.
#[derive(Clone, Debug)]
pub enum ShownValues<'a> {
    /// That were read.
    Read(&'a Values),
    /// As they are kept, of the fields that have some.
    Kept(Vec<(FieldId, &'a RawValue)>),
}

impl<'a> ShownValues<'a> {
    /// Values as they are kept.
    pub fn kept(values: &'a StoredValues) -> Result<Self, ApiError> {
        Ok(Self::Kept(values.fields()?))
    }

    /// Those of a field that has some.
    fn set(&self, field: FieldId) -> Option<Texts<'a>> {
        match self {
            Self::Read(values) => Some(values.get(field))
                .filter(|texts| !texts.is_empty())
                .map(Texts::Read),
            // A few dozen at most.
            Self::Kept(fields) => fields
                .iter()
                .find(|(id, _)| *id == field)
                .map(|(_, texts)| Texts::Kept(texts)),
        }
    }
}

/// Every field, set or not, by position.
pub fn all<'a>(definitions: &'a Definitions, values: &ShownValues<'a>) -> Vec<DetailFieldOut<'a>> {
    let out = |definition: &'a Definition| DetailFieldOut {
        id: definition.id.to_string(),
        name: &definition.name,
        field_type: definition.into(),
        values: values.set(definition.id).unwrap_or(Texts::Read(&[])),
        configuration: ConfigurationOut {
            position: definition.position,
        },
    };
    definitions.iter().map(out).collect()
}

/// The fields that have a value, by position.
pub fn of_profile<'a>(definitions: &'a Definitions, values: &ShownValues<'a>) -> Vec<ProfileDetailOut<'a>> {
    let out = |definition: &'a Definition| {
        Some(ProfileDetailOut {
            name: &definition.name,
            value: ProfileDetailValueOut {
                type_name: definition.field_type.name(),
                text: values.set(definition.id)?,
            },
        })
    };
    definitions.iter().filter_map(out).collect()
}

/// `PUT …/{id}/details?fieldName=`
pub async fn set(call: Call, target: Target) -> Result<Reply, ApiError> {
    let body: SetDetailValueRequest = call.body()?;
    let field_name = call.query("fieldName")?.ok_or_else(|| {
        ApiError::invalid("fieldName", "is required in the query, such as ?fieldName=Region")
    })?;
    let set = call
        .service
        .set_value(call.caller(), target, field_name.to_owned(), body.values)
        .await?;
    let ValueOf { definition, values } = &set;
    Reply::json(&UpdateDetailFieldResponseOut {
        id: definition.id.to_string(),
        name: &definition.name,
        field_type: definition.into(),
        values,
    })
}
