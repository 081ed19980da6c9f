//! The bare engine: SQLite with the server's settings, one connection, doing changes that a server did before, in
//! transactions of as many organizations, with checkpoints beside the writer.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::Outcome;
use crate::rows::{Action, Change, Changes, Table};

/// Organizations in a transaction: as many as a chunk of the server's has at most.
pub const CHUNK: usize = 50;
/// From which length of the log on it checkpoints beside its writes, in bytes.
const CHECKPOINT_FROM: u64 = 4 * 1024 * 1024;

/// Does the changes, and returns how many organizations a second that were.
pub fn apply(path: &Path, changes: &Changes) -> Outcome<f64> {
    let connection = open(path)?;
    let statements: Vec<[String; 3]> = changes.tables.iter().map(statements).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let checkpoints = scope.spawn(|| checkpoint(path, &done));
        let start = Instant::now();
        let run = || -> Outcome<()> {
            for chunk in changes.items.chunks(CHUNK) {
                connection.execute_batch("BEGIN IMMEDIATE")?;
                for change in chunk.iter().flatten() {
                    let sql = &statements[change.table][change.action as usize];
                    let values = parameters(&changes.tables[change.table], change);
                    connection
                        .prepare_cached(sql)?
                        .execute(params_from_iter(values))?;
                }
                connection.execute_batch("COMMIT")?;
            }
            Ok(())
        };
        let result = run();
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Release);
        checkpoints
            .join()
            .map_err(|_| crate::problem("the checkpoints panicked"))??;
        result?;
        Ok(changes.items.len() as f64 / seconds)
    })
}

fn open(path: &Path) -> Outcome<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(256);
    for (name, value) in [
        ("journal_mode", "wal"),
        ("synchronous", "full"),
        ("cell_size_check", "1"),
        ("wal_autocheckpoint", "0"),
        ("cache_size", "-16000"),
        ("temp_store", "memory"),
    ] {
        connection.pragma_update(None, name, value)?;
    }
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn checkpoint(path: &Path, done: &AtomicBool) -> Outcome<()> {
    let connection = open(path)?;
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    while !done.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(5));
        if fs::metadata(&wal).map_or(0, |m| m.len()) >= CHECKPOINT_FROM {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
    }
    Ok(())
}

/// Delete, update and insert, in the order of [`Action`].
fn statements(table: &Table) -> [String; 3] {
    let name = &table.name;
    let all = |wanted: &dyn Fn(usize) -> bool| -> Vec<(usize, &str)> {
        let columns = table.columns.iter().enumerate().filter(|(at, _)| wanted(*at));
        columns.map(|(at, (column, _))| (at, column.as_str())).collect()
    };
    let equal = |columns: Vec<(usize, &str)>, between: &str| -> String {
        let parts = columns
            .iter()
            .map(|(at, column)| format!("{column} = ?{}", at + 1));
        parts.collect::<Vec<_>>().join(between)
    };
    let key = equal(all(&|at| table.key.contains(&at)), " AND ");
    let rest = equal(all(&|at| !table.key.contains(&at)), ", ");
    let key_only: Vec<String> = table
        .key
        .iter()
        .enumerate()
        .map(|(n, at)| format!("{} = ?{}", table.columns[*at].0, n + 1))
        .collect();
    let places: Vec<String> = (1..=table.columns.len()).map(|n| format!("?{n}")).collect();
    [
        format!("DELETE FROM {name} WHERE {}", key_only.join(" AND ")),
        format!("UPDATE {name} SET {rest} WHERE {key}"),
        format!("INSERT INTO {name} VALUES ({})", places.join(", ")),
    ]
}

fn parameters<'a>(table: &Table, change: &'a Change) -> Vec<&'a Value> {
    match change.action {
        Action::Delete => table.key.iter().map(|at| &change.row[*at]).collect(),
        Action::Update | Action::Insert => change.row.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use guildhall_testkit::{Cluster, TempFolder};

    use super::*;
    use crate::postgres;
    use crate::rows::Snapshot;

    const TABLES: &str =
        "CREATE TABLE organization (tenant_id BIGINT, id BIGINT, name TEXT, PRIMARY KEY (tenant_id, id));
         CREATE TABLE detail (organization_id BIGINT, value TEXT, PRIMARY KEY (organization_id, value));
         INSERT INTO organization VALUES (1, 1, 'a'), (1, 2, NULL), (1, 3, 'c');
         INSERT INTO detail VALUES (1, 'x'), (2, 'y');";
    const WORK: &str =
        "DELETE FROM organization WHERE id = 1; UPDATE organization SET name = 'B' WHERE id = 2;
         INSERT INTO organization VALUES (1, 4, NULL), (1, 5, 'e'); DELETE FROM detail;
         INSERT INTO detail VALUES (4, 'Ж'), (5, 'z');";

    fn database(folder: &TempFolder, name: &str, batches: &[&str]) -> std::path::PathBuf {
        let path = folder.join(name);
        let connection = Connection::open(&path).unwrap();
        for batch in batches {
            connection.execute_batch(batch).unwrap();
        }
        path
    }

    fn changes(folder: &TempFolder) -> Changes {
        let before = Snapshot::read(&database(folder, "before", &[TABLES])).unwrap();
        before.until(Snapshot::read(&database(folder, "after", &[TABLES, WORK])).unwrap())
    }

    #[test]
    fn the_bare_engine_leaves_what_the_server_left() {
        let folder = TempFolder::new();
        let path = database(&folder, "bare", &[TABLES]);
        let rate = apply(&path, &changes(&folder)).unwrap();
        assert!(rate > 0.0);
        let left = Snapshot::read(&path).unwrap();
        let wanted = Snapshot::read(&folder.join("after")).unwrap();
        assert!(left.until(wanted).items.is_empty());
    }

    #[test]
    fn so_does_the_bare_client_of_postgres() {
        let folder = TempFolder::new();
        let changes = changes(&folder);
        for singly in [false, true] {
            let database = Cluster::shared().database();
            postgres::execute(&database.url(), TABLES).unwrap();
            match singly {
                false => postgres::apply(&database.url(), &changes).unwrap(),
                true => {
                    postgres::apply_singly(&database.url(), &changes, 3, Duration::from_secs(60)).unwrap()
                }
            };
            let said = database
                .sql("SELECT id, name FROM organization ORDER BY id; SELECT * FROM detail ORDER BY 1");
            assert_eq!(said, "2|B\n3|c\n4|\n5|e\n4|Ж\n5|z");
        }
    }

    #[test]
    fn databases_have_urls_of_their_own() {
        let other = |url: &str| postgres::other_database(url, "x").unwrap();
        assert_eq!(other("postgres://a@b:1/c?d=e"), "postgres://a@b:1/x?d=e");
        assert_eq!(other("postgres://a@b"), "postgres://a@b/x");
        assert!(postgres::other_database("b", "x").is_err());
    }
}
