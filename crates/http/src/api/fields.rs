//! Detail field definitions: the same four operations for organizations, customers and entitlements
//! (docs/api.md, "Field definitions" and "Operations").

use guildhall_domain::field::{Definition, EntityKind, NewDefinition};

use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

body! {
    /// The type of a detail field.
    DetailFieldTypeIn {
        /// TEXT, NUMBER, BOOLEAN, DATE, EMAIL, PHONE, URL, SELECT, MULTISELECT or USER.
        "name" name: String,
        /// The options of a SELECT or MULTISELECT field: 1 to 2,000, unique, at most 255 characters each.
        "options" options: Option<Vec<String>>,
    }
}

body! {
    /// A detail field to create.
    CreateDetailFieldRequest {
        /// 1 to 255 characters, unique among the fields of the same kind of entity.
        "name" name: String,
        /// The field's type; it never changes.
        "type" field_type: DetailFieldTypeIn,
    }
}

body! {
    /// Changes to a detail field.
    EditDetailFieldRequest {
        /// The field's name from now on; send the old one to keep it.
        "name" name: String,
        /// A full replacement of the options of a SELECT or MULTISELECT field; absent leaves them.
        "options" options: Option<Vec<String>>,
    }
}

answer! {
    /// The type of a detail field.
    DetailFieldTypeOut<'a> {
        /// TEXT, NUMBER, BOOLEAN, DATE, EMAIL, PHONE, URL, SELECT, MULTISELECT or USER.
        "name" name: &'a str,
        /// The options of a SELECT or MULTISELECT field.
        "options" options: Option<&'a [String]>,
    }
}

answer! {
    /// Where a field stands.
    ConfigurationOut {
        /// Fields are shown in the order of their positions.
        "position" position: i64,
    }
}

answer! {
    /// A detail field as it was created or edited.
    DetailFieldDefinitionOut<'a> {
        /// The field's name.
        "name" name: &'a str,
        /// The field's type.
        "type" field_type: DetailFieldTypeOut<'a>,
    }
}

answer! {
    /// A detail field with where it stands.
    DetailFieldWithConfigurationOut<'a> {
        /// The field's name.
        "name" name: &'a str,
        /// The field's type.
        "type" field_type: DetailFieldTypeOut<'a>,
        /// Where it stands.
        "configuration" configuration: ConfigurationOut,
    }
}

answer! {
    /// All detail fields of one kind of entity, by position.
    DetailFieldsWithConfigurationOut<'a> {
        /// The fields.
        "results" results: Vec<DetailFieldWithConfigurationOut<'a>>,
    }
}

impl<'a> From<&'a Definition> for DetailFieldTypeOut<'a> {
    fn from(definition: &'a Definition) -> Self {
        let options = definition
            .field_type
            .has_options()
            .then_some(definition.options.as_slice());
        Self {
            name: definition.field_type.name(),
            options,
        }
    }
}

impl<'a> From<&'a Definition> for DetailFieldDefinitionOut<'a> {
    fn from(definition: &'a Definition) -> Self {
        Self {
            name: &definition.name,
            field_type: definition.into(),
        }
    }
}

/// `GET …/details`
pub async fn list(call: Call, kind: EntityKind) -> Result<Reply, ApiError> {
    let definitions = call.service.fields(call.caller(), kind).await?;
    let results = definitions
        .iter()
        .map(|definition| DetailFieldWithConfigurationOut {
            name: &definition.name,
            field_type: definition.into(),
            configuration: ConfigurationOut {
                position: definition.position,
            },
        })
        .collect();
    Reply::json(&DetailFieldsWithConfigurationOut { results })
}

/// `POST …/details`
pub async fn create(call: Call, kind: EntityKind) -> Result<Reply, ApiError> {
    let body: CreateDetailFieldRequest = call.body()?;
    let new = NewDefinition::check(
        &body.name,
        &body.field_type.name,
        body.field_type.options.as_deref(),
    )?;
    let definition = call.service.create_field(call.caller(), kind, new).await?;
    Reply::json(&DetailFieldDefinitionOut::from(&definition))
}

/// `PUT …/details/{fieldName}`
pub async fn edit(call: Call, kind: EntityKind) -> Result<Reply, ApiError> {
    let body: EditDetailFieldRequest = call.body()?;
    let current = call.path("fieldName");
    let definition = call
        .service
        .edit_field(call.caller(), kind, current, body.name, body.options)
        .await?;
    Reply::json(&DetailFieldDefinitionOut::from(&definition))
}

/// `DELETE …/details/{fieldName}`
pub async fn delete(call: Call, kind: EntityKind) -> Result<Reply, ApiError> {
    call.service
        .delete_field(call.caller(), kind, call.path("fieldName"))
        .await?;
    Ok(Reply::no_content())
}
