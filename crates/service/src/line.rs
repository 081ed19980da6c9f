//! Chunks of a tenant that the database works at at the same time: each is begun when the one before it may still be under way, and
//! is stored behind it.

use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;

use guildhall_domain::TenantId;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::Service;
use crate::chunk::{Behind, Chunk, ChunkError, Order, Ran};

/// Chunks under way, each as a task of the runtime: one that decides its items keeps no other from going on, whose database waits for
/// what comes next. None goes on when nobody waits for them any more.
pub(crate) struct Line {
    service: Arc<Service>,
    tenant: TenantId,
    tasks: JoinSet<(usize, Result<Ran, ChunkError>)>,
    /// Those of which it was not told yet how they went.
    begun: VecDeque<Chunk>,
    /// The place of the first of them, of all that there were.
    first: usize,
    /// How those went that have ended, by their places.
    ended: BTreeMap<usize, Result<Ran, ChunkError>>,
    /// Those of which it was told that they are stored. What they did not use is given back at the end.
    stored: Vec<Ran>,
    last: Option<Behind>,
}

impl Line {
    pub(crate) fn new(service: &Arc<Service>, tenant: TenantId) -> Self {
        Self {
            service: Arc::clone(service),
            tenant,
            tasks: JoinSet::new(),
            begun: VecDeque::new(),
            first: 0,
            ended: BTreeMap::new(),
            stored: Vec::new(),
            last: None,
        }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.begun.len()
    }

    /// Whether a chunk may be begun before it is known what becomes of those under way. None behind one that is not stored.
    pub(crate) fn takes(&self, chunk: &Chunk) -> bool {
        self.ended.values().all(Result::is_ok)
            && self.begun.iter().all(|before| chunk.may_follow_at_once(before))
    }

    /// Begins a chunk behind those under way; whether it could. Where not, none may be begun behind it.
    pub(crate) async fn begin(&mut self, mut chunk: Chunk) -> bool {
        let place = self.first + self.begun.len();
        let before = self.last.take().filter(|_| !self.begun.is_empty());
        // Without what tells the one behind, which would wait for as long as somebody has it, also for a chunk that has failed.
        self.begun.push_back(chunk.clone());
        let numbered = match self.service.number(self.tenant, &chunk.need).await {
            Ok(numbered) => numbered,
            Err(error) => {
                self.ended.insert(place, Err(error.into()));
                return false;
            }
        };
        let (tells, holds) = watch::channel(false);
        self.last = Some(Behind::of(&chunk, holds));
        chunk.order = Order::of(before, tells, &chunk.task_id);
        let (service, tenant) = (Arc::clone(&self.service), self.tenant);
        self.tasks
            .spawn(async move { (place, service.run_numbered(tenant, chunk, numbered).await) });
        true
    }

    /// The first of those under way, once it is stored. Nothing where it is not, or where there is none: then the line must end.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
        while !self.ended.contains_key(&self.first) {
            let ended = self.tasks.join_next().await?;
            self.note(ended);
        }
        if let Some(Err(_)) = self.ended.get(&self.first) {
            return None;
        }
        self.stored.push(self.ended.remove(&self.first)?.ok()?);
        self.first += 1;
        self.begun.pop_front()
    }

    fn note(&mut self, ended: Result<(usize, Result<Ran, ChunkError>), JoinError>) {
        match ended {
            Ok((place, ran)) => drop(self.ended.insert(place, ran)),
            // What is no panic was cancelled, with the runtime.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    resume_unwind(panic);
                }
            }
        }
    }

    /// Waits for all that are left: how each went of which it was not told yet, as [`Service::settle`] has it.
    pub(crate) async fn end(mut self) -> Vec<(Chunk, Result<bool, ChunkError>)> {
        while let Some(ended) = self.tasks.join_next().await {
            self.note(ended);
        }
        let (is_behind, mut ended) = (self.first > 0, self.ended);
        let ended = self
            .begun
            .into_iter()
            .zip(self.first..)
            .map_while(|(chunk, place)| Some((chunk, ended.remove(&place)?)))
            .collect();
        self.service
            .settle(self.tenant, self.stored, ended, is_behind)
            .await
    }
}
