//! Which task is next: tenants take turns, a chunk each, so that one tenant's hundred tasks do not
//! make another's one wait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use guildhall_domain::TenantId;
use tokio::sync::Notify;

/// Where submits announce their tasks to the worker of the same process.
#[derive(Default)]
pub(crate) struct Announcements {
    waiting: Mutex<Vec<(TenantId, String)>>,
    bell: Notify,
}

impl Announcements {
    pub(crate) fn announce(&self, tenant: TenantId, task: String) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((tenant, task));
        self.bell.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<(TenantId, String)> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when something was announced since the last look, or is announced.
    pub(crate) async fn wait(&self) {
        self.bell.notified().await;
    }
}

/// A task in the queue, and the epoch at which it was seen free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) tenant: TenantId,
    pub(crate) id: String,
    pub(crate) seen_epoch: i64,
    /// Whether a worker that has died held it: a claim will count its death.
    pub(crate) is_left: bool,
}

/// Tasks by tenant, and whose turn it is.
#[derive(Default)]
pub(crate) struct Queue {
    turns: VecDeque<TenantId>,
    tasks: HashMap<TenantId, VecDeque<Queued>>,
}

impl Queue {
    /// Adds a task at the end of its tenant's; of one that is there already the newer epoch counts.
    pub(crate) fn push(&mut self, task: Queued) {
        let tasks = self.tasks.entry(task.tenant).or_default();
        if tasks.is_empty() {
            self.turns.push_back(task.tenant);
        }
        match tasks.iter_mut().find(|known| known.id == task.id) {
            Some(known) if task.seen_epoch >= known.seen_epoch => *known = task,
            Some(_) => {}
            None => tasks.push_back(task),
        }
    }

    /// How many tenants have tasks.
    pub(crate) fn tenants(&self) -> usize {
        self.turns.len()
    }

    /// The oldest task of each of up to so many tenants whose turn it is; one that must be alone is the only one.
    /// These tenants go to the end of the line.
    pub(crate) fn next(&mut self, tenants: usize, is_alone: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        let mut chosen: Vec<Queued> = Vec::new();
        for _ in 0..tenants.min(self.turns.len()) {
            let first = self
                .turns
                .front()
                .and_then(|tenant| self.tasks.get(tenant)?.front());
            let Some(task) = first.cloned() else { break };
            let alone = is_alone(&task);
            if alone && !chosen.is_empty() {
                break;
            }
            self.turns.rotate_left(1);
            chosen.push(task);
            if alone {
                break;
            }
        }
        chosen
    }

    /// The tasks of a tenant that come behind this one, if it is among them.
    pub(crate) fn behind(&self, tenant: TenantId, id: &str) -> impl Iterator<Item = &Queued> {
        let tasks = self.tasks.get(&tenant).into_iter().flatten();
        tasks.skip_while(move |task| task.id != id).skip(1)
    }

    /// The tasks of a tenant, the oldest first.
    pub(crate) fn of(&self, tenant: TenantId) -> impl Iterator<Item = &Queued> {
        self.tasks.get(&tenant).into_iter().flatten()
    }

    /// Takes a task out: it is done, or somebody else's.
    pub(crate) fn remove(&mut self, tenant: TenantId, id: &str) {
        let Some(tasks) = self.tasks.get_mut(&tenant) else {
            return;
        };
        tasks.retain(|task| task.id != id);
        if tasks.is_empty() {
            self.tasks.remove(&tenant);
            self.turns.retain(|known| *known != tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(tenant: i64, id: &str) -> Queued {
        Queued {
            tenant: TenantId(tenant),
            id: id.into(),
            seen_epoch: 0,
            is_left: false,
        }
    }

    fn ids(queue: &mut Queue, count: usize) -> Vec<String> {
        queue
            .next(count, |_| false)
            .into_iter()
            .map(|task| task.id)
            .collect()
    }

    #[test]
    fn several_at_once_are_of_several_tenants() {
        let mut queue = Queue::default();
        for (tenant, id) in [(1, "a"), (1, "b"), (2, "c"), (3, "d"), (3, "e")] {
            queue.push(queued(tenant, id));
        }
        assert_eq!(ids(&mut queue, 2), ["a", "c"]);
        assert_eq!(ids(&mut queue, 2), ["d", "a"], "whose turn it is goes on");
        assert_eq!(
            ids(&mut queue, 10),
            ["c", "d", "a"],
            "a task is never chosen twice"
        );
        assert_eq!(ids(&mut queue, 0), [""; 0]);
    }

    #[test]
    fn one_that_must_be_alone_has_its_turn_as_the_others_do() {
        let mut queue = Queue::default();
        for (tenant, id) in [(1, "a"), (2, "b"), (3, "alone"), (4, "d")] {
            queue.push(queued(tenant, id));
        }
        let mut round = || -> Vec<String> {
            let chosen = queue.next(4, |task| task.id == "alone");
            chosen.into_iter().map(|task| task.id).collect()
        };
        assert_eq!(round(), ["a", "b"]);
        assert_eq!(round(), ["alone"]);
        assert_eq!(round(), ["d", "a", "b"]);
        assert_eq!(round(), ["alone"]);
    }

    #[test]
    fn tenants_take_turns() {
        let mut queue = Queue::default();
        (0..100).for_each(|n| queue.push(queued(1, &n.to_string())));
        queue.push(queued(2, "only"));
        assert_eq!(ids(&mut queue, 1), ["0"]);
        assert_eq!(ids(&mut queue, 1), ["only"]);
        queue.remove(TenantId(1), "0");
        assert_eq!(ids(&mut queue, 1), ["1"]);
        queue.remove(TenantId(2), "only");
        assert_eq!(ids(&mut queue, 1), ["1"]);
    }

    #[test]
    fn a_task_is_queued_once() {
        let mut queue = Queue::default();
        queue.push(queued(1, "a"));
        queue.push(Queued {
            seen_epoch: 3,
            ..queued(1, "a")
        });
        assert_eq!(queue.next(1, |_| false)[0].seen_epoch, 3);
        queue.remove(TenantId(1), "a");
        assert_eq!(queue.next(1, |_| false), []);
    }
}
