//! Who waits to be done together. One that is alone is done at once. While as many units of a line are under
//! way as are worth it, those that come wait, and are one unit next. There is no timer: under load units grow
//! by themselves.
//!
//! A unit has a *turn*, which is a promise that somebody takes those that wait; it goes on to the next unit or
//! is given up, also when the unit ends before its time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Units of a line under way at most: while one waits for the disk, another is made ready.
const UNITS_MAX: usize = 2;
/// So many who wait are worth a unit beside another: smaller ones cost more than they gain.
const MANY: usize = 16;
/// How many are done together at most.
pub(crate) const TOGETHER_MAX: usize = 50;
/// How much they weigh at most, but for one that weighs more alone: bytes.
const WEIGHT_MAX: usize = 256 * 1024;

/// Lines of those that wait, by what they have in common.
pub(crate) struct Folds<K, W, A> {
    lines: Mutex<Lines<K, W, A>>,
}

struct Lines<K, W, A> {
    /// Those that somebody waits in, or that have a unit under way.
    lines: HashMap<K, Line<W, A>>,
    entered: u64,
}

struct Line<W, A> {
    waiting: VecDeque<Waiting<W, A>>,
    /// Turns that were given and not given up.
    turns: usize,
    /// Of these, those that have not taken anything yet.
    coming: usize,
}

struct Waiting<W, A> {
    ticket: u64,
    weight: usize,
    work: W,
    answer: oneshot::Sender<A>,
}

/// A place in a line.
pub(crate) struct Place<A> {
    /// Whether a turn begins with it.
    pub(crate) begins: bool,
    /// What it is known by.
    pub(crate) ticket: u64,
    /// Where the answer comes.
    pub(crate) answer: oneshot::Receiver<A>,
}

/// Those that are done together.
pub(crate) struct Together<W, A> {
    /// What is to be done.
    pub(crate) works: Vec<W>,
    /// Who waits for it, in the same order.
    pub(crate) answers: Vec<oneshot::Sender<A>>,
    /// Whether one more turn begins, for those that wait still.
    pub(crate) begins: bool,
}

impl<K, W, A> Default for Folds<K, W, A> {
    fn default() -> Self {
        Self {
            lines: Mutex::new(Lines {
                lines: HashMap::new(),
                entered: 0,
            }),
        }
    }
}

impl<W, A> Line<W, A> {
    /// Whether another turn is worth it, now that so many wait for whom nobody comes.
    fn begins(&mut self, is_awaited: bool) -> bool {
        let begins = is_awaited && self.turns < UNITS_MAX;
        self.turns += usize::from(begins);
        self.coming += usize::from(begins);
        begins
    }
}

impl<K: Clone + Eq + Hash, W, A> Folds<K, W, A> {
    fn lines(&self) -> MutexGuard<'_, Lines<K, W, A>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in line.
    pub(crate) fn enter(&self, key: &K, work: W, weight: usize) -> Place<A> {
        let mut all = self.lines();
        all.entered += 1;
        let ticket = all.entered;
        let line = all.lines.entry(key.clone()).or_insert_with(|| Line {
            waiting: VecDeque::new(),
            turns: 0,
            coming: 0,
        });
        let (sender, answer) = oneshot::channel();
        let enough = match line.turns {
            0 => 0,
            _ => MANY - 1,
        };
        let is_awaited = line.waiting.len() >= line.coming * TOGETHER_MAX + enough;
        let begins = line.begins(is_awaited);
        line.waiting.push_back(Waiting {
            ticket,
            weight,
            work,
            answer: sender,
        });
        Place {
            begins,
            ticket,
            answer,
        }
    }

    /// Waits no longer; whether nobody has taken it.
    pub(crate) fn leave(&self, key: &K, ticket: u64) -> bool {
        let mut all = self.lines();
        let Some(line) = all.lines.get_mut(key) else {
            return false;
        };
        let place = line.waiting.iter().position(|each| each.ticket == ticket);
        place.and_then(|place| line.waiting.remove(place)).is_some()
    }

    /// Those whose turn it is, in the order in which they came; who has left meanwhile is left out.
    pub(crate) fn take(&self, key: &K) -> Together<W, A> {
        let (mut works, mut answers) = (Vec::new(), Vec::new());
        let mut all = self.lines();
        let Some(line) = all.lines.get_mut(key) else {
            let begins = false;
            return Together {
                works,
                answers,
                begins,
            };
        };
        line.coming = line.coming.saturating_sub(1);
        let mut weight = 0;
        while let Some(first) = line.waiting.front() {
            let is_full = works.len() == TOGETHER_MAX || weight + first.weight > WEIGHT_MAX;
            if !first.answer.is_closed() && is_full && !works.is_empty() {
                break;
            }
            if let Some(first) = line.waiting.pop_front()
                && !first.answer.is_closed()
            {
                weight += first.weight;
                works.push(first.work);
                answers.push(first.answer);
            }
        }
        let begins = line.begins(line.coming == 0 && !line.waiting.is_empty());
        Together {
            works,
            answers,
            begins,
        }
    }

    /// Ends a turn; whether it goes on, since somebody waits. One that has taken nobody will not: then those
    /// that wait are told so, by the end of their answers.
    pub(crate) fn end(&self, key: &K, has_taken: bool) -> bool {
        let mut all = self.lines();
        let Some(line) = all.lines.get_mut(key) else {
            return false;
        };
        if !has_taken {
            line.coming = line.coming.saturating_sub(1);
            line.waiting.clear();
        }
        let goes_on = line.waiting.len() > line.coming * TOGETHER_MAX;
        match goes_on {
            true => line.coming += 1,
            false => line.turns = line.turns.saturating_sub(1),
        }
        if line.turns == 0 {
            all.lines.remove(key);
        }
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = Folds<u8, usize, ()>;

    fn enter(line: &Line, work: usize) -> Place<()> {
        line.enter(&0, work, 1)
    }

    fn take(line: &Line) -> Vec<usize> {
        line.take(&0).works
    }

    #[test]
    fn one_goes_at_once_and_those_who_come_meanwhile_go_together() {
        let line = Line::default();
        let mut places = vec![enter(&line, 0)];
        assert!(places[0].begins);
        assert_eq!(take(&line), [0]);
        // Few wait for the unit that is under way; many get a second one, and no third.
        places.extend((1..=MANY + 5).map(|work| enter(&line, work)));
        let begun: Vec<usize> = (0..places.len()).filter(|at| places[*at].begins).collect();
        assert_eq!(begun, [0, MANY]);
        assert_eq!(take(&line), (1..=MANY + 5).collect::<Vec<_>>());
        places.extend((0..2 * MANY).map(|work| enter(&line, work)));
        assert!(places[MANY + 6..].iter().all(|place| !place.begins));
        assert!(line.end(&0, true), "the turn goes on");
        assert_eq!(take(&line).len(), 2 * MANY);
        assert!(!line.end(&0, true) && !line.end(&0, true), "nobody waits");
        assert!(line.lines().lines.is_empty(), "nothing is left of the line");
        assert!(enter(&line, 6).begins);
    }

    #[test]
    fn lines_do_not_wait_for_each_other() {
        let line = Line::default();
        for key in 0..4 {
            assert!(line.enter(&key, 0, 1).begins);
        }
        let _place = line.enter(&4, 1, 1);
        assert_eq!(line.take(&4).works, [1]);
    }

    #[test]
    fn a_unit_is_bounded_and_a_second_takes_what_is_left() {
        let line = Line::default();
        let places: Vec<_> = (0..=2 * TOGETHER_MAX).map(|work| enter(&line, work)).collect();
        let begun: Vec<usize> = (0..places.len()).filter(|at| places[*at].begins).collect();
        assert_eq!(
            begun,
            [0, TOGETHER_MAX + MANY - 1],
            "one unit is too small for them"
        );
        assert_eq!(take(&line).len(), TOGETHER_MAX);
        assert_eq!(take(&line).len(), TOGETHER_MAX);
        assert!(line.end(&0, true));
        assert_eq!(take(&line), [2 * TOGETHER_MAX]);

        let heavy = Line::default();
        let weights = [WEIGHT_MAX + 1, WEIGHT_MAX, 1, 1];
        let _places: Vec<_> = (0..4).map(|at| heavy.enter(&0, at, weights[at])).collect();
        let first = heavy.take(&0);
        assert_eq!(
            (first.works, first.begins),
            (vec![0], true),
            "too heavy for others, never to be done"
        );
        let second = heavy.take(&0);
        assert_eq!((second.works, second.begins), (vec![1], false));
        assert!(heavy.end(&0, true));
        assert_eq!(heavy.take(&0).works, [2, 3]);
    }

    #[test]
    fn who_has_left_is_not_done() {
        let line = Line::default();
        let mut places: Vec<_> = (0..4).map(|work| Some(enter(&line, work))).collect();
        places[1] = None;
        let ticket = places[2].as_ref().map(|place| place.ticket).unwrap();
        assert!(line.leave(&0, ticket));
        assert!(!line.leave(&0, ticket));
        assert_eq!(take(&line), [0, 3]);
        let ticket = places[0].as_ref().map(|place| place.ticket).unwrap();
        assert!(!line.leave(&0, ticket), "it is being done");
        assert!(!line.end(&0, true));
        assert!(!line.leave(&0, ticket), "it was done");
        // All have left.
        drop(enter(&line, 5));
        assert_eq!(take(&line), Vec::<usize>::new());
        assert!(!line.end(&0, true));
    }

    #[test]
    fn a_turn_that_ends_before_it_takes_anybody_leaves_nobody_waiting() {
        let line = Line::default();
        let mut place = enter(&line, 0);
        assert!(!line.end(&0, false));
        assert!(place.answer.try_recv().is_err());
        assert!(enter(&line, 1).begins);
    }
}
