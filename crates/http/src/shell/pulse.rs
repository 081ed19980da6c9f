//! What the two ends of a connection tell each other.
//!
//! Hyper stands between the stream it reads and the service it calls. The stream must know whether a request
//! is being answered (to run the right clock), the service must know what the raw head said (hyper hides a
//! `Content-Length` beside a `Transfer-Encoding`), and both share this. Everything here is touched by one
//! task, so nothing waits: the atomics and the mutex are there because the compiler cannot know that.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::repeat::Repeatable;

/// The most bytes that the head of a request may have.
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Above this a connection gives the memory of a head back when the next one begins.
pub(crate) const HEAD_BYTES_KEPT: usize = 4 * 1024;

/// Where a connection stands between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No byte of a next request has come.
    Idle,
    /// A head has begun and is not complete.
    Head,
    /// The service has the request, perhaps with a body still to come.
    Answering,
    /// The service has answered, and the answer is not wholly written.
    Writing,
}

/// The state of one connection, shared by its stream, its service and the body of its request.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    phase: AtomicU8,
    body_open: AtomicBool,
    had_body: AtomicBool,
    unread: AtomicBool,
    let_in: AtomicBool,
    asked: AtomicBool,
    stopping: AtomicBool,
    head: Mutex<Vec<u8>>,
    repeatable: Mutex<Option<Repeatable>>,
}

impl Pulse {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Answering,
            _ => Phase::Writing,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// A complete head was handed to the service.
    pub(crate) fn begin_request(&self, has_body: bool) {
        self.enter(Phase::Answering);
        self.body_open.store(has_body, Relaxed);
        self.had_body.store(has_body, Relaxed);
    }

    /// Whether the last request that was handed to the service had a body.
    pub(crate) fn had_body(&self) -> bool {
        self.had_body.load(Relaxed)
    }

    /// The body was read to its end: what follows on the wire is the next request.
    pub(crate) fn end_body(&self) {
        self.body_open.store(false, Relaxed);
    }

    /// True while bytes of the request's body may still be on the wire.
    pub(crate) fn is_body_open(&self) -> bool {
        self.body_open.load(Relaxed)
    }

    /// The head that has begun was looked at before it is parsed, or it was not.
    pub(crate) fn note_look(&self, is_let_in: bool) {
        self.let_in.store(is_let_in, Relaxed);
    }

    /// Whether it was, said once.
    pub(crate) fn take_look(&self) -> bool {
        self.let_in.load(Relaxed) && self.let_in.swap(false, Relaxed)
    }

    /// A request is held that may be answered before it is parsed, or it is no longer.
    pub(crate) fn note_asked(&self, is_asked: bool) {
        self.asked.store(is_asked, Relaxed);
    }

    /// Whether one is: hyper has not seen it, and must not take the connection for idle.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// From now on every request takes the usual way, but those that can be answered at once.
    pub(crate) fn stop_asking(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(crate) fn may_ask(&self) -> bool {
        !self.stopping.load(Relaxed)
    }

    /// The like of the answer that is about to be written may be given by this.
    pub(crate) fn leave_word(&self, repeatable: Option<Repeatable>) {
        *self.repeatable.lock().unwrap_or_else(PoisonError::into_inner) = repeatable;
    }

    /// What was left word of, said once, and the head of the request as far as it is remembered.
    pub(crate) fn take_word(&self) -> Option<(Repeatable, Vec<u8>)> {
        let mut repeatable = self.repeatable.lock().unwrap_or_else(PoisonError::into_inner);
        let head = || self.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
        repeatable.take().map(|repeatable| (repeatable, head()))
    }

    /// The connection will close although its client may still be sending.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(crate) fn is_left_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Remembers the raw bytes of a head; `first` begins a new one.
    pub(crate) fn keep_head(&self, bytes: &[u8], first: bool) {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            head.clear();
            head.shrink_to(HEAD_BYTES_KEPT);
        }
        let room = HEAD_BYTES_MAX.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Forgets the head: the next one began where nobody could see it.
    pub(crate) fn forget_head(&self) {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// True when the raw head holds a `Content-Length` line.
    ///
    /// A head that came in one piece with the request before it was not kept. It is then judged by what
    /// hyper makes of it, which is the safe half: `Transfer-Encoding` wins and the connection closes.
    pub(crate) fn head_names_content_length(&self) -> bool {
        names_content_length(&self.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// True when the head is too large because of its first line, which is to say its target.
    pub(crate) fn is_first_line_too_long(&self) -> bool {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let start = head
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let line = &head[start..];
        line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len()) > HEAD_BYTES_MAX / 2
    }
}

fn names_content_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    head.split(|&byte| byte == b'\n')
        .skip_while(|line| line.trim_ascii().is_empty())
        .take_while(|line| !line.trim_ascii().is_empty())
        .any(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_line_is_found_in_the_first_head_only() {
        assert!(names_content_length(
            b"\r\nPOST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 5\r\n\r\n"
        ));
        assert!(names_content_length(b"POST / HTTP/1.1\nContent-Length:5\n\n"));
        assert!(!names_content_length(
            b"POST /content-length HTTP/1.1\r\nX: content-length\r\n\r\n"
        ));
        assert!(!names_content_length(
            b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
        ));
        assert!(!names_content_length(b""));
    }

    #[test]
    fn a_head_is_kept_across_reads_up_to_its_limit() {
        let pulse = Pulse::default();
        pulse.keep_head(b"POST / HTTP/1.1\r\nContent-Len", true);
        assert!(!pulse.head_names_content_length());
        pulse.keep_head(b"gth: 5\r\n\r\n", false);
        assert!(pulse.head_names_content_length());
        pulse.keep_head(b"GET / HTTP/1.1\r\n\r\n", true);
        assert!(!pulse.head_names_content_length());
        pulse.keep_head(&vec![b'a'; 2 * HEAD_BYTES_MAX], false);
        assert_eq!(pulse.head.lock().unwrap().len(), HEAD_BYTES_MAX);
    }

    #[test]
    fn a_long_first_line_is_told_from_many_fields() {
        let pulse = Pulse::default();
        pulse.keep_head(&vec![b'a'; HEAD_BYTES_MAX], true);
        assert!(pulse.is_first_line_too_long());
        pulse.keep_head(b"\r\nGET / HTTP/1.1\r\n", true);
        pulse.keep_head(&vec![b'a'; HEAD_BYTES_MAX], false);
        assert!(!pulse.is_first_line_too_long());
    }

    #[test]
    fn phases_survive_the_round_trip() {
        let pulse = Pulse::default();
        assert_eq!(pulse.phase(), Phase::Idle);
        for phase in [Phase::Head, Phase::Answering, Phase::Writing, Phase::Idle] {
            pulse.enter(phase);
            assert_eq!(pulse.phase(), phase);
        }
    }
}
