//! What Guildhall keeps. The only crate that knows SQL.
//!
//! # What a [`Store`] promises
//!
//! * A write that returned `Ok` is on disk: the machine may lose power the moment after.
//! * A unit of work is kept whole or not at all, and is answered only after its commit, also when
//!   it was refused, since a refusal may rest on a neighbour in the same commit.
//! * A read sees one snapshot, and every write that was answered before it began.
//! * No statement of a tenant's transaction can see another tenant: the transaction binds the
//!   tenant itself.
//! * When the disk is full, writes are refused with [`StoreError::Full`], reads go on, and writes
//!   work again when there is room. When the disk fails, the process is told to end ([`OnFatal`]),
//!   and nothing is synced a second time.
//!
//! Methods state facts ("the organization with this id"); decisions are made above.

#![forbid(unsafe_code)]

mod citus;
mod connections;
mod connector_people;
mod copy;
mod customers;
mod details;
mod dialect;
mod driver;
mod entitlements;
mod error;
mod facts;
mod fields;
mod glances;
mod lists;
mod memberships;
mod migrate;
mod names;
mod newcomers;
mod object_graph;
mod object_writes;
mod objects;
mod organizations;
mod pending;
mod products;
mod search;
mod subjects;
mod sweep;
mod tasks;
mod tenants;
mod tokens;
mod tombstones;
mod tx;
mod versions;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use guildhall_domain::{Entity, OrganizationId, Random, TenantId};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

pub use connections::ConnectionRow;
pub use connector_people::{ConnectorUser, PersonRow};
pub use copy::{CopiedTable, CopyProgress};
pub use details::{StoredValues, ValuesAhead};
pub use error::{OpenError, StoreError};
pub use glances::{Glance, Links, SeenEntitlement, SeenLinks, SeenOrganization};
pub use lists::{Gather, Linked, Walk};
pub use newcomers::{Ground, Newcomers};
pub use object_graph::{Child, NamedObject, ReadableRow};
pub use object_writes::{OBJECT_WRITES_KEPT, StandingRow, WriteRow};
pub use objects::{ObjectId, ObjectRow};
pub use pending::PENDING_ENTRIES;
pub use sweep::{SWEEP_ROWS_MAX, Sweep, Swept};
pub use tasks::{ChunkMark, Claim, ClaimedTask, ItemFilter, ItemRow, NewTask, OpenTask, TaskRow};
pub use tenants::{Counter, TenantRow};
pub use tokens::TokenRow;
pub use tombstones::{Graves, TombstoneOf};
pub use tx::{ReadTx, SystemTx, WriteTx};
pub use versions::Version;

use driver::Session;
use driver::postgres::{self, Postgres};
use driver::sqlite::{self, Connection, Sqlite, Unit, Weight};
use driver::turns::Turns;
use versions::Versions;

/// Called once, from a thread of the store, when the disk has failed: end the process, and do not
/// close the store in order.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database at this URL.
    Postgres(String),
}

impl Location {
    /// Reads `sqlite:PATH` or `postgres://…`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            // The URL may hold a password: it is not repeated.
            _ => Err(OpenError(
                "the database must be given as sqlite:PATH or postgres://USER@HOST/NAME".into(),
            )),
        }
    }
}

/// How a store is opened.
pub struct Settings {
    /// Where the data is kept.
    pub location: Location,
    /// Whether a database that is missing is created; else it is an error.
    pub create: bool,
    /// Whether this process serves requests: on SQLite only one may.
    pub serve: bool,
    /// The time, for the record of migrations: milliseconds since 1970, UTC.
    pub now_ms: i64,
    /// What to do when the disk fails.
    pub on_fatal: OnFatal,
    /// Entries of the index of values that gather before they are brought in: [`PENDING_ENTRIES`], but for tests. On
    /// SQLite, where this process serves.
    pub pending_entries: usize,
}

/// An open database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {
    driver: Driver,
    /// Of long reads.
    turns: Arc<Turns>,
    random: Option<Arc<dyn Random>>,
}

#[derive(Clone)]
enum Driver {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

/// Whose line units across tenants wait in.
const NO_TENANT: TenantId = TenantId(0);
/// How often a unit of work is run when another one got in its way.
const RUNS_MAX: u32 = 8;

impl Store {
    /// Opens the database; creates it when it is missing, migrates it when it is old.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let driver = match &settings.location {
            Location::Sqlite(path) => Driver::Sqlite(Arc::new(Sqlite::open(path, settings)?)),
            Location::Postgres(url) => {
                Driver::Postgres(Arc::new(Postgres::open(url, settings.now_ms).await?))
            }
        };
        let long_reads = match &driver {
            Driver::Sqlite(_) => sqlite::long_reads(),
            Driver::Postgres(_) => postgres::LONG_READS,
        };
        Ok(Self {
            driver,
            turns: Turns::new(long_reads),
            random: None,
        })
    }

    /// The same database; units of work that are run again wait for a while of chance before, so that those
    /// that got in each other's way do not meet again.
    #[must_use]
    pub fn with_chance(self, random: Arc<dyn Random>) -> Self {
        Self {
            random: Some(random),
            ..self
        }
    }

    /// Whether no other server can be running on this database.
    pub fn is_for_one_server(&self) -> bool {
        matches!(self.driver, Driver::Sqlite(_))
    }

    /// Whether units of work that wait are better done as one: where a statement costs more than its rows. On
    /// SQLite it costs next to nothing, and the writer commits together what waits.
    pub fn gains_from_sets(&self) -> bool {
        matches!(self.driver, Driver::Postgres(_))
    }

    /// The version of an organization and all that its answers are made of, as it is known without asking the database: an
    /// answer that is read next may be kept under it. `None` while a commit that changes it is under way, and where
    /// others may write without this process knowing: then nothing may be kept.
    pub fn version(&self, tenant: TenantId, organization: OrganizationId) -> Option<Version> {
        let versions = self.versions()?;
        versions.of(tenant, Entity::Organization(organization))
    }

    /// The same as it is now: an answer that was kept under this version is as good as a new one. On PostgreSQL a look at the
    /// database, together with others that want one at this moment.
    pub async fn version_now(
        &self,
        tenant: TenantId,
        organization: OrganizationId,
    ) -> Result<Option<Version>, StoreError> {
        self.look().await?;
        Ok(self.version(tenant, organization))
    }

    /// Looks for what other servers changed. Versions are known from the first look on, and as long as the last one is not minutes old:
    /// who keeps answers looks once a minute, whether anybody asks for them or not.
    pub async fn look(&self) -> Result<(), StoreError> {
        match &self.driver {
            Driver::Sqlite(_) => Ok(()),
            Driver::Postgres(postgres) => postgres.look().await,
        }
    }

    /// The version of all organizations and customers of a tenant together, with what they are linked to: what is read of
    /// them next, be it many, may be kept under it, and is as good as new as long as this is the same. It changes with each
    /// write to any of them. `None` as for [`Self::version`], and always on PostgreSQL, where servers do not tell each other of what is new.
    pub fn contents_version(&self, tenant: TenantId) -> Option<Version> {
        match self.is_for_one_server() {
            true => self.versions()?.contents(tenant),
            false => None,
        }
    }

    /// Removes some of what tells other servers that commits changed something, if it is some minutes old; whether there may be
    /// more of it.
    pub async fn forget_touches(&self) -> Result<bool, StoreError> {
        match &self.driver {
            Driver::Sqlite(_) => Ok(false),
            Driver::Postgres(postgres) => postgres.forget_touches().await,
        }
    }

    fn versions(&self) -> Option<&Versions> {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.is_the_only_server().then_some(&*sqlite.versions),
            Driver::Postgres(postgres) => postgres.versions(),
        }
    }

    /// Reads one tenant's data on one snapshot.
    pub async fn read<T, E, F>(&self, tenant: TenantId, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut ReadTx<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                // The moment comes first: the snapshot has what had ended by then, and maybe more.
                let seen = self.versions().map(|versions| (versions, versions.now()));
                // So does the hold: what is committed until then, and not in the index, it has.
                let pending = sqlite.pending.as_ref().map(|pending| pending.hold());
                let mut reader = sqlite.reader()?;
                let tx = ReadTx::new(Session::Sqlite(reader.connection()?), tenant);
                op(&mut tx.with_versions(seen).with_pending(pending)).await
            }
            Driver::Postgres(postgres) => {
                let mut connection = postgres.connection().await?;
                connection.begin_read();
                let result = op(&mut ReadTx::new(Session::Postgres(&mut connection), tenant)).await;
                connection.end_read().await?;
                result
            }
        }
    }

    /// Reads as [`Self::read`] does, what may take long: only few do so at a time, tenants in turns. Where it would hold
    /// one of the runtime's threads, as over SQLite, what else the thread has to do goes on elsewhere meanwhile.
    pub async fn read_aside<T, E, F>(&self, tenant: TenantId, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut ReadTx<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        let _turn = self.turns.turn(tenant).await?;
        let has_others =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        match &self.driver {
            Driver::Sqlite(_) if has_others => tokio::task::block_in_place(|| ready(self.read(tenant, op)))?,
            Driver::Sqlite(_) | Driver::Postgres(_) => self.read(tenant, op).await,
        }
    }

    /// Runs one unit of work on one tenant's data: `Ok` commits, `Err` rolls back. On SQLite it runs
    /// on the writer's thread. It is run again when another unit got in its way, after what the run
    /// before did was rolled back. So it owns what it needs, can be cloned, and awaits nothing but its
    /// transaction.
    pub async fn write<T, E, F>(&self, tenant: TenantId, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut WriteTx<'_>) -> Result<T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(Weight::Light, tenant, op).await
    }

    /// The same of what takes some milliseconds. On SQLite who writes otherwise waits for one of these and its commit, and those of a
    /// tenant that are begun one after the other are run in this order.
    pub async fn write_much<T, E, F>(&self, tenant: TenantId, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut WriteTx<'_>) -> Result<T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(Weight::Heavy, tenant, op).await
    }

    async fn write_as<T, E, F>(&self, weight: Weight, tenant: TenantId, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut WriteTx<'_>) -> Result<T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                let unit = move |connection: &mut Connection| {
                    ready(op.clone()(&mut WriteTx::new(Session::Sqlite(connection), tenant)))?
                };
                self.submit(sqlite, tenant, weight, unit).await
            }
            Driver::Postgres(postgres) => {
                let unit = async move |connection: &mut postgres::Connection| {
                    op.clone()(&mut WriteTx::new(Session::Postgres(connection), tenant)).await
                };
                Box::pin(self.on_postgres(postgres, unit)).await
            }
        }
    }

    /// Brings in all entries of the index of values that are pending, piece by piece: behind this the table has what the values say,
    /// if nothing is written meanwhile. On PostgreSQL it always has.
    pub async fn settle(&self) -> Result<(), StoreError> {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                let piece = |connection: &mut Connection| Ok::<_, StoreError>(connection.hurry_entries());
                while !self.submit(sqlite, NO_TENANT, Weight::Light, piece).await? {}
                Ok(())
            }
            Driver::Postgres(_) => Ok(()),
        }
    }

    /// An organization with all that its answers show, by one statement. On PostgreSQL it is asked for together with
    /// others that are asked for at this moment, and all have their links.
    pub async fn glance(
        &self,
        tenant: TenantId,
        id: OrganizationId,
        links: Links,
    ) -> Result<Glance, StoreError> {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                // One statement is a snapshot by itself.
                let mut reader = sqlite.reader_of_one()?;
                let session = Session::Sqlite(reader.connection()?);
                ReadTx::new(session, tenant).glance(id, links).await
            }
            Driver::Postgres(postgres) => postgres.glance(tenant, id).await,
        }
    }

    /// Reads across tenants.
    pub async fn system_read<T, E, F>(&self, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut SystemTx<'_>) -> Result<T, E>,
        E: From<StoreError>,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                let mut reader = sqlite.reader()?;
                op(&mut SystemTx::new(Session::Sqlite(reader.connection()?))).await
            }
            Driver::Postgres(postgres) => {
                let mut connection = postgres.connection().await?;
                connection.begin_read();
                let result = op(&mut SystemTx::new(Session::Postgres(&mut connection))).await;
                connection.end_read().await?;
                result
            }
        }
    }

    /// Runs one unit of work across tenants.
    pub async fn system_write<T, E, F>(&self, op: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut SystemTx<'_>) -> Result<T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => {
                let unit = move |connection: &mut Connection| {
                    ready(op.clone()(&mut SystemTx::new(Session::Sqlite(connection))))?
                };
                self.submit(sqlite, NO_TENANT, Weight::Light, unit).await
            }
            Driver::Postgres(postgres) => {
                let unit = async move |connection: &mut postgres::Connection| {
                    op.clone()(&mut SystemTx::new(Session::Postgres(connection))).await
                };
                Box::pin(self.on_postgres(postgres, unit)).await
            }
        }
    }

    async fn submit<T, E>(
        &self,
        sqlite: &Sqlite,
        tenant: TenantId,
        weight: Weight,
        op: impl FnMut(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (caller, receiver) = oneshot::channel();
        let unit = Box::new(Submitted {
            op,
            result: None,
            caller,
        });
        sqlite.writer.submit(tenant, weight, unit)?;
        match receiver.await {
            Ok((answer, _op)) => answer,
            Err(_) => Err(StoreError::Failed("the unit of work ended without an answer".into()).into()),
        }
    }

    /// Runs a unit of work on PostgreSQL, and again when another one got in its way. It takes kilobytes, so callers put it in memory
    /// of its own: else each request over SQLite, which moves some times before it runs, would carry as many that it never uses.
    async fn on_postgres<T, E: From<StoreError>>(
        &self,
        postgres: &Postgres,
        unit: impl AsyncFn(&mut postgres::Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut runs = 0;
        loop {
            runs += 1;
            let mut connection = postgres.connection().await?;
            connection.begin_write();
            let result = unit(&mut connection).await;
            match finish(connection, result).await {
                Finished::Done(result) => return result,
                Finished::Again(error) if runs >= RUNS_MAX => return Err(error.into()),
                Finished::Again(_) => {
                    if let Some(random) = &self.random {
                        tokio::time::sleep(pause(&**random, runs)).await;
                    }
                }
            }
        }
    }
}

/// A unit of work on the writer's way: what it said last, and who waits for it. A caller that has gone away no
/// longer listens; its work was done or refused all the same.
///
/// The caller is given the operation too, with what it rests on, to be freed there: the writer has better things to do.
struct Submitted<F, T, E> {
    op: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<(Result<T, E>, F)>,
}

impl<F, T, E> Unit for Submitted<F, T, E>
where
    F: FnMut(&mut Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &mut Connection) -> bool {
        self.result.insert((self.op)(connection)).is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.result) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(result)) => result,
            // No caller hears of this: the writer commits what it ran.
            (Ok(()), None) => Err(StoreError::Failed("the unit of work was not run".into()).into()),
        };
        let _gone = self.caller.send((answer, self.op));
    }
}

/// How long to wait before a unit of work is run again: none to 2 ms after the first run, twice as much at
/// most after each further one.
fn pause(random: &dyn Random, runs: u32) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    let most = Duration::from_millis(1 << runs.min(RUNS_MAX));
    most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// How a run of a unit of work on PostgreSQL ended.
enum Finished<T, E> {
    Done(Result<T, E>),
    Again(StoreError),
}

/// Commits what went well and rolls back the rest.
async fn finish<T, E: From<StoreError>>(
    connection: postgres::Connection,
    result: Result<T, E>,
) -> Finished<T, E> {
    match result {
        Ok(value) => match connection.commit().await {
            Ok(postgres::Ended::Committed) => Finished::Done(Ok(value)),
            Ok(postgres::Ended::Again(error)) => Finished::Again(error),
            Err(error) => Finished::Done(Err(error.into())),
        },
        Err(refused) => match connection.abandon().await {
            Some(error) => Finished::Again(error),
            None => Finished::Done(Err(refused)),
        },
    }
}

/// The value of a future that waits for nothing, as every future over SQLite does.
fn ready<F: Future>(future: F) -> Result<F::Output, StoreError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(StoreError::Failed("a unit of work awaited something else".into())),
    }
}

#[cfg(test)]
mod tests {
    use guildhall_testkit::SeededRandom;

    use super::*;

    #[test]
    fn pauses_are_of_chance_and_bounded() {
        let random = SeededRandom::new(1);
        for runs in 1..=RUNS_MAX {
            let pauses: Vec<Duration> = (0..100).map(|_| pause(&random, runs)).collect();
            let most = Duration::from_millis(1 << runs);
            assert!(pauses.iter().all(|pause| *pause <= most));
            let spread = |share: u32| pauses.iter().filter(|pause| **pause < most * share / 4).count();
            assert!(spread(1) > 5 && spread(3) < 95, "{pauses:?}");
        }
    }
}
