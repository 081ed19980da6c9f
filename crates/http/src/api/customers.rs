//! Customers and their accounts (docs/api.md, "Customers").

use guildhall_domain::Customer;
use guildhall_service::{NewAccount, Target, WantedValue};

use super::details::{self, DetailFieldOut, ShownValues};
use super::organizations::OrganizationReferenceOut;
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

body! {
    /// A customer account to create.
    CreateCustomerAccountRequest {
        /// The email; unique, compared without case.
        "email" email: String,
        /// 1 to 255 characters; the part of the email before the @ when absent.
        "displayName" display_name: Option<String>,
    }
}

body! {
    /// Changes to a customer account.
    UpdateCustomerAccountRequest {
        /// 1 to 255 characters: the only thing of an account that can change.
        "displayName" display_name: String,
    }
}

body! {
    /// A value to search by.
    DetailFieldSearch {
        /// The field's name.
        "name" name: String,
        /// The value, compared without case; numbers as numbers.
        "value" value: String,
    }
}

body! {
    /// What customers are searched by.
    SearchCustomersRequest {
        /// Values that all who are found have: 1 to 50.
        "detailFields" fields: Vec<DetailFieldSearch>,
    }
}

answer! {
    /// A customer that was found.
    FoundCustomerOut<'a> {
        /// The customer's id.
        "id" id: &'a str,
        /// The name shown.
        "displayName" display_name: &'a str,
        /// The same.
        "name" name: &'a str,
        /// The email as given; only for admins.
        "email" email: Option<&'a str>,
    }
}

answer! {
    /// The customers that were found.
    SearchCustomersResponseOut<'a> {
        /// One page of them, in the order they were added.
        "customers" customers: Vec<FoundCustomerOut<'a>>,
    }
}

answer! {
    /// A customer account.
    CustomerAccountOut<'a> {
        /// The customer's id.
        "id" id: &'a str,
        /// The email as given.
        "email" email: &'a str,
        /// The name shown.
        "displayName" display_name: &'a str,
    }
}

answer! {
    /// A customer with all its detail fields and its organizations.
    CustomerOut<'a> {
        /// The customer's id.
        "id" id: &'a str,
        /// The name shown.
        "name" name: &'a str,
        /// Every detail field of customers, by position.
        "details" details: Vec<DetailFieldOut<'a>>,
        /// The organizations the customer belongs to, by id.
        "organizations" organizations: Vec<OrganizationReferenceOut<'a>>,
    }
}

impl<'a> From<&'a Customer> for CustomerAccountOut<'a> {
    fn from(customer: &'a Customer) -> Self {
        Self {
            id: &customer.id,
            email: &customer.email,
            display_name: &customer.display_name,
        }
    }
}

/// `GET /customer/{customerId}`
pub async fn get(call: Call) -> Result<Reply, ApiError> {
    let found = call
        .service
        .customer(call.caller(), call.path("customerId"))
        .await?;
    let organizations = found.organizations.iter();
    Reply::json(&CustomerOut {
        id: &found.customer.id,
        name: &found.customer.display_name,
        details: details::all(&found.definitions, &ShownValues::Read(&found.customer.details)),
        organizations: organizations.map(OrganizationReferenceOut::from).collect(),
    })
}

/// `POST /customer/search-by-detail-field`
pub async fn search(call: Call) -> Result<Reply, ApiError> {
    let body: SearchCustomersRequest = call.body()?;
    let wanted = |field: DetailFieldSearch| WantedValue {
        name: field.name,
        value: field.value,
    };
    let wanted: Vec<_> = body.fields.into_iter().map(wanted).collect();
    let (page, max_results) = (call.query_number("page")?, call.query_number("maxResults")?);
    let found = call
        .service
        .search_customers(call.caller(), &wanted, page, max_results)
        .await?;
    let customers = found.customers.iter().map(|customer| FoundCustomerOut {
        id: &customer.id,
        display_name: &customer.display_name,
        name: &customer.display_name,
        email: found.with_emails.then_some(customer.email.as_str()),
    });
    Reply::json(&SearchCustomersResponseOut {
        customers: customers.collect(),
    })
}

/// `POST /customer`
pub async fn create_account(call: Call) -> Result<Reply, ApiError> {
    let body: CreateCustomerAccountRequest = call.body()?;
    let new = NewAccount {
        email: body.email,
        display_name: body.display_name,
    };
    let customer = call.service.create_account(&call.who, new).await?;
    Reply::json(&CustomerAccountOut::from(&customer))
}

/// `GET /customer/account/{customerId}`
pub async fn get_account(call: Call) -> Result<Reply, ApiError> {
    let customer = call
        .service
        .account(call.caller(), call.path("customerId"))
        .await?;
    Reply::json(&CustomerAccountOut::from(&customer))
}

/// `PUT /customer/account/{customerId}`
pub async fn update_account(call: Call) -> Result<Reply, ApiError> {
    let body: UpdateCustomerAccountRequest = call.body()?;
    let id = call.path("customerId");
    let customer = call
        .service
        .rename_account(call.caller(), id, &body.display_name)
        .await?;
    Reply::json(&CustomerAccountOut::from(&customer))
}

/// `DELETE /customer/account/{customerId}`
pub async fn delete_account(call: Call) -> Result<Reply, ApiError> {
    call.service
        .delete_account(call.caller(), call.path("customerId"))
        .await?;
    Ok(Reply::no_content())
}

/// The customer that the path names.
pub fn target(call: &Call) -> Target {
    Target::Customer(call.path("customerId").to_owned())
}
