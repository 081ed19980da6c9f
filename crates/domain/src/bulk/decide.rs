//! The decision on one item: pure, from the facts alone.

use std::collections::HashSet;

use crate::entity::Organization;
use crate::field::{Definition, FieldType, Values};
use crate::id::OrganizationId;
use crate::task::{Failure, OperatedOn, Outcome, Receipt, TaskType};
use crate::{Excerpt, Rejection, Thing, text};

use super::facts::{Change, Decision, Facts};
use super::{DetailEdit, DetailsItem, Edit, Item, Manage, ManageItem};

/// Failures of one item that name the closest option.
const HINTS_MAX: usize = 10;

/// A decision in the making.
struct Making {
    changes: Vec<Change>,
    failures: Vec<Failure>,
    operation: &'static str,
}

impl Making {
    /// The closest option is looked for in the first failures of an item only: more would hold up others.
    fn may_hint(&self) -> bool {
        self.failures.len() < HINTS_MAX
    }

    fn fail(&mut self, operated_on: OperatedOn, id: &str, error: String) {
        let operation = self.operation.to_owned();
        self.failures.push(Failure {
            operation,
            operated_on,
            operated_on_ids: vec![id.to_owned()],
            error,
        });
    }

    fn done(self, entity_id: String, created: bool) -> Decision {
        let outcome = match (created, self.changes.is_empty(), self.failures.is_empty()) {
            (true, ..) => Outcome::Created,
            (false, false, _) => Outcome::Updated,
            (false, true, true) => Outcome::Unchanged,
            (false, true, false) => Outcome::Failed,
        };
        Decision {
            changes: self.changes,
            receipt: Receipt {
                entity_id,
                outcome,
                failures: self.failures,
            },
        }
    }
}

/// The decision on an item that fails as a whole.
pub(super) fn whole_failure(task_type: TaskType, item: &Item, error: String) -> Decision {
    let failure = Failure {
        operation: item.operation().to_owned(),
        operated_on: task_type.whole(),
        operated_on_ids: match item {
            Item::Definition(definition) => vec![definition.name.clone()],
            _ => Vec::new(),
        },
        error,
    };
    let receipt = Receipt {
        entity_id: item.subject().to_owned(),
        outcome: Outcome::Failed,
        failures: vec![failure],
    };
    Decision {
        changes: Vec::new(),
        receipt,
    }
}

impl Facts {
    /// Decides an item, and changes the facts as storing the changes will change the state.
    pub fn decide(&mut self, task_type: TaskType, item: &Item) -> Decision {
        let decided = match item {
            Item::Manage(manage) => self.manage(manage),
            Item::Details(details) => self.edit_details(details),
            Item::Definition(_) => Err("a definition is not decided with organizations".to_owned()),
        };
        decided.unwrap_or_else(|error| whole_failure(task_type, item, error))
    }

    /// What an item that cannot be run is reported as.
    pub fn refuse(task_type: TaskType, item: &Item, error: String) -> Decision {
        whole_failure(task_type, item, error)
    }

    fn manage(&mut self, item: &ManageItem) -> Result<Decision, String> {
        let mut making = Making {
            changes: Vec::new(),
            failures: Vec::new(),
            operation: item.operation.name(),
        };
        let found = match (&item.id, &item.name) {
            _ if item.operation == Manage::Create => None,
            (Some(id), _) => OrganizationId::parse(id).filter(|id| self.organizations.contains_key(id)),
            (None, Some(name)) => self.by_key.get(&text::key(name)).copied(),
            (None, None) => None,
        };
        let (id, created) = match found {
            Some(id) => {
                // A name beside an id is the new name; a name alone only finds.
                if let (Some(_), Some(name)) = (&item.id, &item.name) {
                    self.rename(id, name, &mut making);
                }
                (id, false)
            }
            None => (self.create(item, &mut making)?, true),
        };
        self.set_details(id, created, item, &mut making);
        self.add_members(id, item, &mut making);
        self.add_entitlements(id, item, &mut making);
        Ok(making.done(id.to_string(), created))
    }

    fn create(&mut self, item: &ManageItem, making: &mut Making) -> Result<OrganizationId, String> {
        let missing = || {
            let named = item.id.as_deref().or(item.name.as_deref()).unwrap_or_default();
            Rejection::not_found(Thing::Organization, named).to_string()
        };
        if item.operation == Manage::Update {
            return Err(missing());
        }
        let Some(name) = &item.name else {
            return Err(format!("{}; to create one, an UPSERT needs its name", missing()));
        };
        let name_key = text::key(name);
        if let Some(other) = self.by_key.get(&name_key) {
            return Err(name_taken(name, *other));
        }
        let wished = item
            .id
            .as_deref()
            .and_then(OrganizationId::parse_wish)
            .filter(|id| !self.id_used(*id));
        let (id, taken) = match wished {
            Some(id) => (id, false),
            None => self.next_free_id(),
        };
        if !taken {
            // A greater id than any before moves the counter to it.
            self.free_ids.retain(|free| *free > id);
            self.next_id = self.next_id.max(id.0 + 1);
            making.changes.push(Change::SpendId(id));
        }
        let organization = Organization {
            id,
            name: name.clone(),
            name_key,
            details: Values::default(),
        };
        making.changes.push(Change::Create(organization.clone()));
        self.know(organization);
        Ok(id)
    }

    /// The next free id, and whether it was taken from the counter before.
    fn next_free_id(&mut self) -> (OrganizationId, bool) {
        while let Some(id) = self.free_ids.pop_front() {
            if !self.id_used(id) {
                return (id, true);
            }
        }
        (OrganizationId(self.next_id), false)
    }

    fn rename(&mut self, id: OrganizationId, name: &str, making: &mut Making) {
        let key = text::key(name);
        if let Some(other) = self.by_key.get(&key).copied().filter(|other| *other != id) {
            making.fail(OperatedOn::Organization, name, name_taken(name, other));
            return;
        }
        let Some(organization) = self.organizations.get_mut(&id) else {
            return;
        };
        if organization.name == name {
            return;
        }
        self.by_key.remove(&organization.name_key);
        self.by_key.insert(key.clone(), id);
        organization.name = name.to_owned();
        organization.name_key.clone_from(&key);
        making.changes.push(Change::Rename {
            id,
            name: name.to_owned(),
            key,
        });
    }

    fn set_details(&mut self, id: OrganizationId, created: bool, item: &ManageItem, making: &mut Making) {
        let Some(organization) = self.organizations.get_mut(&id) else {
            return;
        };
        let old = organization.details.clone();
        for detail in &item.details {
            let checked = find_field(&self.definitions, &detail.name).and_then(|definition| {
                let values = definition
                    .check_hinting(&detail.values, self.phone, making.may_hint())
                    .map_err(|e| problem(&e))?;
                Ok((definition, values))
            });
            match checked {
                Ok((definition, values)) => organization.details.set(definition.id, values),
                Err(error) => making.fail(OperatedOn::DetailField, &detail.name, error),
            }
        }
        let new = organization.details.clone();
        match making.changes.last_mut() {
            // What is created is stored once, with its values.
            Some(Change::Create(creation)) if created => creation.details = new,
            _ if new != old => making.changes.push(Change::PutDetails { id, old, new }),
            _ => {}
        }
    }

    fn add_members(&mut self, id: OrganizationId, item: &ManageItem, making: &mut Making) {
        for customer_id in &item.customer_ids {
            match self.customers.get(customer_id) {
                Some(customer) if self.members.insert((id, *customer)) => {
                    making.changes.push(Change::AddMember {
                        organization: id,
                        customer: *customer,
                    });
                }
                Some(_) => {}
                None => {
                    let error = Rejection::not_found(Thing::Customer, customer_id).to_string();
                    making.fail(OperatedOn::Membership, customer_id, error);
                }
            }
        }
    }

    fn add_entitlements(&mut self, id: OrganizationId, item: &ManageItem, making: &mut Making) {
        for product_id in &item.product_ids {
            match self.products.get(&product_id.to_ascii_lowercase()) {
                Some(product) if self.entitled.insert((id, *product)) => {
                    making.changes.push(Change::AddEntitlement {
                        organization: id,
                        product: *product,
                    });
                }
                Some(_) => {}
                None => {
                    let error = Rejection::not_found(Thing::Product, product_id).to_string();
                    making.fail(OperatedOn::Entitlement, product_id, error);
                }
            }
        }
    }

    fn edit_details(&mut self, item: &DetailsItem) -> Result<Decision, String> {
        let found = OrganizationId::parse(&item.id).and_then(|id| self.organizations.get_mut(&id));
        let Some(organization) = found else {
            return Err(Rejection::not_found(Thing::Organization, &item.id).to_string());
        };
        let mut making = Making {
            changes: Vec::new(),
            failures: Vec::new(),
            operation: "",
        };
        let old = organization.details.clone();
        for edit in &item.operations {
            making.operation = edit.operation.name();
            let hint = making.may_hint();
            let edited = find_field(&self.definitions, &edit.name).and_then(|definition| {
                let values = edit_values(
                    definition,
                    edit,
                    organization.details.get(definition.id),
                    |given| definition.check_hinting(given, self.phone, hint),
                );
                Ok((definition.id, values.map_err(|e| problem(&e))?))
            });
            match edited {
                Ok((field, values)) => organization.details.set(field, values),
                Err(error) => making.fail(OperatedOn::DetailField, &edit.name, error),
            }
        }
        let new = organization.details.clone();
        let id = organization.id;
        if new != old {
            making.changes.push(Change::PutDetails { id, old, new });
        }
        Ok(making.done(id.to_string(), false))
    }
}

/// The values of a field after an edit.
fn edit_values(
    definition: &Definition,
    edit: &DetailEdit,
    present: &[String],
    check: impl Fn(&[String]) -> Result<Vec<String>, Rejection>,
) -> Result<Vec<String>, Rejection> {
    let multiple = definition.field_type == FieldType::MultiSelect;
    let given = edit.values.as_deref().unwrap_or_default();
    match edit.operation {
        Edit::Patch if multiple => {
            let known: HashSet<&String> = present.iter().collect();
            let new = check(given)?.into_iter().filter(|value| !known.contains(value));
            Ok(present.iter().cloned().chain(new).collect())
        }
        Edit::Update | Edit::Patch => check(given),
        Edit::Delete if multiple && !given.is_empty() => Ok(present
            .iter()
            .filter(|value| !given.contains(value))
            .cloned()
            .collect()),
        Edit::Delete => Ok(Vec::new()),
    }
}

fn find_field<'d>(definitions: &'d crate::Definitions, name: &str) -> Result<&'d Definition, String> {
    definitions
        .require(name)
        .map_err(|missing| format!("Invalid detail field: {missing}"))
}

/// The words of a refusal without its path: a failure says where in a member of its own.
fn problem(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Invalid { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}

fn name_taken(name: &str, by: OrganizationId) -> String {
    format!(
        "{:?} is the name of organization {by} already; names are unique",
        Excerpt(name)
    )
}
