//! Bulk requests: their form is checked here, and answered with the task that they become. Those about
//! customers say in `customer_bulk` what is their own.

use guildhall_domain::bulk::{
    DefinitionItem, DetailEdit, DetailsItem, Edit, FieldValues, Item, Manage, ManageItem,
};
use guildhall_domain::field::NewDefinition;
use guildhall_domain::task::TaskType;
use guildhall_domain::{Excerpt, Rejection, idempotency, limits, text};
use guildhall_service::Submission;
use http::{HeaderName, HeaderValue};

use super::fields::CreateDetailFieldRequest;
use super::profiles::{AssociateCustomers, AssociateProducts};
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{In, answer, body};

body! {
    /// What a profile shall be.
    BulkOrganizationProfilePayload {
        /// The organization's id: finds it; in CREATE, and in an UPSERT that creates, the id wished for.
        "id" id: Option<String>,
        /// The organization's name: finds it when there is no id, else becomes its name.
        "name" name: Option<String>,
        /// Values to set; fields that are not named stay as they are.
        "details" details: Option<Vec<FieldValues>>,
        /// Customers to add.
        "associateCustomers" customers: Option<AssociateCustomers>,
        /// Products to be entitled to; one that it is entitled to already is not added again.
        "associateProducts" products: Option<AssociateProducts>,
    }
}

body! {
    /// One profile to create, update or upsert.
    BulkManageOrganizationProfileOperation {
        /// CREATE, UPDATE or UPSERT.
        "operationType" operation: String,
        /// What it shall be.
        "payload" payload: BulkOrganizationProfilePayload,
    }
}

body! {
    /// Profiles to create, update or upsert, in order: 1 to 100.
    BulkOrganizationProfilesRequest {
        /// The profiles.
        "organizationProfiles" items: Vec<BulkManageOrganizationProfileOperation>,
    }
}

body! {
    /// What an organization shall be.
    BulkOrganizationPayload {
        /// The organization's id: finds it; in CREATE, and in an UPSERT that creates, the id wished for.
        "id" id: Option<String>,
        /// The organization's name: finds it when there is no id, else becomes its name.
        "name" name: Option<String>,
    }
}

body! {
    /// One organization to create, update or upsert.
    BulkOrganizationOperationRequest {
        /// CREATE, UPDATE or UPSERT.
        "operationType" operation: String,
        /// What it shall be.
        "payload" payload: BulkOrganizationPayload,
    }
}

body! {
    /// Organizations to create, update or upsert, in order: 1 to 50.
    BulkOrganizationsRequest {
        /// The organizations.
        "organizations" items: Vec<BulkOrganizationOperationRequest>,
    }
}

body! {
    /// A detail value to change.
    BulkDetailFieldPayload {
        /// The field's name.
        "name" name: String,
        /// The values; required for UPDATE and PATCH.
        "values" values: Option<Vec<String>>,
    }
}

body! {
    /// One change of a detail value.
    BulkDetailFieldOperation {
        /// UPDATE replaces the value. PATCH adds to a MULTISELECT value and replaces others. DELETE removes the named
        /// ones of a MULTISELECT value and clears otherwise.
        "operationType" operation: String,
        /// What to change.
        "payload" payload: BulkDetailFieldPayload,
    }
}

body! {
    /// Changes of one organization's detail values, in order.
    BulkOrganizationDetailFieldOperation {
        /// The organization's id.
        "id" id: String,
        /// The changes.
        "operations" operations: Vec<BulkDetailFieldOperation>,
    }
}

body! {
    /// Changes of detail values: at most 1,000 over all organizations.
    BulkOrganizationDetailsRequest {
        /// The organizations.
        "organizations" items: Vec<BulkOrganizationDetailFieldOperation>,
    }
}

body! {
    /// Detail fields to create: all of them, or none; 1 to 50.
    BulkDetailFieldDefinitionsRequest {
        /// The fields. Names must be new, and each must be named once.
        "detailFields" items: Vec<CreateDetailFieldRequest>,
    }
}

answer! {
    /// The task of a bulk request.
    TaskSubmitResponseOut<'a> {
        /// The task's id, a UUID.
        "id" id: &'a str,
        /// Where its status is read, after the base URL without `/jsm/csm…`.
        "statusUrl" status_url: String,
    }
}

impl From<BulkOrganizationProfilePayload> for Payload {
    fn from(payload: BulkOrganizationProfilePayload) -> Self {
        Self {
            id: payload.id,
            handle: payload.name,
            display_name: None,
            details: payload.details.unwrap_or_default(),
            associated_ids: payload.customers.and_then(|of| of.ids).unwrap_or_default(),
            product_ids: payload.products.and_then(|of| of.ids).unwrap_or_default(),
        }
    }
}

impl From<BulkOrganizationPayload> for Payload {
    fn from(payload: BulkOrganizationPayload) -> Self {
        Self {
            id: payload.id,
            handle: payload.name,
            ..Self::default()
        }
    }
}

/// `POST /organization/profile/bulk`
pub async fn profiles(call: Call) -> Result<Reply, ApiError> {
    manage(
        call,
        TaskType::OrganizationProfiles,
        |body: BulkOrganizationProfilesRequest| {
            let items = body.items.into_iter();
            items.map(|item| (item.operation, item.payload.into())).collect()
        },
    )
    .await
}

/// `POST /organization/bulk`
pub async fn organizations(call: Call) -> Result<Reply, ApiError> {
    manage(call, TaskType::Organizations, |body: BulkOrganizationsRequest| {
        let items = body.items.into_iter();
        items.map(|item| (item.operation, item.payload.into())).collect()
    })
    .await
}

/// `POST /organization/details/bulk`
pub async fn details(call: Call) -> Result<Reply, ApiError> {
    edit_details(
        call,
        TaskType::OrganizationDetails,
        |body: BulkOrganizationDetailsRequest| {
            let items = body.items.into_iter();
            items.map(|item| (item.id, item.operations)).collect()
        },
    )
    .await
}

/// What a payload says of an organization or a customer.
#[derive(Default)]
pub struct Payload {
    /// Its id.
    pub id: Option<String>,
    /// The name of an organization, the email of a customer.
    pub handle: Option<String>,
    /// The name shown of a customer.
    pub display_name: Option<String>,
    /// Values to set.
    pub details: Vec<FieldValues>,
    /// What to associate.
    pub associated_ids: Vec<String>,
    /// Products to be entitled to.
    pub product_ids: Vec<String>,
}

/// Submits operations on profiles or accounts; `split` takes a body apart into their types and payloads.
pub async fn manage<T: In>(
    call: Call,
    task_type: TaskType,
    split: fn(T) -> Vec<(String, Payload)>,
) -> Result<Reply, ApiError> {
    let max = match task_type {
        TaskType::OrganizationProfiles | TaskType::CustomerProfiles => limits::BULK_PROFILES_MAX,
        _ => limits::BULK_ENTITIES_MAX,
    };
    let read = |(operation, payload): (String, Payload)| {
        let item = ManageItem {
            operation: Manage::parse(&operation)?,
            id: payload.id,
            handle: payload.handle,
            display_name: payload.display_name,
            details: payload.details,
            associated_ids: payload.associated_ids,
            product_ids: payload.product_ids,
        };
        item.check(task_type.kind()).map(Item::Manage)
    };
    submit(call, task_type, |body| {
        items(task_type.member(), split(body), max, read)
    })
    .await
}

/// Submits changes of detail values; `split` takes a body apart into ids and what to change.
pub async fn edit_details<T: In>(
    call: Call,
    task_type: TaskType,
    split: fn(T) -> Vec<(String, Vec<BulkDetailFieldOperation>)>,
) -> Result<Reply, ApiError> {
    let (member, max) = (task_type.member(), limits::BULK_DETAIL_OPERATIONS_MAX);
    let read = |(id, edits): (String, Vec<BulkDetailFieldOperation>)| {
        let mut operations = Vec::with_capacity(edits.len());
        for (index, edit) in edits.into_iter().enumerate() {
            let operation =
                Edit::parse(&edit.operation).map_err(|e| e.inside(&format!("operations[{index}]")))?;
            operations.push(DetailEdit {
                operation,
                name: edit.payload.name,
                values: edit.payload.values,
            });
        }
        let item = DetailsItem { id, operations };
        item.check(task_type.kind()).map(Item::Details)
    };
    submit(call, task_type, |body| {
        let list = split(body);
        let operations: usize = list.iter().map(|(_, operations)| operations.len()).sum();
        if operations > max {
            let problem = format!("hold {operations} operations in all; at most {max} are taken at once");
            return Err(Rejection::invalid(member, problem));
        }
        items(member, list, max, read)
    })
    .await
}

/// `POST /organization/details/definitions/bulk`, and the same for customers
pub async fn definitions(call: Call, task_type: TaskType) -> Result<Reply, ApiError> {
    let read = |body: BulkDetailFieldDefinitionsRequest| {
        let mut seen = std::collections::HashSet::new();
        items("detailFields", body.items, limits::BULK_DEFINITIONS_MAX, |item| {
            let options = item.field_type.options.as_deref();
            let new = NewDefinition::check(&item.name, &item.field_type.name, options)?;
            if !seen.insert(text::key(&item.name)) {
                let problem = format!(
                    "{:?} is named a second time; names are unique",
                    Excerpt(&item.name)
                );
                return Err(Rejection::invalid("name", problem));
            }
            Ok(Item::Definition(DefinitionItem::from(&new)))
        })
    };
    submit(call, task_type, read).await
}

/// Reads each item of an array, which must hold 1 to `max`.
fn items<T>(
    member: &str,
    list: Vec<T>,
    max: usize,
    mut read: impl FnMut(T) -> Result<Item, Rejection>,
) -> Result<Vec<Item>, Rejection> {
    if list.is_empty() {
        return Err(Rejection::invalid(member, "must hold at least one item"));
    }
    if list.len() > max {
        let problem = format!("holds {} items; at most {max} are taken at once", list.len());
        return Err(Rejection::invalid(member, problem));
    }
    let read = |(index, item)| read(item).map_err(|e| e.inside(&format!("{member}[{index}]")));
    list.into_iter().enumerate().map(read).collect()
}

/// Checks the key and the form, and submits.
async fn submit<T: In>(
    call: Call,
    task_type: TaskType,
    read: impl FnOnce(T) -> Result<Vec<Item>, Rejection>,
) -> Result<Reply, ApiError> {
    let key = idempotency::read_key(call.header(idempotency::HEADER)?)?;
    let (body, canonical) = call.canonical_body::<T>()?;
    let submission = Submission {
        task_type,
        items: read(body)?,
        key,
        fingerprint: idempotency::fingerprint(task_type, &canonical),
    };
    let submitted = call.service.submit(call.caller(), submission).await?;
    let reply = Reply::json(&TaskSubmitResponseOut {
        id: &submitted.id,
        status_url: format!("/api/v1/tasks/{}", submitted.id),
    })?;
    Ok(match submitted.replayed {
        true => reply.with(
            HeaderName::from_static("idempotent-replayed"),
            HeaderValue::from_static("true"),
        ),
        false => reply,
    })
}
