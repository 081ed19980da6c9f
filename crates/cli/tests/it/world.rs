//! A world for a test: the real binary on a database of its own, tenants and tokens made by its
//! commands, and a client that speaks for one tenant.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::{Client, Home, Request, Response, Server, ServerOptions, server};
use serde_json::Value;

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guildhall"))
}

/// The account that tokens stand for.
pub const ACCOUNT: &str = "tester@example.com";

/// A running server with its database. Dropping it ends both.
pub struct World {
    // Before the database, so that it ends first.
    pub server: Server,
    pub options: ServerOptions,
    pub home: Home,
}

impl World {
    /// A server without tenants, started with these arguments.
    pub fn new(args: &[&str]) -> Self {
        let home = Home::new(binary());
        let options = args.iter().fold(home.options(), |options, arg| options.arg(*arg));
        let server = Server::start(binary(), &options).unwrap_or_else(|error| panic!("{error}"));
        Self {
            server,
            options,
            home,
        }
    }

    /// A server with the demo world, and its admin.
    pub fn demo() -> (Self, Site) {
        let world = Self::new(&["--demo"]);
        let said = poll("the demo's token", || {
            let said = world.server.stdout_so_far();
            said.contains("token ").then_some(said)
        });
        let word = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            let line = line.unwrap_or_else(|| panic!("no {name} in {said}"));
            line.trim().to_owned()
        };
        let site = Site::new(&world, word("cloudId"), word("token"));
        (world, site)
    }

    /// The server that tests share while any of them runs. Each makes a tenant of its own there.
    pub fn shared() -> Arc<Self> {
        // Weak, since what a static holds is never dropped and the server would outlive the tests.
        static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let world = Arc::new(Self::new(&[]));
            *shared = Arc::downgrade(&world);
            world
        })
    }

    /// Runs a command on the world's database.
    pub fn command(&self, args: &[&str]) -> Output {
        let database = ["--database", self.options.database_url()];
        server::run(binary(), &[args, &database].concat(), &[])
    }

    /// What a command printed; it must succeed.
    pub fn data(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new tenant's cloudId.
    pub fn tenant(&self, name: &str) -> String {
        self.data(&["tenant", "create", "--name", name])
            .trim_end()
            .to_owned()
    }

    /// A new token; without scopes it has all that the role may use.
    pub fn token(&self, cloud_id: &str, role: &str, scopes: &[&str]) -> String {
        self.token_of(cloud_id, role, scopes, ACCOUNT)
    }

    /// The same for an account.
    pub fn token_of(&self, cloud_id: &str, role: &str, scopes: &[&str], account: &str) -> String {
        let mut args = vec![
            "token",
            "create",
            "--tenant",
            cloud_id,
            "--name",
            "test",
            "--role",
            role,
            "--account",
            account,
        ];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        self.data(&args).trim_end().to_owned()
    }

    /// A new tenant, and its admin.
    pub fn site(&self) -> Site {
        let cloud_id = self.tenant("test");
        let token = self.token(&cloud_id, "admin", &[]);
        Site::new(self, cloud_id, token)
    }
}

/// One tenant as one token sees it.
pub struct Site {
    pub cloud_id: String,
    pub token: String,
    pub client: Client,
    /// The server goes on while somebody speaks to it.
    _world: Option<Arc<World>>,
}

impl Site {
    pub fn new(world: &World, cloud_id: String, token: String) -> Self {
        Self {
            cloud_id,
            token,
            client: world.server.client(),
            _world: None,
        }
    }

    /// A new tenant on the shared server, and its admin.
    pub fn shared() -> Self {
        let world = World::shared();
        let site = world.site();
        Self {
            _world: Some(world),
            ..site
        }
    }

    /// A request with the token and the experimental header; `path` follows `/api/v1`.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("/api/v1{path}"))
            .bearer(&self.token)
            .header("X-ExperimentalApi", "opt-in")
    }

    pub fn send(&self, request: &Request) -> Response {
        self.client
            .send(request)
            .unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub fn get(&self, path: &str) -> Response {
        self.send(&self.request("GET", path))
    }

    pub fn delete(&self, path: &str) -> Response {
        self.send(&self.request("DELETE", path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(&self.request("POST", path).json(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.send(&self.request("PUT", path).json(body))
    }

    /// A read of our own; `path` follows `/guildhall/v1`.
    pub fn own(&self, path: &str) -> Response {
        self.at(&format!("/guildhall/v1{path}"))
    }

    /// A read of a whole path.
    pub fn at(&self, path: &str) -> Response {
        self.send(
            &Request::get(path)
                .bearer(&self.token)
                .header("X-ExperimentalApi", "opt-in"),
        )
    }

    /// A change of our own; `path` follows `/guildhall/v1`.
    pub fn patch(&self, path: &str, body: &Value) -> Response {
        let request = Request::new("PATCH", format!("/guildhall/v1{path}")).bearer(&self.token);
        self.send(&request.json(body))
    }

    /// A new connection's id.
    pub fn connect(&self, name: &str) -> String {
        let request = Request::post("/guildhall/v1/connections").bearer(&self.token);
        let made = self
            .send(&request.json(&serde_json::json!({ "name": name })))
            .ok();
        made["id"].as_str().unwrap().to_owned()
    }

    /// What a connector sends; `path` follows `/teamwork-graph/v1`.
    pub fn push(&self, path: &str, body: &Value) -> Response {
        self.send(
            &Request::post(format!("/teamwork-graph/v1{path}"))
                .bearer(&self.token)
                .json(body),
        )
    }

    /// What a connector reads.
    pub fn pull(&self, path: &str) -> Response {
        self.send(&Request::get(format!("/teamwork-graph/v1{path}")).bearer(&self.token))
    }

    /// A bulk request under this key.
    pub fn submit(&self, path: &str, key: &str, body: &Value) -> Response {
        self.send(&self.request("POST", path).header(KEY, key).json(body))
    }

    /// Submits under a key of its own and waits for the end; the task's id.
    pub fn bulk(&self, path: &str, body: &Value) -> String {
        let submitted = self.submit(path, &fresh_key(), body).ok();
        let id = submitted["id"].as_str().unwrap().to_owned();
        self.finished(&id);
        id
    }

    /// Waits until the task is finished; what is then said of it.
    pub fn finished(&self, id: &str) -> Value {
        let task = poll("the end of the task", || {
            let task = self.get(&format!("/tasks/{id}")).ok();
            (!["NOT_STARTED", "IN_PROGRESS"].contains(&task["status"].as_str().unwrap())).then_some(task)
        });
        assert_eq!(task["status"], "FINISHED", "{task}");
        task
    }
}

/// The header that bulk requests need.
pub const KEY: &str = "Idempotency-Key";

/// A key that no other request of this run has.
pub fn fresh_key() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("key-{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// Short words for what tests ask of an answer.
pub trait Expect {
    /// 200; its JSON.
    fn ok(&self) -> Value;
    /// 204 and nothing else.
    fn gone(&self);
    /// This status and the one error body; its message.
    fn refused(&self, status: u16) -> String;
}

impl Expect for Response {
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    #[track_caller]
    fn gone(&self) {
        assert_eq!((self.status, self.text().as_str()), (204, ""));
    }

    #[track_caller]
    fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        error_message(self)
    }
}

/// The message of an error, after its body was checked: three members, and one code that fits the status;
/// or those of a connector's error.
#[track_caller]
pub fn error_message(response: &Response) -> String {
    assert_eq!(
        response.header("content-type"),
        Some("application/json"),
        "{}",
        response.text()
    );
    let body = response.json();
    if !body["success"].is_null() {
        return connector_message(&body);
    }
    let code = match response.status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        412 => "PRECONDITION_FAILED",
        413 => "PAYLOAD_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        431 => "REQUEST_HEADER_FIELDS_TOO_LARGE",
        503 => "SERVICE_UNAVAILABLE",
        other => panic!("{other} is no refusal: {body}"),
    };
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(3), "{body}");
    assert_eq!(body["errors"], serde_json::json!([code]), "{body}");
    assert_eq!(body["statusCode"], response.status, "{body}");
    let message = body["errorMessage"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{body}");
    message.to_owned()
}

/// The message of a connector's error, after its body was checked.
#[track_caller]
fn connector_message(body: &Value) -> String {
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(3), "{body}");
    assert_eq!(body["success"], false, "{body}");
    for problem in body["errors"].as_array().unwrap_or_else(|| panic!("{body}")) {
        assert_eq!(problem.as_object().map(serde_json::Map::len), Some(2), "{body}");
        assert!(
            problem["key"].is_string() && problem["message"].is_string(),
            "{body}"
        );
    }
    let message = body["error"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{body}");
    message.to_owned()
}

/// Waits until `find` finds something, at most 20 s.
pub fn poll<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// A path segment, percent-encoded wherever a client could.
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The strings in an array of JSON.
pub fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap_or_else(|| panic!("no string: {item}")))
        .collect()
}

/// A member of each item of an array, as strings.
pub fn each<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array()
        .unwrap_or_else(|| panic!("no array: {list}"))
        .iter()
        .map(|item| {
            item[member]
                .as_str()
                .unwrap_or_else(|| panic!("no {member}: {item}"))
        })
        .collect()
}
