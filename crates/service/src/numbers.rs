//! Ids and internal numbers, taken from the tenant's counters in blocks and handed out in memory,
//! so that creates of one tenant do not wait for each other. A process that ends leaves a gap.
//!
//! Whoever finds too few takes a block, a commit of its own that all others wait for, so blocks shall be
//! few where many numbers are needed; and gaps shall be small where few are. So each block is twice as large as the one before.
//! What is left of a block is a gap, too, where an id from elsewhere is beyond it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use guildhall_domain::TenantId;
use guildhall_storage::{Counter, Store, StoreError};

/// Numbers that a process takes from the database at first.
const BLOCK: i64 = 256;
/// And at a time at most; of those that nobody sees at once, since no gap in them matters. More are taken where one asks for more.
const BLOCK_MAX: i64 = 4_096;

/// Numbers of one counter that were taken and not given out, and how many are taken next.
struct Block {
    left: Range<i64>,
    next_size: i64,
}

impl Block {
    fn new(counter: Counter) -> Self {
        Self {
            left: 0..0,
            next_size: match counter {
                Counter::Entitlement => BLOCK_MAX,
                _ => BLOCK,
            },
        }
    }
}

type SharedBlock = Arc<tokio::sync::Mutex<Block>>;

pub(crate) struct Numbers {
    store: Store,
    blocks: Mutex<HashMap<(TenantId, Counter), SharedBlock>>,
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
            let new = || Arc::new(tokio::sync::Mutex::new(Block::new(counter)));
            Arc::clone(blocks.entry((tenant, counter)).or_insert_with(new))
        };
        let mut block = block.lock().await;
        let Block { left, next_size } = &mut *block;
        if left.end - left.start < count {
            let size = count.max(*next_size);
            let first = self
                .store
                .write(tenant, async move |tx| tx.take_numbers(counter, size).await)
                .await?;
            // What is left is given out first where the new numbers follow on it.
            let start = if first == left.end { left.start } else { first };
            *left = start..first + size;
            *next_size = BLOCK_MAX.min(*next_size * 2);
        }
        let soon = left.start..left.end - count;
        let past = wishes.iter().rev().find(|wish| soon.contains(wish));
        let more = past.map_or(0, |past| past + 1 - left.start);
        let first = left.start;
        left.start += more + count;
        Ok(first..left.start)
    }

    /// Gives back the end of what was taken, from `unused` on. It is used again only where nobody
    /// took more in the meantime, so that numbers go on rising; else it stays a gap.
    pub(crate) async fn give_back(&self, tenant: TenantId, counter: Counter, unused: Range<i64>) {
        if let Some(block) = self.block(tenant, counter) {
            let left = &mut block.lock().await.left;
            if left.start == unused.end && !unused.is_empty() {
                left.start = unused.start;
            }
        }
    }

    /// From now on only greater numbers than `given` are given out: it was given from elsewhere.
    pub(crate) async fn raise(&self, tenant: TenantId, counter: Counter, given: i64) {
        if let Some(block) = self.block(tenant, counter) {
            let left = &mut block.lock().await.left;
            left.start = left.start.max(given + 1).min(left.end.max(left.start));
        }
    }

    fn block(&self, tenant: TenantId, counter: Counter) -> Option<SharedBlock> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get(&(tenant, counter)).map(Arc::clone)
    }
}
