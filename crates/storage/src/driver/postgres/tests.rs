//! Every statement as PostgreSQL takes it, and as Citus does (`GUILDHALL_TEST_CITUS=1`, where it is installed).

use std::sync::Arc;

use guildhall_domain::{OrganizationId, TenantId};
use guildhall_testkit::{Cluster, ClusterOptions};

use super::Postgres;
use crate::driver::sqlite::tests::everything::{everything, everything_across_tenants};
use crate::driver::sqlite::tests::written_statements;
use crate::{Location, Settings, Store, StoreError, dialect};

/// Runs every statement of the crate; what `before` says is asked between the migration and them.
fn run_everything<T>(url: String, before: impl FnOnce() -> T) -> (Result<(), StoreError>, T) {
    let settings = Settings {
        location: Location::Postgres(url),
        create: true,
        serve: true,
        now_ms: 0,
        on_fatal: Arc::new(|_| {}),
        pending_entries: crate::PENDING_ENTRIES,
    };
    let run = async {
        let store = Store::open(&settings).await.unwrap();
        let said = before();
        let tenant = store.system_write(async |tx| everything_across_tenants(tx).await);
        let all = match tenant.await {
            Ok(tenant) => store.write(tenant, async |tx| everything(tx).await).await,
            Err(error) => Err(error),
        };
        if store.versions().is_some() {
            let known = OrganizationId(1);
            assert!(store.version_now(TenantId(1), known).await.unwrap().is_some());
            store.forget_touches().await.unwrap();
        }
        (all, said)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run)
}

#[test]
fn every_statement_is_taken() {
    let database = Cluster::shared().database();
    assert_eq!(run_everything(database.url(), || ()).0, Ok(()));
}

/// No statement walks through a table, but for those that are meant to see all tenants.
#[test]
fn every_statement_finds_its_rows_by_an_index() {
    const READ_ALL: [&str; 1] = ["UPDATE task_open SET lease_until = 0"];
    let options = ClusterOptions::default()
        .set("session_preload_libraries", "auto_explain")
        .set("auto_explain.log_min_duration", "0");
    if guildhall_testkit::postgres::with_citus() {
        // There the plans are those of shards.
        return;
    }
    let cluster = Cluster::start(&options);
    let database = cluster.database();
    let (all, before) = run_everything(database.url(), || {
        // Tables that are known to be empty are those that PostgreSQL likes to walk through.
        database.sql("VACUUM ANALYZE");
        cluster.log().len()
    });
    assert_eq!(all, Ok(()));
    let log = cluster.log();
    let plans: Vec<&str> = log[before..].split("Query Text: ").skip(1).collect();
    assert!(plans.len() > 90, "only {} plans are in the log", plans.len());
    for plan in plans {
        let of_server = plan.lines().skip(1).take_while(|line| line.starts_with('\t'));
        let is_scan = of_server.into_iter().any(|line| line.contains("Seq Scan on "));
        let is_listed = READ_ALL.iter().any(|part| plan.contains(part));
        assert!(!is_scan || is_listed, "{plan}");
    }
}

/// The first column of a query's first row, as a session of the program says it.
fn said(url: &str, sql: &'static str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let postgres = Postgres::open(url, 0).await.unwrap();
        let mut connection = postgres.connection().await.unwrap();
        let rows = connection.fetch(sql, &[]).await.unwrap();
        rows[0].get::<_, String>(0)
    })
}

/// Else PostgreSQL plans some of them each time they are run. Over Citus it must.
#[test]
fn statements_are_planned_once() {
    let database = Cluster::shared().database();
    let wanted = match guildhall_testkit::postgres::with_citus() {
        true => "auto",
        false => "force_generic_plan",
    };
    assert_eq!(said(&database.url(), "SHOW plan_cache_mode"), wanted);
}

#[test]
fn requests_are_compressed_by_what_takes_least_unless_the_url_says_otherwise() {
    let database = Cluster::shared().database();
    let known = database.sql("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'");
    let wanted = if known.contains("lz4") { "lz4" } else { "pglz" };
    const SHOW: &str = "SHOW default_toast_compression";
    assert_eq!(said(&database.url(), SHOW), wanted);
    let url = format!("{}?options=-c%20default_toast_compression%3Dpglz", database.url());
    assert_eq!(said(&url, SHOW), "pglz");
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
