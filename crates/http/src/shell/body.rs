//! The body of a request: read whole, bounded in size and in time.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::pulse::Pulse;

/// The most that is set aside on the word of a `Content-Length`, before the bytes have come.
const SET_ASIDE_BYTES_MAX: usize = 64 * 1024;

/// The largest body that is read to the end for nothing: it is cheaper than a new connection.
const SKIPPED_BYTES_MAX: usize = 64 * 1024;

/// The body of a request, not yet read.
///
/// Dropped unread it costs its connection: what is left of it is not read to find the next request.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Given(Bytes),
    Wire(WireBody),
}

#[derive(Debug)]
struct WireBody {
    incoming: Incoming,
    pulse: Arc<Pulse>,
    timeout: Duration,
}

/// Why a body could not be read. The connection closes after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// It is larger than the caller takes: 413.
    TooLarge {
        /// What the caller takes.
        max_bytes: usize,
    },
    /// Its next bytes did not come in time: 408.
    TimedOut,
    /// It ended early or its chunks are malformed: 400, if anybody is left to read it.
    Broken,
}

impl fmt::Display for BodyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { max_bytes } => write!(formatter, "the body is larger than {max_bytes} bytes"),
            Self::TimedOut => formatter.write_str("the body did not arrive in time"),
            Self::Broken => formatter.write_str("the body ended early or its chunks are malformed"),
        }
    }
}

impl Error for BodyFault {}

impl From<Bytes> for RequestBody {
    /// A body that is already here, for tests and for callers inside the process.
    fn from(bytes: Bytes) -> Self {
        Self(Source::Given(bytes))
    }
}

impl RequestBody {
    pub(crate) fn from_wire(incoming: Incoming, pulse: &Arc<Pulse>, timeout: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::from(Bytes::new());
        }
        Self(Source::Wire(WireBody {
            incoming,
            pulse: Arc::clone(pulse),
            timeout,
        }))
    }

    /// True when there is nothing to read.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Source::Given(bytes) if bytes.is_empty())
    }

    /// Reads a small body to its end and drops it, so that the connection can go on; another one is dropped
    /// unread.
    pub async fn skip(self) {
        let length = match &self.0 {
            Source::Given(_) => return,
            Source::Wire(body) => body.incoming.size_hint().exact(),
        };
        if length.is_some_and(|length| length <= SKIPPED_BYTES_MAX as u64) {
            // A fault leaves the body open, which closes the connection.
            let _dropped = self.read(SKIPPED_BYTES_MAX).await;
        }
    }

    /// Reads the body to its end, and never holds more than `max_bytes` and one frame of it.
    ///
    /// # Errors
    ///
    /// When it is larger than that (at once, if its `Content-Length` says so), late or broken.
    pub async fn read(self, max_bytes: usize) -> Result<Bytes, BodyFault> {
        match self.0 {
            Source::Given(bytes) if bytes.len() > max_bytes => Err(BodyFault::TooLarge { max_bytes }),
            Source::Given(bytes) => Ok(bytes),
            Source::Wire(body) => {
                let pulse = Arc::clone(&body.pulse);
                let bytes = body.read(max_bytes).await?;
                pulse.end_body();
                Ok(bytes)
            }
        }
    }
}

impl WireBody {
    async fn read(mut self, max_bytes: usize) -> Result<Bytes, BodyFault> {
        let too_large = BodyFault::TooLarge { max_bytes };
        let declared = self.incoming.size_hint().exact();
        if declared.is_some_and(|length| length > max_bytes as u64) {
            return Err(too_large);
        }
        let Some(first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        if first.len() > max_bytes {
            return Err(too_large);
        }
        // Most bodies are one frame, which is handed on as it came.
        let Some(second) = self.next().await? else {
            return Ok(first);
        };
        let expected = declared
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(0);
        let mut whole =
            BytesMut::with_capacity(expected.min(SET_ASIDE_BYTES_MAX).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        drop(first);
        let mut next = Some(second);
        while let Some(frame) = next {
            if frame.len() > max_bytes - whole.len() {
                return Err(too_large);
            }
            whole.extend_from_slice(&frame);
            next = self.next().await?;
        }
        Ok(whole.freeze())
    }

    /// The next bytes; trailers are read and dropped.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyFault> {
        while !self.incoming.is_end_stream() {
            let Some(frame) = self.frame().await? else {
                return Ok(None);
            };
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn frame(&mut self) -> Result<Option<http_body::Frame<Bytes>>, BodyFault> {
        let mut frame = pin!(self.incoming.frame());
        // A frame that is already here needs no timer.
        let polled = poll_fn(|context| Poll::Ready(frame.as_mut().poll(context))).await;
        let frame = match polled {
            Poll::Ready(frame) => frame,
            Poll::Pending => tokio::time::timeout(self.timeout, frame)
                .await
                .map_err(|_elapsed| BodyFault::TimedOut)?,
        };
        frame.transpose().map_err(|_error| BodyFault::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_given_body_keeps_its_limit() {
        let body = || RequestBody::from(Bytes::from_static(b"abc"));
        assert_eq!(body().read(3).await, Ok(Bytes::from_static(b"abc")));
        assert_eq!(body().read(2).await, Err(BodyFault::TooLarge { max_bytes: 2 }));
        assert!(!body().is_empty());
        assert!(RequestBody::from(Bytes::new()).is_empty());
    }
}
