//! Lines of what waits, one for every tenant, served in turns: one tenant's flood makes its own things wait, and
//! another's is among the next.
//!
//! The whole is bounded, and so is each line: it may be as long as there is room left beside all lines. So one tenant
//! alone fills half of the room at most, and who comes then still finds some.

use std::collections::{HashMap, VecDeque};

use guildhall_domain::TenantId;

use crate::error::StoreError;

pub(crate) struct Lines<T> {
    /// By tenant; a line that is empty is not there.
    of: HashMap<TenantId, VecDeque<T>>,
    /// Whose turn comes next. Each tenant with a line stands here once.
    turns: VecDeque<TenantId>,
    waiting: usize,
    waiting_max: usize,
}

impl<T> Lines<T> {
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self {
            of: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            waiting_max,
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a thing at the end of its tenant's line.
    pub(crate) fn push(&mut self, tenant: TenantId, thing: T) -> Result<(), StoreError> {
        let room = self.waiting_max - self.waiting;
        let own = self.of.get(&tenant).map_or(0, VecDeque::len);
        if room <= own {
            return Err(StoreError::Overloaded);
        }
        if own == 0 {
            self.turns.push_back(tenant);
        }
        self.of.entry(tenant).or_default().push_back(thing);
        self.waiting += 1;
        Ok(())
    }

    /// The next thing, of the tenant whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
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

    fn all(lines: &mut Lines<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| lines.pop()).collect()
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let mut lines = Lines::new(100);
        for (tenant, thing) in [(A, "a1"), (A, "a2"), (A, "a3"), (B, "b1"), (C, "c1"), (B, "b2")] {
            lines.push(tenant, thing).unwrap();
        }
        assert_eq!(lines.waiting(), 6);
        assert_eq!(all(&mut lines), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!((lines.pop(), lines.waiting()), (None, 0));
    }

    #[test]
    fn one_tenant_fills_half_of_the_room_and_others_still_find_some() {
        let mut lines = Lines::new(8);
        let pushed =
            |lines: &mut Lines<_>, tenant| (0..10).take_while(|_| lines.push(tenant, "x").is_ok()).count();
        assert_eq!(pushed(&mut lines, A), 4);
        assert_eq!(pushed(&mut lines, B), 2);
        assert_eq!(pushed(&mut lines, C), 1);
        assert_eq!(lines.push(A, "x"), Err(StoreError::Overloaded));
        assert_eq!(lines.push(TenantId(4), "x"), Ok(()));
        assert_eq!(lines.push(TenantId(5), "x"), Err(StoreError::Overloaded), "full");
        assert_eq!(all(&mut lines).len(), 8);
        assert_eq!(pushed(&mut lines, B), 4);
    }
}
