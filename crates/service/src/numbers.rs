//! Ids and internal numbers, taken from the tenant's counters in blocks and handed out in memory,
//! so that creates of one tenant do not wait for each other. A process that ends leaves a gap.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use guildhall_domain::TenantId;
use guildhall_storage::{Counter, Store, StoreError};

/// Numbers taken from the database at a time.
const BLOCK: i64 = 256;

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
        let block = self.block(tenant, counter);
        let mut block = block.lock().await;
        if block.end - block.start < count {
            let size = count.max(BLOCK);
            let first = self
                .store
                .write(tenant, async move |tx| tx.take_numbers(counter, size).await)
                .await?;
            *block = first..first + size;
        }
        let first = block.start;
        block.start += count;
        Ok(first)
    }

    /// Somebody was given `number` past the block at hand: what is left of the block is a gap, since
    /// later calls give greater numbers.
    pub(crate) async fn passed(&self, tenant: TenantId, counter: Counter, number: i64) {
        let block = self.block(tenant, counter);
        let mut block = block.lock().await;
        if block.end <= number {
            *block = Range::default();
        }
    }

    fn block(&self, tenant: TenantId, counter: Counter) -> Block {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(blocks.entry((tenant, counter)).or_default())
    }
}
