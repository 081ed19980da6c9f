//! Each operation: what it does, and what it refuses. Random sequences are in `model`; here is what
//! they do not say: words, places, limits and trimming. Long, because each operation has a short case.

use std::time::Duration;

use guildhall_domain::field::{EntityKind, FieldTexts};
use guildhall_domain::{OrganizationId, Rejection, SubjectKind, Thing};
use guildhall_service::{Error, FieldValues, Links, NewAccount, NewProfile, NewSubject, Target};

use super::fresh::Fresh;

use super::world::{World, assert_invalid, assert_not_found, definition, stranger, texts};

const UNKNOWN_IDS: [&str; 8] = [
    "",
    "0",
    "01",
    "-1",
    "1e3",
    "nothing",
    "9999999999999999999",
    "999999999999999999",
];

#[tokio::test]
async fn tenants() {
    let world = World::new().await;
    let service = &world.service;
    let given = "0190B2C4-7A3E-7C61-9F0D-3F1F0A7BE5D2";
    let made = service.create_tenant(" Straße ", Some(given)).await.unwrap();
    assert_eq!(
        (made.name.as_str(), made.cloud_id.as_str()),
        ("Straße", given.to_lowercase().as_str())
    );
    assert_eq!(service.tenant(given).await, Ok(made.clone()));
    assert_eq!(service.tenants().await.unwrap().last(), Some(&made));
    assert_invalid(
        service.create_tenant("again", Some(given)).await,
        "cloudId",
        "is a tenant already",
    );
    assert_invalid(
        service.create_tenant("x", Some("not a uuid")).await,
        "cloudId",
        "is not a UUID",
    );
    assert_invalid(
        service.create_tenant(" ", None).await,
        "name",
        "must not be blank",
    );
    for unknown in ["", "nothing", "0190b2c4-7a3e-7c61-9f0d-3f1f0a7be5d3"] {
        assert_eq!(
            service.tenant(unknown).await,
            Err(Error::Rejected(Rejection::TenantNotFound))
        );
    }
    assert_eq!(service.probe().await, Ok(()));
}

#[tokio::test]
async fn organizations() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let id = world.organization("  Äcme  ").await;
    assert_eq!(
        service
            .profile(caller, SubjectKind::Organization, &id)
            .await
            .unwrap()
            .subject
            .name(),
        "Äcme"
    );
    let long = "x".repeat(200);
    let other = world.organization(&long).await;
    for (name, words) in [
        ("äCME", "is the name of organization 1 already"),
        (" ", "must not be blank"),
        (&format!("{long}y"), "at most 200 characters"),
        ("a\u{7}b", "control characters"),
    ] {
        assert_invalid(service.create_organization(caller, name).await, "name", words);
        assert_invalid(
            service.rename_organization(caller, &other, name).await,
            "name",
            words,
        );
        // The form is checked before the thing is looked for.
        if !words.contains("already") {
            assert_invalid(
                service.rename_organization(caller, "nothing", name).await,
                "name",
                words,
            );
        }
    }
    let renamed = service.rename_organization(caller, &id, "ÄCME").await.unwrap();
    assert_eq!(renamed.name, "ÄCME", "a change of case is a change");
    for unknown in UNKNOWN_IDS {
        for links in [Links::Wanted, Links::Unwanted] {
            let seen = service.seen_organization(caller, unknown, links).await;
            assert_not_found(seen, Thing::Organization);
        }
        assert_not_found(
            service.profile(caller, SubjectKind::Organization, unknown).await,
            Thing::Organization,
        );
        assert_not_found(
            service.rename_organization(caller, unknown, "New").await,
            Thing::Organization,
        );
        assert_not_found(
            service.delete_organization(caller, unknown).await,
            Thing::Organization,
        );
    }
    service.delete_organization(caller, &id).await.unwrap();
    assert_not_found(
        service.delete_organization(caller, &id).await,
        Thing::Organization,
    );
    let again = world.organization("äcme").await;
    assert_ne!(again, id, "the name is free, the id is spent");
}

#[tokio::test]
async fn fetches() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let mut ids = Vec::new();
    for index in 0..60 {
        ids.push(world.organization(&format!("O{index}")).await);
    }
    let asked = [
        ids[3].clone(),
        "nothing".into(),
        ids[1].clone(),
        ids[3].clone(),
        "0".into(),
    ];
    let names = texts(&["o5", "O1", "unknown", "a\u{7}", " O7 "]);
    let found = service.fetch_organizations(caller, &asked, &names).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(found, ["O3", "O1", "O5", "O7"], "each once, ids first");
    let found = service
        .fetch_profiles(caller, SubjectKind::Organization, &asked, &names)
        .await
        .unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(
        service
            .fetch_organizations(caller, &ids[..50], &[])
            .await
            .unwrap()
            .len(),
        50
    );
    assert_eq!(
        service
            .fetch_profiles(caller, SubjectKind::Organization, &ids[..25], &[])
            .await
            .unwrap()
            .len(),
        25
    );
    let one = texts(&["x"]);
    assert_invalid(
        service.fetch_organizations(caller, &ids[..50], &one).await,
        "",
        "at most 50",
    );
    assert_invalid(
        service
            .fetch_profiles(caller, SubjectKind::Organization, &ids[..25], &one)
            .await,
        "",
        "at most 25",
    );
    assert_invalid(
        service.fetch_organizations(caller, &[], &[]).await,
        "",
        "at least one organization",
    );
    assert_invalid(
        service
            .fetch_profiles(caller, SubjectKind::Organization, &[], &[])
            .await,
        "",
        "at least one organization",
    );
}

#[tokio::test]
async fn profiles_are_all_or_nothing() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    world
        .field(EntityKind::Organization, "Region", "SELECT", &["EU", "US"])
        .await;
    let (ann, widget) = (
        world.customer("ann@example.com").await,
        world.product("Widget").await,
    );
    let value = |name: &str, value: &str| FieldValues {
        name: name.into(),
        values: texts(&[value]).into(),
    };
    let good = NewProfile {
        subject: NewSubject::Organization("Acme".into()),
        details: vec![value("region", "EU")],
        associated_ids: vec![ann.clone(), ann.clone()],
        product_ids: vec![widget.clone(), widget.to_uppercase()],
    };
    let change = |edit: fn(&mut NewProfile)| {
        let mut changed = good.clone();
        edit(&mut changed);
        changed
    };
    for (wrong, at, words) in [
        (
            change(|p| p.subject = NewSubject::Organization(" ".into())),
            "name",
            "must not be blank",
        ),
        (
            change(|p| p.details[0].name = "Regoin".into()),
            "details[0].name",
            "Did you mean \"Region\"",
        ),
        (
            change(|p| p.details[0].values = vec!["eu".into()].into()),
            "details[0].values",
            "Did you mean \"EU\"",
        ),
        (
            change(|p| p.details.push(p.details[0].clone())),
            "details[1].name",
            "a second time",
        ),
        (
            change(|p| p.associated_ids.push("nobody".into())),
            "associateCustomers.customerIds[2]",
            "nobody",
        ),
        (
            change(|p| p.product_ids.push("nothing".into())),
            "associateProducts.productIds[2]",
            "nothing",
        ),
    ] {
        assert_invalid(service.create_profile(caller, wrong).await, at, words);
        let left = service
            .fetch_organizations(caller, &[], &texts(&["Acme"]))
            .await
            .unwrap();
        assert!(left.is_empty(), "{at}: something was left");
    }
    let made = service.create_profile(caller, good.clone()).await.unwrap();
    assert_eq!(
        (made.customers.len(), made.entitlements.len()),
        (1, 1),
        "each once"
    );
    assert_eq!(
        made.subject
            .details()
            .iter()
            .flat_map(|(_, values)| values)
            .collect::<Vec<_>>(),
        ["EU"]
    );
    assert_invalid(service.create_profile(caller, good).await, "name", "already");
    let shown = service.customer(caller, &ann).await.unwrap();
    assert_eq!(
        shown.organizations,
        [(
            OrganizationId::parse(&made.subject.id()).unwrap(),
            "Acme".to_owned()
        )]
    );
}

#[tokio::test]
async fn accounts() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let id = world.customer(" Ann@Example.com ").await;
    assert!(id.starts_with(&format!("qm:{}:", world.who.cloud_id)), "{id}");
    let made = service.account(caller, &id).await.unwrap();
    assert_eq!(
        (made.email.as_str(), made.display_name.as_str()),
        ("Ann@Example.com", "Ann")
    );
    let new = |email: &str, name: Option<&str>| NewAccount {
        email: email.into(),
        display_name: name.map(str::to_owned),
    };
    let create = async |email, name| service.create_account(&world.who, new(email, name)).await;
    assert_invalid(
        create("ANN@example.COM", None).await,
        "email",
        "is the email of customer qm:",
    );
    assert_invalid(create("nobody", None).await, "email", "exactly one '@'");
    assert_invalid(
        create("b@example.com", Some(" ")).await,
        "displayName",
        "must not be blank",
    );
    let named = create("b@example.com", Some(" Bob ")).await.unwrap();
    assert_eq!(named.display_name, "Bob");
    let renamed = service.rename_account(caller, &id, " Ann B. ").await.unwrap();
    assert_eq!(service.account(caller, &id).await.unwrap(), renamed);
    assert_eq!(renamed.display_name, "Ann B.");
    assert_invalid(
        service.rename_account(caller, &id, "").await,
        "displayName",
        "must not be blank",
    );
    for unknown in ["", "nobody", &"x".repeat(5_000), &id.to_uppercase()] {
        assert_not_found(service.account(caller, unknown).await, Thing::Customer);
        assert_not_found(service.customer(caller, unknown).await, Thing::Customer);
        assert_not_found(
            service.rename_account(caller, unknown, "New").await,
            Thing::Customer,
        );
        assert_not_found(service.delete_account(caller, unknown).await, Thing::Customer);
    }
    service.delete_account(caller, &id).await.unwrap();
    let again = world.customer("ann@example.com").await;
    assert_ne!(again, id);
}

#[tokio::test]
async fn products() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let mut made = Vec::new();
    for _ in 0..105 {
        made.push(world.product(" Widget ").await);
        world.clock.advance(Duration::from_millis(1));
    }
    assert!(made.is_sorted(), "ids made later are greater");
    let first = service.products(caller, None, None).await.unwrap();
    assert_eq!(
        (first.products.len(), first.products[0].name.as_str()),
        (100, "Widget")
    );
    let rest = service
        .products(caller, first.next.as_deref(), Some(50))
        .await
        .unwrap();
    assert_eq!((rest.products.len(), rest.next), (5, None));
    let exact = service
        .products(caller, first.next.as_deref(), Some(5))
        .await
        .unwrap();
    assert_eq!(exact.next, None, "no page follows the last");
    for odd in [0, -1, 101, i64::MIN, i64::MAX] {
        assert_eq!(
            service
                .products(caller, None, Some(odd))
                .await
                .unwrap()
                .products
                .len(),
            100
        );
    }
    for wrong in ["", "p", "1", "pzz", "p-1", "p8000000000000000"] {
        assert_invalid(
            service.products(caller, Some(wrong), None).await,
            "cursor",
            "is no cursor",
        );
    }
    let end = service
        .products(caller, Some("p7fffffffffffffff"), None)
        .await
        .unwrap();
    assert!(end.products.is_empty());
    let renamed = service
        .rename_product(caller, &made[0].to_uppercase(), " Gadget ")
        .await
        .unwrap();
    assert_eq!(
        service.product(caller, &made[0].to_uppercase()).await.unwrap(),
        renamed
    );
    assert_eq!(renamed.name, "Gadget");
    assert_invalid(
        service.create_product(caller, &"x".repeat(256)).await,
        "name",
        "at most 255",
    );
    assert_invalid(
        service.rename_product(caller, "nothing", " ").await,
        "name",
        "must not be blank",
    );
    service.delete_product(caller, &made[0]).await.unwrap();
    for unknown in ["", "nothing", &made[0]] {
        assert_not_found(service.product(caller, unknown).await, Thing::Product);
        assert_not_found(
            service.rename_product(caller, unknown, "New").await,
            Thing::Product,
        );
        assert_not_found(service.delete_product(caller, unknown).await, Thing::Product);
    }
}

#[tokio::test]
async fn entitlements() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let (acme, ann) = (
        world.organization("Acme").await,
        world.customer("ann@example.com").await,
    );
    let (widget, gadget) = (world.product("Widget").await, world.product("Gadget").await);
    let of_acme = || Target::Organization(acme.clone());
    let made = service
        .create_entitlement(caller, of_acme(), widget.to_uppercase())
        .await
        .unwrap()
        .entitlement;
    assert_eq!(
        (made.product_id.as_str(), made.product_name.as_str()),
        (widget.as_str(), "Widget")
    );
    for product in [&gadget, &widget] {
        service
            .create_entitlement(caller, of_acme(), product.clone())
            .await
            .unwrap();
    }
    let all = service
        .entitlements(caller, &of_acme(), None)
        .await
        .unwrap()
        .entitlements;
    assert_eq!(
        all.iter().map(|e| &e.product_id).collect::<Vec<_>>(),
        [&widget, &gadget, &widget]
    );
    let some = service
        .entitlements(caller, &of_acme(), Some(&widget.to_uppercase()))
        .await
        .unwrap();
    assert_eq!(some.entitlements.len(), 2);
    let none = service
        .entitlements(caller, &of_acme(), Some("nothing"))
        .await
        .unwrap();
    assert!(none.entitlements.is_empty());
    let one = service
        .entitlement(caller, &made.id.to_uppercase())
        .await
        .unwrap();
    assert_eq!(one.entitlement, made);

    let create = async |of: Target, product: &str| {
        service
            .create_entitlement(caller, of, product.to_owned())
            .await
            .map(|made| made.entitlement)
    };
    assert_not_found(create(of_acme(), "nothing").await, Thing::Product);
    assert_not_found(
        create(Target::Organization("9".into()), &widget).await,
        Thing::Organization,
    );
    assert_not_found(
        create(Target::Customer("nobody".into()), &widget).await,
        Thing::Customer,
    );
    assert_not_found(
        create(Target::Entitlement(made.id.clone()), &widget).await,
        Thing::Entitlement,
    );
    create(Target::Customer(ann.clone()), &widget).await.unwrap();
    service
        .delete_entitlement(caller, &made.id.to_uppercase())
        .await
        .unwrap();
    for unknown in ["", "nothing", &made.id] {
        assert_not_found(service.entitlement(caller, unknown).await, Thing::Entitlement);
        assert_not_found(
            service.delete_entitlement(caller, unknown).await,
            Thing::Entitlement,
        );
    }
}

#[tokio::test]
async fn fields_and_values() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let (acme, kind) = (world.organization("Acme").await, EntityKind::Organization);
    world.field(kind, "Tags", "MULTISELECT", &["One", "Two"]).await;
    world.field(kind, "Size", "NUMBER", &[]).await;
    let set = async |field: &str, values: &[&str]| {
        let target = Target::Organization(acme.clone());
        service
            .set_value(caller, target, field.to_owned(), texts(values))
            .await
            .map(|set| set.values)
    };
    assert_eq!(
        set("tags", &["Two", "One", "Two"]).await,
        Ok(texts(&["Two", "One"]).into())
    );
    assert_eq!(set(" SIZE ", &[" +1.50 "]).await, Ok(texts(&["+1.50"]).into()));
    assert_invalid(set("Size", &["1", "2"]).await, "values", "takes one value");
    assert_invalid(set("Size", &["much"]).await, "values", "not a number");
    assert_invalid(
        set("Tags", &["One", "Three"]).await,
        "values[1]",
        "not one of its options",
    );
    assert_not_found(set("Sise", &["1"]).await, Thing::DetailField);
    assert_eq!(set("Size", &[]).await, Ok(FieldTexts::new()));
    for (target, thing) in [
        (Target::Organization("9".into()), Thing::Organization),
        (Target::Customer("nobody".into()), Thing::Customer),
        (Target::Entitlement("nothing".into()), Thing::Entitlement),
    ] {
        assert_not_found(
            service.set_value(caller, target, "Tags".into(), vec![]).await,
            thing,
        );
    }

    let again = service
        .create_field(caller, kind, definition("TAGS", "TEXT", &[]))
        .await;
    assert_invalid(again, "name", "taken by the MULTISELECT field");
    let edit = async |current: &str, name: &str, options: Option<&[&str]>| {
        service
            .edit_field(caller, kind, current, name.to_owned(), options.map(texts))
            .await
    };
    assert_invalid(edit("nothing", " ", None).await, "name", "must not be blank");
    assert_not_found(edit("nothing", "New", None).await, Thing::DetailField);
    assert_invalid(edit("Tags", "size", None).await, "name", "taken by");
    assert_invalid(
        edit("Size", "Size", Some(&["x"])).await,
        "options",
        "has no options",
    );
    let edited = edit("tags", "TAGS", Some(&["Two"])).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.options), ("TAGS", texts(&["Two"])));
    let shown = service
        .profile(caller, SubjectKind::Organization, &acme)
        .await
        .unwrap();
    let kept = shown.subject.details().get(edited.id);
    assert_eq!(kept, texts(&["Two", "One"]), "values outlive their option");
    for number in 2..50 {
        world.field(kind, &format!("F{number}"), "TEXT", &[]).await;
    }
    let surplus = service
        .create_field(caller, kind, definition("One more", "TEXT", &[]))
        .await;
    assert_invalid(surplus, "", "at most 50");
    service.delete_field(caller, kind, " tags ").await.unwrap();
    assert_not_found(
        service.delete_field(caller, kind, "tags").await,
        Thing::DetailField,
    );
    world.field(kind, "Tags", "MULTISELECT", &["One", "Two"]).await;
    let shown = service
        .profile(caller, SubjectKind::Organization, &acme)
        .await
        .unwrap();
    let tags = shown.definitions.find("Tags").unwrap();
    assert!(
        shown.subject.details().get(tags.id).is_empty(),
        "old values never come back"
    );
    assert_eq!(tags.position, 51, "positions are not used again");
}

#[tokio::test]
async fn another_tenant_sees_nothing() {
    let world = World::new().await;
    let (service, other) = (&world.service, stranger(&world).await);
    let (acme, ann) = (
        world.organization("Acme").await,
        world.customer("ann@example.com").await,
    );
    let widget = world.product("Widget").await;
    world.field(EntityKind::Organization, "Region", "TEXT", &[]).await;
    let of_acme = || Target::Organization(acme.clone());
    let made = service
        .create_entitlement(&world.caller, of_acme(), widget.clone())
        .await
        .unwrap();
    let entitlement = made.entitlement.id;
    // Before and after the definitions of its fields are in memory.
    let seen = service.seen_organization(&other, &acme, Links::Wanted).await;
    assert!(seen.unwrap().is_none());
    for kind in [EntityKind::Organization, EntityKind::Entitlement] {
        service.fields(&other, kind).await.unwrap();
    }
    let seen = service.seen_organization(&other, &acme, Links::Wanted).await;
    assert_not_found(seen, Thing::Organization);
    assert_not_found(
        service.profile(&other, SubjectKind::Organization, &acme).await,
        Thing::Organization,
    );
    assert_not_found(
        service.delete_organization(&other, &acme).await,
        Thing::Organization,
    );
    assert_not_found(
        service.rename_organization(&other, &acme, "Mine").await,
        Thing::Organization,
    );
    assert_not_found(service.customer(&other, &ann).await, Thing::Customer);
    assert_not_found(
        service.rename_account(&other, &ann, "Mine").await,
        Thing::Customer,
    );
    assert_not_found(service.delete_account(&other, &ann).await, Thing::Customer);
    assert_not_found(service.product(&other, &widget).await, Thing::Product);
    assert_not_found(service.delete_product(&other, &widget).await, Thing::Product);
    assert_not_found(
        service.entitlement(&other, &entitlement).await,
        Thing::Entitlement,
    );
    assert_not_found(
        service.delete_entitlement(&other, &entitlement).await,
        Thing::Entitlement,
    );
    let set = service
        .set_value(&other, of_acme(), "Region".into(), vec![])
        .await;
    assert_not_found(set, Thing::Organization);
    let gone = service
        .delete_field(&other, EntityKind::Organization, "Region")
        .await;
    assert_not_found(gone, Thing::DetailField);
    let found = service
        .fetch_organizations(&other, std::slice::from_ref(&acme), &texts(&["Acme"]))
        .await;
    assert_eq!(found, Ok(vec![]));
    assert!(
        service
            .products(&other, None, None)
            .await
            .unwrap()
            .products
            .is_empty()
    );
    let fields = service.fields(&other, EntityKind::Organization).await.unwrap();
    assert_eq!(fields.iter().count(), 0);
    service.create_organization(&other, "Acme").await.unwrap();
}

#[tokio::test]
async fn the_demo_world_is_made_once() {
    let world = World::new().await;
    let none = world.service.create_demo().await.unwrap();
    assert!(none.is_none(), "never in a database that has a tenant");
    let fresh = Fresh::new();
    let store = fresh.open().await;
    let random = std::sync::Arc::new(guildhall_testkit::SeededRandom::new(5));
    let clock = std::sync::Arc::new(world.clock.clone());
    let service =
        guildhall_service::Service::new(store, clock, random, guildhall_service::Settings::default());
    let demo = service.create_demo().await.unwrap().unwrap();
    let who = service.authenticate(&demo.token).await.unwrap().unwrap();
    assert_eq!(who.cloud_id, demo.cloud_id);
    for (id, name) in [("1", "Acme"), ("2", "Globex"), ("123", "Atlassian")] {
        let profile = service
            .profile(&who.caller, SubjectKind::Organization, id)
            .await
            .unwrap();
        assert_eq!((profile.subject.name(), profile.customers.len()), (name, 1));
    }
    let made = service.create_organization(&who.caller, "Initech").await.unwrap();
    assert_eq!(made.id.0, 124, "after the given ids");
    assert!(service.create_demo().await.unwrap().is_none());
}
