//! Detail field definitions in memory. They are used only under the stamp that the transaction at
//! hand reads from the database, so a change by anyone, committed or rolled back, is never missed; or under the tenant's
//! version, where it has one, which saves the reading.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use guildhall_domain::TenantId;
use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_storage::{ReadTx, StoreError, Version};

/// Definitions kept at most: tenants × kinds.
const KEPT_MAX: usize = 3_000;

/// Definitions as they were seen.
struct Seen {
    stamp: i64,
    /// The tenant's version in the last snapshot that had this stamp.
    version: Option<Version>,
    definitions: Arc<Definitions>,
}

type Kept = HashMap<(TenantId, EntityKind), Seen>;

#[derive(Default)]
pub(crate) struct DefinitionsCache {
    kept: RwLock<Kept>,
}

impl DefinitionsCache {
    /// The definitions that were seen last, for what can be made ready before a transaction; it still has to
    /// ask whether they are those that it sees.
    pub(crate) fn last(&self, tenant: TenantId, kind: EntityKind) -> Option<Arc<Definitions>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(tenant, kind))
            .map(|seen| Arc::clone(&seen.definitions))
    }

    /// The definitions of one kind that have this stamp, where they are in memory.
    pub(crate) fn kept(&self, tenant: TenantId, kind: EntityKind, stamp: i64) -> Option<Arc<Definitions>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let seen = kept.get(&(tenant, kind))?;
        (seen.stamp == stamp).then(|| Arc::clone(&seen.definitions))
    }

    fn kept_under(&self, tenant: TenantId, kind: EntityKind, version: Version) -> Option<Arc<Definitions>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let seen = kept.get(&(tenant, kind))?;
        (seen.version == Some(version)).then(|| Arc::clone(&seen.definitions))
    }

    /// The definitions of one kind, as the transaction sees them.
    pub(crate) async fn get(
        &self,
        tx: &mut ReadTx<'_>,
        kind: EntityKind,
    ) -> Result<Arc<Definitions>, StoreError> {
        let (place, version) = ((tx.tenant(), kind), tx.tenant_version().await?);
        if let Some(definitions) = version.and_then(|version| self.kept_under(place.0, kind, version)) {
            return Ok(definitions);
        }
        let stamp = tx.definitions_stamp().await?;
        if let Some(definitions) = self.kept(place.0, kind, stamp) {
            if let Some(version) = version {
                self.note(place, stamp, version);
            }
            return Ok(definitions);
        }
        let definitions = Arc::new(Definitions::new(tx.fields(kind).await?));
        // A write sees, statement by statement, what others have committed: a change in between must not
        // be kept under the stamp before it.
        if tx.definitions_stamp().await? != stamp {
            return Ok(definitions);
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let seen = Seen {
            stamp,
            version,
            definitions: Arc::clone(&definitions),
        };
        kept.insert(place, seen);
        Ok(definitions)
    }

    /// Notes that a snapshot with this version of the tenant has this stamp.
    fn note(&self, place: (TenantId, EntityKind), stamp: i64, version: Version) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = kept.get_mut(&place).filter(|seen| seen.stamp == stamp) {
            seen.version = Some(version);
        }
    }
}
