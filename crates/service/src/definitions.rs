//! Detail field definitions in memory. They are used only under the stamp that the transaction at
//! hand reads from the database, so a change by anyone, committed or rolled back, is never missed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use guildhall_domain::TenantId;
use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_storage::{ReadTx, StoreError};

/// Definitions kept at most: tenants × kinds.
const KEPT_MAX: usize = 3_000;

type Kept = HashMap<(TenantId, EntityKind), (i64, Arc<Definitions>)>;

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
            .map(|(_, definitions)| Arc::clone(definitions))
    }

    /// The definitions of one kind that have this stamp, where they are in memory.
    pub(crate) fn kept(&self, tenant: TenantId, kind: EntityKind, stamp: i64) -> Option<Arc<Definitions>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let (of, definitions) = kept.get(&(tenant, kind))?;
        (*of == stamp).then(|| Arc::clone(definitions))
    }

    /// The definitions of one kind, as the transaction sees them.
    pub(crate) async fn get(
        &self,
        tx: &mut ReadTx<'_>,
        kind: EntityKind,
    ) -> Result<Arc<Definitions>, StoreError> {
        let stamp = tx.definitions_stamp().await?;
        let place = (tx.tenant(), kind);
        if let Some(definitions) = self.kept(place.0, kind, stamp) {
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
        kept.insert(place, (stamp, Arc::clone(&definitions)));
        Ok(definitions)
    }
}
