//! Ids come in blocks, in order, and never twice.

use std::collections::BTreeSet;

use guildhall_domain::{Definitions, Organization, OrganizationId, Values};
use guildhall_storage::Counter;

use crate::world::{START, World};

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
    let other = world.another(7);
    let made = other.create_organization(&world.caller, "other").await.unwrap();
    assert!(made.id.0 > last, "a later process takes a later block");
    assert!(
        create(&world, "again").await < made.id.0,
        "this one goes on in its own"
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
    let other = world.another(9);
    let made = other.create_organization(&world.caller, "other").await.unwrap();
    assert!(spent.insert(made.id.0));
}

#[tokio::test]
async fn tenants_count_for_themselves() {
    let world = World::new().await;
    let stranger = crate::world::stranger(&world).await;
    assert_eq!(create(&world, "a").await, 1);
    let made = world.service.create_organization(&stranger, "a").await.unwrap();
    assert_eq!(made.id.0, 1);
}
