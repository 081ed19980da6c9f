//! Lists: walks, gathered numbers, links and rows.

use std::collections::BTreeSet;

use guildhall_domain::list::{ListKind, Place, Position, Span};
use guildhall_domain::{Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, TenantId};
use guildhall_storage::{Gather, Linked, Store, Walk};

use crate::backend::Open;
use crate::sample::{LATER, NOW, customer, definitions, field, organization, product, tenant, values, write};

/// The numbers of a walk.
pub async fn walked(store: &Store, one: TenantId, walk: Walk<'_>, descending: bool) -> Vec<i64> {
    // In pages of two, so that each place that equals another is a place to go on from.
    let mut all: Vec<Position> = Vec::new();
    loop {
        let page = store
            .read(one, async |tx| {
                tx.list_walk(walk, all.last(), descending, 2).await
            })
            .await
            .unwrap();
        if page.is_empty() {
            return all.iter().map(|position| position.number).collect();
        }
        all.extend(page);
    }
}

pub async fn walks_go_on_where_a_page_ended(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let other = tenant(&store, "other").await;
    for tenant in [one, other] {
        write(&store, tenant, async |tx| {
            let none = Definitions::default();
            for (id, name) in [
                (4, "Ärger"),
                (7, "Straße"),
                (9, "acme"),
                (2, "Zebra"),
                (5, "STRAND"),
            ] {
                let now = if id == 4 { LATER } else { NOW };
                tx.insert_organization(&organization(id, name), &none, now)
                    .await?;
            }
            for number in [3, 1, 2] {
                let mut product = product(number);
                product.name_key = "same".into();
                tx.insert_product(&product, NOW).await?;
                tx.insert_customer(&customer(number), &none, NOW).await?;
            }
            tx.rename_customer(2, "ZOË", LATER).await?;
            tx.change_customer_email(1, "x@example.com", "x@example.com", LATER)
                .await
        })
        .await;
    }
    let all = Span::all();
    let (strass, z) = (Span::of_prefix("stra"), Span::of_prefix("z"));
    for (walk, forward) in [
        (Walk::Numbers(ListKind::Organizations), vec![2, 4, 5, 7, 9]),
        (Walk::Names(ListKind::Organizations, &all), vec![9, 5, 7, 2, 4]),
        (Walk::Names(ListKind::Organizations, &strass), vec![5, 7]),
        (Walk::Updates(ListKind::Organizations), vec![2, 5, 7, 9, 4]),
        (Walk::Numbers(ListKind::Customers), vec![1, 2, 3]),
        (Walk::Names(ListKind::Customers, &all), vec![1, 3, 2]),
        (Walk::Names(ListKind::Customers, &z), vec![2]),
        (Walk::Emails(&all), vec![2, 3, 1]),
        (Walk::Updates(ListKind::Customers), vec![3, 1, 2]),
        (Walk::Numbers(ListKind::Products), vec![1, 2, 3]),
        (Walk::Names(ListKind::Products, &all), vec![1, 2, 3]),
        (Walk::Updates(ListKind::Products), vec![1, 2, 3]),
        (Walk::Numbers(ListKind::Entitlements), vec![]),
        (Walk::Updates(ListKind::Entitlements), vec![]),
    ] {
        let mut backward = forward.clone();
        backward.reverse();
        assert_eq!(walked(&store, one, walk, false).await, forward, "{walk:?}");
        assert_eq!(walked(&store, one, walk, true).await, backward, "{walk:?}");
    }
    let no_names = store
        .read(one, async |tx| {
            tx.list_walk(Walk::Names(ListKind::Entitlements, &all), None, false, 1)
                .await
        })
        .await;
    assert!(no_names.is_err());
}

pub async fn a_place_that_is_no_more_is_still_a_place(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        for (id, name) in [(1, "b"), (2, "d")] {
            tx.insert_organization(&organization(id, name), &Definitions::default(), NOW)
                .await?;
        }
        Ok(())
    })
    .await;
    let gone = Position {
        place: Place::Text("c".into()),
        number: 9,
    };
    let all = Span::all();
    for (descending, wanted) in [(false, 2), (true, 1)] {
        let walk = Walk::Names(ListKind::Organizations, &all);
        let next = store
            .read(one, async |tx| {
                tx.list_walk(walk, Some(&gone), descending, 9).await
            })
            .await
            .unwrap();
        assert_eq!(next.len(), 1);
        assert_eq!(next[0].number, wanted);
    }
}

pub async fn values_and_links_are_found(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let fields = definitions(&[field(7, "Size", FieldType::Number)]);
    let known = fields.clone();
    write(&store, one, async move |tx| {
        for (id, size) in [(1, "5"), (2, "-3"), (3, "10.0"), (4, "10")] {
            let mut organization = organization(id, &format!("o{id}"));
            organization.details = values(&[(7, &[size])]);
            tx.insert_organization(&organization, &known, NOW).await?;
        }
        for number in [1, 2, 3] {
            tx.insert_customer(&customer(number), &known, NOW).await?;
            tx.insert_product(&product(number), NOW).await?;
        }
        for (organization, customer) in [(1, 1), (1, 2), (3, 2)] {
            tx.add_member(OrganizationId(organization), customer).await?;
        }
        let owner = |id: i64| Entity::Organization(OrganizationId(id));
        for (number, entity, product) in [
            (1, owner(1), 1),
            (2, owner(1), 1),
            (3, Entity::Customer(1), 1),
            (4, owner(2), 2),
        ] {
            tx.insert_entitlement(number, &format!("e{number}"), entity, product, NOW)
                .await?;
        }
        Ok(())
    })
    .await;
    let key = |value: &str| guildhall_domain::value_key(FieldType::Number, value);
    let ten = key("10");
    let organizations = EntityKind::Organization;
    let walk = Walk::Key(FieldId(7), &ten);
    assert_eq!(walked(&store, one, walk, false).await, [3, 4]);
    assert_eq!(walked(&store, one, walk, true).await, [4, 3]);
    assert_eq!(
        walked(&store, one, Walk::EntitlementsTo(1), false).await,
        [1, 2, 3]
    );
    assert_eq!(
        walked(&store, one, Walk::EntitlementsTo(1), true).await,
        [3, 2, 1]
    );

    let gathered = async |gather: Gather<'_>, max: usize| {
        let found = store
            .read(one, async |tx| tx.list_gather(gather, max).await)
            .await;
        let found: Result<_, guildhall_storage::StoreError> = found;
        found
            .unwrap()
            .map(|numbers| BTreeSet::from_iter(numbers).into_iter().collect::<Vec<i64>>())
    };
    let positive = Span {
        after: (key("0"), i64::MAX),
        ..Span::all()
    };
    let acme = Entity::Organization(OrganizationId(1));
    for (gather, rows, wanted) in [
        (Gather::Values(FieldId(7), &positive), 3, vec![1, 3, 4]),
        (Gather::OrganizationsOf(2), 2, vec![1, 3]),
        (Gather::MembersOf(OrganizationId(1)), 2, vec![1, 2]),
        (Gather::EntitledTo(organizations, 1), 3, vec![1]),
        (Gather::EntitledTo(EntityKind::Customer, 1), 3, vec![1]),
        (Gather::EntitlementsOf(acme), 2, vec![1, 2]),
        (Gather::EntitlementsOf(Entity::Customer(1)), 1, vec![3]),
        (Gather::ProductsOf(acme), 2, vec![1]),
    ] {
        assert_eq!(gathered(gather, rows).await, Some(wanted), "{gather:?}");
        assert_eq!(
            gathered(gather, rows - 1).await,
            None,
            "{gather:?}: more than that"
        );
    }
    let linked = async |linked: Linked| {
        let found = store
            .read(one, async |tx| tx.list_linked(linked, &[1, 2, 3, 9]).await)
            .await;
        let found: Result<BTreeSet<i64>, guildhall_storage::StoreError> = found;
        found.unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(linked(Linked::ToCustomer(2)).await, [1, 3]);
    assert_eq!(linked(Linked::ToOrganization(OrganizationId(1))).await, [1, 2]);
    assert_eq!(linked(Linked::ToProduct(organizations, 1)).await, [1]);
    assert_eq!(linked(Linked::ToProduct(EntityKind::Customer, 1)).await, [1]);
    assert_eq!(linked(Linked::ByEntity(acme)).await, [1]);
}

pub async fn rows_leave_out_what_is_hidden(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    write(&store, one, async |tx| {
        let none = Definitions::default();
        for id in [1, 2] {
            tx.insert_organization(&organization(id, &format!("o{id}")), &none, NOW)
                .await?;
            tx.insert_customer(&customer(id), &none, NOW).await?;
            tx.insert_product(&product(id), NOW).await?;
            tx.add_member(OrganizationId(1), id).await?;
        }
        for (number, product) in [(1, 1), (2, 2)] {
            let entity = Entity::Organization(OrganizationId(1));
            tx.insert_entitlement(number, &format!("e{number}"), entity, product, NOW)
                .await?;
        }
        tx.rename_organization(OrganizationId(2), "two", "two", LATER)
            .await
    })
    .await;
    let acme = Entity::Organization(OrganizationId(1));
    let counts = async || {
        store
            .read(one, async |tx| {
                let memberships = tx.count_memberships(acme, 10).await?;
                let of_customer = tx.count_memberships(Entity::Customer(1), 10).await?;
                let entitlements = tx.count_entitlements_of(acme, 10).await?;
                let to = tx.count_entitlements_to(1, 10).await?;
                let listed = tx.list_entitlements(&[1, 2, 3]).await?.len();
                Ok::<_, guildhall_storage::StoreError>((memberships, of_customer, entitlements, to, listed))
            })
            .await
            .unwrap()
    };
    assert_eq!(counts().await, (2, 1, 2, 1, 2));
    let limited = store
        .read(one, async |tx| tx.count_memberships(acme, 1).await)
        .await;
    assert_eq!(limited, Ok(1));
    let organizations = store
        .read(one, async |tx| tx.list_organizations(&[2, 3]).await)
        .await
        .unwrap();
    assert_eq!(organizations.len(), 1);
    assert_eq!(
        (organizations[0].created_at, organizations[0].updated_at),
        (NOW, LATER)
    );
    write(&store, one, async |tx| {
        tx.delete_customer(&customer(2), &Definitions::default()).await?;
        tx.delete_product(2).await
    })
    .await;
    assert_eq!(
        counts().await,
        (1, 1, 1, 1, 1),
        "what is still to be swept does not count"
    );
    write(&store, one, async |tx| {
        tx.delete_organization(&organization(1, "o1"), &Definitions::default())
            .await
    })
    .await;
    assert_eq!(counts().await.4, 0);
    let to = store
        .read(one, async |tx| tx.count_entitlements_to(1, 10).await)
        .await;
    assert_eq!(to, Ok(0));
}

pub async fn a_member_is_removed_once(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let removed = write(&store, one, async |tx| {
        let none = Definitions::default();
        tx.insert_organization(&organization(1, "o"), &none, NOW).await?;
        for number in [1, 2] {
            tx.insert_customer(&customer(number), &none, NOW).await?;
            tx.add_member(OrganizationId(1), number).await?;
        }
        Ok((
            tx.remove_member(OrganizationId(1), 1).await?,
            tx.remove_member(OrganizationId(1), 1).await?,
            tx.remove_member(OrganizationId(2), 2).await?,
        ))
    })
    .await;
    assert_eq!(removed, (true, false, false));
    let left = store
        .read(one, async |tx| tx.members(OrganizationId(1)).await)
        .await
        .unwrap();
    assert_eq!(left.iter().map(|member| member.number).collect::<Vec<_>>(), [2]);
}
