//! Reading tasks and what became of their items, and purging old ones.

use guildhall_domain::task::{Outcome, TaskStatus};
use guildhall_domain::{Caller, Excerpt, Rejection, Thing, Timestamp, limits};
use guildhall_storage::{ItemFilter, ItemRow, TaskRow};

use crate::{Error, Service};

/// A task with what failed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDetails {
    /// The task.
    pub task: TaskRow,
    /// Items with failed parts; none until the task is done.
    pub failed: Vec<ItemRow>,
}

/// A task with how many of its items came to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSummary {
    /// The task.
    pub task: TaskRow,
    /// Items by outcome; outcomes that none came to are left out.
    pub outcomes: Vec<(Outcome, i64)>,
}

/// One page of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks, newest first.
    pub tasks: Vec<TaskSummary>,
    /// What to ask with for the next page, if there is one.
    pub next: Option<String>,
}

/// One page of receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPage {
    /// The task.
    pub task: TaskRow,
    /// The receipts, in the order of the items.
    pub items: Vec<ItemRow>,
    /// What to ask with for the next page, if there is one.
    pub next: Option<String>,
}

/// Tasks that one look at old ones takes.
const PURGED_AT_ONCE: i64 = 100;

fn no_task(id: &str) -> Error {
    Rejection::not_found(Thing::Task, id).into()
}

fn page_size(limit: Option<i64>) -> i64 {
    limit
        .unwrap_or(limits::TASKS_PAGE_MAX)
        .clamp(1, limits::TASKS_PAGE_MAX)
}

fn bad_cursor(cursor: &str) -> Rejection {
    let problem = format!(
        "{:?} is no cursor; use the nextCursor of the page before",
        Excerpt(cursor)
    );
    Rejection::invalid("cursor", problem)
}

impl Service {
    /// A task, with its failures once it is done.
    pub async fn task(&self, caller: &Caller, id: &str) -> Result<TaskDetails, Error> {
        let wanted = id.to_ascii_lowercase();
        self.store
            .read(caller.tenant, async |tx| {
                let task = tx.task(&wanted).await?.ok_or_else(|| no_task(id))?;
                let filter = ItemFilter {
                    with_failures: true,
                    ..ItemFilter::default()
                };
                let failed = match task.status.is_terminal() {
                    true => tx.task_items(&task.id, filter, task.items).await?,
                    false => Vec::new(),
                };
                Ok(TaskDetails { task, failed })
            })
            .await
    }

    /// Tasks, newest first.
    pub async fn tasks(
        &self,
        caller: &Caller,
        status: Option<TaskStatus>,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<TaskPage, Error> {
        let limit = page_size(limit);
        // Ids are compared as text, so another spelling of the same id would be another place.
        let cursor = match cursor {
            Some(cursor) => Some(
                uuid::Uuid::try_parse(cursor)
                    .map_err(|_| bad_cursor(cursor))?
                    .to_string(),
            ),
            None => None,
        };
        self.store
            .read(caller.tenant, async |tx| {
                let mut rows = tx.tasks_before(cursor.as_deref(), status, limit + 1).await?;
                let more = rows.len() as i64 > limit;
                rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                let next = rows.last().filter(|_| more).map(|last| last.id.clone());
                let mut tasks = Vec::with_capacity(rows.len());
                for task in rows {
                    let outcomes = tx.count_outcomes(&task.id).await?;
                    tasks.push(TaskSummary { task, outcomes });
                }
                Ok(TaskPage { tasks, next })
            })
            .await
    }

    /// What became of a task's items, in their order.
    pub async fn task_items(
        &self,
        caller: &Caller,
        id: &str,
        filter: ItemFilter,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ItemPage, Error> {
        let limit = page_size(limit);
        let after = match cursor {
            Some(cursor) => Some(
                cursor
                    .parse()
                    .ok()
                    .filter(|n| *n >= 0)
                    .ok_or_else(|| bad_cursor(cursor))?,
            ),
            None => None,
        };
        let wanted = id.to_ascii_lowercase();
        self.store
            .read(caller.tenant, async |tx| {
                let task = tx.task(&wanted).await?.ok_or_else(|| no_task(id))?;
                let filter = ItemFilter { after, ..filter };
                let mut items = tx.task_items(&task.id, filter, limit + 1).await?;
                let more = items.len() as i64 > limit;
                items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                let next = items.last().filter(|_| more).map(|last| last.item.to_string());
                Ok(ItemPage { task, items, next })
            })
            .await
    }

    /// Removes tasks that ended longer ago than results are kept; whether there may be more.
    pub async fn purge_tasks_once(&self) -> Result<bool, Error> {
        let kept = i64::try_from(self.settings.task_retention.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(self.now().0.saturating_sub(kept));
        let old = self
            .store
            .system_read(async |tx| tx.tasks_finished_before(before, PURGED_AT_ONCE).await)
            .await?;
        let more = old.len() as i64 == PURGED_AT_ONCE;
        for (tenant, id) in old {
            self.store
                .write(tenant, async move |tx| tx.purge_task(&id).await)
                .await?;
        }
        Ok(more)
    }
}
