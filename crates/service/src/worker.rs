//! The worker: claims tasks, runs their chunks, gives back what it cannot finish.
//!
//! It is moved by [`Worker::step`], so that tests can stop it between any two steps; [`run`] moves
//! it in a server. A claim has a lease of nine seconds and an epoch; every chunk is committed under
//! its epoch, so that a worker that lost its claim writes nothing, whatever the clocks say. Whether
//! another's lease has ended is judged by watching: who has not renewed for nine seconds of our own
//! clock that never jumps is dead. So no jump of a wall clock, here or there, takes a task from a
//! worker that lives.
//!
//! Long, because what is run beside what, and what is claimed for it, rests on the same few things that are held.

mod flow;

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use guildhall_domain::bulk::{Facts, Item, Need};
use guildhall_domain::task::{TaskStatus, TaskType};
use guildhall_domain::{TenantId, Timestamp};
use guildhall_storage::{Claim, OpenTask, StoreError};
use tokio::sync::watch;

use crate::chunk::{Chunk, ChunkError, Order, count};
use crate::queue::{Queue, Queued};
use crate::{Error, Service};

/// How long a claim holds without being renewed.
const LEASE: Duration = Duration::from_secs(9);
/// How often claims are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often the database is asked for tasks that nobody announced.
const SCAN_EVERY: Duration = Duration::from_secs(2);
/// How long the worker rests when the store fails.
const REST: Duration = Duration::from_secs(1);
/// A chunk where one writer does everything: whoever waits for it waits for the chunk.
const CHUNK_OF_ONE_WRITER: ChunkSize = ChunkSize {
    items: 50,
    weight: 1_000,
};
/// A chunk elsewhere, where those wait who change the same organizations, and who changes definitions: each statement and each commit
/// costs the database and the server what many rows cost. One that takes too long is tried again with less.
const CHUNK_OF_SEVERAL: ChunkSize = ChunkSize {
    items: 100,
    weight: 4_000,
};
/// Chunks of a tenant that are run at the same time where the database works at several units of a tenant: of one task, or the
/// last of one and the first ones of the next. As long as only one tenant has tasks; a server has fewer, without a pause between (`flow`).
const CHUNKS_BESIDE: usize = 4;
/// The same where others have, too.
const CHUNKS_BESIDE_OTHERS: usize = 2;
/// Chunks of a task that stand in line for the one writer elsewhere, as long as only one tenant has tasks.
const CHUNKS_IN_LINE: usize = 3;
/// Tenants of which a chunk is run at the same time: while one is committed others are made ready, and on SQLite
/// those that wait share the next commit. A tenant's own tasks run one after the other.
const TENANTS_AT_ONCE: usize = 4;
/// Tasks claimed at one time at most: each holds its items in memory.
const HELD_MAX: usize = 64;
/// Open tasks that one scan looks at.
const SCANNED_MAX: i64 = 10_000;
/// Workers that may die at one item before it is given up.
const CRASHES_MAX: i64 = 3;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do.
    Worked,
    /// There is nothing to do now.
    Idle,
}

/// The most of a task that is done in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    /// Items.
    pub items: usize,
    /// In parts of items (`Item::weight`); one item always fits.
    pub weight: usize,
}

impl ChunkSize {
    fn at_most(self, other: Self) -> Self {
        Self {
            items: self.items.min(other.items),
            weight: self.weight.min(other.weight),
        }
    }
}

/// A task that this worker has claimed.
struct Held {
    task_type: TaskType,
    items: Arc<Vec<Item>>,
    next_item: usize,
    careful_until: usize,
    crashes: i64,
    epoch: i64,
    chunk_size: ChunkSize,
    /// How old the task was when it was claimed, by the wall clock.
    age_at_claim: Duration,
    /// When it was claimed, by the clock that no jump touches.
    claimed: Duration,
}

type Place = (TenantId, String);

/// Another worker's lease: what was seen of it, and since when it has been so.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watched {
    epoch: i64,
    until: Timestamp,
    since: Duration,
}

/// A worker of one process.
pub struct Worker {
    service: Arc<Service>,
    owner: String,
    queue: Queue,
    held: HashMap<Place, Held>,
    watched: HashMap<Place, Watched>,
    scanned: Option<Duration>,
    renewed: Duration,
    /// Whether the database works at several units of a tenant at the same time.
    works_at_several: bool,
    /// Whether it is to end.
    stops: watch::Receiver<bool>,
}

impl Worker {
    /// A worker with a name of its own.
    pub fn new(service: Arc<Service>) -> Self {
        let (owner, renewed) = (service.new_uuid(), service.monotonic());
        let works_at_several = !service.store.is_for_one_server();
        Self {
            service,
            owner,
            queue: Queue::default(),
            held: HashMap::new(),
            watched: HashMap::new(),
            scanned: None,
            renewed,
            works_at_several,
            stops: watch::channel(false).1,
        }
    }

    /// Does a little: looks for tasks where that is due, and runs one chunk of one of them.
    pub async fn step(&mut self) -> Result<Step, Error> {
        self.steps(1).await
    }

    /// Does the same for up to so many tenants at once. Which is done first is left to chance.
    pub async fn steps(&mut self, tenants: usize) -> Result<Step, Error> {
        self.advance(tenants, 1).await
    }

    /// Does as much as a server does at a time where it does not [flow](Self::flow), for some tenants at once: some chunks of a task, and, where the database works at
    /// several units of a tenant at the same time, those of the next task beside its last one, and the claims of tasks whose turn is
    /// about to come. Elsewhere the tenant's next chunk would wait at once, and everybody for one chunk more.
    pub async fn stride(&mut self) -> Result<Step, Error> {
        self.advance(TENANTS_AT_ONCE, self.chunks_at_once()).await
    }

    async fn advance(&mut self, tenants: usize, chunks: usize) -> Result<Step, Error> {
        let places = self.whose_turn(tenants).await?;
        if places.is_empty() {
            return Ok(Step::Idle);
        }
        self.work(&places, self.beside_others(chunks)).await?;
        Ok(Step::Worked)
    }

    /// So many chunks of a tenant, or as many as there may be where others have tasks, too.
    fn beside_others(&self, chunks: usize) -> usize {
        match (self.queue.tenants() > 1, self.works_at_several) {
            // Those of several tenants share commits anyway, and whose turn is next would wait for all of them.
            (true, false) => 1,
            (true, true) => chunks.min(CHUNKS_BESIDE_OTHERS),
            (false, _) => chunks,
        }
    }

    /// Does what is due at its time, and claims the tasks of so many tenants at most whose turn it is.
    async fn whose_turn(&mut self, tenants: usize) -> Result<Vec<Place>, Error> {
        self.take_announced();
        let now = self.service.monotonic();
        if self.scanned.is_none_or(|at| now.saturating_sub(at) >= SCAN_EVERY) {
            self.scan().await?;
            self.scanned = Some(now);
        }
        if now.saturating_sub(self.renewed) >= RENEW_EVERY {
            self.renew().await?;
            self.renewed = now;
        }
        // What a server may have died of is claimed and run alone: else what runs beside it would be blamed too.
        let held = &self.held;
        let tasks = self.queue.next(tenants, |task| is_careful(held, task));
        self.claim_all(&tasks).await?;
        Ok(tasks.into_iter().map(|task| (task.tenant, task.id)).collect())
    }

    /// Puts the tasks that were submitted to this process into the queue.
    fn take_announced(&mut self) {
        for (tenant, id) in self.service.queue.take() {
            self.queue.push(Queued {
                tenant,
                id,
                seen_epoch: 0,
                is_left: false,
            });
        }
    }

    /// Claims those of these tasks that are not claimed yet, as far as there is room: those that are held come
    /// first, the others keep their places in the line.
    async fn claim_all(&mut self, tasks: &[Queued]) -> Result<(), Error> {
        let is_new = |task: &&Queued| !self.held.contains_key(&(task.tenant, task.id.clone()));
        let new: Vec<&Queued> = tasks.iter().filter(is_new).take(self.room()).collect();
        let claims = join_all(new.iter().map(|task| self.claim(task))).await;
        self.hold(new, claims)
    }

    /// Chunks of a task that a server runs at once.
    fn chunks_at_once(&self) -> usize {
        match self.works_at_several {
            true => CHUNKS_BESIDE,
            false => CHUNKS_IN_LINE,
        }
    }

    fn chunk_size(&self) -> ChunkSize {
        let fits = match self.works_at_several {
            true => CHUNK_OF_SEVERAL,
            false => CHUNK_OF_ONE_WRITER,
        };
        self.service.settings.chunk.unwrap_or(fits)
    }

    /// How many more tasks may be claimed.
    fn room(&self) -> usize {
        HELD_MAX.saturating_sub(self.held.len())
    }

    /// Holds the tasks that were claimed, and gives up those that cannot be.
    fn hold<'q>(
        &mut self,
        tasks: impl IntoIterator<Item = &'q Queued>,
        claims: Vec<Result<Option<Held>, Error>>,
    ) -> Result<(), Error> {
        let mut failed = None;
        for (task, claim) in tasks.into_iter().zip(claims) {
            match claim {
                Ok(Some(held)) => drop(self.held.insert((task.tenant, task.id.clone()), held)),
                Ok(None) => self.queue.remove(task.tenant, &task.id),
                // One task that cannot be read harms no other.
                Err(Error::Store(error)) if !is_passing(&error) => {
                    tracing::error!(%error, task = task.id, "a task cannot be claimed");
                    self.queue.remove(task.tenant, &task.id);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Gives every claimed task back, for another worker to take at once.
    pub async fn park(&mut self) -> Result<(), Error> {
        for ((tenant, id), held) in std::mem::take(&mut self.held) {
            let epoch = held.epoch;
            self.service
                .store
                .write(tenant, async move |tx| tx.release_task(&id, epoch).await)
                .await?;
        }
        self.queue = Queue::default();
        self.watched.clear();
        self.scanned = None;
        Ok(())
    }

    /// Finds tasks that nobody works on, and ends those that are too old.
    async fn scan(&mut self) -> Result<(), Error> {
        let open = self
            .service
            .store
            .system_read(async |tx| tx.open_tasks(SCANNED_MAX).await)
            .await?;
        let (now, monotonic) = (self.service.now(), self.service.monotonic());
        let mut watched = HashMap::new();
        for task in open {
            let place = (task.tenant, task.id.clone());
            if self.held.contains_key(&place) {
                continue;
            }
            if let Some(lease) = self.watch(&place, &task, monotonic) {
                watched.insert(place, lease);
            } else if now.since(task.created_at) >= self.service.settings.task_timeout {
                match self.time_out(place, task.lease_epoch).await {
                    Err(Error::Store(error)) if !is_passing(&error) => {
                        tracing::error!(%error, task = task.id, "a task that is too old cannot be ended");
                    }
                    other => other?,
                }
            } else {
                self.queue.push(Queued {
                    tenant: task.tenant,
                    id: task.id,
                    seen_epoch: task.lease_epoch,
                    is_left: task.lease_owner.is_some(),
                });
            }
        }
        self.watched = watched;
        Ok(())
    }

    /// The lease that keeps us off a task; `None` when nobody holds it, or its holder has died.
    fn watch(&self, place: &Place, task: &OpenTask, now: Duration) -> Option<Watched> {
        // A lease that ends at 0 was ended by the start of the only server.
        if task.lease_owner.is_none() || task.lease_until == Timestamp(0) {
            return None;
        }
        let (epoch, until) = (task.lease_epoch, task.lease_until);
        let since = match self.watched.get(place) {
            Some(seen) if (seen.epoch, seen.until) == (epoch, until) => seen.since,
            _ => now,
        };
        (now.saturating_sub(since) < LEASE).then_some(Watched { epoch, until, since })
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let until = self.lease_until();
        let held: Vec<(Place, i64)> = self
            .held
            .iter()
            .map(|(place, held)| (place.clone(), held.epoch))
            .collect();
        for ((tenant, id), epoch) in held {
            let renewed = {
                let id = id.clone();
                self.service
                    .store
                    .write(tenant, async move |tx| tx.renew_lease(&id, epoch, until).await)
                    .await?
            };
            if !renewed {
                self.drop_task(&(tenant, id));
            }
        }
        Ok(())
    }

    fn claim(&self, task: &Queued) -> impl Future<Output = Result<Option<Held>, Error>> + Send + use<> {
        let (service, tenant) = (Arc::clone(&self.service), task.tenant);
        let (id, owner, seen_epoch) = (task.id.clone(), self.owner.clone(), task.seen_epoch);
        let (now, until) = (self.service.now(), self.lease_until());
        let chunk_size = self.chunk_size();
        let chunk_items = count(chunk_size.items * self.chunks_at_once());
        async move {
            let claimed = service
                .store
                .write(tenant, async move |tx| {
                    let claim = Claim {
                        owner: &owner,
                        until,
                        seen_epoch,
                        chunk_items,
                    };
                    tx.claim_task(&id, claim, now).await
                })
                .await?;
            let Some(claimed) = claimed else { return Ok(None) };
            let items: Vec<Item> =
                serde_json::from_str(&claimed.request).map_err(|e| StoreError::Inconsistent {
                    what: format!("task_open.request: {e}"),
                })?;
            let size = |number: i64| usize::try_from(number).unwrap_or(0);
            Ok(Some(Held {
                task_type: claimed.task_type,
                items: Arc::new(items),
                next_item: size(claimed.next_item),
                careful_until: size(claimed.careful_until),
                crashes: claimed.crashes,
                epoch: claimed.epoch,
                chunk_size,
                age_at_claim: now.since(claimed.created_at),
                claimed: service.monotonic(),
            }))
        }
    }

    /// Runs so many chunks at most of each of these claimed tasks, and ends those that have become too old. With more than one
    /// it may claim what comes behind those that will be done.
    async fn work(&mut self, places: &[Place], at_once: usize) -> Result<(), Error> {
        let (mut work, mut late) = (Vec::new(), Vec::new());
        for place in places {
            let Some(held) = self.held.get(place) else {
                continue;
            };
            match self.is_late(held) {
                true => late.push((place, held.epoch)),
                false => work.push((place.0, self.chunks(place, held, at_once))),
            }
        }
        let next: Vec<Queued> = match at_once > 1 && self.works_at_several {
            true => self.behind(&work, at_once),
            false => Vec::new(),
        };
        for (place, epoch) in late {
            self.time_out(place.clone(), epoch).await?;
        }
        let service = &self.service;
        let runs = work
            .into_iter()
            .map(async |(tenant, chunks)| (tenant, service.run_chunks(tenant, chunks).await));
        let claims = next.iter().map(|task| self.claim(task));
        let (went, claims) = join(join_all(runs), join_all(claims)).await;
        let mut failed = self.hold(&next, claims).err();
        for (tenant, went) in went {
            failed = self.after_all(tenant, went).await.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// What follows from how these chunks of a tenant went.
    async fn after_all(
        &mut self,
        tenant: TenantId,
        went: Vec<(Chunk, Result<bool, ChunkError>)>,
    ) -> Result<(), Error> {
        let mut failed = None;
        for (chunk, outcome) in went {
            let place = (tenant, chunk.task_id);
            if let Err(error) = self.after(&place, chunk.range, chunk.epoch, outcome).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// So many chunks at most that come next of a tenant: of its oldest task, and, where the database works at several units of a
    /// tenant at the same time, of those behind it that are held, as long as those before them come to their end.
    fn chunks(&self, place: &Place, held: &Held, at_once: usize) -> Vec<Chunk> {
        let (mut chunks, lease_until) = (Vec::with_capacity(at_once), self.lease_until());
        let at_once = if held.is_careful() { 1 } else { at_once };
        held.add_chunks(&mut chunks, &place.1, at_once, lease_until);
        if !self.works_at_several {
            return chunks;
        }
        for task in self.queue.behind(place.0, &place.1) {
            let before = chunks.len();
            let next = self.held.get(&(task.tenant, task.id.clone()));
            let next = next.filter(|next| !next.is_careful() && !self.is_late(next));
            if let (Some(next), true) = (next, chunks.last().is_some_and(Chunk::is_last)) {
                next.add_chunks(&mut chunks, &task.id, at_once, lease_until);
            }
            // None is passed over.
            if chunks.len() == before {
                break;
            }
        }
        chunks
    }

    /// The tasks to be claimed now, so that each tenant has so many chunks to be run behind these: each task has one at least. None
    /// that a server may have died of or that comes behind one, and no more than there is room for.
    fn behind(&self, work: &[(TenantId, Vec<Chunk>)], at_once: usize) -> Vec<Queued> {
        let mut next = Vec::new();
        for (tenant, chunks) in work {
            let Some(last) = chunks.last() else { continue };
            let held = self.held.get(&(*tenant, last.task_id.clone()));
            let Some(held) = held.filter(|held| !held.is_careful()) else {
                continue;
            };
            let tasks = self.queue.behind(*tenant, &last.task_id);
            let tasks = tasks.take(at_once.saturating_sub(held.chunks_from(last.range.end, at_once)));
            let is_new = |task: &&Queued| !self.held.contains_key(&(task.tenant, task.id.clone()));
            next.extend(tasks.take_while(|task| !task.is_left).filter(is_new).cloned());
        }
        // A claim is a transaction beside those of the chunks.
        next.truncate(self.room().min(CHUNKS_BESIDE));
        next
    }

    /// Whether a task has become too old.
    fn is_late(&self, held: &Held) -> bool {
        let age = held.age_at_claim + self.service.monotonic().saturating_sub(held.claimed);
        age >= self.service.settings.task_timeout
    }

    /// What follows from how a chunk went.
    async fn after(
        &mut self,
        place: &Place,
        range: Range<usize>,
        epoch: i64,
        outcome: Result<bool, ChunkError>,
    ) -> Result<(), Error> {
        let Some(held) = self.held.get_mut(place) else {
            return Ok(());
        };
        match outcome {
            Ok(true) => self.drop_task(place),
            Ok(false) => {
                held.next_item = range.end;
                held.crashes = 0;
            }
            Err(ChunkError::Lost) => self.drop_task(place),
            Err(ChunkError::Store(error)) if is_passing(&error) => {
                if let StoreError::Unavailable(_) = error {
                    // It may have taken too long.
                    held.chunk_size = held.chunk_size.at_most(CHUNK_OF_ONE_WRITER);
                }
                return Err(error.into());
            }
            // A defect: first find the item, then fail it alone, so that nothing loops.
            Err(ChunkError::Store(error)) if range.len() > 1 => {
                tracing::error!(%error, task = place.1, from = range.start, "a chunk failed; its items are run one by one");
                held.careful_until = held.careful_until.max(range.end);
            }
            Err(ChunkError::Store(error)) => {
                tracing::error!(%error, task = place.1, item = range.start, "an item failed");
                let words = "INTERNAL: a defect of the server; its log says more".to_owned();
                self.refuse(place, range.start, epoch, words).await?;
            }
        }
        Ok(())
    }

    /// Reports an item as failed without running it.
    async fn refuse(&mut self, place: &Place, item: usize, epoch: i64, words: String) -> Result<(), Error> {
        let lease_until = self.lease_until();
        let Some(held) = self.held.get_mut(place) else {
            return Ok(());
        };
        let chunk = Chunk {
            task_id: place.1.clone(),
            task_type: held.task_type,
            items: Arc::clone(&held.items),
            range: item..item + 1,
            // What is not run needs nothing.
            need: Arc::default(),
            epoch,
            lease_until,
            refuse: Some(words),
            order: Order::default(),
        };
        match self.service.run_chunk(place.0, chunk).await {
            Ok(false) => held.next_item = item + 1,
            Ok(true) | Err(ChunkError::Lost) => self.drop_task(place),
            Err(ChunkError::Store(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Ends a task that is too old: what has no outcome yet is reported as timed out.
    async fn time_out(&mut self, place: Place, seen_epoch: i64) -> Result<(), Error> {
        let (tenant, id) = place.clone();
        let (now, owner, until) = (self.service.now(), self.owner.clone(), self.lease_until());
        let timeout = self.service.settings.task_timeout;
        self.service
            .store
            .write(tenant, async move |tx| {
                // Claiming raises the epoch, which fences whoever worked on it.
                let claim = Claim {
                    owner: &owner,
                    until,
                    seen_epoch,
                    chunk_items: 0,
                };
                let Some(claimed) = tx.claim_task(&id, claim, now).await? else {
                    return Ok(());
                };
                // What cannot be read cannot be reported item by item; the task ends all the same.
                let items: Vec<Item> = serde_json::from_str(&claimed.request).unwrap_or_default();
                let next = usize::try_from(claimed.next_item).unwrap_or(0);
                for (number, item) in items.iter().enumerate().skip(next) {
                    let words = format!(
                        "TIMED_OUT: the task was not done within {} seconds, and this item was not started",
                        timeout.as_secs()
                    );
                    let decision = Facts::refuse(claimed.task_type, item, words);
                    tx.insert_receipt(&id, count(number), &decision.receipt).await?;
                }
                tx.finish_task(&id, TaskStatus::Failed, now).await
            })
            .await?;
        self.drop_task(&place);
        Ok(())
    }

    fn drop_task(&mut self, place: &Place) {
        self.held.remove(place);
        self.queue.remove(place.0, &place.1);
    }

    fn lease_until(&self) -> Timestamp {
        self.service.now().plus(LEASE)
    }
}

impl Held {
    /// Whether a worker may have died of what comes next.
    fn is_careful(&self) -> bool {
        self.crashes > 0 || self.next_item < self.careful_until
    }

    /// Adds those that come next to others of the tenant, until there are so many, as far as each may be begun before it is known
    /// what becomes of those before it. The first of all may.
    fn add_chunks(&self, chunks: &mut Vec<Chunk>, task_id: &str, at_once: usize, lease_until: Timestamp) {
        let mut from = self.next_item;
        while chunks.is_empty() || (chunks.len() < at_once && from < self.items.len()) {
            let next = self.chunk(task_id, from, lease_until);
            if !chunks.iter().all(|before| next.may_follow_at_once(before)) {
                break;
            }
            from = next.range.end;
            chunks.push(next);
        }
    }

    /// Where the chunk ends that begins with this item: with it while a worker may have died of it, with more otherwise.
    fn chunk_end(&self, from: usize) -> usize {
        let mut end = from + 1;
        if self.crashes < CRASHES_MAX && from >= self.careful_until {
            let mut weight = self.items.get(from).map_or(0, Item::weight);
            while end < self.items.len() && end - from < self.chunk_size.items {
                weight += self.items[end].weight();
                if weight > self.chunk_size.weight {
                    break;
                }
                end += 1;
            }
        }
        end.min(self.items.len())
    }

    /// How many chunks there are from this item on, as far as so many.
    fn chunks_from(&self, mut from: usize, count: usize) -> usize {
        let mut chunks = 0;
        while chunks < count && from < self.items.len() {
            (chunks, from) = (chunks + 1, self.chunk_end(from));
        }
        chunks
    }

    /// The chunk that begins with this item.
    fn chunk(&self, task_id: &str, from: usize, lease_until: Timestamp) -> Chunk {
        let poison = self.crashes >= CRASHES_MAX;
        let range = from..self.chunk_end(from);
        let need = match poison {
            // What is refused without being run needs nothing.
            true => Need::default(),
            false => Need::of(self.task_type.kind(), &self.items[range.clone()]),
        };
        Chunk {
            task_id: task_id.to_owned(),
            task_type: self.task_type,
            items: Arc::clone(&self.items),
            range,
            need: Arc::new(need),
            epoch: self.epoch,
            lease_until,
            refuse: poison.then(|| format!("POISON: {CRASHES_MAX} servers died while they ran this item")),
            order: Order::default(),
        }
    }
}

/// Whether a worker may have died of what comes next in this task.
fn is_careful(held: &HashMap<Place, Held>, task: &Queued) -> bool {
    match held.get(&(task.tenant, task.id.clone())) {
        Some(held) => held.is_careful(),
        None => task.is_left,
    }
}

/// Whether trying again later is right.
fn is_passing(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Full
            | StoreError::Overloaded
            | StoreError::Unavailable(_)
            | StoreError::Unknown(_)
            | StoreError::Broken(_)
    )
}

/// Runs a worker until `stop`; then it finishes the chunks at hand and gives its tasks back.
pub async fn run(service: Arc<Service>, stop: impl Future<Output = ()>) {
    let (tell, mut stops) = watch::channel(false);
    let mut worker = Worker::new(Arc::clone(&service));
    worker.stops = stops.clone();
    let works = async {
        while !*stops.borrow() {
            let wait = match worker.flow().await {
                Ok(Step::Worked) => Duration::ZERO,
                Ok(Step::Idle) => SCAN_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the worker rests");
                    REST
                }
            };
            tokio::select! {
                biased;
                _ = stops.changed() => {}
                () = tokio::time::sleep(wait), if wait > Duration::ZERO => {}
                () = service.queue.wait(), if wait == SCAN_EVERY => {}
                () = tokio::task::yield_now(), if wait.is_zero() => {}
            }
        }
        if let Err(error) = worker.park().await {
            tracing::warn!(%error, "cannot give tasks back; another server takes them when their leases end");
        }
    };
    let told = async {
        stop.await;
        tell.send_replace(true);
    };
    join(told, works).await;
}

impl Service {
    /// To be called when a server starts. Where it is the only one on its database, whoever holds a
    /// lease is dead, and nobody needs to wait for it to end.
    pub async fn end_dead_leases(&self) -> Result<(), Error> {
        if !self.store.is_for_one_server() {
            return Ok(());
        }
        self.store
            .system_write(async |tx| Ok(tx.end_all_leases().await?))
            .await
    }
}
