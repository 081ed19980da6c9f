//! Numbers are never given out twice.

use std::collections::BTreeSet;

use guildhall_storage::{Counter, StoreError};

use crate::backend::Open;
use crate::sample::{Refused, on_purpose, tenant, write};

const ALL: [Counter; 5] = [
    Counter::Organization,
    Counter::Field,
    Counter::Customer,
    Counter::Product,
    Counter::Entitlement,
];

pub async fn numbers_come_in_rows_and_never_twice(open: Open<'_>) {
    let store = open().await;
    let (one, two) = (tenant(&store, "one").await, tenant(&store, "two").await);
    for counter in ALL {
        let first = write(&store, one, async move |tx| tx.take_numbers(counter, 1).await).await;
        assert_eq!(first, 1, "{counter:?}");
        let next = write(&store, one, async move |tx| tx.take_numbers(counter, 256).await).await;
        assert_eq!(next, 2, "{counter:?}");
        let after = write(&store, one, async move |tx| tx.take_numbers(counter, 1).await).await;
        assert_eq!(after, 258, "{counter:?}");
        let other = write(&store, two, async move |tx| tx.take_numbers(counter, 1).await).await;
        assert_eq!(other, 1, "{counter:?} of another tenant");
    }
    // What was rolled back was given to nobody.
    let refused: Result<(), Refused> = store
        .write(one, async |tx| {
            on_purpose(tx.take_numbers(Counter::Field, 10).await?.to_string())
        })
        .await;
    assert_eq!(refused, on_purpose("259"));
    drop(store);
    let store = open().await;
    let next = write(&store, one, async |tx| tx.take_numbers(Counter::Field, 1).await).await;
    assert_eq!(next, 259);
}

pub async fn a_raised_counter_skips_what_was_given(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    for (raised_to, next) in [
        (123, 124),
        (5, 125),
        (125, 126),
        (126, 127),
        (1_000_000_000_000, 1_000_000_000_001),
    ] {
        let taken = write(&store, one, async move |tx| {
            tx.raise_counter(Counter::Organization, raised_to).await?;
            tx.take_numbers(Counter::Organization, 1).await
        })
        .await;
        assert_eq!(taken, next, "raised to {raised_to}");
    }
    let field = write(&store, one, async |tx| tx.take_numbers(Counter::Field, 1).await).await;
    assert_eq!(field, 1, "the others stay");
}

pub async fn concurrent_takers_get_different_numbers(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let takers: Vec<_> = (0..100_i64)
        .map(|index| {
            let (store, count) = (store.clone(), 1 + index % 7);
            tokio::spawn(async move {
                let taken: Result<i64, StoreError> = store
                    .write(one, async move |tx| {
                        tx.take_numbers(Counter::Customer, count).await
                    })
                    .await;
                taken.map(|first| first..first + count)
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap().unwrap());
    }
    let count = all.len();
    let different: BTreeSet<i64> = all.into_iter().collect();
    assert_eq!(different.len(), count);
    assert_eq!(different.last(), Some(&(count as i64)), "without gaps");
}
