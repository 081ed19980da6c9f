//! The load generator: one thread, requests whose bytes are ready, a parser that reads no more of an answer than
//! where it ends. It shares the machine with what it measures, so it must cost far less.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::problem;

/// Connections where a work says nothing else.
pub const CONNECTIONS: usize = 32;
/// What is sent before the clock starts, so that caches and connections are there.
const WARM_UP: Duration = Duration::from_millis(200);

/// Writes a client's next request into the buffer, and says which kind it is; `None` ends the client.
pub type Next = Box<dyn FnMut(&mut Vec<u8>) -> Option<usize> + Send>;

/// How long a run lasts.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    warm_up: Duration,
    lasts: Duration,
}

impl Span {
    /// So long, after what is sent before the clock starts.
    pub fn of(lasts: Duration) -> Self {
        Self {
            warm_up: WARM_UP,
            lasts,
        }
    }

    /// So long, after so much in which nothing is counted.
    pub fn after(warm_up: Duration, lasts: Duration) -> Self {
        Self { warm_up, lasts }
    }

    /// Until the clients have no more to send; all of it counts.
    pub fn to_the_end() -> Self {
        Self {
            warm_up: Duration::ZERO,
            lasts: Duration::from_secs(600),
        }
    }
}

/// When a client sends.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// The next request follows the answer.
    Closed,
    /// The same of so many connections that some may be refused.
    Crowd,
    /// So many requests a second over all clients, whether or not there was an answer. Latencies count from the
    /// moment when a request was due.
    Open(f64),
}

/// What became of the requests of one kind.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    /// Microseconds of those that were done, ascending.
    micros: Vec<u32>,
    /// The same of those that were refused with 503 and `Retry-After`.
    shed_micros: Vec<u32>,
}

impl Kind {
    /// How many were done.
    pub fn count(&self) -> u64 {
        self.micros.len() as u64
    }

    /// How many were refused with 503 and `Retry-After`.
    pub fn shed(&self) -> u64 {
        self.shed_micros.len() as u64
    }

    /// The latency below which this share of those that were done stayed, in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.micros, share)
    }

    /// The same of those that were refused.
    pub fn shed_quantile_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.shed_micros, share)
    }
}

fn quantile_ms(micros: &[u32], share: f64) -> f64 {
    let last = micros.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    micros
        .get(index)
        .map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}

/// What a run of load found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// By kind.
    pub kinds: Vec<Kind>,
    /// From the first counted moment to the last answer.
    pub seconds: f64,
}

impl Measured {
    /// Milliseconds below which half of a kind's requests stayed, and 99 of a hundred.
    pub fn quantiles_ms(&self, kind: usize) -> (f64, f64) {
        let kind = self.kinds.get(kind);
        let of = |share| kind.map_or(0.0, |kind| kind.quantile_ms(share));
        (of(0.5), of(0.99))
    }

    /// The first kind, or one without requests.
    pub fn first(&self) -> Kind {
        self.kinds.first().cloned().unwrap_or_default()
    }

    /// Requests done a second, of all kinds.
    pub fn rate(&self) -> f64 {
        let done: u64 = self.kinds.iter().map(Kind::count).sum();
        done as f64 / self.seconds
    }
}

/// Sends from all clients, a connection each, for so long.
///
/// # Errors
///
/// An answer that is not 200 (but 503 with `Retry-After`, unless the pace is [`Pace::Closed`]), or a connection that broke.
pub fn drive(addr: SocketAddr, clients: Vec<Next>, pace: Pace, span: Span) -> Outcome<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let count = clients.len();
        let begin = Instant::now();
        let from = begin + span.warm_up;
        let until = from + span.lasts;
        let mut running = JoinSet::new();
        for (index, next) in clients.into_iter().enumerate() {
            let due = match pace {
                Pace::Closed | Pace::Crowd => None,
                Pace::Open(rate) => {
                    let period = Duration::from_secs_f64(count as f64 / rate);
                    Some((begin + period.mul_f64(index as f64 / count as f64), period))
                }
            };
            let may_be_refused = !matches!(pace, Pace::Closed);
            running.spawn(client(addr, next, (due, may_be_refused), from, until));
        }
        let mut all = Measured::default();
        let mut last = from;
        while let Some(ended) = running.join_next().await {
            let log = ended??;
            last = last.max(log.last.unwrap_or(from));
            all.kinds
                .resize(all.kinds.len().max(log.kinds.len()), Kind::default());
            for (kind, part) in all.kinds.iter_mut().zip(log.kinds) {
                kind.micros.extend(part.micros);
                kind.shed_micros.extend(part.shed_micros);
            }
        }
        for kind in &mut all.kinds {
            kind.micros.sort_unstable();
            kind.shed_micros.sort_unstable();
        }
        all.seconds = (last - from).as_secs_f64().max(f64::EPSILON);
        Ok(all)
    })
}

/// What one client found.
#[derive(Default)]
struct Log {
    kinds: Vec<Kind>,
    last: Option<Instant>,
}

/// One client. `due` has the moment of its first request and the time between two, when its pace is open, and whether it may
/// be refused.
async fn client(
    addr: SocketAddr,
    mut next: Next,
    (mut due, may_be_refused): (Option<(Instant, Duration)>, bool),
    from: Instant,
    until: Instant,
) -> Outcome<Log> {
    let mut connection = Connection::open(addr).await?;
    let mut log = Log::default();
    let mut request = Vec::with_capacity(4 * 1024);
    loop {
        request.clear();
        let Some(kind) = next(&mut request) else {
            return Ok(log);
        };
        let start = match &mut due {
            None => Instant::now(),
            Some((moment, period)) => {
                // Without a timer where the answer before came too late for one.
                if *moment > Instant::now() {
                    tokio::time::sleep_until((*moment).into()).await;
                }
                let start = *moment;
                *moment += *period;
                start
            }
        };
        if start >= until {
            return Ok(log);
        }
        let answer = connection.exchange(&request).await?;
        let end = Instant::now();
        let shed = match answer {
            Answer::Done => false,
            Answer::Shed if may_be_refused => true,
            Answer::Shed | Answer::Other => return Err(problem(connection.said(&request))),
        };
        if connection.closes {
            connection = Connection::open(addr).await?;
        }
        if start < from || (end > until && due.is_none()) {
            continue;
        }
        log.last = Some(end);
        if log.kinds.len() <= kind {
            log.kinds.resize(kind + 1, Kind::default());
        }
        let micros = u32::try_from((end - start).as_micros()).unwrap_or(u32::MAX);
        match shed {
            true => log.kinds[kind].shed_micros.push(micros),
            false => log.kinds[kind].micros.push(micros),
        }
    }
}

/// What an answer was.
enum Answer {
    /// 200.
    Done,
    /// 503 with `Retry-After`.
    Shed,
    /// Anything else.
    Other,
}

/// A connection, and the answer that it read last.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    closes: bool,
}

impl Connection {
    async fn open(addr: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            // Small, since there may be thousands of connections; it grows.
            buffer: vec![0; 4 * 1024],
            filled: 0,
            closes: false,
        })
    }

    /// Sends a request and reads its answer to the end.
    async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let mut searched = 0;
        let head_end = loop {
            self.read().await?;
            let from = searched;
            searched = self.filled.saturating_sub(3);
            if let Some(at) = find(&self.buffer[from..self.filled], b"\r\n\r\n") {
                break from + at + 4;
            }
        };
        let head = &self.buffer[..head_end];
        let length = header(head, b"content-length").and_then(|text| text.parse::<usize>().ok());
        let Some(length) = length else {
            return Err(problem(format!(
                "an answer without a length: {}",
                self.said(request)
            )));
        };
        let answer = match (head.get(9..12), header(head, b"retry-after")) {
            (Some(b"200"), _) => Answer::Done,
            (Some(b"503"), Some(_)) => Answer::Shed,
            _ => Answer::Other,
        };
        self.closes = header(head, b"connection").is_some_and(|text| text.eq_ignore_ascii_case("close"));
        while self.filled < head_end + length {
            self.read().await?;
        }
        Ok(answer)
    }

    async fn read(&mut self) -> Outcome<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }

    /// The beginnings of a request and its answer, for a message.
    fn said(&self, request: &[u8]) -> String {
        let start = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
        format!(
            "{}\n-- answered --\n{}",
            start(request),
            start(&self.buffer[..self.filled])
        )
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of a header, by its name in small letters.
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| std::str::from_utf8(value).map(str::trim).ok())?
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
