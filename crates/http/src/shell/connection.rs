//! One connection, from its first byte to its last words.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{debug, error};

use super::canned::{self, refusal};
use super::guard::{Expired, Guard};
use super::pulse::{HEAD_BYTES_MAX, Phase, Pulse};
use super::screen::screen;
use super::{Answer, LetIn, RequestBody, ShellSettings};
use crate::routes::Space;

/// The most that hyper reads ahead of a slow reader of a body.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How long, and for how many bytes, a client that is still sending is listened to after our last words.
/// Closing at once would reset the connection, and a reset can overtake the answer it should follow.
const FAREWELL: Duration = Duration::from_secs(2);
const FAREWELL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The word to stop, given once to every connection.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    has_begun: AtomicBool,
    begun: Notify,
}

impl Stopping {
    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.begun.notify_waiters();
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }
}

/// What the requests of a connection share: one counted pointer to clone, and none that other connections
/// count on too.
struct Desk<A> {
    answer: Arc<A>,
    pulse: Arc<Pulse>,
    settings: ShellSettings,
}

/// Serves a connection until it ends.
pub(crate) async fn run<A: Answer>(
    stream: TcpStream,
    answer: Arc<A>,
    settings: ShellSettings,
    stopping: Arc<Stopping>,
) {
    // Failing here means that the peer has gone, which the first read will say.
    let _ = stream.set_nodelay(true);
    let pulse = Arc::new(Pulse::default());
    let guard = Guard::new(stream, Arc::clone(&answer), Arc::clone(&pulse), settings);
    let desk = Arc::new(Desk {
        answer,
        pulse: Arc::clone(&pulse),
        settings,
    });
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Here and not in the future, which is polled only after hyper has gone back to reading.
        desk.pulse.begin_request(!request.body().is_end_stream());
        if desk.pulse.take_look() {
            request.extensions_mut().insert(LetIn);
        }
        respond(Arc::clone(&desk), request)
    });
    let mut connection = http1::Builder::new()
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_AHEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(guard), service);
    let mut begun = pin!(stopping.begun.notified());
    let mut is_listening = false;
    let mut is_stopping = false;
    let ended = poll_fn(|context| {
        if !is_listening {
            // Once is enough, since a task keeps its waker; more would take a lock all connections share.
            is_listening = true;
            let _ = begun.as_mut().poll(context);
        }
        let mut polled = Pin::new(&mut connection).poll(context);
        if polled.is_pending() && !is_stopping && stopping.has_begun() {
            pulse.stop_asking();
            // Hyper would close a connection on which it has seen no request.
            if !pulse.is_asked() {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
                polled = Pin::new(&mut connection).poll(context);
            }
        }
        polled
    })
    .await;
    if let Err(fault) = &ended {
        debug!(%fault, "connection ended");
    }
    let guard = connection.into_parts().io.into_inner();
    farewell(guard, &pulse, ended.err(), settings.write_timeout).await;
}

/// Answers one request. It never fails: what goes wrong becomes an answer.
async fn respond<A: Answer>(
    desk: Arc<Desk<A>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let pulse = &desk.pulse;
    let space = Space::of_path(request.uri().path());
    let (mut response, is_refused) = match screen(&request, pulse) {
        Ok(()) => {
            let timeout = desk.settings.body_timeout;
            let request = request.map(|incoming| RequestBody::from_wire(incoming, pulse, timeout));
            (answer_or_500(&*desk.answer, request, space).await, false)
        }
        Err(message) => (refusal(space, StatusCode::BAD_REQUEST, message), true),
    };
    if is_refused || pulse.is_body_open() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        pulse.leave_unread();
    }
    pulse.leave_word(response.extensions_mut().remove());
    pulse.enter(Phase::Writing);
    Ok(response)
}

/// A panic costs its request, not the requests that share its connection.
async fn answer_or_500<A: Answer>(
    answer: &A,
    request: Request<RequestBody>,
    space: Space,
) -> Response<Full<Bytes>> {
    // It is made where it is polled for the first time, and moves no more.
    let mut future = pin!(async { answer.answer(request).await });
    let answered =
        poll_fn(
            |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            },
        )
        .await;
    answered.unwrap_or_else(|panic| {
        error!(panic = panic_message(&*panic), "a request panicked");
        refusal(space, StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "without a message",
    }
}

/// Says what hyper left unsaid, and closes so that it can be heard.
async fn farewell<A: Answer>(
    guard: Guard<TcpStream, A>,
    pulse: &Pulse,
    fault: Option<hyper::Error>,
    write_timeout: Duration,
) {
    if guard.expired == Some(Expired::Write) {
        // Nobody reads what is still queued: a reset frees it at once.
        let _ = guard.stream.set_zero_linger();
        return;
    }
    let last_words = last_words(&guard, pulse, fault.as_ref());
    let mut words = guard.unsaid.rest().to_vec();
    let has_more = last_words.is_some() || !words.is_empty();
    let is_peer_sending = !guard.is_ended_by_peer && (has_more || pulse.is_left_unread());
    words.extend(last_words.unwrap_or_default());
    close(guard.stream, &words, is_peer_sending, write_timeout).await;
}

/// Writes `last_words`, then closes a stream in the order that lets the peer read them.
pub(crate) async fn close(
    mut stream: TcpStream,
    last_words: &[u8],
    is_peer_sending: bool,
    write_timeout: Duration,
) {
    let said = async {
        stream.write_all(last_words).await?;
        stream.shutdown().await
    };
    if !matches!(timeout(write_timeout, said).await, Ok(Ok(()))) || !is_peer_sending {
        return;
    }
    let _ = timeout(FAREWELL, async {
        let mut scratch = vec![0; 16 * 1024];
        let mut heard_bytes = 0;
        while heard_bytes < FAREWELL_BYTES_MAX {
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => break,
                Ok(count) => heard_bytes += count,
            }
        }
    })
    .await;
}

/// The answer to a head that never reached the service.
fn last_words<S, A: Answer>(
    guard: &Guard<S, A>,
    pulse: &Pulse,
    fault: Option<&hyper::Error>,
) -> Option<Vec<u8>> {
    if !matches!(pulse.phase(), Phase::Idle | Phase::Head) {
        return None;
    }
    let date = guard
        .overheard
        .as_ref()
        .map_or("", |overheard| overheard.date.as_str());
    let is_late = match guard.expired {
        Some(Expired::Head) => true,
        // Hyper held the start of a head that had come together with the request before it.
        Some(Expired::Idle) => fault.is_some_and(hyper::Error::is_incomplete_message),
        _ => false,
    };
    if is_late {
        let message = "the head of the request did not arrive in time";
        return Some(canned::bytes(StatusCode::REQUEST_TIMEOUT, message, date));
    }
    let fault = fault?;
    let status = match &guard.overheard {
        Some(overheard) => overheard.status,
        None if fault.is_parse() => StatusCode::BAD_REQUEST,
        None => return None,
    };
    let (status, message) = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if !pulse.is_first_line_too_long() => {
            let message = format!(
                "the head of the request is larger than {HEAD_BYTES_MAX} bytes or has over 100 fields"
            );
            (status, message)
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => (
            StatusCode::URI_TOO_LONG,
            "the target of the request is too long".to_owned(),
        ),
        _ => {
            let words = fault.to_string();
            let words = words.trim_end_matches(" parsed");
            (status, format!("the head of the request is no HTTP/1.1: {words}"))
        }
    };
    Some(canned::bytes(status, &message, date))
}
