//! Numbered migrations, forward only, each in one transaction with its version row. A database
//! that a newer program has migrated is refused.

use std::fs::{self, File};
use std::path::Path;

use guildhall_domain::text;

use crate::citus;
use crate::driver::sqlite::Connection;
use crate::error::OpenError;

/// The migrations of SQLite in order; the first has number 1.
const SQLITE: &[&str] = &[
    include_str!("../migrations/sqlite/0001_organizations.sql"),
    include_str!("../migrations/sqlite/0002_tasks.sql"),
    include_str!("../migrations/sqlite/0003_lists.sql"),
    include_str!("../migrations/sqlite/0004_objects.sql"),
    include_str!("../migrations/sqlite/0005_cursor_secrets.sql"),
    include_str!("../migrations/sqlite/0006_pending_entries.sql"),
    include_str!("../migrations/sqlite/0007_entries_without_kind.sql"),
    include_str!("../migrations/sqlite/0008_index_of_names.sql"),
];

/// Whether it is a database of an older version.
pub(crate) fn is_behind(connection: &mut Connection, path: &Path) -> Result<bool, OpenError> {
    const HAS_VERSIONS: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_version'";
    let inner = connection.inner();
    let cannot = |e: rusqlite::Error| OpenError(format!("{}: cannot read the database: {e}", path.display()));
    let has_versions: i64 = inner
        .query_row(HAS_VERSIONS, [], |row| row.get(0))
        .map_err(cannot)?;
    let found = match has_versions {
        0 => 0,
        _ => version(inner).map_err(cannot)?,
    };
    Ok(found > 0 && found < SQLITE.len() as i64)
}

/// Brings the database to this program's version. Several processes may try at once: each step
/// looks again inside its own transaction.
pub(crate) fn sqlite(connection: &mut Connection, path: &Path, now_ms: i64) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| OpenError(format!("{}: cannot migrate: {e}", path.display()));
    let inner = connection.inner();
    refuse_foreign(inner, path)?;
    inner
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_version \
             (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)",
        )
        .map_err(failed)?;
    let newest = SQLITE.len() as i64;
    let found = version(inner).map_err(failed)?;
    if found > newest {
        return Err(OpenError(format!(
            "{}: the database has schema version {found}, and this guildhall knows versions up to {newest}. \
             Use the guildhall that wrote it, or a newer one.",
            path.display()
        )));
    }
    if found > 0 && found < newest {
        copy_before(inner, path, found)?;
    }
    for (index, sql) in SQLITE
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(0))
    {
        let number = index as i64 + 1;
        let transaction = inner
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(failed)?;
        if version(&transaction).map_err(failed)? < number {
            transaction.execute_batch(sql).map_err(failed)?;
            if number == CUSTOMER_NAMES {
                sqlite_customer_names(&transaction).map_err(failed)?;
            }
            transaction
                .execute(
                    "INSERT INTO schema_version (version, applied_at) VALUES (?1, ?2)",
                    [number, now_ms],
                )
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// The migrations of PostgreSQL: the same steps, and what servers that share a database need.
const POSTGRES: &[&str] = &[
    include_str!("../migrations/postgres/0001_organizations.sql"),
    include_str!("../migrations/postgres/0002_tasks.sql"),
    include_str!("../migrations/postgres/0003_lists.sql"),
    include_str!("../migrations/postgres/0004_objects.sql"),
    include_str!("../migrations/postgres/0005_cursor_secrets.sql"),
    include_str!("../migrations/postgres/0006_pending_entries.sql"),
    include_str!("../migrations/postgres/0007_touches.sql"),
    include_str!("../migrations/postgres/0008_entries_without_kind.sql"),
];

/// One number for all servers: who migrates holds it until the transaction ends. Tenants are locked by
/// theirs, which are small.
pub(crate) const MIGRATION_LOCK: i64 = 0x6775_696c_6468_616c;

/// Brings a PostgreSQL database to this program's version. Servers that start together take turns.
pub(crate) async fn postgres(client: &mut tokio_postgres::Client, now_ms: i64) -> Result<(), OpenError> {
    let failed = |e: tokio_postgres::Error| {
        let words = crate::driver::postgres::words(&e);
        OpenError(format!("PostgreSQL: cannot migrate: {words}"))
    };
    for (number, sql) in (1_i64..).zip(POSTGRES) {
        let transaction = client.transaction().await.map_err(failed)?;
        // A step may take long, and so may another server's.
        transaction
            .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            .await
            .map_err(failed)?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
            .await
            .map_err(failed)?;
        transaction
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS schema_version \
                 (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)",
            )
            .await
            .map_err(failed)?;
        let row = transaction
            .query_one("SELECT COALESCE(MAX(version), 0) FROM schema_version", &[])
            .await
            .map_err(failed)?;
        let found: i64 = row.try_get(0).map_err(failed)?;
        let newest = POSTGRES.len() as i64;
        if found > newest {
            return Err(OpenError(format!(
                "the database has schema version {found}, and this guildhall knows versions up to {newest}. Use \
                 the guildhall that wrote it, or a newer one."
            )));
        }
        if found < number {
            transaction.batch_execute(sql).await.map_err(failed)?;
            if number == CUSTOMER_NAMES {
                postgres_customer_names(&transaction).await.map_err(failed)?;
            }
            let insert = "INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)";
            transaction
                .execute(insert, &[&number, &now_ms])
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
    }
    citus::distribute(client).await
}

/// The step after which the names of customers as compared are filled: no database folds as we do.
const CUSTOMER_NAMES: i64 = 3;
/// Customers that are filled at once.
const FILLED_AT_ONCE: i64 = 1_000;

fn sqlite_customer_names(transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    let mut page = transaction.prepare(
        "SELECT tenant_id, number, display_name FROM customer WHERE (tenant_id, number) > (?1, ?2) \
         ORDER BY tenant_id, number LIMIT ?3",
    )?;
    let mut fill =
        transaction.prepare("UPDATE customer SET name_key = ?3 WHERE tenant_id = ?1 AND number = ?2")?;
    let mut last = (i64::MIN, i64::MIN);
    loop {
        let rows: Vec<(i64, i64, String)> = page
            .query_map([last.0, last.1, FILLED_AT_ONCE], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        let Some((tenant, number, _)) = rows.last() else {
            return Ok(());
        };
        last = (*tenant, *number);
        for (tenant, number, name) in rows {
            fill.execute((tenant, number, text::key(&name)))?;
        }
    }
}

async fn postgres_customer_names(
    transaction: &tokio_postgres::Transaction<'_>,
) -> Result<(), tokio_postgres::Error> {
    const PAGE: &str = "SELECT tenant_id, number, display_name FROM customer WHERE (tenant_id, number) > ($1, $2) \
         ORDER BY tenant_id, number LIMIT $3";
    const FILL: &str = "UPDATE customer c SET name_key = k.name_key \
         FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS k (tenant_id, number, name_key) \
         WHERE c.tenant_id = k.tenant_id AND c.number = k.number";
    let mut last = (i64::MIN, i64::MIN);
    loop {
        let (mut tenants, mut numbers, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for row in transaction
            .query(PAGE, &[&last.0, &last.1, &FILLED_AT_ONCE])
            .await?
        {
            last = (row.try_get(0)?, row.try_get(1)?);
            tenants.push(last.0);
            numbers.push(last.1);
            keys.push(text::key(row.try_get(2)?));
        }
        if tenants.is_empty() {
            return Ok(());
        }
        transaction.execute(FILL, &[&tenants, &numbers, &keys]).await?;
    }
}

/// A database of another program is not taken over.
fn refuse_foreign(connection: &rusqlite::Connection, path: &Path) -> Result<(), OpenError> {
    const SQL: &str = "SELECT COUNT(*), COUNT(CASE name WHEN 'schema_version' THEN 1 END) FROM sqlite_schema";
    let (all, ours): (i64, i64) = connection
        .query_row(SQL, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|e| OpenError(format!("{}: cannot read the database: {e}", path.display())))?;
    match all > 0 && ours == 0 {
        false => Ok(()),
        true => Err(OpenError(format!(
            "{}: this is the database of another program; Guildhall makes one of its own where there is none",
            path.display()
        ))),
    }
}

fn version(connection: &rusqlite::Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT COALESCE(MAX(version), 0) FROM schema_version",
        [],
        |row| row.get(0),
    )
}

/// A copy of the database as it was before its first new migration, beside it.
fn copy_before(connection: &rusqlite::Connection, path: &Path, found: i64) -> Result<(), OpenError> {
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".v{found}"));
    let copy = Path::new(&copy);
    if copy.exists() {
        return Ok(());
    }
    let cannot = |e: &dyn std::fmt::Display| {
        OpenError(format!(
            "{}: cannot copy the database before migrating it: {e}",
            copy.display()
        ))
    };
    // It has its name only when it is whole: what a full disk or a kill left is made anew.
    let part = copy.with_added_extension("part");
    if part.exists() {
        fs::remove_file(&part).map_err(|e| cannot(&e))?;
    }
    // Created first so that it is its owner's alone; SQLite accepts an empty target.
    crate::driver::sqlite::create_private(&part)?;
    let target = part.to_str().ok_or_else(|| cannot(&"its path is not UTF-8"))?;
    connection
        .execute("VACUUM INTO ?1", [target])
        .map_err(|e| cannot(&e))?;
    let is_kept = File::open(&part).and_then(|file| file.sync_all());
    is_kept
        .and_then(|()| fs::rename(&part, copy))
        .map_err(|e| cannot(&e))
}
