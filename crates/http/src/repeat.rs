//! Kept answers that are given before their request is parsed, to requests like one that has passed the whole order of
//! checks (`Api::run`) on the same connection: of the same bytes but for the id that their path ends with.
//!
//! What was checked then rests on those bytes, on settings, and on who sent them. So it is as true again, as long as the
//! token is recognised as the same caller without asking the database, which ends half a second after it was asked. What
//! remains is the answer: it has to be one that is kept, under the version that the organization has now. All else takes the
//! usual way.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use guildhall_domain::OrganizationId;
use guildhall_service::{Authenticated, Service};
use http::{Method, Response, StatusCode};

use crate::answer::{Log, write_log};
use crate::governor::{Governor, Kind};
use crate::kept::{KeptAnswers, Shown};
use crate::shell::Repeater;

/// Where a path ends so that one like it may be answered.
const ENDS_WITH: &str = "/{organizationId}";

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
    /// Whether there is one for an operation at all: on PostgreSQL what is kept is as good as new only after a look at the database.
    pub(crate) fn may_be(service: &Service, operation: &str) -> bool {
        operation.ends_with(ENDS_WITH) && service.is_for_one_server()
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
}

impl Repeater for KeptRepeater {
    fn repeat(&self, number: &str, answer: &mut Vec<u8>) -> bool {
        let began = self.service.monotonic();
        let Some(id) = OrganizationId::parse(number) else {
            return false;
        };
        if !self.service.still_recognises(&self.who) {
            return false;
        }
        let caller = &self.who.caller;
        let Some(version) = self.service.organization_version(caller, id) else {
            return false;
        };
        let request_id = self.service.new_uuid();
        let head = |len: usize, answer: &mut Vec<u8>| {
            answer.extend_from_slice(&self.head);
            // Into memory, which never fails.
            let _ = write!(answer, "x-request-id: {request_id}\r\ncontent-length: {len}\r\n");
            answer.extend_from_slice(self.date.as_bytes());
            answer.extend_from_slice(b"\r\n");
        };
        let key = (caller.tenant, id, self.shown);
        if !self.kept.write(key, version, answer, head) {
            return false;
        }
        let mut under_way = self.governor.begin(Kind::Read);
        under_way.has_come();
        let log = Log {
            operation: Some(self.operation),
            who: Some(Arc::clone(&self.who)),
        };
        let took = self.service.monotonic() - began;
        under_way.took(took);
        write_log(&Method::GET, &log, StatusCode::OK, &request_id, None, took);
        true
    }
}
