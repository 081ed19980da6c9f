//! What a server that has too much to do refuses, and what it never refuses. The server is in this process and is
//! spoken to over TCP; how long requests wait is handed in and the clock stands still, so nothing here depends on how
//! busy the machine is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::overload::{BURST_LEAST, CROWD, STEP};
use guildhall_domain::{Role, TenantId, Timestamp};
use guildhall_http::governor::Door;
use guildhall_http::shell::{ShellSettings, serve};
use guildhall_http::{Api, ApiSettings};
use guildhall_service::{Lifetime, NewToken, Service, Settings};
use guildhall_storage::{Location, OnFatal, PENDING_ENTRIES, Store};
use guildhall_testkit::{Client, Home, ManualClock, Request, Response, SeededRandom};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::world::binary;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
/// Steps that are late, or calm, without a doubt.
const MANY: usize = 30;

/// A server with two tenants.
struct Crowded {
    addr: SocketAddr,
    api: Arc<Api>,
    clock: ManualClock,
    tokens: [String; 2],
    /// Connections, each of which has asked for something.
    clients: Vec<Client>,
    _runtime: Runtime,
    _home: Home,
}

impl Crowded {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let home = Home::new(binary());
        let clock = ManualClock::new(NOW);
        let (addr, api, tokens) = runtime.block_on(open(&home, &clock));
        Self {
            addr,
            api,
            clock,
            tokens,
            clients: Vec::new(),
            _runtime: runtime,
            _home: home,
        }
    }

    /// With so many connections open.
    fn with(connections: usize) -> Self {
        let mut crowded = Self::start();
        for _ in 0..connections {
            crowded.clients.push(Client::new(crowded.addr));
            // Whoever is answered was counted, and all who came before.
            let answer = crowded.ask(crowded.clients.len() - 1, &Request::get("/healthz"));
            assert_eq!(answer.status, 200);
        }
        for tenant in 0..2 {
            assert_eq!(crowded.list(tenant).status, 200);
        }
        crowded
    }

    /// Requests waited so long, for many steps; each step longer than in the one before, so nothing is worked off.
    /// Little was asked for before, so the level is a unit a second.
    fn wait(&self, wait: Duration) {
        self.clock.advance(Duration::from_secs(1_000));
        for step in 0..MANY {
            self.clock.advance(STEP);
            self.api.governor().step(Door {
                wait: wait * u32::try_from(step).unwrap(),
                crowd: 2 * CROWD,
            });
        }
    }

    fn ask(&self, client: usize, request: &Request) -> Response {
        self.clients[client].send(request).unwrap()
    }

    fn send(&self, tenant: usize, request: Request) -> Response {
        self.ask(tenant, &request.bearer(&self.tokens[tenant]))
    }

    fn list(&self, tenant: usize) -> Response {
        self.send(tenant, Request::get("/guildhall/v1/organizations"))
    }

    /// Takes all that a tenant may have at once, where the level is as low as can be.
    fn spend(&self, tenant: usize) {
        for _ in 0..=BURST_LEAST {
            assert_eq!(self.list(tenant).status, 200);
        }
        assert_refused(&self.list(tenant), &refusal());
    }

    fn create(&self, tenant: usize, name: &str) -> Response {
        let request = Request::post("/api/v1/organization").json(&json!({ "name": name }));
        self.send(tenant, request.header("X-ExperimentalApi", "opt-in"))
    }
}

async fn open(home: &Home, clock: &ManualClock) -> (SocketAddr, Arc<Api>, [String; 2]) {
    let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
    let settings = guildhall_storage::Settings {
        location: Location::parse(&home.url()).unwrap(),
        create: true,
        serve: true,
        now_ms: NOW.0,
        on_fatal,
        pending_entries: PENDING_ENTRIES,
    };
    let store = Store::open(&settings).await.unwrap();
    let random = Arc::new(SeededRandom::new(7));
    let service = Service::new(store, Arc::new(clock.clone()), random, Settings::default());
    let service = Arc::new(service);
    let mut tokens = [String::new(), String::new()];
    for token in &mut tokens {
        let tenant = service.create_tenant("Tenant", None).await.unwrap().id;
        *token = new_token(&service, tenant).await;
    }
    let api = Arc::new(Api::new(service, ApiSettings::default()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let never = std::future::pending();
    tokio::spawn(serve(listener, Arc::clone(&api), ShellSettings::default(), never));
    (addr, api, tokens)
}

async fn new_token(service: &Service, tenant: TenantId) -> String {
    let new = NewToken {
        name: "test".to_owned(),
        role: Role::Admin,
        scopes: None,
        account: None,
        lifetime: Lifetime::default(),
    };
    service.create_token(tenant, new).await.unwrap().1
}

/// The one answer to what is refused, without what every answer over HTTP/1.1 has.
#[track_caller]
fn assert_refused(answer: &Response, body: &Value) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let headers: Vec<(&str, &str)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !["content-length", "date"].contains(name))
        .collect();
    // No Connection: close.
    assert_eq!(
        headers,
        [("content-type", "application/json"), ("retry-after", "1")]
    );
    assert_eq!(answer.json(), *body);
}

fn refusal() -> Value {
    json!({
        "errorMessage": "The server has more to do than it can take now. Nothing was done",
        "errors": ["SERVICE_UNAVAILABLE"],
        "statusCode": 503,
    })
}

#[test]
fn the_flood_is_refused_and_others_are_not() {
    let crowded = Crowded::with(CROWD + 2);
    assert_eq!(crowded.create(0, "Before").status, 200);
    crowded.wait(Duration::from_secs(1));
    // The level is as low as can be, and even so a tenant that asks for little has what it asks for.
    crowded.spend(0);
    for _ in 0..3 {
        assert_refused(&crowded.list(0), &refusal());
        assert_refused(&crowded.create(0, "Refused"), &refusal());
    }
    crowded.spend(1);
    // A second later there is room again.
    crowded.clock.advance(Duration::from_secs(2));
    assert_eq!(crowded.list(1).status, 200);
    // Afterwards nothing is refused, and what was refused was not done.
    crowded.wait(Duration::ZERO);
    for number in 0..10 {
        assert_eq!(crowded.create(1, &format!("After {number}")).status, 200);
    }
    let answer = crowded.list(0);
    let names: Vec<Value> = answer.json()["organizations"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .iter()
        .map(|organization| organization["name"].clone())
        .collect();
    assert_eq!(names, ["Before"]);
}

/// What has not come yet waits for its client and not for the server.
#[test]
fn bodies_that_are_still_coming_are_in_nobodys_way() {
    let crowded = Crowded::with(2);
    let head = format!(
        "POST /api/v1/organization HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nX-ExperimentalApi: opt-in\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        crowded.tokens[0]
    );
    let slow = || {
        let mut slow = TcpStream::connect(crowded.addr).unwrap();
        slow.write_all(head.as_bytes()).unwrap();
        // The server asks for the body, so it waits for it.
        let mut answer = [0; 12];
        slow.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        slow
    };
    // Only requests that come when there are many connections are looked at.
    let slow: Vec<TcpStream> = (0..2 * CROWD + 50).map(|_| slow()).collect();
    for step in 0..100 {
        crowded.clock.advance(STEP);
        let door = Door {
            wait: Duration::ZERO,
            crowd: 0,
        };
        crowded.api.governor().step(door);
        assert_eq!(
            crowded.create(1, &format!("Beside {step}")).status,
            200,
            "step {step}"
        );
    }
    drop(slow);
}

/// A plain request is refused before it is parsed, and others after: nobody can tell, but for the date.
#[test]
fn a_refusal_is_the_same_before_and_behind_the_parser() {
    let crowded = Crowded::with(CROWD + 2);
    crowded.wait(Duration::from_secs(1));
    crowded.spend(0);
    let token = &crowded.tokens[0];
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    };
    let path = "/guildhall/v1/organizations?limit=1";
    for request in [
        get(path, ""),
        get(path, "Connection: keep-alive\r\n"),
        get(path, "Content-Length: 0\r\n"),
        get(path, "Accept:\r\n").replace("GET", "HEAD"),
        // Two at once, and one in two parts.
        get(path, "") + &get(path, ""),
    ] {
        let mut stream = TcpStream::connect(crowded.addr).unwrap();
        let answers = request.matches("HTTP/1.1").count();
        let bodies = if request.starts_with("HEAD") { 0 } else { answers };
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        while said.matches("\r\n\r\n").count() < answers || said.matches('}').count() < bodies {
            let mut part = [0; 4_096];
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "{request}: {said}");
            said.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
        assert_eq!(
            said.matches("HTTP/1.1 503 Service Unavailable\r\n").count(),
            answers,
            "{said}"
        );
        assert_eq!(said.matches("retry-after: 1\r\n").count(), answers, "{said}");
        let words = refusal()["errorMessage"].to_string();
        assert_eq!(said.matches(&words).count(), bodies, "{said}");
        assert!(!said.contains("connection: close"), "{said}");
        // The connection goes on, and whether the server is well is answered on it.
        stream.write_all(get("/healthz", "").as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200", "{request}");
    }
}

/// What looks like a plain request may be the end of one that came before it in pieces.
#[test]
fn the_rest_of_a_head_is_not_refused_as_a_request() {
    let crowded = Crowded::with(CROWD + 2);
    let kept = crowded.create(1, "Kept").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    crowded.wait(Duration::from_secs(1));
    crowded.spend(0);
    let list = |tenant: usize| {
        let token = &crowded.tokens[tenant];
        format!(
            "GET /guildhall/v1/organizations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    };
    let half = format!("DELETE /guildhall/v1/organizations/{kept} HTTP/1.1\r\nX-A: ");
    let mut stream = TcpStream::connect(crowded.addr).unwrap();
    let mut exchange = |request: String| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let is_whole = |answer: &str| {
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest);
            let length: usize = length.lines().next()?.parse().ok()?;
            (body.len() == length).then_some(())
        };
        while is_whole(&answer).is_none() {
            let mut part = [0; 4_096];
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "{request}: {answer}");
            answer.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
        answer
    };
    // One that shows where the connection stands, and then a request and half of another at once.
    assert!(exchange(list(0)).starts_with("HTTP/1.1 503"));
    assert!(
        exchange("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &half).starts_with("HTTP/1.1 200")
    );
    // All of this is the value of a header of that half, and its credentials.
    assert!(exchange(list(0)).starts_with("HTTP/1.1 503"));
    let answer = exchange(list(1));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("Kept"), "{answer}");
}

/// Refusing a small read costs what it would cost to do it.
#[test]
fn a_flood_of_small_reads_is_answered_late_and_not_refused() {
    let crowded = Crowded::with(CROWD + 2);
    // Late since too many changes came: refused. Since then reads come, as late.
    crowded.wait(Duration::from_secs(1));
    crowded.spend(0);
    for step in 1..=MANY {
        crowded.clock.advance(STEP);
        crowded.ask(0, &Request::get("/healthz"));
        crowded.api.governor().step(Door {
            wait: Duration::from_secs(step as u64),
            crowd: 2 * CROWD,
        });
        assert_eq!(crowded.list(0).status, 200);
        assert_eq!(crowded.list(0).status, 200);
    }
}

#[test]
fn connectors_are_refused_in_their_words_and_strangers_share_one_part() {
    let crowded = Crowded::with(CROWD + 2);
    crowded.wait(Duration::from_secs(1));
    let path = "/teamwork-graph/v1/nothing";
    // Whoever is not known: nobody's token, another nobody's, and none.
    for _ in 0..=BURST_LEAST {
        let known = crowded.ask(0, &Request::get(path));
        assert_eq!(known.status, 404, "{known:?}");
    }
    let words = json!({
        "success": false,
        "error": "The server has more to do than it can take now. Nothing was done",
        "errors": [],
    });
    for request in [
        Request::get(path),
        Request::get(path).bearer("nobody"),
        Request::get(path).bearer(&crowded.tokens[0].replace(|c: char| c.is_ascii_digit(), "x")),
    ] {
        assert_refused(&crowded.ask(0, &request), &words);
    }
    assert_eq!(crowded.list(0).status, 200);
}

#[test]
fn whether_the_server_is_well_is_always_answered() {
    let crowded = Crowded::with(CROWD + 2);
    crowded.wait(Duration::from_secs(1));
    for _ in 0..5 {
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/style.css"] {
            let answer = crowded.ask(0, &Request::get(path));
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }
}

#[test]
fn a_body_that_is_refused_does_not_end_its_connection_unless_it_is_large() {
    let crowded = Crowded::with(CROWD + 2);
    crowded.wait(Duration::from_secs(1));
    crowded.spend(0);
    let post = |bytes: usize| Request::post("/api/v1/organization").body(vec![b' '; bytes]);
    // The client reads what follows on the same connection: a body that was left there would be taken for a head.
    for request in [post(0), post(60_000), post(60_000).header("Expect", "x")] {
        let answer = crowded.send(0, request);
        assert_eq!(answer.status, 503, "{answer:?}");
        let answer = crowded.ask(0, &Request::get("/healthz"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for request in [post(70_000), post(1_000).chunked()] {
        let answer = crowded.send(0, request);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    }
    // Who asks first whether to send its body is told so before it does.
    let asking = post(1_000).header("Expect", "100-continue");
    let answer = crowded.send(0, asking);
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
}

#[test]
fn few_connections_are_never_refused_however_late_the_machine_is() {
    let mut crowded = Crowded::with(32);
    crowded.wait(Duration::from_secs(10));
    for _ in 0..50 {
        assert_eq!(crowded.list(0).status, 200);
    }
    // Nor is anybody any more when the crowd has gone.
    for _ in 0..CROWD {
        crowded.clients.push(Client::new(crowded.addr));
        let client = crowded.clients.len() - 1;
        assert_eq!(crowded.ask(client, &Request::get("/healthz")).status, 200);
    }
    crowded.wait(Duration::from_secs(1));
    crowded.spend(0);
    crowded.clients.truncate(32);
    // Closed connections are counted one by one; meanwhile the clock stands still, so no part grows.
    let patience = 1_000_000;
    let calm = (0..patience).find(|_| crowded.list(0).status == 200);
    assert!(calm.is_some());
    for _ in 0..50 {
        assert_eq!(crowded.list(0).status, 200);
    }
}
