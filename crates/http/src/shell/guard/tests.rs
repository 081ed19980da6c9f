//! The clocks of the guard on a paused clock, over a pipe in memory.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::shell::{Repeatable, Repeated, Repeater, RequestBody};

const START: &[u8] = b"GET / HTTP/1.1\r\n";

/// Looks at nothing, or turns everybody away.
struct Porter {
    words: Option<Bytes>,
}

impl Answer for Porter {
    fn is_looking(&self) -> bool {
        self.words.is_some()
    }

    fn look(&self, request: &PlainGet<'_>) -> Look {
        match &self.words {
            Some(words) if !request.path.starts_with("/in") => Look::TurnedAway(words.clone()),
            _ => Look::LetIn,
        }
    }

    async fn answer(&self, _request: Request<RequestBody>) -> Response<Full<Bytes>> {
        Response::default()
    }
}

type Guarded = (Guard<DuplexStream, Porter>, DuplexStream, Arc<Pulse>);

fn guarded_by(porter: Porter, pipe_bytes: usize) -> Guarded {
    let (stream, peer) = duplex(pipe_bytes);
    let pulse = Arc::new(Pulse::default());
    (
        Guard::new(
            stream,
            Arc::new(porter),
            Arc::clone(&pulse),
            ShellSettings::default(),
        ),
        peer,
        pulse,
    )
}

fn guarded(pipe_bytes: usize) -> Guarded {
    guarded_by(Porter { words: None }, pipe_bytes)
}

#[tokio::test(start_paused = true)]
async fn silence_ends_like_a_closed_stream() {
    let (mut guard, _peer, _pulse) = guarded(64);
    let start = Instant::now();
    assert_eq!(guard.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(start.elapsed(), Duration::from_secs(60));
    assert_eq!(guard.expired, Some(Expired::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_head_byte_by_byte_does_not_move_its_deadline() {
    let (mut guard, mut peer, pulse) = guarded(64);
    let trickle = async {
        for &byte in START {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = peer.write_all(&[byte]).await;
        }
    };
    let start = Instant::now();
    let read = async {
        let mut all = Vec::new();
        guard.read_to_end(&mut all).await.unwrap();
        (all, start.elapsed())
    };
    let (_, (all, elapsed)) = tokio::join!(trickle, read);
    assert!(all.ends_with(END_OF_LATE_HEAD));
    assert_eq!(elapsed, Duration::from_secs(11));
    assert_eq!(guard.expired, Some(Expired::Head));
    assert_eq!(pulse.phase(), Phase::Head);
}

#[tokio::test(start_paused = true)]
async fn no_clock_runs_while_a_request_is_answered() {
    let (mut guard, mut peer, pulse) = guarded(64);
    peer.write_all(START).await.unwrap();
    guard.read_exact(&mut [0; START.len()]).await.unwrap();
    pulse.begin_request(false);
    let mut buffer = [0; 64];
    let read = tokio::time::timeout(Duration::from_secs(3600), guard.read(&mut buffer));
    assert!(read.await.is_err());
    assert_eq!(guard.expired, None);
}

#[tokio::test(start_paused = true)]
async fn after_an_answer_the_wait_begins_anew() {
    let (mut guard, mut peer, pulse) = guarded(64);
    peer.write_all(START).await.unwrap();
    guard.read_exact(&mut [0; START.len()]).await.unwrap();
    pulse.begin_request(false);
    peer.write_all(b"GET").await.unwrap();
    guard.read_exact(&mut [0; 3]).await.unwrap();
    pulse.enter(Phase::Writing);
    guard.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    guard.flush().await.unwrap();
    assert_eq!(pulse.phase(), Phase::Head, "the next head has begun");
    pulse.enter(Phase::Writing);
    guard.flush().await.unwrap();
    assert_eq!(pulse.phase(), Phase::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_given_up() {
    let (mut guard, mut peer, pulse) = guarded(8);
    pulse.enter(Phase::Writing);
    guard.write_all(b"12345678").await.unwrap();
    let start = Instant::now();
    let (stalled, ()) = tokio::join!(guard.write_all(b"123456"), async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        peer.read_exact(&mut [0; 4]).await.unwrap();
    });
    assert_eq!(stalled.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(50),
        "each byte taken gives it more time"
    );
    assert_eq!(guard.expired, Some(Expired::Write));
}

#[tokio::test]
async fn a_refusal_of_hyper_is_taken_down_and_an_answer_is_not() {
    let (mut guard, mut peer, pulse) = guarded(256);
    let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    pulse.enter(Phase::Answering);
    guard.write_all(refusal).await.unwrap();
    let mut seen = [0; 49];
    peer.read_exact(&mut seen[..refusal.len()]).await.unwrap();
    pulse.enter(Phase::Head);
    let slices = [IoSlice::new(refusal)];
    assert_eq!(guard.write_vectored(&slices).await.unwrap(), refusal.len());
    assert_eq!(
        guard.overheard.as_ref().map(|heard| heard.status.as_u16()),
        Some(400)
    );
    drop(guard);
    assert_eq!(peer.read(&mut seen).await.unwrap(), 0);
}

const WORDS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn refusing(pipe_bytes: usize) -> Guarded {
    guarded_by(
        Porter {
            words: Some(Bytes::from_static(WORDS)),
        },
        pipe_bytes,
    )
}

const PLAIN: &str = "GET /out HTTP/1.1\r\nHost: x\r\n\r\n";

/// A request goes through hyper, and is answered.
async fn through(guarded: &mut Guarded, request: &str, has_body: bool) {
    through_with(guarded, request, has_body, None).await;
}

/// The same, with word of how the like is answered.
async fn through_with(guarded: &mut Guarded, request: &str, has_body: bool, word: Option<Repeatable>) {
    let (guard, peer, pulse) = &mut *guarded;
    peer.write_all(request.as_bytes()).await.unwrap();
    let mut seen = [0; 256];
    let count = guard.read(&mut seen).await.unwrap();
    assert_eq!(&seen[..count], request.as_bytes());
    assert!(!pulse.take_look(), "nobody has looked at it");
    answered(guarded, has_body, word).await;
}

/// What hyper has seen is answered.
async fn answered((guard, peer, pulse): &mut Guarded, has_body: bool, word: Option<Repeatable>) {
    pulse.begin_request(has_body);
    pulse.end_body();
    pulse.leave_word(word);
    pulse.enter(Phase::Writing);
    guard.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    guard.flush().await.unwrap();
    peer.read_exact(&mut [0; 19]).await.unwrap();
    assert_eq!(pulse.phase(), Phase::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_plain_request_that_is_turned_away_is_never_seen() {
    let mut guarded = refusing(1_024);
    // The first one tells where a connection stands.
    through(&mut guarded, PLAIN, false).await;
    let (mut guard, mut peer, pulse) = guarded;
    let talk = async {
        let mut said = [0; WORDS.len()];
        for _ in 0..3 {
            peer.write_all(b"GET /out HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .unwrap();
            peer.read_exact(&mut said).await.unwrap();
            assert_eq!(said, WORDS);
            // Between two requests the connection may rest as long as ever.
            tokio::time::sleep(Duration::from_secs(59)).await;
        }
        peer.write_all(b"GET /in HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
    };
    let mut seen = [0; 64];
    let (count, ()) = tokio::join!(guard.read(&mut seen), talk);
    assert!(seen[..count.unwrap()].starts_with(b"GET /in "));
    assert_eq!(pulse.phase(), Phase::Head);
    assert!(pulse.take_look(), "whoever answers need not look again");
    assert!(!pulse.take_look());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_plain_is_left_to_hyper() {
    for request in [
        "GET /out HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /out HTTP/1.1\r\nHost: x\r\n\r\nGET /out HTTP/1.1\r\n",
        "GET /out HTTP/1.1\r\nHo",
    ] {
        let mut guarded = refusing(1_024);
        through(&mut guarded, PLAIN, false).await;
        let (mut guard, mut peer, pulse) = guarded;
        peer.write_all(request.as_bytes()).await.unwrap();
        let mut seen = [0; 256];
        let count = guard.read(&mut seen).await.unwrap();
        assert_eq!(&seen[..count], request.as_bytes());
        assert!(!pulse.take_look(), "nobody has looked at it");
        // The rest of a head is no request.
        peer.write_all(PLAIN.as_bytes()).await.unwrap();
        assert_eq!(guard.read(&mut seen).await.unwrap(), PLAIN.len());
    }
}

/// Hyper may hold the beginning of a next head, to which what comes belongs, however plain it looks.
#[tokio::test(start_paused = true)]
async fn what_may_be_the_end_of_another_request_is_left_to_hyper() {
    let half = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nDELETE /b HTTP/1.1\r\nX-A: ";
    let after_a_body = "PUT /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1PUT /b HTTP/1.1\r\nX-A: ";
    for history in [
        &[][..],
        &[(PLAIN, false), (half, false)],
        &[(PLAIN, false), (after_a_body, true)],
        // With what hyper had before it this was a request with a body.
        &[(PLAIN, true)],
    ] {
        let mut guarded = refusing(1_024);
        for (request, has_body) in history {
            through(&mut guarded, request, *has_body).await;
        }
        through(&mut guarded, PLAIN, false).await;
        // It went through hyper, so it is known again where the connection stands.
        let (mut guard, mut peer, _pulse) = guarded;
        peer.write_all(PLAIN.as_bytes()).await.unwrap();
        let (mut said, mut seen) = ([0; WORDS.len()], [0; 64]);
        tokio::select! {
            biased;
            _ = guard.read(&mut seen) => panic!("it was seen"),
            read = peer.read_exact(&mut said) => drop(read.unwrap()),
        }
        assert_eq!(said, WORDS);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_who_reads_no_refusal_is_read_from() {
    let mut guarded = refusing(40);
    through(&mut guarded, PLAIN, false).await;
    let (mut guard, mut peer, _pulse) = guarded;
    let start = Instant::now();
    let ask = async {
        peer.write_all(b"GET /out HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        // Its beginning, and no more.
        peer.read_exact(&mut [0; 4]).await.unwrap();
    };
    let mut seen = [0; 64];
    let (read, ()) = tokio::join!(guard.read(&mut seen), ask);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(50));
    assert_eq!(guard.expired, Some(Expired::Write));
}

/// What comes of a body is not the beginning of a next head.
#[tokio::test(start_paused = true)]
async fn after_a_body_in_pieces_the_connection_is_idle() {
    let (mut guard, mut peer, pulse) = guarded(64);
    peer.write_all(START).await.unwrap();
    guard.read_exact(&mut [0; START.len()]).await.unwrap();
    pulse.begin_request(true);
    peer.write_all(b"{}").await.unwrap();
    guard.read_exact(&mut [0; 2]).await.unwrap();
    pulse.end_body();
    pulse.enter(Phase::Writing);
    guard.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    guard.flush().await.unwrap();
    assert_eq!(pulse.phase(), Phase::Idle);
    let start = Instant::now();
    assert_eq!(guard.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

/// Says the number a few times, if it is not 13.
struct Parrot;

const SAID: usize = 9;

impl Repeater for Parrot {
    fn repeat(self: Arc<Self>, number: &str, answer: &mut Vec<u8>) -> Repeated {
        if number == "13" {
            return Repeated::Not;
        }
        answer.extend_from_slice(number.repeat(SAID).as_bytes());
        Repeated::Now
    }
}

/// Says the number after a while; not 13, it chokes on 666, and never comes to an end with 8.
struct Ponderer;

const PONDERS: Duration = Duration::from_millis(900);

impl Repeater for Ponderer {
    fn repeat(self: Arc<Self>, number: &str, _answer: &mut Vec<u8>) -> Repeated {
        let number = number.to_owned();
        Repeated::Later(Box::pin(async move {
            tokio::time::sleep(PONDERS).await;
            if number == "8" {
                std::future::pending::<()>().await;
            }
            assert_ne!(number, "666");
            (number != "13").then(|| number.repeat(SAID).into_bytes())
        }))
    }
}

fn later() -> Option<Repeatable> {
    Some(Repeatable(Arc::new(Ponderer)))
}

fn word() -> Option<Repeatable> {
    Some(Repeatable(Arc::new(Parrot)))
}

fn numbered(number: &str) -> String {
    format!("GET /a/{number} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// What a request gets from the guard, or what hyper sees of it, and answers.
async fn asked(guarded: &mut Guarded, request: &str) -> Result<String, String> {
    asked_with(guarded, request, None).await
}

/// The same, with word of how the like is answered.
async fn asked_with(
    guarded: &mut Guarded,
    request: &str,
    word: Option<Repeatable>,
) -> Result<String, String> {
    let (guard, peer, pulse) = &mut *guarded;
    peer.write_all(request.as_bytes()).await.unwrap();
    let (mut said, mut seen) = ([0; 256], [0; 256]);
    tokio::select! {
        biased;
        count = guard.read(&mut seen) => {
            let seen = String::from_utf8(seen[..count.unwrap()].to_vec()).unwrap();
            answered(guarded, false, word).await;
            Err(seen)
        }
        count = peer.read(&mut said) => {
            assert_eq!(pulse.phase(), Phase::Idle);
            Ok(String::from_utf8(said[..count.unwrap()].to_vec()).unwrap())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_like_of_what_left_word_is_answered_before_it_is_parsed() {
    let mut guarded = guarded(1_024);
    through(&mut guarded, &numbered("1"), false).await;
    through_with(&mut guarded, &numbered("2"), false, word()).await;
    for number in ["2", "3", "123"] {
        let answer = asked(&mut guarded, &numbered(number)).await;
        assert_eq!(answer, Ok(number.repeat(SAID)));
        // Between two requests the connection may rest as long as ever.
        tokio::time::sleep(Duration::from_secs(59)).await;
    }
    // What is not answered is seen, and so is what is not like it, or may not begin where it seems to.
    assert_eq!(asked(&mut guarded, &numbered("13")).await, Err(numbered("13")));
    for request in [
        numbered("x"),
        numbered("4?a=b"),
        numbered("4") + "G",
        numbered("4").replace("Host", "Hose"),
        numbered("4").replace("GET", "PUT"),
    ] {
        through(&mut guarded, PLAIN, false).await;
        assert_eq!(asked(&mut guarded, &request).await, Err(request));
        through(&mut guarded, PLAIN, false).await;
        assert_eq!(asked(&mut guarded, &numbered("5")).await, Ok("5".repeat(SAID)));
    }
}

#[tokio::test(start_paused = true)]
async fn while_some_are_refused_the_like_is_looked_at_first() {
    let mut guarded = refusing(1_024);
    let to = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    through(&mut guarded, PLAIN, false).await;
    let first = asked_with(&mut guarded, &to("in/1"), word()).await;
    assert_eq!(first, Err(to("in/1")));
    assert!(guarded.2.take_look());
    for _ in 0..2 {
        assert_eq!(asked(&mut guarded, &to("in/2")).await, Ok("2".repeat(SAID)));
        assert!(!guarded.2.take_look(), "nobody else answers it");
        let refused = asked(&mut guarded, &to("out/3")).await;
        assert_eq!(refused, Ok(String::from_utf8(WORDS.to_vec()).unwrap()));
    }
    assert_eq!(asked(&mut guarded, &to("in/13")).await, Err(to("in/13")));
    assert!(guarded.2.take_look());
}

/// The request that was answered may be another one than it seems, of which hyper held the beginning.
#[tokio::test(start_paused = true)]
async fn nothing_is_like_what_may_be_the_end_of_another_request() {
    let half = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nX-A: ";
    let after_a_body = "PUT /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1GET /b HTTP/1.1\r\nX-A: ";
    for history in [
        &[][..],
        &[(half, false)],
        &[(after_a_body, true)],
        &[(PLAIN, true)],
    ] {
        let mut guarded = guarded(1_024);
        for (request, has_body) in history {
            through(&mut guarded, request, *has_body).await;
        }
        through_with(&mut guarded, &numbered("1"), false, word()).await;
        assert_eq!(
            asked(&mut guarded, &numbered("2")).await,
            Err(numbered("2")),
            "{history:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_the_parser_is_written_to_its_end() {
    let mut guarded = guarded(40);
    through(&mut guarded, &numbered("1"), false).await;
    through_with(&mut guarded, &numbered("2"), false, word()).await;
    let (mut guard, mut peer, _pulse) = guarded;
    let ask = async {
        for number in ["1234567890", "2345678901"] {
            peer.write_all(numbered(number).as_bytes()).await.unwrap();
            let mut said = [0; 10 * SAID];
            for piece in said.chunks_mut(15) {
                tokio::time::sleep(Duration::from_secs(20)).await;
                peer.read_exact(piece).await.unwrap();
            }
            assert_eq!(said, number.repeat(SAID).as_bytes());
        }
        // And who reads nothing for too long is left.
        peer.write_all(numbered("1234567890").as_bytes()).await.unwrap();
    };
    let mut seen = [0; 64];
    let (read, ()) = tokio::join!(guard.read(&mut seen), ask);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(guard.expired, Some(Expired::Write));
    assert!(!guard.unsaid.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_later_and_nothing_else_is_read_meanwhile() {
    let mut guarded = guarded(1_024);
    through(&mut guarded, &numbered("1"), false).await;
    through_with(&mut guarded, &numbered("2"), false, later()).await;
    for number in ["2", "13", "666", "8", "3"] {
        let start = Instant::now();
        let request = numbered(number);
        let is_answered = !["13", "666", "8"].contains(&number);
        let expected = if is_answered {
            Ok(number.repeat(SAID))
        } else {
            Err(request.clone())
        };
        // Hyper answers what takes the usual way after all, and leaves word of the same.
        assert_eq!(asked_with(&mut guarded, &request, later()).await, expected);
        let longest = if number == "8" { HELD_MAX } else { PONDERS };
        assert_eq!(start.elapsed(), longest);
        assert!(!guarded.2.is_asked());
        tokio::time::sleep(Duration::from_secs(59)).await;
    }
    let (mut guard, mut peer, pulse) = guarded;
    peer.write_all(numbered("4").as_bytes()).await.unwrap();
    let mut seen = [0; 64];
    let (count, ()) = tokio::join!(guard.read(&mut seen), async {
        tokio::time::sleep(PONDERS / 2).await;
        assert!(pulse.is_asked());
        // In the order in which they came, whatever the second one is.
        peer.write_all(PLAIN.as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut said = [0; SAID];
        peer.read_exact(&mut said).await.unwrap();
        assert_eq!(said, *"4".repeat(SAID).as_bytes());
    });
    assert_eq!(&seen[..count.unwrap()], PLAIN.as_bytes());
}

/// Hyper may ask for less than what was held back.
#[tokio::test(start_paused = true)]
async fn what_takes_the_usual_way_after_all_is_seen_whole() {
    let mut guarded = guarded(1_024);
    through(&mut guarded, &numbered("1"), false).await;
    through_with(&mut guarded, &numbered("2"), false, later()).await;
    let (mut guard, mut peer, pulse) = guarded;
    peer.write_all(numbered("13").as_bytes()).await.unwrap();
    let mut all = Vec::new();
    // All of it came at once, and the next ones ask for a few bytes.
    let mut first = [0; 64];
    let read = tokio::time::timeout(PONDERS / 2, guard.read(&mut first)).await;
    assert!(read.is_err());
    while all.len() < numbered("13").len() {
        let mut seen = [0; 7];
        let count = guard.read(&mut seen).await.unwrap();
        all.extend_from_slice(&seen[..count]);
        assert_eq!(pulse.phase(), Phase::Head);
    }
    assert_eq!(all, numbered("13").as_bytes());
}

#[tokio::test(start_paused = true)]
async fn while_some_are_refused_what_is_answered_later_is_looked_at_first() {
    let mut guarded = refusing(1_024);
    let to = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    through(&mut guarded, PLAIN, false).await;
    let first = asked_with(&mut guarded, &to("in/1"), later()).await;
    assert_eq!(first, Err(to("in/1")));
    assert!(guarded.2.take_look());
    assert_eq!(asked(&mut guarded, &to("in/2")).await, Ok("2".repeat(SAID)));
    assert!(!guarded.2.take_look(), "nobody else answers it");
    assert_eq!(asked(&mut guarded, &to("in/13")).await, Err(to("in/13")));
    assert!(guarded.2.take_look(), "whoever answers need not look again");
}

#[tokio::test(start_paused = true)]
async fn who_stops_asks_no_more_and_hyper_sees_the_request() {
    let mut guarded = guarded(1_024);
    through(&mut guarded, &numbered("1"), false).await;
    through_with(&mut guarded, &numbered("2"), false, later()).await;
    guarded.2.stop_asking();
    let start = Instant::now();
    assert_eq!(asked(&mut guarded, &numbered("3")).await, Err(numbered("3")));
    assert_eq!(start.elapsed(), Duration::ZERO);
}
