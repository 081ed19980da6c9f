//! What is refused when more is asked for than can be done, and whose.
//!
//! A [`Gate`] stands before a place where requests wait. It is open until so many wait for so long that it is no
//! longer the machine that is slow but the crowd that is large. Then it has a *level*: what each tenant may ask for
//! in a second. Who asks for less is never refused, so a flood is its own tenant's trouble. The level moves with the
//! time that requests wait, by small steps; where it refuses nobody any more, the gate is open again.
//!
//! Times are those of a clock that never jumps.

use std::collections::HashMap;
use std::time::Duration;

use crate::TenantId;

/// Where fewer wait, or have come in the time that one waited, nothing is refused, however long they wait: a slow
/// machine is no overload.
pub const CROWD: usize = 256;
/// The crowd that a level is steered to, where requests take so long that even so few wait longer than the aim.
const CROWD_AIM: usize = CROWD / 2;
/// How often a gate is looked after.
pub const STEP: Duration = Duration::from_millis(100);
/// What a request weighs that changes something, beside one that reads: what it costs, about.
pub const CHANGE_WEIGHT: u32 = 8;

/// A tenant's requests may come so close together, however low the level is.
const BURST: Duration = Duration::from_millis(50);
/// Units that a tenant may have at once where the level would allow less: a page that asks for a few things asks for
/// them together.
pub const BURST_LEAST: u32 = 16;
/// Steps in a row after which long waits are an overload.
const LATE_STEPS: u32 = 2;
/// Steps in a row in which nobody was refused, after which the gate is open.
const QUIET_STEPS: u32 = 10;
/// Where the first level stands, of the most that was asked for lately, and what is left of that most with each step.
const FIRST: f64 = 0.6;
const MOST_KEPT: f64 = 0.8;
/// How strongly a level answers to the difference between the time that requests wait and the aim.
const ANSWER: f64 = 0.1;
/// What a step leaves of a level at least.
const DOWN_MOST: f64 = 0.7;
/// What is left of one that is so high that it refuses nobody, though requests wait.
const FALL: f64 = 0.5;
/// Where a wait is less than this of the one before, those who waited are being worked off.
const FALLING: f64 = 0.85;
/// Steps in a row with hardly any wait, after which a level rises faster, and how fast.
const IDLE_STEPS: u32 = 3;
const UP_FAST: f64 = 1.2;
/// What is hardly any wait, of the aim.
const IDLE_WAIT: f64 = 0.25;
/// A level is not lowered where less than this part of what can be done is let through: refusing costs something
/// too, and where even that is too much it is better to do some of it late than all of it never.
const DONE_LEAST: f64 = 0.4;
/// Steps in a row in which it was not lowered for that reason, after which the gate is opened to find out anew
/// what can be done.
const FUTILE_STEPS: u32 = 50;
/// How much of the pace is that of the last step.
const PACE_NEW: f64 = 0.2;
/// No level is lower: a unit a second.
const LEVEL_LEAST: f64 = 1.0;

/// How long requests may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Longer waits are an overload when they last.
    pub late: Duration,
    /// The wait that the level is steered to.
    pub aim: Duration,
}

/// What was seen of a place since the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How long requests wait.
    pub wait: Duration,
    /// How many wait.
    pub crowd: usize,
    /// What was asked for since then, refused or not, in units of the weight of a read.
    pub asked: u64,
    /// What was answered or handed on since then, refusals too, in the same units: where nothing was, the place
    /// stands still, and nothing can be learned from its waits.
    pub done: u64,
}

/// A place before which requests are refused when there are too many.
#[derive(Clone, Debug)]
pub struct Gate {
    patience: Patience,
    /// Units a second that each tenant may have; none where nothing is refused.
    level: Option<f64>,
    /// When a tenant's next request would come at the level's pace. Requests without a known tenant are one.
    next: HashMap<Option<TenantId>, Duration>,
    /// Steps in a row that were late, in which nobody was refused, and in which hardly anybody waited.
    late: u32,
    quiet: u32,
    idle: u32,
    /// Steps in which refusing more would have been of no use, since the last one in which it would, or nobody
    /// waited too long.
    futile: u32,
    /// The most that was asked for lately, in units a second.
    most: f64,
    /// The most that was done lately, in units a second; while something is refused, at any time since.
    could: f64,
    /// What is let through lately, in units a second.
    pace: f64,
    /// The wait at the last step.
    waited: Duration,
    /// Requests refused since then, and units let through.
    refused: u64,
    admitted: u64,
    stepped: Duration,
}

impl Gate {
    /// A gate that is open.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            level: None,
            next: HashMap::new(),
            late: 0,
            quiet: 0,
            idle: 0,
            futile: 0,
            most: 0.0,
            could: 0.0,
            pace: 0.0,
            waited: Duration::ZERO,
            refused: 0,
            admitted: 0,
            stepped: Duration::ZERO,
        }
    }

    /// Whether nothing is refused.
    pub fn is_open(&self) -> bool {
        self.level.is_none()
    }

    /// Units a second that each tenant may have, where something is refused.
    pub fn level(&self) -> Option<f64> {
        self.level
    }

    /// Forgets everything: there is no crowd any more.
    pub fn open(&mut self) {
        *self = Self {
            stepped: self.stepped,
            ..Self::new(self.patience)
        };
    }

    /// Whether a request is let through. `weight` is in units of that of a read.
    pub fn admits(&mut self, who: Option<TenantId>, weight: u32, now: Duration) -> bool {
        let Some(level) = self.level else {
            return true;
        };
        let next = self.next.entry(who).or_insert(now);
        let burst = BURST.max(Duration::from_secs_f64(f64::from(BURST_LEAST) / level));
        if *next > now + burst {
            self.refused += 1;
            return false;
        }
        self.admitted += u64::from(weight);
        *next = (*next).max(now) + Duration::from_secs_f64(f64::from(weight) / level);
        true
    }

    /// Moves the level by what was seen; to be called about once a [`STEP`].
    pub fn step(&mut self, seen: Seen, now: Duration) {
        let passed = now.saturating_sub(self.stepped).max(STEP / 10).as_secs_f64();
        self.stepped = now;
        let asking = self.next.len();
        self.next.retain(|_, next| *next > now);
        let refused = std::mem::take(&mut self.refused);
        let admitted = std::mem::take(&mut self.admitted) as f64 / passed;
        // Of one step it says little where only a few requests are let through in a second.
        self.pace += (admitted - self.pace) * PACE_NEW;
        let waited = std::mem::replace(&mut self.waited, seen.wait);
        let asked = seen.asked as f64 / passed;
        self.most = (self.most * MOST_KEPT).max(asked);
        self.could = match self.is_open() {
            true => (self.could * MOST_KEPT).max(seen.done as f64 / passed),
            false => self.could.max(self.pace),
        };
        let is_late = seen.wait > self.patience.late && seen.crowd >= CROWD;
        // Beside the aim, where there is a crowd. Without one nobody waits for others.
        let wait = (seen.wait.as_secs_f64() / self.patience.aim.as_secs_f64())
            .min(seen.crowd as f64 / CROWD_AIM as f64);
        let run = |steps: u32, goes_on: bool| if goes_on { steps + 1 } else { 0 };
        self.late = run(self.late, is_late);
        self.quiet = run(self.quiet, refused == 0);
        self.idle = run(self.idle, wait < IDLE_WAIT);
        let Some(level) = self.level else {
            self.pace = self.could;
            if self.late >= LATE_STEPS {
                self.level = Some((self.most * FIRST).max(LEVEL_LEAST));
                self.quiet = 0;
            }
            return;
        };
        if (self.quiet >= QUIET_STEPS && !is_late) || self.futile >= FUTILE_STEPS {
            return self.open();
        }
        let factor = if wait <= 1.0 {
            self.futile = 0;
            match (refused, self.idle > IDLE_STEPS) {
                // It is high enough for all.
                (0, _) => 1.0,
                (_, true) => UP_FAST,
                (_, false) => 1.0 + ANSWER * (1.0 - wait),
            }
        } else if seen.done == 0 || seen.wait < waited.mul_f64(FALLING) {
            // Those who wait came under an older level: lower, it would be too low when they are gone.
            1.0
        } else if is_late && refused == 0 {
            // Where hardly anything is asked for, those who wait came before, and there is nothing to refuse.
            if asked < self.could * DONE_LEAST {
                1.0
            } else {
                FALL
            }
        } else if admitted.min(self.pace) < self.could * DONE_LEAST {
            self.futile += 1;
            1.0
        } else {
            self.futile = 0;
            (1.0 + ANSWER * (1.0 - wait)).max(DOWN_MOST)
        };
        // With that least part in equal shares nobody is worse off, however the level swings.
        let share = match asking {
            0 => 0.0,
            count => self.could * DONE_LEAST / count as f64,
        };
        self.level = Some((level * factor).max(share.min(level)).max(LEVEL_LEAST));
    }
}

/// How long requests are under way on average, from how many are and how many were answered: what is under way
/// divided by its pace. Older times count ever less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    done: f64,
    seconds: f64,
}

impl Pace {
    /// What is left of older times with each new one.
    const KEPT: f64 = 0.75;
    /// However few are answered, it is no longer.
    const WAIT_MOST: f64 = 60.0;

    /// In this time so many were answered.
    pub fn note(&mut self, done: u64, took: Duration) {
        self.done = self.done * Self::KEPT + done as f64;
        self.seconds = self.seconds * Self::KEPT + took.as_secs_f64();
    }

    /// How long it takes at this pace to answer so many.
    pub fn wait(&self, under_way: usize) -> Duration {
        if under_way == 0 {
            return Duration::ZERO;
        }
        let wait = under_way as f64 * self.seconds / self.done;
        // Of no time and nothing done nothing is known.
        let wait = if wait.is_nan() { 0.0 } else { wait };
        Duration::from_secs_f64(wait.min(Self::WAIT_MOST))
    }
}

#[cfg(test)]
mod tests;
