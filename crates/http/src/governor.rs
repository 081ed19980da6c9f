//! Overload: it sees how long requests wait, and turns some away at once so that the others do not.
//!
//! Requests wait in two places: before they are begun (in their sockets and in the runtime's queue), and under way
//! (for the one writer of SQLite, for a connection to PostgreSQL). The first wait is measured by a byte that the server
//! sends to itself, which waits as requests do ([`Governor::watch`]); the second follows from how many are under
//! way and how many are answered. A `guildhall_domain::overload::Gate` for each decides; the clock is handed in.
//!
//! While there are few connections all this costs a look at one flag a request, and nothing is ever refused.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guildhall_domain::overload::{CHANGE_WEIGHT, CROWD, Gate, Pace, Patience, STEP, Seen};
use guildhall_domain::{Clock, TenantId};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// How long requests may wait before they are begun.
const AT_THE_DOOR: Patience = Patience {
    late: Duration::from_millis(50),
    aim: Duration::from_millis(25),
};
/// How long they may be under way on average.
const UNDER_WAY: Patience = Patience {
    late: Duration::from_millis(100),
    aim: Duration::from_millis(50),
};
/// Reads that take less on average are never refused at the door: to refuse one costs some ten microseconds too, and
/// its connection several times that either way, in the kernel.
const WORTH_REFUSING: Duration = Duration::from_micros(50);
/// Between two bytes that the server sends to itself.
const PROBE_EVERY: Duration = Duration::from_millis(5);
/// Between two lines of the log.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something.
    Change,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Read, Self::Change];

    /// What a method does.
    pub fn of(method: &http::Method) -> Self {
        match method.is_safe() {
            true => Self::Read,
            false => Self::Change,
        }
    }

    fn weight(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Change => CHANGE_WEIGHT,
        }
    }
}

/// How far it goes at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum State {
    /// Few connections: nothing is counted.
    Few,
    /// Many: it looks.
    Watching,
    /// Some requests are refused.
    Refusing,
}

/// What was counted of the requests of one kind.
#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    under_way: AtomicUsize,
    /// Nanoseconds that those took which are done.
    took: AtomicU64,
    timed: AtomicU64,
}

/// What is looked at together, once a step.
struct Rules {
    door: Gate,
    /// By kind.
    inside: [Gate; 2],
    paces: [Pace; 2],
    /// What the counts were at the last step.
    begun: [u64; 2],
    answered: [u64; 2],
    /// How long reads take on average.
    reads_take: Pace,
    stepped: Duration,
}

/// Decides which requests are refused because there are too many.
pub struct Governor {
    clock: Arc<dyn Clock>,
    state: AtomicU8,
    counts: [Counts; 2],
    rules: Mutex<Rules>,
    refused: AtomicU64,
    crowded: Notify,
}

/// How long requests wait before they are begun, and how many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// How long.
    pub wait: Duration,
    /// How many were begun in the time that one waited.
    pub crowd: usize,
}

/// A request that was begun, until this is dropped.
pub struct UnderWay<'a> {
    counts: Option<&'a Counts>,
    has_come: bool,
}

/// A request that waits and may be begun then, until this is dropped.
pub struct Waiting<'a> {
    counts: Option<&'a Counts>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts {
            counts.under_way.fetch_sub(1, Relaxed);
        }
    }
}

impl UnderWay<'_> {
    /// All of it has come: from now on it waits for the server, and no longer for its client.
    pub fn has_come(&mut self) {
        if let Some(counts) = self.counts
            && !std::mem::replace(&mut self.has_come, true)
        {
            counts.under_way.fetch_add(1, Relaxed);
        }
    }

    /// It is answered, and took so long.
    pub fn took(&self, took: Duration) {
        if let Some(counts) = self.counts {
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            counts.took.fetch_add(took, Relaxed);
            counts.timed.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts
            && self.has_come
        {
            counts.under_way.fetch_sub(1, Relaxed);
            counts.answered.fetch_add(1, Relaxed);
        }
    }
}

impl Governor {
    /// One that refuses nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.monotonic();
        Self {
            clock,
            state: AtomicU8::new(State::Few as u8),
            counts: Default::default(),
            rules: Mutex::new(Rules {
                door: Gate::new(AT_THE_DOOR),
                inside: [Gate::new(UNDER_WAY), Gate::new(UNDER_WAY)],
                paces: Default::default(),
                begun: [0; 2],
                answered: [0; 2],
                reads_take: Pace::default(),
                stepped: now,
            }),
            refused: AtomicU64::new(0),
            crowded: Notify::new(),
        }
    }

    /// There are so many connections now.
    pub fn connections(&self, count: usize) {
        let is_few = self.state.load(Relaxed) == State::Few as u8;
        match (is_few, count > CROWD) {
            (true, true) => {
                self.restart();
                self.state.store(State::Watching as u8, Relaxed);
                self.crowded.notify_one();
            }
            (false, false) => {
                // With the lock held no step raises it again.
                let mut rules = self.rules();
                rules.gates().for_each(Gate::open);
                self.state.store(State::Few as u8, Relaxed);
            }
            _ => {}
        }
    }

    /// Whether some requests are refused at this time.
    pub fn is_refusing(&self) -> bool {
        self.state.load(Relaxed) == State::Refusing as u8
    }

    /// Whether a request may begin. `who` is asked only where that matters.
    pub fn lets_in(&self, kind: Kind, who: impl FnOnce() -> Option<TenantId>) -> bool {
        if !self.is_refusing() {
            return true;
        }
        let (who, now) = (who(), self.clock.monotonic());
        let mut rules = self.rules();
        let admits = |gate: &mut Gate| gate.admits(who, kind.weight(), now);
        admits(&mut rules.door) && admits(&mut rules.inside[kind as usize])
    }

    /// What is to be counted of a kind, if anything is.
    fn counts(&self, kind: Kind) -> Option<&Counts> {
        let is_few = self.state.load(Relaxed) == State::Few as u8;
        (!is_few).then(|| &self.counts[kind as usize])
    }

    /// A request that was let in waits until it is known who answers it: it is under way, and neither begun nor answered.
    pub fn wait(&self, kind: Kind) -> Waiting<'_> {
        let counts = self.counts(kind);
        if let Some(counts) = counts {
            counts.under_way.fetch_add(1, Relaxed);
        }
        Waiting { counts }
    }

    /// Begins a request that was let in.
    pub fn begin(&self, kind: Kind) -> UnderWay<'_> {
        let counts = self.counts(kind);
        if let Some(counts) = counts {
            counts.begun.fetch_add(1, Relaxed);
        }
        UnderWay {
            counts,
            has_come: false,
        }
    }

    /// A request was refused.
    pub fn turned_away(&self, kind: Kind) {
        self.counts[kind as usize].begun.fetch_add(1, Relaxed);
        self.refused.fetch_add(1, Relaxed);
    }

    /// Looks at what waits and moves the gates; to be called about once a [`STEP`].
    pub fn step(&self, door: Door) {
        let now = self.clock.monotonic();
        let mut rules = self.rules();
        if self.state.load(Relaxed) == State::Few as u8 {
            return;
        }
        let took = now.saturating_sub(std::mem::replace(&mut rules.stepped, now));
        let mut asked = [0; 2];
        for kind in Kind::ALL {
            let (at, counts) = (kind as usize, &self.counts[kind as usize]);
            let begun = counts.begun.load(Relaxed);
            let answered = counts.answered.load(Relaxed);
            let new = begun - std::mem::replace(&mut rules.begun[at], begun);
            asked[at] = new * u64::from(kind.weight());
            let done = answered - std::mem::replace(&mut rules.answered[at], answered);
            rules.paces[at].note(done, took);
            let crowd = counts.under_way.load(Relaxed);
            let wait = rules.paces[at].wait(crowd);
            let seen = Seen {
                wait,
                crowd,
                asked: asked[at],
                done: done * u64::from(kind.weight()),
            };
            rules.inside[at].step(seen, now);
        }
        let seen = Seen {
            wait: door.wait,
            crowd: door.crowd,
            asked: asked.iter().sum(),
            done: asked.iter().sum(),
        };
        let reads = &self.counts[Kind::Read as usize];
        let (took, timed) = (reads.took.swap(0, Relaxed), reads.timed.swap(0, Relaxed));
        rules.reads_take.note(timed, Duration::from_nanos(took));
        let is_of_reads = asked[Kind::Read as usize] > asked[Kind::Change as usize];
        match is_of_reads && rules.reads_take.wait(1) <= WORTH_REFUSING {
            true => rules.door.open(),
            false => rules.door.step(seen, now),
        }
        let is_open = rules.gates().all(|gate| gate.is_open());
        let state = if is_open { State::Watching } else { State::Refusing };
        self.state.store(state as u8, Relaxed);
    }

    /// Watches for as long as it is polled: sends a byte to itself again and again, sees how long it takes until
    /// it is read, and steps.
    ///
    /// # Errors
    ///
    /// When the machine gives no pair of sockets.
    pub async fn watch(&self) -> io::Result<()> {
        let (near, mut far) = UnixStream::pair()?;
        let mut buffer = [0; 8];
        let mut waits = Waits::default();
        let mut since = self.clock.monotonic();
        let mut told = since;
        loop {
            if self.state.load(Relaxed) == State::Few as u8 {
                self.crowded.notified().await;
                waits = Waits::default();
                since = self.clock.monotonic();
            }
            tokio::time::sleep(PROBE_EVERY).await;
            // Finds nothing, so that the read below waits for the machine to say that there is something, as
            // the reads of connections do.
            let _nothing = far.try_read(&mut buffer);
            let (sent, begun) = (self.clock.monotonic(), self.begun());
            near.try_write(b"?")?;
            far.read_exact(&mut buffer[..1]).await?;
            let now = self.clock.monotonic();
            waits.note(now.saturating_sub(sent), self.begun() - begun);
            if now.saturating_sub(since) < STEP {
                continue;
            }
            self.step(std::mem::take(&mut waits).door());
            since = now;
            if now.saturating_sub(told) >= TELL_EVERY {
                told = now;
                self.tell();
            }
        }
    }

    /// One line for many refusals: a line each would cost more than what they refuse.
    fn tell(&self) {
        let refused = self.refused.swap(0, Relaxed);
        if refused > 0 {
            tracing::warn!(refused, "overload: requests turned away");
        }
    }

    /// How many requests were begun, or refused.
    fn begun(&self) -> u64 {
        self.counts.iter().map(|counts| counts.begun.load(Relaxed)).sum()
    }

    /// What was counted before does not count.
    fn restart(&self) {
        let mut rules = self.rules();
        rules.stepped = self.clock.monotonic();
        rules.paces = Default::default();
        rules.reads_take = Pace::default();
        for at in 0..2 {
            rules.begun[at] = self.counts[at].begun.load(Relaxed);
            rules.answered[at] = self.counts[at].answered.load(Relaxed);
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the bytes of a step found.
#[derive(Default)]
struct Waits {
    /// Seconds, and seconds of waiting in each of them.
    time: f64,
    waited: f64,
    crowd: u64,
}

impl Waits {
    /// A byte that waits long stands for all of the time in which no other was sent.
    fn note(&mut self, wait: Duration, begun: u64) {
        let stands_for = (wait + PROBE_EVERY).as_secs_f64();
        self.time += stands_for;
        self.waited += wait.as_secs_f64() * stands_for;
        self.crowd = self.crowd.max(begun);
    }

    fn door(self) -> Door {
        Door {
            wait: Duration::from_secs_f64(self.waited / self.time.max(f64::MIN_POSITIVE)),
            crowd: usize::try_from(self.crowd).unwrap_or(usize::MAX),
        }
    }
}

impl Rules {
    fn gates(&mut self) -> impl Iterator<Item = &mut Gate> {
        std::iter::once(&mut self.door).chain(&mut self.inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guildhall_domain::Timestamp;
    use guildhall_testkit::ManualClock;

    #[test]
    fn a_byte_that_waits_long_stands_for_all_of_its_time() {
        let mut waits = Waits::default();
        // Five milliseconds each pass before a byte is sent: 100 of 200 in which one waited for 95.
        for _ in 0..20 {
            waits.note(Duration::ZERO, 3);
        }
        waits.note(Duration::from_millis(95), 400);
        let door = waits.door();
        assert!((door.wait.as_secs_f64() - 0.0475).abs() < 0.000_001, "{door:?}");
        assert_eq!(door.crowd, 400);
        assert_eq!(Waits::default().door().wait, Duration::ZERO);
    }

    /// A governor of a crowd whose reads take so long, after some late steps.
    fn late(take: Duration) -> Governor {
        let clock = ManualClock::new(Timestamp(0));
        let governor = Governor::new(Arc::new(clock.clone()));
        governor.connections(CROWD + 1);
        for step in 1..10 {
            for _ in 0..10 {
                let mut read = governor.begin(Kind::Read);
                read.has_come();
                read.took(take);
            }
            clock.advance(STEP);
            governor.step(Door {
                wait: Duration::from_secs(step),
                crowd: 2 * CROWD,
            });
        }
        governor
    }

    #[test]
    fn reads_are_refused_at_the_door_where_they_take_longer_than_a_refusal() {
        assert!(late(WORTH_REFUSING * 2).is_refusing());
        // Better some of them late than all of them never.
        assert!(!late(WORTH_REFUSING / 2).is_refusing());
    }

    /// It is counted by whoever answers it.
    #[test]
    fn one_that_waits_is_under_way_and_neither_begun_nor_answered() {
        let governor = Governor::new(Arc::new(ManualClock::new(Timestamp(0))));
        let counts = &governor.counts[Kind::Read as usize];
        let counted = || {
            let under_way = counts.under_way.load(Relaxed);
            (
                under_way,
                counts.begun.load(Relaxed),
                counts.answered.load(Relaxed),
            )
        };
        let of_few = governor.wait(Kind::Read);
        assert_eq!(counted(), (0, 0, 0));
        governor.connections(CROWD + 1);
        drop(of_few);
        let waiting = governor.wait(Kind::Read);
        assert_eq!(counted(), (1, 0, 0));
        drop(waiting);
        assert_eq!(counted(), (0, 0, 0));
    }

    #[test]
    fn what_changes_nothing_is_a_read() {
        for method in [http::Method::GET, http::Method::HEAD, http::Method::OPTIONS] {
            assert_eq!(Kind::of(&method), Kind::Read);
        }
        for method in [
            http::Method::POST,
            http::Method::PUT,
            http::Method::DELETE,
            http::Method::PATCH,
        ] {
            assert_eq!(Kind::of(&method), Kind::Change);
        }
    }
}
