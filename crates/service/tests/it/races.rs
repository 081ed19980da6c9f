//! Many at once: one wins.

use std::sync::Arc;

use guildhall_domain::Rejection;
use guildhall_domain::field::EntityKind;
use guildhall_service::{Error, NewAccount, NewProfile, NewSubject};

use super::world::{World, definition};

const RACERS: usize = 64;

/// Runs the racers on several threads; how many won. All others must be told that it is taken.
async fn winners<F>(racer: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let racers: Vec<_> = (0..RACERS).map(|index| tokio::spawn(racer(index))).collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            Err(Error::Rejected(Rejection::Invalid { .. } | Rejection::NotFound { .. })) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    won
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creates_of_one_name_exactly_one_wins() {
    let world = Arc::new(World::new().await);
    for round in 0..5 {
        // By turns through two services, as two processes would.
        let services = [Arc::clone(&world.service), world.another(round + 10).await];
        let spellings = ["Straße", "STRASSE ", " strasse", "straSSe"];
        let name = |index: usize| format!("{} {round}", spellings[index % 4].trim());
        let won = winners(|index| {
            let (service, caller, name) = (
                Arc::clone(&services[index % 2]),
                world.caller.clone(),
                name(index),
            );
            async move {
                match index % 3 {
                    0 => {
                        let new = NewProfile::bare(NewSubject::Organization(name));
                        service.create_profile(&caller, new).await.map(drop)
                    }
                    _ => service.create_organization(&caller, &name).await.map(drop),
                }
            }
        })
        .await;
        assert_eq!(won, 1, "organizations");
        let won = winners(|index| {
            let (service, who) = (Arc::clone(&services[index % 2]), Arc::clone(&world.who));
            let email = format!("{}{round}@Example.com", ["ann", "Ann", "ANN"][index % 3]);
            let new = NewAccount {
                email,
                display_name: None,
            };
            async move { service.create_account(&who, new).await.map(drop) }
        })
        .await;
        assert_eq!(won, 1, "customers");
        let won = winners(|index| {
            let (service, caller, name) = (
                Arc::clone(&services[index % 2]),
                world.caller.clone(),
                name(index),
            );
            let new = definition(&name, "TEXT", &[]);
            async move {
                service
                    .create_field(&caller, EntityKind::Customer, new)
                    .await
                    .map(drop)
            }
        })
        .await;
        assert_eq!(won, 1, "fields");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_deletes_exactly_one_wins() {
    let world = World::new().await;
    let (organization, customer) = (
        world.organization("Acme").await,
        world.customer("a@example.com").await,
    );
    let product = world.product("Widget").await;
    world.field(EntityKind::Entitlement, "Tier", "TEXT", &[]).await;
    for what in 0..4 {
        let won = winners(|_| {
            let (service, caller) = (Arc::clone(&world.service), world.caller.clone());
            let (organization, customer, product) = (organization.clone(), customer.clone(), product.clone());
            async move {
                match what {
                    0 => service.delete_organization(&caller, &organization).await,
                    1 => service.delete_account(&caller, &customer).await,
                    2 => service.delete_product(&caller, &product).await,
                    _ => {
                        service
                            .delete_field(&caller, EntityKind::Entitlement, "tier")
                            .await
                    }
                }
            }
        })
        .await;
        assert_eq!(won, 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_fiftieth_field_is_given_once() {
    let world = World::new().await;
    for index in 0..45 {
        world
            .field(EntityKind::Organization, &format!("F{index}"), "TEXT", &[])
            .await;
    }
    let won = winners(|index| {
        let (service, caller) = (Arc::clone(&world.service), world.caller.clone());
        let new = definition(&format!("New {index}"), "TEXT", &[]);
        async move {
            service
                .create_field(&caller, EntityKind::Organization, new)
                .await
                .map(drop)
        }
    })
    .await;
    assert_eq!(won, 5);
    let fields = world
        .service
        .fields(&world.caller, EntityKind::Organization)
        .await
        .unwrap();
    let positions: Vec<_> = fields.iter().map(|field| field.position).collect();
    assert_eq!(positions, (1..=50).collect::<Vec<_>>());
}
