//! Transactions. One belongs to a tenant and binds it as `$1` itself, so that no statement can be
//! run without it; what must look across tenants uses [`SystemTx`], and is rare enough to list:
//! tenants by cloudId, tokens by hash, work waiting for a background hand, what is pending at the start, and the write
//! probe.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use guildhall_domain::{Entity, FieldId, TenantId};

use crate::driver::{Ask, Lock, Param, Part, Row, Rows, Session};
use crate::error::StoreError;
use crate::pending::{Change, Entry, Hold, Place};
use crate::versions::{Moment, Touched, Version, Versions};

/// Parameters of a statement, the tenant's place first. Statements have at most a dozen.
const PARAMS_MAX: usize = 16;

/// A snapshot of one tenant's data. It has no way to change anything.
pub struct ReadTx<'c> {
    session: Session<'c>,
    tenant: TenantId,
    /// Whether the tenant's definitions stay as they are until the end: on one snapshot, or locked.
    steady: bool,
    /// Their stamp, where it was read and stays.
    stamp: Option<i64>,
    /// The versions, and a moment before the snapshot was taken; nothing where no version may be used.
    versions: Option<(&'c Versions, Moment)>,
    /// What is pending of the index of values; nothing where all of it is in the index.
    pending: Option<Hold>,
}

impl<'c> ReadTx<'c> {
    pub(crate) fn new(session: Session<'c>, tenant: TenantId) -> Self {
        Self {
            session,
            tenant,
            steady: true,
            stamp: None,
            versions: None,
            pending: None,
        }
    }

    pub(crate) fn with_versions(self, versions: Option<(&'c Versions, Moment)>) -> Self {
        Self { versions, ..self }
    }

    pub(crate) fn with_pending(self, pending: Option<Hold>) -> Self {
        Self { pending, ..self }
    }

    /// What pending entries of a place may add to what was just found in the index of values, by what asks a hold, and by what tells of
    /// an entry that this very transaction has changed what it adds. It is about candidates: each is read and asked again.
    pub(crate) fn pending<T>(
        &mut self,
        place: Place,
        held: impl Fn(&Hold) -> Vec<T>,
        of: impl Fn(&Entry) -> Option<T>,
    ) -> Vec<T> {
        if let Some(hold) = &self.pending {
            return held(hold);
        }
        let Some((hold, entries)) = self.session.own_pending(place) else {
            return Vec::new();
        };
        let mut found = held(&hold);
        found.extend(entries.filter_map(of));
        found
    }

    /// What a read has taken hold of: nothing where all is in the index, and not for the writer.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.pending.as_ref()
    }

    /// Whether names have an index of their own: see [`crate::names`].
    pub(crate) fn has_name_index(&self) -> bool {
        self.session.has_name_index()
    }

    /// The version that a thing has in this snapshot. What was made of it under the same version, by whatever
    /// snapshot, is what this one would make. `None` where it has none that is known.
    pub fn version(&self, thing: Entity) -> Option<Version> {
        let (versions, moment) = self.versions?;
        versions.at(moment, self.tenant, thing)
    }

    /// The version that the tenant has in this snapshot: as long as it is the same, its definitions are. `None` where it has
    /// none that is known. The snapshot is of now at the latest: what is read behind this is of the same version.
    pub async fn tenant_version(&mut self) -> Result<Option<Version>, StoreError> {
        let Some((versions, moment)) = self.versions else {
            return Ok(None);
        };
        self.begin().await?;
        Ok(versions.tenant_at(moment, self.tenant))
    }

    /// Takes the snapshot: a read has the one of its first statement, and one that finds nothing is one.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT tenant_id FROM tenant WHERE tenant_id = $1 LIMIT 0";
        self.fetch_optional(SQL, &[], |_| Ok(())).await.map(drop)
    }

    /// The stamp of the definitions, where it is known and stays.
    pub(crate) fn known_stamp(&self) -> Option<i64> {
        self.stamp
    }

    /// Notes the stamp that was read, if it stays.
    pub(crate) fn note_stamp(&mut self, stamp: i64) {
        self.stamp = self.steady.then_some(stamp);
    }

    /// The tenant whose data this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (all, count) = with_tenant(self.tenant, params)?;
        self.session.fetch(sql, &all[..count], read).await
    }

    /// Several questions, independent of each other: on PostgreSQL in one round trip.
    pub(crate) async fn fetch_all(&mut self, mut asks: Vec<Ask<'_>>) -> Result<(), StoreError> {
        for ask in &mut asks {
            ask.params.insert(0, Param::Int(self.tenant.0));
        }
        match asks.is_empty() {
            true => Ok(()),
            false => self.session.fetch_all(&mut asks).await,
        }
    }

    pub(crate) async fn fetch_optional<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (all, count) = with_tenant(self.tenant, params)?;
        self.session.fetch_optional(sql, &all[..count], read).await
    }
}

/// A unit of work on one tenant's data: all of it is kept, or nothing.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    /// Names that nobody had when it was asked, and nobody has got here since: only where names have an index of their own.
    free_names: BTreeSet<String>,
}

impl<'c> WriteTx<'c> {
    pub(crate) fn new(session: Session<'c>, tenant: TenantId) -> Self {
        let steady = session.is_alone();
        let read = ReadTx {
            steady,
            ..ReadTx::new(session, tenant)
        };
        Self {
            read,
            free_names: BTreeSet::new(),
        }
    }

    /// Notes that nobody has these names.
    pub(crate) fn note_free_names<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.free_names.extend(names.map(str::to_owned));
    }

    /// Whether it was noted that nobody has this name. Somebody gets it now.
    pub(crate) fn take_free_name(&mut self, name: &str) -> bool {
        self.free_names.remove(name)
    }

    /// Notes a change of an entry of the index of values, if those are kept back.
    pub(crate) fn note_entry(&mut self, change: impl FnOnce() -> Change) -> bool {
        self.read.session.note_entry(change)
    }

    /// Whether entries of a field are still to be brought into the index of values. If so, much of what is pending is with this
    /// transaction: whoever needs them there commits, and asks again.
    pub(crate) fn waits_for_entries_of(&mut self, field: FieldId) -> bool {
        let tenant = self.read.tenant;
        self.read.session.hurry_entries_of(tenant, field)
    }

    /// Takes a lock of the tenant, until the end.
    pub(crate) async fn take(&mut self, lock: Lock) -> Result<(), StoreError> {
        let tenant = self.read.tenant;
        self.read.session.lock(tenant.0, lock).await
    }

    /// Takes the lock of a part of the tenant, with the next statement that is waited for.
    pub(crate) async fn take_part(&mut self, part: Part, lock: Lock) -> Result<(), StoreError> {
        let tenant = self.read.tenant;
        self.read.session.lock_part(tenant.0, part, lock).await
    }

    /// The tenant is locked: its definitions stay as they are, with this stamp.
    pub(crate) fn note_lock(&mut self, stamp: i64) {
        self.read.steady = true;
        self.read.stamp = Some(stamp);
    }

    /// How many rows changed, by a statement that outdates these answers only.
    pub(crate) async fn execute_on(
        &mut self,
        touched: Touched,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        let tenant = self.read.tenant;
        let (all, count) = with_tenant(tenant, params)?;
        self.read.session.touch(tenant, touched);
        self.read.session.execute(sql, &all[..count]).await
    }

    /// The rows that a statement returns, which outdates these answers only.
    pub(crate) async fn fetch_on<T>(
        &mut self,
        touched: Touched,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.read.session.touch(self.read.tenant, touched);
        self.read.fetch(sql, params, read).await
    }

    /// Runs a statement over `EACH_BOUND`, which outdates these answers only; its rows stand between its other
    /// parameters. The places of those that it wrote: on PostgreSQL `place` says it of what it returns.
    pub(crate) async fn write_each_on(
        &mut self,
        touched: Touched,
        sql: &'static str,
        (before, rows, after): (&[Param<'_>], &Rows<'_>, &[Param<'_>]),
        place: impl FnMut(&Row<'_>) -> Result<usize, StoreError>,
    ) -> Result<Vec<usize>, StoreError> {
        let tenant = self.read.tenant;
        let (before, count) = with_tenant(tenant, before)?;
        self.read.session.touch(tenant, touched);
        let session = &mut self.read.session;
        session
            .write_each(sql, (&before[..count], rows, after), place)
            .await
    }

    /// The row that a statement returns, which outdates these answers only.
    pub(crate) async fn fetch_optional_on<T>(
        &mut self,
        touched: Touched,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.read.session.touch(self.read.tenant, touched);
        self.read.fetch_optional(sql, params, read).await
    }

    /// Runs a statement that must change exactly one row. It may be sent later, with the next statement
    /// that is waited for, and fail there. Answers made before, of whatever of the tenant, are outdated by
    /// it: a statement that is known to touch less says so, by [`Self::execute_one_on`].
    pub(crate) async fn execute_one(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<(), StoreError> {
        self.execute_one_on(Touched::Tenant, sql, params).await
    }

    /// Runs a statement that must change exactly one row, and outdates these answers only.
    pub(crate) async fn execute_one_on(
        &mut self,
        touched: Touched,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<(), StoreError> {
        let tenant = self.read.tenant;
        let (all, count) = with_tenant(tenant, params)?;
        self.read.session.touch(tenant, touched);
        self.read.session.execute_later(sql, &all[..count], true).await
    }

    /// Runs a statement that may change any number of rows, and outdates these answers only; sent later
    /// as [`Self::execute_one`].
    pub(crate) async fn execute_any_on(
        &mut self,
        touched: Touched,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<(), StoreError> {
        let tenant = self.read.tenant;
        let (all, count) = with_tenant(tenant, params)?;
        self.read.session.touch(tenant, touched);
        self.read.session.execute_later(sql, &all[..count], false).await
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;

    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

impl<'c> DerefMut for WriteTx<'c> {
    fn deref_mut(&mut self) -> &mut ReadTx<'c> {
        &mut self.read
    }
}

/// A transaction across tenants. Its methods are the whole list of what may be asked that way.
pub struct SystemTx<'c> {
    session: Session<'c>,
}

impl<'c> SystemTx<'c> {
    pub(crate) fn new(session: Session<'c>) -> Self {
        Self { session }
    }

    /// The same unit of work, on one tenant's data.
    pub fn on_tenant(&mut self, tenant: TenantId) -> WriteTx<'_> {
        WriteTx::new(self.session.again(), tenant)
    }

    /// Whether names have an index of their own.
    pub(crate) fn has_name_index(&self) -> bool {
        self.session.has_name_index()
    }

    /// Tenants, tokens, leases and the probe: no answer with a version shows them.
    fn touches_nothing(&mut self) {
        self.session.touch(TenantId(0), Touched::Nothing);
    }

    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.touches_nothing();
        self.session.fetch(sql, params, read).await
    }

    pub(crate) async fn fetch_optional<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.touches_nothing();
        self.session.fetch_optional(sql, params, read).await
    }

    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        self.touches_nothing();
        self.session.execute(sql, params).await
    }
}

fn with_tenant<'p>(
    tenant: TenantId,
    params: &[Param<'p>],
) -> Result<([Param<'p>; PARAMS_MAX], usize), StoreError> {
    let mut all = [Param::Int(tenant.0); PARAMS_MAX];
    let count = params.len() + 1;
    let Some(places) = all.get_mut(1..count) else {
        return Err(StoreError::Failed(format!(
            "{count} parameters, at most {PARAMS_MAX} are bound"
        )));
    };
    places.copy_from_slice(params);
    Ok((all, count))
}
