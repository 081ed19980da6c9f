//! Moving house: everything arrives, also after an interruption, and nothing is overwritten.

use std::collections::BTreeSet;

use guildhall_domain::TenantId;
use guildhall_domain::list::{ListKind, Span};
use guildhall_storage::{Counter, Store, StoreError, Walk};
use guildhall_testkit::TempFolder;

use crate::backend::open;
use crate::sample::{NOW, organization, tenant, write};

/// A store with two tenants and enough organizations for several pages.
async fn filled(store: &Store) {
    for (number, name) in [(1, "one"), (2, "two")] {
        let tenant = tenant(store, name).await;
        write(store, tenant, async move |tx| {
            tx.keep_cursor_secret(&[number; 32]).await?;
            let definitions = guildhall_domain::Definitions::default();
            let first = tx.take_numbers(Counter::Organization, 2_345).await?;
            for id in first..first + 2_345 {
                tx.insert_organization(&organization(id, &format!("Ö {id}")), &definitions, NOW)
                    .await?;
            }
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_holds_everything() {
    let folder = TempFolder::new();
    let source = open(&folder.join("a.db"), true).unwrap();
    filled(&source).await;
    let target = open(&folder.join("b.db"), true).unwrap();
    let copied = source.copy_to(&target, NOW, |_| {}).await.unwrap();
    let rows = |name: &str| copied.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("tenant"), rows("organization")), (2, 4_690));
    assert!(!target.is_being_copied_into().await.unwrap());
    for store in [&source, &target] {
        let seen = store.read(TenantId(2), async |tx| {
            let span = Span::of_prefix("ö 23");
            let walk = Walk::Names(ListKind::Organizations, &span);
            let walked = tx.list_walk(walk, None, false, 100).await?.len();
            Ok::<_, StoreError>((
                tx.organization_by_key("ö 2345").await?.map(|found| found.id.0),
                walked,
            ))
        });
        assert_eq!(seen.await, Ok((Some(2_345), 57)), "names are found");
    }
    // Cursors that were given before the copy are good after it.
    let mut sealed = BTreeSet::new();
    for store in [&source, &target] {
        for number in [1, 2] {
            let seal = store.read(TenantId(number), async |tx| tx.cursor_seal().await);
            let seal = seal.await.unwrap().unwrap();
            sealed.insert((number, seal.seal([0; 16], &[], b"place")));
        }
    }
    assert_eq!(sealed.len(), 2, "{sealed:?}");
    // And back again: the same digests.
    let again = open(&folder.join("c.db"), true).unwrap();
    assert_eq!(target.copy_to(&again, NOW, |_| {}).await.unwrap(), copied);
    let refused = source.copy_to(&again, NOW, |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("has tenants already"), "{refused}");
}

#[tokio::test]
async fn an_interrupted_copy_goes_on() {
    let folder = TempFolder::new();
    let source = open(&folder.join("a.db"), true).unwrap();
    filled(&source).await;
    let whole = open(&folder.join("whole.db"), true).unwrap();
    let expected = source.copy_to(&whole, NOW, |_| {}).await.unwrap();
    for pages in [1, 3, 7, 9] {
        let target = open(&folder.join(format!("{pages}.db")), true).unwrap();
        let (from, to) = (source.clone(), target.clone());
        let room = tokio::task::LocalSet::new();
        let dies = room.spawn_local(async move {
            let mut left = pages;
            let progress = |_| {
                left -= 1;
                assert!(left > 0, "interrupted on purpose");
            };
            from.copy_to(&to, NOW, progress).await.map(drop)
        });
        assert!(
            room.run_until(dies).await.is_err(),
            "the copy was not interrupted"
        );
        assert!(target.is_being_copied_into().await.unwrap());
        let copied = source.copy_to(&target, NOW, |_| {}).await.unwrap();
        assert_eq!(copied, expected, "after {pages} pages");
    }
}
