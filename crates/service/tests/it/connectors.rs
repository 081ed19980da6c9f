//! Connectors: the greatest number wins, deletions included; who may see what; what hangs together; and
//! that connections and tenants are apart. Long, because its cases share one small vocabulary of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guildhall_domain::connector::{
    DeleteByProperties, DeleteObjects, EqualSequence, ExternalIds, Group, Mapping, ObjectType, Rates, Reason,
    RequestFault, SetObjects, SetPeople, User,
};
use guildhall_domain::json::{self, Node};
use guildhall_domain::{Caller, Rejection, Thing, Timestamp};
use guildhall_service::{Error, ObjectStory, ObjectTree, Service, Settings, VisiblePage, VisibleQuery};
use guildhall_testkit::SeededRandom;
use serde_json::{Value, json};

use super::world::{World, assert_invalid, stranger};

const ORG: ObjectType = ObjectType::CustomerOrg;

fn read<T>(body: &Value, read: impl Fn(&Node<'_>) -> Result<T, RequestFault>) -> T {
    let text = body.to_string();
    read(&json::parse(text.as_bytes()).unwrap()).unwrap()
}

/// An object that everybody may see, with some members in place of the usual ones.
fn object(object_type: ObjectType, id: &str, sequence: i64, other: Value) -> Value {
    let mut object = json!({
        "id": id, "updateSequenceNumber": sequence, "displayName": format!("{} at {sequence}", id.chars().take(20).collect::<String>()),
        "url": "https://example.com", "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z",
        "permissions": readers(json!([[{ "type": "EVERYONE" }]])),
    });
    object[object_type.name()] = json!({});
    let Value::Object(other) = other else {
        panic!("{other} holds no members");
    };
    for (name, value) in other {
        object[name.as_str()] = value;
    }
    object
}

fn org(id: &str, sequence: i64) -> Value {
    object(ORG, id, sequence, json!({}))
}

/// Permissions of these access controls, each a list of principals.
fn readers(access_controls: Value) -> Value {
    let Value::Array(lists) = access_controls else {
        panic!("{access_controls} is no list");
    };
    let controls: Vec<_> = lists
        .into_iter()
        .map(|principals| json!({ "principals": principals }))
        .collect();
    json!([{ "accessControls": controls }])
}

fn key(object_type: ObjectType, id: &str) -> Value {
    json!({ "type": object_type.name(), "value": { "entityId": id } })
}

async fn connection(world: &World, name: &str) -> String {
    world
        .service
        .create_connection(world.tenant, name)
        .await
        .unwrap()
        .id
}

/// A world with one connection.
async fn connected() -> World {
    let world = World::new().await;
    connection(&world, "crm").await;
    world
}

async fn set(service: &Service, caller: &Caller, objects: &[Value]) {
    set_in(service, caller, None, objects).await;
}

async fn set_in(service: &Service, caller: &Caller, connection: Option<&str>, objects: &[Value]) {
    let body = json!({ "objects": objects, "connectionId": connection });
    let outcome = service
        .set_objects(caller, read(&body, SetObjects::read))
        .await
        .unwrap();
    assert_eq!(
        (outcome.accepted.len(), outcome.rejected),
        (objects.len(), vec![])
    );
}

/// The number of an object, or that there is none.
async fn number(world: &World, object_type: ObjectType, id: &str) -> Option<i64> {
    match world.service.object(&world.caller, None, object_type, id).await {
        Ok(object) => {
            let object: Value = serde_json::from_str(&object).unwrap();
            Some(object["updateSequenceNumber"].as_i64().unwrap())
        }
        Err(Error::Rejected(Rejection::NotThere(Thing::Object))) => None,
        Err(other) => panic!("{other:?}"),
    }
}

async fn delete(world: &World, ids: &[&str], sequence: Option<i64>) -> Vec<bool> {
    let body = json!({ "objectType": ORG.name(), "externalIds": ids, "updateSequenceNumber": sequence });
    let request = read(&body, DeleteObjects::read);
    let deleted = world
        .service
        .delete_objects(&world.caller, request)
        .await
        .unwrap();
    deleted.into_iter().map(|(_, found)| found).collect()
}

async fn story(world: &World, id: &str) -> ObjectStory {
    world
        .service
        .object_story(&world.caller, None, ORG, id)
        .await
        .unwrap()
}

fn replacing(world: &World) -> Service {
    with(
        world,
        Settings {
            equal_sequence: EqualSequence::Replace,
            ..Settings::default()
        },
    )
}

/// Another service over the same data, with other settings.
fn with(world: &World, settings: Settings) -> Service {
    let random = Arc::new(SeededRandom::new(77));
    Service::new(
        world.store.clone(),
        Arc::new(world.clock.clone()),
        random,
        settings,
    )
}

#[tokio::test]
async fn the_greatest_number_wins_and_deletions_count() {
    let world = connected().await;
    let put = async |sequence| set(&world.service, &world.caller, &[org("a", sequence)]).await;
    for (sequence, stands) in [(5, 5), (3, 5), (5, 5), (7, 7), (6, 7)] {
        put(sequence).await;
        assert_eq!(number(&world, ORG, "a").await, Some(stands), "after {sequence}");
    }
    assert_eq!(
        delete(&world, &["a", "nobody", "a"], None).await,
        [true, false, true]
    );
    assert_eq!(number(&world, ORG, "a").await, None);
    // Deleted at 7: older stays away, the same number creates again.
    put(6).await;
    assert_eq!(number(&world, ORG, "a").await, None);
    put(7).await;
    assert_eq!(number(&world, ORG, "a").await, Some(7));
    // A delete with a number takes what is not newer, and leaves its own number.
    assert_eq!(delete(&world, &["a"], Some(6)).await, [false]);
    assert_eq!(number(&world, ORG, "a").await, Some(7));
    assert_eq!(delete(&world, &["a"], Some(20)).await, [true]);
    put(19).await;
    assert_eq!(number(&world, ORG, "a").await, None);
    put(20).await;
    assert_eq!(number(&world, ORG, "a").await, Some(20));
    // What was never there leaves no tombstone.
    assert_eq!(delete(&world, &["b"], Some(9)).await, [false]);
    set(&world.service, &world.caller, &[org("b", 1)]).await;
    assert_eq!(number(&world, ORG, "b").await, Some(1));
    // The greatest number there is.
    put(i64::MAX).await;
    assert_eq!(number(&world, ORG, "a").await, Some(i64::MAX));
}

#[tokio::test]
async fn a_write_replaces_the_whole_object_and_its_tags() {
    let world = connected().await;
    let first = object(
        ORG,
        "a",
        1,
        json!({
            "description": "old", "properties": { "run": "1" }, ORG.name(): { "industry": "Mining" },
            "parentKey": key(ORG, "p"), "containerKey": key(ObjectType::CustomerOrgCategory, "c"),
        }),
    );
    set(&world.service, &world.caller, &[first, org("a", 2)]).await;
    let read = world.service.object(&world.caller, None, ORG, "a").await.unwrap();
    assert!(
        !read.contains("old") && !read.contains("Mining") && !read.contains("Key"),
        "{read}"
    );
    let by_tag = async |run: &str| {
        let body = json!({ "objectType": ORG.name(), "properties": { "run": run } });
        let request = self::read(&body, DeleteByProperties::read);
        world
            .service
            .delete_by_properties(&world.caller, request)
            .await
            .unwrap()
    };
    assert_eq!(by_tag("1").await, 0);
    let tagged: Vec<_> = (0..100)
        .map(|n| object(ORG, &format!("t{n}"), 1, json!({ "properties": { "run": "2" } })))
        .collect();
    set(&world.service, &world.caller, &tagged).await;
    let organisation = object(
        ObjectType::Organisation,
        "t0",
        1,
        json!({ "properties": { "run": "2" } }),
    );
    set(&world.service, &world.caller, &[organisation]).await;
    assert_eq!((by_tag("2").await, by_tag("2").await), (100, 0));
    assert_eq!(number(&world, ORG, "t99").await, None);
    assert_eq!(number(&world, ObjectType::Organisation, "t0").await, Some(1));
    // They are tombstones: an older write does not bring one back, and then it has no tag.
    set(&world.service, &world.caller, &[org("t5", 0), org("t6", 1)]).await;
    assert_eq!(
        (number(&world, ORG, "t5").await, number(&world, ORG, "t6").await),
        (None, Some(1))
    );
    assert_eq!(by_tag("2").await, 0);
}

#[tokio::test]
async fn equal_numbers_are_kept_or_replaced_as_the_setting_says() {
    let world = connected().await;
    let named = |name: &str| object(ORG, "a", 1, json!({ "displayName": name }));
    let name = async || {
        let read = world.service.object(&world.caller, None, ORG, "a").await.unwrap();
        let read: Value = serde_json::from_str(&read).unwrap();
        read["displayName"].as_str().unwrap().to_owned()
    };
    set(&world.service, &world.caller, &[named("one"), named("two")]).await;
    assert_eq!(name().await, "one");
    let replacing = replacing(&world);
    set(&replacing, &world.caller, &[named("three"), named("four")]).await;
    assert_eq!(name().await, "four");
    set(&replacing, &world.caller, &[object(ORG, "a", 0, json!({}))]).await;
    assert_eq!(name().await, "four");
    let reasons: Vec<_> = story(&world, "a")
        .await
        .writes
        .iter()
        .map(|write| write.reason)
        .collect();
    assert_eq!(
        reasons,
        [Reason::Lower, Reason::EqualDifferent, Reason::EqualDifferent]
    );
}

#[tokio::test]
async fn the_story_tells_why_a_value_won() {
    let world = connected().await;
    set(&world.service, &world.caller, &[org("a", 5)]).await;
    let changed = object(ORG, "a", 5, json!({ "description": "changed" }));
    set(&world.service, &world.caller, &[org("a", 5)]).await;
    set(&world.service, &world.caller, &[changed, org("a", 4)]).await;
    delete(&world, &["a"], None).await;
    set(&world.service, &world.caller, &[org("a", 1)]).await;
    let told = story(&world, "a").await;
    let lines: Vec<_> = told
        .writes
        .iter()
        .map(|write| (write.number, write.sequence, write.stored_sequence, write.reason))
        .collect();
    assert_eq!(
        lines,
        [
            (4, 1, 5, Reason::TombstoneNewer),
            (3, 4, 5, Reason::Lower),
            (2, 5, 5, Reason::EqualDifferent),
            (1, 5, 5, Reason::EqualSame),
        ]
    );
    assert_eq!(
        (told.standing.sequence, told.standing.deleted_at.is_some()),
        (5, true)
    );
    // It is bounded, within a request and over many.
    let many: Vec<_> = (0..100).map(|_| org("a", 0)).collect();
    set(&world.service, &world.caller, &many).await;
    set(&world.service, &world.caller, &[org("a", 2)]).await;
    let told = story(&world, "a").await;
    let numbers: Vec<_> = told.writes.iter().map(|write| write.number).collect();
    assert_eq!(
        (told.standing.kept_back, numbers),
        (105, (86..=105).rev().collect())
    );
    assert_eq!(told.writes[0].sequence, 2);
}

#[tokio::test]
async fn one_bad_object_is_rejected_alone() {
    let world = connected().await;
    let mut objects: Vec<_> = (0..100).map(|n| org(&format!("o{n}"), 1)).collect();
    objects[41]["url"] = json!("nowhere");
    objects[41]["displayName"] = Value::Null;
    let request = read(&json!({ "objects": objects }), SetObjects::read);
    let outcome = world.service.set_objects(&world.caller, request).await.unwrap();
    assert_eq!(outcome.accepted.len(), 99);
    let [(41, rejected)] = &outcome.rejected[..] else {
        panic!("{:?}", outcome.rejected)
    };
    let keys: Vec<_> = rejected
        .problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(keys, ["displayName", "url"]);
    assert_eq!(number(&world, ORG, "o40").await, Some(1));
    assert_eq!(number(&world, ORG, "o41").await, None);
}

/// Whatever the order, and however many write at once, the greatest number stands at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_end_at_the_greatest_number() {
    const WRITERS: i64 = 12;
    let world = Arc::new(connected().await);
    let services = [Arc::clone(&world.service), world.another(5).await];
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (service, caller) = (Arc::clone(&services[writer as usize % 2]), world.caller.clone());
            tokio::spawn(async move {
                for round in 0..6 {
                    // Each in an order of its own, so that careless locks would meet crosswise.
                    let mut objects: Vec<_> = (0..20)
                        .map(|n| org(&format!("o{n}"), (writer * 7 + round * 5 + n * 3) % 97))
                        .collect();
                    objects.rotate_left(writer as usize);
                    set(&service, &caller, &objects).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 0..20 {
        let all =
            (0..WRITERS).flat_map(|writer| (0..6).map(move |round| (writer * 7 + round * 5 + n * 3) % 97));
        assert_eq!(number(&world, ORG, &format!("o{n}")).await, all.max(), "o{n}");
    }
}

/// What an earlier run left is deleted by its tag while a newer run writes the same objects: whichever comes
/// first, the newer ones are there in the end.
#[tokio::test]
async fn a_delete_by_tag_takes_nothing_that_was_written_anew() {
    let world = Arc::new(connected().await);
    let tagged = |n: i64, sequence: i64, run: &str| {
        object(
            ORG,
            &format!("o{n}"),
            sequence,
            json!({ "properties": { "run": run } }),
        )
    };
    for round in 0..15 {
        let (old, new) = (10 * round + 1, 10 * round + 2);
        let before: Vec<_> = (0..20).map(|n| tagged(n, old, "old")).collect();
        set(&world.service, &world.caller, &before).await;
        let after: Vec<_> = (0..20).map(|n| tagged(n, new, "new")).collect();
        let writing = tokio::spawn({
            let world = Arc::clone(&world);
            async move { set(&world.service, &world.caller, &after).await }
        });
        let deleting = tokio::spawn({
            let world = Arc::clone(&world);
            async move {
                let body = json!({ "objectType": ORG.name(), "properties": { "run": "old" } });
                let request = read(&body, DeleteByProperties::read);
                world.service.delete_by_properties(&world.caller, request).await
            }
        });
        writing.await.unwrap();
        deleting.await.unwrap().unwrap();
        for n in 0..20 {
            assert_eq!(
                number(&world, ORG, &format!("o{n}")).await,
                Some(new),
                "o{n} in round {round}"
            );
        }
    }
}

/// What a connector may do in a minute is counted for each token and each operation.
#[tokio::test]
async fn a_minute_takes_as_much_as_the_setting_says() {
    let world = connected().await;
    let limits = "setObjects=100,setObjectsBackfill=200,getObjectByExternalId=2,deleteObjectsByProperties=1,\
         deleteObjectsByExternalId=100,setUsers=100,deleteGroupsByExternalId=100,getUserByExternalId=1";
    let settings = Settings {
        connector_limits: Rates::parse(limits).unwrap(),
        ..Settings::default()
    };
    let service = with(&world, settings);
    let hundred: Vec<_> = (0..100).map(|n| org(&format!("o{n}"), 1)).collect();
    let send = async |caller: &Caller, objects: &[Value], operation_type: &str| {
        let body = json!({ "objects": objects, "operationType": operation_type });
        service
            .set_objects(caller, read(&body, SetObjects::read))
            .await
            .map(drop)
    };
    let refused = |result: Result<(), Error>, name: &str, most: i64, seconds: u64| match result {
        Err(Error::Rejected(Rejection::TooFast {
            operation,
            limit,
            wait,
        })) => {
            assert_eq!(
                (operation, limit, wait),
                (name, most, Duration::from_secs(seconds))
            );
        }
        other => panic!("{other:?}"),
    };
    let other = Caller {
        token_id: "other".to_owned(),
        ..world.caller.clone()
    };
    // Objects are counted, those that are rejected too; not requests.
    send(&world.caller, &hundred[..60], "NORMAL").await.unwrap();
    world.clock.advance(Duration::from_secs(20));
    send(&world.caller, &[json!({})], "NORMAL").await.unwrap();
    refused(
        send(&world.caller, &hundred[..40], "NORMAL").await,
        "setObjects",
        100,
        40,
    );
    // What is refused is refused as a whole, and not counted.
    send(&world.caller, &hundred[60..99], "NORMAL").await.unwrap();
    refused(
        send(&world.caller, &hundred[99..], "NORMAL").await,
        "setObjects",
        100,
        40,
    );
    assert_eq!(number(&world, ORG, "o99").await, None);
    // Another token, what is brought once, other operations: all are counted apart.
    send(&other, &hundred, "NORMAL").await.unwrap();
    for _ in 0..2 {
        send(&world.caller, &hundred, "BACKFILL").await.unwrap();
    }
    refused(
        send(&world.caller, &hundred[..1], "BACKFILL").await,
        "setObjectsBackfill",
        200,
        60,
    );
    for _ in 0..2 {
        service.object(&world.caller, None, ORG, "o1").await.unwrap();
    }
    let third = service.object(&world.caller, None, ORG, "o1").await.map(drop);
    refused(third, "getObjectByExternalId", 2, 60);
    let by_tag = async || {
        let body = json!({ "objectType": ORG.name(), "properties": { "a": "b" } });
        let request = read(&body, DeleteByProperties::read);
        service
            .delete_by_properties(&world.caller, request)
            .await
            .map(drop)
    };
    by_tag().await.unwrap();
    refused(by_tag().await, "deleteObjectsByProperties", 1, 60);
    let ids: Vec<_> = (0..60).map(|n| format!("o{n}")).collect();
    let delete = async || {
        let body = json!({ "objectType": ORG.name(), "externalIds": ids });
        let request = read(&body, DeleteObjects::read);
        service.delete_objects(&world.caller, request).await.map(drop)
    };
    delete().await.unwrap();
    refused(delete().await, "deleteObjectsByExternalId", 100, 60);
    let delete = async || {
        let ids = read(&json!({ "externalIds": ids }), ExternalIds::read);
        service.delete_groups(&world.caller, ids).await.map(drop)
    };
    delete().await.unwrap();
    refused(delete().await, "deleteGroupsByExternalId", 100, 60);
    let users = async || {
        let users: Vec<_> = ids.iter().map(|id| json!({ "externalId": id })).collect();
        let users = read(&json!({ "users": users }), SetPeople::<User>::read);
        service.set_users(&world.caller, users).await.map(drop)
    };
    users().await.unwrap();
    refused(users().await, "setUsers", 100, 60);
    // What has no limit has none.
    for _ in 0..5 {
        let ids = read(&json!({ "externalIds": ids }), ExternalIds::read);
        service.delete_users(&world.caller, ids).await.unwrap();
    }
    // The minute of each began with its first request.
    world.clock.advance(Duration::from_millis(39_999));
    let last = send(&world.caller, &hundred[..1], "NORMAL").await;
    assert!(
        matches!(last, Err(Error::Rejected(Rejection::TooFast { wait, .. })) if wait == Duration::from_millis(1))
    );
    world.clock.advance(Duration::from_millis(1));
    send(&world.caller, &hundred, "NORMAL").await.unwrap();
    refused(by_tag().await, "deleteObjectsByProperties", 1, 20);
    // A clock that is set back changes nothing.
    world.clock.set(Timestamp(0));
    world.clock.advance(Duration::from_secs(20));
    by_tag().await.unwrap();
}

/// Objects that get the tag while others are deleted by it do not keep the delete from ending.
#[tokio::test]
async fn a_delete_by_tag_ends_beside_writers_that_tag_anew() {
    const WRITERS: usize = 8;
    let world = Arc::new(connected().await);
    let tagged = |id: &str| object(ORG, id, 1, json!({ "properties": { "run": "old" } }));
    for hundred in 0..11 {
        let objects: Vec<_> = (0..100).map(|n| tagged(&format!("o{hundred}-{n}"))).collect();
        set(&world.service, &world.caller, &objects).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    // What they write between two transactions of the delete is more than one of these takes.
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (world, is_over) = (Arc::clone(&world), Arc::clone(&is_over));
            tokio::spawn(async move {
                for round in 0.. {
                    let objects: Vec<_> = (0..100)
                        .map(|n| tagged(&format!("p{round}-{writer}-{n}")))
                        .collect();
                    set(&world.service, &world.caller, &objects).await;
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();
    let body = json!({ "objectType": ORG.name(), "properties": { "run": "old" } });
    let request = read(&body, DeleteByProperties::read);
    let deleting = world.service.delete_by_properties(&world.caller, request);
    let deleted = tokio::time::timeout(Duration::from_secs(60), deleting).await;
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let deleted = deleted.expect("the delete ends").unwrap();
    assert!(deleted >= 1_100, "{deleted}");
    for n in 0..100 {
        assert_eq!(number(&world, ORG, &format!("o10-{n}")).await, None);
    }
}

#[tokio::test]
async fn types_connections_and_tenants_are_apart() {
    let world = connected().await;
    let other = connection(&world, "other").await;
    let all = world.service.connections(world.tenant).await.unwrap();
    let first = all[0].id.clone();
    assert_eq!((all.len(), &all[1].id), (2, &other));
    set_in(
        &world.service,
        &world.caller,
        Some(&first.to_ascii_uppercase()),
        &[org("a", 1)],
    )
    .await;
    set_in(&world.service, &world.caller, Some(&other), &[org("a", 9)]).await;
    let organisation = object(ObjectType::Organisation, "a", 4, json!({}));
    set_in(&world.service, &world.caller, Some(&first), &[organisation]).await;
    let number = async |connection: &str, object_type| {
        let read = world
            .service
            .object(&world.caller, Some(connection), object_type, "a")
            .await;
        let read: Value = serde_json::from_str(&read.unwrap()).unwrap();
        read["updateSequenceNumber"].as_i64().unwrap()
    };
    assert_eq!(number(&first, ORG).await, 1);
    assert_eq!(number(&other, ORG).await, 9);
    assert_eq!(number(&first, ObjectType::Organisation).await, 4);
    // With two connections one must be named.
    let unnamed = world.service.object(&world.caller, None, ORG, "a").await;
    assert_invalid(unnamed, "connectionId", "is required");
    // Another tenant meets this connection as one that does not exist.
    let stranger = stranger(&world).await;
    let nobody = "01900000-0000-7000-8000-000000000000";
    for id in [first.as_str(), nobody, "no\0thing"] {
        let body = json!({ "objects": [org("a", 99)], "connectionId": id.replace('\0', "") });
        let refused = world
            .service
            .set_objects(&stranger, read(&body, SetObjects::read))
            .await;
        assert_eq!(
            refused.unwrap_err(),
            Error::Rejected(Rejection::NotThere(Thing::Connection))
        );
        let refused = world.service.object(&stranger, Some(id), ORG, "a").await;
        assert_eq!(
            refused.unwrap_err(),
            Error::Rejected(Rejection::NotThere(Thing::Connection))
        );
        let refused = world.service.delete_connection(stranger.tenant, id).await;
        assert_eq!(
            refused.unwrap_err(),
            Error::Rejected(Rejection::NotThere(Thing::Connection))
        );
    }
    assert_invalid(
        world.service.object(&stranger, None, ORG, "a").await,
        "connectionId",
        "is required",
    );
    assert_eq!(number(&first, ORG).await, 1);
}

#[tokio::test]
async fn a_deleted_connection_takes_all_its_data_along() {
    let world = connected().await;
    let gone = world.service.connections(world.tenant).await.unwrap()[0]
        .id
        .clone();
    let kept = connection(&world, "kept").await;
    for id in [&gone, &kept] {
        let objects: Vec<_> = (0..100)
            .map(|n| object(ORG, &format!("o{n}"), 1, json!({ "properties": { "a": "b" } })))
            .collect();
        for _ in 0..2 {
            set_in(&world.service, &world.caller, Some(id), &objects).await;
        }
        set_people(&world, Some(id)).await;
    }
    world
        .service
        .delete_connection(world.tenant, &gone)
        .await
        .unwrap();
    let refused = world.service.object(&world.caller, Some(&gone), ORG, "o1").await;
    assert_eq!(
        refused.unwrap_err(),
        Error::Rejected(Rejection::NotThere(Thing::Connection))
    );
    assert_eq!(
        visible(&world, "acc", VisibleQuery::default())
            .await
            .objects
            .len(),
        100
    );
    while world.service.sweep_once().await.unwrap() {}
    assert!(!world.service.sweep_once().await.unwrap());
    // What is left is the other's, and a new connection begins with nothing.
    assert_eq!(number(&world, ORG, "o1").await, Some(1));
    assert!(
        world
            .service
            .connector_group(&world.caller, None, "g")
            .await
            .is_ok()
    );
    let new = connection(&world, "new").await;
    set_in(&world.service, &world.caller, Some(&new), &[org("o1", 0)]).await;
    let read = world.service.object(&world.caller, Some(&new), ORG, "o1").await;
    assert!(read.unwrap().contains("o1 at 0"));
}

/// User u, in group g, is the account acc.
async fn set_people(world: &World, connection: Option<&str>) {
    let users = json!({ "users": [{ "externalId": "u" }], "connectionId": connection });
    let users = read(&users, SetPeople::<User>::read);
    world.service.set_users(&world.caller, users).await.unwrap();
    let members = json!([{ "externalId": "u", "type": "USER" }]);
    let groups = json!({ "groups": [{ "externalId": "g", "members": members }], "connectionId": connection });
    let groups = read(&groups, SetPeople::<Group>::read);
    world.service.set_groups(&world.caller, groups).await.unwrap();
    map(
        world,
        connection,
        json!({ "externalId": "u", "accountId": "acc" }),
    )
    .await;
}

async fn map(world: &World, connection: Option<&str>, mut mapping: Value) {
    if mapping["updateSequenceNumber"].is_null() {
        mapping["updateSequenceNumber"] = json!(1);
    }
    mapping["updatedAt"] = json!(1_767_225_600_000_i64);
    let body = json!({ "directMappings": [mapping], "connectionId": connection });
    let mappings = read(&body, SetPeople::<Mapping>::read);
    let outcome = world.service.map_users(&world.caller, mappings).await.unwrap();
    assert_eq!(outcome.rejected, []);
}

async fn visible(world: &World, account: &str, query: VisibleQuery<'_>) -> VisiblePage {
    let caller = Caller {
        account: Some(account.to_owned()),
        ..world.caller.clone()
    };
    world.service.visible_objects(&caller, query).await.unwrap()
}

/// The ids of what an account may see.
async fn seen(world: &World, account: &str) -> Vec<String> {
    let page = visible(world, account, VisibleQuery::default()).await;
    let id = |object: &String| {
        let object: Value = serde_json::from_str(object).unwrap();
        object["id"].as_str().unwrap().to_owned()
    };
    page.objects.iter().map(id).collect()
}

fn for_readers(id: &str, access_controls: Value) -> Value {
    object(ORG, id, 1, json!({ "permissions": readers(access_controls) }))
}

#[tokio::test]
async fn access_controls_combine_with_and_principals_with_or() {
    let world = connected().await;
    let user = |id: &str| json!({ "type": "USER", "id": id });
    let group = |id: &str| json!({ "type": "GROUP", "id": id });
    set(
        &world.service,
        &world.caller,
        &[
            for_readers("all", json!([[{ "type": "EVERYONE" }]])),
            for_readers("both", json!([[user("u"), group("g")], [group("h")]])),
            for_readers("either", json!([[user("nobody"), group("g")]])),
            for_readers("none", json!([[]])),
            for_readers("workspace", json!([[{ "type": "ATLASSIAN_WORKSPACE" }]])),
            for_readers("nested", json!([[group("outer")]])),
            object(
                ORG,
                "other-action",
                1,
                json!({ "permissions": [{ "action": "write",
            "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }] }),
            ),
        ],
    )
    .await;
    assert_eq!(seen(&world, "acc").await, ["all", "workspace"]);
    set_people(&world, None).await;
    assert_eq!(seen(&world, "acc").await, ["all", "either", "workspace"]);
    assert_eq!(seen(&world, "other").await, ["all", "workspace"]);
    // Groups in groups, in a circle too.
    let nested = |id: &str, member: &str| json!({ "externalId": id, "members": [{ "externalId": member, "type": "GROUP" }] });
    let groups = json!({ "groups": [nested("h", "g"), nested("outer", "h"), nested("ring", "outer")] });
    world
        .service
        .set_groups(&world.caller, read(&groups, SetPeople::<Group>::read))
        .await
        .unwrap();
    let ring = json!({ "groups": [{ "externalId": "h", "members":
        [{ "externalId": "g", "type": "GROUP" }, { "externalId": "ring", "type": "GROUP" }] }] });
    world
        .service
        .set_groups(&world.caller, read(&ring, SetPeople::<Group>::read))
        .await
        .unwrap();
    assert_eq!(
        seen(&world, "acc").await,
        ["all", "both", "either", "nested", "workspace"]
    );
    // Deleting the group ends what it granted, at once.
    let ids = read(&json!({ "externalIds": ["h", "nobody"] }), ExternalIds::read);
    let deleted = world.service.delete_groups(&world.caller, ids).await.unwrap();
    assert_eq!(
        deleted.iter().map(|(_, found)| *found).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(seen(&world, "acc").await, ["all", "either", "workspace"]);
    let ids = read(&json!({ "externalIds": ["u"] }), ExternalIds::read);
    world.service.delete_users(&world.caller, ids).await.unwrap();
    assert_eq!(seen(&world, "acc").await, ["all", "workspace"]);
    // The user and its mapping come back, its membership does not.
    set(
        &world.service,
        &world.caller,
        &[for_readers("mine", json!([[user("u")]]))],
    )
    .await;
    map(
        &world,
        None,
        json!({ "externalId": "u", "accountId": "acc", "updateSequenceNumber": 0 }),
    )
    .await;
    assert_eq!(
        seen(&world, "acc").await,
        ["all", "workspace"],
        "an older mapping stays deleted"
    );
    map(
        &world,
        None,
        json!({ "externalId": "u", "accountId": "acc", "updateSequenceNumber": 2 }),
    )
    .await;
    assert_eq!(seen(&world, "acc").await, ["all", "mine", "workspace"]);
}

#[tokio::test]
async fn accounts_are_found_by_mapping_and_by_email() {
    let world = connected().await;
    set(
        &world.service,
        &world.caller,
        &[for_readers("mine", json!([[{ "type": "USER", "id": "u" }]]))],
    )
    .await;
    let users = json!({ "users": [{ "externalId": "u", "emails": [{ "value": "Ann@Example.com" }] }] });
    world
        .service
        .set_users(&world.caller, read(&users, SetPeople::<User>::read))
        .await
        .unwrap();
    let customer = world.customer("ann@example.com").await;
    for account in ["ANN@example.com", customer.as_str()] {
        assert_eq!(seen(&world, account).await, ["mine"], "{account}");
    }
    assert!(seen(&world, "bob@example.com").await.is_empty());
    // A mapping decides for its user: the emails of the user are then asked no more.
    map(
        &world,
        None,
        json!({ "externalId": "u", "email": "Bob@example.com", "updateSequenceNumber": 3 }),
    )
    .await;
    assert_eq!(seen(&world, "bob@example.com").await, ["mine"]);
    assert!(seen(&world, &customer).await.is_empty());
    map(
        &world,
        None,
        json!({ "externalId": "u", "accountId": "acc", "updateSequenceNumber": 2 }),
    )
    .await;
    assert!(
        seen(&world, "acc").await.is_empty(),
        "an older mapping changes nothing"
    );
    map(
        &world,
        None,
        json!({ "externalId": "u", "accountId": "acc", "updateSequenceNumber": 4 }),
    )
    .await;
    assert_eq!(seen(&world, "acc").await, ["mine"]);
    assert!(seen(&world, "bob@example.com").await.is_empty());
    // An account is needed.
    let refused = world
        .service
        .visible_objects(&world.caller, VisibleQuery::default())
        .await;
    assert_eq!(refused.unwrap_err(), Error::Rejected(Rejection::NoAccount));
}

#[tokio::test]
async fn containers_admit_as_far_as_they_reach() {
    let world = connected().await;
    let inside = |id: &str, container: &str| {
        let permissions = readers(json!([[{ "type": "CONTAINER" }]]));
        object(
            ORG,
            id,
            1,
            json!({ "permissions": permissions, "containerKey": key(ORG, container) }),
        )
    };
    let mut objects = vec![
        for_readers("root", json!([[{ "type": "EVERYONE" }]])),
        inside("below", "root"),
        inside("lost", "nowhere"),
        inside("ring1", "ring2"),
        inside("ring2", "ring1"),
        inside("self", "self"),
        object(
            ORG,
            "alone",
            1,
            json!({ "permissions": readers(json!([[{ "type": "CONTAINER" }]])) }),
        ),
        for_readers("shut", json!([[{ "type": "USER", "id": "x" }]])),
        inside("in-shut", "shut"),
    ];
    objects.extend((0..40).map(|n| {
        inside(
            &format!("deep{n:02}"),
            &match n {
                0 => "root".to_owned(),
                n => format!("deep{:02}", n - 1),
            },
        )
    }));
    set(&world.service, &world.caller, &objects).await;
    let mut wanted = vec!["below".to_owned()];
    wanted.extend((0..32).map(|n| format!("deep{n:02}")));
    wanted.push("root".into());
    assert_eq!(seen(&world, "acc").await, wanted);
    delete(&world, &["root"], None).await;
    assert!(seen(&world, "acc").await.is_empty());
}

#[tokio::test]
async fn pages_hold_what_may_be_seen_and_end_early_among_what_may_not() {
    let world = connected().await;
    let shut = json!([[{ "type": "USER", "id": "x" }]]);
    let open = json!([[{ "type": "EVERYONE" }]]);
    for hundred in 0..25 {
        let objects: Vec<_> = (0..100)
            .map(|n| {
                let n = hundred * 100 + n;
                let readers = if n % 500 == 499 { &open } else { &shut };
                for_readers(&format!("o{n:04}"), readers.clone())
            })
            .collect();
        set(&world.service, &world.caller, &objects).await;
    }
    delete(&world, &["o0999"], None).await;
    let sensitive = object(
        ObjectType::Organisation,
        "s",
        1,
        json!({
        "atlassian:organisation": { "customAndSensitiveData": "secret" } }),
    );
    set(&world.service, &world.caller, &[sensitive]).await;
    let (mut cursor, mut found, mut pages, mut short) = (None, Vec::new(), 0, 0);
    loop {
        let query = VisibleQuery {
            cursor: cursor.as_deref(),
            limit: Some(2),
            ..VisibleQuery::default()
        };
        let page = visible(&world, "acc", query).await;
        assert!(page.objects.len() <= 2 && !page.objects.concat().contains("secret"));
        pages += 1;
        short += usize::from(page.objects.len() < 2 && page.next.is_some());
        found.extend(page.objects);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ids: Vec<_> = found
        .iter()
        .map(|object| serde_json::from_str::<Value>(object).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["s", "o0499", "o1499", "o1999", "o2499"]);
    assert!((3..=5).contains(&pages), "{pages} pages, {short} short");
    let only = VisibleQuery {
        object_type: Some(ObjectType::Organisation),
        ..VisibleQuery::default()
    };
    let page = visible(&world, "acc", only).await;
    assert_eq!((page.objects.len(), page.next), (1, None));
}

/// A cursor stands at an object that its reader may not see. It tells nothing of it, and nobody can make one.
#[tokio::test]
async fn cursors_tell_nothing_and_cannot_be_made() {
    let world = connected().await;
    let shut = json!([[{ "type": "USER", "id": "x" }]]);
    // So many that a page ends among them; their ids differ in length.
    for hundred in 0..25 {
        let hidden = |n: i64| {
            for_readers(
                &format!("o{}-{}", 100 * hundred + n, "x".repeat(n as usize)),
                shut.clone(),
            )
        };
        let objects: Vec<_> = (0..100).map(hidden).collect();
        set(&world.service, &world.caller, &objects).await;
    }
    let as_account = |account: &str| Caller {
        account: Some(account.to_owned()),
        ..world.caller.clone()
    };
    let first = visible(&world, "acc", VisibleQuery::default()).await;
    let (sealed, again) = (
        first.next.unwrap(),
        visible(&world, "acc", VisibleQuery::default())
            .await
            .next
            .unwrap(),
    );
    assert_eq!((first.objects.len(), sealed.len()), (0, again.len()));
    // Neither the id nor that it is the same place can be seen.
    assert_ne!(sealed, again);
    let (sealed_bytes, again_bytes) = (sealed.as_bytes(), again.as_bytes());
    let same = sealed_bytes
        .iter()
        .zip(again_bytes)
        .filter(|(one, other)| one == other)
        .count();
    assert!(
        same < sealed.len() / 4,
        "{same} of {} digits are the same",
        sealed.len()
    );
    // Another server goes on with it.
    let query = VisibleQuery {
        cursor: Some(&sealed),
        ..VisibleQuery::default()
    };
    let other = world.another(9).await;
    let next = other
        .visible_objects(&as_account("acc"), query.clone())
        .await
        .unwrap();
    assert_eq!(
        next,
        VisiblePage {
            objects: vec![],
            next: None
        }
    );
    // Nobody else does, nor with other filters, nor with one that was made or changed.
    let elsewhere = Caller {
        account: Some("acc".to_owned()),
        ..stranger(&world).await
    };
    let connections = world.service.connections(world.tenant).await.unwrap();
    let filtered = [
        VisibleQuery {
            object_type: Some(ORG),
            ..query.clone()
        },
        VisibleQuery {
            connection_id: Some(&connections[0].id),
            ..query.clone()
        },
    ];
    let mut changed = sealed.clone();
    changed.replace_range(100..101, if sealed.as_bytes()[100] == b'0' { "1" } else { "0" });
    let made = [
        "",
        "1.1.6f",
        "00",
        changed.as_str(),
        &sealed[..sealed.len() - 2],
        &"0".repeat(sealed.len()),
    ];
    let made = made.map(|cursor| VisibleQuery {
        cursor: Some(cursor),
        ..VisibleQuery::default()
    });
    for (caller, query) in [(as_account("other"), query.clone()), (elsewhere, query)]
        .into_iter()
        .chain(
            filtered
                .into_iter()
                .chain(made)
                .map(|query| (as_account("acc"), query)),
        )
    {
        let refused = world.service.visible_objects(&caller, query).await;
        assert_invalid(refused, "cursor", "is no cursor of this list");
    }
}

/// Connections that hold few objects each are looked at within the same bounds as one that holds many.
#[tokio::test]
async fn a_page_ends_early_among_many_connections_too() {
    let world = World::new().await;
    let shut = json!([[{ "type": "USER", "id": "x" }]]);
    let objects: Vec<_> = (0..90)
        .map(|n| for_readers(&format!("o{n}"), shut.clone()))
        .collect();
    for number in 0..30 {
        let connection = connection(&world, &format!("c{number}")).await;
        set_in(&world.service, &world.caller, Some(&connection), &objects).await;
    }
    let last = connection(&world, "last").await;
    set_in(&world.service, &world.caller, Some(&last), &[org("a", 1)]).await;
    let first = visible(&world, "acc", VisibleQuery::default()).await;
    assert_eq!(first.objects.len(), 0);
    let query = VisibleQuery {
        cursor: first.next.as_deref(),
        ..VisibleQuery::default()
    };
    let second = visible(&world, "acc", query).await;
    assert_eq!((second.objects.len(), second.next), (1, None));
}

async fn tree(world: &World, object_type: ObjectType, id: &str, depth: i64) -> ObjectTree {
    let tree = world
        .service
        .object_tree(&world.caller, None, (object_type, id), Some(depth))
        .await;
    tree.unwrap()
}

#[tokio::test]
async fn trees_grow_in_any_order_and_survive_circles() {
    let world = connected().await;
    let below = |id: &str, parent: &str| {
        object(
            ObjectType::Organisation,
            id,
            1,
            json!({ "parentKey": key(ObjectType::Organisation, parent) }),
        )
    };
    // Children first; the parent of all is never sent.
    set(
        &world.service,
        &world.caller,
        &[
            below("c", "b"),
            below("d", "c"),
            below("b", "a"),
            below("self", "self"),
        ],
    )
    .await;
    let told = |tree: &ObjectTree| -> Vec<(i64, String)> {
        let told = tree.descendants.iter();
        told.map(|one| (one.depth, one.child.object.id.1.clone()))
            .collect()
    };
    let of = ObjectType::Organisation;
    let from_b = tree(&world, of, "b", 9).await;
    assert_eq!(told(&from_b), [(1, "c".into()), (2, "d".into())]);
    let parent = from_b.parent.unwrap();
    assert_eq!((parent.id.as_str(), parent.display_name), ("a", None));
    assert_eq!(told(&tree(&world, of, "b", 1).await), [(1, "c".into())]);
    assert_eq!(told(&tree(&world, of, "b", 0).await), []);
    assert_eq!(told(&tree(&world, of, "self", 9).await), []);
    let missing = world
        .service
        .object_tree(&world.caller, None, (of, "a"), None)
        .await;
    assert_eq!(
        missing.unwrap_err(),
        Error::Rejected(Rejection::NotThere(Thing::Object))
    );
    // A circle.
    set(&world.service, &world.caller, &[below("a", "d")]).await;
    let around = tree(&world, of, "a", 32).await;
    assert_eq!(told(&around), [(1, "b".into()), (2, "c".into()), (3, "d".into())]);
    // A newer write without a parent stands alone.
    set(
        &world.service,
        &world.caller,
        &[object(of, "b", 2, json!({ "parentKey": null }))],
    )
    .await;
    assert_eq!(told(&tree(&world, of, "a", 32).await), []);
}

#[tokio::test]
async fn categories_are_named_in_three_ways() {
    let world = connected().await;
    let category = ObjectType::CustomerOrgCategory;
    let associated = |values: Value| json!({ "associations": [{ "associationType": "atlassian:customer-org-category", "values": values }] });
    set(
        &world.service,
        &world.caller,
        &[
            object(category, "c", 1, json!({})),
            object(ORG, "by-name", 1, associated(json!(["c", "d"]))),
            object(ORG, "by-key", 1, associated(json!([{ "entityId": "c" }]))),
            object(
                ORG,
                "in-container",
                1,
                json!({ "containerKey": key(category, "c") }),
            ),
            object(ORG, "in-parent", 1, json!({ "parentKey": key(category, "c") })),
            org("in-none", 1),
        ],
    )
    .await;
    let members = async || {
        let tree = tree(&world, category, "c", 0).await;
        let ids = tree.members.into_iter().map(|member| member.id.1);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        members().await,
        ["by-key", "by-name", "in-container", "in-parent"]
    );
    let categories = tree(&world, ORG, "by-name", 0).await.categories;
    let told: Vec<_> = categories
        .iter()
        .map(|one| (one.id.as_str(), one.display_name.as_deref()))
        .collect();
    assert_eq!(told, [("c", Some("c at 1")), ("d", None)]);
    set(&world.service, &world.caller, &[org("by-name", 2)]).await;
    delete(&world, &["by-key"], None).await;
    assert_eq!(members().await, ["in-container", "in-parent"]);
}

/// Ids of 1,024 characters of four bytes, alike to the last one: more than an index takes.
#[tokio::test]
async fn long_ids_are_ids_like_others() {
    let world = connected().await;
    let ids = ["x", "y"].map(|last| format!("{}{last}", "𝕏".repeat(1_023)));
    let child = object(
        ORG,
        &ids[1],
        2,
        json!({ "parentKey": key(ORG, &ids[0]), "properties": { "k": "v" } }),
    );
    set(&world.service, &world.caller, &[org(&ids[0], 1), child]).await;
    assert_eq!(number(&world, ORG, &ids[0]).await, Some(1));
    assert_eq!(number(&world, ORG, &ids[1]).await, Some(2));
    let below = tree(&world, ORG, &ids[0], 1).await.descendants;
    assert_eq!(below[0].child.object.id.1, ids[1]);
    let user = json!({ "externalId": ids[0], "emails": [{ "value": "long@example.com" }] });
    let users = read(&json!({ "users": [user] }), SetPeople::<User>::read);
    world.service.set_users(&world.caller, users).await.unwrap();
    set(
        &world.service,
        &world.caller,
        &[for_readers("mine", json!([[{ "type": "USER", "id": ids[0] }]]))],
    )
    .await;
    assert!(
        seen(&world, "long@example.com")
            .await
            .contains(&"mine".to_owned())
    );
    assert_eq!(delete(&world, &[&ids[0]], None).await, [true]);
    assert_eq!(number(&world, ORG, &ids[1]).await, Some(2));
}

#[tokio::test]
async fn groups_keep_their_members_when_none_are_told() {
    let world = connected().await;
    let set = async |group: Value| {
        let groups = read(&json!({ "groups": [group] }), SetPeople::<Group>::read);
        world.service.set_groups(&world.caller, groups).await.unwrap();
    };
    let members = async || {
        world
            .service
            .connector_group(&world.caller, None, "g")
            .await
            .unwrap()
            .members
            .len()
    };
    let two = json!([{ "externalId": "u" }, { "externalId": "v" }]);
    set(json!({ "externalId": "g", "updateSequenceNumber": 5, "members": two })).await;
    set(json!({ "externalId": "g", "displayName": "G", "updateSequenceNumber": 6 })).await;
    assert_eq!(members().await, 2);
    set(json!({ "externalId": "g", "updateSequenceNumber": 4, "members": [] })).await;
    assert_eq!(members().await, 2, "an older write changes nothing");
    // One without a number always replaces, and does not make older ones win again.
    set(json!({ "externalId": "g", "members": [{ "externalId": "w" }] })).await;
    assert_eq!(members().await, 1);
    set(json!({ "externalId": "g", "updateSequenceNumber": 5, "members": [] })).await;
    assert_eq!(members().await, 1);
}

#[tokio::test]
async fn tombstones_are_kept_for_thirty_days() {
    let world = connected().await;
    set(&world.service, &world.caller, &[org("a", 5), org("b", 5)]).await;
    set_people(&world, None).await;
    delete(&world, &["a"], None).await;
    let ids = read(&json!({ "externalIds": ["u"] }), ExternalIds::read);
    world.service.delete_users(&world.caller, ids).await.unwrap();
    set(&world.service, &world.caller, &[org("a", 1)]).await;
    let day = Duration::from_secs(24 * 60 * 60);
    world.clock.advance(day * 30);
    assert!(!world.service.purge_tombstones_once().await.unwrap());
    set(&world.service, &world.caller, &[org("a", 2)]).await;
    assert_eq!(number(&world, ORG, "a").await, None);
    world.clock.advance(Duration::from_secs(1));
    while world.service.purge_tombstones_once().await.unwrap() {}
    let gone = world.service.object_story(&world.caller, None, ORG, "a").await;
    assert_eq!(
        gone.unwrap_err(),
        Error::Rejected(Rejection::NotThere(Thing::Object))
    );
    set(&world.service, &world.caller, &[org("a", 1)]).await;
    assert_eq!(
        (
            number(&world, ORG, "a").await,
            story(&world, "a").await.writes.len()
        ),
        (Some(1), 0)
    );
    assert_eq!(number(&world, ORG, "b").await, Some(5));
    // The mapping's tombstone held it back until now.
    map(
        &world,
        None,
        json!({ "externalId": "u", "accountId": "acc", "updateSequenceNumber": 0 }),
    )
    .await;
    set(
        &world.service,
        &world.caller,
        &[for_readers("mine", json!([[{ "type": "USER", "id": "u" }]]))],
    )
    .await;
    assert!(seen(&world, "acc").await.contains(&"mine".to_owned()));
}
