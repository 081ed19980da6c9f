//! Organizations as one statement sees them: what several reads find, on the same snapshot.

use guildhall_domain::{Definitions, Entity, FieldType, OrganizationId, TenantId, Values};
use guildhall_storage::{Links, SeenLinks, StoreError, StoredValues};

use crate::backend::Open;
use crate::sample::{NOW, customer, definitions, field, organization, product, tenant, values, write};
use crate::transactions::add;

fn read(details: &StoredValues) -> Values {
    let fields = details.fields().unwrap();
    let read = |texts: &str| serde_json::from_str::<Vec<String>>(texts).unwrap();
    fields
        .iter()
        .map(|(id, texts)| (*id, read(texts.get())))
        .collect()
}

pub async fn show_what_reads_find(open: Open<'_>) {
    let store = open().await;
    let (one, other) = (tenant(&store, "one").await, tenant(&store, "other").await);
    for of in [one, other] {
        write(&store, of, async move |tx| {
            let (fields, id) = (
                definitions(&[field(1, "Note", FieldType::Text)]),
                OrganizationId(3),
            );
            for number in [2, 1] {
                add(tx, number).await?;
                tx.insert_customer(&customer(number), &fields, NOW).await?;
                tx.insert_product(&product(number), NOW).await?;
            }
            let mut full = organization(3, &format!("Full of {}", of.0));
            full.details = values(&[(1, &["x", "\"y\"\n"]), (12, &["é"])]);
            tx.insert_organization(&full, &fields, NOW).await?;
            for number in [2, 1] {
                tx.add_member(id, number).await?;
                let (entity, uuid) = (Entity::Organization(id), format!("e{number}"));
                tx.insert_entitlement(number, &uuid, entity, number, NOW).await?;
            }
            let new = values(&[(1, &["y"])]);
            tx.put_entitlement_details(1, &Values::default(), &new, &fields, NOW)
                .await
        })
        .await;
    }
    let asked = [1, 3, 2, 3, 4, 1_000_000].map(OrganizationId);
    for (of, id) in asked.into_iter().flat_map(|id| [(one, id), (other, id)]) {
        let (stamp, organization, (entitlements, customers)) = store
            .read(of, async |tx| {
                let found = (tx.definitions_stamp().await?, tx.organization(id).await?);
                Ok::<_, StoreError>((found.0, found.1, tx.entitlements_and_members(id).await?))
            })
            .await
            .unwrap();
        let alone = store.glance(of, id, Links::Unwanted).await.unwrap();
        let glance = store.glance(of, id, Links::Wanted).await.unwrap();
        assert_eq!([glance.definitions_stamp, alone.definitions_stamp], [stamp; 2]);
        let (Some(seen), Some(alone)) = (glance.organization, alone.organization) else {
            assert_eq!(organization, None);
            continue;
        };
        let organization = organization.unwrap();
        for seen in [&seen, &alone] {
            assert_eq!(seen.id, organization.id.to_string());
            assert_eq!(
                (&seen.name, read(&seen.details)),
                (&organization.name, organization.details.clone())
            );
        }
        let SeenLinks {
            entitlements: shown,
            customer_ids,
        } = seen.links;
        let members: Vec<_> = customers.into_iter().map(|member| member.id).collect();
        assert_eq!(customer_ids, members);
        assert_eq!(shown.len(), entitlements.len());
        for (seen, read_one) in shown.iter().zip(entitlements) {
            assert_eq!((&seen.id, &seen.product_id), (&read_one.id, &read_one.product_id));
            assert_eq!(
                (&seen.product_name, read(&seen.details)),
                (&read_one.product_name, read_one.details)
            );
        }
    }
    let nobody = TenantId(99);
    let glance = store.glance(nobody, OrganizationId(1), Links::Wanted).await;
    assert!(
        matches!(glance, Err(StoreError::Inconsistent { .. })),
        "{glance:?}"
    );
}

/// What hangs on an organization and is deleted is out of sight before it is swept, and so is the organization.
pub async fn show_nothing_that_is_gone(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (fields, id) = (Definitions::default(), OrganizationId(1));
    write(&store, one, async move |tx| {
        add(tx, 1).await?;
        for number in [1, 2] {
            tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                .await?;
            tx.insert_product(&product(number), NOW).await?;
            tx.add_member(id, number).await?;
            tx.insert_entitlement(
                number,
                &format!("e{number}"),
                Entity::Organization(id),
                number,
                NOW,
            )
            .await?;
        }
        Ok(())
    })
    .await;
    write(&store, one, async move |tx| {
        tx.delete_customer(&customer(1), &Definitions::default()).await?;
        tx.delete_product(2).await
    })
    .await;
    let seen = store
        .glance(one, id, Links::Wanted)
        .await
        .unwrap()
        .organization
        .unwrap();
    assert_eq!(seen.links.customer_ids, [customer(2).id]);
    let products: Vec<_> = seen.links.entitlements.iter().map(|e| &e.product_id).collect();
    assert_eq!(products, [&product(1).id]);
    let gone = store
        .read(one, async |tx| tx.organization(id).await)
        .await
        .unwrap()
        .unwrap();
    write(&store, one, async move |tx| {
        tx.delete_organization(&gone, &fields).await
    })
    .await;
    assert_eq!(
        store.glance(one, id, Links::Wanted).await.unwrap().organization,
        None
    );
}
