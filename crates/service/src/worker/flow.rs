//! How a server's worker goes on without a pause where one tenant alone has tasks and the database works at several units of a tenant
//! at the same time: as soon as the first of the chunks under way is stored the next one is begun, and tasks are claimed
//! meanwhile. Elsewhere a stride ends when all of its chunks have, and the processors rest until the next one is under way.
//!
//! What is under way is known to one call alone: it ends when all of it has ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use guildhall_domain::TenantId;
use tokio::task::JoinSet;

use super::{CHUNKS_BESIDE, Held, RENEW_EVERY, SCAN_EVERY, Step, TENANTS_AT_ONCE, Worker};
use crate::Error;
use crate::chunk::Chunk;
use crate::line::Line;
use crate::queue::Queued;

/// Chunks under way: one less than without a pause between, since these keep the processors as busy, for which others wait.
const BESIDE: usize = 3;
/// Chunks that are begun by one call at most: what they did not need of the ids is given back at its end.
const CHUNKS_IN_FLOW: usize = 32;

/// How claims of tasks of a tenant ended.
type Claims = JoinSet<(Queued, Result<Option<Held>, Error>)>;

impl Worker {
    /// Does as much as a server does before it looks at what is due: a stride, or many chunks in a row.
    pub async fn flow(&mut self) -> Result<Step, Error> {
        if !self.works_at_several {
            return self.stride().await;
        }
        let places = self.whose_turn(TENANTS_AT_ONCE).await?;
        match places.as_slice() {
            [] => return Ok(Step::Idle),
            [(tenant, _)] if self.is_alone(*tenant) => self.flow_of(*tenant).await?,
            _ => self.work(&places, self.beside_others(CHUNKS_BESIDE)).await?,
        }
        Ok(Step::Worked)
    }

    /// Whether no other tenant has tasks, and something of this one may be begun.
    fn is_alone(&self, tenant: TenantId) -> bool {
        let nothing = Line::new(&self.service, tenant);
        self.queue.tenants() == 1 && self.next_chunk(&nothing, tenant, &HashMap::new()).is_some()
    }

    async fn flow_of(&mut self, tenant: TenantId) -> Result<(), Error> {
        let service = Arc::clone(&self.service);
        // What is due then is done between two calls.
        let until = (self.scanned.unwrap_or_default() + SCAN_EVERY).min(self.renewed + RENEW_EVERY);
        let mut line = Line::new(&service, tenant);
        let (mut claims, mut claimed) = (Claims::new(), HashSet::new());
        let (mut begun, mut count, mut failed) = (HashMap::new(), 0, None);
        loop {
            self.take_announced();
            let is_due = self.queue.tenants() > 1 || service.monotonic() >= until;
            // Each call does something, however long it took to get there.
            let is_due = *self.stops.borrow() || (is_due && count > 0);
            let mut goes_on = !is_due && count < CHUNKS_IN_FLOW && failed.is_none();
            if goes_on {
                self.claim_next(tenant, &begun, &mut claims, &mut claimed);
            }
            while goes_on
                && line.len() < BESIDE
                && let Some(chunk) = self.next_chunk(&line, tenant, &begun)
            {
                begun.insert(chunk.task_id.clone(), chunk.range.end);
                count += 1;
                goes_on = line.begin(chunk).await && count < CHUNKS_IN_FLOW;
            }
            let (is_full, is_empty) = (line.len() >= BESIDE, line.len() == 0);
            if is_empty && claims.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                stored = line.next(), if !is_empty => {
                    // What became of the others is asked at the end.
                    let Some(chunk) = stored else { break };
                    let is_last = chunk.is_last();
                    let went = vec![(chunk, Ok(is_last))];
                    failed = self.after_all(tenant, went).await.err().or(failed);
                }
                Some(ended) = claims.join_next(), if !claims.is_empty() => {
                    failed = self.hold_claimed(ended).err().or(failed);
                }
                () = service.queue.wait(), if goes_on && !is_full => {}
            }
        }
        let went = line.end().await;
        failed = self.after_all(tenant, went).await.err().or(failed);
        while let Some(ended) = claims.join_next().await {
            failed = self.hold_claimed(ended).err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Holds a task whose claim has ended.
    fn hold_claimed(
        &mut self,
        ended: Result<(Queued, Result<Option<Held>, Error>), tokio::task::JoinError>,
    ) -> Result<(), Error> {
        match ended {
            Ok((task, claim)) => self.hold([&task], vec![claim]),
            // What is no panic was cancelled, with the runtime.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ok(()),
            },
        }
    }

    /// Begins to claim the tasks that come next, so that as many chunks can be begun as may be under way: each task has one at least.
    /// None that a server may have died of, nor what comes behind it, and no more than there is room for.
    fn claim_next(
        &self,
        tenant: TenantId,
        begun: &HashMap<String, usize>,
        claims: &mut Claims,
        claimed: &mut HashSet<String>,
    ) {
        let (mut ahead, room) = (0, self.room());
        for task in self.queue.of(tenant) {
            if ahead >= BESIDE {
                return;
            }
            match self.held.get(&(tenant, task.id.clone())) {
                Some(held) if held.is_careful() => return,
                Some(held) => ahead += held.chunks_from(from(held, task, begun), BESIDE),
                None if task.is_left => return,
                None if claimed.contains(&task.id) => ahead += 1,
                None if claims.len() >= room => return,
                None => {
                    ahead += 1;
                    claimed.insert(task.id.clone());
                    let (task, claim) = (task.clone(), self.claim(task));
                    claims.spawn(async move { (task, claim.await) });
                }
            }
        }
    }

    /// The chunk that comes next of a tenant, behind those that are `begun` up to an item of their tasks; if it is known what it is,
    /// and it may be begun beside those of the line.
    fn next_chunk(&self, line: &Line, tenant: TenantId, begun: &HashMap<String, usize>) -> Option<Chunk> {
        for task in self.queue.of(tenant) {
            // None is passed over.
            let held = self.held.get(&(tenant, task.id.clone()))?;
            if held.is_careful() || self.is_late(held) {
                return None;
            }
            let from = from(held, task, begun);
            if from < held.items.len() {
                let chunk = held.chunk(&task.id, from, self.lease_until());
                return line.takes(&chunk).then_some(chunk);
            }
        }
        None
    }
}

/// The first item of a task that is not begun.
fn from(held: &Held, task: &Queued, begun: &HashMap<String, usize>) -> usize {
    begun.get(&task.id).copied().unwrap_or(held.next_item)
}
