//! One chunk of a task's items: facts, decisions, changes, receipts and the cursor, in one
//! transaction that an outdated worker cannot commit.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use guildhall_domain::bulk::{Change, Checked, Decision, Facts, Item, Need};
use guildhall_domain::field::{Definition, Definitions, NewDefinition};
use guildhall_domain::task::{TaskStatus, TaskType};
use guildhall_domain::{FieldId, OrganizationId, SubjectKind, TenantId, Timestamp};
use guildhall_storage::{Counter, StoreError, WriteTx};

use crate::Service;
use crate::accounts::customer_id;
use crate::bulk::new_definition;

/// A chunk to run.
#[derive(Clone)]
pub(crate) struct Chunk {
    pub(crate) task_id: String,
    pub(crate) task_type: TaskType,
    pub(crate) items: Arc<Vec<Item>>,
    pub(crate) range: Range<usize>,
    pub(crate) epoch: i64,
    pub(crate) lease_until: Timestamp,
    /// Report the items as failed with these words instead of running them.
    pub(crate) refuse: Option<String>,
}

/// Numbers that were taken before the transaction, and how many of them it used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbered {
    subjects: (i64, i64),
    unused_subjects_from: i64,
    first_entitlement: i64,
    entitlements: i64,
    /// The greatest id that an organization got from elsewhere.
    greatest_given: Option<i64>,
}

/// What was decided of a chunk's items before its transaction: their values, by the definitions that were known then.
#[derive(Clone)]
struct Ready {
    definitions: Arc<Definitions>,
    checked: Arc<[Checked]>,
}

/// Why a chunk did not happen.
#[derive(Debug)]
pub(crate) enum ChunkError {
    /// The task is somebody else's now.
    Lost,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for ChunkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Service {
    /// Runs a chunk: all of it, or nothing. Returns whether the task is finished.
    pub(crate) async fn run_chunk(
        self: &Arc<Self>,
        tenant: TenantId,
        chunk: Chunk,
    ) -> Result<bool, ChunkError> {
        // What is refused without being run needs nothing.
        let need = match chunk.refuse {
            Some(_) => Need::default(),
            None => Need::of(chunk.task_type.kind(), &chunk.items[chunk.range.clone()]),
        };
        let counter = match need.kind {
            SubjectKind::Organization => Counter::Organization,
            SubjectKind::Customer => Counter::Customer,
        };
        let (creations, entitlements) = (count(need.creations), count(need.entitlements));
        let mut numbered = Numbered::default();
        if creations > 0 {
            let wishes = &need.wishes;
            let taken = self.numbers.take_past(tenant, counter, creations, wishes).await?;
            numbered.subjects = (taken.start, taken.end);
            numbered.unused_subjects_from = taken.start;
        }
        if entitlements > 0 {
            numbered.first_entitlement = self
                .numbers
                .take(tenant, Counter::Entitlement, entitlements)
                .await?;
        }
        let last = chunk.range.end == chunk.items.len();
        let ready = match chunk.refuse {
            Some(_) => None,
            None => self.make_ready(tenant, need.kind, &chunk.items[chunk.range.clone()]),
        };
        let service = Arc::clone(self);
        let used = self
            .store
            .write(tenant, async move |tx| {
                service.chunk(tx, &chunk, (need, ready), numbered).await
            })
            .await?;
        let unused = used.unused_subjects_from..used.subjects.1;
        self.numbers.give_back(tenant, counter, unused).await;
        let unused = used.first_entitlement + used.entitlements..used.first_entitlement + entitlements;
        self.numbers.give_back(tenant, Counter::Entitlement, unused).await;
        if let Some(given) = used.greatest_given {
            self.numbers.raise(tenant, Counter::Organization, given).await;
        }
        Ok(last)
    }

    /// Checks the values of items by the definitions that were seen last. The writer is where everybody waits; here nobody does.
    fn make_ready(&self, tenant: TenantId, kind: SubjectKind, items: &[Item]) -> Option<Ready> {
        let definitions = self.definitions.last(tenant, kind.fields())?;
        let phone = self.settings.phone_format;
        let checked = items.iter().map(|item| Checked::of(item, &definitions, phone));
        Some(Ready {
            checked: checked.collect(),
            definitions,
        })
    }

    async fn chunk(
        &self,
        tx: &mut WriteTx<'_>,
        chunk: &Chunk,
        (need, ready): (Need, Option<Ready>),
        mut numbered: Numbered,
    ) -> Result<Numbered, ChunkError> {
        let (from, to) = (count(chunk.range.start), count(chunk.range.end));
        // The fence comes first: whoever lost the task does no work on it.
        if !tx
            .advance_task(&chunk.task_id, chunk.epoch, from, to, chunk.lease_until)
            .await?
        {
            return Err(ChunkError::Lost);
        }
        match chunk.task_type.defines() {
            true => tx.lock_tenant().await?,
            false => tx.share_tenant().await?,
        }
        let now = self.now();
        let items = &chunk.items[chunk.range.clone()];
        let decisions = match (&chunk.refuse, chunk.task_type) {
            (Some(error), task_type) => items
                .iter()
                .map(|item| Facts::refuse(task_type, item, error.clone()))
                .collect(),
            (None, task_type) if task_type.defines() => self.define(tx, task_type, items).await?,
            (None, task_type) => {
                self.manage(tx, task_type, items, (need, ready), &mut numbered, now)
                    .await?
            }
        };
        for (item, decision) in (from..).zip(&decisions) {
            tx.insert_receipt(&chunk.task_id, item, &decision.receipt).await?;
        }
        match chunk.range.end == chunk.items.len() {
            true => tx.finish_task(&chunk.task_id, TaskStatus::Finished, now).await?,
            false => tx.touch_task(&chunk.task_id, now).await?,
        }
        Ok(numbered)
    }

    /// Decides items about organizations or customers and stores their changes.
    async fn manage(
        &self,
        tx: &mut WriteTx<'_>,
        task_type: TaskType,
        items: &[Item],
        (need, ready): (Need, Option<Ready>),
        numbered: &mut Numbered,
        now: Timestamp,
    ) -> Result<Vec<Decision>, StoreError> {
        let definitions = self.definitions.get(tx, need.kind.fields()).await?;
        let mut facts = tx.load_facts(&need).await?;
        facts.definitions = Arc::clone(&definitions);
        facts.phone = self.settings.phone_format;
        let taken = numbered.subjects.0..numbered.subjects.1;
        self.name_new_ones(tx, &mut facts, &need, taken.clone()).await?;
        let ready = ready.filter(|ready| Arc::ptr_eq(&ready.definitions, &definitions));
        let (checked, unchecked) = (ready.map(|ready| ready.checked), Checked::default());
        let of = |place: usize| checked.as_deref().and_then(|all| all.get(place));
        let decisions: Vec<Decision> = items
            .iter()
            .enumerate()
            .map(|(place, item)| facts.decide(task_type, item, of(place).unwrap_or(&unchecked)))
            .collect();
        for change in decisions.iter().flat_map(|decision| &decision.changes) {
            self.store_change(tx, change, &definitions, numbered, now).await?;
        }
        let free_organization = facts.free_ids.front().map(|id| id.0);
        let free_customer = facts.new_customers.front().map(|(number, _)| *number);
        numbered.unused_subjects_from = free_organization.or(free_customer).unwrap_or(taken.end);
        numbered.greatest_given = decisions
            .iter()
            .flat_map(|decision| &decision.changes)
            .filter_map(|change| match change {
                Change::SpendId(id) => Some(id.0),
                _ => None,
            })
            .max();
        Ok(decisions)
    }

    /// What organizations or customers will be called that the items may create; `taken` are their numbers.
    async fn name_new_ones(
        &self,
        tx: &mut WriteTx<'_>,
        facts: &mut Facts,
        need: &Need,
        taken: Range<i64>,
    ) -> Result<(), StoreError> {
        match need.kind {
            SubjectKind::Organization => {
                let used = tx.used_ids(&taken.clone().collect::<BTreeSet<i64>>()).await?;
                facts.free_ids = taken
                    .filter(|id| !used.contains(id))
                    .map(OrganizationId)
                    .collect();
                facts.next_id = tx.next_number(Counter::Organization).await?;
            }
            SubjectKind::Customer if !taken.is_empty() => {
                let cloud_id = tx.cloud_id().await?;
                facts.new_customers = taken
                    .map(|number| (number, customer_id(&cloud_id, &self.new_uuid())))
                    .collect();
            }
            SubjectKind::Customer => {}
        }
        Ok(())
    }

    async fn store_change(
        &self,
        tx: &mut WriteTx<'_>,
        change: &Change,
        definitions: &Definitions,
        numbered: &mut Numbered,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match change {
            Change::Create(subject) => tx.insert_subject(subject, definitions, now).await,
            Change::SpendId(id) => tx.raise_counter(Counter::Organization, id.0).await,
            Change::Rename { entity, name } => tx.rename_subject(*entity, name, now).await,
            Change::PutDetails { entity, old, new } => {
                tx.put_subject_details(*entity, old, new, definitions, now).await
            }
            Change::AddMember {
                organization,
                customer,
            } => tx.add_member(*organization, *customer).await,
            Change::AddEntitlement { entity, product } => {
                let number = numbered.first_entitlement + numbered.entitlements;
                numbered.entitlements += 1;
                tx.insert_entitlement(number, &self.new_uuid(), *entity, *product, now)
                    .await
            }
        }
    }

    /// Creates definitions. Their names were free when they were submitted; one that has been taken
    /// since is reported, and the others are created.
    async fn define(
        &self,
        tx: &mut WriteTx<'_>,
        task_type: TaskType,
        items: &[Item],
    ) -> Result<Vec<Decision>, StoreError> {
        use guildhall_domain::task::{Outcome, Receipt};
        let kind = task_type.kind().fields();
        let mut fields = tx.fields(kind).await?;
        let mut decisions = Vec::with_capacity(items.len());
        for item in items {
            let Item::Definition(definition) = item else {
                decisions.push(Facts::refuse(task_type, item, "is no definition".into()));
                continue;
            };
            let planned = new_definition(definition).and_then(|new| {
                let position = Definitions::new(fields.clone()).plan_add(&new)?;
                Ok((new, position))
            });
            match planned {
                Err(refused) => decisions.push(Facts::refuse(task_type, item, refused.to_string())),
                Ok((
                    NewDefinition {
                        name,
                        key,
                        field_type,
                        options,
                    },
                    position,
                )) => {
                    let id = FieldId(tx.take_numbers(Counter::Field, 1).await?);
                    let field = Definition {
                        id,
                        name,
                        key,
                        field_type,
                        options,
                        position,
                    };
                    tx.insert_field(kind, &field, self.new_stamp()).await?;
                    let entity_id = field.name.clone();
                    fields.push(field);
                    let receipt = Receipt {
                        entity_id,
                        outcome: Outcome::Created,
                        failures: Vec::new(),
                    };
                    decisions.push(Decision {
                        changes: Vec::new(),
                        receipt,
                    });
                }
            }
        }
        Ok(decisions)
    }
}

pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
