//! What hung on deleted things goes in batches, and only that.
//!
//! Remains cannot be seen, so a test looks at them by bringing their owner back within a unit of work
//! that is then rolled back.

use guildhall_domain::{
    Definitions, Entity, EntityKind, FieldId, FieldType, OrganizationId, TenantId, Values,
};
use guildhall_storage::{SWEEP_ROWS_MAX, Store, StoreError, Sweep, Swept};

use crate::backend::Open;
use crate::sample::{
    LATER, NOW, Refused, customer, definitions, field, on_purpose, organization, product, tenant, values,
    write,
};

/// More than two batches.
const MANY: i64 = 2 * SWEEP_ROWS_MAX + 203;

async fn sweep(store: &Store, tenant: TenantId, what: Sweep, fields: &Definitions) -> Swept {
    let fields = fields.clone();
    write(store, tenant, async move |tx| tx.sweep(what, &fields).await).await
}

async fn waiting(store: &Store) -> Vec<(TenantId, Sweep)> {
    store
        .system_read(async |tx| tx.waiting_sweeps(100).await)
        .await
        .unwrap()
}

/// Runs batches until there are no more. `remaining` counts what is left; each batch must take at
/// most what it may, and something.
async fn run_to_the_end(
    store: &Store,
    tenant: TenantId,
    what: Sweep,
    fields: &Definitions,
    remaining: impl AsyncFn() -> i64,
) -> usize {
    assert_eq!(waiting(store).await, [(tenant, what)]);
    // Else the first ones only bring entries into the index.
    store.settle().await.unwrap();
    let (mut batches, mut left) = (0, remaining().await);
    while sweep(store, tenant, what, fields).await == Swept::More {
        batches += 1;
        let now = remaining().await;
        assert!(now < left, "a batch that removes nothing");
        assert!(left - now <= SWEEP_ROWS_MAX, "{} rows in one batch", left - now);
        assert_eq!(waiting(store).await, [(tenant, what)]);
        left = now;
    }
    assert_eq!((left, waiting(store).await), (0, vec![]));
    batches
}

fn counted(refused: Result<(), Refused>) -> i64 {
    match refused {
        Err(Refused::OnPurpose(count)) => count.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn tier() -> Definitions {
    definitions(&[field(1, "Tier", FieldType::Select)])
}

async fn define_tier(store: &Store, tenant: TenantId) {
    write(store, tenant, async |tx| {
        tx.insert_field(EntityKind::Entitlement, &field(1, "Tier", FieldType::Select), 1)
            .await
    })
    .await;
}

/// A field that was deleted has no values left: its own sweep finds nothing to do.
async fn no_values_are_indexed(store: &Store, tenant: TenantId, id: FieldId) {
    write(store, tenant, async move |tx| tx.delete_field(id, 9).await).await;
    store.settle().await.unwrap();
    let swept = sweep(store, tenant, Sweep::Field(id), &Definitions::default()).await;
    assert_eq!(swept, Swept::Finished, "index rows were left");
}

pub async fn of_an_organization(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    define_tier(&store, one).await;
    write(&store, one, async |tx| {
        tx.insert_product(&product(1), NOW).await?;
        for id in [1, 2] {
            tx.insert_organization(&organization(id, &format!("O{id}")), &Definitions::default(), NOW)
                .await?;
            for number in 1..=MANY {
                if id == 1 {
                    tx.insert_customer(&customer(number), &Definitions::default(), NOW)
                        .await?;
                }
                tx.add_member(OrganizationId(id), number).await?;
            }
        }
        Ok(())
    })
    .await;
    let left = async || {
        let counted_inside: Result<(), Refused> = store
            .write(one, async |tx| {
                tx.insert_organization(&organization(1, "O1"), &Definitions::default(), NOW)
                    .await?;
                on_purpose(tx.members(OrganizationId(1)).await?.len().to_string())
            })
            .await;
        counted(counted_inside)
    };
    write(&store, one, async |tx| {
        tx.delete_organization(&organization(1, "O1"), &Definitions::default())
            .await
    })
    .await;
    let batches = run_to_the_end(&store, one, Sweep::Organization(OrganizationId(1)), &tier(), left).await;
    assert_eq!(batches, 3);
    let others = store
        .read(one, async |tx| tx.members(OrganizationId(2)).await)
        .await
        .unwrap();
    assert_eq!(others.len() as i64, MANY, "customers and other memberships stay");

    // Its entitlements with their values.
    write(&store, one, async |tx| {
        let gold = values(&[(1, &["One"])]);
        for number in 1..=MANY {
            let entity = Entity::Organization(OrganizationId(2 - number % 2));
            tx.insert_entitlement(number, &format!("e{number}"), entity, 1, NOW)
                .await?;
            tx.put_entitlement_details(number, &Values::default(), &gold, &tier(), LATER)
                .await?;
        }
        tx.delete_organization(&organization(2, "O2"), &Definitions::default())
            .await
    })
    .await;
    let mut batches = 0;
    while sweep(&store, one, Sweep::Organization(OrganizationId(2)), &tier()).await == Swept::More {
        batches += 1;
    }
    assert_eq!(batches, 3, "members and entitlements");
    let kept: Result<(), Refused> = store
        .write(one, async |tx| {
            tx.insert_organization(&organization(1, "O1"), &Definitions::default(), NOW)
                .await?;
            tx.insert_organization(&organization(2, "O2"), &Definitions::default(), NOW)
                .await?;
            let first = tx.organization_entitlements(OrganizationId(1)).await?.len();
            on_purpose(format!(
                "{first} {}",
                tx.organization_entitlements(OrganizationId(2)).await?.len()
            ))
        })
        .await;
    assert_eq!(kept, on_purpose(format!("{} 0", MANY - MANY / 2)));
}

pub async fn of_a_customer(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    define_tier(&store, one).await;
    write(&store, one, async |tx| {
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_customer(&customer(1), &Definitions::default(), NOW)
            .await?;
        let gold = values(&[(1, &["One"])]);
        for id in 1..=MANY {
            tx.insert_organization(&organization(id, &format!("O{id}")), &Definitions::default(), NOW)
                .await?;
            tx.add_member(OrganizationId(id), 1).await?;
            tx.insert_entitlement(id, &format!("e{id}"), Entity::Customer(1), 1, NOW)
                .await?;
            tx.put_entitlement_details(id, &Values::default(), &gold, &tier(), LATER)
                .await?;
        }
        tx.delete_customer(&customer(1), &Definitions::default()).await
    })
    .await;
    let left = async |what: usize| {
        let counted_inside: Result<(), Refused> = store
            .write(one, async move |tx| {
                tx.insert_customer(&customer(1), &Definitions::default(), NOW)
                    .await?;
                let memberships = tx.organizations_of(1).await?.len();
                on_purpose([memberships, tx.customer_entitlements(1).await?.len()][what].to_string())
            })
            .await;
        counted(counted_inside)
    };
    let batches = run_to_the_end(&store, one, Sweep::Customer(1), &tier(), async || left(0).await).await;
    assert_eq!((batches, left(1).await), (3, 0));
    no_values_are_indexed(&store, one, FieldId(1)).await;
}

pub async fn of_a_product(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    define_tier(&store, one).await;
    write(&store, one, async |tx| {
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_product(&product(2), NOW).await?;
        tx.insert_organization(&organization(1, "O1"), &Definitions::default(), NOW)
            .await?;
        tx.insert_customer(&customer(1), &Definitions::default(), NOW)
            .await?;
        let gold = values(&[(1, &["One"])]);
        for number in 1..=MANY + 10 {
            let entity = [Entity::Customer(1), Entity::Organization(OrganizationId(1))][number as usize % 2];
            let product = if number > MANY { 2 } else { 1 };
            tx.insert_entitlement(number, &format!("e{number}"), entity, product, NOW)
                .await?;
            if product == 1 {
                tx.put_entitlement_details(number, &Values::default(), &gold, &tier(), LATER)
                    .await?;
            }
        }
        tx.delete_product(1).await
    })
    .await;
    let left = async || {
        let counted_inside: Result<(), Refused> = store
            .write(one, async |tx| {
                tx.insert_product(&product(1), NOW).await?;
                let of_customer = tx.customer_entitlements(1).await?.len();
                let all = of_customer + tx.organization_entitlements(OrganizationId(1)).await?.len();
                on_purpose((all - 10).to_string())
            })
            .await;
        counted(counted_inside)
    };
    assert_eq!(
        run_to_the_end(&store, one, Sweep::Product(1), &tier(), left).await,
        3
    );
    let others = store
        .read(one, async |tx| tx.customer_entitlements(1).await)
        .await
        .unwrap();
    assert_eq!(others.len(), 5, "entitlements to other products stay");
    no_values_are_indexed(&store, one, FieldId(1)).await;
}

pub async fn of_a_field(open: Open<'_>) {
    for kind in [
        EntityKind::Organization,
        EntityKind::Customer,
        EntityKind::Entitlement,
    ] {
        field_of(&open().await, kind).await;
    }
}

async fn field_of(store: &Store, kind: EntityKind) {
    let one = tenant(store, kind.name()).await;
    let both = [
        field(1, "Tags", FieldType::MultiSelect),
        field(2, "Note", FieldType::Text),
    ];
    let fields = definitions(&both);
    let all = values(&[(1, &["One"]), (2, &["stays"])]);
    write(store, one, async move |tx| {
        for field in &both {
            tx.insert_field(kind, field, field.id.0).await?;
        }
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_customer(&customer(0), &Definitions::default(), NOW)
            .await?;
        for number in 1..=MANY {
            match kind {
                EntityKind::Organization => {
                    let mut new = organization(number, &format!("O{number}"));
                    new.details = all.clone();
                    tx.insert_organization(&new, &fields, NOW).await?;
                }
                EntityKind::Customer => {
                    tx.insert_customer(&customer(number), &fields, NOW).await?;
                    tx.put_customer_details(number, &Values::default(), &all, &fields, NOW)
                        .await?;
                }
                EntityKind::Entitlement => {
                    tx.insert_entitlement(number, &format!("e{number}"), Entity::Customer(0), 1, NOW)
                        .await?;
                    tx.put_entitlement_details(number, &Values::default(), &all, &fields, NOW)
                        .await?;
                }
            }
        }
        tx.delete_field(FieldId(1), 3).await
    })
    .await;
    let left = async || {
        store
            .read(one, async |tx| {
                let mut holders = 0;
                for number in 1..=MANY {
                    let details = match kind {
                        EntityKind::Organization => tx
                            .organization(OrganizationId(number))
                            .await?
                            .map(|found| found.details),
                        EntityKind::Customer => tx
                            .customer(&customer(number).id)
                            .await?
                            .map(|found| found.details),
                        EntityKind::Entitlement => tx
                            .entitlement(&format!("e{number}"))
                            .await?
                            .map(|found| found.details),
                    };
                    let details = details.unwrap();
                    assert_eq!(details.get(FieldId(2)), ["stays"], "other values stay");
                    holders += i64::from(!details.get(FieldId(1)).is_empty());
                }
                Ok::<_, StoreError>(holders)
            })
            .await
            .unwrap()
    };
    let none = Definitions::default();
    assert_eq!(
        run_to_the_end(store, one, Sweep::Field(FieldId(1)), &none, left).await,
        3,
        "{kind:?}"
    );
}

pub async fn wait_in_line(open: Open<'_>) {
    let store = open().await;
    let (one, two) = (tenant(&store, "one").await, tenant(&store, "two").await);
    for tenant in [two, one] {
        write(&store, tenant, async |tx| {
            tx.insert_product(&product(3), NOW).await?;
            tx.insert_customer(&customer(2), &Definitions::default(), NOW)
                .await?;
            tx.insert_organization(&organization(1, "O"), &Definitions::default(), NOW)
                .await?;
            tx.insert_field(EntityKind::Customer, &field(4, "F", FieldType::Text), 1)
                .await?;
            tx.delete_product(3).await?;
            tx.delete_customer(&customer(2), &Definitions::default()).await?;
            tx.delete_organization(&organization(1, "O"), &Definitions::default())
                .await?;
            tx.delete_field(FieldId(4), 2).await
        })
        .await;
    }
    let all = waiting(&store).await;
    assert_eq!(all.len(), 8);
    for tenant in [one, two] {
        for what in [
            Sweep::Product(3),
            Sweep::Customer(2),
            Sweep::Organization(OrganizationId(1)),
            Sweep::Field(FieldId(4)),
        ] {
            assert!(all.contains(&(tenant, what)), "{tenant:?} {what:?}");
        }
    }
    let some = store.system_read(async |tx| tx.waiting_sweeps(3).await).await;
    assert_eq!(some, Ok(all[..3].to_vec()));
    // A sweep that was done before, or that never was, is done at once.
    for _ in 0..2 {
        let done = sweep(&store, one, Sweep::Product(3), &Definitions::default()).await;
        assert_eq!(done, Swept::Finished);
    }
    assert_eq!(waiting(&store).await.len(), 7);
}

/// Two servers see the same line, and take the same sweep at the same time: each row goes once.
pub async fn two_servers_may_sweep_the_same(open: Open<'_>) {
    let store = open().await;
    let one = tenant(&store, "one").await;
    define_tier(&store, one).await;
    write(&store, one, async |tx| {
        tx.insert_product(&product(1), NOW).await?;
        tx.insert_customer(&customer(1), &Definitions::default(), NOW)
            .await?;
        let gold = values(&[(1, &["One"])]);
        for number in 1..=300 {
            tx.insert_entitlement(number, &format!("e{number}"), Entity::Customer(1), 1, NOW)
                .await?;
            tx.put_entitlement_details(number, &Values::default(), &gold, &tier(), LATER)
                .await?;
        }
        tx.delete_product(1).await
    })
    .await;
    let sweeper = async || {
        while sweep(&store, one, Sweep::Product(1), &tier()).await == Swept::More {}
    };
    tokio::join!(sweeper(), sweeper(), sweeper());
    assert_eq!(waiting(&store).await, []);
    write(&store, one, async |tx| tx.delete_field(FieldId(1), 9).await).await;
    let sweeper = async || {
        while sweep(&store, one, Sweep::Field(FieldId(1)), &tier()).await == Swept::More {}
    };
    tokio::join!(sweeper(), sweeper(), sweeper());
    assert_eq!(waiting(&store).await, []);
}

/// A sweep takes one field's values out of rows whose other values are being written.
pub async fn of_a_field_lose_no_other_value(open: Open<'_>) {
    const HOLDERS: i64 = 200;
    let store = open().await;
    let one = tenant(&store, "one").await;
    let note = field(2, "Note", FieldType::Text);
    let both = definitions(&[field(1, "Old", FieldType::Text), note.clone()]);
    write(&store, one, async move |tx| {
        for number in 1..=HOLDERS {
            let mut new = organization(number, &format!("O{number}"));
            new.details = values(&[(1, &["old"]), (2, &["before"])]);
            tx.insert_organization(&new, &both, NOW).await?;
        }
        tx.insert_field(EntityKind::Organization, &field(1, "Old", FieldType::Text), 1)
            .await?;
        tx.delete_field(FieldId(1), 3).await
    })
    .await;
    let note = definitions(&[note]);
    let writer = async {
        for number in (1..=HOLDERS).rev() {
            let note = note.clone();
            write(&store, one, async move |tx| {
                let id = OrganizationId(number);
                let found = tx.lock_organization(id).await?.unwrap();
                let mut new = found.details.clone();
                new.set(FieldId(2), vec!["after".into()]);
                tx.put_organization_details(id, &found.details, &new, &note, NOW)
                    .await
            })
            .await;
        }
    };
    let sweeper = async {
        let none = Definitions::default();
        while sweep(&store, one, Sweep::Field(FieldId(1)), &none).await == Swept::More {}
    };
    tokio::join!(writer, sweeper);
    for number in 1..=HOLDERS {
        let found = store
            .read(one, async |tx| tx.organization(OrganizationId(number)).await)
            .await;
        assert_eq!(
            found.unwrap().unwrap().details,
            values(&[(2, &["after"])]),
            "{number}"
        );
    }
}
