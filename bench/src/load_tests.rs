//! Tests of the load generator, against a server that says what it is told to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// Answers every request of every connection so, without looking at it; one `read` is one request.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 1_024];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                    // In two pieces, as networks do.
                    let (one, two) = answer.split_at(answer.len() / 2);
                    for part in [one, two] {
                        if stream.write_all(part.as_bytes()).is_err() {
                            return;
                        }
                    }
                    if answer.contains("close") {
                        return;
                    }
                }
            });
        }
    });
    addr
}

/// Clients that send so many requests each.
fn clients(count: usize, each: usize) -> Vec<Next> {
    let client = |_| -> Next {
        let mut left = each;
        Box::new(move |request| {
            left = left.checked_sub(1)?;
            request.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
            Some(left % 2)
        })
    };
    (0..count).map(client).collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

#[test]
fn every_request_is_counted_by_its_kind() {
    let measured = drive(server(OK), clients(3, 10), Pace::Closed, Span::to_the_end()).unwrap();
    let counts: Vec<u64> = measured.kinds.iter().map(Kind::count).collect();
    assert_eq!(counts, [15, 15]);
    assert!(measured.rate() > 0.0 && measured.quantiles_ms(0).1 > 0.0);
}

#[test]
fn a_connection_that_closes_is_opened_again() {
    let addr = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    let measured = drive(addr, clients(1, 4), Pace::Closed, Span::to_the_end()).unwrap();
    assert_eq!(measured.kinds.iter().map(Kind::count).sum::<u64>(), 4);
}

#[test]
fn what_is_shed_is_an_error_for_the_patient_only() {
    let shed = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let patient = drive(server(shed), clients(1, 1), Pace::Closed, Span::to_the_end());
    assert!(patient.unwrap_err().to_string().contains("503"));
    let measured = drive(
        server(shed),
        clients(2, 5),
        Pace::Open(1_000.0),
        Span::to_the_end(),
    );
    let measured = measured.unwrap();
    assert_eq!(measured.kinds.iter().map(Kind::shed).sum::<u64>(), 10);
    assert_eq!(measured.kinds.iter().map(Kind::count).sum::<u64>(), 0);
}

#[test]
fn other_answers_end_the_run() {
    for answer in [
        "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let ended = drive(
            server(answer),
            clients(1, 1),
            Pace::Open(100.0),
            Span::to_the_end(),
        );
        assert!(ended.is_err(), "{answer}");
    }
}

#[test]
fn an_open_pace_does_not_wait_for_answers() {
    let start = Instant::now();
    let measured = drive(server(OK), clients(2, 11), Pace::Open(200.0), Span::to_the_end());
    // Ten periods of ten milliseconds.
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(measured.unwrap().kinds.iter().map(Kind::count).sum::<u64>(), 22);
}

#[test]
fn quantiles_are_those_of_what_was_measured() {
    let kind = Kind {
        micros: (1..=1_000).map(|n| n * 1_000).collect(),
        shed_micros: vec![3_000],
    };
    assert_eq!((kind.quantile_ms(0.5), kind.quantile_ms(0.99)), (501.0, 990.0));
    assert_eq!((kind.shed(), kind.shed_quantile_ms(0.99)), (1, 3.0));
    assert_eq!(Kind::default().quantile_ms(0.99), 0.0);
}

#[test]
fn headers_are_found_whatever_their_case() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Content-Length: 9\r\n\r\n";
    assert_eq!(header(head, b"content-length"), Some("12"));
    assert_eq!(header(head, b"retry-after"), None);
}
