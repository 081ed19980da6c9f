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
mod connections;
mod connector_people;
mod creates;
mod definitions;
mod demo;
mod demo_objects;
mod entitlements;
mod error;
mod fields;
mod folds;
mod kept;
mod line;
mod list_pages;
mod lists;
mod maintenance;
mod numbers;
mod object_tree;
mod objects;
mod organizations;
mod patches;
mod products;
mod profiles;
mod queue;
mod rates;
mod removals;
mod search;
mod tasks;
mod tenants;
mod tokens;
mod values;
mod visible;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::connector::{EqualSequence, Rates};
use guildhall_domain::field::PhoneFormat;
use guildhall_domain::{Clock, Random, Timestamp, limits};
use guildhall_storage::Store;

pub use accounts::{CustomerDetails, NewAccount};
pub use bulk::{Submission, Submitted};
pub use connector_people::{GroupDetails, PeopleSet};
pub use demo::{DEMO_TENANT_NAME, Demo};
pub use entitlements::{EntitlementDetails, EntitlementPage, EntitlementsDetails};
pub use error::Error;
pub use guildhall_domain::bulk::FieldValues;
pub use guildhall_storage::{Child, ConnectionRow, NamedObject, ObjectId, PersonRow, StandingRow, WriteRow};
pub use guildhall_storage::{ItemFilter, ItemRow, TaskRow};
pub use guildhall_storage::{Links, SeenEntitlement, SeenLinks, SeenOrganization, StoredValues};
pub use guildhall_storage::{StoreError, TenantRow, Version};
pub use kept::Kept;
pub use lists::{ListPage, ListRow, Total};
pub use object_tree::{Descendant, ObjectTree, Pointed};
pub use objects::{ObjectStory, ObjectsSet};
pub use organizations::{OrganizationName, Seen};
pub use patches::{CustomerPatch, OrganizationPatch, Patched};
pub use products::ProductPage;
pub use profiles::{NewProfile, NewSubject, Profile};
pub use removals::Removal;
pub use search::{FoundCustomers, WantedValue};
pub use tasks::{ItemPage, TaskDetails, TaskPage, TaskSummary};
pub use tokens::{Authenticated, Lifetime, NewToken, TokenInfo};
pub use values::{Target, ValueOf};
pub use visible::{VisiblePage, VisibleQuery};
pub use worker::ChunkSize;

use creates::Creates;
use definitions::DefinitionsCache;
use lists::KeptRows;
use numbers::Numbers;
use queue::Announcements;
use rates::Counts;
use tokens::TokenCache;

/// Decisions that the vendor leaves to the site, or the specification to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which phone numbers PHONE fields take.
    pub phone_format: PhoneFormat,
    /// What a connector's write does where the number is that of what is stored.
    pub equal_sequence: EqualSequence,
    /// How much a connector may do in a minute.
    pub connector_limits: Rates,
    /// Tasks of a tenant that may be unfinished at one time.
    pub max_active_tasks: i64,
    /// How long the results of a task are kept after it ended.
    pub task_retention: Duration,
    /// How old an unfinished task may become.
    pub task_timeout: Duration,
    /// Rows that one page of a list looks at, and that a count counts.
    pub list_rows_max: usize,
    /// The most of a task that is done in one transaction, where it is not what suits the store.
    pub chunk: Option<ChunkSize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phone_format: PhoneFormat::Lenient,
            equal_sequence: EqualSequence::Keep,
            connector_limits: Rates::default(),
            max_active_tasks: 10,
            task_retention: Duration::from_secs(72 * 60 * 60),
            task_timeout: Duration::from_secs(30 * 60),
            list_rows_max: limits::LIST_ROWS_MAX,
            chunk: None,
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
    creates: Arc<Creates>,
    queue: Announcements,
    counts: Counts,
    rows: KeptRows,
}

impl Service {
    /// Operations over `store`; time and chance are handed in.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, settings: Settings) -> Self {
        let store = store.with_chance(Arc::clone(&random));
        let definitions = Arc::<DefinitionsCache>::default();
        Self {
            numbers: Numbers::new(store.clone()),
            creates: Creates::new(store.clone(), Arc::clone(&definitions), settings.phone_format),
            store,
            clock,
            random,
            settings,
            definitions,
            tokens: TokenCache::default(),
            queue: Announcements::default(),
            counts: Counts::default(),
            rows: KeptRows::default(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock that was handed in.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
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
