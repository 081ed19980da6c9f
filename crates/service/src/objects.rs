//! Objects of connectors: set, read, deleted. The greatest sequence number wins, and what did not win
//! leaves a line that says why.

use std::collections::BTreeMap;
use std::sync::Arc;

use guildhall_domain::connector::{
    Counted, DeleteByProperties, DeleteObjects, EqualSequence, Incoming, Object, ObjectType, Outcome,
    RejectedObject, SetObjects, Stored, decide,
};
use guildhall_domain::{Caller, Rejection, Thing, Timestamp};
use guildhall_storage::{OBJECT_WRITES_KEPT, ObjectId, StandingRow, WriteRow, WriteTx};

use crate::connections::meant;
use crate::{Error, Service};

/// Objects that one transaction of a delete by tag removes.
const DELETED_AT_ONCE: i64 = 500;

/// What became of the objects of a request, each with its place there.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectsSet {
    /// Those that were accepted, applied or not.
    pub accepted: Vec<(usize, ObjectId)>,
    /// Those that were not.
    pub rejected: Vec<(usize, RejectedObject)>,
}

/// The story of a key: what stands, and what did not win against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStory {
    /// What stands under the key.
    pub standing: StandingRow,
    /// The last writes that were accepted and not applied, newest first.
    pub writes: Vec<WriteRow>,
}

impl Service {
    /// Sets objects: each that is valid is accepted, and applied unless what is there is newer.
    pub async fn set_objects(&self, caller: &Caller, request: SetObjects) -> Result<ObjectsSet, Error> {
        let counted = match request.is_backfill {
            true => Counted::SetObjectsBackfill,
            false => Counted::SetObjects,
        };
        self.count(caller, counted, request.objects.len())?;
        let (mut accepted, mut rejected, mut objects) = (Vec::new(), Vec::new(), Vec::new());
        for (index, object) in request.objects.into_iter().enumerate() {
            match object {
                Ok(object) => {
                    accepted.push((index, id_of(&object)));
                    objects.push(object);
                }
                Err(refused) => rejected.push((index, refused)),
            }
        }
        let connection_id = request.connection_id;
        if objects.is_empty() {
            self.connection_meant(caller, connection_id.as_deref()).await?;
            return Ok(ObjectsSet { accepted, rejected });
        }
        let (objects, equal, now) = (Arc::new(objects), self.settings.equal_sequence, self.now());
        // So that they are freed here, and not by the one writer of SQLite.
        let _kept = Arc::clone(&objects);
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = meant(tx, connection_id.as_deref()).await?.number;
                if !tx.share_connection(connection).await? {
                    return Err(Error::from(Rejection::NotThere(Thing::Connection)));
                }
                apply(tx, connection, &objects, equal, now).await
            })
            .await?;
        Ok(ObjectsSet { accepted, rejected })
    }

    /// An object as its connector sees it: the whole canonical JSON text, sensitive data included.
    pub async fn object(
        &self,
        caller: &Caller,
        connection_id: Option<&str>,
        object_type: ObjectType,
        id: &str,
    ) -> Result<String, Error> {
        self.count(caller, Counted::GetObject, 1)?;
        self.store
            .read(caller.tenant, async |tx| {
                let connection = meant(tx, connection_id).await?.number;
                let found = match id.contains('\0') {
                    true => None,
                    false => tx.object(connection, object_type, id).await?,
                };
                let found = found.ok_or(Rejection::NotThere(Thing::Object))?;
                Ok(Object::whole(&found.body, found.sensitive.as_deref()))
            })
            .await
    }

    /// Why the value of a key is what it is.
    pub async fn object_story(
        &self,
        caller: &Caller,
        connection_id: Option<&str>,
        object_type: ObjectType,
        id: &str,
    ) -> Result<ObjectStory, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                let connection = meant(tx, connection_id).await?.number;
                let standing = match id.contains('\0') {
                    true => None,
                    false => tx.standing_object(connection, object_type, id).await?,
                };
                let standing = standing.ok_or(Rejection::NotThere(Thing::Object))?;
                let writes = tx.object_writes(connection, object_type, id).await?;
                Ok(ObjectStory { standing, writes })
            })
            .await
    }

    /// Deletes objects by their ids; of each id, in the order given, whether an object was deleted.
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        request: DeleteObjects,
    ) -> Result<Vec<(String, bool)>, Error> {
        self.count(caller, Counted::DeleteObjects, request.which.ids.len())?;
        let now = self.now();
        self.store
            .write(caller.tenant, async move |tx| {
                let DeleteObjects {
                    which,
                    object_type,
                    sequence,
                } = request;
                let connection = meant(tx, which.connection_id.as_deref()).await?.number;
                let deleted = tx
                    .delete_objects(connection, object_type, &which.ids, sequence, now)
                    .await?;
                let found = which.ids.into_iter().map(|id| {
                    let found = deleted.contains(&id);
                    (id, found)
                });
                Ok(found.collect())
            })
            .await
    }

    /// Deletes the objects that have a tag now; how many there were. They may be very many, so this is the one
    /// operation of several transactions: one that breaks off has deleted some, and can be sent again.
    pub async fn delete_by_properties(
        &self,
        caller: &Caller,
        request: DeleteByProperties,
    ) -> Result<i64, Error> {
        self.count(caller, Counted::DeleteObjectsByProperties, 1)?;
        let DeleteByProperties {
            connection_id,
            object_type,
            tag,
        } = request;
        let now = self.now();
        let connection = self
            .connection_meant(caller, connection_id.as_deref())
            .await?
            .number;
        let last = self
            .store
            .read(caller.tenant, async |tx| {
                let tag = (tag.0.as_str(), tag.1.as_str());
                Ok::<_, Error>(tx.last_tagged_object(connection, object_type, tag).await?)
            })
            .await?;
        // One way through those that there are now: beside a writer that tags others it ends, too.
        let Some(last) = last else { return Ok(0) };
        let (mut after, mut total) = (String::new(), 0);
        loop {
            let (tag, range) = (tag.clone(), (after, last.clone()));
            let (ids, deleted) = self
                .store
                .write(caller.tenant, async move |tx| {
                    let tag = (tag.0.as_str(), tag.1.as_str());
                    let range = (range.0.as_str(), range.1.as_str());
                    let ids = tx
                        .tagged_objects(connection, object_type, tag, range, DELETED_AT_ONCE)
                        .await?;
                    // A write that came in between may have taken the tag away.
                    let tagged = tx.lock_tagged_objects(connection, object_type, tag, &ids).await?;
                    let deleted = tx
                        .delete_objects(connection, object_type, &tagged, None, now)
                        .await?;
                    Ok::<_, Error>((ids, deleted.len() as i64))
                })
                .await?;
            total += deleted;
            match ids.last() {
                Some(id) if ids.len() as i64 == DELETED_AT_ONCE => after = id.clone(),
                _ => return Ok(total),
            }
        }
    }
}

fn id_of(object: &Object) -> ObjectId {
    (object.object_type, object.id.clone())
}

/// Writes accepted objects, and a line for each that was not applied.
pub(crate) async fn apply(
    tx: &mut WriteTx<'_>,
    connection: i64,
    objects: &[Object],
    equal: EqualSequence,
    now: Timestamp,
) -> Result<(), Error> {
    fn key_of<'o>(object: &&'o Object) -> (ObjectType, &'o str) {
        (object.object_type, &object.id)
    }
    let mut sorted: Vec<&Object> = objects.iter().collect();
    // Versions of a key stay in the order given.
    sorted.sort_by_key(key_of);
    let by_key = || sorted.chunk_by(|left, right| key_of(left) == key_of(right));
    let winners: Vec<&Object> = by_key().filter_map(|versions| winner(versions, equal)).collect();
    let applied = tx.put_objects(connection, &winners, equal, now).await?;
    let mut others: BTreeMap<ObjectId, Vec<&Object>> = BTreeMap::new();
    for (versions, (winner, is_applied)) in by_key().zip(winners.into_iter().zip(applied)) {
        // What was applied needs no line; all else of the key does.
        let is_other = |version: &&Object| !(is_applied && std::ptr::eq(*version, winner));
        let left: Vec<&Object> = versions.iter().copied().filter(is_other).collect();
        if !left.is_empty() {
            others.insert(id_of(winner), left);
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let counts = others
        .iter()
        .map(|(id, versions)| (id.clone(), versions.len() as i64))
        .collect();
    let standing = tx.count_kept_back(connection, &counts).await?;
    let lines = standing.into_iter().flat_map(|(id, standing)| {
        let versions = others.remove(&id).unwrap_or_default();
        lines(&standing, &versions, now)
            .map(move |line| (id.clone(), line))
            .collect::<Vec<_>>()
    });
    Ok(tx
        .insert_object_writes(connection, &lines.collect::<Vec<_>>())
        .await?)
}

/// The version of a key that would stand if all were written one after the other.
fn winner<'o>(versions: &[&'o Object], equal: EqualSequence) -> Option<&'o Object> {
    versions.iter().copied().reduce(|standing, next| {
        let stored = Stored {
            sequence: standing.sequence,
            deleted: false,
            digest: &standing.digest,
        };
        match decide(Some(stored), incoming(next), equal) {
            Outcome::Kept(_) => standing,
            Outcome::Created | Outcome::Replaced => next,
        }
    })
}

fn incoming(object: &Object) -> Incoming<'_> {
    Incoming {
        sequence: object.sequence,
        digest: &object.digest,
    }
}

/// Lines for versions that did not win against what stands, the last ones only where they are many.
fn lines<'v>(
    standing: &'v StandingRow,
    versions: &'v [&Object],
    now: Timestamp,
) -> impl Iterator<Item = WriteRow> + use<'v> {
    let first = standing.kept_back - versions.len() as i64 + 1;
    let kept = usize::try_from(OBJECT_WRITES_KEPT).unwrap_or(usize::MAX);
    let stored = Stored {
        sequence: standing.sequence,
        deleted: standing.deleted_at.is_some(),
        digest: &standing.digest,
    };
    versions
        .iter()
        .zip(first..)
        .skip(versions.len().saturating_sub(kept))
        .filter_map(move |(version, number)| {
            // That it lost is known; the policy for equal numbers would only hide why.
            match decide(Some(stored), incoming(version), EqualSequence::Keep) {
                Outcome::Kept(reason) => Some(WriteRow {
                    number,
                    sequence: version.sequence,
                    stored_sequence: stored.sequence,
                    reason,
                    written_at: now,
                }),
                Outcome::Created | Outcome::Replaced => None,
            }
        })
}
