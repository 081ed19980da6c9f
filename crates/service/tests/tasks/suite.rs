//! Every test of bulk tasks, on the store of the module that this file is loaded as. Long, because it is loaded as
//! one module for each store.

#[path = "../fresh/mod.rs"]
mod fresh;
mod harness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::bulk::{DetailEdit, DetailsItem, Edit, FieldValues, Item, Manage, ManageItem};
use guildhall_domain::field::{EntityKind, NewDefinition};
use guildhall_domain::task::{Outcome, TaskStatus, TaskType};
use guildhall_domain::{Caller, OrganizationId, Rejection, SubjectKind, Timestamp};
use guildhall_service::worker::{self, Step, Worker};
use guildhall_service::{ChunkSize, Error, ItemFilter, Settings};
use guildhall_storage::{Claim, StoreError};
use guildhall_testkit::SeededRandom;
use harness::{SMALL, World, submission};
use tokio::sync::Notify;

/// An item that creates or updates the organization of this name.
fn upsert(name: &str) -> Item {
    manage(Manage::Upsert, None, Some(name))
}

fn manage(operation: Manage, id: Option<&str>, name: Option<&str>) -> Item {
    Item::Manage(ManageItem {
        operation,
        id: id.map(Into::into),
        handle: name.map(Into::into),
        display_name: None,
        details: Vec::new(),
        associated_ids: Vec::new(),
        product_ids: Vec::new(),
    })
}

fn upserts(count: usize) -> Vec<Item> {
    (0..count).map(|n| upsert(&format!("Organization {n}"))).collect()
}

const NAMES: [&str; 6] = ["Acme", "ACME ", "Globex", "Initech", "Straße", "STRASSE"];
const EMAILS: [&str; 6] = [
    "qm:a@example.com",
    "QM:B@example.com",
    "ann@example.com",
    " ANN@example.com",
    "straße@example.com",
    "STRASSE@example.com",
];

/// A random item over few names, ids and values, so that items meet each other.
fn random_item(random: &SeededRandom, world: &World, kind: SubjectKind) -> Item {
    let values = |random: &SeededRandom| -> Vec<String> {
        (0..random.below(3))
            .map(|_| (*random.pick(&["EU", "US", "x", "y", "z"])).to_owned())
            .collect()
    };
    let field = |random: &SeededRandom| (*random.pick(&["Region", "tags", "Note", "Nothing"])).to_owned();
    let id = |random: &SeededRandom| match kind {
        SubjectKind::Organization => (*random.pick(&["1", "2", "3", "4", "6", "300", "x"])).to_owned(),
        SubjectKind::Customer => random.pick(&world.customers).clone(),
    };
    if random.chance(0.25) {
        let edits = (0..1 + random.below(3)).map(|_| DetailEdit {
            operation: *random.pick(&[Edit::Update, Edit::Patch, Edit::Delete]),
            name: field(random),
            values: Some(values(random)),
        });
        return Item::Details(DetailsItem {
            id: id(random),
            operations: edits.collect(),
        });
    }
    let (handles, others) = match kind {
        SubjectKind::Organization => (NAMES, world.customers.clone()),
        SubjectKind::Customer => (EMAILS, ["1", "3", "x"].map(str::to_owned).into()),
    };
    let some = |given: bool, text: String| given.then_some(text);
    let pick = |list: &[String]| -> Vec<String> {
        (0..random.below(3)).map(|_| random.pick(list).clone()).collect()
    };
    let mut details: Vec<FieldValues> = Vec::new();
    for name in ["Region", "Tags", "Note", "Nothing"]
        .into_iter()
        .filter(|_| random.chance(0.4))
    {
        details.push(FieldValues {
            name: name.into(),
            values: values(random).into(),
        });
    }
    let is_customer = kind == SubjectKind::Customer;
    let item = ManageItem {
        operation: *random.pick(&[Manage::Create, Manage::Update, Manage::Upsert, Manage::Upsert]),
        id: some(random.chance(0.4), id(random)),
        handle: some(random.chance(0.8), (*random.pick(&handles)).to_owned()),
        display_name: some(
            is_customer && random.chance(0.4),
            (*random.pick(&["Ann", "Bob"])).to_owned(),
        ),
        details,
        associated_ids: pick(&others),
        product_ids: pick(&world.products),
    };
    match item.check(kind) {
        Ok(item) => Item::Manage(item),
        Err(_) => upsert(handles[0]),
    }
}

/// Receipts without what chance made: the ids of new customers.
fn without_chance(receipts: Vec<harness::Receipt>) -> Vec<harness::Receipt> {
    let mut known: Vec<String> = Vec::new();
    let mut place = |text: String| -> String {
        let made = |id: &str| id.starts_with("qm:") && id.len() > 40;
        match known.iter().position(|id| *id == text) {
            Some(place) => format!("new {place}"),
            None if made(&text) => {
                known.push(text);
                format!("new {}", known.len() - 1)
            }
            None => text,
        }
    };
    let clean = |(outcome, id, failures): harness::Receipt| {
        let failures = failures.into_iter().map(|mut failure| {
            let words: Vec<String> = failure
                .error
                .split(' ')
                .map(|word| place(word.to_owned()))
                .collect();
            failure.error = words.join(" ");
            failure
        });
        let failures = failures.collect();
        (outcome, place(id), failures)
    };
    receipts.into_iter().map(clean).collect()
}

/// The law, over the real store: two tenants in the same state, one gets a batch as one task, the
/// other gets its items one by one. State and receipts are the same.
#[tokio::test]
async fn bulk_is_its_items_one_by_one() {
    let cases = std::env::var("GUILDHALL_LAW_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(if fresh::is_on_postgres() { 10 } else { 60 });
    let random = SeededRandom::new(4);
    let emails = EMAILS.map(str::to_owned);
    for case in 0..cases {
        let mut world = World::new().await;
        let one = world.tenant("bulk").await;
        let other = world.tenant("singles").await;
        for (kind, task_type) in [
            (SubjectKind::Organization, TaskType::OrganizationProfiles),
            (SubjectKind::Customer, TaskType::CustomerProfiles),
            (SubjectKind::Organization, TaskType::OrganizationProfiles),
            (SubjectKind::Customer, TaskType::CustomerProfiles),
        ] {
            let batch: Vec<Item> = (0..1 + random.below(12))
                .map(|_| random_item(&random, &world, kind))
                .collect();
            let bulk = world.run(&one, task_type, batch.clone()).await;
            let mut singles = Vec::new();
            for item in &batch {
                singles.extend(world.run(&other, task_type, vec![item.clone()]).await);
            }
            assert_eq!(
                without_chance(bulk),
                without_chance(singles),
                "receipts, case {case}: {batch:#?}"
            );
            assert_eq!(
                world.dump_customers(&one, &emails).await,
                world.dump_customers(&other, &emails).await,
                "customers, case {case}: {batch:#?}"
            );
            assert_eq!(
                world.dump(&one).await,
                world.dump(&other).await,
                "organizations, case {case}: {batch:#?}"
            );
        }
    }
}

/// A worker dies after each number of steps; another takes over when the lease has ended. Every item
/// has one receipt, and the state is that of a run without a death.
#[tokio::test]
async fn a_worker_may_die_between_any_two_steps() {
    let items = |world: &World| {
        let random = SeededRandom::new(8);
        let mut items = upserts(120);
        items.extend((0..40).map(|_| random_item(&random, world, SubjectKind::Organization)));
        items
    };
    let mut undisturbed = World::new().await;
    let tenant = undisturbed.tenant("t").await;
    let batch = items(&undisturbed);
    let expected = undisturbed
        .run(&tenant, TaskType::OrganizationProfiles, batch.clone())
        .await;
    let state = undisturbed.dump(&tenant).await;
    for steps in 0..8 {
        let world = World::new().await;
        let tenant = world.tenant("t").await;
        let task = world
            .submit(&tenant, TaskType::OrganizationProfiles, batch.clone())
            .await
            .unwrap();
        for death in 0..3 {
            let mut worker = Worker::new(Arc::clone(&world.service));
            for _ in 0..steps {
                match death {
                    1 => worker.stride().await.unwrap(),
                    _ => worker.step().await.unwrap(),
                };
            }
            drop(worker);
        }
        world.finish_others_work().await;
        assert_eq!(world.receipts(&tenant, &task.id).await, expected, "{steps} steps");
        assert_eq!(world.dump(&tenant).await, state, "{steps} steps");
        assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    }
}

/// What suits the store: where one writer does everything, everybody waits for a chunk.
#[tokio::test]
async fn a_chunk_is_as_large_as_suits_the_store() {
    let world = World::with(Settings::default()).await;
    let tenant = world.tenant("t").await;
    let whole = if fresh::is_on_postgres() { 100 } else { 50 };
    let mut heavy = upserts(60);
    for item in &mut heavy {
        // A hundred parts each, whatever becomes of them.
        let values = (0..98).map(|n| n.to_string()).collect();
        let Item::Manage(item) = item else { continue };
        item.details = vec![FieldValues {
            name: "tags".into(),
            values,
        }];
    }
    let of_weight = if fresh::is_on_postgres() { 40 } else { 10 };
    for (items, first) in [(upserts(150), whole), (heavy, of_weight)] {
        let task = world
            .submit(&tenant, TaskType::OrganizationProfiles, items)
            .await
            .unwrap();
        let mut worker = Worker::new(Arc::clone(&world.service));
        worker.step().await.unwrap();
        assert_eq!(world.receipts(&tenant, &task.id).await.len(), first);
        worker.park().await.unwrap();
        world.finish(&mut worker).await;
    }
}

/// A server dies in the middle of a task; another one finishes it when nine seconds have passed on its own
/// steady clock, and not before. Nothing is done twice.
#[tokio::test]
async fn another_server_finishes_what_one_left() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(200))
        .await
        .unwrap();
    let mut dies = Worker::new(Arc::clone(&world.service));
    dies.step().await.unwrap();
    dies.step().await.unwrap();
    drop(dies);
    let done = world.receipts(&tenant, &task.id).await;
    assert_eq!(done.len(), 100);
    let other = world.another(2).await;
    let mut worker = Worker::new(Arc::clone(&other));
    assert_eq!(worker.step().await.unwrap(), Step::Idle);
    for _ in 0..4 {
        world.clock.advance(Duration::from_millis(2_200));
        assert_eq!(
            worker.step().await.unwrap(),
            Step::Idle,
            "its lease has not ended"
        );
    }
    assert_eq!(world.receipts(&tenant, &task.id).await.len(), 100);
    // 8.8 s have passed; the next look is after 2 s at most.
    world.clock.advance(Duration::from_millis(2_200));
    world.finish(&mut worker).await;
    let receipts = world.receipts(&tenant, &task.id).await;
    assert_eq!(receipts.len(), 200);
    assert_eq!(receipts[..100], done, "what was done stays as it was");
    let ids: BTreeSet<&str> = receipts.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), 200, "an id was given twice");
    assert!(receipts.iter().all(|(outcome, ..)| *outcome == Outcome::Created));
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    let seen = other.task(&tenant, &task.id).await.unwrap();
    assert_eq!(seen.task.status, TaskStatus::Finished);
}

/// Two servers at work on many tasks at the same time: each item is done once, by one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_share_the_work() {
    let world = World::with(Settings {
        max_active_tasks: 100,
        ..Settings::default()
    })
    .await;
    let tenants = [world.tenant("one").await, world.tenant("two").await];
    let mut tasks = Vec::new();
    for n in 0..12 {
        let items = (0..60).map(|item| upsert(&format!("{n} {item}"))).collect();
        let tenant = &tenants[n % 2];
        let task = world
            .submit(tenant, TaskType::OrganizationProfiles, items)
            .await
            .unwrap();
        tasks.push((tenant, task.id));
    }
    let mut workers = Vec::new();
    for seed in [2, 3] {
        let mut worker = Worker::new(world.another(seed).await);
        workers.push(tokio::spawn(async move {
            while worker.step().await.unwrap() == Step::Worked {}
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    for tenant in &tenants {
        let mut ids = BTreeSet::new();
        for (_, task) in tasks.iter().filter(|(of, _)| of.tenant == tenant.tenant) {
            assert_eq!(world.status(tenant, task).await, TaskStatus::Finished);
            for (outcome, id, _) in world.receipts(tenant, task).await {
                assert_eq!(outcome, Outcome::Created);
                assert!(ids.insert(id), "an id was given twice");
            }
        }
        assert_eq!(ids.len(), 6 * 60);
    }
}

/// A worker that stops gives its tasks back: the next one goes on at once, and nobody is counted dead.
#[tokio::test]
async fn a_parked_task_is_taken_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(120))
        .await
        .unwrap();
    for _ in 0..10 {
        let mut worker = Worker::new(Arc::clone(&world.service));
        worker.step().await.unwrap();
        worker.park().await.unwrap();
    }
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    assert!(
        world
            .receipts(&tenant, &task.id)
            .await
            .iter()
            .all(|(outcome, ..)| *outcome == Outcome::Created)
    );
}

/// The wall clock jumps a day forth or back while a worker is at work: another worker leaves the task
/// alone as long as the first one renews, and nothing runs twice.
#[tokio::test]
async fn jumps_of_the_clock_take_no_task_from_a_worker_that_lives() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    for jump in [DAY, -DAY] {
        let world = World::new().await;
        let tenant = world.tenant("t").await;
        let task = world
            .submit(&tenant, TaskType::OrganizationProfiles, upserts(500))
            .await
            .unwrap();
        let mut first = Worker::new(Arc::clone(&world.service));
        let mut second = Worker::new(Arc::clone(&world.service));
        first.step().await.unwrap();
        world.clock.jump_wall(jump);
        for _ in 0..8 {
            world.clock.advance(Duration::from_secs(3));
            first.step().await.unwrap();
            assert_eq!(
                second.step().await.unwrap(),
                Step::Idle,
                "the second worker took the task"
            );
        }
        world.finish(&mut first).await;
        let receipts = world.receipts(&tenant, &task.id).await;
        assert_eq!(receipts.len(), 500);
        assert!(
            receipts.iter().all(|(outcome, ..)| *outcome == Outcome::Created),
            "jump {jump}"
        );
        assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    }
}

/// A worker that was thought dead and is not: what it still does is refused by the epoch.
#[tokio::test]
async fn a_worker_that_lost_its_task_writes_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(200))
        .await
        .unwrap();
    let mut slow = Worker::new(Arc::clone(&world.service));
    slow.step().await.unwrap();
    let mut other = Worker::new(Arc::clone(&world.service));
    other.step().await.unwrap();
    // The slow one sleeps longer than its lease; the other takes over.
    world.clock.advance(Duration::from_secs(10));
    while world.receipts(&tenant, &task.id).await.len() == 50 {
        other.step().await.unwrap();
    }
    let done = world.receipts(&tenant, &task.id).await.len();
    slow.step().await.unwrap();
    slow.step().await.unwrap();
    assert_eq!(
        world.receipts(&tenant, &task.id).await.len(),
        done,
        "an outdated worker wrote"
    );
    world.finish(&mut other).await;
    assert_eq!(world.receipts(&tenant, &task.id).await.len(), 200);
}

/// Tasks of several tenants that are run at the same time end as they do alone; a tenant's own ones run one after
/// the other.
#[tokio::test]
async fn tenants_tasks_run_at_the_same_time() {
    let world = World::new().await;
    let mut tasks = Vec::new();
    for name in ["a", "b", "c"] {
        let tenant = world.tenant(name).await;
        for count in [70, 30] {
            let task = world
                .submit(&tenant, TaskType::OrganizationProfiles, upserts(count))
                .await
                .unwrap();
            tasks.push((tenant.clone(), task.id, count));
        }
    }
    let mut worker = Worker::new(Arc::clone(&world.service));
    worker.steps(3).await.unwrap();
    for (tenant, id, count) in &tasks {
        let done = world.receipts(tenant, id).await.len();
        assert_eq!(done, if *count == 70 { 50 } else { 0 });
    }
    while worker.steps(3).await.unwrap() == Step::Worked {}
    for (tenant, id, count) in &tasks {
        let receipts = world.receipts(tenant, id).await;
        assert_eq!(receipts.len(), *count);
        let created = receipts
            .iter()
            .filter(|(outcome, ..)| *outcome == Outcome::Created);
        assert_eq!(created.count(), if *count == 70 { 70 } else { 0 }, "{receipts:?}");
    }
}

/// Several chunks of a task at a time: all is as it is with one.
#[tokio::test]
async fn a_stride_does_several_chunks() {
    let world = World::new().await;
    let [one, other] = [world.tenant("one").await, world.tenant("other").await];
    let items = |world: &World| -> Vec<Item> {
        let random = SeededRandom::new(9);
        let mut items = upserts(230);
        items.extend((0..30).map(|_| random_item(&random, world, SubjectKind::Organization)));
        items.extend(upserts(240).into_iter().skip(160));
        items
    };
    let submit = async |tenant| {
        let task = world
            .submit(tenant, TaskType::OrganizationProfiles, items(&world))
            .await;
        task.unwrap().id
    };
    let slow = submit(&other).await;
    world.finish(&mut Worker::new(Arc::clone(&world.service))).await;
    let fast = submit(&one).await;
    let mut worker = Worker::new(Arc::clone(&world.service));
    let (first, second) = if fresh::is_on_postgres() {
        (200, 250)
    } else {
        (150, 200)
    };
    for done in [first, second] {
        worker.stride().await.unwrap();
        // The chunk from 200 on names ids, and may so name one that is made before it.
        assert_eq!(world.receipts(&one, &fast).await.len(), done);
    }
    while worker.stride().await.unwrap() == Step::Worked {}
    let without_ids = |receipts: Vec<harness::Receipt>| -> Vec<_> {
        let clean = |(outcome, _, failures): harness::Receipt| (outcome, failures.len());
        receipts.into_iter().map(clean).collect()
    };
    assert_eq!(
        without_ids(world.receipts(&one, &fast).await),
        without_ids(world.receipts(&other, &slow).await)
    );
    // Ids that a chunk did not need may stay a gap.
    let without_id = |line: String| line.split_once(' ').map(|(_, rest)| rest.to_owned());
    let state = async |tenant| -> Vec<_> { world.dump(tenant).await.into_iter().map(without_id).collect() };
    assert_eq!(state(&one).await, state(&other).await);
    assert_eq!(world.status(&one, &fast).await, TaskStatus::Finished);
}

/// Where there is one writer several chunks of a tenant are in its line only while no other tenant has tasks, and what they
/// do not use of the ids that they took is given out next.
#[tokio::test]
async fn chunks_stand_in_line_for_one_tenant_alone() {
    if fresh::is_on_postgres() {
        return;
    }
    let mut world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let made = world.run(&one, TaskType::Organizations, upserts(140)).await;
    let submit = async |tenant, count| {
        let items = upserts(count);
        let task = world.submit(tenant, TaskType::OrganizationProfiles, items).await;
        task.unwrap().id
    };
    let (again, other) = (submit(&one, 140).await, submit(&two, 120).await);
    let mut worker = Worker::new(Arc::clone(&world.service));
    worker.stride().await.unwrap();
    for (tenant, task) in [(&one, &again), (&two, &other)] {
        assert_eq!(world.receipts(tenant, task).await.len(), 50);
    }
    while worker.stride().await.unwrap() == Step::Worked {}
    let alone = submit(&one, 140).await;
    worker.stride().await.unwrap();
    assert_eq!(world.status(&one, &alone).await, TaskStatus::Finished);
    let new = upserts(141).split_off(140);
    let new = world.run(&one, TaskType::Organizations, new).await;
    let id = |receipt: &harness::Receipt| receipt.1.parse::<i64>().unwrap();
    assert_eq!(id(&new[0]), id(&made[139]) + 1);
}

/// All that may have been at hand at a death is run item by item. Meanwhile another tenant's chunks do not stand in line.
#[tokio::test]
async fn what_was_at_hand_at_a_death_is_run_item_by_item() {
    let world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let submit = async |tenant, count| {
        let items = upserts(count);
        let task = world.submit(tenant, TaskType::OrganizationProfiles, items).await;
        task.unwrap().id
    };
    let left = submit(&one, 460).await;
    Worker::new(Arc::clone(&world.service)).stride().await.unwrap();
    let (at_once, strides) = if fresh::is_on_postgres() {
        (200, 2)
    } else {
        (150, 3)
    };
    assert_eq!(world.receipts(&one, &left).await.len(), at_once);
    let mut worker = Worker::new(Arc::clone(&world.service));
    assert_eq!(worker.stride().await.unwrap(), Step::Idle);
    world.clock.advance(Duration::from_secs(10));
    let other = submit(&two, 140).await;
    for _ in 0..at_once + strides {
        worker.stride().await.unwrap();
    }
    assert_eq!(world.status(&two, &other).await, TaskStatus::Finished);
    assert_eq!(world.receipts(&one, &left).await.len(), 2 * at_once);
    worker.stride().await.unwrap();
    assert!(world.receipts(&one, &left).await.len() >= 2 * at_once + 50);
}

/// A stride, or as many chunks as a server runs in a row.
async fn go(worker: &mut Worker, flows: bool) -> Step {
    match flows {
        true => worker.flow().await.unwrap(),
        false => worker.stride().await.unwrap(),
    }
}

/// Tasks of one tenant that are run without a pause come to what they come to one chunk after the other; and while none needs what
/// another may create, many are run in a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_flow_come_to_the_same() {
    let world = World::with(Settings {
        max_active_tasks: 100,
        chunk: Some(ChunkSize { items: 10, ..SMALL }),
        ..Settings::default()
    })
    .await;
    let [one, other] = [world.tenant("one").await, world.tenant("other").await];
    // Some names come again, and some items meet each other.
    let random = SeededRandom::new(11);
    let below = |n| usize::try_from(random.below(n)).unwrap();
    let request = |_| -> Vec<Item> {
        match below(3) {
            0 => (0..12)
                .map(|_| random_item(&random, &world, SubjectKind::Organization))
                .collect(),
            _ => {
                let (from, count) = (below(60), 1 + below(25));
                upserts(from + count).split_off(from)
            }
        }
    };
    let requests: Vec<Vec<Item>> = (0..14).map(request).collect();
    let submit = async |tenant| {
        let mut tasks = Vec::new();
        for items in &requests {
            let task = world.submit(tenant, TaskType::OrganizationProfiles, items.clone());
            tasks.push(task.await.unwrap().id);
            // Ids of one millisecond have no order.
            world.clock.advance(Duration::from_millis(1));
        }
        tasks
    };
    let stepped = submit(&other).await;
    world.finish(&mut Worker::new(Arc::clone(&world.service))).await;
    let flowed = submit(&one).await;
    let mut worker = Worker::new(Arc::clone(&world.service));
    while worker.flow().await.unwrap() == Step::Worked {}
    for (stepped, flowed) in stepped.iter().zip(&flowed) {
        let all = [
            world.receipts(&other, stepped).await,
            world.receipts(&one, flowed).await,
        ];
        let clean = |(outcome, _, failures): harness::Receipt| (outcome, failures.len());
        let [stepped, flowed] = all.map(|all| all.into_iter().map(clean).collect::<Vec<_>>());
        assert_eq!(flowed, stepped);
    }
    // Ids that a chunk did not need may stay a gap.
    let without_id = |line: String| line.split_once(' ').map(|(_, rest)| rest.to_owned());
    let state = async |tenant| -> Vec<_> { world.dump(tenant).await.into_iter().map(without_id).collect() };
    let states = (state(&one).await, state(&other).await);
    assert_eq!(states.0, states.1);

    let mut tasks = Vec::new();
    for task in 0..8 {
        let items = upserts(1_000 + task * 30).split_off(1_000 + task * 30 - 30);
        let task = world.submit(&one, TaskType::OrganizationProfiles, items);
        tasks.push(task.await.unwrap().id);
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(worker.flow().await.unwrap(), Step::Worked);
    let mut finished = 0;
    for task in &tasks {
        finished += usize::from(world.status(&one, task).await == TaskStatus::Finished);
    }
    // One writer runs them task by task.
    assert_eq!(finished, if fresh::is_on_postgres() { 8 } else { 1 });
}

/// What is created behind an id that was given gets a greater one, as by requests that come one after the other.
#[tokio::test]
async fn ids_rise_behind_one_that_was_given() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let mut items = vec![manage(Manage::Create, Some("5000"), Some("Given"))];
    items.extend(upserts(120));
    let task = world.submit(&tenant, TaskType::OrganizationProfiles, items);
    let task = task.await.unwrap().id;
    let mut worker = Worker::new(Arc::clone(&world.service));
    while worker.flow().await.unwrap() == Step::Worked {}
    let receipts = world.receipts(&tenant, &task).await;
    let ids: Vec<i64> = receipts.iter().map(|(_, id, _)| id.parse().unwrap()).collect();
    assert_eq!((ids.len(), ids[0]), (121, 5_000));
    assert!(ids.is_sorted(), "{ids:?}");
}

/// A worker that is told to end begins nothing any more, and gives back what it has.
#[tokio::test]
async fn a_worker_that_is_to_end_begins_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world.submit(&tenant, TaskType::OrganizationProfiles, upserts(400));
    let task = task.await.unwrap().id;
    worker::run(Arc::clone(&world.service), std::future::ready(())).await;
    assert_eq!(world.receipts(&tenant, &task).await, []);
    let told = Arc::new(Notify::new());
    let tells = Arc::clone(&told);
    let running = worker::run(Arc::clone(&world.service), async move { tells.notified().await });
    let ends = async {
        while world.receipts(&tenant, &task).await.is_empty() {
            tokio::task::yield_now().await;
        }
        told.notify_one();
    };
    tokio::join!(running, ends);
    let open = world.store.system_read(async |tx| tx.open_tasks(10).await);
    let open: Result<Vec<_>, StoreError> = open.await;
    assert!(open.unwrap().iter().all(|task| task.lease_owner.is_none()));
}

/// A server that dies while chunks and claims of many tasks are under way: another one does what is left, and nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_in_the_flow_loses_nothing() {
    if !fresh::is_on_postgres() {
        return;
    }
    // An item that is waited for: of the first chunk, of the second one, and of the second task's second one.
    for (awaited, done_before) in [(5, 0), (55, 50), (115, 110)] {
        let mut world = World::new().await;
        let tenant = world.tenant("t").await;
        let there = upserts(awaited + 1).split_off(awaited);
        let made = world.run(&tenant, TaskType::Organizations, there).await;
        let id = OrganizationId(made[0].1.parse().unwrap());
        let mut tasks = Vec::new();
        for task in 0..6 {
            let items = upserts(task * 60 + 60).split_off(task * 60);
            let task = world.submit(&tenant, TaskType::OrganizationProfiles, items);
            tasks.push(task.await.unwrap().id);
            world.clock.advance(Duration::from_millis(1));
        }
        let done = async || {
            let mut done = Vec::new();
            for task in &tasks {
                done.push(world.receipts(&tenant, task).await);
            }
            done
        };
        let count = async || done().await.iter().map(Vec::len).sum::<usize>();
        let holder = hold(&world, &tenant, id).await;
        let mut dies = Worker::new(Arc::clone(&world.service));
        tokio::select! {
            ended = dies.flow() => panic!("{ended:?} before the death"),
            () = async {
                while count().await < done_before {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        drop(dies);
        holder.await;
        assert_eq!(count().await, done_before);
        let mut worker = Worker::new(world.another(2).await);
        worker.flow().await.unwrap();
        let before = done().await;
        world.clock.advance(Duration::from_secs(10));
        while worker.flow().await.unwrap() == Step::Worked {}
        let mut ids = BTreeSet::new();
        for ((before, after), task) in before.iter().zip(&done().await).zip(&tasks) {
            assert_eq!(after.len(), 60);
            assert_eq!(after[..before.len()], before[..], "what was done stays as it was");
            let is_done = |(outcome, ..): &harness::Receipt| *outcome != Outcome::Failed;
            assert!(after.iter().all(is_done), "{after:?}");
            ids.extend(after.iter().map(|(_, id, _)| id.clone()));
            assert_eq!(world.status(&tenant, task).await, TaskStatus::Finished);
        }
        assert_eq!(ids.len(), 360, "an id was given twice");
    }
}

/// Chunks as large as they are, so that some of their rows are sent before the others, come to what they come to one after the other;
/// also where the first one fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_many_rows_come_to_the_same() {
    let world = World::with(Settings::default()).await;
    let [one, other] = [world.tenant("one").await, world.tenant("other").await];
    let more: Vec<String> = (0..12).map(|n| format!("More {n}")).collect();
    let item = |organization: usize, round: usize| {
        let field = |name: &str| FieldValues {
            name: name.into(),
            values: vec![format!("{name} {organization} {round}")].into(),
        };
        match upsert(&format!("Organization {organization}")) {
            Item::Manage(item) => Item::Manage(ManageItem {
                details: more.iter().map(|name| field(name)).collect(),
                ..item
            }),
            other => other,
        }
    };
    let round = |round| (0..3).map(move |task| (task * 100..task * 100 + 100).map(move |of| (of, round)));
    for (tenant, flows) in [(&one, true), (&other, false)] {
        for name in &more {
            let new = NewDefinition::check(name, "TEXT", None).unwrap();
            world
                .service
                .create_field(tenant, EntityKind::Organization, new)
                .await
                .unwrap();
        }
        for number in 0..2 {
            let mut tasks = Vec::new();
            for items in round(number) {
                let items = items
                    .map(|(organization, round)| item(organization, round))
                    .collect();
                let task = world.submit(tenant, TaskType::OrganizationProfiles, items).await;
                tasks.push(task.unwrap().id);
                world.clock.advance(Duration::from_millis(1));
            }
            if number == 1 {
                let tenant_id = tenant.tenant.0;
                world.tamper(&format!(
                    "UPDATE organization SET details = 'broken' WHERE name = 'Organization 40' AND tenant_id = {tenant_id}"
                ));
            }
            let mut worker = Worker::new(Arc::clone(&world.service));
            match flows {
                true => while worker.flow().await.unwrap() == Step::Worked {},
                false => world.finish(&mut worker).await,
            }
            for (task, id) in tasks.iter().enumerate() {
                let expected = |item| match (number, task, item) {
                    (0, ..) => Outcome::Created,
                    (_, 0, 40) => Outcome::Failed,
                    _ => Outcome::Updated,
                };
                let receipts = world.receipts(tenant, id).await;
                let outcomes: Vec<Outcome> = receipts.iter().map(|(outcome, ..)| *outcome).collect();
                assert_eq!(outcomes, (0..100).map(expected).collect::<Vec<_>>());
            }
        }
    }
    let without_id = |line: String| line.split_once(' ').map(|(_, rest)| rest.to_owned());
    let state = async |tenant| -> Vec<_> { world.dump(tenant).await.into_iter().map(without_id).collect() };
    let states = (state(&one).await, state(&other).await);
    assert_eq!(states.0.len(), 299);
    assert_eq!(states.0, states.1);
    // Values are found where they are, of both tenants. On SQLite entries are brought in later.
    let entries = |round| {
        let ends = format!("'more % {round}'");
        world.tamper(&format!(
            "UPDATE detail_index SET value_key = value_key WHERE value_key LIKE {ends}"
        ))
    };
    if fresh::is_on_postgres() {
        assert_eq!((entries(0), entries(1)), (2 * 12, 2 * 12 * 299));
    }
}

/// A chunk that the database did not do in time is tried again with less.
#[tokio::test]
async fn a_chunk_that_takes_too_long_is_tried_again_with_less() {
    if !fresh::is_on_postgres() {
        return;
    }
    let mut world = World::with(Settings::default()).await;
    let tenant = world.tenant("t").await;
    let made = world.run(&tenant, TaskType::Organizations, upserts(40)).await;
    let id = OrganizationId(made[30].1.parse().unwrap());
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(140))
        .await;
    let task = task.unwrap().id;
    let holder = hold(&world, &tenant, id).await;
    let mut worker = Worker::new(Arc::clone(&world.service));
    let refused = worker.flow().await;
    assert!(
        matches!(refused, Err(Error::Store(StoreError::Unavailable(_)))),
        "{refused:?}"
    );
    holder.await;
    worker.step().await.unwrap();
    assert_eq!(world.receipts(&tenant, &task).await.len(), 50);
}

/// Locks an organization until what is returned is waited for.
async fn hold(world: &World, tenant: &Caller, id: OrganizationId) -> impl Future<Output = ()> {
    let (locked, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, tells, waits) = (world.store.clone(), Arc::clone(&locked), Arc::clone(&done));
    let tenant = tenant.tenant;
    let holder = tokio::spawn(async move {
        let hold = store.write(tenant, async move |tx| {
            tx.lock_organization(id).await?;
            tells.notify_one();
            waits.notified().await;
            Ok::<_, StoreError>(())
        });
        hold.await.unwrap();
    });
    locked.notified().await;
    async move {
        done.notify_one();
        holder.await.unwrap();
    }
}

/// Of several chunks at a time one that is behind counts only if those before it do.
#[tokio::test]
async fn a_chunk_that_fails_takes_those_behind_it_along() {
    let broken = [(3, 0), (60, 50), (120, 100)];
    let flowing = [false, true].map(|flows| broken.map(|(broken, done)| (flows, broken, done)));
    for (flows, broken, done_at_once) in flowing.into_iter().flatten() {
        let mut world = World::new().await;
        let tenant = world.tenant("t").await;
        world.run(&tenant, TaskType::Organizations, upserts(140)).await;
        let name = format!("Organization {broken}");
        let changed = world.tamper(&format!(
            "UPDATE organization SET details = 'broken' WHERE name = '{name}'"
        ));
        assert_eq!(changed, 1);
        let task = world
            .submit(&tenant, TaskType::OrganizationProfiles, upserts(160))
            .await
            .unwrap();
        let mut worker = Worker::new(Arc::clone(&world.service));
        go(&mut worker, flows).await;
        assert_eq!(world.receipts(&tenant, &task.id).await.len(), done_at_once);
        while go(&mut worker, flows).await == Step::Worked {}
        let receipts = world.receipts(&tenant, &task.id).await;
        let expected = |n: usize| match n {
            n if n == broken => Outcome::Failed,
            140.. => Outcome::Created,
            _ => Outcome::Unchanged,
        };
        let outcomes: Vec<Outcome> = receipts.iter().map(|(outcome, ..)| *outcome).collect();
        assert_eq!(outcomes, (0..160).map(expected).collect::<Vec<_>>());
        assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    }
}

/// A worker that lost its task between two strides writes nothing, nor do the chunks behind.
#[tokio::test]
async fn chunks_of_a_lost_task_write_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(350))
        .await
        .unwrap();
    let mut slow = Worker::new(Arc::clone(&world.service));
    slow.stride().await.unwrap();
    let done = world.receipts(&tenant, &task.id).await;
    let state = world.dump(&tenant).await;
    let id = task.id.clone();
    let claim = world.store.write(tenant.tenant, async move |tx| {
        let claim = Claim {
            owner: "another",
            until: Timestamp(i64::MAX),
            seen_epoch: 1,
            chunk_items: 50,
        };
        tx.claim_task(&id, claim, Timestamp(0)).await
    });
    assert!(claim.await.unwrap().is_some());
    slow.flow().await.unwrap();
    assert_eq!(world.receipts(&tenant, &task.id).await, done);
    assert_eq!(world.dump(&tenant).await, state);
    assert_eq!(slow.flow().await.unwrap(), Step::Idle);
}

/// On PostgreSQL the next task of a tenant is claimed while the last chunk of the one before it is run, and is run after it. Nothing is
/// claimed while what a server may have died of is run.
#[tokio::test]
async fn the_next_task_is_claimed_ahead_unless_a_server_may_die() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let submit = async |from: usize| {
        let items = upserts(60).into_iter().skip(from).take(20).collect();
        let task = world.submit(&tenant, TaskType::OrganizationProfiles, items).await;
        // Ids of one millisecond have no order.
        world.clock.advance(Duration::from_millis(1));
        task.unwrap().id
    };
    let mut tasks = vec![submit(0).await, submit(20).await];
    let epochs = async || -> Vec<i64> {
        let open = world.store.system_read(async |tx| tx.open_tasks(10).await);
        let open: Result<Vec<_>, StoreError> = open.await;
        open.unwrap().iter().map(|task| task.lease_epoch).collect()
    };
    let done = async |tasks: &[String]| {
        let mut done = Vec::new();
        for task in tasks {
            done.push(world.receipts(&tenant, task).await.len());
        }
        done
    };
    let mut dies = Worker::new(Arc::clone(&world.service));
    dies.stride().await.unwrap();
    let claimed = i64::from(fresh::is_on_postgres());
    assert_eq!((done(&tasks).await, epochs().await), (vec![20, 0], vec![claimed]));
    if claimed == 0 {
        return;
    }
    drop(dies);
    let mut worker = Worker::new(Arc::clone(&world.service));
    assert_eq!(worker.stride().await.unwrap(), Step::Idle);
    world.clock.advance(Duration::from_secs(10));
    worker.stride().await.unwrap();
    assert_eq!((done(&tasks).await, epochs().await), (vec![20, 1], vec![2]));
    tasks.push(submit(40).await);
    for item in 2..20 {
        worker.stride().await.unwrap();
        assert_eq!(
            (done(&tasks).await, epochs().await),
            (vec![20, item, 0], vec![2, 0])
        );
    }
    worker.stride().await.unwrap();
    assert_eq!((done(&tasks).await, epochs().await), (vec![20, 20, 0], vec![0]));
    while worker.stride().await.unwrap() == Step::Worked {}
    assert_eq!(done(&tasks).await, [20, 20, 20]);
}

/// On PostgreSQL the first chunk of the next task is run beside the last one of the task before it, if it is of its kind and comes
/// to the same, and never before that one is stored. Of three tasks none is passed over.
#[tokio::test]
async fn the_next_task_begins_beside_the_last_chunk_of_the_one_before() {
    use TaskType::{CustomerProfiles, OrganizationProfiles, Organizations};
    if !fresh::is_on_postgres() {
        return;
    }
    let new = |from: usize, count| upserts(from + count).split_off(from);
    let emails = |count| -> Vec<Item> {
        let named = upserts(count).into_iter().map(|item| match item {
            Item::Manage(item) => Item::Manage(ManageItem {
                handle: item
                    .handle
                    .map(|name| format!("{}@example.com", name.replace(' ', "."))),
                ..item
            }),
            other => other,
        });
        named.collect()
    };
    for (first, second, claimed_ahead, stride_by_stride) in [
        (
            220,
            (OrganizationProfiles, new(500, 60)),
            [1, 1],
            [[200, 0, 0], [220, 60, 50], [220, 60, 60], [220, 60, 60]],
        ),
        (
            420,
            (OrganizationProfiles, new(500, 60)),
            [0, 0],
            [[200, 0, 0], [400, 0, 0], [420, 60, 50], [420, 60, 60]],
        ),
        (
            20,
            (Organizations, new(500, 20)),
            [1, 1],
            [[20, 0, 0], [20, 20, 60], [20, 20, 60], [20, 20, 60]],
        ),
        // Names that the last chunk of the first task has, too.
        (
            220,
            (OrganizationProfiles, new(210, 30)),
            [1, 1],
            [[200, 0, 0], [220, 0, 0], [220, 30, 60], [220, 30, 60]],
        ),
        // Another kind: neither it nor the one behind it is begun ahead.
        (
            220,
            (CustomerProfiles, emails(20)),
            [1, 1],
            [[200, 0, 0], [220, 0, 0], [220, 20, 0], [220, 20, 60]],
        ),
    ] {
        let world = World::new().await;
        let tenant = world.tenant("t").await;
        let submit = async |(task_type, items)| {
            let task = world.submit(&tenant, task_type, items).await;
            // Ids of one millisecond have no order.
            world.clock.advance(Duration::from_millis(1));
            task.unwrap().id
        };
        let tasks = [
            submit((OrganizationProfiles, new(0, first))).await,
            submit(second).await,
            submit((OrganizationProfiles, new(600, 60))).await,
        ];
        let done = async || {
            let mut done = Vec::new();
            for task in &tasks {
                done.push(world.receipts(&tenant, task).await.len());
            }
            done
        };
        let mut worker = Worker::new(Arc::clone(&world.service));
        for (stride, expected) in stride_by_stride.into_iter().enumerate() {
            worker.stride().await.unwrap();
            assert_eq!(done().await, expected);
            if stride == 0 {
                // As many are claimed as fill the next stride.
                let open = world.store.system_read(async |tx| tx.open_tasks(10).await);
                let open: Result<Vec<_>, StoreError> = open.await;
                let claimed = |id: &String| open.as_ref().unwrap().iter().find(|task| task.id == *id);
                let claimed = tasks
                    .each_ref()
                    .map(|id| claimed(id).map_or(1, |task| task.lease_epoch));
                assert_eq!(claimed[1..], claimed_ahead);
            }
        }
        for task in &tasks {
            assert_eq!(world.status(&tenant, task).await, TaskStatus::Finished);
        }
        let failed = |(outcome, ..): &harness::Receipt| *outcome == Outcome::Failed;
        assert!(!world.receipts(&tenant, &tasks[1]).await.iter().any(failed));
    }
}

/// Whatever becomes of the last chunk of a task, be it when it reads what it rests on or when it stores what it came to, the next
/// task is stored behind it only.
#[tokio::test]
async fn a_last_chunk_that_fails_takes_the_next_task_along() {
    let task_type = TaskType::OrganizationProfiles;
    for (when_stored, flows) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new().await;
        let tenant = world.tenant("t").await;
        if when_stored {
            if !fresh::is_on_postgres() {
                continue;
            }
            world.refuse_name("Organization 210");
        } else {
            let made = world.submit(&tenant, task_type, upserts(220)).await;
            made.unwrap();
            world.finish(&mut Worker::new(Arc::clone(&world.service))).await;
            let changed =
                world.tamper("UPDATE organization SET details = 'broken' WHERE name = 'Organization 210'");
            assert_eq!(changed, 1);
        }
        let first = world.submit(&tenant, task_type, upserts(220)).await.unwrap().id;
        world.clock.advance(Duration::from_millis(1));
        let items = upserts(360).split_off(300);
        let second = world.submit(&tenant, task_type, items).await.unwrap().id;
        let mut worker = Worker::new(Arc::clone(&world.service));
        let mut before = 0;
        while go(&mut worker, flows).await == Step::Worked {
            let of_first = world.receipts(&tenant, &first).await.len();
            let of_second = world.receipts(&tenant, &second).await.len();
            assert!(of_first == 220 || of_second == 0, "{of_first} and {of_second}");
            assert!(of_first + of_second >= before);
            before = of_first + of_second;
        }
        assert_eq!(before, 280);
        let failed = |(outcome, ..): &harness::Receipt| *outcome == Outcome::Failed;
        let of_first = world.receipts(&tenant, &first).await;
        let all_failed: Vec<_> = (0..220).filter(|at| failed(&of_first[*at])).collect();
        assert_eq!(all_failed, [210]);
        assert!(!world.receipts(&tenant, &second).await.iter().any(failed));
    }
}

/// A task that another worker has taken over is not ended by this one, and what was begun beside it is not stored.
#[tokio::test]
async fn the_task_behind_a_lost_one_does_not_begin() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task_type = TaskType::OrganizationProfiles;
    let first = world.submit(&tenant, task_type, upserts(220)).await.unwrap().id;
    world.clock.advance(Duration::from_millis(1));
    let items = upserts(360).split_off(300);
    let second = world.submit(&tenant, task_type, items).await.unwrap().id;
    let mut slow = Worker::new(Arc::clone(&world.service));
    slow.stride().await.unwrap();
    let done = world.receipts(&tenant, &first).await.len();
    let id = first.clone();
    let claim = world.store.write(tenant.tenant, async move |tx| {
        let claim = Claim {
            owner: "another",
            until: Timestamp(i64::MAX),
            seen_epoch: 1,
            chunk_items: 50,
        };
        tx.claim_task(&id, claim, Timestamp(0)).await
    });
    assert!(claim.await.unwrap().is_some());
    slow.flow().await.unwrap();
    assert_eq!(world.receipts(&tenant, &first).await.len(), done);
    assert_eq!(world.receipts(&tenant, &second).await, []);
}

/// A chunk that waits for too long, when others before it were stored, is run again at once: the worker need not rest.
#[tokio::test]
async fn a_chunk_that_waits_for_too_long_is_run_again() {
    if !fresh::is_on_postgres() {
        return;
    }
    let mut world = World::new().await;
    let tenant = world.tenant("t").await;
    let made = world.run(&tenant, TaskType::Organizations, upserts(140)).await;
    let id = OrganizationId(made[110].1.parse().unwrap());
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(140))
        .await;
    let task = task.unwrap().id;
    let holder = hold(&world, &tenant, id).await;
    let mut worker = Worker::new(Arc::clone(&world.service));
    assert_eq!(worker.flow().await.unwrap(), Step::Worked);
    assert_eq!(world.receipts(&tenant, &task).await.len(), 100);
    holder.await;
    while worker.stride().await.unwrap() == Step::Worked {}
    assert_eq!(world.status(&tenant, &task).await, TaskStatus::Finished);
}

/// What a server may have died of is run alone, so that no neighbour is blamed for it.
#[tokio::test]
async fn a_task_that_a_server_died_of_runs_alone() {
    let world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let mut tasks = Vec::new();
    for tenant in [&one, &two] {
        let task = world
            .submit(tenant, TaskType::OrganizationProfiles, upserts(60))
            .await
            .unwrap();
        tasks.push(task.id);
    }
    // Claims both, runs a chunk of each, and dies.
    Worker::new(Arc::clone(&world.service)).steps(2).await.unwrap();
    let done = async || {
        let (one, two) = (
            world.receipts(&one, &tasks[0]).await,
            world.receipts(&two, &tasks[1]).await,
        );
        one.len() + two.len()
    };
    assert_eq!(done().await, 100);
    let mut worker = Worker::new(Arc::clone(&world.service));
    assert_eq!(
        worker.steps(2).await.unwrap(),
        Step::Idle,
        "their leases have not ended"
    );
    world.clock.advance(Duration::from_secs(10));
    for expected in [101, 102, 103] {
        worker.steps(2).await.unwrap();
        assert_eq!(done().await, expected, "one item of one task at a time");
    }
    while worker.steps(2).await.unwrap() == Step::Worked {}
    assert_eq!(done().await, 120);
}

/// A claim of what a dead server held counts its death: nothing is claimed that is not run next, or servers that die of
/// one tenant's item would take others' items along.
#[tokio::test]
async fn only_what_runs_next_is_claimed_after_a_death() {
    let world = World::new().await;
    for name in ["one", "two", "three"] {
        let tenant = world.tenant(name).await;
        world
            .submit(&tenant, TaskType::OrganizationProfiles, upserts(60))
            .await
            .unwrap();
    }
    Worker::new(Arc::clone(&world.service)).steps(3).await.unwrap();
    let epochs = async || -> Vec<i64> {
        let open = world.store.system_read(async |tx| tx.open_tasks(10).await);
        let open: Result<Vec<_>, StoreError> = open.await;
        open.unwrap().iter().map(|task| task.lease_epoch).collect()
    };
    assert_eq!(epochs().await, [1, 1, 1]);
    let mut worker = Worker::new(Arc::clone(&world.service));
    assert_eq!(worker.steps(3).await.unwrap(), Step::Idle);
    world.clock.advance(Duration::from_secs(10));
    worker.steps(3).await.unwrap();
    let mut claimed = epochs().await;
    claimed.sort_unstable();
    assert_eq!(claimed, [1, 1, 2]);
}

#[tokio::test]
async fn a_task_that_is_too_old_ends_as_failed() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(120))
        .await
        .unwrap();
    let mut worker = Worker::new(Arc::clone(&world.service));
    worker.step().await.unwrap();
    worker.park().await.unwrap();
    world.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::InProgress);
    world.clock.advance(Duration::from_secs(3));
    world.finish(&mut worker).await;
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Failed);
    let receipts = world.receipts(&tenant, &task.id).await;
    let started = receipts
        .iter()
        .filter(|(outcome, ..)| *outcome == Outcome::Created)
        .count();
    assert_eq!((receipts.len(), started), (120, 50));
    for (_, _, failures) in &receipts[50..] {
        assert_eq!(failures.len(), 1);
        assert!(failures[0].error.starts_with("TIMED_OUT"), "{failures:?}");
    }
    // What was done stays done; what was not is not.
    assert_eq!(world.dump(&tenant).await.len(), 50);
}

/// A task that is being worked on for too long is ended by its own worker, by the clock that no jump
/// of the wall clock touches.
#[tokio::test]
async fn a_held_task_times_out_by_the_steady_clock() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(120))
        .await
        .unwrap();
    let mut worker = Worker::new(Arc::clone(&world.service));
    worker.step().await.unwrap();
    world.clock.advance(Duration::from_secs(30 * 60));
    worker.step().await.unwrap();
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Failed);
    assert_eq!(world.receipts(&tenant, &task.id).await.len(), 120);
}

#[tokio::test]
async fn results_are_kept_three_days_and_their_keys_with_them() {
    let mut world = World::new().await;
    let tenant = world.tenant("t").await;
    let request = submission(TaskType::Organizations, vec![upsert("Acme")], "key");
    let task = world.service.submit(&tenant, request.clone()).await.unwrap();
    world.work().await;
    world.clock.advance(Duration::from_secs(72 * 60 * 60 - 1));
    while world.service.purge_tasks_once().await.unwrap() {}
    assert_eq!(world.status(&tenant, &task.id).await, TaskStatus::Finished);
    let again = world.service.submit(&tenant, request.clone()).await.unwrap();
    assert_eq!((again.id.as_str(), again.replayed), (task.id.as_str(), true));
    world.clock.advance(Duration::from_secs(6 * 60));
    while world.service.purge_tasks_once().await.unwrap() {}
    let gone = world.service.task(&tenant, &task.id).await;
    assert!(
        matches!(gone, Err(Error::Rejected(Rejection::NotFound { .. }))),
        "{gone:?}"
    );
    let items = world
        .service
        .task_items(&tenant, &task.id, ItemFilter::default(), None, None)
        .await;
    assert!(items.is_err());
    let anew = world.service.submit(&tenant, request).await.unwrap();
    assert!(!anew.replayed && anew.id != task.id);
}

/// An item that kills its worker three times is given up; the others are applied.
#[tokio::test]
async fn a_poison_item_is_given_up_after_three_deaths() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let task = world
        .submit(&tenant, TaskType::OrganizationProfiles, upserts(60))
        .await
        .unwrap();
    for seen_epoch in 0..4 {
        // A worker that claims the task and dies in its first chunk, before it could commit.
        let id = task.id.clone();
        let claimed = world
            .store
            .write(tenant.tenant, async move |tx| {
                let until = Timestamp(1);
                tx.claim_task(
                    &id,
                    Claim {
                        owner: "dead",
                        until,
                        seen_epoch,
                        chunk_items: 50,
                    },
                    Timestamp(0),
                )
                .await
            })
            .await;
        assert!(claimed.unwrap().is_some());
    }
    world.finish_others_work().await;
    let receipts = world.receipts(&tenant, &task.id).await;
    let failed: Vec<usize> = (0..60).filter(|n| receipts[*n].0 == Outcome::Failed).collect();
    assert_eq!((receipts.len(), failed), (60, vec![0]));
    // What was refused took no id, and gave none back that it had not taken.
    let next = world.service.create_organization(&tenant, "Next").await.unwrap();
    assert!(next.id.0 > 60, "id {}", next.id);
    assert!(
        receipts[0].2[0].error.starts_with("POISON"),
        "{:?}",
        receipts[0].2
    );
}

/// A task whose items cannot be read: it ends in time, and the others do not wait for it.
#[tokio::test]
async fn a_task_that_cannot_be_read_harms_no_other() {
    let world = World::new().await;
    let (broken, other) = (world.tenant("broken").await, world.tenant("other").await);
    let task = world
        .submit(&broken, TaskType::Organizations, upserts(2))
        .await
        .unwrap();
    assert_eq!(
        world.tamper("UPDATE task_open SET request = '[{\"Later\":{}}]'"),
        1
    );
    let mut worker = Worker::new(Arc::clone(&world.service));
    for _ in 0..4 {
        let fine = world
            .submit(&other, TaskType::Organizations, upserts(1))
            .await
            .unwrap();
        world.finish(&mut worker).await;
        assert_eq!(world.status(&other, &fine.id).await, TaskStatus::Finished);
        world.clock.advance(Duration::from_secs(10 * 60));
    }
    world.finish(&mut worker).await;
    world.clock.advance(Duration::from_secs(10));
    world.finish(&mut worker).await;
    assert_eq!(world.status(&broken, &task.id).await, TaskStatus::Failed);
}

/// The greatest id that can be wished for leaves room: what is created after it can be found.
#[tokio::test]
async fn after_the_greatest_wish_ids_still_work() {
    let mut world = World::new().await;
    let tenant = world.tenant("t").await;
    let wish = manage(Manage::Create, Some("999999999999999999"), Some("Huge"));
    let too_long = manage(Manage::Create, Some("9999999999999999999"), Some("Longer"));
    let receipts = world
        .run(&tenant, TaskType::Organizations, vec![wish, too_long])
        .await;
    assert_eq!(receipts[0].1, "999999999999999999");
    let single = world.service.create_organization(&tenant, "After").await.unwrap();
    for id in [
        receipts[0].1.clone(),
        receipts[1].1.clone(),
        single.id.to_string(),
    ] {
        let kind = SubjectKind::Organization;
        assert!(world.service.profile(&tenant, kind, &id).await.is_ok(), "{id}");
    }
}

/// A row that this program never writes: the items that meet it fail alone, and nothing loops.
#[tokio::test]
async fn a_defect_fails_its_item_alone() {
    let mut world = World::new().await;
    let tenant = world.tenant("t").await;
    world.run(&tenant, TaskType::Organizations, upserts(10)).await;
    let changed = world.tamper("UPDATE organization SET details = 'broken' WHERE name = 'Organization 3'");
    assert_eq!(changed, 1);
    let receipts = world
        .run(&tenant, TaskType::OrganizationProfiles, upserts(20))
        .await;
    let of = |wanted: Outcome| receipts.iter().filter(|(outcome, ..)| *outcome == wanted).count();
    assert_eq!(
        (of(Outcome::Unchanged), of(Outcome::Created), of(Outcome::Failed)),
        (9, 10, 1)
    );
    assert!(
        receipts[3].2[0].error.starts_with("INTERNAL"),
        "{:?}",
        receipts[3].2
    );
    assert!(
        !receipts[3].2[0].error.contains("broken"),
        "a failure shows what is stored"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_identical_requests_make_one_task() {
    let world = Arc::new(World::new().await);
    let tenant = Arc::new(world.tenant("t").await);
    let mut all = tokio::task::JoinSet::new();
    let services = [Arc::clone(&world.service), world.another(2).await];
    for n in 0..1_000 {
        let (service, tenant) = (Arc::clone(&services[n % 2]), Arc::clone(&tenant));
        all.spawn(async move {
            let request = submission(TaskType::Organizations, vec![upsert("Acme")], "the key");
            service.submit(&tenant, request).await.unwrap()
        });
    }
    let answers = all.join_all().await;
    let ids: BTreeSet<&str> = answers.iter().map(|answer| answer.id.as_str()).collect();
    let fresh = answers.iter().filter(|answer| !answer.replayed).count();
    assert_eq!((ids.len(), fresh), (1, 1));
    assert_eq!(
        world
            .service
            .tasks(&tenant, None, None, None)
            .await
            .unwrap()
            .tasks
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_the_limit_of_tasks_is_accepted_and_retries_always() {
    let world = Arc::new(World::new().await);
    let tenant = Arc::new(world.tenant("t").await);
    let mut all = tokio::task::JoinSet::new();
    let services = [Arc::clone(&world.service), world.another(2).await];
    for n in 0..64 {
        let (service, tenant) = (Arc::clone(&services[n % 2]), Arc::clone(&tenant));
        all.spawn(async move {
            let request = submission(TaskType::Organizations, vec![upsert("Acme")], &format!("key {n}"));
            (request.clone(), service.submit(&tenant, request).await)
        });
    }
    let answers = all.join_all().await;
    let limit = usize::try_from(Settings::default().max_active_tasks).unwrap();
    assert_eq!(answers.iter().filter(|(_, answer)| answer.is_ok()).count(), limit);
    for (request, answer) in answers {
        match answer {
            Ok(task) => {
                let again = world.service.submit(&tenant, request).await.unwrap();
                assert_eq!((again.id, again.replayed), (task.id, true));
            }
            Err(error) => {
                assert_eq!(error, Error::Rejected(Rejection::TooManyTasks));
                let again = world.service.submit(&tenant, request).await;
                assert_eq!(again, Err(Error::Rejected(Rejection::TooManyTasks)));
            }
        }
    }
    // Another tenant has a limit of its own, and old tasks do not count.
    let other = world.tenant("other").await;
    world
        .submit(&other, TaskType::Organizations, upserts(1))
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(30 * 60));
    world
        .submit(&tenant, TaskType::Organizations, upserts(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let first = submission(TaskType::Organizations, upserts(1), "key");
    let id = world.service.submit(&tenant, first.clone()).await.unwrap().id;
    let mut other = submission(TaskType::Organizations, upserts(2), "key");
    other.fingerprint.push('x');
    let refused = world.service.submit(&tenant, other).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("can only be retried with the same request data"),
        "{refused}"
    );
    // Another operation and another tenant have keys of their own.
    let elsewhere = submission(TaskType::OrganizationProfiles, upserts(1), "key");
    assert_ne!(world.service.submit(&tenant, elsewhere).await.unwrap().id, id);
    let stranger = world.tenant("stranger").await;
    assert_ne!(world.service.submit(&stranger, first).await.unwrap().id, id);
    assert!(
        world.service.task(&stranger, &id).await.is_err(),
        "another tenant's task is seen"
    );
}

/// A hundred tasks of one tenant wait; another tenant's one is the next but one.
#[tokio::test]
async fn one_tenants_queue_does_not_make_another_wait() {
    let world = World::with(Settings {
        max_active_tasks: 200,
        ..Settings::default()
    })
    .await;
    let busy = world.tenant("busy").await;
    for _ in 0..100 {
        world
            .submit(&busy, TaskType::OrganizationProfiles, upserts(100))
            .await
            .unwrap();
    }
    let mut worker = Worker::new(Arc::clone(&world.service));
    for _ in 0..5 {
        worker.step().await.unwrap();
    }
    let other = world.tenant("other").await;
    let task = world
        .submit(&other, TaskType::Organizations, upserts(1))
        .await
        .unwrap();
    for _ in 0..2 {
        worker.step().await.unwrap();
    }
    assert_eq!(world.status(&other, &task.id).await, TaskStatus::Finished);
    let unfinished = world
        .service
        .tasks(&busy, Some(TaskStatus::NotStarted), None, None)
        .await
        .unwrap();
    assert!(unfinished.tasks.len() > 90);
}

#[tokio::test]
async fn definitions_are_created_all_or_none() {
    use guildhall_domain::NewDefinition;
    use guildhall_domain::bulk::DefinitionItem;
    let mut world = World::new().await;
    let tenant = world.tenant("t").await;
    let define = |names: &[&str]| -> Vec<Item> {
        let item = |name: &&str| {
            let new = NewDefinition::check(name, "TEXT", None).unwrap();
            Item::Definition(DefinitionItem::from(&new))
        };
        names.iter().map(item).collect()
    };
    let kind = TaskType::OrganizationDefinitions;
    let clash = world
        .submit(&tenant, kind, define(&["New", "REGION"]))
        .await
        .unwrap_err();
    assert!(clash.to_string().starts_with("detailFields[1].name"), "{clash}");
    // Two requests for one name, both submitted before either ran: the second reports it.
    let first = world.submit(&tenant, kind, define(&["A", "B"])).await.unwrap();
    let second = world.submit(&tenant, kind, define(&["b", "C"])).await.unwrap();
    world.work().await;
    let outcomes = |receipts: Vec<harness::Receipt>| -> Vec<Outcome> {
        receipts.into_iter().map(|(outcome, ..)| outcome).collect()
    };
    let first = outcomes(world.receipts(&tenant, &first.id).await);
    assert_eq!(first, [Outcome::Created, Outcome::Created]);
    let second = outcomes(world.receipts(&tenant, &second.id).await);
    assert_eq!(second, [Outcome::Failed, Outcome::Created]);
    let many: Vec<String> = (0..46).map(|n| format!("F{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    // Region, Tags, Note, A, B and C are there: 44 more fit.
    assert!(world.submit(&tenant, kind, define(&many[..45])).await.is_err());
    assert!(world.submit(&tenant, kind, define(&many[..44])).await.is_ok());
}
