//! Bulk operations: what an item asks for ([`Item`]), checked when it is submitted, and what it
//! comes to ([`Facts::decide`]), decided when it is run.
//!
//! The law: a bulk request leaves the same state and the same failures as its items sent one by one,
//! in their order.

mod checked;
mod decide;
#[cfg(test)]
mod examples;
mod facts;
#[cfg(test)]
mod law;
mod names;

use serde::{Deserialize, Serialize};

use crate::field::{Definitions, FieldTexts, NewDefinition, PhoneFormat, Values};
use crate::subject::SubjectKind;
use crate::{Excerpt, Rejection, limits, text};

use names::Names;

pub use checked::Checked;
pub use facts::{Change, Decision, Facts, Need, organization_numbers};

/// How a profile or an account is managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Manage {
    /// It must not exist yet.
    Create,
    /// It must exist.
    Update,
    /// It may or may not exist.
    Upsert,
}

impl Manage {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Upsert => "UPSERT",
        }
    }

    /// The operation of this name.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        parse(name, [Self::Create, Self::Update, Self::Upsert], Self::name)
    }
}

/// How a detail value is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Edit {
    /// Replaces the value.
    Update,
    /// Adds to a MULTISELECT value; replaces others.
    Patch,
    /// Removes the named ones of a MULTISELECT value; clears otherwise.
    Delete,
}

impl Edit {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Update => "UPDATE",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The operation of this name.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        parse(name, [Self::Update, Self::Patch, Self::Delete], Self::name)
    }
}

fn parse<T: Copy>(name: &str, all: [T; 3], name_of: fn(T) -> &'static str) -> Result<T, Rejection> {
    all.into_iter()
        .find(|known| name_of(*known) == name)
        .ok_or_else(|| {
            let names = all.map(name_of);
            let mut problem = format!("{:?} is not one of {}", Excerpt(name), names.join(", "));
            if let Some(near) = text::closest(name, names) {
                problem.push_str(&format!(". Did you mean {near:?}?"));
            }
            Rejection::invalid("operationType", problem)
        })
}

/// Values for one field, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldValues {
    /// The field's name.
    pub name: String,
    /// Its values.
    pub values: FieldTexts,
}

/// A profile or an account to manage, of an organization or a customer: the type of the task says
/// which. Open tasks stand in databases in this form, so members keep the names they are stored under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManageItem {
    /// How.
    pub operation: Manage,
    /// Its id: finds it; an organization's may be wished for.
    pub id: Option<String>,
    /// The name of an organization: finds it, or becomes its name. The email of a customer: finds it.
    #[serde(rename = "name")]
    pub handle: Option<String>,
    /// The name to be shown of a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Values to set.
    pub details: Vec<FieldValues>,
    /// What to associate, by public id: customers with an organization, organizations with a customer.
    #[serde(rename = "customer_ids")]
    pub associated_ids: Vec<String>,
    /// Products to be entitled to, by public id.
    pub product_ids: Vec<String>,
}

impl ManageItem {
    /// Whether it may create an organization or a customer.
    pub fn may_create(&self) -> bool {
        self.operation != Manage::Update
    }

    /// Checks the form: identification, names, and each field named once. Paths are relative to the
    /// item: `payload.name`.
    pub fn check(mut self, kind: SubjectKind) -> Result<Self, Rejection> {
        let (id_member, handle_member) = (kind.id_member(), kind.handle_member());
        let at_handle = format!("payload.{handle_member}");
        if self.operation == Manage::Create && self.handle.is_none() {
            let problem = format!("is required to CREATE {}", kind.a_thing());
            return Err(Rejection::invalid(at_handle, problem));
        }
        if self.id.is_none() && self.handle.is_none() {
            let thing = kind.thing().name();
            let problem = format!("names no {thing}: give its {id_member}, its {handle_member}, or both");
            return Err(Rejection::invalid("payload", problem));
        }
        check_id(kind, self.id.as_deref()).map_err(|e| e.inside("payload"))?;
        if let Some(handle) = &self.handle {
            let only_finds = self.operation == Manage::Update && self.id.is_none();
            match kind.check_handle(handle) {
                Ok(clean) => self.handle = Some(clean),
                // One that cannot exist is simply not found when the item is run.
                Err(_) if only_finds && !handle.trim().is_empty() => {}
                Err(problem) => return Err(Rejection::invalid(at_handle, problem)),
            }
        }
        if let Some(name) = &self.display_name {
            let clean = text::name(name, limits::NAME_CHARS_MAX);
            self.display_name = Some(clean.map_err(|e| Rejection::invalid("payload.displayName", e))?);
        }
        check_parts(kind, &self.details, &self.associated_ids, &self.product_ids)
            .map_err(|e| e.inside("payload"))?;
        Ok(self)
    }

    /// What it calls its subject: an id, or else a handle.
    fn called(&self) -> &str {
        self.id.as_deref().or(self.handle.as_deref()).unwrap_or_default()
    }
}

/// A blank id could only be a mistake.
fn check_id(kind: SubjectKind, id: Option<&str>) -> Result<(), Rejection> {
    match id {
        Some(id) if id.trim().is_empty() => {
            let problem = format!("must not be blank: it is the id of {}", kind.a_thing());
            Err(Rejection::invalid(kind.id_member(), problem))
        }
        _ => Ok(()),
    }
}

/// A change of one detail value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailEdit {
    /// How.
    pub operation: Edit,
    /// The field's name.
    pub name: String,
    /// The values; what their absence means depends on the operation.
    pub values: Option<Vec<String>>,
}

/// Changes of the detail values of one organization or customer, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailsItem {
    /// Its id.
    pub id: String,
    /// The changes.
    pub operations: Vec<DetailEdit>,
}

impl DetailsItem {
    /// Checks the form. Paths are relative to the item: `operations[0].payload.values`.
    pub fn check(self, kind: SubjectKind) -> Result<Self, Rejection> {
        check_id(kind, Some(&self.id))?;
        if self.operations.is_empty() {
            return Err(Rejection::invalid(
                "operations",
                "must hold at least one operation",
            ));
        }
        let values = self
            .operations
            .iter()
            .map(|edit| edit.values.as_ref().map_or(0, Vec::len));
        check_value_count(values).map_err(|e| e.inside("operations"))?;
        for (index, edit) in self.operations.iter().enumerate() {
            let at = format!("operations[{index}].payload");
            if edit.name.trim().is_empty() {
                let problem = "must not be blank: it is the name of a detail field";
                return Err(Rejection::invalid(format!("{at}.name"), problem));
            }
            if edit.values.is_none() && edit.operation != Edit::Delete {
                let problem = format!("is required for {}", edit.operation.name());
                return Err(Rejection::invalid(format!("{at}.values"), problem));
            }
        }
        Ok(self)
    }
}

/// One item of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// A profile or an account to manage.
    Manage(ManageItem),
    /// Detail values to change.
    Details(DetailsItem),
    /// A detail field to create.
    Definition(DefinitionItem),
}

/// A detail field to create, as it was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionItem {
    /// Its name.
    pub name: String,
    /// The name of its type.
    pub type_name: String,
    /// Its options.
    pub options: Vec<String>,
}

impl From<&NewDefinition> for DefinitionItem {
    fn from(new: &NewDefinition) -> Self {
        Self {
            name: new.name.clone(),
            type_name: new.field_type.name().to_owned(),
            options: new.options.clone(),
        }
    }
}

impl Item {
    /// What the item names before anything is known of it: an id, or else a handle.
    pub fn subject(&self) -> &str {
        match self {
            // What is to be created has no id yet, whichever it wishes for.
            Self::Manage(ManageItem {
                operation: Manage::Create | Manage::Upsert,
                handle: Some(handle),
                ..
            }) => handle,
            Self::Manage(item) => item.called(),
            Self::Details(item) => &item.id,
            Self::Definition(item) => &item.name,
        }
    }

    /// Whether it may create an organization or a customer.
    pub fn may_create(&self) -> bool {
        matches!(self, Self::Manage(item) if item.may_create())
    }

    /// The operation that a failure of the whole item names.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Manage(item) => item.operation.name(),
            Self::Details(item) => item
                .operations
                .first()
                .map_or("UPDATE", |edit| edit.operation.name()),
            Self::Definition(_) => Manage::Create.name(),
        }
    }

    /// How much work the item is: its parts, and one for itself.
    pub fn weight(&self) -> usize {
        match self {
            Self::Manage(item) => {
                let values: usize = item.details.iter().map(|detail| 1 + detail.values.len()).sum();
                1 + values + item.associated_ids.len() + item.product_ids.len()
            }
            Self::Details(item) => {
                let edits = item.operations.iter();
                1 + edits
                    .map(|edit| 1 + edit.values.as_ref().map_or(0, Vec::len))
                    .sum::<usize>()
            }
            Self::Definition(item) => 1 + item.options.len() / 10,
        }
    }
}

/// Checks the form of the parts of a profile: each field named once, and not too much of anything. Paths
/// are relative to the payload.
pub fn check_parts(
    kind: SubjectKind,
    details: &[FieldValues],
    associated_ids: &[String],
    product_ids: &[String],
) -> Result<(), Rejection> {
    check_details(details)?;
    let max = limits::ASSOCIATIONS_MAX;
    for (at, ids) in [
        (kind.associations_member(), associated_ids),
        ("associateProducts.productIds", product_ids),
    ] {
        if ids.len() > max {
            let problem = format!("holds {} ids; at most {max} are taken at once", ids.len());
            return Err(Rejection::invalid(at, problem));
        }
    }
    Ok(())
}

/// Checks the form of the values of a payload: each field named once, and not too many values.
pub fn check_details(details: &[FieldValues]) -> Result<(), Rejection> {
    check_fields_named_once(details)?;
    check_value_count(details.iter().map(|detail| detail.values.len())).map_err(|e| e.inside("details"))
}

/// The values of a payload, the form of which is right, as they are stored.
///
/// # Errors
///
/// `Invalid` at the detail.
pub fn check_values(
    definitions: &Definitions,
    details: &[FieldValues],
    phone: PhoneFormat,
) -> Result<Values, Rejection> {
    let mut values = Values::with_capacity(details.len());
    let mut next = 0;
    for (index, detail) in details.iter().enumerate() {
        let at = || format!("details[{index}]");
        // A field that a body names is a value of that body: 400, not 404.
        let definition = definitions
            .require_near(&detail.name, &mut next)
            .map_err(|missing| {
                Rejection::invalid(
                    format!("{}.name", at()),
                    format!("Invalid detail field: {missing}"),
                )
            })?;
        let checked = definition
            .check(&detail.values, phone)
            .map_err(|e| e.inside(&at()))?;
        values.set(definition.id, checked);
    }
    Ok(values)
}

/// A field named twice in one payload could only be a mistake.
fn check_fields_named_once(details: &[FieldValues]) -> Result<(), Rejection> {
    let mut seen = Names::of(details.len());
    for (index, detail) in details.iter().enumerate() {
        let refused = |problem: String| Err(Rejection::invalid(format!("details[{index}].name"), problem));
        if text::trimmed(&detail.name).is_empty() {
            return refused("must not be blank: it is the name of a detail field".to_owned());
        }
        if !seen.insert(&detail.name) {
            return refused(format!(
                "the field {:?} is named a second time",
                Excerpt(&detail.name)
            ));
        }
    }
    Ok(())
}

/// The limit of the values that one payload may hold, over all its fields.
fn check_value_count(counts: impl Iterator<Item = usize>) -> Result<(), Rejection> {
    let (count, max) = (counts.sum::<usize>(), limits::PAYLOAD_VALUES_MAX);
    match count > max {
        false => Ok(()),
        true => Err(Rejection::invalid(
            "",
            format!("hold {count} values in all; at most {max} are taken at once"),
        )),
    }
}
