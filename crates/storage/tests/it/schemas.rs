//! What migrations leave: the same on both databases, and the tenant first in all of it.

use std::collections::BTreeSet;

use guildhall_testkit::TempFolder;

use crate::backend::{open, postgres_database};

/// Columns: table, place, name, type, whether it may be NULL, default. Indexes: table, name (primary keys
/// and what a column's UNIQUE makes have none of ours), whether unique, columns.
type Schema = BTreeSet<String>;

fn sqlite_schema() -> Schema {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    drop(open(&path, true).unwrap());
    let database = rusqlite::Connection::open(path).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    // A column of a primary key is never NULL, and PostgreSQL says so; an INTEGER PRIMARY KEY has no index
    // of its own.
    let columns = "SELECT format('column %s %d %s %s %s %s', m.name, c.cid, c.name, \
             replace(lower(c.type), 'integer', 'bigint'), \
             CASE WHEN c.\"notnull\" OR c.pk > 0 THEN 'not null' ELSE 'null' END, coalesce(c.dflt_value, '-')) \
         FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let indexes = "SELECT format('index %s %s %s (%s)', m.name, \
             CASE i.origin WHEN 'c' THEN i.name WHEN 'pk' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, \
             CASE WHEN i.\"unique\" THEN 'unique' ELSE 'not unique' END, \
             (SELECT group_concat(x.name, ', ' ORDER BY x.seqno) FROM pragma_index_info(i.name) x)) \
         FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table'";
    let rowids = "SELECT format('index %s PRIMARY KEY unique (%s)', m.name, c.name) \
         FROM sqlite_schema m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND c.pk = 1 AND c.type = 'INTEGER'";
    [columns, indexes, rowids].into_iter().flat_map(rows).collect()
}

fn postgres_schema() -> Schema {
    let database = postgres_database();
    // The place is that among the columns that are there.
    let columns = "SELECT format('column %s %s %s %s %s %s', c.relname, \
             row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) - 1, a.attname, \
             format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END, \
             coalesce(pg_get_expr(d.adbin, d.adrelid), '-')) \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace;";
    let indexes = "SELECT format('index %s %s %s (%s)', c.relname, \
             CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE x.relname END, \
             CASE WHEN i.indisunique THEN 'unique' ELSE 'not unique' END, \
             (SELECT string_agg(pg_get_indexdef(x.oid, n, false), ', ' ORDER BY n) \
                 FROM generate_series(1, i.indnatts) n)) \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid \
         LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.contype IN ('p', 'u') \
         WHERE c.relnamespace = 'public'::regnamespace;";
    let rows = database.sql(&format!("{columns} {indexes}"));
    // Some names are words of PostgreSQL's, which it quotes; it tells of what type a default is.
    rows.lines()
        .map(|line| line.replace('"', "").replace("::text", ""))
        .collect()
}

#[test]
fn both_databases_have_the_same_columns_and_indexes() {
    let (sqlite, postgres) = (sqlite_schema(), postgres_schema());
    assert!(sqlite.len() > 100, "only {} are found: {sqlite:#?}", sqlite.len());
    // Of what servers that share a database tell each other; on SQLite there is one.
    let is_shared = |line: &str| line.starts_with("column touch") || line.starts_with("index touch");
    let only = |one: &Schema, other: &Schema| {
        let lines = one.difference(other).filter(|line| !is_shared(line));
        lines.cloned().collect::<Vec<_>>()
    };
    // Names of organizations are in a table that only SQLite has, into which they are brought later.
    let of_names = [
        "column name_index 0 tenant_id bigint not null -",
        "column name_index 1 name_key text not null -",
        "column name_index 2 organization_id bigint not null -",
        "index name_index PRIMARY KEY unique (tenant_id, name_key, organization_id)",
    ];
    let unique_names = ["index organization organization_name unique (tenant_id, name_key)"];
    assert_eq!(
        (only(&sqlite, &postgres), only(&postgres, &sqlite)),
        (
            of_names.map(str::to_owned).to_vec(),
            unique_names.map(str::to_owned).to_vec()
        ),
        "on SQLite alone, on PostgreSQL alone"
    );
}

/// Tables can be spread by their tenant: it is the first column of each table, and leads each primary key,
/// each unique index and each foreign key.
#[test]
fn the_tenant_comes_first() {
    const WITHOUT_A_TENANT: [(&str, &str); 10] = [
        ("table touch_floor", "where rows of all tenants were removed"),
        ("key touch_floor", "where rows of all tenants were removed"),
        ("table schema_version", "one schema for all tenants"),
        ("key schema_version", "one schema for all tenants"),
        ("table probe", "shows whether the database takes writes"),
        ("key probe", "shows whether the database takes writes"),
        (
            "table copying",
            "marks a database that is being filled, all tenants of it",
        ),
        (
            "key copying",
            "marks a database that is being filled, all tenants of it",
        ),
        ("unique tenant cloud_id", "the tenant is what is looked for"),
        (
            "unique token hash",
            "the tenant of a token is unknown until it is found",
        ),
    ];
    let database = postgres_database();
    let tables = "SELECT format('table %s', c.relname) FROM pg_class c \
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS ( \
             SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1 AND a.attname = 'tenant_id');";
    let keys = "SELECT CASE WHEN i.indisprimary THEN format('key %s', c.relname) \
             ELSE format('unique %s %s', c.relname, pg_get_indexdef(i.indexrelid, 1, false)) END \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
         WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace \
             AND pg_get_indexdef(i.indexrelid, 1, false) <> 'tenant_id';";
    let foreign_keys = "SELECT format('foreign key %s', k.conname) FROM pg_constraint k \
         WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND NOT ( \
             EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
                 AND a.attname = 'tenant_id') \
             AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1] \
                 AND a.attname = 'tenant_id'));";
    let without = database.sql(&format!("{tables} {keys} {foreign_keys}"));
    let without: BTreeSet<&str> = without.lines().collect();
    let listed: BTreeSet<&str> = WITHOUT_A_TENANT.iter().map(|(what, _)| *what).collect();
    assert_eq!(without, listed);
    let count = database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert!(count.parse::<u32>().unwrap() > 10, "{count} tables");
}

/// Texts are compared and ordered by their bytes, as SQLite does, whatever the database's locale.
#[test]
fn texts_are_ordered_by_their_bytes() {
    let database = postgres_database();
    let others = database.sql(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
             JOIN pg_collation l ON l.oid = a.attcollation \
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND l.collname <> 'C'",
    );
    assert_eq!(others, "");
}
