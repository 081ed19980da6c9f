//! Reads of single organizations, several at a time: those that come while a statement is under way wait
//! and are the next statement together. So a lone one is asked at once, and under load a statement's cost
//! is shared. Each is sent after the request for it came, as a statement of its own, without a transaction:
//! it sees whatever was committed before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guildhall_domain::{OrganizationId, TenantId};
use tokio::sync::oneshot;

use super::{ANSWER_TIMEOUT, Postgres};
use crate::driver::Session;
use crate::error::StoreError;
use crate::glances::Glance;
use crate::tx::ReadTx;

/// Statements under way at most.
const LANES_MAX: usize = 2;
/// Organizations in a statement at most.
const TOGETHER_MAX: usize = 64;

type Answer = oneshot::Sender<Result<Glance, StoreError>>;

/// Who waits for which organization.
#[derive(Default)]
struct Line {
    waiting: VecDeque<(TenantId, OrganizationId, Answer)>,
    lanes: usize,
}

/// Reads that wait.
#[derive(Default)]
pub(super) struct Lanes {
    line: Mutex<Line>,
}

impl Lanes {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands in line; whether a lane must be opened, for there is room for one.
    fn enter(&self, tenant: TenantId, id: OrganizationId, answer: Answer) -> bool {
        let mut line = self.line();
        line.waiting.push_back((tenant, id, answer));
        let opens = line.lanes < LANES_MAX;
        line.lanes += usize::from(opens);
        opens
    }

    /// Those of the first one's tenant who wait; none, and the lane is closed.
    fn next(&self) -> Option<(TenantId, BTreeMap<i64, Vec<Answer>>)> {
        let mut line = self.line();
        // Callers that have left, or have waited for too long, need no answer.
        while line
            .waiting
            .front()
            .is_some_and(|(.., answer)| answer.is_closed())
        {
            line.waiting.pop_front();
        }
        let Some((tenant, ..)) = line.waiting.front() else {
            line.lanes -= 1;
            return None;
        };
        let tenant = *tenant;
        let mut together: BTreeMap<i64, Vec<Answer>> = BTreeMap::new();
        let mut others = VecDeque::new();
        while together.len() < TOGETHER_MAX
            && let Some((of, id, answer)) = line.waiting.pop_front()
        {
            match of == tenant {
                true => together.entry(id.0).or_default().push(answer),
                false => others.push_back((of, id, answer)),
            }
        }
        // Those of others keep their places, before those whom nobody has looked at.
        others.append(&mut line.waiting);
        line.waiting = others;
        Some((tenant, together))
    }
}

impl Postgres {
    /// An organization with all that its answers show.
    pub(crate) async fn glance(
        self: &Arc<Self>,
        tenant: TenantId,
        id: OrganizationId,
    ) -> Result<Glance, StoreError> {
        let (sender, receiver) = oneshot::channel();
        if self.lanes.enter(tenant, id, sender) {
            // Of its own: a caller may leave, and others wait for the same statement.
            tokio::spawn(run(Arc::clone(self)));
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, receiver).await {
            Ok(Ok(glance)) => glance,
            Ok(Err(_)) => Err(StoreError::Failed("the read ended without an answer".into())),
            Err(_) => Err(StoreError::Unavailable("no answer in time".into())),
        }
    }

    async fn glances(
        &self,
        tenant: TenantId,
        ids: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, Glance>, StoreError> {
        let mut connection = self.connection().await?;
        ReadTx::new(Session::Postgres(&mut connection), tenant)
            .glances(ids)
            .await
    }
}

async fn run(postgres: Arc<Postgres>) {
    let mut lane = Lane(Some(&postgres.lanes));
    while let Some((tenant, together)) = postgres.lanes.next() {
        let mut found = postgres
            .glances(tenant, &together.keys().copied().collect())
            .await;
        for (id, mut answers) in together {
            let found = match &mut found {
                Ok(found) => found.remove(&id).ok_or_else(|| StoreError::Failed("lost".into())),
                Err(error) => Err(error.clone()),
            };
            // A caller that has left does not listen any more. Nearly always there is one.
            let last = answers.pop();
            for answer in answers {
                let _left = answer.send(found.clone());
            }
            if let Some(answer) = last {
                let _left = answer.send(found);
            }
        }
    }
    lane.0 = None;
}

/// A lane that is open. Should it end before its time, nobody waits for it any more.
struct Lane<'l>(Option<&'l Lanes>);

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if let Some(lanes) = self.0 {
            let mut line = lanes.line();
            line.lanes -= 1;
            line.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::Receiver;

    use super::*;

    fn enter(lanes: &Lanes, tenant: i64, id: i64) -> (bool, Receiver<Result<Glance, StoreError>>) {
        let (answer, receiver) = oneshot::channel();
        (
            lanes.enter(TenantId(tenant), OrganizationId(id), answer),
            receiver,
        )
    }

    fn next(lanes: &Lanes) -> Option<(i64, Vec<(i64, usize)>)> {
        let (tenant, together) = lanes.next()?;
        let counts = together.iter().map(|(id, answers)| (*id, answers.len()));
        Some((tenant.0, counts.collect()))
    }

    #[test]
    fn those_of_a_tenant_who_wait_go_together() {
        let lanes = Lanes::default();
        let all = [(7, 3), (8, 1), (7, 2), (7, 3), (8, 2)];
        let all: Vec<_> = all
            .iter()
            .map(|(tenant, id)| enter(&lanes, *tenant, *id))
            .collect();
        let opened: Vec<bool> = all.iter().map(|(opened, _)| *opened).collect();
        assert_eq!(opened, [true, true, false, false, false]);
        assert_eq!(next(&lanes), Some((7, vec![(2, 1), (3, 2)])));
        // Who comes later goes behind those who wait.
        let _late = enter(&lanes, 7, 9);
        assert_eq!(next(&lanes), Some((8, vec![(1, 1), (2, 1)])));
        assert_eq!(next(&lanes), Some((7, vec![(9, 1)])));
        assert_eq!(next(&lanes), None);
        assert!(enter(&lanes, 7, 1).0, "the lane was closed");
    }

    #[test]
    fn a_statement_is_bounded_and_nobody_is_asked_for_in_vain() {
        let lanes = Lanes::default();
        let gone = enter(&lanes, 7, 1_000);
        drop(gone);
        let count = TOGETHER_MAX as i64 + 1;
        let _all: Vec<_> = (0..count).map(|id| enter(&lanes, 7, id)).collect();
        let (_, first) = next(&lanes).unwrap();
        assert_eq!((first.len(), first[0]), (TOGETHER_MAX, (0, 1)));
        assert_eq!(next(&lanes), Some((7, vec![(count - 1, 1)])));
    }
}
