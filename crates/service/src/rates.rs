//! What connectors did in the last minute. Each server counts for itself, in memory: a limit is there to keep a
//! connector from taking all of a server, not to bill it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use guildhall_domain::connector::{Counted, Minute};
use guildhall_domain::{Caller, Rejection, TenantId};

use crate::{Error, Service};

/// Minutes that are kept before those that are over are looked for.
const MINUTES_KEPT: usize = 10_000;

/// The minutes of all callers.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Minutes>);

#[derive(Default)]
struct Minutes {
    known: HashMap<(TenantId, String, Counted), Minute>,
    /// How many there may be before it is worth looking again for those that are over.
    enough: usize,
}

impl Service {
    /// Counts so many for the caller's token, or refuses them, where the settings limit it.
    pub(crate) fn count(&self, caller: &Caller, counted: Counted, count: usize) -> Result<(), Error> {
        let Some(limit) = self.settings.connector_limits.of(counted) else {
            return Ok(());
        };
        let now = self.clock.monotonic();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.counts
            .count(caller, (counted, limit), count, now)
            .map_err(|wait| {
                let operation = counted.name();
                Rejection::TooFast {
                    operation,
                    limit,
                    wait,
                }
                .into()
            })
    }
}

impl Counts {
    fn count(
        &self,
        caller: &Caller,
        (counted, limit): (Counted, i64),
        count: i64,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A token that came once would stay for ever.
        if minutes.known.len() >= minutes.enough.max(MINUTES_KEPT) {
            minutes.known.retain(|_, minute| !minute.is_over(now));
            minutes.enough = 2 * minutes.known.len();
        }
        let key = (caller.tenant, caller.token_id.clone(), counted);
        let minute = minutes.known.entry(key).or_insert_with(|| Minute::from(now));
        minute.count(count, limit, now)
    }
}
