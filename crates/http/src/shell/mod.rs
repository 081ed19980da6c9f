//! The hard shell: everything between a listening socket and one async function that answers a request.
//!
//! Whoever implements [`Answer`] sees well-formed requests only, and nobody else's trouble: slow clients are
//! timed out, heads that two servers could read differently are refused, bodies are bounded, panics become
//! answers, and every refusal has the one error body. Hyper speaks the protocol; a [`guard`] between it and
//! the socket keeps the clocks.
//!
//! ```text
//! serve ── accepts, counts, stops
//!   └─ connection ── hyper over guard(TcpStream), which answers some by itself (repeat), last words
//!        └─ screen → Answer::answer(Request<RequestBody>)
//! ```

mod alarm;
mod body;
pub(crate) mod canned;
mod connection;
mod guard;
mod plain;
mod pulse;
mod repeat;
mod screen;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, warn};

pub use body::{BodyFault, RequestBody};
use connection::{Stopping, panic_message};
pub use plain::PlainGet;
pub use repeat::{LaterAnswer, Repeatable, Repeated, Repeater};

/// How long to wait before accepting again when the machine has run out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections over the limit are told so at one time; further ones are just closed.
const TURNED_AWAY_MAX: usize = 256;

/// How patient the shell is, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub struct ShellSettings {
    /// From the first byte of a head to its end.
    pub header_timeout: Duration,
    /// Between two pieces of a body.
    pub body_timeout: Duration,
    /// Until the first byte of a request, the first one of a connection too.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of its answer.
    pub write_timeout: Duration,
    /// Connections served at one time; one more is answered 503.
    pub connections_max: usize,
    /// How long requests under way may take after the word to stop.
    pub stop_grace: Duration,
}

impl Default for ShellSettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            stop_grace: Duration::from_secs(8),
        }
    }
}

/// What is to become of a request that is not parsed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It goes on, and whoever answers it is told that it was looked at: [`LetIn`] is among its extensions.
    LetIn,
    /// This, a whole answer as it goes over the wire, is all it gets.
    TurnedAway(Bytes),
}

/// Stands among the extensions of a request that [`Answer::look`] let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetIn;

/// Answers requests.
pub trait Answer: Send + Sync + 'static {
    /// Whether [`Answer::look`] is to be asked: it is asked this before every request.
    fn is_looking(&self) -> bool {
        false
    }

    /// Looks at a request before it is parsed. Only the plainest are shown, so whoever refuses must refuse the others
    /// in [`Answer::answer`].
    fn look(&self, _request: &PlainGet<'_>) -> Look {
        Look::LetIn
    }

    /// Answers one request. With a [`Repeatable`] among its extensions the answer says how the like of it may be given.
    ///
    /// The future is dropped at its next await when the client goes away, so what must not stop halfway
    /// belongs in a task of its own.
    fn answer(&self, request: Request<RequestBody>) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Is told how many connections there are, whenever one begins or has ended.
    fn connections(&self, count: usize) {
        let _nobody_counts = count;
    }
}

/// Serves `listener` until `stop` resolves, then lets requests under way finish within the grace.
///
/// # Errors
///
/// None today: whatever goes wrong with a connection, or in accepting one, is logged and ends nothing else.
pub async fn serve<A: Answer>(
    listener: TcpListener,
    answer: Arc<A>,
    settings: ShellSettings,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let stopping = Arc::new(Stopping::default());
    let mut connections = JoinSet::new();
    let mut turned_away = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.join_next() => {
                note_end(ended);
                answer.connections(connections.len());
                continue
            }
            Some(ended) = turned_away.join_next() => { note_end(ended); continue }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) if connections.len() < settings.connections_max => {
                let (desk, stopping) = (Arc::clone(&answer), Arc::clone(&stopping));
                connections.spawn(connection::run(stream, desk, settings, stopping));
                answer.connections(connections.len());
            }
            Ok((stream, _peer)) if turned_away.len() < TURNED_AWAY_MAX => {
                turned_away.spawn(turn_away(stream, settings));
            }
            Ok(_over_both_limits) => {}
            // The client left while it waited in line, which is its affair.
            Err(fault) if is_of_the_client(&fault) => {
                debug!(%fault, "connection lost before it was accepted");
            }
            Err(fault) => {
                warn!(%fault, "cannot accept connections, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    turned_away.abort_all();
    stopping.begin();
    let finished = tokio::time::timeout(settings.stop_grace, async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    });
    if finished.await.is_err() {
        warn!(connections = connections.len(), "stopped with requests under way");
    }
    // What is left is aborted as the set is dropped.
    Ok(())
}

async fn turn_away(stream: TcpStream, settings: ShellSettings) {
    let message = format!(
        "the server holds all the {} connections it may: try again",
        settings.connections_max
    );
    let words = canned::bytes(StatusCode::SERVICE_UNAVAILABLE, &message, "retry-after: 1\r\n");
    connection::close(stream, &words, true, settings.write_timeout).await;
}

fn is_of_the_client(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(fault.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A request's panic is answered where it happens: one that arrives here is the shell's own.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(fault) = ended
        && fault.is_panic()
    {
        error!(
            panic = panic_message(&*fault.into_panic()),
            "a connection panicked"
        );
    }
}
