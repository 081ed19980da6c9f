//! SQLite's one writer: units of work that wait are run one after another in one group, and answered
//! after their commit.
//!
//! A unit that waits for a gate holds the writer, so what is written meanwhile waits and is then run in
//! the same group.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use guildhall_domain::{OrganizationId, TenantId};
use guildhall_storage::{Store, StoreError};

use crate::backend::Open;
use crate::sample::{Refused, on_purpose, tenant, write};
use crate::transactions::{add, there};

/// Polls once, which hands the unit of work to the writer; it must not be answered yet.
async fn submit<F: Future>(mut future: Pin<&mut F>) {
    let answered = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
    assert!(!answered, "answered before its commit");
}

/// A unit that adds organization `id`, says that it runs, and holds the writer until it is told to go on.
fn gate(
    store: &Store,
    tenant: TenantId,
    id: i64,
) -> (
    impl Future<Output = Result<(), Refused>>,
    std::sync::mpsc::Receiver<()>,
    Sender<()>,
) {
    let (says, runs) = channel();
    let (go, waits) = channel();
    // The store may run the unit again: then it waits for nothing.
    let waits = Arc::new(Mutex::new(Some(waits)));
    let store = store.clone();
    let unit = async move {
        store
            .write(tenant, async move |tx| {
                add(tx, id).await?;
                let first_run = waits.lock().unwrap().take();
                if let Some(waits) = first_run {
                    says.send(()).unwrap();
                    waits.recv().unwrap();
                }
                Ok(())
            })
            .await
    };
    (unit, runs, go)
}

pub async fn a_refused_unit_leaves_nothing_and_its_neighbours_stay(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    let mut refused = pin!(store.write(one, async |tx| {
        add(tx, 2).await?;
        add(tx, 3).await?;
        on_purpose::<()>("changed my mind")
    }));
    let mut fails = pin!(store.write(one, async |tx| {
        add(tx, 4).await?;
        // The same name again: a statement of the unit itself fails.
        add(tx, 4).await
    }));
    let mut goes_on = pin!(store.write(one, async |tx| {
        add(tx, 5).await?;
        // A failed statement that the unit lives with.
        assert!(add(tx, 5).await.is_err());
        add(tx, 6).await
    }));
    submit(refused.as_mut()).await;
    submit(fails.as_mut()).await;
    submit(goes_on.as_mut()).await;
    go.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
    assert_eq!(refused.await, on_purpose("changed my mind"));
    assert!(matches!(fails.await, Err(StoreError::Conflict { .. })));
    assert_eq!(goes_on.await, Ok(()));
    assert_eq!(there(&store, one).await, [1, 5, 6]);
}

/// Units are run again only when one of their group is refused after it changed something.
pub async fn a_refusal_before_any_change_makes_nobody_run_again(open: Open<'_>) {
    for (name, changes, expected) in [("one", false, 1), ("two", true, 2)] {
        let store = open().await;
        let one = tenant(&store, name).await;
        let (first, runs, go) = gate(&store, one, 1);
        let mut first = pin!(first);
        submit(first.as_mut()).await;
        runs.recv().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let mut neighbour = pin!(store.write(one, async move |tx| {
            counted.fetch_add(1, Ordering::Relaxed);
            add(tx, 2).await
        }));
        let mut refused = pin!(store.write(one, async move |tx| {
            if changes {
                add(tx, 3).await?;
            }
            on_purpose::<()>("no")
        }));
        submit(neighbour.as_mut()).await;
        submit(refused.as_mut()).await;
        go.send(()).unwrap();
        assert_eq!((first.await, neighbour.await), (Ok(()), Ok(())));
        assert_eq!(refused.await, on_purpose("no"));
        assert_eq!(there(&store, one).await, [1, 2]);
        assert_eq!(count.load(Ordering::Relaxed), expected, "{changes}");
    }
}

pub async fn a_panicking_unit_leaves_nothing_and_its_neighbours_stay(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    let mut panics = pin!(store.write(one, async |tx| -> Result<(), StoreError> {
        add(tx, 2).await?;
        panic!("on purpose, in a test")
    }));
    let mut last = pin!(store.write(one, async |tx| add(tx, 3).await));
    submit(panics.as_mut()).await;
    submit(last.as_mut()).await;
    go.send(()).unwrap();
    assert!(matches!(panics.await, Err(StoreError::Failed(_))));
    assert_eq!((first.await, last.await), (Ok(()), Ok(())));
    assert_eq!(there(&store, one).await, [1, 3]);
    write(&store, one, async |tx| add(tx, 4).await).await;
    assert_eq!(there(&store, one).await, [1, 3, 4]);
}

pub async fn a_unit_that_waits_is_refused(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let waits: Result<(), StoreError> = store
        .write(one, async |tx| {
            add(tx, 1).await?;
            std::future::pending().await
        })
        .await;
    assert!(matches!(waits, Err(StoreError::Failed(_))), "{waits:?}");
    assert!(there(&store, one).await.is_empty());
}

pub async fn answers_come_after_the_commit(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (opening, opens, go_on) = gate(&store, one, 1);
    let (closing, closes, finish) = gate(&store, one, 4);
    let (mut opening, mut closing) = (pin!(opening), pin!(closing));
    submit(opening.as_mut()).await;
    opens.recv().unwrap();
    let mut kept = pin!(store.write(one, async |tx| add(tx, 2).await));
    let mut refused = pin!(store.write(one, async |_| on_purpose::<()>("no")));
    submit(kept.as_mut()).await;
    submit(refused.as_mut()).await;
    submit(closing.as_mut()).await;
    go_on.send(()).unwrap();
    closes.recv().unwrap();
    // Three units have run, and nothing is committed: nobody may hear anything, not even a refusal,
    // since it may rest on a neighbour.
    submit(opening.as_mut()).await;
    submit(kept.as_mut()).await;
    submit(refused.as_mut()).await;
    assert!(there(&store, one).await.is_empty());
    finish.send(()).unwrap();
    assert_eq!(
        (opening.await, kept.await, closing.await),
        (Ok(()), Ok(()), Ok(()))
    );
    assert_eq!(refused.await, on_purpose("no"));
    assert_eq!(there(&store, one).await, [1, 2, 4]);
}

pub async fn a_unit_sees_its_neighbours_before_it(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    let mut looks = pin!(store.write(one, async |tx| tx.organization_id_used(OrganizationId(1)).await));
    submit(looks.as_mut()).await;
    go.send(()).unwrap();
    assert_eq!((first.await, looks.await), (Ok(()), Ok(true)));
}

pub async fn a_caller_that_leaves_changes_nothing(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    {
        let mut leaves = pin!(store.write(one, async |tx| add(tx, 2).await));
        submit(leaves.as_mut()).await;
    }
    go.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
    write(&store, one, async |tx| add(tx, 3).await).await;
    assert_eq!(
        there(&store, one).await,
        [1, 2, 3],
        "what was handed over is done, heard or not"
    );
}

pub async fn more_writes_than_fit_are_refused(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut next = Box::pin(store.write(one, async |tx| tx.definitions_stamp().await));
        match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
            Poll::Pending => waiting.push(next),
            Poll::Ready(answer) => break answer,
        }
        assert!(waiting.len() < 1_000_000, "writes pile up without end");
    };
    assert_eq!(refused, Err(StoreError::Overloaded));
    go.send(()).unwrap();
    assert_eq!(first.await, Ok(()));
    for unit in waiting {
        assert_eq!(unit.await, Ok(0), "what was taken is done");
    }
    write(&store, one, async |tx| add(tx, 2).await).await;
}

pub async fn a_flood_of_one_tenant_waits_behind_anothers_write(open: Open<'_>) {
    let store = open().await;
    let (one, two) = (tenant(&store, "one").await, tenant(&store, "two").await);
    let (first, runs, go) = gate(&store, one, 1);
    let mut first = pin!(first);
    submit(first.as_mut()).await;
    runs.recv().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for (tenant, name) in std::iter::repeat_n((one, "flood"), 100).chain([(two, "other")]) {
        let order = Arc::clone(&order);
        let mut unit = Box::pin(store.write(tenant, async move |_| {
            order.lock().unwrap().push(name);
            Ok::<_, StoreError>(())
        }));
        submit(unit.as_mut()).await;
        waiting.push(unit);
    }
    go.send(()).unwrap();
    first.await.unwrap();
    for unit in waiting {
        unit.await.unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 101);
    assert!(order[..2].contains(&"other"), "{:?}", &order[..5]);
}
