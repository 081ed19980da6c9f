//! The clocks of the guard on a paused clock, over a pipe in memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const START: &[u8] = b"GET / HTTP/1.1\r\n";

fn guarded(pipe_bytes: usize) -> (Guard<DuplexStream>, DuplexStream, Arc<Pulse>) {
    let (stream, peer) = duplex(pipe_bytes);
    let pulse = Arc::new(Pulse::default());
    (
        Guard::new(stream, Arc::clone(&pulse), ShellSettings::default()),
        peer,
        pulse,
    )
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
