//! Submitting bulk requests. Key, digest and task are written in one transaction, so a request that
//! was answered is a task on disk, and the same request again is the same task.

use guildhall_domain::bulk::{DefinitionItem, Item};
use guildhall_domain::field::{Definition, Definitions, EntityKind, NewDefinition};
use guildhall_domain::task::TaskType;
use guildhall_domain::{Caller, FieldId, Rejection, Timestamp, idempotency, limits};
use guildhall_storage::{NewTask, ReadTx, StoreError};

use crate::{Error, Service};

/// A bulk request whose form was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// What it does.
    pub task_type: TaskType,
    /// Its items.
    pub items: Vec<Item>,
    /// The key that its submitter gave it.
    pub key: String,
    /// The digest of the request (`idempotency::fingerprint`).
    pub fingerprint: String,
}

/// The task of a bulk request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The task's id.
    pub id: String,
    /// Whether an earlier request made it.
    pub replayed: bool,
}

impl Service {
    /// Stores a bulk request as a task, or finds the task that it already is.
    ///
    /// The order matters: the key is looked up before anything that depends on data, so that a retry
    /// of accepted work never meets its own effect, nor the limit that it fills itself.
    pub async fn submit(&self, caller: &Caller, submission: Submission) -> Result<Submitted, Error> {
        check_associations(&submission.items)?;
        let now = self.now();
        let request = serde_json::to_string(&submission.items)
            .map_err(|e| StoreError::Failed(format!("cannot write a task's items: {e}")))?;
        let new = NewTask {
            id: self.new_uuid(),
            task_type: submission.task_type,
            idempotency_key: submission.key,
            fingerprint: submission.fingerprint,
            submitted_by: caller.token_id.clone(),
            request,
            items: i64::try_from(submission.items.len()).unwrap_or(i64::MAX),
        };
        let max = self.settings.max_active_tasks;
        let since =
            Timestamp(now.0 - i64::try_from(self.settings.task_timeout.as_millis()).unwrap_or(i64::MAX));
        let items = submission.items;
        let submitted = self
            .store
            .write(caller.tenant, async move |tx| {
                if new.task_type.defines() {
                    tx.share_tenant().await?;
                }
                tx.lock_tasks().await?;
                if let Some((id, fingerprint)) = tx.task_by_key(new.task_type, &new.idempotency_key).await? {
                    return match fingerprint == new.fingerprint {
                        true => Ok(Submitted { id, replayed: true }),
                        false => Err(Error::from(idempotency::reused(&new.idempotency_key))),
                    };
                }
                if new.task_type.defines() {
                    check_definitions(tx, new.task_type.kind().fields(), &items).await?;
                }
                if tx.count_open_tasks(since).await? >= max {
                    return Err(Rejection::TooManyTasks.into());
                }
                tx.insert_task(&new, now).await?;
                Ok(Submitted {
                    id: new.id,
                    replayed: false,
                })
            })
            .await?;
        if !submitted.replayed {
            self.queue.announce(caller.tenant, submitted.id.clone());
        }
        Ok(submitted)
    }
}

/// The limit of what the items of a request may associate together.
fn check_associations(items: &[Item]) -> Result<(), Rejection> {
    let associated = |item: &Item| match item {
        Item::Manage(item) => item.associated_ids.len() + item.product_ids.len(),
        Item::Details(_) | Item::Definition(_) => 0,
    };
    let (count, max) = (
        items.iter().map(associated).sum::<usize>(),
        limits::BULK_ASSOCIATIONS_MAX,
    );
    match count > max {
        false => Ok(()),
        true => Err(Rejection::invalid(
            "",
            format!("the items associate {count} ids in all; at most {max} are taken in one request"),
        )),
    }
}

/// A definition of an item, which was checked when it was submitted.
pub(crate) fn new_definition(item: &DefinitionItem) -> Result<NewDefinition, Rejection> {
    NewDefinition::check(&item.name, &item.type_name, Some(&item.options))
}

/// New definitions must all fit in beside those that exist: one that does not refuses them all.
async fn check_definitions(tx: &mut ReadTx<'_>, kind: EntityKind, items: &[Item]) -> Result<(), Error> {
    let mut fields = tx.fields(kind).await?;
    for (index, item) in items.iter().enumerate() {
        let Item::Definition(item) = item else { continue };
        let at = format!("detailFields[{index}]");
        let new = new_definition(item).map_err(|e| e.inside(&at))?;
        let position = Definitions::new(fields.clone())
            .plan_add(&new)
            .map_err(|e| e.inside(&at))?;
        let NewDefinition {
            name,
            key,
            field_type,
            options,
        } = new;
        fields.push(Definition {
            id: FieldId(0),
            name,
            key,
            field_type,
            options,
            position,
        });
    }
    Ok(())
}
