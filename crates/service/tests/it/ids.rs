//! Ids come in blocks, in order, and never twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use guildhall_domain::{Definitions, Organization, OrganizationId, Values};
use guildhall_storage::{Counter, WriteTx};

use super::world::{START, World};

/// An organization whose id was given, as the demo and bulk requests do.
async fn give(world: &World, id: i64) {
    let organization = Organization {
        id: OrganizationId(id),
        name: format!("given {id}"),
        name_key: format!("given {id}"),
        details: Values::default(),
    };
    world
        .store
        .write(world.tenant, async move |tx| {
            tx.insert_organization(&organization, &Definitions::default(), START)
                .await?;
            tx.raise_counter(Counter::Organization, id).await
        })
        .await
        .unwrap();
}

async fn create(world: &World, name: impl std::fmt::Display) -> i64 {
    world.organization(&name.to_string()).await.parse().unwrap()
}

#[tokio::test]
async fn ids_increase_over_blocks_and_processes() {
    let world = World::new().await;
    let mut last = 0;
    for number in 0..600 {
        let id = create(&world, number).await;
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    assert_eq!(last, 600, "one process leaves no gaps");
    let other = world.another(7).await;
    let made = other.create_organization(&world.caller, "other").await.unwrap();
    assert!(made.id.0 > last, "a later process takes a later block");
    assert!(
        create(&world, "again").await < made.id.0,
        "this one goes on in its own"
    );
}

/// Each block is twice as large as the one before, up to 4,096: a process that needs many ids seldom waits for some, and
/// one that needs few leaves a small gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blocks_grow_with_what_is_needed() {
    let world = Arc::new(World::new().await);
    let mut made = 0;
    for (needed, taken) in [
        (1, 256),
        (256, 256),
        (257, 768),
        (769, 1_792),
        (1_793, 3_840),
        (3_841, 7_936),
    ] {
        let makers = (0..8).map(|maker| {
            let (world, numbers) = (Arc::clone(&world), made..needed);
            tokio::spawn(async move {
                for number in numbers.filter(|number| number % 8 == maker) {
                    create(&world, number).await;
                }
            })
        });
        for maker in makers.collect::<Vec<_>>() {
            maker.await.unwrap();
        }
        made = needed;
        let count = async move |tx: &mut WriteTx<'_>| tx.take_numbers(Counter::Organization, 0).await;
        let next = world.store.write(world.tenant, count).await.unwrap();
        assert_eq!(next - 1, taken, "behind {needed} ids");
    }
    assert_eq!(
        create(&world, "the next one").await,
        3_842,
        "in all without a gap"
    );
}

#[tokio::test]
async fn given_ids_inside_a_block_are_skipped() {
    let world = World::new().await;
    assert_eq!(create(&world, "first").await, 1);
    for id in [3, 4, 6, 200, 256, 257, 1_000] {
        give(&world, id).await;
    }
    let mut all: BTreeSet<i64> = [1, 3, 4, 6, 200, 256, 257, 1_000].into();
    let mut last = 0;
    for number in 0..700 {
        let id = create(&world, number).await;
        assert!(all.insert(id), "{id} was used before");
        assert!(id > last, "{id} after {last}: ids increase within one server");
        last = id;
    }
}

#[tokio::test]
async fn spent_ids_are_never_used_again() {
    let world = World::new().await;
    let mut spent = BTreeSet::new();
    give(&world, 5).await;
    give(&world, 40).await;
    for id in ["5", "40"] {
        world
            .service
            .delete_organization(&world.caller, id)
            .await
            .unwrap();
    }
    spent.extend([5, 40]);
    for number in 0..300 {
        let id = create(&world, "the same name").await;
        assert!(spent.insert(id), "{id} was used before");
        world
            .service
            .delete_organization(&world.caller, &id.to_string())
            .await
            .unwrap();
        if number % 50 == 0 {
            while world.service.sweep_once().await.unwrap() {}
        }
    }
    // Neither by another process, which knows nothing of this one's memory.
    let other = world.another(9).await;
    let made = other.create_organization(&world.caller, "other").await.unwrap();
    assert!(spent.insert(made.id.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_never_give_one_id_twice() {
    const EACH: usize = 300;
    let world = Arc::new(World::new().await);
    for id in [3, 200, 257, 300, 700] {
        give(&world, id).await;
    }
    let mut makers = Vec::new();
    for seed in [2, 3] {
        let (service, caller) = (world.another(seed).await, world.caller.clone());
        for half in 0..2 {
            let (service, caller) = (Arc::clone(&service), caller.clone());
            makers.push(tokio::spawn(async move {
                let mut ids = Vec::new();
                for number in 0..EACH / 2 {
                    let name = format!("{seed} {half} {number}");
                    let made = service.create_organization(&caller, &name).await.unwrap();
                    ids.push(made.id.0);
                }
                ids
            }));
        }
    }
    let mut all: BTreeSet<i64> = [3, 200, 257, 300, 700].into();
    for maker in makers {
        for id in maker.await.unwrap() {
            assert!(all.insert(id), "{id} was used before");
        }
    }
    assert_eq!(all.len(), 2 * EACH + 5);
}

#[tokio::test]
async fn tenants_count_for_themselves() {
    let world = World::new().await;
    let stranger = super::world::stranger(&world).await;
    assert_eq!(create(&world, "a").await, 1);
    let made = world.service.create_organization(&stranger, "a").await.unwrap();
    assert_eq!(made.id.0, 1);
}
