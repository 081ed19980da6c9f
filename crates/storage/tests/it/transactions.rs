//! Units of work: whole or not at all, alone among neighbours; reads on one snapshot.

use guildhall_domain::{Definitions, OrganizationId, TenantId};
use guildhall_storage::{Store, StoreError, WriteTx};

use crate::backend::Open;
use crate::sample::{NOW, Refused, on_purpose, organization, tenant, write};

pub async fn add(tx: &mut WriteTx<'_>, id: i64) -> Result<(), StoreError> {
    let new = organization(id, &format!("Organization {id}"));
    tx.insert_organization(&new, &Definitions::default(), NOW).await
}

pub async fn there(store: &Store, tenant: TenantId) -> Vec<i64> {
    store
        .read(tenant, async |tx| {
            let mut found = Vec::new();
            for id in 1..=20 {
                found.extend(tx.organization(OrganizationId(id)).await?.map(|o| o.id.0));
            }
            Ok::<_, StoreError>(found)
        })
        .await
        .unwrap()
}

pub async fn what_is_refused_leaves_nothing(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let refused = store.write(one, async |tx| {
        add(tx, 2).await?;
        add(tx, 3).await?;
        on_purpose::<()>("changed my mind")
    });
    let fails = store.write(one, async |tx| {
        add(tx, 4).await?;
        // The same name again: a statement of the unit itself fails.
        add(tx, 4).await
    });
    let kept = store.write(one, async |tx| add(tx, 5).await);
    let (refused, fails, kept) = tokio::join!(refused, fails, kept);
    assert_eq!(refused, on_purpose("changed my mind"));
    assert!(matches!(fails, Err(StoreError::Conflict { .. })), "{fails:?}");
    assert_eq!(kept, Ok(()));
    assert_eq!(there(&store, one).await, [5]);
}

pub async fn a_read_is_one_snapshot(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let writer = store.clone();
    store
        .read(one, async |tx| {
            assert_eq!(tx.organization(OrganizationId(1)).await?, None);
            write(&writer, one, async |tx| add(tx, 1).await).await;
            // Written and answered, so a new read sees it; the one that began before does not.
            assert_eq!(there(&writer, one).await, [1]);
            assert_eq!(tx.organization(OrganizationId(1)).await?, None);
            assert!(!tx.organization_id_used(OrganizationId(1)).await?);
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(there(&store, one).await, [1]);
}

pub async fn many_at_once_are_all_kept(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    // On PostgreSQL who finds no connection free for 3 seconds is told so: few enough for a busy machine.
    let count: i64 = if store.is_for_one_server() { 3_000 } else { 600 };
    let units: Vec<_> = (1..=count)
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move {
                let done: Result<(), Refused> = store
                    .write(one, async move |tx| {
                        add(tx, id).await?;
                        if id % 3 == 0 {
                            on_purpose(id.to_string())
                        } else {
                            Ok(())
                        }
                    })
                    .await;
                // Every write that was answered before a read began is seen by it.
                let seen = store
                    .read(one, async |tx| tx.organization(OrganizationId(id)).await)
                    .await;
                (id, done.is_ok(), seen.unwrap().is_some())
            })
        })
        .collect();
    for unit in units {
        let (id, kept, seen) = unit.await.unwrap();
        assert_eq!((kept, seen), (id % 3 != 0, id % 3 != 0), "{id}");
    }
}

pub async fn what_was_written_is_there_after_reopening(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    drop(store);
    for id in 1..=3 {
        let store = open().await;
        write(&store, one, async move |tx| add(tx, id).await).await;
    }
    assert_eq!(there(&open().await, one).await, [1, 2, 3]);
}
