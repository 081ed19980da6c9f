//! PostgreSQL alone: units of work that wait for each other, callers that leave, connections that are
//! lost, servers that die. Long, because each needs a scene of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use guildhall_domain::task::{TaskStatus, TaskType};
use guildhall_domain::{Definitions, EntityKind, FieldId, FieldType, OrganizationId, TenantId};
use guildhall_storage::{
    ChunkMark, ConnectionRow, Counter, Links, Location, NewTask, Store, StoreError, Sweep,
};
use guildhall_testkit::{Cluster, ClusterOptions, Database};
use tokio::sync::Notify;

use crate::backend::{open_at, postgres_database, runtime};
use crate::sample::{NOW, customer, definitions, field, organization, tenant, values, write};
use crate::transactions::{add, there};

/// How soon a store works again after its database does.
const SOON: Duration = Duration::from_secs(5);

async fn store_of(url: String) -> Store {
    open_at(&Location::Postgres(url), true).await.unwrap()
}

/// A fresh database, its store and a tenant.
async fn fresh() -> (Database, Store, TenantId) {
    let database = postgres_database();
    let store = store_of(database.url()).await;
    let one = tenant(&store, "one").await;
    (database, store, one)
}

/// Ends all connections to the database but the one that says so.
fn terminate(database: &Database) {
    let ended = database.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert!(ended.contains('t'), "nobody was connected");
}

/// Waits until the store takes writes again.
async fn works_soon(store: &Store, tenant: TenantId, id: i64) {
    let start = Instant::now();
    loop {
        match store.write(tenant, async move |tx| add(tx, id).await).await {
            Ok(()) => return,
            Err(StoreError::Unavailable(_)) if start.elapsed() < SOON => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => panic!("{other:?} after {:?}", start.elapsed()),
        }
    }
}

/// Waits until something is so.
pub async fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Two places where a unit of work and its test meet.
#[derive(Clone, Default)]
struct Meeting {
    reached: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Meeting {
    async fn meet(&self) {
        self.reached.notify_one();
        self.go_on.notified().await;
    }
}

/// Starts a unit that adds organization `id`, meets the test, and then reads, if it is told to.
fn unit(
    store: &Store,
    tenant: TenantId,
    id: i64,
    reads: bool,
) -> (Meeting, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let (meeting, store) = (Meeting::default(), store.clone());
    let inside = meeting.clone();
    let unit = tokio::spawn(async move {
        store
            .write(tenant, async move |tx| {
                add(tx, id).await?;
                // What was added is sent with this at the latest.
                tx.definitions_stamp().await?;
                inside.meet().await;
                if reads {
                    tx.organization(OrganizationId(id)).await?;
                }
                Ok(())
            })
            .await
    });
    (meeting, unit)
}

#[test]
fn servers_that_start_together_migrate_once() {
    runtime().block_on(async {
        let database = Cluster::shared().database();
        let open = || store_of(database.url());
        let (one, two, three) = tokio::join!(open(), open(), open());
        let first = tenant(&one, "first").await;
        write(&two, first, async |tx| add(tx, 1).await).await;
        assert_eq!(there(&three, first).await, [1]);
        database.sql("INSERT INTO schema_version (version, applied_at) VALUES (4711, 0)");
        let newer = open_at(&Location::Postgres(database.url()), true).await;
        let words = newer.map(drop).unwrap_err().to_string();
        assert!(
            words.contains("version 4711") && words.contains("up to "),
            "{words}"
        );
    });
}

#[test]
fn a_caller_that_leaves_holds_nothing() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        let (meeting, unit) = unit(&store, one, 1, false);
        meeting.reached.notified().await;
        unit.abort();
        assert!(unit.await.unwrap_err().is_cancelled());
        // Neither its row nor its lock on the name is left.
        write(&store, one, async |tx| add(tx, 1).await).await;
        assert_eq!(there(&store, one).await, [1]);
    });
}

#[test]
fn a_unit_that_panics_holds_nothing() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        let panicking = store.clone();
        let unit = tokio::spawn(async move {
            let never: Result<(), StoreError> = panicking
                .write(one, async |tx| {
                    add(tx, 1).await?;
                    panic!("on purpose, in a test")
                })
                .await;
            never
        });
        assert!(unit.await.unwrap_err().is_panic());
        write(&store, one, async |tx| add(tx, 1).await).await;
        assert_eq!(there(&store, one).await, [1]);
    });
}

/// A unit that meets another's name waits for its end, and then sees it.
#[test]
fn who_comes_second_sees_the_first() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        let (meeting, first) = unit(&store, one, 1, false);
        meeting.reached.notified().await;
        let second = store.clone();
        let second = tokio::spawn(async move {
            second
                .write(one, async |tx| {
                    let is_there = tx.organization(OrganizationId(1)).await?.is_some();
                    if !is_there {
                        add(tx, 1).await?;
                    }
                    Ok::<_, StoreError>(is_there)
                })
                .await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!second.is_finished(), "it waits");
        meeting.go_on.notify_one();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(second.await.unwrap(), Ok(true));
    });
}

/// Two units that lock the same in different orders: PostgreSQL ends one, and it is run again.
#[test]
fn deadlocks_are_nobodys_errors() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        write(&store, one, async |tx| {
            add(tx, 1).await?;
            add(tx, 2).await
        })
        .await;
        let rename = |first: i64, second: i64, by: &'static str| {
            let store = store.clone();
            async move {
                let renamed: Result<(), StoreError> = store
                    .write(one, async move |tx| {
                        for id in [first, second] {
                            let name = format!("{by} {id}");
                            tx.rename_organization(OrganizationId(id), &name, &name, NOW)
                                .await?;
                            tx.definitions_stamp().await?;
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        Ok(())
                    })
                    .await;
                renamed
            }
        };
        let both = tokio::join!(rename(1, 2, "a"), rename(2, 1, "b"));
        assert_eq!(both, (Ok(()), Ok(())));
        let found = store
            .read(one, async |tx| {
                let first = tx.organization(OrganizationId(1)).await?.unwrap().name;
                let second = tx.organization(OrganizationId(2)).await?.unwrap().name;
                Ok::<_, StoreError>((first, second))
            })
            .await
            .unwrap();
        assert_eq!(
            found.0[..1],
            found.1[..1],
            "one of them has the last word: {found:?}"
        );
    });
}

/// What is locked alone, or shared.
#[derive(Clone, Copy)]
enum Locked {
    Tenant,
    Connection,
}

/// Who wants a tenant alone, or deletes a connection, waits for those that share it, and those that come after wait for
/// it: else some that share it, one after the other, would keep it waiting for ever. One after the other: the locks that
/// are waited for are counted over all databases.
#[test]
fn who_waits_to_be_alone_is_not_passed() {
    line_of(Locked::Tenant);
    line_of(Locked::Connection);
}

fn line_of(locked: Locked) {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        write(&store, one, async |tx| {
            tx.insert_connection(&ConnectionRow {
                number: 1,
                id: "c".to_owned(),
                name: "C".to_owned(),
                created_at: NOW,
            })
            .await
        })
        .await;
        let order = Arc::new(std::sync::Mutex::new(Vec::<u8>::new()));
        let locker = |name: u8, alone: bool| {
            let (meeting, store, order) = (Meeting::default(), store.clone(), Arc::clone(&order));
            let inside = meeting.clone();
            let locker = tokio::spawn(async move {
                write(&store, one, async move |tx| {
                    match (locked, alone) {
                        (Locked::Tenant, true) => tx.lock_tenant().await?,
                        (Locked::Tenant, false) => tx.share_tenant().await?,
                        (Locked::Connection, true) => assert!(tx.delete_connection("c").await?),
                        // The last one finds it gone.
                        (Locked::Connection, false) => assert_eq!(tx.share_connection(1).await?, name == 1),
                    }
                    order.lock().unwrap().push(name);
                    inside.meet().await;
                    Ok(())
                })
                .await;
            });
            (meeting, locker)
        };
        let (first, first_unit) = locker(1, false);
        first.reached.notified().await;
        let (second, second_unit) = locker(2, true);
        until(|| database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1").await;
        let (third, third_unit) = locker(3, false);
        until(|| database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "2").await;
        for meeting in [&first, &second, &third] {
            meeting.go_on.notify_one();
        }
        for unit in [first_unit, second_unit, third_unit] {
            unit.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
    });
}

/// Whoever moves a task's cursor on from where another is about to put it waits for that one. Submits do not wait for
/// either: they lock the tasks, and not the tenant.
#[test]
fn a_cursor_that_is_about_to_be_moved_is_waited_for() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        let task = |id: &str| NewTask {
            id: id.to_owned(),
            task_type: TaskType::OrganizationProfiles,
            idempotency_key: id.to_owned(),
            fingerprint: String::new(),
            submitted_by: String::new(),
            request: "[]".to_owned(),
            items: 60,
        };
        let (first, second) = (task("t1"), task("t2"));
        write(&store, one, async move |tx| tx.insert_task(&first, NOW).await).await;
        let (meeting, before) = (Meeting::default(), store.clone());
        let inside = meeting.clone();
        let before = tokio::spawn(async move {
            write(&before, one, async move |tx| {
                tx.mark_chunk(ChunkMark::of("t1", 0)).await?;
                assert!(tx.advance_task("t1", 0, 0, 50, NOW).await?);
                tx.share_tenant().await?;
                inside.meet().await;
                Ok(())
            })
            .await;
        });
        meeting.reached.notified().await;
        let behind = store.clone();
        let behind = tokio::spawn(async move {
            write(&behind, one, async |tx| {
                tx.share_tenant().await?;
                tx.mark_chunk(ChunkMark::of("t1", 50)).await?;
                tx.await_chunk(ChunkMark::of("t1", 0)).await?;
                assert!(tx.advance_task("t1", 0, 50, 60, NOW).await?);
                Ok(())
            })
            .await;
        });
        const WAITS: &str = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until(|| database.sql(WAITS) == "1").await;
        write(&store, one, async move |tx| {
            tx.lock_tasks().await?;
            tx.insert_task(&second, NOW).await
        })
        .await;
        meeting.go_on.notify_one();
        before.await.unwrap();
        behind.await.unwrap();
        assert_eq!(
            database.sql("SELECT task_id, next_item FROM task_open ORDER BY task_id"),
            "t1|60\nt2|0"
        );
    });
}

/// Who waits for the chunk that is about to end a task hears what became of that.
#[test]
fn whether_a_task_has_ended_is_known_behind_who_ends_it() {
    runtime().block_on(async {
        for is_ended in [true, false] {
            let (database, store, one) = fresh().await;
            let task = NewTask {
                id: "t1".to_owned(),
                task_type: TaskType::OrganizationProfiles,
                idempotency_key: String::new(),
                fingerprint: String::new(),
                submitted_by: String::new(),
                request: "[]".to_owned(),
                items: 60,
            };
            write(&store, one, async move |tx| tx.insert_task(&task, NOW).await).await;
            let (meeting, before) = (Meeting::default(), store.clone());
            let inside = meeting.clone();
            let before = tokio::spawn(async move {
                let ended = before.write(one, async move |tx| {
                    tx.mark_chunk(ChunkMark::of("t1", 0)).await?;
                    assert!(tx.advance_task("t1", 0, 0, 60, NOW).await?);
                    tx.finish_task("t1", TaskStatus::Finished, NOW).await?;
                    assert!(tx.has_task_ended("t1").await?);
                    inside.meet().await;
                    match is_ended {
                        true => Ok(()),
                        false => Err(StoreError::Failed("refused".into())),
                    }
                });
                assert_eq!(ended.await.is_ok(), is_ended);
            });
            meeting.reached.notified().await;
            let behind = store.clone();
            let behind = tokio::spawn(async move {
                write(&behind, one, async move |tx| {
                    tx.await_chunk(ChunkMark::of("t1", 0)).await?;
                    assert_eq!(tx.has_task_ended("t1").await?, is_ended);
                    Ok(())
                })
                .await;
            });
            const WAITS: &str = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
            until(|| database.sql(WAITS) == "1").await;
            meeting.go_on.notify_one();
            before.await.unwrap();
            behind.await.unwrap();
        }
    });
}

/// Two members that are added at once, without a lock, meet at one position: both are there in the end.
#[test]
fn members_that_meet_are_both_added() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        write(&store, one, async |tx| {
            add(tx, 1).await?;
            for number in [1, 2] {
                tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                    .await?;
            }
            Ok(())
        })
        .await;
        let (meeting, first) = (Meeting::default(), store.clone());
        let inside = meeting.clone();
        let first = tokio::spawn(async move {
            write(&first, one, async move |tx| {
                tx.add_member(OrganizationId(1), 1).await?;
                tx.definitions_stamp().await?;
                inside.meet().await;
                Ok(())
            })
            .await;
        });
        meeting.reached.notified().await;
        let second = store.clone();
        let second = tokio::spawn(async move {
            write(&second, one, async |tx| tx.add_member(OrganizationId(1), 2).await).await;
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        meeting.go_on.notify_one();
        first.await.unwrap();
        second.await.unwrap();
        let members = store
            .read(one, async |tx| tx.members(OrganizationId(1)).await)
            .await
            .unwrap();
        assert_eq!(
            members.iter().map(|member| member.number).collect::<Vec<_>>(),
            [1, 2]
        );
    });
}

/// A sweep takes a field's values out of a row that a unit is writing at the same time: what that unit
/// wrote stays.
#[test]
fn a_sweep_waits_for_who_writes() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        let note = field(2, "Note", FieldType::Text);
        let both = definitions(&[field(1, "Old", FieldType::Text), note.clone()]);
        write(&store, one, async move |tx| {
            let mut new = organization(1, "Acme");
            new.details = values(&[(1, &["old"]), (2, &["before"])]);
            tx.insert_organization(&new, &both, NOW).await?;
            tx.insert_field(EntityKind::Organization, &field(1, "Old", FieldType::Text), 1)
                .await?;
            tx.delete_field(FieldId(1), 3).await
        })
        .await;
        let (meeting, writer) = (Meeting::default(), store.clone());
        let inside = meeting.clone();
        let writer = tokio::spawn(async move {
            write(&writer, one, async move |tx| {
                let id = OrganizationId(1);
                let found = tx.lock_organization(id).await?.unwrap();
                let mut new = found.details.clone();
                new.set(FieldId(2), vec!["after".into()]);
                let note = definitions(&[note]);
                tx.put_organization_details(id, &found.details, &new, &note, NOW)
                    .await?;
                inside.meet().await;
                Ok(())
            })
            .await;
        });
        meeting.reached.notified().await;
        let sweeper = store.clone();
        let sweeper = tokio::spawn(async move {
            write(&sweeper, one, async |tx| {
                tx.sweep(Sweep::Field(FieldId(1)), &Definitions::default()).await
            })
            .await;
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        meeting.go_on.notify_one();
        writer.await.unwrap();
        sweeper.await.unwrap();
        let found = store
            .read(one, async |tx| tx.organization(OrganizationId(1)).await)
            .await;
        assert_eq!(found.unwrap().unwrap().details, values(&[(2, &["after"])]));
    });
}

#[test]
fn a_connection_that_is_lost_between_statements() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        let (meeting, lost) = unit(&store, one, 1, true);
        meeting.reached.notified().await;
        terminate(&database);
        meeting.go_on.notify_one();
        let answer = lost.await.unwrap();
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        works_soon(&store, one, 2).await;
        assert_eq!(there(&store, one).await, [2]);
    });
}

#[test]
fn a_connection_that_is_lost_before_the_commit() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        let (meeting, lost) = unit(&store, one, 1, false);
        meeting.reached.notified().await;
        terminate(&database);
        meeting.go_on.notify_one();
        let answer = lost.await.unwrap();
        let says_so = matches!(answer, Err(StoreError::Unknown(_) | StoreError::Unavailable(_)));
        assert!(says_so, "{answer:?}");
        works_soon(&store, one, 2).await;
        assert_eq!(there(&store, one).await, [2]);
    });
}

#[test]
fn a_connection_that_is_lost_in_a_read() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        let answer: Result<i64, StoreError> = store
            .read(one, async |tx| {
                tx.definitions_stamp().await?;
                terminate(&database);
                tx.next_number(Counter::Field).await
            })
            .await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        works_soon(&store, one, 2).await;
    });
}

#[test]
fn statements_and_locks_are_given_up_in_time() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        write(&store, one, async |tx| add(tx, 1).await).await;
        for setting in ["statement_timeout", "lock_timeout"] {
            let url = format!("{}?options=-c%20{setting}%3D200ms", database.url());
            let hasty = store_of(url).await;
            let (meeting, holder) = (Meeting::default(), store.clone());
            let inside = meeting.clone();
            let holder = tokio::spawn(async move {
                write(&holder, one, async move |tx| {
                    tx.lock_organization(OrganizationId(1)).await?;
                    inside.meet().await;
                    Ok(())
                })
                .await;
            });
            meeting.reached.notified().await;
            let start = Instant::now();
            let answer = hasty
                .write(one, async |tx| tx.lock_organization(OrganizationId(1)).await)
                .await;
            assert!(
                matches!(answer, Err(StoreError::Unavailable(_))),
                "{setting}: {answer:?}"
            );
            assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
            meeting.go_on.notify_one();
            holder.await.unwrap();
            let answer = hasty
                .write(one, async |tx| tx.lock_organization(OrganizationId(1)).await)
                .await;
            assert!(matches!(answer, Ok(Some(_))), "{answer:?}");
        }
    });
}

/// All connections are in use: who comes next is told so, and is served when there is one.
#[test]
fn more_than_there_are_connections() {
    runtime().block_on(async {
        let (_database, store, one) = fresh().await;
        let units: Vec<_> = (1..=24).map(|id| unit(&store, one, id, false)).collect();
        for (meeting, _) in &units {
            meeting.reached.notified().await;
        }
        let next = store.read(one, async |tx| tx.definitions_stamp().await).await;
        assert_eq!(next, Err(StoreError::Overloaded));
        for (meeting, _) in &units {
            meeting.go_on.notify_one();
        }
        for (_, unit) in units {
            assert_eq!(unit.await.unwrap(), Ok(()));
        }
        let next = store.read(one, async |tx| tx.definitions_stamp().await).await;
        assert_eq!(next, Ok(0));
    });
}

/// The server is killed under load and started again, some times: what was acknowledged is there, what was
/// refused is not, and the store works again without being opened again.
#[test]
fn a_server_that_is_killed_under_load() {
    const WRITERS: i64 = 8;
    let cluster = Arc::new(Cluster::start(&ClusterOptions::default()));
    let database = cluster.database();
    runtime().block_on(async {
        let store = store_of(database.url()).await;
        let one = tenant(&store, "one").await;
        let mut acknowledged = Vec::new();
        let mut first = 1_000;
        for _ in 0..3 {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let (mut kept, mut unknown) = (Vec::new(), Vec::new());
                        for id in (first + writer..).step_by(WRITERS as usize) {
                            match store.write(one, async move |tx| add(tx, id).await).await {
                                Ok(()) => kept.push(id),
                                Err(StoreError::Unknown(_)) => {
                                    unknown.push(id);
                                    break;
                                }
                                Err(StoreError::Unavailable(_)) => break,
                                Err(other) => panic!("{other:?}"),
                            }
                        }
                        (kept, unknown)
                    })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(300)).await;
            // On a thread of its own, so that the writers go on meanwhile.
            let killed = Arc::clone(&cluster);
            tokio::task::spawn_blocking(move || killed.kill()).await.unwrap();
            let mut unknown_of_all = Vec::new();
            for writer in writers {
                let (kept, unknown) = writer.await.unwrap();
                acknowledged.extend(kept);
                unknown_of_all.extend(unknown);
            }
            let refused = store.read(one, async |tx| tx.definitions_stamp().await).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
            cluster.start_again();
            first += 1_000_000;
            works_soon(&store, one, first - 1).await;
            acknowledged.push(first - 1);
            let kept = database.sql("SELECT id FROM organization ORDER BY id");
            let kept: Vec<i64> = kept.lines().map(|id| id.parse().unwrap()).collect();
            for id in &acknowledged {
                assert!(
                    kept.binary_search(id).is_ok(),
                    "{id} was acknowledged and is lost"
                );
            }
            for id in kept {
                let is_known = acknowledged.contains(&id) || unknown_of_all.contains(&id);
                assert!(is_known, "{id} was refused and is there");
            }
            // What was unknown is known now.
            let there = database.sql("SELECT id FROM organization ORDER BY id");
            acknowledged = there.lines().map(|id| id.parse().unwrap()).collect();
        }
        assert!(acknowledged.len() > 50, "{} writes in all", acknowledged.len());
    });
}

/// What many ask for together is what each would be shown alone, of its own tenant, and as it is now.
#[test]
fn a_glance_is_of_now_and_of_its_own_tenant() {
    runtime().block_on(async {
        let (database, store, one) = fresh().await;
        let other = tenant(&store, "other").await;
        for (of, numbers) in [(one, [1, 2, 3]), (other, [3, 4, 5])] {
            write(&store, of, async move |tx| {
                for number in numbers {
                    add(tx, number).await?;
                }
                let renamed = format!("Third of {}", of.0);
                tx.rename_organization(OrganizationId(3), &renamed, &renamed, NOW)
                    .await
            })
            .await;
        }
        let second_server = store_of(database.url()).await;
        let asked = [1, 3, 2, 3, 4, 1_000_000]
            .into_iter()
            .flat_map(|id| [(one, id), (other, id)]);
        let asked: Vec<_> = asked
            .map(|(of, id)| {
                let (store, id) = (store.clone(), OrganizationId(id));
                tokio::spawn(async move { (of, id, store.glance(of, id, Links::Wanted).await.unwrap()) })
            })
            .collect();
        for task in asked {
            let (of, id, glance) = task.await.unwrap();
            assert_eq!(glance, second_server.glance(of, id, Links::Wanted).await.unwrap());
            let read = second_server
                .read(of, async |tx| tx.organization(id).await)
                .await
                .unwrap();
            assert_eq!(
                glance.organization.map(|seen| seen.name),
                read.map(|read| read.name)
            );
        }
        // What another server has written is seen at once.
        for round in 0..50 {
            let name = format!("Round {round}");
            let renamed = name.clone();
            write(&second_server, one, async move |tx| {
                tx.rename_organization(OrganizationId(1), &renamed, &renamed, NOW)
                    .await
            })
            .await;
            let glance = store.glance(one, OrganizationId(1), Links::Wanted).await.unwrap();
            assert_eq!(glance.organization.unwrap().name, name);
        }
        terminate(&database);
        let start = Instant::now();
        while let Err(error) = store.glance(one, OrganizationId(1), Links::Wanted).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            assert!(start.elapsed() < SOON, "{error:?}");
        }
    });
}

/// A server that is halted answers nothing, and keeps its connections open.
#[test]
fn a_server_that_is_halted() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.database();
    runtime().block_on(async {
        let store = store_of(database.url()).await;
        let one = tenant(&store, "one").await;
        cluster.pause();
        let start = Instant::now();
        let glances: Vec<_> = (0..100)
            .map(|id| {
                let store = store.clone();
                tokio::spawn(async move { store.glance(one, OrganizationId(id), Links::Wanted).await })
            })
            .collect();
        let (read, written) = tokio::join!(
            store.read(one, async |tx| tx.definitions_stamp().await),
            store.write(one, async |tx| add(tx, 1).await),
        );
        let mut errors = vec![read.map(drop), written];
        for glance in glances {
            errors.push(glance.await.unwrap().map(drop));
        }
        for error in errors.into_iter().map(Result::unwrap_err) {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        cluster.resume();
        works_soon(&store, one, 2).await;
    });
}
