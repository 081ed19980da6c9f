//! Each walk is one walk through one index, in its order. SQLite's plans are looked at beside its driver;
//! here are PostgreSQL's.

use std::sync::Arc;

use guildhall_testkit::filled_database;
use tokio::runtime::Builder;

use super::{EMAILS, ENTITLEMENTS_TO, KEY, NAMES, NUMBERS, UPDATES};
use crate::{Location, Settings, Store, dialect, names};

/// The statements of all walks; those by the names of organizations come last.
fn walks() -> Vec<&'static str> {
    let [of_organizations, names @ ..] = NAMES;
    let mut all = vec![EMAILS, KEY, ENTITLEMENTS_TO];
    all.extend(NUMBERS);
    all.extend(names);
    all.extend(UPDATES);
    all.push(of_organizations);
    all.concat()
}

/// The same on SQLite, where names of organizations have an index of their own.
pub(crate) fn walks_of_sqlite() -> Vec<&'static str> {
    let mut all = walks();
    all.truncate(all.len() - names::WALK.len());
    all.extend(names::WALK);
    all
}

/// Other ways are forbidden, so that a plan has them only where there is no index.
#[test]
fn on_postgres() {
    let database = filled_database(|url| {
        let settings = Settings {
            location: Location::Postgres(url.to_owned()),
            create: true,
            serve: true,
            now_ms: 0,
            on_fatal: Arc::new(|_| {}),
            pending_entries: crate::PENDING_ENTRIES,
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        drop(runtime.block_on(Store::open(&settings)).unwrap());
    });
    for sql in walks() {
        let params = (1..=9).filter(|at| sql.contains(&format!("${at}")));
        let params: Vec<_> = params.map(|_| "'1'").collect();
        let plan = database.sql(&format!(
            "SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off; \
             SET enable_incremental_sort = off; SET plan_cache_mode = force_generic_plan; \
             PREPARE walk AS {}; EXPLAIN EXECUTE walk ({})",
            dialect::postgres(sql),
            params.join(", ")
        ));
        let walks_an_index = plan.contains("Index") && plan.contains("Index Cond");
        assert!(walks_an_index && !plan.contains("Sort"), "{sql}\n{plan}");
        let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap();
        assert!(
            condition.contains(['<', '>']),
            "begins at the tenant's first row: {sql}\n{plan}"
        );
    }
}
