//! Shards by tenant: where the database has the extension Citus, its tables are distributed after they were
//! migrated. All that belongs to a tenant lies together, by `tenant_id`, in one group; what is looked up
//! before the tenant is known is small and whole on every node. The rest is the database's own and stays on
//! the coordinator. A test compares the lists with the tables that there are.

use crate::OpenError;
use crate::migrate::MIGRATION_LOCK;

/// Tables that are whole on every node: their unique keys do not hold the tenant.
const REFERENCE: [&str; 2] = ["tenant", "token"];

/// Tables that are split by `tenant_id`, all in the group of the first.
const DISTRIBUTED: [&str; 24] = [
    "counter",
    "field",
    "organization",
    "organization_spent",
    "customer",
    "membership",
    "product",
    "entitlement",
    "detail_index",
    "detail_pending",
    "sweep",
    "task",
    "task_open",
    "task_item",
    "connection",
    "object",
    "object_tag",
    "object_category",
    "object_write",
    "connector_user",
    "connector_user_email",
    "connector_mapping",
    "connector_group",
    "connector_member",
];

/// Tables of the coordinator alone.
#[cfg(test)]
const OWN: [&str; 5] = ["copying", "probe", "schema_version", "touch", "touch_floor"];

/// Whether the database has Citus.
pub(crate) async fn is_there(client: &tokio_postgres::Client) -> Result<bool, OpenError> {
    const HAS_CITUS: &str = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";
    let failed = |e: tokio_postgres::Error| {
        let words = crate::driver::postgres::words(&e);
        OpenError(format!("PostgreSQL: cannot read its extensions: {words}"))
    };
    let found = client.query_opt(HAS_CITUS, &[]).await.map_err(failed)?;
    Ok(found.is_some())
}

/// Distributes the tables that are not distributed yet, where the database has Citus.
pub(crate) async fn distribute(client: &mut tokio_postgres::Client) -> Result<(), OpenError> {
    const IS_THERE: &str = "SELECT 1 FROM pg_dist_partition WHERE logicalrelid = to_regclass($1)";
    const WHOLE: &str = "SELECT create_reference_table(to_regclass($1))";
    const FIRST: &str =
        "SELECT create_distributed_table(to_regclass($1), 'tenant_id', colocate_with => 'none')";
    const NEXT: &str =
        "SELECT create_distributed_table(to_regclass($1), 'tenant_id', colocate_with => 'counter')";
    let failed = |e: tokio_postgres::Error| {
        let words = crate::driver::postgres::words(&e);
        OpenError(format!("PostgreSQL: cannot distribute tables by Citus: {words}"))
    };
    if !is_there(client).await? {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(failed)?;
    // Tables that hold much already take long, and so may another server.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await
        .map_err(failed)?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(failed)?;
    let [first, next @ ..] = &DISTRIBUTED;
    let whole = REFERENCE.iter().map(|table| (table, WHOLE));
    let split = next.iter().map(|table| (table, NEXT));
    for (table, statement) in whole.chain([(first, FIRST)]).chain(split) {
        if transaction
            .query_opt(IS_THERE, &[table])
            .await
            .map_err(failed)?
            .is_none()
        {
            transaction.execute(statement, &[table]).await.map_err(failed)?;
        }
    }
    transaction.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use guildhall_testkit::Cluster;

    use super::{DISTRIBUTED, OWN, REFERENCE};
    use crate::{Location, Settings, Store};

    fn database() -> guildhall_testkit::Database {
        let database = Cluster::shared().database();
        let settings = Settings {
            location: Location::Postgres(database.url()),
            create: true,
            serve: true,
            now_ms: 0,
            on_fatal: std::sync::Arc::new(|_| {}),
            pending_entries: crate::PENDING_ENTRIES,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        // Twice: the second time there is nothing left to do.
        for _ in 0..2 {
            runtime.block_on(Store::open(&settings)).unwrap();
        }
        database
    }

    fn set(lines: &str) -> BTreeSet<String> {
        lines.lines().map(str::to_owned).collect()
    }

    fn names(lists: &[&[&str]]) -> BTreeSet<String> {
        lists.concat().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_table_is_on_one_list() {
        let database = database();
        let tables =
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname !~ '_[0-9]{6}$'";
        let all = names(&[&REFERENCE, &DISTRIBUTED, &OWN]);
        assert_eq!(
            set(&database.sql(tables)),
            all,
            "a new table: say in citus.rs where it lies"
        );
        assert_eq!(
            all.len(),
            REFERENCE.len() + DISTRIBUTED.len() + OWN.len(),
            "once each"
        );
    }

    /// Unique keys of tables that are split by the tenant hold it, or Citus refuses the table.
    #[test]
    fn unique_keys_of_split_tables_hold_the_tenant() {
        let database = database();
        let keys = "SELECT DISTINCT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relname !~ '_[0-9]{6}$'
            AND i.indkey[0] <> a.attnum";
        assert_eq!(set(&database.sql(keys)), names(&[&REFERENCE]));
    }

    /// With the extension (`GUILDHALL_TEST_CITUS=1`) the tables lie where the lists say, in one group.
    #[test]
    fn tables_lie_where_the_lists_say() {
        let database = database();
        if database.sql("SELECT count(*) FROM pg_extension WHERE extname = 'citus'") == "0" {
            assert!(
                !guildhall_testkit::postgres::with_citus(),
                "the extension was asked for"
            );
            return;
        }
        let of = |method: &str| {
            set(&database.sql(&format!(
                "SELECT logicalrelid::text FROM pg_dist_partition WHERE partmethod = '{method}'"
            )))
        };
        assert_eq!(of("n"), names(&[&REFERENCE]));
        assert_eq!(of("h"), names(&[&DISTRIBUTED]));
        let groups = "SELECT count(DISTINCT colocationid) FROM pg_dist_partition WHERE partmethod = 'h'";
        assert_eq!(database.sql(groups), "1");
    }
}
