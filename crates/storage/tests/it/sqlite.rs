//! The files of SQLite: migrations, locks, permissions, what is left behind, and the index of values
//! against the values themselves.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use guildhall_domain::{
    Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, Values, value_key,
};
use guildhall_storage::{Location, ReadTx, Store, StoreError, Sweep, Swept};
use guildhall_testkit::{SeededRandom, TempFolder};

use crate::backend::open;
use crate::sample::{NOW, field, organization, tenant, values, write};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn refusal(result: Result<Store, guildhall_storage::OpenError>) -> String {
    match result {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

fn schema_version(path: &Path) -> i64 {
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .query_row("SELECT MAX(version) FROM schema_version", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn an_empty_and_a_missing_file_become_a_database() {
    let folder = TempFolder::new();
    let (empty, missing) = (folder.join("empty.db"), folder.join("missing.db"));
    fs::write(&empty, "").unwrap();
    for path in [empty, missing] {
        let store = open(&path, true).unwrap();
        block_on(tenant(&store, "one"));
        drop(store);
        let version = schema_version(&path);
        assert!(version >= 1);
        drop(open(&path, true).unwrap());
        assert_eq!(schema_version(&path), version, "opening again migrates nothing");
        let applied: i64 = rusqlite::Connection::open(&path)
            .unwrap()
            .query_row("SELECT MIN(applied_at) FROM schema_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(applied, NOW.0);
    }
}

#[test]
fn a_newer_schema_is_refused_with_both_versions_named() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    drop(open(&path, true).unwrap());
    let known = schema_version(&path);
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute(
            "INSERT INTO schema_version (version, applied_at) VALUES (4711, 0)",
            [],
        )
        .unwrap();
    drop(database);
    for serve in [true, false] {
        let words = refusal(open(&path, serve));
        let names_both = words.contains("version 4711") && words.contains(&format!("up to {known}."));
        assert!(names_both, "{words}");
    }
    let versions: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT COUNT(*) FROM schema_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(versions, known + 1, "nothing was changed");
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = TempFolder::new();
    let text = folder.join("letter.txt");
    fs::write(&text, "Dear Sir or Madam, ".repeat(1_000)).unwrap();
    let words = refusal(open(&text, true));
    assert!(words.contains("letter.txt"), "{words}");
    assert!(
        fs::read_to_string(&text).unwrap().starts_with("Dear Sir"),
        "and left as it was"
    );
    let words = refusal(open(&folder.join("no/such/folder.db"), true));
    assert!(words.contains("folder.db"), "{words}");
    refusal(open(folder.path(), true));
}

#[test]
fn locations() {
    let sqlite = |path: &str| Some(Location::Sqlite(path.into()));
    assert_eq!(Location::parse("sqlite:a b.db").ok(), sqlite("a b.db"));
    assert_eq!(Location::parse("sqlite:/x:y").ok(), sqlite("/x:y"));
    let postgres = |url: &str| Some(Location::Postgres(url.into()));
    for url in ["postgres://u:p@h/d", "postgresql://h:5433/d?sslmode=require"] {
        assert_eq!(Location::parse(url).ok(), postgres(url));
    }
    for wrong in ["", "sqlite", "sqlite:", "guildhall.db", "mysql://u:secret@h/d"] {
        let words = Location::parse(wrong).unwrap_err().to_string();
        assert!(!words.contains("secret"), "{words}");
    }
}

/// What is kept of a thing is taken for what a snapshot would read only if it is just that: not if the thing
/// changed after the snapshot was taken, though the newer state is a good one for whoever reads next.
#[test]
fn a_snapshot_knows_no_version_of_what_changed_after_it() {
    let folder = TempFolder::new();
    let store = open(&folder.join("guildhall.db"), true).unwrap();
    block_on(async {
        let one = tenant(&store, "one").await;
        let put = async |id, name: &'static str| {
            write(&store, one, async move |tx| {
                let organization = organization(id, name);
                tx.insert_organization(&organization, &Definitions::default(), NOW)
                    .await
            })
            .await;
        };
        put(1, "Acme").await;
        put(2, "Widgets").await;
        let (acme, widgets) = (OrganizationId(1), OrganizationId(2));
        let version = |tx: &ReadTx<'_>, id| tx.version(Entity::Organization(id));
        let (before, old) = store
            .read(one, async |tx| {
                let before = [acme, widgets].map(|id| version(tx, id));
                let first = tx.organization(acme).await?;
                write(&store, one, async move |tx| {
                    tx.rename_organization(acme, "Acme 2", "acme 2", NOW).await
                })
                .await;
                assert_eq!(tx.organization(acme).await?, first, "a snapshot stands still");
                assert_eq!(version(tx, acme), None);
                assert_eq!(version(tx, widgets), before[1]);
                Ok::<_, StoreError>((before, first))
            })
            .await
            .unwrap();
        assert!(before.iter().all(Option::is_some));
        assert_eq!(store.version(one, widgets), before[1]);
        let (after, new) = store
            .read(one, async |tx| {
                Ok::<_, StoreError>((version(tx, acme), tx.organization(acme).await?))
            })
            .await
            .unwrap();
        assert!(after.is_some() && after != before[0]);
        assert_eq!(store.version(one, acme), after);
        assert_ne!(new, old);
    });
    drop(store);
    // Beside a server others write without a word.
    let store = open(&folder.join("guildhall.db"), false).unwrap();
    block_on(async {
        let one = tenant(&store, "two").await;
        let entity = Entity::Organization(OrganizationId(1));
        let version = store
            .read(one, async |tx| Ok::<_, StoreError>(tx.version(entity)))
            .await;
        assert_eq!(version, Ok(None));
    });
}

/// No other name of a file leads around the lock, and none makes a second write-ahead file.
#[test]
fn a_served_file_is_served_under_every_name() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let server = open(&path, true).unwrap();
    let link = folder.join("link.db");
    symlink(&path, &link).unwrap();
    assert!(refusal(open(&link, true)).contains("another guildhall serve"));
    fs::remove_file(folder.join("guildhall.db.lock")).unwrap();
    assert!(refusal(open(&path, true)).contains("another guildhall serve"));
    let hard = folder.join("hard.db");
    fs::hard_link(&path, &hard).unwrap();
    assert!(refusal(open(&hard, true)).contains("hard link"));
    assert!(refusal(open(&hard, false)).contains("hard link"));
    drop(server);
}

#[test]
fn a_name_is_only_a_name() {
    let folder = TempFolder::new();
    let path = folder.join("file:odd?mode=memory.db");
    drop(open(&path, true).unwrap());
    assert!(path.metadata().unwrap().len() > 4_096, "the data is elsewhere");
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = TempFolder::new();
    let path = folder.join("theirs.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs
        .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(theirs);
    assert!(refusal(open(&path, true)).contains("another program"));
}

#[test]
fn one_serves_and_commands_work_beside() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let server = open(&path, true).unwrap();
    let words = refusal(open(&path, true));
    let says_why =
        words.contains("another guildhall serve") && words.contains(&std::process::id().to_string());
    assert!(says_why, "{words}");
    let command = open(&path, false).unwrap();
    let (one, two) = (
        block_on(tenant(&server, "one")),
        block_on(tenant(&command, "two")),
    );
    let seen = block_on(server.system_read(async |tx| tx.tenants().await)).unwrap();
    assert_eq!(seen.iter().map(|row| row.id).collect::<Vec<_>>(), [one, two]);
    drop(command);
    drop(server);
    drop(open(&path, true).unwrap());
}

#[test]
fn files_are_their_owners_alone() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let store = open(&path, true).unwrap();
    block_on(tenant(&store, "one"));
    block_on(store.system_read(async |tx| tx.tenants().await)).unwrap();
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), format!("{mode:o}"))
        })
        .collect();
    files.sort();
    let expected = [
        "guildhall.db",
        "guildhall.db-shm",
        "guildhall.db-wal",
        "guildhall.db.lock",
    ];
    assert_eq!(files, expected.map(|name| (name.to_owned(), "600".to_owned())));
    drop(store);
    for name in ["guildhall.db-shm", "guildhall.db-wal"] {
        assert!(!folder.join(name).exists(), "{name} is left");
    }
}

/// Beside a stream of writes the write-ahead file starts again from its beginning, however much is written, and
/// though somebody reads from it at any moment.
#[test]
fn the_write_ahead_file_is_bounded() {
    const ROUNDS: i64 = 60;
    const TOGETHER: i64 = 20;
    let folder = TempFolder::new();
    let store = open(&folder.join("guildhall.db"), true).unwrap();
    let log = folder.join("guildhall.db-wal");
    let one = block_on(tenant(&store, "one"));
    /// However the writing ends, so does the reading.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_done = AtomicBool::new(false);
    let read_on = || {
        while !is_done.load(Ordering::Relaxed) {
            let read = store.read(one, async |tx| {
                for id in 1..=TOGETHER {
                    tx.organization(OrganizationId(id)).await?;
                }
                Ok::<_, StoreError>(())
            });
            block_on(read).unwrap();
        }
    };
    let write_all = || {
        let mut largest = 0;
        for round in 0..ROUNDS {
            block_on(write(&store, one, async move |tx| {
                for id in 0..TOGETHER {
                    let mut large = organization(1 + round * TOGETHER + id, &format!("{round} {id}"));
                    large.details = values(&[(1, &["x".repeat(150_000).as_str()])]);
                    tx.insert_organization(&large, &Definitions::default(), NOW)
                        .await?;
                }
                Ok(())
            }));
            largest = largest.max(fs::metadata(&log).unwrap().len());
        }
        largest
    };
    let largest = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(read_on);
        }
        let _ends = Ends(&is_done);
        write_all()
    });
    // 64 MiB, what comes before the next tries, and what is committed at once.
    assert!(largest < 128 << 20, "{largest} bytes");
    let written = (ROUNDS * TOGETHER) as u64 * 150_000;
    assert!(
        written > largest + largest / 4,
        "{written} bytes written, {largest} in the file"
    );
}

/// The index of values is kept with the values: after any changes it holds just what they say.
#[test]
fn the_index_of_values_is_what_the_values_say() {
    const STEPS: i64 = 1_500;
    const ORGANIZATIONS: i64 = 60;
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let random = SeededRandom::new(5);
    let store = open(&path, true).unwrap();
    let types = [FieldType::Text, FieldType::Number, FieldType::MultiSelect];
    let texts = ["1", "1.0", "a", "A", "ß", "SS", " x ", "One", "Two", "Three"];
    block_on(async {
        let one = tenant(&store, "one").await;
        for step in 1..=STEPS {
            let number = 1 + random.below(ORGANIZATIONS as u64) as i64;
            let fields = store
                .read(one, async |tx| tx.fields(EntityKind::Organization).await)
                .await
                .unwrap();
            let chosen = (!fields.is_empty()).then(|| random.pick(&fields).clone());
            let act = random.below(100);
            let new_type = *random.pick(&types);
            let count = random.below(3) as usize;
            let new: Vec<String> = (0..count).map(|_| (*random.pick(&texts)).to_owned()).collect();
            let (definitions, id, stamp) = (Definitions::new(fields), step, step);
            write(&store, one, async move |tx| {
                let found = tx.organization(OrganizationId(number)).await?;
                match (act, chosen, found) {
                    (0..5, _, _) | (_, None, _) => {
                        let name = format!("Field {id}");
                        return tx
                            .insert_field(EntityKind::Organization, &field(id, &name, new_type), stamp)
                            .await;
                    }
                    (5..9, Some(field), _) => return tx.delete_field(field.id, stamp).await,
                    (9..13, _, _) => {
                        // The fields that were deleted last, in whatever order.
                        for sweep in [id - 1, id - 7].map(|id| Sweep::Field(FieldId(id))) {
                            if !definitions.iter().any(|d| Sweep::Field(d.id) == sweep) {
                                tx.sweep(sweep, &Definitions::default()).await?;
                            }
                        }
                    }
                    (13, _, Some(found)) => return tx.delete_organization(&found, &definitions).await,
                    (_, Some(field), Some(found)) => {
                        let mut values = found.details.clone();
                        values.set(field.id, new);
                        let id = OrganizationId(number);
                        tx.put_organization_details(id, &found.details, &values, &definitions, NOW)
                            .await?;
                    }
                    (_, Some(field), None) if !tx.organization_id_used(OrganizationId(number)).await? => {
                        let mut row = organization(number, &format!("O{number}"));
                        row.details = Values::default();
                        row.details.set(field.id, new);
                        tx.insert_organization(&row, &definitions, NOW).await?;
                    }
                    _ => {}
                }
                Ok(())
            })
            .await;
        }
        let waiting = store
            .system_read(async |tx| tx.waiting_sweeps(10_000).await)
            .await
            .unwrap();
        for (tenant, sweep) in waiting {
            let batch = async || {
                write(&store, tenant, async move |tx| {
                    tx.sweep(sweep, &Definitions::default()).await
                })
                .await
            };
            while batch().await == Swept::More {}
        }
        store.settle().await.unwrap();
        let mut expected = Vec::new();
        let fields = store
            .read(one, async |tx| tx.fields(EntityKind::Organization).await)
            .await
            .unwrap();
        for number in 1..=ORGANIZATIONS {
            let found = store
                .read(one, async |tx| tx.organization(OrganizationId(number)).await)
                .await
                .unwrap();
            let Some(found) = found else { continue };
            for (id, values) in found.details.iter() {
                let field = fields
                    .iter()
                    .find(|field| field.id == id)
                    .expect("swept fields have no values");
                for value in values {
                    expected.push((id.0, value_key(field.field_type, value), number));
                }
            }
        }
        expected.sort();
        expected.dedup();
        assert!(expected.len() > 3, "the steps left too little: {expected:?}");
        let database = rusqlite::Connection::open(&path).unwrap();
        let mut statement = database
            .prepare("SELECT field_id, value_key, entity_number FROM detail_index ORDER BY 1, 2, 3")
            .unwrap();
        let kept: Vec<(i64, String, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(kept, expected);
        Ok::<_, StoreError>(())
    })
    .unwrap();
}

/// Each would have a thread to itself, and a connection with its pages.
#[test]
fn long_reads_beyond_the_processors_wait_for_their_turn() {
    let folder = TempFolder::new();
    let store = open(&folder.join("guildhall.db"), true).unwrap();
    let tenants = [block_on(tenant(&store, "one")), block_on(tenant(&store, "other"))];
    let turns = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
    let begun = Cell::new(0);
    let read = |tenant| {
        Box::pin(store.read_aside(tenant, async |tx| {
            begun.set(begun.get() + 1);
            std::future::pending::<()>().await;
            tx.fields(EntityKind::Organization).await
        }))
    };
    block_on(async {
        let mut reads: Vec<_> = (0..turns + 5).map(|_| read(tenants[0])).collect();
        let mut other = read(tenants[1]);
        for read in &mut reads {
            assert!(poll(read.as_mut()).is_pending());
        }
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!(begun.get(), turns);
        // Short reads need none.
        let fields = store
            .read(tenants[0], async |tx| tx.fields(EntityKind::Organization).await)
            .await;
        assert_eq!(fields, Ok::<_, StoreError>(Vec::new()));
        // Two have ended: the other tenant's is not the last to have its turn.
        drop(reads.remove(0));
        drop(reads.remove(0));
        for read in &mut reads {
            assert!(poll(read.as_mut()).is_pending());
        }
        assert_eq!(begun.get(), turns + 1);
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!(begun.get(), turns + 2);
    });
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The version of a tenant that a read was told is that of all that it reads behind it, whatever is committed between the two.
#[test]
fn a_version_is_that_of_what_is_read_behind_it() {
    let folder = TempFolder::new();
    let store = open(&folder.join("guildhall.db"), true).unwrap();
    let kind = EntityKind::Organization;
    let one = block_on(tenant(&store, "one"));
    block_on(write(&store, one, async move |tx| {
        tx.insert_field(kind, &field(1, "Before", FieldType::Text), 1)
            .await
    }));
    let read = block_on(store.read(one, async |tx| {
        let version = tx.tenant_version().await?;
        std::thread::scope(|scope| {
            let rename = || {
                block_on(write(&store, one, async |tx| {
                    tx.update_field(&field(1, "After", FieldType::Text), 2).await
                }));
            };
            scope.spawn(rename).join().unwrap();
        });
        Ok::<_, StoreError>((version, tx.fields(kind).await?, tx.tenant_version().await?))
    }));
    let (version, fields, later) = read.unwrap();
    assert!(version.is_some());
    assert_eq!(fields[0].name, "Before");
    assert_eq!(later, None, "it is not known any more");
}

/// A server of an older version would go on as if nothing had been migrated: names that it gave would be in no index.
#[test]
fn a_database_of_an_older_version_is_not_migrated_while_it_is_served() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let served = open(&path, true).unwrap();
    let one = block_on(tenant(&served, "one"));
    block_on(write(&served, one, async |tx| {
        tx.insert_organization(&organization(1, "Acme"), &Definitions::default(), NOW)
            .await
    }));
    block_on(served.settle()).unwrap();
    let before = "DELETE FROM schema_version WHERE version = 8; DROP TABLE name_index; \
         CREATE UNIQUE INDEX organization_name ON organization (tenant_id, name_key)";
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(before)
        .unwrap();
    let refused = open(&path, false).map(drop).unwrap_err().to_string();
    assert!(
        refused.contains("older version") && refused.contains("stop that one first"),
        "{refused}"
    );
    drop(served);
    // What a copy that was not finished left is no copy.
    fs::write(folder.join("guildhall.db.v7.part"), "half").unwrap();
    let store = open(&path, false).unwrap();
    let found = block_on(store.read(one, async |tx| tx.organization_by_key("acme").await));
    assert_eq!(found.unwrap().map(|found| found.id.0), Some(1));
    let copy = rusqlite::Connection::open(folder.join("guildhall.db.v7")).unwrap();
    let names = copy.query_row("SELECT name FROM organization", [], |row| row.get::<_, String>(0));
    assert_eq!(names, Ok("Acme".to_owned()));
    assert!(!folder.join("guildhall.db.v7.part").exists());
}
