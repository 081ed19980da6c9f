//! Databases of earlier versions, brought to this one.

use guildhall_domain::list::{ListKind, Span};
use guildhall_domain::{Definitions, EntityKind, FieldId, OrganizationId, TenantId, text};
use guildhall_storage::{Location, Sweep, Swept, Walk};
use guildhall_testkit::{Cluster, TempFolder};

use crate::backend::{open_at, runtime};
use crate::lists::walked;
use crate::sample::write;

/// The steps as they were when the index of values came to do without the kind.
const SQLITE: [&str; 6] = [
    include_str!("../../migrations/sqlite/0001_organizations.sql"),
    include_str!("../../migrations/sqlite/0002_tasks.sql"),
    include_str!("../../migrations/sqlite/0003_lists.sql"),
    include_str!("../../migrations/sqlite/0004_objects.sql"),
    include_str!("../../migrations/sqlite/0005_cursor_secrets.sql"),
    include_str!("../../migrations/sqlite/0006_pending_entries.sql"),
];
const POSTGRES: [&str; 7] = [
    include_str!("../../migrations/postgres/0001_organizations.sql"),
    include_str!("../../migrations/postgres/0002_tasks.sql"),
    include_str!("../../migrations/postgres/0003_lists.sql"),
    include_str!("../../migrations/postgres/0004_objects.sql"),
    include_str!("../../migrations/postgres/0005_cursor_secrets.sql"),
    include_str!("../../migrations/postgres/0006_pending_entries.sql"),
    include_str!("../../migrations/postgres/0007_touches.sql"),
];

/// What says that so many steps were made.
fn steps_made(count: usize) -> String {
    let mut sql =
        "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL);".to_owned();
    for version in 1..=count {
        sql.push_str(&format!("INSERT INTO schema_version VALUES ({version}, 0);"));
    }
    sql
}

/// An SQLite file that holds these rows behind these steps.
fn old_file(folder: &TempFolder, steps: &[&str], rows: &str) -> Location {
    let path = folder.join("guildhall.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    let marks = steps_made(steps.len()).replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY");
    for sql in steps.iter().copied().chain([&*marks]) {
        old.execute_batch(sql).unwrap();
    }
    old.execute_batch(&format!("BEGIN; {rows} COMMIT;")).unwrap();
    Location::Sqlite(path)
}

/// An index that still has kinds: of two tenants, whose fields and entities have the same numbers. A field of customers was
/// deleted, and its values are still to be swept.
const KINDS: &str = r#"
    INSERT INTO tenant (tenant_id, cloud_id, name, definitions_stamp, created_at)
        VALUES (1, 'one', 'One', 0, 0), (2, 'other', 'Other', 0, 0);
    INSERT INTO field (tenant_id, id, kind, name, name_key, type, options, position)
        VALUES (1, 7, 'ORGANIZATION', 'A', 'a', 'TEXT', '[]', 1), (2, 7, 'CUSTOMER', 'A', 'a', 'TEXT', '[]', 1);
    INSERT INTO sweep (tenant_id, what, target) VALUES (1, 'FIELD', 8);
    INSERT INTO organization (tenant_id, id, name, name_key, details, created_at, updated_at)
        VALUES (1, 1, 'One', 'one', '{"7":["Ten"]}', 0, 0), (1, 2, 'Two', 'two', '{"7":["Ten"]}', 0, 0);
    INSERT INTO customer (tenant_id, number, id, email, email_key, display_name, details, created_at, updated_at, name_key)
        VALUES (1, 1, 'c', 'e', 'e', 'C', '{"8":["Ten"]}', 0, 0, 'c'), (2, 2, 'c', 'e', 'e', 'C', '{"7":["Ten"]}', 0, 0, 'c');
    INSERT INTO detail_index (tenant_id, kind, field_id, value_key, entity_number)
        VALUES (1, 'CUSTOMER', 8, 'ten', 1), (1, 'ORGANIZATION', 7, 'ten', 1), (2, 'CUSTOMER', 7, 'ten', 2);
"#;

/// The entry of the second organization, as `detail_pending` has it there, and as the index has it.
const PENDING: &str = r#"INSERT INTO detail_pending (tenant_id, number, changes)
    VALUES (1, 1, '[{"kind":"ORGANIZATION","number":2,"is_there":true,"keys":[[7,"ten"]]}]');"#;
const INDEXED: &str = "INSERT INTO detail_index (tenant_id, kind, field_id, value_key, entity_number)
    VALUES (1, 'ORGANIZATION', 7, 'ten', 2);";

fn assert_entries_are_there(location: &Location) {
    runtime().block_on(async {
        let (one, other) = (TenantId(1), TenantId(2));
        // Each time as it is found, the second time by a database that was migrated before.
        for _ in 0..2 {
            let store = open_at(location, true).await.unwrap();
            let with_ten = Walk::Key(FieldId(7), "ten");
            assert_eq!(walked(&store, one, with_ten, false).await, [1, 2]);
            assert_eq!(walked(&store, other, with_ten, false).await, [2]);
            let (all, two) = (Span::all(), Span::of("two"));
            for (span, numbers) in [(&all, vec![1, 2]), (&two, vec![2])] {
                let by_name = Walk::Names(ListKind::Organizations, span);
                assert_eq!(walked(&store, one, by_name, false).await, numbers);
                assert_eq!(walked(&store, other, by_name, false).await, [0; 0]);
            }
            let found = store
                .read(one, async |tx| tx.organization_by_key("two").await)
                .await;
            assert_eq!(found.unwrap().map(|found| found.id), Some(OrganizationId(2)));
            store.settle().await.unwrap();
        }
        let store = open_at(location, true).await.unwrap();
        let mut swept = Vec::new();
        while swept.last() != Some(&Swept::Finished) {
            let none = Definitions::default();
            let sweep = async move |tx: &mut guildhall_storage::WriteTx<'_>| {
                tx.sweep(Sweep::Field(FieldId(8)), &none).await
            };
            swept.push(write(&store, one, sweep).await);
        }
        assert_eq!(swept, [Swept::More, Swept::Finished]);
        let deleted = walked(&store, one, Walk::Key(FieldId(8), "ten"), false).await;
        assert_eq!(deleted, [0; 0]);
        let (organization, customers) = store
            .read(one, async |tx| {
                let organization = tx.organization(OrganizationId(1)).await?;
                Ok::<_, guildhall_storage::StoreError>((organization, tx.list_customers(&[1]).await?))
            })
            .await
            .unwrap();
        let kept = organization.unwrap().details;
        assert_eq!(kept.get(FieldId(7)), ["Ten"]);
        assert!(customers[0].thing.details.get(FieldId(8)).is_empty());
        let fields = store
            .read(other, async |tx| tx.fields(EntityKind::Customer).await)
            .await;
        assert_eq!(fields.unwrap().len(), 1);
    });
}

#[test]
fn the_index_of_an_old_sqlite_file_does_without_kinds() {
    let folder = TempFolder::new();
    let location = old_file(&folder, &SQLITE, &format!("{KINDS} {PENDING}"));
    assert_entries_are_there(&location);
    assert!(folder.join("guildhall.db.v6").exists(), "a copy was made before");
}

#[test]
fn the_index_of_an_old_postgres_database_does_without_kinds() {
    let database = Cluster::shared().database();
    for sql in POSTGRES {
        database.sql(sql);
    }
    database.sql(&steps_made(POSTGRES.len()));
    database.sql(&format!("{KINDS} {INDEXED}"));
    assert_entries_are_there(&Location::Postgres(database.url()));
}

/// A tenant with 2,345 customers, written before customers had names as compared.
fn old_rows() -> String {
    let mut sql = "INSERT INTO tenant VALUES (1, 'cloud', 'Old', 0, 0);".to_owned();
    for number in 1..=2_345 {
        let name = if number == 2_345 {
            "ÄRGER".to_owned()
        } else {
            format!("Customer {number:04}")
        };
        sql.push_str(&format!(
            "INSERT INTO customer (tenant_id, number, id, email, email_key, display_name, details, created_at, \
             updated_at) VALUES (1, {number}, 'c{number}', 'e{number}', 'e{number}', '{name}', '{{}}', 0, 0);"
        ));
    }
    sql
}

fn assert_names_are_there(location: &Location) {
    runtime().block_on(async {
        let store = open_at(location, true).await.unwrap();
        let (first, last) = (text::key("customer 0001"), text::key("ärger"));
        for (key, number) in [(first, 1), (last, 2_345)] {
            let span = Span::of(&key);
            let found = walked(
                &store,
                TenantId(1),
                Walk::Names(ListKind::Customers, &span),
                false,
            )
            .await;
            assert_eq!(found, [number], "{key}");
        }
        let all = Span::all();
        let found = walked(&store, TenantId(1), Walk::Names(ListKind::Customers, &all), false).await;
        assert!(found.is_sorted() && found.len() == 2_345);
    });
}

#[test]
fn an_old_sqlite_file_gets_names() {
    let folder = TempFolder::new();
    assert_names_are_there(&old_file(&folder, &SQLITE[..2], &old_rows()));
}

#[test]
fn an_old_postgres_database_gets_names() {
    let database = Cluster::shared().database();
    for sql in &POSTGRES[..2] {
        database.sql(sql);
    }
    database.sql(&steps_made(2));
    let rows = old_rows();
    let statements: Vec<&str> = rows.split_inclusive(';').collect();
    for some in statements.chunks(200) {
        database.sql(&some.concat());
    }
    assert_names_are_there(&Location::Postgres(database.url()));
}
