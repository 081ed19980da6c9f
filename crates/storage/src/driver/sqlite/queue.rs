//! What waits for the writer: a line for every tenant, served in turns, so that one tenant's flood makes
//! its own writes wait, and another's write is among the next.
//!
//! The whole is bounded, and so is each line: it may be as long as there is room left beside all lines.
//! So one tenant alone fills half of the room at most, and who comes then still finds some.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guildhall_domain::TenantId;

use crate::error::StoreError;

/// The sending and the receiving end are one thing, shared.
pub(super) struct Queue<T> {
    lines: Mutex<Lines<T>>,
    arrived: Condvar,
    waiting_max: usize,
}

struct Lines<T> {
    /// By tenant; a line that is empty is not there.
    of: HashMap<TenantId, VecDeque<T>>,
    /// Whose turn comes next. Each tenant with a line stands here once.
    turns: VecDeque<TenantId>,
    waiting: usize,
    /// With how many in line the receiver wants to be woken.
    wake_at: usize,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::new(Lines {
                of: HashMap::new(),
                turns: VecDeque::new(),
                waiting: 0,
                wake_at: usize::MAX,
                is_closed: false,
            }),
            arrived: Condvar::new(),
            waiting_max,
        })
    }

    /// Puts a thing at the end of its tenant's line.
    pub(super) fn push(&self, tenant: TenantId, thing: T) -> Result<(), StoreError> {
        let mut lines = self.lock();
        if lines.is_closed {
            return Err(StoreError::Unavailable("the writer has stopped".into()));
        }
        let room = self.waiting_max - lines.waiting;
        let own = lines.of.get(&tenant).map_or(0, VecDeque::len);
        if room <= own {
            return Err(StoreError::Overloaded);
        }
        if own == 0 {
            lines.turns.push_back(tenant);
        }
        lines.of.entry(tenant).or_default().push_back(thing);
        lines.waiting += 1;
        let wakes = lines.waiting >= lines.wake_at;
        drop(lines);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The next thing, of the tenant whose turn it is; `None` when nothing waits.
    pub(super) fn try_pop(&self) -> Option<T> {
        self.lock().pop()
    }

    /// Waits for the next thing; `None` when the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut lines = self.lock();
        while lines.waiting == 0 {
            if lines.is_closed {
                return None;
            }
            lines.wake_at = 1;
            lines = self.arrived.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        lines.wake_at = usize::MAX;
        lines.pop()
    }

    /// Waits until so many are in line, but no longer than this.
    pub(super) fn gather(&self, count: usize, patience: Duration) {
        let until = Instant::now() + patience;
        let mut lines = self.lock();
        while lines.waiting < count && !lines.is_closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lines.wake_at = count;
            let waited = self.arrived.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        lines.wake_at = usize::MAX;
    }

    /// Nothing more is taken; what waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lines<T> {
    fn pop(&mut self) -> Option<T> {
        let tenant = self.turns.pop_front()?;
        let line = self.of.get_mut(&tenant)?;
        let thing = line.pop_front();
        match line.is_empty() {
            true => drop(self.of.remove(&tenant)),
            false => self.turns.push_back(tenant),
        }
        self.waiting -= usize::from(thing.is_some());
        thing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);
    const C: TenantId = TenantId(3);

    fn all(queue: &Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.try_pop()).collect()
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let queue = Queue::new(100);
        for (tenant, thing) in [(A, "a1"), (A, "a2"), (A, "a3"), (B, "b1"), (C, "c1"), (B, "b2")] {
            queue.push(tenant, thing).unwrap();
        }
        assert_eq!(all(&queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(queue.try_pop(), None);
    }

    #[test]
    fn one_tenant_fills_half_of_the_room_and_others_still_find_some() {
        let queue = Queue::new(8);
        let pushed = |tenant| (0..10).take_while(|_| queue.push(tenant, "x").is_ok()).count();
        assert_eq!(pushed(A), 4);
        assert_eq!(pushed(B), 2);
        assert_eq!(pushed(C), 1);
        assert_eq!(queue.push(A, "x"), Err(StoreError::Overloaded));
        assert_eq!(queue.push(TenantId(4), "x"), Ok(()));
        assert_eq!(queue.push(TenantId(5), "x"), Err(StoreError::Overloaded), "full");
        assert_eq!(all(&queue).len(), 8);
        assert_eq!(pushed(B), 4);
    }

    #[test]
    fn what_waits_is_handed_out_after_the_end_and_nothing_is_taken() {
        let queue = Queue::new(8);
        queue.push(A, "last").unwrap();
        queue.close();
        assert!(matches!(queue.push(A, "late"), Err(StoreError::Unavailable(_))));
        assert_eq!(queue.pop(), Some("last"));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn the_receiver_wakes_for_one_and_for_many() {
        let queue = Queue::new(1_000);
        std::thread::scope(|scope| {
            let sender = Arc::clone(&queue);
            scope.spawn(move || {
                for _ in 0..300 {
                    sender.push(A, "x").unwrap();
                }
            });
            assert_eq!(queue.pop(), Some("x"));
            // Much longer than it takes: it is woken, it does not wait this out.
            let began = Instant::now();
            queue.gather(299, Duration::from_secs(600));
            assert!(began.elapsed() < Duration::from_secs(300));
        });
        assert_eq!(all(&queue).len(), 299);
        queue.gather(1, Duration::from_millis(1));
        queue.close();
        queue.gather(1, Duration::from_secs(600));
    }
}
