//! The hard shell over real TCP: slow, hostile and broken clients, and the stop.
//!
//! Time is real here, so the timeouts are short and the patience of the tests is long: an upper bound only
//! ever says "it did end". Long, because each kind of bad client is one short test of the same server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use guildhall_http::error::error_body;
use guildhall_http::shell::{
    Answer, BodyFault, Repeatable, Repeated, Repeater, RequestBody, ShellSettings, serve,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const BODY_BYTES_MAX: usize = 100_000;

/// Answers by path, so that a test can ask for trouble.
#[derive(Default)]
struct Paths {
    calls: AtomicUsize,
    entered: Arc<Notify>,
    released: Arc<Notify>,
}

/// Answers the like of a request once it is released.
struct Waiter {
    entered: Arc<Notify>,
    released: Arc<Notify>,
}

impl Repeater for Waiter {
    fn repeat(self: Arc<Self>, number: &str, _answer: &mut Vec<u8>) -> Repeated {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{number}",
            number.len()
        );
        Repeated::Later(Box::pin(async move {
            self.entered.notify_one();
            self.released.notified().await;
            Some(answer.into_bytes())
        }))
    }
}

impl Answer for Paths {
    async fn answer(&self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/echo" => match request.into_body().read(BODY_BYTES_MAX).await {
                Ok(bytes) => Response::new(Full::new(bytes)),
                Err(fault) => refused(fault),
            },
            "/panic" => panic!("asked for it"),
            "/later-panic" => {
                tokio::task::yield_now().await;
                panic!("asked for it, later")
            }
            "/wait" => {
                self.entered.notify_one();
                self.released.notified().await;
                Response::new(Full::new(Bytes::from_static(b"waited")))
            }
            path if path.starts_with("/like/") => {
                let mut response = Response::new(Full::new(Bytes::from_static(b"like")));
                response.extensions_mut().insert(Repeatable(Arc::new(Waiter {
                    entered: Arc::clone(&self.entered),
                    released: Arc::clone(&self.released),
                })));
                response
            }
            "/large" => Response::new(Full::new(Bytes::from(vec![b'x'; 32 << 20]))),
            _ => Response::new(Full::new(Bytes::from(path))),
        }
    }
}

fn refused(fault: BodyFault) -> Response<Full<Bytes>> {
    let status = match fault {
        BodyFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyFault::TimedOut => StatusCode::REQUEST_TIMEOUT,
        BodyFault::Broken => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::new(Bytes::from(error_body(status, &fault.to_string()))));
    *response.status_mut() = status;
    response
}

struct Server {
    address: SocketAddr,
    paths: Arc<Paths>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(settings: ShellSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let paths = Arc::new(Paths::default());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(listener, Arc::clone(&paths), settings, stopped));
        Self {
            address,
            paths,
            stop,
            served,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_close(&mut stream).await
    }

    fn calls(&self) -> usize {
        self.paths.calls.load(Ordering::SeqCst)
    }
}

/// Times far enough away that no test meets one it did not ask for.
fn patient() -> ShellSettings {
    ShellSettings {
        header_timeout: PATIENCE * 4,
        body_timeout: PATIENCE * 4,
        idle_timeout: PATIENCE * 4,
        write_timeout: PATIENCE * 4,
        connections_max: 1000,
        stop_grace: PATIENCE * 4,
    }
}

async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .expect("the server closes")
        .unwrap();
    String::from_utf8(all).unwrap()
}

/// Reads one answer off a kept connection.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, async {
        loop {
            all.push(stream.read_u8().await.unwrap());
            if !all.ends_with(b"\r\n\r\n") {
                continue;
            }
            let head = String::from_utf8(all.clone()).unwrap();
            let Some(length) = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
            else {
                return head;
            };
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            return head + &String::from_utf8(body).unwrap();
        }
    })
    .await
    .expect("an answer comes")
}

/// Asserts one whole refusal with the error body, and that the connection is over.
fn assert_refusal(answer: &str, status: u16, code: &str) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert_eq!(head.matches("HTTP/1.").count(), 1, "{answer}");
    assert_eq!(head.matches("connection: close").count(), 1, "{answer}");
    assert_eq!(head.matches("content-length: ").count(), 1, "{answer}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{answer}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["statusCode"], status, "{answer}");
    assert_eq!(body["errors"][0], code, "{answer}");
    assert!(!body["errorMessage"].as_str().unwrap().is_empty(), "{answer}");
}

/// As [`assert_refusal`], for what has the header lines of every 4xx of ours.
fn assert_full_refusal(answer: &str, status: u16, code: &str) {
    assert_refusal(answer, status, code);
    assert!(
        answer.contains("\r\ncontent-type: application/json\r\n"),
        "{answer}"
    );
    assert_eq!(answer.matches("\r\ndate: ").count(), 1, "{answer}");
}

#[tokio::test]
async fn requests_are_kept_alive_and_pipelined() {
    let server = Server::start(patient()).await;
    let mut stream = server.connect().await;
    for path in ["/a", "/b"] {
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(path),
            "{answer}"
        );
        assert!(answer.contains("\r\ndate: "), "{answer}");
    }
    let pipelined = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                     GET /d HTTP/1.1\r\nHost: a\r\n\r\n\
                     HEAD /e HTTP/1.1\r\nHost: a\r\n\r\n\
                     GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(pipelined.as_bytes()).await.unwrap();
    let answers = read_to_close(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{answers}");
    assert!(
        answers.contains("\r\n\r\nabcHTTP/1.1") && answers.ends_with("\r\n\r\n/f"),
        "{answers}"
    );
    assert_eq!(server.calls(), 6);
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_408() {
    let server = Server::start(ShellSettings {
        header_timeout: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let start = Instant::now();
    let answer = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    assert_full_refusal(&answer, 408, "REQUEST_TIMEOUT");
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_head_byte_by_byte_does_not_move_the_deadline() {
    let server = Server::start(ShellSettings {
        header_timeout: Duration::from_millis(500),
        ..patient()
    })
    .await;
    let stream = server.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nX: ").await;
        while writer.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = Vec::new();
    timeout(PATIENCE, reader.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .unwrap();
    assert_full_refusal(&String::from_utf8(answer).unwrap(), 408, "REQUEST_TIMEOUT");
    trickle.abort();
}

#[tokio::test]
async fn a_second_head_is_timed_like_the_first() {
    let settings = ShellSettings {
        header_timeout: Duration::from_millis(300),
        ..patient()
    };
    let server = Server::start(settings).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_answer(&mut stream).await;
    stream.write_all(b"GET /b HT").await.unwrap();
    assert_full_refusal(&read_to_close(&mut stream).await, 408, "REQUEST_TIMEOUT");

    // The start of the second head comes while the first request is answered.
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    server.paths.entered.notified().await;
    stream.write_all(b"GET /b HT").await.unwrap();
    sleep(Duration::from_millis(400)).await;
    server.paths.released.notify_one();
    assert!(read_answer(&mut stream).await.ends_with("waited"));
    assert_full_refusal(&read_to_close(&mut stream).await, 408, "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn half_a_head_in_one_piece_with_a_request_is_answered_408() {
    let server = Server::start(ShellSettings {
        idle_timeout: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HT")
        .await
        .unwrap();
    assert!(read_answer(&mut stream).await.ends_with("/a"));
    assert_refusal(&read_to_close(&mut stream).await, 408, "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let server = Server::start(ShellSettings {
        idle_timeout: Duration::from_millis(300),
        ..patient()
    })
    .await;
    assert_eq!(server.exchange(b"").await, "");
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_answer(&mut stream).await;
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn a_slow_body_is_timed_out_between_its_bytes() {
    let server = Server::start(ShellSettings {
        body_timeout: Duration::from_millis(800),
        ..patient()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..12 {
        sleep(Duration::from_millis(100)).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(
        read_answer(&mut stream).await.ends_with("xxxxxxxxxxxx"),
        "slow but steady is served"
    );

    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nxx")
        .await
        .unwrap();
    assert_refusal(&read_to_close(&mut stream).await, 408, "REQUEST_TIMEOUT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_keep_good_ones_waiting() {
    let server = Server::start(ShellSettings {
        header_timeout: Duration::from_secs(2),
        ..patient()
    })
    .await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = server.connect().await;
        let start: &[u8] = if number % 2 == 0 {
            b"GET / HT"
        } else {
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        };
        stream.write_all(start).await.unwrap();
        slow.push(stream);
    }
    let mut good = server.connect().await;
    for _ in 0..200 {
        good.write_all(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(read_answer(&mut good).await.ends_with("/good"));
    }
    for stream in slow.iter_mut().step_by(2) {
        assert_full_refusal(&read_to_close(stream).await, 408, "REQUEST_TIMEOUT");
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped() {
    let server = Server::start(ShellSettings {
        write_timeout: Duration::from_millis(500),
        ..patient()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_secs(2)).await;
    let mut all = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .expect("the server closes");
    assert!(read.is_err() || all.len() < 32 << 20, "the answer was cut short");

    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(
        read_to_close(&mut stream).await.len() > 32 << 20,
        "who reads gets all of it"
    );
}

#[tokio::test]
async fn exactly_one_host_is_needed() {
    let server = Server::start(patient()).await;
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    ] {
        assert_full_refusal(&server.exchange(head.as_bytes()).await, 400, "BAD_REQUEST");
    }
    assert_eq!(server.calls(), 0);
    let answer = server.exchange(b"GET /old HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200 OK") && answer.ends_with("/old"),
        "{answer}"
    );
}

#[tokio::test]
async fn malformed_heads_get_the_error_body() {
    let server = Server::start(patient()).await;
    for head in [
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/3.7\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        assert_refusal(&server.exchange(head.as_bytes()).await, 400, "BAD_REQUEST");
    }
    assert_eq!(server.calls(), 0);

    // After a good request on the same connection too.
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nG@T / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut stream).await.ends_with("/a"));
    assert_full_refusal(&read_to_close(&mut stream).await, 400, "BAD_REQUEST");
}

#[tokio::test]
async fn oversized_heads_get_the_error_body() {
    let server = Server::start(patient()).await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101));
    let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    for head in [many, wide] {
        let answer = server.exchange(head.as_bytes()).await;
        assert_full_refusal(&answer, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE");
    }
    for length in [40_000, 65_600, 200_000] {
        let head = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(length));
        assert_full_refusal(&server.exchange(head.as_bytes()).await, 414, "URI_TOO_LONG");
    }
    assert_eq!(server.calls(), 0);
    let path = format!("/{}", "y".repeat(8_000));
    let fits = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n\r\n",
        "y".repeat(16_000)
    );
    assert!(server.exchange(fits.as_bytes()).await.ends_with(&path));
}

#[tokio::test]
async fn what_two_servers_could_read_differently_is_refused() {
    let server = Server::start(patient()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 3\r\nContent-Length: 5\r\n",
        "Content-Length: 3, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\n{smuggled}");
        assert_refusal(&server.exchange(request.as_bytes()).await, 400, "BAD_REQUEST");
    }
    let old = format!("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    assert_refusal(&server.exchange(old.as_bytes()).await, 400, "BAD_REQUEST");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_pipelined_ambiguity_ends_the_connection() {
    // The head came in one piece with the request before it: it is read by its chunks, and nothing after it.
    let server = Server::start(patient()).await;
    let answer = server
        .exchange(
            b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n\
              POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
              GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    assert!(!answer.contains("/smuggled"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn broken_chunks_are_refused_and_close() {
    let server = Server::start(patient()).await;
    for chunks in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "fffffffffffffffff\r\n",
    ] {
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}\
             GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let answer = server.exchange(request.as_bytes()).await;
        assert_refusal(&answer, 400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn a_body_too_large_is_refused() {
    let server = Server::start(patient()).await;
    let declared = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n";
    assert_refusal(&server.exchange(declared).await, 413, "PAYLOAD_TOO_LARGE");

    // The client is still sending when it is refused, and hears it all the same.
    let mut flood = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    flood.resize(flood.len() + 3_000_000, b'x');
    assert_refusal(&server.exchange(&flood).await, 413, "PAYLOAD_TOO_LARGE");

    let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
    let mut chunked = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend_from_slice(chunk.repeat(11).as_bytes());
    assert_refusal(&server.exchange(&chunked).await, 413, "PAYLOAD_TOO_LARGE");

    let mut exact =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec();
    exact.extend_from_slice(chunk.repeat(10).as_bytes());
    exact.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    assert!(
        server
            .exchange(&exact)
            .await
            .ends_with(&"x".repeat(BODY_BYTES_MAX))
    );
}

#[tokio::test]
async fn a_body_nobody_reads_closes_the_connection() {
    let server = Server::start(patient()).await;
    let answer = server
        .exchange(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("/unread"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn expect_continue_is_answered_when_the_body_is_wanted() {
    let server = Server::start(patient()).await;
    let mut stream = server.connect().await;
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(read_answer(&mut stream).await.ends_with("abc"));
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert_refusal(&read_to_close(&mut stream).await, 413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_panic_is_answered_500_and_costs_nothing_else() {
    let server = Server::start(patient()).await;
    let mut stream = server.connect().await;
    for path in ["/panic", "/later-panic"] {
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(
            answer.contains("INTERNAL_SERVER_ERROR") && !answer.contains("asked for it"),
            "{answer}"
        );
    }
    stream
        .write_all(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut stream).await.ends_with("/after"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(ShellSettings {
        connections_max: 2,
        ..patient()
    })
    .await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        read_answer(&mut stream).await;
        kept.push(stream);
    }
    let answer = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_refusal(&answer, 503, "SERVICE_UNAVAILABLE");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    drop(kept);
    let freed = async {
        while !server
            .exchange(b"GET /free HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .ends_with("/free")
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("a place becomes free");
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_the_rest() {
    let server = Server::start(patient()).await;
    let mut fresh = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    server.paths.entered.notified().await;

    server.stop.send(()).unwrap();
    assert_eq!(read_to_close(&mut fresh).await, "");
    assert_eq!(read_to_close(&mut idle).await, "");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nothing listens any more"
    );
    assert!(!server.served.is_finished());

    server.paths.released.notify_one();
    let answer = read_to_close(&mut busy).await;
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("waited"),
        "{answer}"
    );
    timeout(PATIENCE, server.served)
        .await
        .expect("the server stops")
        .unwrap()
        .unwrap();
}

/// Hyper has not seen it, and would close the connection.
#[tokio::test]
async fn a_stop_lets_a_request_finish_that_is_answered_before_it_is_parsed() {
    let server = Server::start(patient()).await;
    let mut stream = server.connect().await;
    let like = |number| format!("GET /like/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
    for number in [1, 2] {
        stream.write_all(like(number).as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.ends_with("like"));
    }
    stream.write_all(like(3).as_bytes()).await.unwrap();
    server.paths.entered.notified().await;
    server.stop.send(()).unwrap();
    // Seen by whoever waits in line behind the word to stop.
    while TcpStream::connect(server.address).await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(!server.served.is_finished());
    server.paths.released.notify_one();
    assert!(read_to_close(&mut stream).await.ends_with("\r\n\r\n3"));
    assert_eq!(server.paths.calls.load(Ordering::SeqCst), 2);
    timeout(PATIENCE, server.served)
        .await
        .expect("the server stops")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = Server::start(ShellSettings {
        stop_grace: Duration::from_millis(300),
        ..patient()
    })
    .await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    server.paths.entered.notified().await;
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.served)
        .await
        .expect("the server stops")
        .unwrap()
        .unwrap();
    assert_eq!(read_to_close(&mut busy).await, "");
}
