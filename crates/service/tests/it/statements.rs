//! What operations cost on PostgreSQL: how many statements its log shows. However much a profile or a chunk
//! holds, its rows are written set by set. It costs the same with one value as with twenty.

use std::sync::Arc;

use guildhall_domain::access::{Role, ScopeSet};
use guildhall_domain::bulk::{Item, Manage, ManageItem};
use guildhall_domain::field::{EntityKind, NewDefinition};
use guildhall_domain::task::TaskType;
use guildhall_domain::{Caller, TenantId, Timestamp};
use guildhall_service::worker::{Step, Worker};
use guildhall_service::{FieldValues, Links, NewProfile, NewSubject, Service, Settings, Submission, Target};
use guildhall_storage::{Location, OnFatal, PENDING_ENTRIES, Store};
use guildhall_testkit::{Cluster, ClusterOptions, ManualClock, SeededRandom};

/// A service on a cluster that logs its statements.
struct World {
    cluster: Cluster,
    service: Arc<Service>,
    caller: Caller,
    customers: Vec<String>,
    products: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let cluster = Cluster::start(&ClusterOptions::default().set("log_statement", "all"));
        let database = cluster.database();
        let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
        let settings = guildhall_storage::Settings {
            location: Location::Postgres(database.url()),
            create: true,
            serve: true,
            now_ms: 0,
            on_fatal,
            pending_entries: PENDING_ENTRIES,
        };
        let store = Store::open(&settings).await.unwrap();
        // It lives as long as its cluster.
        std::mem::forget(database);
        let clock = Arc::new(ManualClock::new(Timestamp(1_800_000_000_000)));
        let random = Arc::new(SeededRandom::new(1));
        let service = Arc::new(Service::new(store.clone(), clock, random, Settings::default()));
        let tenant = service.create_tenant("World", None).await.unwrap().id;
        let mut world = Self {
            cluster,
            service,
            caller: caller(tenant),
            customers: Vec::new(),
            products: Vec::new(),
        };
        for number in 0..20 {
            let product = world.service.create_product(&world.caller, "Product").await;
            world.products.push(product.unwrap().id);
            let field = NewDefinition::check(&format!("Field {number}"), "TEXT", None).unwrap();
            let made = world
                .service
                .create_field(&world.caller, EntityKind::Organization, field);
            made.await.unwrap();
        }
        world.customers = customers(&store, tenant).await;
        world
    }

    /// The statements that the server has run so far, but for the beginnings and ends of transactions, and
    /// those that take numbers in blocks.
    fn statements(&self) -> Vec<String> {
        let log = self.cluster.log();
        let lines = log
            .lines()
            .filter_map(|line| line.split_once("execute s")?.1.split_once(": "));
        lines
            .map(|(_, statement)| statement.to_owned())
            .filter(|statement| !statement.starts_with("INSERT INTO counter"))
            .collect()
    }

    /// The statements that it takes to do a task of these items.
    async fn work(&self, key: String, items: Vec<Item>) -> Vec<String> {
        let submission = Submission {
            task_type: TaskType::OrganizationProfiles,
            items,
            key,
            fingerprint: String::new(),
        };
        self.service.submit(&self.caller, submission).await.unwrap();
        let mut worker = Worker::new(Arc::clone(&self.service));
        let before = self.statements().len();
        while worker.step().await.unwrap() == Step::Worked {}
        self.since(before)
    }

    /// The statements of what happens after `before`.
    fn since(&self, before: usize) -> Vec<String> {
        self.statements().split_off(before)
    }

    fn profile(&self, name: &str, size: usize) -> NewProfile {
        let detail = |number| FieldValues {
            name: format!("Field {number}"),
            values: vec!["x".to_owned()].into(),
        };
        NewProfile {
            subject: NewSubject::Organization(name.to_owned()),
            details: (0..size).map(detail).collect(),
            associated_ids: self.customers[..size].to_vec(),
            product_ids: self.products[..size].to_vec(),
        }
    }
}

fn caller(tenant: TenantId) -> Caller {
    Caller {
        tenant,
        token_id: "test".into(),
        role: Role::Admin,
        scopes: ScopeSet::all_for(Role::Admin),
        account: None,
    }
}

async fn customers(store: &Store, tenant: TenantId) -> Vec<String> {
    let ids: Vec<String> = (1..=20).map(|number| format!("qm:{number}")).collect();
    let made = ids.clone();
    let done: Result<(), guildhall_storage::StoreError> = store
        .write(tenant, async move |tx| {
            for (id, number) in made.into_iter().zip(1..) {
                let customer = guildhall_domain::Customer {
                    number,
                    email: id.clone(),
                    email_key: id.clone(),
                    display_name: id.clone(),
                    id,
                    details: guildhall_domain::Values::default(),
                };
                let none = guildhall_domain::Definitions::default();
                tx.insert_customer(&customer, &none, Timestamp(0)).await?;
            }
            Ok(())
        })
        .await;
    done.unwrap();
    ids
}

/// An organization: is its name taken, is its id, add it.
#[tokio::test]
async fn a_create_costs_what_it_must() {
    let world = World::new().await;
    let before = world.statements().len();
    let made = world.service.create_organization(&world.caller, "Acme").await;
    let organization = made.unwrap().id.to_string();
    let cost = world.since(before);
    assert_eq!(cost.len(), 3, "{cost:#?}");

    // The first profile reads the definitions.
    let first = world
        .service
        .create_profile(&world.caller, world.profile("First", 1))
        .await;
    first.unwrap();
    let mut costs = Vec::new();
    for (name, size) in [("Small", 1), ("Large", 20)] {
        let before = world.statements().len();
        let new = world.profile(name, size);
        let made = world.service.create_profile(&world.caller, new).await.unwrap();
        assert_eq!((made.customers.len(), made.entitlements.len()), (size, size));
        costs.push(world.since(before));
    }
    // The tenant's lock and its stamp; name, id, customers, products; the organization, its values, members
    // and entitlements.
    assert_eq!(costs[0].len(), 10, "{:#?}", costs[0]);
    assert_eq!(costs[1].len(), 10, "{:#?}", costs[1]);

    let before = world.statements().len();
    let (target, value) = (Target::Organization(organization), vec!["y".to_owned()]);
    let set = world
        .service
        .set_value(&world.caller, target, "Field 1".into(), value)
        .await;
    set.unwrap();
    let cost = world.since(before);
    // The tenant's lock and its stamp; the organization; its values and their index; what is touched. The creates above
    // touch nothing that was there.
    assert_eq!(cost.len(), 6, "{cost:#?}");
}

/// Those who come together cost what one does: one asks for all that they rest on, and for their names and ids.
#[tokio::test]
async fn creates_that_come_together_are_written_set_by_set() {
    let world = Arc::new(World::new().await);
    let create = |name: String, size| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let new = world.profile(&name, size);
            world.service.create_profile(&world.caller, new).await.unwrap()
        })
    };
    create("First".into(), 1).await.unwrap();
    for (count, size, cost) in [(30, 3, 9), (30, 0, 4), (1, 0, 5)] {
        let before = world.statements();
        let name = |number| format!("{number} of {count} after {}", before.len());
        let all: Vec<_> = (0..count).map(|number| create(name(number), size)).collect();
        for made in all {
            assert_eq!(made.await.unwrap().customers.len(), size);
        }
        let found = world.since(before.len());
        assert_eq!(found.len(), cost, "{found:#?}");
    }
    let before = world.statements().len();
    let names = (0..30).map(|number| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let (service, caller) = (&world.service, &world.caller);
            service
                .create_organization(caller, &format!("Name {number}"))
                .await
                .unwrap()
        })
    });
    for made in names.collect::<Vec<_>>() {
        made.await.unwrap();
    }
    let found = world.since(before);
    assert_eq!(found.len(), 2, "{found:#?}");
}

/// A chunk of creates costs as many statements as one create.
#[tokio::test]
async fn a_chunk_is_written_set_by_set() {
    let world = World::new().await;
    let mut costs = Vec::new();
    for count in [1, 1, 12] {
        let item = |number| {
            let profile = world.profile(&format!("O {count} {number}"), 3);
            Item::Manage(ManageItem {
                operation: Manage::Create,
                id: None,
                handle: Some(format!("O {count} {number} {}", costs.len())),
                display_name: None,
                details: profile.details,
                associated_ids: profile.associated_ids,
                product_ids: profile.product_ids,
            })
        };
        costs.push(
            world
                .work(format!("key {}", costs.len()), (0..count).map(item).collect())
                .await,
        );
    }
    let (one, twelve) = (&costs[1], &costs[2]);
    assert_eq!(one.len(), twelve.len(), "{one:#?}\n{twelve:#?}");
    let receipts = twelve.iter().filter(|sql| sql.contains("INTO task_item")).count();
    assert_eq!(receipts, 1);
}

/// A chunk that changes values of many costs what one that changes those of one does.
#[tokio::test]
async fn a_chunk_of_changes_is_written_set_by_set() {
    let world = World::new().await;
    let mut costs = Vec::new();
    // Made, made other, made other; then one of them, twice, the second time with its definitions in memory.
    for (count, value) in [(12, "a"), (12, "b"), (12, "c"), (1, "d"), (1, "e")] {
        let item = |number| {
            let mut profile = world.profile("", 3);
            for detail in &mut profile.details {
                detail.values = vec![value.to_owned()].into();
            }
            Item::Manage(ManageItem {
                operation: Manage::Upsert,
                id: None,
                handle: Some(format!("O {number}")),
                display_name: None,
                details: profile.details,
                associated_ids: Vec::new(),
                product_ids: Vec::new(),
            })
        };
        costs.push(world.work(value.to_owned(), (0..count).map(item).collect()).await);
    }
    let (twelve, one) = (&costs[2], &costs[4]);
    assert_eq!(one.len(), twelve.len(), "{one:#?}\n{twelve:#?}");
    let of_values = twelve.iter().filter(|sql| sql.contains("detail_index")).count();
    assert_eq!(of_values, 2, "{twelve:#?}");
}

/// An organization with all that hangs on it is one statement, and so are all that are asked for meanwhile.
#[tokio::test]
async fn a_read_costs_one_statement_or_less() {
    let world = World::new().await;
    let new = world.profile("Acme", 20);
    let made = world.service.create_profile(&world.caller, new).await.unwrap();
    let id = made.subject.id();
    // The create has brought the definitions into memory.
    let before = world.statements().len();
    for links in [Links::Wanted, Links::Unwanted] {
        let seen = world.service.seen_organization(&world.caller, &id, links).await;
        let links = seen.unwrap().unwrap().organization.links;
        assert_eq!((links.customer_ids.len(), links.entitlements.len()), (20, 20));
    }
    let cost = world.since(before);
    assert_eq!(cost.len(), 2, "{cost:#?}");
    let before = world.statements().len();
    let reads: Vec<_> = (0..40)
        .map(|_| {
            let (service, caller, id) = (Arc::clone(&world.service), world.caller.clone(), id.clone());
            tokio::spawn(async move {
                service
                    .seen_organization(&caller, &id, Links::Wanted)
                    .await
                    .unwrap()
            })
        })
        .collect();
    for read in reads {
        assert_eq!(
            read.await.unwrap().unwrap().organization.links.customer_ids.len(),
            20
        );
    }
    let cost = world.since(before);
    assert!(cost.len() <= 2, "{cost:#?}");
}
