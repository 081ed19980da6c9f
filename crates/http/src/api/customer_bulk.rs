//! Bulk requests about customers: their own wire types, and handlers that use what they share with those
//! about organizations.

use guildhall_domain::bulk::FieldValues;
use guildhall_domain::task::TaskType;

use super::bulk::{self, BulkDetailFieldOperation, Payload};
use super::customer_profiles::AssociateOrganizations;
use super::profiles::AssociateProducts;
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::body;

body! {
    /// What a profile shall be.
    BulkCustomerProfilePayload {
        /// The customer's id: finds it. The server gives ids to those that it creates.
        "customerId" id: Option<String>,
        /// The customer's email: finds it when there is no id. It never changes.
        "email" email: Option<String>,
        /// The name to be shown; of a new customer the part of the email before the @ when absent.
        "displayName" display_name: Option<String>,
        /// Values to set; fields that are not named stay as they are.
        "details" details: Option<Vec<FieldValues>>,
        /// Organizations to be added to.
        "associateOrganizations" organizations: Option<AssociateOrganizations>,
        /// Products to be entitled to; one that it is entitled to already is not added again.
        "associateProducts" products: Option<AssociateProducts>,
    }
}

body! {
    /// One profile to create, update or upsert.
    BulkManageCustomerProfileOperation {
        /// CREATE, UPDATE or UPSERT.
        "operationType" operation: String,
        /// What it shall be.
        "payload" payload: BulkCustomerProfilePayload,
    }
}

body! {
    /// Profiles to create, update or upsert, in order: 1 to 100.
    BulkCustomerProfilesRequest {
        /// The profiles.
        "customerProfiles" items: Vec<BulkManageCustomerProfileOperation>,
    }
}

body! {
    /// What a customer account shall be.
    BulkCustomerPayload {
        /// The customer's id: finds it. The server gives ids to those that it creates.
        "customerId" id: Option<String>,
        /// The customer's email: finds it when there is no id. It never changes.
        "email" email: Option<String>,
        /// The name to be shown; of a new customer the part of the email before the @ when absent.
        "displayName" display_name: Option<String>,
    }
}

body! {
    /// One customer account to create, update or upsert.
    BulkCustomerOperationRequest {
        /// CREATE, UPDATE or UPSERT.
        "operationType" operation: String,
        /// What it shall be.
        "payload" payload: BulkCustomerPayload,
    }
}

body! {
    /// Customer accounts to create, update or upsert, in order: 1 to 50.
    BulkCustomersRequest {
        /// The accounts.
        "customers" items: Vec<BulkCustomerOperationRequest>,
    }
}

body! {
    /// Changes of one customer's detail values, in order.
    BulkCustomerDetailFieldOperation {
        /// The customer's id.
        "customerId" id: String,
        /// The changes.
        "operations" operations: Vec<BulkDetailFieldOperation>,
    }
}

body! {
    /// Changes of detail values: at most 1,000 over all customers.
    BulkCustomerDetailsRequest {
        /// The customers.
        "customers" items: Vec<BulkCustomerDetailFieldOperation>,
    }
}

impl From<BulkCustomerProfilePayload> for Payload {
    fn from(payload: BulkCustomerProfilePayload) -> Self {
        Self {
            id: payload.id,
            handle: payload.email,
            display_name: payload.display_name,
            details: payload.details.unwrap_or_default(),
            associated_ids: payload
                .organizations
                .map(AssociateOrganizations::ids)
                .unwrap_or_default(),
            product_ids: payload.products.and_then(|of| of.ids).unwrap_or_default(),
        }
    }
}

impl From<BulkCustomerPayload> for Payload {
    fn from(payload: BulkCustomerPayload) -> Self {
        Self {
            id: payload.id,
            handle: payload.email,
            display_name: payload.display_name,
            ..Self::default()
        }
    }
}

/// `POST /customer/profile/bulk`
pub async fn profiles(call: Call) -> Result<Reply, ApiError> {
    bulk::manage(
        call,
        TaskType::CustomerProfiles,
        |body: BulkCustomerProfilesRequest| {
            let items = body.items.into_iter();
            items.map(|item| (item.operation, item.payload.into())).collect()
        },
    )
    .await
}

/// `POST /customer/bulk`
pub async fn customers(call: Call) -> Result<Reply, ApiError> {
    bulk::manage(call, TaskType::Customers, |body: BulkCustomersRequest| {
        let items = body.items.into_iter();
        items.map(|item| (item.operation, item.payload.into())).collect()
    })
    .await
}

/// `POST /customer/details/bulk`
pub async fn details(call: Call) -> Result<Reply, ApiError> {
    bulk::edit_details(
        call,
        TaskType::CustomerDetails,
        |body: BulkCustomerDetailsRequest| {
            let items = body.items.into_iter();
            items.map(|item| (item.id, item.operations)).collect()
        },
    )
    .await
}
