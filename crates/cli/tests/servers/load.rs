//! Writers and readers that speak to both servers by turns, whatever the database does, and note what they were
//! told; and the comparison of that with what is there.
//!
//! An organization with its value, its customer and its entitlement is created in one request, so finding one
//! without the other means that something was half done.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use guildhall_testkit::{Client, Request, Response};
use serde_json::{Value, json};

use crate::world::{Admin, PROFILES, World, id, ok, send, upsert};

const WRITERS: usize = 6;
/// Profiles that one request may fetch.
const FETCH_MAX: usize = 25;
/// Items of a task: more than one chunk.
const ITEMS: usize = 60;

/// What profiles refer to, and one that readers look at.
pub struct Stage {
    customer: String,
    product: String,
    landmark: String,
}

impl Stage {
    pub fn new(world: &World) -> Self {
        let client = world.servers[0].client();
        let create = |path: &str, body: Value| world.admin.post(&client, path, &body);
        let field = json!({ "name": "Note", "type": { "name": "TEXT" } });
        ok(&create("/api/v1/organization/details", field));
        Self {
            customer: id(&create("/api/v1/customer", json!({ "email": "ann@example.com" }))),
            product: id(&create("/api/v1/product", json!({ "name": "Widget" }))),
            landmark: id(&create("/api/v1/organization", json!({ "name": "Landmark" }))),
        }
    }
}

/// What the clients know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Acknowledged creates: id and name.
    pub created: Vec<(String, String)>,
    /// Names of which the answer said that nothing was written.
    pub refused: Vec<String>,
    /// Names of which nobody knows.
    pub doubtful: Vec<String>,
    /// Acknowledged tasks, and the name that their items begin with.
    pub tasks: Vec<(String, String)>,
    /// Answers that were none, by what they said.
    pub turned_away: BTreeMap<String, usize>,
    /// Reads that were answered.
    pub reads: usize,
}

impl Ledger {
    pub fn join(&mut self, other: Self) {
        self.created.extend(other.created);
        self.refused.extend(other.refused);
        self.doubtful.extend(other.doubtful);
        self.tasks.extend(other.tasks);
        self.reads += other.reads;
        for (words, count) in other.turned_away {
            *self.turned_away.entry(words).or_default() += count;
        }
    }

    /// How much there is, for a line of the output.
    pub fn summary(&self) -> String {
        format!(
            "{} creates and {} tasks acknowledged, {} reads; {} creates refused, {} of unknown outcome; turned away: {:?}",
            self.created.len(),
            self.tasks.len(),
            self.reads,
            self.refused.len(),
            self.doubtful.len(),
            self.turned_away
        )
    }

    /// Compares all that is known with what the server shows.
    pub fn check(&self, world: &World, stage: &Stage, client: &Client) {
        let names: HashMap<&str, &str> = self
            .created
            .iter()
            .map(|(id, name)| (id.as_str(), name.as_str()))
            .collect();
        assert_eq!(names.len(), self.created.len(), "an id was given twice");
        let ids: Vec<&str> = names.keys().copied().collect();
        let found = fetch(&world.admin, client, "organizationIds", &ids);
        assert_eq!(found.len(), ids.len(), "acknowledged, and lost");
        for profile in &found {
            let wanted = names.get(profile["id"].as_str().unwrap()).copied();
            assert_eq!(profile["name"].as_str(), wanted);
            assert_whole(stage, profile);
        }
        let doubtful: Vec<&str> = self.doubtful.iter().map(String::as_str).collect();
        for profile in fetch(&world.admin, client, "organizationNames", &doubtful) {
            assert_whole(stage, &profile);
        }
        let refused: Vec<&str> = self.refused.iter().map(String::as_str).collect();
        let there = fetch(&world.admin, client, "organizationNames", &refused);
        assert!(
            there.is_empty(),
            "told that nothing was written, yet there: {there:?}"
        );

        let tasks: HashSet<&str> = self.tasks.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(tasks.len(), self.tasks.len());
        for (task, name) in &self.tasks {
            let ended = world.admin.ended(client, task, Duration::from_secs(60));
            assert_eq!(ended["failures"], json!([]), "{ended}");
            assert_eq!(ended["status"], "FINISHED");
            let receipts = world.admin.receipts(client, task);
            assert_eq!(receipts.len(), ITEMS, "{name}");
            let made: HashSet<&str> = receipts
                .iter()
                .map(|receipt| receipt["entityId"].as_str().unwrap())
                .collect();
            assert_eq!(made.len(), ITEMS);
            assert!(
                receipts.iter().all(|receipt| receipt["outcome"] == "created"),
                "{receipts:?}"
            );
        }
    }
}

fn fetch(admin: &Admin, client: &Client, member: &str, wanted: &[&str]) -> Vec<Value> {
    let mut found = Vec::new();
    for some in wanted.chunks(FETCH_MAX) {
        let answer = admin.post(
            client,
            "/api/v1/organization/profile/fetch",
            &json!({ member: some }),
        );
        found.extend(ok(&answer)["profiles"].as_array().unwrap().iter().cloned());
    }
    found
}

fn assert_whole(stage: &Stage, profile: &Value) {
    let only = |list: &Value| list.as_array().unwrap().len() == 1;
    assert!(
        only(&profile["customers"])
            && profile["customers"][0]["id"] == stage.customer.as_str()
            && only(&profile["entitlements"])
            && profile["details"][0]["value"]["text"][0] == profile["name"],
        "half done: {profile}"
    );
}

/// Runs writers, readers and a submitter while `act` does something, and joins what they know. Anything that is
/// neither right nor a 503 with `Retry-After` fails the test.
pub fn under_load<T>(world: &World, stage: &Stage, name: &str, act: impl FnOnce() -> T) -> (T, Ledger) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = &stop;
        let hands: Vec<_> = (0..WRITERS + 2)
            .map(|number| {
                let mut hand = Hand::new(world, stage, format!("{name} {number}"));
                scope.spawn(move || {
                    for step in 0.. {
                        if stop.load(Ordering::Acquire) {
                            break;
                        }
                        match number {
                            0 => hand.read(step),
                            1 => hand.submit(step),
                            _ => hand.create(step),
                        }
                    }
                    hand.ledger
                })
            })
            .collect();
        let outcome = {
            let _stops_also_when_a_check_fails = Raise(stop);
            act()
        };
        let mut ledger = Ledger::default();
        for hand in hands {
            ledger.join(hand.join().unwrap_or_else(|_| panic!("a client failed")));
        }
        (outcome, ledger)
    })
}

struct Raise<'f>(&'f AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// One client of both servers.
struct Hand<'w> {
    admin: &'w Admin,
    stage: &'w Stage,
    clients: [Client; 2],
    name: String,
    ledger: Ledger,
    /// A submit that is not acknowledged yet.
    owed: Option<usize>,
}

impl<'w> Hand<'w> {
    fn new(world: &'w World, stage: &'w Stage, name: String) -> Self {
        Self {
            admin: &world.admin,
            stage,
            clients: world.clients(),
            name,
            ledger: Ledger::default(),
            owed: None,
        }
    }

    /// The answer, or why there is none. The servers live: every request is answered.
    fn send(&mut self, step: usize, request: &Request) -> Result<Response, String> {
        let response = send(&self.clients[step % 2], request);
        if response.status != 503 {
            return Ok(response);
        }
        assert_eq!(response.header("Retry-After"), Some("1"), "{}", response.text());
        let words = response.json()["errorMessage"].as_str().unwrap().to_owned();
        *self.ledger.turned_away.entry(words.clone()).or_default() += 1;
        // Politer than most clients, less polite than they are asked to be.
        thread::sleep(Duration::from_millis(20));
        Err(words)
    }

    fn create(&mut self, step: usize) {
        let name = format!("{} {step}", self.name);
        let body = json!({
            "name": name,
            "details": [{ "name": "Note", "values": [name] }],
            "associateCustomers": { "customerIds": [self.stage.customer] },
            "associateProducts": { "productIds": [self.stage.product] },
        });
        let request = self
            .admin
            .request("POST", "/api/v1/organization/profile")
            .json(&body);
        match self.send(step, &request) {
            Ok(response) => self.ledger.created.push((id(&response), name)),
            Err(words) if words.contains("Nothing was") => self.ledger.refused.push(name),
            Err(words) => {
                assert!(words.contains("unknown"), "{words}");
                self.ledger.doubtful.push(name);
            }
        }
    }

    fn read(&mut self, step: usize) {
        let path = format!("/api/v1/organization/{}", self.stage.landmark);
        let request = self.admin.request("GET", &path);
        if let Ok(response) = self.send(step, &request) {
            assert_eq!(ok(&response)["name"], "Landmark");
            self.ledger.reads += 1;
        }
    }

    /// Submits a task, with the same key until it is acknowledged.
    fn submit(&mut self, step: usize) {
        let task = self.owed.unwrap_or(step);
        let name = format!("{} task {task}", self.name);
        let items: Vec<Value> = (0..ITEMS).map(|item| upsert(&format!("{name} {item}"))).collect();
        let request = self
            .admin
            .bulk(PROFILES, &name, &json!({ "organizationProfiles": items }));
        match self.send(step, &request) {
            // As many are open as may be.
            Ok(response) if response.status == 400 && response.text().contains("Maximum number of tasks") => {
                self.owed = Some(task);
                thread::sleep(Duration::from_millis(50));
            }
            Ok(response) => {
                self.ledger.tasks.push((id(&response), name));
                self.owed = None;
                thread::sleep(Duration::from_millis(100));
            }
            Err(_) => self.owed = Some(task),
        }
    }
}

/// Waits until both servers are ready, and take a write and show it; how long that took.
pub fn back(world: &World, name: &str) -> Duration {
    let start = std::time::Instant::now();
    for (at, client) in world.clients().iter().enumerate() {
        let body = json!({ "name": format!("{name} {at}") });
        let made = crate::world::poll("writes again", Duration::from_secs(30), || {
            let answer = world.admin.post(client, "/api/v1/organization", &body);
            // One before it may have been written, without an answer that said so.
            let written = answer.status == 200
                || answer.status == 400 && answer.text().contains("is the name of organization");
            assert!(written || answer.status == 503, "{}", answer.text());
            written.then_some(answer)
        });
        if made.status == 200 {
            let path = format!("/api/v1/organization/{}", id(&made));
            ok(&world.admin.get(client, &path));
        }
        crate::world::poll("ready again", Duration::from_secs(30), || {
            (send(client, &Request::get("/readyz")).status == 200).then_some(())
        });
    }
    start.elapsed()
}
