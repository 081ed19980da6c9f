//! What only the inside can see: settings as SQLite keeps them, and the plan of every statement.

mod everything;

use std::collections::BTreeSet;
use std::path::Path;

use everything::{everything, everything_across_tenants};
use guildhall_testkit::TempFolder;
use rusqlite::StatementStatus;
use rusqlite::types::Value;

use super::connection::Use;
use super::{Connection, create_private};
use crate::driver::Session;
use crate::{StoreError, SystemTx, WriteTx, dialect, migrate, ready};

fn open(path: &Path, purpose: Use) -> Connection {
    create_private(path).unwrap();
    let mut connection = Connection::open(path, purpose).unwrap();
    if purpose == Use::Write {
        migrate::sqlite(&mut connection, path, 0).unwrap();
    }
    connection
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

/// The statements that stand in the crate's sources, as SQLite reads them.
fn written_statements() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Migrations are no statements of a transaction, and the dialect's are examples. A copy moves whole
        // tables, all tenants of them, with statements made of parts; its own tests run every one.
        if !path.is_file() || ["migrate.rs", "dialect.rs", "copy.rs"].contains(&&*name) {
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
                found.insert(dialect::sqlite(&joined));
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
    let (run, written) = (run_everything(&mut connection), written_statements());
    assert!(
        written.len() > 90,
        "only {} statements are written",
        written.len()
    );
    let missing: Vec<_> = written.difference(&run).collect();
    assert!(missing.is_empty(), "not run: {missing:#?}");
    let unknown: Vec<_> = run.difference(&written).collect();
    assert!(unknown.is_empty(), "run, and not found: {unknown:#?}");
}

/// A statement sees one tenant's rows: each table that it names is bound to the tenant, by the parameter
/// or by a join with one that is. Those that are meant to see all tenants are listed.
#[test]
fn every_statement_is_of_one_tenant() {
    const OF_ALL_TENANTS: [(&str, &str); 9] = [
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
        ("FROM task_open ORDER BY tenant_id", "work of any tenant"),
        (
            "UPDATE task_open SET lease_until = 0",
            "where one server is all there is",
        ),
        ("FROM task WHERE finished_at <", "work of any tenant"),
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
    const READ_ALL: [&str; 4] = [
        "FROM tenant ORDER BY tenant_id",
        "FROM sweep ORDER BY",
        "FROM task_open ORDER BY",
        "UPDATE task_open SET lease_until = 0",
    ];
    // A tenant's tokens are few, and read by its owner alone; so are its tasks that are not done.
    const READ_THE_TENANT: [&str; 2] = ["ORDER BY k.created_at", "COUNT(*) FROM task_open"];
    // The number of the first tenant that is counted is one more than the last that was not.
    const BY_OTHER_KEYS: [&str; 5] = [
        "WHERE cloud_id =",
        "WHERE k.hash =",
        "UPDATE probe",
        "COALESCE(MAX(tenant_id), 0)",
        "WHERE finished_at <",
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
            let is_harmless = step == "SCAN CONSTANT ROW" || step.starts_with("SCAN json_each");
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
