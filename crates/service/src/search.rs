//! Finding customers by their detail values.

use std::collections::BTreeSet;

use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_domain::{Caller, Customer, FieldId, Rejection, Role, limits, value_key};

use crate::{Error, Service};

/// What customers are searched by: a value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedValue {
    /// The field's name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Customers that were found.
#[derive(Clone, Debug)]
pub struct FoundCustomers {
    /// One page of them, in the order they were added.
    pub customers: Vec<Customer>,
    /// Whether the caller may see their emails.
    pub with_emails: bool,
}

impl Service {
    /// The customers that hold every one of these values, compared as searches do; one page of them.
    pub async fn search_customers(
        &self,
        caller: &Caller,
        wanted: &[WantedValue],
        page: Option<i64>,
        max_results: Option<i64>,
    ) -> Result<FoundCustomers, Error> {
        let max = limits::SEARCH_VALUES_MAX;
        if wanted.is_empty() || wanted.len() > max {
            let problem = format!("holds {} values; name 1 to {max} to search by", wanted.len());
            return Err(Rejection::invalid("detailFields", problem).into());
        }
        let limit = max_results
            .unwrap_or(limits::SEARCH_PAGE_DEFAULT)
            .clamp(1, limits::SEARCH_PAGE_MAX);
        let offset = page.unwrap_or(0).max(0).saturating_mul(limit);
        self.store
            .read(caller.tenant, async |tx| {
                let definitions = self.definitions.get(tx, EntityKind::Customer).await?;
                let mut keys = BTreeSet::new();
                for (index, wanted) in wanted.iter().enumerate() {
                    // A field that a body names is a value of that body: 400, not 404.
                    let definition = definitions.require(&wanted.name).map_err(|missing| {
                        let at = format!("detailFields[{index}].name");
                        Rejection::invalid(at, format!("Invalid detail field: {missing}"))
                    })?;
                    keys.insert((definition.id, value_key(definition.field_type, &wanted.value)));
                }
                let holds = |customer: &Customer| holds_all(customer, &keys, &definitions);
                Ok(FoundCustomers {
                    customers: tx.customers_with(&keys, holds, offset, limit).await?,
                    with_emails: caller.role == Role::Admin,
                })
            })
            .await
    }
}

/// Whether a customer has all these search keys.
fn holds_all(customer: &Customer, keys: &BTreeSet<(FieldId, String)>, definitions: &Definitions) -> bool {
    keys.iter().all(|(field, key)| {
        let definition = definitions.iter().find(|definition| definition.id == *field);
        definition.is_some_and(|definition| {
            let mut values = customer.details.get(*field).iter();
            values.any(|value| value_key(definition.field_type, value) == *key)
        })
    })
}
