//! A world for a test: the real binary on a database of its own, tenants and tokens made by its
//! commands, and a client that speaks for one token.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::{Client, Home, Request, Response, Server, ServerOptions, server};
use serde_json::{Value, json};

/// The operations that make tasks.
pub const DEFINITIONS: &str = "/organization/details/definitions/bulk";
pub const PROFILES: &str = "/organization/profile/bulk";
pub const ORGANIZATIONS: &str = "/organization/bulk";
pub const DETAILS: &str = "/organization/details/bulk";
pub const CUSTOMER_DEFINITIONS: &str = "/customer/details/definitions/bulk";
pub const CUSTOMER_PROFILES: &str = "/customer/profile/bulk";
pub const CUSTOMERS: &str = "/customer/bulk";
pub const CUSTOMER_DETAILS: &str = "/customer/details/bulk";

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guildhall"))
}

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
        let token = poll("the demo's token", || {
            let said = world.server.stdout_so_far();
            let line = said.lines().find_map(|line| line.strip_prefix("token "));
            line.map(|token| token.trim().to_owned())
        });
        let site = Site::new(&world, token);
        (world, site)
    }

    /// What a command on the world's database printed; it must succeed.
    pub fn data(&self, args: &[&str]) -> String {
        let database = ["--database", self.options.database_url()];
        let output = server::run(binary(), &[args, &database].concat(), &[]);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A new tenant's cloudId.
    pub fn tenant(&self) -> String {
        self.data(&["tenant", "create", "--name", "test"])
    }

    /// A new token; without scopes it has all that the role may use.
    pub fn token(&self, cloud_id: &str, role: &str, scopes: &[&str]) -> String {
        let mut args = vec![
            "token", "create", "--tenant", cloud_id, "--name", "test", "--role", role,
        ];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        self.data(&args)
    }

    /// A new tenant, and its admin.
    pub fn site(&self) -> Site {
        let token = self.token(&self.tenant(), "admin", &[]);
        Site::new(self, token)
    }
}

/// One tenant as one token sees it.
pub struct Site {
    pub token: String,
    pub client: Client,
}

impl Site {
    pub fn new(world: &World, token: String) -> Self {
        Self {
            token,
            client: world.server.client(),
        }
    }

    /// A request with the token and the experimental header; `path` follows `/api/v1`, unless it is
    /// one of our own.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let path = match path.starts_with("/guildhall/") {
            true => path.to_owned(),
            false => format!("/api/v1{path}"),
        };
        Request::new(method, path)
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

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(&self.request("POST", path).json(body))
    }

    /// A bulk request with a key.
    pub fn bulk(&self, path: &str, key: &str, body: &Value) -> Response {
        self.send(&keyed(self.request("POST", path), key).json(body))
    }

    /// Submits with a key and returns the task's id.
    #[track_caller]
    pub fn submit(&self, path: &str, key: &str, body: &Value) -> String {
        let answer = self.bulk(path, key, body);
        assert_eq!(answer.header("Idempotent-Replayed"), None);
        task_id(&answer)
    }

    /// Submits and returns the task once it has ended.
    #[track_caller]
    pub fn run(&self, path: &str, key: &str, body: &Value) -> Value {
        let id = self.submit(path, key, body);
        self.ended(&id)
    }

    /// The task once it has ended.
    pub fn ended(&self, id: &str) -> Value {
        poll("the end of a task", || {
            let task = self.get(&format!("/tasks/{id}")).ok();
            let open = ["NOT_STARTED", "IN_PROGRESS"].contains(&task["status"].as_str().unwrap());
            (!open).then_some(task)
        })
    }

    /// All tasks, newest first.
    pub fn tasks(&self) -> Vec<Value> {
        pages(self, "/guildhall/v1/tasks?", "tasks")
    }

    /// All receipts of a task.
    pub fn receipts(&self, id: &str) -> Vec<Value> {
        pages(self, &format!("/guildhall/v1/tasks/{id}/items?"), "items")
    }

    pub fn profile(&self, id: &str) -> Value {
        self.get(&format!("/organization/profile/{id}")).ok()
    }

    /// The organization of this name: its id.
    pub fn find(&self, name: &str) -> Option<String> {
        let found = self
            .post("/organization/fetch", &json!({ "organizationNames": [name] }))
            .ok();
        found["organizations"][0]["id"].as_str().map(str::to_owned)
    }
}

/// The request with an idempotency key.
pub fn keyed(request: Request, key: &str) -> Request {
    request.header("Idempotency-Key", key)
}

/// The items of all pages; `path` ends where parameters go on.
pub fn pages(site: &Site, path: &str, member: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = site.get(&format!("{path}{cursor}")).ok();
        all.extend(page[member].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The id in the answer to a submit, after its form was checked.
#[track_caller]
pub fn task_id(answer: &Response) -> String {
    let body = answer.ok();
    let id = body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        body,
        json!({ "id": id, "statusUrl": format!("/api/v1/tasks/{id}") })
    );
    id
}

/// Short words for what tests ask of an answer.
pub trait Expect {
    /// 200; its JSON.
    fn ok(&self) -> Value;
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
    fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let code = match status {
            400 => "BAD_REQUEST",
            401 => "UNAUTHORIZED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            412 => "PRECONDITION_FAILED",
            other => panic!("{other} is not expected: {}", self.text()),
        };
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(3), "{body}");
        assert_eq!(body["errors"], json!([code]), "{body}");
        assert_eq!(body["statusCode"], status, "{body}");
        let message = body["errorMessage"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{body}");
        message.to_owned()
    }
}

/// Waits until `find` finds something, at most a minute.
pub fn poll<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// A member of each item of an array, as strings.
pub fn each<'a>(list: &'a [Value], member: &str) -> Vec<&'a str> {
    list.iter()
        .map(|item| {
            item[member]
                .as_str()
                .unwrap_or_else(|| panic!("no {member}: {item}"))
        })
        .collect()
}

/// An item that manages a profile or an organization.
pub fn item(operation: &str, payload: &Value) -> Value {
    json!({ "operationType": operation, "payload": payload })
}
