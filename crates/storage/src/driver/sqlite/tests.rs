//! What only the inside can see: settings as SQLite keeps them, and the plan of every statement.

pub(in crate::driver) mod everything;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use everything::{connector_object, everything, everything_across_tenants, people};
use guildhall_domain::connector::{EqualSequence, Object, ObjectType, Reason};
use guildhall_domain::{Definitions, TenantId, Timestamp};
use guildhall_testkit::TempFolder;
use rusqlite::StatementStatus;
use rusqlite::types::Value;

use super::connection::Use;
use super::{Connection, create_private};
use crate::driver::Session;
use crate::versions::Touched;
use crate::{
    ConnectionRow, ObjectId, StoreError, Sweep, Swept, SystemTx, WriteRow, WriteTx, dialect, migrate, ready,
};

fn open(path: &Path, purpose: Use) -> Connection {
    create_private(path).unwrap();
    let mut connection = Connection::open(path, purpose).unwrap();
    if purpose == Use::Write {
        migrate::sqlite(&mut connection, path, 0).unwrap();
    }
    connection
}

/// A new database's connection that writes.
pub(crate) fn open_to_write(path: &Path) -> Connection {
    open(path, Use::Write)
}

#[test]
fn settings_are_kept_by_every_connection() {
    let folder = TempFolder::new();
    for (purpose, query_only) in [(Use::Write, 0), (Use::Read, 1)] {
        let mut connection = open(&folder.join("guildhall.db"), purpose);
        for (name, wanted) in [
            ("journal_mode", Value::Text("wal".into())),
            ("synchronous", Value::Integer(2)),
            ("foreign_keys", Value::Integer(1)),
            ("trusted_schema", Value::Integer(0)),
            ("cell_size_check", Value::Integer(1)),
            ("journal_size_limit", Value::Integer(64 * 1024 * 1024)),
            ("wal_autocheckpoint", Value::Integer(0)),
            ("busy_timeout", Value::Integer(5_000)),
            ("query_only", Value::Integer(query_only)),
        ] {
            let found: Value = connection
                .inner()
                .pragma_query_value(None, name, |row| row.get(0))
                .unwrap();
            assert_eq!(found, wanted, "{name}");
        }
    }
}

#[test]
fn a_database_that_keeps_other_settings_is_refused() {
    // One in memory has no write-ahead file.
    let refused = Connection::open(Path::new(":memory:"), Use::Write);
    let words = refused.map(drop).unwrap_err().to_string();
    assert!(words.contains("journal_mode = memory"), "{words}");
}

#[test]
fn a_reading_connection_cannot_write() {
    let folder = TempFolder::new();
    drop(open(&folder.join("guildhall.db"), Use::Write));
    let mut reader = open(&folder.join("guildhall.db"), Use::Read);
    for sql in [
        "INSERT INTO tenant (cloud_id, name, created_at) VALUES ('a', 'a', 0)",
        "UPDATE probe SET written_at = 1",
        "DELETE FROM probe",
        "CREATE TABLE t (x)",
    ] {
        reader.touch(TenantId(1), Touched::Tenant);
        let refused = reader.execute(sql, &[]);
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{sql}: {refused:?}"
        );
    }
    let rows = reader.fetch("SELECT written_at FROM probe", &[], |row| {
        Ok(row.get::<_, i64>(0).unwrap())
    });
    assert_eq!(rows, Ok(vec![0]));
}
/// Runs every statement of the crate, and returns them.
fn run_everything(connection: &mut Connection) -> BTreeSet<String> {
    let across = &mut SystemTx::new(Session::Sqlite(connection));
    let tenant = ready(everything_across_tenants(across)).unwrap().unwrap();
    let tx = &mut WriteTx::new(Session::Sqlite(connection), tenant);
    ready(everything(tx)).unwrap().unwrap();
    connection.statements().map(str::to_owned).collect()
}

/// The statements that stand in the crate's sources.
pub(in crate::driver) fn written_statements() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Migrations are no statements of a transaction, and the dialect's are examples. A copy moves whole
        // tables, all tenants of them, with statements made of parts; its own tests run every one.
        let is_of_tests = name.ends_with("_tests.rs");
        if !path.is_file()
            || is_of_tests
            || ["migrate.rs", "citus.rs", "dialect.rs", "copy.rs"].contains(&&*name)
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["SELECT ", "INSERT ", "UPDATE ", "DELETE "] {
            for (start, _) in text.match_indices(&format!("\"{word}")) {
                let (literal, _) = text[start + 1..].split_once('"').unwrap();
                // A line that ends with a backslash goes on with the first word of the next.
                let joined: String = literal
                    .split("\\\n")
                    .enumerate()
                    .map(|(line, part)| if line == 0 { part } else { part.trim_start() })
                    .collect();
                found.insert(joined);
            }
        }
    }
    found
}

/// What the other tests here say of every statement, they say of every one that is written.
#[test]
fn the_walk_runs_every_statement() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let run = run_everything(&mut connection);
    let written: BTreeSet<String> = written_statements()
        .iter()
        .map(|sql| dialect::sqlite(sql))
        .collect();
    assert!(
        written.len() > 90,
        "only {} statements are written",
        written.len()
    );
    // Names of organizations have an index of their own here; the walk on PostgreSQL runs what finds them there.
    let of_postgres = |sql: &&String| {
        let start = "FROM organization WHERE tenant_id = ?1 AND ";
        ["name_key ", "(name_key, id) "]
            .iter()
            .any(|end| sql.contains(&format!("{start}{end}")))
    };
    let (by_names, missing): (Vec<_>, Vec<_>) = written.difference(&run).partition(of_postgres);
    assert!(missing.is_empty(), "not run: {missing:#?}");
    assert_eq!(by_names.len(), 6, "{by_names:#?}");
    let unknown: Vec<_> = run.difference(&written).collect();
    assert!(unknown.is_empty(), "run, and not found: {unknown:#?}");
}

/// A statement sees one tenant's rows: each table that it names is bound to the tenant, by the parameter
/// or by a join with one that is. Those that are meant to see all tenants are listed.
#[test]
fn every_statement_is_of_one_tenant() {
    const OF_ALL_TENANTS: [(&str, &str); 14] = [
        ("FROM tenant WHERE cloud_id =", "the tenant is what is looked for"),
        (
            "FROM token k JOIN tenant t ON t.tenant_id = k.tenant_id WHERE k.hash =",
            "the tenant is unknown yet",
        ),
        ("FROM tenant ORDER BY tenant_id", "the list of tenants"),
        (
            "SELECT 0, 'tenant', 2 + COALESCE(MAX(tenant_id), 0)",
            "numbers of tenants belong to none",
        ),
        ("UPDATE probe", "belongs to no tenant"),
        ("FROM sweep ORDER BY tenant_id", "work of any tenant"),
        ("FROM detail_pending ORDER BY tenant_id", "work of any tenant"),
        ("FROM task_open) AS lined", "work of any tenant"),
        (
            "UPDATE task_open SET lease_until = 0",
            "where one server is all there is",
        ),
        ("FROM task WHERE finished_at <", "work of any tenant"),
        ("FROM object WHERE deleted_at <", "work of any tenant"),
        ("FROM connector_user WHERE deleted_at <", "work of any tenant"),
        ("FROM connector_group WHERE deleted_at <", "work of any tenant"),
        ("FROM connector_mapping WHERE deleted_at <", "work of any tenant"),
    ];
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let statements = run_everything(&mut connection);
    let is_listed = |sql: &str| OF_ALL_TENANTS.iter().any(|(part, _)| sql.contains(part));
    for sql in &statements {
        let words: Vec<&str> = sql
            .split([' ', '(', ')', ','])
            .filter(|word| !word.is_empty())
            .collect();
        let names_a_table = |pair: &&[&str]| {
            let is_name = pair[1].starts_with(|c: char| c.is_ascii_lowercase()) && pair[1] != "json_each";
            ["FROM", "JOIN", "INTO", "UPDATE"].contains(&pair[0]) && is_name
        };
        let tables = words.windows(2).filter(names_a_table).count();
        let is_inserted = sql.starts_with("INSERT INTO")
            && sql.contains(" (tenant_id, ")
            && (sql.contains("VALUES (?1, ") || sql.contains("SELECT ?1, "));
        let bound = sql.matches("tenant_id = ?1").count() + usize::from(is_inserted);
        let joined = sql.matches("tenant_id = ").count() - sql.matches("tenant_id = ?1").count();
        let is_of_one = bound > 0 && bound + joined == tables;
        assert!(tables > 0, "no table is found in: {sql}");
        assert!(
            is_of_one || is_listed(sql),
            "{tables} tables, {bound} bound, {joined} joined: {sql}"
        );
        assert!(
            !(is_of_one && is_listed(sql)),
            "needs no place on the list: {sql}"
        );
    }
    for (part, why) in OF_ALL_TENANTS {
        assert!(
            statements.iter().any(|sql| sql.contains(part)),
            "{part} ({why}) is not run"
        );
    }
}

/// A statement is prepared once, whatever values are bound to it later.
#[test]
fn no_reading_statement_is_prepared_again_for_other_values() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let statements = run_everything(&mut connection);
    for sql in statements.iter().filter(|sql| sql.starts_with("SELECT")) {
        let mut statement = connection.inner().prepare(sql).unwrap();
        for value in 1..4 {
            for at in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(at, value).unwrap();
            }
            let mut rows = statement.raw_query();
            while rows.next().unwrap().is_some() {}
        }
        assert_eq!(statement.get_status(StatementStatus::Run), 3, "{sql}");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}

/// No statement walks through a table, nor through all that a tenant has there: each finds its rows by
/// an index that begins with the tenant, but for the few that are meant to see all tenants.
#[test]
fn every_statement_finds_its_rows_by_an_index() {
    const READ_ALL: [&str; 5] = [
        "FROM tenant ORDER BY tenant_id",
        "FROM sweep ORDER BY",
        "FROM detail_pending ORDER BY",
        "FROM task_open) AS lined",
        "UPDATE task_open SET lease_until = 0",
    ];
    // A tenant's tokens are few, and read by its owner alone; so are its tasks that are not done, and its
    // connections.
    const READ_THE_TENANT: [&str; 3] = [
        "ORDER BY k.created_at",
        "COUNT(*) FROM task_open",
        "FROM connection WHERE tenant_id = ?1 ORDER BY number",
    ];
    // The number of the first tenant that is counted is one more than the last that was not.
    const BY_OTHER_KEYS: [&str; 6] = [
        "WHERE cloud_id =",
        "WHERE k.hash =",
        "UPDATE probe",
        "COALESCE(MAX(tenant_id), 0)",
        "WHERE finished_at <",
        "WHERE deleted_at <",
    ];
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let statements = run_everything(&mut connection);
    let is_one_of = |list: &[&str], sql: &str| list.iter().any(|part| sql.contains(part));
    for sql in statements {
        let mut explain = connection
            .inner()
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        for index in 1..=explain.parameter_count() {
            explain.raw_bind_parameter(index, 1).unwrap();
        }
        let mut rows = explain.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            // A count counts what a bounded search found.
            let is_harmless =
                step == "SCAN CONSTANT ROW" || step == "SCAN found" || step.starts_with("SCAN json_each");
            let is_scan = step.starts_with("SCAN") && !is_harmless;
            assert!(!is_scan || is_one_of(&READ_ALL, &sql), "{sql}\n{step}");
            assert!(!step.contains("AUTOMATIC"), "{sql}\n{step}");
            let by_tenant = step.contains("tenant_id=?") || step.contains("INTEGER PRIMARY KEY (rowid=?)");
            let is_whole_tenant = step.contains("(tenant_id=?)");
            assert!(
                !is_whole_tenant || is_one_of(&READ_THE_TENANT, &sql),
                "{sql}\n{step}"
            );
            let is_search = step.starts_with("SEARCH");
            assert!(
                !is_search || by_tenant || is_one_of(&BY_OTHER_KEYS, &sql),
                "{sql}\n{step}"
            );
        }
    }
}

#[test]
fn a_statement_that_changes_something_says_what() {
    let folder = TempFolder::new();
    let mut writer = open(&folder.join("guildhall.db"), Use::Write);
    let sql = "UPDATE probe SET written_at = 1 RETURNING id";
    let read = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0).unwrap());
    // Whichever way it is run: answers that are kept would not hear of it.
    assert!(matches!(writer.execute(sql, &[]), Err(StoreError::Failed(_))));
    assert!(matches!(writer.fetch(sql, &[], read), Err(StoreError::Failed(_))));
    assert!(matches!(
        writer.fetch_optional(sql, &[], read),
        Err(StoreError::Failed(_))
    ));
    assert_eq!(
        writer.fetch("SELECT written_at FROM probe", &[], read),
        Ok(vec![0])
    );
    writer.touch(TenantId(1), Touched::Organization(7));
    assert_eq!(writer.fetch(sql, &[], read), Ok(vec![1]));
    assert_eq!(writer.take_touched(), [(TenantId(1), Touched::Organization(7))]);
    assert!(
        matches!(writer.execute(sql, &[]), Err(StoreError::Failed(_))),
        "said once, good for one"
    );
}

/// A walk is one search in one index from where it goes on; a sort would be a second step.
#[test]
fn lists_walk_their_index_in_order() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    for sql in crate::lists::tests::walks_of_sqlite() {
        let sql = format!("EXPLAIN QUERY PLAN {}", dialect::sqlite(sql));
        let mut explain = connection.inner().prepare(&sql).unwrap();
        for index in 1..=explain.parameter_count() {
            explain.raw_bind_parameter(index, 1).unwrap();
        }
        let mut rows = explain.raw_query();
        let mut steps: Vec<String> = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        let is_one_search = steps.len() == 1 && steps[0].starts_with("SEARCH");
        assert!(
            is_one_search && steps[0].contains(['<', '>']),
            "{sql}\n{steps:#?}"
        );
    }
}

/// A request of connectors costs a handful of statements, however many objects it brings.
#[test]
fn a_hundred_objects_cost_a_handful_of_statements() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let of = ObjectType::CustomerOrg;
    let objects: Vec<Object> = (0..100)
        .map(|n| Object {
            object_type: ObjectType::ALL[n % 3],
            id: format!("o{n}"),
            tags: BTreeMap::from([("a".into(), "b".into())]),
            categories: vec!["c".into(), "d".into()],
            ..connector_object()
        })
        .collect();
    let all: Vec<&Object> = objects.iter().collect();
    let ids: Vec<ObjectId> = objects
        .iter()
        .map(|object| (object.object_type, object.id.clone()))
        .collect();
    let counts: BTreeMap<ObjectId, i64> = ids.iter().map(|id| (id.clone(), 1)).collect();
    let mut cost = |work: &dyn Fn(&mut WriteTx<'_>)| {
        let before = connection.runs();
        work(&mut WriteTx::new(Session::Sqlite(&mut connection), TenantId(1)));
        connection.runs() - before
    };
    let put = |tx: &mut WriteTx<'_>| {
        let written = ready(tx.put_objects(1, &all, EqualSequence::Keep, Timestamp(1)));
        let written = written.unwrap().unwrap();
        assert!(written == [true; 100] || written == [false; 100]);
    };
    // One for the objects; to clear and to write tags and categories, clearing type by type.
    assert_eq!(cost(&put), 1 + 3 * 2 + 2);
    // The same once more changes nothing.
    assert_eq!(cost(&put), 1);
    let not_applied = |tx: &mut WriteTx<'_>| {
        let standing = ready(tx.count_kept_back(1, &counts)).unwrap().unwrap();
        let writes: Vec<_> = standing
            .into_iter()
            .map(|(id, standing)| {
                let write = WriteRow {
                    number: standing.kept_back,
                    sequence: 1,
                    stored_sequence: standing.sequence,
                    reason: Reason::EqualSame,
                    written_at: Timestamp(1),
                };
                (id, write)
            })
            .collect();
        assert_eq!(writes.len(), 100);
        ready(tx.insert_object_writes(1, &writes)).unwrap().unwrap();
    };
    // To count them, type by type; one for the lines.
    assert_eq!(cost(&not_applied), 3 + 1);
    let ids: Vec<String> = ids.into_iter().map(|(_, id)| id).collect();
    let delete = |tx: &mut WriteTx<'_>| {
        let deleted = ready(tx.delete_objects(1, of, &ids, None, Timestamp(1)));
        assert_eq!(deleted.unwrap().unwrap().len(), 33);
    };
    assert_eq!(cost(&delete), 4);
}

/// Of each object it is said whether it was written, in whatever order they are locked; what hangs on those
/// that were not stays.
#[test]
fn each_object_is_said_to_be_written_or_not_by_its_place() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let tx = &mut WriteTx::new(Session::Sqlite(&mut connection), TenantId(1));
    let mut put = |objects: &[Object], now| {
        let objects: Vec<&Object> = objects.iter().collect();
        ready(tx.put_objects(1, &objects, EqualSequence::Keep, Timestamp(now)))
    };
    let objects = |tag: &str, sequence: fn(usize) -> i64| -> Vec<Object> {
        (0..9)
            .map(|n| Object {
                object_type: ObjectType::ALL[n % 3],
                id: format!("o{}", 9 - n),
                sequence: sequence(n),
                tags: BTreeMap::from([("a".into(), tag.into())]),
                ..connector_object()
            })
            .collect()
    };
    let all = objects("old", |_| 5);
    assert_eq!(put(&all[..7], 1), Ok(Ok(vec![true; 7])));
    // Newer, the same, older by turns; the last two are new.
    let newer = objects("new", |n| [6, 5, 4][n % 3]);
    let expected = [true, false, false, true, false, false, true, true, true];
    assert_eq!(put(&newer, 2), Ok(Ok(expected.to_vec())));
    for (place, object) in newer.iter().enumerate() {
        let tags = ["old", "new"].map(|tag| {
            let found = tx.tagged_objects(1, object.object_type, ("a", tag), ("", "z"), 10);
            ready(found).unwrap().unwrap().contains(&object.id)
        });
        assert_eq!(tags, [!expected[place], expected[place]], "{}", object.id);
    }
}

/// Nothing of a deleted connection is left in any table.
#[test]
fn the_sweep_of_a_connection_leaves_nothing() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let (object, id) = (connector_object(), (ObjectType::CustomerOrg, "o".to_owned()));
    let fill = async |tx: &mut WriteTx<'_>| {
        let row = ConnectionRow {
            number: 1,
            id: "i1".into(),
            name: "C".into(),
            created_at: Timestamp(1),
        };
        tx.insert_connection(&row).await?;
        tx.put_objects(1, &[&object], EqualSequence::Keep, Timestamp(1))
            .await?;
        let write = WriteRow {
            number: 1,
            sequence: 1,
            stored_sequence: 1,
            reason: Reason::Lower,
            written_at: Timestamp(1),
        };
        tx.insert_object_writes(1, &[(id, write)]).await?;
        people(tx).await?;
        tx.delete_connection("i1").await
    };
    let tx = &mut WriteTx::new(Session::Sqlite(&mut connection), TenantId(1));
    assert_eq!(ready(fill(tx)), Ok(Ok(true)));
    let left = |connection: &mut Connection| -> BTreeMap<String, i64> {
        let tables = "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'connection_number'";
        let mut statement = connection.inner().prepare(tables).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.map(Result::unwrap).collect();
        drop(statement);
        let count = |name: String| {
            let sql = format!("SELECT COUNT(*) FROM {name}");
            let count = connection.inner().query_row(&sql, [], |row| row.get(0));
            (name, count.unwrap())
        };
        names.into_iter().map(count).collect()
    };
    let before = left(&mut connection);
    assert!(
        before.len() >= 9 && before.values().all(|count| *count > 0),
        "{before:?}"
    );
    for wanted in [Swept::More, Swept::Finished, Swept::Finished] {
        let tx = &mut WriteTx::new(Session::Sqlite(&mut connection), TenantId(1));
        let swept = ready(tx.sweep(Sweep::Connection(1), &Definitions::default()));
        assert_eq!(swept, Ok(Ok(wanted)));
    }
    let after = left(&mut connection);
    assert!(after.values().all(|count| *count == 0), "{after:?}");
}

/// What is deleted by a tag is looked at once more under its lock: on PostgreSQL a write may have come in
/// between.
#[test]
fn an_object_that_lost_its_tag_is_not_deleted_by_it() {
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let tx = &mut WriteTx::new(Session::Sqlite(&mut connection), TenantId(1));
    let of = ObjectType::CustomerOrg;
    let old = connector_object();
    let newer = Object {
        sequence: old.sequence + 1,
        tags: BTreeMap::from([("a".into(), "new".into())]),
        ..connector_object()
    };
    let equal = EqualSequence::Keep;
    ready(tx.put_objects(1, &[&old], equal, Timestamp(1)))
        .unwrap()
        .unwrap();
    let tagged = ready(tx.tagged_objects(1, of, ("a", "b"), ("", "z"), 10))
        .unwrap()
        .unwrap();
    assert_eq!(tagged, ["o"]);
    ready(tx.put_objects(1, &[&newer], equal, Timestamp(2)))
        .unwrap()
        .unwrap();
    let still = ready(tx.lock_tagged_objects(1, of, ("a", "b"), &tagged));
    assert_eq!(still, Ok(Ok(vec![])));
    let still = ready(tx.lock_tagged_objects(1, of, ("a", "new"), &tagged));
    assert_eq!(still, Ok(Ok(tagged)));
}
