//! Moves what was committed from the write-ahead log into the database, on a thread of its own, so that no commit
//! waits for it, but for the last bit: the log starts again from its beginning only where all of it has been moved,
//! and beside a steady stream of commits the thread never catches up entirely. So when little is left the writer
//! moves that itself, after the thread has gone over the log until little was.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::hooks::Wal;

use super::connection::{Connection, Use, store_error};
use crate::OnFatal;
use crate::error::{OpenError, StoreError};
use crate::pending::Batch;

/// So many pages (16 MiB) that were not moved are worth a run of the thread.
const RUN_PAGES: u32 = 4_096;
/// From so many pages on (40 MiB) the log is to start again, which it does behind the thread's next run: at some 50 MiB, or
/// later, where much comes while the thread makes its passes, up to [`PAGES_MAX`]. Each start syncs the database, and commits
/// beside that take several times as long, so they shall be few.
const RESTART_PAGES: u32 = 10_240;
/// So few pages (4 MiB) the writer moves itself. What it does in vain, since somebody still reads, it does again
/// when as many more have come.
const REST_PAGES: u32 = 1_024;
/// From so many pages on (64 MiB) the writer does so however many are left, and waits for the thread first, and for
/// those who read: else the log would grow without end where the thread is slower than the writer, or where somebody
/// always reads.
const PAGES_MAX: u32 = 16_384;
/// How long the writer waits for those who read. Who begins meanwhile reads nothing of the log.
const READERS_END_WITHIN: Duration = Duration::from_millis(100);

/// How often the thread goes over the log before it is to start again, and how often at most while more than so many pages
/// (half a MiB) are left.
const PASSES: u32 = 5;
const PASSES_MAX: u32 = 10;
const LEAST_PAGES: u32 = 128;

/// What is done after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    /// The thread runs.
    Run,
    /// The writer moves the rest.
    Finish,
    /// The writer moves the rest and waits for those who read from the log.
    Restart,
}

/// Decides it.
#[derive(Default)]
struct Plan {
    /// How long the log was after the last commit.
    log: u32,
    /// How long it was when the thread was told to run, and when the writer finished.
    run_at: u32,
    finish_at: u32,
    /// And when it waited for those who read.
    restart_at: u32,
}

impl Plan {
    /// After a commit: the log has so many pages, so many of them have been moved, and the thread is running or not.
    fn next(&mut self, log: u32, moved: u32, is_running: bool) -> Next {
        if log < self.log {
            // It has started again.
            (self.run_at, self.finish_at, self.restart_at) = (0, 0, 0);
        }
        self.log = log;
        // What was moved before a start says nothing.
        let left = if moved > log { log } else { log - moved };
        let is_time = log >= RESTART_PAGES && left <= REST_PAGES && !is_running;
        // Before the writer finishes, the thread has made all its passes.
        let is_run_due =
            log - self.run_at >= RUN_PAGES && left >= RUN_PAGES || is_time && self.run_at < RESTART_PAGES;
        if log >= PAGES_MAX && log - self.restart_at >= log / 4 {
            // Where somebody reads for long all writes have waited in vain, so it is tried ever more seldom.
            (self.restart_at, self.finish_at) = (log, log);
            Next::Restart
        } else if is_run_due && !is_running {
            self.run_at = log;
            Next::Run
        } else if is_time && log - self.finish_at >= REST_PAGES {
            self.finish_at = log;
            Next::Finish
        } else {
            Next::Nothing
        }
    }
}

/// What the writer and the thread know of each other.
#[derive(Default)]
struct Shared {
    /// Pages in the log after the writer's last commit.
    log: AtomicU32,
    /// Those of them that were moved the last time.
    moved: AtomicU32,
    is_running: AtomicBool,
    /// Whose turn it is to move pages: SQLite lets one do it, and tells another one nothing.
    turn: Mutex<()>,
    #[cfg(test)]
    fails: AtomicBool,
}

impl Shared {
    fn checkpoint(&self, connection: &mut Connection) -> Result<(), StoreError> {
        self.turn(|| checkpoint(connection, PASSIVE))
    }

    /// The same, and waits a while until nobody reads from the log, so that it starts again.
    fn restart(&self, connection: &mut Connection) -> Result<(), StoreError> {
        self.turn(|| {
            connection.with_patience(READERS_END_WITHIN, |connection| checkpoint(connection, RESTART))
        })
    }

    /// Moves pages as often as is worth it, and not any more once the disk has failed.
    fn run(&self, connection: &mut Connection, broken: &AtomicBool) -> Result<(), StoreError> {
        let mut passes = Passes::new(self.log.load(Ordering::Relaxed));
        loop {
            if broken.load(Ordering::Acquire) {
                return Ok(());
            }
            self.checkpoint(connection)?;
            let (log, moved) = (
                self.log.load(Ordering::Relaxed),
                self.moved.load(Ordering::Relaxed),
            );
            if !passes.goes_on(log, moved) {
                return Ok(());
            }
        }
    }

    fn turn(&self, checkpoint: impl FnOnce() -> Result<u32, StoreError>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(test)]
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Broken("the disk of a test".into()));
        }
        let pages = checkpoint()?;
        self.moved.store(pages, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether the thread goes over the log once more.
///
/// SQLite syncs the database only where nothing was committed while pages were moved: then the log may start again. So as
/// long as there is always something left, the database is not synced, and whoever moves the rest waits for the sync
/// of all that was moved before. Each time the thread goes over the log less comes meanwhile, until nothing does, and it is the
/// thread that waits.
struct Passes {
    done: u32,
    wanted: u32,
    moved: u32,
}

impl Passes {
    fn new(log: u32) -> Self {
        Self {
            done: 0,
            wanted: if log >= RESTART_PAGES { PASSES } else { 1 },
            moved: 0,
        }
    }

    /// After one: how long the log is now, and how much of it has been moved.
    fn goes_on(&mut self, log: u32, moved: u32) -> bool {
        self.done += 1;
        // Where it has started again, less than was moved before is in it.
        let left = log.saturating_sub(moved);
        let is_held_up = moved <= std::mem::replace(&mut self.moved, moved);
        let is_little = self.done >= self.wanted && (self.wanted == 1 || left <= LEAST_PAGES);
        left > 0 && !is_held_up && !is_little && self.done < PASSES_MAX
    }
}

/// What the thread is to do.
enum Work {
    /// Move pages.
    Run,
    /// Free what nobody looks into any more: with a hundred thousand entries it takes tens of milliseconds, for which no commit
    /// shall wait.
    Free(Arc<Batch>),
}

pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    plan: Plan,
    works: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Checkpointer {
    /// Waits for the thread, so that the last connection closes when the store does: SQLite then
    /// moves what is left into the database and removes the write-ahead file.
    fn drop(&mut self) {
        drop(self.works.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was logged where it happened.
            let _ended = thread.join();
        }
    }
}

impl Checkpointer {
    pub(super) fn start(
        path: &Path,
        writer: &mut Connection,
        broken: Arc<AtomicBool>,
        on_fatal: OnFatal,
    ) -> Result<Self, OpenError> {
        let connection = Connection::open(path, Use::Write)?;
        let shared = Arc::new(Shared::default());
        // It holds one run at most, and as many batches as are brought in meanwhile.
        let (works, to_do) = channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(connection, &to_do, &of_thread, &broken, &on_fatal))
            .map_err(|e| OpenError(format!("cannot start the checkpoint thread: {e}")))?;
        let of_writer = Arc::clone(&shared);
        writer
            .inner()
            .wal_hook(Some(move |_: &mut Wal, pages| {
                of_writer
                    .log
                    .store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|e| OpenError(format!("cannot watch the write-ahead log: {e}")))?;
        Ok(Self {
            shared,
            plan: Plan::default(),
            works: Some(works),
            thread: Some(thread),
        })
    }

    /// Frees a batch, unless somebody has a hold on it still, who frees it then.
    pub(super) fn free(&self, batch: Arc<Batch>) {
        if let Some(works) = &self.works {
            // Where the thread has ended it is freed here.
            let _ended = works.send(Work::Free(batch));
        }
    }

    /// From now on the writer moves pages after each commit, and the disk fails.
    #[cfg(test)]
    pub(super) fn fail(&self) {
        self.shared.fails.store(true, Ordering::Relaxed);
    }

    /// Called by the writer after each commit. An error is one of the disk: what was moved before may be lost, so nothing may be
    /// moved any more.
    pub(super) fn committed(&mut self, writer: &mut Connection) -> Result<(), StoreError> {
        let shared = &self.shared;
        let is_running = shared.is_running.load(Ordering::Acquire);
        let (log, moved) = (&shared.log, &shared.moved);
        let next = self.plan.next(
            log.load(Ordering::Relaxed),
            moved.load(Ordering::Relaxed),
            is_running,
        );
        #[cfg(test)]
        let next = match shared.fails.load(Ordering::Relaxed) {
            true => Next::Finish,
            false => next,
        };
        let moved = match (next, &self.works) {
            (Next::Run, Some(works)) => {
                shared.is_running.store(true, Ordering::Release);
                if works.send(Work::Run).is_err() {
                    shared.is_running.store(false, Ordering::Release);
                }
                Ok(())
            }
            (Next::Finish, _) => shared.checkpoint(writer),
            (Next::Restart, _) => shared.restart(writer),
            (Next::Run | Next::Nothing, _) => Ok(()),
        };
        match moved {
            Err(error @ StoreError::Broken(_)) => Err(error),
            Err(error) => {
                warn_of(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

fn run(
    mut connection: Connection,
    to_do: &Receiver<Work>,
    shared: &Shared,
    broken: &AtomicBool,
    on_fatal: &OnFatal,
) {
    while let Ok(work) = to_do.recv() {
        match work {
            Work::Run => {}
            Work::Free(batch) => {
                drop(batch);
                continue;
            }
        }
        match shared.run(&mut connection, broken) {
            Ok(()) => {}
            Err(StoreError::Broken(why)) => {
                broken.store(true, Ordering::Release);
                on_fatal(&why);
                break;
            }
            Err(error) => warn_of(&error),
        }
        shared.is_running.store(false, Ordering::Release);
        if broken.load(Ordering::Acquire) {
            break;
        }
    }
    if broken.load(Ordering::Acquire) {
        // Closing in order would sync again.
        std::mem::forget(connection);
    }
}

/// Moves what no reader still needs to be left, and waits for nobody.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Moves all, and waits for those who read from the log, so that the next commit starts it again.
const RESTART: &str = "PRAGMA wal_checkpoint(RESTART)";

/// How many pages of the log have been moved in all. What it could not do, since somebody was in its way, is no error.
fn checkpoint(connection: &mut Connection, how: &str) -> Result<u32, StoreError> {
    connection
        .inner()
        .query_row(how, [], |row| row.get::<_, i64>(2))
        .map(|pages| u32::try_from(pages).unwrap_or(0))
        .map_err(|e| store_error(&e))
}

fn warn_of(error: &StoreError) {
    tracing::warn!(%error, "a checkpoint failed; the next one tries again");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits of so many pages each; what is done after each that does anything, and how long the log was then.
    fn plan(commits: u32, pages: u32, mut done: impl FnMut(Next, u32) -> (u32, u32)) -> Vec<(Next, u32)> {
        let (mut plan, mut log, mut moved, mut all) = (Plan::default(), 0, 0, Vec::new());
        for _ in 0..commits {
            log += pages;
            let next = plan.next(log, moved, false);
            if next != Next::Nothing {
                all.push((next, log));
                (log, moved) = done(next, log);
            }
        }
        all
    }

    #[test]
    fn the_thread_runs_and_the_writer_finishes_when_little_is_left() {
        // A run leaves what came meanwhile, 300 pages; after a finish the log starts again.
        let done = plan(300, 100, |next, log| match next {
            Next::Finish => (0, 0),
            _ => (log + 300, log),
        });
        let cycle = [
            (Next::Run, 4_100),
            (Next::Run, 8_200),
            (Next::Run, 12_300),
            (Next::Finish, 12_700),
        ];
        assert_eq!(done[..8], [cycle, cycle].concat());
    }

    #[test]
    fn what_is_done_in_vain_is_not_done_again_at_once() {
        let least_between = |done: &[(Next, u32)], what: &[Next]| {
            let of_them = done.iter().filter(|(next, _)| what.contains(next));
            let at: Vec<u32> = of_them.map(|(_, log)| *log).collect();
            assert!(at.len() > 10, "{done:?}");
            at.windows(2).map(|two| two[1] - two[0]).min().unwrap()
        };
        // Somebody reads a snapshot of the beginning all the time: nothing can be moved.
        let done = plan(4_000, 100, |_, log| (log, 0));
        assert!(
            done.iter()
                .all(|(next, log)| *next == Next::Run || *log >= PAGES_MAX)
        );
        assert!(least_between(&done, &[Next::Run]) >= RUN_PAGES);
        // That writes wait for readers becomes ever more seldom.
        let waits: Vec<u32> = done
            .iter()
            .filter(|(next, _)| *next == Next::Restart)
            .map(|(_, log)| *log)
            .collect();
        assert_eq!(waits.len(), 12, "{waits:?}");
        assert!(
            waits.windows(2).all(|two| two[1] - two[0] >= two[1] / 4),
            "{waits:?}"
        );
        // Somebody else reads what is newest: all is moved, and the log goes on.
        let done = plan(1_000, 100, |_, log| (log, log));
        assert!(least_between(&done, &[Next::Finish]) >= REST_PAGES);
    }

    #[test]
    fn a_slow_thread_does_not_let_the_log_grow_without_end() {
        // A run leaves as much as it was begun with.
        let done = plan(400, 100, |next, log| match next {
            Next::Restart => (0, 0),
            _ => (log + RUN_PAGES, log),
        });
        let longest = done.iter().map(|(_, log)| *log).max();
        assert!(longest.unwrap() < PAGES_MAX + RUN_PAGES, "{longest:?}");
        assert!(done.iter().any(|(next, _)| *next == Next::Restart));
    }

    /// How many passes the thread makes over a log that is so long, where each leaves so many pages.
    fn passes(log: u32, leaves: impl Fn(u32) -> u32) -> u32 {
        let (mut passes, mut log) = (Passes::new(log), log);
        loop {
            let moved = log;
            log += leaves(passes.done);
            if !passes.goes_on(log, moved) {
                return passes.done;
            }
        }
    }

    #[test]
    fn the_thread_goes_over_a_log_that_is_to_start_again_until_little_is_left() {
        assert_eq!(
            passes(RESTART_PAGES - 1, |_| 300),
            1,
            "it is not to start again yet"
        );
        assert_eq!(passes(RESTART_PAGES, |_| 1), PASSES);
        assert_eq!(passes(RESTART_PAGES, |done| 2_000 >> done), PASSES);
        assert_eq!(passes(RESTART_PAGES, |done| 4_000 >> done), PASSES + 1);
        assert_eq!(
            passes(RESTART_PAGES, |_| 300),
            PASSES_MAX,
            "it never becomes little"
        );
        assert_eq!(passes(RESTART_PAGES, |_| 0), 1, "nothing is left");
        // Somebody reads a snapshot that nothing behind may be moved of.
        let mut held_up = Passes::new(RESTART_PAGES);
        assert!(held_up.goes_on(RESTART_PAGES + 300, 2_000));
        assert!(!held_up.goes_on(RESTART_PAGES + 600, 2_000));
        // The writer has started the log again meanwhile.
        let mut again = Passes::new(RESTART_PAGES);
        assert!(!again.goes_on(40, RESTART_PAGES));
    }

    #[test]
    fn while_the_thread_runs_nothing_else_is_done() {
        let mut plan = Plan::default();
        assert_eq!(plan.next(RUN_PAGES, 0, true), Next::Nothing);
        assert_eq!(plan.next(PAGES_MAX - 1, PAGES_MAX - 2, true), Next::Nothing);
        assert_eq!(
            plan.next(PAGES_MAX, 0, true),
            Next::Restart,
            "but that it is waited for"
        );
        // The thread was told when the log was short, and moved all that there was: it goes over it again before the writer finishes.
        let mut plan = Plan::default();
        assert_eq!(plan.next(RUN_PAGES, 0, false), Next::Run);
        assert_eq!(plan.next(RESTART_PAGES, RESTART_PAGES - 9, false), Next::Run);
        assert_eq!(plan.next(RESTART_PAGES + 9, RESTART_PAGES, false), Next::Finish);
        let mut plan = Plan::default();
        // What was moved before the log started again says nothing of what is left.
        assert_eq!(plan.next(RUN_PAGES, RUN_PAGES * 3, false), Next::Run);
    }
}
