//! What was asked of a server and what it acknowledged, and whether it is all there.
//!
//! An organization with its value, its two customers and its entitlement is created in one request,
//! so finding one without the other means that something was half done.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_testkit::{Client, Request, Response};
use serde_json::{Value, json};

use crate::world::World;

/// Profiles that one request may fetch.
const FETCH_MAX: usize = 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    /// Its delete was not answered.
    Doubtful,
    Gone,
}

/// An organization whose creation was acknowledged.
#[derive(Debug)]
struct Entry {
    id: String,
    /// The name it must have; several when a rename was not answered.
    names: Vec<String>,
    presence: Presence,
}

/// How one request went.
enum Outcome {
    Acknowledged(Response),
    /// The server says that nothing was written.
    Refused(u16),
    /// Nobody knows.
    Unknown,
}

/// What writers know.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// Names whose creation was not answered, or answered with "unknown".
    doubtful: Vec<String>,
    /// Names whose creation was refused.
    refused: Vec<String>,
    /// Requests that were acknowledged.
    pub acknowledged: usize,
    /// Answers that were none, by status; 0 is a connection that ended without an answer.
    pub statuses: HashMap<u16, usize>,
    /// The first of each status, for messages.
    pub bodies: HashMap<u16, String>,
    /// The first answer that was no acknowledgement, a writer each.
    pub first_failures: Vec<u16>,
}

impl Ledger {
    pub fn join(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.doubtful.extend(other.doubtful);
        self.refused.extend(other.refused);
        self.acknowledged += other.acknowledged;
        self.first_failures.extend(other.first_failures);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (status, body) in other.bodies {
            self.bodies.entry(status).or_insert(body);
        }
    }

    /// After an orderly stop nothing is in doubt: what was not answered was not done either.
    pub fn unanswered_is_undone(&mut self) {
        self.refused.append(&mut self.doubtful);
        for entry in &mut self.entries {
            entry.names.truncate(1);
            if entry.presence == Presence::Doubtful {
                entry.presence = Presence::There;
            }
        }
    }

    /// Compares all that is known with what the server shows. Returns how many organizations were
    /// looked for and found.
    pub fn check(&self, world: &World, client: &Client) -> usize {
        let ids: Vec<&String> = self.entries.iter().map(|entry| &entry.id).collect();
        let found = fetch(world, client, "organizationIds", &ids);
        let by_id: HashMap<&str, &Value> = found
            .iter()
            .map(|profile| (profile["id"].as_str().unwrap_or_default(), profile))
            .collect();
        for entry in &self.entries {
            match (by_id.get(entry.id.as_str()), entry.presence) {
                (Some(_), Presence::Gone) => panic!("deleted and acknowledged, yet there: {entry:?}"),
                (None, Presence::There) => panic!("acknowledged, and lost: {entry:?}"),
                (Some(profile), _) => {
                    let name = profile["name"].as_str().unwrap_or_default();
                    assert!(
                        entry.names.iter().any(|n| n == name),
                        "{entry:?} is called {name:?}"
                    );
                    assert_whole(world, profile);
                }
                (None, _) => {}
            }
        }
        let doubtful: Vec<&String> = self.doubtful.iter().collect();
        for profile in fetch(world, client, "organizationNames", &doubtful) {
            assert_whole(world, &profile);
        }
        let refused: Vec<&String> = self.refused.iter().collect();
        let there = fetch(world, client, "organizationNames", &refused);
        assert!(there.is_empty(), "refused, yet there: {there:?}");
        by_id.len()
    }
}

fn fetch(world: &World, client: &Client, member: &str, wanted: &[&String]) -> Vec<Value> {
    let mut found = Vec::new();
    for some in wanted.chunks(FETCH_MAX) {
        let request = world.post("/organization/profile/fetch", &json!({ member: some }));
        let response = client.send(&request).unwrap_or_else(|e| panic!("fetch: {e}"));
        assert_eq!(response.status, 200, "{}", response.text());
        found.extend(
            response.json()["profiles"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
    }
    found
}

fn assert_whole(world: &World, profile: &Value) {
    let customers: Vec<_> = (profile["customers"].as_array().into_iter().flatten())
        .map(|customer| customer["id"].as_str().unwrap_or_default())
        .collect();
    let entitlements = profile["entitlements"].as_array().map_or(0, Vec::len);
    let note = &profile["details"][0]["value"]["text"][0];
    assert!(
        customers == world.customers && entitlements == 1 && note.is_string(),
        "half done: {profile}"
    );
}

/// One client that creates, renames and deletes organizations of its own.
pub struct Writer<'w> {
    world: &'w World,
    client: Client,
    name: String,
    ledger: Ledger,
}

impl<'w> Writer<'w> {
    pub fn new(world: &'w World, client: Client, name: String) -> Self {
        Self {
            world,
            client,
            name,
            ledger: Ledger::default(),
        }
    }

    /// Works until it is told to stop, or until an answer is no acknowledgement.
    pub fn run(mut self, stop: &AtomicBool, steadfast: bool) -> Ledger {
        for step in 0_usize.. {
            if stop.load(Ordering::Acquire) {
                break;
            }
            let outcome = match step % 8 {
                3 | 5 => self.rename(step),
                7 => self.delete(step),
                _ => self.create(step),
            };
            let status = match outcome {
                Outcome::Acknowledged(_) => continue,
                Outcome::Refused(status) => status,
                Outcome::Unknown => 0,
            };
            if self.ledger.first_failures.is_empty() {
                let first = self.ledger.statuses.keys().next();
                self.ledger.first_failures.push(first.copied().unwrap_or(status));
            }
            if !steadfast || status == 0 {
                break;
            }
        }
        self.ledger
    }

    fn create(&mut self, step: usize) -> Outcome {
        let name = format!("{} {step}", self.name);
        let body = json!({
            "name": name,
            "details": [{ "name": "Note", "values": [format!("note of {name}")] }],
            "associateCustomers": { "customerIds": self.world.customers },
            "associateProducts": { "productIds": [self.world.product] },
        });
        let outcome = self.send(&self.world.post("/organization/profile", &body));
        match &outcome {
            Outcome::Acknowledged(response) => self.ledger.entries.push(Entry {
                id: response.json()["id"].as_str().unwrap_or_default().to_owned(),
                names: vec![name],
                presence: Presence::There,
            }),
            Outcome::Refused(_) => self.ledger.refused.push(name),
            Outcome::Unknown => self.ledger.doubtful.push(name),
        }
        outcome
    }

    fn rename(&mut self, step: usize) -> Outcome {
        let Some(index) = self.last_there() else {
            return self.create(step);
        };
        let name = format!("{} renamed at {step}", self.name);
        let path = format!("/api/v1/organization/{}", self.ledger.entries[index].id);
        let request = Request::put(path)
            .bearer(&self.world.token)
            .json(&json!({ "name": name }));
        let outcome = self.send(&request);
        let entry = &mut self.ledger.entries[index];
        match &outcome {
            Outcome::Acknowledged(_) => entry.names = vec![name],
            Outcome::Refused(_) => {}
            Outcome::Unknown => entry.names.push(name),
        }
        outcome
    }

    fn delete(&mut self, step: usize) -> Outcome {
        let Some(index) = self.last_there() else {
            return self.create(step);
        };
        let path = format!("/api/v1/organization/{}", self.ledger.entries[index].id);
        let outcome = self.send(&Request::delete(path).bearer(&self.world.token));
        let entry = &mut self.ledger.entries[index];
        match &outcome {
            Outcome::Acknowledged(_) => entry.presence = Presence::Gone,
            Outcome::Refused(_) => {}
            Outcome::Unknown => entry.presence = Presence::Doubtful,
        }
        outcome
    }

    fn last_there(&self) -> Option<usize> {
        let there = |entry: &Entry| entry.presence == Presence::There;
        self.ledger.entries.iter().rposition(there)
    }

    fn send(&mut self, request: &Request) -> Outcome {
        let answer: io::Result<Response> = self.client.send(request);
        let response = match answer {
            Ok(response) if matches!(response.status, 200 | 204) => {
                self.ledger.acknowledged += 1;
                return Outcome::Acknowledged(response);
            }
            Ok(response) => response,
            Err(error) => {
                *self.ledger.statuses.entry(0).or_default() += 1;
                self.ledger.bodies.entry(0).or_insert_with(|| error.to_string());
                return Outcome::Unknown;
            }
        };
        let status = response.status;
        *self.ledger.statuses.entry(status).or_default() += 1;
        self.ledger
            .bodies
            .entry(status)
            .or_insert_with(|| response.text());
        match status {
            // The only failure that promises that nothing was written.
            507 => Outcome::Refused(status),
            503 => Outcome::Unknown,
            _ => panic!("nobody asked for a {status}: {}", response.text()),
        }
    }
}
