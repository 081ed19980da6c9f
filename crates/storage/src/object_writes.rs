//! Why a value won: what stands under a key, and the last writes that were accepted and not applied.
//! Those of an object stand in a ring of a few slots, so that nobody has to remove the old ones.

use std::collections::BTreeMap;

use crate::connections::{index_key, json};
use crate::driver::{Row, Rows};
use crate::error::StoreError;
use crate::objects::{ObjectId, object_id};
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;
use guildhall_domain::Timestamp;
use guildhall_domain::connector::{ObjectType, Reason};

/// Writes of an object, accepted and not applied, that are remembered.
pub const OBJECT_WRITES_KEPT: i64 = 20;

/// What a write is remembered by.
const WRITE: &[&str] = &[
    "type", "key", "slot", "number", "sequence", "stored", "reason", "at",
];

/// What stands under a key, tombstones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRow {
    /// The sequence number.
    pub sequence: i64,
    /// When it was deleted, where this is a tombstone.
    pub deleted_at: Option<Timestamp>,
    /// The digest of the object; empty in a tombstone.
    pub digest: String,
    /// How many writes were accepted and not applied, ever.
    pub kept_back: i64,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A write that was accepted and not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRow {
    /// Its number among those of the object, from 1.
    pub number: i64,
    /// Its sequence number.
    pub sequence: i64,
    /// The number that stood against it.
    pub stored_sequence: i64,
    /// Why it was not applied.
    pub reason: Reason,
    /// When it came.
    pub written_at: Timestamp,
}

fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Lower => "LOWER",
        Reason::EqualSame => "EQUAL_SAME",
        Reason::EqualDifferent => "EQUAL_DIFFERENT",
        Reason::TombstoneNewer => "TOMBSTONE_NEWER",
    }
}

fn reason(name: &str) -> Result<Reason, StoreError> {
    [
        Reason::Lower,
        Reason::EqualSame,
        Reason::EqualDifferent,
        Reason::TombstoneNewer,
    ]
    .into_iter()
    .find(|reason| reason_name(*reason) == name)
    .ok_or_else(|| StoreError::inconsistent(format!("object_write.reason {name}")))
}

fn standing(row: &Row<'_>) -> Result<StandingRow, StoreError> {
    Ok(StandingRow {
        sequence: row.int(2)?,
        deleted_at: row.opt_int(3)?.map(Timestamp),
        digest: row.text(4)?,
        kept_back: row.int(5)?,
        created_at: Timestamp(row.int(6)?),
        updated_at: Timestamp(row.int(7)?),
    })
}

impl WriteTx<'_> {
    /// Counts writes that were accepted and not applied; what stands under their keys.
    pub async fn count_kept_back(
        &mut self,
        connection: i64,
        counts: &BTreeMap<ObjectId, i64>,
    ) -> Result<Vec<(ObjectId, StandingRow)>, StoreError> {
        const SQL: &str = "UPDATE object SET kept_back = kept_back + $3 \
             WHERE tenant_id = $1 AND connection_number = $2 AND type = $4 AND id_key IN EACH_TEXT($5) \
             RETURNING type, id, sequence, deleted_at, digest, kept_back, created_at, updated_at";
        // Nearly always all are of one type, each key has one such write, and this is one statement.
        let mut alike: BTreeMap<(ObjectType, i64), Vec<_>> = BTreeMap::new();
        for ((object_type, id), count) in counts {
            alike
                .entry((*object_type, *count))
                .or_default()
                .push(index_key(id));
        }
        let mut found = Vec::with_capacity(counts.len());
        for ((object_type, count), keys) in alike {
            let keys = json(&keys)?;
            let params = [
                connection.into(),
                count.into(),
                object_type.name().into(),
                (&keys).into(),
            ];
            let standing = self
                .fetch_on(Touched::Nothing, SQL, &params, |row| {
                    Ok((object_id(row)?, standing(row)?))
                })
                .await?;
            found.extend(standing);
        }
        Ok(found)
    }

    /// Remembers writes that were accepted and not applied, each in the place of one long ago.
    pub async fn insert_object_writes(
        &mut self,
        connection: i64,
        writes: &[(ObjectId, WriteRow)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO object_write (tenant_id, connection_number, type, id_key, slot, number, \
             sequence, stored_sequence, reason, written_at) \
             SELECT $1, $2, value->>'type', value->>'key', CAST(value->>'slot' AS BIGINT), \
             CAST(value->>'number' AS BIGINT), CAST(value->>'sequence' AS BIGINT), \
             CAST(value->>'stored' AS BIGINT), value->>'reason', CAST(value->>'at' AS BIGINT) \
             FROM EACH_BOUND($3) WHERE TRUE \
             ON CONFLICT (tenant_id, connection_number, type, id_key, slot) DO UPDATE SET \
             number = excluded.number, sequence = excluded.sequence, \
             stored_sequence = excluded.stored_sequence, reason = excluded.reason, written_at = excluded.written_at";
        let keys: Vec<_> = writes.iter().map(|((_, id), _)| index_key(id)).collect();
        let mut rows = Rows::of(WRITE);
        for (((object_type, _), write), key) in writes.iter().zip(&keys) {
            rows.push([
                object_type.name().into(),
                key.as_ref().into(),
                (write.number % OBJECT_WRITES_KEPT).into(),
                write.number.into(),
                write.sequence.into(),
                write.stored_sequence.into(),
                reason_name(write.reason).into(),
                write.written_at.0.into(),
            ]);
        }
        let params: (&[_], _, &[_]) = (&[connection.into()], &rows, &[]);
        self.write_each_on(Touched::Nothing, SQL, params, |_| Ok(0))
            .await
            .map(drop)
    }
}

impl ReadTx<'_> {
    /// What stands under a key, tombstones included.
    pub async fn standing_object(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        id: &str,
    ) -> Result<Option<StandingRow>, StoreError> {
        const SQL: &str = "SELECT type, id, sequence, deleted_at, digest, kept_back, created_at, updated_at \
             FROM object WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 AND id_key = $4";
        let key = index_key(id);
        let params = [connection.into(), object_type.name().into(), key.as_ref().into()];
        self.fetch_optional(SQL, &params, standing).await
    }

    /// The last writes of an object that were accepted and not applied, newest first.
    pub async fn object_writes(
        &mut self,
        connection: i64,
        object_type: ObjectType,
        id: &str,
    ) -> Result<Vec<WriteRow>, StoreError> {
        const SQL: &str = "SELECT number, sequence, stored_sequence, reason, written_at FROM object_write \
             WHERE tenant_id = $1 AND connection_number = $2 AND type = $3 AND id_key = $4 ORDER BY number DESC";
        let key = index_key(id);
        let params = [connection.into(), object_type.name().into(), key.as_ref().into()];
        self.fetch(SQL, &params, |row| {
            Ok(WriteRow {
                number: row.int(0)?,
                sequence: row.int(1)?,
                stored_sequence: row.int(2)?,
                reason: reason(&row.text(3)?)?,
                written_at: Timestamp(row.int(4)?),
            })
        })
        .await
    }
}
