//! Transactions. One belongs to a tenant and binds it as `$1` itself, so that no statement can be
//! run without it; what must look across tenants uses [`SystemTx`], and is rare enough to list:
//! tenants by cloudId, tokens by hash, work waiting for a background hand, and the write probe.

use std::ops::{Deref, DerefMut};

use guildhall_domain::TenantId;

use crate::driver::{Param, Row, Session};
use crate::error::StoreError;

/// Parameters of a statement, the tenant's place first. Statements have at most a dozen.
const PARAMS_MAX: usize = 16;

/// A snapshot of one tenant's data. It has no way to change anything.
pub struct ReadTx<'c> {
    session: Session<'c>,
    tenant: TenantId,
}

impl<'c> ReadTx<'c> {
    pub(crate) fn new(session: Session<'c>, tenant: TenantId) -> Self {
        Self { session, tenant }
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
}

impl<'c> WriteTx<'c> {
    pub(crate) fn new(session: Session<'c>, tenant: TenantId) -> Self {
        Self {
            read: ReadTx::new(session, tenant),
        }
    }

    /// How many rows changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        let (all, count) = with_tenant(self.read.tenant, params)?;
        self.read.session.execute(sql, &all[..count]).await
    }

    /// Runs a statement that must change exactly one row.
    pub(crate) async fn execute_one(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<(), StoreError> {
        match self.execute(sql, params).await? {
            1 => Ok(()),
            rows => Err(StoreError::inconsistent(format!(
                "{rows} rows changed instead of one by: {sql}"
            ))),
        }
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

    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.session.fetch(sql, params, read).await
    }

    pub(crate) async fn fetch_optional<T>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.session.fetch_optional(sql, params, read).await
    }

    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
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
