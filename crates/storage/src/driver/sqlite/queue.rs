//! What waits for the writer: [`Lines`] of what is soon done and of what takes its time, and a thread that waits for them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guildhall_domain::TenantId;

use crate::driver::lines::Lines;
use crate::error::StoreError;

/// The sending and the receiving end are one thing, shared.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

/// How long a thing keeps who comes behind it waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Hardly.
    Light,
    /// Some milliseconds: a chunk of a task.
    Heavy,
}

/// What a wait came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped<T> {
    /// A thing, of the tenant whose turn it is.
    Thing(Weight, T),
    /// Nothing came in time.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

struct State<T> {
    light: Lines<T>,
    heavy: Lines<T>,
    /// Whether the receiver waits and nobody has woken it yet.
    is_awaited: bool,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                light: Lines::new(waiting_max),
                heavy: Lines::new(waiting_max),
                is_awaited: false,
                is_closed: false,
            }),
            arrived: Condvar::new(),
        })
    }

    /// Puts a thing at the end of its tenant's line of those of its weight.
    pub(super) fn push(&self, tenant: TenantId, weight: Weight, thing: T) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(StoreError::Unavailable("the writer has stopped".into()));
        }
        state.of(weight).push(tenant, thing)?;
        // Who comes next need not, while it is on its way.
        let wakes = std::mem::take(&mut state.is_awaited);
        drop(state);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The next thing of this weight, of the tenant whose turn it is; `None` when none waits.
    pub(super) fn try_pop(&self, weight: Weight) -> Option<T> {
        self.lock().of(weight).pop()
    }

    /// The next thing of any weight; `None` when nothing waits.
    pub(super) fn pop(&self) -> Option<T> {
        self.lock().pop(Weight::Light).map(|(_, thing)| thing)
    }

    /// Waits for the next thing, but no longer than this, if it is to be so. Where things of both weights wait, it is one of
    /// this.
    pub(super) fn pop_within(&self, patience: Option<Duration>, rather: Weight) -> Popped<T> {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut state = self.lock();
        let popped = loop {
            if let Some((weight, thing)) = state.pop(rather) {
                break Popped::Thing(weight, thing);
            }
            if state.is_closed {
                break Popped::Closed;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break Popped::Nothing;
            }
            state.is_awaited = true;
            state = match left {
                Some(left) => {
                    let waited = self.arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        };
        state.is_awaited = false;
        popped
    }

    /// Waits for the next light thing, but no longer than this.
    pub(super) fn light_within(&self, patience: Duration) -> Option<T> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        let popped = loop {
            let thing = state.light.pop();
            let left = until.saturating_duration_since(Instant::now());
            if thing.is_some() || state.is_closed || left.is_zero() {
                break thing;
            }
            state.is_awaited = true;
            let waited = self.arrived.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.is_awaited = false;
        popped
    }

    /// How many things of this weight wait.
    pub(super) fn waiting(&self, weight: Weight) -> usize {
        self.lock().of(weight).waiting()
    }

    /// Nothing more is taken; what waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn of(&mut self, weight: Weight) -> &mut Lines<T> {
        match weight {
            Weight::Light => &mut self.light,
            Weight::Heavy => &mut self.heavy,
        }
    }

    fn pop(&mut self, rather: Weight) -> Option<(Weight, T)> {
        let other = match rather {
            Weight::Light => Weight::Heavy,
            Weight::Heavy => Weight::Light,
        };
        [rather, other]
            .into_iter()
            .find_map(|weight| self.of(weight).pop().map(|thing| (weight, thing)))
    }
}

#[cfg(test)]
mod tests {
    use super::Weight::{Heavy, Light};
    use super::*;

    const A: TenantId = TenantId(1);

    #[test]
    fn of_both_weights_the_one_that_is_asked_for_comes_first() {
        let queue = Queue::new(8);
        for (weight, thing) in [(Heavy, "h1"), (Light, "l1"), (Heavy, "h2"), (Light, "l2")] {
            queue.push(A, weight, thing).unwrap();
        }
        let now = Some(Duration::ZERO);
        assert_eq!(queue.pop_within(now, Light), Popped::Thing(Light, "l1"));
        assert_eq!(queue.pop_within(now, Heavy), Popped::Thing(Heavy, "h1"));
        assert_eq!(queue.try_pop(Light), Some("l2"));
        assert_eq!(queue.try_pop(Light), None);
        assert_eq!(queue.pop_within(now, Light), Popped::Thing(Heavy, "h2"));
        assert_eq!(queue.pop_within(now, Heavy), Popped::Nothing);
    }

    #[test]
    fn what_waits_is_handed_out_after_the_end_and_nothing_is_taken() {
        let queue = Queue::new(8);
        queue.push(A, Light, "last").unwrap();
        queue.close();
        assert!(matches!(
            queue.push(A, Light, "late"),
            Err(StoreError::Unavailable(_))
        ));
        assert_eq!(queue.pop_within(None, Light), Popped::Thing(Light, "last"));
        assert_eq!(queue.pop_within(None, Light), Popped::Closed);
    }

    #[test]
    fn a_wait_ends_in_time_and_by_what_comes() {
        let queue = Queue::new(8);
        assert_eq!(queue.pop_within(Some(Duration::ZERO), Light), Popped::Nothing);
        assert_eq!(
            queue.pop_within(Some(Duration::from_millis(1)), Light),
            Popped::Nothing
        );
        std::thread::scope(|scope| {
            let sender = Arc::clone(&queue);
            scope.spawn(move || sender.push(A, Light, "x").unwrap());
            // Much longer than it takes.
            assert_eq!(
                queue.pop_within(Some(Duration::from_secs(600)), Light),
                Popped::Thing(Light, "x")
            );
        });
    }

    #[test]
    fn the_receiver_is_woken_again_and_again_by_what_it_waits_for() {
        let queue = Queue::new(1_000);
        // Much longer than it takes.
        let long = Duration::from_secs(600);
        std::thread::scope(|scope| {
            let sender = Arc::clone(&queue);
            scope.spawn(move || {
                for number in 0..300 {
                    // Only when the receiver waits: so each one has to wake it.
                    while !sender.lock().is_awaited {
                        std::thread::yield_now();
                    }
                    let weight = if number % 3 == 0 { Heavy } else { Light };
                    sender.push(A, weight, "x").unwrap();
                }
            });
            // It is woken, it does not wait this out.
            let began = Instant::now();
            for _ in 0..200 {
                assert_eq!(queue.light_within(long), Some("x"));
            }
            assert!(began.elapsed() < Duration::from_secs(300));
        });
        assert_eq!((queue.waiting(Light), queue.waiting(Heavy)), (0, 100));
        assert_eq!(queue.light_within(Duration::from_millis(1)), None);
        queue.push(A, Light, "last").unwrap();
        queue.close();
        assert_eq!(queue.light_within(long), Some("last"));
        assert_eq!(queue.light_within(long), None, "closed");
    }
}
