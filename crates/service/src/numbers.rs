//! Ids and internal numbers, taken from the tenant's counters in blocks and handed out in memory,
//! so that creates of one tenant do not wait for each other. A process that ends leaves a gap.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use guildhall_domain::TenantId;
use guildhall_storage::{Counter, Store, StoreError};

/// Numbers taken from the database at a time.
const BLOCK: i64 = 256;
/// The same of those that nobody sees: a task has hundreds, and no gap matters.
const UNSEEN_BLOCK: i64 = 4_096;

type Block = Arc<tokio::sync::Mutex<Range<i64>>>;

pub(crate) struct Numbers {
    store: Store,
    blocks: Mutex<HashMap<(TenantId, Counter), Block>>,
}

impl Numbers {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            blocks: Mutex::default(),
        }
    }

    /// The first of `count` numbers in a row that nobody else gets. Later calls give greater ones.
    pub(crate) async fn take(
        &self,
        tenant: TenantId,
        counter: Counter,
        count: i64,
    ) -> Result<i64, StoreError> {
        Ok(self
            .take_past(tenant, counter, count, &BTreeSet::new())
            .await?
            .start)
    }

    /// `count` numbers in a row, and so many more that `count` of them are greater than the greatest
    /// of `wishes` that would be given out soon.
    pub(crate) async fn take_past(
        &self,
        tenant: TenantId,
        counter: Counter,
        count: i64,
        wishes: &BTreeSet<i64>,
    ) -> Result<Range<i64>, StoreError> {
        let block = {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blocks.entry((tenant, counter)).or_default())
        };
        let mut block = block.lock().await;
        if block.end - block.start < count {
            let size = count.max(match counter {
                Counter::Entitlement => UNSEEN_BLOCK,
                _ => BLOCK,
            });
            let first = self
                .store
                .write(tenant, async move |tx| tx.take_numbers(counter, size).await)
                .await?;
            // What is left is given out first where the new numbers follow on it.
            let start = if first == block.end { block.start } else { first };
            *block = start..first + size;
        }
        let soon = block.start..block.end - count;
        let past = wishes.iter().rev().find(|wish| soon.contains(wish));
        let more = past.map_or(0, |past| past + 1 - block.start);
        let first = block.start;
        block.start += more + count;
        Ok(first..block.start)
    }

    /// Gives back the end of what was taken, from `unused` on. It is used again only where nobody
    /// took more in the meantime, so that numbers go on rising; else it stays a gap.
    pub(crate) async fn give_back(&self, tenant: TenantId, counter: Counter, unused: Range<i64>) {
        if let Some(block) = self.block(tenant, counter) {
            let mut block = block.lock().await;
            if block.start == unused.end && !unused.is_empty() {
                block.start = unused.start;
            }
        }
    }

    /// From now on only greater numbers than `given` are given out: it was given from elsewhere.
    pub(crate) async fn raise(&self, tenant: TenantId, counter: Counter, given: i64) {
        if let Some(block) = self.block(tenant, counter) {
            let mut block = block.lock().await;
            block.start = block.start.max(given + 1).min(block.end.max(block.start));
        }
    }

    fn block(&self, tenant: TenantId, counter: Counter) -> Option<Block> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get(&(tenant, counter)).map(Arc::clone)
    }
}
