//! Detail values in their two shapes (docs/api.md, "Shapes"), and setting one ("Values").

use guildhall_domain::field::{Definition, Definitions, Values};
use guildhall_service::{Target, ValueOf};

use super::fields::{ConfigurationOut, DetailFieldTypeOut};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

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
        "values" values: &'a [String],
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
        "text" text: &'a [String],
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

/// Every field, set or not, by position.
pub fn all<'a>(definitions: &'a Definitions, values: &'a Values) -> Vec<DetailFieldOut<'a>> {
    let out = |definition: &'a Definition| DetailFieldOut {
        id: definition.id.to_string(),
        name: &definition.name,
        field_type: definition.into(),
        values: values.get(definition.id),
        configuration: ConfigurationOut {
            position: definition.position,
        },
    };
    definitions.iter().map(out).collect()
}

/// The fields that have a value, by position.
pub fn of_profile<'a>(definitions: &'a Definitions, values: &'a Values) -> Vec<ProfileDetailOut<'a>> {
    let out = |definition: &'a Definition| {
        let text = values.get(definition.id);
        (!text.is_empty()).then(|| ProfileDetailOut {
            name: &definition.name,
            value: ProfileDetailValueOut {
                type_name: definition.field_type.name(),
                text,
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
