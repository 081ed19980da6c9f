//! A service over a fresh store, tenants with the same fields, customers and products, and what is
//! to be seen of a tenant's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guildhall_domain::access::{Role, ScopeSet};
use guildhall_domain::bulk::Item;
use guildhall_domain::field::{EntityKind, NewDefinition};
use guildhall_domain::task::{Failure, Outcome, TaskStatus, TaskType};
use guildhall_domain::{Caller, Customer, Definitions, Product, SubjectKind, TenantId, Timestamp, Values};
use guildhall_service::worker::{Step, Worker};
use guildhall_service::{ChunkSize, Error, ItemFilter, Service, Settings, Submission, Submitted};
use guildhall_storage::{Counter, Location, Store};
use guildhall_testkit::{ManualClock, SeededRandom};

use super::fresh::{Fresh, is_on_postgres};

/// What became of an item: outcome, entity id, failures.
pub type Receipt = (Outcome, String, Vec<Failure>);

/// Chunks of so many items at most, so that few items are several of them.
pub const SMALL: ChunkSize = ChunkSize {
    items: 50,
    weight: 1_000,
};

/// A service and what the tests move it by.
pub struct World {
    pub service: Arc<Service>,
    pub store: Store,
    pub clock: ManualClock,
    pub customers: Vec<String>,
    pub products: Vec<String>,
    worker: Option<Worker>,
    keys: AtomicU64,
    settings: Settings,
    fresh: Fresh,
}

/// A request; two with the same type, items and key are the same.
pub fn submission(task_type: TaskType, items: Vec<Item>, key: &str) -> Submission {
    let fingerprint = format!("{}:{}", task_type.name(), items.len());
    Submission {
        task_type,
        items,
        key: key.into(),
        fingerprint,
    }
}

impl World {
    /// With small chunks, on either store.
    pub async fn new() -> Self {
        Self::with(Settings {
            chunk: Some(SMALL),
            ..Settings::default()
        })
        .await
    }

    pub async fn with(settings: Settings) -> Self {
        let fresh = Fresh::new();
        let store = fresh.open().await;
        let clock = ManualClock::new(Timestamp(1_800_000_000_000));
        let service = over(&store, &clock, 1, settings);
        let customers = ["qm:a", "qm:b", "qm:nobody"].map(str::to_owned).into();
        let products = ["p-1", "p-2", "p-nothing"].map(str::to_owned).into();
        let (worker, keys) = (None, AtomicU64::new(0));
        Self {
            service,
            store,
            clock,
            customers,
            products,
            worker,
            keys,
            settings,
            fresh,
        }
    }

    /// A tenant with three fields, two customers and two products.
    pub async fn tenant(&self, name: &str) -> Caller {
        let tenant = self.service.create_tenant(name, None).await.unwrap().id;
        let caller = caller(tenant);
        let regions: Vec<String> = ["EU", "US"].map(str::to_owned).into();
        let tags: Vec<String> = ["x", "y", "z"].map(str::to_owned).into();
        for (name, type_name, options) in [
            ("Region", "SELECT", Some(&regions)),
            ("Tags", "MULTISELECT", Some(&tags)),
            ("Note", "TEXT", None),
        ] {
            let new = NewDefinition::check(name, type_name, options.map(Vec::as_slice)).unwrap();
            for kind in [EntityKind::Organization, EntityKind::Customer] {
                let new = new.clone();
                self.service.create_field(&caller, kind, new).await.unwrap();
            }
        }
        self.store
            .write(tenant, async move |tx| {
                for (id, number) in ["qm:a", "qm:b"].into_iter().zip(1..) {
                    let customer = Customer {
                        number,
                        id: id.into(),
                        email: format!("{id}@example.com"),
                        email_key: format!("{id}@example.com"),
                        display_name: id.into(),
                        details: Values::default(),
                    };
                    tx.insert_customer(&customer, &Definitions::default(), Timestamp(0))
                        .await?;
                }
                for (id, number) in ["p-1", "p-2"].into_iter().zip(1..) {
                    let product = Product {
                        number,
                        id: id.into(),
                        name: id.into(),
                        name_key: id.into(),
                    };
                    tx.insert_product(&product, Timestamp(0)).await?;
                }
                // The numbers that were given by hand are not given again.
                tx.take_numbers(Counter::Customer, 2).await?;
                // An organization had the id 2 once.
                tx.take_numbers(Counter::Organization, 2).await.map(drop)
            })
            .await
            .unwrap();
        caller
    }

    /// Another service over the same data, as another server would be: on PostgreSQL with connections of
    /// its own. Its chance is another.
    pub async fn another(&self, seed: u64) -> Arc<Service> {
        let store = match is_on_postgres() {
            true => self.fresh.open().await,
            false => self.store.clone(),
        };
        over(&store, &self.clock, seed, self.settings)
    }

    /// Changes what is stored behind the back of all; how many rows.
    pub fn tamper(&self, statement: &str) -> usize {
        match (&self.fresh, self.fresh.location()) {
            (Fresh::Postgres(database), _) => {
                let changed = database.sql(&format!("{statement} RETURNING 1"));
                changed.lines().count()
            }
            (_, Location::Sqlite(path)) => {
                let database = rusqlite::Connection::open(path).unwrap();
                database.execute(statement, []).unwrap()
            }
            (_, location) => panic!("{location:?} is no file"),
        }
    }

    /// Has PostgreSQL refuse each organization of this name when it is stored.
    pub fn refuse_name(&self, name: &str) {
        let Fresh::Postgres(database) = &self.fresh else {
            panic!("SQLite adds no constraint to a table");
        };
        database.sql(&format!(
            "ALTER TABLE organization ADD CONSTRAINT refused CHECK (name <> '{name}')"
        ));
    }

    /// Submits under a new key.
    pub async fn submit(
        &self,
        caller: &Caller,
        task_type: TaskType,
        items: Vec<Item>,
    ) -> Result<Submitted, Error> {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.service
            .submit(caller, submission(task_type, items, &key))
            .await
    }

    /// Submits, runs to the end, and returns the receipts.
    pub async fn run(&mut self, caller: &Caller, task_type: TaskType, items: Vec<Item>) -> Vec<Receipt> {
        let task = self.submit(caller, task_type, items).await.unwrap();
        self.work().await;
        self.receipts(caller, &task.id).await
    }

    /// Lets this world's worker do all there is to do.
    pub async fn work(&mut self) {
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::new(Arc::clone(&self.service)),
        };
        self.finish(&mut worker).await;
        self.worker = Some(worker);
    }

    /// Lets a worker do all there is to do.
    pub async fn finish(&self, worker: &mut Worker) {
        for _ in 0..10_000 {
            if worker.step().await.unwrap() == Step::Idle {
                return;
            }
        }
        panic!("the worker does not come to an end");
    }

    /// A new worker watches what the dead left until their leases are over, and does it.
    pub async fn finish_others_work(&self) {
        let mut worker = Worker::new(Arc::clone(&self.service));
        self.finish(&mut worker).await;
        self.clock.advance(Duration::from_secs(10));
        self.finish(&mut worker).await;
    }

    pub async fn status(&self, caller: &Caller, task: &str) -> TaskStatus {
        self.service.task(caller, task).await.unwrap().task.status
    }

    /// All receipts of a task, in the order of its items.
    pub async fn receipts(&self, caller: &Caller, task: &str) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self
                .service
                .task_items(caller, task, ItemFilter::default(), cursor.as_deref(), Some(37))
                .await
                .unwrap();
            for row in page.items {
                assert_eq!(row.item, receipts.len() as i64, "items in order, without a gap");
                receipts.push((row.receipt.outcome, row.receipt.entity_id, row.receipt.failures));
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return receipts,
            }
        }
    }

    /// The customers with these emails: their values, organizations and products, without what chance made.
    pub async fn dump_customers(&self, caller: &Caller, emails: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        let found = self
            .service
            .fetch_profiles(caller, SubjectKind::Customer, &[], emails)
            .await
            .unwrap();
        for profile in found {
            let products: Vec<_> = profile
                .entitlements
                .iter()
                .map(|e| e.product_id.as_str())
                .collect();
            let values: Vec<_> = profile
                .definitions
                .iter()
                .map(|d| format!("{}={:?}", d.name, profile.subject.details().get(d.id)))
                .collect();
            lines.push(format!(
                "{} {} {values:?} {products:?} {:?}",
                profile.subject.handle(),
                profile.subject.name(),
                profile.organizations
            ));
        }
        lines
    }

    /// All organizations of a tenant with their values, customers (by email) and products, without
    /// the ids of entitlements.
    pub async fn dump(&self, caller: &Caller) -> Vec<String> {
        let mut lines = Vec::new();
        for id in (1..400).map(|id: i64| id.to_string()) {
            let Ok(profile) = self.service.profile(caller, SubjectKind::Organization, &id).await else {
                continue;
            };
            let products: Vec<_> = profile
                .entitlements
                .iter()
                .map(|e| e.product_id.as_str())
                .collect();
            let mut customers = Vec::new();
            for member in &profile.customers {
                customers.push(self.service.account(caller, &member.id).await.unwrap().email);
            }
            let values: Vec<_> = profile
                .definitions
                .iter()
                .map(|d| format!("{}={:?}", d.name, profile.subject.details().get(d.id)))
                .collect();
            lines.push(format!(
                "{id} {} {values:?} {products:?} {customers:?}",
                profile.subject.name()
            ));
        }
        lines
    }
}

fn over(store: &Store, clock: &ManualClock, seed: u64, settings: Settings) -> Arc<Service> {
    let random = Arc::new(SeededRandom::new(seed));
    Arc::new(Service::new(
        store.clone(),
        Arc::new(clock.clone()),
        random,
        settings,
    ))
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
