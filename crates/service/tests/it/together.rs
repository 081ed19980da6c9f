//! Creates that come together, which PostgreSQL does in one unit of work: each is answered as if it were alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use guildhall_domain::SubjectKind;
use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_service::{Error, FieldValues, NewAccount, NewProfile, NewSubject, Profile, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::fresh::{Fresh, is_on_postgres};
use super::world::{World, assert_invalid, stranger, texts};

type Made = JoinHandle<Result<Profile, Error>>;

/// A world whose numbers and definitions are in memory, so that creates do not wait for them one by one.
async fn world() -> (Arc<World>, String, String) {
    let world = World::new().await;
    for kind in [EntityKind::Organization, EntityKind::Customer] {
        world.field(kind, "Region", "SELECT", &["EU", "US"]).await;
        world.field(kind, "Note", "TEXT", &[]).await;
    }
    let (ann, widget) = (
        world.customer("ann@example.com").await,
        world.product("Widget").await,
    );
    let acme = world.organization("First").await;
    for kind in [SubjectKind::Organization, SubjectKind::Customer] {
        let other = match kind {
            SubjectKind::Organization => &ann,
            SubjectKind::Customer => &acme,
        };
        let new = profile(kind, "warm", other, &widget);
        world.service.create_profile(&world.caller, new).await.unwrap();
    }
    (Arc::new(world), ann, widget)
}

fn profile(kind: SubjectKind, name: &str, associated: &str, product: &str) -> NewProfile {
    let detail = |name: &str, value: &str| FieldValues {
        name: name.into(),
        values: texts(&[value]).into(),
    };
    NewProfile {
        subject: subject(kind, name),
        details: vec![detail("Region", "EU"), detail("Note", name)],
        associated_ids: texts(&[associated]),
        product_ids: texts(&[product]),
    }
}

fn subject(kind: SubjectKind, name: &str) -> NewSubject {
    match kind {
        SubjectKind::Organization => NewSubject::Organization(name.to_owned()),
        SubjectKind::Customer => NewSubject::Customer(NewAccount {
            email: format!("{}@example.com", name.replace(' ', ".")),
            display_name: None,
        }),
    }
}

fn bare(name: &str) -> NewProfile {
    NewProfile::bare(subject(SubjectKind::Organization, name))
}

fn create(world: &Arc<World>, new: NewProfile) -> Made {
    let world = Arc::clone(world);
    tokio::spawn(async move { world.service.create_profile(&world.caller, new).await })
}

async fn is_there(world: &World, name: &str) -> bool {
    let names = texts(&[name]);
    let found = world
        .service
        .fetch_organizations(&world.caller, &[], &names)
        .await;
    !found.unwrap().is_empty()
}

/// What was answered is what a read shows.
async fn assert_kept(world: &World, kind: SubjectKind, made: &Profile) {
    let id = made.subject.id();
    let kept = world.service.profile(&world.caller, kind, &id).await.unwrap();
    assert_eq!(kept.subject, made.subject);
    let names =
        |definitions: &Definitions| definitions.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&kept.definitions), names(&made.definitions));
    assert_eq!(kept.entitlements, made.entitlements);
    let of_entitlements = names(&made.entitlement_definitions);
    assert_eq!(names(&kept.entitlement_definitions), of_entitlements);
    assert_eq!(kept.customers, made.customers);
    assert_eq!(kept.organizations, made.organizations);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_is_answered_as_if_it_were_alone() {
    let (world, ann, widget) = world().await;
    for kind in [SubjectKind::Organization, SubjectKind::Customer] {
        let acme = world
            .service
            .fetch_organizations(&world.caller, &[], &texts(&["First"]))
            .await;
        let first = acme.unwrap()[0].id.to_string();
        let (associated, none) = match kind {
            SubjectKind::Organization => (&ann, "qm:nobody"),
            SubjectKind::Customer => (&first, "99999"),
        };
        let all = (0..150).map(|number| {
            let mut new = profile(kind, &format!("{kind:?} {number}"), associated, &widget);
            match number % 10 {
                // Again the name of the one before.
                3 => new.subject = subject(kind, &format!("{kind:?} {}", number - 1).to_uppercase()),
                5 => new.details[0].values = texts(&["Mars"]).into(),
                6 => new.associated_ids.push(none.into()),
                7 => new.product_ids.push("no-product".into()),
                8 => new = NewProfile::bare(new.subject),
                _ => {}
            }
            create(&world, new)
        });
        let all: Vec<Made> = all.collect();
        let mut answers = Vec::new();
        for one in all {
            answers.push(one.await.unwrap());
        }
        for (number, answer) in answers.iter().enumerate() {
            match number % 10 {
                2 | 3 => {
                    let (one, other) = (&answers[number / 10 * 10 + 2], &answers[number / 10 * 10 + 3]);
                    let (made, refused) = match one.is_ok() {
                        true => (one, other),
                        false => (other, one),
                    };
                    let id = made.as_ref().unwrap().subject.id();
                    assert_invalid(refused.clone(), kind.handle_member(), &format!(" {id} already"));
                }
                5 => assert_invalid(answer.clone(), "details[0].values", "Mars"),
                6 => assert_invalid(
                    answer.clone(),
                    &format!("{}[1]", kind.associations_member()),
                    none,
                ),
                7 => assert_invalid(answer.clone(), "associateProducts.productIds[1]", "no-product"),
                _ => drop(answer.as_ref().unwrap()),
            }
            if let Ok(made) = answer {
                assert_kept(&world, kind, made).await;
            }
        }
    }
}

/// On one thread they come in their order, and the first has the name.
#[tokio::test]
async fn the_first_of_a_name_wins() {
    let (world, ..) = world().await;
    for round in 0..3 {
        let names = ["Straße", "STRASSE ", "strasse", " straSSe"];
        let all: Vec<Made> = names
            .iter()
            .map(|name| create(&world, bare(&format!("{} {round}", name.trim()))))
            .collect();
        let mut first = None;
        for one in all {
            let answer = one.await.unwrap();
            match &first {
                None => first = Some(answer.unwrap().subject.id()),
                Some(id) => assert_invalid(answer, "name", &format!("organization {id} already")),
            }
        }
    }
}

/// Names, bare profiles and whole ones go together; tenants do not see each other.
#[tokio::test]
async fn names_and_profiles_of_several_tenants() {
    let (world, ann, widget) = world().await;
    let other = stranger(&world).await;
    let mut all = Vec::new();
    for number in 0..12 {
        let (world, other) = (Arc::clone(&world), other.clone());
        let (ann, widget) = (ann.clone(), widget.clone());
        all.push(tokio::spawn(async move {
            let name = format!("Same {}", number / 2);
            let caller = match number % 2 {
                0 => &world.caller,
                _ => &other,
            };
            let whole = profile(SubjectKind::Organization, &name, &ann, &widget);
            let made = match number % 6 {
                0 | 1 => world
                    .service
                    .create_organization(caller, &name)
                    .await
                    .map(|made| made.id.to_string()),
                2 => world
                    .service
                    .create_profile(caller, whole)
                    .await
                    .map(|made| made.subject.id()),
                _ => world
                    .service
                    .create_profile(caller, bare(&name))
                    .await
                    .map(|made| made.subject.id()),
            };
            let found = world
                .service
                .fetch_organizations(caller, &[], &texts(&[&name]))
                .await
                .unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].id.to_string(), made.unwrap());
        }));
    }
    for one in all {
        one.await.unwrap();
    }
    assert_invalid(
        world
            .service
            .create_profile(&other, profile(SubjectKind::Organization, "X", &ann, &widget))
            .await,
        "details[0].name",
        "Region",
    );
}

/// An organization whose row the database refuses, for reasons that only the database knows.
fn refuse(world: &World, code: &str) {
    match &world.fresh {
        Fresh::Postgres(database) => {
            database.sql(&format!(
                "CREATE OR REPLACE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name LIKE \
                 'Odd%' THEN RAISE EXCEPTION 'odd' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
                 CREATE OR REPLACE TRIGGER odd BEFORE INSERT ON organization FOR EACH ROW EXECUTE FUNCTION odd();"
            ));
        }
        Fresh::Sqlite(folder) => {
            let database = rusqlite::Connection::open(folder.join("guildhall.db")).unwrap();
            let trigger = "CREATE TRIGGER IF NOT EXISTS odd BEFORE INSERT ON organization WHEN NEW.name LIKE 'Odd%' \
                           BEGIN SELECT RAISE(ABORT, 'odd'); END";
            database.execute_batch(trigger).unwrap();
        }
    }
}

#[tokio::test]
async fn one_that_the_database_refuses_takes_nobody_along() {
    let (world, ann, widget) = world().await;
    refuse(&world, "23514");
    let name = |number: usize| match number {
        4 => "Odd".to_owned(),
        _ => format!("Even {number}"),
    };
    let whole = |number| profile(SubjectKind::Organization, &name(number), &ann, &widget);
    let all: Vec<Made> = (0..10).map(|number| create(&world, whole(number))).collect();
    for (number, one) in all.into_iter().enumerate() {
        let answer = one.await.unwrap();
        match number {
            4 => assert!(matches!(answer, Err(Error::Store(_))), "{answer:?}"),
            _ => assert_kept(&world, SubjectKind::Organization, &answer.unwrap()).await,
        }
    }
    assert!(!is_there(&world, "Odd").await);
}

/// PostgreSQL alone: over SQLite nothing is shared but the commit.
#[tokio::test]
async fn a_database_that_fails_fails_all_that_are_together() {
    if !is_on_postgres() {
        return;
    }
    let (world, ..) = world().await;
    // "The server is shutting down", as one of them is written.
    refuse(&world, "57P01");
    let all: Vec<Made> = ["One", "Odd", "Two"]
        .map(|name| create(&world, bare(name)))
        .into();
    for one in all {
        let answer = one.await.unwrap();
        assert!(
            matches!(answer, Err(Error::Store(StoreError::Unavailable(_)))),
            "{answer:?}"
        );
    }
    for name in ["One", "Odd", "Two"] {
        assert!(!is_there(&world, name).await, "{name} was written");
    }
    create(&world, bare("One")).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_leaves_while_it_waits_takes_nobody_along() {
    let (world, ann, widget) = world().await;
    let name = |number| format!("Waits {number}");
    let mut waiting = Vec::new();
    for number in 0..20 {
        let new = profile(SubjectKind::Organization, &name(number), &ann, &widget);
        let mut create = Box::pin(world.service.create_profile(&world.caller, new));
        // It is in line now.
        let begun = Pin::new(&mut create).poll(&mut Context::from_waker(Waker::noop()));
        assert!(begun.is_pending());
        waiting.push(create);
    }
    let mut left = false;
    waiting.retain(|_| {
        left = !left;
        !left
    });
    for create in waiting {
        assert_kept(&world, SubjectKind::Organization, &create.await.unwrap()).await;
    }
    // On SQLite what is in the writer's queue is done all the same.
    for number in (0..20).filter(|number| number % 2 == 0 && is_on_postgres()) {
        assert!(
            !is_there(&world, &name(number)).await,
            "{number} was done for nobody"
        );
    }
}

/// PostgreSQL alone: over SQLite they wait for the writer.
#[tokio::test]
async fn a_unit_that_waits_is_done_for_who_has_left_and_who_waits_behind_it_is_told_in_time() {
    let (world, ..) = world().await;
    let Fresh::Postgres(database) = &world.fresh else {
        return;
    };
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, tenant, inside) = (
        world.store.clone(),
        world.tenant,
        (Arc::clone(&reached), Arc::clone(&go_on)),
    );
    let alone = tokio::spawn(async move {
        let held = store.write(tenant, async move |tx| {
            tx.lock_tenant().await?;
            inside.0.notify_one();
            inside.1.notified().await;
            Ok::<_, StoreError>(())
        });
        held.await.unwrap();
    });
    reached.notified().await;
    let under_way = [create(&world, bare("Left")), create(&world, bare("Stayed"))];
    while database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "1" {
        tokio::task::yield_now().await;
    }
    let [left, stayed] = under_way;
    left.abort();
    let behind = create(&world, bare("Behind"));
    let answer = behind.await.unwrap();
    assert!(
        matches!(answer, Err(Error::Store(StoreError::Overloaded))),
        "{answer:?}"
    );
    go_on.notify_one();
    alone.await.unwrap();
    assert_kept(&world, SubjectKind::Organization, &stayed.await.unwrap().unwrap()).await;
    assert!(is_there(&world, "Left").await, "its unit was under way");
    assert!(!is_there(&world, "Behind").await);
}
