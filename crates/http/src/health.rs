//! `/readyz`: whether the database answers and takes writes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use guildhall_service::{Service, StoreError};
use http::{StatusCode, header};

use crate::call::Reply;
use crate::error::ApiError;

/// A probe is a synced write, so its answer serves all who ask within this time.
const PROBE_SERVES: Duration = Duration::from_secs(1);

/// What the last probe found.
#[derive(Default)]
pub struct Health {
    stopping: AtomicBool,
    last: Mutex<Option<(Duration, Result<(), &'static str>)>>,
}

impl Health {
    /// From now on the server is not ready.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// 200, or 503 with the reason in a word.
    pub async fn ready(&self, service: &Service) -> Result<Reply, ApiError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(not_ready("stopping"));
        }
        let now = service.monotonic();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match last {
            Some((at, found)) if now.saturating_sub(at) < PROBE_SERVES => found,
            _ => {
                let found = service.probe().await.map_err(|error| reason(&error));
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, found));
                found
            }
        };
        found.map_err(not_ready)?;
        Ok(Reply::content(
            "application/json",
            Bytes::from_static(b"{\"status\":\"ready\"}"),
        ))
    }
}

fn reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::Full => "full",
        StoreError::Overloaded => "overloaded",
        _ => "unavailable",
    }
}

fn not_ready(reason: &'static str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, reason).with(header::RETRY_AFTER, "1")
}
