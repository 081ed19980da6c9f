//! Random histories of objects: writes out of order, sent twice, sent by several senders side by side, with
//! deletes between them. What is answered and what is there in the end must be what the pure rule allows;
//! without deletes that is the greatest number. Whoever reads meanwhile never sees a number go down.
//!
//! `GUILDHALL_HISTORY_COUNT` says how many (2,000; the long run is 100,000, minutes in release), `GUILDHALL_HISTORY_SEED` which.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use guildhall_domain::connector::EqualSequence;
use guildhall_testkit::SeededRandom;
use serde_json::{Value, json};

use crate::model::{End, Operation, can_be};
use crate::world::{CUSTOMER_ORG, Caller, Expect, World, customer_org};

/// Histories that run at the same time, each on a key of its own: a request carries a step of many.
const AT_ONCE: usize = 50;
/// Steps that a sender makes in a round.
const STEPS: usize = 4;
const SENDERS: usize = 3;

#[test]
fn the_greatest_number_stays() {
    run(EqualSequence::Keep, &["--equal-sequence", "keep"]);
}

#[test]
fn the_greatest_number_stays_where_equal_ones_replace() {
    run(EqualSequence::Replace, &["--equal-sequence", "replace"]);
}

/// Half of the histories.
fn run(equal: EqualSequence, args: &[&str]) {
    let count = from_environment("GUILDHALL_HISTORY_COUNT", 2_000) / 2;
    let seed = from_environment("GUILDHALL_HISTORY_SEED", 1);
    let world = World::new(args);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let random = SeededRandom::new(seed);
    let rounds = usize::try_from(count).unwrap().div_ceil(AT_ONCE);
    for round in 0..rounds {
        let histories: Vec<_> = (0..AT_ONCE)
            .map(|number| History::new(&random, format!("{round}/{number}")))
            .collect();
        let answered = play(&world, &connector, &histories);
        for (history, senders) in histories.iter().zip(answered) {
            let end = read(&connector, &history.id);
            let shown = format!("seed {seed}, {}: {senders:?} ended in {end:?}", history.id);
            assert!(can_be(&senders, &end, equal), "{shown}");
            if let Some(greatest) = history.greatest_without_deletes() {
                assert_eq!(end.map(|(sequence, _)| sequence), Some(greatest), "{shown}");
            }
        }
    }
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What is done to one key: the steps of each sender, each of which may hold several operations for one
/// request.
struct History {
    id: String,
    senders: Vec<Vec<Vec<Operation>>>,
}

impl History {
    fn new(random: &SeededRandom, id: String) -> Self {
        let with_deletes = random.chance(0.5);
        // One sender's history has one possible end.
        let busy = if random.chance(0.3) { 1 } else { SENDERS };
        let mut senders = vec![vec![Vec::new(); STEPS]; SENDERS];
        let mut sent = Vec::new();
        for (sender, steps) in senders.iter_mut().enumerate().take(busy) {
            for (number, step) in steps.iter_mut().enumerate() {
                if with_deletes && random.chance(0.25) {
                    let sequence = random.chance(0.3).then(|| number_below(random, 6));
                    step.push(Operation::Delete {
                        sequence,
                        found: None,
                    });
                    continue;
                }
                for part in 0..random.below(3) {
                    let write = Operation::Write {
                        sequence: number_below(random, 6),
                        name: format!("{sender}.{number}.{part}"),
                    };
                    // Often what was sent before is sent again.
                    sent.push(write.clone());
                    step.push(if random.chance(0.3) {
                        random.pick(&sent).clone()
                    } else {
                        write
                    });
                }
            }
        }
        Self { id, senders }
    }

    /// The greatest number that was written, where nothing was deleted.
    fn greatest_without_deletes(&self) -> Option<i64> {
        let operations = self.senders.iter().flatten().flatten();
        let sequences = operations.map(|operation| match operation {
            Operation::Write { sequence, .. } => Some(*sequence),
            Operation::Delete { .. } => None,
        });
        sequences.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

fn number_below(random: &SeededRandom, end: u64) -> i64 {
    i64::try_from(random.below(end)).unwrap()
}

/// Plays all histories side by side. What each sender did to each key, with the answers to its deletes.
fn play(world: &World, connector: &Caller, histories: &[History]) -> Vec<Vec<Vec<Operation>>> {
    let is_over = AtomicBool::new(false);
    let mut answered = vec![vec![Vec::new(); SENDERS]; histories.len()];
    thread::scope(|scope| {
        let reader = connector.again(world);
        let reader = scope.spawn({
            let is_over = &is_over;
            move || watch(&reader, histories, is_over)
        });
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let caller = connector.again(world);
                scope.spawn(move || send(&caller, histories, sender))
            })
            .collect();
        let done: Vec<_> = senders.into_iter().map(ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        for (sender, done) in done.into_iter().enumerate() {
            let done = done.unwrap_or_else(|_| panic!("sender {sender} failed"));
            for (place, operations) in done.into_iter().enumerate() {
                answered[place][sender] = operations;
            }
        }
        reader.join().unwrap_or_else(|_| panic!("the reader failed"));
    });
    answered
}

/// Makes all steps of one sender.
fn send(caller: &Caller, histories: &[History], sender: usize) -> Vec<Vec<Operation>> {
    let mut done = vec![Vec::new(); histories.len()];
    for step in 0..STEPS {
        let mut objects = Vec::new();
        let mut deletes: BTreeMap<Option<i64>, Vec<usize>> = BTreeMap::new();
        for (place, history) in histories.iter().enumerate() {
            for operation in &history.senders[sender][step] {
                match operation {
                    Operation::Write { sequence, name } => {
                        objects.push(version(&history.id, *sequence, name));
                        done[place].push(operation.clone());
                    }
                    Operation::Delete { sequence, .. } => deletes.entry(*sequence).or_default().push(place),
                }
            }
        }
        for part in objects.chunks(100) {
            caller.set(part);
        }
        for (sequence, places) in deletes {
            for (place, found) in delete(caller, histories, sequence, &places) {
                let found = Some(found);
                done[place].push(Operation::Delete { sequence, found });
            }
        }
    }
    done
}

fn version(id: &str, sequence: i64, name: &str) -> Value {
    let mut object = customer_org(id, sequence);
    object["displayName"] = json!(name);
    object
}

/// Of each place, whether its object was deleted.
fn delete(
    caller: &Caller,
    histories: &[History],
    sequence: Option<i64>,
    places: &[usize],
) -> Vec<(usize, bool)> {
    let ids: Vec<_> = places.iter().map(|place| &histories[*place].id).collect();
    let mut body = json!({ "objectType": CUSTOMER_ORG, "externalIds": ids });
    if let Some(sequence) = sequence {
        body["updateSequenceNumber"] = json!(sequence);
    }
    let answer = caller.does("/objects/delete", &body);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), places.len(), "{answer}");
    let found = results.iter().zip(&ids).map(|(result, id)| {
        assert_eq!(result["externalId"], id.as_str());
        match result["statusCode"].as_i64() {
            Some(200) => true,
            Some(404) => false,
            other => panic!("{other:?}: {answer}"),
        }
    });
    places.iter().copied().zip(found).collect()
}

fn read(caller: &Caller, id: &str) -> End {
    let answer = caller.object(CUSTOMER_ORG, id);
    if answer.status == 404 {
        answer.refused(404);
        return None;
    }
    let object = &answer.ok()["object"];
    let sequence = object["updateSequenceNumber"].as_i64().unwrap();
    Some((sequence, object["displayName"].as_str().unwrap().to_owned()))
}

/// Reads keys in turn until the senders are done. No number may go down, over a delete neither: what comes
/// back after one is no older than what was deleted.
fn watch(caller: &Caller, histories: &[History], is_over: &AtomicBool) {
    let mut seen: HashMap<&str, i64> = HashMap::new();
    for history in histories.iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        if let Some((sequence, name)) = read(caller, &history.id) {
            let before = seen.insert(&history.id, sequence).unwrap_or(i64::MIN);
            assert!(
                sequence >= before,
                "{}: {before} and then {sequence} ({name})",
                history.id
            );
        }
    }
}
