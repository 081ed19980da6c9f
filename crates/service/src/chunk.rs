//! One chunk of a task's items: facts, decisions, changes, receipts and the cursor, in one
//! transaction that an outdated worker cannot commit.
//!
//! Long, because what is committed together, and in which order, is to be seen in one place.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use guildhall_domain::bulk::{Change, Checked, Decision, Facts, Item, Need};
use guildhall_domain::field::{Definition, Definitions, NewDefinition};
use guildhall_domain::task::{TaskStatus, TaskType};
use guildhall_domain::{Entity, FieldId, SubjectKind, TenantId, Timestamp};
use guildhall_storage::{ChunkMark, Counter, StoreError, ValuesAhead, WriteTx};
use tokio::sync::watch;

use crate::Service;
use crate::accounts::customer_id;
use crate::bulk::new_definition;
use crate::line::Line;

/// A chunk to run.
#[derive(Clone)]
pub(crate) struct Chunk {
    pub(crate) task_id: String,
    pub(crate) task_type: TaskType,
    pub(crate) items: Arc<Vec<Item>>,
    pub(crate) range: Range<usize>,
    /// What the items of the range need.
    pub(crate) need: Arc<Need>,
    pub(crate) epoch: i64,
    pub(crate) lease_until: Timestamp,
    /// Report the items as failed with these words instead of running them.
    pub(crate) refuse: Option<String>,
    /// Where it stands to other chunks of the tenant that are run at the same time.
    pub(crate) order: Order,
}

/// Where a chunk stands to others of the same tenant.
#[derive(Clone, Default)]
pub(crate) struct Order {
    /// The one before it.
    behind: Option<Behind>,
    /// Tells the one behind it when this one holds all that it rests on, or that it has ended.
    holds: Option<Arc<watch::Sender<bool>>>,
}

/// The chunk before another one, which does not depend on what that one comes to, but counts only if that one does.
#[derive(Clone)]
pub(crate) struct Behind {
    holds: watch::Receiver<bool>,
    mark: ChunkMark,
    /// The task that it ends, where that is another one.
    ends: Option<String>,
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

/// A chunk that was run and stored.
pub(crate) struct Ran {
    need: Arc<Need>,
    used: Numbered,
}

/// What an item has made, and how many links that has so far: nobody else can have given it any.
#[derive(Default)]
struct Made {
    entity: Option<Entity>,
    members: i64,
    entitlements: i64,
}

/// What was decided of a chunk's items before its transaction: their values, by the definitions that were known then.
#[derive(Clone)]
struct Ready {
    definitions: Arc<Definitions>,
    checked: Arc<[Checked]>,
    /// Of each item what is kept of its values, if it creates something.
    ahead: Arc<[Option<ValuesAhead>]>,
}

/// Why a chunk did not happen.
#[derive(Debug)]
pub(crate) enum ChunkError {
    /// The task is somebody else's now.
    Lost,
    /// The store failed.
    Store(StoreError),
}

impl Behind {
    /// What the one behind this chunk has to know; `holds` tells when this one holds all that it rests on.
    pub(crate) fn of(chunk: &Chunk, holds: watch::Receiver<bool>) -> Self {
        Self {
            holds,
            mark: chunk.mark(),
            ends: Some(chunk.task_id.clone()),
        }
    }
}

impl Order {
    /// Of a chunk of this task.
    pub(crate) fn of(behind: Option<Behind>, tells: watch::Sender<bool>, task_id: &str) -> Self {
        let behind = behind.map(|behind| Behind {
            ends: behind.ends.filter(|ended| ended != task_id),
            ..behind
        });
        Self {
            behind,
            holds: Some(Arc::new(tells)),
        }
    }
}

impl From<StoreError> for ChunkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Chunk {
    /// Passes the fence: moves the task on, unless it is somebody else's now.
    async fn pass(&self, tx: &mut WriteTx<'_>) -> Result<(), ChunkError> {
        let (from, to) = (count(self.range.start), count(self.range.end));
        let (id, epoch, until) = (&self.task_id, self.epoch, self.lease_until);
        if let Some(behind) = &self.order.behind {
            tx.await_chunk(behind.mark).await?;
            if let Some(other) = &behind.ends
                && !tx.has_task_ended(other).await?
            {
                return Err(ChunkError::Lost);
            }
        }
        let passed = tx.advance_task(id, epoch, from, to, until).await?;
        passed.then_some(()).ok_or(ChunkError::Lost)
    }

    fn mark(&self) -> ChunkMark {
        ChunkMark::of(&self.task_id, count(self.range.start))
    }

    /// Whether the task ends with it.
    pub(crate) fn is_last(&self) -> bool {
        self.range.end == self.items.len()
    }

    /// Whether it may be begun before it is known whether `before`, a chunk before it, is stored.
    pub(crate) fn may_follow_at_once(&self, before: &Self) -> bool {
        let is_run = |chunk: &Self| chunk.refuse.is_none() && !chunk.task_type.defines();
        let is_of_its_kind = self.need.kind == before.need.kind;
        is_run(self) && is_run(before) && is_of_its_kind && self.need.is_independent_of(&before.need)
    }
}

impl Service {
    /// Runs these chunks of a tenant, of which each follows on the one before it, so that nobody waits between two of them; how
    /// each went, as [`Self::settle`] has it.
    pub(crate) async fn run_chunks(
        self: &Arc<Self>,
        tenant: TenantId,
        chunks: Vec<Chunk>,
    ) -> Vec<(Chunk, Result<bool, ChunkError>)> {
        if !self.store.is_for_one_server() && chunks.len() > 1 {
            return self.run_beside(tenant, chunks).await;
        }
        // All wait for the writer at once, which runs one after the other. Numbers are taken before any of them waits: who waits for
        // them would fall behind.
        let (mut numbered, mut failed) = (Vec::new(), None);
        for chunk in chunks {
            match self.number(tenant, &chunk.need).await {
                Ok(numbers) => numbered.push((chunk, numbers)),
                Err(error) => {
                    failed = Some((chunk, Err(error.into())));
                    break;
                }
            }
        }
        let runs = numbered
            .into_iter()
            .map(async |(chunk, numbers)| (chunk.clone(), self.run_numbered(tenant, chunk, numbers).await));
        let ended = join_all(runs).await.into_iter().chain(failed).collect();
        self.settle(tenant, Vec::new(), ended, false).await
    }

    /// Each is begun as soon as the one before it holds what it rests on: while one is stored others are decided, and the database has
    /// two processors for them.
    async fn run_beside(
        self: &Arc<Self>,
        tenant: TenantId,
        chunks: Vec<Chunk>,
    ) -> Vec<(Chunk, Result<bool, ChunkError>)> {
        let mut line = Line::new(self, tenant);
        for chunk in chunks {
            if !line.begin(chunk).await {
                break;
            }
        }
        line.end().await
    }

    /// What follows from how chunks ended of which each was behind the one before it, and, where `is_behind`, the first one too; how each
    /// went that was run. One that is not stored takes those behind it along: of them nothing is said, and they are not
    /// stored either. Numbers that they, or `stored` ones before them, did not use are given back.
    pub(crate) async fn settle(
        &self,
        tenant: TenantId,
        mut stored: Vec<Ran>,
        ended: Vec<(Chunk, Result<Ran, ChunkError>)>,
        is_behind: bool,
    ) -> Vec<(Chunk, Result<bool, ChunkError>)> {
        // One that is stored was behind those before it, even where nobody knows what became of them.
        let count = ended
            .iter()
            .rposition(|(_, ran)| ran.is_ok())
            .map_or(0, |last| last + 1);
        let mut went = Vec::with_capacity(ended.len());
        for (place, (chunk, ran)) in ended.into_iter().enumerate() {
            let is_last = chunk.is_last();
            match ran {
                Ok(ran) => {
                    stored.push(ran);
                    went.push((chunk, Ok(is_last)));
                }
                Err(_) if place < count => went.push((chunk, Ok(is_last))),
                // As seen from behind, one that is not stored is a lost task, and who waits for three others may wait for too long.
                // What is true the next chunk says, which is this one again.
                Err(ChunkError::Lost | ChunkError::Store(StoreError::Unavailable(_)))
                    if is_behind || place > 0 =>
                {
                    break;
                }
                Err(error) => {
                    went.push((chunk, Err(error)));
                    break;
                }
            }
        }
        // The last ones first, so that what each gives back follows on what is left.
        for ran in stored.iter().rev() {
            self.give_back(tenant, ran).await;
        }
        went
    }

    /// Runs a chunk: all of it, or nothing. Returns whether the task is finished.
    pub(crate) async fn run_chunk(
        self: &Arc<Self>,
        tenant: TenantId,
        chunk: Chunk,
    ) -> Result<bool, ChunkError> {
        let is_last = chunk.is_last();
        let numbered = self.number(tenant, &chunk.need).await?;
        let ran = self.run_numbered(tenant, chunk, numbered).await?;
        self.give_back(tenant, &ran).await;
        Ok(is_last)
    }

    /// Takes the numbers that a chunk may need.
    pub(crate) async fn number(&self, tenant: TenantId, need: &Need) -> Result<Numbered, StoreError> {
        let (creations, entitlements) = (count(need.creations), count(need.entitlements));
        let (subjects, first_entitlement) = join(
            self.numbers
                .take_past(tenant, counter(need), creations, &need.wishes),
            self.numbers.take(tenant, Counter::Entitlement, entitlements),
        )
        .await;
        let (subjects, first_entitlement) = (subjects?, first_entitlement?);
        Ok(Numbered {
            subjects: (subjects.start, subjects.end),
            unused_subjects_from: subjects.start,
            first_entitlement,
            ..Numbered::default()
        })
    }

    /// Runs a chunk with the numbers that were taken for it.
    pub(crate) async fn run_numbered(
        self: &Arc<Self>,
        tenant: TenantId,
        chunk: Chunk,
        numbered: Numbered,
    ) -> Result<Ran, ChunkError> {
        let need = Arc::clone(&chunk.need);
        let ready = match chunk.refuse {
            Some(_) => None,
            None => self.make_ready(tenant, need.kind, &chunk.items[chunk.range.clone()]),
        };
        // It locks nothing before that: who waits here, outside the database, must be in nobody's way there.
        if let Some(mut behind) = chunk.order.behind.clone() {
            let holds = behind.holds.wait_for(|holds| *holds).await;
            holds.map_err(|_| ChunkError::Lost)?;
        }
        let service = Arc::clone(self);
        let used = self
            .store
            .write_much(tenant, async move |tx| {
                service.chunk(tx, &chunk, ready, numbered).await
            })
            .await?;
        // Before anybody takes numbers behind it.
        self.raise(tenant, &used).await;
        Ok(Ran { need, used })
    }

    /// Minds an id that an organization got from elsewhere.
    async fn raise(&self, tenant: TenantId, used: &Numbered) {
        if let Some(given) = used.greatest_given {
            self.numbers.raise(tenant, Counter::Organization, given).await;
        }
    }

    /// Gives back the numbers that a chunk did not use.
    async fn give_back(&self, tenant: TenantId, ran: &Ran) {
        let (need, used) = (&ran.need, &ran.used);
        let unused = used.unused_subjects_from..used.subjects.1;
        self.numbers.give_back(tenant, counter(need), unused).await;
        let entitlements = used.first_entitlement..used.first_entitlement + count(need.entitlements);
        let unused = entitlements.start + used.entitlements..entitlements.end;
        self.numbers.give_back(tenant, Counter::Entitlement, unused).await;
    }

    /// Checks the values of items by the definitions that were seen last. The writer is where everybody waits; here nobody does.
    fn make_ready(&self, tenant: TenantId, kind: SubjectKind, items: &[Item]) -> Option<Ready> {
        let definitions = self.definitions.last(tenant, kind.fields())?;
        let phone = self.settings.phone_format;
        let checked: Arc<[Checked]> = items
            .iter()
            .map(|item| Checked::of(item, &definitions, phone))
            .collect();
        // Elsewhere nobody waits for the transaction but those who wait for the task.
        let gains = self.store.is_for_one_server();
        let ahead = items.iter().zip(&*checked).map(|(item, checked)| {
            let values = (gains && item.may_create()).then(|| checked.values()).flatten()?;
            ValuesAhead::of(values, Arc::clone(&definitions)).ok()
        });
        Some(Ready {
            ahead: ahead.collect(),
            checked,
            definitions,
        })
    }

    async fn chunk(
        &self,
        tx: &mut WriteTx<'_>,
        chunk: &Chunk,
        ready: Option<Ready>,
        mut numbered: Numbered,
    ) -> Result<Numbered, ChunkError> {
        let from = count(chunk.range.start);
        let is_behind = chunk.order.behind.is_some();
        if chunk.order.holds.is_some() {
            tx.mark_chunk(chunk.mark()).await?;
        }
        // The fence comes first: whoever lost the task does no work on it.
        if !is_behind {
            chunk.pass(tx).await?;
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
            (None, _) => self.manage(tx, chunk, ready, &mut numbered, now).await?,
        };
        // Whoever is behind another waits here until that one is stored.
        if is_behind {
            chunk.pass(tx).await?;
        }
        for (item, decision) in (from..).zip(&decisions) {
            tx.insert_receipt(&chunk.task_id, item, &decision.receipt).await?;
        }
        match chunk.is_last() {
            true => tx.finish_task(&chunk.task_id, TaskStatus::Finished, now).await?,
            false => tx.touch_task(&chunk.task_id, now).await?,
        }
        Ok(numbered)
    }

    /// Decides items about organizations or customers and stores their changes.
    async fn manage(
        &self,
        tx: &mut WriteTx<'_>,
        chunk: &Chunk,
        ready: Option<Ready>,
        numbered: &mut Numbered,
        now: Timestamp,
    ) -> Result<Vec<Decision>, StoreError> {
        let (items, need) = (&chunk.items[chunk.range.clone()], &*chunk.need);
        let definitions = self.definitions.get(tx, need.kind.fields()).await?;
        let taken = numbered.subjects.0..numbered.subjects.1;
        let mut facts = tx.load_facts(need, taken.clone()).await?;
        if let Some(holds) = &chunk.order.holds {
            holds.send_replace(true);
        }
        facts.definitions = Arc::clone(&definitions);
        facts.phone = self.settings.phone_format;
        if need.kind == SubjectKind::Customer {
            self.name_new_customers(tx, &mut facts, taken.clone()).await?;
        }
        let ready = ready.filter(|ready| Arc::ptr_eq(&ready.definitions, &definitions));
        let unchecked = Checked::default();
        let of = |place: usize| ready.as_ref().and_then(|ready| ready.checked.get(place));
        let decisions: Vec<Decision> = items
            .iter()
            .enumerate()
            .map(|(place, item)| facts.decide(chunk.task_type, item, of(place).unwrap_or(&unchecked)))
            .collect();
        for (place, decision) in decisions.iter().enumerate() {
            let ahead = ready.as_ref().and_then(|ready| ready.ahead.get(place)?.as_ref());
            let mut made = Made::default();
            for change in &decision.changes {
                self.store_change(tx, change, (&definitions, ahead), (&mut made, numbered), now)
                    .await?;
            }
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

    /// What customers will be called that the items may create; `taken` are their numbers.
    async fn name_new_customers(
        &self,
        tx: &mut WriteTx<'_>,
        facts: &mut Facts,
        taken: Range<i64>,
    ) -> Result<(), StoreError> {
        if taken.is_empty() {
            return Ok(());
        }
        let cloud_id = tx.cloud_id().await?;
        let named = |number| (number, customer_id(&cloud_id, &self.new_uuid()));
        facts.new_customers = taken.map(named).collect();
        Ok(())
    }

    async fn store_change(
        &self,
        tx: &mut WriteTx<'_>,
        change: &Change,
        (definitions, ahead): (&Definitions, Option<&ValuesAhead>),
        (made, numbered): (&mut Made, &mut Numbered),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match change {
            Change::Create(subject) => {
                made.entity = Some(subject.entity());
                tx.insert_subject(subject, definitions, ahead, now).await
            }
            Change::SpendId(id) => tx.raise_counter(Counter::Organization, id.0).await,
            Change::Rename { entity, name } => tx.rename_subject(*entity, name, now).await,
            Change::PutDetails { entity, old, new } => {
                tx.put_subject_details(*entity, old, new, definitions, now).await
            }
            Change::AddMember {
                organization,
                customer,
            } if made.entity == Some(Entity::Organization(*organization)) => {
                made.members += 1;
                tx.add_member_of_new(*organization, *customer, made.members).await
            }
            Change::AddMember {
                organization,
                customer,
            } => tx.add_member(*organization, *customer).await,
            Change::AddEntitlement { entity, product } => {
                let (number, id) = (
                    numbered.first_entitlement + numbered.entitlements,
                    self.new_uuid(),
                );
                numbered.entitlements += 1;
                if made.entity == Some(*entity) {
                    made.entitlements += 1;
                    let position = made.entitlements;
                    return tx
                        .insert_entitlement_of_new((number, &id), *entity, position, *product, now)
                        .await;
                }
                tx.insert_entitlement(number, &id, *entity, *product, now).await
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

/// What counts the subjects that are created.
fn counter(need: &Need) -> Counter {
    match need.kind {
        SubjectKind::Organization => Counter::Organization,
        SubjectKind::Customer => Counter::Customer,
    }
}

pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
