//! Entries of the index of values that are still to be brought in, on SQLite.
//!
//! An organization's ten values are ten entries at ten places of one tree, so ten pages, each of which is
//! written twice. So they are not written at once: a commit appends what its entries are to be, as one row of
//! `detail_pending` a tenant, and keeps them in memory, in the order of the index. When enough have gathered the
//! writer brings them in, a part with each of the next commits, neighbours together; then the rows go.
//!
//! # What a reader finds
//!
//! Whoever looks for rows by their values looks into the index and, *behind* it, here; rows that were found are read and
//! asked again. So an entry too many costs a look at its row, and none may be missing:
//!
//! * Each entry of a commit is here before the commit, and a reader takes its hold before its snapshot. What is decided
//!   after that, and committed before the snapshot, stands in the same batch or in one that it leads to.
//! * A batch is left out for those who come only when all of it has been committed to the index; who has a hold on it
//!   keeps it.
//! * An entry that was taken away stays here as one that is no more, and is found all the same: an older snapshot may
//!   still have its row.
//!
//! The process that serves the database is the only one that keeps entries back; they are read again when it starts.
//! Commands write entries at once, after they have brought in what is left.

use std::collections::{BTreeMap, VecDeque};
use std::iter::successors;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use guildhall_domain::list::Span;
use guildhall_domain::{EntityKind, FieldId, TenantId};
use serde::{Deserialize, Serialize};

use crate::details::{DELETE_ENTRY, INSERT_ENTRY, kind_of, kind_text};
use crate::driver::sqlite::Connection;
use crate::driver::{Param, Session};
use crate::error::StoreError;
use crate::ready;
use crate::tx::{SystemTx, WriteTx};
use crate::versions::Touched;

/// Changes of entries that are gathered before they are brought in, unless nothing is written for a while: those of some ten
/// thousand organizations, and 12 MB of memory. The more there are, the more of them share a page; twice as many are
/// kept at most, and read again at a start after a kill.
pub const PENDING_ENTRIES: usize = 100_000;
/// Of a batch that is being brought in, a commit takes so many for each four that it adds: so it has gone before the
/// next one is full.
const BROUGHT_IN_PER_FOUR: usize = 5;
/// And at least so many, since what a commit adds may be nothing that is indexed.
const BROUGHT_IN_LEAST: usize = 32;
/// A row of `detail_pending` counts as so many changes: rows go all at once, and those of small commits are many.
const ROW_WEIGHT: usize = 8;
/// Entries that are brought in at once while nothing is written. A write that comes meanwhile waits for them.
const IDLE_ENTRIES: usize = 1_000;
/// Entries that are added under one lock, for which readers wait, and between two of which the writer gives way to those that
/// wait for a processor.
const AT_A_STRETCH: usize = 64;

/// An entry of the index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) kind: EntityKind,
    pub(crate) field: FieldId,
    pub(crate) key: Arc<str>,
    pub(crate) number: i64,
}

impl Entry {
    pub(crate) fn place(&self) -> Place {
        (self.tenant, self.kind, self.field)
    }
}

/// What an entry is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) entry: Entry,
    pub(crate) is_there: bool,
}

/// Entries in the order of the index, field by field: so only texts and numbers of one field are compared.
#[derive(Default)]
struct Entries {
    fields: BTreeMap<Place, BTreeMap<Value, bool>>,
    len: usize,
}

/// The key of an entry, and the number of its entity.
type Value = (Arc<str>, i64);

impl Entries {
    /// Makes an entry what it is to be; what it was.
    fn set(&mut self, entry: &Entry, is_there: Option<bool>) -> Option<bool> {
        let field = self.fields.entry(entry.place()).or_default();
        let value = (Arc::clone(&entry.key), entry.number);
        let before = match is_there {
            Some(is_there) => field.insert(value, is_there),
            None => field.remove(&value),
        };
        self.len = self.len + usize::from(is_there.is_some()) - usize::from(before.is_some());
        before
    }

    /// The numbers of a part of a field's entries.
    fn part(
        &self,
        place: Place,
        part: &(Bound<Value>, Bound<Value>),
    ) -> impl DoubleEndedIterator<Item = i64> {
        let field = self.fields.get(&place).into_iter();
        field.flat_map(move |field| {
            field
                .range((part.0.as_ref(), part.1.as_ref()))
                .map(|(value, _)| value.1)
        })
    }

    /// Those that come after this one.
    fn after(&self, last: Option<&Entry>) -> impl Iterator<Item = (Place, &Value, bool)> {
        let from = last.map_or(Bound::Unbounded, |last| Bound::Included(last.place()));
        let fields = self.fields.range((from, Bound::Unbounded));
        fields.flat_map(move |(place, field)| {
            let from = match last {
                Some(last) if last.place() == *place => Bound::Excluded((Arc::clone(&last.key), last.number)),
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

    /// Sets what entries are to be; what they were.
    fn set(&self, changes: &[Change]) -> Vec<Option<bool>> {
        let mut before = Vec::with_capacity(changes.len());
        for some in changes.chunks(AT_A_STRETCH) {
            std::thread::yield_now();
            let mut entries = self.entries_to_set();
            before.extend(
                some.iter()
                    .map(|change| entries.set(&change.entry, Some(change.is_there))),
            );
        }
        before
    }

    /// Makes them what they were, the last one first.
    fn set_back(&self, changes: &[Change], before: &[Option<bool>]) {
        let mut entries = self.entries_to_set();
        for (change, before) in changes.iter().zip(before).rev() {
            entries.set(&change.entry, *before);
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
        let at = |number| (Arc::<str>::from(key), number);
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
            let numbers = entries.part(place, &part);
            match descending {
                false => found.extend(numbers.take(limit)),
                true => found.extend(numbers.rev().take(limit)),
            }
        }
        found
    }

    /// The numbers of entities with keys in this part, of each batch at most `limit`.
    pub(crate) fn in_span(&self, place: Place, span: &Span, limit: usize) -> Vec<i64> {
        let part = (
            Bound::Excluded((span.after.0.as_str().into(), span.after.1)),
            Bound::Excluded((span.before.as_str().into(), i64::MIN)),
        );
        let mut found = Vec::new();
        if !is_part(&part) {
            return found;
        }
        for batch in self.batches() {
            found.extend(batch.entries().part(place, &part).take(limit));
        }
        found
    }

    /// Whether something is pending of a field.
    pub(crate) fn has(&self, place: Place) -> bool {
        !self.in_span(place, &Span::all(), 1).is_empty()
    }
}

/// The tenant, the kind of entity and the field of entries.
pub(crate) type Place = (TenantId, EntityKind, FieldId);

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
struct Kept<'k> {
    kind: &'k str,
    number: i64,
    is_there: bool,
    #[serde(borrow)]
    keys: Vec<(i64, std::borrow::Cow<'k, str>)>,
}

/// Changes of one tenant as one text.
fn to_text(changes: &[Change]) -> Result<String, StoreError> {
    let mut all: Vec<Kept<'_>> = Vec::new();
    for Change { entry, is_there } in changes {
        let key = (entry.field.0, std::borrow::Cow::Borrowed(&*entry.key));
        let (kind, number, is_there) = (kind_text(entry.kind), entry.number, *is_there);
        match all.last_mut() {
            Some(last) if (last.kind, last.number, last.is_there) == (kind, number, is_there) => {
                last.keys.push(key);
            }
            _ => all.push(Kept {
                kind,
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
    let all: Vec<Kept<'_>> = serde_json::from_str(text).map_err(unreadable)?;
    let mut changes = Vec::new();
    for Kept {
        kind,
        number,
        is_there,
        keys,
    } in all
    {
        let kind = kind_of(kind)?;
        changes.extend(keys.into_iter().map(|(field, key)| Change {
            entry: Entry {
                tenant,
                kind,
                field: FieldId(field),
                key: key.as_ref().into(),
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

/// A batch, and by tenant the last row of `detail_pending` that it has something of.
#[derive(Default)]
struct Held {
    batch: Arc<Batch>,
    rows: BTreeMap<i64, i64>,
    /// How many changes made it, and what their rows weigh: more than its entries where some were changed again and again.
    weight: usize,
}

/// What the writer knows of what is pending.
pub(crate) struct Keeper {
    pending: Arc<Pending>,
    entries_max: usize,
    /// Batches, the oldest first; none is empty but the last. One that is not the last is being brought in.
    held: VecDeque<Held>,
    /// Where in the first one: what was brought in last.
    brought: Option<Entry>,
    /// The number of the next row of `detail_pending`.
    next_row: i64,
    /// Changes of the transaction at hand.
    changes: Vec<Change>,
    /// Whether the transaction at hand has brought in everything.
    has_settled: bool,
    /// The changes that there were before the unit at hand brought them in.
    unsettled: Option<Vec<Change>>,
}

/// What a transaction has done when it is about to be committed.
#[must_use]
pub(crate) struct Bringing {
    changes: Vec<Change>,
    /// What these entries were before in the last batch.
    before: Vec<Option<bool>>,
    brought: Option<Entry>,
    /// How many of the batches are in the index now.
    ended: usize,
    /// The rows that were written.
    rows: BTreeMap<i64, i64>,
}

/// How much of what is pending a commit brings in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// As much as it adds, and a quarter more.
    OfBusy,
    /// A good piece, of the newest too.
    OfIdle,
}

impl Keeper {
    /// Reads what is pending in a database that nobody else serves.
    pub(crate) fn read(connection: &mut Connection, entries_max: usize) -> Result<Self, StoreError> {
        let (mut held, mut next_row) = (Held::default(), 1);
        let mut tx = SystemTx::new(Session::Sqlite(connection));
        let read = tx.pending(|tenant, row, changes| {
            held.batch.set(&changes);
            held.weight += changes.len() + ROW_WEIGHT;
            held.rows.insert(tenant.0, row);
            next_row = next_row.max(row + 1);
        });
        ready_now(read)?;
        Ok(Self {
            pending: Arc::new(Pending {
                oldest: Mutex::new(Arc::clone(&held.batch)),
            }),
            entries_max,
            held: VecDeque::from([held]),
            brought: None,
            next_row,
            changes: Vec::new(),
            has_settled: false,
            unsettled: None,
        })
    }

    pub(crate) fn shared(&self) -> Arc<Pending> {
        Arc::clone(&self.pending)
    }

    /// Notes a change of the transaction at hand.
    pub(crate) fn note(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Changes of the transaction at hand.
    pub(crate) fn noted(&self) -> &[Change] {
        &self.changes
    }

    /// Whether nothing is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.len() == 1 && self.held.iter().all(|held| held.batch.entries().len == 0)
    }

    /// A unit of work begins; what to go back to if it is refused.
    pub(crate) fn unit(&mut self) -> Mark {
        self.unsettled = None;
        Mark {
            changes: self.changes.len(),
            has_settled: self.has_settled,
        }
    }

    /// The unit was refused, and what it did is rolled back.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        if let Some(unsettled) = self.unsettled.take() {
            self.changes = unsettled;
        }
        self.changes.truncate(mark.changes);
        self.has_settled = mark.has_settled;
    }

    /// The transaction is rolled back.
    pub(crate) fn roll_back(&mut self) {
        self.changes.clear();
        self.unsettled = None;
        self.has_settled = false;
    }

    /// Those that come from now on gather in a new batch.
    fn turn(&mut self) {
        let next = Held::default();
        if let Some(last) = self.held.back() {
            // The last one has no next one yet.
            let _first = last.batch.next.set(Arc::clone(&next.batch));
        }
        self.held.push_back(next);
    }
}

/// What to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    changes: usize,
    has_settled: bool,
}

/// Over SQLite nothing waits.
fn ready_now<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    ready(future)?
}

impl Connection {
    /// Writes what the transaction's changes are and brings in some of what was pending before: the last thing before
    /// its commit. Nothing, where this connection keeps no entries back.
    pub(crate) fn bring_in(&mut self, share: Share) -> Result<Option<Bringing>, StoreError> {
        let Some(keeper) = self.keeper() else {
            return Ok(None);
        };
        let mut changes = std::mem::take(&mut keeper.changes);
        let brought = keeper.brought.clone();
        let is_idle = share == Share::OfIdle;
        let first_row = keeper.next_row;
        let lone = keeper.held.len() == 1;
        let full = keeper.held.back().map_or(0, |last| last.weight) >= keeper.entries_max;
        if keeper.has_settled || (lone && (full || is_idle)) {
            keeper.turn();
        }
        let mut ended = match keeper.has_settled {
            true => keeper.held.len() - 1,
            false => 0,
        };
        let mut rows = BTreeMap::new();
        // A stable sort: what is said of an entry twice stays in its order.
        changes.sort_by_key(|change| change.entry.tenant);
        let of_tenants = changes.chunk_by(|one, next| one.entry.tenant == next.entry.tenant);
        for (of_tenant, row) in of_tenants.zip(first_row..) {
            let Some(tenant) = of_tenant.first().map(|change| change.entry.tenant) else {
                continue;
            };
            let text = to_text(of_tenant)?;
            let mut tx = WriteTx::new(Session::Sqlite(self), tenant);
            ready_now(tx.append_pending(row, &text))?;
            rows.insert(tenant.0, row);
        }
        if ended == 0 {
            let count = match is_idle {
                true => IDLE_ENTRIES,
                false => BROUGHT_IN_LEAST.max(changes.len().div_ceil(4) * BROUGHT_IN_PER_FOUR),
            };
            ended = usize::from(self.bring_in_some(count)?);
        }
        // Last, since nothing can fail behind it but the commit.
        let Some(keeper) = self.keeper() else {
            return Ok(None);
        };
        keeper.next_row += rows.len() as i64;
        let before = keeper
            .held
            .back()
            .map_or(Vec::new(), |last| last.batch.set(&changes));
        Ok(Some(Bringing {
            changes,
            before,
            brought,
            ended,
            rows,
        }))
    }

    /// Brings in the next entries of the first batch, if it is not the last; whether it has come to its end.
    fn bring_in_some(&mut self, count: usize) -> Result<bool, StoreError> {
        let Some(keeper) = self.keeper() else {
            return Ok(false);
        };
        let (Some(first), true) = (keeper.held.front(), keeper.held.len() > 1) else {
            return Ok(false);
        };
        let (batch, rows) = (Arc::clone(&first.batch), first.rows.clone());
        let after = keeper.brought.clone();
        let entries = batch.entries();
        let next: Vec<_> = entries.after(after.as_ref()).take(count).collect();
        for some in next.chunks(AT_A_STRETCH) {
            std::thread::yield_now();
            self.write_entries(some)?;
        }
        let is_end = next.len() < count;
        let last = next
            .last()
            .map(|((tenant, kind, field), (key, number), _)| Entry {
                tenant: *tenant,
                kind: *kind,
                field: *field,
                key: Arc::clone(key),
                number: *number,
            });
        if is_end {
            self.remove_rows(&rows)?;
        }
        if let (Some(keeper), Some(last)) = (self.keeper(), last) {
            keeper.brought = Some(last);
        }
        Ok(is_end)
    }

    /// Brings in everything, what the transaction at hand has changed too: behind this the index has what the values say.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        if self.keeper().is_none() {
            let mut keeper = Keeper::read(self, PENDING_ENTRIES)?;
            return self.write_all_entries(&mut keeper.held, &[]);
        }
        let Some(keeper) = self.keeper() else {
            return Ok(());
        };
        let changes = std::mem::take(&mut keeper.changes);
        let mut held: VecDeque<Held> = keeper
            .held
            .iter()
            .map(|held| Held {
                batch: Arc::clone(&held.batch),
                rows: held.rows.clone(),
                weight: held.weight,
            })
            .collect();
        let written = match keeper.has_settled {
            true => self.write_all_entries(&mut VecDeque::new(), &changes),
            false => self.write_all_entries(&mut held, &changes),
        };
        if let Some(keeper) = self.keeper() {
            keeper.has_settled |= written.is_ok();
            keeper.unsettled.get_or_insert(changes);
        }
        written
    }

    fn write_all_entries(&mut self, held: &mut VecDeque<Held>, changes: &[Change]) -> Result<(), StoreError> {
        for held in held.drain(..) {
            let entries = held.batch.entries();
            let all: Vec<_> = entries.after(None).collect();
            self.write_entries(&all)?;
            self.remove_rows(&held.rows)?;
        }
        let batch = Batch::default();
        batch.set(changes);
        let entries = batch.entries();
        let all: Vec<_> = entries.after(None).collect();
        self.write_entries(&all)
    }

    /// Makes entries, each of which stands here once, what they are to be.
    fn write_entries(&mut self, entries: &[(Place, &Value, bool)]) -> Result<(), StoreError> {
        for (sql, wanted) in [(DELETE_ENTRY, false), (INSERT_ENTRY, true)] {
            let of_them = entries.iter().filter(|(_, _, is_there)| *is_there == wanted);
            let rows = of_them.map(|((tenant, kind, field), (key, number), _)| -> [Param<'_>; 5] {
                [
                    tenant.0.into(),
                    kind_text(*kind).into(),
                    field.0.into(),
                    (&**key).into(),
                    (*number).into(),
                ]
            });
            self.touch(TenantId(0), Touched::Nothing);
            self.execute_each(sql, rows)?;
        }
        Ok(())
    }

    fn remove_rows(&mut self, rows: &BTreeMap<i64, i64>) -> Result<(), StoreError> {
        for (tenant, row) in rows {
            let mut tx = WriteTx::new(Session::Sqlite(self), TenantId(*tenant));
            ready_now(tx.remove_pending(*row))?;
        }
        Ok(())
    }

    /// What was to be committed has been, or not.
    pub(crate) fn brought_in(&mut self, bringing: Option<Bringing>, is_committed: bool) {
        let (Some(keeper), Some(bringing)) = (self.keeper(), bringing) else {
            return;
        };
        keeper.roll_back();
        if !is_committed {
            if let Some(last) = keeper.held.back() {
                last.batch.set_back(&bringing.changes, &bringing.before);
            }
            keeper.brought = bringing.brought;
            return;
        }
        if let Some(last) = keeper.held.back_mut() {
            last.weight += bringing.changes.len() + ROW_WEIGHT * bringing.rows.len();
            last.rows.extend(bringing.rows);
        }
        if bringing.ended > 0 {
            keeper.held.drain(..bringing.ended);
            keeper.brought = None;
            if let Some(first) = keeper.held.front() {
                *keeper.pending.oldest() = Arc::clone(&first.batch);
            }
        }
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
