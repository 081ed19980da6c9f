//! A database with a tenant, a token, and what profiles refer to; servers and writers on it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, thread};

use guildhall_testkit::server::run;
use guildhall_testkit::{Client, Request, Server, ServerOptions, TempFolder};
use serde_json::{Value, json};

use crate::ledger::{Ledger, Writer};

/// How long anything may take that is only waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guildhall"))
}

/// Held for the whole of a test: two loads at once would measure each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}

/// What a command of the binary prints on stdout. It must succeed.
pub fn command(args: &[&str]) -> String {
    let output = run(binary(), args, &[]);
    assert!(
        output.status.success(),
        "guildhall {args:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("commands print UTF-8")
}

/// Asks again and again until there is an answer; panics when there is none in `patience`.
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

/// Raises its flag when it is dropped.
pub struct Raise<'f>(pub &'f AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// One database.
pub struct World {
    pub options: ServerOptions,
    pub cloud_id: String,
    pub token: String,
    pub customers: Vec<String>,
    pub product: String,
    pub folder: TempFolder,
}

impl World {
    /// A new database in a folder of its own.
    pub fn new() -> Self {
        let folder = TempFolder::new();
        let options = ServerOptions::new(&folder);
        Self::with(folder, options)
    }

    /// A new database where `options` say; the folder lives as long as the world.
    pub fn with(folder: TempFolder, options: ServerOptions) -> Self {
        let options = options
            .arg("--experimental-header")
            .arg("never")
            .arg("--log")
            .arg("error");
        let database = options.database_url().to_owned();
        let create = ["tenant", "create", "--database", &database, "--name", "Torture"];
        let cloud_id = command(&create).trim().to_owned();
        let create = ["token", "create", "--database", &database, "--tenant", &cloud_id];
        let token = command(&[&create[..], &["--name", "load", "--role", "admin"]].concat());
        let mut world = Self {
            options,
            cloud_id,
            token: token.trim().to_owned(),
            customers: Vec::new(),
            product: String::new(),
            folder,
        };
        let mut server = world.serve();
        world.furnish(&server.client());
        assert!(server.terminate().expect("a quiet server ends").status.success());
        world
    }

    fn furnish(&mut self, client: &Client) {
        let create = |path: &str, body: Value| {
            let response = client
                .send(&self.post(path, &body))
                .unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(response.status, 200, "{path}: {}", response.text());
            response.json()["id"].as_str().unwrap_or_default().to_owned()
        };
        create(
            "/organization/details",
            json!({ "name": "Note", "type": { "name": "TEXT" } }),
        );
        let customers = ["ann@example.com", "bob@example.com"];
        let customers = customers.map(|email| create("/customer", json!({ "email": email })));
        let product = create("/product", json!({ "name": "Widget" }));
        (self.customers, self.product) = (customers.to_vec(), product);
    }

    /// Starts the server.
    pub fn serve(&self) -> Server {
        Server::start(binary(), &self.options).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn get(&self, path: &str) -> Request {
        Request::get(format!("/api/v1{path}")).bearer(&self.token)
    }

    pub fn post(&self, path: &str, body: &Value) -> Request {
        Request::post(format!("/api/v1{path}"))
            .bearer(&self.token)
            .json(body)
    }

    /// Runs `count` writers until `act` has returned, and joins what they know. A writer stops by
    /// itself at the first answer that is neither an acknowledgement nor (with `steadfast`) a
    /// refusal of the server.
    pub fn under_load<T>(
        &self,
        addr: SocketAddr,
        name: &str,
        count: usize,
        steadfast: bool,
        act: impl FnOnce() -> T,
    ) -> (T, Ledger) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..count)
                .map(|index| {
                    let writer = Writer::new(self, Client::new(addr), format!("{name} {index}"));
                    let stop = &stop;
                    scope.spawn(move || writer.run(stop, steadfast))
                })
                .collect();
            let outcome = {
                let _stops_also_when_a_check_fails = Raise(&stop);
                act()
            };
            let mut ledger = Ledger::default();
            for writer in writers {
                ledger.join(writer.join().unwrap_or_else(|_| panic!("a writer failed")));
            }
            (outcome, ledger)
        })
    }
}
