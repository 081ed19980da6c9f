//! Users and groups of connectors on PostgreSQL: one that is deleted while another unit brings it anew.

use guildhall_testkit::Database;
use tokio_postgres::NoTls;

use crate::backend::{open_at, postgres_database, runtime};
use crate::postgres::until;
use crate::sample::{NOW, tenant, write};
use guildhall_storage::Location;

/// How many units wait for a lock.
fn waiting(database: &Database) -> String {
    database.sql(
        "SELECT count(*) FROM pg_locks WHERE NOT granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
}

/// A delete that found nothing takes nothing along: what was committed between its statements keeps the
/// members, or the emails, that it brought.
#[test]
fn a_delete_that_found_nothing_leaves_what_comes_anew() {
    let database = postgres_database();
    runtime().block_on(async {
        let location = Location::Postgres(database.url());
        let store = open_at(&location, true).await.unwrap();
        let one = tenant(&store, "one").await;
        let (mut other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        for (table, brings) in [
            (
                "connector_member",
                "INSERT INTO connector_group VALUES (1, 1, 'x', 'x', NULL, NULL, '{}', 0, 0); \
                 INSERT INTO connector_member VALUES (1, 1, 'x', 'USER', 'u', 'x', 'u', 0, '{}')",
            ),
            (
                "connector_user_email",
                "INSERT INTO connector_user VALUES (1, 1, 'x', 'x', NULL, NULL, '{}', 0, 0); \
                 INSERT INTO connector_user_email VALUES (1, 1, 'x', 'x@example.com', 'x')",
            ),
        ] {
            // The delete looks for the group, or the user, finds none, and then waits for this table.
            let unit = other.transaction().await.unwrap();
            let lock = format!("LOCK TABLE {table} IN EXCLUSIVE MODE; {brings}");
            unit.batch_execute(&lock).await.unwrap();
            let (deleter, is_group) = (store.clone(), table == "connector_member");
            let deleting = tokio::spawn(async move {
                write(&deleter, one, async move |tx| {
                    let ids = ["x".to_owned()];
                    match is_group {
                        true => tx.delete_groups(1, &ids, NOW).await,
                        false => tx.delete_users(1, &ids, NOW).await,
                    }
                })
                .await
            });
            until(|| waiting(&database) == "1").await;
            unit.commit().await.unwrap();
            assert!(
                deleting.await.unwrap().is_empty(),
                "{table}: it was not there yet"
            );
            let left = database.sql(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(left, "1", "{table}");
        }
        drop(other);
        connection.await.unwrap().unwrap();
    });
}
