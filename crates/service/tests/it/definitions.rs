//! Definitions in memory are never stale: not after another's edit, not after a rollback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_domain::{Rejection, SubjectKind, Thing};
use guildhall_service::{Error, FieldValues, NewProfile, NewSubject, Service, Target};

use super::world::{World, assert_invalid, assert_not_found, definition, texts};

const KIND: EntityKind = EntityKind::Organization;

async fn names(service: &Service, world: &World) -> Vec<String> {
    let fields = service.fields(&world.caller, KIND).await.unwrap();
    fields.iter().map(|field| field.name.clone()).collect()
}

#[tokio::test]
async fn every_process_sees_every_change_at_once() {
    let world = World::new().await;
    let services = [
        Arc::clone(&world.service),
        world.another(2).await,
        world.another(3).await,
    ];
    let id = world.organization("Acme").await;
    for round in 0..30 {
        let (acts, others) = (
            &services[round % 3],
            [&services[(round + 1) % 3], &services[(round + 2) % 3]],
        );
        let name = format!("Field {round}");
        acts.create_field(&world.caller, KIND, definition(&name, "SELECT", &["One"]))
            .await
            .unwrap();
        for other in others {
            assert_eq!(names(other, &world).await, std::slice::from_ref(&name));
            let target = Target::Organization(id.clone());
            other
                .set_value(&world.caller, target, name.clone(), texts(&["One"]))
                .await
                .unwrap();
        }
        let renamed = format!("Renamed {round}");
        let options = Some(texts(&["Two"]));
        acts.edit_field(&world.caller, KIND, &name, renamed.clone(), options)
            .await
            .unwrap();
        for other in others {
            assert_eq!(names(other, &world).await, std::slice::from_ref(&renamed));
            let set = async |field: &str, value: &str| {
                let target = Target::Organization(id.clone());
                other
                    .set_value(&world.caller, target, field.to_owned(), texts(&[value]))
                    .await
            };
            assert_not_found(set(&name, "Two").await, Thing::DetailField);
            assert_invalid(set(&renamed, "One").await, "values", "not one of its options");
            set(&renamed, "Two").await.unwrap();
        }
        acts.delete_field(&world.caller, KIND, &renamed).await.unwrap();
        for other in others {
            assert!(names(other, &world).await.is_empty());
            let shown = other
                .profile(&world.caller, SubjectKind::Organization, &id)
                .await
                .unwrap();
            assert_eq!(shown.definitions.iter().count(), 0);
        }
    }
}

/// A unit of work that changed definitions, looked at them through the cache, and was rolled back.
#[tokio::test]
async fn what_was_rolled_back_is_not_remembered() {
    let world = World::new().await;
    world.field(KIND, "Region", "TEXT", &[]).await;
    let before = names(&world.service, &world).await;
    for stamp in [1, 2, 1] {
        let refused: Result<(), Error> = world
            .store
            .write(world.tenant, async move |tx| {
                let fields = Definitions::new(tx.fields(KIND).await?);
                let mut field = fields.require("Region")?.clone();
                field.name = "Rolled back".into();
                field.key = "rolled back".into();
                tx.update_field(&field, stamp).await?;
                Err(Rejection::TenantNotFound.into())
            })
            .await;
        assert!(refused.is_err());
        assert_eq!(names(&world.service, &world).await, before);
        let new = NewProfile {
            details: vec![FieldValues {
                name: "Rolled back".into(),
                values: texts(&["x"]).into(),
            }],
            ..NewProfile::bare(NewSubject::Organization(format!("Acme {stamp}")))
        };
        let refused = world.service.create_profile(&world.caller, new).await;
        assert_invalid(refused, "details[0].name", "There is no detail field");
    }
}

/// Readers always see one whole edit: the name and the option of the same round.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_edits() {
    const EDITS: usize = 300;
    let world = Arc::new(World::new().await);
    world.field(KIND, "Round 0", "SELECT", &["Option 0"]).await;
    let editing = Arc::new(AtomicBool::new(true));
    let mut readers = Vec::new();
    for seed in 0..4 {
        let (world, editing, service) = (
            Arc::clone(&world),
            Arc::clone(&editing),
            world.another(seed + 50).await,
        );
        readers.push(tokio::spawn(async move {
            let (mut last, mut reads) = (0, 0);
            while editing.load(Ordering::Acquire) {
                let fields = service.fields(&world.caller, KIND).await.unwrap();
                let field = fields.iter().next().unwrap();
                let round: usize = field.name.trim_start_matches("Round ").parse().unwrap();
                assert_eq!(field.options, [format!("Option {round}")]);
                assert!(round >= last, "{round} after {last}");
                (last, reads) = (round, reads + 1);
            }
            reads
        }));
    }
    for round in 1..=EDITS {
        let (current, name) = (format!("Round {}", round - 1), format!("Round {round}"));
        let options = Some(vec![format!("Option {round}")]);
        world
            .service
            .edit_field(&world.caller, KIND, &current, name.clone(), options)
            .await
            .unwrap();
        // What was acknowledged is what the next read says, by whichever service.
        assert_eq!(names(&world.service, &world).await, [name]);
    }
    editing.store(false, Ordering::Release);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
