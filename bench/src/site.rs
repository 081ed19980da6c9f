//! One tenant as its client sees it: the bytes of requests, what organizations are made of, and bulk tasks from
//! submit to end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::world::{FIELDS, World};
use guildhall_testkit::{Client, Request};
use serde_json::{Value, json};

use crate::load::{CONNECTIONS, Next, Pace, Span, drive};
use crate::place::{Database, Place};
use crate::{Outcome, problem};

/// The cloudIds of the two tenants of a data set.
pub const SITE: &str = "0b0f1c5e-2d52-4a6b-9f0e-5d5c0c5e0001";
/// The second one.
pub const NEIGHBOUR: &str = "0b0f1c5e-2d52-4a6b-9f0e-5d5c0c5e0002";
/// Items of a bulk request: the most that is allowed.
pub const ITEMS: usize = 100;
/// Open tasks that a loader keeps: fewer than the ten that are allowed.
pub const OPEN_TASKS: usize = 8;
/// Between two looks at a task: each takes the two processors from the work that is measured.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const CUSTOMERS: u64 = 2_000;
const PRODUCTS: u64 = 20;

/// Where bulk requests go.
pub const PROFILES_BULK: &str = "/api/v1/organization/profile/bulk";
/// Bulk operations on values.
pub const DETAILS_BULK: &str = "/api/v1/organization/details/bulk";

/// A tenant with a token.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where its server listens.
    pub addr: SocketAddr,
    cloud_id: &'static str,
    token: String,
}

/// What profiles refer to: public ids of customers and products.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    customers: Vec<String>,
    products: Vec<String>,
}

/// How a bulk load went.
#[derive(Clone, Debug, Default)]
pub struct Fed {
    /// From the first submit to the end of the last task.
    pub seconds: f64,
    /// From the submit of each task to its end, in milliseconds, ascending.
    pub task_ms: Vec<f64>,
}

impl Site {
    /// Makes an admin's token for a tenant.
    pub fn open(place: &Place, database: &str, addr: SocketAddr, cloud_id: &'static str) -> Outcome<Self> {
        let token = place.command(
            database,
            &[
                "token", "create", "--tenant", cloud_id, "--name", "bench", "--role", "admin",
            ],
        )?;
        Ok(Self {
            addr,
            cloud_id,
            token,
        })
    }

    /// The bytes of a request without a body.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let Self { addr, token, .. } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\n\
             X-ExperimentalApi: opt-in\r\n\r\n"
        )
        .into_bytes()
    }

    /// The bytes of a request with a body.
    pub fn post(&self, path: &str, body: &Value) -> Vec<u8> {
        let Self { addr, token, .. } = self;
        let body = body.to_string();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {token}\r\n\
             X-ExperimentalApi: opt-in\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// A request for the careful client.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path)
            .bearer(&self.token)
            .header("X-ExperimentalApi", "opt-in")
    }

    /// Clients that get `path` followed by one of the ids, each as likely.
    pub fn getters(&self, path: &str, ids: &Arc<Vec<i64>>, count: usize) -> Vec<Next> {
        let getter = |_| -> Next {
            let (put, ids) = (self.getter(path), Arc::clone(ids));
            // Another sequence each time: what the run before asked for is not what this one asks for.
            let mut chance = Dice::new(SEED.fetch_add(1, Ordering::Relaxed));
            Box::new(move |request| {
                put(request, *ids.get(chance.below(ids.len()))?);
                Some(0)
            })
        };
        (0..count).map(getter).collect()
    }

    /// Clients that together get each of these once.
    pub fn walkers(&self, path: &str, ids: &[i64], count: usize) -> Vec<Next> {
        let walker = |ids: &[i64]| -> Next {
            let (put, mut ids) = (self.getter(path), Vec::from(ids).into_iter());
            Box::new(move |request| {
                put(request, ids.next()?);
                Some(0)
            })
        };
        ids.chunks(ids.len().div_ceil(count).max(1)).map(walker).collect()
    }

    /// Writes the request for an id.
    fn getter(&self, path: &str) -> impl Fn(&mut Vec<u8>, i64) + Send + use<> {
        // The bytes around the id.
        let bytes = self.get(&format!("{path}@"));
        let at = bytes.iter().position(|byte| *byte == b'@').unwrap_or_default();
        let (head, tail) = (bytes[..at].to_vec(), bytes[at + 1..].to_vec());
        move |request, id| {
            request.extend_from_slice(&head);
            request.extend_from_slice(id.to_string().as_bytes());
            request.extend_from_slice(&tail);
        }
    }

    /// Defines the fields, and adds customers and products.
    pub fn furnish(&self, world: &World) -> Outcome<()> {
        let client = Client::new(self.addr);
        for field in FIELDS {
            let body =
                json!({ "name": field.name, "type": { "name": field.type_name, "options": field.options } });
            self.ok(
                &client,
                &self.request("POST", "/api/v1/organization/details").json(&body),
            )?;
        }
        for number in 0..PRODUCTS {
            let body = json!({ "name": world.product(number) });
            self.ok(&client, &self.request("POST", "/api/v1/product").json(&body))?;
        }
        let customers = (0..CUSTOMERS).map(|number| {
            let customer = world.customer(number);
            let body = json!({ "email": customer.email, "displayName": customer.display_name });
            self.post("/api/v1/customer", &body)
        });
        let clients = each_once(customers.collect(), CONNECTIONS);
        drive(self.addr, clients, Pace::Closed, Span::to_the_end())?;
        Ok(())
    }

    /// The customers and products of a data set.
    pub fn pool(&self, database: &Database) -> Outcome<Pool> {
        let ids = |table: &str| {
            database.texts(&format!(
                "SELECT x.id FROM {table} x JOIN tenant t ON t.tenant_id = x.tenant_id \
                 WHERE t.cloud_id = '{}' ORDER BY x.number",
                self.cloud_id
            ))
        };
        Ok(Pool {
            customers: ids("customer")?,
            products: ids("product")?,
        })
    }

    /// Creates these organizations of the world in bulk.
    pub fn load(&self, world: &World, pool: &Pool, numbers: Range<u64>) -> Outcome<Fed> {
        let numbers: Vec<u64> = numbers.collect();
        // Made as they are needed: a million would not fit.
        self.feed(
            PROFILES_BULK,
            numbers.chunks(ITEMS).map(|numbers| upserts(world, pool, numbers)),
            OPEN_TASKS,
        )
    }

    /// Sends bulk requests, so many open at any time, until the last task has ended without a failure.
    pub fn feed(&self, path: &str, bodies: impl Iterator<Item = Vec<u8>>, open_max: usize) -> Outcome<Fed> {
        static KEY: AtomicU64 = AtomicU64::new(1);
        let (client, start) = (Client::new(self.addr), Instant::now());
        let mut open: VecDeque<(Instant, String)> = VecDeque::new();
        let mut fed = Fed::default();
        let mut bodies = bodies.peekable();
        while bodies.peek().is_some() || !open.is_empty() {
            if open.len() < open_max
                && let Some(body) = bodies.next()
            {
                let key = format!(
                    "bench-{}-{}",
                    std::process::id(),
                    KEY.fetch_add(1, Ordering::Relaxed)
                );
                let request = self
                    .request("POST", path)
                    .header("Content-Type", "application/json")
                    .header("Idempotency-Key", key)
                    .body(body);
                let submitted = Instant::now();
                let answer = self.ok(&client, &request)?;
                let id = answer["id"]
                    .as_str()
                    .ok_or_else(|| problem(format!("no task: {answer}")))?;
                open.push_back((submitted, id.to_owned()));
                continue;
            }
            let Some((submitted, id)) = open.front() else {
                break;
            };
            let task = self.ok(&client, &self.request("GET", &format!("/api/v1/tasks/{id}")))?;
            match (task["status"].as_str(), task["failures"].as_array()) {
                (Some("FINISHED"), Some(failures)) if failures.is_empty() => {
                    fed.task_ms.push(submitted.elapsed().as_secs_f64() * 1_000.0);
                    open.pop_front();
                }
                (Some("NOT_STARTED" | "IN_PROGRESS"), _) => thread::sleep(LOOK_EVERY),
                _ => return Err(problem(format!("a task did not do its work: {task}"))),
            }
        }
        fed.seconds = start.elapsed().as_secs_f64();
        fed.task_ms.sort_by(f64::total_cmp);
        Ok(fed)
    }

    /// The answer to a request that must succeed.
    pub fn ok(&self, client: &Client, request: &Request) -> Outcome<Value> {
        let answer = client.send(request)?;
        match answer.status {
            200 => Ok(answer.json()),
            status => Err(problem(format!("{request:?}: {status} {}", answer.text()))),
        }
    }
}

/// Clients that between them send each request once.
pub fn each_once(requests: Vec<Vec<u8>>, count: usize) -> Vec<Next> {
    let (requests, turn) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let client = |_| -> Next {
        let (requests, turn) = (Arc::clone(&requests), Arc::clone(&turn));
        Box::new(move |request| {
            request.extend_from_slice(requests.get(turn.fetch_add(1, Ordering::Relaxed))?);
            Some(0)
        })
    };
    (0..count).map(client).collect()
}

/// A profile with ten details, as `POST /organization/profile` takes it.
pub fn profile(world: &World, number: u64) -> Value {
    let organization = world.organization(number);
    let details = organization.details.iter();
    let details: Vec<Value> = details
        .map(|(name, values)| json!({ "name": name, "values": values }))
        .collect();
    json!({ "name": organization.name, "details": details })
}

/// The body of a bulk request that creates these organizations, with ten details, three customers and two products
/// each; without a pool, with details only.
pub fn upserts(world: &World, pool: &Pool, numbers: &[u64]) -> Vec<u8> {
    let items: Vec<Value> = numbers
        .iter()
        .map(|number| {
            let mut payload = profile(world, *number);
            let some = |from: &[String], count: u64| -> Vec<String> {
                let mut chance = Dice::new(number.wrapping_mul(31) + count);
                let first = chance.below(from.len().max(1));
                (0..usize::try_from(count).unwrap_or(0))
                    .filter_map(|next| from.get((first + next) % from.len().max(1)).cloned())
                    .collect()
            };
            if !pool.customers.is_empty() {
                payload["associateCustomers"] = json!({ "customerIds": some(&pool.customers, 3) });
                payload["associateProducts"] = json!({ "productIds": some(&pool.products, 2) });
            }
            json!({ "operationType": "UPSERT", "payload": payload })
        })
        .collect();
    json!({ "organizationProfiles": items }).to_string().into_bytes()
}

/// What the next dice begin with.
static SEED: AtomicU64 = AtomicU64::new(1);

/// Small chance for the load generator (xorshift): a division and three shifts a request.
pub struct Dice(u64);

impl Dice {
    /// One that begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to one less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap_or(0) % end.max(1)
    }
}
