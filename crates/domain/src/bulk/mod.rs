//! Bulk operations: what an item asks for ([`Item`]), checked when it is submitted, and what it
//! comes to ([`Facts::decide`]), decided when it is run.
//!
//! The law: a bulk request leaves the same state and the same failures as its items sent one by one,
//! in their order.

mod decide;
mod facts;
#[cfg(test)]
mod law;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::field::NewDefinition;
use crate::{Excerpt, Rejection, limits, text};

pub use facts::{Change, Decision, Facts, Need};

/// How a profile or an organization is managed.
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
    pub values: Vec<String>,
}

/// A profile or an organization to manage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManageItem {
    /// How.
    pub operation: Manage,
    /// The organization's id: finds it, or is wished for.
    pub id: Option<String>,
    /// The organization's name: finds it, or becomes it.
    pub name: Option<String>,
    /// Values to set.
    pub details: Vec<FieldValues>,
    /// Customers to add, by public id.
    pub customer_ids: Vec<String>,
    /// Products to be entitled to, by public id.
    pub product_ids: Vec<String>,
}

impl ManageItem {
    /// Checks the form: identification, names, and each field named once. Paths are relative to the
    /// item: `payload.name`.
    pub fn check(mut self) -> Result<Self, Rejection> {
        if self.operation == Manage::Create && self.name.is_none() {
            return Err(Rejection::invalid(
                "payload.name",
                "is required to CREATE an organization",
            ));
        }
        if self.id.is_none() && self.name.is_none() {
            let problem = "names no organization: give its id, its name, or both";
            return Err(Rejection::invalid("payload", problem));
        }
        if self.id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            return Err(Rejection::invalid(
                "payload.id",
                "must not be blank: it is the id of an organization",
            ));
        }
        if let Some(name) = &self.name {
            let only_finds = self.operation == Manage::Update && self.id.is_none();
            match text::name(name, limits::ORGANIZATION_NAME_CHARS_MAX) {
                Ok(clean) => self.name = Some(clean),
                // A name that cannot exist is simply not found when the item is run.
                Err(_) if only_finds && !name.trim().is_empty() => {}
                Err(problem) => return Err(Rejection::invalid("payload.name", problem)),
            }
        }
        check_fields_named_once(&self.details).map_err(|e| e.inside("payload"))?;
        check_value_count(self.details.iter().map(|detail| detail.values.len()))
            .map_err(|e| e.inside("payload.details"))?;
        check_associations(&self.customer_ids, &self.product_ids).map_err(|e| e.inside("payload"))?;
        Ok(self)
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

/// Changes of one organization's detail values, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailsItem {
    /// The organization's id.
    pub id: String,
    /// The changes.
    pub operations: Vec<DetailEdit>,
}

impl DetailsItem {
    /// Checks the form. Paths are relative to the item: `operations[0].payload.values`.
    pub fn check(self) -> Result<Self, Rejection> {
        if self.id.trim().is_empty() {
            return Err(Rejection::invalid(
                "id",
                "must not be blank: it is the id of an organization",
            ));
        }
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
    /// A profile or an organization to manage.
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
    /// What the item names before anything is known of it: an id, or else a name.
    pub fn subject(&self) -> &str {
        match self {
            // What is to be created has no id yet, whichever it wishes for.
            Self::Manage(ManageItem {
                operation: Manage::Create | Manage::Upsert,
                name: Some(name),
                ..
            }) => name,
            Self::Manage(item) => item.id.as_deref().or(item.name.as_deref()).unwrap_or_default(),
            Self::Details(item) => &item.id,
            Self::Definition(item) => &item.name,
        }
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
                1 + values + item.customer_ids.len() + item.product_ids.len()
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

/// A field named twice in one payload could only be a mistake.
pub fn check_fields_named_once(details: &[FieldValues]) -> Result<(), Rejection> {
    let mut seen = HashSet::new();
    for (index, detail) in details.iter().enumerate() {
        let at = format!("details[{index}].name");
        if detail.name.trim().is_empty() {
            return Err(Rejection::invalid(
                at,
                "must not be blank: it is the name of a detail field",
            ));
        }
        if !seen.insert(text::key(&detail.name)) {
            let problem = format!("the field {:?} is named a second time", Excerpt(&detail.name));
            return Err(Rejection::invalid(at, problem));
        }
    }
    Ok(())
}

/// The limit of what one payload may associate.
pub fn check_associations(customer_ids: &[String], product_ids: &[String]) -> Result<(), Rejection> {
    let max = limits::ASSOCIATIONS_MAX;
    for (at, ids) in [
        ("associateCustomers.customerIds", customer_ids),
        ("associateProducts.productIds", product_ids),
    ] {
        if ids.len() > max {
            let problem = format!("holds {} ids; at most {max} are taken at once", ids.len());
            return Err(Rejection::invalid(at, problem));
        }
    }
    Ok(())
}

/// The limit of the values that one payload may hold, over all its fields.
pub fn check_value_count(counts: impl Iterator<Item = usize>) -> Result<(), Rejection> {
    let (count, max) = (counts.sum::<usize>(), limits::PAYLOAD_VALUES_MAX);
    match count > max {
        false => Ok(()),
        true => Err(Rejection::invalid(
            "",
            format!("hold {count} values in all; at most {max} are taken at once"),
        )),
    }
}
