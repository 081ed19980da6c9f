//! What can be done with Guildhall: one function per operation, one transaction each. The API, the
//! command line and the background hands all call these, so a rule that two of them need is here.
//!
//! An operation checks the form of what it is given, loads what its decision rests on, decides by
//! the rules of `guildhall_domain`, and stores. Who may call what is said in the route table of
//! `guildhall_http`, and checked there.

#![forbid(unsafe_code)]

mod accounts;
mod bulk;
mod chunk;
mod definitions;
mod demo;
mod entitlements;
mod error;
mod fields;
mod maintenance;
mod numbers;
mod organizations;
mod products;
mod profiles;
mod queue;
mod tasks;
mod tenants;
mod tokens;
mod values;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::field::PhoneFormat;
use guildhall_domain::{Clock, Random, Timestamp};
use guildhall_storage::Store;

pub use accounts::{CustomerDetails, NewAccount};
pub use bulk::{Submission, Submitted};
pub use demo::{DEMO_TENANT_NAME, Demo};
pub use entitlements::{EntitlementDetails, EntitlementsDetails};
pub use error::Error;
pub use guildhall_domain::bulk::FieldValues;
pub use guildhall_storage::{ItemFilter, ItemRow, TaskRow};
pub use guildhall_storage::{StoreError, TenantRow};
pub use organizations::{OrganizationDetails, OrganizationName};
pub use products::ProductPage;
pub use profiles::{NewProfile, OrganizationProfile};
pub use tasks::{ItemPage, TaskDetails, TaskPage, TaskSummary};
pub use tokens::{Authenticated, Lifetime, NewToken, TokenInfo};
pub use values::{Target, ValueOf};

use definitions::DefinitionsCache;
use numbers::Numbers;
use queue::Announcements;
use tokens::TokenCache;

/// Decisions that the vendor leaves to the site, or the specification to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which phone numbers PHONE fields take.
    pub phone_format: PhoneFormat,
    /// Tasks of a tenant that may be unfinished at one time.
    pub max_active_tasks: i64,
    /// How long the results of a task are kept after it ended.
    pub task_retention: Duration,
    /// How old an unfinished task may become.
    pub task_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phone_format: PhoneFormat::Lenient,
            max_active_tasks: 10,
            task_retention: Duration::from_secs(72 * 60 * 60),
            task_timeout: Duration::from_secs(30 * 60),
        }
    }
}

/// All operations, over one store.
pub struct Service {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Settings,
    definitions: Arc<DefinitionsCache>,
    tokens: TokenCache,
    numbers: Numbers,
    queue: Announcements,
}

impl Service {
    /// Operations over `store`; time and chance are handed in.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, settings: Settings) -> Self {
        let store = store.with_chance(Arc::clone(&random));
        Self {
            numbers: Numbers::new(store.clone()),
            store,
            clock,
            random,
            settings,
            definitions: Arc::default(),
            tokens: TokenCache::default(),
            queue: Announcements::default(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time since some moment in the past, which no change of the clock touches.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// A new UUID, version 7: ids made later are greater.
    pub fn new_uuid(&self) -> String {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        let milliseconds = u64::try_from(self.clock.now().0).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes)
            .into_uuid()
            .to_string()
    }

    /// A new random number that fits the database's integers.
    fn new_stamp(&self) -> i64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        i64::from_le_bytes(bytes)
    }
}
