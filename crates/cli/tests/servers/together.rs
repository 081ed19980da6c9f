//! What two servers share.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guildhall_testkit::{Client, Request};
use serde_json::{Value, json};

use crate::world::{PROFILES, World, alone, id, ok, poll, send, upsert};

/// Identical requests that are sent at once, and threads that send them.
const AT_ONCE: usize = 1_000;
const THREADS: usize = 40;
/// Tokens are believed for half a second; a revocation is seen within one, and a test needs time to ask.
const REVOKED_WITHIN: Duration = Duration::from_millis(1_500);

#[test]
fn a_thousand_identical_submits_are_one_task() {
    let _alone = alone();
    let world = World::new();
    let clients = world.clients();
    let product = id(&world
        .admin
        .post(&clients[0], "/api/v1/product", &json!({ "name": "Widget" })));
    let item = |operation: &str, name: &str| {
        let payload = json!({ "name": name, "associateProducts": { "productIds": [product] } });
        json!({ "operationType": operation, "payload": payload })
    };
    let body = json!({ "organizationProfiles": [item("CREATE", "Acme"), item("UPSERT", "Globex")] });
    let request = world.admin.bulk(PROFILES, "key", &body);
    let barrier = Barrier::new(THREADS);
    let answers: Vec<_> = thread::scope(|scope| {
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (world, request, barrier) = (&world, &request, &barrier);
                scope.spawn(move || {
                    let client = Client::new(world.servers[thread % 2].addr());
                    // Connected before all are let go.
                    ok(&world.admin.get(&client, "/guildhall/v1/tasks"));
                    barrier.wait();
                    (0..AT_ONCE / THREADS)
                        .map(|_| send(&client, request))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let all = senders.into_iter().flat_map(|sender| sender.join().unwrap());
        all.collect()
    });
    assert_eq!(answers.len(), AT_ONCE);
    let ids: BTreeSet<String> = answers.iter().map(id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let made = answers
        .iter()
        .filter(|answer| answer.header("Idempotent-Replayed").is_none());
    assert_eq!(made.count(), 1, "one request made it, the others were replays");
    let task = ids.first().unwrap();
    let ended = world.admin.ended(&clients[1], task, Duration::from_secs(30));
    assert_eq!(
        (&ended["status"], &ended["failures"]),
        (&json!("FINISHED"), &json!([]))
    );
    let receipts = world.admin.receipts(&clients[1], task);
    assert_eq!(receipts.len(), 2);
    for receipt in &receipts {
        assert_eq!(receipt["outcome"], "created");
        let path = format!(
            "/api/v1/organization/profile/{}",
            receipt["entityId"].as_str().unwrap()
        );
        let profile = ok(&world.admin.get(&clients[0], &path));
        assert_eq!(profile["entitlements"].as_array().unwrap().len(), 1);
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM task"), 1);
}

#[test]
fn a_revoked_token_is_refused_by_both() {
    let _alone = alone();
    let world = World::new();
    let clients = world.clients();
    let tenant = ["--tenant", world.cloud_id.as_str()];
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        let name = format!("round {round}");
        let create = ["token", "create", "--name", &name, "--role", "admin"];
        let token = world.command(&[&create[..], &tenant[..]].concat());
        let list = world.command(&[&["token", "list", "--json"], &tenant[..]].concat());
        let list: Value = serde_json::from_str(&list).unwrap();
        let listed = list.as_array().unwrap().iter();
        let made = listed
            .clone()
            .find(|token| token["name"] == name.as_str())
            .unwrap();
        let request = Request::get("/api/v1/product").bearer(&token);
        let statuses = || clients.each_ref().map(|client| send(client, &request).status);
        assert_eq!(statuses(), [200; 2]);
        world.command(&[&["token", "revoke", made["id"].as_str().unwrap()], &tenant[..]].concat());
        let revoked = Instant::now();
        poll("both refuse it", Duration::from_secs(10), || {
            (statuses() == [401; 2]).then_some(())
        });
        slowest = slowest.max(revoked.elapsed());
        thread::sleep(Duration::from_millis(50));
        assert_eq!(statuses(), [401; 2], "refused stays refused");
    }
    println!("revoked tokens were refused by both servers after at most {slowest:?}");
    assert!(slowest < REVOKED_WITHIN, "{slowest:?}");
}

/// Whatever was acknowledged by one is seen by the next read of the other.
#[test]
fn a_write_on_one_is_seen_on_the_other_at_once() {
    let _alone = alone();
    let world = World::new();
    let clients = world.clients();
    let admin = &world.admin;
    let field = json!({ "name": "Note", "type": { "name": "TEXT" } });
    ok(&admin.post(&clients[0], "/api/v1/organization/details", &field));
    let organization = id(&admin.post(&clients[0], "/api/v1/organization", &json!({ "name": "Acme" })));
    let path = format!("/api/v1/organization/{organization}");
    let profile = format!("/api/v1/organization/profile/{organization}");
    for round in 0..200 {
        let [writer, reader] = [&clients[round % 2], &clients[1 - round % 2]];
        let name = format!("Acme {round}");
        // So that there is something kept.
        let before = ok(&admin.get(reader, &path));
        assert_eq!(ok(&admin.get(reader, &path)), before);
        assert_eq!(ok(&admin.get(reader, &profile)), ok(&admin.get(reader, &profile)));
        match round % 4 {
            // A thing, a value, a name, a definition: each is kept elsewhere.
            0 => {
                let made = id(&admin.post(writer, "/api/v1/organization", &json!({ "name": name })));
                let seen = ok(&admin.get(reader, &format!("/api/v1/organization/{made}")));
                assert_eq!(seen["name"], name.as_str());
            }
            1 => {
                let values = json!({ "values": [name] });
                ok(&admin.put(writer, &format!("{path}/details?fieldName=note"), &values));
                let seen = ok(&admin.get(reader, &path));
                let details = seen["details"].as_array().unwrap();
                let note = details.iter().find(|detail| detail["name"] == "Note").unwrap();
                assert_eq!(note["values"], json!([name]), "{seen}");
            }
            2 => {
                ok(&admin.put(writer, &path, &json!({ "name": name })));
                assert_eq!(ok(&admin.get(reader, &path))["name"], name.as_str());
                assert_eq!(ok(&admin.get(reader, &profile))["name"], name.as_str());
            }
            _ => {
                let field = format!("/api/v1/organization/details/Field%20{round}");
                let body = json!({ "name": format!("Field {round}"), "type": { "name": "TEXT" } });
                ok(&admin.post(writer, "/api/v1/organization/details", &body));
                let fields = |shown: Value| shown["details"].as_array().map_or(0, Vec::len);
                assert_eq!(fields(ok(&admin.get(reader, &path))), fields(before) + 1);
                let values = json!({ "values": ["x"] });
                let set = format!("{path}/details?fieldName=Field%20{round}");
                ok(&admin.put(reader, &set, &values));
                let gone = send(writer, &admin.request("DELETE", &field));
                assert_eq!(gone.status, 204, "{}", gone.text());
                assert_eq!(admin.put(reader, &set, &values).status, 404);
            }
        }
    }
}

/// What a server keeps of an organization is never older than what the other one had acknowledged when it was asked, while it is
/// renamed as fast as can be and whole profiles are asked for as fast as can be.
#[test]
fn what_is_kept_is_never_older_than_what_was_acknowledged() {
    const COMPANIES: usize = 4;
    const RENAMES: usize = 400;
    let _alone = alone();
    let world = World::new();
    let admin = &world.admin;
    let ids: Vec<String> = (0..COMPANIES)
        .map(|at| {
            let name = json!({ "name": format!("Company {at} 0") });
            id(&admin.post(&world.servers[0].client(), "/api/v1/organization", &name))
        })
        .collect();
    let acknowledged: Vec<AtomicUsize> = ids.iter().map(|_| AtomicUsize::new(0)).collect();
    let is_done = AtomicBool::new(false);
    let counts: Vec<(usize, usize)> = thread::scope(|scope| {
        let readers: Vec<_> = (0..6)
            .map(|reader| {
                let (world, ids, acknowledged, is_done) = (&world, &ids, &acknowledged, &is_done);
                scope.spawn(move || {
                    let client = Client::new(world.servers[reader % 2].addr());
                    let (mut asked, mut changes, mut last) = (0, 0, vec![0; ids.len()]);
                    while !is_done.load(Ordering::Acquire) {
                        let at = asked % ids.len();
                        let known = acknowledged[at].load(Ordering::Acquire);
                        let of = ["profile/", ""][asked / ids.len() % 2];
                        let shown = ok(&admin.get(&client, &format!("/api/v1/organization/{of}{}", ids[at])));
                        let number = shown["name"].as_str().unwrap().rsplit(' ').next().unwrap();
                        let number: usize = number.parse().unwrap();
                        assert!(
                            number >= known.max(last[at]),
                            "{shown}: {known} was acknowledged, {} was seen before",
                            last[at]
                        );
                        changes += usize::from(number > last[at]);
                        (asked, last[at]) = (asked + 1, number);
                    }
                    (asked, changes)
                })
            })
            .collect();
        let writers: Vec<_> = (0..COMPANIES)
            .map(|at| {
                let (world, ids, acknowledged) = (&world, &ids, &acknowledged);
                scope.spawn(move || {
                    let clients = world.clients();
                    for number in 1..=RENAMES {
                        let name = json!({ "name": format!("Company {at} {number}") });
                        let path = format!("/api/v1/organization/{}", ids[at]);
                        ok(&admin.put(&clients[number % 2], &path, &name));
                        acknowledged[at].store(number, Ordering::Release);
                        // Now and then it stands still, and answers are kept.
                        if number % 16 == 0 {
                            ok(&admin.get(&clients[0], &path));
                        }
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Ordering::Release);
        assert!(written.iter().all(Result::is_ok));
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    println!("asked, and seen to change: {counts:?}");
    assert!(counts.iter().all(|(asked, changes)| *asked > 0 && *changes > 0));
}

#[test]
fn racing_creates_have_one_winner_and_ids_are_never_twice() {
    const ROUNDS: usize = 60;
    let _alone = alone();
    let world = World::new();
    // A thread each, and another way to write the same name each.
    let spellings: [fn(usize) -> String; 4] = [
        |n| format!("Straße {n}"),
        |n| format!(" STRASSE {n}"),
        |n| format!("strasse {n} "),
        |n| format!("StraSSe {n}"),
    ];
    let barrier = Barrier::new(spellings.len());
    let race = |path: &'static str, body: fn(&str, usize) -> Value| -> Vec<Vec<(u16, Value)>> {
        thread::scope(|scope| {
            let racers: Vec<_> = spellings
                .iter()
                .enumerate()
                .map(|(at, spelling)| {
                    let (world, barrier) = (&world, &barrier);
                    scope.spawn(move || {
                        let client = Client::new(world.servers[at % 2].addr());
                        ok(&world.admin.get(&client, "/api/v1/product"));
                        (0..ROUNDS)
                            .map(|round| {
                                let own = format!("own {at} {round}");
                                barrier.wait();
                                let raced = world.admin.post(&client, path, &body(&spelling(round), round));
                                let own = world.admin.post(&client, path, &body(&own, 1_000 * at + round));
                                [raced, own].map(|answer| (answer.status, answer.json()))
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            let all: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
            let raced = |round: usize| all.iter().map(move |racer| racer[round][0].clone()).collect();
            let mut answers: Vec<Vec<(u16, Value)>> = (0..ROUNDS).map(raced).collect();
            answers.push(all.iter().flatten().map(|[_, own]| own.clone()).collect());
            answers
        })
    };
    let made = |answers: &[Vec<(u16, Value)>]| -> Vec<Value> {
        let (own, raced) = answers.split_last().unwrap();
        for round in raced {
            let statuses: Vec<u16> = round.iter().map(|(status, _)| *status).collect();
            let (won, lost): (Vec<u16>, Vec<u16>) = statuses.iter().partition(|status| **status == 200);
            assert_eq!((won.len(), lost), (1, vec![400; 3]), "{round:?}");
        }
        assert!(own.iter().all(|(status, _)| *status == 200), "{own:?}");
        let all = raced.iter().flatten().chain(own);
        all.filter(|(status, _)| *status == 200)
            .map(|(_, body)| body.clone())
            .collect()
    };
    let organizations = made(&race("/api/v1/organization", |name, _| json!({ "name": name })));
    let ids: BTreeSet<i64> = organizations
        .iter()
        .map(|made| made["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids.len(), ROUNDS * 5);
    assert_eq!(world.number("SELECT COUNT(*) FROM organization"), ROUNDS * 5);

    let customers = made(&race("/api/v1/customer", |name, _| {
        let name = name.trim().to_lowercase().replace("straße", "strasse");
        let mail = format!("{}@example.com", name.replace(' ', "."));
        json!({ "email": if name.ends_with('1') { mail.to_uppercase() } else { mail } })
    }));
    let ids: BTreeSet<&str> = customers
        .iter()
        .map(|made| made["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), ROUNDS * 5);
    assert_eq!(
        world.number("SELECT COUNT(DISTINCT number) FROM customer"),
        ROUNDS * 5
    );
}

/// A task may be submitted to one, read from the other, and is there once.
#[test]
fn tasks_are_seen_by_both() {
    let _alone = alone();
    let world = World::new();
    let clients = world.clients();
    for n in 0..40 {
        let body = json!({ "organizationProfiles": [upsert(&format!("A {n}")), upsert(&format!("B {n}"))] });
        let task = world
            .admin
            .submit(&clients[n % 2], PROFILES, &format!("key {n}"), &body);
        let patience = Duration::from_secs(20);
        let ended = world.admin.ended(&clients[1 - n % 2], &task, patience);
        assert_eq!(ended["status"], "FINISHED");
        assert_eq!(world.admin.receipts(&clients[1 - n % 2], &task).len(), 2);
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM organization"), 80);
}
