//! A service over a fresh store, with a tenant and a caller.

use std::sync::Arc;

use guildhall_domain::field::{EntityKind, NewDefinition};
use guildhall_domain::{Caller, Rejection, Role, ScopeSet, TenantId, Thing, Timestamp};
use guildhall_service::{Authenticated, Error, Lifetime, NewAccount, NewToken, Service, Settings};
use guildhall_storage::Store;
use guildhall_testkit::{ManualClock, SeededRandom};

use super::fresh::{Fresh, is_on_postgres};

pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// Everything that a test may want to reach.
pub struct World {
    pub service: Arc<Service>,
    pub store: Store,
    pub clock: ManualClock,
    pub tenant: TenantId,
    pub caller: Caller,
    pub who: Arc<Authenticated>,
    pub fresh: Fresh,
}

impl World {
    pub async fn new() -> Self {
        let fresh = Fresh::new();
        let store = fresh.open().await;
        let clock = ManualClock::new(START);
        let service = Arc::new(over(&store, &clock, 1));
        let tenant = service.create_tenant("World", None).await.unwrap();
        let (_, secret) = service.create_token(tenant.id, new_token("world")).await.unwrap();
        let who = service.authenticate(&secret).await.unwrap().unwrap();
        Self {
            service,
            store,
            clock,
            tenant: tenant.id,
            caller: who.caller.clone(),
            who,
            fresh,
        }
    }

    /// Another service over the same data, as another server would be: on PostgreSQL with connections of
    /// its own. Its chance is another.
    pub async fn another(&self, seed: u64) -> Arc<Service> {
        let store = match is_on_postgres() {
            true => self.fresh.open().await,
            false => self.store.clone(),
        };
        Arc::new(over(&store, &self.clock, seed))
    }

    pub async fn organization(&self, name: &str) -> String {
        let made = self.service.create_organization(&self.caller, name).await;
        made.unwrap().id.to_string()
    }

    pub async fn customer(&self, email: &str) -> String {
        let new = NewAccount {
            email: email.to_owned(),
            display_name: None,
        };
        self.service.create_account(&self.who, new).await.unwrap().id
    }

    pub async fn product(&self, name: &str) -> String {
        self.service.create_product(&self.caller, name).await.unwrap().id
    }

    pub async fn field(&self, kind: EntityKind, name: &str, type_name: &str, options: &[&str]) {
        let new = definition(name, type_name, options);
        self.service.create_field(&self.caller, kind, new).await.unwrap();
    }
}

fn over(store: &Store, clock: &ManualClock, seed: u64) -> Service {
    let random = Arc::new(SeededRandom::new(seed));
    Service::new(
        store.clone(),
        Arc::new(clock.clone()),
        random,
        Settings::default(),
    )
}

pub fn definition(name: &str, type_name: &str, options: &[&str]) -> NewDefinition {
    let options = texts(options);
    NewDefinition::check(name, type_name, (!options.is_empty()).then_some(&options)).unwrap()
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn new_token(name: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        role: Role::Admin,
        scopes: None,
        account: None,
        lifetime: Lifetime::default(),
    }
}

/// A caller of another tenant.
pub async fn stranger(world: &World) -> Caller {
    let tenant = world.service.create_tenant("Elsewhere", None).await.unwrap();
    Caller {
        tenant: tenant.id,
        token_id: "stranger".into(),
        role: Role::Admin,
        scopes: ScopeSet::all_for(Role::Admin),
        account: None,
    }
}

#[track_caller]
pub fn assert_not_found<T: std::fmt::Debug>(result: Result<T, Error>, wanted: Thing) {
    match result {
        Err(Error::Rejected(Rejection::NotFound { thing, .. })) => assert_eq!(thing, wanted),
        other => panic!("{other:?} is not: there is no such {}", wanted.name()),
    }
}

/// The request must be refused as wrong, at this place, in words that hold these.
#[track_caller]
pub fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>, place: &str, words: &str) {
    match result {
        Err(Error::Rejected(Rejection::Invalid { at, problem })) => {
            assert_eq!(at, place, "{problem}");
            assert!(problem.contains(words), "{problem:?} does not hold {words:?}");
        }
        other => panic!("{other:?} is not refused at {place:?}"),
    }
}
