//! The stream between hyper and the socket: it keeps the clocks, overhears hyper's own refusals, and answers some requests before
//! hyper sees them.
//!
//! It knows where the connection stands from its [`Pulse`]. While nothing has come it runs the idle clock,
//! from the first byte of a head to the call of the service the header clock (which no further byte moves),
//! and whenever a write makes no progress the write clock. What hyper writes before the service was called is
//! a refusal with an empty body: it is taken down here and said properly when the connection ends.
//!
//! Long, because all of it is one state that reads, writes and clocks share.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::canned::{Overheard, overhear};
use super::plain::PlainGet;
use super::pulse::{Phase, Pulse};
use super::repeat::{Asked, Model, Repeated};
use super::{Answer, Look, ShellSettings};

/// What ends a head that is late: NUL is allowed nowhere in a head, so hyper refuses what it has and, in
/// passing, tells us the date. The empty line makes it look.
const END_OF_LATE_HEAD: &[u8] = b"\0\r\n\r\n";

/// Which clock ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Idle,
    Head,
    Write,
}

#[derive(Debug)]
pub(crate) struct Guard<S, A> {
    pub(crate) stream: S,
    pub(crate) expired: Option<Expired>,
    pub(crate) overheard: Option<Overheard>,
    pub(crate) is_ended_by_peer: bool,
    answer: Arc<A>,
    pulse: Arc<Pulse>,
    settings: ShellSettings,
    alarm: Alarm,
    read_deadline: Option<Instant>,
    write_deadline: Option<Instant>,
    /// Bytes of the next head came before the answer to this request was written.
    is_head_begun: bool,
    /// Hyper holds nothing of a next request, so that a request that comes now begins where it seems to. Known only
    /// after a plain request that came alone went through hyper: whatever hyper held before it, it ended with it.
    is_in_step: bool,
    /// Whether it held nothing of one when what came last came.
    was_in_step: bool,
    /// What requests are like that can be answered before they are parsed.
    model: Option<Model>,
    /// A request that may be answered before it is parsed, until that is known. Nothing is read meanwhile.
    asked: Option<Asked>,
    /// What was read and hyper has not seen yet: a request that takes the usual way after all.
    unseen: Vec<u8>,
    /// What is left to write of the answer to a request that was answered before it was parsed.
    pub(crate) unsaid: Unsaid,
}

/// What the guard does with what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It is a request that is answered here: turned away, or given what is given to one like it. It is
    /// nobody's business any more, and what is to be said stands in `unsaid`.
    Answered,
    /// It may be answered here, and stands in `asked`.
    Asked,
    /// It is for hyper.
    Not,
}

/// An answer that is being written.
#[derive(Debug, Default)]
pub(crate) struct Unsaid {
    bytes: Vec<u8>,
    said: usize,
}

/// How long a request is held at most until it is known whether it is answered here. Then it takes the usual way, which knows of a client that
/// has gone, and says what is wrong.
const HELD_MAX: Duration = Duration::from_secs(1);

/// Above this a connection gives the memory of an answer back when it is written.
const ANSWER_BYTES_KEPT: usize = 8 * 1024;

impl Unsaid {
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.said..).unwrap_or_default()
    }

    /// There is nothing else to say.
    fn begin(&mut self, answer: Vec<u8>) {
        (self.bytes, self.said) = (answer, 0);
    }

    fn advance(&mut self, count: usize) {
        self.said += count;
        if self.rest().is_empty() {
            self.said = 0;
            self.bytes.clear();
            self.bytes.shrink_to(ANSWER_BYTES_KEPT);
        }
    }
}

impl<S, A: Answer> Guard<S, A> {
    pub(crate) fn new(stream: S, answer: Arc<A>, pulse: Arc<Pulse>, settings: ShellSettings) -> Self {
        Self {
            stream,
            expired: None,
            overheard: None,
            is_ended_by_peer: false,
            answer,
            pulse,
            settings,
            alarm: Alarm::default(),
            read_deadline: None,
            write_deadline: None,
            is_head_begun: false,
            is_in_step: false,
            was_in_step: false,
            model: None,
            asked: None,
            unseen: Vec::new(),
            unsaid: Unsaid::default(),
        }
    }

    /// What becomes of these bytes.
    fn take(&mut self, bytes: &[u8]) -> Taken {
        self.was_in_step = std::mem::take(&mut self.is_in_step) && !self.pulse.had_body();
        if self.pulse.phase() != Phase::Idle {
            return Taken::Not;
        }
        // Without reading it, where nobody is to look at it first.
        let is_looking = self.answer.is_looking();
        let taken = match is_looking {
            false => self.repeat(bytes, false),
            true => Taken::Not,
        };
        self.is_in_step = taken != Taken::Not;
        if taken != Taken::Not {
            return taken;
        }
        let request = PlainGet::read(bytes);
        self.is_in_step = request.is_some();
        let look = request
            .filter(|_| self.was_in_step && is_looking)
            .map(|request| self.answer.look(&request));
        let taken = match &look {
            Some(Look::TurnedAway(words)) => {
                self.unsaid.bytes.extend_from_slice(words);
                Taken::Answered
            }
            Some(Look::LetIn) => self.repeat(bytes, true),
            None => Taken::Not,
        };
        self.pulse
            .note_look(look == Some(Look::LetIn) && taken == Taken::Not);
        taken
    }

    /// Answers these bytes as a request like them was answered, if they are one and nothing of another one may be before them.
    fn repeat(&mut self, bytes: &[u8], is_let_in: bool) -> Taken {
        let Some(model) = self.model.as_ref().filter(|_| self.was_in_step) else {
            return Taken::Not;
        };
        match model.answer(bytes, &mut self.unsaid.bytes) {
            Repeated::Now => Taken::Answered,
            // Who stops lets hyper say that the connection ends with this answer.
            Repeated::Later(answer) if self.pulse.may_ask() => {
                self.asked = Some(Asked {
                    request: bytes.to_vec(),
                    is_let_in,
                    answer,
                });
                self.pulse.note_asked(true);
                self.read_deadline = None;
                Taken::Asked
            }
            Repeated::Later(_) | Repeated::Not => Taken::Not,
        }
    }

    /// What has become of a request that may be answered here: ready when none is, any more. Then its answer stands in `unsaid`, or it
    /// stands in `unseen` itself.
    fn poll_asked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(asked) = &mut self.asked else {
            return Poll::Ready(());
        };
        let deadline = *self
            .read_deadline
            .get_or_insert_with(|| Instant::now() + HELD_MAX);
        let answer = match asked.poll_answer(context) {
            Poll::Ready(answer) => answer,
            Poll::Pending if self.alarm.rings(deadline, context) => None,
            Poll::Pending => return Poll::Pending,
        };
        self.read_deadline = None;
        self.pulse.note_asked(false);
        if let Some(asked) = self.asked.take() {
            match answer {
                Some(answer) => self.unsaid.begin(answer),
                None => {
                    self.pulse.note_look(asked.is_let_in);
                    self.unseen = asked.request;
                }
            }
        }
        Poll::Ready(())
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.is_ended_by_peer = true;
            return;
        }
        match self.pulse.phase() {
            Phase::Idle => {
                self.pulse.keep_head(bytes, true);
                self.pulse.enter(Phase::Head);
                self.read_deadline = None;
            }
            Phase::Head => self.pulse.keep_head(bytes, false),
            // Of a body, or at its end also of a next head: that one is found when more of it comes.
            Phase::Answering if self.pulse.is_body_open() => {}
            Phase::Answering | Phase::Writing => self.is_head_begun = true,
        }
    }

    /// The clock of this phase, if it has one, and whether it has run out; if not, the task is woken when it
    /// does.
    fn look_at_clock(&mut self, context: &mut Context<'_>) -> Option<Expired> {
        let (timeout, expired) = match self.pulse.phase() {
            Phase::Idle => (self.settings.idle_timeout, Expired::Idle),
            Phase::Head => (self.settings.header_timeout, Expired::Head),
            Phase::Answering | Phase::Writing => return None,
        };
        let deadline = *self.read_deadline.get_or_insert_with(|| Instant::now() + timeout);
        self.alarm.rings(deadline, context).then_some(expired)
    }

    fn wait_for_bytes(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(expired) = self.look_at_clock(context) else {
            return Poll::Pending;
        };
        self.expired = Some(expired);
        if expired == Expired::Head && buffer.remaining() >= END_OF_LATE_HEAD.len() {
            buffer.put_slice(END_OF_LATE_HEAD);
        }
        Poll::Ready(Ok(()))
    }

    /// The answer is on its way to the peer: what comes next is another head.
    fn end_answer(&mut self, context: &mut Context<'_>) {
        self.read_deadline = None;
        // Only where the request was what it seemed to be, and nothing has come since.
        if let Some((repeatable, head)) = self.pulse.take_word()
            && self.is_in_step
            && self.was_in_step
        {
            self.model = Model::of(&head, repeatable);
        }
        if std::mem::take(&mut self.is_head_begun) {
            self.pulse.forget_head();
            self.pulse.enter(Phase::Head);
        } else {
            self.pulse.enter(Phase::Idle);
        }
        // Hyper does not read again when it already found nothing while the request was answered, so the
        // clock must be set from here.
        if self.look_at_clock(context).is_some() {
            context.waker().wake_by_ref();
        }
    }

    /// Takes down what hyper writes although nobody was asked; `true` when it must not be written.
    fn intercepts(&mut self, bytes: &[u8]) -> bool {
        if !matches!(self.pulse.phase(), Phase::Idle | Phase::Head) {
            return false;
        }
        if let Some(overheard) = overhear(bytes) {
            self.overheard = Some(overheard);
        }
        self.overheard.is_some()
    }

    fn note_write<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let timeout = self.settings.write_timeout;
        let deadline = *self
            .write_deadline
            .get_or_insert_with(|| Instant::now() + timeout);
        if !self.alarm.rings(deadline, context) {
            return Poll::Pending;
        }
        self.expired = Some(Expired::Write);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin, A: Answer> Guard<S, A> {
    /// Writes what is unsaid.
    fn say(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsaid.rest().is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(context, self.unsaid.rest());
            match ready!(self.note_write(written, context))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.unsaid.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, A: Answer> AsyncRead for Guard<S, A> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if guard.expired.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        loop {
            ready!(guard.poll_asked(context));
            ready!(guard.say(context))?;
            if !guard.unseen.is_empty() {
                let count = guard.unseen.len().min(buffer.remaining());
                buffer.put_slice(&guard.unseen[..count]);
                guard.unseen.drain(..count);
                guard.note_read(&buffer.filled()[before..]);
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut guard.stream).poll_read(context, buffer) {
                Poll::Ready(Ok(())) => match guard.take(&buffer.filled()[before..]) {
                    Taken::Not => {
                        guard.note_read(&buffer.filled()[before..]);
                        return Poll::Ready(Ok(()));
                    }
                    Taken::Answered => {
                        guard.read_deadline = None;
                        buffer.set_filled(before);
                    }
                    Taken::Asked => buffer.set_filled(before),
                },
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return guard.wait_for_bytes(context, buffer),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, A: Answer> AsyncWrite for Guard<S, A> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        if guard.intercepts(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut guard.stream).poll_write(context, bytes);
        guard.note_write(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guard = self.get_mut();
        // Hyper's own refusals have no body, so their first slice is the whole of them.
        if slices.first().is_some_and(|head| guard.intercepts(head)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut guard.stream).poll_write_vectored(context, slices);
        guard.note_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Hyper flushes when it has nothing more to write, so after an answer this is its end.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        let flushed = Pin::new(&mut guard.stream).poll_flush(context);
        ready!(guard.note_write(flushed, context))?;
        if guard.pulse.phase() == Phase::Writing {
            guard.end_answer(context);
        }
        Poll::Ready(Ok(()))
    }

    /// Does nothing: there may be last words to say, and who owns the stream shuts it down after them.
    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
