//! Turns of long reads: so many at a time and no more, of the tenants in turns.
//!
//! On SQLite a read that looks at thousands of rows has a processor to itself for milliseconds. Hundreds at a time would
//! end no sooner, each would need a connection with its pages, and every short read would stand between them. On
//! PostgreSQL they would hold all connections, and every short read would wait for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guildhall_domain::TenantId;
use tokio::sync::oneshot;

use super::lines::Lines;
use crate::error::StoreError;

/// Reads that may wait for their turn.
const WAITING_MAX: usize = 2_048;

/// Who gives the turns.
pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    lines: Lines<oneshot::Sender<Turn>>,
}

/// The turn of one read, until this is dropped.
pub(crate) struct Turn {
    /// Who gave it; nobody any more when it was handed on.
    of: Option<Arc<Turns>>,
}

impl Turns {
    /// So many at a time.
    pub(crate) fn new(at_a_time: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: at_a_time,
                lines: Lines::new(WAITING_MAX),
            }),
        })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overloaded`] when too many wait.
    pub(crate) async fn turn(self: &Arc<Self>, tenant: TenantId) -> Result<Turn, StoreError> {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.given());
            }
            let (give, turn) = oneshot::channel();
            state.lines.push(tenant, give)?;
            turn
        };
        turn.await
            .map_err(|_| StoreError::Failed("a turn was given to nobody".into()))
    }

    fn given(self: &Arc<Self>) -> Turn {
        Turn {
            of: Some(Arc::clone(self)),
        }
    }

    /// A turn has ended: it goes to the next who is still there.
    fn hand_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                match state.lines.pop() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(self.given()) {
                Ok(()) => return,
                // Its client has gone. This turn is not dropped but goes to the next.
                Err(mut turn) => turn.of = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.of.take() {
            turns.hand_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// A turn that must be there at once.
    fn at_once(turns: &Arc<Turns>, tenant: TenantId) -> Turn {
        match poll(pin!(turns.turn(tenant))) {
            Poll::Ready(Ok(turn)) => turn,
            _ => panic!("no turn"),
        }
    }

    #[test]
    fn so_many_have_a_turn_and_tenants_take_theirs_one_after_the_other() {
        let turns = Turns::new(2);
        let (first, second) = (at_once(&turns, A), at_once(&turns, A));
        let [mut third, mut fourth] = [Box::pin(turns.turn(A)), Box::pin(turns.turn(A))];
        let mut other = Box::pin(turns.turn(B));
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        drop(first);
        assert!(poll(other.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        let Poll::Ready(Ok(third)) = poll(third.as_mut()) else {
            panic!("the first in line has no turn")
        };
        drop(second);
        // The other tenant came last and is next.
        assert!(poll(fourth.as_mut()).is_pending());
        let Poll::Ready(Ok(other)) = poll(other.as_mut()) else {
            panic!("the other tenant has no turn")
        };
        drop((third, other));
        assert!(poll(fourth.as_mut()).is_ready());
    }

    #[test]
    fn who_has_gone_takes_no_turn() {
        let turns = Turns::new(1);
        let first = at_once(&turns, A);
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(turns.turn(A))).collect();
        for gone in &mut gone {
            assert!(poll(gone.as_mut()).is_pending());
        }
        let late = gone.pop();
        drop(gone);
        drop(first);
        // It has its turn and goes without having looked.
        drop(late);
        let last = at_once(&turns, B);
        drop(last);
        let _free_again = at_once(&turns, B);
    }

    #[test]
    fn too_many_are_refused() {
        let turns = Turns::new(1);
        let _turn = at_once(&turns, A);
        let mut waiting: Vec<_> = (0..WAITING_MAX / 2).map(|_| Box::pin(turns.turn(A))).collect();
        for waiting in &mut waiting {
            assert!(poll(waiting.as_mut()).is_pending());
        }
        let mut refused = pin!(turns.turn(A));
        assert!(matches!(
            poll(refused.as_mut()),
            Poll::Ready(Err(StoreError::Overloaded))
        ));
        let mut other = pin!(turns.turn(B));
        assert!(poll(other.as_mut()).is_pending());
    }
}
