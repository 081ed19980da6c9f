//! Facts about organizations, customers, products, memberships, entitlements and fields. Long, because each kind of
//! thing has short cases on the same few samples.

use std::collections::BTreeSet;
use std::sync::Arc;

use guildhall_domain::bulk::Need;
use guildhall_domain::{
    Customer, Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, Subject, SubjectKind,
    TenantId, Values, value_key,
};
use guildhall_storage::{Newcomers, ReadTx, Store, StoreError, ValuesAhead, Walk, WriteTx};

use crate::backend::Open;
use crate::sample::{LATER, NOW, customer, definitions, field, organization, product, tenant, values, write};

pub async fn organizations(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let region = field(7, "Region", FieldType::Text);
    let fields = definitions(std::slice::from_ref(&region));
    let mut acme = organization(5, "Äcme \u{1F3E2} 'x' \"y\" % _");
    acme.details = values(&[(7, &["EU", "a\nb\t\u{0}c"])]);
    let (row, known) = (acme.clone(), fields.clone());
    write(&store, one, async move |tx| {
        tx.insert_field(EntityKind::Organization, &region, 1).await?;
        tx.insert_organization(&row, &known, NOW).await
    })
    .await;
    let key = acme.name_key.clone();
    let by_id = store
        .read(one, async |tx| tx.organization(OrganizationId(5)).await)
        .await;
    assert_eq!(by_id, Ok(Some(acme.clone())));
    let by_key = store
        .read(one, async |tx| tx.organization_by_key(&key).await)
        .await;
    assert_eq!(by_key, Ok(Some(acme.clone())));
    for unknown in [0, 4, 6, -5, i64::MAX] {
        let none = store
            .read(one, async |tx| tx.organization(OrganizationId(unknown)).await)
            .await;
        assert_eq!(none, Ok(None));
    }
    for unknown in ["", "acme", "%", "ÄCME"] {
        let none = store
            .read(one, async |tx| tx.organization_by_key(unknown).await)
            .await;
        assert_eq!(none, Ok(None), "{unknown:?}");
    }

    let (old, new) = (acme.details.clone(), values(&[(7, &["US"])]));
    let change = new.clone();
    write(&store, one, async move |tx| {
        tx.rename_organization(OrganizationId(5), "Acme", "acme", LATER)
            .await?;
        tx.put_organization_details(OrganizationId(5), &old, &change, &fields, LATER)
            .await
    })
    .await;
    let renamed = store
        .read(one, async |tx| tx.organization_by_key("acme").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.details), ("Acme", &new));
    let old_name = store
        .read(one, async |tx| tx.organization_by_key(&key).await)
        .await;
    assert_eq!(old_name, Ok(None));
}

pub async fn values_made_ahead_count_only_if_they_are_the_same(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    for (is_of_customers, region, tags) in [(false, 7, 8), (true, 17, 18)] {
        values_made_ahead_of(&store, one, is_of_customers, (region, tags)).await;
    }
}

async fn values_made_ahead_of(
    store: &Store,
    one: TenantId,
    is_of_customers: bool,
    (region, tags): (i64, i64),
) {
    let fields = [
        field(region, "Region", FieldType::Text),
        field(tags, "Tags", FieldType::MultiSelect),
    ];
    let other_copy = Arc::new(definitions(&fields));
    let fields = Arc::new(definitions(&fields));
    let given = values(&[(region, &["EU"]), (tags, &["b", "A"])]);
    let others = values(&[(region, &["US"])]);
    let ahead =
        |values: &Values, by: &Arc<Definitions>| ValuesAhead::of(values.clone(), Arc::clone(by)).unwrap();
    let all = [
        None,
        Some(ahead(&given, &fields)),
        Some(ahead(&others, &fields)),
        Some(ahead(&given, &other_copy)),
    ];
    for (number, ahead) in (1..).zip(all) {
        let mut new = organization(number, &format!("O{number}"));
        new.details = given.clone();
        let mut person = customer(number);
        person.details = given.clone();
        let fields = Arc::clone(&fields);
        let subject = match is_of_customers {
            true => Subject::Customer(person),
            false => Subject::Organization(new),
        };
        write(store, one, async move |tx| {
            tx.insert_subject(&subject, &fields, ahead.as_ref(), NOW).await
        })
        .await;
    }
    for (field, key, found) in [
        (region, "eu", vec![1, 2, 3, 4]),
        (tags, "a", vec![1, 2, 3, 4]),
        (tags, "b", vec![1, 2, 3, 4]),
        (region, "us", Vec::new()),
    ] {
        let walk = Walk::Key(FieldId(field), key);
        let numbers = store
            .read(one, async |tx| tx.list_walk(walk, None, false, 10).await)
            .await
            .unwrap();
        let numbers: Vec<i64> = numbers.iter().map(|position| position.number).collect();
        assert_eq!(numbers, found, "{field} {key}");
    }
    let read = async move |tx: &mut ReadTx<'_>| match is_of_customers {
        true => Ok(tx
            .list_customers(&[1, 2, 3, 4])
            .await?
            .into_iter()
            .map(|row| row.thing.details)
            .collect()),
        false => {
            let rows = tx.list_organizations(&[1, 2, 3, 4]).await?;
            Ok::<Vec<_>, StoreError>(rows.into_iter().map(|row| row.thing.details).collect())
        }
    };
    let details = store.read(one, read).await.unwrap();
    assert_eq!(details, vec![given; 4]);
}

pub async fn organization_ids_stay_spent(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let used = async |id| {
        store
            .read(one, async |tx| tx.organization_id_used(OrganizationId(id)).await)
            .await
    };
    assert_eq!(used(9).await, Ok(false));
    write(&store, one, async |tx| {
        tx.insert_organization(&organization(9, "Nine"), &Definitions::default(), NOW)
            .await
    })
    .await;
    assert_eq!((used(9).await, used(8).await), (Ok(true), Ok(false)));
    write(&store, one, async |tx| {
        tx.delete_organization(&organization(9, "Nine"), &Definitions::default())
            .await
    })
    .await;
    assert_eq!(used(9).await, Ok(true), "spent");
    let gone = store
        .read(one, async |tx| tx.organization(OrganizationId(9)).await)
        .await;
    assert_eq!(gone, Ok(None));
    drop(store);
    let store = open().await;
    let used = store
        .read(one, async |tx| tx.organization_id_used(OrganizationId(9)).await)
        .await;
    assert_eq!(used, Ok(true), "spent for ever");
}

pub async fn customers(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let fields = definitions(&[field(1, "Tags", FieldType::MultiSelect)]);
    let ann = customer(4);
    let (row, known) = (ann.clone(), fields.clone());
    write(&store, one, async move |tx| {
        tx.insert_customer(&row, &known, NOW).await
    })
    .await;
    let read = store.read(one, async |tx| tx.customer("qm:cloud:4").await).await;
    assert_eq!(read, Ok(Some(ann.clone())));
    let number = store
        .read(one, async |tx| tx.customer_number("qm:cloud:4").await)
        .await;
    assert_eq!(number, Ok(Some(4)));
    for unknown in ["", "qm:cloud:5", "QM:CLOUD:4", "4"] {
        let none = store.read(one, async |tx| tx.customer(unknown).await).await;
        assert_eq!(none, Ok(None), "{unknown:?}");
        let none = store
            .read(one, async |tx| tx.customer_number(unknown).await)
            .await;
        assert_eq!(none, Ok(None), "{unknown:?}");
    }
    let email_used = async |key: &str| {
        store
            .read(one, async |tx| {
                Ok::<_, StoreError>(tx.customer_by_key(key).await?.is_some())
            })
            .await
    };
    assert_eq!(email_used("customer4@example.com").await, Ok(true));
    assert_eq!(email_used("customer5@example.com").await, Ok(false));

    let tags = values(&[(1, &["Two", "One"])]);
    let (new, known) = (tags.clone(), fields.clone());
    write(&store, one, async move |tx| {
        tx.rename_customer(4, "Ann", LATER).await?;
        tx.put_customer_details(4, &Values::default(), &new, &known, LATER)
            .await
    })
    .await;
    let changed = store
        .read(one, async |tx| tx.customer("qm:cloud:4").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((changed.display_name.as_str(), &changed.details), ("Ann", &tags));
    write(&store, one, async move |tx| {
        tx.delete_customer(&changed, &fields).await
    })
    .await;
    let gone = store.read(one, async |tx| tx.customer("qm:cloud:4").await).await;
    assert_eq!(gone, Ok(None));
    assert_eq!(
        email_used("customer4@example.com").await,
        Ok(false),
        "the email is free again"
    );
}

pub async fn products_in_pages(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        for number in [3, 1, 2, 10, 7] {
            tx.insert_product(&product(number), NOW).await?;
        }
        Ok(())
    })
    .await;
    let page = async |after, limit| {
        let found = store
            .read(one, async |tx| tx.products_after(after, limit).await)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|product| product.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(0, 10).await, [1, 2, 3, 7, 10]);
    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(2, 2).await, [3, 7]);
    assert_eq!(page(7, 2).await, [10]);
    assert!(page(10, 2).await.is_empty());
    write(&store, one, async |tx| {
        tx.rename_product(7, "Seven", "seven", LATER).await?;
        tx.delete_product(3).await
    })
    .await;
    assert_eq!(page(0, 10).await, [1, 2, 7, 10]);
    let seven = store
        .read(one, async |tx| tx.product("product-7").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((seven.name.as_str(), seven.name_key.as_str()), ("Seven", "seven"));
    let gone = store.read(one, async |tx| tx.product("product-3").await).await;
    assert_eq!(gone, Ok(None));
}

pub async fn memberships(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let acme = OrganizationId(1);
    write(&store, one, async move |tx| {
        for id in [1, 2, 3] {
            tx.insert_organization(&organization(id, &format!("O{id}")), &Definitions::default(), NOW)
                .await?;
            tx.insert_customer(&customer(10 - id), &Definitions::default(), NOW)
                .await?;
        }
        tx.add_member(acme, 8).await?;
        tx.add_member(acme, 9).await?;
        tx.add_member(OrganizationId(3), 8).await?;
        tx.members(acme).await?;
        tx.add_member(acme, 8).await?;
        tx.add_member(OrganizationId(2), 8).await?;
        tx.add_member(acme, 7).await
    })
    .await;
    let members = async |id| {
        let found = store
            .read(one, async |tx| tx.members(OrganizationId(id)).await)
            .await
            .unwrap();
        found.into_iter().map(|member| member.number).collect::<Vec<_>>()
    };
    assert_eq!(members(1).await, [8, 9, 7], "in the order they were added");
    assert_eq!((members(2).await, members(4).await), (vec![8], vec![]));
    let of = async |number| {
        let found = store
            .read(one, async |tx| tx.organizations_of(number).await)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|(id, name)| format!("{id} {name}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(8).await, ["1 O1", "2 O2", "3 O3"]);
    assert_eq!(of(7).await, ["1 O1"]);
    write(&store, one, async |tx| {
        tx.delete_organization(&organization(2, "O2"), &Definitions::default())
            .await?;
        tx.delete_customer(&customer(9), &Definitions::default()).await
    })
    .await;
    assert_eq!(
        members(1).await,
        [8, 7],
        "a deleted customer is out of sight before any sweep"
    );
    assert_eq!(of(8).await, ["1 O1", "3 O3"], "and so is a deleted organization");
}

/// Links of what a transaction makes have their places from the start; those that come later stand behind them, whatever
/// else the transaction links meanwhile.
pub async fn links_of_what_is_new(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let [old, new, newer] = [1, 2, 3].map(OrganizationId);
    let add = async |tx: &mut WriteTx<'_>, id: OrganizationId| {
        let row = organization(id.0, &format!("O{id}"));
        tx.insert_organization(&row, &Definitions::default(), NOW).await
    };
    write(&store, one, async move |tx| {
        for number in 6..=9 {
            tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                .await?;
            tx.insert_product(&product(number), NOW).await?;
        }
        add(tx, old).await?;
        tx.add_member(old, 9).await?;
        let entity = Entity::Organization(old);
        tx.insert_entitlement(10, "e10", entity, 9, NOW).await
    })
    .await;
    write(&store, one, async move |tx| {
        for (id, first) in [(new, 20), (newer, 30)] {
            add(tx, id).await?;
            let entity = Entity::Organization(id);
            for (position, customer) in (1..).zip([8, 7]) {
                tx.add_member_of_new(id, customer, position).await?;
                tx.add_member(old, customer).await?;
                let number = first - position;
                tx.insert_entitlement_of_new((number, &format!("e{number}")), entity, position, 6, NOW)
                    .await?;
                let number = first / 2 - position;
                tx.insert_entitlement(number, &format!("e{number}"), Entity::Organization(old), 7, NOW)
                    .await?;
            }
        }
        // As an item that finds what the one before it made.
        tx.add_member(new, 6).await?;
        tx.add_member(new, 7).await?;
        tx.insert_entitlement(1, "e1", Entity::Organization(new), 8, NOW)
            .await
    })
    .await;
    let links = async |id| {
        let read = store.read(one, async |tx| tx.entitlements_and_members(id).await);
        let (entitlements, members) = read.await.unwrap();
        let entitlements = entitlements.iter().map(|one| one.number);
        (
            members.iter().map(|member| member.number).collect::<Vec<_>>(),
            entitlements.collect::<Vec<_>>(),
        )
    };
    assert_eq!(links(new).await, (vec![8, 7, 6], vec![19, 18, 1]));
    assert_eq!(links(newer).await, (vec![8, 7], vec![29, 28]));
    assert_eq!(links(old).await, (vec![9, 8, 7], vec![10, 9, 8, 14, 13]));
}

/// Links have an order, and two that come at once are both there.
pub async fn members_added_at_once_are_all_there(open: Open<'_>) {
    const CUSTOMERS: i64 = 40;
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        tx.insert_organization(&organization(1, "Acme"), &Definitions::default(), NOW)
            .await?;
        for number in 1..=CUSTOMERS {
            tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                .await?;
        }
        Ok(())
    })
    .await;
    let adders: Vec<_> = (1..=CUSTOMERS)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                write(&store, one, async move |tx| {
                    // As every operation does that adds to an organization.
                    tx.lock_organization(OrganizationId(1)).await?;
                    tx.add_member(OrganizationId(1), number).await
                })
                .await;
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    let mut members: Vec<i64> = store
        .read(one, async |tx| tx.members(OrganizationId(1)).await)
        .await
        .unwrap()
        .into_iter()
        .map(|member| member.number)
        .collect();
    members.sort_unstable();
    assert_eq!(members, (1..=CUSTOMERS).collect::<Vec<_>>());
}

pub async fn entitlements(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let tier = field(3, "Tier", FieldType::Select);
    let fields = definitions(&[tier]);
    let (acme, ann) = (Entity::Organization(OrganizationId(1)), Entity::Customer(5));
    write(&store, one, async move |tx| {
        tx.insert_organization(&organization(1, "Acme"), &Definitions::default(), NOW)
            .await?;
        tx.insert_customer(&customer(5), &Definitions::default(), NOW)
            .await?;
        tx.add_member(OrganizationId(1), 5).await?;
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_product(&product(2), NOW).await?;
        for (number, entity, product) in [
            (30, acme, 1),
            (10, acme, 2),
            (20, acme, 1),
            (40, ann, 2),
            (50, ann, 1),
        ] {
            tx.insert_entitlement(number, &format!("e{number}"), entity, product, NOW)
                .await?;
        }
        Ok(())
    })
    .await;
    let seen = async || {
        store
            .read(one, async |tx| {
                let of_acme = tx.organization_entitlements(OrganizationId(1)).await?;
                let of_ann = tx.customer_entitlements(5).await?;
                let inherited = tx.inherited_entitlements(5).await?;
                Ok::<_, StoreError>([of_acme, of_ann, inherited].map(|list| {
                    list.into_iter()
                        .map(|e| (e.number, e.entity_id, e.product_id))
                        .collect::<Vec<_>>()
                }))
            })
            .await
            .unwrap()
    };
    let numbers = |list: &[(i64, String, String)]| list.iter().map(|row| row.0).collect::<Vec<_>>();
    let [of_acme, of_ann, inherited] = seen().await;
    assert_eq!(numbers(&of_acme), [30, 10, 20], "in the order they were added");
    assert_eq!(
        (numbers(&of_ann), numbers(&inherited)),
        (vec![40, 50], vec![30, 10, 20])
    );
    assert_eq!(of_acme[1], (10, "1".into(), "product-2".into()));
    assert_eq!(of_ann[0], (40, "qm:cloud:5".into(), "product-2".into()));

    let (old, gold) = (Values::default(), values(&[(3, &["One"])]));
    let (new, known) = (gold.clone(), fields.clone());
    write(&store, one, async move |tx| {
        tx.put_entitlement_details(10, &old, &new, &known, LATER).await
    })
    .await;
    let ten = store
        .read(one, async |tx| tx.entitlement("e10").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((ten.details.clone(), ten.entity), (gold.clone(), acme));
    assert_eq!((ten.product_name.as_str(), ten.id.as_str()), ("Product 2", "e10"));
    let known = fields.clone();
    write(&store, one, async move |tx| {
        tx.delete_entitlement(10, &gold, &known).await
    })
    .await;
    write(&store, one, async |tx| tx.delete_product(1).await).await;
    let [of_acme, of_ann, inherited] = seen().await;
    assert_eq!(
        (numbers(&of_acme), numbers(&of_ann), numbers(&inherited)),
        (vec![], vec![40], vec![])
    );
    for (id, there) in [
        ("e10", false),
        ("e20", false),
        ("e40", true),
        ("e50", false),
        ("", false),
    ] {
        let found = store
            .read(one, async |tx| tx.entitlement(id).await)
            .await
            .unwrap();
        assert_eq!(found.is_some(), there, "{id}");
    }
    write(&store, one, async |tx| {
        tx.delete_customer(&customer(5), &Definitions::default()).await
    })
    .await;
    let gone = store.read(one, async |tx| tx.entitlement("e40").await).await;
    assert_eq!(gone, Ok(None), "its customer is gone");
    assert_eq!(seen().await, [vec![], vec![], vec![]]);
}

pub async fn fields_and_their_stamp(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let stamp = async || {
        store
            .read(one, async |tx| tx.definitions_stamp().await)
            .await
            .unwrap()
    };
    assert_eq!(stamp().await, 0);
    for (index, field_type) in FieldType::ALL.into_iter().enumerate() {
        let new = field(index as i64 + 1, &format!("F{index}"), field_type);
        let expected = new.clone();
        write(&store, one, async move |tx| {
            tx.insert_field(EntityKind::Customer, &new, index as i64 + 100)
                .await
        })
        .await;
        let read = store
            .read(one, async |tx| tx.fields(EntityKind::Customer).await)
            .await
            .unwrap();
        assert_eq!(read.last(), Some(&expected));
        assert_eq!((read.len(), stamp().await), (index + 1, index as i64 + 100));
    }
    for other in [EntityKind::Organization, EntityKind::Entitlement] {
        assert_eq!(
            store.read(one, async |tx| tx.fields(other).await).await,
            Ok(vec![])
        );
    }
    let mut edited = field(9, "Edited", FieldType::MultiSelect);
    edited.options = vec!["x".into(), "\"quoted\"".into()];
    let expected = edited.clone();
    write(&store, one, async move |tx| {
        tx.update_field(&edited, i64::MIN).await
    })
    .await;
    assert_eq!(stamp().await, i64::MIN);
    write(&store, one, async |tx| {
        tx.delete_field(FieldId(1), i64::MAX).await
    })
    .await;
    assert_eq!(stamp().await, i64::MAX);
    let read = store
        .read(one, async |tx| tx.fields(EntityKind::Customer).await)
        .await
        .unwrap();
    assert_eq!(
        read.iter().map(|field| field.id.0).collect::<Vec<_>>(),
        [2, 3, 4, 5, 6, 7, 8, 9, 10]
    );
    assert_eq!(read[7], expected);
}

pub async fn unique_indexes_have_the_last_word(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        tx.insert_organization(&organization(1, "Acme"), &Definitions::default(), NOW)
            .await?;
        tx.insert_organization(&organization(2, "Globex"), &Definitions::default(), NOW)
            .await?;
        tx.insert_customer(&customer(1), &Definitions::default(), NOW)
            .await?;
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_field(EntityKind::Customer, &field(1, "Region", FieldType::Text), 1)
            .await?;
        tx.insert_field(EntityKind::Organization, &field(2, "Region", FieldType::Text), 2)
            .await?;
        tx.insert_entitlement(1, "e1", Entity::Customer(1), 1, NOW).await
    })
    .await;
    macro_rules! refused {
        ($($op:expr),+ $(,)?) => {$(
            let refused: Result<(), StoreError> = store.write(one, $op).await;
            assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{}: {refused:?}", stringify!($op));
        )+};
    }
    refused!(
        async |tx| tx
            .insert_organization(&organization(1, "New"), &Definitions::default(), NOW)
            .await,
        async |tx| tx
            .insert_organization(&organization(3, "ACME"), &Definitions::default(), NOW)
            .await,
        async |tx| tx
            .rename_organization(OrganizationId(2), "acme", "acme", NOW)
            .await,
        async |tx| tx
            .insert_customer(&customer(1), &Definitions::default(), NOW)
            .await,
        async |tx| {
            let mut same_email = customer(2);
            same_email.email_key = customer(1).email_key;
            tx.insert_customer(&same_email, &Definitions::default(), NOW)
                .await
        },
        async |tx| {
            let mut same_id = customer(2);
            same_id.id = customer(1).id;
            tx.insert_customer(&same_id, &Definitions::default(), NOW).await
        },
        async |tx| tx.insert_product(&product(1), NOW).await,
        async |tx| tx
            .insert_field(EntityKind::Customer, &field(3, "rEGION", FieldType::Date), 3)
            .await,
        async |tx| tx
            .insert_field(EntityKind::Customer, &field(2, "Other", FieldType::Date), 3)
            .await,
        async |tx| tx.insert_entitlement(1, "e2", Entity::Customer(1), 1, NOW).await,
        async |tx| tx.insert_entitlement(2, "e1", Entity::Customer(1), 1, NOW).await,
    );
    let again: Result<_, StoreError> = store
        .system_write(async |tx| tx.insert_tenant("one", "another", NOW).await)
        .await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
}

pub async fn changing_what_is_not_there(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let none = || (Values::default(), Definitions::default());
    macro_rules! inconsistent {
        ($($op:expr),+ $(,)?) => {$(
            let refused: Result<(), StoreError> = store.write(one, $op).await;
            assert!(matches!(refused, Err(StoreError::Inconsistent { .. })), "{}: {refused:?}", stringify!($op));
        )+};
    }
    inconsistent!(
        async |tx| tx.rename_organization(OrganizationId(1), "a", "a", NOW).await,
        async |tx| tx
            .delete_organization(&organization(1, "a"), &Definitions::default())
            .await,
        async |tx| tx.rename_customer(1, "a", NOW).await,
        async |tx| tx.delete_customer(&customer(1), &Definitions::default()).await,
        async |tx| tx.rename_product(1, "a", "a", NOW).await,
        async |tx| tx.delete_product(1).await,
        async |tx| tx.update_field(&field(1, "a", FieldType::Text), 1).await,
        async |tx| tx.delete_field(FieldId(1), 1).await,
        async move |tx| tx
            .put_customer_details(1, &none().0, &none().0, &none().1, NOW)
            .await,
        async move |tx| tx
            .put_organization_details(OrganizationId(1), &none().0, &none().0, &none().1, NOW)
            .await,
        async move |tx| tx
            .put_entitlement_details(1, &none().0, &none().0, &none().1, NOW)
            .await,
        async move |tx| tx.delete_entitlement(1, &none().0, &none().1).await,
    );
    let waiting = store.system_read(async |tx| tx.waiting_sweeps(10).await).await;
    assert_eq!(waiting, Ok(vec![]), "nothing of the refused units is left");
    let unknown = TenantId(99);
    let stamp = store.read(unknown, async |tx| tx.definitions_stamp().await).await;
    assert!(matches!(stamp, Err(StoreError::Inconsistent { .. })), "{stamp:?}");
}

/// Some databases keep no U+0000, and a client may ask for anything.
pub async fn ids_with_a_nul_find_nothing(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        tx.insert_customer(&customer(1), &Definitions::default(), NOW)
            .await
    })
    .await;
    let (known, wrong) = (customer(1).id, format!("{}\0", customer(1).id));
    let asked = [known.clone(), wrong.clone()].into();
    let found = write(&store, one, async move |tx| {
        let new = Newcomers {
            associated_ids: asked,
            ..Newcomers::default()
        };
        tx.ground(&new).await.map(|ground| ground.associated)
    })
    .await;
    assert_eq!(found, [(known, 1)].into());
    let found = store.read(one, async |tx| tx.customer(&wrong).await).await;
    assert_eq!(found, Ok(None));
    for kind in [SubjectKind::Organization, SubjectKind::Customer] {
        let wrong = wrong.clone();
        let facts = write(&store, one, async move |tx| {
            let need = Need {
                kind,
                ids: [wrong.clone()].into(),
                keys: [wrong.clone()].into(),
                associated_ids: [wrong.clone()].into(),
                product_ids: [wrong].into(),
                ..Need::default()
            };
            tx.load_facts(&need, 0..0).await
        })
        .await;
        assert!(facts.associated.is_empty() && facts.products.is_empty());
        assert_eq!(facts.entities().count(), 0);
    }
}

/// What bulk items on customers rest on is what is there, the other side of the links included.
pub async fn facts_of_customers(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let facts = write(&store, one, async |tx| {
        for number in 1..=3 {
            tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                .await?;
            let organization = organization(number, &format!("O{number}"));
            tx.insert_organization(&organization, &Definitions::default(), NOW)
                .await?;
            tx.insert_product(&product(number), NOW).await?;
        }
        tx.add_member(OrganizationId(2), 1).await?;
        tx.add_member(OrganizationId(2), 3).await?;
        // An organization has the number of a customer: its entitlement is not the customer's.
        tx.insert_entitlement(1, "e1", Entity::Customer(2), 1, NOW)
            .await?;
        tx.insert_entitlement(2, "e2", Entity::Organization(OrganizationId(1)), 2, NOW)
            .await?;
        let need = Need {
            kind: SubjectKind::Customer,
            ids: [customer(1).id, "qm:cloud:9".into()].into(),
            keys: [customer(2).email_key].into(),
            associated_ids: ["2".into(), "02".into(), "77".into()].into(),
            product_ids: [product(1).id, product(2).id].into(),
            ..Need::default()
        };
        tx.load_facts(&need, 0..0).await
    })
    .await;
    let mut known: Vec<_> = facts.entities().map(|entity| format!("{entity:?}")).collect();
    known.sort();
    assert_eq!(known, ["Customer(1)", "Customer(2)"]);
    assert_eq!(facts.associated, [("2".to_owned(), 2)].into());
    assert_eq!(facts.members, [(OrganizationId(2), 1)].into());
    assert_eq!(facts.entitled, [(Entity::Customer(2), 1)].into());
}

/// Customers are found by all that is asked for, each entry in its own field, page by page.
pub async fn customers_by_their_values(open: Open<'_>) {
    let store = open().await;
    let (one, two) = (tenant(&store, "one").await, tenant(&store, "two").await);
    for home in [one, two] {
        write(&store, home, async |tx| {
            let fields = definitions(&[
                field(1, "Region", FieldType::Text),
                field(2, "Note", FieldType::Text),
            ]);
            for (number, region, note) in [
                (1, "EU", "x"),
                (2, "EU", "EU"),
                (3, "x", "EU"),
                (4, "EU", "x"),
                (5, "EU", ""),
            ] {
                let mut row = customer(number);
                row.details = values(&[(1, &[region]), (2, &[note])]);
                tx.insert_customer(&row, &fields, NOW).await?;
            }
            // Another kind with the same numbers and values, in fields of its own.
            let of_organizations = definitions(&[
                field(3, "Region", FieldType::Text),
                field(4, "Note", FieldType::Text),
            ]);
            let mut row = organization(3, "O");
            row.details = values(&[(3, &["EU"]), (4, &["x"])]);
            tx.insert_organization(&row, &of_organizations, NOW).await
        })
        .await;
    }
    let found = async |wanted: &[(i64, &str)], offset, limit| -> Vec<i64> {
        let wanted: BTreeSet<_> = wanted
            .iter()
            .map(|(field, key)| (FieldId(*field), (*key).to_owned()))
            .collect();
        // Both fields are texts.
        let holds = |customer: &Customer| holds(customer, &wanted);
        let found = store
            .read(one, async |tx| {
                tx.customers_with(&wanted, holds, offset, limit).await
            })
            .await
            .unwrap();
        found.into_iter().map(|customer| customer.number).collect()
    };
    assert_eq!(found(&[(1, "eu")], 0, 10).await, [1, 2, 4, 5]);
    assert_eq!(found(&[(1, "eu")], 1, 2).await, [2, 4]);
    assert_eq!(found(&[(1, "eu")], 4, 2).await, [0; 0]);
    assert_eq!(found(&[(1, "eu"), (2, "x")], 0, 10).await, [1, 4]);
    assert_eq!(found(&[(1, "eu"), (2, "x")], 1, 10).await, [4]);
    // The values of two fields may not be exchanged.
    assert_eq!(found(&[(1, "x"), (2, "eu")], 0, 10).await, [3]);
    assert_eq!(found(&[(2, "")], 0, 10).await, [5]);
    assert_eq!(found(&[(1, "eu"), (1, "x")], 0, 10).await, [0; 0]);
    assert_eq!(found(&[(7, "eu")], 0, 10).await, [0; 0]);
    assert_eq!(found(&[], 0, 10).await, [0; 0]);
    // Who is deleted is out of sight at once.
    write(&store, one, async |tx| {
        tx.delete_customer(&customer(1), &Definitions::default()).await
    })
    .await;
    assert_eq!(found(&[(1, "eu"), (2, "x")], 0, 10).await, [4]);
}

/// Whether the customer has a value with each of these keys, in fields of texts.
fn holds(customer: &Customer, wanted: &BTreeSet<(FieldId, String)>) -> bool {
    wanted.iter().all(|(field, key)| {
        let mut values = customer.details.get(*field).iter();
        values.any(|value| value_key(FieldType::Text, value) == *key)
    })
}
