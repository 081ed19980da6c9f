//! Tasks: the vendor's status, and under `/guildhall/v1` the list of tasks and the receipts of their
//! items, which the vendor's API lacks.

use guildhall_domain::Excerpt;
use guildhall_domain::task::{Outcome, TaskStatus};
use guildhall_service::{ItemFilter, ItemRow, TaskRow};

use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::answer;

answer! {
    /// A part of an item that failed, or an item that failed as a whole.
    TaskFailureOut<'a> {
        /// CUSTOMER or ORGANIZATION.
        "entity" entity: &'a str,
        /// The entity's id; its name or email where it has no id.
        "entityId" entity_id: &'a str,
        /// The operation type of the item or the part.
        "operation" operation: &'a str,
        /// ORGANIZATION, ORGANIZATION_PROFILE, DETAIL_FIELD, ENTITLEMENT or MEMBERSHIP.
        "operatedOn" operated_on: &'a str,
        /// The names or ids of just the failed part; none when the whole item failed.
        "operatedOnIds" operated_on_ids: &'a [String],
        /// What is wrong, and what would be right.
        "error" error: &'a str,
    }
}

answer! {
    /// Where a task stands.
    TaskStatusResponseOut<'a> {
        /// The task's id, a UUID.
        "id" id: &'a str,
        /// What it does.
        "type" type_name: &'a str,
        /// NOT_STARTED, IN_PROGRESS, FINISHED or FAILED.
        "status" status: &'a str,
        /// What failed; filled when the task is done.
        "failures" failures: Vec<TaskFailureOut<'a>>,
        /// When it was submitted: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When it last came further: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// How many items came to what.
    TaskOutcomesOut {
        /// Items whose entity was created.
        "created" created: i64,
        /// Items whose entity was changed.
        "updated" updated: i64,
        /// Items that changed nothing.
        "unchanged" unchanged: i64,
        /// Items that failed.
        "failed" failed: i64,
    }
}

answer! {
    /// A task in a list.
    TaskSummaryOut<'a> {
        /// The task's id, a UUID.
        "id" id: &'a str,
        /// What it does.
        "type" type_name: &'a str,
        /// NOT_STARTED, IN_PROGRESS, FINISHED or FAILED.
        "status" status: &'a str,
        /// How many items it has.
        "items" items: i64,
        /// How many of them came to what, so far.
        "outcomes" outcomes: TaskOutcomesOut,
        /// When it was submitted: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When it last came further: RFC 3339, UTC.
        "updatedAt" updated_at: String,
    }
}

answer! {
    /// One page of tasks.
    TaskListOut<'a> {
        /// The tasks, newest first.
        "tasks" tasks: Vec<TaskSummaryOut<'a>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
    }
}

answer! {
    /// What became of one item.
    TaskItemOut<'a> {
        /// Its place in the request, from 0.
        "index" index: i64,
        /// Where in the request: `organizationProfiles[3]`.
        "at" at: String,
        /// created, updated, unchanged or failed.
        "outcome" outcome: &'a str,
        /// The entity's id; its name where it has no id.
        "entityId" entity_id: &'a str,
        /// What failed of it. An item that was created or updated may have failed parts too.
        "failures" failures: Vec<TaskFailureOut<'a>>,
    }
}

answer! {
    /// One page of receipts.
    TaskItemListOut<'a> {
        /// The receipts, in the order of the items; items that are not done have none yet.
        "items" items: Vec<TaskItemOut<'a>>,
        /// The cursor of the next page; absent on the last.
        "nextCursor" next_cursor: Option<&'a str>,
    }
}

fn failures<'a>(task: &'a TaskRow, row: &'a ItemRow) -> impl Iterator<Item = TaskFailureOut<'a>> {
    row.receipt.failures.iter().map(|failure| TaskFailureOut {
        entity: task.task_type.entity(),
        entity_id: &row.receipt.entity_id,
        operation: &failure.operation,
        operated_on: failure.operated_on.name(),
        operated_on_ids: &failure.operated_on_ids,
        error: &failure.error,
    })
}

/// `GET /tasks/{taskId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    let found = call.service.task(call.caller(), call.path("taskId")).await?;
    let task = &found.task;
    Reply::json(&TaskStatusResponseOut {
        id: &task.id,
        type_name: task.task_type.name(),
        status: task.status.name(),
        failures: found.failed.iter().flat_map(|row| failures(task, row)).collect(),
        created_at: task.created_at.to_rfc3339(),
        updated_at: task.updated_at.to_rfc3339(),
    })
}

/// `GET /guildhall/v1/tasks`
pub async fn list(call: Call) -> Result<Reply, ApiError> {
    let status = call.query_word("status", TaskStatus::parse, TaskStatus::ALL.map(TaskStatus::name))?;
    let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
    let page = call.service.tasks(call.caller(), status, cursor, limit).await?;
    let tasks = page.tasks.iter().map(|summary| {
        let count = |wanted: Outcome| {
            summary
                .outcomes
                .iter()
                .find(|(outcome, _)| *outcome == wanted)
                .map_or(0, |(_, count)| *count)
        };
        TaskSummaryOut {
            id: &summary.task.id,
            type_name: summary.task.task_type.name(),
            status: summary.task.status.name(),
            items: summary.task.items,
            outcomes: TaskOutcomesOut {
                created: count(Outcome::Created),
                updated: count(Outcome::Updated),
                unchanged: count(Outcome::Unchanged),
                failed: count(Outcome::Failed),
            },
            created_at: summary.task.created_at.to_rfc3339(),
            updated_at: summary.task.updated_at.to_rfc3339(),
        }
    });
    Reply::json(&TaskListOut {
        tasks: tasks.collect(),
        next_cursor: page.next.as_deref(),
    })
}

/// `GET /guildhall/v1/tasks/{taskId}/items`
pub async fn items(call: Call) -> Result<Reply, ApiError> {
    let outcome = call.query_word("outcome", Outcome::parse, Outcome::ALL.map(Outcome::name))?;
    let with_failures = match call.query("hasFailures")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let problem = format!("must be true or false, not {:?}", Excerpt(other));
            return Err(ApiError::invalid("hasFailures", problem));
        }
    };
    let filter = ItemFilter {
        outcome,
        with_failures,
        ..ItemFilter::default()
    };
    let (cursor, limit) = (call.query("cursor")?, call.query_number("limit")?);
    let page = call
        .service
        .task_items(call.caller(), call.path("taskId"), filter, cursor, limit)
        .await?;
    let items = page.items.iter().map(|row| TaskItemOut {
        index: row.item,
        at: format!("{}[{}]", page.task.task_type.member(), row.item),
        outcome: row.receipt.outcome.name(),
        entity_id: &row.receipt.entity_id,
        failures: failures(&page.task, row).collect(),
    });
    Reply::json(&TaskItemListOut {
        items: items.collect(),
        next_cursor: page.next.as_deref(),
    })
}
