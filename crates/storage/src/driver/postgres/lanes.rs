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

/// Statements under way at most. One is enough for a tenant, as long as those that wait for it are fewer than
/// [`MANY`]: what a statement costs beside its rows is as much as six organizations.
const LANES_MAX: usize = 4;
/// So many waiting are worth a statement of their own, beside that of the same tenant.
const MANY: usize = 16;
/// Organizations in a statement at most.
const TOGETHER_MAX: usize = 64;

type Answer = oneshot::Sender<Result<Glance, StoreError>>;

/// Who waits for which organization.
#[derive(Default)]
struct Line {
    waiting: VecDeque<(TenantId, OrganizationId, Answer)>,
    /// By its number, whose organizations a lane asks for, or was opened for.
    lanes: BTreeMap<u64, TenantId>,
    opened: u64,
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

    /// Stands in line; the lane that must be opened for it, if one must.
    fn enter(&self, tenant: TenantId, id: OrganizationId, answer: Answer) -> Option<u64> {
        let mut line = self.line();
        let is_awaited = || line.waiting.iter().any(|(of, ..)| *of == tenant);
        let is_served = line.lanes.values().any(|of| *of == tenant) || is_awaited();
        let opens = line.lanes.len() < LANES_MAX && (!is_served || line.waiting.len() >= MANY);
        line.waiting.push_back((tenant, id, answer));
        opens.then(|| {
            line.opened += 1;
            let lane = line.opened;
            line.lanes.insert(lane, tenant);
            lane
        })
    }

    /// Those of the first one's tenant who wait; none, and the lane is closed.
    fn next(&self, lane: u64) -> Option<(TenantId, BTreeMap<i64, Vec<Answer>>)> {
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
            line.lanes.remove(&lane);
            return None;
        };
        let tenant = *tenant;
        line.lanes.insert(lane, tenant);
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
        if let Some(lane) = self.lanes.enter(tenant, id, sender) {
            // Of its own: a caller may leave, and others wait for the same statement.
            tokio::spawn(run(Arc::clone(self), lane));
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

async fn run(postgres: Arc<Postgres>, lane: u64) {
    let mut open = Lane(Some((&postgres.lanes, lane)));
    while let Some((tenant, together)) = postgres.lanes.next(lane) {
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
    open.0 = None;
}

/// A lane that is open. Should it end before its time, nobody waits for it any more.
struct Lane<'l>(Option<(&'l Lanes, u64)>);

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if let Some((lanes, lane)) = self.0 {
            let mut line = lanes.line();
            line.lanes.remove(&lane);
            line.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::Receiver;

    use super::*;

    type Waits = Receiver<Result<Glance, StoreError>>;

    fn enter(lanes: &Lanes, tenant: i64, id: i64) -> (Option<u64>, Waits) {
        let (answer, receiver) = oneshot::channel();
        (
            lanes.enter(TenantId(tenant), OrganizationId(id), answer),
            receiver,
        )
    }

    fn next(lanes: &Lanes, lane: u64) -> Option<(i64, Vec<(i64, usize)>)> {
        let (tenant, together) = lanes.next(lane)?;
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
        let opened: Vec<_> = all.iter().map(|(opened, _)| *opened).collect();
        assert_eq!(opened, [Some(1), Some(2), None, None, None]);
        assert_eq!(next(&lanes, 1), Some((7, vec![(2, 1), (3, 2)])));
        // Who comes later goes behind those who wait, and waits for the lane of its tenant.
        let late = enter(&lanes, 7, 9);
        assert_eq!(late.0, None);
        assert_eq!(next(&lanes, 2), Some((8, vec![(1, 1), (2, 1)])));
        assert_eq!(next(&lanes, 1), Some((7, vec![(9, 1)])));
        assert_eq!(next(&lanes, 1), None);
        assert_eq!(enter(&lanes, 8, 1).0, None, "its lane is under way");
        assert_eq!(enter(&lanes, 7, 1).0, Some(3), "its lane was closed");
    }

    #[test]
    fn lanes_are_few_and_many_who_wait_get_another() {
        let lanes = Lanes::default();
        let mut all: Vec<_> = (1..=6).map(|tenant| enter(&lanes, tenant, 1)).collect();
        let opened: Vec<_> = all.iter().map(|(opened, _)| *opened).collect();
        assert_eq!(opened, [Some(1), Some(2), Some(3), Some(4), None, None]);

        let lanes = Lanes::default();
        all.push(enter(&lanes, 7, 0));
        assert_eq!(next(&lanes, 1), Some((7, vec![(0, 1)])));
        let count = i64::try_from(MANY).unwrap();
        for id in 1..=count {
            all.push(enter(&lanes, 7, id));
            assert_eq!(all.last().unwrap().0, None);
        }
        all.push(enter(&lanes, 7, count + 1));
        assert_eq!(all.last().unwrap().0, Some(2));
    }

    #[test]
    fn a_statement_is_bounded_and_nobody_is_asked_for_in_vain() {
        let lanes = Lanes::default();
        drop(enter(&lanes, 7, 1_000));
        let count = TOGETHER_MAX as i64 + 1;
        let _all: Vec<_> = (0..count).map(|id| enter(&lanes, 7, id)).collect();
        let (_, first) = next(&lanes, 1).unwrap();
        assert_eq!((first.len(), first[0]), (TOGETHER_MAX, (0, 1)));
        assert_eq!(next(&lanes, 1), Some((7, vec![(count - 1, 1)])));
    }
}
