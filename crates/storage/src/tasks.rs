//! Bulk tasks: submitting, leasing, recording what became of items, listing, purging.
//!
//! A lease has an epoch that rises with every claim. Whatever a worker writes for a task goes
//! through [`WriteTx::advance_task`], which refuses an old epoch: a worker that was thought dead
//! cannot write, whatever the clocks say.
//!
//! Long, because each statement about tasks stands here.

use guildhall_domain::task::{Failure, Outcome, Receipt, TaskStatus, TaskType};
use guildhall_domain::{TenantId, Timestamp};

use crate::driver::{Lock, Part, Row};
use crate::error::StoreError;
use crate::tx::{ReadTx, SystemTx, WriteTx};
use crate::versions::Touched;

/// A task as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id, a UUID v7: later tasks have greater ids.
    pub id: String,
    /// What it does.
    pub task_type: TaskType,
    /// Where it stands.
    pub status: TaskStatus,
    /// How many items it has.
    pub items: i64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it last came further.
    pub updated_at: Timestamp,
}

/// A task to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its id.
    pub id: String,
    /// What it does.
    pub task_type: TaskType,
    /// The key that the submitter gave the request.
    pub idempotency_key: String,
    /// The digest of the request, in hexadecimal.
    pub fingerprint: String,
    /// The id of the token that submitted it.
    pub submitted_by: String,
    /// Its items, as the worker will read them.
    pub request: String,
    /// How many items it has.
    pub items: i64,
}

/// A task that is not done, as the queue sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTask {
    /// Whose it is.
    pub tenant: TenantId,
    /// The task's id.
    pub id: String,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Who holds it, or held it when they died.
    pub lease_owner: Option<String>,
    /// Rises with every claim.
    pub lease_epoch: i64,
    /// Until when the holder has it.
    pub lease_until: Timestamp,
}

/// What a claim brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedTask {
    /// What the task does.
    pub task_type: TaskType,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Its items.
    pub request: String,
    /// How many items it has.
    pub items: i64,
    /// The first item that is not done.
    pub next_item: i64,
    /// Until this item, items are run one by one: a worker died among them.
    pub careful_until: i64,
    /// How many workers died at the next item.
    pub crashes: i64,
    /// The epoch of this claim.
    pub epoch: i64,
}

/// How a claim changes what is known of crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who claims.
    pub owner: &'a str,
    /// Until when.
    pub until: Timestamp,
    /// The epoch that was seen; another one means that somebody was faster.
    pub seen_epoch: i64,
    /// How many items a worker takes at once: so many are run one by one after a crash.
    pub chunk_items: i64,
}

/// What became of an item, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// Its place in the request, from 0.
    pub item: i64,
    /// What became of it.
    pub receipt: Receipt,
}

/// Which receipts to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only those after this item.
    pub after: Option<i64>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those with a failed part.
    pub with_failures: bool,
}

/// What a chunk's transaction is waited for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMark(i64);

impl ChunkMark {
    /// That of the chunk of a task that begins with this item. Should two have the same, one waits for the other for nothing.
    pub fn of(task_id: &str, from: i64) -> Self {
        const PRIME: i64 = 0x0100_0000_01b3;
        let mix = |mark: i64, byte: u8| mark.wrapping_mul(PRIME) ^ i64::from(byte);
        Self(task_id.bytes().fold(from, mix) | i64::MIN)
    }
}

fn task(row: &Row<'_>) -> Result<TaskRow, StoreError> {
    let (type_name, status) = (row.text(1)?, row.text(2)?);
    Ok(TaskRow {
        id: row.text(0)?,
        task_type: parse_type(&type_name)?,
        status: TaskStatus::parse(&status)
            .ok_or_else(|| StoreError::inconsistent(format!("task.status {status}")))?,
        items: row.int(3)?,
        created_at: Timestamp(row.int(4)?),
        updated_at: Timestamp(row.int(5)?),
    })
}

fn parse_type(name: &str) -> Result<TaskType, StoreError> {
    TaskType::parse(name).ok_or_else(|| StoreError::inconsistent(format!("task.type {name}")))
}

fn item(row: &Row<'_>) -> Result<ItemRow, StoreError> {
    let outcome = row.text(1)?;
    let failures: Vec<Failure> = match row.opt_text(3)? {
        None => Vec::new(),
        Some(text) => serde_json::from_str(&text)
            .map_err(|e| StoreError::inconsistent(format!("task_item.failures: {e}")))?,
    };
    Ok(ItemRow {
        item: row.int(0)?,
        receipt: Receipt {
            outcome: Outcome::parse(&outcome)
                .ok_or_else(|| StoreError::inconsistent(format!("task_item.outcome {outcome}")))?,
            entity_id: row.text(2)?,
            failures,
        },
    })
}

impl SystemTx<'_> {
    /// Tasks that are not done, of all tenants: the oldest of each first, then the second ones, so that no
    /// tenant's many hide another's one from a look that sees `limit`.
    pub async fn open_tasks(&mut self, limit: i64) -> Result<Vec<OpenTask>, StoreError> {
        const SQL: &str = "SELECT tenant_id, task_id, created_at, lease_owner, lease_epoch, lease_until \
             FROM (SELECT tenant_id, task_id, created_at, lease_owner, lease_epoch, lease_until, \
                 ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY task_id) AS place FROM task_open) AS lined \
             ORDER BY place, task_id, tenant_id LIMIT $1";
        self.fetch(SQL, &[limit.into()], |row| {
            Ok(OpenTask {
                tenant: TenantId(row.int(0)?),
                id: row.text(1)?,
                created_at: Timestamp(row.int(2)?),
                lease_owner: row.opt_text(3)?,
                lease_epoch: row.int(4)?,
                lease_until: Timestamp(row.int(5)?),
            })
        })
        .await
    }

    /// Ends every lease, for the start of a server that is the only one on its database. Whoever
    /// held one is dead, which the next claim counts.
    pub async fn end_all_leases(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE task_open SET lease_until = 0";
        self.execute(SQL, &[]).await.map(drop)
    }

    /// Some tasks that ended before this time, of any tenant.
    pub async fn tasks_finished_before(
        &mut self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<(TenantId, String)>, StoreError> {
        const SQL: &str = "SELECT tenant_id, id FROM task WHERE finished_at < $1 ORDER BY finished_at, tenant_id, id LIMIT $2";
        self.fetch(SQL, &[before.0.into(), limit.into()], |row| {
            Ok((TenantId(row.int(0)?), row.text(1)?))
        })
        .await
    }
}

impl ReadTx<'_> {
    /// The task with this id.
    pub async fn task(&mut self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        const SQL: &str = "SELECT id, type, status, items, created_at, updated_at FROM task \
             WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.into()], task).await
    }

    /// The task that a key made, with the digest of its request.
    pub async fn task_by_key(
        &mut self,
        task_type: TaskType,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        const SQL: &str = "SELECT id, fingerprint FROM task \
             WHERE tenant_id = $1 AND type = $2 AND idempotency_key = $3";
        self.fetch_optional(SQL, &[task_type.name().into(), key.into()], |row| {
            Ok((row.text(0)?, row.text(1)?))
        })
        .await
    }

    /// Tasks with a smaller id than `before`, newest first.
    pub async fn tasks_before(
        &mut self,
        before: Option<&str>,
        status: Option<TaskStatus>,
        limit: i64,
    ) -> Result<Vec<TaskRow>, StoreError> {
        const SQL: &str = "SELECT id, type, status, items, created_at, updated_at FROM task \
             WHERE tenant_id = $1 AND id < $2 AND ($3 = '' OR status = $3) ORDER BY id DESC LIMIT $4";
        // Greater than every UUID.
        let before = before.unwrap_or("~");
        let status = status.map_or("", TaskStatus::name);
        self.fetch(SQL, &[before.into(), status.into(), limit.into()], task)
            .await
    }

    /// How many tasks are not done and were submitted after this time.
    pub async fn count_open_tasks(&mut self, since: Timestamp) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM task_open WHERE tenant_id = $1 AND created_at > $2";
        let count = self
            .fetch_optional(SQL, &[since.0.into()], |row| row.int(0))
            .await?;
        Ok(count.unwrap_or(0))
    }

    /// What became of a task's items, in their order.
    pub async fn task_items(
        &mut self,
        task_id: &str,
        filter: ItemFilter,
        limit: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        const SQL: &str = "SELECT item, outcome, entity_id, failures FROM task_item \
             WHERE tenant_id = $1 AND task_id = $2 AND item > $3 AND ($4 = '' OR outcome = $4) \
             AND ($5 = 0 OR failures IS NOT NULL) ORDER BY item LIMIT $6";
        let outcome = filter.outcome.map_or("", Outcome::name);
        let params = [
            task_id.into(),
            filter.after.unwrap_or(-1).into(),
            outcome.into(),
            i64::from(filter.with_failures).into(),
            limit.into(),
        ];
        self.fetch(SQL, &params, item).await
    }

    /// How many items of a task came to each outcome.
    pub async fn count_outcomes(&mut self, task_id: &str) -> Result<Vec<(Outcome, i64)>, StoreError> {
        const SQL: &str = "SELECT outcome, COUNT(*) FROM task_item WHERE tenant_id = $1 AND task_id = $2 \
             GROUP BY outcome";
        self.fetch(SQL, &[task_id.into()], |row| {
            let name = row.text(0)?;
            let outcome = Outcome::parse(&name)
                .ok_or_else(|| StoreError::inconsistent(format!("task_item.outcome {name}")))?;
            Ok((outcome, row.int(1)?))
        })
        .await
    }
}

impl WriteTx<'_> {
    /// Stores a task with its items and its key.
    pub async fn insert_task(&mut self, new: &NewTask, now: Timestamp) -> Result<(), StoreError> {
        const TASK: &str = "INSERT INTO task (tenant_id, id, type, idempotency_key, fingerprint, submitted_by, \
             status, items, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'NOT_STARTED', $7, $8, $8)";
        const OPEN: &str = "INSERT INTO task_open (tenant_id, task_id, created_at, request, next_item, \
             careful_until, crashes, lease_owner, lease_epoch, lease_until) \
             VALUES ($1, $2, $3, $4, 0, 0, 0, NULL, 0, 0)";
        self.execute_one_on(
            Touched::Nothing,
            TASK,
            &[
                (&new.id).into(),
                new.task_type.name().into(),
                (&new.idempotency_key).into(),
                (&new.fingerprint).into(),
                (&new.submitted_by).into(),
                new.items.into(),
                now.0.into(),
            ],
        )
        .await?;
        self.execute_one_on(
            Touched::Nothing,
            OPEN,
            &[(&new.id).into(), now.0.into(), (&new.request).into()],
        )
        .await
    }

    /// Claims a task; `None` when somebody was faster or it is done. A holder that is taken over
    /// from has died, since one that stops gives its tasks back: that is counted before the task
    /// is tried again.
    pub async fn claim_task(
        &mut self,
        id: &str,
        claim: Claim<'_>,
        now: Timestamp,
    ) -> Result<Option<ClaimedTask>, StoreError> {
        const CLAIM: &str = "UPDATE task_open SET lease_owner = $3, lease_until = $4, \
             lease_epoch = lease_epoch + 1, \
             crashes = CASE WHEN lease_owner IS NULL THEN crashes ELSE crashes + 1 END, \
             careful_until = CASE WHEN lease_owner IS NULL OR careful_until > next_item + $6 \
                 THEN careful_until ELSE next_item + $6 END \
             WHERE tenant_id = $1 AND task_id = $2 AND lease_epoch = $5 \
             RETURNING request, next_item, careful_until, crashes, lease_epoch";
        // Not CASE status WHEN …: Citus hands that on in a form that compares a text with a truth.
        const START: &str = "UPDATE task SET status = 'IN_PROGRESS', \
             updated_at = CASE WHEN status = 'NOT_STARTED' THEN $3 ELSE updated_at END \
             WHERE tenant_id = $1 AND id = $2 RETURNING type, items, created_at";
        let params = [
            id.into(),
            claim.owner.into(),
            claim.until.0.into(),
            claim.seen_epoch.into(),
            claim.chunk_items.into(),
        ];
        let claimed = self
            .fetch_optional_on(Touched::Nothing, CLAIM, &params, |row| {
                Ok((row.text(0)?, row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?))
            })
            .await?;
        let Some((request, next_item, careful_until, crashes, epoch)) = claimed else {
            return Ok(None);
        };
        let started = self
            .fetch_optional_on(Touched::Nothing, START, &[id.into(), now.0.into()], |row| {
                Ok((parse_type(&row.text(0)?)?, row.int(1)?, Timestamp(row.int(2)?)))
            })
            .await?;
        let Some((task_type, items, created_at)) = started else {
            return Err(StoreError::inconsistent("an open task has no task"));
        };
        Ok(Some(ClaimedTask {
            task_type,
            created_at,
            request,
            items,
            next_item,
            careful_until,
            crashes,
            epoch,
        }))
    }

    /// Renews a lease; whether it still was ours.
    pub async fn renew_lease(&mut self, id: &str, epoch: i64, until: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE task_open SET lease_until = $4 \
             WHERE tenant_id = $1 AND task_id = $2 AND lease_epoch = $3";
        Ok(self
            .execute_on(Touched::Nothing, SQL, &[id.into(), epoch.into(), until.0.into()])
            .await?
            == 1)
    }

    /// Gives a task back, for anybody to claim at once; whether it still was ours.
    pub async fn release_task(&mut self, id: &str, epoch: i64) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE task_open SET lease_owner = NULL, lease_until = 0 \
             WHERE tenant_id = $1 AND task_id = $2 AND lease_epoch = $3";
        Ok(self
            .execute_on(Touched::Nothing, SQL, &[id.into(), epoch.into()])
            .await?
            == 1)
    }

    /// Lets others wait for the end of this transaction, by a number that is theirs and ours alone.
    pub async fn mark_chunk(&mut self, mark: ChunkMark) -> Result<(), StoreError> {
        self.take_part(Part::Chunk(mark.0), Lock::Alone).await
    }

    /// Waits for the end of the transaction with this mark, if there is one, with the next statement that is waited for.
    pub async fn await_chunk(&mut self, mark: ChunkMark) -> Result<(), StoreError> {
        self.take_part(Part::Chunk(mark.0), Lock::Shared).await
    }

    /// Moves a task's cursor from one item to another and renews the lease. `false`: the task is
    /// somebody else's now, and whatever this transaction did must be rolled back.
    pub async fn advance_task(
        &mut self,
        id: &str,
        epoch: i64,
        from: i64,
        to: i64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE task_open SET next_item = $5, crashes = 0, lease_until = $6 \
             WHERE tenant_id = $1 AND task_id = $2 AND lease_epoch = $3 AND next_item = $4";
        let params = [id.into(), epoch.into(), from.into(), to.into(), until.0.into()];
        Ok(self.execute_on(Touched::Nothing, SQL, &params).await? == 1)
    }

    /// Whether a task has ended.
    pub async fn has_task_ended(&mut self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT next_item FROM task_open WHERE tenant_id = $1 AND task_id = $2";
        Ok(self
            .fetch_optional(SQL, &[id.into()], |_| Ok(()))
            .await?
            .is_none())
    }

    /// Records what became of an item.
    pub async fn insert_receipt(
        &mut self,
        task_id: &str,
        item: i64,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO task_item (tenant_id, task_id, item, outcome, entity_id, failures) \
             SELECT $1, r.task_id, r.item, r.outcome, r.entity_id, r.failures \
             FROM EACH_ROW(task_id $2, item $3, outcome $4, entity_id $5, failures $6)";
        let failures = match receipt.failures.as_slice() {
            [] => None,
            failures => Some(serde_json::to_string(failures).map_err(|e| StoreError::Failed(e.to_string()))?),
        };
        let params = [
            task_id.into(),
            item.into(),
            receipt.outcome.name().into(),
            (&receipt.entity_id).into(),
            failures.as_deref().into(),
        ];
        self.execute_one_on(Touched::Nothing, SQL, &params).await
    }

    /// Sets when a task last came further.
    pub async fn touch_task(&mut self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE task SET updated_at = $3 WHERE tenant_id = $1 AND id = $2";
        self.execute_one_on(Touched::Nothing, SQL, &[id.into(), now.0.into()])
            .await
    }

    /// Ends a task.
    pub async fn finish_task(
        &mut self,
        id: &str,
        status: TaskStatus,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const TASK: &str = "UPDATE task SET status = $3, updated_at = $4, finished_at = $4 \
             WHERE tenant_id = $1 AND id = $2";
        const OPEN: &str = "DELETE FROM task_open WHERE tenant_id = $1 AND task_id = $2";
        self.execute_one_on(
            Touched::Nothing,
            TASK,
            &[id.into(), status.name().into(), now.0.into()],
        )
        .await?;
        self.execute_one_on(Touched::Nothing, OPEN, &[id.into()]).await
    }

    /// Removes an ended task with its receipts and its key.
    pub async fn purge_task(&mut self, id: &str) -> Result<(), StoreError> {
        const ITEMS: &str = "DELETE FROM task_item WHERE tenant_id = $1 AND task_id = $2";
        const TASK: &str = "DELETE FROM task WHERE tenant_id = $1 AND id = $2 AND finished_at IS NOT NULL";
        if self.execute_on(Touched::Nothing, TASK, &[id.into()]).await? == 1 {
            self.execute_on(Touched::Nothing, ITEMS, &[id.into()]).await?;
        }
        Ok(())
    }
}
