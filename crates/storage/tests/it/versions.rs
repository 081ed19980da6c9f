//! Versions: whatever changes what answers about an organization are made of gives it another one, whichever server did it;
//! and on PostgreSQL, where servers find out by looking, nothing is overlooked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guildhall_domain::{
    Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, TenantId, Values,
};
use guildhall_storage::{Glance, Links, Location, Store, StoreError, Version};
use guildhall_testkit::{Cluster, ClusterOptions};
use tokio::sync::Notify;

use crate::backend::{Open, open_at, postgres_database, runtime};
use crate::sample::{NOW, customer, definitions, field, organization, product, tenant, values, write};
use crate::transactions::add;

/// What the test looks at: an organization of a tenant.
type Asked = (TenantId, OrganizationId);

async fn versions(store: &Store, all: &[Asked]) -> Vec<Option<Version>> {
    let mut found = Vec::new();
    for (tenant, id) in all {
        found.push(store.version_now(*tenant, *id).await.unwrap());
    }
    found
}

async fn shown(store: &Store, all: &[Asked]) -> Vec<Glance> {
    let mut found = Vec::new();
    for (tenant, id) in all {
        found.push(store.glance(*tenant, *id, Links::Wanted).await.unwrap());
    }
    found
}

/// Which of two lists' members differ.
fn differ<T: PartialEq>(before: &[T], after: &[T]) -> BTreeSet<usize> {
    let pairs = before.iter().zip(after).enumerate();
    pairs
        .filter(|(_, (before, after))| before != after)
        .map(|(at, _)| at)
        .collect()
}

/// Organizations 1 and 2 with a field, a customer and a product, and organization 1 of another tenant.
struct Stage {
    writer: Store,
    reader: Store,
    one: TenantId,
    all: [Asked; 3],
}

impl Stage {
    async fn new(open: Open<'_>) -> Self {
        let writer = open().await;
        let reader = match writer.is_for_one_server() {
            true => writer.clone(),
            false => open().await,
        };
        let (one, other) = (tenant(&writer, "one").await, tenant(&writer, "other").await);
        for of in [one, other] {
            write(&writer, of, async |tx| {
                let note = field(1, "Note", FieldType::Text);
                tx.insert_field(EntityKind::Organization, &note, 1).await?;
                for id in [1, 2] {
                    add(tx, id).await?;
                    tx.insert_customer(&customer(id), &Definitions::default(), NOW)
                        .await?;
                    tx.insert_product(&product(id), NOW).await?;
                }
                Ok(())
            })
            .await;
        }
        let all = [(one, 1), (one, 2), (other, 1)].map(|(of, id)| (of, OrganizationId(id)));
        Self {
            writer,
            reader,
            one,
            all,
        }
    }

    /// Does something to the first tenant; which of the organizations are shown otherwise, and which have another version.
    async fn changes<F>(&self, what: F) -> [BTreeSet<usize>; 2]
    where
        F: AsyncFnOnce(&mut guildhall_storage::WriteTx<'_>) -> Result<(), StoreError>
            + Clone
            + Send
            + 'static,
    {
        let before = (
            versions(&self.reader, &self.all).await,
            shown(&self.reader, &self.all).await,
        );
        assert!(before.0.iter().all(Option::is_some));
        let contents = || [0, 2].map(|at| self.reader.contents_version(self.all[at].0));
        let contents_before = contents();
        write(&self.writer, self.one, what).await;
        match self.writer.is_for_one_server() {
            true => {
                let changed: [bool; 2] = std::array::from_fn(|at| contents()[at] != contents_before[at]);
                assert_eq!(changed, [true, false], "the contents of the one tenant change");
                assert!(contents().iter().all(Option::is_some));
            }
            false => assert_eq!(contents(), [None, None]),
        }
        let after = (
            versions(&self.reader, &self.all).await,
            shown(&self.reader, &self.all).await,
        );
        [differ(&before.1, &after.1), differ(&before.0, &after.0)]
    }
}

pub async fn what_is_shown_otherwise_has_another_version(open: Open<'_>) {
    if is_over_citus() {
        return;
    }
    let stage = Stage::new(open).await;
    let acme = OrganizationId(1);
    macro_rules! check {
        ($shown:expr, $versions:expr, $what:expr) => {
            assert_eq!(
                stage.changes($what).await,
                [BTreeSet::<usize>::from($shown), BTreeSet::from($versions)],
                "{}",
                stringify!($what)
            )
        };
    }
    // Organization 1 alone.
    check!([0], [0], async move |tx| tx
        .rename_organization(acme, "A", "a", NOW)
        .await);
    check!([0], [0], async move |tx| {
        let (none, fields) = (
            Values::default(),
            definitions(&[field(1, "Note", FieldType::Text)]),
        );
        tx.put_organization_details(acme, &none, &values(&[(1, &["x"])]), &fields, NOW)
            .await
    });
    check!([0], [0], async move |tx| tx.add_member(acme, 1).await);
    check!([0], [0], async move |tx| {
        tx.insert_entitlement(1, "e1", Entity::Organization(acme), 1, NOW)
            .await
    });
    // Nothing that is shown.
    check!([], [], async |tx| add(tx, 9).await);
    check!([], [], async |tx| {
        tx.insert_entitlement(2, "e2", Entity::Customer(1), 1, NOW).await
    });
    check!([], [], async |tx| {
        let fields = Definitions::default();
        tx.insert_customer(&customer(3), &fields, NOW).await?;
        tx.rename_customer(1, "Somebody", NOW).await?;
        tx.insert_product(&product(3), NOW).await
    });
    // Anything of the tenant, nothing of the other's.
    check!([0], [0, 1], async |tx| tx.rename_product(1, "P", "p", NOW).await);
    check!([0], [0, 1], async |tx| {
        let (none, fields) = (Values::default(), Definitions::default());
        tx.put_entitlement_details(1, &none, &values(&[(2, &["y"])]), &fields, NOW)
            .await
    });
    check!([0], [0, 1], async |tx| tx
        .delete_customer(&customer(1), &Definitions::default())
        .await);
    check!([0, 1], [0, 1], async |tx| {
        let more = field(2, "More", FieldType::Text);
        tx.insert_field(EntityKind::Entitlement, &more, 2).await
    });
    check!([0, 1], [0, 1], async |tx| {
        tx.update_field(&field(1, "Remark", FieldType::Text), 3).await
    });
    check!([0, 1], [0, 1], async |tx| tx.delete_field(FieldId(1), 4).await);
    check!([0], [0, 1], async |tx| tx.delete_product(1).await);
    check!([1], [1], async |tx| {
        let gone = organization(2, "Organization 2");
        tx.delete_organization(&gone, &Definitions::default()).await
    });
    // All at once, and more than one look takes.
    check!([0], [0], async move |tx| {
        tx.add_member(acme, 2).await?;
        for id in 10..200 {
            add(tx, id).await?;
            tx.add_member(OrganizationId(id), 2).await?;
        }
        Ok(())
    });
    check!([0], [0], async move |tx| tx
        .remove_member(acme, 2)
        .await
        .map(drop));
}

async fn postgres_stage(url: String) -> Stage {
    let location = Location::Postgres(url);
    Stage::new(&move || {
        let location = location.clone();
        Box::pin(async move { open_at(&location, true).await.unwrap() })
    })
    .await
}

/// Servers keep nothing over Citus, since its nodes show a commit one after the other.
fn is_over_citus() -> bool {
    guildhall_testkit::postgres::with_citus()
}

/// A server looks when it starts, so what is asked for first is not made anew when it is asked for again.
#[test]
fn versions_are_known_from_the_first_look_on() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let database = postgres_database();
        let stage = postgres_stage(database.url()).await;
        let store = open_at(&Location::Postgres(database.url()), true).await.unwrap();
        store.look().await.unwrap();
        let before: Vec<_> = stage
            .all
            .iter()
            .map(|(tenant, id)| store.version(*tenant, *id))
            .collect();
        assert!(before.iter().all(Option::is_some));
        assert_eq!(versions(&store, &stage.all).await, before);
    });
}

/// A unit of work that is refused leaves every version.
#[test]
fn what_is_rolled_back_has_its_version_still() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let database = postgres_database();
        let stage = postgres_stage(database.url()).await;
        let before = versions(&stage.reader, &stage.all).await;
        let refused: Result<(), StoreError> = stage
            .writer
            .write(stage.one, async |tx| {
                tx.rename_organization(OrganizationId(1), "A", "a", NOW).await?;
                tx.definitions_stamp().await?;
                Err(StoreError::Failed("on purpose".into()))
            })
            .await;
        assert!(refused.is_err());
        assert_eq!(versions(&stage.reader, &stage.all).await, before);
    });
}

/// Transactions that begin and end in any order, and looks between: whoever has ended is seen by the next look, once, and
/// whoever has not is not.
#[test]
fn a_long_transaction_is_seen_when_it_ends() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let database = postgres_database();
        let stage = postgres_stage(database.url()).await;
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let long = {
            let (store, one, begun, end) = (stage.writer.clone(), stage.one, begun.clone(), end.clone());
            tokio::spawn(async move {
                write(&store, one, async move |tx| {
                    tx.rename_organization(OrganizationId(1), "Long", "long", NOW)
                        .await?;
                    // It has a number from here on.
                    tx.definitions_stamp().await?;
                    begun.notify_one();
                    end.notified().await;
                    Ok(())
                })
                .await;
            })
        };
        begun.notified().await;
        for round in 0..5 {
            let [shown, changed] = stage
                .changes(async move |tx| {
                    let name = format!("Short {round}");
                    tx.rename_organization(OrganizationId(2), &name, &name, NOW).await
                })
                .await;
            assert_eq!([shown, changed], [BTreeSet::from([1]), BTreeSet::from([1])]);
            let still = versions(&stage.reader, &stage.all).await;
            assert_eq!(
                still,
                versions(&stage.reader, &stage.all).await,
                "what is seen is seen once"
            );
        }
        let before = versions(&stage.reader, &stage.all).await;
        end.notify_one();
        long.await.unwrap();
        let after = versions(&stage.reader, &stage.all).await;
        assert_eq!(differ(&before, &after), BTreeSet::from([0]));
        assert_eq!(after, versions(&stage.reader, &stage.all).await);
    });
}

/// What was removed cannot be seen: who has not looked since trusts nothing.
#[test]
fn who_has_not_looked_for_long_trusts_nothing() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        // Of its own: a transaction of any database of a cluster keeps rows from being removed.
        let Shaken {
            cluster: _cluster,
            database,
            stage,
            ..
        } = Shaken::new().await;
        let rename = async |name: &'static str| {
            write(&stage.writer, stage.one, async move |tx| {
                tx.rename_organization(OrganizationId(1), name, name, NOW).await
            })
            .await;
        };
        let rows = || database.sql("SELECT count(*) FROM touch");
        let old = "UPDATE touch_floor SET removed_at = now() - INTERVAL '5 minutes'";
        rename("a").await;
        database.sql(old);
        let forget = async || assert_eq!(stage.writer.forget_touches().await, Ok(false));
        forget().await;
        let (before, kept) = (versions(&stage.reader, &stage.all).await, rows());
        assert_ne!(kept, "0");
        rename("b").await;
        // Not lately moved: nothing is removed, and the change is seen as what it is.
        forget().await;
        let after = versions(&stage.reader, &stage.all).await;
        assert_eq!(differ(&before, &after), BTreeSet::from([0]));
        for _ in 0..2 {
            database.sql(old);
            forget().await;
        }
        assert_eq!(rows(), "0");
        let last = versions(&stage.reader, &stage.all).await;
        assert_eq!(differ(&after, &last), BTreeSet::from([0, 1, 2]));
        assert_eq!(
            versions(&stage.reader, &stage.all).await,
            last,
            "from here on it knows again"
        );

        // Too much for one look.
        database.sql(
            "INSERT INTO touch SELECT 77, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), '[1]' \
             FROM generate_series(1, 5000)",
        );
        let after = versions(&stage.reader, &stage.all).await;
        assert_eq!(differ(&last, &after), BTreeSet::from([0, 1, 2]));

        // Tables of another database, restored here: numbers that this one has not come to yet.
        database.sql(
            "INSERT INTO touch VALUES (1, 1000000000000, '[1]'); \
             UPDATE touch_floor SET removed = 1000000000000, next = 1000000000000",
        );
        database.sql(old);
        forget().await;
        assert_eq!(
            database.sql("SELECT count(*) FROM touch WHERE xid >= 1000000000000"),
            "0"
        );
        let before = versions(&stage.reader, &stage.all).await;
        rename("c").await;
        let after = versions(&stage.reader, &stage.all).await;
        assert_eq!(differ(&before, &after), BTreeSet::from([0]));
    });
}

/// Rows are written where nobody looks, and removed there as well.
#[test]
fn what_nobody_looks_at_is_removed() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let cluster = Cluster::start(&ClusterOptions::default());
        let database = cluster.database();
        let stage = postgres_stage(database.url()).await;
        write(&stage.writer, stage.one, async |tx| {
            tx.rename_organization(OrganizationId(1), "A", "a", NOW).await
        })
        .await;
        assert_eq!(
            database.sql("SELECT (SELECT count(*) > 0 FROM touch), (SELECT count(*) FROM touch_floor)"),
            "t|0"
        );
        for _ in 0..3 {
            assert_eq!(stage.writer.forget_touches().await, Ok(false));
            database.sql("UPDATE touch_floor SET removed_at = now() - INTERVAL '5 minutes'");
        }
        assert_eq!(database.sql("SELECT count(*) FROM touch"), "0");
    });
}

/// A cluster that can be killed, a database of its own, and what is known of it before something happens.
struct Shaken {
    cluster: Cluster,
    database: guildhall_testkit::Database,
    stage: Stage,
    before: Vec<Option<Version>>,
}

impl Shaken {
    async fn new() -> Self {
        let cluster = Cluster::start(&ClusterOptions::default().durable());
        let database = cluster.database();
        let stage = postgres_stage(database.url()).await;
        let before = versions(&stage.reader, &stage.all).await;
        assert_eq!(versions(&stage.reader, &stage.all).await, before);
        Self {
            cluster,
            database,
            stage,
            before,
        }
    }

    /// Waits until it answers again; then nothing has the version that it had, and a change is seen as ever.
    async fn nothing_is_trusted(&self) {
        let (start, soon) = (Instant::now(), Duration::from_secs(10));
        let acme = OrganizationId(1);
        // The first words on a connection that has died may fail, and each has several.
        let mut answers = 0;
        while answers < 20 {
            assert!(start.elapsed() < soon, "waited in vain");
            let now = self.stage.reader.version_now(self.stage.one, acme).await;
            answers = if now.is_ok() { answers + 1 } else { 0 };
            tokio::task::yield_now().await;
        }
        let after = versions(&self.stage.reader, &self.stage.all).await;
        assert_eq!(differ(&self.before, &after), BTreeSet::from([0, 1, 2]));
        let rename = async |tx: &mut guildhall_storage::WriteTx<'_>| {
            tx.rename_organization(OrganizationId(2), "Renamed", "renamed", NOW)
                .await
        };
        while self.stage.writer.write(self.stage.one, rename).await.is_err() {
            assert!(start.elapsed() < soon, "waited in vain");
        }
        let last = versions(&self.stage.reader, &self.stage.all).await;
        assert_eq!(differ(&after, &last), BTreeSet::from([1]));
    }
}

/// A database that was started anew, as after a crash, has forgotten what changed.
#[test]
fn nothing_is_trusted_after_the_database_was_started_anew() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let shaken = Shaken::new().await;
        shaken.cluster.kill();
        let acme = shaken
            .stage
            .reader
            .version_now(shaken.stage.one, OrganizationId(1))
            .await;
        assert!(matches!(acme, Err(StoreError::Unavailable(_))));
        shaken.cluster.start_again();
        shaken.nothing_is_trusted().await;
    });
}

/// So has one that recovered by itself after one of its processes died; and it gives numbers of transactions out again that
/// were given and never used.
#[test]
fn nothing_is_trusted_after_a_process_of_the_database_died() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let shaken = Shaken::new().await;
        let started = || shaken.database.sql("SELECT pg_postmaster_start_time()");
        let before = started();
        let pid = shaken
            .database
            .sql("SELECT MIN(pid) FROM pg_stat_activity WHERE application_name = 'guildhall'");
        shaken.cluster.kill_backend(pid.parse().unwrap());
        shaken.nothing_is_trusted().await;
        assert_eq!(started(), before, "this is no start");
    });
}

/// Nor is another database under the same name, made from the first one, with all its rows.
#[test]
fn nothing_is_trusted_of_another_database_of_the_same_name() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let shaken = Shaken::new().await;
        let name = shaken.database.name();
        let epoch = || shaken.database.sql("SELECT epoch FROM touch_floor");
        let before = epoch();
        // The pool's connections come again when the database has its name again.
        for statement in [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"),
            format!("CREATE DATABASE another TEMPLATE {name}"),
            format!("ALTER DATABASE {name} RENAME TO first"),
            format!("ALTER DATABASE another RENAME TO {name}"),
        ] {
            shaken.cluster.sql("postgres", &statement);
        }
        shaken.nothing_is_trusted().await;
        assert_eq!(epoch(), before, "the row came along");
        // So that it is dropped by its name.
        shaken.cluster.sql("postgres", "DROP DATABASE first");
    });
}

/// A transaction that never ends, of whatever database, has nothing sent twice: more changes than one look takes, a few at a time.
#[test]
fn a_transaction_that_never_ends_costs_nothing() {
    if is_over_citus() {
        return;
    }
    runtime().block_on(async {
        let database = postgres_database();
        let stage = postgres_stage(database.url()).await;
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let other = tenant(&stage.writer, "long").await;
        let long = {
            let (store, begun, end) = (stage.writer.clone(), begun.clone(), end.clone());
            tokio::spawn(async move {
                write(&store, other, async move |tx| {
                    add(tx, 1).await?;
                    tx.definitions_stamp().await?;
                    begun.notify_one();
                    end.notified().await;
                    Ok(())
                })
                .await;
            })
        };
        begun.notified().await;
        let before = versions(&stage.reader, &stage.all).await;
        for _ in 0..10 {
            database.sql(
                "INSERT INTO touch SELECT 77, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), '[1]' \
                 FROM generate_series(1, 1000)",
            );
            assert_eq!(versions(&stage.reader, &stage.all).await, before);
        }
        end.notify_one();
        long.await.unwrap();
        assert_eq!(versions(&stage.reader, &stage.all).await, before);
    });
}
