//! Kept answers that are given before their request is parsed, to requests like one that has passed the whole order of
//! checks (`Api::run`) on the same connection: of the same bytes but for the id that their path ends with.
//!
//! What was checked then rests on those bytes, on settings, and on who sent them. So it is as true again, as long as the
//! token is recognised as the same caller without asking the database, which ends half a second after it was asked. What
//! remains is the answer: it has to be one that is kept, under the version that the organization has now. Where other servers
//! write too that is known after a look at the database only, for which the request waits. All else takes the usual way.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use guildhall_domain::OrganizationId;
use guildhall_service::{Authenticated, Service, Version};
use http::{Method, Response, StatusCode};

use crate::answer::{Log, write_log};
use crate::governor::{Governor, Kind};
use crate::kept::{KeptAnswers, Shown};
use crate::shell::{Repeated, Repeater};

/// Where a path ends so that one like it may be answered.
const ENDS_WITH: &str = "/{organizationId}";

/// Room for most answers with their head.
const LATER_BYTES: usize = 2 * 1024;

/// Gives kept answers of one sort to one caller.
pub(crate) struct KeptRepeater {
    pub(crate) service: Arc<Service>,
    pub(crate) kept: Arc<KeptAnswers>,
    pub(crate) governor: Arc<Governor>,
    pub(crate) who: Arc<Authenticated>,
    pub(crate) shown: Shown,
    /// The path of the operation.
    pub(crate) operation: &'static str,
    /// The lines of the head before those that belong to one answer.
    pub(crate) head: Vec<u8>,
    /// The last line, with the time of the answer that this was made with: at most as old as a token is recognised.
    pub(crate) date: String,
}

impl KeptRepeater {
    /// Whether there is one for an operation at all.
    pub(crate) fn may_be(operation: &str) -> bool {
        operation.ends_with(ENDS_WITH)
    }

    /// The lines that an answer with these headers begins with.
    pub(crate) fn head<B>(response: &Response<B>) -> Vec<u8> {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for (name, value) in response.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head
    }

    /// The line that says when an answer was given, in milliseconds since 1970.
    pub(crate) fn date(now_ms: i64) -> String {
        let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        format!("date: {}\r\n", httpdate::fmt_http_date(UNIX_EPOCH + since))
    }

    /// Writes the answer that is kept about an organization under this version, and the id of the request that it gives it; nothing
    /// where none is.
    fn write(&self, id: OrganizationId, version: Version, answer: &mut Vec<u8>) -> Option<String> {
        let request_id = self.service.new_uuid();
        let head = |len: usize, answer: &mut Vec<u8>| {
            answer.extend_from_slice(&self.head);
            // Into memory, which never fails.
            let _ = write!(answer, "x-request-id: {request_id}\r\ncontent-length: {len}\r\n");
            answer.extend_from_slice(self.date.as_bytes());
            answer.extend_from_slice(b"\r\n");
        };
        let key = (self.who.caller.tenant, id, self.shown);
        self.kept.write(key, version, answer, head).then_some(request_id)
    }

    /// What is left to do for a request that is answered.
    fn note(&self, request_id: &str, began: Duration) {
        let mut under_way = self.governor.begin(Kind::Read);
        under_way.has_come();
        let log = Log {
            operation: Some(self.operation),
            who: Some(Arc::clone(&self.who)),
        };
        let took = self.service.monotonic() - began;
        under_way.took(took);
        write_log(&Method::GET, &log, StatusCode::OK, request_id, None, took);
    }

    /// The answer, if it is as good as a new one, by a look at what other servers changed.
    async fn look(
        self: Arc<Self>,
        id: OrganizationId,
        version: Version,
        request_id: String,
        answer: Vec<u8>,
        began: Duration,
    ) -> Option<Vec<u8>> {
        let waiting = self.governor.wait(Kind::Read);
        // A fault is said by the usual way, which will meet it too.
        let now = self
            .service
            .organization_version_now(&self.who.caller, id)
            .await
            .ok()?;
        if now != Some(version) || !self.service.still_recognises(&self.who) {
            return None;
        }
        drop(waiting);
        self.note(&request_id, began);
        Some(answer)
    }
}

impl Repeater for KeptRepeater {
    fn repeat(self: Arc<Self>, number: &str, answer: &mut Vec<u8>) -> Repeated {
        let began = self.service.monotonic();
        let Some(id) = OrganizationId::parse(number) else {
            return Repeated::Not;
        };
        if !self.service.still_recognises(&self.who) {
            return Repeated::Not;
        }
        let Some(version) = self.service.organization_version(&self.who.caller, id) else {
            return Repeated::Not;
        };
        if self.service.is_for_one_server() {
            let Some(request_id) = self.write(id, version, answer) else {
                return Repeated::Not;
            };
            self.note(&request_id, began);
            return Repeated::Now;
        }
        let mut later = Vec::with_capacity(LATER_BYTES);
        match self.write(id, version, &mut later) {
            Some(request_id) => Repeated::Later(Box::pin(self.look(id, version, request_id, later, began))),
            None => Repeated::Not,
        }
    }
}
