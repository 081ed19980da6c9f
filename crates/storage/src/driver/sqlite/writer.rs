//! The one writer. It takes the units of work that wait, runs them, commits them together, and answers
//! each only then. A unit that is refused after it changed something has the others of its group run
//! again, each under a savepoint of its own. No timer: under load groups grow by
//! themselves, and a lone write commits at once. Only where commits are slow those who are likely to come are waited for ([`Awaited`]).
//!
//! Chunks of tasks are heavy: one takes as long as a hundred creates. Where nobody else waits, those of a group
//! are several, since each commit costs. Whoever comes meanwhile waits for the chunk at work and is in the commit behind it, and
//! who comes during a commit is in the next one, in which there is no chunk; then it is a chunk's turn again. (Where half of many
//! were that next one, since no chunk waited, one that comes then may be in the commit of the others.)
//!
//! Long, because how a group is gathered, run, committed and answered is one path, and its tests see each step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use guildhall_domain::TenantId;

use super::checkpoint::Checkpointer;
use super::connection::Connection;
use super::queue::{Popped, Queue, Weight};
use crate::OnFatal;
use crate::error::{OpenError, StoreError};
use crate::pending::Share;
use crate::versions::Versions;

/// Light units of work that may wait, of all tenants together; of one alone, half of them. Beyond it a write is
/// refused as overload: at some ten microseconds a unit, what waits here is a good part of a second. As many heavy ones
/// might, and are four at most: the worker waits for them.
const WAITING_MAX: usize = 8_192;
/// Units committed together at most.
const GROUP_UNITS_MAX: usize = 1_024;
/// Rows and pending entries that light units change in one group at most (one that changes more is the last).
const GROUP_ROWS_MAX: u64 = 2_048;
/// Those from which on no further chunk of a task is taken into a group: it has two of whole profiles then, and more of small ones.
const CHUNKS_ROWS_MAX: u64 = 1_200;
/// A commit that takes longer, units of work apart, makes it worth waiting for those who were just answered: see [`Awaited`].
const SLOW_COMMIT: Duration = Duration::from_millis(1);
/// A half of those who are awaited that is a group has so many at least: where few write, those who come meanwhile are in the group.
const HALF_MIN: usize = 16;
/// How long a group is held open for them at most, however long a disk took.
const PATIENCE_MAX: Duration = Duration::from_millis(20);
/// How long entries of the index of values are brought in at the end. What is left then, the next start reads again.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);
/// When nothing was written for so long, entries of the index of values that are kept back are brought in.
const IDLE_AFTER: Duration = Duration::from_millis(500);

/// A unit of work, which may be run more than once: what an earlier run did is rolled back before.
pub(crate) trait Unit: Send {
    /// Does it, and returns whether its changes stay.
    fn run(&mut self, connection: &mut Connection) -> bool;

    /// Tells its caller what the last run said, or why that is void.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The queue to the writer thread. Dropping it ends the thread when the queue is empty.
pub(crate) struct Writer {
    queue: Arc<Queue<Box<dyn Unit>>>,
    broken: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        mut connection: Connection,
        path: &Path,
        on_fatal: OnFatal,
        versions: Arc<Versions>,
    ) -> Result<Self, OpenError> {
        let queue = Queue::new(WAITING_MAX);
        let broken = Arc::new(AtomicBool::new(false));
        let checkpointer =
            Checkpointer::start(path, &mut connection, Arc::clone(&broken), Arc::clone(&on_fatal))?;
        let room = Room {
            connection,
            units: Arc::clone(&queue),
            checkpointer,
            broken: Arc::clone(&broken),
            on_fatal,
            versions,
            commit_took: Duration::ZERO,
            rather: Weight::Light,
            light: 0,
            awaited: Awaited::default(),
        };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                let _closes = CloseAtTheEnd(Arc::clone(&room.units));
                room.run();
            })
            .map_err(|e| OpenError(format!("cannot start the writer thread: {e}")))?;
        Ok(Self {
            queue,
            broken,
            thread: Some(thread),
        })
    }

    /// Puts a unit of work into its tenant's line, or says why it never will run.
    pub(crate) fn submit(
        &self,
        tenant: TenantId,
        weight: Weight,
        unit: Box<dyn Unit>,
    ) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(StoreError::Broken("an earlier write failed".into()));
        }
        self.queue.push(tenant, weight, unit)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged where it happened.
            let _ended = thread.join();
        }
    }
}

/// Whatever ends the thread, nobody waits for it in vain: a unit that is dropped tells its caller.
struct CloseAtTheEnd(Arc<Queue<Box<dyn Unit>>>);

impl Drop for CloseAtTheEnd {
    fn drop(&mut self) {
        self.0.close();
        while self.0.pop().is_some() {}
    }
}

/// The writer thread's own things.
struct Room {
    connection: Connection,
    units: Arc<Queue<Box<dyn Unit>>>,
    checkpointer: Checkpointer,
    broken: Arc<AtomicBool>,
    on_fatal: OnFatal,
    versions: Arc<Versions>,
    /// How long the last commit took, without what was done before it.
    commit_took: Duration,
    /// Whose turn it is where units of both weights wait.
    rather: Weight,
    /// Light units of the last group.
    light: usize,
    /// Who is awaited for the next one.
    awaited: Awaited,
}

/// Who is likely to write next: those who were just answered, and who waited already then.
///
/// Where commits are slow, a group that is committed without them makes them wait for its commit and for their own: so when a group
/// has nobody left to run and not all of them have come, it is open a little longer, for a tenth of the last commit in
/// all. Where commits are quick, those who come during one are the next group, and it waits for nobody; nor does a group of chunks alone,
/// nor one that begins later than they take to come back.
///
/// Where they are slow and those who are awaited are many, so that half of them take as long as a quarter of the last commit to run, half
/// of them are a group: the others come and are read while it is committed, and those are answered during the next one. With all
/// of them in one commit nobody would have anything to do beside it. Of few, a second sync takes longer than it hides; and where a chunk
/// waits the others would wait for it as well.
#[derive(Clone, Copy, Debug, Default)]
struct Awaited {
    /// Light units.
    count: usize,
    /// How long a group may wait for them in all.
    patience: Duration,
    /// How long half of them take to run at least where half of them are a group.
    half_after: Option<Duration>,
}

impl Awaited {
    /// After a commit that took so long: these were answered, and these wait.
    fn after(commit_took: Duration, answered: usize, waiting: usize) -> Self {
        let is_slow = commit_took > SLOW_COMMIT;
        Self {
            count: answered + waiting,
            patience: match is_slow {
                true => (commit_took / 10).min(PATIENCE_MAX),
                false => Duration::ZERO,
            },
            half_after: is_slow.then_some(commit_took / 4),
        }
    }

    /// Whether so many, run in so long, are a group without the others, of whom so many wait by now.
    fn are_enough(&self, light: usize, ran_for: Duration, waiting: impl FnOnce() -> usize) -> bool {
        let Some(least) = self.half_after else {
            return false;
        };
        if light < HALF_MIN || 2 * light < self.count {
            return false;
        }
        // More may have come than were awaited.
        let all = self.count.max(light + waiting());
        let of_half = |time: Duration| time.as_nanos() * all as u128 / (2 * light as u128);
        2 * light >= all && of_half(ran_for) >= least.as_nanos()
    }

    /// The same for a group that begins so long after the commit, which took so long: who has not come by then does something else.
    fn at(self, since: Duration, commit_took: Duration) -> Self {
        match since > commit_took {
            true => Self::default(),
            false => self,
        }
    }
}

impl Room {
    fn run(mut self) {
        // Whether the last thing that was done was bringing in, and went well; after a failure a write must come first.
        let (mut goes_on, mut may_tidy) = (false, true);
        let mut ends = None;
        let mut committed_at = Instant::now();
        loop {
            let has_pending = may_tidy
                && !self.broken.load(Ordering::Acquire)
                && self.connection.keeper().is_some_and(|keeper| !keeper.is_empty());
            let patience = match (has_pending, goes_on) {
                (false, _) => None,
                (true, false) => Some(IDLE_AFTER),
                (true, true) => Some(Duration::ZERO),
            };
            let first = match self.units.pop_within(patience, self.rather) {
                Popped::Thing(weight, first) => Some((weight, first)),
                Popped::Nothing => None,
                // So that whoever opens the file finds in the index what the values say.
                Popped::Closed if has_pending => {
                    let ends = *ends.get_or_insert_with(|| Instant::now() + SETTLED_WITHIN);
                    if Instant::now() > ends {
                        break;
                    }
                    None
                }
                Popped::Closed => break,
            };
            goes_on = first.is_none();
            self.awaited = self.awaited.at(committed_at.elapsed(), self.commit_took);
            let mut ran = Vec::new();
            let outcome = self.group(first, &mut ran);
            may_tidy = outcome.is_ok();
            if let (true, Err(error)) = (goes_on, &outcome) {
                tracing::warn!(%error, "entries of the index of values were not brought in; the next write or start does it");
            }
            if matches!(outcome, Err(StoreError::Broken(_))) {
                self.broken.store(true, Ordering::Release);
            }
            for unit in ran {
                unit.answer(outcome.clone());
            }
            // What was committed before is on disk, whatever becomes of the database behind it: it is still in the log.
            let moved = match outcome {
                Err(error @ StoreError::Broken(_)) => Err(error),
                // The thread has met the failure, and told.
                _ if self.broken.load(Ordering::Acquire) => Ok(()),
                _ => self.checkpointer.committed(&mut self.connection),
            };
            if let Err(StoreError::Broken(why)) = moved {
                return self.fail(&why);
            }
            let waiting = self.units.waiting(Weight::Light);
            self.awaited = Awaited::after(self.commit_took, self.light, waiting);
            committed_at = Instant::now();
        }
        if self.broken.load(Ordering::Acquire) {
            // Closing in order would sync again.
            std::mem::forget(self.connection);
        }
    }

    /// The disk has failed: nobody writes any more, and the process is told to end.
    fn fail(mut self, why: &str) {
        self.broken.store(true, Ordering::Release);
        self.units.close();
        self.refuse_the_rest(why);
        (self.on_fatal)(why);
        // The connection must not be closed in order: closing would sync again.
        std::mem::forget(self.connection);
    }

    /// Runs a group, if there is one, and commits it. `Ok` means that all kept changes are on disk.
    fn group(
        &mut self,
        first: Option<(Weight, Box<dyn Unit>)>,
        ran: &mut Vec<Box<dyn Unit>>,
    ) -> Result<(), StoreError> {
        self.commit_took = Duration::ZERO;
        if let Err(error) = self.connection.statement("BEGIN IMMEDIATE") {
            // Nothing of the unit has run; its caller hears why through its own answer.
            ran.extend(first.map(|(_, unit)| unit));
            return Err(error);
        }
        let (is_idle, rows_before) = (first.is_none(), self.connection.changes_so_far());
        let run = match self.run_together(first, ran) {
            Ok(true) => Ok(()),
            Ok(false) => self.run_apart(ran),
            Err(error) => Err(error),
        };
        if let Err(error) = run {
            self.abandon();
            return Err(error);
        }
        let noted = self.connection.keeper().map_or(0, |keeper| keeper.noted().len());
        let is_changed = noted > 0 || self.connection.changes_so_far() != rows_before;
        let committed = self.commit(match (is_idle, is_changed) {
            (true, _) => Share::OfIdle,
            (false, true) => Share::OfBusy,
            (false, false) => Share::Nothing,
        });
        if committed.is_err() {
            self.abandon();
        }
        committed
    }

    fn commit(&mut self, share: Share) -> Result<(), StoreError> {
        let bringing = self.connection.bring_in(share)?;
        // From here until its end nothing that the commit changes has a version, so no answer that it
        // outdates is kept or found meanwhile. Who wrote is answered later still.
        let commit = self.versions.begin(&self.connection.take_touched());
        let began = Instant::now();
        let committed = self.connection.statement("COMMIT");
        self.commit_took = began.elapsed();
        commit.end();
        if let Some(ended) = self.connection.brought_in(bringing, committed.is_ok()) {
            self.checkpointer.free(ended);
        }
        committed
    }

    /// Runs what waits, one after the other, without savepoints: with one, SQLite copies each page before a unit
    /// changes it, which was a sixth of a create. Returns whether all that was changed may stay.
    fn run_together(
        &mut self,
        first: Option<(Weight, Box<dyn Unit>)>,
        ran: &mut Vec<Box<dyn Unit>>,
    ) -> Result<bool, StoreError> {
        let rows_before = self.connection.changes_so_far();
        (self.rather, self.light) = (Weight::Heavy, 0);
        let (began, patience) = (Instant::now(), self.awaited.patience);
        // What chunks change does not count against those who come after one: they are to be in its commit.
        let mut of_chunks = 0;
        let mut next = first;
        while let Some((weight, unit)) = next.take() {
            let before = self.connection.changes_so_far();
            if !self.unit(unit, ran)? && self.connection.changes_so_far() != before {
                return Ok(false);
            }
            let noted = self.connection.keeper().map_or(0, |keeper| keeper.noted().len());
            let rows = self.connection.changes_so_far() - rows_before + noted as u64;
            match weight {
                Weight::Light => self.light += 1,
                Weight::Heavy => (self.rather, of_chunks) = (Weight::Light, rows),
            }
            // Not beside a chunk, which takes long itself, nor where one waits: the others would wait for it, too.
            let are_enough = || {
                let waiting = || self.units.waiting(Weight::Light);
                let waited = patience.saturating_sub(self.awaited.patience);
                let ran_for = began.elapsed().saturating_sub(waited);
                self.rather == Weight::Heavy
                    && self.awaited.are_enough(self.light, ran_for, waiting)
                    && self.units.waiting(Weight::Heavy) == 0
            };
            let is_full = ran.len() >= GROUP_UNITS_MAX || rows - of_chunks >= GROUP_ROWS_MAX || are_enough();
            if !is_full {
                // Readers that wait for a processor get it behind a chunk, and not after a slice of milliseconds. Not behind
                // each light unit: who gives way may wait for a slice of another thread.
                if weight == Weight::Heavy {
                    std::thread::yield_now();
                }
                next = self.next_light().map(|unit| (Weight::Light, unit));
                if next.is_none() && self.light == 0 && rows < CHUNKS_ROWS_MAX {
                    next = self
                        .units
                        .try_pop(Weight::Heavy)
                        .map(|unit| (Weight::Heavy, unit));
                }
            }
        }
        Ok(true)
    }

    /// The next light unit of the group, which is waited for where it is [`Awaited`].
    fn next_light(&mut self) -> Option<Box<dyn Unit>> {
        let Awaited { count, patience, .. } = &mut self.awaited;
        let next = self.units.try_pop(Weight::Light);
        if next.is_some() || patience.is_zero() || !(1..*count).contains(&self.light) {
            return next;
        }
        let began = Instant::now();
        let next = self.units.light_within(*patience);
        *patience = patience.saturating_sub(began.elapsed());
        next
    }

    /// One of these units has changed something and then been refused, which is rare: all are run again,
    /// each under a savepoint of its own.
    fn run_apart(&mut self, ran: &mut Vec<Box<dyn Unit>>) -> Result<(), StoreError> {
        let mut units = std::mem::take(ran).into_iter();
        let run = self.run_each_apart(&mut units, ran);
        // Those that were not reached hear of it too.
        ran.extend(units);
        run
    }

    fn run_each_apart(
        &mut self,
        units: &mut impl Iterator<Item = Box<dyn Unit>>,
        ran: &mut Vec<Box<dyn Unit>>,
    ) -> Result<(), StoreError> {
        self.roll_back()?;
        self.connection.statement("BEGIN IMMEDIATE")?;
        for unit in units {
            self.connection.statement("SAVEPOINT unit")?;
            if !self.unit(unit, ran)? {
                self.connection.statement("ROLLBACK TO unit")?;
            }
            self.connection.statement("RELEASE unit")?;
        }
        Ok(())
    }

    /// Runs one unit; whether its changes stay. `Err` means that the whole group is lost.
    fn unit(&mut self, mut unit: Box<dyn Unit>, ran: &mut Vec<Box<dyn Unit>>) -> Result<bool, StoreError> {
        let noted = self.connection.keeper().map_or(0, |keeper| keeper.noted().len());
        let keep = match catch_unwind(AssertUnwindSafe(|| unit.run(&mut self.connection))) {
            Ok(keep) => {
                ran.push(unit);
                keep
            }
            // The unit's channel goes with it, so its caller hears that its answer was dropped.
            Err(_) => {
                tracing::error!("a unit of work panicked; its changes are rolled back");
                false
            }
        };
        if let (false, Some(keeper)) = (keep, self.connection.keeper()) {
            keeper.back_to(noted);
        }
        if let Some(error) = self.connection.broken() {
            return Err(error.clone());
        }
        if !self.connection.in_transaction() {
            // SQLite ends the transaction itself when, for one, the disk is full.
            return Err(StoreError::Full);
        }
        Ok(keep)
    }

    /// Leaves the transaction, if SQLite has not done so itself.
    fn abandon(&mut self) {
        if let Err(error) = self.roll_back() {
            tracing::error!(%error, "a rollback failed");
        }
    }

    fn roll_back(&mut self) -> Result<(), StoreError> {
        if let Some(keeper) = self.connection.keeper() {
            keeper.end();
        }
        match self.connection.in_transaction() {
            true => self.connection.statement("ROLLBACK"),
            false => Ok(()),
        }
    }

    /// Answers what still waits after the disk failed.
    fn refuse_the_rest(&mut self, why: &str) {
        while let Some(unit) = self.units.pop() {
            unit.answer(Err(StoreError::Broken(why.to_owned())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::sync::Mutex;

    use guildhall_domain::FieldId;
    use guildhall_testkit::TempFolder;

    use super::*;
    use crate::driver::sqlite::tests::open_to_write;
    use crate::pending::{Change, Entry, Keeper};

    /// Says what it was answered.
    struct Note(Arc<Mutex<Vec<Result<(), StoreError>>>>);

    impl Unit for Note {
        fn run(&mut self, _: &mut Connection) -> bool {
            true
        }

        fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
            self.0.lock().unwrap().push(committed);
        }
    }

    fn room(path: &Path, units: &Arc<Queue<Box<dyn Unit>>>, on_fatal: OnFatal) -> Room {
        let mut connection = open_to_write(path);
        let broken = Arc::new(AtomicBool::new(false));
        let checkpointer =
            Checkpointer::start(path, &mut connection, Arc::clone(&broken), Arc::clone(&on_fatal)).unwrap();
        Room {
            connection,
            units: Arc::clone(units),
            checkpointer,
            broken,
            on_fatal,
            versions: Arc::default(),
            commit_took: Duration::ZERO,
            rather: Weight::Light,
            light: 0,
            awaited: Awaited::default(),
        }
    }

    /// Says when it is run and answered, and others come then. A chunk changes 1,100 entries, where these are kept back.
    struct Told {
        name: &'static str,
        weight: Weight,
        said: Arc<Mutex<Vec<String>>>,
        units: Arc<Queue<Box<dyn Unit>>>,
    }

    impl Told {
        /// Who pushes the first ones, and is not run itself.
        fn first(units: &Arc<Queue<Box<dyn Unit>>>) -> Self {
            Self {
                name: "",
                weight: Weight::Light,
                said: Arc::default(),
                units: Arc::clone(units),
            }
        }

        fn push(&self, name: &'static str, weight: Weight) {
            let tenant = TenantId(if weight == Weight::Heavy { 1 } else { 2 });
            let (said, units) = (Arc::clone(&self.said), Arc::clone(&self.units));
            let unit = Box::new(Self {
                name,
                weight,
                said,
                units,
            });
            self.units.push(tenant, weight, unit).unwrap();
        }

        /// The same, by another thread, in its own time.
        fn push_elsewhere(&self, name: &'static str, weight: Weight) {
            let other = Self {
                name: "",
                weight,
                said: Arc::clone(&self.said),
                units: Arc::clone(&self.units),
            };
            drop(std::thread::spawn(move || other.push(name, weight)));
        }

        fn say(&self, what: &str) {
            let said = format!("{} is {what}", self.name);
            match &*said {
                "chunk 2 is run" => self.push("what comes meanwhile", Weight::Light),
                "what comes meanwhile is answered" => self.push("what comes then", Weight::Light),
                "what comes then is answered" => self.push("what comes again", Weight::Light),
                "chunk 6 is answered" => self.units.close(),
                "one who waited is run" => self.push_elsewhere("one who writes again", Weight::Light),
                "one who writes again is answered" | "the last is answered" => self.units.close(),
                _ => {}
            }
            self.said.lock().unwrap().push(said);
        }
    }

    impl Unit for Told {
        fn run(&mut self, connection: &mut Connection) -> bool {
            self.say("run");
            if let (Weight::Heavy, Some(keeper)) = (self.weight, connection.keeper()) {
                (0..1_100).for_each(|number| keeper.note(entry(number)));
            }
            true
        }

        fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
            assert_eq!(committed, Ok(()));
            self.say("answered");
        }
    }

    fn entry(number: i64) -> Change {
        Change {
            entry: Entry {
                tenant: TenantId(1),
                field: FieldId(1),
                key: "key".into(),
                number,
            },
            is_there: true,
        }
    }

    /// Chunks share a commit as long as nobody else waits and they are small. Who comes during one is in its commit, however much the
    /// chunks change, and no further chunk is; who comes during the commit is in the next one, without a chunk, and then it is a
    /// chunk's turn, whoever waits.
    #[test]
    fn who_comes_waits_for_one_chunk_and_no_chunk_waits_for_ever() {
        let together = "chunk 4 is run, chunk 5 is run, chunk 6 is run, \
             chunk 4 is answered, chunk 5 is answered, chunk 6 is answered";
        let two = "chunk 4 is run, chunk 5 is run, chunk 4 is answered, chunk 5 is answered, \
             chunk 6 is run, chunk 6 is answered";
        for (are_large, at_the_end) in [(false, together), (true, two)] {
            let folder = TempFolder::new();
            let units = Queue::new(32);
            let first = Told::first(&units);
            for name in ["chunk 1", "chunk 2", "chunk 3", "chunk 4", "chunk 5", "chunk 6"] {
                first.push(name, Weight::Heavy);
            }
            let path = folder.join("guildhall.db");
            let mut room = room(&path, &units, Arc::new(|why| panic!("{why}")));
            if are_large {
                let keeper = Keeper::read(&mut room.connection, 10_000).unwrap();
                room.connection.keep_back(keeper);
            }
            room.run();
            let commits = [
                "chunk 1 is run, chunk 2 is run, what comes meanwhile is run",
                "chunk 1 is answered, chunk 2 is answered, what comes meanwhile is answered",
                "what comes then is run, what comes then is answered",
                "chunk 3 is run, what comes again is run, chunk 3 is answered, what comes again is answered",
                at_the_end,
            ];
            assert_eq!(first.said.lock().unwrap().join(", "), commits.join(", "));
        }
    }

    /// Where commits are slow: who was just answered and writes again is in the commit of those who waited meanwhile, and nobody else
    /// is waited for.
    #[test]
    fn who_is_awaited_is_in_the_commit() {
        let folder = TempFolder::new();
        let units = Queue::new(32);
        let first = Told::first(&units);
        first.push("one who waited", Weight::Light);
        let mut room = room(
            &folder.join("guildhall.db"),
            &units,
            Arc::new(|why| panic!("{why}")),
        );
        // Much longer than it takes.
        let long = Duration::from_secs(600);
        (room.awaited, room.commit_took) = (
            Awaited {
                count: 2,
                patience: long,
                half_after: None,
            },
            long,
        );
        room.run();
        let said = first.said.lock().unwrap().join(", ");
        assert_eq!(
            said,
            "one who waited is run, one who writes again is run, \
             one who waited is answered, one who writes again is answered"
        );
    }

    /// What two halves of many said, the last of the first half and the last of all by these names; and a chunk, if there is one.
    fn two_halves(with_chunk: bool) -> Vec<String> {
        let folder = TempFolder::new();
        let units = Queue::new(1_000);
        let first = Told::first(&units);
        for last in ["the last of the first half", "the last"] {
            for name in iter::repeat_n("one", HALF_MIN - 1).chain([last]) {
                first.push(name, Weight::Light);
            }
        }
        if with_chunk {
            first.push("a chunk", Weight::Heavy);
        }
        let mut room = room(
            &folder.join("guildhall.db"),
            &units,
            Arc::new(|why| panic!("{why}")),
        );
        room.awaited = Awaited {
            count: 2 * HALF_MIN,
            patience: Duration::ZERO,
            half_after: Some(Duration::ZERO),
        };
        // So that they have not done something else meanwhile.
        room.commit_took = Duration::from_secs(600);
        room.run();
        let said = first.said.lock().unwrap();
        said.clone()
    }

    /// Of many who write again and again, half are in a commit, and the others in the next one.
    #[test]
    fn half_of_many_are_a_group() {
        let said = two_halves(false);
        let place = |what: &str| said.iter().position(|said| said == what).unwrap();
        assert_eq!(said.len(), 4 * HALF_MIN);
        assert_eq!(place("the last of the first half is run"), HALF_MIN - 1);
        assert_eq!(place("the last of the first half is answered"), 2 * HALF_MIN - 1);
        assert_eq!(place("the last is run"), 3 * HALF_MIN - 1);
        assert_eq!(place("the last is answered"), 4 * HALF_MIN - 1);
    }

    /// The others would be in its commit: it is the chunk's turn then.
    #[test]
    fn all_are_a_group_where_a_chunk_waits() {
        let said = two_halves(true);
        let place = |what: &str| said.iter().position(|said| said == what).unwrap();
        assert_eq!(place("the last is run"), 2 * HALF_MIN - 1);
        assert_eq!(place("the last is answered"), 4 * HALF_MIN - 1);
        assert_eq!(place("a chunk is run"), 4 * HALF_MIN);
    }

    #[test]
    fn a_half_is_enough_only_where_commits_are_slow_and_it_takes_long_to_run() {
        let (took, quarter) = (Duration::from_millis(4), Duration::from_millis(1));
        let shortly_before = quarter - Duration::from_nanos(1);
        let many = Awaited::after(took, 64, 64);
        for (light, ran_for, waiting, are_enough) in [
            (64, quarter, 64, true),
            (63, quarter, 65, false),
            (64, shortly_before, 64, false),
            // More have come than were awaited.
            (64, quarter, 65, false),
            (65, quarter + quarter / 64, 65, true),
            // Half of them would have taken half as long.
            (128, quarter, 0, false),
            (128, 2 * quarter, 0, true),
        ] {
            assert_eq!(
                many.are_enough(light, ran_for, || waiting),
                are_enough,
                "{light}, {waiting}"
            );
        }
        let quick = Awaited::after(SLOW_COMMIT, 64, 64);
        for awaited in [quick, Awaited::default(), many.at(2 * took, took)] {
            assert!(!awaited.are_enough(128, took, || 0));
        }
        let few = Awaited::after(took, 1, 0);
        assert!(!few.are_enough(HALF_MIN - 1, took, || 0) && few.are_enough(HALF_MIN, took, || 0));
        assert!(!few.are_enough(HALF_MIN, took, || HALF_MIN + 1));
    }

    #[test]
    fn only_where_commits_are_slow_somebody_is_awaited() {
        let slow = Awaited::after(Duration::from_millis(20), 3, 4);
        assert_eq!((slow.count, slow.patience), (7, Duration::from_millis(2)));
        assert_eq!(Awaited::after(SLOW_COMMIT, 3, 4).patience, Duration::ZERO);
        assert_eq!(
            Awaited::after(Duration::from_secs(10), 3, 4).patience,
            PATIENCE_MAX
        );
    }

    /// A lone write is not held up by what was so when many wrote.
    #[test]
    fn who_does_not_come_back_soon_is_not_awaited() {
        let took = Duration::from_millis(20);
        let awaited = Awaited::after(took, 128, 0);
        assert_eq!(awaited.at(took, took).count, 128);
        let later = awaited.at(took + Duration::from_micros(1), took);
        assert_eq!((later.count, later.patience), (0, Duration::ZERO));
    }

    /// The writer moves the rest of the log itself; a disk that fails then has failed as if it were in a commit.
    #[test]
    fn a_disk_that_fails_where_the_writer_moves_pages_ends_it() {
        let folder = TempFolder::new();
        let said = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&said);
        let on_fatal: OnFatal = Arc::new(move |why| told.lock().unwrap().push(why.to_owned()));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let units: Arc<Queue<Box<dyn Unit>>> = Queue::new(8);
        units
            .push(TenantId(1), Weight::Light, Box::new(Note(Arc::clone(&answers))))
            .unwrap();
        let room = room(&folder.join("guildhall.db"), &units, on_fatal);
        room.checkpointer.fail();
        let broken = Arc::clone(&room.broken);
        // Or it would wait for the next one without end.
        units.close();
        room.run();
        assert_eq!(*answers.lock().unwrap(), [Ok(())], "what was committed before is");
        assert_eq!(*said.lock().unwrap(), ["the disk of a test"]);
        assert!(broken.load(Ordering::Acquire));
    }
}
