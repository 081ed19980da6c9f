//! Every statement as PostgreSQL takes it, and as Citus does (`GUILDHALL_TEST_CITUS=1`, where it is installed).

use std::sync::Arc;

use guildhall_testkit::Cluster;

use crate::driver::sqlite::tests::everything::{everything, everything_across_tenants};
use crate::driver::sqlite::tests::written_statements;
use crate::{Location, Settings, Store, StoreError, dialect};

#[test]
fn every_statement_is_taken() {
    let database = Cluster::shared().database();
    let settings = Settings {
        location: Location::Postgres(database.url()),
        create: true,
        serve: true,
        now_ms: 0,
        on_fatal: Arc::new(|_| {}),
    };
    let run = async {
        let store = Store::open(&settings).await.unwrap();
        let tenant = store.system_write(async |tx| everything_across_tenants(tx).await);
        let tenant = tenant.await?;
        store.write(tenant, async |tx| everything(tx).await).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let taken: Result<(), StoreError> = runtime.block_on(run);
    assert_eq!(taken, Ok(()));
}

/// Citus hands no parameter on to what an `INSERT … SELECT` does with its rows, and few machines that run
/// the tests have it.
#[test]
fn no_insert_of_a_select_has_parameters_behind_its_select() {
    let mut seen = 0;
    for sql in written_statements() {
        let sql = dialect::with_known(&dialect::postgres(&sql), |_| "0".into());
        let behind = [" ON CONFLICT", " RETURNING "]
            .iter()
            .filter_map(|word| sql.find(word))
            .min();
        let select = sql.find(") SELECT ");
        if let (true, Some(behind), Some(select)) = (sql.starts_with("INSERT "), behind, select) {
            seen += 1;
            assert!(select < behind && !sql[behind..].contains('$'), "{sql}");
        }
    }
    assert!(seen > 5, "only {seen} statements are such");
}
