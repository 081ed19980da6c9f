//! A thousand clients that never finish what they say.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{PATIENCE, Raise, World, alone};

const SLOW_CLIENTS: usize = 1_000;
/// What the server is told: late heads and silent bodies end after this.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(7);
const GOOD_CLIENTS: usize = 4;

/// Half a head, or a head with half a body.
fn open(addr: SocketAddr, world: &World, half_head: bool) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    let head = "POST /api/v1/organization HTTP/1.1\r\nHost: torture\r\nContent-Type: application/json\r\n";
    let rest = format!(
        "Authorization: Bearer {}\r\nContent-Length: 1000\r\n\r\n{{\"name\": \"never",
        world.token
    );
    let words = if half_head {
        head.to_owned()
    } else {
        format!("{head}{rest}")
    };
    stream.write_all(words.as_bytes()).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("is a setting");
    stream
}

/// What the server said before it closed.
fn last_words(mut stream: &TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        // The server closed while a byte of ours was on its way.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not closed within {PATIENCE:?}: {error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn slow_clients_are_closed_and_good_ones_served() {
    let _alone = alone();
    let (soft, hard) = rlimit::Resource::NOFILE.get().expect("there is a limit");
    let wanted = 2 * SLOW_CLIENTS as u64;
    assert!(hard >= wanted, "this test needs {wanted} open files: ulimit -Hn");
    rlimit::Resource::NOFILE
        .set(soft.max(wanted), hard)
        .expect("within the hard limit");

    let world = World::new();
    let timeout = format!("{}ms", TIMEOUT.as_millis());
    let mut options = world.options.clone();
    for name in ["--header-timeout", "--body-timeout"] {
        options = options.arg(name).arg(&timeout);
    }
    let mut server = guildhall_testkit::Server::start(crate::world::binary(), &options).expect("starts");
    let addr = server.addr();
    let stop = AtomicBool::new(false);
    let slow: Vec<_> = (0..SLOW_CLIENTS)
        .map(|index| open(addr, &world, index % 2 == 0))
        .collect();
    let opened = Instant::now();
    let (took, answers, served) = thread::scope(|scope| {
        let good: Vec<_> = (0..GOOD_CLIENTS)
            .map(|index| {
                let (client, stop, world) = (server.client(), &stop, &world);
                scope.spawn(move || {
                    let mut served = 0;
                    while !stop.load(Ordering::Acquire) {
                        let name = format!("good {index} {served}");
                        let create = world.post("/organization", &json!({ "name": name }));
                        for request in [create, world.get("/organization/details")] {
                            let response = client.send(&request).expect("good requests are answered");
                            assert_eq!(response.status, 200, "{}", response.text());
                        }
                        served += 2;
                    }
                    served
                })
            })
            .collect();
        // Every fourth drips on: a byte of a head now and then buys no time.
        let dripping = scope.spawn({
            let slow = &slow;
            let stop = &stop;
            move || {
                while !stop.load(Ordering::Acquire) {
                    for mut stream in slow.iter().step_by(4) {
                        let _closed_already = stream.write(b"x");
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        let (answers, took) = {
            let _stops_also_when_a_check_fails = Raise(&stop);
            let answers: Vec<_> = slow.iter().map(last_words).collect();
            (answers, opened.elapsed())
        };
        dripping.join().expect("drips");
        for stream in &slow {
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
        let served: usize = good.into_iter().map(|good| good.join().expect("is served")).sum();
        (took, answers, served)
    });
    let told = answers
        .iter()
        .filter(|said| said.starts_with("HTTP/1.1 408 "))
        .count();
    println!(
        "{SLOW_CLIENTS} slow clients closed within {took:?}, {told} of them with a 408; {served} good answers"
    );
    assert!(took < TIMEOUT + SLACK, "{took:?}");
    for (index, said) in answers.iter().enumerate() {
        let dripped = index % 4 == 0;
        assert!(
            said.starts_with("HTTP/1.1 408 ") || (dripped && said.is_empty()),
            "client {index}: {said:?}"
        );
    }
    assert!(served > 0);
    assert_eq!(
        server
            .client()
            .send(&world.get("/organization/details"))
            .expect("answers")
            .status,
        200
    );
    assert!(server.terminate().expect("ends").status.success());
}
