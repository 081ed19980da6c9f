//! Tenants, tokens, and the wall between two tenants.

use std::collections::BTreeSet;

use guildhall_domain::task::TaskType;
use guildhall_domain::{
    Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, TenantId, Values,
};
use guildhall_storage::{Counter, NewTask, Store, StoreError, Sweep, TenantRow, TokenRow};

use crate::backend::Open;
use crate::sample::{LATER, NOW, customer, definitions, field, organization, product, tenant, values, write};

fn token(tenant: TenantId, cloud_id: &str, id: &str) -> TokenRow {
    TokenRow {
        tenant,
        cloud_id: cloud_id.to_owned(),
        id: id.to_owned(),
        hash: format!("hash of {id} of {cloud_id}"),
        last4: "wxyz".into(),
        name: format!("name of {id}"),
        role: "admin".into(),
        scopes: "a b".into(),
        account: None,
        created_at: NOW,
        expires_at: LATER,
        last_used_at: None,
        revoked_at: None,
    }
}

pub async fn found_by_cloud_id_and_listed(open: Open<'_>) {
    let store = open().await;
    let list = async || store.system_read(async |tx| tx.tenants().await).await.unwrap();
    assert_eq!(list().await, []);
    let (one, two) = (tenant(&store, "zzz").await, tenant(&store, "aaa").await);
    let row = |id, name: &str| TenantRow {
        id,
        cloud_id: name.into(),
        name: name.into(),
    };
    assert_eq!(list().await, [row(one, "zzz"), row(two, "aaa")], "oldest first");
    let found = store.system_read(async |tx| tx.tenant("aaa").await).await;
    assert_eq!(found, Ok(Some(row(two, "aaa"))));
    let found = store.system_read(async |tx| tx.tenant("AAA").await).await;
    assert_eq!(found, Ok(None));
    let probed: Result<(), StoreError> = store.system_write(async |tx| tx.probe(LATER).await).await;
    assert_eq!(probed, Ok(()));
}

pub async fn made_at_once_have_numbers_of_their_own(open: Open<'_>) {
    const TENANTS: usize = 64;
    let store = open().await;
    let makers: Vec<_> = (0..TENANTS)
        .map(|index| {
            let store = store.clone();
            tokio::spawn(async move { tenant(&store, &format!("tenant {index}")).await })
        })
        .collect();
    let mut made = Vec::new();
    for maker in makers {
        made.push(maker.await.unwrap());
    }
    made.sort_unstable_by_key(|tenant| tenant.0);
    made.dedup();
    assert_eq!(made.len(), TENANTS);
    let listed = store.system_read(async |tx| tx.tenants().await).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), made);
}

pub async fn tokens(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    let (mut first, mut second) = (token(one, "one", "b"), token(one, "one", "a"));
    first.account = Some("account:1".into());
    second.created_at = LATER;
    let rows = [second.clone(), first.clone()];
    write(&store, one, async move |tx| {
        for row in &rows {
            tx.insert_token(row).await?;
        }
        Ok(())
    })
    .await;
    let by_hash = async |hash: &str| {
        store
            .system_read(async |tx| tx.token_by_hash(hash).await)
            .await
            .unwrap()
    };
    assert_eq!(by_hash(&first.hash).await, Some(first.clone()));
    assert_eq!(by_hash("hash").await, None);
    let list = store.read(one, async |tx| tx.tokens().await).await;
    assert_eq!(list, Ok(vec![first.clone(), second]), "oldest first");
    let revoked = write(&store, one, async |tx| {
        tx.touch_token("b", LATER).await?;
        tx.touch_token("nobody's", LATER).await?;
        let revoked = tx.revoke_token("b", NOW).await?;
        let again = tx.revoke_token("b", LATER).await?;
        Ok((revoked, again, tx.revoke_token("nobody's", NOW).await?))
    })
    .await;
    assert_eq!(revoked, (true, true, false));
    (first.last_used_at, first.revoked_at) = (Some(LATER), Some(NOW));
    assert_eq!(
        by_hash(&first.hash).await,
        Some(first.clone()),
        "the first revocation counts"
    );
    let same_hash: Result<(), StoreError> = store
        .write(one, async move |tx| tx.insert_token(&first).await)
        .await;
    assert!(matches!(same_hash, Err(StoreError::Conflict { .. })));
}

/// All that a tenant can see, as one text.
async fn view(store: &Store, tenant: TenantId) -> String {
    store
        .read(tenant, async |tx| {
            let mut seen = format!("{:?} {:?}", tx.definitions_stamp().await?, tx.tokens().await?);
            let noted = BTreeSet::from([(FieldId(2), "noted".to_owned())]);
            seen += &format!("{:?}", tx.customers_with(&noted, |_| true, 0, 10).await?);
            for kind in [
                EntityKind::Organization,
                EntityKind::Customer,
                EntityKind::Entitlement,
            ] {
                seen += &format!("{:?}", tx.fields(kind).await?);
            }
            seen += &format!("{:?}", tx.products_after(0, 100).await?);
            for number in 1..=4 {
                let id = OrganizationId(number);
                seen += &format!(
                    "\n{:?} {:?} {:?} {:?} {:?}",
                    tx.organization(id).await?,
                    tx.organization_by_key(&format!("o{number}")).await?,
                    tx.organization_id_used(id).await?,
                    tx.members(id).await?,
                    tx.organization_entitlements(id).await?,
                );
                let Some(row) = tx.customer(&customer(number).id).await? else {
                    continue;
                };
                seen += &format!(
                    "\n{row:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                    tx.customer_number(&row.id).await?,
                    tx.customer_by_key(&row.email_key).await?.is_some(),
                    tx.organizations_of(number).await?,
                    tx.customer_entitlements(number).await?,
                    tx.inherited_entitlements(number).await?,
                    tx.product(&product(number).id).await?,
                    tx.entitlement(&format!("e{number}")).await?,
                );
            }
            Ok::<_, StoreError>(seen)
        })
        .await
        .unwrap()
}

/// The same world in any tenant: same ids, same numbers, same names.
async fn furnish(store: &Store, tenant: TenantId, cloud_id: &str) {
    let own = token(tenant, cloud_id, "token");
    write(store, tenant, async move |tx| {
        let fields = definitions(&[field(1, "Note", FieldType::Text)]);
        tx.insert_field(EntityKind::Organization, &field(1, "Note", FieldType::Text), 11)
            .await?;
        tx.insert_field(EntityKind::Customer, &field(2, "Note", FieldType::Text), 12)
            .await?;
        tx.insert_field(EntityKind::Entitlement, &field(3, "Note", FieldType::Text), 13)
            .await?;
        for number in 1..=2 {
            let mut row = organization(number, &format!("O{number}"));
            row.details = values(&[(1, &["noted"])]);
            tx.insert_organization(&row, &fields, NOW).await?;
            tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                .await?;
            tx.add_member(OrganizationId(1), number).await?;
            tx.insert_product(&product(number), NOW).await?;
        }
        tx.insert_entitlement(1, "e1", Entity::Organization(OrganizationId(1)), 1, NOW)
            .await?;
        tx.insert_entitlement(2, "e2", Entity::Customer(1), 2, NOW)
            .await?;
        tx.take_numbers(Counter::Organization, 2).await?;
        tx.insert_token(&own).await
    })
    .await;
}

pub async fn nobody_sees_or_touches_another(open: Open<'_>) {
    let store = open().await;
    let (one, two) = (tenant(&store, "cloud-a").await, tenant(&store, "cloud-b").await);
    let empty = view(&store, two).await;
    furnish(&store, one, "cloud-a").await;
    assert_eq!(view(&store, two).await, empty, "nothing is visible from outside");
    furnish(&store, two, "cloud-b").await;
    let (mine, theirs) = (view(&store, one).await, view(&store, two).await);
    assert_eq!(
        mine.replace("cloud-a", "?").replace("TenantId(1)", "?"),
        theirs.replace("cloud-b", "?").replace("TenantId(2)", "?")
    );

    // Every way to change something: it changes this tenant, and not the other.
    let (mut mine, fields) = (mine, || definitions(&[field(1, "Note", FieldType::Text)]));
    macro_rules! changes {
        ($($op:expr),+ $(,)?) => {$(
            write(&store, one, $op).await;
            assert_eq!(view(&store, two).await, theirs, "{}", stringify!($op));
            let now = view(&store, one).await;
            assert_ne!(now, mine, "{}", stringify!($op));
            mine = now;
        )+};
    }
    changes!(
        async |tx| tx
            .rename_organization(OrganizationId(1), "New", "new", LATER)
            .await,
        async |tx| tx.rename_customer(1, "New", LATER).await,
        async |tx| tx.rename_product(1, "New", "new", LATER).await,
        async move |tx| {
            let (old, new) = (values(&[(1, &["noted"])]), values(&[(1, &["other"])]));
            tx.put_organization_details(OrganizationId(1), &old, &new, &fields(), LATER)
                .await
        },
        async |tx| {
            let (old, new) = (Values::default(), values(&[(2, &["other"])]));
            tx.put_customer_details(1, &old, &new, &Definitions::default(), LATER)
                .await
        },
        async |tx| {
            let (old, new) = (Values::default(), values(&[(3, &["other"])]));
            tx.put_entitlement_details(1, &old, &new, &Definitions::default(), LATER)
                .await
        },
        async |tx| tx.update_field(&field(2, "Renamed", FieldType::Text), 21).await,
        async |tx| tx.add_member(OrganizationId(2), 2).await,
        async |tx| tx.insert_entitlement(4, "e4", Entity::Customer(1), 1, NOW).await,
        async |tx| tx
            .insert_organization(&organization(3, "O3"), &Definitions::default(), NOW)
            .await,
        async |tx| tx.touch_token("token", LATER).await,
        async |tx| tx.revoke_token("token", LATER).await.map(drop),
        async |tx| tx
            .delete_entitlement(2, &Values::default(), &Definitions::default())
            .await,
        async |tx| tx.delete_customer(&customer(2), &Definitions::default()).await,
        async move |tx| tx
            .delete_organization(&organization(1, "New"), &Definitions::default())
            .await,
        async |tx| tx.delete_product(1).await,
        async |tx| tx.delete_field(FieldId(1), 22).await,
    );
    drop(mine);
    // What is not visible directly.
    write(&store, one, async |tx| {
        tx.raise_counter(Counter::Organization, 1_000).await?;
        for what in [
            Sweep::Customer(2),
            Sweep::Organization(OrganizationId(1)),
            Sweep::Product(1),
            Sweep::Field(FieldId(1)),
        ] {
            for _ in 0..3 {
                tx.sweep(what, &Definitions::default()).await?;
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(view(&store, two).await, theirs, "sweeps");
    let next = write(&store, two, async |tx| {
        tx.take_numbers(Counter::Organization, 1).await
    })
    .await;
    assert_eq!(next, 3, "counters");
    // The index of values: the other tenant's field still knows its holders.
    write(&store, two, async |tx| tx.delete_field(FieldId(1), 31).await).await;
    let holders = write(&store, two, async |tx| {
        tx.sweep(Sweep::Field(FieldId(1)), &Definitions::default()).await
    })
    .await;
    assert_eq!(holders, guildhall_storage::Swept::More);
}

/// A look at a few open tasks sees the oldest of each tenant before the second of any.
pub async fn many_tasks_hide_nobodys(open: Open<'_>) {
    let store = open().await;
    let old = tenant(&store, "old").await;
    let young = tenant(&store, "young").await;
    for (of, ids) in [(old, &["1", "2", "3", "4"][..]), (young, &["9"][..])] {
        for id in ids {
            let new = NewTask {
                id: (*id).to_owned(),
                task_type: TaskType::Organizations,
                idempotency_key: (*id).to_owned(),
                fingerprint: String::new(),
                submitted_by: String::new(),
                request: "[]".to_owned(),
                items: 0,
            };
            write(&store, of, async move |tx| tx.insert_task(&new, NOW).await).await;
        }
    }
    let seen = store.system_read(async |tx| tx.open_tasks(3).await).await;
    let seen: Vec<(TenantId, String)> = seen
        .unwrap()
        .into_iter()
        .map(|task| (task.tenant, task.id))
        .collect();
    let wanted = [(old, "1"), (young, "9"), (old, "2")].map(|(of, id)| (of, id.to_owned()));
    assert_eq!(seen, wanted);
}
