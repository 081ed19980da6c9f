//! A world for a test: two servers on one database, a tenant, and its admin who speaks to either.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use guildhall_testkit::{Client, Cluster, Database, Request, Response, Server, ServerOptions, server};
use serde_json::{Value, json};

pub const PROFILES: &str = "/api/v1/organization/profile/bulk";

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guildhall"))
}

/// Held for the whole of a test: each is a load of its own, and looks at the clock.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment.
pub fn setting(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}

pub struct World {
    // Before the database, so that they end first.
    pub servers: [Server; 2],
    pub options: ServerOptions,
    pub cloud_id: String,
    pub admin: Admin,
    pub database: Database,
}

impl World {
    /// Two servers on a fresh database of the shared cluster.
    pub fn new() -> Self {
        let database = Cluster::shared().database();
        let url = database.url();
        Self::on(database, &url)
    }

    /// Two servers that reach the database by this URL. They meet it empty, both at once.
    pub fn on(database: Database, url: &str) -> Self {
        let options = options(url);
        let servers = start(&options);
        let cloud_id = command(url, &["tenant", "create", "--name", "test"]);
        let create = ["token", "create", "--tenant", &cloud_id, "--name", "test"];
        let token = command(url, &[&create[..], &["--role", "admin"]].concat());
        Self {
            servers,
            options,
            cloud_id,
            admin: Admin { token },
            database,
        }
    }

    /// What a command on the database prints; it must succeed.
    pub fn command(&self, args: &[&str]) -> String {
        command(self.options.database_url(), args)
    }

    /// A client of each server.
    pub fn clients(&self) -> [Client; 2] {
        [0, 1].map(|at| self.servers[at].client())
    }

    /// Starts a server where one was killed.
    pub fn start_again(&mut self, at: usize) {
        self.servers[at] = Server::start(binary(), &self.options).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A number from the database.
    pub fn number(&self, sql: &str) -> usize {
        self.database.sql(sql).parse().unwrap()
    }
}

pub fn options(url: &str) -> ServerOptions {
    // The folder is SQLite's, and not used.
    ServerOptions::new("/").database(url).arg("--log").arg("warn")
}

/// Two servers, started at the same time.
pub fn start(options: &ServerOptions) -> [Server; 2] {
    let start = || Server::start(binary(), options).unwrap_or_else(|error| panic!("{error}"));
    thread::scope(|scope| [scope.spawn(start), scope.spawn(start)].map(|server| server.join().unwrap()))
}

fn command(url: &str, args: &[&str]) -> String {
    let output = server::run(binary(), &[args, &["--database", url]].concat(), &[]);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// An admin of the tenant.
#[derive(Clone, Debug)]
pub struct Admin {
    pub token: String,
}

impl Admin {
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path)
            .bearer(&self.token)
            .header("X-ExperimentalApi", "opt-in")
    }

    pub fn get(&self, client: &Client, path: &str) -> Response {
        send(client, &self.request("GET", path))
    }

    pub fn post(&self, client: &Client, path: &str, body: &Value) -> Response {
        send(client, &self.request("POST", path).json(body))
    }

    pub fn put(&self, client: &Client, path: &str, body: &Value) -> Response {
        send(client, &self.request("PUT", path).json(body))
    }

    pub fn bulk(&self, path: &str, key: &str, body: &Value) -> Request {
        self.request("POST", path)
            .header("Idempotency-Key", key.replace(' ', "-"))
            .json(body)
    }

    /// Submits, which must succeed; the task's id.
    pub fn submit(&self, client: &Client, path: &str, key: &str, body: &Value) -> String {
        let answer = ok(&send(client, &self.bulk(path, key, body)));
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The task, once it has ended.
    pub fn ended(&self, client: &Client, id: &str, patience: Duration) -> Value {
        poll(&format!("the end of task {id}"), patience, || {
            let task = ok(&self.get(client, &format!("/api/v1/tasks/{id}")));
            let open = ["NOT_STARTED", "IN_PROGRESS"].contains(&task["status"].as_str().unwrap());
            (!open).then_some(task)
        })
    }

    /// All receipts of a task; each must stand at its place, exactly once.
    pub fn receipts(&self, client: &Client, id: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = ok(&self.get(
                client,
                &format!("/guildhall/v1/tasks/{id}/items?limit=100{cursor}"),
            ));
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        for (at, receipt) in all.iter().enumerate() {
            assert_eq!(receipt["index"], at, "{all:?}");
        }
        all
    }
}

pub fn send(client: &Client, request: &Request) -> Response {
    client
        .send(request)
        .unwrap_or_else(|error| panic!("{request:?}: {error}"))
}

/// 200; its JSON.
#[track_caller]
pub fn ok(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// The `id` of a 200.
#[track_caller]
pub fn id(response: &Response) -> String {
    ok(response)["id"].as_str().unwrap().to_owned()
}

/// An UPSERT of an organization or a profile.
pub fn upsert(name: &str) -> Value {
    json!({ "operationType": "UPSERT", "payload": { "name": name } })
}

/// Asks again and again until there is an answer.
pub fn poll<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < patience, "{what}: not within {patience:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
