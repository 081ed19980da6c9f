//! Exactly once: clients submit tasks and repeat what was not answered, while the server is killed
//! at random moments and started again on the same database. In the end every task that was
//! acknowledged is finished, every item has one receipt, and the state is what the [model](crate::model)
//! of the clients says.
//!
//! `GUILDHALL_BULK_KILL_ROUNDS` says how often it is killed (50, on PostgreSQL 3; the long run is 1,000),
//! `GUILDHALL_BULK_KILL_SEED` which dice are thrown.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::home::on_postgres;
use guildhall_testkit::{Client, Home, Request, Response, Server};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::model::{Common, Customer, Dice, Model, Organization, TAGS};
use crate::world::{CUSTOMER_DEFINITIONS, DEFINITIONS, Expect, World, binary, keyed, task_id};

const CLIENTS: usize = 4;
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// What is common to all.
struct Stage {
    address: Mutex<SocketAddr>,
    token: String,
    common: Common,
    stop: AtomicBool,
    /// Acknowledged tasks, their items, answers that were replays of an unanswered submit.
    tasks: AtomicUsize,
    items: AtomicUsize,
    rescued: AtomicUsize,
    unanswered: AtomicUsize,
    busy: AtomicUsize,
}

/// A client that goes on when the server is gone for a while.
struct Sender<'a> {
    stage: &'a Stage,
    client: Option<(SocketAddr, Client)>,
}

impl Sender<'_> {
    /// Sends until it is answered; and how often it was sent without an answer.
    fn send(&mut self, request: &Request) -> (Response, usize) {
        let start = Instant::now();
        for lost in 0.. {
            let address = *self.stage.address.lock().unwrap();
            if self.client.as_ref().is_none_or(|(known, _)| *known != address) {
                self.client = Some((address, Client::new(address)));
            }
            let client = &self.client.as_ref().unwrap().1;
            match client.send(request) {
                Ok(answer) if answer.status == 503 => drop(self.stage.busy.fetch_add(1, Ordering::Relaxed)),
                Ok(answer) => return (answer, lost),
                // Killed before, while or after it did what was asked: the client cannot know.
                Err(_) => drop(self.stage.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "never answered: {request:?}"
            );
            thread::sleep(Duration::from_millis(3));
        }
        unreachable!()
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path)
            .bearer(&self.stage.token)
            .header("X-ExperimentalApi", "opt-in")
    }

    fn get(&mut self, path: &str) -> Value {
        let request = self.request("GET", path);
        self.send(&request).0.ok()
    }

    /// Submits until it is acknowledged. A submit that was not answered may have been done: then the
    /// same key finds its task.
    fn submit(&mut self, path: &str, key: &str, body: &Value) -> String {
        let request = keyed(self.request("POST", &format!("/api/v1{path}")), key).json(body);
        let (answer, lost) = self.send(&request);
        let replayed = answer.header("Idempotent-Replayed").is_some();
        assert!(lost > 0 || !replayed, "nobody submitted it before");
        self.stage
            .rescued
            .fetch_add(usize::from(replayed), Ordering::Relaxed);
        task_id(&answer)
    }

    /// The task when it has ended, and the receipts of its items.
    fn ended(&mut self, id: &str) -> (Value, Vec<Value>) {
        let start = Instant::now();
        let task = loop {
            let task = self.get(&format!("/api/v1/tasks/{id}"));
            match task["status"].as_str().unwrap() {
                "FINISHED" => break task,
                "NOT_STARTED" | "IN_PROGRESS" => assert_eq!(task["failures"], json!([])),
                other => panic!("{other}: {task}"),
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "never finished: {task}"
            );
            thread::sleep(Duration::from_millis(2));
        };
        let mut receipts = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/guildhall/v1/tasks/{id}/items?limit=37{cursor}"));
            receipts.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (task, receipts),
            }
        }
    }
}

/// The values of a field in a profile.
fn values(profile: &Value, name: &str) -> Vec<String> {
    let details = profile["details"].as_array().unwrap();
    let found = details.iter().find(|detail| detail["name"] == name);
    let texts = found.map(|detail| detail["value"]["text"].as_array().unwrap().clone());
    let texts = texts.unwrap_or_default().into_iter();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Compares the customers with the model.
fn check_customers(model: &Model, sender: &mut Sender<'_>) {
    for page in model.customers.chunks(25) {
        let emails: Vec<&str> = page.iter().map(|customer| customer.email.as_str()).collect();
        let request = sender
            .request("POST", "/api/v1/customer/profile/fetch")
            .json(&json!({ "emails": emails }));
        let profiles = sender.send(&request).0.ok();
        let profiles = profiles["profiles"].as_array().unwrap();
        assert_eq!(profiles.len(), page.len());
        for (profile, wanted) in profiles.iter().zip(page) {
            let text = |member: &str| profile[member].as_str().unwrap().to_owned();
            let count = |member: &str| profile[member].as_array().unwrap().len();
            let found = Customer {
                id: Some(text("id")),
                email: text("email"),
                name: text("displayName"),
                note: values(profile, "Note").pop(),
                member: count("organizations") == 1,
                entitled: count("entitlements") == 1,
            };
            assert_eq!(found, *wanted, "{profile}");
            assert!(
                count("organizations") <= 1 && count("entitlements") <= 1,
                "{profile}"
            );
        }
    }
}

/// Compares the state with the model.
fn check(model: &Model, sender: &mut Sender<'_>) {
    check_customers(model, sender);
    for page in model.organizations.chunks(25) {
        let ids: Vec<&str> = page
            .iter()
            .map(|organization| organization.id.as_deref().unwrap())
            .collect();
        let request = sender
            .request("POST", "/api/v1/organization/profile/fetch")
            .json(&json!({ "organizationIds": ids }));
        let profiles = sender.send(&request).0.ok();
        let profiles = profiles["profiles"].as_array().unwrap();
        assert_eq!(profiles.len(), page.len());
        for (profile, wanted) in profiles.iter().zip(page) {
            let values = |name: &str| values(profile, name);
            let count = |member: &str| profile[member].as_array().unwrap().len();
            let found = Organization {
                id: profile["id"].as_str().map(str::to_owned),
                name: profile["name"].as_str().unwrap().to_owned(),
                note: values("Note").pop(),
                tags: values("Tags"),
                member: count("customers") == 1,
                entitled: count("entitlements") == 1,
            };
            assert_eq!(found, *wanted, "{profile}");
            assert!(count("customers") <= 1 && count("entitlements") <= 1, "{profile}");
        }
    }
}

/// Submits one task after the other, each when the one before has ended, so that the model knows
/// their order; the others' tasks lie between.
fn client(stage: &Stage, number: usize, seed: u64) -> Model {
    let mut dice = Dice(seed ^ (number as u64) << 32);
    let mut model = Model::default();
    let mut sender = Sender { stage, client: None };
    for task in 0.. {
        if stage.stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("c{number}-t{task}");
        let (path, body, expected) = model.task(&mut dice, &stage.common, &key);
        let id = sender.submit(path, &key, &body);
        stage.tasks.fetch_add(1, Ordering::Relaxed);
        stage.items.fetch_add(expected.len(), Ordering::Relaxed);
        if dice.below(4) == 0 {
            // Somebody who does not trust the answer.
            let again = keyed(sender.request("POST", &format!("/api/v1{path}")), &key).json(&body);
            let (answer, _) = sender.send(&again);
            assert_eq!(answer.header("Idempotent-Replayed"), Some("true"));
            assert_eq!(task_id(&answer), id);
        }
        let (ended, receipts) = sender.ended(&id);
        model.settle(&ended, &receipts, &expected);
    }
    check(&model, &mut sender);
    model
}

/// A number from the database, read beside the running server.
pub fn number(home: &Home, sql: &str) -> i64 {
    if let Some(database) = home.postgres() {
        return database.sql(sql).parse().unwrap();
    }
    let database = home.folder.join("guildhall.db");
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The most servers that have died over the next item of one task, the death counted that the next
/// claim will count. Three are what makes an item poison. On PostgreSQL nothing shows whether who holds a
/// lease is dead: all are counted.
fn deaths() -> &'static str {
    match on_postgres() {
        true => {
            "SELECT COALESCE(MAX(crashes + CASE WHEN lease_owner IS NULL THEN 0 ELSE 1 END), 0) FROM task_open"
        }
        false => {
            "SELECT COALESCE(MAX(crashes + (lease_owner IS NOT NULL AND lease_until = 0)), 0) FROM task_open"
        }
    }
}

/// What the kills met.
#[derive(Debug, Default)]
struct Kills {
    rounds: u64,
    with_a_task_running: u64,
    with_a_task_partly_done: u64,
    waited_for_progress: u64,
}

fn kill_rounds(stage: &Stage, world: &mut World, rounds: u64, dice: &mut Dice) -> Kills {
    let home = &world.home;
    let mut kills = Kills::default();
    for _ in 0..rounds {
        // Answered: the leases of the one that died have been ended.
        let health = Client::new(world.server.addr()).send(&Request::get("/healthz"));
        assert_eq!(health.unwrap().status, 200);
        let moment = match dice.below(3) {
            // Tasks of one that died wait until its lease has ended: 9 s, and some to notice.
            _ if on_postgres() => dice.below(13_000),
            0 => dice.below(20),
            _ => dice.below(250),
        };
        thread::sleep(Duration::from_millis(moment as u64));
        // An item that is being run at three kills in a row is given up, rightly. Two are enough here.
        if number(home, deaths()) >= 2 {
            kills.waited_for_progress += 1;
            let start = Instant::now();
            while number(home, deaths()) >= 2 {
                assert!(start.elapsed() < Duration::from_secs(30), "no progress");
                thread::sleep(Duration::from_millis(1));
            }
        }
        let count =
            |what: &str| u64::from(number(home, &format!("SELECT COUNT(*) FROM task_open WHERE {what}")) > 0);
        kills.with_a_task_running += count("lease_until > 0");
        kills.with_a_task_partly_done += count("lease_until > 0 AND next_item > 0");
        world.server.kill().unwrap();
        kills.rounds += 1;
        world.server = Server::start(binary(), &world.options).unwrap_or_else(|error| panic!("{error}"));
        *stage.address.lock().unwrap() = world.server.addr();
    }
    kills
}

#[test]
fn exactly_once() {
    let rounds = setting("GUILDHALL_BULK_KILL_ROUNDS", if on_postgres() { 3 } else { 50 });
    let seed = setting("GUILDHALL_BULK_KILL_SEED", 1);
    let mut world = World::new(&[]);
    let site = world.site();
    let fields = json!({ "detailFields": [
        { "name": "Note", "type": { "name": "TEXT" } },
        { "name": "Tags", "type": { "name": "MULTISELECT", "options": TAGS } },
    ] });
    site.run(DEFINITIONS, "fields", &fields);
    site.run(CUSTOMER_DEFINITIONS, "fields", &fields);
    let text = |answer: &Response| answer.ok()["id"].as_str().unwrap().to_owned();
    let stage = Stage {
        address: Mutex::new(world.server.addr()),
        common: Common {
            product: text(&site.post("/product", &json!({ "name": "Widget" }))),
            customer: text(&site.post("/customer", &json!({ "email": "ann@example.com" }))),
            organization: text(&site.post("/organization", &json!({ "name": "Everybody's" }))),
        },
        token: site.token,
        stop: AtomicBool::new(false),
        tasks: AtomicUsize::new(2),
        items: AtomicUsize::new(4),
        rescued: AtomicUsize::new(0),
        unanswered: AtomicUsize::new(0),
        busy: AtomicUsize::new(0),
    };
    let (kills, models) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let stage = &stage;
                scope.spawn(move || client(stage, number, seed))
            })
            .collect();
        let kills = kill_rounds(&stage, &mut world, rounds, &mut Dice(seed));
        stage.stop.store(true, Ordering::Relaxed);
        let models: Vec<Model> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (kills, models)
    });
    let count = |wanted: &dyn Fn(&Organization) -> bool| {
        let all = models.iter().flat_map(|model| &model.organizations);
        i64::try_from(all.filter(|organization| wanted(organization)).count()).unwrap()
    };
    let count_customers = |wanted: &dyn Fn(&Customer) -> bool| {
        let all = models.iter().flat_map(|model| &model.customers);
        i64::try_from(all.filter(|customer| wanted(customer)).count()).unwrap()
    };
    let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (tasks, items) = (load(&stage.tasks), load(&stage.items));
    println!(
        "{kills:?}; {tasks} tasks and {items} items acknowledged; {} requests unanswered, {} submits found \
         done by their key, {} answers 503; {} organizations, {} customers",
        load(&stage.unanswered),
        load(&stage.rescued),
        load(&stage.busy),
        count(&|_| true),
        count_customers(&|_| true),
    );
    assert!(
        rounds < 20 || kills.with_a_task_running > 0,
        "no kill met a running task: the test shows nothing"
    );
    let ended = world.server.terminate().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    if !on_postgres() {
        let connection = Connection::open(world.home.folder.join("guildhall.db")).unwrap();
        let check: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }
    let (tasks, items) = (i64::try_from(tasks).unwrap(), i64::try_from(items).unwrap());
    for (sql, wanted) in [
        ("SELECT COUNT(*) FROM task", tasks),
        ("SELECT COUNT(*) FROM task WHERE status = 'FINISHED'", tasks),
        // The fields of organizations and of customers have one.
        ("SELECT COUNT(DISTINCT idempotency_key) FROM task", tasks - 1),
        ("SELECT SUM(items) FROM task", items),
        ("SELECT COUNT(*) FROM task_item", items),
        ("SELECT COUNT(*) FROM task_open", 0),
        // And those that all share.
        ("SELECT COUNT(*) FROM organization", count(&|_| true) + 1),
        ("SELECT COUNT(*) FROM customer", count_customers(&|_| true) + 1),
        (
            "SELECT COUNT(*) FROM task_item WHERE outcome = 'created' AND task_id IN (SELECT id FROM task WHERE idempotency_key <> 'fields')",
            count(&|_| true) + count_customers(&|_| true),
        ),
        (
            "SELECT COUNT(*) FROM membership",
            count(&|organization| organization.member) + count_customers(&|customer| customer.member),
        ),
        (
            "SELECT COUNT(*) FROM entitlement",
            count(&|organization| organization.entitled) + count_customers(&|customer| customer.entitled),
        ),
    ] {
        assert_eq!(number(&world.home, sql), wanted, "{sql}");
    }
}
