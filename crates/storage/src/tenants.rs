//! Tenants, their counters, and the stamp of their definitions.

use guildhall_domain::digest::hex;
use guildhall_domain::seal::{SECRET_BYTES, Seal};
use guildhall_domain::{TenantId, Timestamp};

use crate::driver::{Lock, Part, Row};
use crate::error::StoreError;
use crate::tx::{ReadTx, SystemTx, WriteTx};
use crate::versions::Touched;

/// A tenant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// The small number that leads every key.
    pub id: TenantId,
    /// The public id, a UUID in lower case.
    pub cloud_id: String,
    /// What its owner calls it.
    pub name: String,
}

fn row(row: &Row<'_>) -> Result<TenantRow, StoreError> {
    Ok(TenantRow {
        id: TenantId(row.int(0)?),
        cloud_id: row.text(1)?,
        name: row.text(2)?,
    })
}

impl SystemTx<'_> {
    /// The tenant with this cloudId.
    pub async fn tenant(&mut self, cloud_id: &str) -> Result<Option<TenantRow>, StoreError> {
        const SQL: &str = "SELECT tenant_id, cloud_id, name FROM tenant WHERE cloud_id = $1";
        self.fetch_optional(SQL, &[cloud_id.into()], row).await
    }

    /// All tenants, oldest first.
    pub async fn tenants(&mut self) -> Result<Vec<TenantRow>, StoreError> {
        const SQL: &str = "SELECT tenant_id, cloud_id, name FROM tenant ORDER BY tenant_id";
        self.fetch(SQL, &[], row).await
    }

    /// Adds a tenant. Its cloudId must be new.
    pub async fn insert_tenant(
        &mut self,
        cloud_id: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<TenantId, StoreError> {
        // Numbers come from a counter that belongs to no tenant: those who add tenants at once take turns.
        const TAKE: &str = "INSERT INTO counter (tenant_id, name, next) \
             SELECT 0, 'tenant', 2 + COALESCE(MAX(tenant_id), 0) FROM tenant WHERE TRUE \
             ON CONFLICT (tenant_id, name) DO UPDATE SET next = counter.next + 1 RETURNING next";
        const INSERT: &str =
            "INSERT INTO tenant (tenant_id, cloud_id, name, created_at) VALUES ($1, $2, $3, $4)";
        let next = self
            .fetch_optional(TAKE, &[], |row| row.int(0))
            .await?
            .ok_or_else(|| StoreError::inconsistent("a counter has no value"))?;
        let tenant = next - 1;
        self.execute(
            INSERT,
            &[tenant.into(), cloud_id.into(), name.into(), now.0.into()],
        )
        .await?;
        Ok(TenantId(tenant))
    }

    /// A small write that shows whether the database takes writes.
    pub async fn probe(&mut self, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE probe SET written_at = $1 WHERE id = 1";
        self.execute(SQL, &[now.0.into()]).await.map(drop)
    }
}

fn seal(secret: &str) -> Result<Seal, StoreError> {
    Seal::of(secret).ok_or_else(|| StoreError::inconsistent("tenant.cursor_secret is no secret"))
}

const STAMP: &str = "SELECT definitions_stamp FROM tenant WHERE tenant_id = $1";

/// The counters of a tenant. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Ids of organizations.
    Organization,
    /// Ids of detail fields.
    Field,
    /// Internal numbers of customers.
    Customer,
    /// Internal numbers of products.
    Product,
    /// Internal numbers of entitlements.
    Entitlement,
    /// Internal numbers of connections.
    Connection,
}

impl Counter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Field => "field",
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Entitlement => "entitlement",
            Self::Connection => "connection",
        }
    }
}

impl ReadTx<'_> {
    /// The tenant's cloudId.
    pub async fn cloud_id(&mut self) -> Result<String, StoreError> {
        const SQL: &str = "SELECT cloud_id FROM tenant WHERE tenant_id = $1";
        self.fetch_optional(SQL, &[], |row| row.text(0))
            .await?
            .ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))
    }

    /// A random number that changes with every change of the tenant's detail field definitions, so
    /// that definitions kept in memory under it are those of this snapshot, also after a rollback
    /// (which would give a mere count out twice).
    pub async fn definitions_stamp(&mut self) -> Result<i64, StoreError> {
        if let Some(stamp) = self.known_stamp() {
            return Ok(stamp);
        }
        let stamp = self
            .fetch_optional(STAMP, &[], |row| row.int(0))
            .await?
            .ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))?;
        self.note_stamp(stamp);
        Ok(stamp)
    }
}

/// The number that a counter gives next.
pub(crate) const NEXT_NUMBER: &str = "SELECT next FROM counter WHERE tenant_id = $1 AND name = $2";

impl ReadTx<'_> {
    /// What seals the tenant's cursors, once it was needed.
    pub async fn cursor_seal(&mut self) -> Result<Option<Seal>, StoreError> {
        const SQL: &str = "SELECT cursor_secret FROM tenant WHERE tenant_id = $1";
        let found = self.fetch_optional(SQL, &[], |row| row.opt_text(0)).await?;
        found.flatten().map(|secret| seal(&secret)).transpose()
    }

    /// The number that the counter gives next.
    pub async fn next_number(&mut self, counter: Counter) -> Result<i64, StoreError> {
        let next = self
            .fetch_optional(NEXT_NUMBER, &[counter.name().into()], |row| row.int(0))
            .await?;
        Ok(next.unwrap_or(1))
    }
}

impl WriteTx<'_> {
    /// Locks the tenant against all others who lock it: for what changes definitions or counts connections.
    /// Lock order everywhere: the task, the tenant, its parts, organizations, customers, products. But chunks of tasks that
    /// are run beside others lock their own mark first, and those behind another lock the task last.
    pub async fn lock_tenant(&mut self) -> Result<(), StoreError> {
        self.lock(Lock::Alone).await
    }

    /// Locks the tenant against [`Self::lock_tenant`]: definitions stay as they are.
    pub async fn share_tenant(&mut self) -> Result<(), StoreError> {
        self.lock(Lock::Shared).await
    }

    /// Locks the tenant's tasks against all others who submit some: what is counted stays so. What runs does not wait.
    pub async fn lock_tasks(&mut self) -> Result<(), StoreError> {
        self.take_part(Part::Tasks, Lock::Alone).await
    }

    async fn lock(&mut self, lock: Lock) -> Result<(), StoreError> {
        self.take(lock).await?;
        // What was committed before the lock was had is seen by the statements after it.
        if let Some(stamp) = self.fetch_optional(STAMP, &[], |row| row.int(0)).await? {
            self.note_lock(stamp);
        }
        Ok(())
    }

    /// Keeps what seals the tenant's cursors, unless there is something already; what is kept then.
    pub async fn keep_cursor_secret(&mut self, secret: &[u8; SECRET_BYTES]) -> Result<Seal, StoreError> {
        const SQL: &str = "UPDATE tenant SET cursor_secret = COALESCE(cursor_secret, $2) WHERE tenant_id = $1 \
             RETURNING cursor_secret";
        let secret = hex(secret);
        let kept = self
            .fetch_optional_on(Touched::Nothing, SQL, &[(&secret).into()], |row| row.text(0))
            .await?
            .ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))?;
        seal(&kept)
    }

    pub(crate) async fn stamp_definitions(&mut self, stamp: i64) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE tenant SET definitions_stamp = $2 WHERE tenant_id = $1";
        self.note_stamp(stamp);
        self.execute_one(SQL, &[stamp.into()]).await
    }

    /// Takes `count` numbers in a row and returns the first.
    pub async fn take_numbers(&mut self, counter: Counter, count: i64) -> Result<i64, StoreError> {
        const SQL: &str = "INSERT INTO counter (tenant_id, name, next) VALUES ($1, $2, 1 + $3) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET next = counter.next + $3 RETURNING next";
        let next = self
            .fetch_optional_on(
                Touched::Nothing,
                SQL,
                &[counter.name().into(), count.into()],
                |row| row.int(0),
            )
            .await?
            .ok_or_else(|| StoreError::inconsistent("a counter has no value"))?;
        Ok(next - count)
    }

    /// Makes sure that `number` will not be taken from the counter: it was given from outside.
    pub async fn raise_counter(&mut self, counter: Counter, number: i64) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO counter (tenant_id, name, next) VALUES ($1, $2, $3 + 1) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET next = excluded.next \
             WHERE excluded.next > counter.next";
        self.execute_any_on(Touched::Nothing, SQL, &[counter.name().into(), number.into()])
            .await
    }
}
