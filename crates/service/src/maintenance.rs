//! What the server does by itself, in small steps: sweeping what hung on deleted things, removing
//! old tombstones and what servers told each other, recording when tokens were used, and finding out whether the database takes writes.

use std::collections::BTreeMap;
use std::time::Duration;

use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_domain::{Timestamp, limits};
use guildhall_storage::{Graves, StoreError, Swept};

use crate::{Error, Service};

/// Sweeps looked at in one step.
const SWEEPS_AT_ONCE: i64 = 16;
/// Tombstones of a kind that one step removes.
const TOMBSTONES_AT_ONCE: i64 = 500;

impl Service {
    /// Removes one batch of each of some waiting sweeps; whether there may be more to do.
    pub async fn sweep_once(&self) -> Result<bool, Error> {
        let waiting = self
            .store
            .system_read(async |tx| tx.waiting_sweeps(SWEEPS_AT_ONCE).await)
            .await?;
        let mut more = waiting.len() as i64 == SWEEPS_AT_ONCE;
        for (tenant, sweep) in waiting {
            let swept = self
                .store
                .write(tenant, async move |tx| {
                    let fields = Definitions::new(tx.fields(EntityKind::Entitlement).await?);
                    tx.sweep(sweep, &fields).await
                })
                .await?;
            more |= swept == Swept::More;
        }
        Ok(more)
    }

    /// Looks for what other servers changed: see [`guildhall_storage::Store::look`].
    pub async fn look(&self) -> Result<(), Error> {
        Ok(self.store.look().await?)
    }

    /// Removes some of what servers told each other minutes ago; whether there may be more.
    pub async fn purge_touches_once(&self) -> Result<bool, Error> {
        Ok(self.store.forget_touches().await?)
    }

    /// Removes some tombstones that are old enough; whether there may be more.
    pub async fn purge_tombstones_once(&self) -> Result<bool, Error> {
        let kept = Duration::from_secs(limits::TOMBSTONE_DAYS.unsigned_abs() * 24 * 60 * 60);
        let before = Timestamp(
            self.now()
                .0
                .saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)),
        );
        let old = self
            .store
            .system_read(async |tx| tx.tombstones_before(before, TOMBSTONES_AT_ONCE).await)
            .await?;
        let more = !old.is_empty();
        let mut places: BTreeMap<Graves, Vec<String>> = BTreeMap::new();
        for (graves, key) in old {
            places.entry(graves).or_default().push(key);
        }
        for (graves, keys) in places {
            self.store
                .write(graves.tenant, async move |tx| {
                    tx.purge_tombstones(graves.connection, &graves.of, &keys, before)
                        .await
                })
                .await?;
        }
        Ok(more)
    }

    /// Records when tokens were last used. What cannot be recorded now is recorded the next time.
    pub async fn record_token_use(&self) -> Result<(), Error> {
        let mut used = self.tokens.take_used().into_iter();
        while let Some(((tenant, id), used_at)) = used.next() {
            let recorded = {
                let id = id.clone();
                self.store
                    .write(tenant, async move |tx| tx.touch_token(&id, used_at).await)
                    .await
            };
            if let Err(error) = recorded {
                self.tokens
                    .put_used(std::iter::once(((tenant, id), used_at)).chain(used));
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Whether the database is still being filled by a copy: then nobody may serve it.
    pub async fn is_being_copied_into(&self) -> Result<bool, Error> {
        Ok(self.store.is_being_copied_into().await?)
    }

    /// A small read and a small write, to find out whether the database answers and takes writes.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let now = self.now();
        self.store.system_write(async move |tx| tx.probe(now).await).await
    }
}
