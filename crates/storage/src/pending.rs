//! Entries of the index of values, and of that of names, that are still to be brought in, on SQLite.
//!
//! An organization's ten values are ten entries at ten places of one tree, and its name is one of another: eleven pages, each of which is
//! written twice. So they are not written at once: a commit appends what its entries are to be, as one row of
//! `detail_pending` a tenant, and keeps them in memory, in the order of the index. When enough have gathered the
//! writer brings them in, a part with each of the next commits, neighbours together; then the rows go.
//!
//! # What a reader finds
//!
//! Whoever looks for rows by their values looks into the index and, *behind* it, here; rows that were found are read and
//! asked again. So an entry too many costs a look at its row, and none may be missing. (Names are in the index of names; what
//! follows is as true of it.)
//!
//! * Each entry of a commit is here before the commit, and a reader takes its hold before its snapshot. What is decided
//!   after that, and committed before the snapshot, stands in the same batch or in one that it leads to.
//! * A batch is left out for those who come only when all of it has been committed to the index; who has a hold on it
//!   keeps it.
//! * An entry that was taken away stays here as one that is no more, and is found all the same: an older snapshot may
//!   still have its row.
//!
//! The process that serves the database is the only one that keeps entries back; they are read again when it starts. A
//! process that does not serve would write entries at once; no command changes values.
//!
//! Long, because what readers find rests on each step that the writer takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::iter::successors;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use guildhall_domain::list::Span;
use guildhall_domain::{FieldId, TenantId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::details::{DELETE_ENTRY, INSERT_ENTRY};
use crate::driver::sqlite::Connection;
use crate::driver::{Param, Session};
use crate::error::StoreError;
use crate::names::{DELETE_NAME, INSERT_NAME, NAMES};
use crate::ready;
use crate::tx::{SystemTx, WriteTx};
use crate::versions::Touched;

/// What gathers before it is brought in, unless nothing is written for a while: 100,000 entries, which are those of some
/// seven thousand organizations with twelve values and a name. They take some
/// 12 MB of memory, and twice as many are kept at most, but for those that wait to be freed while a checkpoint runs. The more
/// there are, the more of them share a page.
///
/// An entry weighs one, and one more for each [`KEY_BYTES`] of its key; a row of `detail_pending` weighs [`ROW_WEIGHT`].
pub const PENDING_ENTRIES: usize = 100_000;
const KEY_BYTES: usize = 64;
/// Rows go all at once, and those of small commits are many.
const ROW_WEIGHT: usize = 8;
/// Of a batch that is being brought in, a commit takes so many entries for each four that what it adds weighs: so the
/// batch has gone before the next one is full.
const BROUGHT_IN_PER_FOUR: usize = 5;
/// And at least so many, since what a commit changes may be nothing that is indexed.
const BROUGHT_IN_LEAST: usize = 32;
/// Entries that are brought in at once while nothing is written, or where somebody waits for the end of it. A write that
/// comes meanwhile waits for them.
const IDLE_ENTRIES: usize = 1_000;
/// Entries that are added under one lock: readers that come may be between two of them.
const AT_A_STRETCH: usize = 64;

/// An entry of the index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) field: FieldId,
    pub(crate) key: SmolStr,
    pub(crate) number: i64,
}

impl Entry {
    pub(crate) fn place(&self) -> Place {
        (self.tenant, self.field)
    }
}

/// What an entry is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) entry: Entry,
    pub(crate) is_there: bool,
}

impl Change {
    fn weight(&self) -> usize {
        1 + self.entry.key.len() / KEY_BYTES
    }
}

/// Entries in the order of the index, field by field: so only texts and numbers of one field are compared.
#[derive(Default)]
struct Entries {
    fields: BTreeMap<Place, BTreeMap<Value, bool>>,
}

/// The key of an entry, and the number of its entity. Short keys stand in place: those that are compared are neighbours in memory.
pub(crate) type Value = (SmolStr, i64);

impl Entries {
    /// A part of a field's entries.
    fn part(
        &self,
        place: Place,
        part: &(Bound<Value>, Bound<Value>),
    ) -> impl DoubleEndedIterator<Item = &Value> {
        let field = self.fields.get(&place).into_iter();
        field.flat_map(move |field| {
            field
                .range((part.0.as_ref(), part.1.as_ref()))
                .map(|(value, _)| value)
        })
    }

    /// Those that come after this one.
    fn after(&self, last: Option<&(Place, Value)>) -> impl Iterator<Item = (Place, &Value, bool)> {
        let from = last.map_or(Bound::Unbounded, |(place, _)| Bound::Included(*place));
        let fields = self.fields.range((from, Bound::Unbounded));
        fields.flat_map(move |(place, field)| {
            let from = match last {
                Some((of, value)) if of == place => Bound::Excluded(value.clone()),
                _ => Bound::Unbounded,
            };
            let rest = field.range((from, Bound::Unbounded));
            rest.map(|(value, is_there)| (*place, value, *is_there))
        })
    }
}

/// Entries that gathered while it was the newest, and the batch that came after it.
#[derive(Default)]
pub(crate) struct Batch {
    entries: RwLock<Entries>,
    next: OnceLock<Arc<Batch>>,
}

impl Batch {
    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries_to_set(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what entries are to be; what they were. Field by field, since each has a tree of its own; what is said of an entry twice
    /// stays in its order.
    fn set(&self, changes: &[Change]) -> Vec<Option<bool>> {
        let place = |at: &usize| changes[*at].entry.place();
        let mut order: Vec<usize> = (0..changes.len()).collect();
        order.sort_by_key(place);
        let mut before = vec![None; changes.len()];
        for some in order.chunks(AT_A_STRETCH) {
            let mut entries = self.entries_to_set();
            for of_field in some.chunk_by(|one, next| place(one) == place(next)) {
                let Some(first) = of_field.first() else { continue };
                let field = entries.fields.entry(place(first)).or_default();
                for at in of_field {
                    let Change { entry, is_there } = &changes[*at];
                    before[*at] = field.insert((entry.key.clone(), entry.number), *is_there);
                }
            }
        }
        before
    }

    /// Makes them what they were, the last one first.
    fn set_back(&self, changes: &[Change], before: &[Option<bool>]) {
        let mut entries = self.entries_to_set();
        for (Change { entry, .. }, before) in changes.iter().zip(before).rev() {
            let field = entries.fields.entry(entry.place()).or_default();
            let value = (entry.key.clone(), entry.number);
            match before {
                Some(before) => field.insert(value, *before),
                None => field.remove(&value),
            };
        }
    }
}

impl Drop for Batch {
    /// One after the other: a chain that a reader has held for long is not dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(batch) = next.and_then(Arc::into_inner) {
            let mut batch = batch;
            next = batch.next.take();
        }
    }
}

/// What readers take hold of: the oldest batch of which not all may be in the index.
pub(crate) struct Pending {
    oldest: Mutex<Arc<Batch>>,
}

impl Pending {
    fn oldest(&self) -> MutexGuard<'_, Arc<Batch>> {
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hold on all that is pending now and later. It is taken before the snapshot that it goes with.
    pub(crate) fn hold(&self) -> Hold {
        Hold(Arc::clone(&self.oldest()))
    }
}

/// A hold on what was pending when it was taken, and has become so since.
pub(crate) struct Hold(Arc<Batch>);

impl Hold {
    fn batches(&self) -> impl Iterator<Item = &Batch> {
        successors(Some(&*self.0), |batch| batch.next.get().map(|next| &**next))
    }

    /// The next numbers of entities with this key after `after`, of each batch at most `limit`; backward where
    /// `descending`.
    pub(crate) fn with_key(
        &self,
        place: Place,
        key: &str,
        (after, descending): (i64, bool),
        limit: usize,
    ) -> Vec<i64> {
        let key = SmolStr::new(key);
        let at = |number| (key.clone(), number);
        let part = match descending {
            false => (Bound::Excluded(at(after)), Bound::Included(at(i64::MAX))),
            true => (Bound::Included(at(i64::MIN)), Bound::Excluded(at(after))),
        };
        let mut found = Vec::new();
        if !is_part(&part) {
            return found;
        }
        for batch in self.batches() {
            let entries = batch.entries();
            let numbers = entries.part(place, &part).map(|(_, number)| *number);
            match descending {
                false => found.extend(numbers.take(limit)),
                true => found.extend(numbers.rev().take(limit)),
            }
        }
        found
    }

    /// The numbers that have a key by what was said of them last. Who reads an older snapshot asks for all.
    pub(crate) fn with_key_now(&self, place: Place, key: &str) -> Vec<i64> {
        let first = (SmolStr::new(key), i64::MIN);
        let mut found = Vec::new();
        for batch in self.batches() {
            let entries = batch.entries();
            let Some(field) = entries.fields.get(&place) else {
                continue;
            };
            // One end of the part is found by comparing, and not two.
            let of_key = field.range(&first..).take_while(|((of, _), _)| *of == *key);
            found.extend(
                of_key
                    .filter(|(_, is_there)| **is_there)
                    .map(|((_, number), _)| *number),
            );
        }
        found
    }

    /// The entries with keys in this part, of each batch at most `limit`.
    pub(crate) fn in_span(&self, place: Place, span: &Span, limit: usize) -> Vec<Value> {
        let part = (
            Bound::Excluded((span.after.0.as_str().into(), span.after.1)),
            Bound::Excluded((span.before.as_str().into(), i64::MIN)),
        );
        let mut found = Vec::new();
        if !is_part(&part) {
            return found;
        }
        for batch in self.batches() {
            found.extend(batch.entries().part(place, &part).take(limit).cloned());
        }
        found
    }

    /// The next entries from one to a key, of each batch at most `limit`; backward where `descending`.
    pub(crate) fn in_order(
        &self,
        place: Place,
        (from, to): ((&str, i64), &str),
        descending: bool,
        limit: usize,
    ) -> Vec<Value> {
        let (from, to) = ((from.0.into(), from.1), (to.into(), i64::MIN));
        let part = match descending {
            false => (Bound::Excluded(from), Bound::Excluded(to)),
            true => (Bound::Included(to), Bound::Excluded(from)),
        };
        let mut found = Vec::new();
        if !is_part(&part) {
            return found;
        }
        for batch in self.batches() {
            let entries = batch.entries();
            let values = entries.part(place, &part).cloned();
            match descending {
                false => found.extend(values.take(limit)),
                true => found.extend(values.rev().take(limit)),
            }
        }
        found
    }

    /// Whether something is pending of a field.
    fn has(&self, place: Place) -> bool {
        self.batches().any(|batch| {
            let entries = batch.entries();
            entries.fields.get(&place).is_some_and(|field| !field.is_empty())
        })
    }
}

/// The tenant and the field of entries: a field is of one kind of entity.
pub(crate) type Place = (TenantId, FieldId);

/// Whether anything can stand in it; a tree panics where not.
fn is_part((from, to): &(Bound<Value>, Bound<Value>)) -> bool {
    match (from, to) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from < to
        }
        _ => true,
    }
}

/// Changes of one entity of the same sort, as `detail_pending` keeps them.
#[derive(Serialize, Deserialize)]
struct Changed<'k> {
    number: i64,
    is_there: bool,
    #[serde(borrow)]
    keys: Vec<(i64, Key<'k>)>,
}

/// A key, borrowed from the text where it has no escapes.
#[derive(Serialize, Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// Changes of one tenant as one text.
fn to_text(changes: &[Change]) -> Result<String, StoreError> {
    let mut all: Vec<Changed<'_>> = Vec::new();
    for Change { entry, is_there } in changes {
        let key = (entry.field.0, Key(Cow::Borrowed(&*entry.key)));
        let (number, is_there) = (entry.number, *is_there);
        match all.last_mut() {
            Some(last) if (last.number, last.is_there) == (number, is_there) => {
                last.keys.push(key);
            }
            _ => all.push(Changed {
                number,
                is_there,
                keys: vec![key],
            }),
        }
    }
    serde_json::to_string(&all).map_err(|e| StoreError::Failed(e.to_string()))
}

fn from_text(tenant: TenantId, text: &str) -> Result<Vec<Change>, StoreError> {
    let unreadable = |e: serde_json::Error| StoreError::inconsistent(format!("detail_pending.changes: {e}"));
    let all: Vec<Changed<'_>> = serde_json::from_str(text).map_err(unreadable)?;
    let mut changes = Vec::new();
    for Changed {
        number,
        is_there,
        keys,
    } in all
    {
        changes.extend(keys.into_iter().map(|(field, Key(key))| Change {
            entry: Entry {
                tenant,
                field: FieldId(field),
                key: key.into(),
                number,
            },
            is_there,
        }));
    }
    Ok(changes)
}

impl WriteTx<'_> {
    async fn append_pending(&mut self, number: i64, changes: &str) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO detail_pending (tenant_id, number, changes) VALUES ($1, $2, $3)";
        self.execute_one_on(Touched::Nothing, SQL, &[number.into(), changes.into()])
            .await
    }

    async fn remove_pending(&mut self, up_to: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM detail_pending WHERE tenant_id = $1 AND number <= $2";
        self.execute_any_on(Touched::Nothing, SQL, &[up_to.into()]).await
    }

    /// What stands there of the tenant that this transaction has appended, and its removal: for tests that run each statement.
    #[cfg(test)]
    pub(crate) async fn append_and_remove_pending(&mut self) -> Result<(), StoreError> {
        self.append_pending(1, "[]").await?;
        self.remove_pending(1).await
    }
}

impl SystemTx<'_> {
    /// All that is pending, of each tenant in the order in which it came.
    pub(crate) async fn pending(
        &mut self,
        mut each: impl FnMut(TenantId, i64, Vec<Change>),
    ) -> Result<(), StoreError> {
        const SQL: &str = "SELECT tenant_id, number, changes FROM detail_pending ORDER BY tenant_id, number";
        self.fetch(SQL, &[], |row| {
            let tenant = TenantId(row.int(0)?);
            each(tenant, row.int(1)?, from_text(tenant, &row.text(2)?)?);
            Ok(())
        })
        .await
        .map(drop)
    }
}

/// A batch, and what the writer knows of it.
#[derive(Default)]
struct Gathered {
    batch: Arc<Batch>,
    /// By tenant, the last row of `detail_pending` that it has something of.
    rows: BTreeMap<i64, i64>,
    /// What its changes and rows weigh: more than its entries, where some were changed again and again.
    weight: usize,
}

/// What the writer keeps back.
pub(crate) struct Keeper {
    pending: Arc<Pending>,
    weight_max: usize,
    /// Batches, the oldest first. Entries gather in the last one; one that has another behind it is being brought in.
    batches: VecDeque<Gathered>,
    /// Which entry of the first one was brought in last.
    brought: Option<(Place, Value)>,
    /// The number of the next row of `detail_pending`.
    next_row: i64,
    /// Changes of the transaction at hand.
    changes: Vec<Change>,
    /// Where those of names stand among them: they are asked for by each that gives a name, and are few among many.
    changed_names: Vec<usize>,
    /// Whether the transaction at hand was begun so that much is brought in.
    hurries: bool,
}

/// What a transaction has done when it is about to be committed.
#[must_use]
pub(crate) struct Bringing {
    changes: Vec<Change>,
    /// What these entries were before in the last batch.
    before: Vec<Option<bool>>,
    /// Where the first batch stood before.
    brought: Option<(Place, Value)>,
    /// Whether the first batch is in the index now.
    has_ended: bool,
    /// The rows that were written.
    rows: BTreeMap<i64, i64>,
    weight: usize,
}

/// How much of what is pending a commit brings in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Nothing: it changes nothing itself.
    Nothing,
    /// A quarter more than it adds, of a batch that is full.
    OfBusy,
    /// A good piece, of the last batch too.
    OfIdle,
}

impl Keeper {
    /// Reads what is pending in a database that nobody else serves.
    pub(crate) fn read(connection: &mut Connection, weight_max: usize) -> Result<Self, StoreError> {
        let (mut first, mut next_row) = (Gathered::default(), 1);
        let mut fields: BTreeMap<Place, Vec<(Value, bool)>> = BTreeMap::new();
        let mut tx = SystemTx::new(Session::Sqlite(connection));
        let read = tx.pending(|tenant, row, changes| {
            first.rows.insert(tenant.0, row);
            first.weight += ROW_WEIGHT + changes.iter().map(Change::weight).sum::<usize>();
            next_row = next_row.max(row + 1);
            for Change { entry, is_there } in changes {
                let field = fields.entry(entry.place()).or_default();
                field.push(((entry.key, entry.number), is_there));
            }
        });
        ready_now(read)?;
        // Sorted once for each field, which takes half as long as one by one.
        let sorted = |(place, mut entries): (Place, Vec<(Value, bool)>)| {
            // What was said last of an entry counts: it comes first, since the sort is stable, and the others go.
            entries.reverse();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|(later, _), (kept, _)| later == kept);
            (place, entries.into_iter().collect())
        };
        let fields = fields.into_iter().map(sorted).collect();
        first.batch = Arc::new(Batch {
            entries: RwLock::new(Entries { fields }),
            next: OnceLock::new(),
        });
        Ok(Self {
            pending: Arc::new(Pending {
                oldest: Mutex::new(Arc::clone(&first.batch)),
            }),
            weight_max,
            batches: VecDeque::from([first]),
            brought: None,
            next_row,
            changes: Vec::new(),
            changed_names: Vec::new(),
            hurries: false,
        })
    }

    pub(crate) fn shared(&self) -> Arc<Pending> {
        Arc::clone(&self.pending)
    }

    /// Notes a change of the transaction at hand.
    pub(crate) fn note(&mut self, change: Change) {
        if change.entry.field == NAMES {
            self.changed_names.push(self.changes.len());
        }
        self.changes.push(change);
    }

    /// Changes of the transaction at hand.
    pub(crate) fn noted(&self) -> &[Change] {
        &self.changes
    }

    /// The entries of a place that the transaction at hand changes.
    pub(crate) fn noted_of(&self, place: Place) -> impl Iterator<Item = &Entry> {
        let (of_names, of_values) = match place.1 {
            NAMES => (&*self.changed_names, &[][..]),
            _ => (&[][..], &*self.changes),
        };
        let of_names = of_names.iter().filter_map(|at| self.changes.get(*at));
        let entries = of_names.chain(of_values).map(|change| &change.entry);
        entries.filter(move |entry| entry.place() == place)
    }

    /// Whether nothing is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.batches.len() == 1 && self.batches.iter().all(|last| last.weight == 0)
    }

    /// Whether something is pending of a field.
    fn has(&self, tenant: TenantId, field: FieldId) -> bool {
        let place = (tenant, field);
        self.pending.hold().has(place) || self.noted_of(place).next().is_some()
    }

    /// The transaction at hand brings in a good piece, whatever else it does.
    fn hurry(&mut self) {
        self.hurries = true;
    }

    /// The unit of work that was begun when so many changes were noted is rolled back.
    pub(crate) fn back_to(&mut self, noted: usize) {
        self.changes.truncate(noted);
        let left = self.changed_names.partition_point(|at| *at < noted);
        self.changed_names.truncate(left);
    }

    /// The transaction is at its end, or rolled back.
    pub(crate) fn end(&mut self) {
        self.changes.clear();
        self.changed_names.clear();
        self.hurries = false;
    }

    /// Where it is time to, entries gather in a new batch from now on, so that the last one can be brought in.
    fn turn(&mut self, share: Share) {
        let [last] = self.batches.make_contiguous() else {
            return;
        };
        let is_time = last.weight >= self.weight_max || (share == Share::OfIdle && last.weight > 0);
        if is_time {
            let next = Gathered::default();
            // The last one has no next one yet.
            let _first = last.batch.next.set(Arc::clone(&next.batch));
            self.batches.push_back(next);
        }
    }
}

/// Over SQLite nothing waits.
fn ready_now<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    ready(future)?
}

impl Connection {
    /// Asks for a good piece to be brought in with the transaction at hand; whether nothing is pending any more.
    pub(crate) fn hurry_entries(&mut self) -> bool {
        let Some(keeper) = self.keeper() else { return true };
        if !keeper.is_empty() {
            keeper.hurry();
        }
        keeper.is_empty()
    }

    /// Whether entries of a field are pending. Then a good piece of all is brought in with the transaction at hand, so that they are
    /// not any more when this is asked again and again.
    pub(crate) fn hurry_entries_of(&mut self, tenant: TenantId, field: FieldId) -> bool {
        let Some(keeper) = self.keeper() else { return false };
        let has = keeper.has(tenant, field);
        keeper.hurries |= has;
        has
    }

    /// Writes what the transaction's changes are and brings in some of what was pending before: the last thing before
    /// its commit. Nothing, where this connection keeps no entries back.
    pub(crate) fn bring_in(&mut self, share: Share) -> Result<Option<Bringing>, StoreError> {
        let Some(keeper) = self.keeper() else {
            return Ok(None);
        };
        let share = if keeper.hurries { Share::OfIdle } else { share };
        let mut changes = std::mem::take(&mut keeper.changes);
        keeper.changed_names.clear();
        let brought = keeper.brought.clone();
        keeper.turn(share);
        // A stable sort: what is said of an entry twice stays in its order.
        changes.sort_by_key(|change| change.entry.tenant);
        let rows = self.append_rows(&changes)?;
        let weight = changes.iter().map(Change::weight).sum::<usize>() + ROW_WEIGHT * rows.len();
        let has_ended = match share {
            Share::Nothing => false,
            Share::OfBusy => {
                self.bring_in_some(BROUGHT_IN_LEAST.max(weight.div_ceil(4) * BROUGHT_IN_PER_FOUR))?
            }
            Share::OfIdle => self.bring_in_some(IDLE_ENTRIES)?,
        };
        // Last, since nothing can fail behind it but the commit.
        let Some(keeper) = self.keeper() else {
            return Ok(None);
        };
        keeper.next_row += rows.len() as i64;
        let last = keeper.batches.back();
        let before = last.map_or(Vec::new(), |last| last.batch.set(&changes));
        Ok(Some(Bringing {
            changes,
            before,
            brought,
            has_ended,
            rows,
            weight,
        }))
    }

    /// Appends changes, which stand tenant by tenant, to `detail_pending`; the row of each tenant.
    fn append_rows(&mut self, changes: &[Change]) -> Result<BTreeMap<i64, i64>, StoreError> {
        let first_row = self.keeper().map_or(1, |keeper| keeper.next_row);
        let of_tenants = changes.chunk_by(|one, next| one.entry.tenant == next.entry.tenant);
        let mut rows = BTreeMap::new();
        for (of_tenant, row) in of_tenants.zip(first_row..) {
            let Some(tenant) = of_tenant.first().map(|change| change.entry.tenant) else {
                continue;
            };
            let text = to_text(of_tenant)?;
            let mut tx = WriteTx::new(Session::Sqlite(self), tenant);
            ready_now(tx.append_pending(row, &text))?;
            rows.insert(tenant.0, row);
        }
        Ok(rows)
    }

    /// Brings in the next entries of the first batch, if it is not the last; whether it has come to its end.
    fn bring_in_some(&mut self, count: usize) -> Result<bool, StoreError> {
        let Some(keeper) = self.keeper() else {
            return Ok(false);
        };
        let (Some(first), true) = (keeper.batches.front(), keeper.batches.len() > 1) else {
            return Ok(false);
        };
        let (batch, after) = (Arc::clone(&first.batch), keeper.brought.clone());
        let entries = batch.entries();
        let next: Vec<_> = entries.after(after.as_ref()).take(count).collect();
        self.write_entries(&next)?;
        let is_end = next.len() < count;
        if is_end {
            let first = self.keeper().and_then(|keeper| keeper.batches.front());
            let rows = first.map_or(BTreeMap::new(), |first| first.rows.clone());
            for (tenant, row) in rows {
                let mut tx = WriteTx::new(Session::Sqlite(self), TenantId(tenant));
                ready_now(tx.remove_pending(row))?;
            }
        }
        if let (Some(keeper), Some((place, value, _))) = (self.keeper(), next.last()) {
            keeper.brought = Some((*place, (*value).clone()));
        }
        Ok(is_end)
    }

    /// Makes entries, each of which stands here once, what they are to be. The tenant is that of each entry.
    fn write_entries(&mut self, entries: &[(Place, &Value, bool)]) -> Result<(), StoreError> {
        for (of_names, of_values, wanted) in [
            (DELETE_NAME, DELETE_ENTRY, false),
            (INSERT_NAME, INSERT_ENTRY, true),
        ] {
            let of_them = || entries.iter().filter(move |(_, _, is_there)| *is_there == wanted);
            let names = of_them().filter(|((_, field), ..)| *field == NAMES);
            let rows = names.map(|((tenant, _), (key, number), _)| -> [Param<'_>; 3] {
                [tenant.0.into(), (&**key).into(), (*number).into()]
            });
            self.touch(TenantId(0), Touched::Nothing);
            self.execute_each(of_names, rows)?;
            let values = of_them().filter(|((_, field), ..)| *field != NAMES);
            let rows = values.map(|((tenant, field), (key, number), _)| -> [Param<'_>; 4] {
                [tenant.0.into(), field.0.into(), (&**key).into(), (*number).into()]
            });
            self.touch(TenantId(0), Touched::Nothing);
            self.execute_each(of_values, rows)?;
        }
        Ok(())
    }

    /// What was to be committed has been, or not. Returns a batch that has come to its end, which takes long to be freed.
    pub(crate) fn brought_in(
        &mut self,
        bringing: Option<Bringing>,
        is_committed: bool,
    ) -> Option<Arc<Batch>> {
        let (keeper, bringing) = (self.keeper()?, bringing?);
        keeper.end();
        if !is_committed {
            if let Some(last) = keeper.batches.back() {
                last.batch.set_back(&bringing.changes, &bringing.before);
            }
            keeper.brought = bringing.brought;
            return None;
        }
        if let Some(last) = keeper.batches.back_mut() {
            last.weight += bringing.weight;
            last.rows.extend(bringing.rows);
        }
        if !bringing.has_ended {
            return None;
        }
        keeper.brought = None;
        let ended = keeper.batches.pop_front();
        if let Some(first) = keeper.batches.front() {
            *keeper.pending.oldest() = Arc::clone(&first.batch);
        }
        ended.map(|ended| ended.batch)
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
