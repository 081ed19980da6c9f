//! Moving house: all rows of one database into another, of whichever kind, page by page in the order
//! of their keys. An interrupted copy goes on after the last row that arrived; at the end both sides
//! are counted and digested, and only then does the mark go that keeps servers off the target.

use guildhall_domain::Timestamp;
use guildhall_domain::digest::hex;
use sha2::{Digest, Sha256};

use crate::driver::{Param, Row};
use crate::error::StoreError;
use crate::tx::SystemTx;
use crate::{OpenError, Store};

/// Rows of one page, and of one transaction of the target.
const PAGE: i64 = 1_000;

/// A column's type; both kinds of databases have just these.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

/// A table as it is copied: its key columns come first, in the order of its primary key.
struct Table {
    name: &'static str,
    keys: usize,
    columns: &'static [Kind],
    page: &'static str,
    insert: &'static str,
    last: &'static str,
    count: &'static str,
}

/// Declares a table: its key columns with the places of their values in the page's statement, and
/// the other columns. Its four statements come from the same words.
macro_rules! table {
    ($name:literal, $keys:literal, [$($place:literal),+], $limit:literal, $rest:literal, $values:literal,
     $order:literal, [$($kind:ident),+], $n:literal) => {
        Table {
            name: $name,
            keys: $n,
            columns: &[$(Kind::$kind),+],
            page: concat!(
                "SELECT ", $keys, $rest, " FROM ", $name, " WHERE (", $keys, ") > (", table!(@join $($place),+),
                ") ORDER BY ", $keys, " LIMIT ", $limit
            ),
            insert: concat!(
                "INSERT INTO ", $name, " (", $keys, $rest, ") VALUES (", $values, ") ON CONFLICT DO NOTHING"
            ),
            last: concat!("SELECT ", $keys, " FROM ", $name, " ORDER BY ", $order, " LIMIT 1"),
            count: concat!("SELECT COUNT(*) FROM ", $name),
        }
    };
    (@join $first:literal $(, $rest:literal)*) => { concat!($first $(, ", ", $rest)*) };
}

/// Every table that holds data of tenants. `schema_version`, `probe` and `copying` are a database's own,
/// `detail_pending` is empty before anything is copied, and `name_index`, which SQLite alone has, is made of the rows.
const TABLES: [Table; 25] = [
    table!(
        "tenant",
        "tenant_id",
        ["$1"],
        "$2",
        ", cloud_id, name, definitions_stamp, created_at, cursor_secret",
        "$1, $2, $3, $4, $5, $6",
        "tenant_id DESC",
        [Int, Text, Text, Int, Int, Text],
        1
    ),
    table!(
        "counter",
        "tenant_id, name",
        ["$1", "$2"],
        "$3",
        ", next",
        "$1, $2, $3",
        "tenant_id DESC, name DESC",
        [Int, Text, Int],
        2
    ),
    table!(
        "token",
        "tenant_id, id",
        ["$1", "$2"],
        "$3",
        ", hash, last4, name, role, scopes, account, created_at, expires_at, last_used_at, revoked_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12",
        "tenant_id DESC, id DESC",
        [Int, Text, Text, Text, Text, Text, Text, Text, Int, Int, Int, Int],
        2
    ),
    table!(
        "field",
        "tenant_id, id",
        ["$1", "$2"],
        "$3",
        ", kind, name, name_key, type, options, position",
        "$1, $2, $3, $4, $5, $6, $7, $8",
        "tenant_id DESC, id DESC",
        [Int, Int, Text, Text, Text, Text, Text, Int],
        2
    ),
    table!(
        "organization",
        "tenant_id, id",
        ["$1", "$2"],
        "$3",
        ", name, name_key, details, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7",
        "tenant_id DESC, id DESC",
        [Int, Int, Text, Text, Text, Int, Int],
        2
    ),
    table!(
        "organization_spent",
        "tenant_id, id",
        ["$1", "$2"],
        "$3",
        "",
        "$1, $2",
        "tenant_id DESC, id DESC",
        [Int, Int],
        2
    ),
    table!(
        "customer",
        "tenant_id, number",
        ["$1", "$2"],
        "$3",
        ", id, email, email_key, display_name, name_key, details, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "tenant_id DESC, number DESC",
        [Int, Int, Text, Text, Text, Text, Text, Text, Int, Int],
        2
    ),
    table!(
        "membership",
        "tenant_id, organization_id, position",
        ["$1", "$2", "$3"],
        "$4",
        ", customer_number",
        "$1, $2, $3, $4",
        "tenant_id DESC, organization_id DESC, position DESC",
        [Int, Int, Int, Int],
        3
    ),
    table!(
        "product",
        "tenant_id, number",
        ["$1", "$2"],
        "$3",
        ", id, name, name_key, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7",
        "tenant_id DESC, number DESC",
        [Int, Int, Text, Text, Text, Int, Int],
        2
    ),
    table!(
        "entitlement",
        "tenant_id, number",
        ["$1", "$2"],
        "$3",
        ", id, entity_kind, entity_number, position, product_number, details, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "tenant_id DESC, number DESC",
        [Int, Int, Text, Text, Int, Int, Int, Text, Int, Int],
        2
    ),
    table!(
        "detail_index",
        "tenant_id, field_id, value_key, entity_number",
        ["$1", "$2", "$3", "$4"],
        "$5",
        "",
        "$1, $2, $3, $4",
        "tenant_id DESC, field_id DESC, value_key DESC, entity_number DESC",
        [Int, Int, Text, Int],
        4
    ),
    table!(
        "sweep",
        "tenant_id, what, target",
        ["$1", "$2", "$3"],
        "$4",
        "",
        "$1, $2, $3",
        "tenant_id DESC, what DESC, target DESC",
        [Int, Text, Int],
        3
    ),
    table!(
        "task",
        "tenant_id, id",
        ["$1", "$2"],
        "$3",
        ", type, idempotency_key, fingerprint, submitted_by, status, items, created_at, updated_at, finished_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11",
        "tenant_id DESC, id DESC",
        [Int, Text, Text, Text, Text, Text, Text, Int, Int, Int, Int],
        2
    ),
    table!(
        "task_open",
        "tenant_id, task_id",
        ["$1", "$2"],
        "$3",
        ", created_at, request, next_item, careful_until, crashes, lease_owner, lease_epoch, lease_until",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "tenant_id DESC, task_id DESC",
        [Int, Text, Int, Text, Int, Int, Int, Text, Int, Int],
        2
    ),
    table!(
        "task_item",
        "tenant_id, task_id, item",
        ["$1", "$2", "$3"],
        "$4",
        ", outcome, entity_id, failures",
        "$1, $2, $3, $4, $5, $6",
        "tenant_id DESC, task_id DESC, item DESC",
        [Int, Text, Int, Text, Text, Text],
        3
    ),
    table!(
        "connection",
        "tenant_id, number",
        ["$1", "$2"],
        "$3",
        ", id, name, created_at",
        "$1, $2, $3, $4, $5",
        "tenant_id DESC, number DESC",
        [Int, Int, Text, Text, Int],
        2
    ),
    table!(
        "object",
        "tenant_id, connection_number, type, id_key",
        ["$1", "$2", "$3", "$4"],
        "$5",
        ", id, sequence, deleted_at, display_name, body, sensitive, digest, readers, parent_type, parent_key, container_type, container_key, kept_back, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19",
        "tenant_id DESC, connection_number DESC, type DESC, id_key DESC",
        [
            Int, Int, Text, Text, Text, Int, Int, Text, Text, Text, Text, Text, Text, Text, Text, Text, Int,
            Int, Int
        ],
        4
    ),
    table!(
        "object_tag",
        "tenant_id, connection_number, type, id_key, tag",
        ["$1", "$2", "$3", "$4", "$5"],
        "$6",
        ", content",
        "$1, $2, $3, $4, $5, $6",
        "tenant_id DESC, connection_number DESC, type DESC, id_key DESC, tag DESC",
        [Int, Int, Text, Text, Text, Text],
        5
    ),
    table!(
        "object_category",
        "tenant_id, connection_number, type, id_key, category_key",
        ["$1", "$2", "$3", "$4", "$5"],
        "$6",
        ", category_id",
        "$1, $2, $3, $4, $5, $6",
        "tenant_id DESC, connection_number DESC, type DESC, id_key DESC, category_key DESC",
        [Int, Int, Text, Text, Text, Text],
        5
    ),
    table!(
        "object_write",
        "tenant_id, connection_number, type, id_key, slot",
        ["$1", "$2", "$3", "$4", "$5"],
        "$6",
        ", number, sequence, stored_sequence, reason, written_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "tenant_id DESC, connection_number DESC, type DESC, id_key DESC, slot DESC",
        [Int, Int, Text, Text, Int, Int, Int, Int, Text, Int],
        5
    ),
    table!(
        "connector_user",
        "tenant_id, connection_number, id_key",
        ["$1", "$2", "$3"],
        "$4",
        ", id, sequence, deleted_at, body, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9",
        "tenant_id DESC, connection_number DESC, id_key DESC",
        [Int, Int, Text, Text, Int, Int, Text, Int, Int],
        3
    ),
    table!(
        "connector_user_email",
        "tenant_id, connection_number, user_key, email_key",
        ["$1", "$2", "$3", "$4"],
        "$5",
        ", user_id",
        "$1, $2, $3, $4, $5",
        "tenant_id DESC, connection_number DESC, user_key DESC, email_key DESC",
        [Int, Int, Text, Text, Text],
        4
    ),
    table!(
        "connector_mapping",
        "tenant_id, connection_number, user_key",
        ["$1", "$2", "$3"],
        "$4",
        ", user_id, sequence, deleted_at, account, email, email_key, mapped_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
        "tenant_id DESC, connection_number DESC, user_key DESC",
        [Int, Int, Text, Text, Int, Int, Text, Text, Text, Int],
        3
    ),
    table!(
        "connector_group",
        "tenant_id, connection_number, id_key",
        ["$1", "$2", "$3"],
        "$4",
        ", id, sequence, deleted_at, body, created_at, updated_at",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9",
        "tenant_id DESC, connection_number DESC, id_key DESC",
        [Int, Int, Text, Text, Int, Int, Text, Int, Int],
        3
    ),
    table!(
        "connector_member",
        "tenant_id, connection_number, group_key, member_type, member_key",
        ["$1", "$2", "$3", "$4", "$5"],
        "$6",
        ", group_id, member_id, position, body",
        "$1, $2, $3, $4, $5, $6, $7, $8, $9",
        "tenant_id DESC, connection_number DESC, group_key DESC, member_type DESC, member_key DESC",
        [Int, Int, Text, Text, Text, Text, Text, Int, Text],
        5
    ),
];

/// What was copied of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// The table's name.
    pub name: &'static str,
    /// Its rows, on both sides.
    pub rows: u64,
    /// The digest of its rows in the order of their keys, on both sides, in hexadecimal.
    pub digest: String,
}

/// Where a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// The table at hand.
    pub table: &'static str,
    /// Rows of it that have arrived.
    pub rows: u64,
    /// Rows that it has.
    pub of: u64,
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    /// Whether a copy into this database was begun and not finished.
    pub async fn is_being_copied_into(&self) -> Result<bool, StoreError> {
        self.system_read(async |tx| tx.copying().await).await
    }

    /// Copies all data of this database into `target`, which must be empty, or half filled by an
    /// earlier copy of the same data. Neither may be served meanwhile.
    pub async fn copy_to(
        &self,
        target: &Self,
        now: Timestamp,
        mut progress: impl FnMut(CopyProgress),
    ) -> Result<Vec<CopiedTable>, OpenError> {
        self.settle().await?;
        let begun = target.is_being_copied_into().await?;
        let filled = target
            .system_read(async |tx| Ok::<_, StoreError>(!tx.tenants().await?.is_empty()))
            .await?;
        if filled && !begun {
            return Err(OpenError(
                "the target database has tenants already; a copy fills an empty one".into(),
            ));
        }
        target
            .system_write(async move |tx| tx.mark_copying(now).await)
            .await?;
        for table in &TABLES {
            self.copy_table(target, table, &mut progress).await?;
        }
        let mut copied = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            let (here, there) = (self.digest(table).await?, target.digest(table).await?);
            if here != there {
                return Err(OpenError(format!(
                    "{}: the source has {} rows and the target {}, or their contents differ. Was the source \
                     changed while it was copied? Empty the target and copy again.",
                    table.name, here.rows, there.rows
                )));
            }
            copied.push(here);
        }
        target.system_write(async |tx| tx.unmark_copying().await).await?;
        Ok(copied)
    }

    /// The number and the digest of the rows of every table: two databases with equal ones hold the same.
    pub async fn digests(&self) -> Result<Vec<CopiedTable>, StoreError> {
        self.settle().await?;
        let mut digests = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            digests.push(self.digest(table).await?);
        }
        Ok(digests)
    }

    async fn copy_table(
        &self,
        target: &Self,
        table: &'static Table,
        progress: &mut impl FnMut(CopyProgress),
    ) -> Result<(), StoreError> {
        let of = self.system_read(async |tx| tx.count_rows(table).await).await?;
        let mut rows = target.system_read(async |tx| tx.count_rows(table).await).await?;
        let mut after = target.system_read(async |tx| tx.last_key(table).await).await?;
        loop {
            progress(CopyProgress {
                table: table.name,
                rows,
                of,
            });
            let page = self
                .system_read(async |tx| tx.page(table, after.as_deref()).await)
                .await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last[..table.keys].to_vec());
            rows += page.len() as u64;
            target
                .system_write(async move |tx| tx.insert_rows(table, &page).await)
                .await?;
        }
    }

    async fn digest(&self, table: &'static Table) -> Result<CopiedTable, StoreError> {
        let (mut rows, mut hasher, mut after) = (0, Sha256::new(), None::<Vec<Value>>);
        loop {
            let page = self
                .system_read(async |tx| tx.page(table, after.as_deref()).await)
                .await?;
            let Some(last) = page.last() else { break };
            after = Some(last[..table.keys].to_vec());
            rows += page.len() as u64;
            page.iter().flatten().for_each(|value| value.digest(&mut hasher));
        }
        Ok(CopiedTable {
            name: table.name,
            rows,
            digest: hex(&hasher.finalize()),
        })
    }
}

impl Value {
    fn param(&self) -> Param<'_> {
        match self {
            Self::Int(value) => Param::OptInt(*value),
            Self::Text(value) => Param::OptText(value.as_deref()),
        }
    }

    /// Each value with its kind and its length, so that no two rows look alike.
    fn digest(&self, hasher: &mut Sha256) {
        match self {
            Self::Int(None) | Self::Text(None) => hasher.update(b"n"),
            Self::Int(Some(value)) => {
                hasher.update(b"i");
                hasher.update(value.to_be_bytes());
            }
            Self::Text(Some(value)) => {
                hasher.update(b"t");
                hasher.update((value.len() as u64).to_be_bytes());
                hasher.update(value.as_bytes());
            }
        }
    }
}

fn read(row: &Row<'_>, kinds: &[Kind]) -> Result<Vec<Value>, StoreError> {
    let read = |(column, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Int => Value::Int(row.opt_int(column)?),
            Kind::Text => Value::Text(row.opt_text(column)?),
        })
    };
    kinds.iter().enumerate().map(read).collect()
}

impl SystemTx<'_> {
    async fn copying(&mut self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT started_at FROM copying WHERE id = 1";
        Ok(self.fetch_optional(SQL, &[], |_| Ok(())).await?.is_some())
    }

    async fn mark_copying(&mut self, now: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO copying (id, started_at) VALUES (1, $1) ON CONFLICT DO NOTHING";
        self.execute(SQL, &[now.0.into()]).await.map(drop)
    }

    async fn unmark_copying(&mut self) -> Result<(), StoreError> {
        self.execute("DELETE FROM copying WHERE id = 1", &[])
            .await
            .map(drop)
    }

    async fn count_rows(&mut self, table: &Table) -> Result<u64, StoreError> {
        let count = self
            .fetch_optional(table.count, &[], |row| row.int(0))
            .await?
            .unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn last_key(&mut self, table: &Table) -> Result<Option<Vec<Value>>, StoreError> {
        self.fetch_optional(table.last, &[], |row| read(row, &table.columns[..table.keys]))
            .await
    }

    async fn page(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut params: Vec<Param<'_>> = match after {
            Some(key) => key.iter().map(Value::param).collect(),
            // Before every key: tenants have positive numbers.
            None => table.columns[..table.keys]
                .iter()
                .map(|kind| match kind {
                    Kind::Int => Param::Int(i64::MIN),
                    Kind::Text => Param::Text(""),
                })
                .collect(),
        };
        params.push(Param::Int(PAGE));
        self.fetch(table.page, &params, |row| read(row, table.columns))
            .await
    }

    async fn insert_rows(&mut self, table: &Table, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        const NAME: &str = "INSERT INTO name_index (tenant_id, name_key, organization_id) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING";
        for row in rows {
            let params: Vec<Param<'_>> = row.iter().map(Value::param).collect();
            self.execute(table.insert, &params).await?;
            if table.name == "organization" && self.has_name_index() {
                // Its key is the tenant and the id, then come the name and the name as compared.
                let [tenant, id, _, name_key, ..] = &params[..] else {
                    return Err(StoreError::Failed("an organization has too few columns".into()));
                };
                self.execute(NAME, &[*tenant, *name_key, *id]).await?;
            }
        }
        Ok(())
    }
}
