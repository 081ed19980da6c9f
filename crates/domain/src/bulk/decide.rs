//! The decision on one item: pure, from the facts alone.

use std::collections::HashSet;

use crate::entity::{Customer, Entity, Organization};
use crate::field::{Definition, FieldTexts, FieldType, Values};
use crate::id::OrganizationId;
use crate::subject::{Subject, SubjectKind, default_display_name};
use crate::task::{Failure, OperatedOn, Outcome, Receipt, TaskType};
use crate::{Excerpt, Rejection, Thing, text};

use super::facts::{Change, Decision, Facts};
use super::{Checked, DetailEdit, DetailsItem, Edit, Item, Manage, ManageItem};

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
    /// Decides an item, and changes the facts as storing the changes will change the state. What of it was checked was so by
    /// the same definitions.
    pub fn decide(&mut self, task_type: TaskType, item: &Item, checked: &Checked) -> Decision {
        let decided = match item {
            Item::Manage(manage) => self.manage(task_type.kind(), manage, checked),
            Item::Details(details) => self.edit_details(task_type.kind(), details, checked),
            Item::Definition(_) => Err("a definition is not decided with what has values".to_owned()),
        };
        decided.unwrap_or_else(|error| whole_failure(task_type, item, error))
    }

    /// What an item that cannot be run is reported as.
    pub fn refuse(task_type: TaskType, item: &Item, error: String) -> Decision {
        whole_failure(task_type, item, error)
    }

    fn manage(
        &mut self,
        kind: SubjectKind,
        item: &ManageItem,
        checked: &Checked,
    ) -> Result<Decision, String> {
        let mut making = Making {
            changes: Vec::new(),
            failures: Vec::new(),
            operation: item.operation.name(),
        };
        let found = match (&item.id, &item.handle) {
            _ if item.operation == Manage::Create => None,
            (Some(id), _) => self.by_id.get(id).copied(),
            (None, Some(handle)) => self.by_key.get(&text::key(handle)).copied(),
            (None, None) => None,
        };
        let (entity, created) = match found {
            Some(entity) => {
                self.change_names(entity, item, &mut making);
                (entity, false)
            }
            None => (self.create(kind, item, &mut making)?, true),
        };
        self.set_details(entity, created, (item, checked), &mut making);
        self.associate(kind, entity, item, &mut making);
        self.add_entitlements(entity, item, &mut making);
        Ok(making.done(self.public_id(entity), created))
    }

    fn public_id(&self, entity: Entity) -> String {
        self.subjects.get(&entity).map(Subject::id).unwrap_or_default()
    }

    fn create(
        &mut self,
        kind: SubjectKind,
        item: &ManageItem,
        making: &mut Making,
    ) -> Result<Entity, String> {
        let missing = Rejection::not_found(kind.thing(), item.called());
        if !item.may_create() {
            return Err(missing.to_string());
        }
        let Some(handle) = &item.handle else {
            let member = kind.handle_member();
            return Err(format!("{missing}; to create one, an UPSERT needs its {member}"));
        };
        let key = text::key(handle);
        if let Some(other) = self.by_key.get(&key) {
            return Err(kind.handle_taken(handle, &self.public_id(*other)));
        }
        let named = (handle.as_str(), key);
        let subject = match kind {
            SubjectKind::Organization => self.new_organization(named, item.id.as_deref(), making),
            SubjectKind::Customer => self.new_customer(named, item.display_name.as_deref())?,
        };
        let entity = subject.entity();
        making.changes.push(Change::Create(subject.clone()));
        self.know(subject);
        Ok(entity)
    }

    fn new_organization(
        &mut self,
        (name, name_key): (&str, String),
        wish: Option<&str>,
        making: &mut Making,
    ) -> Subject {
        let wished = wish
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
        Subject::Organization(Organization {
            id,
            name: name.to_owned(),
            name_key,
            details: Values::default(),
        })
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

    /// The ids of customers are ours to give: none can be wished for.
    fn new_customer(
        &mut self,
        (email, email_key): (&str, String),
        display_name: Option<&str>,
    ) -> Result<Subject, String> {
        let (number, id) = self
            .new_customers
            .pop_front()
            .ok_or("INTERNAL: no id was taken for this customer")?;
        Ok(Subject::Customer(Customer {
            number,
            id,
            email: email.to_owned(),
            email_key,
            display_name: display_name.map_or_else(|| default_display_name(email), str::to_owned),
            details: Values::default(),
        }))
    }

    /// What an item says of the names of a subject that exists.
    fn change_names(&mut self, entity: Entity, item: &ManageItem, making: &mut Making) {
        let Some(subject) = self.subjects.get(&entity) else {
            return;
        };
        match (subject, &item.handle) {
            // A name beside an id is the new name; a name alone only finds.
            (Subject::Organization(_), Some(name)) if item.id.is_some() => {
                match self
                    .by_key
                    .get(&text::key(name))
                    .filter(|other| **other != entity)
                {
                    Some(other) => {
                        let error = subject.kind().handle_taken(name, &self.public_id(*other));
                        making.fail(OperatedOn::Organization, name, error);
                    }
                    None => self.rename(entity, name, making),
                }
            }
            // An account keeps its email for life.
            (Subject::Customer(customer), Some(email)) if text::key(email) != customer.email_key => {
                let error = format!(
                    "the email of customer {} is {:?} and cannot be changed to {:?}",
                    customer.id,
                    customer.email,
                    Excerpt(email)
                );
                making.fail(OperatedOn::CustomerAccount, email, error);
            }
            _ => {}
        }
        if let (Entity::Customer(_), Some(name)) = (entity, &item.display_name) {
            self.rename(entity, name, making);
        }
    }

    fn rename(&mut self, entity: Entity, name: &str, making: &mut Making) {
        let Some(subject) = self.subjects.get_mut(&entity).filter(|s| s.name() != name) else {
            return;
        };
        self.by_key.remove(subject.key());
        subject.rename(name);
        self.by_key.insert(subject.key().to_owned(), entity);
        making.changes.push(Change::Rename {
            entity,
            name: name.to_owned(),
        });
    }

    fn set_details(
        &mut self,
        entity: Entity,
        created: bool,
        (item, checked): (&ManageItem, &Checked),
        making: &mut Making,
    ) {
        let Some(subject) = self.subjects.get_mut(&entity) else {
            return;
        };
        let old = subject.details().clone();
        for (place, detail) in item.details.iter().enumerate() {
            if let Some((field, values)) = checked.at(place) {
                subject.details_mut().set(field, values);
                continue;
            }
            let checked = find_field(&self.definitions, &detail.name).and_then(|definition| {
                let values = definition
                    .check_hinting(&detail.values, self.phone, making.may_hint())
                    .map_err(|e| problem(&e))?;
                Ok((definition.id, values))
            });
            match checked {
                Ok((field, values)) => subject.details_mut().set(field, values),
                Err(error) => making.fail(OperatedOn::DetailField, &detail.name, error),
            }
        }
        let new = subject.details().clone();
        match making.changes.last_mut() {
            // What is created is stored once, with its values.
            Some(Change::Create(creation)) if created => *creation.details_mut() = new,
            _ if new != old => making.changes.push(Change::PutDetails { entity, old, new }),
            _ => {}
        }
    }

    fn associate(&mut self, kind: SubjectKind, entity: Entity, item: &ManageItem, making: &mut Making) {
        for associated_id in &item.associated_ids {
            let Some(number) = self.associated.get(associated_id) else {
                let error = Rejection::not_found(kind.other().thing(), associated_id).to_string();
                making.fail(OperatedOn::Membership, associated_id, error);
                continue;
            };
            let (organization, customer) = match entity {
                Entity::Organization(id) => (id, *number),
                Entity::Customer(customer) => (OrganizationId(*number), customer),
            };
            if self.members.insert((organization, customer)) {
                making.changes.push(Change::AddMember {
                    organization,
                    customer,
                });
            }
        }
    }

    fn add_entitlements(&mut self, entity: Entity, item: &ManageItem, making: &mut Making) {
        for product_id in &item.product_ids {
            match self.products.get(&product_id.to_ascii_lowercase()) {
                Some(product) if self.entitled.insert((entity, *product)) => {
                    making.changes.push(Change::AddEntitlement {
                        entity,
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

    fn edit_details(
        &mut self,
        kind: SubjectKind,
        item: &DetailsItem,
        checked: &Checked,
    ) -> Result<Decision, String> {
        let entity = self.by_id.get(&item.id);
        let Some(subject) = entity.and_then(|entity| self.subjects.get_mut(entity)) else {
            return Err(Rejection::not_found(kind.thing(), &item.id).to_string());
        };
        let mut making = Making {
            changes: Vec::new(),
            failures: Vec::new(),
            operation: "",
        };
        let old = subject.details().clone();
        for (place, edit) in item.operations.iter().enumerate() {
            making.operation = edit.operation.name();
            let hint = making.may_hint();
            let checked = checked.at(place);
            let known = checked.and_then(|(field, _)| self.definitions.get(field));
            let field = known.map_or_else(|| find_field(&self.definitions, &edit.name), Ok);
            let edited = field.and_then(|definition| {
                let present = subject.details().get(definition.id);
                let values = edit_values(definition, edit, present, |given| match checked {
                    Some((_, values)) => Ok(values.into()),
                    None => definition.check_hinting(given, self.phone, hint),
                });
                Ok((definition.id, values.map_err(|e| problem(&e))?))
            });
            match edited {
                Ok((field, values)) => subject.details_mut().set(field, values),
                Err(error) => making.fail(OperatedOn::DetailField, &edit.name, error),
            }
        }
        let new = subject.details().clone();
        let (entity, id) = (subject.entity(), subject.id());
        if new != old {
            making.changes.push(Change::PutDetails { entity, old, new });
        }
        Ok(making.done(id, false))
    }
}

/// The values of a field after an edit.
fn edit_values(
    definition: &Definition,
    edit: &DetailEdit,
    present: &[String],
    check: impl Fn(&[String]) -> Result<FieldTexts, Rejection>,
) -> Result<FieldTexts, Rejection> {
    let multiple = definition.field_type == FieldType::MultiSelect;
    let given = edit.values.as_deref().unwrap_or_default();
    match edit.operation {
        Edit::Patch if multiple => {
            let known: HashSet<&String> = present.iter().collect();
            let new = check(given)?.into_iter().filter(|value| !known.contains(value));
            Ok(present.iter().cloned().chain(new).collect())
        }
        Edit::Update | Edit::Patch => check(given),
        Edit::Delete if multiple && !given.is_empty() => {
            // Compared as choices are when they are set; what is none of the options removes nothing.
            let named: HashSet<String> = given
                .iter()
                .map(|value| text::nfc(value.trim()).into_owned())
                .collect();
            Ok(present
                .iter()
                .filter(|value| !named.contains(*value))
                .cloned()
                .collect())
        }
        Edit::Delete => Ok(FieldTexts::new()),
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
